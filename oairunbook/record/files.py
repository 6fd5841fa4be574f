"""Files that are there whole or not at all, and that only their owner can read."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG

from oairunbook.evidence.document import LARGEST_BYTES

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}", re.DOTALL)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, bring it to the disk, and give it its name in one step (rename(2))."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def broken_off(folder: Path) -> Iterator[Path]:
    """What is left of writes to this folder whose process was killed; nobody may be writing to it any more."""
    return (path for path in folder.iterdir() if _TEMPORARY.fullmatch(path.name) and path.is_file())


def read_kept(path: Path, most: int = LARGEST_BYTES) -> bytes:
    """A file of a record, which somebody else may have made: a link could lead to this user's own files, and a pipe or a device has no end.

    Raises:
        OSError: It is none of a record (EINVAL), it is a link (ELOOP), it is larger than *most* bytes (EFBIG), or it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"this is larger than {most >> 20} MiB, and no evidence is", str(path))
    return data


def make_private(folder: Path) -> None:
    """Create a folder and its missing parents, each for its owner alone; what exists keeps its mode."""
    for part in (*reversed(folder.parents), folder):
        if not part.exists():
            part.mkdir(PRIVATE_FOLDER, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk, so that a rename survives a power cut (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
