"""The end of a command, without taking the interpreter apart first."""

from __future__ import annotations

import atexit
import os
import sys
import threading


def leave(status: int) -> None:
    """End this process as the interpreter would, but leave its memory to the kernel.

    To free, one by one, what the imports of a check made takes a quarter of a second, and nobody has anything of it; mypy and Mercurial
    end in the same way. What was registered for the end is called, and what was printed is written.

    Raises:
        SystemExit: The interpreter has to end it: a thread is not done, or something could not be written, which the interpreter tells.
    """
    others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    if any(not thread.daemon for thread in others):
        raise SystemExit(status)
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            # Each is None in a process that was started without it.
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        # ValueError: somebody has closed it.
        raise SystemExit(status) from None
    os._exit(status)
