# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""What an API's error object names by its code, type and message, and what a status says by itself (facts: openai_api section 2, azure section 2, gateways)."""

from __future__ import annotations

import re

from oairunbook.evidence import ApiError
from oairunbook.services import VENDORS

Marks = tuple[str, ...]

_GATEWAY_AUTH: Marks = ("no api key passed in", "invalid proxy server token", "malformed api key", "no api key found in request", "no auth credentials found",
                        "no cookie auth credentials", "no connected db", "token_not_found_in_db", "expired key", "key not valid", "invalid virtual key",
                        "due to missing subscription key", "invalid subscription key. make sure to", "authentication error, ", "api_key_required", "invalid x-api-key", "litellm virtual key",
                        "无效的令牌", "invalid token", "令牌", "该令牌", "api key is not valid for this gateway", "portkey error: invalid api key", "unauthenticated request to ai gateway", "function url authorization")  # fmt: skip
_GATEWAY_UPSTREAM: Marks = ("openaiexception", "azureexception - ", "fetch failed", "provider returned error", "upstream", "could not reach the ai provider", "ring-balancer",
                            "no deployments available", "no healthy deployments", "deployments for selected model", "are in cooldown", "bad_response_status_code",
                            "bad response status code", "no available channel", "无可用渠道", "backend connection", "do_request_failed", "all providers failed",
                            "an invalid response was received from the upstream", "no instances available", "no models available", "provider_unavailable", "connection error.")  # fmt: skip
# Of a connection of the gateway's own, where it is an answer that says so; a client says the same of its own.
_UPSTREAM_LOST: Marks = ("connection refused", "econnrefused", "dial tcp", "no such host", "enotfound")
# The API itself never speaks so; it has no upstream to tell of.
_UPSTREAM_SAID: Marks = ("upstream request failed", "error from provider", "upstream_error", "upstream error", "fetch failed", "no available channel", "no available upstream",
                         "no available account", "accounts are temporarily", "accounts are unavailable", "accounts are exhausted", "accounts are currently", "no available candidate", "no available provider", "services available", "providers available for", "backends available", "upstreams available", "无可用渠道", "do_request_failed",
                         "bad_response_status_code", "all providers failed")  # fmt: skip
# What the routers of gateways say by themselves, whatever status they put on it.
_ROUTER: Marks = (
    "no deployments available",
    "no healthy deployments",
    "deployments for selected model",
    # with a traceback inside, as LiteLLM passes its exceptions on
    "no models available traceback",
    "no_available_candidate",
    # one-api and its kin: the upstream of this group is saturated; no channel serves it.
    "上游负载已饱和",
    "负载已满",
    "无可用渠道",
    "没有可用的模型",
    "没有可用模型",
    "没有可用渠道",
    "没有可用的渠道",
    # LiteLLM's account of the exception that its upstream call ended in
    "error_str:",
    "do request failed: upstream",
    # new-api: its operator gave this model no price.
    "倍率或价格未配置",
    "ratio or price not set",
)
_REGION: Marks = (
    "country, region, or territory not supported",
    "unsupported_country",
    "not available in your country",
    "not available in your region",
    "user location is not supported",
)
_QUOTA: Marks = ("exceeded your current quota", "insufficient_quota", "billing hard limit", "billing_hard_limit", "account is not active, please check your billing",
                 "billing_not_active", "insufficient credits", "insufficient balance", "credit balance is too low", "no credits remaining", "credit_balance", "requires more credits",
                 "spend limit", "spend_limit", "usage limit reached for organization", "budget has been exceeded", "exceededbudget", "budget_exceeded", "out of credits",
                 "余额不足", "额度已用尽", "额度不足", "arrearage", "quota exceeded for your account", "payment required", "can only afford", "insufficient account balance", "key limit exceeded",
                 "exceeded your monthly", "monthly included credits", "have run out of", "exceeded current quota", "exceeded_current_quota", "balance is insufficient", "overdue balance",
                 "accountoverdue", "欠费", "预扣费额度失败", "insufficient_user_quota", "call volume quota", "no quota left", "freetieronly", "free tier of the model has been exhausted",
                 "any credits or licenses", "used all available credits", "have no quota", "exceeded our current quota", "exceeded the current quota", "exceeded your quota")  # fmt: skip
