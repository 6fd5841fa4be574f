"""The collector goes to the path: through a shell, OpenSSH, namespaces, a bare root, other Pythons; and says why where it cannot."""

from __future__ import annotations

import ast
import base64
import contextlib
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oairunbook import lab, redaction
from oairunbook.collector import loader, stream
from oairunbook.collector.carrier import Answers, carry
from oairunbook.collector.place import by_command
from oairunbook.collector.there import look_there
from oairunbook.comparison import IncomparableError, compare
from oairunbook.diagnose import diagnose
from oairunbook.evidence import Collector, Evidence, load_evidence
from oairunbook.lab.running import Lab
from oairunbook.verdict import Verdict
from tests.world import World
from tests.world.canary import Canaries
from tests.world.openssh import missing_for_openssh, openssh_server

PYTHON = shlex.join([sys.executable, "-"])
BARE = shlex.join([sys.executable, "-S", "-"])
"""A Python without the packages of this one: no SDK."""


def variables(running: Lab) -> dict[str, str]:
    """This test's environment on the lab's path."""
    found = dict(os.environ)
    for name, value in running.environment.items():
        found.pop(name, None)
        if value is not None:
            found[name] = value
    return found


def program(*arguments: str, environment: dict[str, str] | None = None, **keywords: Any) -> Any:
    keywords = {"capture_output": True, "text": True, "timeout": 120, "check": False} | keywords
    call = [sys.executable, "-P", "-m", "oairunbook.cli", *arguments]
    return subprocess.run(call, env=environment or dict(os.environ), **keywords)


def look(running: Lab, command: str, *, sent: tuple[str, ...] = ()) -> tuple[Evidence, Verdict]:
    """What is seen and judged of the lab's path from where the command leads."""
    environment = variables(running)
    place = by_command(command)
    place = replace(place, environment={**environment, "TERM": place.environment["TERM"]})
    sending = {name: environment[name] for name in sent}
    seen = look_there(place, sent=sending, model=running.model, route=running.fault.route)
    return seen, diagnose(seen)


@pytest.fixture(scope="module")
def healthy() -> Iterator[Lab]:
    with lab.start("ok") as running:
        yield running


@pytest.fixture(scope="module")
def expired() -> Iterator[Lab]:
    with lab.start("tls.expired") as running:
        yield running


# -- the stream ---------------------------------------------------------------------------------------------------


def test_the_stream_is_small_and_each_line_fits_into_a_terminals_buffer() -> None:
    made = stream.make({"nonce": "0" * 16, "environment": {"A": "b" * 10_000}})
    assert len(made) < stream.MOST_BYTES
    assert max(len(line) for line in made.splitlines()) < 4095
    assert made.isascii()


def test_members_of_a_fleet_that_ask_at_once_wait_for_one_packing() -> None:
    stream._carried.cache_clear()
    together = threading.Barrier(4)

    def made() -> bytes:
        together.wait()
        return stream.make({"nonce": "0" * 16})

    with ThreadPoolExecutor(4) as pool:
        texts = {job.result() for job in [pool.submit(made) for _ in range(4)]}
    assert len(texts) == 1
    # CPython's AST does not bear two threads that parse (gh-106905), and each packing costs a third of a second.
    assert stream._carried.cache_info().misses == 1


def test_python_3_6_can_read_what_says_that_it_is_too_old(canaries: Canaries) -> None:
    made = stream.make({"nonce": "0" * 16})
    ast.parse(made, feature_version=(3, 6))
    ast.parse(Path(loader.__file__).read_text("utf-8"), feature_version=(3, 6))
    assert not canaries.found_in("the stream", made)


# -- the way back -------------------------------------------------------------------------------------------------


def framed(nonce: str, document: dict[str, Any]) -> bytes:
    """What `loader.Answer` writes, from a process of its own: it writes to file descriptor 1."""
    code = f"from oairunbook.collector.loader import Answer\na = Answer({nonce!r})\na.progress('dns: x')\na.document({document!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    return done.stdout


def read(data: bytes, nonce: str = "n0nce") -> Any:
    answers = Answers(nonce)
    step = 7 if len(data) < 20_000 else 4099
    for start in range(0, len(data), step):
        answers.feed(data[start : start + step])
    return answers.document()


