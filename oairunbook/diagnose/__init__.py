"""Judging: `diagnose(evidence) -> Verdict`, a pure function. No clock, no network, no environment."""

from __future__ import annotations

from oairunbook.diagnose import api, browser, client, dns, http, proxy, tcp, tls
from oairunbook.diagnose.catalogue import LAYERS, NO_KEY_ADVICE, Cause, Finding, owner_of
from oairunbook.diagnose.reading import cite, request_succeeded, stream_failed
from oairunbook.evidence import Evidence, NotTried, SdkAnswered, Stopped
from oairunbook.verdict import Also, Because, Owner, Verdict

__all__ = ["CATALOGUE", "diagnose"]

OK = Cause(
    id="ok",
    owner="none",
    meaning="One minimal request on this path succeeded.",
    next=("Open the real workload again.", "Keep this record as the proof of health."),
)

UNKNOWN = Cause(
    id="unknown",
    owner="unknown",
    meaning="The evidence does not decide.",
    next=("Fetch what is missing from the runtime that failed, then judge again.",),
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


def diagnose(evidence: Evidence) -> Verdict:
    """Judge: the first layer at which the evidence changes names the cause.

    A path on which the application's own minimal request succeeded is healthy, whatever else was odd beside it.
    """
    findings = [(cause, finding) for cause in CATALOGUE if cause.applies and (finding := cause.applies(evidence))]
    if request_succeeded(evidence) is not None and stream_failed(evidence) is None:
        return _healthy(evidence, findings)
    if not findings:
        return _undecided(evidence)
    # A missing key never hides a fault of the path: the path was tested without one.
    findings.sort(key=lambda item: (item[0].id == "client.api_key_missing", LAYERS.index(item[0].layer or "api")))
    cause, finding = findings[0]
    beside = [Also(cause=other.id, why=found.because[0].fact) for other, found in findings[1:]]
    beside += [Also(cause=identity, why=why) for identity, why in finding.also]
    return Verdict(
        owner=owner_of(cause, evidence, control_shows_the_same=None),
        layer=cause.layer,
        cause=cause.id,
        certainty=finding.certainty,
        pattern=None,
        summary=f"{cause.meaning} {finding.because[0].fact}",
        because=finding.because,
        next=(*finding.next, *cause.next),
        do_not=(*cause.do_not, *_general_do_nots(cause)),
        also=tuple(beside),
        missing=tuple(_missing_control(evidence, cause)),
    )


def _healthy(evidence: Evidence, findings: list[tuple[Cause, Finding]]) -> Verdict:
    because: list[Because] = []
    for observation, answered in evidence.of(SdkAnswered):
        request_id = f", request id {answered.request_id}" if answered.request_id else ""
        kind = "streamed" if answered.stream else "whole"
        because.append(cite(observation, f"{answered.method} {answered.path} ({kind}): {answered.status}{request_id}"))
    return Verdict(
        owner="none",
        layer=None,
        cause="ok",
        certainty="proven",
        pattern="steady",
        summary=OK.meaning,
        because=tuple(because),
        next=OK.next,
        do_not=(),
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
    facts = tuple(
        cite(o, _seen(o.outcome))
        for o in evidence.observations
        if o.outcome.kind not in ("not_tried", "local_resources")
    )
    return Verdict(
        owner=owner,
        layer=None,
        cause="unknown",
        certainty=None,
        pattern=None,
        summary=UNKNOWN.meaning,
        because=facts[:12],
        next=UNKNOWN.next,
        do_not=(NO_KEY_ADVICE,),
        missing=tuple(_untried(evidence)) or ("a same-path test from the runtime that failed: oairunbook check",),
    )


def _seen(outcome: object) -> str:
    errors = getattr(outcome, "errors", ())
    kind = str(getattr(outcome, "kind", "")).replace("_", " ")
    return f"{kind}: {errors[-1].type}: {errors[-1].text}" if errors else kind


def _untried(evidence: Evidence) -> list[str]:
    found = []
    for observation, skipped in evidence.of(NotTried):
        found.append(f"{observation.target}: not tried, {skipped.reason}")
    for observation, given_up in evidence.of(Stopped):
        found.append(f"{observation.target}: stopped, {given_up.reason}")
    return found


def _missing_control(evidence: Evidence, cause: Cause) -> list[str]:
    if (
        evidence.route.family == "direct"
        or cause.owner is not None
        or cause.local_on_every_route
        or cause.layer in ("client", "proxy")
    ):
        return []
    return [
        "a control test of the direct route from this runtime: until it shows the same symptom, the route's provider owns this"
    ]


def _general_do_nots(cause: Cause) -> tuple[str, ...]:
    before_api = cause.layer is not None and LAYERS.index(cause.layer) < LAYERS.index("api")
    return (NO_KEY_ADVICE,) if before_api else ()
