"""`archive verify --quick`: what has been verified before is believed as long as nothing of it was touched, and no longer."""

from __future__ import annotations

import functools
import json
import mmap
import os
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from oairunbook.cli import cli
from oairunbook.record.archive import MANIFEST, Checked, begin, check, verify
from oairunbook.record.archive.chain import CHAIN
from oairunbook.record.archive.index import open_index
from oairunbook.record.archive.prune import prune
from oairunbook.record.archive.signing import MAKE_A_KEY, load_public_keys, load_signer
from oairunbook.record.audit import read_audit, views

from .test_archive_commands import BEGAN, archived


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's user keeps what he has verified; whatever was written before a check counts as settled."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(sys.modules[check.__module__], "_UNSETTLED_NS", 0)
    return tmp_path / "state"


@pytest.fixture
def runs(tmp_path: Path, state: Path) -> list[Path]:
    """Three runs of one archive."""
    return [archived(tmp_path / "archive", began=BEGAN + timedelta(days=day)) for day in range(3)]


def quick(run: Path) -> Checked:
    return check(run.parents[3], quick=True)


def read(checked: Checked) -> int:
    assert checked.intact, checked.problems
    return checked.runs - checked.unchanged


def test_what_was_verified_is_not_read_again_and_what_is_new_is(runs: list[Path]) -> None:
    first = quick(runs[0])
    assert (read(first), first.unchanged_since) == (3, None)
    again = quick(runs[0])
    assert (read(again), again.unchanged) == (0, 3)
    assert again.unchanged_since is not None
    archived(runs[0].parents[3])
    assert read(quick(runs[0])) == 1
    assert read(quick(runs[0])) == 0


def test_without_quick_every_file_is_read_and_is_known_to_the_next_quick_one(runs: list[Path]) -> None:
    for _ in range(2):
        assert read(check(runs[0].parents[3])) == 3
    assert read(quick(runs[0])) == 0


def changed_in_place(run: Path) -> None:
    """As many bytes as before, and the times of content set back: the time of the change of status cannot be."""
    path = run / "evidence.json"
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(data))
    path.chmod(0o400)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(run: Path) -> None:
    other = run.parents[3].parent / "other"
    other.write_text("{}")
    other.replace(run / "evidence.json")


def removed(run: Path) -> None:
    (run / "evidence.json").unlink()


def added(run: Path) -> None:
    (run / "more.json").write_text("{}")


def manifest_changed(run: Path) -> None:
    (run / MANIFEST).chmod(0o600)
    (run / MANIFEST).write_bytes((run / MANIFEST).read_bytes().replace(b"tcp.refused", b"tcp.timeout"))


def folder_exchanged(run: Path) -> None:
    copy = run.with_name("copy")
    shutil.copytree(run, copy)
    (copy / "verdict.json").chmod(0o600)
    (copy / "verdict.json").write_text("{}")
    shutil.rmtree(run)
    copy.rename(run)


def run_removed(run: Path) -> None:
    shutil.rmtree(run)


def run_inserted(run: Path) -> None:
    shutil.copytree(run, run.with_name(run.name[:-1] + "x"))


def line_changed(run: Path) -> None:
    chain = run.parents[3] / CHAIN
    chain.write_bytes(chain.read_bytes().replace(b'"sequence": 2', b'"sequence": 7'))


@pytest.mark.parametrize(
    "touch",
    [
        changed_in_place,
        replaced,
        removed,
        added,
        manifest_changed,
        folder_exchanged,
        run_removed,
        run_inserted,
        line_changed,
    ],
    ids=lambda touch: touch.__name__,
)
def test_whatever_is_done_to_a_run_that_was_verified_quick_finds_it_each_time(
    runs: list[Path], touch: Callable[[Path], None]
) -> None:
    assert read(quick(runs[0])) == 3
    touch(runs[1])
    found = verify(runs[0].parents[3])
    assert found, "it is found by the whole check"
    for _ in range(2):
        assert quick(runs[0]).problems == found


def forget_the_runs(state: Path) -> None:
    """Leave what is known of the archive as a whole, and of no run by itself."""
    [kept] = state.rglob("*.sqlite")
    with closing(sqlite3.connect(kept)) as database, database:
        database.execute("DELETE FROM runs")


