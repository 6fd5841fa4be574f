"""The smallest set of facts that tells failing members from healthy ones. Members are bits of whole numbers, so a fact is two of them.

A fact separates by being there or by being absent. What a record does not hold counts for neither: a failing member must be known to have
the fact, and a healthy one must be known to lack it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from oairunbook.evidence import Layer
from oairunbook.fleet import chance
from oairunbook.fleet.facts import Fact, identifies, rank
from oairunbook.records import dataclass

_EXACT_SIZE = 4
"""Up to so many facts the smallest set is looked for; nobody acts on more."""

_MOST_STEPS = 20_000
"""Of that search; it is cut off there, and the set found greedily is given instead."""

_PAIRED = 60
"""So many of the best facts are tried in pairs where no set separates a whole group."""

_MOST_PARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One fact that members have, or lack, and who they are."""

    name: str
    value: str
    present: bool
    """Whether those who have the sign have this value, or another one."""

    has: int
    """Members that are known to have the sign, one bit each."""

    lacks: int
    """Members that are known not to have it; the rest did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A set of signs that some failing members have all of, and no healthy member."""

    signs: tuple[Sign, ...]
    covered: int
    """Failing members that have all of them."""

    exact: bool
    """Whether there is no smaller set."""

    bound: float
    """It is at most so many times as large as the smallest; 1 if it is exact."""


class Signs:
    """Every sign of a fleet; those that the same members have stand together, the likeliest reason first."""

    def __init__(self, facts: Sequence[Mapping[str, Fact]]) -> None:
        """*facts*: of each member by their names; empty for a member of which there is no record."""
        self._all = tuple(_signs(facts))

    def of(self, failing: int, healthy: int, layer: Layer | None) -> list[tuple[Sign, ...]]:
        """Signs that at least one of *failing* has: one tuple for each pattern that they make on these members.

        A sign that all of these members have says nothing about them, and is left out.
        """
        both = failing | healthy
        patterns: dict[tuple[int, int], list[Sign]] = {}
        for sign in self._all:
            has, lacks = sign.has & both, sign.lacks & both
            if has & failing and lacks:
                patterns.setdefault((has, lacks), []).append(sign)
        for group in patterns.values():
            group.sort(key=lambda sign: _order(sign, layer))
        return sorted(
            (tuple(group) for group in patterns.values()), key=lambda group: (_order(group[0], layer), group[0].value)
        )

    def shared(self, members: int, layer: Layer | None) -> list[Sign]:
        """What all of these members have, the likeliest reason of a failure at *layer* first."""
        common = [sign for sign in self._all if sign.present and sign.has & members == members]
        return sorted(common, key=lambda sign: (rank(sign.name, layer), sign.name, sign.value))


def _signs(facts: Sequence[Mapping[str, Fact]]) -> Iterator[Sign]:
    known: dict[str, list[int]] = {}
    having: dict[tuple[str, str], list[int]] = {}
    for number, member in enumerate(facts):
        for fact in member.values():
            known.setdefault(fact.name, []).append(number)
            for value in dict.fromkeys(fact.values):
                having.setdefault((fact.name, value), []).append(number)
    masks = {name: mask(numbers, len(facts)) for name, numbers in known.items()}
    for (name, value), numbers in having.items():
        if identifies(name) and len(numbers) == 1:
            continue
        has = mask(numbers, len(facts))
        lacks = masks[name] & ~has
        yield Sign(name=name, value=value, present=True, has=has, lacks=lacks)
        # That it is another one than this tells only where this is the common one: of many it would name them all.
        if lacks and len(numbers) > 1:
            yield Sign(name=name, value=value, present=False, has=lacks, lacks=has)


