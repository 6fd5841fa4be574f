"""Cheap attempts: the same path again and again up to an unbilled request, to see faults that come and go.

One attempt does what the SDK's synchronous transport does: resolve, dial the addresses one after another, proxy, TLS, one request without
credentials: a GET, or a POST without a message, as some faults hit only where something is computed; every other POST asks for a stream, as some
hit streams alone. Its observations are those of the walk, with the number of the attempt.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

from oairunbook.evidence import (
    DnsAnswer,
    HttpAnswer,
    HttpFailed,
    Layer,
    NameServer,
    Outcome,
    Resolved,
    ResolveFailed,
    TlsFailed,
    TlsHandshake,
)
from oairunbook.observe import dns, sdk
from oairunbook.observe.collection import DEFAULT_REPEAT, Collection
from oairunbook.observe.path import NoPathError, Path
from oairunbook.observe.stream import Deadline

WORKERS = 4
"""Attempts at a time: enough to be quick, too few to look like an attack."""

MORE_WHEN_DIFFERENT = 16
"""How many attempts are added as soon as two of them end differently."""


_MOST_QUESTIONS = 10
_NO_ANSWER = "http silence"
_LATE_SECONDS = 1.0
_PACE_SECONDS = 0.4
_SPREAD_SECONDS, _LONGEST_SPREAD_SECONDS = 0.05, 5.0

_SETTLE_SECONDS, _GAP_SECONDS, _LONG_GAP_SECONDS, _ALONE_SECONDS = 0.4, 0.15, 1.0, 2.0
_FEWEST_ALONE, _FEWEST_SLOW, _MOST_ALONE, _MOST_SLOW, _BY_CHANCE = 8, 5, 24, 12, 0.02
"""One at a time there are as many as a fault of chance would spare once in fifty times."""

_AT_ONCE = 12

_SEVERAL_OF_EACH = 4


class Attempts:
    """Attempts number 2 and on; the walk itself is number 1."""

    def __init__(self, path: Path, collection: Collection, *, number: int, timeout: float, literal: bool) -> None:
        self._path = path
        self._collection = collection
        self._timeout = timeout
        self._literal = literal
        self._lock = threading.Lock()
        self._next = 2
        self._last = self._asked_for = number
        self._more_began = 0.0
        self._may_grow = number > 1
        self._ends: dict[_Kind, set[str]] = {"GET": set(), "POST": set(), "POST, streamed": set()}
        self._silent_posts = 0
        self._failed = self._passed = self._unanswered = 0
        self._passes: list[bool] = []
        self._under_way: dict[int, float] = {}
        self._chains: set[tuple[str, ...]] = set()
        self._called_off = threading.Event()
        self._workers = [
            threading.Thread(target=self._work, name=f"oairunbook attempts {index}", daemon=True)
            for index in range(min(WORKERS, max(0, number - 1)))
        ]
        for worker in self._workers:
            worker.start()

    @property
    def differ(self) -> bool:
        """Whether they have ended in more than one way."""
        with self._lock:
            return self._some_differ

    @property
    def some_passed(self) -> bool:
        """Whether any was answered."""
        with self._lock:
            return self._passed > 0

    @property
    def no_post_is_answered(self) -> bool:
        """Whether every POST without credentials that has ended, more than one, got no answer in a whole step's time, while a GET got one."""
        with self._lock:
            answered = any(end.startswith("http ") and end != _NO_ANSWER for end in self._ends["GET"])
            return self._silent_posts > 1 and self._ends["POST"] == {_NO_ANSWER} and answered

    @property
    def some_unanswered(self) -> bool:
        """Whether some got no answer and some passed."""
        with self._lock:
            return self._unanswered > 0 and self._passed > 0

    def wait(self, seconds: float, *, silent_seconds: float) -> None:
        """Wait for the attempts, at most so long; then begin no further one. One that has not ended by then is not recorded.

        Those that are silent get *silent_seconds* more: the path of some may be dead.
        """
        self._join(seconds)
        if self._silent:
            self._join(silent_seconds)
        self._called_off.set()

    def apart(self, own: Callable[[float], None], *, walk_failed: bool, walk_passed: bool) -> None:
        """Where some failed and some did not, or none got as far as another one: is it this test, which makes several at a time?

        They are made one at a time, with nothing else under way, until one fails; slower where that one was told that it is too much. If
        none does, *own* is called with the pause between requests, and several are made again. The walk is one of them. *own* is also called
        where they have all failed from some moment on.
        """
        with self._lock:
            failed, passed = self._failed + walk_failed, self._passed + walk_passed
            differ = self._some_differ
        if not failed or not (passed or differ):
            return
        self._join(_SETTLE_SECONDS)
        step, self._timeout = self._timeout, min(self._timeout, _ALONE_SECONDS)
        by_chance = _in_a_row(passed, failed) if passed else 0
        pause = _GAP_SECONDS
        end = self._one_at_a_time(pause, min(max(by_chance, _FEWEST_ALONE), _MOST_ALONE))
        most = failed > passed and end.startswith("tcp")
        if (
            end in _ASKED_TO_SLOW_DOWN
            or end.startswith(("dns", "proxy"))
            or most
            or (end and self._none_passes_any_more)
        ):
            # Name servers, proxies and firewalls do not say that it is too much, and they count what one client asks in a second.
            pause = _LONG_GAP_SECONDS
            end = self._one_at_a_time(pause, min(max(by_chance, _FEWEST_SLOW), _MOST_SLOW), "slowly.")
        self._timeout = step
        if end == "":
            own(pause)
            self._at_once()
        elif self._none_passes_any_more:
            # A guard that counts requests without a valid key would do that, and it spares the application.
            own(pause)
            self._attempt(self._number(), "alone.")

    def _one_at_a_time(self, pause: float, number: int, among: str = "alone.") -> str:
        """How the first of so many ended that failed; empty if none did."""
        time.sleep(max(pause, _SETTLE_SECONDS))
        for _ in range(number):
            if self._collection.deadline.left < _ALONE_SECONDS:
                return "no time is left"
            end = self._attempt(self._number(), among)
            if not _passed(end):
                return end
            time.sleep(pause)
        return ""

    def _at_once(self) -> None:
        """Several attempts whose connections are all open at the same moment, as far as the path lets them."""
        together = _Together(_AT_ONCE)

        def begin() -> None:
            number = self._number()
            with together.member() as wait_for_the_others:
                self._attempt(number, "several.", wait_for_the_others)

        several = [threading.Thread(target=begin, daemon=True) for _ in range(_AT_ONCE)]
        for thread in several:
            thread.start()
        for thread in several:
            thread.join(self._step.left)

    def _number(self) -> int:
        with self._lock:
            number, self._next = self._next, self._next + 1
        return number

    def _join(self, seconds: float) -> None:
        last = time.monotonic() + seconds
        for worker in self._workers:
            worker.join(max(0.0, last - time.monotonic()))

    @property
    def _silent(self) -> bool:
        """Whether an attempt has been under way for longer than any should be: also where all that began are, and none has ended."""
        with self._lock:
            late = time.monotonic() - _LATE_SECONDS
            return any(began < late for began in self._under_way.values())

    def _work(self) -> None:
        while not self._called_off.is_set() and self._collection.deadline.left > 0:
            with self._lock:
                number, self._next = self._next, self._next + 1
                if number > self._last:
                    return
            self._called_off.wait(self._spread_over_time(number))
            with self._lock:
                self._under_way[number] = time.monotonic()
            soonest = time.monotonic() + _PACE_SECONDS
            end = self._attempt(number)
            if not end.startswith("http "):
                # What fails within milliseconds would be tried within a moment, and a fault that comes and goes would look steady.
                self._called_off.wait(max(0.0, soonest - time.monotonic()))
            with self._lock:
                del self._under_way[number]
                self._ends[_kind(number)].add(end)
                self._silent_posts += end == _NO_ANSWER and _kind(number) == "POST"
                self._failed += _may_be_too_many(end)
                self._passed += _passed(end)
                self._unanswered += not _answered(end)
                self._passes.append(_passed(end))
                if self._some_differ and self._may_grow:
                    self._may_grow = False
                    self._last += MORE_WHEN_DIFFERENT

    def _spread_over_time(self, number: int) -> float:
        """Seconds until an attempt may begin: those beyond the usual number are spread over time, as some faults come and go by the clock."""
        more = self._asked_for - DEFAULT_REPEAT
        if more <= 0 or number <= DEFAULT_REPEAT:
            return 0.0
        with self._lock:
            self._more_began = self._more_began or time.monotonic()
        pace = min(_SPREAD_SECONDS, _LONGEST_SPREAD_SECONDS / more)
        return max(0.0, self._more_began + (number - DEFAULT_REPEAT) * pace - time.monotonic())

    @property
    def _none_passes_any_more(self) -> bool:
        """Whether several passed, and after them several failed and none passed."""
        with self._lock:
            failed = next((n for n, passed in enumerate(reversed(self._passes)) if passed), 0)
            return min(failed, sum(self._passes)) >= _SEVERAL_OF_EACH

    @property
    def _some_differ(self) -> bool:
        return any(len(ends) > 1 for ends in self._ends.values())

    def _attempt(self, number: int, among: str = "", connected: Callable[[], None] = lambda: None) -> str:
        """Follow the path once. The text says how it ended, so that two ends can be told apart.

        *connected* is called once the way to the endpoint is open, before the first byte to it.
        """
        route, look = self._path.route, _Look(self._collection, number, among)
        addresses: tuple[str, ...] = (route.dialled_host,)
        if not self._literal:
            name = route.dialled_host
            found = look("dns.system", "dns", f"{name} by the system", lambda: dns.resolve(name, route.dialled_port))
            if not isinstance(found, Resolved):
                assert isinstance(found, ResolveFailed)
                for server in route.resolver.name_servers:
                    look(
                        f"dns.server:{server.address}",
                        "dns",
                        f"{name} by {server.address}",
                        lambda server=server: self._ask(server, name),
                    )
                return f"dns {found.errors[-1].errno_name}"
            addresses = found.addresses
        return self._from_tcp(look, addresses, connected)

    def _from_tcp(self, look: _Look, addresses: tuple[str, ...], connected: Callable[[], None]) -> str:
        path, route = self._path, self._path.route
        failed = "tcp"
        for address in addresses:
            target = f"{address} port {route.dialled_port}"
            outcome = look(f"tcp:{address}", "tcp", target, lambda address=address: path.connect(address, self._step))
            if look.stream is None:
                failed = f"tcp {getattr(outcome, 'errors', ('',))[-1]}"
                continue
            if path.tunnels:
                look.stream.deadline = self._step
                stream = look.stream
                outcome = look(
                    f"proxy:{address}", "proxy", f"{route.proxy.url}", lambda stream=stream: path.tunnel(stream)
                )
                if look.stream is None:
                    return f"proxy {outcome.kind} {getattr(outcome, 'status', '')}"
            connected()
            if route.scheme == "https":
                # The SDK may still be importing; that is no part of the handshake.
                held = path.hold(look.stream)
                look.stream.deadline = self._step
                below = look.stream
                outcome = look(
                    f"tls:{address}",
                    "tls",
                    f"{route.host} at {address}",
                    lambda address=address, below=below, held=held: self._handshake(below, address, held),
                )
                if look.stream is None:
                    return f"tls {getattr(outcome, 'ended', '')} {getattr(outcome, 'verify_code', '')}"
            look.stream.deadline = self._step
            open_stream = look.stream
            answer = look(
                "http",
                "http",
                f"{route.host}, {look.request}, no credentials",
                lambda address=address, stream=open_stream: self._request(stream, address, look.request),
            )
            if isinstance(answer, HttpAnswer):
                return f"http {answer.status}"
            return f"http {answer.ended if isinstance(answer, HttpFailed) else ''}"
        return failed

    def _handshake(self, stream: Any, address: str, held: bool) -> tuple[Outcome, Any]:
        """Shake hands."""
        try:
            stream = stream if held else self._path.open(address, self._step)
        except NoPathError as nowhere:
            return nowhere.outcome, None
        stream.deadline = self._step
        outcome, secured = self._path.handshake(stream, address)
        return (self._with_less(outcome) if isinstance(outcome, (TlsHandshake, TlsFailed)) else outcome), secured

    def _with_less(self, outcome: TlsHandshake | TlsFailed) -> TlsHandshake | TlsFailed:
        """A chain that verifies is kept by the walk, and once more beside one that did not: what differs between them is the reason.

        Of each chain that does not verify the certificates themselves are kept once.
        """
        chain = tuple(certificate.sha256 for certificate in outcome.chain)
        with self._lock:
            verified = isinstance(outcome, TlsHandshake)
            known = chain in self._chains or (verified and not self._chains)
            if chain and not known:
                self._chains.add(chain)
        if not known:
            return outcome
        return replace(outcome, chain=() if verified else tuple(replace(c, der_base64="") for c in outcome.chain))

    def _ask(self, server: NameServer, name: str) -> Outcome:
        """Ask a server that has just failed the system resolver until it says so again, a few times at most."""
        for _ in range(_MOST_QUESTIONS):
            answer = dns.ask(server, name, seconds=min(self._timeout, self._collection.deadline.left))
            if not isinstance(answer, DnsAnswer) or any(reply.rcode != "NOERROR" for reply in answer.replies):
                break
        return answer

    def _request(self, stream: Any, address: str, kind: _Kind) -> Outcome:
        if kind == "GET":
            return self._path.request(stream, address)
        model = self._path.route.model.value if self._path.route.model else sdk.PREFERRED_MODELS[0]
        streamed = kind == "POST, streamed"
        # Written as the SDK writes it: without blanks.
        body = json.dumps({"model": model, "stream": True} if streamed else {"model": model}, separators=(",", ":"))
        where = sdk.minimal_path(self._path.route, model)
        outcome = self._path.request(stream, address, method="POST", path=where, body=body.encode())
        return replace(outcome, stream=streamed)

    @property
    def _step(self) -> Deadline:
        return self._collection.deadline.sooner(self._timeout)


