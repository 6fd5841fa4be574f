"""Pictures of an archive over time: the verdicts of each path as a lane, the times of each step as a row. Static, in grey, with words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from oairunbook.record import svg
from oairunbook.record.archive.history import Period, Series
from oairunbook.record.audit import StepTimes
from oairunbook.record.view import View

_TOP = 44
_LEFT, _RIGHT = 250.0, svg.WIDTH - 24.0
_LANE, _BAR = 52, 20
_ROW, _PLOT = 76, 52
_THINNEST = 2.5
"""A fault of one run in a year is still seen."""

_MOST_LANES = 12
_MOST_TOLD = 40
_MOST_TICKS = 6

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_TICKS = (
    *(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30)),
    *(hours * _HOUR for hours in (1, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 7, 14, 28, 56, 91, 182, 364)),
)


def verdicts(series: Sequence[Series], periods: Sequence[Period]) -> View:
    """One lane a path: where it was healthy an open bar, where a fault held a black one, where nothing was decided a dashed one."""
    shown = series[:_MOST_LANES]
    title = "Verdicts over time"
    if not shown:
        return svg.image(
            title, ["No run with a verdict."], [svg.text(16, 48, "No run with a verdict.", width=800)], height=64
        )
    first, last = min(_at(one.first) for one in shown), max(_at(one.last) for one in shown)
    height = _TOP + len(shown) * _LANE + 70
    drawn = _axis(first, last, _TOP + len(shown) * _LANE + 4)
    lines = []
    for place, path in enumerate(shown):
        top = _TOP + place * _LANE
        own = [p for p in periods if (p.host, p.base_url, p.practice) == (path.host, path.base_url, path.practice)]
        drawn += _lane(path, own, top, first, last)
        lines += _lane_in_words(path, own)
    legend = (
        "Black: a fault. Open: healthy. Dashed: not decided. A bar ends where the first run with another verdict began."
    )
    drawn.append(svg.text(16, height - 14, legend, size=12, width=svg.WIDTH - 32))
    if len(series) > len(shown):
        more = f"{len(series) - len(shown)} more paths, with fewer faults, are not drawn."
        drawn.append(svg.text(16, height - 30, more, size=12, width=svg.WIDTH - 32))
        lines.append(more)
    return svg.image(title, lines, drawn, height=height)


def step_times(steps: Sequence[StepTimes], note: str) -> View:
    """One row a step: for each stretch of time the median as a line, and up to the 95th percentile a grey bar."""
    title = "Seconds of each step over time, healthy runs"
    if not steps:
        return svg.image(title, ["No healthy run."], [svg.text(16, 48, "No healthy run.", width=800)], height=64)
    moments = [bucket.began for step in steps for bucket in step.buckets]
    first, last = min(moments), max(moments)
    height = _TOP + len(steps) * _ROW + 50
    drawn = _axis(first, last, _TOP + len(steps) * _ROW)
    lines = [note]
    for place, step in enumerate(steps):
        drawn += _step(step, _TOP + place * _ROW, first, last)
        slowest = max(step.buckets, key=lambda bucket: bucket.median)
        lines.append(
            f"{step.step}: median {step.median:.3f} s, 95 of 100 below {step.high:.3f} s, {number(step.runs)}; "
            f"slowest around {slowest.began:%Y-%m-%d %H:%M} with a median of {slowest.median:.3f} s; "
            f"lately {step.buckets[-1].median:.3f} s."
        )
    legend = f"Line: median. Grey: up to the 95th percentile. Each row has its own scale, from 0. {note}"
    drawn.append(svg.text(16, height - 12, legend, size=12, width=svg.WIDTH - 32))
    return svg.image(title, lines, drawn, height=height)


def _lane(path: Series, periods: list[Period], top: int, first: datetime, last: datetime) -> list[str]:
    middle = top + 15
    drawn = [
        svg.text(
            16, top + 13, f"{path.host}{' (practice)' * bool(path.practice)}", size=13, bold=True, width=_LEFT - 30
        ),
        svg.text(16, top + 29, f"{path.base_url}", size=11, width=_LEFT - 30),
        svg.text(16, top + 41, f"{number(path.runs)}, {path.faults} with a fault", size=11, width=_LEFT - 30),
    ]
    end = _x(_at(path.last), first, last)
    bars: list[tuple[float, float, str, str]] = []
    for period in periods:
        x = _x(_at(period.began), first, last)
        until = max(x + _THINNEST, _x(_at(period.ended), first, last) if period.ended else end)
        kind = period.cause if period.cause in ("ok", "unknown") else "fault"
        # Faults that would stand on one point join; a fault is never hidden by health.
        if bars and bars[-1][2] == kind == "fault" and x <= bars[-1][1] + 0.5:
            bars[-1] = (bars[-1][0], max(bars[-1][1], until), kind, bars[-1][3])
        elif kind == "fault" or until - x > _THINNEST:
            bars.append((x, until, kind, period.cause))
    for x, until, kind, _ in sorted(bars, key=lambda bar: bar[2] == "fault"):
        look = {
            "ok": f'fill="{svg.PAPER}" stroke="{svg.GREY}"',
            "unknown": f'fill="{svg.PAPER}" stroke="{svg.GREY}" stroke-dasharray="4 3"',
        }.get(kind, f'fill="{svg.INK}"')
        drawn.append(f'<rect x="{x:g}" y="{middle - _BAR / 2:g}" width="{until - x:.1f}" height="{_BAR}" {look}/>')
    free = _LEFT
    for x, _, kind, cause in bars:
        room = len(cause) * 6.2 + 8
        left = min(x, _RIGHT + 20 - room)
        if kind == "fault" and left >= free:
            drawn.append(svg.text(left, middle + 24, cause, size=11, width=room + 10))
            free = left + room
    return drawn


def _lane_in_words(path: Series, periods: list[Period]) -> list[str]:
    practice = f", practice against {path.practice}" if path.practice else ""
    lines = [
        f"{path.host} to {path.base_url}{practice}: {number(path.runs)}, {path.faults} with a fault, now {path.cause}."
    ]
    faults = [period for period in periods if period.cause != "ok"]
    lines += [
        f"{period.cause} from {utc(period.began)} to {utc(period.ended) if period.ended else 'now'}, {number(period.runs)}."
        for period in faults[-_MOST_TOLD:]
    ]
    return lines


def _step(step: StepTimes, top: int, first: datetime, last: datetime) -> list[str]:
    base = top + _PLOT + 8
    scale = max(bucket.high for bucket in step.buckets) or 1.0
    width = max(1.5, (_RIGHT - _LEFT) / 100 - 0.6)
    grey, black = [], []
    for bucket in step.buckets:
        x = min(_x(bucket.began, first, last), _RIGHT - width)
        high, middle = (_PLOT * value / scale for value in (bucket.high, bucket.median))
        grey.append(f"M{x:.1f} {base - middle:.1f}v-{high - middle:.1f}h{width:.1f}V{base - middle:.1f}z")
        black.append(f"M{x:.1f} {base - middle - 1:.1f}h{width:.1f}v2h-{width:.1f}z")
    return [
        f'<path d="M{_LEFT:g} {base}H{_RIGHT:g}" stroke="{svg.GREY}"/>',
        f'<path d="{"".join(grey)}" fill="#bbb"/>',
        f'<path d="{"".join(black)}" fill="{svg.INK}"/>',
        svg.text(16, base - 34, step.step, size=13, bold=True, width=120),
        svg.text(16, base - 18, f"median {step.median:.3f} s", size=11, width=_LEFT - 60),
        svg.text(16, base - 4, f"95 of 100 below {step.high:.3f} s", size=11, width=_LEFT - 60),
        svg.text(_LEFT - 6, base - _PLOT + 6, f"{scale:.3g} s", size=11, anchor="end", width=70),
    ]


def _axis(first: datetime, last: datetime, bottom: float) -> list[str]:
    """Grid lines at round times in UTC."""
    span = last - first
    step = next((tick for tick in _TICKS if span / tick <= _MOST_TICKS), span / _MOST_TICKS)
    form = "%Y-%m-%d" if step >= _DAY else "%m-%d %H:%M"
    at = datetime.fromtimestamp(-(-int(first.timestamp()) // int(step.total_seconds())) * step.total_seconds(), UTC)
    if at > last:
        # All of it lies within a minute.
        at, form = first, "%Y-%m-%d %H:%M"
    drawn = []
    while at <= last:
        x = _x(at, first, last)
        drawn.append(f'<path d="M{x:g} {_TOP - 6}V{bottom:g}" stroke="{svg.PALE}"/>')
        drawn.append(svg.text(x, bottom + 14, format(at, form), size=11, anchor="middle", width=110))
        at += step
    return drawn


def number(runs: int) -> str:
    """So many runs, in words."""
    return "1 run" if runs == 1 else f"{runs} runs"


def utc(text: str) -> str:
    """A moment of a manifest for people."""
    return f"{_at(text):%Y-%m-%d %H:%M} UTC"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _x(at: datetime, first: datetime, last: datetime) -> float:
    share = (at - first) / (last - first) if last > first else 0.0
    return round(_LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, share)), 1)
