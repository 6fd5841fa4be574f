"""The panel of triage, without a browser and without a kernel: what is typed, pressed and shown."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import nbformat
import pytest

from oairunbook import lab
from oairunbook.evidence import load_evidence
from oairunbook.lab.running import Lab
from oairunbook.record import archive as archives
from oairunbook.record import runbooks
from oairunbook.record.follow import follows
from oairunbook.record.panel import Triage
from oairunbook.record.panel.controls import FreeText
from oairunbook.record.panel.standing import Standing
from oairunbook.record.source import collect_given
from oairunbook.record.working import prepare
from tests.test_verify_fix import Breakable
from tests.world.canary import Canaries

CONNECTION_ERROR = "openai.APIConnectionError: Connection error."
QUOTA = "openai.RateLimitError: Error code: 429 - {'error': {'message': 'You exceeded your current quota', 'code': 'insufficient_quota'}}"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)


@pytest.fixture
def front() -> Triage:
    return Triage(collect_given())


def practise(running: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in running.environment.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def type_into(field: FreeText, text: str) -> None:
    """What the page sends when somebody types."""
    field._take(field, {"text": text}, [])


def everything_saved() -> str:
    """The state of every widget, as JupyterLab and papermill save it into a notebook."""
    return json.dumps(widgets.Widget.get_manager_state())


def every_control(part: Any) -> Iterator[Any]:
    yield part
    for child in getattr(part, "children", ()):
        yield from every_control(child)


def shown_of(standing: Standing) -> str:
    """What stands in an output that the panel replaces."""
    assert standing._view is not None
    return standing._view.html


def parts(front: Triage) -> list[Any]:
    return [front.paste(), front.test(), front.step(), front.save()]


def test_owner_and_cause_follow_what_is_typed(front: Triage) -> None:
    assert front.owner.text == "Nothing was pasted and nothing was tested yet."
    type_into(front.text, CONNECTION_ERROR)
    assert front.owner.text == "Owner: connection path. Cause: unknown."
    type_into(front.text, QUOTA)
    assert front.owner.text == "Owner: quota or rate. Cause: api.insufficient_quota, proven."
    assert "api.insufficient_quota" in front.judged.value
    front._forget_text()
    assert front.owner.text == "Nothing was pasted and nothing was tested yet."
    assert front.judged.value == ""


def test_the_route_that_is_chosen_changes_the_owner_of_a_pasted_text(front: Triage) -> None:
    type_into(front.text, CONNECTION_ERROR)
    front.path_test.route.value = "gateway"
    assert front.owner.text == "Owner: route provider. Cause: unknown."
    type_into(front.path_test.base_url, "https://api.openai.com/v1")
    front.path_test.route.value = "direct"
    assert front.owner.text == "Owner: connection path. Cause: unknown."


def test_no_typed_text_is_state_of_a_widget_and_none_of_its_secrets_is_shown(front: Triage, canaries: Canaries) -> None:
    """A key that stands in no variable of this process, as one that was pasted would not."""
    key = "sk-proj-" + "Zk3q9" * 9
    type_into(
        front.text, f"curl -H 'Authorization: Bearer {key}' https://api.openai.com/v1\nmy words\n{CONNECTION_ERROR}"
    )
    type_into(front.text, f"{front.text.text} key={canaries.openai_key}")
    type_into(front.path_test.base_url, f"https://user:{canaries.proxy_password}@gateway.example.com/v1?api-key={key}")
    type_into(front.path_test.model, canaries.azure_key)
    assert key in front.text.text
    saved = everything_saved() + json.dumps([part._repr_mimebundle_()["text/html"] for part in parts(front)])
    assert key not in saved
    assert "my words" not in saved
    assert canaries.found_in("widget state", saved) == []
    front._save()
    written = [path.read_text("utf-8") for path in Path.cwd().rglob("*") if path.suffix in (".json", ".md", ".ipynb")]
    assert written
    assert not [text for text in written if key in text]


def test_the_test_shows_its_steps_and_its_verdict_and_a_step_can_be_looked_into(
    front: Triage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lab.start("tls.expired") as running:
        practise(running, monkeypatch)
        # Route and model as the lab's lines alone set them: the owner is the one that the lab's list prints.
        assert (running.fault.owner, front.path_test.route.value) == ("connection_path", "auto")
        front.path_test.repeat.value = 2
        front.path_test.start.click()
        # The one that is pressed hands the focus on, and the one that has it never loses it.
        assert front.path_test.start.disabled
        assert not front.path_test.cancel.disabled
        assert front.path_test.wait(60)
    assert not front.path_test.cancel.disabled
    assert not front.path_test.start.disabled
    assert front.path_test.status.text.startswith("The test is done: ")
    assert "tls: api.lab.test at 127.0.0.1" in front.path_test.progress.value
    assert front.owner.text == "Owner: connection path. Cause: tls.expired, proven."
    assert front.path_test.status.text.endswith(front.owner.text)
    assert "<img" in front.tested.value
    assert "tls.expired" in front.tested.value
    # The step that the verdict rests on is open; every other can be chosen.
    assert front.detail.step.value.startswith("tls:")
    assert "certificate has expired" in front.detail.place.value
    front.detail.step.value = "dns.system"
    assert "Step dns.system" in front.detail.place.value


def test_what_is_pasted_and_what_was_tested_give_one_verdict(front: Triage, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.start("tcp.refused") as running:
        practise(running, monkeypatch)
        front.path_test.start.click()
        assert front.path_test.wait(60)
    assert "tcp.refused" in front.owner.text
    type_into(front.text, QUOTA)
    probes = {o.probe for o in front.seen.observations}
    assert {"pasted", "tcp"} <= probes
    front._forget_text()
    assert "pasted" not in {o.probe for o in front.seen.observations}
    assert "tcp.refused" in front.owner.text


def test_a_cancelled_test_keeps_what_it_saw_and_says_so_where_it_is_kept_and_another_can_begin(
    front: Triage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lab.start("tls.timeout") as running:
        practise(running, monkeypatch)
        front.path_test.timeout.value = front.path_test.budget.value = 60
        front.path_test.start.click()
        front.path_test.start.click()  # A second press while one is under way begins nothing.
        last = time.monotonic() + 30
        while "tls: " not in front.path_test.progress.value and time.monotonic() < last:
            time.sleep(0.05)
        front.path_test.cancel.click()
        assert front.path_test.wait(20)
        assert front.path_test.status.text.startswith("Cancelled after ")
        assert {"client", "dns", "tcp"} <= {o.probe for o in front.seen.observations}
        front._save()
        [packet] = (tmp_path / "archive").rglob("packet.md")
        assert "cut short: it was cancelled" in packet.read_text("utf-8")
        manifest = json.loads(packet.with_name("manifest.json").read_bytes())
        assert (manifest["cut_short"], manifest["state"], manifest["interrupted"]) == (
            "it was cancelled",
            "partial",
            True,
        )
        assert front.verdict.missing[0].startswith("the rest of the test, which was cut short after ")
    with lab.start("ok") as running:
        practise(running, monkeypatch)
        type_into(front.path_test.model, running.model)
        front.path_test.repeat.value = 1
        front.path_test.start.click()
        assert front.path_test.wait(60)
    assert front.owner.text == "Owner: none. Cause: ok, proven."
    assert not any("cut short" in missing for missing in front.verdict.missing)
    front.path_test.cancel.click()
    assert front.path_test.status.text == "No test is under way, so there is nothing to cancel."


def test_what_changed_since_it_was_saved_is_not_offered_as_saved(front: Triage, tmp_path: Path) -> None:
    type_into(front.text, QUOTA)
    front._save()
    [run] = [path.parent for path in (tmp_path / "archive").rglob("packet.md")]
    assert run.name in shown_of(front._standing_header)
    type_into(front.text, CONNECTION_ERROR)
    assert front.saved.text.startswith("What is shown now is not saved")
    links = shown_of(front._standing_links)
    assert "href" not in links
    assert str(run) in links
    assert run.name not in shown_of(front._standing_header)
    front._save()
    assert front.saved.text.startswith("Saved in ")
    assert str(run) not in front.saved.text
    assert 'href="next/' in shown_of(front._standing_links)


def test_nothing_is_saved_before_anything_was_seen(front: Triage, tmp_path: Path) -> None:
    front._save()
    assert front.saved.text.startswith("Not saved: nothing was pasted and nothing was tested yet")
    assert not (tmp_path / "archive").exists()
    type_into(front.text, QUOTA)
    assert front.saved.text == ""
    front._save()
    assert front.saved.text.startswith("Saved in ")


def test_the_saved_packet_can_be_read_and_copied_where_it_was_saved(front: Triage, tmp_path: Path) -> None:
    type_into(front.text, QUOTA)
    front._save()
    [packet] = (tmp_path / "archive").rglob("packet.md")
    shown = shown_of(front._standing_links)
    assert f'href="{packet.relative_to(tmp_path)}"' in shown
    assert "<h3>Escalation packet: <code>api.insufficient_quota</code></h3>" in shown
    assert "# Escalation packet: `api.insufficient_quota`" in shown


def test_all_cells_run_again_keep_the_text_and_the_test(front: Triage, monkeypatch: pytest.MonkeyPatch) -> None:
    type_into(front.text, QUOTA)
    with lab.start("tcp.refused") as running:
        practise(running, monkeypatch)
        front.path_test.repeat.value = 1
        front.path_test.start.click()
        assert front.path_test.wait(60)
    again = Triage(collect_given(), before=front)
    assert again.text.text == QUOTA
    assert {"pasted", "tcp"} <= {o.probe for o in again.seen.observations}
    assert again.owner.text == front.owner.text
    assert Triage(collect_given()).owner.text == "Nothing was pasted and nothing was tested yet."


def test_a_page_of_voila_shows_under_each_heading_what_a_notebook_shows_and_links_to_nothing_that_it_cannot_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    page = Triage(collect_given())
    type_into(page.text, QUOTA)
    page._save()
    places = [standing._place for standing in (page.header(), page.follow(), page.conclusion())]
    header, follow, verdict = (place.value for place in places if place is not None)
    assert "What this is" in header
    assert "07_escalate: the packet for the owner" in follow
    assert "Escalation packet" in follow
    assert "href" not in follow
    assert str(tmp_path / "next") in follow
    assert "api.insufficient_quota" in verdict


def test_what_was_only_pasted_says_nothing_of_the_sdk_that_is_installed_here(front: Triage) -> None:
    assert "not known: nothing was tested" in shown_of(front._standing_header)
    assert "not installed" not in shown_of(front._standing_header)
    type_into(front.text, CONNECTION_ERROR)
    assert "not known: nothing was tested" in shown_of(front._standing_header)


def test_a_step_shows_headers_and_events_by_their_names(front: Triage, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.start("api.rate_limited") as running:
        practise(running, monkeypatch)
        front.path_test.repeat.value = 1
        front.path_test.start.click()
        assert front.path_test.wait(60)
    front.detail.step.value = "sdk"
    shown = front.detail.place.value
    assert ">answer.headers x-request-id<" in shown
    assert " s http11.send_request_headers.started" in shown
    assert "headers 1.name" not in shown
    assert "trace 1.name" not in shown


def test_a_text_alone_leads_to_the_button_below_it(front: Triage) -> None:
    type_into(front.text, CONNECTION_ERROR)
    assert "the button Test the path from here, below" in front.judged.value


def test_a_tool_that_fails_says_so_and_keeps_the_verdict(front: Triage, monkeypatch: pytest.MonkeyPatch) -> None:
    type_into(front.text, QUOTA)
    monkeypatch.setenv("OAIRUNBOOK_PRACTICE", "no practice setting")
    front.path_test.start.click()
    assert front.path_test.wait(30)
    assert front.path_test.status.text.startswith(
        "This tool failed, and nothing is proved by that. ValueError: OAIRUNBOOK_PRACTICE"
    )
    assert "api.insufficient_quota" in front.owner.text


def test_saving_archives_one_record_and_prepares_the_notebooks_that_follow_with_it(
    front: Triage, tmp_path: Path
) -> None:
    type_into(front.text, QUOTA)
    front._save()
    assert archives.verify(tmp_path / "archive") == ()
    [evidence_file] = (tmp_path / "archive").rglob("evidence.json")
    assert load_evidence(evidence_file.read_bytes()) == front.seen
    assert {path.name for path in evidence_file.parent.iterdir()} == {
        *("evidence.json", "verdict.json", "packet.md", "packet.json", "manifest.json")
    }
    assert str(evidence_file.parent) in front.saved.text
    prepared = sorted((tmp_path / "next").rglob("*.ipynb"))
    assert tuple(path.stem for path in prepared) == runbooks.names()  # each links to others
    followed = {following.name for following in follows(front.seen, front.verdict)}
    assert "07_escalate" in followed
    for path in prepared:
        linked = f'href="{path.relative_to(tmp_path)}"'
        assert (linked in shown_of(front._standing_links)) == (path.stem in followed)
        values = {p.name: p.default for p in runbooks.declared(nbformat.read(path, as_version=4).cells)}
        if "evidence" in values:
            record = values["failing" if path.stem == "08_verify_fix" else "evidence"]
            assert (path.parent / str(record)).resolve() == evidence_file


def test_an_archive_that_cannot_be_written_is_told_and_nothing_is_lost(
    front: Triage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OAIRUNBOOK_ARCHIVE", str(tmp_path / "file"))
    type_into(front.text, QUOTA)
    front._save()
    assert front.saved.text.startswith("Not saved: Not a directory")
    assert "api.insufficient_quota" in front.owner.text
    monkeypatch.delenv("OAIRUNBOOK_ARCHIVE")
    front._save()
    assert front.saved.text.startswith("Saved in ")


def test_a_record_that_is_given_counts_as_the_test_and_a_text_beside_it(
    front: Triage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lab.start("tcp.refused") as running:
        practise(running, monkeypatch)
        front.path_test.start.click()
        assert front.path_test.wait(60)
    front._save()
    [evidence_file] = (tmp_path / "archive").rglob("evidence.json")
    later = Triage(collect_given(evidence=str(evidence_file)))
    assert later.verdict == front.verdict
    type_into(later.text, CONNECTION_ERROR)
    assert {"tcp", "pasted"} <= {o.probe for o in later.seen.observations}


def test_every_part_has_a_static_text_beside_its_widgets(front: Triage) -> None:
    for part in parts(front):
        bundle = part._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in bundle
        assert "JupyterLab" in bundle["text/plain"]
        assert "JupyterLab" in bundle["text/html"]
        assert repr(part) == bundle["text/plain"]


def test_only_controls_that_a_keyboard_and_a_screen_reader_can_use_each_with_a_label(front: Triage) -> None:
    usable = (widgets.Dropdown, widgets.BoundedIntText, widgets.Checkbox, widgets.Button)
    for part in parts(front):
        for control in every_control(part.widget):
            if isinstance(control, usable):
                assert control.description
            elif isinstance(control, FreeText):
                assert control.label
            else:
                assert isinstance(control, widgets.Box | widgets.HTML) or type(control).__name__ == "Status"


def test_a_prepared_notebook_is_the_installed_one_but_for_its_evidence(tmp_path: Path) -> None:
    prepared = prepare(
        "02_same_path", tmp_path / "archive" / "run", tmp_path / "next", collect_given(), tested_here=False
    )
    made = nbformat.read(prepared, as_version=4)
    installed = nbformat.read(runbooks.find("02_same_path"), as_version=4)
    differing = [cell.id for cell, before in zip(made.cells, installed.cells, strict=True) if cell != before]
    assert differing == ["parameters"]


def run_prepared(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the cells that are not views leave, run where the copy lies."""
    [prepared] = folder.glob(f"next/*/{name}.ipynb")
    left: dict[str, Any] = {}
    with monkeypatch.context() as there:
        there.chdir(prepared.parent)
        for cell in nbformat.read(prepared, as_version=4).cells:
            if {"parameters", "remove-input"} & set(cell.metadata.get("tags", ())):
                exec(cell.source, left)
    return left


def test_prepared_notebooks_that_look_for_themselves_do_and_the_proof_of_a_fix_compares_with_the_run_that_was_saved(
    front: Triage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Breakable()
    with lab.start("ok") as running:
        practise(running, monkeypatch)
        front.path_test.base_url.text, front.path_test.model.text = path.base_url, "gpt-4o-mini"
        path.breaks = lambda: True
        front.path_test.start.click()
        assert front.path_test.wait(60)
        front._save()
        assert front.verdict.cause == "http.reset"

        around = run_prepared("04_serverless_container", tmp_path, monkeypatch)
        assert (around["verdict"].cause, bool(around["around"].egress)) == ("http.reset", True)
        still = run_prepared("08_verify_fix", tmp_path, monkeypatch)["result"]
        path.breaks = lambda: False
        mended = run_prepared("08_verify_fix", tmp_path, monkeypatch)["result"]
    path.close()
    assert (still.proved, still.statement) == (
        False,
        "Not proved: 0 of 3 attempts succeeded. Then it was http.reset; now it is http.reset.",
    )
    assert mended.proved, mended.statement