_Kind = Literal["GET", "POST", "POST, streamed"]


def _kind(number: int) -> _Kind:
    """Two of a kind in turn: what fails every second time then meets some of each kind."""
    if number % 4 > 1:
        return "GET"
    return "POST" if number % 8 < 4 else "POST, streamed"


def _answered(end: str) -> bool:
    return end.startswith("http ") and end[5:].isdigit()


def _passed(end: str) -> bool:
    """Whether an attempt was answered, and not that there is too much to do."""
    return _answered(end) and end[5:] not in _TOO_MUCH


def _in_a_row(passed: int, failed: int) -> int:
    return math.ceil(math.log(_BY_CHANCE) / math.log(passed / (failed + passed)))


def _may_be_too_many(end: str) -> bool:
    """Whether an attempt ended as one of too many would: anywhere but by a verdict on a certificate."""
    return not _passed(end) and not _verdict_on_certificate(end)


def _verdict_on_certificate(end: str) -> bool:
    return end.startswith("tls ") and end.rpartition(" ")[2].isdigit()


_TOO_MUCH = ("429", "500", "502", "503", "504")
_ASKED_TO_SLOW_DOWN = ("http 429", "http 503")

_APART = {
    "": None,
    "alone.": "one at a time, with nothing else under way",
    "slowly.": f"one at a time, {_LONG_GAP_SECONDS:g} s apart",
    "several.": "several at the same moment, once more",
}


