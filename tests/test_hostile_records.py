"""An archive or a run that somebody else made: links lead nowhere, pipes are not waited for, and what is no record is told as such."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oairunbook.cli import cli
from oairunbook.diagnose import diagnose
from oairunbook.evidence import EvidenceError, dumps, load_evidence
from oairunbook.record.archive import MANIFEST
from oairunbook.record.archive.chain import CHAIN, ArchiveError
from oairunbook.record.files import read_kept
from oairunbook.record.run import archive_record

from .test_archive_commands import FAULT, SEEN

RECORDED = Path(__file__).parent / "cases" / "recorded"
OWN = "what-only-the-reader-may-read"
TOO_DEEP = '{"a":' * 60_000 + "1" + "}" * 60_000
NO_TYPES = json.dumps(
    {
        "metadata": {"oairunbook": 5},
        "cells": [{"cell_type": 7}],
        "nbformat": 4,
        "nbformat_minor": 5,
        "files": {"../../../x": 5, "a": []},
        "notebooks": {"a": 1},
        "fleet": 7,
        "verify": {"failing": 3},
        "host": {},
        "previous": 4,
        "sequence": "x",
        "state": [],
        "schema": 9,
        "evidence": [],
        "verdict": 1,
        "runs": 1,
    }
)


def a_link(path: Path) -> None:
    own = path.parents[5] / "own.txt"
    own.write_text(f'"{OWN}"')
    path.symlink_to(own)


def an_endless_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_huge_file(path: Path) -> None:
    path.touch()
    os.truncate(path, 40 << 20)


def too_deep(path: Path) -> None:
    path.write_text(TOO_DEEP)


def no_types(path: Path) -> None:
    path.write_text(NO_TYPES)


EVIL = (a_link, an_endless_link, a_pipe, a_huge_file, too_deep, no_types)
FILES = ("evidence.json", "verdict.json", "packet.md", MANIFEST, "02_same_path.ipynb")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def made(tmp_path: Path) -> tuple[Path, Path]:
    archive = tmp_path / "archive"
    run = archive_record(archive, SEEN, FAULT)
    (run / "02_same_path.ipynb").write_text("{}")
    for file in run.iterdir():
        file.chmod(0o600)
    return archive, run


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("evil", EVIL)
def test_a_file_of_a_run_that_is_none_harms_no_command_and_brings_in_nothing(
    evil: Callable[[Path], None], file: str, tmp_path: Path
) -> None:
    archive, run = made(tmp_path)
    (run / file).unlink(missing_ok=True)
    evil(run / file)
    for arguments in (
        ("archive", "list", "--archive", str(archive)),
        ("archive", "show", str(run)),
        ("archive", "verify", "--archive", str(archive)),
        ("packet", str(run)),
        ("packet", str(run), "--for", "auth", "--hide", "hosts"),
        ("report", str(run), "-o", "-"),
        ("compare", str(run), str(run), "--despite", "key-scope"),
        ("fleet", "--records", str(run)),
    ):
        done = call(*arguments)
        assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.exception)
        assert done.exit_code in (0, 1, 2, 3), arguments
        assert OWN not in done.output, arguments
    assert call("archive", "verify", "--archive", str(archive)).exit_code == 1


@pytest.mark.parametrize("evil", EVIL[:4])
@pytest.mark.parametrize("file", [CHAIN, ".index.sqlite", ".fingerprint-key"])
def test_a_file_beside_the_runs_that_is_none_harms_no_command(
    evil: Callable[[Path], None], file: str, tmp_path: Path
) -> None:
    archive, run = made(tmp_path)
    (archive / file).unlink(missing_ok=True)
    (archive / "a" / "b" / "c" / "d").mkdir(parents=True)
    evil(archive / "a" / "b" / "c" / "d" / "evil")
    (archive / "a" / "b" / "c" / "d" / "evil").rename(archive / file)
    for arguments in (("list",), ("verify",), ("show", "latest")):
        done = call("archive", *arguments, "--archive", str(archive))
        assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.exception)
        assert done.exit_code in (0, 1, 2)
        assert OWN not in done.output
    assert call("packet", str(run), "--hide", "hosts").exit_code == (file == CHAIN)
    if file == CHAIN and evil is not a_huge_file:
        with pytest.raises((ArchiveError, OSError)):
            archive_record(archive, SEEN, FAULT)


def test_names_in_a_manifest_and_in_a_chain_lead_nowhere(tmp_path: Path) -> None:
    archive, run = made(tmp_path)
    (tmp_path / "own.txt").write_text(OWN)
    manifest = json.loads((run / MANIFEST).read_text())
    manifest["files"] |= {"../../../../../own.txt": "0", "/etc/hostname": "0"}
    (run / MANIFEST).write_text(json.dumps(manifest))
    with (archive / CHAIN).open("a") as chain:
        line = {"sequence": 2, "run": "2026/../../own", "manifest_sha256": "0" * 64, "previous_sha256": None}
        chain.write(json.dumps(line) + "\n")
    report = call("report", str(run), "-o", "-")
    assert report.exit_code == 1
    assert report.output.count(">missing<") == 2, (
        "of a name that leads out only its last part is looked for, in the run's own folder"
    )
    checked = json.loads(call("archive", "verify", "--archive", str(archive), "--json", "-").stdout)
    assert {"path": CHAIN, "what": "line 2 is no line of a chain"} in checked["problems"]
    assert call("archive", "prune", "--before", "2099-01-01", "--archive", str(archive)).exit_code in (0, 2)
    assert (tmp_path / "own.txt").read_text() == OWN


def fields_of(item: Any) -> set[str]:
    """The names of all fields of a document that hold something."""
    if isinstance(item, dict):
        return {key for key, value in item.items() if value}.union(*map(fields_of, item.values()))
    return set().union(*map(fields_of, item)) if isinstance(item, list) else set()


def other_texts(item: Any, field: str, text: str) -> Any:
    """The same document with this text in every place of that field."""

    def other(value: Any, within: str) -> Any:
        if isinstance(value, dict):
            return {key: other(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [other(one, within) for one in value]
        return text if within == field and isinstance(value, str) else value

    return other(item, "")


@pytest.mark.parametrize("text", ["", "what nobody expects here", "https://["])
def test_a_record_in_which_a_text_is_none_of_its_kind_is_judged_or_refused(text: str) -> None:
    """An address that is none ended in a traceback, and with the status of a tool that failed."""
    documents = [json.loads(path.read_text("utf-8"))["evidence"] for path in sorted(RECORDED.glob("*.json"))]
    of: dict[str, list[Any]] = {}
    for document in documents:
        for field in fields_of(document):
            of.setdefault(field, []).append(document)
    judged = 0
    for field, some in of.items():
        for document in some[:: max(1, len(some) // 4)]:
            try:
                evidence = load_evidence(json.dumps(other_texts(document, field, text)))
            except EvidenceError:
                continue
            assert diagnose(evidence).cause
            judged += 1
    assert judged > 100, "most texts may be anything"


def test_a_file_of_a_record_is_read_whole_and_what_is_none_is_an_error(tmp_path: Path) -> None:
    plain = tmp_path / "a" / "b" / "c" / "d" / "e" / "plain.json"
    plain.parent.mkdir(parents=True)
    plain.write_bytes(b"x" * 100)
    assert read_kept(plain) == b"x" * 100, "the control"
    for number, evil in enumerate((a_link, an_endless_link, a_pipe, a_huge_file)):
        path = plain.with_name(f"{number}.json")
        evil(path)
        with pytest.raises(OSError, match=r"no file|symbolic links|larger than 32 MiB"):
            read_kept(path)


READERS = (("triage",), ("triage", "--status", "500", "--evidence"), ("diagnose",), ("compare", "-"))


@pytest.mark.parametrize("command", READERS)
def test_a_pipe_into_which_nobody_writes_is_a_wrong_call_and_not_waited_for(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oairunbook.evidence.document._PIPE_SECONDS", 0.2)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        done = CliRunner().invoke(cli, [*command, str(tmp_path / name)], input=dumps(SEEN))
        assert (done.exit_code, "nothing came out of it in 0.2 s" in " ".join(done.stderr.split())) == (2, True)


@pytest.mark.parametrize(
    "reader", ["triage {}", "diagnose {}", "compare {} {}", "diagnose - < {}", "diagnose /dev/stdin < {}"]
)
@pytest.mark.parametrize("pipe", ["<(sleep 0.5; cat record)", "named"])
def test_what_somebody_writes_into_a_pipe_is_read_to_its_end(reader: str, pipe: str, tmp_path: Path) -> None:
    """A shell's `<(command)`, and a pipe in a folder. What a named one holds goes to one reader alone."""
    (tmp_path / "record").write_text(dumps(SEEN))
    first, second = tmp_path / "first", tmp_path / "second"
    names = [pipe] * reader.count("{}")
    begin = ""
    if pipe == "named":
        names = [str(path) for path in (first, second)[: reader.count("{}")]]
        begin = "".join(f"mkfifo {name}; (sleep 0.5; cat record > {name}) & " for name in names)
    tool = f"{sys.executable} -P -m oairunbook.cli"
    done = subprocess.run(
        ["bash", "-c", f"{begin}{tool} {reader.format(*names)}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (0 if reader.startswith("compare") else 1), done.stderr
