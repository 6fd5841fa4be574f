"""The walk along the path: name, address, proxy, TLS, HTTP, SDK; each step begins as soon as the one before it allows."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oairunbook.evidence import (
    ClientBuilt,
    ClientRefused,
    Connected,
    ConnectFailed,
    DnsAnswer,
    HttpAnswer,
    Outcome,
    Resolved,
    Route,
    TlsFailed,
)
from oairunbook.observe import clients, control, dns, idle
from oairunbook.observe.attempts import Attempts
from oairunbook.observe.collection import DEFAULT_REPEAT, Collection, Task
from oairunbook.observe.control import control_route, is_literal
from oairunbook.observe.counter import PATIENCE_SECONDS, Seen, due
from oairunbook.observe.path import NoPathError, Path
from oairunbook.observe.process import local_resources
from oairunbook.observe.requests import Requests
from oairunbook.observe.status_page import STATUS_URL, fetch_status
from oairunbook.observe.stream import Deadline, Stream

_MOST_ADDRESSES = 8
_SIDE_GRACE_SECONDS = 1.0
"""How long a healthy check waits for what is beside the path: the status page, a second name server."""

_LOOK_SECONDS = 0.1
"""How often the walk looks which counter-tests have become due."""

_ARP_SECONDS = 3.5
"""A name server on a network without it is called unreachable by a router only after three seconds of ARP."""

_LAST_WORDS_SECONDS = 0.3
"""On a dead path everything waits from the same moment on: what began with the walk ends with it."""

_COUNTER_TEST_SECONDS = 2.0

_NEXT_SERVER_SECONDS = 10.0
_MORE_CONTROLS = 12
_TOO_MANY_REQUESTS = 429

_PATH_PROBES = ("dns", "tcp", "proxy", "tls", "http")


@dataclass(frozen=True)
class Options:
    """How long, how often, and to whom beside the endpoint."""

    timeout: float
    repeat: int
    idle: float | None
    control_url: str
    """Empty for no control test."""

    status_url: str = STATUS_URL
    roots: ssl.SSLContext | None = None
    """Of an application that is no Python: it makes its own requests, and everything before them is looked at by what it trusts."""


class Walk:
    """One walk; *run* returns when the path is known, stopped steps included."""

    def __init__(
        self,
        route: Route,
        environment: Mapping[str, str],
        collection: Collection,
        options: Options,
        build: Callable[[], tuple[ClientBuilt | ClientRefused, clients.Client | None]] | None = None,
    ) -> None:
        """*build* makes the client; the SDK's default one for this route is built if it is None."""
        self._route = route
        self._environment = environment
        self._collection = collection
        self._options = options
        self._timeout = options.timeout
        self._path = Path(route=route, environment=environment, context=self._context, built=self._built)
        self._side: list[Task] = []
        self._tests: dict[str, Task] = {}
        self._build = build or (lambda: clients.build_client(route, environment))
        self._client: Task | None = None
        self._control: Path | None = None
        self._arrived = threading.Event()
        self._tick = threading.Event()
        self._walkers: list[threading.Thread] = []
        self._first: tuple[str, Stream] | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        """Begin everything that can begin, follow the path, and leave nothing unrecorded."""
        begin = self._collection.begin
        begin("client.resources", "client", "client", "this process", local_resources).wait(1.0)
        if self._options.roots is None:
            self._client = begin("client.sdk", "client", "client", "the SDK", self._build)
        unreadable = self._route.proxy.url is not None and not self._route.proxy.host
        if self._route.problems or unreadable:
            reason = "the base URL cannot be used" if self._route.problems else "the proxy's address cannot be used"
            if self._client is not None:
                self._client.wait(self._collection.deadline.left)
            for probe, layer in (("dns", "dns"), ("tcp", "tcp"), ("tls", "tls"), ("http", "http"), ("sdk", "api")):
                self._collection.skip(probe, probe, layer, "the endpoint", reason)  # type: ignore[arg-type]
            return
        url = self._options.status_url
        # Its time begins once the SDK is imported: before that there are no roots to verify it by, and a busy machine would let it time out.
        status = lambda: fetch_status(self._path, url, self._step_once_built())  # noqa: E731
        self._side.append(begin("status", "status", None, url, status))
        self._begin_control()
        attempts = Attempts(
            self._path,
            self._collection,
            number=self._options.repeat,
            timeout=self._timeout,
            literal=is_literal(self._route.dialled_host),
        )
        built = self._built_client if self._client is not None else None
        requests = Requests(self._path, self._collection, self._timeout, self._until, built)
        reached = self._connect(self._names())
        healthy = self._request(reached, requests, attempts)
        if not self._collection.stopped:
            self._finish(healthy, attempts, requests, reached=reached is not None)

    # -- counter-tests --------------------------------------------------------------------------------------------

    def _begin_control(self) -> None:
        """The control test runs beside the walk from the start: on a dead path it would otherwise double the time."""
        url = self._options.control_url
        if self._route.family == "direct" or not url:
            return
        path = self._control = self._path.on(control_route(self._path, url))
        self._side.append(
            self._collection.begin(
                f"{control.PREFIX}http",
                "http",
                "http",
                f"{path.route.host}, no credentials",
                lambda: control.run_control(path, self._collection, self._timeout),
                changed=control.CHANGED,
            )
        )

    def _begin_tests(self) -> None:
        """Begin each counter-test that what is known by now calls for, once."""
        walk = [task for task in self._collection.under_way() if task.identity not in self._tests]
        silent = tuple(task.identity for task in walk if task.seconds > PATIENCE_SECONDS and task.probe in _PATH_PROBES)
        large = self._tests.get("http.large_body")
        if large is not None and not large.done and large.seconds > PATIENCE_SECONDS:
            silent += (large.identity,)
        for test in due(Seen(self._path, self._collection.so_far(), silent)):
            if test.id in self._tests or self._collection.deadline.left <= 0:
                continue
            self._tests[test.id] = self._collection.begin(
                test.id,
                test.probe,
                test.layer,
                test.target,
                lambda test=test: test.look(self._step_once_built()),  # type: ignore[misc]
                changed=test.changed,
            )

    def _step_once_built(self) -> Deadline:
        """Time of a counter-test, from when the SDK is imported: it ends with the silent step that called for it, if there is enough."""
        self._context()
        return self._collection.deadline.sooner(max(self._timeout - PATIENCE_SECONDS, _COUNTER_TEST_SECONDS))

    def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait for *done*, at most so long, and begin counter-tests as they become due."""
        last = self._collection.deadline.sooner(seconds)
        looked = 0.0
        while not done() and last.left > 0 and not self._collection.stopped:
            if time.monotonic() - looked > _LOOK_SECONDS:
                looked = time.monotonic()
                self._begin_tests()
            # Not time.sleep: it fails under libfaketime, with which people test clocks.
            self._tick.wait(0.01)
        return done()

    # -- names ----------------------------------------------------------------------------------------------------

    def _names(self) -> tuple[str, ...]:
        host = self._route.dialled_host
        if is_literal(host):
            self._collection.skip("dns.system", "dns", "dns", host, "the host is an address")
            return (host,)
        begin = self._collection.begin
        system = begin(
            "dns.system", "dns", "dns", f"{host} by the system", lambda: dns.resolve(host, self._route.dialled_port)
        )
        for server in self._route.resolver.name_servers:
            self._side.append(
                begin(
                    f"dns.server:{server.address}",
                    "dns",
                    "dns",
                    f"{host} by {server.address}",
                    lambda server=server: dns.ask(server, host, seconds=max(self._timeout, _ARP_SECONDS)),  # type: ignore[misc]
                )
            )
        if not self._until(lambda: system.done, self._timeout) and self._some_server_answered():
            # glibc goes on to the next name server by itself, after five seconds with the first one.
            self._until(lambda: system.done, _NEXT_SERVER_SECONDS)
        if not system.done:
            system.stop(f"the system resolver gave no answer in {self._timeout:g} s")
        outcome = system.outcome
        if not isinstance(outcome, Resolved):
            self._skip_from("tcp", f"{host} has no address here")
            return ()
        return outcome.addresses[:_MOST_ADDRESSES]

    def _some_server_answered(self) -> bool:
        return any(isinstance(observation.outcome, DnsAnswer) for observation in self._collection.so_far())

    # -- connections ----------------------------------------------------------------------------------------------

    def _connect(self, addresses: tuple[str, ...]) -> tuple[str, Stream] | None:
        """Walk to every address at once; the first that gets through to HTTP is where the requests go."""
        if not addresses:
            return None
        self._walkers = [threading.Thread(target=self._reach, args=(address,), daemon=True) for address in addresses]
        for thread in self._walkers:
            thread.start()

        def over() -> bool:
            return self._arrived.is_set() or not any(thread.is_alive() for thread in self._walkers)

        # A handshake waits for the SDK's import, which takes long on a busy machine. TCP, the proxy and TLS each have one step's time beside it.
        self._until(lambda: over() or self._client is None or self._client.done, self._collection.deadline.left)
        self._until(over, 3 * self._timeout + 0.5)
        with self._lock:
            return self._first

    def _reach(self, address: str) -> None:
        route, collection = self._route, self._collection
        port = route.dialled_port
        label = f"{address} port {port}"
        connecting = collection.begin(
            f"tcp:{address}", "tcp", "tcp", label, lambda: self._path.connect(address, self._step)
        )
        connecting.wait(self._step.left + 0.5)
        stream: Stream = connecting.extra
        if stream is None:
            return
        if self._path.tunnels:
            opening = collection.begin(
                f"proxy:{address}", "proxy", "proxy", f"{route.proxy.url} to {route.host}", lambda: self._tunnel(stream)
            )
            opening.wait(self._timeout + 0.5)
            stream = opening.extra
            if stream is None:
                return
        if route.scheme == "https":
            # The SDK may still be importing; that is no part of the handshake.
            held = self._path.hold(stream)
            shaking = collection.begin(
                f"tls:{address}",
                "tls",
                "tls",
                f"{route.host} at {address}",
                lambda: self._handshake(stream, address, held),
            )
            shaking.wait(2 * self._timeout + 0.5)
            stream = shaking.extra
            if stream is None:
                return
        with self._lock:
            if self._first is None:
                self._first = (address, stream)
                self._arrived.set()
                return
        stream.close()

    def _tunnel(self, stream: Stream) -> tuple[Outcome, Stream | None]:
        stream.deadline = self._step
        return self._path.tunnel(stream)

    def _handshake(self, stream: Stream, address: str, held: bool) -> tuple[Outcome, Stream | None]:
        try:
            stream = stream if held else self._path.open(address, self._step)
        except NoPathError as nowhere:
            return nowhere.outcome, None
        stream.deadline = self._step
        return self._path.handshake(stream, address, fetch_chain=True)

    # -- requests -------------------------------------------------------------------------------------------------

    def _request(self, reached: tuple[str, Stream] | None, requests: Requests, attempts: Attempts) -> bool:
        """Whether the SDK's own request succeeded."""
        if reached is None:
            requests.on_a_broken_path()
            return False
        address, stream = reached
        if self._client is not None:
            self._built_client()
        self._begin_idle(address)
        return requests.make(address, stream, attempts, addresses=len(self._walkers))

    # -- beside the path ------------------------------------------------------------------------------------------

    def _begin_idle(self, address: str) -> None:
        """Leave a connection idle at this address and, as another one may lie behind another NAT or server, at each that has accepted one."""
        seconds = self._options.idle
        if seconds is None:
            return
        walked = [o for o in self._collection.so_far() if o.changed is None and o.attempt == 1]
        open_at = [o.outcome.address for o in walked if isinstance(o.outcome, Connected)]
        for at in dict.fromkeys((address, *open_at)):
            identity = idle.IDENTITY if at == address else f"{idle.IDENTITY}:{at}"
            self._tests[identity] = self._collection.begin(
                identity,
                "http",
                "http",
                f"{self._route.host} at {at}, no credentials",
                lambda at=at: idle.reuse_after(self._path, at, seconds, self._timeout),  # type: ignore[misc]
                changed=f"a connection that was idle for {seconds:g} s instead of a new one",
            )

    def _turned_away(self) -> bool:
        """Whether the walk ended at a connection or a handshake, and not by a verdict on a certificate."""
        ends = [o.outcome for o in self._collection.so_far() if o.changed is None and o.attempt == 1]
        unverified = any(isinstance(end, TlsFailed) and end.verify_code is not None for end in ends)
        return not unverified and any(isinstance(end, (ConnectFailed, TlsFailed)) for end in ends)

    def _answered(self) -> bool:
        """Whether the walk's own request without credentials was answered, and not that there is too much to do."""
        answers = (o.outcome for o in self._collection.so_far() if o.id == "http")
        return any(isinstance(answer, HttpAnswer) and answer.status < _TOO_MANY_REQUESTS for answer in answers)

    # -- small things ---------------------------------------------------------------------------------------------

    @property
    def _step(self) -> Deadline:
        """One step's time from now, inside the budget."""
        return self._collection.deadline.sooner(self._timeout)

    def _built_client(self) -> clients.Client | None:
        assert self._client is not None
        if not self._client.wait(self._collection.deadline.left):
            self._client.stop("the SDK was not imported in time")
        client: clients.Client | None = self._client.extra
        return client

    def _built(self, seconds: float) -> bool:
        # What another runtime trusts is known from the start.
        return self._client is None or self._client.wait(min(seconds, self._collection.deadline.left))

    def _context(self) -> ssl.SSLContext | None:
        """The transport's own context; without any transport OpenSSL's default; None if the transport could not build one."""
        if self._options.roots is not None:
            return self._options.roots
        client = self._built_client()
        if client is not None:
            return client.context
        assert self._client is not None
        refused = self._client.outcome
        if self._route.transport is None or getattr(refused, "stage", "") == "import":
            return ssl.create_default_context()
        return None

    def _skip_from(self, probe: str, reason: str) -> None:
        steps = (("tcp", "tcp"), ("proxy", "proxy"), ("tls", "tls"), ("http", "http"))
        names = [name for name, _ in steps]
        for name, layer in steps[names.index(probe) :]:
            if name == "proxy" and not self._route.proxy.url:
                continue
            self._collection.skip(name, name, layer, "the endpoint", reason)  # type: ignore[arg-type]

    def _finish(self, healthy: bool, attempts: Attempts, requests: Requests, *, reached: bool) -> None:
        """Wait for what is beside the path: shortly if the path is healthy, until the counter-tests are done if it is not."""
        self._begin_tests()
        grace = _SIDE_GRACE_SECONDS if healthy else self._timeout
        if self._options.idle is not None:
            grace += self._options.idle + self._timeout
        settled = self._collection.deadline.sooner(grace)
        if not self._until(lambda: all(task.done for task in self._tests.values()), settled.left) and healthy:
            # A tiny request passes, and what a counter-test sends gets no answer: that has to be seen to its end.
            settled = self._collection.deadline.sooner(self._timeout)
        while True:
            self._until(lambda: all(task.done for task in self._tests.values()), settled.left)
            before = len(self._tests)
            self._begin_tests()
            if len(self._tests) == before or settled.left <= 0:
                break
        quiet = Deadline.after(_SIDE_GRACE_SECONDS)
        if not healthy:
            # Name servers were asked at the beginning; their last word comes as late as this.
            last = self._collection.began + max(self._timeout, _ARP_SECONDS) + _LAST_WORDS_SECONDS
            quiet = Deadline(max(Deadline.after(_LAST_WORDS_SECONDS).at, last))
        patience = settled.left if attempts.differ else 0.0
        if self._options.repeat > DEFAULT_REPEAT:
            # Whoever asks for many wants to count them: only the budget ends them.
            patience = self._collection.deadline.left
        # Where the walk got nowhere and an attempt did, those that are still silent tell how often.
        differ = healthy or (not reached and attempts.some_passed)
        attempts.wait(max(quiet.left, patience), silent_seconds=self._timeout if differ else 0.0)
        if attempts.some_unanswered:
            # What only attempts met, at another address than the walk's, calls for its counter-tests now.
            self._begin_tests()
            self._until(lambda: all(task.done for task in self._tests.values()), self._timeout)
        attempts.apart(requests.apart, walk_failed=not reached and self._turned_away(), walk_passed=self._answered())
        requests.unsent_again()
        if self._control is not None and attempts.some_unanswered:
            # One answer to the control says little of a fault that spares some.
            control.repeat_control(self._control, self._collection, self._timeout, number=_MORE_CONTROLS)
        for thread in self._walkers:
            thread.join(max(0.0, quiet.left))
        for task in (*self._side, *self._tests.values()):
            if not task.wait(quiet.left):
                task.stop("the rest of the path was known before this answered")
