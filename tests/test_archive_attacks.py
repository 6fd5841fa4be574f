"""What somebody who can write an archive does to it: nothing that was destroyed passes, and nothing outside of it is touched."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from oairunbook.cli import cli
from oairunbook.evidence import dumps
from oairunbook.record.archive import MANIFEST, ArchiveError, begin, check
from oairunbook.record.archive.chain import CHAIN
from oairunbook.record.archive.index import open_index
from oairunbook.record.archive.prune import prune
from oairunbook.record.archive.reading import Reading, vouched
from oairunbook.record.archive.signing import MAKE_A_KEY, SIGNATURE, load_public_keys, load_signer
from oairunbook.record.archive.tombstone import REMOVED
from oairunbook.record.run import archive_record
from oairunbook.record.runbooks import ParameterError
from oairunbook.record.verify_fix import failing_run

from .test_archive_commands import BEGAN, FAULT, SEEN, archived, call, kept_index, names

DAY = timedelta(days=1)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def runs(archive: Path) -> list[Path]:
    """Three runs of one archive, a day apart."""
    return [archived(archive, began=BEGAN + day * DAY) for day in range(3)]


def told(archive: Path, **how: bool) -> set[str]:
    return {problem.what for problem in check(archive, **how).problems}  # type: ignore[arg-type]


def unfinish(run: Path) -> Path:
    """Give a finished run the name of one that was never finished."""
    return run.rename(f"{run}.partial")


# -- runs that were destroyed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("files", [False, True])
@pytest.mark.parametrize("which", [0, 1])
def test_an_earlier_run_that_looks_unfinished_was_removed(
    runs: list[Path], archive: Path, which: int, files: bool, quick: bool
) -> None:
    """Whoever enters a run gives the one before its name first, so that no crash leaves this."""
    assert check(archive, files=files, quick=quick).intact
    unfinish(runs[which])
    checked = check(archive, files=files, quick=quick)
    assert [(one.path, one.what) for one in checked.problems] == [
        (str(runs[which].relative_to(archive)), "was removed, and no prune says so")
    ]


def test_the_newest_run_may_not_have_got_its_name_yet_if_it_is_all_there(runs: list[Path], archive: Path) -> None:
    folder = unfinish(runs[2])
    checked = check(archive)
    assert (checked.problems, checked.runs, len(checked.unfinished)) == ((), 2, 1)
    (folder / "evidence.json").unlink()
    assert told(archive) == {"is missing"}
    (folder / MANIFEST).unlink()
    assert told(archive) == {"was removed, and no prune says so"}


def test_a_run_that_looks_unfinished_hides_no_later_one_from_a_listing(runs: list[Path], archive: Path) -> None:
    unfinish(runs[0])
    with open_index(archive) as index:
        assert [row.state for row in index.runs()] == ["missing", "whole", "whole"]


def test_a_line_of_the_chain_names_no_unfinished_run_and_holds_nothing_but_its_own(
    runs: list[Path], archive: Path
) -> None:
    chain = (archive / CHAIN).read_text()
    *earlier, newest = chain.splitlines(keepends=True)
    for changed in (
        newest.replace("}", ', "note": "more"}'),
        newest.replace(", ", ",  ", 1),
        newest.replace('", "manifest', '.partial", "manifest'),
        newest.replace('", "manifest', '\\ud800", "manifest'),
    ):
        (archive / CHAIN).write_text("".join((*earlier, changed)))
        assert "line 3 is no line of a chain" in told(archive)
    (archive / CHAIN).write_text(chain)
    assert check(archive).intact


# -- lines that are repeated ---------------------------------------------------------------------------------------------------


def repeat(archive: Path, number: int) -> None:
    """Append a line that is linked as it should be, and names the run of an earlier one: no key is needed for that."""
    lines = (archive / CHAIN).read_bytes().splitlines()
    line = json.loads(lines[number - 1])
    line |= {"sequence": len(lines) + 1, "previous_sha256": hashlib.sha256(lines[-1]).hexdigest()}
    with (archive / CHAIN).open("ab") as chain:
        chain.write(json.dumps(line).encode() + b"\n")


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("files", [False, True])
def test_a_run_stands_in_the_chain_once(tmp_path: Path, archive: Path, files: bool, quick: bool) -> None:
    subprocess.run(MAKE_A_KEY, shell=True, check=True, cwd=tmp_path, capture_output=True)
    signer, keys = load_signer(str(tmp_path / "sign.pem")), load_public_keys([str(tmp_path / "sign.pub")])
    runs = [
        begin(archive, host="web-3", now=BEGAN + day * DAY, signer=signer).finish("whole", {"host": "web-3"})
        for day in range(3)
    ]
    assert check(archive, keys, files=files, quick=quick).intact
    repeat(archive, 2)
    name = str(runs[1].relative_to(archive))
    said = [(name, "stands in the chain again, as number 4: it was archived once, as number 2")]
    checked = check(archive, keys, files=files, quick=quick)
    assert ([(one.path, one.what) for one in checked.problems], checked.runs, checked.signed) == (said, 3, 3)
    # Who archives next is not to blame, and what was found once is found each time.
    begin(archive, host="web-3", now=BEGAN + 3 * DAY, signer=signer).finish("whole", {"host": "web-3"})
    checked = check(archive, keys, files=files, quick=quick)
    assert ([(one.path, one.what) for one in checked.problems], checked.runs) == (said, 4)


@pytest.mark.parametrize("quick", [False, True])
def test_a_run_that_was_pruned_is_not_pruned_once_more_by_a_line_that_names_it(
    runs: list[Path], archive: Path, quick: bool
) -> None:
    prune(archive, before=BEGAN + DAY)
    assert check(archive, quick=quick).pruned == 1
    repeat(archive, 1)
    checked = check(archive, quick=quick)
    assert ([one.path for one in checked.problems], checked.pruned) == ([str(runs[0].relative_to(archive))], 1)


def test_latest_never_leads_to_a_run_that_was_repeated_and_a_listing_tells_it(runs: list[Path], archive: Path) -> None:
    assert len(names(archive)) == 3
    repeat(archive, 1)
    done = call(archive, "show", "latest")
    assert (done.exit_code, "somebody has repeated it" in done.stderr.replace("\n", " ")) == (2, True)
    done = CliRunner().invoke(cli, ["packet", "latest", "--archive", str(archive)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert call(archive, "show", str(runs[0])).exit_code == 1
    listed = call(archive, "list", "--json", "-")
    rows = json.loads(listed.stdout)["runs"]
    assert [(row["run"], row["state"]) for row in rows] == [
        (str(run.relative_to(archive)), state) for run, state in zip(runs, ("repeated", "whole", "whole"), strict=True)
    ]
    assert "1 run not as archived" in call(archive, "list").stderr


def test_latest_is_also_a_run_that_a_crash_left_without_its_name(runs: list[Path], archive: Path) -> None:
    unfinish(runs[2])
    done = call(archive, "show", "latest")
    assert (done.exit_code, runs[2].name in done.stdout) == (0, True), done.stderr


# -- links -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("level", ["", "2026", "2026/11", "2026/11/25"])
def test_a_folder_that_is_a_link_is_no_part_of_the_archive(
    runs: list[Path], archive: Path, tmp_path: Path, level: str, quick: bool
) -> None:
    """What a link leads to is changed by whoever owns it, and a run that was inserted behind it would not be seen."""
    assert check(archive, quick=quick).intact
    moved = archive / (level or runs[1].relative_to(archive))
    moved.rename(tmp_path / "elsewhere")
    moved.symlink_to(tmp_path / "elsewhere")
    assert told(archive, quick=quick) == {
        "is a link, and no folder of the archive",
        "lies behind a link, and in no folder of the archive",
    }


def test_a_file_that_is_a_link_to_an_equal_one_is_told(runs: list[Path], archive: Path, tmp_path: Path) -> None:
    (runs[1] / "evidence.json").rename(tmp_path / "elsewhere.json")
    (runs[1] / "evidence.json").symlink_to(tmp_path / "elsewhere.json")
    assert told(archive) == {"was changed since it was archived"}


# -- what prune deletes ------------------------------------------------------------------------------------------------------


def forge(archive: Path, *names: str, manifest: str | None = None) -> None:
    """A record of a prune, as somebody who has no key makes it."""
    draft = begin(archive, host="web-3", kind="prune", now=BEGAN)
    one = {"started_at": "", "host": "", "owner": None, "cause": None, "state": "whole", "manifest_sha256": manifest}
    draft.write(
        REMOVED, json.dumps({"schema": "oairunbook.removed/1", "runs": [{"run": name, **one} for name in names]})
    )
    draft.finish("whole", {})


@pytest.mark.parametrize("manifest", [None, "0" * 64])
@pytest.mark.parametrize("level", ["1", "1/1", "1/1/1"])
def test_a_link_above_a_run_that_a_record_names_leads_prune_nowhere(
    runs: list[Path], archive: Path, tmp_path: Path, level: str, manifest: str | None
) -> None:
    victim = tmp_path / "db"
    behind = victim / "/".join(["1"] * (2 - level.count("/"))) / "15main.partial"
    behind.mkdir(parents=True)
    forge(archive, "1/1/1/15main.partial", "1/1/1/15main", manifest=manifest)
    link = archive / level
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(victim)
    prune(archive, before=BEGAN - DAY)
    assert behind.is_dir()
    assert any("says that 1/1/1/15main was removed" in what for what in told(archive))


def test_a_run_that_a_record_of_a_prune_names_and_that_is_still_there_is_told_and_breaks_nothing(
    runs: list[Path], archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prune was cut off, or its record lies: either way somebody should look before the next one removes it."""
    assert check(archive).still_there == ()
    monkeypatch.setattr("oairunbook.record.archive.prune._remove", lambda archive, removed: None)
    prune(archive, before=BEGAN + DAY)
    monkeypatch.undo()
    name = str(runs[0].relative_to(archive))
    for quick in (False, True, True):
        checked = check(archive, quick=quick)
        assert (checked.problems, checked.still_there) == ((), (name,))
    done = call(archive, "verify")
    assert (done.exit_code, f"{name}: a record of a prune says that it was removed" in done.stdout) == (0, True)
    assert json.loads(call(archive, "verify", "--json", "-").stdout)["still_there"] == [name]
    prune(archive, before=BEGAN - DAY)
    assert (runs[0].exists(), check(archive).still_there) == (False, ())


