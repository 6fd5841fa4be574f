"""What the notebooks display. Each function turns records into one view; none of them decides anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from oairunbook import proof as proofs
from oairunbook.evidence import Evidence, Layer, to_document
from oairunbook.record import packet as packets
from oairunbook.record.archived import PACKET_FILE, packet_of, run_of
from oairunbook.record.branches import azure, browser, compare, direct, gateway, owner, sdk_controls, surroundings
from oairunbook.record.describe import exception, fact, returned, state
from oairunbook.record.explanation import explanation
from oairunbook.record.follow import follows as follow_ups
from oairunbook.record.picture import path
from oairunbook.record.steps import steps
from oairunbook.record.timeline import over_time
from oairunbook.record.view import View, links, listing, paragraph, table, together
from oairunbook.record.waterfall import waterfall
from oairunbook.verdict import Owner, Verdict, goes_to

__all__ = [
    "attempts",
    "azure",
    "browser",
    "comparable",
    "compare",
    "conditions",
    "direct",
    "exception_chain",
    "follows",
    "gateway",
    "handed_over",
    "header",
    "over_time",
    "owner",
    "owners",
    "packet",
    "path",
    "proof",
    "proved",
    "response",
    "response_headers",
    "route",
    "sdk_controls",
    "statement",
    "step",
    "surroundings",
    "verdict",
    "waterfall",
    "what_changed",
    "written",
]

VERDICT_MIME = "application/vnd.oairunbook.verdict+json"
PROOF_MIME = "application/vnd.oairunbook.proof+json"
AUDIT_MIME = "application/vnd.oairunbook.audit+json"
FLEET_MIME = "application/vnd.oairunbook.fleet+json"
RUN_VARIABLE = "OAIRUNBOOK_RUN"
"""Set by `oairunbook run` for the kernels that it starts: the run's id."""

_EVIDENCE_ROWS: tuple[tuple[str, tuple[Owner, ...], str, str], ...] = (
    (
        "No status, no body, no request id",
        ("connection_path", "client_config"),
        "Connection path, or this runtime's own settings",
        "Look at status page, DNS, TLS, proxy and egress from the same runtime.",
    ),
    (
        "401 or 403 with an API error",
        ("auth",),
        "Authentication",
        "Look at key, project, organization and endpoint family.",
    ),
    ("400, 404, 409, 413 or 422 with an API error", ("request",), "Request", "Look at model, endpoint and parameters."),
    (
        "429, or insufficient_quota",
        ("quota_or_rate",),
        "Quota or rate",
        "Look at quota and limits; leave the connection alone.",
    ),
    (
        "500 or 503 with a request id",
        ("server",),
        "Server",
        "Retry with care, keep the request id, read the status page.",
    ),
    (
        "An Azure or gateway route",
        ("route_provider",),
        "Route provider",
        "Look at base URL, deployment and the provider's own status.",
    ),
    ("A call from a browser", ("browser",), "Browser", "Move the call to a server."),
)


def header(evidence: Evidence, verdict: Verdict, record: str = "") -> View:
    """What this is, from where, when: what somebody who was not there reads first.

    *record* is where the evidence was read: the path of an `evidence.json` or of a run's folder; empty if it was collected here.
    """
    runtime, route = evidence.runtime, evidence.route
    judged = "judged at (where it failed is not known)" if packets.pasted(evidence) else "collected at"
    rows = [
        (
            "When",
            f"{packets.utc(evidence.collected_at)}, in {evidence.seconds:.1f} s; the runtime's zone is {runtime.timezone}",
        ),
        ("Where", f"{judged}: {packets.runtime_words(evidence)}"),
        ("Region", runtime.region or "not shown by the runtime"),
        ("SDK and transport", packets.sdk_words(evidence)),
        ("Route", f"{route.family}, {route.base_url.value} (from {route.base_url.source})"),
        ("Run", os.environ.get(RUN_VARIABLE) or _run_words(record)),
        ("Tool", f"oairunbook {evidence.tool_version}, rules {verdict.rules_version}"),
    ]
    return _with_practice(evidence, table("What this is", ("Item", "Value"), rows))


def route(evidence: Evidence) -> View:
    """Each part of the route with the place that it came from."""
    r = evidence.route
    key = r.credential
    rows = [
        ("Base URL", r.base_url.value, r.base_url.source),
        ("Family", r.family, r.family_reason),
        ("Endpoint", f"{r.scheme}://{r.host}:{r.port}{r.path}", "; ".join(r.problems) or "usable"),
        ("Model", r.model.value if r.model else "none named", r.model.source if r.model else "nobody named one"),
        (
            "API version",
            r.api_version.value if r.api_version else "none",
            r.api_version.source if r.api_version else "not used",
        ),
        ("Proxy", r.proxy.url or "none", r.proxy.rule),
        ("Trust store", f"{r.trust.origin} {r.trust.path or ''}".strip(), r.trust.reason),
        (
            "API key",
            (
                f"fingerprint {key.fingerprint}"
                if key.fingerprint
                else "set; fingerprint not taken, as no archive is named"
            )
            if key.present
            else "none",
            "; ".join((key.source or "not set", *key.problems, *key.oddities)),
        ),
        (
            "Name servers",
            ", ".join(f"{s.address} port {s.port}" for s in r.resolver.name_servers) or "none",
            r.resolver.source,
        ),
        *((setting.source, setting.value or "set and empty", "environment") for setting in r.settings),
    ]
    return table("The route as the SDK resolves it", ("Part", "Value", "Where it comes from"), rows)


