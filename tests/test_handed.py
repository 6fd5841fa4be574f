"""`--hide` on a record: names and addresses of one's network are gone from it, and it is still read, judged and compared as before."""

from __future__ import annotations

import ipaddress
import socket
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oairunbook.cli import cli
from oairunbook.comparison import compare
from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence, TlsHandshake, dumps, load_evidence
from oairunbook.record.archive.find import archive_of
from oairunbook.record.handed import handed_over
from oairunbook.record.hidden import Hidden, hiding_key, key_of, known_of
from oairunbook.record.run import archive_record

from .cases import cases
from .recorded import ROUTE, connected, evidence, observation, refused
from .test_hidden import ADDRESSES, BOTH, PLANTED, own, planted, told

NOBODYS = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "240.0.0.0/4", "fd00::/8", "fe80::/10", "2001:db8::/32"),
    )
)


def is_nobodys(name: str) -> bool:
    if name.startswith("hidden-"):
        return True
    address = ipaddress.ip_address(name)
    return any(address.version == net.version and address in net for net in NOBODYS)


@pytest.mark.parametrize("part", range(2))
def test_of_recorded_faults_nothing_is_named_and_the_verdict_stays(part: int) -> None:
    met: set[str] = set()
    for case in islice(cases(), part, None, 8):
        seen, without = handed_over(case.evidence, BOTH, bytes(32))
        met |= own(dumps(case.evidence))
        text = dumps(seen) + dumps(without(diagnose(case.evidence)))
        assert all(is_nobodys(name) for name in own(text)), case.name
        before, after = diagnose(case.evidence), diagnose(load_evidence(dumps(seen)))
        assert before.cause == case.cause
        for field in ("cause", "owner", "layer", "certainty", "pattern", "failed", "tried"):
            assert getattr(before, field) == getattr(after, field), (case.name, field)
    assert len(met) > 10, "there was something to hide"


def test_the_digits_are_those_of_the_packets_of_the_same_archive(tmp_path: Path) -> None:
    seen = planted()
    run = archive_record(tmp_path / "archive", seen, diagnose(seen))
    key = key_of(run)
    assert key
    hidden, _ = handed_over(seen, BOTH, hiding_key(run / "evidence.json"))
    text = dumps(hidden)
    assert told(text, (*PLANTED, *ADDRESSES)) == []
    in_a_packet = Hidden(BOTH, key, known_of(seen)).text("gw-7.prod.canary.example 2001:db8:77::9 10.77.3.5")
    host, six, four = (part.rpartition(":")[2].rstrip("]") for part in in_a_packet.split("] "))
    assert f"hidden-{host}.example" in text
    assert f"2001:db8::{six[:4].lstrip('0')}:{six[4:].lstrip('0')}" in text
    assert str(ipaddress.ip_address(0x0A000000 | int(four, 16) & 0xFFFFFF)) in text
    assert archive_of(str(run / "evidence.json")) == str(tmp_path / "archive")


def test_what_kind_of_name_and_address_it_was_stays() -> None:
    hosts = {
        "contoso.openai.azure.com": ".openai.azure.com",
        "contoso.privatelink.openai.azure.com": ".privatelink.openai.azure.com",
        "tenant.azure-api.net": ".azure-api.net",
        "gw.svc.cluster.local": ".local",
        "gw.company.com": ".example.com",
        "squid": "",
    }
    addresses = {
        "10.1.2.3": "10.",
        "192.168.1.9": "10.",
        "100.64.1.1": "100.",
        "8.8.4.4": "2",
        "2a00:1450::5": "2001:db8::",
        "fd12::1": "fd00::",
        "fe80::1": "fe80::",
    }
    for host, end in hosts.items():
        seen, _ = handed_over(evidence(connected(), host=host), BOTH, bytes(32))
        assert seen.route.host.startswith("hidden-"), host
        assert seen.route.host[15:] == end, host
    for address, begin in addresses.items():
        seen, _ = handed_over(evidence(connected(f"tcp:{address}"), refused(f"tcp:{address}")), BOTH, bytes(32))
        shown = seen.observations[0].id.partition(":")[2]
        assert shown.startswith(begin), address
        assert shown != address
    for kept in ("api.openai.com", "us.api.openai.com", "openrouter.ai", "127.0.0.1"):
        assert handed_over(evidence(connected(), host=kept), BOTH, bytes(32))[0].route.host == kept


def test_one_level_alone_leaves_the_other() -> None:
    seen = planted()
    without_hosts, _ = handed_over(seen, frozenset({"hosts"}), bytes(32))
    without_addresses, _ = handed_over(seen, frozenset({"addresses"}), bytes(32))
    assert told(dumps(without_hosts), PLANTED) == []
    assert told(dumps(without_hosts), ADDRESSES)
    assert told(dumps(without_addresses), ADDRESSES) == []
    assert told(dumps(without_addresses), PLANTED)


def test_a_certificate_says_no_name_by_its_bytes_or_its_hash() -> None:
    case = next(case for case in cases() if any(outcome.chain for _, outcome in case.evidence.of(TlsHandshake)))
    seen, _ = handed_over(case.evidence, BOTH, bytes(32))
    before = [one for _, outcome in case.evidence.of(TlsHandshake) for one in outcome.chain]
    after = [one for _, outcome in seen.of(TlsHandshake) for one in outcome.chain]
    assert len(before) == len(after) > 0
    assert not {one.sha256 for one in before} & {one.sha256 for one in after}
    assert {one.der_base64 for one in after} == {""}


