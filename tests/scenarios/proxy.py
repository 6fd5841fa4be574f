"""Forward proxies that do not let the request through; the direct path is closed, as it is where proxies are needed."""

from tests.world import API, PROXY, Steps, World, both, curl_says, scenario, sdk_raises
from tests.world.authority import INSPECTION_ROOT, PUBLIC_ROOT
from tests.world.proxies import run_nginx
from tests.world.streams import answering, close_after_first_bytes, reset_after_first_bytes, stay_silent

CONNECT = f"https://{API}/v1/models"


@scenario("proxy.unreachable")
def proxy_refuses(world: World) -> Steps:
    world.client.use_proxy(f"http://{PROXY}:3128")
    _ = world.proxy
    yield both(sdk_raises("Connection refused"), curl_says(CONNECT, r"connect to .*3128.* failed: Connection refused"))
    world.proxy.squid()


@scenario("proxy.unreachable", needs=("squid",))
def proxy_black_hole(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid())
    world.middle.drop(port=3128)
    yield sdk_raises("timed out")
    world.middle.mend()


@scenario("proxy.unresolvable", needs=("squid",))
def proxy_name_unknown(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid())
    world.dns.fail("NXDOMAIN", PROXY)
    yield both(sdk_raises("Name or service not known"), curl_says(CONNECT, "Could not resolve proxy"))
    world.dns.mend()


@scenario("proxy.auth_required", needs=("squid",))
def proxy_wants_password(world: World) -> Steps:
    good = world.proxy.squid(password=True)
    world.client.use_proxy(f"http://{PROXY}:3128")
    yield sdk_raises("407 Proxy Authentication Required")
    world.client.use_proxy(good)


@scenario("proxy.auth_required", needs=("squid",))
def proxy_wrong_password(world: World) -> Steps:
    good = world.proxy.squid(password=True)
    world.client.use_proxy(world.canaries.proxy_url(PROXY, 3128, user="nobody"))
    yield sdk_raises("407 Proxy Authentication Required")
    world.client.use_proxy(good)


@scenario("proxy.denied", needs=("squid",))
def proxy_squid_denies(world: World) -> Steps:
    world.client.use_proxy(
        world.proxy.squid(f"acl openai dstdomain {API}\nhttp_access deny openai\nhttp_access allow all")
    )
    yield sdk_raises("403 Forbidden")
    world.proxy.squid()


@scenario("proxy.denied", needs=("tinyproxy",))
def proxy_tinyproxy_filters(world: World) -> Steps:
    filtered = world.proxy.filter_list("openai")
    world.client.use_proxy(world.proxy.tinyproxy(f'Filter "{filtered}"'))
    yield sdk_raises("403 ")
    world.proxy.tinyproxy()


@scenario("proxy.upstream_failed", needs=("squid",))
def proxy_squid_cannot_connect(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid())
    world.api.stop_serving()
    yield sdk_raises("50[0-9] ")
    world.api.serve()


@scenario("proxy.upstream_failed", needs=("squid",))
def proxy_squid_cannot_resolve(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid())
    world.dns.fail("NXDOMAIN", API)
    yield both(sdk_raises("50[0-9] "), curl_says(CONNECT, "ERR_DNS_FAIL|ERR_CANNOT_FORWARD"))
    world.dns.mend()
    # squid remembers that the name failed.
    world.proxy.squid()


@scenario("proxy.upstream_failed", needs=("tinyproxy",))
def proxy_tinyproxy_cannot_connect(world: World) -> Steps:
    world.client.use_proxy(world.proxy.tinyproxy())
    world.api.stop_serving()
    yield sdk_raises("50[0-9] ")
    world.api.serve()


@scenario("proxy.protocol_error", needs=("squid",))
def proxy_is_a_web_server(world: World) -> Steps:
    world.client.use_proxy(f"http://{PROXY}:3128")
    world.proxy.listen(3128, answering(405, "text/html", "<html><title>405 Not Allowed</title></html>"))
    yield sdk_raises("40[05] ")
    world.proxy.squid()


