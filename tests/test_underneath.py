"""Above TLS a reset and an end of file look alike to the SDK's transport; the connection underneath tells them apart."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trustme

from oairunbook.evidence import SdkFailed
from oairunbook.lab import wire
from oairunbook.lab.listener import Handle, Listener, reset
from oairunbook.observe import clients, sdk
from oairunbook.observe.stream import Deadline
from oairunbook.route import resolve
from tests.world.authority import context

BEGUN = wire.head(200, (("content-type", "application/json"), ("content-length", "900"))) + b'{"id": "chatcmpl-'


def ends_in_order(connection: socket.socket) -> None:
    with connection.makefile("rb") as stream:
        wire.read_request(stream)
        connection.sendall(BEGUN)


def resets(connection: socket.socket) -> None:
    with connection.makefile("rb") as stream:
        wire.read_request(stream)
        connection.sendall(BEGUN)
    reset(connection)


def ends_without_a_word(connection: socket.socket) -> None:
    with connection.makefile("rb") as stream:
        wire.read_request(stream)


def resets_without_a_word(connection: socket.socket) -> None:
    ends_without_a_word(connection)
    reset(connection)


@pytest.mark.parametrize(
    ("handle", "ended"),
    [(ends_in_order, "eof"), (resets, "reset"), (ends_without_a_word, "eof"), (resets_without_a_word, "reset")],
)
def test_an_answer_that_breaks_off_or_does_not_begin_says_whether_it_was_a_reset(
    handle: Handle, ended: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with Listener(handle, tls=context(authority.issue_cert("localhost"))) as listener:
        route = resolve(base_url=f"https://localhost:{listener.port}/v1", environment={"OPENAI_API_KEY": "sk-test"})
        _, client = clients.build_client(route, {"OPENAI_API_KEY": "sk-test"})
        assert client is not None
        outcome = sdk.minimal_request(
            client, model="m", stream=False, own_credential=True, timeout=20.0, deadline=Deadline.after(20.0)
        )

    assert isinstance(outcome, SdkFailed)
    assert outcome.answer is None
    assert outcome.ended == ended


def test_small_segments_are_announced_to_the_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    announced: list[int] = []

    def look(connection: socket.socket) -> None:
        announced.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
        ends_in_order(connection)

    with Listener(look, tls=context(authority.issue_cert("localhost"))) as listener:
        route = resolve(base_url=f"https://localhost:{listener.port}/v1", environment={"OPENAI_API_KEY": "sk-test"})
        _, client = clients.build_client(route, {"OPENAI_API_KEY": "sk-test"})
        assert client is not None
        for one in (client, clients.in_small_segments(client)):
            outcome = sdk.minimal_request(
                one, model="m", stream=False, own_credential=True, timeout=20.0, deadline=Deadline.after(20.0)
            )
            assert isinstance(outcome, SdkFailed)

    large, small = announced
    assert small <= 536 < large
