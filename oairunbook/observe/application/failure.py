"""What one exception of an application shows: whether it is one of the SDK's, by which client, of which request, at which step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from oairunbook.evidence import TraceEvent
from oairunbook.observe.application.privacy import frames, package_of
from oairunbook.observe.application.recording import Exchange, exchange_of, recorder_of
from oairunbook.observe.errors import every_exception

_SDK = "openai"
_STEPS = {
    "connect_tcp": "connection.connect_tcp",
    "start_tls": "connection.start_tls",
    "_init_socks5_connection": "socks.setup_socks5_connection",
    "_send_request_headers": "http11.send_request_headers",
    "_send_request_body": "http11.send_request_body",
    "_receive_response_headers": "http11.receive_response_headers",
    "_receive_response_body": "http11.receive_response_body",
}
"""Functions of httpcore and httpcore2 to the events that their trace has for them."""


@dataclass(frozen=True)
class Failure:
    """What an exception shows beside its own chain. All of it is live objects of the application: read, never kept."""

    error: BaseException = field(repr=False)
    client: Any = field(repr=False)
    """The client of the SDK; None if no frame of the SDK shows it."""

    request: Any = field(repr=False)
    """The last request of the transport; None if none had been made."""

    building: bool
    """Whether the SDK's client was being constructed."""

    exchange: Exchange | None = None
    """What the transport did, if the client records (`recording`)."""

    earlier: tuple[Exchange, ...] = ()
    """Attempts of the same call before that one."""

    step: tuple[TraceEvent, ...] = ()
    """Without a recording: the step at which the transport raised, as far as its frames tell. Its time is not known."""


def read(error: BaseException) -> Failure | None:
    """Read an exception; None if it did not come through the SDK.

    What is not in the exceptions stands in the frames of the SDK: `self` and `request` are looked at there, and nothing else.
    """
    chain = [link for link, _ in every_exception(error)]
    of_the_sdk = any(type(link).__module__.partition(".")[0] == _SDK for link in chain)
    client: Any = None
    request: Any = None
    building = False
    for link in chain:
        for frame in frames(link.__traceback__):
            if package_of(frame) != _SDK:
                continue
            of_the_sdk = True
            local = frame.f_locals
            client = client or _client_behind(local.get("self"))
            request = local["request"] if _is_request(local.get("request")) else request
            building = building or frame.f_code.co_name == "__init__"
    if not of_the_sdk:
        return None
    request = next((found for link in chain if (found := _request_of(link)) is not None), request)
    exchange = exchange_of(request)
    recorder = recorder_of(client) if client is not None and exchange is not None else None
    return Failure(
        error=error,
        client=client,
        request=request,
        building=building and request is None,
        exchange=exchange,
        earlier=recorder.earlier_attempts(exchange) if recorder is not None and exchange is not None else (),
        step=_step(chain) if exchange is None else (),
    )


def _client_behind(item: Any) -> Any:
    """A client of the SDK: this object, or the one that it works for, as streams and resources do."""
    for candidate in (item, getattr(item, "_client", None)):
        if all(hasattr(candidate, name) for name in ("base_url", "_client", "max_retries")):
            return candidate
    return None


def _is_request(item: Any) -> bool:
    return all(hasattr(item, name) for name in ("method", "url", "headers", "extensions"))


def _request_of(error: BaseException) -> Any:
    try:
        request = getattr(error, "request", None)
    except RuntimeError:
        # The transports raise where no request was set.
        return None
    return request if _is_request(request) else None


def _step(chain: list[BaseException]) -> tuple[TraceEvent, ...]:
    """The deepest step of the transport that an exception of the chain left."""
    found: tuple[TraceEvent, ...] = ()
    for link in chain:
        for frame in frames(link.__traceback__):
            name = _STEPS.get(frame.f_code.co_name)
            if name is None or not package_of(frame).startswith("httpcore"):
                continue
            local = frame.f_locals if name == "connection.connect_tcp" else {}
            host, port = local.get("host"), local.get("port")
            found = (
                TraceEvent(
                    name=f"{name}.failed",
                    seconds=0.0,
                    host=host if isinstance(host, str) else None,
                    port=port if isinstance(port, int) else None,
                    error=type(link).__name__,
                ),
            )
    return found
