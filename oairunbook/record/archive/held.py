"""The files of runs that lie in folders: their hashes, and what the file system says of them without reading one."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from stat import S_ISREG
from typing import Literal, Protocol

from oairunbook.record.archive.chain import MANIFEST
from oairunbook.record.archive.signing import SIGNATURE

_PART_BYTES = 1 << 18
_LARGEST_BYTES = 1 << 30
"""This tool writes no larger file, and a sparse one of any size costs whoever makes it nothing."""
_PACK = struct.Struct("4q").pack


Hash = str | OSError | None
"""SHA-256 of a file; why it cannot be read; None of what is no file."""


class Held(Protocol):
    """The files of runs, wherever they lie."""

    def state(self, run: str) -> bytes | None:
        """What the storage says of a run's files: other bytes, if one of them was touched. None if it says nothing that can be relied on."""

    def hashes(self, run: str) -> dict[str, Hash]:
        """The hash of every file of a run but its manifest and signature, by name."""

    def kinds(self, run: str) -> dict[str, Literal[True] | None]:
        """The same names without reading a file: True of a file, None of what is none."""


@dataclass(slots=True)
class InFolders:
    """The runs of an archive that is a folder."""

    archive: str
    names: tuple[str, ...]
    """The files whose state is a run's state, and "" for its folder; empty for the folder and all that is in it."""

    settled_ns: int
    """Nothing that was changed later than this has a state: a change within one tick of the clock would not show."""

    device: int = field(init=False)
    """The file system of the archive; what lies on another one has no state."""

    def __post_init__(self) -> None:
        self.device = os.stat(self.archive).st_dev  # noqa: PTH116 - as below

    def settle(self) -> None:
        """Before a file is read whose state is to be relied on: bring all that was written to the disk (syncfs(2)).

        A page that is written through a mapping (mmap(2)) stamps the file when it becomes dirty, and not again until it has been brought to the
        disk: whoever made it dirty before the file was read could change it afterwards, and no time would tell.
        """
        # It takes its time to import, and a listing needs none of it.
        import ctypes

        descriptor = os.open(self.archive, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None).syncfs(descriptor) != 0:
                self.settled_ns = 0
        except AttributeError:
            # Another C library than Linux has: nothing is relied on.
            self.settled_ns = 0
        finally:
            os.close(descriptor)

    def state(self, run: str) -> bytes | None:
        """Inode, size, and the times of the last change of content and of status (stat(2)); the kernel alone sets the last one."""
        folder = f"{self.archive}/{run}"
        told = b""
        try:
            # Of paths, those of 100,000 runs would take longer than the look at them.
            names = self.names or ("", *sorted(os.listdir(folder)))  # noqa: PTH208
            for name in names:
                one = os.lstat(f"{folder}/{name}")
                # What a link leads to may be changed behind it.
                if one.st_ctime_ns > self.settled_ns or (name and not S_ISREG(one.st_mode)):
                    return None
                if one.st_dev != self.device:
                    return None
                told += _PACK(one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns)
        except OSError:
            return None
        if self.names:
            return told
        return hashlib.blake2b(told + "/".join(names).encode("utf-8", "surrogateescape"), digest_size=16).digest()

    def states(self, runs: Iterable[str]) -> Iterator[bytes | None]:
        """`state` of each."""
        return map(self.state, runs)

    def hashes(self, run: str) -> dict[str, Hash]:
        """All files are read."""
        folder = f"{self.archive}/{run}"
        return {name: hash_of(f"{folder}/{name}") for name in names_in(folder)}

    def kinds(self, run: str) -> dict[str, Literal[True] | None]:
        """The folder's entries say it."""
        with os.scandir(f"{self.archive}/{run}") as items:
            return {
                item.name: True if item.is_file(follow_symlinks=False) else None
                for item in items
                if item.name not in (MANIFEST, SIGNATURE)
            }


def names_in(folder: str) -> list[str]:
    """What is in a run's folder besides manifest and signature."""
    return [name for name in os.listdir(folder) if name not in (MANIFEST, SIGNATURE)]  # noqa: PTH208 - as above


def hash_of(path: str) -> Hash:
    """Of 100,000 runs' files `hashlib.file_digest` would take twice as long. None of what is no file, as a link is; a pipe is not waited for."""
    try:
        return _sha256(path)
    except OSError as error:
        # A file that its owner has closed to others hides nothing of the rest.
        return error


def _sha256(path: str) -> str | None:
    digest = hashlib.sha256()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            return None
        raise
    try:
        status = os.fstat(descriptor)
        if not S_ISREG(status.st_mode) or status.st_size > _LARGEST_BYTES:
            return None
        while part := os.read(descriptor, _PART_BYTES):
            digest.update(part)
    finally:
        os.close(descriptor)
    return digest.hexdigest()
