"""Bytes were exchanged, and no API answer came back, on the direct route."""

import socket
from collections.abc import Callable

from oairunbook.lab import wire
from oairunbook.lab.listener import hold, reset
from tests.world import API, Steps, World, authority, both, curl_says, scenario, sdk_answers, sdk_raises
from tests.world.proxies import run_haproxy, run_nginx
from tests.world.scenario import Proof, curl_varies
from tests.world.streams import answering, every, saying, trickling

URL = f"https://{API}/v1/models"
KEY = ("--header", "authorization: Bearer sk-any")


def _answered(name: str, cause: str, proof: Proof, owner: str = "connection_path") -> Callable[[World], Steps]:
    """The server behaves as one of the lab's answers says."""

    def steps(world: World) -> Steps:
        world.api.serve(name)
        yield proof
        world.api.serve()

    steps.__name__ = f"http_answer_{name}"
    return scenario(cause, owner=owner)(steps)


_answered("disconnect", "http.disconnected", sdk_raises("Server disconnected without sending a response"))
_answered("reset", "http.reset", sdk_raises("Connection reset by peer|ReadError|disconnected"))
_answered("silent", "http.read_timeout", sdk_raises("APITimeoutError", "The read operation timed out|ReadTimeout"))
_answered("truncated", "http.truncated", curl_says(URL, "end of response with .* bytes missing|transfer closed"))
_answered("stream_truncated", "http.truncated", sdk_raises("incomplete|peer closed|disconnected", how="stream"))
_answered("stream_stalled", "http.stream_stalled", sdk_raises("timed out|ReadTimeout", how="stream"))
_answered("stream_buffered", "http.stream_stalled", lambda world: None)
_answered("block_page", "http.blocked_page", curl_says(URL, "403 Forbidden"))
_answered("block_page_200", "http.blocked_page", curl_says(URL, "Web Page Blocked"))
_answered("challenge", "http.blocked_page", curl_says(URL, "cf-mitigated: challenge"))
_answered("redirect", "http.redirected", curl_says(URL, "302 Found"))
_answered("gateway_timeout_html", "http.gateway_error", curl_says(URL, "HTTP/1.1 504"))
_answered("envoy_no_upstream", "http.gateway_error", curl_says(URL, "server: envoy"))
_answered("edge_bad_gateway_json", "http.gateway_error", curl_says(URL, "HTTP/1.1 502"))


def _behind_nginx(
    world: World, location: str, *, answer: str = "ok", server: str = "", upstream: str = "", backend: int = 8080
) -> int:
    """Put nginx in front of the API on its own host."""
    world.api.stop_serving()
    world.api.serve(answer, port=backend, plain=True)
    return run_nginx(world.api, world.api.certificate(), location, server=server, upstream=upstream)


PASS_ON = "proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1; proxy_buffering off;"


@scenario("http.disconnected", needs=("nginx",))
def http_nginx_closes_without_answer(world: World) -> Steps:
    daemon = _behind_nginx(world, "return 444;")
    yield curl_says(URL, "Empty reply from server|unexpected eof|SSL_read")
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.disconnected", needs=("nginx",))
def http_nginx_closes_posts_without_reading_them(world: World) -> Steps:
    """What it has not read by then lets the kernel reset the connection, which is no reset by anybody on the way."""
    daemon = _behind_nginx(world, f"if ($request_method = POST) {{ return 444; }} {PASS_ON}")
    yield sdk_raises("Server disconnected|Connection reset by peer")
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.read_timeout", needs=("nginx",))
def http_nginx_waits_for_its_backend(world: World) -> Steps:
    daemon = _behind_nginx(world, PASS_ON, answer="silent")
    yield curl_says(URL, "Operation timed out", "--max-time", "3")
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.read_timeout", needs=("haproxy",))
def http_haproxy_drops_the_request_silently(world: World) -> Steps:
    world.api.stop_serving()
    daemon = run_haproxy(world.api, world.api.certificate(), "server s1 127.0.0.1:9", front="http-request silent-drop")
    # The connection is gone there: what this side still acknowledges would be answered by a reset.
    world.middle.rule("tcp sport 443 tcp flags & rst == rst drop")
    yield curl_says(URL, "Operation timed out", "--max-time", "3")
    world.middle.mend()
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.read_timeout", packets=True)
def http_answers_lost_after_the_handshake(world: World) -> Steps:
    """The firewall loses the flow once so many bytes have come back: the handshake fits, the answer does not."""
    world.middle.namespace.set("netfilter/nf_conntrack_acct", 1)
    world.middle.rule("tcp sport 443 ct reply bytes > 2200 drop")
    yield sdk_raises("read operation timed out|ReadTimeout")
    world.middle.mend()


