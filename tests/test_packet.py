"""The packet holds what an owner asks for, nothing secret, and nothing that a ticket system would obey."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from oairunbook.cli import cli
from oairunbook.diagnose import diagnose
from oairunbook.evidence import Collector, Evidence, Header, SdkFailed, Setting, TraceEvent
from oairunbook.record.archive.draft import Kind, begin
from oairunbook.record.packet import Packet, build, to_json, to_markdown, write
from oairunbook.record.run import archive_record
from oairunbook.verdict import GOES_TO, Owner

from .cases import cases
from .recorded import HOSTILE, answer, connected, evidence, refused, resolved, sdk_answered, sdk_failed

markdown_it = pytest.importorskip("markdown_it")


def packet(record: Evidence) -> Packet:
    return build(record, diagnose(record))


def html_of(text: str) -> str:
    """As GitHub renders it: tables, and addresses in running text become links."""
    parser = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table")
    return str(parser.render(text))


def test_a_packet_for_no_answer_says_everything_that_the_owner_of_the_path_asks_for() -> None:
    built = packet(evidence(resolved(), refused(), sdk_failed()))
    assert built.at == "2026-11-24 14:02:11 UTC"
    assert built.timezone == "Europe/Berlin"
    assert (built.base_url, built.base_url_source) == ("https://api.openai.com/v1", "default")
    assert (built.sdk, built.transport) == ("openai 2.8.0", "httpx 0.28.1")
    assert built.model == "gpt-4o-mini"
    assert built.runtime.startswith("web-3 (Kubernetes pod)")
    assert built.region == "eu-west-1"
    assert built.route == "direct"
    assert built.exception[0] == "openai.APIConnectionError: Connection error."
    assert (built.status, built.body, built.request_id) == (None, None, None)
    assert [step.observation for step in built.proved] == ["dns.system", "tcp:162.159.140.245", "sdk"]
    assert "no status, no body, no request id returned" in built.statement
    assert built.log
    for told in (
        "14:02:11",
        "Europe/Berlin",
        "api.openai.com",
        "2.8.0",
        "gpt-4o-mini",
        "web-3",
        "eu-west-1",
        "none came back",
    ):
        assert told in to_markdown(built)


def test_a_packet_for_an_answer_holds_status_body_and_request_id() -> None:
    built = packet(evidence(resolved(), connected(), sdk_failed(answer=answer())))
    assert (built.status, built.request_id) == (401, "req_2")
    assert "invalid_api_key" in str(built.body)
    assert built.owner == "auth"


def test_the_json_says_the_same_under_its_schema() -> None:
    built = packet(evidence(resolved(), refused(), sdk_failed()))
    document = json.loads(to_json(built))
    assert document["schema"] == "oairunbook.packet/1"
    assert document["cause"] == built.cause
    assert document["exception"] == list(built.exception)


@pytest.mark.parametrize("many", [1, 400])
def test_hostile_text_is_neither_markup_nor_link_and_does_not_swell_the_packet(many: int) -> None:
    text = HOSTILE * many
    record = evidence(
        resolved(),
        *(refused(f"tcp:10.0.0.{n}", text) for n in range(60)),
        sdk_failed(text, answer(message=text, request_id=text)),
    )
    built = packet(record)
    shown = to_markdown(built)
    rendered = html_of(shown)
    assert len(shown.encode()) < 20_000
    assert len(to_json(built).encode()) < 20_000
    assert built.left_out > 0
    assert not [markup for markup in ("<script", "<img", "<a ", "<h1>heading", "<h2>heading") if markup in rendered]
    assert not any(ord(c) < 32 and c != "\n" for c in shown)
    assert "\u202e" not in shown
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert all(row.endswith(" |") for row in rows)


def test_a_packet_fits_into_a_ticket_whatever_fills_it_and_keeps_what_is_asked() -> None:
    """What others paste counts in bytes, not in characters, and a long command or path as much as an error."""
    filler = "\U0001f4a9*_" * 2_000
    record = evidence(resolved(), refused(), sdk_failed())
    *before, last = record.observations
    assert isinstance(last.outcome, SdkFailed)
    errors = tuple(replace(error, text=filler) for error in last.outcome.errors * 20)
    place = Collector(carrier="command", command=f"ssh {filler}", left_out=(filler,) * 9)
    filled = replace(
        record,
        observations=(*before, replace(last, outcome=replace(last.outcome, errors=errors))),
        runtime=replace(record.runtime, executable=filler, collector=place),
        redactions=(filler,) * 90,
    )
    small, large = packet(record), packet(filled)
    for built in (small, large):
        assert len(to_markdown(built).encode()) < 20_000
        assert len(to_json(built).encode()) < 20_000
    assert (large.asks, large.next) == (small.asks, small.next)


def test_addresses_in_running_text_do_not_become_links() -> None:
    """GitHub and Jira turn bare addresses into links; in the verdict's own words one may stand that a server sent."""
    record = evidence(resolved(), refused(), sdk_failed())
    verdict = replace(diagnose(record), summary="see https://evil.test/x or www.evil.test or a@evil.test")
    shown = to_markdown(build(record, verdict))
    for address in ("https://evil.test", "www.evil.test", "a@evil.test"):
        assert address not in shown
    assert "see https://evil.test/x or www.evil.test or a@evil.test" in html_of(shown)


