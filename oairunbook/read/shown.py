"""One answer as a text shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from oairunbook.evidence import Body

MOST = 60
"""More answers than these are not looked at."""


@dataclass(slots=True)
class Shown:
    """One answer as the text shows it; *status* is 0 where none is shown."""

    status: int
    body: Body
    position: int
    end: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    around: str = ""
    """What stands right before it, to tell whose answer it is."""
