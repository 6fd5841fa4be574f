"""Folders for what a run needs beside its record, in the folder for temporary files. What a killed run left there the next one removes."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "oairunbook-run-"
_NAME = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")
_LONGEST_ROOT = 36
"""A socket's path has room for 108 bytes (unix(7)), and those of a kernel lie in such a folder."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A new folder, gone at the end; before, those of this user that no process holds any more are removed."""
    root = tempfile.gettempdir() if len(tempfile.gettempdir()) <= _LONGEST_ROOT else "/tmp"  # noqa: S108
    _sweep(root)
    # It gets the name by which others look for it once it is held: until then it would look like one that was left.
    made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=root))
    held = hold(made)
    folder = made.rename(made.with_name(made.name[1:]))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def hold(folder: Path) -> int:
    """Keep a folder from being removed, as long as this process lives or until the descriptor is closed (flock(2)).

    A lock holds across containers that share the folder, where the number of a process says nothing.
    """
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # A file system without locks: nothing is ever removed there.
    with suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_SH)
    return held


def _sweep(root: str) -> None:
    with suppress(OSError), os.scandir(root) as items:
        for item in items:
            if _NAME.fullmatch(item.name):
                with suppress(OSError):
                    _remove_if_left(item.path)


def _remove_if_left(path: str) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(folder).st_uid == os.geteuid():
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(folder)
