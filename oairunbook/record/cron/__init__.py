"""One turn of an unattended job: `oairunbook run --cron`.

A check first, which is cheap. Notebooks are run and archived when the verdict has changed, and once a day as a retained proof; in between one
line in the log and the metrics are all. Standard output stays empty unless the verdict has changed, so that cron sends mail only then.
"""

from __future__ import annotations

import json
import os
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from oairunbook.evidence import Evidence, dumps, load_evidence
from oairunbook.output import EXIT_INCONCLUSIVE, EXIT_INTERRUPTED, EXIT_TOOL_FAILED
from oairunbook.record.archive.chain import UNFINISHED
from oairunbook.record.archive.lock import Patience
from oairunbook.record.archive.mirror import address, url_of
from oairunbook.record.archive.put import put_earlier, waiting
from oairunbook.record.archive.signing import SigningKeyError, load_signer, sign_key_file
from oairunbook.record.cron import notify
from oairunbook.record.cron.metrics import write_metrics
from oairunbook.record.cron.state import Job, Remembered, StillRunningError
from oairunbook.record.cron.within import run_within
from oairunbook.record.files import make_private, write_whole
from oairunbook.record.run import BrokenOffError, Run
from oairunbook.record.run import run as run_notebooks
from oairunbook.record.scratch import scratch
from oairunbook.records import dataclass
from oairunbook.redaction import Secrets
from oairunbook.verdict import Verdict, load_verdict

DEFAULT_LIMIT_SECONDS = 300.0
_PROOF_EVERY = timedelta(days=1)
_LONGEST_ERROR = 300
_MOST_ERROR_BYTES = 1 << 20
_TELLING_SECONDS = 10.0
"""Of the limit, kept for those who are to be told of a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one line of a crontab says."""

    archive: Path
    options: tuple[str, ...] = ()
    """Of `oairunbook check`: what is called, from where, and how long it may take."""

    given: tuple[tuple[str, str], ...] = ()
    """What is called and how long it may take, as parameters of the notebooks; they judge what the check saw."""

    sign_key: str = ""
    metrics: Path | None = None
    on_change: str = ""
    jitter: float = 0.0
    """Seconds at most by which the turn begins later, so that a fleet does not ask all at once."""

    limit: float = DEFAULT_LIMIT_SECONDS
    """Seconds for the whole turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What came of it."""

    exit_status: int
    line: str
    """What the log says."""

    evidence: Evidence | None = None
    verdict: Verdict | None = None
    before: Remembered | None = None
    """The turn before, if the verdict has changed since; None if somebody need not be told."""

    run: Path | None = None


class _CheckEndedError(Exception):
    """The check gave no verdict."""

    def __init__(self, exit_status: int, text: str) -> None:
        super().__init__(text)
        self.exit_status = exit_status


def turn(
    settings: Settings,
    environment: Mapping[str, str],
    interrupted: threading.Event,
    sleep: Callable[[float], object] | None = None,
) -> Turn:
    """Take one turn. Whatever comes of it is in the log of the archive.

    Raises:
        OSError: The archive cannot be written.
    """
    (sleep or interrupted.wait)(random.uniform(0.0, settings.jitter))  # noqa: S311 - it spreads load, and hides nothing
    job = Job(settings.archive, settings.options, environment)
    began = time.monotonic()
    try:
        with job.turn():
            taken = _take(job, settings, environment, interrupted, began)
    except StillRunningError as error:
        # Its exit status must not say that the path is healthy: nobody has looked.
        taken = Turn(exit_status=EXIT_INCONCLUSIVE, line=f"skipped: {error}")
    try:
        job.note(f"{_now()} {socket.gethostname()} {taken.line}")
    except OSError as error:
        # What was seen is told all the same.
        line = f"{taken.line}; {job.log} cannot be written: {error.strerror}"
        taken = replace(taken, exit_status=EXIT_TOOL_FAILED, line=line)
    return taken


def _take(
    job: Job, settings: Settings, environment: Mapping[str, str], interrupted: threading.Event, began: float
) -> Turn:
    before = job.recall()
    try:
        evidence, verdict, status = _check(settings, environment, interrupted)
    except _CheckEndedError as ended:
        return Turn(exit_status=ended.exit_status, line=f"no verdict: {ended}")
    now = _now()
    same = before.says_the_same(verdict)
    this = replace(
        before,
        owner=verdict.owner,
        cause=verdict.cause,
        pattern=verdict.pattern or "",
        since=before.since if same else now,
        checked_at=now,
        last_success=now if verdict.cause == "ok" else before.last_success,
    )
    # A first turn that finds the path healthy is no news.
    told = None if same or (not before.cause and verdict.cause == "ok") else before
    ways = [way for way in _ways(settings, environment) if told is not None or way in before.untold.split()]
    changed_from = told if told is not None else before.before_untold()
    problems: list[str] = []
    kept: Run | None = None
    if not same or _is_due(before.archived_at, now):
        left = settings.limit - (time.monotonic() - began) - bool(ways) * min(_TELLING_SECONDS, settings.limit / 4)
        try:
            kept = _archive(job, settings, evidence, environment, interrupted, left)
            name = str(kept.path.relative_to(job.archive.absolute())).removesuffix(UNFINISHED)
            this = replace(this, archived_at=now, run=name)
        except (BrokenOffError, ValueError, OSError) as error:
            # Whoever has to know of the change is told all the same.
            problems.append(str(error))
            # And no day goes by before it is tried again: the next turn archives it.
            this = replace(this, archived_at="")
    document = notify.change(
        verdict,
        changed_from,
        host=evidence.runtime.host,
        endpoint=evidence.route.host,
        run=address(kept.path) if kept is not None else "",
        practice=evidence.practice,
    )
    untold = []
    for way in ways:
        left = max(settings.limit - (time.monotonic() - began), 1.0)
        if problem := _tell(way, settings, environment, document, left, interrupted):
            untold.append(way)
            problems.append(f"{problem}; the next turn tells it again")
    this = this.with_untold(untold, changed_from)
    if kept is not None and kept.waiting:
        problems.append(kept.waiting)
    if kept is not None and not kept.whole:
        problems.append("a notebook did not run to its end")
    if problems or (kept is not None and kept.interrupted):
        status = EXIT_INTERRUPTED if interrupted.is_set() else EXIT_TOOL_FAILED
    seconds = time.monotonic() - began
    if settings.metrics is not None:
        try:
            write_metrics(settings.metrics, evidence, verdict, this, seconds=seconds, exit_status=status)
        except OSError as error:
            problems.append(f"{settings.metrics} cannot be written: {error.strerror}")
            status = EXIT_TOOL_FAILED
    job.remember(this)
    line = f"{verdict.owner} {verdict.cause} ({verdict.certainty or 'undecided'}), {'since' if same else 'new,'} {this.since}, {seconds:.1f} s"
    line += f", archived {this.run}" if kept is not None and not kept.waiting else ""
    patience = Patience(began + settings.limit, interrupted.is_set)
    waits = _put_earlier(job, settings, environment, patience) if kept is None and url_of(job.archive) else 0
    line += f", {waits} runs wait to be put" if waits else ""
    return Turn(
        exit_status=status,
        line="; ".join((line, *problems)),
        evidence=evidence,
        verdict=verdict,
        before=told,
        run=kept.path if kept is not None else None,
    )


