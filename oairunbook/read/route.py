"""The route of the call that a text is about: what is set, whom the failing call names, and what else speaks of a provider."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace

from oairunbook.evidence import UNDECIDED, Route, Setting
from oairunbook.read.called import Called, base_of, called, of_a_site, of_an_api
from oairunbook.read.marks import Mark, route_shown
from oairunbook.read.settings import base_url_set, installed_versions, model_set, variables_set
from oairunbook.route import resolve
from oairunbook.route.base_url import DEFAULT_BASE_URL
from oairunbook.services import OTHER_SERVICES

# Hosts of OpenAI itself beside the API's: Codex and other clients with a ChatGPT login call them, tiktoken fetches its tables from one.
_OWN_HOSTS = re.compile(r"(?:^|\.)(?:chatgpt\.com|openai\.com|openaipublic\.blob\.core\.windows\.net)$")

# `a domain like https://api.openai.com` tells how one looks.
_EXAMPLE = re.compile(
    r"(?:\blike|such as|for example|e\.g\.|类似于?|例如|比如|譬如)[\s:\uff1a'\"`(]{0,4}\Z", re.IGNORECASE
)

# Where a redirect leads is not what was called.
_LEADS_TO = re.compile(r"^[< \t]{0,8}location:[^\n]{0,2000}$", re.IGNORECASE | re.MULTILINE)


def resolve_route(
    text: str,
    *,
    base_url: str = "",
    model: str = "",
    family: str = "auto",
    environment: Mapping[str, str],
) -> Route:
    """The route of the call that the text is about.

    What the caller names counts first, then a base URL that the text sets, then the host that the failing call names, then the strongest mark of a
    provider (`providers.Rank`: its own answers, its client, a setting, a name in prose, a server's own log), then this process's own base URL, then the
    default. Proxy and CA variables of this process do not count: the text may come from elsewhere.
    """
    variables = variables_set(text)
    source = "argument"
    value: str | None = base_url or None
    if value is None:
        value, source = _from_text(text, tuple(variables.values()))
    mark = route_shown(text) if value is None else None
    if mark is not None and family != "azure" and mark.base_url:
        value, source = mark.base_url, f"assumed: the text shows {mark.told}"
    settings = dict(variables)
    if value is None:
        for name in ("OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
            if environment.get(name):
                settings.setdefault(name, environment[name])
    route = resolve(
        base_url=value,
        model=model or model_set(text),
        family=family,
        environment=settings,
        installed=installed_versions(text),
    )
    if value is not None:
        route = replace(route, base_url=replace(route.base_url, source=source))
        if family == "auto" and route.family == "gateway" and _OWN_HOSTS.search(route.host):
            route = replace(route, family="direct", family_reason=f"{route.host} is OpenAI's own")
    elif route.base_url.source == "default" and family == "auto":
        route = _by_mark(mark, route)
    return route


def _by_mark(mark: Mark | None, route: Route) -> Route:
    """The route where no host is named: the one of the provider that the text shows, else the default."""
    if mark is None:
        return replace(route, base_url=Setting(value=DEFAULT_BASE_URL, source="assumed: the text names no other"))
    unknown = Setting(value="", source="not shown in the text")
    reason = f"{UNDECIDED if mark.undecided else ''}the text shows {mark.told}, and no host"
    return replace(route, base_url=unknown, family=mark.family, family_reason=reason, host="", port=0, path="")


def _from_text(text: str, proxies: tuple[str, ...] = ()) -> tuple[str | None, str]:
    """The base URL that a setting in the text names, else the one of the failing call itself."""
    if (setting := base_url_set(text)) is not None:
        value, name = setting
        return value, f"the text: {name}"
    without_ways = _LEADS_TO.sub("", text)
    calls = [
        call
        for call in called(without_ways)
        if not (
            _OWN_HOSTS.search(call.host) and _EXAMPLE.search(without_ways[max(0, call.position - 30) : call.position])
        )
    ]
    direct = [call for call in calls if _OWN_HOSTS.search(call.host)]
    for call in reversed(calls):
        if call.port and any(f"{call.host}:{call.port}" in value for value in proxies):
            continue
        if OTHER_SERVICES.search(call.host) or _only_address(call, direct) or of_a_site(call):
            continue
        if call in direct:
            return _own_base_of(call), "the text names the host"
        if call.named or of_an_api(call) or _looks_served(call.host):
            return base_of(call), "the text names the host"
    if direct:
        return _own_base_of(direct[-1]), "the text names the host"
    return None, ""


def _own_base_of(call: Called) -> str:
    if call.host == "api.openai.com":
        return DEFAULT_BASE_URL
    return f"https://{call.host}/v1" if call.host.endswith(".api.openai.com") else base_of(call)


def _only_address(call: Called, direct: list[Called]) -> bool:
    """Addresses are where a name led; they name no route of their own, unless the application called them so, or they are local ones on a port of their own."""
    try:
        address = ipaddress.ip_address(call.host)
    except ValueError:
        return False
    if direct or call.asked:
        return bool(direct)
    return not (address.is_private or address.is_loopback or address.is_unspecified) or call.port in (443, None)


def _looks_served(host: str) -> bool:
    return (
        host.endswith(("azure.com", "azure.us", "azure.cn", "azure-api.net", "api.cognitive.microsoft.com"))
        or host == "openrouter.ai"
    )
