"""Records of the same minimal request made by several callers, and of what the installed SDK brings along: beside a check, not part of it."""

from __future__ import annotations

from dataclasses import field
from typing import Union

from oairunbook.evidence import ErrorLink, HttpAnswer, HttpFailed, NotTried, SdkAnswered, SdkFailed, Stopped, ToolFailed
from oairunbook.records import dataclass

CONTROLS_SCHEMA = "oairunbook.controls/1"

CallOutcome = Union[SdkAnswered, SdkFailed, HttpAnswer, HttpFailed, NotTried, ToolFailed, Stopped]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """One request that the SDK sent in the course of one call."""

    began_seconds: float
    """Since the call began, on the monotonic clock."""

    seconds: float
    """Until the head of its response, or until it failed."""

    retry_count: str | None = None
    """`x-stainless-retry-count` as it was sent; None if there was no such header."""

    status: int | None = None
    request_id: str | None = None
    retry_after: str | None = None
    """`retry-after-ms` or `retry-after` of the response."""

    errors: tuple[ErrorLink, ...] = ()
    """What the transport raised, outermost first; empty if a response came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One caller's attempt at the minimal request."""

    id: str
    caller: str
    """For people, for example `Python SDK, asynchronous`."""

    asked: str
    seconds: float
    outcome: CallOutcome
    requests: tuple[SentRequest, ...] = ()
    """What was really sent; empty where it was not watched."""

    max_retries: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What the installed SDK's client waits, repeats and keeps if the application says nothing."""

    connect_seconds: float | None
    read_seconds: float | None
    write_seconds: float | None
    pool_seconds: float | None
    """None: without end."""

    max_retries: int
    first_delay_seconds: float | None = None
    longest_delay_seconds: float | None = None
    longest_retry_after_seconds: float | None = None
    """Above it the SDK does not wait as told; None if the installed version does not say."""

    max_connections: int | None = None
    keepalive_connections: int | None = None
    keepalive_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedLine:
    """One line that debug logging would have written, redacted."""

    logger: str
    level: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugLog:
    """What debug logging of the SDK and its transport says of one request, and what of it is secret or private."""

    lines: tuple[LoggedLine, ...]
    written: int
    """How many lines there were; the first of them are kept."""

    leaks: tuple[str, ...]
    """Which secret or private things stood in the lines before they were redacted, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionClass:
    """One exception class of the installed SDK."""

    name: str
    bases: tuple[str, ...]
    """Names of its base classes inside the SDK, nearest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """Everything that the notebook on SDK controls looked at."""

    collected_at: str
    seconds: float
    calls: tuple[Call, ...]
    defaults: Defaults | None
    """None if no SDK could be built."""

    exceptions: tuple[ExceptionClass, ...] = ()
    debug: DebugLog | None = None
    wrappers: tuple[str, ...] = ()
    """`name version` of installed packages that put a layer of their own over the SDK."""

    node: str = ""
    """Which Node.js, and which openai package, were found; or what is missing."""

    schema: str = CONTROLS_SCHEMA
    redactions: tuple[str, ...] = field(default=())

    def call(self, identity: str) -> Call | None:
        """The call with that id; None if there is none."""
        return next((call for call in self.calls if call.id == identity), None)
