"""One test world: a client, a router in the middle, and the hosts that the client wants to reach.

    client ── middle ─┬─ api.openai.com       two IPv4 and two IPv6 addresses
                      ├─ status.openai.com
                      ├─ acme.openai.azure.com
                      ├─ llm.acme.example     a gateway
                      └─ proxy.acme.example   a forward proxy, once a scenario starts one

Every host is a network namespace, every line a veth pair, and the middle forwards with nftables in between. The name
server stands in the middle. Addresses repeat from world to world; nothing else is shared.
"""

from __future__ import annotations

import contextlib
import shutil
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import trustme

from oairunbook.lab.listener import Handle
from tests.world import authority
from tests.world.canary import Canaries
from tests.world.client import Client
from tests.world.delay import far_away
from tests.world.host import Host
from tests.world.nameserver import NameServer
from tests.world.namespace import world_name
from tests.world.proxies import ProxyHost
from tests.world.sites import API, AZURE, GATEWAY, NAME_SERVER, PLACES, PROXY, STATUS, Place, Site
from tests.world.streams import Inspection, filtering, stay_silent

CLIENT_ADDRESS = "10.20.0.2"
CLIENT_ADDRESS_6 = "2a01:4f8:c2c:123::2"
SECOND_NAME_SERVER = "10.20.0.54"
_NO_OFFLOAD = "gso_max_segs 1"
"""Packets on these lines are as long as they would be on a wire, so that rules about length mean what they say."""


