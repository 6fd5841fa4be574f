"""Addresses that cannot be connected to, on the direct route."""

from tests.world import Steps, World, scenario, sdk_raises
from tests.world.streams import reset_at_once


@scenario("tcp.refused")
def tcp_refused_nobody_listens(world: World) -> Steps:
    world.api.stop_serving()
    yield sdk_raises("Connection refused")
    world.api.serve()


@scenario("tcp.refused")
def tcp_refused_by_firewall(world: World) -> Steps:
    world.middle.reject("tcp reset")
    yield sdk_raises("Connection refused")
    world.middle.mend()


@scenario("tcp.timeout")
def tcp_timeout(world: World) -> Steps:
    world.middle.drop()
    yield sdk_raises("APITimeoutError", "timed out")
    world.middle.mend()


@scenario("tcp.unreachable")
def tcp_administratively_prohibited(world: World) -> Steps:
    world.middle.reject("icmpx type admin-prohibited")
    yield sdk_raises(r"Errno (113|13)\b")
    world.middle.mend()


@scenario("tcp.unreachable")
def tcp_host_unreachable(world: World) -> Steps:
    world.middle.reject("icmpx type host-unreachable")
    yield sdk_raises(r"Errno 113\b.*No route to host")
    world.middle.mend()


@scenario("tcp.unreachable")
def tcp_no_default_route(world: World) -> Steps:
    world.client.remove_default_routes()
    yield sdk_raises(r"Errno 101\b.*Network is unreachable")
    world.client.add_default_routes()


@scenario("tcp.reset")
def tcp_reset_after_accept(world: World) -> Steps:
    world.api.stop_serving()
    world.api.listen(443, reset_at_once)
    yield sdk_raises("Connection reset by peer|UNEXPECTED_EOF")
    world.api.serve()
