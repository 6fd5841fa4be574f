"""The one door through which evidence leaves memory: what is secret is replaced before anything else sees the record.

Known secrets go first, by exact value and in the encodings in which they travel; shapes of secrets second. Host names, addresses, request ids,
status codes and error texts stay: without them a packet is worthless.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSW(OR)?D|CREDENTIAL|AUTHORIZATION|COOKIE|SIGNATURE)", re.IGNORECASE)
_PATH_NAME = re.compile(r"(_FILE|_DIR|_PATH|_HOME|_URL|_ENDPOINT)$")
_SHORTEST_SECRET = 6
"""A shorter value would blot out ordinary words."""

_SHAPES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    # userinfo of a URL; the host behind it stays
    (
        "url userinfo",
        re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]*://)[^\s/@'\"<>]+@", re.IGNORECASE),
        r"\g<keep>[redacted]@",
    ),
    (
        "signed query",
        re.compile(
            r"(?P<keep>[?&;](?:sig|signature|x-amz-signature|x-amz-security-token|x-amz-credential|code|token|access_token|api[-_]?key|key|client_secret|sv)=)[^&\s\"'<>]+",
            re.IGNORECASE,
        ),
        r"\g<keep>[redacted]",
    ),
    (
        "authorization",
        re.compile(
            r"(?P<keep>\b(?:bearer|basic|digest|negotiate)\s+)(?=[A-Za-z0-9+/=._~-]{8,})(?!realm|auth(?:entication)?\b|token\b|or\b)[^\s\"',;]+",
            re.IGNORECASE,
        ),
        r"\g<keep>[redacted]",
    ),
    (
        "secret header",
        re.compile(
            r"(?P<keep>\b(?:api-key|x-api-key|authorization|proxy-authorization|ocp-apim-subscription-key|cf-aig-authorization|set-cookie|cookie)['\"]?\s*[:=]\s*b?['\"]?)"
            r"(?!\s*\[redacted)[^\r\n'\"]+",
            re.IGNORECASE,
        ),
        r"\g<keep>[redacted]",
    ),
    # OpenAI's own error text shows a masked key ("sk-ab***yz"); the mask is removed as well
    ("openai key", re.compile(r"\b(?:sk|sess|ek|rk|pk)-[A-Za-z0-9_*.\-\u2022]{6,}"), "[redacted key]"),
    ("jwt", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"), "[redacted jwt]"),
    ("aws key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "[redacted key]"),
    ("github token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"), "[redacted token]"),
    (
        "private key",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        "[redacted key]",
    ),
)

Record = TypeVar("Record")


def _encodings(value: str) -> Iterable[str]:
    """The forms in which one secret may show up in a text."""
    yield value
    yield repr(value)[1:-1]
    yield quote(value, safe="")
    yield quote(value)
    data = value.encode("utf-8", "surrogateescape")
    encoded = base64.b64encode(data).decode().rstrip("=")
    yield encoded
    yield base64.urlsafe_b64encode(data).decode().rstrip("=")
    if len(value.split()) > 1:
        yield from (part for part in value.split() if len(part) >= _SHORTEST_SECRET)
    if value != value.strip():
        yield value.strip()


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Secret values that this process knows. They live in memory alone; the class shows none of them."""

    values: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Secrets:
        """Collect the values of variables whose name says that they are secret, and the credentials inside URLs."""
        found: list[str] = []
        for name, value in environment.items():
            if _SECRET_NAME.search(name) and not _PATH_NAME.search(name):
                found.append(value)
            if name.upper() == "OPENAI_CUSTOM_HEADERS":
                found.extend(line.partition(":")[2].strip() for line in value.splitlines())
            if "@" in value and "://" in value:
                found.extend(_url_credentials(value))
            elif "@" in value and name.lower().endswith("_proxy"):
                found.extend(_url_credentials("http://" + value))
        return cls(tuple(dict.fromkeys(found)))

    def __repr__(self) -> str:
        return f"Secrets({len(self.values)} values)"

    def redact_text(self, text: str) -> str:
        """Replace every known secret, then everything that has the shape of one."""
        return self._redact(text, [])

    def _redact(self, text: str, removed: list[str]) -> str:
        for form in self._forms():
            if form in text:
                removed.append("known secret")
                text = text.replace(form, "[redacted]")
        for rule, shape, replacement in _SHAPES:
            text, count = shape.subn(replacement, text)
            removed.extend([rule] * count)
        return text

    def _forms(self) -> list[str]:
        forms = {form for value in self.values if len(value.strip()) >= _SHORTEST_SECRET for form in _encodings(value)}
        return sorted((form for form in forms if len(form) >= _SHORTEST_SECRET), key=len, reverse=True)

    def redact(self, record: Record) -> tuple[Record, tuple[str, ...]]:
        """Redact every text inside a frozen record; the second value says which rules removed how much."""
        removed: list[str] = []
        clean = self._redact_item(record, removed)
        counts = {rule: removed.count(rule) for rule in dict.fromkeys(removed)}
        return clean, tuple(f"{rule}: {count}" for rule, count in counts.items())

    def _redact_item(self, item: Any, removed: list[str]) -> Any:
        if isinstance(item, str):
            return self._redact(item, removed) if len(item) >= _SHORTEST_SECRET else item
        if isinstance(item, tuple):
            return tuple(self._redact_item(part, removed) for part in item)
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.replace(
                item,
                **{
                    f.name: self._redact_item(getattr(item, f.name), removed)
                    for f in dataclasses.fields(item)
                    if f.name not in _NEVER_SECRET
                },
            )
        return item


_NEVER_SECRET = frozenset({"kind", "schema", "sha256", "der_base64"})
"""Fields that this package fills from public data alone; a certificate in base64 would only cost time here."""


def _url_credentials(url: str) -> Iterable[str]:
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        # Unparsable: take all between the scheme and the last @.
        user, password = None, url.partition("://")[2].rpartition("@")[0]
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
    authority = authority.rpartition("@")[2]
    path = re.split(r"[?#]", path, maxsplit=1)[0]
    authority = re.split(r"[?#]", authority, maxsplit=1)[0]
    return f"{head}{separator}{authority}{slash}{path}"


def fingerprint(secret: str, key: bytes) -> str:
    """A keyed hash of a secret: equal under one *key* means equal secrets, and without the key it cannot be guessed at.

    The first 12 hexadecimal digits of HMAC-SHA-256 (RFC 2104).
    """
    return hmac.new(key, secret.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:12]
