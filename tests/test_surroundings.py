"""What surrounds a process: shown as it is, read side by side with the check, and never a secret or a third party."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from oairunbook.diagnose.surroundings import differences, idle_limits, notes, platform_notes
from oairunbook.evidence import (
    Connected,
    ConnectFailed,
    DnsAnswer,
    DnsReply,
    ErrorLink,
    Evidence,
    EvidenceError,
    NameServer,
    Resolved,
    ResolverConfiguration,
    Setting,
    TrustStore,
    dumps,
    read_document,
)
from oairunbook.observe.around import certificates, egress, limits, look_around, settings
from oairunbook.record import live, show
from oairunbook.redaction import Secrets
from oairunbook.runtime import platform_marks
from oairunbook.surroundings import (
    SURROUNDINGS_SCHEMA,
    CertificateStore,
    Egress,
    Limit,
    Mark,
    SearchedName,
    Surroundings,
)

from .notebooks import execute
from .recorded import HOSTILE, evidence, observation
from .test_practice import Servers, answers, says, servers

__all__ = ["servers"]

AROUND = Surroundings(
    collected_at="2026-11-25T00:00:00+00:00",
    seconds=0.1,
    host="web-3",
    user="app, uid 1000, gid 1000",
    marks=(),
    libc="glibc 2.36",
    name_servers=(NameServer(address="10.0.0.2"),),
    searched=(),
    egress=(),
    stores=(),
    limits=(),
)


def facts(around: Surroundings, seen: Evidence | None = None) -> list[str]:
    return [note.fact for note in notes(around, seen or evidence())]


# -- what this runtime is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "platform"),
    [
        ({"AWS_LAMBDA_FUNCTION_NAME": "f", "LAMBDA_TASK_ROOT": "/var/task"}, "AWS Lambda"),
        ({"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}, "Amazon ECS"),
        ({"FUNCTION_TARGET": "main", "K_SERVICE": "s"}, "Google Cloud Functions"),
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, "Kubernetes"),
        ({"CONTAINER_APP_NAME": "a"}, "Azure Container Apps"),
        ({"container": "podman"}, "Podman container"),
    ],
)
def test_a_platform_is_recognised_by_what_it_sets_and_not_without_it(
    environment: dict[str, str], platform: str
) -> None:
    assert platform in [label for label, _ in platform_marks(environment)]
    assert platform not in [label for label, _ in platform_marks({})]


def test_what_is_known_of_a_platform_and_its_idle_limits_follow_its_marks() -> None:
    on_lambda = replace(AROUND, marks=(Mark(platform="AWS Lambda", shown_by="AWS_LAMBDA_FUNCTION_NAME is set"),))
    assert [note.fact for note in platform_notes(on_lambda)] == ["AWS Lambda"]
    assert "NAT gateway" in platform_notes(on_lambda)[0].means
    assert {limit.cloud for limit in idle_limits(on_lambda)} == {"AWS"}
    assert {limit.cloud for limit in idle_limits(AROUND)} == {"AWS", "Azure", "Google", "IBM"}
    assert "these are all that are known" in show.surroundings.idle(AROUND).text


# -- ways out -----------------------------------------------------------------------------------------------------


def seen_at(port: int, **changes: Any) -> Evidence:
    return evidence(scheme="https", host="127.0.0.1", port=port, **changes)


def test_each_way_out_is_tried_on_the_endpoint_alone_without_sending_a_byte() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        ways = egress.ways_out(seen_at(port), 2.0)
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.recv(10) == b""
    assert [way.target for way in ways] == [f"127.0.0.1 port {p}" for p in (port, 443, 80)]
    assert isinstance(ways[0].outcome, Connected)
    assert egress.ways_out(evidence(host="", port=0), 1.0) == ()


def test_names_of_the_search_list_are_asked_in_the_resolvers_order_and_a_wildcard_shows(servers: Servers) -> None:
    host, domain = "api.openai.com", "svc.cluster.local"
    wildcard = servers.start(answers(A="10.1.2.3"))
    resolver = ResolverConfiguration(name_servers=(wildcard,), search=(domain,), ndots=5)
    tried = egress.searched_names(resolver, host, 2.0)
    assert [one.name for one in tried] == [f"{host}.{domain}", host]
    seen = evidence(resolver=resolver)
    assert f"{host}.{domain} exists: 10.1.2.3." in facts(replace(AROUND, searched=tried), seen)

    absent = replace(resolver, name_servers=(servers.start(says(3)),))  # type: ignore[arg-type]
    tried = egress.searched_names(absent, host, 2.0)
    assert facts(replace(AROUND, searched=tried), evidence(resolver=absent)) == [
        f"ndots 5: 1 other names are tried before {host}."
    ]
    tried = egress.searched_names(replace(absent, ndots=1), host, 2.0)
    assert [one.name for one in tried] == [host, f"{host}.{domain}"]
    assert facts(replace(AROUND, searched=tried), evidence(resolver=replace(absent, ndots=1))) == []


def way(identity: str, name: str | None) -> Egress:
    outcome: Any = Connected(address="192.0.2.1", port=443)
    if name == "answers":
        reply = DnsReply(rdtype="A", rcode="NOERROR", addresses=("192.0.2.1",))
        outcome = DnsAnswer(server=NameServer(address="10.0.0.2"), name="x", replies=(reply,))
    elif name:
        error = ErrorLink(type="OSError", text="x", errno=1, errno_name=name)
        outcome = ConnectFailed(address="192.0.2.1", port=443, errors=(error,))
    return Egress(id=identity, target=identity, question="?", seconds=1.0, outcome=outcome)


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        (("ETIMEDOUT", "ETIMEDOUT", "answers"), "Every port of the endpoint stays silent; name servers answer."),
        (("ETIMEDOUT", "ECONNREFUSED", "answers"), "Port 443 stays silent, and tcp:80:192.0.2.1 answers."),
        (("EPERM", "EPERM", "answers"), "The system forbids the connection itself."),
        (("ENETUNREACH", "ENETUNREACH", "answers"), "No route to the endpoint (ENETUNREACH)."),
        ((None, "ETIMEDOUT", "answers"), None),
        (("ECONNREFUSED", "ECONNREFUSED", "answers"), None),
    ],
)
def test_ways_out_are_read_together(ways: tuple[str | None, str, str], expected: str | None) -> None:
    own, plain, name = ways
    around = replace(
        AROUND, egress=(way("tcp:443:192.0.2.1", own), way("tcp:80:192.0.2.1", plain), way("udp:53:10.0.0.2", name))
    )
    assert facts(around) == ([expected] if expected else [])


# -- certificates -------------------------------------------------------------------------------------------------


def test_stores_are_counted_and_roots_that_no_public_list_has_are_named(tmp_path: Path) -> None:
    private = tmp_path / "private.pem"
    private.write_bytes(trustme.CA(organization_name="Example Inspection").cert_pem.bytes())
    empty = tmp_path / "empty.pem"
    empty.touch()
    used = TrustStore(origin="ssl_cert_file", path=str(empty), reason="SSL_CERT_FILE")
    found = certificates.stores(used, {"REQUESTS_CA_BUNDLE": str(private)})
    assert found[0].in_use
    assert found[0].problem is not None
    other = next(store for store in found if store.read_by == "REQUESTS_CA_BUNDLE")
    assert (other.roots, other.only_here_count) == (1, 1)
    public = next(store for store in found if store.read_by == "certifi")
    assert public.only_here == ()
    assert (public.roots or 0) > 50
    told = facts(replace(AROUND, stores=found))
    assert [fact for fact in told if fact.startswith(f"The store in use, {empty}")]
    assert [fact for fact in told if "has roots that the store in use lacks" in fact]


def test_a_store_that_holds_the_same_private_root_is_nothing_to_speak_of() -> None:
    used = CertificateStore(read_by="the SDK", path="/a", in_use=True, roots=2, only_here=("R",), only_here_count=1)
    same = CertificateStore(
        read_by="REQUESTS_CA_BUNDLE", path="/b", in_use=False, roots=2, only_here=("R",), only_here_count=1
    )
    assert facts(replace(AROUND, stores=(used, same))) == []


# -- limits, interfaces, settings ---------------------------------------------------------------------------------


def test_limits_of_this_process_are_read_with_what_is_used() -> None:
    found = {limit.name: limit for limit in limits.limits()}
    files = found["open files of this process"]
    with socket.socket(), socket.socket(), socket.socket():
        more = {limit.name: limit for limit in limits.limits()}["open files of this process"]
    assert (more.used or 0) >= (files.used or 0) + 3
    assert "default route, IPv4" in [setting.source for setting in limits.interfaces()]


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (Limit(name="open files of this process", limit=100, used=90, unit="", source="s"), True),
        (Limit(name="open files of this process", limit=100, used=50, unit="", source="s"), False),
        (Limit(name="processes killed for want of memory", limit=None, used=2, unit="so far", source="s"), True),
        (Limit(name="periods in which it was slowed down", limit=None, used=40.0, unit="%", source="s"), True),
        (Limit(name="periods in which it was slowed down", limit=None, used=2.0, unit="%", source="s"), False),
    ],
)
def test_a_limit_is_spoken_of_when_it_is_near(limit: Limit, told: bool) -> None:
    assert bool(facts(replace(AROUND, limits=(limit,)))) is told


def test_ipv6_addresses_without_a_way_for_them_are_spoken_of() -> None:
    seen = evidence(observation("dns.system", Resolved(name="x", addresses=("2001:db8::1", "192.0.2.1"))))
    there = (Setting(value="on", source="IPv6"), Setting(value="there", source="default route, IPv6"))
    none = (Setting(value="on", source="IPv6"), Setting(value="none", source="default route, IPv6"))
    assert facts(replace(AROUND, interfaces=there), seen) == []
    assert facts(replace(AROUND, interfaces=none), seen)
    assert facts(replace(AROUND, interfaces=none)) == []


def test_settings_of_installers_are_found_without_their_credentials(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text(
        "https-proxy=http://user:hunter2secret@proxy.corp:3128\n//registry/:_authToken=abcdef123456\n"
    )
    (tmp_path / ".docker").mkdir()
    proxies = {"default": {"httpsProxy": "http://u:hunter2secret@proxy.corp:3128"}}
    (tmp_path / ".docker/config.json").write_text(
        json.dumps({"proxies": proxies, "auths": {"r": {"auth": "c2VjcmV0"}}})
    )
    environment = {"HOME": str(tmp_path), "PIP_INDEX_URL": "https://u:hunter2secret@mirror.corp/simple"}
    found = {setting.source: setting.value for setting in settings.read_by_others(environment)}
    assert found[str(tmp_path / ".npmrc")] == "https-proxy = http://proxy.corp:3128"
    assert "proxy.corp:3128" in found[str(tmp_path / ".docker/config.json")]
    assert found["PIP_INDEX_URL"] == "https://mirror.corp/simple"
    assert not any("hunter2" in value or "abcdef" in value or "c2Vj" in value for value in found.values())
    around = replace(AROUND, read_by_others=settings.read_by_others(environment))
    assert any("the SDK has none" in fact for fact in facts(around))
    own = (Setting(value="http://proxy.corp:3128", source="HTTPS_PROXY"),)
    assert not any("the SDK has none" in fact for fact in facts(replace(around, read_by_sdk=own)))


def test_two_places_are_compared_and_equal_ones_differ_in_nothing() -> None:
    built = replace(AROUND, host="builder", read_by_sdk=(Setting(value="http://p:1", source="HTTPS_PROXY"),))
    assert differences(built, AROUND) == (
        ("Host", "builder", "web-3"),
        ("HTTPS_PROXY", "http://p:1", "absent"),
    )
    assert differences(AROUND, AROUND) == ()
    assert "http://p:1" in show.surroundings.build_and_run(AROUND, built).text


# -- records and notebook -----------------------------------------------------------------------------------------


def test_what_was_looked_at_is_redacted_read_back_and_never_looked_at_for_a_record_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"HTTPS_PROXY": "http://user:hunter2secret@127.0.0.1:1", "HOME": str(tmp_path)}
    around = look_around(seen_at(9), Secrets.from_environment(environment), timeout=1.0, environment=environment)
    assert "hunter2" not in dumps(around)
    assert read_document(Surroundings, dumps(around), SURROUNDINGS_SCHEMA) == around

    file = tmp_path / "evidence.json"
    file.write_text(dumps(evidence()))
    assert live.surroundings(evidence(), evidence=str(file)) is None
    assert "Nothing was looked at" in show.surroundings.ways_out(None).text
    (tmp_path / live.SURROUNDINGS_FILE).write_text(dumps(AROUND))
    assert live.surroundings(evidence(), evidence=str(file)) == AROUND
    assert live.recorded_surroundings(str(tmp_path)) == AROUND
    with pytest.raises(EvidenceError, match="schema"):
        live.recorded_surroundings(str(file))


def test_the_notebook_says_verdict_and_what_stands_out_of_three_faults_and_of_a_healthy_path(tmp_path: Path) -> None:
    built = tmp_path / "surroundings.json"
    built.write_text(dumps(AROUND))
    faults = ("tcp.timeout", "dns.nxdomain", "client.ca_bundle_unusable.empty", "ok")
    done = execute("04_serverless_container", faults, tmp_path, {"build": str(built)})
    assert {fault: one.verdict["cause"] for fault, one in done.items()} == {
        "tcp.timeout": "tcp.timeout",
        "dns.nxdomain": "dns.nxdomain",
        "client.ca_bundle_unusable.empty": "client.ca_bundle_unusable",
        "ok": "ok",
    }
    assert "failed (ETIMEDOUT)" in done["tcp.timeout"].text("egress")
    assert "NXDOMAIN" in done["dns.nxdomain"].text("egress")
    assert "The store in use" in done["client.ca_bundle_unusable.empty"].text("notes")
    assert "open" in done["ok"].text("egress")
    for one in done.values():
        assert "web-3" in one.text("build"), "the place where the image was built"
        assert (one.run / live.SURROUNDINGS_FILE).exists()
        assert "sk-practice-not-a-real-key" not in one.whole


def test_hostile_names_stay_inert() -> None:
    named = DnsAnswer(server=NameServer(address="10.0.0.2"), name=HOSTILE, replies=())
    around = replace(
        AROUND,
        host=HOSTILE,
        marks=(Mark(platform=HOSTILE, shown_by=HOSTILE),),
        searched=(SearchedName(name=HOSTILE, outcome=named),),
        read_by_others=(Setting(value=HOSTILE, source=HOSTILE),),
    )
    views = (
        show.surroundings.what(around),
        show.surroundings.resolver(around, evidence()),
        show.surroundings.build_and_run(around, None),
        show.surroundings.stands_out(around, evidence()),
    )
    for view in views:
        assert "<script" not in view.html
        assert "\u202e" not in view.html + view.text
