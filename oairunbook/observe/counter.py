"""Counter-tests: the same path with one thing changed, run only where an observation calls for it.

Each declares what calls for it and what it changes; the tuple at the end is all of them. None of them sends a credential.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from oairunbook.evidence import (
    ConnectFailed,
    DnsAnswer,
    DnsNoAnswer,
    HttpAnswer,
    HttpFailed,
    Layer,
    NameServer,
    NotTried,
    Observation,
    Outcome,
    ProxyDecision,
    Resolved,
    ResolveFailed,
    SdkFailed,
    TlsFailed,
    TlsHandshake,
)
from oairunbook.observe import dns, idle, issuers, stores, tls
from oairunbook.observe.errors import error_chain
from oairunbook.observe.path import NoPathError, Path
from oairunbook.observe.stream import Deadline, Stream
from oairunbook.redaction import without_credentials
from oairunbook.route.installed import installed_sdk
from oairunbook.route.proxy import decide_proxy, proxy_variables

OTHER_NAME = "example.org"
"""A name that no filter of the API's name would match; it is only sent as SNI to the endpoint's own address (RFC 2606)."""

SMALL_SEGMENT_BYTES = 536
"""The MSS that every path must carry (RFC 9293 section 3.7.1)."""

LARGE_BODY_BYTES = 8192
"""Several full-size segments; what a real request with a short conversation sends."""

_UNTOUCHED_SECONDS = 1.0

PATIENCE_SECONDS = 1.0
"""A step that has been silent so long is treated as silent by the counter-tests, so that they end when it does."""


@dataclass(frozen=True)
class Seen:
    """What is known so far, while the walk may still be under way."""

    path: Path
    observations: tuple[Observation, ...]
    silent: tuple[str, ...]
    """Ids of steps that have been under way for a while without an answer."""

    def of(self, *kinds: type) -> Iterator[Observation]:
        """Observations of the walk itself with one of these outcomes."""
        for observation in self.observations:
            if observation.changed is None and observation.attempt == 1 and isinstance(observation.outcome, kinds):
                yield observation

    def has(self, *kinds: type, probe: str | None = None) -> bool:
        """Whether there is one."""
        return any(probe in (None, observation.probe) for observation in self.of(*kinds))

    def silent_addresses(self, probe: str) -> tuple[str, ...]:
        """Addresses at which this step is silent, by now or for good."""
        waiting = [identity.partition(":")[2] for identity in self.silent if identity.startswith(f"{probe}:")]
        for observation in self.of(TlsFailed, ConnectFailed):
            ended = getattr(observation.outcome, "ended", None)
            timed_out = ended == "silence" or _errno(observation.outcome) == "ETIMEDOUT"
            if observation.probe == probe and timed_out:
                waiting.append(observation.id.partition(":")[2])
        return tuple(dict.fromkeys(waiting))


@dataclass(frozen=True)
class Test:
    """One counter-test that is due: what it changes, and how to run it."""

    id: str
    probe: str
    layer: Layer
    target: str
    changed: str
    look: Callable[[Deadline], Outcome]


Due = Callable[[Seen], Iterator[Test]]


def due(seen: Seen) -> Iterator[Test]:
    """Every counter-test that these observations call for; the same ones again each time."""
    for declared in COUNTER_TESTS:
        yield from declared(seen)


# -- names --------------------------------------------------------------------------------------------------------


def _absolute_name(seen: Seen) -> Iterator[Test]:
    """The system resolver gave nothing, or something else than the server: is it the search list?"""
    host, port = seen.path.route.dialled_host, seen.path.route.dialled_port
    if seen.path.route.resolver.search and (seen.has(ResolveFailed) or _disagreement(seen)):
        yield Test(
            "dns.absolute",
            "dns",
            "dns",
            f"{host}. by the system",
            "the absolute name instead of one that the search list may complete",
            lambda _: dns.resolve(f"{host}.", port),
        )


def _over_tcp(seen: Seen) -> Iterator[Test]:
    """No reply over UDP: is the server dead, or only UDP?"""
    name = seen.path.route.dialled_host
    for observation in seen.of(DnsNoAnswer):
        assert isinstance(observation.outcome, DnsNoAnswer)
        server = observation.outcome.server
        if observation.outcome.ended == "silence":
            yield Test(
                f"dns.tcp:{server.address}",
                "dns",
                "dns",
                f"{name} by {server.address}",
                "TCP instead of UDP",
                lambda deadline, server=server: _ask_tcp(server, name, deadline),  # type: ignore[misc]
            )


def _ask_tcp(server: NameServer, name: str, deadline: Deadline) -> Outcome:
    return dns.ask(server, name, seconds=min(deadline.left, 2.0), transport="tcp")


def _addresses_of_servers(seen: Seen) -> Iterator[Test]:
    """The system resolver says something else than the name server, and nothing there verified: do the server's addresses serve the name?"""
    path = seen.path
    if path.route.proxy.url or seen.has(TlsHandshake):
        return
    own = _disagreement(seen)
    failed = seen.has(ConnectFailed, TlsFailed, ResolveFailed) or bool(seen.silent)
    if own and failed:
        for address in own[:2]:
            yield Test(
                f"dns.other_address:{address}",
                "tls" if path.route.scheme == "https" else "tcp",
                "dns",
                f"{path.route.host} at {address}",
                "an address from the name server itself instead of the system resolver's",
                lambda deadline, address=address: _verified(path, address, deadline),  # type: ignore[misc]
            )


