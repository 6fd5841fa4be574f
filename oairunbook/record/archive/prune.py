"""Remove old runs, and leave a record in the chain that says which."""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from oairunbook.record.archive.chain import UNFINISHED, ArchiveError, Entry, read_chain
from oairunbook.record.archive.draft import begin
from oairunbook.record.archive.index import Row, Wanted, open_index
from oairunbook.record.archive.mirror import address, url_of
from oairunbook.record.archive.signing import Signer
from oairunbook.record.archive.tombstone import REMOVED, Removed, read_tombstone, to_text

_WASTE = ".removed-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, or would be."""

    before: datetime
    removed: tuple[Removed, ...]
    tombstone: Path | None
    """The record of it; None if nothing was removed."""


def prune(
    archive: Path,
    *,
    keep: timedelta | None = None,
    before: datetime | None = None,
    signer: Signer | None = None,
    only_look: bool = False,
    now: datetime | None = None,
) -> Pruned:
    """Remove the runs that began before a time, killed ones too. Records of earlier prunes stay.

    Args:
        archive: Root of the archive.
        keep: Runs that began within this time stay.
        before: Instead of *keep*: runs that began at this time or later stay.
        signer: Signs the record of the removal.
        only_look: Remove nothing.
        now: Aware time; now if None.

    Raises:
        ArchiveError: There is no archive, or by this machine's clock every run in it is too old. Nothing was removed.
        oairunbook.record.archive.put.WaitingError: The record could not be put on object storage. Nothing was removed there.
        OSError: The archive cannot be written.
    """
    now = now or datetime.now(UTC)
    if before is None:
        assert keep is not None
        before = now - keep
    with open_index(archive) as index:
        old = [row for row in index.runs(Wanted(until=before)) if row.kind != "prune"]
        # A manifest without a time is no manifest of ours.
        killed = [r for r in index.unfinished() if r.state == "killed" and r.started_at and _is_before(r, before)]
        if keep is not None and old and len(old) == index.count():
            raise ArchiveError(
                f"By this machine's clock, {now:%Y-%m-%d %H:%M} UTC, every run of {address(archive)} is older than what is to be kept; the newest "
                f"began at {old[-1].started_at}. Nothing was removed. Next: look at the clock, or say which with --before."
            )
        manifests = {e.run: e.manifest_sha256 for e in read_chain(archive) if isinstance(e, Entry)}
    removed = tuple(
        Removed(
            run=row.run,
            manifest_sha256=manifests.get(row.run),
            started_at=row.started_at,
            host=row.host,
            owner=row.owner,
            cause=row.cause,
            state=row.state,
        )
        for row in (*old, *killed)
    )
    if only_look:
        return Pruned(before=before, removed=removed, tombstone=None)
    _finish_earlier(archive)
    if not removed:
        return Pruned(before=before, removed=(), tombstone=None)
    host = socket.gethostname()
    draft = begin(archive, host=host, kind="prune", signer=signer, now=now)
    draft.write(REMOVED, to_text(removed))
    about = {"host": host, "before": before.astimezone(UTC).isoformat(timespec="seconds"), "removed": len(removed)}
    # First it is said, then it is done: whatever ends this in between, nothing is gone that no record names.
    tombstone = draft.finish("whole", about)
    _remove(archive, removed)
    return Pruned(before=before, removed=removed, tombstone=tombstone)


def _finish_earlier(archive: Path) -> None:
    """What an earlier prune said and did not get done."""
    said = [read_tombstone(archive, entry) for entry in read_chain(archive) if isinstance(entry, Entry)]
    # On object storage others have said it too, and a run that is still being written here is nobody's but this machine's.
    elsewhere = url_of(archive) is not None
    _remove(
        archive, tuple(one for removed in said for one in removed if not (elsewhere and one.run.endswith(UNFINISHED)))
    )
    for waste in archive.glob(f"{_WASTE}*"):
        shutil.rmtree(waste, ignore_errors=True)


def _remove(archive: Path, removed: tuple[Removed, ...]) -> None:
    if url_of(archive):
        from oairunbook.record.archive.objects import remove_runs

        remove_runs(archive, {one.run for one in removed})
    for one in removed:
        folder = archive / one.run
        waste = archive / f"{_WASTE}{folder.name}"
        try:
            # In one step: a reader sees the whole run or none.
            folder.rename(waste)
        except FileNotFoundError:
            continue
        if waste.is_symlink():
            # A run is a folder; what a link leads to is not the archive's.
            waste.unlink()
        else:
            shutil.rmtree(waste)
        for empty in folder.parents[:3]:
            try:
                empty.rmdir()
            except OSError:
                break


def _is_before(row: Row, before: datetime) -> bool:
    try:
        return datetime.fromisoformat(row.started_at) < before
    except (ValueError, TypeError):
        return False
