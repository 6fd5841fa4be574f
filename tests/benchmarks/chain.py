"""`python -m tests.benchmarks.chain [--times 5]`: four notebooks of a run beside one `papermill` of an empty notebook.

All take turns, so that what else the machine does hits them alike. Each of the four judges a record and sends nothing, so what is
measured is the cost of fresh engines and kernels, and of the cells.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import nbformat

from oairunbook.record import runbooks, runner
from oairunbook.record.forked.children import nursery
from oairunbook.record.outcome import Execution
from tests.benchmarks.measuring import as_installed
from tests.golden import RECORDS

NOTEBOOKS = ("01_response_evidence", "02_same_path", "07_escalate", "08_verify_fix")
RECORD = RECORDS / "02_same_path-ok.json"


def forked(folder: Path, *, forking: bool) -> None:
    environment = dict(os.environ)
    with nursery(environment) if forking else nullcontext() as forks:

        def execute(source: Path) -> Execution:
            return runner.execute(
                source,
                folder / source.name,
                parameters={"evidence": str(RECORD)},
                environment=environment,
                run="benchmark",
                seconds=120,
                cell_seconds=60,
                nursery=forks,
            )

        done = runner.side_by_side([runbooks.find(name) for name in NOTEBOOKS], execute, lambda: None)
    assert all(execution.state == "ok" for execution in done), done


def papermill(source: Path, folder: Path, *options: str) -> None:
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", *options, str(source), str(folder / source.name)]
    subprocess.run(command, capture_output=True, check=True)


def four_command_lines(folder: Path) -> None:
    for name in NOTEBOOKS:
        papermill(runbooks.find(name), folder, "-p", "evidence", str(RECORD))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.chain", description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--forked-alone", action="store_true", help="only the last way, for its slowest of many")
    given = parser.parse_args()
    times = given.times
    with tempfile.TemporaryDirectory(prefix="chain-") as scratch:
        folder = Path(scratch)
        empty = folder / "empty.ipynb"
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(nbformat.v4.new_notebook(metadata={"kernelspec": kernel}), empty)
        done = folder / "done"
        done.mkdir()
        ways: dict[str, Callable[[], None]] = {
            "papermill of an empty notebook": lambda: papermill(empty, done),
            "the same with --engine oairunbook": lambda: papermill(empty, done, "--engine", "oairunbook"),
            "four notebooks, four papermill commands": lambda: four_command_lines(done),
            "four notebooks of a run, engines started": lambda: forked(done, forking=False),
            "four notebooks of a run, all forked": lambda: forked(done, forking=True),
        }
        if given.forked_alone:
            ways = dict([ways.popitem()])
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        with as_installed():
            for turn in range(1 + times):
                for way, do in ways.items():
                    began = time.monotonic()
                    do()
                    # The first turn compiles the modules and fills the caches.
                    if turn:
                        seconds[way].append(time.monotonic() - began)
    against = statistics.median(seconds[next(iter(seconds))])
    print(f"{times} turns, load {os.getloadavg()[0]:.1f}")
    for way, taken in seconds.items():
        median = statistics.median(taken)
        late = sum(one > median + 2 for one in taken)
        print(
            f"  {way:<44} {median:6.2f} s  {median / against:5.2f} x  slowest {max(taken):6.2f} s, {late} more than 2 s late"
        )


if __name__ == "__main__":
    main()
