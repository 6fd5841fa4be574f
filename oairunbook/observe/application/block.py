"""`oairunbook.observe()`: a block of the application that records how a call of the SDK in it fails, and changes nothing of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from oairunbook.observe.application.recording import is_asynchronous, recording

if TYPE_CHECKING:
    from oairunbook.evidence import Observation
    from oairunbook.observe.application.failure import Failure
    from oairunbook.observe.application.record import Seen

LOGGER = "oairunbook"
_MOST_KINDS = 64
"""Kinds of failures that are told apart when the same one comes again."""

_lock = threading.Lock()
_last: dict[tuple[str, ...], tuple[float, int]] = {}
"""Kind of failure to when it was recorded last, and how many came since."""


class Observing:
    """Record how a call of the SDK in this block fails. One may be entered as often as one likes, also by several threads and tasks at once.

    Args:
        client: The client of which `recording` keeps the steps; None for one that is watched already, or for none.
        path: A folder, made if it is not there, in which each failure gets a file of its own; or, where the name ends in `.json`, one file,
            which each failure overwrites. None for what `OAIRUNBOOK_OBSERVE` names.
        callback: Called with the record.
        logger: Gets the record as one line; without it the logger `oairunbook`, where no path and no callback is named or the path cannot be written.
        every: Seconds within which a failure like the last one is counted and not recorded.
        seconds: How long a record is waited for.
        test: Also make the same-path test, by the client that failed.
        budget: Seconds for that test.
    """

    __slots__ = ("_budget", "_callback", "_every", "_logger", "_path", "_seconds", "_test")

    def __init__(
        self,
        client: Any = None,
        *,
        path: str | os.PathLike[str] | None = None,
        callback: Callable[[str], object] | None = None,
        logger: logging.Logger | None = None,
        every: float = 10.0,
        seconds: float = 2.0,
        test: bool = False,
        budget: float = 15.0,
    ) -> None:
        self._path = path
        self._callback = callback
        self._logger = logger
        self._every = every
        self._seconds = seconds
        self._test = test
        self._budget = budget
        if client is not None:
            try:
                recording(client)
            except Exception as error:
                _say("the client cannot be watched", error)

    def __enter__(self) -> Observing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            work = self._work(error)
            if work is not None:
                _begun(lambda: work(None)).wait(self._bound)

    async def __aenter__(self) -> Observing:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception):
            return
        work = self._work(error)
        if work is None:
            return
        loop = _running_loop()
        if loop is None:
            # Another library's loop, trio's for example.
            _begun(lambda: work(None)).wait(self._bound)
            return
        ended = asyncio.Event()
        _begun(lambda: work(loop), lambda: loop.call_soon_threadsafe(ended.set))
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ended.wait(), self._bound)

    @property
    def _bound(self) -> float:
        return self._seconds + (self._budget if self._test else 0.0)

    def _work(self, error: Exception) -> Callable[[asyncio.AbstractEventLoop | None], None] | None:
        """What is to be done about this failure; None if it is not one of the SDK's, or the same was recorded just now."""
        # Here and not above: as long as nothing fails, nothing is loaded and nothing is computed.
        try:
            from oairunbook.observe.application.failure import read

            failure = read(error)
            passed_over = None if failure is None else _due(failure, self._every)
        except Exception as problem:
            _say("a failure could not be read", problem)
            return None
        if failure is None or passed_over is None:
            return None
        return lambda loop: self._record(failure, passed_over, loop)

    def _record(self, failure: Failure, passed_over: int, loop: asyncio.AbstractEventLoop | None) -> None:
        from oairunbook.evidence import dumps
        from oairunbook.observe.application import telling
        from oairunbook.observe.application.record import see

        seen = see(failure)
        place = telling.named(os.fspath(self._path) if self._path is not None else None)
        evidence = seen.evidence()
        file = None
        if place is not None:
            # Before the test: whoever ends this process meanwhile loses nothing.
            with _telling_of(place, seen):
                into = telling.file_for(place)
                telling.write(into, dumps(evidence))
                file = into
        if self._test and seen.route.host:
            began = time.monotonic()
            more = self._look(failure, seen, loop)
            evidence = seen.evidence(more, time.monotonic() - began)
            if place is not None and file is not None:
                into, file = file, None
                with _telling_of(place, seen):
                    telling.write(into, dumps(evidence))
                    file = into
        if self._logger is not None or (file is None and self._callback is None):
            (self._logger or logging.getLogger(LOGGER)).error("%s", telling.line(evidence, passed_over))
        if self._callback is not None:
            self._callback(dumps(evidence))

    def _look(self, failure: Failure, seen: Seen, loop: asyncio.AbstractEventLoop | None) -> tuple[Observation, ...]:
        """The same-path test by the client that failed; by a default one where that one is asynchronous and its loop cannot be had."""
        from oairunbook.observe import CutShortError
        from oairunbook.observe import observe as look
        from oairunbook.observe.awaiting import Awaiting
        from oairunbook.observe.clients import adopt

        described = seen.described
        build = None
        if described is not None and (loop is not None or not is_asynchronous(failure.client)):
            build = lambda: adopt(failure.client, described, Awaiting(loop))  # noqa: E731 - a lambda that closes over what was checked here
        try:
            environment = described.environment if described is not None else None
            return look(
                seen.route, seen.secrets, budget=self._budget, environment=environment, build=build
            ).observations
        except CutShortError as cut:
            return cut.evidence.observations


