"""The same minimal request from Node.js, if there is one here: other certificates, other proxy rules, other time limits than Python's."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from oairunbook import practice
from oairunbook.controls import Call, CallOutcome
from oairunbook.evidence import ErrorLink, Header, HttpAnswer, NotTried, SdkAnswered, SdkFailed, ToolFailed
from oairunbook.observe import sdk
from oairunbook.observe.bodies import classify
from oairunbook.observe.callers import Plan
from oairunbook.observe.errors import error_chain
from oairunbook.observe.http import KEPT_HEADERS

_SCRIPT = Path(__file__).with_name("node_request.js")
REDIRECTS = Path(__file__).with_name("node_redirects.js")
"""Which headers go where a redirect leads; the collector takes it along."""
_START_SECONDS = 5.0
"""What Node may take to start, beside the request."""

_NEVER_PASSED_ON = ("NODE_TLS_REJECT_UNAUTHORIZED", "NODE_DEBUG")
"""The first switches verification off, and the key goes only where TLS verified; the second writes headers to standard error."""


def by_node(plan: Plan, identity: str, folder: str) -> tuple[Call, str]:
    """Make the request, and say which Node.js and which openai package made it.

    Args:
        plan: What all callers have in common.
        identity: Id of the call.
        folder: Folder of the Node.js application whose openai package is used; empty for the working folder.
    """
    program = shutil.which("node", path=plan.environment.get("PATH"))
    if program is None:
        reason = "no node is on this PATH"
        return Call(id=identity, caller="Node.js", asked="", seconds=0.0, outcome=NotTried(reason=reason)), reason
    began = time.monotonic()
    try:
        done = subprocess.run(  # noqa: S603 - the program that PATH names, and our own script
            [program, str(_SCRIPT)],
            input=json.dumps(_told(plan, folder)),
            env=_environment(plan),
            capture_output=True,
            text=True,
            timeout=plan.read_seconds + _START_SECONDS,
            check=False,
        )
        came: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        return _failed(identity, error, began), "node did not end in time"
    except (OSError, ValueError) as error:
        # A proxy variable without a scheme, for example, ends Node before it begins.
        said = (done.stderr.strip().splitlines() or [str(error)])[-1][:300] if "done" in locals() else str(error)
        return _failed(identity, ChildProcessError(f"node ended without a result: {said}"), began), "node failed"
    package = f"openai {came['sdk']}" if came["sdk"] else f"fetch alone, no openai package ({came['missing']})"
    caller = f"Node.js {came['node']}, {package if came['sdk'] else 'fetch'}"
    return (
        Call(
            id=identity,
            caller=caller,
            asked="POST /chat/completions, maxRetries 0",
            seconds=round(float(came["seconds"]), 6),
            outcome=_outcome(plan, came),
        ),
        f"Node.js {came['node']}, {package}",
    )


def _told(plan: Plan, folder: str) -> dict[str, Any]:
    route = plan.route
    told: dict[str, Any] = {
        "folder": str(Path(folder or ".").absolute()),
        "url": plan.url,
        "base_url": plan.url.partition("/chat/completions")[0].partition("/deployments/")[0],
        "api_version": route.api_version.value if route.surface == "azure-dated" and route.api_version else None,
        "key_header": plan.credential_header[0],
        "body": {**sdk.minimal_body(plan.model), "max_completion_tokens": sdk.MOST_TOKENS},
        "headers": sorted(KEPT_HEADERS),
        "seconds": plan.read_seconds,
    }
    if practice.current(plan.environment) is not None:
        told["addresses"] = {route.host: _addresses(route.host, route.port)}
    return told


def _environment(plan: Plan) -> dict[str, str]:
    kept = {name: value for name, value in plan.environment.items() if name not in _NEVER_PASSED_ON}
    return {**kept, "OAIRUNBOOK_NODE_KEY": plan.key, "PATH": plan.environment.get("PATH", os.defpath)}


def _addresses(host: str, port: int) -> list[str]:
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError:
        return []


def _outcome(plan: Plan, came: dict[str, Any]) -> CallOutcome:
    headers = tuple(Header(name=name, value=str(value)[:500]) for name, value in came.get("headers", ()))
    status = came.get("status")
    content_type = next((h.value for h in headers if h.name == "content-type"), None)
    answer = None
    if status is not None and "shape" not in came:
        body = came.get("body") or (json.dumps({"error": came["error_body"]}) if came.get("error_body") else "")
        answer = HttpAnswer(
            method="POST",
            url=plan.url.partition("?")[0],
            status=int(status),
            http_version="1.1",
            headers=headers,
            body=classify(content_type, body.encode("utf-8")),
        )
    common = {**plan.request, "trace": ()}
    if came.get("errors"):
        return SdkFailed(**common, errors=tuple(_link(error) for error in came["errors"]), answer=answer)
    if answer is not None:
        return answer
    return SdkAnswered(
        **common, status=int(status or 0), request_id=came.get("request_id"), headers=headers, shape=str(came["shape"])
    )


def _link(error: dict[str, Any]) -> ErrorLink:
    return ErrorLink(type=error["type"], text=error["text"], relation=error["relation"], errno_name=error["code"])


def _failed(identity: str, error: Exception, began: float) -> Call:
    return Call(
        id=identity,
        caller="Node.js",
        asked="POST /chat/completions",
        seconds=round(time.monotonic() - began, 6),
        outcome=ToolFailed(errors=error_chain(error)),
    )
