"""What a branch looks at beside the path: a gateway's own health, Private Link's health check, the host that issues Azure's tokens.

It is asked for by a branch's notebook alone, never by an ordinary check. No credential goes along, and no token is fetched.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from oairunbook.evidence import (
    Connected,
    Evidence,
    Layer,
    NotTried,
    Observation,
    Outcome,
    Resolved,
    Route,
    TlsHandshake,
)
from oairunbook.identity import token_source
from oairunbook.observe import clients, dns
from oairunbook.observe.control import is_literal
from oairunbook.observe.counter.looking import answered
from oairunbook.observe.path import Path
from oairunbook.observe.stream import Deadline
from oairunbook.redaction import Secrets
from oairunbook.route.installed import installed_sdk
from oairunbook.route.proxy import decide_proxy

HEALTH_PATHS = ("/health/liveliness", "/health/readiness", "/health", "/")
"""LiteLLM's two without a key; vLLM's, llama.cpp's and LiteLLM's with one; the greeting of Portkey, Ollama and others."""

PRIVATE_LINK_PATHS = ("/v2/privatelink_healthcheck",)
"""At most one request a second is allowed there."""

OWN_PATH = "the server's own path instead of the API's"
TOKEN_HOST = "the host that issues tokens instead of the endpoint"  # noqa: S105


@dataclass(frozen=True)
class _Noted:
    """One look, with its place in the record."""

    id: str
    probe: str
    layer: Layer
    target: str
    changed: str
    began: float
    outcome: Outcome


def with_health(evidence: Evidence, paths: tuple[str, ...], *, timeout: float, budget: float) -> Evidence:
    """The record with one `GET` without credentials to each of *paths* on the endpoint's own host."""
    return _added(evidence, _health(evidence, paths, timeout, Deadline.after(budget)))


def with_token_host(evidence: Evidence, *, timeout: float, budget: float) -> Evidence:
    """The record with name, connection and handshake of the host that would issue a token, if a variable chooses one."""
    return _added(evidence, _token_host(evidence, timeout, Deadline.after(budget)))


def _added(evidence: Evidence, looks: Iterator[_Noted]) -> Evidence:
    began = time.monotonic()
    found = tuple(
        Observation(
            id=look.id,
            probe=look.probe,
            layer=look.layer,
            target=look.target,
            started_seconds=round(evidence.seconds + look.began - began, 6),
            seconds=round(time.monotonic() - look.began, 6),
            outcome=look.outcome,
            changed=look.changed,
        )
        for look in looks
    )
    clean, removed = Secrets.from_environment(os.environ).redact(found)
    return replace(
        evidence,
        observations=(*evidence.observations, *clean),
        seconds=round(evidence.seconds + time.monotonic() - began, 6),
        redactions=(*evidence.redactions, *removed),
    )


def _path(route: Route, environment: Mapping[str, str]) -> Path:
    """This route with the TLS context that the SDK's transport would use."""
    _, client = clients.build_client(route, environment)
    return Path(route=route, environment=environment, context=lambda: client.context if client else None)


# -- health -------------------------------------------------------------------------------------------------------


def _health(evidence: Evidence, paths: tuple[str, ...], timeout: float, deadline: Deadline) -> Iterator[_Noted]:
    route = evidence.route
    address = _open_address(evidence)
    path = _path(replace(route, path="", api_version=None), os.environ) if address else None
    for where in paths:
        began = time.monotonic()
        if path is None or address is None:
            outcome: Outcome = NotTried(reason="the path to this host is not open")
        elif deadline.left <= 0:
            outcome = NotTried(reason="the budget ended before")
        else:
            outcome = answered(path, address, deadline.sooner(timeout), where=where)
        target = f"{route.host}{where}, no credentials"
        yield _Noted(f"health:{where}", "health", "http", target, OWN_PATH, began, outcome)


def _open_address(evidence: Evidence) -> str | None:
    """An address of the endpoint at which the path is open up to HTTP."""
    verified = [o.address for _, o in evidence.of(TlsHandshake)]
    if evidence.route.scheme == "https":
        return verified[0] if verified else None
    return next((outcome.address for _, outcome in evidence.of(Connected)), None)


# -- tokens -------------------------------------------------------------------------------------------------------


def _token_host(evidence: Evidence, timeout: float, deadline: Deadline) -> Iterator[_Noted]:
    """Name, connection and, for https, the handshake. A metadata service is connected to and asked nothing."""
    environment = os.environ
    source = token_source(environment, evidence.route.host)

    def note(name: str, layer: Layer, target: str, began: float, outcome: Outcome) -> _Noted:
        return _Noted(f"token.{name}", "token", layer, target, TOKEN_HOST, began, outcome)

    began = time.monotonic()
    if source is None:
        reason = "no variable names an identity; without one azure-identity would ask the metadata service, which is not tried here"
        yield note("host", "tcp", "the host that issues tokens", began, NotTried(reason=reason))
        return
    decision = decide_proxy(environment, source.scheme, source.host, source.port, installed_sdk())
    path = _path(evidence.route, environment).on(
        replace(evidence.route, scheme=source.scheme, host=source.host, port=source.port, path="", proxy=decision)
    )
    host, port = path.route.dialled_host, path.route.dialled_port
    addresses: tuple[str, ...] = (host,)
    if not is_literal(host):
        found = dns.resolve(host, port)
        yield note("dns", "dns", f"{host} by the system", began, found)
        if not isinstance(found, Resolved):
            return
        addresses = found.addresses[:2]
    for address in addresses:
        began = time.monotonic()
        reached, stream = path.connect(address, deadline.sooner(timeout))
        yield note(f"tcp:{address}", "tcp", f"{address} port {port}, {source.name}", began, reached)
        if stream is None:
            continue
        if path.tunnels:
            began = time.monotonic()
            opened, stream = path.tunnel(stream)
            yield note(f"proxy:{address}", "proxy", f"{decision.url} to {source.host}", began, opened)
        if stream is not None and source.scheme == "https":
            began = time.monotonic()
            stream.deadline = deadline.sooner(timeout)
            shaken, stream = path.handshake(stream, address)
            yield note(f"tls:{address}", "tls", f"{source.host} at {address}", began, shaken)
        if stream is not None:
            stream.close()
        return
