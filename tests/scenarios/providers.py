"""The Azure and gateway routes: a fault there is the provider's, as long as the direct route does not show it too."""

import json

from tests.scenarios.dns import resolves_to
from tests.world import API, AZURE, GATEWAY, PLACES, PROXY, Steps, World, both, curl_says, scenario, sdk_raises
from tests.world.authority import INSPECTION_ROOT, PUBLIC_ROOT, context, write
from tests.world.proxies import run_haproxy, run_nginx
from tests.world.streams import answering, every, saying, stay_silent

DIRECT = f"https://{API}/v1/models"
AZURE_URL = f"https://{AZURE}/"
GATEWAY_URL = f"https://{GATEWAY}/v1/models"

direct_works = curl_says(DIRECT, "HTTP/1.1 401")
direct_times_out = curl_says(DIRECT, "timed out|Timeout was reached|Connection timeout", "--connect-timeout", "2")


def _on_azure(world: World) -> None:
    world.azure.serve()
    world.client.call_azure()


def _on_gateway(world: World) -> None:
    world.gateway.serve("gateway_ok")
    world.client.call_gateway()


def _address(name: str) -> str:
    return PLACES[name].addresses[0]


# -- names -------------------------------------------------------------------------------------------------------------


@scenario("dns.nxdomain", owner="route_provider")
def azure_name_unknown(world: World) -> Steps:
    _on_azure(world)
    world.dns.fail("NXDOMAIN", AZURE)
    yield both(resolves_to((), AZURE), direct_works)
    world.dns.mend()


@scenario("dns.nxdomain", owner="connection_path", needs=("unbound",))
def azure_name_and_direct_name_filtered(world: World) -> Steps:
    """A DNS filter that answers for the direct name too is of this network."""
    _on_azure(world)
    zones = ('local-zone: "azure.com." always_nxdomain', 'local-zone: "openai.com." always_nxdomain')
    world.client.resolve_by(world.proxy.unbound(*zones))
    yield both(resolves_to((), AZURE), resolves_to((), API))
    world.client.resolve_by(world.proxy.unbound())


@scenario("dns.servfail", owner="route_provider")
def gateway_name_servfail(world: World) -> Steps:
    _on_gateway(world)
    world.dns.fail("SERVFAIL", GATEWAY)
    yield both(resolves_to((), GATEWAY), direct_works)
    world.dns.mend()


@scenario("dns.refused", owner="connection_path")
def gateway_resolver_refuses_everything(world: World) -> Steps:
    _on_gateway(world)
    world.dns.fail("REFUSED")
    yield both(resolves_to((), GATEWAY), resolves_to((), API))
    world.dns.mend()


@scenario("dns.timeout", owner="connection_path")
def gateway_resolver_silent(world: World) -> Steps:
    _on_gateway(world)
    world.dns.silence()
    yield sdk_raises("Temporary failure in name resolution")
    world.dns.mend()


@scenario("dns.resolver_unreachable", owner="connection_path", packets=True)
def azure_resolver_port_closed(world: World) -> Steps:
    _on_azure(world)
    world.middle.reject("icmpx type port-unreachable", port=53, protocol="udp")
    world.middle.reject("tcp reset", port=53, protocol="tcp")
    yield resolves_to((), AZURE)
    world.middle.mend()


@scenario("dns.private_address", owner="route_provider", packets=True)
def azure_private_endpoint_out_of_reach(world: World) -> Steps:
    """The private zone is linked to this network, and the private endpoint is in another one."""
    _on_azure(world)
    world.dns.publish(AZURE, "10.77.0.4", alias="acme.privatelink.openai.azure.com")
    world.middle.route("blackhole", "10.77.0.4")
    yield both(resolves_to(["10.77.0.4"], AZURE), sdk_raises("timed out"), direct_works)
    world.dns.publish("acme.privatelink.openai.azure.com", _address(AZURE))


@scenario("dns.sinkhole", owner="connection_path", needs=("dnsmasq",))
def gateway_and_direct_sinkholed(world: World) -> Steps:
    _on_gateway(world)
    null = [f"address=/{name}/0.0.0.0" for name in (GATEWAY, API)] + [f"address=/{API}/::"]
    world.client.resolve_by(world.proxy.dnsmasq(*null))
    yield both(resolves_to(["0.0.0.0"], GATEWAY), sdk_raises("Connection refused"))
    world.client.resolve_by(world.proxy.dnsmasq())


