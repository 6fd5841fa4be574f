"""Questions about evidence that several rules ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

from oairunbook.diagnose import edges
from oairunbook.evidence import (
    Body,
    Connected,
    ConnectFailed,
    ErrorLink,
    Evidence,
    HttpAnswer,
    Observation,
    Outcome,
    Resolved,
    SdkAnswered,
    SdkFailed,
    Stopped,
    TraceEvent,
)
from oairunbook.verdict import Because

Kind = TypeVar("Kind")


def counter_tests(evidence: Evidence, kind: type[Kind], name: str) -> Iterator[tuple[Observation, Kind]]:
    """Outcomes of one counter-test, at whatever address, that are a *kind*."""
    for observation in evidence.observations:
        named = observation.id == name or observation.id.startswith(f"{name}:")
        if named and observation.changed is not None and isinstance(observation.outcome, kind):
            yield observation, observation.outcome


def counter_test(evidence: Evidence, kind: type[Kind], name: str) -> tuple[Observation, Kind] | None:
    """The first of them."""
    return next(counter_tests(evidence, kind, name), None)


def may_connect_to_itself(evidence: Evidence) -> bool:
    """Whether this process was allowed to connect somewhere, whatever came of it: then EACCES is about the destination alone.

    To loopback by a counter-test, or to another address: the control has no counter-tests.
    """
    if any(evidence.of(Connected)) or any(
        errno_name(failed.errors) not in ("EPERM", "EACCES") for _, failed in evidence.of(ConnectFailed)
    ):
        return True
    for kind in (Connected, ConnectFailed):
        tried = counter_test(evidence, kind, "tcp.loopback")
        if tried is not None:
            return errno_name(getattr(tried[1], "errors", ())) not in ("EPERM", "EACCES")
    return False


def dialled_address(evidence: Evidence) -> str | None:
    """The address that the synchronous transport ends up with: the first of the system resolver's that connects."""
    connected = {outcome.address for _, outcome in evidence.of(Connected)}
    for _, resolved in evidence.of(Resolved, "dns"):
        return next((address for address in resolved.addresses if address in connected), None)
    return next(iter(connected), None)


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
    """The SDK's whole minimal request with the application's own key, if it succeeded.

    Over plain http the key is held back; what answers another one just as well is proof enough.
    """
    for observation, outcome in evidence.of(SdkAnswered):
        held_back = evidence.route.scheme == "http" and evidence.route.credential.present
        if not outcome.stream and outcome.completed and (outcome.credential == "own" or held_back):
            return observation
    return None


def stream_failed(evidence: Evidence) -> Observation | None:
    """The SDK's streamed minimal request, if the transport failed it, it stopped arriving, or it ended without its end mark.

    An API answer that refuses to stream is no failure of the path; one that says that the server failed is a failure all the same.
    """
    for observation in evidence.observations:
        outcome = observation.outcome
        if observation.id == "sdk.stream" and isinstance(outcome, Stopped):
            return observation
        if observation.changed is not None:
            continue
        if isinstance(outcome, SdkFailed) and outcome.stream and not _refused(evidence, outcome):
            return observation
        if isinstance(outcome, SdkAnswered) and outcome.stream and outcome.shape == "stream" and not outcome.completed:
            return observation
    return None


def repeat_that_broke_off(evidence: Evidence) -> Observation | None:
    """One of the SDK's requests beside the first two that broke off, where those passed; None if none did.

    One that only came too late, or was told to slow down, did so because of those beside it.
    """
    if request_succeeded(evidence) is None or stream_failed(evidence) is not None:
        return None
    repeats = (
        o for o in evidence.observations if o.id.startswith(("sdk.stream.second", "sdk.stream.again", "sdk.again"))
    )
    return next((o for o in repeats if _broke_off(evidence, o.outcome)), None)


def _broke_off(evidence: Evidence, outcome: Outcome) -> bool:
    if isinstance(outcome, SdkFailed):
        # A stream that had begun to arrive was not held up by those beside it.
        late = any("Timeout" in link.type for link in outcome.errors) and not outcome.chunks
        limited = outcome.answer is not None and outcome.answer.status == 429
        return not late and not limited and not _refused(evidence, outcome)
    return isinstance(outcome, SdkAnswered) and outcome.shape == "stream" and not outcome.completed


def was_sent(given_up: Stopped) -> bool:
    """Whether a request had been sent when it was given up; also where the record does not say how far it got."""
    return not given_up.seen or any("send_request_headers" in step for step in given_up.seen)


