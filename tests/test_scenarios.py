"""Every scenario of the test world: `check` names the fault, its owner and its layer, and says `ok` once it is mended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oairunbook.diagnose import CATALOGUE
from tests.scenarios import NOT_YET
from tests.world.scenario import SCENARIOS, WORKERS, SideBySide, missing


@pytest.fixture(scope="module")
def side_by_side(request: pytest.FixtureRequest) -> Iterator[SideBySide]:
    """All selected scenarios, already running: a test waits for its own."""
    selected = {item.callspec.params["name"] for item in request.session.items if _is_scenario(item)}
    able = [s for n, s in SCENARIOS.items() if n in selected and not missing(s)]
    running = SideBySide(able, workers=WORKERS, control=lambda s: s.name in _FIRST_OF_ITS_CAUSE, again=8)
    yield running
    running.close()


_FIRST_OF_ITS_CAUSE = frozenset({s.cause: name for name, s in reversed(SCENARIOS.items())}.values())
"""Of these `check` must say `ok` once they are mended; of all others the SDK must be answered. `python -m tests.world` asks `check` of all."""


def _is_scenario(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == test_check_names_the_fault_and_clears_it_once_mended.__name__


def _cases() -> Iterator[object]:
    for name in SCENARIOS:
        # Strict: one that passes must be taken off the list.
        marks = [pytest.mark.xfail(strict=True, reason="not yet judged rightly")] if name in NOT_YET else []
        yield pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", list(_cases()))
def test_check_names_the_fault_and_clears_it_once_mended(name: str, side_by_side: SideBySide) -> None:
    reason = missing(SCENARIOS[name])
    if reason:
        pytest.skip(reason)
    result = side_by_side.result(name)
    assert not result.problems, "\n".join(result.problems)


def test_every_name_on_the_list_of_misses_is_a_scenario() -> None:
    assert not NOT_YET - SCENARIOS.keys()


def test_the_catalogue_is_as_broad_as_its_promise() -> None:
    """More than 100 scenarios: below TCP's payload, healthy with oddities, coming and going, and on every layer."""
    below_payload = [s for s in SCENARIOS.values() if s.packets]
    assert len(SCENARIOS) >= 100
    assert len(below_payload) >= 30
    assert sum(s.cause == "ok" for s in SCENARIOS.values()) >= 12
    assert sum(s.intermittent for s in SCENARIOS.values()) >= 8
    assert {s.layer for s in SCENARIOS.values()} >= {"client", "dns", "tcp", "proxy", "tls", "http", "api", None}


_NO_NETWORK_MAKES = {
    # Only an application's own use of its client leads there; `check` makes a client of its own.
    "client.pool_timeout",
    "client.event_loop_closed",
    "client.client_closed",
}


def test_every_cause_that_a_network_or_a_runtime_can_produce_has_a_scenario() -> None:
    layers = ("client", "dns", "tcp", "proxy", "tls", "http")
    wanted = {cause.id for cause in CATALOGUE if cause.layer in layers} - _NO_NETWORK_MAKES
    assert not wanted - {s.cause for s in SCENARIOS.values()}
