"""`http`: bytes were exchanged, and no API answer came back."""

from __future__ import annotations

from oairunbook.diagnose import edges, node
from oairunbook.diagnose.catalogue import Cause, Certainty, Finding
from oairunbook.diagnose.reading import (
    answers,
    attempts,
    beyond_the_tunnel,
    cite,
    counter_test,
    counter_tests,
    errno_name,
    failed_requests,
    is_api_answer,
    one_path_away,
    request_succeeded,
    stopped,
    words,
)
from oairunbook.evidence import (
    ConnectFailed,
    Ending,
    ErrorLink,
    Evidence,
    HttpAnswer,
    HttpFailed,
    Observation,
    Route,
    SdkAnswered,
    SdkFailed,
    TlsFailed,
    TraceEvent,
)
from oairunbook.records import dataclass
from oairunbook.verdict import Because

_INTERMEDIARY = (502, 503, 504)


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
        if _request_was_sent(beyond_the_tunnel(evidence, failed.trace)) or _mentions(failed.errors, *_AFTER_SENDING)
    ]
    # Of the exchanges of Node.js one may know a reset that another takes for an end of file.
    return [*plain, *own] if node.alone(evidence) else plain or own


_AFTER_SENDING = ("ServerDisconnectedError", "ClientPayloadError", "SocketTimeoutError")
"""aiohttp has no trace; these are raised by it once the request is on its way."""


def _request_was_sent(trace: tuple[TraceEvent, ...]) -> bool:
    return any("send_request_headers" in event.name for event in trace)


def _write_failed(trace: tuple[TraceEvent, ...]) -> bool:
    """Whether writing the request failed: the transport then reads on and reports only that nothing came (`http11.py` of httpcore).

    A peer that has closed in good order lets the first write pass; what lets one fail is its reset (RFC 9293 section 3.10.7.4).
    """
    return any(event.name.startswith("http11.send_request") and event.name.endswith(".failed") for event in trace)


def _headers_came(trace: tuple[TraceEvent, ...]) -> bool:
    return any(event.status is not None for event in trace if "receive_response_headers" in event.name)


def _mentions(errors: tuple[ErrorLink, ...], *marks: str) -> bool:
    return any(mark in f"{link.type}: {link.text} {link.errno_name}" for link in errors for mark in marks)


def _broken(evidence: Evidence, *marks: str, begun: bool | None = None) -> Finding | None:
    for exchange in _failed_exchanges(evidence):
        if _mentions(exchange.errors, *marks) and begun in (None, exchange.begun):
            return Finding(because=(cite(exchange.observation, words(exchange.errors)),), certainty="proven")
    return None


def _idle_reset(evidence: Evidence) -> Finding | None:
    """Dead after idling, and a new connection at the same moment works."""
    dead, fresh = (
        counter_test(evidence, HttpFailed, "http.idle"),
        counter_test(evidence, HttpAnswer, "http.idle.fresh"),
    )
    if dead is None or fresh is None:
        return _reused_connection_failed(evidence)
    because = (
        cite(dead[0], f"{dead[0].changed}: {words(dead[1].errors)}"),
        cite(fresh[0], f"a new connection at the same moment is answered with status {fresh[1].status}"),
    )
    return Finding(because=because, certainty="proven", beside_success=True)


def _reused_connection_failed(evidence: Evidence) -> Finding | None:
    """An application's request over a connection that was there already, which ended before a response."""
    for observation, failed in evidence.of(SdkFailed, "application"):
        names = [event.name for event in failed.trace]
        sent = any(name.endswith("send_request_headers.started") for name in names)
        dialled = any("connect_tcp" in name or "start_tls" in name for name in names)
        closed = _mentions(failed.errors, *_CLOSED, "ECONNRESET", "EPIPE")
        if failed.answer is None and sent and not dialled and closed and not _headers_came(failed.trace):
            fact = f"the request went over a connection that was open already, and no response came: {words(failed.errors)}"
            return Finding(because=(cite(observation, fact),), certainty="likely")
    return None


