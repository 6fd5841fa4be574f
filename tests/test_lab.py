"""The practice lab: each of its faults leads to the verdict that it declares, and nothing of it is left."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from oairunbook import check, lab
from oairunbook.cli import cli
from oairunbook.evidence import dumps
from oairunbook.lab.running import Lab
from oairunbook.record.table import check_text

COMMAND = (sys.executable, "-P", "-m", "oairunbook.cli")


@pytest.fixture
def practise(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start the lab and put its environment into this process; `socket.getaddrinfo` is put back afterwards."""
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    running: list[Lab] = []

    def practise(fault_id: str) -> Lab:
        started = lab.start(fault_id)
        running.append(started)
        for name, value in started.environment.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        return started

    yield practise
    for started in running:
        started.close()


@pytest.mark.parametrize("fault", lab.FAULTS, ids=lambda fault: fault.id)
def test_each_fault_leads_to_the_verdict_that_it_declares(practise: Any, fault: lab.Fault) -> None:
    """By the lab's lines alone, as a shell, a notebook or the panel has them.

    The control of all of them are the faults named `ok`: the same path with nothing wrong, or with an oddity.
    """
    practise(fault.id)
    its_own = {name.removeprefix("--"): float(value) for name, value in zip(*[iter(fault.arguments)] * 2, strict=True)}

    checked = check(timeout=2.0, budget=12.0, **its_own)

    assert (checked.verdict.cause, checked.verdict.owner) == (fault.cause, fault.owner)
    assert checked.evidence.practice == fault.id
    assert "PRACTICE" in check_text(checked.evidence, checked.verdict).splitlines()[0]


def test_the_lab_has_many_faults_each_with_its_own_id_named_after_its_cause() -> None:
    ids = [fault.id for fault in lab.FAULTS]
    assert len(ids) >= 20
    assert len(set(ids)) == len(ids)
    for fault in lab.FAULTS:
        assert fault.id == fault.cause or fault.id.startswith(f"{fault.cause}.")


def test_a_record_of_practice_is_called_practice_whenever_it_is_judged(practise: Any, tmp_path: Path) -> None:
    practise("tcp.refused")
    record = tmp_path / "record.json"
    record.write_text(dumps(check(timeout=2.0, budget=12.0, repeat=1).evidence))
    told = CliRunner().invoke(cli, ["diagnose", str(record)])
    assert told.exit_code == 1
    assert told.stdout.startswith("PRACTICE against the lab, fault tcp.refused.")


def test_the_list_is_printed_for_people_and_as_json() -> None:
    told = CliRunner().invoke(cli, ["lab", "--list"])
    assert told.exit_code == 0
    assert [line.split()[0] for line in told.stdout.splitlines()[1:]] == [fault.id for fault in lab.FAULTS]

    document = json.loads(CliRunner().invoke(cli, ["lab", "--list", "--json", "-"]).stdout)
    assert [fault["id"] for fault in document] == [fault.id for fault in lab.FAULTS]
    assert {"id", "summary", "cause", "owner", "route", "arguments"} == set(document[0])


def test_an_unknown_fault_is_a_wrong_call_that_names_the_near_ones() -> None:
    result = CliRunner().invoke(cli, ["lab", "tls.untrusted_isuer"])
    assert result.exit_code == 2
    assert "Did you mean tls.untrusted_issuer" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_the_lab_ends_on_a_signal_with_status_0_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    running = subprocess.Popen(
        [*COMMAND, "lab", "ok", "--json", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A shell's background job inherits SIGINT as ignored; the lab has to end all the same.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert running.stdout is not None
    assert running.stderr is not None
    lines = []
    while not lines or lines[-1].rstrip() != "}":
        lines.append(running.stdout.readline())
    document = json.loads("".join(lines))
    assert document["practice"] == "oairunbook practice lab"
    folder = Path(document["environment"]["SSL_CERT_FILE"]).parent
    assert folder.is_dir()
    assert folder.parent == tmp_path
    address = document["endpoints"]["api"].split(":")
    socket.create_connection((address[0], int(address[1])), 5).close()

    running.send_signal(number)
    _, talk = running.communicate(timeout=10)

    assert running.returncode == 0
    assert "PRACTICE LAB" in talk
    assert "nothing of it is left" in talk
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address[0], int(address[1])), 5)


