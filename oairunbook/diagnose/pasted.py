# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Judging what was pasted: the deepest evidence decides, not the outermost class name.

Text alone rarely proves: a dead proxy and a dead endpoint raise the same chain to the last word. What an API answer says by its code is proven;
what only fits best is likely; what the text leaves open is `unknown`, with the owner that the route gives and with what is missing.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oairunbook.diagnose import api
from oairunbook.diagnose.catalogue import LAYERS, NO_KEY_ADVICE, Cause, Certainty, Finding, do_nots, owner_of
from oairunbook.diagnose.reading import cite
from oairunbook.diagnose.signs import PROXY, SIGNS, TLS, VAGUE
from oairunbook.evidence import ApiError, ErrorLink, Evidence, HttpAnswer, Observation, PastedError, Route
from oairunbook.services import OTHER_SERVICES
from oairunbook.verdict import Also, Owner, Verdict

_ANSWER, _EDGE, _STATUS = 75, 74, 30

_TELEMETRY = "telemetry"
_OTHER_WORDS = re.compile(
    r"\bnew Anthropic\(|posthog|langsmith|telemetry|opentelemetry|sentry|Ignoring extra certs|DeprecationWarning|UserWarning",
    re.IGNORECASE,
)

_BLOCK_PAGE = re.compile(
    r"just a moment|attention required|access denied|access is denied|blocked|web filter|zscaler|fortiguard|netskope|forcepoint|umbrella|captive|request was blocked|error code: 10(?:06|07|08|09|10|12|15|20)\b|"
    r"enable javascript and cookies|verify you are human|checking your browser|cf-mitigated|incident id|security policy|sorry, you have been|ray id|forbidden by policy|policy violation",
    re.IGNORECASE,
)
_GATEWAY_WORDS = re.compile(
    r"bad gateway|gateway time-?out|upstream connect error|no healthy upstream|upstream request timeout|service (?:temporarily )?unavailable|error code: 5\d\d|web server is down|connection timed out|"
    r"host error|origin|cloudflare tunnel|could not reach",
    re.IGNORECASE,
)
_ENVOY = re.compile(
    r"no[_ ]healthy[_ ]upstream|upstream connect error|upstream request timeout|disconnect/reset before headers"
)
_NOT_API = re.compile(
    r"404 page not found|cannot (?:post|get) /|unexpected endpoint|file not found|\bnot found\b|no such route|method not allowed|page not found|<!doctype|the requested url|no static resource|welcome to nginx|it works",
    re.IGNORECASE,
)
_DIALLED = re.compile(
    r"(?:ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNRESET|EADDRNOTAVAIL|dial tcp|connect to|Connect call failed \('|Trying|Connected to) ?\[?(?P<address>[0-9a-fA-F:.]{3,45}?)\]?(?:', |:| port )(?P<port>\d{1,5})"
)
_SHOWS_TARGET = re.compile(
    r"(?:NewConnectionError|ConnectTimeoutError|Cannot connect to host|dial tcp|Failed to connect to|I/O error on|ENOTFOUND|EAI_AGAIN|lookup |Could not resolve host)"
)
_URLLIB3_PROXY = "ProxyError("


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one observation shows."""

    cause: str
    """`unknown` where it shows only that no useful answer came."""

    weight: int
    certainty: Certainty
    observation: Observation
    fact: str
    owner: Owner | None = None
    """Known although the cause is not; None leaves it to the owner rule."""

    also: tuple[tuple[str, str], ...] = ()
    missing: Missing = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The reading that decides, and the others that showed something else."""

    cause: str
    owner: Owner | None
    finding: Finding | None
    missing: Missing


