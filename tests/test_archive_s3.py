"""An archive on object storage: a real S3 server on loopback, read and changed without our code."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oairunbook.cli import cli
from oairunbook.record.archive import MANIFEST, begin, bucket, check, fingerprint_key, put, verify_objects
from oairunbook.record.archive.chain import ArchiveError
from oairunbook.record.archive.find import archive_root
from oairunbook.record.archive.mirror import SPOOL_VARIABLE, address, mirror
from oairunbook.record.archive.put import WaitingError
from oairunbook.record.archive.signing import MAKE_A_KEY, load_public_keys, load_signer
from oairunbook.record.audit import read_audit
from oairunbook.record.run import archive_record

from . import ceph
from .ceph import Ceph
from .s3 import Server, Storage, server
from .test_archive_commands import BEGAN, FAULT, HEALTHY, SEEN, archived
from .world.canary import Canaries

URL = "s3://records/team/prod"


@pytest.fixture(scope="session")
def one_ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    if absent := ceph.missing():
        pytest.skip(f"not installed: {', '.join(absent)} (Debian: apt-get install radosgw ceph-mon ceph-osd)")
    with ceph.ceph(tmp_path_factory.mktemp("ceph")) as started:
        yield started


@pytest.fixture(scope="module", params=["moto", "ceph"])
def one_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with server(request.getfixturevalue("one_ceph") if request.param == "ceph" else None) as started:
        yield started


@pytest.fixture
def s3(
    one_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    canaries: Canaries,
    request: pytest.FixtureRequest,
) -> Iterator[Storage]:
    """A bucket of this test alone. The credentials are the canaries: no output, no file and no object may hold them."""
    variables = {
        "AWS_ENDPOINT_URL": one_server.url,
        "AWS_ACCESS_KEY_ID": canaries.other,
        "AWS_SECRET_ACCESS_KEY": canaries.azure_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        # Nothing of this machine's own settings.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    # A connection that breaks is tried once: the waits in between prove nothing.
    monkeypatch.setattr(bucket, "_ATTEMPTS", 1)
    monkeypatch.setattr(bucket, "_BODY_ATTEMPTS", 1)
    on(monkeypatch, tmp_path, "web-3")
    if one_server.behind:
        one_server.behind.admit(canaries.other, canaries.azure_key)
    else:
        # Of Ceph the tokens would have to be its own.
        monkeypatch.setenv("AWS_SESSION_TOKEN", canaries.proxy_password)
    storage = Storage(one_server, "records")
    storage.empty()
    one_server.requests()
    yield storage
    one_server.well()
    if one_server.behind:
        one_server.behind.expel(canaries.other)
    held = [leak for key in storage.names() for leak in canaries.found_in(key, storage.read(key))]
    assert held == []


def on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str) -> Path:
    """From here on everything happens on that machine: it has a disk of its own. Returns its mirror of the archive."""
    monkeypatch.setenv(SPOOL_VARIABLE, str(tmp_path / host))
    return archive_root(URL)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--archive", URL])


def document(*arguments: str) -> Any:
    result = call(*arguments, "--json", "-")
    assert result.exit_code in (0, 1), result.stderr
    return json.loads(result.stdout)


def told() -> list[tuple[str, str]]:
    """What `archive verify` finds: the last part of each path, and what is wrong with it."""
    return [(one["path"].rpartition("/")[2], one["what"]) for one in document("archive", "verify")["problems"]]


def keys_of(storage: Storage, run: Path) -> list[str]:
    return [key for key in storage.names() if f"/{run.name}/" in key]


def place(number: int) -> str:
    return f"team/prod/chain/{number:012d}.json"


# -- there and back ---------------------------------------------------------------------------------------------------


def test_a_run_of_the_notebooks_is_put_whole_and_read_on_another_machine_by_every_command(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-P", "-m", "oairunbook.cli", "run", "01_response_evidence", "-p", "status", "401", "-q"]
    done = subprocess.run([*command, "--archive", URL], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    where = done.stdout.splitlines()[-1].removeprefix("run ")
    name = where.removeprefix(f"{URL}/")
    here = archive_root(URL)
    assert where != name
    assert {path.name for path in (here / name).iterdir()} == {MANIFEST}, "what was put is not kept here as well"
    assert not list(here.rglob("*.partial"))
    files = {key.removeprefix(f"team/prod/{name}/") for key in s3.names() if name in key}
    assert files >= {"01_response_evidence.ipynb", "evidence.json", "verdict.json", "packet.md"}

    on(monkeypatch, tmp_path, "laptop")
    [row] = document("archive", "list", "--cause", "api")["runs"]
    assert (row["run"], row["state"], row["cause"]) == (name, "whole", "api.invalid_key")
    shown = call("archive", "show", "latest").stdout
    assert f"run       {where}\nstate     whole\n" in shown
    assert "notebook  01_response_evidence: ok" in shown
    assert "PROBLEM" not in shown
    assert call("archive", "verify").stdout.splitlines()[0] == "intact: 1 run, 0 pruned, 0 unfinished"
    assert call("packet", name).stdout.startswith("# Escalation packet: `api.invalid_key`")
    # What was pasted is a record of no path.
    assert call("compare", where, "latest").exit_code == 3
    assert "api.invalid_key" in CliRunner().invoke(cli, ["report", where, "-o", "-"]).stdout
    audit = read_audit(URL)
    assert (audit.runs, audit.problem, audit.checked and audit.checked.intact) == (1, "", True)


def test_a_record_on_object_storage_is_judged_by_its_address_on_another_machine(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = address(archived(archive_root(URL)))
    on(monkeypatch, tmp_path, "laptop")
    # Of an archive in a folder nothing is needed but the record.
    monkeypatch.delenv("OAIRUNBOOK_ARCHIVE", raising=False)
    result = CliRunner().invoke(cli, ["diagnose", f"{run}/evidence.json"])
    assert (result.exit_code, "tcp.refused" in result.stdout) == (1, True), result.stderr
    folder = str(tmp_path / "archive")
    for named in (run, f"{run}/evidence.json"):
        ran = CliRunner().invoke(cli, ["run", "07_escalate", "-q", "-p", "evidence", named, "--archive", folder])
        assert (ran.exit_code, "tcp.refused" in ran.stdout) == (1, True), ran.stderr
    for arguments in (["diagnose"], ["run", "07_escalate", "-p", "evidence"]):
        lost = CliRunner().invoke(cli, [*arguments, f"{URL}/2026/11/25/20261125T000000Z-nobody-00000000"])
        assert (lost.exit_code, "holds no run" in lost.stderr) == (2, True), lost.stderr
    s3.server.break_off(0, done=False)
    on(monkeypatch, tmp_path, "tablet")
    assert CliRunner().invoke(cli, ["diagnose", f"{run}/evidence.json"]).exit_code == 4


def test_a_record_that_was_put_is_still_at_hand_for_who_made_it(s3: Storage) -> None:
    """The panel hands over its packet and prepares notebooks over its evidence."""
    run = archive_record(archive_root(URL), SEEN, FAULT)
    assert {path.name for path in run.iterdir()} >= {MANIFEST, "packet.md", "evidence.json"}
    assert (address(run), check(archive_root(URL)).intact) == (f"{URL}/{run.relative_to(archive_root(URL))}", True)


def test_a_listing_fetches_no_file_of_a_run_and_only_what_is_new(s3: Storage) -> None:
    root = archive_root(URL)
    for _ in range(3):
        archived(root)
    s3.server.requests()
    assert len(document("archive", "list")["runs"]) == 3
    assert s3.server.requests() == [f"GET /records/{place(3)}", "GET /records"]


def test_a_new_machine_reads_each_line_of_the_chain_once(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        archived(archive_root(URL))
    on(monkeypatch, tmp_path, "laptop")
    s3.server.requests()
    assert len(document("archive", "list")["runs"]) == 3
    assert sorted(s3.server.requests()) == ["GET /records", *(f"GET /records/{place(n)}" for n in (1, 2, 3))]


def test_the_filters_of_a_listing_say_the_same_as_on_a_disk(s3: Storage) -> None:
    root = archive_root(URL)
    fault = archived(root)
    healthy = archived(root, HEALTHY, host="web-4", began=BEGAN + timedelta(days=2))
    for arguments, expected in (
        ((), [fault, healthy]),
        (("--since", "2026-11-25"), [healthy]),
        (("--owner", "connection_path"), [fault]),
        (("--cause", "tcp", "--host", "web-4"), []),
        (("--last", "1"), [healthy]),
    ):
        runs = document("archive", "list", *arguments)["runs"]
        assert [row["run"] for row in runs] == [str(run.relative_to(root)) for run in expected], arguments
    last = call("archive", "list").stdout.splitlines()[-1]
    assert last.endswith(f"{URL}/{healthy.relative_to(root)}")


def test_who_reads_on_another_machine_sees_a_run_at_once_and_a_deleted_mirror_costs_nothing(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived(archive_root(URL))
    laptop = on(monkeypatch, tmp_path, "laptop")
    assert len(document("archive", "list")["runs"]) == 1
    on(monkeypatch, tmp_path, "web-3")
    archived(archive_root(URL))
    on(monkeypatch, tmp_path, "laptop")
    assert len(document("archive", "list")["runs"]) == 2
    (laptop / "chain.jsonl").unlink()
    assert len(document("archive", "list")["runs"]) == 2


def test_a_mirror_of_a_chain_that_is_no_more_begins_anew(s3: Storage) -> None:
    root = archive_root(URL)
    gone = archived(root)
    for key in s3.names():
        s3.delete(key)
    assert call("archive", "list").exit_code == 2
    new = archived(root)
    assert [row["run"] for row in document("archive", "list")["runs"]] == [str(new.relative_to(root))]
    assert not gone.exists()


# -- writers ------------------------------------------------------------------------------------------------------------

_WRITE = """
import sys
from oairunbook.record.archive import begin
from oairunbook.record.archive.find import archive_root
for number in range(int(sys.argv[2])):
    draft = begin(archive_root(sys.argv[1]), host="web-3")
    draft.write("evidence.json", "{}\\n")
    draft.finish("whole", {})
