"""09_audit: what an archive has seen over time, told the same as picture, table and text; and whether the archive is as it was left."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner

from oairunbook.cli import cli
from oairunbook.evidence import dumps
from oairunbook.record.archive import begin, check, history
from oairunbook.record.archive.about import about
from oairunbook.record.archive.index import Wanted, open_index
from oairunbook.record.audit import read_audit, views
from oairunbook.record.show import RUN_VARIABLE
from oairunbook.verdict import Verdict

from .benchmarks.generated import HOSTS, generate
from .recorded import connected, evidence, resolved
from .test_archive_commands import kept_index

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def verdict(cause: str, failed: int | None = None, tried: int | None = None) -> Verdict:
    return Verdict(
        owner="none" if cause == "ok" else "connection_path",
        layer=None if cause == "ok" else "tcp",
        cause=cause,
        certainty="proven",
        pattern="intermittent" if failed else "steady",
        failed=failed,
        tried=tried,
        summary="",
        because=(),
        next=(),
        do_not=(),
    )


def archived(
    archive: Path, hour: int, what: Verdict, *, host: str = "web-3", practice: str | None = None, seconds: float = 0.01
) -> Path:
    draft = begin(archive, host=host, now=START + timedelta(hours=hour), practice=practice)
    seen = evidence(replace(resolved(), seconds=seconds), replace(connected(), seconds=2 * seconds))
    draft.write("evidence.json", dumps(seen))
    return draft.finish("whole", {"host": host, "notebooks": [], **about(seen, what)})


def every_text(archive: str, **asked: str) -> dict[str, str]:
    audit = read_audit(archive, **asked)
    return {name: getattr(views, name)(audit).text for name in views.__all__}


def test_each_fault_is_told_from_the_first_run_that_saw_it_to_the_first_that_did_not(tmp_path: Path) -> None:
    for hour, cause in enumerate(("ok", "tcp.refused", "tcp.refused", "ok", "ok", "tcp.timeout")):
        archived(tmp_path, hour, verdict(cause))
    told = [(p.cause, p.began[11:16], p.ended and p.ended[11:16], p.runs) for p in read_audit(str(tmp_path)).periods]
    assert told == [
        ("ok", "12:00", "13:00", 1),
        ("tcp.refused", "13:00", "15:00", 2),
        ("ok", "15:00", "17:00", 2),
        ("tcp.timeout", "17:00", None, 1),
    ]
    texts = every_text(str(tmp_path))
    newest, older = texts["periods"].splitlines()[2:4]
    assert re.match(r"tcp\.timeout +connection_path +2026-11-01 17:00 UTC +not yet +1 +web-3", newest)
    assert re.match(r"tcp\.refused +connection_path +2026-11-01 13:00 UTC +2026-11-01 15:00 UTC +2 +web-3", older)
    assert "tcp.refused from 2026-11-01 13:00 UTC to 2026-11-01 15:00 UTC, 2 runs." in texts["verdicts"]
    assert "tcp.timeout from 2026-11-01 17:00 UTC to now" in texts["verdicts"]
    assert "Look at the newest run with tcp.timeout" in texts["conclusion"]


def test_the_audit_tells_what_manifests_say_and_believes_no_index_that_lies_in_the_archive(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archived(archive, 0, verdict("tcp.refused"))
    read_audit(str(archive))
    kept = kept_index(archive)
    with closing(sqlite3.connect(kept)) as database, database:
        database.execute("UPDATE runs SET owner = 'none', cause = 'ok', failed = 0")
    shutil.copy(kept, archive / ".index.sqlite")
    shutil.copy(kept, archive / kept.name)
    kept.unlink()
    assert re.search(r"web-3 +tcp\.refused", every_text(str(archive))["conclusion"])


def lost(run: Path) -> set[str]:
    (run / "evidence.json").unlink()
    return {"is missing"}


def linked(run: Path) -> set[str]:
    (run / "evidence.json").rename(run.parents[4] / "evidence.json")
    (run / "evidence.json").symlink_to(run.parents[4] / "evidence.json")
    return {"was changed since it was archived"}


def grown(run: Path) -> set[str]:
    (run / "more.json").write_text("{}")
    return {"was added since the run was archived"}


def unnamed(run: Path) -> set[str]:
    """Destroyed, and given the name of a run that was never finished."""
    (run / "evidence.json").unlink()
    run.rename(f"{run}.partial")
    return {"is missing"}


def edited(run: Path) -> set[str]:
    (run / "evidence.json").chmod(0o600)
    (run / "evidence.json").write_text("{}")
    return {"was changed since it was archived"}


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize(("which", "harm"), [(0, lost), (0, linked), (0, grown), (1, unnamed), (1, edited)])
def test_files_that_are_gone_or_none_and_a_newest_run_that_was_destroyed_show_in_the_audit(
    tmp_path: Path, which: int, harm: Callable[[Path], set[str]], before: bool
) -> None:
    archive = tmp_path / "archive"
    runs = [archived(archive, hour, verdict("ok")) for hour in range(2)]
    if before:
        assert "as they were left" in every_text(str(archive))["chain"]
    told = harm(runs[which])
    checked = read_audit(str(archive)).checked
    assert checked is not None
    assert {problem.what for problem in checked.problems} == told
    assert "NOT as they were left" in every_text(str(archive))["chain"]


def test_what_was_changed_in_its_place_shows_if_this_user_has_looked_at_that_run_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the audit says of which files it does not know what stands in them."""
    monkeypatch.setattr(sys.modules[check.__module__], "_UNSETTLED_NS", 0)
    old = [archived(tmp_path, hour, verdict("ok")) for hour in range(2)]
    edited(old[0])
    told = every_text(str(tmp_path))["chain"]
    assert "NOT as they were left" not in told
    assert re.search(r"Not looked at +what stands in the runs' other files", told)

    archived(tmp_path, 2, verdict("ok"))
    assert "NOT as they were left" not in every_text(str(tmp_path))["chain"]
    edited(old[1])
    [problem] = (read_audit(str(tmp_path)).checked or check(tmp_path)).problems
    assert problem.path == f"{old[1].relative_to(tmp_path)}/evidence.json"


