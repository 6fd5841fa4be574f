"""`python -m tests.crashes [--runs 200]`: runs killed at random moments, and what they leave. Needs root for the full disk.

Each run executes three notebooks on pasted evidence, the last two of them side by side. At a random moment the tool, an engine or a kernel
is killed, the tool is asked to end, or the disk of the archive is full. Afterwards nothing may run on, every record is whole or plainly
partial, and the archive verifies.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from oairunbook.record.archive import MANIFEST, UNFINISHED, check
from oairunbook.record.archive.draft import is_running
from oairunbook.record.archive.folders import run_folders

KINDS = ("tool", "ask", "engine", "kernel", "nursery", "disk")
"""SIGKILL of the tool, SIGTERM to the tool, SIGKILL of one of its engines or kernels or of what forks them, a full disk."""

NOTEBOOKS = ("01_response_evidence", "02_same_path", "07_escalate")
COMMAND = (sys.executable, "-P", "-m", "oairunbook.cli", "run", *NOTEBOOKS, "-q")
PASTED = ("-p", "status", "401", "-p", "body", '{"error": {"message": "no", "code": "invalid_api_key"}}')
STATUSES = {
    "tool": (-9, 1),
    "ask": (130, -15, -2, 1),
    "engine": (4, 1),
    "kernel": (4, 1),
    "nursery": (1,),
    "disk": (4, 2, 1),
}
"""How the tool may end; 1 where the moment came too late, and the run ended as if nothing had been; -15 where it came before it listened,
-2 where Python was already on its way out: it then ends by SIGINT, which a shell calls 130."""

_MARK = "OAIRUNBOOK_CRASH_TEST"
_ENOUGH_SECONDS = 300.0
"""A run takes a few; on a machine that does much else it takes longer, and that is no fault of the run."""

_WHOLE_RUN_BYTES = 450_000


def crash(archive: Path, kind: str, moment: float, number: int = 0) -> tuple[int, list[str]]:
    """One run that is hit by *kind* after *moment* seconds (of a full disk: with so many bytes left). Gives its status, and what is wrong."""
    mark = f"{os.getpid()}-{number}"
    with tempfile.TemporaryDirectory(prefix="c-", dir="/tmp") as private:
        tool = subprocess.Popen(
            [*COMMAND, *PASTED, "--archive", str(archive)],
            env={**os.environ, _MARK: mark, "TMPDIR": private},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if kind != "disk":
            _hit(tool, kind, mark, moment)
        try:
            tool.wait(_ENOUGH_SECONDS)
        except subprocess.TimeoutExpired:
            tool.kill()
            tool.wait()
            return tool.returncode, [f"{kind}: the tool did not end"]
        left = _gone(mark)
        wrong = [f"{kind} after {moment:.2f}: still running: {line}" for line in left]
        if tool.returncode not in STATUSES[kind]:
            wrong.append(f"{kind} after {moment:.2f}: status {tool.returncode}")
        return tool.returncode, wrong


def _hit(tool: subprocess.Popen[bytes], kind: str, mark: str, moment: float) -> None:
    name = {"engine": "runbook-engine", "kernel": "runbook-kernel", "nursery": "runbook-nursery"}.get(kind)
    if name is None:
        time.sleep(moment)
        tool.send_signal(signal.SIGKILL if kind == "tool" else signal.SIGTERM)
        return
    last = time.monotonic() + _ENOUGH_SECONDS
    while not (found := _processes(mark, name)) and tool.poll() is None and time.monotonic() < last:
        time.sleep(0.02)
    time.sleep(moment)
    # Between two notebooks there is none: then the next one is hit as it begins.
    while not (found := _processes(mark, name)) and tool.poll() is None and time.monotonic() < last:
        time.sleep(0.02)
    for pid in found[-1:]:
        # Of two side by side one: the other one has to come to its own end.
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            # It had ended by itself.
            pass


def _processes(mark: str, name: str = "") -> list[int]:
    """Living processes of one run; only those of that name, if one is given (proc(5), comm)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                ours = f"{_MARK}={mark}\0".encode() in (entry / "environ").read_bytes()
                if ours and name in ("", (entry / "comm").read_text().strip()):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _gone(mark: str) -> list[str]:
    """Wait until nothing of this run is left; what is left after a while is told."""
    last = time.monotonic() + 30
    while (found := _processes(mark)) and time.monotonic() < last:
        time.sleep(0.05)
    return [f"{pid}" for pid in found]


def outcomes(archive: Path) -> tuple[Counter[str], list[str]]:
    """What is in the archive, counted, and everything that is neither whole nor plainly partial."""
    counted: Counter[str] = Counter()
    if not archive.is_dir():
        return counted, [f"{archive}: no run has made it"]
    wrong = [f"{problem.path}: {problem.what}" for problem in check(archive).problems]
    for name in run_folders(archive):
        folder = archive / name
        unfinished = name.endswith(UNFINISHED)
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            counted["killed before its manifest"] += 1
            if not unfinished:
                wrong.append(f"{name}: no manifest")
            continue
        if is_running(folder):
            wrong.append(f"{name}: somebody still holds it")
        counted["killed" if unfinished else manifest["state"]] += 1
        wrong += [f"{name}/{text}" for text in _wrong_in(folder, manifest, unfinished=unfinished)]
    return counted, wrong


