"""Faults that only this test meets, because it makes many attempts, several at a time and without a key: limits, and guards that count."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from oairunbook.diagnose.catalogue import Cause, Finding
from oairunbook.diagnose.parts import APART, attempts, path_alone
from oairunbook.evidence import Evidence, HttpAnswer, Observation, SdkAnswered
from oairunbook.records import dataclass
from oairunbook.verdict import Also, Because

Find = Callable[[Evidence], "list[tuple[Cause, Finding]]"]

_ALONE, _SLOWLY, _SEVERAL = "alone.", "slowly.", "several."
"""How the ids begin of attempts that were made one at a time, of those with pauses between, and of those made at the same moment after them."""

_BY_CHANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """What was seen while one thing was done at a time, and what the rest showed beside it."""

    evidence: Evidence
    also: Also
    renamed: dict[str, str]
    """The ids in *evidence* of what has another one in the record, and that."""

    def cited(self, reason: Because) -> Because:
        """A reason from *evidence* as one from the record."""
        return replace(reason, observation=self.renamed.get(reason.observation, reason.observation))


def alone(evidence: Evidence, find: Find) -> Apart | None:
    """The record as it would be, had only one thing been done at a time.

    None unless no attempt failed so, some of several at a time did before and again after that, some or told so, and chance is a poor explanation.
    """
    kind = next((k for k in (_SLOWLY, _ALONE) if any(o.id.startswith(k) for o in evidence.observations)), "")
    single = list(_attempts_of(evidence, kind)) if kind else []
    several = [_ended(one, find) for one in _attempts_of(evidence, _SEVERAL)]
    again = [ended for ended in several if ended is not None]
    if not single or not again or any(_ended(one, find) is not None for one in single):
        return None
    told = any(any(one.of(HttpAnswer, "http")) for one in _attempts_of(evidence, _SEVERAL))
    if len(again) == len(several) and not told:
        # A limit lets some of one moment through, or says so. What ends all of them may be a fault that comes and goes by the clock.
        return None
    before = [_ended(one, find) for one in (path_alone(evidence), *attempts(evidence))]
    failed = [ended for ended in before if ended is not None]
    if not failed:
        return None
    spared = (1 - len(failed) / len(before)) ** len(single)
    if min(spared, _all_among(len(again), len(several), len(single))) > _BY_CHANCE:
        return None
    why = (
        f"{len(failed)} of {len(before)} attempts ended so while several were made at a time, and so it was once more after that; of {len(single)} "
        "made one at a time none did: a limit of questions, connections or requests, which this test meets and the application may not"
    )
    cause = Counter(failed).most_common(1)[0][0]
    renamed = _as_a_walk(evidence, kind)
    return Apart(
        evidence=replace(evidence, observations=tuple(new for new, _ in renamed)),
        also=Also(cause=cause, why=why),
        renamed={new.id: old.id for new, old in renamed if new.id != old.id},
    )


def guarded(evidence: Evidence, find: Find) -> Apart | None:
    """The record without the attempts that failed, where all did from some moment on and the application's own requests passed meanwhile.

    None unless an attempt failed before those requests and another one after them.
    """
    single = list(_attempts_of(evidence, _ALONE))
    own = [o for o in evidence.observations if o.id.endswith(APART)]
    if len(single) < 2 or not own or any(_ended(one, find) is None for one in single):
        return None
    begins = [one.observations[0].started_seconds for one in single]
    meanwhile = all(min(begins) < o.started_seconds < max(begins) for o in own)
    passed = all(isinstance(o.outcome, SdkAnswered) and o.outcome.completed for o in own)
    if not meanwhile or not passed or not from_some_moment_on(evidence):
        return None
    failed = _failed_attempts(evidence, find)
    kept = [o for o in evidence.observations if not o.id.startswith(_ALONE) and (o.changed or o.attempt not in failed)]
    why = (
        f"all {len(failed)} attempts after some moment ended so, and {len(single)} more, while the application's own requests passed: a guard that "
        "counts requests without a valid key, which this test makes and the application does not"
    )
    also = Also(cause=Counter(failed.values()).most_common(1)[0][0], why=why)
    return Apart(evidence=replace(evidence, observations=tuple(kept)), also=also, renamed={})


def _failed_attempts(evidence: Evidence, find: Find) -> dict[int, str]:
    """The numbers of the attempts that failed, and by what."""
    of_each: dict[int, list[Observation]] = {}
    for observation in evidence.observations:
        if observation.attempt > 1 and observation.changed is None:
            of_each.setdefault(observation.attempt, []).append(observation)
    ends = {
        number: _ended(one, find)
        for number, observations in of_each.items()
        for one in attempts(replace(evidence, observations=tuple(observations)))
    }
    return {number: ended for number, ended in ends.items() if ended is not None}


def from_some_moment_on(evidence: Evidence) -> bool:
    """Whether attempts were answered up to some moment and failed after it, several of each: no fault that comes and goes looks so."""
    ends = [
        (one.observations[-1].started_seconds, any(a.status < _TOO_MUCH for _, a in one.of(HttpAnswer, "http")))
        for one in attempts(evidence)
    ]
    answered = [passed for _, passed in sorted(ends)]
    first_failed = answered.index(False) if False in answered else len(answered)
    # Of two that began at once the later one may have been the first to arrive.
    late = sum(answered[first_failed:])
    return min(first_failed, len(answered) - first_failed - late) >= _SEVERAL_OF_EACH and late <= 1


_TOO_MUCH = 429
_SEVERAL_OF_EACH = 4


def _all_among(failed: int, several: int, single: int) -> float:
    """How likely chance puts all of so many failures among those made at one moment, and none among those made alone (Fisher's exact test)."""
    return math.comb(several, failed) / math.comb(several + single, failed)


def _attempts_of(evidence: Evidence, kind: str) -> Iterator[Evidence]:
    own = (replace(o, changed=None, id=o.id.removeprefix(kind)) for o in evidence.observations if o.id.startswith(kind))
    yield from attempts(replace(evidence, observations=tuple(own)))


def _ended(one: Evidence, find: Find) -> str | None:
    """The cause that an attempt failed by; None if it was answered."""
    answer = next((answer for _, answer in one.of(HttpAnswer, "http")), None)
    if answer is not None and answer.status != 429 and answer.status < 500:
        return None
    found = find(one)
    return found[0][0].id if found else "unknown"


def _as_a_walk(evidence: Evidence, kind: str) -> list[tuple[Observation, Observation]]:
    """The observations as if only that had been done, the first of these attempts as the walk; each beside what it is in the record."""
    single = [o for o in evidence.observations if o.id.startswith(kind)]
    first = min(o.attempt for o in single)
    # What the application's own requests met at first counts where they were not made again.
    own = [o for o in evidence.observations if o.id.endswith(APART)]
    own = own or [o for o in evidence.observations if o.probe == "sdk" and o.changed is None]
    kept = [o for o in evidence.observations if o.probe in ("client", "status") or o.id.startswith("control.")]
    return [
        *((o, o) for o in kept),
        *((replace(o, changed=None, id=o.id.removesuffix(APART)), o) for o in own),
        *((_on_the_path(o, kind, first), o) for o in single),
    ]


def _on_the_path(observation: Observation, kind: str, first: int) -> Observation:
    identity = observation.id.removeprefix(kind)
    if observation.attempt == first:
        return replace(observation, changed=None, attempt=1, id=identity.partition("#")[0])
    return replace(observation, changed=None, id=identity)
