"""The file of the index: read where it is ours to the letter, brought up to date from the chain, and written anew as a whole.

Somebody else may have made the archive, and the file with it. It is never written in place, so nothing that lies beside it, such as a journal, is
read or followed. It counts only with exactly our tables, and SQLite does no more than so large a file can ask for.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from operator import attrgetter
from pathlib import Path
from stat import S_ISREG
from typing import Any

from oairunbook.record.archive.about import STEPS
from oairunbook.record.archive.chain import (
    CHAIN,
    MANIFEST,
    ArchiveError,
    Entry,
    open_chain,
    pending,
    read_chain,
    read_small,
    sha256,
)
from oairunbook.record.archive.row import COLUMNS, document, number, object_of, row_of
from oairunbook.record.archive.tombstone import read_tombstone
from oairunbook.record.files import write_whole

INDEX = ".index.sqlite"

_VERSION = 6
_BATCH = 5000
_WORTH_WRITING = 100
"""A file is written anew once so many-th of its runs are new; fewer are read from their manifests each time, which costs less."""

_HEADER = b"SQLite format 3\0"
_LONGEST_VALUE_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 8192
_LARGEST_BYTES, _LARGEST_RATIO = 4 << 20, 8
"""Of the file, beside the chain that it was made from; of ours the ratio is little more than 1."""

_STEPS_AT_ONCE = 200_000
_STEPS, _STEPS_A_BYTE = 200_000_000, 50
"""What SQLite may do in all. An honest archive of 100,000 runs needs a hundredth of it; a tree of pages that leads in circles never ends."""

_SCHEMA = (
    f"CREATE TABLE runs ({', '.join(COLUMNS)}, {', '.join(f'{step}_seconds REAL' for step in STEPS)})",
    "CREATE UNIQUE INDEX by_run ON runs (run)",
    "CREATE INDEX by_sequence ON runs (sequence)",
    "CREATE TABLE read (end INTEGER, line_sha256 TEXT)",
    f"PRAGMA user_version = {_VERSION}",
)
_values_of = attrgetter(*COLUMNS)


class Budget:
    """What SQLite may still do for one index."""

    def __init__(self, size_bytes: int) -> None:
        self._left = (_STEPS + _STEPS_A_BYTE * size_bytes) // _STEPS_AT_ONCE

    def __call__(self) -> bool:
        """Called by SQLite now and then: whether it has to stop."""
        self._left -= 1
        return self._left < 0

    def limit(self, database: sqlite3.Connection) -> None:
        """Set the limits of a connection."""
        database.set_progress_handler(self, _STEPS_AT_ONCE)
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE_BYTES)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """SQLite keeps to itself what a signal's handler has raised inside it, and says that it was interrupted."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT and self._left >= 0:
                raise KeyboardInterrupt from None
            raise


def open_database(archive: Path) -> tuple[sqlite3.Connection, Budget]:
    """The index of this archive, up to date: its file, or a copy in memory.

    Raises:
        OSError: The archive cannot be read.
    """
    size = chain_size(archive)
    try:
        budget = Budget(size)
        with budget.interruptible():
            database = _of_file(archive, size, budget)
    except (OSError, sqlite3.DatabaseError):
        # It is damaged, or somebody has made it so that it is never read to its end.
        database = None
    if database is None:
        budget = Budget(size)
        database = _in_memory(budget)
        with budget.interruptible():
            _make(database)
            _update(archive, database, 0)
    return database, budget


def chain_size(archive: Path) -> int:
    """Size of the chain in bytes; 0 where there is none."""
    try:
        return os.lstat(archive / CHAIN).st_size
    except FileNotFoundError:
        return 0


def _of_file(archive: Path, size: int, budget: Budget) -> sqlite3.Connection | None:
    path = archive / INDEX
    if not _is_ours(path, _LARGEST_BYTES + _LARGEST_RATIO * size):
        return None
    # Immutable: no journal is looked for, and nothing is locked. Whoever writes the file anew gives another one its name.
    there = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    keep = False
    try:
        budget.limit(there)
        there.execute("PRAGMA trusted_schema = OFF")
        if _schema_of(there) != _our_schema() or there.execute("PRAGMA user_version").fetchone() != (_VERSION,):
            return None
        end = _known_end(archive, there)
        if end is None:
            return None
        if end == size:
            keep = True
            return there
        database = _in_memory(budget)
        there.backup(database)
        _update(archive, database, end)
        return database
    finally:
        if not keep:
            there.close()


