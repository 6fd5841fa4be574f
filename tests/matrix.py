"""`python -m tests.matrix [FAULT…]`: the same faults seen through several SDKs and transports, and the verdict of each.

The SDKs stand in environments of their own, made once in a folder of the user's cache (`OAIRUNBOOK_MATRIX` names another one). The same path gets the
same verdict; where it differs, the transport's trust store or proxy rules differ, which is stated beside the fault and checked. Needs root.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oairunbook.collector.place import by_command
from oairunbook.collector.there import look_there
from oairunbook.diagnose import diagnose
from oairunbook.observe import CutShortError
from tests.world import API, PROXY, World
from tests.world.authority import INSPECTION_ROOT, PUBLIC_ROOT
from tests.world.client import MODEL
from tests.world.scenario import missing_for_any_world

OPTIONS: dict[str, Any] = {"timeout": 10.0, "repeat": 1, "budget": 120.0, "control_url": "", "model": MODEL}
"""Ten seconds a step: nothing here is silent, and what a loaded machine takes longer for is no fault."""
CLIENTS = """
import openai

def asynchronous(): return openai.AsyncOpenAI()
def aiohttp(): return openai.AsyncOpenAI(http_client=openai.DefaultAioHttpClient())

def of_httpx():
    import httpx
    return openai.OpenAI(http_client=httpx.Client())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One SDK in its environment, and how it is called."""

    name: str
    requirements: tuple[str, ...]
    transport: str
    """The library whose trust store and proxy rules hold: `httpx` or `httpx2`."""

    client: str = ""
    """What makes the client in `CLIENTS`; empty for the SDK's default one."""


_LAST_1, _LAST_2, _LAST_3 = ("openai<2", "httpx<1"), ("openai<3", "httpx<1"), ("openai>=3,<4",)
_AIOHTTP_1, _AIOHTTP_3 = ("openai[aiohttp]<2", "httpx<1"), ("openai[aiohttp]>=3,<4",)
OLDEST = ("openai==1.55.3", "httpx<1")

CALLERS = (
    Caller(name="1.55 sync", requirements=OLDEST, transport="httpx"),
    Caller(name="1.55 async", requirements=OLDEST, transport="httpx", client="asynchronous"),
    Caller(name="1.x sync", requirements=_LAST_1, transport="httpx"),
    Caller(name="1.x aiohttp", requirements=_AIOHTTP_1, transport="httpx", client="aiohttp"),
    Caller(name="2.x sync", requirements=_LAST_2, transport="httpx"),
    Caller(name="2.x async", requirements=_LAST_2, transport="httpx", client="asynchronous"),
    Caller(name="3.x sync", requirements=_LAST_3, transport="httpx2"),
    Caller(name="3.x async", requirements=_LAST_3, transport="httpx2", client="asynchronous"),
    Caller(name="3.x aiohttp", requirements=_AIOHTTP_3, transport="httpx2", client="aiohttp"),
    Caller(name="3.x httpx", requirements=(*_LAST_3, "httpx<1"), transport="httpx", client="of_httpx"),
)
EXTREMES = tuple(caller for caller in CALLERS if caller.name in ("1.55 sync", "3.x sync", "3.x aiohttp"))
"""The oldest SDK, the newest, and the transport that shares least with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is broken, and what each transport's users are told."""

    name: str
    make: Callable[[World], None]
    causes: dict[str, str]
    """Transport to cause; both the same where the path alone decides."""

    reason: str = ""
    """Why they differ; empty where they do not."""

    roots: tuple[bytes, bytes] = (PUBLIC_ROOT.pem, PUBLIC_ROOT.pem)
    """What the operating system's store holds, and what certifi's file does."""


def _same(cause: str) -> dict[str, str]:
    return {"httpx": cause, "httpx2": cause}


def _inspected(world: World) -> None:
    world.middle.inspect(INSPECTION_ROOT)


def _no_proxy(entry: str) -> Callable[[World], None]:
    def make(world: World) -> None:
        _ = world.proxy  # its name resolves, and nobody listens there
        world.client.use_proxy(f"http://{PROXY}:3128")
        if entry:
            world.client.environment["NO_PROXY"] = entry

    return make


