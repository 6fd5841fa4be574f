"""Opening one route up to a given step: the walk does it once, counter-tests do it again with one thing changed."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from oairunbook.evidence import (
    Connected,
    ConnectFailed,
    HttpAnswer,
    HttpFailed,
    NotTried,
    ProxyAnswered,
    ProxyFailed,
    Route,
    TlsFailed,
    TlsHandshake,
    TunnelOpened,
)
from oairunbook.observe import http, proxy, tcp, tls
from oairunbook.observe.stream import Deadline, Stream
from oairunbook.route.proxy import proxy_credentials

_LONGEST_PAUSE_SECONDS = 0.5
"""For which a connection is held open on which nothing is said."""


class NoPathError(ConnectionError):
    """A path could not be opened as far as was asked; `outcome` says where it ended."""

    def __init__(self, outcome: ConnectFailed | ProxyAnswered | ProxyFailed) -> None:
        super().__init__(outcome.kind.replace("_", " "))
        self.outcome = outcome


@dataclass(frozen=True)
class Path:
    """One route with what is needed to open it.

    `context` is called when TLS begins: the SDK may still be importing until then. It returns None where the transport has none.
    """

    route: Route
    environment: Mapping[str, str]
    context: Callable[[], ssl.SSLContext | None]
    built: Callable[[float], bool] = lambda _: True
    """Waits at most so many seconds for the context; whether it is there, or will never be."""

    @property
    def forwards(self) -> bool:
        """Whether the proxy gets whole URLs instead of a tunnel: plain http through an HTTP proxy (RFC 9112 section 3.2.2)."""
        return self.route.scheme == "http" and (self.route.proxy.scheme or "") in ("http", "https")

    @property
    def tunnels(self) -> bool:
        """Whether the proxy is asked for a tunnel."""
        return self.route.proxy.url is not None and not self.forwards

    def on(self, route: Route) -> Path:
        """The same runtime on another route."""
        return replace(self, route=route)

    def connect(
        self, address: str, deadline: Deadline, *, max_segment: int | None = None
    ) -> tuple[Connected | ConnectFailed, Stream | None]:
        """TCP to an address of the dialled host."""
        return tcp.connect(address, self.route.dialled_port, deadline, max_segment=max_segment)

    def tunnel(self, stream: Stream) -> tuple[TunnelOpened | ProxyAnswered | ProxyFailed, Stream | None]:
        """Ask the proxy for a tunnel to the endpoint."""
        credentials = proxy_credentials(self.environment, self.route.proxy)
        return proxy.open_tunnel(stream, self.route.proxy, credentials, self.route.host, self.route.port)

    def open(self, address: str, deadline: Deadline, *, max_segment: int | None = None) -> Stream:
        """Everything up to where TLS begins.

        Raises:
            NoPathError: TCP or the proxy ended it.
        """
        reached, stream = self.connect(address, deadline, max_segment=max_segment)
        if stream is None:
            assert isinstance(reached, ConnectFailed)
            raise NoPathError(reached)
        if not self.tunnels:
            return stream
        answer, opened = self.tunnel(stream)
        if opened is None:
            assert not isinstance(answer, TunnelOpened)
            raise NoPathError(answer)
        return opened

    def hold(self, stream: Stream) -> bool:
        """Wait until a handshake can begin; whether the stream is still good for it. If that takes long it is closed meanwhile.

        The SDK's import, which a handshake waits for, takes long on a slow machine. Proxies and servers hang up on who says nothing, and a
        server that serves one connection at a time serves nobody else until then: no fault of the path.
        """
        if self.built(_LONGEST_PAUSE_SECONDS):
            return True
        stream.close()
        self.context()
        return False

    def handshake(
        self, stream: Stream, address: str, *, fetch_chain: bool = False
    ) -> tuple[TlsHandshake | TlsFailed | NotTried, Stream | None]:
        """TLS as the SDK's transport does it. With *fetch_chain* a chain that does not verify is fetched over a second connection."""
        context = self.context()
        if context is None:
            stream.close()
            return NotTried(reason="the transport could not build a TLS context"), None
        again = (lambda: self.open(address, stream.deadline)) if fetch_chain else None
        return tls.handshake(stream, context, address=address, server_name=self.route.host, again=again)

    def request(
        self,
        stream: Stream,
        address: str | None,
        *,
        method: str = "GET",
        path: str = "/models",
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        keep: bool = False,
    ) -> HttpAnswer | HttpFailed:
        """One request without credentials on an open stream; *keep* leaves the stream open for another one."""
        target = self._target(path)
        url = f"{self.route.scheme}://{self.route.authority}{target}"
        answer, _ = http.exchange(
            stream,
            method=method,
            url=url,
            target=url if self.forwards else target,
            host=self.route.authority,
            address=address,
            headers=headers,
            body=body,
            keep=keep,
        )
        return answer

    def _target(self, path: str) -> str:
        query = f"?api-version={self.route.api_version.value}" if self.route.api_version else ""
        return f"{self.route.path}{path}{query}"