def decide(evidence: Evidence) -> Decision:
    """The heaviest reading decides; among equals the last, because a log ends with what the application saw."""
    readings: list[Reading] = []
    for observation in evidence.observations:
        if observation.probe != "pasted" or _of_another_service(evidence.route, observation):
            continue
        outcome = observation.outcome
        found: Reading | None = None
        if isinstance(outcome, HttpAnswer):
            found = _answer(evidence, observation, outcome)
        elif isinstance(outcome, PastedError):
            found = _errors(evidence.route, observation, outcome.errors)
        if found is not None:
            readings.append(found)
    if _guard_of_another_sdk(evidence):
        readings = [r for r in readings if r.cause != "browser.key_exposed"]
    if not readings:
        return Decision(cause="unknown", owner="unknown", finding=None, missing=_MISSING_ALL)
    best = max(enumerate(readings), key=lambda item: (item[1].weight, item[0]))[1]
    best = _beside_a_proxy(evidence.route, best)
    others = {r.cause: r for r in readings if r.cause not in (best.cause, "unknown")}
    also = tuple((r.cause, r.fact) for r in others.values())
    finding = Finding(
        because=(cite(best.observation, best.fact),), certainty=best.certainty, also=(*best.also, *also)[:6]
    )
    if best.cause == "unknown":
        owner = best.owner or ("connection_path" if evidence.route.family == "direct" else "route_provider")
        return Decision(cause="unknown", owner=owner, finding=finding, missing=best.missing or _MISSING_CHAIN)
    return Decision(cause=best.cause, owner=best.owner, finding=finding, missing=best.missing)


Missing = tuple[tuple[str, str], ...]
"""What is missing, and how to fetch it."""

_CHECK = (
    "a same-path test",
    "Run oairunbook check in the runtime that failed, with the same base URL; then judge text and check together: oairunbook triage FILE --evidence check.json.",
)
_MISSING_ALL: Missing = (
    ("the error itself", "Take the last lines of the log: class, message, and what stands under `caused by`."),
    (
        "status, headers and body, if a response came",
        "In Python print e.status_code, e.response.headers and e.body; in Node err.status, err.headers and err.error.",
    ),
    _CHECK,
)
_MISSING_CHAIN: Missing = (
    (
        "the exception behind it",
        "Take the whole traceback; or in Python `cause = e` and print repr(cause := cause.__cause__ or cause.__context__) until it is None; in Node print err.cause and its code.",
    ),
    (
        "the address that was really dialled, and whether a proxy is in play",
        "Print HTTPS_PROXY, ALL_PROXY and NO_PROXY of the process that failed; take the transport's log (logging level DEBUG of httpcore or httpcore2 shows connect_tcp with host and port).",
    ),
    _CHECK,
)
_MISSING_429: Missing = (
    (
        "the body of the 429",
        "Print e.body: its `code` tells quota (insufficient_quota) from rate (rate_limit_exceeded).",
    ),
    ("the headers x-ratelimit-* and retry-after", "Print e.response.headers: they are absent on a billing 429."),
)
_MISSING_403: Missing = (
    (
        "body and headers of the 403",
        "Print e.body and e.response.headers: an API error has a code and x-request-id, a filter's page has server, cf-ray or its own name.",
    ),
    _CHECK,
)
_MISSING_BROWSER: Missing = (
    (
        "the line of the browser's console and of its network panel",
        "Copy the console's line (net::ERR_…, CORS text) and the status of the request: what JavaScript sees is the same for every network and CORS failure.",
    ),
    ("the same request from outside the browser", "Send it with curl -v from the same machine."),
)
_MISSING_DIALLED: Missing = (
    (
        "the address that was really dialled",
        "Take the transport's log (connect_tcp with host and port): with a proxy in play a dead proxy and a dead endpoint raise the same text.",
    ),
    _CHECK,
)
_MISSING_PROXY: Missing = (
    (
        "how the proxy failed",
        "Take the rest of this message, and the answer of the proxy: curl -v -x PROXY https://HOST/.",
    ),
    _CHECK,
)
_MISSING_STATUS: Missing = (
    ("status, body and headers of the answer", "Print e.status_code, e.body and e.response.headers."),
    _CHECK,
)


# -- errors -------------------------------------------------------------------------------------------------------


def _errors(route: Route, observation: Observation, errors: tuple[ErrorLink, ...]) -> Reading | None:
    best: Reading | None = None
    for link in errors:
        found = _link(observation, link)
        # Deeper links come later; among equals the deepest is cited.
        if found is not None and (best is None or found.weight >= best.weight):
            best = found
    if best is None:
        return None
    best = _by_phase(observation, best)
    return _by_address(route, best, " ".join(link.text for link in errors))


