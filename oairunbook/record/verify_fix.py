"""Is the fix proved? The request that failed, made again from the same place as often as it takes, and archived beside the failing run."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from oairunbook import practice
from oairunbook.collector.place import Place
from oairunbook.collector.there import shown
from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence, EvidenceError, load_evidence, read_bytes
from oairunbook.observe import DEFAULT_REPEAT
from oairunbook.proof import STEADY_ATTEMPTS, Needed, needed
from oairunbook.record.archive.chain import MANIFEST, ArchiveError, sha256
from oairunbook.record.archive.find import archive_root, find_run
from oairunbook.record.archive.index import open_index
from oairunbook.record.archive.mirror import address
from oairunbook.record.archive.reading import vouched_for
from oairunbook.record.plan import AFTER_SUCCESS
from oairunbook.record.run import Run, run
from oairunbook.record.runbooks import ParameterError, Value
from oairunbook.record.source import EVIDENCE_FILE
from oairunbook.records import dataclass
from oairunbook.route import resolve

_REQUESTS_A_CHECK = 2
"""The SDK's minimal request, whole and streamed."""

_CHECK_SECONDS = 30.0
_PATH_ATTEMPT_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """The record of the failure."""

    path: Path
    """A run's folder, or a file."""

    name: str
    """Of the run in its archive, or of the file."""

    manifest_sha256: str | None
    """None for a file that is in no archive."""

    evidence: Evidence

    def link(self) -> dict[str, str | None]:
        """What the new record says of it."""
        return {"run": self.name, "manifest_sha256": self.manifest_sha256}


