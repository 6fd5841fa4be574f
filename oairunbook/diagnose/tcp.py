"""`tcp`: the name has an address, and no connection to it is established."""

from __future__ import annotations

from oairunbook.diagnose.catalogue import Cause, Finding
from oairunbook.diagnose.reading import cite, errno_name, words
from oairunbook.evidence import Connected, ConnectFailed, Evidence, TlsFailed

_UNREACHABLE = ("ENETUNREACH", "EHOSTUNREACH", "ENONET", "EADDRNOTAVAIL", "EAFNOSUPPORT", "ENETDOWN", "EHOSTDOWN")


def failures(evidence: Evidence, *names: str) -> Finding | None:
    """No address connected, and the first that matters failed by one of these errnos.

    Addresses of a family that is off here (`EADDRNOTAVAIL` towards IPv6) or has no route say nothing while another address failed otherwise.
    """
    if any(evidence.of(Connected)) or evidence.route.proxy.url:
        return None
    found = [(o, outcome, errno_name(outcome.errors)) for o, outcome in evidence.of(ConnectFailed)]
    telling = [item for item in found if item[2] not in _UNREACHABLE] or found
    matching = [item for item in telling if item[2] in names]
    if not matching or telling[0][2] not in names:
        return None
    return Finding(
        because=tuple(
            cite(o, f"{outcome.address} port {outcome.port}: {words(outcome.errors)}") for o, outcome, _ in found
        ),
        certainty="proven",
    )


def _reset(evidence: Evidence) -> Finding | None:
    """Reset by RST after the handshake of TCP, before this side had sent a byte."""
    for observation, failed in evidence.of(TlsFailed):
        if failed.ended == "reset" and failed.sent_bytes == 0:
            fact = f"{failed.address} accepted the connection and reset it before a byte was exchanged"
            return Finding(because=(cite(observation, fact),), certainty="proven")
    return failures(evidence, "ECONNRESET")


CAUSES = (
    Cause(
        id="tcp.ipv6_broken",
        meaning="Addresses of one family fail, the other works, and the transport picks the broken one.",
        next=(
            "Ask who runs this network to mend IPv6 here, or switch it off whole; until then prefer IPv4 in gai.conf(5).",
        ),
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
    Cause(
        id="tcp.path_mtu",
        meaning="Small segments pass and full-size ones vanish.",
        next=(
            "Lower the MTU of the interface or clamp the MSS on the tunnel, and let ICMP `fragmentation needed` pass.",
        ),
    ),
)
