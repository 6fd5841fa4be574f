"""One archived run for people and programs, also one that was broken off."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oairunbook.evidence import EvidenceError, to_document
from oairunbook.record.archive.chain import CHAIN, MANIFEST, UNFINISHED, ArchiveError, Entry, lines_of, sha256
from oairunbook.record.archive.draft import is_running
from oairunbook.record.archive.held import hashes_in
from oairunbook.record.archive.mirror import address, mirror_of
from oairunbook.record.archive.row import document
from oairunbook.record.archive.walk import Problem, compare_files, repeated
from oairunbook.record.files import read_kept
from oairunbook.record.table import verdict_text
from oairunbook.records import dataclass
from oairunbook.verdict import Verdict, load_verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is in the run's folder."""

    folder: Path
    state: str
    """`whole`, `partial`, `killed` or `running`; `waiting` until it can be put on object storage."""

    manifest: dict[str, Any]
    verdict: Verdict | None
    notebooks: tuple[tuple[str, str, str], ...]
    """Name, state and problem of each executed notebook that is there."""

    problems: tuple[Problem, ...]
    """What is not as it was archived; of an unfinished run nothing is known."""

    def document(self) -> dict[str, Any]:
        """The run for programs."""
        return {
            "run": address(self.folder),
            "state": self.state,
            "problems": [asdict(problem) for problem in self.problems],
            "manifest": self.manifest,
            "verdict": to_document(self.verdict),
            "notebooks": [{"name": name, "state": state, "problem": text} for name, state, text in self.notebooks],
        }


def read_run(folder: Path) -> Shown:
    """Read a run's folder.

    Raises:
        OSError: It cannot be read.
        ValueError: Its manifest is none.
    """
    data = read_kept(folder / MANIFEST)
    manifest = json.loads(data)
    if not isinstance(manifest, dict):
        raise ValueError(f"its {MANIFEST} is no manifest")
    unfinished = folder.name.endswith(UNFINISHED)
    files = manifest.get("files")
    state = str(manifest.get("state"))
    if unfinished:
        waits = isinstance(files, dict) and mirror_of(folder) is not None
        state = "running" if is_running(folder) else "waiting" if waits else "killed"
    return Shown(
        folder=folder,
        state=state,
        manifest=manifest,
        verdict=_verdict(folder),
        notebooks=tuple(_notebook(path) for path in sorted(folder.glob("*.ipynb"))),
        problems=problems_of(folder),
    )


def problems_of(folder: Path, of: Collection[str] | None = None) -> tuple[Problem, ...]:
    """What of a run is not as it was archived: its files by its manifest, and that by the chain, if the run still lies in an archive.

    Args:
        folder: Of the run; of one that was broken off nothing is known.
        of: The files that are asked about, beside the manifest and the run as a whole; None for all. JupyterLab adds some to what it opens.

    Raises:
        OSError: It cannot be read.
    """
    manifest = read_kept(folder / MANIFEST) if os.path.lexists(folder / MANIFEST) else None
    problems = []
    lines: list[Entry] | None = None
    try:
        archive = folder.resolve().parents[3]
        # One that was entered and has not got its name yet is known by the one that it will get.
        lines = lines_of(archive, str(folder.resolve().relative_to(archive)).removesuffix(UNFINISHED))
    except (FileNotFoundError, IndexError):
        # It was handed over by itself: there is no chain to ask.
        if manifest is None:
            return ()
    except ArchiveError as error:
        problems.append(Problem(path=CHAIN, what=str(error)))
    if folder.name.endswith(UNFINISHED) and not lines:
        return ()
    if lines is not None:
        if not lines:
            problems.append(Problem(path=folder.name, what="was inserted: no line of the chain names it"))
        elif sha256(manifest or b"") != lines[0].manifest_sha256:
            problems.append(Problem(path=f"{folder.name}/{MANIFEST}", what="was changed since the run was archived"))
        if len(lines) > 1:
            problems.append(Problem(path=folder.name, what=repeated(lines[1], lines[0])))
    told = document(manifest or b"").get("files")
    files = told if isinstance(told, dict) else {}
    found = compare_files(folder.name, hashes_in(str(folder)), files)
    return (*problems, *(one for one in found if of is None or one.path.rpartition("/")[2] in of))


def to_text(shown: Shown) -> str:
    """The run for people."""
    about = shown.manifest
    practice = f", PRACTICE against {about['practice']}" if about.get("practice") else ""
    lines = [
        f"run       {address(shown.folder)}",
        f"state     {shown.state}{practice}",
        f"began     {about.get('started_at')}, ended {about.get('finished_at')}, on {about.get('host')}",
        f"route     {about.get('route')}: {about.get('base_url')}, model {about.get('model') or 'none named'}",
    ]
    if about.get("kind") == "prune":
        lines[-1] = f"pruned    {about.get('removed')} runs that began before {about.get('before')}"
    fleet = about.get("fleet")
    if isinstance(fleet, dict):
        lines[-1] = f"fleet     {fleet.get('told')}"
    fix = about.get("verify")
    if isinstance(fix, dict):
        failing = fix.get("failing")
        lines += [
            f"fix of    {failing.get('run') if isinstance(failing, dict) else failing}",
            f"          {fix.get('statement')}",
        ]
    lines += [f"notebook  {name}: {state}{': ' * bool(text)}{text}" for name, state, text in shown.notebooks]
    if about.get("sequence"):
        previous = about.get("previous")
        before = previous.get("run") if isinstance(previous, dict) else None
        lines.append(f"chain     number {about['sequence']}, after {before or 'none'}")
        lines.append(f"signed    {'by key ' + str(about['signed_by']) if about.get('signed_by') else 'no'}")
    lines += [f"PROBLEM   {problem.path}: {problem.what}" for problem in shown.problems]
    return "\n".join(lines) + "\n" + (f"\n{verdict_text(shown.verdict)}" if shown.verdict else "")


def _verdict(folder: Path) -> Verdict | None:
    try:
        return load_verdict(read_kept(folder / "verdict.json"))
    except (OSError, EvidenceError):
        return None


def _notebook(path: Path) -> tuple[str, str, str]:
    try:
        about = json.loads(read_kept(path))["metadata"]["oairunbook"]
        return path.stem, str(about["state"]), str(about["problem"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return path.stem, "unreadable", ""
