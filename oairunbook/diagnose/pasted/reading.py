"""What one observation of a text shows, before the readings are weighed against each other."""

from __future__ import annotations

from oairunbook.diagnose.catalogue import Certainty
from oairunbook.evidence import Observation
from oairunbook.records import dataclass
from oairunbook.verdict import Owner

Missing = tuple[tuple[str, str], ...]
"""What is missing, and how to fetch it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one observation shows."""

    cause: str
    """`unknown` where it shows only that no useful answer came."""

    weight: int
    certainty: Certainty
    observation: Observation
    fact: str
    owner: Owner | None = None
    """Known although the cause is not; None leaves it to the owner rule."""

    also: tuple[tuple[str, str], ...] = ()
    missing: Missing = ()