def _link(observation: Observation, link: ErrorLink) -> Reading | None:
    words = f"{link.type}: {link.text}" if link.type else link.text
    if link.errno_name:
        words += f" {link.errno_name}"
    if _OTHER_WORDS.search(words) and "openai" not in words.lower():
        return None
    best = None
    for sign in SIGNS:
        if (best is None or sign.weight > best.weight) and sign.pattern.search(words):
            best = sign
    if best is None:
        return None
    fact = f"{link.type}: {link.text}"[:400] if link.type else link.text[:400]
    missing: Missing = ()
    owner: Owner | None = None
    if best.cause == "unknown":
        if re.search(
            r"Failed to fetch|NetworkError when|Load failed|ERR_NETWORK|ERR_FAILED|did not succeed|access control checks",
            words,
        ):
            missing = _MISSING_BROWSER
        if _URLLIB3_PROXY in words or "ERR_TUNNEL" in words:
            owner, missing = "connection_path", _MISSING_PROXY
    return Reading(
        cause=best.cause,
        weight=best.weight,
        certainty=best.certainty,
        observation=observation,
        fact=fact,
        owner=owner,
        also=_ALSO.get(best.cause, ()),
        missing=missing,
    )


_ALSO: dict[str, tuple[tuple[str, str], ...]] = {
    "dns.nxdomain": (("dns.no_address", "getaddrinfo gives the same answer for a name without an address"),),
    "dns.timeout": (
        ("dns.servfail", "the system resolver says the same when the name server fails or refuses"),
        ("dns.resolver_unreachable", "the same again when no name server can be reached"),
    ),
    "tls.untrusted_issuer": (
        ("tls.incomplete_chain", "the same verify error stands for an intermediate that the server leaves out"),
        ("tls.trust_store_mismatch", "another store on that machine may trust the chain"),
    ),
    "tls.expired": (("tls.clock_skew", "a wrong local clock gives the same verify error: compare date -u"),),
    "tls.not_yet_valid": (("tls.clock_skew", "a wrong local clock gives the same verify error: compare date -u"),),
    "tls.timeout": (("tcp.path_mtu", "full-size segments that vanish look the same"),),
    "http.reset": (("http.idle_reset", "a reused idle connection that a NAT has forgotten ends the same way"),),
    "http.disconnected": (("http.idle_reset", "a reused idle connection that was closed ends the same way"),),
}

_IN_HANDSHAKE = {
    "http.reset": "tls.reset",
    "http.disconnected": "tls.reset",
    "http.read_timeout": "tls.timeout",
    "tcp.timeout": "tls.timeout",
    "tcp.reset": "tls.reset",
}
_IN_TUNNEL = {
    "http.reset": "proxy.protocol_error",
    "http.disconnected": "proxy.protocol_error",
    "tls.reset": "proxy.protocol_error",
}


def _by_phase(observation: Observation, found: Reading) -> Reading:
    """The frames say where it happened: a reset in the handshake is none of the exchange."""
    moved = None
    if observation.layer == "tls":
        moved = _IN_HANDSHAKE.get(found.cause)
    elif observation.layer == "proxy":
        moved = _IN_TUNNEL.get(found.cause)
    elif observation.layer == "http" and found.cause == "tls.reset":
        moved = "http.disconnected"
    elif observation.layer == "tcp" and found.cause == "http.read_timeout":
        moved = "tcp.timeout"
    if moved is None:
        return found
    weight = TLS if moved.startswith("tls") else found.weight
    return dataclasses.replace(found, cause=moved, weight=max(weight, found.weight), also=_ALSO.get(moved, ()))


