"""One TLS handshake with the context that the SDK's transport has, and the chain as sent also where it does not verify."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
import warnings
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import TypeVar

from oairunbook.evidence import Certificate, TlsFailed, TlsHandshake
from oairunbook.observe.errors import error_chain
from oairunbook.observe.stream import Stream, TlsStream, looks_like_tls, printable

Context = TypeVar("Context", bound=ssl.SSLContext)

_HANDSHAKE, _CERTIFICATE_REQUEST = 22, 13
_ALERT = re.compile(r"^(?:SSLV3_ALERT|TLSV1_ALERT|TLSV13_ALERT|TLSV1)_([A-Z_]+)$")
"""`SSL_R_SSLV3_ALERT_…` and its kin in OpenSSL's sslerr.h; those of RFC 6066 go without the word ALERT."""


def handshake(
    below: Stream,
    context: ssl.SSLContext,
    *,
    address: str,
    server_name: str,
    again: Callable[[], Stream] | None,
) -> tuple[TlsHandshake | TlsFailed, TlsStream | None]:
    """Shake hands; the stream is None if that failed.

    Args:
        below: A connected stream, also a tunnel through a proxy.
        context: The transport's own context, with its trust store.
        address: The address that was dialled, for the record.
        server_name: SNI and the name to verify.
        again: Opens the same path once more, to fetch the chain of a peer that did not verify where this handshake does not show it; None if
            it cannot be opened again.
    """
    stream = None
    # What a proxy said before is no part of the handshake.
    below.begin_protocol()
    try:
        stream = TlsStream(below, context, server_name)
        stream.handshake()
    except (OSError, ValueError) as error:
        # ssl.SSLError is an OSError; ValueError comes from a server name that is no name.
        below.close()
        links = error_chain(error)
        verification = next((link for link in links if link.verify_code is not None), None)
        chain: tuple[Certificate, ...] = ()
        if verification is not None:
            # Of this very handshake, if it can be: the next connection may lead to another server, with another chain.
            chain = _shown_chain(stream) if stream is not None else ()
            if not chain and again is not None:
                chain = chain_as_sent(again, server_name)
        first = below.first_bytes
        return (
            TlsFailed(
                address=address,
                server_name=server_name,
                errors=links,
                ended=below.ended,
                sent_bytes=below.sent_bytes,
                received_bytes=below.received_bytes,
                received="" if not first or looks_like_tls(first) else printable(first),
                alert=alert_of(link.ssl_reason for link in links),
                gap=below.gap,
                verify_code=verification.verify_code if verification else None,
                verify_message=getattr(error, "verify_message", None),
                client_certificate_requested=getattr(context, "certificate_requested", None),
                chain=chain,
                trusted_kin=_kin(chain, context),
            ),
            None,
        )
    cipher = stream.object.cipher()
    return (
        TlsHandshake(
            address=address,
            server_name=server_name,
            version=stream.object.version() or "",
            cipher=cipher[0] if cipher else "",
            alpn=stream.object.selected_alpn_protocol(),
            chain=_peer_chain(stream),
            client_certificate_requested=getattr(context, "certificate_requested", None),
        ),
        stream,
    )


class WatchingContext(ssl.SSLContext):
    """A context that verifies nothing and notes whether the peer asks for a client certificate (RFC 8446 section 4.3.2)."""

    certificate_requested: bool | None = None


