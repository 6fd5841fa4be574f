"""The command `fleet`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oairunbook.collector.options import as_the_contract_says, variables_to_send
from oairunbook.options import hide_option, look_options
from oairunbook.output import (
    EXIT_INTERRUPTED,
    EXIT_TOOL_FAILED,
    examples,
    inert,
    json_option,
    say,
    write_json,
)
from oairunbook.record.running import progress, sign_key_option, told, warn_of_missing_key

if TYPE_CHECKING:
    from oairunbook.collector.place import Place
    from oairunbook.fleet import Fleet, Member
    from oairunbook.record.hidden import Hidden

_ANOTHER = " #"
_ONE_SOURCE = "Give one way to the workers: --dask SCHEDULER, or commands by --via and --via-file, or records that exist already. Nothing was sent."


@click.command(
    epilog=examples(
        "oairunbook fleet --dask tcp://scheduler:8786",
        "oairunbook fleet --via 'ssh web-1 python3 -' --via 'ssh web-2 python3 -' --via 'ssh web-3 python3 -'",
        "kubectl get pods -l app=api -o name | sed 's|.*|&\\tkubectl exec -i & -- python3 -|' > pods.txt",
        "oairunbook fleet --via-file pods.txt --parallel 32",
        "oairunbook fleet --records collected/ --json - | jq '.fleet.groups[].separations[].facts'",
        "oairunbook fleet latest-run/worker-*.json",
    )
)
@click.argument("more", nargs=-1, metavar="[RECORD…]")
@click.option(
    "--dask", "scheduler", metavar="SCHEDULER", help="Look from every worker of this Dask cluster: tcp://host:8786."
)
@click.option(
    "--via",
    "commands",
    metavar="COMMAND",
    multiple=True,
    help="Look from where this command leads; it ends in a Python that reads its standard input: python3 -. Once for each worker.",
)
@click.option(
    "--via-file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Such commands, one a line, each with a name and a tab before it if you like; # begins a comment.",
)
@click.option(
    "--records",
    metavar="PATH",
    multiple=True,
    help="Compare records that exist: a file, or a folder with all that is in it, such as an archived fleet run. Nothing is sent. "
    "A record in it that cannot be read is a worker as well: tool failed.",
)
@click.option(
    "--parallel",
    type=click.IntRange(1, 512),
    default=16,
    show_default=True,
    help="Workers that look at the same time. An API with limits sees all of them.",
)
@click.option("--send-env", metavar="NAME", multiple=True, help="With --via: set this variable there as it is here.")
@look_options
@click.option(
    "--archive",
    metavar="DIR|s3://…",
    default="",
    help="Where the run is kept; records that exist are not kept again.  [default: $OAIRUNBOOK_ARCHIVE, else ./archive]",
)
@sign_key_option
@hide_option
@json_option('{"run": …, "fleet": …}')
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def fleet(
    more: tuple[str, ...],
    scheduler: str | None,
    commands: tuple[str, ...],
    via_file: str | None,
    records: tuple[str, ...],
    parallel: int,
    send_env: tuple[str, ...],
    archive: str,
    sign_key: str,
    hide: frozenset[str],
    json_file: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Compare the workers of a fleet: which fail, and what tells them from the others.

    Some workers fail and some do not: what differs? The same test as `oairunbook check` runs in each of them, or its records are read, and
    they are compared: how each ended at every layer, by which cause, what those that fail have in common, and the smallest set of facts
    (resolver, proxy, subnet, SDK, trust store, region, node, …) that all of them have and no worker has that passed the same layer.

    Each separation comes with the chance that accident makes one so good: with 2 failing of 3 almost any fact does. It is no proof of a
    cause, and is never called one; it says where to look first. Several faults at once are told apart by their causes.

    With --dask the collector goes to each worker by Dask's own client (pip install 'oairunbook[dask]') and runs beside the worker's own work,
    in a process of its own; nothing is installed there, and no secret goes along, as each worker's own environment is used. With --via it
    goes as by `oairunbook check --via`, once for each worker. With --records, or records named without it, nothing is sent: what
    `oairunbook collect` and `check --json` wrote is compared, each record as one worker.

    A worker that does not answer in time, has no Python or cannot run the collector is `not tried` or `tool failed`, which says nothing
    about its path. The run is archived with the record of each worker, fleet.json, and the notebook 10_fleet with table and picture.

    With --hide what is printed and what --json writes leaves your company without the names of your network, those of the workers included; the
    archive keeps them.

    Exit status: 0 every worker is healthy, 1 a fault was found, 2 the call is wrong, 3 inconclusive: no fault, but not every worker is
    known to be healthy, 4 not one record came back or the tool failed, 130 interrupted; what was seen by then is archived.
    """
    existing = (*records, *more)
    if sum(map(bool, (scheduler, commands or via_file, existing))) != 1:
        raise click.UsageError(_ONE_SOURCE)
    if send_env and not (commands or via_file):
        raise click.UsageError("--send-env goes with --via: a Dask worker's own environment is used. Nothing was sent.")
    if existing:
        raise SystemExit(_compare(existing, hide, json_file))
    options["base_url"], options["model"] = options["base_url"] or "", options["model"] or ""
    with as_the_contract_says():
        look: Callable[..., None]
        if scheduler:
            from oairunbook.collector.dask_workers import look_from_workers

            look = partial(look_from_workers, scheduler, parallel=parallel, **options)
        else:
            from oairunbook.collector.fleet import look_from_each

            sent = variables_to_send(send_env)
            look = partial(look_from_each, _places(commands, via_file, sent), parallel=parallel, sent=sent, **options)
        raise SystemExit(_collect(look, archive, sign_key, hide, json_file, quiet=quiet))


