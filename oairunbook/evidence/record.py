"""One record: the place, and every observation with its outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Annotated, Any, Literal, TypeVar, Union

from oairunbook.evidence.browser import ClientCode, CorsExchange, PageTried
from oairunbook.evidence.connection import (
    Connected,
    ConnectFailed,
    ProxyAnswered,
    ProxyFailed,
    TlsFailed,
    TlsHandshake,
    TunnelOpened,
)
from oairunbook.evidence.dns import DnsAnswer, DnsNoAnswer, Resolved, ResolveFailed
from oairunbook.evidence.http import HttpAnswer, HttpFailed
from oairunbook.evidence.local import ClientBuilt, ClientRefused, LocalResources, StatusPage
from oairunbook.evidence.outcome import NotTried, PastedError, Stopped, ToolFailed
from oairunbook.evidence.place import Route, Runtime
from oairunbook.evidence.sdk import SdkAnswered, SdkFailed
from oairunbook.records import dataclass

EVIDENCE_SCHEMA = "oairunbook.evidence/1"

Layer = Literal["client", "dns", "tcp", "proxy", "tls", "http", "api", "browser"]

Outcome = Union[
    NotTried,
    ToolFailed,
    Stopped,
    ClientBuilt,
    ClientRefused,
    LocalResources,
    StatusPage,
    Resolved,
    ResolveFailed,
    DnsAnswer,
    DnsNoAnswer,
    Connected,
    ConnectFailed,
    TunnelOpened,
    ProxyAnswered,
    ProxyFailed,
    TlsHandshake,
    TlsFailed,
    HttpAnswer,
    HttpFailed,
    SdkAnswered,
    SdkFailed,
    PastedError,
    CorsExchange,
    ClientCode,
    PageTried,
]

Result = TypeVar("Result")


class _ByKind:
    """Tells pydantic, where a record is read, that `kind` says which outcome it is: else each of them is tried on each observation."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic import Field

        return handler.generate_schema(Annotated[source, Field(discriminator="kind")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one probe saw. It judges nothing."""

    id: str
    """Unique in its record, for example `tcp:203.0.113.7`; a verdict cites it."""

    probe: str
    """Name of the probe, for example `tcp`."""

    layer: Layer | None
    """Where on the path it looks; None for what is beside the path (the status page)."""

    target: str
    """Whom it looked at, for people."""

    started_seconds: float
    """Since the collection began, on the monotonic clock."""

    seconds: float
    outcome: Annotated[Outcome, _ByKind()]
    changed: str | None = None
    """For a counter-test: the one thing that differs from the path. None on the path itself."""

    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One record: where, what was called, what was seen."""

    collected_at: str
    """UTC, ISO 8601: when the first probe began."""

    seconds: float
    """How long the collection took."""

    route: Route
    runtime: Runtime
    observations: tuple[Observation, ...]
    tool_version: str
    practice: str | None = None
    """The fault of the practice lab that this was recorded against; None for a real path."""

    paused_seconds: float | None = None
    """How long in all this process was not run although it wanted to be: a busy machine, a processor limit, a stop. None if it was short."""

    schema: str = EVIDENCE_SCHEMA
    redactions: tuple[str, ...] = field(default=())
    """Which rules removed something, how often, and where."""

    cut_short: str | None = None
    """Why the collection ended before its end: it was cancelled, or the tool failed. None if it came to its end, or if that is not recorded."""

    def of(self, kind: type[Result], probe: str | None = None) -> Iterator[tuple[Observation, Result]]:
        """Observations on the path itself whose outcome is a *kind*, in order; only those of *probe*, if one is named.

        Counter-tests and repeated attempts are not on the path itself; `oairunbook.diagnose.reading` asks for them.
        """
        for observation in self.observations:
            on_the_path = observation.changed is None and observation.attempt == 1
            if on_the_path and isinstance(observation.outcome, kind) and probe in (None, observation.probe):
                yield observation, observation.outcome