_BOTH = PUBLIC_ROOT.pem + INSPECTION_ROOT.pem

FAULTS = (
    Fault(name="healthy", make=lambda world: None, causes=_same("ok")),
    Fault(name="root in no store", make=_inspected, causes=_same("tls.untrusted_issuer")),
    Fault(
        name="root in the system's store alone",
        make=_inspected,
        causes={"httpx": "tls.trust_store_mismatch", "httpx2": "ok"},
        reason="httpx reads certifi's file, httpx2 the operating system's store",
        roots=(_BOTH, PUBLIC_ROOT.pem),
    ),
    Fault(
        name="root in certifi alone",
        make=_inspected,
        causes={"httpx": "ok", "httpx2": "tls.untrusted_issuer"},
        reason="httpx reads certifi's file, httpx2 does not, and needs no certifi in its environment",
        roots=(PUBLIC_ROOT.pem, _BOTH),
    ),
    Fault(name="name does not exist", make=lambda world: world.dns.fail("NXDOMAIN", API), causes=_same("dns.nxdomain")),
    Fault(name="nobody listens", make=lambda world: world.api.stop_serving(), causes=_same("tcp.refused")),
    Fault(name="reset", make=lambda world: world.api.serve("reset"), causes=_same("http.reset")),
    Fault(name="stream cut", make=lambda world: world.api.serve("stream_truncated"), causes=_same("http.truncated")),
    Fault(name="401", make=lambda world: world.api.serve("invalid_key"), causes=_same("api.invalid_key")),
    Fault(name="429", make=lambda world: world.api.serve("rate_limited"), causes=_same("api.rate_limited")),
    Fault(name="dead proxy", make=_no_proxy(""), causes=_same("proxy.unreachable")),
    Fault(name="dead proxy, NO_PROXY=api.openai.com", make=_no_proxy("api.openai.com"), causes=_same("ok")),
    Fault(
        name="dead proxy, NO_PROXY=api.openai.com:443",
        make=_no_proxy("api.openai.com:443"),
        causes=_same("proxy.unreachable"),
    ),
    Fault(
        name="dead proxy, NO_PROXY=*.openai.com",
        make=_no_proxy("*.openai.com"),
        causes={"httpx": "proxy.unreachable", "httpx2": "ok"},
        reason="a star before a domain is an entry that httpx2 knows and httpx does not",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one caller is told of one fault."""

    fault: Fault
    caller: Caller
    cause: str
    certainty: str | None
    sdk: str
    transport: str

    @property
    def expected(self) -> str:
        return self.fault.causes[self.caller.transport]


class CannotInstallError(Exception):
    """An environment could not be made: the package index is not reached, or does not have it."""


def environments(folder: Path, callers: Iterable[Caller]) -> dict[tuple[str, ...], str]:
    """The interpreter of each set of requirements, made in *folder* where it is not there yet.

    Raises:
        CannotInstallError: With what pip said.
    """
    found = {}
    installing = {}
    for requirements in dict.fromkeys(caller.requirements for caller in callers):
        name = hashlib.sha256(" ".join((sys.version, *requirements)).encode()).hexdigest()[:12]
        place = folder / name
        found[requirements] = str(place / "bin" / "python")
        if (place / "whole").exists():
            continue
        venv.create(place, with_pip=False, symlinks=True, clear=True)
        call = [*_installer(found[requirements]), "--quiet", *requirements]
        installing[place] = requirements, subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    for place, (requirements, process) in installing.items():
        said = process.communicate(timeout=300)[1]
        if process.returncode:
            raise CannotInstallError(f"{' '.join(requirements)}: {said[-500:]}")
        (place / "whole").touch()
    return found


def _installer(python: str) -> list[str]:
    """uv where there is one: it takes a second for what takes pip half a minute."""
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", python]
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, "install", "--no-compile"]


def look(fault: Fault, callers: Iterable[Caller], pythons: dict[tuple[str, ...], str], workers: int) -> list[Cell]:
    """One world with this fault, seen through each of the callers."""
    with World() as world:
        client = world.client
        system, certifi = fault.roots
        # The stores of the machine are set by the world; certifi's file is each environment's own.
        if system != PUBLIC_ROOT.pem:
            client.trust(INSPECTION_ROOT)
        for python in set(pythons.values()):
            for file in Path(python).parents[1].glob("lib/python3.*/site-packages/certifi/cacert.pem"):
                client.put(str(file), certifi.decode())
        (client.home / "matrix_clients.py").write_text(CLIENTS)
        fault.make(world)

        def one(caller: Caller) -> Cell:
            argv = client.command([pythons[caller.requirements], "-"])
            place = by_command(["ip", "netns", "exec", client.namespace.name, *argv])
            own = f"matrix_clients:{caller.client}" if caller.client else None
            environment = {**client.environment, "PYTHONPATH": str(client.home)}
            try:
                seen = look_there(replace(place, environment=environment), client=own, **OPTIONS)
            except CutShortError as cut:
                # It is judged as far as it goes, and does not end the others.
                seen = cut.evidence
            verdict = diagnose(seen)
            return Cell(
                fault=fault,
                caller=caller,
                cause=verdict.cause,
                certainty=verdict.certainty,
                sdk=seen.route.sdk or "none",
                transport=seen.route.transport or "none",
            )

        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(one, callers))


def show(cells: list[Cell]) -> str:
    """Environment by fault as letters, the letters, and what differs with its reason."""
    callers = list(dict.fromkeys(cell.caller.name for cell in cells))
    letters = {cause: chr(ord("a") + n) for n, cause in enumerate(dict.fromkeys(cell.cause for cell in cells))}
    lines = ["", f"{'fault':42}" + "".join(f"{name:>13}" for name in callers)]
    for fault in dict.fromkeys(cell.fault.name for cell in cells):
        row = {cell.caller.name: cell for cell in cells if cell.fault.name == fault}
        marks = (
            f"{letters[row[name].cause]}{'' if row[name].cause == row[name].expected else '!'}" for name in callers
        )
        lines.append(f"{fault:42}" + "".join(f"{mark:>13}" for mark in marks))
    lines += ["", *(f"  {letter}  {cause}" for cause, letter in letters.items()), ""]
    for fault in dict.fromkeys(cell.fault.name for cell in cells if cell.fault.reason):
        reason = next(cell.fault.reason for cell in cells if cell.fault.name == fault)
        lines.append(f"  {fault}: {reason}")
    wrong = [cell for cell in cells if cell.cause != cell.expected]
    proven = sum(cell.certainty == "proven" for cell in wrong)
    lines.append(
        f"\n{len(cells)} verdicts, {len(cells) - len(wrong)} as expected, {len(wrong)} not; wrong 'proven' {proven}"
    )
    lines += [f"  {c.fault.name} by {c.caller.name}: {c.cause} {c.certainty}, not {c.expected}" for c in wrong]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__.partition("\n")[0])
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="beginnings of their names")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="checks at a time")
    arguments = parser.parse_args()
    reason = missing_for_any_world()
    if reason:
        parser.error(reason)
    cache = Path(os.environ.get("OAIRUNBOOK_MATRIX") or Path.home() / ".cache" / "oairunbook-matrix")
    cache.mkdir(parents=True, exist_ok=True)
    pythons = environments(cache, CALLERS)
    names = tuple(arguments.faults)
    cells: list[Cell] = []
    for fault in FAULTS:
        if names and not fault.name.startswith(names):
            continue
        began = time.monotonic()
        cells += look(fault, CALLERS, pythons, arguments.workers)
        told = ", ".join(f"{c.caller.name} {c.cause}" for c in cells if c.fault is fault)
        print(f"{time.monotonic() - began:6.1f} s  {fault.name}: {told}", flush=True)
    for name, sdk, transport in dict.fromkeys((c.caller.name, c.sdk, c.transport) for c in cells):
        print(f"  {name:12} openai {sdk}, {transport}")
    print(show(cells))
    return int(any(cell.cause != cell.expected for cell in cells))


if __name__ == "__main__":
    raise SystemExit(main())
