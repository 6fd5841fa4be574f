"""A run while it is written: under a name of its own until it is whole."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from oairunbook import __version__
from oairunbook.record.archive.chain import MANIFEST, UNFINISHED, append, carry_out, name_run
from oairunbook.record.archive.lock import Patience, locked
from oairunbook.record.archive.mirror import url_of
from oairunbook.record.archive.signing import SIGNATURE, Signer
from oairunbook.record.files import broken_off, make_private, write_whole
from oairunbook.records import dataclass

MANIFEST_SCHEMA = "oairunbook.manifest/1"

State = Literal["whole", "partial"]
Kind = Literal["run", "verify", "audit", "fleet", "prune"]

_READ_ONLY = 0o400


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A run that is being written."""

    archive: Path
    folder: Path
    """Ends in `.partial` until the run is finished."""

    name: str
    """Path of the finished run inside the archive."""

    id: str
    kind: Kind
    started_at: str
    practice: str | None
    signer: Signer | None
    lock: int
    """Descriptor of the locked folder: as long as it is open, the run is no killed one."""

    def write(self, name: str, text: str) -> Path:
        """Write one file of the run, whole or not at all."""
        path = self.folder / name
        write_whole(path, text.encode("utf-8"))
        return path

    def discard(self) -> None:
        """Leave nothing of it: it was opened, and then there was nothing to record."""
        for file in self.folder.iterdir():
            file.unlink()
        os.close(self.lock)
        self.folder.rmdir()

    def finish(self, state: State, about: Mapping[str, Any], patience: Patience | None = None) -> Path:
        """Hash what is there, enter the run in the chain and give it its name.

        Args:
            state: `partial` if the run was interrupted or a notebook did not end well.
            about: What the manifest says of the run besides its files, for example its notebooks and verdict.
            patience: How long to wait for others that enter a run; without end if None.

        Raises:
            oairunbook.record.archive.lock.BusyError: That was too long. What there is stays where it is, as a partial record.
            oairunbook.record.archive.ArchiveError: The chain cannot be continued; see there.
            oairunbook.record.archive.put.WaitingError: The archive is on object storage, and the run could not be put there.
            OSError: The archive cannot be written. What there is stays where it is, as a partial record.
        """
        for part in list(broken_off(self.folder)):
            # Of a kernel that was killed while it wrote: half a file is no part of a record.
            part.unlink()
        left_out = (MANIFEST, SIGNATURE)
        files = {path.name: hash_file(path) for path in sorted(self.folder.iterdir()) if path.name not in left_out}
        if url_of(self.archive):
            return self._hand_over(_manifest(self, state) | dict(about) | {"files": files}, patience)
        with locked(self.archive, patience):
            last = carry_out(self.archive)
            manifest = to_json(
                _manifest(self, state)
                | dict(about)
                | {
                    "files": files,
                    "signed_by": self.signer.key_id if self.signer else None,
                    "sequence": last.sequence + 1 if last else 1,
                    "previous": last
                    and {"run": last.run, "manifest_sha256": last.manifest_sha256, "line_sha256": last.sha256},
                }
            )
            if self.signer:
                write_whole(self.folder / SIGNATURE, self.signer.sign(manifest))
            write_whole(self.folder / MANIFEST, manifest)
            for file in self.folder.iterdir():
                # JupyterLab saves what it has only opened; a record that was touched is no record any more.
                file.chmod(_READ_ONLY)
            # Said before it is done: whoever comes next after a crash carries it out.
            append(self.archive, self.name, manifest, last)
            name_run(self.archive, self.name)
        os.close(self.lock)
        return self.archive / self.name

    def _hand_over(self, document: dict[str, Any], patience: Patience | None) -> Path:
        """All is on this disk before anything is put: from here on also the next run can put it."""
        from oairunbook.record.archive.put import put_waiting

        write_whole(
            self.folder / MANIFEST, to_json(document | {"signed_by": self.signer.key_id if self.signer else None})
        )
        for file in self.folder.iterdir():
            file.chmod(_READ_ONLY)
        os.close(self.lock)
        put_waiting(self.archive, self.name, self.signer, patience)
        return self.archive / self.name


def begin(
    archive: Path,
    *,
    host: str,
    kind: Kind = "run",
    practice: str | None = None,
    now: datetime | None = None,
    signer: Signer | None = None,
) -> Draft:
    """Open a new run. Nothing that exists is touched; two runs of the same second get different names.

    Args:
        archive: Root of the archive; created for its owner alone if it is missing.
        host: Name of this machine, for the folder's name.
        kind: What the record is of; stands in the folder's name unless it is an ordinary run.
        practice: The fault of the practice lab, which then stands in the folder's name as `-practice`.
        now: Aware time of the start; now if None.
        signer: Signs the manifest; None for no signature.

    Raises:
        OSError: The archive cannot be written.
    """
    now = (now or datetime.now(UTC)).astimezone(UTC)
    identity = secrets.token_hex(4)
    label = re.sub(r"[^A-Za-z0-9.]+", "_", host)[:63].strip("._") or "unknown"
    marks = f"-{kind}" * (kind != "run") + "-practice" * bool(practice)
    name = f"{now:%Y/%m/%d}/{now:%Y%m%dT%H%M%SZ}-{label}-{identity}{marks}"
    folder = archive / (name + UNFINISHED)
    make_private(folder.parent)
    folder.mkdir(0o700)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    draft = Draft(
        archive=archive,
        folder=folder,
        name=name,
        id=identity,
        kind=kind,
        started_at=now.isoformat(timespec="seconds"),
        practice=practice,
        signer=signer,
        lock=lock,
    )
    try:
        write_whole(folder / MANIFEST, to_json(_manifest(draft, "partial") | {"host": host}))
    except OSError:
        # Nothing was begun: an empty folder would only look like a killed run.
        os.close(lock)
        folder.rmdir()
        raise
    return draft


def is_running(folder: Path) -> bool:
    """Whether some process still writes this unfinished run; what a killed one left is held by nobody."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def hash_file(path: Path) -> str:
    """SHA-256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_json(document: Mapping[str, Any]) -> bytes:
    """A JSON document as this archive writes it."""
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode("utf-8")


def _manifest(draft: Draft, state: State) -> dict[str, Any]:
    return {
        "schema": MANIFEST_SCHEMA,
        "run": draft.name,
        "id": draft.id,
        "kind": draft.kind,
        "state": state,
        "practice": draft.practice,
        "started_at": draft.started_at,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tool_version": __version__,
    }
