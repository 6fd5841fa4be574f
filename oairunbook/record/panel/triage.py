"""The front door: paste what there is, test the path, look into a step, save the packet. It shows what the package computed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import ipywidgets as widgets

from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence
from oairunbook.read import beside, read
from oairunbook.record import packet as packets
from oairunbook.record import runbooks, show
from oairunbook.record.archive import ArchiveError
from oairunbook.record.archive.find import ARCHIVE_VARIABLE, archive_for_fingerprints, archive_root
from oairunbook.record.archive.mirror import address
from oairunbook.record.archived import packet_of
from oairunbook.record.follow import follows
from oairunbook.record.panel.controls import FreeText, Part, Status, button, part, put, shown
from oairunbook.record.panel.detail import Detail
from oairunbook.record.panel.pathtest import PathTest
from oairunbook.record.panel.standing import Standing
from oairunbook.record.run import archive_record
from oairunbook.record.source import DEFAULT_BUDGET
from oairunbook.record.view import View, links, listing, paragraph, together
from oairunbook.record.working import prepare
from oairunbook.records import dataclass
from oairunbook.redaction import Secrets
from oairunbook.runtime import this_runtime
from oairunbook.verdict import Verdict

_NOTHING_SAVED = (
    "Nothing is saved yet. Save the packet: then the notebooks that this verdict calls for are listed here, "
    "and open with the same evidence; those that look for themselves test the same route anew."
)
_NOTHING_TO_SAVE = "Not saved: nothing was pasted and nothing was tested yet, so there is nothing to hand over."
_TEST_HERE = (
    "If this kernel runs where it failed: the button Test the path from here, below, tests that path and judges it together with this "
    "text. No command is needed."
)
_ONLY_JUPYTERLAB = "This page opens no other notebook. In JupyterLab (oairunbook open) they lie in"
NEXT_FOLDER = "next"
"""Folder, beside the notebook, of the notebooks that were prepared for a saved record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saved:
    """What was saved last."""

    seen: Evidence
    run: Path
    followed: View


