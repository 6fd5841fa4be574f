"""Rules on made evidence: what looks alike and is not the same, where no recorded scenario shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oairunbook.diagnose import diagnose
from oairunbook.evidence import (
    Body,
    Certificate,
    DnsAnswer,
    DnsNoAnswer,
    DnsReply,
    Ending,
    ErrorLink,
    Evidence,
    HttpAnswer,
    LocalResources,
    NameServer,
    Observation,
    ProxyDecision,
    ProxyFailed,
    Resolved,
    ResolveFailed,
    ResolverConfiguration,
    SdkFailed,
    TlsFailed,
    TlsHandshake,
    TraceEvent,
)
from oairunbook.route import resolve
from oairunbook.verdict import Verdict
from tests.cases import cases
from tests.recorded import ROUTE, connected, evidence, observation, resolved, sdk_answered, sdk_failed

SERVER = NameServer(address="10.0.0.53")
NAME = "api.openai.com"
AGAIN = ErrorLink(type="socket.gaierror", text="Temporary failure in name resolution", errno=-3, errno_name="EAI_AGAIN")


def system_failed(seconds: float = 0.01) -> Observation:
    return replace(observation("dns.system", ResolveFailed(name=NAME, errors=(AGAIN,))), seconds=seconds)


def server_failed(errno_name: str) -> Observation:
    link = ErrorLink(type="OSError", text=errno_name, errno=1, errno_name=errno_name)
    outcome = DnsNoAnswer(server=SERVER, name=NAME, errors=(link,), ended="unreachable")
    return observation("dns.server:10.0.0.53", outcome)


def server_answers(rcode: str = "NOERROR") -> Observation:
    addresses = ("162.159.140.245",) if rcode == "NOERROR" else ()
    reply = DnsReply(rdtype="A", rcode=rcode, flags=(), addresses=addresses, ttl_seconds=60, transport="udp")
    return observation("dns.server:10.0.0.53", DnsAnswer(server=SERVER, name=NAME, replies=(reply,), unanswered=()))


def test_a_question_that_this_machine_forbids_is_its_own_rule_and_one_that_a_router_returns_is_not() -> None:
    forbidden = diagnose(evidence(system_failed(), server_failed("EPERM")))
    returned = diagnose(evidence(system_failed(), server_failed("EHOSTUNREACH")))

    assert (forbidden.cause, forbidden.owner) == ("client.socket_not_permitted", "client_config")
    assert (returned.cause, returned.owner) == ("dns.resolver_unreachable", "connection_path")


def test_a_runtime_without_any_internet_socket_is_a_sandbox_and_a_kernel_without_ipv6_is_none() -> None:
    """systemd's RestrictAddressFamilies= ends them with EAFNOSUPPORT, as a kernel ends those of a family that it lacks."""
    link = ErrorLink(
        type="OSError", text="Address family not supported by protocol", errno=97, errno_name="EAFNOSUPPORT"
    )

    def with_errors(*links: ErrorLink) -> Verdict:
        seen = LocalResources(open_files=3, open_files_limit=1024, socket_errors=links)
        local = replace(observation("client.resources", seen), layer="client")
        return diagnose(evidence(local, system_failed(), server_failed("EHOSTUNREACH")))

    assert (with_errors(link, link).cause, with_errors(link, link).certainty) == (
        "client.socket_not_permitted",
        "proven",
    )
    assert with_errors(link).cause == "dns.resolver_unreachable"


def test_a_failure_that_a_server_takes_back_at_once_is_the_servers_and_one_after_waiting_is_silence() -> None:
    configured = ResolverConfiguration(name_servers=(SERVER,))
    at_once = diagnose(evidence(system_failed(), server_answers(), resolver=configured))
    waited = diagnose(evidence(system_failed(2.0), server_answers(), resolver=configured))
    told = diagnose(evidence(system_failed(), server_answers("REFUSED"), resolver=configured))

    assert (at_once.cause, at_once.certainty) == ("dns.servfail", "likely")
    assert (waited.cause, waited.certainty) == ("dns.timeout", "likely")
    assert (told.cause, told.certainty) == ("dns.refused", "proven")


