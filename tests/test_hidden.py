"""`--hide`: what is handed over without the host names and addresses of one's network, in every view of it."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner, Result

from oairunbook.cli import cli
from oairunbook.diagnose import diagnose
from oairunbook.evidence import (
    Evidence,
    Header,
    NameServer,
    ProxyAnswered,
    ProxyDecision,
    Resolved,
    ResolverConfiguration,
    Setting,
)
from oairunbook.record import packet as packets
from oairunbook.record import show, svg
from oairunbook.record.hidden import Hidden, known_of
from oairunbook.record.run import archive_record

from .cases import cases
from .recorded import ROUTE, answer, connected, evidence, observation, refused, sdk_failed

BOTH = frozenset({"hosts", "addresses"})
OWN_ZONES = re.compile(
    r"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]+\.)+(?:example|test|internal|lan|corp|invalid)(?![A-Za-z0-9_-]|\.[A-Za-z0-9])"
)
ADDRESS = re.compile(
    r"(?<![0-9A-Fa-f.:])(?:[a-z]+:)?((?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f.]*)(?![\w:]|\.\d)"
)

PLANTED = (
    *(
        "gw-7.prod.canary.example",
        "canaryhost9",
        "px.canary.example",
        "san-1.canary.example",
        "db7.canary.example",
        "search.canary.example",
    ),
    *("alias.canary.example", "hop.canary.example", "login.canary.example", "ns9.canary.example", "canary.example"),
)
ADDRESSES = ("10.77.3.5", "10.77.9.9", "198.51.100.77", "2001:db8:77::9", "fd00:77::1")


def own(text: str) -> set[str]:
    """Host names of nobody but the world that recorded the case, and addresses but those of this machine itself."""
    found = {match.group().lower() for match in OWN_ZONES.finditer(text)}
    for match in ADDRESS.finditer(text):
        try:
            address = ipaddress.ip_address(match[1])
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified):
            found.add(match[1])
    return found


def views(seen: Evidence) -> Iterator[str]:
    verdict = diagnose(seen)
    packet = packets.build(seen, verdict)
    yield packets.to_markdown(packet)
    yield packets.to_json(packet)
    for view in (
        show.verdict(seen, verdict),
        show.path(seen, verdict),
        show.header(seen, verdict, "/a/20261130T052617Z-web_3-f25e0503"),
    ):
        yield view.html


@pytest.mark.parametrize("part", range(4))
def test_of_every_recorded_fault_no_view_names_a_host_or_an_address(part: int) -> None:
    met: set[str] = set()
    for case in islice(cases(), part, None, 24):
        hidden = Hidden(BOTH, bytes(32), known_of(case.evidence))
        for text in views(case.evidence):
            met |= own(text)
            assert own(hidden.page(text)) == set(), case.name
    assert len(met) > 10, "there was something to hide"


def planted() -> Evidence:
    """A record in which every place that can name a host names one."""
    said = answer(502, "no healthy upstream: db7.canary.example (10.77.9.9) behind login.canary.example")
    headers = (
        Header(name="location", value="https://login.canary.example/x"),
        Header(name="via", value="1.1 hop.canary.example"),
    )
    said = replace(said, url="https://gw-7.prod.canary.example:8443/v1/chat/completions", headers=headers)
    seen = evidence(
        observation(
            "dns.system",
            Resolved(
                name="gw-7.prod.canary.example",
                addresses=("198.51.100.77", "2001:db8:77::9"),
                canonical_name="alias.canary.example",
            ),
        ),
        connected("tcp:198.51.100.77"),
        refused("tcp:2001:db8:77::9", "[Errno 111] connect to fd00:77::1 for san-1.canary.example"),
        observation(
            "proxy",
            ProxyAnswered(
                proxy="http://px.canary.example:3128", status=407, protocol="http", reason="ask ns9.canary.example"
            ),
        ),
        sdk_failed("Connection error. gw-7.prod.canary.example said no", said),
        base_url=Setting(value="https://gw-7.prod.canary.example:8443/v1", source="OPENAI_BASE_URL"),
        host="gw-7.prod.canary.example",
        family="gateway",
        proxy=ProxyDecision(
            url="http://px.canary.example:3128", rule="HTTPS_PROXY; NO_PROXY=.canary.example,10.77.0.0/16"
        ),
        resolver=ResolverConfiguration(
            name_servers=(NameServer(address="10.77.3.5"),), search=("search.canary.example",)
        ),
    )
    return replace(seen, runtime=replace(seen.runtime, host="canaryhost9"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archived run with a notebook whose outputs name hosts as text, as a table, as a picture, and cut."""
    monkeypatch.setattr("socket.gethostname", lambda: "canaryhost9")
    monkeypatch.chdir(tmp_path)
    seen = planted()
    made = archive_record(tmp_path / "archive", seen, diagnose(seen))
    picture = svg.image(
        "Path",
        ["to gw-7.prod.canary.example"],
        [svg.text(9, 9, "gw-7.prod.canary.example 10.77.3.5", width=400)],
        height=64,
    )
    outputs = [
        nbformat.v4.new_output(
            "display_data",
            {"text/html": f"<table><tr><td>gw-7.prod.canary.example</td><td>10.77.3.5</td></tr></table>{picture.html}"},
        ),
        nbformat.v4.new_output(
            "stream",
            text="at canaryhost9, to gw-7.prod.can… (400 characters)\nOPENAI_BASE_URL=https://gw-7.prod.canary.example",
        ),
    ]
    cells = [
        nbformat.v4.new_markdown_cell("# From canaryhost9"),
        nbformat.v4.new_code_cell("base_url = 'https://gw-7.prod.canary.example:8443/v1'", outputs=outputs),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), made / "02_same_path.ipynb")
    return made


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, [*arguments, "--archive", "archive"])
    # The notebook was added to the run after it was archived, and whoever shows all of the run says so.
    assert result.exit_code == bool({"show", "report"} & {*arguments}), result.output
    return result