def _reset(evidence: Evidence) -> Finding | None:
    for exchange in _failed_exchanges(evidence):
        if exchange.reset or _mentions(exchange.errors, "ECONNRESET", "EPIPE"):
            fact = words(exchange.errors)
            if isinstance(exchange.observation.outcome, SdkFailed) and exchange.reset:
                when = "during the answer" if exchange.begun else "while the request was being written"
                fact = f"the connection was reset {when}; the SDK says {fact}"
            return Finding(because=(cite(exchange.observation, fact),), certainty="proven")
        if _mentions(exchange.errors, *_CLOSED) and not exchange.begun and (seen := _elsewhere(evidence, "reset")):
            because = (cite(exchange.observation, words(exchange.errors)), *seen)
            return Finding(because=because, certainty="likely")
    return None


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


def _disconnected(evidence: Evidence) -> Finding | None:
    for exchange in _failed_exchanges(evidence):
        if not _mentions(exchange.errors, *_CLOSED) or exchange.begun:
            continue
        seen = () if exchange.known else _elsewhere(evidence, "eof")
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


def _truncated(evidence: Evidence) -> Finding | None:
    for exchange in _failed_exchanges(evidence):
        if _mentions(exchange.errors, *_CUT) and not exchange.reset:
            certainty: Certainty = "proven" if exchange.known else "likely"
            return Finding(because=(cite(exchange.observation, words(exchange.errors)),), certainty=certainty)
    # A stream without an end mark: the whole answer passed, so the fault is the stream's alone.
    for observation, answered in evidence.of(SdkAnswered):
        if answered.stream and answered.shape == "stream" and answered.chunks and not answered.completed:
            fact = f"the stream ended after {answered.chunks} events without its end mark"
            return Finding(because=(cite(observation, fact),), certainty="likely")
    return None


def _read_timeout(evidence: Evidence) -> Finding | None:
    if request_succeeded(evidence):
        # Of the application's own requests one was answered and one waits in vain, as some of the attempts do.
        waiting = stopped(evidence, "sdk.stream", sent=True)
        if waiting is None or not _silent_attempts(evidence):
            return None
        fact = (
            f"the SDK's own request got no answer in {waiting.seconds:.0f} s, and neither did some without credentials"
        )
        return Finding(because=(cite(waiting, fact),), certainty="likely")
    found = _broken(evidence, "ReadTimeout", "TimeoutError", begun=False)
    if found is not None:
        return found
    for observation, answer in evidence.of(HttpFailed, "http"):
        if answer.ended == "silence" and answer.status is None:
            return Finding(because=(cite(observation, words(answer.errors)),), certainty="proven")
        if answer.ended == "silence":
            fact = f"status {answer.status} came, and then no more: {words(answer.errors)}"
            return Finding(because=(cite(observation, fact),), certainty="likely")
    given_up = stopped(evidence, "sdk", sent=True)
    if given_up is not None and any(evidence.of(HttpAnswer, "http")):
        fact = f"the SDK's own request got no whole answer in {given_up.seconds:.0f} s; smaller ones are answered"
        posts = _posts_without_answer(evidence)
        return Finding(because=(cite(given_up, fact), *posts), certainty="proven" if posts else "likely")
    return None


def _posts_without_answer(evidence: Evidence) -> tuple[Because, ...]:
    """Attempts whose POST got no answer, where no other one got any."""
    asked = [
        outcome for one in attempts(evidence) for _, outcome in one.of(HttpFailed, "http") if outcome.method == "POST"
    ]
    answered = any(a.method == "POST" for one in attempts(evidence) for _, a in one.of(HttpAnswer, "http"))
    if answered or len(asked) < 2 or any(failed.ended != "silence" or failed.status is not None for failed in asked):
        return ()
    fact = f"{len(asked)} POSTs without credentials got no answer either, and GET is answered"
    return (Because(observation="attempts", fact=fact),)