def mask(numbers: Iterable[int], members: int) -> int:
    """Members as bits, in time that grows with their number alone."""
    octets = bytearray(members // 8 + 1)
    for number in numbers:
        octets[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(octets, "little")


def _order(sign: Sign, layer: Layer | None) -> tuple[int, bool, str]:
    return rank(sign.name, layer), not sign.present, sign.name


def separation(patterns: Sequence[tuple[Sign, ...]], failing: int, healthy: int, layer: Layer | None) -> Found | None:
    """The smallest set of signs that all of *failing* have and none of *healthy* has all of; None if there is none.

    Every healthy member has to lack one of them: a set cover. Up to four it is searched exactly; beyond that, or where that takes too long,
    each step takes the sign that rules out most (V. Chvátal, 1979: at most 1 + ln n times as many as needed).
    """
    usable = [group[0] for group in patterns if group[0].has & failing == failing and group[0].lacks & healthy]
    ruled_out = 0
    for sign in usable:
        ruled_out |= sign.lacks & healthy
    if not healthy or not failing or ruled_out != healthy:
        return None
    useful = _undominated(usable, healthy, layer)
    smallest = _exact(useful, healthy, layer)
    if smallest is not None:
        return Found(signs=smallest, covered=failing, exact=True, bound=1.0)
    signs = _greedy(useful, healthy, layer)
    return Found(signs=signs, covered=failing, exact=False, bound=1.0 + math.log(healthy.bit_count()))


def _undominated(signs: Sequence[Sign], healthy: int, layer: Layer | None) -> list[Sign]:
    """Without signs that rule out nothing that a likelier or equally likely one does not rule out as well."""
    kept: list[Sign] = []
    for sign in sorted(signs, key=lambda sign: (_order(sign, layer), -(sign.lacks & healthy).bit_count())):
        rules_out = sign.lacks & healthy
        if not any(rules_out | (other.lacks & healthy) == other.lacks & healthy for other in kept):
            kept.append(sign)
    return kept


def _exact(signs: Sequence[Sign], healthy: int, layer: Layer | None) -> tuple[Sign, ...] | None:
    """The smallest set that rules all of *healthy* out, of several the likeliest reason; None if the search was cut off or is too deep."""
    left = [_MOST_STEPS]
    for size in range(1, _EXACT_SIZE + 1):
        found = list(_covers(signs, healthy, size, left))
        if left[0] <= 0:
            return None
        if found:
            return min(found, key=lambda cover: [_order(sign, layer) for sign in cover])
    return None


def _covers(signs: Sequence[Sign], open_: int, size: int, left: list[int]) -> Iterator[tuple[Sign, ...]]:
    """Sets of *size* that rule out all of *open_*: one of them has to rule out its first member."""
    first = open_ & -open_
    for sign in signs:
        left[0] -= 1
        if left[0] <= 0:
            return
        if not sign.lacks & first:
            continue
        rest = open_ & ~sign.lacks
        if not rest:
            yield (sign,)
        elif size > 1:
            yield from ((sign, *others) for others in _covers(signs, rest, size - 1, left))


def _greedy(signs: Sequence[Sign], healthy: int, layer: Layer | None) -> tuple[Sign, ...]:
    chosen: list[Sign] = []
    while healthy:
        best = min(signs, key=lambda sign: (-(sign.lacks & healthy).bit_count(), _order(sign, layer)))
        chosen.append(best)
        healthy &= ~best.lacks
    return tuple(chosen)


def parts(patterns: Sequence[tuple[Sign, ...]], failing: int, healthy: int, layer: Layer | None) -> tuple[Found, ...]:
    """Where no set separates a whole group: sets of one or two signs, each of which separates a part of it, the largest part first.

    One cause can have two reasons, such as two broken resolvers. Each part is of two members at least: what one member alone has is chance.
    """
    signs = [group[0] for group in patterns]
    pure = [(sign,) for sign in signs if sign.lacks & healthy == healthy]
    best = heapq.nsmallest(_PAIRED, signs, key=lambda sign: surprise((sign,), failing, healthy))
    pairs = [
        (one, other)
        for number, one in enumerate(best)
        for other in best[number + 1 :]
        if (one.lacks | other.lacks) & healthy == healthy
        and one.lacks & healthy != healthy
        and other.lacks & healthy != healthy
    ]
    found: list[Found] = []
    left = failing
    while left and len(found) < _MOST_PARTS:

        def gain(signs: tuple[Sign, ...], left: int = left) -> tuple[int, int, list[tuple[int, bool, str]]]:
            return -(_having(signs) & left).bit_count(), len(signs), [_order(sign, layer) for sign in signs]

        chosen = min([*pure, *pairs], key=gain, default=None)
        if chosen is None or (_having(chosen) & left).bit_count() < 2:
            break
        covered = _having(chosen) & left
        found.append(
            Found(signs=chosen, covered=covered, exact=len(chosen) == 1, bound=2.0 if len(chosen) > 1 else 1.0)
        )
        left &= ~covered
    return tuple(found)


def nearest(
    patterns: Sequence[tuple[Sign, ...]], failing: int, healthy: int, layer: Layer | None, *, most: int
) -> list[Sign]:
    """Single signs that come nearest to separating, the most surprising first."""
    ranked = [(surprise((group[0],), failing, healthy), _order(group[0], layer), group[0]) for group in patterns]
    ranked = [item for item in ranked if item[0] < 0.5]
    return [sign for _, _, sign in heapq.nsmallest(most, ranked, key=lambda item: item[:2])]


def surprise(signs: tuple[Sign, ...], failing: int, healthy: int) -> float:
    """The chance that these signs tell so many failing members from healthy ones by accident; see `chance.fisher`."""
    with_failing, with_healthy = counted(signs, failing, healthy)
    return chance.fisher(with_failing, with_healthy, failing.bit_count(), healthy.bit_count())


def counted(signs: tuple[Sign, ...], failing: int, healthy: int) -> tuple[int, int]:
    """How many failing members are known to have all the signs, and how many healthy ones are not known to lack any."""
    lacking = 0
    for sign in signs:
        lacking |= sign.lacks
    return (_having(signs) & failing).bit_count(), (healthy & ~lacking).bit_count()


def _having(signs: tuple[Sign, ...]) -> int:
    having = -1
    for sign in signs:
        having &= sign.has
    return having
