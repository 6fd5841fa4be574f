"""Judging: `diagnose(evidence) -> Verdict`, a pure function. No clock, no network, no environment."""

from __future__ import annotations

import dataclasses

from oairunbook.diagnose import (
    apart,
    api,
    browser,
    certificates,
    client,
    dns,
    http,
    node,
    pasted,
    pattern,
    proxy,
    raised,
    tcp,
    tls,
)
from oairunbook.diagnose.catalogue import LAYERS, NO_KEY_ADVICE, Cause, Finding, do_nots, owner_of, steps
from oairunbook.diagnose.chain import failed_step
from oairunbook.diagnose.control import Compared, compare
from oairunbook.diagnose.parts import (
    attempts,
    in_its_first_place,
    with_unsent_made_again,
    without_isolating_tests,
    without_own,
)
from oairunbook.diagnose.pattern import attempted
from oairunbook.diagnose.reading import cite, is_api_answer, repeat_that_broke_off, request_succeeded, stream_failed
from oairunbook.evidence import Evidence, HttpAnswer, NotTried, SdkAnswered, Stopped, quoted_id
from oairunbook.verdict import Also, Because, Owner, Verdict

__all__ = ["CATALOGUE", "diagnose", "tally"]

OK = Cause(
    id="ok",
    owner="none",
    meaning="One minimal request on this path succeeded.",
    next=("Open the real workload again.", "Keep this record as the proof of health."),
    do_not=("Do not take it for more than this runtime, this request and this moment.",),
)

UNKNOWN = Cause(
    id="unknown",
    owner="unknown",
    meaning="The evidence does not decide.",
    next=("Fetch what is missing from the runtime that failed, then judge again.",),
    do_not=(NO_KEY_ADVICE,),
)

CATALOGUE: tuple[Cause, ...] = (
    *client.CAUSES,
    *dns.CAUSES,
    *tcp.CAUSES,
    *proxy.CAUSES,
    *tls.CAUSES,
    *http.CAUSES,
    *api.CAUSES,
    *browser.CAUSES,
    OK,
    UNKNOWN,
)
"""Every cause; within a layer the specific ones come before the general ones."""


_BY_ID = {cause.id: cause for cause in CATALOGUE}


def diagnose(evidence: Evidence) -> Verdict:
    """Judge: the first layer at which the evidence changes names the cause.

    What was pasted is judged by its own rules; together with a check it gives one verdict.
    """
    probed, text = pasted.split(evidence)
    if text is None:
        return _as_far_as_it_goes(evidence, _of_what_was_seen(evidence))
    said = pasted.judge(text, _BY_ID)
    return said if probed is None else _as_far_as_it_goes(evidence, pasted.combine(_of_what_was_seen(probed), said))


def _of_what_was_seen(evidence: Evidence) -> Verdict:
    """Judge what probes saw, what an application's own call showed when it failed, or both."""
    own, tested = raised.split(evidence)
    if own is None:
        return _of_probes(evidence)
    said = raised.alone(own, _of_probes(own))
    if tested is None:
        return said
    counted = tally(tested)
    return raised.together(said, _of_probes(tested), counted.path_tried - counted.path_failed + counted.own_tried)


def _as_far_as_it_goes(evidence: Evidence, verdict: Verdict) -> Verdict:
    """What a test does not show is missing in every verdict: one that did not come to its end, and one by Node.js."""
    if unseen := node.missing(evidence, verdict):
        verdict = dataclasses.replace(verdict, missing=(*unseen, *verdict.missing))
    if evidence.cut_short is None:
        return verdict
    rest = f"the rest of the test, which was cut short after {evidence.seconds:.1f} s: {evidence.cut_short}"
    return dataclasses.replace(verdict, missing=(rest, *verdict.missing))


def _of_probes(evidence: Evidence) -> Verdict:
    """Judge what probes saw.

    A path on which the application's own minimal request succeeded is healthy, whatever else was odd beside it, unless attempts of the
    same path failed, or a counter-test showed what a tiny request does not meet.
    """
    evidence = with_unsent_made_again(evidence)
    without_ours = apart.alone(evidence, find) or apart.guarded(evidence, find)
    if without_ours is not None:
        verdict = _of_probes(without_ours.evidence)
        because = tuple(without_ours.cited(reason) for reason in verdict.because)
        return dataclasses.replace(verdict, because=because, also=(without_ours.also, *verdict.also))
    tries = _compared_with_others(evidence, attempted(evidence, find))
    first = pattern.before_a_steady_one(tries)
    if first is not None:
        # The SDK's own requests, which all failed, met either.
        counted = pattern.count(without_own(evidence), first, None)
        return _fault(evidence, first.most_common(), find(evidence), counted)
    if request_succeeded(evidence) is not None and stream_failed(evidence) is None:
        return _where_requests_passed(evidence, tries)
    return _where_they_failed(evidence, tries)


