"""HTTP/1.1 on a socket, from the side of a server: just enough to answer truly, and to break off anywhere."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import urlsplit

_LONGEST_LINE = 65536
_LARGEST_BODY = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it arrived (RFC 9112 section 3)."""

    method: str
    target: str
    """The request target as sent: origin-form, absolute-form, or `host:port` of a CONNECT."""

    headers: http.client.HTTPMessage
    body: bytes

    @property
    def path(self) -> str:
        """The target's path, without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> str:
        """What follows the question mark; empty if nothing does."""
        return urlsplit(self.target).query

    @property
    def keeps_connection(self) -> bool:
        """Whether the client means to send another request (RFC 9112 section 9.3)."""
        return str(self.headers.get("connection", "")).lower() != "close"


class NotHttpError(ValueError):
    """What arrived is no HTTP/1.x request."""


def read_request(stream: BinaryIO) -> Request | None:
    """The next request of a connection; None when the peer has closed it.

    Raises:
        NotHttpError: The first line is no request line, or the framing is broken.
    """
    first = stream.read(1)
    if not first:
        return None
    # Judged at once: a ClientHello holds no line feed for which readline would wait.
    if not first.isalpha():
        raise NotHttpError("no request line")
    line = first + stream.readline(_LONGEST_LINE)
    words = line.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise NotHttpError("no HTTP/1.x request line")
    try:
        headers = http.client.parse_headers(stream)
        if "chunked" in str(headers.get("transfer-encoding", "")).lower():
            body = _read_chunks(stream)
        else:
            body = stream.read(min(int(headers.get("content-length", "0")), _LARGEST_BODY))
    except (http.client.HTTPException, ValueError) as error:
        raise NotHttpError("broken header section or body framing") from error
    return Request(method=words[0], target=words[1], headers=headers, body=body)


def _read_chunks(stream: BinaryIO) -> bytes:
    body = bytearray()
    while size := int(stream.readline(_LONGEST_LINE).partition(b";")[0], 16):
        if len(body) + size > _LARGEST_BODY:
            raise ValueError("body too large")
        body += stream.read(size)
        stream.readline(_LONGEST_LINE)
    while stream.readline(_LONGEST_LINE).strip():
        pass
    return bytes(body)


def head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """Status line and header section. Later headers replace earlier ones of the same name, except `set-cookie`."""
    kept: dict[str, tuple[str, str]] = {}
    for name, value in headers:
        kept[name if name != "set-cookie" else value] = (name, value)
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in kept.values())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def send_whole(connection: socket.socket, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    """Send a response whose length is declared."""
    connection.sendall(head(status, (*headers, ("content-length", str(len(body))))) + body)


def chunk(data: bytes) -> bytes:
    """One chunk of the chunked transfer coding (RFC 9112 section 7.1); empty data makes the last one."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
