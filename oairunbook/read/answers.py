"""HTTP answers that a text shows: status, headers, and error bodies in whatever dress they come."""

from __future__ import annotations

import re

from oairunbook.read.bare import bare
from oairunbook.read.error_objects import as_printed, objects
from oairunbook.read.pages import of_the_application, pages
from oairunbook.read.sentences import sentences
from oairunbook.read.shown import MOST, Shown
from oairunbook.read.statuses import STATUS, nearest, number, of_the_application_itself

_HEADER_LINE = re.compile(
    r"""^[<\s]{0,8}\\?['"]?(?P<name>[A-Za-z][A-Za-z0-9-]{2,60})\\?['"]?\s?:\s?\\?['"]?(?P<value>[^\n]{1,500}?)\\?['"]?,?\s*$""",
    re.MULTILINE,
)
_HEADER_PAIR = re.compile(
    r"""['"](?P<name>[A-Za-z][A-Za-z0-9-]{2,60})['"]\s?[:,]\s?b?['"](?P<value>[^'"\n]{1,300})['"]"""
)
_KNOWN_HEADER = re.compile(
    r"^(?:x-|cf-|openai-|apim-|azureml-|ms-|retry-after|server$|via$|www-authenticate|content-type|location|llm_provider-|helicone-|proxy-authenticate|ngrok-|azure)",
    re.IGNORECASE,
)


def answers(text: str) -> list[Shown]:
    """Every error answer that the text shows, in order; the same answer said twice counts once, at its last place."""
    found = objects(text) + pages(text) + as_printed(text)
    own = of_the_application(text)
    statuses = [
        (m.start(), number(m))
        for m in of_the_application_itself(text, list(STATUS.finditer(text)))
        if not any(start < m.start() < end for start, end in own)
    ][: 20 * MOST]
    for shown in found:
        shown.status = shown.status or nearest(statuses, shown.position)
    if len(found) < MOST:
        spans = [(shown.position, shown.end) for shown in found]
        beside = [*sentences(text, statuses), *bare(text, statuses)]
        told = [shown.body.error.message for shown in found if shown.body.error and shown.body.error.message]
        # What stands inside a body that was read is the body's, and so is what is told of it again.
        found += [
            shown
            for shown in beside
            if not any(start < shown.position < end or _introduces(shown, start) for start, end in spans)
            and not (shown.body.error and any(shown.body.error.message == message for message in told))
        ]
    for shown in found:
        shown.around = text[max(0, shown.position - 300) : shown.position + 20]
    found.sort(key=lambda shown: shown.position)
    if found:
        pairs = headers(text)
        for shown in found:
            shown.headers = pairs
    unique: dict[str, Shown] = {}
    for shown in found:
        error = shown.body.error
        key = f"{shown.status} {shown.body.shape} {error or shown.body.title or re.sub(r'[0-9]+', '0', shown.body.sample[:80])}"
        unique.pop(key, None)
        unique[key] = shown
    return list(unique.values())[-MOST:]


def _introduces(shown: Shown, start: int) -> bool:
    """Whether what follows a status is the object of a web application that was read: `500 - {"detail": …}`."""
    return shown.body.sample.startswith(('{"detail"', "{'detail'")) and 0 < start - shown.position < 40


def headers(text: str) -> list[tuple[str, str]]:
    """Response headers that say who answered, from header lines, dumps of dicts and of JavaScript objects."""
    found: dict[str, str] = {}
    for pattern in (_HEADER_LINE, _HEADER_PAIR):
        for match in pattern.finditer(text):
            name = match["name"].lower()
            if _KNOWN_HEADER.match(name):
                found[name] = match["value"].strip().strip("'\",")
            if len(found) > 60:
                break
    return list(found.items())
