"""The key that makes fingerprints of API keys comparable within one archive."""

from __future__ import annotations

import os
import secrets
from functools import cache
from pathlib import Path

from oairunbook.record.archive.mirror import url_of
from oairunbook.record.files import PRIVATE_FILE, make_private

KEY_FILE = ".fingerprint-key"
_KEY_BYTES = 32


def fingerprint_key(archive: Path) -> bytes | None:
    """The key of this archive's fingerprints (32 random bytes, mode 0600); created by whoever asks first.

    None where the archive is on object storage that cannot be reached: a fingerprint by another key would be compared with none.

    Raises:
        OSError: The folder cannot be created or read.
        ValueError: The file is there and is no such key.
    """
    path = archive / KEY_FILE
    if not path.exists():
        make_private(archive)
        new = _shared(archive) if url_of(archive) else secrets.token_bytes(_KEY_BYTES)
        if new is None:
            return None
        temporary = archive / f"{KEY_FILE}.{secrets.token_hex(4)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(new)
                file.flush()
                os.fsync(file.fileno())
            # link(2) fails if somebody was faster, and never shows a file that is half written.
            path.hardlink_to(temporary)
        except FileExistsError:
            pass
        finally:
            temporary.unlink(missing_ok=True)
    if not path.is_file():
        # In an archive that somebody else made it may be a pipe, which would be waited for.
        raise ValueError(f"{path} is no file")
    with path.open("rb") as file:
        key = file.read(_KEY_BYTES + 1)
    if len(key) != _KEY_BYTES:
        raise ValueError(
            f"{path} holds {'more than ' * (len(key) > _KEY_BYTES)}{min(len(key), _KEY_BYTES)} bytes, and a fingerprint key has {_KEY_BYTES}"
        )
    return key


@cache
def _shared(archive: Path) -> bytes | None:
    """The key that all who use this bucket share. Each process asks once: storage that is silent takes its time."""
    from oairunbook.record.archive.bucket import BucketError
    from oairunbook.record.archive.chain import ArchiveError
    from oairunbook.record.archive.objects import bucket_of

    try:
        with bucket_of(archive) as bucket:
            bucket.create(KEY_FILE, secrets.token_bytes(_KEY_BYTES))
            return bucket.get(KEY_FILE)
    except (ArchiveError, BucketError):
        # The test of a path does not wait for its archive: what fails it may have cut off the bucket as well.
        return None
