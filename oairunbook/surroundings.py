"""Records of what surrounds a process: platform, egress, resolver, certificates, limits, and what was set for building and not for running."""

from __future__ import annotations

from dataclasses import field
from typing import Union

from oairunbook.evidence import (
    Connected,
    ConnectFailed,
    DnsAnswer,
    DnsNoAnswer,
    ErrorLink,
    NameServer,
    NotTried,
    Setting,
)
from oairunbook.records import dataclass

SURROUNDINGS_SCHEMA = "oairunbook.surroundings/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One sign of what this runtime is."""

    platform: str
    shown_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """One way out that was tried, towards the endpoint, its proxy or a configured name server, and nobody else."""

    id: str
    target: str
    question: str
    seconds: float
    outcome: Union[Connected, ConnectFailed, DnsAnswer, DnsNoAnswer, NotTried]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedName:
    """One name that the resolver tries for the endpoint, in its order (resolv.conf(5): search, ndots)."""

    name: str
    outcome: Union[DnsAnswer, DnsNoAnswer, NotTried]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStore:
    """One file or folder of roots on this machine."""

    read_by: str
    """The variable or program that reads it."""

    path: str
    in_use: bool
    """Whether the SDK's transport uses this one."""

    roots: int | None
    """Certificates in it; None if it could not be read."""

    only_here: tuple[str, ...] = ()
    """Subjects that certifi's list of public roots lacks: private roots, and public ones that were withdrawn."""

    only_here_count: int = 0
    folder: bool = False
    """A folder is counted by the names in it, and its roots are not compared."""

    problem: ErrorLink | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit that this process lives under."""

    name: str
    limit: float | None
    """None: without limit."""

    used: float | None
    unit: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything that the notebook on containers and functions looked at."""

    collected_at: str
    seconds: float
    host: str
    user: str
    marks: tuple[Mark, ...]
    libc: str
    """`glibc 2.36`, `musl 1.2.4`, or what is known of it."""

    name_servers: tuple[NameServer, ...]
    searched: tuple[SearchedName, ...]
    egress: tuple[Egress, ...]
    stores: tuple[CertificateStore, ...]
    limits: tuple[Limit, ...]
    interfaces: tuple[Setting, ...] = ()
    """Interface names with their state and MTU, and which families have a default route."""

    read_by_sdk: tuple[Setting, ...] = ()
    """Variables that the SDK and its transport read."""

    read_by_others: tuple[Setting, ...] = ()
    """Proxies, mirrors and certificates that installers and other programs read, and the SDK does not."""

    schema: str = SURROUNDINGS_SCHEMA
    redactions: tuple[str, ...] = field(default=())