def _places(commands: tuple[str, ...], via_file: str | None, sent: Mapping[str, str]) -> dict[str, Place]:
    """The places by their names: that before the tab, else the command itself, without its secrets. Files are named after them as well.

    Raises:
        click.UsageError: A line of the file holds no command, or a name stands for two.
        NowhereError: A command cannot be started. Nothing was.
    """
    from oairunbook.collector.place import by_command
    from oairunbook.collector.there import secrets_of, shown

    lines = [("", command) for command in commands]
    if via_file:
        with click.open_file(via_file, encoding="utf-8") as file:
            for line in (line.strip() for line in file):
                if line and not line.startswith("#"):
                    name, tab, command = line.partition("\t")
                    lines.append((name.strip(), command.strip()) if tab else ("", line))
    places: dict[str, Place] = {}
    for name, command in lines:
        place = by_command(command)
        named = secrets_of(place, sent).redact_text(name) if name else shown(place, sent)
        same = places.get(named)
        if same and (name or same.argv == place.argv):
            raise click.UsageError(inert(f"{named!r} is named twice. Nothing was sent."))
        # Two commands that differ by a secret alone.
        number = 1 + sum(one.partition(_ANOTHER)[0] == named for one in places) if same else 1
        places[f"{named}{_ANOTHER}{number}" if same else named] = place
    if not places:
        raise click.UsageError(f"--via-file {via_file} holds no command. Nothing was sent.")
    return places


