# ruff: noqa: E501 - tables of texts stand one row a line
"""The notebook on the SDK's controls: callers side by side, what retries hide, time limits, exception classes, debug logging, wrappers."""

from __future__ import annotations

from oairunbook.controls import Call, Controls, Defaults
from oairunbook.diagnose.controls import compare, status_of, was_made
from oairunbook.evidence import (
    ErrorLink,
    Evidence,
    HttpAnswer,
    HttpFailed,
    NotTried,
    Resolved,
    SdkAnswered,
    SdkFailed,
    Stopped,
    ToolFailed,
)
from oairunbook.record.describe import State, body, fact, link, request_id, state
from oairunbook.record.svg import duration
from oairunbook.record.timeline import Attempt, timeline
from oairunbook.record.view import View, paragraph, table, together

_NOT_MADE = "No call was made: a recorded check was given, and nothing is sent for it. Run this notebook in the runtime that failed."


def callers(controls: Controls | None, seen: Evidence) -> View:
    """The same request by every caller: what came back, status, request id, seconds."""
    if controls is None:
        return paragraph(_NOT_MADE)
    rows = [_caller(call) for call in controls.calls]
    for observation in seen.observations:
        outcome = observation.outcome
        if observation.id == "http" and isinstance(outcome, (HttpAnswer, HttpFailed)):
            by_hand = Call(
                id="http",
                caller="HTTP by hand, no SDK",
                asked="GET /models, no key",
                seconds=observation.seconds,
                outcome=outcome,
            )
            rows.append(_caller(by_hand))
    placeholder = any(getattr(call.outcome, "credential", "own") == "placeholder" for call in controls.calls)
    note = (
        "A placeholder was sent instead of the key: the key goes only where TLS has verified on this path, or to loopback."
        if placeholder
        else "The key was sent: TLS had verified on this path, or the endpoint is on loopback."
    )
    found = table(
        "The same minimal request, each caller on its own",
        ("Caller", "Asked", "Status", "Request id", "Seconds", "Came back"),
        rows,
    )
    return together(found, paragraph(note), paragraph(f"Node.js here: {controls.node or 'not tried'}."))


def together_they_say(controls: Controls | None, seen: Evidence) -> View:
    """What only several callers side by side show."""
    if controls is None:
        return paragraph(_NOT_MADE)
    found = compare(controls, seen)
    if not found:
        return paragraph("The callers show no difference that says more than each of them alone.")
    return table("Side by side", ("Seen", "Means", "Next"), [(c.fact, c.means, c.next) for c in found])


def retries(controls: Controls | None) -> View:
    """Every request of one call with the SDK's own retries, against one without any."""
    if controls is None:
        return paragraph(_NOT_MADE)
    pairs = [
        (call, words)
        for name, words in (("retried", "its own retries"), ("once", "none"))
        if (call := controls.call(name))
    ]
    rows, drawn = [], []
    for call, words in pairs:
        if not call.requests:
            rows.append((f"{words} (max_retries {_or(call.max_retries)})", "none", "", "", "", "", _came(call)))
        before = 0.0
        for number, request in enumerate(call.requests, 1):
            end = f"status {request.status}" if request.status is not None else _last(request.errors)
            rows.append(
                (
                    f"{words} (max_retries {_or(call.max_retries)})",
                    f"{number} of {len(call.requests)}",
                    f"{request.began_seconds:.3f}",
                    f"{request.began_seconds - before:.3f}" if number > 1 else "",
                    f"{request.seconds:.3f}",
                    request.request_id or "none",
                    end + (f", retry-after {request.retry_after}" if request.retry_after else ""),
                )
            )
            before = request.began_seconds + request.seconds
            if call.id == "retried":
                drawn.append(
                    Attempt(
                        moment=request.began_seconds,
                        seconds=request.seconds,
                        state=_request_state(request.status),
                        end=end,
                    )
                )
    listed = table(
        "Every request that went out",
        ("Retries", "Request", "Began at (s)", "Paused before (s)", "Took (s)", "Request id", "Ended"),
        rows,
    )
    if not drawn:
        return listed
    picture = timeline("One call of the SDK with its own retries: the requests that it really sent", drawn)
    return View(
        html=f"<div>{listed.html}{picture.html}</div>", text=f"{listed.text}\n\n{picture.text}", data=dict(picture.data)
    )


