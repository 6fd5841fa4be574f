"""The code that browsers get, searched for keys, for calls without TLS, and for the SDK's switch for browsers. No key leaves this module."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from oairunbook.evidence import ClientCode, FoundKey
from oairunbook.redaction import Secrets, without_credentials

_KINDS = (
    ".html",
    ".htm",
    ".js",
    ".mjs",
    ".cjs",
    ".jsx",
    ".ts",
    ".tsx",
    ".vue",
    ".svelte",
    ".map",
    ".json",
    ".css",
    ".env",
)
_MOST_FILES, _MOST_BYTES, _MOST_EACH, _MOST_FOUND = 500, 30_000_000, 5_000_000, 50
_SHORTEST_SECRET = 8

_KEYS = (
    ("OpenAI key", re.compile(r"(?<![A-Za-z0-9_-])sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{16,}")),
    ("key in a bearer header", re.compile(r"[Bb]earer\s+(?!sk-|ek_|\$|\{|\+|['\"`<])[A-Za-z0-9._~+/=-]{20,}")),
    ("value of an api-key", re.compile(r"['\"`]?(?:api[-_]?key|subscription[-_]key)['\"`]?\s*[:=]\s*['\"`](?!ek_)[A-Za-z0-9]{32,}['\"`]", re.IGNORECASE)),
)  # fmt: skip
"""Ephemeral keys (`ek_`) are made for pages, and are no finding."""

_INSECURE = re.compile(
    r"http://(?!localhost\b|127\.|\[::1\])[A-Za-z0-9.-]+(?::\d+)?/[A-Za-z0-9/_.-]*(?:v1\b|openai|chat/completions|responses)"
)
_SWITCH = re.compile(r"dangerouslyAllowBrowser\s*['\"]?\s*[:=]\s*(?:true|!0)")
_SCRIPT = re.compile(r"<script[^>]+src\s*=\s*['\"]?([^'\"\s>]+)", re.IGNORECASE)


def named(code: str) -> str:
    """The place for the record, without credentials or query."""
    return without_credentials(code) if "://" in code else code


def search(code: str, secrets: Secrets, *, timeout: float) -> ClientCode:
    """Read a file, a folder or a page of your own with its scripts, and search it.

    Raises:
        OSError: It cannot be read.
        ValueError: The URL is neither http nor https.
    """
    sources: list[str] = []
    keys: list[FoundKey] = []
    insecure: list[str] = []
    switches: list[str] = []
    size = 0
    for source, text in _texts(code, timeout):
        sources.append(source)
        size += len(text)
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{source}, line {number}"
            keys += _keys(source, number, line, secrets)
            insecure += [f"{found} ({where})" for found in _INSECURE.findall(line)]
            if _SWITCH.search(line):
                switches.append(where)
    return ClientCode(
        sources=tuple(sources[:_MOST_FOUND]),
        size_bytes=size,
        keys=tuple(keys[:_MOST_FOUND]),
        insecure=tuple(dict.fromkeys(insecure))[:_MOST_FOUND],
        allows_browser=tuple(switches[:_MOST_FOUND]),
    )


def _keys(source: str, number: int, line: str, secrets: Secrets) -> list[FoundKey]:
    mine = any(len(value) >= _SHORTEST_SECRET and value in line for value in secrets.values)
    found = [
        FoundKey(source=source, line=number, shape=shape, is_of_this_runtime=mine)
        for shape, look in _KEYS
        if any(_is_random(match.group()) for match in look.finditer(line))
    ]
    if mine and not found:
        found = [FoundKey(source=source, line=number, shape="a secret of this runtime", is_of_this_runtime=True)]
    return found[:1]


def _is_random(text: str) -> bool:
    """Whether a text is more than words with hyphens: `sk-spinner-double-bounce` is a class of a style sheet."""
    digits = sum(c.isdigit() for c in text)
    return digits >= 4 or (digits >= 1 and any(c.isupper() for c in text[3:]))


def _texts(code: str, timeout: float) -> Iterator[tuple[str, str]]:
    if "://" in code:
        yield from _fetched(code, timeout)
        return
    path = Path(code)
    files = (
        [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file() and f.suffix.lower() in _KINDS)
    )
    if not path.exists():
        raise FileNotFoundError(2, "No such file or folder", str(path))
    total = 0
    for file in files[:_MOST_FILES]:
        data = file.read_bytes()[:_MOST_EACH]
        total += len(data)
        if total > _MOST_BYTES:
            return
        yield str(file if path.is_file() else file.relative_to(path)), data.decode("utf-8", "replace")


def _fetched(url: str, timeout: float) -> Iterator[tuple[str, str]]:
    """The page, and the scripts that it loads from its own origin."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"page is a file, a folder or an http(s) URL, and {named(url)!r} is not")
    text = _get(url, timeout)
    yield named(url), text
    origin = urlsplit(url)[:2]
    scripts = dict.fromkeys(urljoin(url, found) for found in _SCRIPT.findall(text))
    for script in list(scripts)[:20]:
        if urlsplit(script)[:2] == origin:
            yield named(script), _get(script, timeout)


def _get(url: str, timeout: float) -> str:
    request = urllib.request.Request(url, headers={"User-Agent": "oairunbook"})  # noqa: S310 - http and https alone, checked above
    with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
        data: bytes = response.read(_MOST_EACH)
    return data.decode("utf-8", "replace")
