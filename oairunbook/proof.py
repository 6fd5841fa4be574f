"""Whether a request that succeeds now proves the fix of one that failed. Pure, like the diagnosis.

A success proves a fix only if nothing else differs: same runtime, base URL, key scope, model and network path. And a fault that came and
went may only be away for a moment: it takes so many successes that the earlier failure rate would have shown in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

from oairunbook.diagnose import diagnose, tally
from oairunbook.diagnose.pattern import interval
from oairunbook.evidence import Evidence
from oairunbook.records import dataclass

NOT_TAKEN = "fingerprint not taken"
"""Stands where a record cannot tell one key from another: it was made without an archive."""

KEY_SCOPE = "key scope"

STEADY_ATTEMPTS = 3
"""What it takes after a fault that failed each time; one success could be the one before the next failure."""

_RISK = 0.05

_Variables = Callable[[Evidence], tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One variable in both records."""

    name: str
    failing: str
    now: str

    @property
    def same(self) -> bool:
        """Whether both records agree, and say enough to tell."""
        return self.failing == self.now and NOT_TAKEN not in self.failing


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """How many successes exclude the earlier failure rate at 95 %."""

    attempts: int
    of: Literal["path", "sdk"]
    """What is counted: attempts of the path, most of them without credentials, or only the SDK's own requests, where only those failed."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the attempts prove."""

    proved: bool
    statement: str
    succeeded: int
    tried: int
    """Same-path tests; each makes several attempts of the path."""

    conditions: tuple[Compared, ...]
    """What must be the same; empty without a failing record."""

    changes: tuple[Compared, ...]
    """What differs besides, and so may be the fix."""

    needed: Needed | None = None
    """How many attempts it takes; None without a failing record."""

    counted: int = 0
    """How many attempts of that kind were made."""


def needed(failing: Evidence) -> Needed:
    """How many attempts have to succeed before the earlier failure rate is excluded at 95 %.

    With the lower bound p of that rate it is the smallest n with (1 - p)^n <= 0.05. After a steady fault it is a few.
    """
    verdict, seen = diagnose(failing), tally(failing)
    own = not seen.path_failed and (verdict.layer == "api" or seen.own_failed > 0)
    of: Literal["path", "sdk"] = "sdk" if own else "path"
    if verdict.pattern != "intermittent" or not verdict.failed or not verdict.tried:
        return Needed(attempts=STEADY_ATTEMPTS, of=of, why="the fault was not seen to come and go")
    failed, tried = (seen.own_failed, seen.own_tried) if own and seen.own_failed else (verdict.failed, verdict.tried)
    low, _ = interval(failed, tried)
    attempts = math.ceil(math.log(_RISK) / math.log1p(-low))
    return Needed(
        attempts=max(STEADY_ATTEMPTS, attempts),
        of=of,
        why=f"{failed} of {tried} failed then, at least {low:.1%} (95 % interval), and (1 - {low:.3f})^{attempts} <= {_RISK}",
    )


