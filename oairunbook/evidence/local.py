"""What was seen without the path: the client, this process, the status page."""

from __future__ import annotations

from typing import Literal

from oairunbook.evidence.outcome import ErrorLink
from oairunbook.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientBuilt:
    """The SDK's client was constructed, with the transport that it really has."""

    client: str
    """Class, for example `openai.AzureOpenAI`."""

    proxy: str | None
    """The proxy that the transport picked for this URL; None if it goes out directly."""

    roots: int | None
    """Certificates in the trust store; None where the store loads them on demand."""

    kind: Literal["client_built"] = "client_built"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRefused:
    """The SDK or its transport could not be imported or constructed."""

    stage: Literal["import", "construction"]
    errors: tuple[ErrorLink, ...]
    kind: Literal["client_refused"] = "client_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalResources:
    """What this process may still open."""

    open_files: int | None
    open_files_limit: int | None
    socket_errors: tuple[ErrorLink, ...] = ()
    """Errors of opening an IPv4 or IPv6 TCP socket without connecting it; empty if both opened."""

    tracked_connections: int | None = None
    """Connections that this network namespace tracks (nf_conntrack); None where it tracks none, or that cannot be read."""

    tracked_connections_limit: int | None = None

    kind: Literal["local_resources"] = "local_resources"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage:
    """What the provider's status page said. It weighs nothing alone, green or red."""

    url: str
    retrieved_at: str
    """UTC, ISO 8601."""

    indicator: str
    description: str
    incidents: tuple[str, ...] = ()
    date: str | None = None
    """Its server's own time, the `Date` field (RFC 9110 section 6.6.1): a second clock beside the endpoint's."""

    kind: Literal["status_page"] = "status_page"