def phases(controls: Controls | None, seen: Evidence) -> View:
    """What each time limit covers, its value in the installed SDK, and what this path took of it."""
    if controls is None or controls.defaults is None:
        return paragraph(
            _NOT_MADE if controls is None else "The SDK's client could not be built, so there are no defaults to read."
        )
    d = controls.defaults
    rows = [
        (
            "connect",
            _seconds(d.connect_seconds),
            _measured(seen, "tcp", "tls"),
            "TCP to one address, and again the whole TLS handshake. It counts for each address: the synchronous client tries them one after another, "
            "the asynchronous one races families.",
        ),
        (
            "read",
            _seconds(d.read_seconds),
            _measured(seen, "http"),
            "The wait for each next piece of the answer, not for all of it. The answer of a proxy to CONNECT waits on it as well, so that a silent proxy "
            "looks like a slow API.",
        ),
        (
            "write",
            _seconds(d.write_seconds),
            "",
            "The wait for room to send the next piece of the request; matters for large uploads.",
        ),
        (
            "pool",
            _seconds(d.pool_seconds),
            "",
            f"The wait for a free connection of the client: {_or(d.max_connections)} at most. Ends as PoolTimeout inside APITimeoutError, and nothing "
            "has left the process.",
        ),
        (
            "keep-alive",
            _seconds(d.keepalive_seconds),
            "",
            f"How long an unused connection is kept for the next call, {_or(d.keepalive_connections)} of them. Longer than the idle limit of a box on the way, "
            "and the next call meets a dead connection.",
        ),
        ("whole call", "none", "", _whole(d, seen)),
    ]
    return table(
        f"Time limits, as openai {seen.route.sdk} sets them if the application says nothing",
        ("Phase", "Limit", "This path took", "What it covers"),
        rows,
    )


def exceptions(controls: Controls | None) -> View:
    """The three classes that code has to catch apart, and which of them this path raised."""
    if controls is None or not controls.exceptions:
        return paragraph(
            _NOT_MADE if controls is None else "The SDK could not be imported, so its exceptions cannot be read."
        )
    classes = {one.name: one for one in controls.exceptions}
    meanings = (
        (
            "APITimeoutError",
            "A time limit ended the call; nobody has answered. A subclass of APIConnectionError: catch it first.",
        ),
        ("APIConnectionError", "No answer came back. The cause is in __cause__ and below, not in the text."),
        (
            "APIStatusError",
            "An answer came back: status_code, request_id, body and response say whose it is. Its subclasses are single statuses.",
        ),
    )
    rows = []
    for name, meaning in meanings:
        found = classes.get(name)
        bases = " → ".join(found.bases) if found else "not in this version"
        rows.append((name, bases, ", ".join(_raised(controls, name)) or "nobody on this path", meaning))
    others = [
        (
            one.name,
            " → ".join(one.bases),
            ", ".join(_raised(controls, one.name, exactly=True)),
            "One status, or one range of them.",
        )
        for one in controls.exceptions
        if "APIStatusError" in one.bases and _raised(controls, one.name, exactly=True)
    ]
    outside = sorted({raised for call in controls.calls if (raised := _raw(call))})
    listed = table("Three classes, three owners", ("Class", "Is a", "Raised here by", "What it says"), [*rows, *others])
    if not outside:
        return listed
    return together(
        listed,
        paragraph(
            f"Not one of the SDK's own classes was raised for: {', '.join(outside)}. An except for the three does not catch it."
        ),
    )


def debugging(controls: Controls | None) -> View:
    """What debug logging writes for one request with this SDK and transport, and what of it must not be kept."""
    if controls is None or controls.debug is None:
        return paragraph(
            _NOT_MADE
            if controls is None
            else "Debug logging was not tried: the SDK's client could not be built, or time was up."
        )
    log = controls.debug
    rows = [(line.logger, line.level, line.text) for line in log.lines]
    kept = f"the first {len(log.lines)} of {log.written}" if log.written > len(log.lines) else f"all {log.written}"
    leaks = [(leak,) for leak in log.leaks] or [("nothing that matters",)]
    return together(
        table("What stood in those lines before this record was redacted", ("Shown to whoever reads the log",), leaks),
        table(f"Lines of one request at DEBUG, {kept}", ("Logger", "Level", "Line, redacted"), rows),
    )


