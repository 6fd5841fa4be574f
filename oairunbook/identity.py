"""Which identity a runtime on Azure would take its token from, by its variables, and at which host that token is issued.

Source: azure-identity 1.27 (`_credentials/default.py`, `managed_identity.py`, `environment.py`): the first that fits is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from oairunbook.records import dataclass

METADATA_HOST = "169.254.169.254"

SHOWN_VARIABLES = (
    "IDENTITY_ENDPOINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "IDENTITY_SERVER_THUMBPRINT",
    "AZURE_AUTHORITY_HOST",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
)
"""Variables that choose an identity and hold no secret."""

SECRET_VARIABLES = (
    "IDENTITY_HEADER",
    "MSI_SECRET",
    "AZURE_CLIENT_SECRET",
    "AZURE_OPENAI_AD_TOKEN",
    "AZURE_OPENAI_API_KEY",
    "OPENAI_API_KEY",
)
"""Variables of which it counts that they are set; their values are never written."""

SET = "set, not shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One of Azure's clouds."""

    name: str
    authority: str
    scope: str
    """Scope that an application asks a token for."""


PUBLIC = Cloud(
    name="public",
    authority="login.microsoftonline.com",
    scope="https://ai.azure.com/.default, in older documents https://cognitiveservices.azure.com/.default",
)
GOVERNMENT = Cloud(
    name="US Government",
    authority="login.microsoftonline.us",
    scope="https://cognitiveservices.azure.us/.default",
)
CHINA = Cloud(
    name="China", authority="login.chinacloudapi.cn", scope="not known to this tool; ask who runs the resource"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSource:
    """Where a token would come from."""

    name: str
    variables: tuple[str, ...]
    """The variables that chose it."""

    scheme: str
    host: str
    port: int


def cloud_of(host: str) -> Cloud:
    """The cloud that a resource's host belongs to; the public one for any host that no other claims."""
    if host.endswith((".azure.us", ".microsoft.us")):
        return GOVERNMENT
    return CHINA if host.endswith((".azure.cn", ".microsoft.cn")) else PUBLIC


def token_source(variables: Mapping[str, str], host: str) -> TokenSource | None:
    """The identity that these variables choose; None if they choose none.

    Without any of them azure-identity would ask the metadata service of a virtual machine. That is not assumed here.

    Args:
        variables: Environment variables; of secret ones only that they are set and not empty.
        host: The resource's host: it decides the authority where no variable does.
    """

    def has(*names: str) -> bool:
        return all(variables.get(name) for name in names)

    authority = variables.get("AZURE_AUTHORITY_HOST") or cloud_of(host).authority
    if has("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        return _at("client secret", ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"), authority)
    if has("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        return _at("workload identity", ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"), authority)
    endpoint = variables.get("IDENTITY_ENDPOINT")
    if endpoint and has("IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT"):
        return _at("Service Fabric", ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT"), endpoint)
    if endpoint and has("IDENTITY_HEADER"):
        return _at("App Service, Functions or Container Apps", ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"), endpoint)
    if endpoint and has("IMDS_ENDPOINT"):
        return _at("Azure Arc", ("IDENTITY_ENDPOINT", "IMDS_ENDPOINT"), endpoint)
    endpoint = variables.get("MSI_ENDPOINT")
    if endpoint and has("MSI_SECRET"):
        return _at("Azure Machine Learning", ("MSI_ENDPOINT", "MSI_SECRET"), endpoint)
    return _at("Cloud Shell", ("MSI_ENDPOINT",), endpoint) if endpoint else None


def _at(name: str, variables: tuple[str, ...], url: str) -> TokenSource | None:
    """The source at that URL, or at that host by https; None if it is no URL."""
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        return None
    return TokenSource(name=name, variables=variables, scheme=parts.scheme, host=host, port=port) if host else None
