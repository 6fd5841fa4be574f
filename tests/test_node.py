"""The application may be a Node.js one: its own roots, proxy rules and package, the same evidence, and the same causes where the path is the same."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oairunbook import lab
from oairunbook.collector.carrier import NowhereError
from oairunbook.collector.node import record, stream
from oairunbook.collector.place import by_command
from oairunbook.collector.there import look_there
from oairunbook.diagnose import diagnose
from oairunbook.evidence import (
    Evidence,
    EvidenceError,
    HttpAnswer,
    NotTried,
    SdkAnswered,
    SdkFailed,
    TlsFailed,
    walk_text,
)
from oairunbook.lab.running import KEY, Lab, find
from oairunbook.observe import CutShortError
from oairunbook.verdict import Verdict
from tests import npm
from tests.world import World
from tests.world.authority import INSPECTION_ROOT, PUBLIC_ROOT
from tests.world.canary import Canaries

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js: apt-get install nodejs")

NODE = "node -"
SECONDS = {"timeout": 3.0, "budget": 60.0, "repeat": 4, "control_url": ""}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    return npm.application(tmp_path_factory.mktemp("application"), pytestconfig.cache.mkdir("npm"))


def variables(running: Lab, **more: str | None) -> dict[str, str]:
    """This test's environment on the lab's path, with the lab's root where Node.js looks for one."""
    found: dict[str, str | None] = {**os.environ, "NODE_EXTRA_CA_CERTS": str(running.folder / "root.pem")}
    found |= {**running.environment, **({"NODE_EXTRA_CA_CERTS": str(running.folder / "root.pem")} | more)}
    return {name: value for name, value in found.items() if value is not None}


def look(running: Lab, project: Path | str, *, command: str = NODE, **more: str | None) -> tuple[Evidence, Verdict]:
    """What Node.js alone sees of the lab's path, through a command, and what is judged of it."""
    place = replace(by_command(command, str(project)), environment=variables(running, **more))
    seen = look_there(place, model=running.model, **SECONDS)
    return seen, diagnose(seen)


def program(*arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    call = [sys.executable, "-P", "-m", "oairunbook.cli", *arguments]
    return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=120, check=False)


def version() -> tuple[int, ...]:
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    return tuple(int(number) for number in said.strip().lstrip("v").split("."))


# -- the same causes ----------------------------------------------------------------------------------------------

ALONE = (
    *("ok", "dns.nxdomain", "dns.servfail", "dns.timeout", "tcp.refused", "tcp.timeout", "tcp.reset", "proxy.bypassed"),
    *(
        "tls.untrusted_issuer",
        "tls.self_signed",
        "tls.expired",
        "tls.not_yet_valid",
        "tls.hostname_mismatch",
        "tls.reset",
    ),
    *("tls.not_tls", "tls.protocol_mismatch", "http.disconnected", "http.truncated.stream", "http.blocked_page"),
    *("http.stream_stalled", "http.gateway_error", "client.api_key_missing", "client.base_url_invalid"),
    *("api.invalid_key", "api.rate_limited", "api.insufficient_quota", "api.server_error", "api.model_not_found"),
    *("api.azure_deployment_not_found", "api.gateway_upstream_failed"),
)
"""Faults of the lab that `check` names by Python, too (tests/test_lab.py)."""


def test_node_alone_names_the_causes_that_python_names_on_the_same_path(project: Path) -> None:
    def judged(fault: str) -> tuple[str, str, str]:
        with lab.start(fault) as running:
            seen, verdict = look(running, project)
            assert seen.runtime.nodejs
            assert seen.route.sdk == npm.VERSION
            return fault, verdict.cause, verdict.owner

    with ThreadPoolExecutor(3) as workers:
        found = list(workers.map(judged, ALONE))
    assert found == [(fault, find(fault).cause, find(fault).owner) for fault in ALONE]


BESIDE = ("ok", "tls.incomplete_chain", "tls.client_certificate_required.tls12", "http.reset", "api.permission_denied")
"""Faults of which some only Python can tell apart, or isolate."""


