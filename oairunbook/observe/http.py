"""One HTTP/1.1 exchange on an open stream, without credentials, whatever comes back."""

from __future__ import annotations

import functools
import http.client
import io

from oairunbook.evidence import Ending, Header, HttpAnswer, HttpFailed
from oairunbook.observe.bodies import classify
from oairunbook.observe.errors import error_chain
from oairunbook.observe.stream import TIMED_OUT, Stream, StreamFile, printable

MOST_BODY_BYTES = 65536

# fmt: off
KEPT_HEADERS = frozenset((
    # who answered, and how
    "content-type", "content-length", "transfer-encoding", "connection", "date", "server", "via", "location", "allow", "x-powered-by",
    "x-cache", "x-cache-lookup", "x-squid-error", "x-proxy-error", "proxy-authenticate", "www-authenticate", "x-frame-options", "x-served-by",
    "cf-ray", "cf-mitigated", "x-amzn-waf-action", "cf-cache-status", "x-amz-cf-id", "x-amzn-requestid", "x-amzn-errortype", "x-envoy-upstream-service-time",
    "access-control-allow-origin", "access-control-allow-headers", "access-control-allow-methods", "access-control-allow-credentials",
    "access-control-expose-headers", "access-control-max-age", "cross-origin-resource-policy",
    # the API application
    "x-request-id", "request-id", "x-should-retry", "retry-after", "retry-after-ms", "x-openai-proxy-wasm",
    "openai-organization", "openai-project", "openai-processing-ms", "openai-version",
    # Azure
    "apim-request-id", "x-ms-region", "x-ms-client-request-id", "x-ms-deployment-name", "x-ms-error-code", "azureml-model-session",
    # gateways
    "ngrok-error-code", "helicone-id", "helicone-status", "helicone-error", "x-oneapi-request-id", "x-generation-id",
))
# fmt: on
KEPT_PREFIXES = ("x-ratelimit-", "x-litellm-", "x-portkey-", "cf-aig-", "x-kong-", "llm_provider-", "fault-")


def kept_headers(pairs: list[tuple[str, str]]) -> tuple[Header, ...]:
    """The headers that identify who answered; the values of all others never enter a record."""
    return tuple(Header(name=name.lower(), value=value[:500]) for name, value in pairs if _is_kept(name))


@functools.lru_cache(maxsize=512)
def _is_kept(name: str) -> bool:
    return name.lower() in KEPT_HEADERS or name.lower().startswith(KEPT_PREFIXES)


class StreamSocket:
    """What `http.client.HTTPResponse` asks of a socket."""

    def __init__(self, stream: Stream) -> None:
        self._file: io.BufferedIOBase = io.BufferedReader(StreamFile(stream))

    def makefile(self, mode: str) -> io.BufferedIOBase:
        """The stream as a file for reading."""
        assert mode == "rb"
        return self._file


def exchange(
    stream: Stream,
    *,
    method: str,
    url: str,
    target: str,
    host: str,
    address: str | None,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    keep: bool = False,
) -> tuple[HttpAnswer | HttpFailed, bytes]:
    """Send one request and read one response; the second value is the body, at most `MOST_BODY_BYTES` of it.

    Args:
        stream: An open stream; it is closed at the end, unless *keep*.
        method: Request method.
        url: For the record, without credentials.
        target: Request target (RFC 9112 section 3.2): a path, or the whole URL through a forward proxy.
        host: Value of the `Host` header.
        address: The address that was dialled, for the record.
        headers: More request headers.
        body: Request content, declared as JSON.
        keep: Leave a stream open whose answer came whole, for another request.
    """
    from oairunbook import __version__

    given = {name.lower() for name, _ in headers}
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {host}",
        *(() if "user-agent" in given else (f"User-Agent: oairunbook/{__version__}",)),
        "Accept: application/json",
        "Accept-Encoding: identity",
        f"Connection: {'keep-alive' if keep else 'close'}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
    began = stream.deadline.left
    phase = "send"
    answer = None
    data = b""
    whole = False
    try:
        stream.write(request)
        phase = "headers"
        answer = http.client.HTTPResponse(StreamSocket(stream), method=method)  # type: ignore[arg-type]
        answer.begin()
        seconds = began - stream.deadline.left
        phase = "body"
        data = answer.read(MOST_BODY_BYTES)
        if answer.length and len(data) < MOST_BODY_BYTES:
            raise http.client.IncompleteRead(data, answer.length)
        whole = True
    except (OSError, http.client.HTTPException, ValueError) as error:
        head_came = phase == "body" and answer is not None
        return (
            HttpFailed(
                method=method,
                url=url,
                phase=phase,  # type: ignore[arg-type]
                errors=error_chain(error),
                ended=_ending(stream, error),
                status=answer.status if head_came and answer else None,
                headers=kept_headers(answer.getheaders()) if head_came and answer else (),
                received_bytes=stream.received_bytes,
                received="" if head_came else printable(getattr(stream, "first_bytes", b"")),
                address=address,
            ),
            data,
        )
    finally:
        if not (keep and whole):
            stream.close()
    return (
        HttpAnswer(
            method=method,
            url=url,
            status=answer.status,
            http_version="1.0" if answer.version == 10 else "1.1",
            headers=kept_headers(answer.getheaders()),
            body=classify(answer.getheader("content-type"), data),
            address=address,
            seconds_to_headers=round(seconds, 6),
        ),
        data,
    )


def _ending(stream: Stream, error: Exception) -> Ending:
    if isinstance(error, TIMED_OUT):
        return "silence"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)) and not isinstance(
        error, http.client.RemoteDisconnected
    ):
        return "reset"
    return stream.ended if stream.ended != "open" else "eof"
