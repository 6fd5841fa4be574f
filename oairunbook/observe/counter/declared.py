"""What a counter-test is: what calls for it, what it changes, and how it is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from oairunbook.evidence import ConnectFailed, Layer, Observation, Outcome, ProxyFailed, TlsFailed, TlsHandshake
from oairunbook.observe.path import Path
from oairunbook.observe.stream import Deadline

PATIENCE_SECONDS = 1.0
"""A step that has been silent so long is treated as silent by the counter-tests, so that they end when it does."""


@dataclass(frozen=True)
class Seen:
    """What is known so far, while the walk may still be under way."""

    path: Path
    observations: tuple[Observation, ...]
    silent: tuple[str, ...]
    """Ids of steps that have been under way for a while without an answer."""

    def of(self, *kinds: type) -> Iterator[Observation]:
        """Observations of the walk itself with one of these outcomes."""
        for observation in self.observations:
            if observation.changed is None and observation.attempt == 1 and isinstance(observation.outcome, kinds):
                yield observation

    def has(self, *kinds: type, probe: str | None = None) -> bool:
        """Whether there is one."""
        return any(probe in (None, observation.probe) for observation in self.of(*kinds))

    def silent_addresses(self, probe: str) -> tuple[str, ...]:
        """Addresses at which this step is silent, by now or for good."""
        waiting = [identity.partition(":")[2] for identity in self.silent if identity.startswith(f"{probe}:")]
        for observation in self.of(TlsFailed, ConnectFailed, ProxyFailed):
            ended = getattr(observation.outcome, "ended", None)
            timed_out = ended == "silence" or errno_of(observation.outcome) == "ETIMEDOUT"
            if observation.probe == probe and timed_out:
                waiting.append(observation.id.partition(":")[2])
        return tuple(dict.fromkeys(waiting))

    def silent_in_attempts(self) -> tuple[str, ...]:
        """Addresses at which handshakes of attempts were silent to their end, twice or more, and none passed."""
        ends = [o.outcome for o in self.observations if o.probe == "tls" and o.changed is None and o.attempt > 1]
        passed = {end.address for end in ends if isinstance(end, TlsHandshake)}
        silent = Counter(e.address for e in ends if isinstance(e, TlsFailed) and e.ended == "silence")
        return tuple(address for address, number in silent.items() if number > 1 and address not in passed)


@dataclass(frozen=True)
class Test:
    """One counter-test that is due: what it changes, and how to run it."""

    id: str
    probe: str
    layer: Layer
    target: str
    changed: str
    look: Callable[[Deadline], Outcome]


Due = Callable[[Seen], Iterator[Test]]


def first(observations: Iterator[Observation]) -> Iterator[Observation]:
    """At most one: what one address shows, the others of the same name show too."""
    for observation in observations:
        yield observation
        return


def errno_of(outcome: object) -> str | None:
    """The deepest errno name of an outcome's errors."""
    errors = getattr(outcome, "errors", ())
    return next((link.errno_name for link in reversed(errors) if link.errno_name), None)
