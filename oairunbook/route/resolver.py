"""How this machine resolves names: resolv.conf(5), nsswitch.conf(5), hosts(5), read and not asked."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path

from oairunbook import practice
from oairunbook.evidence import NameServer, ResolverConfiguration

_RESOLV_CONF = "/etc/resolv.conf"
_NSSWITCH_CONF = "/etc/nsswitch.conf"
_HOSTS = "/etc/hosts"
_MOST_NAME_SERVERS = 3
"""MAXNS of resolv.h: glibc reads no more."""


def _read(path: str) -> str:
    """The text of a file; empty if it cannot be read."""
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


def resolver_configuration(
    host: str, environment: Mapping[str, str], read: Callable[[str], str] = _read
) -> ResolverConfiguration:
    """Name servers, search list and order of sources, and what the hosts file says for *host*.

    *read* gives the text of a file of the runtime in question, empty if there is none.
    """
    rehearsal = practice.current(environment)
    if rehearsal is not None:
        return ResolverConfiguration(name_servers=rehearsal.name_servers, hosts_order=("dns",), source="practice lab")
    servers: list[NameServer] = []
    search: tuple[str, ...] = ()
    ndots = 1
    for words in _lines(read(_RESOLV_CONF), "#;"):
        if words[0] == "nameserver" and len(words) > 1 and _is_address(words[1]):
            servers.append(NameServer(address=words[1]))
        elif words[0] in ("search", "domain"):
            search = tuple(word.rstrip(".") for word in words[1:])
        elif words[0] == "options":
            ndots = _ndots(words[1:], ndots)
    if environment.get("LOCALDOMAIN"):
        search = tuple(environment["LOCALDOMAIN"].split())
    ndots = _ndots(environment.get("RES_OPTIONS", "").split(), ndots)
    return ResolverConfiguration(
        name_servers=tuple(servers[:_MOST_NAME_SERVERS]),
        search=search,
        ndots=ndots,
        hosts_order=_hosts_order(read(_NSSWITCH_CONF)),
        hosts_file_addresses=_hosts_file(read(_HOSTS), host),
    )


def _ndots(options: list[str], before: int) -> int:
    for option in options:
        if option.startswith("ndots:") and option[6:].isdigit():
            return min(int(option[6:]), 15)
    return before


def _hosts_order(text: str) -> tuple[str, ...]:
    for words in _lines(text, "#"):
        if words[0] == "hosts:":
            return tuple(word for word in words[1:] if not word.startswith("["))
    return ()


def _hosts_file(text: str, host: str) -> tuple[str, ...]:
    return tuple(
        words[0] for words in _lines(text, "#") if host and host.lower() in (word.lower() for word in words[1:])
    )


def _lines(text: str, comments: str) -> list[list[str]]:
    lines = []
    for line in text.splitlines():
        for mark in comments:
            line = line.partition(mark)[0]
        words = line.split()
        if words:
            lines.append(words)
    return lines


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
