"""Healthy paths with oddities: none of them may be called faulty. Each takes its oddity away as the control."""

import itertools
import json
import socket
import ssl
import time
from collections.abc import Callable

from oairunbook.lab import wire
from oairunbook.lab.certificates import sign
from oairunbook.lab.listener import reset
from tests.scenarios.dns import resolves_to
from tests.world import (
    API,
    AZURE,
    GATEWAY,
    NAME_SERVER,
    PROXY,
    STATUS,
    Steps,
    World,
    authority,
    both,
    scenario,
    sdk_answers,
)
from tests.world.authority import INSPECTION_ROOT, PUBLIC_ROOT, leaf
from tests.world.nameserver import NameServer
from tests.world.proxies import haproxy_command, run_haproxy, run_haproxy_stream, run_nginx
from tests.world.streams import answering
from tests.world.world import SECOND_NAME_SERVER


def healthy(
    *, needs: tuple[str, ...] = (), modules: tuple[str, ...] = (), options: tuple[str, ...] = (), packets: bool = False
) -> Callable[[Callable[[World], Steps]], Callable[[World], Steps]]:
    return scenario("ok", owner="none", needs=needs, modules=modules, options=options, packets=packets)


@healthy()
def healthy_plain(world: World) -> Steps:
    yield sdk_answers


@healthy()
def healthy_status_page_unreachable(world: World) -> Steps:
    for address in world.status.place.addresses:
        world.middle.drop(address=address)
    yield sdk_answers
    world.middle.mend()


@healthy()
def healthy_status_page_unknown(world: World) -> Steps:
    world.dns.fail("NXDOMAIN", STATUS)
    yield sdk_answers
    world.dns.mend()


@healthy()
def healthy_without_ipv6(world: World) -> Steps:
    world.client.without_ipv6()
    yield sdk_answers


@healthy()
def healthy_ipv4_only_name(world: World) -> Steps:
    world.dns.publish(API, *(a for a in world.api.place.addresses if ":" not in a))
    yield sdk_answers
    world.dns.publish(API, *world.api.place.addresses)


@healthy()
def healthy_slow_dns(world: World) -> Steps:
    world.dns.delay(0.8)
    yield sdk_answers
    world.dns.mend()


@healthy()
def healthy_first_address_refuses(world: World) -> Steps:
    first = world.client.resolved(API)[0]
    world.middle.reject("tcp reset", address=first)
    yield sdk_answers
    world.middle.mend()


@healthy()
def healthy_first_address_dead(world: World) -> Steps:
    first = world.client.resolved(API)[0]
    world.middle.drop(address=first)
    yield sdk_answers
    world.middle.mend()


@healthy(needs=("squid",))
def healthy_through_squid(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid())
    world.middle.close_direct_path()
    yield sdk_answers
    world.middle.mend()


@healthy(needs=("squid",))
def healthy_through_squid_with_password(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid(password=True))
    world.middle.close_direct_path()
    yield sdk_answers
    world.middle.mend()


@healthy(needs=("danted",), modules=("socksio",))
def healthy_through_dante(world: World) -> Steps:
    world.client.use_proxy(world.proxy.dante())
    world.middle.close_direct_path()
    yield sdk_answers
    world.middle.mend()


@healthy()
def healthy_behind_trusted_inspection(world: World) -> Steps:
    world.client.trust(INSPECTION_ROOT)
    world.middle.inspect(INSPECTION_ROOT)
    yield sdk_answers
    world.middle.mend()


@healthy()
def healthy_azure(world: World) -> Steps:
    world.client.call_azure()
    world.azure.serve()
    yield sdk_answers


@healthy()
def healthy_gateway(world: World) -> Steps:
    world.client.call_gateway()
    world.gateway.serve("gateway_ok")
    yield sdk_answers


# -- the status page ---------------------------------------------------------------------------------------------------


def _status_says(world: World, indicator: str, description: str) -> None:
    page = {"id": "x", "name": "OpenAI", "url": "https://status.openai.com"}
    parts = [{"id": "01", "name": "Responses", "status": "major_outage" if indicator == "critical" else "operational"}]
    document = {"page": page, "status": {"indicator": indicator, "description": description}, "components": parts}
    tls = authority.context(world.status.certificate())
    world.status.listen(443, answering(200, "application/json", json.dumps(document)), tls=tls)


@healthy()
def healthy_status_page_red(world: World) -> Steps:
    _status_says(world, "minor", "Partial System Degradation")
    yield sdk_answers
    world.status.serve()


