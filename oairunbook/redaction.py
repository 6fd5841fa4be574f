"""The one door through which evidence leaves memory: what is secret is replaced before anything else sees the record.

Known secrets go first, by exact value and in the encodings in which they travel; shapes of secrets second. Host names, addresses, request ids,
status codes and error texts stay: without them a packet is worthless.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus, unquote, urlsplit

SECRET_NAME = re.compile(
    r"(KEY|TOKEN|SECRET|PASSW(OR)?D|PASSPHRASE|_PASS$|PGPASS|.PWD$|CREDENTIAL|AUTHORIZATION|COOKIE|SIGNATURE|^IDENTITY_HEADER$)",
    re.IGNORECASE,
)
NO_SECRET_NAME = re.compile(r"((_FILE|_DIR|_PATH|_HOME|_URL|_ENDPOINT)$|^OLDPWD$)")
SHORTEST_SECRET = 6
"""A shorter value would blot out ordinary words."""

SHORTEST_REST = 8
"""What a cut text still shows of a secret counts from this length on."""

DUMMY_KEYS = frozenset(
    {"ollama", "lm-studio", "llama.cpp", "not-needed", "placeholder", "anything", "sk-no-key-required"}
)
"""What servers without keys tell their users to set. It is no secret, and `ollama` is a common host name, which must stay."""

_PARAMETERS = (
    r"sig|signature|sv|code|token|access_token|refresh_token|id_token|assertion|auth|session|sessionid|sid|password|passwd|pwd|secret|client_secret|"
    r"key|api[-_]?key|subscription-key|x-amz-signature|x-amz-security-token|x-amz-credential|x-goog-signature|x-goog-credential"
)
_FIELDS = r"(?:access|refresh|id|auth|session|security)[-_]?token|client[-_]?secret|password|passwd|pwd|secret|api[-_]?key|private[-_]?key"
_HEADERS = r"api-key|x-api-key|authorization|proxy-authorization|ocp-apim-subscription-key|cf-aig-authorization|set-cookie|cookie"

_SHAPES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    # userinfo of a URL, up to the last @ before the path; the host behind it stays
    (
        "url userinfo",
        re.compile(
            r"(?P<keep>[a-z][a-z0-9+.-]{0,31}://)(?!\[redacted[^\]]{0,40}\]@)[^\s/?#'\"<>]+(?=@)", re.IGNORECASE
        ),
        "",
    ),
    (
        "signed query",
        re.compile(rf"(?P<keep>[?&;](?:{_PARAMETERS})=)(?!\[redacted[^\]]{{0,40}}\])[^&\s\"'<>]+", re.IGNORECASE),
        "",
    ),
    (
        "authorization",
        re.compile(
            r"(?P<keep>\b(?:bearer|basic|digest|negotiate)\s+)(?=[A-Za-z0-9+/=._~-]{8,})"
            # words of a sentence and parameters of a challenge stay: `Basic realm=…`, `basic authentication`
            r"(?!realm|token\b|(?-i:[A-Z]?[a-z]+)(?![A-Za-z0-9+/=_~]|[.-]\w))[^\s\"',;]+",
            re.IGNORECASE,
        ),
        "",
    ),
    (
        "secret header",
        # `name: value`, `"name": "value"`, and the pairs that transports print: (b'name', b'value')
        re.compile(
            rf"(?P<keep>\b(?:{_HEADERS})(?:['\"]?\s{{0,99}}[:=]\s{{0,99}}(?:b?['\"])?|['\"],\s{{0,99}}b?['\"]))(?!\s{{0,99}}\[redacted)[^\r\n'\"]+",
            re.IGNORECASE,
        ),
        "",
    ),
    (
        "secret field",
        re.compile(
            rf"(?P<keep>\b(?:{_FIELDS})(?:['\"]\s{{0,99}}:\s{{0,99}}['\"]|=['\"]?))(?!\[redacted)[^\s'\"&;,]+",
            re.IGNORECASE,
        ),
        "",
    ),
    # OpenAI's own error text shows a masked key ("sk-ab***yz"); the mask is removed as well
    (
        "openai key",
        re.compile(r"(?:(?<![A-Za-z])|(?<=%[0-9A-Fa-f]{2}))(?:sk|sess|ek|rk|pk)-[A-Za-z0-9_*.\-\u2022]{6,}"),
        "key",
    ),
    ("jwt", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"), "jwt"),
    ("aws key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "key"),
    (
        "vendor token",
        re.compile(
            r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}"
            r"|xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,})"
        ),
        "token",
    ),
    (
        "private key",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        "key",
    ),
)

Record = TypeVar("Record")


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
def _forms(values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Every form of every secret with the secret itself, the longest first, so that none is replaced only in part."""
    secret = (v for v in values if len(v.strip()) >= SHORTEST_SECRET and v.strip().lower() not in DUMMY_KEYS)
    forms = {form: value for value in secret for form in _encodings(value) if len(form) >= SHORTEST_SECRET}
    return tuple(sorted(forms.items(), key=lambda pair: (-len(pair[0]), pair[0])))


