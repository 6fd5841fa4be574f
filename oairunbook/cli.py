"""The command line: parse, call, print."""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from oairunbook import __version__
from oairunbook.collector.options import place_options
from oairunbook.leaving import leave
from oairunbook.options import client_option, hide_option, look_options
from oairunbook.output import (
    EXIT_INTERRUPTED,
    EXIT_TOOL_FAILED,
    NotWrittenError,
    examples,
    inert,
    json_option,
    keep_cut_short,
    say,
    shown_progress,
    write_json,
)

if TYPE_CHECKING:
    from oairunbook.evidence import Evidence
    from oairunbook.verdict import Verdict

_COMMAND_GROUPS = (
    ("In an incident", ("check", "collect", "fleet", "triage", "explain", "open", "run", "packet")),
    ("Unattended", ("schedule",)),
    ("Afterwards", ("verify", "archive", "report", "diagnose", "compare")),
    ("For practice", ("lab",)),
)

_ELSEWHERE: dict[str, tuple[str, str]] = {
    "triage": ("oairunbook.read.command:triage", "Judge a pasted error: traceback, log, body, console."),
    "collect": ("oairunbook.collector.command:collect", "Collect evidence where a COMMAND leads, or a process runs."),
    "fleet": (
        "oairunbook.record.fleet_command:fleet",
        "Compare the workers of a fleet: which fail, and what tells them from the others.",
    ),
    "explain": ("oairunbook.explain.command:explain", "Explain one cause, or list all of them."),
    "open": ("oairunbook.record.front_commands:open_command", "Open the runbook in JupyterLab, at triage."),
    "run": ("oairunbook.record.commands:run", "Run the runbook's notebooks headless, and archive them."),
    "packet": ("oairunbook.record.commands:packet", "Print the escalation packet of an archived RUN."),
    "verify": (
        "oairunbook.record.verify_command:verify",
        "Prove the fix: the request that failed, again, from the same place.",
    ),
    "archive": ("oairunbook.record.archive.commands:archive", "The archive of runs: list, show, verify, prune."),
    "report": ("oairunbook.record.front_commands:report", "Write one HTML file of an archived RUN."),
    "compare": ("oairunbook.record.compare_command:compare", "Compare two records: the first difference on the path."),
    "init": ("oairunbook.record.front_commands:init", "Copy the notebooks into DIR, to adapt them."),
    "schedule": ("oairunbook.record.schedule_command:schedule", "Print a unit that runs the runbook unattended."),
    "lab": ("oairunbook.lab.command:lab", "Practise on loopback, with a fault of your choice."),
}
"""Commands that stand in the part that they drive: where, and the line that --help shows. Each is imported when it is called; start-up is paid
at every call of a cron job."""


