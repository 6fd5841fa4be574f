"""Many expressions of which a text holds few: only those are compiled whose words the text holds.

Compiling all that a text may be searched for takes longer than the search, and every start of a command paid for it. What an expression cannot
match without, its literal words, is found without compiling it; an expression whose words are not in the text cannot match, and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

Needs = tuple[str, ...]
"""Words in lower case of which a text holds at least one wherever the expression matches; none means that nothing is known."""

_MOST_KEPT = 8

_PIECE = re.compile(
    # a run of letters that nothing repeats, and one that something may
    r"(?:[^\\.^$*+?{}\[\]()|]|\\[^A-Za-z0-9])+(?![*?{+])|[^\\.^$*+?{}\[\]()|]|\\[^A-Za-z0-9]"
    r"|\((?:\?(?:[:=!>]|<[=!]|P<\w+>|P=\w+|\(\w+\)|[a-zA-Z]*(?:-[a-zA-Z]+)?:))?"
    r"|\{\d*,?\d*\}|\[\^?\]?(?:\\.|[^\]\\])*\]|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\\d{1,2}|\\[A-Za-z]|.",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)")
_NEEDS_NOTHING = ("(?=", "(?!", "(?<=", "(?<!", "(?(", "(?P=")
_MAY_BE_ABSENT = ("?", "*", "{0", "{,")


class Phrases:
    """An alternation. It finds what the whole of it would, whatever alternatives are left out for the text at hand.

    A group is known to a match only if the alternative that holds it was not left out. Letters count as the same in upper and lower case where
    `str.lower` makes them the same; of flags that change how an expression is read (`re.VERBOSE`) nothing is known here.
    """

    def __init__(self, *phrases: str, flags: int = 0):
        self.expression = "|".join(phrases)
        self.flags = flags
        self._parts: tuple[tuple[str, Needs], ...] | None = None
        self._compiled: dict[tuple[str, ...], re.Pattern[str]] = {}

    def among(self, text: str, lowered: str | None = None) -> re.Pattern[str] | None:
        """What has to be searched for in *text*, of which *lowered* is the lower case; None if nothing of it can be there."""
        low = text.lower() if lowered is None else lowered
        held = tuple(phrase for phrase, words in self.parts() if not words or any(word in low for word in words))
        if not held:
            return None
        if held not in self._compiled:
            if len(self._compiled) >= _MOST_KEPT:
                # A long log holds now these, now those: from here on the whole of it costs less.
                held = (self.expression,)
            self._compiled[held] = re.compile("|".join(held), self.flags)
        return self._compiled[held]

    def parts(self) -> tuple[tuple[str, Needs], ...]:
        """The alternatives, and what each needs."""
        if self._parts is None:
            self._parts = tuple(_alternatives(self.expression))
        return self._parts

    def search(self, text: str, lowered: str | None = None) -> re.Match[str] | None:
        """As `re.Pattern.search`."""
        pattern = self.among(text, lowered)
        return pattern.search(text) if pattern is not None else None

    def match(self, text: str) -> re.Match[str] | None:
        """As `re.Pattern.match`."""
        pattern = self.among(text)
        return pattern.match(text) if pattern is not None else None

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """As `re.Pattern.finditer`."""
        pattern = self.among(text)
        return pattern.finditer(text) if pattern is not None else iter(())

    def in_lines_with(self, words: Sequence[str], text: str) -> Iterator[re.Match[str]]:
        """What stands in lines that hold one of *words*, which are in lower case: looking through all of a long log costs ten times as much."""
        pattern = self.among(text)
        if pattern is None:
            return
        position = 0
        for line in text.split("\n"):
            low = line.lower()
            if any(word in low for word in words):
                yield from pattern.finditer(text, position, position + len(line))
            position += len(line) + 1


class PhraseIndex:
    """Which of many `Phrases` can match a text at all: each word is looked for once, not by all of them in turn.

    A long log has thousands of lines to judge, and each line holds the words of a few.
    """

    def __init__(self, many: Sequence[Phrases]):
        self._many = many
        self._always: set[int] = set()
        self._holders: dict[str, set[int]] = {}

    def possible(self, lowered: str) -> list[int]:
        """The positions of those whose words *lowered*, a text in lower case, holds, in their order."""
        if not self._holders:
            self._fill()
        held = set(self._always)
        for word, positions in self._holders.items():
            if word in lowered:
                held |= positions
        return sorted(held)

    def _fill(self) -> None:
        for position, phrases in enumerate(self._many):
            for _, words in phrases.parts():
                if not words:
                    self._always.add(position)
                for word in words:
                    self._holders.setdefault(word, set()).add(position)


def _alternatives(expression: str) -> Iterator[tuple[str, Needs]]:
    """The alternatives of an expression, and what each needs."""
    pieces = _PIECE.findall(expression)
    position = start = 0
    while position <= len(pieces):
        needs, end = _sequence(pieces, position)
        yield "".join(pieces[start:end]), needs
        start = position = end + 1


def _sequence(pieces: list[str], position: int) -> tuple[Needs, int]:
    """What one alternative needs, and where it ends."""
    best: Needs = ()
    length = 0
    while position < len(pieces):
        piece = pieces[position]
        if piece in "|)":
            break
        needs: Needs = ()
        if piece[0] == "(":
            needs, position = _group(pieces, position)
        elif piece[0] not in ".^$*+?{[" and not (piece[0] == "\\" and piece[1].isalnum()):
            needs = (_ESCAPED.sub(r"\1", piece).lower(),)
        position += 1
        if needs and not (position < len(pieces) and pieces[position].startswith(_MAY_BE_ABSENT)):
            # Of several that it needs the one that a text is least likely to hold by chance.
            shortest = min(map(len, needs))
            if shortest > length:
                best, length = needs, shortest
    return best, position


def _group(pieces: list[str], position: int) -> tuple[Needs, int]:
    """What a group needs, and where it is shut. A look-around needs nothing that the match itself holds; a condition neither."""
    opened = pieces[position]
    alternatives: list[Needs] = []
    while pieces[position] != ")" or not alternatives:
        found, position = _sequence(pieces, position + 1)
        alternatives.append(found)
    if opened.startswith(_NEEDS_NOTHING) or not all(alternatives):
        return (), position
    return tuple(word for needs in alternatives for word in needs), position
