"""The commands `run` and `packet`."""

from __future__ import annotations

import os
import shlex
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from oairunbook.collector.options import place_options
from oairunbook.options import Seconds, client_option, hide_option
from oairunbook.output import examples, inert, json_option, say, write_json
from oairunbook.record import runbooks
from oairunbook.record.running import (
    end_if_changed,
    end_if_not_whole,
    path_options,
    progress,
    sign_key_option,
    told,
    warn_of_missing_key,
)
from oairunbook.verdict import Owner

if TYPE_CHECKING:
    from oairunbook.collector.options import Where


@click.command(
    epilog=f"Notebooks: {', '.join(runbooks.names())}.\n\n"
    + examples(
        "oairunbook run", "oairunbook run 01_response_evidence -p status 401", "oairunbook run --lab tcp.refused"
    )
)
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option(
    "-p",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A notebook's parameter; may be given more than once.",
)
@path_options(budget="30")
@client_option
@click.option(
    "--archive",
    metavar="DIR|s3://…",
    default="",
    help="Where the run is kept.  [default: $OAIRUNBOOK_ARCHIVE, else ./archive]",
)
@sign_key_option
@click.option("--lab", "fault", metavar="FAULT", help="Practise against the lab with this fault; the record says so.")
@click.option(
    "--cron",
    "unattended",
    is_flag=True,
    help="Unattended: a check, and notebooks only when the verdict has changed and once a day. Silent unless it has changed.",
)
@click.option("--prom", "metrics", metavar="FILE", help="With --cron: metrics for Prometheus' textfile collector.")
@click.option(
    "--on-change",
    metavar="COMMAND",
    default="",
    help="With --cron: run this when the verdict has changed; JSON on its standard input.",
)
@click.option(
    "--jitter",
    type=Seconds(or_none=True),
    metavar="SECONDS",
    help="With --cron: begin later by a random time up to this.  [default: 0]",
)
@click.option(
    "--limit",
    type=Seconds(),
    metavar="SECONDS",
    help="With --cron: for the whole turn.  [default: 300]",
)
@click.option(
    "--env-file",
    metavar="FILE",
    default="",
    help="With --cron: variables of the service that it stands for, NAME=value a line, as systemd's EnvironmentFile= is read.",
)
@json_option('{"run", "evidence", "verdict", "notebooks"}')
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@place_options(via=True, named=True)
def run(
    names: tuple[str, ...],
    parameters: tuple[tuple[str, str], ...],
    archive: str,
    sign_key: str,
    fault: str | None,
    client: str | None,
    unattended: bool,
    metrics: str | None,
    on_change: str,
    jitter: float | None,
    limit: float | None,
    env_file: str,
    json_file: str | None,
    quiet: bool,
    where: Where,
    sent: dict[str, str],
    **options: Any,
) -> None:
    """Run the runbook's notebooks headless, and archive them.

    With no NAME it runs the chain that the evidence calls for: 01_response_evidence and 02_same_path, then 07_escalate after a fault or
    08_verify_fix on a healthy path. Where an answer changed the owner (a 401, a 429, a 500, Azure, a gateway), the notebook of that
    branch comes before the packet. Evidence is collected once for all of them.

    A parameter that no option names is given by -p; `papermill --help-notebook` and a wrong name list what a notebook takes. Secrets are
    taken from the environment alone: parameters are written into the record.

    Exit status: 0 the path is healthy, 1 a fault was named, 2 the call is wrong and nothing was run, 3 inconclusive, 4 a notebook did not
    run to its end, 130 interrupted; in the last two cases the run's folder holds what was seen so far. An audit ends with 0 if the archive
    is as it was left, else with 1.

    `oairunbook schedule` prints ready lines and units for --cron. Each turn leaves one line in cron.log of the archive. A turn that finds the
    one before still under way ends with 3. The address of a webhook that is told of changes is taken from OAIRUNBOOK_WEBHOOK.
    """
    from oairunbook.record.forked.children import nursery

    with ExitStack() as stack:
        # Before everything else: what it imports takes as long as what is imported here, and so both take half of it. A turn of cron seldom needs one.
        forking = None if unattended else stack.enter_context(nursery(os.environ))
        from oairunbook.record import at_start, cron_command  # noqa: F401 - the first before nbformat
        from oairunbook.record.archive.mirror import address
        from oairunbook.record.elsewhere import looking_from, place_for
        from oairunbook.record.run import interruptible
        from oairunbook.record.run import run as start
        from oairunbook.record.table import practice_text, verdict_text

        given = [*parameters, *((name, str(value)) for name, value in options.items() if value is not None)]
        if env_file:
            if not unattended:
                raise click.UsageError("--env-file goes with --cron. Nothing was run.")
            os.environ.update(cron_command.variables(env_file))
        environment = dict(os.environ)
        tell = progress(quiet)
        interrupted = stack.enter_context(interruptible())
        if fault:
            given = [*given, *_practise(stack, fault, given, environment)]
            if where.given and (
                not (where.python or where.node) or where.like_pid is not None or where.like_unit is not None
            ):
                raise click.UsageError(
                    "--lab brings its own path, which only an interpreter on this machine can take. Nothing was run."
                )
        if unattended:
            if names or json_file:
                raise click.UsageError(
                    "--cron decides itself what it runs and writes: give no NAME and no --json. Nothing was run."
                )
            words = (*where.words, *(("--client", client) if client else ()))
            settings = cron_command.settings(
                given, words, archive, sign_key, metrics, on_change, jitter, limit, environment
            )
            raise SystemExit(cron_command.take_turn(settings, environment, interrupted))
        if metrics or on_change or jitter is not None or limit is not None:
            raise click.UsageError("--prom, --on-change, --jitter and --limit go with --cron. Nothing was run.")
        place = place_for(where.place(), client)
        if fault and place is not None:
            if place.runtime == "node":
                # Of the lab's variables none that Node.js reads names the lab's root.
                environment.setdefault("NODE_EXTRA_CA_CERTS", environment["SSL_CERT_FILE"])
            place = replace(place, environment=environment)
        warn_of_missing_key(archive, sign_key, environment)
        with told():
            done = start(
                names,
                given,
                archive=archive,
                sign_key=sign_key,
                environment=environment,
                look=looking_from(place, sent, client, interrupted, tell) if place else None,
                progress=tell,
                interrupted=interrupted,
                nursery=forking,
            )
    if json_file:
        write_json(done.document(), json_file)
    if json_file != "-":
        if done.evidence and done.verdict:
            say(inert(practice_text(done.evidence, done.verdict) + verdict_text(done.verdict)) + "\n")
        if done.audited:
            say("archive  NOT as it was left\n" if done.exit_status else "archive  as it was left\n")
        say(inert(f"{'PRACTICE ' * done.practised}run {address(done.path)}\n"))
    end_if_not_whole(done, whole=done.whole, notebook="A notebook")
    raise SystemExit(done.exit_status)