def test_a_practice_packet_says_so_first_and_asks_not_to_be_escalated() -> None:
    shown = to_markdown(packet(evidence(resolved(), refused(), practice="tcp.refused")))
    assert shown.splitlines()[2].startswith("**Practice.**")
    assert "Do not escalate this." in shown
    assert "Practice" not in to_markdown(packet(evidence(resolved(), refused())))


def test_a_healthy_path_goes_to_nobody() -> None:
    assert packet(evidence(resolved(), connected(), sdk_answered())).goes_to == "nobody: the path works"


def test_the_log_holds_the_steps_of_the_transport_with_their_times() -> None:
    failed = sdk_failed()
    events = (TraceEvent(name="connection.connect_tcp.started", seconds=0.047, host="api.openai.com", port=443),)
    record = evidence(resolved(), replace(failed, outcome=replace(failed.outcome, trace=events)))
    assert packet(record).log[0] == "sdk +0.047 s connection.connect_tcp.started api.openai.com:443"


def test_the_files_are_written_for_their_owner_alone(tmp_path: Path) -> None:
    files = write(packet(evidence(resolved(), refused())), tmp_path / "new" / "folder")
    assert [path.name for path in files] == ["packet.md", "packet.json"]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
    assert sorted(path.name for path in files[0].parent.iterdir()) == ["packet.json", "packet.md"]


def test_the_network_is_asked_for_the_connections_with_host_addresses_and_time() -> None:
    built = packet(evidence(resolved(), refused(), sdk_failed()))
    assert built.asks[0].startswith("Do connections from web-3 to api.openai.com port 443 (addresses 162.159.140.245")
    assert "What you are asked to check" in to_markdown(built)


def test_the_server_is_asked_by_its_request_id_and_the_account_by_its_limits() -> None:
    record = evidence(resolved(), connected(), sdk_failed(answer=answer()))
    verdict = diagnose(record)
    assert "req_2" in build(record, verdict, owner="server").asks[0]
    assert "rate-limit header" in build(record, verdict, owner="quota_or_rate").asks[0]


@pytest.mark.parametrize("owner", [owner for owner in get_args(Owner) if owner not in ("none", "unknown")])
def test_every_owner_is_asked_something_and_the_verdict_stays_what_it_is(owner: Owner) -> None:
    record = evidence(resolved(), refused(), sdk_failed())
    verdict = diagnose(record)
    copy = build(record, verdict, owner=owner)
    assert copy.asks
    assert copy.goes_to == GOES_TO[owner]
    assert (copy.owner, copy.cause) == (verdict.owner, verdict.cause)


def test_azure_is_asked_by_its_own_id_deployment_and_version() -> None:
    azure = replace(
        evidence(resolved()).route,
        family="azure",
        host="acme.openai.azure.com",
        api_version=Setting(value="2024-10-21", source="OPENAI_API_VERSION"),
    )
    refusal = answer()
    headers = (Header(name="apim-request-id", value="a1b2"), Header(name="x-ms-region", value="East US"))
    record = replace(
        evidence(resolved(), connected(), sdk_failed(answer=replace(refusal, headers=headers))), route=azure
    )
    asked = " ".join(build(record, diagnose(record), owner="route_provider").asks)
    for told in ("a1b2", "East US", "gpt-4o-mini", "2024-10-21", "acme.openai.azure.com"):
        assert told in asked


