"""Answers of OpenAI-compatible gateways and servers."""

from __future__ import annotations

from oairunbook.lab.answers.answer import Answer, api_error

GATEWAYS = (
    Answer(
        name="vllm_ok", summary="healthy: a vLLM server, whose API is under /v1 alone", manner="normal", surface="vllm"
    ),
    Answer(name="gateway_ok", summary="healthy, behind a LiteLLM gateway", manner="normal", surface="litellm"),
    Answer(
        name="gateway_upstream_failed",
        summary="LiteLLM 500: the gateway cannot reach its own upstream",
        status=500,
        body=api_error(
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
        body=api_error("litellm.Timeout: APITimeoutError - Request timed out.", code="408"),
        surface="litellm",
    ),
    Answer(
        name="gateway_auth_failed",
        summary="LiteLLM 401: the gateway refuses the caller's key",
        status=401,
        body=api_error(
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
