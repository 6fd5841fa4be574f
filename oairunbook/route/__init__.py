"""The route: what the installed SDK would call and through what, with the reason for each part. Nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from oairunbook import identity
from oairunbook.evidence import Route, Setting
from oairunbook.redaction import Secrets, without_credentials
from oairunbook.route import base_url as base_urls
from oairunbook.route.credential import resolve_credential
from oairunbook.route.installed import Installed, installed_sdk
from oairunbook.route.proxy import decide_proxy
from oairunbook.route.resolver import resolver_configuration
from oairunbook.route.trust import resolve_trust

__all__ = ["resolve"]

SHOWN_VARIABLES = (
    "OPENAI_BASE_URL",
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_DEPLOYMENT",
    "OPENAI_API_VERSION",
    "OPENAI_API_TYPE",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "RES_OPTIONS",
    "LOCALDOMAIN",
)
"""The allow list: no other variable is ever written down."""


def resolve(
    *,
    base_url: str | None = None,
    model: str | None = None,
    family: str = "auto",
    environment: Mapping[str, str] | None = None,
    fingerprint_key: bytes | None = None,
    installed: Installed | None = None,
) -> Route:
    """Resolve the route as the SDK in use would: argument, then variable, then default.

    Args:
        base_url: As it would be given to the client; None to let the variables decide.
        model: Model, on Azure the deployment; None for `AZURE_OPENAI_DEPLOYMENT`, or nothing.
        family: `auto`, or the family to assume whatever the host looks like.
        environment: Variables to read; those of this process if None.
        fingerprint_key: Key of the fingerprint of the API key; no fingerprint if None.
        installed: The SDK and transport to resolve for; those of this interpreter if None.
    """
    environment = os.environ if environment is None else environment
    installed = installed or installed_sdk()
    base = base_urls.resolve_base_url(base_url, environment, family)
    proxy = decide_proxy(environment, base.scheme, base.host, base.explicit_port, installed)
    if not model and base.family == "azure":
        model_setting = _variable(environment, "AZURE_OPENAI_DEPLOYMENT")
    else:
        model_setting = Setting(value=model, source="argument") if model else None
    dialled = proxy.host if proxy.url else base.host
    # A value on the allow list may still carry what was never meant to be in it: userinfo, a token in a query. The path is what is called, also where a piece
    # of it is secret, and it leaves memory like everything else through the one door.
    clean = Secrets.from_environment(environment).redact_text
    return Route(
        base_url=Setting(value=without_credentials(base.setting.value), source=base.setting.source),
        family=base.family,
        family_reason=base.family_reason,
        scheme=base.scheme,
        host=base.host,
        port=base.port,
        path=base.path,
        problems=base.problems,
        surface=base.surface,
        api_version=base.api_version,
        model=model_setting,
        proxy=proxy,
        trust=resolve_trust(environment, installed),
        sdk=installed.sdk,
        transport=installed.transport,
        credential=resolve_credential(environment, base.surface, fingerprint_key),
        resolver=resolver_configuration(dialled or "", environment),
        settings=(
            *(Setting(value=clean(environment[name]), source=name) for name in SHOWN_VARIABLES if name in environment),
            *(_identity_settings(environment, clean) if base.family == "azure" else ()),
        ),
    )


def _identity_settings(environment: Mapping[str, str], clean: Callable[[str], str]) -> Iterator[Setting]:
    """Variables that choose between key and identity; of those that hold a secret, only that they are set."""
    for name in identity.SHOWN_VARIABLES:
        if environment.get(name):
            yield Setting(value=clean(environment[name]), source=name)
    for name in identity.SECRET_VARIABLES:
        if environment.get(name):
            yield Setting(value=identity.SET, source=name)


def _variable(environment: Mapping[str, str], name: str) -> Setting | None:
    value = environment.get(name)
    return Setting(value=value, source=name) if value else None
