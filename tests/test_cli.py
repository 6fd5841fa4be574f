"""The command line: exit statuses, one JSON document, help that teaches, errors without secrets."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from oairunbook import __version__, lab
from oairunbook.cli import cli
from oairunbook.evidence import Connected, ErrorLink, Evidence, Observation, PastedError, dumps, load_evidence
from oairunbook.lab.running import Lab
from oairunbook.output import inert
from oairunbook.route import resolve
from oairunbook.runtime import this_runtime
from tests.commands import commands
from tests.world.canary import Canaries

COMMANDS = commands()


def program(
    *arguments: str, environment: dict[str, str | None] | None = None, **keywords: Any
) -> subprocess.CompletedProcess[str]:
    """The installed program in a process of its own."""
    variables = {**os.environ, "OPENAI_BASE_URL": "https://192.0.2.1/v1", "HTTPS_PROXY": "http://127.0.0.1:9"}
    for name, value in (environment or {}).items():
        variables.pop(name, None)
        if value is not None:
            variables[name] = value
    keywords = {"capture_output": True, "text": True, "encoding": "utf-8", "timeout": 90, "check": False} | keywords
    return subprocess.run([sys.executable, "-m", "oairunbook.cli", *arguments], env=variables, **keywords)


def in_lab(running: Lab) -> dict[str, str | None]:
    return {"HTTPS_PROXY": None, **running.environment}


@pytest.fixture(scope="module")
def healthy() -> Iterator[Lab]:
    with lab.start("ok") as running:
        yield running


@pytest.fixture(scope="module")
def silent() -> Iterator[Lab]:
    with lab.start("http.read_timeout") as running:
        yield running


@pytest.fixture
def evidence() -> Evidence:
    route = resolve(base_url="https://api.example.test/v1", environment={})
    return Evidence(
        collected_at="2026-11-25T04:00:00.000+00:00",
        seconds=0.1,
        route=route,
        runtime=this_runtime({}),
        observations=(),
        tool_version=__version__,
    )


def with_error(evidence: Evidence, kind: str, text: str) -> Evidence:
    seen = PastedError(errors=(ErrorLink(type=kind, text=text),))
    observation = Observation(
        id="pasted:error", probe="pasted", layer="api", target="text", started_seconds=0.0, seconds=0.0, outcome=seen
    )
    return replace(evidence, observations=(observation,))


# -- help ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_says_what_it_does_explains_each_option_and_has_examples(name: str) -> None:
    command = COMMANDS[name]
    shown = CliRunner().invoke(cli, [name, "--help"], terminal_width=110)

    assert shown.exit_code == 0
    assert not shown.stderr
    examples = shown.stdout.partition("Examples:\n")[2].splitlines()
    assert any(line.startswith(f"    oairunbook {name}") for line in examples), "an example a line, not run together"
    assert "…" not in command.get_short_help_str(88), "its first sentence fits into the list of commands"
    assert "\\b" not in shown.stdout
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts} has no help"
            assert parameter.opts[0] in shown.stdout


def test_the_help_of_the_program_lists_every_command_and_every_exit_status() -> None:
    shown = CliRunner().invoke(cli, ["--help"], terminal_width=110).stdout
    for name in COMMANDS:
        assert re.search(rf"^  {name}\s+\S", shown, re.MULTILINE)
    for status in (0, 1, 2, 3, 4, 130):
        assert re.search(rf"^ +{status}  \w", shown, re.MULTILINE)


def test_without_a_command_the_help_is_shown_and_the_call_is_wrong() -> None:
    shown = program()
    assert shown.returncode == 2
    assert "In an incident" in shown.stdout + shown.stderr


def test_the_version_is_the_packages() -> None:
    shown = program("--version")
    assert (shown.returncode, shown.stdout) == (0, f"oairunbook, version {__version__}\n")


# -- 2: the call is wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("chekc",), "No such command 'chekc'"),
        (("check", "--bas-url", "x"), "No such option"),
        (
            ("check", "--lab", "tcp.refused"),
            "oairunbook run takes --lab. There is a command of that name: oairunbook lab.",
        ),
        (("check", "extra"), "unexpected extra argument"),
        (("check", "--timeout", "0"), "--timeout"),
        (("check", "--budget", "soon"), "--budget"),
        (("check", "--route", "sideways"), "--route"),
        (("diagnose",), "Missing argument"),
        (("diagnose", "no-such-file.json"), "no-such-file.json cannot be read: No such file or directory"),
        (("packet", "no-such-run"), "no-such-run"),
        (("run", "99_no_such"), "99_no_such"),
        (("run", "-p", "no_such_parameter", "1"), "no_such_parameter"),
        (("run", "--lab", "no.such_fault"), "no.such_fault"),
        (("lab", "no.such_fault"), "no.such_fault"),
    ],
)
def test_a_wrong_call_ends_with_2_says_what_is_wrong_and_prints_nothing_on_standard_output(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = program(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert not done.stdout
    assert not list(tmp_path.iterdir()), "nothing was archived"


@pytest.mark.parametrize("command", ["check", "run", "lab", "packet", "diagnose"])
@pytest.mark.parametrize("target", ["no-such-folder/out.json", "."])
def test_a_json_file_that_cannot_be_written_is_told_before_anything_is_sent(
    command: str, target: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("{}")
    argument = {"packet": ["."], "diagnose": ["file"]}.get(command, [])
    began = time.monotonic()
    done = program(command, *argument, "--json", target, cwd=tmp_path)
    assert done.returncode == 2
    assert f"--json {target}" in done.stderr
    assert "Nothing was sent" in done.stderr
    assert time.monotonic() - began < 10
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_key_given_as_an_argument_by_mistake_is_not_repeated(canaries: Canaries) -> None:
    done = program("check", "--timeout", canaries.openai_key)
    assert done.returncode == 2
    assert "[redacted]" in done.stderr  # and the guard looks for the key itself


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[]", "oairunbook.evidence/1"),
        (b'{"schema": "oairunbook.evidence/99"}', "oairunbook.evidence/99"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_a_file_that_is_no_evidence_is_refused_by_name_and_reason(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "junk.json").write_bytes(content)
    done = program("diagnose", "junk.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "junk.json" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "call",
    [
        ("diagnose", "huge.json"),
        ("compare", "huge.json", "huge.json"),
        ("triage", "empty.txt", "--evidence", "huge.json"),
        ("packet", "run"),
        ("verify", "--failing", "run"),
    ],
    ids=" ".join,
)
def test_evidence_of_somebody_else_that_is_too_large_is_refused_before_it_is_in_memory(
    call: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "empty.txt").touch()
    (tmp_path / "run" / "manifest.json").write_text("{}")
    # Without a block on the disk: eight gigabytes.
    with (tmp_path / "run" / "evidence.json").open("wb") as file:
        file.truncate(8 << 30)
    (tmp_path / "huge.json").symlink_to("run/evidence.json")
    done = program(*call, cwd=tmp_path)
    # Nobody looks for secrets in it.
    (tmp_path / "run" / "evidence.json").unlink()
    assert (done.returncode, done.stdout) == (2, "")
    assert "larger than 32 MiB" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("check", "--timeout", "nan"), "'nan' is no number of seconds"),
        (("check", "--budget", "inf"), "not in the range"),
        (("run", "--timeout", "1e400"), "not in the range"),
        (("check", "--control-url", "api.example.com"), "begins with https:// or http://"),
        (("archive", "list", "--owner", "banana"), "'banana' is not one of"),
        (("schedule", "--for", "cron", "--user", "a b"), "no name of an account"),
        (("schedule", "--for", "systemd", "--base-url", "https://u:s3cretpw@h/v1"), "is no place for secrets"),
        (("init", ""), "DIR is empty"),
        (("packet", "latest"), "archive holds no run"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_before_anything_is_done(
    call: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = program(*call, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "s3cretpw" not in done.stderr + done.stdout
    assert list(tmp_path.iterdir()) == []


# -- 0, 1, 3: the verdict -----------------------------------------------------------------------------------------


def test_a_healthy_path_ends_with_0_and_a_fault_with_1(healthy: Lab) -> None:
    """The same call; only the path differs."""
    call = ("check", "--model", healthy.model, "--route", "direct")
    fine = program(*call, environment=in_lab(healthy))
    assert (fine.returncode, "cause    ok" in fine.stdout) == (0, True), fine.stdout + fine.stderr
    with lab.start("tls.untrusted_issuer") as broken:
        faulty = program(*call, environment=in_lab(broken))
    assert (faulty.returncode, "cause    tls.untrusted_issuer" in faulty.stdout) == (1, True), (
        faulty.stdout + faulty.stderr
    )
    assert "PRACTICE" in faulty.stdout


def test_evidence_that_decides_nothing_ends_with_3(evidence: Evidence, tmp_path: Path) -> None:
    (tmp_path / "undecided.json").write_text(dumps(evidence))
    (tmp_path / "fault.json").write_text(
        dumps(with_error(evidence, "httpx.UnsupportedProtocol", "UnsupportedProtocol"))
    )
    undecided = program("diagnose", "undecided.json", cwd=tmp_path)
    assert (undecided.returncode, "cause    unknown" in undecided.stdout) == (3, True)
    fault = program("diagnose", "fault.json", cwd=tmp_path)
    assert (fault.returncode, "cause    client.base_url_invalid" in fault.stdout) == (1, True)
    assert program("diagnose", "fault.json", "undecided.json", cwd=tmp_path).returncode == 3


# -- 4 and 130 ----------------------------------------------------------------------------------------------------


def test_a_failure_of_the_tool_ends_with_4_and_tells_what_to_do_next() -> None:
    broken: dict[str, str | None] = {"OAIRUNBOOK_PRACTICE": "no practice"}
    done = program("check", environment=broken)
    assert done.returncode == 4
    assert "OAIRUNBOOK_PRACTICE is set and cannot be read" in done.stderr
    assert "OAIRUNBOOK_DEBUG=1" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout

    traced = program("check", environment={**broken, "OAIRUNBOOK_DEBUG": "1"})
    assert traced.returncode == 4
    assert "Traceback (most recent call last)" in traced.stderr


def test_the_text_of_a_failure_shows_no_secret(canaries: Canaries) -> None:
    done = program("check", environment={"OAIRUNBOOK_PRACTICE": canaries.openai_key, "OAIRUNBOOK_DEBUG": "1"})
    assert done.returncode == 4  # the guard looks for the key


def interrupted(number: signal.Signals, running: Lab, folder: Path, *arguments: str) -> tuple[int, str, str, float]:
    """Status, output, errors and seconds until the end of a check that was interrupted under way."""
    variables = {**os.environ, **{name: value for name, value in in_lab(running).items() if value is not None}}
    process = subprocess.Popen(
        [sys.executable, "-m", "oairunbook.cli", "check", "--timeout", "20", *arguments],
        cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(4.0)
    assert process.poll() is None, "the request is never answered"
    process.send_signal(number)
    began = time.monotonic()
    output, errors = process.communicate(timeout=20)
    return process.returncode, output, errors, time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_check_ends_with_130_at_once_and_keeps_what_it_saw(
    number: signal.Signals, silent: Lab, tmp_path: Path
) -> None:
    status, output, errors, seconds = interrupted(number, silent, tmp_path, "--json", "-")
    assert (status, output) == (130, "")
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    assert seconds < 12, "the step that it interrupts would have taken 16 more"
    (kept,) = tmp_path.iterdir()
    assert kept.name in errors
    seen = load_evidence(kept.read_bytes())
    assert seen.practice == "http.read_timeout"
    assert [observation for observation, _ in seen.of(Connected)]


def test_an_interrupted_check_whose_record_cannot_be_kept_says_so_and_ends_with_130_as_well(
    silent: Lab, tmp_path: Path
) -> None:
    status, _, errors, _ = interrupted(signal.SIGINT, silent, tmp_path, "--json", "/dev/full")
    assert status == 130
    assert "could not be kept: --json /dev/full: No space left on device" in errors


def test_an_archive_that_cannot_be_written_costs_the_fingerprint_and_not_the_test(tmp_path: Path) -> None:
    """A cron job on a full disk gave no verdict. A key of fingerprints that is none is a wrong call."""
    (tmp_path / "file").touch()
    call = ("check", "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--json", "-", "--archive")
    done = program(*call, "file/archive", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["verdict"]["cause"]) == (1, "tcp.refused")
    (tmp_path / ".fingerprint-key").write_text("no key")
    done = program(*call, ".", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert ".fingerprint-key holds 6 bytes, and a fingerprint key has 32. Nothing was sent." in done.stderr


def test_a_result_that_cannot_be_written_after_all_is_a_failure_of_the_tool(evidence: Evidence, tmp_path: Path) -> None:
    (tmp_path / "evidence.json").write_text(dumps(evidence))
    done = program("diagnose", "evidence.json", "--json", "/dev/full", cwd=tmp_path)
    assert done.returncode == 4
    assert "No space left on device" in done.stderr
    assert "cause    unknown" in done.stdout, "the verdict was shown before"


@pytest.mark.parametrize("into", ["a pipe", "a file"])
def test_a_name_of_the_standard_output_is_written_to_and_never_replaced(
    evidence: Evidence, tmp_path: Path, into: str
) -> None:
    """As root `--json /dev/stdout >FILE` put a file in the place of the link, for the whole machine."""
    (tmp_path / "evidence.json").write_text(dumps(evidence))
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    with (tmp_path / "out").open("w+") as file:
        keywords = {"capture_output": False, "stdout": file, "stderr": subprocess.PIPE} if into == "a file" else {}
        done = program("diagnose", "evidence.json", "--json", "stdout", cwd=tmp_path, **keywords)
        file.seek(0)
        said = done.stdout or file.read()
    assert (tmp_path / "stdout").is_symlink()
    assert done.returncode == 3
    assert '"schema": "oairunbook.verdict/1"' in said


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_store_that_this_user_may_not_look_at_is_a_verdict_and_no_failure_of_the_tool(
    variable: str, healthy: Lab, tmp_path: Path
) -> None:
    """Root passes every permission, unless it has lost the capability to."""
    closed = tmp_path / "closed"
    store = closed / "roots.pem" if variable == "SSL_CERT_FILE" else closed / "roots"
    closed.mkdir()
    root = Path(str(in_lab(healthy)["SSL_CERT_FILE"]))
    if variable == "SSL_CERT_FILE":
        shutil.copy(root, store)
    else:
        store.mkdir()
        hashed = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", root], check=True, capture_output=True, text=True
        )
        shutil.copy(root, store / f"{hashed.stdout.strip()}.0")
    weak = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    environment = {**os.environ, **in_lab(healthy), "SSL_CERT_FILE": None, variable: str(store)}
    call = [*weak, sys.executable, "-m", "oairunbook.cli", "check", "--json", "-", "--model", healthy.model]

    def cause() -> str:
        known = {name: value for name, value in environment.items() if value is not None}
        done = subprocess.run(call, env=known, capture_output=True, text=True, check=False, timeout=90)
        assert done.stdout, done.stderr
        return str(json.loads(done.stdout)["verdict"]["cause"])

    closed.chmod(0)
    try:
        assert cause() == "client.ca_bundle_unusable"
    finally:
        closed.chmod(0o700)
    assert cause() == "ok"


# -- one JSON document --------------------------------------------------------------------------------------------


def test_check_prints_one_json_document_and_nothing_else(healthy: Lab, tmp_path: Path) -> None:
    done = program("check", "--model", healthy.model, "--json", "-", environment=in_lab(healthy))
    document = json.loads(done.stdout)
    assert set(document) == {"evidence", "verdict"}
    assert document["evidence"]["schema"] == "oairunbook.evidence/1"
    assert document["evidence"]["practice"] == "ok"
    assert document["verdict"]["cause"] == "ok"

    judged = program("diagnose", "-", "--json", "-", input=done.stdout)
    again = json.loads(judged.stdout)
    assert judged.returncode == 0
    assert again["evidence"] == document["evidence"]
    assert again["verdict"] == document["verdict"]


def test_json_goes_into_a_file_and_the_table_onto_standard_output(evidence: Evidence, tmp_path: Path) -> None:
    (tmp_path / "evidence.json").write_text(dumps(evidence))
    done = program("diagnose", "evidence.json", "--json", "out.json", cwd=tmp_path)
    assert "cause    unknown" in done.stdout
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["verdict"]["cause"] == "unknown"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence.json", "out.json"], "no half file is left"


def test_several_files_give_one_list(evidence: Evidence, tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(dumps(evidence))
    listed = json.loads(program("diagnose", "a.json", "b.json", "--json", "-", cwd=tmp_path).stdout)
    assert [item["file"] for item in listed] == ["a.json", "b.json"]


def test_the_lab_lists_its_faults_as_json() -> None:
    listed = json.loads(program("lab", "--list", "--json", "-").stdout)
    assert len(listed) >= 20
    assert {"id", "cause", "owner", "summary"} <= set(listed[0])


def test_a_run_and_its_packet_print_one_json_document_each(tmp_path: Path) -> None:
    body = '{"error": {"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"}}'
    call = ("run", "01_response_evidence", "--archive", str(tmp_path / "archive"), "--json", "-")
    done = program(*call, "-p", "status", "401", "-p", "body", body, environment={"OPENAI_BASE_URL": None})
    document = json.loads(done.stdout)
    assert document["verdict"]["cause"] == "api.invalid_key", done.stderr
    assert document["notebooks"][0]["state"] == "ok"
    assert done.returncode == 1
    packet = program("packet", document["run"], "--json", "-")
    assert packet.returncode == 0
    assert json.loads(packet.stdout)
    assert program("packet", document["run"]).stdout.startswith("# ")


# -- the terminal -------------------------------------------------------------------------------------------------


def test_what_came_from_the_network_cannot_command_the_terminal(evidence: Evidence, tmp_path: Path) -> None:
    hostile = "UnsupportedProtocol \x1b[2J\x1b]0;title\x07 \u202e and \r over"
    (tmp_path / "evidence.json").write_text(dumps(with_error(evidence, "httpx.UnsupportedProtocol", hostile)))
    shown = program("diagnose", "evidence.json", cwd=tmp_path).stdout
    assert "UnsupportedProtocol" in shown
    assert not set(shown) & {"\x1b", "\x07", "\r", "\u202e"}
    assert inert("a\tb\nc\x1b") == "a\tb\nc\\x1b"


def test_a_reader_that_stops_reading_does_not_change_the_verdict(evidence: Evidence, tmp_path: Path) -> None:
    (tmp_path / "evidence.json").write_text(dumps(evidence))
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        done = program(
            "diagnose", "evidence.json", cwd=tmp_path, capture_output=False, stdout=nobody, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (3, "")


def test_the_exit_status_is_the_contracts_also_where_nobody_can_be_told() -> None:
    with Path("/dev/full").open("w") as full:
        for arguments in (("explain", "--bogus"), ("nosuch",)):
            done = program(*arguments, capture_output=False, stdout=full, stderr=full)
            assert done.returncode == 2, arguments


def test_a_full_disk_is_told_as_one_and_not_as_a_fault_of_this_tool() -> None:
    with Path("/dev/full").open("w") as full:
        done = program("explain", "ok", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 4
    assert "No space left on device\nNext: free space" in done.stderr
    assert "traceback" not in done.stderr


def test_what_a_check_saw_is_in_its_file_also_where_standard_output_is_full_or_closed(
    healthy: Lab, tmp_path: Path
) -> None:
    check = [sys.executable, "-m", "oairunbook.cli", "check", "-q", "--model", healthy.model, "--json"]
    variables = {**os.environ, **{name: value for name, value in healthy.environment.items() if value is not None}}
    for name, redirected, status in (("full", ">/dev/full", 4), ("closed", ">&- 2>&- <&-", 0)):
        kept = tmp_path / f"{name}.json"
        command = ["sh", "-c", f'exec "$@" {redirected}', "sh", *check, str(kept)]
        done = subprocess.run(command, env=variables, stderr=subprocess.DEVNULL, timeout=90, check=False)
        assert (done.returncode, json.loads(kept.read_text())["verdict"]["cause"]) == (status, "ok"), name


def test_standard_input_that_is_closed_is_a_wrong_call() -> None:
    for command in ("triage", "diagnose"):
        closed = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "oairunbook.cli", command, "-"]
        done = subprocess.run(closed, capture_output=True, text=True, timeout=90, check=False)
        assert (done.returncode, "- cannot be read: it is closed" in done.stderr) == (2, True), done.stderr


def test_a_terminal_that_knows_only_ascii_gets_the_verdict_all_the_same(evidence: Evidence, tmp_path: Path) -> None:
    (tmp_path / "evidence.json").write_text(
        dumps(with_error(evidence, "E", "UnsupportedProtocol: Verbindung getrennt → é"))
    )
    plain: dict[str, str | None] = {"PYTHONIOENCODING": "ascii"}
    shown = program("diagnose", "evidence.json", cwd=tmp_path, environment=plain)
    assert (shown.returncode, "\\u2192" in shown.stdout) == (1, True), shown.stderr
    document = json.loads(program("diagnose", "evidence.json", "--json", "-", cwd=tmp_path, environment=plain).stdout)
    assert "→" in document["evidence"]["observations"][0]["outcome"]["errors"][0]["text"]


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    """The list is written where no command has to be imported for it."""
    shown = CliRunner().invoke(cli, ["--help"], terminal_width=200).stdout
    for name, command in COMMANDS.items():
        assert f"{name} " in shown
        assert command.get_short_help_str(88) in shown