def _disagreement(seen: Seen) -> tuple[str, ...]:
    """Addresses that a name server gives and the system resolver does not, when they have none in common."""
    system = {a for o in seen.of(Resolved) if o.id == "dns.system" for a in o.outcome.addresses}  # type: ignore[union-attr]
    servers = [
        address
        for observation in seen.of(DnsAnswer)
        for reply in observation.outcome.replies  # type: ignore[union-attr]
        for address in reply.addresses
    ]
    if not servers or system & set(servers) or not (system or seen.has(ResolveFailed)):
        return ()
    return tuple(dict.fromkeys(servers))


# -- connections --------------------------------------------------------------------------------------------------


def _loopback(seen: Seen) -> Iterator[Test]:
    """EACCES: may this process not connect, or is it that destination?"""
    port = seen.path.route.dialled_port
    if any(_errno(observation.outcome) in ("EACCES", "EPERM") for observation in seen.of(ConnectFailed)):
        yield Test(
            "tcp.loopback",
            "tcp",
            "tcp",
            f"127.0.0.1 port {port}",
            "this machine itself instead of the endpoint",
            lambda deadline: _closing(*replace_address(seen.path).connect("127.0.0.1", deadline)),
        )


def replace_address(path: Path) -> Path:
    """The path without its proxy, to dial an address as it is."""
    return path.on(replace(path.route, proxy=ProxyDecision(url=None, rule="a counter-test")))


def _untouched_connection(seen: Seen) -> Iterator[Test]:
    """The handshake is cut before a byte came: is the connection cut also when nothing is sent?"""
    path = seen.path
    for observation in _first(seen.of(TlsFailed)):
        outcome = observation.outcome
        assert isinstance(outcome, TlsFailed)
        if outcome.ended in ("reset", "eof") and not outcome.received_bytes and not path.route.proxy.url:
            yield Test(
                f"tcp.untouched:{outcome.address}",
                "tcp",
                "tcp",
                f"{outcome.address} port {path.route.dialled_port}",
                "nothing is sent on the connection",
                lambda _, address=outcome.address: _untouched(path, address),  # type: ignore[misc]
            )


def _untouched(path: Path, address: str) -> Outcome:
    outcome, stream = path.connect(address, Deadline.after(_UNTOUCHED_SECONDS))
    if stream is None:
        return outcome
    stream.deadline = Deadline.after(_UNTOUCHED_SECONDS)
    try:
        stream.read()
    except TimeoutError:
        # Nothing came: what waits for a ClientHello does just that.
        pass
    except OSError as error:
        return ConnectFailed(address=address, port=path.route.dialled_port, errors=error_chain(error))
    finally:
        stream.close()
    return outcome


