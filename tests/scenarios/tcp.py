"""Addresses that cannot be connected to, and packets that do not arrive, on the direct route."""

import contextlib
import socket

import trustme

from oairunbook.lab.certificates import sign
from tests.world import API, GATEWAY, Steps, World, both, curl_says, scenario, sdk_raises
from tests.world.authority import PUBLIC_ROOT, leaf
from tests.world.proxies import run_haproxy_stream
from tests.world.scenario import Proof, curl_varies
from tests.world.streams import reset_at_once, stay_silent
from tests.world.world import CLIENT_ADDRESS, CLIENT_ADDRESS_6

URL = f"https://{API}/v1/models"


def fails_with(pattern: str, *options: str) -> Proof:
    """curl's trace shows this; a little longer than our own step, so that curl waits for what we wait for."""
    return curl_says(URL, pattern, *options)


refused = fails_with("Connection refused")
times_out = fails_with("timed out|Timeout was reached|Connection timeout", "--connect-timeout", "2")


def from_client(what: str) -> tuple[str, str]:
    """A rule for what the client sends to port 443, in both families."""
    return (
        f"ip saddr {CLIENT_ADDRESS} tcp dport 443 {what}",
        f"ip6 saddr {CLIENT_ADDRESS_6} tcp dport 443 {what}",
    )


def one_address(world: World) -> str:
    """Let the API have one address, so that no other one helps out."""
    address = world.api.place.addresses[0]
    world.dns.publish(API, address)
    return address


# -- refused -----------------------------------------------------------------------------------------------------------


@scenario("tcp.refused")
def tcp_refused_nobody_listens(world: World) -> Steps:
    world.api.stop_serving()
    yield both(refused, sdk_raises("Connection refused"))
    world.api.serve()


@scenario("tcp.refused", packets=True)
def tcp_refused_by_firewall(world: World) -> Steps:
    world.middle.reject("tcp reset")
    yield refused
    world.middle.mend()


@scenario("tcp.refused", packets=True)
def tcp_refused_by_icmp_port_unreachable(world: World) -> Steps:
    """Linux takes this ICMP error for ECONNREFUSED as well."""
    world.middle.reject("icmpx type port-unreachable")
    yield refused
    world.middle.mend()


@scenario("tcp.refused", packets=True)
def tcp_refused_by_own_firewall(world: World) -> Steps:
    world.client.namespace.nft(
        "table inet own { chain out { type filter hook output priority 0; tcp dport 443 reject with tcp reset; }\n}\n"
    )
    yield refused
    world.client.namespace.nft("delete table inet own\n")


# -- silence -----------------------------------------------------------------------------------------------------------


@scenario("tcp.timeout", packets=True)
def tcp_timeout(world: World) -> Steps:
    world.middle.drop()
    yield both(times_out, sdk_raises("APITimeoutError", "timed out"))
    world.middle.mend()


@scenario("tcp.timeout", packets=True)
def tcp_timeout_black_hole_route(world: World) -> Steps:
    world.middle.route("blackhole", *world.api.place.addresses)
    yield times_out
    world.middle.mend()


@scenario("tcp.timeout", packets=True)
def tcp_timeout_answers_lost(world: World) -> Steps:
    """The SYN arrives, and the SYN-ACK does not come back."""
    world.middle.rule("tcp sport 443 tcp flags syn / syn,ack drop", "tcp sport 443 drop")
    yield times_out
    world.middle.mend()


@scenario("tcp.timeout", packets=True)
def tcp_timeout_egress_policy(world: World) -> Steps:
    """As a network policy does it: the runtime's own kernel drops what leaves."""
    world.client.namespace.nft(
        "table inet own { chain out { type filter hook output priority 0; tcp dport 443 drop; }\n}\n"
    )
    yield times_out
    world.client.namespace.nft("delete table inet own\n")


@scenario("tcp.timeout", packets=True)
def tcp_timeout_server_has_no_way_back(world: World) -> Steps:
    routes = (f"{CLIENT_ADDRESS}/32", f"{CLIENT_ADDRESS_6}/128")
    world.api.namespace.ip(*(f"route add blackhole {r}" for r in routes))
    yield times_out
    world.api.namespace.ip(*(f"route delete blackhole {r}" for r in routes))


