"""Network namespaces of this process: made, entered by one thread at a time, and ended by their names."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_number = itertools.count(1)

PREFIX = f"oairb-{os.getpid()}-"
"""Namespaces of this process; another run on this machine has another one."""


def world_name() -> str:
    """A name that no other world has, here or in another process."""
    return f"{PREFIX}{next(_number)}"


def left_over() -> list[str]:
    """Namespaces that this process made and that still exist."""
    folder = Path("/run/netns")
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(PREFIX)) if folder.is_dir() else []


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")


class Namespace:
    """One network namespace (network_namespaces(7)).

    A thread enters it to open a socket or to start a process there; both stay in it when the thread has left.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        _run(["ip", "netns", "add", name])
        try:
            self._descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            _run(["ip", "netns", "delete", name])
            raise
        # Else a link-local address is tentative for a second, and nothing can be forwarded over IPv6 meanwhile.
        self.set("ipv6/conf/default/accept_dad", 0)
        self.ip("link set lo up")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Let the calling thread, and no other, work in this namespace."""
        before = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self._descriptor)
            try:
                yield
            finally:
                _setns(before)
        finally:
            os.close(before)

    def ip(self, *commands: str, version: int | None = None) -> None:
        """Run `ip` commands here, all in one process; what names no address is about that version of IP."""
        with self.entered():
            _run(
                ["ip", *([f"-{version}"] if version else []), "-batch", "-"],
                "".join(f"{command}\n" for command in commands),
            )

    def nft(self, rules: str) -> None:
        """Load nftables rules here."""
        with self.entered():
            _run(["nft", "-f", "-"], rules)

    def set(self, name: str, value: int | str) -> None:
        """Set a `net.` kernel variable of this namespace (sysctl(8))."""
        with self.entered():
            Path("/proc/sys/net", name).write_text(str(value))

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
        """A socket that lives in this namespace."""
        with self.entered():
            return socket.socket(family, kind)

    def popen(self, argv: list[str], **options: object) -> subprocess.Popen[bytes]:
        """Start a process here."""
        with self.entered():
            return subprocess.Popen(argv, **options)  # type: ignore[call-overload, no-any-return]

    def delete(self) -> None:
        os.close(self._descriptor)
        _run(["ip", "netns", "delete", self.name])


def _run(argv: list[str], text: str = "") -> None:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.strip()}\n{text}")
