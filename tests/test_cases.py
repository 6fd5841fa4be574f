"""The rules on recorded evidence: each case gives its answer, and what only looks like a cause does not give it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oairunbook.diagnose import CATALOGUE, diagnose
from oairunbook.evidence import DnsNoAnswer, NameServer, Observation, TlsHandshake, to_document
from oairunbook.record.picture import path
from oairunbook.verdict import Verdict
from tests.cases import Case, NearMiss, cases, near_misses, small
from tests.corpus import cases as texts

CASES = {case.name: case for case in cases()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_recorded_case_gives_its_answer_and_cites_what_was_seen(case: Case) -> None:
    verdict = diagnose(case.evidence)

    assert (verdict.cause, verdict.owner) == (case.cause, case.owner)
    assert (verdict.pattern == "intermittent") == case.intermittent
    seen = {observation.id for observation in case.evidence.observations} | {"route", "attempts", "tls"}
    assert {reason.observation for reason in verdict.because} <= seen


@pytest.mark.parametrize("near", near_misses(), ids=lambda near: near.cause)
def test_a_near_miss_is_not_taken_for_the_cause(near: NearMiss) -> None:
    verdict = diagnose(CASES[near.case].evidence)

    assert verdict.cause == CASES[near.case].cause
    assert verdict.cause != near.cause


def test_every_cause_has_a_case_and_a_near_miss() -> None:
    """A recorded case, or where only an application's own use or a browser leads there, a text of the corpus; the others are named."""
    triggered = {case.cause for case in CASES.values()} | {text.cause for text in texts()} | ONLY_RAISED
    missed = {near.cause for near in near_misses()}
    ids = {cause.id for cause in CATALOGUE}

    assert not ids - triggered
    assert not ids - missed - FROM_TEXT_ALONE
    assert not missed - ids


ONLY_RAISED = {"client.pool_timeout", "client.client_closed"}
"""Nobody has posted one that we found; tests/test_triage.py makes the exceptions with the SDK itself."""

FROM_TEXT_ALONE = {
    "client.pool_timeout",
    "client.event_loop_closed",
    "client.client_closed",
    "browser.cors_blocked",
    "browser.key_exposed",
    "browser.mixed_content",
    "browser.blocked_by_client",
    "unknown",
}
"""Probes do not show these; the corpus holds texts of them, and of their neighbours."""


def test_a_name_that_does_not_exist_is_named_and_only_azure_is_told_of_azure() -> None:
    seen = CASES["dns_nxdomain"].evidence
    there = replace(seen, route=replace(seen.route, family="azure"))
    verdict, on_azure = diagnose(seen), diagnose(there)

    assert seen.route.host in verdict.summary
    for_azure = "On Azure check that the resource exists, and its private DNS zone."
    assert (for_azure in on_azure.next, for_azure in verdict.next) == (True, False)
    assert "DNS: failed, the evidence changes here." in path(seen, verdict).text


def test_the_next_step_asks_the_owner_first_where_a_fault_of_the_path_is_the_providers_by_rule() -> None:
    """The cause's own steps speak of the network of this runtime, which the control test has cleared."""
    by_rule = [
        verdict
        for case in CASES.values()
        if (verdict := diagnose(case.evidence)).owner == "route_provider" and verdict.layer in ("dns", "tcp", "tls")
    ]
    assert by_rule
    assert all(verdict.next[0].startswith("Ask whoever runs the ") for verdict in by_rule)
    assert not [
        v
        for case in CASES.values()
        if (v := diagnose(case.evidence)).owner == "connection_path" and "whoever runs the" in v.next[0]
    ]


def test_what_name_servers_say_more_than_once_comes_before_handshakes_that_fail_more_often() -> None:
    names, hellos = (CASES[name].evidence for name in ("dns_nxdomain_every_third_time", "tls_hello_reset_now_and_then"))
    denied = next(o.attempt for o in names.observations if o.outcome.kind == "resolve_failed" and o.attempt > 1)

    def beside(number: int) -> Verdict:
        more = [
            replace(o, attempt=at, id=o.id.replace(f"#{denied}", f"#{at}"))
            for at in range(101, 101 + number)
            for o in names.observations
            if o.attempt == denied
        ]
        return diagnose(replace(hellos, observations=(*hellos.observations, *more)))

    once, twice = beside(1), beside(2)
    assert (once.cause, twice.cause, twice.pattern) == ("tls.reset", "dns.nxdomain", "intermittent")
    assert "dns.nxdomain" in [other.cause for other in once.also]
    assert "tls.reset" in [other.cause for other in twice.also]