@scenario("tcp.timeout", packets=True)
def tcp_timeout_backlog_full(world: World) -> Steps:
    """The server's process hangs: its queue of accepted connections is full, and the kernel drops further SYNs."""
    world.api.stop_serving()
    with contextlib.ExitStack() as stack:
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            server = stack.enter_context(world.api.namespace.socket(family, socket.SOCK_STREAM))
            if family == socket.AF_INET6:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            server.bind((host, 443))
            server.listen(0)
            for address in world.api.place.addresses[:2] if family == socket.AF_INET else world.api.place.addresses[2:]:
                # One fits; the next one's SYN would be dropped.
                if address in (world.api.place.addresses[0], world.api.place.addresses[2]):
                    filler = stack.enter_context(world.client.namespace.socket(family, socket.SOCK_STREAM))
                    filler.connect((address, 443))
        yield times_out
    world.api.serve()


# -- unreachable -------------------------------------------------------------------------------------------------------


@scenario("tcp.unreachable", packets=True)
def tcp_administratively_prohibited(world: World) -> Steps:
    """Over IPv6 the kernel reports EACCES for what a router forbids; over IPv4 it is EHOSTUNREACH."""
    world.middle.reject("icmpx type admin-prohibited")
    yield sdk_raises(r"Errno (113|13)\b")
    world.middle.mend()


@scenario("tcp.unreachable", packets=True)
def tcp_host_unreachable(world: World) -> Steps:
    world.middle.reject("icmpx type host-unreachable")
    yield fails_with("No route to host")
    world.middle.mend()


@scenario("tcp.unreachable", packets=True)
def tcp_net_unreachable(world: World) -> Steps:
    world.middle.reject("icmpx type no-route")
    yield fails_with("Network is unreachable")
    world.middle.mend()


@scenario("tcp.unreachable", packets=True)
def tcp_unreachable_route_in_the_middle(world: World) -> Steps:
    world.middle.route("unreachable", *world.api.place.addresses)
    yield fails_with("No route to host")
    world.middle.mend()


@scenario("tcp.unreachable", packets=True)
def tcp_prohibit_route_in_the_middle(world: World) -> Steps:
    world.middle.route("prohibit", *world.api.place.addresses)
    yield fails_with("No route to host|Permission denied")
    world.middle.mend()


@scenario("tcp.unreachable", packets=True)
def tcp_no_default_route(world: World) -> Steps:
    world.client.remove_default_routes()
    yield both(fails_with("Network is unreachable"), sdk_raises(r"Errno 101\b.*Network is unreachable"))
    world.client.add_default_routes()


@scenario("tcp.unreachable", packets=True)
def tcp_next_hop_does_not_exist(world: World) -> Steps:
    """Nobody answers for the router's address, so this kernel itself says that the host is unreachable."""
    for name in ("ipv4/neigh/eth0/retrans_time_ms", "ipv6/neigh/eth0/retrans_time_ms"):
        world.client.namespace.set(name, 200)
    world.client.namespace.ip("route replace default via 10.20.0.77", "route replace ::/0 via 2a01:4f8:c2c:123::77")
    yield fails_with("No route to host")
    world.client.namespace.ip("route replace default via 10.20.0.1", "route replace ::/0 via 2a01:4f8:c2c:123::1")


# -- reset after it was accepted ---------------------------------------------------------------------------------------


@scenario("tcp.reset")
def tcp_reset_after_accept(world: World) -> Steps:
    world.api.stop_serving()
    world.api.listen(443, reset_at_once)
    yield sdk_raises("Connection reset by peer|UNEXPECTED_EOF")
    world.api.serve()


@scenario("tcp.reset", packets=True)
def tcp_reset_by_middlebox_after_handshake(world: World) -> Steps:
    """The client's ACK ends the handshake, and the firewall answers that ACK with RST."""
    world.middle.rule("tcp dport 443 ct state established reject with tcp reset")
    yield fails_with("reset by peer|SSL_ERROR_SYSCALL|unexpected eof")
    world.middle.mend()


