"""`api`: an API answer came back, and with it the owner changes. Status and body decide, never the route in front."""

from __future__ import annotations

from collections.abc import Callable

from oairunbook.diagnose.catalogue import Cause, Finding
from oairunbook.diagnose.reading import answers, cite, is_api_answer, request_succeeded
from oairunbook.evidence import ApiError, Evidence, HttpAnswer, SdkFailed

_UNKNOWN_ERROR = ApiError(message=None)
_GATEWAY_AUTH = ("no api key passed in", "invalid proxy server token", "malformed api key", "no api key found in request", "no auth credentials found",
                 "missing subscription key", "invalid subscription key. make sure to", "user not found", "no connected db", "token_not_found_in_db",
                 "expired key", "key not valid")  # fmt: skip
_GATEWAY_UPSTREAM = ("openaiexception", "fetch failed", "provider returned error", "upstream", "could not reach the ai provider", "ring-balancer",
                     "no deployments available", "no healthy deployments", "deployments for selected model", "bad gateway")  # fmt: skip


def decide(evidence: Evidence, answer: HttpAnswer) -> str | None:
    """Cause id of one API error answer; None if it is no error or says nothing (facts: openai_api section 2, azure section 2, gateways)."""
    if answer.status < 400 and answer.body.error is None:
        return None
    error = answer.body.error or _UNKNOWN_ERROR
    family = evidence.route.family
    for rules in (_azure,) if family == "azure" else (_gateway,) if family == "gateway" else ():
        found = rules(answer.status, error)
        if found is not None:
            return found
    return _openai(answer.status, error)


def _openai(status: int, error: ApiError) -> str | None:
    code, kind, message = (error.code or "").lower(), (error.type or "").lower(), (error.message or "").lower()
    if code == "unsupported_country_region_territory":
        return "api.region_unsupported"
    if code == "ip_not_authorized" or "your ip is not authorized" in message:
        return "api.ip_not_allowed"
    if (
        code in ("mismatched_organization", "mismatched_project")
        or "member of an organization" in message
        or "should match organization" in message
    ):
        return "api.organization_mismatch"
    if (
        code == "insufficient_permissions"
        or "insufficient permissions" in message
        or code in ("account_deactivated", "customer_storage_not_ready")
    ):
        return "api.permission_denied"
    if code == "model_not_found":
        return "api.model_not_found"
    if kind == "insufficient_quota" or code in (
        "insufficient_quota",
        "billing_not_active",
        "billing_hard_limit_reached",
        "credit_balance_exhausted",
    ):
        return "api.insufficient_quota"
    if code.endswith(("_spend_limit_exceeded", "_usage_limit_exceeded")):
        return "api.insufficient_quota"
    if code in ("slow_down", "server_is_overloaded") or kind == "service_unavailable_error" or "overloaded" in message:
        return "api.overloaded"
    return _by_status(status, code, message)


def _by_status(status: int, code: str, message: str) -> str | None:
    if status == 401:
        missing = "didn't provide an api key" in message or "missing bearer" in message
        return "api.missing_key" if missing else "api.invalid_key"
    if status == 402:
        return "api.insufficient_quota"
    if status == 403:
        return "api.permission_denied"
    if status in (404, 405):
        names_model = "model" in message and (
            "does not exist" in message or "not found" in message or "access" in message
        )
        return "api.model_not_found" if names_model else "api.endpoint_not_found"
    if status == 429:
        return "api.insufficient_quota" if "quota" in message and "billing" in message else "api.rate_limited"
    if status == 503:
        return "api.server_error" if code == "external_storage_validation_unavailable" else "api.overloaded"
    if status >= 500:
        return "api.server_error"
    return "api.bad_request" if status >= 400 else None


