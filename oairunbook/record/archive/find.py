"""Which archive and which run somebody means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from oairunbook.record.archive.chain import MANIFEST, UNFINISHED, ArchiveError, newest
from oairunbook.record.archive.fingerprint import KEY_FILE, fingerprint_key
from oairunbook.record.archive.verify import run_folders

ARCHIVE_VARIABLE = "OAIRUNBOOK_ARCHIVE"
DEFAULT_ARCHIVE = "archive"


def archive_root(given: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The archive that was named, else that of `OAIRUNBOOK_ARCHIVE`, else `./archive`."""
    return Path(given or environment.get(ARCHIVE_VARIABLE) or DEFAULT_ARCHIVE)


def archive_for_fingerprints(given: str = "", environment: Mapping[str, str] = os.environ) -> str:
    """As `archive_root`, for a test that may be kept there later; empty where nothing can be kept, so that the test is made all the same."""
    root = archive_root(given, environment).absolute()
    try:
        fingerprint_key(root)
    except (OSError, ValueError):
        return ""
    return str(root)


def archive_of(record: str) -> str:
    """The archive that a run's folder, or a file in one, lies in; empty if it is none that fingerprints keys."""
    return next((str(folder) for folder in Path(record).absolute().parents if (folder / KEY_FILE).is_file()), "")


def find_run(archive: Path, text: str) -> Path:
    """The folder of one run: by its path, its name in the archive, a part of its name, or `latest`.

    Raises:
        ArchiveError: There is none, or more than one.
    """
    if text == "latest":
        entry = newest(archive)
        if entry is None:
            raise ArchiveError(f"{archive} holds no run yet.")
        return archive / entry.run
    for folder in (Path(text), archive / text):
        if (folder / MANIFEST).is_file():
            return folder
    if not archive.is_dir():
        raise ArchiveError(f"{text} is no run's folder, and there is no archive {archive}.")
    fitting = sorted(name for name in run_folders(archive) if text and text in name)
    exact = [name for name in fitting if name.removesuffix(UNFINISHED).endswith(text)]
    if len(exact or fitting) == 1:
        return archive / (exact or fitting)[0]
    if not fitting:
        raise ArchiveError(f"{archive} holds no run {text!r}. Next: oairunbook archive list --archive {archive}")
    shown = ", ".join(fitting[:5])
    raise ArchiveError(f"{text!r} is in the names of {len(fitting)} runs of {archive}: {shown}. Name one of them.")
