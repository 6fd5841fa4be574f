"""The files of runs that lie in folders: their hashes, and what the file system says of them without reading one."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from stat import S_IFDIR, S_IFMT, S_IFREG, S_ISREG
from typing import Literal, Protocol

from oairunbook.record.archive.chain import CHAIN, MANIFEST
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
    settled_ns: int
    """Nothing that was changed later than this has a state: a change within one tick of the clock would not show."""

    device: int = field(init=False)
    """The file system of the archive; what lies on another one has no state."""

    met: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What lay in each run's folder when its state was taken."""

    _alike: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    """One object for all runs whose files have the same names."""

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
        """Of its folder and of all that is in it: inode, size, and the times of the last change of content and of status (stat(2)).

        The kernel alone sets the last one.
        """
        folder = f"{self.archive}/{run}"
        try:
            # Of paths, those of 100,000 runs would take longer than the look at them.
            files = tuple(sorted(os.listdir(folder)))  # noqa: PTH208
        except OSError:
            return None
        self.met[run] = files = self._alike.setdefault(files, files)
        return self._state(folder, files)

    def states(self, runs: Iterable[str], files: Iterable[tuple[str, ...]]) -> Iterator[bytes | None]:
        """`state` of each, if it has the same files as when it was `met`.

        No folder is read for it: had one got or lost a file since, the folder itself would have another state.
        """
        day, above = "", -1
        try:
            for run, names in zip(runs, files, strict=True):
                parent, _, name = run.rpartition("/")
                if parent != day:
                    if above >= 0:
                        os.close(above)
                    day, above = parent, self._open(parent)
                self.met[run] = names
                yield self._state(name, names, above) if above >= 0 else None
        finally:
            if above >= 0:
                os.close(above)

    def _open(self, folder: str) -> int:
        """A descriptor, from which the kernel finds what lies there in half of the time; -1 if there is no such folder."""
        try:
            return os.open(f"{self.archive}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return -1

    def _state(self, folder: str, files: tuple[str, ...], above: int | None = None) -> bytes | None:
        told = self._told([folder, *[f"{folder}/{name}" for name in files]], above)
        return (
            told and hashlib.blake2b(told + "/".join(files).encode("utf-8", "surrogateescape"), digest_size=16).digest()
        )

    def state_of_chain(self) -> bytes | None:
        """As `state`, of the chain alone."""
        return self._told([f"{self.archive}/{CHAIN}"], kind=S_IFREG)

    def _told(self, paths: list[str], above: int | None = None, kind: int = S_IFDIR) -> bytes | None:
        """What the file system says of these, of which the first is of this kind, and the others are files."""
        told, settled, device = [], self.settled_ns, self.device
        try:
            for path in paths:
                one = os.stat(path, dir_fd=above, follow_symlinks=False)
                # What a link leads to may be changed behind it.
                if S_IFMT(one.st_mode) != kind or one.st_ctime_ns > settled or one.st_dev != device:
                    return None
                told.append(_PACK(one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns))
                kind = S_IFREG
        except OSError:
            return None
        return b"".join(told)

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