def unverified_context() -> ssl.SSLContext:
    """A context that verifies nothing. No credential is ever sent over it."""
    return _lenient(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def any_version_context() -> ssl.SSLContext:
    """A context that verifies nothing and takes every version and cipher that OpenSSL still has."""
    context = _lenient(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def http2_context() -> ssl.SSLContext:
    """A context that verifies nothing and offers HTTP/2 alone (ALPN, RFC 7301)."""
    context = unverified_context()
    context.set_alpn_protocols(["h2"])
    return context


def watching_context() -> WatchingContext:
    """A context that verifies nothing and watches the handshake's messages. CPython shows them to its own debugging hook since 3.8."""
    context = _lenient(WatchingContext(ssl.PROTOCOL_TLS_CLIENT))

    def watch(connection: object, direction: str, version: int, content: int, message: int, data: bytes) -> None:  # noqa: ARG001
        if direction == "read" and message == _CERTIFICATE_REQUEST and content == _HANDSHAKE:
            context.certificate_requested = True

    if hasattr(context, "_msg_callback"):
        context.certificate_requested = False
        context._msg_callback = watch
    return context


def _lenient(context: Context) -> Context:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def certificate_of(der: bytes) -> Certificate | None:
    """One certificate of an authority, from DER; None if it is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=der)
    except (ssl.SSLError, ValueError):
        return None
    found = context.get_ca_certs()
    return _certificate(der, dict(found[0])) if found else None


def chain_as_sent(again: Callable[[], Stream], server_name: str) -> tuple[Certificate, ...]:
    """Fetch the chain of a peer by a handshake that verifies nothing; not one byte of a request is sent. Empty if that fails."""
    context = unverified_context()
    try:
        below = again()
    except OSError:
        return ()
    try:
        stream = TlsStream(below, context, server_name)
        stream.handshake()
        return _peer_chain(stream)
    except (OSError, ValueError):
        return ()
    finally:
        below.close()


def _peer_chain(stream: TlsStream) -> tuple[Certificate, ...]:
    """The chain as the peer sent it, leaf first; the leaf alone where Python shows no more."""
    shown = _shown_chain(stream)
    if shown:
        return shown
    der = stream.object.getpeercert(binary_form=True)
    return (_certificate(der, {}),) if der else ()


def _shown_chain(stream: TlsStream) -> tuple[Certificate, ...]:
    """The chain as the peer sent it; of a handshake that did not verify as well, with OpenSSL 3. Empty where Python or OpenSSL does not show it.

    CPython has had the call since 3.10 and shows it in public since 3.13.
    """
    fetch = getattr(getattr(stream.object, "_sslobj", None), "get_unverified_chain", None)
    certificates = (fetch() if fetch is not None else None) or ()
    return tuple(_certificate(c.public_bytes(ssl._ssl.ENCODING_DER), c.get_info()) for c in certificates)  # type: ignore[attr-defined]


def _kin(chain: tuple[Certificate, ...], context: ssl.SSLContext) -> str | None:
    """A trusted root with the organization of the chain's last issuer; roots that OpenSSL reads from a folder on demand are not seen."""
    organization = re.search(r"(?:^|, )O=([^,]+)", chain[-1].issuer) if chain else None
    if organization is None or not hasattr(context, "get_ca_certs"):
        return None
    roots = (_name(root.get("subject")) for root in context.get_ca_certs())
    return next((root for root in roots if f"O={organization.group(1)}" in root.split(", ")), None)


def _certificate(der: bytes, info: dict[str, object]) -> Certificate:
    names = info.get("subjectAltName", ())
    urls = info.get("caIssuers", ())
    return Certificate(
        subject=_name(info.get("subject")),
        issuer=_name(info.get("issuer")),
        not_before=_utc(info.get("notBefore")),
        not_after=_utc(info.get("notAfter")),
        names=tuple(str(value) for _, value in names) if isinstance(names, tuple) else (),
        issuer_urls=tuple(str(url) for url in urls) if isinstance(urls, tuple) else (),
        sha256=hashlib.sha256(der).hexdigest(),
        der_base64=base64.b64encode(der).decode("ascii"),
    )


def _name(parts: object) -> str:
    """`CN=…, O=…`, most specific first (RFC 4514)."""
    short = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C"}
    if not isinstance(parts, tuple):
        return ""
    pairs = [(short.get(key, key), value) for rdn in parts for key, value in rdn]
    return ", ".join(f"{key}={value}" for key, value in reversed(pairs))


def _utc(text: object) -> str:
    """`Nov 24 00:00:00 2026 GMT` as ISO 8601."""
    if not isinstance(text, str):
        return ""
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), timezone.utc).isoformat()


def alert_of(reasons: Iterable[str | None]) -> str | None:
    """Name of the alert that the peer sent (RFC 8446 section 6), from OpenSSL's reasons."""
    for reason in reasons:
        found = _ALERT.search(reason or "")
        if found:
            return found.group(1).lower()
    return None
