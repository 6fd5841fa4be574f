"""What is at a path, as far as this user may look: what may not be looked at counts as not there, as for the programs that read it.

`pathlib` raises PermissionError instead, and then the check of the very user who may not read a store would end without a verdict.
"""

from __future__ import annotations

import os


def exists(path: str) -> bool:
    """Whether there is anything that this user may see."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: str) -> bool:
    """Whether it is a file."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str) -> bool:
    """Whether it is a folder."""
    return os.path.isdir(path)  # noqa: PTH112


def names_in(path: str) -> tuple[str, ...]:
    """Names in a folder; empty if it is none, or may not be read."""
    try:
        return tuple(os.listdir(path))  # noqa: PTH208
    except OSError:
        return ()
