"""One run: the notebooks that the evidence calls for, and everything that they leave in the archive."""

from __future__ import annotations

import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat

from oairunbook import practice as practices
from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence, dumps, load_evidence, to_document
from oairunbook.record import archive as archives
from oairunbook.record import packet as packets
from oairunbook.record import runbooks, runner
from oairunbook.record.archive.about import about
from oairunbook.record.archive.chain import UNFINISHED
from oairunbook.record.archive.find import ARCHIVE_VARIABLE, archive_root, find_run
from oairunbook.record.archive.lock import Patience
from oairunbook.record.archive.mirror import address
from oairunbook.record.archive.put import WaitingError
from oairunbook.record.archive.reading import vouched_for
from oairunbook.record.archive.signing import SigningKeyError, load_signer, sign_key_file
from oairunbook.record.follow import BRANCHES, branch
from oairunbook.record.forked.children import Nursery
from oairunbook.record.forked.children import nursery as nurseries
from oairunbook.record.outcome import Execution, not_run
from oairunbook.record.runbooks import ParameterError, Value
from oairunbook.record.source import (
    BEFORE_A_RECORD,
    EVIDENCE_FILE,
    KEEP_VARIABLE,
    check_values,
    decisive,
    file_of,
    files_of,
    read,
    read_record,
)
from oairunbook.records import dataclass
from oairunbook.redaction import Secrets
from oairunbook.verdict import Verdict

FIRST = ("01_response_evidence", "02_same_path")
AFTER_A_FAULT = "07_escalate"
AFTER_SUCCESS = "08_verify_fix"

_SPARE_SECONDS = 60.0
"""What a kernel may take to start and a notebook to draw, beyond the budget of its probes; two such on a slow machine."""

_READING_SECONDS = 600.0
"""What notebooks may take that look at an archive or a fleet, and so have no budget: that depends on how much there is. Of 100,000 runs the first
audit takes half a minute, and several times that on a busy machine."""


class BrokenOffError(Exception):
    """The run could not be written to its end. The text says what happened and where what was seen so far is."""

    interrupted = False
    """Whether somebody asked for an end meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of it."""

    path: Path
    evidence: Evidence | None
    verdict: Verdict | None
    notebooks: tuple[Execution, ...]
    interrupted: bool
    practice: str | None = None
    waiting: str = ""
    """Why it could not be put on object storage, and where it is meanwhile; empty if it is in its archive."""

    @property
    def practised(self) -> bool:
        """Whether this says nothing about a real path."""
        return self.practice is not None

    @property
    def proof(self) -> dict[str, Any] | None:
        """What a notebook of this run said of a fix."""
        return next((notebook.proof for notebook in self.notebooks if notebook.proof), None)

    @property
    def audited(self) -> bool:
        """Whether this looked at an archive and at no path, so that there is no verdict."""
        return self.verdict is None and any(notebook.audit for notebook in self.notebooks)

    @property
    def fleet(self) -> dict[str, Any] | None:
        """What a notebook of this run said of a fleet, which has no verdict of its own."""
        return next((notebook.fleet for notebook in self.notebooks if notebook.fleet), None)

    @property
    def whole(self) -> bool:
        """Whether every notebook ran to its end and left a verdict, or the result of an audit or of a fleet."""
        told = self.verdict is not None or self.audited or self.fleet is not None
        return told and all(notebook.state == "ok" for notebook in self.notebooks)

    @property
    def exit_status(self) -> int:
        """The verdict's; of a fleet 1 if a member fails; of an audit 0 if the archive is as it was left, else 1."""
        if self.verdict is not None:
            return self.verdict.exit_status
        if self.fleet is not None:
            return int(self.fleet["exit_status"])
        return int(not all(notebook.audit["archive_intact"] for notebook in self.notebooks if notebook.audit))

    def document(self) -> dict[str, Any]:
        """The run for programs."""
        return {
            "run": address(self.path),
            "practice": self.practice,
            "evidence": to_document(self.evidence),
            "verdict": to_document(self.verdict),
            "notebooks": [summary(notebook) for notebook in self.notebooks],
        }


