"""An archive over time, by queries on its index: when each verdict began and ended, how often faults hit, how long the steps took."""

from __future__ import annotations

from typing import Any

from oairunbook.record.archive.about import STEPS
from oairunbook.record.archive.index import Index, Wanted
from oairunbook.records import dataclass

_SERIES = "host, base_url, practice"
_COUNTS = "state = 'whole' AND cause IS NOT NULL"
"""What was broken off says nothing of a path, and a tombstone is no test of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All runs of one path: from one host to one base URL, real or for practice."""

    host: str
    base_url: str
    practice: str | None
    runs: int
    faults: int
    """Runs with a named fault."""

    first: str
    last: str
    """When the first and the last run began."""

    cause: str
    """Of the last run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Runs of one path that followed each other with the same cause."""

    host: str
    base_url: str
    practice: str | None
    owner: str
    cause: str
    began: str
    """When the first of these runs began: the change lies between the run before and this one."""

    ended: str | None
    """When the first run with another cause began; None if there is none yet."""

    runs: int
    run: str
    """Name of the first of these runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often a fault that comes and goes hit one path."""

    host: str
    base_url: str
    practice: str | None
    cause: str
    runs: int
    failed: int
    tried: int
    """Attempts of these runs together."""

    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds of the steps of healthy runs."""

    every: int
    """1 if all runs are in it; 3 if about one in three is."""

    runs: int
    """How many healthy runs there are."""

    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    """When each run began, and its seconds in the order of `STEPS`."""


def series(index: Index, wanted: Wanted) -> tuple[Series, ...]:
    """The paths, those with most faults first."""
    where, values = wanted.where()
    rows = index.query(
        f"""
        WITH paths AS (
            SELECT {_SERIES}, count(*) AS number, total(cause NOT IN ('ok', 'unknown')) AS faults,
                   min(started_at) AS first, max(started_at) AS last, max(sequence) AS newest
            FROM runs WHERE {_COUNTS} AND {where} GROUP BY {_SERIES}
        )
        SELECT paths.host, paths.base_url, paths.practice, number, faults, first, last, runs.cause
        FROM paths JOIN runs ON runs.sequence = newest ORDER BY faults DESC, number DESC, 1, 2, 3
        """,  # noqa: S608 - constants and the marks of the values
        values,
    )
    return tuple(
        Series(
            host=host or "",
            base_url=url or "",
            practice=practice,
            runs=runs,
            faults=int(faults),
            first=first,
            last=last,
            cause=cause,
        )
        for host, url, practice, runs, faults, first, last, cause in rows
    )


def periods(index: Index, wanted: Wanted) -> tuple[Period, ...]:
    """The periods of every path, in the order in which they began."""
    where, values = wanted.where()
    rows = index.query(
        # One window over few columns: of 100,000 runs each further pass, and each text that it carries, takes as long again.
        f"""
        WITH told AS (
            SELECT sequence AS place, cause AS now, lag(cause) OVER path AS before, lead(sequence) OVER path AS after, row_number() OVER path AS number
            FROM runs WHERE {_COUNTS} AND {where} WINDOW path AS (PARTITION BY {_SERIES} ORDER BY sequence)
        )
        SELECT {_SERIES}, sequence, owner, cause, started_at, run, number, before IS NOT now, after IS NULL
        FROM told JOIN runs ON sequence = place WHERE before IS NOT now OR after IS NULL ORDER BY {_SERIES}, sequence
        """,  # noqa: S608 - constants and the marks of the values
        values,
    )
    found: list[tuple[int, Period]] = []
    begun: tuple[Any, ...] = ()
    for row in rows:
        began, number, begins, last = row[6], row[8], row[9], row[10]
        if begins and begun:
            found.append(_period(begun, ended=began, until=number))
        if begins:
            begun = row
        if last:
            found.append(_period(begun, ended=None, until=number + 1))
            begun = ()
    return tuple(period for _, period in sorted(found, key=lambda one: one[0]))


def _period(begun: tuple[Any, ...], *, ended: str | None, until: int) -> tuple[int, Period]:
    """The period that began with this row, and the place of that row in the chain."""
    host, url, practice, sequence, owner, cause, began, run, number, *_ = begun
    return sequence, Period(
        host=host or "",
        base_url=url or "",
        practice=practice,
        owner=owner or "",
        cause=cause,
        began=began,
        ended=ended,
        runs=until - number,
        run=run,
    )


def rates(index: Index, wanted: Wanted) -> tuple[Rate, ...]:
    """The faults that came and went, the most attempts that failed first."""
    where, values = wanted.where()
    rows = index.query(
        f"""
        SELECT {_SERIES}, cause, count(*), sum(failed), sum(tried), min(started_at), max(started_at)
        FROM runs WHERE {_COUNTS} AND pattern = 'intermittent' AND failed > 0 AND tried >= failed AND {where}
        GROUP BY {_SERIES}, cause ORDER BY 6 DESC, 1, 2, 3
        """,  # noqa: S608 - constants and the marks of the values
        values,
    )
    return tuple(
        Rate(
            host=host or "",
            base_url=url or "",
            practice=practice,
            cause=cause,
            runs=runs,
            failed=failed,
            tried=tried,
            first=first,
            last=last,
        )
        for host, url, practice, cause, runs, failed, tried, first, last in rows
    )


def timings(index: Index, wanted: Wanted, *, most: int) -> Timings:
    """The steps of healthy runs; of more than *most* runs about one in so many is taken."""
    where, values = wanted.where()
    healthy = f"FROM runs WHERE {_COUNTS} AND cause = 'ok' AND {where}"
    [[count]] = index.query(f"SELECT count(*) {healthy}", values)
    every = max(1, -(-count // most))
    steps = ", ".join(f"{step}_seconds" for step in STEPS)
    # By a hash of its place (multiplicative, by the golden ratio): hosts that take turns would all but one be passed over by every so many-th.
    taken = f"sequence * 2654435769 % {1 << 32} < {(1 << 32) // every}"
    rows = index.query(f"SELECT started_at, {steps} {healthy} AND {taken} ORDER BY sequence", values)
    return Timings(every=every, runs=count, rows=tuple((row[0], tuple(row[1:])) for row in rows))
