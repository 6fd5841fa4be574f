"""`python -m tests.benchmarks.peers [NAME…]`: `check` beside what somebody would use instead, on the same faults of the test world.

Beside it stand the SDK's own exception, a script of dig, curl and openssl, Prometheus' blackbox exporter (its modules for HTTP, for TCP with TLS,
and for DNS, which look at the same time) and `apiwells doctor`; one that is not installed is left out, and the table says so. Each looks at the same
broken path, one after the other; `readings.py` says, generously, which causes each one's words name. None of the others names an owner: each is given
the owner of the cause that it names, or of the layer. Said to be wrong is what names a cause, or a layer, and not the right one; `ok` on a broken path as well.

Without names: one scenario of each cause, four healthy ones, and those that come and go. Needs root and what the scenarios need.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tests.scenarios  # noqa: F401 - declares them
from tests.benchmarks import readings
from tests.benchmarks.measuring import as_installed
from tests.benchmarks.readings import read
from tests.world.client import Client
from tests.world.scenario import SCENARIOS, Scenario, missing
from tests.world.sites import NAME_SERVER
from tests.world.world import World

EXPORTER = "prometheus-blackbox-exporter"
DOCTOR = "apiwells"
_PORT = 9115
_EXPORTER_SECONDS = 8

_CONFIGURATION = """\
modules:
  http:
    prober: http
    timeout: {seconds}s
    http:
      valid_status_codes: [200, 401]
      no_follow_redirects: true
{proxy}      preferred_ip_protocol: ip4
  tls:
    prober: tcp
    timeout: {seconds}s
    tcp:
      preferred_ip_protocol: ip4
      tls: true
  dns:
    prober: dns
    timeout: {seconds}s
    dns:
      query_name: {host}
      query_type: A
      preferred_ip_protocol: ip4
"""

_ASK = """
for what in "http&target=$2/models" "tls&target=$1:443" "dns&target=$3"; do
  (echo "module=$what"; curl -s "http://127.0.0.1:$4/probe?debug=true&module=$what") > "answer.${what%%&*}" &
