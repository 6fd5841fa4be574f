"""What name resolution gave (RFC 1035)."""

from __future__ import annotations

from typing import Literal

from oairunbook.evidence.outcome import ErrorLink
from oairunbook.evidence.place import NameServer
from oairunbook.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The system resolver's answer, in the order in which a client dials (getaddrinfo(3))."""

    name: str
    addresses: tuple[str, ...]
    canonical_name: str | None = None
    kind: Literal["resolved"] = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveFailed:
    """The system resolver gave no address."""

    name: str
    errors: tuple[ErrorLink, ...]
    kind: Literal["resolve_failed"] = "resolve_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsReply:
    """One reply of a name server to one question (RFC 1035 section 4.1)."""

    rdtype: str
    rcode: str
    flags: tuple[str, ...] = ()
    extended_errors: tuple[str, ...] = ()
    """RFC 8914: `code text`."""

    canonical_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ttl_seconds: int | None = None
    """The smallest TTL of the answer section; None if it is empty."""

    transport: Literal["udp", "tcp"] = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer:
    """One name server answered at least one question about one name. NXDOMAIN is an answer."""

    server: NameServer
    name: str
    replies: tuple[DnsReply, ...]
    unanswered: tuple[str, ...] = ()
    """Record types that got no reply in time."""

    kind: Literal["dns_answer"] = "dns_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsNoAnswer:
    """One name server gave no usable reply."""

    server: NameServer
    name: str
    errors: tuple[ErrorLink, ...]
    ended: Literal["silence", "unreachable", "malformed"] = "silence"
    kind: Literal["dns_no_answer"] = "dns_no_answer"
