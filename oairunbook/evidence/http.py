"""What came over HTTP (RFC 9110), whoever gave it."""

from __future__ import annotations

from typing import Literal

from oairunbook.evidence.outcome import Ending, ErrorLink
from oairunbook.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One response header that is kept; the values of all others are dropped at the door."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiError:
    """The error of a body in a shape that OpenAI, Azure or a gateway uses."""

    message: str | None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    shape: Literal["object", "string", "list", "flat"] = "object"
    """How the body says it: `error` as an object, as a string, as a list, or fields at the top."""

    code_is_string: bool = True
    """Edges and some gateways use a number as `code`; the API does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What came as a body. Completions are never kept; error bodies are, shortened."""

    shape: Literal["empty", "api_error", "api_object", "json", "html", "event_stream", "text", "binary"]
    size_bytes: int
    content_type: str | None = None
    error: ApiError | None = None
    object: str | None = None
    """The top-level `object` of a JSON answer, for example `list` or `chat.completion`."""

    title: str | None = None
    """Title of an HTML page."""

    sample: str = ""
    """Start of a body that is no API success, at most 2,000 characters, redacted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An HTTP response, whoever gave it."""

    method: str
    url: str
    status: int
    http_version: str
    headers: tuple[Header, ...]
    body: Body
    address: str | None = None
    seconds_to_headers: float | None = None
    stream: bool = False
    """Whether the request asked for a streamed answer."""

    kind: Literal["http_answer"] = "http_answer"

    def header(self, name: str) -> str | None:
        """Value of the first header of that *name*, case ignored; None if it is absent."""
        return next((h.value for h in self.headers if h.name.lower() == name.lower()), None)


REQUEST_ID_HEADERS = ("apim-request-id", "x-request-id", "x-ms-request-id", "request-id")
"""Azure sends two ids, and its support finds a request by the first of these."""


def quoted_id(headers: tuple[Header, ...]) -> str | None:
    """The request id to quote to whoever answered; None if the headers hold none."""
    found = {header.name.lower(): header.value for header in reversed(headers)}
    return next((found[name] for name in REQUEST_ID_HEADERS if found.get(name)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFailed:
    """No HTTP response came back whole."""

    method: str
    url: str
    phase: Literal["resolve", "connect", "proxy", "tls", "send", "headers", "body"]
    errors: tuple[ErrorLink, ...]
    ended: Ending
    status: int | None = None
    """Status, if at least the head of a response came."""

    headers: tuple[Header, ...] = ()
    received_bytes: int = 0
    received: str = ""
    address: str | None = None
    stream: bool = False
    """Whether the request asked for a streamed answer."""

    kind: Literal["http_failed"] = "http_failed"
