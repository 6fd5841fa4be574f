"""Faults that come and go: the same rules on each attempt, counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from oairunbook.diagnose.catalogue import LAYERS, Cause, Finding
from oairunbook.diagnose.parts import attempts, path_alone
from oairunbook.diagnose.reading import is_api_answer, repeat_that_broke_off, stream_failed
from oairunbook.evidence import (
    Evidence,
    HttpAnswer,
    HttpFailed,
    Observation,
    SdkAnswered,
    SdkFailed,
    Stopped,
    TlsFailed,
)
from oairunbook.records import dataclass
from oairunbook.verdict import Because

Find = Callable[[Evidence], "list[tuple[Cause, Finding]]"]
_Judged = tuple[Evidence, "list[tuple[Cause, Finding]]"]

_SILENT = ("dns.timeout", "tcp.timeout", "tcp.path_mtu", "tls.timeout", "http.read_timeout", "http.stream_stalled")
"""Silence of a single attempt can be this machine's own load; a reset, a refusal or an answer cannot."""

_TOLD_BY_SERVERS = ("dns.nxdomain", "dns.servfail", "dns.refused", "dns.no_address")

_OF_THE_SERVER = ("api.server_error", "api.overloaded")

_OF_THE_UPSTREAM = "api.gateway_upstream_failed"

