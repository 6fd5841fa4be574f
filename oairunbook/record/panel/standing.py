"""Static results that change while somebody works, and stay in the saved notebook."""

from __future__ import annotations

import os
from typing import Any

import ipywidgets as widgets
from IPython.display import display

from oairunbook.record.panel.controls import put, shown
from oairunbook.record.view import View


class Standing:
    """An output that the panel replaces. Unlike a widget it can be read in an untrusted, exported or archived notebook.

    Voilà's page takes no updates of outputs, and saves nothing: there a widget shows the same.
    """

    def __init__(self) -> None:
        self._view: View | None = None
        self._handle: Any = None
        self._place: widgets.HTML | None = shown() if self.in_voila else None

    def put(self, view: View) -> None:
        """Show this from now on."""
        self._view = view
        if self._place is not None:
            put(self._place, view)
        elif self._handle is not None:
            self._handle.update(view)

    @property
    def in_voila(self) -> bool:
        """Whether this kernel serves a page of Voilà."""
        return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")

    def _ipython_display_(self) -> None:
        if self._place is not None:
            display(self._place)  # type: ignore[no-untyped-call]
        elif self._view is not None:
            self._handle = display(self._view, display_id=True)  # type: ignore[no-untyped-call]
