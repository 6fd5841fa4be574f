"""A fleet for a terminal: who fails and how, and what tells them from those that work."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from oairunbook.comparison import Comparison
from oairunbook.fleet import Fleet, Group, Separation
from oairunbook.fleet.members import COMPARED_LAYERS
from oairunbook.record.fleet import words

_WIDTH = 118
_TABLE_WIDTH = 150
_MOST_ROWS = 60


def as_text(fleet: Fleet, examples: Mapping[str, Comparison] | None = None) -> str:
    """The table of members, then each group with what separates it.

    Args:
        fleet: What to show.
        examples: By cause: a failing member beside one that works; see `example_of`.
    """
    lines = [words.counted(fleet), ""]
    if fleet.practice is not None:
        lines.insert(0, f"PRACTICE against the lab, fault {fleet.practice}. This says nothing about a real path.")
    lines += _table(fleet)
    for letter, group in zip(words.LETTERS, fleet.groups, strict=False):
        lines += ["", *_group(letter, group, (examples or {}).get(group.cause))]
    if len(fleet.groups) > len(words.LETTERS):
        lines += ["", f"And {len(fleet.groups) - len(words.LETTERS)} causes more: --json has all."]
    if fleet.groups:
        lines += [
            "",
            *_wrapped("A separation goes along with a failure; it is no proof of its cause. Look there first.", ""),
        ]
    return "\n".join(lines) + "\n"


def _table(fleet: Fleet) -> list[str]:
    rows = words.rows(fleet)
    width = min(32, max((len(row.name) for row in rows[:_MOST_ROWS]), default=6))
    heads = " ".join(f"{layer:<6}" for layer in COMPARED_LAYERS)
    lines = [f"   {'worker':<{width}}  {'state':<11}  {heads}  cause, and what was seen"]
    for row in rows[:_MOST_ROWS]:
        begin = f"{row.letter:<3}{_cut(row.name, width):<{width}}  {row.state:<11}  "
        cells = " ".join(f"{mark:<6}" for mark in row.marks)
        lines.append(_cut(f"{begin}{cells}  {row.said}", _TABLE_WIDTH))
    if len(rows) > _MOST_ROWS:
        lines.append(f"   and {len(rows) - _MOST_ROWS} rows more, all in --json")
    lines += _wrapped(f"   ({words.LEGEND})", "    ")
    return lines


def _group(letter: str, group: Group, example: Comparison | None) -> list[str]:
    lines = _wrapped(f"{letter}  {words.group(group)}", "   ")
    for separation in group.separations:
        lines += _separation("separates", separation)
    if group.unexplained:
        lines += _labelled("unexplained", words.unexplained(group))
    for separation in group.near:
        lines += _labelled("near", f"{words.facts(separation.facts)}: {words.how_well(separation)}")
    if not group.compared_with:
        lines += _labelled("shared", words.facts(group.shared) or "nothing that the records show")
    if example is not None:
        lines += _labelled(
            "example", f"{group.compare_with} (first) beside {group.example} (second): {example.statement}"
        )
    return lines


def _separation(label: str, separation: Separation) -> list[str]:
    lines = _labelled(label, f"{words.facts(separation.facts)}: {words.how_well(separation)}")
    lines += _labelled("", words.how_surprising(separation))
    for fact, others in zip(separation.facts, separation.equally, strict=True):
        if others:
            lines += _labelled(
                "", f"the same workers: {words.facts(others)}" + f" (beside {fact.name})" * (len(separation.facts) > 1)
            )
    return lines


def _labelled(label: str, text: str) -> list[str]:
    return _wrapped(f"   {label:<11} {text}", " " * 15)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True)


def _cut(text: str, width: int) -> str:
    line = " ".join(text.splitlines()) if "\n" in text else text
    return line if len(line) <= width else line[: width - 1] + "…"
