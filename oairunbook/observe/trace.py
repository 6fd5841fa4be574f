"""What the transport tells of one request, event by event: httpcore's `trace` extension, in httpx and httpx2 alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from oairunbook.evidence import TraceEvent

_MOST_EVENTS = 60

_TELLING: dict[str, str] = {}
"""Name of an event to what it tells: nothing that is kept, its time alone, a status, or more. Every request of an application passes here."""

_Noted = tuple[str, float, Any, Any, Any, Any]


class Trace:
    """The events of one request. It is called by the transport, at every step: `request.extensions["trace"] = Trace(began)`.

    Of what the transport hands over it keeps names and numbers alone: the rest holds headers and keys.
    """

    __slots__ = ("_noted", "began")

    def __init__(self, began: float) -> None:
        """*began* is when the call began, on the monotonic clock."""
        self.began = began
        self._noted: list[_Noted] = []

    def __call__(self, name: str, info: Mapping[str, Any]) -> None:
        """Note one event."""
        noted = self._noted
        telling = _TELLING.get(name)
        if telling is None:
            telling = _TELLING[name] = _told_by(name)
        if not telling or len(noted) >= _MOST_EVENTS:
            return
        if telling == "time":
            noted.append((name, time.monotonic(), None, None, None, None))
            return
        value, problem = info.get("return_value"), info.get("exception")
        status: Any = value[1] if telling == "status" and isinstance(value, tuple) and len(value) > 1 else None
        status = status if isinstance(status, int) else None
        error = None if problem is None else type(problem).__name__
        noted.append((name, time.monotonic(), info.get("host"), info.get("port"), status, error))

    def events(self) -> tuple[TraceEvent, ...]:
        """What has been noted by now."""
        return tuple(
            TraceEvent(
                name=name,
                seconds=round(at - self.began, 6),
                host=host.decode("ascii", "replace") if isinstance(host, bytes) else host,
                port=port,
                status=status,
                error=error,
            )
            for name, at, host, port, status, error in tuple(self._noted)
        )


def _told_by(name: str) -> str:
    if name.startswith("http11.receive_response_body") and not name.endswith(".failed"):
        return ""
    if name.endswith("receive_response_headers.complete"):
        return "status"
    return "more" if name.endswith(".failed") or "connect" in name else "time"
