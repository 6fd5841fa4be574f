"""A success proves a fix only if it is the same request from the same place that failed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from oairunbook.diagnose import diagnose
from oairunbook.evidence import ConnectFailed, ErrorLink, Evidence, PastedError, Setting
from oairunbook.proof import needed, prove

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

FAILING = evidence(resolved(), refused(), sdk_failed())
NOW = evidence(resolved(), connected(), sdk_answered())


def test_the_same_request_that_succeeds_now_proves_the_fix() -> None:
    result = prove((NOW, NOW, NOW), FAILING)
    assert result.proved
    assert result.statement.startswith("Proved: 3 of 3 attempts succeeded")
    assert all(compared.same for compared in result.conditions)


def test_a_slash_at_the_end_of_the_base_url_is_no_other_condition() -> None:
    given = Setting(value=f"{ROUTE.base_url.value}/", source="argument")
    assert prove((evidence(*NOW.observations, base_url=given),) * 3, FAILING).proved


ORGANIZATION = (Setting(value="org-2", source="OPENAI_ORG_ID"),)


@pytest.mark.parametrize(
    ("now", "differs"),
    [
        (replace(NOW, runtime=replace(RUNTIME, host="laptop")), "host"),
        (replace(NOW, runtime=replace(RUNTIME, region=None)), "region"),
        (evidence(*NOW.observations, base_url=Setting(value="https://gateway.test/v1", source="argument")), "base URL"),
        (evidence(*NOW.observations, model=None), "model"),
        (evidence(*NOW.observations, settings=ORGANIZATION), "organization and project"),
        (evidence(*NOW.observations, proxy=replace(ROUTE.proxy, url="http://proxy.test:3128")), "network path"),
        (evidence(*NOW.observations, credential=replace(ROUTE.credential, fingerprint="ba9876543210")), "key scope"),
        (replace(NOW, practice="ok"), "practice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_success_under_another_condition_proves_nothing_and_the_condition_is_named(
    now: Evidence, differs: str
) -> None:
    result = prove((now,), FAILING)
    assert not result.proved
    assert f"These differ: {differs}." in result.statement
    assert [compared.name for compared in result.conditions if not compared.same] == [differs]


def test_keys_without_a_fingerprint_cannot_be_told_apart_so_nothing_is_proved() -> None:
    """Both records were made without an archive: the same words stand in both, and they say nothing."""
    blind = replace(ROUTE.credential, fingerprint=None)
    result = prove((evidence(*NOW.observations, credential=blind),), evidence(*FAILING.observations, credential=blind))
    assert not result.proved
    assert "key scope" in result.statement


def test_one_failed_attempt_is_enough_to_prove_nothing() -> None:
    result = prove((NOW, FAILING, NOW), FAILING)
    assert (result.proved, result.succeeded, result.tried) == (False, 2, 3)
    assert "2 of 3 attempts succeeded" in result.statement


def test_without_a_failing_record_only_health_is_proved() -> None:
    assert prove((NOW,), None).statement.startswith("The path works now: 1 of 1 attempt succeeded.")
    assert prove((FAILING,), None).statement.startswith("The path does not work now")
    assert not prove((NOW,), None).proved


def test_a_record_that_shows_no_failure_or_was_pasted_is_none_to_compare_with() -> None:
    assert "shows no failure" in prove((NOW,), NOW).statement
    pasted = evidence(replace(observation("pasted:error", PastedError(errors=()), layer="api"), probe="pasted"))
    result = prove((NOW,), pasted)
    assert not result.proved
    assert "pasted" in result.statement


def test_a_text_that_was_pasted_beside_a_test_of_the_failing_path_does_not_stand_in_the_way() -> None:
    text = replace(observation("pasted:error", PastedError(errors=()), layer="api"), probe="pasted")
    assert prove((NOW, NOW, NOW), evidence(*FAILING.observations, text)).proved


def test_what_may_be_the_fix_is_listed_beside_the_conditions() -> None:
    result = prove((evidence(*NOW.observations, transport="httpx 0.29"),) * 3, FAILING)
    assert result.proved
    assert [(change.name, change.failing, change.now) for change in result.changes] == [
        ("transport", "httpx 0.28.1", "httpx 0.29")
    ]


# -- how often it takes -----------------------------------------------------------------------------------------------


def counted(failed: int, tried: int) -> Evidence:
    """A record in which so many of all attempts of the path were refused; the SDK's own request is one of those that passed."""
    passed = replace(answer(), method="GET", url="https://api.openai.com/v1/models")
    attempts = []
    for number in range(1, tried):
        suffix = f"#{number}" if number > 1 else ""
        if number > tried - failed - 1:
            attempts += [refused(f"tcp:162.159.140.245{suffix}", attempt=number)]
        else:
            attempts += [
                connected(f"tcp:162.159.140.245{suffix}", attempt=number),
                replace(observation(f"http{suffix}", passed, layer="http"), probe="http", attempt=number),
            ]
    return evidence(resolved(), *attempts, sdk_answered())


