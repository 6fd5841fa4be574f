"""What a cause is, and the two things that are computed once for all of them: the owner and the order of the layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Literal

from oairunbook.evidence import Evidence, Family, Layer
from oairunbook.records import dataclass
from oairunbook.verdict import Because, Owner

LAYERS: tuple[Layer, ...] = ("client", "dns", "tcp", "proxy", "tls", "http", "api", "browser")
"""The order in which a request meets them."""


Certainty = Literal["proven", "likely"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule's answer: the cause fits, for these reasons."""

    because: tuple[Because, ...]
    certainty: Certainty
    next: tuple[str, ...] = ()
    """Steps that only this evidence calls for; they come before the cause's own."""

    also: tuple[tuple[str, str], ...] = ()
    """Other causes that the same evidence shows, with the reason."""

    explains_all: bool = False
    """A counter-test isolated it, and what the layers before it show follows from it (a proxy that is gone around, a wrong clock)."""

    gives_way: bool = False
    """The path was tested without what is missing here, so every fault of the path comes first."""

    local_on_every_route: bool = False
    """This evidence shows that it lies on this side of the endpoint, whatever the route (no route off this machine)."""

    beside_success: bool = False
    """It holds although the minimal request succeeded: real requests meet what a tiny one does not (streams, full-size bodies, idle time)."""


Rule = Callable[[Evidence], "Finding | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One entry of the catalogue. Its id is public and is never renamed or used again."""

    id: str
    meaning: str
    next: tuple[str, ...]
    on_azure: tuple[str, ...] = ()
    """Further steps on an Azure route, and on no other."""

    for_node: tuple[str, ...] = ()
    """Steps in the place of *next* where the application runs on Node.js; empty where they are the same."""

    do_not: tuple[str, ...] = ()
    owner: Owner | None = None
    """Set where the cause alone decides the owner; None leaves it to the owner rule."""

    local_on_every_route: bool = False
    """Whether it lies on this side of the endpoint whatever the route, so that an Azure or gateway route does not change the owner."""

    applies: Rule | None = field(default=None, repr=False)
    """The rule; None where no probe or reader of this version decides this cause."""

    @property
    def layer(self) -> Layer | None:
        """The part of the id before the dot; None for `ok` and `unknown`."""
        head, dot, _ = self.id.partition(".")
        return head if dot else None  # type: ignore[return-value]


NO_KEY_ADVICE = (
    "Do not rotate keys, change billing, models or prompts: no API answer has been seen that would call for it."
)
"""Owner rule 5: said for every cause whose layer comes before `api`."""


def steps(cause: Cause, evidence: Evidence) -> tuple[str, ...]:
    """What to do next in that runtime and on that route while this cause is the verdict."""
    own = cause.for_node if cause.for_node and evidence.runtime.nodejs is not None else cause.next
    return (*own, *(cause.on_azure if evidence.route.family == "azure" else ()))


def do_nots(cause: Cause) -> tuple[str, ...]:
    """What to leave alone while this cause is the verdict: its own, and owner rule 5 where it applies."""
    before_api = cause.layer is not None and LAYERS.index(cause.layer) < LAYERS.index("api")
    return (*cause.do_not, NO_KEY_ADVICE) if before_api else cause.do_not


def owner_of(cause: Cause, family: Family, *, control_shows_the_same: bool | None) -> Owner:
    """The owner rule of the cause catalogue, computed once.

    Args:
        cause: What was found.
        family: Of the route; it decides between the path and the route's provider.
        control_shows_the_same: Whether a control test of the direct route failed alike; None if there was none.
    """
    if cause.owner is not None:
        return cause.owner
    if cause.layer == "client":
        return "client_config"
    if cause.id == "http.not_an_api" and family == "direct":
        return "client_config"
    # A resolver that answers for the control's name is alive: its silence for this one name is not local.
    local = cause.local_on_every_route and control_shows_the_same is not False
    if family == "direct" or local or cause.layer == "proxy":
        return "connection_path"
    return "connection_path" if control_shows_the_same else "route_provider"
