"""How an expert reads what each peer says: the first expression that is found, and the causes that it fits.

The tables are generous: where a text fits several causes, each of them counts as named, up to `FEW`. What stands for more than that, such as
`tls` for all that can be wrong with a certificate, names the layer and no cause.
"""

from __future__ import annotations

import re

FEW = 4
"""A text that fits more causes than this names none of them."""

Readings = tuple[tuple[str, str], ...]

_DNS = "dns.nxdomain dns.no_address dns.timeout dns.servfail dns.refused dns.resolver_unreachable dns.sinkhole"
_TLS = (
    "tls.untrusted_issuer tls.self_signed tls.incomplete_chain tls.expired tls.not_yet_valid tls.hostname_mismatch tls.not_tls "
    "tls.protocol_mismatch tls.client_certificate_required tls.clock_skew tls.trust_store_mismatch tls.alert tls.reset"
)
_NETWORK = "tcp.refused tcp.unreachable tcp.reset tls.reset http.disconnected http.reset proxy.unreachable proxy.denied"
_SILENCE = "tcp.timeout tls.timeout tcp.path_mtu http.read_timeout http.stream_stalled dns.timeout"

EXCEPTION: Readings = (
    ("answered ", "ok"),
    # An answer first, by the code of its body where it has one, else by the exception's class.
    ("insufficient_quota", "api.insufficient_quota"),
    ("unsupported_country", "api.region_unsupported"),
    ("ip_not_authorized", "api.ip_not_allowed"),
    ("mismatched_organization|[Oo]rganization", "api.organization_mismatch"),
    ("DeploymentNotFound", "api.azure_deployment_not_found"),
    ("Public access is disabled|Virtual Network|Firewall rules", "api.azure_network_denied"),
    ("model_not_found", "api.model_not_found"),
    ("didn't provide an API key", "api.missing_key"),
    ("overloaded", "api.overloaded"),
    ("AuthenticationError", "api.invalid_key api.missing_key api.gateway_auth_failed api.azure_auth_failed"),
    ("RateLimitError", "api.rate_limited"),
    ("NotFoundError", "api.model_not_found api.endpoint_not_found http.not_an_api api.azure_resource_not_found"),
    ("PermissionDenied", "api.permission_denied http.blocked_page"),
    ("BadRequestError", "api.bad_request"),
    ("InternalServerError", "api.server_error api.overloaded http.gateway_error api.gateway_upstream_failed"),
    ("UnsupportedProtocol|InvalidURL", "client.base_url_invalid"),
    ("api_key client option must be set|Missing credentials", "client.api_key_missing"),
    ("Illegal header value|'ascii' codec", "client.api_key_malformed"),
    ("Unknown scheme for proxy|proxies", "client.proxy_config_invalid"),
    ("No such file or directory|NO_CERTIFICATE_OR_CRL", "client.ca_bundle_unusable"),
    ("Too many open files", "client.resource_exhausted"),
    ("Name or service not known|nodename nor servname", "dns.nxdomain dns.sinkhole proxy.unresolvable"),
    ("No address associated", "dns.no_address"),
    ("Temporary failure in name resolution", "dns.timeout dns.servfail dns.refused dns.resolver_unreachable"),
    ("407 Proxy Authentication", "proxy.auth_required"),
    ("ProxyError +50", "proxy.upstream_failed"),
    ("ProxyError|Tunnel", "proxy.denied proxy.upstream_failed proxy.protocol_error"),
    ("Connection refused", "tcp.refused proxy.unreachable"),
    ("Network is unreachable|No route to host", "tcp.unreachable"),
    ("self-signed certificate in certificate chain", "tls.untrusted_issuer"),
    ("self-signed certificate", "tls.self_signed"),
    ("unable to get local issuer", "tls.untrusted_issuer tls.incomplete_chain tls.trust_store_mismatch"),
    ("has expired", "tls.expired"),
    ("not yet valid", "tls.not_yet_valid"),
    ("Hostname mismatch|not valid for", "tls.hostname_mismatch"),
    ("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|HTTP_REQUEST", "tls.not_tls"),
    ("ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|HANDSHAKE_FAILURE", "tls.protocol_mismatch"),
    ("CERTIFICATE_REQUIRED", "tls.client_certificate_required"),
    ("Server disconnected", "http.disconnected"),
    ("peer closed connection|incomplete", "http.truncated"),
    ("Connection reset|EOF occurred", "tls.reset tcp.reset http.reset"),
    ("ReadTimeout", "http.read_timeout http.stream_stalled"),
    ("ConnectTimeout", "tcp.timeout tls.timeout tls.path_mtu"),
)
"""First match of the exception chain, and the causes that it fits."""

SCRIPT = r"""
host=$1; base=$2
dig +time=2 +tries=1 "$host" A | grep -o 'status: [A-Z]*\|no servers could be reached\|timed out\|refused' | head -1
curl -sv -o /dev/null --connect-timeout 4 --max-time 8 -H 'Authorization: Bearer x' "$base/models" 2>&1 | tail -n 60; echo "curl ended"
echo | timeout 6 openssl s_client -connect "$host:443" -servername "$host" 2>&1 | grep -i 'verif\|error\|alert\|errno' | head -8
"""
"""What ten minutes at 3 a.m. come to."""