def _wrong_in(folder: Path, manifest: dict[str, Any], *, unfinished: bool) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            # The rest of a write that was broken off, under a name that no reader takes for a file of the run.
            if not unfinished:
                yield f"{path.name}: half a file in a finished run"
        elif path.suffix in (".json", ".ipynb"):
            try:
                json.loads(path.read_bytes())
            except ValueError:
                yield f"{path.name}: half a file"
    states = {notebook["name"]: notebook["state"] for notebook in manifest.get("notebooks", ())}
    if manifest["state"] == "whole" and (set(states.values()) != {"ok"} or set(states) != set(NOTEBOOKS)):
        yield f"{MANIFEST}: called whole, and its notebooks are {states}"
    for path in sorted(folder.glob("*.ipynb")):
        yield from _wrong_cells(path, states.get(path.stem))


def _wrong_cells(path: Path, told: str | None) -> Iterator[str]:
    """No cell that never ran may be called done, and none that ran to its end be called anything else."""
    notebook = nbformat.read(path, as_version=4)
    about = notebook.metadata.oairunbook
    if told is not None and about.state != told:
        yield f"{path.name}: {about.state}, and the manifest says {told}"
    states = {cell.id: cell.state for cell in about.cells}
    for cell in notebook.cells:
        state = states.get(cell.get("id", ""))
        ran = cell.get("execution_count") is not None or bool(cell.get("outputs"))
        if state == "not_run" and ran:
            yield f"{path.name}: cell {cell.id} ran, and is called not run"
        if state == "ok" and not ran and cell.metadata.get("papermill", {}).get("start_time") is None:
            yield f"{path.name}: cell {cell.id} never ran, and is called ok"
    if about.state == "ok" and set(states.values()) != {"ok"}:
        yield f"{path.name}: called ok, and its cells are {set(states.values())}"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own with room for a few runs (tmpfs(5)); needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "oairunbook-crash-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def crash_on_full_disk(folder: Path, room: int, number: int = 0) -> tuple[Counter[str], list[str]]:
    """A whole run, one with only so many bytes left on the disk, and a whole one when there is room again."""
    archive = folder / "archive"
    with small_disk(folder):
        wrong = []
        for bytes_left in (None, room, None):
            filler = folder / "filler"
            if bytes_left is not None:
                free = shutil.disk_usage(folder).free
                with filler.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, max(1, free - bytes_left))
            status, found = crash(archive, "disk", bytes_left or 0, number)
            filler.unlink(missing_ok=True)
            wrong += found
            if bytes_left is None and status != 1:
                wrong.append(f"disk with room: status {status}")
        counted, found = outcomes(archive)
    return counted, wrong + found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--at-once", type=int, default=2)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    kinds = [kind for kind in KINDS if kind != "disk" or os.geteuid() == 0]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="oairunbook-crashes-") as name:
        folder = Path(name)
        first = time.monotonic()
        crash(folder / "archive", "disk", 0)
        whole = time.monotonic() - first
        print(f"seed {seed}; a run that nobody hits takes {whole:.1f} s", flush=True)

        def one(number: int, kind: str, share: float) -> tuple[str, Counter[str], list[str]]:
            if kind == "disk":
                counted, wrong = crash_on_full_disk(folder / f"disk{number}", int(share * _WHOLE_RUN_BYTES), number)
                return kind, counted, wrong
            moment = share * whole * (1.1 if kind in ("tool", "ask") else 0.4)
            status, wrong = crash(folder / "archive", kind, moment, number)
            return kind, Counter({f"status {status}": 1}), wrong

        plan = [(number, kinds[number % len(kinds)], chance.random()) for number in range(1, given.runs + 1)]
        wrong: list[str] = []
        told: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
        with ThreadPoolExecutor(given.at_once) as pool:
            for kind, counted, found in pool.map(lambda item: one(*item), plan):
                told[kind] += counted
                wrong += found
        counted, found = outcomes(folder / "archive")
        wrong += found
        chain = check(folder / "archive")
    for kind in kinds:
        print(f"{kind:<8} {sum(k == kind for _, k, _ in plan):4} hit: {_counts(told[kind])}")
    print(f"archive  {_counts(counted)}; {'intact' if chain.intact else 'NOT intact'}, {chain.runs} runs in the chain")
    print(f"{given.runs} runs hit, {len(wrong)} wrong, {time.monotonic() - began:.0f} s")
    for line in wrong[:50]:
        print(f"  {line}")
    return int(bool(wrong))


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(counted.items())) or "none"


if __name__ == "__main__":
    sys.exit(main())
