"""The index: one SQLite table of this user about the archive, made from chain and manifests. It is never the truth, and may be deleted at any time.

It is brought up to date from the lines that were added to the chain since it was last read; if those before are no longer the same, or
the file is damaged, it is made anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oairunbook.record.archive.chain import CHAIN, MANIFEST, UNFINISHED, ArchiveError, open_chain, read_small
from oairunbook.record.archive.draft import is_running
from oairunbook.record.archive.folders import behind_a_link, run_folders
from oairunbook.record.archive.index_file import index_path, open_database
from oairunbook.record.archive.mirror import address, url_of
from oairunbook.record.archive.row import COLUMNS, Row, document, object_of, row_of


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

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What SQLite cannot read of a file that it could open is damaged."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise ArchiveError(
                f"{index_path(self.archive)} is damaged: {error}. Next: remove that file; it is made anew."
            ) from error

    def runs(self, wanted: Wanted = Wanted(), *, last: int | None = None) -> list[Row]:
        """The runs of the chain in its order; only the *last* so many, if a number is given."""
        return list(self.each(wanted, last=last))

    def each(self, wanted: Wanted = Wanted(), *, last: int | None = None) -> Iterator[Row]:
        """As `runs`, one after the other: of 100,000 of them none stays in memory."""
        for row in self._select(", ".join(COLUMNS), wanted, last):
            yield Row(*row)

    def each_as_json(self, wanted: Wanted = Wanted(), *, last: int | None = None) -> Iterator[str]:
        """As `each`, as texts that the database makes: of 100,000 rows it takes a fifth of the time."""
        columns = ", ".join(f"'{column}', {column}" for column in COLUMNS)
        for (text,) in self._select(f"json_object({columns})", wanted, last):
            yield text

    def _select(self, what: str, wanted: Wanted, last: int | None) -> Iterator[tuple[Any, ...]]:
        where, values = wanted.where()
        newest = "" if last is None else f"DESC LIMIT {int(last)}"
        rows = f"SELECT * FROM runs WHERE {where} ORDER BY sequence {newest}"  # noqa: S608 - no value stands in it
        with self._reading():
            yield from self._database.execute(f"SELECT {what} FROM ({rows}) ORDER BY sequence", values)  # noqa: S608 - as above

    def count(self, wanted: Wanted = Wanted()) -> int:
        """How many runs of the chain are wanted."""
        where, values = wanted.where()
        [[count]] = self.query(f"SELECT count(*) FROM runs WHERE {where}", values)  # noqa: S608
        return int(count)

    def newest_fault(self, **known: str | None) -> Row | None:
        """The newest run that named a fault and of which these columns hold these values; None if there is none.

        A look at a fix is taken only where there is nothing else: one that was made by other settings, or met another fault, would take the place
        of the failure, and fewer attempts than that asks for would prove the fix. To the SDK a base URL is the same with and without a slash at its end.
        """
        assert known.keys() <= set(COLUMNS)
        columns = ", ".join(COLUMNS)
        conditions = "".join(
            f"rtrim({name}, '/') IS rtrim(?, '/') AND " if name == "base_url" else f"{name} IS ? AND " for name in known
        )
        query = (
            f"SELECT {columns} FROM runs WHERE {conditions}"  # noqa: S608 - columns are constants
            "cause NOT IN ('ok', 'unknown') AND state IN ('whole', 'partial') ORDER BY kind = 'verify', sequence DESC LIMIT 1"
        )
        found = self.query(query, tuple(known.values()))
        return Row(*found[0]) if found else None

    def query(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of one query on the table `runs`."""
        with self._reading():
            return self._database.execute(sql, values).fetchall()

    def unfinished(self, names: Iterable[str] | None = None) -> list[Row]:
        """Runs that never got their name: killed, or still running. They are read from the disk each time, and count for nothing.

        Args:
            names: Their folders, if somebody has just looked for them (`Checked.unfinished`).
        """
        return unfinished(self.archive, names)


@contextmanager
def open_index(archive: Path, progress: Callable[[str], None] | None = None) -> Iterator[Index]:
    """The index of this archive, brought up to date; in memory where nothing can be kept. *progress* is told now and then how far it is.

    Raises:
        ArchiveError: There is no archive.
        OSError: The archive cannot be read.
    """
    demand_archive(archive)
    with closing(open_database(archive, progress)) as database:
        yield Index(archive, database)


def demand_archive(archive: Path) -> None:
    """Raise ArchiveError where there is no archive, or its chain is no file; a mirror is brought up to date."""
    if url_of(archive):
        from oairunbook.record.archive.objects import refresh

        refresh(archive)
    with suppress(FileNotFoundError):
        # What is no file holds no run, and must not be listed as an archive of none.
        open_chain(archive).close()
    if not (archive / CHAIN).exists() and not (archive.is_dir() and any(run_folders(archive))):
        raise ArchiveError(f"{address(archive)} is no archive: it holds neither a {CHAIN} nor a run.")


def unfinished(archive: Path, names: Iterable[str] | None = None) -> list[Row]:
    """See `Index.unfinished`."""
    from oairunbook.record.archive.put import is_waiting

    found = run_folders(archive) if names is None else names
    rows, url = [], url_of(archive)
    for name in sorted(name for name in found if name.endswith(UNFINISHED)):
        folder = archive / name
        state = "running" if is_running(folder) else "waiting" if url and is_waiting(folder) else "killed"
        row = row_of(name, _read(folder / MANIFEST) or b"{}", state=state)
        rows.append(
            Row(
                sequence=None,
                run=name,
                kind=row.kind or "run",
                state=state,
                started_at=row.started_at or "",
                host=row.host or "",
                practice=row.practice,
            )
        )
    return rows


LOST = frozenset({"missing", "changed", "incomplete", "repeated"})
"""States of a run that is not as it was archived."""


def as_it_is(archive: Path, row: Row) -> Row:
    """The row, with the state that the run's folder shows without reading a file but the manifest; of a run on object storage as the index has it.

    What the index says was read from the manifest that the chain knows: one that says something else by now was changed, and is not shown.
    """
    if row.state in LOST or url_of(archive):
        return row
    folder = archive / row.run
    manifest = _read(folder / MANIFEST)
    if manifest is None or behind_a_link(archive, row.run):
        return replace(row, state="missing")
    if row_of(row.run, manifest, sequence=row.sequence) != row:
        return replace(row, state="changed")
    try:
        there = set(os.listdir(folder))  # noqa: PTH208 - names alone
    except OSError:
        return replace(row, state="missing")
    lost = not there.issuperset(object_of(document(manifest).get("files")))
    return replace(row, state="incomplete") if lost else row


def moment(at: datetime) -> str:
    """A time as manifests hold it: UTC, whole seconds."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _read(path: Path) -> bytes | None:
    try:
        return read_small(str(path))
    except OSError:
        return None