def failing_run(
    given: str,
    *,
    archive: str,
    base_url: str,
    model: str,
    route: str,
    place: Place | None = None,
    sent: Mapping[str, str] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Failing:
    """The run that was named, or the newest run of the archive with a fault on the route that these settings lead to from here; if a *place*
    is given, the newest with a fault that was seen from there, whatever its settings made of the route.

    Raises:
        ParameterError: There is none, or it cannot be read. Nothing was sent.
    """
    try:
        root = archive_root(archive, environment)
        if given:
            folder = _named(root, given)
        elif place is not None:
            folder = _newest_from(root, place, sent or {}, base_url, route)
        else:
            folder = _newest(root, base_url, model, route, environment)
        file = folder / EVIDENCE_FILE if folder.is_dir() else folder
        data = read_bytes(file)
        evidence = load_evidence(data)
        # Whoever names the file itself vouches for it.
        archived = vouched_for(file, data) if folder.is_dir() else None
        if archived and archived.problems:
            changed = archived.problems[0]
            raise ParameterError(
                "The failing run is not as it was archived, or nothing vouches for it, so nothing can be proved by it: "
                f"{changed.path} {changed.what}. Nothing was sent. "
                "Next: name another one with --failing, or its evidence.json, if you vouch for that."
            )
    except ArchiveError as error:
        raise ParameterError(f"{error} Nothing was sent.") from error
    except OSError as error:
        raise ParameterError(
            f"{error.filename or given or archive} cannot be read: {error.strerror}. Nothing was sent."
        ) from error
    except EvidenceError as error:
        raise ParameterError(f"{file}: {error}. Nothing was sent.") from error
    if diagnose(evidence).cause == "ok":
        raise ParameterError(f"{folder} shows no failure, so there is no fix of it to verify. Nothing was sent.")
    manifest = folder / MANIFEST
    inside = folder.is_dir() and root.absolute() in folder.absolute().parents
    return Failing(
        path=folder.absolute(),
        name=str(folder.absolute().relative_to(root.absolute())) if inside else folder.name,
        manifest_sha256=sha256(manifest.read_bytes()) if folder.is_dir() and manifest.exists() else None,
        evidence=evidence,
    )


def plan(enough: Needed) -> tuple[int, int]:
    """How many same-path tests, and how many attempts of the path in each, come to so many."""
    if enough.of == "sdk":
        return max(STEADY_ATTEMPTS, math.ceil(enough.attempts / _REQUESTS_A_CHECK)), DEFAULT_REPEAT
    checks = STEADY_ATTEMPTS
    return checks, max(DEFAULT_REPEAT, math.ceil(enough.attempts / checks))


def as_often_as_it_takes(failing: Evidence) -> dict[str, int | float]:
    """Parameters of the notebook 08_verify_fix with which so many attempts fit into its budget."""
    checks, path_attempts = plan(needed(failing))
    # A healthy path takes a fraction of it; a silent one shall not end the count before it is told.
    budget = checks * (_CHECK_SECONDS + path_attempts * _PATH_ATTEMPT_SECONDS)
    return {"repeat": checks, "path_attempts": path_attempts, "budget": budget}


def verify(
    failing: Failing,
    given: Sequence[tuple[str, str]],
    *,
    archive: str = "",
    sign_key: str = "",
    look: Callable[[Mapping[str, Value], Path], tuple[Evidence, ...]] | None = None,
    environment: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda _: None,
    interrupted: threading.Event | None = None,
) -> Run:
    """Run the notebook 08_verify_fix as often as the failing run calls for, and archive it with a link to that run.

    Args:
        failing: From `failing_run`.
        given: Parameters of the notebook as given; a `budget` is the limit for all attempts together.
        archive: As `run`.
        sign_key: As `run`.
        look: As `run`: the attempts from another place.
        environment: As `run`.
        progress: As `run`.
        interrupted: As `run`.

    Raises:
        ParameterError: As `run`.
        oairunbook.record.run.BrokenOffError: As `run`.
    """
    names = {name for name, _ in given}
    ours = {name: f"{value:g}" for name, value in as_often_as_it_takes(failing.evidence).items()}
    progress(
        f"failing run: {failing.name}; {ours['repeat']} same-path tests with {ours['path_attempts']} attempts of the path in each"
    )
    return run(
        (AFTER_SUCCESS,),
        [*given, ("failing", str(failing.path)), *((name, text) for name, text in ours.items() if name not in names)],
        archive=archive,
        sign_key=sign_key,
        look=look,
        fix_of=failing.link(),
        environment=environment,
        progress=progress,
        interrupted=interrupted,
    )


def _named(root: Path, given: str) -> Path:
    return Path(given) if Path(given).is_file() else find_run(root, given)


def _newest(root: Path, base_url: str, model: str, family: str, environment: Mapping[str, str]) -> Path:
    route = resolve(base_url=base_url or None, model=model or None, family=family)
    rehearsal = practice.current(environment)
    known = {
        "base_url": route.base_url.value,
        "route": route.family,
        "practice": rehearsal.fault if rehearsal else None,
    }
    with open_index(root) as index:
        row = index.newest_fault(**known, collector=None)
        elsewhere = index.newest_fault(**known) if row is None else None
    if elsewhere is not None:
        raise ArchiveError(
            f"{address(root)} holds no run with a fault of the {route.family} route to {route.base_url.value} that was seen from here, where the tool "
            f"itself runs; the newest was seen from another place: {elsewhere.collector}. "
            "Next: look from there as well, with --via, --python, --like-pid, --like-unit or --client as in that run."
        )
    if row is None:
        raise ArchiveError(
            f"{address(root)} holds no run with a fault of the {route.family} route to {route.base_url.value}, so there is nothing to compare with. "
            "Next: name the failing run with --failing, or test the path as it is now: oairunbook check."
        )
    return find_run(root, row.run)


def _newest_from(root: Path, place: Place, sent: Mapping[str, str], base_url: str, family: str) -> Path:
    """The newest run with a fault that was seen from that place; which route that is, its own variables decide there."""
    command = shown(place, sent)
    rehearsal = practice.current({**place.environment, **sent})
    known = {"collector": command, "practice": rehearsal.fault if rehearsal else None}
    known |= {"base_url": base_url} if base_url else {}
    known |= {"route": family} if family != "auto" else {}
    with open_index(root) as index:
        row = index.newest_fault(**known)
    if row is None:
        raise ArchiveError(
            f"{address(root)} holds no run with a fault that was seen from {command}, so there is nothing to compare with. "
            "Next: name the failing run with --failing, or run it from there: oairunbook run, with the same option."
        )
    return find_run(root, row.run)
