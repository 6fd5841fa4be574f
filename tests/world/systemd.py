"""A systemd of the tests' own: it boots in a container (systemd-nspawn(1)) on this machine's /usr, with units and a network of its own."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import oairunbook

USER, UID = "app", 61234
"""Whom services of the application run as."""

_PROGRAMS = ("systemd-nspawn", "systemctl", "systemd-run", "dbus-daemon", "nsenter")
_BOOT_SECONDS = 60.0
_PASSWD = f"root:x:0:0::/root:/bin/sh\nmessagebus:x:61100:61100::/:/bin/false\n{USER}:x:{UID}:{UID}::/srv:/bin/sh\n"
_GROUP = f"root:x:0:\nmessagebus:x:61100:\n{USER}:x:{UID}:\n"
_TARGET = "[Unit]\nRequires=dbus.socket\nAfter=dbus.socket\nAllowIsolate=yes\n"


def missing_for_systemd() -> str | None:
    """Why none can be booted on this machine; None if one can."""
    if os.geteuid() != 0:
        return "systemd-nspawn(1) needs root"
    absent = [program for program in _PROGRAMS if shutil.which(program) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


@contextlib.contextmanager
def booted(folder: Path, files: Mapping[str, str]) -> Iterator[list[str]]:
    """Boot one; gives the command that runs another one in it.

    Args:
        folder: An empty folder, for its root.
        files: Path below that root to text; executable if it begins with #!.
    """
    root = folder / "root"
    for name in ("usr", "var", "run", "tmp", "proc", "sys", "dev", "root", "srv"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    system = {"etc/passwd": _PASSWD, "etc/group": _GROUP, "etc/machine-id": "", "etc/os-release": "ID=test\n"}
    for name, text in {**system, "etc/systemd/system/look.target": _TARGET, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    ours = {sys.prefix, sys.base_prefix, str(Path(oairunbook.__file__).parents[1])} - {"/usr"}
    call = ["systemd-nspawn", "--quiet", f"--directory={root}", "--private-network", f"--machine=look{os.getpid()}"]
    call += ["--register=no", "--keep-unit", "--bind-ro=/usr", *(f"--bind-ro={path}" for path in sorted(ours))]
    call += ["--boot", "systemd.unit=look.target"]
    with (folder / "log").open("wb") as log:
        nspawn = subprocess.Popen(call, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield _ready(nspawn, folder / "log")
    finally:
        # Twice, and it ends the container without a shutdown of its own.
        nspawn.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            nspawn.wait(3)
        nspawn.kill()
        nspawn.wait()


def _ready(nspawn: subprocess.Popen[bytes], log: Path) -> list[str]:
    deadline = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < deadline and nspawn.poll() is None:
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text().split()
        for pid in children:
            enter = shlex.split(f"nsenter --target {pid} --mount --uts --ipc --net --pid --root --wd env -i")
            inside = [*enter, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
            state = subprocess.run([*inside, "systemctl", "is-system-running"], capture_output=True, text=True)
            if state.stdout.strip() in ("running", "degraded"):
                subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
                return inside
        time.sleep(0.1)
    raise RuntimeError(f"systemd did not boot: {log.read_text(errors='replace')[-2000:]}")
