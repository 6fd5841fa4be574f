"""Telling somebody that the verdict has changed: a command of the operator's, and a webhook."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from oairunbook.record.cron.state import Remembered
from oairunbook.record.cron.within import run_within
from oairunbook.verdict import Verdict

WEBHOOK_VARIABLE = "OAIRUNBOOK_WEBHOOK"
"""A variable and no option: most webhooks' addresses are their own secret."""

CHANGE_SCHEMA = "oairunbook.change/1"
_COMMAND_SECONDS = 60.0
_WEBHOOK_SECONDS = 10.0
_LOOK_SECONDS = 0.1


def change(
    verdict: Verdict, before: Remembered, *, host: str, endpoint: str, run: str, practice: str | None
) -> dict[str, Any]:
    """The change as a document: what it was, what it is, where the record lies. Nothing in it is secret."""
    return {
        "schema": CHANGE_SCHEMA,
        "host": host,
        "endpoint": endpoint,
        "practice": practice,
        "before": {"owner": before.owner, "cause": before.cause, "pattern": before.pattern, "since": before.since},
        "owner": verdict.owner,
        "layer": verdict.layer,
        "cause": verdict.cause,
        "certainty": verdict.certainty,
        "pattern": verdict.pattern,
        "summary": verdict.summary,
        "next": list(verdict.next),
        "do_not": list(verdict.do_not),
        "run": run,
    }


def run_command(
    command: str,
    document: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    seconds: float,
    interrupted: threading.Event,
) -> str:
    """Run *command* with the change on its standard input; what went wrong, or nothing. After *seconds* it is ended, with all that it started."""
    variables = {**environment, "OAIRUNBOOK_CAUSE": str(document["cause"]), "OAIRUNBOOK_OWNER": str(document["owner"])}
    seconds = min(_COMMAND_SECONDS, seconds)
    try:
        status = run_within(
            command, seconds=seconds, interrupted=interrupted, environment=variables, text=json.dumps(document)
        )
    except OSError as error:
        return f"--on-change could not be run: {type(error).__name__}"
    if status is None:
        return f"--on-change did not end within {seconds:.0f} s"
    return f"--on-change ended with status {status}" if status else ""


def post(url: str, document: Mapping[str, Any], *, seconds: float, interrupted: threading.Event) -> str:
    """Send the change to a webhook; what went wrong, or nothing. The address is a secret and is not told."""
    import httpx

    seconds = min(_WEBHOOK_SECONDS, seconds)
    said: list[str] = []

    def send() -> None:
        try:
            # Its status is all that counts: what it says may have no end.
            with httpx.stream("POST", url, json=dict(document), timeout=seconds, follow_redirects=False) as answer:
                said.append("" if answer.is_success else f"the webhook answered with status {answer.status_code}")
        except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError, OSError) as error:
            # ImportError: the variables ask for a SOCKS proxy, and what speaks it is not installed.
            said.append(f"the webhook could not be reached: {type(error).__name__}")

    # httpx limits the wait for each byte; who sends one a second would hold up the turn.
    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    last = time.monotonic() + seconds
    while not said and sending.is_alive() and time.monotonic() < last and not interrupted.is_set():
        sending.join(_LOOK_SECONDS)
    return said[0] if said else f"the webhook did not answer within {seconds:.0f} s"
