"""The commands `archive list`, `archive show`, `archive verify` and `archive prune`."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from oairunbook.options import hide_option
from oairunbook.output import (
    NotWrittenError,
    examples,
    inert,
    json_option,
    one_line,
    say,
    shown_progress,
    write_json,
    write_pieces,
)
from oairunbook.verdict import Owner

if TYPE_CHECKING:
    from oairunbook.record.archive.row import Row

_SHOWN = 50
_MOST_NAMES = 20
_PIECE = 500
"""Runs that are written at once."""

_MOST_LOOKED_AT = 1000
"""Runs of a listing whose folders are looked into: of 100,000 that would take longer than the rest."""

_archive_option = click.option(
    "--archive",
    "root",
    metavar="DIR|s3://…",
    default="",
    help="The archive.  [default: $OAIRUNBOOK_ARCHIVE, else ./archive]",
)


@contextmanager
def _wrong_calls() -> Iterator[None]:
    """What somebody gave wrongly ends with status 2 and a text that says what to do; a bucket that does not answer with status 4."""
    from oairunbook.record.archive.bucket import BucketError
    from oairunbook.record.archive.chain import ArchiveError
    from oairunbook.record.archive.put import WaitingError
    from oairunbook.record.archive.signing import SigningKeyError

    try:
        yield
    except (BucketError, WaitingError) as error:
        raise NotWrittenError(inert(getattr(error, "strerror", None) or str(error))) from error
    except (ArchiveError, SigningKeyError) as error:
        raise click.UsageError(inert(str(error))) from error
    except OSError as error:
        raise NotWrittenError(inert(f"{error.filename or 'The archive'}: {error.strerror or error}")) from error


@click.group(epilog=examples("oairunbook archive list --since 7d", "oairunbook archive verify"))
def archive() -> None:
    """The archive of runs: list, show, verify, prune."""


def _time(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    from oairunbook.record.archive.times import moment

    try:
        return moment(text, datetime.now(UTC)) if text else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@archive.command(
    "list",
    epilog=examples(
        "oairunbook archive list --since 7d --owner connection_path",
        "oairunbook archive list --cause tls --host web-3 --json - | jq -r '.runs[].run'",
    ),
)
@_archive_option
@click.option("--since", callback=_time, metavar="TIME", help="Began at this time or later: 7d, 12h, or a date.")
@click.option("--until", callback=_time, metavar="TIME", help="Began before this time.")
@click.option("--host", default="", metavar="NAME", help="Ran on this host.")
@click.option(
    "--owner",
    type=click.Choice(get_args(Owner)),
    metavar="OWNER",
    help=f"Verdict's owner: {', '.join(get_args(Owner))}.",
)
@click.option("--cause", default="", metavar="CAUSE", help="Verdict's cause, or a layer for all its causes.")
@click.option("--route", default="", metavar="ROUTE", help="direct, azure, gateway, or a part of the base URL.")
@click.option("--practice/--real", default=None, help="Only practice runs, or none of them.")
@click.option(
    "--last",
    type=click.IntRange(min=0),
    default=_SHOWN,
    show_default=True,
    help="At most so many, the newest; 0 for all.",
)
@json_option('{"archive", "runs", "matching", "unfinished"}')
def list_runs(
    root: str,
    since: datetime | None,
    until: datetime | None,
    host: str,
    owner: str | None,
    cause: str,
    route: str,
    practice: bool | None,
    last: int,
    json_file: str | None,
) -> None:
    """List runs, in the order in which they were archived.

    Killed and running runs (folders that end in .partial) are told apart and never counted as whole. Of up to 1000 runs it is looked whether
    their files are there: `incomplete` has lost some, `missing` its manifest; `repeated` stands in the chain more than
    once. Whether they are as they were left, `archive verify` says.
    """
    from oairunbook.record.archive.chain import CHAIN, UNFINISHED
    from oairunbook.record.archive.find import archive_root
    from oairunbook.record.archive.folders import run_folders
    from oairunbook.record.archive.index import LOST, Wanted, as_it_is, moment, open_index
    from oairunbook.record.archive.mirror import address

    wanted = Wanted(since=since, until=until, host=host, owner=owner or "", cause=cause, route=route, practice=practice)
    with _wrong_calls(), ExitStack() as opened:
        folder = archive_root(root)
        with shown_progress() as progress:
            index = opened.enter_context(open_index(folder, progress))
        matching = index.count(wanted)
        unfinished = [
            row
            for row in index.unfinished()
            if not (owner or cause or route)
            and (not host or row.host == host)
            and (since is None or row.started_at >= moment(since))
            and (until is None or row.started_at < moment(until))
            and (practice is None or practice == (row.practice is not None))
        ]
        number = min(matching, last or matching)
        looked_at = index.runs(wanted, last=last or None) if number <= _MOST_LOOKED_AT else []
        if looked_at:
            looked_at = [as_it_is(folder, row) for row in looked_at]
        if json_file:
            rest = {"matching": matching, "unfinished": [asdict(row) for row in unfinished]}
            texts = (
                (json.dumps(asdict(row), ensure_ascii=False, allow_nan=False) for row in looked_at)
                if looked_at
                else index.each_as_json(wanted, last=last or None)
            )
            write_pieces(_pieces(address(folder), texts, rest), json_file)
            if json_file == "-":
                return
        runs = looked_at or index.runs(wanted, last=last or None)
    say(inert(_table(folder, [*runs, *unfinished])))
    left_out = f", the newest of {matching}" if matching > len(runs) else ""
    click.echo(f"{_number(len(runs), 'run')}{left_out}; {len(unfinished)} unfinished", err=True)
    if not os.path.lexists(folder / CHAIN):
        there = sum(not name.endswith(UNFINISHED) for name in run_folders(folder))
        gone = f"{CHAIN} is missing, so no run can be listed; {_number(there, 'folder')} of runs in no chain"
        click.echo(inert(gone + _verify_next(root)), err=True)
    if lost := sum(row.state in LOST for row in runs):
        click.echo(inert(f"{_number(lost, 'run')} not as archived{_verify_next(root)}"), err=True)


@archive.command(epilog=examples("oairunbook archive show latest", "oairunbook archive show 1a2b3c4d --json -"))
@click.argument("run", metavar="RUN")
@_archive_option
@hide_option
@json_option('{"run", "state", "problems", "manifest", "verdict", "notebooks"}')
def show(run: str, root: str, hide: frozenset[str], json_file: str | None) -> None:
    """Show one RUN: what it found, how its notebooks ended, its place in the chain.

    RUN is a folder, a name in the archive or a part of it, or `latest`.

    Exit status: 0, or 1 if something of the run is not as it was archived or nothing vouches for it; what, is told. 2 if it cannot be read.
    """
    from oairunbook.record.archive.find import archive_root, run_folder_of
    from oairunbook.record.archive.show import read_run, to_text
    from oairunbook.record.hidden import hidden_of

    with _wrong_calls():
        folder = run_folder_of(archive_root(root), run)
        try:
            shown = read_run(folder)
        except OSError as error:
            raise click.UsageError(inert(f"{folder} cannot be read as a run: {error}")) from error
        hidden = hidden_of(hide, folder)
    if json_file:
        write_json(hidden.document(shown.document()) if hidden else shown.document(), json_file)
    if json_file != "-":
        say(inert(hidden.text(to_text(shown)) if hidden else to_text(shown)))
    if shown.vouched.problems:
        raise SystemExit(1)


def _line_hash(_context: click.Context, _option: click.Parameter, text: str | None) -> str:
    if text is None:
        return ""
    if not re.fullmatch("[0-9a-f]{64}", hash_told := text.strip().lower()):
        # An empty variable would check nothing, and pass.
        raise click.BadParameter("it is no SHA-256: 64 hexadecimal digits, as archive verify tells them")
    return hash_told


@archive.command(
    epilog=examples(
        "oairunbook archive verify --archive /var/lib/oairunbook",
        "oairunbook archive verify --public-key sign.pub --json -",
    )
)
@_archive_option
@click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    metavar="FILE",
    help="Whose Ed25519 signatures count; from the first signed run on, every run must have one. May be given more than once.",
)
@click.option(
    "--knows",
    callback=_line_hash,
    metavar="SHA256",
    help="A chain's newest line as an earlier verify told it; it must still be there.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Do not read again the runs that you have verified before and whose files look the same since: inode, size, times.",
)
@json_option(
    '{"archive", "intact", "problems", "runs", "pruned", "unfinished", "signed", "newest", "still_there", '
    '"unentered", "strange", "another_since", "unchanged", "unchanged_since"}'
)
def verify(root: str, public_keys: tuple[str, ...], knows: str, quick: bool, json_file: str | None) -> None:
    """Check every file, every manifest, the chain, and signatures.

    Says which run was changed, removed or inserted. Nothing is changed, and no index is used. Every file is read; with --quick only
    those of runs that are new to you or were touched, and it says of how many runs no file was read. What you have verified is kept
    with you, in ~/.local/state/oairunbook/verified, and not in the archive.

    What lies in it and is no part of it is named, and breaks nothing.

    Exit status: 0 all is as it was left, 1 something is not, or cannot be read, 2 there is no archive, 4 the archive as a whole or its chain cannot be
    read.
    """
    from oairunbook.record.archive.chain import CHAIN
    from oairunbook.record.archive.find import archive_root
    from oairunbook.record.archive.folders import run_folders
    from oairunbook.record.archive.mirror import address, url_of
    from oairunbook.record.archive.objects import refresh
    from oairunbook.record.archive.signing import load_public_keys
    from oairunbook.record.archive.verify import check

    with _wrong_calls():
        folder = archive_root(root)
        keys = load_public_keys(public_keys)
        if url_of(folder):
            refresh(folder)
        if not folder.is_dir() or not ((folder / CHAIN).exists() or any(run_folders(folder))):
            raise click.UsageError(inert(f"{address(folder)} is no archive: it holds neither a {CHAIN} nor a run."))
        with shown_progress() as progress:
            checked = check(folder, keys, knows=knows, quick=quick, progress=progress)
    if json_file:
        write_json({"archive": address(folder), "intact": checked.intact, **asdict(checked)}, json_file)
    if json_file != "-":
        lines = [f"{one_line(problem.path)}: {one_line(problem.what)}" for problem in checked.problems]
        lines += [
            f"{one_line(name)}: a record of a prune says that it was removed, and it is still there: that prune was cut off, or somebody made up its record. "
            "Look at it now, if you would miss it: the next archive prune removes it."
            for name in checked.still_there
        ]
        lines += [
            f"{one_line(name)}: says that it is a finished run, and none was entered under this name: it was cut off before that, or somebody made it "
            "up or renamed it. Nothing vouches for it."
            for name in checked.unentered
        ]
        strange = checked.strange[:_MOST_NAMES]
        lines += [f"{one_line(name)}: is no part of an archive, and counts for nothing" for name in strange]
        if len(checked.strange) > len(strange):
            lines.append(f"… and {len(checked.strange) - len(strange)} more that are no part of an archive")
        if checked.another_since:
            lines.append(
                f"{CHAIN}: is not the one that you found whole at {checked.another_since}: runs were cut off, or it was made anew. "
                "From now on it counts as it is."
            )
        told = [_number(checked.runs, "run"), f"{checked.pruned} pruned", f"{len(checked.unfinished)} unfinished"]
        told += [f"{checked.signed} signed"] * bool(keys)
        end = "intact" if checked.intact else f"NOT intact, {_number(len(checked.problems), 'problem')}"
        lines.append(f"{end}: {', '.join(told)}")
        if quick:
            since = (
                f" since they were read, the first of them at {checked.unchanged_since}" if checked.unchanged else ""
            )
            lines.append(
                f"{_number(checked.runs - checked.unchanged, 'run')} read, {checked.unchanged} unchanged{since}; all are read without --quick"
            )
        if checked.newest:
            lines.append(f"newest line of the chain: {checked.newest} (keep it elsewhere; --knows checks it)")
        say(inert("\n".join(lines) + "\n"))
    raise SystemExit(0 if checked.intact else 1)


@archive.command(
    epilog=examples(
        "oairunbook archive prune --keep 90d", "oairunbook archive prune --before 2026-01-01 --dry-run --json -"
    )
)
@_archive_option
@click.option("--keep", metavar="AGE", help="Keep runs that began within this time: 90d, 12w.")
@click.option("--before", callback=_time, metavar="TIME", help="Remove runs that began before this time.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed; remove nothing.")
@click.option("--sign-key", default="", metavar="FILE", help="Sign the record of it.  [default: $OAIRUNBOOK_SIGN_KEY]")
@json_option('{"archive", "before", "removed", "left", "tombstone"}')
def prune(
    root: str, keep: str | None, before: datetime | None, dry_run: bool, sign_key: str, json_file: str | None
) -> None:
    """Remove old runs, killed ones too, and leave a record that names them.

    The record is a run of its own in the chain, so `archive verify` still passes and says how many were pruned. When a run began its
    manifest says, if it is as the chain knows it; a run that is not is left, and told. With --keep nothing is removed where the clock may
    have jumped ahead: where nothing would be left, or only runs that came after a gap of more than a year that is not usual in this archive.
    """
    from oairunbook.record.archive.find import archive_root
    from oairunbook.record.archive.mirror import address
    from oairunbook.record.archive.prune import prune as remove
    from oairunbook.record.archive.signing import load_signer, sign_key_file
    from oairunbook.record.archive.times import age
    from oairunbook.record.running import warn_of_missing_key

    if (keep is None) == (before is None):
        raise click.UsageError("Say which runs go: either --keep 90d or --before DATE. Nothing was removed.")
    try:
        kept = age(keep) if keep is not None else None
    except ValueError as error:
        raise click.UsageError(f"--keep: {error}. Nothing was removed.") from error
    with _wrong_calls():
        folder = archive_root(root)
        signer = load_signer(sign_key_file(sign_key))
        if not dry_run:
            warn_of_missing_key(root, sign_key)
        done = remove(folder, keep=kept, before=before, signer=signer, only_look=dry_run)
    if json_file:
        document = {
            "archive": address(folder),
            "before": done.before.isoformat(timespec="seconds"),
            "removed": [asdict(one) for one in done.removed],
            "left": list(done.left),
            "tombstone": address(done.tombstone) if done.tombstone else None,
        }
        write_json(document, json_file)
    if json_file != "-":
        lines = [f"{one.run}  {one.cause or one.state}" for one in done.removed[:_MOST_NAMES]]
        if len(done.removed) > _MOST_NAMES:
            lines.append(f"… and {len(done.removed) - _MOST_NAMES} more")
        word = "would be removed" if dry_run else "removed"
        lines.append(f"{_number(len(done.removed), 'run')} {word} that began before {done.before:%Y-%m-%d %H:%M} UTC")
        if done.tombstone:
            lines.append(f"record of it: {address(done.tombstone)}")
        say(inert("\n".join(lines) + "\n"))
    if done.left:
        click.echo(
            inert(f"{_number(len(done.left), 'run')} not as archived, and left: {done.left[0]}{_verify_next(root)}"),
            err=True,
        )


def _verify_next(root: str) -> str:
    there = f" --archive {shlex.quote(root)}" if root else ""
    return f". Next: oairunbook archive verify{there}, which reads every file."


def _pieces(archive: str, rows: Iterator[str], rest: Mapping[str, Any]) -> Iterator[str]:
    """The list as JSON, one run a line."""
    yield f'{{"archive": {json.dumps(archive, ensure_ascii=False)}, "runs": ['
    first = True
    while some := list(islice(rows, _PIECE)):
        yield ("\n" if first else ",\n") + ",\n".join(some)
        first = False
    yield f"],\n{json.dumps(rest, ensure_ascii=False, allow_nan=False)[1:]}\n"


def _table(folder: Path, rows: list[Row]) -> str:
    """One line a run; widths fit what is in the columns."""
    from oairunbook.record.archive.mirror import address

    where = address(folder)
    lines = [("began (UTC)", "state", "owner", "cause", "failed", "route", "run")]
    for row in rows:
        cause = row.cause or {"prune": "pruned", "audit": "audit", "fleet": "fleet"}.get(row.kind, "")
        if row.kind == "verify":
            cause += ", fix proved" if row.proved else ", fix not proved"
        rate = f"{row.failed}/{row.tried}" if row.tried else ""
        began = str(row.started_at or "")[:19].replace("T", " ")
        lines.append(
            (
                began,
                row.state,
                row.owner or "",
                cause,
                rate,
                row.route or "",
                one_line(f"{where}/{row.run}" if row.sequence else str(folder / row.run)),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1])).rstrip() + "\n"
        for line in lines
    )


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
