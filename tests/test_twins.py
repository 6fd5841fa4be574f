"""Two causes that give the very same observation: what was not told apart by anything else is likely, and no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime

import pytest

from oairunbook.diagnose import diagnose
from oairunbook.evidence import (
    Body,
    ClientRefused,
    DnsNoAnswer,
    ErrorLink,
    Evidence,
    Header,
    HttpAnswer,
    LocalResources,
    NameServer,
    ProxyAnswered,
    ProxyDecision,
    ResolveFailed,
    SdkFailed,
    StatusPage,
    TlsFailed,
    TlsHandshake,
    TraceEvent,
)
from oairunbook.route import resolve

from .recorded import connected, evidence, observation, resolved, sdk_failed
from .test_cases import CASES

ADDRESS = "162.159.140.245"
PROXY = ProxyDecision(url="http://proxy.acme.test:3128", scheme="http", host="proxy.acme.test", port=3128, rule="set")


def without_status(seen: Evidence, *instead: StatusPage) -> Evidence:
    kept = [o for o in seen.observations if o.probe != "status"]
    return replace(seen, observations=(*kept, *(observation("status", page) for page in instead)))


def test_a_wrong_clock_takes_a_second_witness_and_one_that_agrees_with_this_clock_clears_it() -> None:
    """An endpoint whose own clock stands still shows a certificate that was good then, as a wrong clock here does."""
    seen = CASES["tls_clock_a_year_ahead"].evidence
    here = datetime.fromisoformat(seen.collected_at)
    page = StatusPage(url="x", retrieved_at="x", indicator="none", description="x", date=format_datetime(here))
    verdicts = [diagnose(seen), diagnose(without_status(seen)), diagnose(without_status(seen, page))]

    assert [(v.cause, v.certainty) for v in verdicts] == [
        ("tls.clock_skew", "proven"),
        ("tls.clock_skew", "likely"),
        ("tls.expired", "proven"),
    ]
    assert any("the endpoint's own clock is wrong" in because.fact for because in verdicts[2].because)


def test_a_handshake_that_is_cut_is_proven_to_be_one_only_where_something_speaks_tls_there() -> None:
    cut = TlsFailed(
        address=ADDRESS, server_name="api.openai.com", errors=(), ended="eof", sent_bytes=517, received_bytes=0
    )
    shaken = TlsHandshake(address=ADDRESS, server_name="", version="TLSv1.3", cipher="x", alpn=None, chain=())
    path = (resolved(), connected(), observation(f"tls:{ADDRESS}", cut))
    other = replace(observation(f"tls.other_name:{ADDRESS}", shaken), changed="another name")

    alone, filtered = diagnose(evidence(*path)), diagnose(evidence(*path, other))

    assert (alone.cause, alone.certainty, alone.also[0].cause) == ("tls.reset", "likely", "tls.not_tls")
    assert (filtered.cause, filtered.certainty) == ("tls.reset", "proven")


@pytest.mark.parametrize(
    ("status", "title", "headers", "cause", "certainty"),
    [
        (404, None, (), "proxy.protocol_error", "likely"),
        (404, "404 - No such domain (Privoxy@proxy)", (("proxy-agent", "Privoxy"),), "proxy.upstream_failed", "proven"),
        (401, "Unauthorized", (("www-authenticate", "Basic"),), "proxy.auth_required", "likely"),
        (407, None, (), "proxy.auth_required", "proven"),
        (403, None, (), "proxy.denied", "proven"),
    ],
)
def test_what_a_web_server_answers_to_connect_as_well_proves_nothing_of_a_proxy(
    status: int, title: str | None, headers: tuple[tuple[str, str], ...], cause: str, certainty: str
) -> None:
    given = tuple(Header(name=name, value=value) for name, value in headers)
    said = ProxyAnswered(proxy=str(PROXY.url), status=status, protocol="http", reason="", headers=given, title=title)
    verdict = diagnose(evidence(resolved(), connected(), observation("proxy:10.0.0.1", said), proxy=PROXY))

    assert (verdict.cause, verdict.certainty) == (cause, certainty)


@pytest.mark.parametrize(
    ("text", "cause", "certainty"),
    [
        ("<h1>503 Service Temporarily Unavailable</h1>nginx", "http.gateway_error", "proven"),
        ("<h1>Please contact the help desk</h1>", "http.gateway_error", "likely"),
        ("<title>Web Page Blocked</title>", "http.blocked_page", "proven"),
    ],
)
def test_a_page_with_503_is_a_gateways_only_if_it_says_so(text: str, cause: str, certainty: str) -> None:
    body = Body(shape="html", size_bytes=100, title=None, sample=text)
    url = "https://api.openai.com/v1/chat/completions"
    page = HttpAnswer(method="POST", url=url, status=503, http_version="1.1", headers=(), body=body)
    verdict = diagnose(evidence(resolved(), connected(), sdk_failed(answer=page)))

    assert (verdict.cause, verdict.certainty) == (cause, certainty)


@pytest.mark.parametrize(("ended", "certainty"), [(None, "likely"), ("eof", "proven")])
def test_an_end_of_file_that_nobody_saw_on_the_socket_may_be_a_reset(ended: str | None, certainty: str) -> None:
    failed = sdk_failed().outcome
    assert isinstance(failed, SdkFailed)
    error = ErrorLink(type="httpx.RemoteProtocolError", text="Server disconnected without sending a response.")
    sent = (TraceEvent(name="http11.send_request_headers.complete", seconds=0.1),)
    outcome = replace(failed, errors=(error,), trace=sent, ended=ended)
    verdict = diagnose(evidence(resolved(), connected(), observation("sdk", outcome)))

    assert (verdict.cause, verdict.certainty) == ("http.disconnected", certainty)


@pytest.mark.parametrize(("named", "cause"), [("", "client.ca_bundle_unusable"), (": '/var/log/tls.keys'", "unknown")])
def test_a_file_that_is_not_the_store_is_no_fault_of_the_store(named: str, cause: str) -> None:
    """OpenSSL's loader names no file; what opens SSLKEYLOGFILE, or a factory's own configuration, does."""
    error = ErrorLink(type="FileNotFoundError", text=f"[Errno 2] No such file or directory{named}", errno=2)
    verdict = diagnose(evidence(observation("client.sdk", ClientRefused(stage="construction", errors=(error,)))))

    assert verdict.cause == cause


@pytest.mark.parametrize(
    ("used", "cause", "certainty"),
    [
        (12, "client.socket_not_permitted", "proven"),
        (None, "client.socket_not_permitted", "likely"),
        (65530, "client.resource_exhausted", "likely"),
    ],
)
def test_a_question_that_may_not_be_sent_is_a_rule_unless_no_more_connections_can_be_tracked(
    used: int | None, cause: str, certainty: str
) -> None:
    """The kernel drops what opens another connection while the table of nf_conntrack is full: send(2) ends in EPERM as by a rule."""
    resources = LocalResources(
        open_files=6, open_files_limit=1024, tracked_connections=used, tracked_connections_limit=65536
    )
    refused = ErrorLink(type="PermissionError", text="[Errno 1] Operation not permitted", errno=1, errno_name="EPERM")
    again = ErrorLink(type="socket.gaierror", text="[Errno -3]", errno=-3, errno_name="EAI_AGAIN")
    server = NameServer(address="10.0.0.53")
    verdict = diagnose(
        evidence(
            observation("client.resources", resources),
            observation("dns.system", ResolveFailed(name="api.openai.com", errors=(again,))),
            observation("dns.server:10.0.0.53", DnsNoAnswer(server=server, name="api.openai.com", errors=(refused,))),
        )
    )

    assert (verdict.cause, verdict.certainty) == (cause, certainty)


@pytest.mark.parametrize(("code", "message"), [(23, "certificate revoked"), (47, "permitted subtree violation")])
def test_what_a_store_holds_against_a_chain_besides_its_root_is_said_and_no_root_is_asked_for_first(
    code: int, message: str
) -> None:
    """No cause is its own; the nearest one speaks of a root, and a root would not mend it."""
    failed = TlsFailed(
        address=ADDRESS,
        server_name="api.openai.com",
        errors=(),
        ended="open",
        sent_bytes=517,
        received_bytes=2900,
        verify_code=code,
        verify_message=message,
    )
    verdict = diagnose(evidence(resolved(), connected(), observation(f"tls:{ADDRESS}", failed)))

    assert (verdict.cause, verdict.certainty) == ("tls.untrusted_issuer", "likely")
    assert "no missing root" in verdict.because[0].fact
    assert message in verdict.next[0]


@pytest.mark.parametrize(
    ("url", "cause", "owner"),
    [
        ("https://api.openai.com/v1", "http.blocked_page", "connection_path"),
        ("https://api.openai.com/portal", "http.not_an_api", "client_config"),
    ],
)
def test_a_page_at_the_documented_base_url_is_somebody_elses_and_no_wrong_base_url(
    url: str, cause: str, owner: str
) -> None:
    body = Body(shape="html", size_bytes=100, title="Gastzugang", sample="<h1>Bitte melden Sie sich an</h1>")
    page = HttpAnswer(method="POST", url=url, status=200, http_version="1.1", headers=(), body=body)
    route = resolve(base_url=url, environment={"OPENAI_API_KEY": "sk-x"})
    seen = replace(evidence(resolved(), connected(), sdk_failed(answer=page)), route=route)
    verdict = diagnose(seen)

    assert (verdict.cause, verdict.owner) == (cause, owner)