def test_the_run_that_shows_the_audit_is_not_called_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archived(tmp_path, 0, verdict("ok"))
    own, other = begin(tmp_path, host="web-3", kind="audit"), begin(tmp_path, host="web-3", kind="audit")
    killed = begin(tmp_path, host="web-3")
    os.close(killed.lock)
    monkeypatch.setenv(RUN_VARIABLE, own.id)
    audit = read_audit(str(tmp_path))
    assert re.search(r"Unfinished +2;", views.chain(audit).text)
    left = {row.run.partition("-web_3-")[2]: row.state for row in audit.unfinished}
    assert left == {f"{other.id}-audit.partial": "running", f"{killed.id}.partial": "killed"}
    os.close(own.lock)
    os.close(other.lock)


def test_a_fault_of_one_host_does_not_end_by_a_healthy_run_of_another_nor_by_practice(tmp_path: Path) -> None:
    archived(tmp_path, 0, verdict("tcp.refused"))
    archived(tmp_path, 1, verdict("ok"), host="web-4")
    archived(tmp_path, 2, verdict("ok"), practice="ok")
    archived(tmp_path, 3, verdict("tcp.refused"))
    audit = read_audit(str(tmp_path))
    [period] = [period for period in audit.periods if period.cause != "ok"]
    assert (period.host, period.ended, period.runs, period.practice) == ("web-3", None, 2, None)
    assert [(one.host, one.practice, one.cause) for one in audit.series] == [
        ("web-3", None, "tcp.refused"),
        ("web-3", "ok", "ok"),
        ("web-4", None, "ok"),
    ]
    assert "web-3 (practice)" in views.verdicts(audit).html + views.conclusion(audit).text


