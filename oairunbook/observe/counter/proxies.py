"""Counter-tests of forward proxies: with one, without one, and the proxy by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from oairunbook.evidence import (
    ConnectFailed,
    HttpAnswer,
    Outcome,
    ProxyDecision,
    ProxyFailed,
    Resolved,
    ResolveFailed,
    TlsFailed,
    TlsHandshake,
)
from oairunbook.observe import dns
from oairunbook.observe.counter.declared import Seen, Test
from oairunbook.observe.counter.looking import answered, without_proxy
from oairunbook.observe.errors import error_chain
from oairunbook.observe.path import Path
from oairunbook.observe.proxy import ask_itself
from oairunbook.observe.stream import Deadline
from oairunbook.route.installed import installed_sdk
from oairunbook.route.proxy import decide_proxy, proxy_variables


def configured_proxy(seen: Seen) -> Iterator[Test]:
    """The direct path is closed: would a proxy that this runtime knows of have worked?"""
    path = seen.path
    if path.route.proxy.url or not _closed(seen):
        return
    for proxy in _known_proxies(path):
        yield Test(
            f"proxy.configured:{proxy.host}",
            "http",
            "proxy",
            f"{path.route.host} through {proxy.url}",
            "through the proxy that is configured, which this host goes around",
            lambda deadline, proxy=proxy: _through(path, proxy, deadline),  # type: ignore[misc]
        )


def _closed(seen: Seen) -> bool:
    if seen.has(TlsHandshake) or (seen.path.route.scheme == "http" and seen.has(HttpAnswer, probe="http")):
        return False
    return seen.has(ResolveFailed, ConnectFailed, TlsFailed) or bool(seen.silent)


def _known_proxies(path: Path) -> tuple[ProxyDecision, ...]:
    """Proxies that a variable of this runtime names, whatever the transport makes of it."""
    found: dict[str, ProxyDecision] = {}
    for key, (name, value) in proxy_variables(path.environment).items():
        if key in ("no", "ftp"):
            continue
        alone = {f"{path.route.scheme}_proxy": value}
        decision = decide_proxy(alone, path.route.scheme, path.route.host, None, installed_sdk())
        if decision.url and decision.host:
            # The variable that really holds it: its credentials are looked up there.
            found.setdefault(decision.url, replace(decision, variable=name))
    return tuple(found.values())[:2]


def _through(path: Path, proxy: ProxyDecision, deadline: Deadline) -> Outcome:
    there = path.on(replace(path.route, proxy=proxy))
    found = dns.resolve(proxy.host or "", proxy.port or 0)
    if not isinstance(found, Resolved):
        return found
    return answered(there, found.addresses[0], deadline)


def direct_path(seen: Seen) -> Iterator[Test]:
    """The proxy fails: is the direct path open?"""
    path = seen.path
    failing = seen.has(ResolveFailed, ConnectFailed) or any(
        o.probe == "proxy" and o.outcome.kind in ("proxy_answered", "proxy_failed") for o in seen.observations
    )
    if path.route.proxy.url and (failing or seen.silent):
        yield Test(
            "proxy.none",
            "http",
            "proxy",
            f"{path.route.host} without a proxy",
            "directly instead of through the proxy",
            lambda deadline: _directly(path, deadline),
        )


def _directly(path: Path, deadline: Deadline) -> Outcome:
    there = without_proxy(path)
    found = dns.resolve(path.route.host, path.route.port)
    if not isinstance(found, Resolved):
        return found
    return answered(there, found.addresses[0], deadline)


def proxy_itself(seen: Seen) -> Iterator[Test]:
    """The proxy gives no answer to the request for a tunnel: is it alive, and waits for somebody else?"""
    path = seen.path
    if not path.tunnels or path.route.proxy.scheme not in ("http", "https"):
        return
    for address in seen.silent_addresses("proxy")[:1]:
        yield Test(
            f"proxy.itself:{address}",
            "proxy",
            "proxy",
            f"{path.route.proxy.url}",
            "a request for the proxy itself instead of one for a tunnel",
            lambda deadline, address=address: _asked_for_itself(path, address, deadline),  # type: ignore[misc]
        )


def _asked_for_itself(path: Path, address: str, deadline: Deadline) -> Outcome:
    outcome, stream = path.connect(address, deadline)
    if stream is None:
        return outcome
    stream.deadline = deadline
    try:
        return ask_itself(stream, path.route.proxy)
    except OSError as error:
        stream.close()
        return ProxyFailed(proxy=path.route.proxy.url or "", phase="tls", errors=error_chain(error), ended=stream.ended)