def _configured_proxy(seen: Seen) -> Iterator[Test]:
    """The direct path is closed: would a proxy that this runtime knows of have worked?"""
    path = seen.path
    if path.route.proxy.url or not _closed(seen):
        return
    for proxy in _known_proxies(path):
        yield Test(
            f"proxy.configured:{proxy.host}",
            "http",
            "proxy",
            f"{path.route.host} through {proxy.url}",
            "through the proxy that is configured, which this host goes around",
            lambda deadline, proxy=proxy: _through(path, proxy, deadline),  # type: ignore[misc]
        )


def _closed(seen: Seen) -> bool:
    if seen.has(TlsHandshake) or (seen.path.route.scheme == "http" and seen.has(HttpAnswer, probe="http")):
        return False
    return seen.has(ResolveFailed, ConnectFailed, TlsFailed) or bool(seen.silent)


def _known_proxies(path: Path) -> tuple[ProxyDecision, ...]:
    """Proxies that a variable of this runtime names, whatever the transport makes of it."""
    found: dict[str, ProxyDecision] = {}
    for key, (name, value) in proxy_variables(path.environment).items():
        if key in ("no", "ftp"):
            continue
        alone = {f"{path.route.scheme}_proxy": value}
        decision = decide_proxy(alone, path.route.scheme, path.route.host, None, installed_sdk())
        if decision.url and decision.host:
            # The variable that really holds it: its credentials are looked up there.
            found.setdefault(decision.url, replace(decision, variable=name))
    return tuple(found.values())[:2]


def _through(path: Path, proxy: ProxyDecision, deadline: Deadline) -> Outcome:
    there = path.on(replace(path.route, proxy=proxy))
    found = dns.resolve(proxy.host or "", proxy.port or 0)
    if not isinstance(found, Resolved):
        return found
    return _answered(there, found.addresses[0], deadline)


def _without_proxy(seen: Seen) -> Iterator[Test]:
    """The proxy fails: is the direct path open?"""
    path = seen.path
    failing = seen.has(ResolveFailed, ConnectFailed) or any(
        o.probe == "proxy" and o.outcome.kind in ("proxy_answered", "proxy_failed") for o in seen.observations
    )
    if path.route.proxy.url and (failing or seen.silent):
        yield Test(
            "proxy.none",
            "http",
            "proxy",
            f"{path.route.host} without a proxy",
            "directly instead of through the proxy",
            lambda deadline: _directly(path, deadline),
        )


def _directly(path: Path, deadline: Deadline) -> Outcome:
    there = replace_address(path)
    found = dns.resolve(path.route.host, path.route.port)
    if not isinstance(found, Resolved):
        return found
    return _answered(there, found.addresses[0], deadline)


# -- TLS ----------------------------------------------------------------------------------------------------------


def _broken_off(seen: Seen) -> Iterator[str]:
    """Addresses at which the handshake was reset, closed, or is silent."""
    for observation in seen.of(TlsFailed):
        outcome = observation.outcome
        assert isinstance(outcome, TlsFailed)
        if outcome.verify_code is None and outcome.ended in ("reset", "eof", "silence") and not outcome.received:
            yield outcome.address
    yield from seen.silent_addresses("tls")


def _other_names(seen: Seen) -> Iterator[Test]:
    """Reset or silence in the handshake: is it this name, or the host itself?"""
    path = seen.path
    if seen.has(TlsHandshake):
        return
    for address in tuple(dict.fromkeys(_broken_off(seen)))[:2]:
        for identity, name, changed in (
            ("tls.other_name", OTHER_NAME, f"the server name {OTHER_NAME}"),
            ("tls.no_name", "", "no server name"),
        ):
            yield Test(
                f"{identity}:{address}",
                "tls",
                "tls",
                f"{name or 'no name'} at {address}",
                f"{changed} instead of {path.route.host}",
                lambda deadline, address=address, name=name: _unverified(path, address, name, deadline),  # type: ignore[misc]
            )


