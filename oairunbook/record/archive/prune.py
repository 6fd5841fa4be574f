"""Remove old runs, and leave a record in the chain that says which."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from stat import S_ISDIR
from statistics import median_low

from oairunbook.record.archive.chain import MANIFEST, UNFINISHED, ArchiveError, Entry, read_chain, read_small, sha256
from oairunbook.record.archive.draft import begin, is_running
from oairunbook.record.archive.folders import behind_a_link, folder_of
from oairunbook.record.archive.index import demand_archive, unfinished
from oairunbook.record.archive.mirror import address, url_of
from oairunbook.record.archive.row import began_by_name, row_of
from oairunbook.record.archive.signing import Signer
from oairunbook.record.archive.tombstone import REMOVED, Removed, is_tombstone, read_tombstone, to_text
from oairunbook.records import dataclass

_WASTE = ".removed-"
_LONG_PAUSE = timedelta(days=365)
"""Between two runs: a shorter one may be a pause of whoever runs this by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, or would be."""

    before: datetime
    removed: tuple[Removed, ...]
    left: tuple[str, ...]
    """Runs in its time that are not as the chain knows them: somebody should look at them first."""

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
    demand_archive(archive)
    entries = [entry for entry in read_chain(archive) if isinstance(entry, Entry)]
    old, left = _old(archive, entries, before)
    if keep is not None and old:
        _demand_sound_clock(archive, [began for entry in entries if (began := _began(entry))], before, now)
    known = {entry.run for entry in entries}
    # A manifest without a time is no manifest of ours; and what the chain names was never killed, whoever has given it that name.
    killed = tuple(
        Removed(
            run=row.run,
            manifest_sha256=None,
            started_at=row.started_at,
            host=row.host,
            owner=None,
            cause=None,
            state=row.state,
        )
        for row in unfinished(archive)
        if row.state == "killed"
        and _is_before(row.started_at, before)
        and row.run.removesuffix(UNFINISHED) not in known
    )
    removed = (*old, *killed)
    if only_look:
        return Pruned(before=before, removed=removed, left=left, tombstone=None)
    _finish_earlier(archive, entries)
    if not removed:
        return Pruned(before=before, removed=(), left=left, tombstone=None)
    host = socket.gethostname()
    about = {"host": host, "before": before.astimezone(UTC).isoformat(timespec="seconds"), "removed": len(removed)}
    # First it is said, then it is done: whatever ends this in between, nothing is gone that no record names.
    try:
        draft = begin(archive, host=host, kind="prune", signer=signer, now=now)
        draft.write(REMOVED, to_text(removed))
        tombstone = draft.finish("whole", about)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        what = "the record of what goes has to be written first, and nothing was removed"
        room = "make room for it; what is called .partial counts for nothing and may go by hand"
        raise OSError(error.errno, f"{error.strerror}: {what}. Next: {room}", str(archive)) from error
    _remove(archive, removed)
    return Pruned(before=before, removed=removed, left=left, tombstone=tombstone)


def _old(archive: Path, entries: Sequence[Entry], before: datetime) -> tuple[tuple[Removed, ...], tuple[str, ...]]:
    """The runs that began before a time, by the chain and by manifests that are as it knows them; and those that are not, which stay.

    The index has no say in it: whoever writes the archive can write that as well.
    """
    old, left = [], []
    for entry in entries:
        began = _began(entry)
        if is_tombstone(entry.run) or (began is not None and began >= before):
            continue
        try:
            manifest = read_small(f"{archive}/{entry.run}/{MANIFEST}")
        except (FileNotFoundError, NotADirectoryError):
            # Removed already, by a prune or by somebody; `archive verify` tells them apart.
            continue
        except OSError:
            manifest = b""
        if sha256(manifest) != entry.manifest_sha256 or behind_a_link(archive, entry.run):
            left.append(entry.run)
            continue
        row = row_of(entry.run, manifest)
        if _is_before(row.started_at, before):
            old.append(
                Removed(
                    run=entry.run,
                    manifest_sha256=entry.manifest_sha256,
                    started_at=row.started_at,
                    host=row.host,
                    owner=row.owner,
                    cause=row.cause,
                    state=row.state,
                )
            )
    return tuple(old), tuple(left)


def _began(entry: Entry) -> datetime | None:
    """When a run began, by its name; None of a record of a prune."""
    return None if is_tombstone(entry.run) else began_by_name(entry.run)


def _demand_sound_clock(archive: Path, runs: Sequence[datetime], before: datetime, now: datetime) -> None:
    """Refuse where this machine's clock may have jumped ahead.

    Then either nothing is young enough to stay, or only what was archived since the jump: what stays and what goes lie much further apart than
    runs usually do. What is usual the median says, so that one run by another wrong clock (1970, where a machine has none that runs on)
    does not make every jump a usual one. Runs that were pruned count as well, by their names.
    """
    old = sorted(began for began in runs if began < before)
    young = min((began for began in runs if began >= before), default=None)
    if not old:
        return
    gaps = [later - earlier for earlier, later in pairwise(old)]
    usual = median_low(gaps) if len(gaps) > 1 else timedelta(0)
    if young is None:
        why = f"every run of {address(archive)} is older than what is to be kept; the newest began at {old[-1]:%Y-%m-%d %H:%M}"
    elif young - old[-1] > max(_LONG_PAUSE, 2 * (now - before), 2 * usual):
        why = f"of {address(archive)} only runs since {young:%Y-%m-%d %H:%M} are to be kept, and the one before began at {old[-1]:%Y-%m-%d %H:%M}"
    else:
        return
    raise ArchiveError(
        f"By this machine's clock, {now:%Y-%m-%d %H:%M} UTC, {why}. Nothing was removed. "
        "Next: look at the clock, or say which with --before."
    )


def _finish_earlier(archive: Path, entries: Sequence[Entry]) -> None:
    """What an earlier prune said and did not get done. Of what a record of one names, only runs that were this archive's are removed."""
    for waste in archive.glob(f"{_WASTE}*"):
        shutil.rmtree(waste, ignore_errors=True)
    known = {entry.run: entry.manifest_sha256 for entry in entries}
    said = [one for entry in entries for one in read_tombstone(archive, entry)]
    finished = [one for one in said if one.manifest_sha256 and known.get(one.run) == one.manifest_sha256]
    # On object storage others have said it too, and a run that is still being written here is nobody's but this machine's.
    killed = [
        one
        for one in said
        if one.run.endswith(UNFINISHED)
        and one.run.removesuffix(UNFINISHED) not in known
        and not url_of(archive)
        and not is_running(archive / one.run)
    ]
    _remove(archive, (*finished, *killed))


