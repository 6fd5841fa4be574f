"""The runbook's notebooks: as they are committed, as papermill alone runs them, and what their readers see."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner
from papermill.cli import papermill as papermill_command

from oairunbook import lab
from oairunbook.observe import DEFAULT_REPEAT
from oairunbook.record import runbooks

NAMES = runbooks.names()
INTERACTIVE = tuple(name for name in ("game_day", "triage") if name in NAMES)
"""They wait for somebody at the controls: run headless they send nothing, and show what they were given."""

AUDITS = tuple(name for name in ("09_audit",) if name in NAMES)
"""They look at an archive and at no path, so they end in no verdict; tests/test_audit.py reads what they show."""

FLEETS = tuple(name for name in ("10_fleet",) if name in NAMES)
"""They compare records of many runtimes, so they end in no verdict either; tests/test_fleet.py reads what they show."""

HIDDEN = "remove-input"


def read(name: str) -> Any:
    return nbformat.read(runbooks.find(name), as_version=4)


def code(name: str) -> list[Any]:
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_notebooks_of_the_first_branches_are_here() -> None:
    assert {"01_response_evidence", "02_same_path", "07_escalate", "08_verify_fix"} <= set(NAMES)


def test_a_notebook_is_committed_without_outputs_counts_or_execution_metadata(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in code(name):
        assert (cell.outputs, cell.execution_count) == ([], None)
        assert set(cell.metadata) <= {"tags", "jupyter"}


def test_every_heading_asks_one_question_and_what_is_sent_stands_at_the_top(name: str) -> None:
    cells = read(name).cells
    headings = [
        line
        for cell in cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("#")
    ]
    assert all(line.endswith("?") for line in headings)
    assert "**What this sends, and to whom.**" in cells[0].source


def test_the_number_of_attempts_that_a_notebook_names_is_the_one_that_is_made(name: str) -> None:
    told = re.findall(r"`GET` without credentials: (\d+) times", read(name).cells[0].source)
    assert set(told) <= {str(DEFAULT_REPEAT)}
    if "budget" in {parameter.name for parameter in runbooks.declared(read(name).cells)} and name not in (
        *INTERACTIVE,
        "08_verify_fix",
    ):
        assert told


def test_a_code_cell_is_one_call_and_only_the_hidden_one_is_plumbing(name: str) -> None:
    parameters, plumbing, *views = code(name)
    assert parameters.metadata.tags == ["parameters"]
    assert plumbing.metadata.tags == [HIDDEN]
    assert plumbing.metadata.jupyter.source_hidden
    for cell in views:
        assert len(ast.parse(cell.source).body) == 1
        assert cell.source.startswith("front." if name in INTERACTIVE else "show.")
    for cell in code(name):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, kinds)]
        assert "%" not in cell.source
        assert "!" not in cell.source


def test_the_first_view_says_what_this_is_and_the_last_is_the_verdict_with_the_way_on(name: str) -> None:
    views = [cell.source for cell in code(name)[2:]]
    if name in INTERACTIVE:
        assert views[-2:] == ["front.header()", "front.conclusion()"]
        return
    if name in AUDITS:
        assert (views[0], views[-1]) == ("show.header(audit)", "show.conclusion(audit)")
        return
    if name in FLEETS:
        assert (views[0], views[-1]) == ("show.header(fleet)", "show.conclusion(fleet)")
        return
    assert views[0] == "show.header(seen, verdict, evidence)"
    if views[-1].startswith("show.follows("):
        assert views.pop() == f'show.follows(seen, verdict, "{name}")'
    assert views[-1] == "show.verdict(seen, verdict)"


def test_every_parameter_is_a_commented_literal_and_none_is_a_secret(name: str) -> None:
    declared = runbooks.declared(read(name).cells)
    assert declared
    for parameter in declared:
        assert parameter.help, parameter.name
        assert type(parameter.default).__name__ == parameter.type
        assert not any(word in parameter.name for word in ("key", "token", "secret", "password", "credential"))


def test_papermills_help_lists_every_parameter_with_its_type_its_default_and_its_comment(name: str) -> None:
    """papermill's own parser loses lines that it does not understand, without a word."""
    told = CliRunner().invoke(papermill_command, ["--help-notebook", str(runbooks.find(name))]).output
    for parameter in runbooks.declared(read(name).cells):
        [line] = [line for line in told.splitlines() if line.strip().startswith(f"{parameter.name}: ")]
        assert parameter.type in line
        assert parameter.help in " ".join(told.split())


