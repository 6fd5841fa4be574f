"""Every probe against real sockets on loopback: what it says of a peer that answers, refuses, lies, stops or stays silent."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from oairunbook.evidence import (
    Connected,
    ConnectFailed,
    DnsAnswer,
    DnsNoAnswer,
    HttpAnswer,
    HttpFailed,
    NameServer,
    NotTried,
    Observation,
    ProxyAnswered,
    ProxyDecision,
    ProxyFailed,
    Resolved,
    ResolveFailed,
    StatusPage,
    Stopped,
    TlsFailed,
    TlsHandshake,
    ToolFailed,
    TunnelOpened,
)
from oairunbook.observe import dns as dns_probe
from oairunbook.observe import http, proxy, tcp, tls
from oairunbook.observe.bodies import api_error, classify
from oairunbook.observe.collection import Collection
from oairunbook.observe.errors import error_chain
from oairunbook.observe.status_page import STATUS_URL, read_status
from oairunbook.observe.stream import Deadline, TcpStream, TlsStream, looks_like_tls, printable
from oairunbook.observe.tls import alert_of
from tests.sockets import tcp_and_udp

Handler = Callable[[socket.socket], None]
NAME = "api.example.test"


class Servers:
    """TCP servers of one test; each connection gets its handler in a thread of its own."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def start(self, handle: Handler) -> int:
        listening = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(listening)
        threading.Thread(target=self._serve, args=(listening, handle), daemon=True).start()
        port: int = listening.getsockname()[1]
        return port

    def _serve(self, listening: socket.socket, handle: Handler) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self._sockets.append(connection)
            threading.Thread(target=self._handle, args=(connection, handle), daemon=True).start()

    def _handle(self, connection: socket.socket, handle: Handler) -> None:
        with contextlib.suppress(OSError), connection:
            handle(connection)

    def close(self) -> None:
        for item in self._sockets:
            item.close()


_OPENED: list[TcpStream] = []


@pytest.fixture(autouse=True)
def _close_streams() -> Iterator[None]:
    yield
    while _OPENED:
        _OPENED.pop().close()


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    made.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port: int = gone.getsockname()[1]
    return port


