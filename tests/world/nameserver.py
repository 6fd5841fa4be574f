"""A name server that tells the truth until a scenario makes it lie, refuse, wait or fall silent."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from oairunbook.lab.listener import Listener
from tests.world.namespace import Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question that arrived."""

    name: str
    rdtype: str
    transport: str


class NameServer:
    """Answers over UDP and TCP on port 53 of the given addresses (RFC 1035)."""

    def __init__(self, namespace: Namespace, *addresses: str) -> None:
        self._namespace = namespace
        self._zone: dict[str, tuple[str, ...]] = {}
        self._aliases: dict[str, str] = {}
        self._rcodes: dict[str, dns.rcode.Rcode] = {}
        self._every = 1
        self._silent: set[str] = set()
        self._silent_kind = ""
        self._truncated = False
        self._other_id = False
        self._in_turn: set[str] = set()
        self._seconds = 0.0
        self.queries: list[Query] = []
        self._sockets: list[socket.socket] = []
        self._listeners: list[Listener] = []
        self._closed = False
        for address in addresses:
            self._listen(address)

    # -- what a scenario scripts; "" as a name means every name ------------------------------------------------------

    def publish(self, name: str, *addresses: str, alias: str = "") -> None:
        """Let a name have these addresses, IPv4 or IPv6; none at all means NODATA. With *alias* over that CNAME."""
        self._zone[alias or name] = addresses
        if alias:
            self._aliases[name] = alias

    def fail(self, rcode: str, name: str = "", *, every: int = 1) -> None:
        """Answer with an error code, for example `SERVFAIL`; with *every*, one question in so many of each kind."""
        self._rcodes[name] = dns.rcode.from_text(rcode)
        self._every = every

    def silence(self, name: str = "", *, kind: str = "") -> None:
        """Take questions, or those of one kind such as `AAAA`, and never answer."""
        self._silent.add(name)
        self._silent_kind = kind

    def truncate(self) -> None:
        """Over UDP give nothing but the TC bit: the client has to ask over TCP (RFC 7766)."""
        self._truncated = True

    def publish_in_turn(self, name: str, *addresses: str) -> None:
        """Publish, and give one address of each kind an answer, the next one each time."""
        self.publish(name, *addresses)
        self._in_turn.add(name)

    def answer_with_other_ids(self) -> None:
        """Answer with ids that nobody asked with: every resolver must drop such answers (RFC 5452 section 9.1)."""
        self._other_id = True

    def delay(self, seconds: float) -> None:
        """Answer everything so much later."""
        self._seconds = seconds

    def mend(self) -> None:
        """Undo everything but `publish`."""
        self._rcodes.clear()
        self._silent.clear()
        self._silent_kind = ""
        self._truncated = False
        self._other_id = False
        self._in_turn.clear()
        self._seconds = 0.0

    # -- the protocol -------------------------------------------------------------------------------------------------

    def reply(self, wire: bytes, transport: str) -> bytes | None:
        """The answer to one question; None for silence."""
        question = dns.message.from_wire(wire).question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.queries.append(Query(name=name, rdtype=kind, transport=transport))
        if self._silent & {name, ""} and self._silent_kind in ("", kind):
            return None
        number = sum((q.name, q.rdtype) == (name, kind) for q in self.queries)
        answer = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
        failure = self._rcodes.get(name, self._rcodes.get("")) if number % self._every == 0 else None
        target = self._aliases.get(name, name)
        if self._truncated and transport == "udp":
            answer.flags |= dns.flags.TC
        elif failure is not None:
            answer.set_rcode(failure)
        elif target not in self._zone:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            if target != name:
                answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{target}."))
            version = {"A": 4, "AAAA": 6}.get(kind)
            matching = [a for a in self._zone[target] if ipaddress.ip_address(a).version == version]
            if matching and name in self._in_turn:
                matching = [matching[number % len(matching)]]
            if matching:
                answer.answer.append(dns.rrset.from_text(f"{target}.", 60, "IN", kind, *matching))
        if self._other_id:
            answer.id ^= 1
        return answer.to_wire()

    def _listen(self, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        datagrams = self._namespace.socket(family, socket.SOCK_DGRAM)
        datagrams.bind((address, 53))
        self._sockets.append(datagrams)
        threading.Thread(
            target=self._serve_datagrams, args=(datagrams,), name=f"name server {address}", daemon=True
        ).start()
        with self._namespace.entered():
            self._listeners.append(Listener(self._serve_stream, host=address, port=53))

    def _serve_datagrams(self, datagrams: socket.socket) -> None:
        while not self._closed:
            try:
                data, peer = datagrams.recvfrom(65536)
            except OSError:
                return
            if not data:
                continue
            answer = self.reply(data, "udp")
            if answer is not None:
                timer = threading.Timer(self._seconds, self._send, (datagrams, answer, peer))
                timer.daemon = True
                timer.start()

    @staticmethod
    def _send(datagrams: socket.socket, answer: bytes, peer: object) -> None:
        # The world may have ended while the answer waited.
        with contextlib.suppress(OSError):
            datagrams.sendto(answer, peer)  # type: ignore[arg-type]

    def _serve_stream(self, connection: socket.socket) -> None:
        with connection.makefile("rwb") as stream:
            while size := stream.read(2):
                answer = self.reply(stream.read(int.from_bytes(size)), "tcp")
                time.sleep(self._seconds)
                if answer is not None:
                    stream.write(len(answer).to_bytes(2) + answer)
                    stream.flush()

    def close(self) -> None:
        self._closed = True
        for listener in self._listeners:
            listener.close()
        for datagrams in self._sockets:
            # Wakes the thread that waits in recvfrom; close alone does not.
            with contextlib.suppress(OSError):
                datagrams.shutdown(socket.SHUT_RDWR)
            datagrams.close()