class Middle(Host):
    """The router: everything that the client sends goes through here."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder)
        self._routed = False
        self._end_delay: Callable[[], None] | None = None
        self.namespace.set("ipv4/ip_forward", 1)
        self.namespace.set("ipv6/conf/all/forwarding", 1)
        # Else the second ICMP error within a second is withheld, and a scenario turns from "unreachable" into silence.
        self.namespace.set("ipv4/icmp_ratelimit", 0)
        self.namespace.set("ipv6/icmp/ratelimit", 0)
        self.namespace.nft(
            "table inet lab {\n"
            " chain faults {}\n"
            " chain through { type filter hook forward priority 0; jump faults; }\n"
            " chain inward { type filter hook input priority 0; jump faults; }\n"
            " chain redirected { type nat hook prerouting priority dstnat; }\n"
            "}\n"
        )

    def drop(self, *, port: int = 443, address: str = "", protocol: str = "tcp") -> None:
        """Lose packets without a word."""
        self._fault(port, address, protocol, "drop")

    def reject(self, how: str, *, port: int = 443, address: str = "", protocol: str = "tcp") -> None:
        """Turn packets away, for example with `tcp reset` or `icmpx type admin-prohibited`."""
        self._fault(port, address, protocol, f"reject with {how}")

    def _fault(self, port: int, address: str, protocol: str, what: str) -> None:
        place = f"{'ip6' if ':' in address else 'ip'} daddr {address} " if address else ""
        self.rule(f"{place}{protocol} dport {port} {what}")

    def rule(self, *rules: str) -> None:
        """Add nftables rules for what comes through here, in either direction."""
        self.namespace.nft("".join(f"add rule inet lab faults {rule}\n" for rule in rules))

    def route(self, kind: str, *addresses: str) -> None:
        """Give what the client sends there a route of this kind: `blackhole`, `unreachable` or `prohibit`."""
        for version in (4, 6):
            matching = [a for a in addresses if (":" in a) == (version == 6)]
            self.namespace.ip(
                "rule add iif client lookup 100 priority 10",
                *(f"route add {kind} {a} table 100" for a in matching),
                version=version,
            )
        self._routed = True

    def shrink_mtu(self, mtu_bytes: int) -> None:
        """Let everything but name servers be a tunnel away; what does not fit is answered by ICMP, as it should be."""
        self.namespace.ip(
            f"route replace {CLIENT_ADDRESS}/32 dev client mtu {mtu_bytes}",
            f"route replace {CLIENT_ADDRESS_6}/128 dev client mtu {mtu_bytes}",
            *(
                f"route replace {a} via {'fd30:0:0:1::2' if ':' in a else '10.30.1.2'} mtu {mtu_bytes}"
                for a in PLACES[API].addresses
            ),
        )

    def delay(self, seconds: float) -> None:
        """Let every packet from and to the API take so much longer."""
        self._end_delay = far_away(self.namespace, seconds, PLACES[API].addresses)

    def forget_idle(self, seconds: int, what: str, *, address: str = "") -> None:
        """Forget connections after so many idle seconds, as NATs do, and `drop` or `reject with tcp reset` what follows."""
        self.namespace.set("netfilter/nf_conntrack_tcp_loose", 0)
        self.namespace.set("netfilter/nf_conntrack_tcp_timeout_established", seconds)
        # Data that nobody has acknowledged yet has a limit of its own, and it is longer.
        self.namespace.set("netfilter/nf_conntrack_tcp_timeout_unacknowledged", seconds)
        place = f"ip daddr {address} " if address else ""
        self.rule(f"{place}ct state invalid tcp flags & (syn | rst) == 0 {what}")

    def reset_on_name(self, name: str, *, port: int = 443) -> None:
        """Reset TLS connections whose ClientHello asks for this name, as name-filtering middleboxes do."""
        self.intercept(filtering(self.namespace, name), port=port)

    def silence_on_name(self, name: str, *, port: int = 443) -> None:
        """Swallow TLS connections whose ClientHello asks for this name."""
        self.intercept(filtering(self.namespace, name, what=stay_silent), port=port)

    def close_direct_path(self, what: str = "drop") -> None:
        """Drop what the client itself sends to port 443, so that only a proxy gets through."""
        for family, source in (("ip", CLIENT_ADDRESS), ("ip6", CLIENT_ADDRESS_6)):
            self.rule(f"{family} saddr {source} tcp dport 443 {what}")

    def inspect(self, root: authority.Authority) -> None:
        """Break TLS open on port 443 and sign anew with this root, as inspecting firewalls do."""
        inspection = Inspection(self.namespace, root)
        self.intercept(inspection, tls=inspection.tls)

    def intercept(self, handle: Handle, *, port: int = 443, tls: ssl.SSLContext | None = None) -> None:
        """Take connections to this port, whoever they are for."""
        self.listen(8000 + port, handle, tls=tls)
        self.namespace.nft(f"add rule inet lab redirected tcp dport {port} redirect to :{8000 + port}\n")

    def delete(self) -> None:
        """Stop the line of `delay` as well."""
        if self._end_delay is not None:
            self._end_delay()
        super().delete()

    def mend(self) -> None:
        """Take all of these faults away again."""
        self.namespace.nft("flush chain inet lab faults\nflush chain inet lab redirected\n")
        if self._end_delay is not None:
            self._end_delay()
            self._end_delay = None
        if self._routed:
            for version in (4, 6):
                self.namespace.ip("rule delete priority 10", version=version)
            self._routed = False


class World:
    """One client and its path, whole and healthy until a scenario breaks it. A context manager."""

    def __init__(self) -> None:
        begin = time.monotonic()
        self.name = world_name()
        self.canaries = Canaries()
        self._end = contextlib.ExitStack()
        try:
            self._build()
        except BaseException:
            self._end.close()
            raise
        self.setup_seconds = time.monotonic() - begin

    def _build(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self._end.callback(shutil.rmtree, self.folder)
        self.folder.chmod(0o755)
        self._sites: dict[str, Site] = {}
        self._links = 0

        self.middle = Middle(f"{self.name}-middle", self.folder / "middle")
        self._end.callback(self.middle.delete)
        self.client = Client(f"{self.name}-client", self.folder / "client", self.canaries)
        self._end.callback(self.client.delete)
        self._link_client()
        self.dns = NameServer(self.middle.namespace, NAME_SERVER)
        self._end.callback(self.dns.close)
        for place in PLACES.values():
            self.dns.publish(place.name, *place.addresses)
        self.client.resolve_by(NAME_SERVER)
        self.client.trust(authority.PUBLIC_ROOT)
        self.api.serve()
        self.status.serve()

    def _link_client(self) -> None:
        self.middle.namespace.ip(
            f"link add client type veth peer name eth0 netns {self.client.namespace.name}",
            "address add 10.20.0.1/24 dev client",
            *(f"address add {a}/24 dev client" for a in (NAME_SERVER, SECOND_NAME_SERVER)),
            "address add 2a01:4f8:c2c:123::1/64 dev client nodad",
            f"link set client up {_NO_OFFLOAD}",
        )
        self.client.namespace.ip(
            f"address add {CLIENT_ADDRESS}/24 dev eth0",
            f"address add {CLIENT_ADDRESS_6}/64 dev eth0 nodad",
            f"link set eth0 up {_NO_OFFLOAD}",
        )
        self.client.add_default_routes()

    def connect(self, host: Host, place: Place) -> None:
        """Link a host to the middle and route its addresses there."""
        self._links += 1
        n = self._links
        inner = [f"address add {a}/{128 if ':' in a else 32} dev eth0 nodad" for a in place.addresses]
        self.middle.namespace.ip(
            f"link add host{n} type veth peer name eth0 netns {host.namespace.name}",
            f"address add 10.30.{n}.1/24 dev host{n}",
            f"address add fd30:0:0:{n}::1/64 dev host{n} nodad",
            f"link set host{n} up {_NO_OFFLOAD}",
            *(f"route add {a} via {f'fd30:0:0:{n}::2' if ':' in a else f'10.30.{n}.2'}" for a in place.addresses),
        )
        host.namespace.ip(
            f"address add 10.30.{n}.2/24 dev eth0",
            f"address add fd30:0:0:{n}::2/64 dev eth0 nodad",
            f"link set eth0 up {_NO_OFFLOAD}",
            *inner,
            f"route add default via 10.30.{n}.1",
            f"route add ::/0 via fd30:0:0:{n}::1",
        )
        host.resolve_by(NAME_SERVER)

    # -- hosts; each comes into being when it is first named ----------------------------------------------------------

    def site(self, name: str) -> Site:
        """The host that serves this name."""
        if name not in self._sites:
            site = Site(f"{self.name}-{len(self._sites)}", self.folder / name, PLACES[name])
            self._end.callback(site.delete)
            self.connect(site, site.place)
            self._sites[name] = site
        return self._sites[name]

    @property
    def api(self) -> Site:
        return self.site(API)

    @property
    def status(self) -> Site:
        return self.site(STATUS)

    @property
    def azure(self) -> Site:
        return self.site(AZURE)

    @property
    def gateway(self) -> Site:
        return self.site(GATEWAY)

    @property
    def proxy(self) -> ProxyHost:
        """The host that a forward proxy can run on."""
        if not hasattr(self, "_proxy"):
            self._proxy = ProxyHost(f"{self.name}-proxy", self.folder / "proxy", self.canaries)
            self._end.callback(self._proxy.delete)
            self.connect(self._proxy, PLACES[PROXY])
        return self._proxy

    def second_name_server(self) -> NameServer:
        """A name server beside the first, which knows the same names and does not answer yet for anybody."""
        server = NameServer(self.middle.namespace, SECOND_NAME_SERVER)
        self._end.callback(server.close)
        for place in PLACES.values():
            server.publish(place.name, *place.addresses)
        return server

    # -- the whole ----------------------------------------------------------------------------------------------------

    def certificate(self, *names: str, expired: bool = False) -> trustme.LeafCert:
        """A certificate by the public root of the lab."""
        return authority.PUBLIC_ROOT.issue(*names, expired=expired)

    def leaks(self) -> list[str]:
        """Canary secrets in what the client wrote, to its streams and to its files."""
        found = [leak for text in self.client.outputs for leak in self.canaries.found_in("the client's output", text)]
        return found + self.canaries.found_below(self.client.home)

    def __enter__(self) -> World:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.close()