def call(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=text)


def test_a_record_is_handed_over_by_diagnose_and_is_read_by_whoever_gets_it(tmp_path: Path) -> None:
    first, second = planted(), replace(planted(), seconds=9.0)
    for name, one in (("a", first), ("b", second)):
        (tmp_path / f"{name}.json").write_text(dumps(one))
    plain = call("diagnose", str(tmp_path / "a.json"))
    out = tmp_path / "handed.json"
    done = call("diagnose", str(tmp_path / "a.json"), "--hide", "hosts,addresses", "--json", str(out))
    assert done.exit_code == plain.exit_code
    assert told(plain.output, PLANTED)
    assert told(done.output + out.read_text(), (*PLANTED, *ADDRESSES)) == []
    assert "Hidden on request: addresses, hosts; what stands in their place belongs to nobody." in done.stdout
    again = call("diagnose", str(out))
    assert again.exit_code == plain.exit_code
    assert [line for line in again.stdout.splitlines() if line.startswith("cause")] == [
        line for line in plain.stdout.splitlines() if line.startswith("cause")
    ]
    twice = call("diagnose", str(out), "--hide", "hosts")
    assert "hidden-" in twice.stdout
    handed: list[Evidence] = [load_evidence(out.read_bytes()) for _ in range(2)]
    assert compare(*handed, ["key-scope"]).exit_status == 0


def test_what_is_shown_of_a_run_a_text_and_a_check_names_nobody_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "canaryhost9")
    monkeypatch.chdir(tmp_path)
    seen = planted()
    archive_record(tmp_path / "archive", seen, diagnose(seen))
    for more in ((), ("--json", "-")):
        shown = call("archive", "show", "latest", *more)
        assert told(shown.output, PLANTED)
        shown = call("archive", "show", "latest", "--hide", "hosts,addresses", *more)
        assert shown.exit_code == 0, shown.output
        assert told(shown.output, (*PLANTED, *ADDRESSES)) == []
    text = "httpx.ConnectError: [Errno 111] connect to db7.canary.example (10.77.9.9) refused"
    for more in ((), ("--json", "-")):
        judged = call("triage", "-", "--hide", "hosts,addresses", *more, text=text)
        assert judged.exit_code == 1
        assert told(judged.output, (*PLANTED, *ADDRESSES)) == []
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    checked = call("check", "-q", "--hide", "hosts", "--budget", "5", "--control-url", "", "--json", "out.json")
    assert checked.exit_code == 1
    assert "hidden-" in checked.stdout
    assert "http://127.0.0.1:1/v1" in checked.stdout
    assert told(checked.output + Path("out.json").read_text(), ("canaryhost9",)) == []


def test_a_comparison_names_nobody_and_is_the_same_one(tmp_path: Path) -> None:
    """One host is one token in both records, so what was equal is equal, and what differed differs."""
    first = planted()
    second = replace(
        first,
        route=replace(first.route, base_url=replace(first.route.base_url, value="https://gw-8.prod.canary.example/v1")),
    )
    for name, one in (("a", first), ("b", second)):
        (tmp_path / f"{name}.json").write_text(dumps(one))
    same = ("compare", str(tmp_path / "a.json"), str(tmp_path / "a.json"), "--despite", "key-scope")
    other = ("compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--despite", "key-scope")
    for asked, status in ((same, 0), (other, 2), ((*other, "--despite", "endpoint"), 0)):
        for more in ((), ("--json", "-")):
            plain, hidden = call(*asked, *more), call(*asked, "--hide", "hosts,addresses", *more)
            assert (plain.exit_code, hidden.exit_code) == (status, status), plain.output
            assert told(hidden.output.replace(str(tmp_path), ""), (*PLANTED, *ADDRESSES, "gw-8")) == []
    assert told(call(*other).output, PLANTED)


def test_a_collected_record_names_nobody_and_can_be_judged(tmp_path: Path) -> None:
    there = (
        "collect",
        "-q",
        "--python",
        sys.executable,
        "--base-url",
        "http://canary-host.example:1/v1",
        "--budget",
        "5",
        "--control-url",
        "",
    )
    plain, hidden = call(*there), call(*there, "--hide", "hosts,addresses")
    assert (plain.exit_code, hidden.exit_code) == (0, 0), hidden.stderr
    host = socket.gethostname()
    assert told(plain.stdout, ("canary-host", host)) == ["canary-host", host]
    assert told(hidden.output, ("canary-host", host)) == []
    causes = [
        call("diagnose", "-", text=done.stdout).stdout.partition("cause")[2].splitlines()[0] for done in (plain, hidden)
    ]
    assert causes[0] == causes[1]


def test_a_host_with_an_ordinary_name_is_hidden_where_it_stands_as_a_host() -> None:
    seen, _ = handed_over(evidence(observation("tcp", connected().outcome), host="proxy"), BOTH, bytes(32))
    assert seen.route.host.startswith("hidden-")
    assert ROUTE.host == "api.openai.com"
