"""`python -m tests.benchmarks.growth [PART…]`: how what people do grows with how much there is of it.

Parts: `archive` (1, 1,000 and 100,000 runs), `triage` (1 kB to 50 MB), `repeat` (1 to 1,000 attempts: the check, its evidence, judging that
again, the notebook of it). Each line says how often the thing grew tenfold what it takes grew tenfold, between the last two sizes and
without what the smallest takes: 1 is linear, above 1 is worse, 0 does not grow. Small differences between small costs are noise and are not called growth.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from oairunbook import lab
from tests.benchmarks.generated import generate
from tests.benchmarks.measuring import PROGRAM, Cost, as_installed, cost

RUNS = (1, 1_000, 100_000)
KILOBYTES = (1, 10, 100, 1_000, 10_000, 50_000)
ATTEMPTS = (1, 10, 100, 1_000)

Row = list[float]
NOISE = {"s": 0.1, "MB": 5.0, "kB": 1.0}


def exponent(sizes: tuple[int, ...], costs: Row, unit: str) -> str:
    """How the cost grows between the last two sizes, of what is above the cost of the smallest."""
    first, before, last = costs[0], costs[-2] - costs[0], costs[-1] - costs[0]
    if last <= max(NOISE[unit], 0.1 * first):
        return "does not grow"
    before = max(before, NOISE[unit])
    return f"exponent {math.log(last / before) / math.log(sizes[-1] / sizes[-2]):.2f}"


class Table:
    """Lines of one part; each cost is noted as it is measured, and printed when all sizes are there."""

    def __init__(self, title: str, sizes: tuple[int, ...], unit: str):
        self._sizes = sizes
        self._rows: dict[tuple[str, str], Row] = {}
        print(f"\n{title}\n  {'':<40}" + "".join(f"{f'{size:,} {unit}':>16}" for size in sizes), flush=True)

    def note(self, what: str, unit: str, value: float) -> None:
        row = self._rows.setdefault((what, unit), [])
        row.append(value)
        if len(row) == len(self._sizes):
            cells = "".join(f"{f'{one:,.2f} {unit}':>16}" for one in row)
            print(f"  {what:<40}{cells}   {exponent(self._sizes, row, unit)}", flush=True)

    def command(self, what: str, taken: Cost, *, good: tuple[int, ...] = (0,)) -> None:
        """Note seconds and memory of a command; one that failed is no measurement."""
        assert taken.status in good, f"{what}: status {taken.status}\n{taken.output.decode(errors='replace')[-2000:]}"
        self.note(what, "s", taken.seconds)
        self.note(f"{what}, of the processor", "s", taken.cpu_seconds)
        self.note(f"{what}, memory", "MB", taken.megabytes)


def archive(folder: Path) -> None:
    table = Table("archive", RUNS, "runs")
    for runs in RUNS:
        place = folder / f"{runs}"
        place.mkdir()
        generate(place, runs)
        where = ("--archive", str(place))
        table.command("list, index made anew", cost(*PROGRAM, "archive", "list", *where))
        table.command("list", cost(*PROGRAM, "archive", "list", *where))
        table.command("list all as JSON", cost(*PROGRAM, "archive", "list", "--last", "0", "--json", "-", *where))
        table.command("show latest", cost(*PROGRAM, "archive", "show", "latest", *where))
        table.command("verify", cost(*PROGRAM, "archive", "verify", *where))


LINE = (
    "2026-11-25 04:48:43,{0:03d} INFO worker-{1} request {2} took {3} ms, url=https://internal.example.com/jobs/{2}\n"
)
FAILURE = """2026-11-25 04:48:43,{0:03d} ERROR worker-{1} call {2} failed
Traceback (most recent call last):
  File "/srv/app/client.py", line {1}, in call
    return client.chat.completions.create(**arguments)
httpx.ConnectError: [Errno 111] Connection refused
The above exception was the direct cause of the following exception:
openai.APIConnectionError: Connection error.
"""


def log(path: Path, kilobytes: int) -> Path:
    """A log in which every fiftieth entry is a failure, and no two are quite alike."""
    size, number = 0, 0
    with path.open("w") as file:
        file.write(text := FAILURE.format(0, 1, 0))
        while (size := size + len(text)) < kilobytes * 1000:
            number += 1
            form = FAILURE if number % 50 == 0 else LINE
            file.write(text := form.format(number % 1000, number % 17, number, number * 7919 % 60_000))
    return path


def triage(folder: Path) -> None:
    table = Table("triage of a log", KILOBYTES, "kB")
    for kilobytes in KILOBYTES:
        given = log(folder / f"{kilobytes}.log", kilobytes)
        table.command("triage FILE", cost(*PROGRAM, "triage", str(given)), good=(1, 3))
        table.command("triage -", cost(*PROGRAM, "triage", "-", given=str(given)), good=(1, 3))
        record = folder / f"{kilobytes}.json"
        cost(*PROGRAM, "triage", str(given), "--json", str(record))
        table.note("evidence and verdict", "kB", record.stat().st_size / 1000)


def repeat(folder: Path) -> None:
    table = Table("check --repeat, on a healthy path on loopback", ATTEMPTS, "attempts")
    with lab.start("ok") as started:
        environment = {name: value for name, value in started.environment.items() if value is not None}
        # The first of each compiles the modules.
        warm = folder / "warm"
        cost(*PROGRAM, "check", "--model", started.model, "-q", "--json", str(warm), environment=environment)
        cost(*PROGRAM, "run", "02_same_path", "-p", "evidence", str(warm), "--archive", f"{warm}-archive", "-q")
        for attempts in ATTEMPTS:
            record = folder / f"{attempts}.json"
            options = ("--repeat", str(attempts), "--budget", "600", "--model", started.model, "-q")
            taken = cost(*PROGRAM, "check", *options, "--json", str(record), environment=environment)
            table.command("check", taken)
            evidence = json.loads(record.read_text("utf-8"))["evidence"]
            made = max(observation["attempt"] for observation in evidence["observations"])
            assert made == attempts, f"{made} of {attempts} attempts are recorded"
            table.note("evidence and verdict", "kB", record.stat().st_size / 1000)
            table.command("diagnose", cost(*PROGRAM, "diagnose", str(record), environment=environment))
            _notebook(table, folder, record, environment)


def _notebook(table: Table, folder: Path, record: Path, environment: Mapping[str, str]) -> None:
    kept = folder / f"archive-{record.stem}"
    options = ("-p", "evidence", str(record), "--archive", str(kept), "-q")
    table.command(
        "notebook 02_same_path of it", cost(*PROGRAM, "run", "02_same_path", *options, environment=environment)
    )
    (written,) = kept.rglob("02_same_path.ipynb")
    table.note("the executed notebook", "kB", written.stat().st_size / 1000)


PARTS: dict[str, Callable[[Path], None]] = {"archive": archive, "triage": triage, "repeat": repeat}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth", description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; none is all")
    parts = parser.parse_args().parts or [*PARTS]
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with as_installed():
        cost(*PROGRAM, "--help")
        for part in parts:
            with tempfile.TemporaryDirectory(prefix="growth-") as folder:
                PARTS[part](Path(folder))


if __name__ == "__main__":
    main()
