"""The command `verify`: is the fix proved?"""

from __future__ import annotations

from typing import Any

import click

from oairunbook.output import (
    EXIT_INTERRUPTED,
    EXIT_TOOL_FAILED,
    NotWrittenError,
    examples,
    inert,
    json_option,
    say,
    write_json,
)

_PROVED, _NOT_DECIDED = 0, 3


@click.command(
    epilog=examples(
        "oairunbook verify",
        "oairunbook verify --failing archive/2026/11/25/*-web-3-1a2b3c4d --json - | jq .proof.statement",
    )
)
@click.option(
    "--failing",
    default="",
    metavar="RUN",
    help="The failing run: folder, name in the archive or a part of it, or an evidence.json.  "
    "[default: the newest run of the archive with a fault of the same route]",
)
@click.option(
    "--base-url", metavar="URL", help="Base URL as given to the SDK's client. Default: what the SDK itself would use."
)
@click.option("--model", metavar="NAME", help="Model, on Azure the deployment.")
@click.option(
    "--route", type=click.Choice(["auto", "direct", "azure", "gateway"]), help="Route family.  [default: auto]"
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds for one step.  [default: 5]")
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds in all.  [default: enough for the attempts that it takes]",
)
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    metavar="N",
    help="Same-path tests, each with the SDK's minimal request whole and streamed.  [default: as many as it takes]",
)
@click.option(
    "--control-url", metavar="URL", help="Control test beside an Azure or gateway route.  [default: the public API]"
)
@click.option(
    "--archive",
    metavar="DIR",
    default="",
    help="Where the failing run is looked for, and this one kept.  [default: $OAIRUNBOOK_ARCHIVE, else ./archive]",
)
@click.option(
    "--sign-key", metavar="FILE", default="", help="Ed25519 key that signs the record.  [default: $OAIRUNBOOK_SIGN_KEY]"
)
@json_option('{"run", "failing", "proof", "evidence", "verdict", "notebooks"}')
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def verify(failing: str, archive: str, sign_key: str, json_file: str | None, quiet: bool, **options: Any) -> None:
    """Prove the fix: the request that failed, again, from the same place.

    Same runtime, base URL, key scope, model and path as the failing run; where one of them differs nothing is proved, and it says which.
    It is repeated until the earlier failure rate can be excluded at 95 %; after a steady fault a few times. The record links to the
    failing run.

    Exit status: 0 the fix is proved, 1 a fault is still there, 2 the call is wrong or there is no failing run (nothing was sent),
    3 not proved: a condition differs or too little was tried, 4 the notebook did not run to its end, 130 interrupted.
    """
    from oairunbook.record.run import BrokenOffError, ParameterError, interruptible
    from oairunbook.record.verify_fix import failing_run
    from oairunbook.record.verify_fix import verify as start

    given = [(name, str(value)) for name, value in options.items() if value is not None]
    tell = (lambda _: None) if quiet else (lambda line: click.echo(inert(line), err=True))
    with interruptible() as interrupted:
        try:
            record = failing_run(
                failing,
                archive=archive,
                base_url=options["base_url"] or "",
                model=options["model"] or "",
                route=options["route"] or "auto",
            )
            done = start(record, given, archive=archive, sign_key=sign_key, progress=tell, interrupted=interrupted)
        except ParameterError as error:
            raise click.UsageError(inert(str(error))) from error
        except BrokenOffError as error:
            raise NotWrittenError(inert(str(error))) from error
    proof = done.proof
    if json_file:
        write_json({**done.document(), "failing": record.link(), "proof": proof}, json_file)
    if json_file != "-":
        say(inert(_text(record.name, done, proof)))
    if done.interrupted:
        click.echo(f"Interrupted. What was seen so far: {inert(str(done.path))}", err=True)
        raise SystemExit(EXIT_INTERRUPTED)
    if done.verdict is None or proof is None or not done.whole:
        click.echo(f"The notebook did not run to its end. What was seen so far: {inert(str(done.path))}", err=True)
        raise SystemExit(EXIT_TOOL_FAILED)
    raise SystemExit(_PROVED if proof["proved"] else done.verdict.exit_status or _NOT_DECIDED)


def _text(failing: str, done: Any, proof: dict[str, Any] | None) -> str:
    from oairunbook.record.table import practice_text, verdict_text

    lines = []
    if done.evidence and done.verdict:
        lines.append(practice_text(done.evidence) + verdict_text(done.verdict))
    lines.append(f"failing  {failing}")
    if proof:
        differing = [one for one in proof["conditions"] if one["failing"] != one["now"]]
        lines += [f"differs  {one['name']}: {one['failing']} then, {one['now']} now" for one in differing]
        lines += [f"changed  {one['name']}: {one['failing']} then, {one['now']} now" for one in proof["changes"]]
        lines.append(f"fix      {proof['statement']}")
    lines.append(f"{'PRACTICE ' * done.practised}run {done.path}")
    return "\n".join(lines) + "\n"
