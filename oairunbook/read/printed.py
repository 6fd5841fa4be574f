# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Error objects that are printed otherwise than as JSON: by the SDKs for .NET in an order of their own and without braces, by Java as a map."""

from __future__ import annotations

import re
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
# Java's `Map.toString`.
_JAVA_MAP = Phrases(r"\{error=\{(?P<fields>[^{}\n]{3,600})\}\}")
# SDK 0.x logs what the API answered as `key=value`.
_LOGFMT = Phrases(
    r"""error_code=(?P<code>[\w.-]{0,60}) error_message=(?P<message>'(?:[^'\\\n]|\\.){0,1500}'|"(?:[^"\\\n]|\\.){0,1500}"|\S{0,200}) error_param=\S{0,80} error_type=(?P<type>[\w.-]{0,60})"""
)
_FIELD = re.compile(
    r"(?:^|, )(?P<name>message|type|code|param|status)=(?P<value>.*?)(?=, (?:message|type|code|param|status)=|$)"
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
    for match in _LOGFMT.finditer(text):
        said = {name: value.strip("'\"") for name, value in match.groupdict().items()}
        known = {name: value for name, value in said.items() if value not in ("", "None")}
        if known:
            number = known.get("code", "")
            error = ApiError(message=known.get("message"), type=known.get("type"), code=known.get("code"))
            yield int(number) if re.fullmatch(r"[45]\d\d", number) else 0, error, match.start(), match.end()
    for match in _JAVA_MAP.finditer(text):
        fields = {found["name"]: found["value"].strip() for found in _FIELD.finditer(match["fields"])}
        said = {name: value for name, value in fields.items() if value and value != "null"}
        if "message" not in said and "code" not in said:
            continue
        number = said.get("status", said.get("code", ""))
        error = ApiError(
            message=said.get("message"), type=said.get("type"), code=said.get("code"), param=said.get("param")
        )
        yield int(number) if re.fullmatch(r"[45]\d\d", number) else 0, error, match.start(), match.end()
