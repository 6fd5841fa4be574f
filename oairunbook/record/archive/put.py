"""Putting whole runs into an archive on object storage.

A run is first whole in the mirror, on this machine's disk. If it cannot be put it waits there, and is put by the next run.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from oairunbook.record.archive.bucket import Bucket, BucketError
from oairunbook.record.archive.chain import (
    CHAIN,
    MANIFEST,
    UNFINISHED,
    ArchiveError,
    newest,
    next_line,
    read_small,
    sha256,
)
from oairunbook.record.archive.draft import hash_file, to_json
from oairunbook.record.archive.folders import run_folders
from oairunbook.record.archive.lock import Patience, locked
from oairunbook.record.archive.mirror import url_of
from oairunbook.record.archive.objects import MARKER, Told, bucket_of, follow, place, read_told
from oairunbook.record.archive.row import document
from oairunbook.record.archive.signing import Signer

_MARKER = b'{"schema": "oairunbook.archive/1"}\n'
_AT_ONCE_BYTES = 8 << 20
"""Of files that are put at once: on a slow line as well they must get there before one call's deadline."""

_MOST_TURNS = 50
"""So often somebody else may take the place before a run is left to wait."""


class WaitingError(ArchiveError):
    """A run could not be put. It is whole, on this machine; the text says why, where it is, and what puts it."""

    def __init__(self, archive: Path, folder: Path, why: str, advice: str = "") -> None:
        super().__init__(
            f"The run could not be put into {url_of(archive)}: {why.rstrip('.')}. It is whole, and waits in {folder}. "
            f"Next: {f'{advice}; then ' if advice else ''}the next run with this archive puts it."
        )
        self.folder = folder


class _LeftError(Exception):
    """This run cannot be put as things are; others can."""


class _GoneError(Exception):
    """This run is neither here nor in the archive any more."""


def put_waiting(archive: Path, run: str, signer: Signer | None, patience: Patience | None = None) -> None:
    """Put what waits in this mirror: what earlier runs left, then this *run*.

    Raises:
        WaitingError: This run could not be put. Earlier ones that cannot be put wait on, and hold up no other.
        ArchiveError: Somebody removed it before it could be put.
    """
    folder = archive / (run + UNFINISHED)
    try:
        with locked(archive, patience), bucket_of(archive) as bucket:
            _demand_exclusive_creation(bucket)
            _put_earlier(archive, bucket, signer, but=run)
            _put(archive, bucket, run, signer)
    except _GoneError:
        raise ArchiveError(
            f"{folder} is gone, and {url_of(archive)} holds no such run: somebody has removed it."
        ) from None
    except (_LeftError, ArchiveError) as error:
        raise WaitingError(archive, folder, str(error)) from None
    except BucketError as error:
        raise WaitingError(archive, folder, error.why, error.advice) from None
    except OSError as error:
        raise WaitingError(archive, folder, error.strerror or str(error)) from None


def put_earlier(archive: Path, signer: Signer | None, patience: Patience | None = None) -> int:
    """Put what waits in this mirror, as far as that goes. Returns how many runs still wait."""
    if waiting(archive):
        try:
            with locked(archive, patience), bucket_of(archive) as bucket:
                _demand_exclusive_creation(bucket)
                _put_earlier(archive, bucket, signer)
        except (ArchiveError, OSError):
            # They were told when they could not be put for the first time.
            pass
    return len(waiting(archive))


def waiting(archive: Path) -> list[str]:
    """Names of the runs that are whole in this mirror and were not put yet, the oldest first."""
    names = (name.removesuffix(UNFINISHED) for name in run_folders(archive) if name.endswith(UNFINISHED))
    return sorted(name for name in names if is_waiting(archive / (name + UNFINISHED)))


def is_waiting(folder: Path) -> bool:
    """Whether this unfinished run is whole: its manifest names its files, and is written last."""
    return isinstance(_document(folder).get("files"), dict)


def _put_earlier(archive: Path, bucket: Bucket, signer: Signer | None, *, but: str = "") -> None:
    for run in waiting(archive):
        if run != but:
            try:
                _put(archive, bucket, run, signer)
            except _LeftError:
                continue