@scenario("dns.hosts_override", owner="client_config")
def gateway_hosts_file_names_an_old_address(world: World) -> Steps:
    _on_gateway(world)
    world.client.list_hosts(f"138.201.44.99 {GATEWAY}")
    world.middle.route("unreachable", "138.201.44.99")
    yield sdk_raises("No route to host")
    world.client.list_hosts()


# -- connections -------------------------------------------------------------------------------------------------------


@scenario("tcp.timeout", owner="route_provider", packets=True)
def azure_timeout_direct_works(world: World) -> Steps:
    _on_azure(world)
    world.middle.drop(address=_address(AZURE))
    yield both(sdk_raises("timed out"), direct_works)
    world.middle.mend()


@scenario("tcp.timeout", owner="connection_path", packets=True)
def azure_timeout_direct_too(world: World) -> Steps:
    _on_azure(world)
    world.middle.drop()
    yield both(sdk_raises("timed out"), direct_times_out)
    world.middle.mend()


@scenario("tcp.timeout", owner="route_provider", packets=True)
def azure_timeout_direct_fails_otherwise(world: World) -> Steps:
    """A control that fails, and fails otherwise, moves nothing."""
    _on_azure(world)
    world.middle.drop(address=_address(AZURE))
    world.api.stop_serving()
    yield both(sdk_raises("timed out"), curl_says(DIRECT, "Connection refused"))
    world.middle.mend()


@scenario("tcp.timeout", owner="route_provider", packets=True, options=("--control-url", ""))
def gateway_timeout_without_a_control(world: World) -> Steps:
    _on_gateway(world)
    world.middle.drop()
    yield both(sdk_raises("timed out"), direct_times_out)
    world.middle.mend()


@scenario("tcp.refused", owner="route_provider")
def gateway_refuses(world: World) -> Steps:
    world.client.call_gateway()
    _ = world.gateway
    yield both(sdk_raises("Connection refused"), direct_works)
    world.gateway.serve("gateway_ok")


@scenario("tcp.refused", owner="connection_path", packets=True)
def gateway_refused_direct_too(world: World) -> Steps:
    _on_gateway(world)
    world.middle.reject("tcp reset")
    yield both(sdk_raises("Connection refused"), curl_says(DIRECT, "Connection refused"))
    world.middle.mend()


@scenario("tcp.unreachable", owner="connection_path", packets=True)
def gateway_no_route_off_this_machine(world: World) -> Steps:
    _on_gateway(world)
    world.client.remove_default_routes()
    yield sdk_raises("Network is unreachable")
    world.client.add_default_routes()


@scenario("tcp.unreachable", owner="route_provider", packets=True)
def azure_prohibited_direct_works(world: World) -> Steps:
    _on_azure(world)
    world.middle.route("prohibit", _address(AZURE))
    yield both(sdk_raises("No route to host"), direct_works)
    world.middle.mend()


@scenario("tcp.path_mtu", owner="connection_path", packets=True)
def azure_path_mtu_of_everything(world: World) -> Steps:
    """A VPN in front of everything: Azure and the direct route lose full-size segments alike."""
    _on_azure(world)
    many = [f"host-{n}.example" for n in range(60)]
    world.azure.serve(certificate=world.certificate(AZURE, *many))
    world.api.serve(certificate=world.certificate(API, *many))
    world.middle.rule("tcp sport 443 meta length > 1300 drop")
    yield both(sdk_raises("timed out"), curl_says(DIRECT, "timed out|timeout"))
    world.middle.mend()


@scenario("tcp.path_mtu", owner="route_provider", packets=True)
def gateway_path_mtu_of_its_tunnel(world: World) -> Steps:
    _on_gateway(world)
    world.gateway.serve("gateway_ok", certificate=world.certificate(GATEWAY, *(f"host-{n}.example" for n in range(60))))
    world.middle.rule(f"ip saddr {_address(GATEWAY)} tcp sport 443 meta length > 1300 drop")
    yield both(sdk_raises("timed out"), direct_works)
    world.middle.mend()


