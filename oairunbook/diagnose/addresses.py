"""Host names and addresses: which are public, which are of a private network, and which stand for others."""

from __future__ import annotations

import ipaddress
from typing import Literal

LOCAL_ENDS = (
    # RFC 6761, RFC 6762, RFC 8375, RFC 9476, and what private networks use in practice
    *(".test", ".example", ".invalid", ".localhost", ".local", ".internal", ".home.arpa", ".alt"),
    *(".lan", ".corp", ".home", ".intranet", ".private", ".svc", ".onion"),
)


PUBLIC_APIS = (".openai.com", ".azure.com", ".azure-api.net", ".microsoft.com", ".openrouter.ai", ".cloudflare.com",
                ".portkey.ai", ".helicone.ai", ".groq.com", ".mistral.ai", ".deepseek.com", ".together.xyz")  # fmt: skip


def is_public_name(host: str) -> bool:
    """Whether a name is meant for the whole internet: it has a dot and is under no domain that is reserved for local use."""
    return "." in host and ":" not in host and not host.endswith(LOCAL_ENDS) and not host[-1:].isdigit()


def is_public_api(host: str) -> bool:
    """Whether the host is a known public API, which no private address is meant to serve (but for a provider's private endpoint)."""
    return f".{host}".endswith(PUBLIC_APIS)


_DOCUMENTATION = tuple(
    ipaddress.ip_network(net)
    for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20", "240.0.0.0/4")
)
"""RFC 5737, RFC 3849, RFC 9637, and RFC 1112 for what nobody has: no network is private in them, though `is_private` holds. Laboratories let them stand
for public ones, and so do records whose addresses were hidden."""


def is_documentation(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it stands for a public address, and is none."""
    return any(address.version == net.version and address in net for net in _DOCUMENTATION)


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, without its zone, and of one that is mapped into IPv6 the one that is meant (RFC 4291 section 2.5.5.2); None of what is none."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        # A record that somebody else made may hold anything here.
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def reach_of(addresses: tuple[str, ...]) -> Literal["private", "public", "mixed", "no address"]:
    """Whether addresses are private ones (RFC 1918, RFC 4193, loopback), public ones, both, or none."""
    parsed = [address for address in map(address_of, addresses) if address is not None]
    kinds = {address.is_private and not is_documentation(address) for address in parsed}
    if not kinds:
        return "no address"
    return "mixed" if len(kinds) == 2 else "private" if True in kinds else "public"