def _findings(evidence: Evidence, tries: pattern.Attempted) -> list[tuple[Cause, Finding]]:
    """As `find`; where attempts differ, without what counter-tests prove by passing."""
    if tries.comes_and_goes:
        return find(without_isolating_tests(evidence, dead_address=tries.dead_address))
    return find(evidence)


def _where_requests_passed(evidence: Evidence, tries: pattern.Attempted) -> Verdict:
    """The application's own requests passed: what is left is a fault that they do not meet, or that comes and goes."""
    findings = _findings(evidence, tries)
    beside = next((item for item in findings if item[1].beside_success), None)
    if beside is not None:
        return _fault(evidence, beside, findings, pattern.steady(evidence))
    if tries.comes_and_goes:
        chosen = _perhaps_by_our_own_doing(evidence, tries)
        return _fault(evidence, chosen, findings, pattern.count(evidence, tries, None))
    repeat = repeat_that_broke_off(evidence)
    broken = find(in_its_first_place(evidence, repeat)) if repeat is not None else []
    if broken:
        return _fault(evidence, broken[0], broken, pattern.count(evidence, tries, broken[0][0]))
    refused = _refused_now_and_then(evidence)
    if refused is not None:
        return _fault(evidence, refused, findings, pattern.count(evidence, tries, refused[0]))
    return _healthy(evidence, findings)


def _where_they_failed(evidence: Evidence, tries: pattern.Attempted) -> Verdict:
    findings = _findings(evidence, tries)
    chosen = _chosen(evidence, tries, findings[0] if findings else None)
    if chosen is None:
        return _undecided(evidence)
    return _fault(evidence, chosen, findings, pattern.count(evidence, tries, chosen[0]))


def _chosen(
    evidence: Evidence, tries: pattern.Attempted, first: tuple[Cause, Finding] | None
) -> tuple[Cause, Finding] | None:
    """What decides: the first finding, what most attempts showed, or the SDK's own account. None if nothing does."""
    if not tries.comes_and_goes:
        return first or _by_the_sdk(evidence)
    common = tries.most_common()
    if first is None or _says_nothing_of_the_path(first[0], evidence):
        return common
    if _comes_before(common[0], first[0]):
        # What only some requests meet on the way comes before what the API says to the others.
        return common
    if first[0].layer == common[0].layer == "http":
        # One broken backend ends requests in several ways; the attempts show which is the rule.
        return common
    return first


def find(evidence: Evidence) -> list[tuple[Cause, Finding]]:
    """Every cause whose rule applies, the deciding one first."""
    findings = [(cause, finding) for cause in CATALOGUE if cause.applies and (finding := cause.applies(evidence))]
    # A missing key or SDK never hides a fault of the path: the path was tested without one.
    findings.sort(
        key=lambda item: (
            not item[1].explains_all,
            item[1].gives_way or item[0].id == "client.api_key_missing",
            LAYERS.index(item[0].layer or "api"),
        )
    )
    return findings


def tally(evidence: Evidence) -> pattern.Tally:
    """How often the path and the SDK's own request were tried, and how often they failed before the API."""
    return pattern.tally(evidence, find)


def _compared_with_others(evidence: Evidence, tries: pattern.Attempted) -> pattern.Attempted:
    """One attempt shows a chain that does not verify, or silence; beside those that pass, or what a counter-test changed there, it may show why."""
    known = (
        (
            ("tls.untrusted_issuer", "tls.incomplete_chain"),
            "tls.incomplete_chain",
            certificates.left_out_by_some(evidence),
        ),
        (("tls.timeout",), "tcp.path_mtu", tcp.narrow_at(evidence, tries.dead_address)),
        (("tls.reset",), "tcp.reset", tcp.cut_untouched(evidence)),
    )
    for seen, identity, finding in known:
        if finding is not None:
            better = (_BY_ID[identity], finding)
            failed = tuple(better if item[0].id in seen else item for item in tries.failed)
            tries = dataclasses.replace(tries, failed=failed)
    return tries


