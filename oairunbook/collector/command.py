"""The command `collect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from oairunbook.collector.options import place_options
from oairunbook.options import client_option, hide_option, look_options
from oairunbook.output import examples, json_option, keep_cut_short, say, shown_progress, write_json

if TYPE_CHECKING:
    from oairunbook.collector.place import Place
    from oairunbook.evidence import Evidence


@click.command(
    # What follows the first word of COMMAND is COMMAND's own, also where it looks like an option.
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "oairunbook collect -- kubectl exec -i deploy/api -- python3 - > api.json",
        "oairunbook collect -- ssh web-3 sudo -u app /srv/app/.venv/bin/python - | oairunbook diagnose -",
        "sudo oairunbook collect --like-pid 4711 | oairunbook diagnose -",
        "sudo oairunbook collect --like-unit api.service | oairunbook diagnose -",
    ),
)
@click.argument("command", nargs=-1, metavar="[-- COMMAND…]")
@look_options
@client_option
@place_options(via=False)
@hide_option
@json_option("the evidence")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def collect(
    command: tuple[str, ...],
    base_url: str | None,
    model: str | None,
    place: Place | None,
    sent: dict[str, str],
    hide: frozenset[str],
    json_file: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Collect evidence where a COMMAND leads, or a process runs.

    COMMAND gives the standard input of a Python 3.9 or later, or of a Node.js 18 or later (node -), in another place: a pod, a container, a
    host, a namespace. The probes go there as one text on that standard input; nothing is installed there and nothing is left behind. The
    environment, the SDK and the trust store are that runtime's own, secrets are removed there, and the evidence comes back as JSON on standard
    output, to be judged here. Of this machine's variables none goes along but those that --send-env names, never as an argument, and those
    that COMMAND hands down itself.

    With --hide the record leaves your company without the names of your network, and can be judged there as here; its tokens compare within
    it alone. To compare several, collect them as they are, and give --hide to what compares them.

    Give -i to docker and kubectl, without -t. Exit status: 0 the evidence is here, 2 there is no such place or no such Python, 4 nothing came
    back, 130 interrupted.
    """
    from oairunbook.collector.place import by_command
    from oairunbook.collector.there import look_there
    from oairunbook.evidence import dumps
    from oairunbook.observe import CutShortError

    if (place is None) != bool(command):
        raise click.UsageError(
            "Give one place to collect from: a COMMAND behind --, an interpreter by --python or --node, a process by --like-pid or a service by --like-unit. "
            "Nothing was sent."
        )
    try:
        with shown_progress(quiet=quiet) as progress:
            seen = look_there(
                place or by_command(command),
                sent=sent,
                base_url=base_url or "",
                model=model or "",
                progress=progress,
                **options,
            )
    except CutShortError as cut:
        cut.evidence = _handed(cut.evidence, hide)
        keep_cut_short(cut, json_file)
        raise cut.__cause__ or cut from None
    seen = _handed(seen, hide)
    if json_file:
        write_json(seen, json_file)
    if json_file != "-":
        say(dumps(seen), "utf-8")


def _handed(evidence: Evidence, hide: frozenset[str]) -> Evidence:
    if not hide:
        return evidence
    from oairunbook.record.handed import handed_over
    from oairunbook.record.hidden import hiding_key

    return handed_over(evidence, hide, hiding_key())[0]
