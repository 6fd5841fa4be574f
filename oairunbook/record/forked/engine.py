"""papermill's engine with a forked kernel, for plain papermill: `papermill --engine oairunbook IN OUT`."""

from __future__ import annotations

import threading
from typing import Any

from papermill.engines import NBClientEngine

from oairunbook.record.forked.children import forkable


class ForkedEngine(NBClientEngine):  # type: ignore[misc]
    """Executes as papermill's own engine does, but the kernel is a fork of this process, and no fixed wait is waited.

    Where processes cannot be forked, or this one already has threads besides that of papermill's progress bar, the kernel is started.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
        """Execute a notebook; for the arguments see `NBClientEngine`."""
        if forkable() and _threads_allow():
            # Here and not above: papermill loads every engine whenever it starts.
            from oairunbook.record.forked.seed import plant

            options = {"shutdown_kernel": "immediate", **options, "config": plant()}
        return super().execute_managed_notebook(nb_man, kernel_name, **options)


def _threads_allow() -> bool:
    return all(t is threading.main_thread() or type(t).__name__ == "TMonitor" for t in threading.enumerate())
