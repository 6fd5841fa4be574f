"""Names that do not resolve, or resolve to something that does not serve them, on the direct route."""

import time
from collections.abc import Iterable

import dns.rcode

from tests.world import API, NAME_SERVER, PLACES, PROXY, STATUS, Steps, World, authority, both, scenario, sdk_raises
from tests.world.authority import INSPECTION_ROOT
from tests.world.scenario import Proof
from tests.world.streams import stay_silent
from tests.world.world import CLIENT_ADDRESS, SECOND_NAME_SERVER

INTRANET = PLACES[PROXY].addresses[0]
"""A private address of a host that serves no HTTPS."""


def rcode(expected: str, *, server: str = NAME_SERVER) -> Proof:
    def prove(world: World) -> None:
        given = dns.rcode.to_text(world.client.dig(API, server=server).rcode())
        assert given == expected, given

    return prove


def resolves_to(addresses: Iterable[str], name: str = API) -> Proof:
    """getent(1) gives these addresses; none at all if the name does not resolve."""

    def prove(world: World) -> None:
        given = world.client.resolved(name)
        assert given == list(addresses), given

    return prove


does_not_resolve = resolves_to(())


def republish(world: World) -> None:
    world.dns.publish(API, *world.api.place.addresses)


@scenario("dns.nxdomain")
def dns_nxdomain(world: World) -> Steps:
    world.dns.fail("NXDOMAIN", API)
    yield both(rcode("NXDOMAIN"), sdk_raises("Name or service not known"))
    world.dns.mend()


@scenario("dns.nxdomain", needs=("dnsmasq",))
def dns_dnsmasq_filters_the_name(world: World) -> Steps:
    world.client.resolve_by(world.proxy.dnsmasq(f"local=/{API}/"))
    yield both(rcode("NXDOMAIN", server=INTRANET), does_not_resolve)
    world.client.resolve_by(world.proxy.dnsmasq())


@scenario("dns.nxdomain", needs=("unbound",))
def dns_unbound_filters_the_name(world: World) -> Steps:
    world.client.resolve_by(world.proxy.unbound('local-zone: "openai.com." always_nxdomain'))
    yield both(rcode("NXDOMAIN", server=INTRANET), does_not_resolve)
    world.client.resolve_by(world.proxy.unbound())


@scenario("dns.nxdomain")
def dns_first_of_two_servers_says_nxdomain(world: World) -> Steps:
    first = world.second_name_server()
    first.fail("NXDOMAIN", API)
    world.client.resolve_by(SECOND_NAME_SERVER, NAME_SERVER)
    yield both(rcode("NXDOMAIN", server=SECOND_NAME_SERVER), rcode("NOERROR"), does_not_resolve)
    first.mend()


@scenario("dns.no_address")
def dns_no_address(world: World) -> Steps:
    world.dns.publish(API)
    yield both(rcode("NOERROR"), sdk_raises("No address associated with hostname"))
    republish(world)


@scenario("dns.no_address", needs=("dnsmasq",))
def dns_dnsmasq_strips_addresses(world: World) -> Steps:
    world.client.resolve_by(world.proxy.dnsmasq("filter-A", "filter-AAAA"))
    yield both(rcode("NOERROR", server=INTRANET), does_not_resolve)
    world.client.resolve_by(world.proxy.dnsmasq())


@scenario("dns.no_address")
def dns_alias_without_address(world: World) -> Steps:
    world.dns.publish(API, alias="api.openai.com.cdn.example.net")
    yield both(rcode("NOERROR"), does_not_resolve)
    world.dns.publish("api.openai.com.cdn.example.net", *world.api.place.addresses)


@scenario("dns.servfail")
def dns_servfail(world: World) -> Steps:
    world.dns.fail("SERVFAIL", API)
    yield both(rcode("SERVFAIL"), sdk_raises("Temporary failure in name resolution"))
    world.dns.mend()


