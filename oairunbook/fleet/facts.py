"""What is compared between the members of a fleet: what each of them is set to, where it stands, and what it met on its path.

A fact that a record does not hold is missing, which is no value: nothing follows from what was not looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from oairunbook.evidence import ClientBuilt, Evidence, Layer, Resolved, TlsFailed, TlsHandshake
from oairunbook.records import dataclass

Kind = Literal["setting", "place", "seen", "name"]
"""`setting`: somebody configured it. `place`: where it runs. `seen`: what the path showed, which may be an effect. `name`: who it is."""

NONE = "none"
NOT_SET = "not set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that is known of a member; of some things a member has several, such as name servers."""

    name: str
    values: tuple[str, ...]


KINDS: dict[str, Kind] = {
    "base URL": "setting",
    "route": "setting",
    "API version": "setting",
    "model": "setting",
    "API key": "setting",
    "API key from": "setting",
    "proxy": "setting",
    "proxy rule": "setting",
    "first name server": "setting",
    "name server": "setting",
    "search domain": "setting",
    "ndots": "setting",
    "hosts order": "setting",
    "hosts file entry": "setting",
    "trust store": "setting",
    "trusted roots": "setting",
    "SDK": "setting",
    "transport": "setting",
    "package": "setting",
    "Python": "setting",
    "interpreter": "setting",
    "OpenSSL": "setting",
    "user": "setting",
    "time zone": "setting",
    "region": "place",
    "node": "place",
    "platform": "place",
    "distribution": "place",
    "kernel": "place",
    "subnet": "place",
    "gateway": "place",
    "address of the endpoint": "seen",
    "certificate issuer": "seen",
    "host": "name",
}
"""Every fact but the variables, which are settings, one fact each."""

SEVERAL = frozenset(
    ("name server", "search domain", "hosts file entry", "package", "platform", "address of the endpoint")
)
"""Of these a member has several."""

_NEAR: Mapping[Layer, tuple[str, ...]] = {
    "client": ("SDK", "transport", "package", "Python", "trust store", "base URL", "proxy"),
    "dns": (
        "name server",
        "first name server",
        "search domain",
        "ndots",
        "hosts order",
        "hosts file entry",
        "proxy",
        "base URL",
    ),
    "tcp": ("proxy", "subnet", "gateway", "address of the endpoint", "first name server", "node", "region", "base URL"),
    "proxy": ("proxy", "proxy rule", "subnet", "gateway", "region"),
    "tls": ("proxy", "trust store", "trusted roots", "subnet", "gateway", "first name server", "base URL", "region"),
    "http": ("proxy", "base URL", "subnet", "gateway", "address of the endpoint", "region"),
    "api": ("API key", "API key from", "base URL", "model", "API version", "route", "region"),
}
"""What can be the reason of a failure at a layer, the likeliest first. All else that separates may only go along with it."""

_ORDER: Mapping[Kind, int] = {"setting": 100, "place": 200, "seen": 300, "name": 400}


def kind(name: str) -> Kind:
    """What a fact of this name is."""
    return KINDS.get(name, "setting")


def is_variable(name: str) -> bool:
    """Whether it is an environment variable."""
    return name not in KINDS


def rank(name: str, layer: Layer | None) -> int:
    """How far this fact is from being the reason of a failure at *layer*; the smallest comes first."""
    near = _NEAR.get(layer, ()) if layer else ()
    return near.index(name) if name in near else _ORDER[kind(name)]


def identifies(name: str) -> bool:
    """Whether it only says who a member is: a value that one member alone has explains nothing then."""
    return kind(name) == "name"


def facts_of(evidence: Evidence) -> tuple[Fact, ...]:
    """What is known of the runtime in which this was recorded."""
    return tuple(Fact(name=name, values=values) for name, values in _told(evidence) if values)


def _told(evidence: Evidence) -> Iterator[tuple[str, tuple[str, ...]]]:
    route, runtime = evidence.route, evidence.runtime
    yield "base URL", (route.base_url.value or "empty",)
    yield "route", (route.family,)
    yield "API version", (route.api_version.value if route.api_version else NONE,)
    yield "model", (route.model.value if route.model else "none named",)
    if route.credential.fingerprint or not route.credential.present:
        yield "API key", (route.credential.fingerprint or NONE,)
    yield "API key from", (route.credential.source or NOT_SET,)
    yield "proxy", (route.proxy.url or NONE,)
    yield "proxy rule", (route.proxy.rule,)
    servers = _several(f"{s.address}{f' port {s.port}' * (s.port != 53)}" for s in route.resolver.name_servers)
    yield "name server", servers
    yield "first name server", servers[:1]
    yield "search domain", _several(route.resolver.search)
    yield "ndots", (str(route.resolver.ndots),)
    yield "hosts order", (" ".join(route.resolver.hosts_order) or NONE,)
    yield "hosts file entry", _several(route.resolver.hosts_file_addresses)
    yield "trust store", (f"{route.trust.origin} {route.trust.path or ''}".strip(),)
    for _, built in evidence.of(ClientBuilt):
        if built.roots is not None:
            yield "trusted roots", (str(built.roots),)
            break
    yield "SDK", (route.sdk or NONE,)
    yield "transport", (route.transport or NONE,)
    yield "package", _several(runtime.packages)
    yield "Python", (runtime.python,)
    yield "interpreter", (runtime.executable,)
    yield "OpenSSL", (runtime.openssl,)
    yield "user", (runtime.user,)
    yield "time zone", (runtime.timezone,)
    yield "region", (runtime.region,) if runtime.region else ()
    yield "platform", _several(runtime.platforms)
    yield "node", (runtime.node,) if runtime.node else ()
    yield "distribution", (runtime.distribution,) if runtime.distribution else ()
    yield "kernel", (runtime.system,)
    if runtime.source_address:
        # The address itself only says who a member is.
        yield "subnet", tuple(filter(None, (subnet(runtime.source_address),)))
    if runtime.gateway is not None:
        yield "gateway", (runtime.gateway or NONE,)
    yield "host", (runtime.host,)
    for setting in route.settings:
        yield setting.source, (setting.value or "set and empty",)
    yield "address of the endpoint", _resolved(evidence)
    yield "certificate issuer", _issuer(evidence)


def _several(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values)) or (NONE,)


def _resolved(evidence: Evidence) -> tuple[str, ...]:
    """What the system's resolver answered for the host that is dialled; nothing where it did not."""
    for observation, answer in evidence.of(Resolved):
        if observation.layer == "dns" and answer.name.rstrip(".") == evidence.route.dialled_host:
            return tuple(sorted(answer.addresses))
    return ()


def _issuer(evidence: Evidence) -> tuple[str, ...]:
    for _, shaken in evidence.of(TlsHandshake):
        if shaken.chain:
            return (shaken.chain[0].issuer,)
    for _, failed in evidence.of(TlsFailed):
        if failed.chain:
            return (failed.chain[0].issuer,)
    return ()


def subnet(address: str) -> str | None:
    """The /24 or /64 around an address, as most networks are cut; None for loopback and for what is no address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if found.is_loopback:
        return None
    return str(ipaddress.ip_network(f"{found}/{24 if found.version == 4 else 64}", strict=False))