@pytest.mark.parametrize(
    ("sequence", "name"),
    [(10**30, "x"), (-4, "x"), (0, "x"), (4, "9" * 300), (4, "\N{GREEK SMALL LETTER PI}" * 120), (10**18, "x")],
)
def test_a_line_with_a_number_or_a_name_that_no_run_has_is_none_and_stops_no_command(
    runs: list[Path], archive: Path, sequence: int, name: str
) -> None:
    *_, last = (archive / CHAIN).read_bytes().splitlines()
    line = json.loads(last) | {
        "sequence": sequence,
        "run": f"2026/11/27/20261127T140211Z-{name}",
        "previous_sha256": hashlib.sha256(last).hexdigest(),
    }
    with (archive / CHAIN).open("a") as chain:
        chain.write(json.dumps(line) + "\n")
    assert told(archive) == told(archive, files=False, quick=True) == {"line 4 is no line of a chain"}
    assert len(names(archive)) == 3
    done = call(archive, "prune", "--before", "2026-11-25")
    assert (done.exit_code, "is no line of a chain" in " ".join(done.stderr.split())) == (2, True)


def test_a_record_of_a_prune_removes_only_what_the_chain_knows_so(runs: list[Path], archive: Path) -> None:
    forge(archive, *(str(run.relative_to(archive)) for run in runs), manifest="0" * 64)
    prune(archive, before=BEGAN - DAY)
    assert all(run.exists() for run in runs)


