"""Counter-tests of TLS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from oairunbook.evidence import (
    NO_APPLICATION_PROTOCOL,
    HttpAnswer,
    HttpFailed,
    NotTried,
    Outcome,
    ProxyDecision,
    SdkFailed,
    TlsFailed,
    TlsHandshake,
)
from oairunbook.observe import issuers, stores, tls
from oairunbook.observe.counter.declared import Seen, Test, first
from oairunbook.observe.counter.looking import shake, unverified, verified
from oairunbook.observe.path import NoPathError, Path
from oairunbook.observe.stream import SMALL_SEGMENT_BYTES, Deadline

OTHER_NAME = "example.org"
"""A name that no filter of the API's name would match; it is only sent as SNI to the endpoint's own address (RFC 2606)."""


def _broken_off(seen: Seen) -> Iterator[str]:
    """Addresses at which the handshake was reset, closed, refused by an alert, or is silent."""
    for observation in seen.of(TlsFailed):
        outcome = observation.outcome
        assert isinstance(outcome, TlsFailed)
        ended = outcome.alert is not None or outcome.ended in ("reset", "eof", "silence")
        if outcome.verify_code is None and ended and not outcome.received:
            yield outcome.address
    yield from seen.silent_addresses("tls")


def other_names(seen: Seen) -> Iterator[Test]:
    """Reset, alert or silence in the handshake: is it this name, or the host itself?"""
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
                lambda deadline, address=address, name=name: unverified(path, address, name, deadline),  # type: ignore[misc]
            )


def plain_http(seen: Seen) -> Iterator[Test]:
    """The handshake is cut, or silent, before a byte came: does plain HTTP get an answer there?"""
    path = seen.path
    if seen.has(TlsHandshake):
        return
    spoke = {o.outcome.address for o in seen.of(TlsFailed) if o.outcome.received_bytes}  # type: ignore[union-attr]
    mute = [address for address in dict.fromkeys(_broken_off(seen)) if address not in spoke]
    for address in mute[:1]:
        yield Test(
            f"tls.plain_http:{address}",
            "http",
            "tls",
            f"{path.route.host} at {address}, no credentials",
            "a request in plain HTTP instead of a handshake",
            lambda deadline, address=address: _in_plain_http(path, address, deadline),  # type: ignore[misc]
        )


def _in_plain_http(path: Path, address: str, deadline: Deadline) -> Outcome:
    try:
        stream = path.open(address, deadline)
    except NoPathError as nowhere:
        return nowhere.outcome
    stream.deadline = deadline
    # A tunnel has been opened where there is one, so that the request goes to the endpoint itself.
    plain = replace(path.route, scheme="http", proxy=ProxyDecision(url=None, rule="a counter-test"))
    return path.on(plain).request(stream, address)


def small_segments(seen: Seen) -> Iterator[Test]:
    """Silence after a good connect: do small segments pass? Also where only one family, or one address of several, is silent: tunnels are narrow."""
    path = seen.path
    if path.route.proxy.url:
        return
    shaken = {o.outcome.address for o in seen.of(TlsHandshake)}  # type: ignore[union-attr]
    silent = [a for a in (*seen.silent_addresses("tls"), *seen.silent_in_attempts()) if a not in shaken]
    # One of each family first: what is small enough for IPv4 may be too large behind the longer header of IPv6.
    of_each_family = {":" in a: a for a in reversed(silent)}.values()
    for address in list(dict.fromkeys((*of_each_family, *silent)))[:2]:
        yield Test(
            f"tls.small_segments:{address}",
            "tls",
            "tls",
            f"{path.route.host} at {address}",
            f"segments of at most {SMALL_SEGMENT_BYTES} bytes in both directions",
            lambda deadline, address=address: unverified(  # type: ignore[misc]
                path, address, path.route.host, deadline, max_segment=SMALL_SEGMENT_BYTES
            ),
        )


def older_versions(seen: Seen) -> Iterator[Test]:
    """Alert, reset or end of file with nothing received: does an older version or a weaker cipher pass?"""
    path = seen.path
    for observation in first(seen.of(TlsFailed)):
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
                lambda deadline, address=outcome.address: unverified(  # type: ignore[misc]
                    path, address, path.route.host, deadline, context=tls.any_version_context()
                ),
            )


def http2_alone(seen: Seen) -> Iterator[Test]:
    """The peer takes no HTTP/1.1 in ALPN, and fails or refuses what comes in it: does it take HTTP/2?"""
    path = seen.path
    address = next((o.outcome.address for o in seen.of(TlsFailed) if o.outcome.alert == NO_APPLICATION_PROTOCOL), None)  # type: ignore[union-attr]
    unwanted = seen.has(HttpFailed, probe="http") or any(
        o.outcome.status in _UNWANTED_VERSION and o.outcome.body.shape != "api_error"  # type: ignore[union-attr, operator]
        for o in seen.of(HttpAnswer)
        if o.probe == "http"
    )
    if address is None and unwanted:
        address = next((o.outcome.address for o in seen.of(TlsHandshake) if o.outcome.alpn is None), None)  # type: ignore[union-attr]
    if address is not None:
        yield Test(
            f"tls.http2_alone:{address}",
            "tls",
            "tls",
            f"{path.route.host} at {address}",
            "ALPN offers h2 instead of http/1.1",
            lambda deadline: unverified(path, address, path.route.host, deadline, context=tls.http2_context()),
        )


_UNWANTED_VERSION = (400, 403, 426, 464, 505)
"""How servers of HTTP/2 answer a request in HTTP/1.1: RFC 9110 sections 15.5.22 and 15.6.6, 464 of AWS' load balancers, 403 of Node.js."""


