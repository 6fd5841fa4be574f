"""Views for the owners of an answer: who gave it, what it proves, what its headers say, which known answer it is."""

from __future__ import annotations

from oairunbook.diagnose import answered as readings
from oairunbook.diagnose import limits as read_limits
from oairunbook.diagnose.known import ACTS_AFTER, PROVES, KnownAnswer, seen_in
from oairunbook.evidence import Evidence
from oairunbook.record import packet as packets
from oairunbook.record import svg
from oairunbook.record.describe import returned
from oairunbook.record.view import View, listing, paragraph, table, together
from oairunbook.verdict import Verdict

_NO_ANSWER = (
    "No answer is in this evidence, so there is no owner to name by an answer: the path comes first (02_same_path)."
)


def answered(evidence: Evidence) -> View:
    """Who gave the answer, and the marks that say so."""
    found = readings.answered(evidence)
    if found is None:
        return paragraph(_NO_ANSWER)
    rows = [(mark.name, mark.value, mark.says) for mark in found.marks]
    shown = paragraph(f"{found.statement} ({found.observation})", strong=True)
    if not rows:
        return together(shown, paragraph("No header and no error is left in this evidence that would tell more."))
    return together(shown, table("Marks of who answered", ("Mark", "Value", "What it says"), rows))


def proves(evidence: Evidence, verdict: Verdict) -> View:
    """What this answer proves, beyond that one came."""
    found = readings.answered(evidence)
    if found is None:
        return paragraph(_NO_ANSWER)
    if packets.pasted(evidence):
        came = "An answer came back where it was seen; from where that was, the pasted text does not say."
    else:
        came = f"The path from {evidence.runtime.host} is open up to whoever answered ({found.observation})."
    known = PROVES.get(verdict.cause, ("The rules name no more than that for this cause.",))
    return listing(f"What this answer proves ({verdict.cause})", (came, found.statement, *known), none="Nothing.")


def known(rows: tuple[KnownAnswer, ...], evidence: Evidence, verdict: Verdict) -> View:
    """Known answers with what each means and what to do; the one that came is marked."""
    this = seen_in(rows, evidence, verdict)
    lines = [
        ("→ this" if row is this else "", f"{row.status} {row.shown}".strip(), row.cause, row.means, row.do)
        for row in rows
    ]
    shown = table("Known answers", ("", "Answer", "Cause", "Means", "Do"), lines)
    if this is not None:
        return together(paragraph(f"This is {this.status} {this.shown}: {this.means} {this.do}", strong=True), shown)
    if returned(evidence) is None:
        which = "No answer came"
    elif verdict.cause in ("ok", "unknown"):
        which = "The answer that came is no known refusal or failure"
    else:
        which = f"The answer that came is none of these: {verdict.cause}"
    return together(paragraph(f"{which}."), shown)


def acts_after() -> View:
    """How long a change takes before a test can show it."""
    return table("Earlier than this, a test of the change proves nothing", ("Change", "Acts after"), ACTS_AFTER)


def credentials(evidence: Evidence) -> View:
    """What was sent beside the request to say who asks, and where it came from. Never the key."""
    route = evidence.route
    key = route.credential
    settings = {setting.source: setting.value for setting in route.settings}
    header = (
        "api-key, or Authorization: Bearer with a token" if route.surface == "azure-dated" else "Authorization: Bearer"
    )
    fingerprint = key.fingerprint or "not taken, as no archive is named"
    rows = [
        ("Key", f"fingerprint {fingerprint}" if key.present else "none", key.source or "no variable holds one"),
        (
            "Looks wrong",
            "; ".join((*key.problems, *key.oddities)) or "nothing",
            "judged by its form, without sending it",
        ),
        ("Sent as", header, f"the surface is {route.surface}"),
        ("Organization", settings.get("OPENAI_ORG_ID") or "none: the key's own", "OPENAI_ORG_ID"),
        ("Project", settings.get("OPENAI_PROJECT_ID") or "none: the key's own", "OPENAI_PROJECT_ID"),
        ("Sent to", route.host or "no host", f"base URL from {route.base_url.source}"),
    ]
    return table("Who asks, and where", ("Part", "Value", "Where it comes from"), rows)


def limits(evidence: Evidence) -> View:
    """The limits that the answer's headers tell, with what is left and when it is whole again."""
    came_back = returned(evidence)
    found = read_limits.limits(came_back.headers) if came_back else ()
    if not found:
        return paragraph(
            "No limit stands in the headers of this answer. An answer for want of credit has none; nor has one that was given "
            "before limits are looked at."
            if came_back
            else _NO_ANSWER
        )
    rows = [
        (
            limit.dimension,
            _count(limit.limit),
            _count(limit.remaining),
            _share(limit),
            "not told" if limit.reset_seconds is None else f"{limit.reset_seconds:g}",
            limit.whose,
        )
        for limit in found
    ]
    header = ("Limit on", "Limit", "Left", "Used, %", "Whole again in, s", "Whose limit")
    where = came_back.observation if came_back else ""
    return together(_bars(found, where), table(f"Limits ({where})", header, rows))


