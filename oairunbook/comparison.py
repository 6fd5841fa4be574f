"""Two records side by side: the first difference along the path. Pure, like the diagnosis.

Two results can be compared only while key scope, model, endpoint and runtime variables are the same; a difference in one of them would
explain every other difference. Whoever asks about exactly that difference names it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Literal

from oairunbook.diagnose import diagnose
from oairunbook.diagnose.catalogue import LAYERS
from oairunbook.evidence import (
    ClientBuilt,
    ClientRefused,
    Connected,
    ConnectFailed,
    DnsAnswer,
    DnsNoAnswer,
    Evidence,
    HttpAnswer,
    HttpFailed,
    Layer,
    LocalResources,
    NotTried,
    Observation,
    Outcome,
    ProxyAnswered,
    ProxyFailed,
    Resolved,
    ResolveFailed,
    SdkAnswered,
    SdkFailed,
    Stopped,
    TlsFailed,
    TlsHandshake,
    ToolFailed,
    TunnelOpened,
)
from oairunbook.proof import KEY_SCOPE, NOT_TAKEN, circumstances_of, conditions_of
from oairunbook.records import dataclass
from oairunbook.verdict import Verdict

COMPARISON_SCHEMA = "oairunbook.comparison/1"

GROUPS = {
    "runtime": ("host", "platform", "region", "interpreter", "user"),
    "endpoint": ("base URL", "API version", "route"),
}
"""Names that stand for several variables. `variables` stands for every environment variable."""

_ALL_SETTINGS = "variables"
_TOLD_BY_CONDITIONS = frozenset(
    (
        *("OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION", "AZURE_OPENAI_DEPLOYMENT"),
        *("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"),
    )
)
"""Environment variables whose effect is a condition of its own already."""

Difference = Literal["none", "fact", "outcome", "unknown"]
"""`fact`: it ended alike and something in it differs (addresses, issuer). `unknown`: one of the records did not look there."""


class IncomparableError(ValueError):
    """The records differ in what must be the same. The text names each variable and how to ask about it all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable in both records."""

    name: str
    first: str
    second: str

    @property
    def same(self) -> bool:
        """Whether both records agree, and say enough to tell."""
        return self.first == self.second and NOT_TAKEN not in self.first


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One layer of one record."""

    outcome: str
    """How it ended, without what may differ from place to place; empty if it was not looked at."""

    facts: str = ""
    seconds: float | None = None
    """The longest of its steps; None if it was not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One layer in both records."""

    layer: Layer
    first: Side
    second: Side
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two records that may be compared have in common, and where they part."""

    statement: str
    first_difference: Layer | None
    """The first layer that ended differently; None if none did."""

    conditions: tuple[Variable, ...]
    despite: tuple[str, ...]
    """Conditions that differ, and that the caller asked about."""

    steps: tuple[Step, ...]
    circumstances: tuple[Variable, ...]
    """What else differs, and so may be the reason."""

    verdicts: tuple[Verdict, Verdict]
    decided: bool
    """Whether the records suffice to say that they differ, or that they do not."""

    schema: str = COMPARISON_SCHEMA

    @property
    def exit_status(self) -> int:
        """0: both ended alike at every layer; 1: they differ; 3: one of them did not look far enough to tell."""
        if not self.decided:
            return 3
        return 0 if self.first_difference is None and self.verdicts[0].cause == self.verdicts[1].cause else 1


def compare(first: Evidence, second: Evidence, despite: Iterable[str] = ()) -> Comparison:
    """Compare two records, layer by layer in the order in which a request meets them.

    Args:
        first: A record.
        second: Another one, not necessarily later or from the same runtime.
        despite: Conditions that may differ: their names, those of *GROUPS*, `variables`, or environment variables.

    Raises:
        IncomparableError: A condition differs that *despite* does not name, or *despite* names none that there is.
    """
    conditions = _conditions(first, second)
    asked = _resolve(tuple(despite), conditions)
    differing = [variable for variable in conditions if not variable.same]
    refused = [variable for variable in differing if variable.name not in asked]
    if refused:
        raise IncomparableError(_refusal(refused))
    steps = tuple(_step(layer, first, second) for layer in LAYERS if layer != "browser")
    verdicts = (diagnose(first), diagnose(second))
    place = next((step for step in steps if step.difference in ("outcome", "unknown")), None)
    pasted = any(o.probe == "pasted" for o in (*first.observations, *second.observations))
    decided = not pasted and (place is None or place.difference == "outcome")
    found = place.layer if place is not None and decided else None
    return Comparison(
        statement=_statement(steps, place, verdicts, pasted=pasted),
        first_difference=found,
        conditions=conditions,
        despite=tuple(variable.name for variable in differing),
        steps=steps,
        circumstances=tuple(
            variable
            for variable in _paired(circumstances_of(first), circumstances_of(second))
            # Each environment variable is a condition of its own here.
            if variable.name != "settings" and variable.first != variable.second
        ),
        verdicts=verdicts,
        decided=decided,
    )


def _conditions(first: Evidence, second: Evidence) -> tuple[Variable, ...]:
    """What must be the same, and each environment variable that is not."""
    settings = [{s.source: s.value or "set and empty" for s in record.route.settings} for record in (first, second)]
    names = sorted({*settings[0], *settings[1]} - _TOLD_BY_CONDITIONS)
    pairs = [
        Variable(name=name, first=settings[0].get(name, "not set"), second=settings[1].get(name, "not set"))
        for name in names
    ]
    return (*_paired(conditions_of(first), conditions_of(second)), *(pair for pair in pairs if not pair.same))


def _paired(first: Sequence[tuple[str, str]], second: Sequence[tuple[str, str]]) -> tuple[Variable, ...]:
    return tuple(
        Variable(name=name, first=one, second=other) for (name, one), (_, other) in zip(first, second, strict=True)
    )


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("-", " ").replace("_", " ").split())


def _resolve(despite: Sequence[str], conditions: Sequence[Variable]) -> set[str]:
    """Names as they were given, as names of conditions."""
    known = {_plain(variable.name): (variable.name,) for variable in conditions} | GROUPS
    known[_ALL_SETTINGS] = tuple(variable.name for variable in conditions if _is_setting(variable.name))
    asked: set[str] = set()
    for name in despite:
        if _plain(name) in known:
            asked.update(known[_plain(name)])
        elif not _is_setting(name):
            there = ", ".join((*GROUPS, _ALL_SETTINGS, *(_option(variable.name) for variable in conditions)))
            raise IncomparableError(f"There is no variable {name!r} to compare despite of. There are: {there}.")
    return asked


def _is_setting(name: str) -> bool:
    """Whether it is the name of an environment variable."""
    return " " not in name and ("_" in name or name.isupper())


def _option(name: str) -> str:
    return name if _is_setting(name) else _plain(name).replace(" ", "-")


def _refusal(refused: Sequence[Variable]) -> str:
    # That both say nothing is no difference, and no agreement either.
    silent = [variable for variable in refused if variable.first == variable.second]
    told = [variable for variable in refused if variable not in silent]
    ways = []
    left = {variable.name for variable in refused}
    for group, members in GROUPS.items():
        if len(left & set(members)) > 1:
            left -= set(members)
            ways.append(f"--despite {group}")
    settings = {name for name in left if _is_setting(name)}
    if len(settings) > 1:
        left -= settings
        ways.append(f"--despite {_ALL_SETTINGS}")
    # The name of a variable comes from a record that somebody else may have made, and this line is pasted into a shell.
    ways += [f"--despite {shlex.quote(_option(variable.name))}" for variable in refused if variable.name in left]
    # Behind an @ stands the place whose fingerprints they are.
    blind = any(
        NOT_TAKEN in variable.first + variable.second
        or (variable.name == KEY_SCOPE and variable.first.partition("@")[2] != variable.second.partition("@")[2])
        for variable in told
    )
    parts = []
    if told:
        named = "; ".join(f"{v.name} ({v.first or 'empty'} against {v.second or 'empty'})" for v in told)
        parts.append(f"These records cannot be compared while they differ in {named}.")
    if blind:
        parts.append("Two keys can be told apart only by the fingerprints of one archive (--archive) and of one place.")
    if silent:
        begin = "Nor can they be compared" if told else "These records cannot be compared"
        parts.append(
            f"{begin} while neither tells its {' or its '.join(v.name for v in silent)}: a record holds a fingerprint of its key only where "
            "an archive was named (--archive), and only two of one archive can be compared."
        )
    parts.append("Any difference between them could come from that.")
    again = "with the same --archive DIR (oairunbook check --archive DIR --json FILE)" if silent else "that agree"
    asked = (
        "or, if you know that it is the same in both"
        if silent and not told
        else "or, if that difference is what you ask about"
    )
    parts.append(f"Next: make two records {again}; {asked}: {' '.join(ways)}")
    return " ".join(parts)


# -- layers -------------------------------------------------------------------------------------------------------


def _step(layer: Layer, first: Evidence, second: Evidence) -> Step:
    one, other = side(layer, first), side(layer, second)
    return Step(layer=layer, first=one, second=other, difference=_difference(layer, one, other))


NO_PROXY = "no proxy in play"
"""How the proxy's layer ends where there is none."""


