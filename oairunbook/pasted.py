"""Evidence from what a notebook's parameters hold: a status, a body, header lines, the text of an exception or of a log."""

from __future__ import annotations

from oairunbook.evidence import Evidence, Route, Runtime
from oairunbook.read import PROBE, read
from oairunbook.redaction import Secrets

__all__ = ["PROBE", "response"]


def response(
    route: Route,
    runtime: Runtime,
    status: int = 0,
    headers: str = "",
    body: str = "",
    error_text: str = "",
    *,
    secrets: Secrets,
) -> Evidence:
    """Build a record from what was pasted. It is redacted like every other record.

    Args:
        route: The route that the pasted answer is said to come from.
        runtime: Where this is judged, which need not be where it failed.
        status: HTTP status; 0 means that none is known.
        headers: One `name: value` a line; a line that is no header is left out.
        body: The body as it was shown.
        error_text: An exception, log lines or whatever else was printed; see `oairunbook.read.read`.
        secrets: Values that must not leave memory.

    Raises:
        ValueError: *status* is no HTTP status.
    """
    return read(
        error_text,
        runtime,
        environment={},
        status=status,
        headers=tuple(headers.splitlines()),
        body=body,
        route=route,
        secrets=secrets,
    )
