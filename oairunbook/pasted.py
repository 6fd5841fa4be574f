"""Evidence that somebody pasted: a status, a body, header lines, the text of an exception.

This version keeps the text of an exception as it is and reads the class name off its last line. It does not read tracebacks, log lines or
`curl -v` output; what cannot be told from the text alone stays untold.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from oairunbook import __version__
from oairunbook.evidence import Body, ErrorLink, Evidence, HttpAnswer, Observation, Outcome, PastedError, Route, Runtime
from oairunbook.observe.bodies import classify
from oairunbook.observe.http import kept_headers
from oairunbook.redaction import Secrets

PROBE = "pasted"
"""Name of the probe in observations that nobody on this machine made."""

_LONGEST_TEXT = 8000
_LAST_LINE = re.compile(
    r"^(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|Timeout|Warning|Exit|Interrupt|Group))\s*(?::\s*(?P<text>.*))?$"
)


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
        status: HTTP status; 0 means that none came back.
        headers: One `name: value` a line; a line that is no header is left out.
        body: The body as it was shown.
        error_text: An exception as it was printed; its last line gives the class.
        secrets: Values that must not leave memory.

    Raises:
        ValueError: *status* is no HTTP status, or a body or headers are given without one.
    """
    if status and not 100 <= status <= 599:
        raise ValueError(f"{status} is no HTTP status (RFC 9110 section 15)")
    if (body or headers) and not status:
        raise ValueError("a body or headers without a status: give the status that came with them")
    evidence = Evidence(
        collected_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        seconds=0.0,
        route=route,
        runtime=runtime,
        observations=tuple(_observations(route, status, headers, body, error_text)),
        tool_version=__version__,
    )
    clean, redactions = secrets.redact(evidence)
    return dataclasses.replace(clean, redactions=redactions)


def _observations(route: Route, status: int, headers: str, body: str, error_text: str) -> Iterator[Observation]:
    if error_text.strip():
        yield _observation("pasted:error", PastedError(errors=(_error(error_text.strip()),)))
    if status:
        pairs = [
            (name.strip(), value.strip())
            for name, _, value in (line.partition(":") for line in headers.splitlines())
            if value
        ]
        content_type = next((value for name, value in pairs if name.lower() == "content-type"), None)
        what = classify(content_type, body.encode("utf-8")) if body else Body(shape="empty", size_bytes=0)
        answer = HttpAnswer(
            method="",
            url=route.base_url.value,
            status=status,
            http_version="",
            headers=kept_headers(pairs),
            body=what,
        )
        yield _observation("pasted:response", answer, api=what.shape in ("api_error", "api_object"))


def _observation(identity: str, outcome: Outcome, *, api: bool = True) -> Observation:
    return Observation(
        id=identity,
        probe=PROBE,
        layer="api" if api else "http",
        target="what was pasted",
        started_seconds=0.0,
        seconds=0.0,
        outcome=outcome,
    )


def _error(text: str) -> ErrorLink:
    lines = text.splitlines()
    last = _LAST_LINE.match(lines[-1].strip())
    if last is None:
        return ErrorLink(type="", text=text[-_LONGEST_TEXT:])
    whole = (last["text"] or "") if len(lines) == 1 else text
    return ErrorLink(type=last["type"], text=whole[-_LONGEST_TEXT:])
