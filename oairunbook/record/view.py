"""What a notebook cell displays: static HTML, and the same as plain text. Whatever came from a network is inert in both."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any
from urllib.parse import quote

from oairunbook.records import dataclass

_LONGEST_TEXT = 4000
_SHORT_CELL = 16
"""Characters that a cell keeps on one line: times, states, codes."""

_LEAST, _LEAST_OF_LAST = 12, 18
"""Width, in characters, below which no longer cell is squeezed. A table that is too wide then scrolls."""

_LONGEST_WORD = 34
"""Characters of a word that is never broken. URLs, paths and hashes are longer, and break wherever they meet the edge."""

_PROSE = 'style="overflow-wrap: anywhere"'
"""Paths and URLs have no place to break at, and what does not break is cut at the edge of a notebook."""

_CELL = "text-align: left; vertical-align: top; padding: 2px 8px;"
_SHORT = f'style="{_CELL} white-space: nowrap"'


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One answer, as HTML without script, and as text. The only links are those to the runbook's own notebooks and packets."""

    html: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    """The same in further MIME types."""

    def _repr_html_(self) -> str:
        return self.html

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html, **self.data}

    def __repr__(self) -> str:
        return self.text


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> View:
    """A table whose first column names its rows."""
    lines = [[clean(cell) for cell in row] for row in rows]
    head = "".join(f'<th scope="col" {_SHORT}>{inert(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row" {_style(row[0])}>{inert(row[0])}</th>'
        + "".join(f"<td {_style(cell)}>{inert(cell)}</td>" for cell in row[1:-1])
        + "".join(f"<td {_style(cell, last=True)}>{inert(cell)}</td>" for cell in row[1:][-1:])
        + "</tr>"
        for row in lines
    )
    return View(
        html=f'<table><caption style="text-align: left; white-space: nowrap">{inert(clean(caption))}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
        text="\n".join((clean(caption), *_columns([list(header), *lines]))),
    )


def listing(title: str, items: Iterable[str], *, none: str) -> View:
    """A list under a title; *none* says what an empty one means."""
    lines = [clean(item) for item in items] or [none]
    points = "".join(f"<li>{inert(line)}</li>" for line in lines)
    return View(
        html=f"<p><strong>{inert(title)}</strong></p><ul>{points}</ul>",
        text="\n".join((title, *(f"  - {line}" for line in lines))),
    )


def paragraph(text: str, *, strong: bool = False) -> View:
    """One paragraph."""
    line = clean(text)
    shown = f"<strong>{inert(line)}</strong>" if strong else inert(line)
    return View(html=f"<p {_PROSE}>{shown}</p>", text=line)


def link(words: str, path: str) -> View:
    """A link to a file of this package's own making, as a path from the notebook that shows it."""
    href = html.escape(quote(path), quote=True)
    shown = f'<a href="{href}" style="text-decoration: underline">{inert(clean(words))}</a>'
    return View(html=f"<p {_PROSE}>{shown}</p>", text=clean(words))


def links(title: str, notebooks: Iterable[tuple[str, str]], folder: str = "") -> View:
    """Links to notebooks, each with what it is for.

    Args:
        title: What the list is.
        notebooks: Names without `.ipynb`, of this package's own, and words.
        folder: Where they are, as a path from the notebook that shows this; empty for beside it.
    """
    rows = [(clean(name), clean(words)) for name, words in notebooks]
    place = f"{folder}/" if folder else ""
    points = "".join(
        f'<li><a href="{html.escape(quote(place), quote=True)}{inert(name)}.ipynb" style="text-decoration: underline">{inert(name)}</a>: {inert(words)}</li>'
        for name, words in rows
    )
    return View(
        html=f"<p><strong>{inert(title)}</strong></p><ul>{points}</ul>",
        text="\n".join((title, *(f"  - {place}{name}: {words}" for name, words in rows))),
    )


def together(*views: View) -> View:
    """Several views one under the other."""
    data: dict[str, Any] = {}
    for view in views:
        data.update(view.data)
    return View(
        html=f"<div>{''.join(view.html for view in views)}</div>",
        text="\n\n".join(view.text for view in views),
        data=data,
    )


def clean(text: str) -> str:
    """A text in which control characters, terminal escapes and direction marks are shown instead of obeyed."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= _LONGEST_TEXT else f"{shown[:_LONGEST_TEXT]} … ({len(shown)} characters)"


def inert(text: str) -> str:
    """A text for HTML: markup is escaped, and what JupyterLab would typeset as a formula is kept apart."""
    return html.escape(text).replace("$", "<span>$</span>").replace("\\", "<span>\\</span>")


def _style(cell: str, *, last: bool = False) -> str:
    if len(cell) <= _SHORT_CELL and "\n" not in cell:
        return _SHORT
    longest = max(map(len, cell.split()), default=0)
    breaking = "anywhere" if longest > _LONGEST_WORD else "normal"
    least = min(len(cell), _LEAST_OF_LAST if last else _LEAST)
    return f'style="{_CELL} white-space: pre-wrap; overflow-wrap: {breaking}; min-width: {least}ch"'


def _columns(rows: list[list[str]]) -> list[str]:
    """Rows as aligned text; the last column runs on."""
    one_line = [[" ".join(cell.split()) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in one_line) for i in range(len(one_line[0]) - 1)]
    return [
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1])).rstrip()
        for row in one_line
    ]
