"""A fleet of records that exist already: files, and folders of them."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from oairunbook.comparison import Comparison, IncomparableError, compare
from oairunbook.evidence import ErrorLink, Evidence, EvidenceError, ToolFailed, load_evidence, read_bytes
from oairunbook.fleet import Fleet, Group, Looked, Member, Missed, load_fleet, member, survey
from oairunbook.proof import conditions_of
from oairunbook.record.archive.chain import CHAIN, MANIFEST
from oairunbook.record.files import read_kept
from oairunbook.record.source import EVIDENCE_FILE

FLEET_FILE = "fleet.json"
"""What the members of a fleet come to, beside their records."""

_MANY = 200
"""From so many records on they are read by every processor: checking one takes some milliseconds."""

_SCHEMA = b'"oairunbook.evidence/'
_BESIDE = (FLEET_FILE, "packet.json", "verdict.json", MANIFEST)
_NAMED = 5


class RecordsError(ValueError):
    """What was named are no records that can be compared. The text says which, and why."""


def read_fleet(paths: Sequence[str], tell: Callable[[str], None] | None = None) -> Fleet:
    """Compare the records in these files and folders; each is one member, and is judged by today's rules.

    Args:
        paths: A file is a record, or a `fleet.json` with its records beside it. A folder stands for every record in it and below, and what an
            archived fleet says of members without a record counts. A record in a folder that cannot be read is a member of which there is
            none: the tool failed.
        tell: Called with a line that names the files of folders that are no records.

    Raises:
        RecordsError: A file that was named is missing or no record, or there is none.
    """
    files: dict[Path, str] = {}
    # Of folders: these may fail, and the rest is compared all the same.
    tried: set[Path] = set()
    passed: list[Path] = []
    missed: list[Missed] = []
    for path in map(Path, paths):
        if not path.exists():
            raise RecordsError(f"{path}: there is no such file or folder")
        folder = path.parent if path.name == FLEET_FILE else path
        if not folder.is_dir():
            files[path] = files.get(path, "")
            continue
        found = sorted(file for file in folder.rglob("*") if not file.is_dir())
        for at in (file for file in found if file.name == FLEET_FILE):
            known = _known(at).members
            missed += [one for one in known if isinstance(one, Missed)]
            files |= {at.parent / one.record: one.name for one in known if isinstance(one, Looked)}
        files |= {file: files.get(file, "") for file in found if file in files or _is_record(file)}
        tried.update(files)
        passed += [file for file in found if file not in files and not _belongs(file)]
    if passed and tell:
        are = "is no record" if len(passed) == 1 else "are no records"
        tell(f"Passed over, as {len(passed)} {are}: {_some([str(file) for file in passed])}")
    if not files and not missed:
        raise RecordsError(f"{', '.join(paths)}: there is no record in it")
    members, copies = _each_once(_members(files, tried, base_of(paths)), files)
    if copies and tell:
        are = "is a copy of another, and counts" if len(copies) == 1 else "are copies of others, and count"
        tell(f"{len(copies)} {'record' if len(copies) == 1 else 'records'} {are} once: {_some(copies)}")
    unread = [one.reason for one in members if isinstance(one, Missed)]
    if unread and len(unread) == len(members) and not missed:
        raise RecordsError(f"{', '.join(paths)}: no record in it can be read. {_some(unread)}")
    if unread and tell:
        # The table cuts a long reason.
        tell(f"Not read: {len(unread)} of {len(files)}. {_some(unread)}")
    return survey([*members, *missed])


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return ", ".join(texts[:_NAMED]) + more


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
            load_evidence(read_kept(folder / records[name])) for name in (group.compare_with, group.example)
        )
        # That they differ is known; where the path parts first is what is asked.
        return compare(works, fails, (*(name for name, _ in conditions_of(works)), "variables"))
    except (OSError, EvidenceError, IncomparableError):
        return None


def _known(path: Path) -> Fleet:
    try:
        known = load_fleet(read_kept(path))
    except OSError as error:
        raise RecordsError(f"{path} cannot be read: {error.strerror}") from error
    except EvidenceError as error:
        raise RecordsError(f"{path}: {error}") from error
    for one in known.members:
        if isinstance(one, Looked) and (Path(one.record).is_absolute() or ".." in Path(one.record).parts):
            raise RecordsError(f"{path}: the record of {one.name} lies outside of its folder: {one.record}")
    return known


def _is_record(path: Path) -> bool:
    """Whether a file of a folder is to be read as evidence: it says that it is, or cannot be read at all, or has the name of JSON and is none.

    A folder of a run holds verdict, packet, manifest and notebooks as well.
    """
    if path.name in _BESIDE or path.suffix == ".ipynb" or not path.is_file():
        return False
    try:
        data = read_bytes(path)
    except (OSError, EvidenceError):
        return not _belongs(path)
    if _SCHEMA in data:
        return True
    if path.suffix.lower() != ".json":
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return True
    return False


def _belongs(path: Path) -> bool:
    """Whether an archive keeps this file beside its records."""
    return path.name.startswith(".") or (path.parent / MANIFEST).is_file() or (path.parent / CHAIN).is_file()


def _members(files: dict[Path, str], tried: set[Path], base: Path) -> list[Member]:
    often = Counter(_short(file) for file in files)
    named = [
        (
            file,
            name or (_short(file) if often[_short(file)] == 1 else str(file)),
            os.path.relpath(file, base),
            file in tried,
        )
        for file, name in files.items()
    ]
    if len(named) < _MANY:
        return [_member(one) for one in named]
    workers = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        return list(pool.map(_member, named, chunksize=max(1, min(100, len(named) // workers))))


def _each_once(members: list[Member], files: dict[Path, str]) -> tuple[list[Member], list[str]]:
    """The members without copies of a record that is there under another name, and the names of those.

    Two looks are never alike to the microsecond; a record that was copied is, whatever file it stands in.
    """
    alike: dict[Member, list[tuple[Looked, Path]]] = {}
    for one, file in zip(members, files, strict=True):
        if isinstance(one, Looked):
            alike.setdefault(replace(one, name="", record=""), []).append((one, file))
    copies: set[str] = set()
    for same in (group for group in alike.values() if len(group) > 1):
        seen: list[Evidence] = []
        for one, file in same:
            record = load_evidence(read_bytes(file))
            if record in seen:
                copies.add(one.name)
            else:
                seen.append(record)
    return [one for one in members if one.name not in copies], sorted(copies)


def _short(file: Path) -> str:
    """What tells a record from others at a glance: its own name, or that of its run."""
    return file.parent.name if file.name == EVIDENCE_FILE else file.stem


def _member(named: tuple[Path, str, str, bool]) -> Member:
    file, name, record, tried = named
    try:
        return member(name, load_evidence(read_bytes(file)), record)
    except OSError as error:
        why = RecordsError(f"{file} cannot be read: {error.strerror}")
    except EvidenceError as error:
        why = RecordsError(f"{file}: {error}")
    if tried:
        return member(name, ToolFailed(errors=(ErrorLink(type="oairunbook.RecordsError", text=str(why)),)))
    raise why
