"""Where the record of a failure goes: the file that is to hold it, and its line in a log."""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from oairunbook.evidence import EVIDENCE_SCHEMA, Evidence, to_document

PATH_VARIABLE = "OAIRUNBOOK_OBSERVE"
"""A file or a folder for records, where the call names none."""

LOGGER = "oairunbook"


def line(evidence: Evidence, passed_over: int = 0) -> str:
    """One line for a log: what failed where, and the whole record behind it, for `oairunbook diagnose`."""
    document = to_document(evidence)
    # The schema first: by it the record is found in a log.
    ordered = {"schema": EVIDENCE_SCHEMA, **{name: value for name, value in document.items() if name != "schema"}}
    again = f" ({passed_over} more like it since the last record)" if passed_over else ""
    text = json.dumps(ordered, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"oairunbook: {_head(evidence)}{again}; judge it with `oairunbook diagnose`: {text}"


def _head(evidence: Evidence) -> str:
    outcome: Any = evidence.observations[-1].outcome
    outcome = next((o.outcome for o in evidence.observations if o.id == "application"), outcome)
    errors = getattr(outcome, "errors", ())
    words = errors[0].type if errors else outcome.kind
    answer = getattr(outcome, "answer", None)
    if answer is not None:
        return f"{words}, status {answer.status}, from {evidence.route.host}"
    ended = next((e.name for e in reversed(getattr(outcome, "trace", ())) if e.name.endswith(".failed")), "")
    return f"{words} on the way to {evidence.route.host}" + (f", at {ended.removesuffix('.failed')}" if ended else "")


def file_for(path: str | None) -> Path | None:
    """Where this record goes: the file that is named, here or by the variable, or a new one in that folder. None if none is named."""
    path = path or os.environ.get(PATH_VARIABLE)
    if not path:
        return None
    named = Path(path)
    if named.is_dir():
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return named / f"{moment}-{os.getpid()}-{secrets.token_hex(3)}.json"
    return named


def write(path: Path, text: str) -> None:
    """A file appears whole or not at all, readable by its owner alone.

    Raises:
        OSError: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(3)}.partial")
    try:
        partial.touch(0o600, exist_ok=False)
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
        partial.replace(path)
    finally:
        if partial.exists():
            partial.unlink()