def test_a_chain_is_incomplete_now_and_then_where_the_same_certificate_verifies_with_more_and_not_where_another_one_does() -> (
    None
):
    seen = CASES["tls_incomplete_chain_of_every_other_connection"].evidence

    def another(o: Observation) -> Observation:
        if not isinstance(o.outcome, TlsHandshake) or not o.outcome.chain:
            return o
        leaf, *rest = o.outcome.chain
        return replace(o, outcome=replace(o.outcome, chain=(replace(leaf, sha256="0" * 64), *rest)))

    assert diagnose(seen).certainty == "proven"
    verdict = diagnose(replace(seen, observations=tuple(another(o) for o in seen.observations)))
    assert (verdict.layer, verdict.pattern, verdict.certainty) == ("tls", "intermittent", "likely")


def test_a_guard_against_requests_without_a_key_is_no_fault_of_the_path_and_what_comes_and_goes_is_no_guard() -> None:
    """All attempts fail from some moment on, and the application's own requests pass meanwhile."""
    seen = CASES["tls_hello_reset_now_and_then"].evidence
    walk = [o for o in seen.observations if o.attempt == 1]
    passing, failing = 4, 2

    def made(number: int, like: int, when: float, kind: str = "") -> list[Observation]:
        return [
            replace(
                o,
                attempt=number,
                id=kind + o.id.replace(f"#{like}", f"#{number}"),
                started_seconds=when,
                changed=kind or None,
            )
            for o in seen.observations
            if o.attempt == like
        ]

    passed = [o for number in range(101, 105) for o in made(number, passing, number / 100)]
    failed = [o for number in range(111, 115) for o in made(number, failing, number / 100)]
    alone = [made(120, failing, 1.2, "alone."), made(121, failing, 1.4, "alone.")]
    own = [
        replace(o, id=f"{o.id}:apart", started_seconds=1.3, changed="with nothing else under way")
        for o in walk
        if o.id in ("sdk", "sdk.stream")
    ]

    def judged(*parts: list[Observation]) -> Verdict:
        return diagnose(replace(seen, observations=(*walk, *(o for part in parts for o in part))))

    guard = judged(passed, failed, *alone, own)
    assert (guard.cause, [other.cause for other in guard.also]) == ("ok", ["tls.reset"])

    unknown = judged(passed, failed, alone[0])
    assert (unknown.cause, unknown.certainty, unknown.pattern) == ("tls.reset", "likely", "intermittent")
    later = [replace(o, started_seconds=1.19) for o in passed]
    mixed = judged(later, failed, *alone, own)
    # Likely at most: of several servers behind one name one may speak another protocol.
    assert (mixed.cause, mixed.certainty, mixed.pattern) == ("tls.reset", "likely", "intermittent")


def test_a_resolver_whose_routers_icmp_errors_come_now_and_then_is_likely_unreachable_and_its_silence_proves_nothing() -> (
    None
):
    """Routers send few ICMP errors a second: the questions that get none look as if nobody had answered."""
    told = CASES["dns_resolver_on_unreachable_network"].evidence
    silence = CASES["dns_timeout_packets_dropped"].evidence

    def as_silent(o: Observation) -> Observation:
        if not isinstance(o.outcome, DnsNoAnswer) or o.attempt != 1:
            return o
        return replace(o, outcome=replace(o.outcome, ended="silence"))

    some = diagnose(replace(told, observations=tuple(as_silent(o) for o in told.observations)))
    assert (some.cause, some.certainty) == ("dns.resolver_unreachable", "likely")
    assert "dns.timeout" in [beside.cause for beside in some.also]
    assert (diagnose(told).certainty, diagnose(silence).certainty) == ("proven", "proven")

    other = [
        replace(o, outcome=replace(o.outcome, server=NameServer(address="192.0.2.54")), id="dns.server:192.0.2.54")
        for o in told.observations
        if isinstance(o.outcome, DnsNoAnswer) and o.outcome.ended == "unreachable" and o.attempt == 1
    ]
    of_two = diagnose(replace(silence, observations=(*silence.observations, *other)))
    assert (of_two.cause, of_two.certainty) == ("dns.timeout", "likely")


def test_a_check_that_was_cut_short_gives_no_step_that_worked_as_a_reason() -> None:
    whole = CASES["dns_nxdomain_every_third_time"].evidence
    worked = tuple(o for o in whole.observations if o.outcome.kind in ("local_resources", "client_built", "resolved"))
    cut = diagnose(replace(whole, observations=worked))

    assert cut.cause == "unknown"
    assert [reason.fact for reason in cut.because] == ["nothing failed up to here, where the record ends"]


def test_a_case_is_as_small_as_it_gets() -> None:
    for case in CASES.values():
        document = to_document(case.evidence)
        assert small(document) == document
