"""The archive over time: what the notebook 09_audit shows. Reads the archive, sends nothing, decides nothing."""

from __future__ import annotations

import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from oairunbook.record.archive import history
from oairunbook.record.archive.about import STEPS
from oairunbook.record.archive.chain import UNFINISHED, ArchiveError
from oairunbook.record.archive.find import archive_root
from oairunbook.record.archive.history import Period, Rate, Series
from oairunbook.record.archive.index import Wanted, open_index
from oairunbook.record.archive.mirror import address
from oairunbook.record.archive.row import Row
from oairunbook.record.archive.times import moment
from oairunbook.record.archive.verify import Checked, check
from oairunbook.record.show import RUN_VARIABLE
from oairunbook.records import dataclass

__all__ = ["Audit", "Bucket", "StepTimes", "read_audit"]

_MOST_TIMED = 20_000
_BUCKETS = 100
_MOST_FIXES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The runs of one stretch of time."""

    began: datetime
    runs: int
    median: float
    high: float
    """Of 20 runs 19 were no slower (95th percentile, nearest rank)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimes:
    """How long one step took over time."""

    step: str
    runs: int
    median: float
    high: float
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an archive holds, over time."""

    archive: Path
    at: datetime
    wanted: Wanted
    problem: str
    """Why there is nothing to audit; empty if there is."""

    checked: Checked | None = None
    runs: int = 0
    """That are wanted, whatever their cause."""

    series: tuple[Series, ...] = ()
    periods: tuple[Period, ...] = ()
    rates: tuple[Rate, ...] = ()
    steps: tuple[StepTimes, ...] = ()
    timed: int = 0
    every: int = 1
    """The step times are of about one in so many of the *timed* healthy runs."""

    fixes: tuple[Row, ...] = ()
    unfinished: tuple[Row, ...] = ()

    def shown(self, cause: str) -> bool:
        """Whether this cause was asked for: the cause itself, its layer, or any."""
        return not self.wanted.cause or self.wanted.cause in (cause, cause.partition(".")[0])


def read_audit(archive: str = "", since: str = "", host: str = "", cause: str = "") -> Audit:
    """Read an archive; where there is none, that is what the audit says.

    Args:
        archive: Folder; empty for `OAIRUNBOOK_ARCHIVE`, else `./archive`.
        since: Runs that began since: `30d`, or a date; empty for all.
        host: Runs of this host; empty for all.
        cause: Periods and rates of this cause or layer; empty for all. Where a fault ended, another cause tells.

    Raises:
        ValueError: *since* is no time.
        OSError: The archive cannot be read.
    """
    now = datetime.now(UTC)
    root = Path(archive)
    wanted = Wanted(since=moment(since, now) if since else None, host=host)
    asked = Wanted(since=wanted.since, host=host, cause=cause)
    try:
        root = archive_root(archive)
        with open_index(root) as index, ThreadPoolExecutor(1) as beside:
            # While SQLite searches, Python is free.
            checking = beside.submit(check, root, files=False, quick=True)
            timed = history.timings(index, wanted, most=_MOST_TIMED)
            found = Audit(
                archive=root,
                at=now,
                wanted=asked,
                problem="" if index.count() else f"{address(root)} holds no archived run yet.",
                runs=index.count(wanted),
                series=history.series(index, wanted),
                periods=history.periods(index, wanted),
                rates=history.rates(index, asked),
                steps=_step_times(timed.rows),
                timed=timed.runs,
                every=timed.every,
                fixes=tuple(index.runs(Wanted(since=wanted.since, host=host, kind="verify"), last=_MOST_FIXES)),
            )
            checked = checking.result()
            unfinished = [row for row in index.unfinished(checked.unfinished) if not _is_own(row)]
            return replace(
                found,
                checked=replace(checked, unfinished=tuple(row.run for row in unfinished)),
                unfinished=tuple(row for row in unfinished if not host or row.host == host),
            )
    except ArchiveError as error:
        return Audit(archive=root, at=now, wanted=asked, problem=str(error))


def _is_own(row: Row) -> bool:
    """Whether this is the run that shows the audit: it is under way, and not broken off."""
    own = os.environ.get(RUN_VARIABLE)
    return bool(own) and row.state == "running" and f"-{own}-" in row.run.removesuffix(UNFINISHED) + "-"


def _step_times(rows: tuple[tuple[str, tuple[float | None, ...]], ...]) -> tuple[StepTimes, ...]:
    moments = [datetime.fromisoformat(began) for began, _ in rows]
    if not moments:
        return ()
    first, last = min(moments), max(moments)
    width = (last - first) / _BUCKETS
    places = [int((at - first) / width) if width else 0 for at in moments]
    found = []
    for number, step in enumerate(STEPS):
        buckets: dict[int, list[float]] = {}
        for place, (_, seconds) in zip(places, rows, strict=True):
            value = seconds[number]
            if value is not None:
                buckets.setdefault(min(place, _BUCKETS - 1), []).append(value)
        everything = sorted(value for values in buckets.values() for value in values)
        if everything:
            found.append(
                StepTimes(
                    step=step,
                    runs=len(everything),
                    median=statistics.median(everything),
                    high=_high(everything),
                    buckets=tuple(
                        Bucket(
                            began=first + place * width,
                            runs=len(values),
                            median=statistics.median(values),
                            high=_high(sorted(values)),
                        )
                        for place, values in sorted(buckets.items())
                    ),
                )
            )
    return tuple(found)


def _high(ordered: list[float]) -> float:
    """The 95th percentile by nearest rank."""
    return ordered[-(-95 * len(ordered) // 100) - 1]