def run(
    names: Sequence[str],
    given: Sequence[tuple[str, str]],
    *,
    archive: str = "",
    sign_key: str = "",
    fix_of: Mapping[str, Any] | None = None,
    look: Callable[[Mapping[str, Value], Path], tuple[Evidence, ...]] | None = None,
    environment: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda _: None,
    interrupted: threading.Event | None = None,
    seconds: float | None = None,
    cell_seconds: float | None = None,
    nursery: Nursery | None = None,
) -> Run:
    """Run notebooks, or the chain that the evidence calls for, and archive them.

    The chain is 01 and 02, then 07 if there is a fault or the evidence does not decide, 08 if the path is healthy. Where an answer changed
    the owner, the branch of that owner or provider comes before 07. Evidence is collected once: the first notebook leaves it, the others judge it.

    Args:
        names: Notebooks in the order to run them; empty for the chain.
        given: Parameters as given, name and text; each goes to the notebooks that declare it.
        archive: Folder or `s3://bucket/prefix`; empty for `OAIRUNBOOK_ARCHIVE`, else `./archive`.
        sign_key: File of the private key that signs the record; empty for `OAIRUNBOOK_SIGN_KEY`, else it is not signed.
        fix_of: The failing run whose fix this looks at; the record names it, see `verify_fix`.
        look: Collects the evidence in place of the notebooks, from the checked values and the archive's folder: one attempt, or several for a
            notebook that counts them; None if notebooks look.
        environment: Of the kernels; that of this process if None.
        progress: Called with a line as each notebook begins and ends.
        interrupted: Once it is set, what runs is ended and what there is is archived; see `interruptible`.
        seconds: Deadline of the whole run, also of its wait for others that enter one; of the notebooks alone, by the budget and their number, if None.
        cell_seconds: Deadline of each cell; by the budget if None.
        nursery: What forks the engines, if whoever calls has one already.

    Raises:
        ParameterError: A notebook or parameter does not exist, a value does not fit, a record cannot be read, or the archive cannot be
            written. Nothing was run.
        BrokenOffError: The archive could not be written any more.
    """
    variables = dict(os.environ if environment is None else environment)
    interrupted = interrupted or threading.Event()
    chain = _chosen(names)
    possible = (
        chain if names else [*chain, *(runbooks.find(name) for name in (*BRANCHES, AFTER_A_FAULT, AFTER_SUCCESS))]
    )
    declared = {source: runbooks.declared(nbformat.read(source, as_version=4).cells) for source in possible}
    everything = {parameter.name: parameter for parameters in declared.values() for parameter in parameters}
    values = runbooks.checked(given, tuple(everything.values()), Secrets.from_environment(variables))
    recorded = _checked_together(values, alone=len(possible) == 1)
    if look and "evidence" not in everything:
        raise ParameterError(
            f"{', '.join(names)} judges no evidence of a path, so a place to look from says nothing. Nothing was run."
        )
    try:
        root = archive_root(archive, variables).absolute()
    except archives.ArchiveError as error:
        raise ParameterError(f"{error} Nothing was run.") from error
    except OSError as error:
        # The working folder itself may be gone, and then no file is named.
        where = error.filename or "The archive's folder"
        raise ParameterError(f"{where} cannot be created: {error.strerror}. Nothing was run.") from error
    collected = look(values, root) if look else ()
    recorded = decisive(collected) if collected else recorded
    rehearsal = practices.current(variables)
    practice = recorded.practice if recorded else rehearsal.fault if rehearsal else None
    looks_at = _looks_at(declared)
    unbudgeted = 0.0 if looks_at == "run" else _READING_SECONDS
    budget = float(values.get("budget", everything["budget"].default if "budget" in everything else unbudgeted))
    cell_seconds = budget + _SPARE_SECONDS if cell_seconds is None else cell_seconds
    limited = seconds is not None
    seconds = 2 * budget + _SPARE_SECONDS * (len(chain) + 2 * (not names)) if seconds is None else seconds
    last = time.monotonic() + seconds

    try:
        signer = load_signer(sign_key_file(sign_key, variables))
        kind: archives.Kind = "verify" if fix_of is not None else looks_at
        draft = archives.begin(root, host=socket.gethostname(), kind=kind, practice=practice, signer=signer)
    except SigningKeyError as error:
        raise ParameterError(f"{error}. Nothing was run.") from error
    except OSError as error:
        raise ParameterError(f"The archive {root} cannot be written: {error.strerror}. Nothing was run.") from error
    variables |= {ARCHIVE_VARIABLE: str(root), KEEP_VARIABLE: str(draft.folder)}
    notebooks: list[Execution] = []
    evidence: Evidence | None = None
    pending = list(chain)
    try:
        if collected:
            for name, seen in files_of(collected).items():
                draft.write(name, dumps(seen))
            evidence = recorded
        broken = threading.Event()
        with nullcontext(nursery) if nursery else nurseries(variables) as forking:

            def execute(source: Path) -> Execution:
                left = last - time.monotonic()
                if interrupted.is_set() or broken.is_set() or left <= 0:
                    return not_run(source.stem)
                known = {parameter.name for parameter in declared[source]}
                mine: dict[str, Value] = {name: value for name, value in values.items() if name in known}
                if evidence is not None and "evidence" in known:
                    # What was pasted, or seen from another place, is in the record by now.
                    mine = {name: value for name, value in mine.items() if name not in (*BEFORE_A_RECORD, "repeat")}
                    # The folder stands for all attempts in it.
                    mine["evidence"] = str(draft.folder / EVIDENCE_FILE if len(collected) < 2 else draft.folder)
                progress(f"{source.stem} …")
                done = runner.execute(
                    source,
                    draft.folder / source.name,
                    parameters=mine,
                    environment=variables,
                    run=draft.id,
                    seconds=left,
                    cell_seconds=cell_seconds,
                    practice=practice,
                    # The record moves to its final name, and may be read on another machine.
                    hidden={str(draft.folder): ".", **({str(values["failing"]): str(fix_of["run"])} if fix_of else {})},
                    stopped=lambda: interrupted.is_set() or broken.is_set(),
                    nursery=forking,
                )
                progress(f"{source.stem} {done.state}, {done.seconds:.1f} s{': ' * bool(done.problem)}{done.problem}")
                return done

            followed = bool(names)
            while pending:
                judged = evidence or recorded
                if judged is not None and not followed:
                    pending += [runbooks.find(name) for name in _after(judged)]
                    followed = True
                # One of them looks, and the others judge what it saw: they need not wait for each other.
                now = pending if judged is not None else pending[:1]
                pending = pending[len(now) :]
                notebooks += runner.side_by_side(now, execute, broken.set)
                evidence = _evidence(draft)
        result = Run(
            path=root / draft.name,
            evidence=evidence,
            verdict=diagnose(evidence) if evidence else None,
            notebooks=tuple(notebooks),
            interrupted=interrupted.is_set(),
            practice=practice,
        )
        try:
            _finish(draft, result, fix_of, Patience(last if limited else math.inf, interrupted.is_set))
        except WaitingError as error:
            # What was found out is told all the same: the fault may be what cut off the archive as well.
            result = replace(result, path=error.folder, waiting=str(error))
    except archives.ArchiveError as error:
        broken_off = BrokenOffError(f"{error} What was seen so far: {draft.folder}")
        broken_off.interrupted = interrupted.is_set()
        raise broken_off from error
    except OSError as error:
        raise BrokenOffError(
            f"The run could not be written to its end: {error.strerror or error}. What was seen so far: {draft.folder}"
        ) from error
    return result


