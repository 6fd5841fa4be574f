"""A Ceph of this test session on loopback: one monitor, one store in memory, and radosgw, Ceph's own S3 server. Needs no root."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool", "ceph")
_LONGEST_SECONDS = 60

_SETTINGS = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
mon initial members = a
mon allow pool size one = true
mon data = {folder}/mon
mon data avail crit = 1
mon max pg per osd = 1000
paxos propose interval = 0.02
paxos min wait = 0.01
keyring = {folder}/keyring
run dir = {folder}
admin socket =
log file = {folder}/$name.log
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
osd data = {folder}/osd
osd objectstore = memstore
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
rgw data = {folder}
rgw frontends = beast endpoint=127.0.0.1:{http}
"""


def missing() -> list[str]:
    """Which of its programs are not installed here."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@dataclass(frozen=True, slots=True)
class Ceph:
    """A cluster that runs."""

    url: str
    key: str
    secret: str
    """Of its only user, who owns every bucket."""

    settings: Path

    def admit(self, key: str, secret: str) -> None:
        """Give that user another pair of credentials."""
        self._keys("create", f"--access-key={key}", f"--secret={secret}")

    def expel(self, key: str) -> None:
        """Take them away."""
        self._keys("rm", f"--access-key={key}")

    def _keys(self, *arguments: str) -> None:
        # It prints all keys, and the guard reads what is printed to a test.
        command = ["radosgw-admin", "-c", str(self.settings), "key", "--uid=owner", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=_LONGEST_SECONDS)


@contextmanager
def ceph(folder: Path) -> Iterator[Ceph]:
    """Start one in an empty folder, which takes some seconds, and end it."""
    ports = _free_ports(3)
    fsid, settings, keyring = uuid.uuid4(), folder / "ceph.conf", folder / "keyring"
    settings.write_text(_SETTINGS.format(folder=folder, fsid=fsid, v2=ports[0], v1=ports[1], http=ports[2]))
    _run("ceph-authtool", None, "--create-keyring", str(keyring), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    for name in ("client.admin", "osd.0"):
        _run(
            "ceph-authtool",
            None,
            str(keyring),
            "--gen-key",
            "-n",
            name,
            "--cap",
            "mon",
            "allow *",
            "--cap",
            "osd",
            "allow *",
        )
    monitors = f"[v2:127.0.0.1:{ports[0]},v1:127.0.0.1:{ports[1]}]"
    monitor_map = str(folder / "monmap")
    _run("monmaptool", settings, "--create", "--addv", "a", monitors, "--fsid", str(fsid), monitor_map)
    (folder / "osd").mkdir()
    _run("ceph-mon", settings, "--mkfs", "-i", "a", "--monmap", monitor_map, "--keyring", str(keyring))
    started = []
    try:
        started.append(_start("ceph-mon", settings, "-i", "a"))
        store = str(uuid.uuid4())
        _run("ceph", settings, "osd", "create", store)
        _run("ceph-osd", settings, "-i", "0", "--mkfs", "--no-mon-config", "--osd-uuid", store)
        started.append(_start("ceph-osd", settings, "-i", "0"))
        owner = json.loads(_run("radosgw-admin", settings, "user", "create", "--uid=owner", "--display-name=owner"))
        started.append(_start("radosgw", settings, "-n", "client.admin"))
        url = f"http://127.0.0.1:{ports[2]}"
        _wait_until_it_answers(url)
        yield Ceph(url, owner["keys"][0]["access_key"], owner["keys"][0]["secret_key"], settings)
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def _start(program: str, settings: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [program, "-c", str(settings), "-f", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _run(program: str, settings: Path | None, *arguments: str) -> str:
    command = [program, *(("-c", str(settings)) if settings else ()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_SECONDS)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def _wait_until_it_answers(url: str) -> None:
    last = time.monotonic() + _LONGEST_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > last:
                raise
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    """Of moments ago: these programs take no port 0."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
