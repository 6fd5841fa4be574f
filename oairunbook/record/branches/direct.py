"""Views of the direct route: which of its hosts, the way out, the certificate's issuer, whether the route is proved."""

from __future__ import annotations

from oairunbook.diagnose import direct
from oairunbook.evidence import Evidence, TlsFailed, TlsHandshake
from oairunbook.record import packet as packets
from oairunbook.record.branches import beside
from oairunbook.record.view import View, paragraph, table, together
from oairunbook.verdict import Owner, Verdict


def host(evidence: Evidence) -> View:
    """Which of the API's hosts this is, and what that host needs."""
    route = evidence.route
    this = direct.known_host(route.host)
    rows = [
        ("Base URL", route.base_url.value, f"from {route.base_url.source}; the default is {direct.DEFAULT_BASE_URL}"),
        ("Family", route.family, route.family_reason),
        ("Host", route.host, this.needs if this else "none of the API's own hosts"),
        ("Path", route.path or "/", direct.path_words(route.path)),
    ]
    hosts = [("→ this" if item is this else "", item.shown, item.what, item.needs) for item in direct.HOSTS]
    shown = together(
        table("What is called", ("Part", "Value", "Why"), rows),
        table("The API's own hosts", ("", "Host", "What", "Needs"), hosts),
    )
    if this is None:
        words = "This host is none of the API's own: look at it as a gateway (04_route_gateway), unless it is a name of your own for the API."
        return together(paragraph(words, strong=True), shown)
    return shown


def way_out(evidence: Evidence) -> View:
    """Whether a proxy stands between, and by which rule."""
    proxy = evidence.route.proxy
    names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
    settings = {setting.source: setting.value for setting in evidence.route.settings}
    rows = [
        ("Decision", f"through {proxy.url}" if proxy.url else "straight out, without a proxy"),
        ("Rule", proxy.rule),
        ("Configured", proxy.configured or "no proxy is configured"),
        ("Who resolves the name", "the proxy" if proxy.url else "this runtime"),
        *((name, settings[name] or "set and empty") for name in names if name in settings),
    ]
    return table("The way out", ("Item", "Value"), rows)


def addresses(evidence: Evidence) -> View:
    """Where the name leads, and whether such addresses belong to such a host."""
    found = direct.addresses(evidence)
    rows = [("Addresses", ", ".join(found.addresses) or "none"), ("They are", found.reach)]
    return together(
        paragraph(found.statement, strong=True), table("Where the name leads from here", ("Item", "Value"), rows)
    )


def issuer(evidence: Evidence) -> View:
    """Who issued the certificate, and what that hints at."""
    seen = [(o.address, o.chain, f"verified, {o.version}") for _, o in evidence.of(TlsHandshake, "tls")]
    seen += [
        (o.address, o.chain, f"not verified: {o.verify_message or o.ended}") for _, o in evidence.of(TlsFailed, "tls")
    ]
    rows = [
        (address, leaf.subject, leaf.issuer, leaf.not_after, ", ".join(leaf.names), words)
        for address, chain, words in seen
        for leaf in chain[:1]
    ]
    if not rows:
        return paragraph("No certificate is in this evidence: the path ended before TLS, or it was pasted.")
    header = ("Address", "Subject", "Issuer", "Ends", "Names", "State")
    return together(paragraph(direct.issuer_words(evidence)), table("The certificate", header, rows))


def private_link(evidence: Evidence) -> View:
    """Private Link's own health check, where this is such a host."""
    if not direct.is_private_link(evidence.route.host):
        return paragraph("This host is none of Private Link, so its health check was not asked.")
    return beside.health(evidence)


def owners(evidence: Evidence, verdict: Verdict) -> View:
    """Whether the route is proved, and only then: whose each status is."""
    proved = direct.proved(evidence, verdict)
    rows = [
        ("→ this" if owner == verdict.owner and proved.by_the_api else "", status, packets.OWNER_NAMES[owner], follow)
        for status, owner, follow in _OWNERS
    ]
    return together(
        paragraph(proved.statement, strong=True),
        table("Once the route is proved, the status names the owner", ("", "Answer", "Owner", "Goes on in"), rows),
    )


_OWNERS: tuple[tuple[str, Owner, str], ...] = (
    ("401, 403 with an API error", "auth", "05_owner_auth"),
    ("429, insufficient_quota, rate headers", "quota_or_rate", "05_owner_quota_rate"),
    ("400, 404, 409, 413, 422 with an API error", "request", "the application's developers"),
    ("500, 503 with a request id", "server", "05_owner_server"),
    ("a page, or a status without a request id", "connection_path", "02_same_path: somebody before the API answered"),
    ("200 with an API object", "none", "08_verify_fix"),
)