def unverified(issuer: str, *, kin: str | None = None, code: int = 20) -> Evidence:
    leaf = Certificate(
        subject=f"CN={NAME}",
        issuer=issuer,
        not_before="2026-01-01T00:00:00+00:00",
        not_after="2027-01-01T00:00:00+00:00",
        sha256="00",
        der_base64="",
    )
    link = ErrorLink(
        type="ssl.SSLCertVerificationError", text="unable to get local issuer certificate", verify_code=code
    )
    failed = TlsFailed(
        address="162.159.140.245",
        server_name=NAME,
        errors=(link,),
        ended="open",
        sent_bytes=500,
        received_bytes=900,
        verify_code=code,
        verify_message="unable to get local issuer certificate",
        chain=(leaf,),
        trusted_kin=kin,
    )
    return evidence(resolved(), connected(), observation("tls:162.159.140.245", failed))


ROOT = "CN=Acme Root, O=Acme Trust"


@pytest.mark.parametrize(
    ("issuer", "kin", "cause"),
    [
        ("CN=Acme Intermediate 3, O=Acme Trust", None, "tls.incomplete_chain"),
        ("CN=Acme TLS 2026, O=Acme Trust", ROOT, "tls.incomplete_chain"),
        ("CN=Acme TLS 2026, O=Acme Trust", None, "tls.untrusted_issuer"),
        ("CN=Acme Inspection Root, O=Acme Trust", ROOT, "tls.untrusted_issuer"),
        (ROOT, ROOT, "tls.untrusted_issuer"),
    ],
)
def test_a_leaf_alone_is_told_by_the_names_of_its_issuer_and_never_for_certain(
    issuer: str, kin: str | None, cause: str
) -> None:
    verdict = diagnose(unverified(issuer, kin=kin))

    assert (verdict.cause, verdict.certainty) == (cause, "likely")


def bare(status: int, title: str) -> HttpAnswer:
    body = Body(shape="html", size_bytes=100, title=title, sample="<html>")
    url = "https://api.openai.com/v1/chat/completions"
    return HttpAnswer(method="POST", url=url, status=status, http_version="1.1", headers=(), body=body)


@pytest.mark.parametrize(
    ("status", "family", "cause"),
    [
        (500, "direct", "api.server_error"),
        (429, "direct", "api.rate_limited"),
        (401, "gateway", "api.gateway_auth_failed"),
        (404, "direct", "http.not_an_api"),
        (502, "direct", "http.gateway_error"),
    ],
)
def test_a_bare_status_says_what_it_says_and_no_more(status: int, family: str, cause: str) -> None:
    route = resolve(
        base_url="https://llm.acme.test/v1" if family == "gateway" else None, environment={"OPENAI_API_KEY": "sk-x"}
    )
    seen = replace(evidence(resolved(), connected(), sdk_failed(answer=bare(status, f"{status}"))), route=route)
    verdict = diagnose(seen)

    assert verdict.cause == cause
    if cause.startswith("api."):
        assert verdict.certainty == "likely"


@pytest.mark.parametrize(
    ("ended", "cause", "certainty"),
    [("eof", "http.truncated", "proven"), ("reset", "http.reset", "proven"), (None, "http.truncated", "likely")],
)
def test_an_answer_that_breaks_off_is_a_reset_where_the_connection_underneath_says_so(
    ended: Ending | None, cause: str, certainty: str
) -> None:
    failed = sdk_failed().outcome
    assert isinstance(failed, SdkFailed)
    text = "peer closed connection without sending complete message body (received 12 bytes, expected 900)"
    error = ErrorLink(type="httpx.RemoteProtocolError", text=text)
    events = tuple(
        TraceEvent(name=name, seconds=0.1, status=200)
        for name in ("http11.send_request_headers.complete", "http11.receive_response_headers.complete")
    )
    outcome = replace(failed, errors=(error,), ended=ended, trace=events)
    verdict = diagnose(evidence(resolved(), connected(), observation("sdk", outcome)))

    assert (verdict.cause, verdict.certainty) == (cause, certainty)


def test_a_proxy_whose_certificate_nobody_trusts_may_be_one() -> None:
    proxy = ProxyDecision(
        url="https://proxy.acme.test:3443", scheme="https", host="proxy.acme.test", port=3443, rule="HTTPS_PROXY"
    )
    link = ErrorLink(type="ssl.SSLCertVerificationError", text="self-signed certificate", verify_code=18)
    failed = ProxyFailed(proxy=str(proxy.url), phase="tls", errors=(link,), ended="open")
    seen = evidence(resolved(), connected(), observation("proxy:10.0.0.1", failed), proxy=proxy)

    assert diagnose(seen).certainty == "likely"