def prove(attempts: tuple[Evidence, ...], failing: Evidence | None) -> Proof:
    """Compare the attempts with the failing record.

    Args:
        attempts: At least one record of now, in their order.
        failing: The record of the failure; None if there is none, and then nothing is proved.
    """
    succeeded = sum(diagnose(attempt).cause == "ok" for attempt in attempts)
    tried = len(attempts)
    count = f"{succeeded} of {tried} {'attempt' if tried == 1 else 'attempts'} succeeded"
    if failing is None:
        healthy = "The path works now" if succeeded == tried else "The path does not work now"
        statement = f"{healthy}: {count}. That it was fixed is not proved: no failing record was given to compare with."
        return Proof(proved=False, statement=statement, succeeded=succeeded, tried=tried, conditions=(), changes=())
    conditions = _compared(failing, attempts[-1], conditions_of)
    changes = tuple(c for c in _compared(failing, attempts[-1], circumstances_of) if not c.same)
    cause = diagnose(failing).cause
    differing = [c.name for attempt in attempts for c in _compared(failing, attempt, conditions_of) if not c.same]
    enough = needed(failing)
    tallies = [tally(attempt) for attempt in attempts]
    own_tried = sum(one.own_tried for one in tallies)
    counted = own_tried + (sum(one.path_tried for one in tallies) if enough.of == "path" else 0)
    failed = sum(one.own_failed + one.path_failed for one in tallies)
    what = "attempts of the path" if enough.of == "path" else "requests of the SDK"
    if all(observation.probe == "pasted" for observation in failing.observations):
        proved, statement = (
            False,
            f"Not proved: {count}, but the failing evidence was pasted: where it failed is not in it.",
        )
    elif cause == "ok":
        proved, statement = False, "Not proved: the record given as failing shows no failure."
    elif succeeded < tried:
        proved, statement = False, f"Not proved: {count}. Then it was {cause}; now it is {_causes(attempts)}."
    elif differing:
        proved = False
        statement = (
            f"Not proved: {count}, but not by the same request. These differ: {', '.join(dict.fromkeys(differing))}."
        )
    elif failed:
        proved = False
        statement = f"Not proved: {count}, but {failed} of the {counted} {what} in them failed. Then it was {cause}."
    elif counted < enough.attempts:
        proved = False
        statement = (
            f"Not proved yet: {count}, with {counted} {what} and no failure, and it takes {enough.attempts}: {enough.why}. "
            "Next: oairunbook verify, which makes as many as it takes."
        )
    else:
        proved = True
        statement = (
            f"Proved: {count} from the same runtime, base URL, key scope, model and path where it was {cause} before; "
            f"{counted} {what} without a failure, and it took {enough.attempts}: {enough.why}."
        )
    return Proof(
        proved=proved,
        statement=statement,
        succeeded=succeeded,
        tried=tried,
        conditions=conditions,
        changes=changes,
        needed=enough,
        counted=counted,
    )


def conditions_of(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """The variables that must be equal before two records are about the same request."""
    route, runtime, key = evidence.route, evidence.runtime, evidence.route.credential
    return (
        ("host", runtime.host),
        ("platform", ", ".join(runtime.platforms) or "none shown"),
        ("region", runtime.region or "none shown"),
        ("interpreter", runtime.executable),
        ("user", runtime.user),
        # The SDK adds a slash where there is none.
        ("base URL", route.base_url.value.rstrip("/")),
        ("API version", route.api_version.value if route.api_version else "none"),
        (KEY_SCOPE, f"key {key.fingerprint or NOT_TAKEN}" if key.present else "no key"),
        ("organization and project", _settings(evidence, ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"))),
        ("model", route.model.value if route.model else "none named"),
        ("route", route.family),
        ("network path", f"through {route.proxy.url}" if route.proxy.url else "without a proxy"),
        ("practice", evidence.practice or "no"),
    )


def circumstances_of(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """What may change between failure and fix, and may be the fix."""
    route, runtime = evidence.route, evidence.runtime
    return (
        ("SDK", route.sdk or "none"),
        ("transport", route.transport or "none"),
        ("packages", ", ".join(runtime.packages)),
        ("Python", runtime.python),
        ("Node.js", runtime.nodejs or "none"),
        ("OpenSSL", runtime.openssl),
        ("system", runtime.system),
        ("trust store", f"{route.trust.origin} {route.trust.path or ''}".strip()),
        ("name servers", ", ".join(server.address for server in route.resolver.name_servers)),
        ("hosts file", ", ".join(route.resolver.hosts_file_addresses)),
        ("proxy rule", route.proxy.rule),
        (
            "settings",
            "; ".join(sorted(f"{setting.source}={setting.value}" for setting in route.settings)) or "none set",
        ),
        ("addresses", ", ".join(sorted(_addresses(evidence)))),
    )


def _compared(failing: Evidence, now: Evidence, of: _Variables) -> tuple[Compared, ...]:
    return tuple(
        Compared(name=name, failing=before, now=after)
        for (name, before), (_, after) in zip(of(failing), of(now), strict=True)
    )


def _settings(evidence: Evidence, names: tuple[str, ...]) -> str:
    found = [f"{setting.source}={setting.value}" for setting in evidence.route.settings if setting.source in names]
    return "; ".join(sorted(found)) or "none set"


def _addresses(evidence: Evidence) -> Iterator[str]:
    for observation in evidence.observations:
        outcome = observation.outcome
        if outcome.kind == "resolved" and observation.layer == "dns":
            yield from outcome.addresses


def _causes(attempts: tuple[Evidence, ...]) -> str:
    return ", ".join(dict.fromkeys(diagnose(attempt).cause for attempt in attempts))
