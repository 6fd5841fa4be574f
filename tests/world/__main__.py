"""Run scenarios and print a table: what was expected, what `check` answered, and how long it took.

python -m tests.world [--workers N] [--wire-only] [NAME ...]
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback

import tests.scenarios  # noqa: F401  (declares the scenarios)
from tests.world.namespace import left_over
from tests.world.scenario import SCENARIOS, WORKERS, Result, SideBySide, missing


def _row(result: Result) -> str:
    scenario = result.scenario
    given = result.checked.verdict if result.checked else {}
    control = result.control.cause if result.control else "-"
    return (
        f"{'ok  ' if not result.problems else 'FAIL'} {scenario.name:42} {scenario.cause + ' ' + scenario.owner:46}"
        f" {given.get('cause', '-') + ' ' + given.get('owner', '-') + ' ' + str(given.get('certainty')):54} {control:8}"
        f" {result.setup_seconds:5.2f} {result.checked.ran.seconds if result.checked else 0:6.1f} {result.seconds:6.1f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios, or beginnings of their names; default all")
    parser.add_argument("--workers", type=int, default=WORKERS, help="worlds at a time")
    parser.add_argument("--wire-only", action="store_true", help="prove the faults on the wire, and do not ask check")
    options = parser.parse_args()
    # So that worlds are taken down on SIGTERM as they are on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    chosen = [s for n, s in SCENARIOS.items() if not options.names or n.startswith(tuple(options.names))]
    skipped = {s.name: reason for s in chosen if (reason := missing(s))}
    able = [s for s in chosen if s.name not in skipped]
    begin = time.monotonic()
    failed = 0
    running = SideBySide(able, workers=options.workers, judge=not options.wire_only)
    print(f"     {'scenario':42} {'expected':46} {'answered':54} {'control':8} set-up  check  total, seconds")
    try:
        for scenario in able:
            try:
                result = running.result(scenario.name)
            except Exception:
                failed += 1
                print(f"FAIL {scenario.name}: the world broke\n{traceback.format_exc()}", flush=True)
                continue
            failed += bool(result.problems)
            print(_row(result), flush=True)
            for problem in result.problems:
                print("       " + problem.replace("\n", "\n       "), flush=True)
    finally:
        running.close()
    for name, reason in skipped.items():
        print(f"skip {name}: {reason}")
    print(f"{len(able)} scenarios, {failed} failed, {len(skipped)} skipped, {time.monotonic() - begin:.0f} s")
    for name in left_over():
        print(f"namespace {name} is left over")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