@scenario("http.reset", packets=True)
def http_long_requests_are_reset(world: World) -> Steps:
    """A small GET passes; the middlebox resets what carries more."""
    world.middle.rule("tcp dport 443 ct state established meta length > 600 reject with tcp reset")
    yield both(curl_says(URL, "HTTP/1.1 401"), sdk_raises("reset by peer|ReadError|disconnected"))
    world.middle.mend()


@scenario("http.truncated", needs=("nginx",))
def http_nginx_passes_on_a_cut_answer(world: World) -> Steps:
    daemon = _behind_nginx(world, PASS_ON, answer="truncated")
    yield curl_says(URL, "end of response with .* bytes missing|transfer closed|unexpected eof")
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.blocked_page", needs=("nginx",))
def http_waf_blocks_the_sdk_by_its_user_agent(world: World) -> Steps:
    rule = (
        'if ($http_user_agent ~* "openai") { return 403 "<html><title>403 Forbidden</title>Request blocked</html>"; }'
    )
    daemon = _behind_nginx(world, f"{rule} {PASS_ON}", server="default_type text/html;")
    yield both(sdk_raises("PermissionDeniedError 403"), curl_says(URL, "HTTP/1.1 401"))
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.blocked_page", needs=("nginx",))
def http_firewall_blocks_with_its_own_json(world: World) -> Steps:
    body = '{"message":"Forbidden by policy","policy_id":"genai-block","reference":"18.2f3c1602.1700000000.1a2b3c"}'
    daemon = _behind_nginx(world, f"return 403 '{body}';", server="default_type application/json;")
    yield both(sdk_raises("PermissionDeniedError 403"), curl_says(URL, "genai-block"))
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.blocked_page", needs=("nginx",))
def http_filter_blocks_post_alone(world: World) -> Steps:
    page = "<html><title>Web Filter Violation</title><h1>FortiGuard Intrusion Prevention - Access Blocked</h1></html>"
    daemon = _behind_nginx(
        world, f"if ($request_method = POST) {{ return 403 '{page}'; }} {PASS_ON}", server="default_type text/html;"
    )
    yield both(sdk_raises("PermissionDeniedError 403"), curl_says(URL, "HTTP/1.1 401"))
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.blocked_page")
def http_portal_behind_a_trusted_certificate(world: World) -> Steps:
    """Inspection by a company root that this machine trusts, and a page in the API's place: everything looks fine but the body."""
    world.client.trust(authority.INSPECTION_ROOT)
    page = "<html><head><title>Web Page Blocked</title></head><body>Access has been blocked by policy.</body></html>"
    tls = authority.context(authority.INSPECTION_ROOT.issue(API))
    world.middle.intercept(answering(200, "text/html", page), tls=tls)
    yield curl_says(URL, "Web Page Blocked")
    world.middle.mend()


@scenario("http.redirected", needs=("nginx",))
def http_nginx_redirects_to_a_sign_in(world: World) -> Steps:
    daemon = _behind_nginx(world, "return 302 https://login.acme.example/?next=$request_uri;")
    yield curl_says(URL, "location: https://login.acme.example|Location: https://login.acme.example")
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.not_an_api", owner="client_config")
def http_wrong_path(world: World) -> Steps:
    world.client.environment["OPENAI_BASE_URL"] = "https://api.openai.com/portal"
    world.api.serve("not_found_html")
    yield sdk_raises("NotFoundError 404")
    del world.client.environment["OPENAI_BASE_URL"]
    world.api.serve()


@scenario("http.not_an_api", owner="route_provider", needs=("nginx",))
def http_base_url_of_a_web_server(world: World) -> Steps:
    """A page with status 200 raises nothing: the SDK hands it out as text. The direct route beside it is healthy."""
    site = "www.acme.example"
    world.dns.publish(site, world.gateway.place.addresses[0])
    world.client.environment["OPENAI_BASE_URL"] = f"https://{site}/v1"
    world.gateway.stop_serving()
    page = "<html><head><title>Welcome to nginx!</title></head><body>It works</body></html>"
    daemon = run_nginx(
        world.gateway, world.certificate(site), f"return 200 '{page}';", server="default_type text/html;"
    )
    yield curl_says(f"https://{site}/v1/models", "Welcome to nginx")
    world.gateway.stop(daemon)
    del world.client.environment["OPENAI_BASE_URL"]


