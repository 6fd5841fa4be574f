"""Error objects that a text shows: JSON, a Python dict, what `util.inspect` prints, cut off or without their beginning."""

from __future__ import annotations

import ast
import itertools
import json
import re
from typing import Any

from oairunbook.evidence import ApiError, Body
from oairunbook.observe.bodies import api_error
from oairunbook.phrases import Phrases
from oairunbook.read import printed
from oairunbook.read.shown import MOST, Shown

_LONGEST_OBJECT = 16_000
_START = Phrases(
    r"""\{\s{0,40}\\{0,3}["']?(?:error|errors|message|code|type|detail|statusCode|status|object|success|html-message|title|request_id|error_code|param)\\{0,3}["']?\s?:"""
)
_ERROR_FIRST = re.compile(r"""\{\s{0,40}\\{0,3}["']error\\{0,3}["']""")
# A gateway's error with the answer of its provider inside: whoever answers is the gateway, also where broken quotes hide that it is inside.
_PASSED_ON = Phrases(r""".{0,300}["']metadata\\{0,3}["']\s?:\s?\{.{0,60}["']raw\\{0,3}["']\s?:""", flags=re.DOTALL)
_HEADLESS = Phrases(r"""^[ \t]{0,40}["']message["']\s?:\s?["']""", flags=re.MULTILINE)
_FIELD = Phrases(
    r"""(?<![\w-])\\{0,3}["']?(?P<name>message|type|code|param)\\{0,3}["']?\s{0,3}[:=]\s{0,3}(?:\\{0,3}'(?P<single>(?:[^'\\\n]|\\.){0,1500})(?:'|\\?$)|\\{0,3}"(?P<double>(?:[^"\\\n]|\\[^"\n]){0,1500})(?:\\{0,3}"|\\?$)|`(?P<tick>[^`\n]{0,1500})`|(?P<bare>null|None|undefined|\d{1,6})\b)""",
    flags=re.MULTILINE,
)


def objects(text: str) -> list[Shown]:
    """Each error object, also one whose braces or quotes no parser takes."""
    found: list[Shown] = []
    end = 0
    decoder = json.JSONDecoder(strict=False)
    starts = [m.start() for m in _START.finditer(text)]
    if len(starts) > 3 * MOST:
        starts = starts[:MOST] + starts[-2 * MOST :]
    found += _headless(text)
    for start in starts:
        if start < end:
            continue
        document, stop = _document(text, start, decoder)
        error = _error_of(document) if document is not None else None
        if document is None:
            window = text[start : start + 3000]
            error = _by_fields(window)
            passed_on = _PASSED_ON.match(window)
            stop = start + (len(window.partition("\n")[0]) if passed_on else 20)
        if error is None:
            continue
        end = stop
        status = _status_of(document, error)
        sample = text[start : min(stop, start + 600)] if document is not None else text[start : start + 300]
        found.append(
            Shown(
                status=status,
                position=start,
                end=stop,
                body=Body(shape="api_error", size_bytes=stop - start, error=error, sample=sample),
            )
        )
    return found


def as_printed(text: str) -> list[Shown]:
    """Each error that a client printed in a form of its own."""
    return [
        Shown(
            status=status,
            position=start,
            end=end,
            body=Body(
                shape="api_error", size_bytes=end - start, error=error, sample=text[start : min(end, start + 300)]
            ),
        )
        for status, error, start, end in itertools.islice(printed.errors(text), MOST)
    ]


def _headless(text: str) -> list[Shown]:
    """The fields of an object whose opening brace was not copied along."""
    found = []
    for match in _HEADLESS.finditer(text):
        if text.rfind("{", max(0, match.start() - 200), match.start()) >= 0:
            continue
        window = text[match.start() : match.start() + 3000].partition("}")[0]
        error = _by_fields(window)
        if error is not None and (error.code or error.type):
            body = Body(shape="api_error", size_bytes=len(window), error=error, sample=window[:300])
            found.append(
                Shown(
                    status=_status_of(None, error),
                    position=match.start(),
                    end=match.start() + len(window),
                    body=body,
                )
            )
        if len(found) >= MOST:
            break
    return found


