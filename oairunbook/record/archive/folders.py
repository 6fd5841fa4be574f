"""The folders of an archive, as the disk has them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oairunbook.record.archive.chain import CHAIN, UNFINISHED


@dataclass(frozen=True, slots=True)
class Folders:
    """What stands in the places of runs."""

    finished: set[str]
    unfinished: list[str]
    links: list[str]
    """Where a folder should be, of a run or of a day: what they lead to is no part of the archive."""

    closed: dict[str, OSError]
    """Folders of days, months and years that cannot be looked into, and why."""

    strange: list[str]
    """What no archive of this tool has."""


def look_through(archive: Path) -> Folders:
    """All of it in one pass."""
    links: list[str] = []
    closed: dict[str, OSError] = {}
    strange: list[str] = []
    names = set(run_folders(archive, links, closed, strange))
    unfinished = sorted(name for name in names if name.endswith(UNFINISHED))
    return Folders(names.difference(unfinished), unfinished, sorted(links), closed, sorted(strange))


def run_folders(
    archive: Path,
    links: list[str] | None = None,
    closed: dict[str, OSError] | None = None,
    strange: list[str] | None = None,
) -> Iterator[str]:
    """`YYYY/MM/DD/folder` of every folder that is there, in no order.

    Args:
        archive: Its root.
        links: Gets the links that stand in the place of one.
        closed: Gets the folders of days, months and years that cannot be looked into. Without it that is raised.
        strange: Gets what else is there, and is no file of the archive itself.
    """
    pending_folders = [("", 0)]
    while pending_folders:
        name, depth = pending_folders.pop()
        at = f"{name}/" if name else ""
        below = []
        try:
            with os.scandir(archive / name) as items:
                for item in items:
                    if item.name[:1].isdecimal() and item.is_dir(follow_symlinks=False):
                        below.append(at + item.name)
                    elif item.name[:1].isdecimal() and item.is_symlink():
                        if links is not None:
                            links.append(at + item.name)
                    elif strange is not None and not (depth == 0 and _is_of_an_archive(item.name)):
                        strange.append(at + item.name)
        except FileNotFoundError:
            # A prune has removed it meanwhile.
            if depth == 0:
                raise
        except OSError as error:
            if closed is None or depth == 0:
                raise
            closed[name] = error
        if depth == 3:
            yield from below
        else:
            pending_folders += [(one, depth + 1) for one in below]


def _is_of_an_archive(name: str) -> bool:
    """Whether this stands in an archive's root beside its years: the chain, the notes of cron, and what begins with a dot, as this tool's own notes do."""
    return name in (CHAIN, "cron.log") or name.startswith(".")


@contextmanager
def folder_of(archive: Path, run: str) -> Iterator[tuple[int, int]]:
    """Descriptors of the archive and of the folder in which this run's folder stands.

    Raises:
        NotADirectoryError: A link is on the way: it would lead out of the archive.
        OSError: There is no such folder.
    """
    here = root = os.open(archive, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in run.split("/")[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=here)
            if here != root:
                os.close(here)
            here = below
        yield root, here
    finally:
        if here != root:
            os.close(here)
        os.close(root)


def behind_a_link(archive: Path, run: str) -> bool:
    """Whether the run's folder, or one above it in the archive, is a link: what that leads to may be changed by whoever owns it."""
    parts = run.split("/")
    # Where nobody may look, nothing is known of a link, and that is for others to say.
    return any(os.path.islink(archive / "/".join(parts[: depth + 1])) for depth in range(len(parts)))  # noqa: PTH114
