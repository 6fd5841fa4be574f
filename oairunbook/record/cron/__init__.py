"""One turn of an unattended job: `oairunbook run --cron`.

A check first, which is cheap. Notebooks are run and archived when the verdict has changed, and once a day as a retained proof; in between one
line in the log and the metrics are all. Standard output stays empty unless the verdict has changed, so that cron sends mail only then.
"""

from __future__ import annotations

import dataclasses
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from oairunbook.evidence import Evidence, dumps
from oairunbook.output import EXIT_INCONCLUSIVE, EXIT_INTERRUPTED, EXIT_TOOL_FAILED
from oairunbook.record.archive.chain import UNFINISHED
from oairunbook.record.archive.lock import Patience
from oairunbook.record.archive.mirror import address, url_of
from oairunbook.record.archive.put import put_earlier, waiting
from oairunbook.record.archive.signing import SigningKeyError, load_signer, sign_key_file
from oairunbook.record.cron import notify
from oairunbook.record.cron.checking import CheckEndedError, checked
from oairunbook.record.cron.metrics import write_metrics
from oairunbook.record.cron.state import Job, Remembered, StillRunningError
from oairunbook.record.files import write_whole
from oairunbook.record.run import BrokenOffError, Run
from oairunbook.record.run import run as run_notebooks
from oairunbook.records import dataclass
from oairunbook.verdict import Verdict

DEFAULT_LIMIT_SECONDS = 300.0
_PROOF_EVERY = timedelta(days=1)
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
            under_way = _Turn(job=job, settings=settings, environment=environment, interrupted=interrupted, began=began)
            taken = under_way.take()
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


