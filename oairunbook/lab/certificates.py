"""The lab's own certificate authority: a root, an intermediate, and leaves with one thing wrong. Every name in them says practice."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

_ORGANIZATION = "oairunbook practice lab"
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key, unencrypted: it is worth nothing outside of the lab."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def sign(
    common_name: str,
    *,
    issuer: Signed | None,
    hosts: tuple[str, ...] = (),
    starts_in_days: float = -2,
    ends_in_days: float = 7,
    issuer_url: str = "",
) -> Signed:
    """Make a certificate: an authority if it has no *hosts*, and signed by itself if it has no *issuer*.

    Args:
        common_name: Subject, shown as the name of the certificate.
        issuer: Who signs it.
        hosts: Names of a server; they make it a leaf.
        starts_in_days: Begin, counted from now.
        ends_in_days: End, counted from now.
        issuer_url: Where the issuer's certificate can be had (RFC 5280 section 4.2.2.1); empty for nowhere.
    """
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    signer = issuer.key if issuer is not None else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts_in_days * _DAY)
        .not_valid_after(now + ends_in_days * _DAY)
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_key_usage(authority=not hosts), critical=True)
    )
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    if issuer_url:
        place = x509.UniformResourceIdentifier(issuer_url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return Signed(certificate=builder.sign(signer, hashes.SHA256()), key=key)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


class Authority:
    """A root and an intermediate."""

    def __init__(self, name: str):
        self.root = sign(f"{name} root", issuer=None)
        self.intermediate = sign(f"{name} intermediate", issuer=self.root)


def server_context(folder: Path, leaf: Signed, *chain: Signed) -> ssl.SSLContext:
    """A server's TLS settings for a leaf and the certificates that it sends with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # load_cert_chain reads files only.
    path = folder / f"server-{leaf.certificate.serial_number:x}.pem"
    path.touch(mode=0o600)
    path.write_bytes(b"".join((leaf.key_pem, leaf.pem, *(signed.pem for signed in chain))))
    try:
        context.load_cert_chain(path)
    finally:
        path.unlink()
    return context
