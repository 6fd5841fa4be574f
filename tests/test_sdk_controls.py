"""The SDK's controls: every request of a call is seen, the key stays where it may go, and several callers are read side by side."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest

from oairunbook import check
from oairunbook.controls import CONTROLS_SCHEMA, Call, Controls, SentRequest
from oairunbook.diagnose.controls import compare
from oairunbook.evidence import (
    Credential,
    ErrorLink,
    EvidenceError,
    ProxyDecision,
    SdkAnswered,
    SdkFailed,
    TlsHandshake,
    dumps,
    read_document,
)
from oairunbook.observe import clients, sdk
from oairunbook.observe.callers import Plan
from oairunbook.observe.credential import may_send_own_credential
from oairunbook.observe.debug_log import LOGGERS, debug_log
from oairunbook.observe.node import by_node
from oairunbook.observe.sdk_controls import observe_controls
from oairunbook.record import live, show
from oairunbook.redaction import Secrets

from .notebooks import execute
from .recorded import HOSTILE, answer, connected, evidence, observation, resolved

KEY = "sk-test-controls-0123456789abcdef"
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}],
}
Reply = Callable[[int, BaseHTTPRequestHandler], "tuple[int, Any]"]


class Api:
    """An API on loopback that answers each POST as a function of its number says, and keeps what it was sent."""

    def __init__(self, reply: Reply) -> None:
        self.keys: list[str] = []
        self.lock = threading.Lock()
        self.posts: dict[str, int] = {}
        api = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.send_body(401, {"error": {"message": "no key", "code": None, "type": "invalid_request_error"}})

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                agent = str(self.headers["user-agent"])
                with api.lock:
                    api.keys.append(str(self.headers["authorization"]))
                    api.posts[agent] = number = api.posts.get(agent, 0) + 1
                self.send_body(*reply(number, self))

            def send_body(self, status: int, document: Any) -> None:
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.send_header("x-request-id", "req_1")
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Reply], Api]]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    started: list[Api] = []

    def start(reply: Reply) -> Api:
        started.append(Api(reply))
        return started[-1]

    yield start
    for one in started:
        one.close()


def looked_at(running: Api) -> tuple[Any, Controls]:
    seen = check(base_url=running.base_url, model="m", repeat=1, control_url="", budget=15.0).evidence
    return seen, observe_controls(seen, Secrets.from_environment(os.environ), budget=20.0)


# -- what retries hide --------------------------------------------------------------------------------------------


def test_a_failure_that_the_sdks_retries_hide_is_shown_and_without_retries_it_is_the_answer(
    api: Callable[[Reply], Api],
) -> None:
    """The first request of each connection fails; the control answers at once and shows nothing hidden."""

    def first_attempt_fails(_: int, request: BaseHTTPRequestHandler) -> tuple[int, Any]:
        fails = request.headers.get("x-stainless-retry-count") == "0"
        return (500, {"error": {"message": "busy", "type": "server_error"}}) if fails else (200, COMPLETION)

    seen, controls = looked_at(api(first_attempt_fails))
    retried, once = controls.call("retried"), controls.call("once")
    assert retried is not None
    assert once is not None
    assert isinstance(retried.outcome, SdkAnswered)
    assert [request.status for request in retried.requests] == [500, 200]
    assert [request.retry_count for request in retried.requests] == ["0", "1"]
    assert retried.requests[1].began_seconds > 0.3, "the pause before the second is part of the call"
    assert isinstance(once.outcome, SdkFailed)
    assert len(once.requests) == 1
    assert "answered, after 2 requests" in compare(controls, seen)[0].fact
    assert "1 of 2" in show.sdk_controls.retries(controls).text
    assert "InternalServerError" in show.sdk_controls.exceptions(controls).text

    seen, controls = looked_at(api(lambda *_: (200, COMPLETION)))
    assert not any("its own retries" in one.fact for one in compare(controls, seen))


def test_an_error_answer_is_what_the_check_saw_and_no_failure_of_the_tool(api: Callable[[Reply], Api]) -> None:
    """The stream that ends endless answers once hid the time that httpx2 reads off it, and each error answer became a failure of the tool."""
    seen, _ = looked_at(api(lambda *_: (500, {"error": {"message": "busy", "type": "server_error"}})))
    own = [o.outcome for o in seen.observations if o.probe == "sdk"]
    assert own
    for outcome in own:
        assert isinstance(outcome, SdkFailed)
        assert outcome.answer is not None
        assert outcome.answer.status == 500
        assert outcome.answer.seconds_to_headers is not None
    seen, _ = looked_at(api(lambda *_: (200, COMPLETION)))
    assert any(isinstance(o.outcome, SdkAnswered) for o in seen.observations)


def test_each_failed_request_keeps_the_transports_own_error() -> None:
    route = replace(evidence().route, base_url=replace(evidence().route.base_url, value="http://127.0.0.1:9/v1"))
    route = replace(route, scheme="http", host="127.0.0.1", port=9, path="/v1", transport=evidence().route.transport)
    seen = replace(evidence(), route=replace(route, transport=None))
    controls = observe_controls(seen, Secrets(), timeout=2.0)
    retried = controls.call("retried")
    assert retried is not None
    assert len(retried.requests) == 3
    assert all(request.errors[-1].errno_name == "ECONNREFUSED" for request in retried.requests)
    asynchronous = controls.call("asynchronous")
    assert asynchronous is not None
    assert [request.status for request in asynchronous.requests] == [None]
    assert asynchronous.requests[0].errors


# -- the key ------------------------------------------------------------------------------------------------------


def test_the_key_goes_to_loopback_and_a_placeholder_where_a_proxy_is_in_play(
    api: Callable[[Reply], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = api(lambda *_: (200, COMPLETION))
    seen, controls = looked_at(running)
    assert any(KEY in key for key in running.keys)
    assert KEY not in dumps(controls)

    running.keys.clear()
    proxied = replace(seen, route=replace(seen.route, proxy=ProxyDecision(url="http://127.0.0.1:1", rule="a test")))
    observe_controls(proxied, Secrets.from_environment(os.environ), timeout=2.0)
    assert running.keys
    assert all(clients.PLACEHOLDER_KEY in key for key in running.keys)


def test_https_needs_a_verified_handshake_before_the_key_may_go_out() -> None:
    shaken = TlsHandshake(address="192.0.2.1", server_name="x", version="TLSv1.3", cipher="c", alpn=None, chain=())
    assert may_send_own_credential(evidence(observation("tls:192.0.2.1", shaken)))
    assert not may_send_own_credential(evidence(connected()))
    broken = Credential(present=True, problems=("a line feed at its end",))
    assert not may_send_own_credential(evidence(observation("tls:192.0.2.1", shaken), credential=broken))


def test_a_record_from_elsewhere_sends_nothing_and_kept_calls_are_read_with_it(tmp_path: Path) -> None:
    file = tmp_path / "evidence.json"
    file.write_text(dumps(evidence()))
    assert live.sdk_controls(evidence(), evidence=str(file)) is None
    assert "nothing is sent" in show.sdk_controls.callers(None, evidence()).text

    kept = Controls(collected_at="2026-11-25T00:00:00+00:00", seconds=1.0, calls=(), defaults=None)
    (tmp_path / live.CONTROLS_FILE).write_text(dumps(kept))
    assert live.sdk_controls(evidence(), evidence=str(tmp_path)) == kept
    (tmp_path / live.CONTROLS_FILE).write_text("{}")
    with pytest.raises(EvidenceError, match=CONTROLS_SCHEMA):
        live.sdk_controls(evidence(), evidence=str(file))


# -- debug logging ------------------------------------------------------------------------------------------------


def plan_of(**changes: Any) -> Plan:
    plan = Plan(
        route=evidence().route,
        environment={"OPENAI_API_KEY": KEY},
        model="m",
        own_credential=True,
        connect_seconds=1.0,
        read_seconds=1.0,
    )
    return replace(plan, **changes)


def test_debug_lines_are_caught_their_leaks_named_and_nothing_else_ever_hears_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = [(logging.getLogger(name).level, logging.getLogger(name).propagate) for name in LOGGERS]
    environment = {"OPENAI_API_KEY": KEY}

    def request() -> None:
        logging.getLogger("openai._base_client").debug("Request options: %s %s", sdk.PROMPT, f"Bearer {KEY}")
        logging.getLogger("httpx").info("HTTP Request: POST https://user:password@api.openai.com/v1/chat/completions")
        threading.Thread(target=logging.getLogger("openai").debug, args=("of another call",)).run()

    log = debug_log(plan_of(environment=environment), environment, request)
    assert "a secret of this runtime, in plain text" in log.leaks
    assert "the prompt" in log.leaks
    assert "credentials inside a URL" in log.leaks
    assert sdk.PROMPT not in dumps(log)
    clean, _ = Secrets.from_environment(environment).redact(log)
    assert KEY not in dumps(clean)
    assert "user:password" not in dumps(clean)
    assert not caplog.records
    assert before == [(logging.getLogger(name).level, logging.getLogger(name).propagate) for name in LOGGERS]
    assert debug_log(plan_of(), environment, lambda: None).leaks == ()


# -- Node.js ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js: apt-get install nodejs")
def test_node_makes_the_same_request_and_its_error_keeps_its_code(api: Callable[[Reply], Api], tmp_path: Path) -> None:
    running = api(lambda *_: (200, COMPLETION))
    route = replace(evidence().route, scheme="http", host="127.0.0.1", port=running.server.server_port)
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": KEY, "NODE_TLS_REJECT_UNAUTHORIZED": "0"}
    plan = plan_of(route=route, environment=environment, read_seconds=5.0)
    call, words = by_node(plan, "node", str(tmp_path))
    assert getattr(call.outcome, "status", None) == 200
    assert running.keys == [f"Bearer {KEY}"]
    assert "no openai package" in words

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    refused, _ = by_node(replace(plan, route=replace(route, port=port)), "node", str(tmp_path))
    assert isinstance(refused.outcome, SdkFailed)
    assert "ECONNREFUSED" in [error.errno_name for error in refused.outcome.errors]
    absent, why = by_node(replace(plan, environment={"PATH": str(tmp_path)}), "node", "")
    assert absent.outcome.kind == "not_tried"
    assert "no node" in why


# -- side by side -------------------------------------------------------------------------------------------------


def call_of(identity: str, outcome: Any, *requests: SentRequest) -> Call:
    return Call(id=identity, caller=identity, asked="POST", seconds=1.0, outcome=outcome, requests=requests)


def controls_of(*calls: Call) -> Controls:
    return Controls(collected_at="2026-11-25T00:00:00+00:00", seconds=1.0, calls=calls, defaults=None)


ANSWERED = SdkAnswered(
    method="POST", path="/c", model="m", stream=False, status=200, request_id="req_1", headers=(), trace=()
)
SILENT = SdkFailed(method="POST", path="/c", model="m", stream=False, errors=(), trace=())


@pytest.mark.parametrize(
    ("calls", "fact"),
    [
        ((call_of("once", SILENT), call_of("asynchronous", ANSWERED)), "Only the asynchronous client"),
        ((call_of("once", ANSWERED), call_of("streamed", replace(SILENT, stream=True))), "Only the whole answer"),
        (
            (call_of("once", ANSWERED), call_of("streamed", replace(ANSWERED, stream=True, completed=False))),
            "Only the whole answer",
        ),
        ((call_of("once", SILENT), call_of("transport", answer(status=401))), "Only the transport without the SDK"),
        ((call_of("once", SILENT), call_of("node", ANSWERED)), "Only Node.js"),
        ((call_of("once", SILENT), call_of("transport", SILENT)), "None of 2 callers"),
        ((call_of("once", ANSWERED), call_of("transport", ANSWERED)), "All 2 callers got status 200"),
        ((call_of("once", ANSWERED), call_of("node", answer(status=401))), "and not the same: once: 200, node: 401"),
    ],
)
def test_what_only_several_callers_show_is_said(calls: tuple[Call, ...], fact: str) -> None:
    found = compare(controls_of(*calls), evidence())
    assert [one for one in found if fact in one.fact], [one.fact for one in found]


def test_a_direct_way_that_node_found_around_the_proxy_is_said() -> None:
    code = ErrorLink(type="Error", text="x", errno_name="SELF_SIGNED_CERT_IN_CHAIN")
    calls = controls_of(call_of("once", SILENT), call_of("node", replace(SILENT, errors=(code,))))
    proxied = evidence(proxy=ProxyDecision(url="http://proxy.corp:3128", rule="a test"))
    assert "got as far as the certificate" in compare(calls, proxied)[0].fact
    assert not any("certificate" in one.fact for one in compare(calls, evidence()))


def test_callers_that_end_alike_are_not_said_to_differ() -> None:
    found = compare(controls_of(call_of("once", ANSWERED), call_of("asynchronous", ANSWERED)), evidence())
    assert [one.fact for one in found] == ["All 2 callers got status 200."]
    assert compare(controls_of(call_of("once", ANSWERED)), evidence()) == ()


# -- the notebook -------------------------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_installed_sdk(api: Callable[[Reply], Api]) -> None:
    _, controls = looked_at(api(lambda *_: (200, COMPLETION)))
    assert controls.defaults is not None
    assert controls.defaults.max_retries == openai.DEFAULT_MAX_RETRIES
    assert controls.defaults.connect_seconds == openai.DEFAULT_TIMEOUT.connect
    assert {"APITimeoutError", "APIConnectionError", "APIStatusError"} <= {one.name for one in controls.exceptions}
    timeout = next(one for one in controls.exceptions if one.name == "APITimeoutError")
    assert timeout.bases[0] == "APIConnectionError"
    assert read_document(Controls, dumps(controls), CONTROLS_SCHEMA) == controls


def test_the_notebook_says_verdict_and_differences_of_three_faults_and_of_a_healthy_path(tmp_path: Path) -> None:
    faults = ("tls.untrusted_issuer", "api.server_error", "http.truncated.stream", "ok")
    done = execute("03_sdk_controls", faults, tmp_path)
    assert {fault: one.verdict["cause"] for fault, one in done.items()} == {
        "tls.untrusted_issuer": "tls.untrusted_issuer",
        "api.server_error": "api.server_error",
        "http.truncated.stream": "http.truncated",
        "ok": "ok",
    }
    refused = done["tls.untrusted_issuer"]
    assert "None of " in refused.text("together")
    assert "3 of 3" in refused.text("retries")
    assert "A placeholder was sent instead of the key" in refused.text("callers")
    assert "APIConnectionError  APIError → OpenAIError" in " ".join(refused.text("exceptions").split("\n"))
    assert "with the last request id" in done["api.server_error"].text("together")
    assert "Only the whole answer came through" in done["http.truncated.stream"].text("together")
    assert "1 of 1" in done["ok"].text("retries")
    assert "The key was sent" in done["ok"].text("callers")
    for one in done.values():
        assert (one.run / live.CONTROLS_FILE).exists()
        assert "Lines of one request at DEBUG" in one.text("debugging")
        assert "Where Node.js differs" in one.text("node")
        assert "sk-practice-not-a-real-key" not in one.whole


def test_hostile_answers_stay_inert_in_every_view() -> None:
    hostile = replace(SILENT, answer=answer(message=HOSTILE, request_id=HOSTILE))
    controls = controls_of(call_of("retried", hostile, SentRequest(began_seconds=0.0, seconds=1.0, request_id=HOSTILE)))
    seen = evidence(resolved())
    views = (
        show.sdk_controls.callers(controls, seen),
        show.sdk_controls.retries(controls),
        show.sdk_controls.together_they_say(controls, seen),
    )
    for view in views:
        assert "<script" not in view.html
        assert "\u202e" not in view.html + view.text