def _without_rests(text: str, form: str) -> str:
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
class _Joined:
    """A text without its line breaks, and where each of its pieces stood."""

    text: str
    ends: tuple[int, ...]
    """Where each piece ends in *text*."""

    shifts: tuple[int, ...]
    """By how much each piece stood further right in the text as it was."""

    def place(self, position: int) -> int:
        """Where the character at *position* stood in the text as it was."""
        return position + self.shifts[bisect_right(self.ends, position)]


def _join(text: str) -> _Joined:
    pieces: list[str] = []
    ends: list[int] = []
    shifts, begin, length = [0], 0, 0
    for found in LINE_BREAK.finditer(text):
        pieces.append(text[begin : found.start()])
        length += len(pieces[-1])
        ends.append(length)
        shifts.append(found.end() - length)
        begin = found.end()
    return _Joined("".join((*pieces, text[begin:])), tuple(ends), tuple(shifts))


MASK = re.compile(r"\*{3,}|\u2022{3,}|\u2026|\.{3}")
"""`myoddval****-zzz`: servers quote a key back by its beginning and its end."""

SHORTEST_MASKED = 4
"""So many characters of a secret have to be left for a mask to be one of it."""

LONGEST_SHOWN = 32
"""Of a secret on either side of its mask."""


def _rests(text: str, mask: re.Match[str], secret: str) -> tuple[int, int] | None:
    """From where to where a mask and what it leaves of this secret stand; None if it leaves too little."""
    head = text[max(0, mask.start() - LONGEST_SHOWN) : mask.start()]
    tail = text[mask.end() : mask.end() + LONGEST_SHOWN]
    if head[-2:] not in secret and tail[:2] not in secret:
        # Most masks are of something else.
        return None
    begin = next((n for n in range(len(head), 0, -1) if secret.startswith(head[-n:])), 0)
    end = next((n for n in range(len(tail), 0, -1) if secret.endswith(tail[:n])), 0)
    return (mask.start() - begin, mask.end() + end) if begin + end >= SHORTEST_MASKED else None


