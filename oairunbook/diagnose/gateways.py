# ruff: noqa: E501 - one mark or answer a line, so that the tables can be read as tables
"""Which gateway or self-hosted server this is, from headers, bodies and its own health answers; and whose failure its answer tells.

Source: LiteLLM 1.109, Portkey 1.15 and their code; documentation and recorded answers of the others (facts: gateways).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from oairunbook.diagnose.reading import telling_answer
from oairunbook.evidence import Evidence, Header, HttpAnswer, Observation, SdkAnswered, SdkFailed
from oairunbook.records import dataclass

HEALTH = "health."
"""Beginning of the ids of health observations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One thing that names a product."""

    product: str
    observation: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose failure an answer tells, in the gateway's own words."""

    whose: Literal["the gateway's own", "its upstream's", "the caller's", "not told"]
    why: str
    observation: str


_HEADERS: tuple[tuple[str, str, str], ...] = (
    ("x-litellm-", "", "LiteLLM"),
    ("x-portkey-", "", "Portkey"),
    ("cf-aig-", "", "Cloudflare AI Gateway"),
    ("x-kong-", "", "Kong"),
    ("server", "kong", "Kong"),
    ("via", "kong", "Kong"),
    ("helicone-", "", "Helicone"),
    ("ngrok-error-code", "", "ngrok AI gateway"),
    ("x-oneapi-request-id", "", "one-api or new-api"),
    ("x-new-api-version", "", "new-api"),
    ("x-generation-id", "", "OpenRouter"),
    ("www-authenticate", "azureapimanagementkey", "Azure API Management"),
    ("server", "llama.cpp", "llama.cpp server"),
)
"""Beginning of a header's name, what its value holds, and the product."""

_BODIES: tuple[tuple[str, str], ...] = (
    (r"litellm\.|i'm alive!|no_db_connection", "LiteLLM"),
    (r'"html-message"|x-portkey-|ai gateway says hey|^portkey error', "Portkey"),
    (r'"metadata"\s*:\s*\{.*"(?:error_type|provider_name|raw)"|"id"\s*:\s*"gen-', "OpenRouter"),
    (r'"name"\s*:\s*"aigatewayerror"', "Cloudflare AI Gateway"),
    (r"no api key found in request|no route matched with those values", "Kong"),
    (r'"statuscode"\s*:\s*\d+.*(?:subscription key|"activityid"|resource not found)', "Azure API Management"),
    (r"err_ngrok_", "ngrok AI gateway"),
    (r"one_api_error|new_api_error|\(request id: \d", "one-api or new-api"),
    (r"ollama is running|fp_ollama|try pulling it first", "Ollama"),
    (r"unexpected endpoint or method", "LM Studio"),
    (r'"error"\s*:\s*"unauthorized"', "vLLM"),
)
"""What the beginning of a body holds, and the product."""

HOSTS: tuple[tuple[str, str], ...] = (
    ("openrouter.ai", "OpenRouter"),
    ("api.portkey.ai", "Portkey, hosted"),
    ("gateway.ai.cloudflare.com", "Cloudflare AI Gateway"),
    ("helicone.ai", "Helicone"),
    ("gateway.ngrok.ai", "ngrok AI gateway"),
    ("azure-api.net", "Azure API Management"),
    ("azurefd.net", "Azure Front Door"),
)

_PORTS = {
    4000: "LiteLLM", 8787: "Portkey, local", 8000: "Kong or vLLM", 8443: "Kong", 3000: "one-api or new-api", 11434: "Ollama",
    9931: "llama.cpp server", 8080: "llama.cpp server, older", 1234: "LM Studio",
}  # fmt: skip
"""Default ports: a hint where nothing else tells, and no more."""