# -- families ----------------------------------------------------------------------------------------------------------


def _family_fails(family: str) -> Proof:
    def prove(world: World) -> None:
        good, bad = ("-4", "-6") if family == "ip6" else ("-6", "-4")
        assert "HTTP/1.1" in world.client.curl(URL, good).stderr
        assert "HTTP/1.1" not in world.client.curl(URL, bad, "--max-time", "2").stderr

    return prove


@scenario("tcp.ipv6_broken", packets=True)
def tcp_ipv6_passes_nothing_after_the_handshake(world: World) -> Steps:
    """The sync client takes the first address that connects, and that one is dead."""
    world.middle.rule("meta nfproto ipv6 tcp dport 443 ct state established meta length > 100 drop")
    yield both(_family_fails("ip6"), sdk_raises("timed out"))
    world.middle.mend()


@scenario("tcp.ipv6_broken")
def tcp_ipv6_addresses_lead_to_a_dead_host(world: World) -> Steps:
    world.status.listen(4443, stay_silent)
    world.dns.publish(API, world.api.place.addresses[0], "2606:4700::6812:dead")
    world.status.namespace.ip("address add 2606:4700::6812:dead/128 dev eth0 nodad")
    world.middle.namespace.ip("route add 2606:4700::6812:dead via fd30:0:0:2::2")
    world.status.divert(every=1, to=4443)
    yield both(_family_fails("ip6"), sdk_raises("timed out"))
    world.dns.publish(API, *world.api.place.addresses)
    world.status.undivert()


@scenario("tcp.ipv6_broken", packets=True)
def tcp_ipv6_resets_every_hello(world: World) -> Steps:
    world.middle.rule("meta nfproto ipv6 tcp dport 443 ct state established meta length > 300 reject with tcp reset")
    yield both(_family_fails("ip6"), sdk_raises("reset by peer|UNEXPECTED_EOF"))
    world.middle.mend()


# -- size --------------------------------------------------------------------------------------------------------------


def _small_segments_pass(world: World) -> None:
    """With segments of 500 bytes the same request is answered, so it is their length that matters."""
    request = (
        "import socket, ssl; c = socket.socket(); c.setsockopt(6, 2, 500); c.settimeout(3);"
        f"c.connect((socket.gethostbyname({API!r}), 443));"
        f"t = ssl.create_default_context().wrap_socket(c, server_hostname={API!r});"
        f"t.sendall(b'POST /v1/models HTTP/1.1\\r\\nhost: {API}\\r\\ncontent-length: 3000\\r\\n\\r\\n' + b'x' * 3000);"
        "print(t.recv(20))"
    )
    ran = world.client.run("python3", "-c", request)
    assert "HTTP/1.1" in ran.stdout, ran.stderr


def _serve_a_long_certificate(world: World) -> None:
    """As long as a public chain with an intermediate, so that the server's first flight takes more than one segment."""
    world.api.serve(certificate=world.certificate(API, *(f"host-{n}.openai.example" for n in range(60))))


@scenario("tcp.path_mtu", packets=True)
def tcp_path_mtu_towards_the_client(world: World) -> Steps:
    _serve_a_long_certificate(world)
    world.middle.rule("tcp sport 443 meta length > 1400 drop")
    yield both(sdk_raises("timed out"), _small_segments_pass)
    world.middle.mend()


@scenario("tcp.path_mtu", packets=True)
def tcp_path_mtu_of_a_tunnel_without_icmp(world: World) -> Steps:
    """A link of 1300 bytes in the middle, and a firewall that drops `fragmentation needed` and `packet too big`."""
    _serve_a_long_certificate(world)
    world.middle.shrink_mtu(1300)
    world.middle.namespace.nft(
        "add chain inet lab outward { type filter hook output priority 0; }\n"
        "add rule inet lab outward icmp type destination-unreachable drop\n"
        "add rule inet lab outward icmpv6 type packet-too-big drop\n"
    )
    yield both(sdk_raises("timed out"), _small_segments_pass)
    world.middle.namespace.nft("delete chain inet lab outward\n")


