"""The game day: a hidden fault, a mark for the answer, and an environment that is given back."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from oairunbook.lab.game import Game as Rounds
from oairunbook.lab.game import playable
from oairunbook.record.panel import Game
from oairunbook.record.source import collect_given


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)


def game(fault: str) -> Game:
    return Game(collect_given(), fault=fault)


def press(front: Game, owner: str, cause: str) -> str:
    front.owner.value, front.cause.value = owner, cause
    front.check.click()
    return str(front.marked.text)


def test_a_round_hides_the_fault_until_the_answer_is_right() -> None:
    front = game("tls.expired")
    assert front.path_test.start.disabled
    front._begin()
    assert "Round 1." in front.incident.text
    front.path_test.repeat.value = 2
    front.path_test.start.click()
    assert front.path_test.wait(60)
    shown = json.dumps([widget.get_state() for widget in (front.incident, front.steps, front.marked, front.solution)])
    assert "certificate has expired" in shown  # what was seen is on show,
    assert "tls.expired" not in shown  # its name is not
    assert "hidden" in front._seen.practice  # type: ignore[union-attr, operator]

    assert press(front, "connection_path", "") == "Choose an owner and a cause first."
    assert press(front, "auth", "tls.self_signed").startswith("Not yet. Right: layer. Wrong: owner, cause.")
    assert press(front, "connection_path", "dns.timeout").startswith("Not yet. Right: owner. Wrong: layer, cause.")
    assert "tls.expired" not in front.solution.value
    assert press(front, "connection_path", "tls.expired").startswith(
        "Right. It was tls.expired, owner connection path. Solved: 1 of 1."
    )
    assert "tls.expired" in front.solution.value
    assert front.check.disabled
    front._rounds.end()


def test_giving_up_shows_the_fault_and_counts_as_unsolved() -> None:
    front = game("tcp.refused")
    front._begin()
    front.give_up.click()
    assert front.marked.text == "Given up. It was tcp.refused, owner connection path. Solved: 0 of 1."
    assert "The path was not tested" in front.solution.value
    front._begin()
    assert "Round 2." in front.incident.text
    assert front.solution.value == ""
    front._rounds.end()


def test_a_fault_that_does_not_exist_is_told_and_nothing_is_broken() -> None:
    front = game("tls.expird")
    front._begin()
    assert front.incident.text.startswith("Nothing was broken: The practice lab has no fault 'tls.expird'.")
    assert front.path_test.start.disabled


def test_the_environment_is_given_back_when_a_round_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example.com/v1")
    monkeypatch.setenv("NO_PROXY", "example.com")
    before = dict(os.environ)
    rounds = Rounds()
    first = rounds.begin("proxy.denied")
    assert os.environ["OPENAI_BASE_URL"] == first.base_url
    assert "NO_PROXY" not in os.environ
    rounds.begin("tcp.refused")
    assert "HTTPS_PROXY" not in os.environ
    rounds.end()
    assert dict(os.environ) == before
    with pytest.raises(ValueError, match="no round is on"):
        rounds.mark("none", "ok")


def test_every_fault_by_chance_is_one_that_needs_no_option_and_healthy_paths_are_among_them() -> None:
    assert not [fault for fault in playable() if fault.arguments]
    assert "ok" in {fault.id for fault in playable()}
    assert len(playable()) > 60
    rounds = Rounds()
    assert rounds.begin().fault in playable()
    rounds.end()


@pytest.mark.parametrize("fault", ["api.gateway_upstream_failed", "dns.nxdomain"])
def test_the_verdict_after_a_round_is_that_of_the_fault(fault: str) -> None:
    front = game(fault)
    front._begin()
    front.path_test.repeat.value = 2
    front.path_test.start.click()
    assert front.path_test.wait(60)
    front.give_up.click()
    assert f"It was {fault}" in front.marked.text
    assert front.solution.value.count(fault) >= 2  # the fault, and the tool's own verdict
    front._rounds.end()
