"""The notebook on browsers: preflight and answer by the browser's own checks, what a script may read, a real browser, code with keys in it."""

from __future__ import annotations

from oairunbook.diagnose import cors
from oairunbook.evidence import (
    ClientCode,
    CorsExchange,
    Evidence,
    HttpAnswer,
    NotTried,
    Observation,
    PageTried,
    ToolFailed,
)
from oairunbook.record.describe import fact, state
from oairunbook.record.view import View, listing, paragraph, table, together

_NOT_THERE = "Nothing was looked at as a page: this evidence holds no such observation. A record from elsewhere is shown as it is."
_WORTH_READING = (
    "x-request-id",
    "retry-after",
    "openai-processing-ms",
    "x-ratelimit-remaining-requests",
    "cf-ray",
    "content-type",
)

_TEXTS = (
    (
        "TypeError: Failed to fetch",
        "Chromium: any failure of the network, of CORS or of a policy",
        "The console line above it, and the network panel",
    ),
    (
        "TypeError: NetworkError when attempting to fetch resource.",
        "Firefox: the same",
        "The console's Reason and Status code; (null) is a failure of the network, not CORS",
    ),
    (
        "TypeError: Load failed",
        "Safari: the same, also for a lost connection or a reload",
        "The status code in the console line",
    ),
    (
        "net::ERR_FAILED with a status",
        "An answer came, and it lacks CORS headers: often an error status",
        "Decide by that status",
    ),
    (
        "It does not have HTTP ok status.",
        "The preflight ended in 3xx, 4xx or 5xx",
        "Path of the base URL; whether OPTIONS wants a key",
    ),
    (
        "… address space",
        "Local network access: the page is more public than the endpoint",
        "Serve both from the same network, or the call from a server",
    ),
)


def preflight(seen: Evidence) -> View:
    """The preflight of the page, each check with what was wanted and what was given; the SDK's header names besides."""
    views = []
    for observation, exchange in _exchanges(seen, "preflight"):
        whose = f"A page of {exchange.origin} wants to POST with the headers {', '.join(exchange.request_headers)}."
        views += [paragraph(whose), _checked("Preflight", observation, exchange)]
    return together(*views) if views else _absent(seen, "browser.preflight")


def answer(seen: Evidence) -> View:
    """The answer itself, by the same checks, and which of its headers the script may read."""
    found = _exchanges(seen, "request")
    if not found:
        return _absent(seen, "browser.request")
    observation, exchange = found[0]
    shown = _checked("Answer to the page", observation, exchange)
    if not isinstance(exchange.answer, HttpAnswer):
        return shown
    there = [(h.name, h.value) for h in exchange.answer.headers if h.name in _WORTH_READING]
    may = cors.readable(
        exchange.answer, tuple(name for name, _ in there), credentials=exchange.credentials_mode == "include"
    )
    rows = [(name, value, "yes" if may[name] else "no: not in Access-Control-Expose-Headers") for name, value in there]
    key = {
        "own": "the key",
        "placeholder": "a placeholder for a key, whose refusal is no fault of the path",
        "none": "no key",
    }
    note = paragraph(f"Sent with {key[exchange.credential]}, from this process and not from a page.")
    if exchange.answer.status >= 400 and cors.first_failure(exchange) is not None:
        hidden = f"A page would see a CORS error instead of status {exchange.answer.status}: error answers here carry no CORS headers."
        note = together(note, paragraph(hidden, strong=True))
    return together(shown, table("Headers of that answer", ("Header", "Value", "A script may read it"), rows), note)


def real_browser(seen: Evidence) -> View:
    """What a real browser made of the same call from a page of that origin."""
    for observation in seen.observations:
        outcome = observation.outcome
        if observation.id != "browser.page":
            continue
        if not isinstance(outcome, PageTried):
            return paragraph(f"{state(outcome).capitalize()}: {fact(outcome)}.")
        rows = [
            ("Browser", outcome.browser),
            ("Page", f"{outcome.origin}/oairunbook.html, given to the browser by this process"),
            ("The script caught", outcome.exception or "nothing"),
            ("Status that the script sees", str(outcome.status) if outcome.status is not None else "none"),
            ("Headers that the script may read", ", ".join(outcome.readable_headers) or "none"),
        ]
        requests = [
            (
                r.method,
                r.kind_of_request,
                str(r.status) if r.status is not None else "none",
                r.cors_error or "",
                r.blocked_reason or "",
                r.failure or "none",
            )
            for r in outcome.requests
        ]
        panel = table(
            "Network panel", ("Method", "Kind", "Status", "CORS check that failed", "Blocked", "Failure"), requests
        )
        nothing = paragraph("The network panel shows no request: it was stopped before one was made.")
        return together(
            table("A page in a real browser", ("", "Seen"), rows),
            panel if requests else nothing,
            listing("Console", outcome.console, none="The console is empty."),
            _read_with_the_placeholder(outcome),
        )
    return paragraph(_NOT_THERE)


