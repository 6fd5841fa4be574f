"""What the transport did for the last requests of a client: a few of them, in memory, for the failure that may come."""

from __future__ import annotations

import asyncio
import collections
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from oairunbook.evidence import Header
from oairunbook.observe.http import kept_headers
from oairunbook.observe.trace import Trace

KEPT_REQUESTS = 16
"""Of one client. A call makes three requests by default, and several calls may be under way."""

_KEY = "oairunbook"
"""Under which a request's extensions name its exchange; the transports pass over keys that they do not know."""

Client = TypeVar("Client")


class Exchange:
    """One request of the application: when, its events, and of the response the status and the headers that may be kept.

    No body, no key and no other header is in it.
    """

    __slots__ = ("headers", "inner", "owner", "retry_count", "status", "trace")

    def __init__(self, request: Any, owner: int, inner: Any) -> None:
        self.trace = Trace(time.monotonic())
        self.retry_count: str | None = request.headers.get("x-stainless-retry-count")
        self.owner = owner
        """The thread or the task that makes the call."""

        self.inner = inner
        """The application's own trace callback; None if it has none."""

        self.status: int | None = None
        self.headers: tuple[Header, ...] = ()

    def answered(self, response: Any) -> None:
        """Note the head of the response."""
        self.status = int(response.status_code)
        self.headers = kept_headers(response.headers.multi_items())


class Recorder:
    """The hooks of one client, and the ring that they write to."""

    def __init__(self) -> None:
        self.ring: collections.deque[Exchange] = collections.deque(maxlen=KEPT_REQUESTS)

    def on_request(self, request: Any) -> None:
        """Hook of a synchronous client."""
        exchange = self._begin(request, threading.get_ident())
        trace, inner = exchange.trace, exchange.inner
        if inner is None:
            request.extensions["trace"] = trace
            return

        def both(name: str, info: Mapping[str, Any]) -> None:
            trace(name, info)
            inner(name, info)

        request.extensions["trace"] = both

    async def on_request_async(self, request: Any) -> None:
        """Hook of an asynchronous client, whose trace has to be awaited."""
        exchange = self._begin(request, id(asyncio.current_task()))
        trace, inner = exchange.trace, exchange.inner

        async def note(name: str, info: Mapping[str, Any]) -> None:
            trace(name, info)
            if inner is not None:
                await inner(name, info)

        request.extensions["trace"] = note

    def _begin(self, request: Any, owner: int) -> Exchange:
        # A request that follows a redirect has the extensions of the one before it, with our own callback in them.
        before = request.extensions.get(_KEY)
        inner = before.inner if before is not None else request.extensions.get("trace")
        exchange = Exchange(request, owner, inner)
        request.extensions[_KEY] = exchange
        self.ring.append(exchange)
        return exchange

    def on_response(self, response: Any) -> None:
        """Hook of a synchronous client."""
        exchange = response.request.extensions.get(_KEY)
        if exchange is not None:
            exchange.answered(response)

    async def on_response_async(self, response: Any) -> None:
        """Hook of an asynchronous client."""
        self.on_response(response)

    def earlier_attempts(self, exchange: Exchange) -> tuple[Exchange, ...]:
        """The requests of the same call before this one, the first one first: the SDK repeats a call in the same thread or task."""
        found: list[Exchange] = []
        for other in reversed(self.ring):
            if other.owner != exchange.owner or other.trace.began >= exchange.trace.began:
                continue
            last = found[-1] if found else exchange
            if not (other.retry_count or "").isdigit() or int(other.retry_count or 0) >= int(last.retry_count or 0):
                break
            found.append(other)
        return tuple(reversed(found))


def recording(client: Client) -> Client:
    """Let a client remember what the transport did for its last requests, so that a failure says which step it failed at.

    For `OpenAI(http_client=recording(httpx.Client(…)))`, or for a client of the SDK that is there already: `client = recording(OpenAI())`. A few
    requests are kept in memory, without bodies, keys and headers that may be secret. Nothing is sent and nothing is changed; a hook of the
    application's own stays where it is.

    Args:
        client: `Client` or `AsyncClient` of httpx or httpx2, or a client of the SDK, synchronous or asynchronous.

    Returns:
        The same object.

    Raises:
        TypeError: It is none of these.
    """
    http_client = http_client_of(client)
    if http_client is None:
        raise TypeError(
            f"recording() takes a client of httpx, httpx2 or the OpenAI SDK, not {type(client).__module__}.{type(client).__qualname__}"
        )
    if recorder_of(client) is None:
        recorder = Recorder()
        hooks: dict[str, list[Callable[..., Any]]] = http_client.event_hooks
        asynchronous = is_asynchronous(http_client)
        hooks["request"].append(recorder.on_request_async if asynchronous else recorder.on_request)
        # First of all: a hook of the application's own may raise for a status.
        hooks["response"].insert(0, recorder.on_response_async if asynchronous else recorder.on_response)
    return client


def http_client_of(client: Any) -> Any:
    """The transport's client: this one, or the one of a client of the SDK. None if it is neither."""
    for candidate in (client, getattr(client, "_client", None)):
        if hasattr(candidate, "event_hooks") and hasattr(candidate, "build_request"):
            return candidate
    return None


def is_asynchronous(client: Any) -> bool:
    """Whether a client of the transport or of the SDK is an asynchronous one."""
    return hasattr(http_client_of(client), "aclose")


def recorder_of(client: Any) -> Recorder | None:
    """The recorder of a client; None if it does not record."""
    http_client = http_client_of(client)
    for hook in http_client.event_hooks["request"] if http_client is not None else ():
        owner = getattr(hook, "__self__", None)
        if isinstance(owner, Recorder):
            return owner
    return None


def exchange_of(request: Any) -> Exchange | None:
    """What was kept of a request; None if its client does not record."""
    exchange = getattr(request, "extensions", {}).get(_KEY)
    return exchange if isinstance(exchange, Exchange) else None
