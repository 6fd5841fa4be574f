"""Faults that come and go: what counts as an attempt that failed, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oairunbook.diagnose import diagnose
from oairunbook.evidence import (
    Body,
    Connected,
    ConnectFailed,
    Ending,
    ErrorLink,
    Evidence,
    HttpAnswer,
    HttpFailed,
    Observation,
    SdkAnswered,
    SdkFailed,
    Stopped,
    TlsFailed,
    TlsHandshake,
    TraceEvent,
)
from oairunbook.verdict import Verdict
from tests.cases import cases
from tests.recorded import answer, connected, evidence, observation, resolved, sdk_answered, sdk_failed

ADDRESS = "162.159.140.245"
URL = "https://api.openai.com/v1/models"
GOOD = 401
"""What the API says to a request without credentials."""


def page(status: int) -> HttpAnswer:
    body = Body(shape="html", size_bytes=100, title=f"{status}", sample="<html>")
    return HttpAnswer(method="GET", url=URL, status=status, http_version="1.1", headers=(), body=body, address=ADDRESS)


def limited() -> HttpAnswer:
    error = replace(answer(429, "Rate limit reached").body.error, code="rate_limit_exceeded", type="requests")
    return replace(answer(429), body=replace(answer().body, error=error))


def own(identity: str, given: HttpAnswer | None) -> Observation:
    """One of the SDK's own requests: answered well, or with this."""
    again = "the same request once more" if ".again" in identity else None
    stream = identity.startswith("sdk.stream")
    if given is None:
        good = sdk_answered().outcome
        assert isinstance(good, SdkAnswered)
        if stream:
            good = replace(good, stream=True, chunks=3, shape="stream")
        return replace(observation(identity, good, layer="api"), changed=again)
    bad = sdk_failed(answer=given).outcome
    assert isinstance(bad, SdkFailed)
    return replace(observation(identity, replace(bad, stream=stream), layer="api"), changed=again)


def attempt(number: int, outcome: HttpAnswer | HttpFailed, method: str = "GET") -> tuple[Observation, ...]:
    found = replace(outcome, method=method)
    return (
        replace(resolved(), id=f"dns.system#{number}", attempt=number),
        connected(f"tcp:{ADDRESS}#{number}", attempt=number),
        observation(f"http#{number}", found, layer="http", attempt=number),
    )


def walk() -> tuple[Observation, ...]:
    shaken = TlsHandshake(
        address=ADDRESS, server_name="api.openai.com", version="TLSv1.3", cipher="x", alpn=None, chain=()
    )
    return (
        resolved(),
        connected(),
        observation(f"tls:{ADDRESS}", shaken),
        observation("http", replace(answer(GOOD), method="GET", url=URL, address=ADDRESS)),
    )


def seen(*more: Observation) -> Evidence:
    return evidence(*walk(), *more)


def all_good(numbers: range, method: str = "GET") -> tuple[Observation, ...]:
    return tuple(o for n in numbers for o in attempt(n, replace(answer(GOOD), address=ADDRESS), method))


def test_a_fault_of_every_stream_and_of_no_whole_answer_is_steady_and_one_of_some_streams_comes_and_goes() -> None:
    kinds = [own("sdk", None), own("sdk.stream", page(502))]
    for number in range(2, 6):
        kinds += [own(f"sdk.again:{number}", None), own(f"sdk.stream.again:{number}", page(502))]
    steady = diagnose(seen(*kinds, *all_good(range(2, 14))))
    kinds[-1] = own("sdk.stream.again:5", None)
    sometimes = diagnose(seen(*kinds, *all_good(range(2, 14))))

    assert (steady.cause, steady.pattern) == ("http.gateway_error", "steady")
    assert (sometimes.cause, sometimes.pattern) == ("http.gateway_error", "intermittent")
    assert (sometimes.failed, sometimes.tried) == (4, 23)


def test_a_limit_that_some_of_the_own_requests_meet_is_the_verdict_and_one_that_only_strangers_meet_is_not() -> None:
    good = [own("sdk", None), own("sdk.stream", None)]
    good += [own(f"{kind}.again:{n}", None) for n in range(2, 6) for kind in ("sdk", "sdk.stream")]
    strangers = [o for n in range(2, 6) for o in attempt(n, replace(limited(), address=ADDRESS))]
    ours = [*good[:3], own("sdk.stream.again:2", limited()), *good[4:]]

    verdict = diagnose(seen(*ours, *strangers))
    assert (verdict.cause, verdict.owner, verdict.pattern) == ("api.rate_limited", "quota_or_rate", "intermittent")
    assert diagnose(seen(*good, *strangers)).cause == "ok"


