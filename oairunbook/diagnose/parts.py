"""Parts of a record, each as a record of its own: one attempt, the control test, the path without what proves nothing there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from oairunbook.diagnose.reading import dialled_address, was_sent
from oairunbook.evidence import (
    Connected,
    ConnectFailed,
    Evidence,
    Observation,
    ProxyDecision,
    Resolved,
    ResolveFailed,
    Stopped,
)


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
