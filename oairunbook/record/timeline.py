"""Attempts over time: when each was made, how long it took, how it ended. Reads for ten of them and for thousands."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from oairunbook.diagnose.parts import attempts, path_alone
from oairunbook.evidence import Evidence
from oairunbook.record import svg
from oairunbook.record.describe import State, brief, state
from oairunbook.record.packet import utc
from oairunbook.record.view import View
from oairunbook.records import dataclass

_TOP, _LANE, _STEM, _ROW = 44, 74, 40, 20
_LEFT, _RIGHT = 380.0, svg.WIDTH - 24.0
_MOST_LANES = 6
_MOST_SINGLY = 30
"""So many attempts get a line each; more are gathered by their end."""

_OTHER = "other ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt, whatever was attempted."""

    moment: float
    """Seconds since some common beginning."""

    seconds: float
    """How long its steps took together."""

    state: State
    end: str
    """How it ended, in a few words; attempts with the same words stand in one line."""


def attempts_of(evidence: Evidence) -> tuple[Attempt, ...]:
    """The attempts of one check, the walk first: each a way from the name to an answer without credentials."""
    return tuple(
        attempt for one in (path_alone(evidence), *attempts(evidence)) if (attempt := _attempt(one)) is not None
    )


def timeline(title: str, tried: Sequence[Attempt]) -> View:
    """Up to thirty attempts with a bar each; more of them with one line for each way to end, and in it a stem for each attempt.

    Args:
        title: What was attempted.
        tried: In any order; the axis begins with the earliest.
    """
    if not tried:
        return svg.image(
            title, ["Nothing was attempted."], [svg.text(16, 48, "Nothing was attempted.", width=800)], height=64
        )
    ordered = sorted(tried, key=lambda attempt: attempt.moment)
    first = ordered[0].moment
    lanes = _lanes(ordered)
    lines = [_told(end, lane, len(ordered), first) for end, lane in lanes]
    if len(ordered) <= _MOST_SINGLY:
        lines += [f"+{a.moment - first:.3f} s: {a.end}, {a.seconds:.3f} s" for a in ordered]
        return svg.image(title, lines, _singly(ordered, first), height=_TOP + len(ordered) * _ROW + 36)
    return svg.image(title, lines, _gathered(ordered, lanes, first), height=_TOP + len(lanes) * _LANE + 58)


def over_time(evidence: Evidence) -> View:
    """The attempts of one check over time."""
    tried = attempts_of(evidence)
    number = "1 attempt" if len(tried) == 1 else f"{len(tried)} attempts"
    return timeline(f"{number} of the same path, from {utc(evidence.collected_at)}", tried)


def _attempt(one: Evidence) -> Attempt | None:
    looked = [o for o in one.observations if o.probe != "client" and o.outcome.kind not in ("not_tried", "tool_failed")]
    if not looked:
        return None
    # What answered counts first, then what failed; a name server that was asked besides says nothing of the end.
    way = [o for o in looked if not o.id.startswith("dns.server")] or looked
    telling = next(
        (o for o in reversed(way) if o.probe == "http"),
        next((o for o in way if state(o.outcome) in ("failed", "stopped")), way[-1]),
    )
    began = min(o.started_seconds for o in way)
    return Attempt(
        moment=began,
        # Not from beginning to end: some wait for the SDK's import in between, and that is no part of the path.
        seconds=round(sum(o.seconds for o in way), 6),
        state=state(telling.outcome),
        end=f"{telling.probe}: {brief(telling.outcome)}",
    )


def _lanes(ordered: list[Attempt]) -> list[tuple[str, list[Attempt]]]:
    """The attempts by their end, the most common first."""
    ends = [end for end, _ in Counter(attempt.end for attempt in ordered).most_common()]
    if len(ends) > _MOST_LANES:
        ends = [*ends[: _MOST_LANES - 1], _OTHER]
    return [(end, [a for a in ordered if a.end == end or (end == _OTHER and a.end not in ends)]) for end in ends]


