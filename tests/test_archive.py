"""The archive: whole or not at all, a chain of manifests, two runs at once both survive."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oairunbook.record.archive import MANIFEST, ArchiveError, begin, check, fingerprint_key, verify
from oairunbook.record.archive.chain import CHAIN
from oairunbook.record.archive.draft import is_running
from oairunbook.record.archive.signing import MAKE_A_KEY, SIGNATURE, SigningKeyError, load_public_keys, load_signer
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
        (remove_the_run, "was removed, and no prune says so"),
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
    assert [what for _, what in told(tmp_path)] == ["was removed, and no prune says so"]


def edit_chain(archive: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of the chain, and make each follow the line before again, as somebody would who hides what he did."""
    lines: list[str] = []
    for number, line in enumerate(change((archive / CHAIN).read_text().splitlines()), 1):
        previous = hashlib.sha256(lines[-1].encode()).hexdigest() if lines else None
        lines.append(json.dumps(json.loads(line) | {"sequence": number, "previous_sha256": previous}))
    (archive / CHAIN).write_text("".join(f"{line}\n" for line in lines))


def test_a_removed_run_is_named_also_when_its_line_is_removed_and_the_chain_made_to_fit(tmp_path: Path) -> None:
    runs = [add(tmp_path) for _ in range(4)]
    remove_the_run(runs[1])
    edit_chain(tmp_path, lambda lines: [lines[0], *lines[2:]])
    assert told(tmp_path) == [
        (runs[1].name, f"was removed, and its line with it: {runs[2].relative_to(tmp_path)} follows it")
    ]


def test_an_inserted_run_is_named_also_when_it_is_given_a_line_of_the_chain(tmp_path: Path) -> None:
    runs = [add(tmp_path) for _ in range(3)]
    other = add(tmp_path / "other")
    inserted = runs[0].with_name(other.name)
    shutil.copytree(other, inserted)
    assert told(tmp_path) == [(inserted.name, "was inserted: no line of the chain names it")]
    line = (tmp_path / "other" / CHAIN).read_text().strip()
    for place in range(4):
        edit_chain(tmp_path, lambda lines, at=place: [*lines[:at], line, *lines[at:]])  # type: ignore[misc]
        assert told(tmp_path) == [
            (inserted.name, "was inserted, line and all: no run that was archived after it follows it")
        ]
        edit_chain(tmp_path, lambda lines, at=place: [*lines[:at], *lines[at + 1 :]])  # type: ignore[misc]


def test_a_copy_of_a_run_under_another_name_is_told(tmp_path: Path) -> None:
    run = add(tmp_path)
    shutil.copytree(run, run.with_name(run.name + "a"))
    assert told(tmp_path) == [(run.name + "a", "was inserted: no line of the chain names it")]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [lines[0], lines[1].replace("2026", "2025", 1), *lines[2:]],
        lambda lines: [lines[0], "{}", *lines[1:]],
    ],
    ids=["first line removed", "lines exchanged", "line changed", "line inserted"],
)
def test_a_chain_that_was_edited_does_not_pass(tmp_path: Path, change: Callable[[list[str]], list[str]]) -> None:
    for _ in range(4):
        add(tmp_path)
    lines = (tmp_path / CHAIN).read_text().splitlines()
    (tmp_path / CHAIN).write_text("".join(f"{line}\n" for line in change(lines)))
    assert CHAIN in {path for path, _ in told(tmp_path)}


def test_an_archive_without_its_chain_is_told(tmp_path: Path) -> None:
    run = add(tmp_path)
    (tmp_path / CHAIN).unlink()
    assert told(tmp_path) == [
        (CHAIN, "is missing, so nothing says which runs there were, and in which order"),
        (run.name, "was inserted: no line of the chain names it"),
    ]


def test_that_the_newest_runs_were_cut_off_is_noticed_by_whoever_kept_the_last_line(tmp_path: Path) -> None:
    """A chain that ends earlier is a chain: only somebody outside can know that it went on."""
    for _ in range(2):
        add(tmp_path)
    kept = check(tmp_path).newest
    assert kept is not None
    add(tmp_path)
    assert check(tmp_path, knows=kept).intact
    lines = (tmp_path / CHAIN).read_text().splitlines()
    for line in lines[1:]:
        remove_the_run(tmp_path / json.loads(line)["run"])
    (tmp_path / CHAIN).write_text(lines[0] + "\n")
    assert check(tmp_path).intact
    [problem] = check(tmp_path, knows=kept).problems
    assert "runs were cut off" in problem.what