def test_the_shell_lines_lead_a_client_to_the_lab_and_past_what_was_set_before() -> None:
    """Keys, proxies and base URLs of the shell must not get in the way: they are unset or replaced."""
    command = [*COMMAND, "lab", "tcp.refused"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        script = [running.stdout.readline() for _ in range(6)]
        poisoned = {**os.environ, "HTTPS_PROXY": "http://127.0.0.1:9", "OPENAI_ORG_ID": "org-other"}
        shell = f"eval {shlex.quote(''.join(script))}; env | grep -E '^(OAIRUNBOOK_PRACTICE|OPENAI_(BASE_URL|ORG_ID)|HTTPS_PROXY)='"
        shown = subprocess.run(["sh", "-c", shell], env=poisoned, capture_output=True, text=True).stdout
        running.terminate()
    environment = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    assert environment["OPENAI_BASE_URL"].startswith("https://api.lab.test:")
    assert json.loads(environment["OAIRUNBOOK_PRACTICE"])["fault"] == "tcp.refused"
    assert not {"HTTPS_PROXY", "OPENAI_ORG_ID"} & set(environment)


def test_a_closed_lab_leaves_no_thread_and_no_folder() -> None:
    before = threading.active_count()
    for fault_id in ("ok.proxy", "tcp.timeout", "tls.timeout"):
        with lab.start(fault_id) as running:
            socket.create_connection(("127.0.0.1", int(running.endpoints["status"].split(":")[1])), 5).close()
        assert not running.folder.exists()
    for thread in threading.enumerate():
        if thread.name.startswith("practice"):
            thread.join(5)
    assert threading.active_count() <= before


def test_what_the_lab_answers_says_in_a_header_that_it_is_practice(practise: Any) -> None:
    running = practise("ok")
    context = ssl.create_default_context(cafile=running.environment["SSL_CERT_FILE"])
    with httpx.Client(verify=context) as client:
        answer = client.get(
            f"https://{running.endpoints['api']}/v1/models",
            headers={"host": "api.lab.test"},
            extensions={"sni_hostname": "api.lab.test"},
        )
    assert answer.status_code == 401
    assert any("practice" in f"{name}{value}".lower() for name, value in answer.headers.items())


@pytest.mark.parametrize(
    "fault_id",
    [
        *(
            "dns.resolver_unreachable",
            "dns.nxdomain",
            "tcp.refused",
            "tcp.timeout",
            "tls.expired",
            "proxy.unresolvable",
        ),
        *("proxy.auth_required", "http.reset", "api.azure_network_denied"),
    ],
)
def test_a_fault_is_mended_on_the_same_ports_and_broken_again(practise: Any, fault_id: str) -> None:
    running = practise(fault_id)
    places = dict(running.endpoints)

    def cause() -> str:
        return check(timeout=2.0, budget=12.0).verdict.cause

    assert cause() == running.fault.cause
    running.mend()
    assert cause() == "ok"
    running.break_again()
    assert cause() == running.fault.cause
    assert running.endpoints == places


def test_the_proof_of_a_fix_can_be_rehearsed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "lab", "tls.expired", "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        document = json.loads("".join(iter(lambda: running.stdout.readline(), "}\n")) + "}")
        environment = {**os.environ} | {name: value for name, value in document["environment"].items() if value}
        told = "".join(iter(lambda: running.stderr.readline(), "Ctrl-C ends the lab.\n"))

        def oairunbook(*arguments: str) -> int:
            place = ("--archive", str(tmp_path), "--model", document["model"])
            return subprocess.run(
                [*COMMAND, *arguments, *place], env=environment, capture_output=True, check=False, timeout=120
            ).returncode

        assert oairunbook("run", "02_same_path") == 1
        assert f"kill -USR1 {running.pid}" in told
        running.send_signal(signal.SIGUSR1)
        assert "mended" in running.stderr.readline()
        assert oairunbook("verify") == 0
        running.send_signal(signal.SIGUSR1)
        assert "back" in running.stderr.readline()
        assert oairunbook("verify") == 1
        running.terminate()


def test_a_fault_in_the_settings_is_not_mended_on_the_path() -> None:
    with subprocess.Popen(
        [*COMMAND, "lab", "client.ca_bundle_unusable"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        told = "".join(iter(lambda: running.stderr.readline(), "Ctrl-C ends the lab.\n"))
        assert "To mend it, set what is wrong in that terminal." in told
        running.send_signal(signal.SIGUSR1)
        assert "nothing on the path was changed" in running.stderr.readline()
        running.terminate()
