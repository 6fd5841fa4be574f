"""A page per cause: what it is, how it looks, what proves it, who owns it, how to see and mend it by hand, what to leave alone.

The texts are data, one TOML file a layer beside this module. What the catalogue says already (meaning, next steps, do-nots) and what its owner
rule computes stand in no file; they are taken from there.
"""

from __future__ import annotations

import difflib
import functools
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oairunbook.diagnose import CATALOGUE
from oairunbook.diagnose.catalogue import Cause, do_nots, owner_of
from oairunbook.evidence import Family, Layer, Route
from oairunbook.lab.faults import FAULTS
from oairunbook.records import dataclass
from oairunbook.verdict import GOES_TO, Owner

FOLDER = Path(__file__).parent
FAMILIES: tuple[Family, ...] = ("direct", "azure", "gateway")


class UnknownCauseError(ValueError):
    """There is no cause with this id; the text names those that are near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The endpoint that the commands of a page name."""

    host: str
    port: int
    url: str
    """Base URL without credentials and without a slash at its end."""

    def fill(self, command: str) -> str:
        """Put the endpoint into a command; whatever a recorded route holds stays one word of the shell."""
        address = f"[{self.host}]" if ":" in self.host else self.host
        values = {"host": self.host, "port": str(self.port), "endpoint": f"{address}:{self.port}", "url": self.url}
        for name, value in values.items():
            command = command.replace(f"{{{name}}}", shlex.quote(value))
        return command


PUBLIC_API = Place(host="api.openai.com", port=443, url="https://api.openai.com/v1")


def place_of(route: Route) -> Place:
    """The endpoint of a route; the public API where the route names none that can be used."""
    if route.problems or not route.host or not route.port:
        return PUBLIC_API
    host = f"[{route.host}]" if ":" in route.host else route.host
    port = "" if (route.scheme, route.port) in (("https", 443), ("http", 80)) else f":{route.port}"
    return Place(host=route.host, port=route.port, url=f"{route.scheme}://{host}{port}{route.path.rstrip('/')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Who owns the cause on one route; on Azure and gateway routes a control test of the direct route can change it."""

    route: Family
    owner: Owner
    if_control_fails_alike: Owner
    if_control_passes: Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One command to check by hand, and what it shows where this is the cause."""

    run: str
    shows: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """How it is mended in one place."""

    where: str
    do: str = ""
    run: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One cause, explained."""

    id: str
    layer: Layer | None
    meaning: str
    owners: tuple[Ownership, ...]
    python: tuple[str, ...]
    """What the Python SDK raises; each text is outermost first. SDK 3 on httpx2, and others where they differ."""

    node: tuple[str, ...]
    proof: tuple[str, ...]
    """Which observations and counter-tests of `oairunbook check` prove it."""

    look: tuple[Look, ...]
    next: tuple[str, ...]
    mend: tuple[Mend, ...]
    do_not: tuple[str, ...]
    sources: tuple[str, ...]
    practise: tuple[str, ...]
    """Faults of the practice lab that show it."""


def page(identity: str, place: Place = PUBLIC_API) -> Page:
    """The page of one cause, its commands about *place*.

    Raises:
        UnknownCauseError: There is no such cause.
    """
    cause = next((cause for cause in CATALOGUE if cause.id == identity), None)
    if cause is None:
        raise UnknownCauseError(f"There is no cause {identity!r}. {_near(identity)}")
    return _page(cause, place)


def pages(place: Place = PUBLIC_API) -> tuple[Page, ...]:
    """Every page, in the order in which a request meets the layers."""
    return tuple(_page(cause, place) for cause in CATALOGUE)


def owner_lines(owners: tuple[Ownership, ...]) -> tuple[str, ...]:
    """Who owns it and to whom it goes: one line where the route does not matter, else one for direct and one for the others."""
    direct, other = owners[0], owners[-1]
    if {direct.owner} == {name for o in owners for name in (o.owner, o.if_control_fails_alike, o.if_control_passes)}:
        return (f"{direct.owner}, whatever the route: {GOES_TO[direct.owner]}.",)
    line = f"On Azure or behind a gateway: {other.owner}, {GOES_TO[other.owner]}."
    for owner, outcome in ((other.if_control_fails_alike, "fails alike"), (other.if_control_passes, "passes")):
        if owner != other.owner:
            line += f" Where the control test of the direct route {outcome}: {owner}."
    return (f"On a direct route: {direct.owner}, {GOES_TO[direct.owner]}.", line)


@functools.cache
def _texts() -> Mapping[str, Mapping[str, Any]]:
    """Cause id to what its file says."""
    found: dict[str, Any] = {}
    for file in sorted(FOLDER.glob("*.toml")):
        found.update(tomllib.loads(file.read_text("utf-8")))
    return found


def _page(cause: Cause, place: Place) -> Page:
    text = _texts()[cause.id]
    return Page(
        id=cause.id,
        layer=cause.layer,
        meaning=cause.meaning,
        owners=tuple(_owned(cause, family) for family in FAMILIES),
        python=tuple(text["python"]),
        node=tuple(text["node"]),
        proof=tuple(text["proof"]),
        look=tuple(Look(run=place.fill(look["run"]), shows=look["shows"]) for look in text["look"]),
        next=(*cause.next, *cause.on_azure),
        mend=tuple(_mends(text["mend"], place)),
        do_not=do_nots(cause),
        sources=tuple(text["sources"]),
        # A fault that only pages meet is none of this cause.
        practise=tuple(fault.id for fault in FAULTS if fault.cause == cause.id and fault.cors == "open"),
    )


def _mends(entries: list[Any], place: Place) -> list[Mend]:
    """A string names a list in `shared.toml`, which several pages need."""
    found: list[Mend] = []
    for entry in entries:
        if isinstance(entry, str):
            found += _mends(_texts()["shared"][entry], place)
        else:
            commands = tuple(place.fill(command) for command in entry.get("run", ()))
            found.append(Mend(where=entry["where"], do=entry.get("do", ""), run=commands))
    return found


def _owned(cause: Cause, family: Family) -> Ownership:
    return Ownership(
        route=family,
        owner=owner_of(cause, family, control_shows_the_same=None),
        if_control_fails_alike=owner_of(cause, family, control_shows_the_same=True),
        if_control_passes=owner_of(cause, family, control_shows_the_same=False),
    )


def _near(identity: str) -> str:
    wanted = identity.lower().strip().replace("-", "_")
    ids = [cause.id for cause in CATALOGUE]
    near = [one for one in ids if wanted and wanted in one] or difflib.get_close_matches(wanted, ids, n=4, cutoff=0.5)
    # Somebody who does not remember the layer writes what stands behind the dot.
    near = near or [one for one in ids if difflib.get_close_matches(wanted, [one.partition(".")[2]], cutoff=0.6)]
    return f"Did you mean {' or '.join(near[:6])}?" if near else "`oairunbook explain` lists all of them."
