"""A host of the test world: a network namespace, files of its own over the machine's, and processes."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from oairunbook.lab.listener import Handle, Listener
from tests.world.namespace import Namespace
from tests.world.streams import Port

# Mounts each pair of files, then becomes the command. Nobody outside this mount namespace sees it.
_MOUNT_AND_RUN = 'while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift; exec "$@"'


def python_environment() -> dict[str, str]:
    """What a Python of this interpreter needs to import oairunbook anywhere: nothing once it is installed."""
    try:
        importlib.metadata.distribution("oairunbook")
    except importlib.metadata.PackageNotFoundError:
        return {"PYTHONPATH": str(Path(__file__).parents[2])}
    return {}


class Host:
    """One machine: its addresses, its files in `folder`, its processes and servers."""

    def __init__(self, name: str, folder: Path) -> None:
        self.namespace = Namespace(name)
        self.folder = folder
        folder.mkdir()
        # Daemons that give up root (squid, tinyproxy, danted) must reach their files.
        folder.chmod(0o755)
        self.mounts: dict[Path, Path] = {}
        """Target to source: what stands over the machine's own files for processes of this host."""

        self._ports: dict[int, Port] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    def put(self, target: str, text: str) -> Path:
        """Let processes of this host find *text* in the file *target*, which must exist on the machine."""
        source = self.folder / target.strip("/").replace("/", "_")
        source.write_text(text)
        source.chmod(0o644)
        self.mounts[Path(target)] = source
        return source

    def resolve_by(
        self, *servers: str, options: str = "timeout:2 attempts:1", search: str = "", hosts: str = "files dns"
    ) -> None:
        """Write resolv.conf(5), nsswitch.conf(5) and hosts(5) of this host."""
        lines = [*(f"nameserver {s}" for s in servers), f"options {options}", *([f"search {search}"] if search else [])]
        self.put("/etc/resolv.conf", "".join(f"{line}\n" for line in lines))
        self.put("/etc/nsswitch.conf", f"passwd: files\ngroup: files\nhosts: {hosts}\n")
        self.list_hosts()

    def list_hosts(self, *lines: str) -> None:
        """Let the hosts file hold these lines and localhost."""
        self.put("/etc/hosts", "".join(f"{line}\n" for line in ("127.0.0.1 localhost", "::1 localhost", *lines)))

    def command(self, argv: list[str]) -> list[str]:
        """The command that runs *argv* with this host's files."""
        pairs = [str(path) for target, source in self.mounts.items() if target.exists() for path in (source, target)]
        return ["unshare", "--mount", "--", "sh", "-euc", _MOUNT_AND_RUN, "sh", *pairs, "--", *argv]

    def start(self, argv: list[str], *, ready: Callable[[], bool], environment: Mapping[str, str] | None = None) -> int:
        """Start a daemon in the foreground, wait until it is ready, and return its process id.

        Raises:
            RuntimeError: it ended, or was not ready within ten seconds; the text shows its output.
        """
        log = self.folder / f"{Path(argv[0]).name}.{len(self._processes)}.log"
        with log.open("wb") as output:
            process = self.namespace.popen(
                self.command(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(environment or {})},
                start_new_session=True,
            )
        self._processes.append(process)
        deadline = time.monotonic() + 10
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{argv[0]} is not ready: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.01)
        return process.pid

    def listening(self, port: int) -> Callable[[], bool]:
        """A test whether somebody listens on that TCP port here (proc(5), /proc/net/tcp)."""
        ending = f":{port:04X}"

        def is_listening() -> bool:
            with self.namespace.entered():
                tables = [Path(f"/proc/thread-self/net/{t}").read_text() for t in ("tcp", "tcp6")]
            rows = [line.split() for table in tables for line in table.splitlines()[1:]]
            return any(row[1].endswith(ending) and row[3] == "0A" for row in rows)

        return is_listening

    def stop(self, pid: int) -> None:
        """End one daemon that `start` started, with the processes of its session."""
        process = next(p for p in self._processes if p.pid == pid)
        self._processes.remove(process)
        _end(process)

    def listen(self, port: int, handle: Handle, *, tls: ssl.SSLContext | None = None) -> None:
        """Let *handle* serve a port from the test's own process, in place of what it served there before."""
        self.open_port(port, lambda host: Listener(handle, host=host, port=port, tls=tls))

    def open_port(self, port: int, open_on: Callable[[str], Listener]) -> None:
        """Open a port on all addresses of this host; *open_on* gets the address to listen on."""
        self.close_port(port)
        self._ports[port] = Port(self.namespace, open_on)

    def close_port(self, port: int) -> None:
        """From now on the kernel answers this port with RST."""
        if port in self._ports:
            self._ports.pop(port).close()

    def divert(self, *, every: int, to: int, port: int = 443) -> None:
        """Let one connection in so many that reach a port end on another one: half of a pair is broken."""
        self.namespace.nft(
            "add table inet pair\n"
            "add chain inet pair arriving { type nat hook prerouting priority dstnat; }\n"
            "add chain inet pair lost { type filter hook input priority 0; }\n"
            f"add rule inet pair arriving tcp dport {port} numgen inc mod {every} 0 redirect to :{to}\n"
        )

    def lose(self, port: int) -> None:
        """Lose without a word what `divert` sends to this port."""
        self.namespace.nft(f"add rule inet pair lost tcp dport {port} drop\n")

    def undivert(self) -> None:
        """Take `divert` and `lose` back."""
        self.namespace.nft("delete table inet pair\n")

    def delete(self) -> None:
        """End all processes and servers of this host, then its namespace."""
        for port in list(self._ports):
            self.close_port(port)
        for process in self._processes:
            _end(process)
        self.namespace.delete()


def _end(process: subprocess.Popen[bytes]) -> None:
    # Its own session, so its group holds nothing but what it started itself.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
