"""Views of a comparison: the conditions, both paths side by side, what else differs."""

from __future__ import annotations

import textwrap

from oairunbook.comparison import Comparison, IncomparableError, Side, compare
from oairunbook.evidence import Evidence, to_document
from oairunbook.proof import conditions_of
from oairunbook.record.packet import runtime_words, utc
from oairunbook.record.view import View, paragraph, table, together

_WIDTH = 110
COMPARISON_MIME = "application/vnd.oairunbook.comparison+json"

_NOTHING = (
    "There is nothing to compare with: the parameter other names no record. "
    "Next: make one in the other place (oairunbook check --json FILE), and give its path."
)
_WORDS = {"none": "", "fact": "ended alike, facts differ", "outcome": "differs", "unknown": "not looked at in one"}


def compared(first: Evidence, second: Evidence | None, despite: str) -> Comparison | IncomparableError | None:
    """The comparison, or why there is none; None without a second record.

    Args:
        first: A record.
        second: Another one.
        despite: Names of conditions that may differ, with commas between them.
    """
    if second is None:
        return None
    try:
        return compare(first, second, [name for name in (part.strip() for part in despite.split(",")) if name])
    except IncomparableError as refused:
        return refused


def records(first: Evidence, second: Evidence | None) -> View:
    """Which two records these are."""
    rows = [
        (name, utc(record.collected_at), record.practice or "no", record.route.base_url.value, runtime_words(record))
        for name, record in (("First", first), ("Second", second))
        if record is not None
    ]
    shown = table("The records", ("Record", "When", "Practice", "Base URL", "Where"), rows)
    return shown if second is not None else together(shown, paragraph(_NOTHING))


def conditions(first: Evidence, second: Evidence | None, result: Comparison | IncomparableError | None) -> View:
    """Each condition in both records, and what was decided on those that differ."""
    if second is None:
        return paragraph(_NOTHING)
    if isinstance(result, Comparison):
        rows = [
            (v.name, v.first, v.second, "same" if v.same else "differs, as was asked about") for v in result.conditions
        ]
    else:
        rows = [
            (name, one, other, "same" if one == other else "differs")
            for (name, one), (_, other) in zip(conditions_of(first), conditions_of(second), strict=True)
        ]
    shown = table("Equal in both, or asked about", ("Variable", "First", "Second", ""), rows)
    return together(shown, paragraph(str(result), strong=True)) if isinstance(result, IncomparableError) else shown


def steps(result: Comparison | IncomparableError | None) -> View:
    """Both paths, layer by layer, with the first at which they end differently."""
    if not isinstance(result, Comparison):
        return paragraph(_NOTHING if result is None else "Nothing was compared; the conditions above say why.")
    rows = [
        (
            ("→ " if step.layer == result.first_difference else "") + step.layer,
            _side(step.first),
            _seconds(step.first),
            _side(step.second),
            _seconds(step.second),
            _WORDS[step.difference],
        )
        for step in result.steps
    ]
    header = ("Layer", "First", "Seconds", "Second", "Seconds", "")
    return table("Layer by layer; → is the first that ended differently", header, rows)


def circumstances(result: Comparison | IncomparableError | None) -> View:
    """What else differs: versions, stores, resolvers, addresses. One of these may be the reason."""
    if not isinstance(result, Comparison):
        return paragraph("Nothing was compared.")
    if not result.circumstances:
        return paragraph("Nothing else that these records show differs.")
    rows = [(v.name, v.first, v.second) for v in result.circumstances]
    return table("What else differs", ("What", "First", "Second"), rows)


def verdicts(result: Comparison | IncomparableError | None) -> View:
    """The verdict of each record, by today's rules."""
    if not isinstance(result, Comparison):
        return paragraph("Nothing was compared.")
    rows = [
        (
            name,
            verdict.owner,
            verdict.cause,
            verdict.certainty or "does not decide",
            verdict.pattern or "not known",
            verdict.because[0].fact if verdict.because else verdict.summary,
        )
        for name, verdict in zip(("First", "Second"), result.verdicts, strict=True)
    ]
    return table("Verdicts", ("Record", "Owner", "Cause", "Certainty", "Pattern", "Why"), rows)


def statement(result: Comparison | IncomparableError | None) -> View:
    """The first difference in one sentence; the JSON goes along for programs."""
    if not isinstance(result, Comparison):
        return paragraph(_NOTHING if result is None else str(result), strong=True)
    shown = paragraph(result.statement, strong=True)
    return View(html=shown.html, text=shown.text, data={COMPARISON_MIME: to_document(result)})


def as_text(result: Comparison) -> str:
    """The comparison for a terminal."""
    parts = [*_wrapped(result.statement, "")]
    if result.despite:
        parts += _wrapped(f"Compared although these differ: {', '.join(result.despite)}.", "")
    parts.append("")
    for step in result.steps:
        mark = "->" if step.layer == result.first_difference else "  "
        parts += _wrapped(f"{mark} {step.layer:<7} first   {_side(step.first)}", " " * 19)
        parts += _wrapped(f"{'':<11}second  {_side(step.second)}", " " * 19)
    parts.append("   (-> is the first layer that ended differently)")
    for variable in result.circumstances:
        parts += ["", *_wrapped(f"also differs: {variable.name}", ""), *_wrapped(f"first   {variable.first}", " " * 8)]
        parts += _wrapped(f"second  {variable.second}", " " * 8)
    parts.append("")
    for name, verdict in zip(("first", "second"), result.verdicts, strict=True):
        parts += _wrapped(f"{name:<8}{verdict.owner}, {verdict.cause}: {verdict.summary}", " " * 8)
    return "\n".join(parts) + "\n"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True) or [text]


def _side(side: Side) -> str:
    return "; ".join(part for part in (side.outcome or "not looked at", side.facts) if part)


def _seconds(side: Side) -> str:
    return "" if side.seconds is None else f"{side.seconds:.3f}"
