"""The SDK's own client and its own minimal request, seen through the transport's trace events.

The client is the SDK's default one, with the transport, proxy and trust store that it chooses itself. Only what must be seen is added: a
request hook that turns the trace on, and a response hook that ends answers without an end. `max_retries` is 0, so that no attempt hides another.
"""

from __future__ import annotations

import importlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from oairunbook.evidence import (
    Body,
    ClientBuilt,
    ClientRefused,
    Ending,
    Evidence,
    HttpAnswer,
    Route,
    SdkAnswered,
    SdkFailed,
    TraceEvent,
)
from oairunbook.observe import underneath
from oairunbook.observe.bodies import classify
from oairunbook.observe.capped import capping
from oairunbook.observe.errors import error_chain
from oairunbook.observe.http import MOST_BODY_BYTES, kept_headers
from oairunbook.observe.stream import SMALL_SEGMENT_BYTES, Deadline
from oairunbook.redaction import without_credentials
from oairunbook.route.credential import find_credential
from oairunbook.route.paths import names_in

PLACEHOLDER_KEY = "sk-oairunbook-placeholder"
"""Sent where the path is not trusted with the real key; it opens nothing."""

PROMPT = "Reply with: ok"
MOST_TOKENS = 16

PREFERRED_MODELS = (
    "gpt-4o-mini",
    "gpt-4.1-nano",
    "gpt-4.1-mini",
    "gpt-5-nano",
    "gpt-5-mini",
    "gpt-4o",
    "gpt-4.1",
    "gpt-5",
)
_NO_CHAT = (
    "embed",
    "whisper",
    "tts",
    "dall-e",
    "moderation",
    "image",
    "audio",
    "realtime",
    "transcribe",
    "sora",
    "rerank",
)
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
_MOST_TRACE_EVENTS = 60


@dataclass(frozen=True)
class Client:
    """A constructed client and what the probes need of it."""

    sdk: Any
    context: ssl.SSLContext | None
    recorder: threading.local = field(repr=False)


def build_client(route: Route, environment: Mapping[str, str]) -> tuple[ClientBuilt | ClientRefused, Client | None]:
    """Import the SDK and construct its client for this route; the client is None if either failed."""
    try:
        import openai  # noqa: F401 - that it can be imported is the first observation
    except Exception as error:
        return ClientRefused(stage="import", errors=error_chain(error)), None
    url = _url(route)
    try:
        sdk = construct(route, environment)
        recorder = threading.local()
        http_client = sdk._client
        _watch(http_client, recorder)
        pool = _pool(http_client, url)
    except Exception as error:
        return ClientRefused(stage="construction", errors=error_chain(error)), None
    context = getattr(pool, "_ssl_context", None)
    built = ClientBuilt(
        client=f"openai.{type(sdk).__name__}",
        proxy=_proxy_of(pool),
        roots=_roots(context, route),
    )
    return built, Client(sdk=sdk, context=context, recorder=recorder)


def _watch(http_client: Any, recorder: threading.local) -> None:
    def turn_trace_on(request: Any) -> None:
        record = getattr(recorder, "record", None)
        if record is not None:
            request.extensions["trace"] = record

    http_client.event_hooks["request"].append(turn_trace_on)

    def keep_connection(response: Any) -> None:
        if getattr(recorder, "record", None) is not None:
            if recorder.connection is not None:  # a redirect was followed
                recorder.connection.close()
            recorder.connection = underneath.keep(response)

    http_client.event_hooks["response"] += [capping(http_client), keep_connection]


def in_small_segments(client: Client) -> Client:
    """The same client over connections whose segments are at most `SMALL_SEGMENT_BYTES` long in both directions.

    For paths without a proxy: the transport is made anew, with the trust store of the old one.
    """
    own = client.sdk._client
    transport = type(own._transport)(verify=client.context)
    transport._pool._network_backend = _small_segments(transport._pool._network_backend)
    http_client = type(own)(transport=transport, trust_env=False)
    _watch(http_client, client.recorder)
    return replace(client, sdk=client.sdk.with_options(http_client=http_client))


