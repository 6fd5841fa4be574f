"""How the connection under an answer of the SDK's transport ended: above TLS a reset and an end of file look alike."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from oairunbook.evidence import Ending

_CLOSE, _CLOSE_WAIT = 7, 8
"""States of linux/tcp_states.h: after a reset, and after the peer's FIN."""


def keep(response: Any) -> socket.socket | None:
    """A second descriptor of the connection that a response of httpx or httpx2 comes over; None if it cannot be had. To be closed."""
    return keep_stream(getattr(response, "extensions", {}).get("network_stream"))


def keep_stream(stream: Any) -> socket.socket | None:
    """The same of a network stream of httpcore or httpcore2, which a request may still be waiting on."""
    try:
        return socket.socket(fileno=os.dup(stream.get_extra_info("socket").fileno())) if stream is not None else None
    except (OSError, AttributeError):
        return None


def ending(kept: socket.socket | None) -> Ending | None:
    """How it has ended; None if it has not, or if that cannot be told here."""
    if kept is None:
        return None
    try:
        state = kept.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        # OpenSSL answers an end of file in the middle of TLS with an alert, and the peer that by RST: EPIPE after a FIN (`tcp_reset` of Linux).
        after_fin = state == _CLOSE and kept.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EPIPE
    except (OSError, AttributeError):
        return None
    if state == _CLOSE_WAIT or after_fin:
        return "eof"
    return "reset" if state == _CLOSE else None