class _Grouped(click.Group):
    """Lists the commands by the moment at which they are wanted; a command that no group names stands at the end."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _ELSEWHERE and cmd_name not in self.commands:
            module, _, attribute = _ELSEWHERE[cmd_name][0].partition(":")
            self.add_command(getattr(importlib.import_module(module), attribute), cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        known = self.list_commands(ctx)
        grouped = [name for _, names in _COMMAND_GROUPS for name in names]
        rest = tuple(name for name in known if name not in grouped)
        for title, names in (*_COMMAND_GROUPS, ("More", rest)):
            rows = [(name, self._line(name)) for name in names if name in known]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def _line(self, name: str) -> str:
        return _ELSEWHERE[name][1] if name in _ELSEWHERE else self.commands[name].get_short_help_str(88)


_EXIT_STATUSES = """\b
Exit status:
    0  the path is proven healthy
    1  a fault was found and named
    2  the call itself is wrong
    3  inconclusive: the evidence does not decide
    4  the tool failed
  130  interrupted"""


@click.group(
    cls=_Grouped,
    epilog=_EXIT_STATUSES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__)
def cli() -> None:
    """Find out where on the path to the API the evidence first changes, who owns that, and what to hand over.

    Start with `oairunbook check` in the runtime that failed: same host, same user, same environment variables. Secrets come from the
    environment, never from arguments. Every command has examples at the end of its own --help.
    """


@cli.command(
    epilog=examples(
        "oairunbook check",
        "oairunbook check --base-url https://gateway.example.com/v1 --json - | jq .verdict.cause",
        "oairunbook check --via 'kubectl exec -i deploy/api -- python3 -'",
        "oairunbook check --python /srv/app/.venv/bin/python --client app.llm:make_client",
    )
)
@look_options
@client_option
@place_options(via=True)
@click.option("--archive", metavar="DIR|s3://…", default="", help="Archive whose key fingerprints the API key.")
@hide_option
@json_option('{"evidence": …, "verdict": …}')
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def check(
    base_url: str | None,
    model: str | None,
    archive: str,
    hide: frozenset[str],
    json_file: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Test the path from here, now.

    One table: each step, what was seen, its time, and the first point where the evidence changes; then owner, cause, next steps and
    do-nots. Sends a handful of requests without credentials, and with your key one minimal request (a few tokens), whole and,
    twice, streamed, where TLS has verified. On an Azure or gateway route it also tries the direct route, without credentials.
    """
    from oairunbook import check as run_check
    from oairunbook.observe import CutShortError
    from oairunbook.record.table import check_text

    near = f"{archive}/check.json"
    if options["client"] and options["place"] is None:
        # The application's code may hang, print or end its process: none of that may become this command's answer.
        from oairunbook.collector.place import by_interpreter

        options["place"] = by_interpreter(sys.executable)
    try:
        with _naming(archive), shown_progress(quiet=quiet) as progress:
            checked = run_check(base_url or "", model or "", archive=archive, progress=progress, **options)
    except CutShortError as cut:
        cut.evidence, _ = _handed(cut.evidence, hide, near)
        keep_cut_short(cut, json_file)
        raise cut.__cause__ or cut from None
    evidence, handed = _handed(checked.evidence, hide, near)
    verdict = handed(checked.verdict)
    try:
        if json_file:
            write_json({"evidence": evidence, "verdict": verdict}, json_file)
    finally:
        # Each of the two is there also where the other cannot be written.
        if json_file != "-":
            say(inert(check_text(evidence, verdict)))
    raise SystemExit(checked.verdict.exit_status)


@contextlib.contextmanager
def _naming(archive: str) -> Iterator[None]:
    """An archive that is none is a wrong call. Where none is named, what knows archives is not loaded."""
    if not archive:
        yield
        return
    from oairunbook.record.archive.chain import ArchiveError

    try:
        yield
    except ArchiveError as error:
        raise click.UsageError(inert(f"{error} Nothing was sent.")) from error


