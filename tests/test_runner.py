"""The runner tells what really happened to each cell, and leaves nothing running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from oairunbook.record.outcome import BANNER_TAG, Execution
from oairunbook.record.processes import marked
from oairunbook.record.runner import execute

from .notebooks import notebook
from .processes import alive
from .world.canary import Canaries

AFTER = "print('after')"


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The place of private folders in this test; with a short name, because sockets lie in them."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def run(tmp_path: Path, temporary: Path) -> Iterator[Callable[..., tuple[Execution, Any]]]:
    """Execute cells; gives the execution, and the notebook as it was written."""
    names: list[str] = []

    def run(*sources: str, seconds: float = 60, cell_seconds: float = 60, **options: Any) -> tuple[Execution, Any]:
        names.append(f"run{len(names)}-{os.urandom(4).hex()}")
        source = notebook(tmp_path / f"source{len(names)}.ipynb", *sources)
        target = tmp_path / f"target{len(names)}.ipynb"
        execution = execute(
            source,
            target,
            parameters={},
            environment=dict(os.environ),
            run=names[-1],
            seconds=seconds,
            cell_seconds=cell_seconds,
            **options,
        )
        return execution, nbformat.read(target, as_version=4)

    yield run
    assert list(temporary.glob("oairunbook-*")) == [], "a private folder is left"
    left = [pid for name in names for pid in marked(f"{name}/source{names.index(name) + 1}/{os.getpid()}")]
    assert not left, "processes are left"


def states(execution: Execution) -> list[str]:
    return [cell.state for cell in execution.cells]


def test_a_notebook_that_runs_to_its_end_is_ok(run: Callable[..., Any]) -> None:
    execution, written = run("a = 1", "print(a)")
    assert (execution.state, states(execution), execution.problem) == ("ok", ["ok", "ok"], "")
    assert all(cell.seconds is not None for cell in execution.cells)
    assert not any(BANNER_TAG in cell.metadata.get("tags", ()) for cell in written.cells)
    assert written.cells[1].outputs[0].text == "1\n"


@pytest.mark.parametrize(
    ("cell", "state", "problem"),
    [
        ("raise ValueError('no')", "failed", "a cell raised ValueError: no"),
        ("import sys; sys.exit(0)", "failed", "SystemExit"),
        ("import os; os.kill(os.getpid(), 9)", "killed", "Kernel died"),
        ("import os; os._exit(0)", "killed", "Kernel died"),
        ("import time; time.sleep(60)", "timed_out", "a cell was not done in its time"),
    ],
)
def test_a_cell_that_ends_badly_is_told_as_it_ended_and_later_cells_as_not_run(
    run: Callable[..., Any], cell: str, state: str, problem: str
) -> None:
    execution, written = run("print('before')", cell, AFTER, cell_seconds=3)
    assert states(execution) == ["ok", state, "not_run"]
    assert execution.state == state
    assert problem in execution.problem
    banner, *cells = written.cells
    assert BANNER_TAG in banner.metadata.tags
    assert state in banner.source
    assert [c.metadata.oairunbook.state for c in cells] == ["ok", state, "not_run"]
    assert [c.metadata.papermill.status for c in cells] == ["completed", "failed", "pending"]
    assert cells[0].outputs[0].text == "before\n"
    assert cells[2].outputs == []
    assert written.metadata.oairunbook.state == state


def test_the_deadline_of_the_whole_notebook_ends_a_cell_that_hangs_and_keeps_what_it_said(
    run: Callable[..., Any],
) -> None:
    hung = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('began', flush=True); time.sleep(60)"
    )
    began = time.monotonic()
    # Enough to start a kernel beside other tests.
    execution, written = run("1", hung, AFTER, seconds=15)
    assert time.monotonic() - began < 40
    assert (execution.state, states(execution)) == ("timed_out", ["ok", "timed_out", "not_run"])
    assert execution.problem == "not done within 15 s"
    assert execution.cells[1].seconds is not None
    assert written.cells[2].outputs[0].text == "began\n"


def test_an_interruption_ends_the_notebook_and_writes_what_there_is(run: Callable[..., Any], tmp_path: Path) -> None:
    began = tmp_path / "began"
    execution, _ = run("1", f"import time; open({str(began)!r}, 'w'); time.sleep(60)", AFTER, stopped=began.exists)
    assert (execution.state, states(execution)) == ("killed", ["ok", "killed", "not_run"])
    assert execution.problem == "interrupted"


def test_what_a_cell_starts_ends_with_the_notebook(run: Callable[..., Any]) -> None:
    before = set(sleeping())
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    execution, written = run(
        "import subprocess, sys, time",
        "subprocess.Popen(['sleep', '613']).pid",
        "subprocess.Popen(['sleep', '613'], start_new_session=True, env={}).pid",
        "subprocess.run(['sh', '-c', 'setsid sleep 613 >/dev/null 2>&1 &'], env={'PATH': '/usr/bin:/bin'}, start_new_session=True).returncode",
        f"deaf = subprocess.Popen([sys.executable, '-c', {deaf!r}], env={{}}); time.sleep(0.5); deaf.pid",
    )
    assert execution.state == "ok"
    plain, own_session, daemon, deaf_one = (int(cell.outputs[-1].data["text/plain"]) for cell in written.cells[1:])
    assert daemon == 0
    assert not any(alive(pid) for pid in (plain, own_session, deaf_one))
    assert set(sleeping()) <= before, "the daemon is left"


def sleeping() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cmdline").read_bytes() == b"sleep\x00613\x00":
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_the_record_is_written_and_nothing_runs_on_when_the_tool_itself_is_killed(
    tmp_path: Path, temporary: Path
) -> None:
    source = notebook(
        tmp_path / "source.ipynb",
        "print('before')",
        f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)",
        AFTER,
    )
    target = tmp_path / "target.ipynb"
    program = (
        "import os, sys; from pathlib import Path; from oairunbook.record.runner import execute; "
        "execute(Path(sys.argv[1]), Path(sys.argv[2]), parameters={}, environment=dict(os.environ), run='r', seconds=60, cell_seconds=60)"
    )
    tool = subprocess.Popen([sys.executable, "-c", program, str(source), str(target)])
    pid = tmp_path / "pid"
    wait_for(lambda: pid.exists() and pid.read_text() != "")
    assert alive(int(pid.read_text()))
    tool.send_signal(signal.SIGKILL)
    tool.wait()
    wait_for(target.exists)
    record = nbformat.read(target, as_version=4).metadata.oairunbook
    assert record.state == "killed"
    assert [cell.state for cell in record.cells] == ["ok", "killed", "not_run"]
    wait_for(lambda: not alive(int(pid.read_text())))
    wait_for(lambda: not list(temporary.glob("oairunbook-*")))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pid", "source.ipynb", "target.ipynb"]


def wait_for(true: Callable[[], bool], seconds: float = 20) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last, "it did not come about in time"
        time.sleep(0.05)


def test_a_key_that_a_cell_prints_or_raises_is_not_in_the_record(
    run: Callable[..., Any], canaries: Canaries, tmp_path: Path
) -> None:
    """The guard looks at everything below tmp_path; this says that there was something to redact."""
    execution, written = run(
        "import os; print(os.environ['OPENAI_API_KEY'])", "raise RuntimeError(os.environ['OPENAI_API_KEY'])"
    )
    assert "[redacted" in written.cells[1].outputs[0].text
    assert "[redacted" in execution.problem
    assert "[redacted" in "".join(written.cells[2].outputs[0].traceback)


def test_neither_files_of_the_working_folder_nor_start_up_files_of_the_user_get_into_the_kernel(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script named openai.py beside an application is a common mistake; it must not pass for the SDK here."""
    (tmp_path / "openai.py").write_text("raise RuntimeError('not the SDK')")
    start_up = tmp_path / "startup.py"
    start_up.write_text("started = True")
    monkeypatch.setenv("PYTHONSTARTUP", str(start_up))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    execution, _ = run("import openai; assert 'started' not in globals()", "import os; os.getcwd()")
    assert (execution.state, execution.problem) == ("ok", "")
    new = {path.name for path in tmp_path.iterdir()} - {path.name for path in before}
    assert new == {"source1.ipynb", "target1.ipynb"}, "sockets or other files in the working folder"


def test_no_widget_state_and_no_private_path_stay_in_the_record(run: Callable[..., Any], tmp_path: Path) -> None:
    secret_place = "/home/someone/archive"
    _, written = run(
        "import ipywidgets; ipywidgets.Password(value='hun' + 'ter2')",
        f"print({secret_place!r} + '/evidence.json')",
        hidden={secret_place: "."},
    )
    text = json.dumps(written)
    assert "hunter2" not in text
    assert secret_place not in json.dumps(written.cells[1].outputs)
    assert "widgets" not in written.metadata
    assert str(tmp_path) not in json.dumps(written.metadata)
