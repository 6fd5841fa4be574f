"""A Chromium, servers to point it at, and where its pictures go."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from oairunbook.lab.running import Lab

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TOKEN = "no-secret-of-anybody"
MISSING = [
    name
    for name in ("playwright", "jupyterlab", "voila", "axe_playwright_python")
    if not importlib.util.find_spec(name)
]
SECONDS = 30
"""How long a page may take on a busy machine before the test gives up."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = (
        "pip install '.[browser]': missing " + ", ".join(MISSING)
        if MISSING
        else ""
        if CHROMIUM
        else "apt install chromium"
    )
    for item in items:
        if reason and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Camera:
    """Takes pictures at two widths, into the folder that OAIRUNBOOK_SCREENSHOTS names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, page: Any, name: str) -> None:
        size = page.viewport_size
        for width in (800, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(200)
            page.screenshot(path=self.folder / f"{name}-{width}.png")
        page.set_viewport_size(size)


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    folder = Path(os.environ.get("OAIRUNBOOK_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return Camera(folder)


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    yield page
    context.close()


def environment_of(home: Path, running: Lab | None = None) -> dict[str, str]:
    """That of a server: a home of its own, and the way to the lab."""
    wanted: Mapping[str, str | None] = running.environment if running else {}
    merged: dict[str, str | None] = {**os.environ, **wanted, "HOME": str(home), "JUPYTER_TOKEN": TOKEN}
    return {name: value for name, value in merged.items() if value is not None and not name.startswith("JUPYTER_P")}


@contextmanager
def served(command: Callable[[int], list[str]], folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run a server until the block ends; gives its address. *command* gets the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            command(port), cwd=folder, env=environment, stdout=written, stderr=written, start_new_session=True
        )
    try:
        last = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text("utf-8", "replace")
                assert time.monotonic() < last, log.read_text("utf-8", "replace")
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(SECONDS)


def python(*arguments: str) -> list[str]:
    """A module of this environment as a command."""
    return [sys.executable, "-m", *arguments]


def serious(page: Any, within: str) -> list[str]:
    """What axe-core finds there that keeps somebody out."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context={"include": [[within]]}).response
    assert found["passes"]
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:200]}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def run_all_cells(page: Any) -> None:
    """By JupyterLab's command palette, as somebody without a mouse does."""
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.keyboard.press("Control+Shift+C")
    page.keyboard.type("Run All Cells")
    page.locator(".lm-CommandPalette-item.lm-mod-active").get_by_text("Run All Cells", exact=True).wait_for()
    page.keyboard.press("Enter")
