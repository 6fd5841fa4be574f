"""The scenarios, one module a layer. Importing this package declares them all."""

from tests.scenarios import api, dns, healthy, http, providers, proxy, tcp, tls

__all__ = ["api", "dns", "healthy", "http", "providers", "proxy", "tcp", "tls"]
