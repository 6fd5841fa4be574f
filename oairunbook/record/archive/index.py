"""The index: one SQLite table beside the archive, made from chain and manifests. It is never the truth, and may be deleted at any time.

It is brought up to date from the lines that were added to the chain since it was last read; if those before are no longer the same, or
the file is damaged, it is made anew.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oairunbook.record.archive.about import STEPS
from oairunbook.record.archive.chain import (
    CHAIN,
    MANIFEST,
    UNFINISHED,
    ArchiveError,
    Entry,
    pending,
    read_chain,
    read_small,
    sha256,
)
from oairunbook.record.archive.draft import is_running
from oairunbook.record.archive.folders import run_folders
from oairunbook.record.archive.mirror import address, url_of
from oairunbook.record.archive.tombstone import read_tombstone
from oairunbook.record.files import PRIVATE_FILE

INDEX = ".index.sqlite"

_VERSION = 4
_WAIT_SECONDS = 10.0
_BATCH = 5000

_COLUMNS = (
    *("sequence", "run", "kind", "state", "started_at", "host", "practice", "route", "base_url", "model"),
    *(
        "owner",
        "layer",
        "cause",
        "certainty",
        "pattern",
        "failed",
        "tried",
        "seconds",
        "failing",
        "proved",
        "collector",
    ),
)

_SCHEMA = f"""
CREATE TABLE runs ({", ".join(_COLUMNS)}, {", ".join(f"{step}_seconds REAL" for step in STEPS)});
CREATE UNIQUE INDEX by_run ON runs (run);
CREATE INDEX by_sequence ON runs (sequence);
CREATE TABLE read (end INTEGER, line_sha256 TEXT);
PRAGMA user_version = {_VERSION};
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One run, as listings show it."""

    sequence: int | None
    """Place in the chain; None for an unfinished run."""

    run: str
    kind: str
    """`run`, `verify`, `audit`, `fleet` or `prune`."""

    state: str
    """`whole`, `partial`, `killed`, `running`; `waiting` until it can be put on object storage; `missing` or `changed` where manifest and chain
    disagree; `incomplete` where a file that the manifest names is gone (`as_it_is`)."""

    started_at: str
    host: str
    practice: str | None = None
    route: str | None = None
    base_url: str | None = None
    model: str | None = None
    owner: str | None = None
    layer: str | None = None
    cause: str | None = None
    certainty: str | None = None
    pattern: str | None = None
    failed: int | None = None
    tried: int | None = None
    seconds: float | None = None
    """Of all notebooks together."""

    failing: str | None = None
    """Of a `verify`: the run whose fault it looked at."""

    proved: int | None = None
    """Of a `verify`: 1 if the fix is proved."""

    collector: str | None = None
    """How the collector came to where it looked from; None for the place of the tool itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs; what is empty or None asks for nothing."""

    since: datetime | None = None
    until: datetime | None = None
    host: str = ""
    owner: str = ""
    cause: str = ""
    """An id, or a layer, which stands for all its causes."""

    route: str = ""
    """A family, or a base URL or part of one."""

    kind: str = ""
    """`run`, `verify`, `audit`, `fleet` or `prune`."""

    practice: bool | None = None
    """None for both real and practice runs."""

    def where(self) -> tuple[str, list[Any]]:
        """The condition in SQL, and its values."""
        terms = (
            ("started_at >= ?", [moment(self.since)] if self.since else []),
            ("started_at < ?", [moment(self.until)] if self.until else []),
            ("host = ?", [self.host] if self.host else []),
            ("kind = ?", [self.kind] if self.kind else []),
            ("owner = ?", [self.owner] if self.owner else []),
            ("? IN (cause, layer)", [self.cause] if self.cause else []),
            ("(route = ? OR instr(base_url, ?))", [self.route, self.route] if self.route else []),
        )
        asked = [(term, values) for term, values in terms if values]
        if self.practice is not None:
            asked.append((f"practice IS {'NOT ' * self.practice}NULL", []))
        return " AND ".join(term for term, _ in asked) or "1", [value for _, values in asked for value in values]


class Index:
    """An index that is up to date; see `open_index`."""

    def __init__(self, archive: Path, database: sqlite3.Connection) -> None:
        self.archive = archive
        self._database = database

    def runs(self, wanted: Wanted = Wanted(), *, last: int | None = None) -> list[Row]:
        """The runs of the chain in its order; only the *last* so many, if a number is given."""
        return list(self.each(wanted, last=last))

    def each(self, wanted: Wanted = Wanted(), *, last: int | None = None) -> Iterator[Row]:
        """As `runs`, one after the other: of 100,000 of them none stays in memory."""
        for row in self._select(", ".join(_COLUMNS), wanted, last):
            yield Row(*row)

    def each_as_json(self, wanted: Wanted = Wanted(), *, last: int | None = None) -> Iterator[str]:
        """As `each`, as texts that the database makes: of 100,000 rows it takes a fifth of the time."""
        columns = ", ".join(f"'{column}', {column}" for column in _COLUMNS)
        for (text,) in self._select(f"json_object({columns})", wanted, last):
            yield text

    def _select(self, what: str, wanted: Wanted, last: int | None) -> Iterator[tuple[Any, ...]]:
        where, values = wanted.where()
        newest = "" if last is None else f"DESC LIMIT {int(last)}"
        rows = f"SELECT * FROM runs WHERE {where} ORDER BY sequence {newest}"  # noqa: S608 - no value stands in it
        yield from self._database.execute(f"SELECT {what} FROM ({rows}) ORDER BY sequence", values)  # noqa: S608 - as above

    def count(self, wanted: Wanted = Wanted()) -> int:
        """How many runs of the chain are wanted."""
        where, values = wanted.where()
        return int(self._database.execute(f"SELECT count(*) FROM runs WHERE {where}", values).fetchone()[0])  # noqa: S608

    def newest_fault(self, **known: str | None) -> Row | None:
        """The newest run that named a fault and of which these columns hold these values; None if there is none."""
        assert known.keys() <= set(_COLUMNS)
        columns, conditions = ", ".join(_COLUMNS), "".join(f"{name} IS ? AND " for name in known)
        query = (
            f"SELECT {columns} FROM runs WHERE {conditions}"  # noqa: S608 - columns are constants
            "cause NOT IN ('ok', 'unknown') AND state IN ('whole', 'partial') ORDER BY sequence DESC LIMIT 1"
        )
        found = self._database.execute(query, tuple(known.values())).fetchone()
        return Row(*found) if found else None

    def query(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of one query on the table `runs`."""
        return self._database.execute(sql, values).fetchall()

    def unfinished(self, names: Iterable[str] | None = None) -> list[Row]:
        """Runs that never got their name: killed, or still running. They are read from the disk each time, and count for nothing.

        Args:
            names: Their folders, if somebody has just looked for them (`Checked.unfinished`).
        """
        from oairunbook.record.archive.put import is_waiting

        found = run_folders(self.archive) if names is None else names
        rows, url = [], url_of(self.archive)
        for name in sorted(name for name in found if name.endswith(UNFINISHED)):
            folder = self.archive / name
            about = _document(_read(folder / MANIFEST) or b"{}")
            rows.append(
                Row(
                    sequence=None,
                    run=name,
                    kind=str(about.get("kind", "run")),
                    state="running" if is_running(folder) else "waiting" if url and is_waiting(folder) else "killed",
                    started_at=str(about.get("started_at", "")),
                    host=str(about.get("host", "")),
                    practice=about.get("practice"),
                )
            )
        return rows


