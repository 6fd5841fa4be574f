"""Calls of an asynchronous client from a thread without an event loop: in the client's own loop, because its connections belong to that one."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from typing import Any


class Awaiting:
    """Waits for what an asynchronous client returns, and hands on at once what a synchronous one does."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """*loop* is one that runs in another thread; one is started when it is first wanted if it is None."""
        self._loop = loop
        self._lock = threading.Lock()

    def wait(self, item: Any) -> Any:
        """The result. Context variables of this thread hold for the call.

        Raises:
            Exception: Whatever the call raises.
        """
        if not inspect.isawaitable(item):
            return item
        return asyncio.run_coroutine_threadsafe(_await(item), self._running()).result()

    def each(self, stream: Any) -> Iterator[Any]:
        """The events of a stream, one by one."""
        if not hasattr(stream, "__anext__"):
            yield from stream
            return
        while (event := self.wait(_next(stream))) is not None:
            yield event[0]

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="oairunbook loop", daemon=True).start()
            return self._loop


async def _await(item: Any) -> Any:
    return await item


async def _next(stream: Any) -> tuple[Any] | None:
    try:
        return (await stream.__anext__(),)
    except StopAsyncIteration:
        return None