def _azure(status: int, error: ApiError) -> str | None:
    code, message = (error.code or "").lower(), (error.message or "").lower()
    if (
        "virtual network/firewall" in message
        or "public access is disabled" in message
        or "approved private endpoint" in message
    ):
        return "api.azure_network_denied"
    if code == "deploymentnotfound" or "api deployment for this resource does not exist" in message:
        return "api.azure_deployment_not_found"
    if status == 404 and ("resource not found" in message or "subdomain does not map" in message):
        return "api.azure_resource_not_found"
    if code == "authenticationtypedisabled" or "key based authentication is disabled" in message:
        return "api.azure_auth_failed"
    if "temporarily blocked" in message:
        return "api.permission_denied"
    if status == 401:
        return "api.azure_auth_failed"
    return None


def _gateway(status: int, error: ApiError) -> str | None:
    code, kind, message = (error.code or "").lower(), (error.type or "").lower(), (error.message or "").lower()
    if any(mark in message for mark in _GATEWAY_AUTH) or kind in ("auth_error", "expired_key", "no_db_connection"):
        return "api.gateway_auth_failed"
    if kind == "budget_exceeded":
        return "api.insufficient_quota"
    if (
        status in (401, 403)
        and (error.shape in ("list", "flat", "string") or not error.code_is_string)
        and "incorrect api key" not in message
    ):
        return "api.gateway_auth_failed"
    if status >= 500 and any(mark in message for mark in _GATEWAY_UPSTREAM):
        return "api.gateway_upstream_failed"
    if status == 408 and ("timeout" in message or kind == "timeout_error"):
        return "api.gateway_upstream_failed"
    if "invalid model name passed" in message:
        return "api.model_not_found"
    if code in ("err_ngrok_3800",):
        return "api.gateway_upstream_failed"
    return None


def _rule(identity: str) -> Callable[[Evidence], Finding | None]:
    def applies(evidence: Evidence) -> Finding | None:
        if request_succeeded(evidence):
            return None
        for observation, answer, own_key in answers(evidence):
            # Without the application's own key a refusal for want of it is what the path should answer.
            if (not own_key and answer.status in (401, 403)) or not is_api_answer(evidence, answer):
                continue
            if decide(evidence, answer) == identity:
                return Finding(because=(cite(observation, _fact(answer)),), certainty="proven")
        return None

    return applies


def _fact(answer: HttpAnswer) -> str:
    error = answer.body.error
    request_id = answer.header("apim-request-id") or answer.header("x-request-id")
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


def _server_error(evidence: Evidence) -> Finding | None:
    return _rule("api.server_error")(evidence) or _error_in_stream(evidence)


_KEEP = "Keep the request id, the time and the region: support needs them."
_NO_ROTATE = "Do not rotate the key: it was accepted."

