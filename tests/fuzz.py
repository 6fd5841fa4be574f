"""`pip install atheris && python -m tests.fuzz -max_total_time=600`: bytes that nobody thought of, guided by coverage.

Whatever they are, they are read and judged within seconds of the processor, the record gives the same verdict again, and a secret among them is neither kept
nor shown. Begins with the texts of the corpus. atheris is no dependency of the tests: it has wheels for few Pythons.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from pathlib import Path

from tests.corpus import cases

KEY = "sk-" + "proj-" + "Zq9" * 12


def judged(data: bytes) -> None:
    """Read, judge, keep and judge again, with a key in the middle of every second input."""
    from oairunbook.diagnose import diagnose
    from oairunbook.evidence import dumps, load_evidence
    from oairunbook.read import read
    from oairunbook.record.table import verdict_text
    from oairunbook.runtime import this_runtime

    half = len(data) // 2
    text = data[:half] + (KEY.encode() if data[:1] > b"\x80" else b"") + data[half:]
    started = time.process_time()
    evidence = read(text, this_runtime({}), environment={"OPENAI_API_KEY": KEY})
    verdict = diagnose(evidence)
    kept = dumps(evidence)
    assert diagnose(load_evidence(kept)) == verdict
    assert KEY not in kept + verdict_text(verdict)
    assert time.process_time() - started < 5


def main() -> None:
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["oairunbook"]):
        judged(b"")
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            Path(folder, case.id).write_text(case.text)
        atheris.Setup([*sys.argv, folder, "-max_len=4000"], judged)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
