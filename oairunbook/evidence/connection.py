"""What came of connecting: TCP, a forward proxy, TLS."""

from __future__ import annotations

from typing import Literal

from oairunbook.evidence.http import Header
from oairunbook.evidence.outcome import Ending, ErrorLink
from oairunbook.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A TCP connection was established."""

    address: str
    port: int
    local_address: str | None = None
    kind: Literal["connected"] = "connected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectFailed:
    """A TCP connection was not established; a timeout is an error with errno `ETIMEDOUT`."""

    address: str
    port: int
    errors: tuple[ErrorLink, ...]
    kind: Literal["connect_failed"] = "connect_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelOpened:
    """The forward proxy opened a tunnel to the endpoint (RFC 9110 section 9.3.6, RFC 1928)."""

    proxy: str
    headers: tuple[Header, ...] = ()
    kind: Literal["tunnel_opened"] = "tunnel_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyAnswered:
    """The forward proxy answered, and refused the tunnel. None of its answers is an API answer."""

    proxy: str
    status: int
    """HTTP status to CONNECT, or the SOCKS reply code (RFC 1928 section 6); see *protocol*."""

    protocol: Literal["http", "socks5"]
    reason: str
    headers: tuple[Header, ...] = ()
    title: str | None = None
    kind: Literal["proxy_answered"] = "proxy_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFailed:
    """The forward proxy gave no usable answer."""

    proxy: str
    phase: Literal["tls", "handshake"]
    errors: tuple[ErrorLink, ...]
    ended: Ending
    received: str = ""
    """First bytes, printable; empty if none came."""

    kind: Literal["proxy_failed"] = "proxy_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate of a chain as sent (RFC 5280)."""

    subject: str
    issuer: str
    not_before: str
    not_after: str
    """UTC, ISO 8601."""

    names: tuple[str, ...] = ()
    """DNS names and addresses of subjectAltName."""

    issuer_urls: tuple[str, ...] = ()
    """caIssuers of Authority Information Access."""

    sha256: str
    der_base64: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsHandshake:
    """One TLS handshake that completed and verified, as the transport's own context saw it (RFC 8446)."""

    address: str
    server_name: str
    """SNI that was sent (RFC 6066 section 3); empty if none was."""

    version: str
    cipher: str
    alpn: str | None
    chain: tuple[Certificate, ...]
    client_certificate_requested: bool | None = None
    """Whether the peer sent a CertificateRequest; None where that was not watched."""

    kind: Literal["tls_handshake"] = "tls_handshake"


NO_APPLICATION_PROTOCOL = "no_application_protocol"
"""The alert of a server that takes none of the protocols in ALPN (RFC 7301 section 3.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFailed:
    """One TLS handshake that did not complete, or whose certificate did not verify."""

    address: str
    server_name: str
    errors: tuple[ErrorLink, ...]
    ended: Ending
    sent_bytes: int
    received_bytes: int
    received: str = ""
    """First bytes that came, printable, when they are no TLS record; empty otherwise."""

    alert: str | None = None
    """Alert that the peer sent (RFC 8446 section 6); None if it sent none."""

    gap: Literal["received", "sent"] | None = None
    """At the end in silence: a later segment had arrived and an earlier one never did, or the peer had that of what was sent. None if neither is known."""

    client_certificate_requested: bool | None = None
    """Whether the peer sent a CertificateRequest; None where that was not watched."""

    verify_code: int | None = None
    verify_message: str | None = None
    chain: tuple[Certificate, ...] = ()
    """The chain as sent, fetched by a second handshake that verifies nothing and sends nothing."""

    trusted_kin: str | None = None
    """A root of the store in use that names the same organization as the issuer at which the chain ends; None if none does."""

    kind: Literal["tls_failed"] = "tls_failed"
