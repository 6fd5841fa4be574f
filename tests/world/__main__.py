"""Run scenarios and print a table: what was expected, what `check` answered, and how long it took.

python -m tests.world [--workers N] [--timeout SECONDS] [--wire-only] [NAME ...]
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import time
import traceback
from dataclasses import replace

from tests.scenarios import NOT_YET
from tests.world.namespace import left_over
from tests.world.scenario import SCENARIOS, WORKERS, Answer, Result, SideBySide, missing


def _shown(answer: Answer) -> str:
    return f"{answer.cause} {answer.owner}{' intermittent' if answer.intermittent else ''}"


def _mark(result: Result) -> str:
    known = result.scenario.name in NOT_YET
    if result.problems:
        return "miss" if known else "FAIL"
    return "NOW " if known else "ok  "


def _row(result: Result) -> str:
    scenario = result.scenario
    given = "-"
    if result.checked:
        given = f"{_shown(Answer.of(result.checked))} {result.checked.verdict['certainty']}"
    control = result.control.cause if result.control else "-"
    return (
        f"{_mark(result)} {scenario.name:46} {_shown(scenario.expected):54} {given:62} {control:8}"
        f" {result.setup_seconds:5.2f} {result.checked.ran.seconds if result.checked else 0:6.1f} {result.seconds:6.1f}"
    )


def _summary(results: list[Result]) -> str:
    """The numbers that this project is measured by."""
    judged = [(r.scenario.expected, Answer.of(r.checked), r.checked) for r in results if r.checked]
    if not judged:
        return "nothing was judged"
    seconds = [checked.ran.seconds for _, _, checked in judged]
    healthy = [given for expected, given, _ in judged if expected.cause == "ok"]
    coming_and_going = [given for expected, given, _ in judged if expected.intermittent]
    proven = [
        c for expected, given, c in judged if c.verdict["certainty"] == "proven" and given.cause != expected.cause
    ]
    return (
        f"of {len(results)}: causes right {sum(given.cause == expected.cause for expected, given, _ in judged)}, "
        f"owners right {sum(given.owner == expected.owner for expected, given, _ in judged)}; "
        f"false alarms {sum(given.cause not in ('ok', 'unknown') for given in healthy)} of {len(healthy)} healthy; "
        f"intermittent recognised {sum(given.intermittent for given in coming_and_going)} of {len(coming_and_going)}; "
        f"wrong 'proven' {len(proven)}; "
        f"check took {statistics.median(seconds):.1f} s in the median, {max(seconds):.1f} s at most"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios, or beginnings of their names; default all")
    parser.add_argument("--workers", type=int, default=WORKERS, help="worlds at a time")
    parser.add_argument(
        "--timeout", metavar="SECONDS", help="of check, for one step: on a busy machine two are too few"
    )
    parser.add_argument("--wire-only", action="store_true", help="prove the faults on the wire, and do not ask check")
    options = parser.parse_args()
    # So that worlds are taken down on SIGTERM as they are on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    chosen = [s for n, s in SCENARIOS.items() if not options.names or n.startswith(tuple(options.names))]
    skipped = {s.name: reason for s in chosen if (reason := missing(s))}
    more = ("--timeout", options.timeout) if options.timeout else ()
    able = [replace(s, options=(*s.options, *more)) for s in chosen if s.name not in skipped]
    begin = time.monotonic()
    failed = 0
    results: list[Result] = []
    running = SideBySide(able, workers=options.workers, judge=not options.wire_only)
    print(f"     {'scenario':46} {'expected':54} {'answered':62} {'control':8} set-up  check  total, seconds")
    try:
        for scenario in able:
            try:
                result = running.result(scenario.name)
            except Exception:
                failed += 1
                print(f"FAIL {scenario.name}: the world broke\n{traceback.format_exc(limit=-2)}", flush=True)
                continue
            results.append(result)
            failed += _mark(result) in ("FAIL", "NOW ") and not options.wire_only
            print(_row(result), flush=True)
            for problem in result.problems:
                print("       " + problem.replace("\n", "\n       "), flush=True)
    finally:
        running.close()
    for name, reason in skipped.items():
        print(f"skip {name}: {reason}")
    print(_summary(results))
    misses = sum(bool(result.problems) for result in results)
    print(
        f"{len(able)} scenarios, {misses} not as declared ({len(NOT_YET)} are known to be), {len(skipped)} skipped,"
        f" {time.monotonic() - begin:.0f} s"
    )
    for name in left_over():
        print(f"namespace {name} is left over")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