@scenario("tcp.path_mtu", packets=True)
def tcp_path_mtu_towards_the_server(world: World) -> Steps:
    """Small enough that the client's own request no longer fits: the handshake completes, the request vanishes."""
    world.middle.rule("tcp dport 443 meta length > 600 drop")
    yield both(sdk_raises("timed out"), _small_segments_pass)
    world.middle.mend()


@scenario("tcp.path_mtu", packets=True)
def tcp_path_mtu_of_both_directions(world: World) -> Steps:
    _serve_a_long_certificate(world)
    world.middle.rule("tcp dport 443 meta length > 576 drop", "tcp sport 443 meta length > 576 drop")
    yield both(sdk_raises("timed out"), _small_segments_pass)
    world.middle.mend()


# -- that come and go --------------------------------------------------------------------------------------------------


def _varies(world: World) -> None:
    given = ["HTTP/1.1" in world.client.curl(URL, "--max-time", "1").stderr for _ in range(6)]
    assert len(set(given)) == 2, given


@scenario("tcp.timeout", intermittent=True, packets=True)
def tcp_timeout_every_other_connection(world: World) -> Steps:
    one_address(world)
    world.api.divert(every=2, to=444)
    world.api.lose(444)
    yield _varies
    world.api.undivert()


@scenario("tcp.refused", intermittent=True)
def tcp_refused_every_third_connection(world: World) -> Steps:
    """One of three backends behind a load balancer is down."""
    one_address(world)
    world.api.divert(every=3, to=444)
    yield _varies
    world.api.undivert()


@scenario("tcp.timeout", intermittent=True, packets=True)
def tcp_round_robin_with_one_dead_address(world: World) -> Steps:
    """Each DNS answer names one address, and one of the two addresses is dead."""
    alive, dead = world.api.place.addresses[:2]
    world.dns.publish_in_turn(API, alive, dead)
    world.middle.drop(address=dead)
    yield _varies
    world.middle.mend()


@scenario("tcp.reset", intermittent=True, packets=True)
def tcp_reset_now_and_then(world: World) -> Steps:
    one_address(world)
    world.api.divert(every=2, to=444)
    world.api.listen(444, reset_at_once)
    yield _varies
    world.api.undivert()


# -- by other mechanisms -----------------------------------------------------------------------------------------------


@scenario("tcp.refused")
def tcp_refused_at_an_address_for_documentation(world: World) -> Steps:
    """Laboratories let 203.0.113.0/24 stand for public addresses (RFC 5737); it is nobody's private network."""
    address = "203.0.113.20"
    world.api.namespace.ip(f"address add {address}/32 dev eth0")
    world.middle.namespace.ip(f"route add {address} via 10.30.1.2")
    world.dns.publish(API, address)
    world.api.stop_serving()
    yield refused
    world.api.serve()


@scenario("tcp.reset", needs=("haproxy",))
def tcp_closed_by_a_balancer_without_backend(world: World) -> Steps:
    """It accepts, reaches nobody behind it and closes; what the client had sent by then is answered by RST."""
    one_address(world)
    world.api.stop_serving()
    text = "frontend front\n bind :::443 v4v6\n default_backend back\nbackend back\n server a 127.0.0.1:9\n"
    daemon = run_haproxy_stream(world.api, text)
    yield sdk_raises("EOF|reset")
    world.api.stop(daemon)
    world.api.serve()


@scenario("tcp.path_mtu", packets=True)
def tcp_path_mtu_of_a_tunnel_for_ipv6(world: World) -> Steps:
    """Only IPv6 goes through the tunnel, it is dialled first, and ICMPv6 is filtered."""
    world.api.serve(certificate=_with_a_long_chain())
    world.middle.rule("tcp sport 443 ip6 length > 1240 drop", "tcp dport 443 ip6 length > 1240 drop")
    yield both(_family_fails("ip6"), sdk_raises("timed out"))
    world.middle.mend()


