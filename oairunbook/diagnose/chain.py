"""The SDK's own exception, where the probes beside it passed: the step that its trace says it failed at, and the errno of its chain."""

from __future__ import annotations

from oairunbook.diagnose.reading import beyond_the_tunnel, cite, errno_name, failed_requests, words
from oairunbook.evidence import ErrorLink, Evidence, SdkFailed
from oairunbook.verdict import Because

_BY_ERRNO = {
    "EAI_NONAME": "dns.nxdomain",
    "EAI_NODATA": "dns.no_address",
    "EAI_AGAIN": "dns.servfail",
    "EAI_FAIL": "dns.servfail",
    "ECONNREFUSED": "tcp.refused",
    "ETIMEDOUT": "tcp.timeout",
    "ENETUNREACH": "tcp.unreachable",
    "EHOSTUNREACH": "tcp.unreachable",
}
SHORTEST_WAIT_SECONDS = 0.9
"""EAI_AGAIN sooner than this is an error code of a server; glibc waits for a second at least (resolv.conf(5), `timeout`)."""

_BY_VERIFY_CODE = {
    9: "tls.not_yet_valid",
    10: "tls.expired",
    18: "tls.self_signed",
    19: "tls.untrusted_issuer",
    20: "tls.untrusted_issuer",
    21: "tls.untrusted_issuer",
    62: "tls.hostname_mismatch",
    64: "tls.hostname_mismatch",
}


def failed_step(evidence: Evidence) -> tuple[str, Because] | None:
    """Id of the cause that the SDK's own failed request shows, with the reason; None if it shows none.

    Only for a request whose path the probes found open: with a forward proxy in play the address that was dialled is the proxy's, and a
    refusal there is `proxy.unreachable`.
    """
    for observation, failed in failed_requests(evidence):
        cause, step = _cause(failed), _step(failed)
        if cause is not None and evidence.route.proxy.url and cause.startswith(("dns.", "tcp.")):
            cause = "proxy.unresolvable" if cause.startswith("dns.") else "proxy.unreachable"
        elif evidence.route.proxy.url and step.startswith("http11.") and not beyond_the_tunnel(evidence, failed.trace):
            # It was the CONNECT that got no answer.
            cause = "proxy.protocol_error"
        if cause is not None:
            fact = f"the SDK's own request ended at {step or 'no step'}: {words(failed.errors)}"
            return cause, cite(observation, fact)
    return None


def _cause(failed: SdkFailed) -> str | None:
    step, errors = _step(failed), _of_the_transport(failed.errors)
    if "connect_tcp" in step:
        name = errno_name(errors)
        waited = _seconds_of_failure(failed)
        if name == "EAI_AGAIN" and (waited is None or waited >= SHORTEST_WAIT_SECONDS):
            return "dns.timeout"
        if name in _BY_ERRNO:
            return _BY_ERRNO[name]
        return "tcp.timeout" if _mentions(errors, "Timeout", "timed out") else None
    if "start_tls" in step:
        code = next((link.verify_code for link in errors if link.verify_code is not None), None)
        if code is not None:
            return _BY_VERIFY_CODE.get(code)
        if _mentions(errors, "Timeout", "timed out"):
            return "tls.timeout"
        return "tls.reset" if _mentions(errors, "ECONNRESET", "UNEXPECTED_EOF", "EOF occurred") else None
    return None


def _seconds_of_failure(failed: SdkFailed) -> float | None:
    """How long the step took that the request failed in; None where its beginning was not watched."""
    ended = next((event for event in reversed(failed.trace) if event.name.endswith(".failed")), None)
    if ended is None:
        return None
    begun = [e.seconds for e in failed.trace if e.name == ended.name.replace(".failed", ".started")]
    return ended.seconds - begun[-1] if begun else None


def _step(failed: SdkFailed) -> str:
    """Name of the trace event that the request failed in, for example `connection.connect_tcp.failed`.

    aiohttp has no trace; there the class of its exception names the step.
    """
    traced = next((event.name for event in reversed(failed.trace) if event.name.endswith(".failed")), "")
    if traced:
        return traced
    return next((step for name, step in _BY_CLASS for link in failed.errors if link.type.endswith(name)), "")


_BY_CLASS = (
    ("ClientConnectorDNSError", "connect_tcp"),
    ("ClientConnectorCertificateError", "start_tls"),
    ("ClientConnectorSSLError", "start_tls"),
    ("ClientProxyConnectionError", "connect_tcp"),
    ("ClientConnectorError", "connect_tcp"),
    ("ConnectionTimeoutError", "connect_tcp"),
)
"""Classes of aiohttp to the steps that they end, the specific ones first."""


def _of_the_transport(errors: tuple[ErrorLink, ...]) -> tuple[ErrorLink, ...]:
    """The chain from aiohttp's own exception on: the bridge in front of it calls most of them a timeout."""
    for number, link in enumerate(errors):
        if link.type.startswith("aiohttp."):
            return errors[number:]
    return errors


def _mentions(errors: tuple[ErrorLink, ...], *marks: str) -> bool:
    return any(mark in f"{link.type}: {link.text} {link.errno_name}" for link in errors for mark in marks)
