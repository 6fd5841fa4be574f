"""Dask workers in network namespaces of their own, with different faults: each is looked at from where it is, and one that hangs holds up nobody."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oairunbook.cli import cli
from oairunbook.collector import on_worker
from oairunbook.collector.dask_workers import _by_name, _BySource
from tests.world import NAME_SERVER, World
from tests.world.authority import INSPECTION_ROOT
from tests.world.client import MODEL
from tests.world.fleet import Fleet, Member
from tests.world.nameserver import NameServer
from tests.world.world import SECOND_NAME_SERVER

pytest.importorskip("distributed", reason="no distributed: pip install '.[test]'")

WORKERS = (
    *(Member(name=f"good-{n}", subnet=1, name_server=NAME_SERVER) for n in range(3)),
    Member(name="good-3", subnet=4, name_server=NAME_SERVER),
    *(Member(name=f"rejected-{n}", subnet=2, name_server=NAME_SERVER) for n in range(3)),
    *(Member(name=f"inspected-{n}", subnet=3, name_server=NAME_SERVER) for n in range(3)),
    # In two subnets that others work in: only their resolver is theirs alone.
    *(Member(name=f"nameless-{n}", subnet=1, name_server=SECOND_NAME_SERVER) for n in range(2)),
    Member(name="nameless-2", subnet=4, name_server=SECOND_NAME_SERVER),
    Member(name="hung", subnet=4, name_server=NAME_SERVER, hangs=True),
)
"""Thirteen that answer and one that does not."""


def facts(group: dict[str, Any]) -> set[str]:
    """What its one separation says, each fact with those that the same workers have."""
    [found] = group["separations"]
    assert (found["whole"], found["exact"], len(found["facts"])) == (True, True, 1)
    return {f"{fact['name']} {fact['value']}" for fact in (*found["facts"], *found["equally"][0])}


def test_three_faults_are_separated_each_by_its_own_fact_and_the_worker_that_hangs_holds_up_nobody(
    world: World,
) -> None:
    empty = NameServer(world.middle.namespace, SECOND_NAME_SERVER)
    fleet = Fleet(world, WORKERS)
    try:
        fleet.reject(2)
        fleet.inspect(3, INSPECTION_ROOT)
        archive = world.client.home / "archive"
        with fleet.cluster() as scheduler:
            call = [sys.executable, "-P", "-m", "oairunbook.cli", "fleet", "--dask", scheduler, "--model", MODEL]
            # A loaded machine takes its time to import an SDK.
            call += ["--timeout", "30", "--budget", "120"]
            options = ["--repeat", "2", "--parallel", "4", "--archive", str(archive), "--json", "fleet.json"]
            done = world.client.run(*call, *options, seconds=400)
        log = fleet.log.read_bytes()
    finally:
        fleet.close()
        empty.close()

    assert done.status == 1, done.stderr
    document = json.loads((world.client.home / "fleet.json").read_text())
    members = {member["name"]: member for member in document["fleet"]["members"]}
    assert len(members) == len(WORKERS)
    assert {name for name, one in members.items() if one["state"] == "healthy"} == {f"good-{n}" for n in range(4)}
    assert members["hung"]["state"] == "not tried"
    assert "did not answer within" in members["hung"]["reason"]

    groups = {group["cause"]: group for group in document["fleet"]["groups"]}
    assert set(groups) == {"tcp.refused", "tls.untrusted_issuer", "dns.nxdomain"}
    assert {name.partition("-")[0] for name in groups["tcp.refused"]["members"]} == {"rejected"}
    assert "subnet 10.40.2.0/24" in facts(groups["tcp.refused"])
    assert {name.partition("-")[0] for name in groups["tls.untrusted_issuer"]["members"]} == {"inspected"}
    assert "subnet 10.40.3.0/24" in facts(groups["tls.untrusted_issuer"])
    assert {name.partition("-")[0] for name in groups["dns.nxdomain"]["members"]} == {"nameless"}
    assert facts(groups["dns.nxdomain"]) == {
        f"name server {SECOND_NAME_SERVER}",
        f"first name server {SECOND_NAME_SERVER}",
    }
    # Who is rejected or inspected has resolved the name, and who has no address says nothing about TCP.
    assert [groups[cause]["compared_with"] for cause in ("dns.nxdomain", "tcp.refused", "tls.untrusted_issuer")] == [
        10,
        7,
        4,
    ]

    [run] = [path.parent for path in archive.rglob("fleet.json")]
    assert len(list(run.glob("worker-*.json"))) == len(WORKERS) - 1
    record = json.loads((run / "worker-good_0.json").read_text())
    assert record["runtime"]["collector"]["carrier"] == "worker"
    assert record["runtime"]["source_address"].startswith("10.40.1.")

    assert b"out-of-band function 'look'" in log
    assert not world.canaries.found_in("the log of scheduler and workers", log)
    assert not world.canaries.found_below(archive)


def test_a_scheduler_that_is_none_is_a_wrong_call_and_nothing_is_archived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oairunbook.collector.dask_workers._CONNECT_SECONDS", 1.0)
    done = CliRunner().invoke(cli, ["fleet", "--dask", "tcp://127.0.0.1:9", "--archive", str(tmp_path / "archive")])
    assert done.exit_code == 2
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    assert not list((tmp_path / "archive").rglob("manifest.json"))


@pytest.mark.parametrize(
    "address", ["nonsense", "tcp://scheduler", "foo://scheduler:8786", "tls://u:pr0xyPassw@nowhere"]
)
def test_an_address_that_is_none_is_refused_and_nothing_else_is_printed(address: str, tmp_path: Path) -> None:
    """In a process of its own: Python says of calls that nobody waited for when it ends."""
    call = [sys.executable, "-P", "-m", "oairunbook.cli", "fleet", "--dask", address, "--archive", str(tmp_path / "a")]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "No Dask scheduler answers at" in done.stderr
    assert "tcp://scheduler:8786" in done.stderr
    assert "Warning" not in done.stderr
    assert "pr0xyPassw" not in done.stderr


def test_a_worker_whose_name_is_the_number_zero_is_listed_by_it() -> None:
    names = {"tcp://b:1": 1, "tcp://a:1": 0, "tcp://c:1": None, "tcp://d:1": ""}
    assert _by_name(names) == [
        ("tcp://a:1", "0"),
        ("tcp://b:1", "1"),
        ("tcp://c:1", "tcp://c:1"),
        ("tcp://d:1", "tcp://d:1"),
    ]


def test_what_a_worker_gets_needs_no_package_there_and_holds_no_name_of_this_one() -> None:
    pickled = pickle.dumps(_BySource("here"))
    code = "import asyncio, pickle, sys; f = pickle.loads(sys.stdin.buffer.read()); print(asyncio.run(f()), f.__name__)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], input=pickled, capture_output=True, timeout=60)
    assert done.stdout == b"True here\n", done.stderr
    compile(Path(on_worker.__file__).read_text("utf-8"), "on_worker.py", "exec")
    import ast

    ast.parse(Path(on_worker.__file__).read_text("utf-8"), feature_version=(3, 9))


WITHOUT = """
import asyncio, pickle, sys
sys.executable = {executable!r}
look = pickle.loads(sys.stdin.buffer.read())
print(asyncio.run(look(b'import time; time.sleep(60)' if {hangs} else b'print(6 * 7)', {seconds})))
"""


@pytest.mark.parametrize(
    ("executable", "hangs", "seconds", "told"),
    [
        (sys.executable, False, 30, "'ended': '', 'said': '', 'status': 0, 'stdout': b'42\\n'"),
        ("", False, 30, "'ended': 'no Python'"),
        ("/no/such/python", False, 30, "'ended': 'no Python', 'said': '/no/such/python: No such file or directory'"),
        (sys.executable, True, 0.5, "'ended': 'time'"),
    ],
    ids=["works", "embedded", "moved", "hangs"],
)
def test_whatever_goes_wrong_in_a_worker_is_an_answer_and_no_exception(
    executable: str, hangs: bool, seconds: float, told: str
) -> None:
    """An exception would put what was passed into the worker's log."""
    code = WITHOUT.format(executable=executable, hangs=hangs, seconds=seconds)
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(_BySource("look")), capture_output=True, timeout=60
    )
    assert told in done.stdout.decode(), done.stderr
