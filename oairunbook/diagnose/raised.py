"""What an application's own call showed when it failed, alone or with the test that was made right after it."""

from __future__ import annotations

import dataclasses

from oairunbook.diagnose.catalogue import LAYERS
from oairunbook.evidence import Evidence, SdkFailed
from oairunbook.verdict import Also, Because, Verdict

_PROBE = "application"
_TEST = (
    "the same-path test from that runtime: oairunbook check there, or oairunbook.observe(test=True) in the application"
)


def split(evidence: Evidence) -> tuple[Evidence | None, Evidence | None]:
    """What the application's own call left, and what a test saw, as two records; None where there is nothing of the kind."""
    own = tuple(o for o in evidence.observations if o.probe == _PROBE)
    if not own:
        return None, evidence
    tested = tuple(o for o in evidence.observations if o.probe != _PROBE)
    client = tuple(o for o in tested if o.id == "client.sdk")
    return (
        dataclasses.replace(evidence, observations=(*client, *own)),
        dataclasses.replace(evidence, observations=tested) if len(tested) > len(client) else None,
    )


def alone(own: Evidence, verdict: Verdict) -> Verdict:
    """The verdict on one failed call. How an exchange broke off is seen once, from above TLS, and without any counter-test."""
    answered = any(failed.answer is not None for _, failed in own.of(SdkFailed))
    if verdict.layer == "http" and not answered and verdict.certainty == "proven":
        verdict = dataclasses.replace(verdict, certainty="likely")
    if verdict.layer in (None, "client", "api", "browser"):
        return verdict
    return dataclasses.replace(verdict, missing=(*verdict.missing, _TEST))


def together(own: Verdict, tested: Verdict, passed: int) -> Verdict:
    """One verdict of both. Where the test fails as well, it saw more; where it passes, the call has failed all the same.

    Args:
        own: Of the application's call.
        tested: Of the test right after it.
        passed: Attempts of the test that passed.
    """
    said = own.because[0] if own.because else Because(observation=_PROBE, fact="it failed, and shows no reason")
    first = Because(observation=said.observation, fact=f"the application's own call failed first: {said.fact}")
    if tested.cause == "ok":
        return _passes_now(own, tested, passed)
    if tested.cause == "unknown":
        return dataclasses.replace(own, missing=(*own.missing, *tested.missing))
    if own.layer == "api" and tested.layer in ("api", "client"):
        # The answer to the application's own request is what counts for that request.
        also = () if tested.cause == own.cause else (Also(cause=tested.cause, why=_why(tested)),)
        return dataclasses.replace(own, because=(*own.because, *tested.because), also=(*own.also, *also))
    also = () if own.cause in (tested.cause, "unknown") else (Also(cause=own.cause, why=first.fact),)
    return dataclasses.replace(tested, because=(*tested.because, first), also=(*tested.also, *also))


def _passes_now(own: Verdict, tested: Verdict, passed: int) -> Verdict:
    """The call has failed, and the test right after it passed."""
    now = tuple(
        Because(observation=item.observation, fact=f"right after it a test passed: {item.fact}")
        for item in tested.because
    )
    found = dataclasses.replace(own, because=(*own.because, *now))
    on_the_path = own.layer is not None and own.layer != "client" and LAYERS.index(own.layer) < LAYERS.index("api")
    if not on_the_path:
        return found
    return dataclasses.replace(
        found,
        certainty="likely",
        pattern="intermittent",
        failed=1,
        tried=1 + passed,
        summary=f"{own.summary} It comes and goes, or only the application's own request meets it: a test right after it passed.",
        next=(
            *own.next,
            "Let it be tested often enough to fail again: oairunbook check --repeat 200 from this runtime, or --idle 300.",
        ),
        missing=tuple(item for item in own.missing if item != _TEST),
    )


def _why(verdict: Verdict) -> str:
    return verdict.because[0].fact if verdict.because else verdict.summary