@scenario("proxy.protocol_error", needs=("squid",))
def proxy_closes_without_answer(world: World) -> Steps:
    world.client.use_proxy(f"http://{PROXY}:3128")
    world.proxy.listen(3128, close_after_first_bytes)
    yield sdk_raises("Server disconnected without sending a response")
    world.proxy.squid()


@scenario("client.proxy_config_invalid", owner="client_config", needs=("danted", "squid"))
def proxy_socks_without_socksio(world: World) -> Steps:
    world.client.use_proxy(world.proxy.dante())
    world.client.block_module("socksio")
    yield sdk_raises("socksio")
    world.client.use_proxy(world.proxy.squid())


@scenario("proxy.denied", needs=("danted",), modules=("socksio",))
def proxy_dante_denies(world: World) -> Steps:
    world.client.use_proxy(world.proxy.dante("socks block { from: 0/0 to: 0/0 }"))
    yield sdk_raises("ProxyError")
    world.proxy.dante()


@scenario("proxy.upstream_failed", needs=("danted",), modules=("socksio",))
def proxy_dante_cannot_connect(world: World) -> Steps:
    world.client.use_proxy(world.proxy.dante())
    world.api.stop_serving()
    yield sdk_raises("ProxyError")
    world.api.serve()


# -- further software, and other ways to fail ---------------------------------------------------------------------------


@scenario("proxy.unreachable", needs=("squid",), packets=True)
def proxy_administratively_prohibited(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid())
    world.middle.reject("icmpx type admin-prohibited", port=3128)
    yield curl_says(CONNECT, "No route to host")
    world.middle.mend()


@scenario("proxy.unresolvable", needs=("tinyproxy",))
def proxy_name_without_address(world: World) -> Steps:
    world.client.use_proxy(world.proxy.tinyproxy())
    world.dns.publish(PROXY)
    yield curl_says(CONNECT, "Could not resolve proxy")
    world.dns.publish(PROXY, "10.21.0.3")


@scenario("proxy.auth_required", needs=("tinyproxy",))
def proxy_tinyproxy_wants_password(world: World) -> Steps:
    world.client.use_proxy(world.proxy.tinyproxy("BasicAuth runner secretpw"))
    yield both(sdk_raises("ProxyError 407|40[17] "), curl_says(CONNECT, "Proxy Authentication Required|40[17] "))
    world.client.use_proxy(f"http://runner:secretpw@{PROXY}:8888")


@scenario("proxy.auth_required", needs=("microsocks",), modules=("socksio",))
def proxy_microsocks_wants_password(world: World) -> Steps:
    world.client.use_proxy(world.proxy.microsocks("-u", "runner", "-P", "secretpw"))
    yield both(sdk_raises("ProxyError"), curl_says(CONNECT, "SOCKS5|authentication"))
    world.client.use_proxy(f"socks5h://runner:secretpw@{PROXY}:1080")


@scenario("proxy.auth_required", needs=("haproxy", "squid"))
def proxy_haproxy_wants_password(world: World) -> Steps:
    """In front of a company's proxies; its answer is a 407 of its own."""
    world.client.use_proxy(
        world.proxy.haproxy('http-request return status 407 hdr Proxy-Authenticate "Basic realm=acme"')
    )
    yield sdk_raises("407")
    world.proxy.squid()


@scenario("proxy.denied", needs=("squid",))
def proxy_squid_denies_the_port(world: World) -> Steps:
    world.client.use_proxy(
        world.proxy.squid("acl safe port 563\nhttp_access deny CONNECT !safe\nhttp_access allow all")
    )
    yield sdk_raises("403 Forbidden")
    world.proxy.squid()


@scenario("proxy.denied", needs=("haproxy", "squid"))
def proxy_haproxy_denies(world: World) -> Steps:
    world.client.use_proxy(world.proxy.haproxy("http-request deny deny_status 403"))
    yield sdk_raises("403")
    world.proxy.squid()


