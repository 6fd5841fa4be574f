"""Bytes were exchanged, and no API answer came back, on the direct route."""

from tests.world import Steps, World, scenario, sdk_raises
from tests.world.proxies import run_haproxy, run_nginx


@scenario("http.disconnected")
def http_closed_after_request(world: World) -> Steps:
    world.api.serve("disconnect")
    yield sdk_raises("Server disconnected without sending a response")
    world.api.serve()


@scenario("http.read_timeout")
def http_no_response(world: World) -> Steps:
    world.api.serve("silent")
    yield sdk_raises("APITimeoutError", "The read operation timed out|ReadTimeout")
    world.api.serve()


@scenario("http.reset")
def http_reset_after_request(world: World) -> Steps:
    world.api.serve("reset")
    yield sdk_raises("Connection reset by peer|ReadError|disconnected")
    world.api.serve()


@scenario("http.not_an_api", owner="client_config")
def http_wrong_path(world: World) -> Steps:
    world.client.environment["OPENAI_BASE_URL"] = "https://api.openai.com/portal"
    world.api.serve("not_found_html")
    yield sdk_raises("NotFoundError 404")
    del world.client.environment["OPENAI_BASE_URL"]
    world.api.serve()


@scenario("http.gateway_error", needs=("nginx",))
def http_nginx_with_dead_backend(world: World) -> Steps:
    world.api.stop_serving()
    daemon = run_nginx(world.api, world.api.certificate(), "proxy_pass http://127.0.0.1:9;")
    yield sdk_raises("InternalServerError 502")
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.gateway_error", needs=("haproxy",))
def http_haproxy_without_backend(world: World) -> Steps:
    world.api.stop_serving()
    daemon = run_haproxy(world.api, world.api.certificate(), "server s1 127.0.0.1:9")
    yield sdk_raises("InternalServerError 503")
    world.api.stop(daemon)
    world.api.serve()