def recorded(name: str) -> Evidence:
    return next(case.evidence for case in cases() if case.name == name)


def test_a_packet_names_one_request_id_the_one_that_azure_finds_it_by() -> None:
    record = recorded("azure_network_denied")
    built = packet(record)
    text = to_markdown(built)
    assert built.request_id == "36a7047c-103c-45d8-99dc-5b66e4d8cbcf"
    assert built.request_id in built.asks[0]
    assert built.request_id in built.because[0]
    assert built.request_id in built.statement
    assert "c36895fb-cb7b-4a56-92ff-126fd076ad23" not in text, "the other id of the same answer"


def test_what_azure_refuses_goes_to_whoever_runs_the_resource_in_equal_words_each_time() -> None:
    built = packet(recorded("azure_network_denied"))
    assert built.goes_to.startswith("whoever runs the Azure resource")
    assert built.next[0].startswith("Ask who runs the Azure resource")
    assert "gateway" not in built.goes_to
    assert "control" not in " ".join(built.because), "the answer alone decides the owner"
    assert built.pattern == "steady"


def test_a_packet_names_the_model_that_was_sent_and_who_chose_it() -> None:
    picked = packet(evidence(resolved(), refused(), sdk_failed(), model=None))
    assert picked.model == "gpt-4o-mini, picked by this test: the settings name none"
    assert packet(evidence(resolved(), refused(), model=None)).model == "none named"


def test_a_proxys_answer_stands_beside_the_status_that_never_came() -> None:
    built = packet(recorded("proxy_wants_password"))
    assert (built.status, built.proxy_status) == (None, 407)
    assert "none came back from the API; the proxy answered 407" in to_markdown(built)
    assert "from the API" not in to_markdown(packet(recorded("tcp_administratively_prohibited")))


def test_the_steps_of_a_packet_stand_in_the_order_of_their_beginning_each_with_its_time() -> None:
    seen = evidence(resolved(), connected(), sdk_failed())
    begun = [replace(o, started_seconds=3.0 - number) for number, o in enumerate(seen.observations)]
    made = packet(replace(seen, collected_at="2026-11-25T14:42:48+00:00", observations=tuple(begun)))
    assert [step.at[11:23] for step in made.proved] == ["14:42:49.000", "14:42:50.000", "14:42:51.000"]
    assert "\n| `14:42:49.000` | `sdk` | failed |" in to_markdown(made)


def test_a_test_that_was_cut_short_says_so_before_its_summary() -> None:
    seen = evidence(resolved(), refused())
    assert "Not the whole test" not in to_markdown(packet(seen))
    told = to_markdown(packet(replace(seen, cut_short="it was cancelled")))
    assert told.index("It was cut short: it was cancelled.") < told.index("| Item | Value |")
    assert "the rest of the test, which was cut short" in told


def test_the_latest_packet_is_that_of_the_newest_run_of_a_path_after_a_prune_an_audit_and_a_fleet(
    tmp_path: Path,
) -> None:
    archive = tmp_path / "archive"
    call = ["packet", "latest", "--archive", str(archive)]
    seen = next(iter(cases())).evidence
    run = archive_record(archive, seen, diagnose(seen))
    expected = (run / "packet.md").read_text()
    assert CliRunner().invoke(cli, call).stderr == ""
    kinds: tuple[Kind, ...] = ("fleet", "audit", "prune")
    for kind in kinds:
        newest = begin(archive, host="h", kind=kind).finish("whole", {})
    done = CliRunner().invoke(cli, call)
    assert (done.exit_code, done.stdout.rstrip()) == (0, expected.rstrip())
    assert f"The newest run, {newest}, looked at no path" in done.stderr
    assert f"of the newest that did, {run}." in done.stderr
    # Who names the run gets that run, or is told what it is.
    assert CliRunner().invoke(cli, ["packet", str(newest)]).exit_code == 2