CLOSED = HttpFailed(
    method="POST",
    url=URL,
    phase="headers",
    errors=(ErrorLink(type="http.client.RemoteDisconnected", text="Remote end closed connection without response"),),
    ended="eof",
    address=ADDRESS,
)


@pytest.mark.parametrize("bad", [CLOSED, page(500), page(502)], ids=["closed", "500", "502"])
def test_posts_that_all_fail_beside_good_answers_say_nothing_and_some_that_fail_do(
    bad: HttpAnswer | HttpFailed,
) -> None:
    good = (own("sdk", None), own("sdk.stream", None), *all_good(range(2, 14)))
    all_bad = [o for n in range(14, 24) for o in attempt(n, bad, "POST")]
    some_bad = [*all_good(range(14, 20), "POST"), *all_bad[-12:]]

    assert diagnose(seen(*good, *all_bad)).cause == "ok"
    assert diagnose(seen(*good, *some_bad)).pattern == "intermittent"


def test_a_post_that_is_refused_in_whatever_way_is_no_failure_of_the_path() -> None:
    refused = [o for n in range(14, 24) for o in attempt(n, page(404 if n % 2 else 403), "POST")]

    assert diagnose(seen(own("sdk", None), own("sdk.stream", None), *all_good(range(2, 14)), *refused)).cause == "ok"


def test_an_answer_that_comes_only_in_small_segments_is_the_path_mtu_unless_others_are_silent_too() -> None:
    def silent(identity: str) -> Observation:
        again = "the same request once more" if "again" in identity else None
        return replace(observation(identity, Stopped(reason="no answer in time"), layer="api"), changed=again)

    small = replace(own("sdk", None), id="sdk.small_segments", changed="segments of at most 536 bytes both ways")
    both = (silent("sdk"), silent("sdk.again:2"), silent("sdk.stream"))
    waiting = replace(CLOSED, ended="silence", errors=(ErrorLink(type="TimeoutError", text="timed out"),))
    others = [o for n in range(14, 17) for o in attempt(n, waiting, "GET")]

    found = diagnose(seen(*both, small, *all_good(range(2, 14))))
    assert (found.cause, found.certainty) == ("tcp.path_mtu", "likely")
    assert diagnose(seen(*both, *all_good(range(2, 14)))).cause == "http.read_timeout"
    assert diagnose(seen(*both, small, *all_good(range(2, 14)), *others)).cause == "http.read_timeout"


def test_an_api_that_lists_no_models_is_healthy_however_it_says_so() -> None:
    own_good = (own("sdk", None), own("sdk.stream", None))
    no_models = [o for n in range(2, 8) for o in attempt(n, page(501))]
    listed_nothing = (*(o for o in walk() if o.id != "http"), observation("http", page(501)))
    posts = all_good(range(14, 20), "POST")

    assert diagnose(evidence(*listed_nothing, *own_good, *no_models, *posts)).cause == "ok"


def test_a_second_stream_that_breaks_off_comes_and_goes_and_one_that_was_only_late_or_limited_does_not() -> None:
    def second(outcome: SdkFailed | SdkAnswered) -> Observation:
        made = observation("sdk.stream.second", replace(outcome, stream=True), layer="api")
        return replace(made, changed="a second stream beside the first")

    late = ErrorLink(type="httpx2.ReadTimeout", text="timed out")
    sent = sdk_failed(answer=None).outcome
    assert isinstance(sent, SdkFailed)
    ends = {
        "broken": replace(sent, answer=page(502)),
        "late": replace(sent, errors=(late,)),
        "limited": replace(sent, answer=limited()),
    }
    said = {}
    for name, outcome in ends.items():
        ours = (own("sdk", None), own("sdk.stream", None), second(outcome))
        verdict = diagnose(seen(*ours, *all_good(range(2, 14))))
        said[name] = (verdict.cause, verdict.pattern)

    assert said["late"] == said["limited"] == ("ok", "steady")
    assert said["broken"] == ("http.gateway_error", "intermittent")


def test_503_to_some_of_our_own_attempts_alone_is_not_proven_and_502_is() -> None:
    """A limit of requests a second answers 503 to whoever asks in quick succession, and not to the application."""
    verdicts = {}
    for status in (502, 503):
        bad = tuple(o for n in range(14, 20) for o in attempt(n, page(status)))
        verdicts[status] = diagnose(seen(own("sdk", None), own("sdk.stream", None), *all_good(range(2, 14)), *bad))

    assert [v.cause for v in verdicts.values()] == ["http.gateway_error"] * 2
    assert [v.certainty for v in verdicts.values()] == ["proven", "likely"]
    assert "api.rate_limited" in [a.cause for a in verdicts[503].also]


