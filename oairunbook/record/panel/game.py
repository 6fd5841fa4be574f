"""The game day: a hidden fault in the practice lab, the same test as in an incident, and a check of the answer."""

from __future__ import annotations

import atexit

import ipywidgets as widgets

from oairunbook.diagnose import CATALOGUE, diagnose
from oairunbook.evidence import Evidence
from oairunbook.lab.game import Game as Rounds
from oairunbook.record import packet as packets
from oairunbook.record import show
from oairunbook.record.panel.controls import Part, Status, button, dropdown, part, put, shown
from oairunbook.record.panel.detail import Detail, all_steps
from oairunbook.record.panel.pathtest import PathTest
from oairunbook.record.panel.standing import Standing
from oairunbook.record.source import DEFAULT_BUDGET
from oairunbook.record.view import paragraph, table, together

_CHOOSE = ("choose", "")


class Game:
    """The parts of `game_day.ipynb`, each of them one cell. No verdict is shown before the answer is right or given up."""

    def __init__(
        self, seen: Evidence, *, fault: str = "", timeout: float = 5.0, budget: float = DEFAULT_BUDGET
    ) -> None:
        """*seen* is what stands in the tables before the first round; *fault* names one to rehearse, empty for any."""
        self._given, self._fault = seen, fault
        self._rounds = Rounds()
        # The lab's folder goes with the kernel.
        atexit.register(self._rounds.end)
        self._seen: Evidence | None = None
        self._open = False
        self.played = self.solved = 0
        self.incident = Status()
        self.path_test = PathTest(self._tested, timeout=timeout, budget=budget)
        self.path_test.start.disabled = True
        self.steps = shown()
        self.detail = Detail()
        self.owner = dropdown("Owner", [_CHOOSE, *((name, owner) for owner, name in packets.OWNER_NAMES.items())])
        self.cause = dropdown("Cause", [_CHOOSE, *((cause.id, cause.id) for cause in CATALOGUE)])
        self.check = button("Check my answer", self._check, primary=True)
        self.give_up = button("Give up and show", self._give_up)
        self.check.disabled = self.give_up.disabled = True
        self.marked = Status()
        self.solution = shown()
        self._standing_header, self._standing_verdict = Standing(), Standing()
        self._standing_header.put(show.header(seen, diagnose(seen)))
        self._standing_verdict.put(show.verdict(seen, diagnose(seen)))

    # -- the cells ------------------------------------------------------------------------------------------------

    def begin(self) -> Part:
        """Break something."""
        return part(widgets.VBox([widgets.HBox([button("Break something", self._begin, primary=True)]), self.incident]))

    def test(self) -> Part:
        """Test the path; every step with what was seen, and no verdict."""
        return part(widgets.VBox([self.path_test.widget, self.steps]))

    def step(self) -> Part:
        """Look into one step."""
        return part(self.detail.widget)

    def answer(self) -> Part:
        """Say whose it is and what it is."""
        buttons = widgets.HBox([self.check, self.give_up])
        return part(widgets.VBox([self.owner, self.cause, buttons, self.marked, self.solution]))

    def header(self) -> Standing:
        """What this is, from where, when; of the round that was solved last."""
        return self._standing_header

    def conclusion(self) -> Standing:
        """The tool's own verdict on the round that was solved last."""
        return self._standing_verdict

    # -- what happens ---------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if not self.path_test.wait(0):
            self.incident.text = "A test is under way: cancel it or wait for its end, then press again."
            return
        try:
            lab = self._rounds.begin(self._fault)
        except (ValueError, OSError) as error:
            self.incident.text = f"Nothing was broken: {error}"
            return
        self.played += 1
        self._open, self._seen = True, None
        self.path_test.reset(route=lab.fault.route, model=lab.model)
        self.owner.value = self.cause.value = ""
        self.check.disabled = self.give_up.disabled = False
        self.marked.text = ""
        put(self.solution, None)
        put(self.steps, None)
        self.detail.put(self._given)
        self.incident.text = (
            f"Round {self.played}. Calls of your application to {lab.base_url} (route: {lab.fault.route}) are reported to fail. "
            "Find out where the evidence changes first, and whose it is. It can also be a false alarm."
        )

    def _tested(self, seen: Evidence) -> None:
        self._seen = seen
        put(self.steps, all_steps(seen))
        self.detail.put(seen)

    def _check(self) -> None:
        if not (self.owner.value and self.cause.value):
            self.marked.text = "Choose an owner and a cause first."
            return
        mark = self._rounds.mark(self.owner.value, self.cause.value)
        if mark.solved:
            self.solved += self._open
            self._reveal("Right.")
            return
        right = [
            word for word, is_right in (("owner", mark.owner), ("layer", mark.layer), ("cause", mark.cause)) if is_right
        ]
        wrong = [
            word
            for word, is_right in (("owner", mark.owner), ("layer", mark.layer), ("cause", mark.cause))
            if not is_right
        ]
        told = f"Right: {', '.join(right)}. " if right else ""
        self.marked.text = (
            f"Not yet. {told}Wrong: {', '.join(wrong)}. Look for the first step at which the evidence changes."
        )

    def _give_up(self) -> None:
        self._reveal("Given up.")

    def _reveal(self, begins: str) -> None:
        assert self._rounds.lab is not None
        fault = self._rounds.lab.fault
        self._open = False
        self.check.disabled = self.give_up.disabled = True
        self.marked.text = f"{begins} It was {fault.cause}, owner {packets.OWNER_NAMES[fault.owner]}. Solved: {self.solved} of {self.played}."
        rows = [("What broke", fault.summary), ("Cause", fault.cause), ("Owner", packets.OWNER_NAMES[fault.owner])]
        told = table(f"The fault of round {self.played}", ("Item", "Value"), rows)
        if self._seen is None:
            put(
                self.solution, together(told, paragraph("The path was not tested, so there is no verdict of the tool."))
            )
            return
        verdict = diagnose(self._seen)
        whole = together(told, show.verdict(self._seen, verdict))
        put(self.solution, whole)
        self._standing_header.put(show.header(self._seen, verdict))
        self._standing_verdict.put(whole)