@scenario("tcp.timeout", owner="route_provider", intermittent=True, packets=True)
def azure_timeout_now_and_then(world: World) -> Steps:
    _on_azure(world)
    world.azure.divert(every=2, to=444)
    world.azure.lose(444)

    def varies(world: World) -> None:
        given = ["HTTP/1.1" in world.client.curl(AZURE_URL, "--max-time", "1").stderr for _ in range(6)]
        assert len(set(given)) == 2, given

    yield both(varies, direct_works)
    world.azure.undivert()


@scenario("tcp.timeout", owner="connection_path", intermittent=True, packets=True)
def azure_timeout_now_and_then_direct_too(world: World) -> Steps:
    """One of two ways out of this network is dead, for whatever host: a single control test mostly gets through."""
    _on_azure(world)
    world.client.without_ipv6()
    world.middle.rule("tcp dport 443 jhash tcp sport mod 2 seed 11 0 drop")

    def varies(world: World) -> None:
        given = ["HTTP/1.1" in world.client.curl(AZURE_URL, "--max-time", "1").stderr for _ in range(12)]
        assert len(set(given)) == 2, given

    yield varies
    world.middle.mend()


@scenario("api.gateway_upstream_failed", owner="route_provider", intermittent=True)
def gateway_loses_its_upstream_now_and_then(world: World) -> Steps:
    """Requests without a key are told so as well, in the gateway's own words."""
    world.client.call_gateway()
    said = "litellm.InternalServerError: OpenAIException - Connection error.. Received Model Group=gpt-5-mini"
    body = json.dumps({"error": {"message": said, "type": None, "param": None, "code": "500"}})
    world.gateway.spoil(every(4, lambda request: request.method == "POST"), saying(500, "application/json", body))

    def varies(world: World) -> None:
        given = ["answered" in world.client.sdk() for _ in range(8)]
        assert len(set(given)) == 2, given

    yield both(varies, direct_works)
    world.gateway.serve("gateway_ok")


# -- the forward proxy is of this network whatever the route ---------------------------------------------------------------


@scenario("proxy.denied", owner="connection_path", needs=("squid",))
def gateway_denied_by_the_proxy(world: World) -> Steps:
    _on_gateway(world)
    rules = f"acl gateway dstdomain {GATEWAY}\nhttp_access deny gateway\nhttp_access allow all"
    world.client.use_proxy(world.proxy.squid(rules))
    yield sdk_raises("403 Forbidden")
    world.proxy.squid()


@scenario("proxy.unreachable", owner="connection_path", needs=("tinyproxy",))
def azure_behind_a_dead_proxy(world: World) -> Steps:
    _on_azure(world)
    _ = world.proxy
    world.client.use_proxy(f"http://{PROXY}:8888")
    yield sdk_raises("Connection refused")
    world.proxy.tinyproxy()


@scenario("proxy.bypassed", owner="client_config", needs=("squid",))
def azure_bypasses_the_proxy(world: World) -> Steps:
    _on_azure(world)
    world.client.use_proxy(world.proxy.squid())
    world.client.environment["NO_PROXY"] = ".azure.com"
    world.middle.close_direct_path()
    yield sdk_raises("timed out")
    del world.client.environment["NO_PROXY"]


# -- TLS ---------------------------------------------------------------------------------------------------------------


@scenario("tls.untrusted_issuer", owner="connection_path")
def azure_inspected_as_everything(world: World) -> Steps:
    _on_azure(world)
    world.middle.inspect(INSPECTION_ROOT)
    yield both(sdk_raises("CERTIFICATE_VERIFY_FAILED"), curl_says(DIRECT, "certificate in certificate chain|issuer"))
    world.client.trust(INSPECTION_ROOT)


@scenario("tls.untrusted_issuer", owner="route_provider")
def gateway_with_a_private_ca(world: World) -> Steps:
    _on_gateway(world)
    world.gateway.serve("gateway_ok", certificate=INSPECTION_ROOT.issue(GATEWAY))
    yield both(sdk_raises("CERTIFICATE_VERIFY_FAILED"), direct_works)
    world.client.trust(INSPECTION_ROOT)


