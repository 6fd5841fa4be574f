# ruff: noqa: E501 - the texts stand on lines of their own length
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


_FRAMES = """Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/{}", line 126, in {}
    {}
{}
"""


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (_FRAMES.format("httpcore/_backends/sync.py", "read", "return self._sock.recv(max_bytes)", "TimeoutError: timed out"), "http.read_timeout"),
        (_FRAMES.format("httpcore/_backends/anyio.py", "connect_tcp", "stream = await anyio.connect_tcp(", "TimeoutError"), "tcp.timeout"),
        (_FRAMES.format("httpcore/_backends/sync.py", "start_tls", "sock = ssl_context.wrap_socket(", "socket.timeout: timed out"), "tls.timeout"),
        # A `read` that is not the transport's tells nothing of a phase, and a time-out without frames neither.
        (_FRAMES.format("app/reader.py", "read", "raise TimeoutError('timed out')", "TimeoutError: timed out"), "unknown"),
        ("TimeoutError: timed out", "unknown"),
        # The handshake with a proxy, on a path that has a `\\n` in it.
        ('Traceback (most recent call last):\n  File "D:\\new\\nets\\lib\\site-packages\\urllib3\\connection.py", line 504, in _connect_tls_proxy\n    socket = ssl_wrap_socket(\n'
         '  File "C:\\Python39\\lib\\ssl.py", line 1309, in do_handshake\n    self._sslobj.do_handshake()\nssl.SSLEOFError: EOF occurred in violation of protocol (_ssl.c:1129)', "proxy.protocol_error"),
        ("Connection to api.openai.com timed out. (connect timeout=600)", "tcp.timeout"),
        # LiteLLM has one sentence for every phase; what took minutes was no connect.
        ("litellm.Timeout: Connection timed out. Timeout passed=600.0, time taken=599.12 seconds", "http.read_timeout"),
        ("litellm.Timeout: Connection timed out. Timeout passed=10.0, time taken=10.12 seconds", "unknown"),
    ],
)  # fmt: skip
def test_the_frames_say_what_timed_out(text: str, cause: str) -> None:
    assert judge(text).cause == cause