def test_since_host_and_cause_choose_what_is_shown(tmp_path: Path) -> None:
    archived(tmp_path, 0, verdict("tcp.refused"))
    archived(tmp_path, 24, verdict("tcp.timeout"))
    archived(tmp_path, 48, verdict("tls.expired"), host="web-4")
    archived(tmp_path, 72, verdict("ok"))

    def causes(**asked: str) -> list[str]:
        return [line.split()[0] for line in every_text(str(tmp_path), **asked)["periods"].splitlines()[2:]]

    assert causes() == ["tls.expired", "tcp.timeout", "tcp.refused"]
    assert causes(since="2026-11-02") == ["tls.expired", "tcp.timeout"]
    assert causes(host="web-3") == ["tcp.timeout", "tcp.refused"]
    assert causes(cause="tcp") == ["tcp.timeout", "tcp.refused"]
    assert causes(cause="tcp.timeout") == ["tcp.timeout"]
    ended = every_text(str(tmp_path), cause="tcp.timeout")["periods"]
    assert "2026-11-04 12:00 UTC" in ended, "that it ended is known from a run with another cause"
    with pytest.raises(ValueError, match="'soon' is no time"):
        read_audit(str(tmp_path), since="soon")


def test_rates_are_counted_over_the_runs_that_saw_the_fault_come_and_go(tmp_path: Path) -> None:
    archived(tmp_path, 0, verdict("tcp.reset", 3, 26))
    archived(tmp_path, 1, verdict("tcp.reset", 5, 26))
    archived(tmp_path, 2, verdict("ok"))
    [rate] = read_audit(str(tmp_path)).rates
    assert (rate.failed, rate.tried, rate.runs) == (8, 52, 2)
    assert "8 of 52" in every_text(str(tmp_path))["rates"]


def test_step_times_are_those_of_healthy_runs(tmp_path: Path) -> None:
    for hour in range(20):
        archived(tmp_path, hour, verdict("ok"), seconds=0.1 if hour == 7 else 0.01)
    archived(tmp_path, 20, verdict("tcp.timeout"), seconds=5.0)
    dns, tcp = read_audit(str(tmp_path)).steps
    assert (dns.step, dns.runs, dns.median, dns.high) == ("dns", 20, 0.01, 0.01)
    assert tcp.median == 0.02
    slowest = max(dns.buckets, key=lambda bucket: bucket.median)
    assert (slowest.median, slowest.began.hour) in ((0.1, 18), (0.1, 19))
    assert "dns: median 0.010 s, 95 of 100 below 0.010 s, 20 runs" in every_text(str(tmp_path))["timings"]


def test_broken_off_runs_and_verified_fixes_are_told_apart_from_runs(tmp_path: Path) -> None:
    failing = archived(tmp_path, 0, verdict("tcp.refused"))
    killed = begin(tmp_path, host="web-3", now=START)
    fix = begin(tmp_path, host="web-3", kind="verify", now=START + timedelta(hours=1))
    name = str(failing.relative_to(tmp_path))
    link = {"failing": {"run": name, "manifest_sha256": None}, "proved": True, "statement": ""}
    fix.finish("whole", {"host": "web-3", "verify": link, **about(evidence(resolved()), verdict("ok"))})
    texts = every_text(str(tmp_path))
    assert re.search(rf"2026-11-01 13:00 UTC +proved +ok +web-3 +{name}", texts["fixes"])
    assert f"{killed.name}.partial" in texts["unfinished"]
    assert "2 in this time" in texts["header"]


def test_an_archive_that_was_tampered_with_is_told_and_says_what_to_do(tmp_path: Path) -> None:
    runs = [archived(tmp_path, hour, verdict("ok")) for hour in range(3)]
    assert "as they were left" in every_text(str(tmp_path))["chain"]
    shutil.rmtree(runs[1])
    texts = every_text(str(tmp_path))
    assert "NOT as they were left: 1 found" in texts["chain"]
    assert f"{runs[1].relative_to(tmp_path)}  was removed, and no prune says so" in texts["chain"]
    assert "run oairunbook archive verify" in texts["conclusion"]


