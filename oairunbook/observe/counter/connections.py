"""Counter-tests of connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from oairunbook.evidence import ConnectFailed, ErrorLink, HttpFailed, Outcome, TlsFailed
from oairunbook.observe.counter.declared import Seen, Test, errno_of, first
from oairunbook.observe.counter.looking import closing, without_proxy
from oairunbook.observe.errors import error_chain
from oairunbook.observe.path import Path
from oairunbook.observe.stream import TIMED_OUT, Deadline

_UNTOUCHED_SECONDS = 1.0
_SEVERAL_UNTOUCHED = 8
"""What ends every third connection spares as many once in 26 times."""


def loopback(seen: Seen) -> Iterator[Test]:
    """EACCES: may this process not connect, or is it that destination?"""
    port = seen.path.route.dialled_port
    if any(errno_of(observation.outcome) in ("EACCES", "EPERM") for observation in seen.of(ConnectFailed)):
        yield Test(
            "tcp.loopback",
            "tcp",
            "tcp",
            f"127.0.0.1 port {port}",
            "this machine itself instead of the endpoint",
            lambda deadline: closing(*without_proxy(seen.path).connect("127.0.0.1", deadline)),
        )


def untouched_connection(seen: Seen) -> Iterator[Test]:
    """The handshake, or without TLS the request, is cut before a byte came: is the connection cut also when nothing is sent?"""
    path = seen.path
    if path.route.proxy.url:
        return
    kind, probe = (TlsFailed, "tls") if path.route.scheme == "https" else (HttpFailed, "http")
    for observation in first(o for o in seen.of(kind) if o.probe == probe):
        outcome = observation.outcome
        assert isinstance(outcome, (TlsFailed, HttpFailed))
        if outcome.address and outcome.ended in ("reset", "eof") and not outcome.received_bytes:
            yield Test(
                f"tcp.untouched:{outcome.address}",
                "tcp",
                "tcp",
                f"{outcome.address} port {path.route.dialled_port}",
                "nothing is sent on the connection",
                lambda _, address=outcome.address: _untouched(path, address),  # type: ignore[misc]
            )


def several_untouched(seen: Seen) -> Iterator[Test]:
    """Handshakes of some attempts, more than one, are cut before a byte came: are some of several connections cut also when nothing is sent?"""
    path = seen.path
    if path.route.proxy.url or path.route.scheme != "https":
        return
    ends = [o.outcome for o in seen.observations if o.probe == "tls" and o.changed is None and o.attempt > 1]
    failed = [e for e in ends if isinstance(e, TlsFailed) and e.ended in ("reset", "eof")]
    cut = Counter(e.address for e in failed if not e.received_bytes)
    for address, number in cut.most_common(1):
        for which in range(1, _SEVERAL_UNTOUCHED + 1) if number > 1 else ():
            yield Test(
                f"tcp.several_untouched:{address}:{which}",
                "tcp",
                "tcp",
                f"{address} port {path.route.dialled_port}",
                f"nothing is sent on the connection, {_SEVERAL_UNTOUCHED} times",
                lambda _, address=address: _untouched(path, address),  # type: ignore[misc]
            )


def _untouched(path: Path, address: str) -> Outcome:
    outcome, stream = path.connect(address, Deadline.after(_UNTOUCHED_SECONDS))
    if stream is None:
        return outcome
    stream.deadline = Deadline.after(_UNTOUCHED_SECONDS)
    try:
        if not stream.read():
            ended = ErrorLink(type="EOFError", text="closed by the peer, and nothing had been sent")
            return ConnectFailed(address=address, port=path.route.dialled_port, errors=(ended,))
    except TIMED_OUT:
        # Nothing came: what waits for a ClientHello does just that.
        pass
    except OSError as error:
        return ConnectFailed(address=address, port=path.route.dialled_port, errors=error_chain(error))
    finally:
        stream.close()
    return outcome