def _put(archive: Path, bucket: Bucket, run: str, signer: Signer | None) -> None:
    folder = archive / (run + UNFINISHED)
    document = _document(folder)
    if not is_waiting(folder):
        # Another process of this machine had the lock first, and put what waited.
        follow(archive, bucket)
        if _is_named(archive, run):
            return
        raise _GoneError
    if document.get("signed_by") and (signer is None or signer.key_id != document["signed_by"]):
        raise _LeftError("it was to be signed by another key than is here now")
    for name, digest in document["files"].items():
        if hash_file(folder / name) != digest:
            raise _LeftError(f"{folder / name} was changed since it was written")
    _put_files(bucket, run, folder, document["files"])
    for _ in range(_MOST_TURNS):
        unreadable = follow(archive, bucket)
        if _is_entered(archive, run, document["files"]):
            # What was read back from the bucket says so, also after a crash, or if the answer to the creation was lost.
            shutil.rmtree(folder)
            return
        if unreadable:
            raise ArchiveError(
                f"{unreadable} is no line of a chain, so no run can be entered behind it. "
                f"Next: oairunbook archive verify --archive {shlex.quote(bucket.url)}, and keep that archive as it is; use a new one meanwhile."
            )
        last = newest(archive)
        manifest = to_json(
            document
            | {
                "signed_by": signer.key_id if signer else None,
                "sequence": last.sequence + 1 if last else 1,
                "previous": last
                and {"run": last.run, "manifest_sha256": last.manifest_sha256, "line_sha256": last.sha256},
            }
        )
        signature = signer.sign(manifest) if signer else None
        told = Told(next_line(run, manifest, last), manifest, signature)
        key = place(last.sequence + 1 if last else 1)
        if bucket.create(key, told.to_json()) and read_told(bucket.get(key)) != told:
            raise BucketError(bucket.url, f"{key} was created and does not come back as it was")
    # Ceph calls what was deleted from a bucket that once had versions taken, and does not list it.
    raise _LeftError(
        f"its place in the chain was taken {_MOST_TURNS} times: others were faster, or this storage hides what is there"
    )


def _is_named(archive: Path, run: str) -> bool:
    """Whether the chain, as it was just read, has a line of this run."""
    chain = archive / CHAIN
    return chain.exists() and json.dumps(run).encode("ascii") in chain.read_bytes()


def _is_entered(archive: Path, run: str, files: dict[str, str]) -> bool:
    """As `_is_named`, and it is this very run."""
    if not _is_named(archive, run):
        return False
    entered = _document(archive / run)
    # It is gone from the mirror if somebody has pruned it since.
    if entered and entered.get("files") != files:
        raise _LeftError("another run has its name")
    return True


def _put_files(bucket: Bucket, run: str, folder: Path, files: dict[str, str]) -> None:
    """Put the files, several at once, and read each back."""
    for names in _batches({name: (folder / name).stat().st_size for name in files}):
        bucket.put_many({f"{run}/{name}": (folder / name).read_bytes() for name in names})
        bodies = bucket.get_many([f"{run}/{name}" for name in names])
        for name, body in zip(names, bodies, strict=True):
            if sha256(body or b"") != files[name]:
                raise BucketError(bucket.url, f"{run}/{name} does not come back as it was put")


def _batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Names, in their order, of as many files as are held in memory at once; a larger one goes by itself."""
    names: list[str] = []
    for name in sizes:
        if names and sum(sizes[one] for one in (*names, name)) > _AT_ONCE_BYTES:
            yield names
            names = []
        names.append(name)
    if names:
        yield names


def _demand_exclusive_creation(bucket: Bucket) -> None:
    """Storage that ignores `If-None-Match` would let two writers take the same place; the second try shows it."""
    try:
        exclusive = not bucket.create(MARKER, _MARKER) or not bucket.create(MARKER, _MARKER)
    except BucketError as error:
        if error.code != "NotImplemented":
            raise
        # OpenStack Swift says that it does not know the condition; others do not even say that.
        exclusive = False
    if not exclusive:
        raise ArchiveError(
            f"{bucket.url} is on storage that does not refuse to create an object twice (If-None-Match; Ceph does not either in a bucket "
            "with versions), so two writers could overwrite each other's runs. Next: use storage that does, such as Amazon S3, Ceph, or MinIO from 2024 on."
        )


def _document(folder: Path) -> dict[str, Any]:
    try:
        return document(read_small(f"{folder}/{MANIFEST}"))
    except OSError:
        return {}
