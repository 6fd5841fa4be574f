"""What a body is, by its shape: an API error, an API object, a page, a stream. Completions are never kept."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from oairunbook.evidence import ApiError, Body

_SAMPLE_LENGTH = 2000
_FIELD = re.compile(
    r"""(?P<keep><(?:input|meta)\b[^>]{0,2000}?\s(?:value|content)\s{0,9}=\s{0,9})(?:"[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s>"']+)""",
    re.IGNORECASE,
)
_OF_A_DESCRIPTION = re.compile(
    r"""\s(?:name|property|http-equiv)\s{0,9}=\s{0,9}["']?(?:description|generator|author|keywords|viewport|robots|refresh|content-|og:|twitter:)|\stype\s{0,9}=\s{0,9}["']?(?:submit|button)""",
    re.IGNORECASE,
)
_NOT_KEPT = '"[not kept]"'
"""In the place of what a form's field holds: of a page to log in that is its token, or what it was asked to sign."""

_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_MARKUP = re.compile(rb"^\s*(?:<!doctype html|<html|<head|<body|<\?xml|<title|<h1|<center)", re.IGNORECASE)


def classify(content_type: str | None, data: bytes) -> Body:
    """Describe a body.

    Args:
        content_type: Value of the `Content-Type` header; None if there was none.
        data: The body, or its beginning.

    Source: shapes recorded from the API, Azure and gateways (facts: openai_api section 1, azure section 2, gateways).
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    size = len(data)
    if not data.strip():
        return Body(shape="empty", size_bytes=size, content_type=content_type)
    if kind == "text/event-stream" or data.lstrip().startswith((b"data:", b"event:")):
        error = _error_in_stream(data)
        sample = _text(data) if error else ""
        return Body(shape="event_stream", size_bytes=size, content_type=content_type, error=error, sample=sample)
    document = _json(data)
    if isinstance(document, (dict, list)):
        error = api_error(document)
        if error is not None:
            return Body(shape="api_error", size_bytes=size, content_type=content_type, error=error, sample=_text(data))
        name = document.get("object") if isinstance(document, dict) else None
        if isinstance(name, str):
            return Body(shape="api_object", size_bytes=size, content_type=content_type, object=name)
        return Body(shape="json", size_bytes=size, content_type=content_type, sample=_text(data))
    if kind in ("text/html", "application/xhtml+xml") or _MARKUP.match(data):
        return Body(shape="html", size_bytes=size, content_type=content_type, title=_title(data), sample=_page(data))
    if b"\x00" in data[:512]:
        return Body(shape="binary", size_bytes=size, content_type=content_type)
    return Body(shape="text", size_bytes=size, content_type=content_type, sample=_text(data))


def api_error(document: Any) -> ApiError | None:
    """The error inside a JSON document, in any shape that the API, Azure or a gateway uses; None if there is none."""
    if isinstance(document, list):
        return api_error(document[0]) if document and isinstance(document[0], dict) else None
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if isinstance(error, dict):
        return _from_object(error, "object")
    if isinstance(error, str) and error:
        return ApiError(
            message=error, shape="string", code=_word(document.get("code")), type=_word(document.get("type"))
        )
    if isinstance(error, list) and error and isinstance(error[0], dict):
        return _from_object(error[0], "list")
    errors = document.get("errors")
    if document.get("success") is False and isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return _from_object(errors[0], "list")
    if document.get("object") == "error" and "message" in document:
        # FastChat, and vLLM before 0.10: the error's own fields at the top.
        return _from_object(document, "object")
    if "message" in document and ("statusCode" in document or "request_id" in document or len(document) == 1):
        return ApiError(
            message=_word(document["message"]),
            code=_word(document.get("statusCode")),
            shape="flat",
            code_is_string=False,
        )
    if isinstance(document.get("detail"), str) and len(document) == 1:
        return ApiError(message=document["detail"], shape="flat")
    if isinstance(document.get("html-message"), str):
        return ApiError(message=document["html-message"][:_SAMPLE_LENGTH], type="html-message", shape="flat")
    return None


def _from_object(error: dict[str, Any], shape: str) -> ApiError:
    code = error.get("code")
    inner = error.get("innererror")
    return ApiError(
        message=_word(error.get("message")),
        type=_word(error.get("type")),
        code=_word(code) or (_word(inner.get("code")) if isinstance(inner, dict) else None),
        param=_word(error.get("param")),
        shape=shape,  # type: ignore[arg-type]
        code_is_string=not isinstance(code, (int, float)) or isinstance(code, bool),
    )


def _error_in_stream(data: bytes) -> ApiError | None:
    for line in data.splitlines():
        if line.startswith(b"data:") and b'"error"' in line:
            error = api_error(_json(line[5:]))
            if error is not None:
                return error
    return None


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _word(value: Any) -> str | None:
    return None if value is None or isinstance(value, (dict, list)) else str(value)[:_SAMPLE_LENGTH]


def _title(data: bytes) -> str | None:
    found = _TITLE.search(data[:65536])
    return html.unescape(" ".join(found.group(1).decode("utf-8", "replace").split()))[:200] if found else None


def _page(data: bytes) -> str:
    """The beginning of a page without what its fields hold."""
    return _FIELD.sub(_without_value, data[: _SAMPLE_LENGTH * 4].decode("utf-8", "replace"))[:_SAMPLE_LENGTH]


def _without_value(found: re.Match[str]) -> str:
    return found[0] if _OF_A_DESCRIPTION.search(found["keep"]) else found["keep"] + _NOT_KEPT


def _text(data: bytes) -> str:
    return data[: _SAMPLE_LENGTH * 2].decode("utf-8", "replace")[:_SAMPLE_LENGTH]
