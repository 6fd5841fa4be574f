"""Unattended: quiet until the verdict changes, cheap while it does not, one line a turn, and no second turn beside the first."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oairunbook import lab
from oairunbook.evidence import load_evidence
from oairunbook.record import cron
from oairunbook.record.cron import notify
from oairunbook.record.cron.env_file import read_variables
from oairunbook.record.cron.state import Job, Remembered

PROGRAM = (sys.executable, "-P", "-m", "oairunbook.cli")


def turn(archive: Path, fault: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """One turn of a job whose path the lab plays."""
    return subprocess.run(
        [*PROGRAM, "run", "--cron", "--lab", fault, "--archive", str(archive), *options],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def runs(archive: Path) -> list[Path]:
    return sorted(path.parent for path in archive.glob("*/*/*/*/manifest.json"))


def log(archive: Path) -> list[str]:
    return (archive / "cron.log").read_text().splitlines()


def state(archive: Path) -> tuple[Path, dict[str, Any]]:
    (path,) = (archive / ".cron").glob("*.json")
    return path, json.loads(path.read_text())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook: its address, and what it was sent."""
    received: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook/its-own-secret", received
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a job that has taken one turn on a healthy path."""
    archive = tmp_path_factory.mktemp("cron") / "archive"
    first = turn(archive, "ok")
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    assert len(runs(archive)) == 1
    return archive


@pytest.fixture
def archive(healthy: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(healthy, tmp_path / "archive")


def test_a_fault_that_comes_and_goes_away_is_told_twice_and_archived_each_time(
    archive: Path, tmp_path: Path, told: tuple[str, list[dict[str, Any]]]
) -> None:
    changes, metrics = tmp_path / "changes", tmp_path / "oairunbook.prom"
    hook, posted = told
    options = ("--on-change", f"cat >> {shlex.quote(str(changes))}", "--prom", str(metrics))

    again = turn(archive, "ok", *options, OAIRUNBOOK_WEBHOOK=hook)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert len(runs(archive)) == 1
    assert _sample(metrics, "oairunbook_healthy") == 1

    # What broke the path has broken the way to the webhook as well: who could not be told is told by the next turn, and nobody twice.
    broken = turn(archive, "tcp.refused", *options, OAIRUNBOOK_WEBHOOK="http://127.0.0.1:9/hook/its-own-secret")
    assert broken.returncode == 4
    assert "the webhook could not be reached: ConnectError; the next turn tells it again" in broken.stderr
    assert posted == []
    assert "the verdict has changed from ok" in broken.stdout
    assert "tcp.refused" in broken.stdout
    assert len(runs(archive)) == 2
    assert _sample(metrics, "oairunbook_healthy") == 0
    assert _sample(metrics, "oairunbook_last_success_timestamp_seconds") > 0

    still = turn(archive, "tcp.refused", *options, OAIRUNBOOK_WEBHOOK=hook)
    assert (still.returncode, still.stdout) == (1, "")
    assert len(runs(archive)) == 2
    assert [document["cause"] for document in posted] == ["tcp.refused"]

    mended = turn(archive, "ok", *options, OAIRUNBOOK_WEBHOOK=hook)
    assert mended.returncode == 0
    assert "changed from tcp.refused" in mended.stdout
    assert len(runs(archive)) == 3

    assert [line.split()[3] for line in log(archive)] == ["ok", "ok", "tcp.refused", "tcp.refused", "ok"]
    assert [document["cause"] for document in posted] == ["tcp.refused", "ok"]
    assert posted[0]["before"]["cause"] == "ok"
    assert changes.read_text().count("oairunbook.change/1") == 2
    assert not any(
        "its-own-secret" in path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()
    )
    verified = subprocess.run(
        [*PROGRAM, "archive", "verify", "--archive", str(archive)], check=False, capture_output=True
    )
    assert verified.returncode == 0


def _sample(metrics: Path, name: str) -> float:
    for family in text_string_to_metric_families(metrics.read_text()):
        for sample in family.samples:
            if sample.name == name:
                return float(sample.value)
    raise AssertionError(f"no {name}")


def test_prometheus_own_linter_finds_nothing_to_say(archive: Path, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("not installed: promtool (Debian package prometheus)")
    metrics = tmp_path / "oairunbook.prom"
    turn(archive, "ok", "--prom", str(metrics))

    checked = subprocess.run(
        [promtool, "check", "metrics"], input=metrics.read_text(), capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert metrics.stat().st_mode & 0o777 == 0o644


def test_once_a_day_health_is_archived_again(archive: Path) -> None:
    path, remembered = state(archive)
    yesterday = datetime.now(UTC) - timedelta(hours=25)
    path.write_text(json.dumps(remembered | {"archived_at": yesterday.isoformat()}))

    assert turn(archive, "ok").stdout == ""
    assert len(runs(archive)) == 2


def test_a_change_that_could_not_be_archived_is_due_and_told_also_where_the_log_cannot_be_written(
    archive: Path,
) -> None:
    lock = archive / ".lock"
    lock.unlink()
    lock.mkdir()
    (archive / "cron.log").unlink()
    (archive / "cron.log").mkdir()
    failed = turn(archive, "tcp.refused")
    finished = [run for run in runs(archive) if not run.name.endswith(".partial")]
    assert (failed.returncode, len(finished)) == (4, 1)
    # Neither the archive nor its log can be written, and whoever is to know of the change reads of it.
    assert "the verdict has changed from ok" in failed.stdout
    assert "cron.log cannot be written: Is a directory" in failed.stderr
    # A job that has archived nothing does it in its next turn, and does not wait for a day to go by.
    assert state(archive)[1]["archived_at"] == ""


def test_a_state_that_cannot_be_written_in_one_place_is_kept_in_the_other_and_no_change_is_told_twice(
    archive: Path, tmp_path: Path
) -> None:
    """On a full disk each turn told the same change anew, and none said which."""
    path, _ = state(archive)
    path.unlink()
    path.mkdir()
    first = turn(archive, "tcp.refused", HOME=str(tmp_path))
    assert first.returncode == 4
    assert "its verdict is tcp.refused" in first.stdout
    assert f"what this turn saw cannot be kept in {path}: Is a directory" in first.stderr
    assert " tcp.refused (proven), new" in log(archive)[-1]
    assert turn(archive, "tcp.refused", HOME=str(tmp_path)).stdout == ""


def test_a_turn_in_a_folder_that_is_gone_says_so_and_asks_for_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = ["sh", "-c", 'rmdir ../gone; exec "$@"', "sh", *PROGRAM, "run", "--cron"]
    done = subprocess.run(command, cwd=tmp_path / "gone", capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, done.stderr) == (
        4,
        "Error: The archive cannot be written: No such file or directory. Nothing was run.\n",
    )


def test_a_turn_ends_in_time_where_somebody_holds_the_archives_lock_and_nothing_seen_is_lost(archive: Path) -> None:
    """The lock is held until the turn has ended: a turn that waited for it would never end."""
    with (archive / ".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        late = turn(archive, "tcp.refused", "--limit", "20")
    assert late.returncode == 4
    assert "the verdict has changed from ok" in late.stdout
    assert f"Another process has held {archive / '.lock'} for" in late.stderr
    (left,) = (run for run in runs(archive) if run.name.endswith(".partial"))
    assert load_evidence((left / "evidence.json").read_bytes()).practice == "tcp.refused"
    assert (left / "packet.md").exists()

    again = turn(archive, "tcp.refused")
    assert (again.returncode, again.stdout) == (1, "")
    assert len([run for run in runs(archive) if not run.name.endswith(".partial")]) == 2


def test_a_run_that_waits_for_the_archives_lock_ends_when_it_is_asked_to(archive: Path) -> None:
    with (archive / ".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with subprocess.Popen(
            [*PROGRAM, "run", "09_audit", "--archive", str(archive)], stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            next(line for line in iter(process.stderr.readline, "") if "09_audit ok" in line)
            process.terminate()
            told = process.stderr.read()
    assert process.returncode == 130
    assert "Interrupted. Another process has held" in told
    assert "What was seen so far" in told


@pytest.mark.parametrize("command", [("archive", "prune", "--before", "2126-01-01"), ("run", "-q", "09_audit")])
def test_at_a_terminal_a_wait_for_the_archives_lock_is_told(archive: Path, command: tuple[str, ...]) -> None:
    ours, theirs = os.openpty()
    with (archive / ".lock").open() as held, os.fdopen(ours, errors="replace") as terminal:
        fcntl.flock(held, fcntl.LOCK_EX)
        with subprocess.Popen([*PROGRAM, *command, "--archive", str(archive)], stderr=theirs) as process:
            os.close(theirs)
            assert "Waiting for another process" in next(line for line in terminal if "Waiting" in line)
            fcntl.flock(held, fcntl.LOCK_UN)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("archived_at", "due"),
    [
        ("", True),
        ("2026-11-30T10:00:00+00:00", False),
        ("2026-11-29T11:00:00+00:00", True),
        ("2040-01-01T00:00:00+00:00", True),
    ],
)
def test_a_proof_of_the_future_is_none(archived_at: str, due: bool) -> None:
    assert cron._is_due(archived_at, "2026-11-30T12:00:00+00:00") is due


@pytest.mark.parametrize("wrong", ["yesterday", "2026-11-30T10:00:00", "9" * 400])
def test_a_state_whose_times_are_none_counts_as_no_turn(tmp_path: Path, wrong: str) -> None:
    job = Job(tmp_path / "archive", ())
    with job.turn():
        job.remember(Remembered(cause="tcp.refused", archived_at="2026-11-30T10:00:00+00:00"))
        assert job.recall().cause == "tcp.refused"
        for name in ("since", "checked_at", "last_success", "archived_at", "told_since"):
            job.remember(replace(Remembered(cause="tcp.refused"), **{name: wrong}))
            assert job.recall() == Remembered()


def test_who_else_writes_the_archive_cannot_say_what_the_last_turn_saw(tmp_path: Path) -> None:
    """The user's own state counts; where there is none, as in a new container, the archive's copy does."""
    job = Job(tmp_path / "archive", ())
    with job.turn():
        job.remember(Remembered(owner="none", cause="ok"))
    path, kept = state(tmp_path / "archive")
    path.write_text(json.dumps(kept | {"owner": "connection_path", "cause": "tcp.refused"}))
    assert Job(tmp_path / "archive", ()).recall().cause == "ok"

    nowhere = {"XDG_STATE_HOME": "/proc/none"}
    assert Job(tmp_path / "archive", (), nowhere).recall().cause == "tcp.refused"
    with job.turn():
        Job(tmp_path / "archive", (), nowhere).remember(Remembered(cause="tcp.timeout"))
    assert Job(tmp_path / "archive", (), nowhere).recall().cause == "tcp.timeout"


def test_what_a_killed_turn_leaves_in_the_archive_the_next_one_takes_away(tmp_path: Path) -> None:
    """Each left a folder with what it had seen, which nothing named and nothing removed."""
    archive = tmp_path / "archive"
    call = [*PROGRAM, "run", "--cron", "--lab", "ok", "--archive", str(archive)]
    # The lab of a killed process stays where temporary files are.
    there = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=there) as killed:
        while not list(archive.glob("*/*/*/*.partial")):
            assert killed.poll() is None, "it ended before it archived anything"
            time.sleep(0.02)
        killed.kill()
    assert turn(archive, "ok").returncode == 0
    kept = {path.name for path in archive.rglob("*") if ".partial" not in str(path)}
    assert not {name for name in kept if name.startswith(".cron-") or name.endswith(".seen")}


def test_a_turn_beside_another_one_looks_at_nothing_and_says_so(archive: Path) -> None:
    (lock,) = (archive / ".cron").glob("*.lock")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        second = turn(archive, "ok")
    assert (second.returncode, second.stdout) == (3, "")
    assert "skipped: the turn before is still under way" in log(archive)[-1]

    assert turn(archive, "ok").returncode == 0


def test_a_check_that_does_not_end_in_time_is_ended_and_told(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    late = turn(archive, "tcp.timeout", "--limit", "0.2")
    assert (late.returncode, late.stdout) == (4, "")
    assert "did not end within 0.2 s" in late.stderr
    assert "no verdict" in log(archive)[-1]
    assert runs(archive) == []


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--prom", "x.prom"), "go with --cron"),
        (("--cron", "02_same_path"), "give no NAME"),
        (("--cron", "-p", "repeat", "3"), "takes no parameter repeat"),
        (("--env-file", "/no/such/file"), "goes with --cron"),
        (("--cron", "--env-file", "/no/such/file"), "/no/such/file cannot be read"),
        (("--cron", "--prom", "/no/such/folder/x.prom"), "there is no folder /no/such/folder"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_runs_nothing(tmp_path: Path, options: tuple[str, ...], what: str) -> None:
    done = subprocess.run(
        [*PROGRAM, "run", *options, "--archive", str(tmp_path / "archive")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert what in done.stderr
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/proc/self/fd/1"), os.mkdir])
def test_metrics_take_the_place_of_a_file_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """As root `--prom /dev/null` put a file in the place of the device, and `/dev/stdout` one in that of the link."""
    make(tmp_path / "x.prom")
    before = (tmp_path / "x.prom").lstat().st_ino
    call = [*PROGRAM, "run", "--cron", "--prom", str(tmp_path / "x.prom"), "--archive", str(tmp_path / "archive")]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "this is no file" in done.stderr
    assert not (tmp_path / "archive").exists()
    assert (tmp_path / "x.prom").lstat().st_ino == before


def test_a_check_that_the_applications_code_ended_is_no_verdict_and_no_fault_of_the_archive(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    (tmp_path / "leaving_llm.py").write_text("import os\n\ndef make():\n    os._exit(0)\n")
    call = [*PROGRAM, "run", "--cron", "--archive", str(archive), "--client", "leaving_llm:make"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert "the code of --client leaving_llm:make had been started there: it may have ended its process" in done.stderr
    assert "no verdict" in log(archive)[-1]


def test_a_job_watches_from_another_place_and_says_when_that_is_gone(tmp_path: Path) -> None:
    archive, environment = tmp_path / "archive", dict(os.environ)
    python = tmp_path / "python"
    python.symlink_to(sys.executable)

    def watch(*options: str) -> subprocess.CompletedProcess[str]:
        call = [*PROGRAM, "run", "--cron", "--archive", str(archive), "--timeout", "1", "--budget", "5", *options]
        return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=180, check=False)

    with lab.start("tcp.refused") as running:
        environment |= {name: value for name, value in running.environment.items() if value is not None}
        first = watch("--via", f"env -u OPENAI_API_KEY {python} -E -")
        again = watch("--via", f"env -u OPENAI_API_KEY {python} -E -")
        python.unlink()
        gone = watch("--via", f"env -u OPENAI_API_KEY {python} -E -")
    assert first.returncode == 1, first.stderr
    assert "this job has no turn before this one, and its verdict is tcp.refused" in first.stdout
    assert (again.returncode, again.stdout, again.stderr) == (1, "", "")
    (run,) = runs(archive)
    kept = load_evidence((run / "evidence.json").read_bytes())
    assert kept.runtime.collector is not None
    assert kept.runtime.collector.command.endswith(f"{python} -E -")
    assert not kept.route.credential.present, "the notebooks judge the record, and do not look from here"
    assert (gone.returncode, gone.stdout) == (2, "")
    assert "found no Python there (status 127)" in gone.stderr
    assert "no verdict" in log(archive)[-1]


def test_a_command_that_is_to_tell_of_a_change_ends_in_time_with_all_that_it_has_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = f"sleep 1000 & echo $! > {pids}; (trap '' TERM; echo $$ >> {pids}; sleep 1000)"
    document = {"cause": "ok", "owner": "none"}
    said = notify.run_command(command, document, dict(os.environ), seconds=1, interrupted=threading.Event())
    assert said == "--on-change did not end within 1 s"
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.read_text().split())
    interrupted = threading.Event()
    interrupted.set()
    assert notify.run_command("sleep 1000", document, dict(os.environ), seconds=60, interrupted=interrupted)
    # The control: one that ends has got the change.
    told = f"cat > {pids}"
    assert not notify.run_command(told, document, dict(os.environ), seconds=60, interrupted=threading.Event())
    assert json.loads(pids.read_text()) == document


def test_a_webhook_that_sends_a_byte_now_and_then_holds_up_no_turn() -> None:
    """Each byte of its answer comes in time, and its end never does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                while not ended.wait(0.05):
                    peer.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert "did not answer within" in notify.post(url, {}, seconds=1, interrupted=threading.Event())
        ended.set()
        dripping.join()


