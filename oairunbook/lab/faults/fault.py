"""What one fault of the lab is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from oairunbook.evidence import Family
from oairunbook.lab.answers import CorsBehaviour
from oairunbook.verdict import Owner

DnsBehaviour = Literal[
    "answers", "slow", "nxdomain", "no_address", "servfail", "refused", "silent", "sinkhole", "unreachable"
]

TcpBehaviour = Literal["open", "refused", "silent", "reset", "behind_proxy"]
"""`behind_proxy`: refused on the direct path, open for the lab's proxy."""

TlsBehaviour = Literal[
    "trusted",
    "untrusted_issuer",
    "self_signed",
    "expired",
    "not_yet_valid",
    "other_name",
    "incomplete_chain",
    "no_shared_version",
    "no_shared_cipher",
    "client_certificate",
    "client_certificate_tls12",
    "plain_http",
    "reset",
    "silent",
]

ProxyBehaviour = Literal[
    "works", "auth_required", "denied", "upstream_failed", "silent", "closes", "web_server", "refused", "unresolvable"
]


_PATHS = ("/v1", "/openai/v1")
"""Of a base URL that is right: the public API's and Azure's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of the lab, what it makes of each part of the path, and what a diagnosis of it has to say."""

    id: str
    """The id of the cause, with a suffix where one cause has several faults."""

    cause: str
    owner: Owner
    summary: str
    route: Family = "direct"
    """What the API's host plays: the route's family, unless whoever looks names another."""

    arguments: tuple[str, ...] = ()
    """What `oairunbook check` needs besides to see it."""

    dns: DnsBehaviour = "answers"
    addresses: tuple[str, ...] = ("127.0.0.1",)
    """What the name server answers for the API's name."""

    canonical_name: str = ""
    """What the API's name is an alias of (CNAME); empty if it is none."""

    tcp: TcpBehaviour = "open"
    tls: TlsBehaviour = "trusted"
    answer: str = "ok"
    """Behaviour of the API: a name of `oairunbook.lab.answers.ANSWERS`."""

    cors: CorsBehaviour = "open"
    """What a page meets; no server's request is changed by it."""

    proxy: ProxyBehaviour | None = None
    status_page: bool = True
    path: str = "/v1"
    environment: tuple[tuple[str, str | None], ...] = ()
    """Laid over the lab's environment; None unsets. `{port}` (of the API) and `{folder}` (of the lab) are filled in."""

    @property
    def is_the_callers(self) -> bool:
        """Whether only the caller's own settings can mend it."""
        return bool(self.environment) or self.path not in _PATHS

    def mended(self) -> Fault:
        """The same path with nothing wrong on it. What the caller has set stays as it is."""
        return replace(
            self,
            dns="answers",
            addresses=("127.0.0.1",),
            tcp="open",
            tls="trusted",
            answer="ok",
            cors="open",
            proxy=self.proxy and "works",
        )
