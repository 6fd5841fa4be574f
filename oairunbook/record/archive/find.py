"""Which archive and which run somebody means."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from oairunbook.record.archive.chain import (
    CHAIN,
    MANIFEST,
    UNFINISHED,
    ArchiveError,
    Entry,
    is_run_name,
    newest,
    pending,
    places_of,
    read_chain,
)
from oairunbook.record.archive.fingerprint import KEY_FILE, fingerprint_key
from oairunbook.record.archive.folders import behind_a_link, run_folders
from oairunbook.record.archive.mirror import address, is_url, mirror, url_of

ARCHIVE_VARIABLE = "OAIRUNBOOK_ARCHIVE"
DEFAULT_ARCHIVE = "archive"


def archive_root(given: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The archive that was named, else that of `OAIRUNBOOK_ARCHIVE`, else `./archive`; of one on object storage its mirror.

    Raises:
        ArchiveError: It is on object storage, and its address is wrong or what it needs is not installed.
        OSError: Its mirror cannot be created.
    """
    named = given or environment.get(ARCHIVE_VARIABLE) or DEFAULT_ARCHIVE
    return mirror(named, environment) if is_url(named) else Path(named)


def archive_for_fingerprints(given: str = "", environment: Mapping[str, str] = os.environ) -> str:
    """As `archive_root`, for a test that may be kept there later; empty where nothing can be kept, so that the test is made all the same."""
    try:
        root = archive_root(given, environment).absolute()
        fingerprint_key(root)
    except (ArchiveError, OSError, ValueError):
        return ""
    return str(root)


def archive_of(record: str) -> str:
    """The archive that a run's folder, or a file in one, lies in; empty if it is none that fingerprints keys."""
    return next((str(folder) for folder in Path(record).absolute().parents if (folder / KEY_FILE).is_file()), "")


def find_run(archive: Path, text: str) -> Path:
    """The folder of one run: by its path, its name in the archive, a part of its name, or `latest`.

    On object storage also by its address; its files are fetched.

    Raises:
        ArchiveError: There is none, or more than one.
        OSError: It is on object storage, and cannot be fetched.
    """
    if is_url(text):
        url, *last = text.rstrip("/").rsplit("/", 4)
        archive, text = mirror(url), "/".join(last)
    if not url_of(archive):
        return _own(_find(archive, text))
    from oairunbook.record.archive.objects import fetch_run, refresh

    folder = Path(text)
    if not (folder / MANIFEST).is_file():
        refresh(archive)
        folder = _find(archive, text)
    if archive in folder.parents:
        fetch_run(archive, folder)
    return folder


def at_hand(record: str) -> str:
    """The path of a record or of a run's folder; of one on object storage, named by its address, that in the mirror: it is fetched.

    Raises:
        ArchiveError: There is no such run.
        OSError: It cannot be fetched.
    """
    if not is_url(record):
        return record
    run, _, name = record.rstrip("/").rpartition("/")
    if is_run_name("/".join(record.rstrip("/").split("/")[-4:])):
        return str(find_run(Path(), record))
    return str(find_run(Path(), run) / name)


def newest_of_a_path(archive: Path) -> Path | None:
    """The newest run that looked at one path, and at no archive and no fleet; None if there is none."""
    entries = [entry for entry in read_chain(archive) if isinstance(entry, Entry)]
    names = (entry.run for entry in reversed(entries) if not _OF_SOMETHING_ELSE.search(entry.run))
    name = next((name for name in names if (archive / name / MANIFEST).is_file()), None)
    return find_run(archive, str(archive / name)) if name else None


def is_of_an_archive(run: Path) -> bool:
    """Whether the run's name says that it records a prune or an audit."""
    return bool(_OF_AN_ARCHIVE.search(run.name))


_OF_AN_ARCHIVE = re.compile(r"-(?:prune|audit)(?:-practice)?\Z")
_OF_SOMETHING_ELSE = re.compile(r"-(?:prune|audit|fleet)(?:-practice)?\Z")


def _find(archive: Path, text: str) -> Path:
    if text == "latest":
        entry = newest(archive)
        if entry is None:
            raise ArchiveError(f"{address(archive)} holds no run yet.")
        return _newest_folder(archive, entry)
    for folder in (Path(text), archive / text):
        if (folder / MANIFEST).is_file():
            return folder
    if not archive.is_dir():
        raise ArchiveError(f"{text} is no run's folder, and there is no archive {archive}.")
    fitting = sorted(name for name in run_folders(archive) if text and text in name)
    exact = [name for name in fitting if name.removesuffix(UNFINISHED).endswith(text)]
    if len(exact or fitting) == 1:
        return archive / (exact or fitting)[0]
    where = address(archive)
    if not fitting:
        raise ArchiveError(
            f"{where} holds no run {text!r}. Next: oairunbook archive list --archive {shlex.quote(where)}"
        )
    named = ", ".join(fitting[:5])
    raise ArchiveError(f"{text!r} is in the names of {len(fitting)} runs of {where}: {named}. Name one of them.")


def _newest_folder(archive: Path, entry: Entry) -> Path:
    """Where the run of the last line lies; a crash may have left it without its name."""
    if len(places_of(archive, entry.run)) > 1:
        # It is an older run, and whoever asks for the newest one would take it for that.
        raise ArchiveError(
            f"The newest line of {address(archive)} names a run that was archived before, {entry.run}: somebody has repeated it. "
            f"Next: oairunbook archive verify --archive {shlex.quote(address(archive))}, or name the run that you mean."
        )
    folder, unnamed = archive / entry.run, archive / (entry.run + UNFINISHED)
    if os.path.lexists(folder):
        return folder
    if not unnamed.is_symlink() and pending(archive, entry):
        return unnamed
    if url_of(archive):
        # It is yet to be fetched.
        return folder
    raise ArchiveError(
        f"The newest run of {archive}, {entry.run}, is gone: the chain names it, and its folder is not there. "
        f"Next: oairunbook archive verify --archive {shlex.quote(str(archive))}, or name an older run."
    )


def run_folder_of(archive: Path, text: str) -> Path:
    """As `find_run`, but a folder is taken as it is: also that of a run which was killed before it had a manifest.

    Raises:
        ArchiveError: As `find_run`.
        OSError: As `find_run`.
    """
    return _own(Path(text)) if Path(text).is_dir() else find_run(archive, text)


def _own(folder: Path) -> Path:
    """The folder of a run, if no link leads to it from the place of a run in an archive: what is behind one is no record of that archive.

    Raises:
        ArchiveError: It is behind a link.
    """
    parts = folder.absolute().parts
    archive, run = Path(*parts[:-4]), "/".join(parts[-4:])
    if is_run_name(run) and os.path.lexists(archive / CHAIN) and behind_a_link(archive, run):
        raise ArchiveError(
            f"{folder} lies behind a link, and in no folder of the archive {archive}: what is there is no record of it. "
            f"Next: oairunbook archive verify --archive {shlex.quote(str(archive))}"
        )
    return folder
