"""A page for a terminal, and all of them as one Markdown file. Both show the same parts in the same order."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import groupby
from typing import Literal

from oairunbook.explain import Page, owner_lines
from oairunbook.records import dataclass

_LABEL = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a part: prose, an exception's text, or a command, which is never wrapped."""

    kind: Literal["text", "quote", "command"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a page under its title."""

    label: str
    """For the margin of a terminal."""

    title: str
    lines: tuple[Line, ...]


def parts(page: Page) -> tuple[Part, ...]:
    """What stands on a page below its meaning; every view of it is made from these."""
    found = (
        _part("owner", "Who owns it", _as("text", owner_lines(page.owners))),
        _part("python", "How it looks in Python (openai 3; 1 and 2 say httpx for httpx2)", _as("quote", page.python)),
        _part("node", "How it looks in Node", _as("quote", page.node)),
        _part("proof", "What proves it", _as("text", page.proof)),
        _part("look", "Check by hand", _looks(page)),
        _part("next", "Next", _as("text", page.next)),
        _part("mend", "Mend", _mends(page)),
        _part("do not", "Do not", _as("text", (text.removeprefix("Do not ") for text in page.do_not))),
        _part("source", "Sources", _as("text", ("; ".join(page.sources),) if page.sources else ())),
        _part("practise", "Practise", _as("command", (f"oairunbook run --lab {fault}" for fault in page.practise))),
    )
    return tuple(part for part in found if part.lines)


def _part(label: str, title: str, lines: Iterable[Line]) -> Part:
    return Part(label=label, title=title, lines=tuple(lines))


def _as(kind: Literal["text", "quote", "command"], texts: Iterable[str]) -> Iterable[Line]:
    return (Line(kind=kind, text=text) for text in texts)


def _looks(page: Page) -> Iterable[Line]:
    for look in page.look:
        yield Line(kind="command", text=look.run)
        yield Line(kind="text", text=f"→ {look.shows}")


def _mends(page: Page) -> Iterable[Line]:
    for mend in page.mend:
        yield Line(kind="text", text=f"{mend.where}: {mend.do}" if mend.do else f"{mend.where}:")
        yield from _as("command", mend.run)


def terminal(page: Page, width: int) -> str:
    """The page in lines of at most *width* columns; commands stay whole, to be copied."""
    lines = [page.id, *textwrap.wrap(page.meaning, width, break_on_hyphens=False), ""]
    for part in parts(page):
        margin = part.label
        for line in part.lines:
            head = f"{margin:<{_LABEL}}"
            margin = ""
            if line.kind == "command":
                lines.append(f"{head}  {line.text}")
            else:
                lines += textwrap.wrap(
                    line.text,
                    width,
                    initial_indent=head,
                    subsequent_indent=" " * (_LABEL + 2 * (line.kind == "quote")),
                    break_on_hyphens=False,
                    break_long_words=False,
                )
    return "\n".join(lines) + "\n"


def listing(pages: Iterable[Page], width: int) -> str:
    """One line a cause."""
    known = list(pages)
    longest = max(len(page.id) for page in known)
    return "".join(
        f"{page.id:<{longest}}  {textwrap.shorten(page.meaning, max(width - longest - 2, 20), placeholder=' …')}\n"
        for page in known
    )


_INTRODUCTION = """# Causes

<!-- Written by `python -m oairunbook.explain` from oairunbook/explain/*.toml and the catalogue; do not edit. -->

One page for each cause that a verdict can name; `oairunbook explain ID` prints the same about your own endpoint. Exception texts are outermost
first, as openai-python 3 (on httpx2) and openai-node 7 give them; openai-python 1 and 2 say `httpx` where 3 says `httpx2`. Commands belong into the
runtime that failed. `app`, `deploy/app`, `group` and `company-root.pem` stand for your own names; `dig` is in bind9-dnsutils (Debian), bind-utils
(RHEL) and bind-tools (Alpine). `openssl s_client` goes around HTTPS_PROXY: behind a proxy add `-proxy HOST:PORT`.
Where a page expects 401, the request has no key; a server that asks for none answers 200.
"""


def markdown(pages: Iterable[Page]) -> str:
    """All pages as one file, with a table of contents."""
    known = list(pages)
    contents = "\n".join(f"- [`{page.id}`](#{_anchor(page.id)}): {page.meaning}" for page in known)
    return "\n".join((_INTRODUCTION, contents, *(_markdown_page(page) for page in known)))


def _anchor(identity: str) -> str:
    """How code hosts make an anchor of a heading."""
    return identity.replace(".", "")


def _markdown_page(page: Page) -> str:
    blocks = [f"\n## {page.id}", page.meaning]
    for part in parts(page):
        blocks.append(f"**{part.title}**")
        groups = [
            (kind, [line.text for line in lines]) for kind, lines in groupby(part.lines, key=lambda line: line.kind)
        ]
        listed = part.label != "look" and len(part.lines) > 1
        for kind, texts in groups:
            if kind == "text":
                blocks.append("\n".join(f"{'- ' * listed}{_escaped(text)}" for text in texts))
            else:
                blocks.append("\n".join((f"```{'sh' if kind == 'command' else 'text'}", *texts, "```")))
    return "\n\n".join(blocks) + "\n"


def _escaped(text: str) -> str:
    """Prose in Markdown: what looks like markup is shown, except code between backticks."""
    pieces = text.split("`")
    prose = [piece.replace("<", "&lt;").replace("*", "\\*") if i % 2 == 0 else piece for i, piece in enumerate(pieces)]
    return "`".join(prose)
