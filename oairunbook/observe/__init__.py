"""Looking at the path: every probe in the order in which a request meets it, side by side where the path allows it.

Probes judge nothing. Credentials go only where TLS verified, or to loopback; the control and status hosts never get any.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping
from datetime import datetime, timezone

from oairunbook import practice
from oairunbook.evidence import Evidence, Route
from oairunbook.observe.collection import Collection, Progress
from oairunbook.observe.stream import Deadline
from oairunbook.observe.walk import Walk
from oairunbook.redaction import Secrets
from oairunbook.runtime import this_runtime

__all__ = ["observe"]


def observe(
    route: Route,
    secrets: Secrets,
    *,
    timeout: float = 5.0,
    budget: float = 30.0,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
) -> Evidence:
    """Look at the whole path once, and return what was seen, redacted.

    Args:
        route: From `oairunbook.route.resolve`.
        secrets: Values that must not leave memory.
        timeout: Seconds for one step; the SDK's own connect timeout is 5.
        budget: Seconds for everything. What is not done by then is recorded as stopped.
        progress: Called with a short text as each step begins.
        environment: Variables to take credentials from; those of this process if None.
    """
    from oairunbook import __version__

    environment = os.environ if environment is None else environment
    collected_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    began = time.monotonic()
    collection = Collection(Deadline.after(budget), progress)
    rehearsal = practice.current(environment)
    walk = Walk(route, environment, collection, timeout, status_url=rehearsal.status_url if rehearsal else None)
    walk.run()
    evidence = Evidence(
        collected_at=collected_at,
        seconds=round(time.monotonic() - began, 6),
        route=route,
        runtime=this_runtime(environment),
        observations=collection.close(),
        tool_version=__version__,
        practice=rehearsal.fault if rehearsal else None,
    )
    clean, redactions = secrets.redact(evidence)
    return dataclasses.replace(clean, redactions=redactions)
