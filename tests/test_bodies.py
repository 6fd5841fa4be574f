"""What intermediaries, gateways, vendors and wrappers answer is told apart by its shape: see `bodies.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from oairunbook.diagnose import diagnose
from oairunbook.evidence import HttpAnswer
from oairunbook.read import read
from oairunbook.runtime import this_runtime
from oairunbook.verdict import Verdict

TEXTS = tomllib.loads(Path(__file__).with_name("bodies.toml").read_text("utf-8"))["text"]


def judge(text: str, base_url: str = "") -> Verdict:
    return diagnose(read(text, this_runtime({}), environment={}, base_url=base_url))


@pytest.mark.parametrize("case", TEXTS, ids=[case["id"] for case in TEXTS])
def test_an_answer_is_ascribed_to_whoever_gave_it(case: dict[str, str]) -> None:
    verdict = judge(case["says"], case.get("base_url", ""))
    assert (verdict.owner, verdict.cause) == (case["owner"], case.get("cause", verdict.cause))


def test_a_key_that_a_vendor_refuses_is_the_callers_and_one_that_a_gateway_refuses_the_gateways() -> None:
    refused = "Error code: 401 - {'message': 'Unauthorized', 'request_id': 'c61f2f15'}"
    assert judge(refused, "https://api.mistral.ai/v1").cause == "api.invalid_key"
    assert judge(refused, "https://llm.example.com/v1").cause == "api.gateway_auth_failed"
    # A host that only ends in the same letters is another's.
    assert judge(refused, "https://notmistral.ai/v1").cause == "api.gateway_auth_failed"


def test_where_a_redirect_leads_is_not_what_was_called() -> None:
    redirect = "< HTTP/1.1 307 Temporary Redirect\n< Location: https://gateway.example.net:443/auD?origurl=x\n"
    evidence = read(redirect, this_runtime({}), environment={})
    assert evidence.route.host == "api.openai.com"
    control = read(redirect.replace("Location", "GET"), this_runtime({}), environment={})
    assert control.route.host == "gateway.example.net"


def test_the_text_below_the_headers_is_the_answer_and_a_report_below_a_status_line_is_not() -> None:
    def samples(text: str) -> list[str]:
        return [answer.body.sample for _, answer in read(text, this_runtime({}), environment={}).of(HttpAnswer)]

    assert samples("HTTP/1.1 403 Forbidden\nserver: envoy\n\nRBAC: access denied") == ["RBAC: access denied"]
    logged = 'httpx: POST https://api.openai.com/v1/responses "HTTP/1.1 403 Forbidden"\n\nRBAC is what I suspect'
    assert samples(logged) == ["Forbidden"]
