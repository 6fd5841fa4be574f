"""`python -m tests.benchmarks.peers [NAME…]`: `check` beside what somebody would use instead, on the same faults of the test world.

Beside it stand the SDK's own exception, read as an expert reads it, and a script of dig, curl and openssl. Each looks at the same broken
path, one after the other; what each says is mapped to a cause by the tables below, generously: a text that fits two causes is given the right
one. Without names: one scenario of each cause and four healthy ones. Needs root, dig (bind9-dnsutils), and what the scenarios need.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import tests.scenarios  # noqa: F401 - declares them
from tests.world.client import Client
from tests.world.scenario import SCENARIOS, Scenario, missing
from tests.world.world import World

_SDK = (
    ("answered ", "ok"),
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
    ("40[13] |Tunnel|proxy", "proxy.denied proxy.upstream_failed proxy.protocol_error"),
    ("50[234] ", "http.gateway_error proxy.upstream_failed"),
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
    ("AuthenticationError", "api.invalid_key api.missing_key api.organization_mismatch"),
    ("insufficient_quota", "api.insufficient_quota"),
    ("RateLimitError", "api.rate_limited"),
    ("NotFoundError", "api.model_not_found api.endpoint_not_found http.not_an_api"),
    ("PermissionDenied", "api.permission_denied http.blocked_page"),
    ("InternalServerError", "api.server_error api.overloaded"),
)
"""First match of the exception chain, and the causes that it fits."""

_SCRIPT = r"""
host=$1; base=$2
dig +time=2 +tries=1 "$host" A | grep -o 'status: [A-Z]*\|no servers could be reached\|timed out\|refused' | head -1
curl -sv -o /dev/null --connect-timeout 4 --max-time 8 -H 'Authorization: Bearer x' "$base/models" 2>&1 | tail -n 60; echo "curl ended"
echo | timeout 6 openssl s_client -connect "$host:443" -servername "$host" 2>&1 | grep -i 'verif\|error\|alert\|errno' | head -8
"""
"""What ten minutes at 3 a.m. come to."""

_TEXT = (
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
    ("Received HTTP code 407", "proxy.auth_required"),
    ("Received HTTP code 50", "proxy.upstream_failed"),
    ("Received HTTP code|Proxy CONNECT aborted", "proxy.denied proxy.protocol_error"),
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


def _read(table: tuple[tuple[str, str], ...], text: str) -> tuple[str, ...]:
    return next((tuple(causes.split()) for pattern, causes in table if re.search(pattern, text)), ("unknown",))


def by_exception(client: Client, _: Scenario) -> tuple[str, ...]:
    return _read(_SDK, client.sdk())


def by_script(client: Client, _: Scenario) -> tuple[str, ...]:
    azure = client.environment.get("AZURE_OPENAI_ENDPOINT")
    base = azure or client.environment.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    host = re.sub(r"^\w+://|[:/].*$", "", base)
    return _read(_TEXT, client.run("sh", "-c", _SCRIPT, "sh", host, base, seconds=60).stdout)


def by_check(client: Client, scenario: Scenario) -> tuple[str, ...]:
    return (str(client.check(*scenario.options).verdict["cause"]),)


PEERS: dict[str, Callable[[Client, Scenario], tuple[str, ...]]] = {
    "the SDK's exception": by_exception,
    "dig, curl, openssl": by_script,
    "oairunbook check": by_check,
}


@dataclass(frozen=True)
class Said:
    """What one of them made of one fault."""

    causes: tuple[str, ...]
    seconds: float
    right: bool


def _beside_each_other(scenario: Scenario) -> dict[str, Said]:
    said = {}
    with World() as world:
        steps = scenario.steps(world)
        next(steps)
        for name, look in PEERS.items():
            began = time.monotonic()
            try:
                causes = look(world.client, scenario)
            except Exception as error:
                causes = (f"{type(error).__name__}",)
            said[name] = Said(causes, time.monotonic() - began, scenario.cause in causes)
        next(steps, None)
    return said


def _one_of_each() -> Iterator[Scenario]:
    seen: dict[str, int] = {}
    for scenario in SCENARIOS.values():
        seen[scenario.cause] = seen.get(scenario.cause, 0) + 1
        if seen[scenario.cause] <= (4 if scenario.cause == "ok" else 1) and not missing(scenario):
            yield scenario


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios, or beginnings of their names")
    if lacking := [program for program in ("dig", "curl", "openssl") if shutil.which(program) is None]:
        parser.error(f"not installed: {', '.join(lacking)}")
    names = tuple(parser.parse_args().names)
    chosen = [s for n, s in SCENARIOS.items() if n.startswith(names) and not missing(s)] if names else [*_one_of_each()]
    total: dict[str, list[Said]] = {name: [] for name in PEERS}
    print(f"{'scenario':46} {'cause':32} " + " ".join(f"{name:>26}" for name in PEERS))
    for scenario in chosen:
        said = _beside_each_other(scenario)
        cells = []
        for name, one in said.items():
            total[name].append(one)
            cells.append(f"{'right' if one.right else one.causes[0][:17]:>17} {one.seconds:6.1f} s")
        print(f"{scenario.name:46} {scenario.cause:32} {' '.join(f'{cell:>26}' for cell in cells)}", flush=True)
    for name, all_said in total.items():
        right = sum(one.right for one in all_said)
        seconds = [one.seconds for one in all_said]
        print(
            f"{name:26} {right} of {len(all_said)} causes, median {statistics.median(seconds):.1f} s, slowest {max(seconds):.1f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
