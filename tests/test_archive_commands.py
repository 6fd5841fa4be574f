"""`oairunbook archive`: what it lists, shows, verifies and removes, and what it says where something is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oairunbook.cli import cli
from oairunbook.evidence import dumps
from oairunbook.record.archive import MANIFEST, ArchiveError, begin, check
from oairunbook.record.archive.about import about, step_seconds
from oairunbook.record.archive.chain import CHAIN
from oairunbook.record.archive.index import Wanted, open_index
from oairunbook.record.archive.index_file import index_path
from oairunbook.record.archive.prune import prune
from oairunbook.record.archive.signing import MAKE_A_KEY
from oairunbook.verdict import Verdict

from .benchmarks.generated import EVERY, HOSTS, START, generate
from .recorded import connected, evidence, refused, resolved, sdk_failed

BEGAN = datetime(2026, 11, 24, 14, 2, 11, tzinfo=UTC)
FAULT = Verdict(
    owner="connection_path",
    layer="tcp",
    cause="tcp.refused",
    certainty="proven",
    pattern="intermittent",
    failed=3,
    tried=26,
    summary="RST to the SYN.",
    because=(),
    next=(),
    do_not=(),
)
HEALTHY = Verdict(
    owner="none", layer=None, cause="ok", certainty="proven", pattern=None, summary="", because=(), next=(), do_not=()
)
SEEN = evidence(resolved(), refused(), sdk_failed())


def archived(
    archive: Path,
    verdict: Verdict = FAULT,
    *,
    host: str = "web-3",
    began: datetime = BEGAN,
    practice: str | None = None,
) -> Path:
    draft = begin(archive, host=host, now=began, practice=practice)
    draft.write("evidence.json", dumps(SEEN))
    draft.write("verdict.json", dumps(verdict))
    return draft.finish("whole", {"host": host, "notebooks": [], **about(SEEN, verdict)})


def kept_index(archive: Path) -> Path:
    """The file of the index; it lies with this user, and not in the archive."""
    path = index_path(archive)
    assert path is not None
    assert archive not in path.parents
    return path


def call(archive: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["archive", *arguments, "--archive", str(archive)])


def names(archive: Path, *arguments: str) -> list[str]:
    result = call(archive, "list", *arguments, "--json", "-")
    assert result.exit_code == 0, result.stderr
    return [row["run"] for row in json.loads(result.stdout)["runs"]]


# -- list -----------------------------------------------------------------------------------------------------------


def test_the_list_says_when_what_and_where_and_is_in_the_order_of_the_chain(tmp_path: Path) -> None:
    later = archived(tmp_path, HEALTHY, began=BEGAN + timedelta(days=1))
    earlier = archived(tmp_path)
    result = call(tmp_path, "list")
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["began", "(UTC)", "state", "owner", "cause", "failed", "route", "run"]
    assert [line.split()[-1] for line in lines] == [str(later), str(earlier)]
    assert lines[1].split()[:-1] == [
        "2026-11-24",
        "14:02:11",
        "whole",
        "connection_path",
        "tcp.refused",
        "3/26",
        "direct",
    ]
    assert result.stderr == "2 runs; 0 unfinished\n"


def test_a_run_whose_files_were_deleted_is_not_called_whole(tmp_path: Path) -> None:
    archive = tmp_path / "an archive"
    whole, robbed, emptied, gone = (archived(archive, began=BEGAN + timedelta(days=day)) for day in range(4))
    assert "not as archived" not in call(archive, "list").stderr, "the control"
    (robbed / "verdict.json").unlink()
    (emptied / MANIFEST).unlink()
    shutil.rmtree(gone)
    done = call(archive, "list")
    states = [line.split()[2] for line in done.stdout.splitlines()[1:]]
    assert states == ["whole", "incomplete", "missing", "missing"]
    assert f"3 runs not as archived. Next: oairunbook archive verify --archive '{archive}'" in done.stderr
    rows = json.loads(call(archive, "list", "--json", "-").stdout)["runs"]
    assert [row["state"] for row in rows] == states
    problems = json.loads(call(archive, "verify", "--json", "-").stdout)["problems"]
    assert len(problems) == 3, "and what verify says of each of them, it says as before"
    assert str(whole.relative_to(archive)) not in str(problems)


def test_each_filter_keeps_what_it_asks_for_and_nothing_else(tmp_path: Path) -> None:
    fault = str(archived(tmp_path).relative_to(tmp_path))
    healthy = str(archived(tmp_path, HEALTHY, host="web-4", began=BEGAN + timedelta(days=2)).relative_to(tmp_path))
    practice = str(archived(tmp_path, practice="tcp.refused", began=BEGAN - timedelta(days=2)).relative_to(tmp_path))
    assert names(tmp_path) == [fault, healthy, practice]
    for arguments, expected in (
        (("--since", "2026-11-25"), [healthy]),
        (("--until", "2026-11-24"), [practice]),
        (("--since", "2026-11-24T15:02:11+01:00", "--until", "2026-11-24T14:02:12Z"), [fault]),
        (("--host", "web-4"), [healthy]),
        (("--owner", "connection_path"), [fault, practice]),
        (("--cause", "tcp.refused", "--real"), [fault]),
        (("--cause", "tcp", "--practice"), [practice]),
        (("--cause", "tls"), []),
        (("--route", "direct", "--host", "web-3", "--real"), [fault]),
        (("--route", "api.openai.com", "--owner", "none"), [healthy]),
        (("--route", "azure"), []),
        (("--last", "1"), [practice]),
    ):
        assert names(tmp_path, *arguments) == expected, arguments


def test_the_list_as_json_comes_in_pieces_and_is_one_document_also_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    generate(tmp_path / "archive", 1203)
    listed = call(tmp_path / "archive", "list", "--last", "0", "--json", "-")
    document = json.loads(listed.stdout)
    assert (len(document["runs"]), document["matching"], document["unfinished"]) == (1203, 1203, [])
    assert [row["sequence"] for row in document["runs"]] == list(range(1, 1204))
    written = call(tmp_path / "archive", "list", "--last", "0", "--json", str(tmp_path / "list.json"))
    assert (tmp_path / "list.json").read_text() == listed.stdout
    assert written.stderr == "1203 runs; 0 unfinished\n"
    none = json.loads(call(tmp_path / "archive", "list", "--cause", "nothing", "--json", "-").stdout)
    assert (none["runs"], none["matching"]) == ([], 0)


def test_what_takes_long_tells_a_terminal_how_far_it_is_and_leaves_nothing_of_that_there(tmp_path: Path) -> None:
    generate(tmp_path, 1203)
    for command, far in (
        (("list", "--last", "1"), b"making the index: 1,000 runs read"),
        (("verify",), b"1,000 of 1,203 runs"),
    ):
        shown, terminal = os.openpty()
        call = [sys.executable, "-P", "-m", "oairunbook.cli", "archive", *command, "--archive", str(tmp_path)]
        with (
            os.fdopen(shown, "rb", buffering=0) as screen,
            subprocess.Popen(call, stdout=subprocess.PIPE, stderr=terminal) as process,
        ):
            os.close(terminal)
            said = b""
            # Linux ends a terminal that nobody writes to any more with EIO.
            with contextlib.suppress(OSError):
                while part := screen.read(4096):
                    said += part
            assert process.stdout
            assert b"\x1b" not in process.stdout.read()
        assert far in said
        assert said.rpartition(b"\r\x1b[K")[2] in (b"", b"1 run, the newest of 1203; 0 unfinished\r\n")


def test_what_is_asked_for_is_data_and_never_a_part_of_the_query(tmp_path: Path) -> None:
    archived(tmp_path)
    for option in ("--host", "--cause", "--route"):
        assert names(tmp_path, option, "' OR 1=1 --") == []
    assert len(names(tmp_path)) == 1


def test_killed_and_running_runs_are_told_apart_and_count_for_nothing(tmp_path: Path) -> None:
    archived(tmp_path)
    killed, running = (begin(tmp_path, host="web-3", now=BEGAN) for _ in range(2))
    os.close(killed.lock)
    document = json.loads(call(tmp_path, "list", "--json", "-").stdout)
    assert (len(document["runs"]), document["matching"]) == (1, 1)
    assert {row["run"]: row["state"] for row in document["unfinished"]} == {
        f"{killed.name}.partial": "killed",
        f"{running.name}.partial": "running",
    }
    assert call(tmp_path, "list").stderr == "1 run; 2 unfinished\n"
    assert check(tmp_path).intact
    os.close(running.lock)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list", "--since", "soon"), "'soon' is no time: write 90d"),
        (("list", "--last", "-1"), "--last"),
        (("prune",), "either --keep 90d or --before DATE. Nothing was removed."),
        (("prune", "--keep", "90"), "'90' is no length of time"),
        (("show", "nothing"), "holds no run 'nothing'"),
        (("verify", "--public-key", "/nowhere"), "/nowhere cannot be read"),
        (("prune", "--keep", "1d", "--sign-key", "/nowhere"), "/nowhere cannot be read"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    archived(tmp_path)
    result = call(tmp_path, *arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


@pytest.mark.parametrize("arguments", [("list",), ("verify",), ("show", "latest"), ("prune", "--keep", "1d")])
@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_where_there_is_no_archive_the_status_is_2_and_none_is_made(
    tmp_path: Path, arguments: tuple[str, ...], folder: str
) -> None:
    (tmp_path / "empty").mkdir()
    result = call(tmp_path / folder, *arguments)
    assert result.exit_code == 2
    assert str(tmp_path / folder) in result.stderr
    assert list(tmp_path.rglob("*")) == [tmp_path / "empty"]


# -- the index is never the truth --------------------------------------------------------------------------------------


def test_the_index_follows_the_chain_and_may_be_deleted_damaged_or_stale_at_any_time(tmp_path: Path) -> None:
    archived(tmp_path)
    assert len(names(tmp_path)) == 1
    archived(tmp_path)
    assert len(names(tmp_path)) == 2
    kept = kept_index(tmp_path)
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    for damage in (b"", b"this is no database, and it is longer than a header of SQLite would be" * 20):
        kept.write_bytes(damage)
        assert len(names(tmp_path)) == 2
    kept.unlink()
    assert len(names(tmp_path)) == 2


def test_a_page_of_the_index_that_is_damaged_is_told_with_the_file_to_remove(tmp_path: Path) -> None:
    generate(tmp_path, 300)
    assert call(tmp_path, "list").exit_code == 0
    kept = kept_index(tmp_path)
    whole = kept.read_bytes()
    # The first pages say what it holds, so that it can be opened.
    kept.write_bytes(whole[: len(whole) // 2] + b"\xff" * (len(whole) - len(whole) // 2))
    done = call(tmp_path, "list", "--last", "0")
    assert (done.exit_code, "remove that file; it is made anew" in " ".join(done.stderr.split())) == (2, True)


def test_an_index_of_another_archive_or_of_a_chain_that_was_made_anew_is_not_believed(tmp_path: Path) -> None:
    for _ in range(3):
        archived(tmp_path / "a")
    archived(tmp_path / "b", HEALTHY)
    assert len(names(tmp_path / "a")) == 3
    shutil.copy(kept_index(tmp_path / "a"), kept_index(tmp_path / "b"))
    assert [row["cause"] for row in json.loads(call(tmp_path / "b", "list", "--json", "-").stdout)["runs"]] == ["ok"]


def test_an_index_that_somebody_filled_with_lies_changes_no_verification(tmp_path: Path) -> None:
    run = archived(tmp_path)
    assert len(names(tmp_path)) == 1
    with sqlite3.connect(kept_index(tmp_path)) as database:
        database.execute("UPDATE runs SET cause = 'ok', state = 'whole'")
    database.close()
    assert call(tmp_path, "verify").exit_code == 0
    (run / MANIFEST).chmod(0o600)
    (run / MANIFEST).write_bytes(b"{}")
    assert call(tmp_path, "verify").exit_code == 1


def test_a_run_whose_manifest_is_gone_or_changed_is_listed_as_such(tmp_path: Path) -> None:
    gone, changed = archived(tmp_path), archived(tmp_path)
    shutil.rmtree(gone)
    (changed / MANIFEST).chmod(0o600)
    (changed / MANIFEST).write_text((changed / MANIFEST).read_text().replace("tcp.refused", "api.forged"))
    with open_index(tmp_path) as index:
        rows = index.runs(Wanted(since=BEGAN, until=BEGAN + timedelta(seconds=1)))
    assert [row.state for row in rows] == ["missing", "changed"]
    assert {row.cause for row in rows} == {None}, "what it was archived with is not known any more"


def test_without_its_chain_an_archive_lists_nothing_and_says_so(tmp_path: Path) -> None:
    archived(tmp_path)
    assert "missing" not in call(tmp_path, "list").stderr
    (tmp_path / "chain.jsonl").unlink()
    assert "chain.jsonl is missing, so no run can be listed" in call(tmp_path, "list").stderr


def test_a_manifest_of_strange_types_is_listed_and_harms_nothing(tmp_path: Path) -> None:
    draft = begin(tmp_path, host="web-3", now=BEGAN)
    strange = {
        "host": ["a"],
        "verdict": {"cause": {}, "failed": 2**70, "tried": float("inf")},
        "steps": [],
        "notebooks": {"a": 1},
        "verify": 3,
    }
    draft.finish("whole", strange)
    with open_index(tmp_path) as index:
        [row] = index.runs()
    assert (row.cause, row.failed, row.tried, row.host) == (None, None, None, None)
    assert len(names(tmp_path)) == 1


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null"])
def test_where_no_index_can_be_kept_an_archive_is_listed_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    archived(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", home)
    for _ in range(2):
        assert len(names(tmp_path)) == 1


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare for a read-only mount"
)
def test_a_read_only_archive_is_listed_shown_and_verified_and_a_run_says_before_it_begins_that_it_cannot_be_kept(
    tmp_path: Path,
) -> None:
    archived(tmp_path)
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && ! touch "$1/x" 2>/dev/null && shift && "$@"'
    for told, status, *arguments in (
        ("tcp.refused", 0, "archive", "list"),
        ("tcp.refused", 0, "archive", "show", "latest"),
        ("intact: 1 run", 0, "archive", "verify"),
        ("Read-only file system", 4, "archive", "prune", "--before", "2100-01-01"),
        ("cannot be written: Read-only file system. Nothing was run.", 2, "run", "01_response_evidence"),
    ):
        tool = [sys.executable, "-P", "-m", "oairunbook.cli", *arguments, "--archive", str(tmp_path)]
        command = ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), *tool]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, told in done.stdout + done.stderr) == (status, True), done.stderr


def test_a_large_archive_is_indexed_once_and_then_only_what_is_new_is_read(tmp_path: Path) -> None:
    generate(tmp_path, 300)
    with open_index(tmp_path) as index:
        assert index.count() == 300
        assert {row.host for row in index.runs()} == set(HOSTS)
        assert [row.sequence for row in index.runs(last=2)] == [299, 300]
        assert index.count(Wanted(since=START + 200 * EVERY, until=START + 300 * EVERY)) == 100
    # What was read is not read again: its manifests may be gone.
    for row in (tmp_path / "2026/01/01").iterdir():
        shutil.rmtree(row)
    archived(tmp_path)
    with open_index(tmp_path) as index:
        assert index.count() == 301
        assert {row.state for row in index.runs()} == {"whole"}


def test_of_each_step_the_first_look_on_the_path_is_timed() -> None:
    again = replace(refused(), id="tcp:again", seconds=9.0, attempt=2)
    other = replace(connected(), id="tcp:other", seconds=9.0, changed="another address")
    seen = evidence(again, other, resolved(), refused())
    assert set(step_seconds(seen)) == {"dns", "tcp"}
    assert step_seconds(seen)["tcp"] == round(refused().seconds, 6)


# -- show ------------------------------------------------------------------------------------------------------------


def test_that_the_newest_run_was_removed_is_said_by_whatever_asks_for_the_latest(tmp_path: Path) -> None:
    archived(tmp_path)
    newest = archived(tmp_path, began=BEGAN + timedelta(days=1))
    shutil.rmtree(newest)
    for command in (("archive", "show", "latest"), ("report", "latest", "-o", str(tmp_path / "report.html"))):
        result = CliRunner().invoke(cli, [*command, "--archive", str(tmp_path)])
        assert result.exit_code == 2, result.output
        assert f"The newest run of {tmp_path}, {newest.relative_to(tmp_path)}, is gone" in " ".join(
            result.stderr.split()
        )
        assert "Errno" not in result.stderr


def test_a_run_is_shown_by_its_path_its_name_a_part_of_it_or_as_the_latest(tmp_path: Path) -> None:
    run = archived(tmp_path)
    identity = json.loads((run / MANIFEST).read_bytes())["id"]
    for text in (str(run), str(run.relative_to(tmp_path)), identity, "latest"):
        result = call(tmp_path, "show", text)
        assert result.exit_code == 0, result.stderr
        assert f"run       {run}\nstate     whole\n" in result.stdout
        assert "chain     number 1, after none" in result.stdout
        assert "cause    tcp.refused (proven)" in result.stdout
        assert "PROBLEM" not in result.stdout
    archived(tmp_path)
    ambiguous = call(tmp_path, "show", "20261124T")
    assert (ambiguous.exit_code, "in the names of 2 runs" in ambiguous.stderr) == (2, True)


def test_a_run_that_was_touched_is_shown_with_what_was_touched(tmp_path: Path) -> None:
    run = archived(tmp_path)
    (run / "verdict.json").chmod(0o600)
    (run / "verdict.json").write_text("{}")
    result = call(tmp_path, "show", "latest")
    assert f"PROBLEM   {run.name}/verdict.json: was changed since it was archived" in result.stdout
    assert json.loads(call(tmp_path, "show", "latest", "--json", "-").stdout)["problems"]


# -- verify ------------------------------------------------------------------------------------------------------------


def test_verify_says_which_run_is_not_as_it_was_and_ends_with_1(tmp_path: Path) -> None:
    runs = [archived(tmp_path) for _ in range(3)]
    result = call(tmp_path, "verify")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "intact: 3 runs, 0 pruned, 0 unfinished")
    kept = json.loads(call(tmp_path, "verify", "--json", "-").stdout)["newest"]
    assert call(tmp_path, "verify", "--knows", kept).exit_code == 0
    assert call(tmp_path, "verify", "--knows", "0" * 64).exit_code == 1
    shutil.rmtree(runs[1])
    result = call(tmp_path, "verify")
    assert result.exit_code == 1
    name = runs[1].relative_to(tmp_path)
    assert result.stdout.splitlines()[:2] == [
        f"{name}: was removed, and no prune says so",
        "NOT intact, 1 problem: 2 runs, 0 pruned, 0 unfinished",
    ]
    document = json.loads(call(tmp_path, "verify", "--json", "-").stdout)
    assert (document["intact"], [problem["path"] for problem in document["problems"]]) == (False, [str(name)])


# -- prune ------------------------------------------------------------------------------------------------------------


def test_prune_removes_the_old_runs_and_the_chain_still_verifies_and_tells_what_went(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    old = [archived(tmp_path, began=now - timedelta(days=100 + n)) for n in range(3)]
    killed = begin(tmp_path, host="web-3", now=now - timedelta(days=95))
    os.close(killed.lock)
    young = archived(tmp_path, began=now - timedelta(days=10))

    looked = call(tmp_path, "prune", "--keep", "90d", "--dry-run")
    assert looked.exit_code == 0
    assert "4 runs would be removed" in looked.stdout
    assert all(run.exists() for run in old)

    result = call(tmp_path, "prune", "--keep", "90d", "--json", "-")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    gone = [*(str(run.relative_to(tmp_path)) for run in old), f"{killed.name}.partial"]
    assert [one["run"] for one in document["removed"]] == gone
    assert not any(run.exists() for run in (*old, killed.folder))
    assert young.exists()
    checked = check(tmp_path)
    assert (checked.problems, checked.runs, checked.pruned) == ((), 2, 3)

    tombstone = Path(document["tombstone"])
    assert tombstone.name.endswith("-prune")
    told = [one["run"] for one in json.loads((tombstone / "removed.json").read_bytes())["runs"]]
    assert told == gone
    assert names(tmp_path) == [str(young.relative_to(tmp_path)), str(tombstone.relative_to(tmp_path))]
    kept_index(tmp_path).unlink()
    assert names(tmp_path) == [str(young.relative_to(tmp_path)), str(tombstone.relative_to(tmp_path))]
    assert "pruned    4 runs" in call(tmp_path, "show", "latest").stdout
    assert "0 runs removed" in call(tmp_path, "prune", "--keep", "90d").stdout


def test_a_tombstone_that_was_changed_excuses_nothing(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    archived(tmp_path, began=now - timedelta(days=100))
    kept = archived(tmp_path, began=now)
    tombstone = prune(tmp_path, keep=timedelta(days=90)).tombstone
    assert tombstone is not None
    removed = json.loads((tombstone / "removed.json").read_bytes())
    [entry] = [json.loads(line) for line in (tmp_path / CHAIN).read_text().splitlines() if kept.name in line]
    removed["runs"].append(removed["runs"][0] | {"run": entry["run"], "manifest_sha256": entry["manifest_sha256"]})
    (tombstone / "removed.json").chmod(0o600)
    (tombstone / "removed.json").write_text(json.dumps(removed))
    shutil.rmtree(kept)
    told = {problem.path: problem.what for problem in check(tmp_path).problems}
    assert told[entry["run"]] == "was removed, and no prune says so"


@pytest.mark.parametrize("name", ["../victim", "2026/11/24/../../../../victim", "/victim", "2026/11/24/x\0"])
def test_a_tombstone_that_names_something_outside_of_the_archive_removes_nothing(tmp_path: Path, name: str) -> None:
    """A prune finishes what an earlier one said, and somebody else may have said it."""
    archive, victim = tmp_path / "archive", tmp_path / "victim"
    victim.mkdir()
    archived(archive)
    draft = begin(archive, host="web-3", kind="prune", now=BEGAN)
    forged = {"manifest_sha256": None, "started_at": "", "host": "", "owner": None, "cause": None, "state": "whole"}
    draft.write("removed.json", json.dumps({"schema": "oairunbook.removed/1", "runs": [{"run": name, **forged}]}))
    draft.finish("whole", {})
    prune(archive, before=BEGAN + timedelta(days=1))
    assert victim.is_dir()


def test_a_run_that_is_a_link_is_left_and_told_and_so_is_what_it_leads_to(tmp_path: Path) -> None:
    archive, elsewhere = tmp_path / "archive", tmp_path / "elsewhere"
    run = archived(archive)
    archived(archive, began=BEGAN + timedelta(days=3))
    run.rename(elsewhere)
    run.symlink_to(elsewhere)
    done = call(archive, "prune", "--before", "2026-11-25", "--json", "-")
    assert json.loads(done.stdout)["left"] == [str(run.relative_to(archive))]
    assert "1 run not as archived, and left" in done.stderr
    assert run.is_symlink()
    assert (elsewhere / MANIFEST).exists()


def test_a_manifest_that_is_too_large_to_be_one_is_not_read(tmp_path: Path) -> None:
    run = archived(tmp_path)
    (run / MANIFEST).chmod(0o600)
    with (run / MANIFEST).open("r+b") as file:
        file.truncate(9 << 20)
    told = {problem.what for problem in check(tmp_path).problems}
    assert "is no manifest that this version can read" in told
    with open_index(tmp_path) as index:
        assert [row.state for row in index.runs()] == ["missing"]


def test_a_prune_that_was_broken_off_is_finished_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    old = [archived(tmp_path, began=now - timedelta(days=100)) for _ in range(2)]
    archived(tmp_path, began=now)

    def end(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("oairunbook.record.archive.prune.shutil.rmtree", end)
        with pytest.raises(KeyboardInterrupt):
            prune(tmp_path, keep=timedelta(days=90))
    assert [run.exists() for run in old] == [False, True]
    assert check(tmp_path).intact
    prune(tmp_path, keep=timedelta(days=90))
    assert [run.exists() for run in old] == [False, False]
    assert not list(tmp_path.glob(".removed-*"))
    assert check(tmp_path).intact


def test_a_clock_that_has_jumped_ahead_removes_nothing(tmp_path: Path) -> None:
    runs = [archived(tmp_path) for _ in range(2)]
    with pytest.raises(ArchiveError, match=r"every run of .* is older .* look at the clock"):
        prune(tmp_path, keep=timedelta(days=90), now=datetime(2036, 1, 1, tzinfo=UTC))
    assert all(run.exists() for run in runs)
    assert len(prune(tmp_path, before=BEGAN + timedelta(days=1)).removed) == 2


def test_a_running_run_is_not_pruned(tmp_path: Path) -> None:
    running = begin(tmp_path, host="web-3", now=BEGAN)
    archived(tmp_path, began=BEGAN)
    prune(tmp_path, before=BEGAN + timedelta(days=1))
    assert running.folder.exists()
    running.finish("whole", {})
    assert check(tmp_path).intact


# -- signed runs ---------------------------------------------------------------------------------------------------------


def test_runs_and_prunes_are_signed_with_the_key_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(MAKE_A_KEY, shell=True, check=True, cwd=tmp_path, capture_output=True)
    archive = tmp_path / "archive"
    monkeypatch.setenv("OAIRUNBOOK_SIGN_KEY", str(tmp_path / "sign.pem"))
    arguments = ["run", "01_response_evidence", "-q", "-p", "status", "401", "--archive", str(archive)]
    assert CliRunner().invoke(cli, arguments).exit_code in (1, 3)
    assert call(archive, "prune", "--before", "2100-01-01").exit_code == 0
    result = call(archive, "verify", "--public-key", str(tmp_path / "sign.pub"))
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "intact: 1 run, 1 pruned, 0 unfinished, 1 signed")
    monkeypatch.setenv("OAIRUNBOOK_SIGN_KEY", str(tmp_path / "sign.pub"))
    result = CliRunner().invoke(cli, arguments)
    assert (result.exit_code, "holds no private key in PEM" in result.stderr) == (2, True)
    assert "Nothing was run." in result.stderr
