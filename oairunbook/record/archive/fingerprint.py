"""The key that makes fingerprints of API keys comparable within one archive."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from oairunbook.record.files import PRIVATE_FILE, make_private

KEY_FILE = ".fingerprint-key"
_KEY_BYTES = 32


def fingerprint_key(archive: Path) -> bytes:
    """The key of this archive's fingerprints (32 random bytes, mode 0600); created by whoever asks first.

    Raises:
        OSError: The folder cannot be created or read.
        ValueError: The file is there and is no such key.
    """
    path = archive / KEY_FILE
    if not path.exists():
        make_private(archive)
        temporary = archive / f"{KEY_FILE}.{secrets.token_hex(4)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            # link(2) fails if somebody was faster, and never shows a file that is half written.
            path.hardlink_to(temporary)
        except FileExistsError:
            pass
        finally:
            temporary.unlink(missing_ok=True)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise ValueError(f"{path} holds {len(key)} bytes, and a fingerprint key has {_KEY_BYTES}")
    return key
