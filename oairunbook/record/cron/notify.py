"""Telling somebody that the verdict has changed: a command of the operator's, and a webhook."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from oairunbook.record.cron.state import Remembered
from oairunbook.verdict import Verdict

WEBHOOK_VARIABLE = "OAIRUNBOOK_WEBHOOK"
"""A variable and no option: most webhooks' addresses are their own secret."""

CHANGE_SCHEMA = "oairunbook.change/1"
_COMMAND_SECONDS = 60.0
_WEBHOOK_SECONDS = 10.0


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


def run_command(command: str, document: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Run *command* with the change on its standard input; what went wrong, or nothing."""
    variables = {**environment, "OAIRUNBOOK_CAUSE": str(document["cause"]), "OAIRUNBOOK_OWNER": str(document["owner"])}
    try:
        # The operator's own command line, from the operator's own crontab.
        done = subprocess.run(  # noqa: S602
            command,
            shell=True,
            input=json.dumps(document),
            text=True,
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"--on-change did not end: {type(error).__name__}"
    return f"--on-change ended with status {done.returncode}" if done.returncode else ""


def post(url: str, document: Mapping[str, Any]) -> str:
    """Send the change to a webhook; what went wrong, or nothing. The address is a secret and is not told."""
    import httpx

    try:
        answer = httpx.post(url, json=dict(document), timeout=_WEBHOOK_SECONDS, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        return f"the webhook could not be reached: {type(error).__name__}"
    return "" if answer.is_success else f"the webhook answered with status {answer.status_code}"
