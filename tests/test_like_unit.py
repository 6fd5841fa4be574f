"""`--like-unit`: the place of a systemd service while it runs, and while it does not; against a real systemd."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oairunbook.collector.unit import _words
from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence, LocalResources, load_evidence
from tests.world.canary import Canaries
from tests.world.systemd import USER, booted, missing_for_systemd

PYTHON = "/usr/bin/python3"
UNITS = "etc/systemd/system"
SETTINGS = f"""[Service]
Type=oneshot
User={USER}
WorkingDirectory=/srv
Environment=OPENAI_BASE_URL=http://127.0.0.1:9/v1 'OPENAI_PROJECT_ID=of "ours" here' OPENAI_ORG_ID=is-overruled
EnvironmentFile=/etc/app.env
EnvironmentFile=-/etc/no-such.env
UnsetEnvironment=OPENAI_LOG
LimitNOFILE=321:654
StateDirectory=app
"""
WAITS = "[Service]\nUser=app\nEnvironmentFile=/etc/app.env\nLimitNOFILE=432\nExecStart=/bin/sh -c '%s -c \"import time; time.sleep(600)\"; true'\n"


SECRETS = Canaries()
FILES = {
    "etc/app.env": f"OPENAI_API_KEY='{SECRETS.openai_key}'\nOPENAI_ORG_ID=of-the-file\nOPENAI_LOG=debug\n",
    "srv/start": f"#!{PYTHON}\nraise SystemExit(3)\n",
    f"{UNITS}/app.service": f"{SETTINGS}ExecStart=/srv/start\n",
    f"{UNITS}/app.timer": "[Timer]\nOnBootSec=1d\n",
    f"{UNITS}/closed.service": f"{SETTINGS}ExecStart=/srv/start\nRestrictAddressFamilies=AF_UNIX AF_NETLINK\n",
    f"{UNITS}/runs.service": WAITS % PYTHON,
    f"{UNITS}/shell.service": "[Service]\nExecStart=/bin/sh -c true\n",
}


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    reason = missing_for_systemd() or (None if Path(PYTHON).exists() else f"not installed: {PYTHON}")
    if reason:
        pytest.skip(reason)
    with booted(tmp_path_factory.mktemp("systemd"), FILES) as command:
        yield command


def call(inside: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [*inside, sys.executable, "-P", "-m", "oairunbook.cli", "collect", "--timeout", "1", "--budget", "6"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=120)
    assert not SECRETS.found_in("what it printed", done.stdout + done.stderr)
    return done


def collected(inside: list[str], *options: str) -> Evidence:
    done = call(inside, *options)
    assert done.returncode == 0, done.stderr
    return load_evidence(done.stdout)


def units(inside: list[str]) -> str:
    listed = subprocess.run(
        [*inside, "systemctl", "list-units", "--all", "--no-legend", "oairunbook-*"], capture_output=True
    )
    return listed.stdout.decode()


def settings(seen: Evidence) -> dict[str, Any]:
    return {setting.source: setting.value for setting in seen.route.settings}


def test_a_service_that_failed_is_looked_from_as_it_would_be_started(inside: list[str]) -> None:
    assert subprocess.run([*inside, "systemctl", "start", "app"], capture_output=True).returncode
    seen = collected(inside, "--like-unit", "app.timer")
    assert diagnose(seen).cause == "tcp.refused"
    assert seen.runtime.user == USER
    assert seen.runtime.executable == PYTHON
    assert seen.route.base_url.source == "OPENAI_BASE_URL"
    assert seen.route.credential.source == "OPENAI_API_KEY"
    assert settings(seen)["OPENAI_PROJECT_ID"] == 'of "ours" here'
    assert settings(seen)["OPENAI_ORG_ID"] == "of-the-file", "what the file says overrules Environment="
    assert "OPENAI_LOG" not in settings(seen)
    assert [o.outcome.open_files_limit for o in seen.observations if isinstance(o.outcome, LocalResources)] == [321]
    assert seen.runtime.collector is not None
    assert (seen.runtime.collector.carrier, seen.runtime.collector.command) == ("unit", "--like-unit app.service")
    assert "its StateDirectory, as they go with their unit" in seen.runtime.collector.left_out
    assert units(inside) == ""
    assert subprocess.run([*inside, "test", "-e", "/var/lib/app"]).returncode == 0, "its own start made that"


def test_what_the_unit_forbids_its_process_alone_is_met_there(inside: list[str]) -> None:
    seen = collected(inside, "--like-unit", "closed")
    assert diagnose(seen).cause == "client.socket_not_permitted"


def test_a_service_that_runs_is_looked_from_in_the_place_of_its_python(inside: list[str]) -> None:
    """A shell stands before it. The unit keeps its name when its process gets another number."""
    subprocess.run([*inside, "systemctl", "start", "runs"], check=True)
    seen = collected(inside, "--like-unit", "runs")
    assert seen.runtime.collector is not None
    assert (seen.runtime.collector.carrier, seen.runtime.collector.command) == ("process", "--like-unit runs.service")
    assert seen.runtime.user == USER
    assert seen.route.credential.source == "OPENAI_API_KEY"
    assert [o.outcome.open_files_limit for o in seen.observations if isinstance(o.outcome, LocalResources)] == [432]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("no-such",), "--like-unit no-such: there is no such unit. Nothing was started."),
        (("look.target",), "it is no service"),
        (("shell",), "--like-unit shell.service starts /bin/sh, which is no Python"),
        (("shell", "--like-pid", "1"), "--like-pid and --like-unit name two places"),
        (("app", "--python", "/no/such/python"), "/no/such/python"),
    ],
)
def test_what_is_no_place_is_said(inside: list[str], options: tuple[str, ...], said: str) -> None:
    done = call(inside, "--like-unit", *options)
    assert done.returncode == (4 if "/no/such" in said else 2)
    assert said in " ".join(done.stderr.split())
    assert units(inside) == ""


def test_an_interrupted_look_from_a_unit_keeps_what_was_seen_and_leaves_no_unit(inside: list[str]) -> None:
    """Asked by SIGTERM, which systemd-run(1) does not hand on: the unit itself is told."""
    silent = 'import socket, time; s = socket.create_server(("127.0.0.1", 9)); print(flush=True); time.sleep(600)'
    program = shlex.join(
        [sys.executable, "-P", "-m", "oairunbook.cli", "collect", "--timeout", "30", "--json", "/tmp/kept.json"]
    )
    script = f"""
    {PYTHON} -c '{silent}' > /tmp/ready & server=$!
    until [ -s /tmp/ready ]; do sleep 0.05; done
    {program} --like-unit app > /dev/null & caller=$!
    until grep -q '0100007F:0009 01' /proc/net/tcp; do sleep 0.1; done
    kill -TERM $caller; wait $caller; echo ended with $?
    kill $server; cat /tmp/kept.json
    """
    done = subprocess.run([*inside, "sh", "-c", script], capture_output=True, text=True, check=False, timeout=120)
    first, _, kept = done.stdout.partition("\n")
    assert first == "ended with 130", done.stderr
    assert load_evidence(kept).observations
    assert units(inside) == ""


def test_where_systemd_does_not_run_that_is_said() -> None:
    if missing_for_systemd():
        pytest.skip(str(missing_for_systemd()))
    command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
    done = call(command, "--like-unit", "app")
    assert done.returncode == 2
    assert "systemd is not the service manager here" in done.stderr
    assert "--like-pid PID" in done.stderr


def test_variables_are_read_as_systemctl_writes_them() -> None:
    shown = 'PLAIN=a=b "QUOTED=a \\"b\\" \\$c" "LINES=x\\ny\\x41" EMPTY='
    assert list(_words(shown)) == ["PLAIN=a=b", 'QUOTED=a "b" $c', "LINES=x\nyA", "EMPTY="]