@contextmanager
def open_index(archive: Path) -> Iterator[Index]:
    """The index of this archive, brought up to date; in memory where the archive cannot be written.

    Raises:
        ArchiveError: There is no archive.
        OSError: The archive cannot be read.
    """
    if url_of(archive):
        from oairunbook.record.archive.objects import refresh

        refresh(archive)
    if not (archive / CHAIN).exists() and not (archive.is_dir() and any(run_folders(archive))):
        raise ArchiveError(f"{address(archive)} is no archive: it holds neither a {CHAIN} nor a run.")
    with closing(_open(archive)) as database:
        yield Index(archive, database)


LOST = frozenset({"missing", "changed", "incomplete"})
"""States of a run that is not as it was archived."""


def as_it_is(archive: Path, row: Row) -> Row:
    """The row with what its folder shows without reading a file but the manifest; of a run on object storage as the index has it."""
    if row.state in LOST or url_of(archive):
        return row
    folder = archive / row.run
    manifest = _read(folder / MANIFEST)
    if manifest is None:
        return replace(row, state="missing")
    try:
        there = set(os.listdir(folder))  # noqa: PTH208 - names alone
    except OSError:
        return replace(row, state="missing")
    return row if there.issuperset(_object(_document(manifest).get("files"))) else replace(row, state="incomplete")


