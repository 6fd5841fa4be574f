"""The client of a test world: the failing runtime. It runs `oairunbook check`, the real SDK, and ordinary tools."""

from __future__ import annotations

import atexit
import errno
import functools
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.message
import dns.query

from tests.world.authority import Authority
from tests.world.canary import Canaries
from tests.world.host import Host, python_environment
from tests.world.sites import AZURE, GATEWAY, NAME_SERVER

MODEL = "gpt-5-mini"
"""A model, and on Azure a deployment, of the lab's API."""

_CERTIFICATES = Path("/etc/ssl/certs")
_SDK_SCRIPT = Path(__file__).with_name("sdk_request.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that ended in the client."""

    status: int
    stdout: str
    stderr: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What `oairunbook check --json -` said."""

    ran: Ran
    evidence: dict[str, Any]
    verdict: dict[str, Any]

    @property
    def cause(self) -> str:
        return str(self.verdict["cause"])


class Client(Host):
    """A host with an environment of its own; nothing of the test's environment reaches its processes."""

    def __init__(self, name: str, folder: Path, canaries: Canaries) -> None:
        super().__init__(name, folder)
        self._canaries = canaries
        self.home = folder / "home"
        self.home.mkdir()
        self.environment: dict[str, str] = {
            "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            **canaries.environment,
            **python_environment(),
        }
        self.outputs: list[str] = []
        """Everything that commands here wrote, for the canary guard."""

        self.wrapper: tuple[str, ...] = ()
        """A command that starts Python in this client, for example one that sets a limit."""

        self._roots: list[Authority] = []

    # -- settings -----------------------------------------------------------------------------------------------------

    def trust(self, *authorities: Authority) -> None:
        """Let these roots, and no others, stand in every store of this machine."""
        self._roots = [*self._roots, *authorities]
        bundle = b"".join(root.pem for root in self._roots).decode()
        store = self.folder / "certs"
        store.mkdir(exist_ok=True)
        (store / "ca-certificates.crt").write_text(bundle)
        self.mounts[_CERTIFICATES] = store
        for path in (ssl.get_default_verify_paths().openssl_cafile, _certifi_bundle()):
            # Debian's file is a link into the folder above.
            if path and _CERTIFICATES not in Path(path).resolve().parents:
                self.put(path, bundle)

    def trust_in_certifi_alone(self, *authorities: Authority) -> None:
        """Let these roots stand in certifi's file, and leave the operating system's store as it is."""
        path = _certifi_bundle()
        assert path is not None
        self.put(path, b"".join(root.pem for root in authorities).decode())

    def bundle(self, *authorities: Authority) -> str:
        """A PEM file with these roots, for a variable to name; returns its path."""
        file = self.home / f"bundle-{len(list(self.home.iterdir()))}.pem"
        file.write_bytes(b"".join(root.pem for root in authorities))
        return str(file)

    def add_default_routes(self) -> None:
        """Send what is not on this link to the middle."""
        self.namespace.ip("route add default via 10.20.0.1", "route add ::/0 via 2a01:4f8:c2c:123::1")

    def remove_default_routes(self) -> None:
        """Leave this machine without a way to anywhere but its own link."""
        self.namespace.ip("route del default", "route del ::/0")

    def block_module(self, name: str) -> None:
        """Let Python find no such module, as if its package were not installed."""
        self.overlay(f"{name}.py", f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n")

    def overlay(self, file: str, text: str) -> None:
        """Let Python find this module before all others, for example a sitecustomize.py."""
        folder = self.folder / "overlay"
        folder.mkdir(exist_ok=True)
        (folder / file).write_text(text)
        paths = [str(folder), self.environment.get("PYTHONPATH", "")]
        self.environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, paths)))

    def remove_overlay(self) -> None:
        """Undo `overlay` and `block_module`."""
        shutil.rmtree(self.folder / "overlay")

    def shift_clock(self, days: float) -> None:
        """Let this machine's clock be wrong (faketime(1)); zero sets it right."""
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        wrong = {
            "LD_PRELOAD": str(library),
            "FAKETIME": f"{round(days * 86400):+}",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        for name, value in wrong.items():
            self.environment.pop(name, None)
            if days:
                self.environment[name] = value

    def hold_all_ports(self, address: str, port: int) -> list[socket.socket]:
        """Use up the local ports of connections to one address; close what is returned to free them."""
        self.namespace.set("ipv4/ip_local_port_range", "50000 50007")
        held: list[socket.socket] = []
        while True:
            connection = self.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                connection.connect((address, port))
            except OSError as error:
                connection.close()
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                return held
            held.append(connection)

    def limit_open_files(self, number: int) -> None:
        """Let Python run with so many file descriptors (prlimit(1))."""
        self.wrapper = ("prlimit", f"--nofile={number}")

    def without_ipv6(self) -> None:
        """Switch IPv6 off, as `ipv6.disable` and many container runtimes do."""
        self.namespace.set("ipv6/conf/all/disable_ipv6", 1)

    def call_azure(self) -> None:
        """Let the client call the world's Azure OpenAI resource."""
        self.environment["AZURE_OPENAI_ENDPOINT"] = f"https://{AZURE}"
        self.environment["AZURE_OPENAI_DEPLOYMENT"] = MODEL
        self.environment["OPENAI_API_VERSION"] = "2024-10-21"

    def call_gateway(self) -> None:
        """Let the client call the world's gateway."""
        self.environment["OPENAI_BASE_URL"] = f"https://{GATEWAY}/v1"

    def use_proxy(self, url: str) -> None:
        """Let the client send its HTTPS requests through a forward proxy."""
        self.environment["HTTPS_PROXY"] = url

    # -- commands -----------------------------------------------------------------------------------------------------

    def run(self, *argv: str, seconds: float = 120.0) -> Ran:
        """Run a command to its end in the client.

        Raises:
            subprocess.TimeoutExpired: it did not end in time; it has been killed.
        """
        begin = time.monotonic()
        process = self.namespace.popen(
            self.command(list(argv)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.home,
            env=self.environment,
        )
        with process:
            try:
                out, err = process.communicate(timeout=seconds)
            except BaseException:
                process.kill()
                raise
        stdout, stderr = out.decode(errors="replace"), err.decode(errors="replace")
        self.outputs += [stdout, stderr]
        return Ran(status=process.returncode, stdout=stdout, stderr=stderr, seconds=time.monotonic() - begin)

    def check(self, *options: str) -> Checked:
        """Run `oairunbook check --json -`.

        Raises:
            AssertionError: what came out is no JSON document of the contract.
        """
        ran = self.run(*self.wrapper, sys.executable, "-m", "oairunbook.cli", "check", "--json", "-", *options)
        try:
            document = json.loads(ran.stdout)
            return Checked(ran=ran, evidence=document["evidence"], verdict=document["verdict"])
        except (ValueError, KeyError) as error:
            raise AssertionError(
                f"check ended with {ran.status} and no JSON document:\n{ran.stdout}{ran.stderr}"
            ) from error

    def sdk(self, *arguments: str, started: bool = False) -> str:
        """One minimal request by the real SDK, without our code: `answered`, or its exception chain, one a line.

        With `stream` it is streamed; with a number a second one follows on the same connection so many seconds later. *started*: by a Python
        that is started for it and imports the SDK, for those who measure what that takes.
        """
        if not started and not self.wrapper and not {"PYTHONPATH", "LD_PRELOAD"} & self.environment.keys():
            return sdk_server().ask(self, arguments)
        ran = self.run(*self.wrapper, sys.executable, "-P", str(_SDK_SCRIPT), *arguments)
        # This script shows exceptions as they are, with what they hold; the guard is for our own output.
        del self.outputs[-2:]
        if ran.status != 0:
            raise AssertionError(f"the SDK script failed: {ran.stderr}")
        return ran.stdout

    def curl(self, url: str, *options: str) -> Ran:
        """Ask with curl, which shares nothing with Python's path but the kernel and the resolver."""
        store = str(_CERTIFICATES / "ca-certificates.crt")
        ran = self.run(
            "curl", "--silent", "--show-error", "--verbose", "--max-time", "5", "--cacert", store, *options, url
        )
        del self.outputs[-2:]
        return ran

    def resolved(self, name: str) -> list[str]:
        """The addresses of a name in the order in which this machine dials them (getent(1), getaddrinfo(3))."""
        ran = self.run("getent", "ahosts", name)
        return list(dict.fromkeys(line.split()[0] for line in ran.stdout.splitlines()))

    def dig(self, name: str, kind: str = "A", *, server: str = NAME_SERVER) -> dns.message.Message:
        """Ask the name server from the client's network, with no resolver between."""
        question = dns.message.make_query(name, kind)
        with self.namespace.entered():
            return dns.query.udp(question, server, timeout=2)


class SdkServer:
    """The process of `sdk_server.py`; it ends with this one."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="oairb-sdk-")
        self._path = str(Path(self._folder, "socket"))
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **python_environment()}
        script = str(_SDK_SCRIPT.with_name("sdk_server.py"))
        self._process = subprocess.Popen([sys.executable, script, self._path], env=environment)
        atexit.register(self.close)
        while not Path(self._path).exists():
            if self._process.poll() is not None:
                raise RuntimeError(f"{script} ended with {self._process.returncode}")
            time.sleep(0.02)

    def ask(self, client: Client, arguments: tuple[str, ...]) -> str:
        """What one minimal request in this client prints."""
        mounts = [(str(t), str(s)) for t, s in client.mounts.items() if t.exists()]
        request = {"namespace": client.namespace.name, "mounts": mounts, "environment": client.environment}
        request |= {"folder": str(client.home), "arguments": arguments}
        with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rw") as stream:
            connection.connect(self._path)
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            return stream.read()

    def close(self) -> None:
        """End it and remove its socket."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@functools.cache
def _sdk_server() -> SdkServer:
    return SdkServer()


_starting = threading.Lock()


def sdk_server() -> SdkServer:
    """The server of this process, started when it is first wanted."""
    # Worlds run side by side, and functools.cache alone would start one for each.
    with _starting:
        return _sdk_server()


def _certifi_bundle() -> str | None:
    try:
        import certifi
    except ImportError:
        return None
    return certifi.where()
