"""The route of a client that an application made: what it says of itself counts, and the variables only where it says nothing."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from oairunbook.evidence import Credential, ProxyDecision, Route, Setting, TrustStore
from oairunbook.redaction import Secrets
from oairunbook.route import resolve
from oairunbook.route.credential import KEY_VARIABLES
from oairunbook.route.installed import Installed, version_of
from oairunbook.route.transport import Carrier, carrier_of, library_and_version

SOURCE = "the application's client"
"""Where the settings of its route come from."""

_OWN_PROXY = "PROXY_OF_THE_CLIENT"
"""Stands for a variable where the client itself names its proxy."""

_DEPLOYMENT = re.compile(r"/deployments/([^/?]+)")

_PUBLIC_HEADERS = frozenset(
    (
        *("accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent", "transfer-encoding"),
        *("openai-organization", "openai-project", "openai-beta", "api-version"),
    )
)  # fmt: skip


@dataclass(frozen=True)
class Described:
    """A client's route, and what looking at it needs beside it."""

    route: Route
    environment: Mapping[str, str] = field(repr=False)
    """The variables that would make a client of the SDK call the same: with this client's key and proxy."""

    secrets: Secrets
    carrier: Carrier
    verifies: bool
    """Whether its TLS verifies the peer. If not, no key is sent for a test."""


def describe(
    client: Any,
    environment: Mapping[str, str],
    *,
    model: str | None = None,
    family: str = "auto",
    fingerprint_key: bytes | None = None,
) -> Described:
    """Describe a client of the SDK, synchronous or asynchronous, plain or of Azure.

    Raises:
        ValueError: *family* is unknown.
    """
    http_client = client._client
    library, version = library_and_version(http_client)
    installed = Installed(sdk=version_of("openai"), transport_name=library, transport_version=version)
    base_url = str(client.base_url).rstrip("/")
    if model is None and (deployment := _DEPLOYMENT.search(base_url)):
        model = deployment[1]
    azure = any(kind.__name__ == "BaseAzureClient" for kind in type(client).__mro__)
    variables = _with_its_key(client, environment, azure=azure)
    route = resolve(
        base_url=base_url,
        model=model,
        family="azure" if azure and family == "auto" else family,
        environment=variables,
        fingerprint_key=fingerprint_key,
        installed=installed,
    )
    carrier = carrier_of(http_client, base_url)
    proxy, variables = _proxy(route.proxy, carrier, variables)
    secrets = Secrets(tuple(_secrets(client, variables)), fingerprint_key).with_urls(str(client.base_url))
    clean = Secrets.from_environment(environment).redact_text
    route = replace(
        route,
        base_url=Setting(value=route.base_url.value, source=SOURCE),
        api_version=Setting(value=route.api_version.value, source=SOURCE) if route.api_version else None,
        proxy=proxy,
        trust=_trust(route.trust, carrier, http_client),
        credential=_credential(client, route.credential),
        # What this process's variables say, not those that stand for the client.
        settings=tuple(
            Setting(value=clean(environment[s.source]), source=s.source)
            for s in route.settings
            if s.source in environment
        ),
    )
    verifies = carrier.context is None or carrier.context.verify_mode == ssl.CERT_REQUIRED
    return Described(route=route, environment=variables, secrets=secrets, carrier=carrier, verifies=verifies)


def request_secrets(request: Any) -> tuple[str, ...]:
    """Values of the headers of a request that may be secret: all but those that every client sends."""
    return tuple(
        part
        for name, value in request.headers.items()
        if name.lower() not in _PUBLIC_HEADERS and not name.lower().startswith("x-stainless-")
        for part in (value, value.partition(" ")[2])
        if part
    )


def _with_its_key(client: Any, environment: Mapping[str, str], *, azure: bool) -> dict[str, str]:
    """The variables, with this client's own key in the place of every other."""
    variables = {name: value for name, value in environment.items() if name not in KEY_VARIABLES}
    key = getattr(client, "api_key", None)
    token = getattr(client, "_azure_ad_token", None)
    if azure and isinstance(token, str) and token:
        variables["AZURE_OPENAI_AD_TOKEN"] = token
    elif isinstance(key, str) and key and not _fetches_its_key(client):
        variables["AZURE_OPENAI_API_KEY" if azure else "OPENAI_API_KEY"] = key
    if azure:
        variables["OPENAI_API_VERSION"] = str(getattr(client, "_api_version", "") or "")
    return variables


