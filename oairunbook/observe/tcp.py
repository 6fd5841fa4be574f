"""TCP to one address."""

from __future__ import annotations

import errno
import os
import socket

from oairunbook.evidence import Connected, ConnectFailed
from oairunbook.observe.errors import error_chain
from oairunbook.observe.stream import TIMED_OUT, Deadline, TcpStream


def connect(
    address: str, port: int, deadline: Deadline, *, max_segment: int | None = None
) -> tuple[Connected | ConnectFailed, TcpStream | None]:
    """Connect to one address; the stream is None if that failed.

    *max_segment* keeps segments of both directions as small as that: it also bounds the MSS that the SYN announces (tcp(7)).

    A SYN without an answer becomes errno `ETIMEDOUT`, as the kernel itself would say a minute or two later.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        connection = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        return ConnectFailed(address=address, port=port, errors=error_chain(error)), None
    try:
        if max_segment is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, max_segment)
        connection.settimeout(max(deadline.left, 0.001))
        try:
            connection.connect((address, port))
        except TIMED_OUT as error:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        local = connection.getsockname()
    except (OSError, OverflowError) as error:
        connection.close()
        return ConnectFailed(address=address, port=port, errors=error_chain(error)), None
    return Connected(address=address, port=port, local_address=str(local[0])), TcpStream(connection, deadline)