@scenario("tls.trust_store_mismatch", owner="client_config")
def gateway_private_ca_in_certifi_alone(world: World) -> Steps:
    _on_gateway(world)
    world.gateway.serve("gateway_ok", certificate=INSPECTION_ROOT.issue(GATEWAY))
    world.client.trust_in_certifi_alone(PUBLIC_ROOT, INSPECTION_ROOT)
    yield both(sdk_raises("CERTIFICATE_VERIFY_FAILED"), direct_works)
    world.client.trust(INSPECTION_ROOT)


@scenario("tls.expired", owner="route_provider")
def gateway_certificate_expired(world: World) -> Steps:
    world.client.call_gateway()
    world.gateway.serve("gateway_ok", certificate=world.certificate(GATEWAY, expired=True))
    yield both(sdk_raises("certificate has expired"), direct_works)
    world.gateway.serve("gateway_ok")


@scenario("tls.clock_skew", owner="client_config", needs=("faketime",))
def azure_with_a_clock_years_behind(world: World) -> Steps:
    world.client.call_azure()
    world.azure.serve(certificate=PUBLIC_ROOT.issue_for_days(-30, 60, AZURE))
    world.client.shift_clock(-500)
    yield sdk_raises("certificate is not yet valid")
    world.client.shift_clock(0)


@scenario("tls.hostname_mismatch", owner="route_provider", needs=("haproxy",))
def azure_custom_domain_without_its_certificate(world: World) -> Steps:
    world.client.call_azure()
    daemon = run_haproxy(world.azure, world.certificate("acme-prod.openai.azure.com"), "server s1 127.0.0.1:9")
    yield both(sdk_raises("Hostname mismatch"), direct_works)
    world.azure.stop(daemon)
    world.azure.serve()


@scenario("tls.reset", owner="route_provider")
def azure_name_filtered_direct_works(world: World) -> Steps:
    _on_azure(world)
    world.middle.reset_on_name(AZURE)
    yield both(sdk_raises("reset by peer|UNEXPECTED_EOF"), direct_works)
    world.middle.mend()


@scenario("tls.reset", owner="connection_path", packets=True)
def azure_every_hello_reset(world: World) -> Steps:
    _on_azure(world)
    world.middle.rule("tcp dport 443 ct state established meta length > 200 reject with tcp reset")
    yield both(sdk_raises("reset by peer|UNEXPECTED_EOF"), curl_says(DIRECT, "reset by peer|SSL_ERROR_SYSCALL"))
    world.middle.mend()


@scenario("tls.timeout", owner="connection_path", packets=True)
def gateway_payload_dropped_direct_too(world: World) -> Steps:
    _on_gateway(world)
    world.middle.rule("tcp dport 443 ct state established meta length > 80 drop")
    yield both(sdk_raises("timed out"), curl_says(DIRECT, "timed out|timeout"))
    world.middle.mend()


@scenario("tls.timeout", owner="route_provider")
def gateway_hangs_in_the_handshake(world: World) -> Steps:
    world.client.call_gateway()
    world.gateway.listen(443, stay_silent)
    yield both(sdk_raises("timed out"), direct_works)
    world.gateway.serve("gateway_ok")


@scenario("tls.client_certificate_required", owner="route_provider", needs=("haproxy",))
def gateway_wants_a_client_certificate(world: World) -> Steps:
    world.client.call_gateway()
    roots = world.gateway.folder / "clients.pem"
    roots.write_bytes(INSPECTION_ROOT.pem)
    bind = f"ca-file {roots} verify required"
    daemon = run_haproxy(world.gateway, world.gateway.certificate(), "server s1 127.0.0.1:9", bind=bind)
    yield both(curl_says(GATEWAY_URL, "certificate required"), direct_works)
    world.gateway.stop(daemon)
    world.gateway.serve("gateway_ok")


@scenario("tls.not_tls", owner="route_provider")
def gateway_speaks_plain_http(world: World) -> Steps:
    world.client.call_gateway()
    world.gateway.serve("gateway_ok", plain=True)
    yield both(curl_says(GATEWAY_URL, "wrong version number"), direct_works)
    world.gateway.serve("gateway_ok")


