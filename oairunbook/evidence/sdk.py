"""What came of the SDK's own minimal request."""

from __future__ import annotations

from typing import Literal

from oairunbook.evidence.http import Body, Header, HttpAnswer
from oairunbook.evidence.outcome import Ending, ErrorLink
from oairunbook.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEvent:
    """One event of the transport's own trace (httpcore and httpcore2)."""

    name: str
    seconds: float
    """Since the call began, on the monotonic clock."""

    host: str | None = None
    port: int | None = None
    status: int | None = None
    error: str | None = None
    """Class of the exception that ended the step; None if it went well or has only begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkAnswered:
    """The SDK's own minimal request got an answer that the SDK accepted."""

    method: str
    path: str
    model: str | None
    stream: bool
    status: int
    request_id: str | None
    headers: tuple[Header, ...]
    trace: tuple[TraceEvent, ...]
    credential: Literal["own", "placeholder"] = "own"
    shape: str = ""
    """Class of the object that the SDK returned, for example `ChatCompletion`; `str` means it was no API object."""

    chunks: int | None = None
    """Events of a stream; None if it was no stream."""

    completed: bool = True
    """Whether the answer is a whole API object, or the stream reached its end mark."""

    longest_gap_seconds: float | None = None
    """Longest wait between two events of a stream."""

    first_chunk_seconds: float | None = None
    """From the request to the first event of a stream."""

    spread_seconds: float | None = None
    """From the first event of a stream to the last."""

    body: Body | None = None
    """What came instead, when it was no API object."""

    kind: Literal["sdk_answered"] = "sdk_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkFailed:
    """The SDK's own minimal request raised."""

    method: str
    path: str
    model: str | None
    stream: bool
    errors: tuple[ErrorLink, ...]
    """The whole chain, outermost first."""

    trace: tuple[TraceEvent, ...]
    credential: Literal["own", "placeholder"] = "own"
    answer: HttpAnswer | None = None
    """The response that the SDK turned into its exception; None if there was no status."""

    chunks: int | None = None
    ended: Ending | None = None
    """How the connection under a response that had begun ended; None where it did not, or where that is not known."""

    headers: tuple[Header, ...] = ()
    """Of a response that had begun and did not come to its end; empty where none had, or where they were not watched."""

    kind: Literal["sdk_failed"] = "sdk_failed"