"""


def writer(tmp_path: Path, host: str, runs: int) -> subprocess.Popen[str]:
    environment = {**os.environ, SPOOL_VARIABLE: str(tmp_path / host)}
    command = [sys.executable, "-P", "-c", _WRITE, URL, str(runs)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("writers", "runs", "disks"), [(2, 6, 2), (10, 1, 10), (10, 1, 2)])
def test_whoever_writes_at_once_leaves_all_runs_in_one_chain(
    s3: Storage, tmp_path: Path, writers: int, runs: int, disks: int
) -> None:
    """Machines share no lock. Who has the lock of a machine's disk puts what waits there, also of others that are alive."""
    started = [writer(tmp_path, f"web-{number % disks}", runs) for number in range(writers)]
    ended = [(process.communicate()[1], process.returncode) for process in started]
    assert ended == [("", 0)] * writers
    total = writers * runs
    assert [key for key in s3.names() if "/chain/" in key] == [place(number) for number in range(1, total + 1)]
    checked = check(archive_root(URL))
    assert (checked.problems, checked.runs, checked.unfinished) == ((), total, ())


def test_a_run_that_another_process_of_this_machine_has_put_meanwhile_is_there_once(s3: Storage) -> None:
    root = archive_root(URL)
    s3.server.break_off(0, done=False)
    with pytest.raises(WaitingError) as waits:
        archived(root)
    s3.server.well()
    run = str(waits.value.folder.relative_to(root)).removesuffix(".partial")
    archived(root)
    put.put_waiting(root, run, None)
    assert check(root).runs == 2
    with pytest.raises(ArchiveError, match="is gone, and s3://records/team/prod holds no such run"):
        put.put_waiting(root, run.replace("T14", "T15"), None)


