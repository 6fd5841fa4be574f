"""Which roots stand in each store of this machine: how many, and which no public program knows."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oairunbook.evidence import TrustStore
from oairunbook.observe.errors import error_chain
from oairunbook.observe.stores import on_this_machine
from oairunbook.route.paths import is_folder
from oairunbook.surroundings import CertificateStore

_MOST_NAMES = 12
_BEGIN = re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----")
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


def stores(used: TrustStore, environment: Mapping[str, str]) -> tuple[CertificateStore, ...]:
    """The store in use first, then every other that a program here would read."""
    public = _public_roots()
    found = []
    if used.path:
        found.append(_store(f"the SDK: {used.reason}", used.path, True, public))
    else:
        kept = "the operating system keeps it" if used.origin == "truststore" else used.reason
        found.append(CertificateStore(read_by=f"the SDK: {kept}", path="none", in_use=True, roots=None))
    for store in on_this_machine(used, environment):
        found.append(_store(store.name, store.path, False, public))
    return tuple(found)


def _store(read_by: str, path: str, in_use: bool, public: frozenset[bytes]) -> CertificateStore:
    file = Path(path)
    if is_folder(path):
        try:
            number = sum(1 for entry in file.iterdir() if _HASHED.fullmatch(entry.name))
        except OSError as error:
            return CertificateStore(
                read_by=read_by, path=path, in_use=in_use, roots=None, problem=error_chain(error)[0]
            )
        return CertificateStore(read_by=read_by, path=path, in_use=in_use, roots=number, folder=True)
    try:
        number = len(_BEGIN.findall(file.read_bytes()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=path)
        only_here = _only_here(context, public)
    except (OSError, ssl.SSLError) as error:
        # The count of what looks like a certificate would hide that none of it can be used.
        return CertificateStore(read_by=read_by, path=path, in_use=in_use, roots=None, problem=error_chain(error)[0])
    return CertificateStore(
        read_by=read_by,
        path=path,
        in_use=in_use,
        roots=number,
        only_here=tuple(only_here[:_MOST_NAMES]),
        only_here_count=len(only_here),
    )


def _only_here(context: ssl.SSLContext, public: frozenset[bytes]) -> list[str]:
    if not public:
        return []
    binary = context.get_ca_certs(binary_form=True)
    described = context.get_ca_certs()
    return [_name(about) for data, about in zip(binary, described, strict=False) if data not in public]


def _public_roots() -> frozenset[bytes]:
    """The roots of certifi, which is Mozilla's list; empty where it is not installed."""
    try:
        import certifi
    except ImportError:
        return frozenset()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=certifi.where())
    except OSError:
        return frozenset()
    return frozenset(context.get_ca_certs(binary_form=True))


def _name(certificate: Any) -> str:
    parts = {key: value for part in certificate.get("subject", ()) for key, value in part}
    return str(parts.get("commonName") or parts.get("organizationName") or "a certificate without a name")
