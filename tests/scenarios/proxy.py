"""Forward proxies that do not let the request through; the direct path is closed, as it is where proxies are needed."""

from tests.world import API, PROXY, Steps, World, both, curl_says, scenario, sdk_raises
from tests.world.streams import answering, close_after_first_bytes

CONNECT = f"https://{API}/"


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
