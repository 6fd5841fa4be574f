"""`dns`: the name gives no address that serves it."""

from __future__ import annotations

import ipaddress

from oairunbook.diagnose.addresses import address_of, is_documentation, is_public_api, is_public_name
from oairunbook.diagnose.catalogue import Cause, Finding
from oairunbook.diagnose.chain import SHORTEST_WAIT_SECONDS
from oairunbook.diagnose.parts import attempts
from oairunbook.diagnose.reading import cite, counter_test, errno_name, stopped, words
from oairunbook.evidence import (
    Connected,
    ConnectFailed,
    DnsAnswer,
    DnsNoAnswer,
    Evidence,
    NameServer,
    Observation,
    Resolved,
    ResolveFailed,
    TlsFailed,
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


def _rcode(evidence: Evidence, *rcodes: str) -> Finding | None:
    system = _system_failed(evidence)
    if system is None or _proxy_name(evidence):
        return None
    found = [
        cite(observation, f"{answer.server.address} answers {rcode} for {answer.name}" + _extended(answer))
        for observation, answer in evidence.of(DnsAnswer)
        for rcode in rcodes
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
    # With no name server to ask EAI_NONAME is all there is; and one that denies a name now and then may own to it when it is asked again.
    for observation, outcome in evidence.of(ResolveFailed, "dns"):
        asked = any(evidence.of(DnsAnswer)) or any(evidence.of(DnsNoAnswer))
        denied = errno_name(outcome.errors) == "EAI_NONAME" and not _proxy_name(evidence)
        if denied and (not asked or _of_servers(evidence)):
            return Finding(because=(cite(observation, f"{outcome.name}: {words(outcome.errors)}"),), certainty="likely")
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
            fact = f"{answer.server.address} says that {answer.name} exists and has neither A nor AAAA"
            return Finding(because=(cite(observation, fact), system), certainty="proven")
    return None


def _silent(evidence: Evidence) -> list[tuple[Observation, DnsNoAnswer]]:
    return list(evidence.of(DnsNoAnswer))


def _timeout(evidence: Evidence) -> Finding | None:
    system = _system_failed(evidence)
    if system is None or _proxy_name(evidence):
        return None
    if any(evidence.of(DnsAnswer)):
        return _unanswered(evidence, system)
    if not _asked(evidence) and _temporary(evidence) and _waited_seconds(evidence) >= SHORTEST_WAIT_SECONDS:
        # An attempt that was called off before a server had been asked.
        return Finding(because=(system,), certainty="likely")
    found = [
        cite(o, f"{outcome.server.address}: {words(outcome.errors)}")
        for o, outcome in _silent(evidence)
        if outcome.ended == "silence"
    ]
    # An ICMP error to one of the questions: what came to nothing may be errors that were withheld.
    return (
        Finding(because=(*found, system), certainty="likely" if _told_unreachable(evidence) else "proven")
        if found
        else None
    )


def _unanswered(evidence: Evidence, system: Because) -> Finding | None:
    """The system resolver waited in vain (EAI_AGAIN), and the same server answers well when it is asked again or otherwise."""
    answered = _of_servers(evidence)
    if not answered or not _temporary(evidence) or len(answered) < len(list(evidence.of(DnsAnswer))):
        return None
    # EAI_AGAIN at once is an error code that the server takes back; glibc waits for a second at least (resolv.conf(5), `timeout`).
    if 0 < _waited_seconds(evidence) < SHORTEST_WAIT_SECONDS:
        return None
    told = [
        cite(o, f"{a.server.address} answers {', '.join(addresses)} when it is asked again")
        for o, a, addresses in answered
    ]
    lost = [
        cite(o, f"{a.server.address} does not answer for {', '.join(a.unanswered)}")
        for o, a, _ in answered
        if a.unanswered
    ]
    return Finding(because=(system, *lost, *told), certainty="likely")


def _asked(evidence: Evidence) -> bool:
    """Whether a name server was asked itself, whatever came of it."""
    return any(evidence.of(DnsAnswer)) or any(evidence.of(DnsNoAnswer))


def _waited_seconds(evidence: Evidence) -> float:
    """How long the system resolver took to give up; 0 if it did not."""
    return max((o.seconds for o, _ in evidence.of(ResolveFailed, "dns")), default=0.0)


def _taken_back(evidence: Evidence) -> Finding | None:
    """The system resolver was told of a failure at once (EAI_AGAIN), and every server answers well when it is asked again."""
    failed = list(evidence.of(ResolveFailed, "dns"))
    told = _of_servers(evidence)
    if not failed or _proxy_name(evidence) or not evidence.route.resolver.name_servers or _stub_alone_fails(evidence):
        return None
    if not _temporary(evidence) or _waited_seconds(evidence) >= SHORTEST_WAIT_SECONDS:
        return None
    if any(evidence.of(DnsNoAnswer)) or len(told) < len(list(evidence.of(DnsAnswer))):
        return None
    because = [cite(o, f"the system resolver: {words(outcome.errors)}") for o, outcome in failed]
    because += [
        cite(o, f"{a.server.address} answers {', '.join(found)} when it is asked again") for o, a, found in told
    ]
    return Finding(because=tuple(because), certainty="likely")


_OFTEN_ENOUGH = 3
"""Each attempt that the system resolver fails asks the server itself up to ten times for an error."""


def _stub_alone_fails(evidence: Evidence) -> bool:
    """The system resolver failed at once each time, of several, and the servers themselves answered well each time.

    A server that takes an error back would have shown one of them: it is asked again and again. What fails is how this machine asks.
    """
    of_the_path = [o.outcome for o in evidence.observations if o.changed is None and o.probe == "dns"]
    answers = [outcome for outcome in of_the_path if isinstance(outcome, DnsAnswer)]
    failed = [outcome for outcome in of_the_path if isinstance(outcome, ResolveFailed)]
    if any(isinstance(outcome, (Resolved, DnsNoAnswer)) for outcome in of_the_path):
        return False
    good = all(
        all(reply.rcode == "NOERROR" for reply in answer.replies)
        and any(reply.addresses for reply in answer.replies)
        and not answer.unanswered
        for answer in answers
    )
    waited = _waited_seconds(evidence) >= SHORTEST_WAIT_SECONDS
    return good and not waited and min(len(answers), len(failed)) >= _OFTEN_ENOUGH


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
    told = _told_unreachable(evidence)
    if outcomes and all(outcome.server in told for _, outcome in outcomes):
        # Routers send few ICMP errors a second (RFC 1812 section 4.3.2.8): those that follow are withheld, and look like silence.
        return Finding(because=(*told.values(), system), certainty="likely", also=(_WITHHELD,))
    return None


_WITHHELD = ("dns.timeout", "not every question was answered so: the others got no answer at all")


def _told_unreachable(evidence: Evidence) -> dict[NameServer, Because]:
    """Name servers that some question, of the walk or of an attempt, was told cannot be reached."""
    told: dict[NameServer, Because] = {}
    for observation in evidence.observations:
        outcome = observation.outcome
        if isinstance(outcome, DnsNoAnswer) and outcome.ended == "unreachable" and observation.changed is None:
            told.setdefault(outcome.server, cite(observation, f"{outcome.server.address}: {words(outcome.errors)}"))
    return told


def _resolved(evidence: Evidence) -> tuple[Observation, Resolved] | None:
    """What the system resolver gave for the endpoint's own name; None with a proxy, whose name is the only one resolved here."""
    if _proxy_name(evidence):
        return None
    return next(iter(evidence.of(Resolved, "dns")), None)


def _served(evidence: Evidence) -> bool:
    """Whether something at the resolved addresses proved to be the endpoint."""
    if evidence.route.scheme == "https":
        return any(evidence.of(TlsHandshake))
    return any(evidence.of(Connected))


def _of_servers(evidence: Evidence) -> list[tuple[Observation, DnsAnswer, tuple[str, ...]]]:
    """Name servers that gave addresses and no error, with those."""
    found = []
    for observation, answer in evidence.of(DnsAnswer):
        addresses = tuple(address for reply in answer.replies for address in reply.addresses)
        if addresses and all(reply.rcode == "NOERROR" for reply in answer.replies):
            found.append((observation, answer, addresses))
    return found


def _other_address_serves(evidence: Evidence) -> Because | None:
    kind = TlsHandshake if evidence.route.scheme == "https" else Connected
    served = counter_test(evidence, kind, "dns.other_address")
    if served is None:
        return None
    observation, outcome = served
    return cite(observation, f"{outcome.address}, which the name server gives, serves {evidence.route.host}")  # type: ignore[attr-defined]


def _hosts_override(evidence: Evidence) -> Finding | None:
    """The hosts file decides, and what it names does not serve the name."""
    resolved, listed = _resolved(evidence), evidence.route.resolver.hosts_file_addresses
    if resolved is None or _served(evidence) or not listed or not set(resolved[1].addresses) <= set(listed):
        return None
    if evidence.route.host == "localhost" or evidence.route.host.endswith(".localhost"):
        # That is what the hosts file is for (RFC 6761 section 6.3).
        return None
    if _same_as_servers(evidence, resolved[1]):
        return None
    observation, outcome = resolved
    because = [cite(observation, f"{outcome.name} is {', '.join(outcome.addresses)} by the hosts file")]
    proof = _other_address_serves(evidence)
    if proof is not None:
        return Finding(because=(*because, proof), certainty="proven")
    # The address of the name server fails as well: then the hosts file is not what broke the path.
    return None if _other_address_tried(evidence) else Finding(because=tuple(because), certainty="likely")


def _other_address_tried(evidence: Evidence) -> bool:
    return any(o.id.startswith("dns.other_address:") for o in evidence.observations)


def _same_as_servers(evidence: Evidence, resolved: Resolved) -> bool:
    return any(set(resolved.addresses) & set(addresses) for _, _, addresses in _of_servers(evidence))


def _resolver_mismatch(evidence: Evidence) -> Finding | None:
    """The system resolver and a configured name server disagree, and the server is right."""
    servers = _of_servers(evidence)
    if not servers or _proxy_name(evidence) or _served(evidence):
        return None
    observation, answer, addresses = servers[0]
    told = cite(observation, f"{answer.server.address} answers {', '.join(addresses)}")
    proof = _other_address_serves(evidence)
    absolute = counter_test(evidence, Resolved, "dns.absolute")
    failed = _system_failed(evidence)
    if failed is not None:
        others = [o for o, answer in evidence.of(DnsAnswer) if any(r.rcode != "NOERROR" for r in answer.replies)]
        passing = any(any(one.of(Resolved)) for one in attempts(evidence))
        if others or passing or (_temporary(evidence) and not _stub_alone_fails(evidence)):
            # A server that says no, or an answer that comes and goes, is reason enough without any disagreement.
            return None
        if proof is None and absolute is None and not _walked(evidence):
            # An attempt alone is two answers at two moments.
            return None
        because = [failed, told]
        if absolute is not None:
            because.append(
                cite(absolute[0], f"the absolute name {evidence.route.host}. resolves here: the search list is why")
            )
        if proof is not None:
            because.append(proof)
        isolated = (proof or absolute) and not _temporary(evidence)
        return Finding(because=tuple(because), certainty="proven" if isolated else "likely")
    resolved = _resolved(evidence)
    if resolved is None or proof is None or _same_as_servers(evidence, resolved[1]):
        return None
    if any(_same_as_servers(evidence, other) for one in attempts(evidence) for _, other in one.of(Resolved, "dns")):
        # The name server gives its addresses in turn.
        return None
    said = cite(resolved[0], f"the system resolver says {', '.join(resolved[1].addresses)}")
    return Finding(because=(said, told, proof), certainty="proven")


def _walked(evidence: Evidence) -> bool:
    """Whether this is the walk, which begins with the client, and not a single attempt or the control."""
    return any(o.probe == "client" for o in evidence.observations)


def _temporary(evidence: Evidence) -> bool:
    """EAI_AGAIN, or no end at all: something on the way to a server failed, which is no disagreement about the answer."""
    failures = [outcome for _, outcome in evidence.of(ResolveFailed, "dns")]
    return not failures or any(errno_name(outcome.errors) == "EAI_AGAIN" for outcome in failures)


def _private_address(evidence: Evidence) -> Finding | None:
    """Private addresses for a public API, at which nothing proved to be it.

    10/8 alone proves nothing: a private endpoint zone answers so by design. It counts when the address does not serve the name.
    """
    resolved = _resolved(evidence)
    if resolved is None or _served(evidence) or not is_public_api(evidence.route.host):
        return None
    if not any(evidence.of(ConnectFailed)) and not any(evidence.of(TlsFailed)):
        return None
    observation, outcome = resolved
    # What is of a family that is off here is dialled in vain whatever it is.
    off = {
        f.address for _, f in evidence.of(ConnectFailed) if errno_name(f.errors) in ("EADDRNOTAVAIL", "EAFNOSUPPORT")
    }
    usable = [address for address in outcome.addresses if address not in off]
    if not usable or not all(_is_private(address) for address in usable):
        return None
    fact = f"{outcome.name} resolves to {', '.join(usable)}, private, and nothing there proved to serve it"
    wrong_name = any(failed.verify_code in (62, 64) for _, failed in evidence.of(TlsFailed))
    return Finding(because=(cite(observation, fact),), certainty="proven" if wrong_name else "likely")


def _is_private(address: str) -> bool:
    mapped = address_of(address)
    if mapped is None:
        return False
    shared = mapped.version == 4 and mapped in CARRIER_GRADE_NAT
    if is_documentation(mapped):
        return False
    return (mapped.is_private or shared) and not mapped.is_loopback and not mapped.is_unspecified


CARRIER_GRADE_NAT = ipaddress.ip_network("100.64.0.0/10")
"""RFC 6598."""

BLOCK_ADDRESSES = (
    # Cisco Umbrella, Palo Alto, Fortinet (Pi-hole FTL's list of known block addresses, OONI fingerprints)
    *(f"146.112.61.{last}" for last in range(104, 111)),
    *(f"67.215.65.{last}" for last in range(130, 135)),
    "198.135.184.22",
    "72.5.65.111",
    "208.91.112.55",
)


def _sinkhole(evidence: Evidence) -> Finding | None:
    """A null, loopback or block-page address for a public name, and nothing there serves it."""
    host, resolved = evidence.route.host, _resolved(evidence)
    if resolved is None or _served(evidence):
        return None
    observation, outcome = resolved
    caught = [address for address in outcome.addresses if _is_block_address(address, host)]
    if not caught or set(outcome.addresses) & set(evidence.route.resolver.hosts_file_addresses):
        return None
    others = {address for address in outcome.addresses if address not in caught}
    if any(connected.address in others for _, connected in evidence.of(Connected)):
        return None
    fact = f"{host} resolves to {', '.join(caught)}, and nothing there serves it"
    return Finding(because=(cite(observation, fact),), certainty="proven")


def _is_block_address(address: str, host: str) -> bool:
    mapped = address_of(address)
    if mapped is None:
        return False
    if mapped.is_loopback:
        # Names of this machine's own may well live there.
        return is_public_name(host)
    return mapped.is_unspecified or str(mapped) in BLOCK_ADDRESSES


_ASK_RESOLVER = "Ask who runs the name server that the record names; give them the name, the time and its reply."

CAUSES = (
    Cause(
        id="dns.hosts_override",
        meaning="The hosts file decides the answer, and that address does not serve the name.",
        next=("Remove or correct the entry in the hosts file of this runtime.",),
        owner="client_config",
        applies=_hosts_override,
    ),
    Cause(
        id="dns.resolver_mismatch",
        meaning="The system resolver and the configured name server disagree (nsswitch, search list, a local cache).",
        next=(
            "Compare getent ahosts NAME with dig NAME @SERVER; look at nsswitch.conf, the search list and local caches.",
        ),
        owner="client_config",
        applies=_resolver_mismatch,
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
        applies=_private_address,
    ),
    Cause(
        id="dns.servfail",
        meaning="The resolver failed to answer (SERVFAIL), for example over DNSSEC or a dead upstream.",
        next=(_ASK_RESOLVER, "Compare with dig +cd: an answer there points at DNSSEC."),
        # FORMERR and NOTIMP are failures of the server as well (RFC 1035 section 4.1.1): a sound question got no answer.
        applies=lambda evidence: _rcode(evidence, "SERVFAIL", "FORMERR", "NOTIMP") or _taken_back(evidence),
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
        ),
        on_azure=("On Azure check that the resource exists, and its private DNS zone.",),
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
