"""The SDK's controls on this route: the same minimal request by every caller at once, with retries and without, and with debug logging."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone

from oairunbook.controls import Call, Controls, DebugLog, Defaults, ExceptionClass
from oairunbook.evidence import (
    Evidence,
    HttpAnswer,
    NotTried,
    Stopped,
    ToolFailed,
)
from oairunbook.observe import clients, sdk, sdk_defaults
from oairunbook.observe.callers import Plan, Watch, by_the_asynchronous_sdk, by_the_sdk, by_the_transport
from oairunbook.observe.credential import may_send_own_credential
from oairunbook.observe.debug_log import debug_log
from oairunbook.observe.errors import error_chain
from oairunbook.observe.node import by_node
from oairunbook.redaction import Secrets

_PATIENT_SECONDS = 15.0
"""How long an API may take for a few tokens once it has shown that it answers at all."""

RETRIED, ONCE, STREAMED, ASYNCHRONOUS, TRANSPORT, NODE = (
    "retried",
    "once",
    "streamed",
    "asynchronous",
    "transport",
    "node",
)


def observe_controls(
    seen: Evidence,
    secrets: Secrets,
    *,
    timeout: float = 5.0,
    budget: float = 30.0,
    node_folder: str = "",
    environment: Mapping[str, str] | None = None,
) -> Controls:
    """Make the calls side by side, then one more with debug logging caught; all of it redacted.

    Args:
        seen: A check of the same route by this runtime: it says whether the key may be sent.
        secrets: Values that must not leave memory.
        timeout: Seconds for connecting, and for an answer where the check got none.
        budget: Seconds for everything; what has not ended by then is recorded as stopped.
        node_folder: Folder of a Node.js application whose openai package is used; empty for the working folder.
        environment: Variables to take credentials from; those of this process if None.
    """
    environment = os.environ if environment is None else environment
    began = time.monotonic()
    collected_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    plan = _plan(seen, environment, timeout)
    _, client = clients.build_client(seen.route, environment)
    found_defaults: Defaults | None = None
    classes: tuple[ExceptionClass, ...] = ()
    if client is not None:
        found_defaults, classes = sdk_defaults.defaults(client.sdk), sdk_defaults.exception_classes()
    node_words: list[str] = []

    def call_node() -> Call:
        call, words = by_node(plan, NODE, node_folder)
        node_words.append(words)
        return call

    jobs: list[tuple[str, str, Callable[[], Call]]] = []
    if client is not None:
        retries = found_defaults.max_retries if found_defaults else 2
        watch = Watch()
        client.sdk._client.event_hooks["request"].append(watch.on_request)
        client.sdk._client.event_hooks["response"].append(watch.on_response)
        name = f"Python SDK {seen.route.sdk}"
        jobs += [
            (RETRIED, f"{name}, its own retries", lambda: by_the_sdk(client, watch, plan, RETRIED, f"{name}, its own retries", retries=retries)),
            (ONCE, f"{name}, no retry", lambda: by_the_sdk(client, watch, plan, ONCE, f"{name}, no retry")),
            (STREAMED, f"{name}, streamed", lambda: by_the_sdk(client, watch, plan, STREAMED, f"{name}, streamed", stream=True)),
            (ASYNCHRONOUS, f"{name}, asynchronous", lambda: by_the_asynchronous_sdk(plan, ASYNCHRONOUS, f"{name}, asynchronous")),
        ]  # fmt: skip
    if seen.route.transport and not seen.route.problems:
        jobs.append((TRANSPORT, f"{seen.route.transport} without the SDK", lambda: by_the_transport(plan, TRANSPORT)))
    if not seen.route.problems:
        jobs.append((NODE, "Node.js", call_node))
    calls = _side_by_side(jobs, began + budget)
    if client is None:
        reason = "the SDK's client could not be built"
        none = [
            (RETRIED, "its own retries"),
            (ONCE, "no retry"),
            (STREAMED, "streamed"),
            (ASYNCHRONOUS, "asynchronous"),
        ]
        calls = [*(_not_made(identity, f"Python SDK, {words}", reason) for identity, words in none), *calls]
    debug: DebugLog | None = None
    if client is not None and time.monotonic() - began < budget:
        debug = debug_log(plan, environment, lambda: by_the_sdk(client, Watch(), plan, "debug", "debug"))
    controls = Controls(
        collected_at=collected_at,
        seconds=round(time.monotonic() - began, 6),
        calls=tuple(calls),
        defaults=found_defaults,
        exceptions=classes,
        debug=debug,
        wrappers=sdk_defaults.wrappers(),
        node=node_words[0] if node_words else "",
    )
    clean, removed = secrets.redact(controls)
    return dataclasses.replace(clean, redactions=removed)


def _plan(seen: Evidence, environment: Mapping[str, str], timeout: float) -> Plan:
    answers = any(seen.of(HttpAnswer, "http"))
    return Plan(
        route=seen.route,
        environment=environment,
        model=sdk.asked_model(seen),
        own_credential=may_send_own_credential(seen),
        connect_seconds=timeout,
        read_seconds=_PATIENT_SECONDS if answers else timeout,
    )


def _side_by_side(jobs: list[tuple[str, str, Callable[[], Call]]], last: float) -> list[Call]:
    """Run all jobs in threads of their own; one that does not end in time is recorded as stopped."""
    results: dict[str, Call] = {}
    began = time.monotonic()

    def run(identity: str, caller: str, job: Callable[[], Call]) -> None:
        try:
            results[identity] = job()
        except Exception as error:
            seconds = round(time.monotonic() - began, 6)
            failed = ToolFailed(errors=error_chain(error))
            results[identity] = Call(id=identity, caller=caller, asked="", seconds=seconds, outcome=failed)

    threads = [threading.Thread(target=run, args=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, last - time.monotonic()))
    seconds = round(time.monotonic() - began, 6)
    return [
        results.get(identity)
        or Call(id=identity, caller=caller, asked="", seconds=seconds, outcome=Stopped(reason="the budget ended first"))
        for identity, caller, _ in jobs
    ]


def _not_made(identity: str, caller: str, reason: str) -> Call:
    return Call(id=identity, caller=caller, asked="", seconds=0.0, outcome=NotTried(reason=reason))
