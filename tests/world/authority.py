"""Certificate authorities of the test world. The lab's public root stands where a client keeps its public roots."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import trustme

_EXPIRED = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)


class Authority:
    """One certificate authority, with the certificates it has issued."""

    def __init__(self, organization: str) -> None:
        self.ca = trustme.CA(organization_name=organization, organization_unit_name="Test world")
        self.pem: bytes = self.ca.cert_pem.bytes()
        self._issued: dict[tuple[tuple[str, ...], bool], trustme.LeafCert] = {}

    def issue(self, *names: str, expired: bool = False) -> trustme.LeafCert:
        """A certificate for these names; the same call gives the same certificate."""
        key = (names, expired)
        if key not in self._issued:
            self._issued[key] = self.ca.issue_cert(*names, not_after=_EXPIRED if expired else None)
        return self._issued[key]


PUBLIC_ROOT = Authority("Lab Trust Services")
"""The root that every client of the test world trusts, as if it were a public one."""

INSPECTION_ROOT = Authority("Acme Web Inspection")
"""The root of a company's inspecting firewall. Nobody trusts it until a scenario says so."""


def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """A server's TLS context."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_alpn_protocols(["http/1.1"])
    certificate.configure_cert(made)
    return made


def write(certificate: trustme.LeafCert, folder: Path) -> tuple[Path, Path]:
    """Write chain and key for a server that reads files; returns their paths."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    return chain, key
