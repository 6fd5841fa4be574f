"""How the counter-tests look: a path opened up to a step, with one thing changed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace

from oairunbook.evidence import NotTried, Outcome, ProxyDecision
from oairunbook.observe import tls
from oairunbook.observe.path import NoPathError, Path
from oairunbook.observe.stream import Deadline, Stream
from oairunbook.redaction import without_credentials


def without_proxy(path: Path) -> Path:
    """The path without its proxy, to dial an address as it is."""
    return path.on(replace(path.route, proxy=ProxyDecision(url=None, rule="a counter-test")))


def shake(
    path: Path,
    address: str,
    server_name: str,
    deadline: Deadline,
    context: ssl.SSLContext,
    max_segment: int | None = None,
) -> tuple[Outcome, Stream | None]:
    """A handshake over the whole path with another context, server name or segment size; the stream is None if it did not complete."""
    try:
        stream = path.open(address, deadline, max_segment=max_segment)
    except NoPathError as nowhere:
        return nowhere.outcome, None
    stream.deadline = deadline
    return tls.handshake(stream, context, address=address, server_name=server_name, again=None)


def unverified(
    path: Path,
    address: str,
    server_name: str,
    deadline: Deadline,
    *,
    context: ssl.SSLContext | None = None,
    max_segment: int | None = None,
) -> Outcome:
    """A handshake that verifies nothing and after which nothing is sent."""
    outcome, stream = shake(path, address, server_name, deadline, context or tls.unverified_context(), max_segment)
    if stream is not None:
        stream.close()
    return outcome


def verified(
    path: Path, address: str, deadline: Deadline, *, context: Callable[[], ssl.SSLContext | None] | None = None
) -> Outcome:
    """A verified handshake after which nothing is sent; without TLS just the connection."""
    if path.route.scheme != "https":
        return closing(*path.connect(address, deadline))
    try:
        own = (context or path.context)()
    except (OSError, ValueError) as error:
        return NotTried(reason=f"this store cannot be used: {without_credentials(str(error))}")
    if own is None:
        return NotTried(reason="the transport could not build a TLS context")
    outcome, stream = shake(path, address, path.route.host, deadline, own)
    if stream is not None:
        stream.close()
    return outcome


def answered(
    path: Path,
    address: str,
    deadline: Deadline,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    max_segment: int | None = None,
    where: str = "/models",
) -> Outcome:
    """The whole way to one request without credentials: a GET of *where*, below the base path; with a body a POST."""
    try:
        stream = path.open(address, deadline, max_segment=max_segment)
    except NoPathError as nowhere:
        return nowhere.outcome
    stream.deadline = deadline
    if path.route.scheme == "https":
        outcome, secured = path.handshake(stream, address)
        if secured is None:
            return outcome
        stream = secured
    method, target = ("POST", "/chat/completions") if body else ("GET", where)
    return path.request(stream, address, method=method, path=target, headers=headers, body=body)


def closing(outcome: Outcome, stream: Stream | None) -> Outcome:
    """The outcome alone; its stream is closed."""
    if stream is not None:
        stream.close()
    return outcome
