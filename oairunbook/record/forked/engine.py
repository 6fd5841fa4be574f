"""papermill's engine with a forked kernel, for plain papermill: `papermill --engine oairunbook IN OUT`."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from papermill.engines import NBClientEngine

from oairunbook.record.forked.children import forkable


class ForkedEngine(NBClientEngine):  # type: ignore[misc]
    """Executes as papermill's own engine does, but the kernel is a fork of this process, and no fixed wait is waited.

    Where processes cannot be forked, or this one has done something else before, the kernel is started: it would find all of that.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
        """Execute a notebook; for the arguments see `NBClientEngine`."""
        if forkable() and _is_papermill_alone():
            # Here and not above: papermill loads every engine whenever it starts.
            from oairunbook.record.forked.seed import plant

            # No process or memory left for one: whoever starts a kernel instead says so.
            with suppress(OSError):
                options = {"shutdown_kernel": "immediate", **options, "config": plant()}
        return super().execute_managed_notebook(nb_man, kernel_name, **options)


def _is_papermill_alone() -> bool:
    """Whether this is the command `papermill`, with no thread besides that of its progress bar, and no program that calls its API."""
    main = sys.modules["__main__"]
    module = getattr(main.__spec__, "name", "")
    command = module == "papermill.__main__" or Path(getattr(main, "__file__", None) or "").name == "papermill"
    return command and all(
        t is threading.main_thread() or type(t).__name__ == "TMonitor" for t in threading.enumerate()
    )
