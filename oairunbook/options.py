"""The options that say what is called, how it is looked at, and how long that may take."""

from __future__ import annotations

import math
import re
from typing import Any

import click

from oairunbook.output import Command


class Seconds(click.FloatRange):
    """Seconds above 0 that a clock can wait for: no `nan`, and no more than a week."""

    name = "seconds"

    def __init__(self, *, or_none: bool = False) -> None:
        """With *or_none* 0 is allowed as well."""
        super().__init__(min=0, min_open=not or_none, max=7 * 86400)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number.

        Raises:
            click.BadParameter: It is none, or out of range.
        """
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return number


def _http_url(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value and not re.match(r"https?://[^\s/]", value):
        raise click.BadParameter(f"{value!r} is no URL that begins with https:// or http://", param=param)
    return value


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
            type=Seconds(),
            default=5.0,
            show_default=True,
            help="Seconds for one step.",
        ),
        click.option(
            "--budget",
            type=Seconds(),
            default=30.0,
            show_default=True,
            help="Seconds in all.",
        ),
        click.option(
            "--repeat",
            type=click.IntRange(min=1),
            metavar="N",
            default=24,
            show_default=True,
            help="Attempts in all, to see faults that come and go; all but the first are unbilled and without credentials.",
        ),
        click.option(
            "--idle",
            type=Seconds(),
            metavar="SECONDS",
            help="Also use a connection again that was idle so long (NAT and load-balancer limits).",
        ),
        click.option(
            "--control-url",
            metavar="URL",
            callback=_http_url,
            help="Direct route of the control test beside an Azure or gateway route; empty for none.  [default: the public API]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def client_option(command: Command) -> Command:
    """The option of the commands that can take the application's own client, as `client` of the command."""
    return click.option(
        "--client",
        metavar="MODULE:FACTORY",
        help="Make the minimal request by the application's own client: a client of the SDK, or what makes one. Its settings count.",
    )(command)


def _levels(_context: click.Context, _option: click.Parameter, text: str | None) -> frozenset[str]:
    """`hosts`, `addresses`, or both with a comma between them; none of them only where the option is not given."""
    if text is None:
        return frozenset()
    wanted = frozenset(filter(None, (part.strip() for part in text.split(","))))
    if wrong := wanted - {"hosts", "addresses"}:
        raise click.BadParameter(f"{', '.join(sorted(wrong))}: give hosts, addresses, or hosts,addresses")
    if not wanted:
        # A variable of a script that is empty: whoever wrote --hide did not mean to hide nothing.
        raise click.BadParameter("it is empty: give hosts, addresses, or hosts,addresses, or leave it out")
    return wanted


hide_option = click.option(
    "--hide",
    metavar="LEVELS",
    callback=_levels,
    help="Show and write no hosts, no addresses, or neither (hosts,addresses): each becomes a token, the same in the whole archive.  [default: all are kept]",
)
