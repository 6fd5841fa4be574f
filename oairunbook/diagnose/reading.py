"""Questions about evidence that several rules ask."""

from __future__ import annotations

from collections.abc import Iterator

from oairunbook.evidence import (
    ErrorLink,
    Evidence,
    HttpAnswer,
    Observation,
    SdkAnswered,
    SdkFailed,
    Stopped,
)
from oairunbook.verdict import Because


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
    """The SDK's whole minimal request with the application's own key, if it succeeded."""
    for observation, outcome in evidence.of(SdkAnswered):
        if not outcome.stream and outcome.completed and outcome.credential == "own":
            return observation
    return None


def stream_failed(evidence: Evidence) -> Observation | None:
    """The SDK's streamed minimal request, if the transport failed it, it stopped arriving, or it ended without its end mark.

    An API answer that refuses to stream is no failure of the path.
    """
    for observation in evidence.observations:
        outcome = observation.outcome
        if observation.id == "sdk.stream" and isinstance(outcome, Stopped):
            return observation
        if isinstance(outcome, SdkFailed) and outcome.stream and outcome.answer is None:
            return observation
        if isinstance(outcome, SdkAnswered) and outcome.stream and outcome.shape == "stream" and not outcome.completed:
            return observation
    return None


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


def stopped(evidence: Evidence, identity: str) -> Observation | None:
    """The observation of that id, if it was given up."""
    for observation, _ in evidence.of(Stopped):
        if observation.id == identity:
            return observation
    return None


def is_api_answer(evidence: Evidence, answer: HttpAnswer) -> bool:
    """Whether the API application itself (or Azure's, or the gateway's) answered, not an edge in front of it.

    An `error` object alone does not prove it: require a request id, an application header, or a known string code (causes.md, reading rules).
    """
    if answer.body.shape == "api_object":
        return True
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
    if error is None:
        return identified and answer.body.shape in ("json", "empty", "event_stream")
    if identified or evidence.route.family != "direct":
        return True
    return error.shape == "object" and error.code_is_string and bool(error.code or error.type)
