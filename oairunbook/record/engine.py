"""The child process that executes one notebook with papermill and writes down what really happened to each cell.

papermill reports cells that never ran as completed after a timeout or a killed kernel, and writes its output in place. So this engine
keeps a journal of its own, one JSON line an event, each on the disk before the next step; and every state of the notebook is saved whole.
When it ends, it ends all that the notebook has started; and when whoever started it is gone, it writes the record itself.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from traitlets.config import Config

from oairunbook.record import at_start  # noqa: F401 - before nbformat
from oairunbook.record.files import write_whole
from oairunbook.record.forked import seed
from oairunbook.record.forked.children import forkable
from oairunbook.record.outcome import JOURNAL, SNAPSHOT, Job, finish
from oairunbook.record.processes import adopt_orphans, end_descendants
from oairunbook.record.scratch import hold
from oairunbook.redaction import Secrets


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


class Snapshots:
    """The notebook as it stands, written whole, each time on the disk before the next step.

    It is written before the journal says that a cell has ended, so no cell is called done whose outputs are lost. papermill saves at the
    begin and at the end of every cell besides, markdown too: that adds nothing, but for what a long cell has left so far.
    """

    def __init__(self, path: Path, text: Callable[[], str]):
        self._path = path
        self._text = text
        self._written = 0.0
        self._due = False

    def write(self) -> None:
        """Write it now."""
        write_whole(self._path, self._text().encode("utf-8"))
        self._written = time.monotonic()
        self._due = False

    def expect(self) -> None:
        """Let the next `save` write in any case."""
        self._due = True

    def save(self) -> None:
        """Write it, if that is worth it."""
        if self._due or time.monotonic() - self._written > _LONG_SECONDS:
            self.write()


_LONG_SECONDS = 5.0


def main() -> None:
    """Execute the notebook. The exit status says nothing: the journal does."""
    # First of all: its kernel has what this process has by now.
    config = Config()
    if forkable():
        # Where the system has no process or memory left for a fork, a kernel is started.
        with suppress(OSError):
            config = seed.plant()
    job = Job(**json.loads(sys.stdin.buffer.readline()))
    # Also where the process that made it is gone: the record is made of what is in it.
    hold(Path(job.folder))
    orphaned = threading.Event()
    # What a cell starts, and what that starts, stays below this process, so it can be found and ended.
    adopt_orphans()
    journal = Journal(Path(job.folder) / JOURNAL)

    began = time.monotonic()

    def leave() -> None:
        end_descendants()
        if orphaned.is_set():
            finish(job, "interrupt", Secrets.from_environment(os.environ), seconds=time.monotonic() - began)
            shutil.rmtree(job.folder, ignore_errors=True)

    def stop_early(*_: Any) -> None:
        leave()
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop_early)
    threading.Thread(target=_watch_parent, args=(orphaned,), name="parent", daemon=True).start()
    try:
        _execute(job, journal, leave, config)
    except Exception as error:
        # Whatever ends the notebook early is what the journal is for.
        journal.note("stopped", reason=_reason(error), text=_text(error))
    else:
        journal.note("done")
    leave()


def _watch_parent(orphaned: threading.Event) -> None:
    """Standard input stays open as long as the parent lives, however it ends; nothing is written to it any more."""
    sys.stdin.buffer.read()
    orphaned.set()
    os.kill(os.getpid(), signal.SIGTERM)


def _execute(job: Job, journal: Journal, leave: Callable[[], None], config: Config) -> None:
    import papermill
    from papermill.engines import NBClientEngine, papermill_engines

    # Loopback TCP can be listened to by other users of this machine, and ipykernel warns of it each time. Without a path of
    # its own the sockets lie in the working folder, where two runs take each other's (jupyter_client 8.6).
    # The file with the connection's key would stay among the temporary ones when this process is ended.
    own = Path(job.folder)
    config.KernelManager.update(
        {"transport": "ipc", "ip": str(own / "ipc"), "connection_file": str(own / "connection.json")}
    )

    class TruthfulEngine(NBClientEngine):  # type: ignore[misc]
        """papermill's engine, with a journal, and with saves that are whole or not there."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
            # Whoever reads it checks it. To check, copy and indent it at the end of every cell took most of the engine's time.
            snapshots = Snapshots(Path(job.folder) / SNAPSHOT, lambda: json.dumps(nb_man.nb))

            def save(**_: Any) -> None:
                snapshots.save()
                nb_man.last_save_time = nb_man.now()

            def ended(cell: Any, execute_reply: Any, **_: Any) -> None:
                snapshots.write()
                journal.note("end", cell=cell.id, ok=execute_reply["content"]["status"] == "ok")

            def stop(*_: Any) -> None:
                # Once is enough: a second signal must not break off what the first one writes.
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                snapshots.write()
                leave()
                os._exit(128 + signal.SIGTERM)

            nb_man.save = save
            snapshots.write()
            # The parent's deadline, or its end: keep what is there and go.
            signal.signal(signal.SIGTERM, stop)
            try:
                NBClientEngine.execute_managed_notebook(
                    nb_man,
                    kernel_name,
                    on_cell_execute=lambda cell, cell_index: journal.note("begin", cell=cell.id),  # noqa: ARG005
                    on_cell_executed=ended,
                    # A hung kernel answers no request to shut down, and what is left is ended in any case.
                    shutdown_kernel="immediate",
                    store_widget_state=False,
                    # A file of the working folder must not pass for a module (openai.py beside an application is common).
                    extra_arguments=[
                        "--InteractiveShellApp.ignore_cwd=True",
                        "--InteractiveShellApp.exec_PYTHONSTARTUP=False",
                    ],
                    config=config,
                    **options,
                )
            finally:
                # papermill still notes the end of the notebook.
                snapshots.expect()

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


def _text(error: Exception) -> str:
    """What ended it, in one line; the traceback stands in the notebook."""
    from nbclient.exceptions import CellTimeoutError
    from papermill.exceptions import PapermillExecutionError

    match error:
        case PapermillExecutionError():
            return f"a cell raised {error.ename}: {error.evalue}"[:2000]
        case CellTimeoutError():
            return "a cell was not done in its time"
        case _:
            return f"{type(error).__name__}: {error}"[:2000]


if __name__ == "__main__":
    main()