def _fetches_its_key(client: Any) -> bool:
    """Whether a function gives the key at every call."""
    return any(getattr(client, name, None) is not None for name in ("_api_key_provider", "_azure_ad_token_provider"))


def _credential(client: Any, found: Credential) -> Credential:
    if found.present:
        return replace(found, source=SOURCE)
    return Credential(present=True, source=f"{SOURCE}, by a function") if _fetches_its_key(client) else found


def _proxy(decided: ProxyDecision, carrier: Carrier, variables: dict[str, str]) -> tuple[ProxyDecision, dict[str, str]]:
    """What the client goes through; the variables' own decision where the client follows it."""
    if not carrier.known:
        rule = f"not known: {SOURCE} has a transport of its own, {carrier.kind}"
        return ProxyDecision(url=None, rule=rule, configured=decided.configured, variable=decided.variable), variables
    if _same(carrier.proxy, decided.url):
        return decided, variables
    if carrier.proxy is None:
        rule = f"{SOURCE} uses none, whatever the variables say"
        return ProxyDecision(url=None, rule=rule, configured=decided.configured, variable=decided.variable), variables
    parts = urlsplit(carrier.proxy)
    user, password = carrier.credentials or ("", "")
    named = carrier.proxy
    if carrier.credentials:
        named = f"{parts.scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"
    decision = ProxyDecision(
        url=carrier.proxy,
        rule=f"{SOURCE} names it",
        variable=_OWN_PROXY,
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or {"http": 80, "https": 443}.get(parts.scheme, 1080),
        has_credentials=carrier.credentials is not None,
        configured=carrier.proxy,
    )
    return decision, {**variables, _OWN_PROXY: named}


def _same(one: str | None, other: str | None) -> bool:
    """Whether two URLs name the same proxy, with or without the port that goes without saying."""
    if one is None or other is None:
        return one is other
    return _place(one) == _place(other)


def _place(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme, 1080)


def _trust(default: TrustStore, carrier: Carrier, http_client: Any) -> TrustStore:
    """The default store where the transport is the SDK's own; else what its context says of itself."""
    context = carrier.context
    if context is None:
        return default
    if context.verify_mode != ssl.CERT_REQUIRED:
        return TrustStore(origin="application", path=None, reason=f"{SOURCE} verifies no certificate")
    # The SDK's own default client is of a class that no application makes.
    if type(http_client).__name__.endswith("HttpxClientWrapper") or _like_the_default(context, http_client):
        return default
    return TrustStore(origin="application", path=None, reason=f"{SOURCE} brings a store of its own")


def _like_the_default(context: ssl.SSLContext, http_client: Any) -> bool:
    """Whether a client of the transport to which nobody gave a store trusts the same roots."""
    import importlib

    try:
        fresh = importlib.import_module(library_and_version(http_client)[0]).create_ssl_context()
        return set(fresh.get_ca_certs(binary_form=True)) == set(context.get_ca_certs(binary_form=True))
    except (OSError, AttributeError, NotImplementedError):
        # No default store can be loaded here, or one that the system keeps: it cannot be compared.
        return False


def _secrets(client: Any, variables: Mapping[str, str]) -> tuple[str, ...]:
    """What is secret of the variables, and of the client: its key, its proxy's password, the values of its own headers."""
    found = [*Secrets.from_environment(variables).values]
    found += [value for name in KEY_VARIABLES if (value := variables.get(name))]
    for headers in (getattr(client, "_custom_headers", None), getattr(client._client, "headers", None)):
        for name, value in dict(headers or {}).items():
            if isinstance(value, str) and value and str(name).lower() not in _PUBLIC_HEADERS:
                found += [value, *([rest] if (rest := value.partition(" ")[2]) else [])]
    query = dict(getattr(client, "_custom_query", None) or {})
    found += [value for name, value in query.items() if isinstance(value, str) and name != "api-version"]
    return tuple(dict.fromkeys(found))
