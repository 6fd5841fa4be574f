"""Whoever answers may be hostile: no credential goes where it was not meant to go, and no answer takes all memory or all time."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from oairunbook.diagnose import diagnose
from oairunbook.evidence import SdkFailed
from oairunbook.lab import wire
from oairunbook.lab.listener import Listener
from oairunbook.observe import observe
from oairunbook.record.run import archive_record
from oairunbook.redaction import Secrets
from oairunbook.route import resolve
from tests.peers import Answer, Peer, redirecting_to
from tests.world.canary import Canaries


def look(  # type: ignore[no-untyped-def]
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, *, control_url: str = "", budget: float = 15.0
):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return observe(
        resolve(model="practice-model"),
        Secrets.from_environment(environment),
        timeout=2.0,
        budget=budget,
        repeat=1,
        control_url=control_url,
        environment=environment,
    )


def completion(connection: socket.socket, request: wire.Request) -> None:
    body = json.dumps({"object": "chat.completion", "choices": [], "id": "x", "created": 0, "model": "m"}).encode()
    wire.send_whole(connection, 200, (("content-type", "application/json"),), body)


KEY = {"OPENAI_API_KEY": Canaries().environment["OPENAI_API_KEY"]}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_credential_follows_a_redirect_to_another_host(
    peers: Callable[[Answer], Peer], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = peers(completion)

    first = peers(redirecting_to(elsewhere, status))
    look({**KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{first.port}/v1"}, monkeypatch)

    # The control: to the endpoint itself, on loopback, the key does go, and the redirect was followed.
    assert any("Bearer" in value for value in first.credentials())
    assert elsewhere.requests
    assert elsewhere.credentials() == []


def test_the_header_of_azures_key_follows_no_redirect_either(
    peers: Callable[[Answer], Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transport takes `Authorization` away at another origin, and would send `api-key` along."""
    elsewhere = peers(completion)

    first = peers(redirecting_to(elsewhere))
    azure = {
        "AZURE_OPENAI_ENDPOINT": f"http://127.0.0.1:{first.port}",
        "AZURE_OPENAI_API_KEY": KEY["OPENAI_API_KEY"],
        "OPENAI_API_VERSION": "2024-10-21",
        "AZURE_OPENAI_DEPLOYMENT": "practice",
    }
    look(azure, monkeypatch)
    assert KEY["OPENAI_API_KEY"] in first.credentials()
    assert elsewhere.credentials() == []