@dataclasses.dataclass(slots=True, kw_only=True)
class _Turn:
    """A turn under way."""

    job: Job
    settings: Settings
    environment: Mapping[str, str]
    interrupted: threading.Event
    began: float
    """On the monotonic clock."""

    problems: list[str] = dataclasses.field(default_factory=list)
    """What went wrong beside the path itself, for the log."""

    def take(self) -> Turn:
        """Check, archive what is due, tell whoever wants to know of a change, and remember it."""
        before = self.job.recall()
        try:
            evidence, verdict, status = checked(
                self.settings.archive,
                self.settings.options,
                self.environment,
                seconds=self.settings.limit,
                interrupted=self.interrupted,
            )
        except CheckEndedError as ended:
            return Turn(exit_status=ended.exit_status, line=f"no verdict: {ended}")
        now = _now()
        same = before.says_the_same(verdict)
        this = before.after(verdict, now)
        # A first turn that finds the path healthy is no news.
        told = None if same or (not before.cause and verdict.cause == "ok") else before
        ways = [way for way in self._ways() if told is not None or way in before.untold.split()]
        changed_from = told if told is not None else before.before_untold()
        kept: Run | None = None
        if not same or _is_due(before.archived_at, now):
            kept, this = self._kept(evidence, this, now, reserve=bool(ways))
        document = notify.change(
            verdict,
            changed_from,
            host=evidence.runtime.host,
            endpoint=evidence.route.host,
            run=address(kept.path) if kept is not None else "",
            practice=evidence.practice,
        )
        this = this.with_untold([way for way in ways if not self._tells(way, document)], changed_from)
        self.problems += _shortcomings(kept)
        if self.problems or (kept is not None and kept.interrupted):
            status = EXIT_INTERRUPTED if self.interrupted.is_set() else EXIT_TOOL_FAILED
        seconds = self._seconds()
        if not self._measured(evidence, verdict, this, seconds, status):
            status = EXIT_TOOL_FAILED
        if not self._remembered(this):
            status = EXIT_TOOL_FAILED
        line = f"{verdict.owner} {verdict.cause} ({verdict.certainty or 'undecided'}), {'since' if same else 'new,'} {this.since}, {seconds:.1f} s"
        line += f", archived {this.run}" if kept is not None and not kept.waiting else ""
        waits = self._put_earlier() if kept is None and url_of(self.job.archive) else 0
        line += f", {waits} runs wait to be put" if waits else ""
        return Turn(
            exit_status=status,
            line="; ".join((line, *self.problems)),
            evidence=evidence,
            verdict=verdict,
            before=told,
            run=kept.path if kept is not None else None,
        )

    def _seconds(self) -> float:
        return time.monotonic() - self.began

    def _kept(self, evidence: Evidence, this: Remembered, now: str, *, reserve: bool) -> tuple[Run | None, Remembered]:
        """The run in which the verdict was archived, if it was, and what is to be remembered of it. *reserve* leaves time to tell somebody."""
        left = self.settings.limit - self._seconds() - reserve * min(_TELLING_SECONDS, self.settings.limit / 4)
        try:
            kept = self._archive(evidence, left)
            name = str(kept.path.relative_to(self.job.archive.absolute())).removesuffix(UNFINISHED)
        except (BrokenOffError, ValueError, OSError) as error:
            # Whoever has to know of the change is told all the same.
            self.problems.append(str(error))
            # And no day goes by before it is tried again: the next turn archives it.
            return None, replace(this, archived_at="")
        return kept, replace(this, archived_at=now, run=name)

    def _archive(self, evidence: Evidence, seconds: float) -> Run:
        """The notebooks over what the check has just seen."""
        # In the job's own place, under its lock: what a killed turn leaves there, the next one replaces.
        record = self.job.evidence
        write_whole(record, dumps(evidence).encode())
        try:
            return run_notebooks(
                (),
                [*self.settings.given, ("evidence", str(record))],
                archive=str(self.job.archive),
                sign_key=self.settings.sign_key,
                environment=self.environment,
                interrupted=self.interrupted,
                seconds=max(seconds, 1.0),
            )
        finally:
            record.unlink(missing_ok=True)

    def _ways(self) -> list[str]:
        """How somebody is told of a change."""
        ways = [("command", self.settings.on_change), ("webhook", self.environment.get(notify.WEBHOOK_VARIABLE))]
        return [way for way, where in ways if where]

    def _tells(self, way: str, document: Mapping[str, Any]) -> bool:
        """Whether somebody was told in this way."""
        left = max(self.settings.limit - self._seconds(), 1.0)
        if way == "command":
            problem = notify.run_command(
                self.settings.on_change, document, self.environment, seconds=left, interrupted=self.interrupted
            )
        else:
            address_of_webhook = self.environment[notify.WEBHOOK_VARIABLE]
            problem = notify.post(address_of_webhook, document, seconds=left, interrupted=self.interrupted)
        if problem:
            self.problems.append(f"{problem}; the next turn tells it again")
        return not problem

    def _measured(self, evidence: Evidence, verdict: Verdict, this: Remembered, seconds: float, status: int) -> bool:
        """Whether the metrics were written, if they were asked for."""
        if self.settings.metrics is None:
            return True
        try:
            write_metrics(self.settings.metrics, evidence, verdict, this, seconds=seconds, exit_status=status)
        except OSError as error:
            self.problems.append(f"{self.settings.metrics} cannot be written: {error.strerror}")
            return False
        return True

    def _remembered(self, this: Remembered) -> bool:
        """Whether this turn was kept for the next one. Who reads the mail of a full disk wants to know the verdict as well."""
        try:
            self.job.remember(this)
        except OSError as error:
            self.problems.append(f"what this turn saw cannot be kept in {error.filename}: {error.strerror}")
            return False
        return True

    def _put_earlier(self) -> int:
        """What an earlier turn could not put on object storage. Returns how many runs still wait; that stands in the log alone."""
        patience = Patience(self.began + self.settings.limit, self.interrupted.is_set)
        try:
            signer = load_signer(sign_key_file(self.settings.sign_key, self.environment))
        except SigningKeyError:
            return len(waiting(self.job.archive))
        return put_earlier(self.job.archive, signer, patience)


def _shortcomings(kept: Run | None) -> list[str]:
    """What is missing of a run that was archived."""
    if kept is None:
        return []
    return [
        *([kept.waiting] if kept.waiting else []),
        *([] if kept.whole else ["a notebook did not run to its end"]),
    ]


def _is_due(archived_at: str, now: str) -> bool:
    """Whether the last proof is a day old; one of the future was made by another clock, and is none."""
    if not archived_at:
        return True
    return not timedelta(0) <= datetime.fromisoformat(now) - datetime.fromisoformat(archived_at) < _PROOF_EVERY


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