def signs(evidence: Evidence) -> tuple[Sign, ...]:
    """Everything that names a product, what answers say before what an address hints at."""
    found = [sign for observation, answer in _all_answers(evidence) for sign in _of_answer(observation, answer)]
    for end, product in HOSTS:
        if f".{evidence.route.host}".endswith(f".{end}"):
            found.append(Sign(product=product, observation="route", what=f"its host is {evidence.route.host}"))
    for observation, answer in () if found else _all_answers(evidence):
        if answer.header("server") == "uvicorn":
            what = "server: uvicorn, as many servers written in Python say"
            found.append(Sign(product="perhaps vLLM", observation=observation.id, what=what))
    if not found and evidence.route.port in _PORTS:
        what = f"port {evidence.route.port} is its default; that is a hint, and no more"
        found.append(Sign(product=f"perhaps {_PORTS[evidence.route.port]}", observation="route", what=what))
    return tuple(found)


def product_header(headers: tuple[Header, ...]) -> tuple[Header, str] | None:
    """The first header that names a product, and the product; None if none does."""
    for header in headers:
        for beginning, value, product in _HEADERS:
            if header.name.lower().startswith(beginning) and value in header.value.lower():
                return header, product
    return None


def account(evidence: Evidence) -> Account | None:
    """Whose failure the telling answer is; None if there is no answer, or it is none of a failure."""
    telling = telling_answer(evidence)
    if telling is None:
        return None
    observation, answer = telling
    if answer.status < 400 and answer.body.error is None:
        return None
    words = f"{answer.body.title or ''} {answer.body.sample}".lower()
    for whose, pattern, why in _ACCOUNTS:
        if re.search(pattern, words, re.DOTALL):
            return Account(whose=whose, why=why, observation=observation.id)
    for name, whose, why in _ACCOUNT_HEADERS:
        value = answer.header(name)
        if value:
            return Account(whose=whose, why=f"{name}: {value}: {why}", observation=observation.id)
    if (answer.header("x-request-id") or "").startswith("req_"):
        why = "x-request-id begins with req_: the API itself was reached through the gateway, and this is its answer"
        return Account(whose=_UPSTREAM, why=why, observation=observation.id)
    return Account(
        whose="not told", why="neither its body nor its headers say whose failure it is", observation=observation.id
    )


_GATEWAY: Literal["the gateway's own"] = "the gateway's own"
_UPSTREAM: Literal["its upstream's"] = "its upstream's"
_CALLER: Literal["the caller's"] = "the caller's"

