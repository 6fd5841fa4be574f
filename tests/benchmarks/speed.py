"""`python -m tests.benchmarks.speed`: start-up and what it imports, a healthy check beside a bare script, dead paths beside the timeout they ask for.

Commands that are compared take turns, so that what else the machine does hits them alike; ratios are of medians. As root also the dead paths,
each in a world of network namespaces.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping

from oairunbook import lab
from tests.benchmarks.measuring import PROGRAM, PYTHON, as_installed
from tests.world import API, World
from tests.world.scenario import missing_for_any_world

ERROR = b"openai.APIConnectionError: Connection error.\n"
STEP_SECONDS = 5.0


def taking_turns(
    commands: Mapping[str, tuple[str, ...]], times: int, environment: Mapping[str, str | None] | None = None
) -> dict[str, float]:
    """Median seconds of each command, all of them run in turn *times* times."""
    variables = {**os.environ}
    for name, value in (environment or {}).items():
        variables.pop(name, None)
        if value is not None:
            variables[name] = value
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(1 + times):
        for name, command in commands.items():
            began = time.monotonic()
            subprocess.run(command, input=ERROR, env=variables, capture_output=True, check=False)
            seconds[name].append(time.monotonic() - began)
    # The first turn compiles the modules and fills the caches.
    return {name: statistics.median(taken[1:]) for name, taken in seconds.items()}


def table(title: str, seconds: Mapping[str, float], against: str) -> None:
    print(f"\n{title}")
    for name, median in seconds.items():
        print(f"  {name:<44} {median:7.3f} s  {median / seconds[against]:5.2f} x", flush=True)


def start_up(times: int) -> None:
    commands = {
        "python -c 'import httpx'": (*PYTHON, "-c", "import httpx"),
        "oairunbook --help": (*PROGRAM, "--help"),
        "oairunbook triage of a bare error": (*PROGRAM, "triage", "-"),
    }
    table(f"start-up, {times} turns", taking_turns(commands, times), "python -c 'import httpx'")


def budget(times: int) -> None:
    """What the imports of a command take, and which modules most of it: the least of several turns, as noise only adds."""
    commands = {"--help": ("--help",), "triage": ("triage", "-"), "check": ("check", "-q", "--timeout", "1")}
    nowhere = {**os.environ, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    for name, arguments in commands.items():
        least: dict[str, int] = {}
        for _ in range(1 + times):
            done = subprocess.run(
                (*PYTHON, "-X", "importtime", "-m", "oairunbook.cli", *arguments),
                input=ERROR,
                env=nowhere,
                capture_output=True,
                check=False,
            )
            for self_us, module in _IMPORTED.findall(done.stderr.decode()):
                least[module] = min(int(self_us), least.get(module, int(self_us)))
        parts: dict[str, int] = {}
        for module, self_us in least.items():
            part = module.partition(".")[0]
            parts[part] = parts.get(part, 0) + self_us
        print(f"\nimports of {name}: {len(least)} modules, {sum(least.values()) / 1000:.0f} ms; the most:")
        for what, taken in (("packages", parts), ("modules", least)):
            most = sorted(taken.items(), key=lambda item: -item[1])[:8]
            print(f"  {what:<9}" + ", ".join(f"{module} {self_us / 1000:.1f}" for module, self_us in most), flush=True)


_IMPORTED = re.compile(r"^import time: +(\d+) \| +\d+ \| +([\w.]+)$", re.MULTILINE)


def healthy(times: int) -> None:
    with lab.start("ok") as started:
        commands = {
            "bare script: import the SDK, one request": (*PYTHON, "-c", _bare(started.model)),
            "oairunbook check": (*PROGRAM, "check", "-q", "--model", started.model),
        }
        seconds = taking_turns(commands, times, started.environment)
    table(f"healthy path on loopback, {times} turns", seconds, "bare script: import the SDK, one request")


def _bare(model: str) -> str:
    """What an application does, with the lab's names where the lab brings its own resolver."""
    return (
        "import os, openai\nfrom oairunbook import practice\npractice.install(practice.current(os.environ))\n"
        f"openai.OpenAI().chat.completions.create(model={model!r}, messages=[{{'role': 'user', 'content': 'ping'}}])\n"
    )


def dead_paths() -> None:
    print(f"\ntime to verdict on a dead path, --timeout {STEP_SECONDS:g}")
    for name, kill in (("endpoint", _endpoint), ("resolver", _resolver), ("proxy", _proxy)):
        with World() as world:
            kill(world)
            checked = world.client.check("--timeout", f"{STEP_SECONDS:g}")
        over = checked.ran.seconds - STEP_SECONDS
        print(
            f"  {name:<10} {checked.cause:<22} {checked.ran.seconds:6.2f} s  {over:+5.2f} s beside one step", flush=True
        )


def _endpoint(world: World) -> None:
    world.middle.drop()


def _resolver(world: World) -> None:
    world.middle.drop(port=53, protocol="udp")
    world.middle.drop(port=53, protocol="tcp")


def _proxy(world: World) -> None:
    world.client.use_proxy(f"http://{world.api.place.addresses[0]}:3128")
    world.middle.drop(port=3128)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.speed", description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=11, help="turns of each comparison")
    times = parser.parse_args().times
    print(
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, path to {API}"
    )
    with as_installed():
        start_up(times)
        budget(min(times, 5))
        healthy(times)
        reason = missing_for_any_world()
        if reason:
            print(f"\ndead paths are not measured: {reason}")
        else:
            dead_paths()


if __name__ == "__main__":
    main()
