"""The process from which the engine of each notebook is forked: `python -m oairunbook.record.forked.nursery DESCRIPTOR`.

It imports what engines and kernels need, and then does nothing but fork: each request brings what the child's environment has otherwise, its
standard input and its log; the answer is the child's id with a descriptor of it (pidfd_open(2)). It ends when whoever asks is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from typing import Any, NoReturn

from oairunbook.record import at_start, engine  # noqa: F401 - before papermill, which imports nbformat
from oairunbook.record.forked.children import REQUEST_BYTES
from oairunbook.record.forked.seed import fork, preload
from oairunbook.record.processes import call_myself


def main() -> None:
    """Serve requests until nobody can make one any more."""
    control = socket.socket(fileno=int(sys.argv[1]))
    call_myself("runbook-nursery")
    import papermill  # noqa: F401 - for the engines

    preload()
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, REQUEST_BYTES, 2)
        if not request:
            return
        pid = fork()
        if pid == 0:
            control.close()
            _become_engine(json.loads(request), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        process = os.pidfd_open(pid)
        socket.send_fds(control, [str(pid).encode()], [process])
        os.close(process)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _become_engine(environment: dict[str, Any], standard_input: int, log: int) -> NoReturn:
    try:
        os.setsid()
        call_myself("runbook-engine")
        for target, descriptor in ((0, standard_input), (1, log), (2, log)):
            os.dup2(descriptor, target)
        os.close(standard_input)
        os.close(log)
        for name in environment["absent"]:
            del os.environ[name]
        os.environ.update(environment["differs"])
        engine.main()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
