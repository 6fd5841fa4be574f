"""The scenarios, one module a layer. Importing this package declares them all."""

from tests.scenarios import api, client, dns, healthy, http, providers, proxy, tcp, tls

__all__ = ["NOT_YET", "api", "client", "dns", "healthy", "http", "providers", "proxy", "tcp", "tls"]

NOT_YET: frozenset[str] = frozenset(())
"""Scenarios whose verdict is not right yet. Each must fail until it is taken off this list."""