def _is_ours(path: Path, most_bytes: int) -> bool:
    """Whether this is a file, and by its header one of SQLite with a rollback journal, as this tool leaves it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        if not S_ISREG(status.st_mode) or status.st_size > most_bytes:
            return False
        header = os.read(descriptor, 20)
    finally:
        os.close(descriptor)
    return header[:16] == _HEADER and header[18:20] == b"\1\1"


def _in_memory(budget: Budget) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    budget.limit(database)
    return database


def _make(database: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        database.execute(statement)


@cache
def _our_schema() -> list[tuple[Any, ...]]:
    database = sqlite3.connect(":memory:")
    _make(database)
    return _schema_of(database)


def _schema_of(database: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return database.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name LIMIT 9").fetchall()


def _known_end(archive: Path, database: sqlite3.Connection) -> int | None:
    """Up to where the index knows the chain; None if that is no longer the chain."""
    known = database.execute("SELECT end, line_sha256 FROM read LIMIT 2").fetchall()
    if len(known) != 1:
        return None
    [(end, digest)] = known
    if type(end) is not int or end <= 0:
        return None
    try:
        with open_chain(archive) as file:
            start = max(0, end - _LONGEST_LINE_BYTES)
            file.seek(start)
            before = file.read(end - start)
    except (FileNotFoundError, ArchiveError):
        return None
    same = before.endswith(b"\n") and sha256(before[:-1].rpartition(b"\n")[2]) == digest
    return end if same and len(before) == end - start else None


def _update(archive: Path, database: sqlite3.Connection, offset: int) -> None:
    """Read what the chain has got since, and write the file anew if that is worth it."""
    last: Entry | None = None
    new = 0
    batch: list[tuple[Any, ...]] = []
    for entry in read_chain(archive, offset):
        if isinstance(entry, str):
            # What cannot be read is for `archive verify` to tell; a listing shows the rest.
            continue
        values = _values(archive, entry)
        if values is None:
            break
        last = entry
        new += 1
        batch.append(values)
        removed = read_tombstone(archive, entry)
        if removed or len(batch) >= _BATCH:
            _insert(database, batch)
            batch.clear()
        database.executemany("DELETE FROM runs WHERE run = ?", ((one.run,) for one in removed))
    _insert(database, batch)
    if last is not None:
        database.execute("DELETE FROM read")
        database.execute("INSERT INTO read VALUES (?, ?)", (last.end, last.sha256))
    database.commit()
    [(runs,)] = database.execute("SELECT count(sequence) FROM runs")
    if new * _WORTH_WRITING >= runs:
        # A read-only archive or a full disk: the copy in memory is as good, for once.
        with suppress(OSError):
            write_whole(archive / INDEX, database.serialize())


def _insert(database: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * (len(COLUMNS) + len(STEPS)))
    # A run stands in the chain once: a line that names it again says nothing but that somebody has repeated it.
    again = "ON CONFLICT (run) DO UPDATE SET state = 'repeated'"
    database.executemany(f"INSERT INTO runs VALUES ({marks}) {again}", rows)  # noqa: S608 - only marks


def _values(archive: Path, entry: Entry) -> tuple[Any, ...] | None:
    """One row of the table; None of the newest run while it has not got its name."""
    folder = f"{archive}/{entry.run}"
    try:
        manifest: bytes | None = read_small(f"{folder}/{MANIFEST}")
    except OSError:
        manifest = None
    state = ""
    if manifest is None:
        if not os.path.lexists(folder) and entry.end == chain_size(archive) and pending(archive, entry):
            return None
        state = "missing"
    elif sha256(manifest) != entry.manifest_sha256:
        state = "changed"
    row = row_of(entry.run, manifest or b"{}", sequence=entry.sequence, state=state)
    steps = object_of(document(manifest or b"{}").get("steps"))
    return (*_values_of(row), *(number(steps.get(step)) for step in STEPS))