def test_the_document_is_found_among_banners_prompts_echoes_and_warnings() -> None:
    sent = {"evidence": "x" * 5000 + os.urandom(500).hex()}
    lines = framed("n0nce", sent).split(b"\n")
    noisy = b"Welcome!\r\n>>> " + b"\r\n*** warning: reboot at noon ***\r\n>>> ".join(lines)

    assert read(noisy) == sent
    assert read(framed("another", {"evidence": "not mine"}) + noisy) == sent


def test_a_document_with_a_line_missing_changed_or_cut_off_is_none() -> None:
    whole = framed("n0nce", {"evidence": os.urandom(1000).hex()})
    lines = whole.split(b"\n")
    numbered = next(index for index, line in enumerate(lines) if b" 1 " in line)

    assert read(whole)
    assert read(b"\n".join(lines[:numbered] + lines[numbered + 1 :])) is None
    assert read(whole.replace(lines[numbered][-8:], lines[numbered][-8:][::-1])) is None
    assert read(whole[: len(whole) // 2]) is None


@pytest.mark.parametrize(
    "line",
    [
        b"@oairunbook n0nce end many 9 " + b"0" * 64,
        b"@oairunbook n0nce end 1 9 short",
        b"@oairunbook n0nce end 9999999 9 " + b"0" * 64,
        b"@oairunbook n0nce 0 \xff\xfe",
        b"@oairunbook n0nce . not*base64",
        b"y" * 1_000_000,
    ],
    ids=["number", "digest", "count", "content", "progress", "length"],
)
def test_what_only_looks_like_an_answer_is_none_and_hides_none(line: bytes) -> None:
    assert read(line + b"\n") is None
    assert read(line + framed("n0nce", {"evidence": "x"})) == {"evidence": "x"}


def test_an_answer_nested_without_end_is_none() -> None:
    packed = zlib.compress(b"[" * 1_000_000)
    end = f"@oairunbook n0nce end 1 {len(packed)} {hashlib.sha256(packed).hexdigest()}\n"
    assert read(b"@oairunbook n0nce 0 " + base64.b64encode(packed) + b"\n" + end.encode()) is None


def test_progress_comes_while_the_document_is_not_here_yet() -> None:
    shown: list[str] = []
    answers = Answers("n0nce", shown.append)
    answers.feed(b"\n@oairunbook n0nce . " + base64.b64encode(b"tcp: 192.0.2.1") + b"\r\n")
    assert shown == ["tcp: 192.0.2.1"]
    assert not answers.begun


# -- there and back -----------------------------------------------------------------------------------------------


def test_what_is_wrong_there_is_judged_here_and_the_healthy_path_is_ok(healthy: Lab, expired: Lab) -> None:
    command = f"sh -c 'echo banner; echo warning >&2; exec {PYTHON}'"
    for running, cause in ((expired, "tls.expired"), (healthy, "ok")):
        seen, verdict = look(running, command)
        assert verdict.cause == cause
        assert seen.runtime.executable == sys.executable
        assert seen.runtime.collector == Collector(carrier="command", command=command)


def test_without_an_sdk_the_path_is_still_tested_and_only_then_the_sdk_is_missed(healthy: Lab, expired: Lab) -> None:
    assert look(expired, BARE)[1].cause == "tls.expired"
    seen, verdict = look(healthy, BARE)
    assert seen.route.sdk is None
    assert verdict.cause == "client.sdk_incompatible"
    assert "an interpreter of its own" in verdict.next[0]
    # Which roots its SDK would trust is not known, so nothing is proven by those that this Python trusts.
    assert look(healthy, f"env SSL_CERT_FILE=/no/such/roots.pem {BARE}")[1].cause == "client.sdk_incompatible"


def interpreters() -> list[str]:
    """A Python of each version from 3.9 on that is installed here and starts, this one first."""
    found = [sys.executable]
    for version in (f"3.{minor}" for minor in range(9, 15)):
        built = [str(path) for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
        candidates = [*built[:1], *filter(None, [shutil.which(f"python{version}")])]
        # A shim of pyenv stands for versions that are not chosen, and then starts nothing.
        starting = (path for path in candidates if not subprocess.run([path, "-c", ""], capture_output=True).returncode)
        found += [path for path in [next(starting, None)] if path]
    return found


@pytest.mark.parametrize("python", interpreters())
def test_every_python_from_3_9_on_that_is_here_sees_the_same(python: str, expired: Lab) -> None:
    seen, verdict = look(expired, f"{python} -")
    assert verdict.cause == "tls.expired"
    assert [o for o in seen.observations if o.outcome.kind == "tool_failed"] == []


def test_every_older_python_that_is_here_says_that_it_is_too_old() -> None:
    """Of its own accord, down to 2.7; where none is installed, `OLD` below has to do."""
    for python in sorted(Path.home().glob(".pyenv/versions/*/bin/python")):
        version = python.parts[-3]
        if not version.startswith(("2.7.", "3.6.", "3.7.", "3.8.")):
            continue
        done = program("collect", "--", str(python), "-")
        assert done.returncode == 2, done.stderr
        assert f"The Python there is too old: Python {version}" in done.stderr


def test_collect_writes_evidence_that_diagnose_judges(expired: Lab, tmp_path: Path) -> None:
    environment = variables(expired)
    file = tmp_path / "there.json"
    done = program("collect", "--json", str(file), "--", sys.executable, "-", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    seen = load_evidence(done.stdout)
    assert seen.runtime.collector is not None
    assert load_evidence(file.read_bytes()) == seen
    judged = program("diagnose", "-", environment=environment, input=done.stdout)
    assert judged.returncode == 1
    assert "tls.expired" in judged.stdout


def test_secrets_of_that_runtime_stay_there_and_none_of_ours_go_along(expired: Lab, canaries: Canaries) -> None:
    """The guard looks for this test's secrets in everything that comes back; they stand in the environment there."""
    environment = variables(expired) | {"OPENAI_API_KEY": canaries.openai_key}
    clean = ["env", "-i", f"PATH={os.environ['PATH']}", sys.executable, "-"]
    sends = [
        word for name in ("OPENAI_BASE_URL", "OAIRUNBOOK_PRACTICE", "SSL_CERT_FILE") for word in ("--send-env", name)
    ]

    def present(*options: str) -> bool:
        done = program("collect", *sends, *options, "--", *clean, environment=environment)
        seen = load_evidence(done.stdout)
        assert seen.route.base_url.source == "OPENAI_BASE_URL", "what is named goes along"
        return seen.route.credential.present

    assert not present()
    assert present("--send-env", "OPENAI_API_KEY")
    assert load_evidence(
        program("collect", "--", sys.executable, "-", environment=environment).stdout
    ).route.credential.present


def test_a_secret_in_the_command_and_in_what_it_says_is_not_shown(canaries: Canaries) -> None:
    command = f"sh -c 'echo password is $DATABASE_PASSWORD >&2; exit 9' {canaries.openai_key}"
    done = program("check", "--via", command)
    assert done.returncode == 4
    assert "password is [redacted]" in done.stderr


def test_fingerprints_of_a_place_tell_its_keys_apart_and_say_nothing_of_keys_elsewhere(
    expired: Lab, canaries: Canaries
) -> None:
    """The archive's own key stays here: what goes along is made from it for that place alone."""
    archive_key = os.urandom(32)

    def fingerprint(key: str, command: str = PYTHON) -> tuple[Evidence, str]:
        place = by_command(command)
        place = replace(place, environment={**variables(expired), "OPENAI_API_KEY": key})
        seen = look_there(place, fingerprint_key=archive_key, timeout=1.0, budget=3.0, repeat=1)
        assert seen.route.credential.fingerprint
        return seen, seen.route.credential.fingerprint

    first, one = fingerprint(canaries.openai_key)
    assert fingerprint(canaries.openai_key)[1] == one
    assert fingerprint(canaries.openai_key[::-1])[1] != one
    assert one.partition("@")[0] != redaction.fingerprint(canaries.openai_key, archive_key)

    second, another = fingerprint(canaries.openai_key, f"{sys.executable} -E -")
    assert another != one
    with pytest.raises(
        IncomparableError, match=r"told apart only by the fingerprints of one archive .* and of one place"
    ):
        compare(first, second)


@pytest.mark.parametrize(
    ("names", "there"),
    [
        (("02_same_path", "04_serverless_container"), ("--via", PYTHON)),
        (("04_serverless_container",), ("-p", "via", PYTHON)),
    ],
    ids=["option", "parameter"],
)
def test_a_run_judges_in_its_notebooks_what_was_collected_there(
    names: tuple[str, ...], there: tuple[str, ...], expired: Lab, tmp_path: Path
) -> None:
    """And those that look at more than the record do not do so from here: that would be another place's."""
    options = ("--archive", str(tmp_path / "archive"), "-p", "model", expired.model, *there)
    done = program("run", *names, "-q", "--json", "-", *options, environment=variables(expired))
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"]["cause"] == "tls.expired"
    kept = load_evidence(Path(document["run"], "evidence.json").read_bytes())
    assert kept.runtime.collector == Collector(carrier="command", command=PYTHON)
    assert kept.practice == "tls.expired", "practice there is practice here"
    assert document["run"].endswith("-practice")
    assert {notebook["state"] for notebook in document["notebooks"]} == {"ok"}
    assert not Path(document["run"], "surroundings.json").exists()


# -- real carriers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("terminal", [(), ("-tt",)], ids=["pipe", "terminal"])
def test_through_openssh_with_and_without_a_terminal_in_between(
    terminal: tuple[str, ...], healthy: Lab, expired: Lab, tmp_path: Path
) -> None:
    reason = missing_for_openssh()
    if reason:
        pytest.skip(reason)
    # The newest Python here as well: from 3.13 on its line editor would draw on a terminal, and swallow what it is sent.
    newest = f"{interpreters()[-1]} -"
    with openssh_server(tmp_path) as ssh:
        for running, python, cause in (
            (expired, PYTHON, "tls.expired"),
            (expired, newest, "tls.expired"),
            (healthy, PYTHON, "ok"),
        ):
            named = tuple(name for name, value in running.environment.items() if value is not None)
            command = shlex.join([*ssh[:1], *terminal, *ssh[1:], python])
            assert look(running, command, sent=named)[1].cause == cause


def test_a_fault_that_only_one_network_namespace_has_is_seen_from_there(world: World) -> None:
    """`ip netns exec` in the machine's own namespaces: the world's path is not the test's."""
    client = world.client
    inside = client.command(
        ["env", "-i", *(f"{k}={v}" for k, v in client.environment.items() if "KEY" not in k), PYTHON.split()[0], "-"]
    )
    command = shlex.join(["ip", "netns", "exec", client.namespace.name, *inside])

    def seen_from_there() -> Any:
        done = program("check", "--via", command, "--json", "-", "--timeout", "2", "--send-env", "OPENAI_API_KEY")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)["verdict"]

    world.middle.reject("tcp reset")
    verdict = seen_from_there()
    assert (verdict["cause"], verdict["owner"]) == ("tcp.refused", "connection_path")
    world.middle.mend()
    assert seen_from_there()["cause"] == "ok"


IN_A_BARE_ROOT = """
mount -t tmpfs none "$1" && cd "$1" && mkdir usr tmp dev && mount --rbind /usr usr && mount --rbind /dev dev
for link in bin lib lib64; do ln -s usr/$link $link; done
[ "$2" = ro ] && mount -o remount,ro "$1"
find "$1" -xdev | sort > "$3/before"
chroot "$1" /usr/bin/env -i /usr/bin/python3 -
find "$1" -xdev | sort > "$3/after"
"""


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_in_a_bare_root_it_needs_no_file_and_leaves_none(mode: str, tmp_path: Path) -> None:
    """No /etc, /proc or home, and nothing that can be written; and where everything can be, nothing is."""
    if os.geteuid() != 0 or not Path("/usr/bin/python3").exists():
        pytest.skip("a root of its own needs root, and the system's python3")
    root = tmp_path / "root"
    root.mkdir()
    command = shlex.join(["unshare", "--mount", "sh", "-c", IN_A_BARE_ROOT, "sh", str(root), mode, str(tmp_path)])
    environment = {**os.environ, "OAIRB_MARK": tmp_path.name}
    done = program("collect", "--timeout", "1", "--budget", "5", "--", *shlex.split(command), environment=environment)
    assert done.returncode == 0, done.stderr
    seen = load_evidence(done.stdout)
    assert seen.runtime.executable == "/usr/bin/python3"
    assert seen.route.resolver.name_servers == ()
    assert (tmp_path / "before").read_text() == (tmp_path / "after").read_text()
    assert len((tmp_path / "before").read_text().splitlines()) > 5


def test_no_process_is_left_when_it_is_done_or_when_the_caller_is_killed(expired: Lab) -> None:
    mark = f"collector-{time.monotonic_ns()}"
    environment = variables(expired) | {"OAIRB_MARK": mark}
    assert program("collect", "-q", "--", "sh", "-c", f"{PYTHON}; true", environment=environment).returncode == 0
    assert left(mark) == ()

    with lab.start("tcp.timeout") as silent:
        call = [
            sys.executable,
            "-P",
            "-m",
            "oairunbook.cli",
            "collect",
            "--budget",
            "8",
            "--",
            "sh",
            "-c",
            f"{PYTHON}; true",
        ]
        caller = subprocess.Popen(
            call, env=variables(silent) | {"OAIRB_MARK": mark}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: len(left(mark)) == 3)
        caller.kill()
        caller.wait()
        until(lambda: left(mark) == ())


def left(mark: str) -> tuple[int, ...]:
    return tuple(
        int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit() and mark in environ_of(folder)
    )


def environ_of(folder: Path) -> str:
    try:
        return (folder / "environ").read_text(errors="replace")
    except OSError:
        return ""


def until(true: Any) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# -- where it cannot ----------------------------------------------------------------------------------------------

OLD = "sed '1s/^import sys;/import sys;sys.version_info=(3,8,18,\"final\",0);/' | " + PYTHON
"""A Python that says of itself that it is 3.8."""

CUT = f"{PYTHON} | head -c 2000"
HALF = f"head -c 100000 | {PYTHON}"
NO_PYTHON = (
    """echo 'OCI runtime exec failed: exec: "python3": executable file not found in $PATH: unknown' >&2; exit 1"""
)


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (
            "no-such-program -i pod -- python3 -",
            2,
            "no-such-program: there is no such program here. Nothing was started.",
        ),
        ("'", 2, "cannot be taken apart"),
        ("", 2, "It ends in a Python or a Node.js that reads its standard input"),
        ("sh -c 'exec no-such-python -'", 2, "found no Python there (status 127)"),
        (f"sh -c {shlex.quote(OLD)}", 2, "too old: Python 3.8.18"),
        (
            "sh -c 'echo no route to pod >&2; exit 5'",
            4,
            "ended with status 5, and no answer came back.\nIt said: no route to pod",
        ),
        ("true", 4, "ended with status 0, and no answer came back"),
        ("cat", 4, "no answer came back"),
        (f"sh -c {shlex.quote(CUT)}", 4, "Only a part of the record came back"),
        (f"{sys.executable} -c pass", 4, "no answer came back"),
        (f"sh -c {shlex.quote(HALF)}", 4, "what was sent to its standard input did not arrive whole"),
        (f"sh -c {shlex.quote(NO_PYTHON)}", 2, "found no Python there (status 1)"),
        ("sh -c 'kill -9 $$'", 4, "ended by SIGKILL, which it was sent by somebody else"),
    ],
)
def test_why_nothing_came_back_is_said_with_the_contracts_status(
    command: str, status: int, said: str, expired: Lab
) -> None:
    done = program("check", "--budget", "5", "--via", command, environment=variables(expired))
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    ("options", "next_step"),
    [
        ("exec app", "give exec the option -i"),
        ("exec -it app", "leave out the option -t"),
        ("exec -i app", "run the same command with `python3 -V` in place of `python3 -`"),
        ("run app", "run the same command with `python3 -V` in place of `python3 -`"),
    ],
)
def test_an_exec_that_gave_no_answer_is_looked_at_for_the_usual_mistakes(
    options: str, next_step: str, tmp_path: Path
) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 0\n")
    docker.chmod(0o755)
    done = program("collect", "--", str(docker), *options.split(), "python3", "-")
    assert done.returncode == 4
    assert next_step in done.stderr.partition("Next: ")[2]