def test_a_walk_whose_request_went_to_another_address_is_no_second_failure() -> None:
    """One 500 to one attempt is no fault that comes and goes; the walk beside it failed nowhere."""
    error = replace(answer().body.error, type="server_error", code=None, message="The server had an error")
    failed = replace(answer(500), body=replace(answer().body, error=error), address=ADDRESS)
    other = replace(answer(GOOD), address="2606:4700::6812:7c0")
    elsewhere = [replace(o, outcome=other) if o.id == "http" else o for o in walk()]
    once = (*all_good(range(2, 10)), *attempt(10, failed))
    verdict = diagnose(evidence(*elsewhere, own("sdk", None), own("sdk.stream", None), *once))
    twice = diagnose(evidence(*elsewhere, own("sdk", None), own("sdk.stream", None), *once, *attempt(11, failed)))

    assert verdict.cause == "ok"
    assert (twice.cause, twice.failed) == ("api.server_error", 2)


def given_up(identity: str, *steps: str) -> Observation:
    return observation(identity, Stopped(reason="no answer in time", seen=steps), layer="api")


CONNECTING = "connection.connect_tcp.started"
SENT = (CONNECTING, "connection.connect_tcp.complete", "http11.send_request_headers.complete")


def test_a_stream_that_was_given_up_before_it_was_sent_has_not_stalled_and_one_that_was_sent_has() -> None:
    alone = [
        replace(own(f"{kind}:apart", None), changed="with nothing else under way") for kind in ("sdk", "sdk.stream")
    ]
    unsent = seen(own("sdk", None), given_up("sdk.stream", CONNECTING), *all_good(range(2, 14)))
    sent = seen(own("sdk", None), given_up("sdk.stream", *SENT), *all_good(range(2, 14)))

    assert diagnose(replace(unsent, observations=(*unsent.observations, *alone))).cause == "ok"
    assert diagnose(unsent).cause == "unknown"
    assert diagnose(sent).cause == "http.stream_stalled"
    assert diagnose(replace(sent, observations=(*sent.observations, *alone))).cause == "http.stream_stalled"


def test_a_request_that_was_given_up_before_it_was_sent_is_no_read_timeout_and_one_that_was_sent_is() -> None:
    assert diagnose(seen(given_up("sdk", CONNECTING), *all_good(range(2, 14)))).cause == "unknown"
    assert diagnose(seen(given_up("sdk", *SENT), *all_good(range(2, 14)))).cause == "http.read_timeout"


def unconnected(number: int, errno_name: str = "ETIMEDOUT") -> tuple[Observation, ...]:
    link = ErrorLink(type="OSError", text=errno_name, errno=110, errno_name=errno_name)
    return (
        replace(resolved(), id=f"dns.system#{number}", attempt=number),
        observation(
            f"tcp:{ADDRESS}#{number}",
            ConnectFailed(address=ADDRESS, port=443, errors=(link,)),
            layer="tcp",
            attempt=number,
        ),
    )


def test_a_fault_that_some_meet_comes_before_a_certificate_that_the_others_meet() -> None:
    """Once alone it may be this machine's load; and a reset or a silence further on may be the same trouble at another step."""
    expired, shaking = (
        next(c.evidence for c in cases() if c.name == n) for n in ("tls_expired", "tls_silence_after_hello")
    )

    def judged(seen: Evidence, *lost: int) -> tuple[str, str | None]:
        more = tuple(o for number in lost for o in unconnected(number))
        verdict = diagnose(replace(seen, observations=(*seen.observations, *more)))
        return verdict.cause, verdict.pattern

    assert judged(expired, 97, 98, 99) == ("tcp.timeout", "intermittent")
    assert judged(expired) == judged(expired, 99) == ("tls.expired", "steady")
    assert judged(shaking, 98, 99)[0] == "tls.timeout"


def test_one_server_of_several_that_refuses_the_key_is_seen_and_one_kind_of_request_that_is_refused_is_no_fault() -> (
    None
):
    refusal = replace(answer(401, "Incorrect API key provided"), address=ADDRESS)
    refusal = replace(refusal, body=replace(refusal.body, error=replace(refusal.body.error, code="invalid_api_key")))
    kinds = [own("sdk", None), own("sdk.stream", refusal)]
    for number in range(2, 6):
        kinds += [own(f"sdk.again:{number}", None), own(f"sdk.stream.again:{number}", refusal)]
    of_a_kind = diagnose(seen(*kinds, *all_good(range(2, 14))))
    kinds[3] = own("sdk.stream.again:2", None)
    of_some = diagnose(seen(*kinds, *all_good(range(2, 14))))

    assert of_a_kind.cause == "ok"
    assert (of_some.cause, of_some.owner, of_some.pattern) == ("api.invalid_key", "auth", "intermittent")
    assert (of_some.failed, of_some.tried) == (4, 23)


