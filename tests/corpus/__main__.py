"""`python -m tests.corpus`: how often owner and cause are right, on both halves, and the misses with what was said instead."""

from __future__ import annotations

import sys

from oairunbook.diagnose import diagnose
from oairunbook.read import read
from oairunbook.runtime import this_runtime
from oairunbook.verdict import Verdict
from tests.corpus import Case, cases


def judge(case: Case) -> Verdict:
    """The verdict on one case, with no variable of this machine."""
    known = dict(case.known)
    evidence = read(
        case.text, this_runtime({}), environment={}, base_url=known.get("base_url", ""), status=known.get("status", 0)
    )
    return diagnose(evidence)


def main() -> int:
    """Print figures and misses; `--seen` leaves the measured half's misses out, so that nobody writes rules on them."""
    judged = [(case, judge(case)) for case in cases()]
    for name, measured in (("rules were written on", False), ("only measured", True)):
        half = [(case, verdict) for case, verdict in judged if case.measured is measured]
        owners = sum(case.owner == verdict.owner for case, verdict in half)
        causes = sum(case.cause == verdict.cause for case, verdict in half)
        wrong = [case.id for case, verdict in half if verdict.certainty == "proven" and case.cause != verdict.cause]
        print(
            f"{name}: {len(half)} cases, owner {owners} ({owners / len(half):.0%}), cause {causes} ({causes / len(half):.0%}), wrongly proven {wrong}"
        )
        if measured and "--seen" in sys.argv:
            continue
        for case, verdict in half:
            if (case.owner, case.cause) != (verdict.owner, verdict.cause):
                print(
                    f"  {case.id}: {case.owner} {case.cause}, and not {verdict.owner} {verdict.cause} ({verdict.certainty}) [{case.group}]"
                )
                if "-v" in sys.argv:
                    print(f"      {verdict.summary[:300]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