@scenario("dns.servfail", needs=("unbound",))
def dns_unbound_finds_dnssec_bogus(world: World) -> Steps:
    digest = "e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d"
    anchor = f'trust-anchor: "openai.com. IN DS 20326 8 2 {digest}"'
    address = world.proxy.unbound('module-config: "validator iterator"', anchor, "ede: yes")
    world.client.resolve_by(address)
    yield both(rcode("SERVFAIL", server=INTRANET), does_not_resolve)
    world.client.resolve_by(world.proxy.unbound())


@scenario("dns.servfail", needs=("unbound",))
def dns_unbound_upstream_refuses(world: World) -> Steps:
    world.dns.fail("REFUSED")
    world.client.resolve_by(world.proxy.unbound())
    yield both(rcode("SERVFAIL", server=INTRANET), does_not_resolve)
    world.dns.mend()
    world.client.resolve_by(world.proxy.unbound())


@scenario("dns.refused")
def dns_refused(world: World) -> Steps:
    world.dns.fail("REFUSED")
    yield both(rcode("REFUSED"), sdk_raises("Temporary failure in name resolution"))
    world.dns.mend()


@scenario("dns.refused", needs=("unbound",))
def dns_unbound_refuses_this_client(world: World) -> Steps:
    world.client.resolve_by(world.proxy.unbound("access-control: 10.20.0.0/24 refuse"))
    yield both(rcode("REFUSED", server=INTRANET), does_not_resolve)
    world.client.resolve_by(world.proxy.unbound())


@scenario("dns.timeout")
def dns_timeout_server_silent(world: World) -> Steps:
    world.dns.silence()
    yield sdk_raises("Temporary failure in name resolution")
    world.dns.mend()


@scenario("dns.timeout", packets=True)
def dns_timeout_packets_dropped(world: World) -> Steps:
    world.middle.drop(port=53, protocol="udp")
    world.middle.drop(port=53, protocol="tcp")
    yield does_not_resolve
    world.middle.mend()


@scenario("dns.timeout", needs=("unbound",))
def dns_unbound_ignores_this_client(world: World) -> Steps:
    world.client.resolve_by(world.proxy.unbound("access-control: 10.20.0.0/24 deny"))
    yield does_not_resolve
    world.client.resolve_by(world.proxy.unbound())


@scenario("dns.timeout", needs=("dnsmasq",))
def dns_dnsmasq_upstream_silent(world: World) -> Steps:
    world.dns.silence()
    world.client.resolve_by(world.proxy.dnsmasq())
    yield does_not_resolve
    world.dns.mend()


@scenario("dns.timeout", packets=True)
def dns_truncated_and_tcp_dropped(world: World) -> Steps:
    # Else the system resolver waits two minutes for its TCP connection.
    world.client.namespace.set("ipv4/tcp_syn_retries", 1)
    world.dns.truncate()
    world.middle.drop(port=53, protocol="tcp")
    yield does_not_resolve
    world.middle.mend()


def _until_the_router_speaks_again(_: World) -> None:
    """Of a route that is unreachable Linux tells each host five times at once, then once a second (net.ipv4.route.error_burst)."""
    time.sleep(6)


@scenario("dns.resolver_unreachable", packets=True)
def dns_resolver_on_unreachable_network(world: World) -> Steps:
    world.middle.namespace.ip("route add unreachable 10.99.0.0/24")
    world.middle.namespace.set("ipv4/icmp_ratelimit", 0)
    world.client.resolve_by("10.99.0.53")
    yield both(does_not_resolve, _until_the_router_speaks_again)
    world.client.resolve_by(NAME_SERVER)


@scenario("dns.resolver_unreachable", packets=True)
def dns_resolver_port_closed(world: World) -> Steps:
    world.middle.reject("icmpx type port-unreachable", port=53, protocol="udp")
    world.middle.reject("tcp reset", port=53, protocol="tcp")
    yield does_not_resolve
    world.middle.mend()


@scenario("dns.resolver_unreachable")
def dns_no_resolver_configured(world: World) -> Steps:
    world.client.resolve_by()
    yield does_not_resolve
    world.client.resolve_by(NAME_SERVER)


