"""Pieces of secrets that are known, however they are written: each character escaped, in capitals, parted by blanks, in hexadecimal, cut on both sides.

The text is decoded once, and the pieces are sought there; enumerating what a secret looks like in each encoding would find only those that somebody
thought of. Every seventh group of six characters is looked up: twelve of a secret in a row always hold one of those whole.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from oairunbook.redaction.names import DUMMY_KEYS, PATH

SHORTEST_PIECE = 12
"""So many characters of a secret in a row, letters and digits among them, stand in no other text by chance."""

GRAM = 6
LONGEST_INDEXED = 1024
"""Of a secret: pieces of what stands behind are found only with the whole."""
MOST_PLACES = 8
"""Of one group of characters in all secrets: one that is the same all over would make a text of it slow."""

DEEPEST = 3
"""How often an encoding may be in another: JSON in JSON, percent signs escaped once more."""

ESCAPES = re.compile(
    r"\\+(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([0-7]{3})|([\"'/\\])|[nrt])"
    r"|%u([0-9a-fA-F]{4})|%([0-9a-fA-F]{2})|&#[xX]([0-9a-fA-F]{1,6});?|&#([0-9]{1,7});?"
    r"|&(amp|lt|gt|quot|apos|sol|plus|equals|lowbar|hyphen|dash|period|colon|num|commat);|=([2-7][0-9A-F])|=\r?\n"
)
"""How a character is written otherwise: strings of most languages, URLs, HTML, quoted-printable. Node.js reads it as well."""

NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "sol": "/", "plus": "+", "equals": "=", "lowbar": "_",
         "hyphen": "-", "dash": "-", "period": ".", "colon": ":", "num": "#", "commat": "@"}  # fmt: skip
BASES = {5: 8, 10: 10}
LITERAL, NAME = 6, 11

BLANKS = re.compile("[\\s\\0\u00ad\u200b-\u200f\u2060\ufeff]+")
_FOLD = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class _Form(NamedTuple):
    """One way to write a secret."""

    text: str
    secret: str
    shortest: int
    """So long a piece of it has to be."""

    encoded: bool = True
    """Whether no word of a text looks like a piece of it."""


class _Known(NamedTuple):
    """What is looked for."""

    grams: dict[str, list[tuple[_Form, int]]]
    others: tuple[str, ...]
    """Secrets that are too short, or too much like words, for pieces: sought as a whole, in the decoded text."""


def find_pieces(text: str, values: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """From where to where pieces of these secrets stand, each with its secret, from left to right."""
    known = _known(values)
    plain = decoded(text)
    found: list[tuple[int, int, str]] = []
    if plain != text:
        whole = [(at, at + len(value), value) for value in known.others for at in _places(plain, value)]
        if whole:
            starts, ends = traced(text, blanks=True)
            places = ((starts[first], ends[last - 1], value) for first, last, value in whole)
            # What stands there as it is has been replaced, or is a part of what stands in a secret's place.
            found += [place for place in places if text[place[0] : place[1]] != place[2]]
    if known.grams and (parts := list(_parts(BLANKS.sub("", plain).translate(_FOLD), known))):
        starts, ends = traced(text, blanks=False)
        found += [(starts[first], ends[last - 1], value) for first, last, value in parts]
    return sorted(found)


def _parts(view: str, known: _Known) -> Iterator[tuple[int, int, str]]:
    grams, at, last = known.grams, 0, len(view) - GRAM
    while at <= last:
        best: tuple[int, int, str] | None = None
        for form, place in grams.get(view[at : at + GRAM], ()):
            first, end = _extent(view, at, form.text, place)
            longer = best is None or end - first > best[1] - best[0]
            if end - first >= form.shortest and longer and (form.encoded or _is_telling(view[first:end])):
                best = (first, end, form.secret)
        if best is None:
            at += SHORTEST_PIECE - GRAM + 1
        else:
            yield best
            at = best[1]


def _extent(view: str, at: int, form: str, place: int) -> tuple[int, int]:
    """How far a text and a form agree around one group of characters."""
    first, begin = at, place
    while first > 0 and begin > 0 and view[first - 1] == form[begin - 1]:
        first, begin = first - 1, begin - 1
    end, behind = at + GRAM, place + GRAM
    while end < len(view) and behind < len(form) and view[end] == form[behind]:
        end, behind = end + 1, behind + 1
    return first, end


def _is_telling(piece: str) -> bool:
    """Whether a piece is no word: host names, paths and versions that stand in a secret's value as well are no pieces of it."""
    digits = sum(character.isdigit() for character in piece)
    letters = sum(character.isalpha() for character in piece)
    return (digits >= _MANY_DIGITS and letters >= _MANY_DIGITS) or (digits > 0 and letters >= SHORTEST_PIECE)


