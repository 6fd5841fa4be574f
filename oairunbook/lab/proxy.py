"""The practice forward proxy: CONNECT and absolute-form (RFC 9110 section 9.3.6, RFC 9112 section 3.2), with the answers of squid."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from email.utils import formatdate
from urllib.parse import urlsplit

from oairunbook.lab import wire
from oairunbook.lab.api import PRACTICE_HEADER
from oairunbook.lab.faults import ProxyBehaviour
from oairunbook.lab.listener import Listener, hold

Endpoint = tuple[str, int]

_REFUSALS: dict[ProxyBehaviour, tuple[int, tuple[tuple[str, str], ...]]] = {
    "auth_required": (
        407,
        (
            ("x-squid-error", "ERR_CACHE_ACCESS_DENIED 0"),
            ("proxy-authenticate", 'Basic realm="oairunbook practice lab"'),
        ),
    ),
    "denied": (403, (("x-squid-error", "ERR_ACCESS_DENIED 0"),)),
    "upstream_failed": (503, (("x-squid-error", "ERR_CONNECT_FAIL 110"),)),
}


def serve(behaviour: ProxyBehaviour, upstreams: Mapping[Endpoint, Endpoint], *, port: int = 0) -> Listener:
    """Start a proxy that knows these endpoints, by host and port as a client asks for them; *port* 0 is one that is free."""
    return Listener(lambda connection: _converse(connection, behaviour, upstreams), port=port)


def _converse(connection: socket.socket, behaviour: ProxyBehaviour, upstreams: Mapping[Endpoint, Endpoint]) -> None:
    with connection.makefile("rb") as stream:
        try:
            request = wire.read_request(stream)
        except wire.NotHttpError:
            return
        if request is None or behaviour == "closes":
            return
        if behaviour == "silent":
            hold(connection)
            return
        if behaviour == "web_server":
            server = (("server", "nginx/1.24.0"), ("allow", "GET, HEAD"), ("content-type", "text/html"))
            page = b"<html><body><h1>405 Not Allowed</h1><!-- oairunbook practice lab --></body></html>\n"
            wire.send_whole(connection, 405, (*server, (PRACTICE_HEADER, "proxy"), ("connection", "close")), page)
            return
        if behaviour in _REFUSALS:
            _refuse(connection, *_REFUSALS[behaviour])
            return
        wanted = _wanted(request)
        if wanted is None:
            _refuse(connection, 400, (("x-squid-error", "ERR_INVALID_URL 0"),))
            return
        if wanted not in upstreams:
            _refuse(connection, 503, (("x-squid-error", "ERR_DNS_FAIL 0"),))
            return
        try:
            upstream = socket.create_connection(upstreams[wanted], timeout=5)
        except OSError as error:
            _refuse(connection, 503, (("x-squid-error", f"ERR_CONNECT_FAIL {error.errno}"),))
            return
        with upstream:
            upstream.settimeout(None)
            if request.method == "CONNECT":
                connection.sendall(wire.head(200, (("via", "1.1 practice-proxy (squid/5.7)"),)))
            else:
                upstream.sendall(_origin_form(request))
            _relay(connection, upstream)


def _wanted(request: wire.Request) -> Endpoint | None:
    """Where the request is to go; None if its target is of neither form."""
    url = f"//{request.target}" if request.method == "CONNECT" else request.target
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        return None
    return (host, port) if host else None


def _origin_form(request: wire.Request) -> bytes:
    parts = urlsplit(request.target)
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    # One request for each connection: the next one could be for another host.
    kept = [(name, value) for name, value in request.headers.items() if not _is_hop_by_hop(name)]
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in kept)]
    lines += [f"content-length: {len(request.body)}"] if request.body else []
    return ("\r\n".join((*lines, "connection: close")) + "\r\n\r\n").encode("latin-1") + request.body


def _is_hop_by_hop(name: str) -> bool:
    return name.lower() in (
        "connection",
        "content-length",
        "keep-alive",
        "transfer-encoding",
    ) or name.lower().startswith("proxy-")


def _refuse(connection: socket.socket, status: int, headers: tuple[tuple[str, str], ...]) -> None:
    own = (
        ("server", "squid/5.7"),
        ("mime-version", "1.0"),
        ("date", formatdate(usegmt=True)),
        ("content-type", "text/html;charset=utf-8"),
        ("via", "1.1 practice-proxy (squid/5.7)"),
        ("connection", "close"),
        (PRACTICE_HEADER, "proxy"),
    )
    page = f"<html><head><title>ERROR: {status}</title></head><body>oairunbook practice lab</body></html>\n"
    wire.send_whole(connection, status, (*own, *headers), page.encode())


def _relay(client: socket.socket, upstream: socket.socket) -> None:
    """Carry bytes both ways until both ends have finished."""
    back = threading.Thread(target=_carry, args=(upstream, client), name="practice proxy, back", daemon=True)
    back.start()
    _carry(client, upstream)
    back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        # A connection that has ended one way is of no use to the other here, and nobody waits for ever.
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
