"""Executing notebooks for tests: against faults of the lab, several side by side, as `oairunbook run` does it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat


def notebook(path: Path, *sources: str) -> Path:
    """Write a notebook of these cells, called cell0, cell1, …"""
    cells = [nbformat.v4.new_code_cell(source, id=f"cell{number}") for number, source in enumerate(sources)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


@dataclass(frozen=True)
class Executed:
    """One executed notebook with what it left in its run."""

    run: Path
    notebook: Any

    @property
    def verdict(self) -> dict[str, Any]:
        """The verdict in the notebook's metadata."""
        found: dict[str, Any] = self.notebook.metadata["oairunbook"]["verdict"]
        return found

    def text(self, cell: str = "") -> str:
        """The plain text that cells show; of one cell, if its id is given."""
        return "\n".join(
            output["data"]["text/plain"]
            for one in self.notebook.cells
            if cell in ("", one.get("id"))
            for output in one.get("outputs", ())
            if "data" in output
        )

    @property
    def whole(self) -> str:
        """The file, as it stands in the archive."""
        return nbformat.writes(self.notebook)


def execute(
    name: str, faults: Sequence[str], folder: Path, parameters: Mapping[str, str] | None = None
) -> dict[str, Executed]:
    """Run one notebook against each fault, all at the same time."""
    given = [part for key, value in (parameters or {}).items() for part in ("-p", key, value)]
    began = {}
    for fault in faults:
        archive = folder / fault
        command = [
            sys.executable,
            "-P",
            "-m",
            "oairunbook.cli",
            "run",
            name,
            "-q",
            "--lab",
            fault,
            "--archive",
            str(archive),
            *given,
        ]
        began[fault] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    done = {}
    for fault, process in began.items():
        _, told = process.communicate(timeout=180)
        found = sorted((folder / fault).rglob(f"{name}.ipynb"))
        assert found, f"{fault}: status {process.returncode}: {told[-2000:]}"
        done[fault] = Executed(run=found[-1].parent, notebook=nbformat.read(found[-1], as_version=4))
    return done
