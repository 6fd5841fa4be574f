"""Whether this host goes through a forward proxy, by the rules of the installed transport.

Source: `get_environment_proxies` and `URLPattern` of httpx 0.23 to 0.28 and httpx2 2.0 to 2.16; `urllib.request.getproxies_environment`.
These rules differ from those of curl, requests and Go.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from oairunbook.evidence import ProxyDecision
from oairunbook.redaction import without_credentials
from oairunbook.route.installed import Installed

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def decide_proxy(
    environment: Mapping[str, str],
    scheme: str,
    host: str,
    explicit_port: int | None,
    installed: Installed,
) -> ProxyDecision:
    """Decide for one endpoint; *explicit_port* is None where the URL leaves the port to its scheme."""
    variables = proxy_variables(environment)
    for key in (scheme, "all"):
        if variables.get(key, ("", ""))[1]:
            name, value = variables[key]
            break
    else:
        return ProxyDecision(url=None, rule=_why_none(environment, scheme))
    configured = without_credentials(value if "://" in value else f"http://{value}")
    no_proxy_name, no_proxy = variables.get("no", ("", ""))
    # The transport drops a port that is the scheme's default, so `host:443` in NO_PROXY never matches https.
    default = {"https": 443, "http": 80}.get(scheme)
    url_port = None if explicit_port == default else explicit_port
    for entry in (item.strip() for item in no_proxy.split(",")):
        if entry and _bypasses(entry, scheme, host, url_port, installed):
            rule = f"{no_proxy_name} has the entry {entry!r}, which matches {host}"
            return ProxyDecision(url=None, rule=rule, variable=name, configured=configured)
    rule = f"{name} names it"
    if no_proxy:
        rule += f", and no entry of {no_proxy_name} matches {host}"
    proxy_scheme, proxy_host, proxy_port, has_credentials = _take_apart(value)
    return ProxyDecision(
        url=configured,
        rule=rule,
        variable=name,
        scheme=proxy_scheme,
        host=proxy_host,
        port=proxy_port,
        has_credentials=has_credentials,
        configured=configured,
    )


def proxy_variables(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Scheme (or `all`, `no`) to variable name and value. Lower case wins, and an empty lower-case one switches the other off."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in environment.items():
        if len(name) > 6 and name[-6:].lower() == "_proxy" and value:
            found[name[:-6].lower()] = (name, value)
    if "REQUEST_METHOD" in environment:
        # CGI: HTTP_PROXY is a request header of the client there (CVE-2016-1000110).
        found.pop("http", None)
    for name, value in environment.items():
        if name.endswith("_proxy") and len(name) > 6 and name.lower() == name:
            if value:
                found[name[:-6]] = (name, value)
            else:
                found.pop(name[:-6], None)
    if not found and sys.platform in ("darwin", "win32"):
        import urllib.request

        return {key: ("system settings", value) for key, value in urllib.request.getproxies().items()}
    return found


def proxy_credentials(environment: Mapping[str, str], decision: ProxyDecision) -> tuple[str, str] | None:
    """User and password of the proxy that was decided on; they never enter a record."""
    if decision.url is None or decision.variable is None:
        return None
    value = environment.get(decision.variable, "")
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
    except ValueError:
        return None
    if not parts.username and not parts.password:
        return None
    from urllib.parse import unquote

    return unquote(parts.username or ""), unquote(parts.password or "")


def _take_apart(value: str) -> tuple[str, str, int, bool]:
    """Scheme, host, port, and whether there are credentials; the host is empty where no address can be read."""
    text = value if "://" in value else f"http://{value}"
    scheme = text.partition("://")[0].lower()
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        return scheme, "", 0, "@" in text
    return scheme, host, port or _DEFAULT_PORTS.get(scheme, 0), bool(parts.username or parts.password)


def _bypasses(entry: str, scheme: str, host: str, url_port: int | None, installed: Installed) -> bool:
    if entry == "*":
        return True
    pattern_scheme = ""
    is_httpx2 = installed.transport_name == "httpx2"
    if "://" in entry:
        pattern_scheme, _, entry = entry.partition("://")
        pattern_scheme = "" if pattern_scheme == "all" else pattern_scheme.lower()
        entry = entry.split("/")[0]
        wildcard = ""
    elif "/" in entry:
        return is_httpx2 and installed.transport_number >= (2, 14) and _in_network(entry, host)
    elif _is_address(entry):
        wildcard = ""
        if ":" in entry:
            entry = f"[{entry}]"
    elif entry.lower() == "localhost" or (is_httpx2 and entry.startswith(("[", "*."))):
        wildcard = ""
    else:
        wildcard = "*"
    try:
        parts = urlsplit(f"//{wildcard}{entry.lower()}")
        pattern_host, pattern_port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if pattern_scheme and pattern_scheme != scheme:
        return False
    if pattern_port is not None and pattern_port == {"https": 443, "http": 80}.get(pattern_scheme):
        pattern_port = None
    if pattern_port is not None and pattern_port != url_port:
        return False
    return _host_matches(pattern_host, host)


def _host_matches(pattern: str, host: str) -> bool:
    if not pattern or pattern == "*":
        return True
    if pattern.startswith("*."):
        return re.search(f"^.+\\.{re.escape(pattern[2:])}$", host) is not None
    if pattern.startswith("*"):
        return re.search(f"^(.+\\.)?{re.escape(pattern[1:])}$", host) is not None
    return pattern == host


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _in_network(entry: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _why_none(environment: Mapping[str, str], scheme: str) -> str:
    if environment.get(f"{scheme}_proxy") == "":
        return f"{scheme}_proxy is empty, which switches the proxy off"
    if scheme == "https" and any(environment.get(name) for name in ("http_proxy", "HTTP_PROXY")):
        return "only HTTP_PROXY is set, and it is not used for https"
    return "no proxy variable applies"
