"""How a fleet is said, the same in a terminal, a notebook and a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from oairunbook.comparison import NO_PROXY
from oairunbook.evidence import Layer
from oairunbook.fleet import Fleet, Group, Looked, Member, Separation, Told
from oairunbook.fleet.members import COMPARED_LAYERS, State
from oairunbook.records import dataclass

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""One a group, so that a picture reads without colours."""

LEGEND = "+ worked, X the first difference, x failed before it as well, > behind it, . not looked at, - no proxy; the letter is that of the group below"


_EACH = 24
"""Up to so many members each has a row of its own."""


def counted(fleet: Fleet) -> str:
    """How many members are in which state."""
    states = ("healthy", "failing", "undecided", "not tried", "tool failed")
    counts = ", ".join(f"{number} {state}" for state in states if (number := fleet.count(state)))  # type: ignore[arg-type]
    causes = f", by {len(fleet.groups)} causes" if len(fleet.groups) > 1 else ""
    return f"{number_of(len(fleet.members), 'worker')}: {counts}{causes}"


def ordered(fleet: Fleet) -> list[Member]:
    """Failing members by their groups, then those that nobody knows of, then the healthy ones."""
    place = {group.cause: number for number, group in enumerate(fleet.groups)}
    state = {"failing": 0, "undecided": 1, "tool failed": 2, "not tried": 3, "healthy": 4}
    return sorted(
        fleet.members,
        key=lambda member: (state[member.state], place.get(member.cause, 0) if isinstance(member, Looked) else 0),
    )


def letter(fleet: Fleet, member: Member) -> str | None:
    """That of the member's group; None if it is in none, or there are more groups than letters."""
    if not isinstance(member, Looked) or member.state != "failing":
        return None
    number = next(number for number, group in enumerate(fleet.groups) if group.cause == member.cause)
    return LETTERS[number] if number < len(LETTERS) else "*"


def mark(member: Member, layer: Layer) -> str:
    """One layer of a member as a character; see `LEGEND`."""
    if not isinstance(member, Looked):
        return "."
    ending = next(ending for ending in member.endings if ending.layer == layer)
    if ending.outcome == NO_PROXY:
        return "-"
    if member.layer is not None:
        place, own = (
            COMPARED_LAYERS.index(layer),
            COMPARED_LAYERS.index(member.layer) if member.layer in COMPARED_LAYERS else -1,
        )
        if place == own:
            return "X"
        if place > own:
            return ">" if ending.outcome else "."
    if not ending.outcome:
        return "."
    return "x" if ending.failed else "+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Members that ended alike, in one line."""

    letter: str
    state: State
    marks: tuple[str, ...]
    """One a layer of `COMPARED_LAYERS`; see `LEGEND`."""

    members: tuple[str, ...]
    said: str
    """Of the first of them: the verdict and what was seen, or why there is no record."""

    @property
    def name(self) -> str:
        """The member's, or that of the first and how many more there are."""
        more = len(self.members) - 1
        return f"{self.members[0]} and {more} more" if more else self.members[0]


def rows(fleet: Fleet) -> list[Row]:
    """The members in order, one a row in a small fleet. In a large one those that ended alike stand together."""
    together: dict[object, list[Member]] = {}
    for number, member in enumerate(ordered(fleet)):
        cells = tuple(mark(member, layer) for layer in COMPARED_LAYERS)
        cause = member.cause if isinstance(member, Looked) else member.reason
        key = (member.state, cause, cells) if len(fleet.members) > _EACH else number
        together.setdefault(key, []).append(member)
    return [
        Row(
            letter=letter(fleet, alike[0]) or "",
            state=alike[0].state,
            marks=tuple(mark(alike[0], layer) for layer in COMPARED_LAYERS),
            members=tuple(member.name for member in alike),
            said=said(alike[0]),
        )
        for alike in together.values()
    ]


def said(member: Member) -> str:
    """The verdict and what was seen, or why there is no record."""
    if not isinstance(member, Looked):
        return member.reason.splitlines()[0]
    if member.state == "healthy":
        return "ok"
    certainty = f" ({member.certainty})" if member.certainty else ""
    often = ", comes and goes" if member.pattern == "intermittent" else ""
    return f"{member.cause}{certainty}{often}: {member.summary}"


def facts(told: Iterable[Told]) -> str:
    """Facts in one line."""
    return "; ".join(str(fact) for fact in told)


def group(group: Group) -> str:
    """Who fails by what, and whose it is."""
    at = f" at {group.layer}" if group.layer else ""
    names = _listed(group.members)
    return (
        f"{group.cause}{at}, {number_of(len(group.members), 'worker')}: {names}. Owner {group.owner}. {group.summary}"
    )


def how_well(separation: Separation) -> str:
    """Whom the facts tell from whom."""
    having = f"{separation.with_failing} of {separation.failing} that fail, {separation.with_healthy} of {separation.healthy} that passed this layer"
    if not separation.whole:
        return having
    if separation.exact:
        return f"{having}; no smaller set of facts does that" if len(separation.facts) > 1 else having
    return f"{having}; the smallest such set may be up to {separation.bound:.1f} times smaller"


def how_surprising(separation: Separation) -> str:
    """What accident could do, in words that do not promise more than the numbers."""
    alone, any_ = _percent(separation.chance), _percent(separation.chance_of_any)
    if separation.convincing:
        return f"accident is a poor explanation: {any_} for any of the facts that differ here, {alone} for these alone"
    return f"NOT convincing: by accident some of the facts that differ here would, with a chance of {any_} ({alone} for these alone)"


def unexplained(group: Group) -> str:
    """What no fact explains."""
    if not group.compared_with:
        return "no worker passed this layer, so there is nobody to compare with"
    whom = "these workers" if group.unexplained == len(group.members) else f"{group.unexplained} of these workers"
    return f"no fact in the records tells {whom} from the {group.compared_with} that passed this layer"


def number_of(number: int, what: str) -> str:
    """`1 worker`, `2 workers`."""
    return f"{number} {what}{'s' * (number != 1)}"


def _percent(chance: float) -> str:
    if chance < 0.0001:
        return "less than 0.01 %"
    return f"{chance:.2%}".replace("%", " %") if chance < 0.1 else f"{chance:.0%}".replace("%", " %")


def _listed(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
