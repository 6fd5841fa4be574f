"""Check an archive: from the first run to the last, or what was touched since this user found it whole."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from oairunbook.record.archive.chain import CHAIN, UNFINISHED, ArchiveError, Entry, pending, read_bytes, sha256
from oairunbook.record.archive.folders import Folders, look_through
from oairunbook.record.archive.held import InFolders
from oairunbook.record.archive.mirror import url_of
from oairunbook.record.archive.put import is_waiting
from oairunbook.record.archive.seen import Whole, seen_before
from oairunbook.record.archive.signing import PublicKey
from oairunbook.record.archive.untouched import names_in, packed, untouched
from oairunbook.record.archive.walk import Problem, Walk
from oairunbook.records import dataclass

_UNSETTLED_NS = 3 * 10**9
"""File systems keep times by a tick; the coarsest (FAT, some NFS) tick every two seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What one pass over an archive found."""

    problems: tuple[Problem, ...]
    runs: int
    """Runs of the chain that are there, tombstones included."""

    pruned: int
    """Runs that a tombstone says were removed."""

    unfinished: tuple[str, ...]
    """Folders of killed or running runs. They are no part of the chain, and never count as whole."""

    signed: int
    """Runs whose signature one of the given public keys has verified; 0 without a key."""

    newest: str | None
    """SHA-256 of the last line of the chain. Whoever keeps it elsewhere notices when the newest runs are cut off."""

    still_there: tuple[str, ...] = ()
    """Runs that a record of a prune says were removed, and that are there: it was cut off, or its record lies. They count as runs."""

    unentered: tuple[str, ...] = ()
    """Those unfinished folders whose manifest names files, as that of a finished run does, and that no line of the chain names: a crash or a full disk
    kept the run from being entered, or somebody made it up. They count for nothing."""

    strange: tuple[str, ...] = ()
    """What lies in the archive and is no part of one. It counts for nothing."""

    another_since: str | None = None
    """When this user found another chain whole in this place: runs were cut off since, or it was made anew. Only a check that believes nothing of
    what was verified before passes then, and it takes the chain as it is."""

    unchanged: int = 0
    """Runs that were not read again: this user has verified them before, and their files have the same state since."""

    unchanged_since: str | None = None
    """When those were read, at the earliest."""

    @property
    def intact(self) -> bool:
        """Whether all is as it was left."""
        return not self.problems


def verify(archive: Path) -> tuple[Problem, ...]:
    """The problems that `check` finds; none means that all is as it was left."""
    return check(archive).problems


def check(
    archive: Path,
    public_keys: Sequence[PublicKey] = (),
    *,
    files: bool = True,
    knows: str = "",
    quick: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Checked:
    """Check the whole archive; nothing of it is changed.

    Args:
        archive: Root of the archive.
        public_keys: Whose signatures count. With a key, every run from the first signed one on must be signed.
        files: Whether to hash every file of every run. Without, that is done for the newest run, and for those that were touched since this user
            verified them; of the others it is looked whether the files that the manifest names are there.
        knows: SHA-256 of a line that the chain must still hold; empty for none.
        quick: Leave out reading the runs that this user has verified before, and whose files have the same state since (see `seen`, `held`).
            Chain, names and places of all runs are checked all the same.
        progress: Told now and then how far it is.

    Of an archive on object storage the bucket is checked, and not its mirror: all of it is fetched anew.

    Raises:
        OSError: The archive cannot be read.
        oairunbook.record.archive.ArchiveError: Its bucket does not exist.
    """
    url = url_of(archive)
    key_ids = sorted(key.key_id for key in public_keys)
    with seen_before(archive, key_ids, believed=quick, files=files) as seen:
        if url:
            from oairunbook.record.archive.verify_objects import check_objects

            return check_objects(archive, public_keys, files=files, knows=knows, seen=seen, progress=progress)
        held = InFolders(str(archive), time.time_ns() - _UNSETTLED_NS)
        walk = functools.partial(Walk, archive, public_keys, files, held, seen, progress=progress)
        return (None if knows else _as_before(walk(), held)) or _from_the_first(walk(), held, knows)


def _from_the_first(walk: Walk, held: InFolders, knows: str) -> Checked:
    """All runs; what is found whole is kept as one, for `_as_before`."""
    held.settle()
    archived = InFolders(str(walk.archive), time.time_ns() - _UNSETTLED_NS)
    before = archived.state_of_chain()
    checked = walk_through(walk, knows=knows)
    last = walk.before
    befores = walk.seen.chains_before() if checked.intact else ()
    if whole := next((one for one in befores if not _still_begins_with(walk.archive, one)), None):
        if walk.seen.believed:
            again = (
                f"is not the one that you found whole at {whole.since}: runs were cut off, or it was made anew; "
                "oairunbook archive verify without --quick takes it as it is"
            )
            return replace(checked, problems=(Problem(path=CHAIN, what=again),))
        checked = replace(checked, another_since=whole.since)
    if checked.intact and last and checked.runs + checked.pruned == last.sequence:
        # One that is too large to be held is read from its first run each time.
        with suppress(ArchiveError):
            chain = read_bytes(walk.archive)
            # The lines that are hashed here must be those that were looked at.
            same = before is not None and archived.state_of_chain() == before and names_in(chain) == list(walk.numbers)
            # Where a run is still there that should not be, that is to be told each time.
            if same and walk.states.without == checked.pruned and not checked.still_there:
                walk.seen.whole = _whole(walk, held, chain, checked)
    return checked


def _still_begins_with(archive: Path, whole: Whole) -> bool:
    """Whether the chain still holds what was verified of it; runs may have been entered since."""
    try:
        return sha256(read_bytes(archive)[: whole.chain_bytes]) == whole.chain_sha256
    except (FileNotFoundError, ArchiveError):
        return False


def _as_before(walk: Walk, held: InFolders) -> Checked | None:
    """An archive that was whole before, of which nothing was touched since; None if that cannot be said by its two hashes."""
    whole = walk.seen.whole_before()
    if whole is None or not walk.seen.believed:
        return None
    folders = look_through(walk.archive)
    same = untouched(walk.archive, held, whole)
    if same is None:
        return None
    walk.before, walk.states, walk.there, walk.signed = same.last, same.states, whole.runs, whole.signed
    if same.new:
        held.settle()
    walk.runs(same.new, folders.finished)
    if not all(_still_begins_with(walk.archive, one) for one in walk.seen.chains_before() if one != whole):
        return None
    if walk.problems or walk.elsewhere or len(folders.finished) != walk.there or not folders.finished <= same.names:
        return None
    if folders.links or folders.closed:
        return None
    checked = Checked(
        problems=(),
        runs=walk.there,
        pruned=whole.pruned,
        unfinished=tuple(folders.unfinished),
        unentered=_unentered(walk.archive, folders, walk.before),
        strange=tuple(folders.strange),
        signed=walk.signed,
        newest=walk.before.sha256,
        unchanged=whole.runs + walk.seen.unchanged,
        unchanged_since=min(whole.since, walk.seen.since or whole.since),
    )
    if same.new and walk.states.without == whole.pruned:
        walk.seen.whole = _whole(walk, held, same.chain, checked)
    return checked


def _unentered(archive: Path, folders: Folders, last: Entry | None) -> tuple[str, ...]:
    """See `Checked`. The newest run of the chain may not have got its name yet."""
    waits = last.run + UNFINISHED if last and pending(archive, last) else ""
    return tuple(name for name in folders.unfinished if name != waits and is_waiting(archive / name))


def _whole(walk: Walk, held: InFolders, chain: bytes, checked: Checked) -> Whole:
    assert walk.before is not None
    chain = chain[: walk.before.end]
    return Whole(
        chain_bytes=walk.before.end,
        chain_sha256=sha256(chain),
        states=walk.states.digest(),
        files=packed([held.met.get(run, ()) for run in names_in(chain)]),
        runs=checked.runs,
        pruned=checked.pruned,
        signed=checked.signed,
        since=checked.unchanged_since or walk.seen.now,
        read=walk.files,
    )


def walk_through(walk: Walk, *, knows: str = "") -> Checked:
    """The check of what a walk sees; see `check`."""
    # Folders first: a run that is entered meanwhile is then in the chain, and not in this list.
    folders = look_through(walk.archive)
    entries = walk.chain()
    walk.tombstones(entries)
    walk.runs(entries, folders.finished)
    walk.order(entries)
    walk.rest(folders, entries)
    if knows and knows not in {entry.sha256 for entry in entries}:
        walk.tell(CHAIN, f"no longer holds the line {knows[:16]}…: runs were cut off, or the chain was made anew")
    return Checked(
        problems=tuple(dict.fromkeys(walk.problems)),
        runs=walk.there,
        pruned=walk.pruned,
        unfinished=tuple(folders.unfinished),
        unentered=_unentered(walk.archive, folders, entries[-1] if entries else None),
        strange=tuple(folders.strange),
        signed=walk.signed,
        newest=entries[-1].sha256 if entries else None,
        still_there=tuple(walk.still_there),
        unchanged=walk.seen.unchanged,
        unchanged_since=walk.seen.since,
    )
