"""Working copies of the notebooks: the installed ones are never edited."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import nbformat

from oairunbook.record import runbooks
from oairunbook.record.files import make_private, write_whole
from oairunbook.record.source import EVIDENCE_FILE


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


def prepare(name: str, run: Path, folder: Path) -> Path:
    """Copy a notebook into *folder*, with the record of *run* as its `evidence`, so that it looks at nothing anew.

    Args:
        name: Of the notebook, without `.ipynb`.
        run: Folder of an archived run.
        folder: Created for its owner alone if it is missing.

    Raises:
        OSError: It cannot be written.
    """
    notebook = nbformat.read(runbooks.find(name), as_version=4)
    record = json.dumps(os.path.relpath(run / EVIDENCE_FILE, folder))
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = cell.source.replace('evidence: str = ""', f"evidence: str = {record}")
    make_private(folder)
    target = folder / f"{name}.ipynb"
    write_whole(target, nbformat.writes(notebook).encode("utf-8") + b"\n")
    return target