def request_of(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data


def answering(data: bytes) -> Handler:
    def handle(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(data)

    return handle


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def resetting(connection: socket.socket) -> None:
    request_of(connection)
    reset(connection)


def reset(connection: socket.socket) -> None:
    """Close by RST (SO_LINGER with no time)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stream_to(port: int, seconds: float = 2.0) -> TcpStream:
    outcome, stream = tcp.connect("127.0.0.1", port, Deadline.after(seconds))
    assert isinstance(outcome, Connected)
    assert stream is not None
    _OPENED.append(stream)
    return stream


# -- error chains -------------------------------------------------------------------------------------------------


def test_a_chain_keeps_every_link_with_its_numbers_and_how_it_was_reached() -> None:
    try:
        try:
            try:
                raise ConnectionRefusedError(111, "Connection refused")
            except OSError:
                raise ValueError("second") from None
        except ValueError as error:
            raise RuntimeError("outermost") from error
    except RuntimeError as error:
        links = error_chain(error)
    assert [(link.type, link.relation) for link in links] == [
        ("RuntimeError", "raised"),
        ("ValueError", "cause"),
        ("ConnectionRefusedError", "context"),
    ]
    assert (links[2].errno, links[2].errno_name) == (111, "ECONNREFUSED")


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert [link.text for link in error_chain(first)] == ["first", "second"]


def test_members_of_a_group_and_exceptions_among_arguments_belong_to_the_chain() -> None:
    group = ExceptionGroup("both families", [OSError(113, "No route to host"), TimeoutError("slow")])
    links = error_chain(RuntimeError("wrapped", group))
    assert {link.relation for link in links} == {"raised", "argument", "member"}
    assert "EHOSTUNREACH" in {link.errno_name for link in links}


def test_name_errors_carry_their_eai_name_not_an_errno_of_the_same_number() -> None:
    (link,) = error_chain(socket.gaierror(socket.EAI_AGAIN, "Temporary failure"))
    assert link.errno_name == "EAI_AGAIN"


def test_an_alert_that_python_has_no_word_for_is_read_from_what_openssl_says() -> None:
    unknown = ssl.SSLError(1, "[SSL] tlsv1 alert no application protocol (_ssl.c:1006)")
    (link,) = error_chain(unknown)
    assert alert_of([link.ssl_reason]) == "no_application_protocol"
    assert error_chain(ssl.SSLError(1, "[SSL] something else (_ssl.c:1006)"))[0].ssl_reason is None


def test_the_transports_text_about_an_illegal_header_is_not_kept_for_it_holds_the_key() -> None:
    (link,) = error_chain(ValueError("Illegal header value b'Bearer the-whole-key\\n'"))
    assert "the-whole-key" not in link.text
    assert link.text.startswith("Illegal header value")


def test_a_long_text_is_cut_and_a_long_chain_is_bounded() -> None:
    error: BaseException = ValueError("x" * 100_000)
    for _ in range(1000):
        outer = ValueError("y")
        outer.__cause__ = error
        error = outer
    links = error_chain(error)
    assert len(links) < 100
    assert sum(len(link.text) for link in error_chain(ValueError("x" * 100_000))) < 1000


# -- tcp ----------------------------------------------------------------------------------------------------------


def test_a_port_where_nobody_listens_refuses_and_one_where_somebody_does_connects(servers: Servers) -> None:
    outcome, stream = tcp.connect("127.0.0.1", closed_port(), Deadline.after(2))
    assert isinstance(outcome, ConnectFailed)
    assert stream is None
    assert outcome.errors[0].errno_name == "ECONNREFUSED"

    port = servers.start(silent)
    outcome, stream = tcp.connect("127.0.0.1", port, Deadline.after(2))
    assert isinstance(outcome, Connected)
    assert (outcome.address, outcome.port, outcome.local_address) == ("127.0.0.1", port, "127.0.0.1")
    assert stream is not None
    stream.close()


def test_a_syn_without_an_answer_is_etimedout_at_the_deadline() -> None:
    """A queue that is full drops SYNs (listen(2))."""
    with socket.socket() as listening, contextlib.ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(listening.getsockname())
        began = time.monotonic()
        outcome, _ = tcp.connect("127.0.0.1", listening.getsockname()[1], Deadline.after(0.3))
    assert isinstance(outcome, ConnectFailed)
    assert outcome.errors[0].errno_name == "ETIMEDOUT"
    assert 0.2 < time.monotonic() - began < 8


def test_an_impossible_port_or_address_is_an_outcome_and_no_exception() -> None:
    for address, port in (("127.0.0.1", 70_000), ("not-an-address.invalid", 443), ("::1%no-such-scope", 443)):
        outcome, stream = tcp.connect(address, port, Deadline.after(0.5))
        assert isinstance(outcome, ConnectFailed)
        assert stream is None
        assert outcome.errors


# -- streams ------------------------------------------------------------------------------------------------------


def test_a_stream_tells_an_orderly_end_a_reset_and_silence_apart(servers: Servers) -> None:
    def close(connection: socket.socket) -> None:
        connection.recv(1)

    def reset_it(connection: socket.socket) -> None:
        connection.recv(1)
        reset(connection)

    orderly = stream_to(servers.start(close))
    orderly.write(b"x")
    assert (orderly.read(), orderly.ended) == (b"", "eof")

    broken = stream_to(servers.start(reset_it))
    broken.write(b"x")
    with pytest.raises(ConnectionResetError):
        broken.read()
    assert broken.ended == "reset"

    quiet = stream_to(servers.start(silent), seconds=0.2)
    with pytest.raises(TimeoutError):
        quiet.read()
    assert quiet.ended == "silence"


def test_what_had_arrived_in_time_is_read_also_when_this_process_comes_too_late(servers: Servers) -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(b"here")
        silent(connection)

    stream = stream_to(servers.start(speak))
    assert select.select([stream._socket], [], [], 5)[0]
    stream.deadline = Deadline.after(0)

    assert stream.read() == b"here"
    with pytest.raises(TimeoutError):
        stream.read()
    assert stream.ended == "silence"


def test_a_stream_counts_what_was_sent_and_keeps_the_first_bytes_that_came(servers: Servers) -> None:
    stream = stream_to(servers.start(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"z" * 5000)))
    stream.write(b"\r\n\r\n")
    while stream.read():
        pass
    assert (stream.sent_bytes, stream.received_bytes) == (4, 5028)
    assert stream.first_bytes.startswith(b"HTTP/1.1 400")
    assert len(stream.first_bytes) <= 256


def test_first_bytes_are_shown_without_control_characters() -> None:
    assert printable(b"\x1b[2Jok\x00\r") == "\\x1b[2Jok\\x00\\x0d"
    assert looks_like_tls(b"\x16\x03\x01")
    assert not looks_like_tls(b"HTTP/1.1")


# -- dns ----------------------------------------------------------------------------------------------------------

Reply = Callable[[dns.message.Message], "dns.message.Message | bytes | None"]


class DnsServer:
    """A name server on UDP and TCP of one port."""

    def __init__(self, reply: Reply, over_tcp: Reply | None = None) -> None:
        self._tcp, self._udp = tcp_and_udp()
        self.port: int = self._udp.getsockname()[1]
        self.asked = 0
        threading.Thread(target=self._serve_udp, args=(reply,), daemon=True).start()
        threading.Thread(target=self._serve_tcp, args=(over_tcp,), daemon=True).start()

    def _serve_udp(self, reply: Reply) -> None:
        while True:
            try:
                wire, peer = self._udp.recvfrom(65535)
            except OSError:
                return
            self.asked += 1
            answer = reply(dns.message.from_wire(wire))
            if answer is not None:
                self._udp.sendto(answer if isinstance(answer, bytes) else answer.to_wire(), peer)

    def _serve_tcp(self, reply: Reply | None) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection:
                size = int.from_bytes(connection.recv(2), "big")
                query = dns.message.from_wire(connection.recv(size))
                answer = reply(query) if reply else None
                if isinstance(answer, dns.message.Message):
                    wire = answer.to_wire()
                    connection.sendall(len(wire).to_bytes(2, "big") + wire)

    @property
    def server(self) -> NameServer:
        return NameServer(address="127.0.0.1", port=self.port)

    def close(self) -> None:
        self._udp.close()
        self._tcp.close()


def with_addresses(query: dns.message.Message) -> dns.message.Message:
    reply = dns.message.make_response(query)
    question = query.question[0]
    alias = dns.rrset.from_text(question.name, 300, "IN", "CNAME", "edge.example.test.")
    address = {"A": "192.0.2.7", "AAAA": "2001:db8::7"}[dns.rdatatype.to_text(question.rdtype)]
    found = dns.rrset.from_text("edge.example.test.", 60, "IN", question.rdtype, address)
    reply.answer += [alias, found]
    return reply


def rcode(code: str, extended: tuple[int, str] | None = None) -> Reply:
    def reply(query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query)
        answer.set_rcode(dns.rcode.from_text(code))
        if extended:
            answer.use_edns(0, options=[dns.edns.EDEOption(*extended)])
        return answer

    return reply


@pytest.fixture
def name_server() -> Iterator[Callable[..., DnsServer]]:
    made: list[DnsServer] = []

    def start(reply: Reply, over_tcp: Reply | None = None) -> DnsServer:
        made.append(DnsServer(reply, over_tcp))
        return made[-1]

    yield start
    for server in made:
        server.close()


def test_an_answer_keeps_aliases_addresses_of_both_families_flags_and_the_smallest_ttl(
    name_server: Callable[..., DnsServer],
) -> None:
    found = dns_probe.ask(name_server(with_addresses).server, NAME, seconds=2)
    assert isinstance(found, DnsAnswer)
    assert [reply.rdtype for reply in found.replies] == ["A", "AAAA"]
    assert [reply.addresses for reply in found.replies] == [("192.0.2.7",), ("2001:db8::7",)]
    assert {reply.canonical_names for reply in found.replies} == {("edge.example.test",)}
    assert {reply.ttl_seconds for reply in found.replies} == {60}
    assert "QR" in found.replies[0].flags
    assert found.unanswered == ()


@pytest.mark.parametrize("code", ["NXDOMAIN", "SERVFAIL", "REFUSED"])
def test_a_refusal_is_an_answer_with_its_rcode(code: str, name_server: Callable[..., DnsServer]) -> None:
    found = dns_probe.ask(name_server(rcode(code)).server, NAME, seconds=2)
    assert isinstance(found, DnsAnswer)
    assert {reply.rcode for reply in found.replies} == {code}
    assert {reply.addresses for reply in found.replies} == {()}
    assert {reply.ttl_seconds for reply in found.replies} == {None}


def test_extended_errors_are_kept_with_code_and_text(name_server: Callable[..., DnsServer]) -> None:
    found = dns_probe.ask(name_server(rcode("SERVFAIL", (6, "no valid signature"))).server, NAME, seconds=2)
    assert isinstance(found, DnsAnswer)
    assert found.replies[0].extended_errors == ("6 no valid signature",)


def test_a_truncated_answer_is_asked_for_again_over_tcp(name_server: Callable[..., DnsServer]) -> None:
    def truncated(query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.TC
        return reply

    found = dns_probe.ask(name_server(truncated, with_addresses).server, NAME, seconds=2)
    assert isinstance(found, DnsAnswer)
    assert {reply.transport for reply in found.replies} == {"tcp"}
    assert found.replies[0].addresses == ("192.0.2.7",)


def test_one_record_type_without_a_reply_is_told_beside_the_other(name_server: Callable[..., DnsServer]) -> None:
    def only_a(query: dns.message.Message) -> dns.message.Message | None:
        return with_addresses(query) if query.question[0].rdtype == dns.rdatatype.A else None

    found = dns_probe.ask(name_server(only_a).server, NAME, seconds=0.4)
    assert isinstance(found, DnsAnswer)
    assert [reply.rdtype for reply in found.replies] == ["A"]
    assert found.unanswered == ("AAAA",)


def test_silence_and_a_closed_port_and_junk_are_three_different_things(name_server: Callable[..., DnsServer]) -> None:
    began = time.monotonic()
    quiet = dns_probe.ask(name_server(lambda query: None).server, NAME, seconds=0.4)
    assert isinstance(quiet, DnsNoAnswer)
    assert quiet.ended == "silence"
    assert time.monotonic() - began < 8

    closed = dns_probe.ask(NameServer(address="127.0.0.1", port=closed_port()), NAME, seconds=2)
    assert isinstance(closed, DnsNoAnswer)
    assert closed.ended == "unreachable"
    assert closed.errors[-1].errno_name == "ECONNREFUSED"

    junk = dns_probe.ask(name_server(lambda query: b"no dns at all").server, NAME, seconds=0.4)
    assert isinstance(junk, DnsNoAnswer)


def test_a_question_that_got_lost_is_sent_again(name_server: Callable[..., DnsServer]) -> None:
    lost = iter([True, True])
    server = name_server(lambda query: None if next(lost, False) else with_addresses(query))
    assert isinstance(dns_probe.ask(server.server, NAME, seconds=4), DnsAnswer)
    assert server.asked > 2


def test_an_answer_to_another_question_is_no_answer(name_server: Callable[..., DnsServer]) -> None:
    def forged(query: dns.message.Message) -> dns.message.Message:
        reply = with_addresses(query)
        reply.id = query.id ^ 0xFFFF
        return reply

    assert isinstance(dns_probe.ask(name_server(forged).server, NAME, seconds=0.4), DnsNoAnswer)


@pytest.mark.parametrize("name", ["a" * 64 + ".test", "..", "x" * 300])
def test_what_is_no_host_name_is_not_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match="is no host name"):
        dns_probe.ask(NameServer(address="127.0.0.1", port=9), name, seconds=0.1)


def test_the_system_resolver_gives_addresses_or_its_own_error() -> None:
    found = dns_probe.resolve("localhost", 443)
    assert isinstance(found, Resolved)
    assert set(found.addresses) & {"127.0.0.1", "::1"}
    failed = dns_probe.resolve("a" * 64 + ".test", 443)
    assert isinstance(failed, ResolveFailed)
    assert failed.errors


# -- tls ----------------------------------------------------------------------------------------------------------


class Tls:
    """A CA with an intermediate, and servers with its certificates."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self.root = trustme.CA(organization_name="Test root")
        self.intermediate = self.root.create_child_ca()

    def start(self, *names: str, after: Handler | None = None, **settings: Any) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.intermediate.issue_cert(*(names or (NAME,))).configure_cert(context)
        for name, value in settings.items():
            setattr(context, name, value)

        def handle(connection: socket.socket) -> None:
            with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secured:
                (after or request_of)(secured)

        return self._servers.start(handle)

    @property
    def trusting(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.root.configure_trust(context)
        return context


@pytest.fixture
def tls_servers(servers: Servers) -> Tls:
    return Tls(servers)


def shake(port: int, context: ssl.SSLContext, name: str = NAME) -> TlsHandshake | TlsFailed:
    outcome, stream = tls.handshake(
        stream_to(port), context, address="127.0.0.1", server_name=name, again=lambda: stream_to(port)
    )
    assert (stream is None) == isinstance(outcome, TlsFailed)
    if stream is not None:
        stream.close()
    return outcome


def test_a_verified_handshake_says_version_cipher_and_the_chain_as_sent(tls_servers: Tls) -> None:
    outcome = shake(tls_servers.start(), tls_servers.trusting)
    assert isinstance(outcome, TlsHandshake)
    assert outcome.version == "TLSv1.3"
    assert outcome.cipher
    assert outcome.chain[0].names == (NAME,)


def test_a_chain_that_nobody_trusts_is_kept_whole_with_the_verify_code(tls_servers: Tls) -> None:
    port = tls_servers.start()
    outcome = shake(port, ssl.create_default_context())
    assert isinstance(outcome, TlsFailed)
    assert outcome.verify_code in (19, 20, 21)
    assert len(outcome.chain) >= 2
    assert outcome.chain[0].names == (NAME,)
    assert "Test root" in outcome.chain[-1].issuer
    assert outcome.received == "", "what came was TLS"
    assert isinstance(shake(port, tls_servers.trusting), TlsHandshake), "trusting the root is all that it takes"


def test_the_chain_of_a_handshake_that_failed_is_its_own_and_not_that_of_the_next_connection(tls_servers: Tls) -> None:
    """Behind one address may stand servers with different chains."""
    port, other = tls_servers.start(), tls_servers.start("other.example.test")
    nobody = ssl.create_default_context()
    outcome, _ = tls.handshake(
        stream_to(port), nobody, address="127.0.0.1", server_name=NAME, again=lambda: stream_to(other)
    )
    assert isinstance(outcome, TlsFailed)
    assert outcome.chain[0].names == (NAME,)


def test_a_certificate_for_another_host_is_told_by_its_verify_code_and_its_names(tls_servers: Tls) -> None:
    outcome = shake(tls_servers.start("other.example.test"), tls_servers.trusting)
    assert isinstance(outcome, TlsFailed)
    assert outcome.verify_code == 62
    assert outcome.chain[0].names == ("other.example.test",)


def test_a_peer_that_speaks_no_tls_is_quoted(servers: Servers) -> None:
    def plain(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    outcome = shake(servers.start(plain), ssl.create_default_context())
    assert isinstance(outcome, TlsFailed)
    assert outcome.received.startswith("HTTP/1.1 400 Bad Request")
    assert outcome.verify_code is None


def test_an_alert_is_named(tls_servers: Tls) -> None:
    context = tls_servers.trusting
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    outcome = shake(tls_servers.start(minimum_version=ssl.TLSVersion.TLSv1_3), context)
    assert isinstance(outcome, TlsFailed)
    assert outcome.alert == "protocol_version"


def test_reset_end_and_silence_in_the_handshake_are_three_different_endings(servers: Servers) -> None:
    def close(connection: socket.socket) -> None:
        connection.recv(65536)

    def break_off(connection: socket.socket) -> None:
        connection.recv(65536)
        reset(connection)

    endings = {}
    for name, handler in (("eof", close), ("reset", break_off), ("silence", silent)):
        below = stream_to(servers.start(handler), seconds=0.4)
        outcome, _ = tls.handshake(
            below, ssl.create_default_context(), address="127.0.0.1", server_name=NAME, again=None
        )
        assert isinstance(outcome, TlsFailed)
        assert outcome.sent_bytes > 0
        endings[name] = outcome.ended
    assert endings == {"eof": "eof", "reset": "reset", "silence": "silence"}


def test_what_a_proxy_said_before_is_no_part_of_the_handshake(servers: Servers) -> None:
    """Its `200 Connection established` is no answer to the ClientHello; the control says what is: a greeting of SSH."""

    def tunnelling(then: bytes) -> Handler:
        def handle(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            connection.recv(65536)
            connection.sendall(then)

        return handle

    received = []
    for then in (b"", b"SSH-2.0-x\r\n"):
        below = stream_to(servers.start(tunnelling(then)))
        assert below.read().startswith(b"HTTP/1.1 200")
        failed, _ = tls.handshake(
            below, ssl.create_default_context(), address="127.0.0.1", server_name=NAME, again=None
        )
        assert isinstance(failed, TlsFailed)
        received.append((failed.received, failed.received_bytes))

    assert received == [("", 0), ("SSH-2.0-x\\x0d\\x0a", 11)]


def test_a_server_name_that_is_none_is_an_outcome_and_no_exception(tls_servers: Tls) -> None:
    outcome = shake(tls_servers.start(), tls_servers.trusting, name=".bad.example")
    assert isinstance(outcome, TlsFailed)


# -- the proxy's handshake ----------------------------------------------------------------------------------------


def decision(port: int, scheme: str = "http") -> ProxyDecision:
    return ProxyDecision(url=f"{scheme}://127.0.0.1:{port}", rule="test", scheme=scheme, host="127.0.0.1", port=port)


def tunnel(port: int, scheme: str = "http", credentials: tuple[str, str] | None = None, seconds: float = 2.0) -> Any:
    outcome, stream = proxy.open_tunnel(stream_to(port, seconds), decision(port, scheme), credentials, NAME, 443)
    assert (stream is not None) == isinstance(outcome, TunnelOpened)
    if stream is not None:
        stream.close()
    return outcome


def test_connect_asks_for_the_endpoint_and_sends_the_proxys_credentials_to_it_alone(servers: Servers) -> None:
    seen: list[bytes] = []

    def accept(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 box\r\n\r\n")
        silent(connection)

    port = servers.start(accept)
    opened = tunnel(port, credentials=("runner", "word"))
    assert isinstance(opened, TunnelOpened)
    assert [(header.name, header.value) for header in opened.headers] == [("via", "1.1 box")]
    assert seen[0].startswith(b"CONNECT api.example.test:443 HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic cnVubmVyOndvcmQ=\r\n" in seen[0]

    tunnel(port)
    assert b"Authorization" not in seen[1]


@pytest.mark.parametrize(
    ("answer", "status", "title"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n", 407, None),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<title>Blocked by policy</title>", 403, "Blocked by policy"),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\nupstream timed out", 503, "upstream timed out"),
        (b"HTTP/1.1 405 Not Allowed\r\nContent-Length: 0\r\n\r\n", 405, None),
    ],
)  # fmt: skip
def test_a_refused_tunnel_keeps_the_proxys_answer(
    answer: bytes, status: int, title: str | None, servers: Servers
) -> None:
    refused = tunnel(servers.start(answering(answer)))
    assert isinstance(refused, ProxyAnswered)
    assert (refused.status, refused.protocol, refused.title) == (status, "http", title)


@pytest.mark.parametrize(
    ("handler", "ended"),
    [
        (lambda connection: request_of(connection) and None, "eof"),
        (resetting, "reset"),
        (silent, "silence"),
        (answering(b"SSH-2.0-OpenSSH_9.2\r\n"), None),
        (answering(b"\x00\x01\x02"), None),
        (answering(b"HTTP/1.1 99999 Strange\r\n\r\n"), None),
    ],
)
def test_a_proxy_that_is_none_fails_with_how_it_ended(handler: Handler, ended: str | None, servers: Servers) -> None:
    failed = tunnel(servers.start(handler), seconds=0.5)
    assert isinstance(failed, ProxyFailed)
    assert failed.errors
    if ended:
        assert failed.ended == ended
    else:
        assert failed.received, "its first bytes say what it is"


def socks(method: int, reply: int | None = 0, password_result: int = 0) -> Handler:
    """A SOCKS5 server (RFC 1928, RFC 1929)."""

    def handle(connection: socket.socket) -> None:
        count = connection.recv(2)[1]
        connection.recv(count)
        connection.sendall(bytes([5, method]))
        if method == 2:
            connection.recv(512)
            connection.sendall(bytes([1, password_result]))
        if reply is not None:
            connection.recv(512)
            connection.sendall(bytes([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        silent(connection)

    return handle


def test_socks_opens_a_tunnel_with_and_without_a_password(servers: Servers) -> None:
    assert isinstance(tunnel(servers.start(socks(0)), "socks5h"), TunnelOpened)
    assert isinstance(tunnel(servers.start(socks(2)), "socks5h", ("runner", "word")), TunnelOpened)


@pytest.mark.parametrize(
    ("server", "credentials", "status"),
    [
        (socks(0, reply=2), None, 2),
        (socks(0, reply=5), None, 5),
        (socks(255, reply=None), None, proxy.NO_ACCEPTABLE_METHOD),
        (socks(2, reply=None, password_result=1), ("runner", "word"), proxy.AUTHENTICATION_FAILED),
    ],
)
def test_a_socks_refusal_keeps_its_code(
    server: Handler, credentials: tuple[str, str] | None, status: int, servers: Servers
) -> None:
    refused = tunnel(servers.start(server), "socks5h", credentials)
    assert isinstance(refused, ProxyAnswered)
    assert (refused.status, refused.protocol) == (status, "socks5")


def test_a_web_server_in_the_place_of_a_socks_proxy_is_a_failure_with_its_bytes(servers: Servers) -> None:
    def web(connection: socket.socket) -> None:
        connection.recv(16)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    failed = tunnel(servers.start(web), "socks5h")
    assert isinstance(failed, ProxyFailed)
    assert failed.received.startswith("HTTP/1.1 400")


# -- http ---------------------------------------------------------------------------------------------------------


def fetch(port: int, seconds: float = 2.0) -> tuple[HttpAnswer | HttpFailed, bytes]:
    return http.exchange(
        stream_to(port, seconds), method="GET", url="http://h/v1/models", target="/v1/models", host="h", address=None
    )


def test_an_answer_keeps_status_identifying_headers_and_the_shape_of_its_body(servers: Servers) -> None:
    body = json.dumps({"error": {"message": "no key", "type": "invalid_request_error", "code": None}}).encode()
    head = f"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nX-Request-Id: req_1\r\nSet-Cookie: a=b\r\nContent-Length: {len(body)}\r\n\r\n"
    answer, data = fetch(servers.start(answering(head.encode() + body)))
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, answer.http_version, answer.header("x-request-id")) == (401, "1.1", "req_1")
    assert answer.header("set-cookie") is None, "no cookie enters a record"
    assert answer.body.shape == "api_error"
    assert answer.body.error is not None
    assert answer.body.error.message == "no key"
    assert data == body


def test_a_request_without_credentials_has_none(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    fetch(servers.start(handle))
    assert b"uthorization" not in seen[0]
    assert b"api-key" not in seen[0].lower()
    assert b"User-Agent: oairunbook/" in seen[0]


@pytest.mark.parametrize(
    ("handler", "phase", "ended", "status"),
    [
        (lambda connection: request_of(connection) and None, "headers", "eof", None),
        (resetting, "headers", "reset", None),
        (silent, "headers", "silence", None),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"), "body", "eof", 200),
        (answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), "body", "eof", 200),
        (answering(b"SSH-2.0-OpenSSH_9.2\r\n"), "headers", "eof", None),
    ],
)
def test_an_exchange_that_breaks_says_where_and_how(
    handler: Handler, phase: str, ended: str, status: int | None, servers: Servers
) -> None:
    failed, _ = fetch(servers.start(handler), seconds=0.5)
    assert isinstance(failed, HttpFailed)
    assert (failed.phase, failed.ended, failed.status) == (phase, ended, status)
    assert failed.errors


def test_a_head_without_end_and_a_body_without_end_are_bounded(servers: Servers) -> None:
    def endless(head: bytes, chunk: bytes) -> Handler:
        def handle(connection: socket.socket) -> None:
            request_of(connection)
            connection.sendall(head)
            while True:
                connection.sendall(chunk)

        return handle

    failed, _ = fetch(servers.start(endless(b"HTTP/1.1 200 OK\r\n", b"X-Filler: y\r\n" * 100)))
    assert isinstance(failed, HttpFailed)
    answer, data = fetch(servers.start(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"z" * 10_000)))
    assert isinstance(answer, HttpAnswer)
    assert len(data) == http.MOST_BODY_BYTES


def test_an_answer_that_drips_ends_at_the_deadline(servers: Servers) -> None:
    def drip(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            connection.sendall(b".")
            time.sleep(0.05)

    began = time.monotonic()
    failed, _ = fetch(servers.start(drip), seconds=0.5)
    assert isinstance(failed, HttpFailed)
    assert (failed.phase, failed.ended) == ("body", "silence")
    assert time.monotonic() - began < 8


# -- bodies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "data", "shape"),
    [
        (None, b"", "empty"),
        ("application/json", b'{"object": "list", "data": []}', "api_object"),
        ("application/json", b'{"error": {"message": "m"}}', "api_error"),
        ("application/json", b'{"detail": "Not Found"}', "api_error"),
        ("application/json", b'{"answer": 42}', "json"),
        ("text/html", b"<html><title>Sign in</title></html>", "html"),
        (None, b"<!DOCTYPE html><title>x</title>", "html"),
        ("text/event-stream", b'data: {"id": 1}\n\n', "event_stream"),
        ("text/plain", b"hello", "text"),
        (None, b"\x00\x01\x02", "binary"),
        ("application/json", b"<html>not json</html>", "html"),
        ("application/json", b"[" * 100_000, "text"),
    ],
)
def test_a_body_is_told_by_its_shape_whatever_its_content_type_says(
    content_type: str | None, data: bytes, shape: str
) -> None:
    assert classify(content_type, data).shape == shape


@pytest.mark.parametrize(
    "field",
    [
        '<input type="hidden" name="SAMLResponse" value="{}">',
        "<input value='{}' name=authenticity_token type=hidden />",
        "<INPUT\n NAME=state\n VALUE={}>",
        '<meta name="csrf-token" content="{}">',
        '<input type="hidden" name="RelayState" value="{}',
    ],
)
def test_what_the_fields_of_a_page_hold_is_not_kept_and_what_it_says_is(field: str) -> None:
    held = "PHNhbWxwOlJlc3BvbnNl"
    head = '<html><meta name="description" content="Portal of the guest network">'
    body = classify("text/html", f"{head}<p>Sign in to go on</p>{field.format(held)}".encode())
    assert held not in body.sample
    assert body.sample.startswith(f"{head}<p>Sign in to go on</p><")
    assert '"[not kept]"' in body.sample
    whole = f"{head}<input type=submit value='I accept'>"
    assert classify("text/html", whole.encode()).sample == whole


def test_a_completion_is_never_kept() -> None:
    answer = {"object": "chat.completion", "choices": [{"message": {"content": "the model's own words"}}]}
    body = classify("application/json", json.dumps(answer).encode())
    assert body.object == "chat.completion"
    assert body.sample == ""
    streamed = classify("text/event-stream", b'data: {"choices": [{"delta": {"content": "words"}}]}\n\n')
    assert streamed.sample == ""


def test_an_error_inside_a_stream_is_found() -> None:
    body = classify(
        "text/event-stream", b'data: {"x": 1}\n\ndata: {"error": {"message": "overloaded", "code": "slow_down"}}\n\n'
    )
    assert body.error is not None
    assert body.error.code == "slow_down"


@pytest.mark.parametrize(
    ("document", "shape", "message"),
    [
        ({"error": {"message": "m", "code": 401}}, "object", "m"),
        ({"error": "m"}, "string", "m"),
        ({"error": [{"message": "m"}]}, "list", "m"),
        ([{"error": {"message": "m"}}], "object", "m"),
        ({"statusCode": 401, "message": "m"}, "flat", "m"),
        ({"object": "error", "message": "m", "type": "NotFoundError", "code": 404}, "object", "m"),
        ({"success": False, "errors": [{"message": "m"}]}, "list", "m"),
    ],
)
def test_every_shape_of_an_error_is_read(document: Any, shape: str, message: str) -> None:
    error = api_error(document)
    assert error is not None
    assert (error.shape, error.message) == (shape, message)


@given(st.binary(max_size=300), st.one_of(st.none(), st.text(max_size=40)))
def test_no_body_breaks_the_reader(data: bytes, content_type: str | None) -> None:
    classify(content_type, data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["error", "errors", "message", "detail", "code"]), inner),
        max_leaves=8,
    )
)  # fmt: skip
def test_no_json_breaks_the_search_for_an_error(document: Any) -> None:
    api_error(document)


# -- the status page ----------------------------------------------------------------------------------------------


def page(document: Any, status: int = 200) -> tuple[HttpAnswer, bytes]:
    data = json.dumps(document).encode()
    body = classify("application/json", data)
    return HttpAnswer(method="GET", url=STATUS_URL, status=status, http_version="1.1", headers=(), body=body), data


def test_the_status_page_is_read_with_its_incidents_and_the_time() -> None:
    document = {
        "status": {"indicator": "minor", "description": "Partial outage"},
        "incidents": [{"name": "Elevated errors", "status": "monitoring"}],
    }
    read = read_status(STATUS_URL, *page(document))
    assert isinstance(read, StatusPage)
    assert (read.indicator, read.incidents) == ("minor", ("Elevated errors (monitoring)",))
    assert read.retrieved_at.endswith("+00:00")


@pytest.mark.parametrize("document", [{}, [], {"status": "fine"}, {"status": {"indicator": 1}}])
def test_what_is_no_status_summary_stays_the_answer_that_it_is(document: Any) -> None:
    assert isinstance(read_status(STATUS_URL, *page(document)), HttpAnswer)
    assert isinstance(read_status(STATUS_URL, *page({"status": {}}, status=503)), HttpAnswer)


@pytest.mark.parametrize("incidents", [None, "none", {"a": 1}, [1, None, {"name": "x"}]])
def test_odd_incidents_do_not_break_the_status_page(incidents: Any) -> None:
    document = {"status": {"indicator": "none", "description": "fine"}, "incidents": incidents}
    assert isinstance(read_status(STATUS_URL, *page(document)), StatusPage)


# -- the collection -----------------------------------------------------------------------------------------------


def collected(collection: Collection) -> dict[str, Observation]:
    return {observation.id: observation for observation in collection.close()}


def test_not_tried_the_tool_failed_and_stopped_are_three_different_things() -> None:
    collection = Collection(Deadline.after(5), None)
    collection.skip("skipped", "tcp", "tcp", "nobody", "no address")
    assert collection.begin("failed", "tcp", "tcp", "x", lambda: 1 / 0).wait(2)
    slow = collection.begin("slow", "tcp", "tcp", "x", lambda: time.sleep(5))
    assert not slow.wait(0.05)
    slow.stop("the budget ended", seen=("one byte",))
    found = collected(collection)
    assert found["skipped"].outcome == NotTried(reason="no address")
    assert isinstance(found["failed"].outcome, ToolFailed)
    assert found["failed"].outcome.errors[0].type == "ZeroDivisionError"
    assert found["slow"].outcome == Stopped(reason="the budget ended", seen=("one byte",))


def test_what_was_under_way_when_it_was_cut_short_is_told_and_is_no_silence() -> None:
    """A rule may take a step that was stopped by its own deadline for silence of the peer; nobody waited for this one."""
    collection = Collection(Deadline.after(5), None)
    release = threading.Event()
    done = collection.begin("done", "dns", "dns", "x", lambda: NotTried(reason="a"))
    assert done.wait(2)
    cut = collection.begin("cut", "tcp", "tcp", "x", lambda: release.wait(2) and NotTried(reason="b"))
    collection.give_up()
    found = collected(collection)
    release.set()
    assert cut.wait(2)
    assert found["done"].outcome == NotTried(reason="a")
    assert isinstance(found["cut"].outcome, NotTried)
    assert found["cut"].outcome.reason.endswith("while it was under way")


def test_what_ends_after_the_end_is_not_recorded_and_the_first_record_of_an_id_stands() -> None:
    collection = Collection(Deadline.after(5), None)
    release = threading.Event()

    def late() -> Connected:
        release.wait(2)
        return Connected(address="192.0.2.1", port=1)

    task = collection.begin("late", "tcp", "tcp", "x", late)
    task.stop("given up")
    found = collected(collection)
    release.set()
    assert task.wait(2)
    assert found["late"].outcome == Stopped(reason="given up")
    assert {o.id: o for o in collection.close()} == found


def test_observations_are_in_the_order_of_their_beginning_with_seconds_on_one_clock() -> None:
    collection = Collection(Deadline.after(5), None)
    first = collection.begin("first", "tcp", "tcp", "x", lambda: time.sleep(0.2) or NotTried(reason="a"))
    time.sleep(0.05)
    second = collection.begin("second", "tcp", "tcp", "x", lambda: NotTried(reason="b"))
    assert second.wait(1)
    assert first.wait(1)
    found = list(collected(collection).values())
    assert [observation.id for observation in found] == ["first", "second"]
    assert found[0].seconds >= 0.2
    assert found[1].started_seconds >= 0.05


def test_a_deadline_is_the_sooner_of_two_and_is_never_negative() -> None:
    deadline = Deadline.after(0.05)
    assert deadline.sooner(10).left <= 0.05
    assert Deadline.after(10).sooner(0.05).left <= 0.05
    time.sleep(0.06)
    assert deadline.left == 0.0


def test_a_tls_stream_reads_what_the_peer_sends_until_its_end(tls_servers: Tls) -> None:
    def talk(secured: socket.socket) -> None:
        secured.recv(16)
        secured.sendall(b"answer")

    stream = TlsStream(stream_to(tls_servers.start(after=talk)), tls_servers.trusting, NAME)
    stream.handshake()
    stream.write(b"question")
    data = b""
    while more := stream.read():
        data += more
    assert data == b"answer"
    stream.close()
