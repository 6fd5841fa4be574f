"""`proxy`: a forward proxy stands between the runtime and the endpoint, and it is where the path ends."""

from __future__ import annotations

import re

from oairunbook.diagnose import edges
from oairunbook.diagnose.catalogue import Cause, Finding
from oairunbook.diagnose.reading import answers, cite, counter_test, is_api_answer, request_succeeded, stopped, words
from oairunbook.evidence import (
    Connected,
    ConnectFailed,
    DnsAnswer,
    Evidence,
    HttpAnswer,
    ProxyAnswered,
    ProxyFailed,
    ResolveFailed,
    SdkFailed,
    TlsFailed,
    TlsHandshake,
    TunnelOpened,
)
from oairunbook.verdict import Because

SOCKS_AUTHENTICATION = (254, 255)
"""Refused user name and password, no acceptable method; see `oairunbook.observe.proxy`."""

SOCKS_DENIED = (2,)

NO_PROXY_METHODS = (400, 405, 501)
"""How a server that is no proxy answers CONNECT (RFC 9110 sections 15.5.6 and 15.6.2)."""


def _in_play(evidence: Evidence) -> bool:
    return evidence.route.proxy.url is not None


def _decision(evidence: Evidence) -> Because:
    return Because(
        observation="route", fact=f"the proxy {evidence.route.proxy.url} is in play: {evidence.route.proxy.rule}"
    )


def _bypassed(evidence: Evidence) -> Finding | None:
    """The direct path is closed, and the same request through the proxy that this runtime names reaches the API."""
    through = counter_test(evidence, HttpAnswer, "proxy.configured")
    if _in_play(evidence) or through is None or request_succeeded(evidence):
        return None
    observation, answer = through
    if not is_api_answer(evidence, answer):
        return None
    because = (
        Because(observation="route", fact=f"no proxy is used: {evidence.route.proxy.rule}"),
        cite(observation, f"{observation.target} the endpoint answers with status {answer.status}"),
    )
    return Finding(because=because, certainty="proven", explains_all=True)


def _direct_path(evidence: Evidence) -> tuple[Because, ...]:
    """What the counter-test without the proxy showed."""
    direct = counter_test(evidence, HttpAnswer, "proxy.none")
    if direct is None:
        return ()
    return (cite(direct[0], f"without the proxy the endpoint answers with status {direct[1].status}"),)


def _unresolvable(evidence: Evidence) -> Finding | None:
    if not _in_play(evidence):
        return None
    because = [cite(o, f"the proxy's own name: {words(f.errors)}") for o, f in evidence.of(ResolveFailed, "dns")]
    given_up = stopped(evidence, "dns.system")
    if given_up is not None:
        because.append(cite(given_up, "the proxy's own name got no answer"))
    if not because:
        return None
    because += [
        cite(o, f"{a.server.address} answers {a.replies[0].rcode}") for o, a in evidence.of(DnsAnswer) if a.replies
    ]
    return Finding(because=(*because, _decision(evidence), *_direct_path(evidence)), certainty="proven")


def _unreachable(evidence: Evidence) -> Finding | None:
    if not _in_play(evidence) or any(evidence.of(Connected)):
        return None
    because = [
        cite(o, f"the proxy at {f.address} port {f.port}: {words(f.errors)}") for o, f in evidence.of(ConnectFailed)
    ]
    if not because:
        return None
    return Finding(because=(*because, _decision(evidence), *_direct_path(evidence)), certainty="proven")


def _answered(evidence: Evidence) -> list[tuple[Because, ProxyAnswered]]:
    if any(evidence.of(TunnelOpened)):
        return []
    found = []
    for observation, answer in evidence.of(ProxyAnswered):
        squid = next((h.value for h in answer.headers if h.name == "x-squid-error"), None)
        details = "; ".join(part for part in (squid, answer.title) if part)
        what = "CONNECT" if answer.protocol == "http" else "the SOCKS request"
        fact = f"the proxy answered {what} with {answer.status} {answer.reason}" + (f" ({details})" if details else "")
        found.append((cite(observation, fact), answer))
    return found


def is_authentication(answer: ProxyAnswered) -> bool:
    """407, or another answer of the proxy itself that its credentials are missing or wrong."""
    if answer.protocol == "socks5":
        return answer.status in SOCKS_AUTHENTICATION
    challenged = any(h.name == "proxy-authenticate" for h in answer.headers)
    return answer.status in (401, 407) or challenged


def _by(evidence: Evidence, kind: str) -> Finding | None:
    for because, answer in _answered(evidence):
        if classify(answer) == kind:
            reasons = (because, _decision(evidence), *_direct_path(evidence))
            return Finding(because=reasons, certainty="likely" if _is_vague(answer) else "proven")
    for because, answer in _forwarded(evidence):
        if classify(answer) == kind:
            return Finding(because=(because, _decision(evidence)), certainty="proven")
    return (_forwarded_407(evidence) if kind == "auth_required" else None) or _named_itself(evidence, kind)


