# ruff: noqa: E501 - sentences for people
"""Which evidence to fetch next, and how: pairs of what is missing and the way to it."""

from __future__ import annotations

from oairunbook.diagnose.pasted.reading import Missing

CHECK = (
    "a same-path test",
    "In the runtime that failed, with the same base URL, run oairunbook check --json check.json; then judge text and check together: oairunbook triage FILE --evidence check.json.",
)
ROUTE = (
    "which route was called",
    "Print client.base_url in the application that failed, or its setting of the provider: the text shows two, and the owner depends on it.",
)
ERROR: Missing = (
    ("the error itself", "Take the last lines of the log: class, message, and what stands under `caused by`."),
    (
        "status, headers and body, if a response came",
        "In Python print e.status_code, e.response.headers and e.body; in Node err.status, err.headers and err.error.",
    ),
    CHECK,
)
CHAIN: Missing = (
    (
        "the exception behind it",
        "Take the whole traceback. Where the code catches it as e, print the chain: while e: print(repr(e)); e = e.__cause__ or e.__context__ (in Node: print err.cause and err.cause.code).",
    ),
    (
        "the address that was really dialled, and whether a proxy is in play",
        "Print HTTPS_PROXY, ALL_PROXY and NO_PROXY of the process that failed. In Python logging.basicConfig(level=logging.DEBUG) makes httpcore or httpcore2 log connect_tcp with host and port.",
    ),
    CHECK,
)
BODY_OF_429: Missing = (
    (
        "the body of the 429",
        "Print e.body: its `code` tells quota (insufficient_quota) from rate (rate_limit_exceeded).",
    ),
    ("the headers x-ratelimit-* and retry-after", "Print e.response.headers: they are absent on a billing 429."),
)
BODY_OF_403: Missing = (
    (
        "body and headers of the 403",
        "Print e.body and e.response.headers: an API error has a code and x-request-id, a filter's page has server, cf-ray or its own name.",
    ),
    CHECK,
)
BROWSER: Missing = (
    (
        "the line of the browser's console and of its network panel",
        "Copy the console's line (net::ERR_…, CORS text) and the status of the request: what JavaScript sees is the same for every network and CORS failure.",
    ),
    ("the same request from outside the browser", "Send it with curl -v from the same machine."),
)
DIALLED: Missing = (
    (
        "the address that was really dialled",
        "Take the transport's log (connect_tcp with host and port): with a proxy in play a dead proxy and a dead endpoint raise the same text.",
    ),
    CHECK,
)
PROXY: Missing = (
    (
        "how the proxy failed",
        "Take the rest of this message, and the answer of the proxy: curl -v -x PROXY https://HOST/.",
    ),
    CHECK,
)
STATUS: Missing = (
    ("status, body and headers of the answer", "Print e.status_code, e.body and e.response.headers."),
    CHECK,
)
