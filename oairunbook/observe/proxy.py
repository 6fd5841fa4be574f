"""The forward proxy's handshake: CONNECT (RFC 9110 section 9.3.6) or SOCKS5 (RFC 1928, RFC 1929)."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import socket
import ssl

from oairunbook.evidence import HttpAnswer, HttpFailed, ProxyAnswered, ProxyDecision, ProxyFailed, TunnelOpened
from oairunbook.observe.bodies import classify
from oairunbook.observe.errors import error_chain
from oairunbook.observe.http import MOST_BODY_BYTES, StreamSocket, exchange, kept_headers
from oairunbook.observe.stream import Stream, TlsStream, printable

_SOCKS_REPLIES = {
    1: "general SOCKS server failure",
    2: "connection not allowed by ruleset",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}

NO_ACCEPTABLE_METHOD = 255
"""SOCKS: none of the offered authentication methods will do (RFC 1928 section 3)."""

AUTHENTICATION_FAILED = 254
"""SOCKS: user name and password were refused (RFC 1929 section 2); a number of ours, outside the reply codes."""


def open_tunnel(
    stream: Stream,
    decision: ProxyDecision,
    credentials: tuple[str, str] | None,
    host: str,
    port: int,
) -> tuple[TunnelOpened | ProxyAnswered | ProxyFailed, Stream | None]:
    """Ask the proxy for a tunnel to *host*; the stream is None if it did not open one.

    Credentials of the proxy go to the proxy alone, as the SDK's transport sends them.
    """
    proxy = decision.url or ""
    below = stream
    if decision.scheme == "https":
        try:
            secured = TlsStream(stream, ssl.create_default_context(), decision.host or "")
            secured.handshake()
            below = secured
        except (OSError, ValueError) as error:
            stream.close()
            return ProxyFailed(
                proxy=proxy, phase="tls", errors=error_chain(error), ended=stream.ended, received=_first(stream)
            ), None
    try:
        if (decision.scheme or "").startswith("socks5"):
            result = _socks5(below, proxy, credentials, host, port)
        else:
            result = _connect(below, proxy, credentials, host, port)
    except (OSError, http.client.HTTPException, ValueError) as error:
        below.close()
        ended = "eof" if isinstance(error, http.client.RemoteDisconnected) else stream.ended
        return ProxyFailed(
            proxy=proxy, phase="handshake", errors=error_chain(error), ended=ended, received=_first(stream)
        ), None
    if isinstance(result, TunnelOpened):
        return result, below
    below.close()
    return result, None


def ask_itself(stream: Stream, decision: ProxyDecision) -> HttpAnswer | HttpFailed:
    """Ask an HTTP proxy for a page of its own, without credentials: it needs nobody else for the answer, most often a 400.

    Raises:
        OSError: TLS to an https proxy failed.
    """
    if decision.scheme == "https":
        secured = TlsStream(stream, ssl.create_default_context(), decision.host or "")
        secured.handshake()
        stream = secured
    authority = (decision.url or "").partition("://")[2]
    answer, _ = exchange(
        stream, method="GET", url=f"{decision.url}/", target="/", host=authority, address=decision.host
    )
    return answer


def _connect(
    stream: Stream, proxy: str, credentials: tuple[str, str] | None, host: str, port: int
) -> TunnelOpened | ProxyAnswered:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", "Accept: */*"]
    if credentials:
        token = base64.b64encode(":".join(credentials).encode("utf-8")).decode("ascii")
        lines.append(f"Proxy-Authorization: Basic {token}")
    stream.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    answer = http.client.HTTPResponse(StreamSocket(stream), method="CONNECT")  # type: ignore[arg-type]
    answer.begin()
    headers = kept_headers(answer.getheaders())
    if 200 <= answer.status < 300:
        return TunnelOpened(proxy=proxy, headers=headers)
    try:
        body = classify(answer.getheader("content-type"), answer.read(MOST_BODY_BYTES))
        title = body.title or (body.error.message if body.error else None) or body.sample[:200] or None
    except (OSError, http.client.HTTPException):
        title = None
    return ProxyAnswered(
        proxy=proxy, status=answer.status, protocol="http", reason=answer.reason or "", headers=headers, title=title
    )


def _socks5(
    stream: Stream, proxy: str, credentials: tuple[str, str] | None, host: str, port: int
) -> TunnelOpened | ProxyAnswered:
    reader = _Exactly(stream)

    def answered(status: int, reason: str) -> ProxyAnswered:
        return ProxyAnswered(proxy=proxy, status=status, protocol="socks5", reason=reason)

    method = 2 if credentials else 0
    stream.write(bytes([5, 1, method]))
    version, chosen = reader.take(2)
    if version != 5:
        raise ValueError("the answer is not SOCKS5")
    if chosen == NO_ACCEPTABLE_METHOD:
        return answered(NO_ACCEPTABLE_METHOD, "no acceptable authentication method")
    if chosen != method:
        raise ValueError("the SOCKS5 server chose a method that was not offered")
    if credentials:
        user, password = (part.encode("utf-8")[:255] for part in credentials)
        stream.write(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        if reader.take(2)[1] != 0:
            return answered(AUTHENTICATION_FAILED, "user name or password refused")
    stream.write(bytes([5, 1, 0]) + _socks_address(host) + port.to_bytes(2, "big"))
    version, reply, _, kind = reader.take(4)
    if version != 5:
        raise ValueError("the answer is not SOCKS5")
    reader.take({1: 4, 4: 16}.get(kind) or reader.take(1)[0])
    reader.take(2)
    if reply != 0:
        return answered(reply, _SOCKS_REPLIES.get(reply, f"reply code {reply}"))
    return TunnelOpened(proxy=proxy)


def _socks_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        return bytes([3, len(name)]) + name
    kind = 1 if address.version == 4 else 4
    return bytes([kind]) + socket.inet_pton(socket.AF_INET if kind == 1 else socket.AF_INET6, host)


class _Exactly:
    """Reads exact numbers of bytes."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._rest = b""

    def take(self, count: int) -> bytes:
        while len(self._rest) < count:
            data = self._stream.read()
            if not data:
                raise ConnectionError("the SOCKS server closed the connection in the handshake")
            self._rest += data
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken


def _first(stream: Stream) -> str:
    return printable(stream.first_bytes)
