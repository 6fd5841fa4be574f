"""Static results that change while somebody works, and stay in the saved notebook."""

from __future__ import annotations

import os
from typing import Any

from IPython.display import display

from oairunbook.record.view import View


class Standing:
    """An output that the panel replaces. Unlike a widget it can be read in an untrusted, exported or archived notebook."""

    def __init__(self) -> None:
        self._view: View | None = None
        self._handle: Any = None

    def put(self, view: View) -> None:
        """Show this from now on."""
        self._view = view
        if self._handle is not None:
            self._handle.update(view)

    @property
    def hidden(self) -> bool:
        """Voilà's page takes no updates of outputs: this would stay as it began, so widgets have to show it."""
        return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")

    def _ipython_display_(self) -> None:
        if self.hidden:
            return
        if self._view is not None:
            self._handle = display(self._view, display_id=True)  # type: ignore[no-untyped-call]
