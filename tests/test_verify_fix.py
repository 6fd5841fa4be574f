"""`oairunbook verify`: a fix is proved only by the same request from the same place, as often as the earlier failure rate asks for."""

from __future__ import annotations

import itertools
import json
import shlex
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import oairunbook
from oairunbook import lab
from oairunbook.cli import cli
from oairunbook.diagnose import tally
from oairunbook.evidence import load_evidence
from oairunbook.lab import api
from oairunbook.lab.answers import ANSWERS
from oairunbook.lab.listener import Listener, reset
from oairunbook.record.archive import MANIFEST, check
from tests.world.canary import Canaries


class Breakable:
    """An API on loopback that breaks some connections, and can be mended without moving."""

    def __init__(self) -> None:
        self._upstream = api.serve(api.Service(answer=ANSWERS["ok"]))
        self.breaks: Callable[[], bool] = lambda: False
        self._listener = Listener(self._handle)
        self.base_url = f"http://127.0.0.1:{self._listener.port}/v1"
        self.slash = ""

    def _handle(self, connection: socket.socket) -> None:
        if self.breaks():
            # Once the request is here, so that it is always the same fault: http.reset.
            connection.recv(65536)
            reset(connection)
            return
        with socket.create_connection((self._upstream.host, self._upstream.port)) as behind:

            def pump(source: socket.socket, target: socket.socket) -> None:
                try:
                    while data := source.recv(65536):
                        target.sendall(data)
                    target.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

            back = threading.Thread(target=pump, args=(behind, connection), daemon=True)
            back.start()
            pump(connection, behind)
            back.join(10)

    def close(self) -> None:
        self._listener.close()
        self._upstream.close()


@pytest.fixture
def path() -> Iterator[Breakable]:
    breakable = Breakable()
    yield breakable
    breakable.close()


@pytest.fixture
def call(tmp_path: Path, path: Breakable) -> Iterator[Callable[..., Result]]:
    """Run a command against the path, kept in one archive. The lab's name server and status page are there, its API is not used."""
    with lab.start("ok") as running:

        def call(command: str, *arguments: str) -> Result:
            where = ("--archive", str(tmp_path / "archive"), "--base-url", path.base_url + path.slash)
            return CliRunner(env=running.environment).invoke(cli, [command, *arguments, *where])

        yield call


def failing_run(call: Callable[..., Result], archive: Path) -> Path:
    result = call("run", "02_same_path", "-q", "--json", "-")
    assert result.exit_code == 1, result.output
    return Path(json.loads(result.stdout)["run"])


