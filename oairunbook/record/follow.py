"""Which notebook follows a verdict. One table, so that every notebook, the panel and the terminal send their reader the same way."""

from __future__ import annotations

from oairunbook.evidence import Evidence
from oairunbook.records import dataclass
from oairunbook.verdict import Owner, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """One notebook to go on with."""

    name: str
    """Without `.ipynb`."""

    why: str


_ROUTES = {
    "direct": Follows(name="04_route_direct", why="what a direct route has to show, and who answered on it"),
    "azure": Follows(name="04_route_azure", why="resource host, private endpoint, deployment, API version, identity, network rules"),
    "gateway": Follows(name="04_route_gateway", why="which gateway it is, its own health, its failure or its upstream's, the base path"),
}  # fmt: skip
_CONTROLS = Follows(
    name="03_sdk_controls", why="timeouts, retries, logging and settings of the SDK, without hiding evidence"
)
_RUNTIME = Follows(name="04_serverless_container", why="what this container or function is, and what its egress allows")
_OWNERS: dict[Owner, Follows] = {
    "auth": Follows(name="05_owner_auth", why="what a 401 or 403 proves, and how long a change takes to act"),
    "quota_or_rate": Follows(name="05_owner_quota_rate", why="quota or rate, limits, reset times, how long to wait"),
    "server": Follows(name="05_owner_server", why="what a 500 or 503 proves, how to retry, which ids to quote"),
    "browser": Follows(name="04_browser", why="preflight, key exposure, mixed content"),
}
_ESCALATE = Follows(name="07_escalate", why="the packet for the owner")
_VERIFY = Follows(name="08_verify_fix", why="what this success proves, and what it does not")


BRANCHES = (
    *("04_route_azure", "04_route_gateway"),
    *("05_owner_auth", "05_owner_quota_rate", "05_owner_server"),
)
"""Branches that a run of the chain may take by itself: they judge what is recorded, and need to look at nothing more."""


def branch(evidence: Evidence, verdict: Verdict) -> str | None:
    """The branch that a run of the chain takes before its packet; None where an answer did not change the owner."""
    chosen = _ROUTES[evidence.route.family] if verdict.owner == "route_provider" else _OWNERS.get(verdict.owner)
    return chosen.name if chosen and chosen.name in BRANCHES else None


def follows(evidence: Evidence, verdict: Verdict, here: str = "") -> tuple[Follows, ...]:
    """The notebooks that this verdict calls for, the most telling first.

    Args:
        evidence: Its route and runtime choose the branch.
        verdict: Its owner does.
        here: The notebook that asks; it is left out.
    """
    if verdict.cause == "ok":
        chosen = [_VERIFY]
    else:
        chosen = [follow for follow in (_OWNERS.get(verdict.owner),) if follow]
        if verdict.owner == "client_config":
            chosen.append(_CONTROLS)
        if verdict.owner == "connection_path" and evidence.runtime.platforms:
            chosen.append(_RUNTIME)
        if verdict.owner not in ("server", "browser", "quota_or_rate") or evidence.route.family != "direct":
            chosen.append(_ROUTES[evidence.route.family])
        chosen.append(_ESCALATE)
    return tuple(follow for follow in chosen if follow.name != here)
