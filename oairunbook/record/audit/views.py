"""What 09_audit displays. Each function turns the audit into one view; none of them decides anything."""

from __future__ import annotations

import os
import shlex

from oairunbook import __version__
from oairunbook.diagnose.pattern import interval
from oairunbook.record.archive.history import Period
from oairunbook.record.archive.mirror import address
from oairunbook.record.archive.verify import Checked
from oairunbook.record.audit import Audit, picture
from oairunbook.record.audit.picture import utc
from oairunbook.record.show import AUDIT_MIME, RUN_VARIABLE
from oairunbook.record.view import View, listing, paragraph, table, together

__all__ = ["chain", "conclusion", "fixes", "header", "periods", "rates", "timings", "unfinished", "verdicts"]

_NOT_READ = (
    "what stands in the runs' other files, but for the newest run and for those that were touched since this user verified them; signatures. "
    "oairunbook archive verify reads every file, and checks signatures with --public-key"
)

_MOST_ROWS = 40
_MOST_PROBLEMS = 30


def header(audit: Audit) -> View:
    """What this is, of which runs, when."""
    asked = audit.wanted
    rows = [
        ("When", f"{audit.at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Archive", address(audit.archive)),
        ("Since", f"{asked.since:%Y-%m-%d %H:%M} UTC" if asked.since else "the first run"),
        ("Host", asked.host or "every host"),
        ("Cause", asked.cause or "every cause"),
        ("Runs", f"{audit.runs} in this time" if not audit.problem else audit.problem),
        ("Run", os.environ.get(RUN_VARIABLE) or "a single notebook, not archived"),
        ("Tool", f"oairunbook {__version__}"),
    ]
    return table("What this is", ("Item", "Value"), rows)


def chain(audit: Audit) -> View:
    """Whether chain and manifests are as they were left, and all files are there; what stands in them is for `oairunbook archive verify`."""
    checked = audit.checked
    if checked is None:
        return paragraph(audit.problem)
    rows = [
        (
            "Chain, manifests, files that are there",
            "as they were left" if checked.intact else f"NOT as they were left: {len(checked.problems)} found",
        ),
        ("Runs in the chain", f"{checked.runs} there, {checked.pruned} pruned"),
        ("Runs looked at now", _looked_at(checked)),
        ("Unfinished", f"{len(checked.unfinished)}; they are no part of the chain"),
        ("Said to be pruned, and still there", ", ".join(checked.still_there[:_MOST_PROBLEMS]) or "none"),
        ("Not looked at", _NOT_READ),
        ("Newest line of the chain", checked.newest or "none"),
    ]
    parts = [
        table("The chain, each manifest against it, and whether each file of it is there", ("Item", "Value"), rows)
    ]
    if checked.problems:
        told = [(problem.path, problem.what) for problem in checked.problems[:_MOST_PROBLEMS]]
        parts.append(table("Not as it was left", ("Where", "What"), told))
        if len(checked.problems) > _MOST_PROBLEMS:
            parts.append(
                paragraph(f"And {len(checked.problems) - _MOST_PROBLEMS} more: oairunbook archive verify lists all.")
            )
    return together(*parts)


def _looked_at(checked: Checked) -> str:
    """How many runs were looked at, and of how many it is only known that nobody has touched them."""
    if not checked.unchanged:
        return "all"
    return (
        f"{checked.runs - checked.unchanged}; of the other {checked.unchanged} all files have the same inode, size and times as when this user "
        f"verified them, the first of them at {utc(checked.unchanged_since or '')}"
    )


def verdicts(audit: Audit) -> View:
    """The verdicts of each path over time."""
    if audit.problem:
        return paragraph(audit.problem)
    return picture.verdicts(audit.series, [period for period in audit.periods if _is_drawn(audit, period)])


def periods(audit: Audit) -> View:
    """When each fault began and ended, the newest first."""
    faults = [period for period in audit.periods if period.cause != "ok" and audit.shown(period.cause)]
    if not faults:
        return paragraph(audit.problem or "No run of this time named a fault.")
    rows = [
        (
            period.cause,
            period.owner,
            utc(period.began),
            utc(period.ended) if period.ended else "not yet",
            str(period.runs),
            f"{period.host}{' (practice)' * bool(period.practice)}",
            period.run,
        )
        for period in faults[: -_MOST_ROWS - 1 : -1]
    ]
    header = ("Cause", "Owner", "First seen", "First run without it", "Runs", "Host", "First run with it")
    left_out = f"; the newest {_MOST_ROWS} of {len(faults)}" if len(faults) > _MOST_ROWS else ""
    return table(f"Faults, the newest first{left_out}", header, rows)


