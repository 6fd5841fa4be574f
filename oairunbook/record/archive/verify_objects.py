"""Check an archive on object storage: a copy of its chain is fetched anew and checked like a folder's; the files of many runs are fetched at once."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from oairunbook.record.archive.bucket import Bucket, Listed
from oairunbook.record.archive.chain import (
    CHAIN,
    MANIFEST,
    UNFINISHED,
    ArchiveError,
    Entry,
    newest,
    parse,
    read_chain,
    sha256,
)
from oairunbook.record.archive.draft import hash_file
from oairunbook.record.archive.folders import run_folders
from oairunbook.record.archive.held import Hash
from oairunbook.record.archive.objects import Told, bucket_of, copy_chain, file_name, is_known, place, run_of
from oairunbook.record.archive.seen import Seen
from oairunbook.record.archive.signing import SIGNATURE, PublicKey
from oairunbook.record.archive.verify import Checked, walk_through
from oairunbook.record.archive.walk import Problem, Walk

_AT_ONCE = 200
_AT_ONCE_BYTES = 16 << 20
"""So many files, and so much of them, are fetched at once."""

_LARGEST_AT_ONCE_BYTES = 4 << 20
"""A larger one goes over the disk, by itself: whoever writes the bucket decides how large."""


def check_objects(
    mirror: Path,
    public_keys: Sequence[PublicKey],
    *,
    files: bool,
    knows: str,
    seen: Seen,
    progress: Callable[[str], None] | None,
) -> Checked:
    """See `oairunbook.record.archive.verify.check`. Of the mirror itself nothing is believed but what was verified before and is told as it was.

    Files of a run that no object of the chain names count for nothing, as those of a killed run in a folder: somebody is putting them,
    or was killed meanwhile. With *files* false no file but the objects of the chain is looked at.
    """
    with bucket_of(mirror) as bucket, tempfile.TemporaryDirectory(prefix="oairunbook-verify-") as folder:
        copy = Path(folder)
        # Before the chain: a run that is entered meanwhile is in the chain by then.
        held = InBucket(copy, bucket)
        at_hand = _AtHand(mirror, held, seen)
        copy_chain(copy, bucket, verbatim=True, at_hand=at_hand)
        known = [entry for entry in read_chain(copy) if isinstance(entry, Entry)]
        held.lines = {
            one.run: at_hand.listed[place(one.sequence)] for one in known if place(one.sequence) in at_hand.listed
        }
        held.ahead = dict.fromkeys(one.run for one in known if not seen.knows(one, held.state(one.run)))
        checked = walk_through(Walk(copy, public_keys, files, held, seen, progress=progress), knows=knows)
        lost = held.listed.keys() - {entry.run for entry in known}
        pruned = _pruned_since(copy, bucket) if checked.problems else set()
        problems = [one for one in checked.problems if "/".join(one.path.split("/")[:4]) not in pruned]
        problems += [
            Problem(path=key, what="was inserted: it is no part of an archive") for key in sorted(held.strange)
        ]
        return replace(
            checked,
            problems=tuple(problems),
            runs=checked.runs - len(pruned),
            pruned=checked.pruned + len(pruned),
            unfinished=tuple(sorted(lost | {name for name in run_folders(mirror) if name.endswith(UNFINISHED)})),
        )


class _AtHand:
    """What the objects of the chain hold whose runs need not be verified again: it lies in the mirror.

    The mirror's word alone counts for nothing: its line, manifest and signature are those that were verified before, by their hashes, and the
    bucket tells the object that they came from, and each file, as it was then.
    """

    def __init__(self, mirror: Path, held: InBucket, seen: Seen) -> None:
        self._mirror, self._held, self._seen = mirror, held, seen
        self.listed: dict[str, Listed] = {}
        """By key: each object that was asked for."""

        self._lines: dict[str, tuple[Entry, bytes]] = {}
        chain = mirror / CHAIN
        for line in chain.read_bytes().splitlines() if seen.believed and chain.exists() else ():
            if entry := parse(line, 0):
                self._lines[place(entry.sequence)] = (entry, line)

    def __call__(self, item: Listed) -> Told | None:
        self.listed[item.key] = item
        if item.key not in self._lines:
            return None
        entry, line = self._lines[item.key]
        folder = self._mirror / entry.run
        try:
            if not self._seen.knows(entry, self._held.state_in(self._mirror, entry.run, item)):
                return None
            manifest, signature = (folder / MANIFEST).read_bytes(), folder / SIGNATURE
            told = Told(line, manifest, signature.read_bytes() if signature.exists() else None)
        except OSError:
            return None
        # Another process may have begun to write it anew meanwhile.
        return told if sha256(manifest) == entry.manifest_sha256 else None


class InBucket:
    """The files of the runs of a bucket; those of runs that will be asked for next are fetched with the one that is asked for."""

    def __init__(self, copy: Path, bucket: Bucket) -> None:
        self._copy, self._bucket = copy, bucket
        self.listed: dict[str, list[Listed]] = {}
        """By run."""

        self.lines: dict[str, Listed] = {}
        """By run: the object that holds its line, as it was listed before it was fetched."""

        self.strange: set[str] = set()
        """Keys that no archive has."""

        self.ahead: dict[str, None] = {}
        """Runs that will be asked for, in this order."""

        self._hashes: dict[str, dict[str, Hash]] = {}
        for item in bucket.listed():
            if run := run_of(item.key):
                self.listed.setdefault(run, []).append(item)
            elif not is_known(item.key):
                self.strange.add(item.key)

    def state(self, run: str) -> bytes | None:
        """Manifest and signature, which were fetched, and what the listing says of each file and of the line's object."""
        return self.state_in(self._copy, run, self.lines.get(run))

    def state_in(self, folder: Path, run: str, line: Listed | None) -> bytes | None:
        """As `state`, of a manifest and a signature that lie in this folder's run."""
        if run not in self.listed:
            return None
        digest = hashlib.blake2b(digest_size=16)
        for name in (MANIFEST, SIGNATURE):
            path = folder / run / name
            digest.update(f"{hash_file(path) if path.exists() else None}\n".encode())
        for item in (*self.listed[run], *((line,) if line else ())):
            digest.update(f"{item.key}\0{item.size}\0{item.version}\n".encode("utf-8", "surrogateescape"))
        return digest.digest()

    def hashes(self, run: str) -> dict[str, Hash]:
        """All files are fetched."""
        if run not in self._hashes:
            self._fetch(run)
        return self._hashes.pop(run)

    def kinds(self, run: str) -> dict[str, Literal[True] | None]:
        """The listing names them; whatever is there is a file."""
        items = self.listed.get(run) or self._bucket.listed(f"{run}/")
        return {name: True for item in items if (name := file_name(item.key, run))}

    def _fetch(self, run: str) -> None:
        # Of a run that was entered after the listing, the listing knows nothing: it is listed by itself, when it is asked for.
        files = list(self.listed.get(run) or self._bucket.listed(f"{run}/"))
        size = sum(one.size for one in files)
        self._hashes = {run: {}}
        while run in self.ahead:
            self.ahead.pop(next(iter(self.ahead)))
        for later in self.ahead:
            if later not in self.listed:
                continue
            more = self.listed[later]
            size += sum(one.size for one in more)
            if len(files) + len(more) > _AT_ONCE or size > _AT_ONCE_BYTES:
                break
            files += more
            self._hashes[later] = {}
        small = [one for one in files if one.size <= _LARGEST_AT_ONCE_BYTES]
        for item, body in zip(small, self._bucket.get_many([one.key for one in small]) if small else (), strict=True):
            if body is not None:
                self._note(item.key, sha256(body))
        for item in files:
            if item.size > _LARGEST_AT_ONCE_BYTES:
                with tempfile.TemporaryDirectory(prefix="large-", dir=self._copy) as folder:
                    self._bucket.download([item.key], Path(folder))
                    for path in Path(folder).iterdir():
                        self._note(item.key, hash_file(path))

    def _note(self, key: str, digest: str) -> None:
        if (run := run_of(key)) in self._hashes:
            self._hashes[run][file_name(key, run)] = digest


def _pruned_since(copy: Path, bucket: Bucket) -> set[str]:
    """Runs that somebody has pruned while this check was under way."""
    there = set(run_folders(copy))
    try:
        copy_chain(copy, bucket, newest(copy))
    except ArchiveError:
        # Its last line is none; that is told.
        return set()
    return there - set(run_folders(copy))