def test_a_name_in_the_chain_never_leads_out_of_the_archive(tmp_path: Path) -> None:
    add(tmp_path / "archive")
    with (tmp_path / "archive" / CHAIN).open("a") as file:
        for name in ("../../../../etc", "2026/11/24/../../../..", "/etc/2026/11/24", "2026/11/24"):
            file.write(json.dumps({"sequence": 2, "run": name, "manifest_sha256": "0", "previous_sha256": None}) + "\n")
    assert {path for path, _ in told(tmp_path / "archive")} == {CHAIN}
    with pytest.raises(ArchiveError, match="no line of a chain"):
        add(tmp_path / "archive")


def test_a_run_that_was_never_finished_keeps_its_partial_name_and_breaks_nothing(tmp_path: Path) -> None:
    draft = begin(tmp_path, host="web-3", now=NOW)
    draft.write("evidence.json", "{}\n")
    add(tmp_path)
    assert draft.folder.name.endswith(".partial")
    assert json.loads((draft.folder / MANIFEST).read_bytes())["state"] == "partial"
    assert verify(tmp_path) == ()


class Crash(BaseException):
    """Ends a process at one point, as SIGKILL does: nothing after it runs."""


@pytest.mark.parametrize("crash", ["append", "name_run"])
def test_a_crash_while_a_run_is_entered_leaves_a_chain_that_the_next_run_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    """Before its line is written a run does not count; once it is written, whoever comes next gives the run its name."""
    first = add(tmp_path)
    lost = begin(tmp_path, host="web-3", now=NOW)

    def end(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(f"oairunbook.record.archive.draft.{crash}", end)
        with pytest.raises(Crash):
            lost.finish("whole", {})
    assert verify(tmp_path) == ()
    assert not (tmp_path / lost.name).exists()
    announced = crash == "name_run"
    newest = add(tmp_path)
    assert (tmp_path / lost.name).exists() is announced
    expected = lost.name if announced else str(first.relative_to(tmp_path))
    assert json.loads((newest / MANIFEST).read_bytes())["previous"]["run"] == expected
    assert verify(tmp_path) == ()


@pytest.mark.parametrize("rest", [b'{"sequence": 2, "ru', b"\0" * 100])
def test_the_rest_of_a_line_that_was_broken_off_is_dropped_by_the_next_run(tmp_path: Path, rest: bytes) -> None:
    add(tmp_path)
    with (tmp_path / CHAIN).open("ab") as file:
        file.write(rest)
    assert verify(tmp_path) == ()
    add(tmp_path)
    assert verify(tmp_path) == ()
    assert len((tmp_path / CHAIN).read_bytes().splitlines()) == 2


def test_a_line_that_does_not_fit_on_the_disk_leaves_the_chain_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path)
    before = (tmp_path / CHAIN).read_bytes()
    lost = begin(tmp_path, host="web-3", now=NOW)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:20]))
        with pytest.raises(OSError, match="No space left"):
            lost.finish("whole", {})
    assert (tmp_path / CHAIN).read_bytes() == before
    assert lost.folder.exists()
    assert verify(tmp_path) == ()


def test_a_run_that_is_written_is_told_from_one_that_was_killed(tmp_path: Path) -> None:
    draft = begin(tmp_path, host="web-3")
    assert is_running(draft.folder)
    os.close(draft.lock)
    assert not is_running(draft.folder)


def test_clocks_that_jump_change_neither_order_nor_chain(tmp_path: Path) -> None:
    for year in (2026, 2040, 1971, 2026):
        draft = begin(tmp_path, host="web-3", now=datetime(year, 1, 2, tzinfo=UTC))
        draft.finish("whole", {})
    assert verify(tmp_path) == ()
    lines = [json.loads(line) for line in (tmp_path / CHAIN).read_text().splitlines()]
    assert [line["run"][:4] for line in lines] == ["2026", "2040", "1971", "2026"]


# -- signatures -----------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private key and its public key, made as the documents say."""
    folder = tmp_path / "keys"
    folder.mkdir()
    subprocess.run(MAKE_A_KEY, shell=True, check=True, cwd=folder, capture_output=True)
    return folder / "sign.pem", folder / "sign.pub"


def add_signed(archive: Path, private: Path | None) -> Path:
    draft = begin(archive, host="web-3", now=NOW, signer=load_signer(str(private or "")))
    draft.write("evidence.json", "{}\n")
    return draft.finish("whole", {})