def environment_of(running: Any) -> dict[str, str]:
    merged: dict[str, str | None] = {**os.environ, **running.environment}
    return {name: value for name, value in merged.items() if value is not None}


def papermill_all(folder: Path, environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    """Plain papermill over every notebook, some side by side; gives what each leaves.

    Not all at once: kernels choose their ports before they bind them (jupyter_client), and many at the same moment take each other's.
    """

    def execute(name: str) -> tuple[str, subprocess.CompletedProcess[str]]:
        call = [sys.executable, "-m", "papermill", str(runbooks.find(name)), str(folder / f"{name}.ipynb"), *arguments]
        return name, subprocess.run(call, env=environment, capture_output=True, text=True, cwd=folder, timeout=120)

    with ThreadPoolExecutor(max_workers=3) as pool:
        for name, process in pool.map(execute, NAMES):
            assert process.returncode == 0, f"{name}: {process.stderr[-1500:]}"
    return {name: nbformat.read(folder / f"{name}.ipynb", as_version=4) for name in NAMES}


def verdict_of(notebook: Any) -> Any:
    bundles = [output.data for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    return [
        data["application/vnd.oairunbook.verdict+json"]
        for data in bundles
        if "application/vnd.oairunbook.verdict+json" in data
    ][-1]


def text_of(notebook: Any) -> str:
    return "\n".join(
        output.data["text/plain"] for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output
    )


def test_plain_papermill_runs_every_notebook_with_no_parameters(tmp_path: Path) -> None:
    with lab.start("tls.untrusted_issuer") as running:
        executed = papermill_all(tmp_path, environment_of(running))
    for name, notebook in executed.items():
        if name in AUDITS:
            assert "is no archive" in text_of(notebook)
        elif name in FLEETS:
            assert "No records are named" in text_of(notebook)
        else:
            assert verdict_of(notebook)["cause"] == ("unknown" if name in INTERACTIVE else "tls.untrusted_issuer"), name
            assert ("controls" if name in INTERACTIVE else "PRACTICE") in text_of(notebook)
        assert not [
            o for cell in notebook.cells for o in cell.get("outputs", ()) if o.output_type in ("stream", "error")
        ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.ipynb" for name in NAMES]


def test_plain_papermill_with_a_base_url_ends_in_a_verdict_also_where_no_name_server_is_reached(tmp_path: Path) -> None:
    with lab.start("dns.resolver_unreachable") as running:
        executed = papermill_all(tmp_path, environment_of(running), "-p", "base_url", "https://other.lab.test/v1")
    for name, notebook in executed.items():
        if name in (*AUDITS, *FLEETS):
            continue
        assert verdict_of(notebook)["cause"] == ("unknown" if name in INTERACTIVE else "dns.resolver_unreachable"), name
        if "base_url" in {parameter.name for parameter in runbooks.declared(read(name).cells)}:
            assert "https://other.lab.test/v1 (from argument)" in text_of(notebook)


def test_a_wrong_value_under_plain_papermill_is_told_in_the_notebook(tmp_path: Path) -> None:
    """papermill checks nothing: the notebook itself has to."""
    with lab.start("tcp.refused") as running:
        process = subprocess.run(
            [
                sys.executable,
                "-m",
                "papermill",
                str(runbooks.find("02_same_path")),
                str(tmp_path / "out.ipynb"),
                "-p",
                "route",
                "aws",
            ],
            env=environment_of(running),
            capture_output=True,
            text=True,
        )
    assert process.returncode == 1
    assert "ValueError: route is one of auto, direct, azure, gateway, and 'aws' is not" in process.stderr


def test_nbval_finds_no_cell_that_raises(tmp_path: Path) -> None:
    with lab.start("ok") as running:
        alone = ("-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path))
        process = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *alone, "--nbval-lax", str(runbooks.folder())],
            env=environment_of(running),
            capture_output=True,
            text=True,
        )
    assert process.returncode == 0, process.stdout[-3000:]
    assert "failed" not in process.stdout


def test_links_between_notebooks_lead_to_notebooks(name: str) -> None:
    text = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    for target in NAMES:
        text = text.replace(f"]({target}.ipynb)", "]")
    assert ".ipynb)" not in text


def test_the_file_reads_well_in_a_diff(name: str) -> None:
    raw = runbooks.find(name).read_text("utf-8")
    assert raw == json.dumps(json.loads(raw), indent=1, ensure_ascii=False) + "\n"
