"""The options that say from where to look, shared by the commands that look."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from oairunbook.output import EXIT_TOOL_FAILED, Command

if TYPE_CHECKING:
    from oairunbook.collector.place import Place


class NothingCameBackError(click.ClickException):
    """The collector was sent and no record came back. The call was right."""

    exit_code = EXIT_TOOL_FAILED


def place_options(*, via: bool) -> Callable[[Command], Command]:
    """The options that say from where to look, as `place` and `sent` of the command.

    What may go wrong there ends with the contract's statuses.

    Args:
        via: Whether there is an option `--via`; a command that takes the words of COMMAND itself has none.
    """
    options = [
        click.option(
            "--python",
            metavar="PATH",
            help="Look from this interpreter, with its SDK and transport: the application's own virtual environment.",
        ),
        click.option(
            "--like-pid",
            type=click.IntRange(min=1),
            metavar="PID",
            help="Look from the place of this process: its environment, interpreter, user, limits, working folder and namespaces.",
        ),
        click.option(
            "--send-env",
            metavar="NAME",
            multiple=True,
            help="Set this variable there as it is here; by default none goes along. May be given more than once.",
        ),
    ]
    if via:
        options.insert(
            0,
            click.option(
                "--via",
                metavar="COMMAND",
                help="Look from where this command leads; it ends in a Python that reads its standard input: python3 -",
            ),
        )

    def declare(command: Command) -> Command:
        @functools.wraps(command)
        def placed(
            *args: Any,
            python: str | None,
            like_pid: int | None,
            send_env: tuple[str, ...],
            via: str | None = None,
            **rest: Any,
        ) -> Any:
            with as_the_contract_says():
                place = _chosen(via, python, like_pid)
                return command(*args, place=place, sent=variables_to_send(send_env), **rest)

        for option in reversed(options):
            placed = option(placed)
        return placed  # type: ignore[return-value]

    return declare


def _chosen(via: str | None, python: str | None, pid: int | None) -> Place | None:
    """The place that the options name; None for here.

    Raises:
        click.UsageError: They name two.
        NowhereError: There is no such place.
    """
    if via is not None and (python is not None or pid is not None):
        raise click.UsageError(
            "--via says with its command where and by which interpreter: give it alone. Nothing was sent."
        )
    # Here and not above: a command that looks from here pays for none of it.
    if pid is not None:
        from oairunbook.collector.process import by_process

        return by_process(pid, python or "")
    if python is not None:
        from oairunbook.collector.place import by_interpreter

        return by_interpreter(python)
    if via is not None:
        from oairunbook.collector.place import by_command

        return by_command(via)
    return None


def variables_to_send(names: tuple[str, ...]) -> dict[str, str]:
    """Their values here.

    Raises:
        click.UsageError: One is not set.
    """
    for name in names:
        if name not in os.environ:
            raise click.UsageError(f"--send-env {name}: this variable is not set here. Nothing was sent.")
    return {name: os.environ[name] for name in names}


@contextlib.contextmanager
def as_the_contract_says() -> Iterator[None]:
    """Turn what may go wrong on the way into the contract's exit statuses: 2 for a wrong place, 4 where no record came back."""
    from oairunbook.collector.carrier import NotCollectedError, NowhereError

    try:
        yield
    except NowhereError as error:
        raise click.UsageError(str(error)) from error
    except NotCollectedError as error:
        raise NothingCameBackError(str(error)) from error