def test_a_webhook_behind_a_socks_proxy_that_nothing_here_speaks_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """That fault is one of those that a job is there to tell: no traceback, and not that an answer did not come."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "socksio", None)
    told = notify.post("http://192.0.2.1/", {}, seconds=5, interrupted=threading.Event())
    assert told == "the webhook could not be reached: ImportError"
    assert not recwarn.list, "no thread ended by an exception"


@pytest.mark.parametrize("make", [lambda path, to: path.symlink_to(to), lambda path, _: os.mkfifo(path)])
def test_a_log_that_is_a_link_or_a_pipe_is_not_written(tmp_path: Path, make: Callable[[Path, Path], None]) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    make(tmp_path / "cron.log", victim)
    with pytest.raises(OSError, match=r"cron\.log"):
        Job(tmp_path, ()).note("a line")
    assert victim.read_text() == "mine\n"


def test_a_state_that_is_a_link_or_a_folder_behind_one_is_none(tmp_path: Path) -> None:
    job = Job(tmp_path / "archive", ())
    with job.turn():
        job.remember(Remembered(cause="tcp.refused"))
    assert job.recall().cause == "tcp.refused"
    (tmp_path / "archive" / ".cron").rename(tmp_path / "elsewhere")
    (tmp_path / "archive" / ".cron").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"\.cron"), job.turn():
        pass


# -- units ---------------------------------------------------------------------------------------------------------


def schedule(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, "schedule", *options], capture_output=True, text=True, check=False)


def test_the_line_for_cron_calls_it_with_the_services_variables(tmp_path: Path) -> None:
    """The command is run as cron runs it: by /bin/sh, up to the first unescaped percent sign."""
    shown, variables, program = tmp_path / "shown", tmp_path / "environment", tmp_path / "program"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {shown}\n')
    program.chmod(0o700)
    printed = schedule(
        "--for", "cron", "--every", "5m", "--user", "web", "--env-file", str(variables), "--program", str(program),
        "--archive", "/srv/100%/archive",
    ).stdout  # fmt: skip

    line = printed.splitlines()[-1]
    time, user, command = " ".join(line.split()[:5]), line.split()[5], line.split(maxsplit=6)[6]
    assert (time, user) == ("*/5 * * * *", "web")
    subprocess.run(["/bin/sh", "-c", command.replace(r"\%", "%")], env={"PATH": "/usr/bin:/bin"}, check=True)
    assert shown.read_text().splitlines() == [
        "run", "--cron", "--archive", "/srv/100%/archive", "--jitter", "60", "--env-file", str(variables),
    ]  # fmt: skip


def test_a_file_of_variables_says_what_it_says_to_the_service() -> None:
    """No shell reads it: `&`, `$`, `#` and blanks in a value are its own (systemd.exec(5), EnvironmentFile=)."""
    text = (
        "# a comment\n; another\n\n"
        "OPENAI_BASE_URL=https://gw.example/v1?a=1&b=2\n"
        "PW=a$b#c `d`\n"
        "  SPACED =  two words  \n"
        "SINGLE='a \"b\" \\ $c'\n"
        'DOUBLE="a \'b\' \\"c\\" \\n"\n'
        "JOINED=\"a\"' b'\n"
        "LONG=one \\\ntwo\n"
        'LINES="a\nb"\n'
        "INNER=it's\n"
        "EMPTY=\n"
        "LAST=x"
    )
    found, odd = read_variables(text)
    assert odd == ()
    assert found == {
        "OPENAI_BASE_URL": "https://gw.example/v1?a=1&b=2",
        "PW": "a$b#c `d`",
        "SPACED": "two words",
        "SINGLE": 'a "b" \\ $c',
        "DOUBLE": "a 'b' \"c\" \\n",
        "JOINED": "a b",
        "LONG": "one two",
        "LINES": "a\nb",
        "INNER": "it's",
        "EMPTY": "",
        "LAST": "x",
    }


def test_lines_that_systemd_ignores_are_ignored_and_told_by_their_numbers_alone() -> None:
    text = "A=1\nexport B=secret\nC-D='secret\nE=secret'\nsecret\n\n1F=secret\n# G\nH=2\n"
    found, odd = read_variables(text)
    assert found == {"A": "1", "H": "2"}
    assert odd == tuple(f"line {number} is not NAME=value, and is ignored" for number in (2, 3, 5, 7))
    found, odd = read_variables("A='secret\nB=1\n")
    assert found == {"A": "secret\nB=1\n"}
    assert odd == ("the value in line 1 has a quote that is not closed, and goes on to the end of the file",)
    with pytest.raises(ValueError, match="line 1 holds a NUL") as error:
        read_variables("A=secret\0\n")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "user", "words"),
    [
        (("--via", "ssh web-3 'cd /srv && exec python3 -'"), "app", ["--via", "ssh web-3 'cd /srv && exec python3 -'"]),
        (("--like-unit", "api.service"), "root", ["--like-unit", "api.service"]),
    ],
)
def test_a_unit_that_watches_another_place_takes_no_variables_of_this_one(
    options: tuple[str, ...], user: str, words: list[str], tmp_path: Path
) -> None:
    """The variables are those there. Each unit hands the words on as they were given."""
    shown, program = tmp_path / "shown", tmp_path / "program"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {shown}\n')
    program.chmod(0o700)
    cron = schedule("--for", "cron", "--program", str(program), *options).stdout.splitlines()[-1]
    assert cron.split()[5] == user
    subprocess.run(["/bin/sh", "-c", cron.split(maxsplit=6)[6]], env={"PATH": "/usr/bin:/bin"}, check=True)
    assert shown.read_text().splitlines()[-2:] == words

    service = schedule("--for", "systemd", "--program", str(program), *options).stdout
    assert f"User={user}\n" in service
    assert "EnvironmentFile" not in service
    (start,) = (line for line in service.splitlines() if line.startswith("ExecStart="))
    assert shlex.split(start)[-2:] == words
    refused = schedule("--for", "kubernetes", *options)
    assert (refused.returncode, refused.stdout) == (2, "")


def test_a_unit_that_watches_by_the_services_own_nodejs_takes_its_variables() -> None:
    words = ["--node", "/usr/bin/node", "--project", "/srv/the api"]
    cron = schedule("--for", "cron", *words).stdout.splitlines()[-1]
    assert shlex.split(cron)[-6:] == [*words, "--env-file", "/etc/app/environment"]
    assert "/etc/app/environment" in cron
    refused = schedule("--for", "cron", "--project", "/srv/api")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_kubernetes_puts_no_variable_into_the_words_of_its_command() -> None:
    """`$(OPENAI_API_KEY)` in a word would become the key, where everybody reads the words of a process."""
    printed = schedule("--for", "kubernetes", "--model", "a$(OPENAI_API_KEY) $$b").stdout
    (command,) = (line for line in printed.splitlines() if "command: " in line)
    assert json.loads(command.partition(": ")[2])[-1] == "a$$(OPENAI_API_KEY) $$$$b"


def test_systemd_finds_its_units_right(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("not installed: systemd-analyze (Debian package systemd)")
    variables = tmp_path / "environment"
    variables.touch()
    options = ("--user", "root", "--env-file", str(variables), "--program", sys.executable, "--write", str(tmp_path))
    assert schedule("--for", "systemd", "--every", "6h", *options).returncode == 0

    units = [str(tmp_path / name) for name in ("oairunbook.timer", "oairunbook.service")]
    checked = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")

    odd = tmp_path / "odd"
    odd.mkdir()
    words = ("--model", "gr\u00f6\u00dfe \U0001f4a9 $HOME 5%")
    assert schedule("--for", "systemd", *words, *options[:-1], str(odd)).returncode == 0
    # As it stands: systemd would make of the escapes of JSON two halves of a character.
    assert '"gr\u00f6\u00dfe \U0001f4a9 $$HOME 5%%"' in (odd / "oairunbook.service").read_text("utf-8")
    checked = subprocess.run(
        ["systemd-analyze", "verify", str(odd / "oairunbook.service")], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")

    again = schedule("--for", "systemd", *options)
    assert again.returncode == 2
    assert "nothing is overwritten" in again.stderr


def test_kubernetes_own_schema_takes_the_cronjob(tmp_path: Path) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    yaml = pytest.importorskip("yaml")
    text = schedule(
        "--for", "kubernetes", "--every", "1d", "--model", 'gpt "quoted"', "--image", "example.com/a:1"
    ).stdout
    job = yaml.safe_load(text)

    kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"][-2:] == ["--model", 'gpt "quoted"']
    assert job["spec"]["schedule"] == "0 0 * * *"


def test_where_the_archive_is_on_object_storage_the_pods_volume_keeps_what_waits_to_be_put() -> None:
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load(schedule("--for", "kubernetes", "--archive", "s3://records/prod").stdout)
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert "s3://records/prod" in container["command"]
    [mount] = container["volumeMounts"]
    assert container["env"] == [{"name": "OAIRUNBOOK_SPOOL", "value": mount["mountPath"]}]


@pytest.mark.parametrize("every", ["7m", "0m", "25h", "x", "90m", "-5m"])
def test_a_time_that_leaves_a_gap_is_refused(every: str) -> None:
    refused = schedule("--for", "cron", "--every", every)
    assert refused.returncode == 2
    assert "divides an hour or a day" in refused.stderr


def test_a_line_break_cannot_begin_another_setting() -> None:
    refused = schedule("--for", "systemd", "--model", "x\nExecStartPre=/bin/evil")
    assert refused.returncode == 2
    assert "control character" in refused.stderr
    assert "ExecStartPre" not in refused.stdout


def test_what_is_printed_for_cron_holds_no_secret_that_was_given_as_a_word() -> None:
    key = "3f9a77c2be0d41e58a6612f0cd340617"
    for option, value in (
        ("--via", f"kubectl exec -i deploy/api -- env OPENAI_API_KEY={key} python3 -"),
        ("--via", f"ssh host 'GATEWAY_AUTH={key} exec python3 -'"),
        ("--archive", f"s3://AKIA:{key}@bucket/runs"),
    ):
        refused = schedule("--for", "cron", option, value)
        assert refused.returncode == 2
        assert f"{option} holds a secret" in refused.stderr
        assert key not in refused.stdout + refused.stderr
    # The control: the same without it.
    plain = schedule("--for", "cron", "--via", "kubectl exec -i deploy/api -- env TZ=UTC python3 -")
    assert plain.returncode == 0
    assert "env TZ=UTC python3 -" in plain.stdout