_OVERLOADED: Marks = (
    "overloaded",
    "not ready yet",
    "slow_down",
    "too busy",
    "currently processing too many requests",
    "at capacity",
    "experiencing high demand",
    "no capacity",
    "capacity exceeded",
    "experiencing high traffic",
    "queue_exceeded",
    "访问量过大",
)
_RATE: Marks = ("rate limit", "rate limiting", "rph limit reached", "rate_limit", "rate increased too quickly", "exceeded your current request", "ratelimit", "too many requests", "tokens per min", "requests per min", "requests per day", "tpm", "retry after", "exceeded call rate", "s0 pricing tier",
                "throttl", "concurrency limit", "请求过于频繁", "max parallel request", "limit_requests", "limit_burst_rate")  # fmt: skip
_SERVER: Marks = ("server had an error", "server_error", "internal server error", "internal error", "internal_error", "error occurred while processing your request",
                  "error while processing your request", "service is temporarily unavailable", "internalservererror", "the operation was timeout", "network error due to high traffic", "cuda out of memory",
                  # Ollama and llama.cpp, of the process that runs the model.
                  "while running the model", "post predict: ", "runner process has terminated", "model runner has unexpectedly stopped", "runner process no longer running", "requires more system memory",
                  "cuda error", "error loading model", "unable to load model", "failed to load model")  # fmt: skip
_INVALID_KEY: Marks = ("incorrect api key", "invalid_api_key", "invalid api key", "invalid authentication", "api key is invalid", "invalid_key", "invalid key", "authentication fails", "api key expired",
                       "invalid credentials", "please pass a valid api key", "api key or ak/sk in the request is", "apikey错误", "malformed authorization", "incorrect_hostname", "you must use the same", "invalid bearer token",
                       "session key")  # fmt: skip
_MISSING_KEY: Marks = ("didn't provide an api key", "missing bearer", "missing authorization", "no authorization header", "missing authentication", "authorization header is missing",
                       "no api key provided", "missing api key", "not include an api key", "api key not provided", "authentication credentials were not provided", "allow unregistered callers",
                       "api-key header is required")  # fmt: skip
_ORGANIZATION: Marks = ("member of an organization", "should match organization", "mismatched_organization", "mismatched_project", "no such organization", "invalid_organization",
                        "openai-organization header", "invalid organization", "organization_not_found", "invalid_project")  # fmt: skip
_PERMISSION: Marks = ("insufficient permissions", "insufficient_permissions", "missing scopes", "account_deactivated", "customer_storage_not_ready", "account has been deactivated",
                      "must be verified to use", "not allowed to sample", "not allowed to generate", "temporarily blocked", "access terminated", "deactivated",
                      "violates our", "you do not have permission", "missing_scope", "lacks permission", "your access was terminated", "only moderator", "does not have permission", "has not been used in project")  # fmt: skip
_ADDRESS: Marks = (
    "ip_not_authorized",
    "your ip is not authorized",
    "ip address is not",
    "not in the allowlist",
    "ip_not_allowed",
    "ip is not allowed",
)
_ENDPOINT: Marks = ("invalid url (", "not allowed to post", "method_not_supported", "unknown_url", "unknown request url", "unrecognized request url", "no route matched",
                    "did you mean to use v1/", "only supported in v1/", "unknown endpoint", "resource was not found. please check the url", "requested endpoint was not found", "endpoint not found")  # fmt: skip
