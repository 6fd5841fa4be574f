"""The archive: one folder a run, each with a manifest, and each manifest with the hash of the one before.

```
ARCHIVE/2026/11/24/20261124T140211Z-api-7f9c-1a2b3c4d/
    01_response_evidence.ipynb …  evidence.json  verdict.json  packet.md  packet.json  manifest.json
ARCHIVE/.head              the newest manifest of the chain
ARCHIVE/.lock              held while a run is entered
ARCHIVE/.fingerprint-key   makes fingerprints of keys comparable within this archive, and useless outside it
```
A run is written to a folder that ends in `.partial` and gets its name when it is finished. What a killed run leaves behind keeps that
name, and its manifest says `partial`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from oairunbook import __version__
from oairunbook.record.files import PRIVATE_FILE, make_private, sync_folder, write_whole

MANIFEST_SCHEMA = "oairunbook.manifest/1"
MANIFEST = "manifest.json"

State = Literal["whole", "partial"]

_HEAD = ".head"
_NEXT_HEAD = ".head.next"
_LOCK = ".lock"
_KEY = ".fingerprint-key"
_UNFINISHED = ".partial"
_KEY_BYTES = 32
_READ_ONLY = 0o400


def fingerprint_key(archive: Path) -> bytes:
    """The key of this archive's fingerprints (32 random bytes, mode 0600); created by whoever asks first.

    Raises:
        OSError: The folder cannot be created or read.
        ValueError: The file is there and is no such key.
    """
    path = archive / _KEY
    if not path.exists():
        make_private(archive)
        temporary = archive / f"{_KEY}.{secrets.token_hex(4)}"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A run that is being written."""

    archive: Path
    folder: Path
    """Ends in `.partial` until the run is finished."""

    name: str
    """Path of the finished run inside the archive."""

    id: str
    started_at: str
    practice: str | None

    def write(self, name: str, text: str) -> Path:
        """Write one file of the run, whole or not at all."""
        path = self.folder / name
        write_whole(path, text.encode("utf-8"))
        return path

    def finish(self, state: State, about: Mapping[str, Any]) -> Path:
        """Hash what is there, enter the run in the chain and give it its name.

        Args:
            state: `partial` if the run was interrupted or a notebook did not end well.
            about: What the manifest says of the run besides its files, for example its notebooks and verdict.
        """
        files = {path.name: _sha256(path) for path in sorted(self.folder.iterdir()) if path.name != MANIFEST}
        with _locked(self.archive):
            head = _head(self.archive)
            manifest = _manifest(self, state) | dict(about) | {"files": files, "previous": head}
            text = _json(manifest)
            write_whole(self.folder / MANIFEST, text)
            entry = {"run": self.name, "manifest_sha256": hashlib.sha256(text).hexdigest()}
            # Said before it is done: whoever comes next after a crash sees which of the two holds.
            write_whole(self.archive / _NEXT_HEAD, _json(entry))
            run = self.archive / self.name
            for file in self.folder.iterdir():
                # JupyterLab saves what it has only opened; a record that was touched is no record any more.
                file.chmod(_READ_ONLY)
            self.folder.rename(run)
            sync_folder(run.parent)
            (self.archive / _NEXT_HEAD).replace(self.archive / _HEAD)
            sync_folder(self.archive)
        return run