@scenario("proxy.upstream_failed", needs=("squid",), packets=True)
def proxy_squid_gets_no_answer_from_upstream(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid(connect_seconds=1))
    world.middle.rule("ip saddr 10.30.0.0/16 tcp dport 443 drop", "ip6 saddr fd30::/16 tcp dport 443 drop")
    yield curl_says(CONNECT, "50[34] ", "--max-time", "9")
    world.middle.mend()


@scenario("proxy.upstream_failed", needs=("microsocks",), modules=("socksio",))
def proxy_microsocks_cannot_connect(world: World) -> Steps:
    world.client.use_proxy(world.proxy.microsocks())
    world.api.stop_serving()
    yield sdk_raises("ProxyError")
    world.api.serve()


@scenario("proxy.upstream_failed", needs=("haproxy", "squid"))
def proxy_haproxy_without_proxies_behind_it(world: World) -> Steps:
    world.client.use_proxy(world.proxy.haproxy("default_backend back\nbackend back\n server s1 127.0.0.1:9"))
    yield sdk_raises("503")
    world.proxy.squid()


@scenario("proxy.protocol_error", needs=("nginx", "squid"))
def proxy_is_nginx(world: World) -> Steps:
    daemon = run_nginx(world.proxy, None, "return 200;", port=3128)
    world.client.use_proxy(f"http://{PROXY}:3128")
    yield sdk_raises("40[05]")
    world.proxy.stop(daemon)
    world.proxy.squid()


@scenario("proxy.protocol_error", needs=("microsocks", "squid"))
def proxy_speaks_socks_and_is_called_http(world: World) -> Steps:
    world.proxy.microsocks()
    world.client.use_proxy(f"http://{PROXY}:1080")
    yield sdk_raises("disconnected|ProtocolError|reset")
    world.client.use_proxy(world.proxy.squid())


@scenario("proxy.protocol_error", needs=("squid",), modules=("socksio",))
def proxy_speaks_http_and_is_called_socks(world: World) -> Steps:
    url = world.proxy.squid()
    world.client.use_proxy(f"socks5h://{PROXY}:3128")
    yield sdk_raises("ProxyError|ProtocolError|disconnected|timed out")
    world.client.use_proxy(url)


@scenario("proxy.protocol_error", needs=("squid", "stunnel4"))
def proxy_wants_tls_and_is_called_http(world: World) -> Steps:
    world.proxy.squid()
    url = world.proxy.stunnel(PUBLIC_ROOT.issue(PROXY), 3128)
    world.client.use_proxy(url.replace("https://", "http://"))
    yield sdk_raises("disconnected|ProtocolError|reset|illegal")
    world.client.use_proxy(url)


@scenario("proxy.protocol_error", needs=("squid",))
def proxy_accepts_and_stays_silent(world: World) -> Steps:
    world.client.use_proxy(f"http://{PROXY}:3128")
    world.proxy.listen(3128, stay_silent)
    yield sdk_raises("timed out")
    world.proxy.close_port(3128)
    world.proxy.squid()


# -- around the proxy ---------------------------------------------------------------------------------------------------


@scenario("proxy.bypassed", owner="client_config", needs=("squid",))
def proxy_bypassed_by_no_proxy(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid())
    world.client.environment["NO_PROXY"] = "localhost,.openai.com"
    world.middle.close_direct_path()
    yield sdk_raises("timed out")
    del world.client.environment["NO_PROXY"]


@scenario("proxy.bypassed", owner="client_config", needs=("squid",))
def proxy_bypassed_by_a_star(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid())
    world.client.environment["no_proxy"] = "*"
    world.middle.close_direct_path()
    yield sdk_raises("timed out")
    del world.client.environment["no_proxy"]


@scenario("proxy.bypassed", owner="client_config", needs=("tinyproxy",))
def proxy_variable_for_http_alone(world: World) -> Steps:
    """Somebody set HTTP_PROXY and thought of all requests; the API is https."""
    world.client.environment["HTTP_PROXY"] = url = world.proxy.tinyproxy()
    world.middle.close_direct_path("reject with icmpx type admin-prohibited")
    yield sdk_raises(r"Errno (113|13)\b")
    world.client.use_proxy(url)


