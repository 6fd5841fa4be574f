"""Evidence for tests of the recording half: one record, to be varied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from oairunbook.evidence import (
    ApiError,
    Body,
    Connected,
    ConnectFailed,
    Credential,
    ErrorLink,
    Evidence,
    Header,
    HttpAnswer,
    Observation,
    ProxyDecision,
    Resolved,
    ResolverConfiguration,
    Route,
    Runtime,
    SdkAnswered,
    SdkFailed,
    Setting,
    TrustStore,
)

HOSTILE = (
    "</td><script>alert(1)</script> ![x](http://evil.test/x) [here](javascript:alert(1)) `code` | pipe\n"
    "# heading\n```\n$\\alpha$ \x1b]0;title\x07 \u202egnp.exe www.evil.test"
)
"""What a server that wants to be believed could put into a page, a header or an error."""

ROUTE = Route(
    base_url=Setting(value="https://api.openai.com/v1", source="default"),
    family="direct",
    family_reason="the public API's host",
    scheme="https",
    host="api.openai.com",
    port=443,
    path="/v1",
    model=Setting(value="gpt-4o-mini", source="argument"),
    proxy=ProxyDecision(url=None, rule="no proxy variable applies"),
    trust=TrustStore(origin="certifi", path="/x/cacert.pem", reason="the default"),
    sdk="2.8.0",
    transport="httpx 0.28.1",
    credential=Credential(present=True, source="OPENAI_API_KEY", fingerprint="0123456789ab"),
    resolver=ResolverConfiguration(),
)
RUNTIME = Runtime(
    host="web-3",
    system="Linux 6.1 x86_64",
    python="3.11.9",
    executable="/app/.venv/bin/python",
    openssl="OpenSSL 3.0.13",
    user="app",
    platforms=("Kubernetes pod",),
    region="eu-west-1",
    timezone="Europe/Berlin",
)


def observation(
    identity: str, outcome: Any, *, layer: Any = None, attempt: int = 1, started: float = 0.0
) -> Observation:
    probe = identity.partition(":")[0].partition(".")[0].partition("#")[0]
    return Observation(
        id=identity,
        probe=probe,
        layer=layer or {"sdk": "api"}.get(probe, probe),
        target=f"target of {identity}",
        started_seconds=started,
        seconds=0.01,
        outcome=outcome,
        attempt=attempt,
    )


def resolved() -> Observation:
    return observation("dns.system", Resolved(name="api.openai.com", addresses=("162.159.140.245",)))


def connected(identity: str = "tcp:162.159.140.245", **options: Any) -> Observation:
    return observation(identity, Connected(address="162.159.140.245", port=443), **options)


def refused(identity: str = "tcp:162.159.140.245", text: str = "Connection refused", **options: Any) -> Observation:
    error = ErrorLink(type="ConnectionRefusedError", text=text, errno=111, errno_name="ECONNREFUSED")
    return observation(identity, ConnectFailed(address="162.159.140.245", port=443, errors=(error,)), **options)


def sdk_failed(text: str = "Connection error.", answer: HttpAnswer | None = None) -> Observation:
    chain = (
        ErrorLink(type="openai.APIConnectionError", text=text),
        ErrorLink(type="httpx.ConnectError", text="All connection attempts failed", relation="cause"),
    )
    return observation(
        "sdk",
        SdkFailed(
            method="POST",
            path="/chat/completions",
            model="gpt-4o-mini",
            stream=False,
            errors=chain,
            trace=(),
            answer=answer,
        ),
    )


def sdk_answered() -> Observation:
    return observation(
        "sdk",
        SdkAnswered(
            method="POST",
            path="/chat/completions",
            model="gpt-4o-mini",
            stream=False,
            status=200,
            request_id="req_1",
            headers=(),
            shape="chat.completion",
            chunks=None,
            completed=True,
            trace=(),
        ),
    )


def answer(status: int = 401, message: str = "Incorrect API key provided", request_id: str = "req_2") -> HttpAnswer:
    return HttpAnswer(
        method="POST",
        url="https://api.openai.com/v1/chat/completions",
        status=status,
        http_version="HTTP/1.1",
        headers=(Header(name="x-request-id", value=request_id),),
        body=Body(
            shape="api_error",
            size_bytes=100,
            error=ApiError(message=message, type="invalid_request_error", code="invalid_api_key"),
        ),
    )


def evidence(*observations: Observation, practice: str | None = None, **changes: Any) -> Evidence:
    return Evidence(
        collected_at="2026-11-24T14:02:11.000+00:00",
        seconds=1.5,
        route=replace(ROUTE, **changes),
        runtime=RUNTIME,
        observations=observations,
        tool_version="0.1.0",
        practice=practice,
    )