_MODEL = re.compile(
    r"model_not_found|\bengine not found|not_found_error model: |model_not_available|model not exist|modelnotfound|invalid model name passed|not a valid model|invalid model id|unknown model|no such model|invalid_model|model_not_supported|"
    r"models?\b.{0,120}(?:does not exist|doesn't exist|not found|is not available|not supported by any|not exist\b|has been deprecated|has been decommissioned|is not found|no access|you do not have access|unavailable for)|"
    r"does not have access to model|no endpoints? (?:found|available)|no allowed providers are available|try pulling it first|(?:not|n't) have access to (?:(?:the|this) )?(?:model|[`'\"]?[\w./:-]{2,60}[`'\"]? model\b)|模型不存在|unable to find model|could not find model|no models? loaded|model with (?:key|identifier) .{1,80} (?:is )?not (?:loaded|found)|unable to access model|not activated the model|modelnotopen|model\.?access ?denied|access to model denied|"
    r"model specified in your request is not configured|allowed now, your model ",
    re.DOTALL,
)
_REQUEST: Marks = ("maximum context length", "context_length_exceeded", "invalid_request", "unsupported_value", "unsupported_parameter", "unknown_parameter", "invalid_value", "invalid_type",
                   "badrequesterror", "content_filter", "content management policy", "content_management_policy", "prompt triggering azure openai", "responsibleaipolicy", "is too long", "string_above_max_length", "unsupported parameter", "max_completion_tokens",
                   "operationnotsupported", "field required", "invalid 'messages", "invalid_prompt", "invalid schema", "is not of type", "additional properties are not allowed",
                   "unrecognized request argument", "reduce the length", "extra inputs are not permitted", "missing required parameter", "invalid format: expected", "does not support ", "issue with your request. please check your inputs", "into go struct field", "failed to deserialize the json body")  # fmt: skip
# What the request says was refused, whatever status a provider puts on it.
_FLAGGED: Marks = (
    "requires moderation",
    "input was flagged",
    "content exists risk",
    "inappropriate content",
    "data_inspection_failed",
    "不安全或敏感内容",
)
# Over a limit of size: the API calls its own refusal a `server_error`.
_TOO_LARGE: Marks = ("content size limit", "request entity too large", "request_too_large", "payload too large")


_ITS_STATUS = re.compile(r"(4\d\d)\b[: ]")
_THIS_MACHINE = ("localhost", "127.0.0.1", "0.0.0.0", "::1", "host.docker.internal")
# What a server says that checks a key of its own; a vendor's sentence, passed on, says more.
_OF_ANY_KEY = re.compile(
    r"\W*(?:(?:40[13]|unauthorized|error|authentication_?error|invalid_api_key)\W{1,4}){0,3}(?:(?:invalid|wrong|missing|incorrect) (?:or missing )?(?:api[ _-]?key|token)|(?:api[ _-]?key|token) (?:is )?(?:invalid|missing|required))\W*(?:,? url: .*)?"
)


def at_host(host: str, status: int, error: ApiError, cause: str | None, *, vendor: bool = False) -> str | None:
    """*cause*, where who was called changes it: a model's vendor checks its caller's key and has no key of its own; OpenRouter, and a server on this machine, check none but their own."""
    if cause in ("api.invalid_key", "api.missing_key") and (
        host == "openrouter.ai" or (host in _THIS_MACHINE and _OF_ANY_KEY.fullmatch(_words(error)))
    ):
        return "api.gateway_auth_failed"
    bare = (error.message or "").strip(" .").lower() == "unauthorized"
    if not (vendor or VENDORS.search(host)) or not (
        cause == "api.gateway_auth_failed" or (cause is None and bare and status == 403)
    ):
        return cause
    found = _openai(status, error, _words(error))
    return found or ("api.permission_denied" if status == 403 and not bare else "api.invalid_key")


def named(status: int, error: ApiError, family: str) -> str | None:
    """The cause that code, type or message of an error name by themselves; *status* 0 means that none is known."""
    # Terminals break long lines, inside a message too.
    words = _words(error)
    if not status and (first := _ITS_STATUS.match(error.message or "")):
        # An application's envelope has a type of its own; the status of the answer inside begins the message.
        status = int(first[1])
    if status in (0, 400, 403) and _has(words, _FLAGGED):
        return "api.bad_request"
    found = _azure(status, words)
    if found is None and family != "direct" and status == 500 and error.shape == "flat" and error.code == "500":
        # `statusCode` beside the message is API Management's: a policy of its own, or its connection to the backend.
        return "api.gateway_upstream_failed"
    if found is None and (family != "azure" or _has(words, _ROUTER)):
        found = _gateway(status, error, words, family)
    return found or _openai(status, error, words)