def _with_a_long_chain() -> trustme.LeafCert:
    """A chain of several full-size segments."""
    chain = [sign("Lab CA 1", issuer=PUBLIC_ROOT.signed)]
    for number in range(2, 6):
        chain.insert(0, sign(f"Lab CA {number}", issuer=chain[0]))
    return leaf(sign(API, issuer=chain[0], hosts=(API,)), *chain)


@scenario("tcp.reset", owner="route_provider")
def tcp_reset_at_once_over_plain_http(world: World) -> Steps:
    """A gateway without TLS: the request is cut, and so is a connection on which nothing is sent."""
    world.client.environment["OPENAI_BASE_URL"] = f"http://{GATEWAY}/v1"
    world.gateway.listen(80, reset_at_once)
    yield sdk_raises("reset by peer|disconnected")
    world.gateway.serve(port=80, plain=True)


@scenario("tcp.path_mtu", packets=True, intermittent=True)
def tcp_path_mtu_of_every_second_connection(world: World) -> Steps:
    """Of two ways to the API one is narrow, and its ICMP is filtered: what is lost is each full-size segment of the server's chain."""
    world.api.serve(certificate=_with_a_long_chain())
    one_address(world)
    world.middle.rule(
        f"ip saddr {CLIENT_ADDRESS} tcp dport 443 tcp flags & (syn | ack) == syn ct mark set numgen inc mod 2",
        f"ct mark 1 ip daddr {CLIENT_ADDRESS} meta length gt 1240 drop",
    )
    yield curl_varies(URL, good="HTTP/1.1 401")
    world.middle.mend()


@scenario("tcp.path_mtu", packets=True, intermittent=True)
def tcp_path_mtu_of_one_address_of_a_name_that_rotates(world: World) -> Steps:
    """Nothing else is wrong there, and the walk itself meets that address or the other one."""
    world.api.serve(certificate=_with_a_long_chain())
    narrow, wide = world.api.place.addresses[:2]
    world.dns.publish_in_turn(API, wide, narrow)
    world.middle.rule(f"ip saddr {narrow} meta length gt 1000 drop")
    yield curl_varies(URL, good="HTTP/1.1 401")
    world.middle.mend()


@scenario("tcp.refused", packets=True, intermittent=True)
def tcp_refused_now_and_then_and_a_block_page(world: World) -> Steps:
    """The first on the path comes and goes; whoever gets through meets the filter's page each time."""
    one_address(world)
    world.api.serve("block_page")
    world.middle.rule("tcp dport 443 tcp flags & (syn | ack) == syn jhash tcp sport mod 3 0 reject with tcp reset")
    yield curl_varies(URL, good="HTTP/1.1 403", attempts=16)
    world.middle.mend()
    world.api.serve()


@scenario("tcp.reset", needs=("haproxy",), intermittent=True)
def tcp_closed_by_a_balancer_with_one_of_three_backends_dead(world: World) -> Steps:
    """It accepts, finds nobody behind it, and hangs up on whoever has sent a ClientHello by then."""
    world.api.serve(port=8443)
    world.api.stop_serving()
    daemon = run_haproxy_stream(
        world.api,
        "frontend front\n bind :::443 v4v6\n default_backend back\nbackend back\n balance roundrobin\n"
        " server one 127.0.0.1:8443\n server two 127.0.0.1:8443\n server three 127.0.0.1:8099\n",
    )
    yield curl_varies(URL, good="HTTP/1.1 401")
    world.api.stop(daemon)
    world.api.serve()


@scenario("tcp.timeout", packets=True, intermittent=True)
def tcp_one_of_three_ways_is_dead(world: World) -> Steps:
    """A connection keeps its way, so its SYN is lost each time it is sent; the walk's own meets that or does not."""
    one_address(world)
    world.middle.rule("tcp dport 443 tcp flags & (syn | ack) == syn jhash tcp sport mod 3 0 drop")
    yield curl_varies(URL, good="HTTP/1.1 401", attempts=16)
    world.middle.mend()
