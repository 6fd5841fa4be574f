"""Execute one notebook so that its record is true: states of our own, a deadline, and nothing left running.

The notebook runs in a child process and that child's kernel. Whatever either of them starts carries a mark in its environment, and is
ended when the notebook is.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import nbformat

from oairunbook.record.engine import JOURNAL, SNAPSHOT, Job
from oairunbook.record.files import write_whole
from oairunbook.record.runbooks import Value
from oairunbook.record.show import PROOF_MIME, RUN_VARIABLE, VERDICT_MIME
from oairunbook.redaction import Secrets

State = Literal["ok", "failed", "timed_out", "killed", "not_run"]
STATES: tuple[State, ...] = ("ok", "failed", "timed_out", "killed", "not_run")

NOTEBOOK_SCHEMA = "oairunbook.notebook/1"
BANNER_TAG = "oairunbook-state"

_GRACE_SECONDS = 5.0
"""How long a process may take to end by itself before it is killed."""

_POLL_SECONDS = 0.05

_PAPERMILL_STATUS = {
    "ok": "completed",
    "failed": "failed",
    "timed_out": "failed",
    "killed": "failed",
    "not_run": "pending",
}


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

    def counted(self) -> dict[str, int]:
        """How many code cells ended in each state."""
        return {state: n for state in STATES if (n := sum(cell.state == state for cell in self.cells))}


def execute(
    source: Path,
    target: Path,
    *,
    parameters: Mapping[str, Value],
    environment: Mapping[str, str],
    run: str,
    seconds: float,
    cell_seconds: float,
    practice: str | None = None,
    hidden: Mapping[str, str] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Execution:
    """Execute *source* and write the executed notebook to *target*, whole.

    Args:
        source: The notebook; it is only read.
        target: Where the executed notebook goes. It is written however the execution ends.
        parameters: Checked values, see `runbooks.checked`.
        environment: Of the kernel, without the marks that this adds.
        run: Id of the run.
        seconds: Deadline of the whole notebook.
        cell_seconds: Deadline of each cell; rounded up to whole seconds, which is all that nbclient takes.
        practice: The lab's fault, for the metadata.
        hidden: Texts, such as temporary paths, and what stands in their place in the record.
        stopped: Asked again and again; once it is true, the execution ends and what there is is written.
    """
    mark = f"{run}/{source.stem}/{os.getpid()}"
    # A socket's path has room for 108 bytes (unix(7)), and the kernel's are in this folder.
    folder = Path(tempfile.mkdtemp(prefix="oairunbook-", dir="/tmp" if len(tempfile.gettempdir()) > 40 else None))  # noqa: S108
    began = time.monotonic()
    ended: Literal["itself", "deadline", "interrupt"] = "itself"
    try:
        with (folder / "log").open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "oairunbook.record.engine"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**environment, **_private_jupyter(folder), RUN_VARIABLE: run, "OAIRUNBOOK_MARK": mark},
                start_new_session=True,
            )
            try:
                job = Job(
                    source=str(source),
                    folder=str(folder),
                    parameters=dict(parameters),
                    cell_seconds=math.ceil(cell_seconds),
                )
                _hand_over(child, job)
                while child.poll() is None and ended == "itself":
                    if stopped():
                        ended = "interrupt"
                    elif time.monotonic() - began > seconds:
                        ended = "deadline"
                    else:
                        time.sleep(_POLL_SECONDS)
            finally:
                _end(child)
                end_marked(mark)
        journal = list(_read_journal(folder / JOURNAL))
        notebook = _read_snapshot(folder / SNAPSHOT, source)
        told = (folder / "log").read_text("utf-8", "replace")[-2000:]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    secrets = Secrets.from_environment(environment)
    cells = _cell_states(notebook, journal, ended)
    execution = Execution(
        name=source.stem,
        state=_notebook_state(cells, journal, ended),
        seconds=round(time.monotonic() - began, 3),
        cells=cells,
        problem=secrets.redact_text(_problem(journal, ended, seconds, told)),
        verdict=_last(notebook, VERDICT_MIME),
    )
    record = _record(notebook, execution, run, practice)

    def clean(text: str) -> str:
        for private, instead in (hidden or {}).items():
            text = text.replace(private, instead)
        return secrets.redact_text(text)

    record = _walk(record, clean)
    write_whole(target, nbformat.writes(nbformat.from_dict(record)).encode("utf-8") + b"\n")
    return execution


def not_run(name: str) -> Execution:
    """A notebook whose turn did not come."""
    return Execution(name=name, state="not_run", seconds=0.0, cells=(), problem="its turn did not come", verdict=None)


def end_marked(mark: str) -> None:
    """End every process that carries *mark* in the environment it was started with (proc(5)); first politely, then for good."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        last = time.monotonic() + _GRACE_SECONDS
        while (found := marked(mark)) and time.monotonic() < last:
            for pid in found:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)


def marked(mark: str) -> tuple[int, ...]:
    """Processes that carry *mark*; one that has ended and was not collected yet has no environment any more."""
    needle = f"OAIRUNBOOK_MARK={mark}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if needle in environment + b"\0":
                found.append(int(entry.name))
    return tuple(found)


def _hand_over(child: subprocess.Popen[bytes], job: Job) -> None:
    assert child.stdin is not None
    try:
        with child.stdin:
            child.stdin.write(json.dumps(asdict(job)).encode("utf-8"))
    except BrokenPipeError:
        # It has ended already; what it wrote to its log says why.
        pass


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _private_jupyter(folder: Path) -> dict[str, str]:
    """Keep the user's start-up files, kernels and history out of the record, and ours out of the user's folders."""
    return {
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


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


def _cell_states(notebook: Any, journal: list[dict[str, Any]], ended: str) -> tuple[Cell, ...]:
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
            seconds = round(last["seconds"] - begin["seconds"], 3) if last.get("event") == "stopped" else None
        else:
            state, seconds = "ok" if end["ok"] else "failed", round(end["seconds"] - begin["seconds"], 3)
        cells.append(Cell(id=cell.id, state=state, seconds=seconds))
    return tuple(cells)


def _notebook_state(cells: tuple[Cell, ...], journal: list[dict[str, Any]], ended: str) -> State:
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


def _problem(journal: list[dict[str, Any]], ended: str, seconds: float, told: str) -> str:
    last = journal[-1] if journal else {}
    if ended == "deadline":
        return f"not done within {seconds:.0f} s"
    if ended == "interrupt":
        return "interrupted"
    if last.get("event") == "done":
        return ""
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


def _record(notebook: Any, execution: Execution, run: str, practice: str | None) -> Any:
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
        "run": run,
        "practice": practice,
        "state": execution.state,
        "problem": execution.problem,
        "seconds": execution.seconds,
        "cells": [{"id": cell.id, "state": cell.state, "seconds": cell.seconds} for cell in execution.cells],
        "verdict": execution.verdict,
        "proof": _last(notebook, PROOF_MIME),
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
