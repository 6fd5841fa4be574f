"""A run that is killed at any moment leaves a whole record or a plainly partial one; `python -m tests.crashes` does the same 200 times."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from oairunbook.record.archive import MANIFEST, begin, check

from .crashes import COMMAND, KINDS, PASTED, crash, crash_on_full_disk, outcomes


def test_runs_that_are_killed_at_random_moments_leave_whole_or_plainly_partial_records(tmp_path: Path) -> None:
    """One of each kind; the moments differ from test run to test run, and a failure tells them."""
    chance = random.Random()
    hits = [(kind, chance.uniform(0.0, 2.5)) for kind in KINDS if kind != "disk"]
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda hit: crash(tmp_path, hit[1][0], hit[1][1], hit[0]), enumerate(hits))
        wrong = [text for _, texts in found for text in texts]
    _, more = outcomes(tmp_path)
    assert [*wrong, *more] == [], hits
    status, wrong = crash(tmp_path, "disk", 0)
    assert (status, wrong) == (1, []), "the next run goes on as if nothing had been"
    counted, wrong = outcomes(tmp_path)
    assert wrong == []
    assert counted["whole"] >= 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_full_disk_leaves_what_was_there_and_the_next_run_goes_on(tmp_path: Path) -> None:
    counted, wrong = crash_on_full_disk(tmp_path / "disk", random.Random().randrange(1_000, 60_000))
    assert wrong == []
    # The two with room; what the one between them leaves is whole only if it fitted after all.
    assert counted["whole"] >= 2


def read_all(archive: Path, ended: threading.Event) -> tuple[int, list[str]]:
    """Read every record again and again while it is written. Gives how often, and what was no whole JSON document."""
    reads, wrong = 0, []
    while not ended.wait(0.01):
        try:
            files = [*archive.glob("*/*/*/*/*.json"), *archive.glob("*/*/*/*/*.ipynb")]
        except FileNotFoundError:
            # A run got its name while its folder was being listed.
            continue
        for path in files:
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                # The run has got its name meanwhile.
                continue
            reads += 1
            try:
                json.loads(data)
            except ValueError:
                wrong.append(f"{path.name}, {len(data)} bytes")
    return reads, wrong


def test_ten_runs_at_once_are_ten_whole_records_in_one_chain_and_nobody_reads_half_a_file(tmp_path: Path) -> None:
    command = [*COMMAND[:5], "01_response_evidence", "-q", *PASTED, "--archive", str(tmp_path)]
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read_all, tmp_path, ended)
        runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(10)]
        told = [run.communicate(timeout=300) for run in runs]
        ended.set()
        reads, wrong = reader.result()
    assert [run.returncode for run in runs] == [1] * 10, [err for _, err in told if err]
    assert wrong == []
    assert reads > 10
    manifests = [json.loads(path.read_bytes()) for path in tmp_path.glob(f"*/*/*/*/{MANIFEST}")]
    assert [manifest["state"] for manifest in manifests] == ["whole"] * 10
    assert sorted(manifest["sequence"] for manifest in manifests) == list(range(1, 11))
    checked = check(tmp_path)
    assert (checked.problems, checked.runs) == ((), 10)


# -- the checks themselves find what they look for --------------------------------------------------------------------


def half_a_file(run: Path) -> None:
    (run / "evidence.json").write_text('{"schema": ')


def called_whole(run: Path) -> None:
    manifest = json.loads((run / MANIFEST).read_bytes())
    (run / MANIFEST).write_text(json.dumps(manifest | {"state": "whole"}))


def a_cell_that_never_ran(run: Path) -> None:
    cell = nbformat.v4.new_code_cell("1", id="one")
    about = {"state": "ok", "cells": [{"id": "one", "state": "ok", "seconds": 0.1}]}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"oairunbook": about}), run / "01_a.ipynb")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (half_a_file, "evidence.json: half a file"),
        (called_whole, "called whole, and its notebooks are"),
        (a_cell_that_never_ran, "cell one never ran, and is called ok"),
    ],
)
def test_what_must_not_be_left_is_noticed(tmp_path: Path, spoil: Callable[[Path], None], told: str) -> None:
    """The control: the same checks over a record that lies."""
    draft = begin(tmp_path, host="web-3")
    os.close(draft.lock)
    assert outcomes(tmp_path)[1] == []
    spoil(draft.folder)
    [found] = outcomes(tmp_path)[1]
    assert told in found