def _perhaps_by_our_own_doing(evidence: Evidence, tries: pattern.Attempted) -> tuple[Cause, Finding]:
    """What most attempts show, where none of the application's own requests failed: some of it may be what only this test meets.

    That some are answered 503 may be a limit of requests; that all fail from some moment on, a guard that counts requests without a valid key.
    """
    cause, finding = tries.most_common()
    failed = {a.status for one in attempts(evidence) for _, a in one.of(HttpAnswer, "http") if a.status >= 500}
    if failed == {503} and all(other.id == "http.gateway_error" for other, _ in tries.failed):
        why = "a limit of requests a second, which this test meets and the application may not, would look the same"
        return cause, dataclasses.replace(finding, certainty="likely", also=(*finding.also, (_LIMITED, why)))
    if apart.from_some_moment_on(evidence):
        why = (
            "all attempts failed from some moment on, and none of the application's own requests did: a guard that counts requests without a "
            "valid key, which this test makes and the application does not, would look the same"
        )
        return cause, dataclasses.replace(finding, certainty="likely", also=(*finding.also, ("http.blocked_page", why)))
    return cause, finding


def _refused_now_and_then(evidence: Evidence) -> tuple[Cause, Finding] | None:
    """Of the application's own requests, made more than once, some were told to slow down, or refused by a server that does not know what others know."""
    own = pattern.own_requests(evidence)
    for observation in own.failed if own.again and not own.alike else ():
        answer = getattr(observation.outcome, "answer", None)
        if answer is None or not is_api_answer(evidence, answer):
            continue
        told = api.decide(evidence, answer)
        if told is not None:
            fact = f"{observation.target}: {api.fact(answer)}"
            return _BY_ID[told], Finding(because=(cite(observation, fact),), certainty="proven")
    return None


_LIMITED = "api.rate_limited"


def _by_the_sdk(evidence: Evidence) -> tuple[Cause, Finding] | None:
    """No probe saw a fault, and the SDK's own request failed: its own account is what is left."""
    step = failed_step(evidence)
    return (_BY_ID[step[0]], Finding(because=(step[1],), certainty="likely")) if step else None


def _comes_before(cause: Cause, other: Cause) -> bool:
    """Whether a cause is of the path, and the other one is the API's own answer."""
    return other.layer == "api" and cause.layer != "api" and cause.owner is None


def _says_nothing_of_the_path(cause: Cause, evidence: Evidence) -> bool:
    """Without a key of the application's own, the API's refusal is what any path ends in."""
    return not evidence.route.credential.present and (cause.layer == "api" or cause.id == "client.api_key_missing")


def _fault(
    evidence: Evidence,
    chosen: tuple[Cause, Finding],
    findings: list[tuple[Cause, Finding]],
    counted: pattern.Counted,
) -> Verdict:
    cause, finding = chosen
    compared = compare(evidence, cause, find)
    beside = [Also(cause=other.id, why=found.because[0].fact) for other, found in findings if other.id != cause.id]
    beside += [Also(cause=identity, why=why) for identity, why in (*finding.also, *counted.others)]
    # Where the cause alone decides the owner, the control is no reason for it.
    because = (*finding.because, *counted.because, *(compared.because if cause.owner is None else ()))
    # Routers also say that a network is unreachable; where the control is answered it was one of those.
    local = finding.local_on_every_route and not compared.answered
    owner = owner_of(
        cause,
        evidence.route.family,
        control_shows_the_same=True if local else compared.shows_the_same,
    )
    stood_still = _stood_still(evidence, cause, finding)
    return Verdict(
        owner=owner,
        layer=cause.layer,
        cause=cause.id,
        certainty="likely" if stood_still else finding.certainty,
        pattern=counted.pattern,
        failed=counted.failed,
        tried=counted.tried,
        # The fact may begin with a host name, so it is never capitalised.
        summary=" ".join(part for part in (cause.meaning, counted.words, f"Seen: {finding.because[0].fact}") if part),
        because=because,
        next=(*_first_ask(owner, cause, evidence, compared), *finding.next, *steps(cause, evidence)),
        do_not=do_nots(cause),
        also=tuple(dict.fromkeys(beside)),
        missing=(*stood_still, *(compared.missing if owner == "route_provider" and cause.owner is None else ())),
    )


def _stood_still(evidence: Evidence, cause: Cause, finding: Finding) -> tuple[str, ...]:
    """What is missing where the reason is that nothing came in time, and this process did not run for part of that time."""
    paused = evidence.paused_seconds or 0.0
    cited = {because.observation for because in finding.because}
    waited = [o for o in evidence.observations if o.id in cited and _waited_in_vain(o.outcome)]
    if paused < _PAUSED_SECONDS or not (waited or cause.id in _OF_TIME):
        return ()
    return (f"the same test while this machine is not so busy: for {paused:.1f} s this process was not run",)


