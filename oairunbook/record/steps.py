"""Observations as lines of a table: each step once, and its further attempts that ended alike in one line behind it."""

from __future__ import annotations

from collections.abc import Iterable

from oairunbook.evidence import Evidence, Observation
from oairunbook.record.describe import State, brief, fact, state
from oairunbook.records import dataclass
from oairunbook.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line."""

    observations: tuple[Observation, ...]
    """One, or the further attempts that ended alike."""

    name: str
    """Id of the observation, without the number of an attempt."""

    target: str
    state: State
    seconds: str
    """How long it took; from the shortest to the longest, if these are several."""

    fact: str

    @property
    def first(self) -> Observation:
        """The observation that the line begins with."""
        return self.observations[0]


def steps(observations: Iterable[Observation]) -> tuple[Step, ...]:
    """The lines, in the order in which the steps began."""
    seen = tuple(observations)
    firsts = [o for o in seen if o.attempt == 1]
    further: dict[str, list[Observation]] = {}
    for observation in seen:
        if observation.attempt > 1:
            further.setdefault(_name(observation), []).append(observation)
    lines = []
    for observation in firsts:
        lines.append(_alone(observation))
        lines += _alike(further.pop(observation.id, []))
    # An address that the first attempt did not meet.
    lines += [line for group in further.values() for line in _alike(group)]
    return tuple(lines)


def first_change(evidence: Evidence, verdict: Verdict) -> str | None:
    """Id of the first cited observation of the path itself; of a counter-test or an attempt only where no other is cited."""
    if verdict.cause in ("ok", "unknown"):
        return None
    known = {o.id: o for o in evidence.observations}
    cited = [known[reason.observation] for reason in verdict.because if reason.observation in known]
    own = [o for o in cited if o.changed is None and o.attempt == 1]
    return (own or cited)[0].id if cited else None


def _alone(observation: Observation) -> Step:
    changed = f"Counter-test ({observation.changed}): " if observation.changed else ""
    return Step(
        observations=(observation,),
        name=observation.id,
        target=observation.target,
        state=state(observation.outcome),
        seconds=f"{observation.seconds:.3f}",
        fact=changed + fact(observation.outcome),
    )


def _alike(attempts: list[Observation]) -> list[Step]:
    groups: dict[str, list[Observation]] = {}
    for observation in attempts:
        groups.setdefault(brief(observation.outcome), []).append(observation)
    lines = []
    for group in groups.values():
        of = f"{len(group)} of {len(attempts)} further attempts" if len(attempts) > 1 else "the second attempt"
        low, high = min(o.seconds for o in group), max(o.seconds for o in group)
        lines.append(
            Step(
                observations=tuple(group),
                name=f"{_name(group[0])}, {of}",
                target=group[0].target.removesuffix(f", attempt {group[0].attempt}") + f", {of}",
                state=state(group[0].outcome),
                seconds=f"{low:.3f} to {high:.3f}" if len(group) > 1 else f"{low:.3f}",
                fact=fact(group[0].outcome),
            )
        )
    return lines


def _name(observation: Observation) -> str:
    return observation.id.partition("#")[0]
