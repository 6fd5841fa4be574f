"""What the commands that run notebooks share: the options that say what is called, what is told while they run, and how they end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from oairunbook.options import Seconds
from oairunbook.output import EXIT_INTERRUPTED, EXIT_TOOL_FAILED, Command, NotWrittenError, inert, one_line
from oairunbook.record.archive.mirror import address

if TYPE_CHECKING:
    from oairunbook.record.archive.walk import Problem
    from oairunbook.record.hidden import Hidden
    from oairunbook.record.run import Run


def path_options(*, budget: str) -> Callable[[Command], Command]:
    """The options that are parameters of the notebooks: what is not given keeps the notebook's default.

    Args:
        budget: What the help says of the default of `--budget`.
    """
    options: tuple[Callable[[Any], Any], ...] = (
        click.option(
            "--base-url",
            metavar="URL",
            help="Base URL as given to the SDK's client. Default: what the SDK itself would use.",
        ),
        click.option("--model", metavar="NAME", help="Model, on Azure the deployment."),
        click.option(
            "--route", type=click.Choice(["auto", "direct", "azure", "gateway"]), help="Route family.  [default: auto]"
        ),
        click.option("--timeout", type=Seconds(), help="Seconds for one step.  [default: 5]"),
        click.option("--budget", type=Seconds(), help=f"Seconds in all.  [default: {budget}]"),
    )

    def declare(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return declare


sign_key_option = click.option(
    "--sign-key", metavar="FILE", default="", help="Ed25519 key that signs the record.  [default: $OAIRUNBOOK_SIGN_KEY]"
)


def warn_of_missing_key(archive: str, sign_key: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Say on standard error that a signed archive gets a run without a signature; whether it does."""
    from oairunbook.record.archive.chain import ArchiveError
    from oairunbook.record.archive.find import archive_root
    from oairunbook.record.archive.signing import ends_the_signatures, sign_key_file

    try:
        text = ends_the_signatures(archive_root(archive, environment), sign_key_file(sign_key, environment))
    except (ArchiveError, OSError):
        # Whoever writes the archive tells.
        return False
    if text:
        click.echo(text, err=True)
    return bool(text)


def progress(quiet: bool) -> Callable[[str], None]:
    """Tells of each notebook on standard error, or of none."""
    return (lambda _: None) if quiet else (lambda line: click.echo(inert(line), err=True))


@contextmanager
def told() -> Iterator[None]:
    """What a run raises becomes what a command says: a wrong call is status 2, an archive that cannot be written is status 4."""
    from oairunbook.record.run import BrokenOffError, ParameterError

    try:
        yield
    except ParameterError as error:
        raise click.UsageError(inert(str(error))) from error
    except BrokenOffError as error:
        if error.interrupted:
            click.echo(f"Interrupted. {inert(str(error))}", err=True)
            raise SystemExit(EXIT_INTERRUPTED) from error
        raise NotWrittenError(inert(str(error))) from error


def end_if_changed(problems: Sequence[Problem], hidden: Hidden | None) -> None:
    """End the command that has handed over a run which is not as it was archived, or for which nothing vouches: what it is, is told, without what is hidden."""
    for problem in problems:
        text = one_line(f"{problem.path}: {problem.what}")
        click.echo(inert(hidden.text(text) if hidden else text), err=True)
    if problems:
        click.echo(
            "This run is not as it was archived, or nothing vouches for it: look at it before you hand this over.",
            err=True,
        )
        raise SystemExit(1)


def end_if_not_whole(done: Run, *, whole: bool, notebook: str) -> None:
    """End the command of a run that was interrupted, that waits to be put, or of which *notebook* did not run to its end; otherwise return."""
    where = inert(address(done.path))
    if done.waiting:
        click.echo(inert(done.waiting), err=True)
    if done.interrupted:
        click.echo(f"Interrupted. What was seen so far: {where}", err=True)
        raise SystemExit(EXIT_INTERRUPTED)
    if not whole:
        click.echo(f"{notebook} did not run to its end. What was seen so far: {where}", err=True)
    if not whole or done.waiting:
        raise SystemExit(EXIT_TOOL_FAILED)