@healthy()
def healthy_status_page_says_outage(world: World) -> Steps:
    _status_says(world, "critical", "Major System Outage")
    yield sdk_answers
    world.status.serve()


@healthy()
def healthy_status_page_is_no_json(world: World) -> Steps:
    tls = authority.context(world.status.certificate())
    world.status.listen(443, answering(502, "text/html", "<html><h1>502 Bad Gateway</h1></html>"), tls=tls)
    yield sdk_answers
    world.status.serve()


@healthy()
def healthy_status_page_not_trusted(world: World) -> Steps:
    world.status.serve(certificate=world.certificate(STATUS, expired=True))
    yield sdk_answers
    world.status.serve()


# -- names -------------------------------------------------------------------------------------------------------------


@healthy(packets=True)
def healthy_second_name_server_dead(world: World) -> Steps:
    world.middle.namespace.ip("route add blackhole 10.99.0.53")
    world.client.resolve_by(NAME_SERVER, "10.99.0.53")
    yield sdk_answers
    world.client.resolve_by(NAME_SERVER)


@healthy(packets=True)
def healthy_first_name_server_dead(world: World) -> Steps:
    world.middle.namespace.ip("route add blackhole 10.99.0.53")
    world.client.resolve_by("10.99.0.53", NAME_SERVER, options="timeout:1 attempts:2")
    yield sdk_answers
    world.client.resolve_by(NAME_SERVER)


@healthy()
def healthy_search_domains_as_in_kubernetes(world: World) -> Steps:
    search = "default.svc.cluster.local svc.cluster.local cluster.local"
    world.client.resolve_by(NAME_SERVER, search=search, options="ndots:5")
    yield sdk_answers
    world.client.resolve_by(NAME_SERVER)


@healthy()
def healthy_dns_over_tcp_alone(world: World) -> Steps:
    world.dns.truncate()
    yield sdk_answers
    world.dns.mend()


@healthy(packets=True)
def healthy_dns_over_udp_alone(world: World) -> Steps:
    world.middle.drop(port=53, protocol="tcp")
    yield sdk_answers
    world.middle.mend()


@healthy()
def healthy_hosts_file_names_an_address_that_serves(world: World) -> Steps:
    world.client.list_hosts(f"{world.api.place.addresses[1]} {API}")
    yield both(resolves_to([world.api.place.addresses[1]]), sdk_answers)
    world.client.list_hosts()


@healthy()
def healthy_private_address_that_serves_the_name(world: World) -> Steps:
    """A transparent proxy or a private link: 100.64/10 or RFC 1918 alone proves nothing."""
    world.api.namespace.ip("address add 10.44.0.4/32 dev eth0")
    world.middle.namespace.ip("route add 10.44.0.4 via 10.30.1.2")
    world.dns.publish(API, "10.44.0.4")
    yield both(resolves_to(["10.44.0.4"]), sdk_answers)
    world.dns.publish(API, *world.api.place.addresses)


@healthy()
def healthy_azure_private_endpoint(world: World) -> Steps:
    world.client.call_azure()
    world.azure.serve()
    world.azure.namespace.ip("address add 10.77.0.4/32 dev eth0")
    world.middle.namespace.ip("route add 10.77.0.4 via 10.30.3.2")
    world.dns.publish(AZURE, "10.77.0.4", alias="acme.privatelink.openai.azure.com")
    yield both(resolves_to(["10.77.0.4"], AZURE), sdk_answers)


@healthy(needs=("dnsmasq",))
def healthy_through_a_local_cache(world: World) -> Steps:
    world.client.resolve_by(world.proxy.dnsmasq("cache-size=100"))
    yield sdk_answers
    world.client.resolve_by(NAME_SERVER)


# -- packets -----------------------------------------------------------------------------------------------------------


@healthy(packets=True)
def healthy_ipv6_alone(world: World) -> Steps:
    world.client.namespace.ip("route del default")
    yield sdk_answers
    world.client.namespace.ip("route add default via 10.20.0.1")


@healthy(packets=True)
def healthy_ipv6_without_a_route(world: World) -> Steps:
    world.client.namespace.ip("route del ::/0")
    yield sdk_answers
    world.client.namespace.ip("route add ::/0 via 2a01:4f8:c2c:123::1")


@healthy(packets=True)
def healthy_ipv6_refused(world: World) -> Steps:
    world.middle.rule("meta nfproto ipv6 tcp dport 443 reject with tcp reset")
    yield sdk_answers
    world.middle.mend()


