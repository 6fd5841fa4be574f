"""Where a notebook's evidence comes from: looked at now, read from a record, or pasted. It is kept for the run that started the notebook."""

from __future__ import annotations

import os
import time
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
ROUTES = ("auto", "direct", "azure", "gateway")


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
    if evidence:
        raise ValueError("evidence names a record, and a response or an exception is pasted as well: give one of them")
    _check(route, timeout, budget)
    if not isinstance(status, int):
        raise ValueError(f"status is a whole number, and {status!r} is not")
    seen = pasted.response(
        resolve(base_url=base_url or None, model=str(model) or None, family=route),
        this_runtime(os.environ),
        status,
        headers,
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
    if not isinstance(repeat, int) or repeat < 1:
        raise ValueError(f"repeat is a whole number from 1 on, and {repeat!r} is not")
    if evidence:
        return (collect(evidence=evidence),)
    _check(route, timeout, budget)
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


def _look(base_url: str, model: str, route: str, timeout: float, budget: float) -> Evidence:
    _check(route, timeout, budget)
    return check(base_url=base_url, model=str(model), route=route, timeout=timeout, budget=budget).evidence


def _check(route: str, timeout: float, budget: float) -> None:
    if route not in ROUTES:
        raise ValueError(f"route is one of {', '.join(ROUTES)}, and {route!r} is not")
    for name, value in (("timeout", timeout), ("budget", budget)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 86400:
            raise ValueError(f"{name} is a number of seconds, and {value!r} is not")
