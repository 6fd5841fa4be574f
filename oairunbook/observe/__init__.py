"""Looking at the path: every probe in the order in which a request meets it, side by side where the path allows it.

Probes judge nothing. Credentials go only where TLS verified, or to loopback; the control and status hosts never get any.

This module can be called: `oairunbook.observe()` watches a block of an application (`oairunbook.observe.application`).
"""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
import types
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from oairunbook.evidence import Evidence, Route
from oairunbook.observe.collection import DEFAULT_REPEAT, Collection, Progress
from oairunbook.observe.stream import Deadline
from oairunbook.redaction import Secrets
from oairunbook.runtime import this_runtime

if TYPE_CHECKING:
    import ssl

__all__ = ["DEFAULT_REPEAT", "CutShortError", "observe"]

_LONG_PAUSE_SECONDS = 0.5
"""What a record tells of the time in which this process stood still."""

_LOOK_SECONDS = 0.02
"""How often it is looked whether the walk has ended."""


def observe(
    route: Route,
    secrets: Secrets,
    *,
    timeout: float = 5.0,
    budget: float = 30.0,
    repeat: int = DEFAULT_REPEAT,
    idle: float | None = None,
    control_url: str | None = None,
    progress: Progress | None = None,
    cancelled: threading.Event | None = None,
    environment: Mapping[str, str] | None = None,
    build: Callable[[], Any] | None = None,
    roots: ssl.SSLContext | None = None,
) -> Evidence:
    """Look at the whole path once, and return what was seen, redacted.

    Args:
        route: From `oairunbook.route.resolve`.
        secrets: Values that must not leave memory.
        timeout: Seconds for one step; the SDK's own connect timeout is 5.
        budget: Seconds for everything. What is not done by then is recorded as stopped.
        repeat: Attempts in all, up to an unbilled request; more are made as soon as two of them end differently.
        idle: Also use a connection again that was idle for so many seconds; they come on top of the budget.
        control_url: Direct route of the control test of an Azure or gateway route; empty for none, None for the public API.
        progress: Called with a short text as each step begins.
        cancelled: Once it is set, nothing more is begun, and what had been seen is in the CutShortError; None if nobody will ask.
        environment: Variables to take credentials from; those of this process if None.
        build: Makes the client for the minimal request, see `oairunbook.observe.clients`; the SDK's default one for *route* if None.
        roots: Of an application that is no Python and makes its own requests; None for the SDK of this interpreter.

    Raises:
        CutShortError: It was interrupted or cancelled, or the tool failed; what had been seen is in it.
    """
    # Here and not above: whoever reads a text needs this package's readers of bodies, and no probe.
    from oairunbook import __version__, practice
    from oairunbook.observe.control import CONTROL_URL
    from oairunbook.observe.pulse import Pulse
    from oairunbook.observe.status_page import STATUS_URL
    from oairunbook.observe.walk import Options, Walk

    environment = os.environ if environment is None else environment
    collected_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    began = time.monotonic()
    pulse = Pulse()
    collection = Collection(Deadline.after(budget + (idle or 0.0)), progress)
    rehearsal = practice.current(environment)
    options = Options(
        timeout=timeout,
        repeat=repeat,
        idle=idle,
        control_url=CONTROL_URL if control_url is None else control_url,
        status_url=rehearsal.status_url if rehearsal else STATUS_URL,
        roots=roots,
    )
    walk = Walk(route, environment, collection, options, build).run
    ended: BaseException | None = None
    try:
        if cancelled is None:
            walk()
        else:
            _until_cancelled(walk, cancelled, collection)
    except (Exception, KeyboardInterrupt) as error:
        # Whatever ends the walk, nothing that was seen is lost.
        ended = error
        collection.give_up()
    paused = pulse.end()
    evidence = Evidence(
        collected_at=collected_at,
        seconds=round(time.monotonic() - began, 6),
        route=route,
        runtime=this_runtime(environment),
        observations=collection.close(),
        tool_version=__version__,
        practice=rehearsal.fault if rehearsal else None,
        cut_short=_why(ended) if ended is not None else None,
        paused_seconds=round(paused, 3) if paused >= _LONG_PAUSE_SECONDS else None,
    )
    clean, redactions = secrets.redact(evidence)
    whole = dataclasses.replace(clean, redactions=redactions)
    if ended is not None:
        raise CutShortError(whole) from ended
    return whole


def _until_cancelled(walk: Callable[[], None], cancelled: threading.Event, collection: Collection) -> None:
    """Walk in a thread of its own, so that whoever cancels does not wait for a probe that waits for a silent peer.

    Raises:
        KeyboardInterrupt: It was cancelled. Probes under way end with their own step, and none of them is recorded any more.
    """
    failed: list[Exception] = []

    def run() -> None:
        try:
            walk()
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="oairunbook walk", daemon=True)
    thread.start()
    while thread.is_alive():
        if cancelled.wait(_LOOK_SECONDS):
            collection.stop()
            raise KeyboardInterrupt("cancelled")
    if failed:
        raise failed[0]


def _why(ended: BaseException) -> str:
    return "it was cancelled" if isinstance(ended, KeyboardInterrupt) else f"this tool failed: {type(ended).__name__}"


class CutShortError(Exception):
    """The walk was interrupted or cancelled (`__cause__` is KeyboardInterrupt) or failed; `evidence` is what had been seen by then, redacted."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(f"the check was cut short after {len(evidence.observations)} observations")
        self.evidence = evidence


_Observing: Any = None
"""What a call makes, once it has been imported: a block of an application is entered with every request."""


class _CallableModule(types.ModuleType):
    """This package of probes has the name under which an application asks to be observed, and `import oairunbook.observe` binds that name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        global _Observing
        if _Observing is None:
            from oairunbook.observe.application.block import Observing as _Observing
        return _Observing(*arguments, **options)


sys.modules[__name__].__class__ = _CallableModule