def node(controls: Controls | None) -> View:
    """The exception of Node.js down to the code that tells, and where its SDK keeps evidence differently from Python's."""
    differs = table("Where Node.js differs", ("Point", "Python", "Node.js"), _NODE_DIFFERS)
    call = controls.call("node") if controls is not None else None
    if call is None:
        return differs
    if isinstance(call.outcome, SdkFailed) and call.outcome.errors:
        rows = [(error.type, error.errno_name or "", error.relation, error.text) for error in call.outcome.errors]
        seen = table(f"What {call.caller} raised here, outermost first", ("Class", "code", "Reached by", "Text"), rows)
    else:
        seen = paragraph(f"{call.caller}: {_came(call)}.")
    return together(seen, differs)


_NODE_DIFFERS = (
    ("Retries", "max_retries 2", "maxRetries 2; both honour retry-after"),
    ("Time limit", "phases: connect 5 s, read 10 min", "timeout 10 min in milliseconds, until the headers; below it fetch: connect with TLS 10 s, headers 300 s, body 300 s"),
    ("A stream that stalls", "the read limit ends it", "timeout no longer counts; the 300 s of fetch or the server end it"),
    ("The cause", "__cause__ and __context__, down to errno or verify_code", "cause, down to a code; AggregateError.errors where several addresses were tried"),
    ("The raw answer", "with_raw_response; status_code, headers", ".withResponse() gives data, response, request_id; .asResponse() the response alone"),
    ("Request id", "error.request_id, object._request_id", "error.requestID, object._request_id"),
    ("Proxy", "HTTPS_PROXY, ALL_PROXY, NO_PROXY", "none by default; from 24 on NODE_USE_ENV_PROXY=1, without ALL_PROXY; in code fetchOptions.dispatcher with undici's ProxyAgent, and fetch of the same undici"),
    ("Proxy without scheme", "taken as http", "Node.js ends at its start: Invalid URL"),
    ("Roots", "SSL_CERT_FILE, SSL_CERT_DIR, else certifi or the system's", "built in; NODE_EXTRA_CA_CERTS adds (a missing file is only a warning), --use-system-ca adds the system's"),
    ("Verification off", "only in code", "NODE_TLS_REJECT_UNAUTHORIZED=0: a test made with it proves nothing"),
    ("White space in a key or URL", "kept, and fails", "trimmed: the same .env works here and fails in Python"),
    ("OPENAI_BASE_URL set and empty", "used as it is, and fails", "means the default"),
    ("Broken after the headers", "an exception of the SDK from 3.14.1 on", "TypeError: terminated, no class of the SDK at all"),
    ("A page with status 200", "its text is returned", "its text is returned"),
)  # fmt: skip
"""Source: openai-python 3.54 and openai-node 7.57, Node.js 24; November 2026."""


def wrappers(controls: Controls | None) -> View:
    """Packages in this interpreter that stand between the application and the SDK."""
    if controls is None:
        return paragraph(_NOT_MADE)
    if not controls.wrappers:
        return paragraph(
            "None of the known wrappers, agent frameworks and retry libraries is installed in this interpreter."
        )
    rows = [(name, _WRAPPED.get(name.partition(" ")[0], _WRAPPED_OTHERWISE)) for name in controls.wrappers]
    return table("Installed here, and able to hide the SDK", ("Package", "What it may hide"), rows)


_WRAPPED_OTHERWISE = (
    "Its own client, base URL, time limits or retries; look for the arguments that it passes to the SDK."
)
_WRAPPED = {
    "litellm": "Its own exception classes, which inherit from the SDK's: what it cannot map becomes APIConnectionError as well, also where an answer came. "
    "num_retries, fallbacks and cooldowns repeat the call elsewhere.",
    "langchain-openai": "openai_api_base and openai_proxy beside the SDK's own settings; max_retries and timeout go to the SDK; fallbacks swallow exceptions.",
    "langchain": "with_retry and with_fallbacks repeat the call above the SDK's own retries.",
    "llama-index-llms-openai": "Its own max_retries around the SDK, its own timeout, and api_base.",
    "tenacity": "Whatever is decorated with it is repeated; RetryError hides the last exception unless reraise=True.",
    "backoff": "Whatever is decorated with it is repeated, and only the last exception is seen.",
    "langfuse": "A drop-in for the SDK's import: its traces go to another host, and its errors are not the API's.",
    "traceloop-sdk": "It patches the SDK; its exporter's connection errors are not the API's.",
}


