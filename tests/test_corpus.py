"""The corpus of real error texts: what is right on it stays right, and nothing wrong is ever called proven."""

from __future__ import annotations

import collections
import dataclasses

import pytest

from tests.corpus import FORM, Case, cases
from tests.corpus.__main__ import judge

CASES = cases()


@pytest.fixture(scope="module")
def judged() -> list[tuple[Case, object]]:
    return [(case, judge(case)) for case in CASES]


def test_case_ids_are_unique_and_each_has_a_source_and_a_reason() -> None:
    counted = collections.Counter(case.id for case in CASES)
    assert [identity for identity, times in counted.items() if times > 1] == []
    assert [case.id for case in CASES if not case.source or not case.why] == []


@pytest.mark.parametrize("measured", [False, True], ids=["written-on", "measured"])
def test_owner_and_cause_are_right_as_often_as_we_promise(judged: list[tuple[Case, object]], measured: bool) -> None:
    half = [(case, verdict) for case, verdict in judged if case.measured is measured]
    owners = sum(case.owner == verdict.owner for case, verdict in half)  # type: ignore[attr-defined]
    causes = sum(case.cause == verdict.cause for case, verdict in half)  # type: ignore[attr-defined]
    assert owners / len(half) >= 0.95
    assert causes / len(half) >= 0.9


def test_a_form_and_guesses_around_a_text_change_nothing(judged: list[tuple[Case, object]]) -> None:
    moved = []
    # Every fourth: the readers are the same for all.
    for case, alone in judged[::4]:
        whole = judge(dataclasses.replace(case, text=FORM.replace("{text}", case.text)))
        if (whole.owner, whole.cause) != (alone.owner, alone.cause):  # type: ignore[attr-defined]
            moved.append(case.id)
    assert moved == []


def test_no_wrong_verdict_is_called_proven(judged: list[tuple[Case, object]]) -> None:
    wrong = [case.id for case, v in judged if v.certainty == "proven" and v.cause != case.cause]  # type: ignore[attr-defined]
    assert wrong == []
