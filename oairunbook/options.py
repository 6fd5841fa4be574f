"""The options that say what is called, how it is looked at, and how long that may take."""

from __future__ import annotations

import click

from oairunbook.output import Command


def look_options(command: Command) -> Command:
    """The common options of every command that looks at the path itself."""
    options = (
        click.option(
            "--base-url",
            metavar="URL",
            help="Base URL as given to the SDK's client. Default: what the SDK itself would use.",
        ),
        click.option(
            "--model", metavar="NAME", help="Model, on Azure the deployment. Default: a small one that this key sees."
        ),
        click.option(
            "--route",
            type=click.Choice(["auto", "direct", "azure", "gateway"]),
            default="auto",
            show_default=True,
            help="Route family.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=5.0,
            show_default=True,
            help="Seconds for one step.",
        ),
        click.option(
            "--budget",
            type=click.FloatRange(min=0, min_open=True),
            default=30.0,
            show_default=True,
            help="Seconds in all.",
        ),
        click.option(
            "--repeat",
            type=click.IntRange(min=1),
            metavar="N",
            default=16,
            show_default=True,
            help="Attempts in all, to see faults that come and go; all but the first are unbilled and without credentials.",
        ),
        click.option(
            "--idle",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="Also use a connection again that was idle so long (NAT and load-balancer limits).",
        ),
        click.option(
            "--control-url",
            metavar="URL",
            help="Direct route of the control test beside an Azure or gateway route; empty for none.  [default: the public API]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
