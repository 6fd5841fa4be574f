"""Workers in subnets of their own behind the middle of a world, as members of one Dask cluster."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.world import authority
from tests.world.client import Client
from tests.world.host import python_environment
from tests.world.streams import Inspection
from tests.world.world import World

SCHEDULER_HOST, SCHEDULER_PORT = "10.20.0.1", 8786
SCHEDULER = f"tcp://{SCHEDULER_HOST}:{SCHEDULER_PORT}"
_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One worker as a test wants it."""

    name: str
    subnet: int
    """The third octet of its addresses: 10.40.*subnet*.0/24, with the middle as the gateway at .1."""

    name_server: str
    hangs: bool = False


class Fleet:
    """The workers of one world, each a host of its own."""

    def __init__(self, world: World, members: tuple[Member, ...]) -> None:
        self._world = world
        self._end = contextlib.ExitStack()
        self.members = members
        self.hosts: dict[str, Client] = {}
        self.log = world.folder / "dask.log"
        try:
            for number, member in enumerate(members):
                self._join(number, member)
        except BaseException:
            self._end.close()
            raise

    def _join(self, number: int, member: Member) -> None:
        host = Client(f"{self._world.name}-w{number}", self._world.folder / member.name, self._world.canaries)
        self._end.callback(host.delete)
        self.hosts[member.name] = host
        address, gateway = self.address(member), f"10.40.{member.subnet}.1"
        self._world.middle.namespace.ip(
            f"link add w{number} type veth peer name eth0 netns {host.namespace.name}",
            f"address add {gateway}/32 dev w{number}",
            f"link set w{number} up",
            f"route add {address}/32 dev w{number}",
        )
        host.namespace.ip(
            f"address add {address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {gateway}",
        )
        host.resolve_by(member.name_server)
        host.trust(authority.PUBLIC_ROOT)

    def address(self, member: Member) -> str:
        """That of a worker: no two end alike, whatever their subnet."""
        return f"10.40.{member.subnet}.{10 + self.members.index(member)}"

    def reject(self, subnet: int) -> None:
        """Answer port 443 of everybody with RST, for workers of this subnet."""
        self._world.middle.rule(f"ip saddr 10.40.{subnet}.0/24 tcp dport 443 reject with tcp reset")

    def inspect(self, subnet: int, root: authority.Authority) -> None:
        """Break TLS open and sign anew with this root, for workers of this subnet."""
        inspection = Inspection(self._world.middle.namespace, root)
        self._world.middle.listen(8443, inspection, tls=inspection.tls)
        self._world.middle.namespace.nft(
            f"add rule inet lab redirected ip saddr 10.40.{subnet}.0/24 tcp dport 443 redirect to :8443\n"
        )

    @contextlib.contextmanager
    def cluster(self) -> Iterator[str]:
        """Run scheduler and workers; gives the scheduler's address."""
        order = {
            "host": SCHEDULER_HOST,
            "port": SCHEDULER_PORT,
            "members": [
                {
                    "name": member.name,
                    "address": self.address(member),
                    "hangs": member.hangs,
                    "namespace": host.namespace.name,
                    "mounts": [(str(t), str(s)) for t, s in host.mounts.items() if t.exists()],
                    "environment": host.environment,
                    "folder": str(host.home),
                }
                for member, host in zip(self.members, self.hosts.values(), strict=True)
            ],
        }
        script = Path(__file__).with_name("dask_cluster.py")
        with self.log.open("wb") as log:
            process = self._world.middle.namespace.popen(
                [sys.executable, str(script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **python_environment()},
                start_new_session=True,
            )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(order).encode())
            process.stdin.close()
            readable, _, _ = select.select([process.stdout], [], [], _READY_SECONDS)
            if not readable or process.stdout.readline() != b"ready\n":
                raise RuntimeError(f"the cluster is not ready: {self.log.read_text()[-2000:]}")
            # Whoever hangs does so a second after it has registered.
            time.sleep(1.5 * any(member.hangs for member in self.members))
            yield SCHEDULER
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()

    def close(self) -> None:
        """End all hosts."""
        self._end.close()
