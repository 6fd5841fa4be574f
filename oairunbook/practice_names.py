"""Names of the practice lab: what `socket.getaddrinfo` asks while this process practises."""

from __future__ import annotations

import socket
import time
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype

from oairunbook.evidence import NameServer

_SERVER_SECONDS = 3.0
"""How long one name server may stay silent. glibc waits 5 s twice; half of one such wait shows the same."""

_RESEND_SECONDS = 1.0


class PracticeResolver:
    """getaddrinfo(3) over the practice name servers: names go there, address literals and localhost to the system."""

    def __init__(self, system: Any, name_servers: tuple[NameServer, ...]):
        self.system = system
        self.name_servers = name_servers

    def __call__(self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:  # noqa: A002
        """What getaddrinfo(3) would give, and its errors."""
        if not host or flags & socket.AI_NUMERICHOST:
            return self.system(host, port, family, type, proto, flags)
        name = host.decode("ascii") if isinstance(host, bytes) else host
        if name.lower().rstrip(".") == "localhost":
            return self.system(host, port, family, type, proto, flags)
        literal_flags = (flags | socket.AI_NUMERICHOST) & ~socket.AI_CANONNAME
        try:
            return self.system(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror as error:
            if error.errno != socket.EAI_NONAME:
                raise
        addresses, canonical = self._look_up(name, family)
        found = []
        for address in addresses:
            found += self.system(address, port, family, type, proto, literal_flags)
        if flags & socket.AI_CANONNAME:
            found[0] = (*found[0][:3], canonical, found[0][4])
        return found

    def _look_up(self, name: str, family: int) -> tuple[list[str], str]:
        # The codec that socket.getaddrinfo itself uses: a label that is empty or too long is a UnicodeError there as well.
        absolute = dns.name.from_text(name.rstrip(".").encode("idna").decode("ascii")).derelativize(dns.name.root)
        # RFC 6724 puts IPv6 first.
        wanted = [
            rdtype
            for rdtype, its_family in ((dns.rdatatype.AAAA, socket.AF_INET6), (dns.rdatatype.A, socket.AF_INET))
            if family in (0, its_family)
        ]
        for server in self.name_servers:
            replies = _ask(server, absolute, wanted)
            addresses: list[str] = []
            canonical = absolute
            for rdtype in wanted:
                reply = replies.get(rdtype)
                for rrset in reply.answer if reply is not None else ():
                    if rrset.rdtype == rdtype:
                        addresses += [record.address for record in rrset]
                        canonical = rrset.name
            if addresses:
                return addresses, canonical.to_text(omit_final_dot=True)
            rcodes = {reply.rcode() for reply in replies.values()}
            if dns.rcode.NXDOMAIN in rcodes:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            if rcodes == {dns.rcode.NOERROR} and len(replies) == len(wanted):
                raise socket.gaierror(socket.EAI_NODATA, "No address associated with hostname")
        # SERVFAIL, REFUSED, silence, and a port where nobody listens: glibc tells none of them apart.
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def _ask(
    server: NameServer, name: dns.name.Name, rdtypes: list[dns.rdatatype.RdataType]
) -> dict[dns.rdatatype.RdataType, dns.message.Message]:
    """The replies of one name server within its time; without those that did not come."""
    queries = {rdtype: dns.message.make_query(name, rdtype) for rdtype in rdtypes}
    replies: dict[dns.rdatatype.RdataType, dns.message.Message] = {}
    end = time.monotonic() + _SERVER_SECONDS
    address_family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    try:
        with socket.socket(address_family, socket.SOCK_DGRAM) as udp:
            udp.connect((server.address, server.port))
            while len(replies) < len(queries) and time.monotonic() < end:
                for rdtype, query in queries.items():
                    if rdtype not in replies:
                        udp.send(query.to_wire())
                resend = min(end, time.monotonic() + _RESEND_SECONDS)
                while len(replies) < len(queries) and (left := resend - time.monotonic()) > 0:
                    udp.settimeout(left)
                    try:
                        wire = udp.recv(65535)
                    except (TimeoutError, socket.timeout):  # noqa: UP041 - two classes before Python 3.10
                        break
                    try:
                        message = dns.message.from_wire(wire, ignore_trailing=True)
                    except dns.exception.DNSException:
                        continue
                    for rdtype, query in queries.items():
                        if query.is_response(message):
                            if message.flags & dns.flags.TC:
                                message = dns.query.tcp(
                                    query, server.address, timeout=_RESEND_SECONDS, port=server.port
                                )
                            replies[rdtype] = message
    except (OSError, dns.exception.DNSException, EOFError):
        # ECONNREFUSED is the ICMP answer of a port where nobody listens.
        pass
    return replies
