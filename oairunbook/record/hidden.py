"""Host names and addresses out of what is handed over, where somebody asks for it: each leaves a token, equal ones equal tokens within an archive.

It works on the finished text, so no view of it is forgotten. Names that the evidence holds go first, by their exact value; shapes second.
"""

from __future__ import annotations

import base64
import dataclasses
import ipaddress
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oairunbook.evidence import Evidence, EvidenceError, load_evidence
from oairunbook.record.archive.chain import CHAIN, MANIFEST
from oairunbook.record.archive.find import archive_of
from oairunbook.record.archive.fingerprint import fingerprint_key
from oairunbook.record.files import read_kept
from oairunbook.record.source import EVIDENCE_FILE
from oairunbook.redaction import fingerprint

_KEPT = frozenset(
    {
        *("localhost", "localhost.localdomain", "openai.com", "api.openai.com", "status.openai.com", "auth.openai.com"),
        *(
            "platform.openai.com",
            "help.openai.com",
            "azure.com",
            "openai.azure.com",
            "cognitiveservices.azure.com",
            "portal.azure.com",
        ),
        # Of links in our own texts, and of every picture in SVG.
        *("learn.microsoft.com", "developer.mozilla.org", "github.com", "pypi.org", "www.w3.org"),
    }
)
"""Everybody's own machine, and what everybody knows: they say nothing of who hands this over."""

_NAME_FIELDS = frozenset({"name", "canonical_name", "canonical_names", "names", "target"})
"""Fields of the evidence whose whole text may be a host name."""

HOST_FIELDS = frozenset({"host", "server_name", "search"})
"""Those whose whole text is one, also without a dot."""

_ORDINARY = frozenset(
    {
        *(
            "api",
            "azure",
            "client",
            "dns",
            "gateway",
            "host",
            "litellm",
            "model",
            "ollama",
            "openai",
            "origin",
            "proxy",
            "server",
        ),
        *("service", "squid", "none", "auto", "direct"),
    }
)
"""A host may be called so. As words of a text they say nothing of it; where they stand as hosts, they are hidden."""

_TOP_LEVELS = (
    "com|net|org|info|biz|io|dev|app|ai|cloud|tech|local|internal|intranet|intra|private|lan|corp|home|arpa|example|test|invalid"
    "|eu|de|fr|uk|nl|be|ch|at|es|it|pt|pl|cz|se|no|fi|dk|ie|us|ca|mx|br|ar|au|nz|jp|kr|cn|hk|sg|in|za|il|tr|ru|ua"
)

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_WHOLE_NAME = re.compile(rf"(?:\*\.)?({_NAME})\.?")
_NOT_INSIDE = r"(?<![A-Za-z0-9_-])(?<![A-Za-z0-9]\.)"
_IN_TEXT = (
    # What stands before a colon and a port, in a URL, behind an @, and behind the words that go before a name.
    re.compile(rf"(?<=://)(?:[^\s/@\"'<>]*@)?({_NAME})"),
    re.compile(rf"(?<=@)({_LABEL}(?:\.{_LABEL})+)"),
    re.compile(rf"{_NOT_INSIDE}({_LABEL}(?:\.{_LABEL})+)(?=:[0-9]{{2,5}}\b)"),
    re.compile(
        r"(?:\b(?:host(?:name)?|ENOTFOUND|EAI_AGAIN|getaddrinfo|server_name|SNI|CN|DNS|Connected to|CONNECT|lookup|resolve|peer name|server)"
        rf"\b[ :='\"(]{{1,3}}(?:host: ?)?)({_LABEL}(?:\.{_LABEL})+)",
        re.IGNORECASE,
    ),
    re.compile(rf"(?<![A-Za-z0-9_\])])\*?\.({_LABEL}(?:\.{_LABEL})+)(?![A-Za-z0-9_(-])"),
    re.compile(rf"{_NOT_INSIDE}({_LABEL}\.(?:{_TOP_LEVELS}))(?![A-Za-z0-9_(-]|\.[A-Za-z0-9])", re.IGNORECASE),
    # Three labels and more, unless the last says that this is a file, a module or an event of a transport.
    re.compile(rf"{_NOT_INSIDE}({_LABEL}(?:\.{_LABEL})+\.[A-Za-z]{{2,}})(?![A-Za-z0-9_(-])"),
)
_NO_TOP_LEVEL = frozenset(
    {
        *(
            "py",
            "ipynb",
            "json",
            "jsonl",
            "md",
            "html",
            "toml",
            "txt",
            "log",
            "pem",
            "sig",
            "sqlite",
            "body",
            "value",
            "text",
            "message",
        ),
        *("started", "complete", "failed", "headers", "outcome", "answer", "error", "url"),
    }
)
_CLASS = re.compile(r"[A-Z][a-z0-9]+[A-Z]\w*")
"""`http.client.RemoteDisconnected` is an exception."""

