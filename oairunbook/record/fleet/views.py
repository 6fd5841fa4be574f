"""What 10_fleet displays. Each function turns the fleet into one view; none of them decides anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from oairunbook import __version__
from oairunbook.comparison import Comparison
from oairunbook.fleet import Fleet, Group, Looked, Separation, load_fleet
from oairunbook.record.branches import compare
from oairunbook.record.fleet import words
from oairunbook.record.fleet.picture import grid
from oairunbook.record.fleet.reading import FLEET_FILE, base_of, example_of, read_fleet
from oairunbook.record.show import FLEET_MIME, RUN_VARIABLE
from oairunbook.record.source import KEEP_VARIABLE
from oairunbook.record.view import View, paragraph, table, together
from oairunbook.records import dataclass
from oairunbook.verdict import GOES_TO

__all__ = ["Shown", "conclusion", "examples", "header", "members", "picture", "read", "separations", "shared"]

_NOTHING = "No records are named: give `records`, a folder of evidence files or an archived run of oairunbook fleet."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The fleet that the notebook shows; None if no records are named."""

    records: str
    fleet: Fleet | None
    beside: Mapping[str, Comparison]
    """By cause: a failing member beside one that works."""


def read(records: str) -> Shown:
    """The fleet of that folder or file. What `oairunbook fleet` has just judged is taken as it is; all else is judged by today's rules.

    Raises:
        oairunbook.record.fleet.reading.RecordsError: There is no record that can be read.
        oairunbook.evidence.EvidenceError: The fleet's own file cannot be read.
    """
    if not records:
        return Shown(records="", fleet=None, beside={})
    judged = Path(records) / FLEET_FILE
    just_now = os.environ.get(KEEP_VARIABLE) == records and judged.is_file()
    fleet = load_fleet(judged.read_bytes()) if just_now else read_fleet([records])
    beside = {group.cause: found for group in fleet.groups if (found := example_of(group, fleet, base_of([records])))}
    return Shown(records=records, fleet=fleet, beside=beside)


def header(shown: Shown) -> View:
    """What this is, of how many, from when."""
    fleet = shown.fleet
    if fleet is None:
        return paragraph(_NOTHING)
    looked = [member for member in fleet.members if isinstance(member, Looked)]
    times = sorted(member.collected_at for member in looked)
    rows = [
        ("Members", words.counted(fleet)),
        ("Collected", f"{times[0]} to {times[-1]}" if times else "no record"),
        ("Rules", ", ".join(sorted({member.rules_version for member in looked})) or "none"),
        ("Run", os.environ.get(RUN_VARIABLE) or "a single notebook, not archived"),
        ("Tool", f"oairunbook {__version__}"),
    ]
    if fleet.practice is not None:
        rows.insert(0, ("PRACTICE", f"against the lab, fault {fleet.practice}. This says nothing about a real path."))
    return table("What this is", ("Item", "Value"), rows)


def picture(shown: Shown) -> View:
    """Members by layers."""
    return grid(shown.fleet) if shown.fleet else paragraph(_NOTHING)


def members(shown: Shown) -> View:
    """Each member, or those that ended alike: state, and what was seen."""
    if shown.fleet is None:
        return paragraph(_NOTHING)
    rows = [(row.name, row.letter or "none", row.state, row.said) for row in words.rows(shown.fleet)]
    return table(
        "Members, the failing ones first",
        ("Worker", "Group", "State", "What was seen, or why there is no record"),
        rows,
    )


def separations(shown: Shown) -> View:
    """For each group the smallest set of facts that tells it from those that passed its layer, and how surprising that is."""
    fleet = shown.fleet
    if fleet is None or not fleet.groups:
        return paragraph(_NOTHING if fleet is None else "No member fails.")
    parts = []
    for letter, group in zip(words.LETTERS, fleet.groups, strict=False):
        rows = [_line("separates", one) for one in group.separations] + [_line("near", one) for one in group.near]
        parts.append(paragraph(f"{letter}: {words.group(group)}", strong=True))
        if rows:
            header = ("", "Facts", "The same workers have", "Who has them", "How surprising")
            parts.append(table("What tells them from the others", header, rows))
        if group.unexplained:
            parts.append(paragraph(f"{letter}: {words.unexplained(group)}."))
    return together(*parts)


def _line(kind: str, separation: Separation) -> tuple[str, ...]:
    others = "; ".join(words.facts(facts) for facts in separation.equally if facts)
    return (
        kind,
        words.facts(separation.facts),
        others or "nothing else",
        words.how_well(separation),
        words.how_surprising(separation),
    )


def shared(shown: Shown) -> View:
    """What all members of a group have, whether or not others have it too."""
    if shown.fleet is None or not shown.fleet.groups:
        return paragraph(_NOTHING if shown.fleet is None else "No member fails.")
    rows = [
        (letter, group.cause, words.facts(group.shared) or "nothing that the records show")
        for letter, group in zip(words.LETTERS, shown.fleet.groups, strict=False)
    ]
    return table("What all of a group have", ("Group", "Cause", "Facts, the likeliest reason first"), rows)


def examples(shown: Shown) -> View:
    """One failing member of each group beside the one that shares most with it and passed the layer: where do they first differ?"""
    parts = [
        together(
            paragraph(f"{group.cause}: {group.compare_with} (first) beside {group.example} (second).", strong=True),
            compare.steps(found),
        )
        for group in (shown.fleet.groups if shown.fleet else ())
        if (found := shown.beside.get(group.cause))
    ]
    return together(*parts) if parts else paragraph("There is no pair to compare.")


def conclusion(shown: Shown) -> View:
    """What holds, whose it is and where to look first; the numbers go along for programs."""
    fleet = shown.fleet
    if fleet is None:
        return _with_data(paragraph(_NOTHING), None)
    lines = [words.counted(fleet)]
    lines += [_advice(group) for group in fleet.groups]
    if fleet.groups:
        lines.append("A separation goes along with a failure; it is no proof of its cause.")
    return _with_data(together(*(paragraph(line, strong=number == 0) for number, line in enumerate(lines))), fleet)


def _advice(group: Group) -> str:
    told = next((one for one in group.separations if one.convincing), None)
    where = (
        f"Look first at: {words.facts(told.facts)}"
        if told
        else f"Nothing separates convincingly; look into {group.example}"
    )
    return f"{group.cause}, {words.number_of(len(group.members), 'worker')}. {where}. For {GOES_TO[group.owner]}."


def _with_data(view: View, fleet: Fleet | None) -> View:
    states = ("healthy", "failing", "undecided", "not tried", "tool failed")
    data = {
        "members": len(fleet.members) if fleet else 0,
        "states": {state: fleet.count(state) for state in states} if fleet else {},  # type: ignore[arg-type]
        "causes": {group.cause: len(group.members) for group in fleet.groups} if fleet else {},
        "exit_status": fleet.exit_status if fleet else 3,
    }
    return View(html=view.html, text=view.text, data={FLEET_MIME: data})
