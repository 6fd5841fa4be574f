"""What this user has verified before: of each run the line of the chain, and the state of its files at that time; and all of that in two hashes.

With it a check need not read again what nobody has touched since. It lies with who verifies, in `$XDG_STATE_HOME/oairunbook/verified`, and never
in the archive, whose writers could otherwise vouch for themselves. It may be deleted at any time; then all is read again.
"""

from __future__ import annotations

import functools
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oairunbook.record.archive.chain import Entry
from oairunbook.record.archive.mirror import own_file
from oairunbook.record.files import PRIVATE_FILE, make_private

_VERSION = 6
_NEWEST = "* FROM whole WHERE read >= ? ORDER BY rowid DESC LIMIT 1"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS runs (line_sha256 TEXT PRIMARY KEY, state BLOB, signed INTEGER, verified_at TEXT, read INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS whole (chain_bytes, chain_sha256, states, files, runs, pruned, signed, since, read)",
)


@dataclass(frozen=True, slots=True)
class Whole:
    """An archive that was as it was left, from its first run to one of its last."""

    chain_bytes: int
    """Of the chain, up to that run's line and with it."""

    chain_sha256: str
    states: bytes
    """Hash of the states of all runs, in the order of the chain."""

    files: bytes
    """The names of the files of each of them, packed."""

    runs: int
    """That were there."""

    pruned: int
    signed: int
    since: str
    """When the runs were verified, at the earliest."""

    read: bool
    """Whether every file was read; of some it was only looked whether they are there, if not."""


@dataclass
class Seen:
    """What was verified before, and what of it a check has met again."""

    kept: Path | None
    """Where it is kept; None where nothing can be."""

    believed: bool
    """Whether what is unchanged need not be verified again."""

    files: bool
    """Whether that counts alone of which every file was read."""

    now: str
    for_all: Path | None = None
    """Where it is kept which chain was found whole, by whichever keys, or by none; None where nothing can be."""

    fresh: list[tuple[str, bytes, bool, str, bool]] = field(default_factory=list)
    unchanged: int = 0
    since: str | None = None
    """When the unchanged runs were verified, at the earliest."""

    whole: Whole | None = None
    """The archive as this check found it; None while it has not found it whole."""

    @functools.cached_property
    def known(self) -> Mapping[str, tuple[bytes, int, str]]:
        """Of each line of the chain: state, whether it was signed, and when it was verified."""
        rows = (
            self._select("line_sha256, state, signed, verified_at FROM runs WHERE read >= ?") if self.believed else []
        )
        return {line: (state, signed, at) for line, state, signed, at in rows}

    def whole_before(self) -> Whole | None:
        """The archive as it was last found whole; None if it was not."""
        return next((Whole(*row) for row in self._select(_NEWEST)), None)

    def chains_before(self) -> list[Whole]:
        """As `whole_before`, also with other keys: of those the chain alone counts."""
        places = dict.fromkeys((self.kept, self.for_all))
        return [Whole(*row) for kept in places for row in self._select(_NEWEST, kept)]

    def _select(self, what: str, kept: Path | None = None) -> list[tuple[Any, ...]]:
        if (kept := kept or self.kept) is None:
            return []
        try:
            with closing(sqlite3.connect(f"{kept.as_uri()}?mode=ro", uri=True)) as database:
                if database.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                    return []
                return database.execute(f"SELECT {what}", (self.files,)).fetchall()
        except sqlite3.Error:
            # Not there, not to be read, or damaged: all is read.
            return []

    def knows(self, entry: Entry, state: bytes | None) -> bool:
        """Whether a run need not be verified again: it was verified before, and its files have the same state."""
        return self.believed and state is not None and self.known.get(entry.sha256, (None,))[0] == state

    def touched(self, entry: Entry, state: bytes | None) -> bool:
        """Whether a run was verified before, and its files have another state by now."""
        return entry.sha256 in self.known and not self.knows(entry, state)

    def skip(self, entry: Entry) -> int:
        """Count a run that need not be verified again. 1 if its signature was verified, else 0."""
        _, signed, at = self.known[entry.sha256]
        self.unchanged += 1
        self.since = min(self.since or at, at)
        return signed

    def verified(self, entry: Entry, state: bytes | None, *, signed: bool, read: bool) -> None:
        """A run that is as it was left; its state was taken before that was looked at."""
        if state is not None:
            self.fresh.append((entry.sha256, state, signed, self.now, read))


@contextmanager
def seen_before(
    archive: Path,
    key_ids: Sequence[str],
    *,
    believed: bool,
    files: bool,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Seen]:
    """What was verified of this archive before; at the end what was read now is kept with it.

    Args:
        archive: Its root.
        key_ids: Whose signatures were verified: the same archive is known apart for each.
        believed: Whether what is unchanged need not be verified again.
        files: Whether that counts alone of which every file was read.
        environment: Says where it is kept.

    Where nothing can be kept, nothing is known, and all is verified.
    """
    path = own_file("verified", archive, *key_ids, environment=environment)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for_all = own_file("verified", archive, environment=environment)
    seen = Seen(path, believed, files, now, for_all)
    yield seen
    if path and (seen.fresh or seen.whole):
        # What was found does not depend on it.
        with suppress(OSError, sqlite3.Error):
            _keep(path, seen.fresh, seen.whole)
            if for_all and for_all != path and seen.whole:
                _keep(for_all, (), replace(seen.whole, signed=0))


def _keep(path: Path, fresh: Sequence[tuple[str, bytes, bool, str, bool]], whole: Whole | None) -> None:
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
        database.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)", fresh)
        if whole:
            # What was read counts for both kinds of check, what was only looked at for one.
            database.execute("DELETE FROM whole WHERE read <= ?", (whole.read,))
            database.execute("INSERT INTO whole VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(whole))
