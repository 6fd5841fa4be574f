"""API answers on the direct route: the path is whole, and the owner changes."""

import json
from collections.abc import Callable

from oairunbook.lab import wire
from tests.world import API, Steps, World, authority, scenario, sdk_raises
from tests.world.scenario import curl_varies
from tests.world.streams import answering, every, saying


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
    ("missing_key", "api.missing_key", "auth", "AuthenticationError 401"),
    ("organization_mismatch", "api.organization_mismatch", "auth", "AuthenticationError 401"),
    ("endpoint_not_found", "api.endpoint_not_found", "request", "NotFoundError 404"),
    ("bad_request", "api.bad_request", "request", "BadRequestError 400"),
):
    _answered(*_row)


@scenario("api.server_error", owner="server", intermittent=True)
def api_server_fails_now_and_then_before_it_looks_at_the_key(world: World) -> Steps:
    message = "Internal error in the authentication backend"
    body = {"error": {"message": message, "type": "auth_subrequest_error", "param": None, "code": "internal_error"}}
    tls = authority.context(world.api.certificate())
    world.api.listen(444, answering(500, "application/json", json.dumps(body)), tls=tls)
    world.api.divert(every=2, to=444)
    yield curl_varies(f"https://{API}/v1/models")
    world.api.undivert()


def _with_a_key(request: wire.Request) -> bool:
    return "sk-proj" in str(request.headers.get("authorization", ""))


@scenario("api.rate_limited", owner="quota_or_rate", intermittent=True)
def api_limits_every_other_request(world: World) -> Steps:
    error = {
        "message": "Rate limit reached for requests",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    world.api.spoil(every(2, _with_a_key), saying(429, "application/json", json.dumps({"error": error})))

    def varies(world: World) -> None:
        given = ["rate_limit_exceeded" in world.client.sdk() for _ in range(4)]
        assert len(set(given)) == 2, given

    yield varies
    world.api.serve()


@scenario("api.server_error", owner="server")
def api_breaks_without_an_api_body(world: World) -> Steps:
    world.api.listen(
        443,
        answering(500, "text/plain", "Internal Server Error"),
        tls=authority.context(world.api.certificate()),
    )
    yield sdk_raises("InternalServerError 500")
    world.api.serve()


@scenario("api.rate_limited", owner="quota_or_rate", intermittent=True)
def api_limits_every_other_generation(world: World) -> Steps:
    """The list of models is not limited: of the application's own requests one of those beside the first is."""
    error = {
        "message": "Rate limit reached for gpt-5-mini",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    limited = every(2, lambda request: _with_a_key(request) and request.method == "POST")
    world.api.spoil(limited, saying(429, "application/json", json.dumps({"error": error})))
    yield _own_requests_vary
    world.api.serve()


def _own_requests_vary(world: World) -> None:
    ends = {world.client.sdk().partition("\n")[0][:20] for _ in range(4)}
    assert len(ends) == 2, f"four requests ended alike: {ends}"