def _named_itself(evidence: Evidence, kind: str) -> Finding | None:
    """A forward proxy's own page in the API's place, also of one that nobody set: it intercepts."""
    if request_succeeded(evidence):
        return None
    for observation, answer, _ in answers(evidence):
        if answer.body.shape == "html" and edges.answered(answer) == f"proxy.{kind}":
            what = f" titled {answer.body.title!r}" if answer.body.title else ""
            fact = f"status {answer.status}, a forward proxy's own page{what}"
            return Finding(because=(cite(observation, fact),), certainty="likely")
    return None


_PROXY_SERVERS = ("squid", "tinyproxy", "privoxy", "mikrotik httpproxy", "zscaler")
"""How the `Server` field of forward proxies begins; one that passes an answer on leaves the endpoint's own field alone."""


def _forwarded(evidence: Evidence) -> list[tuple[Because, ProxyAnswered]]:
    """A plain-http target goes through the proxy without a tunnel; what the proxy itself answers then looks like the target's answer."""
    url = evidence.route.proxy.url
    if url is None or evidence.route.scheme != "http":
        return []
    found = []
    for observation, answer, _ in answers(evidence):
        server = (answer.header("server") or "").lower()
        own = answer.header("x-squid-error") is not None or server.startswith(_PROXY_SERVERS)
        if not own or answer.status < 300 or is_api_answer(evidence, answer):
            continue
        squid = answer.header("x-squid-error")
        details = "; ".join(part for part in (squid, answer.body.title) if part)
        fact = f"the proxy itself answered {answer.method} with status {answer.status}" + f" ({details})" * bool(
            details
        )
        said = ProxyAnswered(proxy=url, status=answer.status, protocol="http", reason="", headers=answer.headers)
        found.append((cite(observation, fact), said))
    return found


def _is_vague(answer: ProxyAnswered) -> bool:
    """Whether a web server that is no proxy may answer so as well: by a status that says little, and nothing beside it that is a proxy's."""
    if answer.protocol == "socks5" or answer.status == 407:
        return False
    given = {h.name.lower(): h.value.lower() for h in answer.headers}
    marks = ("x-squid-error", "proxy-authenticate", "proxy-agent", "proxy-status", "via", "proxy-connection")
    own = given.get("server", "").startswith(_PROXY_SERVERS) or any(mark in given for mark in marks)
    return answer.status in (401, 404) and not own


_NO_SUCH_NAME = re.compile(r"no such domain|privoxy|dns|host", re.IGNORECASE)


def classify(answer: ProxyAnswered) -> str:
    """Which cause a proxy's refusal is: `auth_required`, `denied`, `upstream_failed` or `protocol_error`."""
    if is_authentication(answer):
        return "auth_required"
    if answer.protocol == "socks5":
        return "denied" if answer.status in SOCKS_DENIED else "upstream_failed"
    if answer.status >= 500 and answer.status not in NO_PROXY_METHODS:
        return "upstream_failed"
    squid = next((h.value for h in answer.headers if h.name == "x-squid-error"), "")
    if answer.status in NO_PROXY_METHODS and not squid:
        return "protocol_error"
    if any(mark in squid for mark in ("ERR_CONNECT_FAIL", "ERR_DNS_FAIL", "ERR_CANNOT_FORWARD")):
        return "upstream_failed"
    if answer.status == 404:
        # Privoxy's page for a name that it cannot resolve; else a web server that looks for CONNECT among its pages (Go, Traefik).
        return "upstream_failed" if _NO_SUCH_NAME.search(answer.title or "") else "protocol_error"
    if answer.status < 400:
        # To a page of its own: that is how filters and portals refuse (squid's deny_info).
        return "denied" if any(h.name == "location" for h in answer.headers) else "protocol_error"
    return "denied"


def _forwarded_407(evidence: Evidence) -> Finding | None:
    """A plain-http target goes through the proxy without a tunnel; its 407 then looks like an answer of the target."""
    for observation, failed in evidence.of(SdkFailed):
        if failed.answer is not None and failed.answer.status == 407:
            return Finding(because=(cite(observation, "407 Proxy Authentication Required"),), certainty="proven")
    for observation, answer in evidence.of(HttpAnswer):
        if answer.status == 407:
            return Finding(because=(cite(observation, "407 Proxy Authentication Required"),), certainty="proven")
    return None


def _upstream_failed(evidence: Evidence) -> Finding | None:
    return _by(evidence, "upstream_failed") or _waits_for_upstream(evidence)


def _waits_for_upstream(evidence: Evidence) -> Finding | None:
    """The proxy is alive and says nothing to a request that it needs somebody else for.

    Proxies wait longer for an endpoint than a client waits for them (squid's connect_timeout is a minute).
    """
    if any(evidence.of(TunnelOpened)):
        return None
    alive = counter_test(evidence, HttpAnswer, "proxy.itself")
    for observation, failed in evidence.of(ProxyFailed):
        if failed.ended != "silence" or failed.phase != "handshake":
            continue
        silent = cite(
            observation, f"{failed.proxy} gives no answer to the request for a tunnel: {words(failed.errors)}"
        )
        if failed.received.startswith(_SOCKS_GREETING):
            spoke = cite(observation, "before that it had answered the greeting of SOCKS")
        elif alive is not None:
            spoke = cite(alive[0], f"a request for itself it answers at once, with status {alive[1].status}")
        else:
            continue
        return Finding(because=(silent, spoke, _decision(evidence), *_direct_path(evidence)), certainty="likely")
    return None