def test_with_python_beside_it_node_gets_every_counter_test(project: Path) -> None:
    def judged(fault: str) -> tuple[str, str, str, str | None]:
        with lab.start(fault) as running:
            options = ("--timeout", "10", "--repeat", "4", "--control-url", "", "--model", running.model, "-q")
            done = program(
                *("check", "--json", "-", "--node", "node", "--project", str(project), *options),
                environment=variables(running),
            )
            document = json.loads(done.stdout)
            runtime, verdict = document["evidence"]["runtime"], document["verdict"]
            assert runtime["nodejs"]
            assert runtime["python"], "the probes are Python's"
            assert document["evidence"]["route"]["sdk"] == npm.VERSION
            ids = [observation["id"] for observation in document["evidence"]["observations"]]
            assert "client.sdk" in ids
            assert "sdk" in ids
            return fault, verdict["cause"], verdict["owner"], verdict["certainty"]

    with ThreadPoolExecutor(2) as workers:
        found = list(workers.map(judged, BESIDE))
    assert found == [(fault, find(fault).cause, find(fault).owner, "proven") for fault in BESIDE]


# -- what Node.js reads and Python does not -----------------------------------------------------------------------


def test_the_verdicts_of_python_and_node_differ_exactly_where_roots_and_proxy_rules_do(
    world: World, project: Path
) -> None:
    client = world.client
    client.environment["NODE_EXTRA_CA_CERTS"] = client.bundle(PUBLIC_ROOT)

    def causes() -> tuple[str, str]:
        node = client.check("--node", "node", "--project", str(project))
        steps.append(" ".join(node.verdict["next"]))
        return client.check().cause, node.cause

    steps: list[str] = []
    client.use_proxy(world.proxy.squid())
    world.middle.close_direct_path("reject with icmpx type admin-prohibited")
    assert causes() == ("ok", "proxy.bypassed")
    assert "NODE_USE_ENV_PROXY" in steps[-1]
    world.middle.mend()
    del client.environment["HTTPS_PROXY"]

    # The company's root goes into the operating system's store, as its handbook says; Node.js has its own.
    world.middle.inspect(INSPECTION_ROOT)
    client.trust(INSPECTION_ROOT)
    assert causes() == ("ok", "tls.trust_store_mismatch")
    assert "NODE_EXTRA_CA_CERTS" in steps[-1]
    client.environment["NODE_EXTRA_CA_CERTS"] = client.bundle(PUBLIC_ROOT, INSPECTION_ROOT)
    assert causes() == ("ok", "ok")


def test_node_reads_proxy_variables_where_it_can_and_is_told_to(project: Path) -> None:
    reads = version() >= (24,) or (22, 21) <= version() < (23,)
    with lab.start("ok.proxy") as running:
        ignoring, _ = look(running, project)
        told, verdict = look(running, project, NODE_USE_ENV_PROXY="1")
    assert ignoring.route.proxy.url is None
    assert "NODE_USE_ENV_PROXY" in ignoring.route.proxy.rule
    assert (told.route.proxy.url is not None) == reads
    assert verdict.cause == "ok"


def test_a_root_that_node_was_to_add_and_does_not_is_named(project: Path) -> None:
    with lab.start("ok") as running:
        seen, verdict = look(running, project, NODE_EXTRA_CA_CERTS=str(running.folder / "gone.pem"), SSL_CERT_FILE=None)
        _, mended = look(running, project, SSL_CERT_FILE=None)
    assert verdict.cause == "tls.untrusted_issuer"
    assert seen.route.trust.origin == "node"
    assert any("gone.pem" in step and "cannot be read" in step for step in verdict.next)
    assert mended.cause == "ok"


def test_with_verification_off_no_key_goes_to_a_peer_that_does_not_verify(project: Path) -> None:
    with lab.start("tls.untrusted_issuer") as running:
        seen, verdict = look(running, project, NODE_TLS_REJECT_UNAUTHORIZED="0")
    reasons = [skipped.reason for o, skipped in seen.of(NotTried) if o.probe == "sdk"]
    assert len(reasons) == 1
    assert "NODE_TLS_REJECT_UNAUTHORIZED" in reasons[0]
    assert not any(o.probe == "sdk" and o.outcome.kind != "not_tried" for o in seen.observations)
    assert verdict.cause == "unknown", "the application would not have failed by it"
    assert any("trust everybody" in what for what in verdict.missing)

    with lab.start("ok") as running:
        seen, verdict = look(running, project, NODE_TLS_REJECT_UNAUTHORIZED="0")
    assert verdict.cause == "ok"
    assert [answered.credential for _, answered in seen.of(SdkAnswered)] == ["own", "own"]


def test_variables_are_trimmed_and_empty_ones_not_set_as_the_package_has_it(project: Path) -> None:
    with lab.start("ok") as running:
        padded, verdict = look(running, project, OPENAI_API_KEY=f"{KEY}\n", OPENAI_BASE_URL=f" {running.base_url} ")
        empty, _ = look(running, project, OPENAI_BASE_URL="", timeout=None)
    assert verdict.cause == "ok", "where Python would fail by the line feed"
    assert padded.route.base_url.value == running.base_url
    assert (empty.route.base_url.source, empty.route.host) == ("default", "api.openai.com")