def _caller(call: Call) -> tuple[str, ...]:
    if isinstance(call.outcome, SdkAnswered):
        identity = call.outcome.request_id
    elif isinstance(call.outcome, HttpAnswer):
        identity = request_id(call.outcome)
    elif isinstance(call.outcome, SdkFailed) and call.outcome.answer:
        identity = request_id(call.outcome.answer)
    else:
        identity = None
    status = status_of(call)
    return (
        call.caller,
        call.asked,
        str(status) if status is not None else "none",
        identity or "none",
        f"{call.seconds:.3f}" if was_made(call) else "",
        _came(call),
    )


def _came(call: Call) -> str:
    """The answer, or the exception with the deepest number below it."""
    outcome = call.outcome
    match outcome:
        case SdkAnswered():
            chunks = f", {outcome.chunks} events" if outcome.stream else ""
            return f"answer: {outcome.shape}{chunks}{'' if outcome.completed else ', not whole'}"
        case SdkFailed(answer=HttpAnswer() as answer):
            return f"{_class(outcome.errors)}: {body(answer.body)}"
        case SdkFailed() | HttpFailed():
            last = _last(outcome.errors)
            return f"{_class(outcome.errors)} ← {last}" if len(outcome.errors) > 1 else last
        case HttpAnswer():
            return f"answer: {body(outcome.body)}"
        case NotTried() | Stopped() | ToolFailed():
            return f"{state(outcome)}: {fact(outcome)}"


def _class(errors: tuple[ErrorLink, ...]) -> str:
    return errors[0].type if errors else "an exception that was not kept"


def _last(errors: tuple[ErrorLink, ...]) -> str:
    """The deepest exception that has a number of its own, else the deepest."""
    if not errors:
        return "no exception was seen"
    telling = next((e for e in reversed(errors) if e.errno_name or e.verify_code), errors[-1])
    return link(telling)


def _request_state(status: int | None) -> State:
    if status is None:
        return "failed"
    return "worked" if status < 400 else "answered"


def _raised(controls: Controls, name: str, *, exactly: bool = False) -> list[str]:
    below = {one.name for one in controls.exceptions if name in one.bases}
    if name == "APIConnectionError":
        below.discard("APITimeoutError")
    found = []
    for call in controls.calls:
        if isinstance(call.outcome, SdkFailed) and call.id not in ("node", "transport"):
            raised = _class(call.outcome.errors).rpartition(".")[2]
            if raised == name or (not exactly and raised in below):
                found.append(call.caller.partition(", ")[2] or call.caller)
    return found


def _raw(call: Call) -> str:
    """The exception that a caller of the SDK got and that is none of the SDK's own; empty if it got none such."""
    if not isinstance(call.outcome, SdkFailed) or call.id in ("node", "transport"):
        return ""
    raised = _class(call.outcome.errors)
    return "" if raised.startswith("openai.") else raised


def _measured(seen: Evidence, *probes: str) -> str:
    found = [
        f"{o.probe} {o.seconds:.3f} s"
        for o in seen.observations
        if o.probe in probes and o.changed is None and o.attempt == 1 and not isinstance(o.outcome, NotTried)
    ]
    return "; ".join(found[:6])


def _whole(d: Defaults, seen: Evidence) -> str:
    addresses = next((len(resolved.addresses) for _, resolved in seen.of(Resolved, "dns")), 1)
    tries = d.max_retries + 1
    pauses = sum(
        min((d.first_delay_seconds or 0.5) * 2**n, d.longest_delay_seconds or 8.0) for n in range(d.max_retries)
    )
    dead = tries * (d.connect_seconds or 0.0) * addresses + pauses
    silent = tries * (d.read_seconds or 0.0) + pauses
    limit = (
        f" A retry-after above {d.longest_retry_after_seconds:g} s is not waited for."
        if d.longest_retry_after_seconds
        else ""
    )
    return (
        f"No limit of its own. {d.max_retries} retries, after connection errors, time limits, 408, 409, 429 and 5xx. Here, with {addresses} address"
        f"{'es' if addresses > 1 else ''}, a path that swallows the first packet shows after about {duration(dead)}, and an API that accepts and stays silent "
        f"after {duration(silent)}.{limit}"
    )


def _seconds(value: float | None) -> str:
    return "no limit" if value is None else duration(value)


def _or(number: int | None) -> str:
    return "?" if number is None else str(number)
