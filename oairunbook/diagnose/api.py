# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""`api`: an API answer came back, and with it the owner changes. Status and body decide, never the route in front."""

from __future__ import annotations

from collections.abc import Callable

from oairunbook.diagnose import error_words
from oairunbook.diagnose.catalogue import Cause, Finding
from oairunbook.diagnose.reading import answers, cite, is_api_answer, one_path_away, request_succeeded
from oairunbook.evidence import ApiError, Evidence, HttpAnswer, Observation, SdkFailed, quoted_id

_UNKNOWN_ERROR = ApiError(message=None)


def decide(evidence: Evidence, answer: HttpAnswer) -> str | None:
    """Cause id of one API error answer; None if it is no error or says nothing (facts: openai_api section 2, azure section 2, gateways)."""
    if answer.status < 400 and answer.body.error is None:
        return None
    error = answer.body.error or _UNKNOWN_ERROR
    family, host = evidence.route.family, evidence.route.host
    return error_words.at_host(
        host, answer.status, error, error_words.named(answer.status, error, family)
    ) or error_words.by_status(answer.status, family)


_NEXT_BY_CODE = {
    "incorrect_hostname": (
        "Set the base URL to the host of the key's own region (us., eu., … before api.openai.com); the key is good.",
    ),
}
"""Steps that one code calls for before those of its cause."""


def _rule(identity: str) -> Callable[[Evidence], Finding | None]:
    def applies(evidence: Evidence) -> Finding | None:
        succeeded = request_succeeded(evidence)
        for observation, answer, own_key in answers(evidence):
            if succeeded and not (_of_stream(observation) and answer.status >= 500):
                # What works whole and is refused as a stream is the application's affair; a server that fails now and then is not.
                continue
            # Without the application's own key a refusal for want of it is what the path should answer.
            if (not own_key and answer.status in (401, 403)) or not is_api_answer(evidence, answer):
                continue
            if decide(evidence, answer) == identity:
                own = _NEXT_BY_CODE.get((answer.body.error or _UNKNOWN_ERROR).code or "", ())
                because, step = one_path_away(evidence) if identity == "api.endpoint_not_found" else ((), ())
                return Finding(
                    because=(cite(observation, fact(answer)), *because), certainty="proven", next=(*own, *step)
                )
        return None

    return applies


def fact(answer: HttpAnswer) -> str:
    """An error answer in a line: status, what its error object says, request id."""
    error = answer.body.error
    request_id = quoted_id(answer.headers)
    parts = [f"status {answer.status}"]
    if error is not None:
        parts += [
            f"{name} {value!r}"
            for name, value in (("type", error.type), ("code", error.code), ("message", error.message))
            if value
        ]
    parts.append(f"request id {request_id}" if request_id else "no request id")
    return ", ".join(parts)


def _error_in_stream(evidence: Evidence) -> Finding | None:
    """An `error` event inside a stream raises a plain `APIError` without a status."""
    for observation, failed in evidence.of(SdkFailed):
        if failed.stream and failed.answer is None and failed.errors and failed.errors[0].type == "openai.APIError":
            return Finding(
                because=(cite(observation, f"the stream carried an error: {failed.errors[0].text}"),),
                certainty="likely",
            )
    return None


def _of_stream(observation: Observation) -> bool:
    return observation.id == "sdk.stream"


def _bare(evidence: Evidence, status: int) -> Finding | None:
    """An error status that says enough by itself, with no API body: an application or its guard that says no more (Starlette, nginx)."""
    succeeded = request_succeeded(evidence)
    for observation, answer, own_key in answers(evidence):
        if answer.status == status and own_key and not is_api_answer(evidence, answer):
            if succeeded and not _of_stream(observation):
                continue
            said = answer.body.title or answer.body.sample[:80]
            return Finding(because=(cite(observation, f"{fact(answer)}, {said!r}"),), certainty="likely")
    return None


def _rate_limited(evidence: Evidence) -> Finding | None:
    return _rule("api.rate_limited")(evidence) or _bare(evidence, 429)


def _gateway_auth_failed(evidence: Evidence) -> Finding | None:
    found = _rule("api.gateway_auth_failed")(evidence)
    return found or (_bare(evidence, 401) if evidence.route.family == "gateway" else None)


def _server_error(evidence: Evidence) -> Finding | None:
    return _rule("api.server_error")(evidence) or _error_in_stream(evidence) or _nameless_failure(evidence)


def _nameless_failure(evidence: Evidence) -> Finding | None:
    """A 5xx without an API's body or request id, and not one of those by which an intermediary speaks of another: some server failed."""
    if request_succeeded(evidence):
        return None
    for observation, answer, _ in answers(evidence):
        if (
            500 <= answer.status < 520
            and answer.status not in (501, 502, 503, 504)
            and not is_api_answer(evidence, answer)
        ):
            said = f"{fact(answer)}, and no API body: a server failed at this request, and nothing shows whose it is"
            return Finding(because=(cite(observation, said),), certainty="likely")
    return None


_KEEP = "Keep the request id if there is one, the time and the region: support needs them."
_NO_ROTATE = "Do not rotate the key: nothing refused it."

