"""Byte streams that remember how they ended: TCP, and TLS in memory on top of any of them.

The SDK's transport turns a reset into a plain end of file and keeps no byte of what came. These streams keep both.
"""

from __future__ import annotations

import io
import socket
import ssl
import struct
import time
from dataclasses import dataclass
from typing import Literal, Protocol

from oairunbook.evidence import Ending

TIMED_OUT = (TimeoutError, socket.timeout)
"""One class since Python 3.10; before that a socket's own timeout was another one."""

SMALL_SEGMENT_BYTES = 536
"""The MSS that every path must carry (RFC 9293 section 3.7.1)."""

Gap = Literal["received", "sent"]

_SACKED, _OUT_OF_ORDER, _TCP_INFO_BYTES = 28, 224, 228
"""Offsets of `tcpi_sacked` and `tcpi_rcv_ooopack` in `struct tcp_info` (linux/tcp.h), and how much of it holds both (since Linux 5.4)."""

_LATE_READ_SECONDS, _MOST_LATE_READS = 0.001, 8

_READ_SIZE = 16384
_KEPT_BYTES = 256


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """*seconds* from now."""
        return cls(time.monotonic() + seconds)

    def sooner(self, seconds: float) -> Deadline:
        """This deadline, or *seconds* from now if that comes first."""
        return Deadline(min(self.at, time.monotonic() + seconds))

    @property
    def left(self) -> float:
        """Seconds left; 0 if it has passed."""
        return max(0.0, self.at - time.monotonic())


class Stream(Protocol):
    """What an HTTP exchange or a handshake needs of a connection."""

    deadline: Deadline

    @property
    def ended(self) -> Ending:
        """How the connection ended."""

    @property
    def sent_bytes(self) -> int:
        """Bytes sent on the wire since the last `begin_protocol`; likewise the two that follow."""

    @property
    def received_bytes(self) -> int:
        """Bytes received on the wire."""

    @property
    def first_bytes(self) -> bytes:
        """The first bytes received on the wire."""

    @property
    def gap(self) -> Gap | None:
        """Whether a segment in the middle was missing when the connection ended in silence."""

    def read(self) -> bytes:
        """Some bytes, or none at the orderly end."""

    def write(self, data: bytes) -> None:
        """Send all of *data*."""

    def closed_by_peer(self) -> bool:
        """Whether anything has arrived that nobody asked for: an end, a reset, or the record that announces the end. Waits for nothing.

        The transport's pool opens a new connection then (`is_socket_readable` of httpcore).
        """

    def begin_protocol(self) -> None:
        """Count, and keep first bytes, from here on: another protocol begins, for example TLS inside a tunnel that has just been opened."""

    def close(self) -> None:
        """Close the connection; never raises."""


def _gap(connection: socket.socket) -> Gap | None:
    """Whether the kernel holds later bytes of the peer without the earlier ones, or the peer says so of ours (SACK, RFC 2018).

    After seconds of silence each repetition of the segment between has been lost as well.
    """
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except (OSError, AttributeError):
        return None
    if len(info) < _TCP_INFO_BYTES:
        return None
    if struct.unpack_from("=I", info, _OUT_OF_ORDER)[0]:
        return "received"
    return "sent" if struct.unpack_from("=I", info, _SACKED)[0] else None


