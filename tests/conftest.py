"""What every test shares: the canary guard, the versions in the header, and a check that no namespace is left over."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import signal
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from tests.world import World
from tests.world.canary import fail_on
from tests.world.namespace import left_over
from tests.world.scenario import missing_for_any_world

pytest_plugins = ["pytester", "tests.guard", "tests.peers"]


def pytest_configure() -> None:
    # How long an example takes says something of the machine, and nothing of what is tested.
    # The environment of tests/browser goes without it.
    if importlib.util.find_spec("hypothesis"):
        from hypothesis import settings

        settings.register_profile("untimed", deadline=None)
        settings.load_profile("untimed")
    # Worlds and labs are taken down on SIGTERM as they are on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_report_header() -> list[str]:
    packages = []
    for name in ("oairunbook", "openai", "httpx2", "httpcore2", "httpx", "httpcore"):
        try:
            packages.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            packages.append(f"{name} not installed")
    return [f"python {platform.python_version()}, {ssl.OPENSSL_VERSION}", ", ".join(packages)]


_LEFT_OVER: list[str] = []
"""What workers of pytest-xdist say that they left."""


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _LEFT_OVER.extend(getattr(node, "workeroutput", {}).get("left_over", ()))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_over"] = left_over()
        return
    for name in (*left_over(), *_LEFT_OVER):
        print(f"\nnetwork namespace {name} is left over")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def world() -> Iterator[World]:
    """A healthy world of this test alone; the guard looks at what its client wrote."""
    reason = missing_for_any_world()
    if reason:
        pytest.skip(reason)
    with World() as made:
        yield made
        fail_on(made.leaks())