def client_certificate(seen: Seen) -> Iterator[Test]:
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
            lambda deadline, address=address: unverified(  # type: ignore[misc]
                path, address, path.route.host, deadline, context=tls.watching_context()
            ),
        )


_ENDS_NOWHERE = (18, 19, 20, 21)
_ASKS_FOR_A_LIST = (3, 11, 12)
"""X509_STORE_CTX_get_error(3): this store checks for revocation, and has no valid list (CRL) of the issuer's to do it by."""


def _unverified_chains(seen: Seen, *codes: int) -> Iterator[TlsFailed]:
    for observation in first(seen.of(TlsFailed)):
        outcome = observation.outcome
        if isinstance(outcome, TlsFailed) and outcome.verify_code in codes and not seen.has(TlsHandshake):
            yield outcome


def other_stores(seen: Seen) -> Iterator[Test]:
    """The chain ends nowhere in this store, or cannot be checked for revocation: does another one on this machine verify it?"""
    path = seen.path
    for failed in _unverified_chains(seen, *_ENDS_NOWHERE, *_ASKS_FOR_A_LIST):
        for store in stores.on_this_machine(path.route.trust, path.environment):
            yield Test(
                f"tls.store:{store.name}",
                "tls",
                "tls",
                f"{path.route.host} at {failed.address}",
                f"the trust store {store.name} ({store.path}) instead of the transport's",
                lambda deadline, store=store, address=failed.address: verified(  # type: ignore[misc]
                    path, address, deadline, context=store.context
                ),
            )


def completed_chain(seen: Seen) -> Iterator[Test]:
    """An issuer is missing from the chain as sent: does the chain verify once it is fetched from where the leaf says?"""
    path = seen.path
    for failed in _unverified_chains(seen, *_ENDS_NOWHERE):
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
    context = stores.same_store(path.route.trust, path.context())
    if context is None:
        return NotTried(reason="the transport's store cannot be opened a second time")
    fetched = issuers.fetch(failed.chain, path, deadline, endpoint=failed.address)
    if isinstance(fetched, HttpFailed):
        return fetched
    for certificate in fetched:
        context.load_verify_locations(cadata=certificate)
    return verified(path, failed.address, deadline, context=lambda: context)


def date(seen: Seen) -> Iterator[Test]:
    """Expired or not yet valid: by whose clock?"""
    path = seen.path
    for observation in first(seen.of(TlsFailed)):
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
    outcome, stream = shake(path, address, path.route.host, deadline, tls.unverified_context())
    return path.request(stream, address) if stream is not None else outcome
