"""Error chains as records: every exception that led here, with its numbers and not only its text."""

from __future__ import annotations

import errno as errno_names
import re
import socket
import ssl
from collections.abc import Callable, Iterator

from oairunbook.evidence import ErrorLink

_LONGEST_TEXT = 600
_MOST_LINKS = 24
_EAI_NAMES = {value: name for name, value in vars(socket).items() if name.startswith("EAI_") and isinstance(value, int)}


def error_chain(error: BaseException, text_of: Callable[[BaseException], str] = str) -> tuple[ErrorLink, ...]:
    """Every exception behind *error*, outermost first, as records; *text_of* says what is kept of the text of each."""
    return tuple(_link(current, relation, text_of(current)) for current, relation in every_exception(error))


def every_exception(error: BaseException) -> tuple[tuple[BaseException, str], ...]:
    """Every exception behind *error*, outermost first, and how the one before leads there.

    Walks `__cause__`, `__context__` also where it is suppressed (the transports hide the original OSError there), exceptions in `args`, and
    the members of groups (`exceptions`).
    """
    links: list[tuple[BaseException, str]] = []
    seen: set[int] = set()
    pending: list[tuple[BaseException, str]] = [(error, "raised")]
    while pending and len(links) < _MOST_LINKS:
        current, relation = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        links.append((current, relation))
        pending = list(_behind(current)) + pending
    return tuple(links)


def _behind(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    if error.__cause__ is not None:
        yield error.__cause__, "cause"
    if error.__context__ is not None:
        yield error.__context__, "context"
    for argument in error.args:
        if isinstance(argument, BaseException):
            yield argument, "argument"
    members = getattr(error, "exceptions", ())
    for member in members if isinstance(members, (tuple, list)) else ():
        if isinstance(member, BaseException):
            yield member, "member"


def _link(error: BaseException, relation: str, text: str) -> ErrorLink:
    kind = type(error)
    name = (
        kind.__qualname__ if kind.__module__ == "builtins" else f"{_public_module(kind.__module__)}.{kind.__qualname__}"
    )
    if isinstance(error, socket.timeout):
        # Python 3.9 calls it socket.timeout; since 3.10 that is another name of TimeoutError.
        name = "TimeoutError"
    if "Illegal header value" in text:
        # The transport's text holds the whole header, and with it the whole key.
        text = "Illegal header value (value not shown: it holds a credential)"
    number = error.errno if isinstance(error, OSError) and isinstance(error.errno, int) else None
    number_name = None
    if isinstance(error, socket.gaierror):
        number_name = _EAI_NAMES.get(number) if number is not None else None
    elif number is not None and not isinstance(error, ssl.SSLError):
        number_name = errno_names.errorcode.get(number)
    verify_code = getattr(error, "verify_code", None)
    reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
    return ErrorLink(
        type=name,
        text=text[:_LONGEST_TEXT],
        relation=relation,  # type: ignore[arg-type]
        errno=number,
        errno_name=number_name,
        verify_code=verify_code if isinstance(verify_code, int) else None,
        ssl_reason=reason if isinstance(reason, str) else _reason_in(text) if isinstance(error, ssl.SSLError) else None,
    )


def _reason_in(text: str) -> str | None:
    """OpenSSL's own words as the name that they have in its headers: CPython's table lacks some, `no_application_protocol` among them."""
    alert = _ALERT.search(text)
    return alert.group().upper().replace(" ", "_") if alert else None


_ALERT = re.compile(r"(?:sslv3|tlsv1|tlsv13) alert [a-z ]+[a-z]")


def _public_module(module: str) -> str:
    """`httpx2._exceptions` is spoken of as `httpx2`."""
    return ".".join(part for part in module.split(".") if not part.startswith("_")) or module
