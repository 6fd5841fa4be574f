"""What came of one notebook's execution: the true state of every cell, and the record that says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

import nbformat

from oairunbook.record.files import write_whole
from oairunbook.record.show import AUDIT_MIME, FLEET_MIME, PROOF_MIME, VERDICT_MIME
from oairunbook.records import dataclass
from oairunbook.redaction import Secrets

State = Literal["ok", "failed", "timed_out", "killed", "not_run"]
STATES: tuple[State, ...] = ("ok", "failed", "timed_out", "killed", "not_run")

Ended = Literal["itself", "deadline", "interrupt"]
"""What ended the execution: the notebook itself, the deadline of the whole notebook, or somebody who interrupted the run."""

NOTEBOOK_SCHEMA = "oairunbook.notebook/1"
BANNER_TAG = "oairunbook-state"
SNAPSHOT = "notebook.ipynb"
JOURNAL = "journal.jsonl"

_PAPERMILL_STATUS = {
    "ok": "completed",
    "failed": "failed",
    "timed_out": "failed",
    "killed": "failed",
    "not_run": "pending",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One notebook to execute, as the runner hands it to the engine: JSON, one line on standard input."""

    source: str
    target: str
    """Where the executed notebook goes."""

    folder: str
    """Private folder of this execution: journal and snapshot appear there."""

    run: str
    parameters: dict[str, Any]
    seconds: float
    """Deadline of the whole notebook."""

    cell_seconds: int
    practice: str | None = None
    hidden: dict[str, str] = field(default_factory=dict)
    """Texts, such as temporary paths, and what stands in their place in the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One code cell."""

    id: str
    state: State
    seconds: float | None
    """None if it never began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One notebook's execution."""

    name: str
    state: State
    seconds: float
    cells: tuple[Cell, ...]
    problem: str
    """What ended it early, redacted; empty if it ran to its end."""

    verdict: dict[str, Any] | None
    """The last verdict that the notebook displayed."""

    proof: dict[str, Any] | None = None
    """The last proof of a fix that the notebook displayed."""

    audit: dict[str, Any] | None = None
    """The last result of an audit that the notebook displayed."""

    fleet: dict[str, Any] | None = None
    """What the notebook said last of a fleet: how many members are in which state."""

    def counted(self) -> dict[str, int]:
        """How many code cells ended in each state."""
        return {state: n for state in STATES if (n := sum(cell.state == state for cell in self.cells))}


def not_run(name: str) -> Execution:
    """A notebook whose turn did not come."""
    return Execution(name=name, state="not_run", seconds=0.0, cells=(), problem="its turn did not come", verdict=None)


def finish(job: Job, ended: Ended, secrets: Secrets, *, seconds: float, told: str = "") -> Execution:
    """Read journal and snapshot, and write the executed notebook whole; also if it was broken off at any point.

    Args:
        job: What was to be executed.
        ended: What ended it.
        secrets: Values that must not get into the record.
        seconds: How long it took.
        told: What the engine wrote to its log, for when it ended without a word in the journal.
    """
    folder, source = Path(job.folder), Path(job.source)
    journal = list(_read_journal(folder / JOURNAL))
    notebook = _read_snapshot(folder / SNAPSHOT, source)
    cells = _cell_states(notebook, journal, ended, seconds)

    def clean(text: str) -> str:
        for private, instead in job.hidden.items():
            text = text.replace(private, instead)
        return secrets.redact_text(text)

    execution = Execution(
        name=source.stem,
        state=_notebook_state(cells, journal, ended),
        seconds=round(seconds, 3),
        cells=cells,
        problem=clean(_problem(notebook, journal, ended, job.seconds, told)),
        verdict=_last(notebook, VERDICT_MIME),
        proof=_last(notebook, PROOF_MIME),
        audit=_last(notebook, AUDIT_MIME),
        fleet=_last(notebook, FLEET_MIME),
    )
    record = _walk(_record(notebook, execution, job), clean)
    write_whole(Path(job.target), nbformat.writes(nbformat.from_dict(record)).encode("utf-8") + b"\n")
    return execution