_PAUSED_SECONDS = 1.0
_OF_TIME = (
    *("dns.timeout", "tcp.timeout", "tcp.path_mtu", "tls.timeout"),
    *("http.read_timeout", "http.stream_stalled"),
)


def _waited_in_vain(outcome: object) -> bool:
    """Whether a step ended because its time was over."""
    timed_out = any(link.errno_name == "ETIMEDOUT" for link in getattr(outcome, "errors", ()))
    return timed_out or getattr(outcome, "ended", None) == "silence" or isinstance(outcome, Stopped)


def _first_ask(owner: Owner, cause: Cause, evidence: Evidence, compared: Compared) -> tuple[str, ...]:
    """Whom to ask first where only the owner rule gives a fault of the path to the route's provider: the cause's own steps speak of this network."""
    if owner != "route_provider" or cause.owner is not None or cause.id == "http.not_an_api":
        return ()
    whom = "whoever runs the Azure resource" if evidence.route.family == "azure" else "whoever runs the gateway"
    shown = "is answered" if compared.answered else "has not failed alike"
    return (f"Ask {whom} first: the direct route from this runtime {shown}. The steps below hold on either side.",)


def _healthy(evidence: Evidence, findings: list[tuple[Cause, Finding]]) -> Verdict:
    because: list[Because] = []
    for observation, answered in evidence.of(SdkAnswered):
        identity = quoted_id(answered.headers) or answered.request_id
        request_id = f", request id {identity}" if identity else ""
        kind = "streamed" if answered.stream else "whole"
        because.append(cite(observation, f"{answered.method} {answered.path} ({kind}): {answered.status}{request_id}"))
    return Verdict(
        owner="none",
        layer=None,
        cause="ok",
        certainty="proven",
        pattern="steady" if any(o.attempt > 1 for o in evidence.observations) else None,
        summary=OK.meaning,
        because=tuple(because),
        next=OK.next,
        do_not=OK.do_not,
        also=tuple(Also(cause=cause.id, why=finding.because[0].fact) for cause, finding in findings),
        missing=tuple(_untried(evidence)),
    )


def _undecided(evidence: Evidence) -> Verdict:
    """No rule decides. Where nothing at all came back, the connection path still owns it (seed: response evidence first)."""
    pasted = [o for o in evidence.observations if o.probe == "pasted"]
    no_answer = bool(pasted) and all(o.outcome.kind == "pasted_error" for o in pasted)
    owner: Owner = "unknown"
    if no_answer:
        owner = "connection_path" if evidence.route.family == "direct" else "route_provider"
    looked = [
        o
        for o in evidence.observations
        if o.outcome.kind != "not_tried" and o.probe not in _BESIDE and o.attempt == 1 and o.changed is None
    ]
    facts = tuple(cite(o, _seen(o.outcome)) for o in looked if o.outcome.kind not in _WORKED)
    if looked and not facts:
        facts = (cite(looked[-1], "nothing failed up to here, where the record ends"),)
    return Verdict(
        owner=owner,
        layer=None,
        cause="unknown",
        certainty=None,
        pattern=None,
        summary=UNKNOWN.meaning,
        because=facts[:12],
        next=UNKNOWN.next,
        do_not=UNKNOWN.do_not,
        missing=(*client.token_not_given(evidence), *_untried(evidence))
        or ("a same-path test from the runtime that failed: oairunbook check",),
    )


_WORKED = ("local_resources", "client_built", "status_page", "resolved", "connected", "tls_handshake")
"""Outcomes of steps that worked: no reason for anything where no rule decides."""


def _seen(outcome: object) -> str:
    errors = getattr(outcome, "errors", ())
    kind = str(getattr(outcome, "kind", "")).replace("_", " ")
    if errors:
        return f"{kind}: {errors[-1].type}: {errors[-1].text}"
    status = getattr(outcome, "status", None)
    return f"{kind}: status {status}" if status else kind


_BESIDE = ("status",)
"""Probes that are not on the path: what they see is no reason for anything."""


def _untried(evidence: Evidence) -> list[str]:
    found = []
    for observation, skipped in evidence.of(NotTried):
        if observation.id == "dns.system":
            # The host is an address: there is nothing to resolve, so nothing is missing.
            continue
        found.append(f"{observation.target}: not tried, {skipped.reason}")
    for observation, given_up in evidence.of(Stopped):
        found.append(f"{observation.target}: stopped, {given_up.reason}")
    return found
