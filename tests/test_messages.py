"""The failure messages of the clients that people call the API with, client by client: the words decide, or they leave it open."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from oairunbook.diagnose import diagnose
from oairunbook.read import read
from oairunbook.runtime import this_runtime
from oairunbook.verdict import Verdict

STACKS: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "messages.toml").read_text("utf-8"))["stack"]
RUNTIME = this_runtime({})


def judge(text: str) -> Verdict:
    return diagnose(read(text, RUNTIME, environment={}))


def owner_of(cause: str) -> str:
    """Who owns a cause on the direct route (rules 2 and 3 of the catalogue)."""
    if cause.startswith("client.") or cause == "http.not_an_api":
        return "client_config"
    return "browser" if cause.startswith("browser.") else "connection_path"


@pytest.mark.parametrize("stack", STACKS, ids=[stack["name"].partition(":")[0] for stack in STACKS])
def test_a_client_s_own_words_name_cause_and_owner(stack: dict[str, Any]) -> None:
    assert stack["source"]
    wrong = []
    for cause, text, *owner in stack["texts"]:
        verdict = judge(stack.get("line", "{text}").replace("{text}", text))
        if (verdict.cause, verdict.owner) != (cause, owner[0] if owner else owner_of(cause)):
            wrong.append((text, cause, f"{verdict.owner} {verdict.cause} ({verdict.certainty})"))
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        # reqwest says so of whatever it could not build.
        ("builder error: No CA certificates were loaded from the system", "client.ca_bundle_unusable"),
        ("curl: (97) connection to proxy closed", "proxy.protocol_error"),
        # The name of a proxy may be what did not resolve.
        ("POST https://api.openai.com/v1/chat/completions net::ERR_PROXY_CONNECTION_FAILED", "proxy.unreachable"),
    ],
)
def test_what_words_leave_open_is_not_called_proven(text: str, cause: str) -> None:
    verdict = judge(text)
    assert (verdict.cause, verdict.certainty) == (cause, "likely")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        # Not a name that was looked up: words of the system.
        ("error sending request for url (https://api.openai.com/v1): failed to lookup address information", "dns.nxdomain"),
        # The page itself gave up.
        ("GET https://api.openai.com/v1/models net::ERR_ABORTED", "unknown"),
        # A server's log of a client that does not accept its certificate is no request for the client's.
        ("SSL_do_handshake() failed (SSL: error:0A000418:SSL routines::tlsv1 alert unknown ca) while SSL handshaking, client: 10.0.0.9", "unknown"),
    ],
)  # fmt: skip
def test_near_misses(text: str, cause: str) -> None:
    assert judge(text).cause == cause
