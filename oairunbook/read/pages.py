# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Pages of HTML that a text shows."""

from __future__ import annotations

import itertools
import re

from oairunbook.evidence import Body
from oairunbook.phrases import Phrases
from oairunbook.read.shown import MOST, Shown

_LONGEST_PAGE = 4000
# A form's `<title>` that nobody replaced opens no page.
_HTML = Phrases(r"<!doctype html|<html[\s>]|<head>|<title[^<>]{0,200}>(?=[^<]{1,300}</title)", flags=re.IGNORECASE)
_TITLE = Phrases(r"<title[^>]{0,200}>([^<]{1,300})</title", flags=re.IGNORECASE)
# The application's own error page, in which its framework shows the exception: Next.js, Nuxt, Vite, Werkzeug, Django, Laravel, ASP.NET.
_OF_THE_APPLICATION = re.compile(
    r"""__NEXT_DATA__.{0,1500}"err"\s?:\s?\{|window\.__NUXT__|<vite-error-overlay|Werkzeug Debugger|DEBUG = True|Whoops, looks like something went wrong|Developer Exception Page""",
    re.DOTALL,
)


def of_the_application(text: str) -> list[tuple[int, int]]:
    """Where the application's own error pages stand."""
    return [
        (match.start(), match.start() + _LONGEST_PAGE)
        for match in itertools.islice(_HTML.finditer(text), MOST)
        if _OF_THE_APPLICATION.search(text[match.start() : match.start() + _LONGEST_PAGE])
    ]


def pages(text: str) -> list[Shown]:
    """Each page in an answer's place; the application's own error pages are none."""
    found = []
    end = 0
    for match in _HTML.finditer(text):
        if match.start() < end:
            continue
        window = text[match.start() : match.start() + _LONGEST_PAGE]
        if _OF_THE_APPLICATION.search(window):
            end = match.start() + len(window)
            continue
        title = _TITLE.search(window)
        end = match.start() + _LONGEST_PAGE
        sample = re.sub(r"<[^>]{0,300}>", " ", window)
        sample = " ".join(sample.split())[:600]
        found.append(
            Shown(
                status=0,
                position=match.start(),
                body=Body(
                    shape="html",
                    size_bytes=len(window),
                    title=" ".join(title[1].split())[:200] if title else None,
                    sample=sample,
                ),
            )
        )
        if len(found) >= MOST:
            break
    return found