def test_a_fix_is_proved_by_the_same_request_and_the_record_links_to_the_failing_run(
    path: Breakable, call: Callable[..., Result], tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    path.breaks = lambda: True
    failing = failing_run(call, archive)

    still = call("verify", "-q")
    assert still.exit_code == 1, still.output
    cause = json.loads((failing / "verdict.json").read_bytes())["cause"]
    assert f"fix      Not proved: 0 of 3 attempts succeeded. Then it was {cause}; now it is {cause}." in still.stdout

    path.breaks = lambda: False
    other_model = call("verify", "-q", "--failing", str(failing), "--model", "gpt-4o-mini")
    assert other_model.exit_code == 3, other_model.output
    assert "differs  model: none named then, gpt-4o-mini now" in other_model.stdout
    assert "not by the same request. These differ: model." in " ".join(other_model.stdout.split())

    # Not the fault that a verify met, which may have been another one. A slash at the end of the base URL makes no other one of it.
    path.slash = "/"
    proved = call("verify", "-q", "--json", "-")
    assert proved.exit_code == 0, proved.output
    document = json.loads(proved.stdout)
    assert document["proof"]["proved"]
    assert document["failing"]["run"] == str(failing.relative_to(archive))
    manifest = json.loads((Path(document["run"]) / MANIFEST).read_bytes())
    assert manifest["kind"] == "verify"
    assert manifest["verify"]["proved"]
    assert manifest["verify"]["failing"] == document["failing"]
    assert manifest["verdict"]["cause"] == "ok"
    notebook = (Path(document["run"]) / "08_verify_fix.ipynb").read_text()
    assert str(tmp_path) not in notebook, "a path of this machine is in the record"
    assert check(archive).intact

    rows = json.loads(CliRunner().invoke(cli, ["archive", "list", "--archive", str(archive), "--json", "-"]).stdout)[
        "runs"
    ]
    assert [(row["kind"], row["cause"], row["proved"]) for row in rows] == [
        ("run", cause, None),
        ("verify", cause, 0),
        ("verify", "ok", 0),
        ("verify", "ok", 1),
    ]


def test_after_a_fault_that_comes_and_goes_it_is_tried_as_often_as_the_rate_asks_for(
    path: Breakable, call: Callable[..., Result], tmp_path: Path
) -> None:
    turns = itertools.count()
    path.breaks = lambda: next(turns) % 4 == 3
    failing = failing_run(call, tmp_path / "archive")
    verdict = json.loads((failing / "verdict.json").read_bytes())
    assert verdict["pattern"] == "intermittent"

    path.breaks = lambda: False
    few = call("verify", "-q", "--repeat", "1", "--json", "-")
    proof: Any = json.loads(few.stdout)["proof"]
    if proof["counted"] < proof["needed"]["attempts"]:
        assert few.exit_code == 3
        assert "Not proved yet" in proof["statement"]
    enough = call("verify", "-q", "--json", "-")
    proof = json.loads(enough.stdout)["proof"]
    assert (enough.exit_code, proof["proved"]) == (0, True), proof["statement"]
    assert proof["counted"] >= proof["needed"]["attempts"] > 3


def test_without_a_failing_run_of_this_route_nothing_is_sent(
    path: Breakable, call: Callable[..., Result], tmp_path: Path
) -> None:
    path.breaks = lambda: pytest.fail("something was sent")
    result = call("verify")
    assert (result.exit_code, "is no archive" in result.stderr) == (2, True)
    healthy = tmp_path / "archive"
    healthy.mkdir()
    (healthy / "chain.jsonl").touch()
    result = call("verify")
    assert (result.exit_code, "holds no run with a fault of the gateway route" in " ".join(result.stderr.split())) == (
        2,
        True,
    )
    result = call("verify", "--failing", "nothing")
    assert (result.exit_code, "holds no run 'nothing'" in result.stderr) == (2, True)
    (tmp_path / "evidence.json").write_text("{}")
    result = call("verify", "--failing", str(tmp_path / "evidence.json"))
    assert (result.exit_code, "Nothing was sent." in result.stderr) == (2, True)
    shutil.rmtree(healthy)


def test_more_attempts_than_usual_are_all_made_also_on_a_slow_healthy_path(
    path: Breakable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A healthy path ends the usual ten attempts after a second; whoever asks for more wants to count them."""

    def slowly() -> bool:
        time.sleep(0.5)
        return False

    path.breaks = slowly
    with lab.start("ok") as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, raising=False)
        seen = oairunbook.check(base_url=path.base_url, repeat=30, model=running.model).evidence
    assert tally(seen).path_tried == 30


def test_a_fix_is_verified_from_the_place_that_failed_and_from_no_other(
    path: Breakable, call: Callable[..., Result], tmp_path: Path, canaries: Canaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is known again there, by a fingerprint that says nothing of the archive's other keys."""
    there, archive = shlex.join([sys.executable, "-"]), tmp_path / "archive"
    monkeypatch.setenv("OPENAI_API_KEY", canaries.openai_key)
    path.breaks = lambda: True
    failed = call("run", "02_same_path", "-q", "--json", "-", "--via", there)
    assert failed.exit_code == 1, failed.output
    failing = Path(json.loads(failed.stdout)["run"])

    path.breaks = lambda: False
    from_here = call("verify", "-q")
    assert from_here.exit_code == 2, from_here.output
    assert f"the newest was seen from another place: {there}" in " ".join(from_here.output.split())
    other_place = call("verify", "-q", "--via", f"{sys.executable} -E -")
    assert other_place.exit_code == 2
    assert "holds no run with a fault that was seen from" in " ".join(other_place.output.split())

    proved = call("verify", "-q", "--via", there, "--json", "-")
    assert proved.exit_code == 0, proved.output
    document = json.loads(proved.stdout)
    assert document["failing"]["run"] == str(failing.relative_to(archive))
    assert (document["proof"]["proved"], document["proof"]["succeeded"], document["proof"]["tried"]) == (True, 3, 3)
    scope = next(one for one in document["proof"]["conditions"] if one["name"] == "key scope")
    assert "@" in scope["now"]
    kept = [load_evidence(file.read_bytes()) for file in Path(document["run"]).glob("evidence*.json")]
    assert len(kept) == 3
    assert {seen.runtime.collector.command for seen in kept if seen.runtime.collector} == {there}
