"""A TCP listener with one thread for each connection, that closes everything when it is closed."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable

_HANDSHAKE_SECONDS = 30.0
_LINGER_SECONDS = 0.5

Handle = Callable[[socket.socket], None]

_BUSY_SECONDS = 5.0
"""While a server is mended its port is free, and a connection of anybody may have got it as its own end."""


class Listener:
    """Accepts on one address and hands each connection to *handle* in a thread of its own.

    What *handle* raises as an `OSError` ends that connection alone: the peer of a broken server breaks connections too.
    """

    def __init__(self, handle: Handle, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None):
        self._handle = handle
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._socket = _bound(host, port)
        self.host: str = host
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name=f"practice lab, port {self.port}", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(
                target=self._serve, args=(connection,), name="practice lab connection", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        raw = connection
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                # Here and not in the accepting thread: a peer that never sends its ClientHello holds up itself alone.
                connection.settimeout(_HANDSHAKE_SECONDS)
                connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                _handshake(connection)
                connection.settimeout(None)
                with self._lock:
                    self._connections.discard(raw)
                    if self._closed:
                        connection.close()
                        return
                    self._connections.add(connection)
            self._handle(connection)
        except (OSError, ValueError):
            # ValueError: wrap_socket of a connection that close() has just closed.
            pass
        finally:
            with self._lock:
                self._connections.discard(raw)
                self._connections.discard(connection)
            connection.close()
            raw.close()

    def close(self) -> None:
        """Stop accepting and end every open connection."""
        with self._lock:
            self._closed = True
            connections = tuple(self._connections)
        for connection in (self._socket, *connections):
            # shutdown wakes a thread that is blocked in accept or recv; close alone does not.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _handshake(connection: ssl.SSLSocket) -> None:
    """Shake hands; the alert of one that fails reaches the peer.

    Raises:
        OSError: The handshake failed (`ssl.SSLError` is one).
    """
    try:
        connection.do_handshake()
    except ssl.SSLError:
        # A close with bytes unread is a reset, and that destroys the alert on its way (RFC 1122 section 4.2.2.13): under TLS 1.3 a client
        # has sent its first request by the time at which its certificate is missed.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_WR)
            connection.settimeout(_LINGER_SECONDS)
            while socket.socket.recv(connection, 65536):
                pass
        raise


def reset(connection: socket.socket) -> None:
    """End a connection with RST instead of FIN (SO_LINGER of socket(7) with a linger time of zero)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # detach: the TLS layer would send its close_notify first, and that is an orderly end.
    plain = socket.socket(fileno=connection.detach())
    plain.close()


def hold(connection: socket.socket) -> None:
    """Read and say nothing until the peer, or the end of the lab, closes the connection."""
    while connection.recv(65536):
        pass


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=128)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > last:
                raise
            time.sleep(0.05)
