"""Whether this process got its processor: a clock that says how much later it was woken than it had asked for."""

from __future__ import annotations

import threading
import time

_BEAT_SECONDS = 0.05
_LATE_SECONDS = 0.1
"""Sooner than this a thread is late also where nothing is amiss: another one holds the interpreter."""


class Pulse:
    """Sleeps for a moment again and again, and adds up by how much it overslept: while that lasted nothing here looked at the network."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._late = 0.0
        self._thread = threading.Thread(target=self._beat, name="oairunbook pulse", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(_BEAT_SECONDS):
            now = time.monotonic()
            late = now - last - _BEAT_SECONDS
            if late > _LATE_SECONDS:
                self._late += late
            last = now

    def end(self) -> float:
        """Stop, and give the seconds for which this process did not run when it wanted to."""
        self._ended.set()
        return self._late