def step(evidence: Evidence, *layers: Layer | None) -> View:
    """What was seen at one step of the path; None stands for what is beside the path, the status page."""
    found = [o for o in evidence.observations if o.layer in layers]
    if not found and "proxy" in layers and not evidence.route.proxy.url:
        return paragraph(f"No proxy is in play: {evidence.route.proxy.rule}.")
    if not found:
        return paragraph("Nothing was looked at here: no step of the path led this far, or this evidence was pasted.")
    rows = [
        (line.target, line.state, line.seconds, packets.moment(evidence, line.first)[11:23], line.fact)
        for line in steps(found)
    ]
    return table("What was seen", ("Looked at", "State", "Seconds", "Began (UTC)", "Seen"), rows)


def response(evidence: Evidence) -> View:
    """Status, body and request id: there or not. That one is absent is evidence too."""
    came_back = returned(evidence)
    if came_back is None:
        return _with_practice(
            evidence,
            table(
                "No server answered, as far as this evidence shows",
                ("Evidence", "Seen"),
                [("Status", "absent"), ("Body", "absent"), ("Request id", "absent"), ("Headers", "absent")],
            ),
        )
    rows = [
        ("Status", str(came_back.status)),
        ("Body", came_back.body),
        ("Request id", came_back.request_id or "absent"),
        ("Headers", f"{len(came_back.headers)} kept" if came_back.headers else "absent"),
    ]
    return _with_practice(evidence, table(f"A server answered ({came_back.observation})", ("Evidence", "Seen"), rows))


def response_headers(evidence: Evidence) -> View:
    """The response headers that identify who answered and which limits apply."""
    came_back = returned(evidence)
    if came_back is None or not came_back.headers:
        return paragraph("No response header is in this evidence.")
    rows = [(header.name, header.value) for header in came_back.headers]
    return table("Response headers; the values of all others were dropped", ("Header", "Value"), rows)


def exception_chain(evidence: Evidence) -> View:
    """The exception that the application sees, outermost first, with the numbers that its text leaves out."""
    links = exception(evidence)
    if not links:
        return paragraph("No exception is in this evidence.")
    rows = [
        (link.type or "not said", link.relation, link.errno_name or "", str(link.verify_code or ""), link.text)
        for link in links
    ]
    return table("The exception, outermost first", ("Class", "Reached by", "errno", "Verify code", "Text"), rows)


def owners(verdict: Verdict) -> View:
    """Which evidence belongs to whom, with the row that this verdict stands in."""
    rows = [
        ("→ this" if verdict.owner in owner else "", evidence, who, what)
        for evidence, owner, who, what in _EVIDENCE_ROWS
    ]
    return table("Who owns which evidence", ("", "Evidence", "Owner", "Do next"), rows)


def comparable(evidence: Evidence) -> View:
    """What must be equal before a result from another machine may be compared with this one."""
    return conditions(proofs.conditions_of(evidence))


def conditions(rows: Sequence[tuple[str, str]]) -> View:
    """Variables of a comparison and their values here."""
    return table("Equal here and there, or the comparison says nothing", ("Variable", "Value here"), rows)


def statement(p: packets.Packet) -> View:
    """What is already proved from this path, in one sentence with its times, and step by step."""
    rows = [(step.observation, step.state, step.at[11:23], step.fact) for step in p.proved]
    return together(paragraph(p.statement), table("Step by step", ("Step", "State", "Began (UTC)", "Seen"), rows))


def handed_over(evidence: Evidence, verdict: Verdict) -> View:
    """To whom the packet goes, and why to them."""
    rows = [
        ("Goes to", goes_to(verdict.owner, evidence.route.family)),
        ("Owner", packets.OWNER_NAMES[verdict.owner]),
        *((reason.observation, reason.fact) for reason in verdict.because),
    ]
    return _with_practice(evidence, table("Who gets this", ("Item", "Value"), rows))


