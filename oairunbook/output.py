"""What every command does with its results: exit statuses, text that a terminal cannot obey, one JSON document."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oairunbook.evidence import to_document

if TYPE_CHECKING:
    from oairunbook.observe import CutShortError

Command = TypeVar("Command", bound=Callable[..., Any])

EXIT_CALL_WRONG, EXIT_INCONCLUSIVE, EXIT_TOOL_FAILED, EXIT_INTERRUPTED = 2, 3, 4, 130


def inert(text: str) -> str:
    """Text from the network may hold terminal control sequences; they are shown, not obeyed."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def one_line(text: str) -> str:
    """A name, or what is said of one, in which no line feed makes a line that looks like one of the answer."""
    return text.replace("\n", "\\n")


def say(text: str, encoding: str | None = None) -> None:
    """Print a result on standard output, whatever the terminal's encoding can hold.

    Where nobody reads on, this is no failure: `oairunbook check | head` keeps the verdict's exit status.
    """
    if sys.stdout is None:
        # Closed from the start (`>&-`).
        return
    data = text.encode(encoding or sys.stdout.encoding or "utf-8", "backslashreplace")
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at its end, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def plain(item: Any) -> Any:
    """Records inside ordinary objects and lists, as JSON can hold them."""
    if isinstance(item, dict):
        return {key: plain(value) for key, value in item.items()}
    if isinstance(item, list):
        return [plain(value) for value in item]
    return to_document(item)


def examples(*lines: str) -> str:
    """The end of a help text: examples, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def json_option(what: str) -> Callable[[Command], Command]:
    """The option `--json FILE|-` of a command. Whether it can be written is looked at before anything is sent."""
    return click.option(
        "--json",
        "json_file",
        metavar="FILE|-",
        callback=lambda _context, _option, target: _writable(target),
        help=f"Write {what} there; - is standard output.",
    )


def _writable(target: str | None) -> str | None:
    if target is None or target == "-":
        return target
    path = Path(target)
    if path.is_dir():
        raise click.UsageError(f"--json {target}: this is a folder. Nothing was sent.")
    if not path.parent.is_dir():
        raise click.UsageError(f"--json {target}: there is no folder {path.parent}. Nothing was sent.")
    if not os.access(path if is_special(path) else path.parent, os.W_OK):
        raise click.UsageError(f"--json {target}: may not be written. Nothing was sent.")
    return target


def is_special(path: Path) -> bool:
    """A pipe or a device is written to, never replaced, nor is a name of an open stream (`/dev/stdout`), wherever that leads.

    As root a file in the place of `/dev/null` would break the machine.
    """
    names = (path.parent.resolve(), *((Path(path.parent, path.readlink()),) if path.is_symlink() else ()))
    return any(name.is_relative_to("/proc") for name in names) or (path.exists() and not path.is_file())


class NotWrittenError(click.ClickException):
    """A result could not be written. The call was right: this tool failed."""

    exit_code = EXIT_TOOL_FAILED


def write_json(document: Any, target: str) -> None:
    """One JSON document to standard output or a file, which appears whole or not at all."""
    write_pieces([json.dumps(plain(document), ensure_ascii=False, indent=2, allow_nan=False) + "\n"], target)


def write_pieces(pieces: Iterable[str], target: str) -> None:
    """As `write_json`, of a document that comes in pieces: no more than one of them is in memory."""
    if target == "-":
        for piece in pieces:
            say(piece, "utf-8")
        return
    path = Path(target)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    special = is_special(path)
    try:
        with (path if special else partial).open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(pieces)
        if not special:
            partial.replace(path)
    except OSError as error:
        raise NotWrittenError(f"--json {target}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def keep_cut_short(cut: CutShortError, json_file: str | None) -> None:
    """Keep what was seen before a look was cut short, and say where: a file is written also where nobody asked for one."""
    import shlex

    target = json_file if json_file and json_file != "-" else f"oairunbook-cut-short-{os.getpid()}.json"
    try:
        write_json(cut.evidence, target)
        kept = f"They are in {target}; next: oairunbook diagnose {shlex.quote(target)}"
    except NotWrittenError as lost:
        # How the look ended stays what happened, and the exit status says so.
        kept = f"They could not be kept: {lost.message}"
    click.echo(f"\n{cut}. {kept}", err=True)


@contextlib.contextmanager
def shown_progress(*, quiet: bool = False) -> Iterator[Callable[[str], None] | None]:
    """Shows the step under way as one line on standard error, which is gone at the end; None where nobody watches or wants to."""
    if quiet or not sys.stderr.isatty():
        yield None
        return

    def show(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{inert(text)[:100]}")
        sys.stderr.flush()

    try:
        yield show
    finally:
        show("")
