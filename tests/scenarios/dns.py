"""Names that do not resolve, on the direct route."""

import dns.rcode

from tests.world import API, NAME_SERVER, PLACES, STATUS, Steps, World, scenario, sdk_raises
from tests.world.scenario import Proof, both


def _rcode(expected: str) -> Proof:
    def prove(world: World) -> None:
        given = dns.rcode.to_text(world.client.dig(API).rcode())
        assert given == expected, given

    return prove


@scenario("dns.nxdomain")
def dns_nxdomain(world: World) -> Steps:
    world.dns.fail("NXDOMAIN", API)
    yield both(_rcode("NXDOMAIN"), sdk_raises("Name or service not known"))
    world.dns.mend()


@scenario("dns.no_address")
def dns_no_address(world: World) -> Steps:
    world.dns.publish(API)
    yield sdk_raises("No address associated with hostname")
    world.dns.publish(API, *world.api.place.addresses)


@scenario("dns.servfail")
def dns_servfail(world: World) -> Steps:
    world.dns.fail("SERVFAIL", API)
    yield both(_rcode("SERVFAIL"), sdk_raises("Temporary failure in name resolution"))
    world.dns.mend()


@scenario("dns.refused")
def dns_refused(world: World) -> Steps:
    world.dns.fail("REFUSED")
    yield both(_rcode("REFUSED"), sdk_raises("Temporary failure in name resolution"))
    world.dns.mend()


@scenario("dns.timeout")
def dns_timeout_server_silent(world: World) -> Steps:
    world.dns.silence()
    yield sdk_raises("Temporary failure in name resolution")
    world.dns.mend()


@scenario("dns.timeout")
def dns_timeout_packets_dropped(world: World) -> Steps:
    world.middle.drop(port=53, protocol="udp")
    world.middle.drop(port=53, protocol="tcp")
    yield sdk_raises("Temporary failure in name resolution")
    world.middle.mend()


@scenario("dns.resolver_unreachable")
def dns_resolver_on_unreachable_network(world: World) -> Steps:
    world.middle.namespace.ip("route add unreachable 10.99.0.0/24")
    world.client.resolve_by("10.99.0.53")
    yield sdk_raises("Temporary failure in name resolution")
    world.client.resolve_by(NAME_SERVER)


@scenario("dns.resolver_unreachable")
def dns_resolver_port_closed(world: World) -> Steps:
    world.middle.reject("icmpx type port-unreachable", port=53, protocol="udp")
    world.middle.reject("tcp reset", port=53, protocol="tcp")
    yield sdk_raises("Temporary failure in name resolution")
    world.middle.mend()


@scenario("dns.sinkhole")
def dns_sinkhole(world: World) -> Steps:
    world.dns.publish(API, "0.0.0.0")
    yield sdk_raises("Connection refused")
    world.dns.publish(API, *world.api.place.addresses)


@scenario("dns.nxdomain", needs=("dnsmasq",))
def dns_dnsmasq_filters_the_name(world: World) -> Steps:
    world.client.resolve_by(world.proxy.dnsmasq(f"local=/{API}/"))
    yield sdk_raises("Name or service not known")
    world.client.resolve_by(world.proxy.dnsmasq())


@scenario("dns.hosts_override", owner="client_config")
def dns_hosts_file_points_elsewhere(world: World) -> Steps:
    world.client.put("/etc/hosts", f"127.0.0.1 localhost\n{PLACES[STATUS].addresses[0]} {API}\n")
    yield sdk_raises("Hostname mismatch")
    world.client.resolve_by(NAME_SERVER)