def beyond_the_tunnel(evidence: Evidence, trace: tuple[TraceEvent, ...]) -> tuple[TraceEvent, ...]:
    """The events of a request itself: before its own handshake a CONNECT looks the same. A connection that was open already has neither."""
    if evidence.route.scheme != "https" or not any("connect_tcp" in event.name for event in trace):
        return trace
    # TLS with the proxy itself is a handshake of the connection, not of the proxy's tunnel.
    own = "proxy.start_tls.complete" if (evidence.route.proxy.url or "").startswith("http") else "start_tls.complete"
    shaken = [number for number, event in enumerate(trace) if event.name.endswith(own)]
    return trace[shaken[-1] + 1 :] if shaken else ()


def _refused(evidence: Evidence, failed: SdkFailed) -> bool:
    """Whether the API itself refused."""
    return failed.answer is not None and failed.answer.status < 500 and is_api_answer(evidence, failed.answer)


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


def telling_answer(evidence: Evidence) -> tuple[Observation, HttpAnswer] | None:
    """The answer that the application would see: to its own key or pasted first, else the one without credentials; None if none came."""
    for observation, answered in evidence.of(SdkAnswered):
        if answered.credential == "own" and not answered.stream and answered.body is None:
            body = Body(shape="api_object", size_bytes=0, object=answered.shape)
            return observation, HttpAnswer(
                method=answered.method,
                url=evidence.route.base_url.value,
                status=answered.status,
                http_version="1.1",
                headers=answered.headers,
                body=body,
            )
    found = list(answers(evidence))
    own = [item for item in found if item[2]]
    return (own or found)[0][:2] if found else None


def api_at_another_path(evidence: Evidence) -> tuple[Observation, HttpAnswer] | None:
    """A counter-test with another base path that an API answered; None if there was none, or it was no better."""
    for observation, answer in counter_tests(evidence, HttpAnswer, "http.base_path"):
        if answer.status not in (404, 405) and is_api_answer(evidence, answer):
            return observation, answer
    return None


def path_slip(path: str) -> tuple[str, ...]:
    """What is wrong with a base path to look at, as a next step; empty if nothing is."""
    if len(_VERSION.findall(path)) > 1:
        return (f"Take one /v1 out of the base URL: its path is {path}, and /v1 stands in it twice.",)
    ending = _ENDPOINT.search(path)
    if ending:
        return (f"Take {ending.group()} off the base URL's end: the SDK adds it itself.",)
    return ()


_VERSION = re.compile(r"/v\d+(?=/|$)")


_ENDPOINT = re.compile(r"/(?:chat/completions|completions|responses|embeddings|models)/?$")


def one_path_away(evidence: Evidence) -> tuple[tuple[Because, ...], tuple[str, ...]]:
    """Reason and next step, where a counter-test or the path itself shows that only the base path is wrong; both empty otherwise."""
    found = api_at_another_path(evidence)
    if found is None:
        return (), path_slip(evidence.route.path)
    observation, answer = found
    path = observation.id.partition(":")[2].rstrip("/")
    route = evidence.route
    where = f"{route.scheme}://{route.host}{'' if route.port in (80, 443) else f':{route.port}'}{path}"
    fact = f"{observation.changed}: an API answers there, with status {answer.status}"
    return (cite(observation, fact),), (f"Set the base URL to {where}: an API answers there.",)


def stopped(evidence: Evidence, identity: str, *, sent: bool = False) -> Observation | None:
    """The observation of that id, if it was given up; with *sent* only if it is a request that may have been sent by then."""
    for observation, given_up in evidence.of(Stopped):
        if observation.id == identity and (not sent or was_sent(given_up)):
            return observation
    return None


_ROUTERS_OWN = ("Not Found", "Method Not Allowed")


def is_api_answer(evidence: Evidence, answer: HttpAnswer) -> bool:
    """Whether the API application itself (or Azure's, or the gateway's) answered, not an edge in front of it.

    An `error` object alone does not prove it: require a request id, an application header, or a known string code (causes.md, reading rules).
    """
    if answer.body.shape == "api_object":
        return True
    if edges.answered(answer) is not None:
        # A platform's or an edge's own words, also where it puts them into an error object.
        return False
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
    if answer.stream and answer.status < 300 and answer.body.shape == "event_stream" and error is None:
        # That is what was asked for.
        return True
    if error is None:
        return identified and answer.body.shape in ("json", "empty", "event_stream")
    if not identified and answer.status in (404, 405) and not error.code and (error.message or "") in _ROUTERS_OWN:
        # A web framework that knows no such path, for example behind a base URL without /v1.
        return False
    if identified or evidence.route.family != "direct":
        return True
    return error.shape == "object" and error.code_is_string and bool(error.code or error.type)
