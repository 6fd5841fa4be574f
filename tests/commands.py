"""All commands of the command line, loaded."""

from __future__ import annotations

import click

from oairunbook.cli import cli


def commands() -> dict[str, click.Command]:
    """Each command by its name."""
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}
