"""What this process itself allows: sockets of either family, open files."""

from __future__ import annotations

import resource
import socket
from pathlib import Path

from oairunbook.evidence import ErrorLink, LocalResources
from oairunbook.observe.errors import error_chain


def local_resources() -> LocalResources:
    """Which sockets this process may open, and how many files it has open of how many."""
    errors: list[ErrorLink] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.socket(family, socket.SOCK_STREAM).close()
        except OSError as error:
            errors.extend(error_chain(error))
    try:
        open_files: int | None = len(list(Path("/proc/self/fd").iterdir()))
    except OSError:
        open_files = None
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return LocalResources(
        open_files=open_files,
        open_files_limit=None if limit == resource.RLIM_INFINITY else limit,
        socket_errors=tuple(errors),
        tracked_connections=_number(_TRACKED / "nf_conntrack_count"),
        tracked_connections_limit=_number(_TRACKED / "nf_conntrack_max"),
    )


_TRACKED = Path("/proc/sys/net/netfilter")


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
