"""Records among the lines of a log, as `oairunbook.observe()` writes them: bare, or as a value of a JSON object that a log shipper made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from oairunbook.evidence import EVIDENCE_SCHEMA

_BEGINS = '{"schema":"' + EVIDENCE_SCHEMA + '"'


def records_in(data: bytes) -> tuple[str, ...]:
    """The JSON text of each record in a log, in its order; none if it is no log, or holds none."""
    found = []
    for line in data.decode("utf-8", "replace").splitlines():
        if EVIDENCE_SCHEMA not in line:
            continue
        for text in _texts(line):
            start = text.find(_BEGINS)
            if start < 0:
                continue
            try:
                _, end = json.JSONDecoder().raw_decode(text, start)
            except (ValueError, RecursionError):
                # A line that was cut: logs have a longest line.
                continue
            found.append(text[start:end])
            break
    return tuple(found)


def _texts(line: str) -> Iterator[str]:
    """The texts inside a line that is a JSON document, then the line itself."""
    try:
        pending: list[Any] = [json.loads(line)]
    except (ValueError, RecursionError):
        pending = []
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, (dict, list)):
            pending.extend(item.values() if isinstance(item, dict) else item)
    yield line