def test_what_prune_removes_the_chain_and_manifests_say_and_no_index(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    old, young = archived(tmp_path, began=now - 100 * DAY), archived(tmp_path, began=now)
    assert len(names(tmp_path)) == 2
    with closing(sqlite3.connect(kept_index(tmp_path))) as database, database:
        database.execute("UPDATE runs SET started_at = '2026-01-01T00:00:00+00:00', owner = 'auth', cause = 'api.x'")
        database.execute("DELETE FROM runs WHERE run = ?", (str(old.relative_to(tmp_path)),))
    done = prune(tmp_path, keep=90 * DAY)
    assert [(one.run, one.cause) for one in done.removed] == [(str(old.relative_to(tmp_path)), "tcp.refused")]
    assert young.exists()


def test_a_run_whose_manifest_was_changed_is_left_by_prune_and_told(runs: list[Path], archive: Path) -> None:
    manifest = runs[2] / MANIFEST
    manifest.chmod(0o600)
    manifest.write_text(manifest.read_text().replace("2026-11-26", "2026-01-26"))
    unfinished = unfinish(runs[1])
    done = prune(archive, before=BEGAN + 9 * DAY)
    assert [one.run for one in done.removed] == [str(runs[0].relative_to(archive))]
    assert done.left == (str(runs[2].relative_to(archive)),)
    assert unfinished.is_dir(), "a run that the chain names was never killed"


def test_a_clock_that_jumped_is_noticed_after_a_prune_and_after_a_run_at_its_time(archive: Path) -> None:
    for day in range(4):
        archived(archive, began=BEGAN + day * DAY)
    assert len(prune(archive, before=BEGAN + DAY, now=BEGAN + 4 * DAY).removed) == 1
    later = datetime(2040, 1, 1, tzinfo=UTC)
    with pytest.raises(ArchiveError, match=r"every run of .* is older"):
        prune(archive, keep=90 * DAY, now=later)
    archived(archive, began=later)
    with pytest.raises(ArchiveError, match=r"only runs since 2040-01-01 00:00 are to be kept.* look at the clock"):
        prune(archive, keep=90 * DAY, now=later)
    assert check(archive).runs == 5
    # The control: the clock is right again, and what was archived by the wrong one is in nobody's way.
    for day in range(90, 98):
        archived(archive, began=BEGAN + day * DAY)
    assert len(prune(archive, keep=90 * DAY, now=BEGAN + 97 * DAY).removed) == 3


@pytest.mark.parametrize("old", [1970, 2020])
def test_a_run_by_another_wrong_clock_does_not_make_every_jump_a_usual_one(archive: Path, old: int) -> None:
    archived(archive, began=datetime(old, 1, 1, 0, 3, tzinfo=UTC))
    for day in range(6):
        archived(archive, began=BEGAN + day * DAY)
    later = datetime(2040, 1, 1, tzinfo=UTC)
    archived(archive, began=later)
    with pytest.raises(ArchiveError, match="only runs since 2040-01-01 00:00 are to be kept"):
        prune(archive, keep=90 * DAY, now=later)
    assert check(archive).runs == 8


@pytest.mark.parametrize("what", ["a link", "a file", "a folder"])
def test_what_stands_where_a_run_goes_before_it_is_deleted_keeps_no_run_alive(
    runs: list[Path], archive: Path, tmp_path: Path, what: str
) -> None:
    waste = archive / f".removed-{runs[0].name}"
    if what == "a link":
        waste.symlink_to(tmp_path)
    elif what == "a file":
        waste.write_text("mine")
    else:
        (waste / "full").mkdir(parents=True)
    (tmp_path / "mine").write_text("mine")
    done = call(archive, "prune", "--before", "2026-11-25")
    assert (done.exit_code, "1 run removed" in done.stdout) == (0, True)
    assert not runs[0].exists()
    assert not os.path.lexists(waste)
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_prune_that_finds_no_room_for_its_record_says_so_and_removes_nothing(
    runs: list[Path], archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        done = call(archive, "prune", "--before", "2099-01-01")
    assert done.exit_code == 4
    assert f"{archive}: No space left on device: the record of what goes has to be written first" in done.stderr
    assert all(run.exists() for run in runs)
    assert call(archive, "prune", "--before", "2099-01-01").exit_code == 0
    assert check(archive).intact


def test_a_run_that_cannot_be_removed_is_not_called_removed(runs: list[Path], archive: Path) -> None:
    """Something is mounted on it, and the kernel gives no mount another name."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare for a mount")
    done = pruned_with_a_mount(archive, runs[0])
    assert (done.returncode, "removed that began" in done.stdout) == (4, False), done.stdout
    assert "Device or resource busy" in done.stderr
    assert runs[0].exists()


def test_a_year_that_is_mounted_is_pruned_as_well(runs: list[Path], archive: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare for a mount")
    done = pruned_with_a_mount(archive, archive / "2026")
    assert (done.returncode, "1 run removed" in done.stdout) == (0, True), done.stderr
    assert [run.exists() for run in runs] == [False, True, True]
    assert list(archive.rglob(".removed-*")) == []
    checked = check(archive)
    assert (checked.problems, checked.pruned) == ((), 1)


def pruned_with_a_mount(archive: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """`archive prune` where this folder of the archive is a mount of its own."""
    script = 'mount --bind "$1" "$1" && shift && exec "$@"'
    tool = [sys.executable, "-P", "-m", "oairunbook.cli", "archive", "prune", "--before", "2026-11-25"]
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(folder), *tool, "--archive", str(archive)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# -- the index ------------------------------------------------------------------------------------------------------------------


def test_no_index_that_lies_in_the_archive_is_believed_and_none_is_left_there(runs: list[Path], archive: Path) -> None:
    """Who can write the archive cannot make a listing say what no manifest says, nor by what lies beside the index."""
    before = sorted(archive.rglob("*"))
    assert len(names(archive)) == 3
    assert sorted(archive.rglob("*")) == before
    kept = kept_index(archive)
    with closing(sqlite3.connect(kept)) as database, database:
        database.execute("UPDATE runs SET cause = 'api.forged'")
    assert len(names(archive, "--cause", "api.forged")) == 3, "the control: this is what a listing is taken from"
    for place in (archive / ".index.sqlite", archive / kept.name, archive / "index" / kept.name):
        place.parent.mkdir(exist_ok=True)
        shutil.copy(kept, place)
    kept.unlink()
    assert names(archive, "--cause", "api.forged") == []
    assert len(names(archive, "--cause", "tcp.refused")) == 3


def test_a_chain_that_became_a_pipe_is_not_waited_for_by_a_listing(runs: list[Path], archive: Path) -> None:
    assert len(names(archive)) == 3
    (archive / CHAIN).unlink()
    os.mkfifo(archive / CHAIN)
    for asked in (("list",), ("prune", "--before", "2100-01-01")):
        done = call(archive, *asked)
        assert (done.exit_code, "is no file" in done.stderr.replace("\n", " ")) == (2, True)


# -- what is handed over -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_manifest", [False, True])
def test_a_packet_that_was_edited_is_not_handed_over_without_a_word(archive: Path, with_manifest: bool) -> None:
    run = archive_record(archive, SEEN, FAULT)
    asked = ["packet", str(run)]
    assert CliRunner().invoke(cli, asked).exit_code == 0
    packet, manifest = run / "packet.md", run / MANIFEST
    before = hashlib.sha256(packet.read_bytes()).hexdigest()
    for file in (packet, manifest):
        file.chmod(0o600)
    packet.write_text(packet.read_text().replace("tcp.refused", "tcp.forged"))
    if with_manifest:
        after = hashlib.sha256(packet.read_bytes()).hexdigest()
        manifest.write_text(manifest.read_text().replace(before, after))
    done = CliRunner().invoke(cli, asked)
    file = MANIFEST if with_manifest else "packet.md"
    assert (done.exit_code, f"{run.name}/{file}: was changed since" in done.stderr) == (1, True)
    shown = call(archive, "show", str(run))
    assert (shown.exit_code, f"PROBLEM   {run.name}/{file}" in shown.stdout) == (1, True)
    page = CliRunner().invoke(cli, ["report", str(run), "-o", "-"])
    assert (page.exit_code, f"{run.name}/{file}: was changed since" in page.stderr) == (1, True)
    assert "Not as it was archived" in page.stdout


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_what_a_link_in_the_place_of_a_run_leads_to_is_never_handed_over(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    """Neither where it is a run of another archive, nor where it is any folder with such a file."""
    monkeypatch.chdir(tmp_path)
    run = archive_record(archive, SEEN, FAULT)
    place = (run, *run.parents)[depth]
    (tmp_path / "elsewhere").mkdir()
    place.rename(tmp_path / "elsewhere" / place.name)
    place.symlink_to(tmp_path / "elsewhere" / place.name)
    for asked in (str(run), run.name, "latest"):
        for command in (["packet", asked], ["report", asked, "-o", "-"], ["archive", "show", asked]):
            done = CliRunner().invoke(cli, command)
            told = " ".join(done.stderr.split())
            assert (done.exit_code, done.stdout, "holds no run" in told or "behind a link" in told) == (2, "", True)
    assert "missing" in call(archive, "list").stdout
    inside = tmp_path / "elsewhere" / run.relative_to(place.parent)
    (tmp_path / "short").symlink_to(inside)
    done = CliRunner().invoke(cli, ["packet", str(tmp_path / "short")])
    assert (done.exit_code, "# Escalation packet" in done.stdout) == (1, True), "the control: a link of one's own"


@pytest.mark.parametrize("with_manifest", [False, True])
def test_a_newest_run_that_was_edited_and_looks_unfinished_is_not_handed_over_without_a_word(
    archive: Path, with_manifest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archive.parent)
    folder = unfinish(archive_record(archive, SEEN, FAULT))
    assert CliRunner().invoke(cli, ["packet", "latest"]).exit_code == 0, "the control: a crash may leave it so"
    (folder / "packet.md").chmod(0o600)
    (folder / "packet.md").write_text("tcp.forged")
    assert CliRunner().invoke(cli, ["packet", "latest"]).exit_code == 1
    assert CliRunner().invoke(cli, ["report", "latest", "-o", "-"]).exit_code == 1
    killed = begin(archive, host="web-3")
    killed.write("evidence.json", dumps(SEEN))
    os.close(killed.lock)
    handed_over_with(str(killed.folder), "is unfinished: it stands in no chain, and nothing vouches for it")


def handed_over_with(run: str, problem: str) -> str:
    """Packet, report and `archive show` hand this run over, and each says what is wrong: in itself and with its status. What `show` says."""
    shown = ""
    for command in (["packet", run], ["report", run, "-o", "-"], ["archive", "show", run]):
        done = CliRunner().invoke(cli, command)
        assert done.exit_code == 1, (command, done.stderr)
        shown = done.stdout
        assert problem in shown.replace("`", ""), command
        assert problem in done.stderr or command[0] == "archive"
    document = json.loads(CliRunner().invoke(cli, ["packet", run, "--json", "-"]).stdout)
    assert problem in {one["what"] for one in document["problems"]}
    return shown


def edit(file: Path, old: str, new: str) -> None:
    """Change a file as whoever owns the archive can; what was to be changed is there."""
    file.chmod(0o600)
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def forge_manifest(run: Path) -> str:
    """Make a run's manifest fit its files, and give that manifest's hash."""
    told = json.loads((run / MANIFEST).read_text())
    told["files"] = {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in told["files"]}
    (run / MANIFEST).chmod(0o600)
    (run / MANIFEST).write_text(json.dumps(told))
    return hashlib.sha256((run / MANIFEST).read_bytes()).hexdigest()


def test_a_run_that_is_called_unfinished_is_told_by_what_the_chain_knows_of_it(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archive.parent)
    first, newest = archive_record(archive, SEEN, FAULT), archive_record(archive, SEEN, FAULT)
    folder = unfinish(newest)
    for command in (["packet", "latest"], ["report", "latest", "-o", "-"], ["archive", "show", "latest"]):
        assert CliRunner().invoke(cli, command).exit_code == 0, "the control: a crash may leave it so"
    handed_over_with(str(unfinish(first)), "is called unfinished, and the chain knows that run as finished")
    edit(folder / "packet.md", "tcp.refused", "api.overloaded")
    handed_over_with("latest", "was changed since it was archived")
    shutil.copytree(folder, newest)
    handed_over_with(str(folder), "is called unfinished, and the chain knows that run as finished")


def test_nothing_vouches_for_a_copy_that_is_called_unfinished(
    tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(MAKE_A_KEY, shell=True, check=True, capture_output=True)
    monkeypatch.setenv("OAIRUNBOOK_SIGN_KEY", "sign.pem")
    run = CliRunner().invoke(cli, ["run", "01_response_evidence", "-p", "status", "401", "-q", "--json", "-"])
    signed = Path(json.loads(run.stdout)["run"])
    assert "says that it is signed by key" in call(archive, "show", str(signed)).stdout, "the control"
    forged = signed.with_name("20991130T210000Z-vm-aaaaaaaa.partial")
    shutil.copytree(signed, forged)
    shown = handed_over_with("aaaaaaaa", "is unfinished: it stands in no chain, and nothing vouches for it")
    assert ("chain  " in shown, "signed  " in shown) == (False, False)
    edit(forged / "packet.md", "api.", "tcp.")
    handed_over_with("aaaaaaaa", "was changed since it was archived")


@pytest.mark.parametrize("how", ["chain", "copy"])
def test_nothing_vouches_for_a_run_without_a_chain(
    tmp_path: Path, archive: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = archive_record(archive, SEEN, FAULT)
    if how == "chain":
        (archive / CHAIN).unlink()
    else:
        run = Path(shutil.copytree(run, tmp_path / "handed-over"))
    shown = handed_over_with(str(run), "there is none where this run lies, so nothing vouches for it")
    assert "chain  " not in shown


@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_line_of_the_chain_is_not_enough(archive: Path, which: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run, manifest and its line are made anew: the line behind it, and its own manifest, know better."""
    monkeypatch.chdir(archive.parent)
    runs = [archive_record(archive, SEEN, FAULT) for _ in range(3)]
    lines = (archive / CHAIN).read_text().splitlines()
    if which < 2:
        edit(runs[which] / "packet.md", "tcp.refused", "api.overloaded")
        line = json.loads(lines[which]) | {"manifest_sha256": forge_manifest(runs[which])}
        lines[which] = json.dumps(line)
        problem = (
            f"line {which + 1}, of this run, does not fit the lines around it: lines were changed, removed or inserted"
        )
    else:
        before = json.loads(lines[1]) | {"manifest_sha256": "0" * 64}
        lines[1] = json.dumps(before)
        line = json.loads(lines[2]) | {"previous_sha256": hashlib.sha256(lines[1].encode()).hexdigest()}
        lines[2] = json.dumps(line)
        problem = "was made anew up to line 2: this run knows that line with another hash"
    (archive / CHAIN).write_text("\n".join(lines) + "\n")
    handed_over_with(str(runs[which]), problem)


def test_what_is_handed_over_is_what_was_checked(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody exchanges a file for a false one until it has been read, or once it has been checked."""
    monkeypatch.chdir(archive.parent)
    run = archive_record(archive, SEEN, FAULT)
    true = (run / "packet.md").read_text()
    read = Reading(run)
    edit(run / "packet.md", "tcp.refused", "api.overloaded")
    assert b"api.overloaded" in read.read("packet.md")
    (run / "packet.md").write_text(true)
    assert [one.what for one in vouched(read).problems] == ["was changed since it was archived"]
    with pytest.raises(OSError, match="changed while it was read"):
        read.read("packet.md")
    read = Reading(run)
    assert vouched(read).problems == ()
    edit(run / "packet.md", "tcp.refused", "api.overloaded")
    with pytest.raises(OSError, match="changed while it was read"):
        read.read("packet.md")


def test_a_run_whose_manifest_cannot_be_read_is_shown_and_told(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(archive.parent)
    run = archive_record(archive, SEEN, FAULT)
    (run / MANIFEST).unlink()
    handed_over_with(str(run), "is missing")
    os.mkfifo(run / MANIFEST)
    handed_over_with(str(run), "cannot be read: it is no file")
    (run / MANIFEST).unlink()
    (run / MANIFEST).write_text('{"a": ' + "9" * 9000 + "}")
    handed_over_with(str(run), "was changed since the run was archived")


def test_evidence_of_a_run_that_was_changed_is_judged_with_a_word_and_not_archived_anew(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = archive_record(archive, SEEN, FAULT)
    evidence = run / "evidence.json"
    judge = ["diagnose", str(evidence)]
    again = ["run", "07_escalate", "-q", "-p", "evidence", str(evidence)]
    assert (CliRunner().invoke(cli, judge).stderr, CliRunner().invoke(cli, again).exit_code) == ("", 1), "the control"
    evidence.chmod(0o600)
    evidence.write_text(dumps(SEEN) + "\n")
    assert "evidence.json was changed since it was archived" in CliRunner().invoke(cli, judge).stderr
    same = ["compare", str(evidence), str(evidence), "--despite", "key-scope"]
    assert "was changed since it was archived" in CliRunner().invoke(cli, same).stderr
    count = len(names(archive))
    done = CliRunner().invoke(cli, again)
    assert (done.exit_code, "lies in a run that is not as it was archived" in done.stderr) == (2, True)
    assert len(names(archive)) == count
    copy = shutil.copy(evidence, tmp_path / "copy.json")
    assert CliRunner().invoke(cli, [*again[:-1], str(copy)]).exit_code == 1, "a near miss: whoever copies it vouches"


def test_a_run_that_was_edited_proves_no_fix_and_a_comparison_with_it_says_so(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archive.parent)
    run = archive_record(archive, SEEN, FAULT)
    assert failing_run(run.name, archive="", base_url="", model="", route="auto").path == run
    (run / ".ipynb_checkpoints").mkdir()
    assert failing_run(run.name, archive="", base_url="", model="", route="auto").path == run, "JupyterLab was here"
    same = ["compare", run.name, run.name, "--despite", "key-scope"]
    assert "not as it was archived" not in CliRunner().invoke(cli, same).stderr
    (run / "evidence.json").chmod(0o600)
    (run / "evidence.json").write_text(dumps(SEEN) + "\n")
    with pytest.raises(ParameterError, match=r"evidence.json was changed since it was archived\. Nothing was sent"):
        failing_run(run.name, archive="", base_url="", model="", route="auto")
    done = CliRunner().invoke(cli, same)
    assert (done.exit_code, "was changed since it was archived" in done.stderr) == (0, True)
    chosen = failing_run(str(run / "evidence.json"), archive="", base_url="", model="", route="auto")
    assert chosen.evidence == SEEN, "whoever names the file vouches for it"


@pytest.mark.parametrize("how", [(), ("--json", "-"), ("--last", "0", "--json", "-")])
def test_a_listing_tells_a_manifest_that_was_edited_and_never_shows_what_it_says(
    runs: list[Path], archive: Path, how: tuple[str, ...]
) -> None:
    assert "api.forged" not in call(archive, "list", *how).stdout
    manifest = runs[1] / MANIFEST
    manifest.chmod(0o600)
    manifest.write_text(manifest.read_text().replace("tcp.refused", "api.forged"))
    shown = call(archive, "list", *how)
    assert "api.forged" not in shown.stdout
    assert "changed" in shown.stdout
    assert "1 run not as archived" in shown.stderr or "--json" in how


# -- what is not there, not readable, or no part of it -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["unsigned", "does not follow", "signed"])
def test_a_prune_that_came_in_during_a_check_counts_by_its_place_and_its_signature(
    tmp_path: Path, archive: Path, how: str
) -> None:
    subprocess.run(MAKE_A_KEY, shell=True, check=True, cwd=tmp_path, capture_output=True)
    signer, keys = load_signer(str(tmp_path / "sign.pem")), load_public_keys([str(tmp_path / "sign.pub")])
    runs = [
        begin(archive, host="web-3", now=BEGAN + day * DAY, signer=signer).finish("whole", {"host": "web-3"})
        for day in range(3)
    ]
    name, manifest = str(runs[1].relative_to(archive)), hashlib.sha256((runs[1] / MANIFEST).read_bytes()).hexdigest()
    if how != "signed":
        shutil.rmtree(runs[1])

    def meanwhile(_: str) -> None:
        if how == "signed":
            prune(archive, before=BEGAN + DAY, signer=signer)
            return
        forge(archive, name, manifest=manifest)
        if how == "does not follow":
            *lines, last = (archive / CHAIN).read_text().splitlines()
            lines.append(json.dumps(json.loads(last) | {"previous_sha256": "0" * 64}))
            (archive / CHAIN).write_text("\n".join(lines) + "\n")

    checked = check(archive, () if how == "does not follow" else keys, progress=meanwhile)
    expected = [] if how == "signed" else [(name, "was removed, and no prune says so")]
    assert ([(one.path, one.what) for one in checked.problems], checked.pruned) == (expected, how == "signed")


@pytest.mark.parametrize("place", ["a file", "a manifest", "a run", "a day"])
def test_what_is_closed_to_whoever_checks_hides_nothing_of_the_rest(
    runs: list[Path], archive: Path, place: str
) -> None:
    weak = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    edit(runs[2] / "verdict.json", "tcp.refused", "api.overloaded")
    closed = {"a file": runs[0] / "evidence.json", "a manifest": runs[0] / MANIFEST, "a run": runs[0]}.get(
        place, runs[0].parent
    )
    mode = closed.stat().st_mode
    closed.chmod(0)
    tool = (*weak, sys.executable, "-m", "oairunbook.cli")
    try:
        verify = [*tool, "archive", "verify", "--archive", str(archive)]
        done = subprocess.run(verify, check=False, capture_output=True, text=True)
        packets = [
            subprocess.run(
                [*tool, *command, str(runs[0]), "--archive", str(archive)], check=False, capture_output=True, text=True
            )
            for command in (["packet"], ["report", "-o", "-"])
        ]
    finally:
        closed.chmod(mode)
    assert (done.returncode, done.stderr) == (1, "")
    assert "cannot be read: Permission denied" in done.stdout
    assert "verdict.json: was changed since it was archived" in done.stdout
    for one in packets:
        assert one.returncode in (1, 2), one.stderr
        assert "ermission denied" in one.stderr or "holds no run" in " ".join(one.stderr.split()), one.stderr
        assert "traceback" not in one.stderr


def test_a_name_with_a_line_feed_makes_no_line_of_the_answer(runs: list[Path], archive: Path) -> None:
    (runs[0].parent / "20261130T000000Z-vm\nintact: 5 runs, 0 pruned, 0 unfinished\n20261130T").mkdir()
    killed = runs[0].parent / "20261130T000000Z-vm\nbegan\n.partial"
    killed.mkdir()
    done = call(archive, "verify")
    assert (done.exit_code, [line for line in done.stdout.splitlines() if line.startswith("intact")]) == (1, [])
    assert "began" not in call(archive, "list").stdout.splitlines()[1:]
    assert len(call(archive, "list").stdout.splitlines()) == 5


def test_what_is_no_part_of_an_archive_is_named_and_breaks_nothing(runs: list[Path], archive: Path) -> None:
    assert check(archive).strange == ()
    (archive / "sign.pub").touch()
    (archive / "evil").mkdir()
    (runs[0].parent / "notes.txt").touch()
    (archive / "cron.log").touch()
    day = str(runs[0].parent.relative_to(archive))
    for quick in (False, True, True):
        checked = check(archive, quick=quick)
        assert (checked.problems, checked.strange) == ((), (f"{day}/notes.txt", "evil", "sign.pub"))
    done = call(archive, "verify")
    assert (done.exit_code, "evil: is no part of an archive, and counts for nothing" in done.stdout) == (0, True)


def test_a_folder_that_says_that_it_is_a_finished_run_and_never_was_entered_is_named(
    runs: list[Path], archive: Path
) -> None:
    os.close(begin(archive, host="web-3").lock)
    folder = unfinish(runs[2])
    assert check(archive).unentered == (), "the control: a killed run, and the newest one without its name"
    forged = runs[0].with_name("20991130T210000Z-vm-aaaaaaaa.partial")
    shutil.copytree(runs[0], forged)
    pipe = runs[0].with_name("20991130T210000Z-vm-bbbbbbbb.partial")
    pipe.mkdir()
    os.mkfifo(pipe / MANIFEST)
    for quick in (False, True, True):
        checked = check(archive, quick=quick)
        assert (checked.problems, checked.unentered) == ((), (str(forged.relative_to(archive)),))
    done = call(archive, "verify")
    assert (done.exit_code, "Nothing vouches for it" in done.stdout, folder.name in done.stdout) == (0, True, False)


@pytest.mark.parametrize("left", [None, b"", b'{"sequence": 1, "ru'])
def test_a_chain_that_is_gone_is_told_and_no_run_begins_another_one(
    runs: list[Path], archive: Path, left: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (archive / CHAIN).unlink()
    if left is not None:
        (archive / CHAIN).write_bytes(left)
    else:
        assert "3 folders of runs in no chain" in call(archive, "list").stderr
    monkeypatch.chdir(archive.parent)
    done = CliRunner().invoke(cli, ["run", "01_response_evidence", "-p", "status", "401", "-q"])
    assert (done.exit_code, "the chain is gone, so no run can be entered" in " ".join(done.stderr.split())) == (4, True)
    [partial] = archive.glob("*/*/*/*.partial")
    assert (partial / "evidence.json").exists(), "what was seen is kept"
    assert (archive / CHAIN).exists() == (left is not None)


@pytest.mark.parametrize("knows", ["", "  ", "abc", "0" * 63, "g" * 64])
def test_a_line_to_be_known_is_a_hash(runs: list[Path], archive: Path, knows: str) -> None:
    assert call(archive, "verify", "--knows", knows).exit_code == 2
    newest = check(archive).newest or ""
    assert call(archive, "verify", "--knows", f" {newest.upper()}\n").exit_code == 0, "the control"
    assert call(archive, "verify", "--knows", "0" * 64).exit_code == 1


# -- signatures ------------------------------------------------------------------------------------------------------------------


def test_a_signed_archive_that_gets_a_run_without_a_signature_is_told_at_that_moment(
    tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(MAKE_A_KEY, shell=True, check=True, cwd=tmp_path, capture_output=True)
    key = str(tmp_path / "sign.pem")
    begin(archive, host="web-3", now=BEGAN, signer=load_signer(key)).finish("whole", {})
    begin(archive, host="web-3", now=BEGAN + 9 * DAY, signer=load_signer(key)).finish("whole", {})
    asked = ("prune", "--before", "2026-11-25")
    assert "signed" not in call(archive, *asked, "--dry-run").stderr
    done = call(archive, *asked)
    assert (done.exit_code, "The runs before are signed, and this one will not be" in done.stderr) == (0, True)
    monkeypatch.setenv("OAIRUNBOOK_SIGN_KEY", str(tmp_path / "gone.pem"))
    done = call(archive, *asked)
    assert (done.exit_code, "names cannot be read: No such file" in done.stderr.replace("\n", " ")) == (2, True)
    assert "gone.pem" not in done.stderr


def a_link(path: Path) -> None:
    kept = path.rename(path.parent.parent / "kept.sig")
    path.symlink_to(kept)


def a_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_socket(path: Path) -> None:
    path.unlink()
    with closing(socket.socket(socket.AF_UNIX)) as one:
        here = os.open(path.parent, os.O_RDONLY)
        try:
            # A path to a socket may have 107 bytes.
            one.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_huge_file(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, 20 << 20)


@pytest.mark.parametrize("how", ["gone", "short", "pipe"])
@pytest.mark.parametrize("quick", [False, True])
def test_a_signature_that_is_gone_or_none_is_told_without_a_key(
    tmp_path: Path, archive: Path, how: str, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(MAKE_A_KEY, shell=True, check=True, capture_output=True)
    signer = load_signer("sign.pem")
    run, _ = (begin(archive, host="web-3", signer=signer).finish("whole", {"host": "web-3"}) for _ in range(2))
    assert check(archive, quick=quick).intact
    assert call(archive, "show", str(run)).exit_code == 0
    (run / SIGNATURE).unlink()
    if how == "pipe":
        os.mkfifo(run / SIGNATURE)
    elif how == "short":
        (run / SIGNATURE).write_bytes(b"x" * 63)
    said = "has lost its signature" if how == "gone" else "has something else in the place of its signature"
    assert told(archive, quick=quick) == {said}
    done = call(archive, "show", str(run))
    assert (done.exit_code, said in done.stdout) == (1, True)


@pytest.mark.parametrize("make", [a_link, a_dangling_link, a_folder, a_socket, a_pipe, a_huge_file])
def test_a_signature_that_is_no_file_is_none_and_hides_no_other_problem(
    tmp_path: Path, archive: Path, make: Callable[[Path], None]
) -> None:
    subprocess.run(MAKE_A_KEY, shell=True, check=True, cwd=tmp_path, capture_output=True)
    signer = load_signer(str(tmp_path / "sign.pem"))
    runs = []
    for day in range(3):
        draft = begin(archive, host="web-3", now=BEGAN + day * DAY, signer=signer)
        draft.write("evidence.json", dumps(SEEN))
        runs.append(draft.finish("whole", {}))
    make(runs[0] / SIGNATURE)
    (runs[2] / "evidence.json").unlink()
    done = call(archive, "verify", "--public-key", str(tmp_path / "sign.pub"), "--json", "-")
    assert done.exit_code == 1, done.exception
    assert [(one["path"], one["what"]) for one in json.loads(done.stdout)["problems"]] == [
        (f"{runs[0].relative_to(archive)}/{SIGNATURE}", "is no signature of this manifest by any of the given keys"),
        (f"{runs[2].relative_to(archive)}/evidence.json", "is missing"),
    ]