class Triage:
    """The parts of `triage.ipynb`, each of them one cell.

    What was pasted and what the test saw are judged together, as soon as either changes.
    """

    def __init__(
        self,
        seen: Evidence,
        *,
        base_url: str = "",
        model: str = "",
        route: str = "auto",
        timeout: float = 5.0,
        budget: float = DEFAULT_BUDGET,
        before: Triage | None = None,
    ) -> None:
        """*seen* is what the notebook was given; it counts as the record of a test unless it was pasted.

        *before* is the panel that all cells are run anew over: its text stays, and its test where no record is given.
        """
        self._lock = threading.RLock()
        self._given = seen
        self._tested_here = False
        self._checked = seen if seen.observations and not packets.pasted(seen) else None
        self._pasted: Evidence | None = None
        self.seen = seen
        self.verdict: Verdict = diagnose(seen)
        self.text = FreeText(
            "Error text: traceback, log lines, body, curl -v, browser console",
            told=self._read,
            rows=10,
            hint="Nothing is pasted yet.",
        )
        self.owner = Status()
        self.judged = shown()
        self.path_test = PathTest(
            self._tested,
            changed=self._read,
            base_url=base_url,
            model=model,
            route=route,
            timeout=timeout,
            budget=budget,
            archive=archive_for_fingerprints,
        )
        self.tested = shown()
        self.detail = Detail()
        self.saved = Status()
        self._kept: _Saved | None = None
        self._standing_header, self._standing_links, self._standing_verdict = Standing(), Standing(), Standing()
        if before is not None:
            if self._checked is None:
                self._checked, self._tested_here = before._checked, before._tested_here
            self.text.text = before.text.text
        self._read()

    # -- the cells ------------------------------------------------------------------------------------------------

    def header(self) -> Standing:
        """What this is, from where, when."""
        return self._standing_header

    def paste(self) -> Part:
        """Paste an error, and see whose it is."""
        clear = button("Clear", self._forget_text)
        return part(widgets.VBox([self.text, widgets.HBox([clear]), self.owner, self.judged]))

    def test(self) -> Part:
        """Test the path from this kernel."""
        return part(widgets.VBox([self.path_test.widget, self.tested]))

    def step(self) -> Part:
        """Look into one step."""
        return part(self.detail.widget)

    def save(self) -> Part:
        """Save packet, evidence and verdict."""
        pressed = button("Save the packet", self._save, primary=True)
        return part(widgets.VBox([widgets.HBox([pressed]), self.saved]))

    def follow(self) -> Standing:
        """Links to the notebooks that come next."""
        return self._standing_links

    def conclusion(self) -> Standing:
        """The verdict, as it stands."""
        # Running all cells leaves the reader at the last one, and the panel begins at the first.
        self.text.focus_soon()
        return self._standing_verdict

    # -- what happens ---------------------------------------------------------------------------------------------

    def _read(self) -> None:
        text = self.text.text
        self._pasted = None
        if text.strip():
            self._pasted = read(
                text,
                this_runtime(os.environ),
                environment=os.environ,
                base_url=self.path_test.base_url.text,
                model=self.path_test.model.text,
                family=self.path_test.route.value,
            )
        self._judge()

    def _forget_text(self) -> None:
        self.text.set_text("")
        self._read()

    def _tested(self, seen: Evidence) -> None:
        self._checked, self._tested_here = seen, True
        self._judge()
        self.path_test.status.text += f" {self.owner.text}"

    def _judge(self) -> None:
        with self._lock:
            if self._checked and self._pasted:
                self.seen = beside(self._checked, self._pasted)
            else:
                self.seen = self._checked or self._pasted or self._given
            self.verdict = diagnose(self.seen)
            self._draw()

    def _draw(self) -> None:
        seen, verdict = self.seen, self.verdict
        told = show.verdict(seen, verdict)
        certainty = f", {verdict.certainty}" if verdict.certainty else ""
        self.owner.text = (
            f"Owner: {packets.OWNER_NAMES[verdict.owner]}. Cause: {verdict.cause}{certainty}."
            if seen.observations
            else "Nothing was pasted and nothing was tested yet."
        )
        # Each time in one place: beside the text as long as there is nothing but a text, below the test from then on.
        alone = bool(seen.observations) and not self._checked
        put(self.judged, together(paragraph(_TEST_HERE), told) if alone else None)
        put(self.tested, together(told, show.path(seen, verdict)) if self._checked else None)
        self.detail.put(seen, next((reason.observation for reason in verdict.because), ""))
        self._standing_verdict.put(told)
        self._draw_saved()

    def _draw_saved(self) -> None:
        kept = self._kept
        run = str(kept.run) if kept is not None and kept.seen == self.seen else ""
        self._standing_header.put(show.header(self.seen, self.verdict, run))
        if kept is None:
            self.saved.text = ""
            self._standing_links.put(paragraph(_NOTHING_SAVED))
        elif run:
            self.saved.text = (
                f"Saved in {address(kept.run)}: packet.md and packet.json to hand over, evidence.json, verdict.json."
            )
            self._standing_links.put(kept.followed)
        else:
            changed = "What is shown now is not saved: it changed since the packet was saved. Save the packet again."
            self.saved.text = changed
            self._standing_links.put(paragraph(f"{changed} What was saved before, of another state, is in {kept.run}."))

    def _save(self) -> None:
        with self._lock:
            seen, verdict = self.seen, self.verdict
        if not seen.observations:
            self.saved.text = _NOTHING_TO_SAVE
            return
        try:
            root = archive_root("").absolute()
            run = archive_record(root, seen, verdict)
            folder = Path(NEXT_FOLDER, run.name)
            chosen = [(following.name, following.why) for following in follows(seen, verdict)]
            # All of them, as each links to others.
            for name in runbooks.names():
                prepare(name, run, folder, seen, tested_here=self._tested_here)
        except ArchiveError as error:
            self.saved.text = f"Not saved: {error}"
            return
        except OSError as error:
            where = Secrets.from_environment(os.environ).redact_text(str(error.filename or "the archive"))
            self.saved.text = (
                f"Not saved: {error.strerror}, {where}. Make room there or set {ARCHIVE_VARIABLE}, and press again."
            )
            return
        followed = self._followed(run, folder, chosen)
        with self._lock:
            self._kept = _Saved(seen=seen, run=run, followed=followed)
            self._draw_saved()

    def _followed(self, run: Path, folder: Path, chosen: list[tuple[str, str]]) -> View:
        """What to hand over, and what to open next."""
        there = (
            listing(
                "Next, with the same evidence or on the same route",
                [f"{name}: {why}" for name, why in chosen],
                none="Nothing.",
            ),
            paragraph(f"{_ONLY_JUPYTERLAB} {folder.absolute()}."),
        )
        here = (links("Open next, with the same evidence or on the same route", chosen, str(folder)),)
        alone = self._standing_links.in_voila
        return together(packet_of(run, linked=not alone), *(there if alone else here))
