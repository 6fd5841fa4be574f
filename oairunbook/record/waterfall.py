"""The timings of all observations as a waterfall: when each began, how long it took, what ran side by side, where the evidence changes."""

from __future__ import annotations

from collections.abc import Iterator

from oairunbook.evidence import Evidence, NotTried, Observation
from oairunbook.record import svg
from oairunbook.record.describe import LAYER_NAMES
from oairunbook.record.packet import utc
from oairunbook.record.steps import Step, first_change, steps
from oairunbook.record.view import View
from oairunbook.records import dataclass
from oairunbook.verdict import Verdict

_ROW, _TESTED_ROW, _HEAD, _TOP, _LEGEND = 22, 34, 26, 58, 62
_LEFT, _RIGHT = 400.0, svg.WIDTH - 112.0
_THINNEST = 2.0
"""Width of what is over at once: it has to be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: a layer's name, or a step of it."""

    name: str
    step: Step | None = None
    changes_here: bool = False

    @property
    def height(self) -> int:
        """A counter-test has a second line, for what it changed."""
        if self.step is None:
            return _HEAD
        return _TESTED_ROW if self.step.first.changed else _ROW

    @property
    def words(self) -> str:
        """The line aloud."""
        if self.step is None:
            return f"{self.name}:"
        if isinstance(self.step.first.outcome, NotTried):
            return f"{self.name}: not tried."
        mark = ", the evidence changes here first" if self.changes_here else ""
        began = self.step.first.started_seconds
        return f"{self.name}: {self.step.state} after {self.step.seconds} s, begun at {began:.3f} s{mark}."


def waterfall(evidence: Evidence, verdict: Verdict) -> View:
    """All that was looked at, grouped by layer, on one axis in seconds since the check began."""
    rows = tuple(_rows(evidence, verdict))
    took = max((o.started_seconds + o.seconds for o in evidence.observations), default=0.0)
    title = f"Timings of the check that began {utc(evidence.collected_at)} and took {svg.duration(took)}"
    if not evidence.observations:
        return svg.image(title, ["Nothing was looked at."], [], height=40)
    heights = [row.height for row in rows]
    bottom = _TOP + sum(heights)
    drawn = _axis(took, bottom)
    y = float(_TOP)
    for row, height in zip(rows, heights, strict=True):
        drawn += _row(row, y, took)
        y += height
    drawn += _legend(bottom + 24)
    return svg.image(title, [row.words for row in rows], drawn, height=bottom + _LEGEND)


def _rows(evidence: Evidence, verdict: Verdict) -> Iterator[Row]:
    change = first_change(evidence, verdict)
    for layer, name in (*LAYER_NAMES, (None, "Beside the path")):
        found = steps(o for o in evidence.observations if o.layer == layer)
        if not found:
            continue
        yield Row(name=name)
        for step in found:
            changed = f", counter-test: {step.first.changed}" if step.first.changed else ""
            yield Row(name=step.target + changed, step=step, changes_here=change in [o.id for o in step.observations])


def _axis(took: float, bottom: float) -> list[str]:
    drawn = []
    for seconds, label in svg.ticks(took, most=6):
        x = _x(seconds, took)
        drawn.append(f'<path d="M{x:g} {_TOP - 10}V{bottom}" stroke="{svg.PALE}"/>')
        drawn.append(svg.text(x, _TOP - 16, label, size=12, anchor="middle", width=80))
    return drawn


def _row(row: Row, y: float, took: float) -> list[str]:
    if row.step is None:
        return [svg.text(12, y + 19, row.name, size=13, bold=True, width=_LEFT)]
    drawn = []
    if row.changes_here:
        drawn.append(
            f'<rect x="4" y="{y + 1:g}" width="{svg.WIDTH - 8}" height="{row.height - 1}" fill="#eee" stroke="{svg.INK}" stroke-width="1.5"/>'
        )
        drawn.append(svg.text(9, y + 16, "→", size=14, bold=True, width=20))
    middle = y + _ROW / 2
    drawn.append(svg.sign(row.step.state, 36, middle, scale=0.62))
    drawn.append(svg.text(50, middle + 4, row.step.target, size=12, width=_LEFT - 62))
    if row.step.first.changed:
        drawn.append(svg.text(50, middle + 17, row.step.first.changed, size=10, width=_LEFT - 62))
    if isinstance(row.step.first.outcome, NotTried):
        drawn.append(svg.text(_LEFT, middle + 4, "not tried", size=11, width=100))
        return drawn
    drawn.append(_bars(row.step, middle, took))
    last = max(_x(o.started_seconds + o.seconds, took) for o in row.step.observations)
    drawn.append(svg.text(max(last, _LEFT + _THINNEST) + 5, middle + 4, f"{row.step.seconds} s", size=11, width=110))
    return drawn


def _bars(step: Step, middle: float, took: float) -> str:
    """One bar for a step, thin ones for repeated attempts, round ends for a counter-test."""
    look = svg.shape(step.state)
    if step.first.attempt == 1:
        x, width = _span(step.first, took)
        round_ends = ' rx="5"' if step.first.changed else ""
        return f'<rect x="{x:g}" y="{middle - 5:g}" width="{width:g}" height="10"{round_ends} {look}/>'
    drawn = []
    # Several attempts run at a time: three lines one under the other keep most of them apart.
    for number, observation in enumerate(step.observations):
        x, width = _span(observation, took)
        drawn.append(f"M{x:g} {middle - 6.5 + 4.5 * (number % 3):g}h{width:g}v3h-{width:g}z")
    return f'<path d="{"".join(drawn)}" {look} stroke-width="0.8"/>'


def _legend(y: float) -> list[str]:
    entries = (
        ("worked", "worked"),
        ("answered", "answered"),
        ("failed", "failed"),
        ("stopped", "given up"),
        ("none", "not tried"),
    )
    drawn = []
    for number, (state, words) in enumerate(entries):
        drawn.append(svg.sign(state, 36 + number * 110, y, scale=0.62))
        drawn.append(svg.text(50 + number * 110, y + 4, words, size=12, width=90))
    drawn.append(svg.text(600, y + 4, "→ the evidence changes here first", size=12, width=290))
    words = "Broad bar: a step of the path. Round ends: a counter-test, one thing changed. Thin bars: further attempts of the same step."
    drawn.append(svg.text(28, y + 26, words, size=12, width=svg.WIDTH - 40))
    return drawn


def _span(observation: Observation, took: float) -> tuple[float, float]:
    x = _x(observation.started_seconds, took)
    return round(x, 1), round(max(_THINNEST, _x(observation.started_seconds + observation.seconds, took) - x), 1)


def _x(seconds: float, took: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * (seconds / took if took > 0 else 0.0), 1)
