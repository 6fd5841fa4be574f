"""What the control test of the direct route says about the owner (owner rule 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from oairunbook.diagnose.catalogue import Cause, Finding
from oairunbook.diagnose.parts import attempts, control
from oairunbook.diagnose.reading import answers, cite
from oairunbook.evidence import Connected, ConnectFailed, Evidence
from oairunbook.records import dataclass
from oairunbook.verdict import Because

_ALIKE: tuple[frozenset[str], ...] = (
    # The control is walked once, without counter-tests: what they would tell apart looks the same there.
    frozenset(("tls.untrusted_issuer", "tls.self_signed", "tls.incomplete_chain")),
    frozenset(("tls.reset", "tcp.reset", "tls.protocol_mismatch", "tls.not_tls")),
    frozenset(("tls.timeout", "tcp.path_mtu")),
    frozenset(("tls.expired", "tls.not_yet_valid", "tls.clock_skew")),
    frozenset(("http.reset", "http.disconnected", "http.truncated")),
    frozenset(("dns.servfail", "dns.refused")),
)
_UNDECIDED = "until a control test of the direct route shows the same symptom, the route's provider owns this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The control beside the route."""

    shows_the_same: bool | None
    """None if there was no control, or it came to no end."""

    because: tuple[Because, ...] = ()
    missing: tuple[str, ...] = ()
    answered: bool = False
    """Whether the control was answered: then there is a way off this machine."""


def compare(evidence: Evidence, cause: Cause, find: Callable[[Evidence], list[tuple[Cause, Finding]]]) -> Compared:
    """Whether the direct route from this runtime shows the same symptom."""
    if evidence.route.family == "direct":
        return Compared(shows_the_same=None)
    other = control(evidence)
    if other is None:
        return Compared(shows_the_same=None, missing=(f"no control test was made: {_UNDECIDED}",))
    again = [_on_the_path(one, find) for one in attempts(other)]
    other = replace(other, observations=tuple(o for o in other.observations if o.attempt == 1))
    found = _on_the_path(other, find)
    host = other.route.host
    alike = next((f for f, *_ in filter(None, again) if _same(f[0], cause)), None)
    if alike is not None and not found:
        said = f"{len(again)} more control tests of {host} were made, until one showed {alike[0].id}: {alike[1].because[0].fact}"
        return Compared(shows_the_same=True, because=(Because(observation="attempts", fact=said),))
    if found:
        seen, finding = found[0]
        same = _same(seen, cause) or cause.id in _of_either_family(other, find)
        reason = finding.because[0]
        fact = Because(
            observation=f"control.{reason.observation}",
            fact=f"the control test of {host} shows {seen.id}: {reason.fact}",
        )
        if same:
            return Compared(shows_the_same=True, because=(fact,))
        missing = f"the control test failed otherwise ({seen.id}), which does not clear the local path: {_UNDECIDED}"
        return Compared(shows_the_same=False, because=(fact,), missing=(missing,))
    for observation, answer, _ in answers(other):
        more = f", and so it was {len(again)} more times" if again and not any(again) else ""
        said = f"the control test of {host} from this runtime is answered with status {answer.status}{more}"
        fact = cite(observation, said)
        because = (Because(observation=f"control.{fact.observation}", fact=fact.fact),)
        return Compared(shows_the_same=False, because=because, answered=True)
    return Compared(shows_the_same=None, missing=(f"the control test came to no end: {_UNDECIDED}",))


def _on_the_path(one: Evidence, find: Callable[[Evidence], list[tuple[Cause, Finding]]]) -> list[tuple[Cause, Finding]]:
    return [item for item in find(one) if item[0].layer not in ("client", "api", "browser")]


def _same(seen: Cause, cause: Cause) -> bool:
    return seen.id == cause.id or any({seen.id, cause.id} <= group for group in _ALIKE)


def _of_either_family(other: Evidence, find: Callable[[Evidence], list[tuple[Cause, Finding]]]) -> set[str]:
    """Causes that the control's addresses of one family show where none connected: routers tell IPv4 what they keep from IPv6."""
    if any(other.of(Connected)):
        return set()
    shown: set[str] = set()
    for six in (False, True):
        one = [
            o
            for o in other.observations
            if not isinstance(o.outcome, ConnectFailed) or (":" in o.outcome.address) == six
        ]
        found = [item for item in find(replace(other, observations=tuple(one))) if item[0].layer == "tcp"]
        shown.update(cause.id for cause, _ in found[:1])
    return shown
