"""The practice resolver against name servers on real UDP and TCP sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from oairunbook import practice, practice_names
from oairunbook.evidence import NameServer
from oairunbook.practice import Practice
from tests.sockets import tcp_and_udp

Reply = Callable[[dns.message.Message], "dns.message.Message | None"]


@pytest.fixture(autouse=True)
def _system_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test installs is gone after it."""
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)


class Servers:
    """Name servers of one test; each answers as its function says, and None is silence."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self._sockets: list[socket.socket] = []

    def start(self, reply: Reply, tcp_reply: Reply | None = None) -> NameServer:
        tcp, udp = tcp_and_udp()
        self._sockets.append(udp)
        port = udp.getsockname()[1]
        threading.Thread(target=self._serve, args=(udp, reply), daemon=True).start()
        if tcp_reply is None:
            tcp.close()
        else:
            self._sockets.append(tcp)
            threading.Thread(target=self._serve_tcp, args=(tcp, tcp_reply), daemon=True).start()
        return NameServer(address="127.0.0.1", port=port)

    def _serve(self, udp: socket.socket, reply: Reply) -> None:
        while True:
            try:
                wire, peer = udp.recvfrom(65535)
            except OSError:
                return
            query = dns.message.from_wire(wire)
            self.questions.append(query.question[0].to_text())
            answer = reply(query)
            if answer is not None:
                udp.sendto(answer.to_wire(), peer)

    def _serve_tcp(self, tcp: socket.socket, reply: Reply) -> None:
        while True:
            try:
                connection, _ = tcp.accept()
            except OSError:
                return
            with connection:
                length = int.from_bytes(connection.recv(2), "big")
                answer = reply(dns.message.from_wire(connection.recv(length)))
                assert answer is not None
                wire = answer.to_wire()
                connection.sendall(len(wire).to_bytes(2, "big") + wire)

    def close(self) -> None:
        for one in self._sockets:
            if one.type == socket.SOCK_STREAM:
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def servers() -> Iterator[Servers]:
    running = Servers()
    yield running
    running.close()


def answers(**records: str) -> Reply:
    """NOERROR with these records, by record type; NODATA for every other type."""

    def reply(query: dns.message.Message) -> dns.message.Message:
        message = dns.message.make_response(query)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        if kind in records:
            message.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, records[kind]))
        return message

    return reply


def says(rcode: dns.rcode.Rcode) -> Reply:
    def reply(query: dns.message.Message) -> dns.message.Message:
        message = dns.message.make_response(query)
        message.set_rcode(rcode)
        return message

    return reply


def silence(query: dns.message.Message) -> None:
    return None


def use(*name_servers: NameServer) -> None:
    practice.install(
        Practice(
            fault="ok",
            name_servers=name_servers,
            status_url="https://status.lab.test/",
            api_host="api.lab.test",
            family="direct",
        )
    )


def addresses(name: str, **options: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM, **options)]


def test_a_name_is_answered_by_the_practice_name_server_with_ipv6_first(servers: Servers) -> None:
    use(servers.start(answers(A="192.0.2.7", AAAA="2001:db8::7")))

    assert addresses("api.lab.test") == ["2001:db8::7", "192.0.2.7"]
    assert addresses("api.lab.test", family=socket.AF_INET) == ["192.0.2.7"]
    assert addresses("api.lab.test", family=socket.AF_INET6) == ["2001:db8::7"]


def test_the_system_resolver_alone_does_not_know_the_practice_name(servers: Servers) -> None:
    """The control: without the practice resolver the same name has no address, so the answer above came from the lab."""
    with pytest.raises(socket.gaierror):
        addresses("api.lab.test")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (says(dns.rcode.NXDOMAIN), socket.EAI_NONAME),
        (says(dns.rcode.SERVFAIL), socket.EAI_AGAIN),
        (says(dns.rcode.REFUSED), socket.EAI_AGAIN),
        (answers(), socket.EAI_NODATA),
        (silence, socket.EAI_AGAIN),
    ],
    ids=["nxdomain", "servfail", "refused", "nodata", "silence"],
)
def test_what_the_server_says_becomes_the_error_that_glibc_raises(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, reply: Reply, code: int
) -> None:
    monkeypatch.setattr(practice_names, "_SERVER_SECONDS", 0.3)
    use(servers.start(reply))

    with pytest.raises(socket.gaierror) as raised:
        addresses("api.lab.test")
    assert raised.value.errno == code


def test_a_port_where_no_name_server_listens_is_a_temporary_failure() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    use(NameServer(address="127.0.0.1", port=port))

    with pytest.raises(socket.gaierror, match="Temporary failure"):
        addresses("api.lab.test")


def test_the_second_name_server_is_asked_when_the_first_one_fails(servers: Servers) -> None:
    use(servers.start(says(dns.rcode.SERVFAIL)), servers.start(answers(A="192.0.2.7")))

    assert addresses("api.lab.test") == ["192.0.2.7"]


def test_nxdomain_of_the_first_name_server_is_final(servers: Servers) -> None:
    use(servers.start(says(dns.rcode.NXDOMAIN)), servers.start(answers(A="192.0.2.7")))

    with pytest.raises(socket.gaierror, match="Name or service not known"):
        addresses("api.lab.test")


def test_a_truncated_reply_is_asked_for_again_over_tcp(servers: Servers) -> None:
    def truncated(query: dns.message.Message) -> dns.message.Message:
        message = dns.message.make_response(query)
        message.flags |= dns.flags.TC
        return message

    use(servers.start(truncated, tcp_reply=answers(A="192.0.2.8")))

    assert addresses("api.lab.test", family=socket.AF_INET) == ["192.0.2.8"]


def test_the_end_of_a_cname_chain_is_the_canonical_name(servers: Servers) -> None:
    def alias(query: dns.message.Message) -> dns.message.Message:
        message = dns.message.make_response(query)
        question = query.question[0]
        message.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", "edge.lab.test."))
        if question.rdtype == dns.rdatatype.A:
            message.answer.append(dns.rrset.from_text("edge.lab.test.", 60, "IN", "A", "192.0.2.9"))
        return message

    use(servers.start(alias))

    found = socket.getaddrinfo("api.lab.test", 443, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    assert found == [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "edge.lab.test", ("192.0.2.9", 443))]


def test_address_literals_and_localhost_never_reach_the_practice_name_server(servers: Servers) -> None:
    use(servers.start(answers(A="192.0.2.7")))

    assert addresses("127.0.0.1") == ["127.0.0.1"]
    assert addresses("127.1") == ["127.0.0.1"]
    assert addresses("::1") == ["::1"]
    assert "192.0.2.7" not in addresses("localhost")
    assert servers.questions == []


def test_asyncio_resolves_through_the_practice_name_server_too(servers: Servers) -> None:
    use(servers.start(answers(A="192.0.2.7")))

    async def resolve() -> list[str]:
        found = await asyncio.get_running_loop().getaddrinfo("api.lab.test", 443, type=socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found]

    assert asyncio.run(resolve()) == ["192.0.2.7"]


def test_an_impossible_name_is_the_same_error_as_without_practice(servers: Servers) -> None:
    name = "a" * 64 + ".lab.test"
    with pytest.raises(UnicodeError) as without:
        addresses(name)
    use(servers.start(answers(A="192.0.2.7")))
    with pytest.raises(UnicodeError) as within:
        addresses(name)
    assert type(without.value) is type(within.value)


def test_installing_again_replaces_the_name_servers(servers: Servers) -> None:
    use(servers.start(answers(A="192.0.2.1")))
    use(servers.start(answers(A="192.0.2.2")))

    assert addresses("api.lab.test") == ["192.0.2.2"]
    assert servers.questions == ["api.lab.test. IN AAAA", "api.lab.test. IN A"]


def test_the_variable_carries_the_practice_whole() -> None:
    given = Practice(
        fault="dns.nxdomain",
        name_servers=(NameServer(address="127.0.0.1", port=5353),),
        status_url="https://status.lab.test:8443/api/v2/summary.json",
        api_host="api.lab.test",
        family="azure",
    )

    assert practice.current({practice.VARIABLE: given.to_variable()}) == given


def test_without_the_variable_there_is_no_practice() -> None:
    assert practice.current({}) is None
    assert practice.current({practice.VARIABLE: ""}) is None


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"fault": "ok", "name_servers": [["127.0.0.1"]], "status_url": ""}']
)
def test_an_unreadable_variable_says_what_to_do(text: str) -> None:
    with pytest.raises(ValueError, match="Unset it, or take the value that `oairunbook lab` prints"):
        practice.current({practice.VARIABLE: text})
