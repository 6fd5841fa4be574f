"""The command line: parse, call, print."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from oairunbook import __version__
from oairunbook.lab.command import lab
from oairunbook.record.commands import packet, run

EXIT_CALL_WRONG, EXIT_TOOL_FAILED, EXIT_INTERRUPTED = 2, 4, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def cli() -> None:
    """Find out where on the path to the API the evidence first changes, who owns that, and what to hand over.

    Start with `oairunbook check` in the runtime that failed. Exit status: 0 the path is healthy, 1 a fault was named, 2 the call is wrong,
    3 inconclusive, 4 the tool failed, 130 interrupted. Secrets come from the environment, never from arguments.
    """


def route_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The common options that say what is called and how long it may take."""
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
            type=click.FloatRange(min=0, min_open=True),
            default=5.0,
            show_default=True,
            help="Seconds for one step.",
        ),
        click.option(
            "--budget",
            type=click.FloatRange(min=0, min_open=True),
            default=30.0,
            show_default=True,
            help="Seconds in all.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@cli.command()
@route_options
@click.option("--archive", metavar="DIR", default="", help="Archive whose key fingerprints the API key.")
@click.option(
    "--json", "json_file", metavar="FILE|-", help='Write {"evidence": …, "verdict": …} there; - is standard output.'
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def check(
    base_url: str | None,
    model: str | None,
    route: str,
    timeout: float,
    budget: float,
    archive: str,
    json_file: str | None,
    quiet: bool,
) -> None:
    r"""Test the path from here, now: one table, the first point where the evidence changes, owner, cause, next steps.

    Sends one request without credentials, and with your key one minimal request (a few tokens), whole and streamed, where TLS has verified.

    \b
    oairunbook check
    oairunbook check --base-url https://gateway.example.com/v1 --json -
    """
    from oairunbook import check as run_check
    from oairunbook.record.table import check_text

    show = None if quiet else _progress()
    checked = run_check(base_url or "", model or "", route, timeout, budget, archive, progress=show)
    if show:
        show("")
    if json_file:
        write_json({"evidence": checked.evidence, "verdict": checked.verdict}, json_file)
    if json_file != "-":
        click.echo(inert(check_text(checked.evidence, checked.verdict)), nl=False)
    sys.stdout.flush()
    raise SystemExit(checked.verdict.exit_status)


@cli.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--json", "json_file", metavar="FILE|-", help="Write the verdicts there; - is standard output.")
def diagnose(files: tuple[str, ...], json_file: str | None) -> None:
    """Judge recorded evidence again, by today's rules. Nothing is sent.

    FILE is an evidence.json of a run, or what `check --json` wrote; - is standard input. With several files the exit status is the
    highest one.
    """
    from oairunbook.diagnose import diagnose as judge
    from oairunbook.evidence import EvidenceError, load_evidence
    from oairunbook.record.table import verdict_text

    verdicts = []
    for name in files:
        try:
            data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            evidence = load_evidence(data)
        except OSError as error:
            raise click.UsageError(f"{name} cannot be read: {error.strerror}") from error
        except EvidenceError as error:
            raise click.UsageError(f"{name}: {error}") from error
        verdict = judge(evidence)
        verdicts.append({"file": name, "evidence": evidence, "verdict": verdict})
        if json_file != "-":
            heading = f"{name}\n" if len(files) > 1 else ""
            click.echo(inert(heading + verdict_text(verdict)))
    if json_file:
        write_json(verdicts[0] if len(verdicts) == 1 else verdicts, json_file)
    raise SystemExit(max(item["verdict"].exit_status for item in verdicts))  # type: ignore[attr-defined]


def write_json(document: Any, target: str) -> None:
    """One JSON document to standard output or a file, which appears whole or not at all."""
    from oairunbook.evidence import to_document

    def plain(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: plain(value) for key, value in item.items()}
        if isinstance(item, list):
            return [plain(value) for value in item]
        return to_document(item)

    text = json.dumps(plain(document), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    path = Path(target)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as error:
        raise click.UsageError(f"--json {target}: {error.strerror}") from error


def inert(text: str) -> str:
    """Text from the network may hold terminal control sequences; they are shown, not obeyed."""
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _progress() -> Callable[[str], None] | None:
    """One line on standard error that shows the step under way; None where nobody watches."""
    if not sys.stderr.isatty():
        return None

    def show(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{inert(text)[:100]}")
        sys.stderr.flush()

    return show


@contextlib.contextmanager
def _no_secret_in_errors() -> Iterator[None]:
    """The last door: an error of this tool itself is told without secrets, and ends with the contract's status."""
    from oairunbook.redaction import Secrets

    try:
        yield
    except (click.exceptions.Exit, click.ClickException, SystemExit):
        raise
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        raise SystemExit(EXIT_INTERRUPTED) from None
    except Exception as error:
        secrets = Secrets.from_environment(os.environ)
        click.echo(inert(secrets.redact_text(f"oairunbook failed: {type(error).__name__}: {error}")), err=True)
        if os.environ.get("OAIRUNBOOK_DEBUG"):
            import traceback

            click.echo(secrets.redact_text(traceback.format_exc()), err=True)
        else:
            click.echo("Next: run it again with OAIRUNBOOK_DEBUG=1 and report the traceback.", err=True)
        raise SystemExit(EXIT_TOOL_FAILED) from None


cli.add_command(run)
cli.add_command(packet)
cli.add_command(lab)


def main() -> None:
    """Entry point of the console script."""
    with _no_secret_in_errors():
        cli(standalone_mode=True, prog_name="oairunbook")


if __name__ == "__main__":
    main()
