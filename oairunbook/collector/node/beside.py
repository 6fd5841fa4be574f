"""A Node.js on this machine: it makes its own requests, and this interpreter looks at the path beside it, by Node.js' roots and proxy.

So a Node.js application gets every probe and counter-test that a Python one gets; only what it trusts, its proxy, one handshake and its own
requests are Node.js' to show.
"""

from __future__ import annotations

import dataclasses
import ssl
import threading
from collections.abc import Callable
from typing import Any

from oairunbook import practice
from oairunbook.collector.carrier import NotCollectedError, NowhereError
from oairunbook.collector.node import stream
from oairunbook.collector.node.look import complete, evidence_in
from oairunbook.collector.place import Place
from oairunbook.collector.there import bring, collected_through, secrets_of
from oairunbook.evidence import Evidence, Observation
from oairunbook.observe import CutShortError, observe

_ABOUT_SECONDS = 20.0
"""What Node.js may take to start and to say what it would call."""

_LAST_WORD_SECONDS = 5.0


def look_beside(
    place: Place,
    job: dict[str, Any],
    *,
    key: bytes | None,
    mark: str,
    progress: Callable[[str], None] | None,
    cancelled: threading.Event | None,
) -> Evidence:
    """Look at the whole path once; arguments and errors are those of `oairunbook.collector.there.look_there`."""
    asked = complete(job, place)
    sent: dict[str, str] = job["environment"]
    environment = {**place.environment, **sent}
    told, _ = bring(
        place,
        stream.make,
        {**asked, "about_alone": True, "seconds": _ABOUT_SECONDS},
        progress=None,
        cancelled=cancelled,
    )
    first = evidence_in(told, asked)
    rehearsal = practice.current(environment)
    if rehearsal is not None:
        practice.install(rehearsal)
    secrets = dataclasses.replace(secrets_of(place, sent, asked["options"]["base_url"]), token_key=key)
    node = _Node(place, {**asked, "requests_alone": True}, progress, cancelled)
    options = {name: asked["options"][name] for name in ("timeout", "budget", "repeat")}
    ended: BaseException | None = None
    try:
        seen = observe(
            first.route,
            secrets,
            **options,
            idle=job["options"].get("idle"),
            control_url=job["options"].get("control_url"),
            progress=progress,
            cancelled=cancelled,
            environment=environment,
            roots=_context(told["node"].get("roots"), verifies=bool(told["node"]["about"]["trust"]["verifies"])),
        )
    except CutShortError as cut:
        seen, ended = cut.evidence, cut.__cause__
        node.stop()
    own = node.result()
    clean, removed = secrets.redact(collected_through(place, own or first, sent, mark))
    whole = _together(seen, clean, removed)
    ended = ended or node.failed
    if ended is not None:
        why = whole.cut_short or f"Node.js made no requests: {type(ended).__name__}"
        raise CutShortError(dataclasses.replace(whole, cut_short=why)) from ended
    return whole


class _Node:
    """The requests of Node.js, under way in a thread of their own."""

    def __init__(
        self,
        place: Place,
        job: dict[str, Any],
        progress: Callable[[str], None] | None,
        cancelled: threading.Event | None,
    ) -> None:
        self._cancelled = cancelled or threading.Event()
        self._seen: Evidence | None = None
        self._seconds = job["seconds"]
        self.failed: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, args=(place, job, progress), name="oairunbook node", daemon=True
        )
        self._thread.start()

    def _run(self, place: Place, job: dict[str, Any], progress: Callable[[str], None] | None) -> None:
        try:
            document, _ = bring(place, stream.make, job, progress=progress, cancelled=self._cancelled)
            self._seen = evidence_in(document, job)
        except (NotCollectedError, NowhereError, KeyboardInterrupt) as error:
            self.failed = error

    def stop(self) -> None:
        """Let it send what it has seen."""
        self._cancelled.set()
        self._seconds = _LAST_WORD_SECONDS

    def result(self) -> Evidence | None:
        """What Node.js saw; None if nothing came."""
        self._thread.join(self._seconds + _LAST_WORD_SECONDS)
        if self._thread.is_alive() and self.failed is None:
            self.failed = NotCollectedError("Node.js did not end in time.")
        return self._seen


def _context(roots: Any, *, verifies: bool) -> ssl.SSLContext:
    """What Node.js trusts, as a context of this interpreter."""
    if not isinstance(roots, list):
        # --use-openssl-ca: OpenSSL reads its default paths on demand, here as there.
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for pem in roots:
            try:
                context.load_verify_locations(cadata=str(pem))
            except (ssl.SSLError, ValueError):
                # One that this OpenSSL cannot read; Node.js goes on without such a one as well.
                continue
    if not verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _together(path: Evidence, own: Evidence, removed: tuple[str, ...]) -> Evidence:
    """One record: the path as this interpreter saw it, and what only Node.js can show."""
    runtime = dataclasses.replace(
        path.runtime,
        executable=own.runtime.executable,
        openssl=own.runtime.openssl,
        packages=own.runtime.packages,
        nodejs=own.runtime.nodejs,
        collector=own.runtime.collector,
    )
    theirs = {observation.id for observation in own.observations}
    observations = (*(o for o in path.observations if o.id not in theirs), *own.observations)
    return dataclasses.replace(
        path,
        runtime=runtime,
        observations=tuple(sorted(observations, key=_began)),
        redactions=(*path.redactions, *own.redactions, *removed),
    )


def _began(observation: Observation) -> float:
    return observation.started_seconds
