"""`tcp`: the name has an address, and no connection to it is established."""

from __future__ import annotations

from oairunbook.diagnose.catalogue import Cause, Finding
from oairunbook.diagnose.parts import attempts
from oairunbook.diagnose.reading import (
    cite,
    counter_test,
    counter_tests,
    errno_name,
    may_connect_to_itself,
    request_succeeded,
    stopped,
    words,
)
from oairunbook.evidence import (
    Connected,
    ConnectFailed,
    Evidence,
    HttpAnswer,
    HttpFailed,
    Observation,
    Resolved,
    SdkAnswered,
    SdkFailed,
    Stopped,
    TlsFailed,
    TlsHandshake,
)
from oairunbook.verdict import Because

_UNREACHABLE = (
    *("ENETUNREACH", "EHOSTUNREACH", "ENONET", "EADDRNOTAVAIL", "EAFNOSUPPORT", "ENETDOWN", "EHOSTDOWN"),
    # A route of the type blackhole on this machine itself (ip-route(8)).
    "EINVAL",
)
_NO_ROUTE = ("ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT", "ENETDOWN", "EINVAL")


def failures(evidence: Evidence, *names: str) -> Finding | None:
    """No address connected, and the first that matters failed by one of these errnos.

    Addresses of a family that is off here (`EADDRNOTAVAIL` towards IPv6) or has no route say nothing while another address failed otherwise.
    """
    if any(evidence.of(Connected)) or evidence.route.proxy.url:
        return None
    found = [(o, outcome, errno_name(outcome.errors)) for o, outcome in evidence.of(ConnectFailed)]
    unreachable: tuple[str, ...] = _UNREACHABLE
    if may_connect_to_itself(evidence):
        # EACCES towards IPv6 is a router's `administratively prohibited` then (ICMPv6 type 1 code 1).
        unreachable = (*_UNREACHABLE, "EACCES")
    if names == _UNREACHABLE:
        names = unreachable
    if found and all(name == "ETIMEDOUT" for _, _, name in found):
        found = _said_in_another_attempt(evidence) or found
    telling = [item for item in found if item[2] not in unreachable] or found
    matching = [item for item in telling if item[2] in names]
    if not matching or telling[0][2] not in names:
        return None
    because = tuple(
        cite(o, f"{outcome.address} port {outcome.port}: {words(outcome.errors)}") for o, outcome, _ in found
    )
    # The transport dials them all, one after another; the walk only the first of many.
    dialled = {outcome.address for _, outcome in evidence.of(ConnectFailed)}
    undialled = [(o, set(r.addresses) - dialled) for o, r in evidence.of(Resolved, "dns") if set(r.addresses) - dialled]
    because += tuple(cite(o, f"{len(more)} more addresses were not dialled") for o, more in undialled)
    return Finding(
        because=because,
        certainty="likely" if undialled else "proven",
        # The kernel says this of itself when it has no route at all (route(8)); a router's answer is EHOSTUNREACH or also ENETUNREACH.
        local_on_every_route=all(name in _NO_ROUTE for _, _, name in found),
    )


def _said_in_another_attempt(evidence: Evidence) -> list[tuple[Observation, ConnectFailed, str | None]]:
    """Routers send only so many ICMP errors a second (RFC 1812 section 4.3.2.8): what one attempt is told, another waits for in vain."""
    if any(any(one.of(Connected)) for one in attempts(evidence)):
        return []
    told = [(o, f, errno_name(f.errors)) for one in attempts(evidence) for o, f in one.of(ConnectFailed)]
    return [item for item in told if item[2] in ("EHOSTUNREACH", "ENETUNREACH", "EACCES")][:1]


def _ipv6_broken(evidence: Evidence) -> Finding | None:
    """One family gets through and the other does not, and the SDK's request went the broken way."""
    if request_succeeded(evidence) or not any(evidence.of(SdkFailed)) or evidence.route.proxy.url:
        return None
    passed: dict[int, list[str]] = {4: [], 6: []}
    failed: dict[int, list[tuple[Observation, str]]] = {4: [], 6: []}
    reached = TlsHandshake if evidence.route.scheme == "https" else Connected
    for _, good in evidence.of(reached):
        passed[_family(good.address)].append(good.address)  # type: ignore[attr-defined]
    for kind in (ConnectFailed, TlsFailed):
        for observation, bad in evidence.of(kind):
            if not getattr(bad, "verify_code", None):
                failed[_family(bad.address)].append((observation, words(bad.errors)))  # type: ignore[attr-defined]
    for _, good in (pair for one in attempts(evidence) for pair in one.of(reached)):
        # What gets through at another moment is not broken: one address of each kind tells little of what comes and goes.
        passed[_family(good.address)].append(good.address)  # type: ignore[attr-defined]
    for broken, working in ((6, 4), (4, 6)):
        if not any(_keeps_the_transport(bad) for bad in _failures_of(evidence, broken)):
            continue
        if failed[broken] and not passed[broken] and passed[working] and not failed[working]:
            because = [cite(o, f"IPv{broken}: {text}") for o, text in failed[broken]]
            because += [cite(o, f"the SDK's own request: {words(f.errors)}") for o, f in evidence.of(SdkFailed)][:1]
            because.append(
                Because(observation="tls", fact=f"IPv{working} works: {', '.join(dict.fromkeys(passed[working]))}")
            )
            return Finding(because=tuple(because), certainty="proven")
    return None


