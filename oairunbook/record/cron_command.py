"""What `oairunbook run --cron` takes and says."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from oairunbook.output import EXIT_INCONCLUSIVE, NotWrittenError, inert, is_special, say
from oairunbook.record import cron
from oairunbook.record.archive.chain import ArchiveError
from oairunbook.record.archive.find import archive_root
from oairunbook.record.archive.mirror import address
from oairunbook.record.archive.signing import ends_the_signatures, sign_key_file
from oairunbook.record.cron.env_file import read_variables
from oairunbook.record.table import practice_text, verdict_text

_OF_THE_CHECK = ("base_url", "model", "route", "timeout", "budget", "idle", "control_url")


def settings(
    given: Sequence[tuple[str, str]],
    place: Sequence[str],
    archive: str,
    sign_key: str,
    metrics: str | None,
    on_change: str,
    jitter: float | None,
    limit: float | None,
    environment: Mapping[str, str],
) -> cron.Settings:
    """The settings of a turn from the options of `run`; *place* are those that say from where to look.

    Raises:
        click.UsageError: A parameter says nothing to a check, or the metrics have no folder or would replace what is no file.
    """
    unknown = [name for name, _ in given if name not in _OF_THE_CHECK]
    if unknown:
        raise click.UsageError(
            f"--cron takes no parameter {unknown[0]}; there are {', '.join(_OF_THE_CHECK)}. Nothing was run."
        )
    if metrics and not Path(metrics).parent.is_dir():
        raise click.UsageError(f"--prom {metrics}: there is no folder {Path(metrics).parent}. Nothing was run.")
    if metrics and is_special(Path(metrics)):
        what = "this is no file, and metrics take the place of what is there"
        raise click.UsageError(f"--prom {metrics}: {what}. Nothing was run.")
    looked = (text for name, value in given for text in (f"--{name.replace('_', '-')}", value))
    try:
        root = archive_root(archive, environment).absolute()
    except ArchiveError as error:
        raise click.UsageError(f"{error} Nothing was run.") from error
    except OSError as error:
        # The working folder itself may be gone, and then no file is named.
        raise NotWrittenError(
            inert(f"{error.filename or 'The archive'} cannot be written: {error.strerror or error}. Nothing was run.")
        ) from error
    return cron.Settings(
        archive=root,
        options=(*looked, *place),
        given=tuple(given),
        sign_key=sign_key,
        metrics=Path(metrics) if metrics else None,
        on_change=on_change,
        jitter=jitter or 0.0,
        limit=limit or cron.DEFAULT_LIMIT_SECONDS,
    )


def variables(file: str) -> dict[str, str]:
    """The variables of an environment file. What in it sets none is told to whoever sits at a terminal: cron would mail it with every turn.

    Raises:
        click.UsageError: It cannot be read, or no variable can hold what stands in it. The text holds nothing of it.
    """
    try:
        found, odd = read_variables(Path(file).read_text("utf-8", "surrogateescape"))
    except OSError as error:
        raise click.UsageError(f"--env-file {file} cannot be read: {error.strerror}. Nothing was run.") from error
    except ValueError as error:
        raise click.UsageError(f"--env-file {file}: {error}. Nothing was run.") from error
    if sys.stderr.isatty():
        for text in odd:
            click.echo(inert(f"--env-file {file}: {text}, as systemd does it."), err=True)
    return found


def take_turn(what: cron.Settings, environment: Mapping[str, str], interrupted: threading.Event) -> int:
    """Take the turn, and say what there is to say. Returns the exit status.

    Raises:
        NotWrittenError: The archive cannot be written.
    """
    unsigned = ends_the_signatures(what.archive, sign_key_file(what.sign_key, environment))
    try:
        taken = cron.turn(what, environment, interrupted)
    except OSError as error:
        where = error.filename or what.archive
        raise NotWrittenError(
            f"The archive {what.archive} cannot be written: {where}: {error.strerror or error}"
        ) from error
    if taken.before is not None and taken.verdict is not None and taken.evidence is not None:
        before = taken.before
        was = f"the verdict has changed from {before.cause} ({before.owner}, since {before.since}) to"
        told = was if before.cause else "this job has no turn before this one, and its verdict is"
        host = taken.evidence.runtime.host
        say(inert(f"oairunbook on {host}: {told} {taken.verdict.cause}\n\n"))
        say(inert(practice_text(taken.evidence, taken.verdict) + verdict_text(taken.verdict)))
        if taken.run is not None:
            say(inert(f"\nrun {address(taken.run)}\n"))
    if unsigned and taken.run is not None:
        click.echo(unsigned, err=True)
    if taken.exit_status not in (0, 1, EXIT_INCONCLUSIVE):
        click.echo(inert(f"oairunbook run --cron: {taken.line}"), err=True)
    return taken.exit_status
