"""What the test world's TCP servers do with a connection, beyond what the practice lab already offers."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable

from oairunbook.lab import wire
from oairunbook.lab.listener import Handle, Listener, hold, reset
from tests.world import authority
from tests.world.namespace import Namespace

_SO_ORIGINAL_DST = 80
"""linux/netfilter_ipv4.h and ip6_tables.h: where a redirected connection wanted to go."""


class Port:
    """One TCP port of a namespace on all its addresses, IPv4 and IPv6."""

    def __init__(self, namespace: Namespace, open_on: Callable[[str], Listener]) -> None:
        with namespace.entered():
            self._listeners = [open_on(host) for host in ("0.0.0.0", "::")]

    def close(self) -> None:
        """Stop listening, and end what is still connected."""
        for listener in self._listeners:
            listener.close()


def reset_at_once(connection: socket.socket) -> None:
    """Reset a connection as soon as it is accepted."""
    reset(connection)


def close_after_first_bytes(connection: socket.socket) -> None:
    """Read something and close in order, without a byte of answer."""
    connection.recv(65536)


def reset_after_first_bytes(connection: socket.socket) -> None:
    """Read something and reset the connection."""
    connection.recv(65536)
    reset(connection)


def greet_as_ssh(connection: socket.socket) -> None:
    """Say what an SSH server says."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n")
    hold(connection)


def stay_silent(connection: socket.socket) -> None:
    """Read everything and never answer."""
    hold(connection)


def trickling(connection: socket.socket) -> None:
    """Answer a request for ever, one byte of a header at a time: no single wait is long."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nx-long: ")
    while True:
        connection.sendall(b"a")
        time.sleep(0.5)


def spoiling(namespace: Namespace, port: int, when: Callable[[wire.Request], bool], spoil: Handle) -> Handle:
    """End the requests that *when* picks in a way of one's own, and pass the others on to a plain port of the same host."""

    def handle(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while request := wire.read_request(stream):
                if when(request):
                    spoil(connection)
                    return
                _pass_on(request, namespace, port, connection)

    return handle


def _pass_on(request: wire.Request, namespace: Namespace, port: int, connection: socket.socket) -> None:
    fields = [(name, value) for name, value in request.headers.items() if name.lower() != "connection"]
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    with namespace.entered():
        onward = socket.create_connection(("127.0.0.1", port), timeout=10)
    with onward:
        onward.sendall("\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1") + request.body)
        while data := onward.recv(65536):
            connection.sendall(data)


def saying(status: int, content_type: str, body: str) -> Handle:
    """Give this response to a request that has been read, and end the connection."""
    headers = (("content-type", content_type), ("connection", "close"))
    return lambda connection: wire.send_whole(connection, status, headers, body.encode())


def every(number: int, when: Callable[[wire.Request], bool] = lambda request: True) -> Callable[[wire.Request], bool]:
    """Pick one in so many of these requests, the first ones not."""
    count = itertools.count(1)
    lock = threading.Lock()

    def picked(request: wire.Request) -> bool:
        if not when(request):
            return False
        with lock:
            return next(count) % number == 0

    return picked


def answering(status: int, content_type: str, body: str | bytes) -> Handle:
    """Give every HTTP request this response; what is no HTTP gets it as well, and the connection ends."""
    data = body.encode() if isinstance(body, str) else body

    def handle(connection: socket.socket) -> None:
        response = (connection, status, (("content-type", content_type),), data)
        with connection.makefile("rb") as stream:
            try:
                while wire.read_request(stream):
                    wire.send_whole(*response)
            except wire.NotHttpError:
                wire.send_whole(*response)

    return handle


# -- middleboxes: they get connections that were meant for somebody else -----------------------------------------------


def filtering(namespace: Namespace, name: str, *, what: Handle = reset) -> Handle:
    """Reset the connections whose ClientHello asks for this name; splice the others to where they wanted to go."""

    def handle(connection: socket.socket) -> None:
        hello = connection.recv(65536)
        # A post-quantum ClientHello is longer than one segment.
        while hello[:1] == b"\x16" and len(hello) < 5 + int.from_bytes(hello[3:5]):
            hello += connection.recv(65536)
        if _server_name(hello) == name:
            what(connection)
            return
        with _onward(namespace, connection) as onward:
            onward.sendall(hello)
            _splice(connection, onward)

    return handle


class Inspection:
    """A TLS-inspecting middlebox: a certificate of its own for every name, and a verified connection behind it."""

    def __init__(self, namespace: Namespace, root: authority.Authority) -> None:
        self._namespace = namespace
        self._root = root
        self._names: weakref.WeakKeyDictionary[object, str] = weakref.WeakKeyDictionary()
        self.tls = authority.context(root.issue("inspection.acme.example"))
        self.tls.sni_callback = self._choose
        self._upstream = ssl.create_default_context(cadata=authority.PUBLIC_ROOT.pem.decode())

    def _choose(self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        if name:
            self._names[connection] = name
            connection.context = authority.context(self._root.issue(name))

    def __call__(self, connection: socket.socket) -> None:
        with (
            _onward(self._namespace, connection) as plain,
            self._upstream.wrap_socket(plain, server_hostname=self._names.get(connection)) as onward,
        ):
            _splice(connection, onward)


def _server_name(hello: bytes) -> str | None:
    """The SNI of a ClientHello (RFC 6066 section 3), read by OpenSSL; None if there is none."""
    seen: list[str | None] = []

    def remember(_connection: object, name: str | None, _context: ssl.SSLContext) -> None:
        seen.append(name)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = remember
    incoming = ssl.MemoryBIO()
    incoming.write(hello)
    with contextlib.suppress(ssl.SSLError):
        context.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True).do_handshake()
    return seen[0] if seen else None


def _onward(namespace: Namespace, connection: socket.socket) -> socket.socket:
    """A connection to where the redirected one wanted to go."""
    if connection.family == socket.AF_INET:
        raw = connection.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
        host = socket.inet_ntop(socket.AF_INET, raw[4:8])
    else:
        raw = connection.getsockopt(socket.IPPROTO_IPV6, _SO_ORIGINAL_DST, 28)
        host = socket.inet_ntop(socket.AF_INET6, raw[8:24])
    with namespace.entered():
        return socket.create_connection((host, int.from_bytes(raw[2:4])), timeout=10)


def _splice(one: socket.socket, other: socket.socket) -> None:
    """Copy both ways until one side closes. One thread: an SSL object is not for two at once."""
    peers = {one: other, other: one}
    while True:
        decrypted = [s for s in peers if isinstance(s, ssl.SSLSocket) and s.pending()]
        readable = decrypted or select.select(list(peers), [], [], 60)[0]
        for source in readable:
            source.setblocking(False)
            try:
                data = source.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                # What had come was no data but a session ticket.
                continue
            finally:
                source.setblocking(True)
            if not data:
                return
            peers[source].sendall(data)
        if not readable:
            return
