"""What of an application's own failure may be kept: no prompt, no completion, no text of code that is not the SDK's or the transport's."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any

from oairunbook.evidence import Body, HttpAnswer
from oairunbook.redaction.pieces import decoded, traced

_OF_THE_PATH = frozenset(
    (
        *("openai", "httpx", "httpx2", "httpcore", "httpcore2", "httpx_aiohttp", "aiohttp", "anyio", "h11", "h2", "socksio"),
        *("truststore", "certifi", "asyncio", "socket", "ssl", "encodings", "azure"),
    )
)  # fmt: skip
"""Whose exceptions tell of the path. Any other text may hold whatever the application works on."""

_SHORTEST_QUOTE = 16
"""So many characters in a row that an error has in common with the request are a quotation, not chance."""

_ENCODED = re.compile(
    rf"(?:[0-9a-fA-F]{{2}}[ :]?){{{_SHORTEST_QUOTE},}}|[A-Za-z0-9+/_-]{{{_SHORTEST_QUOTE * 4 // 3 + 2},}}"
)
"""What may be hexadecimal or base64, and long enough to hold a quotation."""

_MOST_CHARACTERS = 500_000
_QUOTED = "[redacted prompt]"


def text_of(error: BaseException) -> str:
    """The text of an exception if it is one of the path's own; for others a note that there is one."""
    root = type(error).__module__.partition(".")[0]
    if root in _OF_THE_PATH or isinstance(error, (OSError, ImportError)) or _raised_in(error) in _OF_THE_PATH:
        return str(error)
    return f"({len(str(error))} characters, not kept: not an error of the SDK)"


def _raised_in(error: BaseException) -> str:
    """Name of the package whose code raised it."""
    raised = tuple(frames(error.__traceback__))
    return package_of(raised[-1]) if raised else ""


def frames(traceback: TracebackType | None) -> Iterator[Any]:
    """The frames of a traceback, the outermost first."""
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def package_of(frame: Any) -> str:
    """Name of the package whose code runs in a frame."""
    return str(frame.f_globals.get("__name__") or "").partition(".")[0]


class Asked:
    """The texts of one request body. They are held to be recognised where an answer quotes them, and enter no record."""

    def __init__(self, request: Any) -> None:
        try:
            document = json.loads(request.content)
        except Exception:
            # No body, one that is streamed, or none of JSON.
            document = None
        document = document if isinstance(document, dict) else {}
        self.model = _text(document.get("model"))
        self.stream = document.get("stream") is True
        self._words = "\n".join(_texts({name: value for name, value in document.items() if name != "model"}))
        self._words = self._words[:_MOST_CHARACTERS]

    def unquoted(self, text: str) -> str:
        """The text without what it quotes of the request, also escaped, in base64 or in hexadecimal."""
        kept, behind = "", 0
        for start, end in sorted(self._quotes(text)):
            if start >= behind:
                kept += text[behind:start] + _QUOTED
            behind = max(behind, end)
        return kept + text[behind:]

    def _quotes(self, text: str) -> Iterator[tuple[int, int]]:
        plain = decoded(text)
        starts, ends = traced(text, blanks=True) if plain != text else (range(len(text)), range(1, len(text) + 1))
        for start, end in self._in_a_row(plain):
            yield starts[start], ends[end - 1]
        for found in _ENCODED.finditer(text):
            if any(True for read in _readings(found[0]) for _ in self._in_a_row(decoded(read))):
                yield found.span()

    def _in_a_row(self, text: str) -> Iterator[tuple[int, int]]:
        start = 0
        while start + _SHORTEST_QUOTE <= len(text):
            end = start + _SHORTEST_QUOTE
            if text[start:end] not in self._words:
                start += 1
                continue
            while end < len(text) and text[start : end + 1] in self._words:
                end += 1
            yield start, end
            start = end

    def answer(self, answer: HttpAnswer) -> HttpAnswer:
        """An answer as it may be kept."""
        body = answer.body
        error = body.error
        if error is not None:
            error = replace(
                error,
                message=self._absent_or_unquoted(error.message),
                type=self._absent_or_unquoted(error.type),
                code=self._absent_or_unquoted(error.code),
                param=self._absent_or_unquoted(error.param),
            )
        title, sample = self._absent_or_unquoted(body.title), self._sample(answer.status, body)
        return replace(answer, body=replace(body, error=error, title=title, sample=sample))

    def _absent_or_unquoted(self, text: str | None) -> str | None:
        return self.unquoted(text) if text else None

    def _sample(self, status: int, body: Body) -> str:
        """Pages of whoever stands in between. What speaks JSON may send the whole input back, and what succeeds is a completion."""
        page = status >= 400 and body.shape in ("html", "text")
        return self.unquoted(body.sample) if page else ""


def _readings(run: str) -> Iterator[str]:
    """What a run of hexadecimal or base64 may say; where it begins in the midst of letters that stood before it, each beginning is tried."""
    digits = re.sub("[ :]", "", run)
    if re.fullmatch("[0-9a-fA-F]+", digits):
        for before in range(2):
            end = len(digits) - (len(digits) - before) % 2
            yield bytes.fromhex(digits[before:end]).decode("utf-8", "replace")
    letters = run.translate(_OF_URLS)
    if re.fullmatch("[A-Za-z0-9+/]+", letters):
        for before in range(4):
            end = len(letters) - (len(letters) - before) % 4
            yield base64.b64decode(letters[before:end]).decode("utf-8", "replace")


_OF_URLS = str.maketrans("-_", "+/")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(item: Any) -> Iterator[str]:
    pending = [item]
    while pending:
        current = pending.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, dict):
            pending.extend(current.values())
        elif isinstance(current, list):
            pending.extend(current)
