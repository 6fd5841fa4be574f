"""Whoever answers may be hostile: no credential goes where it was not meant to go, and no answer takes all memory or all time."""

from __future__ import annotations

import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator

import pytest

from oairunbook.diagnose import diagnose
from oairunbook.evidence import SdkFailed
from oairunbook.lab import wire
from oairunbook.lab.listener import Listener
from oairunbook.observe import observe
from oairunbook.redaction import Secrets
from oairunbook.route import resolve
from tests.world.canary import Canaries

Answer = Callable[[socket.socket, wire.Request], None]


class Peer:
    """A server on loopback that keeps what it was sent."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[wire.Request] = []
        self._answer = answer
        self._listener = Listener(self._serve)
        self.port = self._listener.port

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (request := wire.read_request(stream)) is not None:
                self.requests.append(request)
                self._answer(connection, request)

    def credentials(self) -> list[str]:
        """Values of every header that could carry one."""
        named = ("authorization", "api-key", "cookie", "proxy-authorization")
        return [value for request in self.requests for name, value in request.headers.items() if name.lower() in named]

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def peers() -> Iterator[Callable[[Answer], Peer]]:
    made: list[Peer] = []

    def start(answer: Answer) -> Peer:
        made.append(Peer(answer))
        return made[-1]

    yield start
    for peer in made:
        peer.close()


def look(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return observe(
        resolve(model="practice-model"),
        Secrets.from_environment(environment),
        timeout=2.0,
        budget=15.0,
        repeat=1,
        control_url="",
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

    def redirect(connection: socket.socket, request: wire.Request) -> None:
        # Another name is another origin (RFC 6454), also where it leads to the same machine.
        location = f"http://localhost:{elsewhere.port}{request.target}"
        wire.send_whole(connection, status, (("location", location),), b"")

    first = peers(redirect)
    look({**KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{first.port}/v1"}, monkeypatch)

    # The control: to the endpoint itself, on loopback, the key does go, and the redirect was followed.
    assert any("Bearer" in value for value in first.credentials())
    assert elsewhere.requests
    assert elsewhere.credentials() == []


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

    def bomb(connection: socket.socket, request: wire.Request) -> None:
        deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
        connection.sendall(wire.head(200, (("content-type", "application/json"), ("content-encoding", "gzip"))))
        connection.sendall(deflate.compress(b'{"choices": "'))
        zeros = bytes(1 << 20)
        for _ in range(4096):  # four gigabytes, if anybody read them all
            connection.sendall(deflate.compress(zeros) + deflate.flush(zlib.Z_SYNC_FLUSH))
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