@scenario("http.gateway_error", needs=("nginx",))
def http_nginx_with_dead_backend(world: World) -> Steps:
    daemon = _behind_nginx(world, "proxy_pass http://127.0.0.1:9;")
    yield sdk_raises("InternalServerError 502")
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.gateway_error", needs=("nginx",))
def http_nginx_with_slow_backend(world: World) -> Steps:
    daemon = _behind_nginx(world, f"{PASS_ON} proxy_read_timeout 1s;", answer="silent")
    yield curl_says(URL, "HTTP/1.1 504")
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.gateway_error", needs=("haproxy",))
def http_haproxy_without_backend(world: World) -> Steps:
    world.api.stop_serving()
    daemon = run_haproxy(world.api, world.api.certificate(), "server s1 127.0.0.1:9")
    yield curl_says(URL, "HTTP/1.1 503")
    world.api.stop(daemon)
    world.api.serve()


# -- connections that were idle ----------------------------------------------------------------------------------------

IDLE = ("--idle", "4")


@scenario("http.idle_reset", options=IDLE, packets=True)
def http_nat_drops_idle_connections(world: World) -> Steps:
    world.middle.forget_idle(2, "drop")
    yield both(sdk_answers, sdk_raises("first ChatCompletion", "timed out", how="4"))
    world.middle.mend()


@scenario("http.idle_reset", options=IDLE, packets=True)
def http_nat_of_one_of_two_addresses_drops_idle_connections(world: World) -> Steps:
    """The address that the transport dials, as the hosts file gives it first; the walk may reach the other one first."""
    first, second = world.api.place.addresses[:2]
    world.client.list_hosts(f"{first} {API}", f"{second} {API}")
    world.middle.forget_idle(2, "drop", address=first)
    yield both(sdk_answers, sdk_raises("first ChatCompletion", "timed out", how="4"))
    world.middle.mend()


@scenario("http.idle_reset", options=IDLE, packets=True)
def http_nat_resets_idle_connections(world: World) -> Steps:
    world.middle.forget_idle(2, "reject with tcp reset")
    yield both(sdk_answers, sdk_raises("first ChatCompletion", "reset by peer|disconnected", how="4"))
    world.middle.mend()


@scenario("http.idle_reset", options=IDLE)
def http_server_resets_idle_connections(world: World) -> Steps:
    world.api.serve("idle_reset")
    yield both(sdk_answers, sdk_raises("first ChatCompletion", "reset by peer|disconnected", how="4"))
    world.api.serve()


# -- that come and go --------------------------------------------------------------------------------------------------


def _varies(pattern: str) -> Proof:
    def prove(world: World) -> None:
        given = [pattern in world.client.curl(URL, *KEY).stderr for _ in range(8)]
        assert len(set(given)) == 2, given

    return prove


@scenario("http.gateway_error", intermittent=True, needs=("haproxy",))
def http_haproxy_with_one_of_two_backends_dead(world: World) -> Steps:
    world.api.stop_serving()
    world.api.serve(port=8080, plain=True)
    pool = "balance roundrobin\n server a 127.0.0.1:8080\n server b 127.0.0.1:9"
    daemon = run_haproxy(world.api, world.api.certificate(), pool)
    yield _varies("503 Service Unavailable")
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.gateway_error", intermittent=True, needs=("nginx",))
def http_nginx_with_one_of_three_backends_dead(world: World) -> Steps:
    pool = "server 127.0.0.1:8080 max_fails=0; server 127.0.0.1:8081 max_fails=0; server 127.0.0.1:9 max_fails=0;"
    daemon = _behind_nginx(world, "proxy_pass http://pool; proxy_next_upstream off;", upstream=pool)
    world.api.serve(port=8081, plain=True)
    yield _varies("502 Bad Gateway")
    world.api.stop(daemon)
    world.api.serve()


@scenario("http.disconnected", intermittent=True)
def http_closed_without_answer_now_and_then(world: World) -> Steps:
    world.api.serve("disconnect", port=444)
    world.api.divert(every=3, to=444)
    yield _varies("HTTP/1.1 200")
    world.api.undivert()


@scenario("http.reset", intermittent=True)
def http_reset_now_and_then(world: World) -> Steps:
    world.api.serve("reset", port=444)
    world.api.divert(every=2, to=444)
    yield _varies("HTTP/1.1 200")
    world.api.undivert()


