"""The Azure and gateway routes: a fault there is the provider's, as long as the direct route does not show it too."""

from tests.world import AZURE, GATEWAY, Steps, World, scenario, sdk_raises
from tests.world.proxies import run_nginx


def _on_azure(world: World) -> None:
    world.azure.serve()
    world.client.call_azure()


def _on_gateway(world: World) -> None:
    world.gateway.serve("gateway_ok")
    world.client.call_gateway()


@scenario("tcp.timeout", owner="route_provider")
def azure_timeout_direct_works(world: World) -> Steps:
    _on_azure(world)
    world.middle.drop(address=world.azure.place.addresses[0])
    yield sdk_raises("timed out")
    world.middle.mend()


@scenario("tcp.timeout", owner="connection_path")
def azure_timeout_direct_too(world: World) -> Steps:
    _on_azure(world)
    world.middle.drop()
    yield sdk_raises("timed out")
    world.middle.mend()


@scenario("dns.nxdomain", owner="route_provider")
def azure_name_unknown(world: World) -> Steps:
    _on_azure(world)
    world.dns.fail("NXDOMAIN", AZURE)
    yield sdk_raises("Name or service not known")
    world.dns.mend()


@scenario("api.azure_deployment_not_found", owner="route_provider")
def azure_deployment_not_found(world: World) -> Steps:
    world.client.call_azure()
    world.azure.serve("azure_deployment_not_found")
    yield sdk_raises("NotFoundError 404 DeploymentNotFound")
    world.azure.serve()


@scenario("tcp.refused", owner="route_provider")
def gateway_refuses(world: World) -> Steps:
    world.client.call_gateway()
    _ = world.gateway
    yield sdk_raises("Connection refused")
    world.gateway.serve("gateway_ok")


@scenario("tls.expired", owner="route_provider")
def gateway_certificate_expired(world: World) -> Steps:
    world.client.call_gateway()
    world.gateway.serve("gateway_ok", certificate=world.certificate(GATEWAY, expired=True))
    yield sdk_raises("certificate has expired")
    world.gateway.serve("gateway_ok")


@scenario("http.gateway_error", owner="route_provider", needs=("nginx",))
def gateway_load_balancer_without_backend(world: World) -> Steps:
    world.client.call_gateway()
    daemon = run_nginx(world.gateway, world.gateway.certificate(), "proxy_pass http://127.0.0.1:9;")
    yield sdk_raises("InternalServerError 502")
    world.gateway.stop(daemon)
    world.gateway.serve("gateway_ok")


@scenario("api.gateway_upstream_failed", owner="route_provider")
def gateway_upstream_failed(world: World) -> Steps:
    world.client.call_gateway()
    world.gateway.serve("gateway_upstream_failed")
    yield sdk_raises("InternalServerError 500")
    world.gateway.serve("gateway_ok")


@scenario("dns.timeout", owner="connection_path")
def gateway_resolver_silent(world: World) -> Steps:
    _on_gateway(world)
    world.dns.silence()
    yield sdk_raises("Temporary failure in name resolution")
    world.dns.mend()
