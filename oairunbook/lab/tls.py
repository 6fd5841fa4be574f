"""How the API's port speaks TLS, or does not."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from oairunbook.lab.certificates import Authority, server_context, sign
from oairunbook.lab.faults import TlsBehaviour
from oairunbook.lab.listener import Handle, hold, reset

_PROTOCOL_VERSION_ALERT = bytes((21, 3, 1, 0, 2, 2, 70))
"""A TLS 1.0 record with the fatal alert `protocol_version` (RFC 8446 section 6), the answer of a server that is too old."""


def context_for(
    behaviour: TlsBehaviour, host: str, trusted: Authority, folder: Path, issuer_url: str
) -> ssl.SSLContext:
    """The TLS settings of a server for *host* whose certificate or settings are as *behaviour* says."""
    intermediate = trusted.intermediate
    match behaviour:
        case "untrusted_issuer":
            inspector = Authority("Practice inspecting proxy")
            return server_context(
                folder, sign(host, issuer=inspector.intermediate, hosts=(host,)), inspector.intermediate, inspector.root
            )
        case "self_signed":
            return server_context(folder, sign(host, issuer=None, hosts=(host,)))
        case "expired":
            leaf = sign(host, issuer=intermediate, hosts=(host,), ends_in_days=-1)
        case "not_yet_valid":
            leaf = sign(host, issuer=intermediate, hosts=(host,), starts_in_days=2)
        case "other_name":
            leaf = sign("other.lab.test", issuer=intermediate, hosts=("other.lab.test",))
        case _:
            leaf = sign(host, issuer=intermediate, hosts=(host,), issuer_url=issuer_url)
    if behaviour == "incomplete_chain":
        return server_context(folder, leaf)
    context = server_context(folder, leaf, intermediate)
    match behaviour:
        case "no_shared_cipher":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            # RSA key exchange: no current client offers it, and this leaf's key is none.
            context.set_ciphers("AES256-GCM-SHA384")
        case "client_certificate" | "client_certificate_tls12":
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=trusted.root.pem.decode())
            if behaviour == "client_certificate_tls12":
                context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def _too_old(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(_PROTOCOL_VERSION_ALERT)


def _reset_at_client_hello(connection: socket.socket) -> None:
    connection.recv(65536)
    reset(connection)


WITHOUT_TLS: dict[TlsBehaviour, Handle] = {
    "no_shared_version": _too_old,
    "reset": _reset_at_client_hello,
    "silent": hold,
}
"""Behaviours of a port that never gets as far as a certificate."""
