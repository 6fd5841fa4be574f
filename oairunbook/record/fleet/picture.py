"""A fleet as a picture: members by layers, each group in a colour of its own where its evidence first differs. The letters say the same."""

from __future__ import annotations

from collections.abc import Sequence

from oairunbook.fleet import Fleet
from oairunbook.fleet.members import COMPARED_LAYERS
from oairunbook.record import svg
from oairunbook.record.fleet import words
from oairunbook.record.view import View

_ROW, _TOP = 26, 66
_LEFT, _CELL = 190.0, 56.0
_SAID = _LEFT + len(COMPARED_LAYERS) * _CELL + 12
_MOST_ROWS = 60

_COLOURS = ("#00538a", "#a33c00", "#006b4e", "#7d2f66", "#5c4a00", "#444444")
"""Dark enough for white letters on them, and told apart by those who see few colours; their lightness is alike in print."""

_NAMES = {"client": "Client", "dns": "DNS", "tcp": "TCP", "proxy": "Proxy", "tls": "TLS", "http": "HTTP", "api": "API"}
_SPOKEN = {"+": "worked", "x": "failed as well", ">": "behind it", ".": "not looked at", "-": "not in play"}


def grid(fleet: Fleet) -> View:
    """Members by layers. In a large fleet those that ended alike are one row."""
    rows = words.rows(fleet)
    shown = rows[:_MOST_ROWS]
    height = _TOP + len(shown) * _ROW + 46
    drawn = [
        svg.text(_LEFT + (number + 0.5) * _CELL, 50, _NAMES[layer], size=12, anchor="middle", width=_CELL)
        for number, layer in enumerate(COMPARED_LAYERS)
    ]
    for number, row in enumerate(shown):
        drawn += _row(row, _TOP + number * _ROW)
    left_out = f"; {len(rows) - len(shown)} rows more are in fleet.json" if len(rows) > len(shown) else ""
    legend = f"tick: worked · letter: first difference, and group · cross: failed before it · grey: behind it · dashed: not looked at{left_out}"
    drawn.append(svg.text(16, height - 14, legend, size=11, width=svg.WIDTH - 32))
    return svg.image(words.counted(fleet), [_aloud(row) for row in shown], drawn, height=height)


def _row(row: words.Row, top: float) -> list[str]:
    middle = top + _ROW / 2
    drawn = [svg.text(16, middle + 5, row.name, size=13, bold=bool(row.letter), width=_LEFT - 24)]
    for number, mark in enumerate(row.marks):
        drawn += _cell(mark, row.letter, _LEFT + number * _CELL, top)
    drawn.append(svg.text(_SAID, middle + 5, row.said, size=12, width=svg.WIDTH - _SAID - 12))
    return drawn


def _cell(mark: str, letter: str, x: float, top: float) -> Sequence[str]:
    box = f'<rect x="{x + 2:g}" y="{top + 2:g}" width="{_CELL - 4:g}" height="{_ROW - 4}"'
    across, down = x + _CELL / 2, top + _ROW / 2
    match mark:
        case "X":
            colour = _COLOURS[words.LETTERS.find(letter) % len(_COLOURS)]
            written = f'<text x="{across:g}" y="{down + 5:g}" font-size="14" font-weight="bold" text-anchor="middle" fill="{svg.PAPER}">'
            return f'{box} fill="{colour}" stroke="{svg.INK}"/>', f"{written}{letter or '!'}</text>"
        case "+":
            return f'{box} fill="{svg.PAPER}" stroke="{svg.GREY}"/>', svg.sign("worked", across, down, scale=0.7)
        case "x":
            return f'{box} fill="{svg.PAPER}" stroke="{svg.INK}"/>', svg.sign("failed", across, down, scale=0.7)
        case "-":
            return ()
        case ">":
            return (f'{box} fill="{svg.PALE}" stroke="{svg.GREY}"/>',)
        case _:
            return (f'{box} fill="{svg.PAPER}" stroke="{svg.PALE}" stroke-dasharray="4 3"/>',)


def _aloud(row: words.Row) -> str:
    if row.letter:
        cells = [
            f"{_NAMES[layer]} {_SPOKEN.get(mark, 'is the first difference')}"
            for layer, mark in zip(COMPARED_LAYERS, row.marks, strict=True)
        ]
        return f"{row.name}, group {row.letter}: {', '.join(cells)}. {row.said}"
    return f"{row.name}, {row.state}: {row.said}"
