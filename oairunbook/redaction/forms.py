"""The forms in which a secret that is known shows up: encoded, cut, parted by line breaks, masked."""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, quote_plus

from oairunbook.redaction.names import DUMMY_KEYS

SHORTEST_SECRET = 6
"""A shorter value would blot out ordinary words."""

SHORTEST_REST = 8
"""What a cut text still shows of a secret counts from this length on."""


def _encodings(value: str) -> Iterable[str]:
    """The forms in which one secret may show up in a text."""
    data = value.encode("utf-8", "surrogateescape")
    yield value
    yield value.strip()
    yield repr(value)[1:-1]
    yield repr(data)[2:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield html.escape(value)
    # UTF-8 that was read as Latin-1, as header fields are
    yield data.decode("latin-1")
    yield data.hex()
    for quoted in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda match: match.group().lower(), quoted)
    for before in range(3):
        # Inside base64 a value looks different at each of three offsets; `user:password` of Basic is the common case.
        encoded = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        whole = (before + len(data)) % 3 == 0
        inner = encoded[(0, 2, 3)[before] : len(encoded) if whole else len(encoded) - 1]
        yield inner
        yield inner.translate(str.maketrans("+/", "-_"))
    words = value.split()
    if len(words) > 1:
        yield from (word for word in words if word.lower().rstrip(":") not in ("bearer", "basic"))


@lru_cache(maxsize=8)
def forms(values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Every form of every secret with the secret itself, the longest first, so that none is replaced only in part."""
    secret = (v for v in values if len(v.strip()) >= SHORTEST_SECRET and v.strip().lower() not in DUMMY_KEYS)
    found = {form: value for value in secret for form in _encodings(value) if len(form) >= SHORTEST_SECRET}
    return tuple(sorted(found.items(), key=lambda pair: (-len(pair[0]), pair[0])))


def without_rests(text: str, form: str) -> str:
    """Without what a cut leaves of a secret: its beginning at the end of the text, its end at the beginning."""
    if len(form) <= SHORTEST_REST:
        return text
    if form[:SHORTEST_REST] in text[-len(form) :]:
        for length in range(min(len(form), len(text)), SHORTEST_REST - 1, -1):
            if text.endswith(form[:length]):
                text = text[:-length] + "[redacted]"
                break
    if form[-SHORTEST_REST:] in text[: len(form)]:
        for length in range(min(len(form), len(text)), SHORTEST_REST - 1, -1):
            if text.startswith(form[-length:]):
                text = "[redacted]" + text[length:]
                break
    return text


LINE_BREAK = re.compile(r"""(?:(?:['"]|(?<![ \t]))[ \t]*)?[\\+]?(?:\r?\n|(?:\\r)?\\n)[>| \t]*['"]?""")
"""Where a terminal, a quoted mail, a folded header, MIME's base64 or a string in two halves parts one word; also as an escaped `\\n`.

Blanks are looked through from their first alone: from each of them a long line of blanks would take its length squared. Node.js reads it as well.
"""


@dataclass(frozen=True, slots=True)
class Joined:
    """A text without its line breaks, and where each of its pieces stood."""

    text: str
    ends: tuple[int, ...]
    """Where each piece ends in *text*."""

    shifts: tuple[int, ...]
    """By how much each piece stood further right in the text as it was."""

    def place(self, position: int) -> int:
        """Where the character at *position* stood in the text as it was."""
        return position + self.shifts[bisect_right(self.ends, position)]


def join(text: str) -> Joined:
    """A text without its line breaks."""
    pieces: list[str] = []
    ends: list[int] = []
    shifts, begin, length = [0], 0, 0
    for found in LINE_BREAK.finditer(text):
        pieces.append(text[begin : found.start()])
        length += len(pieces[-1])
        ends.append(length)
        shifts.append(found.end() - length)
        begin = found.end()
    return Joined("".join((*pieces, text[begin:])), tuple(ends), tuple(shifts))


MASK = re.compile(r"\*{3,}|\u2022{3,}|\u2026|\.{3}")
"""`myoddval****-zzz`: servers quote a key back by its beginning and its end."""

SHORTEST_MASKED = 4
"""So many characters of a secret have to be left for a mask to be one of it."""

LONGEST_SHOWN = 32
"""Of a secret on either side of its mask."""


def rests(text: str, mask: re.Match[str], secret: str) -> tuple[int, int] | None:
    """From where to where a mask and what it leaves of this secret stand; None if it leaves too little."""
    head = text[max(0, mask.start() - LONGEST_SHOWN) : mask.start()]
    tail = text[mask.end() : mask.end() + LONGEST_SHOWN]
    if head[-2:] not in secret and tail[:2] not in secret:
        # Most masks are of something else.
        return None
    begin = next((n for n in range(len(head), 0, -1) if secret.startswith(head[-n:])), 0)
    end = next((n for n in range(len(tail), 0, -1) if secret.endswith(tail[:n])), 0)
    return (mask.start() - begin, mask.end() + end) if begin + end >= SHORTEST_MASKED else None
