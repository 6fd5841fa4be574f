"""The application's own minimal request, whole and streamed, and what is made of it once more where one answer does not tell."""

from __future__ import annotations

from collections.abc import Callable

from oairunbook.evidence import HttpAnswer, Outcome, Route, SdkAnswered, SdkFailed
from oairunbook.observe import clients, sdk
from oairunbook.observe.collection import Collection, Task
from oairunbook.observe.counter import PATIENCE_SECONDS
from oairunbook.observe.stream import SMALL_SEGMENT_BYTES

ANSWER_SECONDS = 15.0
"""How long the API may take for a few tokens once it has shown that it answers at all."""

_MORE_OF_EACH = 4
"""Further requests of each kind: what hits half of all requests by chance hits, or spares, all of one kind once in sixteen times."""


_OF_SOME = (401, 403, 404, 429)
"""Statuses that one of several servers behind a name may give, by its key or its models, where another one answers well."""


class OwnRequests:
    """Requests of the SDK on one route; each becomes an observation."""

    def __init__(
        self, route: Route, collection: Collection, timeout: float, until: Callable[[Callable[[], bool], float], bool]
    ) -> None:
        self._route = route
        self._collection = collection
        self._timeout = timeout
        self._until = until
        self._under_way: dict[Task, sdk.UnderWay] = {}

    def begin(
        self,
        client: clients.Client,
        model: str | None,
        *,
        stream: bool,
        own: bool,
        number: int = 1,
        small: bool = False,
        second: bool = False,
        apart: bool = False,
    ) -> Task:
        """Begin one request: a POST, or a listing of models where no model is known; *number* from 2 on makes it once more."""
        identity, changed = "sdk.stream" if stream else "sdk", None
        if number > 1:
            identity = f"sdk.stream.again:{number}" if stream else f"sdk.again:{number}"
            changed = "the same request once more"
        if second:
            identity, changed = "sdk.stream.second", "a second stream beside the first"
        if apart:
            identity, changed = f"{identity}:apart", "with nothing else under way"
        if small:
            identity, changed = "sdk.small_segments", f"segments of at most {SMALL_SEGMENT_BYTES} bytes both ways"
        # Beside one that has come, a stream is only waited for so long that it can be told whether it began.
        beside = second or 1 < number < 2 + _MORE_OF_EACH
        seconds = self._timeout if beside else self._timeout + ANSWER_SECONDS
        what = "POST, streamed" if stream else ("POST" if model else "GET, no model named")
        under_way = sdk.UnderWay()
        task = self._collection.begin(
            identity,
            "sdk",
            "api",
            f"the SDK's minimal request ({what})",
            lambda: sdk.minimal_request(
                clients.in_small_segments(client) if small else client,
                model=model,
                stream=stream,
                own_credential=own,
                timeout=self._timeout,
                deadline=self._collection.deadline.sooner(seconds),
                under_way=under_way,
            ),
            changed=changed,
        )
        self._under_way[task] = under_way
        return task

    def give_up(self, task: Task) -> None:
        """Record that nobody waits for a request any longer, and how far it had got."""
        task.stop("no answer in time", self._under_way[task].steps())

    def unsent(self, task: Task) -> bool:
        """Whether a request has not been sent yet."""
        return not task.done and self._under_way[task].unsent

    def arrives(self, task: Task) -> bool:
        """Whether an answer has begun and is not done, and its next part may still come."""
        return not task.done and self._under_way[task].arrives(self._timeout)

    def once_more(self, client: clients.Client, model: str, whole: Task, streamed: Task, second: Task | None) -> None:
        """Make both requests some more times, where one of them failed at once or somebody was told to slow down.

        Only that tells a fault of one kind of request from one that every so many requests meet.
        """
        ends = [self._passed(whole), self._passed(streamed)]
        if second is not None and all(ends) and self._broke_off(second):
            ends.append(False)
        if second is not None and not any(ends) and self._passed(second):
            # Of three at once what hits every second request may have spared the second stream alone.
            ends.append(True)
        slowed = any(self._slowed(o.outcome) for o in self._collection.so_far())
        if None in ends or not any(ends) or (all(ends) and not slowed):
            return
        for number in range(2, 2 + _MORE_OF_EACH):
            # One after the other, and the other one first in every second turn: else what hits every second request hits one kind alone.
            for stream in (number % 2 == 0, number % 2 == 1):
                task = self.begin(client, model, stream=stream, own=True, number=number)
                if not self._until(lambda task=task: task.done, self._timeout + PATIENCE_SECONDS):  # type: ignore[misc]
                    self.give_up(task)
                    return
                if self._stopped_arriving(task):
                    # Each further one would take as long.
                    return

    def in_small_segments(self, client: clients.Client, model: str) -> tuple[Task, ...]:
        """A large answer may never arrive where small ones do: the same request again, and once in small segments."""
        if self._route.proxy.url or client.of_the_application:
            # The transport is made anew for it: of an application's own it is not known how.
            return ()
        again = self.begin(client, model, stream=False, own=True, number=2 + _MORE_OF_EACH)
        small = self.begin(client, model, stream=False, own=True, small=True)
        return again, small

    def at_once(self, task: Task) -> bool:
        """Whether a request was answered, and so soon that this machine is not what was slow."""
        return isinstance(task.outcome, SdkAnswered) and self._took(task) < PATIENCE_SECONDS

    def _broke_off(self, task: Task) -> bool:
        """Whether a request failed at once, and not because there were too many."""
        answer = task.outcome.answer if isinstance(task.outcome, SdkFailed) else None
        return self._stopped_arriving(task) or (
            self._passed(task) is False and (answer is None or answer.status != 429)
        )

    @staticmethod
    def _slowed(outcome: Outcome) -> bool:
        """Whether anybody was told that there are too many requests, with a key or without one."""
        answer = outcome.answer if isinstance(outcome, SdkFailed) else outcome
        return isinstance(answer, HttpAnswer) and answer.status == 429

    def _stopped_arriving(self, task: Task) -> bool:
        """Whether a stream began and then came to no end in its time."""
        outcome = task.outcome
        return isinstance(outcome, SdkFailed) and outcome.answer is None and bool(outcome.chunks)

    def _passed(self, task: Task) -> bool | None:
        """How a request ended: it passed, or it failed at once by the server or on the way. None for anything else."""
        outcome = task.outcome
        if isinstance(outcome, SdkAnswered):
            return outcome.completed
        if isinstance(outcome, SdkFailed) and outcome.answer is not None:
            return False if outcome.answer.status in _OF_SOME or outcome.answer.status >= 500 else None
        return False if isinstance(outcome, SdkFailed) and self._took(task) < self._timeout / 2 else None

    def _took(self, task: Task) -> float:
        return next((o.seconds for o in self._collection.so_far() if o.id == task.identity), task.seconds)
