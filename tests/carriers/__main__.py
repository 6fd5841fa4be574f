"""The table of carriers: through each the same two faults of the practice lab, the verdicts, and what was left there.

`python -m tests.carriers [NAME…]`, as root. It ends with 1 if a verdict is another than the fault's, or if anything was left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys

from oairunbook import lab
from tests.carriers import CARRIERS, Carrier, opened

FAULTS = ("tcp.refused", "tls.not_tls")
"""What no trust store is needed for: that of the lab is not in those places."""

SENT = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OAIRUNBOOK_PRACTICE")


def verdict(command: str, fault: str) -> str:
    """The cause that `check --via` names on the lab's path, and how it ended."""
    with lab.start(fault) as running:
        environment = dict(os.environ) | {name: value for name, value in running.environment.items() if value}
        call = [
            sys.executable,
            "-P",
            "-m",
            "oairunbook.cli",
            "check",
            "--json",
            "-",
            "--timeout",
            "2",
            "--budget",
            "10",
        ]
        sends = [word for name in SENT for word in ("--send-env", name)]
        done = subprocess.run(
            [*call, *sends, "--via", command], env=environment, capture_output=True, text=True, check=False
        )
    if not done.stdout:
        return f"status {done.returncode}: {done.stderr.strip()}"
    return str(json.loads(done.stdout)["verdict"]["cause"])


def row(carrier: Carrier) -> tuple[bool, str]:
    """Whether it is as it should be, and its line."""
    reason = carrier.why_not()
    if reason:
        return True, f"{carrier.name:15} not tried: {reason}"
    with contextlib.ExitStack() as stack:
        try:
            place = stack.enter_context(opened(carrier))
        except RuntimeError as error:
            return False, f"{carrier.name:15} no such place could be made: {error}"
        before = place.left()
        seen = tuple(verdict(place.command, fault) for fault in FAULTS)
        after = place.left()
    told = "nothing" if after == before else f"{set(after.splitlines()) ^ set(before.splitlines())}"
    good = seen == FAULTS and after == before
    counted = f"{len(before.splitlines())} entries before, {len(after.splitlines())} after"
    return good, f"{carrier.name:15} {', '.join(seen)}; left: {told} ({counted})\n{'':15} {place.command}"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.carriers", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(one.name for one in CARRIERS)}; all if none"
    )
    names = parser.parse_args().names
    good = True
    for carrier in CARRIERS:
        if not names or carrier.name in names:
            fine, line = row(carrier)
            good = good and fine
            print(line, flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