def _silent_attempts(evidence: Evidence) -> bool:
    """Whether an attempt's request without credentials got no answer."""
    return any(failed.ended == "silence" for one in attempts(evidence) for _, failed in one.of(HttpFailed, "http"))


def _silent_before_http(evidence: Evidence) -> bool:
    """Whether an attempt ended at a connection or a handshake that got no answer."""
    ended = [one for one in attempts(evidence) if not any(one.of(HttpAnswer, "http"))]
    silent = [failed.ended == "silence" for one in ended for _, failed in one.of(TlsFailed)]
    silent += [errno_name(failed.errors) == "ETIMEDOUT" for one in ended for _, failed in one.of(ConnectFailed)]
    return any(silent)


def _stream_stalled(evidence: Evidence) -> Finding | None:
    if not request_succeeded(evidence):
        return None
    if _silent_attempts(evidence) or _silent_before_http(evidence):
        # Requests that are no streams get no answer either, now and then.
        return None
    buffered = _in_one_piece(evidence)
    if buffered is not None:
        return buffered
    fact = "the whole answer came, and the same request streamed stopped arriving"
    for observation, failed in evidence.of(SdkFailed):
        if (
            failed.stream
            and failed.answer is None
            and _request_was_sent(beyond_the_tunnel(evidence, failed.trace))
            and _mentions(failed.errors, "Timeout")
        ):
            # Where not one event came it may as well be a request that gets no answer now and then.
            return Finding(because=(cite(observation, fact),), certainty="proven" if failed.chunks else "likely")
    given_up = stopped(evidence, "sdk.stream", sent=True)
    if given_up is None:
        return None
    seen = getattr(given_up.outcome, "seen", ())
    if seen and not seen[-1].endswith(" events"):
        fact = f"the whole answer came, and of the same request streamed no event did in {given_up.seconds:.0f} s"
    return Finding(because=(cite(given_up, fact),), certainty="likely")


_PIECES, _LATE_SECONDS, _ONE_PIECE_SECONDS = 3, 0.5, 0.02


def _in_one_piece(evidence: Evidence) -> Finding | None:
    """All events at one moment, long after the whole answer of the same request had been ready."""
    waits = {answered.stream: _waited(answered) for _, answered in evidence.of(SdkAnswered)}
    whole, streamed = waits.get(False), waits.get(True)
    if whole is None or streamed is None or streamed < 2 * whole + _LATE_SECONDS:
        return None
    for observation, answered in evidence.of(SdkAnswered):
        at_once = answered.spread_seconds is not None and answered.spread_seconds <= _ONE_PIECE_SECONDS
        if answered.stream and at_once and (answered.chunks or 0) >= _PIECES:
            fact = (
                f"{answered.chunks} events of a stream arrived at one moment, {streamed:.1f} s after the request; "
                f"the whole answer was there after {whole:.1f} s"
            )
            return Finding(because=(cite(observation, fact),), certainty="likely", beside_success=True)
    return None


def _waited(answered: SdkAnswered) -> float | None:
    """Seconds from the request being sent, names and handshakes done, to the answer or to the first event of a stream."""
    sent = [event.seconds for event in answered.trace if event.name.endswith("send_request_headers.complete")]
    came = [event.seconds for event in answered.trace if event.name.endswith("receive_response_headers.complete")]
    end = answered.first_chunk_seconds if answered.stream else (came[-1] if came else None)
    return end - sent[-1] if sent and end is not None else None


def _foreign(evidence: Evidence) -> list[tuple[Observation, HttpAnswer]]:
    """Answers that are no API answers, while no minimal request succeeded."""
    foreign = [(o, a) for o, a, _ in answers(evidence) if not is_api_answer(evidence, a)]
    if request_succeeded(evidence):
        # Only the streamed request is left to meet somebody else than the API.
        return [item for item in foreign if item[0].id == "sdk.stream"]
    return foreign


