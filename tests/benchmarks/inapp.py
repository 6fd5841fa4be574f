"""`python -m tests.benchmarks.inapp`: what `oairunbook.observe()` and `recording()` cost while nothing fails, beside one request on loopback.

The block alone is counted in nanoseconds, the recording by requests with and without it that take turns against one server, and the first use by
fresh processes. What a failure costs is printed last: it is paid once in ten seconds for each kind of failure.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
import timeit
from typing import Any

import openai

import oairunbook
from oairunbook.lab import wire
from oairunbook.lab.listener import Listener
from tests.test_application import COMPLETION, JSON, ask

_KEY = "sk-benchmark-not-a-real-key"


def _serve(connection: socket.socket) -> None:
    with connection.makefile("rb") as stream:
        while wire.read_request(stream) is not None:
            wire.send_whole(connection, 200, (JSON,), COMPLETION)


def _row(name: str, value: str, note: str = "") -> None:
    print(f"  {name:<58} {value:>12}  {note}".rstrip(), flush=True)


def block(times: int) -> None:
    print("\nthe block alone, nothing fails")
    client = oairunbook.recording(openai.OpenAI(api_key=_KEY))
    kept = oairunbook.observe(client)
    statements = {
        "with kept: pass": "with kept: pass",
        "with oairunbook.observe(): pass": "with observe(): pass",
        "with oairunbook.observe(client): pass": "with observe(client): pass",
        "pass (the loop itself)": "pass",
    }
    names = {"kept": kept, "observe": oairunbook.observe, "client": client}
    for name, statement in statements.items():
        fastest = min(timeit.repeat(statement, globals=names, number=times, repeat=7)) / times
        _row(name, f"{fastest * 1e9:.0f} ns")


def synchronous(base: str, turns: int) -> None:
    plain, watched = (openai.OpenAI(base_url=base, api_key=_KEY) for _ in range(2))
    oairunbook.recording(watched)

    def one(client: Any) -> None:
        ask(client)

    def observed(client: Any) -> None:
        with oairunbook.observe(client):
            ask(client)

    seconds: dict[str, list[float]] = {"plain": [], "recorded": []}
    for turn in range(turns + 20):
        for name, call, client in (("plain", one, plain), ("recorded", observed, watched)):
            began = time.process_time()
            call(client)
            if turn >= 20:  # connections and caches are there by then
                seconds[name].append(time.process_time() - began)
    _table("synchronous", seconds)
    plain.close()
    watched.close()


async def asynchronous(base: str, turns: int) -> None:
    plain, watched = (openai.AsyncOpenAI(base_url=base, api_key=_KEY) for _ in range(2))
    oairunbook.recording(watched)
    seconds: dict[str, list[float]] = {"plain": [], "recorded": []}
    async with plain, watched:
        for turn in range(turns + 20):
            began = time.process_time()
            await ask(plain)
            plainly = time.process_time() - began
            began = time.process_time()
            async with oairunbook.observe(watched):
                await ask(watched)
            if turn >= 20:
                seconds["plain"].append(plainly)
                seconds["recorded"].append(time.process_time() - began)
    _table("asynchronous", seconds)


def _table(title: str, seconds: dict[str, list[float]]) -> None:
    """Time of the processor, server included: what else the machine does is no part of it."""
    print(f"\none request on loopback, {title}, {len(seconds['plain'])} turns, processor time with the server's")
    plain = statistics.median(seconds["plain"])
    for name, values in seconds.items():
        median = statistics.median(values)
        _row(name, f"{median * 1e6:.0f} us", f"{median / plain:.3f} x, {(median - plain) * 1e6:+.0f} us")


def first_use() -> None:
    print("\nfirst use in a process that has imported the SDK (median of 5)")
    for name, code in (
        ("import oairunbook", "import oairunbook"),
        ("oairunbook.observe()", "import oairunbook; oairunbook.observe()"),
        ("oairunbook.recording(client)", "import oairunbook; oairunbook.recording(client)"),
    ):
        program = f"import time, openai; client = openai.OpenAI(api_key='x'); t = time.process_time(); {code}; print(time.process_time() - t)"
        taken = [
            float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
            for _ in range(5)
        ]
        _row(name, f"{statistics.median(taken) * 1e3:.0f} ms")


def failing(times: int) -> None:
    print(f"\na failure ({times} of them), processor time")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{held.getsockname()[1]}/v1", api_key=_KEY, max_retries=0)
        for name, how in (
            ("unobserved", None),
            ("observed, the same failure again: passed over", {"every": 3600.0}),
            ("observed, recorded to a callback", {"every": 0.0}),
        ):
            taken = []
            for _ in range(times):
                began = time.process_time()
                try:
                    if how is None:
                        ask(client)
                    else:
                        with oairunbook.observe(client, callback=lambda _: None, **how):
                            ask(client)
                except openai.APIConnectionError:
                    taken.append(time.process_time() - began)
            _row(name, f"{statistics.median(taken) * 1e3:.2f} ms")
        client.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.inapp", description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=500, help="requests of each kind")
    turns = parser.parse_args().turns
    print(
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, "
        f"openai {openai.__version__}"
    )
    block(100_000)
    with Listener(_serve) as listener:
        base = f"http://127.0.0.1:{listener.port}/v1"
        synchronous(base, turns)
        asyncio.run(asynchronous(base, turns))
    first_use()
    failing(20)


if __name__ == "__main__":
    main()
