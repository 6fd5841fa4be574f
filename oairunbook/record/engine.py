"""The child process that executes one notebook with papermill and writes down what really happened to each cell.

papermill reports cells that never ran as completed after a timeout or a killed kernel, and writes its output in place. So this engine
keeps a journal of its own, one JSON line an event, each on the disk before the next step; and every state of the notebook is saved whole.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oairunbook.record.files import write_whole

SNAPSHOT = "notebook.ipynb"
JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the parent asks for, as JSON on standard input."""

    source: str
    folder: str
    """Private folder of this execution: journal and snapshot appear there."""

    parameters: dict[str, Any]
    cell_seconds: int


class Journal:
    """Events in the order in which they happened."""

    def __init__(self, path: Path):
        self._file = path.open("ab", buffering=0)
        self._began = time.monotonic()

    def note(self, event: str, **details: Any) -> None:
        """Append one event and bring it to the disk."""
        line = {"event": event, "seconds": round(time.monotonic() - self._began, 3), **details}
        self._file.write(json.dumps(line).encode("utf-8") + b"\n")
        os.fsync(self._file.fileno())


def main() -> None:
    """Execute the notebook. The exit status says nothing: the journal does."""
    job = Job(**json.load(sys.stdin))
    journal = Journal(Path(job.folder) / JOURNAL)
    try:
        _execute(job, journal)
    except Exception as error:
        # Whatever ends the notebook early is what the journal is for.
        journal.note("stopped", reason=_reason(error), text=f"{type(error).__name__}: {error}"[:2000])
    else:
        journal.note("done")


def _execute(job: Job, journal: Journal) -> None:
    import nbformat
    import papermill
    from papermill.engines import NBClientEngine, papermill_engines
    from traitlets.config import Config

    class TruthfulEngine(NBClientEngine):  # type: ignore[misc]
        """papermill's engine, with a journal, and with saves that are whole or not there."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
            def save(**_: Any) -> None:
                write_whole(Path(job.folder) / SNAPSHOT, nbformat.writes(nb_man.nb).encode("utf-8"))
                nb_man.last_save_time = nb_man.now()

            def stop(*_: Any) -> None:
                save()
                os._exit(128 + signal.SIGTERM)

            nb_man.save = save
            save()
            # The parent's deadline: keep what is there and go. The kernel is ended by the parent, with all that it started.
            signal.signal(signal.SIGTERM, stop)
            NBClientEngine.execute_managed_notebook(
                nb_man,
                kernel_name,
                on_cell_execute=lambda cell, cell_index: journal.note("begin", cell=cell.id),  # noqa: ARG005
                on_cell_executed=lambda cell, cell_index, execute_reply: journal.note(  # noqa: ARG005
                    "end", cell=cell.id, ok=execute_reply["content"]["status"] == "ok"
                ),
                # A hung kernel answers no request to shut down; the parent ends what is left in any case.
                shutdown_kernel="immediate",
                store_widget_state=False,
                # Loopback TCP can be listened to by other users of this machine, and ipykernel warns of it each time.
                config=Config({"KernelManager": {"transport": "ipc"}}),
                **options,
            )

    papermill_engines.register("oairunbook", TruthfulEngine)
    papermill.execute_notebook(
        # Braces are format fields in papermill's paths.
        job.source.replace("{", "{{").replace("}", "}}"),
        None,
        parameters=job.parameters,
        engine_name="oairunbook",
        kernel_name="python3",
        progress_bar=False,
        execution_timeout=job.cell_seconds,
    )


def _reason(error: Exception) -> str:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    match error:
        case CellTimeoutError():
            return "timed_out"
        case DeadKernelError():
            return "killed"
        case PapermillExecutionError():
            return "cell_failed"
        case _:
            return "tool_failed"


if __name__ == "__main__":
    main()
