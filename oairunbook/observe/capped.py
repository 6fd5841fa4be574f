"""An end to answers that have none: the SDK reads a whole answer into memory, and a few tokens never need much."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from oairunbook.route.transport import library_of

MOST_BYTES = 4 * 1024 * 1024
"""Of a plain answer; a list of a thousand models is a tenth of it."""

MOST_COMPRESSED_BYTES = 128 * 1024
"""Of a compressed one: deflate makes at most a thousand times as much of it (RFC 1951), which still fits into memory."""


class AnswerTooLargeError(Exception):
    """The answer went on beyond what any answer to the minimal request needs."""


def capping(http_client: Any) -> Callable[[Any], None]:
    """A response hook for this client of httpx or httpx2: reading an answer that does not end raises `AnswerTooLargeError`."""
    library = importlib.import_module(library_of(http_client))
    stream_class: Any = library.AsyncByteStream if hasattr(http_client, "aclose") else library.SyncByteStream

    class Capped(stream_class):  # type: ignore[misc]
        def __init__(self, below: Any, most: int) -> None:
            self._below = below
            self._most = most
            self._received = 0

        def _count(self, part: bytes) -> bytes:
            self._received += len(part)
            if self._received > self._most:
                raise AnswerTooLargeError(f"the answer is larger than {self._most} bytes and was cut off")
            return part

        def __iter__(self) -> Iterator[bytes]:
            for part in self._below:
                yield self._count(part)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for part in self._below:
                yield self._count(part)

        def close(self) -> None:
            self._below.close()

        async def aclose(self) -> None:
            await self._below.aclose()

        @property
        def elapsed(self) -> Any:
            # httpx2 reads the time of a response off its stream; without it an error answer of the API cannot be described.
            return getattr(self._below, "elapsed", None)

    def cap(response: Any) -> None:
        compressed = response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
        response.stream = Capped(response.stream, MOST_COMPRESSED_BYTES if compressed else MOST_BYTES)

    return cap
