"""How a command ends: with its status, all that it owes, and without freeing its memory object by object."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BEGIN = "import atexit, sys, threading, time\nfrom oairunbook.leaving import leave\n"


def ended(program: str, out: int | None = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """A process of that program, in which standard output is a pipe, and so not written line by line."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", BEGIN + program]
    return subprocess.run(command, stdout=out, stderr=subprocess.PIPE, env=variables, text=True, timeout=60)


def test_what_was_printed_and_registered_for_the_end_is_done_and_nothing_is_freed() -> None:
    done = ended(
        "class Kept:\n    def __del__(self): print('freed', flush=True)\n"
        "kept = Kept()\nprint('printed')\natexit.register(print, 'registered')\nleave(3)\n"
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (3, ["printed", "registered"], "")


def test_a_thread_that_the_interpreter_waits_for_ends_first() -> None:
    done = ended("threading.Thread(target=lambda: (time.sleep(0.3), print('done'))).start()\nleave(1)\n")
    assert (done.returncode, done.stdout.split()) == (1, ["done"])


def test_a_thread_that_nobody_waits_for_does_not_hold_it_up() -> None:
    done = ended("threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\nleave(0)\n")
    assert done.returncode == 0


def test_output_that_cannot_be_written_is_told_as_python_tells_it() -> None:
    with Path("/dev/full").open("w") as full:
        done = ended("print('printed')\nleave(0)\n", full.fileno())
    assert (done.returncode, "No space left on device" in done.stderr) == (120, True)


def test_a_process_without_standard_streams_ends_with_its_status() -> None:
    assert ended("sys.stdout = sys.stderr = None\nleave(2)\n").returncode == 2


def test_a_stream_that_something_closed_at_the_end_changes_no_status() -> None:
    assert ended("atexit.register(sys.stdout.close)\nleave(3)\n").returncode == 3
