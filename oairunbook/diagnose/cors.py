"""The CORS check as browsers make it. A pure function of one exchange.

Source: Fetch standard (whatwg), sections 4.8 "CORS-preflight fetch" and 4.10 "CORS check"; header names that `*` does not cover: section 2.2.2.
"""

from __future__ import annotations

from oairunbook.evidence import CorsExchange, HttpAnswer
from oairunbook.records import dataclass

_ALWAYS_READABLE = (
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
)
"""CORS-safelisted response-header names."""

_SAFE_METHODS = ("GET", "HEAD", "POST")
_NOT_COVERED_BY_A_STAR = "authorization"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that the browser asks of an answer."""

    asks: str
    wanted: str
    given: str
    passes: bool


def checks(exchange: CorsExchange) -> tuple[Check, ...]:
    """What the browser asks of this answer, in its order; empty where no answer came."""
    answer = exchange.answer
    if not isinstance(answer, HttpAnswer):
        return ()
    if exchange.step == "request":
        return _origin(exchange, answer)
    redirects = 300 <= answer.status < 400
    found = (
        Check(asks="no redirect", wanted="another status than 3xx", given=str(answer.status), passes=not redirects),
        *_origin(exchange, answer),
        Check(asks="an OK status", wanted="200 to 299", given=str(answer.status), passes=200 <= answer.status < 300),
        _method(exchange, answer),
    )
    return (*found, *(_header(exchange, answer, name) for name in exchange.request_headers))


def first_failure(exchange: CorsExchange) -> Check | None:
    """The first check that fails; None if all pass, or if no answer came."""
    return next((check for check in checks(exchange) if not check.passes), None)


def readable(answer: HttpAnswer, names: tuple[str, ...], *, credentials: bool) -> dict[str, bool]:
    """Which of these response headers the page's script may read."""
    exposed = _list(answer, "access-control-expose-headers")
    everything = "*" in exposed and not credentials
    return {name: name in _ALWAYS_READABLE or everything or name in exposed for name in names}


def _origin(exchange: CorsExchange, answer: HttpAnswer) -> tuple[Check, ...]:
    given = [h.value.strip() for h in answer.headers if h.name == "access-control-allow-origin"]
    credentials = exchange.credentials_mode == "include"
    # Two headers are read as one value with a comma in it, and no origin has one.
    value = ", ".join(given)
    allowed = Check(
        asks="Access-Control-Allow-Origin",
        wanted=exchange.origin if credentials else f"* or {exchange.origin}",
        given=value if given else "absent",
        passes=value == exchange.origin or (value == "*" and not credentials),
    )
    if not credentials:
        return (allowed,)
    said = answer.header("access-control-allow-credentials")
    return (
        allowed,
        Check(asks="Access-Control-Allow-Credentials", wanted="true", given=said or "absent", passes=said == "true"),
    )


def _method(exchange: CorsExchange, answer: HttpAnswer) -> Check:
    given = tuple(name.upper() for name in _list(answer, "access-control-allow-methods"))
    method = exchange.request_method.upper()
    star = "*" in given and exchange.credentials_mode == "omit"
    return Check(
        asks="Access-Control-Allow-Methods",
        wanted=f"{method}{', which is always allowed' if method in _SAFE_METHODS else ''}",
        given=", ".join(given) or "absent",
        passes=method in _SAFE_METHODS or method in given or star,
    )


def _header(exchange: CorsExchange, answer: HttpAnswer, name: str) -> Check:
    given = _list(answer, "access-control-allow-headers")
    star = "*" in given and exchange.credentials_mode == "omit" and name != _NOT_COVERED_BY_A_STAR
    words = ", by name: * does not cover it" if name == _NOT_COVERED_BY_A_STAR else ""
    return Check(
        asks=f"Access-Control-Allow-Headers: {name}",
        wanted=f"{name}{words}",
        given=", ".join(given) or "absent",
        passes=name in given or star,
    )


def _list(answer: HttpAnswer, name: str) -> tuple[str, ...]:
    values = [h.value for h in answer.headers if h.name == name]
    return tuple(word for value in values for part in value.split(",") if (word := part.strip().lower()))
