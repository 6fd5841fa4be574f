"""Executes notebooks on their records and keeps them with their outputs: `python -m tests.golden [NOTEBOOK…]`.

Run it after a change of what notebooks show, and read the difference: it is what a reader will see. A record that is not
there is made first, against the practice lab.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
import papermill

from oairunbook.record import runbooks
from tests.golden import COPIES, FOLDER, RECORDS, Copy
from tests.neutral import neutral
from tests.notebooks import execute


def record(copy: Copy) -> None:
    """Run the notebook against the lab's fault, and keep the evidence."""
    RECORDS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = execute(copy.recorded_by or copy.notebook, [copy.fault], Path(folder))[copy.fault]
        copy.record.write_text(neutral((made.run / "evidence.json").read_text("utf-8")), "utf-8")


def renew(copy: Copy) -> None:
    """Execute one notebook as its copy does, and keep what can be the same next time."""
    original = runbooks.find(copy.notebook)
    executed = papermill.execute_notebook(original, None, copy.parameters, cwd=FOLDER, progress_bar=False)
    executed.metadata = nbformat.read(original, as_version=4).metadata
    for number, cell in enumerate(executed.cells):
        # Papermill and its client add times and ids by chance; black, where it is installed, ends papermill's parameters with a line feed.
        cell["id"] = f"cell-{number}"
        cell["source"] = cell["source"].rstrip("\n")
        for added in ("papermill", "execution"):
            cell.metadata.pop(added, None)
    nbformat.write(executed, copy.path)
    print(copy.path.name)


if __name__ == "__main__":
    for one in COPIES:
        if not sys.argv[1:] or one.notebook in sys.argv[1:]:
            if not one.record.exists():
                record(one)
            renew(one)
