"""`client`: nothing left the process."""

from __future__ import annotations

import re

from oairunbook.diagnose.catalogue import Cause, Finding
from oairunbook.diagnose.certificates import TRUST_CODES
from oairunbook.diagnose.reading import answers, cite, errno_name, is_api_answer, may_connect_to_itself, stopped, words
from oairunbook.evidence import (
    ClientBuilt,
    ClientRefused,
    ConnectFailed,
    DnsAnswer,
    DnsNoAnswer,
    ErrorLink,
    Evidence,
    LocalResources,
    Observation,
    PastedError,
    ResolveFailed,
    SdkFailed,
    TlsFailed,
)
from oairunbook.identity import token_source
from oairunbook.verdict import Because


def _errors(evidence: Evidence) -> list[tuple[Observation, tuple[ErrorLink, ...]]]:
    """Chains of the SDK itself: of its import, its construction, its request, or pasted."""
    found: list[tuple[Observation, tuple[ErrorLink, ...]]] = []
    for kind in (ClientRefused, SdkFailed, PastedError):
        found.extend((observation, outcome.errors) for observation, outcome in evidence.of(kind))  # type: ignore[attr-defined]
    return found


def _raised(evidence: Evidence, *marks: str) -> Finding | None:
    """A chain that holds one of these texts; the SDK itself said it, so it is proven."""
    for observation, errors in _errors(evidence):
        for link in errors:
            if any(mark in f"{link.type}: {link.text}" for mark in marks):
                return Finding(because=(cite(observation, f"{link.type}: {link.text}"),), certainty="proven")
    return None


def _base_url_invalid(evidence: Evidence) -> Finding | None:
    route = evidence.route
    if not route.problems:
        # The same class comes from a proxy variable, and then the base URL is not what is wrong.
        return None if _invalid_url_of_proxy(evidence) else _raised(evidence, "UnsupportedProtocol", "InvalidURL")
    fact = f"the base URL {route.base_url.value!r} from {route.base_url.source}: {'; '.join(route.problems)}"
    because = [Because(observation="route", fact=fact)]
    because += [cite(o, words(errors)) for o, errors in _errors(evidence)][:1]
    return Finding(because=tuple(because), certainty="proven")


def _api_key_malformed(evidence: Evidence) -> Finding | None:
    credential = evidence.route.credential
    if credential.problems:
        fact = f"the key in {credential.source} has {'; '.join(credential.problems)}, which no header may hold"
        return Finding(because=(Because(observation="route", fact=fact),), certainty="proven")
    return _raised(evidence, "Illegal header value")


def _api_key_missing(evidence: Evidence) -> Finding | None:
    """Found last in its layer: the path is tested without a key up to the API's own 401, and a fault of the path comes first."""
    pasted = _raised(evidence, "Missing credentials", "api_key client option must be set")
    if pasted is not None:
        return pasted
    if evidence.route.credential.present or not any(evidence.of(ClientBuilt)) or _takes_a_token(evidence):
        return None
    for observation, answer, _ in answers(evidence):
        if is_api_answer(evidence, answer):
            fact = (
                f"the path is open up to the API's own answer ({answer.status}), and no key is set where the SDK looks"
            )
            return Finding(because=(cite(observation, fact),), certainty="proven")
    return None


def _takes_a_token(evidence: Evidence) -> bool:
    """Whether the variables choose an identity: then the application fetches a token itself, and no variable has to hold a key."""
    settings = {setting.source: setting.value for setting in evidence.route.settings}
    return evidence.route.family == "azure" and token_source(settings, evidence.route.host) is not None


def token_not_given(evidence: Evidence) -> tuple[str, ...]:
    """What is missing where the application fetches a token that this check does not have."""
    if evidence.route.credential.present or not _takes_a_token(evidence):
        return ()
    # The plain client on the v1 surface takes a token where it takes a key, and does not read AZURE_OPENAI_AD_TOKEN.
    variable = "AZURE_OPENAI_AD_TOKEN" if evidence.route.surface == "azure-dated" else "OPENAI_API_KEY"
    return (
        "the authenticated request: the variables choose an identity, and this check fetches no token; "
        f"give it one in {variable}, as the application gets it",
    )


def _proxy_config_invalid(evidence: Evidence) -> Finding | None:
    proxy = evidence.route.proxy
    if proxy.url is not None and proxy.host == "":
        # Not every transport refuses it: a port beyond 65535 is dialled as another one.
        fact = f"no host and port can be read from {proxy.url} ({proxy.rule})"
        return Finding(because=(Because(observation="route", fact=fact),), certainty="proven")
    return _raised(
        evidence,
        "Unknown scheme for proxy URL",
        "'socksio' package is not installed",
        "Proxy protocol must be either",
        "Unable to determine SOCKS version",
    ) or _invalid_url_of_proxy(evidence)