def _failures_of(evidence: Evidence, family: int) -> list[ConnectFailed | TlsFailed]:
    found: list[ConnectFailed | TlsFailed] = [bad for _, bad in evidence.of(ConnectFailed)]
    found += [bad for _, bad in evidence.of(TlsFailed)]
    return [bad for bad in found if _family(bad.address) == family]


def _keeps_the_transport(failed: ConnectFailed | TlsFailed) -> bool:
    """Whether the transport ends there: from an address that fails at once before anything is connected it goes on to the next one."""
    return isinstance(failed, TlsFailed) or errno_name(failed.errors) == "ETIMEDOUT"


def _family(address: str) -> int:
    return 6 if ":" in address else 4


def _path_mtu(evidence: Evidence) -> Finding | None:
    """What is silent at full size passes in small segments, on the same address, and no attempt at full size passed there."""
    small = counter_test(evidence, TlsHandshake, "tls.small_segments")
    # A handshake that was slow, and then ended otherwise, had its answer: that its certificate does not verify is no matter of segments.
    answered = small is not None and any(
        failed.address == small[1].address and failed.ended != "silence" for _, failed in evidence.of(TlsFailed)
    )
    if small is not None and not answered and _never_passes_at(evidence, small[1].address or ""):
        silent = [
            cite(o, f"{f.address}: no answer to {f.sent_bytes} bytes; {f.received_bytes} bytes came")
            for o, f in evidence.of(TlsFailed)
            if f.ended == "silence"
        ]
        passed = cite(small[0], f"{small[1].address} shakes hands when no segment is above 536 bytes")
        return Finding(because=(*silent, passed), certainty="proven")
    in_between = _segment_missing(evidence)
    if in_between is not None:
        return in_between
    body = counter_test(evidence, HttpAnswer, "http.large_body.small_segments")
    again = counter_test(evidence, HttpFailed, "http.large_body.again")
    if body is not None and again is not None and again[1].ended == "silence":
        return Finding(
            because=(
                cite(again[0], "a request of several full-size segments gets no answer, twice"),
                cite(body[0], f"in segments of at most 536 bytes it is answered with status {body[1].status}"),
            ),
            certainty="proven",
            beside_success=True,
        )
    return _large_answers_vanish(evidence)


def narrow_at(evidence: Evidence, address: str) -> Finding | None:
    """Where every attempt at one address was silent and none elsewhere was: its handshake passes in small segments."""
    for observation, shaken in counter_tests(evidence, TlsHandshake, "tls.small_segments"):
        if address and shaken.address == address and _never_passes_at(evidence, address):
            fact = f"{address} shakes hands when no segment is above 536 bytes, and at full size it never does"
            return Finding(because=(cite(observation, fact),), certainty="proven")
    return None


def _never_passes_at(evidence: Evidence, address: str) -> bool:
    """Whether no attempt shook hands there; where another address of that family answers, several must have tried: one may hang by chance."""
    tried = [one for one in attempts(evidence) if any(f.address == address for _, f in one.of(TlsFailed))]
    passed = any(shaken.address == address for one in attempts(evidence) for _, shaken in one.of(TlsHandshake))
    beside = any(_family(shaken.address or "") == _family(address) for _, shaken in evidence.of(TlsHandshake))
    return not passed and (not beside or len(tried) >= _SEVERAL)


_SEVERAL = 3


def _segment_missing(evidence: Evidence) -> Finding | None:
    """Of what one side sent a later, shorter segment arrived, and the full-size one before it never did, though it is sent again and again."""
    silent = [(o, f) for o, f in evidence.of(TlsFailed) if f.ended == "silence"]
    if any(f.ended == "silence" for _, f in counter_tests(evidence, TlsFailed, "tls.small_segments")):
        return None
    for observation, failed in silent:
        if failed.gap is not None:
            whose = "of the peer's bytes later ones" if failed.gap == "received" else "of this side's bytes later ones"
            fact = f"{failed.address}: {whose} arrived, and those before them never did in {observation.seconds:.1f} s"
            return Finding(because=(cite(observation, fact),), certainty="likely")
    return None


def _large_answers_vanish(evidence: Evidence) -> Finding | None:
    """The SDK's own request gets no answer, twice, and gets it in small segments; no attempt of the path was silent."""
    small = counter_test(evidence, SdkAnswered, "sdk.small_segments")
    first, again = stopped(evidence, "sdk"), _stopped_again(evidence)
    if small is None or first is None or again is None:
        return None
    if any(failed.ended == "silence" for one in attempts(evidence) for _, failed in one.of(HttpFailed, "http")):
        return None
    because = (
        cite(first, f"the SDK's own request got no answer in {first.seconds:.0f} s, while small answers come"),
        cite(again, f"once more it got none in {again.seconds:.0f} s"),
        cite(small[0], "with segments of at most 536 bytes it is answered at once"),
    )
    return Finding(because=because, certainty="likely")