@scenario("tcp.timeout", needs=("squid",))
def proxy_bypassed_and_of_no_use(world: World) -> Steps:
    """The near miss: the proxy that is bypassed would not work either, so the closed path stays the cause."""
    world.client.use_proxy(world.proxy.squid())
    world.client.environment["NO_PROXY"] = API
    world.middle.drop()
    yield sdk_raises("timed out")
    world.middle.mend()


# -- that come and go ---------------------------------------------------------------------------------------------------


def _varies(world: World) -> None:
    given = ["HTTP/1.1 401" in world.client.curl(CONNECT).stderr for _ in range(6)]
    assert len(set(given)) == 2, given


@scenario("proxy.unreachable", intermittent=True, needs=("squid",))
def proxy_one_of_two_is_down(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid())
    world.proxy.divert(every=2, to=3129, port=3128)
    yield _varies
    world.proxy.undivert()


@scenario("proxy.denied", intermittent=True, needs=("squid",))
def proxy_one_of_two_denies(world: World) -> Steps:
    """A pair of proxies whose rules differ."""
    world.client.use_proxy(world.proxy.squid())
    world.proxy.listen(3129, answering(403, "text/html", "<html><title>403 Forbidden</title>Denied by policy</html>"))
    world.proxy.divert(every=2, to=3129, port=3128)
    yield _varies
    world.proxy.undivert()


@scenario("proxy.upstream_failed", intermittent=True, needs=("squid",))
def proxy_one_of_three_has_lost_its_upstream(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid())
    world.proxy.listen(3129, answering(503, "text/html", "<html><title>503 Service Unavailable</title></html>"))
    world.proxy.divert(every=3, to=3129, port=3128)
    yield _varies
    world.proxy.undivert()


# -- the proxy works, and what comes after it does not -----------------------------------------------------------------


@scenario("tls.untrusted_issuer", needs=("squid",))
def proxy_squid_and_inspection_behind_it(world: World) -> Steps:
    world.client.use_proxy(world.proxy.squid())
    world.middle.inspect(INSPECTION_ROOT)
    yield sdk_raises("CERTIFICATE_VERIFY_FAILED")
    world.client.trust(INSPECTION_ROOT)


@scenario("tls.expired", needs=("microsocks",), modules=("socksio",))
def proxy_microsocks_and_an_expired_certificate(world: World) -> Steps:
    world.client.use_proxy(world.proxy.microsocks())
    world.api.serve(certificate=world.certificate(API, expired=True))
    yield sdk_raises("certificate has expired")
    world.api.serve()


@scenario("tls.reset", needs=("tinyproxy",))
def proxy_tinyproxy_and_a_reset_handshake(world: World) -> Steps:
    world.client.use_proxy(world.proxy.tinyproxy())
    world.api.listen(443, reset_after_first_bytes)
    yield sdk_raises("EOF|reset")
    world.api.serve()


# -- by other mechanisms -----------------------------------------------------------------------------------------------


@scenario("proxy.protocol_error")
def proxy_is_a_web_server_that_answers_everything(world: World) -> Steps:
    """200 and a page to CONNECT as well: what follows is no tunnel."""
    world.client.use_proxy(f"http://{PROXY}:3128")
    world.proxy.listen(3128, answering(200, "text/html", "<html><h1>It works!</h1></html>"))
    yield curl_says(CONNECT, "It works|SSL|reset|HTTP/1.1 200 OK")
    world.proxy.close_port(3128)
    world.proxy.squid()


@scenario("proxy.denied", needs=("squid",))
def proxy_squid_redirects_to_a_page_of_its_own(world: World) -> Steps:
    rules = (
        f"acl openai dstdomain {API}",
        "deny_info 302:http://portal.acme.example/denied openai",
        "http_access deny openai",
        "http_access allow all",
    )
    world.client.use_proxy(world.proxy.squid("\n".join(rules)))
    yield sdk_raises("302 ")
    world.proxy.squid()