def _read_with_the_placeholder(tried: PageTried) -> View:
    """What the placeholder has to do with what the page saw."""
    refused = next(
        (r.status for r in tried.requests if r.cors_error == "MissingAllowOriginHeader" and (r.status or 0) >= 400),
        None,
    )
    if refused is None:
        return paragraph("The page holds a placeholder for a key, so that 401 is what an open way ends in.")
    return paragraph(
        f"The preflight passed, and the placeholder for a key was refused with status {refused}. That refusal carries no CORS headers, which is all that the "
        "script was told. A page with a key that is accepted gets the answer that stands above.",
        strong=True,
    )


def exposed(seen: Evidence) -> View:
    """Keys, calls without TLS and the SDK's switch for browsers in the code that browsers get."""
    for observation in seen.observations:
        outcome = observation.outcome
        if observation.id != "browser.code":
            continue
        if not isinstance(outcome, ClientCode):
            return paragraph(f"{state(outcome).capitalize()}: {fact(outcome)}.")
        rows = [
            (
                "key",
                f"{key.shape}{', a secret of this runtime' if key.is_of_this_runtime else ''}",
                f"{key.source}, line {key.line}",
            )
            for key in outcome.keys
        ]
        rows += [
            ("dangerouslyAllowBrowser", "the SDK is told to run in a page", where) for where in outcome.allows_browser
        ]
        rows += [
            ("call without TLS", found.partition(" (")[0], found.partition(" (")[2].rstrip(")"))
            for found in outcome.insecure
        ]
        read = paragraph(
            f"{len(outcome.sources)} sources with {outcome.size_bytes:,} characters were read; no key that was found is kept."
        )
        if not rows:
            return together(paragraph("No key, no switch for browsers and no call without TLS was found."), read)
        return together(table("In the code that browsers get", ("Found", "What", "Where"), rows), read)
    return paragraph(
        "No code was given to search: name a file, a folder of built code, or a page of your own as `page`."
    )


def mixed(seen: Evidence) -> View:
    """Whether the page's scheme lets it call this endpoint at all."""
    origin = next((exchange.origin for _, exchange in _exchanges(seen, "preflight")), None)
    if origin is None:
        return _absent(seen, "browser.preflight")
    r = seen.route
    local = r.host in ("localhost", "127.0.0.1", "::1")
    blocked = origin.startswith("https:") and r.scheme == "http" and not local
    if blocked:
        told = "Browsers block this call before it is sent, and upgrade no fetch by themselves."
    elif r.scheme == "http" and local:
        told = "Loopback counts as trustworthy; newer browsers ask for permission to reach it (local network access)."
    else:
        told = "The schemes fit."
    rows = [
        ("Page", origin),
        ("Endpoint", f"{r.scheme}://{r.host}:{r.port}"),
        ("Mixed content", "yes" if blocked else "no"),
    ]
    return together(table("Page and endpoint", ("", "Value"), rows), paragraph(told, strong=blocked))


def texts() -> View:
    """What the texts of browsers mean, and what to fetch besides them."""
    return table("What a page's script is told, and what it means", ("Text", "Means", "Look at"), _TEXTS)


def _exchanges(seen: Evidence, step: str) -> list[tuple[Observation, CorsExchange]]:
    return [(o, o.outcome) for o in seen.observations if isinstance(o.outcome, CorsExchange) and o.outcome.step == step]


def _checked(caption: str, observation: Observation, exchange: CorsExchange) -> View:
    if not isinstance(exchange.answer, HttpAnswer):
        return together(paragraph(caption, strong=True), paragraph(f"No answer came: {fact(exchange.answer)}."))
    failure = cors.first_failure(exchange)
    end = f"the browser stops at {failure.asks}" if failure else "a browser lets it pass"
    return table(
        f"{caption}: status {exchange.answer.status} in {observation.seconds:.3f} s; {end}",
        ("Asks for", "Result", "Wanted", "Given"),
        _rows(cors.checks(exchange)),
    )


def _rows(checks: tuple[cors.Check, ...]) -> list[tuple[str, str, str, str]]:
    """One row a check; header names that end alike share one."""
    rows: list[tuple[str, str, str, str]] = []
    for check in checks:
        asks, _, name = check.asks.partition(": ")
        result = "passes" if check.passes else "FAILS"
        last = rows[-1] if rows else None
        if name and last and last[0] == asks and last[1] == result:
            rows[-1] = (asks, result, f"{last[2]}, {check.wanted}", check.given)
        else:
            rows.append((asks, result, check.wanted, check.given))
    return rows


def _absent(seen: Evidence, identity: str) -> View:
    for observation in seen.observations:
        if observation.id == identity and isinstance(observation.outcome, (NotTried, ToolFailed)):
            return paragraph(f"{state(observation.outcome).capitalize()}: {fact(observation.outcome)}.")
    return paragraph(_NOT_THERE)
