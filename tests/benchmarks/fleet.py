"""`python -m tests.benchmarks.fleet`: what it costs to compare a fleet, by how many its members are. Seconds are of this process's own time."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from oairunbook.evidence import Evidence, dumps
from oairunbook.fleet import survey
from oairunbook.record.fleet import as_text, read_fleet
from tests.fleets import fleet, members


def spoiled(one: Evidence) -> bool:
    """A resolver and a region together."""
    return one.route.resolver.name_servers[0].address == "10.0.0.53" and one.runtime.region == "us-east-1"


def timed(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of one turn."""
    began = clock()
    work()
    return clock() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=5000)
    most = parser.parse_args().members
    print(
        f"{'members':>9} {'compare':>9} {'x':>6} {'read, judge, compare':>22} {'x':>6}   (the last two columns on every processor)"
    )
    before = before_read = 0.0
    for number in (most // 16, most // 4, most):
        records = fleet(number, 1, spoiled)
        judged = members(records)
        seconds = min(timed(lambda judged=judged: survey(judged)) for _ in range(3))  # type: ignore[misc]
        with tempfile.TemporaryDirectory() as folder:
            for place, one in enumerate(records):
                Path(folder, f"w-{place}.json").write_text(dumps(one))
            reading = timed(lambda folder=folder: read_fleet([folder]), time.monotonic)  # type: ignore[misc]
        more, more_read = (
            f"{now / then:6.2f}" if then else f"{'':6}" for now, then in ((seconds, before), (reading, before_read))
        )
        print(f"{number:>9} {seconds:>7.3f} s {more} {reading:>20.1f} s {more_read}", flush=True)
        before, before_read = seconds, reading
    print("\n" + "\n".join(as_text(survey(judged)).splitlines()[-12:]))


if __name__ == "__main__":
    main()
