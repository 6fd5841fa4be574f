"""The notebooks of the branches, run against the lab: each fault's verdict stands in the executed notebook's metadata."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner

from oairunbook import lab
from oairunbook.cli import cli
from oairunbook.lab.running import find

AUTH, QUOTA, SERVER = "05_owner_auth", "05_owner_quota_rate", "05_owner_server"
DIRECT, AZURE, GATEWAY, COMPARE = "04_route_direct", "04_route_azure", "04_route_gateway", "06_compare"

# Fault, and for each notebook something that it has to show of this fault. A kernel costs seconds: no more of them than it takes.
CASES: tuple[tuple[str, dict[str, str]], ...] = (
    ("api.invalid_key", {
        AUTH: "This is 401 invalid_api_key",
        DIRECT: "The route is proved up to the API's own application",
        COMPARE: "The first difference is at api",
    }),
    ("api.rate_limited", {QUOTA: "0 of 3 left", DIRECT: "05_owner_quota_rate"}),
    ("api.insufficient_quota", {QUOTA: "No limit stands in the headers"}),
    ("api.server_error", {SERVER: "This is 500 server_error"}),
    ("api.overloaded", {SERVER: "This is 503 server_is_overloaded"}),
    ("http.gateway_error", {SERVER: "Somebody in between answered"}),
    ("tls.untrusted_issuer", {
        DIRECT: "The route is not proved: no answer came; the evidence changes at tls",
        COMPARE: "The first difference is at tls",
    }),
    ("api.azure_auth_failed", {AZURE: "This is 401 Access denied due to invalid subscription key", AUTH: "the key of another resource"}),
    ("api.azure_network_denied.private", {AZURE: "This is 403 Public access is disabled"}),
    ("api.rate_limited.azure", {QUOTA: "This is 429 Azure", AZURE: "Practice Lab"}),
    ("api.gateway_upstream_failed", {GATEWAY: "I'm alive!"}),
    ("api.gateway_auth_failed", {GATEWAY: "This failure is the caller's.", AUTH: "This is 400/401/403 a gateway's own refusal"}),
    ("http.not_an_api.base_path", {GATEWAY: "the base path /v1 instead of /: an API answers there", COMPARE: "The first difference is at http"}),
)  # fmt: skip


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A record of the healthy lab, as `check` writes it."""
    record = tmp_path_factory.mktemp("healthy") / "check.json"
    with lab.start("ok") as running:
        variables: dict[str, str | None] = {**os.environ, **running.environment}
        environment = {name: value for name, value in variables.items() if value is not None}
        check = (sys.executable, "-P", "-m", "oairunbook.cli", "check", "-q", "--repeat", "1", "--model", running.model)
        subprocess.run([*check, "--json", str(record)], env=environment, check=True, capture_output=True, timeout=60)
    return str(record)


def run(archive: Path, *arguments: str) -> Path:
    result = CliRunner().invoke(cli, ["run", "-q", "--archive", str(archive), "--timeout", "2", *arguments])
    assert result.exit_code in (0, 1, 3), result.output
    [folder] = archive.glob("*/*/*/*")
    return folder


def executed(folder: Path, name: str) -> tuple[Any, str]:
    """Metadata of an executed notebook, and all that its cells show."""
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type in ("stream", "error")]
    return notebook.metadata.oairunbook, "\n".join(output.data["text/plain"] for output in outputs)


@pytest.mark.parametrize(("fault", "shown"), CASES, ids=[case[0] for case in CASES])
def test_each_branch_reads_the_faults_that_lead_to_it(
    fault: str, shown: dict[str, str], healthy: str, tmp_path: Path
) -> None:
    declared = find(fault)
    despite = "runtime, endpoint, practice, variables, key-scope, model, network-path"
    compare = ("-p", "other", healthy, "-p", "despite", despite) if COMPARE in shown else ()
    folder = run(tmp_path, *shown, "--lab", fault, "--route", declared.route, *compare)
    for name, text in shown.items():
        metadata, outputs = executed(folder, name)
        assert metadata.verdict.cause == declared.cause
        assert metadata.state == "ok"
        assert text in outputs, name


def test_every_branch_is_run_against_at_least_three_faults() -> None:
    for name in (AUTH, QUOTA, SERVER, DIRECT, AZURE, GATEWAY, COMPARE):
        assert sum(name in shown for _, shown in CASES) >= 3, name


def test_a_pasted_answer_is_judged_by_its_headers_too_and_nothing_is_sent(tmp_path: Path) -> None:
    body = '{"error": {"message": "x", "type": "requests", "code": "rate_limit_exceeded"}}'
    headers = "x-request-id: req_pasted\nx-ratelimit-limit-requests: 3\nx-ratelimit-remaining-requests: 1"
    pasted = ("-p", "status", "429", "-p", "body", body, "-p", "headers", headers)
    folder = run(tmp_path, QUOTA, *pasted, "--base-url", "https://192.0.2.1/v1")
    metadata, outputs = executed(folder, QUOTA)
    assert (metadata.verdict.owner, metadata.verdict.cause) == ("quota_or_rate", "api.rate_limited")
    assert "req_pasted" in outputs
    assert "1 of 3 left" in outputs


def test_a_second_record_that_cannot_be_read_is_refused_before_anything_runs(tmp_path: Path, healthy: str) -> None:
    missing = str(tmp_path / "no.json")
    result = CliRunner().invoke(cli, ["run", COMPARE, "-p", "evidence", healthy, "-p", "other", missing])
    assert (result.exit_code, "cannot be read" in result.stderr) == (2, True)
