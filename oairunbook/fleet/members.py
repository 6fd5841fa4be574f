"""What one member of a fleet comes to: how it ended at each layer, what is known of it, and the verdict. Its record itself is not kept."""

from __future__ import annotations

from typing import Literal, Union

from oairunbook.comparison import side
from oairunbook.diagnose import diagnose
from oairunbook.diagnose.catalogue import LAYERS
from oairunbook.evidence import Evidence, Layer, NotTried, ToolFailed
from oairunbook.fleet.facts import Fact, facts_of
from oairunbook.records import dataclass
from oairunbook.verdict import Owner

COMPARED_LAYERS: tuple[Layer, ...] = tuple(layer for layer in LAYERS if layer != "browser")

State = Literal["healthy", "failing", "undecided", "not tried", "tool failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one layer ended."""

    layer: Layer
    outcome: str
    """Without what may differ from place to place; empty if it was not looked at."""

    @property
    def failed(self) -> bool:
        """Whether it failed or was silent; where several things were tried, the first of them."""
        return self.outcome.startswith("failed") or self.outcome == "no answer in time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A member of which there is a record."""

    name: str
    state: Literal["healthy", "failing", "undecided"]
    """Whether its path works, by its own verdict."""

    record: str
    """The name of its file; empty if it was not written."""

    host: str
    collected_at: str
    practice: str | None
    owner: Owner
    layer: Layer | None
    cause: str
    certainty: Literal["proven", "likely"] | None
    """Of this member's own verdict. What is said of several members together is never more than likely."""

    pattern: Literal["steady", "intermittent"] | None
    summary: str
    endings: tuple[Ending, ...]
    facts: tuple[Fact, ...]
    rules_version: str
    kind: Literal["looked"] = "looked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A member of which there is no record. That says nothing about its path."""

    name: str
    state: Literal["not tried", "tool failed"]
    """Whether the member could not be asked, or the collector was sent and failed there."""

    reason: str
    kind: Literal["missed"] = "missed"


Member = Union[Looked, Missed]


def member(name: str, outcome: Evidence | NotTried | ToolFailed, record: str = "") -> Member:
    """What a member comes to.

    Args:
        name: By which people know it; unique in its fleet.
        outcome: Its record, or why there is none.
        record: Where the record is.
    """
    if isinstance(outcome, NotTried):
        return Missed(name=name, state="not tried", reason=outcome.reason)
    if isinstance(outcome, ToolFailed):
        return Missed(name=name, state="tool failed", reason="; ".join(error.text for error in outcome.errors))
    verdict = diagnose(outcome)
    return Looked(
        name=name,
        state="healthy" if verdict.cause == "ok" else "undecided" if verdict.cause == "unknown" else "failing",
        record=record,
        host=outcome.runtime.host,
        collected_at=outcome.collected_at,
        practice=outcome.practice,
        owner=verdict.owner,
        layer=verdict.layer,
        cause=verdict.cause,
        certainty=verdict.certainty,
        pattern=verdict.pattern,
        summary=verdict.because[0].fact if verdict.because else verdict.summary,
        endings=tuple(Ending(layer=layer, outcome=side(layer, outcome).outcome) for layer in COMPARED_LAYERS),
        facts=facts_of(outcome),
        rules_version=verdict.rules_version,
    )