def archive_record(root: Path, evidence: Evidence, verdict: Verdict) -> Path:
    """Archive one record that no notebook made: evidence, verdict and packet, as a run of its own. Returns its folder.

    Raises:
        OSError: The archive cannot be written.
        oairunbook.record.archive.ArchiveError: Its chain cannot be continued.
    """
    draft = archives.begin(root, host=socket.gethostname(), practice=evidence.practice)
    draft.write(EVIDENCE_FILE, dumps(evidence))
    path = root / draft.name
    made = Run(
        path=path,
        evidence=evidence,
        verdict=verdict,
        notebooks=(),
        interrupted=evidence.cut_short is not None,
        practice=evidence.practice,
    )
    _finish(draft, made)
    return find_run(root, str(path))


def _looks_at(declared: Mapping[Path, Sequence[runbooks.Parameter]]) -> archives.Kind:
    """What these notebooks look at: an archive or a fleet, if each takes that instead of a route, else a path."""
    names = [{parameter.name for parameter in parameters} for parameters in declared.values()]
    if all("archive" in known for known in names):
        return "audit"
    return "fleet" if all("records" in known for known in names) else "run"


def _after(evidence: Evidence) -> list[str]:
    """What follows on the first notebooks: the branch that the verdict calls for, if an answer changed the owner, and the packet."""
    verdict = diagnose(evidence)
    if verdict.cause == "ok":
        return [AFTER_SUCCESS]
    taken = branch(evidence, verdict)
    return [taken, AFTER_A_FAULT] if taken else [AFTER_A_FAULT]


