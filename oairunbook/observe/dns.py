"""Names: what the system resolver says, and what each configured name server says itself."""

from __future__ import annotations

import ipaddress
import socket
from typing import Literal

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype

from oairunbook.evidence import DnsAnswer, DnsNoAnswer, DnsReply, NameServer, Resolved, ResolveFailed
from oairunbook.observe.errors import error_chain
from oairunbook.observe.stream import TIMED_OUT, Deadline

_RDTYPES = (dns.rdatatype.A, dns.rdatatype.AAAA)
_IP_RECVERR, _IPV6_RECVERR = 11, 25
"""linux/in.h and linux/in6.h; the socket module does not have them."""

_RESEND_SECONDS = 1.5


def resolve(name: str, port: int) -> Resolved | ResolveFailed:
    """Ask the system resolver as a client does, with getaddrinfo(3). It has no deadline of its own."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError) as error:
        return ResolveFailed(name=name, errors=error_chain(error))
    canonical = next((entry[3] for entry in found if entry[3]), None)
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    return Resolved(name=name, addresses=addresses, canonical_name=canonical if canonical != name else None)


def ask(
    server: NameServer, name: str, *, seconds: float, transport: Literal["udp", "tcp"] = "udp"
) -> DnsAnswer | DnsNoAnswer:
    """Ask one name server for A and AAAA of *name*, over UDP and, if truncated, over TCP; or over TCP alone.

    NXDOMAIN is an answer. Silence is a `DnsNoAnswer` with its error chain. Neither is raised.

    Args:
        server: One that is configured on this machine.
        name: A-label without port; it is asked for as absolute.
        seconds: Budget for both questions together, resends included.
        transport: `tcp` asks over TCP alone.

    Raises:
        ValueError: *name* is no host name.

    Source: RFC 1035 section 4.1.1 (rcode), RFC 7766 section 5 (TCP after truncation), RFC 8914 (extended errors).
    """
    try:
        absolute = dns.name.from_text(name).derelativize(dns.name.root)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{name!r} is no host name: {error}") from error
    deadline = Deadline.after(seconds)
    family = socket.AF_INET6 if ipaddress.ip_address(server.address.partition("%")[0]).version == 6 else socket.AF_INET
    queries = {}
    for rdtype in _RDTYPES:
        query = dns.message.make_query(absolute, rdtype, use_edns=0, payload=1232)
        queries[query.id] = query
    replies: dict[str, DnsReply] = {}
    last_error: Exception | None = None
    try:
        if transport == "tcp":
            for query in queries.values():
                message = dns.query.tcp(query, server.address, timeout=deadline.left or 0.1, port=server.port)
                record = _record(message, query.question[0].rdtype, "tcp")
                replies[record.rdtype] = record
        # A connected socket is told of ICMP errors; an unconnected one waits for nothing.
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            _report_icmp(udp)
            udp.connect((server.address, server.port))
            while len(replies) < len(queries) and deadline.left > 0:
                for query in queries.values():
                    if dns.rdatatype.to_text(query.question[0].rdtype) not in replies:
                        udp.send(query.to_wire())
                resend = deadline.sooner(_RESEND_SECONDS)
                while len(replies) < len(queries) and resend.left > 0:
                    udp.settimeout(resend.left)
                    try:
                        wire = udp.recv(65535)
                    except TIMED_OUT:
                        break
                    reply = _match(wire, queries)
                    if reply is None:
                        continue
                    query, message = reply
                    over = "udp"
                    if message.flags & dns.flags.TC:
                        message = dns.query.tcp(query, server.address, timeout=deadline.left or 0.1, port=server.port)
                        over = "tcp"
                    record = _record(message, query.question[0].rdtype, over)
                    replies[record.rdtype] = record
    except (OSError, dns.exception.DNSException, EOFError) as error:
        last_error = error
    if replies:
        wanted = [dns.rdatatype.to_text(rdtype) for rdtype in _RDTYPES]
        return DnsAnswer(
            server=server,
            name=name,
            replies=tuple(replies[rdtype] for rdtype in wanted if rdtype in replies),
            unanswered=tuple(rdtype for rdtype in wanted if rdtype not in replies),
        )
    if last_error is None:
        silence = TimeoutError(f"no reply from {server.address} port {server.port} in {seconds:g} s")
        return DnsNoAnswer(server=server, name=name, errors=error_chain(silence), ended="silence")
    if isinstance(last_error, (dns.exception.Timeout, *TIMED_OUT)):
        return DnsNoAnswer(server=server, name=name, errors=error_chain(last_error), ended="silence")
    unreachable = isinstance(last_error, OSError)
    return DnsNoAnswer(
        server=server,
        name=name,
        errors=error_chain(last_error),
        ended="unreachable" if unreachable else "malformed",
    )


def _report_icmp(udp: socket.socket) -> None:
    """Ask Linux for every ICMP error, not only `port unreachable` (ip(7), IP_RECVERR)."""
    try:
        if udp.family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            udp.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    except OSError:
        # Another system: what it reports by itself has to do.
        pass


def _match(
    wire: bytes, queries: dict[int, dns.message.QueryMessage]
) -> tuple[dns.message.QueryMessage, dns.message.Message] | None:
    """The question that a datagram answers; None if it answers none of ours."""
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True)
    except dns.message.Truncated as truncated:
        message = truncated.message()  # type: ignore[no-untyped-call]
    except dns.exception.DNSException:
        return None
    query = queries.get(message.id)
    if query is None or not query.is_response(message):
        return None
    return query, message


def _record(message: dns.message.Message, rdtype: dns.rdatatype.RdataType, transport: str) -> DnsReply:
    """The reply to a question; a server that refuses may leave the question out of it."""
    addresses: list[str] = []
    names: list[str] = []
    ttls: list[int] = []
    for rrset in message.answer:
        ttls.append(rrset.ttl)
        if rrset.rdtype in _RDTYPES:
            addresses.extend(record.address for record in rrset)
        elif rrset.rdtype == dns.rdatatype.CNAME:
            names.extend(record.target.to_text(omit_final_dot=True) for record in rrset)
    extended = tuple(
        f"{int(option.code)} {option.text or ''}".strip()
        for option in message.options
        if isinstance(option, dns.edns.EDEOption)
    )
    return DnsReply(
        rdtype=dns.rdatatype.to_text(rdtype),
        rcode=dns.rcode.to_text(message.rcode()),
        flags=tuple(dns.flags.to_text(message.flags).split()),
        extended_errors=extended,
        canonical_names=tuple(names),
        addresses=tuple(addresses),
        ttl_seconds=min(ttls) if ttls else None,
        transport="tcp" if transport == "tcp" else "udp",
    )
