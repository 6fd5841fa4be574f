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
    ("overloaded", "api.overloaded", "server", "InternalServerError 503"),
):
    _answered(*_row)