COMMANDS = (
    ("packet", "latest"),
    ("packet", "latest", "--json", "-"),
    ("packet", "latest", "--for", "connection_path"),
    ("packet", "latest", "--for", "route_provider", "--json", "-"),
    ("report", "latest", "-o", "-"),
)


def told(text: str, planted: tuple[str, ...]) -> list[str]:
    """What of it stands in a text, also in its pictures."""
    text = re.sub(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", lambda match: _decoded(match[1]), text)
    return [one for one in planted if one in text]


def _decoded(encoded: str) -> str:
    import base64

    return base64.b64decode(encoded).decode()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_planted_is_in_any_output_and_without_the_option_all_stays(run: Path, command: tuple[str, ...]) -> None:
    kept = call(*command).stdout
    assert told(kept, ("gw-7.prod.canary.example", "canaryhost9", "198.51.100.77")), (
        "names stay by default: without them a packet is worthless"
    )
    hidden = call(*command, "--hide", "hosts,addresses").stdout
    assert told(hidden, (*PLANTED, *ADDRESSES, "canary", "10.77.")) == []
    assert "[host:" in hidden
    if command[-1] == "-" and command[0] == "packet":
        document = json.loads(hidden)
        assert (document["owner"], document["cause"]) == tuple(json.loads(kept)[name] for name in ("owner", "cause"))


def test_a_level_hides_what_it_names_and_nothing_else(run: Path) -> None:
    hosts, addresses = (call("packet", "latest", "--hide", level).stdout for level in ("hosts", "addresses"))
    assert told(hosts, PLANTED) == []
    assert told(hosts, ("198.51.100.77",))
    assert told(addresses, ADDRESSES) == []
    assert told(addresses, ("gw-7.prod.canary.example", "canaryhost9"))
    assert "[IPv4 address:" in addresses
    assert "IPv6 address:" in addresses


def test_one_host_is_one_token_in_the_whole_archive_and_another_in_another(run: Path, tmp_path: Path) -> None:
    def tokens(text: str) -> set[str]:
        return set(re.findall(r"https://(\[host:[0-9a-f]{8}\]):8443", text))

    packet = tokens(call("packet", "latest", "--hide", "hosts").stdout)
    assert len(packet) == 1
    assert packet <= tokens(call("report", "latest", "-o", "-", "--hide", "hosts").stdout)
    seen = planted()
    archive_record(tmp_path / "other", seen, diagnose(seen))
    other = CliRunner().invoke(cli, ["packet", "latest", "--hide", "hosts", "--archive", "other"])
    assert len(tokens(other.stdout)) == 1
    assert tokens(other.stdout) != packet


def test_the_report_is_not_named_after_the_host(run: Path) -> None:
    written = Path(call("report", "latest", "--hide", "hosts").stdout.strip())
    assert written.name == f"run-{run.name.rpartition('-')[2]}.html"
    assert written.exists()
    assert "canaryhost9" in call("report", "latest").stdout


def test_a_name_made_to_be_slow_takes_no_more_than_its_length() -> None:
    """Each of its dots was one more domain to look for, as long as the rest of it."""
    endless = "label." * 20_000 + "gw-7.prod.canary.example"
    seen = replace(planted(), observations=(refused("tcp:198.51.100.77", endless),))
    assert (
        told(Hidden(BOTH, bytes(32), known_of(seen)).text(f"to gw-7.prod.canary.example, {endless}"), PLANTED[:1]) == []
    )


def test_what_says_nothing_of_a_network_stays(run: Path) -> None:
    text = (
        "openai.APIConnectionError at https://api.openai.com/v1, tls.untrusted_issuer, http11.send_request_headers.complete, "
        "127.0.0.1, ::1, 2026-11-30T05:10:22.123Z, rules 2026.11.30.1, OpenSSL 3.0.13, evidence.json, the proxy said no"
    )
    assert Hidden(BOTH, bytes(32), known_of(replace(planted(), route=replace(ROUTE, host="proxy")))).text(text) == text


def test_the_names_of_steps_stay_unless_a_host_is_called_so() -> None:
    seen = replace(
        planted(),
        observations=(
            connected("tls.certificate_request:198.51.100.77"),
            connected("tls.server_name:2001:db8:77::9"),
            connected("sdk.stream.second"),
        ),
    )
    text = Hidden(BOTH, bytes(32), known_of(seen)).text(
        "`tls.certificate_request:198.51.100.77`, `tls.server_name:2001:db8:77::9`, `sdk.stream.second`, web.canary.example"
    )
    assert "tls.certificate_request:[" in text
    assert "tls.server_name:[" in text
    assert "`sdk.stream.second`" in text
    assert told(text, (*PLANTED, *ADDRESSES)) == []
    called_so = replace(seen, route=replace(seen.route, host="sdk.stream.second"))
    assert "sdk.stream.second" not in Hidden(BOTH, bytes(32), known_of(called_so)).text("`sdk.stream.second`")


def test_a_level_that_is_none_is_a_wrong_call(run: Path) -> None:
    result = CliRunner().invoke(cli, ["packet", "latest", "--archive", "archive", "--hide", "users"])
    assert (result.exit_code, "users: give hosts, addresses, or hosts,addresses" in result.stderr) == (2, True)


def test_of_a_run_without_evidence_names_go_by_their_shape(run: Path) -> None:
    (run / "evidence.json").unlink()
    (run / "packet.md").chmod(0o600)
    (run / "packet.md").write_text(
        "https://gw-7.prod.canary.example:8443/v1 from canaryhost9, 10.77.3.5, Host: db7.canary.example\n"
    )
    handed = CliRunner().invoke(cli, ["packet", "latest", "--hide", "hosts,addresses", "--archive", "archive"])
    assert handed.exit_code == 1, "it is not what was archived"
    assert told(handed.output, (*PLANTED, *ADDRESSES)) == []
