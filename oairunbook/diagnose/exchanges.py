"""Exchanges that broke: reset, closed or cut before an answer was whole, on a new connection or on one that was idle."""

from __future__ import annotations

from oairunbook.diagnose import node
from oairunbook.diagnose.catalogue import Certainty, Finding
from oairunbook.diagnose.parts import attempts
from oairunbook.diagnose.reading import (
    beyond_the_tunnel,
    cite,
    counter_tests,
    failed_requests,
    request_succeeded,
    words,
)
from oairunbook.evidence import (
    Ending,
    ErrorLink,
    Evidence,
    HttpAnswer,
    HttpFailed,
    Observation,
    SdkAnswered,
    SdkFailed,
    TraceEvent,
)
from oairunbook.records import dataclass
from oairunbook.verdict import Because


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exchange:
    """An exchange that ended without a whole response."""

    observation: Observation
    errors: tuple[ErrorLink, ...]
    begun: bool
    """Whether a response had begun."""

    reset: bool
    """Whether a reset came, by the socket itself or because the request could not be written to its end."""

    known: bool
    """Whether the end was seen on the socket, where the text above TLS does not tell a reset from an end of file."""


def _failed_exchanges(evidence: Evidence) -> list[_Exchange]:
    """The plain exchange if it failed, as it was seen on the socket; else the SDK's own.

    The SDK tells less: a reset after the handshake often reaches Python's `ssl` as a plain end of file.
    """
    plain = [
        _Exchange(
            observation=observation,
            errors=failed.errors,
            begun=failed.status is not None,
            reset=failed.ended == "reset",
            known=not node.alone(evidence),
        )
        for observation, failed in evidence.of(HttpFailed, "http")
        if failed.phase in ("send", "headers", "body") and not request_succeeded(evidence)
    ]
    own = [
        _Exchange(
            observation=observation,
            errors=failed.errors,
            begun=_headers_came(failed.trace),
            reset=_write_failed(failed.trace) or failed.ended == "reset",
            known=failed.ended is not None,
        )
        for observation, failed in failed_requests(evidence)
        if request_was_sent(beyond_the_tunnel(evidence, failed.trace)) or mentions(failed.errors, *_AFTER_SENDING)
    ]
    # Of the exchanges of Node.js one may know a reset that another takes for an end of file.
    return [*plain, *own] if node.alone(evidence) else plain or own


_AFTER_SENDING = ("ServerDisconnectedError", "ClientPayloadError", "SocketTimeoutError")
"""aiohttp has no trace; these are raised by it once the request is on its way."""


def request_was_sent(trace: tuple[TraceEvent, ...]) -> bool:
    """Whether the transport began to send the request."""
    return any("send_request_headers" in event.name for event in trace)


def _write_failed(trace: tuple[TraceEvent, ...]) -> bool:
    """Whether writing the request failed: the transport then reads on and reports only that nothing came (`http11.py` of httpcore).

    A peer that has closed in good order lets the first write pass; what lets one fail is its reset (RFC 9293 section 3.10.7.4).
    """
    return any(event.name.startswith("http11.send_request") and event.name.endswith(".failed") for event in trace)


def _headers_came(trace: tuple[TraceEvent, ...]) -> bool:
    return any(event.status is not None for event in trace if "receive_response_headers" in event.name)


def mentions(errors: tuple[ErrorLink, ...], *marks: str) -> bool:
    """Whether an error of the chain holds one of these words."""
    return any(mark in f"{link.type}: {link.text} {link.errno_name}" for link in errors for mark in marks)


def broken(evidence: Evidence, *marks: str, begun: bool | None = None) -> Finding | None:
    """An exchange whose errors hold one of these words; with *begun*, one in which a response had begun, or had not."""
    for exchange in _failed_exchanges(evidence):
        if mentions(exchange.errors, *marks) and begun in (None, exchange.begun):
            return Finding(because=(cite(exchange.observation, words(exchange.errors)),), certainty="proven")
    return None


def idle_reset(evidence: Evidence) -> Finding | None:
    """Dead after idling, and a new connection to the same address at the same moment works."""
    fresh = {answer.address: (o, answer) for o, answer in counter_tests(evidence, HttpAnswer, "http.idle.fresh")}
    for dead, failed in counter_tests(evidence, HttpFailed, "http.idle"):
        if failed.address not in fresh:
            continue
        alive, answer = fresh[failed.address]
        because = (
            cite(dead, f"{dead.changed}: {words(failed.errors)}"),
            cite(alive, f"a new connection at the same moment is answered with status {answer.status}"),
        )
        return Finding(because=because, certainty="proven", beside_success=True)
    return _reused_connection_failed(evidence)


