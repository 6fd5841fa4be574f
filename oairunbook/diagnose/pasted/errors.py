# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Judging the errors of a text: the sign that weighs most, the phase that the frames show, the address that was dialled."""

from __future__ import annotations

import dataclasses
import ipaddress
import re

from oairunbook.diagnose.pasted import fetch
from oairunbook.diagnose.pasted.reading import Missing, Reading
from oairunbook.diagnose.pasted.signs import SIGNS
from oairunbook.diagnose.pasted.signs.sign import CLIENT, CONNECT, NOTHING, PROXY, TLS
from oairunbook.evidence import ErrorLink, Observation, PastedError, Route
from oairunbook.phrases import PhraseIndex
from oairunbook.verdict import Owner

_WORDS = PhraseIndex([sign.phrases for sign in SIGNS])
_OTHER_WORDS = re.compile(
    r"\bnew Anthropic\(|posthog|langsmith|telemetry|opentelemetry|sentry|Ignoring extra certs|DeprecationWarning|UserWarning",
    re.IGNORECASE,
)
_DIALLED = re.compile(
    r"(?:ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNRESET|EADDRNOTAVAIL|dial tcp|connect to|[Cc]onnecting to|connect error for|Connect call failed \('|Trying|Connected to) ?\[?(?P<address>[0-9a-fA-F:.]{3,45}?)\]?(?:', |:| port )(?P<port>\d{1,5})"
)
_DIALLED_FIELDS = re.compile(
    r"['\"]?address['\"]?: ?['\"](?P<address>[0-9a-fA-F:.]{3,45})['\"],\s{0,8}['\"]?port['\"]?: ?(?P<port>\d{1,5})"
)
_SHOWS_TARGET = re.compile(
    r"(?:NewConnectionError\(|ConnectTimeoutError\(|Cannot connect to host|dial tcp|Failed to connect to|I/O error on|ENOTFOUND|EAI_AGAIN|lookup |Could not resolve host)"
)
_URLLIB3_PROXY = "ProxyError("
# Whom a call went to, and another name that did not resolve: node-fetch with an agent, Go without `proxyconnect`.
_OTHER_NAME = re.compile(
    r"https?://(?P<host>[\w.-]{1,253})\S{0,300}[^\n]{1,60}\b(?:ENOTFOUND|EAI_AGAIN|lookup) (?!address information)(?P<name>[\w.-]{1,253})",
)
# Go's `proxyconnect tcp`, broken by a narrow window.
_PROXY_CONNECT = re.compile(r"\bproxy ?connect\b")
# No route off the machine is local, whatever the route of the call.
_NO_ROUTE = re.compile(
    r"Network is unreachable|unreachable network|ENETUNREACH|ENETDOWN|ERR_INTERNET_DISCONNECTED|无法连接的网络",
    re.IGNORECASE,
)


# A line with a status tells of an answer: the request was sent, and a server missed the key.
_ANSWERED = re.compile(r"(?<![\w.])(?:400|401|403)(?![\w.])|Error code: [45]\d\d - \{")


def read_errors(route: Route, observation: Observation, errors: tuple[ErrorLink, ...]) -> Reading | None:
    """What the errors of one chain show; None where none of them is known."""
    best = _no_trust_store(observation, errors)
    for link in errors:
        found = _of_a_gateways_own(route, observation, link) or _link(observation, link)
        # Deeper links come later; among equals the deepest is cited.
        if found is not None and (best is None or found.weight >= best.weight):
            best = found
    if best is None:
        return None
    words = " ".join(link.text for link in errors)
    best = _by_name(_by_phase(observation, best), words)
    return _by_address(route, best, words)


_NO_FILE = re.compile(
    r"(?:FileNotFoundError|IsADirectoryError|PermissionError|NO_CERTIFICATE_OR_CRL_FOUND|No such file)"
)


def _no_trust_store(observation: Observation, errors: tuple[ErrorLink, ...]) -> Reading | None:
    """A file that is missing where the frames say that the trust store was read: Python's message does not name it."""
    if observation.layer != "client":
        return None
    link = next((link for link in errors if _NO_FILE.search(f"{link.type} {link.text}")), None)
    if link is None:
        return None
    fact = f"{link.type}: {link.text}, where the trust store was read"[:400]
    return Reading(
        cause="client.ca_bundle_unusable", weight=CLIENT, certainty="likely", observation=observation, fact=fact
    )


# LiteLLM's own log of its call: its SDK got no answer, and says nothing of why.
_UPSTREAM_SILENT = re.compile(r"(?:OpenAI|Azure)(?:AI)?Exception - (?:Connection error|Request timed out)\.?\s*$")


