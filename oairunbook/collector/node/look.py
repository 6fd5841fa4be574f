"""One look by Node.js: ask it, read what it saw, and take the secrets out that have the shape of one."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from typing import Any

from oairunbook.collector.carrier import Came, NotCollectedError, NowhereError
from oairunbook.collector.node import record, stream
from oairunbook.collector.place import Place
from oairunbook.collector.there import bring, collected_through, cut_short, secrets_of
from oairunbook.evidence import Evidence, EvidenceError
from oairunbook.observe.control import CONTROL_URL


def look_by_node(
    place: Place,
    job: dict[str, Any],
    *,
    key: bytes | None,
    mark: str,
    progress: Callable[[str], None] | None,
    cancelled: threading.Event | None,
) -> Evidence:
    """Look at the whole path once by the Node.js of *place*; where that is this user's on this machine, with this interpreter beside it.

    What comes back has been redacted there, by the secrets of its environment.

    Args:
        place: Where to look from; its runtime is Node.js.
        job: As `oairunbook.collector.there.look_there` makes it.
        key: Of the fingerprints there, for the tokens of what is redacted here.
        mark: Of the place, at the end of its fingerprints.
        progress: See `look_there`, as *cancelled*.
        cancelled: Set it to end the look.

    Raises:
        NowhereError, NotCollectedError, CutShortError, KeyboardInterrupt: See `look_there`.
    """
    if job["options"].get("client"):
        raise NowhereError(
            "--client names a client of the Python SDK, and Node.js has its own package. Nothing was sent."
        )
    if not place.fingerprinted_as and place.collector.carrier == "interpreter":
        from oairunbook.collector.node.beside import look_beside

        return look_beside(place, job, key=key, mark=mark, progress=progress, cancelled=cancelled)
    if job["options"].get("idle"):
        raise NowhereError("--idle: Node.js leaves no connection of its own idle for a test. Nothing was sent.")
    asked = complete(job, place)
    document, came = bring(place, stream.make, asked, progress=progress, cancelled=cancelled)
    seen = evidence_in(document, asked)
    sent: dict[str, str] = job["environment"]
    secrets = dataclasses.replace(secrets_of(place, sent, asked["options"]["base_url"]), token_key=key)
    clean, removed = secrets.redact(collected_through(place, seen, sent, mark))
    seen = dataclasses.replace(clean, redactions=(*clean.redactions, *removed))
    return _whole(seen, came)


def complete(job: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """The job with every option that the scripts read."""
    given = {"base_url": "", "model": "", "route": "auto", "timeout": 5.0, "repeat": 1, **job["options"]}
    options = {name: given[name] for name in ("base_url", "model", "route", "timeout", "budget", "repeat")}
    control = given.get("control_url")
    return {
        **job,
        "options": options,
        "project": place.project,
        "control_url": CONTROL_URL if control is None else control,
    }


def evidence_in(document: Mapping[str, Any], asked: Mapping[str, Any]) -> Evidence:
    """The evidence of one document.

    Raises:
        NotCollectedError: It is no record.
    """
    try:
        return record.evidence_of(document["node"], asked)
    except (KeyError, EvidenceError) as error:
        raise NotCollectedError(f"What came back is no record that this version can read: {error}") from error


def _whole(seen: Evidence, came: Came) -> Evidence:
    if seen.cut_short:
        raise cut_short(seen, seen.cut_short, came)
    return seen