class _Together:
    """Holds the connections of one moment until all of them are open or have failed: else, on a short line, the first are over before the last
    begin, and a limit of connections is met by chance.
    """

    def __init__(self, number: int) -> None:
        self._missing = number
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def member(self) -> Iterator[Callable[[], None]]:
        """One of them; gives what waits for the others. Who leaves without having waited is not waited for."""
        arrived = False

        def arrive() -> None:
            nonlocal arrived
            with self._changed:
                self._missing -= not arrived
                arrived = True
                self._changed.notify_all()

        def wait_for_the_others() -> None:
            arrive()
            with self._changed:
                self._changed.wait_for(lambda: self._missing <= 0, _ALONE_SECONDS)

        try:
            yield wait_for_the_others
        finally:
            arrive()


class _Look:
    """Runs one step of one attempt and records it; the stream that it left open is kept for the next step."""

    def __init__(self, collection: Collection, number: int, among: str) -> None:
        self._collection = collection
        self._number = number
        self._among = among
        self.request = _kind(number)
        self.stream: Any = None

    def __call__(self, identity: str, layer: Layer, target: str, step: Any) -> Outcome:
        began = time.monotonic()
        found = step()
        outcome: Outcome
        outcome, self.stream = found if isinstance(found, tuple) else (found, None)
        self._collection.note(
            f"{self._among}{identity}#{self._number}",
            layer,
            layer,
            f"{target}, attempt {self._number}",
            began=began,
            outcome=outcome,
            changed=_APART[self._among],
            attempt=self._number,
        )
        return outcome
