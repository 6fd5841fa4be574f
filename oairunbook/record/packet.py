"""The escalation packet: what the owner of the fault needs, in place of a screenshot. Markdown for people, JSON for tickets."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from oairunbook.evidence import (
    Evidence,
    NotTried,
    Observation,
    PastedError,
    ProxyAnswered,
    SdkAnswered,
    SdkFailed,
    dumps,
)
from oairunbook.record.archive.walk import Problem
from oairunbook.record.asks import asks
from oairunbook.record.describe import (
    asked_model,
    brief,
    chain,
    exception,
    fact,
    interpreter,
    request_id_words,
    returned,
)
from oairunbook.record.files import make_private, write_whole
from oairunbook.record.steps import Step, steps
from oairunbook.record.view import clean
from oairunbook.records import dataclass
from oairunbook.verdict import Owner, Verdict, goes_to

PACKET_SCHEMA = "oairunbook.packet/1"

_MOST_BYTES = 20_000
"""What a ticket takes, as Markdown and as JSON."""

_LONGEST = (400, 200, 100, 50)
"""Bytes of one text, the most that fits: what a hostile server sends, or somebody pastes, must not push the rest out."""

_SENTENCES = 5
"""The statement is as long as so many texts."""

_OURS = frozenset({"asks", "next", "do_not", "missing"})
"""What others have to do is kept as long as it may be: it is the tool's own words."""

_MOST_STEPS, _MOST_LINES, _MOST_POINTS = 16, 20, 8
"""Steps proved, lines of exceptions and log, points of a list. What is left out is counted, and stands in the evidence."""