def _document(text: str, start: int, decoder: json.JSONDecoder) -> tuple[Any, int]:
    """A JSON object or a Python dict that begins here, as the text has it, with its escapes resolved, or with its line breaks removed."""
    window = text[start : start + _LONGEST_OBJECT]
    for attempt, exact in (
        (window, True),
        (window.replace('\\\\"', "'").replace('\\"', '"').replace("\\n", "\n"), False),
    ):
        try:
            document, length = decoder.raw_decode(attempt)
        except (ValueError, RecursionError):
            continue
        return document, start + (length if exact else min(len(window), length + attempt.count('"', 0, length)))
    end = _balanced(window)
    if end is None:
        return None, start + 1
    literal = window[:end]
    for attempt in (literal, re.sub(r"\s*\n\s*", " ", literal)):
        try:
            return ast.literal_eval(attempt.replace("null", "None") if "null" in attempt else attempt), start + end
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            pass
        try:
            return json.loads(attempt, strict=False), start + end
        except (ValueError, RecursionError):
            pass
    return None, start + end


_TOKEN = re.compile(r"""\\.|[{}"']""", re.DOTALL)


def _balanced(window: str) -> int | None:
    """Where the object that begins this window ends; None if it is cut off."""
    depth, quote = 0, ""
    for match in _TOKEN.finditer(window):
        sign = match[0]
        if sign[0] == "\\":
            continue
        if quote:
            # An apostrophe inside a word ends no string.
            if sign == quote and not (sign == "'" and window[match.end() : match.end() + 1].isalpha()):
                quote = ""
        elif sign in "\"'":
            quote = sign
        else:
            depth += 1 if sign == "{" else -1
            if depth == 0:
                return match.end()
    return None


def _error_of(document: Any) -> ApiError | None:
    if not isinstance(document, dict):
        return None
    error = api_error(document)
    if error is not None:
        return error
    flat = {
        key: document.get(key) for key in ("message", "type", "code", "param", "detail", "object", "metadata", "msg")
    }
    if isinstance(flat["message"], str) and (
        flat["type"] or flat["code"] is not None or flat["metadata"] or flat["object"] == "error" or "param" in document
    ):
        code = flat["code"]
        return ApiError(
            message=flat["message"][:2000],
            type=_word(flat["type"]),
            code=_word(code),
            param=_word(flat["param"]),
            shape="object" if not flat["object"] else "flat",
            code_is_string=not isinstance(code, int),
        )
    if isinstance(document.get("detail"), str):
        return ApiError(message=document["detail"][:2000], shape="flat")
    if isinstance(document.get("errors"), dict) and document.get("message"):
        return ApiError(message=str(document["message"])[:2000], shape="flat")
    return None


# Codes of Node and its libraries stand beside an error as the API's do.
_OF_THE_RUNTIME = re.compile(r"(?:ERR_[A-Z]|UND_ERR|E[A-Z]{4,}\b)")


def _by_fields(window: str) -> ApiError | None:
    """The fields of an object that no parser takes: cut off, or printed by `util.inspect`."""
    found: dict[str, str | None] = {}
    code_is_string, cut_off = True, False
    for match in _FIELD.finditer(window):
        name = match["name"]
        if name in found:
            break
        value = next((match[k] for k in ("single", "double", "tick") if match[k] is not None), None)
        bare = match["bare"]
        if value is None and bare is not None and bare.isdigit():
            value = bare
            code_is_string = code_is_string and name != "code"
        found[name] = value
        cut_off = bare is None and not match[0].endswith(("'", '"', "`"))
    message = found.get("message")
    if _OF_THE_RUNTIME.match(found.get("code") or ""):
        found.pop("code")
    known = found.get("code") or found.get("type")
    if not message and not known:
        return None
    of_an_error = cut_off and _ERROR_FIRST.match(window) is not None
    if message and not known and "param" not in found and "code" not in found and not of_an_error:
        return None
    return ApiError(
        message=message[:2000] if message else None,
        type=found.get("type"),
        code=found.get("code"),
        param=found.get("param"),
        code_is_string=code_is_string,
    )


_STATUS_CODE = re.compile(r"[345]\d\d(?=$| [A-Z][A-Z_]+$)")


def _status_of(document: Any, error: ApiError) -> int:
    if isinstance(document, dict):
        for key in ("statusCode", "status", "status_code", "code"):
            value = document.get(key)
            if isinstance(value, int) and 300 <= value <= 599:
                return value
    # Java's relays put the reason's name behind it: `429 TOO_MANY_REQUESTS`.
    leading = _STATUS_CODE.match(error.code or "")
    return int(leading[0]) if leading else 0


def _word(value: Any) -> str | None:
    return None if value is None or isinstance(value, (dict, list)) else str(value)[:200]