_SINGLE = (*_SILENT, *_OF_THE_SERVER, _OF_THE_UPSTREAM)
"""What a single attempt does not make certain: a 500 to one request of ours is no fault of the application's path yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """What came of all attempts, the walk included."""

    tried: int
    failed: tuple[tuple[Cause, Finding], ...]
    """First finding of each attempt that failed before the API."""

    where: str
    """What the failures have in common, or nothing."""

    dead_address: str = ""
    """The one address where all failed, while all passed at the others, if chance is a poor explanation."""

    walk_failed: bool = False
    """Whether the walk itself is among the failures, and not only attempts beside it."""

    @property
    def intermittent(self) -> bool:
        """Whether some failed and some did not."""
        return 0 < len(self.failed) < self.tried

    @property
    def certain(self) -> bool:
        """Whether the failures are more than one silence or one error of the server."""
        return len(self.failed) > 1 or any(cause.id not in _SINGLE for cause, _ in self.failed)

    @property
    def comes_and_goes(self) -> bool:
        """Whether that is a fault that comes and goes, by these attempts alone."""
        return self.intermittent and self.certain

    def most_common(self) -> tuple[Cause, Finding]:
        """The cause that most failed attempts show; of two alike the one at the earlier layer.

        What name servers said more than once comes first, however often the rest failed as well: no fault behind a name makes that.
        """
        counted = Counter(cause.id for cause, _ in self.failed)
        told = {identity: number for identity, number in counted.items() if identity in _TOLD_BY_SERVERS and number > 1}
        counted = Counter(told) or counted
        if counted["tcp.reset"]:
            # The same reset can come before or after this side's first bytes.
            counted["tcp.reset"] += counted.pop("tls.reset", 0)
        return min(self.failed, key=lambda item: (-counted[item[0].id], LAYERS.index(item[0].layer or "api")))


def before_a_steady_one(tries: Attempted) -> Attempted | None:
    """The fault that some attempts met, where all the others met one and the same further on; None if that is not what was seen.

    None passed, but of two faults the first on the path comes and goes. Only what cannot be the same trouble at another step counts: what name
    servers said, or did not say before somebody else answered, or a step that ended more than once before a verdict on a certificate or an answer
    in the API's place, which no load makes.
    Where no request is answered any more from some moment on, somebody may have had enough of this test.
    """
    if not tries.failed or len(tries.failed) < tries.tried:
        return None
    steady = max((cause for cause, _ in tries.failed), key=lambda cause: _place(cause))
    early = tuple((cause, finding) for cause, finding in tries.failed if cause.id != steady.id)
    further = len(tries.failed) - len(early)
    if min(len(early), further) < _SEVERAL or any(_place(cause) >= _place(steady) for cause, _ in early):
        return None
    told = all(
        cause.id in _TOLD_BY_SERVERS or (cause.layer == "dns" and steady.id not in _SILENT) for cause, _ in early
    )
    if not told and steady.id not in _NO_MATTER_OF_LOAD:
        return None
    ends = [cause.id == steady.id for cause, _ in tries.failed]
    if steady.layer == "http" and not told and True not in ends[ends.index(False) :]:
        return None
    why = f"{further} of {tries.tried} attempts got further, and each of them ended so"
    also = ((steady.id, why),)
    return replace(tries, failed=tuple((cause, replace(found, also=(*found.also, *also))) for cause, found in early))


def _place(cause: Cause) -> int:
    return LAYERS.index(cause.layer or "api")


_SEVERAL = 2
_BY_CHANCE = 0.05

_NO_MATTER_OF_LOAD = (
    *("tls.untrusted_issuer", "tls.trust_store_mismatch", "tls.self_signed", "tls.incomplete_chain"),
    *("tls.expired", "tls.not_yet_valid", "tls.clock_skew", "tls.hostname_mismatch"),
    *(
        "tls.protocol_mismatch",
        "tls.client_certificate_required",
        "http.blocked_page",
        "http.redirected",
        "http.not_an_api",
    ),
)


def interval(failed: int, tried: int) -> tuple[float, float]:
    """Wilson score interval at 95 % (Wilson 1927)."""
    z = 1.96
    share = failed / tried
    centre = share + z * z / (2 * tried)
    spread = z * math.sqrt(share * (1 - share) / tried + z * z / (4 * tried * tried))
    scale = 1 + z * z / tried
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def attempted(evidence: Evidence, find: Find) -> Attempted:
    """Judge each attempt by the same rules as the walk. An API answer is a success of the path, but for one that says that the server failed."""
    walk = path_alone(evidence)
    judged = [(one, _of_the_path(one, find(one))) for one in (walk, *attempts(evidence))]
    refusal = _usual_refusal(evidence, [item for item in judged if not _posted(item[0])])
    judged = [
        (one, [] if refusal is not None and not _posted(one) and _status(one) == refusal else found)
        for one, found in judged
    ]
    judged = _without_usual_ends(judged)
    known = next((found[0] for _, found in judged if found), None)
    failed: list[tuple[Cause, Finding]] = []
    failing_at: set[str] = set()
    passing_at: set[str] = set()
    passed = 0
    for one, found in judged:
        if not found and any(one.of(HttpAnswer, "http")):
            passed += 1
            passing_at.add(_address(one))
        elif found or (known and not _asked_elsewhere(evidence, one)):
            # An attempt is walked without counter-tests: what it does not decide by itself, the others do.
            failed.append(found[0] if found else known)  # type: ignore[arg-type]
            failing_at.add(_address(one))
    # What one attempt was told, others met as well where they only know that it failed.
    told = next((item for item in failed if item[0].layer == "dns" and item[1].certainty == "proven"), None)
    if told is not None:
        failed = [told if item[0].id == "dns.servfail" and item[1].certainty == "likely" else item for item in failed]
    where = dead = ""
    if failed and passed and len(failing_at) == 1 and "" not in failing_at and not failing_at & passing_at:
        at = next(iter(failing_at))
        where = f"every failure was at {at}, none at {', '.join(sorted(passing_at))}"
        # Fisher's exact test of two groups that are told apart altogether.
        dead = at if 1 / math.comb(len(failed) + passed, passed) <= _BY_CHANCE else ""
    walk_failed = bool(judged) and judged[0][0].observations == walk.observations and bool(judged[0][1])
    return Attempted(
        tried=len(failed) + passed, failed=tuple(failed), where=where, dead_address=dead, walk_failed=walk_failed
    )


def _asked_elsewhere(evidence: Evidence, one: Evidence) -> bool:
    """Whether nothing failed at the address that counts, and the request went to another one: the walk's goes where a connection is open first."""
    return not any(one.of(TlsFailed)) and not _asked(one) and any(evidence.of(HttpAnswer, "http"))


def _request(one: Evidence) -> tuple[str, bool] | None:
    """Method of the request without credentials that an attempt got as far as, and whether it asked for a stream; None if it did not."""
    made = [(answer.method, answer.stream) for _, answer in one.of(HttpAnswer, "http")]
    made += [(failed.method, failed.stream) for _, failed in one.of(HttpFailed, "http")]
    return made[0] if made else None


def _posted(one: Evidence) -> bool:
    """Whether an attempt got as far as a POST without credentials and without a message."""
    made = _request(one)
    return made is not None and made[0] == "POST"


def _without_usual_ends(judged: list[_Judged]) -> list[_Judged]:
    """Requests of one kind that all fail, beside some of the other kind that pass, say nothing of a fault that comes and goes.

    A POST without a message is refused in many ways, and some servers fail over it, or over its stream, each time; others list no models.
    """
    elsewhere = {cause.id for one, found in judged if not _posted(one) for cause, _ in found[:1]}
    told = [
        (one, found if not _posted(one) or _server_failed(one) or (found and found[0][0].id in elsewhere) else [])
        for one, found in judged
    ]
    kinds: dict[tuple[str, bool], list[_Judged]] = {}
    for item in told:
        made = _request(item[0])
        if made is not None:
            kinds.setdefault(made, []).append(item)
    failing = [kind for kind, items in kinds.items() if all(found for _, found in items)]
    if len(failing) == len(kinds):
        return told
    return [item for item in told if _request(item[0]) not in failing]