def test_an_archive_that_nobody_touched_is_known_as_a_whole_and_new_runs_are_added_to_it(
    runs: list[Path], state: Path
) -> None:
    root = runs[0].parents[3]
    assert read(quick(runs[0])) == 3
    forget_the_runs(state)
    assert read(quick(runs[0])) == 0
    since = quick(runs[0]).unchanged_since
    archived(root)
    prune(root, keep=None, before=BEGAN + timedelta(days=1), signer=None, only_look=False)
    checked = quick(runs[0])
    assert (checked.problems, checked.pruned, checked.runs - checked.unchanged) == ((), 2, 3)
    archived(root, began=BEGAN + timedelta(days=9))
    assert read(quick(runs[0])) == 1
    forget_the_runs(state)
    checked = quick(runs[0])
    assert (checked.problems, checked.pruned, checked.unchanged) == ((), 2, 4)
    assert checked.newest == check(root).newest
    assert since is not None
    assert checked.unchanged_since is not None
    assert checked.unchanged_since >= since


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path.with_name("kept"))])
def test_a_chain_that_is_no_file_any_more_is_told_and_not_waited_for(
    runs: list[Path], make: Callable[[Path], None]
) -> None:
    chain = runs[0].parents[3] / CHAIN
    assert read(quick(runs[0])) == 3
    chain.rename(chain.with_name("kept"))
    make(chain)
    assert quick(runs[0]).problems == verify(runs[0].parents[3])
    assert not quick(runs[0]).intact


@pytest.mark.parametrize("touch", [changed_in_place, run_removed, run_inserted, line_changed])
def test_a_new_run_does_not_hide_what_was_done_to_those_before(runs: list[Path], touch: Callable[[Path], None]) -> None:
    assert read(quick(runs[0])) == 3
    touch(runs[1])
    archived(runs[0].parents[3])
    found = verify(runs[0].parents[3])
    assert found
    assert quick(runs[0]).problems == found


def test_a_run_that_a_prune_removed_and_somebody_put_back_is_told(runs: list[Path], tmp_path: Path) -> None:
    root = runs[0].parents[3]
    shutil.copytree(runs[0], tmp_path / "kept")
    prune(root, keep=None, before=BEGAN + timedelta(days=1), signer=None, only_look=False)
    assert quick(runs[1]).intact
    assert quick(runs[1]).pruned == 1
    runs[0].mkdir(parents=True)
    found = verify(root)
    assert quick(runs[1]).problems == found
    assert found
    shutil.copytree(tmp_path / "kept", runs[0], dirs_exist_ok=True)
    assert quick(runs[1]).pruned == check(root).pruned == 0


def test_what_was_only_touched_is_read_again_and_is_as_it_was_left(runs: list[Path]) -> None:
    assert read(quick(runs[0])) == 3
    (runs[1] / "evidence.json").chmod(0o440)
    assert read(quick(runs[0])) == 1
    assert read(quick(runs[0])) == 0


