"""Where a notebook's evidence comes from: looked at now, read from a record, or pasted. It is kept for the run that started the notebook."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from oairunbook import check, pasted
from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence, dumps, load_evidence
from oairunbook.proof import Proof, prove
from oairunbook.record.files import write_whole
from oairunbook.redaction import Secrets
from oairunbook.route import resolve
from oairunbook.runtime import this_runtime

KEEP_VARIABLE = "OAIRUNBOOK_KEEP"
"""Set by `oairunbook run`: the folder into which a notebook puts the evidence that it collected or read."""

EVIDENCE_FILE = "evidence.json"
ARCHIVE_VARIABLE = "OAIRUNBOOK_ARCHIVE"
ROUTES = ("auto", "direct", "azure", "gateway")
_DAY_SECONDS = 86400.0


def collect(
    *,
    base_url: str = "",
    model: str = "",
    route: str = "auto",
    timeout: float = 5.0,
    budget: float = 30.0,
    evidence: str = "",
) -> Evidence:
    """Read the record that *evidence* names, or look at the path now; empty texts mean what the SDK itself would use.

    Raises:
        ValueError: A parameter is of the wrong kind: plain papermill checks none of them.
        oairunbook.evidence.EvidenceError: The file is no evidence that this version can read.
        OSError: The file cannot be read.
    """
    seen = read(evidence) if evidence else _look(base_url, model, route, timeout, budget)
    keep(seen)
    return seen


def collect_response(
    *,
    base_url: str = "",
    model: str = "",
    route: str = "auto",
    timeout: float = 5.0,
    budget: float = 30.0,
    evidence: str = "",
    status: int = 0,
    headers: str = "",
    body: str = "",
    error_text: str = "",
) -> Evidence:
    """As `collect`; but if a response or an exception is pasted, that is the evidence, and nothing is sent.

    Raises:
        ValueError: As `collect`, or a record and pasted evidence are given together.
    """
    if not (status or headers or body or error_text):
        return collect(base_url=base_url, model=model, route=route, timeout=timeout, budget=budget, evidence=evidence)
    check_values(
        {
            "route": route,
            "timeout": timeout,
            "budget": budget,
            "evidence": evidence,
            "status": status,
            "headers": headers,
            "body": body,
            "error_text": error_text,
        }
    )
    seen = pasted.response(
        resolve(base_url=base_url or None, model=str(model) or None, family=route),
        this_runtime(os.environ),
        status,
        str(headers),
        str(body),
        str(error_text),
        secrets=Secrets.from_environment(os.environ),
    )
    keep(seen)
    return seen


def attempts(
    *,
    base_url: str = "",
    model: str = "",
    route: str = "auto",
    timeout: float = 5.0,
    budget: float = 30.0,
    evidence: str = "",
    repeat: int = 1,
) -> tuple[Evidence, ...]:
    """Make the minimal request *repeat* times, all within *budget* seconds; a recorded one counts as one attempt.

    The first that does not succeed, else the last, becomes the run's evidence; the others are kept beside it.
    """
    check_values({"route": route, "timeout": timeout, "budget": budget, "evidence": evidence, "repeat": repeat})
    if evidence:
        return (collect(evidence=evidence),)
    last = time.monotonic() + budget
    tried: list[Evidence] = []
    while len(tried) < repeat and (not tried or time.monotonic() < last):
        left = budget if not tried else max(1.0, last - time.monotonic())
        tried.append(_look(base_url, model, route, timeout, left))
    telling = decisive(tuple(tried))
    for number, seen in enumerate(tried, 1):
        keep(seen, EVIDENCE_FILE if seen is telling else f"evidence-attempt-{number}.json")
    return tuple(tried)


def decisive(tried: tuple[Evidence, ...]) -> Evidence:
    """The attempt that the verdict is about: the first that did not succeed, else the last."""
    return next((seen for seen in tried if diagnose(seen).cause != "ok"), tried[-1])


def proof(tried: tuple[Evidence, ...], failing: str) -> Proof:
    """Compare the attempts with the failing record of that file name; empty means that there is none."""
    return prove(tried, read(failing) if failing else None)


def read(path: str) -> Evidence:
    """Read a record. A folder stands for the `evidence.json` in it."""
    file = Path(path)
    return load_evidence((file / EVIDENCE_FILE if file.is_dir() else file).read_text("utf-8"))


def keep(seen: Evidence, name: str = EVIDENCE_FILE) -> None:
    """Put the evidence where the run that started this notebook finds it; without such a run nothing is written."""
    folder = os.environ.get(KEEP_VARIABLE)
    if folder:
        write_whole(Path(folder) / name, dumps(seen).encode("utf-8"))


def check_values(values: Mapping[str, object]) -> None:
    """Check what the type of a notebook's parameter does not say; those that are missing keep their default.

    Raises:
        ValueError: A value is out of its range, or two exclude each other.
    """
    route, status, repeat = values.get("route", "auto"), values.get("status", 0), values.get("repeat", 1)
    if route not in ROUTES:
        raise ValueError(f"route is one of {', '.join(ROUTES)}, and {route!r} is not")
    for name in ("timeout", "budget"):
        number = values.get(name, 1.0)
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number < _DAY_SECONDS:
            raise ValueError(f"{name} is a number of seconds above 0 and below a day, and {number!r} is not")
    if isinstance(status, bool) or not isinstance(status, int) or not (status == 0 or 100 <= status <= 599):
        raise ValueError(f"status is an HTTP status from 100 to 599, or 0 for none, and {status!r} is not")
    if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat < 1:
        raise ValueError(f"repeat is a whole number from 1 on, and {repeat!r} is not")
    if values.get("evidence"):
        if status or values.get("error_text") or values.get("body") or values.get("headers"):
            raise ValueError(
                "evidence names a record, and a response or an exception is pasted as well: give one of them"
            )
        if repeat != 1:
            raise ValueError("evidence names a record, which counts as one attempt: leave out repeat")


def _look(base_url: str, model: str, route: str, timeout: float, budget: float) -> Evidence:
    check_values({"route": route, "timeout": timeout, "budget": budget})
    # The archive's key makes the key's fingerprint, by which a later run is known to use the same one.
    archive = os.environ.get(ARCHIVE_VARIABLE, "")
    checked = check(base_url=base_url, model=str(model), route=route, timeout=timeout, budget=budget, archive=archive)
    return checked.evidence
