"""The test world itself: whole, apart from its neighbours, and gone afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from tests.world import API, AZURE, NAME_SERVER, PLACES, World
from tests.world.namespace import left_over
from tests.world.scenario import Scenario, SideBySide, Steps


def test_the_client_reaches_the_api_by_the_names_and_roots_of_its_world(world: World) -> None:
    assert set(world.client.resolved(API)) == set(PLACES[API].addresses)
    assert world.client.sdk().startswith("answered ChatCompletion")


def test_both_families_reach_every_address_of_the_api(world: World) -> None:
    for address in PLACES[API].addresses:
        shown = f"[{address}]" if ":" in address else address
        trace = world.client.curl(f"https://{API}/v1/models", "--resolve", f"{API}:443:{shown}").stderr
        assert f"Connected to {API} ({address}) port 443" in trace
        assert "SSL certificate verify ok" in trace


def test_what_one_world_breaks_its_neighbour_does_not_feel(world: World) -> None:
    with World() as neighbour:
        world.dns.fail("NXDOMAIN", API)
        world.middle.drop()

        assert world.client.resolved(API) == []
        assert neighbour.client.sdk().startswith("answered ChatCompletion")
        assert all(query.name != AZURE for query in neighbour.dns.queries)


def test_the_name_server_is_asked_over_the_wire(world: World) -> None:
    world.client.dig(API)
    assert [(q.name, q.rdtype, q.transport) for q in world.dns.queries] == [(API, "A", "udp")]
    assert world.client.curl("http://nowhere.acme.example/").status == 6
    assert {q.name for q in world.dns.queries} == {API, "nowhere.acme.example"}


def test_the_clients_environment_holds_nothing_of_the_tests(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    ran = world.client.run("env")
    world.client.outputs.clear()
    assert "SSL_CERT_FILE" not in ran.stdout
    assert world.canaries.openai_key in ran.stdout
    assert NAME_SERVER in world.client.run("cat", "/etc/resolv.conf").stdout


def test_a_leak_in_the_clients_output_or_files_is_found(world: World) -> None:
    world.client.run("sh", "-c", 'printf %s "$OPENAI_API_KEY" | base64')
    assert world.leaks() == ["openai_key in the client's output"]
    world.client.outputs.clear()
    assert world.leaks() == []
    world.client.run("sh", "-c", 'printf %s "$OPENAI_API_KEY" > "$HOME/note"')
    assert world.leaks() == [f"openai_key in {world.client.home / 'note'}"]
    (world.client.home / "note").unlink()


def test_nothing_is_left_of_a_world_whose_test_failed(world: World) -> None:
    own = set(left_over())
    broken = World()
    broken.proxy.tinyproxy()
    with contextlib.suppress(ZeroDivisionError), broken:
        raise ZeroDivisionError
    assert set(left_over()) == own
    assert not broken.folder.exists()


def _shown_from(turn: int) -> Callable[[World], Steps]:
    """Steps of a scenario whose fault shows itself only from this run of it on."""
    runs: list[World] = []

    def proof(world: World) -> None:
        runs.append(world)
        assert len(runs) >= turn, f"run {len(runs)}"

    def steps(world: World) -> Steps:
        yield proof

    return steps


@pytest.mark.usefixtures("world")
def test_a_scenario_that_failed_beside_others_gets_one_second_chance_and_no_third() -> None:
    late = Scenario(name="late", cause="ok", owner="nobody", steps=_shown_from(2))
    never = Scenario(name="never", cause="ok", owner="nobody", steps=_shown_from(9))
    side_by_side = SideBySide([late, never], workers=2, judge=False, again=2)
    try:
        with pytest.warns(UserWarning, match=r"late failed beside others and is run again alone: .*run 1"):
            assert not side_by_side.result("late").problems
        with pytest.warns(UserWarning, match="never failed beside others"):
            assert "run 2" in "".join(side_by_side.result("never").problems)
        assert "run 1" in "".join(side_by_side.result("never").problems)
    finally:
        side_by_side.close()