NOISE = """
import io, sys
print("welcome " * 40)
print("deprecated", file=sys.stderr)
sys.stdout.write("@oairunbook no line feed at its end")
sys.stdout.flush()
sys.stdout = io.StringIO()
"""


def test_a_python_that_talks_warns_and_is_translated_on_the_way_sees_the_same(expired: Lab, tmp_path: Path) -> None:
    """A sitecustomize that prints and takes sys.stdout away, warnings as errors, an interactive end, and line feeds that become CR LF."""
    (tmp_path / "sitecustomize.py").write_text(NOISE)
    loud = f"env PYTHONPATH={tmp_path} PYTHONWARNINGS=error PYTHONINSPECT=1 {interpreters()[-1]} -bb -"
    script = f"sed 's/$/\r/' | {loud} | sed 's/$/\r/'"
    seen, verdict = look(expired, f"sh -c {shlex.quote(script)}")
    assert verdict.cause == "tls.expired"
    assert [o for o in seen.observations if o.outcome.kind == "tool_failed"] == []


def test_a_module_that_stands_in_for_the_standard_library_is_named(tmp_path: Path) -> None:
    (tmp_path / "queue.py").write_text("raise RuntimeError('of the application')\n")
    done = program("collect", "--", "env", f"PYTHONPATH={tmp_path}", sys.executable, "-")
    assert done.returncode == 4
    assert f"RuntimeError: of the application, in {tmp_path / 'queue.py'}. Nothing was sent on the path." in done.stderr