def _practise(
    stack: ExitStack, fault: str, given: list[tuple[str, str]], environment: dict[str, str]
) -> list[tuple[str, str]]:
    """Start the lab around everything that follows, and say which parameters lead to it. Its base URL stands in the environment."""
    from oairunbook import lab

    names = {name for name, _ in given}
    for name in ("base_url", "evidence", "via"):
        if name in names:
            raise click.UsageError(f"--lab brings its own path, so {name} cannot be given as well. Nothing was run.")
    try:
        started = stack.enter_context(lab.start(fault))
    except ValueError as error:
        raise click.UsageError(inert(str(error))) from error
    for variable, value in started.environment.items():
        if value is None:
            environment.pop(variable, None)
        else:
            environment[variable] = value
    ours = {"model": started.model, "route": started.fault.route}
    its_own = started.fault.arguments
    for option, value in zip(its_own[::2], its_own[1::2], strict=True):
        ours[option.removeprefix("--").replace("-", "_")] = value
    return [(name, value) for name, value in ours.items() if name not in names]


_HANDED_OVER = frozenset({"evidence.json", "verdict.json", "packet.md", "packet.json"})
"""What a packet is, or is made of: what else was added to a run is in none."""


@click.command(
    epilog=examples(
        "oairunbook packet latest",
        "oairunbook packet RUN --json packet.json",
        "oairunbook packet RUN --for connection_path",
        "oairunbook packet RUN --hide hosts,addresses",
    )
)
@click.argument("run", metavar="RUN")
@click.option(
    "--for",
    "owner",
    type=click.Choice(get_args(Owner)),
    help="Whom it is for: what they are asked to check, from the evidence by today's rules.  [default: the verdict's owner, as archived]",
)
@click.option(
    "--archive",
    metavar="DIR|s3://…",
    default="",
    help="Archive of RUN.  [default: $OAIRUNBOOK_ARCHIVE, else ./archive]",
)
@hide_option
@json_option("the packet as JSON")
def packet(run: str, owner: Owner | None, archive: str, hide: frozenset[str], json_file: str | None) -> None:
    """Print the escalation packet of an archived RUN.

    Markdown for people, `--json -` for tickets. RUN is a run's folder, its name or a part of it, or latest, which leaves out prunes and
    audits. A run that was killed before its packet was written gets one from its evidence. With --hide it leaves your company without the
    names of your network: of a host stays a token, by which your own archive knows it.

    Exit status: 0, or 1 if what is handed over of the run, which no notebook is, is not as it was archived or nothing vouches for it, as for
    one that was killed; what, is told in the packet and on standard error. 2 if it cannot be read.
    """
    import json
    from dataclasses import asdict

    from oairunbook.diagnose import diagnose
    from oairunbook.evidence import EvidenceError, load_evidence
    from oairunbook.record import packet as packets
    from oairunbook.record.archive.chain import ArchiveError
    from oairunbook.record.archive.find import archive_root, is_of_an_archive, newest_of_a_path, run_folder_of
    from oairunbook.record.archive.mirror import address
    from oairunbook.record.archive.reading import Reading, vouched
    from oairunbook.record.archive.row import object_of
    from oairunbook.record.hidden import hidden_of
    from oairunbook.record.source import EVIDENCE_FILE

    run_folder = Path(run)
    try:
        run_folder = run_folder_of(archive_root(archive), run)
        if run == "latest" and is_of_an_archive(run_folder) and (other := newest_of_a_path(archive_root(archive))):
            click.echo(
                inert(
                    f"The newest run, {address(run_folder)}, looked at no path. This is the packet of the newest that did, {address(other)}."
                ),
                err=True,
            )
            run_folder = other
        reading = Reading(run_folder)
        if owner is None and os.path.lexists(run_folder / "packet.md"):
            markdown = reading.read("packet.md").decode("utf-8")
            document = json.loads(reading.read("packet.json"))
        else:
            evidence = load_evidence(reading.read(EVIDENCE_FILE))
            built = packets.build(evidence, diagnose(evidence), owner=owner)
            markdown, document = packets.to_markdown(built), json.loads(packets.to_json(built))
        problems = vouched(reading, _HANDED_OVER).problems
        if problems:
            markdown = packets.not_vouched_for(problems) + markdown
            document = object_of(document) | {"problems": [asdict(problem) for problem in problems]}
        if hidden := hidden_of(hide, run_folder):
            markdown, document = hidden.text(markdown), hidden.document(document)
    except ArchiveError as error:
        raise click.UsageError(inert(str(error))) from error
    except (OSError, EvidenceError, ValueError, RecursionError) as error:
        # Here and not above: a packet that is there pays for none of it.
        from oairunbook.record.fleet import FLEET_FILE

        if os.path.isfile(run_folder / FLEET_FILE):  # noqa: PTH113 - a folder that is closed has none
            raise click.UsageError(inert(_of_a_fleet(run_folder, archive_root(archive), archive))) from error
        raise click.UsageError(
            f"{address(run_folder)} holds no packet and no evidence that can be read: {error}"
        ) from error
    if json_file:
        write_json(document, json_file)
    if json_file != "-":
        say(markdown)
    end_if_changed(problems, hidden)


def _of_a_fleet(folder: Path, root: Path, archive: str) -> str:
    """Why a fleet's run gives no packet, and what does instead."""
    from oairunbook.record.archive.folders import run_folders
    from oairunbook.record.archive.mirror import address
    from oairunbook.record.source import EVIDENCE_FILE

    there = f" --archive {shlex.quote(archive)}" if archive else ""
    where = shlex.quote(address(folder))
    text = (
        f"{address(folder)} is a run of oairunbook fleet: it compares workers, and has no packet of its own.\n"
        f"Next: oairunbook report {where}"
    )
    worker = next((shlex.quote(str(path)) for path in sorted(folder.glob("worker-*.json"))), None)
    if worker:
        text += f"\nOne worker's packet: oairunbook run -p evidence {worker}{there} && oairunbook packet latest{there}"
    known = sorted(run_folders(root), reverse=True) if root.is_dir() else []
    others = (
        root / name for name in known if any((root / name / file).is_file() for file in ("packet.json", EVIDENCE_FILE))
    )
    newest = next(others, None)
    return text + (
        f"\nThe newest run that has a packet: oairunbook packet {shlex.quote(address(newest))}" if newest else ""
    )
