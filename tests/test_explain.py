"""A page for each cause: whole, short, about this endpoint, and true of what the lab shows."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from oairunbook import lab
from oairunbook.cli import cli
from oairunbook.diagnose import CATALOGUE, diagnose
from oairunbook.evidence import ClientRefused, SdkFailed
from oairunbook.explain import (
    FAMILIES,
    FOLDER,
    PUBLIC_API,
    Page,
    Place,
    UnknownCauseError,
    owner_lines,
    page,
    pages,
    place_of,
)
from oairunbook.explain.render import markdown, parts, terminal
from oairunbook.record import runbooks, show
from oairunbook.redaction import Secrets
from oairunbook.route import resolve

from .cases import Case, cases
from .recorded import evidence, refused, resolved, sdk_failed

PAGES = pages()
IDS = [cause.id for cause in CATALOGUE]
FILES = {file.name: tomllib.loads(file.read_text("utf-8")) for file in FOLDER.glob("*.toml")}
WIDTH = 100


def commands(of: Page) -> Iterator[str]:
    yield from (look.run for look in of.look)
    yield from (command for mend in of.mend for command in mend.run)


def texts(of: Page) -> Iterator[str]:
    yield from (line.text for part in parts(of) for line in part.lines)


def shell(command: str, **variables: str) -> str:
    """What a command prints, on both streams."""
    done = subprocess.run(["sh", "-c", command], env=variables, capture_output=True, check=False, timeout=60)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


ALL_COMMANDS = sorted({command for one in PAGES for command in commands(one)})


# -- every cause, every part --------------------------------------------------------------------------------------


def test_every_cause_of_the_catalogue_has_a_page_and_no_page_is_left_over() -> None:
    written = [identity for name, file in FILES.items() if name != "shared.toml" for identity in file]
    assert sorted(written) == sorted(IDS)
    assert [one.id for one in PAGES] == IDS


@pytest.mark.parametrize("one", PAGES, ids=IDS)
def test_a_page_has_every_part_and_no_empty_text(one: Page) -> None:
    for name in ("meaning", "python", "node", "proof", "look", "next", "mend", "do_not", "sources"):
        assert getattr(one, name), name
    assert all(text.strip() and "\n" not in text for text in texts(one))
    assert all(look.run.strip() and look.shows.strip() for look in one.look)
    assert all(mend.where and (mend.do or mend.run) for mend in one.mend)
    assert [owned.route for owned in one.owners] == list(FAMILIES)


@pytest.mark.parametrize("one", PAGES, ids=IDS)
def test_a_page_can_be_read_in_a_minute(one: Page) -> None:
    lines = terminal(one, WIDTH).splitlines()
    assert len(lines) <= 46
    known = set(commands(one))
    assert all(len(line) <= WIDTH or line.strip().split("  ")[-1] in known or line.strip() in known for line in lines)


def test_every_list_that_pages_share_is_used() -> None:
    named = {
        entry
        for file in FILES.values()
        for text in file.values()
        for entry in text.get("mend", ())
        if isinstance(entry, str)
    }
    assert named == set(FILES["shared.toml"]["shared"])


def test_what_the_catalogue_says_is_not_said_again_in_a_file() -> None:
    everything = "\n".join(file.read_text("utf-8") for file in FOLDER.glob("*.toml"))
    for cause in CATALOGUE:
        for text in (*cause.next, *cause.do_not):
            assert text.rstrip(".") not in everything
    assert {"meaning", "next", "do_not", "owner"}.isdisjoint(
        key for name, file in FILES.items() if name != "shared.toml" for text in file.values() for key in text
    )


# -- commands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", PAGES, ids=IDS)
def test_commands_can_be_parsed_and_have_no_placeholder_left(one: Page) -> None:
    for command in commands(one):
        assert shlex.split(command)
        assert not re.search(r"\{(host|port|endpoint|url)\}|\bTODO\b|\bXXX\b|<[a-z-]+>|\byour-|…", command), command


def test_our_own_commands_and_notebooks_that_a_page_names_exist() -> None:
    own = [shlex.split(command)[1:] for command in ALL_COMMANDS if command.startswith("oairunbook ")]
    assert own
    for words in own:
        assert cli.get_command(click.Context(cli), words[0]), words
        if words[0] == "run":
            assert words[1] in runbooks.names()


def test_a_shell_can_read_every_command() -> None:
    done = subprocess.run(
        ["sh", "-n"], input="\n".join(ALL_COMMANDS) + "\n", capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("one", PAGES, ids=IDS)
def test_no_page_holds_a_key_or_advises_to_switch_verification_off(one: Page) -> None:
    everything = "\n".join((*texts(one), *commands(one)))
    assert Secrets.from_environment({}).redact_text(everything) == everything
    off = (
        r"curl [^|;]*(-k\b|--insecure)|verify ?= ?False|REJECT_UNAUTHORIZED|rejectUnauthorized|CERT_NONE|PYTHONHTTPSVERIFY|"
        r"check_hostname ?= ?False|no-check-certificate|trusted-host|_create_unverified_context|http\.sslVerify"
    )
    assert not re.search(off, everything)


@pytest.mark.parametrize("one", PAGES, ids=IDS)
def test_no_command_shows_a_key_or_a_proxys_password(one: Page) -> None:
    """`curl -v` prints the proxy variable with its credentials, and an argument is seen by every user of the machine."""
    for command in commands(one):
        assert not re.search(r"curl [^|;]*-[a-zA-Z]*v\b", command) or '--noproxy "*"' in command, command
        assert not re.search(r"(echo|-H|--header) [^|;]*API_KEY", command), command
        assert not re.search(r"\benv\b *(\||$)", command) or "s#//.*@#//" in command, command


def test_what_masks_a_proxys_password_masks_one_with_odd_characters() -> None:
    command = next(look.run for look in page("proxy.bypassed").look if look.run.startswith("env |"))
    shown = shell(command, PATH="/usr/bin:/bin", HTTPS_PROXY="http://user:p/a@s#s@proxy.test:3128", NO_PROXY="a.test")
    assert sorted(shown.splitlines()) == ["HTTPS_PROXY=http://proxy.test:3128", "NO_PROXY=a.test"]


def test_every_observation_that_a_page_names_is_one_that_a_probe_makes() -> None:
    source = "\n".join(path.read_text("utf-8") for path in (FOLDER.parent / "observe").rglob("*.py"))
    made = set(re.findall(r'"((?:client|dns|tcp|proxy|tls|http|sdk|browser)(?:\.[a-z_]+)*)[":]', source))
    for one in PAGES:
        named = re.findall(r"`((?:client|dns|tcp|proxy|tls|http|sdk|browser)(?:\.[a-z_]+)*)`", " ".join(one.proof))
        assert set(named) <= made, one.id
        counted = re.findall(r"counter-tests? `([a-z_.]+)`", " ".join(one.proof))
        assert all("." in name for name in counted), one.id


@pytest.mark.parametrize("case", tuple(cases()), ids=lambda case: case.name)
def test_a_page_promises_what_recorded_evidence_of_its_cause_shows(case: Case) -> None:
    """Its owner, the observations that the verdict cites, and the class and text that the SDK raised."""
    one = page(case.cause)
    owned = next(owned for owned in one.owners if owned.route == case.evidence.route.family)
    assert case.owner in (owned.owner, owned.if_control_fails_alike, owned.if_control_passes)
    for reason in diagnose(case.evidence).because:
        name = re.split("[:#]", reason.observation)[0]
        beside = name in ("route", "attempts") or name.startswith("control.")
        assert (
            beside or f"`{name}`" in " ".join(one.proof) or f"`{name.removesuffix('.stream')}`" in " ".join(one.proof)
        )
    told = comparable(" ".join(one.python))
    for observation in case.evidence.observations:
        match observation.outcome:
            case SdkFailed(answer=None, errors=errors) | ClientRefused(errors=errors) if (
                observation.attempt == 1 and case.cause != "ok"
            ):
                assert errors[0].type.rpartition(".")[2] in told
                # The second link is the transport's own; its text may name a host or a file of that machine.
                assert comparable(errors[:2][-1].text)[:30] in told


def comparable(text: str) -> str:
    return re.sub(r"_ssl\.c:(\d+|…)", "_ssl.c", text)


# -- the owner ----------------------------------------------------------------------------------------------------


def test_the_owner_is_what_the_owner_rule_says_on_each_route() -> None:
    (everywhere,) = owner_lines(page("tls.clock_skew").owners)
    assert everywhere.startswith("client_config, whatever the route: ")
    direct, other = owner_lines(page("tcp.refused").owners)
    assert direct.startswith("On a direct route: connection_path, ")
    assert other.startswith("On Azure or behind a gateway: route_provider, ")
    assert other.endswith("Where the control test of the direct route fails alike: connection_path.")
    local = owner_lines(page("dns.timeout").owners)[1]
    assert local.startswith("On Azure or behind a gateway: connection_path, ")
    assert local.endswith("Where the control test of the direct route passes: route_provider.")
    assert owner_lines(page("api.rate_limited").owners)[0].startswith("quota_or_rate, whatever the route: ")


# -- the endpoint that commands name ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://gateway.example.test/llm/v1/", Place(host="gateway.example.test", port=443, url="https://gateway.example.test/llm/v1")),
        ("http://127.0.0.1:4000", Place(host="127.0.0.1", port=4000, url="http://127.0.0.1:4000")),
        ("https://[2001:db8::1]:8443/v1", Place(host="2001:db8::1", port=8443, url="https://[2001:db8::1]:8443/v1")),
        ("https://user:hunter2@gateway.example.test/v1", Place(host="gateway.example.test", port=443, url="https://gateway.example.test/v1")),
        ("gateway.example.test:4000/v1", PUBLIC_API),
        ("", PUBLIC_API),
    ],
)  # fmt: skip
def test_commands_name_the_endpoint_of_the_route_or_the_public_api(base_url: str, expected: Place) -> None:
    assert place_of(resolve(base_url=base_url, environment={})) == expected


def test_what_a_recorded_route_holds_stays_one_word_of_the_shell() -> None:
    hostile = Place(host="x; rm -rf ~ #", port=443, url="https://x/$(reboot)/v1")
    for one in pages(hostile):
        for command, harmless in zip(commands(one), commands(page(one.id)), strict=True):
            assert len(shlex.split(command)) == len(shlex.split(harmless)), command


# -- one text, four places ----------------------------------------------------------------------------------------


def test_causes_md_is_in_step_with_the_pages() -> None:
    written = (runbooks.folder() / "CAUSES.md").read_text("utf-8")
    assert written == markdown(PAGES), "write it anew: python -m oairunbook.explain"


def test_causes_md_has_a_heading_for_each_link_and_nothing_in_it_becomes_markup() -> None:
    text = markdown(PAGES)
    shown = MarkdownIt("commonmark").render(text)
    anchors = {name.replace(".", "") for name in re.findall(r"^## (\S+)$", text, re.MULTILINE)}
    assert set(re.findall(r'<a href="#([^"]+)"', shown)) == anchors
    assert len(anchors) == len(IDS)
    assert set(re.findall(r"<([a-z0-9]+)", shown)) <= {"h1", "h2", "p", "ul", "li", "a", "strong", "code", "pre"}
    for one in PAGES:
        assert all(command in text for command in commands(one))


@pytest.mark.parametrize("identity", IDS)
def test_the_verdict_of_a_notebook_holds_the_page_folded_and_points_to_it_in_plain_text(identity: str) -> None:
    record = evidence(resolved(), refused(), sdk_failed())
    record = replace(record, route=replace(record.route, host="gateway.example.test"))
    view = show.verdict(record, replace(diagnose(record), cause=identity))
    assert view.html.count("<details>") == 1
    assert f"oairunbook explain {identity}, or CAUSES.md" in view.text
    inside = html.unescape(re.sub(r"</?span>", "", re.sub(r"</?code>", "`", view.html.partition("<details>")[2])))
    assert all(text in inside for text in texts(page(identity, place_of(record.route))))


def test_a_verdict_of_a_newer_version_whose_cause_is_not_known_here_is_shown_all_the_same() -> None:
    record = evidence(resolved(), refused(), sdk_failed())
    view = show.verdict(record, replace(diagnose(record), cause="tls.of_tomorrow"))
    assert "This version has no page about tls.of_tomorrow." in view.text
    assert "<details>" not in view.html


# -- the command --------------------------------------------------------------------------------------------------


def explain(*arguments: str, **variables: str) -> tuple[int, str, str]:
    done = CliRunner(
        env={"OPENAI_BASE_URL": None, "AZURE_OPENAI_ENDPOINT": None, "COLUMNS": "100", **variables}
    ).invoke(cli, ["explain", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_explain_prints_one_page_about_the_endpoint_that_the_sdk_here_would_call() -> None:
    status, shown, _ = explain("tls.expired")
    assert (status, shown) == (0, terminal(page("tls.expired"), WIDTH))
    _, elsewhere, _ = explain("tls.expired", OPENAI_BASE_URL="https://user:hunter2@gateway.example.test/v1")
    assert "-connect gateway.example.test:443" in elsewhere
    assert "hunter2" not in elsewhere
    _, given, _ = explain("tls.expired", "--base-url", "https://other.example.test:8443/v1")
    assert "-connect other.example.test:8443" in given


@pytest.mark.parametrize("columns", ["40", "80", "300"])
def test_prose_wraps_at_the_terminals_width_and_commands_stay_whole(columns: str) -> None:
    _, shown, _ = explain("tls.trust_store_mismatch", COLUMNS=columns)
    whole = {command.strip() for command in commands(page("tls.trust_store_mismatch"))}
    prose = [line for line in shown.splitlines() if not any(command in line for command in whole)]
    assert max(len(line) for line in prose) <= min(int(columns) + 40, 120)
    assert all(any(command in line for line in shown.splitlines()) for command in whole)


def test_explain_without_an_id_lists_every_cause_on_a_line_of_its_own() -> None:
    status, shown, _ = explain()
    assert status == 0
    assert [line.split()[0] for line in shown.splitlines()] == IDS
    assert all(len(line) <= WIDTH for line in shown.splitlines())


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("nxdomain", "dns.nxdomain"),
        ("tls.trust_store_missmatch", "tls.trust_store_mismatch"),
        ("TLS.Expired", "tls.expired"),
        ("trust-store", "tls.trust_store_mismatch"),
        ("expird", "tls.expired"),
        ("zzzzzz", "oairunbook explain"),
    ],
)
def test_an_unknown_id_ends_with_status_2_and_names_those_that_are_near(given: str, near: str) -> None:
    status, shown, told = explain(given)
    assert (status, shown) == (2, "")
    assert near in told
    with pytest.raises(UnknownCauseError, match=re.escape(near)):
        page(given)


def test_json_gives_the_fields_of_one_page_or_of_all() -> None:
    status, shown, _ = explain("dns.timeout", "--json", "-")
    found = json.loads(shown)
    assert status == 0
    assert found["id"] == "dns.timeout"
    assert found["look"][0]["run"] == "time getent ahosts api.openai.com"
    assert found["owners"][1] == {
        "route": "azure",
        "owner": "connection_path",
        "if_control_fails_alike": "connection_path",
        "if_control_passes": "route_provider",
    }
    assert found["practise"] == ["dns.timeout"]
    _, every, _ = explain("--json", "-")
    assert [one["id"] for one in json.loads(every)] == IDS


# -- what the commands show against a real fault ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "shows"),
    [
        ("tls.expired", "certificate has expired"),
        ("tls.not_yet_valid", "certificate is not yet valid"),
        ("tls.untrusted_issuer", "Practice inspecting proxy root"),
        ("tls.hostname_mismatch", "DNS:other.lab.test"),
        ("tls.client_certificate_required", "Requested Signature"),
        ("tls.protocol_mismatch", "alert protocol version"),
        ("tls.reset", "errno=104"),
        ("tls.not_tls", "b'HTTP/1.1 401"),
        ("tcp.reset", "ConnectionResetError"),
        ("tcp.refused", "Connection refused"),
        ("http.disconnected", "Empty reply from server"),
        ("http.gateway_error", "server: nginx"),
    ],
)
def test_the_commands_of_a_page_show_the_fault_and_nothing_of_it_on_a_healthy_path(
    fault: str, shows: str, tmp_path: Path
) -> None:
    for name in ("openssl", "curl"):
        if shutil.which(name) is None:
            pytest.skip(f"needs the program {name}")

    def seen(running: lab.Lab) -> str:
        place = Place(host="127.0.0.1", port=running.port, url=f"https://api.lab.test:{running.port}/v1")
        (tmp_path / ".curlrc").write_text(f'connect-to = "api.lab.test:{running.port}:127.0.0.1:{running.port}"\n')
        root = str(running.environment["SSL_CERT_FILE"])
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "CURL_HOME": str(tmp_path), "CURL_CA_BUNDLE": root}
        return "\n".join(shell(look.run, SSL_CERT_FILE=root, **variables) for look in page(fault, place).look)

    with lab.start(fault) as running:
        assert shows in seen(running)
    with lab.start("ok") as healthy:
        assert shows not in seen(healthy)
