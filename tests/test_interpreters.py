"""`--python`: the application's own SDK and transport decide, and the verdicts differ exactly where their trust stores do."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.world import World
from tests.world.authority import INSPECTION_ROOT, PUBLIC_ROOT
from tests.world.scenario import missing_for_any_world

ENVIRONMENTS = {"openai 1": ("openai<2", "httpx<1"), "openai 3": ("openai>=3,<4", "httpx2<3")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An application's virtual environment."""

    python: str
    certifi: str | None
    """certifi's file in it; None if it has none."""


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Environment]:
    """Two virtual environments with the packages that an index has, installed side by side."""
    reason = missing_for_any_world() or (None if importlib.util.find_spec("pip") else "pip is not installed")
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("environments")
    installing = {}
    for name, requirements in ENVIRONMENTS.items():
        place = folder / name.replace(" ", "-")
        venv.create(place, with_pip=False, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(place / "bin/python")]
        call = [*pip, "install", "--quiet", "--no-compile", *requirements]
        installing[name] = place, subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    made = {}
    for name, (place, process) in installing.items():
        said = process.communicate(timeout=300)[1]
        if process.returncode:
            pytest.skip(f"{name} cannot be installed from the package index: {said[-500:]}")
        certifi = next(place.glob("lib/python3.*/site-packages/certifi/cacert.pem"), None)
        made[name] = Environment(python=str(place / "bin/python"), certifi=str(certifi) if certifi else None)
    return made


def verdicts(world: World, environments: dict[str, Environment]) -> dict[str, str]:
    """The cause that each environment's SDK meets, and that it is its own SDK that met it."""
    causes = {}
    for name, environment in environments.items():
        checked = world.client.check("--python", environment.python)
        route: Any = checked.evidence["route"]
        assert route["sdk"].startswith(name[-1] + "."), route["sdk"]
        assert route["transport"].split()[0] == {"openai 1": "httpx", "openai 3": "httpx2"}[name]
        assert checked.evidence["runtime"]["executable"] == environment.python
        assert checked.evidence["runtime"]["collector"]["carrier"] == "interpreter"
        assert checked.evidence["route"]["credential"]["present"], "it looks with this process's environment"
        causes[name] = checked.cause
    return causes


def test_two_sdks_on_one_path_get_different_verdicts_exactly_where_their_trust_stores_differ(
    world: World, environments: dict[str, Environment]
) -> None:
    client = world.client
    certifi = environments["openai 1"].certifi
    assert certifi, "httpx brings certifi along"
    client.put(certifi, PUBLIC_ROOT.pem.decode())
    world.middle.inspect(INSPECTION_ROOT)
    assert verdicts(world, environments) == {"openai 1": "tls.untrusted_issuer", "openai 3": "tls.untrusted_issuer"}

    # The company's root goes into the operating system's store, as its handbook says: httpx2 reads it, certifi does not hold it.
    client.trust(INSPECTION_ROOT)
    client.put(certifi, PUBLIC_ROOT.pem.decode())
    assert verdicts(world, environments) == {"openai 1": "tls.trust_store_mismatch", "openai 3": "ok"}

    client.environment["SSL_CERT_FILE"] = client.bundle(PUBLIC_ROOT, INSPECTION_ROOT)
    assert verdicts(world, environments) == {"openai 1": "ok", "openai 3": "ok"}


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