_RUN_NAME = re.compile(r"([0-9]{8}T[0-9]{6}Z-)(.+?)(?=-[0-9a-f]{8}\b)")
_IPV4 = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])")
_IPV6 = re.compile(
    # Also behind the name of a probe: `tcp:2001:db8::1`.
    # A group has four digits at most, and no letter behind `f`.
    r"(?:(?<![0-9A-Za-z:.])|(?<=[g-zG-Z]:)|(?<=[A-Za-z_]{5}:)|(?<=[g-zG-Z_][A-Za-z]:)|(?<=[g-zG-Z_][A-Za-z]{2}:)|(?<=[g-zG-Z_][A-Za-z]{3}:))(?:[0-9A-Fa-f]{0,4}:){2,7}"
    r"(?:[0-9A-Fa-f]{1,4}|(?:[0-9]{1,3}\.){3}[0-9]{1,3})?(?![0-9A-Za-z:])"
)
_PICTURE = re.compile(r"(data:image/svg\+xml;base64,)([A-Za-z0-9+/=]+)")
_NOTHING = re.compile(r"(?!)(?P<whole>)")
_SHORTEST_BEGINNING = 6
_LONGEST_NAME = 253
"""RFC 1035 section 2.3.4. What is longer is no host, and has as many domains as dots: somebody made it to be slow."""
_TOKEN_DIGITS = 8


@dataclass(frozen=True)
class Known:
    """What a record says of the names in it."""

    names: frozenset[str] = frozenset()
    """Of hosts."""

    steps: frozenset[str] = frozenset()
    """Of steps, such as `tls.certificate_request`, which have the shape of a host's: a record without them cannot be read."""


def known_of(evidence: Evidence | None, *also: str) -> Known:
    """The names of a record, and further ones that are known to be names."""
    named = {*also, *_names(evidence)}
    steps = {one.id.partition(":")[0].lower() for one in evidence.observations} if evidence else set()
    steps -= {name.lower() for name in named}
    found = {name for text in _texts(evidence) for name in _names_in(text) if name.lower() not in steps}
    return Known(frozenset(name.lower() for name in named | found), frozenset(steps))


def known_of_all(several: Iterable[Known]) -> Known:
    """What several records say together."""
    names: set[str] = set()
    steps: set[str] = set()
    for one in several:
        names |= one.names
        steps |= one.steps
    return Known(frozenset(names), frozenset(steps))


@dataclass(frozen=True)
class Hidden:
    """Takes host names and addresses out of texts."""

    levels: frozenset[str]
    """`hosts`, `addresses`."""

    key: bytes
    """Of the archive: makes tokens comparable within it, and useless outside."""

    known: Known = Known()

    def text(self, text: str) -> str:
        """A text without them. What it shows of a name that was cut goes as well."""
        if "hosts" in self.levels:
            text = self._without_hosts(text)
        if "addresses" in self.levels:
            text = _IPV6.sub(lambda match: self._address(match.group()), text)
            text = _IPV4.sub(lambda match: self._address(match.group()), text)
        return text

    def page(self, html: str) -> str:
        """A page without them, also in its pictures."""
        return self.text(_PICTURE.sub(lambda match: match[1] + self._picture(match[2]), html))

    def document(self, item: Any) -> Any:
        """A JSON document without them."""
        if isinstance(item, str):
            return self.text(item)
        if isinstance(item, list):
            return [self.document(one) for one in item]
        if isinstance(item, dict):
            return {self.text(str(name)): self.document(value) for name, value in item.items()}
        return item

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """The known names, the longest first, and the domains that they stand in."""
        found = {name for name in self.known.names if len(name) <= _LONGEST_NAME}
        for name in tuple(found):
            labels = name.split(".")
            # prod.example of web-3.prod.example; the last label alone is anybody's.
            found |= {".".join(labels[start:]) for start in range(1, len(labels) - 1)}
        hidden = sorted(name for name in found if _is_hidden(name) and not self.is_everybodys(name))
        if not hidden:
            return _NOTHING
        ends = r"(?![A-Za-z0-9_-]|\.[A-Za-z0-9])"
        # Of one that a view has cut, what is left before the mark of the cut.
        whole, cut = _any_of(hidden), _any_beginning(hidden)
        return re.compile(rf"{_NOT_INSIDE}(?:(?P<whole>{whole}){ends}|{cut}(?=…|\.\.\.))", re.IGNORECASE)

    def _without_hosts(self, text: str) -> str:
        text = _RUN_NAME.sub(lambda match: match[1] + self._host(match[2]), text)
        text = self._pattern.sub(lambda match: self._host(match["whole"]) if match["whole"] else "[host]", text)
        for shape in _IN_TEXT:
            text = shape.sub(self._of_shape, text)
        return text

    def is_kept(self, name: str) -> bool:
        """Whether a text that has the shape of a name is none, or one that says nothing of a network."""
        lower, last = name.lower(), name.rpartition(".")[2]
        plain = lower in self.known.steps or last.lower() in _NO_TOP_LEVEL or _CLASS.fullmatch(last) is not None
        return plain or self.is_everybodys(name) or _is_address(name)

    def is_everybodys(self, name: str) -> bool:
        """Whether it is a name that everybody knows."""
        return name.lower() in _KEPT

    def _of_shape(self, match: re.Match[str]) -> str:
        name = match[1]
        if self.is_kept(name):
            return match[0]
        return match[0][: match.start(1) - match.start()] + self._host(name) + match[0][match.end(1) - match.start() :]

    def _host(self, name: str) -> str:
        return f"[host:{self._token(name.lower())}]"

    def _address(self, text: str) -> str:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text
        if address.is_loopback or address.is_unspecified:
            return text
        private = "private " * address.is_private
        return f"[{private}IPv{address.version} address:{self._token(str(address))}]"

    def _token(self, value: str) -> str:
        return fingerprint(value, self.key)[:_TOKEN_DIGITS]

    def _picture(self, encoded: str) -> str:
        try:
            text = base64.b64decode(encoded, validate=True).decode("utf-8")
        except ValueError:
            # It is no picture of ours, and nothing can be said of what it shows.
            return ""
        return base64.b64encode(self.text(text).encode("utf-8")).decode("ascii")


