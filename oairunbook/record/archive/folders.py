"""The folders of an archive, as the disk has them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from oairunbook.record.archive.chain import UNFINISHED


def finished_and_unfinished(archive: Path) -> tuple[set[str], list[str]]:
    """Names of the runs on the disk, and of the unfinished ones."""
    names = set(run_folders(archive))
    unfinished = sorted(name for name in names if name.endswith(UNFINISHED))
    return names.difference(unfinished), unfinished


def run_folders(archive: Path) -> Iterator[str]:
    """`YYYY/MM/DD/folder` of every folder that is there, in no order."""
    pending_folders = [("", 0)]
    while pending_folders:
        name, depth = pending_folders.pop()
        at = f"{name}/" if name else ""
        with os.scandir(archive / name) as items:
            below = [
                at + item.name for item in items if item.name[:1].isdecimal() and item.is_dir(follow_symlinks=False)
            ]
        if depth == 3:
            yield from below
        else:
            pending_folders += [(one, depth + 1) for one in below]
