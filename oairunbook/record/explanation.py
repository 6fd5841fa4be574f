"""The page of a verdict's cause in a notebook: folded in HTML, a pointer in plain text."""

from __future__ import annotations

from itertools import groupby

from oairunbook.evidence import Evidence
from oairunbook.explain import UnknownCauseError, page, place_of
from oairunbook.explain.render import Line, Part, parts
from oairunbook.record.view import View, clean, inert
from oairunbook.verdict import Verdict

_INSIDE = 'style="margin-left: 1em"'
_BLOCK = 'style="white-space: pre-wrap; overflow-wrap: break-word; text-align: left; margin: 4px 0 12px"'


def explanation(evidence: Evidence, what: Verdict) -> View:
    """What `oairunbook explain` prints, its commands about the endpoint of this record; a word where a newer version named the cause."""
    try:
        known = page(what.cause, place_of(evidence.route))
    except UnknownCauseError:
        text = f"This version has no page about {what.cause}."
        return View(html=f"<p>{inert(clean(text))}</p>", text=clean(text))
    about = f"About {known.id}: how it looks, what proves it, commands that show and mend it"
    body = "".join(_part(part) for part in parts(known))
    return View(
        html=f"<details><summary>{inert(about)}</summary><div {_INSIDE}><p>{_prose(known.meaning)}</p>{body}</div></details>",
        text=f"{about}: oairunbook explain {known.id}, or CAUSES.md beside the notebooks.",
    )


def _part(part: Part) -> str:
    blocks = "".join(_block(kind, list(lines)) for kind, lines in groupby(part.lines, key=lambda line: line.kind))
    return f"<p><strong>{inert(part.title)}</strong></p>{blocks}"


def _block(kind: str, lines: list[Line]) -> str:
    if kind == "text":
        return f"<ul>{''.join(f'<li>{_prose(clean(line.text))}</li>' for line in lines)}</ul>"
    text = "\n".join(inert(clean(line.text)) for line in lines)
    return f"<pre {_BLOCK}>{text}</pre>"


def _prose(text: str) -> str:
    """Prose whose code stands between backticks."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return inert(text)
    return "".join(inert(piece) if i % 2 == 0 else f"<code>{inert(piece)}</code>" for i, piece in enumerate(pieces))
