"""The one door through which evidence leaves memory: what is secret is replaced before anything else sees the record.

Known secrets go first, by exact value and in the encodings in which they travel; shapes of secrets second. Host names, addresses, request ids,
status codes and error texts stay: without them a packet is worthless.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from oairunbook.redaction.forms import LINE_BREAK, MASK, SHORTEST_SECRET, forms, join, rests, without_rests
from oairunbook.redaction.names import is_way_to_authenticate, looks_random, names_secret, told
from oairunbook.redaction.pieces import find_pieces
from oairunbook.redaction.shapes import SHAPES
from oairunbook.redaction.urls import url_credentials, url_secrets, without_credentials

__all__ = ["Secrets", "fingerprint", "without_credentials"]

Record = TypeVar("Record")


class _Removed:
    """What was removed: by which rule, how often, and in which places of the record."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._places: dict[str, dict[str, None]] = {}
        self.texts: dict[str, tuple[str, Counter[str]]] = {}
        """Each text of the record as it leaves, and what was removed from it: most stand there many times."""

    def note(self, counts: Counter[str], place: str) -> None:
        for rule in counts:
            self._places.setdefault(rule, {})[place] = None
        self._counts.update(counts)

    def lines(self) -> tuple[str, ...]:
        """One line a rule: `openai key: 3 in observations[sdk].outcome.answer.body, route.base_url.value`."""
        return tuple(f"{rule}: {count} in {self._where(rule)}" for rule, count in self._counts.items())

    def _where(self, rule: str) -> str:
        places = list(self._places[rule])
        more = len(places) - _PLACES_SHOWN
        return ", ".join(places[:_PLACES_SHOWN]) + (f" and {more} more places" if more > 0 else "")