def _collect(
    look: Callable[..., None], archive: str, sign_key: str, hide: frozenset[str], json_file: str | None, *, quiet: bool
) -> int:
    from oairunbook.record.archive import ArchiveError, fingerprint_key
    from oairunbook.record.archive.find import archive_root
    from oairunbook.record.archive.mirror import address
    from oairunbook.record.archive.signing import SigningKeyError, load_signer, sign_key_file
    from oairunbook.record.fleet import as_text, example_of
    from oairunbook.record.fleet.keeping import run_fleet
    from oairunbook.record.hidden import hiding_key
    from oairunbook.record.run import interruptible

    try:
        signer = load_signer(sign_key_file(sign_key))
        root = archive_root(archive).absolute()
        key = fingerprint_key(root)
    except (SigningKeyError, ArchiveError, ValueError) as error:
        # ValueError: the archive's fingerprint key is none.
        raise click.UsageError(inert(f"{error} Nothing was sent.")) from error
    except OSError as error:
        raise click.UsageError(
            inert(f"{error.filename} cannot be created: {error.strerror}. Nothing was sent.")
        ) from error
    warn_of_missing_key(archive, sign_key)
    with interruptible() as interrupted, told():
        done = run_fleet(
            lambda arrived: look(arrived, cancelled=interrupted, fingerprint_key=key),
            root,
            signer=signer,
            environment=dict(os.environ),
            progress=progress(quiet),
            interrupted=interrupted,
        )
    beside = {group.cause: found for group in done.fleet.groups if (found := example_of(group, done.fleet, done.path))}
    hidden = _hidden(hide, done.fleet, done.path, hiding_key(done.path)) if hide else None
    where = address(done.path)
    _show(done.fleet, as_text(done.fleet, beside) + f"\nrun {where}\n", where, hidden, json_file)
    if done.waiting:
        click.echo(inert(done.waiting), err=True)
    if done.interrupted:
        click.echo(inert(f"Interrupted. What was seen so far: {address(done.path)}"), err=True)
        return EXIT_INTERRUPTED
    if not done.whole:
        click.echo(inert(f"The notebook did not run to its end: {done.notebook.problem}"), err=True)
    return EXIT_TOOL_FAILED if done.waiting or not done.whole else done.fleet.exit_status


def _compare(existing: tuple[str, ...], hide: frozenset[str], json_file: str | None) -> int:
    """Compare records that exist. Nothing is sent, and nothing archived: they are kept where they are."""
    from oairunbook.evidence import EvidenceError
    from oairunbook.record.fleet import RecordsError, as_text, example_of, read_fleet
    from oairunbook.record.fleet.reading import base_of
    from oairunbook.record.hidden import hiding_key

    try:
        found = read_fleet(existing, tell=lambda line: click.echo(inert(line), err=True))
    except (RecordsError, EvidenceError) as error:
        raise click.UsageError(inert(str(error))) from error
    beside = {group.cause: pair for group in found.groups if (pair := example_of(group, found, base_of(existing)))}
    hidden = _hidden(hide, found, base_of(existing), hiding_key(*existing)) if hide else None
    _show(found, as_text(found, beside), None, hidden, json_file)
    return found.exit_status


def _hidden(levels: frozenset[str], fleet: Fleet, folder: Path, key: bytes) -> Hidden:
    """What hides these levels in views of a fleet, whose records lie in *folder*: the names of the workers, and those in their records."""
    from oairunbook.evidence import EvidenceError, load_evidence
    from oairunbook.fleet import Looked
    from oairunbook.record.files import read_kept
    from oairunbook.record.hidden import Hidden, Known, known_of, known_of_all

    def known(one: Member) -> Known:
        if not isinstance(one, Looked):
            return known_of(None, one.name)
        # A record's file is named after its worker.
        names = (one.name, one.record, Path(one.record).stem)
        try:
            return known_of(load_evidence(read_kept(folder / one.record)), *names)
        except (OSError, EvidenceError):
            return known_of(None, *names)

    return Hidden(levels, key, known_of_all(map(known, fleet.members)))


def _show(fleet: Fleet, text: str, run: str | None, hidden: Hidden | None, json_file: str | None) -> None:
    from oairunbook.evidence import to_document

    document = {"run": run, "fleet": to_document(fleet)}
    if json_file:
        write_json(hidden.document(document) if hidden else document, json_file)
    if json_file != "-":
        say(inert(hidden.text(text) if hidden else text))
