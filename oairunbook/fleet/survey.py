"""A fleet side by side: who fails and how, what they share, and what tells them from those that work. Pure, like the diagnosis.

A separation is what goes along with a failure, and not its proof: it says where to look first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from oairunbook.diagnose.catalogue import LAYERS
from oairunbook.evidence import Layer, read_document
from oairunbook.fleet import chance
from oairunbook.fleet.facts import NONE, NOT_SET, SEVERAL, Fact, Kind, is_variable, kind
from oairunbook.fleet.members import Looked, Member, State
from oairunbook.fleet.separate import Found, Sign, Signs, counted, mask, nearest, parts, separation, surprise
from oairunbook.records import dataclass
from oairunbook.verdict import Owner

FLEET_SCHEMA = "oairunbook.fleet/1"

_KEY = "API key"
_MOST_EQUAL = 6
_MOST_SHARED = 12
_MOST_NEAR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One fact that members have, or lack."""

    name: str
    value: str
    present: bool
    """False: they have another value than this."""

    kind: Kind

    def __str__(self) -> str:
        if self.name in SEVERAL:
            return f"{'' if self.present else 'no '}{self.name} {self.value}"
        return f"{self.name} {'is' if self.present else 'is not'} {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """A set of facts, and whom it tells from whom."""

    facts: tuple[Told, ...]
    equally: tuple[tuple[Told, ...], ...]
    """For each of them, others that exactly the same members have: nothing here tells which of them it is."""

    with_failing: int
    failing: int
    with_healthy: int
    """Healthy members that have all of the facts, or did not say; 0 if it separates."""

    healthy: int
    exact: bool
    """Whether there is no smaller set."""

    bound: float
    """It is at most so many times as large as the smallest."""

    chance: float
    """That one set, named before anybody looked, separates so well by accident (Fisher's exact test)."""

    chance_of_any: float
    """That any of the sets that were looked at does."""

    whole: bool
    """Whether all failing members have the facts, and no healthy one."""

    convincing: bool
    """Whether accident is a poor explanation. It is no proof of a cause either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Members that fail by the same cause."""

    cause: str
    owner: Owner
    layer: Layer | None
    members: tuple[str, ...]
    summary: str
    compared_with: int
    """Members that passed this layer: healthy ones, and those that fail at a later one. Who fails earlier says nothing of it."""

    different_facts: int
    """Facts that differ between them, those that the same members have counted once."""

    separations: tuple[Separation, ...]
    """One that tells them all, or one for each part that has a reason of its own; empty if nothing separates."""

    unexplained: int
    """Members that none of the separations covers."""

    near: tuple[Separation, ...]
    """Single facts that come nearest, where something is unexplained or only by what may be accident."""

    shared: tuple[Told, ...]
    """What all of them have, the likeliest reason of a failure at this layer first."""

    example: str
    """The member to look into."""

    compare_with: str
    """The one that passed this layer and shares most facts with it; empty if none did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What a fleet comes to."""

    members: tuple[Member, ...]
    groups: tuple[Group, ...]
    """The largest first."""

    schema: str = FLEET_SCHEMA

    def count(self, state: State) -> int:
        """Members in this state."""
        return sum(member.state == state for member in self.members)

    @property
    def practice(self) -> str | None:
        """The fault of the practice lab, if any record was made against it."""
        return next((m.practice for m in self.members if isinstance(m, Looked) and m.practice is not None), None)

    @property
    def exit_status(self) -> int:
        """0: every member is healthy; 1: a fault was found; 3: none was, and not all are healthy; 4: there is not one record."""
        if self.groups:
            return 1
        if self.members and not any(isinstance(member, Looked) for member in self.members):
            return 4
        return 0 if self.members and self.count("healthy") == len(self.members) else 3


def survey(members: Sequence[Member]) -> Fleet:
    """Compare the members of a fleet. Their order decides nothing but that of the result."""
    looked = [member for member in members if isinstance(member, Looked)]
    signs = Signs(_by_name(looked))
    causes = Counter(member.cause for member in looked if member.state == "failing")
    groups = tuple(_group(cause, looked, signs) for cause, _ in sorted(causes.items(), key=lambda c: (-c[1], c[0])))
    return Fleet(members=tuple(members), groups=groups)


def load_fleet(text: str | bytes) -> Fleet:
    """Read a fleet back from JSON.

    Raises:
        EvidenceError: no JSON, another schema, or a field of the wrong type.
    """
    return read_document(Fleet, text, FLEET_SCHEMA)


def _group(cause: str, looked: Sequence[Looked], signs: Signs) -> Group:
    own = [(number, member) for number, member in enumerate(looked) if member.cause == cause]
    first = own[0][1]
    others = [(number, member) for number, member in enumerate(looked) if _passed(member, first.layer)]
    failing, healthy = (mask((number for number, _ in some), len(looked)) for some in (own, others))
    patterns = signs.of(failing, healthy, first.layer)
    groups = {id(group[0]): group for group in patterns}

    def told(found: Found, *, separates: bool = True) -> Separation:
        with_failing, with_healthy = counted(found.signs, failing, healthy)
        accident = surprise(found.signs, failing, healthy)
        any_ = chance.corrected(accident, len(patterns), len(found.signs))
        return Separation(
            facts=tuple(_told(sign) for sign in found.signs),
            equally=tuple(_equally(groups[id(sign)]) for sign in found.signs),
            with_failing=with_failing,
            failing=len(own),
            with_healthy=with_healthy,
            healthy=len(others),
            exact=found.exact and separates,
            bound=found.bound,
            chance=accident,
            chance_of_any=any_,
            whole=with_failing == len(own) and not with_healthy,
            convincing=chance.is_convincing(any_),
        )

    whole = separation(patterns, failing, healthy, first.layer)
    found = (whole,) if whole else parts(patterns, failing, healthy, first.layer) if others else ()
    covered = 0
    for one in found:
        covered |= one.covered
    unexplained = (failing & ~covered).bit_count()
    separations = tuple(told(one) for one in found)
    # A large set that accident may have put together is worth less than one fact that nearly separates.
    doubtful = unexplained or any(len(one.facts) > 1 and not one.convincing for one in separations)
    near = nearest(patterns, failing, healthy, first.layer, most=_MOST_NEAR) if others and doubtful else []
    return Group(
        cause=cause,
        owner=first.owner,
        layer=first.layer,
        members=tuple(member.name for _, member in own),
        summary=first.summary,
        compared_with=len(others),
        different_facts=len(patterns),
        separations=separations,
        unexplained=unexplained,
        near=tuple(told(Found(signs=(sign,), covered=0, exact=False, bound=1.0), separates=False) for sign in near),
        shared=tuple(_told(sign) for sign in signs.shared(failing, first.layer)[:_MOST_SHARED]),
        example=first.name,
        compare_with=_most_alike(first, [member for _, member in others]),
    )


def _passed(member: Looked, layer: Layer | None) -> bool:
    """Whether this member's path works as far as this layer and through it."""
    if member.state == "healthy":
        return True
    if member.state != "failing" or member.layer is None or layer is None:
        return False
    here = next((ending for ending in member.endings if ending.layer == layer), None)
    behind = LAYERS.index(member.layer) > LAYERS.index(layer)
    return behind and here is not None and bool(here.outcome) and not here.failed


def _by_name(looked: Sequence[Looked]) -> list[dict[str, Fact]]:
    """The facts of each member. A record names the variables that are set: one that another member has set is not set here."""
    found = [{fact.name: fact for fact in member.facts} for member in looked]
    variables = {name for facts in found for name in facts if is_variable(name)}
    marks = {
        value.partition("@")[2] for facts in found if _KEY in facts for value in facts[_KEY].values if value != NONE
    }
    if len(marks) > 1:
        # Fingerprints that different archives or places made: that they differ says nothing of the keys.
        found = [{name: fact for name, fact in facts.items() if name != _KEY} for facts in found]
    unset = {name: Fact(name=name, values=(NOT_SET,)) for name in variables}
    return [unset | facts for facts in found]


def _told(sign: Sign) -> Told:
    return Told(name=sign.name, value=sign.value, present=sign.present, kind=kind(sign.name))


def _equally(group: Sequence[Sign]) -> tuple[Told, ...]:
    """The others of a pattern, each name once: that it is one value and is not the other says the same."""
    names = {group[0].name}
    others = []
    for sign in group[1:]:
        if sign.name not in names:
            names.add(sign.name)
            others.append(_told(sign))
    return tuple(others[:_MOST_EQUAL])


def _most_alike(failing: Looked, others: Sequence[Looked]) -> str:
    own = {(fact.name, fact.values) for fact in failing.facts}
    return (
        max(
            others,
            key=lambda other: (other.state == "healthy", sum((fact.name, fact.values) in own for fact in other.facts)),
            default=failing,
        ).name
        if others
        else ""
    )
