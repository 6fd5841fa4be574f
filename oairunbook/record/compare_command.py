"""`oairunbook compare A B`: the first difference between two records. Nothing is sent."""

from __future__ import annotations

import sys

import click

from oairunbook.output import examples, inert, json_option, say, write_json


@click.command(
    epilog=examples(
        "oairunbook compare laptop.json pod.json --despite runtime",
        "oairunbook compare archive/2026/11/24/* archive/2026/11/25/* --json - | jq .first_difference",
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
@json_option("the comparison")
def compare(first: str, second: str, despite: tuple[str, ...], json_file: str | None) -> None:
    """Compare two records: the first difference on the path.

    A and B are evidence.json, what `check --json` wrote, or the folder of a run; - is standard input. Both are judged by today's rules.

    While key scope, model, endpoint or runtime variables differ, any difference could come from that: the call is refused with status 2
    and names them.

    Exit status: 0 both end alike at every layer, 1 they differ, 2 refused or not readable, 3 one of them did not look far enough.
    """
    from oairunbook.comparison import IncomparableError
    from oairunbook.comparison import compare as comparison_of
    from oairunbook.evidence import Evidence, EvidenceError, load_evidence
    from oairunbook.record.branches.compare import as_text
    from oairunbook.record.source import read

    if first == second == "-":
        raise click.UsageError("Only one of the records can come from standard input.")

    def record(name: str) -> Evidence:
        try:
            return load_evidence(sys.stdin.buffer.read()) if name == "-" else read(name)
        except OSError as error:
            raise click.UsageError(f"{name} cannot be read: {error.strerror}") from error
        except (EvidenceError, UnicodeDecodeError) as error:
            raise click.UsageError(f"{name}: {error}") from error

    try:
        result = comparison_of(record(first), record(second), despite)
    except IncomparableError as refused:
        raise click.UsageError(inert(str(refused))) from refused
    if json_file:
        write_json(result, json_file)
    if json_file != "-":
        say(inert(as_text(result)))
    raise SystemExit(result.exit_status)
