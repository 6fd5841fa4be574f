"""Certificate authorities of the test world. The lab's public root stands where a client keeps its public roots."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from oairunbook.lab.certificates import Signed

_EXPIRED = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)


def in_days(days: float) -> datetime.datetime:
    """So many days from now."""
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)


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

    def issue_for_days(self, begin: float, end: float, *names: str) -> trustme.LeafCert:
        """A certificate that is valid from and to so many days from now; `issue` gives one for decades."""
        return self.ca.issue_cert(*names, not_before=in_days(begin), not_after=in_days(end))

    @property
    def signed(self) -> Signed:
        """This authority as the issuer of certificates that trustme does not make."""
        key = serialization.load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return Signed(certificate=x509.load_pem_x509_certificate(self.pem), key=key)


def leaf(signed: Signed, *chain: Signed) -> trustme.LeafCert:
    """A certificate, with what a server sends along with it."""
    return trustme.LeafCert(signed.key_pem, signed.pem, [part.pem for part in chain])


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
