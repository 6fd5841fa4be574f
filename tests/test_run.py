"""`oairunbook run`: the main job from a fault to an archived verdict, its exit statuses, and every way to break it off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner, Result

from oairunbook import lab
from oairunbook.cli import cli
from oairunbook.record import runbooks
from oairunbook.record.archive import MANIFEST, verify
from oairunbook.record.outcome import Execution, not_run
from oairunbook.record.run import run as run_notebooks
from oairunbook.record.runner import side_by_side

from .golden import RECORDS

COMMAND = (sys.executable, "-P", "-m", "oairunbook.cli", "run")
UNAUTHORIZED = ("-p", "status", "401", "-p", "body", '{"error": {"message": "no", "code": "invalid_api_key"}}')


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def run(archive: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["run", "--archive", str(archive), *arguments])


def runs(archive: Path) -> list[Path]:
    return sorted(archive.glob("*/*/*/*"))


def metadata(path: Path) -> Any:
    return nbformat.read(path, as_version=4).metadata.oairunbook


# -- the main job -------------------------------------------------------------------------------------------------


def test_a_fault_of_the_lab_ends_in_a_packet_with_status_1(archive: Path) -> None:
    result = run(archive, "--lab", "tls.untrusted_issuer")

    assert result.exit_code == 1
    [folder] = runs(archive)
    assert result.stdout.startswith("PRACTICE against the lab, fault tls.untrusted_issuer.")
    assert result.stdout.endswith(f"PRACTICE run {folder}\n")
    assert "owner    connection_path\ncause    tls.untrusted_issuer" in result.stdout
    assert folder.name.endswith("-practice")
    names = ["01_response_evidence", "02_same_path", "07_escalate"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*(f"{name}.ipynb" for name in names), "evidence.json", "verdict.json", "packet.md", "packet.json", MANIFEST]
    )
    for name in names:
        about = metadata(folder / f"{name}.ipynb")
        assert (about.state, about.practice, about.verdict["cause"]) == (
            "ok",
            "tls.untrusted_issuer",
            "tls.untrusted_issuer",
        )
    manifest = json.loads((folder / MANIFEST).read_bytes())
    assert (manifest["state"], manifest["practice"]) == ("whole", "tls.untrusted_issuer")
    assert json.loads((folder / "evidence.json").read_bytes())["practice"] == "tls.untrusted_issuer"
    assert json.loads((folder / "packet.json").read_bytes())["practice"] == "tls.untrusted_issuer"
    assert verify(archive) == ()

    shown = CliRunner().invoke(cli, ["packet", str(folder)])
    assert shown.exit_code == 0
    assert "**Practice.**" in shown.stdout


def test_a_healthy_path_ends_in_an_archived_proof_with_status_0_and_json_for_programs(archive: Path) -> None:
    result = run(archive, "--lab", "ok", "-q", "--json", "-")

    assert result.exit_code == 0
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert [notebook["name"] for notebook in document["notebooks"]] == [
        "01_response_evidence",
        "02_same_path",
        "08_verify_fix",
    ]
    assert (document["verdict"]["cause"], document["practice"]) == ("ok", "ok")
    [folder] = runs(archive)
    assert document["run"] == str(folder)
    about = metadata(folder / "08_verify_fix.ipynb")
    assert about.proof["succeeded"] == about.proof["tried"] == 1
    assert about.proof["statement"].startswith("The path works now")
    # Evidence is collected once: all three notebooks judge the same record.
    times = {metadata(path).verdict["because"][0]["fact"] for path in folder.glob("*.ipynb")}
    assert len(times) == 1


def test_the_labs_fault_of_the_environment_is_not_masked_and_its_route_is_the_faults(archive: Path) -> None:
    result = run(archive, "02_same_path", "--lab", "api.azure_network_denied", "--json", "-")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["verdict"]["owner"] == "route_provider"
    result = run(archive, "02_same_path", "--lab", "client.base_url_invalid.empty", "--json", "-")
    assert json.loads(result.stdout)["verdict"]["cause"] == "client.base_url_invalid"


def test_what_the_evidence_does_not_decide_ends_with_status_3(archive: Path) -> None:
    result = run(archive, "01_response_evidence", "-p", "error_text", "something went wrong")
    assert result.exit_code == 3
    assert "cause    unknown" in result.stdout


def test_the_archives_key_makes_fingerprints_so_that_another_key_is_another_scope(archive: Path) -> None:
    fingerprints = []
    with lab.start("tcp.refused") as running:
        for key in ("sk-first-key-of-a-test", "sk-second-key-of-a-test"):
            result = CliRunner(env={**running.environment, "OPENAI_API_KEY": key}).invoke(
                cli, ["run", "02_same_path", "--archive", str(archive), "--json", "-", "-q"]
            )
            fingerprints.append(json.loads(result.stdout)["evidence"]["route"]["credential"]["fingerprint"])
    assert fingerprints[0] != fingerprints[1]
    assert None not in fingerprints


# -- a wrong call runs nothing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("99_nothing",), "There is no notebook '99_nothing'"),
        (("same_path",), "Did you mean 02_same_path?"),
        (("02_same_path", "02_same_path"), "02_same_path is named twice"),
        (("-p", "base-url", "x"), "Did you mean base_url?"),
        (("-p", "tmeout", "3"), "Did you mean timeout"),
        (("-p", "verify", "false"), "There is no parameter 'verify'"),
        (("02_same_path", "-p", "status", "401"), "There is no parameter 'status'"),
        (("-p", "status", "0x191"), "'status' is a whole number"),
        (("-p", "status", "401.0"), "'status' is a whole number"),
        (("-p", "status", "700"), "status is an HTTP status"),
        (("-p", "body", "{}", "-p", "evidence", "x"), "give one of them"),
        (("-p", "timeout", "nan"), "'timeout' is a number"),
        (("-p", "timeout", "soon"), "'timeout' is a number"),
        (("-p", "timeout", "-1"), "timeout is a number of seconds"),
        (("-p", "route", "aws"), "route is one of auto, direct, azure, gateway"),
        (("--timeout", "3", "-p", "timeout", "4"), "'timeout' is given twice"),
        (("-p", "repeat", "3"), "Run 08_verify_fix alone"),
        (("08_verify_fix", "-p", "repeat", "0"), "repeat is a whole number from 1 on"),
        (("-p", "evidence", "/nowhere/evidence.json"), "/nowhere/evidence.json cannot be read"),
        (("08_verify_fix", "-p", "failing", "/nowhere"), "/nowhere cannot be read"),
        (("--lab", "tls.untrusted_isuer"), "Did you mean tls.untrusted_issuer"),
        (("--lab", "ok", "--base-url", "https://other.test"), "--lab brings its own path"),
        (("--route", "aws"), "'aws' is not one of"),
        (("--timeout", "0"), "--timeout"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_runs_nothing(archive: Path, arguments: tuple[str, ...], told: str) -> None:
    result = run(archive, *arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())
    assert not archive.exists()


def test_a_secret_is_not_taken_as_a_parameter_and_not_repeated(archive: Path) -> None:
    """papermill would write it into the record twice. The guard looks for the canary key; the other one has only the shape of a key."""
    for value in (
        os.environ["OPENAI_API_KEY"],
        "https://user:hunter2hunter2@proxy.test/v1",
        "sk-proj-abcdefghijklmnop",
    ):
        result = run(archive, "-p", "base_url", value)
        assert result.exit_code == 2
        assert "looks like a secret" in result.stderr
        assert value not in result.output
    assert not archive.exists()


def test_an_unreadable_record_and_an_archive_that_cannot_be_written_are_wrong_calls(tmp_path: Path) -> None:
    (tmp_path / "evidence.json").write_text("{}")
    result = run(tmp_path / "archive", "-p", "evidence", str(tmp_path))
    assert (result.exit_code, "its schema is" in result.stderr) == (2, True)
    result = run(tmp_path / "evidence.json" / "archive", "01_response_evidence", *UNAUTHORIZED)
    assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)


def test_types_are_checked_before_papermill_guesses() -> None:
    """papermill makes the (true) string "false" of `-p verify false`, and 443 of 0443."""
    cell = {
        "metadata": {"tags": ["parameters"]},
        "source": 'verify: bool = True  # a\nname: str = ""  # b\nn: float = 1.0  # c',
    }
    declared = runbooks.declared([cell])
    nothing = runbooks.Secrets()
    given = [("verify", "false"), ("name", "0443"), ("n", "3")]
    assert runbooks.checked(given, declared, nothing) == {"verify": False, "name": "0443", "n": 3.0}
    for wrong in ("no", "0", "None", ""):
        with pytest.raises(runbooks.ParameterError, match="is true or false"):
            runbooks.checked([("verify", wrong)], declared, nothing)


def test_an_answer_that_changes_the_owner_brings_its_branch_into_the_chain(archive: Path) -> None:
    """The control is the main job above: without an answer there is no branch to take."""
    result = run(archive, "-q", *UNAUTHORIZED, "--base-url", "https://api.openai.com/v1")
    assert result.exit_code == 1
    [folder] = runs(archive)
    names = sorted(path.stem for path in folder.glob("*.ipynb"))
    assert names == ["01_response_evidence", "02_same_path", "05_owner_auth", "07_escalate"]
    assert {metadata(folder / f"{name}.ipynb").verdict.cause for name in names} == {"api.invalid_key"}


# -- broken off -----------------------------------------------------------------------------------------------------


@pytest.fixture
def broken_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runbook whose second code cell fails."""
    source = runbooks.find("01_response_evidence")
    notebook = nbformat.read(source, as_version=4)
    next(cell for cell in notebook.cells if cell.id == "response").source = "raise RuntimeError('the tool failed')"
    folder = tmp_path / "runbooks"
    folder.mkdir()
    nbformat.write(notebook, folder / source.name)
    monkeypatch.setattr(runbooks, "folder", lambda: folder)


