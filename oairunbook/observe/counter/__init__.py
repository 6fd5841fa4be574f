"""Counter-tests: the same path with one thing changed, run only where an observation calls for it.

Each declares what calls for it and what it changes; the tuple at the end is all of them. None of them sends a credential.
"""

from __future__ import annotations

from collections.abc import Iterator

from oairunbook.observe.counter import connections, http, names, proxies, tls
from oairunbook.observe.counter.declared import PATIENCE_SECONDS, Due, Seen, Test

__all__ = ["COUNTER_TESTS", "PATIENCE_SECONDS", "Due", "Seen", "Test", "due"]


def due(seen: Seen) -> Iterator[Test]:
    """Every counter-test that these observations call for; the same ones again each time."""
    for declared in COUNTER_TESTS:
        yield from declared(seen)


COUNTER_TESTS: tuple[Due, ...] = (
    names.absolute_name,
    names.over_tcp,
    names.addresses_of_servers,
    connections.loopback,
    connections.untouched_connection,
    connections.several_untouched,
    proxies.configured_proxy,
    proxies.direct_path,
    proxies.proxy_itself,
    tls.other_names,
    tls.plain_http,
    tls.small_segments,
    tls.older_versions,
    tls.http2_alone,
    tls.client_certificate,
    tls.other_stores,
    tls.completed_chain,
    tls.date,
    http.large_body,
    http.fresh_instead_of_idle,
    http.sdk_headers,
    http.other_base_path,
)