def test_a_counter_test_counts_where_one_address_alone_is_dead_and_not_where_attempts_pass_there() -> None:
    """Small segments pass at the address; with some attempts that pass there as well, that may be their turn."""
    narrow = next(c.evidence for c in cases() if c.name == "tcp_path_mtu_towards_the_client")
    dead = next(o.outcome.address for o in narrow.observations if isinstance(o.outcome, TlsFailed))
    other = "162.159.140.246"

    def judged(address: str) -> tuple[str, str | None]:
        passing = [replace(answer(GOOD), method="GET", url=URL, address=address)] * 6
        more = tuple(o for n, one in enumerate(passing, 90) for o in attempt(n, one))
        more = tuple(
            replace(o, outcome=replace(o.outcome, address=address)) if o.id.startswith("tcp:") else o for o in more
        )
        kept = tuple(o for o in narrow.observations if getattr(o.outcome, "address", dead) == dead)
        failing = tuple(
            replace(o, id=f"{o.id.partition('#')[0]}#{n}", attempt=n)
            for n in range(60, 66)
            for o in kept
            if o.attempt == 1 and o.changed is None and o.id in ("dns.system", f"tcp:{dead}", f"tls:{dead}")
        )
        verdict = diagnose(replace(narrow, observations=(*(o for o in kept if o.attempt == 1), *failing, *more)))
        return verdict.cause, verdict.pattern

    assert judged(other) == ("tcp.path_mtu", "intermittent")
    assert judged(dead) == ("tls.timeout", "intermittent")


def test_a_control_test_that_fails_once_of_several_shows_the_same_and_one_that_never_does_clears_the_own_path() -> None:
    case = next(c.evidence for c in cases() if c.name == "azure_timeout_now_and_then")
    walked = tuple(o for o in case.observations if o.id.startswith("control.") and o.attempt == 1)
    reached = next(o for o in walked if o.id.startswith("control.tcp:") and isinstance(o.outcome, Connected))
    link = ErrorLink(type="TimeoutError", text="timed out", errno=110, errno_name="ETIMEDOUT")

    def controls(*failing: int) -> Verdict:
        made = [o for o in case.observations if not (o.id.startswith("control.") and o.attempt > 1)]
        for number in range(2, 8):
            own = [
                replace(o, id=f"{o.id}#{number}", attempt=number)
                for o in sorted(walked, key=lambda o: o.id == "control.http")
            ]
            if number in failing:
                lost = ConnectFailed(address=reached.outcome.address, port=443, errors=(link,))
                own = [replace(reached, id=f"{reached.id}#{number}", attempt=number, outcome=lost)]
            made += own
        return diagnose(replace(case, observations=tuple(made)))

    assert (controls().cause, controls().owner) == ("tcp.timeout", "route_provider")
    assert "6 more times" in " ".join(reason.fact for reason in controls().because)
    assert (controls(7).cause, controls(7).owner) == ("tcp.timeout", "connection_path")


def test_the_first_of_two_faults_is_the_verdict_unless_nothing_gets_further_from_some_moment_on() -> None:
    blocked = replace(
        page(403), body=Body(shape="html", size_bytes=9, title="Web Filter Violation", sample="FortiGuard")
    )
    walked = (*(o for o in walk() if o.id != "http"), observation("http", blocked))
    turns = [o for n in range(2, 14) for o in (unconnected(n, "ECONNREFUSED") if n % 3 == 0 else attempt(n, blocked))]
    banned = [o for n in range(2, 14) for o in (unconnected(n, "ECONNREFUSED") if n > 8 else attempt(n, blocked))]

    first = diagnose(evidence(*walked, *turns))
    assert (first.cause, first.pattern) == ("tcp.refused", "intermittent")
    assert diagnose(evidence(*walked, *banned)).cause == "http.blocked_page"


