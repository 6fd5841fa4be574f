"""Working copies: `oairunbook init` and what `oairunbook open` does before JupyterLab takes over."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from oairunbook.cli import cli
from oairunbook.record import front_commands, runbooks


def test_init_copies_every_notebook_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "runbook"
    first = CliRunner().invoke(cli, ["init", str(folder)])
    assert first.exit_code == 0
    installed = {
        path.name: path.read_bytes() for path in runbooks.folder().iterdir() if path.suffix in (".ipynb", ".md")
    }
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == installed
    again = CliRunner().invoke(cli, ["init", str(folder)])
    assert again.exit_code == 0
    assert f"0 files copied into {folder}, {len(installed)} were there already." in again.output


def test_init_keeps_and_names_what_somebody_adapted_and_brings_back_what_is_gone(tmp_path: Path) -> None:
    CliRunner().invoke(cli, ["init", str(tmp_path)])
    (tmp_path / "02_same_path.ipynb").write_text("our own", "utf-8")
    (tmp_path / "07_escalate.ipynb").unlink()
    told = CliRunner().invoke(cli, ["init", str(tmp_path)]).output
    assert (tmp_path / "02_same_path.ipynb").read_text("utf-8") == "our own"
    assert (tmp_path / "07_escalate.ipynb").read_bytes() == runbooks.find("07_escalate").read_bytes()
    assert "differ from the installed ones: 02_same_path.ipynb." in told
    assert "1 files copied" in told


def test_a_folder_that_cannot_be_written_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(cli, ["init", str(tmp_path / "file" / "below")])
    assert result.exit_code == 2
    assert "cannot be written: Not a directory" in result.output


def test_open_without_jupyterlab_gives_the_line_that_installs_it_and_copies_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "jupyterlab" else find(name, *rest)
    )
    result = CliRunner().invoke(cli, ["open", str(tmp_path / "work")])
    assert result.exit_code == 2
    assert f"{sys.executable} -m pip install 'jupyterlab>=4.2'" in result.output
    assert not (tmp_path / "work").exists()


def test_the_settings_of_open_keep_jupyterlab_from_asking_for_news() -> None:
    settings = json.loads((front_commands.SETTINGS / "labconfig" / "page_config.json").read_bytes())
    assert settings["disabledExtensions"]["@jupyterlab/apputils-extension:announcements"] is True