def test_a_runtime_that_may_start_no_thread_says_so() -> None:
    if os.geteuid() != 0:
        pytest.skip("another user needs root")
    nobody = ["setpriv", "--reuid", "64321", "--clear-groups", "prlimit", "--nproc=1", "/usr/bin/python3", "-"]
    done = program("collect", "--", *nobody)
    assert done.returncode == 4, done.stderr
    assert "No thread can be started there" in done.stderr
    assert "limit of processes" in done.stderr
    allowed = program("collect", "--budget", "1", "--timeout", "1", "--", *nobody[:4], *nobody[6:])
    assert allowed.returncode == 0, allowed.stderr


def test_what_a_terminal_sends_back_of_the_job_is_not_taken_for_what_was_said(canaries: Canaries) -> None:
    """`cat` sends everything back, and the job holds what --send-env names."""
    environment = {**os.environ, "OPENAI_API_KEY": canaries.openai_key * 90}
    command = "sh -c 'cat; cat; echo no such pod; exit 5'"
    done = program("check", "--via", command, "--send-env", "OPENAI_API_KEY", environment=environment)
    assert done.returncode == 4
    assert "It said: no such pod\n" in done.stderr
    assert len(done.stderr) < 1000


def test_a_command_that_never_answers_is_ended() -> None:
    came = carry(["sleep", "600"], b"", Answers("x"), environment=os.environ, seconds=0.2)
    assert came.ended == "time"
    assert came.status == -signal.SIGTERM


