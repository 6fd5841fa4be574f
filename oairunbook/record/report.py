"""One run as one HTML file: the verdict first, then its notebooks, packet and manifest. It needs nothing beside it, and loads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat

from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence, EvidenceError, load_evidence
from oairunbook.record import inert as safe
from oairunbook.record import packet as packets
from oairunbook.record import show
from oairunbook.record.archive import MANIFEST
from oairunbook.record.archive.held import Hash, names_in
from oairunbook.record.archive.reading import Reading, vouched
from oairunbook.record.archive.walk import Problem
from oairunbook.record.source import EVIDENCE_FILE
from oairunbook.record.view import View, clean, inert, paragraph, table, together
from oairunbook.records import dataclass
from oairunbook.verdict import Verdict, load_verdict

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_MOST_CHARACTERS = 200_000
"""Of one plain output."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_STYLE = """
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; color: #111; background: #fff; }
h1 { font-size: 1.6rem; } h2 { margin-top: 3rem; border-top: 2px solid #111; padding-top: .5rem; font-size: 1.3rem; }
h3 { font-size: 1.15rem; } h4, h5, h6 { font-size: 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-size: .92rem; }
.wide { overflow-x: auto; } td:last-child { min-width: 18rem; }
caption { font-weight: bold; padding: 0 0 4px; text-align: left; } th { font-weight: 600; }
th, td { border-top: 1px solid #ccc; text-align: left; vertical-align: top; padding: 2px 8px; }
td:not(:last-child) code { overflow-wrap: normal; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f4f4; padding: .5rem; font-size: .85rem; }
code { overflow-wrap: anywhere; } img { max-width: 100%; height: auto; } summary { cursor: pointer; color: #333; }
nav li { margin: .2rem 0; } .practice { border: 2px solid #111; padding: .5rem 1rem; }
@media print { h2 { break-before: auto; } details > *:not(summary) { display: none; } }
"""


class ReportError(ValueError):
    """A folder is no run that a report can be made of. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run in one file."""

    html: str
    problems: tuple[Problem, ...]
    """What of the run is not as it was archived, or that nothing vouches for it; the page says it as well."""


def report(folder: Path) -> Report:
    """The report of the run in this folder. What is missing or unreadable in it is told in its place.

    Raises:
        ReportError: There is neither evidence nor a notebook in it.
        OSError: It cannot be read.
    """
    run = Reading(folder)
    notebooks = sorted(name for name in names_in(str(folder)) if name.endswith(".ipynb"))
    evidence, problem = _evidence(run)
    if evidence is None and not notebooks:
        raise ReportError(f"{folder} holds neither {EVIDENCE_FILE} nor a notebook: {problem}")
    names = [name.removesuffix(".ipynb") for name in notebooks]
    manifest = _document(run)
    # What looked at no path of its own has nothing to hand over.
    elsewhere = _of_no_path(manifest) if evidence is None else ""
    sections = [(name, name, _notebook(run, f"{name}.ipynb", names)) for name in names]
    sections += [] if elsewhere else [("packet", "Packet", _packet(run))]
    sections += [("manifest", "Manifest", _view(_manifest(run, manifest)))]
    parts = [elsewhere or _verdict(run, evidence, problem), *(_section(*section) for section in sections)]
    # Last: what stands above are the bytes that count here.
    problems = vouched(run).problems
    if problems:
        rows = [(one.path, one.what) for one in problems]
        parts[0] += _view(table("Not as it was archived, or not vouched for", ("Where", "What"), rows))
    title = f"oairunbook run {folder.name}"
    contents = "".join(f'<li><a href="#{inert(anchor)}">{inert(words)}</a></li>' for anchor, words, _ in sections)
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><meta name="referrer" content="no-referrer">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{inert(clean(title))}</title>'
        f"<style>{_STYLE}</style></head><body><main>{parts[0]}"
        f'<nav aria-label="Contents"><ul>{contents}</ul></nav>{"".join(parts[1:])}</main></body></html>\n'
    )
    return Report(html=page, problems=problems)


def _of_no_path(manifest: dict[str, Any]) -> str:
    """Of a look at a fleet or an archive, which has no verdict of its own: its notebook says the rest. Empty of any other run."""
    if isinstance(told := manifest.get("fleet"), dict):
        return f"<h1>{inert(clean(str(told.get('told'))))}</h1>"
    return "<h1>An audit of an archive</h1>" if manifest.get("kind") == "audit" else ""


def _verdict(run: Reading, evidence: Evidence | None, problem: str) -> str:
    if evidence is None:
        return f"<h1>No verdict</h1>{_view(paragraph(f'The evidence of this run cannot be read: {problem}'))}"
    verdict, which = _archived_verdict(run, evidence)
    certainty = f", {verdict.certainty}" if verdict.certainty else ""
    heading = f"Owner: {packets.OWNER_NAMES[verdict.owner]}. Cause: {verdict.cause}{certainty}"
    return (
        f"<h1>{inert(clean(heading))}</h1>"
        + _view(
            together(show.verdict(evidence, verdict), paragraph(which), show.header(evidence, verdict, str(run.folder)))
        )
        + _view(show.path(evidence, verdict))
    )


def _archived_verdict(run: Reading, evidence: Evidence) -> tuple[Verdict, str]:
    try:
        verdict = load_verdict(run.read("verdict.json"))
    except (OSError, EvidenceError):
        return (
            diagnose(evidence),
            "This run holds no verdict that can be read: the one above is by the rules of the tool that wrote this report.",
        )
    return verdict, f"The verdict as it was archived, by rules {verdict.rules_version}."


def _evidence(run: Reading) -> tuple[Evidence | None, str]:
    try:
        return load_evidence(run.read(EVIDENCE_FILE)), ""
    except FileNotFoundError:
        return None, f"there is no {EVIDENCE_FILE}"
    except OSError as error:
        return None, f"{EVIDENCE_FILE}: {error.strerror}"
    except EvidenceError as error:
        return None, str(error)


def _packet(run: Reading) -> str:
    try:
        text = run.read("packet.md").decode("utf-8", "replace")
    except FileNotFoundError:
        return _view(paragraph("This run holds no packet: it did not end."))
    except OSError as error:
        return _view(paragraph(f"The packet of this run cannot be read: {error.strerror}."))
    return safe.markdown(text, below=2)


def _manifest(run: Reading, manifest: dict[str, Any]) -> View:
    """What the manifest says, and whether the files are still those that it names."""
    if not manifest:
        return paragraph("This run holds no manifest that can be read.")
    files = manifest.get("files")
    named = files if isinstance(files, dict) else {}
    facts = [
        (name, "none" if value is None else str(value))
        for name, value in manifest.items()
        if not isinstance(value, (dict, list))
    ]
    known = run.hashes(named)
    rows = [(name, _file_state(known, name, expected), str(expected)) for name, expected in named.items()]
    ran = [
        (str(item.get("name")), str(item.get("state")), f"{item.get('seconds')} s", str(item.get("problem") or ""))
        for item in manifest.get("notebooks") or []
        if isinstance(item, dict)
    ]
    return together(
        table("The run", ("Item", "Value"), facts),
        table("Its notebooks", ("Notebook", "State", "Took", "Problem"), ran)
        if ran
        else paragraph("No notebook was run for it: one record was archived."),
        table("Its files, as this report found them", ("File", "State", "SHA-256 in the manifest"), rows),
        paragraph("Whether the archive that it came from is as it was left is for oairunbook archive verify to say."),
    )


def _file_state(known: Mapping[str, Hash], name: str, expected: object) -> str:
    if name not in known:
        return "missing"
    if isinstance(found := known[name], OSError):
        return f"cannot be read: {found.strerror}"
    return "as archived" if found is not None and found == expected else "changed"


def _notebook(run: Reading, name: str, names: Sequence[str]) -> str:
    try:
        notebook = nbformat.reads(run.read(name).decode("utf-8", "replace"), as_version=4)
        return "".join(_cell(cell, names) for cell in notebook.cells)
    except (
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        RecursionError,
        nbformat.ValidationError,
    ) as error:
        return _view(paragraph(f"This notebook cannot be read: {type(error).__name__}."))


def _cell(cell: Any, names: Sequence[str]) -> str:
    if cell.cell_type == "markdown":
        return safe.markdown(str(cell.source), names, below=2)
    if cell.cell_type != "code":
        return ""
    code = ""
    if str(cell.source).strip() and "remove-input" not in cell.metadata.get("tags", ()):
        code = f"<details><summary>Code</summary>{_pre(str(cell.source))}</details>"
    return code + "".join(_output(output, names) for output in cell.get("outputs", ()))


def _output(output: Any, names: Sequence[str]) -> str:
    if output.output_type == "stream":
        return _pre(str(output.text))
    if output.output_type == "error":
        return _pre("\n".join(str(line) for line in output.traceback) or f"{output.ename}: {output.evalue}")
    data = output.get("data", {})
    if "text/html" in data:
        return safe.html(str(data["text/html"]), names)
    return _pre(str(data["text/plain"])) if "text/plain" in data else ""


def _pre(text: str) -> str:
    """Plain output without terminal colours, with every other control character shown, and cut where it is endless."""
    lines = _ESCAPES.sub("", text[:_MOST_CHARACTERS]).splitlines()
    cut = [f"… ({len(text)} characters)"] if len(text) > _MOST_CHARACTERS else []
    return f"<pre>{inert(chr(10).join([*(clean(line) for line in lines), *cut]))}</pre>"


def _section(anchor: str, title: str, body: str) -> str:
    return f'<section><h2 id="{inert(clean(anchor))}">{inert(clean(title))}</h2>{body}</section>'


def _view(view: View) -> str:
    return safe.html(view.html)


def _document(run: Reading) -> dict[str, Any]:
    try:
        document = json.loads(run.read(MANIFEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
