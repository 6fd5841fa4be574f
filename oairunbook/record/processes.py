"""Processes that a notebook started, found and ended. By descent where Linux keeps it, and by a mark in the environment."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MARK_VARIABLE = "OAIRUNBOOK_MARK"

_GRACE_SECONDS = 3.0
"""How long a process may take to end by itself before it is killed."""

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (prctl(2)); elsewhere than on Linux nothing happens."""
    try:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    except (OSError, AttributeError):
        pass


def end_with_parent() -> None:
    """Be killed when the thread that forked this process ends, however that ends. Linux alone."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def call_myself(name: str) -> None:
    """Set the name under which ps(1) and top(1) know this process, at most 15 characters; its command line stays its parent's. Linux alone."""
    _prctl(_PR_SET_NAME, name.encode())


def _prctl(option: int, argument: int | bytes) -> None:
    ctypes.CDLL(None).prctl(option, argument, 0, 0, 0)


def end_descendants() -> None:
    """End everything below this process; first politely, then for good."""
    _end(lambda: descendants(os.getpid()))


def end_marked(mark: str, session: int) -> None:
    """End every process that carries *mark* or belongs to *session* (setsid(2)); first politely, then for good.

    A process that was forked and not started shows the variables of its parent (proc(5)), so it carries no mark; but it has a session.
    """
    _end(lambda: (*marked(mark), *in_session(session)))


def end_session(session: int) -> None:
    """End every process of a session (setsid(2)); first politely, then for good."""
    _end(lambda: in_session(session))


def descendants(pid: int) -> tuple[int, ...]:
    """Living processes below *pid*, by their parents (proc(5))."""
    children: dict[int, list[int]] = {}
    for process, parent, _ in _living():
        children.setdefault(parent, []).append(process)
    found: list[int] = []
    pending = [pid]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += below
    return tuple(found)


def in_session(session: int) -> tuple[int, ...]:
    """Living processes of a session."""
    return tuple(process for process, _, its in _living() if its == session)


def _living() -> Iterator[tuple[int, int, int]]:
    """Each process that is no zombie: its id, its parent's, its session's (proc(5))."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                # The name in parentheses may hold anything, spaces and parentheses too.
                state, parent, _, session = (
                    (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:4]
                )
            except (OSError, ValueError):
                continue
            if state != "Z":
                yield int(entry.name), int(parent), int(session)


def marked(mark: str) -> tuple[int, ...]:
    """Processes that were started with *mark* in their environment; one that has ended has no environment any more."""
    needle = f"{MARK_VARIABLE}={mark}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if needle in environment + b"\0":
                found.append(int(entry.name))
    return tuple(found)


def _end(living: Callable[[], tuple[int, ...]]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        last = time.monotonic() + _GRACE_SECONDS
        told: set[int] = set()
        while found := living():
            if time.monotonic() >= last:
                break
            for pid in set(found) - told:
                try:
                    os.kill(pid, number)
                except (ProcessLookupError, PermissionError):
                    pass
                told.add(pid)
            time.sleep(0.02)
        else:
            return
