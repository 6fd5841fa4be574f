"""Beside JupyterLab a run starts as fast: the grammar that its dependencies bring along is not compiled, and a cell can still have it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import nbformat
import pytest

from oairunbook.record import runner
from oairunbook.record.forked.children import Nursery, forkable
from tests.golden import RECORDS
from tests.notebooks import notebook

GRAMMAR = """
import os
with open(os.environ["GRAMMAR_COMPILED"], "a") as file:
    file.write(f"{os.getpid()}\\n")

def is_valid_syntax(term, value):
    return ":" in value
"""


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What each process that compiles the grammar writes to; a package of the grammar's name stands in the way of every one."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "rfc3987_syntax.py").write_text(GRAMMAR)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("GRAMMAR_COMPILED", str(tmp_path / "compiled"))
    return tmp_path / "compiled"


def test_nbformat_by_itself_compiles_it(compiled: Path) -> None:
    """The control: without it the tests below could not fail."""
    subprocess.run([sys.executable, "-c", "import nbformat"], check=True, timeout=60)
    assert compiled.exists()


def test_no_process_of_a_run_compiles_it(compiled: Path, tmp_path: Path) -> None:
    record = RECORDS / "02_same_path-ok.json"
    command = [sys.executable, "-m", "oairunbook.cli", "run", "02_same_path", "-p", "evidence", str(record)]
    done = subprocess.run(
        [*command, "--archive", str(tmp_path / "archive"), "-q"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "archive").rglob("02_same_path.ipynb"))
    assert not compiled.exists()


@pytest.mark.skipif(not forkable(), reason="processes are forked on Linux alone")
def test_a_cell_of_a_forked_kernel_checks_what_any_other_does(compiled: Path, tmp_path: Path) -> None:
    source = (
        "import json, jsonschema\n"
        "checker = jsonschema.Draft202012Validator.FORMAT_CHECKER\n"
        "print(json.dumps([checker.conforms(text, 'iri') for text in ('urn:x', 'nothing')]))"
    )
    with closing(Nursery(os.environ)) as nursery:
        execution = runner.execute(
            notebook(tmp_path / "in.ipynb", source),
            tmp_path / "out.ipynb",
            parameters={},
            environment=dict(os.environ),
            run="grammar",
            seconds=60,
            cell_seconds=60,
            nursery=nursery,
        )
    written = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert execution.state == "ok", execution.problem
    assert json.loads(written.cells[-1].outputs[0].text) == [True, False]
    assert len(compiled.read_text().split()) == 1
