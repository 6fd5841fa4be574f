"""One look from wherever this runs: in this process, or where the collector was sent (`oairunbook.collector`)."""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from typing import Any

from oairunbook import practice
from oairunbook.evidence import Evidence, to_document
from oairunbook.observe import CutShortError, observe
from oairunbook.observe.awaiting import Awaiting
from oairunbook.observe.clients import adopt
from oairunbook.observe.factory import NoClientError, load_client
from oairunbook.redaction import Secrets
from oairunbook.route import resolve
from oairunbook.route.application import describe

_LAST_WORD_SECONDS = 5.0
"""How long the record of what was seen may take to leave once the time is over."""


def look_here(
    *,
    base_url: str = "",
    model: str = "",
    route: str = "auto",
    client: Any = None,
    client_seconds: float | None = None,
    fingerprint_key: bytes | None = None,
    progress: Callable[[str], None] | None = None,
    cancelled: threading.Event | None = None,
    **options: Any,
) -> Evidence:
    """Resolve the route by this process's environment, and look at the whole path once.

    Args:
        base_url: As it would be given to the SDK's client; empty for what the SDK itself would use.
        model: Model, on Azure the deployment; empty to pick a small one that this key sees.
        route: `auto`, `direct`, `azure` or `gateway`.
        client: The application's own client, or `MODULE:FACTORY` that gives it: then its settings count, and it makes the minimal request.
        client_seconds: How long making it may take, in the main thread of a process that is this package's own; as long as it takes if None.
        fingerprint_key: Key of the fingerprint of the API key and of the tokens of what is redacted; neither if None.
        progress: See `oairunbook.observe.observe`, as `cancelled` and *options* are.
        cancelled: Set it to end the look.
        options: `timeout`, `budget`, `repeat`, `idle` and `control_url`.

    Raises:
        CutShortError: It was interrupted or cancelled, or the tool failed; what had been seen is in it.
        NoClientError: *client* names none.
        ValueError: *route* is unknown, or the practice that the environment asks for cannot be read.
    """
    rehearsal = practice.current(os.environ)
    if rehearsal is not None:
        practice.install(rehearsal)
    if client:
        if base_url:
            raise NoClientError(
                "--client says by its own base URL what is called: leave --base-url out. Nothing was sent."
            )
        awaiting = Awaiting()
        own = load_client(client, awaiting, client_seconds) if isinstance(client, str) else client
        described = describe(
            own, os.environ, model=model or None, family=route, fingerprint_key=fingerprint_key
        )  # fmt: skip
        options["build"] = lambda: adopt(own, described, awaiting)
        options["environment"] = described.environment
        return observe(described.route, described.secrets, progress=progress, cancelled=cancelled, **options)
    resolved = resolve(base_url=base_url or None, model=model or None, family=route, fingerprint_key=fingerprint_key)
    secrets = Secrets.from_environment(os.environ, token_key=fingerprint_key)
    secrets = secrets.with_urls(base_url, options.get("control_url") or "")
    return observe(resolved, secrets, progress=progress, cancelled=cancelled, **options)


def answer(job: dict[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    """Do what the collector was sent for. Whatever comes of it is a document without secrets, never an exception.

    SIGINT, SIGTERM and SIGHUP end the look as its own clock does: what had been seen is in the document.

    Args:
        job: `options` of `look_here`, `environment` with variables to set first, `fingerprint_key` in hexadecimal or null, and the
            `seconds` after which this process is to be gone.
        progress: Called with a short text as each step begins.
    """
    os.environ.update(job["environment"])
    secrets = Secrets.from_environment(os.environ).with_urls(job["options"].get("base_url") or "")
    over = threading.Event()
    why: list[str] = []
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()

    def wait_for_the_end() -> None:
        why.append(asked.get())
        over.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # No exception: asked twice, by the terminal and by the caller, it must not lose the record on its way out. And no event: this
        # thread may hold its lock while the signal comes; SimpleQueue.put may be called then.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: asked.put("interrupted"))
    helpers = (
        threading.Thread(target=wait_for_the_end),
        threading.Timer(job["seconds"], asked.put, args=("its time was over",)),
        threading.Timer(job["seconds"] + _LAST_WORD_SECONDS, os._exit, args=(1,)),
    )
    try:
        for helper in helpers:
            helper.daemon = True
            helper.start()
    except RuntimeError as error:
        return {"failed": "no_threads", "text": str(error)}
    key = job["fingerprint_key"]
    try:
        seen = look_here(
            **job["options"],
            client_seconds=job["seconds"],
            fingerprint_key=bytes.fromhex(key) if key else None,
            progress=lambda text: progress(secrets.redact_text(text)),
            cancelled=over,
        )
    except CutShortError as cut:
        reason = why[0] if why else f"{type(cut.__cause__).__name__}: {cut.__cause__}"
        return {"evidence": to_document(cut.evidence), "cut_short": secrets.redact_text(reason)}
    except NoClientError as error:
        return {"failed": "client", "text": secrets.redact_text(str(error))}
    except Exception:
        return {"failed": "tool", "text": secrets.redact_text(traceback.format_exc())[-4000:]}
    return {"evidence": to_document(seen), "cut_short": ""}