@scenario("http.read_timeout", intermittent=True)
def http_one_of_two_backends_never_answers(world: World) -> Steps:
    world.api.serve("silent", port=444)
    world.api.divert(every=2, to=444)
    yield curl_varies(URL, attempts=6, good="HTTP/1.1 401")
    world.api.undivert()


# -- by other mechanisms -----------------------------------------------------------------------------------------------


@scenario("http.read_timeout")
def http_answer_comes_one_byte_at_a_time(world: World) -> Steps:
    """No single wait of a transport is long, and no answer ever comes whole."""
    world.api.listen(443, trickling, tls=authority.context(world.api.certificate()))
    yield curl_says(URL, "timed out|Operation timeout")
    world.api.serve()


@scenario("http.truncated")
def http_cut_where_models_are_unknown(world: World) -> Steps:
    """GET /models ends in the server's own 404, which is no fault; the answer to the POST is cut."""
    not_found = (404, (("content-type", "application/json"),), b'{"detail":"Not Found"}')

    def serve(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (request := wire.read_request(stream)) is not None:
                if request.method == "POST":
                    connection.sendall(
                        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"
                    )
                    return
                wire.send_whole(connection, *not_found)

    world.api.listen(443, serve, tls=authority.context(world.api.certificate()))
    yield sdk_raises("peer closed connection without sending complete message body")
    world.api.serve()


# -- of some requests alone --------------------------------------------------------------------------------------------


def _streamed(request: wire.Request) -> bool:
    return b'"stream":true' in request.body.replace(b" ", b"")


def _posted(request: wire.Request) -> bool:
    return request.method == "POST"


def _sdk_varies(world: World) -> None:
    given = [world.client.sdk().startswith("answered") for _ in range(6)]
    assert len(set(given)) == 2, given


_BAD_GATEWAY = saying(502, "text/html", "<html><head><title>502 Bad Gateway</title></head></html>")


@scenario("http.gateway_error")
def http_streams_alone_get_a_bad_gateway(world: World) -> Steps:
    """Every stream and no other request: that does not come and go."""
    world.api.spoil(_streamed, _BAD_GATEWAY)
    yield both(sdk_answers, sdk_raises("502", how="stream"))
    world.api.serve()


@scenario("http.gateway_error", intermittent=True)
def http_posts_alone_get_a_bad_gateway_every_third_time(world: World) -> Steps:
    world.api.spoil(every(3, _posted), _BAD_GATEWAY)
    yield _sdk_varies
    world.api.serve()


def _reset_in_the_answer(connection: socket.socket) -> None:
    connection.sendall(wire.head(200, (("content-type", "application/json"), ("content-length", "900"))) + b"{")
    reset(connection)


@scenario("http.reset")
def http_reset_in_the_answer(world: World) -> Steps:
    """The SDK calls it an incomplete body: above TLS it looks like one."""
    world.api.spoil(_posted, _reset_in_the_answer)
    yield sdk_raises("APIConnectionError", "ReadError|peer closed connection|reset")
    world.api.serve()


@scenario("http.truncated", intermittent=True)
def http_every_other_stream_is_cut(world: World) -> Steps:
    """Whole answers pass, and so does the first stream."""

    world.api.spoil(every(2, _streamed), _cut_in_a_stream)
    yield _streams_vary
    world.api.serve()


@scenario("http.truncated", intermittent=True)
def http_every_third_stream_is_cut(world: World) -> Steps:
    """Both streams of the application's own pass; those that attempts ask for do not all."""
    world.api.spoil(every(3, _streamed), _cut_in_a_stream)
    yield _streams_vary
    world.api.serve()


def _cut_in_a_stream(connection: socket.socket) -> None:
    head = wire.head(200, (("content-type", "text/event-stream"), ("transfer-encoding", "chunked")))
    connection.sendall(
        head + wire.chunk(b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[]}\n\n')
    )


def _streams_vary(world: World) -> None:
    ends = {"answered" in world.client.sdk("stream") for _ in range(4)}
    assert len(ends) == 2, f"four streams ended alike: {ends}"


@scenario("http.stream_stalled", intermittent=True)
def http_every_other_stream_stops_arriving(world: World) -> Steps:
    """Whole answers pass, and so does one of two streams at a time; the other one begins and goes no further."""

    def stop(connection: socket.socket) -> None:
        head = wire.head(200, (("content-type", "text/event-stream"), ("transfer-encoding", "chunked")))
        connection.sendall(head + wire.chunk(b'data: {"choices": []}\n\n'))
        hold(connection)

    world.api.spoil(every(2, _streamed), stop)
    yield _streams_vary
    world.api.serve()