def _describe(answer: HttpAnswer) -> str:
    server = answer.header("server")
    what = f"{answer.method} {answer.url}: status {answer.status}, {answer.body.shape}"
    what += f" titled {answer.body.title!r}" if answer.body.title else ""
    return what + (f", server {server!r}" if server else "") + ", no request id"


def _shown(answer: HttpAnswer) -> str | None:
    """What such an answer shows, by the table that pasted ones are read with; None if only its status speaks."""
    named = edges.answered(answer)
    if named is None and answer.body.shape == "html" and answer.status not in _OF_THE_STATUS:
        return edges.page(answer.status, f"{answer.body.title or ''} {answer.body.sample}")
    return named


_OF_THE_STATUS = (429, 500, 501, 505)
"""A page with one of these says no more than its number; `api` judges it."""


def _gateway_error(evidence: Evidence) -> Finding | None:
    for observation, answer in _foreign(evidence):
        shown = _shown(answer)
        if shown in (None, "http.gateway_error") and (answer.status in _INTERMEDIARY or 520 <= answer.status <= 530):
            because = (cite(observation, _describe(answer)),)
            if answer.status != 503 or answer.body.shape != "html" or edges.is_of_a_gateway(answer):
                return Finding(because=because, certainty="proven")
            # Filters give their pages that status as well, and nothing in this one says whose it is.
            also = (("http.blocked_page", "a filter's page with status 503 would look the same"),)
            return Finding(because=because, certainty="likely", also=also)
        if shown == "http.gateway_error":
            said = f"{_describe(answer)}: {' '.join(answer.body.sample.split())[:120]!r}"
            return Finding(because=(cite(observation, said),), certainty="likely")
    return None


def _redirected(evidence: Evidence) -> Finding | None:
    for observation, answer in _foreign(evidence):
        if 300 <= answer.status < 400:
            fact = f"{_describe(answer)}; to {answer.header('location')}"
            return Finding(because=(cite(observation, fact),), certainty="proven")
    return _broken(evidence, "TooManyRedirects")


def _blocked_page(evidence: Evidence) -> Finding | None:
    for observation, answer in _foreign(evidence):
        shown, marked = _shown(answer), edges.blocks(answer)
        alone = shown is None and marked and answer.status < 500 and answer.body.shape in ("json", "text")
        if shown == "http.blocked_page" or (shown is None and answer.status in (403, 451, 511)) or alone:
            certainty: Certainty = "proven" if marked else "likely"
            return Finding(because=(cite(observation, _describe(answer)),), certainty=certainty)
        # Not every portal says so in words that somebody here knows, and the API itself has no page at its own base URL.
        page = shown in (None, "http.not_an_api") and answer.body.shape in ("html", "text", "empty")
        if page and answer.status < 300 and observation.probe != "pasted" and _is_documented(evidence.route):
            fact = f"{_describe(answer)}; the base URL is the documented one, so somebody answers in the API's place"
            return Finding(because=(cite(observation, fact),), certainty="likely")
    return None


def _not_an_api(evidence: Evidence) -> Finding | None:
    own_tells = _own_reached_the_api(evidence)
    for observation, answer in _foreign(evidence):
        if own_tells and answer.status in _NO_SUCH_PATH:
            # Not every server lists models; the request that counts got further.
            continue
        if answer.status == 429 or (answer.status == 401 and evidence.route.family == "gateway"):
            # Whoever says so has understood the request: `api` judges it.
            continue
        nothing_behind = edges.answered(answer) == "http.not_an_api"
        if answer.status < 500 or answer.status == 501 or answer.status >= 600 or nothing_behind:
            because, step = one_path_away(evidence)
            reasons = (cite(observation, _describe(answer)), *because)
            if not because and answer.status < 500 and answer.body.shape == "html" and _is_documented(evidence.route):
                also = (("http.blocked_page", _IN_ITS_PLACE),)
                return Finding(because=reasons, certainty="likely", next=step, also=also)
            return Finding(because=reasons, certainty="proven", next=step)
    return _broken(evidence, "illegal status line", "BadStatusLine", "illegal header line", "AnswerTooLargeError")


