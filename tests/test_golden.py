"""What notebooks show of a record: the same as when somebody last read it, cell by cell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from oairunbook.record import runbooks
from oairunbook.verdict import RULES_VERSION
from tests.golden import COPIES, FOLDER


def test_every_notebook_that_judges_a_record_has_a_golden_copy() -> None:
    judging = {
        name
        for name in runbooks.names()
        if {"evidence", "error_text"}
        & {parameter.name for parameter in runbooks.declared(nbformat.read(runbooks.find(name), 4).cells)}
    }
    assert judging - {"triage"} == {copy.notebook for copy in COPIES}


def test_every_golden_copy_belongs_to_a_declared_one() -> None:
    assert sorted(FOLDER.glob("*.ipynb")) == sorted(copy.path for copy in COPIES)


def test_the_cells_of_a_golden_copy_are_those_of_the_notebook() -> None:
    for copy in COPIES:
        original = nbformat.read(runbooks.find(copy.notebook), 4)
        kept = nbformat.read(copy.path, 4)
        without_parameters = [c.source for c in kept.cells if "injected-parameters" not in c.metadata.get("tags", ())]
        assert without_parameters == [c.source for c in original.cells], f"python -m tests.golden {copy.notebook}"


def test_notebooks_show_what_their_golden_copies_show(tmp_path: Path) -> None:
    """nbval executes each copy anew and compares every output, but for the version of the rules: of text it is told so, in JSON it is set here."""
    folder = tmp_path / "golden"
    shutil.copytree(FOLDER, folder)
    for copy in COPIES:
        text = copy.path.read_text("utf-8")
        today = re.sub(r'"rules_version": "[\d.]+"', f'"rules_version": "{RULES_VERSION}"', text)
        (folder / copy.path.name).write_text(today, "utf-8")
    halves = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
            + ["--rootdir", str(folder), "--nbval", "--nbval-sanitize-with", str(FOLDER / "sanitize.cfg")]
            + [str(folder / copy.path.name) for copy in COPIES[part::2]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for part in range(2)
    ]
    told = [half.communicate(timeout=300)[0] for half in halves]
    for half, text in zip(halves, told, strict=True):
        assert half.returncode == 0, f"{text[-6000:]}\nIf this is what readers shall see: python -m tests.golden"
