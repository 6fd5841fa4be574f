"""What `archive prune` leaves: a record of its own in the chain that names what was removed, so that the chain still verifies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from oairunbook.record.archive.chain import MANIFEST, Entry, is_run_name, read_small, sha256
from oairunbook.record.files import read_kept
from oairunbook.records import dataclass

REMOVED = "removed.json"
REMOVED_SCHEMA = "oairunbook.removed/1"
_MARK = "-prune"
_MOST_BYTES = 1 << 30
"""Of a prune: some 200 bytes for each run that it removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """One run that was removed."""

    run: str
    manifest_sha256: str | None
    """None for an unfinished run, which no chain knew."""

    started_at: str
    host: str
    owner: str | None
    cause: str | None
    state: str


def is_tombstone(run: str) -> bool:
    """Whether the name says so; the manifest decides."""
    return run.endswith(_MARK)


def to_text(removed: Sequence[Removed]) -> str:
    """`removed.json`, one run a line."""
    lines = ",\n".join(json.dumps(asdict(one), ensure_ascii=False) for one in removed)
    return f'{{"schema": "{REMOVED_SCHEMA}", "runs": [\n{lines}\n]}}\n'


def read_tombstone(archive: Path, entry: Entry) -> tuple[Removed, ...]:
    """What this record says was removed; nothing if it is none, or is not as the chain knows it.

    What it names is removed again if it is still there, so a name that leads out of the archive makes it no tombstone.
    """
    if not is_tombstone(entry.run):
        return ()
    try:
        manifest = read_small(f"{archive}/{entry.run}/{MANIFEST}")
        removed = read_kept(archive / entry.run / REMOVED, _MOST_BYTES)
        document = json.loads(manifest)
        if sha256(manifest) != entry.manifest_sha256 or document["files"][REMOVED] != sha256(removed):
            return ()
        runs = tuple(Removed(**one) for one in json.loads(removed)["runs"])
        return runs if all(is_run_name(one.run) for one in runs) else ()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
