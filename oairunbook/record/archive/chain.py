"""The chain: `chain.jsonl`, one line a run, in the order in which the runs were entered.

A line holds the hash of its run's manifest and the hash of the line before. A manifest holds the hash of the line before its own. So every
run vouches for the whole chain before it, also where runs are gone; and a line still names a run that somebody removed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from oairunbook.record.files import PRIVATE_FILE, sync_folder

CHAIN = "chain.jsonl"
MANIFEST = "manifest.json"
UNFINISHED = ".partial"

_LONGEST_LINE_BYTES = 4096
_LARGEST_MANIFEST_BYTES = 8 << 20
_LARGEST_CHAIN_BYTES = 1 << 28
_RUN_NAME = re.compile(r"[0-9][^/\0]*(?:/[0-9][^/\0]*){3}")
_LONGEST_PART_BYTES = 200
"""Of a run's name. A folder's may have 255 on Linux, with what this tool puts before or behind it."""

_MOST_RUNS = 10**18
_PLAIN_PART = rf"[0-9][ !#-.0-\[\]-~]{{0,{_LONGEST_PART_BYTES - 1}}}"
_LINE = re.compile(
    rf'\{{"sequence": ([1-9][0-9]{{0,17}}), "run": "({_PLAIN_PART}(?:/{_PLAIN_PART}){{3}})", '
    r'"manifest_sha256": "([0-9a-f]{64})", "previous_sha256": (?:"([0-9a-f]{64})"|null)\}'
)
"""A line as this tool writes it. Of 100,000 of them JSON takes three times as long."""


class ArchiveError(Exception):
    """The archive is not there, or not as this tool leaves it. The text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the chain."""

    sequence: int
    """Counted from 1."""

    run: str
    """Path of the run inside the archive."""

    manifest_sha256: str
    previous_sha256: str | None
    """Of the line before, without its line feed; None in the first line."""

    sha256: str
    """Of this line."""

    end: int
    """Offset in the file of what follows this line."""

    def follows(self, last: Entry | None) -> bool:
        """Whether it says that it stands behind *last*, or is the first of a chain."""
        expected = (last.sequence + 1, last.sha256) if last else (1, None)
        return (self.sequence, self.previous_sha256) == expected


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def read_small(path: str) -> bytes:
    """A whole file that is small by its nature: a manifest. Of 100,000 of them `Path.read_bytes` would take twice as long.

    Raises:
        OSError: It cannot be read, or it is a link (ELOOP) or so large (EFBIG) that this tool has not written it. Of a pipe nothing is waited for.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        parts, size = [], 0
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
            size += len(part)
            if size > _LARGEST_MANIFEST_BYTES:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def read_chain(archive: Path, offset: int = 0) -> Iterator[Entry | str]:
    """The lines from *offset* on; of a line that cannot be read a text that says where it is.

    A last line without its line feed is the rest of a write that was broken off, and nobody counts on it.
    """
    try:
        file = open_chain(archive)
    except FileNotFoundError:
        return
    except ArchiveError:
        yield "line 1"
        return
    with file:
        file.seek(offset)
        yield from entries_in(file, offset)


def entries_in(lines: BinaryIO, offset: int) -> Iterator[Entry | str]:
    """As `read_chain`, of lines that stand at *offset* of a chain."""
    for number in count(1):
        line = lines.readline(2 * _LONGEST_LINE_BYTES)
        offset += len(line)
        if not line.endswith(b"\n"):
            if len(line) == 2 * _LONGEST_LINE_BYTES:
                # Nobody has written it, and nothing that stands behind it follows it.
                yield f"line {number}"
            return
        yield parse(line[:-1], offset) or f"line {number}"


def read_bytes(archive: Path) -> bytes:
    """The whole chain as it is.

    Raises:
        ArchiveError: It is no file, or a million runs' lines are not so large.
        OSError: It cannot be read.
    """
    with open_chain(archive) as file:
        chain = file.read(_LARGEST_CHAIN_BYTES + 1)
    if len(chain) > _LARGEST_CHAIN_BYTES:
        raise ArchiveError(f"{archive / CHAIN} is too large to be held in memory.")
    return chain