def _small_segments(backend: Any) -> Any:
    """A network backend of httpcore that announces small segments. Its own option is set after the SYN, which is too late (tcp(7), TCP_MAXSEG)."""
    kind: Any = type(backend)
    stream: Any = importlib.import_module(f"{kind.__module__.partition('.')[0]}._backends.sync").SyncStream

    class SmallSegments(kind):  # type: ignore[misc]
        def connect_tcp(self, host: str, port: int, timeout: float | None = None, **_more: Any) -> Any:
            failed: OSError = OSError(f"{host} has no address")
            for family, what, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                connection = socket.socket(family, what, protocol)
                try:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT_BYTES)
                    connection.settimeout(timeout)
                    connection.connect(address)
                    return stream(connection)
                except OSError as error:
                    failed = error
                    connection.close()
            raise failed

    return SmallSegments()


def construct(route: Route, environment: Mapping[str, str], *, asynchronous: bool = False) -> Any:
    """The SDK's own client for this route, as the application would construct it, but without retries.

    Raises:
        Exception: Whatever the SDK and its transport raise; the SDK is imported here.
    """
    import openai

    key = _key(route, environment)
    # The SDK gets the base URL as it is, with whatever is wrong in it: what it does with that is the observation.
    base_url = environment.get(route.base_url.source, route.base_url.value) if route.problems else _url(route)
    if route.surface == "azure-dated":
        token = route.credential.source == "AZURE_OPENAI_AD_TOKEN"
        kind: Any = openai.AsyncAzureOpenAI if asynchronous else openai.AzureOpenAI
        return kind(
            base_url=base_url,
            api_version=route.api_version.value if route.api_version else "",
            max_retries=0,
            api_key=None if token else key,
            azure_ad_token=key if token else None,
        )
    plain: Any = openai.AsyncOpenAI if asynchronous else openai.OpenAI
    return plain(base_url=base_url, api_key=key, max_retries=0)


def minimal_request(
    client: Client,
    *,
    model: str | None,
    stream: bool,
    own_credential: bool,
    timeout: float,
    deadline: Deadline,
) -> SdkAnswered | SdkFailed:
    """One minimal request by the SDK: a POST of a few tokens, or a listing of models where no model is known.

    Args:
        client: From `build_client`.
        model: Model or deployment; None asks for the list of models instead.
        stream: Whether to ask for a stream.
        own_credential: False sends a placeholder key.
        timeout: Seconds for connecting.
        deadline: When reading gives up.
    """
    began = time.monotonic()
    trace: list[TraceEvent] = []
    record = record_into(trace, began)
    ended: Ending | None = None

    def record_with_end(name: str, info: Mapping[str, Any]) -> None:
        nonlocal ended
        if name == "http11.receive_response_body.failed":
            # Now: the transport is about to close it.
            ended = underneath.ending(client.recorder.connection)
        record(name, info)

    client.recorder.record = record_with_end
    client.recorder.connection = None
    sdk = client.sdk if own_credential else client.sdk.with_options(api_key=PLACEHOLDER_KEY)
    seconds = max(deadline.left, 0.1)
    sdk = sdk.with_options(timeout=timeout_of(client, connect=min(timeout, seconds), read=seconds))
    method, path = ("POST", "/chat/completions") if model else ("GET", "/models")
    common = {
        "method": method,
        "path": path,
        "model": model,
        "stream": stream,
        "credential": "own" if own_credential else "placeholder",
    }
    chunks = 0
    try:
        raw = _send(sdk, model, stream)
        headers = kept_headers(list(raw.headers.multi_items()))
        status, request_id = int(raw.status_code), raw.headers.get("x-request-id")
        content_type = raw.headers.get("content-type")
        body, gap, completed, shape = None, None, True, ""
        first = spread = None
        if stream:
            completed, last = False, time.monotonic()
            for chunk in raw.parse():
                now = time.monotonic()
                first = now - began if first is None else first
                spread = now - began - first
                gap, last, chunks = max(gap or 0.0, now - last), now, chunks + 1
                choices = getattr(chunk, "choices", None) or ()
                completed = completed or any(choice.finish_reason for choice in choices)
            shape = "stream" if "event-stream" in (content_type or "") else (content_type or "")
        else:
            completed, body, shape = whole_answer(raw)
    except Exception as error:
        answer = answer_of(error)
        return SdkFailed(
            **common,  # type: ignore[arg-type]
            errors=error_chain(error),
            trace=tuple(trace),
            answer=answer,
            chunks=chunks if stream else None,
            ended=ended,
        )
    finally:
        client.recorder.record = None
        if client.recorder.connection is not None:
            client.recorder.connection.close()
    return SdkAnswered(
        **common,  # type: ignore[arg-type]
        status=status,
        request_id=request_id,
        headers=headers,
        trace=tuple(trace),
        shape=shape,
        chunks=chunks if stream else None,
        completed=completed,
        longest_gap_seconds=round(gap, 6) if gap is not None else None,
        first_chunk_seconds=round(first, 6) if first is not None else None,
        spread_seconds=round(spread, 6) if spread is not None else None,
        body=body,
    )


