"""The reading of a text that decides."""

from __future__ import annotations

import dataclasses
import re

from oairunbook.diagnose.catalogue import Finding
from oairunbook.diagnose.pasted import fetch
from oairunbook.diagnose.pasted.answers import ANSWER, read_answer
from oairunbook.diagnose.pasted.errors import beside_a_proxy, read_errors
from oairunbook.diagnose.pasted.reading import Missing, Reading
from oairunbook.diagnose.pasted.signs.sign import NOTHING
from oairunbook.diagnose.reading import cite
from oairunbook.evidence import UNDECIDED, Evidence, HttpAnswer, Observation, PastedError, Route
from oairunbook.records import dataclass
from oairunbook.services import OTHER_SERVICES
from oairunbook.verdict import Owner

_TELEMETRY = "telemetry"
_QUOTED = "a text about errors"
_WHOLE = "what was pasted"
_SERVICE = "another service's client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The reading that decides, and the others that showed something else."""

    cause: str
    owner: Owner | None
    finding: Finding | None
    missing: Missing


def decide(evidence: Evidence) -> Decision:
    """The heaviest reading decides; among equals the last, because a log ends with what the application saw."""
    readings: list[Reading] = []
    elsewhere: list[Reading] = []
    quoted: list[Reading] = []
    for observation in evidence.observations:
        if observation.probe != "pasted" or observation.target == _TELEMETRY:
            continue
        found = _reading(evidence, observation)
        if found is not None and observation.target == _QUOTED:
            quoted.append(found)
        elif found is not None:
            (elsewhere if _of_another_service(evidence.route, observation) else readings).append(found)
    if elsewhere:
        # What names no host, and shows the same failure or nothing but frames, tells of that service again.
        told = {r.cause for r in elsewhere}
        readings = [
            r
            for r in readings
            if not (r.observation.target == _WHOLE and (r.cause in told or _frames_only(r.observation)))
        ]
    if _guard_of_another_sdk(evidence):
        readings = [r for r in readings if r.cause != "browser.key_exposed"]
    if not readings:
        return _only_spoken_of(quoted)
    best = max(enumerate(readings), key=lambda item: (item[1].weight, item[0]))[1]
    best = _with_its_code(best, readings)
    best = _with_its_status(_not_the_test(_with_a_key(best, readings), readings), readings)
    best = _with_the_base_url(evidence.route, beside_a_proxy(evidence.route, best))
    others = {r.cause: r for r in readings if r.cause not in (best.cause, "unknown")}
    also = tuple((r.cause, r.fact) for r in others.values())
    # Two failures that each speak for themselves: which of them stops the reporter, the text does not prove.
    rivals = [r for r in others.values() if r.weight >= ANSWER]
    finding = Finding(
        because=(cite(best.observation, best.fact),),
        certainty="likely" if rivals else best.certainty,
        also=(*best.also, *also)[:6],
    )
    if best.cause == "unknown":
        owner = best.owner or _by_route(evidence.route)
        return Decision(cause="unknown", owner=owner, finding=finding, missing=best.missing or fetch.CHAIN)
    return Decision(cause=best.cause, owner=best.owner, finding=finding, missing=best.missing)


def _by_route(route: Route) -> Owner:
    if undecided(route):
        return "unknown"
    return "connection_path" if route.family == "direct" else "route_provider"


def undecided(route: Route) -> bool:
    """Whether OpenAI itself or another provider was called is told equally strongly: whoever owns a failure by the route is unknown."""
    return route.family_reason.startswith(UNDECIDED)


def _with_its_code(best: Reading, readings: list[Reading]) -> Reading:
    """The body of an answer counts before what the application makes of its status: `Rate limit exceeded. Waiting …`, of a quota that is used up."""
    status, code = _status_and_code(best)
    if not status or code:
        return best
    told = [r for r in readings if r.weight == best.weight and _status_and_code(r)[0] == status]
    return next((r for r in reversed(told) if _status_and_code(r)[1]), best)


