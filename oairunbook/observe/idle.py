"""A connection that was left idle and is used again (NAT and load-balancer idle limits)."""

from __future__ import annotations

import threading

from oairunbook.evidence import HttpAnswer, NotTried, Outcome
from oairunbook.observe.path import NoPathError, Path
from oairunbook.observe.stream import Deadline

IDENTITY = "http.idle"


def reuse_after(path: Path, address: str, idle: float, timeout: float) -> Outcome:
    """Send one request without credentials, leave the connection alone for *idle* seconds, and send another one on it.

    A peer that closes the idle connection in order is no fault: the transport's pool notices that and opens a new one.
    """
    try:
        stream = path.open(address, Deadline.after(timeout))
    except NoPathError as nowhere:
        return nowhere.outcome
    stream.deadline = Deadline.after(timeout)
    if path.route.scheme == "https":
        outcome, secured = path.handshake(stream, address)
        if secured is None:
            return outcome
        stream = secured
    first = path.request(stream, address, keep=True)
    if not isinstance(first, HttpAnswer):
        return first
    if (first.header("connection") or "").lower() == "close" or first.http_version == "1.0":
        stream.close()
        return NotTried(reason="the endpoint closes every connection after its answer")
    threading.Event().wait(idle)
    if stream.closed_by_peer():
        stream.close()
        return NotTried(reason=f"the peer closed the idle connection itself within {idle:g} s, which the pool notices")
    stream.deadline = Deadline.after(timeout)
    return path.request(stream, address)
