"""Engines and kernels that are forked: each as fresh as one that is started, and what they leave the same."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import nbformat
import pytest

from oairunbook.record import runner
from oairunbook.record.forked.children import Nursery, NurseryError, forkable
from oairunbook.record.outcome import Execution
from tests.notebooks import notebook
from tests.processes import alive

pytestmark = pytest.mark.skipif(not forkable(), reason="processes are forked on Linux alone")


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    with closing(Nursery(os.environ)) as made:
        yield made


def execute(nursery: Nursery, folder: Path, name: str, *sources: str, **options: Any) -> tuple[Execution, Any]:
    target = folder / f"{name}-done.ipynb"
    execution = runner.execute(
        notebook(folder / f"{name}.ipynb", *sources),
        target,
        parameters={},
        environment=dict(os.environ),
        run=name,
        nursery=nursery,
        **{"seconds": 60, "cell_seconds": 60, **options},
    )
    return execution, nbformat.read(target, as_version=4)


def printed(written: Any) -> Any:
    return json.loads(written.cells[-1].outputs[0].text)


LOOK = """
import gc, json, os, socket, sys, threading
import httpx
print(json.dumps({
    "variable": os.environ.get("LEFT_BY_A_NOTEBOOK"),
    "folder": os.getcwd(),
    "timeout": socket.getdefaulttimeout(),
    "patched": getattr(httpx.Client.get, "__name__", "") != "get",
    "path": "/left/by/a/notebook" in sys.path,
    "threads": sorted(t.name for t in threading.enumerate() if t.name.startswith("left")),
    "names": "left" in globals(),
    "process": os.getpid(),
}))
"""

CHANGE = """
import os, socket, sys, threading, time
import httpx
os.environ["LEFT_BY_A_NOTEBOOK"] = "yes"
os.chdir("/")
socket.setdefaulttimeout(0.5)
httpx.Client.get = lambda *_: None
sys.path.insert(0, "/left/by/a/notebook")
threading.Thread(target=time.sleep, args=(60,), name="left behind", daemon=True).start()
left = 1
"""


def test_nothing_of_one_notebook_is_found_in_the_next(nursery: Nursery, tmp_path: Path) -> None:
    before = printed(execute(nursery, tmp_path, "before", LOOK)[1])
    changed = printed(execute(nursery, tmp_path, "changing", CHANGE, LOOK)[1])
    after = printed(execute(nursery, tmp_path, "after", LOOK)[1])
    assert len({seen.pop("process") for seen in (before, changed, after)}) == 3
    assert changed == {
        "variable": "yes",
        "folder": "/",
        "timeout": 0.5,
        "patched": True,
        "path": True,
        "threads": ["left behind"],
        "names": True,
    }
    assert after == before


SHOWING = (
    "print('to standard output')",
    "import sys; print('to standard error', file=sys.stderr)",
    "import os; os.system('echo from a child') and None",
    "import pandas as pd; pd.DataFrame({'a': [1, 2], 'b': ['x', None]})",
    "from IPython.display import HTML, display; display(HTML('<b>bold</b>'), display_id='one'); 6 * 7",
    "import ipywidgets; ipywidgets.IntSlider(value=3, description='how many')",
    "import sys; sys.argv[0].rpartition('/')[2].removesuffix('.py'), __name__, sys.stdin.closed",
    "input",
    "import logging; logging.basicConfig(level=logging.DEBUG, format='FMT %(message)s'); logging.getLogger('app').debug('a line')",
    "def f(x):\n    return 1 / x\nf(0)",
    "print('never')",
)


def masked(written: Any) -> list[Any]:
    """What cells left, without what differs from time to time."""
    text = json.dumps([[cell.execution_count, cell.get("outputs", [])] for cell in written.cells if "cell" in cell.id])
    text = re.sub(r"[0-9a-f]{32}", "ID", text)
    text = re.sub(r"ipykernel_\d+/\d+\.py", "CELL", text)
    return list(json.loads(re.sub(r"0x[0-9a-f]{6,}", "ADDRESS", text)))


def papermill(source: Path, target: Path, *options: str) -> Any:
    command = [sys.executable, "-m", "papermill", *options, "--no-progress-bar", str(source), str(target)]
    subprocess.run(command, capture_output=True, check=False, cwd=source.parent)
    return nbformat.read(target, as_version=4)


def test_what_cells_leave_is_what_the_stock_engine_leaves(nursery: Nursery, tmp_path: Path) -> None:
    source = notebook(tmp_path / "source.ipynb", *SHOWING)
    stock = masked(papermill(source, tmp_path / "stock.ipynb"))
    assert [bool(outputs) for _, outputs in stock] == [True] * 10 + [False]
    assert masked(papermill(source, tmp_path / "forked.ipynb", "--engine", "oairunbook")) == stock
    execution, written = execute(nursery, tmp_path, "run", *SHOWING)
    assert [cell.state for cell in execution.cells] == ["ok"] * 9 + ["failed", "not_run"]
    assert masked(written) == stock


def test_a_run_leaves_no_connection_file_with_its_key_wherever_it_is_ended(nursery: Nursery, tmp_path: Path) -> None:
    """It lies in the run's own folder, which whoever comes next removes."""
    cell = "import ipykernel.connect, pathlib; pathlib.Path(ipykernel.connect.get_connection_file()).parent.name"
    execution, written = execute(nursery, tmp_path, "run", cell)
    assert execution.state == "ok"
    (folder,) = shown(written)
    assert folder.startswith("'oairunbook-run-")


