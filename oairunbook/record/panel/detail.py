"""One step in full, and all steps without a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ipywidgets as widgets

from oairunbook.evidence import Evidence, Observation, to_document
from oairunbook.record.describe import fact, state
from oairunbook.record.panel.controls import dropdown, put, shown
from oairunbook.record.steps import steps
from oairunbook.record.view import View, paragraph, table

_NOTHING_YET = "There is no step yet: nothing was tested or pasted."
_LONGEST = 600
"""Characters of one value."""

_NOT_FOR_PEOPLE = ("kind", "der_base64")


class Detail:
    """Look into one step: a list of them, and everything that was recorded of the chosen one."""

    def __init__(self) -> None:
        self._observations: tuple[Observation, ...] = ()
        self.step = dropdown("Step", ())
        self.step.observe(lambda _: self._draw(), "value")
        self.place = shown(paragraph(_NOTHING_YET))
        self.widget = widgets.VBox([self.step, self.place])

    def put(self, seen: Evidence, telling: str = "") -> None:
        """Offer the steps of this record, *telling* first of all: the id of the step that a verdict rests on."""
        lines = steps(seen.observations)
        self._observations = tuple(line.first for line in lines)
        ids = [o.id for o in self._observations]
        self.step.options = [(f"{line.name}: {line.state}", line.first.id) for line in lines]
        self.step.value = telling if telling in ids else next(iter(ids), None)
        self._draw()

    def _draw(self) -> None:
        chosen = [o for o in self._observations if o.id == self.step.value]
        put(self.place, observation(chosen[0]) if chosen else paragraph(_NOTHING_YET))


def observation(seen: Observation) -> View:
    """Everything that was recorded of one step."""
    rows = [
        ("Looked at", seen.target),
        ("State", state(seen.outcome)),
        ("Took", f"{seen.seconds:.3f} s, from {seen.started_seconds:.3f} s after the beginning"),
        ("Seen", fact(seen.outcome)),
        *((("Changed", seen.changed),) if seen.changed else ()),
        *_flat("", to_document(seen.outcome)),
    ]
    return table(f"Step {seen.id}", ("Item", "Value"), rows)


def all_steps(seen: Evidence) -> View:
    """Every step with its state and what was seen, without a verdict."""
    rows = [(line.target, line.state, line.seconds, line.fact) for line in steps(seen.observations)]
    return table("Every step of the test", ("Looked at", "State", "Seconds", "Seen"), rows)


def _flat(name: str, item: Any) -> Iterator[tuple[str, str]]:
    """Nested fields as `a.b` and `a 2`, without those that are empty."""
    match item:
        case dict():
            for key, value in item.items():
                if key in _NOT_FOR_PEOPLE:
                    continue
                yield from _flat(f"{name}.{key}" if name else key, value)
        case list() if all(isinstance(part, (str, int, float)) for part in item):
            if item:
                yield name, ", ".join(str(part) for part in item)[:_LONGEST]
        case [{"name": _, "value": _, **others}, *_] if not others:
            # Headers and variables: each is a pair already.
            for part in item:
                yield from _flat(f"{name} {part['name']}", part["value"])
        case [{"name": _, "seconds": _}, *_]:
            # The transport's own events, each in one line.
            yield name, "\n".join(_event(part) for part in item)
        case list():
            for index, part in enumerate(item, 1):
                yield from _flat(f"{name} {index}", part)
        case None | "":
            return
        case _:
            text = str(item)
            yield name, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def _event(event: dict[str, Any]) -> str:
    where = f" {event['host']}:{event['port']}" if event.get("host") else ""
    rest = [f"{key} {event[key]}" for key in ("status", "error") if event.get(key)]
    return " ".join((f"+{event['seconds']:.3f} s {event['name']}{where}", *rest))
