"""What the practice API can answer, besides its normal answers: one declared entry for each behaviour.

In the texts `{method}`, `{path}`, `{model}`, `{masked_key}`, `{request_id}` and `{redirect_to}` stand for the request's own.
The bodies are those of the real servers, as recorded in public and in the providers' documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Surface = Literal["by_path", "edge", "azure", "litellm", "vllm", "bare"]
"""Who speaks, and so which headers it adds: OpenAI's application or Azure's by the path called, OpenAI's edge without the application behind
it, Azure, a LiteLLM gateway, a vLLM server, or nobody in particular."""

Manner = Literal[
    "normal",
    "declared",
    "disconnect",
    "reset",
    "silent",
    "truncated",
    "malformed",
    "stream_stalled",
    "stream_truncated",
    "stream_buffered",
    "stream_error",
    "idle_reset",
]


CorsBehaviour = Literal["open", "absent", "key_wanted", "fixed_headers", "other_origin", "redirect", "absent_in_answer"]
"""`open`: any origin, whatever headers are asked for, as the public API does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One behaviour of the practice API."""

    name: str
    summary: str
    manner: Manner = "declared"
    status: int = 200
    body: Any = None
    """A JSON value, or a string that is sent as it is."""

    content_type: str = ""
    """Empty: `application/json`, for a string `text/html; charset=utf-8`."""

    headers: tuple[tuple[str, str], ...] = ()
    surface: Surface = "by_path"
    after_authentication: bool = False
    """Whether a missing or wrong key is refused first."""

    generation_only: bool = False
    """Whether only POST shows it: quota, rate and model faults let GET /v1/models pass."""


def _error(
    message: str, *, kind: str | None = "invalid_request_error", code: Any = None, param: str | None = None
) -> Any:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _azure_error(code: str, message: str) -> Any:
    return {"error": {"code": code, "message": message}}


def _page(title: str, text: str) -> str:
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1><p>{text}</p><!-- oairunbook practice lab --></body></html>\n"
    )


MISSING_KEY = Answer(
    name="missing_key",
    summary="401: no credentials arrived",
    status=401,
    body=_error("Missing bearer or basic authentication in header"),
    headers=(("www-authenticate", 'Bearer realm="OpenAI API"'),),
)
INVALID_KEY = Answer(
    name="invalid_key",
    summary="401: wrong or revoked key",
    status=401,
    body=_error(
        "Incorrect API key provided: {masked_key}. You can find your API key at https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    ),
    headers=(("www-authenticate", 'Bearer realm="OpenAI API"'),),
)
MODEL_NOT_FOUND = Answer(
    name="model_not_found",
    summary="404: the model does not exist or this key has no access to it",
    status=404,
    body=_error("The model `{model}` does not exist or you do not have access to it.", code="model_not_found"),
    after_authentication=True,
    generation_only=True,
)
ENDPOINT_NOT_FOUND = Answer(
    name="endpoint_not_found",
    summary="404: unknown path or method",
    status=404,
    body=_error("Invalid URL ({method} {path})"),
)
AZURE_AUTH_FAILED = Answer(
    name="azure_auth_failed",
    summary="Azure 401: wrong key or wrong resource",
    status=401,
    body=_azure_error(
        "401",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active "
        "subscription and use a correct regional API endpoint for your resource.",
    ),
    surface="azure",
)
AZURE_DEPLOYMENT_NOT_FOUND = Answer(
    name="azure_deployment_not_found",
    summary="Azure 404: no such deployment",
    status=404,
    body=_azure_error(
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please "
        "wait a moment and try again.",
    ),
    surface="azure",
    after_authentication=True,
    generation_only=True,
)
AZURE_RESOURCE_NOT_FOUND = Answer(
    name="azure_resource_not_found",
    summary="Azure 404: unknown path or api-version",
    status=404,
    body=_azure_error("404", "Resource not found"),
    surface="azure",
    after_authentication=True,
)

_OPENAI = (
    Answer(name="ok", summary="healthy: the API's own answers", manner="normal"),
    MISSING_KEY,
    INVALID_KEY,
    Answer(
        name="incorrect_hostname",
        summary="401: the key's project lives on another regional host",
        status=401,
        body=_error(
            "You are attempting to access an endpoint that is not allowed for your project.", code="incorrect_hostname"
        ),
    ),
    Answer(
        name="organization_mismatch",
        summary="401: the organization header does not fit the key",
        status=401,
        body=_error("OpenAI-Organization header should match organization for API key", code="mismatched_organization"),
        after_authentication=True,
    ),
    Answer(
        name="permission_denied",
        summary="403: the key lacks the scope",
        status=403,
        body=_error(
            "You have insufficient permissions for this operation. Missing scopes: model.request.",
            kind="insufficient_permissions",
            code="insufficient_permissions",
        ),
        after_authentication=True,
    ),
    Answer(
        name="permission_denied_string",
        summary="403: the same, with `error` as a plain string",
        status=403,
        body={"error": "You have insufficient permissions for this operation. Missing scopes: model.request."},
        after_authentication=True,
    ),
    Answer(
        name="ip_not_allowed",
        summary="401: the caller's address is not on the allow list",
        status=401,
        body=_error("Your IP is not authorized", code="ip_not_authorized"),
        after_authentication=True,
    ),
    Answer(
        name="region_unsupported",
        summary="403: country or region not supported",
        status=403,
        body=_error(
            "Country, region, or territory not supported",
            kind="request_forbidden",
            code="unsupported_country_region_territory",
        ),
    ),
    MODEL_NOT_FOUND,
    Answer(
        name="model_forbidden",
        summary="403: the project has no access to the model",
        status=403,
        body=_error("Project `proj_practice` does not have access to model `{model}`", code="model_not_found"),
        after_authentication=True,
        generation_only=True,
    ),
    ENDPOINT_NOT_FOUND,
    Answer(
        name="bad_request",
        summary="400: unsupported parameter value",
        status=400,
        body=_error("Unsupported value for this practice request.", code="unsupported_value", param="max_tokens"),
        after_authentication=True,
        generation_only=True,
    ),
    Answer(
        name="insufficient_quota",
        summary="429: billing quota used up",
        status=429,
        body=_error(
            "You exceeded your current quota, please check your plan and billing details.",
            kind="insufficient_quota",
            code="insufficient_quota",
        ),
        headers=(("x-envoy-upstream-service-time", "5"),),
        after_authentication=True,
        generation_only=True,
    ),
    Answer(
        name="credit_balance_exhausted",
        summary="429: no credits remaining",
        status=429,
        body=_error(
            "You have no credits remaining. Add credits to continue.",
            kind="insufficient_quota",
            code="credit_balance_exhausted",
        ),
        after_authentication=True,
        generation_only=True,
    ),
    Answer(
        name="rate_limited",
        summary="429: requests per minute used up",
        status=429,
        body=_error(
            "Rate limit reached for {model} in organization org-practice on requests per min (RPM): Limit 3, Used 3, Requested 1. "
            "Please try again in 1s.",
            kind="requests",
            code="rate_limit_exceeded",
        ),
        headers=(
            ("retry-after", "1"),
            ("x-ratelimit-limit-requests", "3"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1s"),
        ),
        after_authentication=True,
        generation_only=True,
    ),
    Answer(
        name="slow_down",
        summary="429: traffic grew too fast, although within the limits",
        status=429,
        body=_error("Please slow down.", kind="rate_limit_error", code="slow_down"),
        headers=(("retry-after", "1"),),
        after_authentication=True,
        generation_only=True,
    ),
    Answer(
        name="server_error",
        summary="500: the API failed",
        status=500,
        body=_error(
            "The server had an error while processing your request. Please include the request ID {request_id} in your message.",
            kind="server_error",
        ),
        after_authentication=True,
    ),
    Answer(
        name="auth_subrequest_error",
        summary="500: the API's own authentication backend failed, which is no key problem",
        status=500,
        body=_error("Internal error", kind="auth_subrequest_error", code="internal_error"),
    ),
    Answer(
        name="overloaded",
        summary="503: the API is overloaded",
        status=503,
        body=_error(
            "Our servers are currently overloaded. Please try again later.",
            kind="service_unavailable_error",
            code="server_is_overloaded",
        ),
        headers=(("retry-after", "1"),),
        after_authentication=True,
    ),
)

_AZURE = (
    AZURE_DEPLOYMENT_NOT_FOUND,
    AZURE_RESOURCE_NOT_FOUND,
    Answer(
        name="azure_network_denied",
        summary="Azure 403: virtual network or firewall rules",
        status=403,
        body=_azure_error("403", "Access denied due to Virtual Network/Firewall rules."),
        surface="azure",
    ),
    Answer(
        name="azure_public_access_disabled",
        summary="Azure 403: only the private endpoint is allowed",
        status=403,
        body=_azure_error("403", "Public access is disabled. Please configure private endpoint."),
        surface="azure",
    ),
    AZURE_AUTH_FAILED,
    Answer(
        name="azure_token_audience",
        summary="Azure 401: token missing, expired or for another audience; a flat body",
        status=401,
        body={
            "statusCode": 401,
            "message": "Unauthorized. Access token is missing, invalid, audience is incorrect "
            "(https://cognitiveservices.azure.com), or have expired.",
        },
        surface="azure",
    ),
    Answer(
        name="azure_role_missing",
        summary="Azure 401: the principal lacks the role",
        status=401,
        body=_azure_error(
            "PermissionDenied",
            "The principal `00000000-0000-0000-0000-000000000000` lacks the required data action "
            "`Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action` to perform this operation.",
        ),
        surface="azure",
    ),
    Answer(
        name="azure_key_disabled",
        summary="Azure 403: key authentication is switched off",
        status=403,
        body=_azure_error("AuthenticationTypeDisabled", "Key based authentication is disabled for this resource."),
        surface="azure",
    ),
    Answer(
        name="azure_rate_limited",
        summary="Azure 429: tokens per minute used up",
        status=429,
        body=_azure_error(
            "429",
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate "
            "limit of your current OpenAI S0 pricing tier. Please retry after 1 second.",
        ),
        headers=(("retry-after", "1"), ("retry-after-ms", "1000"), ("x-ratelimit-remaining-requests", "0")),
        surface="azure",
        after_authentication=True,
        generation_only=True,
    ),
)

_GATEWAYS = (
    Answer(
        name="vllm_ok", summary="healthy: a vLLM server, whose API is under /v1 alone", manner="normal", surface="vllm"
    ),
    Answer(name="gateway_ok", summary="healthy, behind a LiteLLM gateway", manner="normal", surface="litellm"),
    Answer(
        name="gateway_upstream_failed",
        summary="LiteLLM 500: the gateway cannot reach its own upstream",
        status=500,
        body=_error(
            "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.. Received Model Group={model}\n"
            "LiteLLM: model group '{model}' failed with the error above. No fallback was attempted.",
            kind="internal_server_error",
            code="500",
        ),
        surface="litellm",
    ),
    Answer(
        name="gateway_upstream_timeout",
        summary="LiteLLM 408: the gateway's own upstream timed out",
        status=408,
        body=_error("litellm.Timeout: APITimeoutError - Request timed out.", code="408"),
        surface="litellm",
    ),
    Answer(
        name="gateway_auth_failed",
        summary="LiteLLM 401: the gateway refuses the caller's key",
        status=401,
        body=_error(
            "Authentication Error, Invalid proxy server token passed. Received API Key = {masked_key}",
            kind="token_not_found_in_db",
            param="key",
            code="401",
        ),
        surface="litellm",
    ),
    Answer(
        name="portkey_upstream_failed",
        summary="Portkey 500: the gateway cannot reach its own upstream",
        status=500,
        body={"html-message": "Message: fetch failed Cause: Error: connect ECONNREFUSED Name: TypeError"},
        headers=(("x-portkey-trace-id", "practice"), ("x-portkey-provider", "openai")),
        surface="bare",
    ),
    Answer(
        name="kong_auth_failed",
        summary="Kong 401: no key for the gateway",
        status=401,
        body={"message": "No API key found in request", "request_id": "{request_id}"},
        headers=(("server", "kong/3.9.1"), ("www-authenticate", "Key"), ("x-kong-request-id", "{request_id}")),
        surface="bare",
    ),
    Answer(
        name="kong_upstream_failed",
        summary="Kong 502: bad answer from the upstream",
        status=502,
        body={"message": "An invalid response was received from the upstream server", "request_id": "{request_id}"},
        headers=(("server", "kong/3.9.1"), ("x-kong-request-id", "{request_id}")),
        surface="bare",
    ),
    Answer(
        name="cloudflare_gateway_auth_failed",
        summary="Cloudflare AI Gateway 401: `error` is a list",
        status=401,
        body={"success": False, "error": [{"code": 2009, "message": "Unauthorized"}]},
        headers=(("cf-aig-event-id", "practice"), ("server", "cloudflare")),
        surface="bare",
    ),
    Answer(
        name="openrouter_error_in_200",
        summary="OpenRouter 200 with an error inside: the provider failed",
        status=200,
        body={
            "id": "gen-practice",
            "choices": [],
            "error": {
                "code": 502,
                "message": "Provider returned error",
                "metadata": {"error_type": "provider_unavailable", "provider_name": "OpenAI"},
            },
        },
        surface="bare",
    ),
    Answer(
        name="apim_auth_failed",
        summary="Azure API Management 401: subscription key missing; a flat body",
        status=401,
        body={
            "statusCode": 401,
            "message": "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API.",
        },
        headers=(
            (
                "www-authenticate",
                'AzureApiManagementKey realm="https://practice.azure-api.net/",name="Ocp-Apim-Subscription-Key"',
            ),
        ),
        surface="bare",
    ),
    Answer(
        name="apim_upstream_failed",
        summary="Azure API Management 500: policy or backend connection failed",
        status=500,
        body={
            "statusCode": 500,
            "message": "Internal server error",
            "activityId": "00000000-0000-0000-0000-000000000000",
        },
        surface="bare",
    ),
    Answer(
        name="vllm_unauthorized",
        summary="vLLM 401: `error` is a string",
        status=401,
        body={"error": "Unauthorized"},
        headers=(("server", "uvicorn"),),
        surface="bare",
    ),
)

_BETWEEN = (
    Answer(
        name="bad_gateway_html",
        summary="502 HTML of a load balancer",
        status=502,
        body=_page("502 Bad Gateway", "nginx"),
        headers=(("server", "nginx"),),
        surface="bare",
    ),
    Answer(
        name="gateway_timeout_html",
        summary="504 HTML of a load balancer",
        status=504,
        body=_page("504 Gateway Time-out", "nginx"),
        headers=(("server", "nginx"),),
        surface="bare",
    ),
    Answer(
        name="edge_bad_gateway_json",
        summary="502 of OpenAI's edge with an API-shaped body and no request id",
        status=502,
        body=_error("Bad gateway.", kind="cf_bad_gateway", code=502),
        headers=(("x-frame-options", "SAMEORIGIN"),),
        surface="edge",
    ),
    Answer(
        name="envoy_no_upstream",
        summary="503 text of a local mesh",
        status=503,
        body="upstream connect error or disconnect/reset before headers. reset reason: connection failure",
        content_type="text/plain",
        headers=(("server", "envoy"),),
        surface="bare",
    ),
    Answer(
        name="block_page",
        summary="403 HTML of a company filter",
        status=403,
        body=_page(
            "Internet Security by Zscaler",
            "Your organization blocks this site. Category: Generative AI and ML Applications",
        ),
        headers=(("server", "Zscaler/6.2"),),
        surface="bare",
    ),
    Answer(
        name="block_page_200",
        summary="200 HTML of a company filter",
        body=_page(
            "Web Page Blocked",
            "Access to the web page you were trying to visit has been blocked in accordance with company policy.",
        ),
        surface="bare",
    ),
    Answer(
        name="challenge",
        summary="403 challenge of the API's own edge",
        status=403,
        body=_page("Just a moment...", "Enable JavaScript and cookies to continue"),
        headers=(("cf-mitigated", "challenge"),),
        surface="edge",
    ),
    Answer(
        name="redirect",
        summary="302 to a sign-in page",
        status=302,
        body="",
        headers=(("location", "{redirect_to}"),),
        surface="bare",
    ),
    Answer(
        name="html_200",
        summary="200 HTML: some web server, no API",
        body=_page(
            "Welcome to nginx!", "If you see this page, the nginx web server is successfully installed and working."
        ),
        headers=(("server", "nginx/1.24.0"),),
        surface="bare",
    ),
    Answer(
        name="not_found_html",
        summary="404 HTML: some web server, no API",
        status=404,
        body=_page("404 Not Found", "nginx/1.24.0"),
        headers=(("server", "nginx/1.24.0"),),
        surface="bare",
    ),
    Answer(
        name="not_found_detail",
        summary="404 JSON of a framework: a base URL without /v1",
        status=404,
        body={"detail": "Not Found"},
        headers=(("server", "uvicorn"),),
        surface="bare",
    ),
    Answer(
        name="lm_studio_200",
        summary="200 with an error string: LM Studio called without /v1",
        body={"error": "Unexpected endpoint or method. ({method} {path})"},
        headers=(("x-powered-by", "Express"),),
        surface="bare",
    ),
)

_CONNECTION = (
    Answer(name="disconnect", summary="closes after reading the request", manner="disconnect"),
    Answer(name="reset", summary="resets after reading the request", manner="reset"),
    Answer(name="silent", summary="reads the request and never answers", manner="silent"),
    Answer(name="truncated", summary="the body ends before its Content-Length", manner="truncated"),
    Answer(name="malformed", summary="answers with something that is no HTTP", manner="malformed"),
    Answer(name="stream_stalled", summary="a stream starts and then stops arriving", manner="stream_stalled"),
    Answer(name="stream_truncated", summary="a stream ends without its end mark", manner="stream_truncated"),
    Answer(name="stream_buffered", summary="a stream arrives in one piece at the end", manner="stream_buffered"),
    Answer(name="stream_error", summary="200, and the stream carries an error", manner="stream_error"),
    Answer(
        name="idle_reset",
        summary="resets the second request of a connection that was idle for a second",
        manner="idle_reset",
    ),
)

ANSWERS: dict[str, Answer] = {
    answer.name: answer for group in (_OPENAI, _AZURE, _GATEWAYS, _BETWEEN, _CONNECTION) for answer in group
}
