"""Judging what was pasted: the deepest evidence decides, not the outermost class name.

Text alone rarely proves: a dead proxy and a dead endpoint raise the same chain to the last word. What an API answer says by its code is proven;
what only fits best is likely; what the text leaves open is `unknown`, with the owner that the route gives and with what is missing.

`signs/` holds the words that show a cause, `errors.py` and `answers.py` judge one observation each, `decide.py` weighs them, `together.py` joins
the verdict with that of a check.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from oairunbook.diagnose.catalogue import LAYERS, NO_KEY_ADVICE, Cause, do_nots, owner_of, steps
from oairunbook.diagnose.pasted import fetch
from oairunbook.diagnose.pasted.decide import decide, undecided
from oairunbook.diagnose.pasted.together import combine
from oairunbook.evidence import Evidence, Family, Route
from oairunbook.verdict import Also, Owner, Verdict

__all__ = ["combine", "judge", "split"]


def split(evidence: Evidence) -> tuple[Evidence | None, Evidence | None]:
    """What probes saw and what was pasted, as two records; None where there is nothing of the kind."""
    probed = tuple(o for o in evidence.observations if o.probe != "pasted")
    text = tuple(o for o in evidence.observations if o.probe == "pasted")
    if not text:
        return evidence, None
    return (
        dataclasses.replace(evidence, observations=probed) if probed else None,
        dataclasses.replace(evidence, observations=text),
    )


_BY_RULE = {
    "connection_path": "No answer is shown: until more is, the connection path owns it, whatever the cause.",
    "route_provider": "No answer is shown: until more is, the provider of this route owns it, whatever the cause.",
}


def _owner(cause: Cause, route: Route) -> Owner:
    """The owner rule; where the route is undecided, only what it says of every route."""
    families: tuple[Family, ...] = ("direct", "gateway") if undecided(route) else (route.family,)
    owners = {owner_of(cause, family, control_shows_the_same=None) for family in families}
    return owners.pop() if len(owners) == 1 else "unknown"


def judge(evidence: Evidence, catalogue: Mapping[str, Cause]) -> Verdict:
    """The verdict on what was pasted alone."""
    decision = decide(evidence)
    asked = (fetch.ROUTE, *decision.missing) if undecided(evidence.route) else decision.missing
    cause, finding = catalogue[decision.cause], decision.finding
    if cause.id == "unknown":
        return Verdict(
            owner=decision.owner or "unknown",
            layer=None,
            cause="unknown",
            certainty=None,
            pattern=None,
            summary=" ".join(
                part
                for part in (
                    cause.meaning,
                    finding.because[0].fact if finding else "The text shows no failure of a call to the API.",
                    _BY_RULE.get(decision.owner or "", ""),
                )
                if part
            ),
            because=finding.because if finding else (),
            next=tuple(how for _, how in asked),
            do_not=() if decision.owner in ("quota_or_rate", "auth") else (NO_KEY_ADVICE,),
            also=tuple(Also(cause=identity, why=why) for identity, why in finding.also) if finding else (),
            missing=tuple(what for what, _ in asked),
        )
    assert finding is not None
    owner = decision.owner or _owner(cause, evidence.route)
    before_api = cause.layer is not None and LAYERS.index(cause.layer) < LAYERS.index("api")
    missing = tuple(what for what, _ in asked)
    if owner == "route_provider" and cause.owner is None:
        missing += (
            "a control test of the direct route from the same runtime: until it shows the same symptom, the route's provider owns this",
        )
    if before_api and cause.layer != "client":
        missing += (fetch.CHECK[0],)
    return Verdict(
        owner=owner,
        layer=cause.layer,
        cause=cause.id,
        certainty=finding.certainty,
        pattern=None,
        summary=f"{cause.meaning} Seen: {finding.because[0].fact}",
        because=finding.because,
        next=(*finding.next, *steps(cause, evidence)),
        do_not=do_nots(cause),
        also=tuple(Also(cause=identity, why=why) for identity, why in finding.also),
        missing=missing,
    )
