"""Answers of the API, of Azure and of gateways that refuse or fail."""

from __future__ import annotations

from oairunbook.evidence import Family
from oairunbook.lab.faults.fault import Fault
from oairunbook.verdict import Owner


def _api(name: str, owner: Owner, summary: str, *, answer: str = "", route: Family = "direct") -> Fault:
    return Fault(
        id=f"api.{name}", cause=f"api.{name}", owner=owner, summary=summary, answer=answer or name, route=route
    )


API = (
    _api("invalid_key", "auth", "401: the key is wrong"),
    _api("missing_key", "auth", "401: the credentials did not arrive"),
    _api("organization_mismatch", "auth", "401: the organization does not fit the key"),
    _api("permission_denied", "auth", "403: the key lacks a scope"),
    _api("ip_not_allowed", "auth", "401: this address is not on the allow list"),
    _api("region_unsupported", "auth", "403: this region is not supported"),
    _api("model_not_found", "request", "404: no such model"),
    Fault(
        id="api.endpoint_not_found",
        cause="api.endpoint_not_found",
        owner="request",
        summary="404: the base URL has /v1 twice",
        path="/v1/v1",
    ),
    _api("bad_request", "request", "400: the API does not take this request"),
    _api("insufficient_quota", "quota_or_rate", "429: the quota is used up"),
    _api("rate_limited", "quota_or_rate", "429: too many requests in a minute"),
    _api("server_error", "server", "500: the API failed"),
    _api("overloaded", "server", "503: the API is overloaded"),
    Fault(
        id="api.azure_deployment_not_found",
        cause="api.azure_deployment_not_found",
        owner="route_provider",
        summary="Azure 404: no such deployment",
        answer="azure_deployment_not_found",
        path="/openai/v1",
        route="azure",
    ),
    Fault(
        id="api.azure_network_denied",
        cause="api.azure_network_denied",
        owner="route_provider",
        summary="Azure 403: virtual network or firewall rules",
        answer="azure_network_denied",
        path="/openai/v1",
        route="azure",
    ),
    Fault(
        id="api.azure_auth_failed",
        cause="api.azure_auth_failed",
        owner="auth",
        summary="Azure 401: wrong key or wrong resource",
        answer="azure_auth_failed",
        path="/openai/v1",
        route="azure",
    ),
    Fault(
        id="api.azure_network_denied.private",
        cause="api.azure_network_denied",
        owner="route_provider",
        summary="Azure 403: public access is switched off; the name is an alias into a privatelink zone",
        answer="azure_public_access_disabled",
        path="/openai/v1",
        route="azure",
        canonical_name="api.privatelink.lab.test",
    ),
    Fault(
        id="api.azure_resource_not_found",
        cause="api.azure_resource_not_found",
        owner="route_provider",
        summary="Azure 404: the endpoint already ends in /openai/v1, and the client adds /openai again",
        answer="azure_resource_not_found",
        path="/openai/v1/openai",
        route="azure",
    ),
    Fault(
        id="api.rate_limited.azure",
        cause="api.rate_limited",
        owner="quota_or_rate",
        summary="Azure 429: the deployment's tokens per minute are used up",
        answer="azure_rate_limited",
        path="/openai/v1",
        route="azure",
    ),
    Fault(
        id="unknown.azure_identity",
        cause="unknown",
        owner="unknown",
        summary="nothing: Azure, and a managed identity in the place of a key",
        path="/openai/v1",
        route="azure",
        environment=(
            ("OPENAI_API_KEY", None),
            ("IDENTITY_ENDPOINT", "http://127.0.0.1:{port}/msi/token"),
            ("IDENTITY_HEADER", "practice-identity-header"),
        ),
    ),
    _api("gateway_upstream_failed", "route_provider", "500: the gateway cannot reach its upstream", route="gateway"),
    _api("gateway_auth_failed", "route_provider", "401: the gateway refuses the key", route="gateway"),
    Fault(
        id="http.not_an_api.base_path",
        cause="http.not_an_api",
        owner="route_provider",
        summary="404 of a vLLM server: the base URL lacks /v1",
        answer="vllm_ok",
        path="",
        route="gateway",
    ),
)
