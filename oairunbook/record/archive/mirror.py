"""Archives on object storage, `s3://bucket/prefix`: each has a folder on this machine, its mirror, which is read and written like any archive.

```
MIRROR/chain.jsonl, MIRROR/2026/…/manifest.json   copies of what the bucket says of each run; may be deleted at any time
MIRROR/2026/…-web-3-1a2b3c4d.partial/             a run that is being written, or that waits until it can be put: it is nowhere else
MIRROR/cron.log, MIRROR/.cron/                    of `oairunbook run --cron` on this machine
MIRROR/.object-storage                            the archive's address
```
Nothing here needs a library that a folder's archive does not need.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path
from stat import S_IWOTH

from oairunbook.record.archive.chain import UNFINISHED, ArchiveError
from oairunbook.record.files import make_private, write_whole

SPOOL_VARIABLE = "OAIRUNBOOK_SPOOL"
"""The folder of all mirrors; by default `oairunbook` in `$XDG_STATE_HOME`, else in `~/.local/state`."""

_SCHEME = "s3://"
_ADDRESS = ".object-storage"
_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9!_.'()=+-]+)*)/?")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def is_url(text: str) -> bool:
    """Whether this names an archive, or a run, on object storage."""
    return text.startswith(_SCHEME)


def mirror(url: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The mirror of that archive; created if it is missing. Nothing is sent.

    Raises:
        ArchiveError: This is no address of an archive, or what is needed for object storage is not installed.
        OSError: The mirror cannot be created.
    """
    found = _URL.fullmatch(url)
    if not found or any(part in (".", "..") for part in url.split("/")):
        # What somebody gave may hold credentials, so it is not repeated.
        raise ArchiveError(
            "The archive's address is not s3://bucket/prefix, with letters, digits and ! _ . ' ( ) = + - in the prefix. "
            "Credentials are taken from the environment or from AWS' own files, and never stand in it."
        )
    if importlib.util.find_spec("s3fs") is None:
        raise ArchiveError(
            f"{url} needs s3fs, which is not installed here. Next: python -m pip install 'oairunbook[s3]'"
        )
    endpoint = next((environment[name] for name in _ENDPOINTS if environment.get(name)), "")
    archive = f"s3://{found[1]}{found[2]}"
    digest = hashlib.sha256(f"{endpoint}\n{archive}".encode()).hexdigest()[:12]
    label = re.sub(r"[^a-z0-9]+", "-", archive.removeprefix(_SCHEME).lower())[:60].strip("-")
    folder = state_folder(environment) / f"{label}-{digest}"
    if url_of(folder) != archive:
        make_private(folder)
        write_whole(folder / _ADDRESS, f"{archive}\n".encode())
    return folder


def url_of(folder: Path) -> str | None:
    """The address of the archive whose mirror this folder is; None for an archive that is a folder itself."""
    try:
        return (folder / _ADDRESS).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def mirror_of(path: Path) -> Path | None:
    """The mirror in which this path lies: a mirror itself, a run, or a file of one; None if it lies in none."""
    return next((folder for folder in (path, *path.parents[:5]) if url_of(folder)), None)


def address(path: Path) -> str:
    """How a path is told to people and programs: in a mirror by its address, for that is where others find it.

    What has not left this machine, such as a run that waits to be put, is told by its path.
    """
    folder = mirror_of(path)
    if folder is None or path.name.endswith(UNFINISHED):
        return str(path)
    return "/".join((url_of(folder) or "", *path.relative_to(folder).parts))


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where all mirrors are, and what this machine alone keeps."""
    if environment.get(SPOOL_VARIABLE):
        return Path(environment[SPOOL_VARIABLE]).absolute()
    state = environment.get("XDG_STATE_HOME") or ""
    # The specification: a relative path is to be ignored.
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "oairunbook"


def own_file(
    kind: str, archive: Path, *what: str, environment: Mapping[str, str] = os.environ, suffix: str = ".sqlite"
) -> Path | None:
    """Where this user keeps something about an archive, and never in the archive, whose writers could otherwise speak for it.

    Args:
        kind: Folder of all files of this kind.
        archive: Its root; of one on object storage its mirror.
        what: Tells files of one kind about the same archive apart.
        environment: Says where it is kept.
        suffix: Of the file's name.

    None where nothing can be kept: there is no home folder, or another user can write it (as of `sudo` with the home of who called it).
    """
    about = "\n".join((os.path.realpath(archive), *what))
    name = hashlib.sha256(about.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    try:
        folder = state_folder(environment).absolute()
        status = folder.stat()
        if status.st_uid != os.geteuid() or status.st_mode & S_IWOTH:
            return None
    except FileNotFoundError:
        # It will be made, for this user alone.
        pass
    except (OSError, RuntimeError):
        return None
    return folder / kind / f"{name}{suffix}"
