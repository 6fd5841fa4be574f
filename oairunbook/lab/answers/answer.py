"""What one answer of the practice API is, and the shapes that several share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Surface = Literal["by_path", "edge", "azure", "litellm", "vllm", "bare"]
"""Who speaks, and so which headers it adds: OpenAI's application or Azure's by the path called, OpenAI's edge without the application behind
it, Azure, a LiteLLM gateway, a vLLM server, or nobody in particular."""

Manner = Literal[
    "normal",
    "declared",
    "disconnect",
    "reset",
    "silent",
    "truncated",
    "malformed",
    "stream_stalled",
    "stream_truncated",
    "stream_buffered",
    "stream_error",
    "idle_reset",
]

CorsBehaviour = Literal["open", "absent", "key_wanted", "fixed_headers", "other_origin", "redirect", "absent_in_answer"]
"""`open`: any origin, whatever headers are asked for, as the public API does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One behaviour of the practice API."""

    name: str
    summary: str
    manner: Manner = "declared"
    status: int = 200
    body: Any = None
    """A JSON value, or a string that is sent as it is."""

    content_type: str = ""
    """Empty: `application/json`, for a string `text/html; charset=utf-8`."""

    headers: tuple[tuple[str, str], ...] = ()
    surface: Surface = "by_path"
    after_authentication: bool = False
    """Whether a missing or wrong key is refused first."""

    generation_only: bool = False
    """Whether only POST shows it: quota, rate and model faults let GET /v1/models pass."""


def api_error(
    message: str, *, kind: str | None = "invalid_request_error", code: Any = None, param: str | None = None
) -> Any:
    """The body of an error as the public API shapes it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def page(title: str, text: str) -> str:
    """The HTML of a small page; its comment says that it is practice."""
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1><p>{text}</p><!-- oairunbook practice lab --></body></html>\n"
    )
