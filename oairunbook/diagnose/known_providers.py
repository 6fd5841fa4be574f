# ruff: noqa: E501 - one answer a line, so that the tables can be read as tables
"""Known answers of Azure and of gateways.

Source: Microsoft's troubleshooting pages for Azure OpenAI and API Management; LiteLLM, Portkey, vLLM, Ollama and llama.cpp run or read here;
the gateways' documentation; answers recorded in public (facts: azure section 2 and 6, gateways sections 2 to 6).
"""

from __future__ import annotations

from oairunbook.diagnose.known import row
from oairunbook.records import dataclass

AZURE = (
    row("401", "Access denied due to invalid subscription key or wrong API endpoint", "api.azure_auth_failed", "The key of another resource, or the host of another: the answer is the same.", "Compare resource name and key; both stand on one page of the portal."),
    row("401", "Access token is missing, invalid, audience is incorrect", "api.azure_auth_failed", "The token is absent, expired, or made for another audience. The body is flat, without an error object.", "Ask for the token with the scope of this cloud, and renew it before it expires.", "audience is incorrect"),
    row("401", "The principal lacks the required data action", "api.azure_auth_failed", "The identity has no role on the resource. It is a 401, not a 403.", "Assign Cognitive Services OpenAI User (or Cognitive Services User); it takes 5 minutes or more.", "lacks the required data action"),
    row("401", "Principal does not have access to API/Operation", "api.azure_auth_failed", "The same, in older words.", "As above.", "principal does not have access"),
    row("401/403", "AuthenticationTypeDisabled", "api.azure_auth_failed", "Keys are switched off on the resource.", "Use a token of Entra ID.", "authentication is disabled"),
    row("401/403", "Access denied due to Virtual Network/Firewall rules", "api.azure_network_denied", "The resource's firewall does not know this source address.", "Have the egress address or the subnet allowed; it takes 10 to 30 minutes.", "virtual network/firewall"),
    row("403", "Public access is disabled. Please configure private endpoint", "api.azure_network_denied", "Only the private endpoint is let in, and this request came from the public side: often because a proxy resolved the name outside the virtual network.", "Resolve the name inside the virtual network, and go around the proxy.", "public access is disabled"),
    row("403", "Traffic is not from an approved private endpoint", "api.azure_network_denied", "The private endpoint exists and is not approved, or is another one.", "Have its connection approved on the resource.", "approved private endpoint"),
    row("403", "resource has been temporarily blocked", "api.permission_denied", "The resource was blocked for abuse.", "Only its owner can settle this with Microsoft.", "temporarily blocked"),
    row("404", "DeploymentNotFound", "api.azure_deployment_not_found", "No deployment of that name on this resource; the model's name is not the deployment's.", "Compare with the resource's list; a new one takes up to 5 minutes."),
    row("404", "Resource not found, in an error object", "api.azure_resource_not_found", "Path or api-version is unknown to Azure OpenAI: /openai missing or doubled, an expired preview version.", "Compare the URL above with the one that fits.", "resource not found", "object"),
    row("404", "Subdomain does not map to a resource", "api.azure_resource_not_found", "The name exists in DNS, and no resource has it.", "Compare the resource's name.", "subdomain does not map"),
    row("404", 'flat {"statusCode": 404, "message": "Resource not found"}', "api.azure_resource_not_found", "API Management knows no such operation; Azure OpenAI was not asked.", "Compare the path with the API's definition there.", "resource not found", "flat"),
    row("400", "content_filter / ResponsibleAIPolicyViolation", "api.bad_request", "The content filter stopped prompt or completion.", "This is a matter of the request, not of the path.", "content_filter"),
    row("400", "OperationNotSupported, unsupported_parameter", "api.bad_request", "The model behind this deployment cannot do this.", "Take a deployment of a model that can.", "operationnotsupported"),
    row("408", "The operation was timeout", "api.server_error", "Azure gave up waiting for the model.", "Retry with backoff.", "the operation was timeout"),
    row("429", "have exceeded token rate limit of your current … pricing tier", "api.rate_limited", "The deployment's tokens per minute are used up.", "Wait as Retry-After says; give the deployment more of the quota; see 05_owner_quota_rate.", "rate limit of your current"),
    row("500/503", "InternalServerError, ServiceUnavailable", "api.server_error", "The resource or its model failed.", "Retry with backoff; look at Azure's status; quote apim-request-id.", "internal"),
)  # fmt: skip