def _by_address(route: Route, found: Reading, words: str) -> Reading:
    """The dialled address, where the text shows it: the proxy's, or one that cannot serve a public name."""
    if not found.cause.startswith(("tcp.", "dns.", "http.")):
        return found
    match = _DIALLED.search(words)
    if match is None:
        return found
    address, port = match["address"].strip("."), int(match["port"])
    if route.proxy.url and port == route.proxy.port and found.cause.startswith("tcp."):
        fact = f"{found.fact}; {address}:{port} is the proxy's address"
        return dataclasses.replace(found, cause="proxy.unreachable", weight=PROXY, fact=fact, also=())
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return found
    public = (
        "." in route.host
        and not _is_address(route.host)
        and not route.host.endswith((".local", ".internal", ".localhost"))
    )
    if found.cause.startswith("tcp.") and public and port == 443 and (parsed.is_loopback or parsed.is_unspecified):
        fact = f"{found.fact}; {address} is no address of {route.host}"
        return dataclasses.replace(
            found,
            cause="dns.sinkhole",
            fact=fact,
            also=(("dns.hosts_override", "a line of the hosts file gives the same address"),),
        )
    return found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _beside_a_proxy(route: Route, found: Reading) -> Reading:
    """With a proxy in play and no address shown, a failure to connect is undecided between proxy and endpoint."""
    if not route.proxy.url or not found.cause.startswith(("tcp.", "dns.")) or found.cause == "dns.sinkhole":
        return found
    outcome = found.observation.outcome
    words = " ".join(link.text for link in outcome.errors) if isinstance(outcome, PastedError) else ""
    if _DIALLED.search(words) or _SHOWS_TARGET.search(words):
        return found
    fact = f"{found.fact}; the proxy {route.proxy.url} is in play, and the text does not say which address was dialled"
    return dataclasses.replace(
        found,
        cause="unknown",
        fact=fact,
        owner="connection_path" if route.family == "direct" else None,
        also=(
            (found.cause, "if the endpoint was dialled"),
            (
                "proxy.unreachable" if found.cause.startswith("tcp.") else "proxy.unresolvable",
                "if the proxy was dialled",
            ),
        ),
        missing=_MISSING_DIALLED,
    )


def _guard_of_another_sdk(evidence: Evidence) -> bool:
    """Other vendors' SDKs say the same in a page; the line of code that they show names the class."""
    words = " ".join(link.text for _, raised in evidence.of(PastedError) for link in raised.errors)
    return "new Anthropic(" in words and "new OpenAI(" not in words


def _of_another_service(route: Route, observation: Observation) -> bool:
    """Failures of tracing, package indexes and other tools are no failures of the call."""
    if observation.target == _TELEMETRY:
        return True
    return observation.target != route.host and bool(OTHER_SERVICES.search(observation.target))


# -- answers ------------------------------------------------------------------------------------------------------


def _answer(evidence: Evidence, observation: Observation, answer: HttpAnswer) -> Reading | None:
    body, status, family = answer.body, answer.status, evidence.route.family
    fact = _fact(answer)

    def reading(
        cause: str,
        weight: int,
        certainty: Certainty = "likely",
        owner: Owner | None = None,
        missing: Missing = (),
    ) -> Reading:
        return Reading(
            cause=cause,
            weight=weight,
            certainty=certainty,
            observation=observation,
            fact=fact,
            owner=owner,
            missing=missing,
        )

    if status == 407:
        return reading("proxy.auth_required", PROXY + 6, "proven")
    if body.shape == "html":
        return reading(*_page(status, f"{body.title or ''} {body.sample}"))
    if body.shape in ("api_object", "event_stream") and body.error is None:
        return None
    error = body.error
    if error is not None:
        if _edge_json(status, error, family):
            return reading("http.gateway_error", _EDGE)
        if error.shape == "flat" and error.message and error.message.lower() in ("not found", "method not allowed"):
            return reading("http.not_an_api", _EDGE)
        cause = api.named(status, error, family)
        if cause is not None:
            return reading(cause, _ANSWER + 1, "proven" if _certain(status, error) else "likely")
        cause = api.by_status(status, family)
        if cause is not None and (status != 429 or error.message):
            return reading(cause, _ANSWER, "likely")
        return reading("unknown", VAGUE, owner="unknown", missing=_MISSING_STATUS) if status else None
    words = body.sample if body.shape in ("text", "json") else ""
    if _BLOCK_PAGE.search(words) and status in (0, 400, 403, 429, 451, 503):
        return reading("http.blocked_page", _EDGE)
    if _ENVOY.search(words):
        return reading("http.gateway_error", _EDGE)
    said = ApiError(message=words) if words else ApiError(message=None)
    cause = api.named(status, said, family) if words else None
    by_edge = cause == "api.server_error" and status in (502, 504)
    # Bare reason phrases name no cause: `Too Many Requests` is what every 429 says.
    if cause is not None and not by_edge and not _is_reason_phrase(words):
        return reading(cause, _ANSWER if status else _ANSWER - 1)
    return _status_alone(reading, status, words, family)