def packet(p: packets.Packet) -> View:
    """Every item of the packet."""
    rows = [
        ("Time and zone", f"{p.at}; the runtime's zone is {p.timezone}"),
        ("Base URL", f"{p.base_url} (from {p.base_url_source})"),
        ("SDK", f"{p.sdk}, transport {p.transport}"),
        ("Model", p.model),
        ("Runtime", p.runtime),
        ("Region", p.region),
        ("Route", f"{p.route}: {p.route_reason}; proxy {p.proxy}"),
        ("Exception", "\n".join(p.exception) or "none was seen"),
        ("Status", "absent" if p.status is None else str(p.status)),
        ("Body", p.body or "absent"),
        ("Request id", p.request_id or "absent"),
        ("Asked to check", "\n".join(p.asks) or "nobody has to check anything"),
        ("Log, redacted", "\n".join(p.log) or "no request of the SDK was made"),
        ("Removed", "; ".join(p.redactions) or "nothing had to be removed"),
    ]
    shown = table("The packet", ("Item", "Value"), rows)
    return _with_practice(p, View(html=shown.html, text=shown.text, data={"text/markdown": packets.to_markdown(p)}))


def written(files: Sequence[Path], record: str = "") -> View:
    """Which files were written, or where the packet lies already, if *record* is in an archived run: see `header`."""
    run = run_of(record)
    if not files and run is not None and (run / PACKET_FILE).is_file():
        return packet_of(run)
    if not files:
        return paragraph(
            "Nothing was written: the parameter out names no folder. A run of several notebooks (oairunbook run) archives the packet in any case."
        )
    return table("Written", ("File", "Bytes"), [(str(path), str(path.stat().st_size)) for path in files])


def attempts(tried: Sequence[Evidence]) -> View:
    """Each attempt of the minimal request with what it came to."""
    rows = [
        (str(number), packets.utc(evidence.collected_at), f"{evidence.seconds:.1f}", _own_request(evidence))
        for number, evidence in enumerate(tried, 1)
    ]
    return table("Attempts", ("Attempt", "Began", "Seconds", "The SDK's minimal request"), rows)


def proof(result: proofs.Proof) -> View:
    """What must be the same as in the failing run, and whether it is."""
    if not result.conditions:
        return paragraph("No failing record was given, so there is nothing to compare with.")
    rows = [(c.name, c.failing, c.now, "same" if c.same else "differs") for c in result.conditions]
    return table("The same request as the one that failed?", ("Variable", "Failing run", "Now", ""), rows)


def what_changed(result: proofs.Proof) -> View:
    """What differs between the failing run and now, besides that it works or not."""
    if not result.conditions:
        return paragraph("No failing record was given, so there is nothing to compare with.")
    if not result.changes:
        return paragraph("Nothing that these records show has changed.")
    return table(
        "Changed since the failing run",
        ("What", "Failing run", "Now"),
        [(c.name, c.failing, c.now) for c in result.changes],
    )


def proved(result: proofs.Proof) -> View:
    """Whether the fix is proved, in one sentence; the JSON goes along for programs."""
    shown = paragraph(result.statement, strong=True)
    return View(html=shown.html, text=shown.text, data={PROOF_MIME: to_document(result)})


def verdict(evidence: Evidence, what: Verdict) -> View:
    """The verdict with next steps, do-nots, what is missing and, folded, the page of its cause; the JSON goes along for programs."""
    counted = f", {what.failed} of {what.tried} attempts failed" if what.tried is not None else ""
    rows = [
        ("Owner", f"{packets.OWNER_NAMES[what.owner]}: {goes_to(what.owner, evidence.route.family)}"),
        ("Layer", what.layer or "none"),
        ("Cause", what.cause),
        ("Certainty", what.certainty or "none: the evidence does not decide"),
        ("Pattern", f"{what.pattern or 'not known'}{counted}"),
        *(("Because", f"{reason.fact} ({reason.observation})") for reason in what.because),
        *(("Also seen", f"{also.cause}: {also.why}") for also in what.also),
    ]
    shown = together(
        paragraph(what.summary, strong=True),
        table("Verdict", ("Item", "Value"), rows),
        listing("Next", what.next, none="Nothing to do."),
        listing("Do not", what.do_not, none="Nothing in particular to leave alone."),
        listing("Missing", what.missing, none="Nothing that the rules ask for is missing from this record."),
        explanation(evidence, what),
    )
    return _with_practice(evidence, View(html=shown.html, text=shown.text, data={VERDICT_MIME: to_document(what)}))


def follows(evidence: Evidence, what: Verdict, here: str = "") -> View:
    """Links to the notebooks that the verdict calls for; *here* is the one that shows them."""
    return links("Continue with", [(follow.name, follow.why) for follow in follow_ups(evidence, what, here)])


def _run_words(record: str) -> str:
    if not record:
        return "a single notebook, not archived"
    run = run_of(record)
    return f"{run.name}, in the archive" if run else f"a single notebook; it judges the record {Path(record).name}"


def _own_request(evidence: Evidence) -> str:
    own = [o for o in evidence.observations if o.probe == "sdk"]
    return "; ".join(f"{state(o.outcome)}: {fact(o.outcome)}" for o in own) or "not made"


def _with_practice(record: Evidence | packets.Packet, view: View) -> View:
    if not record.practice:
        return view
    marked = together(paragraph(f"PRACTICE: recorded against the lab's fault {record.practice}.", strong=True), view)
    return View(html=marked.html, text=marked.text, data=view.data)
