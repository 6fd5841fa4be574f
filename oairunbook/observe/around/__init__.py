"""Looking around the process: where it runs, which ways lead out, what it trusts, what limits it. Nobody is asked but endpoint and name servers."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Mapping
from datetime import datetime, timezone

from oairunbook.evidence import Evidence
from oairunbook.observe.around import certificates, egress, limits, settings
from oairunbook.redaction import Secrets
from oairunbook.runtime import platform_marks
from oairunbook.surroundings import Mark, Surroundings

__all__ = ["look_around"]


def look_around(
    seen: Evidence, secrets: Secrets, *, timeout: float = 5.0, environment: Mapping[str, str] | None = None
) -> Surroundings:
    """Look around this process; redacted.

    Args:
        seen: A check made by this process: its route says which ways out matter.
        secrets: Values that must not leave memory.
        timeout: Seconds for each way out; they are tried side by side.
        environment: Variables to read; those of this process if None.
    """
    environment = os.environ if environment is None else environment
    began = time.monotonic()
    collected_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    around = Surroundings(
        collected_at=collected_at,
        seconds=0.0,
        host=socket.gethostname(),
        user=f"{seen.runtime.user}, uid {os.getuid()}, gid {os.getgid()}",
        marks=tuple(Mark(platform=label, shown_by=sign) for label, sign in platform_marks(environment)),
        libc=settings.libc(),
        name_servers=seen.route.resolver.name_servers,
        searched=egress.searched_names(seen.route.resolver, seen.route.dialled_host, timeout),
        egress=egress.ways_out(seen, timeout),
        stores=certificates.stores(seen.route.trust, environment),
        limits=limits.limits(),
        interfaces=limits.interfaces(),
        read_by_sdk=settings.read_by_sdk(environment),
        read_by_others=settings.read_by_others(environment),
    )
    around = dataclasses.replace(around, seconds=round(time.monotonic() - began, 6))
    clean, removed = secrets.redact(around)
    return dataclasses.replace(clean, redactions=removed)