_MANY_DIGITS = 2


@lru_cache(maxsize=8)
def _known(values: tuple[str, ...]) -> _Known:
    grams: dict[str, list[tuple[_Form, int]]] = {}
    others = []
    for value in dict.fromkeys(word for one in values for word in one.split()):
        if value.lower() in DUMMY_KEYS or len(value) < GRAM:
            continue
        if len(value) < SHORTEST_PIECE or "://" in value or PATH.match(value) or not _is_telling(value):
            others.append(value)
            continue
        for form in dict.fromkeys(_forms(value)):
            for place in range(len(form.text) - GRAM + 1):
                places = grams.setdefault(form.text[place : place + GRAM], [])
                if len(places) < MOST_PLACES:
                    places.append((form, place))
    return _Known(grams, tuple(others))


def _forms(value: str) -> Iterator[_Form]:
    data = value[:LONGEST_INDEXED].encode("utf-8", "surrogateescape")
    yield _Form(value[:LONGEST_INDEXED].translate(_FOLD), value, SHORTEST_PIECE, encoded=False)
    yield _Form(decoded(value[:LONGEST_INDEXED]).translate(_FOLD), value, SHORTEST_PIECE, encoded=False)
    yield _Form(data.hex(), value, 2 * SHORTEST_PIECE)
    # A list of bytes, as JSON has it.
    yield _Form(",".join(str(byte) for byte in data), value, 3 * SHORTEST_PIECE)
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        inner = encoded[(0, 2, 3)[before] : -1]
        for form in (inner, inner.translate(str.maketrans("+/", "-_"))):
            yield _Form(form.translate(_FOLD), value, SHORTEST_PIECE * 4 // 3)


def _places(text: str, value: str) -> Iterator[int]:
    at = text.find(value)
    while at >= 0:
        yield at
        at = text.find(value, at + len(value))


# -- the text as it is read, and where each character of it stood --------------------------------------------------


def decoded(text: str) -> str:
    """The text with every escape read, also one in another."""
    for _ in range(DEEPEST):
        before, text = text, ESCAPES.sub(_character, text)
        if text == before:
            break
    return text


def _character(found: re.Match[str]) -> str:
    which = found.lastindex
    if which is None:
        return ""
    if which == LITERAL:
        return found[which]
    if which == NAME:
        return NAMED[found[which]]
    code = int(found[which], BASES.get(which, 16))
    return chr(code) if code <= _LAST_CODE else ""


_LAST_CODE = 0x10FFFF


def traced(text: str, *, blanks: bool) -> tuple[list[int], list[int]]:
    """Where each character of the decoded text begins and ends in the text as it was; with or without its blanks."""
    starts, ends = list(range(len(text))), list(range(1, len(text) + 1))
    for _ in range(DEEPEST):
        before, (text, starts, ends) = text, _step(text, starts, ends, ESCAPES)
        if text == before:
            break
    if not blanks:
        _, starts, ends = _step(text, starts, ends, BLANKS)
    return starts, ends


def _step(text: str, starts: list[int], ends: list[int], pattern: re.Pattern[str]) -> tuple[str, list[int], list[int]]:
    pieces: list[str] = []
    firsts: list[int] = []
    lasts: list[int] = []
    behind = 0
    for found in pattern.finditer(text):
        piece = _character(found) if pattern is ESCAPES else ""
        pieces += (text[behind : found.start()], piece)
        firsts += starts[behind : found.start()]
        lasts += ends[behind : found.start()]
        if piece:
            firsts.append(starts[found.start()])
            lasts.append(ends[found.end() - 1])
        behind = found.end()
    pieces.append(text[behind:])
    return "".join(pieces), firsts + starts[behind:], lasts + ends[behind:]