@healthy(packets=True)
def healthy_small_mtu_with_working_discovery(world: World) -> Steps:
    world.api.serve(certificate=world.certificate(API, *(f"host-{n}.openai.example" for n in range(60))))
    world.middle.shrink_mtu(1280)
    yield sdk_answers


@healthy(packets=True)
def healthy_with_some_loss(world: World) -> Steps:
    """One packet in twenty of every connection to port 443 and back: TCP mends it."""
    world.middle.rule("tcp dport 443 numgen random mod 20 0 drop", "tcp sport 443 numgen random mod 20 0 drop")
    yield sdk_answers
    world.middle.mend()


@healthy(packets=True)
def healthy_far_away(world: World) -> Steps:
    """A round trip of 300 ms, as from the other side of the world by satellite."""
    world.middle.delay(0.15)
    yield sdk_answers
    world.middle.mend()


@healthy(packets=True, options=("--idle", "3"))
def healthy_idle_connections_live(world: World) -> Steps:
    yield sdk_answers


@healthy(needs=("haproxy",), options=("--idle", "3"))
def healthy_server_closes_idle_connections_in_order(world: World) -> Steps:
    """A FIN while nobody was looking: the pool notices, and opens a new connection."""
    world.api.stop_serving()
    world.api.serve(port=8080, plain=True)
    front = "timeout http-keep-alive 1s"
    daemon = run_haproxy(world.api, world.api.certificate(), "server s1 127.0.0.1:8080", front=front)
    yield sdk_answers
    world.api.stop(daemon)
    world.api.serve()


# -- TLS and servers in front ------------------------------------------------------------------------------------------


@healthy()
def healthy_certificate_of_many_names(world: World) -> Steps:
    world.api.serve(certificate=world.certificate("edge.openai.example", API, "*.openai.com"))
    yield sdk_answers
    world.api.serve()