# -- what made the request ----------------------------------------------------------------------------------------


def test_without_the_package_fetch_makes_the_request_and_the_verdict_says_so(tmp_path: Path) -> None:
    with lab.start("ok") as running:
        seen, verdict = look(running, tmp_path)
    with lab.start("api.rate_limited") as running:
        _, limited = look(running, tmp_path)
    assert seen.route.sdk is None
    assert verdict.cause == "ok"
    assert any("own package openai" in what and str(tmp_path) in what for what in verdict.missing)
    assert [answered.chunks for _, answered in seen.of(SdkAnswered)][1], "streamed as well"
    assert limited.cause == "api.rate_limited"


def test_the_trace_says_at_which_step_the_request_of_the_package_failed(project: Path) -> None:
    def steps(fault: str) -> list[str]:
        with lab.start(fault) as running:
            seen, _ = look(running, project)
        return [event.name.partition(".")[2] for _, failed in seen.of(SdkFailed) for event in failed.trace][:6]

    assert steps("tcp.refused") == ["connect_tcp.started", "connect_tcp.failed"]
    assert steps("tls.expired") == [
        "connect_tcp.started",
        "connect_tcp.complete",
        "start_tls.started",
        "start_tls.failed",
    ]
    assert "receive_response_headers.complete" in steps("api.invalid_key")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ENOTFOUND", {"errno_name": "EAI_NONAME"}),
        ("EAI_AGAIN", {"errno_name": "EAI_AGAIN"}),
        ("ECONNREFUSED", {"errno_name": "ECONNREFUSED"}),
        ("UND_ERR_CONNECT_TIMEOUT", {"errno_name": "ETIMEDOUT"}),
        ("UND_ERR_SOCKET", {}),
        ("DEPTH_ZERO_SELF_SIGNED_CERT", {"verify_code": 18}),
        ("SELF_SIGNED_CERT_IN_CHAIN", {"verify_code": 19}),
        ("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", {"verify_code": 20}),
        ("UNABLE_TO_VERIFY_LEAF_SIGNATURE", {"verify_code": 21}),
        ("CERT_HAS_EXPIRED", {"verify_code": 10}),
        ("ERR_TLS_CERT_ALTNAME_INVALID", {"verify_code": 62}),
        ("ERR_SSL_WRONG_VERSION_NUMBER", {"ssl_reason": "WRONG_VERSION_NUMBER"}),
        ("ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", {"ssl_reason": "SSLV3_ALERT_HANDSHAKE_FAILURE"}),
    ],
)
def test_a_code_of_node_is_the_number_that_every_rule_knows(code: str, expected: dict[str, Any]) -> None:
    found = record.link({"type": "Error", "text": "it failed", "relation": "cause", "code": code})
    assert found == {"type": "Error", "text": f"it failed ({code})", "relation": "cause", **expected}


# -- the way there ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "runtime"),
    [
        ("node -", "node"),
        ("/usr/local/bin/node --use-system-ca -", "node"),
        ("nodejs -", "node"),
        ("sh -c 'cd /srv/app && exec node -'", "node"),
        ("env python3 -", "python"),
        ("sh -c 'python3 - # not node'", "python"),
    ],
)
def test_the_end_of_a_command_says_who_reads_its_standard_input(command: str, runtime: str) -> None:
    words = shlex.split(command)
    found = shutil.which(words[0]) or shutil.which("sh")
    assert (
        by_command(shlex.join([str(found), *words[1:]] if "node" not in words[0] else ["env", *words])).runtime
        == runtime
    )


def test_an_older_node_says_that_it_is_too_old(tmp_path: Path) -> None:
    pretend = tmp_path / "older.js"
    pretend.write_text("Object.defineProperty(process, 'versions', { value: { node: '16.20.2' } });")
    with lab.start("ok") as running, pytest.raises(NowhereError, match=r"too old: 16\.20\.2; this needs 18"):
        look(running, tmp_path, NODE_OPTIONS=f"--require={pretend}")


def test_the_text_fits_into_a_terminals_buffer_and_shows_no_secret(canaries: Canaries) -> None:
    made = stream.make({"nonce": "0" * 16, "environment": {"A": "b" * 10_000}})
    assert len(made) < 200_000
    assert max(len(line) for line in made.splitlines()) < 4095
    assert not canaries.found_in("the stream", made)