def _invalid_url_of_proxy(evidence: Evidence) -> Finding | None:
    """`InvalidURL` at construction while the base URL is sound comes from a proxy variable, or from `NO_PROXY`."""
    if evidence.route.problems:
        return None
    for observation, outcome in evidence.of(ClientRefused):
        if outcome.stage == "construction" and any("InvalidURL" in link.type for link in outcome.errors):
            variables = [s.source for s in evidence.route.settings if s.source.lower().endswith("_proxy")]
            if variables:
                fact = f"{words(outcome.errors)}; proxy variables set: {', '.join(variables)}"
                return Finding(because=(cite(observation, fact),), certainty="proven")
    return None


def _ca_bundle_unusable(evidence: Evidence) -> Finding | None:
    trust = evidence.route.trust
    for observation, outcome in evidence.of(ClientRefused):
        for link in outcome.errors:
            broken = link.type in ("FileNotFoundError", "PermissionError", "IsADirectoryError")
            broken = broken and not _names_another_file(link, trust.path)
            unread = link.type == "ssl.SSLError" and link.ssl_reason not in _OF_A_KEY
            if outcome.stage == "construction" and (broken or unread):
                fact = f"{link.type}: {link.text}; the store is {trust.path or 'none'} ({trust.reason})"
                return Finding(because=(cite(observation, fact),), certainty="proven")
    for observation, built in evidence.of(ClientBuilt):
        if built.roots == 0 and evidence.route.scheme == "https" and not _tls_verified(evidence):
            fact = f"the transport's store holds no root at all ({trust.reason})"
            return Finding(because=(cite(observation, fact),), certainty="proven")
    return None


def _names_another_file(link: ErrorLink, store: str | None) -> bool:
    """Whether an error of a file is of another one than the store, for example SSLKEYLOGFILE: of the store OpenSSL's loader gives no name."""
    named = re.search(r": (['\"])(?P<file>.+)\1$", link.text)
    return named is not None and named["file"] != store


_OF_A_KEY = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "BAD_DECRYPT", "BAD_PASSWORD_READ")
"""What loading a client's certificate and key ends in."""


def _tls_verified(evidence: Evidence) -> bool:
    return any(o.outcome.kind == "tls_handshake" and o.changed is None for o in evidence.observations)


_OTHER_INTERPRETER = "If the application has an interpreter of its own (a virtual environment), look from that one: its path instead of python3."


def _turns_on_the_store(evidence: Evidence) -> bool:
    """Whether the chain failed by the roots that are trusted: verify codes 18 to 21.

    Without an SDK nobody knows which roots it would trust, nor whether it could load them: SSL_CERT_FILE may name a file that is not there.
    """
    return any(failed.verify_code in TRUST_CODES for _, failed in evidence.of(TlsFailed))


def _sdk_incompatible(evidence: Evidence) -> Finding | None:
    if evidence.route.sdk is None:
        for observation, outcome in evidence.of(ClientRefused):
            because = (cite(observation, words(outcome.errors)),)
            gives_way = not _turns_on_the_store(evidence)
            return Finding(because=because, certainty="proven", next=(_OTHER_INTERPRETER,), gives_way=gives_way)
    for observation, outcome in evidence.of(ClientRefused):
        for link in outcome.errors:
            # The package of Node.js is a program text: whatever ends its import means that the two do not fit.
            unreadable = outcome.stage == "import" and evidence.runtime.nodejs is not None
            misfit = link.type in ("ModuleNotFoundError", "ImportError", "TypeError", "AttributeError")
            if unreadable or (misfit and "socksio" not in link.text):
                return Finding(because=(cite(observation, f"{link.type}: {link.text}"),), certainty="proven")
    # Some modules are imported when the first request is made.
    for observation, failed in evidence.of(SdkFailed):
        for link in failed.errors:
            missing = link.type in ("ModuleNotFoundError", "ImportError") and "socksio" not in link.text
            if missing and failed.answer is None:
                return Finding(because=(cite(observation, f"{link.type}: {link.text}"),), certainty="proven")
    return _raised(evidence, "unexpected keyword argument 'proxies'")