@pytest.mark.parametrize(
    ("text", "owner", "cause"),
    [
        ("Exception has occurred: RateLimitError\nYou exceeded your current quota, please check your plan and billing details.\n  File \"a.py\", line 3", "quota_or_rate", "api.insufficient_quota"),
        ("发生异常: BadRequestError       (note: full exception trace is shown but execution is paused at: _run_module_as_main)\nUnknown settings", "request", "api.bad_request"),
        ("openai.error.InvalidRequestError(message=\"Must provide an 'engine' or 'deployment_id' parameter\", param='engine', code=None, http_status=None)", "request", "api.bad_request"),
        ("Azure OpenAI\nopenai.error.InvalidRequestError: Resource not found", "route_provider", "api.azure_resource_not_found"),
        ("litellm.InternalServerError: AnthropicException - Overloaded. Handle with `litellm.InternalServerError`.", "server", "api.overloaded"),
        ("anthropic.APIStatusError: Error code: 529", "server", "api.overloaded"),
        ("httpx.HTTPStatusError: Server error '529 ' for url 'https://api.anthropic.com/v1/messages'", "server", "api.overloaded"),
        ('OllamaError: {"error":"llama runner process has terminated: exit status 2"}', "server", "api.server_error"),
        ('ollama: 500 {"error":"model requires more system memory (9.4 GiB) than is available (7.1 GiB)"}', "server", "api.server_error"),
        ("Too many requests in 1 hour. Try again later.", "quota_or_rate", "api.rate_limited"),
        # The title of a report: which of the two, it does not say.
        ("# Rate Limit Error\n\nThe program breaks.", "quota_or_rate", "unknown"),
        ("My function has a rate limit error handler, and it works.", "unknown", "unknown"),
        # SDK 0.x's own log.
        ("error_code=invalid_api_key error_message= error_param=None error_type=invalid_request_error message='OpenAI API error received' stream_error=False", "auth", "api.invalid_key"),
        ("error_code=None error_message='You exceeded your current quota' error_param=None error_type=insufficient_quota message='OpenAI API error received'", "quota_or_rate", "api.insufficient_quota"),
        ("*** OpenAI API invalid request. Check the documentation for the specific API method. Waiting 10 seconds and trying again. ***", "request", "api.bad_request"),
        ("*** The OpenAI API rate limit has been exceeded. Waiting 10 seconds and trying again. ***", "quota_or_rate", "api.rate_limited"),
        ("*** OpenAI API timeout occurred. Waiting 10 seconds and trying again. ***", "connection_path", "unknown"),
        ("openai.error.InvalidRequestError: Engine not found", "request", "api.model_not_found"),
        ("ollama: registry.ollama.ai/library/gemma2:9b does not support tools", "request", "api.bad_request"),
        ("The API does not support tools in this version of my app.", "unknown", "unknown"),
        # A gateway's answer that its own connection failed, and a client's account of its own.
        ("Ollama\nError code: 500 - {'error': {'message': 'connection refused', 'type': 'api_error'}}", "route_provider", "api.gateway_upstream_failed"),
        ('Ollama\n{"cause":{"code":"ECONNREFUSED","message":"connect ECONNREFUSED 172.17.0.1:11434","type":"system"}}', "route_provider", "tcp.refused"),
        ("ollama log: embedding failed: 404 page not found", "route_provider", "http.not_an_api"),
        # A form's placeholder is no page.
        ("# [Bug]: <title>\n\nhttpx.ConnectError: [WinError 10061] No connection could be made", "connection_path", "tcp.refused"),
        ("第三方chatgpt api 报错\nThe read operation timed out", "route_provider", "http.read_timeout"),
        # An application's own status for a call that got no answer.
        ("500: Open WebUI: Server Connection Error", "connection_path", "unknown"),
        # Which of its components a program lets tell that all is well is no route.
        ("INFO  [open_webui.apps.ollama.main] get_all_models()\nERROR [open_webui.apps.openai.main] Connection error:", "connection_path", "unknown"),
        ("ERROR [open_webui.apps.ollama.main] Connection error:", "route_provider", "unknown"),
    ],
)  # fmt: skip
def test_answers_are_read_in_more_dresses_and_not_where_nobody_answered(text: str, owner: str, cause: str) -> None:
    verdict = judge(text)
    assert (verdict.owner, verdict.cause) == (owner, cause)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("When you see `openai.APIConnectionError: Connection error.`, check your network settings.", "Connection error."),
        ("If you get this error:\n```\nError code: 429 - {'error': {'message': 'You exceeded your current quota', 'type': 'insufficient_quota'}}\n```\nadd credit.", "api.insufficient_quota"),
        ("## Troubleshooting\nYou may see `certificate verify failed: self signed certificate in certificate chain` behind a proxy.", "tls.untrusted_issuer"),
        ("## 1.2.0\n- Fixed `TypeError: Client.__init__() got an unexpected keyword argument 'proxies'` with httpx 0.28", "client.sdk_incompatible"),
        ("如果遇到 SSLError(SSLEOFError(8, 'EOF occurred in violation of protocol')) 请降级 urllib3", "tls.reset"),
    ],
)  # fmt: skip
def test_an_error_that_a_text_only_speaks_of_is_none_that_it_shows(text: str, named: str) -> None:
    verdict = judge(text)
    assert (verdict.owner, verdict.cause, verdict.certainty) == ("unknown", "unknown", None)
    assert named in verdict.missing[0]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("When I run it I get openai.RateLimitError: You exceeded your current quota", "api.insufficient_quota"),
        ("If you run the demo you get:\nhttpx.ConnectError: [Errno 111] Connection refused", "tcp.refused"),
        ('If you encounter this error:\nTraceback (most recent call last):\n  File "a.py", line 3, in f\nhttpx.ConnectError: [Errno 111] Connection refused', "tcp.refused"),
        ("- retry 1: [Errno 111] Connection refused", "tcp.refused"),
        ("If you get a 429, wait.\n\nMy log:\nhttpx.ConnectError: [Errno 111] Connection refused", "tcp.refused"),
    ],
)  # fmt: skip
def test_what_a_writer_met_is_shown(text: str, cause: str) -> None:
    assert judge(text).cause == cause


def test_a_status_with_its_name_behind_it_is_a_status() -> None:
    verdict = judge(
        'limited to gpt-3.5-turbo, 403 forbidden\n{"error":{"message":"too many requests","type":"relay_error","param":null,"code":"429 TOO_MANY_REQUESTS"}}'
    )
    assert verdict.cause == "api.rate_limited"


def test_time_out_errors_in_words_are_no_answer() -> None:
    assert judge("The chat throws OpenAI Timeout errors since this morning").owner == "connection_path"
