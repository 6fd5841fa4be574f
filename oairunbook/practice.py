"""Practice runs: how the lab tells a client process where the practice name servers are, without root.

The lab sets one variable, `OAIRUNBOOK_PRACTICE`. A process that finds it lets `socket.getaddrinfo` ask those name servers over real
UDP, so SDK, asyncio and probes all meet the practice DNS. It also tells which family of route the lab's API host plays: no rule for real
hosts could. Whatever is recorded then says that it was practice.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from typing import get_args

from oairunbook.evidence import Family, NameServer
from oairunbook.records import dataclass

VARIABLE = "OAIRUNBOOK_PRACTICE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """What a process needs to know of the lab that it practises against."""

    fault: str
    name_servers: tuple[NameServer, ...]
    status_url: str
    api_host: str
    """Host of the lab's API."""

    family: Family
    """What a route to that host is, unless its caller names a family."""

    def to_variable(self) -> str:
        """The value of `OAIRUNBOOK_PRACTICE`."""
        servers = [[server.address, server.port] for server in self.name_servers]
        return json.dumps(
            {
                "fault": self.fault,
                "name_servers": servers,
                "status_url": self.status_url,
                "api_host": self.api_host,
                "family": self.family,
            }
        )


def current(environment: Mapping[str, str] = os.environ) -> Practice | None:
    """The practice that *environment* asks for; None outside of practice.

    Raises:
        ValueError: The variable is set and is no practice setting.
    """
    text = environment.get(VARIABLE)
    if not text:
        return None
    try:
        document = json.loads(text)
        if document["family"] not in get_args(Family):
            raise ValueError(f"it names the unknown family {document['family']!r}")
        return Practice(
            fault=str(document["fault"]),
            name_servers=tuple(
                NameServer(address=str(address), port=int(port)) for address, port in document["name_servers"]
            ),
            status_url=str(document["status_url"]),
            api_host=str(document["api_host"]),
            family=document["family"],
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{VARIABLE} is set and cannot be read ({type(error).__name__}: {error}). "
            "Unset it, or take the value that `oairunbook lab` prints."
        ) from error


def install(practice: Practice) -> None:
    """Let `socket.getaddrinfo` of this process ask the practice name servers. A second call replaces the first one's servers."""
    # Nobody but a rehearsal pays for dnspython here.
    from oairunbook.practice_names import PracticeResolver

    before = socket.getaddrinfo
    system = before.system if isinstance(before, PracticeResolver) else before
    socket.getaddrinfo = PracticeResolver(system, practice.name_servers)
