"""Every scenario of the test world: `check` names the fault, its owner and its layer, and says `ok` once it is mended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tests.scenarios  # noqa: F401  (declares the scenarios)
from tests.world.scenario import SCENARIOS, WORKERS, SideBySide, missing


@pytest.fixture(scope="module")
def side_by_side(request: pytest.FixtureRequest) -> Iterator[SideBySide]:
    """All selected scenarios, already running: a test waits for its own."""
    selected = {item.callspec.params["name"] for item in request.session.items if _is_scenario(item)}
    running = SideBySide([s for n, s in SCENARIOS.items() if n in selected and not missing(s)], workers=WORKERS)
    yield running
    running.close()


def _is_scenario(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == test_check_names_the_fault_and_clears_it_once_mended.__name__


@pytest.mark.parametrize("name", SCENARIOS)
def test_check_names_the_fault_and_clears_it_once_mended(name: str, side_by_side: SideBySide) -> None:
    reason = missing(SCENARIOS[name])
    if reason:
        pytest.skip(reason)
    result = side_by_side.result(name)
    assert not result.problems, "\n".join(result.problems)


def test_there_are_scenarios_for_every_layer_and_for_healthy_oddities() -> None:
    layers = [scenario.layer for scenario in SCENARIOS.values()]
    assert len(layers) >= 20
    assert layers.count(None) >= 4
    assert set(layers) >= {"client", "dns", "tcp", "proxy", "tls", "http", "api", None}
