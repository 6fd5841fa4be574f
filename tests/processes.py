"""Processes, as tests look at them."""

from __future__ import annotations

from pathlib import Path


def alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie (proc(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
