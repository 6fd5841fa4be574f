"""The SDK's client: its default one for a route, or the one that the application made, with what must be seen added to it.

What is added is a request hook that turns the trace on and a response hook that ends answers without an end, both of them for this package's own
requests alone. `max_retries` is 0, so that no attempt hides another.
"""

from __future__ import annotations

import contextvars
import importlib
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from oairunbook.evidence import ClientBuilt, ClientRefused, Route
from oairunbook.observe import underneath
from oairunbook.observe.awaiting import Awaiting
from oairunbook.observe.capped import capping
from oairunbook.observe.errors import error_chain
from oairunbook.observe.stream import SMALL_SEGMENT_BYTES
from oairunbook.route.application import Described
from oairunbook.route.credential import find_credential
from oairunbook.route.paths import names_in
from oairunbook.route.transport import Carrier, carrier_of

PLACEHOLDER_KEY = "sk-oairunbook-placeholder"
"""Sent where the path is not trusted with the real key; it opens nothing."""

_PLAIN_HEADERS = re.compile(
    r"host|accept|accept-encoding|connection|content-length|content-type|transfer-encoding|user-agent|x-stainless-.*",
    re.IGNORECASE,
)

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


@dataclass
class Watched:
    """One request of this package under way."""

    trace: Callable[[str, Mapping[str, Any]], None]
    connection: socket.socket | None = None
    """A second descriptor of the connection under its answer."""

    origin: tuple[str, str, int | None] | None = None
    """Whom it was sent to first."""

    def keep_back(self, request: Any) -> None:
        """Where a redirect leads to another origin, only what every client sends goes along.

        The transport takes `Authorization` and cookies away, and would hand on whatever headers the application adds.
        """
        url = request.url
        origin = (url.scheme, url.host, url.port)
        if self.origin is None:
            self.origin = origin
        elif origin != self.origin and origin != ("https", self.origin[1], None):
            # From http to https of the same host the transport hands on the key as well.
            for name in [name for name in request.headers if not _PLAIN_HEADERS.fullmatch(name)]:
                del request.headers[name]

    def release(self) -> None:
        """Give the descriptor back."""
        if self.connection is not None:
            self.connection.close()


WATCHED: contextvars.ContextVar[Watched | None] = contextvars.ContextVar("oairunbook_watched", default=None)
"""The request that this thread or task makes; None outside of one: then the hooks do nothing."""


@dataclass(frozen=True)
class Client:
    """A constructed client and what the probes need of it."""

    sdk: Any
    context: ssl.SSLContext | None
    awaiting: Awaiting = field(default_factory=Awaiting, repr=False)
    """Makes the calls of an asynchronous client."""

    of_the_application: bool = False
    """Whether the application made it: then its key cannot be taken out of it."""

    verifies: bool = True
    """Whether its TLS verifies the peer."""


def build_client(route: Route, environment: Mapping[str, str]) -> tuple[ClientBuilt | ClientRefused, Client | None]:
    """Import the SDK and construct its client for this route; the client is None if either failed."""
    try:
        import openai  # noqa: F401 - that it can be imported is the first observation
    except Exception as error:
        return ClientRefused(stage="import", errors=error_chain(error)), None
    try:
        sdk = construct(route, environment)
        _watch(sdk._client)
        carrier = carrier_of(sdk._client, url_of(route))
    except Exception as error:
        return ClientRefused(stage="construction", errors=error_chain(error)), None
    if carrier.context is not None:
        # The transport does so as it connects for the first time; the probes beside it may come before.
        carrier.context.set_alpn_protocols(["http/1.1"])
    return _built(sdk, carrier, route), Client(sdk=sdk, context=carrier.context)


def adopt(sdk: Any, described: Described, awaiting: Awaiting) -> tuple[ClientBuilt, Client]:
    """The application's own client, as it is but for its retries."""
    own = sdk.with_options(max_retries=0)
    _watch(own._client)
    context = described.carrier.context
    if context is None and described.route.scheme == "https":
        # A transport of its own that does not show it: the probes have to verify by something.
        context = ssl.create_default_context()
    client = Client(
        sdk=own, context=context, awaiting=awaiting, of_the_application=True, verifies=described.verifies
    )  # fmt: skip
    return _built(sdk, described.carrier, described.route), client


def _built(sdk: Any, carrier: Carrier, route: Route) -> ClientBuilt:
    return ClientBuilt(client=f"openai.{type(sdk).__name__}", proxy=carrier.proxy, roots=_roots(carrier.context, route))


