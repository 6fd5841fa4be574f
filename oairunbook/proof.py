"""Whether a request that succeeds now proves the fix of one that failed. Pure, like the diagnosis.

A success proves a fix only if nothing else differs: same runtime, base URL, key scope, model and network path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence

NOT_TAKEN = "fingerprint not taken"
"""Stands where a record cannot tell one key from another: it was made without an archive."""

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
class Proof:
    """What the attempts prove."""

    proved: bool
    statement: str
    succeeded: int
    tried: int
    conditions: tuple[Compared, ...]
    """What must be the same; empty without a failing record."""

    changes: tuple[Compared, ...]
    """What differs besides, and so may be the fix."""


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
    if any(observation.probe == "pasted" for observation in failing.observations):
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
    else:
        proved = True
        statement = (
            f"Proved: {count} from the same runtime, base URL, key scope, model and path where it was {cause} before."
        )
    return Proof(
        proved=proved, statement=statement, succeeded=succeeded, tried=tried, conditions=conditions, changes=changes
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
        ("base URL", route.base_url.value),
        ("API version", route.api_version.value if route.api_version else "none"),
        ("key scope", f"key {key.fingerprint or NOT_TAKEN}" if key.present else "no key"),
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
