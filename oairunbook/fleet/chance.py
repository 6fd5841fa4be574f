"""How surprising a separation is. With two failing of three almost anything separates them, and then a separation says nothing."""

from __future__ import annotations

import math

CONVINCING = 0.05
"""Below this a separation is called convincing: of twenty fleets whose failures follow no fact, one at most shows such a one."""


def fisher(with_failing: int, with_healthy: int, failing: int, healthy: int) -> float:
    """Chance that so many failing members, or more, share a fact that has nothing to do with the failure.

    One-sided exact test of a table of two by two (R. A. Fisher, 1935): of *failing* + *healthy* members those with the fact are drawn
    blindly, and *with_failing* of them or more turn out to be failing ones.

    Raises:
        ValueError: More members have the fact than there are.
    """
    drawn, everyone = with_failing + with_healthy, failing + healthy
    if not (0 <= with_failing <= failing and 0 <= with_healthy <= healthy):
        raise ValueError(f"{with_failing} of {failing} and {with_healthy} of {healthy} is no table")
    most = min(drawn, failing)
    whole = _log_choose(everyone, drawn)
    logs = [
        _log_choose(failing, k) + _log_choose(healthy, drawn - k) - whole
        for k in range(with_failing, most + 1)
        if drawn - k <= healthy
    ]
    return min(1.0, math.fsum(math.exp(log) for log in logs))


def is_convincing(chance_of_any: float) -> bool:
    """Whether accident is a poor explanation; what only rounding brings below the limit is not."""
    return chance_of_any < CONVINCING * (1 - 1e-9)


def corrected(chance: float, facts: int, size: int) -> float:
    """The chance that any of the looked-at sets separates so well: each of them is one more try (C. E. Bonferroni, 1936).

    Args:
        chance: Of one set that was named before anybody looked.
        facts: Different facts that were looked at.
        size: Facts in the set; every set of so many or fewer counts as looked at.
    """
    tries = sum(math.comb(facts, k) for k in range(1, min(size, facts) + 1))
    return min(1.0, chance * max(1, tries))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