def _asked(one: Evidence) -> bool:
    """Whether an attempt got as far as its request."""
    return any(one.of(HttpAnswer, "http")) or any(one.of(HttpFailed, "http"))


def _server_failed(one: Evidence) -> bool:
    """Whether an attempt got no answer, or one that no refusal of a request is."""
    status = _status(one)
    return status is None or (status >= 500 and status != 501)


def _status(one: Evidence) -> int | None:
    return next((answer.status for _, answer in one.of(HttpAnswer, "http")), None)


def _usual_refusal(evidence: Evidence, judged: list[_Judged]) -> int | None:
    """What an endpoint that answers the application says to every request without credentials, though it looks like no API: often 404."""
    own = any(answered.completed and answered.credential == "own" for _, answered in evidence.of(SdkAnswered))
    # 429 and 5xx are no usual answer to anybody.
    met = [(status, found) for one, found in judged if (status := _status(one)) is not None and status < 429]
    if not own or not met or not all(found for _, found in met):
        return None
    return Counter(status for status, _ in met).most_common(1)[0][0]


def _of_the_path(one: Evidence, found: list[tuple[Cause, Finding]]) -> list[tuple[Cause, Finding]]:
    """An attempt sends no key and no request of the application: what these would meet says nothing of it.

    That the server itself, or what a gateway asks, failed is the one API answer that a request without a key can share with the application's own.
    """
    return [
        item
        for item in found
        if item[0].id in _OF_THE_SERVER
        # With a status of the 4xx it may be about the key that is missing.
        or (item[0].id == _OF_THE_UPSTREAM and (_status(one) or 0) >= 500)
        or (item[0].layer not in ("api", "browser") and not item[0].id.startswith(_OF_THE_KEY))
    ]


