"""Pieces that the pictures share: static SVG in grey, as an image that needs no trust, with its whole content in words."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

from oairunbook.record.describe import State
from oairunbook.record.view import View, clean

WIDTH = 900

INK, GREY, PALE, PAPER = "#222", "#777", "#ddd", "#fff"

_SIGNS = {
    "worked": f'<circle r="11" fill="{PAPER}" stroke="{INK}" stroke-width="2"/><path d="M-5 0l4 4 7-8" fill="none" stroke="{INK}" stroke-width="2.5"/>',
    "answered": f'<circle r="11" fill="{PAPER}" stroke="{INK}" stroke-width="2"/><path d="M-5-2h10M-5 3h10" stroke="{INK}" stroke-width="2.5"/>',
    "failed": f'<circle r="11" fill="{INK}"/><path d="M-5-5l10 10M5-5l-10 10" stroke="{PAPER}" stroke-width="2.5"/>',
    "stopped": f'<circle r="11" fill="{PAPER}" stroke="{INK}" stroke-width="2"/><path d="M-3-5v10M3-5v10" stroke="{INK}" stroke-width="2.5"/>',
    "none": f'<circle r="11" fill="{PAPER}" stroke="{GREY}" stroke-width="2" stroke-dasharray="3 3"/>',
}

_STEPS = (
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    7200,
    21600,
    43200,
    86400,
    172800,
    604800,
    2592000,
    7776000,
)
"""Distances of grid lines in seconds, beside those below one second."""

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def image(title: str, lines: Iterable[str], drawn: Sequence[str], *, height: int) -> View:
    """A finished picture.

    JupyterLab strips inline SVG from notebooks that it does not trust yet, and keeps images of data URLs.

    Args:
        title: What the picture shows; the first line of its text.
        lines: All that it shows, in words, for those who do not see it.
        drawn: Elements of the picture, below the title.
        height: In the units of `WIDTH`.
    """
    told = [clean(line) for line in lines]
    heading = clean(title)
    whole = "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t d" '
            'font-family="sans-serif" font-size="14">',
            f'<title id="t">{html.escape(heading)}</title><desc id="d">{html.escape(" ".join(told))}</desc>',
            f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
            text(16, 22, heading, bold=True, width=WIDTH - 32),
            *drawn,
            "</svg>",
        )
    )
    encoded = base64.b64encode(whole.encode("utf-8")).decode("ascii")
    words = clean("\n".join((heading, *told)))
    return View(
        html=f'<img style="max-width: 100%" width="{WIDTH}" alt="{html.escape(words, quote=True)}" src="data:image/svg+xml;base64,{encoded}">',
        text=words,
        data={"image/svg+xml": whole},
    )


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 14,
    bold: bool = False,
    anchor: str = "start",
    width: float,
    keep_end: bool = False,
) -> str:
    """One line of text, cut where it would be wider than *width*: 0.56 em is the mean of a sans-serif face, 0.6 of its bold one.

    With *keep_end* its middle is left out: the end of an error says what was wrong.
    """
    line = " ".join(clean(words).split())
    room = max(1, int(width / (size * (0.6 if bold else 0.56))))
    if len(line) > room:
        end = (room - 3) * 2 // 3 if keep_end else 0
        line = f"{line[: room - 1 - end]}…{line[len(line) - end :]}"
    weight = ' font-weight="bold"' if bold else ""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}"{weight}{where} fill="{INK}">{html.escape(line)}</text>'


def sign(state: str, x: float, y: float, *, scale: float = 1.0) -> str:
    """A state as a sign that reads without colour; whatever is none of the known states is an open, dashed circle."""
    size = "" if scale == 1.0 else f" scale({scale:g})"
    return f'<g transform="translate({x:g} {y:g}){size}">{_SIGNS.get(state, _SIGNS["none"])}</g>'


def shape(state: State) -> str:
    """Attributes that fill a bar so that its state reads in grey: black failed, white worked, grey answered, dashed the rest."""
    match state:
        case "failed" | "tool failed":
            return f'fill="{INK}" stroke="{INK}"'
        case "worked":
            return f'fill="{PAPER}" stroke="{INK}"'
        case "answered" | "given":
            return f'fill="#bbb" stroke="{INK}"'
        case _:
            return f'fill="{PAPER}" stroke="{INK}" stroke-dasharray="4 3"'


def ticks(seconds: float, *, most: int = 8) -> tuple[tuple[float, str], ...]:
    """Round moments from 0 to *seconds*, at most so many, each with its label and unit."""
    below = tuple(factor * 10.0**power for power in range(-6, 0) for factor in (1, 2, 5))
    step = next((step for step in (*below, *_STEPS) if seconds / step <= most), seconds / most or 1.0)
    return tuple((number * step, duration(number * step)) for number in range(int(seconds / step + 1e-9) + 1))


def duration(seconds: float) -> str:
    """A time span with its unit, to three digits: `0.02 s`, `1.5 min`, `3 d`."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= 2 * size), (1.0, "s"))
    return f"{seconds / size:.3g} {unit}"
