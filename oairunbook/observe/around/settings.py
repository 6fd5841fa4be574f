"""What is set here for the SDK, and what is set for installers and other programs and says nothing to it."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from oairunbook.evidence import Setting
from oairunbook.redaction import without_credentials

_SDK = re.compile(
    r"^(?:https?_proxy|all_proxy|no_proxy|ssl_cert_file|ssl_cert_dir|openai_base_url|openai_api_version|openai_org_id|openai_project_id|openai_log|"
    r"azure_openai_endpoint|azure_openai_deployment|request_method)$",
    re.IGNORECASE,
)
_OTHERS = (
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "NODE_USE_ENV_PROXY", "NODE_USE_SYSTEM_CA", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE"),
    *("PIP_PROXY", "PIP_CERT", "PIP_INDEX_URL", "PIP_TRUSTED_HOST", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"),
    *("NPM_CONFIG_PROXY", "NPM_CONFIG_HTTPS_PROXY", "NPM_CONFIG_CAFILE", "NPM_CONFIG_REGISTRY", "YARN_HTTPS_PROXY", "CONDA_SSL_VERIFY"),
    *("GLOBAL_AGENT_HTTP_PROXY", "JAVA_TOOL_OPTIONS", "FTP_PROXY", "RSYNC_PROXY", "OPENAI_API_BASE", "OPENAI_PROXY"),
)  # fmt: skip
_LINE = re.compile(
    r"^\s*(?P<name>proxy|https[-_]proxy|http_proxy|cafile|cert|sslCAInfo|ssl_verify|index-url|registry|Acquire::https?::Proxy)"
    r"\s*[ =:]\s*(?P<value>\S+)",
    re.IGNORECASE,
)
_LONGEST = 200


def libc() -> str:
    """The C library, whose resolver the interpreter uses."""
    try:
        named = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        named = None
    if named:
        return named
    loader = next(iter(sorted(Path("/lib").glob("ld-musl-*.so.1"))), None)
    if loader is not None:
        return f"musl ({loader.name})"
    name, version = platform.libc_ver()
    return f"{name} {version}".strip() or "not known"


def read_by_sdk(environment: Mapping[str, str]) -> tuple[Setting, ...]:
    """Variables that the SDK and its transport read, in the spelling that is set; values without credentials."""
    names = sorted((name for name in environment if _SDK.match(name)), key=str.lower)
    return tuple(Setting(value=_clean(environment[name]), source=name) for name in names)


def read_by_others(environment: Mapping[str, str]) -> tuple[Setting, ...]:
    """Variables and configuration files of installers and other programs, in so far as they name a proxy, a mirror or certificates."""
    found = [Setting(value=_clean(environment[name]), source=name) for name in _OTHERS if name in environment]
    home = Path(environment.get("HOME", "/nonexistent"))
    files = (
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
        home / ".npmrc",
        Path("/etc/npmrc"),
        home / ".condarc",
        home / ".gitconfig",
        home / ".curlrc",
        Path("/etc/environment"),
        *sorted(Path("/etc/apt/apt.conf.d").glob("*")),
    )
    for file in files:
        found += [Setting(value=f"{name} = {value}", source=str(file)) for name, value in _lines(file)]
    found += list(_docker(home / ".docker/config.json"))
    return tuple(found)


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    try:
        text = file.read_text("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        if match := _LINE.match(line):
            yield match["name"], _clean(match["value"].strip("\"';"))


def _docker(file: Path) -> Iterator[Setting]:
    """Proxies that `docker build` and `docker run` put into containers as variables."""
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return
    proxies = document.get("proxies") if isinstance(document, dict) else None
    for name, entry in (proxies or {}).items() if isinstance(proxies, dict) else ():
        for key, value in entry.items() if isinstance(entry, dict) else ():
            yield Setting(value=f"{name}: {key} = {_clean(str(value))}", source=str(file))


def _clean(value: str) -> str:
    """A value as it may stand in a record; an empty one is a fact as well."""
    shown = without_credentials(value) if "://" in value or "@" in value else value
    return shown[:_LONGEST] or "(set and empty)"