class TcpStream:
    """A connected socket.

    Raises:
        TimeoutError: nothing came, or nothing could be sent, before the deadline.
        OSError: the connection broke.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._socket = connection
        self.deadline = deadline
        self.ended: Ending = "open"
        self.sent_bytes = 0
        self.received_bytes = 0
        self.first_bytes = b""
        self.gap: Gap | None = None
        self._late_reads = 0

    def read(self) -> bytes:
        """Some bytes, or none when the peer has closed.

        What had arrived before the time was over is read all the same: it is no silence of the peer that this process was not run.
        """
        try:
            if self.deadline.left <= 0 and self._late_reads < _MOST_LATE_READS:
                self._late_reads += 1
                self._socket.settimeout(_LATE_READ_SECONDS)
            else:
                self._set_timeout()
            data = self._socket.recv(_READ_SIZE)
        except OSError as error:
            self._note(error)
            raise
        if not data:
            self.ended = "eof"
        self.received_bytes += len(data)
        if len(self.first_bytes) < _KEPT_BYTES:
            self.first_bytes += data[: _KEPT_BYTES - len(self.first_bytes)]
        return data

    def write(self, data: bytes) -> None:
        """Send all of *data*."""
        try:
            self._set_timeout()
            self._socket.sendall(data)
        except OSError as error:
            self._note(error)
            raise
        self.sent_bytes += len(data)

    def closed_by_peer(self) -> bool:
        """Whether bytes, an end of file or a reset have arrived."""
        try:
            self._socket.settimeout(0.0)
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def begin_protocol(self) -> None:
        """Count from here on."""
        self.sent_bytes = self.received_bytes = 0
        self.first_bytes = b""

    def close(self) -> None:
        """Close the socket."""
        try:
            self._socket.close()
        except OSError:
            pass

    def _set_timeout(self) -> None:
        left = self.deadline.left
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)

    def _note(self, error: OSError) -> None:
        if isinstance(error, TIMED_OUT):
            self.ended = "silence"
            self.gap = _gap(self._socket)
        elif isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
            self.ended = "reset"
        else:
            self.ended = "eof"


class TlsStream:
    """TLS on top of another stream, handshaken with a given context (RFC 8446).

    Raises:
        ssl.SSLError: the handshake or the record layer failed.
        OSError: the stream below failed.
    """

    def __init__(self, below: Stream, context: ssl.SSLContext, server_name: str) -> None:
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name or None)

    @property
    def ended(self) -> Ending:
        """How the stream below ended."""
        return self._below.ended

    @property
    def deadline(self) -> Deadline:
        """The deadline of the stream below."""
        return self._below.deadline

    @deadline.setter
    def deadline(self, deadline: Deadline) -> None:
        self._below.deadline = deadline

    @property
    def sent_bytes(self) -> int:
        """Bytes on the wire, below TLS."""
        return self._below.sent_bytes

    @property
    def received_bytes(self) -> int:
        """Bytes on the wire, below TLS."""
        return self._below.received_bytes

    @property
    def first_bytes(self) -> bytes:
        """First bytes on the wire, below TLS."""
        return self._below.first_bytes

    @property
    def gap(self) -> Gap | None:
        """What is missing on the wire, below TLS."""
        return self._below.gap

    def handshake(self) -> None:
        """Complete the handshake; an alert that verification calls for is sent before the error is raised."""
        while True:
            try:
                self.object.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except ssl.SSLError:
                self._flush_quietly()
                raise
            else:
                self._flush()
                return

    def read(self) -> bytes:
        """Some decrypted bytes, or none at the orderly end."""
        while True:
            try:
                return self.object.read(_READ_SIZE)
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def write(self, data: bytes) -> None:
        """Encrypt and send all of *data*."""
        self.object.write(data)
        self._flush()

    def closed_by_peer(self) -> bool:
        """Whether the stream below has ended."""
        return self._below.closed_by_peer()

    def begin_protocol(self) -> None:
        """Count from here on in the stream below."""
        self._below.begin_protocol()

    def close(self) -> None:
        """Close the stream below."""
        self._below.close()

    def _fill(self) -> None:
        data = self._below.read()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._below.write(data)

    def _flush_quietly(self) -> None:
        try:
            self._flush()
        except OSError:
            pass


class StreamFile(io.RawIOBase):
    """A stream as the file that `http.client` reads from."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._rest = b""

    def readable(self) -> bool:
        """Always: that is what it is for."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill *buffer* with what is there, waiting for at least one byte or the end."""
        if not self._rest:
            self._rest = self._stream.read()
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def printable(data: bytes, most: int = 200) -> str:
    """First bytes of something that is no TLS, with control characters made visible."""
    text = data[:most].decode("latin-1")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def looks_like_tls(data: bytes) -> bool:
    """Whether the bytes begin with a TLS record header (RFC 8446 section 5.1)."""
    return len(data) >= 2 and data[0] in (20, 21, 22, 23) and data[1] == 3
