"""Views of an Azure route: resource, private endpoint, URLs, deployment, identity, token host, region."""

from __future__ import annotations

from oairunbook.diagnose import azure
from oairunbook.evidence import Evidence
from oairunbook.record.branches import beside
from oairunbook.record.describe import returned
from oairunbook.record.view import View, listing, paragraph, table, together

control = beside.control

_LAST_DATED = "2024-10-21"


def resource(evidence: Evidence) -> View:
    """Which resource the host names, in which cloud, and what that cloud asks of a token."""
    found = azure.resource(evidence)
    route = evidence.route
    rows = [
        ("Host", route.host, f"from {route.base_url.source}"),
        ("Resource", found.name, found.kind),
        ("Family", route.family, route.family_reason),
        ("Cloud", found.cloud.name, "by the end of the host"),
        ("Tokens are issued by", found.cloud.authority, "AZURE_AUTHORITY_HOST overrules it"),
        ("Scope of a token", found.cloud.scope, "another audience ends in 401"),
        ("Private DNS zone", found.zone or "none known for this host", "of its private endpoint"),
    ]
    shown = table("The resource", ("Item", "Value", "Why"), rows)
    if route.family != "azure":
        return together(
            paragraph(f"This route is {route.family}, not Azure: the rest says what it would be there.", strong=True),
            shown,
        )
    return shown


def private_endpoint(evidence: Evidence) -> View:
    """Where the name leads from here: aliases, addresses, private or public, and what follows."""
    found = azure.private_endpoint(evidence)
    rows = [
        ("Aliases", "\n".join(found.aliases) or "none"),
        ("Alias into a privatelink zone", "yes" if found.linked_by_name else "no"),
        ("Addresses", ", ".join(found.addresses) or "none"),
        ("They are", found.reach),
        ("Name servers", ", ".join(s.address for s in evidence.route.resolver.name_servers) or "none configured"),
    ]
    zones = table(
        "Zones; a Foundry account needs all three public ones, or one of its hosts leaves by the public side",
        ("Host ends in", "Zone"),
        azure.ZONES,
    )
    return together(
        paragraph(found.statement, strong=True),
        table("How the name resolves here", ("Item", "Value"), rows),
        listing("What follows", found.next, none="Nothing by the name alone."),
        zones,
    )


def urls(evidence: Evidence) -> View:
    """The URL that each way of constructing a client builds from this base URL."""
    route = evidence.route
    rows = [
        ("fits" if built.fits else "does not fit", built.client, built.url, built.why)
        for built in azure.built_urls(evidence)
    ]
    used = {
        "azure-v1": "OpenAI(base_url=…): the base URL holds /openai/v1",
        "azure-dated": "AzureOpenAI: the base URL holds no /openai/v1",
        "openai": "OpenAI(base_url=…): this route is not taken for Azure",
    }[route.surface]
    return together(
        table("What a client makes of this base URL", ("", "Client", "URL", "Why"), rows),
        paragraph(f"This check used {used}. The application's code decides for itself; compare."),
    )


def deployment(evidence: Evidence) -> View:
    """Deployment, model and API version, each with where it comes from."""
    route = evidence.route
    version = route.api_version
    came_back = returned(evidence)
    named = {header.name: header.value for header in came_back.headers} if came_back else {}
    model = route.model
    rows = [
        ("Deployment", model.value if model else "none named", model.source if model else "AZURE_OPENAI_DEPLOYMENT, or model"),
        ("Deployment that answered", named.get("x-ms-deployment-name", "not told"), "x-ms-deployment-name"),
        ("API version", version.value if version else "none: the v1 surface takes none", version.source if version else "base URL"),
        ("Last dated version", _LAST_DATED, "previews expire; an unknown one ends in 404 Resource not found, or 400"),
    ]  # fmt: skip
    return together(
        table("What is asked for", ("Item", "Value", "Where it comes from"), rows),
        paragraph(
            "On Azure the SDK's model is the deployment's name, which its owner chose; it need not be the model's."
        ),
    )


def identity(evidence: Evidence) -> View:
    """Key, token or identity: what is chosen, by which variable, and what is set besides."""
    found = azure.identity(evidence)
    settings = {setting.source: setting.value for setting in evidence.route.settings}
    rows = [(name, settings.get(name, "not set"), _CHOOSES[name]) for name in _CHOOSES]
    told = f"Chosen: {found.chosen}, by {found.by}."
    return together(
        paragraph(told, strong=True),
        table("Variables that choose, those of secrets without their value", ("Variable", "Value", "Chooses"), rows),
        listing("Look at", found.warnings, none="Nothing contradicts itself here."),
        paragraph(
            "An exception of the application's own token provider reaches it unwrapped (azure.core, azure.identity): then no request was "
            "made to the model's endpoint, and the host that issues tokens is to be judged as a path of its own."
        ),
    )  # fmt: skip


_CHOOSES = {
    "AZURE_OPENAI_AD_TOKEN": "this token, before any key; only AzureOpenAI reads it",
    "AZURE_OPENAI_API_KEY": "this key, where no token is given",
    "OPENAI_API_KEY": "this key, where the one above is not set",
    "AZURE_CLIENT_SECRET": "with tenant and client: a client secret, first of all identities",
    "AZURE_FEDERATED_TOKEN_FILE": "with tenant and client: workload identity (AKS)",
    "AZURE_TENANT_ID": "the tenant whose authority issues the token",
    "AZURE_CLIENT_ID": "the application, or one of several managed identities",
    "AZURE_AUTHORITY_HOST": "the authority, by itself that of the cloud",
    "IDENTITY_ENDPOINT": "a managed identity, with one of the following",
    "IDENTITY_HEADER": "App Service, Functions, Container Apps",
    "IDENTITY_SERVER_THUMBPRINT": "with both: Service Fabric",
    "IMDS_ENDPOINT": "with IDENTITY_ENDPOINT: Azure Arc",
    "MSI_ENDPOINT": "Cloud Shell; with MSI_SECRET Azure Machine Learning",
    "MSI_SECRET": "with MSI_ENDPOINT: Azure Machine Learning",
}


def token_host(evidence: Evidence) -> View:
    """Whether the host that issues tokens can be reached; no token is fetched."""
    return beside.looked(
        evidence,
        "token.",
        "The host that issues tokens: name, connection, TLS; it was asked for nothing",
        "Not looked at: identity is False, this evidence was recorded without it, or it was pasted.",
    )


def region(evidence: Evidence) -> View:
    """Which region answered."""
    came_back = returned(evidence)
    named = {header.name: header.value for header in came_back.headers} if came_back else {}
    rows = [
        ("Region that answered", named.get("x-ms-region", "not told")),
        ("Region of this runtime", evidence.runtime.region or "not shown by the runtime"),
        ("Model session", named.get("azureml-model-session", "not told: no model worked on it")),
    ]
    return table("Region", ("Item", "Value"), rows)