def test_a_reset_of_the_own_request_is_an_orderly_end_where_attempts_saw_one_on_the_socket_and_a_reset_where_they_saw_that() -> (
    None
):
    bad = sdk_failed(answer=None).outcome
    assert isinstance(bad, SdkFailed)
    closed = (ErrorLink(type="httpx2.RemoteProtocolError", text="Server disconnected without sending a response."),)
    sent = TraceEvent(name="http11.send_request_headers.started", seconds=0.1)
    failed = replace(bad, errors=closed, ended="reset", trace=(sent,))
    ours = observation("sdk", failed, layer="api")
    cut = replace(
        CLOSED, ended="reset", errors=(ErrorLink(type="ConnectionResetError", text="", errno_name="ECONNRESET"),)
    )

    def judged(end: HttpFailed) -> str:
        posts = [o for n in range(14, 20) for o in attempt(n, end, "POST")]
        return diagnose(seen(ours, *all_good(range(2, 14)), *posts)).cause

    assert judged(CLOSED) == "http.disconnected"
    assert judged(cut) == "http.reset"


@pytest.mark.parametrize(
    ("ended", "cause"), [("eof", "http.truncated"), ("silence", "http.stream_stalled")], ids=["cut", "stopped"]
)
def test_some_streams_of_attempts_that_break_are_seen_and_all_of_them_say_nothing(ended: Ending, cause: str) -> None:
    link = ErrorLink(type="http.client.IncompleteRead" if ended == "eof" else "TimeoutError", text="")
    broken = replace(CLOSED, phase="body", ended=ended, status=200, errors=(link,), stream=True)
    good = (own("sdk", None), own("sdk.stream", None), *all_good(range(2, 14)))
    passed = replace(answer(GOOD), address=ADDRESS, stream=True)
    all_bad = [o for n in range(14, 20) for o in attempt(n, broken, "POST")]
    some_bad = [o for n in range(14, 20) for o in attempt(n, broken if n % 3 == 0 else passed, "POST")]

    found = diagnose(seen(*good, *some_bad))
    assert (found.cause, found.pattern) == (cause, "intermittent")
    assert diagnose(seen(*good, *all_bad)).cause == "ok"


def test_one_address_of_several_is_narrow_where_small_segments_pass_there_and_silent_where_nobody_tried() -> None:
    of_one = recorded("tcp_path_mtu_of_one_address_of_a_name_that_rotates")
    # Not one segment of these arrives, so that no gap tells either.
    silent = tuple(
        replace(o, outcome=replace(o.outcome, gap=None)) if isinstance(o.outcome, TlsFailed) else o
        for o in of_one.observations
    )
    # The record of a case holds few attempts; by twice as many chance is a poor explanation of where they fail.
    more = tuple(replace(o, id=f"{o.id}0", attempt=10 * o.attempt) for o in silent if o.attempt > 1 and not o.changed)
    narrow = replace(of_one, observations=(*silent, *more))

    assert (diagnose(narrow).cause, diagnose(narrow).certainty) == ("tcp.path_mtu", "proven")
    assert diagnose(without(narrow, "tls.small_segments")).cause == "tls.timeout"


def test_a_hello_is_not_why_connections_are_cut_on_which_nothing_is_sent_and_may_be_where_they_end_later() -> None:
    cut = recorded("tcp_closed_by_a_balancer_with_one_of_three_backends_dead")
    late = tuple(replace(o, seconds=0.9) if o.id.startswith("tcp.several") else o for o in cut.observations)

    assert diagnose(cut).cause == "tcp.reset"
    assert diagnose(replace(cut, observations=late)).cause == "tls.reset"
    assert diagnose(without(cut, "tcp.several_untouched")).cause == "tls.reset"


def recorded(name: str) -> Evidence:
    return next(case.evidence for case in cases() if case.name == name)


def without(evidence: Evidence, identity: str) -> Evidence:
    return replace(evidence, observations=tuple(o for o in evidence.observations if not o.id.startswith(identity)))


def test_a_limit_lets_some_of_one_moment_through_and_what_ends_all_of_them_comes_and_goes_by_the_clock() -> None:
    def made(kind: str, numbers: range, *, fail: bool) -> list[Observation]:
        each = (
            unconnected(n, "ECONNREFUSED") if fail else attempt(n, replace(answer(GOOD), address=ADDRESS))
            for n in numbers
        )
        return [replace(o, id=f"{kind}{o.id}", changed="apart") for one in each for o in one]

    good = (own("sdk", None), own("sdk.stream", None), *all_good(range(2, 12)))
    some = [o for n in range(12, 22) for o in unconnected(n, "ECONNREFUSED")]
    single = made("alone.", range(30, 46), fail=False)
    refused = made("several.", range(50, 58), fail=True)
    through = made("several.", range(58, 62), fail=False)

    assert diagnose(seen(*good, *some, *single, *refused, *through)).cause == "ok"
    assert diagnose(seen(*good, *some, *single, *refused)).pattern == "intermittent"
