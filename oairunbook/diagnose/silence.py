"""Requests and streams that are on their way and bring nothing: no answer in time, no more events, all of them at once."""

from __future__ import annotations

from oairunbook.diagnose.catalogue import Finding
from oairunbook.diagnose.exchanges import broken, mentions, request_was_sent
from oairunbook.diagnose.parts import attempts
from oairunbook.diagnose.reading import beyond_the_tunnel, cite, errno_name, request_succeeded, stopped, words
from oairunbook.evidence import ConnectFailed, Evidence, HttpAnswer, HttpFailed, SdkAnswered, SdkFailed, TlsFailed
from oairunbook.verdict import Because


def read_timeout(evidence: Evidence) -> Finding | None:
    """The request was sent, and no answer came in time."""
    if request_succeeded(evidence):
        # Of the application's own requests one was answered and one waits in vain, as some of the attempts do.
        waiting = stopped(evidence, "sdk.stream", sent=True)
        if waiting is None or not _silent_attempts(evidence):
            return None
        fact = (
            f"the SDK's own request got no answer in {waiting.seconds:.0f} s, and neither did some without credentials"
        )
        return Finding(because=(cite(waiting, fact),), certainty="likely")
    found = broken(evidence, "ReadTimeout", "TimeoutError", begun=False)
    if found is not None:
        return found
    for observation, answer in evidence.of(HttpFailed, "http"):
        if _stream_stopped(answer):
            continue
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
    """Whether an attempt's request without credentials, which asked for no stream, got no answer."""
    asked = [failed for one in attempts(evidence) for _, failed in one.of(HttpFailed, "http")]
    return any(failed.ended == "silence" and not failed.stream for failed in asked)


def _silent_before_http(evidence: Evidence) -> bool:
    """Whether an attempt ended at a connection or a handshake that got no answer."""
    ended = [one for one in attempts(evidence) if not any(one.of(HttpAnswer, "http"))]
    silent = [failed.ended == "silence" for one in ended for _, failed in one.of(TlsFailed)]
    silent += [errno_name(failed.errors) == "ETIMEDOUT" for one in ended for _, failed in one.of(ConnectFailed)]
    return any(silent)


def stream_stalled(evidence: Evidence) -> Finding | None:
    """The whole answer came, and the same request streamed stopped arriving, or arrived at one moment; or a stream that an attempt asked for did."""
    if not request_succeeded(evidence):
        for observation, asked in evidence.of(HttpFailed, "http"):
            if _stream_stopped(asked):
                fact = f"a stream began with status {asked.status}, and then no more came: {words(asked.errors)}"
                return Finding(because=(cite(observation, fact),), certainty="likely")
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
            and request_was_sent(beyond_the_tunnel(evidence, failed.trace))
            and mentions(failed.errors, "Timeout")
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


def _stream_stopped(failed: HttpFailed) -> bool:
    """Whether a stream was asked for, began, and came to no end in its time."""
    return failed.stream and failed.ended == "silence" and failed.status is not None and failed.status < 300


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
