"""The side of `oairunbook run`: the nursery, and the engines that it forks."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from typing import BinaryIO

REQUEST_BYTES = 1 << 16
_ANSWER_SECONDS = 20.0
"""How long a nursery may take for its imports on a machine that is busy."""


LEFT_OUT = ("JUPYTER_PATH", "JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH", "PYTHONSTARTUP")
"""Variables that would put somebody's own kernel, settings or start-up file in the record's place."""


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """What engines and their kernels get of an environment."""
    return {name: value for name, value in environment.items() if name not in LEFT_OUT}


def forkable() -> bool:
    """Whether this platform forks safely, with signals at a parent's death (prctl(2)) and descriptors of processes (pidfd_open(2))."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


class NurseryError(Exception):
    """It does not answer; processes have to be started instead."""


def nursery(environment: Mapping[str, str]) -> AbstractContextManager[Nursery | None]:
    """What forks the engines of a run, where processes can be forked; it makes each notebook a second shorter.

    Its imports take a second: it should begin before whoever needs it begins with their own.
    """
    return closing(Nursery(inherited(environment))) if forkable() else nullcontext()


class Nursery:
    """Forks engines from a process that has imported what they need. It ends with `close`, or with this process."""

    def __init__(self, environment: Mapping[str, str]):
        """*environment* is its own; each engine gets another one."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-P", "-m", "oairunbook.record.forked.nursery", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                start_new_session=True,
            )
        ours.settimeout(_ANSWER_SECONDS)
        self._control = ours
        self._environment = dict(environment)
        self._asked = threading.Lock()

    def fork(self, environment: Mapping[str, str], log: BinaryIO) -> Forked:
        """Fork an engine with exactly these variables, whose output goes to *log*.

        Raises:
            NurseryError: The nursery has ended or is stuck.
        """
        reading, writing = os.pipe()
        try:
            # Most of it is the nursery's own: what differs has to fit into one message.
            differs = {name: value for name, value in environment.items() if self._environment.get(name) != value}
            absent = [name for name in self._environment if name not in environment]
            request = json.dumps({"differs": differs, "absent": absent}).encode()
            with self._asked:
                socket.send_fds(self._control, [request], [reading, log.fileno()])
                answer, descriptors, _, _ = socket.recv_fds(self._control, REQUEST_BYTES, 1)
            if not answer or not descriptors:
                raise NurseryError("the nursery has ended")
        except (OSError, NurseryError) as error:
            os.close(writing)
            # An answer that comes late would be taken for that to the next request.
            self._control.close()
            raise NurseryError(f"no engine was forked: {error}") from error
        finally:
            os.close(reading)
        return Forked(int(answer), descriptors[0], os.fdopen(writing, "wb", buffering=0))

    def close(self) -> None:
        """End it. It never has anything to write."""
        self._control.close()
        self._process.kill()
        self._process.wait()


class Forked:
    """A process that is no child of this one, with what the runner uses of `subprocess.Popen`."""

    def __init__(self, pid: int, descriptor: int, stdin: BinaryIO):
        self.pid = pid
        self.stdin = stdin
        self._descriptor = descriptor
        self._ended = False

    def poll(self) -> int | None:
        """0 once it has ended, however it did; its exit status is its parent's."""
        return 0 if self._has_ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: It has not ended in time.
        """
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired("engine", timeout or 0.0)
        return 0

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it (SIGKILL)."""
        self._signal(signal.SIGKILL)

    def _has_ended(self, timeout: float | None) -> bool:
        if not self._ended and select.select([self._descriptor], [], [], timeout)[0]:
            self._ended = True
            os.close(self._descriptor)
        return self._ended

    def _signal(self, number: signal.Signals) -> None:
        if not self._ended:
            try:
                signal.pidfd_send_signal(self._descriptor, number)
            except ProcessLookupError:
                pass
