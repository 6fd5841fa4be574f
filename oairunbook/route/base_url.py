"""Base URL, family and surface of a route.

Source: `openai/_client.py` and `openai/lib/azure.py` of 1.x to 3.x; hosts of Azure from learn.microsoft.com (2026).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from encodings.idna import nameprep
from typing import Literal
from urllib.parse import urlsplit

from oairunbook import practice
from oairunbook.evidence import Family, Setting
from oairunbook.records import dataclass

DEFAULT_BASE_URL = "https://api.openai.com/v1"

LAST_DATED_API_VERSION = "2024-10-21"
"""The last dated GA version of Azure OpenAI; assumed where the application passes its own in code."""

NAMED = "named by the caller"
"""Why a route is of its family, if it was not told by anything else."""

DIRECT_HOST = re.compile(r"^(?:[a-z0-9-]+\.)*api\.openai\.com$|^mtls-(?:us|eu)\.api\.openai\.com$")
AZURE_HOST = re.compile(
    r"\.(?:openai|cognitiveservices)\.azure\.(?:com|us|cn)$|\.services\.ai\.azure\.com$|\.api\.cognitive\.microsoft\.(?:com|us|cn)$"
)
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_WEBSOCKET_SCHEMES = {"ws": "http", "wss": "https"}
"""The transport connects for these as for the others, and speaks HTTP (`connection_pool.py` of httpcore and httpcore2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseUrl:
    """A base URL taken apart; *problems* says why it cannot be used."""

    setting: Setting
    family: Family
    family_reason: str
    scheme: str
    host: str
    port: int
    explicit_port: int | None
    path: str
    surface: Literal["openai", "azure-v1", "azure-dated"]
    api_version: Setting | None
    problems: tuple[str, ...]


def resolve_base_url(argument: str | None, environment: Mapping[str, str], family: str) -> BaseUrl:
    """Find the base URL as the SDK does, and take it apart.

    Args:
        argument: What was given to the client, None if nothing was. An empty text is used as it is, as the SDK does.
        environment: Variables.
        family: `auto`, `direct`, `azure` or `gateway`.

    Raises:
        ValueError: *family* is none of these.
    """
    if family not in ("auto", "direct", "azure", "gateway"):
        raise ValueError(f"unknown route {family!r}: give auto, direct, azure or gateway")
    setting = _find(argument, environment, family)
    scheme, host, port, path, problems = _take_apart(setting.value)
    explicit = port
    shown_port = port if port is not None else {"https": 443, "http": 80}.get(scheme, 0)
    kind, reason = _family(host.rstrip("."), setting, family, practice.current(environment))
    surface: Literal["openai", "azure-v1", "azure-dated"] = "openai"
    api_version = None
    if kind == "azure":
        surface = "azure-v1" if re.search(r"/openai/v1(?:/|$)", path) else "azure-dated"
        if surface == "azure-dated":
            version = environment.get("OPENAI_API_VERSION")
            api_version = (
                Setting(value=version, source="OPENAI_API_VERSION")
                if version
                else Setting(value=LAST_DATED_API_VERSION, source="assumed: the last dated general version")
            )
            if "/openai" not in path:
                path = path.rstrip("/") + "/openai"
    return BaseUrl(
        setting=setting,
        family=kind,
        family_reason=reason,
        scheme=scheme,
        host=host,
        port=0 if problems else shown_port,
        explicit_port=explicit,
        path=path.rstrip("/"),
        surface=surface,
        api_version=api_version,
        problems=problems,
    )


def _find(argument: str | None, environment: Mapping[str, str], family: str) -> Setting:
    if argument is not None:
        return Setting(value=argument, source="argument")
    azure = environment.get("AZURE_OPENAI_ENDPOINT")
    wants_azure = family == "azure" or (family == "auto" and environment.get("OPENAI_API_TYPE") == "azure")
    if azure and wants_azure:
        return Setting(value=azure, source="AZURE_OPENAI_ENDPOINT")
    # Python uses OPENAI_BASE_URL="" as it is, and fails; Node takes it for "not set".
    if "OPENAI_BASE_URL" in environment:
        return Setting(value=environment["OPENAI_BASE_URL"], source="OPENAI_BASE_URL")
    if azure and family in ("auto", "azure"):
        return Setting(value=azure, source="AZURE_OPENAI_ENDPOINT")
    return Setting(value=DEFAULT_BASE_URL, source="default")


def _take_apart(url: str) -> tuple[str, str, int | None, str, tuple[str, ...]]:
    problems: list[str] = []
    if not url:
        return "", "", None, "", ("it is empty, and an empty base URL is used as it is",)
    if _CONTROL.search(url):
        problems.append("it contains white space or a control character")
    if url[0] in "'\"\u2018\u2019\u201c\u201d" or url[-1] in "'\"\u2018\u2019\u201c\u201d":
        problems.append("it stands in quotes")
    text = url.strip().strip("'\"\u2018\u2019\u201c\u201d")
    if "://" not in text:
        problems.append("it has no scheme; it must begin with https:// or http://")
        text = "https://" + text.lstrip("/")
        scheme_given = ""
    else:
        scheme_given = text.partition("://")[0].lower()
        scheme_given = _WEBSOCKET_SCHEMES.get(scheme_given, scheme_given)
        if scheme_given not in ("http", "https"):
            problems.append(f"its scheme {scheme_given!r} is neither http nor https")
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError as error:
        return scheme_given, "", None, "", (*problems, f"it cannot be parsed: {error}")
    try:
        port = parts.port
    except ValueError:
        problems.append("its port is not a number between 0 and 65535")
        port = None
    if port == 0:
        problems.append("its port is 0")
    if not host:
        problems.append("it has no host")
    try:
        strange = [f"U+{ord(c):04X}" for c in host.lower() if not c.isascii() and _is_mapped(c)]
        if strange:
            problems.append(f"its host holds characters that no host name has: {', '.join(strange)}")
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        problems.append("its host is not a valid name")
    if any(len(label) > 63 for label in host.split(".")) or ".." in host or host.startswith("."):
        problems.append("its host has an empty label or one longer than 63 characters")
    return scheme_given or "https", host.lower(), port, parts.path, tuple(problems)


def _is_mapped(character: str) -> bool:
    """Whether IDNA 2003 makes another character of it, or none: the SDK's transports follow IDNA 2008 and refuse it (RFC 5892).

    A zero width space of a copied web page is such a one. What only the newer rules take as it is, and other dots, are none.
    """
    return character not in _TAKEN_AS_THEY_ARE and nameprep(character) != character


_TAKEN_AS_THEY_ARE = "\u00df\u03c2\u200c\u200d\u3002\uff0e\uff61"


def _family(host: str, setting: Setting, family: str, rehearsal: practice.Practice | None) -> tuple[Family, str]:
    if family == "direct":
        return "direct", NAMED
    if family == "azure":
        return "azure", NAMED
    if family == "gateway":
        return "gateway", NAMED
    if rehearsal is not None and host == rehearsal.api_host:
        return rehearsal.family, f"{host} plays it in the practice lab"
    if AZURE_HOST.search(host):
        return "azure", f"{host} is a host of Azure OpenAI"
    if setting.source == "AZURE_OPENAI_ENDPOINT":
        return "azure", "the base URL comes from AZURE_OPENAI_ENDPOINT"
    if DIRECT_HOST.match(host):
        return "direct", f"{host} is a host of the OpenAI API"
    if not host:
        return "direct", "no host to tell the family by"
    return "gateway", f"{host} is neither a host of the OpenAI API nor of Azure OpenAI"