def test_no_header_that_the_application_adds_follows_a_redirect_to_another_host(
    peers: Callable[[Answer], Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = peers(completion)

    first = peers(redirecting_to(elsewhere))
    own = {
        "OPENAI_CUSTOM_HEADERS": "X-Secret-Thing: canary-of-a-header\napi-key: HdrKeyCanary12",
        "OPENAI_ORG_ID": "org-canary",
        "OPENAI_PROJECT_ID": "proj_canary",
    }
    look({**KEY, **own, "OPENAI_BASE_URL": f"http://127.0.0.1:{first.port}/v1"}, monkeypatch)

    def seen(peer: Peer) -> set[str]:
        return {name.lower() for request in peer.requests for name in request.headers}

    assert {"openai-organization", "openai-project", "authorization"} <= seen(first)
    assert "x-stainless-lang" in seen(elsewhere), "the SDK's own request got there"
    assert {name for name in seen(elsewhere) if not name.startswith("x-stainless-")} <= {
        *("host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent")
    }


def test_the_control_of_the_direct_route_gets_no_credential(
    peers: Callable[[Answer], Peer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where it has proved its name in the store that this runtime trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    asked: list[wire.Request] = []

    def encrypted(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as inside, inside.makefile("rb") as stream:
                while (request := wire.read_request(stream)) is not None:
                    asked.append(request)
                    completion(inside, request)
        except OSError:
            return

    control = Listener(encrypted)

    def broken(connection: socket.socket, request: wire.Request) -> None:
        wire.send_whole(connection, 502, (("content-type", "text/plain"),), b"no healthy upstream")

    gateway = peers(broken)
    environment = {
        **KEY,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{gateway.port}/gateway/v1",
        "SSL_CERT_FILE": str(tmp_path / "root.pem"),
    }
    try:
        look(environment, monkeypatch, control_url=f"https://localhost:{control.port}/v1")
    finally:
        control.close()
    assert any(KEY["OPENAI_API_KEY"] in value for value in gateway.credentials())
    assert asked
    assert not any(
        KEY["OPENAI_API_KEY"] in str(request) or "authorization" in str(request).lower() for request in asked
    )


def test_a_proxy_is_asked_for_a_tunnel_and_gets_no_key(
    peers: Callable[[Answer], Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(connection: socket.socket, request: wire.Request) -> None:
        wire.send_whole(connection, 403, (("content-type", "text/html"),), b"<p>blocked</p>")

    proxy = peers(refuse)
    environment = {
        **KEY,
        "OPENAI_BASE_URL": "https://gateway.example.test/v1",
        "HTTPS_PROXY": f"http://runner:its-own-password@127.0.0.1:{proxy.port}",
    }
    look(environment, monkeypatch)
    assert any(request.method == "CONNECT" for request in proxy.requests)
    # The control: the proxy's own credentials do go to it.
    assert any(value.startswith("Basic ") for value in proxy.credentials())
    sent = [str(request) for request in proxy.requests]
    assert not any(KEY["OPENAI_API_KEY"] in text for text in sent)


@pytest.mark.parametrize("trusted", [False, True])
def test_the_key_goes_only_to_who_has_proved_its_name(
    trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server answers every request that reaches it, also those of probes that verify nothing; its name is one off loopback."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("gateway.example.test").configure_cert(context)
    received: list[wire.Request] = []

    def behind_the_tunnel(connection: socket.socket) -> None:
        try:
            if not connection.recv(4096).startswith(b"CONNECT gateway.example.test"):
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with context.wrap_socket(connection, server_side=True) as encrypted, encrypted.makefile("rb") as stream:
                while (request := wire.read_request(stream)) is not None:
                    received.append(request)
                    completion(encrypted, request)
        except OSError:
            # Who does not trust it ends the handshake.
            return

    proxy = Listener(behind_the_tunnel)
    authority.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    environment = {
        **KEY,
        "OPENAI_BASE_URL": "https://gateway.example.test/v1",
        "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
        **({"SSL_CERT_FILE": str(tmp_path / "root.pem")} if trusted else {}),
    }
    try:
        look(environment, monkeypatch)
    finally:
        proxy.close()
    assert any(KEY["OPENAI_API_KEY"] in str(request.headers) for request in received) is trusted


def test_what_the_network_names_is_never_a_path(
    peers: Callable[[Answer], Peer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Request id, model and error code of an answer, and the name by which a machine calls itself."""
    strange = "../../../../x/../y"

    def answer(connection: socket.socket, request: wire.Request) -> None:
        error = {"message": strange, "code": strange, "type": strange, "param": f"/{strange}"}
        body = json.dumps({"error": error, "id": strange, "model": strange}).encode()
        headers = (("content-type", "application/json"), ("x-request-id", strange), ("openai-model", strange))
        wire.send_whole(connection, 404, headers, body)

    peer = peers(answer)
    evidence = look({**KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{peer.port}/v1"}, monkeypatch)
    evidence = replace(evidence, runtime=replace(evidence.runtime, host=strange))
    monkeypatch.setattr("socket.gethostname", lambda: strange)
    deep = tmp_path / "a" / "b" / "c" / "d" / "e" / "f"
    run = archive_record(deep / "archive", evidence, diagnose(evidence))
    assert run.parents[3] == deep / "archive"
    below = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert below
    assert all((deep / "archive") in path.parents for path in below)


def test_no_credential_goes_over_plain_http_off_loopback(
    peers: Callable[[Answer], Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy carries plain http for another host: what reaches it is readable by everybody on the way."""
    proxy = peers(completion)
    look(
        {**KEY, "OPENAI_BASE_URL": "http://gateway.example.test/v1", "HTTP_PROXY": f"http://127.0.0.1:{proxy.port}"},
        monkeypatch,
    )
    assert any("gateway.example.test" in request.target for request in proxy.requests)
    assert not any(KEY["OPENAI_API_KEY"] in value for value in proxy.credentials())


def test_a_compressed_answer_without_end_is_cut_off_and_told(
    peers: Callable[[Answer], Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = threading.Event()
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    opening = deflate.compress(b'{"choices": "') + deflate.flush(zlib.Z_FULL_FLUSH)
    # Compressed once: after a full flush the same bytes follow each time, and the server is no slower than the reader.
    zeros = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)

    def bomb(connection: socket.socket, request: wire.Request) -> None:
        connection.sendall(wire.head(200, (("content-type", "application/json"), ("content-encoding", "gzip"))))
        connection.sendall(opening)
        for _ in range(4096):  # four gigabytes, if anybody read them all
            connection.sendall(zeros)
        sent.set()

    peer = peers(bomb)
    evidence = look({**KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{peer.port}/v1"}, monkeypatch)

    failed = [outcome for _, outcome in evidence.of(SdkFailed)]
    assert any("AnswerTooLargeError" in link.type for outcome in failed for link in outcome.errors)
    assert not sent.is_set()
    assert diagnose(evidence).cause == "http.not_an_api"


def test_a_plain_answer_without_end_is_cut_off(
    peers: Callable[[Answer], Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(connection: socket.socket, request: wire.Request) -> None:
        connection.sendall(wire.head(200, (("content-type", "application/json"),)))
        for _ in range(1 << 16):
            connection.sendall(b" " * 65536)

    peer = peers(endless)
    evidence = look({**KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{peer.port}/v1"}, monkeypatch)

    failed = [outcome for _, outcome in evidence.of(SdkFailed)]
    assert any("AnswerTooLargeError" in link.type for outcome in failed for link in outcome.errors)


def test_an_ordinary_answer_is_not_touched(peers: Callable[[Answer], Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of both: compressed and whole."""

    def compressed(connection: socket.socket, request: wire.Request) -> None:
        body = json.dumps({"object": "chat.completion", "choices": [], "id": "x", "created": 0, "model": "m"}).encode()
        deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
        headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
        wire.send_whole(connection, 200, headers, deflate.compress(body) + deflate.flush())

    peer = peers(compressed)
    evidence = look({**KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{peer.port}/v1"}, monkeypatch)
    assert [outcome for _, outcome in evidence.of(SdkFailed) if not outcome.stream] == []