def test_secrets_of_that_runtime_stay_there_and_banners_do_no_harm(project: Path, canaries: Canaries) -> None:
    noisy = "sh -c 'echo Welcome; exec node -'"
    with lab.start("api.invalid_key") as running:
        secret = "a-password-of-that-place"
        seen, verdict = look(running, project, command=noisy, OTHER_PASSWORD=secret, NO_PROXY=f"x,{secret}")
    assert verdict.cause == "api.invalid_key"
    texts = list(walk_text(seen))
    assert not any(secret in text or KEY in text for text in texts)
    assert any("[redacted]" in text for text in texts), "the variable that held it is there, without it"
    answers = [answer for _, answer in seen.of(HttpAnswer)]
    assert not any(header.name == "set-cookie" for answer in answers for header in answer.headers)


@pytest.mark.parametrize("came", [{}, {"about": 5}, {"about": {"variables": {}}, "observations": [1]}])
def test_what_is_no_record_is_refused_and_ends_no_program(came: dict[str, Any]) -> None:
    job = {"options": {"base_url": "", "model": "", "route": "auto"}}
    with pytest.raises(EvidenceError, match="sent is no record"):
        record.evidence_of(came, job)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--node", "/no/such/node"), "it does not exist"),
        (("--node", "node", "--project", "/no/such/folder"), "there is no such folder"),
        (("--node", sys.executable), "is no Node.js: what answered is a Python"),
        (("--python", shutil.which("node") or ""), "is no Python: what answered is a Node.js"),
        (("--node", "node", "--python", sys.executable), "two interpreters"),
        (("--project", "/tmp"), "give --node or --via"),
        (("--via", "env node -", "--idle", "1"), "--idle"),
        (("--via", "env node -", "--client", "app:client"), "--client"),
    ],
)
def test_a_wrong_call_ends_with_2_and_sends_nothing(options: tuple[str, ...], said: str) -> None:
    done = program("check", "--json", "-", "-q", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert re.search("Nothing was (sent|started)", done.stderr)


def test_the_place_of_a_running_node_is_looked_at_by_that_node(project: Path) -> None:
    with lab.start("tls.expired") as running:
        environment = variables(running)
        application = subprocess.Popen(
            ["node", "-e", "console.log('up'); setInterval(() => {}, 1000)"],
            cwd=project,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert application.stdout is not None
            assert application.stdout.readline() == "up\n"
            done = program(
                "check", "--json", "-", "-q", "--like-pid", str(application.pid), "--node", "node", "--repeat", "2"
            )
        finally:
            application.send_signal(signal.SIGTERM)
            application.communicate(timeout=60)
    document = json.loads(done.stdout)
    assert document["verdict"]["cause"] == "tls.expired"
    assert document["evidence"]["runtime"]["collector"]["carrier"] == "process"
    assert document["evidence"]["route"]["sdk"] == npm.VERSION, "found from its working folder"
    assert document["evidence"]["runtime"]["nodejs"]


def test_what_was_seen_by_then_comes_back_when_it_is_cut_short(project: Path) -> None:
    over = threading.Event()

    def cancel_at_tcp(step: str) -> None:
        if step.startswith("tcp:"):
            over.set()

    with lab.start("tcp.timeout") as running:
        place = replace(by_command(NODE, str(project)), environment=variables(running))
        with pytest.raises(CutShortError) as cut:
            look_there(place, timeout=60.0, budget=100.0, repeat=1, progress=cancel_at_tcp, cancelled=over)
    assert isinstance(cut.value.__cause__, KeyboardInterrupt)
    assert cut.value.evidence.cut_short
    assert "dns.system" in [observation.id for observation in cut.value.evidence.observations]


def test_a_run_of_notebooks_judges_what_node_saw(project: Path, tmp_path: Path) -> None:
    options = ("--node", "node", "--project", str(project), "--archive", str(tmp_path), "-q", "--json", "-")
    done = program("run", "02_same_path", "--lab", "tls.expired", *options)
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"]["cause"] == "tls.expired"
    assert document["evidence"]["runtime"]["nodejs"]
    assert any(
        o["outcome"]["kind"] == "tls_failed"
        for o in document["evidence"]["observations"]
        if o["id"].startswith("tls.node")
    )


def test_tls_failures_hold_the_chain_as_it_was_sent(project: Path) -> None:
    with lab.start("tls.untrusted_issuer") as running:
        seen, verdict = look(running, project)
    failed = next(failed for _, failed in seen.of(TlsFailed))
    assert failed.chain[0].subject.startswith("CN=api.lab.test")
    assert failed.chain[0].names == ("api.lab.test",)
    assert any("NODE_EXTRA_CA_CERTS" in step for step in verdict.next)