def _read_journal(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_bytes().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                # Only the last line can be cut: each is on the disk before the next begins.
                return


def _read_snapshot(path: Path, source: Path) -> Any:
    """The last saved state; the notebook as it stands in the runbook if nothing was saved."""
    return nbformat.read(path if path.exists() else source, as_version=4)


def _cell_states(notebook: Any, journal: list[dict[str, Any]], ended: Ended, whole_seconds: float) -> tuple[Cell, ...]:
    begins = {line["cell"]: line for line in journal if line["event"] == "begin"}
    ends = {line["cell"]: line for line in journal if line["event"] == "end"}
    last = journal[-1] if journal else {}
    ran_out = ended == "deadline" or last.get("reason") == "timed_out"
    cells = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        begin, end = begins.get(cell.id), ends.get(cell.id)
        state: State
        if begin is None:
            state, seconds = "not_run", None
        elif end is None:
            state = "timed_out" if ran_out else "killed"
            until = last["seconds"] if last.get("event") == "stopped" else whole_seconds
            seconds = round(until - begin["seconds"], 3)
        else:
            state, seconds = "ok" if end["ok"] else "failed", round(end["seconds"] - begin["seconds"], 3)
        cells.append(Cell(id=cell.id, state=state, seconds=seconds))
    return tuple(cells)


def _notebook_state(cells: tuple[Cell, ...], journal: list[dict[str, Any]], ended: Ended) -> State:
    worst: tuple[State, ...] = ("failed", "timed_out", "killed")
    for state in worst:
        if any(cell.state == state for cell in cells):
            return state
    last = journal[-1] if journal else {}
    if last.get("event") == "done":
        return "ok" if all(cell.state == "ok" for cell in cells) else "failed"
    if ended == "deadline" or last.get("reason") == "timed_out":
        return "timed_out"
    if last.get("reason") in ("tool_failed", "cell_failed"):
        return "failed"
    return "killed"


def _problem(notebook: Any, journal: list[dict[str, Any]], ended: Ended, seconds: float, told: str) -> str:
    last = journal[-1] if journal else {}
    if ended == "deadline":
        return f"not done within {seconds:.0f} s"
    if ended == "interrupt":
        return "interrupted"
    if last.get("event") == "done":
        # papermill takes sys.exit() in a cell for a good end.
        errors = (out for cell in notebook.cells for out in cell.get("outputs", ()) if out.output_type == "error")
        return next((f"a cell raised {error.ename}: {error.evalue}"[:2000] for error in errors), "")
    if last.get("event") == "stopped":
        return str(last["text"])
    return f"the process that executes the notebook ended without a word: {told.strip() or 'it wrote nothing'}"


def _last(notebook: Any, mime: str) -> dict[str, Any] | None:
    """The last output of that MIME type."""
    bundles = [
        output.data[mime]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if mime in output.get("data", {})
    ]
    return dict(bundles[-1]) if bundles else None


def _record(notebook: Any, execution: Execution, job: Job) -> Any:
    """The executed notebook with its true states, in its metadata and as a banner if it did not run to its end."""
    states = {cell.id: cell for cell in execution.cells}
    for cell in notebook.cells:
        known = states.get(cell.id)
        if known:
            cell.metadata["oairunbook"] = {"state": known.state, "seconds": known.seconds}
            if "papermill" in cell.metadata:
                cell.metadata.papermill["status"] = _PAPERMILL_STATUS[known.state]
                cell.metadata.papermill["exception"] = known.state not in ("ok", "not_run")
        elif "papermill" in cell.metadata and execution.state != "ok":
            cell.metadata.papermill["status"] = "pending"
    if "papermill" in notebook.metadata:
        # papermill keeps the paths as given, and absolute ones name users.
        notebook.metadata.papermill["input_path"] = notebook.metadata.papermill["output_path"] = (
            f"{execution.name}.ipynb"
        )
        notebook.metadata.papermill["exception"] = execution.state != "ok"
    notebook.metadata.pop("widgets", None)
    notebook.metadata["oairunbook"] = {
        "schema": NOTEBOOK_SCHEMA,
        "run": job.run,
        "practice": job.practice,
        "state": execution.state,
        "problem": execution.problem,
        "seconds": execution.seconds,
        "cells": [{"id": cell.id, "state": cell.state, "seconds": cell.seconds} for cell in execution.cells],
        "verdict": execution.verdict,
        "proof": execution.proof,
        "audit": execution.audit,
        "fleet": execution.fleet,
    }
    if execution.state != "ok":
        counted = ", ".join(f"{number} {state}" for state, number in execution.counted().items()) or "none"
        banner = nbformat.v4.new_markdown_cell(
            f"**This notebook did not run to its end: {execution.state}.** Code cells: {counted}. "
            "What stands below a cell that did not end well is missing, not proven."
        )
        banner.metadata["tags"] = [BANNER_TAG]
        notebook.cells.insert(0, banner)
    return notebook


def _walk(item: Any, change: Any) -> Any:
    if isinstance(item, str):
        return change(item)
    if isinstance(item, dict):
        return {key: _walk(value, change) for key, value in item.items()}
    if isinstance(item, list):
        return [_walk(value, change) for value in item]
    return item
