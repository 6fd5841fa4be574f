"""What a client of httpx or httpx2 would carry one request with: its proxy, its TLS context, its library. Read off the live object; nothing is opened."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

from oairunbook.route.installed import version_of

_INNER = ("_pool", "_transport", "transport", "_wrapped_transport", "wrapped_transport", "_wrapped", "_inner")
"""What a transport that wraps another one calls it; the transport's own pool first."""

_DEEPEST = 5


@dataclass(frozen=True)
class Carrier:
    """The transport that a client picks for one URL, by its own rules."""

    library: str
    """Package that the client is a client of, for example `httpx2`."""

    kind: str
    """Class of the transport."""

    known: bool
    """Whether it can be seen what it dials: a pool of httpcore or httpcore2, or the aiohttp bridge."""

    proxy: str | None = None
    """The proxy without credentials; None if the request goes out directly."""

    credentials: tuple[str, str] | None = field(default=None, repr=False)
    """User and password of the proxy."""

    context: ssl.SSLContext | None = None


def carrier_of(http_client: Any, url: str) -> Carrier:
    """Look at the transport of a synchronous or asynchronous client of httpx or httpx2."""
    library = library_of(http_client)
    item = http_client._transport_for_url(type(http_client.base_url)(url))
    kind = type(item).__name__
    for _ in range(_DEEPEST):
        if hasattr(item, "_ssl_context") and hasattr(item, "_connections"):
            proxy, credentials = _of_pool(item)
            return Carrier(library, kind, True, proxy, credentials, item._ssl_context)
        if hasattr(item, "ssl_context") and hasattr(item, "get_client"):
            given = item.proxy
            proxy = without_userinfo(given.url) if given is not None else None
            auth = tuple(given.auth) if given is not None and given.auth else None
            return Carrier(library, kind, True, proxy, auth, item.ssl_context)
        inner = next((found for name in _INNER if (found := getattr(item, name, None)) is not None), None)
        if inner is None:
            break
        item = inner
    return Carrier(library, kind, False)


def library_of(http_client: Any) -> str:
    """The package whose `Client` or `AsyncClient` this one is: the SDK's own classes derive from one."""
    base = next(kind for kind in type(http_client).__mro__ if kind.__name__ in ("Client", "AsyncClient"))
    return base.__module__.partition(".")[0]


def library_and_version(http_client: Any) -> tuple[str, str]:
    """Package and version, for example `httpx2`, `2.16.2`."""
    library = library_of(http_client)
    return library, version_of(library) or ""


def without_userinfo(url: Any) -> str:
    """A proxy's URL object of httpx as text: scheme, host, port."""
    return f"{url.scheme}://{url.host}:{url.port or ''}".rstrip(":")


def _of_pool(pool: Any) -> tuple[str | None, tuple[str, str] | None]:
    # Older pools are one class for each kind of proxy, newer ones hold a description of it.
    proxy = getattr(pool, "_proxy", None)
    url = getattr(pool, "_proxy_url", None) or getattr(proxy, "url", None)
    if url is None:
        return None, None
    shown = f"{url.scheme.decode()}://{url.host.decode()}:{url.port or ''}".rstrip(":")
    auth = getattr(pool, "_proxy_auth", None) or getattr(proxy, "auth", None)
    headers = getattr(pool, "_proxy_headers", None) or getattr(proxy, "headers", None) or ()
    if auth:
        return shown, (auth[0].decode("utf-8", "replace"), auth[1].decode("utf-8", "replace"))
    return shown, _basic(next((value for name, value in headers if name.lower() == b"proxy-authorization"), b""))


def _basic(value: bytes) -> tuple[str, str] | None:
    """User and password of a header of Basic authentication (RFC 7617); None of any other."""
    import base64

    scheme, _, encoded = value.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded).decode("utf-8", "replace").partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None