def moment(at: datetime) -> str:
    """A time as manifests hold it: UTC, whole seconds."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _open(archive: Path) -> sqlite3.Connection:
    path = archive / INDEX
    for attempt in ("as it is", "made anew"):
        try:
            database = _connect(path)
            try:
                _update(archive, database)
            except BaseException:
                database.close()
                raise
            return database
        except sqlite3.OperationalError:
            # A read-only archive, a full disk, or somebody who holds it: what is there goes on in memory.
            break
        except sqlite3.DatabaseError:
            if attempt == "as it is":
                with suppress(OSError):
                    path.unlink(missing_ok=True)
    database = sqlite3.connect(":memory:")
    try:
        if _is_no_file(path):
            raise sqlite3.DatabaseError("no file")
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as there:
            there.backup(database)
        _update(archive, database)
    except sqlite3.DatabaseError:
        database.close()
        database = sqlite3.connect(":memory:")
        _update(archive, database)
    return database


def _is_no_file(path: Path) -> bool:
    """Somebody else may have made this archive: what a link leads to is no index of it, and a pipe would be waited for."""
    return path.is_symlink() or (path.exists() and not path.is_file())


def _connect(path: Path) -> sqlite3.Connection:
    if _is_no_file(path):
        raise sqlite3.DatabaseError("no file")
    if not path.exists():
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE))
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
    return sqlite3.connect(path, timeout=_WAIT_SECONDS)


def _update(archive: Path, database: sqlite3.Connection) -> None:
    """Read what the chain has got since; all of it in one transaction."""
    offset = _known_end(archive, database)
    if offset == _size(archive):
        return
    database.execute("BEGIN IMMEDIATE")
    with database:
        # Somebody else may have done it while this one waited.
        offset = _known_end(archive, database)
        if offset is None:
            for table in ("runs", "read"):
                database.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
            offset = 0
        last: Entry | None = None
        batch: list[tuple[Any, ...]] = []
        for entry in read_chain(archive, offset):
            if isinstance(entry, str):
                # What cannot be read is for `archive verify` to tell; a listing shows the rest.
                continue
            if pending(archive, entry) and not (archive / entry.run).exists():
                break
            last = entry
            batch.append(_row(archive, entry))
            removed = read_tombstone(archive, entry)
            if removed or len(batch) >= _BATCH:
                _insert(database, batch)
                batch.clear()
            database.executemany("DELETE FROM runs WHERE run = ?", ((one.run,) for one in removed))
        _insert(database, batch)
        if last is not None:
            database.execute("DELETE FROM read")
            database.execute("INSERT INTO read VALUES (?, ?)", (last.end, last.sha256))


def _known_end(archive: Path, database: sqlite3.Connection) -> int | None:
    """Up to where the index knows the chain; None if it has to be made anew."""
    if database.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
        return None
    known = database.execute("SELECT end, line_sha256 FROM read").fetchone()
    if known is None:
        return 0 if _size(archive) == 0 else None
    end, digest = known
    try:
        with (archive / CHAIN).open("rb") as file:
            start = max(0, end - 8192)
            file.seek(start)
            before = file.read(end - start)
    except OSError:
        return None
    same = before.endswith(b"\n") and sha256(before[:-1].rpartition(b"\n")[2]) == digest
    return int(end) if same else None


def _insert(database: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * (len(_COLUMNS) + len(STEPS)))
    database.executemany(f"INSERT OR REPLACE INTO runs VALUES ({marks})", rows)  # noqa: S608 - only marks


def _row(archive: Path, entry: Entry) -> tuple[Any, ...]:
    manifest = _read(archive / entry.run / MANIFEST)
    about = _document(manifest or b"{}")
    state = about.get("state")
    if manifest is None:
        state = "missing"
    elif sha256(manifest) != entry.manifest_sha256:
        state = "changed"
    verdict, steps, fix = (_object(about.get(name)) for name in ("verdict", "steps", "verify"))
    notebooks = about.get("notebooks")
    spent = [_number(_object(one).get("seconds")) for one in notebooks] if isinstance(notebooks, list) else []
    return (
        entry.sequence,
        entry.run,
        *(_scalar(about.get(name)) for name in ("kind",)),
        _scalar(state),
        *(_scalar(about.get(name)) for name in ("started_at", "host", "practice", "route", "base_url", "model")),
        *(
            _scalar(verdict.get(name))
            for name in ("owner", "layer", "cause", "certainty", "pattern", "failed", "tried")
        ),
        sum(one for one in spent if one is not None),
        _scalar(_object(fix.get("failing")).get("run")),
        _scalar(fix.get("proved")),
        _scalar(about.get("collector")),
        *(_number(steps.get(step)) for step in STEPS),
    )


def _size(archive: Path) -> int:
    try:
        return (archive / CHAIN).stat().st_size
    except FileNotFoundError:
        return 0


def _read(path: Path) -> bytes | None:
    try:
        return read_small(str(path))
    except OSError:
        return None


def _document(data: bytes) -> dict[str, Any]:
    try:
        return _object(json.loads(data))
    except (ValueError, RecursionError):
        return {}


def _object(item: Any) -> dict[str, Any]:
    return item if isinstance(item, dict) else {}


def _scalar(item: Any) -> Any:
    """What SQLite can hold; a manifest that somebody made may hold anything."""
    if isinstance(item, float):
        return item if math.isfinite(item) else None
    return item if isinstance(item, str | int) and not (isinstance(item, int) and abs(item) >= 2**63) else None


def _number(item: Any) -> float | None:
    return float(item) if isinstance(item, int | float) and not isinstance(item, bool) and abs(item) < 1e9 else None
