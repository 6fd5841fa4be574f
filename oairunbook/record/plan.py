"""What a run is to do: checked as a whole before anything is run or written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nbformat

from oairunbook import practice as practices
from oairunbook.evidence import Evidence, load_evidence
from oairunbook.record import archive as archives
from oairunbook.record import runbooks
from oairunbook.record.archive.chain import UNFINISHED, ArchiveError
from oairunbook.record.archive.find import archive_root, at_hand
from oairunbook.record.archive.reading import vouched_for
from oairunbook.record.follow import BRANCHES
from oairunbook.record.runbooks import Parameter, ParameterError, Value
from oairunbook.record.source import check_values, decisive, file_of, read, read_record
from oairunbook.records import dataclass
from oairunbook.redaction import Secrets

FIRST = ("01_response_evidence", "02_same_path")
AFTER_A_FAULT = "07_escalate"
AFTER_SUCCESS = "08_verify_fix"

_RECORDS = ("evidence", "failing", "other")
"""Parameters that name a record."""

_SPARE_SECONDS = 60.0
"""What a kernel may take to start and a notebook to draw, beyond the budget of its probes; two such on a slow machine."""

_READING_SECONDS = 600.0
"""What notebooks may take that look at an archive or a fleet, and so have no budget: that depends on how much there is. Of 100,000 runs the first
audit takes half a minute, and several times that on a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run that can begin."""

    first: tuple[Path, ...]
    """Notebooks in the order to run them."""

    follows: bool
    """Whether others follow, which the evidence calls for."""

    declared: dict[Path, tuple[Parameter, ...]]
    """What each notebook takes, of those that may follow as well."""

    values: dict[str, Value]
    """Of all of them together."""

    root: Path
    """The archive's folder."""

    kind: archives.Kind
    collected: tuple[Evidence, ...]
    """What was seen before the notebooks; empty if the first of them looks."""

    recorded: Evidence | None
    """The record that is judged, if there is one already."""

    practice: str | None
    cell_seconds: float
    """Deadline of each cell, by the budget."""

    seconds: float
    """Deadline of all notebooks together, by the budget and their number."""


def planned(
    names: Sequence[str],
    given: Sequence[tuple[str, str]],
    *,
    archive: str,
    look: Callable[[Mapping[str, Value], Path], tuple[Evidence, ...]] | None,
    environment: Mapping[str, str],
) -> Plan:
    """Check what a run was given, and look from elsewhere if it was given *look*; see `oairunbook.record.run.run`.

    Raises:
        ParameterError: As there.
    """
    first = _chosen(names)
    later = () if names else [runbooks.find(name) for name in (*BRANCHES, AFTER_A_FAULT, AFTER_SUCCESS)]
    declared = {
        source: runbooks.declared(nbformat.read(source, as_version=4).cells)
        for source in dict.fromkeys((*first, *later))
    }
    everything = {parameter.name: parameter for parameters in declared.values() for parameter in parameters}
    values = runbooks.checked(given, tuple(everything.values()), Secrets.from_environment(environment))
    values = {name: _at_hand(value) if name in _RECORDS else value for name, value in values.items()}
    recorded = _checked_together(values, alone=len(declared) == 1)
    if look and "evidence" not in everything:
        raise ParameterError(
            f"{', '.join(names)} judges no evidence of a path, so a place to look from says nothing. Nothing was run."
        )
    root = _root(archive, environment)
    collected = look(values, root) if look else ()
    recorded = decisive(collected) if collected else recorded
    rehearsal = practices.current(environment)
    kind = _kind(declared)
    unbudgeted = 0.0 if kind == "run" else _READING_SECONDS
    budget = float(values.get("budget", everything["budget"].default if "budget" in everything else unbudgeted))
    return Plan(
        first=tuple(first),
        follows=not names,
        declared=declared,
        values=values,
        root=root,
        kind=kind,
        collected=collected,
        recorded=recorded,
        practice=recorded.practice if recorded else rehearsal.fault if rehearsal else None,
        cell_seconds=budget + _SPARE_SECONDS,
        seconds=2 * budget + _SPARE_SECONDS * (len(first) + 2 * (not names)),
    )


def _chosen(names: Sequence[str]) -> list[Path]:
    chosen = [runbooks.find(name) for name in names or FIRST]
    twice = sorted({source.stem for source in chosen if chosen.count(source) > 1})
    if twice:
        raise ParameterError(f"{', '.join(twice)} is named twice, and a run holds each notebook once. Nothing was run.")
    return chosen


def _at_hand(record: Value) -> Value:
    """A record by its path; the address of one on object storage is that of nobody's file."""
    try:
        return at_hand(record) if isinstance(record, str) else record
    except (ArchiveError, OSError) as error:
        raise ParameterError(f"{getattr(error, 'strerror', None) or error} Nothing was run.") from error


def _checked_together(values: Mapping[str, Value], *, alone: bool) -> Evidence | None:
    """What no declared type says: values out of range, that exclude each other, or that name a record nobody can read.

    Returns the record that `evidence` names. The notebooks check the same again, for plain papermill.
    """
    try:
        check_values(values)
        for name in _RECORDS[1:]:
            if values.get(name):
                read(str(values[name]))
        recorded = _as_archived(Path(str(values["evidence"]))) if values.get("evidence") else None
        if values.get("records"):
            Path(str(values["records"])).stat()
    except OSError as error:
        raise ParameterError(f"{error.filename} cannot be read: {error.strerror}. Nothing was run.") from error
    except ValueError as error:
        raise ParameterError(f"{error}. Nothing was run.") from error
    if values.get("repeat", 1) != 1 and not alone:
        raise ParameterError(
            "In a run of several notebooks the evidence is collected once, by the first of them, so repeat says nothing. "
            f"Run {AFTER_SUCCESS} alone. Nothing was run."
        )
    return recorded


def _as_archived(path: Path) -> Evidence:
    """A record that is to be judged and archived once more. One of a run that was changed would be vouched for by the new one.

    Raises:
        ValueError: It lies in a run that is not as it was archived, or is no record.
        OSError: It cannot be read.
    """
    data = read_record(path)
    archived = vouched_for(file_of(path), data)
    if (
        archived
        and archived.problems
        and not (archived.entry is None and file_of(path).parent.name.endswith(UNFINISHED))
    ):
        changed = archived.problems[0]
        raise ValueError(
            f"{path} lies in a run that is not as it was archived: {changed.path} {changed.what}. Look at that run, with oairunbook archive verify; "
            "a copy of the file elsewhere is taken as any other record"
        )
    return load_evidence(data)


def _root(archive: str, environment: Mapping[str, str]) -> Path:
    try:
        return archive_root(archive, environment).absolute()
    except archives.ArchiveError as error:
        raise ParameterError(f"{error} Nothing was run.") from error
    except OSError as error:
        # The working folder itself may be gone, and then no file is named.
        where = error.filename or "The archive's folder"
        raise ParameterError(f"{where} cannot be created: {error.strerror}. Nothing was run.") from error


def _kind(declared: Mapping[Path, Sequence[runbooks.Parameter]]) -> archives.Kind:
    """What these notebooks look at: an archive or a fleet, if each takes that instead of a route, else a path."""
    names = [{parameter.name for parameter in parameters} for parameters in declared.values()]
    if all("archive" in known for known in names):
        return "audit"
    return "fleet" if all("records" in known for known in names) else "run"