def test_where_the_system_refuses_to_fork_engines_and_kernels_are_started(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os\ndef refuse():\n    raise BlockingIOError(11, 'no process is left')\nos.fork = refuse\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    source = notebook(tmp_path / "source.ipynb", NAMED)
    command = [sys.executable, "-m", "papermill", "--engine", "oairunbook", str(source), str(tmp_path / "alone.ipynb")]
    subprocess.run(command, capture_output=True, check=True, env=environment)
    with closing(Nursery(environment)) as barren:
        execution = runner.execute(
            source,
            tmp_path / "run.ipynb",
            parameters={},
            environment=environment,
            run="barren",
            seconds=60,
            cell_seconds=30,
            nursery=barren,
        )
    assert execution.state == "ok"
    for name in ("alone", "run"):
        assert "'runbook-kernel'" not in shown(nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)), name


NAMED = "open('/proc/self/comm').read().strip()"


def test_papermills_command_forks_its_kernel_and_prints_nothing_but_the_notebook(tmp_path: Path) -> None:
    source = notebook(tmp_path / "source.ipynb", NAMED)
    command = [sys.executable, "-m", "papermill", "--engine", "oairunbook", "--no-progress-bar", str(source), "-"]
    printed = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path).stdout.decode()
    assert shown(nbformat.reads(printed, as_version=4)) == ["'runbook-kernel'"]


def test_a_program_that_calls_papermill_gets_a_kernel_that_knows_nothing_of_it(tmp_path: Path) -> None:
    source = notebook(tmp_path / "source.ipynb", "import socket; socket.getdefaulttimeout() is None", NAMED)
    program = (
        "import socket, sys, papermill\nsocket.setdefaulttimeout(1.5)\n"
        "papermill.execute_notebook(sys.argv[1], sys.argv[2], engine_name='oairunbook', progress_bar=False)\n"
    )
    target = tmp_path / "target.ipynb"
    subprocess.run([sys.executable, "-c", program, str(source), str(target)], capture_output=True, check=True)
    fresh, name = shown(nbformat.read(target, as_version=4))
    assert (fresh, name == "'runbook-kernel'") == ("True", False)