class _Removed:
    """What was removed: by which rule, how often, and in which places of the record."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._places: dict[str, dict[str, None]] = {}

    def note(self, rule: str, place: str, count: int = 1) -> None:
        self._counts[rule] = self._counts.get(rule, 0) + count
        self._places.setdefault(rule, {})[place] = None

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
            if SECRET_NAME.search(name) and not NO_SECRET_NAME.search(name):
                found.append(value)
            if name.upper() == "OPENAI_CUSTOM_HEADERS":
                found.extend(line.partition(":")[2].strip() for line in value.splitlines())
            if "@" in value and name.lower().endswith("_proxy"):
                found.extend(_url_credentials(value if "://" in value else "http://" + value, whole_authority=True))
            elif "@" in value and "://" in value:
                found.extend(_url_credentials(value))
        return cls(tuple(dict.fromkeys(found)), token_key)

    def __repr__(self) -> str:
        return f"Secrets({len(self.values)} values)"

    def redact_text(self, text: str) -> str:
        """Replace every known secret, then everything that has the shape of one."""
        return self._redact(text, "", _Removed())

    def redact(self, record: Record) -> tuple[Record, tuple[str, ...]]:
        """Redact every text inside a frozen record; the second value says which rules removed how much, and where."""
        removed = _Removed()
        return self._redact_item(record, "", removed), removed.lines()

    def _redact(self, text: str, place: str, removed: _Removed) -> str:
        for form, secret in _forms(self.values):
            whole = text.replace(form, self._replacement("", secret)) if form in text else text
            clean = _without_rests(whole, form)
            if clean != text:
                removed.note("known secret", place)
                text = clean
        text = self._without_masked(self._without_split(text, place, removed), place, removed)
        for rule, shape, kind in _SHAPES:
            text, count = shape.subn(lambda match, kind=kind: self._without(match, kind), text)  # type: ignore[misc]
            if count:
                removed.note(rule, place, count)
        # A variable may hold bytes that are no text; what leaves memory can be written as UTF-8.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    def _without_split(self, text: str, place: str, removed: _Removed) -> str:
        """Replace known secrets that line breaks part."""
        if not self.values or not LINE_BREAK.search(text):
            return text
        joined = _join(text)
        for form, secret in _forms(self.values):
            parts: list[tuple[int, int, str]] = []
            at = joined.text.find(form)
            while at >= 0:
                parts.append((joined.place(at), joined.place(at + len(form) - 1) + 1, secret))
                at = joined.text.find(form, at + len(form))
            if parts:
                text = self._without_parts(text, parts, place, removed)
                joined = _join(text)
        return text

    def _without_masked(self, text: str, place: str, removed: _Removed) -> str:
        """Replace what a mask leaves of known secrets."""
        masks = tuple(MASK.finditer(text)) if self.values else ()
        secrets = tuple(dict.fromkeys(secret for _, secret in _forms(self.values))) if masks else ()
        parts: list[tuple[int, int, str]] = []
        for mask in masks:
            for secret in secrets:
                if rests := _rests(text, mask, secret):
                    parts.append((*rests, secret))
                    break
        return self._without_parts(text, parts, place, removed)

    def _without_parts(self, text: str, parts: Iterable[tuple[int, int, str]], place: str, removed: _Removed) -> str:
        """The text without these parts of it, in one pass: who answers may name a secret as often as an answer is long."""
        pieces: list[str] = []
        behind = 0
        for first, last, secret in parts:
            removed.note("known secret", place)
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
            return self._redact(item, place, removed) if len(item) >= SHORTEST_SECRET else item
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

    def _index(self, part: Any) -> str:
        """How a part of a tuple is named: an observation by its id, anything else not at all."""
        name = getattr(part, "id", None)
        return f"[{self.redact_text(name)}]" if isinstance(name, str) else ""


_TOKEN_DIGITS = 8
"""Of the 12 of a fingerprint: enough to tell a handful of secrets apart."""

_NEVER_SECRET = frozenset({"kind", "schema", "sha256", "der_base64"})
"""Fields that this package fills from public data alone; a certificate in base64 would only cost time here."""


def _url_credentials(url: str, *, whole_authority: bool = False) -> Iterable[str]:
    """Password, or a user name that stands alone; *whole_authority* says that all up to the last @ is meant as userinfo."""
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        user, password = None, None
        whole_authority = True
    if user is None and password is None and whole_authority:
        # A password with `/`, `?` or `#` in it: no parser finds its end, and the transport's error quotes a part of it.
        user, _, password = url.partition("://")[2].rpartition("@")[0].partition(":")
        yield from re.split(r"[:/?#]", password)
    for value in (password, user if not password else None):
        if value:
            yield value
            yield unquote(value)


def without_credentials(url: str) -> str:
    """The URL without userinfo, query and fragment, as it may stand in a record."""
    head, separator, rest = url.partition("://")
    if not separator:
        head, rest = "", url
    authority, slash, path = rest.partition("/")
    path = re.split(r"[?#]", path, maxsplit=1)[0]
    unfinished = authority.partition(":")[2]
    if (
        "@" not in authority
        and "@" in rest
        and unfinished
        and not authority.startswith("[")
        and not unfinished.isdigit()
    ):
        # `http://user:pass/word@host`: what stands before the last @ was meant as userinfo.
        authority, slash, path = rest.rpartition("@")[2].partition("/")
    authority = authority.rpartition("@")[2]
    authority = re.split(r"[?#]", authority, maxsplit=1)[0]
    return f"{head}{separator}{authority}{slash}{path}"


def fingerprint(secret: str, key: bytes) -> str:
    """A keyed hash of a secret: equal under one *key* means equal secrets, and without the key it cannot be guessed at.

    The first 12 hexadecimal digits of HMAC-SHA-256 (RFC 2104).
    """
    return hmac.new(key, secret.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:12]