@scenario("dns.resolver_unreachable", packets=True)
def dns_client_is_off_the_network(world: World) -> Steps:
    world.client.namespace.ip("link set eth0 down")
    yield does_not_resolve
    world.client.namespace.ip(
        "link set eth0 up",
        "address replace 2a01:4f8:c2c:123::2/64 dev eth0 nodad",
        "route add default via 10.20.0.1",
    )
    world.client.namespace.ip("route add ::/0 via 2a01:4f8:c2c:123::1")


# -- answers that are wrong rather than missing ------------------------------------------------------------------------


@scenario("dns.sinkhole")
def dns_sinkhole_null(world: World) -> Steps:
    world.dns.publish(API, "0.0.0.0")
    yield sdk_raises("Connection refused")
    republish(world)


@scenario("dns.sinkhole")
def dns_sinkhole_null_of_both_families(world: World) -> Steps:
    world.dns.publish(API, "0.0.0.0", "::")
    yield sdk_raises("Connection refused")
    republish(world)


@scenario("dns.sinkhole", needs=("dnsmasq",))
def dns_dnsmasq_sinkholes_to_loopback(world: World) -> Steps:
    world.client.resolve_by(world.proxy.dnsmasq(f"address=/{API}/127.0.0.1", f"address=/{API}/::1"))
    yield both(resolves_to(["::1", "127.0.0.1"]), sdk_raises("Connection refused"))
    world.client.resolve_by(world.proxy.dnsmasq())


@scenario("dns.sinkhole", needs=("unbound",))
def dns_unbound_sinkholes_to_null(world: World) -> Steps:
    world.client.resolve_by(world.proxy.unbound('local-zone: "openai.com." always_null'))
    yield sdk_raises("Connection refused")
    world.client.resolve_by(world.proxy.unbound())


@scenario("dns.sinkhole")
def dns_sinkhole_of_umbrella(world: World) -> Steps:
    """Cisco's block page server: it answers, and serves another name."""
    block = "146.112.61.106"
    world.status.namespace.ip(f"address add {block}/32 dev eth0")
    world.middle.namespace.ip(f"route add {block} via 10.30.2.2")
    world.dns.publish(API, block)
    yield both(resolves_to([block]), sdk_raises("CERTIFICATE_VERIFY_FAILED"))
    republish(world)


@scenario("dns.private_address")
def dns_private_address_refuses(world: World) -> Steps:
    _ = world.proxy
    world.dns.publish(API, INTRANET)
    yield both(resolves_to([INTRANET]), sdk_raises("Connection refused"))
    republish(world)


@scenario("dns.private_address")
def dns_private_address_silent(world: World) -> Steps:
    world.dns.publish(API, "10.66.0.9")
    world.middle.route("blackhole", "10.66.0.9")
    yield both(resolves_to(["10.66.0.9"]), sdk_raises("timed out"))
    republish(world)


@scenario("dns.private_address")
def dns_private_address_serves_another_name(world: World) -> Steps:
    world.status.namespace.ip("address add 192.168.7.7/32 dev eth0")
    world.middle.namespace.ip("route add 192.168.7.7 via 10.30.2.2")
    world.dns.publish(API, "192.168.7.7")
    yield sdk_raises("Hostname mismatch")
    republish(world)


@scenario("dns.private_address", needs=("unbound",))
def dns_unbound_split_horizon(world: World) -> Steps:
    zone = 'local-zone: "openai.com." static'
    world.client.resolve_by(world.proxy.unbound(zone, f'local-data: "{API}. IN A {INTRANET}"'))
    yield both(resolves_to([INTRANET]), sdk_raises("Connection refused"))
    world.client.resolve_by(world.proxy.unbound())


@scenario("dns.hosts_override", owner="client_config")
def dns_hosts_file_points_elsewhere(world: World) -> Steps:
    world.client.list_hosts(f"{PLACES[STATUS].addresses[0]} {API}")
    yield sdk_raises("Hostname mismatch")
    world.client.list_hosts()