def _singly(ordered: list[Attempt], first: float) -> list[str]:
    span = max(a.moment - first + a.seconds for a in ordered)
    right = _RIGHT - 50
    drawn = _axis(span, _TOP + len(ordered) * _ROW + 6, right)
    for number, attempt in enumerate(ordered):
        middle = _TOP + number * _ROW + _ROW / 2
        x, end = (
            _x(moment, span, right) for moment in (attempt.moment - first, attempt.moment - first + attempt.seconds)
        )
        drawn += [
            svg.sign(attempt.state, 26, middle, scale=0.62),
            svg.text(40, middle + 4, attempt.end, size=12, width=_LEFT - 50),
            f'<rect x="{x:g}" y="{middle - 5:g}" width="{max(2.0, end - x):g}" height="10" {svg.shape(attempt.state)}/>',
            svg.text(max(x + 2, end) + 5, middle + 4, f"{attempt.seconds:.3f} s", size=11, width=80),
        ]
    return drawn


def _gathered(ordered: list[Attempt], lanes: list[tuple[str, list[Attempt]]], first: float) -> list[str]:
    span = ordered[-1].moment - first
    longest = max(attempt.seconds for attempt in ordered)
    bottom = _TOP + len(lanes) * _LANE
    drawn = _axis(span, bottom, _RIGHT)
    for number, (end, lane) in enumerate(lanes):
        drawn += _lane(end, lane, len(ordered), _TOP + (number + 1) * _LANE - 14, first, span, longest)
    note = "Each line is one way to end; each stem is one attempt, at the moment when it began, as high as it was long."
    return [*drawn, svg.text(16, bottom + 44, note, size=12, width=svg.WIDTH - 32)]


def _axis(span: float, bottom: float, right: float) -> list[str]:
    drawn = []
    for seconds, label in svg.ticks(span, most=6):
        x = _x(seconds, span, right)
        drawn.append(f'<path d="M{x:g} {_TOP - 4}V{bottom}" stroke="{svg.PALE}"/>')
        drawn.append(svg.text(x, bottom + 16, f"+{label}" if seconds else "start", size=12, anchor="middle", width=90))
    return drawn


def _lane(end: str, lane: list[Attempt], of: int, base: float, first: float, span: float, longest: float) -> list[str]:
    # Of the attempts that would stand on one point of the picture the longest is drawn.
    heights: dict[float, float] = {}
    for attempt in lane:
        x = _x(attempt.moment - first, span, _RIGHT)
        heights[x] = max(heights.get(x, 0.0), attempt.seconds)
    width = 5 if len(heights) <= 40 else 2 if len(heights) <= 200 else 1
    stems = "".join(
        f"M{x - width / 2:g} {base:g}v-{max(3.0, _STEM * height / longest if longest else 3.0):.1f}h{width}V{base:g}z"
        for x, height in sorted(heights.items())
    )
    low, high = min(a.seconds for a in lane), max(a.seconds for a in lane)
    size = f"{low:.3f} s" if low == high else f"{low:.3f} to {high:.3f} s"
    shown = lane[0].state if len({a.state for a in lane}) == 1 else "given"
    # Thin stems are all outline: what failed is black, all else grey.
    look = svg.shape(shown) if width > 2 else f'fill="{svg.INK if shown == "failed" else svg.GREY}"'
    return [
        f'<path d="M{_LEFT - 6:g} {base:g}H{_RIGHT + 6:g}" stroke="{svg.GREY}"/>',
        f'<path d="{stems}" {look}/>',
        svg.sign(shown, 26, base - 22, scale=0.8),
        svg.text(44, base - 26, end, size=12, bold=True, width=_LEFT - 60),
        svg.text(44, base - 10, f"{len(lane)} of {of}", size=12, width=_LEFT - 60),
        svg.text(44, base + 5, size, size=12, width=_LEFT - 60),
    ]


def _told(end: str, lane: list[Attempt], of: int, first: float) -> str:
    low, high = min(a.seconds for a in lane), max(a.seconds for a in lane)
    middle = statistics.median(a.seconds for a in lane)
    when = f"the first at +{lane[0].moment - first:.3f} s, the last at +{lane[-1].moment - first:.3f} s"
    return f"{end}: {len(lane)} of {of}, {low:.3f} to {high:.3f} s long, in the middle {middle:.3f} s; {when}."


def _x(seconds: float, span: float, right: float) -> float:
    return round(_LEFT + (right - _LEFT) * (seconds / span if span > 0 else 0.0), 1)
