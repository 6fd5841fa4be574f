"""What the branches of the runbook read from evidence: limits, who answered, gateways, Azure's names and identities, the direct route."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from oairunbook import identity
from oairunbook.diagnose import azure, diagnose, direct, gateways, known, known_providers, limits
from oairunbook.diagnose.answered import answered
from oairunbook.diagnose.catalogue import Cause
from oairunbook.evidence import (
    ApiError,
    Body,
    Connected,
    Evidence,
    Header,
    HttpAnswer,
    NotTried,
    Observation,
    Resolved,
    Setting,
)
from oairunbook.observe.base_path import near_paths
from oairunbook.observe.beside import HEALTH_PATHS, with_health, with_token_host
from oairunbook.route import resolve

from .recorded import ROUTE, answer, connected, evidence, observation, resolved, sdk_answered, sdk_failed

AZURE = replace(ROUTE, family="azure", host="res.openai.azure.com", surface="azure-v1", path="/openai/v1")


def headers(**values: str) -> tuple[Header, ...]:
    return tuple(Header(name=name.replace("_", "-"), value=value) for name, value in values.items())


def replied(
    status: int, *, error: ApiError | None = None, sample: str = "", shape: Any = None, **marks: str
) -> HttpAnswer:
    shape = shape or ("api_error" if error else "json")
    body = Body(shape=shape, size_bytes=len(sample), error=error, sample=sample)
    return HttpAnswer(method="POST", url="https://x.test/v1", status=status, http_version="1.1", headers=headers(**marks), body=body)  # fmt: skip


def seen(got: HttpAnswer, **changes: Any) -> Evidence:
    return evidence(resolved(), connected(), sdk_failed(answer=got), **changes)


CHINA_SECRET = {
    "AZURE_TENANT_ID": "t",
    "AZURE_CLIENT_ID": "c",
    "AZURE_CLIENT_SECRET": "s",
    "AZURE_AUTHORITY_HOST": "https://login.chinacloudapi.cn/",
}


# -- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12ms", 0.012),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("1d", 86400.0),
        ("0", 0.0),
        ("59.7", 59.7),
        ("250us", 2.5e-4),
    ],
)
def test_a_reset_value_is_a_duration_or_a_number_of_seconds(text: str, seconds: float) -> None:
    assert limits.duration_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "6m0", "1764057600", "-1", "5 s", "nan", "inf", "m6", "\u0661s"])
def test_what_is_no_duration_is_not_taken_for_one(text: str) -> None:
    """A Unix time is a moment: as a duration it would mean to wait for fifty years."""
    assert limits.duration_seconds(text) is None


def test_the_limits_of_one_dimension_belong_together_and_those_of_a_gateways_upstream_are_told_apart() -> None:
    pairs = {
        "x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms",
        "llm_provider-x-ratelimit-remaining-tokens": "-1", "x-ratelimit-remaining": "7", "x-request-id": "req_1",
    }  # fmt: skip
    found = limits.limits(tuple(Header(name=name, value=value) for name, value in pairs.items()))
    assert [(one.dimension, one.whose, one.limit, one.remaining) for one in found] == [
        ("requests", "who answered", 500, 0),
        ("tokens", "the gateway's upstream", None, -1),
        ("all", "who answered", None, 7),
    ]
    assert found[0].reset_seconds == pytest.approx(0.12)


def test_waiting_is_read_as_the_sdks_read_it() -> None:
    both = headers(retry_after_ms="1500", retry_after="9", x_should_retry="false")
    assert limits.waiting(both) == limits.Waiting(seconds=1.5, header="retry-after-ms", should_retry=False)
    date = headers(date="Wed, 25 Nov 2026 10:00:00 GMT", retry_after="Wed, 25 Nov 2026 10:00:30 GMT")
    assert limits.waiting(date).seconds == 30.0
    assert limits.waiting(headers(retry_after="tomorrow")).seconds is None


# -- who answered -------------------------------------------------------------------------------------------------

EDGE = {"server": "cloudflare", "cf_ray": "9f-FRA"}


@pytest.mark.parametrize(
    ("got", "who"),
    [
        (replied(500, x_request_id="req_1", **EDGE), "application"),
        (replied(502, error=ApiError(message="Bad gateway.", code="502", code_is_string=False), **EDGE), "edge"),
        (replied(403, sample="<html>", shape="html", server="squid"), "intermediary"),
        (replied(401, apim_request_id="a-b"), "azure"),
        (replied(500, x_litellm_call_id="c", x_request_id="req_1"), "gateway"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_status_headers_and_body_together_tell_who_answered(got: HttpAnswer, who: str) -> None:
    found = answered(seen(got))
    assert found
    assert found.who == who


@pytest.mark.parametrize(
    ("got", "who"),
    [
        (replied(500, x_request_id="0c9b3c1e-58ab-4d0e-9d9b-3c1e58ab4d0e"), "not told"),
        (replied(502, **EDGE), "not told"),
        (replied(401, x_request_id="req_1"), "application"),
    ],
    ids=["uuid", "behind Cloudflare", "passed on"],
)
def test_on_a_gateway_route_neither_a_uuid_nor_an_edge_is_taken_for_the_apis_own(got: HttpAnswer, who: str) -> None:
    """Many gateways send UUIDs, and many stand behind Cloudflare."""
    found = answered(seen(got, family="gateway", host="gw.test"))
    assert found
    assert found.who == who


def test_an_id_of_the_api_on_a_gateway_route_proves_that_it_was_reached_and_not_that_it_was_called() -> None:
    told = answered(seen(answer(), family="gateway"))
    assert told
    assert any("a gateway can pass it on" in mark.says for mark in told.marks)
    assert answered(evidence(resolved(), connected(), sdk_failed())) is None


# -- known answers ------------------------------------------------------------------------------------------------

TABLES = (known.AUTH, known.QUOTA_AND_RATE, known.SERVER, known_providers.AZURE, known_providers.GATEWAY)


def test_every_known_answer_names_a_cause_of_the_catalogue() -> None:
    from oairunbook.diagnose import CATALOGUE

    causes = {cause.id for cause in CATALOGUE if isinstance(cause, Cause)}
    assert {row.cause for table in TABLES for row in table} <= causes
    assert set(known.PROVES) <= causes


@pytest.mark.parametrize(
    ("status", "error", "table", "shown"),
    [
        (401, ApiError(message="x", code="incorrect_hostname"), known.AUTH, "incorrect_hostname"),
        (403, ApiError(message="You have insufficient permissions. Missing scopes: model.request"), known.AUTH, "Missing scopes: …"),
        (429, ApiError(message="x", type="insufficient_quota", code="project_spend_limit_exceeded"), known.QUOTA_AND_RATE, "project_spend_limit_exceeded"),
        (503, ApiError(message="x", type="service_unavailable_error", code="server_is_overloaded"), known.SERVER, "server_is_overloaded"),
    ],
    ids=["host", "scope", "quota", "overloaded"],
)  # fmt: skip
def test_code_and_message_choose_the_row(status: int, error: ApiError, table: Any, shown: str) -> None:
    record = seen(replied(status, error=error, x_request_id="req_1"))
    row = known.seen_in(table, record, diagnose(record))
    assert row
    assert row.shown == shown


def test_words_do_not_choose_a_row_that_the_rules_judge_otherwise() -> None:
    """The same words on the page of a filter are no refusal of a key."""
    page = seen(replied(403, sample="invalid_api_key", shape="html", server="squid"))
    row = known.seen_in(known.AUTH, page, diagnose(page))
    assert row
    assert row.shown == "a page, without a request id"
    assert known.seen_in(known.QUOTA_AND_RATE, page, diagnose(page)) is None
    assert known.seen_in(known.AUTH, evidence(resolved()), diagnose(evidence(resolved()))) is None


def test_a_key_of_another_region_is_not_advised_to_be_replaced_first() -> None:
    verdict = diagnose(seen(replied(401, error=ApiError(message="x", code="incorrect_hostname"), x_request_id="req_1")))
    assert verdict.cause == "api.invalid_key"
    assert verdict.next[0].startswith("Set the base URL to the host of the key's own region")


# -- gateways -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "product"),
    [
        (replied(500, x_litellm_version="1"), "LiteLLM"),
        (replied(400, sample='{"error":{"message":"No connected db.","type":"no_db_connection"}}'), "LiteLLM"),
        (replied(500, sample='{"html-message":"Message: fetch failed"}'), "Portkey"),
        (replied(401, server="kong/3.9.1"), "Kong"),
        (replied(401, cf_aig_event_id="1"), "Cloudflare AI Gateway"),
        (replied(401, www_authenticate='AzureApiManagementKey realm="x"'), "Azure API Management"),
        (replied(200, sample='{"error":"Unexpected endpoint or method. (GET /x)"}'), "LM Studio"),
        (replied(401, sample='{"error":"Unauthorized"}', server="uvicorn"), "vLLM"),
        (replied(404, server="uvicorn"), "perhaps vLLM"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_gateway_is_known_by_what_its_answers_say(got: HttpAnswer, product: str) -> None:
    assert [sign.product for sign in gateways.signs(seen(got, family="gateway"))][:1] == [product]


def test_what_does_not_name_itself_is_not_guessed_but_by_its_host_or_port() -> None:
    plain = replied(500, server="nginx")
    assert gateways.signs(seen(plain, family="gateway", host="gw.example.com", port=443)) == ()
    assert gateways.signs(seen(plain, family="gateway", host="openrouter.ai", port=443))[0].product == "OpenRouter"
    assert gateways.signs(seen(plain, family="gateway", host="gw", port=11434))[0].product == "perhaps Ollama"


def test_the_control_tests_answer_names_no_gateway() -> None:
    control = observation("control.http", replied(401, server="kong/3"), layer="http")
    assert gateways.signs(evidence(control, family="gateway")) == ()


@pytest.mark.parametrize(
    ("got", "whose"),
    [
        (replied(500, sample="litellm.InternalServerError: OpenAIException - Connection error."), "its upstream's"),
        (replied(408, sample="litellm.Timeout: APITimeoutError"), "its upstream's"),
        (replied(401, sample="Authentication Error, No api key passed in."), "the caller's"),
        (
            replied(401, sample="litellm.AuthenticationError: OpenAIException - Incorrect API key provided"),
            "its upstream's",
        ),
        (replied(404, sample='{"detail":"Not Found"}'), "the gateway's own"),
        (replied(502, helicone_error="x"), "the gateway's own"),
        (replied(500, sample="{}"), "not told"),
        (replied(500, sample="{}", x_request_id="0c9b3c1e"), "not told"),
        (replied(500, sample="{}", x_envoy_upstream_service_time="3"), "not told"),
        (replied(500, sample="{}", x_request_id="req_1"), "its upstream's"),
    ],
)
def test_whose_failure_it_is_stands_in_the_gateways_own_words(got: HttpAnswer, whose: str) -> None:
    found = gateways.account(seen(got, family="gateway"))
    assert found
    assert found.whose == whose


def test_a_success_is_nobodys_failure() -> None:
    assert gateways.account(evidence(resolved(), connected(), sdk_answered())) is None


# -- base paths ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("", ("/v1",)),
        ("/v1", ("",)),
        ("/v1/v1", ("/v1", "")),
        ("/v1/chat/completions", ("/v1", "")),
        ("/openai", ("/openai/v1", "/v1", "")),
    ],
)
def test_near_paths_are_the_usual_slips_and_never_the_path_itself(path: str, near: tuple[str, ...]) -> None:
    assert near_paths(path) == near


def test_a_counter_test_that_finds_the_api_one_path_away_is_cited_and_says_what_to_set() -> None:
    page = replied(404, sample="<html>", shape="html", server="nginx")
    fault = (resolved(), connected(), observation("http", page), sdk_failed(answer=page))
    there = observation(
        "http.base_path:/v1", replied(401, error=ApiError(message="x", code="invalid_api_key")), layer="http"
    )
    gateway = {"family": "gateway", "host": "gw.test", "path": ""}
    found = diagnose(evidence(*fault, replace(there, changed="the base path /v1 instead of /"), **gateway))
    assert (found.cause, found.next[0]) == (
        "http.not_an_api",
        "Set the base URL to https://gw.test/v1: an API answers there.",
    )
    assert "http.base_path:/v1" in [reason.observation for reason in found.because]
    nowhere = observation("http.base_path:/v1", page, layer="http")
    alone = diagnose(evidence(*fault, replace(nowhere, changed="the base path /v1 instead of /"), **gateway))
    assert alone.cause == "http.not_an_api"
    assert not alone.next[0].startswith("Set the base URL")


# -- Azure --------------------------------------------------------------------------------------------------------


def named(*addresses: str, alias: str | None = None) -> Observation:
    return observation("dns.system", Resolved(name="res.openai.azure.com", addresses=addresses, canonical_name=alias))


PUBLIC = "20.1.2.3"
LINK = "res.privatelink.openai.azure.com"


@pytest.mark.parametrize(
    ("looked", "reach", "words"),
    [
        (named("10.0.0.5", alias=LINK), "private", "the private endpoint, as it is meant"),
        (named(PUBLIC, alias=LINK), "public", "this network resolves its public side"),
        (named(PUBLIC), "public", "No private endpoint is shown"),
        (named("10.0.0.5"), "private", "without an alias into a privatelink zone"),
        (observation("tcp", NotTried(reason="x")), "no address", "has no address here"),
    ],
    ids=["private", "not linked", "public", "split", "none"],
)
def test_alias_and_address_tell_where_the_name_of_a_resource_leads(looked: Observation, reach: str, words: str) -> None:
    found = azure.private_endpoint(replace(evidence(looked), route=AZURE))
    assert found.reach == reach
    assert words in found.statement


def test_what_is_no_address_in_somebody_elses_record_is_passed_over() -> None:
    odd = replace(evidence(named("not an address", "10.0.0.5%eth0")), route=AZURE)
    assert azure.private_endpoint(odd).reach == "private"
    assert direct.addresses(replace(odd, route=replace(AZURE, family="direct"))).reach == "private"


def test_behind_a_proxy_what_this_runtime_resolves_does_not_count() -> None:
    proxied = replace(AZURE, proxy=replace(ROUTE.proxy, url="http://proxy.test:3128"))
    denied = replied(403, error=ApiError(message="Public access is disabled."), sample="Public access is disabled.")
    found = azure.private_endpoint(replace(seen(denied), route=proxied))
    assert found.reach == "resolved by the proxy"
    assert "NO_PROXY" in found.next[0]


@pytest.mark.parametrize(
    ("base_url", "fitting"),
    [
        ("https://res.openai.azure.com/openai/v1/", ["OpenAI(base_url=…)"]),
        ("https://res.openai.azure.com", ["AzureOpenAI(azure_endpoint=…)", "AzureOpenAI(azure_endpoint=…), responses, models, files"]),
        ("https://res.openai.azure.com/openai", ["AzureOpenAI(base_url=…)"]),
        ("https://res.openai.azure.com/openai/v1/openai/v1", []),
    ],
)  # fmt: skip
def test_each_way_of_building_the_client_fits_one_form_of_the_base_url(base_url: str, fitting: list[str]) -> None:
    record = replace(evidence(), route=replace(AZURE, base_url=Setting(value=base_url, source="argument")))
    assert [built.client for built in azure.built_urls(record) if built.fits] == fitting


def test_the_doubled_path_is_shown_as_the_client_would_call_it() -> None:
    record = replace(
        evidence(), route=replace(AZURE, base_url=Setting(value="https://r.openai.azure.com/openai/v1", source="x"))
    )
    assert any("/openai/v1/openai/deployments/gpt-4o-mini/" in built.url for built in azure.built_urls(record))


@pytest.mark.parametrize(
    ("variables", "name", "host", "port"),
    [
        ({"IDENTITY_ENDPOINT": "http://127.0.0.1:41741/msi/token", "IDENTITY_HEADER": "x"}, "App Service, Functions or Container Apps", "127.0.0.1", 41741),
        ({"IDENTITY_ENDPOINT": "https://[::1]:2377/x", "IDENTITY_HEADER": "x", "IDENTITY_SERVER_THUMBPRINT": "t"}, "Service Fabric", "::1", 2377),
        ({"IDENTITY_ENDPOINT": "http://localhost:40342/x", "IMDS_ENDPOINT": "http://localhost:40342"}, "Azure Arc", "localhost", 40342),
        ({"MSI_ENDPOINT": "http://127.0.0.1:46808/x", "MSI_SECRET": "x"}, "Azure Machine Learning", "127.0.0.1", 46808),
        ({"MSI_ENDPOINT": "http://localhost:50342/x"}, "Cloud Shell", "localhost", 50342),
        ({"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": "/t"}, "workload identity", "login.microsoftonline.us", 443),
        (CHINA_SECRET, "client secret", "login.chinacloudapi.cn", 443),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)  # fmt: skip
def test_the_variables_choose_the_identity_and_the_host_of_its_tokens(
    variables: dict[str, str], name: str, host: str, port: int
) -> None:
    found = identity.token_source(variables, "res.openai.azure.us")
    assert found
    assert (found.name, found.host, found.port) == (name, host, port)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"IDENTITY_ENDPOINT": "http://x"},
        {"AZURE_TENANT_ID": "t"},
        {"MSI_ENDPOINT": "http://[broken"},
        {"IDENTITY_HEADER": "x"},
    ],
)
def test_variables_that_choose_nothing_choose_nothing(variables: dict[str, str]) -> None:
    assert identity.token_source(variables, "res.openai.azure.com") is None


def test_of_secret_variables_only_that_they_are_set_is_written() -> None:
    environment = {
        "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com", "AZURE_OPENAI_AD_TOKEN": "a-very-secret-token",
        "AZURE_OPENAI_API_KEY": "another-secret-value", "IDENTITY_ENDPOINT": "http://127.0.0.1:1/x", "IDENTITY_HEADER": "a-secret-header",
    }  # fmt: skip
    route = resolve(environment=environment)
    told = {setting.source: setting.value for setting in route.settings}
    assert told["IDENTITY_ENDPOINT"] == "http://127.0.0.1:1/x"
    assert [told[name] for name in ("AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_API_KEY", "IDENTITY_HEADER")] == [
        identity.SET
    ] * 3
    found = azure.identity(replace(evidence(), route=route))
    assert (found.chosen, found.by) == ("token, given", "AZURE_OPENAI_AD_TOKEN")
    assert any("the key is not" in warning for warning in found.warnings)
    elsewhere = resolve(environment={**environment, "AZURE_OPENAI_ENDPOINT": ""})
    assert not {"IDENTITY_ENDPOINT", "IDENTITY_HEADER"} & {setting.source for setting in elsewhere.settings}


def test_a_metadata_address_that_would_go_to_the_proxy_is_told() -> None:
    settings = (Setting(value="http://proxy.test:3128", source="HTTP_PROXY"),)
    proxied = replace(AZURE, settings=settings, credential=replace(ROUTE.credential, present=False))
    assert any("169.254.169.254" in warning for warning in azure.identity(replace(evidence(), route=proxied)).warnings)
    around = replace(proxied, settings=(*settings, Setting(value="169.254.169.254", source="NO_PROXY")))
    assert azure.identity(replace(evidence(), route=around)).warnings == ()


# -- the direct route ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("api.openai.com", "the default"),
        ("eu.api.openai.com", "a region"),
        ("mtls-us.api.openai.com", "mutual TLS"),
        ("westus.privatelink.api.openai.com", "Private Link on Azure"),
        ("xx.api.openai.com", None),
        ("api.openai.com.evil.test", None),
    ],
)
def test_the_apis_own_hosts_are_known_by_name(host: str, what: str | None) -> None:
    found = direct.known_host(host)
    assert (found.what if found else None) == what


def test_private_addresses_are_right_for_private_link_and_odd_for_the_public_host() -> None:
    def words(host: str, address: str) -> str:
        looked = observation("dns.system", Resolved(name=host, addresses=(address,)))
        return direct.addresses(evidence(looked, host=host)).statement

    assert "are right for this host" in words("westus.privatelink.api.openai.com", "10.0.0.4")
    assert "zone is not linked" in words("westus.privatelink.api.openai.com", PUBLIC)
    assert "Public addresses" in words("api.openai.com", PUBLIC)
    assert "A private address" in words("api.openai.com", "10.0.0.4")


def test_the_route_is_proved_by_the_apis_application_and_not_by_its_edge() -> None:
    application, edge = seen(replied(429, x_request_id="req_1", **EDGE)), seen(replied(502, **EDGE))
    assert direct.proved(application, diagnose(application)).by_the_api
    assert not direct.proved(edge, diagnose(edge)).by_the_api
    nothing = evidence(resolved())
    assert "no answer came" in direct.proved(nothing, diagnose(nothing)).statement


# -- what is looked at beside the path ----------------------------------------------------------------------------


class Quiet(http.server.BaseHTTPRequestHandler):
    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append((self.path, str(self.headers.get("authorization") or self.headers.get("api-key"))))
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[int, list[tuple[str, str]]]]:
    handler = type("Handler", (Quiet,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running.server_address[1], handler.asked  # type: ignore[attr-defined]
        running.shutdown()
        thread.join()


def local(port: int, **changes: Any) -> Evidence:
    reached = observation("tcp:127.0.0.1", Connected(address="127.0.0.1", port=port))
    return evidence(reached, scheme="http", host="127.0.0.1", port=port, family="gateway", **changes)


def test_health_is_asked_of_the_endpoints_own_host_without_credentials(
    server: tuple[int, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-of-this-test")
    port, asked = server
    record = with_health(local(port), HEALTH_PATHS, timeout=2.0, budget=5.0)
    assert asked == [(path, "None") for path in HEALTH_PATHS]
    looked = {o.id: o.outcome.status for o in record.observations if isinstance(o.outcome, HttpAnswer)}
    assert looked["health:/health"] == 200
    assert looked["health:/"] == 404
    assert all(o.changed for o in record.observations if o.id.startswith("health:"))
    assert diagnose(record) == diagnose(local(port)), "what is beside the path decides nothing"


def test_health_of_a_host_to_which_the_path_is_not_open_is_not_tried() -> None:
    record = with_health(evidence(resolved(), family="gateway"), ("/health",), timeout=1.0, budget=1.0)
    assert isinstance(record.observations[-1].outcome, NotTried)


def test_the_host_of_tokens_is_connected_to_and_asked_for_nothing(
    server: tuple[int, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, asked = server
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{port}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "canary-of-this-test")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    record = with_token_host(replace(evidence(), route=AZURE), timeout=2.0, budget=5.0)
    assert [(o.id, o.outcome.kind) for o in record.observations] == [("token.tcp:127.0.0.1", "connected")]
    assert asked == []
    monkeypatch.delenv("IDENTITY_ENDPOINT")
    nothing = with_token_host(replace(evidence(), route=AZURE), timeout=2.0, budget=5.0)
    assert isinstance(nothing.observations[-1].outcome, NotTried)


def test_an_identity_in_the_place_of_a_key_is_no_missing_key() -> None:
    """Whoever fetches its token in code needs no variable that holds a key; to call that a fault would be wrong."""
    from oairunbook.evidence import ClientBuilt

    built = observation("client.sdk", ClientBuilt(client="openai.OpenAI", proxy=None, roots=1))
    refusal = replied(401, error=ApiError(message="Unauthorized"), apim_request_id="a")
    route = replace(AZURE, credential=replace(ROUTE.credential, present=False, source=None))
    seen_there = (built, resolved(), connected(), observation("http", refusal))
    keyless = diagnose(replace(evidence(*seen_there), route=route))
    assert keyless.cause == "client.api_key_missing"
    settings = (
        Setting(value="http://127.0.0.1:1/x", source="IDENTITY_ENDPOINT"),
        Setting(value=identity.SET, source="IDENTITY_HEADER"),
    )
    with_identity = diagnose(replace(evidence(*seen_there), route=replace(route, settings=settings)))
    assert with_identity.cause == "unknown"
    assert any("give it one in OPENAI_API_KEY" in missing for missing in with_identity.missing)
    dated = diagnose(replace(evidence(*seen_there), route=replace(route, settings=settings, surface="azure-dated")))
    assert any("give it one in AZURE_OPENAI_AD_TOKEN" in missing for missing in dated.missing)