def _reused_connection_failed(evidence: Evidence) -> Finding | None:
    """An application's request over a connection that was there already, which ended before a response."""
    for observation, failed in evidence.of(SdkFailed, "application"):
        names = [event.name for event in failed.trace]
        sent = any(name.endswith("send_request_headers.started") for name in names)
        dialled = any("connect_tcp" in name or "start_tls" in name for name in names)
        closed = mentions(failed.errors, *_CLOSED, "ECONNRESET", "EPIPE")
        if failed.answer is None and sent and not dialled and closed and not _headers_came(failed.trace):
            fact = f"the request went over a connection that was open already, and no response came: {words(failed.errors)}"
            return Finding(because=(cite(observation, fact),), certainty="likely")
    return None


def reset(evidence: Evidence) -> Finding | None:
    """A reset before or during the response, seen on the socket or where the request could not be written."""
    for exchange in _failed_exchanges(evidence):
        if _closed_unread(evidence, exchange):
            continue
        if exchange.reset or mentions(exchange.errors, "ECONNRESET", "EPIPE"):
            fact = words(exchange.errors)
            if isinstance(exchange.observation.outcome, SdkFailed) and exchange.reset:
                when = "during the answer" if exchange.begun else "while the request was being written"
                fact = f"the connection was reset {when}; the SDK says {fact}"
            return Finding(because=(cite(exchange.observation, fact),), certainty="proven")
        if mentions(exchange.errors, *_CLOSED) and not exchange.begun and (seen := _elsewhere(evidence, "reset")):
            because = (cite(exchange.observation, words(exchange.errors)), *seen)
            return Finding(because=because, certainty="likely")
    return None


def _closed_unread(evidence: Evidence, exchange: _Exchange) -> tuple[Because, ...]:
    """How exchanges that were looked at on the socket ended, where they ended in good order and the SDK's own request in a reset without an answer.

    Who closes and leaves a part of what came unread resets as well (RFC 2525 section 2.17), and the SDK sends its body apart from its headers.
    """
    own = isinstance(exchange.observation.outcome, SdkFailed)
    return _elsewhere(evidence, "eof") if own and exchange.reset and not exchange.begun else ()


_CLOSED = ("Server disconnected", "RemoteDisconnected", "UNEXPECTED_EOF", "other side closed", "socket hang up")
"""How Python's transports, fetch of Node.js and its module http say it."""


def _elsewhere(evidence: Evidence, ended: Ending) -> tuple[Because, ...]:
    """How other exchanges of this path ended on the socket, where they all did so; above TLS a reset and an end of file look alike."""
    failed = [
        ("attempts", outcome)
        for one in attempts(evidence)
        for _, outcome in one.of(HttpFailed, "http")
        if outcome.phase in ("send", "headers", "body")
    ]
    failed += [(o.id, outcome) for o, outcome in counter_tests(evidence, HttpFailed, "http.large_body")]
    if not failed or any(outcome.ended != ended for _, outcome in failed):
        return ()
    where, outcome = failed[0]
    return (Because(observation=where, fact=f"the same seen on the socket: {words(outcome.errors)}"),)


def disconnected(evidence: Evidence) -> Finding | None:
    """An end of file before a response."""
    for exchange in _failed_exchanges(evidence):
        if not mentions(exchange.errors, *_CLOSED) or exchange.begun:
            continue
        seen = _closed_unread(evidence, exchange) if exchange.known else _elsewhere(evidence, "eof")
        because = (cite(exchange.observation, words(exchange.errors)), *seen)
        if exchange.known or seen:
            return Finding(because=because, certainty="proven")
        return Finding(because=because, certainty="likely", also=(("http.reset", _LOOKS_CLOSED),))
    return None


_LOOKS_CLOSED = "above TLS a reset often looks like an end of file, and this one was not seen on the socket"
_CUT = (
    "peer closed connection without sending complete",
    "IncompleteRead",
    "incomplete chunked read",
    "Response payload is not completed",
    # fetch of Node.js
    "terminated",
)


def truncated(evidence: Evidence) -> Finding | None:
    """A response, or a stream, that ended before its end."""
    for exchange in _failed_exchanges(evidence):
        if mentions(exchange.errors, *_CUT) and not exchange.reset:
            certainty: Certainty = "proven" if exchange.known else "likely"
            return Finding(because=(cite(exchange.observation, words(exchange.errors)),), certainty=certainty)
    # A stream without an end mark: the whole answer passed, so the fault is the stream's alone.
    for observation, answered in evidence.of(SdkAnswered):
        if answered.stream and answered.shape == "stream" and answered.chunks and not answered.completed:
            fact = f"the stream ended after {answered.chunks} events without its end mark"
            return Finding(because=(cite(observation, fact),), certainty="likely")
    return None