def whole_answer(raw: Any) -> tuple[bool, Body | None, str]:
    """Whether a raw response of the SDK is a whole API object, what came instead, and its shape."""
    data = raw.http_response.content[:MOST_BODY_BYTES]
    described = classify(raw.headers.get("content-type"), data)
    completed = described.shape == "api_object" or _is_completion(data)
    return completed, None if completed else described, described.object or described.shape


def list_models(client: Client, *, timeout: float, deadline: Deadline) -> tuple[str, ...]:
    """Ids of the models that this key sees; empty if they cannot be had."""
    sdk = client.sdk.with_options(timeout=timeout_of(client, connect=timeout, read=max(deadline.left, 0.1)))
    try:
        return tuple(str(model.id) for model in sdk.models.list().data)
    except Exception:
        return ()


def pick_model(models: tuple[str, ...]) -> str:
    """A small model that answers chat completions, from those the key sees; the best known one if it sees none."""
    for name in PREFERRED_MODELS:
        if name in models:
            return name
    return next((name for name in models if not any(word in name.lower() for word in _NO_CHAT)), PREFERRED_MODELS[0])


def minimal_body(model: str) -> dict[str, Any]:
    """The minimal request without its limit of tokens, which has two names."""
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}]}


def minimal_url(route: Route, model: str) -> str:
    """Where the minimal request goes: on Azure's dated surface the path names the deployment."""
    query = f"?api-version={route.api_version.value}" if route.api_version else ""
    return f"{_url(route)}{minimal_path(route, model)}{query}"


def minimal_path(route: Route, model: str) -> str:
    """The path of the minimal request below the base URL."""
    deployment = f"/deployments/{model}" if route.surface == "azure-dated" else ""
    return f"{deployment}/chat/completions"


def asked_model(seen: Evidence) -> str:
    """The model of a check's own minimal request, else the one that the route names, else the best known small one."""
    asked = next((model for o in seen.observations if (model := getattr(o.outcome, "model", None))), None)
    named = seen.route.model.value if seen.route.model else None
    return str(asked or named or PREFERRED_MODELS[0])


def knows_only_max_tokens(error: Any) -> bool:
    """Whether an answer complains of the newer name of the limit."""
    return "max_completion_tokens" in str(error.body) or "max_completion_tokens" in str(error)


def _send(sdk: Any, model: str | None, stream: bool) -> Any:
    import openai

    if model is None:
        return sdk.models.with_raw_response.list()
    create: Callable[..., Any] = sdk.chat.completions.with_raw_response.create
    arguments = {**minimal_body(model), "stream": stream}
    try:
        return create(**arguments, max_completion_tokens=MOST_TOKENS)
    except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
        # Older gateways and dated Azure versions know only the older name of the limit.
        if not knows_only_max_tokens(error):
            raise
        return create(**arguments, max_tokens=MOST_TOKENS)


