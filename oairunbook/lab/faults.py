"""The faults that the practice lab can make: one declared entry for each, in the order in which a request meets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from oairunbook.evidence import Family
from oairunbook.lab.answers import CorsBehaviour
from oairunbook.verdict import Owner

DnsBehaviour = Literal[
    "answers", "slow", "nxdomain", "no_address", "servfail", "refused", "silent", "sinkhole", "unreachable"
]
TcpBehaviour = Literal["open", "refused", "silent", "reset", "behind_proxy"]
"""`behind_proxy`: refused on the direct path, open for the lab's proxy."""

TlsBehaviour = Literal[
    "trusted",
    "untrusted_issuer",
    "self_signed",
    "expired",
    "not_yet_valid",
    "other_name",
    "incomplete_chain",
    "no_shared_version",
    "no_shared_cipher",
    "client_certificate",
    "client_certificate_tls12",
    "plain_http",
    "reset",
    "silent",
]
ProxyBehaviour = Literal[
    "works", "auth_required", "denied", "upstream_failed", "silent", "closes", "web_server", "refused", "unresolvable"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of the lab, what it makes of each part of the path, and what a diagnosis of it has to say."""

    id: str
    """The id of the cause, with a suffix where one cause has several faults."""

    cause: str
    owner: Owner
    summary: str
    route: Family = "direct"
    """What the API's host plays: the route's family, unless whoever looks names another."""

    arguments: tuple[str, ...] = ()
    """What `oairunbook check` needs besides to see it."""

    dns: DnsBehaviour = "answers"
    addresses: tuple[str, ...] = ("127.0.0.1",)
    """What the name server answers for the API's name."""

    canonical_name: str = ""
    """What the API's name is an alias of (CNAME); empty if it is none."""

    tcp: TcpBehaviour = "open"
    tls: TlsBehaviour = "trusted"
    answer: str = "ok"
    """Behaviour of the API: a name of `oairunbook.lab.answers.ANSWERS`."""

    cors: CorsBehaviour = "open"
    """What a page meets; no server's request is changed by it."""

    proxy: ProxyBehaviour | None = None
    status_page: bool = True
    path: str = "/v1"
    environment: tuple[tuple[str, str | None], ...] = ()
    """Laid over the lab's environment; None unsets. `{port}` (of the API) and `{folder}` (of the lab) are filled in."""


def _api(name: str, owner: Owner, summary: str, *, answer: str = "", route: Family = "direct") -> Fault:
    return Fault(
        id=f"api.{name}", cause=f"api.{name}", owner=owner, summary=summary, answer=answer or name, route=route
    )


_HEALTHY = (
    Fault(id="ok", cause="ok", owner="none", summary="nothing: every part of the path works"),
    Fault(id="ok.slow_dns", cause="ok", owner="none", summary="nothing, but the name server takes 1.2 s", dns="slow"),
    Fault(
        id="ok.status_page_down",
        cause="ok",
        owner="none",
        summary="nothing, but the status page cannot be reached",
        status_page=False,
    ),
    Fault(id="ok.proxy", cause="ok", owner="none", summary="nothing: the path leads through a proxy", proxy="works"),
    Fault(
        id="ok.ipv6_refused",
        cause="ok",
        owner="none",
        summary="nothing, but the API's IPv6 address refuses; IPv4 works",
        addresses=("::1", "127.0.0.1"),
    ),
)

_MET_BY_PAGES: tuple[tuple[CorsBehaviour, str], ...] = (
    ("absent", "the preflight says nothing of origins"),
    ("key_wanted", "the preflight is refused without a key (401)"),
    ("fixed_headers", "the preflight does not allow the header names of the SDK"),
    ("other_origin", "the preflight allows another origin"),
    ("redirect", "the preflight is redirected"),
    ("absent_in_answer", "the preflight passes, and the answer says nothing of origins"),
)
_FOR_PAGES = tuple(
    Fault(
        id=f"ok.cors_{cors}", cause="ok", owner="none", summary=f"nothing for a server; for a page {words}", cors=cors
    )
    for cors, words in _MET_BY_PAGES
)

_CLIENT = (
    Fault(
        id="client.base_url_invalid",
        cause="client.base_url_invalid",
        owner="client_config",
        summary="OPENAI_BASE_URL has no scheme",
        environment=(("OPENAI_BASE_URL", "api.lab.test:{port}/v1"),),
    ),
    Fault(
        id="client.base_url_invalid.empty",
        cause="client.base_url_invalid",
        owner="client_config",
        summary="OPENAI_BASE_URL is set and empty",
        environment=(("OPENAI_BASE_URL", ""),),
    ),
    Fault(
        id="client.api_key_missing",
        cause="client.api_key_missing",
        owner="client_config",
        summary="OPENAI_API_KEY is not set",
        environment=(("OPENAI_API_KEY", None),),
    ),
    Fault(
        id="client.api_key_malformed",
        cause="client.api_key_malformed",
        owner="client_config",
        summary="the key ends with a line feed",
        environment=(("OPENAI_API_KEY", "sk-practice-not-a-real-key\n"),),
    ),
    Fault(
        id="client.api_key_malformed.quotes",
        cause="client.api_key_malformed",
        owner="client_config",
        summary="the key stands in typographic quotes",
        environment=(("OPENAI_API_KEY", "\u201csk-practice-not-a-real-key\u201d"),),
    ),
    Fault(
        id="client.proxy_config_invalid",
        cause="client.proxy_config_invalid",
        owner="client_config",
        summary="HTTPS_PROXY has a scheme that the transport cannot speak",
        environment=(("HTTPS_PROXY", "socks4://127.0.0.1:{port}"),),
    ),
    Fault(
        id="client.ca_bundle_unusable",
        cause="client.ca_bundle_unusable",
        owner="client_config",
        summary="SSL_CERT_FILE names a file that does not exist",
        environment=(("SSL_CERT_FILE", "{folder}/missing.pem"),),
    ),
    Fault(
        id="client.ca_bundle_unusable.empty",
        cause="client.ca_bundle_unusable",
        owner="client_config",
        summary="SSL_CERT_FILE names an empty file",
        environment=(("SSL_CERT_FILE", "{folder}/empty.pem"),),
    ),
)

_DNS = (
    Fault(
        id="dns.nxdomain",
        cause="dns.nxdomain",
        owner="connection_path",
        summary="the name server says that the API's name does not exist",
        dns="nxdomain",
    ),
    Fault(
        id="dns.no_address",
        cause="dns.no_address",
        owner="connection_path",
        summary="the API's name has no address",
        dns="no_address",
    ),
    Fault(
        id="dns.servfail",
        cause="dns.servfail",
        owner="connection_path",
        summary="the name server answers SERVFAIL",
        dns="servfail",
    ),
    Fault(
        id="dns.refused",
        cause="dns.refused",
        owner="connection_path",
        summary="the name server refuses to answer",
        dns="refused",
    ),
    Fault(
        id="dns.timeout",
        cause="dns.timeout",
        owner="connection_path",
        summary="the name server does not answer",
        dns="silent",
    ),
    Fault(
        id="dns.resolver_unreachable",
        cause="dns.resolver_unreachable",
        owner="connection_path",
        summary="nobody listens at the name server's address",
        dns="unreachable",
    ),
    Fault(
        id="dns.sinkhole",
        cause="dns.sinkhole",
        owner="connection_path",
        summary="the name server answers 0.0.0.0",
        dns="sinkhole",
        tcp="refused",
    ),
)

_TCP = (
    Fault(
        id="tcp.refused",
        cause="tcp.refused",
        owner="connection_path",
        summary="nobody listens at the API's address",
        tcp="refused",
    ),
    Fault(
        id="tcp.timeout",
        cause="tcp.timeout",
        owner="connection_path",
        summary="the API's address does not answer a SYN",
        tcp="silent",
    ),
    Fault(
        id="tcp.reset",
        cause="tcp.reset",
        owner="connection_path",
        summary="the connection is reset as soon as it is accepted",
        tcp="reset",
    ),
)

_PROXY = (
    Fault(
        id="proxy.unresolvable",
        cause="proxy.unresolvable",
        owner="connection_path",
        summary="the proxy's name does not exist",
        proxy="unresolvable",
    ),
    Fault(
        id="proxy.unreachable",
        cause="proxy.unreachable",
        owner="connection_path",
        summary="nobody listens at the proxy's address",
        proxy="refused",
    ),
    Fault(
        id="proxy.auth_required",
        cause="proxy.auth_required",
        owner="connection_path",
        summary="the proxy asks for credentials (407)",
        proxy="auth_required",
    ),
    Fault(
        id="proxy.denied",
        cause="proxy.denied",
        owner="connection_path",
        summary="the proxy's policy denies the API's host (403)",
        proxy="denied",
    ),
    Fault(
        id="proxy.upstream_failed",
        cause="proxy.upstream_failed",
        owner="connection_path",
        summary="the proxy cannot reach the API (503)",
        proxy="upstream_failed",
    ),
    Fault(
        id="proxy.protocol_error",
        cause="proxy.protocol_error",
        owner="connection_path",
        summary="the proxy closes the connection without an answer",
        proxy="closes",
    ),
    Fault(
        id="proxy.protocol_error.web_server",
        cause="proxy.protocol_error",
        owner="connection_path",
        summary="what listens at the proxy's address is a web server (405)",
        proxy="web_server",
    ),
    Fault(
        id="proxy.protocol_error.silent",
        cause="proxy.protocol_error",
        owner="connection_path",
        summary="the proxy accepts the connection and never answers",
        proxy="silent",
    ),
    Fault(
        id="proxy.bypassed",
        cause="proxy.bypassed",
        owner="client_config",
        summary="NO_PROXY sends the API's host around the proxy, and the direct path is closed",
        tcp="behind_proxy",
        proxy="works",
        environment=(("NO_PROXY", ".lab.test"),),
    ),
)

_TLS = (
    Fault(
        id="tls.untrusted_issuer",
        cause="tls.untrusted_issuer",
        owner="connection_path",
        summary="the chain ends at a root that this machine does not trust",
        tls="untrusted_issuer",
    ),
    Fault(
        id="tls.trust_store_mismatch",
        cause="tls.trust_store_mismatch",
        owner="client_config",
        summary="SSL_CERT_FILE lacks the root that REQUESTS_CA_BUNDLE has",
        environment=(("SSL_CERT_FILE", "{folder}/other-root.pem"), ("REQUESTS_CA_BUNDLE", "{folder}/root.pem")),
    ),
    Fault(
        id="tls.self_signed",
        cause="tls.self_signed",
        owner="connection_path",
        summary="the certificate signs itself",
        tls="self_signed",
    ),
    Fault(
        id="tls.incomplete_chain",
        cause="tls.incomplete_chain",
        owner="connection_path",
        summary="the server leaves out the intermediate certificate",
        tls="incomplete_chain",
    ),
    Fault(
        id="tls.expired",
        cause="tls.expired",
        owner="connection_path",
        summary="the certificate ended a day ago",
        tls="expired",
    ),
    Fault(
        id="tls.not_yet_valid",
        cause="tls.not_yet_valid",
        owner="connection_path",
        summary="the certificate begins in two days",
        tls="not_yet_valid",
    ),
    Fault(
        id="tls.hostname_mismatch",
        cause="tls.hostname_mismatch",
        owner="connection_path",
        summary="the certificate is for another host",
        tls="other_name",
    ),
    Fault(
        id="tls.protocol_mismatch",
        cause="tls.protocol_mismatch",
        owner="connection_path",
        summary="the server speaks no TLS version of this client",
        tls="no_shared_version",
    ),
    Fault(
        id="tls.protocol_mismatch.cipher",
        cause="tls.protocol_mismatch",
        owner="connection_path",
        summary="the server shares no cipher with this client",
        tls="no_shared_cipher",
    ),
    Fault(
        id="tls.reset",
        cause="tls.reset",
        owner="connection_path",
        summary="the connection is reset at the ClientHello",
        tls="reset",
    ),
    Fault(
        id="tls.timeout",
        cause="tls.timeout",
        owner="connection_path",
        summary="the ClientHello gets no answer",
        tls="silent",
    ),
    Fault(
        id="tls.not_tls",
        cause="tls.not_tls",
        owner="connection_path",
        summary="the port speaks plain HTTP",
        tls="plain_http",
    ),
    Fault(
        id="tls.client_certificate_required",
        cause="tls.client_certificate_required",
        owner="connection_path",
        summary="the server wants a client certificate (TLS 1.3: after the handshake)",
        tls="client_certificate",
    ),
    Fault(
        id="tls.client_certificate_required.tls12",
        cause="tls.client_certificate_required",
        owner="connection_path",
        summary="the server wants a client certificate (TLS 1.2: in the handshake)",
        tls="client_certificate_tls12",
    ),
)

_HTTP = (
    Fault(
        id="http.disconnected",
        cause="http.disconnected",
        owner="connection_path",
        summary="the connection is closed after the request",
        answer="disconnect",
    ),
    Fault(
        id="http.reset",
        cause="http.reset",
        owner="connection_path",
        summary="the connection is reset after the request",
        answer="reset",
    ),
    Fault(
        id="http.read_timeout",
        cause="http.read_timeout",
        owner="connection_path",
        summary="the request is read and never answered",
        answer="silent",
    ),
    Fault(
        id="http.truncated",
        cause="http.truncated",
        owner="connection_path",
        summary="the answer ends before its declared end",
        answer="truncated",
    ),
    Fault(
        id="http.truncated.stream",
        cause="http.truncated",
        owner="connection_path",
        summary="a stream ends in its middle; whole answers pass",
        answer="stream_truncated",
    ),
    Fault(
        id="http.blocked_page",
        cause="http.blocked_page",
        owner="connection_path",
        summary="a filter's page with status 403",
        answer="block_page",
    ),
    Fault(
        id="http.blocked_page.200",
        cause="http.blocked_page",
        owner="connection_path",
        summary="a filter's page with status 200",
        answer="block_page_200",
    ),
    Fault(
        id="http.redirected",
        cause="http.redirected",
        owner="connection_path",
        summary="a redirect to a sign-in page on another host",
        answer="redirect",
    ),
    Fault(
        id="http.not_an_api",
        cause="http.not_an_api",
        owner="client_config",
        summary="some web server answers with a page and status 200",
        answer="html_200",
    ),
    Fault(
        id="http.not_an_api.404",
        cause="http.not_an_api",
        owner="client_config",
        summary="some web server answers with a page and status 404",
        answer="not_found_html",
    ),
    Fault(
        id="http.gateway_error",
        cause="http.gateway_error",
        owner="connection_path",
        summary="a load balancer's 502 page",
        answer="bad_gateway_html",
    ),
    Fault(
        id="http.stream_stalled",
        cause="http.stream_stalled",
        owner="connection_path",
        summary="a stream starts and stops arriving; whole answers pass",
        answer="stream_stalled",
    ),
    Fault(
        id="http.idle_reset",
        cause="http.idle_reset",
        owner="connection_path",
        summary="a connection that was idle for a second is dead",
        answer="idle_reset",
        arguments=("--idle", "1.5"),
    ),
)

_API = (
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

FAULTS: tuple[Fault, ...] = (*_HEALTHY, *_FOR_PAGES, *_CLIENT, *_DNS, *_TCP, *_PROXY, *_TLS, *_HTTP, *_API)
