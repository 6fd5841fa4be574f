"""Whether the key of this runtime may go out: one rule, for every request that would carry it."""

from __future__ import annotations

import ipaddress

from oairunbook.evidence import Evidence, Route, TlsHandshake


def may_send_own_credential(seen: Evidence) -> bool:
    """Whether the check that was just made on this route lets the key go out."""
    return may_go_out(seen.route, verified=next(seen.of(TlsHandshake), None) is not None)


def may_go_out(route: Route, *, verified: bool) -> bool:
    """Over TLS that has *verified* on this path, or to loopback with no proxy in play; never a key that is no legal header value."""
    credential = route.credential
    if not credential.present or credential.problems:
        return False
    return may_be_trusted(route, verified=verified)


def may_be_trusted(route: Route, *, verified: bool) -> bool:
    """Whether what goes out on this route reaches the endpoint alone: over TLS that has *verified*, or to loopback with no proxy in play."""
    if route.scheme == "https":
        return verified
    return is_loopback(route.host) and route.proxy.url is None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
