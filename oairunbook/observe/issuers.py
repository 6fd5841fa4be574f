"""An issuer that a chain leaves out, fetched from where the certificate says (caIssuers, RFC 5280 section 4.2.2.1)."""

from __future__ import annotations

import base64
import ipaddress
from urllib.parse import urlsplit

from oairunbook.evidence import Certificate, HttpFailed, ProxyDecision, Resolved
from oairunbook.observe import dns, http, tcp
from oairunbook.observe.errors import error_chain
from oairunbook.observe.path import Path
from oairunbook.observe.stream import Deadline
from oairunbook.observe.tls import certificate_of
from oairunbook.route.installed import installed_sdk
from oairunbook.route.proxy import decide_proxy, proxy_credentials

_MOST_FETCHES = 3


def missing_issuer_url(chain: tuple[Certificate, ...]) -> str | None:
    """Where the issuer that the chain as sent leaves out can be fetched; None if none is missing, or nothing says where."""
    last = _last_link(chain)
    if last is None or last.subject == last.issuer:
        return None
    return next((url for url in last.issuer_urls if url.startswith("http://")), None)


def _last_link(chain: tuple[Certificate, ...]) -> Certificate | None:
    """From the leaf along the issuers that were sent to the last one; a certificate sent out of order or beside the point does not count."""
    if not chain:
        return None
    by_subject = {certificate.subject: certificate for certificate in chain}
    current, steps = chain[0], 0
    while current.issuer != current.subject and current.issuer in by_subject and steps < len(chain):
        current, steps = by_subject[current.issuer], steps + 1
    return current


def fetch(
    chain: tuple[Certificate, ...], path: Path, deadline: Deadline, *, endpoint: str
) -> tuple[bytes, ...] | HttpFailed:
    """Fetch the missing issuers, DER each, until one signs itself or names no further one.

    The address comes from the peer: only plain http is fetched, without credentials, never from an address of this machine or link-local,
    unless *endpoint*, the address that sent the chain, is one itself.
    """
    found: list[bytes] = []
    links = list(chain)
    for _ in range(_MOST_FETCHES):
        url = missing_issuer_url(tuple(links))
        if url is None:
            break
        data = _get(url, path, deadline, endpoint)
        if isinstance(data, HttpFailed):
            return tuple(found) if found else data
        certificate = certificate_of(data)
        if certificate is None:
            break
        if certificate.subject == certificate.issuer:
            # A root that the peer points at is no reason to trust it.
            break
        found.append(data)
        links.append(certificate)
    return tuple(found)


def _get(url: str, path: Path, deadline: Deadline, endpoint: str) -> bytes | HttpFailed:
    try:
        parts = urlsplit(url)
        host, named_port = parts.hostname or "", parts.port
    except ValueError as error:
        # The peer wrote it.
        return HttpFailed(method="GET", url=url, phase="resolve", errors=error_chain(error), ended="eof")
    decision = decide_proxy(path.environment, "http", host, named_port, installed_sdk())
    if not (decision.scheme or "").startswith("http"):
        decision = ProxyDecision(url=None, rule="directly")
    dialled, port = (decision.host or "", decision.port or 0) if decision.url else (host, named_port or 80)
    found = dns.resolve(dialled, port)
    if not isinstance(found, Resolved):
        return HttpFailed(method="GET", url=url, phase="resolve", errors=found.errors, ended="eof")
    address = found.addresses[0]
    if not decision.url and _is_inside(address) and not _is_inside(endpoint):
        return HttpFailed(method="GET", url=url, phase="resolve", errors=(), ended="eof", address=address)
    outcome, stream = tcp.connect(address, port, deadline)
    if stream is None:
        return HttpFailed(method="GET", url=url, phase="connect", errors=getattr(outcome, "errors", ()), ended="eof")
    target = url if decision.url else (parts.path or "/")
    headers: tuple[tuple[str, str], ...] = ()
    credentials = proxy_credentials(path.environment, decision)
    if credentials:
        token = base64.b64encode(":".join(credentials).encode("utf-8")).decode("ascii")
        headers = (("Proxy-Authorization", f"Basic {token}"),)
    answer, data = http.exchange(
        stream, method="GET", url=url, target=target, host=parts.netloc, address=address, headers=headers
    )
    if isinstance(answer, HttpFailed):
        return answer
    if answer.status != 200:
        return HttpFailed(method="GET", url=url, phase="headers", errors=(), ended="eof", status=answer.status)
    return data


def _is_inside(host: str) -> bool:
    try:
        parsed = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost"
    # ::ffff:169.254.169.254 is dialled as 169.254.169.254 (RFC 4291 section 2.5.5.2).
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified
