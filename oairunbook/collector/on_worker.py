"""What runs inside a worker of an engine: starts the worker's own Python with the collector on its standard input, and waits beside the engine.

This file is sent as its text, so it stands alone, in the syntax and library of Python 3.9. Nothing of it stays there: no file, no module.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from typing import Any


async def here() -> bool:
    """Whether this worker's event loop turns."""
    return True


async def look(stream: bytes, seconds: float) -> dict[str, Any]:
    """What came back of one collector: its output, how it ended, and why it was ended from here, if it was.

    It never raises: an engine writes what it passed to a function that did into its log.

    Args:
        stream: The collector, for the standard input of a Python.
        seconds: After which it is ended.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def give(result: dict[str, Any]) -> None:
        if not done.done():
            done.set_result(result)

    def work() -> None:
        result = _run(stream, seconds)
        # Whoever asked may be gone by now, and this loop with it.
        try:
            loop.call_soon_threadsafe(give, result)
        except RuntimeError:
            pass

    try:
        # A thread of its own: a worker's pools may be full of the work that hangs.
        threading.Thread(target=work, name="oairunbook collector", daemon=True).start()
    except RuntimeError as error:
        return {"ended": "no thread", "said": str(error)}
    result: dict[str, Any] = await done
    return result


def _run(stream: bytes, seconds: float) -> dict[str, Any]:
    if not sys.executable:
        return {"ended": "no Python", "said": "sys.executable is empty"}
    try:
        process = subprocess.Popen(
            [sys.executable, "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A group of its own, to be ended as one; Ctrl-C at the worker's terminal is not meant for it.
            start_new_session=True,
        )
    except OSError as error:
        return {"ended": "no Python", "said": f"{sys.executable}: {error.strerror}"}
    ended = ""
    try:
        stdout, stderr = process.communicate(stream, timeout=seconds)
    except subprocess.TimeoutExpired:
        ended = "time"
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
    return {"ended": ended, "said": "", "status": process.returncode, "stdout": stdout, "stderr": stderr[-20000:]}
