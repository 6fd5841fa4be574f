"""A game day: the lab breaks something, says not what, and marks the answer."""

from __future__ import annotations

import os
import random
from collections.abc import MutableMapping
from dataclasses import dataclass

from oairunbook.lab.faults import FAULTS, Fault
from oairunbook.lab.running import Lab, find

HIDDEN = "hidden"
"""What evidence of a game says in the place of the fault."""


def playable() -> tuple[Fault, ...]:
    """Faults that a check finds without an option that would give them away."""
    return tuple(fault for fault in FAULTS if not fault.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How right an answer is."""

    owner: bool
    layer: bool
    cause: bool

    @property
    def solved(self) -> bool:
        """Whether nothing is left to find."""
        return self.owner and self.cause


class Game:
    """One round after the other, each with a lab of its own and with an environment that leads this process to it."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._before: dict[str, str | None] = {}
        self._lab: Lab | None = None

    @property
    def lab(self) -> Lab | None:
        """The lab of this round; None before the first and after the end."""
        return self._lab

    def begin(self, fault_id: str = "") -> Lab:
        """End the round before, and break something: the fault with this id, or one by chance.

        Raises:
            ValueError: There is no such fault.
        """
        chosen = find(fault_id) if fault_id else random.choice(playable())  # noqa: S311
        self.end()
        self._lab = Lab(chosen, shown_as=HIDDEN)
        for name, value in self._lab.environment.items():
            self._before[name] = self._environment.get(name)
            _put(self._environment, name, value)
        return self._lab

    def mark(self, owner: str, cause: str) -> Mark:
        """Compare an answer with the fault of this round.

        Raises:
            ValueError: No round is on.
        """
        if self._lab is None:
            raise ValueError("no round is on")
        fault = self._lab.fault
        layer = fault.cause.partition(".")[0]
        return Mark(owner=owner == fault.owner, layer=cause.partition(".")[0] == layer, cause=cause == fault.cause)

    def end(self) -> None:
        """End every server of the round, and give the environment back."""
        if self._lab is not None:
            self._lab.close()
            self._lab = None
        for name, value in self._before.items():
            _put(self._environment, name, value)
        self._before = {}


def _put(environment: MutableMapping[str, str], name: str, value: str | None) -> None:
    if value is None:
        environment.pop(name, None)
    else:
        environment[name] = value