def _names(item: Any, name: str = "") -> Iterator[str]:
    """What stands in the fields that hold names."""
    if isinstance(item, str):
        whole = _WHOLE_NAME.fullmatch(item)
        if whole and (name in HOST_FIELDS or (name in _NAME_FIELDS and "." in item)):
            yield whole[1]
    elif isinstance(item, tuple):
        for part in item:
            yield from _names(part, name)
    elif dataclasses.is_dataclass(item) and not isinstance(item, type):
        for one in dataclasses.fields(item):
            # Names of header fields, of events and of settings are none of hosts.
            if not (one.name == "name" and type(item).__name__ in ("Header", "TraceEvent", "Setting")):
                yield from _names(getattr(item, one.name), one.name)


def _texts(item: Any) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, tuple):
        for part in item:
            yield from _texts(part)
    elif dataclasses.is_dataclass(item) and not isinstance(item, type):
        for one in dataclasses.fields(item):
            yield from _texts(getattr(item, one.name))


def _names_in(text: str) -> Iterator[str]:
    for shape in _IN_TEXT:
        for match in shape.finditer(text):
            if match[1].rpartition(".")[2].lower() not in _NO_TOP_LEVEL:
                yield match[1]
    if "://" in text:
        try:
            yield from filter(None, (urlsplit(text).hostname,))
        except ValueError:
            return


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def hidden_of(levels: frozenset[str], run: Path) -> Hidden | None:
    """What hides these levels in views of a run, whatever of its record can be read; None if nothing is to be hidden."""
    if not levels:
        return None
    try:
        evidence = load_evidence(read_kept(run / EVIDENCE_FILE))
    except (OSError, EvidenceError):
        evidence = None
    try:
        host = json.loads(read_kept(run / MANIFEST))["host"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        host = ""
    return Hidden(levels, hiding_key(run), known_of(evidence, *((str(host),) if host else ())))


def hiding_key(*near: str | Path) -> bytes:
    """Of the first archive in which one of these paths lies; one of its own where none does, so that tokens compare within what it hides alone."""
    return next(filter(None, map(key_of, map(Path, near))), None) or secrets.token_bytes(32)


def key_of(run: Path) -> bytes | None:
    """Of the archive; None of a run that lies in none, or in one that cannot be written: its tokens compare within one text."""
    folder = run.absolute()
    archive = archive_of(str(folder)) or next((str(root) for root in folder.parents if (root / CHAIN).is_file()), "")
    try:
        return fingerprint_key(Path(archive)) if archive else None
    except (OSError, ValueError):
        return None


def _is_hidden(name: str) -> bool:
    return name.lower() not in _KEPT | _ORDINARY and not _is_address(name) and not name.isdigit() and len(name) > 1


def _any_of(words: Sequence[str]) -> str:
    """A pattern of any of these words, in order: a text is compared with what they begin with, and not with each of thousands."""
    alike = takewhile(lambda two: two[0] == two[1], zip(words[0], words[-1], strict=False))
    begin = "".join(letter for letter, _ in alike)
    rests = [word[len(begin) :] for word in words]
    ways = [_any_of(list(same)) for _, same in groupby(filter(None, rests), key=lambda rest: rest[0])]
    return re.escape(begin) + (f"(?:{'|'.join(ways)}){'?' * ('' in rests)}" if ways else "")


def _any_beginning(words: Sequence[str], least: int = _SHORTEST_BEGINNING) -> str:
    """A pattern of the first characters of any of these words, in order: *least*, or the whole word if that is shorter, and as many as are there."""
    ways = [
        re.escape(first) + _any_beginning([word[1:] for word in same], least - 1)
        for first, same in groupby(filter(None, words), key=lambda word: word[0])
    ]
    return f"(?:{'|'.join(ways)}){'?' * (least <= 0 or '' in words)}" if ways else ""
