"""The call as a page would make it: the browser's own checks, what they mean for the verdict, and keys in client-side code."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from oairunbook.diagnose import diagnose
from oairunbook.diagnose.cors import first_failure, readable
from oairunbook.evidence import (
    ClientCode,
    CorsExchange,
    Evidence,
    FoundKey,
    Header,
    HttpAnswer,
    HttpFailed,
    PageRequest,
    PageTried,
    dumps,
    load_evidence,
)
from oairunbook.observe.browser import SDK_HEADERS, chromium, client_code, serialised
from oairunbook.record import live, show
from oairunbook.redaction import Secrets

from .notebooks import execute
from .recorded import HOSTILE, answer, connected, evidence, observation, resolved, sdk_answered

ORIGIN = "https://app.example.com"
KEY = "sk-proj-abcdefghijklmnop0123456789"
NAMES = ("authorization", "content-type")


def replied(status: int = 200, **headers: str) -> HttpAnswer:
    found = tuple(Header(name=name.replace("_", "-").lower(), value=value) for name, value in headers.items())
    return replace(answer(status), headers=found)


def exchange(got: HttpAnswer | HttpFailed, step: Any = "preflight", **changes: Any) -> CorsExchange:
    found = CorsExchange(
        step=step, origin=ORIGIN, request_method="POST", request_headers=NAMES, credentials_mode="omit", answer=got
    )
    return replace(found, **changes)


ALLOWED = replied(access_control_allow_origin="*", access_control_allow_headers="Authorization, Content-Type")


# -- the browser's checks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "changes", "fails_at"),
    [
        (ALLOWED, {}, None),
        (replace(ALLOWED, status=204), {}, None),
        (replace(ALLOWED, status=401), {}, "an OK status"),
        (replace(ALLOWED, status=307), {}, "no redirect"),
        (replied(), {}, "Access-Control-Allow-Origin"),
        (
            replied(access_control_allow_origin=ORIGIN, access_control_allow_headers="content-type"),
            {},
            "Access-Control-Allow-Headers: authorization",
        ),
        # Fetch standard: `*` covers every header name but Authorization, and nothing where credentials go along.
        (
            replied(access_control_allow_origin="*", access_control_allow_headers="*"),
            {},
            "Access-Control-Allow-Headers: authorization",
        ),
        (
            replied(access_control_allow_origin="*", access_control_allow_headers="*, authorization"),
            {},
            None,
        ),
        (
            replied(access_control_allow_origin="*", access_control_allow_headers="*, authorization"),
            {"request_method": "PUT"},
            "Access-Control-Allow-Methods",
        ),
        (
            replied(
                access_control_allow_origin="*",
                access_control_allow_headers="*, authorization",
                access_control_allow_methods="*",
            ),
            {"request_method": "PUT"},
            None,
        ),
        (ALLOWED, {"credentials_mode": "include"}, "Access-Control-Allow-Origin"),
        (
            replied(access_control_allow_origin=ORIGIN, access_control_allow_headers=", ".join(NAMES)),
            {"credentials_mode": "include"},
            "Access-Control-Allow-Credentials",
        ),
        (
            replied(
                access_control_allow_origin=ORIGIN,
                access_control_allow_headers=", ".join(NAMES),
                access_control_allow_credentials="true",
            ),
            {"credentials_mode": "include"},
            None,
        ),
        (
            replied(access_control_allow_origin="https://APP.example.com"),
            {"step": "request"},
            "Access-Control-Allow-Origin",
        ),
        (replied(access_control_allow_origin=f"{ORIGIN}/"), {"step": "request"}, "Access-Control-Allow-Origin"),
        (
            replied(access_control_allow_origin=f"{ORIGIN}, {ORIGIN}"),
            {"step": "request"},
            "Access-Control-Allow-Origin",
        ),
        (replied(500, access_control_allow_origin="*"), {"step": "request"}, None),
    ],
)
def test_an_answer_is_judged_as_browsers_do(got: HttpAnswer, changes: dict[str, Any], fails_at: str | None) -> None:
    failure = first_failure(exchange(got, **changes))
    assert (failure.asks if failure else None) == fails_at


def test_two_allow_origin_headers_are_no_origin() -> None:
    twice = replace(ALLOWED, headers=(*ALLOWED.headers, Header(name="access-control-allow-origin", value="*")))
    failure = first_failure(exchange(twice))
    assert failure is not None
    assert failure.given == "*, *"


def test_a_script_reads_what_is_exposed_and_the_safelisted_headers() -> None:
    got = replied(access_control_expose_headers="X-Request-ID")
    names = ("x-request-id", "retry-after", "content-type")
    assert readable(got, names, credentials=False) == {"x-request-id": True, "retry-after": False, "content-type": True}
    every = replied(access_control_expose_headers="*")
    assert readable(every, ("retry-after",), credentials=False) == {"retry-after": True}
    assert readable(every, ("retry-after",), credentials=True) == {"retry-after": False}


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://App.Example.com:443/", "https://app.example.com"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_serialised_as_browsers_send_it(given: str, origin: str) -> None:
    assert serialised(given) == origin


@pytest.mark.parametrize(
    "given", ["", "app.example.com", "file:///x", "https://user@x.example", "https://x.example/path"]
)
def test_what_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="origin is scheme"):
        serialised(given)


# -- the verdict --------------------------------------------------------------------------------------------------


def healthy(*more: Any, **route: Any) -> Evidence:
    found = [
        replace(observation(f"browser.{n}", outcome, layer="browser"), probe="browser")
        for n, outcome in enumerate(more)
    ]
    return evidence(resolved(), connected(), sdk_answered(), *found, **route)


def tried(*console: str, **request: Any) -> PageTried:
    requests = (PageRequest(method="POST", kind_of_request="Fetch", **request),) if request else ()
    return PageTried(
        browser="Chrome/1",
        origin=ORIGIN,
        url="u",
        exception="TypeError",
        status=None,
        console=console,
        requests=requests,
    )


def code(**changes: Any) -> ClientCode:
    return ClientCode(sources=("app.js",), size_bytes=10, **changes)


FOUND = FoundKey(source="app.js", line=3, shape="OpenAI key", is_of_this_runtime=False)
HTTP_ROUTE: dict[str, Any] = {"scheme": "http", "host": "llm.corp.example", "port": 80}


@pytest.mark.parametrize(
    ("seen", "cause", "certainty"),
    [
        (healthy(exchange(replied())), "browser.cors_blocked", "proven"),
        (healthy(exchange(ALLOWED)), "ok", "proven"),
        # An error answer without CORS headers is decided by its status.
        (healthy(exchange(ALLOWED), exchange(replied(401), "request")), "ok", "proven"),
        (healthy(exchange(ALLOWED), exchange(replied(200), "request")), "browser.cors_blocked", "proven"),
        # No answer is no fault of CORS.
        (healthy(exchange(HttpFailed(method="OPTIONS", url="u", phase="tls", errors=(), ended="eof"))), "ok", "proven"),
        (healthy(exchange(replied(), origin="https://api.openai.com")), "ok", "proven"),
        (healthy(code(keys=(FOUND,))), "browser.key_exposed", "proven"),
        (healthy(code(allows_browser=("app.js, line 1",))), "browser.key_exposed", "likely"),
        (healthy(code()), "ok", "proven"),
        (healthy(exchange(ALLOWED), **HTTP_ROUTE), "browser.mixed_content", "proven"),
        (healthy(exchange(ALLOWED), **{**HTTP_ROUTE, "host": "127.0.0.1"}), "ok", "proven"),
        (healthy(exchange(ALLOWED, origin="http://app.example.com"), **HTTP_ROUTE), "ok", "proven"),
        (healthy(exchange(ALLOWED), code(insecure=("http://llm/v1 (app.js, line 1)",))), "browser.mixed_content", "likely"),
        (
            healthy(tried("Connecting to 'x' violates the following Content Security Policy directive: \"connect-src 'self'\".")),
            "browser.blocked_by_client",
            "proven",
        ),
        (healthy(tried(failure="net::ERR_BLOCKED_BY_CLIENT", blocked_reason="inspector")), "browser.blocked_by_client", "proven"),
        # A browser that fails where this process succeeds is no proof of anything by itself.
        (healthy(tried("Failed to load resource: net::ERR_NAME_NOT_RESOLVED", failure="net::ERR_NAME_NOT_RESOLVED")), "ok", "proven"),
    ],
)  # fmt: skip
def test_what_a_page_meets_decides_beside_a_healthy_path(seen: Evidence, cause: str, certainty: str) -> None:
    verdict = diagnose(seen)
    assert (verdict.cause, verdict.certainty) == (cause, certainty)
    assert verdict.owner == ("none" if cause == "ok" else "browser")
    assert load_evidence(dumps(seen)) == seen


def test_a_broken_path_comes_before_what_a_page_would_meet() -> None:
    from .recorded import refused

    page = replace(observation("browser.preflight", exchange(replied()), layer="browser"), probe="browser")
    assert diagnose(evidence(resolved(), refused(), page)).cause == "tcp.refused"


# -- code that browsers get ---------------------------------------------------------------------------------------


def test_keys_are_found_by_their_place_and_kept_nowhere(tmp_path: Path) -> None:
    (tmp_path / "app.js").write_text(f'const a = 1;\nnew OpenAI({{apiKey: "{KEY}", dangerouslyAllowBrowser: !0}})\n')
    (tmp_path / "other.js").write_text(
        'const session = "ek_abcdefghijklmnopqrstuvwxyz"; sk-ip-to-content; task-runner-of-the-page; "sk-spinner-double-bounce-child2"\n'
    )
    (tmp_path / "plain.js").write_text(
        'fetch("http://llm.corp.example/v1/chat/completions"); fetch("http://localhost:8000/v1/x")\n'
    )
    (tmp_path / "image.png").write_bytes(KEY.encode())
    found = client_code.search(str(tmp_path), Secrets((KEY,)), timeout=1.0)
    assert [(key.source, key.line, key.is_of_this_runtime) for key in found.keys] == [("app.js", 2, True)]
    assert found.allows_browser == ("app.js, line 2",)
    assert found.insecure == ("http://llm.corp.example/v1/chat/completions (plain.js, line 1)",)
    assert KEY not in dumps(found)
    assert client_code.search(str(tmp_path / "other.js"), Secrets(), timeout=1.0).keys == ()
    with pytest.raises(FileNotFoundError):
        client_code.search(str(tmp_path / "missing"), Secrets(), timeout=1.0)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL of a web server on loopback that serves it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Quiet(*a, directory=str(tmp_path)))  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_page_of_ones_own_is_read_with_its_own_scripts_and_no_others(served: tuple[Path, str]) -> None:
    folder, url = served
    (folder / "index.html").write_text('<script src="app.js"></script><script src="https://cdn.example/x.js"></script>')
    (folder / "app.js").write_text(f'const key = "{KEY}"')
    found = client_code.search(f"{url}/index.html", Secrets(), timeout=5.0)
    assert found.sources == (f"{url}/index.html", f"{url}/app.js")
    assert [key.source for key in found.keys] == [f"{url}/app.js"]
    with pytest.raises(ValueError, match="http"):
        client_code.search("ftp://x/y", Secrets(), timeout=1.0)


# -- a real browser -----------------------------------------------------------------------------------------------


class Recorder(BaseHTTPRequestHandler):
    """An API that allows any page, and keeps every key that it is sent."""

    keys: tuple[str, ...] = ()

    def log_message(self, *_: object) -> None:
        pass

    def do_OPTIONS(self) -> None:
        self.send(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        Recorder.keys = (*Recorder.keys, str(self.headers["authorization"]))
        self.send(200)

    def send(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.send_header("access-control-allow-origin", "*")
        self.send_header("access-control-allow-headers", str(self.headers.get("access-control-request-headers", "")))
        self.end_headers()


@pytest.fixture
def recorder() -> Iterator[str]:
    Recorder.keys = ()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    server.shutdown()
    server.server_close()


def in_a_browser(url: str, policy: str = "") -> PageTried:
    program = chromium.find(os.environ)
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    return chromium.try_page(
        program,
        page_origin="http://127.0.0.1:1",
        policy=policy,
        url=url,
        request_headers=NAMES,
        credentials=False,
        practice=("127.0.0.1", "127.0.0.1"),
        trusted=False,
        environment=os.environ,
        seconds=40.0,
    )


def test_a_real_browser_makes_the_call_with_a_placeholder_and_its_own_policy_stops_it(
    recorder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    passed = in_a_browser(recorder)
    assert (passed.status, passed.exception) == (200, None)
    assert Recorder.keys == ("Bearer sk-oairunbook-placeholder",)
    assert "Preflight" in [r.kind_of_request for r in passed.requests] or "OPTIONS" in [
        r.method for r in passed.requests
    ]

    stopped = in_a_browser(recorder, "script-src 'unsafe-inline'; connect-src 'self'")
    assert stopped.exception == "TypeError: Failed to fetch"
    assert any("Content Security Policy" in line for line in stopped.console)
    assert len(Recorder.keys) == 1
    assert diagnose(healthy(stopped)).cause == "browser.blocked_by_client"


def test_a_browser_that_cannot_start_is_a_failure_of_the_tool(tmp_path: Path) -> None:
    with pytest.raises(chromium.BrowserError, match="has ended"):
        chromium.try_page(
            "/bin/true",
            page_origin=ORIGIN,
            policy="",
            url="https://x.example/v1",
            request_headers=NAMES,
            credentials=False,
            practice=None,
            trusted=False,
            environment=os.environ,
            seconds=5.0,
        )
    assert chromium.find({"PATH": str(tmp_path)}) is None


# -- the notebook -------------------------------------------------------------------------------------------------


def test_the_notebook_says_verdict_and_checks_of_five_pages(tmp_path: Path) -> None:
    faults = ("ok", "ok.cors_absent", "ok.cors_key_wanted", "ok.cors_absent_in_answer", "tls.untrusted_issuer")
    done = execute("04_browser", faults, tmp_path, {"use_browser": "false"})
    assert {fault: one.verdict["cause"] for fault, one in done.items()} == {
        "ok": "ok",
        "ok.cors_absent": "browser.cors_blocked",
        "ok.cors_key_wanted": "browser.cors_blocked",
        "ok.cors_absent_in_answer": "browser.cors_blocked",
        "tls.untrusted_issuer": "tls.untrusted_issuer",
    }
    assert "a browser lets it pass" in done["ok"].text("preflight")
    assert "the browser stops at Access-Control-Allow-Origin" in done["ok.cors_absent"].text("preflight")
    assert "Let OPTIONS pass without a key" in done["ok.cors_key_wanted"].text("verdict")
    assert "FAILS" in done["ok.cors_absent_in_answer"].text("answer")
    assert "No answer came" in done["tls.untrusted_issuer"].text("preflight")
    for one in done.values():
        assert "sk-practice-not-a-real-key" not in one.whole
        assert load_evidence((one.run / "evidence.json").read_text()).observations[-1].probe == "browser"


def test_the_headers_of_the_sdk_are_what_a_fixed_list_refuses(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "app.js").write_text(f'new OpenAI({{apiKey: "{KEY}"}})')
    given = {"use_browser": "false", "sender": "sdk", "page": str(site)}
    done = execute("04_browser", ("ok.cors_fixed_headers",), tmp_path, given)["ok.cors_fixed_headers"]
    assert done.verdict["cause"] == "browser.key_exposed"
    assert [also["cause"] for also in done.verdict["also"]] == ["browser.cors_blocked"]
    assert "the browser stops at Access-Control-Allow-Headers: x-stainless-arch" in done.text("preflight")
    assert KEY not in done.whole
    assert len(SDK_HEADERS) == 8


def test_a_record_from_elsewhere_is_shown_as_it_is_and_wrong_parameters_are_told(tmp_path: Path) -> None:
    file = tmp_path / "evidence.json"
    file.write_text(dumps(evidence()))
    assert live.as_a_page(evidence(), origin=ORIGIN, evidence=str(file)) == evidence()
    assert "holds no such observation" in show.browser.preflight(evidence()).text
    with pytest.raises(ValueError, match="sender is one of fetch, sdk"):
        live.as_a_page(evidence(), origin=ORIGIN, sender="axios")
    with pytest.raises(ValueError, match="origin is scheme"):
        live.as_a_page(evidence(), origin="app")


def test_hostile_texts_stay_inert() -> None:
    seen = healthy(
        exchange(replied(access_control_allow_origin=HOSTILE)),
        tried(HOSTILE, failure=HOSTILE),
        code(keys=(replace(FOUND, source=HOSTILE),)),
    )
    named = [
        replace(o, id=name)
        for o, name in zip(seen.observations[3:], ("browser.preflight", "browser.page", "browser.code"), strict=True)
    ]
    seen = replace(seen, observations=(*seen.observations[:3], *named))
    for view in (
        show.browser.preflight(seen),
        show.browser.real_browser(seen),
        show.browser.exposed(seen),
        show.browser.mixed(seen),
    ):
        assert "<script" not in view.html
        assert "\u202e" not in view.html + view.text
