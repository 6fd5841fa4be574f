"""One run: the notebooks that the evidence calls for, and everything that they leave in the archive."""

from __future__ import annotations

import functools
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence, dumps, load_evidence, to_document
from oairunbook.record import archive as archives
from oairunbook.record import packet as packets
from oairunbook.record import runbooks, runner
from oairunbook.record.archive.about import about
from oairunbook.record.archive.find import ARCHIVE_VARIABLE, find_run
from oairunbook.record.archive.lock import Patience
from oairunbook.record.archive.mirror import address
from oairunbook.record.archive.put import WaitingError
from oairunbook.record.archive.signing import SigningKeyError, load_signer, sign_key_file
from oairunbook.record.follow import branch
from oairunbook.record.forked.children import Nursery
from oairunbook.record.forked.children import nursery as nurseries
from oairunbook.record.outcome import Execution, not_run
from oairunbook.record.plan import AFTER_A_FAULT, AFTER_SUCCESS, Plan, planned
from oairunbook.record.runbooks import ParameterError, Value
from oairunbook.record.source import (
    BEFORE_A_RECORD,
    EVIDENCE_FILE,
    KEEP_VARIABLE,
    files_of,
)
from oairunbook.records import dataclass
from oairunbook.verdict import Verdict


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
    plan = planned(names, given, archive=archive, look=look, environment=variables)
    last = time.monotonic() + (plan.seconds if seconds is None else seconds)
    draft = _begun(plan, sign_key, fix_of, variables)
    variables |= {ARCHIVE_VARIABLE: str(plan.root), KEEP_VARIABLE: str(draft.folder)}
    # The record moves to its final name, and may be read on another machine.
    hidden = {str(draft.folder): ".", **({str(plan.values["failing"]): str(fix_of["run"])} if fix_of else {})}
    notebooks = _Notebooks(
        plan=plan,
        draft=draft,
        environment=variables,
        hidden=hidden,
        last=last,
        cell_seconds=plan.cell_seconds if cell_seconds is None else cell_seconds,
        interrupted=interrupted,
        progress=progress,
    )
    with handed_over_if_broken_off(draft, interrupted):
        for name, seen in files_of(plan.collected).items() if plan.collected else ():
            draft.write(name, dumps(seen))
        with nullcontext(nursery) if nursery else nurseries(variables) as forking:
            executed = notebooks.execute_all(forking)
        evidence = _evidence(draft)
        result = Run(
            path=plan.root / draft.name,
            evidence=evidence,
            verdict=diagnose(evidence) if evidence else None,
            notebooks=tuple(executed),
            interrupted=interrupted.is_set(),
            practice=plan.practice,
        )
        try:
            _finish(draft, result, fix_of, Patience(math.inf if seconds is None else last, interrupted.is_set))
        except WaitingError as error:
            # What was found out is told all the same: the fault may be what cut off the archive as well.
            result = replace(result, path=error.folder, waiting=str(error))
    return result


@contextmanager
def handed_over_if_broken_off(draft: archives.Draft, interrupted: threading.Event) -> Iterator[None]:
    """Whatever keeps a run from being written to its end says where what was seen so far is.

    Raises:
        BrokenOffError: The archive could not be written any more, or its chain cannot be continued.
    """
    try:
        yield
    except archives.ArchiveError as error:
        broken_off = BrokenOffError(f"{error} What was seen so far: {draft.folder}")
        broken_off.interrupted = interrupted.is_set()
        raise broken_off from error
    except OSError as error:
        raise BrokenOffError(
            f"The run could not be written to its end: {error.strerror or error}. What was seen so far: {draft.folder}"
        ) from error


def _begun(
    plan: Plan, sign_key: str, fix_of: Mapping[str, Any] | None, environment: Mapping[str, str]
) -> archives.Draft:
    try:
        signer = load_signer(sign_key_file(sign_key, environment))
        kind: archives.Kind = "verify" if fix_of is not None else plan.kind
        return archives.begin(plan.root, host=socket.gethostname(), kind=kind, practice=plan.practice, signer=signer)
    except SigningKeyError as error:
        raise ParameterError(f"{error}. Nothing was run.") from error
    except OSError as error:
        raise ParameterError(
            f"The archive {plan.root} cannot be written: {error.strerror}. Nothing was run."
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notebooks:
    """The notebooks of a run, and what each of them is given."""

    plan: Plan
    draft: archives.Draft
    environment: Mapping[str, str]
    hidden: Mapping[str, str]
    """What the notebooks must not name, and what stands there instead."""

    last: float
    """When all of it has to be over, on the monotonic clock."""

    cell_seconds: float
    interrupted: threading.Event
    progress: Callable[[str], None]
    broken: threading.Event = field(default_factory=threading.Event)
    """Set once one of those that run side by side cannot be archived: the others end as well."""

    def execute_all(self, nursery: Nursery | None) -> list[Execution]:
        """Execute the first ones, and then those that their evidence calls for."""
        executed: list[Execution] = []
        pending, follows = list(self.plan.first), self.plan.follows
        seen = self.plan.recorded if self.plan.collected else None
        while pending:
            judged = seen or self.plan.recorded
            if judged is not None and follows:
                pending += [runbooks.find(name) for name in _after(judged)]
                follows = False
            # One of them looks, and the others judge what it saw: they need not wait for each other.
            now = pending if judged is not None else pending[:1]
            pending = pending[len(now) :]
            execute = functools.partial(self._execute, nursery=nursery, recorded=seen is not None)
            executed += runner.side_by_side(now, execute, self.broken.set)
            seen = _evidence(self.draft)
        return executed

    def _execute(self, source: Path, *, nursery: Nursery | None, recorded: bool) -> Execution:
        left = self.last - time.monotonic()
        if self._stopped() or left <= 0:
            return not_run(source.stem)
        self.progress(f"{source.stem} …")
        done = runner.execute(
            source,
            self.draft.folder / source.name,
            parameters=self._parameters(source, recorded=recorded),
            environment=self.environment,
            run=self.draft.id,
            seconds=left,
            cell_seconds=self.cell_seconds,
            practice=self.plan.practice,
            hidden=self.hidden,
            stopped=self._stopped,
            nursery=nursery,
        )
        self.progress(f"{source.stem} {done.state}, {done.seconds:.1f} s{': ' * bool(done.problem)}{done.problem}")
        return done

    def _parameters(self, source: Path, *, recorded: bool) -> dict[str, Value]:
        """What a notebook is given, and the run's own record in place of what it would look at, if there is one by now."""
        known = {parameter.name for parameter in self.plan.declared[source]}
        values = {name: value for name, value in self.plan.values.items() if name in known}
        if "evidence" not in known or not recorded:
            return values
        # What was pasted, or seen from another place, is in the record by now.
        values = {name: value for name, value in values.items() if name not in (*BEFORE_A_RECORD, "repeat")}
        # The folder stands for all attempts in it.
        folder = self.draft.folder
        return {**values, "evidence": str(folder / EVIDENCE_FILE if len(self.plan.collected) < 2 else folder)}

    def _stopped(self) -> bool:
        return self.interrupted.is_set() or self.broken.is_set()


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


def _after(evidence: Evidence) -> list[str]:
    """What follows on the first notebooks: the branch that the verdict calls for, if an answer changed the owner, and the packet."""
    verdict = diagnose(evidence)
    if verdict.cause == "ok":
        return [AFTER_SUCCESS]
    taken = branch(evidence, verdict)
    return [taken, AFTER_A_FAULT] if taken else [AFTER_A_FAULT]


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
