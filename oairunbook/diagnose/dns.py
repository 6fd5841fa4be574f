"""`dns`: the name gives no address that serves it."""

from __future__ import annotations

import ipaddress

from oairunbook.diagnose.catalogue import Cause, Finding
from oairunbook.diagnose.reading import cite, errno_name, stopped, words
from oairunbook.evidence import (
    Connected,
    DnsAnswer,
    DnsNoAnswer,
    Evidence,
    Observation,
    Resolved,
    ResolveFailed,
    TlsHandshake,
)
from oairunbook.verdict import Because


def _system_failed(evidence: Evidence) -> Because | None:
    """The system resolver gave no address: that, and not a name server alone, is what a client meets."""
    for observation, outcome in evidence.of(ResolveFailed, "dns"):
        return cite(observation, f"the system resolver: {words(outcome.errors)}")
    given_up = stopped(evidence, "dns.system")
    return cite(given_up, given_up.outcome.reason) if given_up else None  # type: ignore[union-attr]


def _proxy_name(evidence: Evidence) -> bool:
    """With a forward proxy only the proxy's own name is resolved here; that is a fault of the layer `proxy`."""
    return evidence.route.proxy.url is not None


def _rcode(evidence: Evidence, rcode: str) -> Finding | None:
    system = _system_failed(evidence)
    if system is None or _proxy_name(evidence):
        return None
    found = [
        cite(observation, f"{answer.server.address} answers {rcode}" + _extended(answer))
        for observation, answer in evidence.of(DnsAnswer)
        if any(reply.rcode == rcode for reply in answer.replies)
    ]
    if not found:
        return None
    return Finding(because=(*found, system), certainty="proven")


def _extended(answer: DnsAnswer) -> str:
    texts = [text for reply in answer.replies for text in reply.extended_errors]
    return f" (extended error {'; '.join(dict.fromkeys(texts))})" if texts else ""


def _nxdomain(evidence: Evidence) -> Finding | None:
    found = _rcode(evidence, "NXDOMAIN")
    if found is not None:
        return found
    # With no name server to ask, EAI_NONAME is all there is.
    for observation, outcome in evidence.of(ResolveFailed, "dns"):
        asked = any(evidence.of(DnsAnswer)) or any(evidence.of(DnsNoAnswer))
        if errno_name(outcome.errors) == "EAI_NONAME" and not _proxy_name(evidence) and not asked:
            return Finding(because=(cite(observation, words(outcome.errors)),), certainty="likely")
    return None


def _no_address(evidence: Evidence) -> Finding | None:
    system = _system_failed(evidence)
    if system is None or _proxy_name(evidence):
        return None
    for observation, answer in evidence.of(DnsAnswer):
        if (
            answer.replies
            and all(reply.rcode == "NOERROR" and not reply.addresses for reply in answer.replies)
            and not answer.unanswered
        ):
            fact = f"{answer.server.address} says that the name exists and has neither A nor AAAA"
            return Finding(because=(cite(observation, fact), system), certainty="proven")
    return None


def _silent(evidence: Evidence) -> list[tuple[Observation, DnsNoAnswer]]:
    return list(evidence.of(DnsNoAnswer))


def _timeout(evidence: Evidence) -> Finding | None:
    system = _system_failed(evidence)
    if system is None or _proxy_name(evidence) or any(evidence.of(DnsAnswer)):
        return None
    found = [
        cite(o, f"{outcome.server.address}: {words(outcome.errors)}")
        for o, outcome in _silent(evidence)
        if outcome.ended == "silence"
    ]
    return Finding(because=(*found, system), certainty="proven") if found else None


def _resolver_unreachable(evidence: Evidence) -> Finding | None:
    system = _system_failed(evidence)
    if system is None or _proxy_name(evidence) or any(evidence.of(DnsAnswer)):
        return None
    servers = evidence.route.resolver.name_servers
    if not servers:
        fact = f"{evidence.route.resolver.source} names no name server"
        return Finding(because=(Because(observation="route", fact=fact), system), certainty="proven")
    outcomes = _silent(evidence)
    if outcomes and all(outcome.ended == "unreachable" for _, outcome in outcomes):
        found = [cite(o, f"{outcome.server.address}: {words(outcome.errors)}") for o, outcome in outcomes]
        return Finding(because=(*found, system), certainty="proven")
    return None


