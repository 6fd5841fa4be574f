"""Looking from every worker of a Dask cluster, by the address of its scheduler (`distributed.Client.run`).

The collector goes to each worker as text, in a call of its own with a deadline of its own: one call for all would wait for the one that
hangs. No task is made, nothing is installed there, and no secret goes along: each worker's own environment is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from oairunbook.collector import on_worker
from oairunbook.collector.carrier import Came, NowhereError
from oairunbook.collector.fleet import INTERRUPTED, ONE_FLEET, Arrived, Outcome, from_one, tool_failed
from oairunbook.collector.place import Place
from oairunbook.collector.there import brought_back, prepare
from oairunbook.evidence import Collector, NotTried
from oairunbook.redaction import Secrets

_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 15.0
"""What a worker's event loop may take to say that it turns, before the collector is sent."""

_WAY_SECONDS = 15.0
"""What the collector's text and its answer may take on their way through the scheduler, beyond its own time."""

_LOOK_SECONDS = 0.2


class NoDaskError(NowhereError):
    """The extra that this needs is not installed here."""


class _BySource:
    """A function that is pickled as the text of its module: worker and client need not have the same Python, nor this package."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self._source = Path(on_worker.__file__).read_text("utf-8")

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"exec(source, globals()) or {self.__name__}", {"source": self._source})


def look_from_workers(
    scheduler: str, arrived: Arrived, *, parallel: int, cancelled: threading.Event, **options: Any
) -> None:
    """Look at the path once from each worker, *parallel* of them at a time.

    Args:
        scheduler: Its address, for example `tcp://scheduler:8786`; what `tls://` needs comes from Dask's own configuration.
        arrived: Called with the worker's name and what came of it.
        parallel: Workers that look at the same time.
        cancelled: Set it to end; the collectors that are under way end by their own clock.
        options: What `oairunbook.collector.there.prepare` takes of how to look.

    Raises:
        NoDaskError: There is no `distributed` here.
        NowhereError: No scheduler answers there, or it has no worker. Nothing was sent on any path.
    """
    try:
        import distributed  # noqa: F401 - here and not above: it is an extra, and a second to import
    except ImportError as error:
        raise NoDaskError(
            f"A Dask cluster is asked by Dask's own client, which is not installed here ({error}). Nothing was sent.\n"
            "Next: pip install 'oairunbook[dask]', in the version that the cluster has."
        ) from error
    with _quiet():
        asyncio.run(_Call(scheduler, arrived, parallel, cancelled, options).run())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What Dask's client says of connections that end while a worker hangs is told by the outcome of that worker."""
    import logging

    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


