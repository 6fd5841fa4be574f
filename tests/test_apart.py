"""What only a test that makes several attempts at a time meets, and what a machine that is too busy makes of a path: neither is proven a fault."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence
from oairunbook.observe.pulse import Pulse
from tests.cases import cases

CASES = {case.name: case.evidence for case in cases()}
LIMITED = ("healthy_with_three_connections_at_a_time", "healthy_gateway_with_a_limit_of_requests")


def _without(evidence: Evidence, prefix: str) -> Evidence:
    return replace(evidence, observations=tuple(o for o in evidence.observations if not o.id.startswith(prefix)))


@pytest.mark.parametrize("name", LIMITED)
def test_a_limit_that_only_several_attempts_at_a_time_meet_is_no_fault_and_is_told(name: str) -> None:
    verdict = diagnose(CASES[name])

    assert (verdict.cause, verdict.owner, verdict.certainty) == ("ok", "none", "proven")
    assert "made one at a time none did" in verdict.also[0].why


@pytest.mark.parametrize("name", LIMITED)
def test_without_a_second_failure_of_several_it_may_as_well_have_passed_by_itself(name: str) -> None:
    assert diagnose(_without(CASES[name], "several.")).cause != "ok"


@pytest.mark.parametrize("name", LIMITED)
def test_few_attempts_one_at_a_time_tell_chance_from_a_limit_no_better(name: str) -> None:
    single = [o for o in CASES[name].observations if o.id.startswith(("alone.", "slowly."))]
    most = sorted({o.attempt for o in single})[1:]
    kept = tuple(o for o in CASES[name].observations if o not in single or o.attempt not in most)

    assert diagnose(replace(CASES[name], observations=kept)).cause != "ok"


@pytest.mark.parametrize(
    "name", ["tls_silence_after_hello", "dns_timeout_server_silent", "tcp_timeout", "tcp_path_mtu_towards_the_client"]
)
def test_silence_is_not_proven_where_this_process_was_not_run(name: str) -> None:
    known = CASES[name]
    paused = replace(known, paused_seconds=4.0)

    assert diagnose(known).certainty == "proven"
    assert diagnose(paused).certainty == "likely"
    assert "while this machine is not so busy" in diagnose(paused).missing[0]
    assert diagnose(replace(known, paused_seconds=0.6)).certainty == "proven"


@pytest.mark.parametrize("name", ["dns_nxdomain", "tcp_refused_nobody_listens", "tls_expired", "healthy_plain"])
def test_what_was_said_stays_proven_on_a_busy_machine(name: str) -> None:
    paused = replace(CASES[name], paused_seconds=4.0)

    assert diagnose(paused).certainty == "proven"
    assert diagnose(paused).missing == diagnose(CASES[name]).missing


def test_a_process_that_is_stopped_knows_for_how_long() -> None:
    script = "import sys; from oairunbook.observe.pulse import Pulse; p = Pulse(); print('ready', flush=True); sys.stdin.read(); print(p.end())"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.3)
        late = float(process.communicate("")[0])

    assert late > 0.5


def test_a_process_that_runs_is_hardly_late() -> None:
    pulse = Pulse()
    assert pulse.end() < 0.5
