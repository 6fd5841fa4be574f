"""The practice name server, over UDP and TCP."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Mapping

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from oairunbook.lab.faults import DnsBehaviour
from oairunbook.lab.listener import Listener

SLOW_SECONDS = 1.2
_TTL_SECONDS = 30

_RCODES: dict[DnsBehaviour, dns.rcode.Rcode] = {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED}


class NameServer:
    """Answers for the names of the lab; every other name does not exist."""

    def __init__(
        self, zone: Mapping[str, tuple[str, ...]], behaviour: DnsBehaviour, *, api: str, alias: str = "", port: int = 0
    ):
        """Start it.

        Args:
            zone: Addresses by name.
            behaviour: What is wrong.
            api: The name that `nxdomain`, `no_address` and `sinkhole` are about; all else is about every name.
            alias: What *api* is an alias of; empty if it is none.
            port: Where it listens over UDP and TCP; 0 for one that is free.

        Raises:
            OSError: Something else listens on that *port*.
        """
        self._aliases = {api: alias} if alias else {}
        self._zone = dict(zone)
        self._behaviour = behaviour
        if behaviour == "nxdomain":
            del self._zone[api]
        elif behaviour == "no_address":
            self._zone[api] = ()
        elif behaviour == "sinkhole":
            self._zone[api] = ("0.0.0.0",)
        self._closing = threading.Event()
        # UDP and TCP need the same port, and TCP ports are the scarcer ones: take that first.
        while True:
            self._tcp = Listener(self._serve_tcp, port=port)
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._udp.bind(("127.0.0.1", self._tcp.port))
                break
            except OSError:
                self._udp.close()
                self._tcp.close()
                if port:
                    raise
        self.port: int = self._tcp.port
        self._udp.settimeout(0.2)
        self._thread = threading.Thread(target=self._serve_udp, name="practice name server", daemon=True)
        self._thread.start()

    def _serve_udp(self) -> None:
        while not self._closing.is_set():
            try:
                wire, peer = self._udp.recvfrom(65535)
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=self._reply_over_udp, args=(wire, peer), daemon=True).start()

    def _reply_over_udp(self, wire: bytes, peer: tuple[str, int]) -> None:
        reply = self._reply(wire)
        if reply is not None:
            with contextlib.suppress(OSError):
                self._udp.sendto(reply, peer)

    def _serve_tcp(self, connection: socket.socket) -> None:
        """RFC 1035 section 4.2.2: each message behind its length."""
        with connection.makefile("rb") as stream:
            while len(length := stream.read(2)) == 2:
                reply = self._reply(stream.read(int.from_bytes(length, "big")))
                if reply is None:
                    self._closing.wait()
                    return
                connection.sendall(len(reply).to_bytes(2, "big") + reply)

    def _reply(self, wire: bytes) -> bytes | None:
        if self._behaviour == "silent":
            return None
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if not query.question:
            return None
        if self._behaviour == "slow" and self._closing.wait(SLOW_SECONDS):
            return None
        reply = dns.message.make_response(query, recursion_available=True)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        addresses = self._zone.get(name)
        if self._behaviour in _RCODES:
            reply.set_rcode(_RCODES[self._behaviour])
        elif addresses is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        else:
            versions = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}
            wanted = versions.get(question.rdtype)
            own = [address for address in addresses if ipaddress.ip_address(address).version == wanted]
            owner = question.name
            if name in self._aliases:
                target = f"{self._aliases[name]}."
                reply.answer.append(dns.rrset.from_text(owner, _TTL_SECONDS, "IN", "CNAME", target))
                owner = dns.name.from_text(target)
            if own:
                kind = dns.rdatatype.to_text(question.rdtype)
                reply.answer.append(dns.rrset.from_text(owner, _TTL_SECONDS, "IN", kind, *own))
        return reply.to_wire()

    def close(self) -> None:
        """Stop answering."""
        self._closing.set()
        self._tcp.close()
        self._thread.join(5)
        self._udp.close()
