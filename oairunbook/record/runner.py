"""Execute one notebook so that its record is true: states of our own, a deadline, and nothing left running.

The notebook runs in a child process and that child's kernel. Whatever either of them starts is ended when the notebook is: the child ends
what is below it, and what outlives a killed child is found by the mark in its environment.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from oairunbook.record.forked.children import Forked, Nursery, NurseryError, inherited
from oairunbook.record.outcome import Ended, Execution, Job, finish
from oairunbook.record.processes import MARK_VARIABLE, end_marked
from oairunbook.record.runbooks import Value
from oairunbook.record.scratch import scratch
from oairunbook.record.show import RUN_VARIABLE
from oairunbook.redaction import Secrets

_GRACE_SECONDS = 10.0
"""How long the engine may take to end what the notebook started."""

_POLL_SECONDS = 0.05

_MOST_AT_ONCE = 4
"""Each of them is an engine and a kernel, of about 60 MB that no other process shares."""


def execute(
    source: Path,
    target: Path,
    *,
    parameters: Mapping[str, Value],
    environment: Mapping[str, str],
    run: str,
    seconds: float,
    cell_seconds: float,
    practice: str | None = None,
    hidden: Mapping[str, str] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    nursery: Nursery | None = None,
) -> Execution:
    """Execute *source* and write the executed notebook to *target*, whole.

    Args:
        source: The notebook; it is only read.
        target: Where the executed notebook goes. It is written however the execution ends, also when this process is killed.
        parameters: Checked values, see `runbooks.checked`.
        environment: Of the kernel, without the marks that this adds.
        run: Id of the run.
        seconds: Deadline of the whole notebook.
        cell_seconds: Deadline of each cell; rounded up to whole seconds, which is all that nbclient takes.
        practice: The lab's fault, for the metadata.
        hidden: Texts, such as temporary paths, and what stands in their place in the record.
        stopped: Asked again and again; once it is true, the execution ends and what there is is written.
        nursery: Forks the engine; it is started if there is none.
    """
    mark = f"{run}/{source.stem}/{os.getpid()}"
    with scratch() as folder:
        job = Job(
            source=str(source),
            target=str(target),
            folder=str(folder),
            run=run,
            parameters=dict(parameters),
            seconds=seconds,
            cell_seconds=math.ceil(cell_seconds),
            practice=practice,
            hidden=dict(hidden or {}),
        )
        own = {**_private_jupyter(folder), RUN_VARIABLE: run, MARK_VARIABLE: mark}
        began = time.monotonic()
        ended: Ended = "itself"
        with (folder / "log").open("wb") as log:
            child = _engine(environment, own, log, nursery)
            try:
                _hand_over(child, job)
                while ended == "itself" and not _ends_within(child, _POLL_SECONDS):
                    if stopped():
                        ended = "interrupt"
                    elif time.monotonic() - began > seconds:
                        ended = "deadline"
            finally:
                _end(child)
                end_marked(mark, child.pid)
        told = (folder / "log").read_text("utf-8", "replace")[-2000:]
        secrets = Secrets.from_environment(environment).with_urls(*_texts(parameters))
        return finish(job, ended, secrets, seconds=time.monotonic() - began, told=told)


def _texts(parameters: Mapping[str, Value]) -> list[str]:
    """Parameters that may be a URL."""
    return [value for value in parameters.values() if isinstance(value, str) and "://" in value]


def side_by_side(
    sources: Sequence[Path], execute: Callable[[Path], Execution], give_up: Callable[[], None]
) -> list[Execution]:
    """Execute notebooks that do not wait for each other, as many at once as there are processors for; the results are in the order of *sources*.

    Args:
        sources: The notebooks.
        execute: Executes one of them; called in a thread of its own.
        give_up: Called when one of them, or the wait for them, raises: makes the others end.
    """
    with ThreadPoolExecutor(max_workers=min(_MOST_AT_ONCE, len(os.sched_getaffinity(0)))) as threads:
        try:
            return list(threads.map(execute, sources))
        except BaseException:
            give_up()
            raise


def _engine(
    environment: Mapping[str, str], own: Mapping[str, str], log: BinaryIO, nursery: Nursery | None
) -> subprocess.Popen[bytes] | Forked:
    """The engine's process, leader of a session of its own."""
    if nursery is not None:
        try:
            return nursery.fork({**inherited(environment), **own}, log)
        except NurseryError:
            # The slower way has no other result.
            pass
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "oairunbook.record.engine"],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        env={**inherited(environment), **own},
        start_new_session=True,
    )


def _hand_over(child: subprocess.Popen[bytes] | Forked, job: Job) -> None:
    """Write the job, and keep the pipe open: its end tells the engine that this process is gone."""
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(asdict(job)).encode("utf-8") + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        # It has ended already; what it wrote to its log says why.
        pass


def _ends_within(child: subprocess.Popen[bytes] | Forked, seconds: float) -> bool:
    """Wait for its end, at most so long; whoever waits for a notebook goes on at once."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(child: subprocess.Popen[bytes] | Forked) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdin is not None:
        try:
            child.stdin.close()
        except BrokenPipeError:
            pass


def _private_jupyter(folder: Path) -> dict[str, str]:
    """Keep the user's start-up files, kernels and history out of the record, and ours out of the user's folders."""
    return {
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
