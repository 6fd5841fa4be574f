"""A fleet of records that exist already: files, and folders of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from oairunbook.comparison import Comparison, IncomparableError, compare
from oairunbook.evidence import EvidenceError, load_evidence
from oairunbook.fleet import Fleet, Group, Looked, Member, Missed, load_fleet, member, survey
from oairunbook.proof import conditions_of
from oairunbook.record.source import EVIDENCE_FILE

FLEET_FILE = "fleet.json"
"""What the members of a fleet come to, beside their records."""

_MANY = 200
"""From so many records on they are read by every processor: checking one takes some milliseconds."""

_SCHEMA = b'"oairunbook.evidence/'
_BESIDE = (FLEET_FILE, "packet.json", "verdict.json", "manifest.json")


class RecordsError(ValueError):
    """What was named are no records that can be compared. The text says which, and why."""


def read_fleet(paths: Sequence[str]) -> Fleet:
    """Compare the records in these files and folders; each is one member, and is judged by today's rules.

    Args:
        paths: A file is a record, or a `fleet.json` with its records beside it. A folder stands for every record in it and below, and what an
            archived fleet says of members without a record counts.

    Raises:
        RecordsError: One of them is missing or no record, or there is none.
    """
    files: dict[Path, str] = {}
    missed: list[Missed] = []
    for path in map(Path, paths):
        if not path.exists():
            raise RecordsError(f"{path}: there is no such file or folder")
        folder = path.parent if path.name == FLEET_FILE else path
        if not folder.is_dir():
            files[path] = files.get(path, "")
            continue
        found = sorted(folder.rglob("*.json"))
        for at in (file for file in found if file.name == FLEET_FILE):
            known = _known(at).members
            missed += [one for one in known if isinstance(one, Missed)]
            files |= {at.parent / one.record: one.name for one in known if isinstance(one, Looked)}
        files |= {file: files.get(file, "") for file in found if _is_record(file)}
    if not files and not missed:
        raise RecordsError(f"{', '.join(paths)}: there is no record in it")
    return survey([*_members(files, base_of(paths)), *missed])


def base_of(paths: Sequence[str]) -> Path:
    """What the records' names are relative to: the folder, if one alone is given."""
    path = Path(paths[0]) if len(paths) == 1 else Path()
    return path.parent if path.name == FLEET_FILE else path if path.is_dir() else Path()


def example_of(group: Group, fleet: Fleet, folder: Path) -> Comparison | None:
    """One member of the group beside the one that shares most with it and passed the layer; None without such a one, or their records."""
    records = {one.name: one.record for one in fleet.members if isinstance(one, Looked)}
    if not group.compare_with:
        return None
    try:
        works, fails = (
            load_evidence((folder / records[name]).read_bytes()) for name in (group.compare_with, group.example)
        )
        # That they differ is known; where the path parts first is what is asked.
        return compare(works, fails, (*(name for name, _ in conditions_of(works)), "variables"))
    except (OSError, EvidenceError, IncomparableError):
        return None


def _known(path: Path) -> Fleet:
    try:
        return load_fleet(path.read_bytes())
    except OSError as error:
        raise RecordsError(f"{path} cannot be read: {error.strerror}") from error
    except EvidenceError as error:
        raise RecordsError(f"{path}: {error}") from error


def _is_record(path: Path) -> bool:
    """Whether a file of a folder says that it is evidence; a folder of a run holds verdict, packet and manifest as well."""
    try:
        return path.is_file() and path.name not in _BESIDE and _SCHEMA in path.read_bytes()
    except OSError as error:
        raise RecordsError(f"{path} cannot be read: {error.strerror}") from error


def _members(files: dict[Path, str], base: Path) -> list[Member]:
    often = Counter(_short(file) for file in files)
    named = [
        (file, name or (_short(file) if often[_short(file)] == 1 else str(file)), os.path.relpath(file, base))
        for file, name in files.items()
    ]
    if len(named) < _MANY:
        return [_member(one) for one in named]
    workers = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        return list(pool.map(_member, named, chunksize=max(1, min(100, len(named) // workers))))


def _short(file: Path) -> str:
    """What tells a record from others at a glance: its own name, or that of its run."""
    return file.parent.name if file.name == EVIDENCE_FILE else file.stem


def _member(named: tuple[Path, str, str]) -> Member:
    file, name, record = named
    try:
        return member(name, load_evidence(file.read_bytes()), record)
    except OSError as error:
        raise RecordsError(f"{file} cannot be read: {error.strerror}") from error
    except EvidenceError as error:
        raise RecordsError(f"{file}: {error}") from error
