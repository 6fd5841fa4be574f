"""A kernel forked from this process, in the place of one that is started."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import os
import signal
import socket
import sys
import time
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path
from queue import Empty
from typing import Any, NoReturn

import nbformat
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets.config import Config

from oairunbook.evidence import Evidence, reader
from oairunbook.record import at_start
from oairunbook.record.processes import call_myself, end_with_parent

_IMPORTED = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    # Every kernel loads it as it starts, and debugpy with it, whether somebody debugs or not.
    "ipykernel.debugger",
    "ipywidgets",
    "oairunbook.record.show",
    "oairunbook.record.source",
    "oairunbook.observe.walk",
)
"""What kernels of the runbook's notebooks import. The SDK is not among them: it reads its variables when it is imported, and what that costs is evidence."""

_PROVISIONER = "oairunbook-forked"
_LAUNCHER = "ipykernel_launcher"
_READY_SECONDS = 1.0
_SUBSCRIBED_SECONDS = 0.03
"""IOPub keeps nothing for those who are not connected yet: what was not heard so soon was said before, and is asked for again."""

_POLL_SECONDS = 0.005
_KILLED_SECONDS = 1.0


def preload() -> None:
    """Import what kernels need. What cannot be imported here says so in the notebook that needs it."""
    for name in _IMPORTED:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    reader(Evidence)
    # Compiles the schema of notebooks, which engines validate.
    nbformat.validate(nbformat.v4.new_notebook())


def fork() -> int:
    """A child process. The only threads here are those that numpy's library of linear algebra starts, and it prepares them for this itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


class Seed:
    """A process that waits to become a kernel; it was forked while this one had done nothing but import."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.pid = fork()
        if self.pid == 0:
            ours.close()
            _wait(theirs)
        theirs.close()
        self._told = ours

    def grow(self, argv: list[str], environment: dict[str, str], folder: str) -> None:
        """Become a kernel with these arguments of ipykernel, in this environment and working folder."""
        told = json.dumps({"argv": argv, "environment": environment, "folder": folder})
        # If it was killed, whoever asks it for an answer will notice.
        with self._told as connection, contextlib.suppress(BrokenPipeError):
            connection.sendall(told.encode("utf-8", "surrogateescape"))


def _wait(connection: socket.socket) -> NoReturn:
    status = 1
    try:
        # With its engine it ends, however that ends. Signals to the kernel reach what it starts, and not its engine.
        end_with_parent()
        os.setpgid(0, 0)
        call_myself("runbook-kernel")
        with connection.makefile("rb") as told:
            data = told.read()
        connection.close()
        if data:
            _become_kernel(**json.loads(data))
            status = 0
    finally:
        # No return into the engine's stack, and none of its clean-up.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _become_kernel(argv: list[str], environment: dict[str, str], folder: str) -> None:
    from ipykernel.kernelapp import IPKernelApp

    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [_LAUNCHER, *argv]
    at_start.restore()
    # What papermill has set up for itself: where it logs, and the folder of its script.
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)
    if not sys.flags.safe_path:
        del sys.path[0]
    # jupyter_client tells a kernel its parent before ipykernel is imported; one without a parent prints how to connect to it.
    IPKernelApp.launch_instance([*argv, f"--IPKernelApp.parent_handle={os.getppid()}"])


class _Child:
    """A child process, with what `LocalProvisioner` uses of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int):
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._reap(os.WNOHANG)

    def wait(self) -> int | None:
        return self._reap(0)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _reap(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


class ForkedProvisioner(LocalProvisioner):
    """Grows the one seed of this process into the kernel; a second kernel, or one of another interpreter, is started."""

    seed: Seed | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Tell the seed what it becomes; returns how to connect to it."""
        seed, ForkedProvisioner.seed = ForkedProvisioner.seed, None
        if seed is None or not _is_like_this_process(cmd, kwargs["env"]):
            return await super().launch_kernel(cmd, **kwargs)
        folder = str(kwargs.get("cwd") or Path.cwd())
        seed.grow(cmd[cmd.index(_LAUNCHER) + 1 :], kwargs["env"], folder)
        self.process = _Child(seed.pid)  # type: ignore[assignment]
        self.pid = self.pgid = seed.pid
        self.cwd = folder
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """And wait for its end: whoever asked for it looks at once, and then only every tenth of a second."""
        await super().kill(restart)
        await self._ended(time.monotonic() + _KILLED_SECONDS)

    async def wait(self) -> int | None:
        """Without the tenth of a second that the other one always waits."""
        await self._ended(float("inf"))
        return await super().wait()

    async def _ended(self, last: float) -> None:
        while self.process is not None and self.process.poll() is None and time.monotonic() < last:
            await asyncio.sleep(_POLL_SECONDS)


def _is_like_this_process(cmd: list[str], environment: dict[str, str]) -> bool:
    """Whether a kernel is started by this interpreter, and with the options and variables that an interpreter reads as it starts."""
    if _LAUNCHER not in cmd:
        return False
    before = cmd[: cmd.index(_LAUNCHER)]
    read = {name for name in {*environment, *os.environ} if name.startswith("PYTHON") or name in _READ_AT_START}
    return (
        before[0] == sys.executable
        and before[-1] == "-m"
        and set(before[1:-1]) <= _OF_EVERY_KERNEL
        and all(environment.get(name) == os.environ.get(name) for name in read)
    )


_READ_AT_START = frozenset({"LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_PRELOAD", "LD_LIBRARY_PATH"})
_OF_EVERY_KERNEL = frozenset({"-Xfrozen_modules=off"})
"""ipykernel's own kernelspec has it, for debuggers."""


class PromptClient(AsyncKernelClient):
    """Ready as soon as the kernel has answered on both channels, without waiting two tenths of a second for nothing more."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait for the answer to a request for the kernel's information, and for the end of that request on IOPub.

        Raises:
            RuntimeError: The kernel has died, or it does not answer in time.
        """
        last = time.monotonic() + timeout if timeout is not None else float("inf")
        while True:
            asked = self.kernel_info()
            if await self._answered(asked):
                return
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if time.monotonic() > last:
                raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")

    async def _answered(self, asked: str) -> bool:
        """Whether both channels told of this request; not so if IOPub was not connected yet when the kernel spoke."""
        try:
            while (reply := await self.get_shell_msg(timeout=_READY_SECONDS))["parent_header"].get("msg_id") != asked:
                pass
            while True:
                told = await self.get_iopub_msg(timeout=_SUBSCRIBED_SECONDS)
                idle = told["msg_type"] == "status" and told["content"]["execution_state"] == "idle"
                if idle and told["parent_header"].get("msg_id") == asked:
                    self._handle_kernel_info_reply(reply)
                    return True
        except Empty:
            return False


def plant() -> Config:
    """Fork the seed of this process's kernel; what is returned makes nbclient grow it.

    Call it while nothing but imports has happened: what this process has by then, the kernel has.
    """
    preload()
    ForkedProvisioner.seed = Seed()
    factory = KernelProvisionerFactory.instance()
    value = f"{__name__}:{ForkedProvisioner.__name__}"
    factory.provisioners[_PROVISIONER] = EntryPoint(_PROVISIONER, value, KernelProvisionerFactory.GROUP_NAME)
    factory.default_provisioner_name = _PROVISIONER
    return Config({"KernelManager": {"client_factory": PromptClient}})
