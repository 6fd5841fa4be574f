"""One collection: probes side by side under one deadline, each becoming an observation, also when it fails or is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from oairunbook.evidence import ConnectFailed, Layer, NotTried, Observation, Outcome, Stopped, ToolFailed
from oairunbook.observe.errors import error_chain
from oairunbook.observe.stream import Deadline

Progress = Callable[[str], None]

DEFAULT_REPEAT = 24
"""Attempts in all. Of faults that hit every fifth attempt they miss one in two hundred, of those that hit every tenth one in twelve."""


_LEAST_SILENCE_SECONDS = 2.0
"""A SYN is sent again after one second: sooner, nobody has been silent."""


def _not_begun() -> NotTried:
    return NotTried(reason="the collection had been stopped")


class Task:
    """One probe under way in a thread of its own. The thread is a daemon: getaddrinfo(3) cannot be called off."""

    def __init__(
        self,
        collection: Collection,
        identity: str,
        probe: str,
        layer: Layer | None,
        target: str,
        look: Callable[[], Any],
        changed: str | None,
    ) -> None:
        self._collection = collection
        self._label = (identity, probe, layer, target)
        self._changed = changed
        self._began = time.monotonic()
        self._look = look
        self._done = threading.Event()
        self._extra: Any = None
        self.outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run, name=f"oairunbook {identity}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            found = self._look()
            outcome, self._extra = found if isinstance(found, tuple) else (found, None)
        except Exception as error:
            outcome = ToolFailed(errors=error_chain(error))
        self._collection.note(*self._label, began=self._began, outcome=outcome, changed=self._changed)
        self.outcome = outcome
        self._done.set()

    @property
    def identity(self) -> str:
        """Id of the observation that it becomes."""
        return self._label[0]

    @property
    def probe(self) -> str:
        """Name of the probe."""
        return self._label[1]

    @property
    def done(self) -> bool:
        """Whether it has ended by itself."""
        return self._done.is_set()

    @property
    def seconds(self) -> float:
        """How long it has been under way."""
        return time.monotonic() - self._began

    @property
    def extra(self) -> Any:
        """What the probe gave beside its outcome: an open stream, a client. None if it gave nothing, or is not done."""
        return self._extra if self._done.is_set() else None

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; whether it is done."""
        return self._done.wait(max(0.0, seconds))

    def stop(self, reason: str, seen: tuple[str, ...] = ()) -> None:
        """Record that this was given up, if it is not done."""
        if not self._done.is_set():
            stopped = Stopped(reason=reason, seen=seen)
            self._collection.note(*self._label, began=self._began, outcome=stopped, changed=self._changed)

    def cancel(self) -> None:
        """Record that nobody waited for this, if it is not done."""
        if not self._done.is_set():
            cancelled = NotTried(reason=f"cut short after {self.seconds:.1f} s, while it was under way")
            self._collection.note(*self._label, began=self._began, outcome=cancelled, changed=self._changed)


class Collection:
    """Observations as they come in, in the order of their beginning."""

    def __init__(self, deadline: Deadline, progress: Progress | None) -> None:
        self.began = time.monotonic()
        self.deadline = deadline
        self._progress = progress
        self._lock = threading.Lock()
        self._noted: dict[str, Observation] = {}
        self._tasks: list[Task] = []
        self.stopped = False
        self._closed = False

    def begin(
        self,
        identity: str,
        probe: str,
        layer: Layer | None,
        target: str,
        look: Callable[[], Any],
        changed: str | None = None,
    ) -> Task:
        """Start a probe; *look* returns its outcome, or the outcome and something for the probes that follow."""
        if self.stopped:
            look = _not_begun
        elif self._progress is not None:
            self._progress(f"{probe}: {target}{', ' * bool(changed)}{changed or ''}")
        task = Task(self, identity, probe, layer, target, look, changed)
        with self._lock:
            self._tasks.append(task)
        return task

    def under_way(self) -> tuple[Task, ...]:
        """Probes that have not ended."""
        with self._lock:
            return tuple(task for task in self._tasks if not task.done)

    def give_up(self) -> None:
        """Record of what is under way that it came to no end: a cancelled step says nothing of the path, as silence within its time would."""
        for task in self.under_way():
            task.cancel()

    def skip(self, identity: str, probe: str, layer: Layer | None, target: str, reason: str) -> None:
        """Record that something was not tried, and why."""
        self.note(identity, probe, layer, target, began=time.monotonic(), outcome=NotTried(reason=reason))

    def note(
        self,
        identity: str,
        probe: str,
        layer: Layer | None,
        target: str,
        *,
        began: float,
        outcome: Outcome,
        changed: str | None = None,
        attempt: int = 1,
    ) -> None:
        """Record one observation; the first record of an id stands.

        That a step got no answer in the last moments before everything has to end says nothing of the path.
        """
        if self.deadline.left <= 0 and time.monotonic() - began < _LEAST_SILENCE_SECONDS and _is_silence(outcome):
            outcome = Stopped(reason="the time for everything was over")
        observation = Observation(
            id=identity,
            probe=probe,
            layer=layer,
            target=target,
            started_seconds=round(began - self.began, 6),
            seconds=round(time.monotonic() - began, 6),
            outcome=outcome,
            changed=changed,
            attempt=attempt,
        )
        with self._lock:
            if not self._closed:
                self._noted.setdefault(identity, observation)

    def so_far(self) -> tuple[Observation, ...]:
        """What has been recorded by now."""
        with self._lock:
            return tuple(self._noted.values())

    def stop(self) -> None:
        """Look at nothing more: what begins from now on is not tried, and what waits for the deadline finds that it has passed."""
        self.stopped = True
        self.deadline = Deadline.after(0.0)

    def close(self) -> tuple[Observation, ...]:
        """All observations, by the time at which they began. What ends later is not recorded any more."""
        with self._lock:
            self._closed = True
            return tuple(sorted(self._noted.values(), key=lambda observation: observation.started_seconds))


def _is_silence(outcome: Outcome) -> bool:
    if isinstance(outcome, ConnectFailed):
        return any(link.errno_name == "ETIMEDOUT" for link in outcome.errors)
    return getattr(outcome, "ended", None) == "silence"