class _Call:
    """One pass over a cluster's workers."""

    def __init__(
        self, scheduler: str, arrived: Arrived, parallel: int, cancelled: threading.Event, options: dict[str, Any]
    ) -> None:
        self._scheduler = scheduler
        self._arrived = arrived
        self._limit = asyncio.Semaphore(parallel)
        self._cancelled = cancelled
        self._options = options
        # Of the address as well: a password does not belong there, and is shown no more for that.
        self._secrets = Secrets.from_environment({**os.environ, "scheduler": scheduler})

    async def run(self) -> None:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port

        # Shown in every error, and in the records.
        shown = self._secrets.redact_text(self._scheduler)
        try:
            # Before there is a client: one whose address is none leaves calls behind that nobody waits for.
            get_address_host_port(self._scheduler)
            client = await Client(
                self._scheduler,
                asynchronous=True,
                timeout=_CONNECT_SECONDS,
                set_as_default=False,
                direct_to_workers=False,
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise NowhereError(
                f"No Dask scheduler answers at {shown}: {self._secrets.redact_text(str(error))}. Nothing was sent on any path.\n"
                "Next: give the address that Dask's own client takes, for example tcp://scheduler:8786"
            ) from error
        try:
            workers = await _workers(client)
            if not workers:
                raise NowhereError(f"The Dask scheduler at {shown} has no worker. Nothing was sent on any path.")
            tasks = [asyncio.create_task(self._member(client, address, name)) for address, name in workers]
            await self._wait(tasks)
        finally:
            # A scheduler waits on behalf of a worker that hangs; its goodbye is not waited for.
            with contextlib.suppress(TimeoutError, OSError):
                await asyncio.wait_for(client.close(), _LOOK_SECONDS * 10)

    async def _wait(self, tasks: list[asyncio.Task[None]]) -> None:
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=_LOOK_SECONDS)
            for task in done:
                task.result()
            if self._cancelled.is_set():
                for task in pending:
                    task.cancel()

    async def _member(self, client: Any, address: str, name: str) -> None:
        try:
            async with self._limit:
                outcome = await self._look(client, address)
        except asyncio.CancelledError:
            outcome = INTERRUPTED
        self._arrived(name, outcome)

    async def _look(self, client: Any, address: str) -> Outcome:
        try:
            here = await _on(client, address, _ANSWER_SECONDS, "here")
        except TimeoutError:
            return NotTried(
                reason=f"The worker did not answer within {_ANSWER_SECONDS:g} s: it hangs, or the scheduler cannot reach it. "
                "Nothing was sent on its path."
            )
        if here is not True:
            return NotTried(reason=f"The worker could not be asked: {self._told(here)}. Nothing was sent on its path.")
        place = _place(address, self._scheduler)
        errand = prepare(place, **self._options)
        try:
            found = await _on(client, address, errand.seconds + _WAY_SECONDS, "look", errand.stream, errand.seconds)
        except TimeoutError:
            return tool_failed(
                f"The worker took the collector and did not answer within {errand.seconds + _WAY_SECONDS:.0f} s."
            )
        if not isinstance(found, dict):
            return tool_failed(f"The worker was lost while the collector ran there: {self._told(found)}.")
        if found["ended"] == "no Python":
            return NotTried(
                reason=f"The worker's Python cannot be started again: {found['said']}. Nothing was sent on its path."
            )
        if found["ended"] == "no thread":
            return tool_failed(
                f"No thread can be started in the worker: {found['said']}. Nothing was sent on its path."
            )
        came = Came()
        came.stdout, came.stderr, came.status = found["stdout"], found["stderr"], found["status"]
        errand.answers.feed(came.stdout)
        if not errand.answers.ended:
            how = f"was ended after {errand.seconds:.0f} s" if found["ended"] else f"ended with status {came.status}"
            said = self._secrets.redact_text(came.last_words())
            return tool_failed(
                f"The collector {how} in the worker, and no record came back. It said: {said or 'nothing'}"
            )
        return from_one(lambda: brought_back(place, errand, came))

    def _told(self, error: object) -> str:
        return self._secrets.redact_text(f"{type(error).__name__}: {error}")


async def _workers(client: Any) -> list[tuple[str, str]]:
    """Address and name of each worker, in the order of their names. A name is what somebody gave it, or its address."""
    try:
        identity = await client.scheduler.identity(n_workers=-1)
    except TypeError:
        # Schedulers before 2025.5 know no such argument and tell of all.
        identity = await client.scheduler.identity()
    return _by_name({address: known.get("name") for address, known in identity["workers"].items()})


def _by_name(names: Mapping[str, object]) -> list[tuple[str, str]]:
    """Address and name of each. A name may be the number 0."""
    found = [(address, address if name is None else str(name) or address) for address, name in names.items()]
    often = Counter(name for _, name in found)
    named = [(address, f"{name} {address}" if often[name] > 1 else name) for address, name in found]
    return sorted(named, key=lambda one: (not one[1].isdecimal(), one[1].zfill(12) if one[1].isdecimal() else one[1]))


async def _on(client: Any, address: str, seconds: float, function: str, *arguments: Any) -> Any:
    """What the function returns on that worker, or the exception by which it could not be called there.

    Raises:
        TimeoutError: The worker did not answer in time.
    """
    call = client.run(_BySource(function), *arguments, workers=[address], on_error="return")
    answers = await asyncio.wait_for(call, seconds)
    return answers.get(address, LookupError("the scheduler no longer knows it"))


def _place(address: str, scheduler: str) -> Place:
    return Place(
        argv=(),
        collector=Collector(carrier="worker", command=f"Dask worker {address} of {scheduler}"),
        environment={},
        fingerprinted_as=ONE_FLEET,
    )