def _resource_exhausted(evidence: Evidence) -> Finding | None:
    for observation, resources in evidence.of(LocalResources):
        for link in resources.socket_errors:
            if link.errno_name in ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"):
                fact = f"{link.text} when a socket was opened; {resources.open_files} files open, limit {resources.open_files_limit}"
                return Finding(because=(cite(observation, fact),), certainty="proven")
    for observation, outcome in evidence.of(ConnectFailed):
        name = errno_name(outcome.errors)
        # EADDRNOTAVAIL towards IPv6 means that IPv6 is off here, not that ports are used up.
        if name in ("EMFILE", "ENFILE", "ENOBUFS") or (name == "EADDRNOTAVAIL" and ":" not in outcome.address):
            return Finding(because=(cite(observation, words(outcome.errors)),), certainty="proven")
    return _raised(evidence, "[Errno 24]") or _no_socket_for_a_question(evidence) or _table_full(evidence)


def _no_socket_for_a_question(evidence: Evidence) -> Finding | None:
    """No name server can even be asked: every local port of UDP is taken (EAGAIN of connect(2), ip(7)), or every descriptor."""
    failed = next((o for o, _ in evidence.of(ResolveFailed, "dns")), None) or stopped(evidence, "dns.system")
    asked = list(evidence.of(DnsNoAnswer))
    if failed is None or not asked or any(evidence.of(DnsAnswer)):
        return None
    if any(errno_name(outcome.errors) not in _NO_SOCKET for _, outcome in asked):
        return None
    because = [
        cite(o, f"a socket for the name server {outcome.server.address}: {words(outcome.errors)}")
        for o, outcome in asked
    ]
    return Finding(because=(*because, cite(failed, "and the system resolver gives no address")), certainty="proven")