_OF_THE_KEY = ("client.api_key_",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often it was tried, and how often it failed."""

    path_failed: int
    path_tried: int
    """Attempts up to an unbilled answer, the walk included."""

    own_failed: int
    own_tried: int
    """Minimal requests of the SDK."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The pattern of a verdict."""

    pattern: Literal["steady", "intermittent"] | None
    failed: int | None = None
    tried: int | None = None
    words: str = ""
    because: tuple[Because, ...] = ()
    others: tuple[tuple[str, str], ...] = ()
    """Other causes that attempts showed, kept apart."""


def steady(evidence: Evidence) -> Counted:
    """A fault that a counter-test showed each time it was tried."""
    return Counted(pattern="steady" if any(o.attempt > 1 for o in evidence.observations) else None)


def count(evidence: Evidence, tries: Attempted, chosen: Cause | None) -> Counted:
    """Count attempts and the SDK's own requests together.

    *chosen* is what the walk and the SDK's requests showed; None if they showed nothing and only attempts failed.
    """
    own = own_requests(evidence)
    own_failed, own_passed = len(own.failed), len(own.passed)
    probes = len(tries.failed)
    # A walk that was silent to its end is no attempt that this machine was too busy for, where others passed meanwhile.
    comes_and_goes = tries.intermittent and (tries.certain or own_failed > 0 or (tries.walk_failed and not own_passed))
    if own.alike:
        # Asked again, requests of one kind fail each time and those of the other kind never do.
        comes_and_goes = tries.comes_and_goes
    elif not comes_and_goes and chosen is not None and probes == 0:
        # The probes passed where the SDK's request failed: before HTTP both do the same.
        before_http = chosen.layer in ("dns", "tcp", "proxy", "tls") and not chosen.id.startswith(_NOT_A_STEP)
        comes_and_goes = (
            own_failed > 0
            and tries.tried > 0
            and (
                before_http
                or own.again
                or (own_passed > 0 and chosen.id in ("http.gateway_error", _OF_THE_UPSTREAM, *_OF_THE_SERVER))
            )
        )
    if not comes_and_goes:
        repeated = tries.tried > 1 and (
            probes == tries.tried or (chosen is not None and chosen.layer == "http") or _one_refusal(evidence)
        )
        return Counted(pattern="steady" if repeated else None)
    failed, tried = probes + own_failed, tries.tried + own_failed + own_passed
    low, high = interval(failed, tried)
    words = f"It comes and goes: {failed} of {tried} attempts failed (95 % interval {low:.0%} to {high:.0%})."
    counted = Counter(cause.id for cause, _ in tries.failed)
    main = chosen.id if chosen is not None else tries.most_common()[0].id
    return Counted(
        pattern="intermittent",
        failed=failed,
        tried=tried,
        words=words,
        because=(Because(observation="attempts", fact=f"{words} {tries.where}".strip()),),
        others=tuple(
            (identity, f"{number} of the attempts ended so") for identity, number in counted.items() if identity != main
        ),
    )


def _one_refusal(evidence: Evidence) -> bool:
    """Whether requests without a key were all refused in the words that the SDK's own was refused in: then no key changes it."""
    own = {_said(failed.answer) for _, failed in evidence.of(SdkFailed) if failed.answer is not None}
    met = {_said(answer) for o, answer in evidence.of(HttpAnswer, "http") if o.changed is None}
    return len(own) == 1 and own == met


def _said(answer: HttpAnswer) -> tuple[int, str | None, str | None]:
    error = answer.body.error
    return answer.status, error.code if error else None, error.message if error else None


def tally(evidence: Evidence, find: Find) -> Tally:
    """Attempts of the path and requests of the SDK, and how many of each failed before the API; by the rules of `count`."""
    tries = attempted(evidence, find)
    own = own_requests(evidence)
    return Tally(
        path_failed=len(tries.failed),
        path_tried=tries.tried,
        own_failed=len(own.failed),
        own_tried=len(own.failed) + len(own.passed),
    )


_NOT_A_STEP = ("tls.client_certificate_required", "tcp.path_mtu", "tcp.ipv6_broken", "proxy.bypassed")
"""Causes that no attempt without a key or a body can show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRequests:
    """The SDK's own requests: those that failed before the API, by its own failure or by its limit, and those that were answered."""

    failed: tuple[Observation, ...]
    passed: tuple[Observation, ...]

    @property
    def again(self) -> bool:
        """Whether any was made more than once."""
        return any(AGAIN in o.id or o.id.endswith(_SECOND) for o in (*self.failed, *self.passed))

    @property
    def alike(self) -> bool:
        """Whether, made more than once, each kind of request ended the same way each time, and the two kinds did not."""
        failed, passed = (
            {o.id.partition(AGAIN)[0].removesuffix(_SECOND) for o in some} for some in (self.failed, self.passed)
        )
        return self.again and bool(failed) and not failed & passed


_SECOND = ".second"

_REFUSALS = (401, 403, 404)

AGAIN = ".again"
"""In the ids of the SDK's requests that were made once more."""


def own_requests(evidence: Evidence) -> OwnRequests:
    """Sort the SDK's own requests.

    That one was told to slow down is a failure where another one got its answer, and so is a refusal of the key or the model where another one of
    the same kind, whole or streamed, got it.
    """
    failed: list[Observation] = []
    passed: list[Observation] = []
    served = {o.outcome.stream for o in evidence.observations if isinstance(o.outcome, SdkAnswered)}
    broken = repeat_that_broke_off(evidence)
    first_failed = stream_failed(evidence) is not None
    for observation in evidence.observations:
        outcome = observation.outcome
        if observation is broken and AGAIN not in observation.id:
            failed.append(observation)
            continue
        if observation.id.endswith(_SECOND) and first_failed and getattr(outcome, "completed", False):
            # Of two streams at a time one broke off: which one of them was the first is chance.
            passed.append(observation)
            continue
        if observation.changed is not None and AGAIN not in observation.id:
            continue
        if isinstance(outcome, SdkAnswered):
            cut = outcome.stream and outcome.shape == "stream" and not outcome.completed
            (failed if cut else passed).append(observation)
        elif isinstance(outcome, SdkFailed):
            answer = outcome.answer
            answered = answer is not None and answer.status < 500 and is_api_answer(evidence, answer)
            status = answer.status if answer is not None else None
            of_some = (status == 429 and served) or (status in _REFUSALS and outcome.stream in served)
            (passed if answered and not of_some else failed).append(observation)
        elif isinstance(outcome, Stopped) and observation.probe == "sdk":
            failed.append(observation)
    return OwnRequests(failed=tuple(failed), passed=tuple(passed))


def _address(evidence: Evidence) -> str:
    """The address at which an attempt ended."""
    last: Observation | None = next((o for o in reversed(evidence.observations) if hasattr(o.outcome, "address")), None)
    return str(getattr(last.outcome, "address", "") or "") if last else ""
