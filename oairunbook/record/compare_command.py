"""`oairunbook compare A B`: the first difference between two records. Nothing is sent."""

from __future__ import annotations

from pathlib import Path

import click

from oairunbook.options import hide_option
from oairunbook.output import examples, inert, json_option, say, write_json


@click.command(
    epilog=examples(
        "oairunbook compare laptop.json pod.json --despite runtime",
        "oairunbook compare 20261124T0412 latest --json - | jq .first_difference",
    )
)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--despite",
    multiple=True,
    metavar="VARIABLE",
    help="Compare although this differs, because it is what you ask about: a variable that the refusal names, or runtime, endpoint, "
    "variables for several at once. May be given more than once.",
)
@click.option(
    "--archive",
    metavar="DIR|s3://…",
    default="",
    help="Archive of the runs.  [default: $OAIRUNBOOK_ARCHIVE, else ./archive]",
)
@hide_option
@json_option("the comparison")
def compare(
    first: str, second: str, despite: tuple[str, ...], archive: str, hide: frozenset[str], json_file: str | None
) -> None:
    """Compare two records: the first difference on the path.

    A and B are evidence.json, what `check --json` wrote, or a run: its folder, its name or a part of it, or latest; - is standard input.
    Both are judged by today's rules.

    While key scope, model, endpoint or runtime variables differ, any difference could come from that: the call is refused with status 2
    and names them. With --hide one host or address is one token in both records.

    Exit status: 0 both end alike at every layer, 1 they differ, 2 refused or not readable, 3 one of them did not look far enough.
    """
    from oairunbook.comparison import IncomparableError
    from oairunbook.comparison import compare as comparison_of
    from oairunbook.evidence import Evidence, EvidenceError, load_evidence, read_bytes
    from oairunbook.record.archive import ArchiveError
    from oairunbook.record.archive.find import archive_root, find_run
    from oairunbook.record.archive.reading import vouched_for
    from oairunbook.record.branches.compare import as_text
    from oairunbook.record.source import file_of, read_record

    changed: list[str] = []
    if first == second == "-":
        raise click.UsageError("Only one of the records can come from standard input.")

    def record(name: str) -> tuple[str, Evidence]:
        try:
            if name == "-":
                return name, load_evidence(read_bytes(name))
            # A path that is meant as one is said to be missing, not looked for among the runs.
            is_path = Path(name).exists() or name.endswith(".json")
            path = Path(name) if is_path else find_run(archive_root(archive), name)
            data = read_record(path)
            if archived := vouched_for(file_of(path), data):
                changed.extend(problem.what for problem in archived.problems)
            return str(path), load_evidence(data)
        except OSError as error:
            raise click.UsageError(inert(f"{name} cannot be read: {error.strerror}")) from error
        except (EvidenceError, ArchiveError, UnicodeDecodeError) as error:
            raise click.UsageError(inert(f"{name}: {error}")) from error

    (one, seen), (other, also) = record(first), record(second)
    if hide:
        from oairunbook.record.handed import handed_over
        from oairunbook.record.hidden import hiding_key

        key = hiding_key(one, other)
        seen, also = (handed_over(evidence, hide, key)[0] for evidence in (seen, also))
    try:
        result = comparison_of(seen, also, despite)
    except IncomparableError as refused:
        raise click.UsageError(inert(str(refused))) from refused
    if json_file:
        write_json(result, json_file)
    if json_file != "-":
        say(inert(as_text(result)))
    if changed:
        told = "; ".join(dict.fromkeys(changed))
        click.echo(
            inert(
                f"Of a run that is not as it was archived, or for which nothing vouches, so look at it before you go by this: {told}"
            ),
            err=True,
        )
    raise SystemExit(result.exit_status)