@pytest.mark.usefixtures("broken_notebook")
def test_a_notebook_that_fails_ends_with_status_4_and_what_was_seen_is_archived(archive: Path) -> None:
    result = run(archive, "01_response_evidence", *UNAUTHORIZED)
    assert result.exit_code == 4
    [folder] = runs(archive)
    assert f"did not run to its end. What was seen so far: {folder}" in result.stderr
    assert "the tool failed" in result.stderr
    about = metadata(folder / "01_response_evidence.ipynb")
    assert about.state == "failed"
    assert {cell.id: cell.state for cell in about.cells}["response"] == "failed"
    assert json.loads((folder / "evidence.json").read_bytes())["schema"] == "oairunbook.evidence/1"
    assert json.loads((folder / MANIFEST).read_bytes())["state"] == "partial"
    assert verify(archive) == ()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor executes one notebook at a time")
def test_notebooks_that_judge_what_one_has_seen_are_executed_side_by_side(archive: Path) -> None:
    told: list[str] = []
    pasted = [("status", "401"), ("body", '{"error": {"message": "no", "code": "invalid_api_key"}}')]
    done = run_notebooks((), pasted, archive=str(archive), progress=told.append)
    names = ["01_response_evidence", "02_same_path", "05_owner_auth", "07_escalate"]
    assert [notebook.name for notebook in done.notebooks] == names, "in the order of the chain, whichever ended first"
    assert done.whole
    # The first one has to end, for it is the one that looks; then two begin before one of them has ended.
    assert [line.split()[0] for line in told[:2]] == [names[0], names[0]]
    assert [line.split()[1] for line in told[:4]] == ["…", "ok,", "…", "…"]


