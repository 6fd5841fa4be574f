"""`oairunbook triage` at the command line: text in, owner and cause out, nothing sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oairunbook.cli import cli

CLEAN = {k: v for k, v in os.environ.items() if not k.upper().endswith("_PROXY") and "OPENAI" not in k.upper()}


def triage(text: bytes | None, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "oairunbook.cli", "triage", *arguments]
    return subprocess.run(
        command,
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        env=CLEAN | variables,
        timeout=120,
        check=False,
    )


def verdict(text: bytes | None, *arguments: str, **variables: str) -> dict[str, Any]:
    done = triage(text, *arguments, "--json", "-", **variables)
    document = json.loads(done.stdout)
    assert set(document) == {"evidence", "verdict"}
    return document["verdict"]  # type: ignore[no-any-return]


BARE = b"openai.APIConnectionError: Connection error."


def test_a_bare_connection_error_names_the_owner_and_what_to_fetch_and_how() -> None:
    done = triage(BARE, "-")
    text = done.stdout.decode()
    assert done.returncode == 3
    assert "owner    connection_path" in text
    assert "cause    unknown" in text
    assert "whole traceback" in text
    assert "oairunbook check" in text
    assert "rotate keys" in text


def test_the_same_error_on_a_gateway_route_belongs_to_its_provider() -> None:
    assert verdict(BARE, "-", "--base-url", "https://gateway.example.com/v1")["owner"] == "route_provider"
    assert verdict(BARE + b"\nOPENAI_BASE_URL=https://gateway.example.com/v1\n", "-")["owner"] == "route_provider"
    assert verdict(BARE, "-", OPENAI_BASE_URL="https://gateway.example.com/v1")["owner"] == "route_provider"
    assert verdict(BARE, "-")["owner"] == "connection_path"


@pytest.mark.parametrize(
    ("told", "family"),
    [
        ("", "direct"),
        # prose
        ("Ollama works, this does not:", "gateway"),
        # a setting counts before prose, and the client before both
        ("Ollama works, this does not.\nProvider: OpenAI", "direct"),
        ("Ollama works, this does not.\nProvider: OpenAI\nllm = AzureChatOpenAI()", "azure"),
        # what only one provider answers counts before the client
        ("llm = AzureChatOpenAI()\nx-litellm-version: 1.60.0", "gateway"),
        # and a host before all
        ("x-litellm-version: 1.60.0\nPOST https://api.openai.com/v1/chat/completions", "direct"),
    ],
)
def test_the_strongest_mark_of_the_text_decides_the_route(told: str, family: str) -> None:
    evidence = json.loads(triage(f"{told}\n".encode() + BARE, "-", "--json", "-").stdout)["evidence"]
    assert evidence["route"]["family"] == family


def test_where_equal_marks_contradict_each_other_the_owner_is_unknown_and_it_is_told() -> None:
    told = b"provider: openai\nprovider: openrouter\n"
    found = verdict(told + BARE, "-")
    assert (found["owner"], found["cause"]) == ("unknown", "unknown")
    assert "which route was called" in found["missing"]
    refused = b"httpx.ConnectError: [Errno 111] Connection refused"
    assert (verdict(told + refused, "-")["owner"], verdict(told + refused, "-")["cause"]) == ("unknown", "tcp.refused")
    # The controls: one of them alone, and what belongs to the same owner on every route.
    assert verdict(b"provider: openai\n" + BARE, "-")["owner"] == "connection_path"
    assert verdict(b"provider: openrouter\n" + BARE, "-")["owner"] == "route_provider"
    broken = b"TypeError: Client.__init__() got an unexpected keyword argument 'proxies'"
    assert verdict(told + broken, "-")["owner"] == "client_config"


@pytest.mark.parametrize(
    ("status", "owner"),
    # 500 is what the application puts where no answer came; any other is what was answered.
    [(500, "connection_path"), (400, "request"), (403, "unknown"), (429, "quota_or_rate")],
)
def test_a_status_before_an_applications_own_words_is_that_of_the_answer(status: int, owner: str) -> None:
    assert verdict(b"%d: Open WebUI: Server Connection Error" % status, "-")["owner"] == owner


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"Agent error: The model gemma2-9b-it has been decommissioned and is no longer supported.", "api.model_not_found"),
        (b'HTTP 401 error. Response: {"type":"error","error":{"type":"authentication_error","message":"x-api-key header is required"}}', "api.missing_key"),
        (b"litellm.APIConnectionError: Ollama Error - {'error': 'POST predict: Post \"http://127.0.0.1:41401/completion\": EOF'}", "api.server_error"),
    ],
)  # fmt: skip
def test_what_other_providers_say_has_the_cause_that_openais_words_have(text: bytes, cause: str) -> None:
    assert verdict(text, "-")["cause"] == cause


def test_status_header_and_body_alone_are_enough() -> None:
    body = '{"error":{"message":"quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}'
    found = verdict(None, "--status", "429", "--header", "x-request-id: req_1", "--body", body)
    assert (found["owner"], found["cause"], found["certainty"]) == ("quota_or_rate", "api.insufficient_quota", "proven")
    assert "req_1" in found["because"][0]["fact"]
    # The control: without the body a 429 does not tell quota from rate.
    assert verdict(None, "--status", "429")["cause"] == "unknown"
    assert verdict(None, "--status", "429")["owner"] == "quota_or_rate"


@pytest.mark.parametrize(
    ("text", "status"),
    [(BARE, 3), (b"httpx.ConnectError: [Errno 111] Connection refused", 1), (b"", 3)],
)
def test_the_exit_status_is_the_verdicts(text: bytes, status: int) -> None:
    assert triage(text, "-").returncode == status


def test_a_call_that_is_wrong_ends_with_2_and_says_why() -> None:
    done = triage(None, "/nowhere/at/all.log")
    assert done.returncode == 2
    assert b"/nowhere/at/all.log" in done.stderr
    assert triage(None, "--status", "42").returncode == 2


def test_with_a_proxy_in_play_a_refusal_is_undecided_and_its_control_is_not() -> None:
    refused = b"httpx.ConnectError: [Errno 111] Connection refused\nopenai.APIConnectionError: Connection error.\n"
    found = verdict(b"HTTPS_PROXY=http://proxy.corp.example:3128\n" + refused, "-")
    assert (found["owner"], found["cause"]) == ("connection_path", "unknown")
    assert {"tcp.refused", "proxy.unreachable"} <= {item["cause"] for item in found["also"]}
    assert verdict(refused, "-")["cause"] == "tcp.refused"


def test_a_proxys_refusal_is_proven_by_its_reason_and_not_by_a_class_that_a_cut_text_ends_in() -> None:
    """urllib3 1.x gives the same class to a proxy whose name does not resolve."""
    cut = (
        b"HTTPSConnectionPool(host='api.openai.com', port=443): Max retries exceeded with url: /v1/models "
        b"(Caused by ProxyError('Unable to connect to proxy', NewConnectionError('<urlli"
    )
    found = verdict(cut, "-")
    assert (found["cause"], found["certainty"]) == ("proxy.unreachable", "likely")
    whole = (
        cut
        + b"b3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')))"
    )
    found = verdict(whole, "-")
    assert (found["cause"], found["certainty"]) == ("proxy.unreachable", "proven")


def test_the_dialled_address_tells_the_proxy_from_the_endpoint() -> None:
    text = b"HTTPS_PROXY=http://127.0.0.1:7890\nError: connect ECONNREFUSED 127.0.0.1:7890\n"
    assert verdict(text, "-")["cause"] == "proxy.unreachable"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b'{"error":{"message":"404 Unknown request URL: POST /x.","type":"server_error"}}', "api.endpoint_not_found"),
        (b'{"error":{"message":"The server had an error","type":"server_error"}}', "api.server_error"),
        (
            b'{"error":{"message":"stream closed before response.completed","type":"invalid_request_error"}}',
            "http.truncated",
        ),
        (b'{"error":{"message":"stream must be a boolean","type":"invalid_request_error"}}', "api.bad_request"),
        (b'HTTP 403 {"error":{"message":"Forbidden"}}', "unknown"),
        (b'HTTP 403 {"error":{"message":"Forbidden","code":"forbidden"}}', "api.permission_denied"),
        (b"Error: Set OPENAI_API_KEY first", "client.api_key_missing"),
        (b"1. Set `OPENAI_API_KEY` to `sk-x`\nerror sending request for url (https://api.openai.com/v1/)", "unknown"),
    ],
)
def test_words_that_look_alike_are_told_apart(text: bytes, cause: str) -> None:
    assert verdict(text, "-")["cause"] == cause


def test_secrets_in_the_text_are_neither_kept_nor_shown() -> None:
    secret = "sk-" + "proj-" + "a1B2c3D4e5F6g7H8"
    text = (
        f"httpcore.LocalProtocolError: Illegal header value b'Bearer {secret}\\n'\n"
        f"AuthenticationError: Error code: 401 - {{'error': {{'message': 'Incorrect API key provided: {secret}.', 'code': 'invalid_api_key'}}}}\n"
        f"HTTPS_PROXY=http://user:{secret}@proxy.example:3128\n"
    ).encode()
    done = triage(text, "-", "--json", "-")
    assert secret.encode() not in done.stdout + done.stderr
    assert secret.encode() not in triage(text, "-").stdout


def test_the_evidence_can_be_judged_again_and_gives_the_same_verdict() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "triage.json"
        first = triage(
            b"openai.APITimeoutError\nhttpx.ReadTimeout: The read operation timed out", "-", "--json", str(file)
        )
        again = subprocess.run(
            [sys.executable, "-m", "oairunbook.cli", "diagnose", str(file), "--json", "-"],
            capture_output=True,
            env=CLEAN,
            check=False,
        )
        assert again.returncode == first.returncode == 1
        assert json.loads(again.stdout)["verdict"] == json.loads(file.read_text())["verdict"]


def test_a_text_without_an_end_is_refused_before_it_takes_the_hosts_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.log").write_bytes(b"openai.APIConnectionError: Connection error." * 30)
    monkeypatch.setattr("oairunbook.read.command._MOST_BYTES", 1024)
    result = CliRunner().invoke(cli, ["triage", str(tmp_path / "app.log")])
    assert result.exit_code == 2
    assert "tail -c 100M FILE | oairunbook triage -" in " ".join(result.stderr.split())
