# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""What the SDKs for .NET make of an error object: status, type, code and message in an order of their own, without braces."""

from __future__ import annotations

from collections.abc import Iterator

from oairunbook.evidence import ApiError
from oairunbook.phrases import Phrases

# System.ClientModel's `ClientResultException`, as the OpenAI SDK fills it: `HTTP 404 (type: code)`, the parameter, the message.
_CLIENT_RESULT = Phrases(
    r"""\bHTTP (?P<status>[45]\d{2}) \((?P<type>[\w.-]{0,60}): ?(?P<code>[\w.-]{0,60})\)(?:\s{1,4}Parameter: (?P<param>[\w.\[\]-]{1,80}))?\s{1,6}(?P<message>[A-Z][^\n]{3,600})"""
)
# Azure.Core's `RequestFailedException`: the message, and below it status and code.
_REQUEST_FAILED = Phrases(
    r"""(?:RequestFailedException: )?(?P<message>[^\n]{3,600}?)\s{1,4}Status: (?P<status>[45]\d{2}) \([^)\n]{0,80}\)\s{1,4}ErrorCode: (?P<code>[\w.-]{1,60})"""
)


def errors(text: str) -> Iterator[tuple[int, ApiError, int, int]]:
    """Status and error of each such message, and where it begins and ends."""
    for match in _CLIENT_RESULT.finditer(text):
        error = ApiError(
            message=match["message"].strip(),
            type=match["type"] or None,
            code=match["code"] or None,
            param=match["param"],
        )
        yield int(match["status"]), error, match.start(), match.end()
    if "ErrorCode: " in text:
        for match in _REQUEST_FAILED.finditer(text):
            yield (
                int(match["status"]),
                ApiError(message=match["message"].strip(), code=match["code"]),
                match.start(),
                match.end(),
            )