def _small_segments(seen: Seen) -> Iterator[Test]:
    """Silence after a good connect: do small segments pass?"""
    path = seen.path
    if seen.has(TlsHandshake) or path.route.proxy.url:
        return
    for address in seen.silent_addresses("tls")[:2]:
        yield Test(
            f"tls.small_segments:{address}",
            "tls",
            "tls",
            f"{path.route.host} at {address}",
            f"segments of at most {SMALL_SEGMENT_BYTES} bytes in both directions",
            lambda deadline, address=address: _unverified(  # type: ignore[misc]
                path, address, path.route.host, deadline, max_segment=SMALL_SEGMENT_BYTES
            ),
        )


def _older_versions(seen: Seen) -> Iterator[Test]:
    """Alert, reset or end of file with nothing received: does an older version or a weaker cipher pass?"""
    path = seen.path
    for observation in _first(seen.of(TlsFailed)):
        outcome = observation.outcome
        assert isinstance(outcome, TlsFailed)
        cut = outcome.ended in ("reset", "eof") and not outcome.received_bytes
        if outcome.verify_code is None and not outcome.received and (outcome.alert or cut or outcome.ended == "open"):
            yield Test(
                f"tls.older_versions:{outcome.address}",
                "tls",
                "tls",
                f"{path.route.host} at {outcome.address}",
                "TLS 1.0 and later with every cipher instead of what the transport allows",
                lambda deadline, address=outcome.address: _unverified(  # type: ignore[misc]
                    path, address, path.route.host, deadline, context=tls.any_version_context()
                ),
            )


def _client_certificate(seen: Seen) -> Iterator[Test]:
    """An alert, or an error right after the handshake: had the peer asked for a client certificate?"""
    path = seen.path
    address = next((o.outcome.address for o in seen.of(TlsFailed) if o.outcome.alert), None)  # type: ignore[union-attr]
    if address is None and seen.has(HttpFailed, SdkFailed):
        address = next((o.outcome.address for o in seen.of(TlsHandshake)), None)  # type: ignore[union-attr]
    if address is not None:
        yield Test(
            f"tls.certificate_request:{address}",
            "tls",
            "tls",
            f"{path.route.host} at {address}",
            "the handshake's messages are watched, and the certificate is not verified",
            lambda deadline, address=address: _unverified(  # type: ignore[misc]
                path, address, path.route.host, deadline, context=tls.watching_context()
            ),
        )


def _unverified_chains(seen: Seen) -> Iterator[TlsFailed]:
    for observation in _first(seen.of(TlsFailed)):
        outcome = observation.outcome
        if isinstance(outcome, TlsFailed) and outcome.verify_code in (18, 19, 20, 21) and not seen.has(TlsHandshake):
            yield outcome


def _other_stores(seen: Seen) -> Iterator[Test]:
    """The chain ends nowhere in this store: does it in another one on this machine?"""
    path = seen.path
    for failed in _unverified_chains(seen):
        for store in stores.on_this_machine(path.route.trust, path.environment):
            yield Test(
                f"tls.store:{store.name}",
                "tls",
                "tls",
                f"{path.route.host} at {failed.address}",
                f"the trust store {store.name} ({store.path}) instead of the transport's",
                lambda deadline, store=store, address=failed.address: _verified(  # type: ignore[misc]
                    path, address, deadline, context=store.context
                ),
            )


def _completed_chain(seen: Seen) -> Iterator[Test]:
    """An issuer is missing from the chain as sent: does the chain verify once it is fetched from where the leaf says?"""
    path = seen.path
    for failed in _unverified_chains(seen):
        url = issuers.missing_issuer_url(failed.chain)
        if url is None:
            continue
        yield Test(
            "tls.completed_chain",
            "tls",
            "tls",
            f"{path.route.host} at {failed.address}, issuer from {url}",
            "the issuer that the chain leaves out is fetched from the address in the certificate",
            lambda deadline, failed=failed: _completed(path, failed, deadline),  # type: ignore[misc]
        )


