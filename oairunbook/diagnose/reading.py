"""Questions about evidence that several rules ask."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, TypeVar

from oairunbook.diagnose import edges
from oairunbook.evidence import (
    Body,
    Connected,
    ConnectFailed,
    ErrorLink,
    Evidence,
    HttpAnswer,
    Observation,
    Outcome,
    ProxyDecision,
    Resolved,
    ResolveFailed,
    SdkAnswered,
    SdkFailed,
    Stopped,
    TraceEvent,
)
from oairunbook.verdict import Because

Kind = TypeVar("Kind")

LOCAL_ENDS = (
    # RFC 6761, RFC 6762, RFC 8375, RFC 9476, and what private networks use in practice
    *(".test", ".example", ".invalid", ".localhost", ".local", ".internal", ".home.arpa", ".alt"),
    *(".lan", ".corp", ".home", ".intranet", ".private", ".svc", ".onion"),
)
PUBLIC_APIS = (".openai.com", ".azure.com", ".azure-api.net", ".microsoft.com", ".openrouter.ai", ".cloudflare.com",
                ".portkey.ai", ".helicone.ai", ".groq.com", ".mistral.ai", ".deepseek.com", ".together.xyz")  # fmt: skip


def is_public_name(host: str) -> bool:
    """Whether a name is meant for the whole internet: it has a dot and is under no domain that is reserved for local use."""
    return "." in host and ":" not in host and not host.endswith(LOCAL_ENDS) and not host[-1:].isdigit()


def is_public_api(host: str) -> bool:
    """Whether the host is a known public API, which no private address is meant to serve (but for a provider's private endpoint)."""
    return f".{host}".endswith(PUBLIC_APIS)


def counter_tests(evidence: Evidence, kind: type[Kind], name: str) -> Iterator[tuple[Observation, Kind]]:
    """Outcomes of one counter-test, at whatever address, that are a *kind*."""
    for observation in evidence.observations:
        named = observation.id == name or observation.id.startswith(f"{name}:")
        if named and observation.changed is not None and isinstance(observation.outcome, kind):
            yield observation, observation.outcome


def counter_test(evidence: Evidence, kind: type[Kind], name: str) -> tuple[Observation, Kind] | None:
    """The first of them."""
    return next(counter_tests(evidence, kind, name), None)


def attempts(evidence: Evidence) -> Iterator[Evidence]:
    """Each attempt after the first that came to an end, as evidence of its own."""
    # Once through them all: with a pass for each attempt, what a thousand attempts cost grew a hundredfold with ten times as many.
    of_each: dict[int, list[Observation]] = {}
    for observation in evidence.observations:
        if observation.attempt > 1 and observation.changed is None:
            of_each.setdefault(observation.attempt, []).append(observation)
    for observations in of_each.values():
        own = tuple(replace(o, attempt=1, id=o.id.partition("#")[0]) for o in observations)
        last = own[-1].outcome
        unfinished = last.kind in (
            "connected",
            "tunnel_opened",
            "tls_handshake",
            "resolved",
            "not_tried",
            "tool_failed",
            "stopped",
        )
        if not unfinished and not _may_dial_on(evidence, own):
            yield replace(evidence, observations=own)


def _may_dial_on(evidence: Evidence, own: tuple[Observation, ...]) -> bool:
    """Whether an attempt was called off after an address that failed, and one that it had not dialled yet accepts connections."""
    if not isinstance(own[-1].outcome, ConnectFailed):
        return False
    named = {a for o in own if isinstance(o.outcome, Resolved) for a in o.outcome.addresses}
    dialled = {o.outcome.address for o in own if isinstance(o.outcome, (Connected, ConnectFailed))}
    return any(connected.address in named - dialled for _, connected in evidence.of(Connected))


def path_alone(evidence: Evidence) -> Evidence:
    """What an attempt would have met: the walk up to the request without credentials, at the address that the transport ends up with."""
    dialled = dialled_address(evidence)

    def met(observation: Observation) -> bool:
        address = getattr(observation.outcome, "address", None)
        elsewhere = dialled is not None and address not in (None, dialled) and observation.probe in ("tls", "http")
        return observation.changed is None and observation.attempt == 1 and not elsewhere

    # An attempt builds no client of the SDK.
    kept = tuple(o for o in evidence.observations if o.probe not in ("client", "sdk", "status") and met(o))
    return replace(evidence, observations=kept)


def may_connect_to_itself(evidence: Evidence) -> bool:
    """Whether this process was allowed to connect somewhere, whatever came of it: then EACCES is about the destination alone.

    To loopback by a counter-test, or to another address: the control has no counter-tests.
    """
    if any(evidence.of(Connected)) or any(
        errno_name(failed.errors) not in ("EPERM", "EACCES") for _, failed in evidence.of(ConnectFailed)
    ):
        return True
    for kind in (Connected, ConnectFailed):
        tried = counter_test(evidence, kind, "tcp.loopback")
        if tried is not None:
            return errno_name(getattr(tried[1], "errors", ())) not in ("EPERM", "EACCES")
    return False


_ISOLATING = (
    *("dns.absolute", "dns.other_address", "proxy.configured", "http.large_body"),
    *("tls.other_name", "tls.no_name", "tls.plain_http", "tls.small_segments", "tls.older_versions", "tls.store"),
    "tls.completed_chain",
)
"""Counter-tests that prove by passing where the path itself fails."""


def without_isolating_tests(evidence: Evidence, *, dead_address: str) -> Evidence:
    """What is left where attempts of the unchanged path pass now and then as well: that a counter-test passed proves nothing there.

    But where they never pass at one address: what changes the outcome there does prove it.
    """
    there = f":{dead_address}" if dead_address else None
    kept = tuple(
        o
        for o in evidence.observations
        if o.changed is None or not o.id.startswith(_ISOLATING) or (there is not None and o.id.endswith(there))
    )
    return replace(evidence, observations=kept)


def without_own(evidence: Evidence) -> Evidence:
    """The record without the SDK's own requests."""
    return replace(evidence, observations=tuple(o for o in evidence.observations if o.probe != "sdk"))


CONTROL = "control."


def control(evidence: Evidence) -> Evidence | None:
    """The control test of the direct route as evidence of its own; None if there was none.

    Its route is that of the record but for family and proxy: rules ask no more of it.
    """
    own = tuple(
        replace(o, changed=None, id=o.id.removeprefix(CONTROL))
        for o in evidence.observations
        if o.id.startswith(CONTROL)
    )
    if not own:
        return None
    tunnelled = any(o.probe == "proxy" for o in own)
    proxy = evidence.route.proxy if tunnelled else ProxyDecision(url=None, rule="the control test went out directly")
    host = next((o.outcome.name for o in own if isinstance(o.outcome, (Resolved, ResolveFailed))), "api.openai.com")
    if not tunnelled and evidence.route.proxy.url and host == evidence.route.proxy.host:
        proxy = evidence.route.proxy
    route = replace(evidence.route, family="direct", host=host, proxy=proxy, surface="openai")
    return replace(evidence, route=route, observations=own)


def dialled_address(evidence: Evidence) -> str | None:
    """The address that the synchronous transport ends up with: the first of the system resolver's that connects."""
    connected = {outcome.address for _, outcome in evidence.of(Connected)}
    for _, resolved in evidence.of(Resolved, "dns"):
        return next((address for address in resolved.addresses if address in connected), None)
    return next(iter(connected), None)


_DOCUMENTATION = tuple(
    ipaddress.ip_network(net)
    for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20", "240.0.0.0/4")
)
"""RFC 5737, RFC 3849, RFC 9637, and RFC 1112 for what nobody has: no network is private in them, though `is_private` holds. Laboratories let them stand
for public ones, and so do records whose addresses were hidden."""


def is_documentation(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it stands for a public address, and is none."""
    return any(address.version == net.version and address in net for net in _DOCUMENTATION)


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, without its zone, and of one that is mapped into IPv6 the one that is meant (RFC 4291 section 2.5.5.2); None of what is none."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        # A record that somebody else made may hold anything here.
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def reach_of(addresses: tuple[str, ...]) -> Literal["private", "public", "mixed", "no address"]:
    """Whether addresses are private ones (RFC 1918, RFC 4193, loopback), public ones, both, or none."""
    parsed = [address for address in map(address_of, addresses) if address is not None]
    kinds = {address.is_private and not is_documentation(address) for address in parsed}
    if not kinds:
        return "no address"
    return "mixed" if len(kinds) == 2 else "private" if True in kinds else "public"


def cite(observation: Observation, fact: str) -> Because:
    """A reason: this observation, and the fact in it."""
    return Because(observation=observation.id, fact=fact)


def innermost(errors: tuple[ErrorLink, ...]) -> ErrorLink | None:
    """The link that says most: the last with a number, else the last of all; None of an empty chain."""
    numbered = [link for link in errors if link.errno_name or link.verify_code is not None or link.ssl_reason]
    candidates = numbered or list(errors)
    return candidates[-1] if candidates else None


def errno_name(errors: tuple[ErrorLink, ...]) -> str | None:
    """The deepest errno or EAI name in a chain."""
    return next((link.errno_name for link in reversed(errors) if link.errno_name), None)


def words(errors: tuple[ErrorLink, ...]) -> str:
    """The deepest text in a chain, for a person."""
    link = innermost(errors)
    return f"{link.type}: {link.text}" if link else "no error text"


def request_succeeded(evidence: Evidence) -> Observation | None:
    """The SDK's whole minimal request with the application's own key, if it succeeded.

    Over plain http the key is held back; what answers another one just as well is proof enough.
    """
    for observation, outcome in evidence.of(SdkAnswered):
        held_back = evidence.route.scheme == "http" and evidence.route.credential.present
        if not outcome.stream and outcome.completed and (outcome.credential == "own" or held_back):
            return observation
    return None


def stream_failed(evidence: Evidence) -> Observation | None:
    """The SDK's streamed minimal request, if the transport failed it, it stopped arriving, or it ended without its end mark.

    An API answer that refuses to stream is no failure of the path; one that says that the server failed is a failure all the same.
    """
    for observation in evidence.observations:
        outcome = observation.outcome
        if observation.id == "sdk.stream" and isinstance(outcome, Stopped):
            return observation
        if observation.changed is not None:
            continue
        if isinstance(outcome, SdkFailed) and outcome.stream and not _refused(evidence, outcome):
            return observation
        if isinstance(outcome, SdkAnswered) and outcome.stream and outcome.shape == "stream" and not outcome.completed:
            return observation
    return None


def repeat_that_broke_off(evidence: Evidence) -> Observation | None:
    """One of the SDK's requests beside the first two that broke off, where those passed; None if none did.

    One that only came too late, or was told to slow down, did so because of those beside it.
    """
    if request_succeeded(evidence) is None or stream_failed(evidence) is not None:
        return None
    repeats = (
        o for o in evidence.observations if o.id.startswith(("sdk.stream.second", "sdk.stream.again", "sdk.again"))
    )
    return next((o for o in repeats if _broke_off(evidence, o.outcome)), None)


def _broke_off(evidence: Evidence, outcome: Outcome) -> bool:
    if isinstance(outcome, SdkFailed):
        # A stream that had begun to arrive was not held up by those beside it.
        late = any("Timeout" in link.type for link in outcome.errors) and not outcome.chunks
        limited = outcome.answer is not None and outcome.answer.status == 429
        return not late and not limited and not _refused(evidence, outcome)
    return isinstance(outcome, SdkAnswered) and outcome.shape == "stream" and not outcome.completed


def in_its_first_place(evidence: Evidence, repeat: Observation) -> Evidence:
    """The record as if that repeat had been the first request of its kind."""
    first = "sdk.stream" if repeat.id.startswith("sdk.stream") else "sdk"
    kept = (o for o in evidence.observations if o.id not in (first, repeat.id))
    return replace(evidence, observations=(*kept, replace(repeat, id=first, changed=None)))


def with_unsent_made_again(evidence: Evidence) -> Evidence:
    """The record with the SDK's requests that were made again by themselves in the place of those that were given up before they had been sent.

    Those say nothing of an answer, and their connection may only have waited for what was beside them.
    """
    again = {o.id.removesuffix(APART): o for o in evidence.observations if o.id.endswith(APART)}
    unsent = {
        o.id
        for o in evidence.observations
        if o.id in again and isinstance(o.outcome, Stopped) and not was_sent(o.outcome)
    }
    if not unsent:
        return evidence
    told = tuple(
        replace(o, changed=None) if o.id.removesuffix(APART) in unsent else o
        for o in evidence.observations
        if o.id not in unsent
    )
    return replace(evidence, observations=told)


APART = ":apart"
"""How the ids end of the SDK's requests that were made with nothing else under way."""


def was_sent(given_up: Stopped) -> bool:
    """Whether a request had been sent when it was given up; also where the record does not say how far it got."""
    return not given_up.seen or any("send_request_headers" in step for step in given_up.seen)


def beyond_the_tunnel(evidence: Evidence, trace: tuple[TraceEvent, ...]) -> tuple[TraceEvent, ...]:
    """The events of a request itself: before its own handshake a CONNECT looks the same. A connection that was open already has neither."""
    if evidence.route.scheme != "https" or not any("connect_tcp" in event.name for event in trace):
        return trace
    # TLS with the proxy itself is a handshake of the connection, not of the proxy's tunnel.
    own = "proxy.start_tls.complete" if (evidence.route.proxy.url or "").startswith("http") else "start_tls.complete"
    shaken = [number for number, event in enumerate(trace) if event.name.endswith(own)]
    return trace[shaken[-1] + 1 :] if shaken else ()


def _refused(evidence: Evidence, failed: SdkFailed) -> bool:
    """Whether the API itself refused."""
    return failed.answer is not None and failed.answer.status < 500 and is_api_answer(evidence, failed.answer)


def failed_requests(evidence: Evidence) -> Iterator[tuple[Observation, SdkFailed]]:
    """The SDK's requests that got no response; where the whole answer passed, only the streamed one is left to fail."""
    for observation, failed in evidence.of(SdkFailed):
        if failed.answer is None and (failed.stream or not request_succeeded(evidence)):
            yield observation, failed


def answers(evidence: Evidence) -> Iterator[tuple[Observation, HttpAnswer, bool]]:
    """HTTP answers on the path, the SDK's own first; the third value says whether the application's own key was sent."""
    for observation, outcome in evidence.of(SdkFailed):
        if outcome.answer is not None:
            yield observation, outcome.answer, outcome.credential == "own"
    for observation, answered in evidence.of(SdkAnswered):
        if answered.body is not None:
            yield (
                observation,
                HttpAnswer(
                    method=answered.method,
                    url=evidence.route.base_url.value,
                    status=answered.status,
                    http_version="1.1",
                    headers=answered.headers,
                    body=answered.body,
                ),
                answered.credential == "own",
            )
    for observation, answer in evidence.of(HttpAnswer):
        if observation.probe == "pasted":
            yield observation, answer, True
        elif observation.probe == "http":
            yield observation, answer, False


def telling_answer(evidence: Evidence) -> tuple[Observation, HttpAnswer] | None:
    """The answer that the application would see: to its own key or pasted first, else the one without credentials; None if none came."""
    for observation, answered in evidence.of(SdkAnswered):
        if answered.credential == "own" and not answered.stream and answered.body is None:
            body = Body(shape="api_object", size_bytes=0, object=answered.shape)
            return observation, HttpAnswer(
                method=answered.method,
                url=evidence.route.base_url.value,
                status=answered.status,
                http_version="1.1",
                headers=answered.headers,
                body=body,
            )
    found = list(answers(evidence))
    own = [item for item in found if item[2]]
    return (own or found)[0][:2] if found else None


def api_at_another_path(evidence: Evidence) -> tuple[Observation, HttpAnswer] | None:
    """A counter-test with another base path that an API answered; None if there was none, or it was no better."""
    for observation, answer in counter_tests(evidence, HttpAnswer, "http.base_path"):
        if answer.status not in (404, 405) and is_api_answer(evidence, answer):
            return observation, answer
    return None


def path_slip(path: str) -> tuple[str, ...]:
    """What is wrong with a base path to look at, as a next step; empty if nothing is."""
    if len(_VERSION.findall(path)) > 1:
        return (f"Take one /v1 out of the base URL: its path is {path}, and /v1 stands in it twice.",)
    ending = _ENDPOINT.search(path)
    if ending:
        return (f"Take {ending.group()} off the base URL's end: the SDK adds it itself.",)
    return ()


_VERSION = re.compile(r"/v\d+(?=/|$)")
_ENDPOINT = re.compile(r"/(?:chat/completions|completions|responses|embeddings|models)/?$")


def one_path_away(evidence: Evidence) -> tuple[tuple[Because, ...], tuple[str, ...]]:
    """Reason and next step, where a counter-test or the path itself shows that only the base path is wrong; both empty otherwise."""
    found = api_at_another_path(evidence)
    if found is None:
        return (), path_slip(evidence.route.path)
    observation, answer = found
    path = observation.id.partition(":")[2].rstrip("/")
    route = evidence.route
    where = f"{route.scheme}://{route.host}{'' if route.port in (80, 443) else f':{route.port}'}{path}"
    fact = f"{observation.changed}: an API answers there, with status {answer.status}"
    return (cite(observation, fact),), (f"Set the base URL to {where}: an API answers there.",)


def stopped(evidence: Evidence, identity: str, *, sent: bool = False) -> Observation | None:
    """The observation of that id, if it was given up; with *sent* only if it is a request that may have been sent by then."""
    for observation, given_up in evidence.of(Stopped):
        if observation.id == identity and (not sent or was_sent(given_up)):
            return observation
    return None


_ROUTERS_OWN = ("Not Found", "Method Not Allowed")


def is_api_answer(evidence: Evidence, answer: HttpAnswer) -> bool:
    """Whether the API application itself (or Azure's, or the gateway's) answered, not an edge in front of it.

    An `error` object alone does not prove it: require a request id, an application header, or a known string code (causes.md, reading rules).
    """
    if answer.body.shape == "api_object":
        return True
    if edges.answered(answer) is not None:
        # A platform's or an edge's own words, also where it puts them into an error object.
        return False
    identified = any(
        answer.header(name)
        for name in (
            "x-request-id",
            "apim-request-id",
            "openai-version",
            "openai-processing-ms",
            "x-litellm-call-id",
            "x-portkey-trace-id",
        )
    )
    error = answer.body.error
    if answer.stream and answer.status < 300 and answer.body.shape == "event_stream" and error is None:
        # That is what was asked for.
        return True
    if error is None:
        return identified and answer.body.shape in ("json", "empty", "event_stream")
    if not identified and answer.status in (404, 405) and not error.code and (error.message or "") in _ROUTERS_OWN:
        # A web framework that knows no such path, for example behind a base URL without /v1.
        return False
    if identified or evidence.route.family != "direct":
        return True
    return error.shape == "object" and error.code_is_string and bool(error.code or error.type)