def begin(archive: Path, *, host: str, practice: str | None = None, now: datetime | None = None) -> Draft:
    """Open a new run. Nothing that exists is touched; two runs of the same second get different names.

    Args:
        archive: Root of the archive; created for its owner alone if it is missing.
        host: Name of this machine, for the folder's name.
        practice: The fault of the practice lab, which then stands in the folder's name as `-practice`.
        now: Aware time of the start; now if None.
    """
    now = (now or datetime.now(UTC)).astimezone(UTC)
    identity = secrets.token_hex(4)
    label = re.sub(r"[^A-Za-z0-9.]+", "_", host)[:63].strip("._") or "unknown"
    base = f"{now:%Y%m%dT%H%M%SZ}-{label}-{identity}" + ("-practice" if practice else "")
    name = f"{now:%Y/%m/%d}/{base}"
    folder = archive / (name + _UNFINISHED)
    make_private(folder.parent)
    folder.mkdir(0o700)
    draft = Draft(
        archive=archive,
        folder=folder,
        name=name,
        id=identity,
        started_at=now.isoformat(timespec="seconds"),
        practice=practice,
    )
    write_whole(folder / MANIFEST, _json(_manifest(draft, "partial")))
    return draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in the archive that is not as it was left."""

    path: str
    """Inside the archive."""

    what: str


def verify(archive: Path) -> tuple[Problem, ...]:
    """Check every file against its manifest and every manifest against the chain; nothing found means all is as it was left.

    A folder of a killed run (`….partial`) is no part of the chain and no problem: it never claimed to be whole.
    """
    problems: list[Problem] = []
    runs = {
        str(path.parent.relative_to(archive)): path
        for path in sorted(archive.glob(f"[0-9]*/[0-9]*/[0-9]*/*/{MANIFEST}"))
        if not path.parent.name.endswith(_UNFINISHED)
    }
    for name, path in runs.items():
        problems.extend(_check_run(name, path))
    problems.extend(_check_chain(archive, set(runs)))
    for folder in sorted(archive.glob("[0-9]*/[0-9]*/[0-9]*/*/")):
        name = str(folder.relative_to(archive))
        if name not in runs and not name.endswith(_UNFINISHED):
            problems.append(Problem(path=name, what="has no manifest"))
    return tuple(problems)


def _check_run(name: str, manifest: Path) -> Iterator[Problem]:
    try:
        files = dict(json.loads(manifest.read_bytes())["files"])
    except (ValueError, KeyError, TypeError):
        yield Problem(path=f"{name}/{MANIFEST}", what="is no manifest that this version can read")
        return
    present = {path.name for path in manifest.parent.iterdir()} - {MANIFEST}
    for file, expected in sorted(files.items()):
        if file not in present:
            yield Problem(path=f"{name}/{file}", what="is missing")
        elif _sha256(manifest.parent / file) != expected:
            yield Problem(path=f"{name}/{file}", what="was changed since it was archived")
    for file in sorted(present - set(files)):
        yield Problem(path=f"{name}/{file}", what="was added since the run was archived")


def _check_chain(archive: Path, unseen: set[str]) -> Iterator[Problem]:
    """Walk from the newest manifest to the first; *unseen* are the runs that the walk has yet to meet."""
    entry = _read_head(archive)
    if entry is None and unseen:
        yield Problem(path=_HEAD, what="is missing or unreadable, so the chain has no beginning")
        return
    while entry is not None:
        name = str(entry["run"])
        path = archive / name / MANIFEST
        if name not in unseen:
            yield Problem(path=name, what="is named by the chain and is not there (or there twice)")
            return
        unseen.discard(name)
        text = path.read_bytes()
        if hashlib.sha256(text).hexdigest() != entry["manifest_sha256"]:
            yield Problem(path=f"{name}/{MANIFEST}", what="was changed since the run was archived")
        try:
            entry = json.loads(text)["previous"]
        except (ValueError, KeyError, TypeError):
            return
    for name in sorted(unseen):
        yield Problem(path=name, what="is not in the chain")


def _manifest(draft: Draft, state: State) -> dict[str, Any]:
    return {
        "schema": MANIFEST_SCHEMA,
        "run": draft.name,
        "id": draft.id,
        "state": state,
        "practice": draft.practice,
        "started_at": draft.started_at,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tool_version": __version__,
    }


@contextmanager
def _locked(archive: Path) -> Iterator[None]:
    descriptor = os.open(archive / _LOCK, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _head(archive: Path) -> dict[str, str] | None:
    """The newest entry of the chain, under the lock; what a crashed run announced counts if it was carried out."""
    announced = _read_entry(archive / _NEXT_HEAD)
    if announced is not None:
        if (archive / announced["run"]).exists():
            (archive / _NEXT_HEAD).replace(archive / _HEAD)
        else:
            (archive / _NEXT_HEAD).unlink()
    return _read_entry(archive / _HEAD)


def _read_head(archive: Path) -> dict[str, str] | None:
    """As `_head`, and nothing is changed. That the newest run is gone does not hide that there was one."""
    announced = _read_entry(archive / _NEXT_HEAD)
    if announced is not None and (archive / announced["run"]).exists():
        return announced
    return _read_entry(archive / _HEAD)


def _read_entry(path: Path) -> dict[str, str] | None:
    try:
        entry = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return entry if isinstance(entry, dict) and {"run", "manifest_sha256"} <= set(entry) else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode("utf-8")