CAUSES = (
    Cause(id="api.missing_key", owner="auth", meaning="401: no credentials arrived.",
          next=("Find out what removes the Authorization header on this path: a redirect, a gateway, a wrapper.",), applies=_rule("api.missing_key")),
    Cause(id="api.organization_mismatch", owner="auth", meaning="Organization or project do not fit the key.",
          next=("Compare OPENAI_ORG_ID and OPENAI_PROJECT_ID with the key's own organization and project, or leave them out.",),
          applies=_rule("api.organization_mismatch")),
    Cause(id="api.ip_not_allowed", owner="auth", meaning="The caller's address is not on the project's allow list.",
          next=("Find the address that this runtime leaves by (NAT, VPN, proxy), and have it put on the allow list; a change takes up to 15 minutes.",),
          do_not=(_NO_ROTATE,), applies=_rule("api.ip_not_allowed")),
    Cause(id="api.region_unsupported", owner="auth", meaning="403: the country, region or territory is not supported.",
          next=("Find out where this runtime leaves to the Internet, and pin it to a supported region.",), do_not=(_NO_ROTATE,),
          applies=_rule("api.region_unsupported")),
    Cause(id="api.permission_denied", owner="auth", meaning="The key lacks the permission.",
          next=("Give the key the scope that the answer names; a change takes up to 15 minutes.",), applies=_rule("api.permission_denied")),
    Cause(id="api.azure_auth_failed", owner="auth", meaning="Azure refuses the key or token: wrong key, endpoint or audience, or no role.",
          next=("Check that key and endpoint belong to the same resource.", "With a token check its audience and the role Cognitive Services OpenAI User."),
          applies=_rule("api.azure_auth_failed")),
    Cause(id="api.invalid_key", owner="auth", meaning="401: the key is wrong, revoked, or belongs to another endpoint.",
          next=("Compare the fingerprint of the key with that of the application's own.", "Check that base URL and key belong together.",
                "Then issue a new key, if it was revoked."), applies=_rule("api.invalid_key")),
    Cause(id="api.azure_deployment_not_found", owner="route_provider", meaning="404 DeploymentNotFound.",
          next=("Compare the deployment's name with the resource's list; a new one takes up to 5 minutes.",), applies=_rule("api.azure_deployment_not_found")),
    Cause(id="api.azure_resource_not_found", owner="route_provider", meaning="404 Resource not found: path or API version.",
          next=("Compare endpoint, path and api-version with the resource's own; do not put /openai/v1 into azure_endpoint.",),
          applies=_rule("api.azure_resource_not_found")),
    Cause(id="api.azure_network_denied", owner="route_provider", meaning="403: virtual network, firewall or private endpoint rule of the resource.",
          next=("Ask who runs the Azure resource to allow this source, or resolve its name inside the virtual network; a change takes 10 to 30 minutes.",),
          applies=_rule("api.azure_network_denied")),
    Cause(id="api.gateway_auth_failed", owner="route_provider", meaning="The gateway's own credentials check failed.",
          next=("Ask who runs the gateway which key it expects, and in which header.",), applies=_rule("api.gateway_auth_failed")),
    Cause(id="api.gateway_upstream_failed", owner="route_provider", meaning="The gateway answered that its own upstream failed.",
          next=("Ask who runs the gateway; give them its request id and the time. The failing path is theirs, not this runtime's.",),
          applies=_rule("api.gateway_upstream_failed")),
    Cause(id="api.model_not_found", owner="request", meaning="The model does not exist, or the key has no access to it.",
          next=("Compare the model's name with the list that this key sees.",), do_not=(_NO_ROTATE,), applies=_rule("api.model_not_found")),
    Cause(id="api.endpoint_not_found", owner="request", meaning="404: unknown path or method.",
          next=("Compare base URL and path with the documented ones.",), do_not=(_NO_ROTATE,), applies=_rule("api.endpoint_not_found")),
    Cause(id="api.insufficient_quota", owner="quota_or_rate", meaning="Quota used up, or a billing limit.",
          next=("Have billing, credits and spend limits of the organization and project checked.",),
          do_not=(_NO_ROTATE, "Do not retry: this does not pass by itself."), applies=_rule("api.insufficient_quota")),
    Cause(id="api.rate_limited", owner="quota_or_rate", meaning="429 with rate-limit evidence.",
          next=("Wait as long as Retry-After or x-ratelimit-reset-* say, and slow down; ask for a higher limit if the load is real.",),
          do_not=(_NO_ROTATE,), applies=_rule("api.rate_limited")),
    Cause(id="api.overloaded", owner="server", meaning="503, slow_down or overloaded.",
          next=("Retry with backoff and jitter; look at the status page.", _KEEP), do_not=(_NO_ROTATE,), applies=_rule("api.overloaded")),
    Cause(id="api.server_error", owner="server", meaning="500: the server failed.",
          next=("Retry with backoff; look at the status page.", _KEEP), do_not=(_NO_ROTATE,), applies=_server_error),
    Cause(id="api.bad_request", owner="request", meaning="400, 409, 413 or 422: the request itself.",
          next=("Read the answer's message and param, and correct the request.",), do_not=(_NO_ROTATE,), applies=_rule("api.bad_request")),
)  # fmt: skip