CAUSES = (
    Cause(id="api.missing_key", owner="auth", meaning="401: no credentials arrived.",
          next=("Find out what removes the Authorization header on this path: a redirect, a gateway, a wrapper.",), do_not=("Do not rotate the key: none arrived.",), applies=_rule("api.missing_key")),
    Cause(id="api.organization_mismatch", owner="auth", meaning="Organization or project do not fit the key.",
          next=("Compare OPENAI_ORG_ID and OPENAI_PROJECT_ID with the key's own organization and project, or leave them out.",),
          do_not=("Do not rotate the key: what stands beside it does not fit.",), applies=_rule("api.organization_mismatch")),
    Cause(id="api.ip_not_allowed", owner="auth", meaning="The caller's address is not on the project's allow list.",
          next=("Find the address that this runtime leaves by (NAT, VPN, proxy), and have it put on the allow list; a change takes up to 15 minutes.",),
          do_not=(_NO_ROTATE,), applies=_rule("api.ip_not_allowed")),
    Cause(id="api.region_unsupported", owner="auth", meaning="403: the country, region or territory is not supported.",
          next=("Find out where this runtime leaves to the Internet, and pin it to a supported region.",), do_not=(_NO_ROTATE,),
          applies=_rule("api.region_unsupported")),
    Cause(id="api.permission_denied", owner="auth", meaning="The key lacks the permission.",
          next=("Give the key the scope that the answer names; a change takes up to 15 minutes.",), do_not=("Do not rotate the key: a new one of the same role has the same scopes.",), applies=_rule("api.permission_denied")),
    Cause(id="api.azure_auth_failed", owner="auth", meaning="Azure refuses the key or token: wrong key, endpoint or audience, or no role.",
          next=("Check that key and endpoint belong to the same resource.", "With a token check its audience and the role Cognitive Services OpenAI User."),
          do_not=("Do not regenerate the resource's key before key and endpoint were compared: its other clients would fail too.",), applies=_rule("api.azure_auth_failed")),
    Cause(id="api.invalid_key", owner="auth", meaning="401: the key is wrong, revoked, or belongs to another endpoint.",
          next=("Compare the fingerprint of the key with that of the application's own.", "Check that base URL and key belong together.",
                "Then issue a new key, if it was revoked."), do_not=("Do not revoke the key before it is known which one this process sends: others may use it.",), applies=_rule("api.invalid_key")),
    Cause(id="api.azure_deployment_not_found", owner="route_provider", meaning="404 DeploymentNotFound.",
          next=("Compare the deployment's name with the resource's list; a new one takes up to 5 minutes.",), do_not=(_NO_ROTATE,), applies=_rule("api.azure_deployment_not_found")),
    Cause(id="api.azure_resource_not_found", owner="route_provider", meaning="404 Resource not found: path or API version.",
          next=("Compare endpoint, path and api-version with the resource's own; do not put /openai/v1 into azure_endpoint.",),
          do_not=("Do not rotate the key: it is not what was refused.",), applies=_rule("api.azure_resource_not_found")),
    Cause(id="api.azure_network_denied", owner="route_provider", meaning="403: virtual network, firewall or private endpoint rule of the resource.",
          next=("Ask who runs the Azure resource to allow this source, or resolve its name inside the virtual network; a change takes 10 to 30 minutes.",),
          do_not=("Do not open the resource to all networks.", "Do not rotate the key: it is not what was refused.",), applies=_rule("api.azure_network_denied")),
    Cause(id="api.gateway_auth_failed", owner="route_provider", meaning="The gateway's own credentials check failed.",
          next=("Ask who runs the gateway which key it expects, and in which header.",), do_not=("Do not rotate the upstream's key: the gateway's own check failed.",), applies=_gateway_auth_failed),
    Cause(id="api.gateway_upstream_failed", owner="route_provider", meaning="The gateway answered that its own upstream failed.",
          next=("Ask who runs the gateway; give them its request id and the time. The failing path is theirs, not this runtime's.",),
          do_not=("Do not change this runtime's network or key: the gateway was reached.",), applies=_rule("api.gateway_upstream_failed")),
    Cause(id="api.model_not_found", owner="request", meaning="The model does not exist, or the key has no access to it.",
          next=("Compare the model's name with the list that this key sees.",), do_not=(_NO_ROTATE,), applies=_rule("api.model_not_found")),
    Cause(id="api.endpoint_not_found", owner="request", meaning="404: unknown path or method.",
          next=("Compare base URL and path with the documented ones.",), do_not=(_NO_ROTATE,), applies=_rule("api.endpoint_not_found")),
    Cause(id="api.insufficient_quota", owner="quota_or_rate", meaning="Quota used up, or a billing limit.",
          next=("Have billing, credits and spend limits of the organization and project checked.",),
          do_not=(_NO_ROTATE, "Do not retry: this does not pass by itself."), applies=_rule("api.insufficient_quota")),
    Cause(id="api.rate_limited", owner="quota_or_rate", meaning="429 with rate-limit evidence.",
          next=("Wait as long as Retry-After or x-ratelimit-reset-* say, and slow down; ask for a higher limit if the load is real.",),
          do_not=(_NO_ROTATE,), applies=_rate_limited),
    Cause(id="api.overloaded", owner="server", meaning="503, slow_down or overloaded.",
          next=("Retry with backoff and jitter; look at the status page.", _KEEP), do_not=(_NO_ROTATE,), applies=_rule("api.overloaded")),
    Cause(id="api.server_error", owner="server", meaning="500: the server failed.",
          next=("Retry with backoff; look at the status page.", _KEEP), do_not=(_NO_ROTATE,), applies=_server_error),
    Cause(id="api.bad_request", owner="request", meaning="400, 409, 413 or 422: the request itself.",
          next=("Read the answer's message and param, and correct the request.",), do_not=(_NO_ROTATE,), applies=_rule("api.bad_request")),
)  # fmt: skip
