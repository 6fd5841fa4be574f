"""Folders beside a record: gone at the end, and those of killed runs gone with the next run of the same user, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from oairunbook.record.scratch import scratch

HOLDS = (
    "import sys, tempfile\n"
    "tempfile.tempdir = sys.argv[1]\n"
    "from oairunbook.record import scratch\n"
    "scratch._LONGEST_ROOT = 999\n"
    "with scratch.scratch() as folder:\n"
    "    (folder / 'log').write_text('begun')\n"
    "    print(folder, flush=True)\n"
    "    sys.stdin.read()\n"
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("oairunbook.record.scratch._LONGEST_ROOT", 999)
    return tmp_path


def test_what_a_killed_run_left_goes_with_the_next_one_and_what_a_living_one_holds_stays(root: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        other = Path(process.stdout.readline().strip())
        with scratch() as own:
            assert (other / "log").read_text() == "begun"
            assert own.stat().st_mode & 0o777 == 0o700
        assert (own.exists(), other.exists()) == (False, True)
    finally:
        process.kill()
        process.communicate()
    assert (other / "log").exists(), "the control: a killed process leaves it"
    with scratch():
        assert not other.exists()
    assert list(root.iterdir()) == []


def test_nothing_else_is_removed(root: Path) -> None:
    """Neither by a name that is no such folder's, nor behind a link, nor what another user owns (which only root can make here)."""
    kept = root / "kept"
    (kept / "inside").mkdir(parents=True)
    (root / "oairunbook-run-link0000").symlink_to(kept)
    (root / "oairunbook-run-file0000").write_text("kept")
    for name in (
        "oairunbook-abcd1234",
        "my-oairunbook-run-abcd1234",
        "oairunbook-run-longer0000",
        "oairunbook-run-left0000",
    ):
        (root / name).mkdir()
    if os.geteuid() == 0:
        (root / "oairunbook-run-else0000").mkdir()
        os.chown(root / "oairunbook-run-else0000", 65534, 65534)
    before = {*root.rglob("*")}
    with scratch():
        pass
    assert before - {*root.rglob("*")} == {root / "oairunbook-run-left0000"}
