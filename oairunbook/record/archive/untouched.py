"""The quick check of an archive that this user has found whole before: two hashes say whether anything of it was touched since.

What they do not vouch for, the whole check of `verify` looks at: here nothing is told but that all is as it was left.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from oairunbook.record.archive.chain import ArchiveError, Entry, entries_in, parse, read_bytes, sha256
from oairunbook.record.archive.held import InFolders
from oairunbook.record.archive.seen import Whole
from oairunbook.record.archive.tombstone import is_tombstone
from oairunbook.records import dataclass

_RUN = re.compile(rb'"run": "([^"\\]*)", ')


class States:
    """One hash of the states of many runs, and how many have none."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=32)
        self.without = 0

    def add(self, *states: bytes | None) -> None:
        """The next runs in the order of the chain."""
        self.without += states.count(None)
        self._hash.update(b"".join(b"no state" if state is None else state for state in states))

    def digest(self) -> bytes:
        """Of all that were added so far."""
        return self._hash.digest()


def names_in(chain: bytes) -> list[str]:
    """The runs that these lines name. For lines as this tool writes them; of 100,000 of them parsing takes twenty times as long."""
    return [name.decode() for name in _RUN.findall(chain)]


def packed(files: Sequence[tuple[str, ...]]) -> bytes:
    """The names of the files of many runs, most of which have the same ones."""
    places: dict[tuple[str, ...], int] = {}
    runs = [places.setdefault(names, len(places)) for names in files]
    return zlib.compress(json.dumps({"files": list(places), "runs": runs}).encode("ascii"), 1)


def _unpacked(data: bytes) -> list[tuple[str, ...]]:
    """See `packed`; nothing of what is damaged."""
    try:
        known = json.loads(zlib.decompress(data))
        files = [tuple(names) for names in known["files"]]
        return [files[place] for place in known["runs"]]
    except (ValueError, LookupError, TypeError, zlib.error):
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Untouched:
    """An archive whose runs are, up to one of the last, as they were when it was found whole."""

    chain: bytes
    """As it was read, with the lines since then."""

    states: States
    names: frozenset[str]
    """Of its runs, removed and new ones too."""

    last: Entry
    """The last of them."""

    new: tuple[Entry, ...]
    """The runs that were entered since."""


def untouched(archive: Path, held: InFolders, whole: Whole) -> Untouched | None:
    """What was verified before and is the same now; None if anything of it is not, or if a line since then says more than that a run was entered.

    Raises:
        OSError: The chain cannot be read.
    """
    try:
        chain = read_bytes(archive)
    except (FileNotFoundError, ArchiveError):
        return None
    before = chain[: whole.chain_bytes]
    if sha256(before) != whole.chain_sha256:
        return None
    names, files, states = names_in(before), _unpacked(whole.files), States()
    if len(files) != len(names):
        return None
    known = set(names)
    states.add(*held.states(names, files))
    last = parse(before[:-1].rpartition(b"\n")[2], whole.chain_bytes)
    if last is None or states.digest() != whole.states or len(known) != whole.runs + whole.pruned:
        return None
    new: list[Entry] = []
    for entry in entries_in(io.BytesIO(chain[whole.chain_bytes :]), whole.chain_bytes):
        if isinstance(entry, str) or not entry.follows(new[-1] if new else last) or is_tombstone(entry.run):
            return None
        if entry.run in known:
            return None
        known.add(entry.run)
        new.append(entry)
    return Untouched(chain=chain, states=states, names=frozenset(known), last=last, new=tuple(new))
