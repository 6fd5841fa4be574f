"""Where a branch's evidence comes from: what every notebook collects, and what this branch looks at beside the path."""

from __future__ import annotations

from typing import Unpack

from oairunbook.diagnose.direct import is_private_link
from oairunbook.evidence import Evidence
from oairunbook.observe.beside import HEALTH_PATHS, PRIVATE_LINK_PATHS, with_health, with_token_host
from oairunbook.record.source import Look, collect, keep

_TIMEOUT_SECONDS = 5.0
_BUDGET_SECONDS = 15.0
"""For everything beside the path together; it comes on top of the path's own budget."""


def collect_direct(*, evidence: str = "", **look: Unpack[Look]) -> Evidence:
    """As `collect`; at a host of Private Link also its health check.

    Raises:
        ValueError, OSError: As `collect`.
    """
    seen = collect(evidence=evidence, **look)
    if not _from_here(seen, evidence) or not is_private_link(seen.route.host):
        return seen
    return _kept(with_health(seen, PRIVATE_LINK_PATHS, timeout=_timeout(look), budget=_BUDGET_SECONDS))


def collect_gateway(*, health: bool = True, evidence: str = "", **look: Unpack[Look]) -> Evidence:
    """As `collect`; with *health* also a few of the server's own paths.

    Raises:
        ValueError, OSError: As `collect`.
    """
    seen = collect(evidence=evidence, **look)
    if not _from_here(seen, evidence) or not health:
        return seen
    return _kept(with_health(seen, HEALTH_PATHS, timeout=_timeout(look), budget=_BUDGET_SECONDS))


def collect_azure(*, identity: bool = True, evidence: str = "", **look: Unpack[Look]) -> Evidence:
    """As `collect`; with *identity* also the host that would issue a token, if the variables choose an identity.

    Raises:
        ValueError, OSError: As `collect`.
    """
    seen = collect(evidence=evidence, **look)
    if not _from_here(seen, evidence) or not identity:
        return seen
    return _kept(with_token_host(seen, timeout=_timeout(look), budget=_BUDGET_SECONDS))


def _from_here(seen: Evidence, evidence: str) -> bool:
    """Whether this notebook itself has just looked, and from this runtime."""
    return not evidence and seen.runtime.collector is None


def _timeout(look: Look) -> float:
    return look.get("timeout", _TIMEOUT_SECONDS)


def _kept(seen: Evidence) -> Evidence:
    keep(seen)
    return seen