def _watch(http_client: Any) -> None:
    hooks = http_client.event_hooks
    if any(getattr(hook, "is_of_oairunbook", False) for hook in hooks["request"]):
        return
    cap = capping(http_client)

    def turn_trace_on(request: Any) -> None:
        watched = WATCHED.get()
        if watched is not None:
            watched.keep_back(request)
            request.extensions["trace"] = watched.trace

    def keep_connection(response: Any) -> None:
        watched = WATCHED.get()
        if watched is not None:
            cap(response)
            watched.release()  # a redirect was followed
            watched.connection = underneath.keep(response)

    async def turn_trace_on_async(request: Any) -> None:
        watched = WATCHED.get()
        if watched is not None:
            watched.keep_back(request)
            trace = watched.trace

            async def note(name: str, info: Mapping[str, Any]) -> None:
                trace(name, info)

            request.extensions["trace"] = note

    async def keep_connection_async(response: Any) -> None:
        keep_connection(response)

    asynchronous = hasattr(http_client, "aclose")
    on_request: Any = turn_trace_on_async if asynchronous else turn_trace_on
    on_request.is_of_oairunbook = True
    hooks["request"].append(on_request)
    hooks["response"].append(keep_connection_async if asynchronous else keep_connection)


def in_small_segments(client: Client) -> Client:
    """The same client over connections whose segments are at most `SMALL_SEGMENT_BYTES` long in both directions.

    For paths without a proxy: the transport is made anew, with the trust store of the old one.
    """
    own = client.sdk._client
    transport = type(own._transport)(verify=client.context)
    transport._pool._network_backend = _small_segments(transport._pool._network_backend)
    http_client = type(own)(transport=transport, trust_env=False)
    _watch(http_client)
    return replace(client, sdk=client.sdk.with_options(http_client=http_client))


def _small_segments(backend: Any) -> Any:
    """A network backend of httpcore that announces small segments. Its own option is set after the SYN, which is too late (tcp(7), TCP_MAXSEG)."""
    kind: Any = type(backend)
    stream: Any = importlib.import_module(f"{kind.__module__.partition('.')[0]}._backends.sync").SyncStream

    class SmallSegments(kind):  # type: ignore[misc]
        def connect_tcp(self, host: str, port: int, timeout: float | None = None, **_more: Any) -> Any:
            failed: OSError = OSError(f"{host} has no address")
            for family, what, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                connection = socket.socket(family, what, protocol)
                try:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT_BYTES)
                    connection.settimeout(timeout)
                    connection.connect(address)
                    return stream(connection)
                except OSError as error:
                    failed = error
                    connection.close()
            raise failed

    return SmallSegments()


def construct(route: Route, environment: Mapping[str, str], *, asynchronous: bool = False) -> Any:
    """The SDK's own client for this route, as the application would construct it, but without retries.

    Raises:
        Exception: Whatever the SDK and its transport raise; the SDK is imported here.
    """
    import openai

    key = _key(route, environment)
    base_url = _as_given(route, environment)
    if route.surface == "azure-dated":
        token = route.credential.source == "AZURE_OPENAI_AD_TOKEN"
        kind: Any = openai.AsyncAzureOpenAI if asynchronous else openai.AzureOpenAI
        return kind(
            base_url=base_url,
            api_version=route.api_version.value if route.api_version else "",
            max_retries=0,
            api_key=None if token else key,
            azure_ad_token=key if token else None,
        )
    plain: Any = openai.AsyncOpenAI if asynchronous else openai.OpenAI
    return plain(base_url=base_url, api_key=key, max_retries=0)


def _as_given(route: Route, environment: Mapping[str, str]) -> str:
    """The base URL that the SDK gets: as it is, with whatever is wrong in it. What it does with that is the observation.

    It sends userinfo as Basic in the place of the key, and puts the path of a request behind a query; a route holds neither.
    """
    given = environment.get(route.base_url.source, route.base_url.value)
    plain = url_of(route)
    if route.problems or (route.surface != "azure-dated" and given.removesuffix("/") != plain):
        return given
    return plain


def url_of(route: Route) -> str:
    """Scheme, host, port and path of a route."""
    return f"{route.scheme}://{route.authority}{route.path}"


def _roots(context: Any, route: Route) -> int | None:
    """Number of roots; None where a folder or the operating system serves them on demand."""
    if route.trust.origin == "truststore" or not hasattr(context, "cert_store_stats"):
        return None
    if route.trust.origin == "ssl_cert_dir":
        # OpenSSL finds a root in a folder by the hash that is its file's name (openssl-rehash(1)); nothing else in there counts.
        return sum(1 for name in names_in(route.trust.path or "") if _HASHED.fullmatch(name))
    count = int(context.cert_store_stats()["x509_ca"])
    # OpenSSL's compiled-in folder is read on demand and counts for nothing here.
    return count if count or route.trust.origin in ("none", "ssl_cert_file", "certifi") else None


def _key(route: Route, environment: Mapping[str, str]) -> str:
    found = find_credential(environment, route.surface)
    if found is None or route.credential.problems:
        return PLACEHOLDER_KEY
    return found[1]
