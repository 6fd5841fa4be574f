"""The archive's lock: whoever enters a run waits for others that do, with patience that has an end."""

from __future__ import annotations

import fcntl
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from oairunbook.output import inert
from oairunbook.record.archive.chain import ArchiveError
from oairunbook.record.files import PRIVATE_FILE

_LOCK = ".lock"
_LOOK_SECONDS = 0.02
_LEAST_SECONDS = 1.0
"""Others enter a run in less: whoever has used up all time on what there is to enter still waits for them."""

_TOLD_AFTER_SECONDS = 1.0
_AFTER_A_STOP_SECONDS = 3.0
"""Whoever is asked to end still gets what was seen into the chain if the lock falls so soon; what ends containers waits for ten."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for the lock; without end if nothing is said."""

    last: float = math.inf
    """On the monotonic clock."""

    stopped: Callable[[], bool] = lambda: False
    """Asked again and again; once it is true, a moment is left."""


class BusyError(ArchiveError):
    """Somebody else has held the archive's lock for as long as this could wait."""


@contextmanager
def locked(archive: Path, patience: Patience | None = None) -> Iterator[None]:
    """Nobody else enters a run meanwhile (flock(2)); the kernel lets go when this process ends, however it ends.

    At a terminal whoever waits for longer than a second is told so.

    Raises:
        BusyError: Patience is at its end.
        OSError: The archive cannot be written.
    """
    descriptor = os.open(archive / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        _wait(descriptor, archive / _LOCK, patience or Patience())
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, lock: Path, patience: Patience) -> None:
    began, told = time.monotonic(), False
    last = max(patience.last, began + _LEAST_SECONDS)
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            now = time.monotonic()
        if patience.stopped():
            last = min(last, now + _AFTER_A_STOP_SECONDS)
        if now >= last:
            raise BusyError(
                f"Another process has held {lock} for {now - began:.0f} s, so nothing could be entered in the archive. "
                f"Next: see who it is with `fuser -v {lock}`, and end it if it hangs."
            )
        if not told and now - began > _TOLD_AFTER_SECONDS:
            told = True
            if sys.stderr.isatty():
                click.echo(inert(f"Waiting for another process that holds {lock} …"), err=True)
        time.sleep(_LOOK_SECONDS)
