"""An end to answers that have none: the SDK reads a whole answer into memory, and a few tokens never need much."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

MOST_BYTES = 4 * 1024 * 1024
"""Of a plain answer; a list of a thousand models is a tenth of it."""

MOST_COMPRESSED_BYTES = 128 * 1024
"""Of a compressed one: deflate makes at most a thousand times as much of it (RFC 1951), which still fits into memory."""


class AnswerTooLargeError(Exception):
    """The answer went on beyond what any answer to the minimal request needs."""


def capping(http_client: Any) -> Callable[[Any], None]:
    """A response hook for this client of httpx or httpx2: reading an answer that does not end raises `AnswerTooLargeError`."""
    stream_class: Any = _transport_of(http_client).SyncByteStream

    class Capped(stream_class):  # type: ignore[misc]
        def __init__(self, below: Any, most: int) -> None:
            self._below = below
            self._most = most

        def __iter__(self) -> Iterator[bytes]:
            received = 0
            for part in self._below:
                received += len(part)
                if received > self._most:
                    raise AnswerTooLargeError(f"the answer is larger than {self._most} bytes and was cut off")
                yield part

        def close(self) -> None:
            self._below.close()

        @property
        def elapsed(self) -> Any:
            # httpx2 reads the time of a response off its stream; without it an error answer of the API cannot be described.
            return getattr(self._below, "elapsed", None)

    def cap(response: Any) -> None:
        compressed = response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
        response.stream = Capped(response.stream, MOST_COMPRESSED_BYTES if compressed else MOST_BYTES)

    return cap


def _transport_of(http_client: Any) -> Any:
    """The module that this client is a client of: the SDK's own client classes derive from its `Client`."""
    base = next(kind for kind in type(http_client).__mro__ if kind.__name__ == "Client")
    return importlib.import_module(base.__module__.partition(".")[0])
