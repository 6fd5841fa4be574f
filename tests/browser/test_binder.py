"""The environment of binder/: what repo2docker would build and start, here without a container.

`.ci/run` installs the environment of these tests from `binder/requirements.txt`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.browser.conftest import TOKEN, Camera, environment_of, python, run_all_cells, serious, served

BINDER = Path(__file__).parents[2] / "binder"


def test_a_game_day_is_played_to_its_end(page: Any, camera: Camera, tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    subprocess.run([BINDER / "postBuild"], env=environment, check=True, capture_output=True)
    notebook = tmp_path / "game-day" / "game_day.ipynb"
    # Any fault would do, and some of them take their time.
    named = notebook.read_text("utf-8").replace('fault: str = \\"\\"', 'fault: str = \\"tcp.refused\\"')
    notebook.write_text(named, "utf-8")

    def start(port: int) -> list[str]:
        lab = python(
            "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"
        )
        return [str(BINDER / "start"), *lab]

    with served(start, tmp_path, environment) as address:
        page.goto(f"{address}/lab/tree/game-day/game_day.ipynb?token={TOKEN}")
        run_all_cells(page)
        page.get_by_role("button", name="Break something").click()
        page.get_by_role("status").get_by_text("Round 1.").wait_for()
        page.get_by_role("button", name="Test the path from here").click()
        page.get_by_role("status").get_by_text("The test is done").wait_for()
        page.get_by_text("Every step of the test").wait_for()
        camera(page, "game-1-tested")
        assert page.get_by_text("The fault of round 1").count() == 0
        page.get_by_label("Owner").select_option("connection path")
        page.get_by_label("Cause").select_option("dns.timeout")
        page.get_by_role("button", name="Check my answer").click()
        page.get_by_role("status").get_by_text("Not yet. Right: owner. Wrong: layer, cause.").wait_for()
        page.get_by_label("Cause").select_option("tcp.refused")
        page.get_by_role("button", name="Check my answer").click()
        page.get_by_role("status").get_by_text(
            "Right. It was tcp.refused, owner connection path. Solved: 1 of 1."
        ).wait_for()
        camera(page, "game-2-solved")
        assert serious(page, ".jp-Notebook .jp-OutputArea") == []
