"""Working copies of the notebooks: the installed ones are never edited."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import nbformat

from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence
from oairunbook.record import runbooks
from oairunbook.record.files import make_private, write_whole
from oairunbook.record.plan import AFTER_SUCCESS
from oairunbook.record.runbooks import Value
from oairunbook.record.source import EVIDENCE_FILE
from oairunbook.record.verify_fix import as_often_as_it_takes
from oairunbook.records import dataclass
from oairunbook.route.base_url import NAMED

_LOOK_FOR_THEMSELVES = ("03_sdk_controls", "04_browser", "04_serverless_container")
"""What they show is not in the record of a check: with one they would have nothing to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What came of copying; names of files."""

    written: tuple[str, ...]
    same: tuple[str, ...]
    """They were there already, as they are installed."""

    kept: tuple[str, ...]
    """They were there already and differ: somebody adapted them, or they are of another version. They were not touched."""


def copy_notebooks(folder: Path) -> Copies:
    """Copy every notebook that is not there yet, and the pages of the causes that they point to. Nothing that exists is changed.

    Raises:
        OSError: The folder or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[str] = []
    same: list[str] = []
    kept: list[str] = []
    for source in sorted((*runbooks.folder().glob("*.ipynb"), runbooks.folder() / "CAUSES.md")):
        data, target = source.read_bytes(), folder / source.name
        try:
            with target.open("xb") as file:
                file.write(data)
        except FileExistsError:
            (same if target.is_file() and target.read_bytes() == data else kept).append(source.name)
        else:
            written.append(source.name)
    return Copies(written=tuple(written), same=tuple(same), kept=tuple(kept))


def prepare(name: str, run: Path, folder: Path, seen: Evidence, *, tested_here: bool) -> Path:
    """Copy a notebook into *folder*, with the record of *run* as its `evidence`, so that it looks at nothing anew.

    The proof of a fix gets it as the `failing` record instead, and tests the same route anew, as often as it takes. Notebooks that have
    to look for themselves get its route.

    Args:
        name: Of the notebook, without `.ipynb`.
        run: Folder of an archived run.
        folder: Created for its owner alone if it is missing.
        seen: The record of *run*.
        tested_here: Whether this kernel made it. The key goes where a notebook that tests is led, so no other record leads one anywhere.

    Raises:
        OSError: It cannot be written.
    """
    notebook = nbformat.read(runbooks.find(name), as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            for parameter, value in _given(
                name, os.path.relpath(run / EVIDENCE_FILE, folder), seen, tested_here
            ).items():
                cell.source = _with(cell.source, parameter, value)
    make_private(folder)
    target = folder / f"{name}.ipynb"
    write_whole(target, nbformat.writes(notebook).encode("utf-8") + b"\n")
    return target


def _given(name: str, record: str, seen: Evidence, tested_here: bool) -> dict[str, Value]:
    route = _route(seen) if tested_here else {}
    if name == AFTER_SUCCESS and diagnose(seen).cause != "ok":
        return {"failing": record, **route, **as_often_as_it_takes(seen)}
    if name in _LOOK_FOR_THEMSELVES and tested_here:
        return route
    return {"evidence": record}


def _route(seen: Evidence) -> dict[str, Value]:
    """What was given by hand; the rest comes from this runtime's settings again."""
    route = seen.route
    found: dict[str, Value] = {}
    if route.base_url.source == "argument":
        found["base_url"] = route.base_url.value
    if route.model is not None and route.model.source == "argument":
        found["model"] = route.model.value
    if route.family_reason == NAMED:
        found["route"] = route.family
    return found


def _with(source: str, name: str, value: Value) -> str:
    """The parameters with another literal for one of them; as they were if the notebook has no such parameter."""
    literal = json.dumps(value, ensure_ascii=False)
    return re.sub(rf"^({name}: \w+ = ).*?(?=  #|$)", lambda line: line[1] + literal, source, flags=re.MULTILINE)
