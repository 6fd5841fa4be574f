"""What the same request by several callers tells when it is read side by side. A pure function, beside the verdict and not part of it."""

from __future__ import annotations

from collections.abc import Iterator

from oairunbook.controls import Call, Controls
from oairunbook.evidence import ErrorLink, Evidence, HttpAnswer, NotTried, SdkAnswered, SdkFailed, Stopped, ToolFailed
from oairunbook.records import dataclass

_CERTIFICATE_CODES = (
    "SELF_SIGNED_CERT_IN_CHAIN",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One thing that only several callers together show."""

    fact: str
    means: str
    next: str


def status_of(call: Call) -> int | None:
    """The HTTP status that a caller got from whoever answered; None if nobody answered."""
    match call.outcome:
        case SdkAnswered(status=status) | HttpAnswer(status=status):
            return status
        case SdkFailed(answer=HttpAnswer(status=status)):
            return status
        case _:
            return None


def was_made(call: Call | None) -> bool:
    """Whether a call says something of the path: it was made, it ended, and the tool did not fail."""
    return call is not None and not isinstance(call.outcome, (NotTried, ToolFailed, Stopped))


def compare(controls: Controls, seen: Evidence) -> tuple[Comparison, ...]:
    """Everything that the calls show side by side; empty if too few were made."""
    return (*_retries(controls), *_callers(controls), *_node(controls, seen), *_all_alike(controls))


def _retries(controls: Controls) -> Iterator[Comparison]:
    call = controls.call("retried")
    if call is None or len(call.requests) < 2:
        return
    failed = [r for r in call.requests if r.status is None or r.status >= 400]
    spent = f"{len(call.requests)} requests in {call.seconds:.1f} s"
    if status_of(call) is not None and isinstance(call.outcome, SdkAnswered):
        yield Comparison(
            fact=f"With its own retries the SDK answered, after {spent}, {len(failed)} of which failed.",
            means="The application saw one slow success. The failures are in no exception and no log of its own.",
            next="Diagnose with max_retries=0, and count what fails: oairunbook check --repeat 50.",
        )
    elif status_of(call) is not None:
        yield Comparison(
            fact=f"With its own retries the SDK got status {status_of(call)}, after {spent}.",
            means="Its exception carries the last answer alone, with the last request id; each one before it was dropped without a word.",
            next="Retries help where an answer may pass (429 with a short wait, 5xx). Keep every request id: the table of requests below has them.",
        )
    else:
        yield Comparison(
            fact=f"With its own retries the SDK failed as well, after {spent}.",
            means="Its exception shows only the last of them; each one before it was dropped without a word.",
            next="Retries delay this answer and change nothing. Set max_retries=0 until the cause is mended.",
        )


def _callers(controls: Controls) -> Iterator[Comparison]:
    once, streamed = controls.call("once"), controls.call("streamed")
    asynchronous, transport = controls.call("asynchronous"), controls.call("transport")
    if _differ(once, asynchronous):
        answered = "synchronous" if _answered(once) else "asynchronous"
        yield Comparison(
            fact=f"Only the {answered} client got an answer.",
            means="The synchronous client dials the addresses one after another, the asynchronous one races IPv6 and IPv4; "
            "a fault that comes and goes looks the same.",
            next="Look at each address in 02_same_path, and repeat: oairunbook check --repeat 50.",
        )
    if _differ(once, streamed):
        means = (
            "Something on the way holds back or cuts event streams: a proxy that buffers, a gateway without streaming."
            if _answered(once)
            else "A stream sends its first byte at once; a whole answer keeps the connection silent until it is ready, "
            "and idle limits of the way end that."
        )
        which = "whole answer" if _answered(once) else "stream"
        yield Comparison(
            fact=f"Only the {which} came through.",
            means=means,
            next="Ask whoever runs the proxy or gateway on this path.",
        )
    if _differ(once, transport):
        by_sdk = _answered(once)
        yield Comparison(
            fact=f"Only {'the SDK' if by_sdk else 'the transport without the SDK'} got an answer.",
            means="Both resolve, dial and verify by the same rules, so that the difference lies in what the SDK adds: its headers, its time limits, "
            "its redirects. A fault that comes and goes looks the same.",
            next="Repeat both, then compare headers and time limits of the two.",
        )


def _node(controls: Controls, seen: Evidence) -> Iterator[Comparison]:
    once, node = controls.call("once"), controls.call("node")
    if once is None or node is None:
        return
    code = next((e.errno_name for e in reversed(_errors(node)) if e.errno_name), None)
    if (
        was_made(once)
        and not _answered(once)
        and not _answered(node)
        and code in _CERTIFICATE_CODES
        and seen.route.proxy.url
    ):
        yield Comparison(
            fact=f"Node.js got as far as the certificate ({code}); Python did not.",
            means=f"Node.js reads no proxy variable by default and went around {seen.route.proxy.url}: the direct way is open that far.",
            next="Ask whether this host is meant to go through the proxy: NO_PROXY decides that for Python.",
        )
    if not _differ(once, node):
        return
    if _answered(node):
        certificate = seen.route.trust.path or seen.route.trust.origin
        yield Comparison(
            fact="Only Node.js got an answer.",
            means=f"Node.js goes around proxies unless it is told to use them, and trusts its own list of roots instead of {certificate}.",
            next="Compare proxy and certificates: the step at which Python failed in 02_same_path says which of the two it is.",
        )
        return
    if code in _CERTIFICATE_CODES:
        yield Comparison(
            fact=f"Python got an answer, Node.js did not: {code}.",
            means="Node.js trusts the roots that are built into it; SSL_CERT_FILE and the system's store say nothing to it.",
            next="Start Node.js with NODE_EXTRA_CA_CERTS=FILE of the private root, or with --use-system-ca.",
        )
    elif seen.route.proxy.url:
        yield Comparison(
            fact=f"Python got an answer through {seen.route.proxy.url}, Node.js did not: {code or 'no code'}.",
            means="Node.js reads no proxy variable by default, and the direct way may be closed.",
            next="Node.js 24 or later: NODE_USE_ENV_PROXY=1. Before: a ProxyAgent of undici in fetchOptions.dispatcher.",
        )
    else:
        yield Comparison(
            fact=f"Python got an answer, Node.js did not: {code or 'no code'}.",
            means="They resolve alike and dial differently: Node.js gives each address 250 ms before it tries the next beside it.",
            next="Look at each address in 02_same_path.",
        )


def _all_alike(controls: Controls) -> Iterator[Comparison]:
    made = [call for call in controls.calls if was_made(call)]
    if len(made) < 2:
        return
    statuses = {status_of(call) for call in made}
    placeholder = any(getattr(call.outcome, "credential", "own") == "placeholder" for call in made)
    if statuses == {None}:
        yield Comparison(
            fact=f"None of {len(made)} callers got an answer.",
            means="It is the path, or a setting that all of them read; no change in the application's code helps.",
            next="Follow the verdict below.",
        )
    elif len(statuses) == 1:
        (status,) = statuses
        own = " No key of this runtime was sent, so that 401 is what an open path ends in." * placeholder
        yield Comparison(
            fact=f"All {len(made)} callers got status {status}.",
            means=f"The path is open for each of them, and whoever answers decides.{own}",
            next="Nothing of the connection has to be changed."
            if status and status < 400
            else "Follow the owner of that status: the verdict below names it.",
        )
    elif None not in statuses:
        told = ", ".join(f"{call.caller}: {status_of(call)}" for call in made)
        yield Comparison(
            fact=f"Every caller got an answer, and not the same: {told}.",
            means="The path is open; what differs is what was sent. Node.js, for example, trims white space off variables, and Python does not."
            if not placeholder
            else "The path is open; a placeholder was sent instead of the key.",
            next="Compare key, base URL and headers of the callers that differ.",
        )


def _differ(one: Call | None, other: Call | None) -> bool:
    return was_made(one) and was_made(other) and _answered(one) != _answered(other)


def _answered(call: Call | None) -> bool:
    """Whether somebody answered; of a stream, whether it came to its end."""
    if call is None:
        return False
    if isinstance(call.outcome, SdkAnswered) and call.outcome.stream:
        return call.outcome.completed
    return status_of(call) is not None


def _errors(call: Call) -> tuple[ErrorLink, ...]:
    return tuple(getattr(call.outcome, "errors", ()))