def answer_of(error: Exception) -> HttpAnswer | None:
    """The response behind an exception of the SDK; None if none came."""
    response = getattr(error, "response", None)
    if response is None:
        return None
    try:
        data = bytes(response.content)[:MOST_BODY_BYTES]
    except Exception:
        data = b""
    seconds = getattr(response, "elapsed", None)
    return HttpAnswer(
        method=str(response.request.method),
        url=without_credentials(str(response.request.url)),
        status=int(response.status_code),
        http_version=str(response.http_version).removeprefix("HTTP/"),
        headers=kept_headers(list(response.headers.multi_items())),
        body=classify(response.headers.get("content-type"), data),
        seconds_to_headers=round(seconds.total_seconds(), 6) if seconds is not None else None,
    )


def _is_completion(data: bytes) -> bool:
    """Some gateways leave `object` out of an otherwise whole answer."""
    return b'"choices"' in data or b'"data"' in data


def record_into(trace: list[TraceEvent], began: float) -> Callable[[str, Mapping[str, Any]], None]:
    """A trace callback of the transport that notes its events in *trace*."""

    def record(name: str, info: Mapping[str, Any]) -> None:
        if len(trace) >= _MOST_TRACE_EVENTS or name.startswith("http11.receive_response_body"):
            return
        host, status = info.get("host"), None
        value = info.get("return_value")
        if name.endswith("receive_response_headers.complete") and isinstance(value, tuple) and len(value) > 1:
            status = value[1]
        problem = info.get("exception")
        trace.append(
            TraceEvent(
                name=name,
                seconds=round(time.monotonic() - began, 6),
                host=host.decode("ascii", "replace") if isinstance(host, bytes) else host,
                port=info.get("port"),
                status=status if isinstance(status, int) else None,
                error=type(problem).__name__ if problem is not None else None,
            )
        )

    return record


def timeout_of(client: Client, *, connect: float, read: float) -> Any:
    """A timeout object of the transport that this client has."""
    kind = type(client.sdk._client.timeout)
    return kind(read, connect=connect)


def _pool(http_client: Any, url: str) -> Any:
    """The connection pool that the transport picks for this URL, by its own rules."""
    kind = type(http_client.base_url)
    return getattr(http_client._transport_for_url(kind(url)), "_pool", None)


def _proxy_of(pool: Any) -> str | None:
    url = getattr(pool, "_proxy_url", None)
    proxy = getattr(pool, "_proxy", None)
    url = url or getattr(proxy, "url", None)
    if url is None:
        return None
    return f"{url.scheme.decode()}://{url.host.decode()}:{url.port or ''}".rstrip(":")


def _roots(context: Any, route: Route) -> int | None:
    """Number of roots; None where a folder or the operating system serves them on demand."""
    if route.trust.origin == "truststore" or not hasattr(context, "cert_store_stats"):
        return None
    if route.trust.origin == "ssl_cert_dir":
        # OpenSSL finds a root in a folder by the hash that is its file's name (openssl-rehash(1)); nothing else in there counts.
        return sum(1 for name in names_in(route.trust.path or "") if _HASHED.fullmatch(name))
    count = int(context.cert_store_stats()["x509_ca"])
    # OpenSSL's compiled-in folder is read on demand and counts for nothing here.
    return count if count or route.trust.origin in ("none", "ssl_cert_file", "certifi") else None


def _key(route: Route, environment: Mapping[str, str]) -> str:
    found = find_credential(environment, route.surface)
    if found is None or route.credential.problems:
        return PLACEHOLDER_KEY
    return found[1]


def _url(route: Route) -> str:
    return f"{route.scheme}://{route.authority}{route.path}"
