"""Which ways lead out: ports of the endpoint, its proxy, and the configured name servers. No third party is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from oairunbook.evidence import (
    Connected,
    ConnectFailed,
    DnsAnswer,
    DnsNoAnswer,
    Evidence,
    NameServer,
    NotTried,
    Resolved,
    ResolverConfiguration,
)
from oairunbook.observe import dns, tcp
from oairunbook.observe.control import is_literal
from oairunbook.observe.stream import Deadline
from oairunbook.surroundings import Egress, SearchedName

_MOST_ADDRESSES = 2
_MOST_NAMES = 8

_Job = tuple[str, str, str, Callable[[], "Connected | ConnectFailed | DnsAnswer | DnsNoAnswer"]]


def ways_out(seen: Evidence, timeout: float) -> tuple[Egress, ...]:
    """Each way out with how it ended, tried side by side, each in a time of *timeout* seconds."""
    route = seen.route
    if not route.host or route.problems:
        return ()
    jobs: list[_Job] = []
    addresses = _addresses(seen)
    for address in addresses[:_MOST_ADDRESSES]:
        for port in dict.fromkeys((route.dialled_port, 443, 80)):
            jobs.append(
                (
                    f"tcp:{port}:{address}",
                    f"{address} port {port}",
                    _why(port, route.dialled_port, via_proxy=route.proxy.url is not None),
                    lambda address=address, port=port: _connect(address, port, timeout),  # type: ignore[misc]
                )
            )
    if not is_literal(route.dialled_host):
        for server in route.resolver.name_servers:
            jobs += [
                (
                    f"{way}:53:{server.address}",
                    f"{server.address} port {server.port}, {way.upper()}",
                    "questions to the configured name server" if way == "udp" else "answers that do not fit into UDP",
                    lambda server=server, way=way: dns.ask(server, route.dialled_host, seconds=timeout, transport=way),  # type: ignore[misc]
                )
                for way in ("udp", "tcp")
            ]
    return _side_by_side(jobs, timeout)


def searched_names(resolver: ResolverConfiguration, host: str, timeout: float) -> tuple[SearchedName, ...]:
    """The names that the system resolver tries for *host*, in its order, with what the first name server says of each.

    Source: resolv.conf(5): a name with fewer dots than `ndots` is first tried with each entry of the search list.
    """
    if not host or is_literal(host) or not resolver.search:
        return ()
    with_search = [f"{host}.{domain}" for domain in resolver.search if domain]
    names = [*with_search, host] if host.count(".") < resolver.ndots else [host, *with_search]
    names = names[:_MOST_NAMES]
    if not resolver.name_servers:
        return tuple(SearchedName(name=name, outcome=NotTried(reason="no name server is configured")) for name in names)
    server = resolver.name_servers[0]
    found: dict[str, DnsAnswer | DnsNoAnswer | NotTried] = {}

    def ask(name: str) -> None:
        found[name] = _ask(server, name, timeout)

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout + 1.0)
    late = NotTried(reason="no answer in time")
    return tuple(SearchedName(name=name, outcome=found.get(name, late)) for name in names)


def _ask(server: NameServer, name: str, timeout: float) -> DnsAnswer | DnsNoAnswer | NotTried:
    try:
        return dns.ask(server, name, seconds=timeout)
    except ValueError as error:
        return NotTried(reason=str(error))


def _connect(address: str, port: int, timeout: float) -> Connected | ConnectFailed:
    outcome, stream = tcp.connect(address, port, Deadline.after(timeout))
    if stream is not None:
        stream.close()
    return outcome


def _addresses(seen: Evidence) -> tuple[str, ...]:
    if is_literal(seen.route.dialled_host):
        return (seen.route.dialled_host,)
    return next((resolved.addresses for _, resolved in seen.of(Resolved, "dns")), ())


def _why(port: int, own: int, *, via_proxy: bool) -> str:
    if port == own:
        return "the port that the proxy has" if via_proxy else "the port that the SDK calls"
    return {443: "https, beside it", 80: "plain http, beside it: does a rule look at the port?"}[port]


def _side_by_side(jobs: list[_Job], timeout: float) -> tuple[Egress, ...]:
    found: dict[str, Egress] = {}

    def run(identity: str, target: str, question: str, look: Callable[[], object]) -> None:
        began = time.monotonic()
        outcome = look()
        seconds = round(time.monotonic() - began, 6)
        found[identity] = Egress(
            id=identity,
            target=target,
            question=question,
            seconds=seconds,
            outcome=outcome,  # type: ignore[arg-type]
        )

    threads = [threading.Thread(target=run, args=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    last = time.monotonic() + timeout + 1.0
    for thread in threads:
        thread.join(max(0.0, last - time.monotonic()))
    late = NotTried(reason="it did not end in time")
    return tuple(
        found.get(identity) or Egress(id=identity, target=target, question=question, seconds=timeout, outcome=late)
        for identity, target, question, _ in jobs
    )
