"""The catalogue: every cause of the contract is there with its owner, and none gives advice that its layer cannot bear."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from oairunbook import __version__
from oairunbook.diagnose import CATALOGUE, diagnose
from oairunbook.diagnose.catalogue import LAYERS, NO_KEY_ADVICE, Cause, owner_of
from oairunbook.evidence import Body, ErrorLink, Evidence, Family, HttpAnswer, NotTried, Observation, PastedError
from oairunbook.route import resolve
from oairunbook.runtime import this_runtime
from oairunbook.verdict import Owner

# The contract: ids are archived for years, so none is ever renamed or used again; new ones may be added here.
_IDS = """
client.base_url_invalid client.api_key_missing client.api_key_malformed client.proxy_config_invalid client.ca_bundle_unusable
client.sdk_incompatible client.resource_exhausted client.socket_not_permitted client.pool_timeout client.event_loop_closed
client.client_closed
dns.nxdomain dns.no_address dns.servfail dns.refused dns.timeout dns.resolver_unreachable dns.sinkhole dns.private_address
dns.hosts_override dns.resolver_mismatch
tcp.refused tcp.timeout tcp.unreachable tcp.reset tcp.ipv6_broken tcp.path_mtu
proxy.unresolvable proxy.unreachable proxy.auth_required proxy.denied proxy.upstream_failed proxy.protocol_error proxy.bypassed
tls.untrusted_issuer tls.trust_store_mismatch tls.self_signed tls.incomplete_chain tls.expired tls.not_yet_valid tls.clock_skew
tls.hostname_mismatch tls.protocol_mismatch tls.reset tls.timeout tls.not_tls tls.client_certificate_required
http.disconnected http.reset http.read_timeout http.truncated http.blocked_page http.redirected http.not_an_api http.gateway_error
http.stream_stalled http.idle_reset
api.invalid_key api.missing_key api.organization_mismatch api.permission_denied api.ip_not_allowed api.region_unsupported
api.model_not_found api.endpoint_not_found api.bad_request api.insufficient_quota api.rate_limited api.server_error api.overloaded
api.azure_deployment_not_found api.azure_resource_not_found api.azure_network_denied api.azure_auth_failed
api.gateway_upstream_failed api.gateway_auth_failed
browser.cors_blocked browser.key_exposed browser.mixed_content browser.blocked_by_client
ok unknown
"""
CONTRACT = _IDS.split()

CLIENT_CONFIG_ON_EVERY_ROUTE = {
    *(identity for identity in CONTRACT if identity.startswith("client.")),
    "dns.hosts_override", "dns.resolver_mismatch", "proxy.bypassed", "tls.trust_store_mismatch", "tls.clock_skew",
}  # fmt: skip

OWNERS_OF_API_ANSWERS: dict[str, Owner] = {
    "api.invalid_key": "auth",
    "api.missing_key": "auth",
    "api.organization_mismatch": "auth",
    "api.permission_denied": "auth",
    "api.ip_not_allowed": "auth",
    "api.region_unsupported": "auth",
    "api.model_not_found": "request",
    "api.endpoint_not_found": "request",
    "api.bad_request": "request",
    "api.insufficient_quota": "quota_or_rate",
    "api.rate_limited": "quota_or_rate",
    "api.server_error": "server",
    "api.overloaded": "server",
    "api.azure_deployment_not_found": "route_provider",
    "api.azure_resource_not_found": "route_provider",
    "api.azure_network_denied": "route_provider",
    "api.azure_auth_failed": "auth",
    "api.gateway_upstream_failed": "route_provider",
    "api.gateway_auth_failed": "route_provider",
}

BASE_URLS: dict[Family, str] = {
    "direct": "https://api.openai.com/v1",
    "azure": "https://resource.openai.azure.com/openai/v1/",
    "gateway": "https://gateway.example.test/v1",
}

CAUSES = {cause.id: cause for cause in CATALOGUE}


def evidence(family: Family = "direct", *observations: Observation) -> Evidence:
    route = resolve(base_url=BASE_URLS[family], environment={})
    assert route.family == family
    return Evidence(
        collected_at="2026-11-25T04:00:00.000+00:00",
        seconds=0.1,
        route=route,
        runtime=this_runtime({}),
        observations=observations,
        tool_version=__version__,
    )


def test_every_cause_of_the_contract_is_in_the_catalogue_once() -> None:
    assert sorted(CONTRACT) == sorted(cause.id for cause in CATALOGUE)


@pytest.mark.parametrize("cause", CATALOGUE, ids=lambda cause: cause.id)
def test_a_cause_says_what_it_means_and_what_to_do_next(cause: Cause) -> None:
    for text in (cause.meaning, *cause.next, *cause.do_not):
        assert re.fullmatch(r"[A-Z0-9`].*[.?]", text, re.DOTALL), text
    assert cause.next
    assert all(text.startswith("Do not ") for text in cause.do_not)
    assert cause.layer in (*LAYERS, None)
    assert (cause.layer is None) == (cause.id in ("ok", "unknown"))


# -- the owner rule -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", BASE_URLS)
@pytest.mark.parametrize(("identity", "owner"), OWNERS_OF_API_ANSWERS.items())
def test_an_api_answer_decides_the_owner_whatever_the_route(identity: str, owner: Owner, family: Family) -> None:
    for control in (None, False, True):
        assert owner_of(CAUSES[identity], family, control_shows_the_same=control) == owner


@pytest.mark.parametrize("family", BASE_URLS)
@pytest.mark.parametrize("identity", sorted(CLIENT_CONFIG_ON_EVERY_ROUTE))
def test_what_this_runtimes_own_settings_make_is_its_own_on_every_route(identity: str, family: Family) -> None:
    for control in (None, False, True):
        assert owner_of(CAUSES[identity], family, control_shows_the_same=control) == "client_config"


NO_ANSWER = [
    identity
    for identity in CONTRACT
    if identity.partition(".")[0] in ("dns", "tcp", "proxy", "tls", "http")
    and identity not in CLIENT_CONFIG_ON_EVERY_ROUTE
]


@pytest.mark.parametrize("identity", NO_ANSWER)
def test_no_answer_on_a_direct_route_is_the_connection_path(identity: str) -> None:
    expected = "client_config" if identity == "http.not_an_api" else "connection_path"
    assert owner_of(CAUSES[identity], "direct", control_shows_the_same=None) == expected


@pytest.mark.parametrize("family", ["azure", "gateway"])
@pytest.mark.parametrize("identity", NO_ANSWER)
def test_no_answer_on_another_route_is_its_providers_until_the_control_shows_the_same(
    identity: str, family: Family
) -> None:
    cause = replace(CAUSES[identity], local_on_every_route=False)
    local = cause.layer == "proxy"
    for control, owner in ((None, "route_provider"), (False, "route_provider"), (True, "connection_path")):
        expected = "connection_path" if local else owner
        assert owner_of(cause, family, control_shows_the_same=control) == expected


@pytest.mark.parametrize("identity", ["dns.timeout", "dns.resolver_unreachable"])
def test_a_resolver_that_does_not_answer_is_local_on_every_route(identity: str) -> None:
    assert owner_of(CAUSES[identity], "azure", control_shows_the_same=None) == "connection_path"


@pytest.mark.parametrize("identity", [identity for identity in CONTRACT if identity.startswith("browser.")])
def test_the_browser_owns_what_it_stopped(identity: str) -> None:
    assert owner_of(CAUSES[identity], "direct", control_shows_the_same=None) == "browser"


# -- advice -------------------------------------------------------------------------------------------------------

ADVICE_ABOUT_ACCOUNTS = re.compile(
    r"\b(rotate|revoke|renew|replace|new|another|change|regenerate|issue)\b[^.;:]*\b(keys?|secrets?|billing|models?|prompts?|plans?|quota|credits?)\b"
    r"|\b(billing|top up|credits|prompt)\b",
    re.IGNORECASE,
)
BEFORE_API = [c for c in CATALOGUE if c.layer in LAYERS[: LAYERS.index("api")]]


@pytest.mark.parametrize("cause", BEFORE_API, ids=lambda cause: cause.id)
def test_before_an_api_answer_nobody_is_told_to_change_keys_billing_models_or_prompts(cause: Cause) -> None:
    for text in cause.next:
        assert not ADVICE_ABOUT_ACCOUNTS.search(text), text


def test_the_search_for_such_advice_finds_it() -> None:
    """The control of the test above."""
    assert ADVICE_ABOUT_ACCOUNTS.search("Rotate the API key.")
    assert ADVICE_ABOUT_ACCOUNTS.search("Check your billing.")
    assert ADVICE_ABOUT_ACCOUNTS.search("Try another model.")
    assert not ADVICE_ABOUT_ACCOUNTS.search("Ask who runs the proxy.")


def pasted(kind: str, text: str) -> Observation:
    return Observation(
        id="pasted:error", probe="pasted", layer="api", target="text", started_seconds=0.0, seconds=0.0,
        outcome=PastedError(errors=(ErrorLink(type=kind, text=text),)),
    )  # fmt: skip


def answered(status: int, **body: object) -> Observation:
    """What the request without credentials got on the path."""
    answer = HttpAnswer(
        method="GET", url="https://api.openai.com/v1/models", status=status, http_version="1.1", headers=(),
        body=Body(**{"shape": "html", "size_bytes": 100, **body}),  # type: ignore[arg-type]
    )  # fmt: skip
    return Observation(
        id="http", probe="http", layer="http", target="the endpoint", started_seconds=0.0, seconds=0.0, outcome=answer
    )


@pytest.mark.parametrize(
    ("observation", "layer"),
    [
        (pasted("httpx.UnsupportedProtocol", "UnsupportedProtocol"), "client"),
        (answered(502, title="502 Bad Gateway"), "http"),
    ],
)
def test_a_verdict_before_the_api_says_not_to_touch_keys(observation: Observation, layer: str) -> None:
    verdict = diagnose(evidence("direct", observation))
    assert verdict.layer == layer
    assert NO_KEY_ADVICE in verdict.do_not


@pytest.mark.parametrize(
    ("status", "cause", "certainty"),
    [
        (500, "api.server_error", "likely"),
        (502, "http.gateway_error", "proven"),
        (505, "api.server_error", "likely"),
        (999, "http.not_an_api", "proven"),
    ],
)
def test_a_failure_without_an_api_body_is_some_servers_and_no_more_than_likely(
    status: int, cause: str, certainty: str
) -> None:
    for shape in ("text", "html", "empty"):
        verdict = diagnose(evidence("direct", answered(status, shape=shape)))
        assert (verdict.cause, verdict.certainty) == (cause, certainty), shape
        assert not any("it was accepted" in text for text in verdict.do_not)


def test_an_undecided_verdict_cites_no_status_page_and_misses_no_name_of_an_address() -> None:
    aside = replace(pasted("socket.gaierror", "[Errno -2] Name or service not known"), id="status", probe="status")
    skipped = replace(answered(200), id="dns.system", probe="dns", layer="dns", outcome=NotTried(reason="an address"))
    verdict = diagnose(evidence("direct", aside, skipped))
    assert verdict.cause == "unknown"
    assert not [b for b in verdict.because if b.observation == "status"]
    assert "an address" not in "".join(verdict.missing)


def test_a_verdict_that_does_not_decide_says_not_to_touch_keys_and_what_is_missing() -> None:
    verdict = diagnose(evidence("direct", pasted("openai.APIConnectionError", "Connection error.")))
    assert (verdict.owner, verdict.layer, verdict.cause, verdict.certainty) == (
        "connection_path",
        None,
        "unknown",
        None,
    )
    assert NO_KEY_ADVICE in verdict.do_not
    assert verdict.missing


def test_the_same_evidence_gives_the_same_verdict_and_every_reason_cites_an_observation() -> None:
    seen = evidence("direct", pasted("httpx.UnsupportedProtocol", "UnsupportedProtocol"))
    verdict = diagnose(seen)
    assert diagnose(seen) == verdict
    known = {observation.id for observation in seen.observations} | {"route"}
    assert verdict.because
    assert {reason.observation for reason in verdict.because} <= known
