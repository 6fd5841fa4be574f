"""What is called, through what, and from where."""

from __future__ import annotations

from typing import Literal

from oairunbook.records import dataclass

Family = Literal["direct", "azure", "gateway"]

UNDECIDED = "undecided: "
"""So begins the reason of a family where a text shows OpenAI itself and another provider equally strongly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One resolved value and where it came from."""

    value: str
    source: str
    """Where the value was found: `argument`, the name of a variable, a file, or `default`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyDecision:
    """Whether a forward proxy stands between the runtime and the endpoint, by the transport's own rules."""

    url: str | None
    """The proxy without its credentials; None if the request goes out directly."""

    rule: str
    """The rule that decided, in words, with the variable it came from."""

    variable: str | None = None
    """The variable that names the proxy, also when `NO_PROXY` overrules it; None if there is none."""

    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    has_credentials: bool = False
    configured: str | None = None
    """The proxy that the variables name, without credentials, whether or not this host uses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """The roots that the transport trusts, by SDK and transport version (sdk_python facts, section 6)."""

    origin: Literal["ssl_cert_file", "ssl_cert_dir", "certifi", "system", "truststore", "node", "none", "application"]
    """`application`: the application's own client brings it along; `node`: the roots of Node.js."""

    path: str | None
    """File or folder; None if the operating system keeps the store, or if there is none."""

    reason: str
    ignored: str | None = None
    """What was meant to add roots and adds none: Node.js goes on without it. None if nothing of that kind is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What is known of the key without showing it."""

    present: bool
    source: str | None = None
    """The variable that holds it; None if there is none."""

    fingerprint: str | None = None
    """Keyed hash: equal within one archive means the same key; of no use for guessing it. A mark behind @ names another place than the
    archive's own user and machine: keys with different marks may be the same."""

    problems: tuple[str, ...] = ()
    """What makes the value illegal in a header (line feed, control character, non-ASCII). Never the value."""

    oddities: tuple[str, ...] = ()
    """What is legal but looks wrong (quotes, inner spaces, a placeholder)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameServer:
    """One configured name server."""

    address: str
    port: int = 53


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverConfiguration:
    """How this machine resolves names (resolv.conf(5), nsswitch.conf(5), hosts(5))."""

    name_servers: tuple[NameServer, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1
    hosts_order: tuple[str, ...] = ()
    """The `hosts:` line of nsswitch.conf, for example `files`, `dns`; empty if there is no such file."""

    hosts_file_addresses: tuple[str, ...] = ()
    """What the hosts file says for the host that is dialled."""

    source: str = "/etc/resolv.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What the installed SDK would call and through what. Nothing is sent to find it out."""

    base_url: Setting
    """Without credentials or query; as the SDK would use it, also when it is unusable."""

    family: Family
    family_reason: str
    scheme: str
    host: str
    """A-label in lower case; empty if the base URL has none."""

    port: int
    """0 if the base URL is unusable."""

    path: str
    problems: tuple[str, ...] = ()
    """Why this base URL cannot be used; empty if it can."""

    surface: Literal["openai", "azure-v1", "azure-dated"] = "openai"
    """Which paths the SDK calls under the base URL."""

    api_version: Setting | None = None
    model: Setting | None = None
    """Model, on Azure the deployment; None if nobody named one."""

    proxy: ProxyDecision
    trust: TrustStore
    sdk: str | None
    """Version of the installed `openai`; None if there is none."""

    transport: str | None
    """Library and version that carries the request, for example `httpx2 2.16.2`; None if there is none."""

    credential: Credential
    resolver: ResolverConfiguration
    settings: tuple[Setting, ...] = ()
    """Variables on the allow list that shape the route, as `NAME=value` with secrets removed."""

    @property
    def authority(self) -> str:
        """Host, an IPv6 address in brackets, and the port where it is not the scheme's own (RFC 9110 section 4.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"https": 443, "http": 80}.get(self.scheme) else f"{host}:{self.port}"

    @property
    def dialled_host(self) -> str:
        """The host that this runtime itself resolves and connects to: the proxy's, if one is in play."""
        return self.proxy.host or self.host if self.proxy.url else self.host

    @property
    def dialled_port(self) -> int:
        """The port that goes with `dialled_host`."""
        return (self.proxy.port or self.port) if self.proxy.url else self.port


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """How the observing half came to a runtime in which the tool itself does not run."""

    carrier: Literal["command", "interpreter", "process", "unit", "worker"]
    """A command that leads to a Python's standard input, another interpreter on this machine, the place of a running process, that of a
    service which did not run, made from its settings, or a worker of an engine."""

    command: str
    """What was started, without secrets."""

    left_out: tuple[str, ...] = ()
    """What of that process's place could not be taken over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where this runs."""

    host: str
    system: str
    python: str
    """Version; empty where Node.js looked alone."""

    executable: str
    openssl: str
    user: str
    packages: tuple[str, ...] = ()
    """`name version` of the SDK and of what carries its requests."""

    platforms: tuple[str, ...] = ()
    """What the runtime shows itself to be: container, pod, function, CI; several can hold."""

    region: str | None = None
    timezone: str = "UTC"
    node: str | None = None
    """The machine below, where the platform hands its name down in a variable; None where it does not."""

    distribution: str | None = None
    """What os-release(5) calls this system, which is that of the image in a container; None if it does not say."""

    source_address: str | None = None
    """Address that packets from here bear on the default route, by the kernel's own tables; nothing is sent to learn it."""

    gateway: str | None = None
    """Gateway of IPv4's default route (/proc/net/route); empty if there is no such route, None if it could not be read."""

    nodejs: str | None = None
    """Version of the Node.js that made the application's requests; None where the application runs on Python."""

    collector: Collector | None = None
    """How it was looked at from elsewhere; None if the tool itself ran there."""