def _completed(path: Path, failed: TlsFailed, deadline: Deadline) -> Outcome:
    context = stores.same_store(path.route.trust)
    if context is None:
        return NotTried(reason="the transport's store cannot be opened a second time")
    fetched = issuers.fetch(failed.chain, path, deadline, endpoint=failed.address)
    if isinstance(fetched, HttpFailed):
        return fetched
    for certificate in fetched:
        context.load_verify_locations(cadata=certificate)
    return _verified(path, failed.address, deadline, context=lambda: context)


def _date(seen: Seen) -> Iterator[Test]:
    """Expired or not yet valid: by whose clock?"""
    path = seen.path
    for observation in _first(seen.of(TlsFailed)):
        outcome = observation.outcome
        if isinstance(outcome, TlsFailed) and outcome.verify_code in (9, 10):
            yield Test(
                "tls.date",
                "http",
                "tls",
                f"{path.route.host} at {outcome.address}",
                "without verification and without credentials, for the Date that the endpoint sends",
                lambda deadline, address=outcome.address: _date_of(path, address, deadline),  # type: ignore[misc]
            )


def _date_of(path: Path, address: str, deadline: Deadline) -> Outcome:
    outcome, stream = _shake(path, address, path.route.host, deadline, tls.unverified_context())
    return path.request(stream, address) if stream is not None else outcome


# -- HTTP ---------------------------------------------------------------------------------------------------------


def _large_body(seen: Seen) -> Iterator[Test]:
    """Small requests pass: does one of several full-size segments?"""
    path = seen.path
    plain = next((o.outcome for o in seen.of(HttpAnswer) if o.id == "http"), None)
    if not isinstance(plain, HttpAnswer) or plain.address is None:
        return
    address = plain.address
    yield _post("http.large_body", path, address, f"a body of {LARGE_BODY_BYTES} bytes instead of none")
    first = next((o for o in seen.observations if o.id == "http.large_body"), None)
    silent = first is not None and getattr(first.outcome, "ended", "") == "silence"
    if (silent or "http.large_body" in seen.silent) and not path.route.proxy.url:
        yield _post("http.large_body.again", path, address, f"a body of {LARGE_BODY_BYTES} bytes, a second time")
        yield _post(
            "http.large_body.small_segments",
            path,
            address,
            f"a body of {LARGE_BODY_BYTES} bytes in segments of at most {SMALL_SEGMENT_BYTES}",
            max_segment=SMALL_SEGMENT_BYTES,
        )


def _post(identity: str, path: Path, address: str, changed: str, max_segment: int | None = None) -> Test:
    body = b'{"model": "' + b"x" * (LARGE_BODY_BYTES - 13) + b'"}'

    def look(deadline: Deadline) -> Outcome:
        return _answered(path, address, deadline, body=body, max_segment=max_segment)

    return Test(identity, "http", "http", f"{path.route.host} at {address}, POST, no credentials", changed, look)


def _fresh_instead_of_idle(seen: Seen) -> Iterator[Test]:
    """A connection that had been idle is dead: does a new one work at the same moment?"""
    path = seen.path
    for observation in seen.observations:
        outcome = observation.outcome
        if observation.id == idle.IDENTITY and isinstance(outcome, HttpFailed) and outcome.address:
            yield Test(
                "http.idle.fresh",
                "http",
                "http",
                f"{path.route.host} at {outcome.address}, no credentials",
                "a new connection instead of the idle one, at the same moment",
                lambda deadline, address=outcome.address: _answered(path, address, deadline),  # type: ignore[misc]
            )


