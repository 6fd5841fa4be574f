"""The verdict: who owns the fault, at which layer, why, and what to do. A contract; see `oairunbook/schema/`."""

from __future__ import annotations

from typing import Literal

from oairunbook.evidence import Family, Layer, read_document
from oairunbook.records import dataclass

VERDICT_SCHEMA = "oairunbook.verdict/1"

RULES_VERSION = "2026.12.01.3"
"""Changes whenever a rule may answer differently; archived verdicts say by which rules they were reached."""

Owner = Literal[
    "connection_path",
    "client_config",
    "auth",
    "quota_or_rate",
    "request",
    "server",
    "route_provider",
    "browser",
    "none",
    "unknown",
]

GOES_TO: dict[Owner, str] = {
    "connection_path": "whoever runs the network of this runtime: DNS, proxy, firewall, egress",
    "client_config": "whoever sets the environment and the dependencies of this runtime",
    "auth": "whoever manages the API key, its project and its organization",
    "quota_or_rate": "whoever owns the account's billing, quota and rate limits",
    "request": "whoever wrote the request: model name, endpoint, parameters",
    "server": "the support of the API that answered, with the request id",
    "route_provider": "the provider of the route: whoever runs the Azure resource, or the gateway",
    "browser": "whoever wrote the page that calls the API; the call belongs on a server",
    "none": "nobody: the path works",
    "unknown": "nobody yet: the evidence does not decide; see what is missing",
}
"""To whom what is found is handed."""

_ROUTE_PROVIDERS: dict[Family, str] = {
    "azure": "whoever runs the Azure resource, often a team of your own; Azure support for what that team cannot see",
    "gateway": "whoever runs the gateway",
}


def goes_to(owner: Owner, family: Family) -> str:
    """To whom what is found on a route of that family is handed."""
    return _ROUTE_PROVIDERS.get(family, GOES_TO[owner]) if owner == "route_provider" else GOES_TO[owner]


@dataclass(frozen=True, slots=True, kw_only=True)
class Because:
    """One reason: an observation of the record and the fact in it."""

    observation: str
    fact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Also:
    """Another cause that the evidence shows and that did not decide."""

    cause: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The first layer at which the evidence changes, and what follows from it."""

    owner: Owner
    layer: Layer | None
    """None for `ok` and `unknown`."""

    cause: str
    certainty: Literal["proven", "likely"] | None
    """`proven` by a direct protocol fact or an isolating counter-test, `likely` if it fits best; None for `unknown`."""

    pattern: Literal["steady", "intermittent"] | None
    summary: str
    because: tuple[Because, ...]
    next: tuple[str, ...]
    do_not: tuple[str, ...]
    also: tuple[Also, ...] = ()
    missing: tuple[str, ...] = ()
    rules_version: str = RULES_VERSION
    failed: int | None = None
    """With an intermittent pattern: failed attempts of *tried*."""

    tried: int | None = None
    schema: str = VERDICT_SCHEMA

    @property
    def exit_status(self) -> int:
        """The contract's exit status: 0 healthy, 1 a fault was named, 3 inconclusive."""
        if self.cause == "ok":
            return 0
        return 3 if self.cause == "unknown" else 1


def load_verdict(text: str | bytes) -> Verdict:
    """Read a verdict back from JSON.

    Raises:
        EvidenceError: no JSON, another schema, or a field of the wrong type.
    """
    return read_document(Verdict, text, VERDICT_SCHEMA)