@pytest.mark.parametrize(
    ("url", "received", "certainty"),
    [
        ("socks5h://proxy.acme.test:1080", "", "likely"),
        ("socks5h://proxy.acme.test:1080", r"\x05\x02", "likely"),
        ("socks5h://proxy.acme.test:1080", "HTTP/1.1 400 Bad Request", "proven"),
        ("http://proxy.acme.test:1080", "", "proven"),
    ],
)
def test_a_socks_server_that_hangs_up_may_want_a_password(url: str, received: str, certainty: str) -> None:
    proxy = ProxyDecision(url=url, scheme=url.partition(":")[0], host="proxy.acme.test", port=1080, rule="HTTPS_PROXY")
    link = ErrorLink(type="ConnectionError", text="the SOCKS server closed the connection in the handshake")
    failed = ProxyFailed(proxy=url, phase="handshake", errors=(link,), ended="eof", received=received)
    seen = evidence(resolved(), connected(), observation("proxy:10.0.0.1", failed), proxy=proxy)
    verdict = diagnose(seen)

    assert (verdict.cause, verdict.certainty) == ("proxy.protocol_error", certainty)
    assert ("password" in verdict.because[0].fact) == (certainty == "likely")


def test_what_answers_a_key_of_nobodys_over_plain_http_is_healthy_and_a_key_that_is_missing_is_not() -> None:
    good = replace(sdk_answered(), outcome=replace(sdk_answered().outcome, credential="placeholder"))
    plain = {"scheme": "http", "port": 8000}
    missing = replace(ROUTE.credential, present=False)

    assert diagnose(evidence(resolved(), connected(), good, **plain)).cause == "ok"
    assert diagnose(evidence(resolved(), connected(), good, **plain, credential=missing)).cause != "ok"
    assert diagnose(evidence(resolved(), connected(), good)).cause != "ok"


def test_a_slow_handshake_that_does_not_verify_is_its_certificate_and_no_path_mtu() -> None:
    """Small segments are tried while it is silent, and verify nothing: that they pass says nothing once it was answered."""
    link = ErrorLink(type="ssl.SSLCertVerificationError", text="self-signed certificate in chain", verify_code=19)
    untrusted = TlsFailed(
        address="162.159.140.245",
        server_name=NAME,
        errors=(link,),
        ended="open",
        sent_bytes=517,
        received_bytes=2900,
        verify_code=19,
        verify_message="self-signed certificate in certificate chain",
    )
    silent = replace(untrusted, errors=(), ended="silence", received_bytes=0, verify_code=None, verify_message=None)
    shaken = TlsHandshake(
        address="162.159.140.245", server_name=NAME, version="TLSv1.3", cipher="x", alpn=None, chain=()
    )
    small = replace(observation("tls.small_segments:162.159.140.245", shaken), changed="small segments")
    path = (resolved(), connected())

    failed = observation("tls:162.159.140.245", untrusted)
    assert diagnose(evidence(*path, failed, small)).cause == "tls.untrusted_issuer"
    assert diagnose(evidence(*path, replace(failed, outcome=silent), small)).cause == "tcp.path_mtu"


def test_a_completed_chain_that_got_no_answer_in_time_does_not_prove_that_nobody_trusts_it() -> None:
    link = ErrorLink(type="ssl.SSLCertVerificationError", text="unable to get local issuer certificate", verify_code=20)
    leaf = Certificate(
        subject="CN=api.openai.com",
        issuer="CN=Some CA",
        not_before="2026-01-01T00:00:00+00:00",
        not_after="2027-01-01T00:00:00+00:00",
        issuer_urls=("http://ca.example/ca.der",),
        sha256="0" * 64,
        der_base64="",
    )
    failed = TlsFailed(
        address="162.159.140.245",
        server_name=NAME,
        errors=(link,),
        ended="open",
        sent_bytes=517,
        received_bytes=1500,
        verify_code=20,
        verify_message="unable to get local issuer certificate",
        chain=(leaf,),
    )
    late = replace(failed, errors=(), ended="silence", verify_code=None, verify_message=None, chain=())
    path = (resolved(), connected(), observation("tls:162.159.140.245", failed))
    completed = replace(observation("tls.completed_chain", late), changed="the missing issuer is fetched")

    timed_out = diagnose(evidence(*path, completed))
    refused = diagnose(evidence(*path, replace(completed, outcome=replace(failed, chain=()))))
    assert (timed_out.cause, timed_out.certainty) == ("tls.incomplete_chain", "likely")
    assert (refused.cause, refused.certainty) == ("tls.untrusted_issuer", "proven")


