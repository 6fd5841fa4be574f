"""The public API's own answers."""

from __future__ import annotations

from oairunbook.lab.answers.answer import Answer, api_error

MISSING_KEY = Answer(
    name="missing_key",
    summary="401: no credentials arrived",
    status=401,
    body=api_error("Missing bearer or basic authentication in header"),
    headers=(("www-authenticate", 'Bearer realm="OpenAI API"'),),
)

INVALID_KEY = Answer(
    name="invalid_key",
    summary="401: wrong or revoked key",
    status=401,
    body=api_error(
        "Incorrect API key provided: {masked_key}. You can find your API key at https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    ),
    headers=(("www-authenticate", 'Bearer realm="OpenAI API"'),),
)

MODEL_NOT_FOUND = Answer(
    name="model_not_found",
    summary="404: the model does not exist or this key has no access to it",
    status=404,
    body=api_error("The model `{model}` does not exist or you do not have access to it.", code="model_not_found"),
    after_authentication=True,
    generation_only=True,
)

ENDPOINT_NOT_FOUND = Answer(
    name="endpoint_not_found",
    summary="404: unknown path or method",
    status=404,
    body=api_error("Invalid URL ({method} {path})"),
)

OPENAI = (
    Answer(name="ok", summary="healthy: the API's own answers", manner="normal"),
    MISSING_KEY,
    INVALID_KEY,
    Answer(
        name="incorrect_hostname",
        summary="401: the key's project lives on another regional host",
        status=401,
        body=api_error(
            "You are attempting to access an endpoint that is not allowed for your project.", code="incorrect_hostname"
        ),
    ),
    Answer(
        name="organization_mismatch",
        summary="401: the organization header does not fit the key",
        status=401,
        body=api_error(
            "OpenAI-Organization header should match organization for API key", code="mismatched_organization"
        ),
        after_authentication=True,
    ),
    Answer(
        name="permission_denied",
        summary="403: the key lacks the scope",
        status=403,
        body=api_error(
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
        body=api_error("Your IP is not authorized", code="ip_not_authorized"),
        after_authentication=True,
    ),
    Answer(
        name="region_unsupported",
        summary="403: country or region not supported",
        status=403,
        body=api_error(
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
        body=api_error("Project `proj_practice` does not have access to model `{model}`", code="model_not_found"),
        after_authentication=True,
        generation_only=True,
    ),
    ENDPOINT_NOT_FOUND,
    Answer(
        name="bad_request",
        summary="400: unsupported parameter value",
        status=400,
        body=api_error("Unsupported value for this practice request.", code="unsupported_value", param="max_tokens"),
        after_authentication=True,
        generation_only=True,
    ),
    Answer(
        name="insufficient_quota",
        summary="429: billing quota used up",
        status=429,
        body=api_error(
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
        body=api_error(
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
        body=api_error(
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
        body=api_error("Please slow down.", kind="rate_limit_error", code="slow_down"),
        headers=(("retry-after", "1"),),
        after_authentication=True,
        generation_only=True,
    ),
    Answer(
        name="server_error",
        summary="500: the API failed",
        status=500,
        body=api_error(
            "The server had an error while processing your request. Please include the request ID {request_id} in your message.",
            kind="server_error",
        ),
        after_authentication=True,
    ),
    Answer(
        name="auth_subrequest_error",
        summary="500: the API's own authentication backend failed, which is no key problem",
        status=500,
        body=api_error("Internal error", kind="auth_subrequest_error", code="internal_error"),
    ),
    Answer(
        name="overloaded",
        summary="503: the API is overloaded",
        status=503,
        body=api_error(
            "Our servers are currently overloaded. Please try again later.",
            kind="service_unavailable_error",
            code="server_is_overloaded",
        ),
        headers=(("retry-after", "1"),),
        after_authentication=True,
    ),
)
