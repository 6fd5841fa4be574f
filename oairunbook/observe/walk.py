"""The walk along the path: name, address, proxy, TLS, HTTP, SDK; each step begins as soon as the one before it allows."""

from __future__ import annotations

import ipaddress
import resource
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from oairunbook.evidence import (
    ConnectFailed,
    ErrorLink,
    HttpAnswer,
    HttpFailed,
    LocalResources,
    NotTried,
    Outcome,
    Resolved,
    Route,
    StatusPage,
    TlsHandshake,
)
from oairunbook.observe import dns, http, proxy, sdk, tcp, tls
from oairunbook.observe.collection import Collection, Task
from oairunbook.observe.errors import error_chain
from oairunbook.observe.status_page import STATUS_URL, read_status
from oairunbook.observe.stream import Deadline, Stream
from oairunbook.route.installed import installed_sdk
from oairunbook.route.proxy import decide_proxy, proxy_credentials

_MOST_ADDRESSES = 8
_SIDE_GRACE_SECONDS = 1.0
"""How long a healthy check waits for what is beside the path: the status page, a second name server."""

_ANSWER_SECONDS = 15.0
"""How long the API may take for a few tokens once it has shown that it answers at all."""


class Walk:
    """One walk; *run* returns when the path is known, stopped steps included."""

    def __init__(
        self,
        route: Route,
        environment: Mapping[str, str],
        collection: Collection,
        timeout: float,
        status_url: str | None,
    ) -> None:
        self._route = route
        self._environment = environment
        self._collection = collection
        self._timeout = timeout
        self._status_url = status_url or STATUS_URL
        self._side: list[Task] = []
        self._client: Task | None = None
        self._arrived = threading.Event()
        self._first: tuple[str, Stream] | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        """Begin everything that can begin, follow the path, and leave nothing unrecorded."""
        begin = self._collection.begin
        begin("client.resources", "client", "client", "this process", _local_resources).wait(1.0)
        self._client = begin(
            "client.sdk", "client", "client", "the SDK", lambda: sdk.build_client(self._route, self._environment)
        )
        if self._route.problems:
            self._client.wait(self._collection.deadline.left)
            for probe, layer in (("dns", "dns"), ("tcp", "tcp"), ("tls", "tls"), ("http", "http"), ("sdk", "api")):
                self._collection.skip(probe, probe, layer, "the endpoint", "the base URL cannot be used")  # type: ignore[arg-type]
            return
        self._side.append(begin("status", "status", None, self._status_url, self._status))
        addresses = self._names()
        reached = self._connect(addresses)
        healthy = self._requests(reached)
        self._finish(healthy)

    # -- names ----------------------------------------------------------------------------------------------------

    def _names(self) -> tuple[str, ...]:
        host = self._route.dialled_host
        if _is_literal(host):
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
                    lambda server=server: dns.ask(server, host, seconds=self._step.left),  # type: ignore[misc]
                )
            )
        if not system.wait(self._step.left):
            system.stop(f"the system resolver gave no answer in {self._timeout:g} s")
        outcome = system.outcome
        if not isinstance(outcome, Resolved):
            self._skip_from("tcp", f"{host} has no address here")
            return ()
        return outcome.addresses[:_MOST_ADDRESSES]

    # -- connections ----------------------------------------------------------------------------------------------

    def _connect(self, addresses: tuple[str, ...]) -> tuple[str, Stream] | None:
        """Walk to every address at once; the first that gets through to HTTP is where the requests go."""
        if not addresses:
            return None
        pending = [threading.Thread(target=self._reach, args=(address,), daemon=True) for address in addresses]
        for thread in pending:
            thread.start()
        # TCP, the proxy and TLS each have one step's time.
        last = self._collection.deadline.sooner(3 * self._timeout + 0.5)
        while last.left > 0 and any(thread.is_alive() for thread in pending):
            if self._arrived.wait(0.02):
                break
        self._walkers = pending
        with self._lock:
            return self._first

    def _reach(self, address: str) -> None:
        route, collection = self._route, self._collection
        port = route.dialled_port
        label = f"{address} port {port}"
        connecting = collection.begin(
            f"tcp:{address}", "tcp", "tcp", label, lambda: tcp.connect(address, port, self._step)
        )
        connecting.wait(self._step.left + 0.5)
        stream: Stream = connecting.extra
        if stream is None:
            return
        if route.proxy.url and not self._forwards:
            opening = collection.begin(
                f"proxy:{address}", "proxy", "proxy", f"{route.proxy.url} to {route.host}", lambda: self._tunnel(stream)
            )
            opening.wait(self._timeout + 0.5)
            stream = opening.extra
            if stream is None:
                return
        if route.scheme == "https":
            shaking = collection.begin(
                f"tls:{address}", "tls", "tls", f"{route.host} at {address}", lambda: self._handshake(stream, address)
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
        credentials = proxy_credentials(self._environment, self._route.proxy)
        return proxy.open_tunnel(stream, self._route.proxy, credentials, self._route.host, self._route.port)

    def _handshake(self, stream: Stream, address: str) -> tuple[Outcome, Stream | None]:
        context = self._context()
        if context is None:
            stream.close()
            return NotTried(reason="the transport could not build a TLS context"), None
        stream.deadline = self._step
        return tls.handshake(
            stream,
            context,
            address=address,
            server_name=self._route.host,
            again=lambda: self._again(address),
        )

    def _again(self, address: str) -> Stream:
        """The same path once more, up to where TLS begins."""
        _, stream = tcp.connect(address, self._route.dialled_port, self._step)
        if stream is not None and self._route.proxy.url:
            _, opened = self._tunnel(stream)
            if opened is None:
                raise ConnectionError("the proxy opened no second tunnel")
            return opened
        if stream is None:
            raise ConnectionError("no second connection")
        return stream

    # -- requests -------------------------------------------------------------------------------------------------

    def _requests(self, reached: tuple[str, Stream] | None) -> bool:
        """One request without credentials and the SDK's own, side by side. True if the SDK's own succeeded."""
        client = self._built_client()
        if reached is None:
            self._sdk_on_a_broken_path(client)
            return False
        address, stream = reached
        plain = self._collection.begin(
            "http", "http", "http", self._url("/models"), lambda: self._plain_request(stream, address)
        )
        if client is None:
            self._collection.skip(
                "sdk", "sdk", "api", "the SDK's minimal request", "the SDK's client could not be built"
            )
            plain.wait(self._timeout + 0.5)
            return False
        own = self._may_send_own_credential()
        model = self._route.model.value if self._route.model else None
        if model is None and own and self._route.family != "azure":
            models = sdk.list_models(client, timeout=self._timeout, deadline=self._step)
            model = sdk.pick_model(models)
        elif model is None and self._route.family != "azure":
            model = sdk.PREFERRED_MODELS[0]
        tasks = [self._sdk_task(client, model, stream=False, own=own)]
        if model is not None:
            tasks.append(self._sdk_task(client, model, stream=True, own=own))
        plain.wait(self._timeout + 0.5)
        # Somebody who answers a request without credentials may take longer for one that computes.
        patience = _ANSWER_SECONDS if isinstance(plain.outcome, HttpAnswer) else 1.0
        deadline = self._collection.deadline.sooner(patience)
        for task in tasks:
            if not task.wait(deadline.left):
                task.stop("no answer in time")
        return all(getattr(task.outcome, "kind", "") == "sdk_answered" for task in tasks)

    def _sdk_task(self, client: sdk.Client, model: str | None, *, stream: bool, own: bool) -> Task:
        identity = "sdk.stream" if stream else "sdk"
        what = "POST, streamed" if stream else ("POST" if model else "GET, no model named")
        return self._collection.begin(
            identity,
            "sdk",
            "api",
            f"the SDK's minimal request ({what})",
            lambda: sdk.minimal_request(
                client,
                model=model,
                stream=stream,
                own_credential=own,
                timeout=self._timeout,
                deadline=self._collection.deadline.sooner(self._timeout + _ANSWER_SECONDS),
            ),
        )

    def _sdk_on_a_broken_path(self, client: sdk.Client | None) -> None:
        """The exception that the application sees, if the path fails at once. It gets a placeholder for a key."""
        what = "the SDK's minimal request"
        if client is None:
            self._collection.skip("sdk", "sdk", "api", what, "the SDK's client could not be built")
            return
        if self._path_is_silent():
            self._collection.skip("sdk", "sdk", "api", what, "the path is silent; the SDK would wait as long again")
            return
        model = self._route.model.value if self._route.model else sdk.PREFERRED_MODELS[0]
        task = self._sdk_task(client, model, stream=False, own=False)
        if not task.wait(min(self._timeout, 3.0)):
            task.stop("no answer in time")

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

    def _may_send_own_credential(self) -> bool:
        credential = self._route.credential
        if not credential.present or credential.problems:
            return False
        if self._route.scheme == "https":
            return True  # only a verified handshake leads here
        return _is_loopback(self._route.host) and self._route.proxy.url is None

    def _plain_request(self, stream: Stream, address: str) -> Outcome:
        stream.deadline = self._step
        target = self._target("/models")
        url = self._url("/models")
        answer, _ = http.exchange(
            stream,
            method="GET",
            url=url,
            target=url if self._forwards else target,
            host=self._host_header(),
            address=address,
        )
        return answer

    # -- beside the path ------------------------------------------------------------------------------------------

    def _status(self) -> StatusPage | HttpAnswer | HttpFailed:
        """Fetch the status page as the transport would: same proxy rules, same trust store, no credentials."""
        parts = urlsplit(self._status_url)
        host, port = parts.hostname or "", parts.port or 443
        deadline = self._step
        decision = decide_proxy(self._environment, "https", host, parts.port, installed_sdk())
        route = replace(self._route, proxy=decision, host=host, port=port)
        errors: tuple[ErrorLink, ...] = ()
        found = dns.resolve(route.dialled_host, route.dialled_port)
        if not isinstance(found, Resolved):
            return HttpFailed(method="GET", url=self._status_url, phase="resolve", errors=found.errors, ended="eof")
        for address in found.addresses[:2]:
            result, stream = tcp.connect(address, route.dialled_port, deadline)
            phase = "connect"
            opened: Stream | None = stream
            if opened is not None and decision.url:
                phase = "proxy"
                credentials = proxy_credentials(self._environment, decision)
                result, opened = proxy.open_tunnel(opened, decision, credentials, host, port)  # type: ignore[assignment]
            context = self._context()
            if opened is not None and context is not None:
                phase = "tls"
                outcome, secured = tls.handshake(opened, context, address=address, server_name=host, again=None)
                if isinstance(outcome, TlsHandshake) and secured is not None:
                    answer, data = http.exchange(
                        secured,
                        method="GET",
                        url=self._status_url,
                        target=parts.path or "/",
                        host=parts.netloc,
                        address=address,
                    )
                    return read_status(self._status_url, answer, data)
                errors = getattr(outcome, "errors", ())
            else:
                errors = getattr(result, "errors", ())
        return HttpFailed(method="GET", url=self._status_url, phase=phase, errors=errors, ended="eof")  # type: ignore[arg-type]

    # -- small things ---------------------------------------------------------------------------------------------

    @property
    def _step(self) -> Deadline:
        """One step's time from now, inside the budget."""
        return self._collection.deadline.sooner(self._timeout)

    @property
    def _forwards(self) -> bool:
        """Whether the proxy gets whole URLs instead of a tunnel: plain http through an HTTP proxy (RFC 9112 section 3.2.2)."""
        return self._route.scheme == "http" and (self._route.proxy.scheme or "") in ("http", "https")

    def _built_client(self) -> sdk.Client | None:
        assert self._client is not None
        if not self._client.wait(self._collection.deadline.left):
            self._client.stop("the SDK was not imported in time")
        client: sdk.Client | None = self._client.extra
        return client

    def _context(self) -> ssl.SSLContext | None:
        """The transport's own context; without any transport OpenSSL's default; None if the transport could not build one."""
        client = self._built_client()
        if client is not None:
            return client.context
        assert self._client is not None
        refused = self._client.outcome
        if self._route.transport is None or getattr(refused, "stage", "") == "import":
            return ssl.create_default_context()
        return None

    def _url(self, path: str) -> str:
        return f"{self._route.scheme}://{self._host_header()}{self._target(path)}"

    def _target(self, path: str) -> str:
        query = f"?api-version={self._route.api_version.value}" if self._route.api_version else ""
        return f"{self._route.path}{path}{query}"

    def _host_header(self) -> str:
        host = f"[{self._route.host}]" if ":" in self._route.host else self._route.host
        default = {"https": 443, "http": 80}.get(self._route.scheme)
        return host if self._route.port == default else f"{host}:{self._route.port}"

    def _skip_from(self, probe: str, reason: str) -> None:
        steps = (("tcp", "tcp"), ("proxy", "proxy"), ("tls", "tls"), ("http", "http"))
        names = [name for name, _ in steps]
        for name, layer in steps[names.index(probe) :]:
            if name == "proxy" and not self._route.proxy.url:
                continue
            self._collection.skip(name, name, layer, "the endpoint", reason)  # type: ignore[arg-type]

    def _finish(self, healthy: bool) -> None:
        """Wait for what is beside the path: shortly if the path is healthy, for its own step's time if it is not."""
        grace = Deadline.after(_SIDE_GRACE_SECONDS) if healthy else self._step
        for thread in getattr(self, "_walkers", ()):
            thread.join(max(0.0, grace.left))
        for task in self._side:
            if not task.wait(grace.left):
                task.stop("the rest of the path was known before this answered")


def _local_resources() -> LocalResources:
    errors: list[ErrorLink] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.socket(family, socket.SOCK_STREAM).close()
        except OSError as error:
            errors.extend(error_chain(error))
    try:
        open_files: int | None = len(list(Path("/proc/self/fd").iterdir()))
    except OSError:
        open_files = None
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return LocalResources(
        open_files=open_files,
        open_files_limit=None if limit == resource.RLIM_INFINITY else limit,
        socket_errors=tuple(errors),
    )


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