def open_chain(archive: Path) -> BinaryIO:
    """The chain, to be read.

    Raises:
        ArchiveError: It is no file, but a link, a pipe or a folder: this tool has not made it.
        OSError: It cannot be read.
    """
    try:
        descriptor = os.open(archive / CHAIN, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise ArchiveError(f"{archive / CHAIN} is no file, and no run can be entered in it.") from error
        raise
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArchiveError(f"{archive / CHAIN} is no file, and no run can be entered in it.")
    return os.fdopen(descriptor, "rb")


def parse(line: bytes, end: int) -> Entry | None:
    """One line without its line feed; None if it is no line of a chain."""
    if (usual := _LINE.fullmatch(line.decode("latin-1"))) and not usual[2].endswith(UNFINISHED):
        number, run, manifest, before = usual.groups()
        return Entry(int(number), run, manifest, before, sha256(line), end)
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match fields:
        case {"sequence": int(sequence), "run": str(run), "manifest_sha256": str(digest), "previous_sha256": previous}:
            # To the byte: nothing vouches yet for what else would stand in the newest line.
            exact = type(sequence) is int and _line(sequence, run, digest, previous) == line
            if exact and 0 < sequence < _MOST_RUNS and is_run_name(run) and not run.endswith(UNFINISHED):
                return Entry(sequence, run, digest, previous, sha256(line), end)
    return None


def _line(sequence: int, run: str, manifest_sha256: str, previous_sha256: str | None) -> bytes:
    """A line without its line feed."""
    return json.dumps(
        {
            "sequence": sequence,
            "run": run,
            "manifest_sha256": manifest_sha256,
            "previous_sha256": previous_sha256,
        }
    ).encode("ascii")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the chain between its neighbours."""

    entry: Entry
    before: Entry | None
    """None in the first line, and where what stands before is no line."""

    fits: bool
    """Whether it follows the line before, and the line behind it, if there is one, follows it."""

    last: bool


def places_of(archive: Path, run: str) -> list[Place]:
    """Where the chain names this run: in one line, or in none; where there are more, somebody has repeated it.

    Raises:
        ArchiveError: The chain is none.
        OSError: It cannot be read.
    """
    chain = read_bytes(archive)
    named = f'"run": {json.dumps(run)}, '.encode("ascii")
    places: list[Place] = []
    end = 0
    while (found := chain.find(named, end)) >= 0 and (end := chain.find(b"\n", found)) >= 0:
        begin = chain.rfind(b"\n", 0, found) + 1
        if entry := parse(chain[begin:end], end + 1):
            before = parse(chain[chain.rfind(b"\n", 0, begin - 1) + 1 : begin - 1], begin) if begin else None
            behind = chain.find(b"\n", end + 1)
            later = parse(chain[end + 1 : behind], behind + 1) if behind >= 0 else None
            fits = entry.follows(before) and (behind < 0 or (later is not None and later.follows(entry)))
            places.append(Place(entry, before, fits=fits, last=behind < 0))
    return places


def is_run_name(name: str) -> bool:
    """Whether this is `YYYY/MM/DD/folder`: what a file names must not lead out of the archive."""
    try:
        longest = max(map(len, os.fsencode(name).split(b"/")))
    except UnicodeEncodeError:
        return False
    return longest <= _LONGEST_PART_BYTES and _RUN_NAME.fullmatch(name) is not None


def newest(archive: Path) -> Entry | None:
    """The last whole line of the chain; None if there is none.

    Raises:
        ArchiveError: It cannot be read. Nobody may go on from there, or the chain would hide what was done to it.
    """
    try:
        with open_chain(archive) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 2 * _LONGEST_LINE_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return None
    whole = tail[: tail.rfind(b"\n") + 1]
    if not whole:
        return None
    end = size - (len(tail) - len(whole))
    entry = parse(whole[:-1].rpartition(b"\n")[2], end)
    if entry is None:
        raise ArchiveError(
            f"The last line of {archive / CHAIN} is no line of a chain, so no run can be entered behind it. "
            f"Next: oairunbook archive verify --archive {shlex.quote(str(archive))}, and keep that archive as it is; use a new one meanwhile."
        )
    return entry


def pending(archive: Path, entry: Entry) -> bool:
    """Whether this run was announced and has not got its name yet; its manifest is the announced one.

    Of the newest line alone that can be so: whoever enters the next run gives this one its name first.
    """
    try:
        manifest = read_small(f"{archive}/{entry.run}{UNFINISHED}/{MANIFEST}")
    except OSError:
        return False
    return sha256(manifest) == entry.manifest_sha256


def carry_out(archive: Path) -> Entry | None:
    """Under the lock: finish what a crash broke off, and give the newest entry.

    Raises:
        ArchiveError: The chain's last line cannot be read, or it is gone and runs are there.
        OSError: The archive cannot be written.
    """
    entry = newest(archive)
    if entry is None:
        demand_no_runs(archive)
        return None
    if (archive / CHAIN).stat().st_size != entry.end:
        os.truncate(archive / CHAIN, entry.end)
    if not (archive / entry.run).exists() and pending(archive, entry):
        # All of it was on the disk before it was announced: only its name is missing.
        name_run(archive, entry.run)
    return entry


def demand_no_runs(archive: Path) -> None:
    """Raise ArchiveError where finished runs lie in an archive whose chain names none: a new one would hide that the old one is gone."""
    from oairunbook.record.archive.folders import run_folders

    if not archive.is_dir():
        return
    run = next((name for name in run_folders(archive) if not name.endswith(UNFINISHED)), None)
    if run is not None:
        raise ArchiveError(
            f"{archive / CHAIN} names no run, though {run} is there: the chain is gone, so no run can be entered. "
            "Next: put it back from a copy, or keep that archive as it is and use a new one."
        )


def next_line(run: str, manifest: bytes, last: Entry | None) -> bytes:
    """The line of a run that is entered behind *last*, without its line feed."""
    return _line(last.sequence + 1 if last else 1, run, sha256(manifest), last.sha256 if last else None)


def append(archive: Path, run: str, manifest: bytes, last: Entry | None) -> None:
    """Under the lock: announce a run whose manifest is on the disk. The line is there whole or not at all.

    Raises:
        OSError: It could not be written; the chain is as it was.
    """
    line = next_line(run, manifest, last)
    new = not (archive / CHAIN).exists()
    descriptor = os.open(archive / CHAIN, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        before = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, line + b"\n") != len(line) + 1:
                # Part of it fitted on the disk; what is missing will not.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
    if new:
        sync_folder(archive)


def name_run(archive: Path, run: str) -> None:
    """Give a finished run its name."""
    folder = archive / (run + UNFINISHED)
    folder.rename(archive / run)
    sync_folder(folder.parent)
