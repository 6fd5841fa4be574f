"""A real OpenSSH server on loopback, with keys and a configuration of its own; it ends with the context."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

SSHD = "/usr/sbin/sshd"
_PRIVILEGE_SEPARATION = Path("/run/sshd")
"""Where the unprivileged child of sshd(8) stands; Debian's service makes it at its start."""


def missing_for_openssh() -> str | None:
    """Why no server can be started on this machine; None if one can."""
    if os.geteuid() != 0:
        return "sshd(8) without PAM needs root"
    absent = [program for program in (SSHD, "ssh", "ssh-keygen") if shutil.which(program) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


@contextlib.contextmanager
def openssh_server(folder: Path) -> Iterator[list[str]]:
    """Start a server; gives the ssh(1) command that reaches it, ready for a command to follow."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    lines = (
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        "UsePAM no\nStrictModes no\nPidFile none\nPasswordAuthentication no\nPermitRootLogin yes\nAcceptEnv none\n"
        f"Banner {folder}/banner\nPrintMotd no\n"
    )
    (folder / "config").write_text(lines)
    (folder / "banner").write_text("Authorized use only.\n@oairunbook is a word of this banner.\n")
    made = not _PRIVILEGE_SEPARATION.exists()
    _PRIVILEGE_SEPARATION.mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "config"], stderr=log, stdin=subprocess.DEVNULL)
        try:
            _wait_for(port, server, folder / "log")
            options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
            given = [word for option in options for word in ("-o", option)]
            yield ["ssh", "-F", "none", "-i", f"{folder}/user", "-p", str(port), *given, "127.0.0.1"]
        finally:
            server.terminate()
            server.wait(10)
            if made:
                with contextlib.suppress(OSError):
                    _PRIVILEGE_SEPARATION.rmdir()


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"sshd is not ready: {log.read_text(errors='replace')}")
        time.sleep(0.02)
