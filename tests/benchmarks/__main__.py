"""`python -m tests.benchmarks [--runs 100000]`: seconds and memory of what people do with a large archive."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.generated import generate

COMMAND = (sys.executable, "-P", "-m", "oairunbook.cli")


def measure(what: str, *arguments: str) -> None:
    """Run one command and print its seconds and the most memory it had."""
    with tempfile.TemporaryFile() as out:
        began = time.monotonic()
        process = subprocess.Popen([*COMMAND, *arguments], stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        out.seek(0)
        lines = out.read().count(b"\n")
    process.returncode = os.waitstatus_to_exitcode(status)
    print(
        f"{what:<44} {seconds:7.2f} s  {usage.ru_maxrss / 1024:6.0f} MB  status {process.returncode}, {lines} lines",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--keep", metavar="DIR", help="make the archive there, and leave it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(given.keep or folder) / "archive"
        if not archive.exists():
            archive.mkdir(parents=True)
            began = time.monotonic()
            generate(archive, given.runs)
            print(f"{given.runs} runs made in {time.monotonic() - began:.1f} s; load {os.getloadavg()[0]:.1f}")
        where = ("--archive", str(archive))
        os.environ["XDG_STATE_HOME"] = str(Path(folder) / "state")
        measure("archive list, index made anew", "archive", "list", *where)
        measure("archive list", "archive", "list", *where)
        measure("archive list --cause tls --host web-3", "archive", "list", "--cause", "tls", "--host", "web-3", *where)
        measure("archive list --last 0 --json -", "archive", "list", "--last", "0", "--json", "-", *where)
        measure("archive show latest", "archive", "show", "latest", *where)
        measure("archive verify", "archive", "verify", *where)
        measure("09_audit, as papermill runs it", "run", "09_audit", "-q", *where)
    print(f"this process itself: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
