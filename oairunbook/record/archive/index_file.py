"""The file of the index: brought up to date from the chain, and written anew as a whole.

It lies with the user who made it, in `$XDG_STATE_HOME/oairunbook/index`, and never in the archive: whoever writes the archive could otherwise say
of its runs what no record says.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
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
from oairunbook.record.archive.mirror import own_file
from oairunbook.record.archive.row import COLUMNS, began_by_name, document, number, object_of, row_of
from oairunbook.record.archive.tombstone import read_tombstone
from oairunbook.record.files import make_private, write_whole

INDEX = "index"
"""Folder of all indexes of a user."""

_VERSION = 7
_BATCH = 5000
_WORTH_WRITING = 100
"""A file is written anew once so many-th of its runs are new; fewer are read from their manifests each time, which costs less."""

_LONGEST_LINE_BYTES = 8192
_TOLD_EVERY = 1000

_SCHEMA = (
    f"CREATE TABLE runs ({', '.join(COLUMNS)}, {', '.join(f'{step}_seconds REAL' for step in STEPS)})",
    "CREATE UNIQUE INDEX by_run ON runs (run)",
    "CREATE INDEX by_sequence ON runs (sequence)",
    "CREATE TABLE read (end INTEGER, line_sha256 TEXT)",
    f"PRAGMA user_version = {_VERSION}",
)
_values_of = attrgetter(*COLUMNS)


def index_path(archive: Path) -> Path | None:
    """The file of this user's index of the archive; None where nothing can be kept."""
    return own_file(INDEX, archive)


def open_database(archive: Path, progress: Callable[[str], None] | None = None) -> sqlite3.Connection:
    """The index of this archive, up to date: its file, or a copy in memory. *progress* is told now and then how far it is.

    Raises:
        OSError: The archive cannot be read.
    """
    path = index_path(archive)
    # One that is not there, cannot be read or is damaged is an error of SQLite.
    with suppress(sqlite3.DatabaseError):
        if path and (database := _of_file(archive, path, progress)):
            return database
    database = sqlite3.connect(":memory:")
    for statement in _SCHEMA:
        database.execute(statement)
    _update(archive, database, 0, progress)
    return database


def chain_size(archive: Path) -> int:
    """Size of the chain in bytes; 0 where there is none."""
    try:
        return os.lstat(archive / CHAIN).st_size
    except FileNotFoundError:
        return 0


def _of_file(archive: Path, path: Path, progress: Callable[[str], None] | None) -> sqlite3.Connection | None:
    # Immutable: no journal is looked for, and nothing is locked. Whoever writes the file anew gives another one its name.
    there = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    keep = False
    try:
        if there.execute("PRAGMA user_version").fetchone() != (_VERSION,):
            return None
        end = _known_end(archive, there)
        if end is None:
            return None
        if end == chain_size(archive):
            keep = True
            return there
        database = sqlite3.connect(":memory:")
        there.backup(database)
        _update(archive, database, end, progress)
        return database
    finally:
        if not keep:
            there.close()


def _known_end(archive: Path, database: sqlite3.Connection) -> int | None:
    """Up to where the index knows the chain; None if that is no longer the chain."""
    known = database.execute("SELECT end, line_sha256 FROM read").fetchone()
    if known is None:
        return None
    end, digest = known
    try:
        with open_chain(archive) as file:
            start = max(0, end - _LONGEST_LINE_BYTES)
            file.seek(start)
            before = file.read(end - start)
    except (FileNotFoundError, ArchiveError):
        return None
    same = before.endswith(b"\n") and sha256(before[:-1].rpartition(b"\n")[2]) == digest
    return end if same and len(before) == end - start else None


def _update(archive: Path, database: sqlite3.Connection, offset: int, progress: Callable[[str], None] | None) -> None:
    """Read what the chain has got since, and write the file anew if that is worth it."""
    last: Entry | None = None
    new = 0
    batch: list[tuple[Any, ...]] = []
    for entry in read_chain(archive, offset):
        if isinstance(entry, str):
            # What cannot be read is for `archive verify` to tell; a listing shows the rest.
            continue
        if progress and new % _TOLD_EVERY == 0:
            progress(f"making the index: {new:,} runs read")
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
    path = index_path(archive)
    if path and new * _WORTH_WRITING >= runs:
        # No home folder that can be written, or a full disk: the copy in memory is as good, for once.
        with suppress(OSError):
            make_private(path.parent)
            write_whole(path, database.serialize())


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
    if state:
        # Of a run that is gone, or whose manifest is another one by now, nothing is known but what the chain says: its name, and so when it began.
        began = began_by_name(entry.run)
        lost = row_of(entry.run, b"{}", sequence=entry.sequence, state=state)
        return (*_values_of(replace(lost, started_at=began.isoformat() if began else "")), *(None for _ in STEPS))
    assert manifest is not None
    row = row_of(entry.run, manifest, sequence=entry.sequence)
    steps = object_of(document(manifest).get("steps"))
    return (*_values_of(row), *(number(steps.get(step)) for step in STEPS))
