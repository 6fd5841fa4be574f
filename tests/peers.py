"""Servers on loopback that answer as a test says and keep what they were sent; a pytest plugin for the fixture `peers`."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from oairunbook.lab import wire
from oairunbook.lab.listener import Listener

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


def redirecting_to(elsewhere: Peer, status: int = 307) -> Answer:
    """Sends every request on to that server, under another name of this machine, which is another origin (RFC 6454)."""

    def redirect(connection: socket.socket, request: wire.Request) -> None:
        location = f"http://localhost:{elsewhere.port}{request.target}"
        wire.send_whole(connection, status, (("location", location),), b"")

    return redirect


@pytest.fixture
def peers() -> Iterator[Callable[[Answer], Peer]]:
    made: list[Peer] = []

    def start(answer: Answer) -> Peer:
        made.append(Peer(answer))
        return made[-1]

    yield start
    for peer in made:
        peer.close()