@pytest.mark.parametrize(("failed", "tried", "attempts"), [(1, 12, 201), (3, 26, 74), (13, 26, 8), (20, 26, 4)])
def test_it_takes_so_many_successes_that_the_earlier_rate_would_have_shown(
    failed: int, tried: int, attempts: int
) -> None:
    """By hand: Wilson's lower bound p of failed/tried, and the smallest n with (1 - p)^n <= 0.05."""
    failing = counted(failed, tried)
    verdict = diagnose(failing)
    assert (verdict.pattern, verdict.failed, verdict.tried) == ("intermittent", failed, tried)
    z, share = 1.96, failed / tried
    low = (share + z**2 / (2 * tried) - z * math.sqrt(share * (1 - share) / tried + z**2 / (4 * tried**2))) / (
        1 + z**2 / tried
    )
    enough = needed(failing)
    assert (enough.attempts, enough.of) == (attempts, "path")
    assert (1 - low) ** attempts <= 0.05 < (1 - low) ** (attempts - 1)


def test_one_success_less_proves_nothing_yet_and_says_how_many_it_takes() -> None:
    failing = counted(3, 26)
    short = prove((counted(0, 36), counted(0, 37)), failing)
    assert (short.proved, short.counted) == (False, 73)
    assert "Not proved yet: 2 of 2 attempts succeeded, with 73 attempts of the path" in short.statement
    assert "it takes 74: 3 of 26 failed then" in short.statement
    enough = prove((counted(0, 37), counted(0, 37)), failing)
    assert (enough.proved, enough.counted) == (True, 74)


def test_a_single_silence_among_the_attempts_is_a_failure_where_a_fix_is_to_be_proved() -> None:
    """The verdict of one record leaves a single silence aside; a proof does not."""
    silent = ConnectFailed(
        address="162.159.140.245",
        port=443,
        errors=(ErrorLink(type="TimeoutError", text="timed out", errno=110, errno_name="ETIMEDOUT"),),
    )
    now = counted(0, 80)
    now = replace(
        now, observations=(*now.observations, observation("tcp:162.159.140.245#90", silent, layer="tcp", attempt=90))
    )
    assert diagnose(now).cause == "ok"
    result = prove((now,), counted(3, 26))
    assert not result.proved
    assert "1 of the 81 attempts of the path in them failed" in result.statement


def test_after_a_steady_fault_a_few_have_to_succeed_and_of_an_api_answer_only_the_sdks_own_count() -> None:
    assert (needed(FAILING).attempts, needed(FAILING).of) == (3, "path")
    refused_by_api = evidence(resolved(), connected(), sdk_failed("Error code: 401", answer()))
    assert (needed(refused_by_api).attempts, needed(refused_by_api).of) == (3, "sdk")
    assert not prove((counted(0, 30),), refused_by_api).proved
    assert prove((counted(0, 3),) * 3, refused_by_api).proved