_BAR, _BAR_LEFT, _BAR_WIDTH = 34, 190, 430


def _bars(found: tuple[read_limits.Limit, ...], where: str) -> View:
    """How much of each limit is used, as bars: black is used, white is left."""
    known = [
        limit
        for limit in found
        if limit.limit and limit.limit > 0 and limit.remaining is not None and limit.remaining >= 0
    ]
    if not known:
        return paragraph("No limit is told together with what is left of it.")
    lines, drawn = [], []
    for index, limit in enumerate(known):
        assert limit.limit is not None
        assert limit.remaining is not None
        used = min(1.0, max(0.0, 1 - limit.remaining / limit.limit))
        whole = "" if limit.reset_seconds is None else f", whole again in {svg.duration(limit.reset_seconds)}"
        words = f"{limit.remaining:,} of {limit.limit:,} left{whole}"
        lines.append(f"{limit.dimension}: {words}")
        y = 42 + index * _BAR
        drawn += [
            svg.text(16, y + 14, limit.dimension, width=_BAR_LEFT - 26),
            f'<rect x="{_BAR_LEFT}" y="{y}" width="{_BAR_WIDTH}" height="18" fill="{svg.PAPER}" stroke="{svg.INK}"/>',
            f'<rect x="{_BAR_LEFT}" y="{y}" width="{used * _BAR_WIDTH:g}" height="18" fill="{svg.INK}"/>',
            svg.text(
                _BAR_LEFT + _BAR_WIDTH + 12, y + 14, words, size=12, width=svg.WIDTH - _BAR_LEFT - _BAR_WIDTH - 24
            ),
        ]
    return svg.image(f"Used (black) of each limit ({where})", lines, drawn, height=50 + len(known) * _BAR)


def waiting(evidence: Evidence) -> View:
    """How long to wait, by whose word, and what the SDK does with that."""
    came_back = returned(evidence)
    if came_back is None:
        return paragraph(_NO_ANSWER)
    asked = read_limits.waiting(came_back.headers)
    resets = [limit for limit in read_limits.limits(came_back.headers) if limit.remaining == 0 and limit.reset_seconds]
    rows = [
        (
            "Asked to wait",
            "not told" if asked.seconds is None else f"{asked.seconds:g} s",
            asked.header or "no Retry-After",
        ),
        *((f"{limit.dimension} whole again in", f"{limit.reset_seconds:g} s", "x-ratelimit-reset") for limit in resets),
        (
            "Send it again?",
            {True: "yes", False: "no", None: "not told"}[asked.should_retry],
            "x-should-retry, which overrules the SDK's own rule",
        ),
        (
            "SDK's own retries",
            "2 by default, after 0.5 s, 1 s … 8 s",
            "for 408, 409, 429 and from 500 on; they hide each other",
        ),
        (
            "SDK obeys Retry-After",
            "up to 60 s (2.51 and older), up to 120 s (newer)",
            "beyond it: own delays (older), no retry (newer)",
        ),
    ]
    return table("How long to wait", ("Question", "Answer", "By whose word"), rows)


def ids(evidence: Evidence) -> View:
    """The ids to quote to whoever owns the server, with the time."""
    came_back = returned(evidence)
    if came_back is None:
        return paragraph(_NO_ANSWER)
    values = {header.name: header.value for header in came_back.headers}
    rows = [
        ("Request id", came_back.request_id or "absent: whoever answered is not the API's application"),
        *((name, values[name]) for name in _IDS if name in values and values[name] != came_back.request_id),
        ("Date of the answer", values.get("date", "not in this evidence")),
        ("Observed", f"{packets.utc(evidence.collected_at)}, from {evidence.runtime.host}"),
        ("Status", str(came_back.status)),
    ]
    return table("Quote these", ("Id", "Value"), rows)


_IDS = (
    *("apim-request-id", "x-ms-client-request-id", "x-ms-region", "x-ms-deployment-name", "cf-ray"),
    *("x-litellm-call-id", "x-portkey-trace-id", "x-kong-request-id", "cf-aig-log-id", "helicone-id", "x-oneapi-request-id"),
    *("llm_provider-x-request-id", "x-generation-id", "azureml-model-session"),
)  # fmt: skip


def _count(number: int | None) -> str:
    return "not told" if number is None or number < 0 else f"{number:,}"


def _share(limit: read_limits.Limit) -> str:
    if not limit.limit or limit.limit < 0 or limit.remaining is None or limit.remaining < 0:
        return ""
    return f"{100 * (1 - limit.remaining / limit.limit):.0f}"