def test_who_finds_his_place_taken_takes_the_next_and_names_the_run_that_was_faster(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking where the chain ends and entering the run somebody else enters one."""
    follow, others = put.follow, []

    def look(*arguments: Any) -> str:
        found = follow(*arguments)
        if not others:
            others.append(None)
            others[0] = archived(on(monkeypatch, tmp_path, "web-4"))
        return found

    here = archive_root(URL)
    with monkeypatch.context() as patch:
        patch.setattr(put, "follow", look)
        run = archived(here)
    manifest = json.loads((run / MANIFEST).read_bytes())
    assert (manifest["sequence"], manifest["previous"]["run"].rpartition("/")[2]) == (2, others[0].name)
    assert check(here).intact


def test_storage_that_creates_an_object_twice_is_refused_before_a_run_is_entered(s3: Storage) -> None:
    s3.server.ignore_conditions()
    root = archive_root(URL)
    with pytest.raises(WaitingError, match="does not refuse to create an object twice"):
        archived(root)
    assert s3.names() == ["team/prod/archive.json"]
    # OpenStack Swift says so.
    s3.server.refuse(501, "NotImplemented", method="PUT", part="archive.json")
    with pytest.raises(WaitingError, match="does not refuse to create an object twice"):
        archived(root)
    s3.server.well()
    archived(root)
    assert check(root).runs == 3


def test_all_machines_share_the_key_that_makes_fingerprints_comparable(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = fingerprint_key(archive_root(URL))
    assert mine is not None
    assert fingerprint_key(on(monkeypatch, tmp_path, "web-4")) == mine
    s3.server.break_off(0, done=False)
    assert fingerprint_key(on(monkeypatch, tmp_path, "web-5")) is None, "nobody waits for a bucket to test a path"
    s3.server.well()
    assert fingerprint_key(on(monkeypatch, tmp_path, "web-6")) == mine


# -- a put that is broken off ---------------------------------------------------------------------------------------------


def requests_of_one_put(s3: Storage) -> int:
    archived(archive_root(URL))
    s3.server.requests()
    archived(archive_root(URL))
    return len(s3.server.requests())


@pytest.mark.parametrize("done", [False, True], ids=["not done", "done"])
def test_wherever_the_server_stops_the_run_waits_or_is_there_and_the_next_run_makes_it_whole(
    s3: Storage, done: bool
) -> None:
    """At every request of a put in turn all connections end in the middle of the answer, whether what was asked for is done or not."""
    root = archive_root(URL)
    count = requests_of_one_put(s3)
    assert count > 8
    expected = 2
    for number in range(count):
        s3.server.break_off(number, done=done)
        with pytest.raises(WaitingError) as waits:
            archived(root)
        folder = waits.value.folder
        assert str(folder) in str(waits.value)
        assert (folder / "evidence.json").exists(), "it is whole on this machine"
        s3.server.well()
        assert put.waiting(root) == [str(folder.relative_to(root)).removesuffix(".partial")]
        archived(root)
        expected += 2
        assert not folder.exists()
    checked = check(root)
    assert (checked.problems, checked.runs, checked.unfinished) == ((), expected, ())


@pytest.mark.parametrize("part", ["evidence.json", "/chain/"])
def test_a_writer_that_is_killed_in_a_put_leaves_a_run_that_waits_and_is_there_once(
    s3: Storage, tmp_path: Path, part: str
) -> None:
    """The request is carried out after the death of who sent it, as a server may."""
    s3.server.hang("PUT", part)
    killed = writer(tmp_path, "web-3", 1)
    s3.server.wait_until_it_hangs()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    s3.server.well()
    root = archive_root(URL)
    assert [row["state"] for row in document("archive", "list")["unfinished"]] == ["waiting"]
    archived(root)
    checked = check(root)
    assert (checked.problems, checked.runs, checked.unfinished) == ((), 2, ())


def test_a_server_that_is_silent_is_left_after_a_time_and_the_run_waits(
    s3: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.server.hang("PUT", "evidence.json")
    with monkeypatch.context() as patch:
        patch.setattr(bucket, "_CALL_SECONDS", 2)
        with pytest.raises(WaitingError, match="did not answer within 2 s"):
            archived(archive_root(URL))
    assert check_after(s3) == ((), 2)


def check_after(s3: Storage) -> tuple[Any, int]:
    s3.server.well()
    archived(archive_root(URL))
    checked = check(archive_root(URL))
    return checked.problems, checked.runs


def test_a_run_that_could_not_be_put_is_told_with_verdict_and_path_and_ends_with_4(
    s3: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    s3.server.break_off(0, done=False)
    result = call("run", "01_response_evidence", "-p", "status", "401", "-q")
    assert result.exit_code == 4
    assert "cause    api.invalid_key (likely)" in result.stdout
    folder = Path(result.stdout.splitlines()[-1].removeprefix("run "))
    assert f"It is whole, and waits in {folder}. Next: the next run with this archive puts it." in result.stderr
    assert (folder / "packet.md").exists()
    assert check_after(s3) == ((), 2)


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (403, "AccessDenied", "have these credentials allowed s3:PutObject there"),
        (400, "ExpiredToken", "fetch new credentials: these have expired"),
        (403, "InvalidAccessKeyId", "see which credentials are found"),
        (403, "SignatureDoesNotMatch", "see which credentials are found"),
        (403, "RequestTimeTooSkewed", "set this machine's clock"),
        (400, "AuthorizationHeaderMalformed", "set the bucket's own region"),
        (403, "QuotaExceeded", "make room in the bucket"),
        (503, "SlowDown", "try again later"),
        (500, "InternalError", "try again later"),
    ],
)
def test_a_refusal_is_told_with_operation_code_and_what_to_do_and_the_run_waits(
    s3: Storage, status: int, code: str, advice: str
) -> None:
    """The answer repeats what was sent, signature and token; the guard finds none of it (`canaries`)."""
    s3.server.refuse(status, code, method="PUT")
    with pytest.raises(WaitingError) as waits:
        archived(archive_root(URL))
    said = str(waits.value)
    assert f"The run could not be put into {URL}: PutObject was answered {code} (No, " in said
    assert f"waits in {waits.value.folder}. Next: {advice}" in said
    assert said.endswith("; then the next run with this archive puts it.")
    assert check_after(s3) == ((), 2)


def test_what_a_listing_and_a_prune_are_refused_is_told_and_ends_with_4(s3: Storage) -> None:
    run = archived(archive_root(URL))
    s3.server.refuse(403, "AccessDenied", method="GET")
    for arguments in (("list",), ("verify",), ("show", "latest")):
        result = call("archive", *arguments)
        assert (result.exit_code, result.stdout) == (4, "")
        assert "was answered AccessDenied (" in result.stderr
        assert "Next: have these credentials allowed s3:" in result.stderr
    s3.server.refuse(403, "AccessDenied", method="POST")
    result = call("archive", "prune", "--before", "2100-01-01")
    assert (result.exit_code, "allowed s3:DeleteObject" in result.stderr) == (4, True), result.stderr
    s3.server.well()
    # What was said before is done by the next one.
    assert keys_of(s3, run)
    assert call("archive", "prune", "--before", "2020-01-01").exit_code == 0
    assert not keys_of(s3, run)
    assert check(archive_root(URL)).intact


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (503, "ServiceUnavailable"), (500, "InternalError")])
def test_storage_that_is_busy_for_a_moment_is_asked_again(
    s3: Storage, monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    monkeypatch.setattr(bucket, "_ATTEMPTS", 3)
    for method in ("PUT", "GET"):
        s3.server.refuse(status, code, method=method, times=1)
        archived(archive_root(URL))
    s3.server.well()
    assert check(archive_root(URL)).runs == 2


def test_no_credentials_at_all_are_told_with_where_they_are_looked_for(
    s3: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    result = call("archive", "list")
    assert (result.exit_code, "Next: see which credentials are found (AWS_" in result.stderr) == (4, True)


@pytest.mark.parametrize("one_server", ["ceph"], indirect=True)
def test_a_policy_that_forbids_to_put_leaves_the_run_waiting_until_it_is_gone(s3: Storage) -> None:
    """Ceph's own; moto's server obeys none."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::records/*"}
    s3.configure("policy", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    try:
        with pytest.raises(WaitingError, match=r"AccessDenied.*allowed s3:PutObject there"):
            archived(archive_root(URL))
    finally:
        s3.configure("policy", "")
    assert check_after(s3) == ((), 2)


_VERSIONS = '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>'


@pytest.mark.parametrize("one_server", ["moto"], indirect=True)
def test_in_a_versioned_bucket_all_is_as_in_another_and_older_versions_are_no_part_of_the_archive(s3: Storage) -> None:
    versions = Storage(s3.server, "versions")
    versions.configure("versioning", _VERSIONS)
    root = archive_root("s3://versions/x")
    runs = [archived(root) for _ in range(2)]
    key = f"x/{runs[0].relative_to(root)}/evidence.json"
    as_it_was = versions.read(key)
    versions.write(key, as_it_was + b" ")
    assert [one.what for one in check(root).problems] == ["was changed since it was archived"]
    versions.write(key, as_it_was)
    assert check(root).intact
    pruned = CliRunner().invoke(cli, ["archive", "prune", "--before", "2100-01-01", "--archive", "s3://versions/x"])
    assert pruned.exit_code == 0, pruned.stderr
    assert not any(keys_of(versions, run) for run in runs)
    assert check(root).intact


@pytest.mark.parametrize("one_server", ["ceph"], indirect=True)
def test_a_bucket_that_got_versions_and_so_creates_an_object_twice_is_refused_from_then_on(s3: Storage) -> None:
    """Ceph 16.2 looks whether the new version is there, which it never is."""
    versions = Storage(s3.server, "versions")
    root = archive_root("s3://versions/x")
    archived(root)
    versions.configure("versioning", _VERSIONS)
    with pytest.raises(WaitingError, match="does not refuse to create an object twice"):
        archived(root)
    assert check(root).runs == 1


def test_a_waiting_run_that_somebody_changed_is_not_put_and_holds_up_no_other(s3: Storage) -> None:
    root = archive_root(URL)
    s3.server.break_off(0, done=False)
    with pytest.raises(WaitingError) as waits:
        archived(root)
    (waits.value.folder / "evidence.json").chmod(0o600)
    (waits.value.folder / "evidence.json").write_text("forged")
    assert check_after(s3) == ((), 1)
    assert waits.value.folder.exists()


def test_a_run_that_is_to_be_signed_waits_for_its_key(s3: Storage, tmp_path: Path) -> None:
    subprocess.run(MAKE_A_KEY, shell=True, check=True, cwd=tmp_path, capture_output=True)
    root, signer = archive_root(URL), load_signer(str(tmp_path / "sign.pem"))
    s3.server.break_off(0, done=False)
    with pytest.raises(WaitingError):
        begin(root, host="web-3", signer=signer).finish("whole", {})
    assert check_after(s3) == ((), 1)
    begin(root, host="web-3", signer=signer).finish("whole", {})
    checked = check(root, load_public_keys([str(tmp_path / "sign.pub")]))
    assert (checked.problems, checked.runs, checked.signed) == ((), 3, 2)


# -- what verify finds ----------------------------------------------------------------------------------------------------


def change_a_file(s3: Storage, run: Path, _: int) -> None:
    [key] = [key for key in keys_of(s3, run) if key.endswith("evidence.json")]
    s3.write(key, s3.read(key) + b" ")


def remove_a_file(s3: Storage, run: Path, _: int) -> None:
    [key] = [key for key in keys_of(s3, run) if key.endswith("evidence.json")]
    s3.delete(key)


def add_a_file(s3: Storage, run: Path, _: int) -> None:
    s3.write(keys_of(s3, run)[0].rpartition("/")[0] + "/more.json", b"{}")


def change_the_manifest(s3: Storage, run: Path, number: int) -> None:
    s3.write(place(number), s3.read(place(number)).replace(b"tcp.refused", b"tcp.timeout"))


def remove_the_run(s3: Storage, run: Path, number: int) -> None:
    for key in keys_of(s3, run):
        s3.delete(key)


@pytest.mark.parametrize(
    ("tamper", "name", "what"),
    [
        (change_a_file, "evidence.json", "was changed since it was archived"),
        (remove_a_file, "evidence.json", "is missing"),
        (add_a_file, "more.json", "was added since the run was archived"),
        (change_the_manifest, MANIFEST, "was changed since the run was archived"),
        (remove_the_run, "evidence.json", "is missing"),
    ],
)
def test_what_is_done_to_the_objects_of_any_run_is_found(
    s3: Storage, tamper: Callable[[Storage, Path, int], None], name: str, what: str
) -> None:
    root = archive_root(URL)
    runs = [archived(root) for _ in range(3)]
    assert told() == []
    tamper(s3, runs[1], 2)
    assert (name, what) in told()
    assert call("archive", "verify").exit_code == 1


def test_a_removed_line_of_the_chain_is_found_with_the_run_that_it_named(s3: Storage) -> None:
    root = archive_root(URL)
    runs = [archived(root) for _ in range(3)]
    s3.delete(place(2))
    found = told()
    assert (runs[1].name, f"was removed, and its line with it: {runs[2].relative_to(root)} follows it") in found
    assert ("chain.jsonl", "line 2 does not follow the line before: lines were changed, removed or inserted") in found


def test_exchanged_lines_an_inserted_line_and_an_object_that_is_none_are_found(s3: Storage) -> None:
    root = archive_root(URL)
    for _ in range(3):
        archived(root)
    first, second = s3.read(place(1)), s3.read(place(2))
    s3.write(place(1), second)
    s3.write(place(2), first)
    assert "chain.jsonl" in {path for path, _ in told()}
    s3.write(place(1), first)
    s3.write(place(2), second)
    assert told() == []
    s3.write(place(4), first)
    assert "chain.jsonl" in {path for path, _ in told()}
    s3.write(place(4), b"\xff no line of a chain")
    assert told() == [("chain.jsonl", "line 4 is no line of a chain")]
    with pytest.raises(WaitingError, match="is no line of a chain, so no run can be entered behind it"):
        archived(root)
    assert len(document("archive", "list")["runs"]) == 3


@pytest.mark.parametrize("how", [(), ("--quick",)])
def test_a_line_that_names_a_run_again_is_found_and_is_not_the_latest(s3: Storage, how: tuple[str, ...]) -> None:
    root = archive_root(URL)
    first, last = archived(root), archived(root)
    assert call("archive", "verify", *how).exit_code == 0
    line = json.loads(told_line(s3, 1))
    line |= {"sequence": 3, "previous_sha256": hashlib.sha256(told_line(s3, 2)).hexdigest()}
    s3.write(place(3), json.dumps(json.loads(s3.read(place(1))) | {"line": json.dumps(line)}).encode())
    done = call("archive", "verify", *how)
    said = f"{first.relative_to(root)}: stands in the chain again, as number 3: it was archived once, as number 1"
    assert (done.exit_code, said in done.stdout, "2 runs" in done.stdout) == (1, True, True), done.stdout
    latest = call("archive", "show", "latest")
    assert (latest.exit_code, "somebody has repeated it" in " ".join(latest.stderr.split())) == (2, True)
    assert [(row["run"], row["state"]) for row in document("archive", "list")["runs"]] == [
        (str(first.relative_to(root)), "repeated"),
        (str(last.relative_to(root)), "whole"),
    ]


def told_line(s3: Storage, number: int) -> bytes:
    """The line of the chain in that object."""
    line: str = json.loads(s3.read(place(number)))["line"]
    return line.encode()


def test_objects_that_are_no_part_of_an_archive_are_named_and_never_become_paths(s3: Storage, tmp_path: Path) -> None:
    run = archived(archive_root(URL))
    folder = keys_of(s3, run)[0].rpartition("/")[0]
    strange = [f"{folder}/{MANIFEST}", f"{folder}/a/b", f"{folder}/..", "team/prod/2026/../../../x", "team/prod/x"]
    for key in strange:
        # Paths are taken as they are: urllib would not shorten them, nor does S3.
        s3.write(key, b"x")
    added = set(s3.names()) & set(strange)
    assert len(added) >= 3
    found = {one["path"]: one["what"] for one in document("archive", "verify")["problems"]}
    assert found == {key.removeprefix("team/prod/"): "was inserted: it is no part of an archive" for key in added}
    assert call("archive", "show", "latest").exit_code == 0
    assert not (tmp_path / "x").exists()


def test_that_the_newest_runs_were_cut_off_is_noticed_by_whoever_kept_the_last_line(s3: Storage) -> None:
    root = archive_root(URL)
    archived(root)
    last = archived(root)
    kept = document("archive", "verify")["newest"]
    for key in [place(2), *keys_of(s3, last)]:
        s3.delete(key)
    assert call("archive", "verify").exit_code == 0
    assert call("archive", "verify", "--knows", kept).exit_code == 1


def test_files_that_no_line_names_count_for_nothing_and_are_told_as_unfinished(s3: Storage) -> None:
    archived(archive_root(URL))
    lost = "2026/11/24/20261124T140211Z-web-9-1a2b3c4d"
    s3.write(f"team/prod/{lost}/evidence.json", b"{}")
    checked = document("archive", "verify")
    assert (checked["intact"], checked["runs"], checked["unfinished"]) == (True, 1, [lost])
    assert len(document("archive", "list")["runs"]) == 1


def test_verify_believes_nothing_that_lies_on_this_machine(s3: Storage) -> None:
    """Its mirror was changed, and the bucket was not; then the bucket was, and the mirror was not."""
    root = archive_root(URL)
    run = archived(root)
    call("archive", "show", "latest")
    (run / MANIFEST).write_bytes(b"{}")
    assert told() == []
    (root / "chain.jsonl").unlink()
    call("archive", "show", "latest")
    change_a_file(s3, run, 1)
    assert told() == [("evidence.json", "was changed since it was archived")]


def test_verify_lists_the_bucket_once_and_fetches_each_object_once_however_many_runs_there_are(
    s3: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = archive_root(URL)
    for _ in range(4):
        archived(root)
    monkeypatch.setattr(verify_objects, "_AT_ONCE", 5)
    monkeypatch.setattr(verify_objects, "_LARGEST_AT_ONCE_BYTES", 500)
    s3.server.requests()
    assert told() == []
    asked = s3.server.requests()
    # Before the chain, the chain itself, and the look at the mirror that comes before both.
    assert asked.count("GET /records") == 3
    files = [one for one in asked if one.endswith(("evidence.json", "verdict.json"))]
    assert (len(files), len(set(files))) == (8, 8)


def test_quick_fetches_no_file_that_the_bucket_tells_as_it_was_and_finds_what_was_put_since(s3: Storage) -> None:
    root = archive_root(URL)
    runs = [archived(root) for _ in range(3)]
    assert [document("archive", "verify", "--quick")["unchanged"] for _ in range(2)] == [0, 3]
    s3.server.requests()
    assert document("archive", "verify", "--quick")["unchanged"] == 3
    asked = s3.server.requests()
    # The last line, by which it is seen whether the mirror still belongs to this chain.
    assert [one for one in asked if one != "GET /records"] == [f"GET /records/{place(3)}"]
    change_a_file(s3, runs[1], 2)
    checked = document("archive", "verify", "--quick")
    assert [one["path"].rpartition("/")[2] for one in checked["problems"]] == ["evidence.json"]
    assert checked["unchanged"] == 2
    change_the_manifest(s3, runs[2], 3)
    assert document("archive", "verify", "--quick")["unchanged"] == 1


def test_quick_believes_of_the_mirror_only_what_the_user_has_verified_and_the_bucket_tells_as_it_was(
    s3: Storage,
) -> None:
    root = archive_root(URL)
    runs = [archived(root) for _ in range(3)]
    assert document("archive", "verify")["intact"]
    assert document("archive", "verify", "--quick")["unchanged"] == 3
    manifest = runs[0] / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b"tcp.refused", b"tcp.timeout"))
    lines = (root / "chain.jsonl").read_bytes().splitlines(keepends=True)
    (root / "chain.jsonl").write_bytes(b"".join((lines[0], lines[1].replace(b'"2', b'"3'), lines[2])))
    checked = document("archive", "verify", "--quick")
    assert (checked["problems"], checked["runs"], checked["unchanged"]) == ([], 3, 3)
    # Put again as it was: another object, of which nothing is known.
    s3.write(place(1), s3.read(place(1)))
    s3.server.requests()
    document("archive", "verify", "--quick")
    assert f"GET /records/{place(1)}" in s3.server.requests()