def problems_for(archive: Path, public: Path) -> list[tuple[str, str]]:
    found = check(archive, load_public_keys([str(public)])).problems
    return [(problem.path.partition("24/")[2] or problem.path, problem.what) for problem in found]


def test_a_signed_run_is_verified_with_the_public_key_alone_and_by_openssl(
    tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    private, public = keys
    archive = tmp_path / "archive"
    add_signed(archive, None)
    run = add_signed(archive, private)
    private.unlink()
    checked = check(archive, load_public_keys([str(public)]))
    assert (checked.problems, checked.runs, checked.signed) == ((), 2, 1)
    command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-in", run / MANIFEST]
    done = subprocess.run([*command, "-sigfile", run / SIGNATURE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_who_can_write_the_archive_and_has_no_key_cannot_rewrite_a_signed_run(
    tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    """The whole chain is made anew over a changed record: without signatures nobody could tell."""
    private, public = keys
    archive = tmp_path / "archive"
    run = add_signed(archive, private)
    files = {"evidence.json": hashlib.sha256(b"forged\n").hexdigest()}
    for path in run.iterdir():
        path.chmod(0o600)
    (run / "evidence.json").write_text("forged\n")
    manifest = json.dumps(json.loads((run / MANIFEST).read_bytes()) | {"files": files}).encode()
    (run / MANIFEST).write_bytes(manifest)
    digest = hashlib.sha256(manifest).hexdigest()
    edit_chain(archive, lambda lines: [json.dumps(json.loads(lines[0]) | {"manifest_sha256": digest})])
    assert verify(archive) == ()
    wrong = "is no signature of this manifest by any of the given keys"
    assert (f"{run.name}/{SIGNATURE}", wrong) in problems_for(archive, public)
    (run / SIGNATURE).unlink()
    assert (run.name, "has lost its signature") in problems_for(archive, public)


def test_once_runs_are_signed_an_unsigned_one_behind_them_is_told(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    private, public = keys
    add_signed(tmp_path / "archive", private)
    forged = add_signed(tmp_path / "archive", None)
    assert problems_for(tmp_path / "archive", public) == [(forged.name, "is not signed, and runs before it are")]


def test_another_key_or_no_signature_at_all_is_no_proof(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    _, public = keys
    add_signed(tmp_path / "archive", None)
    assert problems_for(tmp_path / "archive", public) == [(CHAIN, "no run is signed by any of the given keys")]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        ("openssl genpkey -algorithm ed25519 -aes256 -pass pass:x -out sign.pem", "is encrypted"),
        ("openssl genpkey -algorithm ed448 -out sign.pem", "another kind of key"),
        ("echo nothing > sign.pem", "no private key in PEM"),
        ("true", "cannot be read: No such file"),
    ],
)
def test_a_key_that_cannot_sign_is_told_without_its_contents(tmp_path: Path, make: str, told: str) -> None:
    subprocess.run(make, shell=True, check=True, cwd=tmp_path, capture_output=True)
    with pytest.raises(SigningKeyError, match=told):
        load_signer(str(tmp_path / "sign.pem"))


# -- several at once, and killed ones ---------------------------------------------------------------------------------


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


def test_half_a_file_of_a_kernel_that_was_killed_while_it_wrote_is_no_part_of_the_record(tmp_path: Path) -> None:
    draft = begin(tmp_path, host="web-3", now=NOW)
    draft.write(".hidden", "a file that the notebook itself made")
    kernel = os.fork()
    if kernel == 0:
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        write_whole(draft.folder / "evidence.json", b'{"half')
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(kernel, 0)[1]) == -signal.SIGKILL
    assert len(list(draft.folder.glob(".evidence.json.*"))) == 1, "the kernel was not killed in its write"
    run = draft.finish("partial", {})
    assert sorted(path.name for path in run.iterdir()) == [".hidden", MANIFEST]
    assert verify(tmp_path) == ()


def test_the_fingerprint_key_is_made_once_and_is_its_archives_own(tmp_path: Path) -> None:
    key = fingerprint_key(tmp_path / "a")
    assert fingerprint_key(tmp_path / "a") == key
    assert fingerprint_key(tmp_path / "b") != key
    assert (tmp_path / "a" / ".fingerprint-key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "a" / ".fingerprint-key").write_bytes(b"short")
    with pytest.raises(ValueError, match="holds 5 bytes"):
        fingerprint_key(tmp_path / "a")
