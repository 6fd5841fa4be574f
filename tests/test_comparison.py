"""Two records side by side: what must agree, the first difference along the path, and what cannot be told."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oairunbook.cli import cli
from oairunbook.comparison import IncomparableError, compare
from oairunbook.evidence import (
    Evidence,
    NotTried,
    PastedError,
    Resolved,
    ResolveFailed,
    Setting,
    Stopped,
    dumps,
)
from oairunbook.record import archive as archives

from .recorded import (
    ROUTE,
    RUNTIME,
    answer,
    connected,
    evidence,
    observation,
    refused,
    resolved,
    sdk_answered,
    sdk_failed,
)

HEALTHY = evidence(resolved(), connected(), sdk_answered())
REFUSED = evidence(resolved(), refused(), sdk_failed())
ELSEWHERE = replace(RUNTIME, host="laptop", region=None, user="me")


def test_two_records_that_end_alike_have_no_difference() -> None:
    result = compare(HEALTHY, HEALTHY)
    assert (result.exit_status, result.first_difference) == (0, None)
    assert result.statement == "No difference: both records end alike at every layer (ok)."


def test_the_first_layer_that_ended_differently_is_named_and_not_those_behind_it() -> None:
    result = compare(HEALTHY, REFUSED)
    assert (result.exit_status, result.first_difference) == (1, "tcp")
    assert "at tcp: connected in the first record, failed, ECONNREFUSED in the second" in result.statement
    differing = [step.layer for step in result.steps if step.difference == "outcome"]
    assert differing == ["tcp", "api"]


def test_an_answer_of_another_status_is_a_difference_at_the_api() -> None:
    denied = evidence(resolved(), connected(), sdk_failed(answer=answer()))
    result = compare(HEALTHY, denied)
    assert result.first_difference == "api"
    assert "request answered 401 invalid_api_key" in result.statement


def test_facts_that_differ_while_a_layer_ends_alike_are_told_and_are_no_difference_alone() -> None:
    elsewhere = observation("dns.system", Resolved(name="api.openai.com", addresses=("10.1.2.3",)))
    alone = compare(HEALTHY, evidence(elsewhere, connected(), sdk_answered()))
    assert alone.exit_status == 0
    assert "Facts that differ all the same: dns." in alone.statement
    below = compare(HEALTHY, evidence(elsewhere, refused(), sdk_failed()))
    assert below.first_difference == "tcp"
    assert "Facts that differ before it: dns." in below.statement


ORGANIZATION = (Setting(value="org-2", source="OPENAI_ORG_ID"),)
PROXY_VARIABLE = (Setting(value="http://proxy.test:3128", source="HTTPS_PROXY"),)


@pytest.mark.parametrize(
    ("second", "named"),
    [
        (replace(REFUSED, runtime=replace(RUNTIME, host="laptop")), "host"),
        (evidence(*REFUSED.observations, base_url=Setting(value="https://g.test/v1", source="argument")), "base URL"),
        (evidence(*REFUSED.observations, model=None), "model"),
        (evidence(*REFUSED.observations, credential=replace(ROUTE.credential, fingerprint="ba98")), "key scope"),
        (evidence(*REFUSED.observations, settings=ORGANIZATION), "organization and project"),
        (evidence(*REFUSED.observations, settings=PROXY_VARIABLE), "HTTPS_PROXY"),
        (evidence(*REFUSED.observations, practice="ok"), "practice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_condition_that_differs_is_refused_by_name_and_passes_when_it_is_what_is_asked_about(
    second: Evidence, named: str
) -> None:
    with pytest.raises(IncomparableError, match=f"differ in {named} "):
        compare(HEALTHY, second)
    result = compare(HEALTHY, second, [named.replace(" ", "-")])
    assert result.first_difference == "tcp"
    assert result.despite == (named,)


def test_the_refusal_offers_one_name_for_several_variables_of_the_runtime() -> None:
    with pytest.raises(IncomparableError, match=r"--despite runtime$"):
        compare(HEALTHY, replace(REFUSED, runtime=ELSEWHERE))
    assert compare(HEALTHY, replace(REFUSED, runtime=ELSEWHERE), ["runtime"]).first_difference == "tcp"


def test_asking_about_one_variable_does_not_let_another_pass() -> None:
    other = evidence(*REFUSED.observations, model=None)
    with pytest.raises(IncomparableError, match="differ in model "):
        compare(HEALTHY, replace(other, runtime=ELSEWHERE), ["runtime"])


def test_a_name_that_is_no_variable_is_refused_with_those_that_are() -> None:
    with pytest.raises(IncomparableError, match=r"no variable 'colour'.*key-scope"):
        compare(HEALTHY, REFUSED, ["colour"])


def test_keys_without_a_fingerprint_are_not_taken_for_the_same() -> None:
    blind = evidence(*HEALTHY.observations, credential=replace(ROUTE.credential, fingerprint=None))
    with pytest.raises(IncomparableError) as neither:
        compare(blind, blind)
    assert "while neither tells its key scope" in str(neither.value)
    assert "differ" not in str(neither.value).partition("Any difference")[0]
    assert "oairunbook check --archive DIR --json FILE" in str(neither.value)
    assert str(neither.value).endswith("if you know that it is the same in both: --despite key-scope")
    assert compare(blind, blind, ["key-scope"]).exit_status == 0
    with pytest.raises(IncomparableError, match=r"differ in key scope .*fingerprints of one archive"):
        compare(HEALTHY, blind)
    elsewhere = replace(blind, runtime=replace(RUNTIME, host="laptop"))
    with pytest.raises(IncomparableError, match=r"differ in host .*Nor can they be compared while neither tells"):
        compare(blind, elsewhere)


def test_a_line_to_paste_quotes_the_name_that_a_record_gives_a_variable() -> None:
    named = "A_PROXY;touch${IFS}x"
    other = evidence(*REFUSED.observations, settings=(Setting(value="1", source=named),))
    with pytest.raises(IncomparableError) as refused_for:
        compare(HEALTHY, other)
    assert shlex.split(str(refused_for.value).partition("about: ")[2]) == ["--despite", named]


@pytest.mark.parametrize(
    ("second", "status", "words"),
    [
        (evidence(resolved(), observation("tcp", NotTried(reason="the budget ended"))), 3, "where the second record did not look"),
        (evidence(observation("dns.system", Stopped(reason="the system resolver gave no answer in 5 s"))), 1, "at dns"),
        (evidence(observation("pasted:error", PastedError(errors=()), layer="api")), 3, "pasted evidence"),
    ],
)  # fmt: skip
def test_what_was_not_looked_at_is_undecided_and_never_alike(second: Evidence, status: int, words: str) -> None:
    pasted = second.observations[-1].id.startswith("pasted")
    second = (
        replace(second, observations=tuple(replace(o, probe="pasted") for o in second.observations))
        if pasted
        else second
    )
    result = compare(HEALTHY, second)
    assert result.exit_status == status
    assert words in result.statement


def test_a_fault_that_comes_and_goes_differs_although_one_pass_ends_alike() -> None:
    failed = [refused(f"tcp:162.159.140.245#{n}", attempt=n) for n in (2, 3, 4)]
    passed = [observation(f"http#{n}", answer(), attempt=n) for n in range(5, 11)]
    result = compare(HEALTHY, evidence(*HEALTHY.observations, *failed, *passed))
    assert result.verdicts[1].pattern == "intermittent"
    assert (result.exit_status, result.first_difference) == (1, None)
    assert "Look at the repeated attempts" in result.statement


def test_a_name_that_fails_in_one_place_is_the_first_difference_with_its_error() -> None:
    error = refused().outcome.errors[0]  # type: ignore[union-attr]
    unknown = replace(error, errno_name="EAI_NONAME")
    failed = observation("dns.system", ResolveFailed(name="api.openai.com", errors=(unknown,)))
    assert "failed, EAI_NONAME in the second" in compare(HEALTHY, evidence(failed, sdk_failed())).statement


# -- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "evidence.json").write_text(dumps(HEALTHY))
    (tmp_path / "refused.json").write_text(dumps(REFUSED))
    return str(tmp_path / "run"), str(tmp_path / "refused.json")


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(cli, ["compare", *arguments], **options)


def test_the_command_marks_the_first_difference_and_ends_with_status_1(files: tuple[str, str]) -> None:
    result = run(*files)
    assert result.exit_code == 1
    assert [line[:8] for line in result.stdout.splitlines() if line.startswith("->")] == ["-> tcp  "]
    assert run(files[0], files[0]).exit_code == 0


def test_the_json_is_one_document_and_names_its_format(files: tuple[str, str]) -> None:
    result = run(*files, "--json", "-")
    document = json.loads(result.stdout)
    assert (document["schema"], document["first_difference"]) == ("oairunbook.comparison/1", "tcp")
    assert [verdict["cause"] for verdict in document["verdicts"]] == ["ok", "tcp.refused"]


def test_a_run_of_the_archive_is_named_as_for_every_other_command(files: tuple[str, str], tmp_path: Path) -> None:
    draft = archives.begin(tmp_path / "archive", host="web-3", practice=None)
    draft.write("evidence.json", dumps(REFUSED))
    draft.finish("whole", {"host": "web-3"})
    given = (files[0], "latest", "--archive", str(tmp_path / "archive"))
    assert run(*given).exit_code == 1
    unknown = run(files[0], "no-such-run", "--archive", str(tmp_path / "archive"))
    assert (unknown.exit_code, "holds no run 'no-such-run'" in unknown.stderr) == (2, True)


def test_a_record_from_standard_input_is_read_once(files: tuple[str, str]) -> None:
    assert run("-", files[1], input=dumps(HEALTHY)).exit_code == 1
    both = run("-", "-", input=dumps(HEALTHY))
    assert (both.exit_code, "Only one" in both.stderr) == (2, True)


@pytest.mark.parametrize("content", ["", "[]", '{"schema": "oairunbook.evidence/9"}', "\udcff", '{"a": 1e999}'])
def test_a_file_that_is_no_evidence_is_refused_with_its_name(
    files: tuple[str, str], tmp_path: Path, content: str
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_bytes(content.encode("utf-8", "surrogateescape"))
    result = run(files[0], str(broken))
    assert result.exit_code == 2
    assert str(broken) in result.stderr
    missing = run(files[0], str(tmp_path / "nothing.json"))
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (2, True)


def test_a_refusal_is_status_2_and_nothing_is_written(files: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(dumps(replace(REFUSED, runtime=ELSEWHERE)))
    target = tmp_path / "out.json"
    result = run(files[0], str(tmp_path / "other.json"), "--json", str(target))
    assert (result.exit_code, target.exists()) == (2, False)
    assert "host (web-3 against laptop)" in result.stderr
    assert run(files[0], str(tmp_path / "other.json"), "--despite", "runtime").exit_code == 1