@contextlib.contextmanager
def _telling_of(place: str, seen: Seen) -> Iterator[None]:
    """A record that cannot be written there is told to the log, with the system's reason, and what to name instead."""
    try:
        yield
    except (OSError, ValueError) as problem:
        # The system's own words: the text of any other exception may hold anything.
        reason = getattr(problem, "strerror", None) or type(problem).__name__
        logging.getLogger(LOGGER).warning(
            "oairunbook: a failure could not be recorded in %s: %s. Name in path= or OAIRUNBOOK_OBSERVE a folder that this process may write to, "
            "or a file that ends in .json",
            seen.secrets.redact_text(repr(place)),
            reason,
        )


def _begun(work: Callable[[], None], then: Callable[[], object] | None = None) -> threading.Event:
    """Do it in a thread, so that it can be waited for with a bound; where no thread can be had, do it here. What fails is told to the log."""
    done = threading.Event()

    def run() -> None:
        try:
            work()
        except Exception as problem:
            _say("a failure could not be recorded", problem)
        finally:
            done.set()
            if then is not None:
                # The loop may be closed by now.
                with contextlib.suppress(RuntimeError):
                    then()

    try:
        threading.Thread(target=run, name="oairunbook record", daemon=True).start()
    except RuntimeError:
        run()
    return done


def _due(failure: Failure, every: float) -> int | None:
    """How many of this kind were passed over since the last record; None if that is too short a time ago."""
    from oairunbook.observe.errors import every_exception

    links = [link for link, _ in every_exception(failure.error)]
    kind = (
        *(type(link).__name__ for link in links),
        *(str(getattr(link, name, None)) for link in links for name in ("errno", "verify_code", "status_code")),
    )
    now = time.monotonic()
    with _lock:
        at, passed_over = _last.pop(kind, (None, 0))
        if at is not None and now - at < every:
            _last[kind] = (at, passed_over + 1)
            return None
        _last[kind] = (now, 0)
        while len(_last) > _MOST_KINDS:
            del _last[next(iter(_last))]
    return passed_over


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _say(what: str, problem: BaseException) -> None:
    """The class alone: the text may hold anything."""
    with contextlib.suppress(Exception):
        logging.getLogger(LOGGER).warning("oairunbook: %s: %s", what, type(problem).__name__)