@cli.command(
    epilog=examples(
        "oairunbook diagnose archive/2026/11/25/*/evidence.json",
        "kubectl cp app-7d4b9:/tmp/check.json check.json && oairunbook diagnose check.json",
        "kubectl logs deploy/api | oairunbook diagnose -",
    )
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@hide_option
@json_option("the verdicts")
def diagnose(files: tuple[str, ...], hide: frozenset[str], json_file: str | None) -> None:
    """Judge recorded evidence again, by today's rules.

    Nothing is sent, and the evidence may come from another machine.

    FILE is an evidence.json of a run, what `check --json` or `oairunbook.observe()` wrote, or a log with lines of the latter; - is standard
    input. With several records the exit status is the highest one. With --hide the records that --json writes leave your company without the
    names of your network, and can be judged there as here.
    """
    from pathlib import Path

    from oairunbook.diagnose import diagnose as judge
    from oairunbook.evidence import EvidenceError, load_evidence, read_bytes
    from oairunbook.read.logged import records_in
    from oairunbook.record.archive.bucket import BucketError
    from oairunbook.record.archive.chain import ArchiveError
    from oairunbook.record.archive.find import at_hand
    from oairunbook.record.archive.reading import vouched_for
    from oairunbook.record.table import practice_text, verdict_text

    records: list[tuple[str, str | bytes]] = []
    for name in files:
        try:
            path = at_hand(name)
            data = read_bytes(path)
            archived = vouched_for(Path(path), data) if name != "-" else None
        except BucketError as error:
            raise NotWrittenError(inert(str(error.strerror))) from error
        except OSError as error:
            raise click.UsageError(f"{name} cannot be read: {error.strerror}") from error
        except ArchiveError as error:
            raise click.UsageError(inert(str(error))) from error
        except EvidenceError as error:
            raise click.UsageError(f"{name}: {error}") from error
        for problem in archived.problems if archived else ():
            click.echo(
                inert(
                    f"{name} is of a run that is not as it was archived, or for which nothing vouches: {problem.path} {problem.what}"
                ),
                err=True,
            )
        logged = records_in(data)
        # A log with one record is named like a file that is one.
        records += [(f"{name}, record {n}" if len(logged) > 1 else name, text) for n, text in enumerate(logged, 1)]
        records += [] if logged else [(name, data)]
    verdicts = []
    for name, record in records:
        try:
            evidence = load_evidence(record)
        except EvidenceError as error:
            raise click.UsageError(f"{name}: {error}") from error
        verdict = judge(evidence)
        evidence, handed = _handed(evidence, hide, name)
        verdict = handed(verdict)
        verdicts.append({"file": name, "evidence": evidence, "verdict": verdict})
        if json_file != "-":
            heading = f"{name}\n" if len(records) > 1 else ""
            say(inert(heading + practice_text(evidence, verdict) + verdict_text(verdict)) + "\n" * (len(records) > 1))
    if json_file:
        write_json(verdicts[0] if len(verdicts) == 1 else verdicts, json_file)
    raise SystemExit(max(item["verdict"].exit_status for item in verdicts))  # type: ignore[attr-defined]


def _handed(evidence: Evidence, hide: frozenset[str], near: str) -> tuple[Evidence, Callable[[Verdict], Verdict]]:
    """The record as it is shown and written, and what makes the verdict of it so."""
    if not hide:
        return evidence, lambda verdict: verdict
    from oairunbook.record.handed import handed_over
    from oairunbook.record.hidden import hiding_key

    return handed_over(evidence, hide, hiding_key(near))


def _elsewhere(option: str) -> str:
    """Where there is what somebody looked for as an option of another command."""
    context = click.Context(cli)
    names = cli.list_commands(context)
    takers = [n for n in names if any(option in p.opts for p in getattr(cli.get_command(context, n), "params", ()))]
    told = f"{', '.join(f'oairunbook {name}' for name in takers)} {'takes' if len(takers) == 1 else 'take'} {option}. "
    command = f"There is a command of that name: oairunbook {option.lstrip('-')}."
    return told * bool(takers) + command * (option.lstrip("-") in names)


@contextlib.contextmanager
def _contract() -> Iterator[None]:
    """The last door: whatever ends a command is told without secrets, and ends with the contract's status."""
    from oairunbook.redaction import Secrets

    def tell(text: str) -> None:
        # Where nobody can be told (a full disk, a closed pipe), the exit status still says it.
        with contextlib.suppress(OSError):
            click.echo(inert(Secrets.from_environment(os.environ).redact_text(text)), err=True)

    try:
        yield
    except click.ClickException as error:
        # Its text quotes what was given, and somebody may have given a key.
        shown = io.StringIO()
        error.show(shown)
        if isinstance(error, click.NoSuchOption):
            shown.write(_elsewhere(error.option_name))
        tell(shown.getvalue().rstrip("\n"))
        raise SystemExit(error.exit_code) from None
    except (KeyboardInterrupt, click.Abort):
        tell("Interrupted.")
        raise SystemExit(EXIT_INTERRUPTED) from None
    except Exception as error:
        tell(f"oairunbook failed: {type(error).__name__}: {error}")
        if os.environ.get("OAIRUNBOOK_DEBUG"):
            import traceback

            tell(traceback.format_exc())
        elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            tell("Next: free space there, or write elsewhere, and run it again.")
        else:
            tell("Next: run it again with OAIRUNBOOK_DEBUG=1 and report the traceback.")
        raise SystemExit(EXIT_TOOL_FAILED) from None


def main() -> None:
    """Entry point of the console script."""
    # The imports make some hundred thousand objects that stay. Looking for garbage among them takes a twelfth of their time, and finds none.
    gc.set_threshold(200_000)
    try:
        with _contract():
            # `timeout 60 oairunbook check` and a stopping service end it as Ctrl-C does, with the contract's status from the first moment on.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            # Not standalone: click would end an interrupted command with 1, which says that a fault was named.
            raise SystemExit(cli.main(prog_name="oairunbook", standalone_mode=False))
    except SystemExit as ended:
        leave(ended.code if isinstance(ended.code, int) else 0)


if __name__ == "__main__":
    main()
