"""Where the application runs on Node.js: what one look by it cannot tell, and what is therefore missing."""

from __future__ import annotations

from oairunbook.evidence import ClientBuilt, Evidence
from oairunbook.verdict import Verdict


def alone(evidence: Evidence) -> bool:
    """Whether Node.js looked by itself, with no probe of this package beside it.

    Its sockets (libuv) may tell a reset as an end of file: where both have come by the time at which it looks, it reports the end.
    """
    return evidence.runtime.nodejs is not None and not evidence.runtime.python


def missing(evidence: Evidence, verdict: Verdict) -> tuple[str, ...]:
    """What a look by Node.js leaves open for this verdict."""
    if evidence.runtime.nodejs is None:
        return ()
    found = [
        f"the request by the application's own package openai: {built.client.partition(': ')[2]}; fetch made it. Name the folder by --project"
        for _, built in evidence.of(ClientBuilt)
        if built.client.startswith("fetch ")
    ]
    if alone(evidence) and verdict.cause != "ok" and verdict.certainty != "proven":
        found.append(
            "what Node.js alone does not test: small segments, older TLS versions, the request for a client certificate, an issuer that the chain "
            "leaves out. Where a Python is beside it: oairunbook check --node PATH there, or --via with its python3"
        )
    if any(s.source == "NODE_TLS_REJECT_UNAUTHORIZED" and s.value == "0" for s in evidence.route.settings):
        found.append(
            "what the certificate is worth: NODE_TLS_REJECT_UNAUTHORIZED=0 lets this application trust everybody; test again without it"
        )
    return tuple(found)
