"""Carriers for real: commands that lead to the Python of another place, what is seen through them, and what they leave there.

Each carrier makes a place of its own on this machine (a container, a root, a user), and goes again. Its Python is the system's, which has no SDK:
the path is tested by the probes alone.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.world.openssh import missing_for_openssh, openssh_server

PYTHON = "/usr/bin/python3"
UID = 61235
"""A user that nothing else on this machine is, where the place is this machine's own root: what it leaves is told by its number."""

_INVENTORY = (
    "find / -xdev -not -path '/proc/*' -not -path '/sys/*' -not -path '/usr/*' "
    # A mount that is made for each command has a time of its own.
    "\\( -type d -printf '%p\\n' -o -printf '%p %s %T@\\n' \\) | sort; echo; "
    # By the shell alone: of a pipe it is chance how many of its processes are there yet.
    "set -- /proc/[0-9]*; echo $#"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A place that is there."""

    into: tuple[str, ...]
    """The command that leads there; a program follows."""

    left: Callable[[], str]
    """What is in the place, as a text: two that are equal mean that nothing was left in between."""

    @property
    def command(self) -> str:
        """What `--via` takes."""
        return shlex.join((*self.into, PYTHON, "-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """One way to another place."""

    name: str
    needs: tuple[str, ...]
    open: Callable[[Path], contextlib.AbstractContextManager[Opened]]
    missing: Callable[[], str | None] = lambda: None

    def why_not(self) -> str | None:
        """Why it cannot be tried on this machine; None if it can."""
        if os.geteuid() != 0:
            return "places are made by root"
        absent = [program for program in (*self.needs, PYTHON) if shutil.which(program) is None]
        return f"not installed: {', '.join(absent)}" if absent else self.missing()


def _inside(into: tuple[str, ...]) -> Callable[[], str]:
    """What is in a root of its own, by the same way in."""

    def left() -> str:
        call = [*into, "/bin/sh", "-c", _INVENTORY]
        return subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout

    return left


def _of_the_user() -> str:
    """Files and processes of `UID` on this machine."""
    find = ["find", "/tmp", "/var/tmp", "/run", "/dev/shm", "-xdev", "-uid", str(UID), "-printf", r"%p %s %T@\n"]
    files = subprocess.run(find, capture_output=True, text=True, check=False).stdout
    running = subprocess.run(
        ["ps", "-o", "pid=,args=", "-u", str(UID)], capture_output=True, text=True, check=False
    ).stdout
    return "\n".join(sorted(files.splitlines())) + "\n\n" + running


_AS_USER = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "env", "-i")


@contextlib.contextmanager
def _openssh(folder: Path) -> Iterator[Opened]:
    with openssh_server(folder) as ssh:
        yield Opened(into=(*ssh, *_AS_USER), left=_of_the_user)


@contextlib.contextmanager
def _login(folder: Path, command: tuple[str, ...]) -> Iterator[Opened]:
    """A login shell of a user whose profile greets on both streams; the user is in this mount namespace's /etc/passwd alone."""
    home = folder / "home"
    home.mkdir()
    folder.chmod(0o755)
    (home / ".profile").write_text("echo Welcome to production; echo 'disk is 91 % full' >&2\n")
    for path in (home, home / ".profile"):
        os.chown(path, UID, UID)
    entry = f"oairb:*:{UID}:{UID}::{home}:/bin/sh\n"
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + entry)
    (folder / "shadow").write_text(Path("/etc/shadow").read_text() + "oairb:*:19000:0:99999:7:::\n")
    script = f'mount --bind {folder}/passwd /etc/passwd; mount --bind {folder}/shadow /etc/shadow; exec {shlex.join(command)} "$*"'
    yield Opened(into=("unshare", "--mount", "sh", "-c", script, "sh"), left=_of_the_user)


def _su(folder: Path) -> contextlib.AbstractContextManager[Opened]:
    return _login(folder, ("su", "-", "oairb", "-c"))


def _sudo(folder: Path) -> contextlib.AbstractContextManager[Opened]:
    return _login(folder, ("sudo", "-n", "-u", "oairb", "-i", "sh", "-c"))


