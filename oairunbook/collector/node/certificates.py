"""A certificate that came as DER, in the fields of a record."""

from __future__ import annotations

import base64
import hashlib

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from oairunbook.evidence import Certificate

_SHORT = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C"}


def certificate(der: bytes) -> Certificate:
    """Take one certificate apart; the fields of one that cannot be read are empty."""
    blank = Certificate(
        subject="",
        issuer="",
        not_before="",
        not_after="",
        sha256=hashlib.sha256(der).hexdigest(),
        der_base64=base64.b64encode(der).decode("ascii"),
    )
    try:
        found = x509.load_der_x509_certificate(der)
        return Certificate(
            subject=_name(found.subject),
            issuer=_name(found.issuer),
            not_before=found.not_valid_before_utc.isoformat(),
            not_after=found.not_valid_after_utc.isoformat(),
            names=_names(found),
            issuer_urls=_issuer_urls(found),
            sha256=blank.sha256,
            der_base64=blank.der_base64,
        )
    except ValueError:
        return blank


def _name(name: x509.Name) -> str:
    """`CN=…, O=…`, most specific first (RFC 4514)."""
    parts = [(attribute.oid._name, str(attribute.value)) for attribute in name]
    return ", ".join(f"{_SHORT.get(kind, kind)}={value}" for kind, value in reversed(parts))


def _names(found: x509.Certificate) -> tuple[str, ...]:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *names.get_values_for_type(x509.DNSName),
        *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    )


def _issuer_urls(found: x509.Certificate) -> tuple[str, ...]:
    try:
        access = found.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value
    except x509.ExtensionNotFound:
        return ()
    assert isinstance(access, x509.AuthorityInformationAccess)
    return tuple(
        place.access_location.value
        for place in access
        if place.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(place.access_location, x509.UniformResourceIdentifier)
    )