def _difference(layer: Layer, one: Side, other: Side) -> Difference:
    if one.outcome == other.outcome:
        return "none" if one.facts == other.facts else "fact"
    if layer == "proxy" and NO_PROXY in (one.outcome, other.outcome):
        # That one of them has a proxy is told by its conditions; here it counts only if the proxy failed.
        return "outcome" if any("failed" in side.outcome for side in (one, other)) else "fact"
    return "outcome" if one.outcome and other.outcome else "unknown"


def side(layer: Layer, evidence: Evidence) -> Side:
    """How one layer ended in a record, on the path itself: counter-tests and repeated attempts are left out."""
    if layer == "proxy" and not evidence.route.proxy.url:
        return Side(outcome=NO_PROXY)
    own = [o for o in evidence.observations if o.layer == layer and o.changed is None and o.attempt == 1]
    told = [(o, digest) for o in own if (digest := _digest(o)) is not None]
    outcomes = sorted({outcome for _, (outcome, _) in told if outcome})
    facts = sorted({fact for _, (_, fact) in told if fact})
    return Side(
        outcome=", ".join(outcomes),
        facts="; ".join(facts),
        seconds=max((o.seconds for o, _ in told), default=None),
    )


def _digest(observation: Observation) -> tuple[str, str] | None:
    """How one step ended, and the facts in it that may differ while it ends alike; None if it was not looked at."""
    outcome: Outcome = observation.outcome
    match outcome:
        case NotTried(reason=reason) if "host is an address" in reason:
            return "not needed, the host is an address", ""
        case NotTried() | ToolFailed():
            return None
        case Stopped():
            return "no answer in time", ""
        case LocalResources():
            return (f"failed, {_last(outcome.socket_errors)}" if outcome.socket_errors else "worked"), ""
        case ClientBuilt():
            roots = "roots loaded on demand" if outcome.roots is None else f"{outcome.roots} roots trusted"
            return "worked", f"{outcome.client}, {roots}"
        case ClientRefused():
            return f"{outcome.stage} failed, {_last(outcome.errors)}", ""
        case Resolved():
            return "resolved", f"addresses {', '.join(sorted(outcome.addresses))}"
        case ResolveFailed():
            return f"failed, {_last(outcome.errors)}", ""
        case DnsAnswer():
            # How the name servers answered explains the system's answer; the system's is the outcome.
            return "", "name server: " + ", ".join(f"{reply.rdtype} {reply.rcode}" for reply in outcome.replies)
        case DnsNoAnswer():
            return "", f"name server: {outcome.ended}"
        case Connected():
            return "connected", ""
        case ConnectFailed():
            return f"failed, {_last(outcome.errors)}", ""
        case TunnelOpened():
            return "tunnel opened", ""
        case ProxyAnswered():
            return f"failed, refused with {outcome.status}", ""
        case ProxyFailed():
            return f"failed, {outcome.phase} ended by {outcome.ended}", ""
        case TlsHandshake():
            issuer = outcome.chain[0].issuer if outcome.chain else "not shown"
            return "verified", f"{outcome.version}, issuer {issuer}"
        case TlsFailed():
            code = f"verify code {outcome.verify_code}" if outcome.verify_code is not None else ""
            alert = f"alert {outcome.alert}" if outcome.alert else ""
            return f"failed, {code or alert or _last(outcome.errors)}", (
                f"issuer {outcome.chain[0].issuer}" if outcome.chain else ""
            )
        case HttpAnswer():
            return f"answered {outcome.status}", f"server {outcome.header('server') or 'not named'}"
        case HttpFailed():
            return f"failed, {outcome.phase} ended by {outcome.ended}", ""
        case SdkAnswered():
            whole = "" if outcome.completed and outcome.body is None else ", not a whole API answer"
            return f"{'stream' if outcome.stream else 'request'} answered {outcome.status}{whole}", ""
        case SdkFailed(answer=HttpAnswer() as answer):
            error = answer.body.error
            code = (error.code or error.type or "") if error else answer.body.shape
            return f"{'stream' if outcome.stream else 'request'} answered {answer.status} {code}".rstrip(), ""
        case SdkFailed():
            return f"{'stream' if outcome.stream else 'request'} failed, no answer", _last(outcome.errors)
    return "given", ""