def _stopped_again(evidence: Evidence) -> Observation | None:
    again = (o for o in evidence.observations if o.id.startswith("sdk.again:"))
    return next((o for o in again if isinstance(o.outcome, Stopped)), None)


def _reset(evidence: Evidence) -> Finding | None:
    """Reset by RST after the handshake of TCP, before this side had sent a byte; or closed there, and reset once it had."""
    if evidence.route.proxy.url:
        return None
    for observation, failed in evidence.of(TlsFailed):
        if failed.ended == "reset" and failed.sent_bytes == 0:
            fact = f"{failed.address} accepted the connection and reset it before a byte was exchanged"
            return Finding(because=(cite(observation, fact),), certainty="proven")
    untouched = counter_test(evidence, ConnectFailed, "tcp.untouched")
    if untouched is not None and not any(evidence.of(TlsHandshake)) and not any(evidence.of(HttpAnswer, "http")):
        address, failed_by = untouched[1].address, untouched[1].errors[-1]
        if failed_by.errno_name == "ECONNRESET":
            fact = f"{address} resets accepted connections also when nothing is sent"
            return Finding(because=(cite(untouched[0], fact),), certainty="proven")
        if failed_by.type == "EOFError":
            # A forwarder or balancer that has nobody behind it: it closes, and what was sent meanwhile is answered by RST.
            fact = f"{address} closes accepted connections also when nothing is sent"
            return Finding(because=(cite(untouched[0], fact),), certainty="likely")
    return failures(evidence, "ECONNRESET")


_AT_ONCE_SECONDS = 0.5


def cut_untouched(evidence: Evidence) -> Finding | None:
    """Some handshakes are reset before a byte came, and so are some connections on which nothing is sent: no ClientHello is the reason."""
    cut = list(counter_tests(evidence, ConnectFailed, "tcp.several_untouched"))
    # Who waits for a ClientHello that does not come may end it as well, after a while.
    at_once = [(o, failed.errors[-1], failed) for o, failed in cut if o.seconds < _AT_ONCE_SECONDS]
    closed = [(o, f) for o, last, f in at_once if last.errno_name == "ECONNRESET" or last.type == "EOFError"]
    if not closed:
        return None
    observation, failed = closed[0]
    tried = len(cut) + sum(1 for _ in counter_tests(evidence, Connected, "tcp.several_untouched"))
    fact = f"{failed.address} also ends {len(closed)} of {tried} connections on which nothing is sent: {words(failed.errors)}"
    return Finding(because=(cite(observation, fact),), certainty="likely")


CAUSES = (
    Cause(
        id="tcp.path_mtu",
        meaning="Small segments pass and full-size ones vanish.",
        next=(
            "Lower the MTU of the interface or clamp the MSS on the tunnel, and let ICMP `fragmentation needed` pass.",
        ),
        applies=_path_mtu,
    ),
    Cause(
        id="tcp.ipv6_broken",
        meaning="Addresses of one family fail, the other works, and the transport picks the broken one.",
        next=(
            "Ask who runs this network to mend IPv6 here, or switch it off whole; until then prefer IPv4 in gai.conf(5).",
        ),
        for_node=(
            "Ask who runs this network to mend IPv6 here, or switch it off whole; until then prefer IPv4: --dns-result-order=ipv4first.",
        ),
        applies=_ipv6_broken,
    ),
    Cause(
        id="tcp.refused",
        meaning="The address answers that nothing listens on this port (RST to the SYN).",
        next=(
            "Check host and port of the base URL; on a gateway whether its process runs and listens.",
            "If host and port are right, ask who runs the firewall between: some reject with a reset.",
        ),
        applies=lambda evidence: failures(evidence, "ECONNREFUSED"),
    ),
    Cause(
        id="tcp.timeout",
        meaning="The SYN gets no answer.",
        next=(
            "Ask who runs the egress firewall, security group, network policy or NAT of this runtime to allow this host on this port.",
            "In a function inside a private network check that it has a NAT at all.",
        ),
        applies=lambda evidence: failures(evidence, "ETIMEDOUT"),
    ),
    Cause(
        id="tcp.unreachable",
        meaning="Network or host unreachable, no route, or administratively prohibited.",
        next=(
            "Look at the routes of this runtime (ip route get ADDRESS) and at the firewall that answers `prohibited`.",
        ),
        applies=lambda evidence: failures(evidence, *_UNREACHABLE),
    ),
    Cause(
        id="tcp.reset",
        meaning="The connection was reset after it was accepted and before anything was exchanged.",
        next=(
            "Ask who runs the firewall or load balancer in front of this address why it resets accepted connections.",
        ),
        applies=_reset,
    ),
)
