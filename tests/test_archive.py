"""The archive: whole or not at all, a chain of manifests, two runs at once both survive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oairunbook.record.archive import MANIFEST, begin, fingerprint_key, verify
from oairunbook.record.files import write_whole

NOW = datetime(2026, 11, 24, 14, 2, 11, tzinfo=UTC)


def add(archive: Path, *, practice: str | None = None) -> Path:
    draft = begin(archive, host="web-3", practice=practice, now=NOW)
    draft.write("evidence.json", "{}\n")
    return draft.finish("whole", {"verdict": {"cause": "ok"}})


def told(archive: Path) -> list[tuple[str, str]]:
    return [(problem.path.rpartition("/")[2], problem.what) for problem in verify(archive)]


def test_a_run_is_found_under_its_day_with_its_files_in_the_manifest(tmp_path: Path) -> None:
    run = add(tmp_path / "archive")
    assert run.parent == tmp_path / "archive/2026/11/24"
    assert run.name.startswith("20261124T140211Z-web_3-") or run.name.startswith("20261124T140211Z-web-3-")
    manifest = json.loads((run / MANIFEST).read_bytes())
    assert manifest["schema"] == "oairunbook.manifest/1"
    assert (manifest["state"], manifest["previous"], manifest["practice"]) == ("whole", None, None)
    assert list(manifest["files"]) == ["evidence.json"]
    assert verify(tmp_path / "archive") == ()


def test_only_the_owner_reads_a_run_and_nobody_writes_it(tmp_path: Path) -> None:
    run = add(tmp_path / "archive")
    assert (tmp_path / "archive").stat().st_mode & 0o777 == 0o700
    assert run.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in run.iterdir()} == {0o400}


def test_practice_stands_in_the_folders_name_and_in_the_manifest(tmp_path: Path) -> None:
    run = add(tmp_path, practice="tcp.refused")
    assert run.name.endswith("-practice")
    assert json.loads((run / MANIFEST).read_bytes())["practice"] == "tcp.refused"


def change(run: Path) -> None:
    (run / "evidence.json").chmod(0o600)
    (run / "evidence.json").write_text("{ }\n")


def remove(run: Path) -> None:
    (run / "evidence.json").unlink()


def add_a_file(run: Path) -> None:
    (run / "more.json").touch()


def change_the_manifest(run: Path) -> None:
    (run / MANIFEST).chmod(0o600)
    (run / MANIFEST).write_bytes((run / MANIFEST).read_bytes().replace(b'"ok"', b'"no"'))


def remove_the_run(run: Path) -> None:
    for path in run.iterdir():
        path.unlink()
    run.rmdir()


@pytest.mark.parametrize("which", [0, 1, 2], ids=["first", "middle", "newest"])
@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (change, "was changed since it was archived"),
        (remove, "is missing"),
        (add_a_file, "was added since the run was archived"),
        (change_the_manifest, "was changed since the run was archived"),
        (remove_the_run, "is named by the chain and is not there (or there twice)"),
    ],
)
def test_what_is_done_to_any_run_of_the_chain_is_found(
    tmp_path: Path, tamper: Callable[[Path], None], what: str, which: int
) -> None:
    runs = [add(tmp_path) for _ in range(3)]
    assert verify(tmp_path) == ()
    tamper(runs[which])
    assert what in {problem.what for problem in verify(tmp_path)}


def test_a_removed_run_stays_missed_when_further_runs_are_archived(tmp_path: Path) -> None:
    remove_the_run(add(tmp_path))
    add(tmp_path)
    assert [what for _, what in told(tmp_path)] == ["is named by the chain and is not there (or there twice)"]


def test_an_archive_without_its_head_is_told(tmp_path: Path) -> None:
    add(tmp_path)
    (tmp_path / ".head").unlink()
    assert told(tmp_path) == [(".head", "is missing or unreadable, so the chain has no beginning")]


def test_a_run_that_was_never_finished_keeps_its_partial_name_and_breaks_nothing(tmp_path: Path) -> None:
    draft = begin(tmp_path, host="web-3", now=NOW)
    draft.write("evidence.json", "{}\n")
    add(tmp_path)
    assert draft.folder.name.endswith(".partial")
    assert json.loads((draft.folder / MANIFEST).read_bytes())["state"] == "partial"
    assert verify(tmp_path) == ()


@pytest.mark.parametrize("crash", ["before the rename", "after the rename"])
def test_a_crash_while_a_run_is_entered_leaves_a_chain_that_the_next_run_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    first = add(tmp_path)
    draft = begin(tmp_path, host="web-3", now=NOW)
    rename, replace = Path.rename, Path.replace

    def fail_before(path: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    def fail_after(path: Path, target: Path) -> Path:
        if path.name == ".head.next":
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, *(("rename", fail_before) if crash == "before the rename" else ("replace", fail_after)))
        with pytest.raises(KeyboardInterrupt):
            draft.finish("whole", {})
    assert Path.rename is rename
    assert verify(tmp_path) == ()
    entered = crash == "after the rename"
    assert (tmp_path / draft.name).exists() is entered
    newest = add(tmp_path)
    expected = draft.name if entered else str(first.relative_to(tmp_path))
    assert json.loads((newest / MANIFEST).read_bytes())["previous"]["run"] == expected
    assert verify(tmp_path) == ()


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from oairunbook.record.archive import begin
for _ in range(10):
    draft = begin(Path(sys.argv[1]), host="web-3", now=datetime(2026, 11, 24, 14, 2, 11, tzinfo=UTC))
    draft.write("evidence.json", "{}")
    draft.finish("whole", {})
"""


def test_runs_of_several_processes_in_the_same_second_all_survive_in_one_chain(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)]) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(list(tmp_path.glob("2026/11/24/*"))) == 30
    assert verify(tmp_path) == ()


def test_killing_a_writer_at_any_moment_leaves_whole_runs_and_partial_ones_and_nothing_between(tmp_path: Path) -> None:
    for delay in (0.25, 0.3, 0.35, 0.4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER.replace("range(10)", "range(10**6)"), str(tmp_path)])
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    add(tmp_path)
    assert verify(tmp_path) == ()
    for manifest in tmp_path.glob(f"2026/11/24/*/{MANIFEST}"):
        partial = manifest.parent.name.endswith(".partial")
        state = json.loads(manifest.read_bytes())["state"]
        # A finished manifest may stand in a folder that has not got its name yet; a finished folder is whole.
        assert partial or state == "whole"


def test_a_file_is_whole_or_not_there_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full cannot be renamed over, so fsync fails instead: what was there before stays as it was."""
    path = tmp_path / "evidence.json"
    write_whole(path, b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_whole(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_fingerprint_key_is_made_once_and_is_its_archives_own(tmp_path: Path) -> None:
    key = fingerprint_key(tmp_path / "a")
    assert fingerprint_key(tmp_path / "a") == key
    assert fingerprint_key(tmp_path / "b") != key
    assert (tmp_path / "a" / ".fingerprint-key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "a" / ".fingerprint-key").write_bytes(b"short")
    with pytest.raises(ValueError, match="holds 5 bytes"):
        fingerprint_key(tmp_path / "a")