_PLACES_SHOWN = 6


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Secret values that this process knows. They live in memory alone; the class shows none of them.

    With a *token_key*, 32 random bytes that belong to an archive, what is removed leaves a token: equal secrets leave equal ones within
    that archive, and without the key nothing can be guessed from it.
    """

    values: tuple[str, ...] = ()
    token_key: bytes | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], token_key: bytes | None = None) -> Secrets:
        """Collect the values of variables whose name says that they are secret, and the credentials inside URLs."""
        found: list[str] = []
        for name, value in environment.items():
            if names_secret(name) and not is_way_to_authenticate(name, value):
                found.append(value)
            if name.upper() == "OPENAI_CUSTOM_HEADERS":
                found.extend(line.partition(":")[2].strip() for line in value.splitlines())
            if "@" in value and name.lower().endswith("_proxy"):
                found.extend(url_credentials(value if "://" in value else "http://" + value, whole_authority=True))
            elif "@" in value and "://" in value:
                found.extend(url_credentials(value))
            if "://" in value or name.upper().endswith(NAMES_OF_URLS):
                found.extend(url_secrets(value))
        return cls(tuple(dict.fromkeys(found)), token_key)

    def with_urls(self, *texts: str) -> Secrets:
        """These, and what URLs hold that no variable does: those of an option, of a parameter, of an application's client."""
        found = (value for text in texts for value in (*url_credentials(text), *url_secrets(text)))
        return Secrets(tuple(dict.fromkeys((*self.values, *found))), self.token_key)

    def with_told(self, text: str) -> Secrets:
        """These, and what a text tells under the name of a secret: it may stand in another part of the text without its name."""
        values = (text[first:last] for first, last in told(text))
        # What a shape or a mask gives away is found wherever it stands.
        found = (
            value
            for value in values
            if len(value) >= _SHORTEST_TOLD and looks_random(value) and not _has_shape(value) and not MASK.search(value)
        )
        return Secrets(tuple(dict.fromkeys((*self.values, *found))), self.token_key)

    def __repr__(self) -> str:
        return f"Secrets({len(self.values)} values)"

    def redact_text(self, text: str) -> str:
        """Replace every known secret, then everything that has the shape of one."""
        return self._redact(text, Counter())

    def redact(self, record: Record) -> tuple[Record, tuple[str, ...]]:
        """Redact every text inside a frozen record; the second value says which rules removed how much, and where."""
        removed = _Removed()
        return self._redact_item(record, "", removed), removed.lines()

    def _redact(self, text: str, removed: Counter[str]) -> str:
        for form, secret in forms(self.values):
            whole = text.replace(form, self._replacement("", secret)) if form in text else text
            clean = without_rests(whole, form)
            if clean != text:
                removed["known secret"] += 1
                text = clean
        text = self._without_masked(self._without_split(text, removed), removed)
        if self.values:
            text = self._without_parts(text, find_pieces(text, self.values), removed)
        for rule, shape, kind in SHAPES:
            text, count = shape.subn(lambda match, kind=kind: self._without(match, kind), text)  # type: ignore[misc]
            if count:
                removed[rule] += count
        text = self._without_told(text, removed)
        # A variable may hold bytes that are no text; what leaves memory can be written as UTF-8.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    def _without_split(self, text: str, removed: Counter[str]) -> str:
        """Replace known secrets that line breaks part."""
        if not self.values or not LINE_BREAK.search(text):
            return text
        joined = join(text)
        for form, secret in forms(self.values):
            parts: list[tuple[int, int, str]] = []
            at = joined.text.find(form)
            while at >= 0:
                parts.append((joined.place(at), joined.place(at + len(form) - 1) + 1, secret))
                at = joined.text.find(form, at + len(form))
            if parts:
                text = self._without_parts(text, parts, removed)
                joined = join(text)
        return text

    def _without_masked(self, text: str, removed: Counter[str]) -> str:
        """Replace what a mask leaves of known secrets."""
        masks = tuple(MASK.finditer(text)) if self.values else ()
        secrets = tuple(dict.fromkeys(secret for _, secret in forms(self.values))) if masks else ()
        parts: list[tuple[int, int, str]] = []
        for mask in masks:
            for secret in secrets:
                if left := rests(text, mask, secret):
                    parts.append((*left, secret))
                    break
        return self._without_parts(text, parts, removed)

    def _without_told(self, text: str, removed: Counter[str]) -> str:
        """Replace the values that the text tells under the name of a secret."""
        parts = ((first, last, text[first:last]) for first, last in told(text))
        return self._without_parts(text, parts, removed, rule="named secret")

    def _without_parts(
        self,
        text: str,
        parts: Iterable[tuple[int, int, str]],
        removed: Counter[str],
        *,
        rule: str = "known secret",
    ) -> str:
        """The text without these parts of it, in one pass: who answers may name a secret as often as an answer is long."""
        pieces: list[str] = []
        behind = 0
        for first, last, secret in parts:
            removed[rule] += 1
            if first >= behind:
                pieces += (text[behind:first], self._replacement("", secret))
            behind = max(behind, last)
        return "".join((*pieces, text[behind:]))

    def _without(self, match: re.Match[str], kind: str) -> str:
        kept = match.groupdict().get("keep") or ""
        return kept + self._replacement(kind, match.group()[len(kept) :])

    def _replacement(self, kind: str, secret: str) -> str:
        token = f":{fingerprint(secret, self.token_key)[:_TOKEN_DIGITS]}" if self.token_key else ""
        return f"[redacted{' ' if kind else ''}{kind}{token}]"

    def _redact_item(self, item: Any, place: str, removed: _Removed) -> Any:
        if isinstance(item, str):
            return self._redact_once(item, place, removed) if len(item) >= SHORTEST_SECRET else item
        if isinstance(item, tuple):
            return tuple(self._redact_item(part, place + self._index(part), removed) for part in item)
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.replace(
                item,
                **{
                    f.name: self._redact_item(getattr(item, f.name), f"{place}.{f.name}".lstrip("."), removed)
                    for f in dataclasses.fields(item)
                    if f.name not in _NEVER_SECRET
                },
            )
        return item

    def _redact_once(self, text: str, place: str, removed: _Removed) -> str:
        if text not in removed.texts:
            counts: Counter[str] = Counter()
            removed.texts[text] = self._redact(text, counts), counts
        clean, counts = removed.texts[text]
        if counts:
            removed.note(counts, place)
        return clean

    def _index(self, part: Any) -> str:
        """How a part of a tuple is named: an observation by its id, anything else not at all."""
        name = getattr(part, "id", None)
        return f"[{self.redact_text(name)}]" if isinstance(name, str) else ""


def _has_shape(value: str) -> bool:
    return any(shape.search(value) for _, shape, _ in SHAPES)


NAMES_OF_URLS = ("_URL", "_URI", "_ENDPOINT", "_API_BASE")
"""Variables that may hold a URL whose scheme somebody forgot."""

_SHORTEST_TOLD = 12
"""A shorter value that a text tells by name is replaced there alone, and not wherever else it stands."""

_TOKEN_DIGITS = 8
"""Of the 12 of a fingerprint: enough to tell a handful of secrets apart."""

_NEVER_SECRET = frozenset({"kind", "schema", "sha256", "der_base64"})
"""Fields that this package fills from public data alone; a certificate in base64 would only cost time here."""


def fingerprint(secret: str, key: bytes) -> str:
    """A keyed hash of a secret: equal under one *key* means equal secrets, and without the key it cannot be guessed at.

    The first 12 hexadecimal digits of HMAC-SHA-256 (RFC 2104).
    """
    return hmac.new(key, secret.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:12]