@pytest.mark.parametrize(
    ("options", "environment", "cell", "expected"),
    [
        (["-W", "error"], {}, "import sys; sys.warnoptions", "['error']"),
        ([], {"TZ": "Asia/Tokyo"}, "import time; time.tzname[0]", "'JST'"),
        ([], {"PYTHONOPTIMIZE": "1"}, "import sys; sys.flags.optimize", "1"),
    ],
    ids=["option", "TZ", "PYTHON"],
)
def test_a_kernelspec_with_a_start_of_its_own_has_it(
    options: list[str], environment: dict[str, str], cell: str, expected: str, tmp_path: Path
) -> None:
    spec = tmp_path / "jupyter" / "kernels" / "own"
    spec.mkdir(parents=True)
    argv = [sys.executable, *options, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "own", "language": "python", "env": environment})
    )
    source, target = notebook(tmp_path / "source.ipynb", cell), tmp_path / "target.ipynb"
    command = [sys.executable, "-m", "papermill", "--engine", "oairunbook", "-k", "own", str(source), str(target)]
    subprocess.run(
        command, capture_output=True, check=True, env={**os.environ, "JUPYTER_PATH": str(tmp_path / "jupyter")}
    )
    assert shown(nbformat.read(target, as_version=4)) == [expected]


def shown(written: Any) -> list[str]:
    """The value of each cell."""
    return [cell.outputs[-1]["data"]["text/plain"] for cell in written.cells if cell.get("outputs")]


def test_widgets_of_a_forked_kernel_are_saved_as_the_stock_engine_saves_them(tmp_path: Path) -> None:
    source = notebook(tmp_path / "source.ipynb", "import ipywidgets; ipywidgets.Button(description='press')")
    states = [
        papermill(source, tmp_path / f"{engine or 'stock'}.ipynb", *(["--engine", engine] if engine else []))
        .metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
        .values()
        for engine in ("", "oairunbook")
    ]
    stock, forked = (sorted(one["model_name"] for one in state) for state in states)
    assert stock == forked
    assert "ButtonModel" in stock


def test_a_run_goes_on_with_started_processes_when_its_nursery_is_killed(nursery: Nursery, tmp_path: Path) -> None:
    first, _ = execute(nursery, tmp_path, "first", "print(1)")
    nursery._process.kill()
    nursery._process.wait()
    second, written = execute(nursery, tmp_path, "second", "print(2)")
    assert (first.state, second.state) == ("ok", "ok")
    assert written.cells[0].outputs[0].text == "2\n"


def test_what_a_notebook_forked_ends_with_it_also_when_its_engine_is_killed(nursery: Nursery, tmp_path: Path) -> None:
    """A fork carries no mark in its environment: it is found by its session."""
    pids = tmp_path / "pids"
    cell = (
        "import os, signal, time\n"
        "child = os.fork()\n"
        "if child == 0:\n    time.sleep(600)\n    os._exit(0)\n"
        f"open({str(pids)!r}, 'w').write(f'{{child}} {{os.getpid()}}')\n"
        "os.kill(os.getppid(), signal.SIGKILL)\n"
        "time.sleep(60)"
    )
    execution, _ = execute(nursery, tmp_path, "killed", cell)
    assert execution.state == "killed"
    child, kernel = map(int, pids.read_text().split())
    last = time.monotonic() + 10
    while alive(child) or alive(kernel):
        assert time.monotonic() < last
        time.sleep(0.02)


def test_a_nursery_ends_with_the_process_that_made_it(tmp_path: Path) -> None:
    program = (
        "import os, signal, time\nfrom oairunbook.record.forked.children import Nursery\n"
        "print(Nursery(os.environ)._process.pid, flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        pid = int(maker.stdout.readline())
        assert alive(pid)
        maker.send_signal(signal.SIGKILL)
    last = time.monotonic() + 20
    while alive(pid):
        assert time.monotonic() < last
        time.sleep(0.02)


def test_a_nursery_that_answered_too_late_is_asked_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its late answer would be an engine of another notebook; before that, it is used as ever."""
    monkeypatch.setattr("oairunbook.record.forked.children._ANSWER_SECONDS", 0.001)
    with closing(Nursery(os.environ)) as late, (tmp_path / "log").open("wb") as log:
        with pytest.raises(NurseryError):
            late.fork({}, log)
        if late._control.fileno() >= 0:
            late._control.settimeout(60)
        with pytest.raises(NurseryError):
            late.fork({}, log)