OWNER_NAMES: dict[Owner, str] = {
    "connection_path": "connection path",
    "client_config": "client configuration",
    "auth": "authentication",
    "quota_or_rate": "quota or rate",
    "request": "request",
    "server": "server",
    "route_provider": "route provider",
    "browser": "browser",
    "none": "none",
    "unknown": "unknown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """One thing that was looked at from the failing path, and when."""

    at: str
    """UTC, ISO 8601."""

    observation: str
    state: str
    fact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """What is handed over."""

    at: str
    """UTC: when the evidence was collected."""

    timezone: str
    """Zone of the runtime's own clock, by its name."""

    goes_to: str
    owner: str
    cause: str
    layer: str | None
    certainty: str | None
    pattern: str | None
    summary: str
    base_url: str
    base_url_source: str
    route: str
    route_reason: str
    proxy: str
    sdk: str
    transport: str
    model: str
    runtime: str
    region: str
    exception: tuple[str, ...]
    """Outermost first."""

    status: int | None
    proxy_status: int | None
    """What a proxy answered in the place of a tunnel, where no status came back; a SOCKS reply code counts as none."""

    body: str | None
    request_id: str | None
    proved: tuple[Proved, ...]
    left_out: int
    """Further steps that were looked at and that stand in the evidence alone."""

    statement: str
    asks: tuple[str, ...]
    """What whoever gets this is asked to check."""

    because: tuple[str, ...]
    next: tuple[str, ...]
    do_not: tuple[str, ...]
    missing: tuple[str, ...]
    log: tuple[str, ...]
    """Redacted; one line an event, seconds since its own request began."""

    redactions: tuple[str, ...]
    tool_version: str
    rules_version: str
    practice: str | None
    cut_short: str | None = None
    """Why the test ended before its end; None if it came to its end."""

    schema: str = PACKET_SCHEMA


def build(evidence: Evidence, verdict: Verdict, *, owner: Owner | None = None) -> Packet:
    """Put the packet together. It says nothing that the evidence and the verdict do not.

    Args:
        evidence: What was seen.
        verdict: What it means.
        owner: For whom it is, if for somebody else than the verdict's owner: a network team may want its own copy of a provider's case.
    """
    recipient = owner or verdict.owner
    route, runtime, came_back = evidence.route, evidence.runtime, returned(evidence)
    looked = steps(o for o in evidence.observations if not isinstance(o.outcome, NotTried))
    telling = _telling(looked, {reason.observation for reason in verdict.because})
    return _fitting(
        Packet(
            at=utc(evidence.collected_at),
            timezone=runtime.timezone,
            goes_to=goes_to(recipient, route.family),
            owner=verdict.owner,
            cause=verdict.cause,
            layer=verdict.layer,
            certainty=verdict.certainty,
            pattern=verdict.pattern,
            summary=verdict.summary,
            base_url=route.base_url.value,
            base_url_source=route.base_url.source,
            route=route.family,
            route_reason=route.family_reason,
            proxy=f"{route.proxy.url or 'none'} ({route.proxy.rule})",
            sdk=f"openai {route.sdk}" if route.sdk else _no_sdk(evidence),
            transport=route.transport or ("none" if looked_at(evidence) else "not known"),
            model=_model_words(evidence),
            runtime=runtime_words(evidence),
            region=runtime.region or "not shown by the runtime",
            exception=_first([chain((link,)) for link in exception(evidence)], _MOST_LINES),
            status=came_back.status if came_back else None,
            proxy_status=None if came_back else _proxy_status(evidence),
            body=came_back.body if came_back else None,
            request_id=came_back.request_id or None if came_back else None,
            proved=tuple(_proved(evidence, step) for step in telling),
            left_out=len(looked) - len(telling),
            statement=_statement(evidence, telling),
            asks=_first(asks(recipient, evidence, verdict), _MOST_POINTS),
            because=_first([f"{reason.observation}: {reason.fact}" for reason in verdict.because], _MOST_POINTS),
            next=verdict.next,
            do_not=verdict.do_not,
            missing=verdict.missing,
            log=_first(_log(evidence), _MOST_LINES),
            redactions=_first(evidence.redactions, _MOST_LINES),
            tool_version=evidence.tool_version,
            rules_version=verdict.rules_version,
            practice=evidence.practice,
            cut_short=evidence.cut_short,
        )
    )


def runtime_words(evidence: Evidence) -> str:
    """Host, platform, interpreter and user in one line."""
    runtime = evidence.runtime
    where = f" ({', '.join(runtime.platforms)})" if runtime.platforms else ""
    words = (
        f"{runtime.host}{where}, {runtime.system}, {interpreter(runtime)} at {runtime.executable}, user {runtime.user}"
    )
    if runtime.collector is None:
        return words
    left_out = "".join(f"; not taken over: {what}" for what in runtime.collector.left_out)
    return f"{words}, looked at from elsewhere through `{runtime.collector.command}`{left_out}"


def _model_words(evidence: Evidence) -> str:
    asked = asked_model(evidence)
    if asked is None or evidence.route.model is not None:
        return asked or "none named"
    return f"{asked}, picked by this test: the settings name none"


def sdk_words(evidence: Evidence) -> str:
    """SDK and transport in one line."""
    route = evidence.route
    if route.sdk is None and route.transport is None and not looked_at(evidence):
        return _no_sdk(evidence)
    return f"{f'openai {route.sdk}' if route.sdk else _no_sdk(evidence)}, {route.transport or 'no transport'}"


def _no_sdk(evidence: Evidence) -> str:
    return "openai is not installed" if looked_at(evidence) else "not known: nothing was tested"


def looked_at(evidence: Evidence) -> bool:
    """Whether anything was tested; what was only pasted says nothing of what is installed here."""
    return any(o.probe != "pasted" for o in evidence.observations)


def pasted(evidence: Evidence) -> bool:
    """Whether somebody gave all of this evidence, so that the runtime in it is where it was judged, and not where it failed."""
    return bool(evidence.observations) and all(o.probe == "pasted" for o in evidence.observations)


def moment(evidence: Evidence, observation: Observation) -> str:
    """When a step began, in UTC; the record's own text if its time cannot be read."""
    try:
        began = datetime.fromisoformat(evidence.collected_at)
    except ValueError:
        return evidence.collected_at
    return (began + timedelta(seconds=observation.started_seconds)).isoformat(timespec="milliseconds")


def utc(text: str) -> str:
    """A moment of a record, to be read by people; the record's own text if it is no ISO 8601."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except ValueError:
        return text


def to_json(packet: Packet) -> str:
    """The packet as JSON text."""
    return dumps(packet)


def to_markdown(packet: Packet) -> str:
    """The packet as Markdown. Text from the network stands in code spans, where it is neither markup nor link."""
    status = "none came back" if packet.status is None else str(packet.status)
    if packet.status is None and packet.proxy_status is not None:
        status += f" from the API; the proxy answered {packet.proxy_status}"
    certainty = f" ({packet.certainty})" if packet.certainty else ""
    rows = (
        ("Time", f"{packet.at} ; the runtime's zone is {packet.timezone}"),
        ("Goes to", packet.goes_to),
        (
            "Owner by the verdict",
            packet.owner,
        ),
        (
            "Cause",
            f"{packet.cause}{certainty}, layer {packet.layer or 'none'}, pattern {packet.pattern or 'not known'}",
        ),
        ("Base URL", f"{packet.base_url} (from {packet.base_url_source})"),
        ("Route", f"{packet.route}: {packet.route_reason}"),
        ("Proxy", packet.proxy),
        ("SDK", f"{packet.sdk}, transport {packet.transport}"),
        ("Model", packet.model),
        ("Runtime", packet.runtime),
        ("Region", packet.region),
        ("Exception", packet.exception[0] if packet.exception else "none was seen"),
        ("Status", status),
        ("Body", packet.body or "none came back"),
        ("Request id", packet.request_id or "none"),
    )
    parts = ["# Escalation packet: " + _span(packet.cause), ""]
    if packet.practice:
        parts += [f"**Practice.** Recorded against the lab's fault {_span(packet.practice)}. Do not escalate this.", ""]
    if packet.cut_short:
        parts += [
            f"**Not the whole test.** It was cut short: {_plain(packet.cut_short)}. What follows goes as far as it came.",
            "",
        ]
    parts += [_plain(packet.summary), "", "| Item | Value |", "| --- | --- |"]
    parts += [f"| {name} | {_span(value)} |" for name, value in rows]
    parts += ["", "## Already proved from the same path", "", _plain(packet.statement), ""]
    parts += ["| Time (UTC) | Step | State | Seen |", "| --- | --- | --- | --- |"]
    parts += [
        f"| {_span(p.at[11:23] or p.at)} | {_span(p.observation)} | {p.state} | {_span(p.fact)} |"
        for p in packet.proved
    ]
    if packet.left_out:
        parts += ["", f"{packet.left_out} further steps stand in the evidence."]
    parts += ["", "## What you are asked to check", "", *_points(packet.asks, "Nothing.", _span)]
    parts += ["", "## Why", "", *_points(packet.because, "The evidence gives no reason.", _span)]
    parts += ["", "## Next", "", *_points(packet.next, "Nothing.")]
    parts += ["", "## Do not", "", *_points(packet.do_not, "Nothing in particular.")]
    parts += ["", "## Missing", "", *_points(packet.missing, "Nothing that the rules ask for.")]
    parts += ["", "## Exception, outermost first", "", *_fenced(packet.exception or ("none was seen",))]
    parts += ["", "## Log, redacted", "", *_fenced(packet.log or ("no request of the SDK was made",)), ""]
    redacted = "; ".join(packet.redactions) or "nothing had to be removed"
    parts += [f"Redaction: {_plain(redacted)}. oairunbook {packet.tool_version}, rules {packet.rules_version}.", ""]
    return "\n".join(parts)


def not_vouched_for(problems: Sequence[Problem]) -> str:
    """What stands above a packet whose run is not as it was archived, or for which nothing vouches."""
    told = "; ".join(f"{_span(problem.path)} {_span(problem.what)}" for problem in problems[:_MOST_POINTS])
    more = f"; and {len(problems) - _MOST_POINTS} more" if len(problems) > _MOST_POINTS else ""
    return f"**Look at this run before you go by it.** It is not as it was archived, or nothing vouches for it: {told}{more}.\n\n"


def write(packet: Packet, out: str | Path) -> tuple[Path, ...]:
    """Write `packet.md` and `packet.json` into the folder *out*, each whole or not at all; it is created if it is missing."""
    folder = Path(out)
    make_private(folder)
    files = {folder / "packet.md": to_markdown(packet), folder / "packet.json": to_json(packet)}
    for path, text in files.items():
        write_whole(path, text.encode("utf-8"))
    return tuple(files)


def _proxy_status(evidence: Evidence) -> int | None:
    return next((answered.status for _, answered in evidence.of(ProxyAnswered) if answered.protocol == "http"), None)


def _proved(evidence: Evidence, step: Step) -> Proved:
    return Proved(at=moment(evidence, step.first), observation=step.name, state=step.state, fact=step.fact)


def _telling(looked: Sequence[Step], cited: set[str]) -> tuple[Step, ...]:
    """The steps that a packet has room for: those that the verdict cites, then the path's own; by the time at which they began."""

    def weight(step: Step) -> tuple[bool, bool]:
        return not cited & {o.id for o in step.observations}, step.first.attempt > 1

    chosen = sorted(looked, key=weight)[:_MOST_STEPS]
    return tuple(sorted((step for step in looked if step in chosen), key=lambda step: step.first.started_seconds))


def _fitting(packet: Packet) -> Packet:
    """The packet with the longest texts that a ticket takes."""
    fits = packet
    for longest in _LONGEST:
        fits = _short(packet, longest)
        if max(len(shown.encode("utf-8")) for shown in (to_markdown(fits), to_json(fits))) <= _MOST_BYTES:
            break
    return fits


def _short(item: Any, longest: int, name: str = "") -> Any:
    """A packet, or a part of one, with every text cut."""
    if isinstance(item, str):
        most = _LONGEST[0] if name in _OURS else longest * (_SENTENCES if name == "statement" else 1)
        data = item.encode("utf-8")
        return item if len(data) <= most else f"{data[:most].decode('utf-8', 'ignore')}… ({len(item)} characters)"
    if isinstance(item, tuple):
        return tuple(_short(one, longest, name) for one in item)
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return dataclasses.replace(
            item, **{f.name: _short(getattr(item, f.name), longest, f.name) for f in dataclasses.fields(item)}
        )
    return item


def _first(texts: Sequence[str], most: int) -> tuple[str, ...]:
    """The first texts, and how many more there are."""
    more = (f"… and {len(texts) - most} more, see the evidence",) if len(texts) > most else ()
    return (*texts[:most], *more)


def _statement(evidence: Evidence, looked: Sequence[Step]) -> str:
    """What is proved from this path, in one sentence; pasted evidence proves nothing of a path."""
    if pasted(evidence):
        return "Nothing was looked at from the failing path: this evidence was pasted."
    if not looked:
        return "Nothing was looked at."
    came_back = returned(evidence)
    told = "; ".join(
        f"{step.target} {brief(step.first.outcome)} at {moment(evidence, step.first)[11:19]}"
        for step in looked
        if step.first.layer != "client" and step.first.changed is None and step.first.probe != "pasted"
    )
    identity = request_id_words(came_back.request_id) if came_back else "no status, no body, no request id returned"
    zone = f"{evidence.collected_at[:10]}, times in UTC, the runtime's zone is {evidence.runtime.timezone}"
    return f"From {evidence.runtime.host}: {told}; {identity} ({zone})."


def _log(evidence: Evidence) -> list[str]:
    lines = []
    for observation in evidence.observations:
        match observation.outcome:
            case SdkAnswered() | SdkFailed():
                for event in observation.outcome.trace:
                    where = f" {event.host}:{event.port}" if event.host else ""
                    status = f" status {event.status}" if event.status else ""
                    error = f" {event.error}" if event.error else ""
                    lines.append(f"{observation.id} +{event.seconds:.3f} s {event.name}{where}{status}{error}")
                lines.append(f"{observation.id} {fact(observation.outcome)}")
            case PastedError():
                lines.extend(line for error in observation.outcome.errors for line in error.text.splitlines())
            case _:
                pass
    return [clean(line) for line in lines]


def _points(items: Sequence[str], none: str, show: Callable[[str], str] | None = None) -> list[str]:
    return [f"- {(show or _plain)(item)}" for item in items] or [none]


def _span(text: str) -> str:
    """A code span that holds the text whatever is in it (CommonMark section 6.1); safe inside a table."""
    line = " ".join(clean(text).split()).replace("|", "¦")
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest or not line else ""
    return f"{fence}{pad}{line or ' '}{pad}{fence}"


def _plain(text: str) -> str:
    """Text whose punctuation is no markup (CommonMark section 2.4), and whose addresses are no links (GFM section 6.9)."""
    line = re.sub(r"([\\`*_{}\[\]<>#|~!&@]|:(?=//))", r"\\\1", " ".join(clean(text).split()))
    return re.sub(r"\bwww\.", r"www\.", line, flags=re.IGNORECASE)


def _fenced(lines: Sequence[str]) -> list[str]:
    text = [clean(line) for line in lines]
    longest = max((len(run) for line in text for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + "text", *text, fence]