def _last(errors: tuple[object, ...]) -> str:
    """The number that tells most, else the class of the innermost error."""
    names = [name for error in errors if (name := getattr(error, "errno_name", None))]
    return str(names[-1] if names else getattr(errors[-1], "type", "no error text") if errors else "no error text")


# -- words --------------------------------------------------------------------------------------------------------


def _statement(steps: Sequence[Step], place: Step | None, verdicts: tuple[Verdict, Verdict], *, pasted: bool) -> str:
    if pasted:
        return "Undecided: pasted evidence shows an exception or an answer, and not the path that led to it."
    if place is not None and place.difference == "unknown":
        silent = "first" if not place.first.outcome else "second"
        other = place.second if silent == "first" else place.first
        return (
            f"Undecided: alike up to {place.layer}, where the {silent} record did not look; the other says: {other.outcome}. "
            "Make that record again, with a larger budget."
        )
    before = [step.layer for step in steps if step.difference == "fact" and (place is None or _before(step, place))]
    facts = f" Facts that differ before it: {', '.join(before)}." if before and place else ""
    if place is not None:
        return f"The first difference is at {place.layer}: {place.first.outcome} in the first record, {place.second.outcome} in the second.{facts}"
    if verdicts[0].cause != verdicts[1].cause:
        return (
            f"One pass along the path ends alike, and the verdicts differ: {_judged(verdicts[0])} in the first record, "
            f"{_judged(verdicts[1])} in the second. Look at the repeated attempts."
        )
    also = f" Facts that differ all the same: {', '.join(before)}." if before else ""
    return f"No difference: both records end alike at every layer ({_judged(verdicts[0])}).{also}"


def _before(step: Step, place: Step) -> bool:
    return LAYERS.index(step.layer) < LAYERS.index(place.layer)


def _judged(verdict: Verdict) -> str:
    count = f", {verdict.failed} of {verdict.tried} attempts failed" if verdict.tried is not None else ""
    return f"{verdict.cause}{count}"