def _remove(archive: Path, removed: Sequence[Removed]) -> None:
    if url_of(archive):
        from oairunbook.record.archive.objects import remove_runs

        remove_runs(archive, {one.run for one in removed})
    for one in removed:
        folder = archive / one.run
        with ExitStack() as opened:
            try:
                root, day = opened.enter_context(folder_of(archive, one.run))
            except (FileNotFoundError, NotADirectoryError):
                continue
            if not _take_away(folder.name, root, day):
                continue
        for empty in folder.parents[:3]:
            try:
                empty.rmdir()
            except OSError:
                break


def _take_away(name: str, root: int, day: int) -> bool:
    """Remove a run from the folder *day*; False if there is none.

    Raises:
        OSError: It is still there, or a part of it under another name; the next prune goes on from there.
    """
    waste = f"{_WASTE}{name}"
    for place in (root, day):
        # What an earlier prune did not get done, or what somebody has put in its place.
        _delete(waste, place)
    for place in (root, day):
        try:
            # In one step: a reader sees the whole run or none.
            os.rename(name, waste, src_dir_fd=day, dst_dir_fd=place)
        except FileNotFoundError:
            return False
        except OSError as error:
            # Old years may be kept on another disk, which is mounted in their place.
            if error.errno == errno.EXDEV and place == root:
                continue
            raise
        _delete(waste, place)
        break
    return True


def _delete(name: str, place: int) -> None:
    """Remove what has this name in a folder. What a link leads to is not the archive's."""
    try:
        if S_ISDIR(os.lstat(name, dir_fd=place).st_mode):
            shutil.rmtree(name, dir_fd=place)
        else:
            os.unlink(name, dir_fd=place)
    except FileNotFoundError:
        return


def _is_before(started_at: str, before: datetime) -> bool:
    try:
        return datetime.fromisoformat(started_at) < before
    except (ValueError, TypeError):
        return False
