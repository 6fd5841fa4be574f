"""One fleet run in the archive: each member's record as soon as it is here, what they come to together, and the notebook that shows it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from oairunbook import practice as practices
from oairunbook.collector.carrier import NowhereError
from oairunbook.collector.fleet import Arrived, Outcome
from oairunbook.evidence import Evidence, dumps
from oairunbook.fleet import Fleet, Member, member, survey
from oairunbook.record import archive as archives
from oairunbook.record import runbooks, runner
from oairunbook.record.archive.about import about
from oairunbook.record.archive.find import ARCHIVE_VARIABLE
from oairunbook.record.archive.lock import Patience
from oairunbook.record.archive.put import WaitingError
from oairunbook.record.archive.signing import Signer
from oairunbook.record.fleet import words
from oairunbook.record.fleet.reading import FLEET_FILE
from oairunbook.record.outcome import Execution
from oairunbook.record.run import handed_over_if_broken_off, summary
from oairunbook.record.runbooks import ParameterError
from oairunbook.record.source import KEEP_VARIABLE
from oairunbook.records import dataclass

NOTEBOOK = "10_fleet"

_NOTEBOOK_SECONDS = 120.0
_MOST_NAME = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRun:
    """What came of it."""

    path: Path
    fleet: Fleet
    notebook: Execution
    interrupted: bool
    waiting: str = ""
    """Why it could not be put on object storage, and where it is meanwhile; empty if it is in its archive."""

    @property
    def whole(self) -> bool:
        """Whether the notebook ran to its end."""
        return self.notebook.state == "ok"


def run_fleet(
    look: Callable[[Arrived], None],
    root: Path,
    *,
    signer: Signer | None,
    environment: Mapping[str, str],
    progress: Callable[[str], None],
    interrupted: threading.Event,
) -> FleetRun:
    """Look from every member, compare them, and archive all of it.

    Args:
        look: Looks from each, and tells what came of it.
        root: Of the archive.
        signer: Signs the record; None for no signature.
        environment: Of the notebook's kernel.
        progress: Called with a line as each member is done.
        interrupted: Once it is set, what there is is archived.

    Raises:
        BrokenOffError: The archive could not be written any more; the text says where what was seen is.
        NowhereError: There is nobody to look from. Nothing is archived.
        ParameterError: The archive cannot be written. Nothing was sent.
    """
    rehearsal = practices.current(environment)
    try:
        draft = archives.begin(
            root,
            host=socket.gethostname(),
            kind="fleet",
            practice=rehearsal.fault if rehearsal else None,
            signer=signer,
        )
    except OSError as error:
        raise ParameterError(f"The archive {root} cannot be written: {error.strerror}. Nothing was sent.") from error
    members: list[Member] = []
    names: set[str] = set()

    def arrived(name: str, outcome: Outcome) -> None:
        record = ""
        if isinstance(outcome, Evidence):
            record = _file_name(name, names)
            draft.write(record, dumps(outcome))
        found = member(name, outcome, record)
        members.append(found)
        progress(f"{len(members)}  {name}: {words.said(found)}")

    with handed_over_if_broken_off(draft, interrupted):
        try:
            look(arrived)
        except NowhereError:
            draft.discard()
            raise
        fleet = survey(sorted(members, key=lambda one: _natural(one.name)))
        draft.write(FLEET_FILE, dumps(fleet))
        progress(f"{NOTEBOOK} …")
        notebook = runner.execute(
            runbooks.find(NOTEBOOK),
            draft.folder / f"{NOTEBOOK}.ipynb",
            parameters={"records": str(draft.folder)},
            environment={**environment, ARCHIVE_VARIABLE: str(root), KEEP_VARIABLE: str(draft.folder)},
            run=draft.id,
            seconds=_NOTEBOOK_SECONDS,
            cell_seconds=_NOTEBOOK_SECONDS,
            practice=fleet.practice,
            # The record moves to its final name, and may be read on another machine.
            hidden={str(draft.folder): "."},
        )
        whole = notebook.state == "ok" and not interrupted.is_set()
        manifest = {
            "host": socket.gethostname(),
            "notebooks": [summary(notebook)],
            "interrupted": interrupted.is_set(),
            **about(None, None),
            "fleet": {
                "told": words.counted(fleet),
                "members": len(fleet.members),
                "causes": {group.cause: len(group.members) for group in fleet.groups},
            },
        }
        path, waiting = root / draft.name, ""
        try:
            draft.finish("whole" if whole else "partial", manifest, Patience(stopped=interrupted.is_set))
        except WaitingError as error:
            path, waiting = error.folder, str(error)
    return FleetRun(path=path, fleet=fleet, notebook=notebook, interrupted=interrupted.is_set(), waiting=waiting)


def _file_name(name: str, taken: set[str]) -> str:
    """A file's name that shows the member's, and that no other member has."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "_", name).strip("._")[:_MOST_NAME] or "worker"
    number, found = 1, f"worker-{plain}.json"
    while found in taken:
        number += 1
        found = f"worker-{plain}-{number}.json"
    taken.add(found)
    return found


def _natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """`w-2` before `w-10`."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts)