def timings(audit: Audit) -> View:
    """How long each step took over time."""
    if audit.problem:
        return paragraph(audit.problem)
    note = (
        f"All {audit.timed} healthy runs"
        if audit.every == 1
        else f"About one in {audit.every} of {audit.timed} healthy runs"
    )
    return picture.step_times(audit.steps, f"{note}.")


def rates(audit: Audit) -> View:
    """How often the faults that come and go hit."""
    if not audit.rates:
        return paragraph(audit.problem or "No fault of this time came and went within a run.")
    rows = []
    for rate in audit.rates[:_MOST_ROWS]:
        low, high = interval(rate.failed, rate.tried)
        rows.append(
            (
                rate.cause,
                f"{rate.failed} of {rate.tried}",
                f"{low:.1%} to {high:.1%}",
                str(rate.runs),
                f"{utc(rate.first)} to {utc(rate.last)}",
                f"{rate.host}{' (practice)' * bool(rate.practice)}",
                rate.base_url,
            )
        )
    header = ("Cause", "Attempts that failed", "95 % interval", "Runs", "Seen", "Host", "Base URL")
    return table("Faults that come and go: attempts of the runs that saw them, together", header, rows)


def fixes(audit: Audit) -> View:
    """Which fixes were looked at, and whether they are proved."""
    if not audit.fixes:
        return paragraph(audit.problem or "Nobody has verified a fix in this time (oairunbook verify).")
    rows = [
        (utc(row.started_at), "proved" if row.proved else "not proved", row.cause or "", row.host, row.failing or "")
        for row in reversed(audit.fixes)
    ]
    return table(
        "Fixes that were looked at, the newest first", ("When", "Fix", "Cause then", "Host", "Failing run"), rows
    )


def unfinished(audit: Audit) -> View:
    """What was broken off."""
    if not audit.unfinished:
        return paragraph(audit.problem or "No run was broken off.")
    rows = [(row.started_at, row.state, row.host, row.run) for row in audit.unfinished[-_MOST_ROWS:]]
    return table(
        f"{len(audit.unfinished)} unfinished runs; they count for nothing above",
        ("Began", "State", "Host", "Folder"),
        rows,
    )


def conclusion(audit: Audit) -> View:
    """What holds at the end of this time, and what to do next; the JSON goes along for programs."""
    intact = audit.checked is None or audit.checked.intact
    rows = [
        (f"{one.host}{' (practice)' * bool(one.practice)}", one.cause, utc(one.last), str(one.runs), one.base_url)
        for one in audit.series[:_MOST_ROWS]
    ]
    parts = [table("Last verdict of each path", ("Host", "Cause", "Run of", "Runs", "Base URL"), rows)] if rows else []
    if audit.problem:
        parts.append(paragraph(audit.problem, strong=True))
    next_steps = (
        [] if intact else ["Keep the archive as it is, and run oairunbook archive verify: it names every file."]
    )
    broken = sorted({one.cause for one in audit.series if one.cause not in ("ok", "unknown")})
    if broken:
        next_steps.append(
            f"Look at the newest run with {', '.join(broken)}: oairunbook archive list --cause {shlex.quote(broken[0])}"
        )
    parts.append(listing("Next", next_steps, none="Nothing to do."))
    shown = together(*parts)
    document = {
        "archive_intact": intact,
        "problems": len(audit.checked.problems) if audit.checked else 0,
        "runs": audit.runs,
        "paths": [
            {"host": one.host, "base_url": one.base_url, "practice": one.practice, "cause": one.cause, "last": one.last}
            for one in audit.series
        ],
    }
    return View(html=shown.html, text=shown.text, data={AUDIT_MIME: document})


def _is_drawn(audit: Audit, period: Period) -> bool:
    """With a cause asked for, other faults are left out of the picture; health is not, or no end could be seen."""
    return period.cause == "ok" or audit.shown(period.cause)