# -- HTTP --------------------------------------------------------------------------------------------------------------


@scenario("http.gateway_error", owner="route_provider", needs=("nginx",))
def gateway_load_balancer_without_backend(world: World) -> Steps:
    world.client.call_gateway()
    daemon = run_nginx(world.gateway, world.gateway.certificate(), "proxy_pass http://127.0.0.1:9;")
    yield both(sdk_raises("InternalServerError 502"), direct_works)
    world.gateway.stop(daemon)
    world.gateway.serve("gateway_ok")


@scenario("http.read_timeout", owner="route_provider")
def gateway_never_answers(world: World) -> Steps:
    world.client.call_gateway()
    world.gateway.serve("silent")
    yield both(sdk_raises("read operation timed out|ReadTimeout"), direct_works)
    world.gateway.serve("gateway_ok")


@scenario("http.reset", owner="route_provider")
def azure_resets_after_the_request(world: World) -> Steps:
    world.client.call_azure()
    world.azure.serve("reset")
    yield both(sdk_raises("reset by peer|ReadError|disconnected"), direct_works)
    world.azure.serve()


@scenario("http.stream_stalled", owner="route_provider")
def gateway_streams_stall(world: World) -> Steps:
    world.client.call_gateway()
    world.gateway.serve("stream_stalled")
    yield both(sdk_raises("timed out|ReadTimeout", how="stream"), direct_works)
    world.gateway.serve("gateway_ok")


@scenario("http.blocked_page", owner="route_provider", needs=("nginx",))
def gateway_firewall_blocks_the_sdk(world: World) -> Steps:
    world.client.call_gateway()
    page = "<html><title>403 Forbidden</title>Request blocked by policy</html>"
    daemon = run_nginx(
        world.gateway, world.gateway.certificate(), f"return 403 '{page}';", server="default_type text/html;"
    )
    yield both(sdk_raises("PermissionDeniedError 403"), direct_works)
    world.gateway.stop(daemon)
    world.gateway.serve("gateway_ok")


@scenario("http.blocked_page", owner="connection_path")
def azure_blocked_as_everything(world: World) -> Steps:
    """A filter with a trusted company root answers for every name."""
    _on_azure(world)
    world.client.trust(INSPECTION_ROOT)
    page = "<html><head><title>Internet Security by Zscaler</title></head><body>Category: Generative AI</body></html>"
    tls = context(INSPECTION_ROOT.issue(AZURE, API))
    world.middle.intercept(answering(403, "text/html", page), tls=tls)
    yield both(curl_says(AZURE_URL, "Zscaler"), curl_says(DIRECT, "Zscaler"))
    world.middle.mend()


@scenario("http.not_an_api", owner="route_provider")
def gateway_base_url_without_v1(world: World) -> Steps:
    world.client.call_gateway()
    world.gateway.serve("not_found_detail")
    yield both(sdk_raises("NotFoundError 404"), direct_works)
    world.gateway.serve("gateway_ok")


@scenario("http.idle_reset", owner="route_provider", options=("--idle", "4"), packets=True)
def azure_load_balancer_forgets_idle_connections(world: World) -> Steps:
    _on_azure(world)
    world.middle.forget_idle(2, "drop", address=_address(AZURE))
    yield both(sdk_raises("first ChatCompletion", "timed out", how="4"), direct_works)
    world.middle.mend()


# -- answers that only the provider gives ----------------------------------------------------------------------------------


@scenario("api.azure_deployment_not_found", owner="route_provider")
def azure_deployment_not_found(world: World) -> Steps:
    world.client.call_azure()
    world.azure.serve("azure_deployment_not_found")
    yield sdk_raises("NotFoundError 404 DeploymentNotFound")
    world.azure.serve()


@scenario("api.azure_resource_not_found", owner="route_provider")
def azure_resource_not_found(world: World) -> Steps:
    world.client.call_azure()
    world.azure.serve("azure_resource_not_found")
    yield sdk_raises("NotFoundError 404")
    world.azure.serve()


