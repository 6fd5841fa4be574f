"""One archived run for people and programs, also one that was broken off."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oairunbook.evidence import EvidenceError, to_document
from oairunbook.output import one_line
from oairunbook.record.archive.chain import MANIFEST, UNFINISHED
from oairunbook.record.archive.draft import is_running
from oairunbook.record.archive.held import names_in
from oairunbook.record.archive.mirror import address, mirror_of
from oairunbook.record.archive.reading import Reading, Vouched, vouched
from oairunbook.record.archive.row import document
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

    vouched: Vouched

    def document(self) -> dict[str, Any]:
        """The run for programs."""
        return {
            "run": address(self.folder),
            "state": self.state,
            "problems": [asdict(problem) for problem in self.vouched.problems],
            "manifest": self.manifest,
            "verdict": to_document(self.verdict),
            "notebooks": [{"name": name, "state": state, "problem": text} for name, state, text in self.notebooks],
        }


def read_run(folder: Path) -> Shown:
    """Read a run's folder.

    Raises:
        OSError: It cannot be read.
    """
    run = Reading(folder)
    try:
        manifest = document(run.read(MANIFEST))
    except OSError:
        # That is told among the problems.
        manifest = {}
    unfinished = folder.name.endswith(UNFINISHED)
    state = str(manifest.get("state", "not known"))
    if unfinished:
        waits = isinstance(manifest.get("files"), dict) and mirror_of(folder) is not None
        state = "running" if is_running(folder) else "waiting" if waits else "killed"
    names = sorted(name for name in names_in(str(folder)) if name.endswith(".ipynb"))
    return Shown(
        folder=folder,
        state=state,
        manifest=manifest,
        verdict=_verdict(run),
        notebooks=tuple(_notebook(run, name) for name in names),
        vouched=vouched(run),
    )


def to_text(shown: Shown) -> str:
    """The run for people."""
    about = shown.manifest
    practice = f", PRACTICE against {about['practice']}" if about.get("practice") else ""
    lines = [
        f"run       {one_line(address(shown.folder))}",
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
    if shown.vouched.entry:
        before = shown.vouched.before
        lines.append(f"chain     number {shown.vouched.entry.sequence}, after {before.run if before else 'none'}")
        by = about.get("signed_by")
        lines.append(f"signed    {f'says that it is signed by key {by}' if by else 'no'}")
    lines += [f"PROBLEM   {one_line(f'{problem.path}: {problem.what}')}" for problem in shown.vouched.problems]
    return "\n".join(lines) + "\n" + (f"\n{verdict_text(shown.verdict)}" if shown.verdict else "")


def _verdict(run: Reading) -> Verdict | None:
    try:
        return load_verdict(run.read("verdict.json"))
    except (OSError, EvidenceError):
        return None


def _notebook(run: Reading, name: str) -> tuple[str, str, str]:
    stem = name.removesuffix(".ipynb")
    try:
        about = json.loads(run.read(name))["metadata"]["oairunbook"]
        return stem, str(about["state"]), str(about["problem"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return stem, "unreadable", ""
