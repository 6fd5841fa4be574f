"""What this user has verified before: of each run the line of the chain, and the state of its files at that time; and all of that in two hashes.

With it a check need not read again what nobody has touched since. It lies with who verifies, in `$XDG_STATE_HOME/oairunbook/verified`, and never
in the archive, whose writers could otherwise vouch for themselves. It may be deleted at any time; then all is read again.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oairunbook.record.archive.chain import Entry
from oairunbook.record.archive.mirror import state_folder
from oairunbook.record.files import PRIVATE_FILE, make_private

_VERSION = 3
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS runs (line_sha256 TEXT PRIMARY KEY, state BLOB, signed INTEGER, read_at TEXT) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS whole (chain_bytes, chain_sha256, states, runs, pruned, signed, since)",
)


@dataclass(frozen=True, slots=True)
class Whole:
    """An archive that was as it was left, from its first run to one of its last."""

    chain_bytes: int
    """Of the chain, up to that run's line and with it."""

    chain_sha256: str
    states: bytes
    """Hash of the states of all runs, in the order of the chain."""

    runs: int
    """That were there."""

    pruned: int
    signed: int
    since: str
    """When the files of the runs were read, at the earliest."""


@dataclass
class Seen:
    """What was verified before, and what of it a check has met again."""

    kept: Path | None
    """Where it is kept; None where nothing can be."""

    believed: bool
    """Whether what is unchanged need not be read."""

    now: str
    fresh: list[tuple[str, bytes, int, str]] = field(default_factory=list)
    unchanged: int = 0
    since: str | None = None
    """When the files of the unchanged runs were read, at the earliest."""

    whole: Whole | None = None
    """The archive as this check found it; None while it has not found it whole."""

    @functools.cached_property
    def known(self) -> Mapping[str, tuple[bytes, int, str]]:
        """Of each line of the chain: state, whether it was signed, and when its files were read."""
        rows = self._select("line_sha256, state, signed, read_at FROM runs")
        return {line: (state, signed, at) for line, state, signed, at in rows}

    def whole_before(self) -> Whole | None:
        """The archive as it was found whole before; None if it need not be believed, or was not."""
        return next((Whole(*row) for row in self._select("* FROM whole")), None)

    def _select(self, what: str) -> list[tuple[Any, ...]]:
        if not self.believed or self.kept is None or not self.kept.exists():
            return []
        try:
            with closing(sqlite3.connect(f"file:{self.kept}?mode=ro", uri=True)) as database:
                if database.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                    return []
                return database.execute(f"SELECT {what}").fetchall()
        except sqlite3.Error:
            # Damaged: all is read.
            return []

    def knows(self, entry: Entry, state: bytes | None) -> bool:
        """Whether a run need not be read: it was verified before, and its files have the same state."""
        return self.believed and state is not None and self.known.get(entry.sha256, (None,))[0] == state

    def skip(self, entry: Entry) -> int:
        """Count a run that need not be read. 1 if its signature was verified, else 0."""
        _, signed, at = self.known[entry.sha256]
        self.unchanged += 1
        self.since = min(self.since or at, at)
        return signed

    def read(self, entry: Entry, state: bytes | None, signed: bool) -> None:
        """A run that was read, and is as it was left; its state was taken before."""
        if state is not None:
            self.fresh.append((entry.sha256, state, int(signed), self.now))


@contextmanager
def seen_before(
    archive: str,
    what: Sequence[str],
    *,
    believed: bool,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Seen]:
    """What was verified of this archive before; at the end what was read now is kept with it.

    Args:
        archive: Its address, or its path.
        what: What was verified: the same archive is known apart for each.
        believed: Whether what is unchanged need not be read.
        environment: Says where it is kept.

    Where nothing can be kept, nothing is known, and all is read.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    name = hashlib.sha256("\n".join((archive, *what)).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    try:
        path: Path | None = state_folder(environment) / "verified" / f"{name}.sqlite"
    except (OSError, RuntimeError):
        # RuntimeError: there is no home folder.
        path = None
    seen = Seen(path, believed, now)
    yield seen
    if path and (seen.fresh or seen.whole):
        try:
            _keep(path, seen)
        except (OSError, sqlite3.Error):
            # What was found does not depend on it.
            pass


def _keep(path: Path, seen: Seen) -> None:
    make_private(path.parent)
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE))
    with closing(sqlite3.connect(path)) as database, database:
        if database.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            database.execute("DROP TABLE IF EXISTS runs")
            database.execute("DROP TABLE IF EXISTS whole")
            database.execute(f"PRAGMA user_version = {_VERSION}")
        for table in _SCHEMA:
            database.execute(table)
        database.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", seen.fresh)
        if seen.whole:
            database.execute("DELETE FROM whole")
            database.execute("INSERT INTO whole VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(seen.whole))
