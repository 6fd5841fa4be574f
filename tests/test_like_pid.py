"""`--like-pid`: the place of a running process, what is taken over of it, and why it is not where it cannot be."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from oairunbook import lab
from oairunbook.collector.carrier import NowhereError
from oairunbook.collector.process import by_process
from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence, LocalResources, TlsHandshake, load_evidence
from tests.world import World
from tests.world.canary import Canaries

WAITS = "import sys, time; print('here', flush=True); time.sleep(600)"
SYSTEM_PYTHON = "/usr/bin/python3"

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not Path(SYSTEM_PYTHON).exists(),
    reason="namespaces and other users need root, and the system's python3",
)


@contextmanager
def running(argv: list[str], **keywords: Any) -> Iterator[int]:
    """A process that has begun to wait, perhaps below a wrapper; gives its own number here."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True, **keywords) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n"
            yield innermost(process.pid)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def innermost(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return innermost(int(children[0])) if children else pid


def collect(pid: int, *options: str, through: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    call = [*through, sys.executable, "-P", "-m", "oairunbook.cli", "collect", "--like-pid", str(pid), *options]
    return subprocess.run(call, capture_output=True, text=True, check=False, timeout=120)


def collected(pid: int, *options: str) -> Evidence:
    done = collect(pid, "--timeout", "1", "--budget", "5", *options)
    assert done.returncode == 0, done.stderr
    return load_evidence(done.stdout)


def test_environment_interpreter_and_working_folder_are_those_of_the_process(
    canaries: Canaries, tmp_path: Path
) -> None:
    """Without root, where it is this user's own. The guard looks for the key in everything that is written."""
    home = Path(sys.executable).resolve()
    interpreter = tmp_path / "app" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.symlink_to(home)
    (tmp_path / "app" / "pyvenv.cfg").write_text(f"home = {home.parent}\n")
    with lab.start("ok") as healthy:
        known = {name: value for name, value in healthy.environment.items() if value is not None}
        shutil.copy(known["SSL_CERT_FILE"], tmp_path / "app" / "roots.pem")
        environment = {**known, "OPENAI_API_KEY": canaries.openai_key, "SSL_CERT_FILE": "roots.pem"}
        with running(["bin/python", "-c", WAITS], cwd=tmp_path / "app", env=environment) as pid:
            seen = collected(pid, "--model", healthy.model)
    assert seen.practice == "ok"
    assert seen.route.base_url.source == "OPENAI_BASE_URL"
    assert seen.route.credential.present
    assert seen.runtime.executable == str(interpreter)
    assert seen.runtime.collector is not None
    assert seen.runtime.collector.carrier == "process"
    assert seen.runtime.collector.command == f"--like-pid {pid} (python)"
    # That environment has no SDK, and this one's does not stand in for it.
    assert diagnose(seen).cause == "client.sdk_incompatible"
    # The roots were found in its working folder.
    assert [handshake for _, handshake in seen.of(TlsHandshake)]


def test_a_fault_in_the_namespaces_of_a_process_is_seen_from_its_place(world: World) -> None:
    client = world.client
    argv = ["ip", "netns", "exec", client.namespace.name, *client.command([sys.executable, "-c", WAITS])]

    def seen_like(pid: int) -> Any:
        call = [sys.executable, "-P", "-m", "oairunbook.cli", "check", "--like-pid", str(pid), "--json", "-"]
        done = subprocess.run([*call, "--timeout", "2"], capture_output=True, text=True, check=False, timeout=120)
        client.outputs += [done.stdout, done.stderr]
        return json.loads(done.stdout)["verdict"]

    with running(argv, env=client.environment, cwd=client.home) as pid:
        world.middle.reject("tcp reset")
        verdict = seen_like(pid)
        assert (verdict["cause"], verdict["owner"]) == ("tcp.refused", "connection_path")
        world.middle.mend()
        assert seen_like(pid)["cause"] == "ok"


IN_A_ROOT_OF_ITS_OWN = """
mount -t tmpfs none "$1" && cd "$1" && mkdir usr tmp dev proc srv && mount --rbind /usr usr && mount --rbind /dev dev
for link in bin lib lib64; do ln -s usr/$link $link; done
mount -t proc proc proc && hostname container-7 && find "$1" -xdev -not -path "$1/proc/*" | sort > "$2/before"
exec chroot --userspec=64321:64322 --groups=64323 "$1" /usr/bin/env -i LANG=C.UTF-8 prlimit --nofile=321 sh -c "cd /srv && exec $3"
"""


@as_root
def test_user_root_host_name_limits_and_process_namespace_are_taken_over_and_nothing_is_left(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    inner = shlex.join([SYSTEM_PYTHON, "-c", WAITS])
    wrapper = ["unshare", "--mount", "--uts", "--pid", "--fork", "sh", "-euc", IN_A_ROOT_OF_ITS_OWN]
    with running([*wrapper, "sh", str(root), str(tmp_path), inner]) as pid:
        seen = collected(pid)
        listed = ["nsenter", "--target", str(pid), "--mount", "sh", "-c"]
        find = f'find "{root}" -xdev -not -path "{root}/proc/*" | sort; ls {root}/proc | grep -c "^[0-9]"'
        left = subprocess.run([*listed, find], capture_output=True, text=True, check=True).stdout.splitlines()
    assert (seen.runtime.host, seen.runtime.user) == ("container-7", "uid 64321")
    assert seen.runtime.executable == SYSTEM_PYTHON
    assert [o.outcome.open_files_limit for o in seen.observations if isinstance(o.outcome, LocalResources)] == [321]
    assert left[:-1] == (tmp_path / "before").read_text().splitlines()
    assert left[-1] == "1", "the process alone is left in its namespace"


@as_root
def test_what_may_not_be_taken_is_said_and_nothing_is_started(world: World) -> None:
    """Root without its capabilities, as in many a container: a process that has them, and one in a network that only they open."""
    bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    with running([sys.executable, "-c", WAITS]) as pid:
        done = collect(pid, through=bare)
        assert done.returncode == 2, done.stderr
        assert f"--like-pid {pid} (" in done.stderr
        assert "may not be looked at: Permission denied" in done.stderr
        assert "Next: run this as root, or as its user" in done.stderr

    with running(["ip", "netns", "exec", world.client.namespace.name, *bare, sys.executable, "-c", WAITS]) as pid:
        done = collect(pid, through=bare)
        assert done.returncode == 2, done.stderr
        assert "namespace may not be entered: Operation not permitted. Next: run this as root" in done.stderr
        assert collect(pid, "--timeout", "1", "--budget", "5").returncode == 0


def test_a_process_that_is_no_python_needs_one_to_be_named() -> None:
    argv = ["sh", "-c", "echo here; exec sleep 600"]
    with running(argv, env={"PATH": os.environ["PATH"], "MARK": "of-its-own"}) as pid:
        until_it_runs(pid, "sleep")
        done = collect(pid)
        assert done.returncode == 2
        assert "which is no Python" in done.stderr
        assert "--python /app/.venv/bin/python" in done.stderr
        named = collected(pid, "--python", sys.executable)
        assert named.runtime.executable == sys.executable
        missing = collect(pid, "--python", "/no/such/python")
        assert missing.returncode == 2
        assert "there is no program /no/such/python that it may start" in missing.stderr


def until_it_runs(pid: int, name: str) -> None:
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/comm").read_text().strip() != name:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_number_that_no_process_has_is_a_wrong_call() -> None:
    with pytest.raises(NowhereError, match="there is no such process"):
        by_process(2**22 + 1)


def test_what_could_not_be_taken_over_stands_in_the_record() -> None:
    sandbox = str(Path(__file__).with_name("world") / "sandbox.py")
    with running([sys.executable, sandbox, sys.executable, "-c", WAITS]) as pid:
        place = by_process(pid)
    assert "its filter of system calls (seccomp)" in place.collector.left_out


def test_a_place_does_not_show_the_secrets_that_it_takes_over(canaries: Canaries) -> None:
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": canaries.openai_key}
    with running([sys.executable, "-c", WAITS], env=environment) as pid:
        place = by_process(pid)
    assert not canaries.found_in("the place", repr(place).encode())
    assert not any(canaries.openai_key in word for word in place.argv)


def test_two_places_at_once_are_a_wrong_call() -> None:
    call = [sys.executable, "-m", "oairunbook.cli", "check", "--via", "cat", "--like-pid", "1"]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "give it alone. Nothing was sent" in done.stderr