def test_a_run_that_is_put_while_it_is_verified_is_verified_with_its_files(
    s3: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = archive_root(URL)
    archived(root)
    copy = verify_objects.copy_chain

    def later(*arguments: Any, **keywords: Any) -> str:
        monkeypatch.setattr(verify_objects, "copy_chain", copy)
        archived(root)
        return copy(*arguments, **keywords)

    monkeypatch.setattr(verify_objects, "copy_chain", later)
    checked = check(root)
    assert (checked.problems, checked.runs, checked.unfinished) == ((), 2, ())


# -- prune --------------------------------------------------------------------------------------------------------------


def test_prune_deletes_the_old_runs_and_every_machine_sees_a_chain_that_says_so(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    root = archive_root(URL)
    old = [archived(root, began=now - timedelta(days=100 + n)) for n in range(2)]
    young = archived(root, began=now - timedelta(days=10))
    laptop = on(monkeypatch, tmp_path, "laptop")
    assert len(document("archive", "list")["runs"]) == 3
    on(monkeypatch, tmp_path, "web-3")

    assert "2 runs would be removed" in call("archive", "prune", "--keep", "90d", "--dry-run").stdout
    assert all(keys_of(s3, run) for run in old)
    done = document("archive", "prune", "--keep", "90d")
    assert [one["run"] for one in done["removed"]] == [str(run.relative_to(root)) for run in old]
    assert done["tombstone"].startswith(f"{URL}/")
    assert not any(keys_of(s3, run) for run in old)
    assert keys_of(s3, young)

    on(monkeypatch, tmp_path, "laptop")
    assert call("archive", "verify").stdout.splitlines()[0] == "intact: 2 runs, 2 pruned, 0 unfinished"
    kinds = [(row["kind"], row["state"]) for row in document("archive", "list")["runs"]]
    assert kinds == [("run", "whole"), ("prune", "whole")]
    assert not any((laptop / run.relative_to(root)).exists() for run in old)
    assert f"holds no run {old[0].name!r}" in call("archive", "show", old[0].name).stderr


def test_a_prune_whose_record_cannot_be_put_removes_nothing(s3: Storage) -> None:
    root = archive_root(URL)
    run = archived(root)
    s3.server.requests()
    call("archive", "list")
    s3.server.break_off(len(s3.server.requests()), done=False)
    result = call("archive", "prune", "--before", "2100-01-01")
    assert (result.exit_code, "waits in" in result.stderr) == (4, True)
    s3.server.well()
    assert keys_of(s3, run)
    # The record is put by the next run, and what it says is done by the next prune.
    archived(root, began=datetime.now(UTC))
    assert call("archive", "prune", "--keep", "90d").exit_code == 0
    assert not keys_of(s3, run)
    assert check(root).intact


def test_nobody_who_writes_the_bucket_can_remove_what_waits_on_a_machine(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = archive_root(URL)
    s3.server.break_off(0, done=False)
    with pytest.raises(WaitingError) as waits:
        archived(root)
    s3.server.well()
    other = on(monkeypatch, tmp_path, "web-4")
    draft = begin(other, host="web-4", kind="prune")
    one = {"run": str(waits.value.folder.relative_to(root)), "manifest_sha256": None, "started_at": "", "host": ""}
    draft.write("removed.json", json.dumps({"runs": [one | {"owner": None, "cause": None, "state": "killed"}]}))
    draft.finish("whole", {})
    on(monkeypatch, tmp_path, "web-3")
    call("archive", "list")
    call("archive", "prune", "--before", "2020-01-01")
    assert (waits.value.folder / "evidence.json").exists()


# -- calls that are wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("archive", "list"),
        ("archive", "show", "latest"),
        ("archive", "verify"),
        ("archive", "prune", "--keep", "1d"),
        ("packet", "latest"),
        ("report", "latest"),
        ("compare", "latest", "latest"),
        ("verify",),
    ],
    ids=" ".join,
)
def test_a_bucket_that_is_empty_or_missing_is_told_and_none_is_made(s3: Storage, arguments: tuple[str, ...]) -> None:
    for url in (URL, "s3://no-such-bucket/records"):
        result = CliRunner().invoke(cli, [*arguments, "--archive", url])
        assert result.exit_code == 2
        assert url in " ".join(result.stderr.split())
    assert s3.names() == []


@pytest.mark.parametrize("arguments", [("archive", "list"), ("archive", "verify")], ids=" ".join)
def test_a_bucket_that_does_not_answer_is_a_failure_of_the_tool_and_says_nothing_of_the_archive(
    s3: Storage, arguments: tuple[str, ...]
) -> None:
    archived(archive_root(URL))
    s3.server.break_off(0, done=False)
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (4, "")
    assert f"Error: {URL}: " in result.stderr


@pytest.mark.parametrize(
    "url",
    ["s3://", "s3://b", "s3://Bucket/x", "s3://records/../x", "s3://records//x", "s3://records/x?versionId=1"],
)
def test_an_address_that_is_none_is_refused(s3: Storage, url: str) -> None:
    with pytest.raises(ArchiveError, match=r"is not s3://bucket/prefix"):
        mirror(url)


def test_credentials_in_the_address_are_refused_and_not_repeated(s3: Storage, canaries: Canaries) -> None:
    for arguments in (("archive", "list"), ("run", "01_response_evidence"), ("check",)):
        given = f"s3://{canaries.other}:{canaries.azure_key}@records/x"
        result = CliRunner().invoke(cli, [*arguments, "--archive", given])
        assert (result.exit_code, "never stand in it" in " ".join(result.stderr.split())) == (2, True), arguments


def test_without_s3fs_it_is_said_what_to_install_and_nothing_is_run(
    s3: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    result = call("run", "01_response_evidence")
    assert (result.exit_code, "pip install 'oairunbook[s3]'" in result.stderr) == (2, True)
    assert s3.server.requests() == []


def test_an_archive_in_a_folder_needs_nothing_of_this(tmp_path: Path) -> None:
    run = archived(tmp_path / "archive")
    assert address(run) == str(run)
    script = (
        "import sys\nfrom oairunbook.cli import cli\n"
        "for command in (['archive', 'list'], ['archive', 'verify'], ['archive', 'show', 'latest']):\n"
        "    try: cli.main([*command, '--archive', sys.argv[1]])\n"
        "    except SystemExit as end: assert not end.code\n"
        "assert not {'fsspec', 's3fs', 'botocore', 'aiohttp'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-P", "-c", script, str(tmp_path / "archive")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("Error")) == (0, 0), done.stderr