def _words(error: ApiError) -> str:
    return " ".join(" ".join(part for part in (error.code, error.type, error.message) if part).lower().split())


def _openai(status: int, error: ApiError, words: str) -> str | None:
    code, kind = (error.code or "").lower(), (error.type or "").lower()
    if _has(words, _REGION):
        return "api.region_unsupported"
    if "organization" in words and "must be verified" in words:
        return "api.permission_denied"
    if _has(words, _ADDRESS) and status in (0, 401, 403):
        return "api.ip_not_allowed"
    if _has(words, _ORGANIZATION) and status in (0, 400, 401, 403, 404):
        return "api.organization_mismatch"
    if status in (402, 403, 429) and _has(words, _QUOTA):
        # xAI puts both into one answer: may not do this, and has no credits.
        return "api.insufficient_quota"
    if (_has(words, _PERMISSION) and status in (0, 401, 403)) or code == "organization_restricted":
        return "api.permission_denied"
    if status in (0, 400, 403, 404, 410, 500, 503) and _MODEL.search(words):
        return "api.model_not_found"
    if (
        kind == "insufficient_quota"
        or (status in (0, 400, 401, 402, 403, 422, 429, 500) and _has(words, _QUOTA))
        or code.endswith(("_spend_limit_exceeded", "_usage_limit_exceeded"))
    ):
        return "api.insufficient_quota"
    if (
        code in ("slow_down", "server_is_overloaded")
        or kind in ("service_unavailable_error", "unavailable_error")
        or _has(words, _OVERLOADED)
    ) and status not in (400, 401, 403, 404):
        return "api.overloaded"
    if (
        (status in (0, 400, 413) and _has(words, _TOO_LARGE))
        or "only be accessed over https" in words
        or "could not parse the json body" in words
    ):
        return "api.bad_request"
    if code == "external_storage_validation_unavailable":
        return "api.server_error"
    if status in (0, 400, 401, 403) and _has(words, _MISSING_KEY):
        return "api.missing_key"
    if status in (0, 400, 401, 403) and _has(words, _INVALID_KEY):
        return "api.invalid_key"
    if status in (0, 400) and kind == "authentication_error":
        # litellm raises what it does not know as a BadRequestError; the body's own type says more.
        return "api.invalid_key"
    # A RateLimitError can stand around a failure of the server (openai 0.x), so the message counts before the number.
    if status in (0, 429, 500, 503) and _has(words, _SERVER) and "rate_limit_exceeded" not in words:
        return "api.server_error"
    if status in (0, 413, 429) and _has(words, _RATE):
        return "api.rate_limited"
    # SDK 0.x has one class for 400 and 404.
    if status in (0, 400, 404, 405) and _has(words, _ENDPOINT):
        return "api.endpoint_not_found"
    if status in (0, 400, 404, 409, 413, 422) and _has(words, _REQUEST):
        return "api.bad_request" if status != 404 else "api.endpoint_not_found"
    if not status and kind == "api_error":
        # Ollama's and Anthropic's type of a 500, where nothing else is said of it.
        return "api.server_error"
    return None


def by_status(status: int, family: str) -> str | None:
    """What the status alone says of an answer that is known to be the API's."""
    if status == 401:
        return {"azure": "api.azure_auth_failed", "gateway": "api.gateway_auth_failed"}.get(family, "api.invalid_key")
    if status == 402:
        return "api.insufficient_quota"
    if status == 403:
        return "api.permission_denied"
    if status in (404, 405):
        return "api.azure_resource_not_found" if family == "azure" else "api.endpoint_not_found"
    if status == 408:
        return "api.gateway_upstream_failed" if family == "gateway" else "api.server_error"
    if status == 429:
        return "api.rate_limited"
    if status in (503, 529):
        # 529 is Anthropic's number for it, and of those who speak as it does.
        return "api.overloaded"
    if status >= 500:
        return "api.server_error"
    return "api.bad_request" if status >= 400 else None


