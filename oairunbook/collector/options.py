"""The options that say from where to look, shared by the commands that look."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from oairunbook.output import EXIT_TOOL_FAILED, Command
from oairunbook.records import dataclass

if TYPE_CHECKING:
    from oairunbook.collector.place import Place


class NothingCameBackError(click.ClickException):
    """The collector was sent and no record came back. The call was right."""

    exit_code = EXIT_TOOL_FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """From where to look, as the options name it."""

    via: str | None
    python: str | None
    node: str | None
    project: str | None
    """Folder of the Node.js application, there."""

    like_pid: int | None
    like_unit: str | None
    sends: tuple[str, ...]
    """Names of variables to set there."""

    @property
    def given(self) -> bool:
        """Whether a place is named at all."""
        return any(value is not None for value in (self.via, self.python, self.node, self.like_pid, self.like_unit))

    @property
    def words(self) -> tuple[str, ...]:
        """The same for another command of this program: a turn of a job looks for the place when it comes to it."""
        named = (
            ("--via", self.via),
            ("--python", self.python),
            ("--node", self.node),
            ("--project", self.project),
            ("--like-pid", self.like_pid),
            ("--like-unit", self.like_unit),
            *(("--send-env", name) for name in self.sends),
        )
        return tuple(str(word) for option, value in named if value is not None for word in (option, value))

    def place(self) -> Place | None:
        """The place; None for here.

        Raises:
            NowhereError: There is no such place.
        """
        # Here and not above: a command that looks from here pays for none of it.
        if self.like_unit is not None:
            from oairunbook.collector.unit import by_unit

            return self._of_node(by_unit(self.like_unit, self.node or self.python or ""))
        if self.like_pid is not None:
            from oairunbook.collector.process import by_process

            return self._of_node(by_process(self.like_pid, self.node or self.python or ""))
        if self.node is not None:
            from oairunbook.collector.place import by_node

            return by_node(self.node, self.project or "")
        if self.python is not None:
            from oairunbook.collector.place import by_interpreter

            return by_interpreter(self.python)
        if self.via is not None:
            from oairunbook.collector.place import by_command

            return by_command(self.via, self.project or "")
        return None

    def _of_node(self, place: Place) -> Place:
        """The place of a process in which a Node.js is started, if one is named."""
        return place if self.node is None else replace(place, runtime="node", project=self.project or "")

    def check(self) -> None:
        """Whether the options can be meant together.

        Raises:
            click.UsageError: They name two places.
        """
        others = (self.python, self.node, self.like_pid, self.like_unit)
        if self.via is not None and any(value is not None for value in others):
            raise click.UsageError(
                "--via says with its command where and by which interpreter: give it alone. Nothing was sent."
            )
        if self.like_pid is not None and self.like_unit is not None:
            raise click.UsageError("--like-pid and --like-unit name two places: give one of them. Nothing was sent.")
        if self.python is not None and self.node is not None:
            raise click.UsageError("--python and --node name two interpreters: give one of them. Nothing was sent.")
        if self.project is not None and self.via is None and self.node is None:
            raise click.UsageError(
                "--project says where a Node.js application is: give --node or --via as well; a COMMAND goes there itself: "
                "sh -c 'cd DIR && node -'. Nothing was sent."
            )


def place_options(*, via: bool, named: bool = False) -> Callable[[Command], Command]:
    """The options that say from where to look, as `place` and `sent` of the command.

    What may go wrong there ends with the contract's statuses.

    Args:
        via: Whether there is an option `--via`; a command that takes the words of COMMAND itself has none.
        named: The command takes `where` in place of `place`, and looks for the place itself.
    """
    options = [
        click.option(
            "--python",
            metavar="PATH",
            help="Look from this interpreter, with its SDK and transport: the application's own virtual environment.",
        ),
        click.option(
            "--node",
            metavar="PATH",
            help="Look from this Node.js, with its roots, proxy rules and package openai; with --like-pid or --like-unit from one of that place.",
        ),
        click.option(
            "--project",
            metavar="DIR",
            help="Folder of the Node.js application, there, whose package openai is used.  [default: the working folder]",
        ),
        click.option(
            "--like-pid",
            type=click.IntRange(min=1),
            metavar="PID",
            help="Look from the place of this process: its environment, interpreter, user, limits, working folder and namespaces.",
        ),
        click.option(
            "--like-unit",
            metavar="NAME",
            help="Look from the place of this systemd service: of its main process, or, while it does not run, as it would be started.",
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
                help="Look from where this command leads; it ends in a Python or Node.js that reads its standard input: python3 -, node -",
            ),
        )

    def declare(command: Command) -> Command:
        @functools.wraps(command)
        def placed(
            *args: Any,
            python: str | None,
            node: str | None,
            project: str | None,
            like_pid: int | None,
            like_unit: str | None,
            send_env: tuple[str, ...],
            via: str | None = None,
            **rest: Any,
        ) -> Any:
            where = Where(
                via=via,
                python=python,
                node=node,
                project=project,
                like_pid=like_pid,
                like_unit=like_unit,
                sends=send_env,
            )
            with as_the_contract_says():
                where.check()
                sent = variables_to_send(send_env)
                if named:
                    return command(*args, where=where, sent=sent, **rest)
                return command(*args, place=where.place(), sent=sent, **rest)

        for option in reversed(options):
            placed = option(placed)
        return placed  # type: ignore[return-value]

    return declare


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