def _of_a_gateways_own(route: Route, observation: Observation, link: ErrorLink) -> Reading | None:
    if "LiteLLM's proxy" not in route.family_reason or not _UPSTREAM_SILENT.search(link.text):
        return None
    fact = f"{link.type}: {link.text}"[:400]
    return Reading(
        cause="api.gateway_upstream_failed", weight=NOTHING + 2, certainty="likely", observation=observation, fact=fact
    )


def _link(observation: Observation, link: ErrorLink) -> Reading | None:
    words = f"{link.type}: {link.text}" if link.type else link.text
    if link.errno_name:
        words += f" {link.errno_name}"
    if _OTHER_WORDS.search(words.partition("directive")[0]) and "openai" not in words.lower():
        return None
    best, lowered = None, words.lower()
    for position in _WORDS.possible(lowered):
        sign = SIGNS[position]
        if (best is None or sign.weight > best.weight) and sign.phrases.search(words, lowered):
            best = sign
    if best is None or (best.cause == "client.api_key_missing" and _ANSWERED.search(words)):
        return None
    fact = f"{link.type}: {link.text}"[:400] if link.type else link.text[:400]
    missing: Missing = ()
    owner: Owner | None = None
    if best.cause == "tcp.unreachable" and _NO_ROUTE.search(words):
        owner = "connection_path"
    if best.cause == "unknown":
        if re.search(
            r"Failed to fetch|NetworkError when|Load failed|ERR_NETWORK|ERR_FAILED|did not succeed|access control checks",
            words,
        ):
            missing = fetch.BROWSER
        if _URLLIB3_PROXY in words or "ERR_TUNNEL" in words:
            owner, missing = "connection_path", fetch.PROXY
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
    "tls.not_tls": "proxy.protocol_error",
}
# A time-out that does not say of what.
_TIMED_OUT = re.compile(
    r"(?:\w{1,40}\.){0,4}(?:Timeout(?:Error|Exception)|timeout): (?:timed out\b|The operation timed out|\W*$)"
)
_TIME_OUTS = {"tcp": ("tcp.timeout", CONNECT), "tls": ("tls.timeout", TLS), "http": ("http.read_timeout", CONNECT)}


def _by_phase(observation: Observation, found: Reading) -> Reading:
    """The frames say where it happened: a reset in the handshake is none of the exchange."""
    moved = None
    if found.cause == "unknown" and observation.layer in _TIME_OUTS and _TIMED_OUT.match(found.fact):
        cause, least = _TIME_OUTS[observation.layer]
        return dataclasses.replace(found, cause=cause, weight=least, also=_ALSO.get(cause, ()), missing=())
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


def _by_name(found: Reading, words: str) -> Reading:
    """The name that did not resolve, where it is another than that of the call: a forward proxy's."""
    if not found.cause.startswith("dns."):
        return found
    other = _OTHER_NAME.search(found.fact)
    if other is not None and not _same_name(other["host"], other["name"]):
        fact = f"{found.fact}; {other['name']} is not the host of the call: a proxy's name was looked up"
        return dataclasses.replace(found, cause="proxy.unresolvable", weight=PROXY + 4, fact=fact, also=())
    if _PROXY_CONNECT.search(words):
        return dataclasses.replace(found, cause="proxy.unresolvable", weight=PROXY + 4, also=())
    return found


def _same_name(host: str, name: str) -> bool:
    """Whether the resolver was asked for the host itself, also with a search domain behind it."""
    return f"{name.lower().rstrip('.')}.".startswith(f"{host.lower().rstrip('.')}.")


def _by_address(route: Route, found: Reading, words: str) -> Reading:
    """The dialled address, where the text shows it: the proxy's, or one that cannot serve a public name."""
    if not found.cause.startswith(("tcp.", "dns.", "http.")):
        return found
    match = _DIALLED.search(words) or _DIALLED_FIELDS.search(words)
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
    local = parsed.is_loopback or parsed.is_private
    if found.cause.startswith("tcp.") and route.family == "direct" and local and port not in (443, route.port):
        fact = f"{found.fact}; {address}:{port} is no address of {route.host}: a proxy was dialled"
        return dataclasses.replace(
            found, cause="proxy.unreachable", certainty="likely", weight=PROXY, fact=fact, also=()
        )
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


def beside_a_proxy(route: Route, found: Reading) -> Reading:
    """With a proxy in play and no address shown, a failure to connect is undecided between proxy and endpoint."""
    if not route.proxy.url or not found.cause.startswith(("tcp.", "dns.")) or found.cause == "dns.sinkhole":
        return found
    outcome = found.observation.outcome
    words = " ".join(link.text for link in outcome.errors) if isinstance(outcome, PastedError) else ""
    if _DIALLED.search(words) or _DIALLED_FIELDS.search(words) or _SHOWS_TARGET.search(words):
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
        missing=fetch.DIALLED,
    )
