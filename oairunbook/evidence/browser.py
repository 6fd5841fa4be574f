"""What a browser's page meets: CORS, its code, a real browser's try."""

from __future__ import annotations

from typing import Literal, Union

from oairunbook.evidence.http import HttpAnswer, HttpFailed
from oairunbook.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsExchange:
    """One request of the CORS protocol, made as the browser of a page would make it (Fetch standard, section 3.2)."""

    step: Literal["preflight", "request"]
    origin: str
    """Of the page, serialised: scheme, host, and port where it is not the default."""

    request_method: str
    """Of the request that the page wants to make."""

    request_headers: tuple[str, ...]
    """Its header names that are not CORS-safelisted, in lower case."""

    credentials_mode: Literal["omit", "include"]
    answer: Union[HttpAnswer, HttpFailed]
    credential: Literal["own", "placeholder", "none"] = "none"
    kind: Literal["cors_exchange"] = "cors_exchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    """Something in client-side code that has the shape of a key. The key itself is kept nowhere."""

    source: str
    line: int
    shape: str
    is_of_this_runtime: bool
    """Whether it is one of the secrets in this runtime's environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCode:
    """What stands in the code that a browser gets: keys, calls without TLS, the SDK's switch for browsers."""

    sources: tuple[str, ...]
    """Files or URLs that were read."""

    size_bytes: int
    keys: tuple[FoundKey, ...] = ()
    insecure: tuple[str, ...] = ()
    """Endpoints with `http:` in it, each with its source and line."""

    allows_browser: tuple[str, ...] = ()
    """Where `dangerouslyAllowBrowser` is switched on: source and line."""

    kind: Literal["client_code"] = "client_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """One request of a page as the browser's network panel shows it."""

    method: str
    kind_of_request: str
    """For example `Fetch` or `Preflight`."""

    status: int | None = None
    failure: str | None = None
    """`net::ERR_…`; None if it did not fail."""

    cors_error: str | None = None
    """The browser's own name of what the CORS check missed."""

    blocked_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTried:
    """What a real browser made of a page's call. The page holds a placeholder for a key."""

    browser: str
    origin: str
    url: str
    exception: str | None
    """What the page's script caught; None if it got an answer."""

    status: int | None
    readable_headers: tuple[str, ...] = ()
    """Names of the response headers that the script may read."""

    requests: tuple[PageRequest, ...] = ()
    console: tuple[str, ...] = ()
    kind: Literal["page_tried"] = "page_tried"
