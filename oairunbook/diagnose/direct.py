"""Questions about the direct route: which of the API's hosts it is, what its name and certificate should show, whether it is proved."""

from __future__ import annotations

import re

from oairunbook.diagnose.addresses import reach_of
from oairunbook.diagnose.answered import answered
from oairunbook.diagnose.reading import path_slip
from oairunbook.evidence import Evidence, Resolved, TlsFailed, TlsHandshake
from oairunbook.records import dataclass
from oairunbook.verdict import Verdict

DEFAULT_BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One kind of host of the API."""

    shown: str
    pattern: str
    what: str
    needs: str


HOSTS = (
    Host(
        shown="api.openai.com",
        pattern=r"^api\.openai\.com$",
        what="the default",
        needs="a key of any project without a region of its own",
    ),
    Host(
        shown="us. eu. ae. au. in. jp. before api.openai.com",
        pattern=r"^(?:us|eu|ae|au|in|jp)\.api\.openai\.com$",
        what="a region",
        needs="a key of a project of that region; any other ends in 401 incorrect_hostname",
    ),
    Host(
        shown="mtls.api.openai.com, mtls-us. mtls-eu.",
        pattern=r"^mtls(?:-us|-eu)?\.api\.openai\.com$",
        what="mutual TLS",
        needs="a client certificate that is activated, and the key as well; none for realtime web sockets",
    ),
    Host(
        shown="REGION.privatelink.api.openai.com",
        pattern=r"\.privatelink\.api\.openai\.com$|^privatelink\.enterprise\.",
        what="Private Link on Azure",
        needs="a private DNS zone: private addresses by design; no IP allow list, no mutual TLS, no failover to another region",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the name leads."""

    addresses: tuple[str, ...]
    reach: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """How far the route is proved."""

    by_the_api: bool
    """Whether the API's application itself answered, so that a status names an owner."""

    statement: str


def known_host(host: str) -> Host | None:
    """The kind of host that this is; None if it is none of the API's own."""
    return next((item for item in HOSTS if re.search(item.pattern, host)), None)


def is_private_link(host: str) -> bool:
    """Whether this is a host of Private Link."""
    return known_host(host) is HOSTS[3]


def path_words(path: str) -> str:
    """What is to be said of the base path."""
    slip = path_slip(path)
    if slip:
        return slip[0]
    return "as it should be" if path == "/v1" else "the API's path is /v1"


def addresses(evidence: Evidence) -> Addresses:
    """Where the name leads from here, and whether that fits the host."""
    route = evidence.route
    if route.proxy.url:
        words = f"{route.proxy.url} resolves the name in its own network; what this runtime would see does not count."
        return Addresses(addresses=(), reach="resolved by the proxy", statement=words)
    found = tuple(dict.fromkeys(a for _, r in evidence.of(Resolved) if r.name == route.host for a in r.addresses))
    reach = reach_of(found)
    if reach == "no address":
        return Addresses(addresses=(), reach=reach, statement="The name has no address here, or was not looked up.")
    if is_private_link(route.host):
        words = (
            "Private addresses are right for this host."
            if reach == "private"
            else "This host needs private addresses: the private DNS zone is not linked here."
        )
    elif reach == "public":
        words = "Public addresses, as for the public API."
    else:
        words = "A private address: right only where somebody put a private path or an inspecting proxy under this name; who answered, below, tells."
    return Addresses(addresses=found, reach=reach, statement=words)  # fmt: skip


_PUBLIC_ISSUER = "Google Trust Services"


def issuer_words(evidence: Evidence) -> str:
    """What the issuer hints at. Issuers change, so it is a hint and no more."""
    shaken = [outcome.chain[0].issuer for _, outcome in evidence.of(TlsHandshake) if outcome.chain]
    failed = [outcome.chain[0].issuer for _, outcome in evidence.of(TlsFailed) if outcome.chain]
    expected = "In 2026 the public API's certificate is issued by Google Trust Services (WE1) for api.openai.com and *.api.openai.com"
    if any(_PUBLIC_ISSUER in issuer for issuer in (*shaken, *failed)):
        return f"{expected}, and so is this one. Issuers change, so this is a hint."
    return (
        f"{expected}; this one has another issuer: an inspecting proxy, a private path, or a new issuer. It is a hint."
    )


def proved(evidence: Evidence, verdict: Verdict) -> Proved:
    """Whether the API's own application answered over this route. A status before that names nobody."""
    found = answered(evidence)
    if found is None:
        place = f"; the evidence changes at {verdict.layer}" if verdict.layer else ""
        return Proved(
            by_the_api=False, statement=f"The route is not proved: no answer came{place}. No status can name an owner."
        )
    if found.who == "application":
        return Proved(
            by_the_api=True, statement=f"The route is proved up to the API's own application ({found.observation})."
        )
    return Proved(
        by_the_api=False,
        statement=f"The route is not proved: {found.statement} ({found.observation}). The status is not the API's.",
    )