def _check(
    settings: Settings, environment: Mapping[str, str], interrupted: threading.Event
) -> tuple[Evidence, Verdict, int]:
    """A check in a process of its own: it can be ended in time, and it sees the environment that the notebooks will see.

    Raises:
        _CheckEndedError: It gave no verdict.
    """
    with scratch() as folder:
        file = folder / "check.json"
        command = [sys.executable, "-P", "-m", "oairunbook.cli", "check", "-q", "--archive", str(settings.archive)]
        said = folder / "errors"
        with said.open("xb") as errors:
            status = run_within(
                [*command, "--json", str(file), *settings.options],
                seconds=settings.limit,
                interrupted=interrupted,
                environment=environment,
                errors=errors,
            )
        if status is None and interrupted.is_set():
            raise _CheckEndedError(EXIT_INTERRUPTED, "interrupted while the check was under way")
        if status is None:
            raise _CheckEndedError(EXIT_TOOL_FAILED, f"the check did not end within {settings.limit:g} s")
        if status not in (0, 1, EXIT_INCONCLUSIVE):
            with said.open("rb") as errors:
                errors.seek(max(0, errors.seek(0, os.SEEK_END) - _MOST_ERROR_BYTES))
                text = errors.read().decode("utf-8", "replace").strip()
            told = Secrets.from_environment(environment).with_urls(*settings.options).redact_text(text)
            raise _CheckEndedError(status, f"the check ended with status {status}: {told[-_LONGEST_ERROR:]}")
        if not file.exists():
            # Python itself ends with 1 where it cannot start, and a sitecustomize may end it with any status.
            raise _CheckEndedError(EXIT_TOOL_FAILED, f"the check ended with status {status} and told nothing")
        document = json.loads(file.read_bytes())
    return (
        load_evidence(json.dumps(document["evidence"])),
        load_verdict(json.dumps(document["verdict"])),
        status,
    )


def _archive(
    job: Job,
    settings: Settings,
    evidence: Evidence,
    environment: Mapping[str, str],
    interrupted: threading.Event,
    seconds: float,
) -> Run:
    """The notebooks over what the check has just seen."""
    make_private(job.archive)
    with tempfile.TemporaryDirectory(prefix=".cron-", dir=job.archive) as folder:
        record = Path(folder) / "evidence.json"
        write_whole(record, dumps(evidence).encode())
        return run_notebooks(
            (),
            [*settings.given, ("evidence", str(record))],
            archive=str(job.archive),
            sign_key=settings.sign_key,
            environment=environment,
            interrupted=interrupted,
            seconds=max(seconds, 1.0),
        )


def _put_earlier(job: Job, settings: Settings, environment: Mapping[str, str], patience: Patience) -> int:
    """What an earlier turn could not put on object storage. Returns how many runs still wait; that stands in the log alone."""
    try:
        return put_earlier(job.archive, load_signer(sign_key_file(settings.sign_key, environment)), patience)
    except SigningKeyError:
        return len(waiting(job.archive))


def _ways(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """How somebody is told of a change."""
    ways = [("command", settings.on_change), ("webhook", environment.get(notify.WEBHOOK_VARIABLE))]
    return [way for way, where in ways if where]


def _tell(
    way: str,
    settings: Settings,
    environment: Mapping[str, str],
    document: Mapping[str, Any],
    seconds: float,
    interrupted: threading.Event,
) -> str:
    """What went wrong, or nothing."""
    if way == "command":
        return notify.run_command(settings.on_change, document, environment, seconds=seconds, interrupted=interrupted)
    return notify.post(environment[notify.WEBHOOK_VARIABLE], document, seconds=seconds, interrupted=interrupted)


def _is_due(archived_at: str, now: str) -> bool:
    """Whether the last proof is a day old; one of the future was made by another clock, and is none."""
    if not archived_at:
        return True
    return not timedelta(0) <= datetime.fromisoformat(now) - datetime.fromisoformat(archived_at) < _PROOF_EVERY


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
