"""Counter-tests of names."""

from __future__ import annotations

from collections.abc import Iterator

from oairunbook.evidence import (
    ConnectFailed,
    DnsAnswer,
    DnsNoAnswer,
    NameServer,
    Outcome,
    Resolved,
    ResolveFailed,
    TlsFailed,
    TlsHandshake,
)
from oairunbook.observe import dns
from oairunbook.observe.counter.declared import Seen, Test
from oairunbook.observe.counter.looking import verified
from oairunbook.observe.stream import Deadline


def absolute_name(seen: Seen) -> Iterator[Test]:
    """The system resolver gave nothing, or something else than the server: is it the search list?"""
    host, port = seen.path.route.dialled_host, seen.path.route.dialled_port
    if seen.path.route.resolver.search and (seen.has(ResolveFailed) or _disagreement(seen)):
        yield Test(
            "dns.absolute",
            "dns",
            "dns",
            f"{host}. by the system",
            "the absolute name instead of one that the search list may complete",
            lambda _: dns.resolve(f"{host}.", port),
        )


def over_tcp(seen: Seen) -> Iterator[Test]:
    """No reply over UDP: is the server dead, or only UDP?"""
    name = seen.path.route.dialled_host
    for observation in seen.of(DnsNoAnswer):
        assert isinstance(observation.outcome, DnsNoAnswer)
        server = observation.outcome.server
        if observation.outcome.ended == "silence":
            yield Test(
                f"dns.tcp:{server.address}",
                "dns",
                "dns",
                f"{name} by {server.address}",
                "TCP instead of UDP",
                lambda deadline, server=server: _ask_tcp(server, name, deadline),  # type: ignore[misc]
            )


def _ask_tcp(server: NameServer, name: str, deadline: Deadline) -> Outcome:
    return dns.ask(server, name, seconds=min(deadline.left, 2.0), transport="tcp")


def addresses_of_servers(seen: Seen) -> Iterator[Test]:
    """The system resolver says something else than the name server, and nothing there verified: do the server's addresses serve the name?"""
    path = seen.path
    if path.route.proxy.url or seen.has(TlsHandshake):
        return
    own = _disagreement(seen)
    failed = seen.has(ConnectFailed, TlsFailed, ResolveFailed) or bool(seen.silent)
    if own and failed:
        for address in own[:2]:
            yield Test(
                f"dns.other_address:{address}",
                "tls" if path.route.scheme == "https" else "tcp",
                "dns",
                f"{path.route.host} at {address}",
                "an address from the name server itself instead of the system resolver's",
                lambda deadline, address=address: verified(path, address, deadline),  # type: ignore[misc]
            )


def _disagreement(seen: Seen) -> tuple[str, ...]:
    """Addresses that a name server gives and the system resolver does not, when they have none in common."""
    system = {a for o in seen.of(Resolved) if o.id == "dns.system" for a in o.outcome.addresses}  # type: ignore[union-attr]
    servers = [
        address
        for observation in seen.of(DnsAnswer)
        for reply in observation.outcome.replies  # type: ignore[union-attr]
        for address in reply.addresses
    ]
    if not servers or system & set(servers) or not (system or seen.has(ResolveFailed)):
        return ()
    return tuple(dict.fromkeys(servers))
