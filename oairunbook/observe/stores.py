"""Trust stores on this machine, each as a context that verifies by it alone."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from oairunbook.evidence import TrustStore
from oairunbook.route.paths import exists, is_folder
from oairunbook.route.trust import LINUX_CANDIDATES

_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


@dataclass(frozen=True)
class Store:
    """A file or folder of roots that some program here trusts."""

    name: str
    path: str

    def context(self) -> ssl.SSLContext:
        """A context that trusts this store.

        Raises:
            OSError: The store is missing or is no PEM.
        """
        return _context(self.path)


def on_this_machine(used: TrustStore, environment: Mapping[str, str]) -> Iterator[Store]:
    """Every store that a program on this machine would use, but the one in use."""
    seen = {_resolved(used.path)} if used.path else set()
    for name, path in _candidates(environment):
        if path and exists(path) and _resolved(path) not in seen:
            seen.add(_resolved(path))
            yield Store(name=name, path=path)


def same_store(used: TrustStore, in_use: ssl.SSLContext | None = None) -> ssl.SSLContext | None:
    """A second context over the store in use; None if the operating system keeps it, or there is none.

    *in_use* holds the roots of Node.js, which stand in no file.
    """
    if used.origin == "node" and in_use is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for root in in_use.get_ca_certs(binary_form=True):
            context.load_verify_locations(cadata=root)
        return context
    if used.path is None:
        return None
    try:
        return _context(used.path)
    except OSError:
        return None


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    for variable in _VARIABLES:
        yield variable, environment.get(variable)
    try:
        import certifi
    except ImportError:
        pass
    else:
        yield "certifi", certifi.where()
    paths = ssl.get_default_verify_paths()
    for path in (paths.openssl_cafile, *LINUX_CANDIDATES, paths.openssl_capath):
        yield "system", path


def _context(path: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if is_folder(path):
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)
    return context


def _resolved(path: str | None) -> str:
    return str(Path(path or "").resolve())