def _only_1_2(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2


@healthy()
def healthy_server_of_tls_1_2(world: World) -> Steps:
    world.api.serve(tls=_only_1_2)
    yield sdk_answers
    world.api.serve()


@healthy()
def healthy_certificate_ends_tomorrow(world: World) -> Steps:
    world.api.serve(certificate=PUBLIC_ROOT.issue_for_days(-89, 1, API))
    yield sdk_answers
    world.api.serve()


@healthy()
def healthy_company_bundle_in_ssl_cert_file(world: World) -> Steps:
    world.middle.inspect(INSPECTION_ROOT)
    world.client.environment["SSL_CERT_FILE"] = world.client.bundle(PUBLIC_ROOT, INSPECTION_ROOT)
    yield sdk_answers
    world.middle.mend()


@healthy(needs=("faketime",))
def healthy_clock_some_minutes_off(world: World) -> Steps:
    world.client.shift_clock(5 / 1440)
    yield sdk_answers
    world.client.shift_clock(0)


@healthy(needs=("nginx",))
def healthy_behind_nginx(world: World) -> Steps:
    world.api.stop_serving()
    world.api.serve(port=8080, plain=True)
    location = "proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1; proxy_buffering off;"
    daemon = run_nginx(world.api, world.api.certificate(), location)
    yield sdk_answers
    world.api.stop(daemon)
    world.api.serve()


# -- settings and proxies ----------------------------------------------------------------------------------------------


@healthy(needs=("tinyproxy",))
def healthy_proxy_variable_without_scheme(world: World) -> Steps:
    world.client.use_proxy(world.proxy.tinyproxy().removeprefix("http://"))
    world.middle.close_direct_path()
    yield sdk_answers
    world.middle.mend()


@healthy(needs=("microsocks",), modules=("socksio",))
def healthy_through_microsocks(world: World) -> Steps:
    world.client.use_proxy(world.proxy.microsocks())
    world.middle.close_direct_path()
    yield sdk_answers
    world.middle.mend()


@healthy(needs=("stunnel4", "tinyproxy"))
def healthy_through_a_proxy_over_tls(world: World) -> Steps:
    world.proxy.tinyproxy()
    world.client.use_proxy(world.proxy.stunnel(PUBLIC_ROOT.issue(PROXY), 8888))
    world.middle.close_direct_path()
    yield sdk_answers
    world.middle.mend()


@healthy(needs=("squid",))
def healthy_around_the_proxy(world: World) -> Steps:
    """NO_PROXY covers the host, the direct path is open, and the proxy would not let it through."""
    world.client.use_proxy(world.proxy.squid("http_access deny all"))
    world.client.environment["NO_PROXY"] = ".openai.com"
    yield sdk_answers


@healthy()
def healthy_dead_proxy_for_other_schemes(world: World) -> Steps:
    world.client.environment["HTTP_PROXY"] = f"http://{PROXY}:3128"
    yield sdk_answers


@healthy(needs=("squid",))
def healthy_name_that_the_proxy_alone_knows(world: World) -> Steps:
    """Behind a proxy a runtime needs no public DNS."""
    world.client.use_proxy("http://10.21.0.3:3128")
    world.proxy.squid()
    _ = world.second_name_server()
    world.client.resolve_by("10.20.0.54")
    world.middle.close_direct_path()
    world.middle.rule("udp dport 53 ip daddr 10.20.0.54 drop", "tcp dport 53 ip daddr 10.20.0.54 drop")
    yield sdk_answers
    world.client.resolve_by(NAME_SERVER)
    world.middle.mend()


@healthy()
def healthy_with_few_file_descriptors(world: World) -> Steps:
    world.client.limit_open_files(40)
    yield sdk_answers
    world.client.wrapper = ()


# -- other people's worlds ---------------------------------------------------------------------------------------------


@healthy()
def healthy_small_api_on_one_ipv4_address(world: World) -> Steps:
    """Python's http.server, one request at a time, HTTP/1.0, no header of OpenAI's, no list of models; no IPv6 and no status page."""
    world.client.without_ipv6()
    world.dns.publish(API, world.api.place.addresses[0])
    world.dns.fail("NXDOMAIN", STATUS)
    world.api.serve_small()
    yield sdk_answers


@healthy()
def healthy_old_root_sent_along(world: World) -> Steps:
    """The server also sends a root that has expired, as cross-signed chains do: nobody needs it."""
    old = sign("Old root", issuer=None, starts_in_days=-4000, ends_in_days=-30)
    world.api.serve(certificate=leaf(sign(API, issuer=PUBLIC_ROOT.signed, hosts=(API,)), old))
    yield sdk_answers
    world.api.serve()


@healthy(packets=True)
def healthy_small_segments(world: World) -> Steps:
    world.middle.rule("tcp flags & syn == syn tcp option maxseg size set 536")
    yield sdk_answers
    world.middle.mend()


@healthy()
def healthy_server_that_breaks_over_a_request_without_a_message(world: World) -> Steps:
    world.api.spoil(
        lambda request: request.method == "POST" and b"messages" not in request.body, lambda connection: None
    )
    yield sdk_answers


@healthy()
def healthy_gateway_over_plain_http_that_asks_for_no_key(world: World) -> Steps:
    """The key is held back there; a placeholder does as well."""
    world.gateway.serve(port=8000, plain=True)
    world.client.environment["OPENAI_BASE_URL"] = f"http://{GATEWAY}:8000/v1"
    yield sdk_answers


@healthy(packets=True)
def healthy_one_of_four_connections_lost(world: World) -> Steps:
    """The transport goes on to the next address, so every request is answered; an attempt that had no time to go on says nothing."""
    world.middle.rule("tcp dport 443 tcp flags syn jhash tcp sport mod 4 0 drop")
    yield sdk_answers
    world.middle.mend()


@healthy(needs=("haproxy",))
def healthy_slow_import_behind_an_impatient_balancer(world: World) -> Steps:
    """The SDK takes long to import, and the balancer hangs up on who says nothing for a second: no connection may wait for the import."""
    world.client.overlay("sitecustomize.py", _SLOW_IMPORT)
    world.api.serve(port=8443)
    world.api.stop_serving()
    daemon = run_haproxy_stream(
        world.api,
        "frontend front\n bind :::443 v4v6\n timeout client 1s\n default_backend back\n"
        "backend back\n timeout server 1s\n server one 127.0.0.1:8443\n",
    )
    yield sdk_answers
    world.api.stop(daemon)
    world.api.serve()
    world.client.remove_overlay()


_SLOW_IMPORT = """
import sys, time


class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "openai":
            time.sleep(2.5)


sys.meta_path.insert(0, Slow())
"""


@healthy(packets=True)
def healthy_with_three_connections_at_a_time(world: World) -> Steps:
    """A firewall refuses the fourth; an application that has one never meets it, and this test does."""
    world.client.without_ipv6()
    # Without a distance the connections of one moment are over before the next begins, and the limit is met by chance.
    world.middle.delay(0.02)
    world.middle.rule("tcp dport 443 ct state new ct count over 3 reject with tcp reset")
    yield sdk_answers
    world.middle.mend()


@healthy(packets=True)
def healthy_with_four_connections_at_a_time_on_a_short_line(world: World) -> Steps:
    """The same on a line without length, where connections are over in a moment: those that are made at one moment are held until all are open."""
    world.middle.rule("tcp dport 443 ct state new ct count over 4 reject with tcp reset")
    yield sdk_answers
    world.middle.mend()


@healthy()
def healthy_gateway_with_a_guard_against_requests_without_a_key(world: World) -> Steps:
    """After eighteen it hangs up on all that follow, as fail2ban's kin do; the application sends its key and is served."""
    world.client.call_gateway()
    count = itertools.count(1)
    world.gateway.spoil(lambda request: "authorization" not in request.headers and next(count) > 18, reset)
    yield sdk_answers
    world.gateway.serve()


@healthy(needs=("nginx",))
def healthy_gateway_with_a_limit_of_requests(world: World) -> Steps:
    """Two requests a second and a few beyond: this test asks for more, an application that waits for its answers does not."""
    world.client.call_gateway()
    world.gateway.serve("gateway_ok", port=8080, plain=True)
    world.gateway.stop_serving()
    daemon = run_nginx(
        world.gateway,
        world.gateway.certificate(),
        "limit_req zone=few burst=3 nodelay; limit_req_status 429; proxy_buffering off; proxy_pass http://pool;",
        upstream="server 127.0.0.1:8080; }\nlimit_req_zone $binary_remote_addr zone=few:1m rate=2r/s;\nupstream other { server 127.0.0.1:8080;",
    )
    yield sdk_answers
    world.gateway.stop(daemon)
    world.gateway.serve("gateway_ok")


@healthy()
def healthy_stream_that_is_thought_about(world: World) -> Steps:
    """The whole answer comes at once, and the stream brings nothing but comments for longer than a step may take."""

    def think(connection: socket.socket) -> None:
        connection.sendall(wire.head(200, (("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))))
        for _ in range(4):
            connection.sendall(wire.chunk(b": thinking\n\n"))
            time.sleep(0.8)
        choice = {"index": 0, "delta": {"content": "pong"}, "finish_reason": "stop"}
        event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "choices": [choice]}
        connection.sendall(wire.chunk(f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode()) + b"0\r\n\r\n")

    world.api.spoil(lambda request: b'"stream":true' in request.body.replace(b" ", b""), think)
    yield sdk_answers
    world.api.serve()


@healthy(packets=True)
def healthy_with_a_limit_of_new_connections_a_second(world: World) -> Steps:
    """What is over the limit is lost and comes through when it is sent again; this test alone makes so many, and its own streams are among them."""
    world.middle.rule("tcp dport 443 tcp flags & (syn | ack) == syn limit rate over 6/second burst 6 packets drop")
    yield sdk_answers
    world.middle.mend()


@healthy(needs=("dnsmasq",))
def healthy_with_a_limit_of_questions_a_second(world: World) -> Steps:
    """Beyond ten questions a second a router refuses in the name server's place, as Pi-hole and its kin do: this test alone asks so many."""
    address = world.proxy.dnsmasq()
    refusing = NameServer(world.middle.namespace, SECOND_NAME_SERVER)
    refusing.fail("REFUSED")
    world.client.resolve_by(address)
    world.middle.namespace.nft(
        "add chain inet lab questions { type nat hook prerouting priority dstnat + 1; }\n"
        f"add rule inet lab questions ip daddr {address} udp dport 53 limit rate over 10/second burst 10 packets dnat ip to {SECOND_NAME_SERVER}\n"
    )
    yield sdk_answers
    world.client.resolve_by(NAME_SERVER)
    refusing.close()


@healthy(needs=("haproxy", "squid"))
def healthy_through_a_proxy_with_a_limit_of_connections_a_second(world: World) -> Steps:
    """Six a second from one client, and it counts those that it turns away as well: once this test has met the limit, nothing passes for a while."""
    world.proxy.squid()
    limit = (
        "frontend front\n bind :3129\n stick-table type ip size 100 expire 10s store conn_rate(1s)\n"
        " tcp-request connection track-sc0 src\n tcp-request connection reject if { sc0_conn_rate gt 6 }\n"
        " default_backend back\nbackend back\n server squid 127.0.0.1:3128\n"
    )
    world.proxy.start(haproxy_command(world.proxy, limit, mode="tcp"), ready=world.proxy.listening(3129))
    world.client.use_proxy(f"http://{PROXY}:3129")
    world.middle.close_direct_path()
    yield sdk_answers
    world.middle.mend()
