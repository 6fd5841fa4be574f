"""`--python`: the application's own SDK and transport decide, and the verdicts differ exactly where their trust stores do."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.matrix import EXTREMES, FAULTS, CannotInstallError, environments, look, show
from tests.world.scenario import missing_for_any_world

_TELLING = ("root in the system's store alone", "root in certifi alone", "dead proxy, NO_PROXY=*.openai.com", "reset")
"""Faults on which the transports differ, and one on which they do not."""


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], str]:
    """Virtual environments with the packages that an index has, installed side by side."""
    reason = missing_for_any_world() or (None if importlib.util.find_spec("pip") else "pip is not installed")
    if reason:
        pytest.skip(reason)
    try:
        return environments(tmp_path_factory.mktemp("environments"), EXTREMES)
    except CannotInstallError as error:
        pytest.skip(f"it cannot be installed from the package index: {error}")


@pytest.mark.parametrize("name", _TELLING)
def test_sdks_get_different_verdicts_exactly_where_trust_stores_or_proxy_rules_differ(
    name: str, pythons: dict[tuple[str, ...], str]
) -> None:
    (fault,) = [fault for fault in FAULTS if fault.name == name]
    cells = look(fault, EXTREMES, pythons, workers=2)
    assert [cell.cause for cell in cells] == [cell.expected for cell in cells], show(cells)
    for cell in cells:
        # It is that environment's own SDK and transport that met it.
        assert cell.sdk.startswith(cell.caller.name.partition(" ")[0].rstrip("x"))
        assert cell.transport.split()[0] == cell.caller.transport


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/no/such/python", "it does not exist"),
        (str(Path(sys.prefix)), "it is a folder; name the program in it"),
        (__file__, "it may not be executed"),
    ],
)
def test_an_interpreter_that_is_none_is_a_wrong_call(path: str, said: str) -> None:
    call = [sys.executable, "-m", "oairunbook.cli", "check", "--json", "-", "--python", path]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Nothing was started" in done.stderr


def test_a_practice_run_goes_by_another_interpreter_too(tmp_path: Path) -> None:
    options = ("--lab", "tls.expired", "--python", sys.executable, "--archive", str(tmp_path), "-q", "--json", "-")
    call = [sys.executable, "-m", "oairunbook.cli", "run", "02_same_path", *options]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"]["cause"] == "tls.expired"
    assert document["practice"] == "tls.expired"
    assert document["evidence"]["runtime"]["collector"]["carrier"] == "interpreter"