def _root(folder: Path) -> Path:
    """A root that holds links and two files; /usr is to be mounted into it."""
    root = folder / "root"
    for name in ("usr", "etc", "tmp", "dev", "proc", "sys", "run", "var", "root"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/os-release").write_text("ID=carrier\n")
    return root


@contextlib.contextmanager
def _chroot(folder: Path) -> Iterator[Opened]:
    root = _root(folder)
    script = f'mount --rbind /usr {root}/usr; mount -t proc none {root}/proc; mount --rbind /dev {root}/dev; exec chroot {root} /usr/bin/env -i "$@"'
    into = ("unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "sh")
    yield Opened(into=into, left=_inside(into))


@contextlib.contextmanager
def _nsenter(folder: Path) -> Iterator[Opened]:
    """Into the mount, process and host name namespaces of a process in a root of its own."""
    root = _root(folder)
    mounts = f"mount --rbind /usr {root}/usr; mount -t proc none {root}/proc; mount --rbind /dev {root}/dev"
    script = f"{mounts}; hostname carrier; exec chroot {root} /usr/bin/sleep 3600"
    call = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "sh", "-ec", script]
    with subprocess.Popen(call) as process:
        try:
            pid = _until(lambda: _sleeping_child(process.pid))
            into = ("nsenter", "--target", pid, "--mount", "--pid", "--uts", "--root", "--wdns=/", "env", "-i")
            yield Opened(into=into, left=_inside(into))
        finally:
            process.kill()


def _sleeping_child(pid: int) -> str:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return next((child for child in children if Path(f"/proc/{child}/comm").read_text() == "sleep\n"), "")


def _until(found: Callable[[], str]) -> str:
    deadline = time.monotonic() + 60
    while not (value := found()):
        if time.monotonic() > deadline:
            raise RuntimeError("the place did not come up")
        time.sleep(0.05)
    return value


@contextlib.contextmanager
def _nspawn(folder: Path) -> Iterator[Opened]:
    """The container begins and ends with each command; its root stays."""
    into = (
        "systemd-nspawn",
        "--quiet",
        f"--directory={_root(folder)}",
        "--bind-ro=/usr",
        "--register=no",
        "--keep-unit",
        "--pipe",
    )
    yield Opened(
        into=(*into, f"--machine=carrier{os.getpid()}", "env", "-i"),
        left=_inside((*into, f"--machine=left{os.getpid()}")),
    )


@contextlib.contextmanager
def _bubblewrap(folder: Path) -> Iterator[Opened]:
    into = (
        "bwrap",
        "--unshare-pid",
        "--bind",
        str(_root(folder)),
        "/",
        "--ro-bind",
        "/usr",
        "/usr",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
    )
    yield Opened(into=(*into, "env", "-i"), left=_inside(into))


def _image(folder: Path) -> Path:
    archive = folder / "image.tar"
    subprocess.run(["tar", "-C", str(_root(folder)), "-cf", str(archive), "."], check=True)
    return archive


@contextlib.contextmanager
def _docker(folder: Path) -> Iterator[Opened]:
    """By a daemon of its own; the image is imported, and the container shares this machine's network and /usr."""
    docker = ("docker", "--host", f"unix://{folder}/socket")
    daemon = [
        "dockerd",
        "--data-root",
        f"{folder}/data",
        "--exec-root",
        f"{folder}/exec",
        "--host",
        f"unix://{folder}/socket",
    ]
    daemon += [
        "--pidfile",
        f"{folder}/pid",
        "--storage-driver=vfs",
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(daemon, stdout=log, stderr=log) as process:
        try:
            _until(lambda: "up" if _quietly(*docker, "version") else "")
            _quietly(*docker, "import", str(_image(folder)), "carrier", check=True)
            run = (
                "run",
                "--detach",
                "--network=host",
                "--volume=/usr:/usr:ro",
                "--name=carrier",
                "carrier",
                "/usr/bin/sleep",
                "3600",
            )
            _quietly(*docker, *run, check=True)
            into = (*docker, "exec", "-i", "carrier")
            yield Opened(into=into, left=_inside(into))
            _quietly(*docker, "rm", "--force", "carrier")
        finally:
            process.terminate()


@contextlib.contextmanager
def _podman(folder: Path) -> Iterator[Opened]:
    podman = ("podman", "--root", f"{folder}/data", "--runroot", f"{folder}/run", "--storage-driver=vfs")
    # runc(8) and limits below this process's own also where control groups are of both versions, or root is bounded.
    podman += ("--cgroup-manager=cgroupfs", "--runtime=runc")
    _quietly(*podman, "import", str(_image(folder)), "carrier", check=True)
    run = (
        "run",
        "--detach",
        "--network=host",
        "--log-driver=none",
        "--ulimit=nofile=1024:1024",
        "--ulimit=nproc=1000:1000",
    )
    mounted = ("--volume=/usr:/usr:ro", "--name=carrier", "carrier", "/usr/bin/sleep", "3600")
    _quietly(*podman, *run, *mounted, check=True)
    try:
        into = (*podman, "exec", "-i", "carrier")
        yield Opened(into=into, left=_inside(into))
    finally:
        _quietly(*podman, "rm", "--force", "--time=0", "carrier")


def _quietly(*call: str, check: bool = False) -> bool:
    done = subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{shlex.join(call)}: {done.stderr.strip()}")
    return done.returncode == 0


CARRIERS = (
    Carrier(name="ssh", needs=("setpriv",), open=_openssh, missing=missing_for_openssh),
    Carrier(name="su", needs=("su", "unshare"), open=_su),
    Carrier(name="sudo", needs=("sudo", "unshare"), open=_sudo),
    Carrier(name="chroot", needs=("chroot", "unshare"), open=_chroot),
    Carrier(name="nsenter", needs=("nsenter", "unshare"), open=_nsenter),
    Carrier(name="systemd-nspawn", needs=("systemd-nspawn",), open=_nspawn),
    Carrier(name="bwrap", needs=("bwrap",), open=_bubblewrap),
    Carrier(name="docker", needs=("docker", "dockerd"), open=_docker),
    Carrier(name="podman", needs=("podman", "runc"), open=_podman),
)


@contextlib.contextmanager
def opened(carrier: Carrier) -> Iterator[Opened]:
    """The carrier's place, in a folder of its own that goes with it."""
    with (
        tempfile.TemporaryDirectory(prefix="oairunbook-carrier-", ignore_cleanup_errors=True) as folder,
        carrier.open(Path(folder)) as place,
    ):
        yield place
