"""The report of a run, opened from the disk in a browser that is offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat

from oairunbook import lab
from oairunbook.record.archive.find import find_run
from oairunbook.record.report import report
from oairunbook.record.run import run
from tests.browser.conftest import Camera, environment_of, serious


def test_a_report_opens_offline_and_is_readable_by_everybody(chromium: Any, camera: Camera, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    with lab.start("tls.expired") as running:
        run(
            ["02_same_path"],
            [("route", "direct"), ("model", running.model)],
            archive=str(archive),
            environment=environment_of(tmp_path, running),
        )
    file = tmp_path / "report.html"
    folder = find_run(archive, "latest")
    file.write_text(report(folder).html, "utf-8")
    requests, said = opened(chromium, file, camera)
    assert requests == [file.as_uri()]
    assert said == []


def test_what_is_hostile_in_a_record_does_nothing_in_a_browser(chromium: Any, tmp_path: Path) -> None:
    hostile = (
        "<script>document.title = 'taken'</script><img src=https://evil.example/a.png onerror=\"document.title = 'taken'\">"
        "<meta http-equiv=refresh content='0;url=https://evil.example/'><iframe src=https://evil.example/></iframe>"
        "<style>@import 'https://evil.example/b.css';</style><svg onload=\"document.title = 'taken'\"></svg>"
    )
    html = nbformat.v4.new_output("display_data", {"text/html": hostile})
    cells = [nbformat.v4.new_markdown_cell(hostile), nbformat.v4.new_code_cell("1", outputs=[html])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_response_evidence.ipynb")
    (tmp_path / "packet.md").write_text(hostile, "utf-8")
    (tmp_path / "manifest.json").write_text(json.dumps({"host": hostile, "files": {}}), "utf-8")
    file = tmp_path / "report.html"
    file.write_text(report(tmp_path).html, "utf-8")
    requests, said = opened(chromium, file)
    assert requests == [file.as_uri()]
    assert said == []


def opened(chromium: Any, file: Path, camera: Camera | None = None) -> tuple[list[str], list[str]]:
    """What the page asked for, and what it said in the console."""
    requests: list[str] = []
    said: list[str] = []
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url) if not request.url.startswith("data:") else None)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_timeout(300)
    assert page.url == file.as_uri()
    assert page.title().startswith("oairunbook run ")
    if camera is not None:
        camera(page, "report")
        # Its policy forbids scripts, axe-core's too: the same markup without it.
        policy = page.locator("meta[http-equiv=Content-Security-Policy]").evaluate("meta => meta.outerHTML")
        plain = file.with_name("plain.html")
        plain.write_text(file.read_text("utf-8").replace(policy, ""), "utf-8")
        other = context.new_page()
        other.goto(plain.as_uri())
        assert serious(other, "body") == []
    context.close()
    return requests, said
