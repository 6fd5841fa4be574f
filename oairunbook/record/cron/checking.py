"""The check of one turn, in a process of its own."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from oairunbook.evidence import Evidence, load_evidence
from oairunbook.output import EXIT_INCONCLUSIVE, EXIT_INTERRUPTED, EXIT_TOOL_FAILED
from oairunbook.record.cron.within import run_within
from oairunbook.record.scratch import scratch
from oairunbook.redaction import Secrets
from oairunbook.verdict import Verdict, load_verdict

_LONGEST_ERROR = 300
_MOST_ERROR_BYTES = 1 << 20


class CheckEndedError(Exception):
    """The check gave no verdict."""

    def __init__(self, exit_status: int, text: str) -> None:
        super().__init__(text)
        self.exit_status = exit_status


def checked(
    archive: Path,
    options: Sequence[str],
    environment: Mapping[str, str],
    *,
    seconds: float,
    interrupted: threading.Event,
) -> tuple[Evidence, Verdict, int]:
    """What `oairunbook check` with these options saw, its verdict and its exit status.

    In a process of its own it can be ended in time, and it sees the environment that the notebooks will see.

    Raises:
        CheckEndedError: It gave no verdict.
    """
    with scratch() as folder:
        file = folder / "check.json"
        command = [sys.executable, "-P", "-m", "oairunbook.cli", "check", "-q", "--archive", str(archive)]
        said = folder / "errors"
        with said.open("xb") as errors:
            status = run_within(
                [*command, "--json", str(file), *options],
                seconds=seconds,
                interrupted=interrupted,
                environment=environment,
                errors=errors,
            )
        if status is None and interrupted.is_set():
            raise CheckEndedError(EXIT_INTERRUPTED, "interrupted while the check was under way")
        if status is None:
            raise CheckEndedError(EXIT_TOOL_FAILED, f"the check did not end within {seconds:g} s")
        if status not in (0, 1, EXIT_INCONCLUSIVE):
            with said.open("rb") as errors:
                errors.seek(max(0, errors.seek(0, os.SEEK_END) - _MOST_ERROR_BYTES))
                text = errors.read().decode("utf-8", "replace").strip()
            told = Secrets.from_environment(environment).with_urls(*options).redact_text(text)
            raise CheckEndedError(status, f"the check ended with status {status}: {told[-_LONGEST_ERROR:]}")
        if not file.exists():
            # Python itself ends with 1 where it cannot start, and a sitecustomize may end it with any status.
            raise CheckEndedError(EXIT_TOOL_FAILED, f"the check ended with status {status} and told nothing")
        document = json.loads(file.read_bytes())
    return (
        load_evidence(json.dumps(document["evidence"])),
        load_verdict(json.dumps(document["verdict"])),
        status,
    )
