"""One pass over an archive: every file against its manifest, every manifest against the chain, every signature."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from oairunbook.record.archive.bucket import BucketError
from oairunbook.record.archive.chain import CHAIN, MANIFEST, UNFINISHED, Entry, pending, read_chain, read_small, sha256
from oairunbook.record.archive.folders import Folders, behind_a_link
from oairunbook.record.archive.held import Hash, Held
from oairunbook.record.archive.seen import Seen
from oairunbook.record.archive.signing import SIGNATURE, PublicKey, lost
from oairunbook.record.archive.tombstone import Removed, is_tombstone, read_tombstone
from oairunbook.record.archive.untouched import States

_NOT_WRITTEN_BY_US = frozenset({errno.EFBIG, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EAGAIN})
"""What is too large, a folder, a link, a socket or a pipe, this tool has not written."""

_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EIO})
"""One run that is closed to whoever checks, or whose disk is damaged, hides nothing of the others."""

_TOLD_EVERY = 500
"""Of a slow disk these runs take a second or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in the archive that is not as it was left."""

    path: str
    """Inside the archive."""

    what: str


@dataclass(slots=True)
class Walk:
    """One pass over an archive, and what it has found so far."""

    archive: Path
    public_keys: Sequence[PublicKey]
    files: bool
    held: Held
    seen: Seen
    problems: list[Problem] = field(default_factory=list)
    removed: dict[str, Removed] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    elsewhere: dict[str, str | None] = field(default_factory=dict)
    """Runs whose manifest names another run before them than the chain does, and that name."""

    before: Entry | None = None
    broken: bool = False
    """Whether the chain itself was found changed: what follows from that is told once."""

    end: int = 0
    """Offset of what follows the lines that were read."""

    last: Entry | None = None
    """The last line that was read."""

    states: States = field(default_factory=States)
    repeats: set[int] = field(default_factory=set)
    """Where lines end that name a run which an earlier line names: nothing was archived with them."""

    still_there: list[str] = field(default_factory=list)
    """Runs that a record of a prune says were removed."""
    progress: Callable[[str], None] | None = None
    """Told now and then how far this is; None if nobody watches."""

    meanwhile: set[tuple[str, str | None]] | None = None
    there: int = 0
    pruned: int = 0
    signed: int = 0

    def tell(self, path: str, what: str) -> None:
        """One more problem."""
        self.problems.append(Problem(path=path, what=what))

    def chain(self) -> list[Entry]:
        """All lines; each is checked against the one before."""
        entries: list[Entry] = []
        first: dict[str, Entry] = {}
        for number, entry in enumerate(read_chain(self.archive), 1):
            if isinstance(entry, str):
                self._tell_chain(f"{entry} is no line of a chain")
                continue
            if not entry.follows(entries[-1] if entries else None):
                self._tell_chain(
                    f"line {number} does not follow the line before: lines were changed, removed or inserted"
                )
            if (earlier := first.setdefault(entry.run, entry)) is not entry:
                self.repeats.add(entry.end)
                self.tell(entry.run, repeated(entry, earlier))
            self.numbers[entry.run] = len(entries)
            self.end, self.last = entry.end, entry
            entries.append(entry)
        return entries

    def tombstones(self, entries: Sequence[Entry]) -> None:
        """What `archive prune` says that it removed. A tombstone that was changed says nothing."""
        known = {entry.run: entry.manifest_sha256 for entry in reversed(entries)}
        for entry in entries:
            if is_tombstone(entry.run):
                for removed in read_tombstone(self.archive, entry):
                    if removed.run.endswith(UNFINISHED) != (removed.manifest_sha256 is None) or (
                        removed.manifest_sha256 and known.get(removed.run) != removed.manifest_sha256
                    ):
                        self.tell(
                            entry.run, f"says that {removed.run} was removed, and no line of the chain is of that run"
                        )
                    self.removed[removed.run] = removed

    def runs(self, entries: Sequence[Entry], present: set[str]) -> None:
        """The runs of these lines, up to the newest one of the chain; *present* are those that had a folder before it was read."""
        for number, entry in enumerate(entries):
            if self.progress and number % _TOLD_EVERY == 0:
                self.progress(f"{number:,} of {len(entries):,} runs")
            self._run(entry, newest=entry is entries[-1], present=present)

    def _run(self, entry: Entry, *, newest: bool, present: set[str]) -> None:
        before, self.before = self.before, entry
        if entry.end in self.repeats:
            # Its run was looked at in the place where it was archived.
            return
        # Before anything is read: what is changed meanwhile has another state the next time.
        state = self.held.state(entry.run)
        self.states.add(state)
        if entry.run in present and self.seen.knows(entry, state):
            self.there += 1
            self.signed += self.seen.skip(entry)
            return
        # The newest run is read in any case: nothing that came after it vouches for it.
        read = self.files or newest or self.seen.touched(entry, state)
        found, signatures = len(self.problems), self.signed
        # The newest run may not have got its name yet: for a crash, or at this moment, and then it has it by the third look.
        for folder in (entry.run, entry.run + UNFINISHED, entry.run) if newest else (entry.run,):
            there = folder == entry.run or pending(self.archive, entry)
            if there and self._look(entry, before, folder, read=read):
                break
        else:
            self._missing(entry)
        if entry.run not in present and behind_a_link(self.archive, entry.run):
            self.tell(entry.run, "lies behind a link, and in no folder of the archive")
        if len(self.problems) == found and entry.run not in self.elsewhere:
            self.seen.verified(entry, state, signed=self.signed > signatures, read=read)

    def _look(self, entry: Entry, before: Entry | None, folder: str, *, read: bool) -> bool:
        """Look at a run, in the folder that has its name or will get it. False if there is none."""
        try:
            manifest = read_small(f"{self.archive}/{folder}/{MANIFEST}")
            present: Mapping[str, Hash | bool] = self.held.hashes(folder) if read else self.held.kinds(folder)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            if error.errno in _CLOSED and not isinstance(error, BucketError):
                self.there += folder == entry.run
                self.tell(folder, cannot_be_read(error))
                return True
            if error.errno not in _NOT_WRITTEN_BY_US:
                raise
            manifest, present = b"", {}
        self.there += folder == entry.run
        path = f"{folder}/{MANIFEST}"
        same = sha256(manifest) == entry.manifest_sha256
        if not same:
            self.tell(path, "was changed since the run was archived")
        document = _document(manifest)
        if document is None:
            self.tell(path, "is no manifest that this version can read")
            return True
        if same:
            self._place(entry, before, document)
        if self.public_keys:
            self._signature(folder, manifest, document)
        elif without := lost(f"{self.archive}/{folder}", document):
            self.tell(folder, without)
        self.problems.extend(compare_files(folder, present, document["files"]))
        return True

    def rest(self, folders: Folders, entries: Sequence[Entry]) -> None:
        """Runs that are there and in no line, and what is no folder."""
        present = folders.finished
        for link in folders.links:
            self.tell(link, "is a link, and no folder of the archive")
        for name, error in folders.closed.items():
            self.tell(name, cannot_be_read(error))
        if present and not (self.archive / CHAIN).exists():
            self.tell(CHAIN, "is missing, so nothing says which runs there were, and in which order")
        self.still_there = sorted(self.removed.keys() & (present | set(folders.unfinished)))
        known = {entry.run for entry in entries}
        for name in sorted(present - known):
            inserted = "was inserted: no line of the chain names it"
            self.tell(
                name,
                inserted if os.path.lexists(f"{self.archive}/{name}/{MANIFEST}") else f"{inserted}; it has no manifest",
            )
        if self.public_keys and not self.signed and self.there:
            self.tell(CHAIN, "no run is signed by any of the given keys")

    def _missing(self, entry: Entry) -> None:
        removed = self.removed.get(entry.run)
        if os.path.lexists(f"{self.archive}/{entry.run}"):
            self.there += 1
            self.tell(entry.run, "has no manifest any more")
        elif removed and removed.manifest_sha256 == entry.manifest_sha256:
            self.pruned += 1
        elif not self._pruned_meanwhile(entry):
            self.tell(entry.run, "was removed, and no prune says so")

    def _pruned_meanwhile(self, entry: Entry) -> bool:
        """Whether a prune that was entered after the chain was read has removed it: by a line that follows the chain, and signed where keys are given.

        Its record may be gone again before anybody else looks at it, so it counts by nothing less.
        """
        if self.meanwhile is None:
            self.meanwhile = set()
            last = self.last
            for later in read_chain(self.archive, self.end):
                if isinstance(later, str) or not later.follows(last):
                    break
                last = later
                if not self.public_keys or self._is_signed(later):
                    told = read_tombstone(self.archive, later)
                    self.meanwhile |= {(removed.run, removed.manifest_sha256) for removed in told}
        pruned = (entry.run, entry.manifest_sha256) in self.meanwhile
        self.pruned += pruned
        return pruned

    def _is_signed(self, entry: Entry) -> bool:
        try:
            manifest, signature = (read_small(f"{self.archive}/{entry.run}/{file}") for file in (MANIFEST, SIGNATURE))
        except OSError:
            return False
        return sha256(manifest) == entry.manifest_sha256 and any(
            key.signed(manifest, signature) for key in self.public_keys
        )

    def _place(self, entry: Entry, before: Entry | None, document: dict[str, Any]) -> None:
        """What the run's own manifest, which is as the chain knows it, says of the run before it."""
        if document.get("run") != entry.run:
            self.tell(entry.run, f"is a copy of {document.get('run')!s:.200} under another name")
        previous = document.get("previous")
        named, line = (previous.get("run"), previous.get("line_sha256")) if isinstance(previous, dict) else (None, None)
        if named != (before.run if before else None):
            self.elsewhere[entry.run] = None if named is None else str(named)
        elif line != (before.sha256 if before else None) and not self.elsewhere:
            number = before.sequence if before else 0
            self._tell_chain(f"was made anew up to line {number}: {entry.run} knows that line with another hash")

    def order(self, entries: Sequence[Entry]) -> None:
        """Where a manifest and the chain disagree on the run before: the longest line of runs that follow each other is the true one."""
        if not self.elsewhere:
            return
        entries = [entry for entry in entries if entry.end not in self.repeats]
        before = {entry.run: earlier.run for earlier, entry in pairwise(entries)}
        follows: dict[str, str | None] = {}
        length: dict[str, int] = {}
        for entry in entries:
            named = self.elsewhere.get(entry.run, before.get(entry.run))
            follows[entry.run] = named if named is None or named in length else before.get(entry.run)
            length[entry.run] = length.get(follows[entry.run] or "", 0) + 1
        one: str | None = max(entries, key=lambda entry: (length[entry.run], entry.sequence)).run
        true: set[str] = set()
        while one is not None:
            true.add(one)
            one = follows[one]
        for entry in entries:
            removed = self.elsewhere.get(entry.run)
            if entry.run not in true:
                self.tell(entry.run, "was inserted, line and all: no run that was archived after it follows it")
            elif removed and removed not in self.numbers:
                self.tell(removed, f"was removed, and its line with it: {entry.run} follows it")

    def _signature(self, folder: str, manifest: bytes, document: dict[str, Any]) -> None:
        path = f"{folder}/{SIGNATURE}"
        try:
            signature = read_small(f"{self.archive}/{path}")
        except FileNotFoundError:
            if self.signed or document.get("signed_by"):
                self.tell(folder, "is not signed, and runs before it are" if self.signed else "has lost its signature")
            return
        except OSError as error:
            if error.errno in _CLOSED:
                self.tell(path, cannot_be_read(error))
                return
            if error.errno not in _NOT_WRITTEN_BY_US:
                raise
            signature = b""
        if any(key.signed(manifest, signature) for key in self.public_keys):
            self.signed += 1
        else:
            self.tell(path, "is no signature of this manifest by any of the given keys")

    def _tell_chain(self, what: str) -> None:
        if not self.broken:
            self.tell(CHAIN, what)
        self.broken = True


def repeated(again: Entry, first: Entry) -> str:
    """What is to be said of a run that two lines of the chain name."""
    return f"stands in the chain again, as number {again.sequence}: it was archived once, as number {first.sequence}"


def cannot_be_read(error: OSError) -> str:
    """What is to be said of a file that the system does not give."""
    return f"cannot be read: {error.strerror}"


def _document(manifest: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(manifest)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and isinstance(document.get("files"), dict) else None


def compare_files(run: str, present: Mapping[str, Hash | bool], files: dict[str, Any]) -> Iterator[Problem]:
    """Compare what is there of a run with its manifest.

    Args:
        run: Its path.
        present: The hash of each file, or True of one that was not read.
        files: The hashes of the manifest.
    """
    for file, expected in sorted(files.items()):
        if file not in present:
            yield Problem(path=f"{run}/{file}", what="is missing")
        elif isinstance(known := present[file], OSError):
            yield Problem(path=f"{run}/{file}", what=cannot_be_read(known))
        elif known is not True and (known is None or known != expected):
            yield Problem(path=f"{run}/{file}", what="was changed since it was archived")
    for file in sorted(present.keys() - files.keys()):
        yield Problem(path=f"{run}/{file}", what="was added since the run was archived")
