"""A success proves a fix only if it is the same request from the same place that failed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oairunbook.evidence import Evidence, PastedError, Setting
from oairunbook.proof import prove

from .recorded import ROUTE, RUNTIME, connected, evidence, observation, refused, resolved, sdk_answered, sdk_failed

FAILING = evidence(resolved(), refused(), sdk_failed())
NOW = evidence(resolved(), connected(), sdk_answered())


def test_the_same_request_that_succeeds_now_proves_the_fix() -> None:
    result = prove((NOW, NOW), FAILING)
    assert result.proved
    assert result.statement.startswith("Proved: 2 of 2 attempts succeeded")
    assert all(compared.same for compared in result.conditions)


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


def test_what_may_be_the_fix_is_listed_beside_the_conditions() -> None:
    result = prove((evidence(*NOW.observations, transport="httpx 0.29"),), FAILING)
    assert result.proved
    assert [(change.name, change.failing, change.now) for change in result.changes] == [
        ("transport", "httpx 0.28.1", "httpx 0.29")
    ]
