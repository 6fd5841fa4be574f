"""The front door as people meet it: by keyboard, in JupyterLab and in Voilà."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from oairunbook import lab
from oairunbook.record import runbooks
from tests.browser.conftest import TOKEN, Camera, environment_of, python, run_all_cells, serious, served

PASTED = "openai.APIConnectionError: Connection error."


def tab_to(page: Any, name: str, *, most: int = 20) -> None:
    """Press Tab until the control with this name has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => {
                const e = document.activeElement;
                const own = ["A", "BUTTON"].includes(e.tagName) ? e.textContent : "";
                return [own, e.getAttribute("aria-label"), ...[...(e.labels || [])].map((label) => label.textContent)];
            }"""
        )
        if any(name in (text or "") for text in told):
            return
    raise AssertionError(f"{name} is not reached by {most} times Tab")


def test_from_an_error_text_to_a_packet_and_the_next_notebook_by_keyboard_alone(
    page: Any, camera: Camera, tmp_path: Path
) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    # As somebody has set it who wants widgets to look alive in saved notebooks: what is pasted must not get into them even then.
    settings = home / ".jupyter/lab/user-settings/@jupyter-widgets/jupyterlab-manager/plugin.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"saveState": true}', "utf-8")
    key = "sk-proj-" + "Zk3q9" * 9
    requests: list[str] = []
    page.context.on("request", lambda request: requests.append(request.url))
    with (
        lab.start("tls.untrusted_issuer") as running,
        served(
            lambda port: python("oairunbook.cli", "open", str(work), "--no-browser", "--port", str(port)),
            tmp_path,
            environment_of(home, running),
        ) as address,
    ):
        page.goto(f"{address}/lab/tree/triage.ipynb?token={TOKEN}")
        run_all_cells(page)
        # Running all cells leads to the field, so that whoever opens the page can paste at once.
        page.wait_for_function(
            "document.activeElement.tagName === 'TEXTAREA' && document.activeElement.placeholder === 'Nothing is pasted yet.'"
        )
        page.keyboard.insert_text(f"{PASTED}\nAuthorization: Bearer {key}")
        page.get_by_role("status").get_by_text("Cause: unknown").wait_for()
        tab_to(page, "Clear")
        tab_to(page, "Route")
        page.keyboard.type("direct")
        page.get_by_role("status").get_by_text("Owner: connection path. Cause: unknown.").wait_for()
        camera(page, "lab-1-pasted")
        tab_to(page, "Test the path from here")
        page.keyboard.press("Enter")
        page.get_by_role("status").get_by_text("The test is done").wait_for()
        assert page.evaluate("document.activeElement.textContent") == "Cancel"
        page.get_by_role("status").get_by_text(
            "Owner: connection path. Cause: tls.untrusted_issuer, proven."
        ).first.wait_for()
        camera(page, "lab-2-tested")
        tab_to(page, "Step")
        page.get_by_role("rowheader", name="verify_code", exact=True).wait_for()
        page.keyboard.press("Home")
        page.get_by_text("Step client.resources").wait_for()
        camera(page, "lab-3-step")
        tab_to(page, "Save the packet")
        page.keyboard.press("Enter")
        page.get_by_role("status").get_by_text("Saved in").wait_for()
        camera(page, "lab-4-saved")
        assert serious(page, ".jp-Notebook .jp-OutputArea") == []

        page.keyboard.press("Control+s")
        while "tls.untrusted_issuer" not in (work / "triage.ipynb").read_text("utf-8"):
            page.wait_for_timeout(100)
        tab_to(page, "07_escalate")
        page.keyboard.press("Enter")
        page.locator(".lm-TabBar-tab.jp-mod-current").get_by_text("07_escalate.ipynb").wait_for()
        page.locator(".jp-Notebook:visible").get_by_text("evidence.json").first.wait_for()
        camera(page, "lab-5-next")
    saved = (work / "triage.ipynb").read_text("utf-8")
    notebook = json.loads(saved)
    assert "application/vnd.jupyter.widget-state+json" in notebook["metadata"]["widgets"]
    assert key not in saved
    # The static tables followed what happened, and read without any widget.
    standing = [cell["outputs"] for cell in notebook["cells"] if cell["id"] in ("verdict", "follow")]
    assert "tls.untrusted_issuer" in json.dumps(standing)
    assert "07_escalate" in json.dumps(standing)
    [packet] = (work / "archive").rglob("packet.md")
    assert "tls.untrusted_issuer" in packet.read_text("utf-8")
    assert not [url for url in requests if not re.match(rf"{address}|ws://127|data:|blob:", url)]


def test_voila_shows_the_panel_and_a_test_can_be_cancelled_there(page: Any, camera: Camera, tmp_path: Path) -> None:
    shutil.copy(runbooks.find("triage"), tmp_path)
    with (
        lab.start("tls.timeout") as running,
        served(
            lambda port: python("voila", "triage.ipynb", "--no-browser", f"--port={port}", "--token="),
            tmp_path,
            environment_of(tmp_path, running),
        ) as address,
    ):
        page.goto(address)
        page.get_by_label("Error text").fill(PASTED)
        page.get_by_role("status").get_by_text("Cause: unknown").wait_for()
        page.get_by_label("Seconds a step").fill("60")
        page.get_by_role("button", name="Test the path from here").click()
        page.get_by_text("tls: api.lab.test at 127.0.0.1").first.wait_for()
        camera(page, "voila-1-testing")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("status").get_by_text("Cancelled after").wait_for()
        page.get_by_role("button", name="Save the packet").click()
        page.get_by_role("status").get_by_text("Saved in").wait_for()
        page.get_by_text("07_escalate: the packet for the owner").first.wait_for()
        page.get_by_text("Read the packet here").click()
        page.get_by_role("heading", name="Escalation packet").wait_for()
        camera(page, "voila-2-saved")
        assert serious(page, "body") == []
    [packet] = (tmp_path / "archive").rglob("packet.md")
    assert packet.stat().st_size
