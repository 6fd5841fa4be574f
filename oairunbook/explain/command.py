"""`oairunbook explain`: the page of one cause, or the list of all. Nothing is sent."""

from __future__ import annotations

import os
import shutil
from typing import Any

import click

from oairunbook.output import examples, inert, json_option, say, write_json

_NARROWEST, _WIDEST = 40, 120


@click.command(
    epilog=examples(
        "oairunbook explain",
        "oairunbook explain tls.trust_store_mismatch",
        "oairunbook explain dns.nxdomain --json - | jq -r '.look[].run'",
    )
)
@click.argument("cause", required=False, metavar="[ID]")
@click.option(
    "--base-url", metavar="URL", help="Base URL that the commands name. Default: what the SDK here would use."
)
@json_option("the page, or without ID the list of pages,")
def explain(cause: str | None, base_url: str | None, json_file: str | None) -> None:
    """Explain one cause, or list all of them.

    ID is what a verdict calls cause, for example tls.trust_store_mismatch. Its page says what it is, how it looks in Python and in Node, what
    proves it, who owns it, which commands show and mend it on the common platforms, and what to leave alone. Nothing is sent.

    The names app, deploy/app, group and company-root.pem in commands stand for your own. dig is in the packages bind9-dnsutils (Debian),
    bind-utils (RHEL) and bind-tools (Alpine). openssl s_client goes around HTTPS_PROXY: behind a proxy add -proxy HOST:PORT.
    """
    from oairunbook.explain import UnknownCauseError, page, pages, place_of
    from oairunbook.explain.render import listing, terminal
    from oairunbook.route import resolve

    width = min(max(shutil.get_terminal_size((100, 24)).columns, _NARROWEST), _WIDEST)
    place = place_of(resolve(base_url=base_url, environment=os.environ))
    shown: Any
    if cause is None:
        shown = pages(place)
        text = listing(shown, width)
    else:
        try:
            shown = page(cause, place)
        except UnknownCauseError as error:
            raise click.UsageError(inert(str(error))) from error
        text = terminal(shown, width)
    if json_file:
        write_json(shown, json_file)
    if json_file != "-":
        say(inert(text))
