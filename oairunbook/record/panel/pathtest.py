"""The same-path test as a part of a panel: choose the route, start, watch the steps, cancel."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import ipywidgets as widgets

from oairunbook import check
from oairunbook.evidence import Evidence
from oairunbook.observe import DEFAULT_REPEAT, CutShortError
from oairunbook.record.archive.find import ARCHIVE_VARIABLE
from oairunbook.record.panel.controls import FreeText, Status, button, dropdown, number, put, shown
from oairunbook.record.source import DEFAULT_BUDGET
from oairunbook.record.view import View, listing, paragraph
from oairunbook.redaction import Secrets

_ROUTES = (
    ("as the SDK's settings say", "auto"),
    ("direct: the API itself", "direct"),
    ("Azure", "azure"),
    ("gateway in front of the API", "gateway"),
)
_MOST_LINES = 60
"""Lines of progress that are kept on show; a test with many attempts begins more steps than anybody reads."""

_ATTEMPTS = "So often the path is tried, without credentials, to see faults that come and go."

_EVERY_SECONDS = 0.1
"""How often the progress is drawn at most."""

_CLOCK_SECONDS = 1.0
"""How often the time is drawn while no step begins."""


class PathTest:
    """Controls of one test at a time. What it saw goes to *done*; it judges nothing."""

    def __init__(
        self,
        done: Callable[[Evidence], None],
        *,
        changed: Callable[[], None] | None = None,
        base_url: str = "",
        model: str = "",
        route: str = "auto",
        timeout: float = 5.0,
        budget: float = DEFAULT_BUDGET,
        archive: Callable[[], str] = lambda: os.environ.get(ARCHIVE_VARIABLE, ""),
    ) -> None:
        """*done* gets what was seen, in the thread of the test; *changed* is called when route, base URL or model were changed.

        *archive* names the folder whose key fingerprints the API key when a test begins.
        """
        self._done = done
        self._archive = archive
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self.base_url = FreeText("Base URL", told=changed, hint="empty: as the SDK has it")
        self.model = FreeText("Model or deployment", told=changed, hint="empty: a small one")
        self.base_url.text, self.model.text = base_url, model
        self.route = dropdown("Route", _ROUTES)
        self.route.value = route
        if changed is not None:
            self.route.observe(lambda _: changed(), "value")
        self.timeout = number("Seconds a step", max(1, round(timeout)), 1, 300)
        self.budget = number("Seconds in all", max(1, round(budget)), 1, 3600)
        self.repeat = number("Attempts", DEFAULT_REPEAT, 1, 1000)
        self.control = widgets.Checkbox(
            value=True,
            indent=False,
            description="Azure or gateway: also try the direct route",
            layout=widgets.Layout(width="auto"),
        )
        self.start = button("Test the path from here", self._start, primary=True)
        # Never disabled: a control that is disabled while it has the focus drops it, and the keyboard's user with it.
        self.cancel = button("Cancel", self._cancel)
        self.status = Status()
        self.progress = shown()
        self.widget = widgets.VBox(
            [
                self.route,
                self.base_url,
                self.model,
                self.timeout,
                self.budget,
                self.repeat,
                shown(paragraph(_ATTEMPTS)),
                self.control,
                widgets.HBox([self.start, self.cancel]),
                self.status,
                self.progress,
            ]
        )

    def reset(self, *, route: str, model: str) -> None:
        """Show nothing of the test before, and begin the next with these."""
        self.route.value = route
        self.model.set_text(model)
        self.base_url.set_text("")
        self.start.disabled = False
        self.status.text = ""
        put(self.progress, None)

    def wait(self, seconds: float) -> bool:
        """Wait for the test under way, at most so long; whether none is under way any more."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        self._cancelled.clear()
        self.status.text = "Testing. Cancel ends it at once; what was seen is kept."
        self.start.disabled = True
        self.cancel.focus()
        self._thread = threading.Thread(target=self._run, name="oairunbook panel", daemon=True)
        self._thread.start()

    def _cancel(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self.status.text = "No test is under way, so there is nothing to cancel."
        self._cancelled.set()

    def _run(self) -> None:
        lines = _Lines(self.progress)
        control_url = None if self.control.value else ""
        try:
            seen = check(
                self.base_url.text,
                self.model.text,
                self.route.value,
                float(self.timeout.value),
                float(self.budget.value),
                self._archive(),
                self.repeat.value,
                control_url=control_url,
                progress=lines.add,
                cancelled=self._cancelled,
            ).evidence
            ended = f"The test is done: {len(seen.observations)} observations in {seen.seconds:.1f} s."
        except CutShortError as cut:
            seen = cut.evidence
            why = (
                "Cancelled" if isinstance(cut.__cause__, KeyboardInterrupt) else f"Broken off ({_told(cut.__cause__)})"
            )
            ended = f"{why} after {len(seen.observations)} observations. They are judged as far as they go."
        except Exception as error:
            lines.fold()
            self._end(f"This tool failed, and nothing is proved by that. {_told(error)}")
            return
        lines.fold()
        self._end(ended)
        self._done(seen)

    def _end(self, text: str) -> None:
        self.status.text = text
        self.start.disabled = False


class _Lines:
    """The steps as they begin."""

    def __init__(self, place: widgets.HTML) -> None:
        self._place = place
        self._lines: list[str] = []
        self._began = time.monotonic()
        self._drawn = 0.0
        self._folded = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._tick, name="oairunbook clock", daemon=True).start()
        self._secrets = Secrets.from_environment(os.environ)
        put(place, None)

    def add(self, text: str) -> None:
        seconds = time.monotonic() - self._began
        self._lines.append(f"{seconds:.2f} s  {self._secrets.redact_text(text)}")
        if seconds - self._drawn > _EVERY_SECONDS:
            self._drawn = seconds
            self.draw()

    def draw(self) -> None:
        """Show the last lines, and how long it has taken by now."""
        with self._lock:
            if not self._folded.is_set():
                seconds = time.monotonic() - self._began
                put(self._place, self._listing(f"Under way for {seconds:.0f} s. Steps as they began"))

    def fold(self) -> None:
        """Make room for the result."""
        with self._lock:
            self._folded.set()
            lines = self._listing("Steps as they began")
            summary = f"The {len(self._lines)} steps as they began"
            put(self._place, View(html=f"<details><summary>{summary}</summary>{lines.html}</details>", text=lines.text))

    def _tick(self) -> None:
        # A silent peer begins no step for seconds, and what stands still looks dead.
        while not self._folded.wait(_CLOCK_SECONDS):
            self.draw()

    def _listing(self, title: str) -> View:
        left_out = len(self._lines) - _MOST_LINES
        more = [f"… and {left_out} before these"] if left_out > 0 else []
        return listing(title, [*more, *self._lines[-_MOST_LINES:]], none="No step has begun.")


def _told(error: BaseException | None) -> str:
    text = f"{type(error).__name__}: {error}"
    return Secrets.from_environment(os.environ).redact_text(text)[:500]