TEXT: Readings = (
    # A proxy's answer to CONNECT before what looks like the server's.
    ("CONNECT tunnel failed, response 407|Received HTTP code 407", "proxy.auth_required"),
    ("CONNECT tunnel failed, response 50|Received HTTP code 50", "proxy.upstream_failed"),
    ("CONNECT tunnel failed|Received HTTP code|Proxy CONNECT aborted", "proxy.denied proxy.protocol_error"),
    ("< HTTP/[0-9.]+ 401", "ok api.invalid_key"),
    ("< HTTP/[0-9.]+ 50[234]", "http.gateway_error"),
    ("< HTTP/[0-9.]+ 5", "api.server_error"),
    ("< HTTP/[0-9.]+ 429", "api.rate_limited"),
    ("< HTTP/[0-9.]+ 40[34]", "http.blocked_page http.not_an_api"),
    ("< HTTP/[0-9.]+ 3", "http.redirected"),
    ("< HTTP/[0-9.]+ 200", "ok"),
    ("status: NXDOMAIN", "dns.nxdomain"),
    ("status: SERVFAIL", "dns.servfail"),
    ("status: REFUSED", "dns.refused"),
    ("no servers could be reached|timed out; no|communications error", "dns.timeout dns.resolver_unreachable"),
    ("Could not resolve proxy", "proxy.unresolvable"),
    ("Could not resolve host", "dns.no_address dns.resolver_unreachable dns.timeout"),
    ("self-signed certificate in certificate chain", "tls.untrusted_issuer"),
    ("self-signed certificate", "tls.self_signed"),
    ("unable to get local issuer|unable to verify the first", "tls.untrusted_issuer tls.incomplete_chain"),
    ("has expired", "tls.expired"),
    ("not yet valid", "tls.not_yet_valid"),
    ("no alternative certificate subject|hostname mismatch", "tls.hostname_mismatch"),
    ("wrong version number|packet length too long", "tls.not_tls"),
    ("protocol version|handshake failure|unsupported protocol", "tls.protocol_mismatch"),
    ("certificate required|bad certificate", "tls.client_certificate_required"),
    ("Connection refused", "tcp.refused proxy.unreachable"),
    ("Network is unreachable|No route to host", "tcp.unreachable"),
    ("Empty reply", "http.disconnected"),
    ("Connection reset|SSL_ERROR_SYSCALL|unexpected eof", "tls.reset tcp.reset http.reset"),
    ("SSL connection timeout", "tls.timeout tls.path_mtu"),
    ("Connection timeout|Failed to connect", "tcp.timeout"),
    ("Operation timed out", "http.read_timeout"),
    ("transfer closed", "http.truncated"),
)

EXPORTER: Readings = (
    (r"module=http(?:(?!module=).)*\nprobe_success 1\b", "ok"),
    ("no such host", "dns.nxdomain dns.no_address proxy.unresolvable"),
    ("server misbehaving", "dns.servfail dns.refused"),
    (r"(?:lookup|Resolution with IP protocol failed).*i/o timeout", "dns.timeout dns.resolver_unreachable"),
    ("lookup .*connection refused", "dns.resolver_unreachable"),
    ("proxyconnect tcp: .*(?:refused|timeout)", "proxy.unreachable"),
    ("Proxy Authentication Required", "proxy.auth_required"),
    ("Service Unavailable|Bad Gateway", "proxy.upstream_failed http.gateway_error"),
    ("Forbidden|malformed HTTP response", "proxy.denied proxy.protocol_error"),
    ("signed by unknown authority", "tls.untrusted_issuer tls.self_signed tls.incomplete_chain"),
    ("certificate has expired or is not yet valid", "tls.expired tls.not_yet_valid tls.clock_skew"),
    ("certificate is valid for|not valid for any names", "tls.hostname_mismatch"),
    ("does not look like a TLS handshake", "tls.not_tls"),
    ("protocol version not supported|handshake failure", "tls.protocol_mismatch"),
    ("certificate required|bad certificate", "tls.client_certificate_required"),
    ("remote error: tls", "tls.alert"),
    ("connection refused", "tcp.refused"),
    ("network is unreachable|no route to host", "tcp.unreachable"),
    ("connection reset by peer", "tcp.reset tls.reset http.reset"),
    ("EOF", "http.disconnected tls.reset"),
    ("status_code=5|probe_http_status_code 5", "http.gateway_error api.server_error"),
    ("probe_http_status_code 429", "api.rate_limited api.insufficient_quota"),
    ("probe_http_status_code 40[34]", "http.blocked_page http.not_an_api"),
    ("probe_http_status_code 3", "http.redirected"),
    ("i/o timeout|deadline exceeded|TLS handshake timeout", _SILENCE),
)
"""The exporter's debug log and metrics, which say more than the metrics alone."""

DOCTOR: Readings = (
    ('"overall_status": "PASS"', "ok"),
    ('"http_status": 401', "api.invalid_key api.missing_key api.organization_mismatch"),
    ('"http_status": 403', "api.permission_denied http.blocked_page"),
    ('"http_status": 404', "api.model_not_found api.endpoint_not_found http.not_an_api"),
    ('"http_status": 429', "api.rate_limited api.insufficient_quota"),
    ('"http_status": 50[234]', "http.gateway_error api.overloaded"),
    ('"http_status": 5', "api.server_error"),
    ('"http_status": 3', "http.redirected"),
    ("DNS_ERROR", _DNS),
    ("TLS_ERROR", _TLS),
    ("TIMEOUT", _SILENCE),
    ("CONNECTION_ERROR", _NETWORK),
    ("INVALID_JSON|INVALID_SCHEMA", "http.not_an_api http.blocked_page"),
)
"""Its report as JSON, which says more than its lines."""


def read(table: Readings, text: str) -> tuple[str, ...]:
    """The causes that a text fits; `unknown` if the table knows none of its words."""
    return next(
        (tuple(causes.split()) for pattern, causes in table if re.search(pattern, text, re.DOTALL)), ("unknown",)
    )