@pytest.mark.parametrize("make", [lambda path: os.mkfifo(path), lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_is_told_and_not_waited_for(runs: list[Path], make: Callable[[Path], None]) -> None:
    removed(runs[1])
    make(runs[1] / "evidence.json")
    assert [problem.what for problem in verify(runs[0].parents[3])] == ["was changed since it was archived"]


def test_a_page_that_was_dirty_when_its_file_was_read_is_no_way_to_change_it_unseen(runs: list[Path]) -> None:
    """A write through a mapping stamps the file only when the page becomes dirty: it must not be when the file is read."""
    archive, path = runs[0].parents[3], runs[1] / "evidence.json"
    path.chmod(0o600)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:1] = mapped[:1]
        path.chmod(0o400)
        before = path.stat().st_ctime_ns
        assert check(archive).intact
        mapped[-3:-2] = b"x"
        if path.stat().st_ctime_ns == before and _is_in_memory(path):
            pytest.skip("a file system in memory stamps no write through a mapping")
        assert [problem.what for problem in quick(runs[0]).problems] == ["was changed since it was archived"]


def _is_in_memory(path: Path) -> bool:
    done = subprocess.run(["stat", "-f", "-c", "%T", str(path)], capture_output=True, text=True, check=True)
    return done.stdout.strip() in ("tmpfs", "ramfs")


def test_a_chain_that_was_cut_off_is_told_to_who_has_found_it_longer(runs: list[Path]) -> None:
    archive = runs[0].parents[3]
    assert check(archive).intact
    first, second, _ = (archive / CHAIN).read_text().splitlines(keepends=True)
    shutil.rmtree(runs[2])
    (archive / CHAIN).write_text(first + second)
    for _ in range(2):
        [problem] = quick(runs[0]).problems
        assert (problem.path, "runs were cut off, or it was made anew" in problem.what) == (CHAIN, True)
    done = CliRunner().invoke(cli, ["archive", "verify", "--archive", str(archive)])
    assert (done.exit_code, "is not the one that you found whole at" in done.stdout) == (0, True)
    done = CliRunner().invoke(cli, ["archive", "verify", "--archive", str(archive)])
    assert (done.exit_code, "is not the one" in done.stdout) == (0, False), "by then it counts as it is"
    assert quick(runs[0]).intact


def test_a_chain_that_was_cut_off_is_told_whichever_keys_are_given(tmp_path: Path, state: Path) -> None:
    archive = tmp_path / "archive"
    subprocess.run(MAKE_A_KEY, shell=True, check=True, cwd=tmp_path, capture_output=True)
    signer, keys = load_signer(str(tmp_path / "sign.pem")), load_public_keys([str(tmp_path / "sign.pub")])

    def more() -> Path:
        return begin(archive, host="web-3", signer=signer).finish("whole", {"host": "web-3"})

    more()
    assert check(archive, keys, quick=True).intact
    more()
    chain, last = (archive / CHAIN).read_bytes(), more()
    assert check(archive, quick=True).intact
    shutil.rmtree(last)
    (archive / CHAIN).write_bytes(chain)
    for given in ((), keys):
        assert [one.path for one in check(archive, given, quick=True).problems] == [CHAIN]
    assert check(archive, keys).another_since
    assert check(archive, keys, quick=True).intact


def test_what_has_changed_just_now_is_not_believed_yet(runs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second change within one tick of the file system's clock would leave the same state."""
    monkeypatch.setattr(sys.modules[check.__module__], "_UNSETTLED_NS", 3600 * 10**9)
    for _ in range(2):
        assert read(quick(runs[0])) == 3


def test_what_is_known_lies_with_who_verifies_and_nothing_in_the_archive_vouches_for_it(
    runs: list[Path], state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path for path in runs[0].parents[3].rglob("*") if path.is_file()}
    quick(runs[0])
    assert {path for path in runs[0].parents[3].rglob("*") if path.is_file()} == before
    [kept] = state.rglob("*.sqlite")
    assert (kept.stat().st_mode & 0o077, kept.parent.stat().st_mode & 0o077) == (0, 0)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody else's"))
    assert read(quick(runs[0])) == 3


@pytest.mark.parametrize("wrong", ["everybody writes", "of another user"])
def test_what_another_user_can_write_vouches_for_nothing_and_is_left_alone(
    runs: list[Path], state: Path, wrong: str
) -> None:
    """With `sudo` and the home of who called it, that user's notes would speak to root."""
    assert (read(quick(runs[0])), read(quick(runs[0]))) == (3, 0)
    folder = state / "oairunbook"
    if wrong == "everybody writes":
        folder.chmod(0o777)
    elif os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    else:
        pytest.skip("only root can give a folder away")
    before = sorted(state.rglob("*"))
    assert (read(quick(runs[0])), read(quick(runs[0]))) == (3, 3)
    with open_index(runs[0].parents[3]) as index:
        assert index.count() == 3
    assert sorted(state.rglob("*")) == before


def test_where_nothing_can_be_kept_or_what_was_kept_is_damaged_all_is_read(
    runs: list[Path], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(runs[0])
    [kept] = state.rglob("*.sqlite")
    kept.write_bytes(b"no database" * 1000)
    assert read(quick(runs[0])) == 3
    kept.unlink()
    assert (read(quick(runs[0])), read(quick(runs[0]))) == (3, 0)
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    for _ in range(2):
        assert read(quick(runs[0])) == 3


def test_where_the_names_of_files_that_were_kept_are_damaged_each_run_is_looked_at_by_itself(
    runs: list[Path], state: Path
) -> None:
    quick(runs[0])
    [kept] = state.rglob("*.sqlite")
    for damaged in (b"", zlib.compress(b'{"files": [], "runs": [7]}'), zlib.compress(b'{"files": [[]], "runs": [0]}')):
        with closing(sqlite3.connect(kept)) as database, database:
            database.execute("UPDATE whole SET files = ?", (damaged,))
        assert read(quick(runs[0])) == 0
    with closing(sqlite3.connect(kept)) as database, database:
        database.execute("UPDATE whole SET files = ?", (damaged,))
    changed_in_place(runs[1])
    assert quick(runs[0]).problems == verify(runs[0].parents[3]) != ()


def test_what_the_audit_has_only_looked_at_is_read_by_the_next_check(runs: list[Path]) -> None:
    root = runs[0].parents[3]
    check(root, files=False, quick=True)
    assert read(check(root, files=False, quick=True)) == 0
    assert read(quick(runs[0])) == 2, "the newest run the audit reads as well"
    assert read(quick(runs[0])) == 0


def test_a_chain_that_was_made_anew_shows_in_the_audit_until_somebody_verifies_it(
    runs: list[Path], state: Path
) -> None:
    root = runs[0].parents[3]
    audit = functools.partial(check, root, files=False, quick=True)
    assert audit().intact
    shutil.rmtree(root)
    archived(root)
    [problem] = audit().problems
    assert (problem.path, "runs were cut off, or it was made anew" in problem.what) == (CHAIN, True)
    assert not audit().intact
    assert check(root).intact
    assert audit().intact


def test_a_signature_that_was_verified_counts_by_the_same_key_and_no_other(tmp_path: Path, state: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        subprocess.run(MAKE_A_KEY, shell=True, check=True, cwd=tmp_path / name, capture_output=True)
    root = tmp_path / "archive"
    one, two = (load_public_keys([str(tmp_path / name / "sign.pub")]) for name in ("one", "two"))
    begin(root, host="web-3", signer=load_signer(str(tmp_path / "one" / "sign.pem"))).finish("whole", {})
    first, again = (check(root, one, quick=True) for _ in range(2))
    assert (first.signed, first.unchanged, again.signed, again.unchanged) == (1, 0, 1, 1)
    assert not check(root, two, quick=True).intact
    [signature] = root.rglob("manifest.sig")
    signature.chmod(0o600)
    signature.write_bytes(bytes(64))
    assert not check(root, one, quick=True).intact


def test_a_prune_leaves_what_is_known_of_the_other_runs(runs: list[Path]) -> None:
    root = runs[0].parents[3]
    quick(runs[0])
    prune(root, keep=None, before=BEGAN + timedelta(days=1), signer=None, only_look=False)
    checked = quick(runs[0])
    assert (checked.problems, checked.pruned, checked.unchanged) == ((), 1, 2)


def test_the_command_says_how_much_was_read_and_how_much_was_believed_since_when(runs: list[Path]) -> None:
    def call(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["archive", "verify", "--archive", str(runs[0].parents[3]), *arguments])
        assert result.exit_code == 0, result.stderr
        return result.stdout

    assert call("--quick").splitlines()[1] == "3 runs read, 0 unchanged; all are read without --quick"
    told = call("--quick").splitlines()[1]
    document = json.loads(call("--quick", "--json", "-"))
    assert (document["unchanged"], document["intact"]) == (3, True)
    since = document["unchanged_since"]
    assert told == (
        f"0 runs read, 3 unchanged since they were read, the first of them at {since}; all are read without --quick"
    )
    assert "unchanged" not in call()


def test_the_audit_says_that_it_did_not_read_what_nobody_has_touched(runs: list[Path]) -> None:
    root = str(runs[0].parents[3])
    assert "Runs looked at now" in (text := views.chain(read_audit(root)).text)
    assert "all" in text
    assert (
        "0; of the other 3 all files have the same inode, size and times as when this user verified them"
        in " ".join(views.chain(read_audit(root)).text.split())
    )
    manifest_changed(runs[1])
    assert "NOT as they were left" in views.chain(read_audit(root)).text
