"""The page of a verdict's cause in a notebook: folded in HTML, a pointer in plain text."""

from __future__ import annotations

from itertools import groupby

from oairunbook.evidence import Evidence
from oairunbook.explain import UnknownCauseError, page, place_of
from oairunbook.explain.render import Line, Part, parts
from oairunbook.record.view import View, clean, inert
from oairunbook.verdict import Verdict

_INSIDE = 'style="margin-left: 1em"'
_BLOCK = 'style="white-space: pre-wrap; overflow-wrap: anywhere; text-align: left"'


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
        html=f"<details><summary>{inert(about)}</summary><div {_INSIDE}><p>{inert(known.meaning)}</p>{body}</div></details>",
        text=f"{about}: oairunbook explain {known.id}, or CAUSES.md beside the notebooks.",
    )


def _part(part: Part) -> str:
    blocks = "".join(_block(kind, list(lines)) for kind, lines in groupby(part.lines, key=lambda line: line.kind))
    return f"<p><strong>{inert(part.title)}</strong></p>{blocks}"


def _block(kind: str, lines: list[Line]) -> str:
    shown = [inert(clean(line.text)) for line in lines]
    if kind == "text":
        return f"<ul>{''.join(f'<li>{line}</li>' for line in shown)}</ul>"
    text = "\n".join(shown)
    return f"<pre {_BLOCK}>{text}</pre>"
