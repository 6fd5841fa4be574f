"""The hosts behind the names that a client calls."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trustme

from oairunbook.lab import wire
from oairunbook.lab.answers import ANSWERS
from oairunbook.lab.api import Service, serve
from oairunbook.lab.listener import Handle
from tests.world import authority
from tests.world.host import Host
from tests.world.streams import spoiling

API = "api.openai.com"
STATUS = "status.openai.com"
AZURE = "acme.openai.azure.com"
GATEWAY = "llm.acme.example"
PROXY = "proxy.acme.example"
NAME_SERVER = "10.20.0.53"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A name and the addresses that it has in a healthy world."""

    name: str
    addresses: tuple[str, ...]


PLACES = {
    place.name: place
    for place in (
        Place(name=API, addresses=("104.18.6.192", "104.18.7.192", "2606:4700::6812:6c0", "2606:4700::6812:7c0")),
        Place(name=STATUS, addresses=("104.18.37.228", "2606:4700::6812:25e4")),
        Place(name=AZURE, addresses=("20.232.90.14",)),
        Place(name=GATEWAY, addresses=("138.201.44.7",)),
        Place(name=PROXY, addresses=("10.21.0.3",)),
    )
}


class Site(Host):
    """A host that serves one name."""

    def __init__(self, name: str, folder: Path, place: Place) -> None:
        super().__init__(name, folder)
        self.place = place

    def serve(
        self,
        answer: str = "ok",
        *,
        certificate: trustme.LeafCert | None = None,
        port: int = 443,
        tls: Callable[[ssl.SSLContext], None] = lambda context: None,
        plain: bool = False,
    ) -> None:
        """Serve the lab's API with one of its answers, in place of what was served on that port before.

        Args:
            answer: A name of `oairunbook.lab.answers.ANSWERS`.
            certificate: The server's; default the one of a healthy world.
            port: Where.
            tls: Changes the server's TLS settings.
            plain: Speak HTTP without TLS.
        """
        service = Service(answer=ANSWERS[answer], label=self.place.name, status_page=self.place.name == STATUS)
        context = authority.context(certificate or self.certificate())
        tls(context)
        self.open_port(port, lambda host: serve(service, host=host, port=port, tls=None if plain else context))

    def spoil(self, when: Callable[[wire.Request], bool], spoil: Handle) -> None:
        """Serve the lab's API, and end the requests that *when* picks in another way."""
        self.serve(port=8080, plain=True)
        handle = spoiling(self.namespace, 8080, when, spoil)
        self.listen(443, handle, tls=authority.context(self.certificate()))

    def serve_small(self) -> int:
        """Serve an API of somebody else's, `small_api.py`; returns its process id."""
        self.close_port(443)
        chain, key = authority.write(self.certificate(), self.folder)
        script = str(Path(__file__).with_name("small_api.py"))
        return self.start([sys.executable, script, "443", str(chain), str(key)], ready=self.listening(443))

    def stop_serving(self) -> None:
        """Nobody listens on port 443 any more: the kernel answers with RST."""
        self.close_port(443)

    def certificate(self) -> trustme.LeafCert:
        """The certificate that this name has in a healthy world."""
        return authority.PUBLIC_ROOT.issue(self.place.name)
