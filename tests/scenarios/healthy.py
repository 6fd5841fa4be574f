"""Healthy paths with oddities: none of them may be called faulty. Each takes its oddity away as the control."""

from tests.world import API, STATUS, Steps, World, scenario, sdk_answers
from tests.world.authority import INSPECTION_ROOT


def healthy(**more: tuple[str, ...]):  # type: ignore[no-untyped-def]
    return scenario("ok", owner="none", **more)


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
