"""One run, read to be shown or handed over: what of it the archive vouches for, by the very bytes that are shown."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection
from pathlib import Path

from oairunbook.record.archive.chain import (
    CHAIN,
    MANIFEST,
    UNFINISHED,
    ArchiveError,
    Entry,
    Place,
    is_run_name,
    places_of,
    sha256,
)
from oairunbook.record.archive.held import Hash, hash_of, names_in
from oairunbook.record.archive.row import document
from oairunbook.record.archive.signing import SIGNATURE, lost
from oairunbook.record.archive.walk import Problem, cannot_be_read, compare_files, repeated
from oairunbook.record.files import read_kept
from oairunbook.records import dataclass


class Reading:
    """The files of one run. Each counts as it was when it was read first: somebody may exchange it between that and a check."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hashes: dict[str, Hash] = {}

    def read(self, name: str) -> bytes:
        """One file of the run.

        Raises:
            OSError: As `read_kept`; ESTALE if it is another one than it was when it was read first.
        """
        data = read_kept(self.folder / name)
        self.took(name, data)
        return data

    def took(self, name: str, data: bytes) -> None:
        """This was read of one file. Raises as `read`."""
        if self._hashes.setdefault(name, sha256(data)) != sha256(data):
            raise OSError(errno.ESTALE, "it was changed while it was read", str(self.folder / name))

    def hashes(self, of: Collection[str] | None) -> dict[str, Hash]:
        """Of these files, or of all but manifest and signature: of what was read by that, and of the rest as it is."""
        for name in names_in(str(self.folder)):
            if name not in self._hashes and (of is None or name in of):
                self._hashes[name] = hash_of(f"{self.folder}/{name}")
        return {name: known for name, known in self._hashes.items() if name not in (MANIFEST, SIGNATURE)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """What the archive says of a run that was read."""

    problems: tuple[Problem, ...]
    """What of it is not as it was archived, or that nothing vouches for it."""

    entry: Entry | None
    """Its line of the chain; None if there is none."""

    before: Entry | None
    """The line before that one."""


def vouched(run: Reading, of: Collection[str] | None = None) -> Vouched:
    """Compare a run with its manifest, that with its line of the chain, and that with the lines around it.

    To be called when everything of it has been read that is shown. What no chain names is compared with its own manifest, and told: whoever
    made the one can have made the other. Signatures are for `archive verify`, which is given the keys; that one is there can be seen without.

    Args:
        run: What was read.
        of: The files that are asked about, beside the manifest and the run as a whole; None for all. JupyterLab adds some to what it opens.

    Raises:
        OSError: The run's folder cannot be read.
    """
    name = run.folder.name
    problems: list[Problem] = []
    places: list[Place] | None = None
    try:
        archive = run.folder.resolve().parents[3]
        # One that was entered and has not got its name yet is known by the one that it will get.
        places = places_of(archive, str(run.folder.resolve().relative_to(archive)).removesuffix(UNFINISHED))
    except (FileNotFoundError, NotADirectoryError, IndexError):
        problems.append(Problem(path=CHAIN, what="there is none where this run lies, so nothing vouches for it"))
    except ArchiveError as error:
        problems.append(Problem(path=CHAIN, what=str(error)))
    except OSError as error:
        problems.append(Problem(path=CHAIN, what=f"cannot be read, so nothing vouches for this run: {error.strerror}"))
    place = places[0] if places else None
    try:
        manifest: bytes | None = run.read(MANIFEST)
    except FileNotFoundError:
        manifest = None
        problems.append(Problem(path=f"{name}/{MANIFEST}", what="is missing"))
    except OSError as error:
        manifest = None
        problems.append(Problem(path=f"{name}/{MANIFEST}", what=cannot_be_read(error)))
    about = document(manifest or b"")
    if place:
        problems += _by_the_chain(run.folder, place, manifest, about)
        if len(places or ()) > 1:
            problems.append(Problem(path=name, what=repeated((places or [])[1].entry, place.entry)))
    elif name.endswith(UNFINISHED):
        problems.append(Problem(path=name, what="is unfinished: it stands in no chain, and nothing vouches for it"))
    elif places is not None:
        problems.append(Problem(path=name, what="was inserted: no line of the chain names it"))
    files = about.get("files")
    if isinstance(files, dict):
        asked = files if of is None else {file: files[file] for file in of if file in files}
        problems += compare_files(name, run.hashes(of), asked)
    elif manifest is not None and not name.endswith(UNFINISHED):
        problems.append(Problem(path=f"{name}/{MANIFEST}", what="is no manifest that this version can read"))
    return Vouched(
        problems=tuple(problems), entry=place.entry if place else None, before=place.before if place else None
    )


def vouched_for(path: Path, data: bytes) -> Vouched | None:
    """What the archive says of a record, if its file lies in the place of one of its runs; None of any other file.

    Args:
        path: The file.
        data: What was read of it.

    Raises:
        OSError: The run's folder cannot be read.
    """
    folder = path.resolve().parent
    if not is_run_name("/".join(folder.parts[-4:])) or not any(
        map(os.path.lexists, (folder.parents[3] / CHAIN, folder / MANIFEST))
    ):
        return None
    run = Reading(folder)
    run.took(path.name, data)
    return vouched(run, (path.name,))


def _by_the_chain(folder: Path, place: Place, manifest: bytes | None, about: dict[str, object]) -> list[Problem]:
    """What the line of a run and the lines around it say of its folder and its manifest."""
    name, entry, problems = folder.name, place.entry, []
    if name.endswith(UNFINISHED) and (not place.last or os.path.lexists(str(folder).removesuffix(UNFINISHED))):
        # Whoever enters a run gives the one before its name first, so no crash leaves this.
        problems.append(Problem(path=name, what="is called unfinished, and the chain knows that run as finished"))
    if not place.fits:
        what = f"line {entry.sequence}, of this run, does not fit the lines around it: lines were changed, removed or inserted"
        problems.append(Problem(path=CHAIN, what=what))
    if manifest is None:
        return problems
    if sha256(manifest) != entry.manifest_sha256:
        problems.append(Problem(path=f"{name}/{MANIFEST}", what="was changed since the run was archived"))
        return problems
    if about.get("run") != entry.run:
        problems.append(Problem(path=name, what=f"is a copy of {about.get('run')!s:.200} under another name"))
    previous = about.get("previous")
    known = previous.get("line_sha256") if isinstance(previous, dict) else None
    if known != (place.before.sha256 if place.before else None):
        what = f"was made anew up to line {entry.sequence - 1}: this run knows that line with another hash"
        problems.append(Problem(path=CHAIN, what=what))
    if without := lost(str(folder), about):
        problems.append(Problem(path=name, what=without))
    return problems
