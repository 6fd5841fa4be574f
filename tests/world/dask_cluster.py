"""A Dask cluster whose workers live in namespaces of their own: `dask_cluster.py`, with what to start as JSON on standard input.

`distributed` is imported once and the workers are forked, as the import takes longer than all else. Each worker has the network, the files
and the environment of its host. One line `ready` comes when all of them have registered; this process' group is ended as a whole.
"""

import asyncio
import json
import os
import sys
import time

from distributed import Scheduler, Worker
from sdk_server import enter

HANG_SECONDS = 3600


async def schedule(host: str, port: int, workers: int) -> None:
    async with Scheduler(host=host, port=port, dashboard=False) as scheduler:
        while len(scheduler.workers) < workers:
            await asyncio.sleep(0.05)
        print("ready", flush=True)
        await scheduler.finished()


async def work(scheduler: str, member: dict) -> None:
    async with Worker(scheduler, name=member["name"], host=member["address"], nthreads=1, dashboard=False) as worker:
        if member["hangs"]:
            # Its event loop no longer turns, as under an extension that holds the interpreter's lock.
            asyncio.get_running_loop().call_later(1, time.sleep, HANG_SECONDS)
        await worker.finished()


def main() -> None:
    order = json.load(sys.stdin)
    host, port = order["host"], order["port"]
    for member in order["members"]:
        if os.fork() == 0:
            enter(member)
            asyncio.run(work(f"tcp://{host}:{port}", member))
            os._exit(0)
    asyncio.run(schedule(host, port, len(order["members"])))


if __name__ == "__main__":
    main()
