"""What is asked once the path is open, or found closed: a request without credentials, and the application's own, each no more often than it tells."""

from __future__ import annotations

import threading
from collections.abc import Callable

from oairunbook.evidence import Connected, ConnectFailed, HttpAnswer, Outcome
from oairunbook.observe import clients, sdk
from oairunbook.observe.attempts import Attempts
from oairunbook.observe.collection import Collection, Task
from oairunbook.observe.counter import PATIENCE_SECONDS
from oairunbook.observe.credential import may_be_trusted, may_go_out
from oairunbook.observe.own_requests import ANSWER_SECONDS, OwnRequests
from oairunbook.observe.path import Path
from oairunbook.observe.stream import Deadline, Stream

_LONG_SILENCE_SECONDS = 5.0
"""After so long without an answer to a request that computes it is worth another one, however short the steps are."""


class Requests:
    """The requests of one walk; each becomes an observation."""

    def __init__(
        self,
        path: Path,
        collection: Collection,
        timeout: float,
        until: Callable[[Callable[[], bool], float], bool],
        client: Callable[[], clients.Client | None] | None,
    ) -> None:
        """*until* waits for a condition, at most so long; *client* for the SDK's client, and gives it. None where there is no SDK."""
        self._path = path
        self._route = path.route
        self._collection = collection
        self._timeout = timeout
        self._until = until
        self._has_sdk = client is not None
        self._client = client or (lambda: None)
        self._own = OwnRequests(path.route, collection, timeout, until)
        # Not time.sleep: it fails under libfaketime, with which people test clocks.
        self._pause = threading.Event()
        self._any_unsent = False

    def make(self, address: str, stream: Stream, attempts: Attempts, *, addresses: int) -> bool:
        """One request without credentials and the SDK's own, side by side. True if the SDK's own succeeded.

        *addresses* says how many are walked to: a new connection of the SDK first tries those that are dead.
        """
        client = self._client()
        plain = self._collection.begin(
            "http", "http", "http", f"{self._route.host}, no credentials", lambda: self._plain_request(stream, address)
        )
        if client is None:
            if self._has_sdk:
                self._collection.skip(
                    "sdk", "sdk", "api", "the SDK's minimal request", "the SDK's client could not be built"
                )
            self._until(lambda: plain.done, self._timeout + 0.5)
            return not self._has_sdk and isinstance(plain.outcome, HttpAnswer)
        # Only a completed handshake leads here. How an application's client comes by its key is its own matter.
        may = may_be_trusted if client.of_the_application else may_go_out
        own = may(self._route, verified=client.verifies)
        if client.of_the_application and not own:
            self._keeps_its_key()
            self._until(lambda: plain.done, self._timeout + 0.5)
            return False
        model = self._model(client, own=own)
        tasks = [self._own.begin(client, model, stream=False, own=own)]
        second: Task | None = None
        if model is not None:
            tasks.append(self._own.begin(client, model, stream=True, own=own))
            # What breaks every other stream spares the first one.
            second = self._own.begin(client, model, stream=True, own=own, second=True) if own else None
        self._until(lambda: plain.done, self._timeout + 0.5)
        # Somebody who answers a request without credentials may take longer for one that computes.
        answers = isinstance(plain.outcome, HttpAnswer)
        # A new connection of the SDK first tries the dead addresses, one after another.
        dialling = self._timeout * self._unreached_addresses(addresses) if answers else 0.0
        # Whoever has neither answered nor been silent to the end yet: this machine is what is slow.
        patience = (ANSWER_SECONDS if answers else 1.0 if plain.done else self._timeout) + dialling
        last = Deadline.after(patience)
        whole, *streamed = tasks
        beside: tuple[Task, ...] = ()
        silence = max(self._timeout, _LONG_SILENCE_SECONDS)
        useful = answers and own and model is not None and not dialling
        useful = useful and not self._until(lambda: whole.done, silence)
        if useful and self._until(lambda: whole.done or attempts.no_post_is_answered, 1.0) and not whole.done:
            # Not even a POST that nothing has to be computed for: whoever is so silent to a GET is not waited for either.
            useful, patience, last = False, 0.0, Deadline.after(0.0)
        if useful and not whole.done:
            assert model is not None
            beside = self._own.in_small_segments(client, model)
            self._until(lambda: whole.done or not beside or beside[0].done, silence)
            if beside and not whole.done and not beside[0].done and self._own.at_once(beside[1]):
                # Twice nothing in so long each, and at once in small segments: to wait longer would tell nothing.
                patience, last = 0.0, Deadline.after(0.0)
        self._until(lambda: whole.done, last.left)
        # What arrives whole in so long does not take twice as long to begin and end as a stream.
        longest = max(self._timeout, whole.seconds) + dialling if answers or whole.done or not plain.done else 0.0
        self._until(lambda: all(task.done for task in streamed), min(patience, longest))
        if second is not None and not self._until(lambda: second.done, PATIENCE_SECONDS) and streamed[0].done:
            # It began beside one that has long come: to its own time limit, which tells whether it had begun to arrive.
            self._until(lambda: second.done, self._timeout)
        # A first event may take long, and whoever sends one after the other has not stopped.
        self._until(lambda: not any(self._own.arrives(task) for task in streamed), last.left)
        self._any_unsent = any(self._own.unsent(task) for task in tasks)
        for task in (*tasks, *((second,) if second else ()), *beside):
            if not task.done:
                self._own.give_up(task)
        if own and model is not None:
            self._own.once_more(client, model, whole, streamed[0], second)
        return all(getattr(task.outcome, "kind", "") == "sdk_answered" for task in tasks)

    def _model(self, client: clients.Client, *, own: bool) -> str | None:
        """The model to ask: the route's, or one that the key sees; none on Azure, where only the route can name it."""
        if self._route.model is not None:
            return self._route.model.value
        if self._route.family == "azure":
            return None
        return sdk.pick_model(self._models(client)) if own else sdk.PREFERRED_MODELS[0]

    def apart(self, pause: float) -> None:
        """The application's own requests once more, one after the other, with nothing else under way."""
        self._any_unsent = False
        client = self._client()
        if client is None or client.of_the_application:
            return
        own = may_go_out(self._route, verified=client.verifies)
        model = self._model(client, own=own)
        for stream in (False, True) if model is not None else (False,):
            self._pause.wait(pause)
            task = self._own.begin(client, model, stream=stream, own=own, apart=True)
            if not self._until(lambda task=task: task.done, self._timeout + ANSWER_SECONDS):  # type: ignore[misc]
                self._own.give_up(task)
                return

    def unsent_again(self) -> None:
        """Where one was given up before it had been sent: made by themselves, they tell of the path and not of what was beside them."""
        if self._any_unsent:
            self.apart(0.0)

    def _models(self, client: clients.Client) -> tuple[str, ...]:
        """The models that this key sees; none if they do not come within one step's time."""
        found: list[tuple[str, ...]] = []
        step = self._step
        asking = threading.Thread(
            target=lambda: found.append(sdk.list_models(client, timeout=self._timeout, deadline=step)), daemon=True
        )
        asking.start()
        # Not left to the transport: its timeout begins anew with every byte, and an answer that trickles would hold up everything.
        self._until(lambda: not asking.is_alive(), step.left)
        return found[0] if found else ()

    def on_a_broken_path(self) -> None:
        """The exception that the application sees, if the path fails at once. It gets a placeholder for a key."""
        if not self._has_sdk:
            return
        client = self._client()
        what = "the SDK's minimal request"
        if client is None:
            self._collection.skip("sdk", "sdk", "api", what, "the SDK's client could not be built")
            return
        if self._path_is_silent():
            self._collection.skip("sdk", "sdk", "api", what, "the path is silent; the SDK would wait as long again")
            return
        if client.of_the_application and not may_be_trusted(self._route, verified=client.verifies):
            # Should the path work after all, the client sends its key over whatever is there.
            self._keeps_its_key()
            return
        model = self._route.model.value if self._route.model else sdk.PREFERRED_MODELS[0]
        task = self._own.begin(client, model, stream=False, own=client.of_the_application)
        if not self._until(lambda: task.done, min(self._timeout, 3.0)):
            self._own.give_up(task)

    def _keeps_its_key(self) -> None:
        reason = "the application's client would send its key where no certificate is verified"
        self._collection.skip("sdk", "sdk", "api", "the SDK's minimal request", reason)

    def _unreached_addresses(self, addresses: int) -> int:
        """How many addresses of the dialled host have not accepted a connection, or not yet."""
        reached = sum(
            o.probe == "tcp" and o.changed is None and o.attempt == 1 and isinstance(o.outcome, Connected)
            for o in self._collection.so_far()
        )
        return max(0, addresses - reached)

    def _path_is_silent(self) -> bool:
        """Whether a step ended in silence or was stopped: nobody refused, nobody answered."""
        for observation in self._collection.so_far():
            outcome = observation.outcome
            if outcome.kind == "stopped" and observation.probe != "status":
                return True
            if isinstance(outcome, ConnectFailed) and outcome.errors[0].errno_name == "ETIMEDOUT":
                return True
            if getattr(outcome, "ended", None) == "silence" and observation.probe in ("proxy", "tls"):
                return True
        return False

    def _plain_request(self, stream: Stream, address: str) -> Outcome:
        stream.deadline = self._step
        return self._path.request(stream, address)

    @property
    def _step(self) -> Deadline:
        """One step's time from now, inside the budget."""
        return self._collection.deadline.sooner(self._timeout)