done
wait
cat answer.http answer.tls answer.dns
"""


def _base(client: Client) -> tuple[str, str]:
    """Host and base URL of what the client calls."""
    azure = client.environment.get("AZURE_OPENAI_ENDPOINT")
    base = azure or client.environment.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    return re.sub(r"^\w+://|[:/].*$", "", base), base


def by_exception(client: Client, _: Scenario) -> tuple[str, ...]:
    return read(readings.EXCEPTION, client.sdk(started=True))


def by_script(client: Client, _: Scenario) -> tuple[str, ...]:
    return read(readings.TEXT, client.run("sh", "-c", readings.SCRIPT, "sh", *_base(client), seconds=60).stdout)


def by_exporter(client: Client, _: Scenario) -> tuple[str, ...]:
    told = client.run("sh", "-c", _ASK, "sh", *_base(client), NAME_SERVER, str(_PORT), seconds=60).stdout
    return read(readings.EXPORTER, told)


def by_doctor(client: Client, _: Scenario, *, program: str) -> tuple[str, ...]:
    """It is given the key and the proxies of the environment, which it does not take by itself."""
    options = ("--api-key-env", "OPENAI_API_KEY", "--use-env-proxy", "--timeout", "5", "--json")
    return read(readings.DOCTOR, client.run(program, "doctor", "--base-url", _base(client)[1], *options).stdout)


def by_check(client: Client, scenario: Scenario) -> tuple[str, ...]:
    return (str(client.check(*scenario.options).verdict["cause"]),)


Look = Callable[[Client, Scenario], tuple[str, ...]]


def peers(doctor: str | None) -> dict[str, Look]:
    """Those that are installed."""
    found: dict[str, Look] = {"the SDK's exception": by_exception, "dig, curl, openssl": by_script}
    if shutil.which(EXPORTER):
        found["blackbox exporter"] = by_exporter
    if doctor:
        found["apiwells doctor"] = partial(by_doctor, program=doctor)
    return {**found, "oairunbook check": by_check}


_OWNERS = {"dns": "connection_path", "tcp": "connection_path", "proxy": "connection_path", "tls": "connection_path"}
_OWNERS |= {"http": "connection_path", "client": "client_config", "ok": "none"}


@dataclass(frozen=True)
class Said:
    """What one of them made of one fault."""

    causes: tuple[str, ...]
    seconds: float
    scenario: Scenario

    @property
    def right(self) -> bool:
        return self.scenario.cause in self.causes and len(self.causes) <= readings.FEW

    @property
    def owner_right(self) -> bool:
        if self.scenario.cause in self.causes:
            return True
        return {_OWNERS.get(cause.partition(".")[0], "unknown") for cause in self.causes} == {self.scenario.owner}

    @property
    def wrong(self) -> bool:
        return self.causes != ("unknown",) and self.scenario.cause not in self.causes

    @property
    def word(self) -> str:
        if self.right or self.scenario.cause not in self.causes:
            return "right" if self.right else self.causes[0]
        return f"a {self.causes[0].partition('.')[0]} fault"


def _beside_each_other(scenario: Scenario, looks: dict[str, Look]) -> dict[str, Said]:
    said = {}
    with World() as world:
        steps = scenario.steps(world)
        next(steps)
        client = world.client
        if "blackbox exporter" in looks:
            _start_exporter(client)
        for name, look in looks.items():
            began = time.monotonic()
            try:
                causes = look(client, scenario)
            except Exception as error:
                causes = (f"failed: {type(error).__name__}",)
            said[name] = Said(causes, time.monotonic() - began, scenario)
        next(steps, None)
    return said


def _start_exporter(client: Client) -> None:
    """It is a service that runs already when something fails, so its start is not counted."""
    file = Path(client.folder) / "blackbox.yml"
    # It takes no proxy from the environment (0.23).
    named = (client.environment.get(name, "") for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    proxy = next(filter(None, named), "")
    line = f"      proxy_url: {proxy}\n" if re.match("https?://", proxy) else ""
    file.write_text(_CONFIGURATION.format(seconds=_EXPORTER_SECONDS, host=_base(client)[0], proxy=line))
    command = [EXPORTER, f"--config.file={file}", f"--web.listen-address=127.0.0.1:{_PORT}"]
    client.start(command, ready=client.listening(_PORT), environment=client.environment)


def _one_of_each() -> Iterator[Scenario]:
    seen: dict[str, int] = {}
    for scenario in SCENARIOS.values():
        if missing(scenario):
            continue
        seen[scenario.cause] = seen.get(scenario.cause, 0) + 1
        if scenario.intermittent or seen[scenario.cause] <= (4 if scenario.cause == "ok" else 1):
            yield scenario


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios, or beginnings of their names")
    parser.add_argument("--doctor", metavar="FILE", default=shutil.which(DOCTOR), help="the program apiwells")
    given = parser.parse_args()
    if lacking := [program for program in ("dig", "curl", "openssl") if shutil.which(program) is None]:
        parser.error(f"not installed: {', '.join(lacking)}")
    names = tuple(given.names)
    chosen = [s for n, s in SCENARIOS.items() if n.startswith(names) and not missing(s)] if names else [*_one_of_each()]
    looks = peers(given.doctor)
    for name, there in ((EXPORTER, "blackbox exporter" in looks), (DOCTOR, bool(given.doctor))):
        if not there:
            print(f"{name} is not installed, and not in the table")
    total: dict[str, list[Said]] = {name: [] for name in looks}
    print(f"{'scenario':46} {'cause':30} " + " ".join(f"{name:>24}" for name in looks))
    with as_installed():
        for scenario in chosen:
            said = _beside_each_other(scenario, looks)
            for name, one in said.items():
                total[name].append(one)
            cells = [f"{one.word[:16]:>16} {one.seconds:5.1f} s" for one in said.values()]
            print(f"{scenario.name:46} {scenario.cause:30} {' '.join(f'{cell:>24}' for cell in cells)}", flush=True)
    _print(total)
    return 0


def _print(total: dict[str, list[Said]]) -> None:
    number = len(next(iter(total.values())))
    print(f"\n| of {number} scenarios | median seconds | slowest | causes right | owners right | wrong claims |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, said in total.items():
        seconds = [one.seconds for one in said]
        counts = [sum(getattr(one, what) for one in said) for what in ("right", "owner_right", "wrong")]
        print(
            f"| {name} | {statistics.median(seconds):.1f} | {max(seconds):.1f} | {counts[0]} | {counts[1]} | {counts[2]} |"
        )


if __name__ == "__main__":
    sys.exit(main())
