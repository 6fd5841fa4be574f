"""The commands `open`, `init` and `report`."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import sys
from pathlib import Path

import click

from oairunbook.options import hide_option
from oairunbook.output import NotWrittenError, examples, inert, is_special, say
from oairunbook.record.running import end_if_changed
from oairunbook.record.working import Copies, copy_notebooks

DEFAULT_FOLDER = "oairunbook-work"
SETTINGS = Path(__file__).parent / "jupyter"
"""Settings of JupyterLab under `oairunbook open`: it asks nobody for news and newer versions of itself."""


@click.command(
    "open",
    epilog=examples("oairunbook open", "oairunbook open /tmp/incident-4711 --no-browser --port 8890"),
)
@click.argument("folder", default=DEFAULT_FOLDER, metavar="[DIR]", type=click.Path(path_type=Path))
@click.option("--no-browser", is_flag=True, help="Only print the address: for a host that you reach by a tunnel.")
@click.option(
    "--port", type=click.IntRange(1, 65535), metavar="N", help="Port on loopback.  [default: the first free from 8888]"
)
def open_command(folder: Path, no_browser: bool, port: int | None) -> None:
    """Open the runbook in JupyterLab, at triage.

    Copies the notebooks into DIR (default ./oairunbook-work) and starts JupyterLab there, in the environment variables of this shell.
    What is in DIR already is kept as it is. Runs are archived in DIR/archive, unless OAIRUNBOOK_ARCHIVE names another place. Ctrl-C ends it.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise click.UsageError(
            f"JupyterLab is not installed beside {sys.executable}. Nothing was started.\n"
            f"Next: {shlex.quote(sys.executable)} -m pip install 'jupyterlab>=4.2', then run this again.\n"
            "Without it: oairunbook check, oairunbook triage and oairunbook run need no JupyterLab."
        )
    folder = folder.absolute()
    _tell(folder, _copied(folder))
    arguments = [
        f"--ServerApp.root_dir={folder}",
        "--LabApp.default_url=/lab/tree/triage.ipynb",
        *(["--no-browser"] if no_browser else []),
        # The test counts as the user whose requests fail, and in a container that often is root.
        *(["--allow-root"] if os.geteuid() == 0 else []),
        *([f"--ServerApp.port={port}", "--ServerApp.port_retries=0"] if port else []),
    ]  # fmt: skip
    settings = [str(SETTINGS), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    environment = {
        "OAIRUNBOOK_ARCHIVE": str(folder / "archive"),
        **os.environ,
        "JUPYTER_CONFIG_PATH": os.pathsep.join(settings),
    }
    # The same process from here on: signals and the terminal are JupyterLab's own.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "jupyterlab", *arguments], environment)  # noqa: S606


@click.command(epilog=examples("oairunbook init runbook", "oairunbook init . && git add *.ipynb"))
@click.argument("folder_named", metavar="DIR")
def init(folder_named: str) -> None:
    """Copy the notebooks into DIR, to adapt them.

    A notebook that is there already is never overwritten; those that differ from the installed ones are named. The copies run with
    papermill and in JupyterLab; `oairunbook run` runs the installed ones.
    """
    if not folder_named:
        raise click.UsageError("DIR is empty: name a folder, or . for this one")
    folder = Path(folder_named)
    _tell(folder, _copied(folder))


@click.command(
    epilog=examples("oairunbook report latest", "oairunbook report archive/2026/11/25/*-web-3-* -o incident-4711.html")
)
@click.argument("run", metavar="RUN")
@click.option("-o", "--out", metavar="FILE|-", help="Where it goes; - is standard output.  [default: RUN.html here]")
@click.option(
    "--archive",
    metavar="DIR|s3://…",
    default="",
    help="Archive of RUN.  [default: $OAIRUNBOOK_ARCHIVE, else ./archive]",
)
@hide_option
def report(run: str, out: str | None, archive: str, hide: frozenset[str]) -> None:
    """Write one HTML file of an archived RUN.

    Verdict first, then each notebook, the packet and the manifest. It opens offline and loads nothing; what a hostile server put into the
    record can neither run nor lead anywhere in it. RUN is a run's folder, its name or a part of it, or latest. With --hide it leaves your
    company without the names of your network, and its file is named after the run's id alone.

    Exit status: 0, or 1 if something of the run is not as it was archived or nothing vouches for it, as for one that was killed; what, is
    told in the report and on standard error. 2 if it cannot be read.
    """
    from oairunbook.record.archive import ArchiveError
    from oairunbook.record.archive.find import archive_root, run_folder_of
    from oairunbook.record.files import write_whole
    from oairunbook.record.hidden import hidden_of
    from oairunbook.record.report import ReportError
    from oairunbook.record.report import report as render

    try:
        folder = run_folder_of(archive_root(archive), run)
        rendered = render(folder)
        text, problems = rendered.html, rendered.problems
        if hidden := hidden_of(hide, folder):
            text = hidden.page(text)
    except (ArchiveError, ReportError) as error:
        raise click.UsageError(inert(str(error))) from error
    except OSError as error:
        raise click.UsageError(inert(f"{error.filename or run} cannot be read: {error.strerror}")) from error
    if out == "-":
        say(text, "utf-8")
        end_if_changed(problems, hidden)
        return
    name = folder.resolve().name
    identity = re.search("-([0-9a-f]{8})(?:-|$)", name)
    target = Path(out or (f"run-{identity[1] if identity else 'hidden'}.html" if hide else f"{name}.html"))
    data = text.encode("utf-8", "backslashreplace")
    try:
        if is_special(target):
            target.write_bytes(data)
        else:
            write_whole(target, data)
    except OSError as error:
        raise NotWrittenError(inert(f"{target} cannot be written: {error.strerror}")) from error
    say(f"{inert(str(target))}\n")
    end_if_changed(problems, hidden)


def _copied(folder: Path) -> Copies:
    try:
        return copy_notebooks(folder)
    except OSError as error:
        raise click.UsageError(inert(f"{error.filename or folder} cannot be written: {error.strerror}")) from error


def _tell(folder: Path, copies: Copies) -> None:
    told = [f"{len(copies.written)} files copied into {folder}, {len(copies.same)} were there already."]
    if copies.kept:
        told.append(
            f"Kept as they are, though they differ from the installed ones: {', '.join(copies.kept)}. "
            "To get the installed ones, move these away and run this again."
        )
    click.echo(inert("\n".join(told)), err=True)
