"""The table for people that `check` prints, and the verdict as text."""

from __future__ import annotations

import shlex
import textwrap

from oairunbook.evidence import Evidence
from oairunbook.record.describe import interpreter
from oairunbook.record.steps import first_change, steps
from oairunbook.verdict import Verdict

_WIDTH = 110
HIDDEN = "hidden on request: "
"""How a record says among its redactions that names or addresses in it stand for others (`oairunbook.record.handed`)."""


def check_text(evidence: Evidence, verdict: Verdict) -> str:
    """Each step, what was seen, its time, and the first point where the evidence changes; then the verdict."""
    lines = practice_text(evidence, verdict).splitlines()
    route = evidence.route
    lines.append(f"{evidence.collected_at}  {evidence.runtime.host}  {interpreter(evidence.runtime)}")
    if evidence.runtime.collector is not None:
        lines.append(f"through  {evidence.runtime.collector.command}")
        lines += [f"         not taken over: {what}" for what in evidence.runtime.collector.left_out]
    lines.append(
        f"route    {route.family}: {route.base_url.value or '(empty)'} from {route.base_url.source}; "
        f"SDK {route.sdk or 'none'}, {route.transport or 'no transport'}"
    )
    lines.append(f"proxy    {route.proxy.url or 'none'}: {route.proxy.rule}")
    lines.append(f"trust    {route.trust.path or route.trust.origin}: {route.trust.reason}")
    lines.append("")
    change = first_change(evidence, verdict)
    for step in steps(evidence.observations):
        mark = "-> " if change in [o.id for o in step.observations] else "   "
        head = f"{mark}{step.state:<11} {step.first.probe:<7} {step.first.seconds:7.3f} s  "
        body = f"{step.target}: {step.fact}"
        lines += textwrap.wrap(head + body, _WIDTH, subsequent_indent=" " * len(head), break_on_hyphens=False)
    if change:
        lines.append("   (-> is the first point where the evidence changes)")
    return "\n".join(lines) + "\n\n" + verdict_text(verdict)


def practice_text(evidence: Evidence, verdict: Verdict) -> str:
    """A line that says that this is practice, and one that names in it are nobody's; nothing for a real path as it is."""
    hidden = next((line for line in evidence.redactions if line.startswith(HIDDEN)), "")
    # Each fault of the lab is named after the cause that it shows.
    mended = evidence.practice != "ok" and verdict.cause == "ok"
    fault = f"fault {evidence.practice}{', which this path does not show: it was mended' * mended}"
    practice = f"PRACTICE against the lab, {fault}. This says nothing about a real path.\n"
    return practice * bool(evidence.practice) + f"{hidden.capitalize()}.\n" * bool(hidden)


def verdict_text(verdict: Verdict) -> str:
    """Owner, cause, reasons, next steps, what not to do, what is missing, and where the page of the cause is."""
    layer = f", layer {verdict.layer}" if verdict.layer else ""
    certainty = f" ({verdict.certainty})" if verdict.certainty else ""
    lines = [f"owner    {verdict.owner}", f"cause    {verdict.cause}{certainty}{layer}"]
    if verdict.pattern:
        rate = f", {verdict.failed} of {verdict.tried} failed" if verdict.tried else ""
        lines.append(f"pattern  {verdict.pattern}{rate}")
    lines += _wrapped("why", [verdict.summary] if not verdict.because else [r.fact for r in verdict.because])
    lines += _wrapped("next", verdict.next)
    lines += _wrapped("do not", [text.removeprefix("Do not ") for text in verdict.do_not])
    lines += _wrapped("also", [f"{item.cause}: {item.why}" for item in verdict.also])
    lines += _wrapped("missing", verdict.missing)
    lines.append(f"more     oairunbook explain {shlex.quote(verdict.cause)}")
    return "\n".join(lines) + "\n"


def _wrapped(label: str, texts: tuple[str, ...] | list[str]) -> list[str]:
    lines: list[str] = []
    for number, text in enumerate(texts):
        head = f"{label if number == 0 else '':<9}"
        lines += textwrap.wrap(text, _WIDTH, initial_indent=head, subsequent_indent=" " * 9, break_on_hyphens=False)
    return lines