@scenario("dns.hosts_override", owner="client_config")
def dns_hosts_file_blocks(world: World) -> Steps:
    world.client.list_hosts(f"127.0.0.1 {API}", f"::1 {API}")
    yield sdk_raises("Connection refused")
    world.client.list_hosts()


@scenario("dns.hosts_override", owner="client_config")
def dns_hosts_file_names_an_old_address(world: World) -> Steps:
    world.client.list_hosts(f"104.18.9.9 {API}")
    world.middle.route("blackhole", "104.18.9.9")
    yield sdk_raises("timed out")
    world.client.list_hosts()


@scenario("dns.resolver_mismatch", owner="client_config")
def dns_nsswitch_without_dns(world: World) -> Steps:
    world.client.resolve_by(NAME_SERVER, hosts="files")
    yield both(rcode("NOERROR"), does_not_resolve)
    world.client.resolve_by(NAME_SERVER)


@scenario("dns.resolver_mismatch", owner="client_config")
def dns_nsswitch_stops_before_dns(world: World) -> Steps:
    world.client.resolve_by(NAME_SERVER, hosts="files [NOTFOUND=return] dns")
    yield both(rcode("NOERROR"), does_not_resolve)
    world.client.resolve_by(NAME_SERVER)


@scenario("dns.resolver_mismatch", owner="client_config")
def dns_search_domain_catches_the_name(world: World) -> Steps:
    """Kubernetes sets ndots:5; a wildcard in a search domain then answers for every public name."""
    _ = world.proxy
    world.dns.publish(f"{API}.corp.acme.example", INTRANET)
    world.client.resolve_by(NAME_SERVER, search="corp.acme.example", options="ndots:5 timeout:2 attempts:1")
    yield both(resolves_to([INTRANET]), sdk_raises("Connection refused"))
    world.client.resolve_by(NAME_SERVER)


@scenario("dns.resolver_mismatch", owner="client_config")
def dns_search_domain_catches_the_name_with_a_public_address(world: World) -> Steps:
    world.dns.publish(f"{API}.svc.cluster.local", PLACES[STATUS].addresses[0])
    world.client.resolve_by(NAME_SERVER, search="svc.cluster.local", options="ndots:5 timeout:2 attempts:1")
    yield both(resolves_to([PLACES[STATUS].addresses[0]]), sdk_raises("Hostname mismatch"))
    world.client.resolve_by(NAME_SERVER)


@scenario("dns.resolver_mismatch", owner="client_config")
def dns_stub_asks_over_tcp_alone(world: World) -> Steps:
    """`use-vc` in resolv.conf(5), and port 53 is open for UDP alone: the server answers whoever asks it otherwise."""
    world.client.resolve_by(NAME_SERVER, options="use-vc timeout:1 attempts:1")
    world.middle.reject("tcp reset", port=53)
    yield both(rcode("NOERROR"), does_not_resolve)
    world.middle.mend()


# -- that come and go --------------------------------------------------------------------------------------------------


def _now_and_then(world: World) -> None:
    rcodes = [world.client.dig(API).rcode() for _ in range(6)]
    assert len(set(rcodes)) == 2, rcodes


@scenario("dns.servfail", intermittent=True)
def dns_servfail_every_other_time(world: World) -> Steps:
    world.dns.fail("SERVFAIL", API, every=2)
    yield _now_and_then
    world.dns.mend()


@scenario("dns.nxdomain", intermittent=True)
def dns_nxdomain_every_third_time(world: World) -> Steps:
    world.dns.fail("NXDOMAIN", API, every=3)
    yield _now_and_then
    world.dns.mend()


@scenario("dns.nxdomain", intermittent=True)
def dns_one_of_two_rotating_servers_says_nxdomain(world: World) -> Steps:
    second = world.second_name_server()
    second.fail("NXDOMAIN", API)
    world.client.resolve_by(NAME_SERVER, SECOND_NAME_SERVER, options="rotate timeout:2 attempts:1")

    def varies(world: World) -> None:
        assert len({bool(world.client.resolved(API)) for _ in range(30)}) == 2

    yield both(rcode("NXDOMAIN", server=SECOND_NAME_SERVER), varies)
    second.mend()