def _status_and_code(reading: Reading) -> tuple[int, str]:
    outcome = reading.observation.outcome
    if not isinstance(outcome, HttpAnswer) or outcome.body.error is None:
        return 0, ""
    return outcome.status, outcome.body.error.code or ""


def _only_spoken_of(quoted: list[Reading]) -> Decision:
    """A text that shows no failure; it may speak of one, as documentation, advice and release notes do."""
    missing = fetch.ERROR
    if quoted:
        said = max(quoted, key=lambda reading: reading.weight)
        named = "" if said.cause == "unknown" else f"{said.cause}, "
        what = f"the error itself: the text speaks of one ({named}{said.fact}) and shows no failure"
        missing = ((what, fetch.ERROR[0][1]), *fetch.ERROR[1:])
    return Decision(cause="unknown", owner="unknown", finding=None, missing=missing)


def _with_a_key(best: Reading, readings: list[Reading]) -> Reading:
    """What the API said of a key it was sent: a line of prose, which names no class, that speaks of setting one is no failure beside it."""
    outcome = best.observation.outcome
    if best.cause != "client.api_key_missing" or not isinstance(outcome, PastedError):
        return best
    said = [
        r
        for r in readings
        if (r.cause == "api.invalid_key" and r.certainty == "proven")
        or r.owner == "quota_or_rate"
        or r.cause in ("api.insufficient_quota", "api.rate_limited")
    ]
    return said[-1] if said and not any(link.type for link in outcome.errors) else best


def _not_the_test(best: Reading, readings: list[Reading]) -> Reading:
    """An answer that misses a key, beside a connection that failed, is that of a try without one: with a browser, or with curl."""
    if best.cause != "api.missing_key":
        return best
    failed = [r for r in readings if r.cause.startswith(("dns.", "tcp.", "tls.", "proxy."))]
    return max(failed, key=lambda r: r.weight, default=best)


# Where JSON was wanted, a tag.
_A_PAGE = re.compile(r"(?:invalid character|Unexpected token|Unexpected character) ?\(?['\"`]?<", re.IGNORECASE)


def _with_its_status(best: Reading, readings: list[Reading]) -> Reading:
    """A page that could not be parsed, with a status of an intermediary beside it, is that intermediary's."""
    if best.cause != "http.not_an_api" or not _A_PAGE.search(best.fact):
        return best
    return next((r for r in readings if r.cause == "http.gateway_error"), best)


def _with_the_base_url(route: Route, found: Reading) -> Reading:
    """Where only that no answer came is shown, and with it a base URL that no SDK can use, that is the reason."""
    if found.weight > NOTHING or not route.problems or not route.base_url.source.startswith("the text:"):
        return found
    fact = f"{found.fact}; the text gives the base URL {route.base_url.value!r}: {'; '.join(route.problems)}"
    return dataclasses.replace(found, cause="client.base_url_invalid", certainty="likely", fact=fact, owner=None)


def _reading(evidence: Evidence, observation: Observation) -> Reading | None:
    outcome = observation.outcome
    if isinstance(outcome, HttpAnswer):
        return read_answer(evidence, observation, outcome)
    if isinstance(outcome, PastedError):
        return read_errors(evidence.route, observation, outcome.errors)
    return None


def _frames_only(observation: Observation) -> bool:
    outcome = observation.outcome
    return isinstance(outcome, PastedError) and all(
        not link.type and link.text.lstrip().startswith("File ") for link in outcome.errors
    )


def _guard_of_another_sdk(evidence: Evidence) -> bool:
    """Other vendors' SDKs say the same in a page; the line of code that they show names the class."""
    words = " ".join(link.text for _, raised in evidence.of(PastedError) for link in raised.errors)
    return "new Anthropic(" in words and "new OpenAI(" not in words


def _of_another_service(route: Route, observation: Observation) -> bool:
    """Failures of package indexes and other tools are no failures of the call."""
    return observation.target == _SERVICE or (
        observation.target != route.host and bool(OTHER_SERVICES.search(observation.target))
    )
