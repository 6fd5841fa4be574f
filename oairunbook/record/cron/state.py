"""What one unattended job knows of its last turn: a small file of its user's, a copy in the archive, and the lock that keeps two turns apart."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from datetime import datetime
from pathlib import Path
from stat import S_ISREG

from oairunbook.output import inert
from oairunbook.record.archive.mirror import own_file
from oairunbook.record.files import PRIVATE_FILE, make_private, read_kept, write_whole
from oairunbook.records import dataclass
from oairunbook.verdict import Verdict

STATE_SCHEMA = "oairunbook.cron/1"
_FOLDER = ".cron"
_OWN = "cron"


class StillRunningError(Exception):
    """Another turn of the same job is still under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The last turn. Times are UTC, ISO 8601; empty where there was none."""

    owner: str = ""
    cause: str = ""
    pattern: str = ""
    since: str = ""
    """When this verdict was reached first."""

    checked_at: str = ""
    last_success: str = ""
    archived_at: str = ""
    """When notebooks were last run for this job."""

    run: str = ""
    """The run that they left, inside the archive."""

    untold: str = ""
    """Who could not be told of the last change, `command` or `webhook`, and is told by the next turn; parted by a blank."""

    told_owner: str = ""
    told_cause: str = ""
    told_pattern: str = ""
    told_since: str = ""
    """The verdict before that change."""

    schema: str = STATE_SCHEMA

    def says_the_same(self, verdict: Verdict) -> bool:
        """Whether *verdict* is the one that was reached before: owner, cause, and whether it comes and goes; wording may differ."""
        intermittent = (self.pattern == "intermittent", verdict.pattern == "intermittent")
        return (self.owner, self.cause) == (verdict.owner, verdict.cause) and intermittent[0] == intermittent[1]

    def after(self, verdict: Verdict, now: str) -> Remembered:
        """What is to be remembered once *verdict* was reached at *now*."""
        return replace(
            self,
            owner=verdict.owner,
            cause=verdict.cause,
            pattern=verdict.pattern or "",
            since=self.since if self.says_the_same(verdict) else now,
            checked_at=now,
            last_success=now if verdict.cause == "ok" else self.last_success,
        )

    def times(self) -> tuple[str, ...]:
        """All that are in it."""
        return self.since, self.checked_at, self.last_success, self.archived_at, self.told_since

    def before_untold(self) -> Remembered:
        """The turn before the change that somebody could not be told."""
        return Remembered(
            owner=self.told_owner, cause=self.told_cause, pattern=self.told_pattern, since=self.told_since
        )

    def with_untold(self, channels: Sequence[str], before: Remembered) -> Remembered:
        """This turn, whose change from *before* these could not be told."""
        if not channels:
            return replace(self, untold="", told_owner="", told_cause="", told_pattern="", told_since="")
        return replace(
            self,
            untold=" ".join(channels),
            told_owner=before.owner,
            told_cause=before.cause,
            told_pattern=before.pattern,
            told_since=before.since,
        )


class Job:
    """One scheduled call: an archive and the options that say what is called. Jobs with other options keep a state of their own.

    Who else writes the archive could silence an alarm there, so the user's own file counts. In a container, which has no home that outlives it,
    the copy in the archive does.
    """

    def __init__(self, archive: Path, options: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
        self.archive = archive
        name = hashlib.sha256(json.dumps(list(options)).encode()).hexdigest()[:12]
        self._folder = archive / _FOLDER
        self._state = self._folder / f"{name}.json"
        self._own = _writable(own_file(_OWN, archive, *options, environment=environment, suffix=".json"))
        self._lock = self._folder / f"{name}.lock"
        self.evidence = self._folder / f"{name}.seen"
        """What a turn has seen, while it is being archived."""
        self.log = archive / "cron.log"

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the job's lock. It falls with the process, however that ends (flock(2)).

        Raises:
            StillRunningError: Another process holds it.
            OSError: The archive cannot be written.
        """
        make_private(self._folder)
        if self._folder.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(self._folder))
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StillRunningError("the turn before is still under way") from None
            yield
        finally:
            os.close(descriptor)

    def recall(self) -> Remembered:
        """The last turn; an empty one if there was none, or if its file cannot be read: then this turn counts as the first."""
        kept = self._own if self._own is not None and os.path.lexists(self._own) else self._state
        try:
            document = json.loads(read_kept(kept))
        except (OSError, ValueError, RecursionError):
            return Remembered()
        if not isinstance(document, dict) or document.get("schema") != STATE_SCHEMA:
            return Remembered()
        known = {field.name for field in fields(Remembered)}
        turn = Remembered(**{name: str(value) for name, value in document.items() if name in known})
        return turn if all(map(_is_time, turn.times())) else Remembered()

    def remember(self, turn: Remembered) -> None:
        """Keep this turn for the next one.

        Raises:
            OSError: One of the two places, which it names, cannot be written; the other one was all the same, so that no change is told anew by
                every turn.
        """
        data = json.dumps(asdict(turn), indent=2).encode()
        try:
            if self._own is not None:
                _keep(self._own, data)
        finally:
            _keep(self._state, data)

    def note(self, line: str) -> None:
        """Add one line to the job's log: one write, so that lines of two jobs do not mix. What it holds a terminal does not obey.

        Raises:
            OSError: It cannot be written, or it is a link or a pipe: whoever put that there wants another file to be written.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self.log, flags, PRIVATE_FILE)
        try:
            if not S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is no file", str(self.log))
            os.write(descriptor, (inert(" ".join(line.split())) + "\n").encode("utf-8", "backslashreplace"))
        finally:
            os.close(descriptor)


def _keep(file: Path, data: bytes) -> None:
    try:
        write_whole(file, data)
    except OSError as error:
        # Whose disk is full the system does not say, and of a file that is there under another name for a moment it says that name.
        raise OSError(error.errno, error.strerror, str(file)) from error


def _writable(file: Path | None) -> Path | None:
    """That file, if it can be written: where a unit makes the home read-only, what was kept there before gets old."""
    if file is None:
        return None
    try:
        make_private(file.parent)
    except OSError:
        return None
    return file if os.access(file.parent, os.W_OK) else None


def _is_time(text: str) -> bool:
    """Whether this is a time of a zone, or no time at all."""
    try:
        return not text or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
