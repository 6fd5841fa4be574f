"""Views that several branches share: the control test, and what was looked at beside the path."""

from __future__ import annotations

from oairunbook.evidence import Evidence, HttpAnswer, Observation
from oairunbook.record.describe import body, fact, state
from oairunbook.record.view import View, paragraph, table, together


def control(evidence: Evidence) -> View:
    """The direct route from the same runtime, step by step, without credentials."""
    found = [o for o in evidence.observations if o.id.startswith("control.")]
    if not found:
        return paragraph(
            "No control test was made: this is the direct route itself, control_url is empty, or the evidence was pasted."
        )
    return table("The direct route from the same runtime, without credentials", *_rows(found))


def looked(evidence: Evidence, beginning: str, caption: str, nothing: str) -> View:
    """What was looked at beside the path, by the beginning of its ids."""
    found = [o for o in evidence.observations if o.id.startswith(beginning)]
    return table(caption, *_rows(found)) if found else paragraph(nothing)


def health(evidence: Evidence) -> View:
    """What the server answers on its own paths, with the words by which it tells who it is."""
    found = [o for o in evidence.observations if o.id.startswith("health:")]
    if not found:
        return paragraph("Not asked: this evidence was recorded without it, or was pasted.")
    rows = [(o.id.removeprefix("health:"), state(o.outcome), f"{o.seconds:.3f}", _said(o)) for o in found]
    alive = any(isinstance(o.outcome, HttpAnswer) and o.outcome.status == 200 for o in found)
    word = (
        "At least one of its own paths answers 200: the server itself is up, whatever its API does."
        if alive
        else "None of these paths answers 200. Most products have only some of them, and some have none: this proves nothing alone."
    )
    shown = table("The server's own paths, without credentials", ("Path", "State", "Seconds", "Answer"), rows)
    return together(shown, paragraph(word))


def _said(observation: Observation) -> str:
    outcome = observation.outcome
    if not isinstance(outcome, HttpAnswer):
        return fact(outcome)
    said = " ".join(outcome.body.sample.split())[:200]
    return f"status {outcome.status}, {said or body(outcome.body)}"


def _rows(found: list[Observation]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    rows: list[tuple[str, ...]] = [(o.target, state(o.outcome), f"{o.seconds:.3f}", fact(o.outcome)) for o in found]
    return ("Looked at", "State", "Seconds", "Seen"), rows