def _status_alone(reading: Callable[..., Reading], status: int, words: str, family: str) -> Reading | None:
    if 300 <= status < 400:
        return reading("http.redirected", _STATUS) if status in (301, 302, 303, 307, 308) else None
    if status in (502, 503, 504) or 520 <= status <= 530:
        return reading("http.gateway_error", _STATUS + 4)
    if status in (404, 405):
        return reading("http.not_an_api", _STATUS if not _NOT_API.search(words) else _STATUS + 6)
    if status == 401:
        return reading(api.by_status(401, family), _STATUS)
    if status == 402:
        return reading("api.insufficient_quota", _STATUS)
    if status == 403:
        return reading("unknown", _STATUS - 2, owner="unknown", missing=_MISSING_403)
    if status == 429:
        return reading("unknown", _STATUS, owner="quota_or_rate", missing=_MISSING_429)
    if status == 408:
        return reading("unknown", _STATUS - 4, missing=_MISSING_STATUS)
    if status >= 500:
        return reading("api.server_error", _STATUS - 5)
    if status >= 400:
        return reading("api.bad_request", _STATUS)
    return None


def _page(status: int, words: str) -> tuple[str, int]:
    """A page in the API's place: a filter's, a load balancer's, or some other server's."""
    if not status:
        match = re.search(r"\b([345]\d\d)\b", words[:200])
        status = int(match[1]) if match else 0
    if status in (502, 503, 504) or 520 <= status <= 530:
        return (
            ("http.blocked_page", _EDGE)
            if re.search(r"just a moment|verify you are human", words, re.IGNORECASE)
            else ("http.gateway_error", _EDGE)
        )
    if 300 <= status < 400:
        return "http.redirected", _EDGE
    if status in (403, 429, 451, 511) or _BLOCK_PAGE.search(words):
        return "http.blocked_page", _EDGE
    if status >= 500 or (not status and _GATEWAY_WORDS.search(words)):
        return "http.gateway_error", _EDGE
    return "http.not_an_api", _EDGE


def _edge_json(status: int, error: ApiError, family: str) -> bool:
    """An edge can send an API-shaped error: its code is a number, and its type says so."""
    kind = (error.type or "").lower()
    if kind.startswith("cf_"):
        return True
    message = (error.message or "").lower().strip(". ")
    return (
        family == "direct"
        and status in (502, 503, 504, 520, 521, 522, 523, 524)
        and (not error.code_is_string or message in ("bad gateway", "gateway timeout", "gateway time-out"))
    )


def _certain(status: int, error: ApiError) -> bool:
    return bool(error.code or error.type) or bool(status)


def _is_reason_phrase(words: str) -> bool:
    return len(words) < 40 and bool(
        re.fullmatch(
            r"\W*(?:\d{3}\W+)?(?:too many requests|internal server error|service (?:temporarily )?unavailable|unauthorized|forbidden|not found|bad request|bad gateway|gateway time-?out|server error|client error)\W*(?:\d{3})?\W*(?:for url.*|none)?",
            words,
            re.IGNORECASE,
        )
    )


def _fact(answer: HttpAnswer) -> str:
    error = answer.body.error
    parts = [f"status {answer.status}" if answer.status else "no status shown"]
    if error is not None:
        parts += [
            f"{name} {value!r}"
            for name, value in (("type", error.type), ("code", error.code), ("message", (error.message or "")[:300]))
            if value
        ]
    elif answer.body.title:
        parts.append(f"a page titled {answer.body.title!r}")
    elif answer.body.sample:
        parts.append(f"{answer.body.sample[:200]!r}")
    request_id = answer.header("apim-request-id") or answer.header("x-request-id")
    if request_id:
        parts.append(f"request id {request_id}")
    return ", ".join(parts)


# -- verdicts -----------------------------------------------------------------------------------------------------