def test_a_command_that_never_stops_talking_is_ended() -> None:
    came = carry(["yes", "y" * 1000], b"", Answers("x"), environment=os.environ, seconds=60)
    assert came.ended == "size"


def test_an_interrupted_look_from_elsewhere_keeps_what_was_seen(tmp_path: Path) -> None:
    call = [sys.executable, "-P", "-m", "oairunbook.cli", "collect", "--json", "kept.json", "--timeout", "20"]
    shown, terminal = os.openpty()
    with lab.start("tcp.timeout") as silent, os.fdopen(shown, "rb", buffering=0) as progress:
        caller = subprocess.Popen(
            [*call, "--", sys.executable, "-"],
            env=variables(silent),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=terminal,
        )
        os.close(terminal)
        said = b""
        # It tells of each step at a terminal. Once the connection has begun, the steps before it have been seen.
        while b"tcp: " not in said:
            said += progress.read(4096)
        # As Ctrl-C at a terminal does, which both get; the caller then asks once more.
        for pid in (*children(caller.pid), caller.pid):
            os.kill(pid, signal.SIGINT)
        # Linux ends a terminal that nobody writes to any more with EIO.
        with contextlib.suppress(OSError):
            while part := progress.read(4096):
                said += part
        assert caller.wait(60) == 130
    assert b"next: oairunbook diagnose kept.json" in said
    kept: Evidence = load_evidence((tmp_path / "kept.json").read_bytes())
    assert kept.observations
    assert kept.runtime.collector is not None


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize(
    "options",
    [
        ("--send-env", "NO_SUCH_VARIABLE", "--via", "cat"),
        ("--lab", "ok", "--via", "cat"),
        ("--cron", "-p", "via", "cat"),
        ("--cron", "--via", "cat", "--python", "python3"),
        ("-p", "status", "401", "--via", "cat"),
        ("-p", "status", "401", "-p", "via", "cat"),
        ("-p", "via", "cat", "--lab", "ok"),
        ("09_audit", "--via", "cat"),
    ],
)
def test_a_call_that_cannot_be_meant_ends_with_2(options: tuple[str, ...], tmp_path: Path) -> None:
    done = program("run", "--archive", str(tmp_path), *options)
    assert done.returncode == 2
    assert "Nothing was" in done.stderr
    assert not list(tmp_path.iterdir())