def _azure(status: int, words: str) -> str | None:
    if (
        "virtual network/firewall" in words
        or "virtual network is configured" in words
        or "outbound network access is restricted" in words
        or "public access is disabled" in words
        or "approved private endpoint" in words
    ):
        return "api.azure_network_denied"
    if (
        "deploymentnotfound" in words
        or re.search(r"api deployment for this ress?ource does not exist", words)
        or "no valid deployments to route to" in words
    ):
        return "api.azure_deployment_not_found"
    # SDK 0.x has one class for 400 and 404.
    if status in (0, 400, 404) and (
        re.match(
            r"\s*(?:404 |notfound )?resource not found(?:\s*$|[.,;]? (?:errors?|although|though|but|when|even|while)\b)",
            words,
        )
        or "subdomain does not map" in words
    ):
        return "api.azure_resource_not_found"
    if any(mark in words for mark in ("authenticationtypedisabled", "key based authentication is disabled", "or wrong api endpoint", "access token is missing, invalid", "lacks the required data action",
                                      "principal does not have access", "custom subdomain for token authentication", "does not match resource token", "token audience", "audience is incorrect", "invalid_tenant", "unauthorized. access token")):  # fmt: skip
        return "api.azure_auth_failed"
    if "resource has been temporarily blocked" in words:
        return "api.permission_denied"
    return None


def _gateway(status: int, error: ApiError, words: str, family: str) -> str | None:
    kind = (error.type or "").lower()
    if kind == "budget_exceeded":
        return "api.insufficient_quota"
    if error.shape == "list" and error.code == "2009":
        # Cloudflare AI Gateway's own `Unauthorized`.
        return "api.gateway_auth_failed"
    if error.shape == "list" and error.code == "2005":
        # The same gateway, with status 400: `Failed to get response from provider`.
        return "api.gateway_upstream_failed"
    if _has(words, _ROUTER) or kind == "html-message":
        return "api.gateway_upstream_failed"
    about_the_call = _has(words, _QUOTA + _RATE + _INVALID_KEY + _MISSING_KEY) or _MODEL.search(words)
    if ("provider returned error" in words and status != 429) or (_has(words, _UPSTREAM_SAID) and not about_the_call):
        return "api.gateway_upstream_failed"
    if (
        status in (0, 400, 401, 403)
        and (
            _has(words, _GATEWAY_AUTH)
            or kind in ("auth_error", "expired_key", "no_db_connection")
            or kind.endswith("_model_access_denied")
        )
        and not any(said in words for said in ("incorrect api key", "please pass a valid api key", "api key or ak/sk"))
        and not _has(words, _QUOTA)
    ):
        return "api.gateway_auth_failed"
    if status in (0, 401) and "user not found" in words and not error.code_is_string:
        return "api.gateway_auth_failed"
    if _has(words, _REGION) or "openaiexception - error code: 429" in words:
        return None
    if (
        family == "gateway"
        and status in (401, 403)
        and (error.shape in ("list", "flat", "string") or not error.code_is_string)
        and not _has(words, _INVALID_KEY + _QUOTA + _PERMISSION)
    ):
        return "api.gateway_auth_failed"
    if (
        (family == "gateway" or "litellm" in words)
        and (status >= 500 or status == 0)
        and _has(words, _GATEWAY_UPSTREAM)
    ):
        return "api.gateway_upstream_failed"
    if family == "gateway" and status >= 500 and _has(words, _UPSTREAM_LOST):
        return "api.gateway_upstream_failed"
    if status >= 500 and kind and "unexpected token '<'" in words:
        # It wanted JSON of its upstream and got a page; the API has no upstream.
        return "api.gateway_upstream_failed"
    if family == "gateway" and status == 408 and ("timeout" in words or kind == "timeout_error"):
        return "api.gateway_upstream_failed"
    return None


def _has(words: str, marks: Marks) -> bool:
    return any(mark in words for mark in marks)
