"""The command `verify`: is the fix proved?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from oairunbook.collector.options import place_options
from oairunbook.options import client_option
from oairunbook.output import EXIT_INCONCLUSIVE, examples, inert, json_option, say, write_json
from oairunbook.record.running import (
    end_if_not_whole,
    path_options,
    progress,
    sign_key_option,
    told,
    warn_of_missing_key,
)

if TYPE_CHECKING:
    from oairunbook.collector.place import Place

_PROVED = 0


@click.command(
    epilog=examples(
        "oairunbook verify",
        "oairunbook verify --via 'kubectl exec -i deploy/api -- python3 -'",
        "oairunbook verify --failing archive/2026/11/25/*-web-3-1a2b3c4d --json - | jq .proof.statement",
    )
)
@click.option(
    "--failing",
    default="",
    metavar="RUN",
    help="The failing run: folder, name in the archive or a part of it, or an evidence.json.  "
    "[default: the newest run of the archive with a fault of the same route, or from the same other place, that is no verify]",
)
@path_options(budget="enough for the attempts that it takes")
@client_option
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
    metavar="DIR|s3://…",
    default="",
    help="Where the failing run is looked for, and this one kept.  [default: $OAIRUNBOOK_ARCHIVE, else ./archive]",
)
@sign_key_option
@json_option('{"run", "failing", "proof", "evidence", "verdict", "notebooks"}')
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@place_options(via=True)
def verify(
    failing: str,
    archive: str,
    sign_key: str,
    client: str | None,
    json_file: str | None,
    quiet: bool,
    place: Place | None,
    sent: dict[str, str],
    **options: Any,
) -> None:
    """Prove the fix: the request that failed, again, from the same place.

    Same runtime, base URL, key scope, model and path as the failing run; where one of them differs nothing is proved, and it says which.
    It is repeated until the earlier failure rate can be excluded at 95 %; after a steady fault a few times. The record links to the
    failing run. What was seen from another place is verified from there: give the same --via, --python, --like-pid, --like-unit or --client.

    Exit status: 0 the fix is proved, 1 a fault is still there, 2 the call is wrong or there is no failing run (nothing was sent),
    3 not proved: a condition differs or too little was tried, 4 the notebook did not run to its end, 130 interrupted.
    """
    from oairunbook.record import at_start  # noqa: F401 - before nbformat
    from oairunbook.record.elsewhere import looking_from, place_for
    from oairunbook.record.run import interruptible
    from oairunbook.record.verify_fix import failing_run
    from oairunbook.record.verify_fix import verify as start

    given = [(name, str(value)) for name, value in options.items() if value is not None]
    place = place_for(place, client)
    with interruptible() as interrupted, told():
        record = failing_run(
            failing,
            archive=archive,
            base_url=options["base_url"] or "",
            model=options["model"] or "",
            route=options["route"] or "auto",
            place=place,
            sent=sent,
        )
        warn_of_missing_key(archive, sign_key)
        done = start(
            record,
            given,
            archive=archive,
            sign_key=sign_key,
            look=looking_from(place, sent, client, interrupted, progress(quiet)) if place else None,
            progress=progress(quiet),
            interrupted=interrupted,
        )
    proof = done.proof
    if json_file:
        write_json({**done.document(), "failing": record.link(), "proof": proof}, json_file)
    if json_file != "-":
        say(inert(_text(record.name, done, proof)))
    whole = done.verdict is not None and proof is not None and done.whole
    end_if_not_whole(done, whole=whole, notebook="The notebook")
    assert done.verdict is not None
    assert proof is not None
    raise SystemExit(_PROVED if proof["proved"] else done.verdict.exit_status or EXIT_INCONCLUSIVE)


def _text(failing: str, done: Any, proof: dict[str, Any] | None) -> str:
    from oairunbook.record.archive.mirror import address
    from oairunbook.record.table import practice_text, verdict_text

    lines = []
    if done.evidence and done.verdict:
        lines.append(practice_text(done.evidence, done.verdict) + verdict_text(done.verdict))
    lines.append(f"failing  {failing}")
    if proof:
        differing = [one for one in proof["conditions"] if one["failing"] != one["now"]]
        lines += [f"differs  {one['name']}: {one['failing']} then, {one['now']} now" for one in differing]
        lines += [f"changed  {one['name']}: {one['failing']} then, {one['now']} now" for one in proof["changes"]]
        lines.append(f"fix      {proof['statement']}")
    lines.append(f"{'PRACTICE ' * done.practised}run {address(done.path)}")
    return "\n".join(lines) + "\n"
