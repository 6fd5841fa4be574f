"""A command that ends in time, and nothing of it that goes on afterwards."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

from oairunbook.record.processes import end_session

_LOOK_SECONDS = 0.1


def run_within(
    command: str | Sequence[str],
    *,
    seconds: float,
    interrupted: threading.Event,
    environment: Mapping[str, str],
    text: str = "",
    errors: IO[bytes] | None = None,
) -> int | None:
    """Run it in a session of its own, which is ended as a whole when the time is over or somebody interrupts. Returns its status; None if it was ended.

    Args:
        command: A line for the shell, or words.
        seconds: What it may take.
        interrupted: Ends it once it is set.
        environment: Its variables.
        text: What it reads on standard input.
        errors: Where its standard error goes; nowhere if None.

    Raises:
        OSError: It cannot be started.
    """
    last = time.monotonic() + seconds
    with subprocess.Popen(  # noqa: S603 - ours, or the operator's own line from the operator's own crontab
        command,
        shell=isinstance(command, str),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if errors is None else errors,
        env=dict(environment),
        start_new_session=True,
    ) as process:
        said: bytes | None = text.encode()
        while True:
            left = last - time.monotonic()
            if left <= 0 or interrupted.is_set():
                end_session(process.pid)
                return None
            try:
                process.communicate(said, timeout=min(left, _LOOK_SECONDS))
            except subprocess.TimeoutExpired:
                # It is given once.
                said = None
            else:
                return process.returncode
