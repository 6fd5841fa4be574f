"""Questions about an Azure route: its resource, its private endpoint, the URLs that clients build, and which identity is chosen."""

from __future__ import annotations

import re

from oairunbook.diagnose.addresses import reach_of
from oairunbook.diagnose.reading import answers
from oairunbook.evidence import DnsAnswer, Evidence, Resolved, ResolveFailed
from oairunbook.identity import METADATA_HOST, Cloud, TokenSource, cloud_of, token_source
from oairunbook.records import dataclass

ZONES: tuple[tuple[str, str], ...] = (
    (".openai.azure.com", "privatelink.openai.azure.com"),
    (".cognitiveservices.azure.com", "privatelink.cognitiveservices.azure.com"),
    (".services.ai.azure.com", "privatelink.services.ai.azure.com"),
    (".openai.azure.us", "privatelink.openai.azure.us"),
    (".cognitiveservices.azure.us", "privatelink.cognitiveservices.azure.us"),
)
"""End of a resource's host, and the private DNS zone that its private endpoint needs. Government has no services.ai zone."""

_KINDS: tuple[tuple[str, str], ...] = (
    (r"\.openai\.azure\.", "Azure OpenAI resource"),
    (r"\.cognitiveservices\.azure\.", "Azure AI services resource"),
    (r"\.services\.ai\.azure\.", "Foundry resource"),
    (r"\.api\.cognitive\.microsoft\.", "region, not a resource: tokens of Entra ID need a resource's own name"),
    (r"\.azure-api\.net$", "API Management in front of a resource"),
    (r"\.azurefd\.net$", "Front Door in front of a resource"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What the host says of the resource."""

    name: str
    """First label of the host: the resource, or the region of a regional host."""

    kind: str
    cloud: Cloud
    zone: str | None
    """Private DNS zone of such hosts; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateEndpoint:
    """How the resource's name resolves here, and what follows."""

    aliases: tuple[str, ...]
    addresses: tuple[str, ...]
    reach: str
    """`private`, `public`, `mixed`, `no address`, or `resolved by the proxy`."""

    linked_by_name: bool
    """Whether an alias leads into a privatelink zone: then the resource has a private endpoint."""

    statement: str
    next: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltUrl:
    """The URL that one way of constructing a client would call."""

    client: str
    url: str
    fits: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this runtime says that it is, and by which variable."""

    chosen: str
    by: str
    source: TokenSource | None
    warnings: tuple[str, ...]


def resource(evidence: Evidence) -> Resource:
    """The resource, by its host."""
    host = evidence.route.host
    return Resource(
        name=host.partition(".")[0],
        kind=next((kind for pattern, kind in _KINDS if re.search(pattern, host)), "a name of its own: somebody put it in front of a resource"),
        cloud=cloud_of(host),
        zone=next((zone for end, zone in ZONES if host.endswith(end)), None),
    )  # fmt: skip


def private_endpoint(evidence: Evidence) -> PrivateEndpoint:
    """Whether the name leads to a private endpoint from here, and what that means for this answer."""
    route = evidence.route
    aliases, addresses = _names(evidence)
    linked = any(".privatelink." in f".{alias}" for alias in aliases)
    denied = any("public access is disabled" in a.body.sample.lower() for _, a, _ in answers(evidence))
    reach: str = reach_of(addresses)
    steps: tuple[str, ...] = ()
    if route.proxy.url:
        reach = "resolved by the proxy"
        statement = f"{route.proxy.url} resolves the name, with the name servers of its own network. What this runtime would see does not count."
        if denied:
            steps = (
                f"Send {route.host} around the proxy (NO_PROXY), or let the proxy resolve inside the virtual network.",
            )
    elif reach == "no address":
        statement = (
            "The name has no address here. The resource is gone or has no custom subdomain; or a privatelink zone is linked "
            "to this network and lacks the record: then the public name exists and is hidden from here."
        )
        steps = (
            "Ask who runs the virtual network whether the zone holds a record for this resource, or falls back to the public answer.",
        )
    elif reach == "private" and linked:
        statement = (
            "The name leads into a privatelink zone and to a private address: the private endpoint, as it is meant."
        )
        steps = (
            "If that address is silent: route, peering, or the subnet's security group; ask who runs the virtual network.",
        )
        if denied:
            statement = "The name leads into a privatelink zone and to a private address, and yet the answer calls this request a public one."
            steps = (
                "Compare the address with that of the resource's approved private endpoint.",
                "Look for something in between that goes out to the public side again.",
            )
    elif linked:
        statement = (
            "The resource has a private endpoint, and this network resolves its public side: the privatelink zone is not linked "
            "here, or the resolver does not ask Azure's (168.63.129.16, inside Azure alone)."
        )
        steps = ("Link the zone to this virtual network; from outside Azure, forward its names to a resolver inside.",)
    elif reach == "private":
        statement = "A private address without an alias into a privatelink zone: a hosts file, a split zone, or a proxy of the company's own."
    else:
        statement = "No private endpoint is shown: the name leads to the public side, as from anywhere."
        if denied:
            steps = (
                "Public access is switched off, so a private endpoint has to be resolved from here, or public access allowed.",
            )
    return PrivateEndpoint(
        aliases=aliases, addresses=addresses, reach=reach, linked_by_name=linked, statement=statement, next=steps
    )


def built_urls(evidence: Evidence) -> tuple[BuiltUrl, ...]:
    """What each way of constructing a client makes of the base URL as it was given."""
    route = evidence.route
    given = route.base_url.value.rstrip("/")
    path = re.sub(r"^[a-z]+://[^/]*", "", given)
    deployment = route.model.value if route.model else "DEPLOYMENT"
    version = route.api_version.value if route.api_version else "VERSION"
    plain, dated = path.endswith("/openai/v1"), path in ("", "/")
    return (
        BuiltUrl(
            client="OpenAI(base_url=…)",
            url=f"{given}/chat/completions",
            fits=plain and path.count("/openai") == 1,
            why="v1 surface: no api-version, model is the deployment's name" if plain else "needs /openai/v1 at the end of the base URL",
        ),
        BuiltUrl(
            client="AzureOpenAI(azure_endpoint=…)",
            url=f"{given}/openai/deployments/{deployment}/chat/completions?api-version={version}",
            fits=dated,
            why="dated surface: the deployment stands in the path" if dated else "the client adds /openai itself, so it stands there twice",
        ),
        BuiltUrl(
            client="AzureOpenAI(azure_endpoint=…), responses, models, files",
            url=f"{given}/openai/responses?api-version={version}",
            fits=dated,
            why="the deployment stands in the body" if dated else "the client adds /openai itself, so it stands there twice",
        ),
        BuiltUrl(
            client="AzureOpenAI(base_url=…)",
            url=f"{given}/deployments/{deployment}/chat/completions?api-version={version}",
            fits=path.endswith("/openai"),
            why="dated surface, from a base URL that ends in /openai" if path.endswith("/openai") else "needs /openai at the end",
        ),
    )  # fmt: skip


def identity(evidence: Evidence) -> Identity:
    """Key, given token or identity, in the order in which SDK and azure-identity choose."""
    route = evidence.route
    settings = {setting.source: setting.value for setting in route.settings}
    source = token_source(settings, route.host)
    warnings = []
    if route.surface != "azure-dated" and "AZURE_OPENAI_AD_TOKEN" in settings:
        warnings.append(
            "AZURE_OPENAI_AD_TOKEN is set, and the plain client on /openai/v1 does not read it: there a token goes where the key goes."
        )
    if route.credential.source == "AZURE_OPENAI_AD_TOKEN" and "AZURE_OPENAI_API_KEY" in settings:
        warnings.append(
            "AZURE_OPENAI_AD_TOKEN and AZURE_OPENAI_API_KEY are both set: the token is used, the key is not."
        )
    if route.credential.present and source is not None:
        warnings.append(
            f"A key or token is set, so the identity by {', '.join(source.variables)} counts only if the code asks for it."
        )
    proxied = settings.get("HTTP_PROXY") or settings.get("http_proxy") or settings.get("ALL_PROXY")
    around = settings.get("NO_PROXY") or settings.get("no_proxy") or ""
    if proxied and METADATA_HOST not in around and (source is None or source.scheme == "http"):
        warnings.append(
            f"HTTP_PROXY is set and NO_PROXY lacks {METADATA_HOST}: a managed identity's token request would go to the proxy."
        )
    if route.credential.present:
        kind = "token, given" if route.credential.source == "AZURE_OPENAI_AD_TOKEN" else "key"
        return Identity(chosen=kind, by=route.credential.source or "", source=source, warnings=tuple(warnings))
    chosen = source.name if source else "nothing"
    by = ", ".join(source.variables) if source else "no variable"
    return Identity(chosen=chosen, by=by, source=source, warnings=tuple(warnings))


def _names(evidence: Evidence) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Aliases and addresses of the resource's own name, as the system and its name servers tell them."""
    host = evidence.route.host
    aliases: list[str] = []
    addresses: list[str] = []
    for observation, resolved in evidence.of(Resolved):
        if observation.layer == "dns" and resolved.name == host:
            addresses += resolved.addresses
            aliases += [resolved.canonical_name] if resolved.canonical_name else []
    for _, answer in evidence.of(DnsAnswer):
        if answer.name == host:
            for reply in answer.replies:
                aliases += reply.canonical_names
    failed = any(outcome.name == host for _, outcome in evidence.of(ResolveFailed))
    return tuple(dict.fromkeys(aliases)), () if failed else tuple(dict.fromkeys(addresses))
