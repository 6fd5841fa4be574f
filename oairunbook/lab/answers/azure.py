"""Azure's own answers."""

from __future__ import annotations

from typing import Any

from oairunbook.lab.answers.answer import Answer


def _azure_error(code: str, message: str) -> Any:
    return {"error": {"code": code, "message": message}}


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

AZURE = (
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
