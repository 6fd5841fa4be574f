"""Which roots the transport trusts.

Source: `create_ssl_context` of httpx 0.23 to 0.28; `httpcore2/_ssl.py` of 2.0 to 2.16. REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE are read by neither.
"""

from __future__ import annotations

import re
import ssl
import sys
from collections.abc import Mapping

from oairunbook.evidence import TrustStore
from oairunbook.route.installed import Installed
from oairunbook.route.paths import is_file, is_folder, names_in

LINUX_CANDIDATES = (
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
)


def resolve_trust(environment: Mapping[str, str], installed: Installed) -> TrustStore:
    """The store that a default client of the installed transport would load."""
    file, folder = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    carrier = installed.transport or "no transport"
    # httpx before 0.28 ignores a variable whose file is not there.
    ignores_missing = installed.transport_name == "httpx" and installed.transport_number < (0, 28)
    if file and not (ignores_missing and not is_file(file)):
        return TrustStore(origin="ssl_cert_file", path=file, reason="SSL_CERT_FILE replaces the default store")
    if folder and not (ignores_missing and not is_folder(folder)):
        return TrustStore(origin="ssl_cert_dir", path=folder, reason="SSL_CERT_DIR replaces the default store")
    if installed.transport_name == "httpx2" and installed.transport_number >= (2, 3):
        if sys.platform in ("darwin", "win32") or installed.transport_number < (2, 15):
            return TrustStore(origin="truststore", path=None, reason=f"{carrier} asks the operating system")
        return _linux_system_store(carrier)
    if installed.transport_name is None:
        paths = ssl.get_default_verify_paths()
        return TrustStore(origin="system", path=paths.cafile or paths.capath, reason="OpenSSL's default paths")
    return TrustStore(origin="certifi", path=_certifi(), reason=f"{carrier} uses the certifi package")


def _linux_system_store(carrier: str) -> TrustStore:
    paths = ssl.get_default_verify_paths()
    if is_file(paths.openssl_cafile):
        return TrustStore(
            origin="system", path=paths.openssl_cafile, reason=f"{carrier} reads OpenSSL's compiled-in file"
        )
    folder = paths.openssl_capath
    if any(re.fullmatch(r"[0-9a-fA-F]{8}\.\d", name) for name in names_in(folder)):
        return TrustStore(origin="system", path=folder, reason=f"{carrier} reads OpenSSL's compiled-in folder")
    for candidate in LINUX_CANDIDATES:
        if is_file(candidate):
            return TrustStore(origin="system", path=candidate, reason=f"{carrier} found the first well-known file")
    return TrustStore(origin="none", path=None, reason=f"{carrier} found no store on this system and trusts nobody")


def _certifi() -> str | None:
    try:
        import certifi
    except ImportError:
        return None
    return certifi.where()