def _sdk_headers(seen: Seen) -> Iterator[Test]:
    """The SDK's request is answered otherwise than the plain one: is it the SDK's headers?"""
    path = seen.path
    refused = next((o.outcome for o in seen.of(SdkFailed) if o.outcome.answer is not None), None)  # type: ignore[union-attr]
    plain = next((o.outcome for o in seen.of(HttpAnswer) if o.id == "http"), None)
    if not isinstance(refused, SdkFailed) or not isinstance(plain, HttpAnswer) or plain.address is None:
        return
    assert refused.answer is not None
    if refused.answer.body.shape != "api_error" and refused.answer.status != plain.status:
        address = plain.address
        headers = (("User-Agent", f"OpenAI/Python {path.route.sdk}"), ("X-Stainless-Lang", "python"))
        yield Test(
            "http.sdk_headers",
            "http",
            "http",
            f"{path.route.host} at {address}",
            "the SDK's user agent instead of this tool's",
            lambda deadline: _answered(path, address, deadline, headers=headers),
        )


# -- shared -------------------------------------------------------------------------------------------------------


def _shake(
    path: Path,
    address: str,
    server_name: str,
    deadline: Deadline,
    context: ssl.SSLContext,
    max_segment: int | None = None,
) -> tuple[Outcome, Stream | None]:
    try:
        stream = path.open(address, deadline, max_segment=max_segment)
    except NoPathError as nowhere:
        return nowhere.outcome, None
    stream.deadline = deadline
    return tls.handshake(stream, context, address=address, server_name=server_name, again=None)


def _unverified(
    path: Path,
    address: str,
    server_name: str,
    deadline: Deadline,
    *,
    context: ssl.SSLContext | None = None,
    max_segment: int | None = None,
) -> Outcome:
    """A handshake that verifies nothing and after which nothing is sent."""
    outcome, stream = _shake(path, address, server_name, deadline, context or tls.unverified_context(), max_segment)
    if stream is not None:
        stream.close()
    return outcome


def _verified(
    path: Path, address: str, deadline: Deadline, *, context: Callable[[], ssl.SSLContext | None] | None = None
) -> Outcome:
    """A verified handshake after which nothing is sent; without TLS just the connection."""
    if path.route.scheme != "https":
        return _closing(*path.connect(address, deadline))
    try:
        own = (context or path.context)()
    except (OSError, ValueError) as error:
        return NotTried(reason=f"this store cannot be used: {without_credentials(str(error))}")
    if own is None:
        return NotTried(reason="the transport could not build a TLS context")
    outcome, stream = _shake(path, address, path.route.host, deadline, own)
    if stream is not None:
        stream.close()
    return outcome


def _answered(
    path: Path,
    address: str,
    deadline: Deadline,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    max_segment: int | None = None,
) -> Outcome:
    """The whole way to one request without credentials."""
    try:
        stream = path.open(address, deadline, max_segment=max_segment)
    except NoPathError as nowhere:
        return nowhere.outcome
    stream.deadline = deadline
    if path.route.scheme == "https":
        outcome, secured = path.handshake(stream, address)
        if secured is None:
            return outcome
        stream = secured
    method, where = ("POST", "/chat/completions") if body else ("GET", "/models")
    return path.request(stream, address, method=method, path=where, headers=headers, body=body)


def _closing(outcome: Outcome, stream: Stream | None) -> Outcome:
    if stream is not None:
        stream.close()
    return outcome


def _first(observations: Iterator[Observation]) -> Iterator[Observation]:
    """At most one: what one address shows, the others of the same name show too."""
    for observation in observations:
        yield observation
        return


def _errno(outcome: object) -> str | None:
    errors = getattr(outcome, "errors", ())
    return next((link.errno_name for link in reversed(errors) if link.errno_name), None)


COUNTER_TESTS: tuple[Due, ...] = (
    _absolute_name,
    _over_tcp,
    _addresses_of_servers,
    _loopback,
    _untouched_connection,
    _configured_proxy,
    _without_proxy,
    _other_names,
    _small_segments,
    _older_versions,
    _client_certificate,
    _other_stores,
    _completed_chain,
    _date,
    _large_body,
    _fresh_instead_of_idle,
    _sdk_headers,
)
