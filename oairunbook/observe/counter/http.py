"""Counter-tests of HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from oairunbook.evidence import HttpAnswer, HttpFailed, Outcome, SdkFailed
from oairunbook.observe import idle
from oairunbook.observe.base_path import near_paths
from oairunbook.observe.counter.declared import Seen, Test
from oairunbook.observe.counter.looking import answered
from oairunbook.observe.path import Path
from oairunbook.observe.stream import SMALL_SEGMENT_BYTES, Deadline

LARGE_BODY_BYTES = 8192
"""Several full-size segments; what a real request with a short conversation sends."""


def large_body(seen: Seen) -> Iterator[Test]:
    """Small requests pass: does one of several full-size segments?"""
    path = seen.path
    plain = next((o.outcome for o in seen.of(HttpAnswer) if o.id == "http"), None)
    if not isinstance(plain, HttpAnswer) or plain.address is None:
        return
    address = plain.address
    yield _post("http.large_body", path, address, f"a body of {LARGE_BODY_BYTES} bytes instead of none")
    first = next((o for o in seen.observations if o.id == "http.large_body"), None)
    silent = first is not None and getattr(first.outcome, "ended", "") == "silence"
    if (silent or "http.large_body" in seen.silent) and not path.route.proxy.url:
        yield _post("http.large_body.again", path, address, f"a body of {LARGE_BODY_BYTES} bytes, a second time")
        yield _post(
            "http.large_body.small_segments",
            path,
            address,
            f"a body of {LARGE_BODY_BYTES} bytes in segments of at most {SMALL_SEGMENT_BYTES}",
            max_segment=SMALL_SEGMENT_BYTES,
        )


def _post(identity: str, path: Path, address: str, changed: str, max_segment: int | None = None) -> Test:
    body = b'{"model": "' + b"x" * (LARGE_BODY_BYTES - 13) + b'"}'

    def look(deadline: Deadline) -> Outcome:
        return answered(path, address, deadline, body=body, max_segment=max_segment)

    return Test(identity, "http", "http", f"{path.route.host} at {address}, POST, no credentials", changed, look)


def fresh_instead_of_idle(seen: Seen) -> Iterator[Test]:
    """A connection that had been idle is dead: does a new one work at the same moment?"""
    path = seen.path
    for observation in seen.observations:
        outcome = observation.outcome
        identity, _, at = observation.id.partition(":")
        if identity == idle.IDENTITY and isinstance(outcome, HttpFailed) and outcome.address:
            yield Test(
                f"http.idle.fresh:{at}" if at else "http.idle.fresh",
                "http",
                "http",
                f"{path.route.host} at {outcome.address}, no credentials",
                "a new connection instead of the idle one, at the same moment",
                lambda deadline, address=outcome.address: answered(path, address, deadline),  # type: ignore[misc]
            )


def sdk_headers(seen: Seen) -> Iterator[Test]:
    """The SDK's request is answered otherwise than the plain one: is it the SDK's headers?"""
    path = seen.path
    refused = next((o.outcome for o in seen.of(SdkFailed) if o.outcome.answer is not None), None)  # type: ignore[union-attr]
    plain = next((o.outcome for o in seen.of(HttpAnswer) if o.id == "http"), None)
    if not isinstance(refused, SdkFailed) or not isinstance(plain, HttpAnswer) or plain.address is None:
        return
    assert refused.answer is not None
    if refused.answer.body.shape != "api_error" and refused.answer.status != plain.status:
        address = plain.address
        headers = (("User-Agent", f"OpenAI/Python {path.route.sdk}"), ("X-Stainless-Lang", "python"))
        yield Test(
            "http.sdk_headers",
            "http",
            "http",
            f"{path.route.host} at {address}",
            "the SDK's user agent instead of this tool's",
            lambda deadline: answered(path, address, deadline, headers=headers),
        )


def other_base_path(seen: Seen) -> Iterator[Test]:
    """Somebody answered who is no API at this path: is there one beside it? Azure's paths are told by its own answers."""
    path = seen.path
    plain = next((o.outcome for o in seen.of(HttpAnswer) if o.id == "http"), None)
    if not isinstance(plain, HttpAnswer) or plain.address is None or path.route.family == "azure":
        return
    no_api = plain.status in (404, 405) or (plain.status < 300 and plain.body.shape != "api_object")
    for base in near_paths(path.route.path) if no_api else ():
        yield Test(
            f"http.base_path:{base or '/'}",
            "http",
            "http",
            f"{path.route.host}{base}/models, no credentials",
            f"the base path {base or '/'} instead of {path.route.path or '/'}",
            partial(answered, path.on(replace(path.route, path=base)), plain.address),
        )
