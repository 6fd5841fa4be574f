"""What single branches look at beside the check: only in the runtime that the check was made in, and kept for the run beside its evidence."""

from __future__ import annotations

import os
from pathlib import Path

from oairunbook.controls import CONTROLS_SCHEMA, Controls
from oairunbook.evidence import Evidence, dumps, read_bytes, read_document
from oairunbook.observe.around import look_around
from oairunbook.observe.browser import SDK_HEADERS, Page, look_as_a_page, serialised
from oairunbook.observe.sdk_controls import observe_controls
from oairunbook.record.archive import fingerprint_key
from oairunbook.record.archive.find import ARCHIVE_VARIABLE, archive_root
from oairunbook.record.files import read_kept, write_whole
from oairunbook.record.source import EVIDENCE_FILE, KEEP_VARIABLE, check_values, keep
from oairunbook.redaction import Secrets
from oairunbook.surroundings import SURROUNDINGS_SCHEMA, Surroundings

CONTROLS_FILE = "sdk-controls.json"
SURROUNDINGS_FILE = "surroundings.json"
SENDERS = ("fetch", "sdk")


def is_from_here(seen: Evidence, evidence: str) -> bool:
    """Whether the check was made by this run itself, in this runtime.

    No record was named, or it is the one that an earlier notebook of this run left; and no collector went elsewhere for it.
    """
    if seen.runtime.collector is not None:
        return False
    if not evidence:
        return True
    kept = os.environ.get(KEEP_VARIABLE)
    return bool(kept) and _file(evidence) == (Path(kept or "") / EVIDENCE_FILE).resolve()


def sdk_controls(
    seen: Evidence, *, evidence: str = "", timeout: float = 5.0, budget: float = 30.0, node_folder: str = ""
) -> Controls | None:
    """Make the calls of the SDK's controls, or read those that were kept beside a record; None if there are none.

    Raises:
        ValueError: A parameter is of the wrong kind.
        oairunbook.evidence.EvidenceError: What was kept cannot be read.
    """
    check_values({"timeout": timeout, "budget": budget})
    if not is_from_here(seen, evidence):
        kept = _kept(evidence, CONTROLS_FILE)
        return read_document(Controls, read_kept(kept), CONTROLS_SCHEMA) if kept else None
    found = observe_controls(seen, _secrets(), timeout=timeout, budget=budget, node_folder=str(node_folder))
    _keep(CONTROLS_FILE, dumps(found))
    return found


def surroundings(seen: Evidence, *, evidence: str = "", timeout: float = 5.0) -> Surroundings | None:
    """Look around this runtime, or read what was kept beside a record; None if there is nothing.

    Raises:
        ValueError: A parameter is of the wrong kind.
        oairunbook.evidence.EvidenceError: What was kept cannot be read.
    """
    check_values({"timeout": timeout})
    if not is_from_here(seen, evidence):
        kept = _kept(evidence, SURROUNDINGS_FILE)
        return recorded_surroundings(str(kept)) if kept else None
    found = look_around(seen, _secrets(), timeout=timeout)
    _keep(SURROUNDINGS_FILE, dumps(found))
    return found


def recorded_surroundings(path: str) -> Surroundings | None:
    """Surroundings that were recorded elsewhere; a folder stands for the file in it, and an empty text for none.

    Raises:
        oairunbook.evidence.EvidenceError: The file is no record of surroundings.
        OSError: The file cannot be read.
    """
    if not path:
        return None
    file = Path(path)
    data = read_kept(file / SURROUNDINGS_FILE) if file.is_dir() else read_bytes(file)
    return read_document(Surroundings, data, SURROUNDINGS_SCHEMA)


def as_a_page(
    seen: Evidence,
    *,
    origin: str,
    evidence: str = "",
    sender: str = "fetch",
    headers: str = "",
    credentials: bool = False,
    policy: str = "",
    page: str = "",
    use_browser: bool = True,
    timeout: float = 5.0,
) -> Evidence:
    """The evidence with what a page of *origin* meets; a record from elsewhere is returned as it is.

    Raises:
        ValueError: A parameter is of the wrong kind.
    """
    check_values({"timeout": timeout})
    if sender not in SENDERS:
        raise ValueError(f"sender is one of {', '.join(SENDERS)}, and {sender!r} is not")
    names = {name.strip().lower() for name in str(headers).split(",") if name.strip()}
    key_header = "api-key" if seen.route.surface == "azure-dated" else "authorization"
    names |= {key_header, "content-type", *(SDK_HEADERS if sender == "sdk" else ())}
    whose = Page(
        origin=serialised(str(origin)),
        request_headers=tuple(sorted(names)),
        credentials=bool(credentials),
        policy=str(policy),
    )
    if not is_from_here(seen, evidence):
        return seen
    found = look_as_a_page(
        seen,
        _secrets(),
        whose,
        code=str(page),
        timeout=timeout,
        use_browser=bool(use_browser),
    )
    keep(found)
    return found


def _file(evidence: str) -> Path:
    path = Path(evidence)
    return (path / EVIDENCE_FILE if path.is_dir() else path).resolve()


def _kept(evidence: str, name: str) -> Path | None:
    """The file of that name beside the record that *evidence* names; None if there is none."""
    path = _file(evidence).with_name(name) if evidence else None
    return path if path and path.exists() else None


def _keep(name: str, text: str) -> None:
    folder = os.environ.get(KEEP_VARIABLE)
    if folder:
        write_whole(Path(folder) / name, text.encode("utf-8"))


def _secrets() -> Secrets:
    """What must not leave this kernel; with the archive's key, if `oairunbook run` has named an archive."""
    archive = os.environ.get(ARCHIVE_VARIABLE)
    return Secrets.from_environment(os.environ, token_key=fingerprint_key(archive_root(archive)) if archive else None)