_BLOCK_ADDRESSES = (
    # Cisco Umbrella, Palo Alto, Fortinet (Pi-hole FTL's list of known block addresses, OONI fingerprints)
    *(f"146.112.61.{last}" for last in range(104, 111)),
    *(f"67.215.65.{last}" for last in range(130, 135)),
    "198.135.184.22",
    "72.5.65.111",
    "208.91.112.55",
)
_LOCAL_NAMES = ("localhost", "host.docker.internal")


def _sinkhole(evidence: Evidence) -> Finding | None:
    """A null, loopback or block-page address for a name that is not local, and nothing there serves the name."""
    host = evidence.route.host
    if _proxy_name(evidence) or host in _LOCAL_NAMES or host.endswith((".localhost", ".local")) or "." not in host:
        return None
    if evidence.route.resolver.hosts_file_addresses or any(o.changed is None for o, _ in evidence.of(TlsHandshake)):
        return None
    for observation, resolved in evidence.of(Resolved, "dns"):
        caught = [address for address in resolved.addresses if _is_block_address(address)]
        if caught and len(caught) == len(resolved.addresses):
            # On loopback something may be there that fails for a reason of its own.
            if all(ipaddress.ip_address(a).is_loopback for a in caught) and any(evidence.of(Connected)):
                return None
            fact = f"{host} resolves to {', '.join(caught)}, and nothing there serves it"
            return Finding(because=(cite(observation, fact),), certainty="proven")
    return None


def _is_block_address(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return mapped.is_unspecified or mapped.is_loopback or str(mapped) in _BLOCK_ADDRESSES


_ASK_RESOLVER = "Ask who runs the name server that the record names; give them the name, the time and its reply."

CAUSES = (
    Cause(
        id="dns.hosts_override",
        meaning="The hosts file decides the answer, and that address does not serve the name.",
        next=("Remove or correct the entry in the hosts file of this runtime.",),
        owner="client_config",
    ),
    Cause(
        id="dns.resolver_mismatch",
        meaning="The system resolver and the configured name server disagree (nsswitch, search list, a local cache).",
        next=(
            "Compare getent ahosts NAME with dig NAME @SERVER; look at nsswitch.conf, the search list and local caches.",
        ),
        owner="client_config",
    ),
    Cause(
        id="dns.sinkhole",
        meaning="The answer for a public name is a null, loopback or block-page address.",
        next=("Ask who runs the DNS filter to allow this name.",),
        applies=_sinkhole,
    ),
    Cause(
        id="dns.private_address",
        meaning="A public name resolves to a private address that does not serve it.",
        next=("Ask who runs the private zone or the split horizon to correct or remove the record.",),
    ),
    Cause(
        id="dns.servfail",
        meaning="The resolver failed to answer (SERVFAIL), for example over DNSSEC or a dead upstream.",
        next=(_ASK_RESOLVER, "Compare with dig +cd: an answer there points at DNSSEC."),
        applies=lambda evidence: _rcode(evidence, "SERVFAIL"),
    ),
    Cause(
        id="dns.refused",
        meaning="The resolver refuses to answer this client.",
        next=(_ASK_RESOLVER, "Ask whether this client's address may use that resolver."),
        applies=lambda evidence: _rcode(evidence, "REFUSED"),
    ),
    Cause(
        id="dns.nxdomain",
        meaning="The resolver says that the name does not exist.",
        next=(
            "Compare the host in the base URL letter by letter with the documented one.",
            _ASK_RESOLVER,
            "On Azure check that the resource exists, and its private DNS zone.",
        ),
        applies=_nxdomain,
    ),
    Cause(
        id="dns.no_address",
        meaning="The name exists and has neither an A nor an AAAA record.",
        next=("Compare the host in the base URL with the documented one.", _ASK_RESOLVER),
        applies=_no_address,
    ),
    Cause(
        id="dns.resolver_unreachable",
        meaning="No resolver is configured, or its address cannot be reached.",
        next=("Look at /etc/resolv.conf in this runtime, and at the route to the name server that it names.",),
        local_on_every_route=True,
        applies=_resolver_unreachable,
    ),
    Cause(
        id="dns.timeout",
        meaning="The resolver does not answer.",
        next=(
            "Ask who runs this network whether UDP and TCP port 53 to the name server are open from this runtime.",
            "In Kubernetes look at egress policies for port 53 and at the cluster's DNS pods.",
        ),
        local_on_every_route=True,
        applies=_timeout,
    ),
)
