"""`oairunbook triage`: whoever has nothing but a text gets owner, cause, and what to fetch next. Nothing is sent."""

from __future__ import annotations

import os
import sys

import click

from oairunbook.options import hide_option
from oairunbook.output import examples, inert, json_option, say, write_json

_MOST_BYTES = 512 * 1024**2
"""A longer text, or one without an end, would take the memory of the host on which the application runs."""


@click.command(
    epilog=examples(
        "oairunbook triage error.log",
        "journalctl -u app --since -1h | oairunbook triage -",
        'oairunbook triage --status 429 --header \'retry-after: 2\' --body \'{"error":{"code":"rate_limit_exceeded"}}\'',
        "oairunbook triage error.log --evidence check.json",
    )
)
@click.argument("file", required=False, metavar="[FILE|-]")
@click.option(
    "--status", type=click.IntRange(100, 599), metavar="CODE", help="HTTP status that came back, if one is known."
)
@click.option(
    "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A response header; may be given several times."
)
@click.option("--body", metavar="TEXT", help="The body that came back.")
@click.option("--base-url", metavar="URL", help="Base URL of the call. Default: what the text names.")
@click.option("--model", metavar="NAME", help="Model, on Azure the deployment. Default: what the text names.")
@click.option(
    "--route",
    type=click.Choice(["auto", "direct", "azure", "gateway"]),
    default="auto",
    show_default=True,
    help="Route family of the call.",
)
@click.option(
    "--evidence",
    "record",
    metavar="FILE",
    help="What a check of the same runtime recorded (evidence.json, or what `check --json` wrote); both give one verdict.",
)
@hide_option
@json_option('{"evidence": …, "verdict": …}')
def triage(
    file: str | None,
    status: int | None,
    headers: tuple[str, ...],
    body: str | None,
    base_url: str | None,
    model: str | None,
    route: str,
    record: str | None,
    hide: frozenset[str],
    json_file: str | None,
) -> None:
    """Judge a pasted error: traceback, log, body, console.

    FILE holds whatever is at hand: a traceback, log lines, a JSON or HTML body, what `curl -v`, `openssl s_client` or `dig` printed, the
    text of a browser's console, also Node's, Go's, Java's and .NET's. - is standard input. Lines NAME=value in it (OPENAI_BASE_URL,
    HTTPS_PROXY) count as settings. Nothing is sent; secrets in it are neither kept nor shown.

    Text alone rarely proves: what it leaves open is `unknown`, with the owner that the route gives and with what to fetch next.
    """
    from oairunbook.diagnose import diagnose
    from oairunbook.evidence import EvidenceError, load_evidence
    from oairunbook.read import beside, read
    from oairunbook.record.table import verdict_text
    from oairunbook.runtime import this_runtime

    if file is None and not (status or headers or body):
        if sys.stdin.isatty():
            raise click.UsageError("give FILE, or - and the text on standard input, or --status, --header, --body")
        file = "-"
    text = _bytes(file) if file else b""
    if not (text.strip() or status or headers or body):
        click.echo(
            f"{'Standard input' if file == '-' else inert(str(file))} is empty: there is nothing to judge.", err=True
        )
    try:
        checked = load_evidence(_evidence(record)) if record else None
    except EvidenceError as error:
        raise click.UsageError(f"{record}: {error}") from error
    seen = read(
        text,
        this_runtime(os.environ),
        environment=os.environ,
        status=status or 0,
        headers=headers,
        body=body or "",
        base_url=base_url or "",
        model=model or "",
        family=route,
    )
    evidence = beside(checked, seen) if checked else seen
    verdict = diagnose(evidence)
    if hide:
        from oairunbook.record.handed import handed_over
        from oairunbook.record.hidden import hiding_key

        evidence, without = handed_over(evidence, hide, hiding_key(record or ""))
        verdict = without(verdict)
    if json_file:
        write_json({"evidence": evidence, "verdict": verdict}, json_file)
    if json_file != "-":
        where = evidence.route
        say(
            inert(
                f"route    {where.family}: {where.base_url.value or '(no base URL shown)'} from {where.base_url.source}\n"
            )
        )
        say(inert(verdict_text(verdict)))
    raise SystemExit(verdict.exit_status)


def _evidence(name: str) -> bytes:
    from oairunbook.evidence import read_bytes

    try:
        return read_bytes(name)
    except OSError as error:
        raise click.UsageError(f"{name} cannot be read: {error.strerror}") from error


def _bytes(name: str) -> bytes:
    from oairunbook.evidence import open_to_read, read_standard_input

    try:
        if name == "-":
            data = read_standard_input(_MOST_BYTES + 1)
        else:
            with open_to_read(name) as file:
                data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise click.UsageError(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise click.UsageError(
            f"{name} holds more than {_MOST_BYTES // 1024**2} MiB. Nothing was judged. Next: give its end, or the hour of the failure: "
            "tail -c 100M FILE | oairunbook triage -"
        )
    return data
