"""What an owner is asked to check: the packet's questions, with the hosts, addresses, times and ids that the owner needs to find it in their logs."""

from __future__ import annotations

from typing import assert_never

from oairunbook.evidence import Connected, ConnectFailed, Evidence, Header, Resolved
from oairunbook.record.describe import asked_model, returned
from oairunbook.verdict import Owner, Verdict

_MOST_ADDRESSES = 4


def asks(owner: Owner, evidence: Evidence, verdict: Verdict) -> tuple[str, ...]:
    """Questions to *owner*, most telling first; empty where nobody has to check anything."""
    match owner:
        case "connection_path":
            return _network(evidence, verdict)
        case "route_provider":
            return _azure(evidence) if evidence.route.family == "azure" else _gateway(evidence)
        case "client_config":
            return _runtime(evidence)
        case "auth":
            return _auth(evidence)
        case "quota_or_rate":
            return _quota(evidence)
        case "request":
            return _request(evidence)
        case "server":
            return _server(evidence)
        case "browser":
            return ("Can the call move to a server, so that no key and no cross-origin rule is involved?",)
        case "none" | "unknown":
            return ()
        case _:
            assert_never(owner)


def _network(evidence: Evidence, verdict: Verdict) -> tuple[str, ...]:
    route, host = evidence.route, evidence.runtime.host
    place = f"{route.host} port {route.port}"
    addresses = _addresses(evidence)
    found = [_BY_LAYER.get(verdict.layer or "", _ANY_LAYER).format(
        host=host,
        place=place,
        name=route.host,
        addresses=addresses or "no address was found",
        servers=", ".join(server.address for server in route.resolver.name_servers) or "none is configured",
        proxy=route.proxy.url or "none",
    )]  # fmt: skip
    if route.proxy.url and verdict.layer != "proxy":
        found.append(
            f"Does the proxy {route.proxy.url} show this request in its log at that time, and what did it answer?"
        )
    if verdict.pattern == "intermittent":
        found.append(
            f"{verdict.failed} of {verdict.tried} attempts failed: does the failing part go over one device, address, server or NAT of several?"
        )
    found.append(f"Which rule, policy or device has changed for {host} or for {route.host} lately?")
    return tuple(found)


_ANY_LAYER = "Does anything between {host} and {place} (addresses {addresses}) block, rewrite or inspect this traffic?"
_BY_LAYER = {
    "dns": "What does the name server ({servers}) answer to {host} for {name}, A and AAAA, and does a filter or a private zone answer in its place?",
    "tcp": "Do connections from {host} to {place} (addresses {addresses}) reach your egress, and are they dropped, rejected or not routed there?",
    "proxy": "What does the log of the proxy {proxy} say of CONNECT {place} from {host} at that time, and which rule answered?",
    "tls": "Does a device between {host} and {place} (addresses {addresses}) inspect TLS or filter by server name, and by which root does it sign?",
    "http": "Which device between {host} and {place} answered, closed or held back this request, and can {name} be exempted from inspection and buffering?",
}


def _azure(evidence: Evidence) -> tuple[str, ...]:
    route = evidence.route
    version = route.api_version.value if route.api_version else "none (v1)"
    found = [
        f"Does the resource behind {route.host} exist, and do its network rules and private endpoints admit this runtime?",
        f"Does the deployment {_model(evidence)} exist there, and does it serve api-version {version}?",
    ]
    identifier = _request_id(evidence)
    region = _header(evidence, "x-ms-region")
    if identifier:
        found.insert(0, f"What do your logs say of the request {identifier}{f' in {region}' if region else ''}?")
    return tuple(found)


def _gateway(evidence: Evidence) -> tuple[str, ...]:
    route = evidence.route
    found = [
        f"Does the gateway at {route.host} show this request in its log at that time, and did it reach its own upstream?",
        f"Is {route.path or '/'} the right base path of its OpenAI-compatible API, and does it know the model {_model(evidence)}?",
    ]
    identifier = _request_id(evidence)
    if identifier:
        found.insert(0, f"What do your logs say of the request {identifier}?")
    return tuple(found)


def _server(evidence: Evidence) -> tuple[str, ...]:
    identifier = _request_id(evidence)
    named = f"the request {identifier}" if identifier else "requests at that time (no request id came back)"
    return (
        f"What do your logs say of {named} for the model {_model(evidence)}?",
        "Is an incident under way that the status page does not show yet?",
    )


def _auth(evidence: Evidence) -> tuple[str, ...]:
    key = evidence.route.credential
    mark = f" with the fingerprint {key.fingerprint}" if key.fingerprint else ""
    return (
        f"Is the key{mark} from {key.source or 'no variable'} active, and does it belong to the project, organization and endpoint {evidence.route.host}?",
        "Does it have the permission that the answer names, and does its allow list hold this runtime's address as seen from outside?",
    )


def _quota(evidence: Evidence) -> tuple[str, ...]:
    limits = [h for h in _headers(evidence) if h.name.startswith(("x-ratelimit-", "retry-after"))]
    told = "; ".join(f"{h.name} {h.value}" for h in limits[:8])
    if told:
        return (f"Which limit was met, and who else uses it? The answer said: {told}.",)
    return (
        "Are credits, the billing limit and the project's spend limit used up? The answer carried no rate-limit header.",
    )


def _request(evidence: Evidence) -> tuple[str, ...]:
    came_back = returned(evidence)
    said = f" The answer was: {came_back.body}." if came_back else ""
    return (f"Are model ({_model(evidence)}), path and parameters of the request what this endpoint knows?{said}",)


def _runtime(evidence: Evidence) -> tuple[str, ...]:
    route = evidence.route
    shown = (
        ", ".join(f"{s.source}={s.value or '(empty)'}" for s in route.settings) or "none of the known variables is set"
    )
    return (
        f"Are these settings of {evidence.runtime.host} meant so: {shown}?",
        f"Is openai {route.sdk or '(none)'} with {route.transport or 'no transport'} what this application is tested with?",
    )


def _addresses(evidence: Evidence) -> str:
    tried = [o.outcome.address for o in evidence.observations if isinstance(o.outcome, (Connected, ConnectFailed))]
    resolved = [a for _, outcome in evidence.of(Resolved, "dns") for a in outcome.addresses]
    return ", ".join(list(dict.fromkeys((*tried, *resolved)))[:_MOST_ADDRESSES])


def _model(evidence: Evidence) -> str:
    return asked_model(evidence) or "(none named)"


def _headers(evidence: Evidence) -> tuple[Header, ...]:
    came_back = returned(evidence)
    return came_back.headers if came_back else ()


def _header(evidence: Evidence, name: str) -> str | None:
    return next((header.value for header in _headers(evidence) if header.name == name), None)


def _request_id(evidence: Evidence) -> str | None:
    came_back = returned(evidence)
    return came_back.request_id if came_back else None