def test_where_a_record_is_given_no_notebook_of_the_chain_waits_for_another(archive: Path) -> None:
    told: list[str] = []
    record = str(RECORDS / "02_same_path-ok.json")
    done = run_notebooks((), [("evidence", record)], archive=str(archive), progress=told.append)
    assert [notebook.name for notebook in done.notebooks] == ["01_response_evidence", "02_same_path", "08_verify_fix"]
    if len(os.sched_getaffinity(0)) > 1:
        assert [line.split()[1] for line in told[:2]] == ["…", "…"]


def test_notebooks_beside_one_that_cannot_be_written_are_ended_and_not_waited_for() -> None:
    gave_up = threading.Event()

    def execute(source: Path) -> Execution:
        if source.stem == "broken":
            raise OSError("the disk is full")
        assert gave_up.wait(30)
        return not_run(source.stem)

    with pytest.raises(OSError, match="the disk is full"):
        side_by_side([Path("broken"), Path("other")], execute, gave_up.set)


def environment_of(running: Any) -> dict[str, str]:
    merged: dict[str, str | None] = {**os.environ, **running.environment}
    return {name: value for name, value in merged.items() if value is not None}


def begin(archive: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a run against a path that never answers, and wait until its first cells have run."""
    process = subprocess.Popen(
        [*COMMAND, "02_same_path", "--timeout", "60", "--budget", "60"],
        # Forked processes show the variables with which the first of them was started (proc(5)): those are known by this one.
        env={**environment, "OAIRUNBOOK_ARCHIVE": str(archive)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    last = time.monotonic() + 20
    while not kernels_of(archive):
        assert time.monotonic() < last
        time.sleep(0.05)
    # The kernel has to come as far as the cell that collects.
    time.sleep(2.5)
    return process


def kernels_of(archive: Path) -> list[int]:
    """Kernels of the runs of this archive."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            ours = f"OAIRUNBOOK_ARCHIVE={archive}\0".encode()
            if (entry / "comm").read_text() == "runbook-kernel\n" and ours in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_run_is_archived_as_partial_with_status_130(archive: Path, number: signal.Signals) -> None:
    with lab.start("tls.timeout") as running:
        process = begin(archive, environment_of(running))
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    [folder] = runs(archive)
    assert not folder.name.endswith(".partial")
    assert f"Interrupted. What was seen so far: {folder}" in err
    assert str(folder) in out
    about = metadata(folder / "02_same_path.ipynb")
    assert about.state == "killed"
    assert about.problem == "interrupted"
    assert json.loads((folder / MANIFEST).read_bytes())["state"] == "partial"
    assert kernels_of(archive) == []
    assert verify(archive) == ()


def test_a_killed_run_leaves_a_readable_partial_record_and_nothing_running(archive: Path) -> None:
    with lab.start("tls.timeout") as running:
        process = begin(archive, environment_of(running))
        process.kill()
        process.communicate()
        last = time.monotonic() + 20
        [folder] = runs(archive)
        while kernels_of(archive) or not (folder / "02_same_path.ipynb").exists():
            assert time.monotonic() < last
            time.sleep(0.05)
    assert folder.name.endswith(".partial")
    assert json.loads((folder / MANIFEST).read_bytes())["state"] == "partial"
    about = metadata(folder / "02_same_path.ipynb")
    assert about.state == "killed"
    assert not [path for path in folder.iterdir() if path.name.startswith(".")], "half a file"
    assert verify(archive) == ()


def test_two_runs_at_once_both_survive(archive: Path) -> None:
    command = [*COMMAND, "01_response_evidence", "--archive", str(archive), "-q", *UNAUTHORIZED]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[0].splitlines()[-1] for process in both]
    assert [process.returncode for process in both] == [1, 1]
    assert sorted(told) == [f"run {folder}" for folder in runs(archive)]
    assert len(runs(archive)) == 2
    assert verify(archive) == ()


def test_the_help_names_the_chain_and_every_common_option() -> None:
    told = CliRunner().invoke(cli, ["run", "--help"]).stdout
    for option in (
        "--base-url",
        "--model",
        "--route",
        "--timeout",
        "--budget",
        "--archive",
        "--json",
        "--quiet",
        "--lab",
        "-p",
    ):
        assert option in told
    for name in runbooks.names():
        assert name in told