def _is_documented(route: Route) -> bool:
    """Whether the base URL is the public API's own: then it is hardly what is wrong."""
    return route.family == "direct" and route.host.endswith("api.openai.com") and route.path.rstrip("/") == "/v1"


_IN_ITS_PLACE = (
    "the base URL is the documented one: a filter or a portal whose page nobody here knows would look the same"
)
_NO_SUCH_PATH = (404, 405, 501)


def _own_reached_the_api(evidence: Evidence) -> bool:
    """Whether the SDK's own request was sent and broke off, or got an API answer."""
    failed = any(
        _request_was_sent(beyond_the_tunnel(evidence, failed.trace)) for _, failed in failed_requests(evidence)
    )
    answered = any(o.probe == "sdk" and is_api_answer(evidence, answer) for o, answer, _ in answers(evidence))
    return failed or answered or stopped(evidence, "sdk") is not None


_SUSPECTS = "Ask who runs the load balancer, firewall or inspecting proxy between this runtime and the endpoint; give them addresses and times."

CAUSES = (
    Cause(
        id="http.idle_reset",
        meaning="A reused idle connection is dead where a new one works.",
        applies=_idle_reset,
        next=(
            "Close idle connections before the NAT's or load balancer's limit (keepalive_expiry), or switch TCP keepalive on.",
        ),
        for_node=(
            "Close idle connections before the NAT's or load balancer's limit (keepAliveTimeout of undici's Agent), or switch TCP keepalive on.",
        ),
    ),
    Cause(
        id="http.redirected",
        meaning="A redirect leads away from the API.",
        next=(
            "Look where it leads: a sign-in page means a portal or an access proxy in front; a changed host means a wrong base URL.",
        ),
        applies=_redirected,
    ),
    Cause(
        id="http.blocked_page",
        meaning="A filter, WAF or captive portal answered in the API's place.",
        next=("Ask who runs the filter that the page names to allow this host, path and method from this runtime.",),
        applies=_blocked_page,
    ),
    Cause(
        id="http.gateway_error",
        meaning="An intermediary answered 502, 503 or 504, without an API body or request id.",
        next=(_SUSPECTS, "Retry with backoff; keep the times."),
        applies=_gateway_error,
    ),
    Cause(
        id="http.not_an_api",
        meaning="Some server answered, and it is no OpenAI-compatible API at this path.",
        next=(
            "Compare the base URL with the documented one: a missing or doubled /v1, a path that already ends in /chat/completions.",
        ),
        applies=_not_an_api,
    ),
    Cause(
        id="http.truncated",
        meaning="The response ended before its declared end.",
        next=(_SUSPECTS,),
        applies=_truncated,
    ),
    Cause(
        id="http.reset",
        meaning="The connection was reset before or during the response.",
        next=(_SUSPECTS,),
        applies=_reset,
    ),
    Cause(
        id="http.disconnected",
        meaning="The connection was closed before a response.",
        next=(_SUSPECTS,),
        applies=_disconnected,
    ),
    Cause(
        id="http.stream_stalled",
        meaning="A stream starts and then stops arriving, or arrives in one piece at the end.",
        next=(
            "Ask who runs the proxy on this path whether it buffers or inspects event streams, and to exempt this host.",
        ),
        applies=_stream_stalled,
    ),
    Cause(
        id="http.read_timeout",
        meaning="The request was sent and no response came in time.",
        next=(
            _SUSPECTS,
            "If only long requests fail, compare their time with the NAT's or load balancer's idle limit, and stream.",
        ),
        for_node=(
            _SUSPECTS,
            "If only long requests fail, compare their time with fetch's own limit (300 s without headers or data, whatever the SDK's timeout; "
            "headersTimeout and bodyTimeout of undici's Agent) and with the NAT's or load balancer's, and stream.",
        ),
        applies=_read_timeout,
    ),
)