_ACCOUNTS: tuple[tuple[Literal["the gateway's own", "its upstream's", "the caller's"], str, str], ...] = (
    (_CALLER, r"authentication error, (?:no api key|invalid proxy server token|malformed)|token_not_found_in_db|expired_key", "LiteLLM refused its caller's key; no upstream was asked"),
    (_CALLER, r"no_db_connection|no connected db", "LiteLLM has no database, so it knows no virtual key: any wrong key ends so, with status 400"),
    (_CALLER, r"budget_exceeded|exceededbudget", "the budget that the gateway gave this key is spent"),
    (_CALLER, r"no api key found in request|invalid authentication credentials", "Kong refused its caller"),
    (_CALLER, r"due to (?:missing|invalid) subscription key", "API Management refused its caller's subscription key. Azure OpenAI itself says: invalid subscription key or wrong API endpoint"),
    (_CALLER, r"no auth credentials found|\"user not found\.", "OpenRouter refused its caller's key"),
    (_CALLER, r"x-portkey-config or x-portkey-provider header is required", "Portkey was not told where to route; it says so for unknown paths as well"),
    (_CALLER, r'"error"\s*:\s*\[.{0,80}2009', "Cloudflare's gateway refused its caller: its own token goes into cf-aig-authorization"),
    (_CALLER, r'"error"\s*:\s*"unauthorized"', "the server refused its caller's key"),
    (_CALLER, r"invalid model name passed in model", "LiteLLM has no such model in its list; it answers 400, not 404"),
    (_UPSTREAM, r"(?:openai|azure)exception - (?:connection error|.{0,40}timed out)", "the gateway's own SDK could not reach its upstream: these words are the gateway's, and its network is to be looked at, not this one"),
    (_UPSTREAM, r"(?:openai|azure)exception - .{0,60}incorrect api key", "the upstream refused the key that is stored in the gateway: its operator replaces it"),
    (_UPSTREAM, r"litellm\.timeout|apitimeouterror", "the upstream was too slow for the gateway; LiteLLM answers 408 then, which the SDK sends again"),
    (_UPSTREAM, r"litellm\.(?:badgateway|serviceunavailable|internalserver|ratelimit|apiconnection|apierror)", "LiteLLM repeats what its upstream did"),
    (_UPSTREAM, r"deployments? (?:available|for selected model)|in cooldown|no healthy deployments", "every deployment of this model failed lately, so the router asks none"),
    (_UPSTREAM, r"fetch failed|\"html-message\"", "Portkey could not reach its upstream, or got a page from it"),
    (_UPSTREAM, r"provider returned error|provider_(?:unavailable|overloaded)", "OpenRouter's provider failed, even where the status is 200"),
    (_UPSTREAM, r"invalid response was received from the upstream|ring-balancer|upstream server is timing out|name resolution failed", "Kong reached no healthy upstream"),
    (_UPSTREAM, r"err_ngrok_3800|could not reach the ai provider", "ngrok could not reach the provider"),
    (_UPSTREAM, r'"statuscode"\s*:\s*500', "a policy of API Management, or its connection to the backend, failed; the activityId finds it in its log"),
    (_GATEWAY, r"502 bad gateway|504 gateway time-?out|503 service", "the load balancer in front of the gateway found no gateway behind it"),
    (_GATEWAY, r"no route matched|\"detail\"\s*:\s*\"not found\"|404 page not found|unexpected endpoint or method", "it has nothing at this path: look at the base path below"),
    (_GATEWAY, r"crossed tpm|max parallel request limit|api rate limit exceeded", "a limit of the gateway's own"),
    (_GATEWAY, r"unavailable_error|loading model", "the server is still loading its model"),
)  # fmt: skip

_ACCOUNT_HEADERS: tuple[tuple[str, Literal["the gateway's own", "its upstream's"], str], ...] = (
    ("helicone-error", _GATEWAY, "Helicone failed itself"),
    ("x-kong-response-latency", _GATEWAY, "Kong answered itself"),
    ("llm_provider-x-request-id", _UPSTREAM, "the upstream answered, and this is its answer"),
    ("x-kong-upstream-latency", _UPSTREAM, "an upstream answered"),
    ("openai-processing-ms", _UPSTREAM, "the API itself worked on it, and the gateway passes that on"),
)


def _all_answers(evidence: Evidence) -> Iterator[tuple[Observation, HttpAnswer]]:
    """Answers of this gateway's own host: on the path, pasted, and of its health paths. Not those of the control test."""
    for observation in evidence.observations:
        outcome = observation.outcome
        if observation.layer is None or observation.id.startswith("control."):
            continue
        if isinstance(outcome, HttpAnswer):
            yield observation, outcome
        elif isinstance(outcome, SdkFailed) and outcome.answer is not None:
            yield observation, outcome.answer
        elif isinstance(outcome, SdkAnswered) and outcome.body is not None:
            yield observation, HttpAnswer(method=outcome.method, url="", status=outcome.status, http_version="1.1", headers=outcome.headers, body=outcome.body)  # fmt: skip


def _of_answer(observation: Observation, answer: HttpAnswer) -> Iterator[Sign]:
    named = product_header(answer.headers)
    if named is not None:
        yield Sign(product=named[1], observation=observation.id, what=f"{named[0].name}: {named[0].value}")
    words = answer.body.sample.lower()
    for pattern, product in _BODIES:
        if re.search(pattern, words, re.DOTALL):
            yield Sign(
                product=product,
                observation=observation.id,
                what=f"its body: {' '.join(answer.body.sample.split())[:120]}",
            )
