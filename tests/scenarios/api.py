"""API answers on the direct route: the path is whole, and the owner changes."""

from collections.abc import Callable

from tests.world import Steps, World, scenario, sdk_raises


def _answered(name: str, cause: str, owner: str, proof: str) -> Callable[[World], Steps]:
    def steps(world: World) -> Steps:
        world.api.serve(name)
        yield sdk_raises(proof)
        world.api.serve()

    steps.__name__ = f"api_{name}"
    return scenario(cause, owner=owner)(steps)


for _row in (
    ("invalid_key", "api.invalid_key", "auth", "AuthenticationError 401 invalid_api_key"),
    ("insufficient_quota", "api.insufficient_quota", "quota_or_rate", "RateLimitError 429 insufficient_quota"),
    ("rate_limited", "api.rate_limited", "quota_or_rate", "RateLimitError 429 rate_limit_exceeded"),
    ("server_error", "api.server_error", "server", "InternalServerError 500"),
    ("model_not_found", "api.model_not_found", "request", "NotFoundError 404 model_not_found"),
    ("region_unsupported", "api.region_unsupported", "auth", "PermissionDeniedError 403"),
    ("permission_denied", "api.permission_denied", "auth", "40[13]"),
    ("ip_not_allowed", "api.ip_not_allowed", "auth", "40[13]"),
    ("overloaded", "api.overloaded", "server", "InternalServerError 503"),
):
    _answered(*_row)


@scenario("api.server_error", owner="server", intermittent=True)
def api_server_error_now_and_then(world: World) -> Steps:
    world.api.serve("server_error", port=444)
    world.api.divert(every=2, to=444)

    def varies(world: World) -> None:
        given = [world.client.sdk().startswith("InternalServerError 500") for _ in range(4)]
        assert len(set(given)) == 2, given

    yield varies
    world.api.undivert()
