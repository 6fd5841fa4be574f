"""What the benchmarks share: commands as an installed package runs them, and what they cost."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PYTHON = (sys.executable, "-P")
PROGRAM = (*PYTHON, "-m", "oairunbook.cli")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one command cost, its children included where it waited for them."""

    seconds: float
    cpu_seconds: float
    megabytes: float
    status: int
    output: bytes


@contextlib.contextmanager
def as_installed() -> Iterator[None]:
    """Let commands find compiled modules, as an installed package has them; where nothing may be written beside the sources they lie apart.

    With PYTHONDONTWRITEBYTECODE, which containers like to set, an editable installation compiles itself anew at each start.
    """
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="bytecode-") as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


_START = """\
import json, os, sys, time
began = time.monotonic()
process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(process, 0)
taken = [time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]
os.write(int(sys.argv[1]), json.dumps(taken).encode())
"""
"""Starts the command: Linux counts what a process's parent held when it was started as the process's own, and this holds little."""


def cost(*command: str, environment: Mapping[str, str] | None = None, given: str = os.devnull) -> Cost:
    """Run one command, with the file *given* on its standard input."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as out, open(given, "rb") as text, os.fdopen(reading) as told:  # noqa: PTH123 - also /dev/null
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _START, str(writing), *command],
            stdin=text,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            pass_fds=(writing,),
            check=True,
        )
        os.close(writing)
        seconds, cpu_seconds, megabytes, status = json.load(told)
        out.seek(0)
        return Cost(seconds=seconds, cpu_seconds=cpu_seconds, megabytes=megabytes, status=status, output=out.read())
