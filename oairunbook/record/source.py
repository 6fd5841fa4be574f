"""Where a notebook's evidence comes from: looked at now, read from a record, or pasted. It is kept for the run that started the notebook."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

from oairunbook import check
from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence, dumps, load_evidence, read_bytes
from oairunbook.observe import DEFAULT_REPEAT
from oairunbook.proof import Proof, prove
from oairunbook.read import read as read_text
from oairunbook.record.archive.find import ARCHIVE_VARIABLE, archive_of, at_hand
from oairunbook.record.archive.times import moment
from oairunbook.record.files import read_kept, write_whole
from oairunbook.runtime import this_runtime

KEEP_VARIABLE = "OAIRUNBOOK_KEEP"
"""Set by `oairunbook run`: the folder into which a notebook puts the evidence that it collected or read."""

EVIDENCE_FILE = "evidence.json"
_ATTEMPT = "evidence-attempt-"
ROUTES = ("auto", "direct", "azure", "gateway")
DEFAULT_BUDGET = 30.0
_DAY_SECONDS = 86400.0


PASTED = ("status", "headers", "body", "error_text")
"""Parameters that hold what somebody pasted; given together with a record they would be two kinds of evidence."""

BEFORE_A_RECORD = (*PASTED, "via")
"""Parameters that say nothing any more once there is a record."""


class Look(TypedDict, total=False):
    """What every notebook says of how to look at the path; what is missing keeps `oairunbook.check`'s default."""

    base_url: str
    model: str
    route: str
    timeout: float
    budget: float
    idle: float
    """0: no connection is used again after it was idle."""

    control_url: str
    via: str
    """A command that leads to the Python of another place, as `--via` takes it; empty for here."""


def collect(*, evidence: str = "", **look: Unpack[Look]) -> Evidence:
    """Read the record that *evidence* names, or look at the path now; empty texts mean what the SDK itself would use.

    Raises:
        ValueError: A parameter is of the wrong kind: plain papermill checks none of them.
        oairunbook.collector.carrier.NowhereError, oairunbook.collector.carrier.NotCollectedError: *via* leads nowhere, or nothing came back.
        oairunbook.evidence.EvidenceError: The file is no evidence that this version can read.
        OSError: The file cannot be read.
    """
    seen = read(evidence) if evidence else _look(look)
    keep(seen)
    return seen


def collect_response(
    *,
    evidence: str = "",
    status: int = 0,
    headers: str = "",
    body: str = "",
    error_text: str = "",
    **look: Unpack[Look],
) -> Evidence:
    """As `collect`; but if a response or an exception is pasted, that is the evidence, and nothing is sent.

    Raises:
        ValueError: As `collect`, or a record and pasted evidence are given together.
    """
    given = {"status": status, "headers": headers, "body": body, "error_text": error_text}
    if not any(given.values()):
        return collect(evidence=evidence, **look)
    check_values({**look, **given, "evidence": evidence})
    return _pasted(str(error_text), look, status=status, headers=tuple(str(headers).splitlines()), body=str(body))


def collect_given(*, evidence: str = "", error_text: str = "", **look: Unpack[Look]) -> Evidence:
    """What is given and nothing else: a record, a pasted text, or no evidence at all. Nothing is sent.

    Raises:
        ValueError: As `collect_response`.
    """
    check_values({**look, "error_text": error_text, "evidence": evidence})
    if evidence:
        return collect(evidence=evidence)
    return _pasted(str(error_text), look)


def _pasted(text: str, look: Look, *, status: int = 0, headers: tuple[str, ...] = (), body: str = "") -> Evidence:
    """A text as evidence. What the notebook says of the route counts before what the text says."""
    seen = read_text(
        text,
        this_runtime(os.environ),
        environment=os.environ,
        status=status,
        headers=headers,
        body=body,
        base_url=look.get("base_url", ""),
        model=str(look.get("model", "")),
        family=look.get("route", "auto"),
    )
    keep(seen)
    return seen


def attempts(
    *,
    evidence: str = "",
    failing: str = "",
    repeat: int = 1,
    path_attempts: int = DEFAULT_REPEAT,
    **look: Unpack[Look],
) -> tuple[Evidence, ...]:
    """Make the minimal request *repeat* times, all within the budget; a recorded one counts as one attempt, a run's folder as all of its own.

    With each the path is tried *path_attempts* times up to an unbilled answer, without credentials. The key is fingerprinted as in the
    archive that *failing* lies in, so that the two can be compared.

    The first that does not succeed, else the last, becomes the run's evidence; the others are kept beside it.
    """
    check_values({**look, "evidence": evidence, "repeat": repeat, "path_attempts": path_attempts})
    if evidence:
        tried = read_attempts(evidence)
    else:
        fingerprints = archive_of(failing) if failing else ""
        tried = tuple(
            try_often(
                lambda left: _look({**look, "budget": left}, path_attempts, fingerprints),
                repeat=repeat,
                budget=look.get("budget", DEFAULT_BUDGET),
            )
        )
    for name, seen in files_of(tried).items():
        keep(seen, name)
    return tried