@scenario("api.azure_network_denied", owner="route_provider")
def azure_network_denied(world: World) -> Steps:
    world.client.call_azure()
    world.azure.serve("azure_network_denied")
    yield sdk_raises("PermissionDeniedError 403")
    world.azure.serve()


@scenario("api.azure_auth_failed", owner="auth")
def azure_auth_failed(world: World) -> Steps:
    world.client.call_azure()
    world.azure.serve("azure_auth_failed")
    yield sdk_raises("AuthenticationError 401")
    world.azure.serve()


@scenario("api.gateway_upstream_failed", owner="route_provider")
def gateway_upstream_failed(world: World) -> Steps:
    world.client.call_gateway()
    world.gateway.serve("gateway_upstream_failed")
    yield sdk_raises("InternalServerError 500")
    world.gateway.serve("gateway_ok")


@scenario("api.gateway_auth_failed", owner="route_provider")
def gateway_auth_failed(world: World) -> Steps:
    world.client.call_gateway()
    world.gateway.serve("gateway_auth_failed")
    yield sdk_raises("AuthenticationError 401")
    world.gateway.serve("gateway_ok")


# -- by other mechanisms -----------------------------------------------------------------------------------------------


@scenario("tcp.refused", owner="route_provider")
def gateway_on_this_machine_is_not_running(world: World) -> Steps:
    """localhost stands in the hosts file by right; what is wrong is that nobody listens."""
    world.client.environment["OPENAI_BASE_URL"] = "http://localhost:11434/v1"
    yield sdk_raises("Connection refused")
    del world.client.environment["OPENAI_BASE_URL"]


@scenario("tcp.unreachable", owner="connection_path", packets=True)
def azure_and_direct_administratively_prohibited(world: World) -> Steps:
    """The same rule is told as EHOSTUNREACH over IPv4 and as EACCES over IPv6, which is the direct route's first family."""
    _on_azure(world)
    world.middle.close_direct_path("reject with icmpx type admin-prohibited")
    yield sdk_raises("No route to host")
    world.middle.mend()


@scenario("proxy.upstream_failed", needs=("squid",))
def gateway_over_plain_http_is_down_behind_squid(world: World) -> Steps:
    """No tunnel: the proxy's own page comes in the answer's place."""
    _ = world.gateway
    world.client.environment["HTTP_PROXY"] = world.proxy.squid()
    world.client.environment["OPENAI_BASE_URL"] = f"http://{GATEWAY}:4000/v1"
    yield sdk_raises("InternalServerError 503")
    world.gateway.serve("gateway_ok", port=4000, plain=True)
    del world.client.environment["OPENAI_BASE_URL"]


@scenario("proxy.denied", needs=("squid",))
def gateway_over_plain_http_is_denied_by_squid(world: World) -> Steps:
    world.gateway.serve("gateway_ok", port=4000, plain=True)
    world.client.environment["HTTP_PROXY"] = world.proxy.squid("http_access deny all")
    world.client.environment["OPENAI_BASE_URL"] = f"http://{GATEWAY}:4000/v1"
    yield sdk_raises("PermissionDeniedError 403")
    del world.client.environment["OPENAI_BASE_URL"]


_HTTP2_ALONE = """
const fs = require("fs"), [chain, key] = process.argv.slice(2).map((path) => fs.readFileSync(path));
require("http2").createSecureServer({ cert: chain, key: key }, (request, response) => response.end("{}")).listen(443, "::");
"""


@scenario("tls.protocol_mismatch", owner="route_provider", needs=("node",))
def gateway_speaks_http_2_alone(world: World) -> Steps:
    """It takes no http/1.1 in ALPN (RFC 7301), and says so by an alert."""
    world.client.call_gateway()
    chain, key = write(world.gateway.certificate(), world.gateway.folder)
    script = world.gateway.folder / "server.js"
    script.write_text(_HTTP2_ALONE)
    daemon = world.gateway.start(["node", str(script), str(chain), str(key)], ready=world.gateway.listening(443))
    yield both(curl_says(GATEWAY_URL, "no application protocol", "--http1.1"), direct_works)
    world.gateway.stop(daemon)
    world.gateway.serve("gateway_ok")
