"""Record scenarios as cases: python -m tests.cases NAME…

Needs what the scenarios need: root and their programs.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import tests.scenarios  # noqa: F401 - declares them
from tests.cases import RECORDED, small
from tests.neutral import neutral
from tests.world.scenario import SCENARIOS, Answer, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cases", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="+", metavar="NAME", help="scenarios")
    refused = 0
    for name in parser.parse_args().names:
        result = run(SCENARIOS[name], control=False)
        if result.problems or result.checked is None:
            print(f"{name} is not recorded: {'; '.join(result.problems)}", file=sys.stderr)
            refused += 1
            continue
        answer = Answer.of(result.checked)
        document = {
            "answer": {"cause": answer.cause, "owner": answer.owner, "intermittent": answer.intermittent},
            "evidence": small(result.checked.evidence),
        }
        (RECORDED / f"{name}.json").write_text(neutral(_text(document)), "utf-8")
        print(f"{name}: {answer.cause}")
    return 1 if refused else 0


def _text(document: dict[str, Any]) -> str:
    """JSON with one observation a line, so that a change can be read."""
    evidence = document["evidence"]
    observations = ",\n".join(json.dumps(o, ensure_ascii=False) for o in evidence["observations"])
    rest = {key: value for key, value in evidence.items() if key != "observations"}
    head = json.dumps(rest, ensure_ascii=False)[:-1]
    return (
        f'{{"answer": {json.dumps(document["answer"])},\n"evidence": {head}, "observations": [\n{observations}\n]}}}}\n'
    )


if __name__ == "__main__":
    sys.exit(main())
