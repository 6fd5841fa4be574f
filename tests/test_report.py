"""`oairunbook report`: one file that holds a whole run, loads nothing, and in which hostile content stays text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner, Result

from oairunbook.cli import cli
from oairunbook.diagnose import diagnose
from oairunbook.read import read
from oairunbook.record import inert
from oairunbook.record.archive import Kind, begin
from oairunbook.record.archive.find import find_run
from oairunbook.record.report import report
from oairunbook.record.run import archive_record
from oairunbook.runtime import this_runtime

HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(2)><a href="javascript:alert(3)">go</a>'


def archived(root: Path, text: str = "openai.APIConnectionError: Connection error.") -> Path:
    seen = read(text, this_runtime({}), environment={})
    return archive_record(root, seen, diagnose(seen))


def add_notebook(run: Path, *outputs: nbformat.NotebookNode, markdown: str = "# What is seen?") -> None:
    code = nbformat.v4.new_code_cell("show.this()", outputs=list(outputs))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(markdown), code])
    run.chmod(0o700)
    nbformat.write(notebook, run / "02_same_path.ipynb")


def html_output(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", {"text/html": text, "text/plain": "plain"})


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Elements()
    parser.feed(text)
    return parser.found


def can_act(text: str) -> list[str]:
    """Whatever in a document could run, load, or lead out of it."""
    acting = []
    for tag, attributes in elements(text):
        if tag in (
            "script",
            "iframe",
            "object",
            "embed",
            "form",
            "link",
            "base",
            "svg",
            "math",
            "input",
            "video",
            "audio",
        ):
            acting.append(tag)
        for name, value in attributes.items():
            if name.startswith("on") or (name == "http-equiv" and "refresh" in (value or "").lower()):
                acting.append(f"{tag} {name}")
            if name in ("src", "href", "action", "srcset", "poster") and not (value or "").startswith(
                ("#", "data:image/")
            ):
                acting.append(f"{tag} {name}={value}")
            if name == "style" and "url" in (value or ""):
                acting.append(f"{tag} {name}={value}")
    return acting


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["report", *arguments])


def test_the_verdict_comes_first_and_notebooks_packet_and_manifest_follow(tmp_path: Path) -> None:
    run = archived(tmp_path / "archive")
    add_notebook(run, html_output("<p>seen here</p>"))
    text = report(run).html
    order = [
        "<h1>Owner: connection path. Cause: unknown",
        'id="02_same_path"',
        "seen here",
        'id="packet"',
        'id="manifest"',
    ]
    positions = [text.index(part) for part in order]
    assert positions == sorted(positions)
    assert "Goes to" in text  # the packet
    assert "oairunbook.manifest/" in text
    assert text.startswith("<!DOCTYPE html>")
    assert can_act(text) == []


def test_an_archived_run_is_named_and_a_table_without_rows_is_a_sentence(tmp_path: Path) -> None:
    run = archived(tmp_path)
    told = report(run).html
    assert f"{run.name}, in the archive" in told
    assert "not archived" not in told
    assert "No notebook was run for it: one record was archived." in told
    assert "Its notebooks" not in told


def test_every_notebook_is_reached_from_the_contents_and_from_links_of_other_notebooks(tmp_path: Path) -> None:
    run = archived(tmp_path / "archive")
    add_notebook(
        run,
        markdown="Go on with [here](02_same_path.ipynb), not [there](04_gone.ipynb) or [out](https://example.com/).",
    )
    links = [attributes.get("href") for tag, attributes in elements(report(run).html) if tag == "a"]
    assert links.count("#02_same_path") == 2
    assert [link for link in links if (link and "gone" in link) or (link and "example" in link)] == []


@pytest.mark.parametrize(
    "hostile",
    [
        HOSTILE,
        '<iframe src="https://evil.example/"></iframe>',
        '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
        '<link rel="stylesheet" href="https://evil.example/a.css">',
        '<div style="background: url(https://evil.example/b.png); position: fixed; top: 0">x</div>',
        '<img src="https://evil.example/c.png">',
        '<img src="data:text/html,<script>alert(4)</script>">',
        '<svg onload="alert(5)"><use href="https://evil.example/d.svg#x"/></svg>',
        '<a href="data:text/html,<script>alert(6)</script>">x</a><form action="https://evil.example/"><input></form>',
        "</div></section></main><base href='https://evil.example/'>",
    ],
)
def test_hostile_content_neither_runs_nor_loads_nor_leads_anywhere(tmp_path: Path, hostile: str) -> None:
    run = archived(tmp_path / "archive", f"openai.APIConnectionError: {hostile}")
    stream = nbformat.v4.new_output("stream", text=hostile)
    error = nbformat.v4.new_output("error", ename=hostile, evalue=hostile, traceback=[hostile, "\x1b[31mred\x1b[0m"])
    add_notebook(run, html_output(hostile), stream, error, markdown=f"# {hostile}\n\n{hostile}")
    for name in ("packet.md", "manifest.json"):
        (run / name).chmod(0o600)
    (run / "packet.md").write_text(f"# {hostile}\n\n{hostile}\n", "utf-8")
    manifest = json.loads((run / "manifest.json").read_bytes())
    (run / "manifest.json").write_text(json.dumps({**manifest, "host": hostile, "files": {hostile: hostile}}), "utf-8")
    text = report(run).html
    assert can_act(text) == []
    assert "\x1b" not in text


def test_the_pictures_of_the_notebooks_stay() -> None:
    picture = '<img alt="the path" src="data:image/svg+xml;base64,PHN2Zy8+">'
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in inert.html(picture)
    assert "src" not in inert.html(picture.replace("data:", "https://example.com/"))


def test_a_policy_forbids_scripts_and_requests_whatever_else_fails(tmp_path: Path) -> None:
    text = report(archived(tmp_path / "archive")).html
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_a_file_that_was_changed_or_is_missing_is_told(tmp_path: Path) -> None:
    run = archived(tmp_path / "archive")
    assert "changed" not in report(run).html.partition('id="manifest"')[2]
    (run / "packet.json").chmod(0o600)
    (run / "packet.json").write_text("{}", "utf-8")
    run.chmod(0o700)
    (run / "verdict.json").unlink()
    told = report(run).html
    assert "changed" in told.partition('id="manifest"')[2]
    assert "missing" in told.partition('id="manifest"')[2]
    assert "by the rules of the tool that wrote this report" in told


def test_a_killed_run_without_evidence_still_shows_its_notebook(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    add_notebook(run, nbformat.v4.new_output("stream", text="as far as it came"))
    (run / "03_torn.ipynb").write_text('{"cells": [', "utf-8")
    text = report(run).html
    assert "<h1>No verdict</h1>" in text
    assert "there is no evidence.json" in text
    assert "as far as it came" in text
    assert "This notebook cannot be read" in text
    assert "This run holds no packet" in text
    assert "This run holds no manifest" in text


@pytest.mark.parametrize(
    ("kind", "about", "heading"),
    [
        ("audit", {}, "An audit of an archive"),
        ("fleet", {"fleet": {"told": "2 of 9 fail"}}, "2 of 9 fail"),
    ],
)
def test_a_look_at_an_archive_or_a_fleet_is_called_so_and_misses_neither_verdict_nor_packet(
    tmp_path: Path, kind: Kind, about: dict[str, object], heading: str
) -> None:
    draft = begin(tmp_path, host="web-3", kind=kind)
    draft.write("09_audit.ipynb", nbformat.writes(nbformat.v4.new_notebook(cells=[])))
    made = report(draft.finish("whole", about))
    assert f"<h1>{heading}</h1>" in made.html
    assert "No verdict" not in made.html
    assert "packet" not in made.html.lower()
    assert made.problems == ()


def test_the_command_writes_one_private_file_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = archived(tmp_path / "archive")
    result = call("latest")
    assert (result.exit_code, result.output) == (0, f"{run.name}.html\n")
    written = tmp_path / f"{run.name}.html"
    assert written.stat().st_mode & 0o777 == 0o600
    assert written.read_text("utf-8") == report(find_run(tmp_path / "archive", "latest")).html
    assert call(str(run), "-o", "-").stdout == report(run).html


def test_a_name_of_an_open_stream_is_written_to_and_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root `-o /dev/stdout >FILE` put a file in the place of the link, and `-o /dev/null` one in that of the device."""
    monkeypatch.chdir(tmp_path)
    archived(tmp_path / "archive")
    with Path("kept").open("w+", encoding="utf-8") as file:
        Path("out").symlink_to(f"/proc/self/fd/{file.fileno()}")
        assert call("latest", "-o", "out").exit_code == 0
        assert file.read() == report(find_run(tmp_path / "archive", "latest")).html
    assert Path("out").is_symlink()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("no-such-run",), 2, "holds no run 'no-such-run'"),
        (("empty",), 2, "holds neither evidence.json nor a notebook"),
        (("latest", "-o", "no/such/folder.html"), 4, "cannot be written: No such file or directory"),
    ],
)
def test_a_wrong_call_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], status: int, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    archived(tmp_path / "archive")
    (tmp_path / "empty").mkdir()
    result = call(*arguments)
    assert result.exit_code == status
    assert told in " ".join(result.output.split())