def try_often(look: Callable[[float], Evidence], *, repeat: int, budget: float) -> Iterator[Evidence]:
    """Look *repeat* times, once in any case, all within *budget* seconds; *look* is told how many are left."""
    last = time.monotonic() + budget
    yield look(budget)
    for _ in range(repeat - 1):
        left = last - time.monotonic()
        if left <= 0:
            return
        yield look(max(1.0, left))


def files_of(tried: tuple[Evidence, ...]) -> dict[str, Evidence]:
    """How the attempts of one run are called in its folder: the decisive one is the run's evidence."""
    telling = decisive(tried)
    return {
        EVIDENCE_FILE if seen is telling else f"{_ATTEMPT}{number}.json": seen for number, seen in enumerate(tried, 1)
    }


def read_attempts(path: str) -> tuple[Evidence, ...]:
    """The attempts of a run, in their order, from its folder; a file is one attempt."""
    decided, folder = read(path), Path(path)
    others = {
        int(file.stem.removeprefix(_ATTEMPT)): load_evidence(read_kept(file))
        for file in (folder.glob(f"{_ATTEMPT}[0-9]*.json") if folder.is_dir() else ())
    }
    # The number that none of them has is that of the run's evidence.
    return tuple(others.get(number, decided) for number in range(1, len(others) + 2))


def decisive(tried: tuple[Evidence, ...]) -> Evidence:
    """The attempt that the verdict is about: the first that did not succeed, else the last."""
    return next((seen for seen in tried if diagnose(seen).cause != "ok"), tried[-1])


def proof(tried: tuple[Evidence, ...], failing: str) -> Proof:
    """Compare the attempts with the failing record of that file name; empty means that there is none."""
    return prove(tried, read(failing) if failing else None)


def read(path: str) -> Evidence:
    """Read a record. A folder stands for the `evidence.json` in it; one on object storage is fetched."""
    return load_evidence(read_record(Path(at_hand(path))))


def file_of(path: Path) -> Path:
    """The file of a record. A folder stands for the `evidence.json` in it."""
    return path / EVIDENCE_FILE if path.is_dir() else path


def read_record(path: Path) -> bytes:
    """The bytes of a record, as `read`."""
    # A file that somebody names may be a pipe of the shell; what lies in a run's folder may not.
    return read_kept(file_of(path)) if path.is_dir() else read_bytes(path)


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
    route, status = values.get("route", "auto"), values.get("status", 0)
    if route not in ROUTES:
        raise ValueError(f"route is one of {', '.join(ROUTES)}, and {route!r} is not")
    for name in ("timeout", "budget"):
        number = values.get(name, 1.0)
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number < _DAY_SECONDS:
            raise ValueError(f"{name} is a number of seconds above 0 and below a day, and {number!r} is not")
    idle = values.get("idle", 0.0)
    if isinstance(idle, bool) or not isinstance(idle, (int, float)) or not 0 <= idle < _DAY_SECONDS:
        raise ValueError(f"idle is a number of seconds below a day, or 0 for none, and {idle!r} is not")
    if isinstance(status, bool) or not isinstance(status, int) or not (status == 0 or 100 <= status <= 599):
        raise ValueError(f"status is an HTTP status from 100 to 599, or 0 for none, and {status!r} is not")
    if values.get("since"):
        moment(str(values["since"]), datetime.now(UTC))
    for name in ("repeat", "path_attempts"):
        often = values.get(name, 1)
        if isinstance(often, bool) or not isinstance(often, int) or often < 1:
            raise ValueError(f"{name} is a whole number from 1 on, and {often!r} is not")
    if values.get("via") and any(values.get(name) for name in ("evidence", *PASTED)):
        raise ValueError("via says where to look, and evidence is given as well: give one of them")
    if values.get("evidence"):
        if status or values.get("error_text") or values.get("body") or values.get("headers"):
            raise ValueError(
                "evidence names a record, and a response or an exception is pasted as well: give one of them"
            )
        if values.get("repeat", 1) != 1:
            raise ValueError("evidence names a record, which counts as one attempt: leave out repeat")


def _look(look: Look, path_attempts: int = DEFAULT_REPEAT, archive: str = "") -> Evidence:
    check_values(look)
    known: dict[str, Any] = {name: value for name, value in look.items() if name != "via"}
    known |= {"model": str(look.get("model", "")), "idle": look.get("idle") or None}
    if look.get("via"):
        from oairunbook.collector.place import by_command

        known["place"] = by_command(look["via"])
    # The archive's key makes the key's fingerprint, by which a later run is known to use the same one.
    return check(**known, repeat=path_attempts, archive=os.environ.get(ARCHIVE_VARIABLE) or archive).evidence