_SOCKS_GREETING = r"\x05"
"""Version 5, as `oairunbook.observe.stream.printable` shows it (RFC 1928 section 3)."""


def _protocol_error(evidence: Evidence) -> Finding | None:
    if any(evidence.of(TunnelOpened)):
        return _page_instead_of_tunnel(evidence)
    if _waits_for_upstream(evidence):
        return None
    for observation, failed in evidence.of(ProxyFailed):
        received = f"; it sent {failed.received!r}" if failed.received else "; it sent nothing"
        fact = f"{failed.proxy}: {words(failed.errors)}{received}"
        # Silence of something that accepts connections could also be an overloaded proxy, and what has a certificate may well be a proxy.
        unverified = any(link.verify_code is not None for link in failed.errors)
        if _may_miss_a_password(failed):
            fact += "; some SOCKS servers hang up so on whoever brings no password, or a wrong one"
        certain = failed.ended != "silence" and not unverified and not _may_miss_a_password(failed)
        return Finding(
            because=(cite(observation, fact), _decision(evidence)), certainty="proven" if certain else "likely"
        )
    return _by(evidence, "protocol_error")


def _may_miss_a_password(failed: ProxyFailed) -> bool:
    """A SOCKS server that hung up, after nothing or words of its own.

    RFC 1928 section 3 has an answer for methods that will not do; pproxy closes the connection instead.
    """
    hung_up = failed.phase == "handshake" and failed.ended in ("eof", "reset")
    own_words = not failed.received or failed.received.startswith(_SOCKS_GREETING)
    return hung_up and failed.proxy.startswith("socks") and own_words


def _page_instead_of_tunnel(evidence: Evidence) -> Finding | None:
    """A 2xx to CONNECT with content is no tunnel (RFC 9110 section 9.3.6 forbids it): some web server answers everybody so."""
    if any(evidence.of(TlsHandshake)) or not any(evidence.of(TlsFailed)):
        return None
    for observation, opened in evidence.of(TunnelOpened):
        given = {header.name: header.value for header in opened.headers}
        if given.get("content-length", "0") != "0" or "transfer-encoding" in given:
            fact = f"{opened.proxy} answers CONNECT with a page ({given.get('content-type', 'no type')}) and no tunnel"
            return Finding(because=(cite(observation, fact), _decision(evidence)), certainty="likely")
    return None


_ASK = "Ask who runs the proxy; give them its address, this endpoint's host and port, the time, and its answer."

CAUSES = (
    Cause(
        id="proxy.bypassed",
        meaning="NO_PROXY or a missing variable sends this host around the proxy; the direct path is closed and the proxy would work.",
        next=("Set HTTPS_PROXY for this process, or take this host out of NO_PROXY.",),
        for_node=(
            "Let Node.js read the proxy variables: NODE_USE_ENV_PROXY=1 or --use-env-proxy (Node.js 22.21, 24 and later). In an older one give the "
            "client a ProxyAgent of the package undici (fetchOptions: { dispatcher }), and that package's fetch with it.",
            "If NO_PROXY is what sends this host around the proxy, take it out.",
        ),
        owner="client_config",
        applies=_bypassed,
    ),
    Cause(
        id="proxy.unresolvable",
        meaning="The proxy's own name does not resolve.",
        next=("Correct the host in the proxy variable that the record names, or ask for its DNS record.",),
        applies=_unresolvable,
    ),
    Cause(
        id="proxy.unreachable",
        meaning="The proxy refuses connections, does not answer, or has no route to it.",
        next=("Check host and port in the proxy variable that the record names.", _ASK),
        applies=_unreachable,
    ),
    Cause(
        id="proxy.auth_required",
        meaning="The proxy says that its own credentials are missing or wrong.",
        next=("Give the proxy's user and password in the proxy variable (percent-encoded), from a secret store.", _ASK),
        do_not=("Do not touch the API key: it is not what was refused.",),
        applies=lambda evidence: _by(evidence, "auth_required"),
    ),
    Cause(
        id="proxy.denied",
        meaning="The proxy refuses the tunnel by policy.",
        next=("Ask who runs the proxy to allow CONNECT to this host and port from this client.",),
        applies=lambda evidence: _by(evidence, "denied"),
    ),
    Cause(
        id="proxy.upstream_failed",
        meaning="The proxy cannot reach the endpoint.",
        next=(_ASK, "It is the proxy's own DNS, route or firewall that fails, not this runtime's."),
        applies=_upstream_failed,
    ),
    Cause(
        id="proxy.protocol_error",
        meaning="What listens there is no HTTP or SOCKS proxy, or it closes without an answer.",
        next=("Check scheme, host and port in the proxy variable that the record names.", _ASK),
        applies=_protocol_error,
    ),
)
