"""An archive's objects, and how its mirror follows them.

```
s3://bucket/prefix/chain/000000000042.json    one object a run: its line of the chain, its manifest and its signature
s3://bucket/prefix/2026/11/25/<run>/<file>    the other files of the run
s3://bucket/prefix/archive.json               the same in every archive; shows whether this storage creates an object only once
s3://bucket/prefix/.fingerprint-key           as in a folder's archive
```
A run's files are put first, then its object of the chain is created, and only if nobody has taken that place (`If-None-Match: *`). With
that one object the run is there, whole: before it, there are files that nobody counts on.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from oairunbook.record.archive.bucket import Bucket, Listed
from oairunbook.record.archive.chain import (
    CHAIN,
    MANIFEST,
    UNFINISHED,
    ArchiveError,
    Entry,
    is_run_name,
    newest,
    parse,
    sha256,
)
from oairunbook.record.archive.draft import hash_file
from oairunbook.record.archive.fingerprint import KEY_FILE
from oairunbook.record.archive.lock import locked
from oairunbook.record.archive.mirror import url_of
from oairunbook.record.archive.signing import SIGNATURE
from oairunbook.record.archive.tombstone import REMOVED, is_tombstone, read_tombstone
from oairunbook.record.files import PRIVATE_FILE, make_private

MARKER = "archive.json"

_PLACES = "chain/"
_PLACE = re.compile(r"chain/([0-9]{12})\.json")
_ENTRY_SCHEMA = "oairunbook.entry/1"
_LARGEST_ENTRY_BYTES = 16 << 20
_AT_ONCE = 500
_UNREADABLE = b"null"
"""Stands in a copy of the chain for an object that holds no line."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one object of the chain holds."""

    line: bytes
    manifest: bytes
    signature: bytes | None

    def to_json(self) -> bytes:
        """The object. The texts are kept as they are: their hashes and signatures must stay true."""
        document = {
            "schema": _ENTRY_SCHEMA,
            "line": self.line.decode("utf-8"),
            "manifest": self.manifest.decode("utf-8"),
            "signature": self.signature.hex() if self.signature else None,
        }
        return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def read_told(data: bytes | None) -> Told | None:
    """What an object of the chain holds; None if it is none."""
    try:
        document = json.loads(data or b"")
        signature = document["signature"]
        return Told(
            document["line"].encode("utf-8"),
            document["manifest"].encode("utf-8"),
            bytes.fromhex(signature) if signature is not None else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def place(sequence: int) -> str:
    """Key of the object that holds this line of the chain."""
    return f"{_PLACES}{sequence:012d}.json"


@contextmanager
def bucket_of(archive: Path) -> Iterator[Bucket]:
    """The bucket of this mirror."""
    url = url_of(archive)
    assert url, archive
    with Bucket(url) as bucket:
        yield bucket


def refresh(archive: Path) -> None:
    """Bring a mirror up to date. Only what the chain has got since is fetched, and no file of a run but its manifest.

    Raises:
        BucketError: The bucket cannot be read.
        ArchiveError: It does not exist.
        OSError: The mirror cannot be written.
    """
    with locked(archive), bucket_of(archive) as bucket:
        follow(archive, bucket)


def follow(archive: Path, bucket: Bucket) -> str:
    """Under the lock: `refresh`. Returns the key of the last object of the chain that is no line of it; empty if the last one is."""
    last = _known(archive, bucket)
    return copy_chain(archive, bucket, last)


def copy_chain(
    folder: Path,
    bucket: Bucket,
    last: Entry | None = None,
    *,
    verbatim: bool = False,
    at_hand: Callable[[Listed], Told | None] = lambda _: None,
) -> str:
    """Copy the lines behind *last*, with manifests and signatures, into a folder; what a tombstone names is removed from it.

    Args:
        folder: Holds the chain up to *last*.
        bucket: Where they are.
        last: Up to where they are known.
        verbatim: For verification: objects that hold no line, or another line than their name says, stand in the copy as well.
        at_hand: What an object holds, where that is known; all others are fetched. Asked once of each.
    """
    listed = bucket.listed(_PLACES, after=place(last.sequence) if last else "")
    unreadable = ""
    wanted = (item for item in listed if _PLACE.fullmatch(item.key))
    while batch := [(item.key, item.size, at_hand(item)) for item in islice(wanted, _AT_ONCE)]:
        keys = [key for key, size, told in batch if told is None and size <= _LARGEST_ENTRY_BYTES]
        bodies = dict(zip(keys, bucket.get_many(keys) if keys else (), strict=True))
        lines = []
        tombstones = []
        for key, _, kept in batch:
            told = kept or read_told(bodies.get(key))
            entry = parse(told.line, 0) if told and b"\n" not in told.line else None
            right = entry is not None and place(entry.sequence) == key
            unreadable = "" if right else key
            if told and entry and (right or verbatim):
                _write_manifest(folder / entry.run, told)
                lines.append(told.line)
                if is_tombstone(entry.run):
                    bring(bucket, entry.run, folder / entry.run, only=REMOVED)
                    tombstones.append(entry)
            elif verbatim:
                lines.append(_UNREADABLE)
        descriptor = os.open(folder / CHAIN, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        with os.fdopen(descriptor, "ab") as chain:
            chain.write(b"".join(line + b"\n" for line in lines))
        for entry in tombstones:
            for removed in read_tombstone(folder, entry):
                # Whoever writes the bucket has no say in what waits on this machine.
                if not removed.run.endswith(UNFINISHED):
                    shutil.rmtree(folder / removed.run, ignore_errors=True)
    return unreadable


def bring(bucket: Bucket, run: str, folder: Path, *, only: str = "") -> None:
    """Fetch the files of a run into a folder that holds its manifest."""
    names = [name for key, _ in bucket.objects(f"{run}/{only}") if (name := file_name(key, run))]
    bucket.download([f"{run}/{name}" for name in names if not only or name == only], folder)


def file_name(key: str, run: str) -> str:
    """Name of a run's file; empty if the key is none, so that no key is ever a path on this machine."""
    name = key.removeprefix(f"{run}/")
    ours = key.startswith(f"{run}/") and name not in ("", ".", "..", MANIFEST, SIGNATURE)
    return name if ours and not set(name) & {"/", "\0"} and len(name.encode()) < 256 else ""


def run_of(key: str) -> str:
    """The run to which a key belongs; empty if it belongs to none."""
    run = "/".join(key.split("/")[:4])
    return run if is_run_name(run) and file_name(key, run) else ""


def is_known(key: str) -> bool:
    """Whether an archive has such an object beside those of its runs."""
    return key in (MARKER, KEY_FILE) or _PLACE.fullmatch(key) is not None


def fetch_run(archive: Path, folder: Path) -> None:
    """Fetch the files of a run of the mirror, unless they are there as its manifest names them.

    Raises:
        BucketError: The bucket cannot be read.
        OSError: The mirror cannot be written.
    """
    run = str(folder.relative_to(archive))
    if run.endswith(UNFINISHED) or not is_run_name(run) or _is_whole(folder):
        return
    with bucket_of(archive) as bucket, tempfile.TemporaryDirectory(prefix=".fetched-", dir=archive) as fetched:
        bring(bucket, run, Path(fetched))
        there = {path.name for path in Path(fetched).iterdir()}
        for path in folder.iterdir():
            if path.name not in (MANIFEST, SIGNATURE, *there):
                path.unlink()
        for name in there:
            (Path(fetched) / name).replace(folder / name)


def remove_runs(archive: Path, runs: set[str]) -> None:
    """Delete the files of these runs. Their objects of the chain stay, manifests included. Raises as `refresh`."""
    if not runs:
        return
    with bucket_of(archive) as bucket:
        bucket.delete([key for key, _ in bucket.objects() if run_of(key) in runs])


def _known(archive: Path, bucket: Bucket) -> Entry | None:
    """The mirror's last line, if the bucket still holds it; if not, the mirror begins anew."""
    try:
        entry = newest(archive)
    except ArchiveError:
        entry = None
    if entry is not None:
        told = read_told(bucket.get(place(entry.sequence)))
        if told is not None and sha256(told.line) == entry.sha256:
            if (archive / CHAIN).stat().st_size != entry.end:
                os.truncate(archive / CHAIN, entry.end)
            return entry
    # Another chain, or none: nothing of the copies counts. What waits to be put is no copy.
    for manifest in archive.glob(f"[0-9]*/*/*/*/{MANIFEST}"):
        if not manifest.parent.name.endswith(UNFINISHED):
            shutil.rmtree(manifest.parent, ignore_errors=True)
    (archive / CHAIN).unlink(missing_ok=True)
    return None


def _write_manifest(folder: Path, told: Told) -> None:
    make_private(folder)
    for name, data in ((MANIFEST, told.manifest), (SIGNATURE, told.signature)):
        (folder / name).unlink(missing_ok=True)
        if data is not None:
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)


def _is_whole(folder: Path) -> bool:
    try:
        document: Any = json.loads((folder / MANIFEST).read_bytes())
        return all(hash_file(folder / Path(name).name) == digest for name, digest in document["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