@pytest.mark.parametrize("made", [False, True])
def test_where_there_is_no_archive_every_view_says_so_and_none_is_made(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "archive"
    if made:
        folder.mkdir()
    texts = every_text(str(folder))
    assert all(texts.values())
    assert "is no archive" in texts["header"] + texts["conclusion"]
    assert list(tmp_path.rglob("*")) == [folder] * made


def test_what_a_manifest_says_is_inert_in_every_view(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\x1b[31m$x$"
    archived(tmp_path, 0, replace(verdict("tcp.refused", 1, 3), cause=hostile), host=hostile)
    audit = read_audit(str(tmp_path))
    for name in views.__all__:
        view = getattr(views, name)(audit)
        assert "<script>" not in view.html
        assert "\x1b" not in view.html + view.text


def test_a_thousand_runs_are_pictures_and_tables_of_bounded_size(tmp_path: Path) -> None:
    generate(tmp_path, 1000)
    small = read_audit(str(tmp_path))
    assert (small.runs, {one.host for one in small.series}) == (1000, set(HOSTS))
    assert small.checked is not None
    assert small.checked.intact
    sizes = {name: len(getattr(views, name)(small).html) for name in views.__all__}
    assert max(sizes.values()) < 100_000


def test_step_times_of_many_runs_are_taken_from_every_host_of_those_that_take_turns(tmp_path: Path) -> None:
    generate(tmp_path, 1000)
    with open_index(tmp_path) as index:
        host_of = {row.started_at: row.host for row in index.each()}
        timed = history.timings(index, Wanted(), most=len(host_of) // len(HOSTS))
    assert timed.every == len(HOSTS)
    taken = Counter(host_of[began] for began, _ in timed.rows)
    for host in HOSTS:
        assert timed.runs / len(HOSTS) ** 2 / 2 < taken[host] < timed.runs / len(HOSTS) ** 2 * 2, taken


def run(archive: Path, *arguments: str) -> tuple[int, Any]:
    result = CliRunner().invoke(cli, ["run", "09_audit", "-q", "--json", "-", "--archive", str(archive), *arguments])
    return result.exit_code, json.loads(result.stdout) if result.stdout else result.stderr


def test_an_audit_is_archived_as_a_record_of_its_own_and_its_status_is_the_archives(tmp_path: Path) -> None:
    runs = [archived(tmp_path, hour, verdict("tcp.refused")) for hour in range(2)]
    status, document = run(tmp_path)
    assert status == 0
    folder = Path(document["run"])
    assert folder.name.endswith("-audit")
    metadata = nbformat.read(folder / "09_audit.ipynb", as_version=4).metadata.oairunbook
    assert (metadata.state, metadata.verdict) == ("ok", None)
    assert metadata.audit["archive_intact"]
    assert [path["cause"] for path in metadata.audit["paths"]] == ["tcp.refused"]
    assert check(tmp_path).intact
    listed = CliRunner().invoke(cli, ["archive", "list", "--archive", str(tmp_path), "--last", "1"]).stdout
    assert re.search(r"whole +audit +\S*-audit$", listed, re.MULTILINE)

    shutil.rmtree(runs[0])
    status, document = run(tmp_path)
    assert status == 1
    status, told = run(tmp_path, "-p", "since", "soon")
    assert (status, "'soon' is no time" in told) == (2, True)


def test_an_audit_is_given_the_time_that_its_archive_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no budget of its own, and what a notebook without one gets ended the first audit of a large archive."""
    archived(tmp_path, 0, verdict("ok"))
    monkeypatch.setattr("oairunbook.record.plan._SPARE_SECONDS", 0.0)
    assert run(tmp_path)[0] == 0
    monkeypatch.setattr("oairunbook.record.plan._READING_SECONDS", 0.0)
    assert run(tmp_path)[0] == 4, "the control: without it, it gets none"