GATEWAY = (
    row("401", "LiteLLM: Authentication Error, No api key passed in / Invalid proxy server token", "api.gateway_auth_failed", "The gateway's own check of its caller's virtual key.", "Ask its operator for a key of the gateway.", "authentication error"),
    row("400", "LiteLLM: No connected db", "api.gateway_auth_failed", "A wrong key at a gateway without a database; no header names the product then.", "Give the gateway's master key, or ask its operator.", "no connected db"),
    row("400", "LiteLLM: Invalid model name passed in model=…", "api.model_not_found", "The gateway's list lacks the model; it is a 400, not a 404.", "Look at GET /v1/models with the gateway's key.", "invalid model name passed"),
    row("500", "LiteLLM: OpenAIException - Connection error.", "api.gateway_upstream_failed", "The gateway could not reach its upstream. The words are its SDK's, not this one's.", "Its operator looks at the gateway's egress.", "exception - connection error"),
    row("408", "LiteLLM: litellm.Timeout", "api.gateway_upstream_failed", "The upstream was too slow for the gateway. The SDK sends it again, as for any 408.", "Its operator compares the timeouts.", "timeout"),
    row("429/500/503", "LiteLLM: No deployments available, in cooldown", "api.gateway_upstream_failed", "Every upstream of this model failed lately.", "Its operator looks at the upstreams.", "cooldown"),
    row("401", "LiteLLM: OpenAIException - Incorrect API key", "api.invalid_key", "The key that is stored in the gateway is wrong.", "Its operator replaces it; the caller's key is good.", "openaiexception"),
    row("500", 'Portkey: {"html-message": "… fetch failed …"}', "api.gateway_upstream_failed", "Portkey could not reach its upstream.", "Its operator looks at the gateway's egress.", "fetch failed"),
    row("400", "Portkey: x-portkey-config or x-portkey-provider header is required", "api.bad_request", "Portkey was not told where to route; also for unknown paths.", "Add the header to the client (default_headers).", "x-portkey-config or"),
    row("401", "OpenRouter: No auth credentials found / User not found.", "api.gateway_auth_failed", "Its own key check.", "GET /api/v1/key tests the key.", "auth credentials"),
    row("200/502", "OpenRouter: Provider returned error", "api.gateway_upstream_failed", "The provider behind it failed; after generation began it comes with status 200.", "metadata.provider_name and metadata.raw tell which and how.", "provider returned error"),
    row("403", "OpenRouter: moderation, guardrail or a spent budget", "api.permission_denied", "limit_source tells which.", "Read metadata.", "limit_source"),
    row("401", 'Cloudflare: "error": [{"code": 2009}]', "api.gateway_auth_failed", "The gateway's own token is missing or wrong. An error object with invalid_api_key would be the provider's.", "Send the gateway's token in cf-aig-authorization.", "unauthorized"),
    row("401", "Kong: No API key found in request / Unauthorized", "api.gateway_auth_failed", "Kong's own key check.", "Ask its operator for a consumer's key, and in which header.", ""),
    row("404", "Kong: no Route matched with those values", "api.endpoint_not_found", "Kong has no route for this host and path.", "Compare the base path.", "no route matched"),
    row("502/503/504", "Kong: An invalid response was received from the upstream server", "http.gateway_error", "Kong reached no healthy upstream.", "Its operator looks at the upstream.", ""),
    row("401", "API Management: missing / invalid subscription key", "api.gateway_auth_failed", "API Management's own check. Azure OpenAI says: invalid subscription key or wrong API endpoint.", "Send Ocp-Apim-Subscription-Key, or api-key if it is configured so.", "subscription key"),
    row("500", "API Management: Internal server error, activityId", "api.gateway_upstream_failed", "A policy or the connection to the backend failed.", "Give its operator the activityId.", "internal server error"),
    row("502", "ngrok: ERR_NGROK_3800", "api.gateway_upstream_failed", "It could not reach the provider.", "Retry; look at the provider.", "err_ngrok_3800"),
    row("401", 'vLLM: {"error": "Unauthorized"}', "api.gateway_auth_failed", "Its --api-key; it guards only paths under /v1.", "Give that key.", "unauthorized"),
    row("404", "vLLM, FastAPI: {\"detail\": \"Not Found\"}", "http.not_an_api", "Nothing at this path: /v1 is missing or doubled.", "Look at the base path above.", "not found"),
    row("404", "Ollama: model … not found, try pulling it first", "api.model_not_found", "The model is not on that machine.", "ollama pull.", "try pulling it first"),
    row("403", "Ollama: an empty 403", "http.blocked_page", "The Origin is not in OLLAMA_ORIGINS.", "Call it from a server, or allow the origin.", ""),
    row("503", "llama.cpp: Loading model", "api.overloaded", "The server has started and is not ready.", "Wait; /health says when.", "loading model"),
    row("200", "LM Studio: Unexpected endpoint or method", "http.not_an_api", "A wrong path comes with status 200: /v1 is missing.", "Look at the base path above.", "unexpected endpoint"),
    row("502/503/504", "a page of nginx, openresty, awselb, envoy, Caddy", "http.gateway_error", "The load balancer in front of the gateway reached no gateway.", "Ask who runs the gateway.", ""),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Where a product is found by default, and how it is asked for its health."""

    name: str
    base_url: str
    health: str


PRODUCTS = (
    Product(name="LiteLLM", base_url="http://HOST:4000 or …/v1, both work", health="/health/liveliness, /health/readiness; /health needs a key and calls the models"),
    Product(name="Portkey", base_url="https://api.portkey.ai/v1; local port 8787", health="/ greets: AI Gateway says hey!"),
    Product(name="OpenRouter", base_url="https://openrouter.ai/api/v1", health="/api/v1/key with the key"),
    Product(name="Cloudflare AI Gateway", base_url="https://gateway.ai.cloudflare.com/v1/ACCOUNT/GATEWAY/openai or /compat (models as openai/NAME)", health="none of its own; without cf-aig headers the edge answered, not the gateway"),
    Product(name="Kong", base_url="port 8000 or 8443; 8001 is for its operator", health="/status on its operator's port"),
    Product(name="Azure API Management", base_url="https://NAME.azure-api.net/PATH", health="/status-0123456789abcdef"),
    Product(name="Helicone", base_url="https://oai.helicone.ai/v1", health="none of its own; Helicone-Error names its own failure"),
    Product(name="ngrok AI gateway", base_url="https://gateway.ngrok.ai", health="none of its own"),
    Product(name="one-api, new-api", base_url="port 3000, /v1", health="/api/status"),
    Product(name="vLLM", base_url="port 8000, /v1", health="/health is empty with 200; while it loads the port refuses"),
    Product(name="Ollama", base_url="port 11434, /v1; by itself on 127.0.0.1 alone: from a container it refuses", health="/ says: Ollama is running"),
    Product(name="llama.cpp server", base_url="port 9931, in older builds and the Docker image 8080; /v1", health="/health: 503 while the model loads"),
    Product(name="LM Studio", base_url="port 1234, /v1", health="none of its own"),
)  # fmt: skip