def split(evidence: Evidence) -> tuple[Evidence | None, Evidence | None]:
    """What probes saw and what was pasted, as two records; None where there is nothing of the kind."""
    probed = tuple(o for o in evidence.observations if o.probe != "pasted")
    text = tuple(o for o in evidence.observations if o.probe == "pasted")
    if not text:
        return evidence, None
    return (
        dataclasses.replace(evidence, observations=probed) if probed else None,
        dataclasses.replace(evidence, observations=text),
    )


def judge(evidence: Evidence, catalogue: Mapping[str, Cause]) -> Verdict:
    """The verdict on what was pasted alone."""
    decision = decide(evidence)
    cause, finding = catalogue[decision.cause], decision.finding
    if cause.id == "unknown":
        return Verdict(
            owner=decision.owner or "unknown",
            layer=None,
            cause="unknown",
            certainty=None,
            pattern=None,
            summary=" ".join(
                part
                for part in (
                    cause.meaning,
                    finding.because[0].fact if finding else "The text shows no failure of a call to the API.",
                )
                if part
            ),
            because=finding.because if finding else (),
            next=tuple(how for _, how in decision.missing),
            do_not=() if decision.owner in ("quota_or_rate", "auth") else (NO_KEY_ADVICE,),
            also=tuple(Also(cause=identity, why=why) for identity, why in finding.also) if finding else (),
            missing=tuple(what for what, _ in decision.missing),
        )
    assert finding is not None
    owner = decision.owner or owner_of(cause, evidence.route.family, control_shows_the_same=None)
    before_api = cause.layer is not None and LAYERS.index(cause.layer) < LAYERS.index("api")
    missing = tuple(what for what, _ in decision.missing)
    if owner == "route_provider" and cause.owner is None:
        missing += (
            "a control test of the direct route from the same runtime: until it shows the same symptom, the route's provider owns this",
        )
    if before_api and cause.layer != "client":
        missing += (_CHECK[0],)
    return Verdict(
        owner=owner,
        layer=cause.layer,
        cause=cause.id,
        certainty=finding.certainty,
        pattern=None,
        summary=f"{cause.meaning} {finding.because[0].fact}",
        because=finding.because,
        next=(*finding.next, *cause.next),
        do_not=do_nots(cause),
        also=tuple(Also(cause=identity, why=why) for identity, why in finding.also),
        missing=missing,
    )


def combine(probed: Verdict, text: Verdict) -> Verdict:
    """One verdict from a check and a text of the same runtime. What was seen here counts first; where the text says otherwise, it says so."""
    if text.cause == "unknown":
        return dataclasses.replace(probed, because=(*probed.because, *text.because))
    if probed.cause == text.cause:
        return dataclasses.replace(probed, because=(*probed.because, *text.because), missing=probed.missing)
    said = text.because[0].fact if text.because else text.summary
    if probed.cause == "unknown":
        note = "the check of this runtime does not show it: it may have passed, or need the application's own request"
        return dataclasses.replace(
            text, certainty="likely" if text.certainty else None, missing=(*text.missing, *probed.missing, note)
        )
    if probed.cause == "client.api_key_missing" and text.layer == "api":
        # The path is open up to the API's own 401, and the application that has a key got further than this check.
        return dataclasses.replace(text, because=(*text.because, *probed.because))
    if probed.cause == "ok":
        meaning = f"The pasted text showed {text.cause}, and this path is healthy now: it comes and goes, it was mended since, or the text came from another runtime or other settings."
        steps = (
            "Compare runtime, key scope, model and base URL of the text with this check's; repeat the check while it fails (--repeat).",
        )
    else:
        meaning = f"The pasted text showed {text.cause}, and the check shows {probed.cause}: either the fault changed, or the text came from another runtime or other settings."
        steps = ("Take text and check from the same runtime at the same time, then judge again.",)
    return dataclasses.replace(
        probed,
        summary=f"{probed.summary} {meaning}",
        next=(*probed.next, *steps),
        also=(*probed.also, Also(cause=text.cause, why=f"{said} (pasted; the check disagrees)")),
        missing=(*probed.missing, "whether the text and the check are of the same runtime and time"),
    )
