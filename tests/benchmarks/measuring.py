"""What the benchmarks share: commands as an installed package runs them, and what they cost."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
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


def cost(*command: str, environment: Mapping[str, str] | None = None, given: str = os.devnull) -> Cost:
    """Run one command, with the file *given* on its standard input."""
    with tempfile.TemporaryFile() as out, open(given, "rb") as text:  # noqa: PTH123 - also /dev/null
        began = time.monotonic()
        process = subprocess.Popen(
            command, stdin=text, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return Cost(
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            megabytes=usage.ru_maxrss / 1024,
            status=process.returncode,
            output=out.read(),
        )
