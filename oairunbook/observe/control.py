"""The control test: the direct route from the same runtime, without credentials, next to an Azure or gateway route.

Source: owner rule 4 of the cause catalogue: a fault of such a route is its provider's until the direct route shows the same symptom.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from oairunbook.evidence import Connected, HttpAnswer, Layer, NotTried, Outcome, ProxyDecision, Resolved, Route
from oairunbook.observe import dns
from oairunbook.observe.collection import Collection
from oairunbook.observe.path import Path
from oairunbook.route.installed import installed_sdk
from oairunbook.route.proxy import decide_proxy

CONTROL_URL = "https://api.openai.com/v1"
CHANGED = "the direct route instead of this one"
PREFIX = "control."
_MOST_ADDRESSES = 2


def control_route(path: Path, url: str) -> Route:
    """The route of the control test: another endpoint, the same runtime, no credentials.

    Raises:
        ValueError: *url* is no https URL with a host.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"the control URL must be https://HOST/…, not {url!r}")
    proxy = proxy_beside(path.route, path.environment, parts.hostname, parts.port)
    return replace(
        path.route,
        family="direct",
        scheme="https",
        host=parts.hostname,
        port=parts.port or 443,
        path=parts.path.rstrip("/"),
        surface="openai",
        api_version=None,
        proxy=proxy,
    )


def proxy_beside(route: Route, environment: Mapping[str, str], host: str, explicit_port: int | None) -> ProxyDecision:
    """How a request of the same runtime to another https host would leave it: by its transport's rules.

    Those of Node.js are its own (`oairunbook.collector.node`); there other hosts go the way of the endpoint.
    """
    if route.trust.origin == "node":
        return route.proxy
    return decide_proxy(environment, "https", host, explicit_port, installed_sdk())


def repeat_control(path: Path, collection: Collection, timeout: float, *, number: int) -> None:
    """The control test so many times more, one after the other, until one is not answered; each at the address that has been, so that no other helps out."""
    first = (o.outcome for o in collection.so_far() if o.id.startswith(f"{PREFIX}tcp:"))
    reached = next((outcome.address for outcome in first if isinstance(outcome, Connected)), None)
    if reached is None:
        return
    for attempt in range(2, 2 + number):
        if collection.deadline.left < timeout:
            return
        outcome = run_control(path, collection, timeout, attempt=attempt, only=reached)
        if not isinstance(outcome, HttpAnswer):
            return


def run_control(
    path: Path, collection: Collection, timeout: float, *, attempt: int = 1, only: str | None = None
) -> Outcome:
    """Walk the control route up to one unbilled request; every step before it is recorded under its own id, and of a further attempt that as well.

    *only* is the one address to dial.
    """
    route = path.route
    step = collection.deadline.sooner(timeout)
    ended_before = NotTried(reason="the control route ended before HTTP")

    def note(name: str, layer: Layer, target: str, began: float, outcome: Outcome) -> None:
        name += f"#{attempt}" if attempt > 1 else ""
        collection.note(
            PREFIX + name, layer, layer, target, began=began, outcome=outcome, changed=CHANGED, attempt=attempt
        )

    addresses: tuple[str, ...] = (route.dialled_host,)
    if not is_literal(route.dialled_host):
        began = time.monotonic()
        found = dns.resolve(route.dialled_host, route.dialled_port)
        note("dns.system", "dns", f"{route.dialled_host} by the system", began, found)
        if not isinstance(found, Resolved):
            for server in route.resolver.name_servers:
                began = time.monotonic()
                answer = dns.ask(server, route.dialled_host, seconds=max(step.left, 0.1))
                note(f"dns.server:{server.address}", "dns", f"{route.dialled_host} by {server.address}", began, answer)
            return ended_before
        addresses = _of_each_family(found.addresses)[:_MOST_ADDRESSES] if only is None else (only,)
    for address in addresses:
        began = time.monotonic()
        # Half of one step's time for each: the control must not make a dead path slower to name.
        reached, stream = path.connect(address, step.sooner(max(timeout / len(addresses), 1.0)))
        note(f"tcp:{address}", "tcp", f"{address} port {route.dialled_port}", began, reached)
        if stream is None:
            continue
        if path.tunnels:
            began = time.monotonic()
            stream.deadline = collection.deadline.sooner(timeout)
            answered, stream = path.tunnel(stream)
            note(f"proxy:{address}", "proxy", f"{route.proxy.url} to {route.host}", began, answered)
            if stream is None:
                return ended_before
        # The SDK may still be importing; that is no part of the handshake.
        path.context()
        began = time.monotonic()
        stream.deadline = collection.deadline.sooner(timeout)
        shaken, secured = path.handshake(stream, address)
        note(f"tls:{address}", "tls", f"{route.host} at {address}", began, shaken)
        if secured is None:
            return ended_before
        secured.deadline = collection.deadline.sooner(timeout)
        began = time.monotonic()
        asked = path.request(secured, address)
        if attempt > 1:
            note("http", "http", f"{route.host}, no credentials, attempt {attempt}", began, asked)
        return asked
    return ended_before


def _of_each_family(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The first address of each family, then the others: the families' paths differ, and so do the errors of their routers."""
    firsts = tuple(next((a for a in addresses if (":" in a) == six), "") for six in (True, False))
    heads = tuple(address for address in addresses if address in firsts)
    return heads + tuple(address for address in addresses if address not in firsts)


def is_literal(host: str) -> bool:
    """Whether *host* is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