_NO_SOCKET = ("EAGAIN", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM")


def _of_a_router(evidence: Evidence, failed: ConnectFailed) -> bool:
    """Whether EACCES may be a router's answer: ICMPv6 type 1 code 1, while ICMP for IPv4 never becomes EACCES (net/ipv4/icmp.c)."""
    only_ipv6 = all(":" in f.address for _, f in evidence.of(ConnectFailed) if errno_name(f.errors) == "EACCES")
    return ":" in failed.address and only_ipv6 and may_connect_to_itself(evidence)


def _query_not_permitted(evidence: Evidence) -> Finding | None:
    """No question to a name server may be sent: only this machine itself makes connect(2) or send(2) end in EPERM (netfilter's OUTPUT, a BPF program).

    EACCES as well (seccomp, a route of the type prohibit), but for IPv6, where a router's answer reads so.
    """
    asked = list(evidence.of(DnsNoAnswer))
    failed = next((o for o, _ in evidence.of(ResolveFailed, "dns")), None) or stopped(evidence, "dns.system")
    if failed is None or not asked or any(evidence.of(DnsAnswer)):
        return None
    for _, outcome in asked:
        name = errno_name(outcome.errors)
        if name != "EPERM" and (name != "EACCES" or ":" in outcome.server.address):
            return None
    because = [
        cite(o, f"sending to the name server {outcome.server.address}: {words(outcome.errors)}") for o, outcome in asked
    ]
    because.append(cite(failed, "and the system resolver gives no address"))
    # EPERM of send(2) is any packet that netfilter drops on its way out: by a rule, or because no more connections can be tracked.
    dropped = any(errno_name(outcome.errors) == "EPERM" for _, outcome in asked)
    room = _room_for_connections(evidence) if dropped else True
    if room:
        return Finding(because=tuple(because), certainty="proven")
    also = (("client.resource_exhausted", "a full table of tracked connections (nf_conntrack) would look the same"),)
    return Finding(because=tuple(because), certainty="likely", also=also)


def _room_for_connections(evidence: Evidence) -> bool | None:
    """Whether this network namespace may track more connections; None if that is not recorded."""
    for _, resources in evidence.of(LocalResources):
        used, most = resources.tracked_connections, resources.tracked_connections_limit
        if used is not None and most:
            return used < _FULL * most
    return None


_FULL = 0.95


def _table_full(evidence: Evidence) -> Finding | None:
    """No packet leaves (EPERM of send(2)), and the table of tracked connections is full: the kernel drops what opens another one."""
    if _room_for_connections(evidence) is not False or _query_not_permitted(evidence) is None:
        return None
    for observation, resources in evidence.of(LocalResources):
        fact = f"{resources.tracked_connections} of {resources.tracked_connections_limit} connections are tracked (nf_conntrack), and sending ends in EPERM"
        return Finding(because=(cite(observation, fact),), certainty="likely")
    return None


def _socket_not_permitted(evidence: Evidence) -> Finding | None:
    for observation, resources in evidence.of(LocalResources):
        for link in resources.socket_errors:
            if link.errno_name in ("EPERM", "EACCES"):
                return Finding(because=(cite(observation, f"opening a socket: {link.text}"),), certainty="proven")
        # So ends what RestrictAddressFamilies= of a systemd unit forbids (systemd.exec(5)). One family alone may be off in the kernel.
        if [link.errno_name for link in resources.socket_errors] == ["EAFNOSUPPORT", "EAFNOSUPPORT"]:
            fact = f"opening a socket, for IPv4 and for IPv6: {resources.socket_errors[0].text}"
            return Finding(because=(cite(observation, fact),), certainty="proven")
    for observation, outcome in evidence.of(ConnectFailed):
        name = errno_name(outcome.errors)
        if name == "EPERM" or (name == "EACCES" and not _of_a_router(evidence, outcome)):
            fact = f"connecting to {outcome.address}: {words(outcome.errors)}"
            return Finding(because=(cite(observation, fact),), certainty="proven")
    return _query_not_permitted(evidence)


CAUSES = (
    Cause(
        id="client.sdk_incompatible",
        meaning="The SDK is missing, or its version and its transport's do not fit.",
        next=(
            "Compare the versions in the record with the SDK's own requirements: pip check, pip show openai httpx httpx2.",
            "Upgrade the SDK (1.55.3 or later goes with httpx 0.28), or pin the transport that it asks for.",
        ),
        for_node=(
            "Compare the versions in the record with what the package asks for: npm ls openai, npm view openai@VERSION engines, node -v.",
        ),
        applies=_sdk_incompatible,
    ),
    Cause(
        id="client.base_url_invalid",
        meaning="The base URL cannot be used: no scheme, a wrong one, white space, a bad port or no host.",
        next=("Correct the base URL where it comes from; it looks like https://api.openai.com/v1.",),
        applies=_base_url_invalid,
    ),
    Cause(
        id="client.proxy_config_invalid",
        meaning="A proxy variable is malformed, or of a scheme that this transport cannot speak.",
        next=(
            "Correct the proxy variable that the record names: http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT.",
            "For SOCKS install the transport's extra in the same environment: pip install 'httpx2[socks]' (SDK 3) or 'httpx[socks]' (SDK 1, 2).",
        ),
        for_node=("Correct the proxy variable that the record names: http://HOST:PORT or https://HOST:PORT.",),
        applies=_proxy_config_invalid,
    ),
    Cause(
        id="client.ca_bundle_unusable",
        meaning="The trust store is missing, empty, unreadable or not PEM.",
        next=(
            "Look at the file or folder that the record names; correct or unset SSL_CERT_FILE and SSL_CERT_DIR.",
            "In an image without a store install one (Debian, Alpine: package ca-certificates) or copy it in.",
        ),
        do_not=("Do not switch verification off.",),
        applies=_ca_bundle_unusable,
    ),
    Cause(
        id="client.api_key_malformed",
        meaning="The key holds a line feed, a control character or a non-ASCII character: an illegal header value.",
        next=(
            "Set the variable again without it: a key read from a file often ends in a line feed.",
            "Treat log lines of this failure as secret: the transport's own text shows the whole key.",
        ),
        applies=_api_key_malformed,
    ),
    Cause(
        id="client.resource_exhausted",
        meaning="File descriptors, ephemeral ports or buffers are used up.",
        next=(
            "Find what holds them (ls /proc/PID/fd, ss -s), close or reuse clients, then raise the limit if it is too low.",
        ),
        applies=_resource_exhausted,
    ),
    Cause(
        id="client.socket_not_permitted",
        meaning="A local rule or a sandbox forbids the socket.",
        next=(
            "Ask who runs this sandbox (seccomp, Landlock, a local firewall rule for this user) to allow outbound TCP to this host.",
        ),
        applies=_socket_not_permitted,
    ),
    Cause(
        id="client.pool_timeout",
        meaning="Every pooled connection is busy.",
        next=(
            "Read streams to their end or close them, share one client, and raise the pool's limits if the load is real.",
        ),
        applies=lambda evidence: _raised(evidence, "PoolTimeout"),
    ),
    Cause(
        id="client.event_loop_closed",
        meaning="An asynchronous client is used across event loops.",
        next=("Create the client inside the loop that uses it, and close it there.",),
        applies=lambda evidence: _raised(evidence, "Event loop is closed"),
    ),
    Cause(
        id="client.client_closed",
        meaning="The client is used after it was closed.",
        next=("Keep the client open as long as requests are made; do not leave its `with` block.",),
        applies=lambda evidence: _raised(evidence, "as the client has been closed"),
    ),
    Cause(
        id="client.api_key_missing",
        meaning="There is no key where the SDK looks for it.",
        next=(
            "Give this process the variable that its application has: OPENAI_API_KEY, on Azure AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN.",
            "Then run the check again: the path is open, and only the authenticated request is untested.",
        ),
        applies=_api_key_missing,
    ),
)