def _chosen(names: Sequence[str]) -> list[Path]:
    chosen = [runbooks.find(name) for name in names or FIRST]
    twice = sorted({source.stem for source in chosen if chosen.count(source) > 1})
    if twice:
        raise ParameterError(f"{', '.join(twice)} is named twice, and a run holds each notebook once. Nothing was run.")
    return chosen


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


def _checked_together(values: Mapping[str, Value], *, alone: bool) -> Evidence | None:
    """What no declared type says: values out of range, that exclude each other, or that name a record nobody can read.

    Returns the record that `evidence` names. The notebooks check the same again, for plain papermill.
    """
    try:
        check_values(values)
        for name in ("failing", "other"):
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


def _finish(
    draft: archives.Draft, result: Run, fix_of: Mapping[str, Any] | None = None, patience: Patience | None = None
) -> None:
    if result.evidence and result.verdict:
        built = packets.build(result.evidence, result.verdict)
        draft.write("verdict.json", dumps(result.verdict))
        draft.write("packet.md", packets.to_markdown(built))
        draft.write("packet.json", packets.to_json(built))
    manifest = {
        "host": socket.gethostname(),
        "notebooks": [summary(notebook) for notebook in result.notebooks],
        "interrupted": result.interrupted,
        **about(result.evidence, result.verdict),
    }
    if fix_of is not None:
        proof = result.proof or {}
        manifest["verify"] = {
            "failing": dict(fix_of),
            "proved": bool(proof.get("proved")),
            "statement": proof.get("statement", "Not proved: the notebook did not come so far."),
        }
    draft.finish("whole" if result.whole and not result.interrupted else "partial", manifest, patience)


def summary(notebook: Execution) -> dict[str, Any]:
    """A notebook's execution as the manifest says it."""
    return {
        "name": notebook.name,
        "state": notebook.state,
        "seconds": notebook.seconds,
        "cells": notebook.counted(),
        "problem": notebook.problem,
    }


def _evidence(draft: archives.Draft) -> Evidence | None:
    path = draft.folder / EVIDENCE_FILE
    return load_evidence(path.read_bytes()) if path.exists() else None


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turn SIGINT, SIGTERM and SIGHUP into an event, so that none of them ends the writing of a record half-way."""
    asked = threading.Event()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # nohup(1) asks for that, and a shell that is gone asks for an end.
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["BrokenOffError", "ParameterError", "Run", "archive_record", "interruptible", "run"]