# -- by other mechanisms -----------------------------------------------------------------------------------------------


@scenario("dns.servfail")
def dns_server_calls_the_question_malformed(world: World) -> Steps:
    """Some middleboxes answer FORMERR to whatever they do not know."""
    world.dns.fail("FORMERR")
    yield both(rcode("FORMERR"), does_not_resolve)
    world.dns.mend()


@scenario("dns.timeout", needs=("unbound",))
def dns_unbound_drops_questions_for_the_name(world: World) -> Steps:
    """A filter by silence: the server answers everything but this name."""
    world.client.resolve_by(world.proxy.unbound('local-zone: "openai.com." always_deny'))
    yield sdk_raises("Temporary failure in name resolution")
    world.client.resolve_by(world.proxy.unbound())


@scenario("dns.timeout")
def dns_answers_with_another_id(world: World) -> Steps:
    world.dns.answer_with_other_ids()
    yield sdk_raises("Temporary failure in name resolution")
    world.dns.mend()


@scenario("dns.refused")
def dns_router_sends_questions_to_a_resolver_of_its_own(world: World) -> Steps:
    world.second_name_server().fail("REFUSED")
    world.middle.namespace.nft(
        "".join(
            f"add rule inet lab redirected ip saddr {CLIENT_ADDRESS} {kind} dport 53 dnat ip to {SECOND_NAME_SERVER}\n"
            for kind in ("udp", "tcp")
        )
    )
    yield both(rcode("REFUSED"), does_not_resolve)
    world.middle.mend()


@scenario("dns.hosts_override", owner="client_config")
def dns_hosts_file_names_an_address_of_one_family(world: World) -> Steps:
    """An entry for IPv6 alone hides the name server's IPv4 addresses as well."""
    world.client.list_hosts(f"2001:470:dead::1 {API}")
    yield resolves_to(("2001:470:dead::1",))
    world.client.list_hosts()


@scenario("dns.resolver_unreachable")
def dns_local_stub_is_not_running(world: World) -> Steps:
    world.client.resolve_by("127.0.0.53", options="edns0 trust-ad")
    yield sdk_raises("Temporary failure in name resolution")
    world.client.resolve_by(NAME_SERVER)


@scenario("dns.private_address")
def dns_portal_answers_for_ipv4_alone(world: World) -> Steps:
    """A portal's name server knows no AAAA of its own and passes the true ones on, to a machine without IPv6."""
    world.client.without_ipv6()
    world.proxy.listen(443, stay_silent, tls=authority.context(INSPECTION_ROOT.issue("guest.acme.example")))
    world.dns.publish(API, INTRANET, *(a for a in PLACES[API].addresses if ":" in a))
    yield sdk_raises("CERTIFICATE_VERIFY_FAILED")
    world.dns.publish(API, *PLACES[API].addresses)


@scenario("dns.servfail", intermittent=True)
def dns_servfail_now_and_then_and_a_wrong_key(world: World) -> Steps:
    """Two faults: the name is met first, and the API refuses the requests that get so far."""
    key = world.client.environment["OPENAI_API_KEY"]
    world.client.environment["OPENAI_API_KEY"] = "sk-wrong-and-long-enough-to-be-one"
    world.dns.fail("SERVFAIL", API, every=3)
    yield _refused_or_without_a_name
    world.dns.mend()
    world.client.environment["OPENAI_API_KEY"] = key


@scenario("dns.servfail", intermittent=True)
def dns_servfail_now_and_then_and_an_expired_certificate(world: World) -> Steps:
    """Two faults, and no request gets through: the name is met first, and the certificate by those that have it."""
    world.dns.fail("SERVFAIL", API, every=2)
    world.api.serve(certificate=world.certificate(API, expired=True))
    yield sdk_raises("certificate has expired|name resolution")
    world.dns.mend()
    world.api.serve()


def _refused_or_without_a_name(world: World) -> None:
    ends = ["401" in world.client.sdk() for _ in range(8)]
    assert len(set(ends)) == 2, f"eight requests ended alike: {ends}"