@pytest.mark.parametrize(
    ("version", "cipher", "cause"),
    [
        ("TLSv1.1", "ECDHE-ECDSA-AES256-SHA", "tls.protocol_mismatch"),
        ("TLSv1.2", "ECDHE-ECDSA-AES128-CCM", "tls.protocol_mismatch"),
        ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", "tls.reset"),
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "tls.reset"),
    ],
)
def test_a_second_handshake_proves_a_mismatch_only_by_what_the_first_did_not_offer(
    version: str, cipher: str, cause: str
) -> None:
    cut = TlsFailed(
        address="162.159.140.245",
        server_name=NAME,
        errors=(),
        ended="reset",
        sent_bytes=517,
        received_bytes=0,
    )
    shaken = TlsHandshake(
        address="162.159.140.245", server_name=NAME, version=version, cipher=cipher, alpn=None, chain=()
    )
    older = replace(observation("tls.older_versions:162.159.140.245", shaken), changed="TLS 1.0 and later")
    verdict = diagnose(evidence(resolved(), connected(), observation("tls:162.159.140.245", cut), older))
    assert verdict.cause == cause


def test_silence_of_every_address_is_proven_and_of_the_first_of_many_it_is_not() -> None:
    case = next(c.evidence for c in cases() if c.name == "tcp_timeout")
    more = tuple(
        replace(o, outcome=replace(o.outcome, addresses=(*o.outcome.addresses, "162.159.140.99")))
        if isinstance(o.outcome, Resolved) and o.id == "dns.system"
        else o
        for o in case.observations
    )
    all_dialled, first_of_many = diagnose(case), diagnose(replace(case, observations=more))

    assert (all_dialled.cause, all_dialled.certainty) == ("tcp.timeout", "proven")
    assert (first_of_many.cause, first_of_many.certainty) == ("tcp.timeout", "likely")
    assert first_of_many.because[-1].fact == "1 more addresses were not dialled"


def test_a_reset_at_the_connect_is_the_proxys_and_one_at_the_request_behind_its_tunnel_is_not() -> None:
    """Both are sent in HTTP/1.1 and traced alike; only the handshake between them tells which it was."""
    url = "http://proxy.acme.example:3128"
    route = replace(
        ROUTE, proxy=ProxyDecision(url=url, host="proxy.acme.example", port=3128, rule="HTTPS_PROXY names it")
    )
    opened = ("connection.connect_tcp.started", "connection.connect_tcp.complete")
    asked = ("http11.send_request_headers.started", "http11.send_request_headers.complete")
    tunnelled = ("http11.receive_response_headers.complete", "proxy.start_tls.started", "proxy.start_tls.complete")
    broken = ("http11.receive_response_headers.started", "http11.receive_response_headers.failed")
    link = ErrorLink(type="httpcore2.RemoteProtocolError", text="Server disconnected without sending a response.")

    def judged(*steps: str) -> tuple[str, str]:
        failed = sdk_failed().outcome
        assert isinstance(failed, SdkFailed)
        trace = tuple(TraceEvent(name=name, seconds=0.1) for name in steps)
        own = replace(failed, trace=trace, ended="reset", errors=(link,), answer=None)
        verdict = diagnose(replace(evidence(observation("sdk", own, layer="api")), route=route))
        return verdict.cause, verdict.owner

    assert judged(*opened, *asked, *broken) == ("proxy.protocol_error", "connection_path")
    assert judged(*opened, *asked, *tunnelled, *asked, *broken) == ("http.reset", "connection_path")


def test_one_address_that_hangs_once_beside_one_that_answers_is_not_narrow_and_one_that_always_does_is() -> None:
    narrow, wide = "162.159.140.245", "172.66.0.243"
    shaken = TlsHandshake(address=narrow, server_name=NAME, version="TLSv1.3", cipher="x", alpn=None, chain=())
    link = ErrorLink(type="TimeoutError", text="timed out", errno_name="ETIMEDOUT")
    silent = TlsFailed(
        address=narrow, server_name=NAME, errors=(link,), ended="silence", sent_bytes=517, received_bytes=0
    )
    small = replace(observation(f"tls.small_segments:{narrow}", shaken), changed="small segments")
    walk = (resolved(), connected(), observation(f"tls:{narrow}", silent), small)
    beside = (*walk, observation(f"tls:{wide}", replace(shaken, address=wide)))
    again = tuple(
        replace(o, id=f"{o.id}#{n}", attempt=n)
        for n in range(2, 6)
        for o in (resolved(), observation(f"tls:{narrow}", silent))
    )

    assert diagnose(evidence(*walk)).cause == "tcp.path_mtu"
    assert diagnose(evidence(*beside)).cause != "tcp.path_mtu"
    assert diagnose(evidence(*beside, *again)).cause == "tcp.path_mtu"
