"""Where the record of a failure goes: the file that is to hold it, and its line in a log."""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
import time
from pathlib import Path
from typing import Any

from oairunbook.evidence import EVIDENCE_SCHEMA, Evidence, to_document

PATH_VARIABLE = "OAIRUNBOOK_OBSERVE"
"""A folder for records, or one file (`.json`), where the call names none."""

_NEITHER = (
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)

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


def named(path: str | None) -> str | None:
    """What is named for records, here or by the variable; None if nothing is."""
    return path or os.environ.get(PATH_VARIABLE) or None


def file_for(place: str) -> Path:
    """Where this record goes: to that file if its name ends in `.json`, and else to a new file in that folder, made with its parents.

    Links are followed, so that the link stays and what it names is written.

    Raises:
        OSError: Something else is there, which a record must not take the place of, or a folder cannot be made.
    """
    target = Path(os.path.realpath(place))
    try:
        there = os.stat(place)  # noqa: PTH116 - as it was named: what a link in /proc leads to has no path of its own
    except FileNotFoundError:
        there = None
    one_file = ".json" in (Path(place).suffix.lower(), target.suffix.lower())
    if there is not None and stat.S_ISDIR(there.st_mode):
        one_file = False
    elif there is not None:
        kind = next((name for is_one, name in _NEITHER if is_one(there.st_mode)), "")
        if kind or not stat.S_ISREG(there.st_mode):
            raise OSError(errno.EEXIST, f"it is {kind or 'something else'}, neither a folder nor a file")
        if _is_standard_stream(there):
            raise OSError(errno.EEXIST, "this process's own output goes there")
        if not one_file:
            raise OSError(errno.ENOTDIR, "it is a file, and its name does not end in .json")
    _make_private(target.parent if one_file else target)
    if one_file:
        return target
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return target / f"{moment}-{os.getpid()}-{secrets.token_hex(3)}.json"


def _is_standard_stream(there: os.stat_result) -> bool:
    """Whether it is the file behind /dev/stdout or /dev/stderr: by a rename over it the rest of that output would be lost."""
    for descriptor in (0, 1, 2):
        try:
            if os.path.samestat(os.fstat(descriptor), there):
                return True
        except OSError:
            # A daemon has closed it.
            continue
    return False


def _make_private(folder: Path) -> None:
    """Make a folder and its missing parents, each for its owner alone; what exists keeps its mode."""
    for part in (*reversed(folder.parents), folder):
        if not part.is_dir():
            part.mkdir(0o700, exist_ok=True)


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
