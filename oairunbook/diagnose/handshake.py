"""Handshakes that end before a certificate is judged: reset, refused, silent, of another protocol or version."""

from __future__ import annotations

import re

from oairunbook.diagnose.catalogue import Finding
from oairunbook.diagnose.parts import attempts
from oairunbook.diagnose.reading import (
    answers,
    cite,
    counter_test,
    counter_tests,
    dialled_address,
    request_succeeded,
    words,
)
from oairunbook.evidence import (
    NO_APPLICATION_PROTOCOL,
    Evidence,
    HttpAnswer,
    HttpFailed,
    Observation,
    SdkFailed,
    TlsFailed,
    TlsHandshake,
)
from oairunbook.verdict import Because


def failed_handshake(evidence: Evidence) -> tuple[Observation, TlsFailed] | None:
    """The failed handshake that counts: at the address that the transport dials, or at any where none shook hands."""
    failed = list(evidence.of(TlsFailed))
    if not any(evidence.of(TlsHandshake)):
        return failed[0] if failed else None
    if request_succeeded(evidence) or not any(evidence.of(SdkFailed)):
        return None
    dialled = dialled_address(evidence)
    codes = {link.verify_code for _, sdk in evidence.of(SdkFailed) for link in sdk.errors if link.verify_code}
    for observation, outcome in failed:
        if outcome.address == dialled or (codes and outcome.verify_code in codes):
            return observation, outcome
    return None


def name_unknown(evidence: Evidence) -> Finding | None:
    """The server has no certificate for this name and says so (RFC 6066 section 3), instead of sending another one."""
    found = failed_handshake(evidence)
    if not found or found[1].alert != "unrecognized_name":
        return None
    fact = f"alert unrecognized_name: the server knows no {found[1].server_name!r}"
    return Finding(because=(cite(found[0], fact), *_by_name(evidence)), certainty="likely")


def _reasons(failed: TlsFailed) -> str:
    return " ".join(link.ssl_reason or "" for link in failed.errors)


def not_tls(evidence: Evidence) -> Finding | None:
    """The answer to the ClientHello is no TLS record; or there is none, and plain HTTP gets one."""
    found = failed_handshake(evidence)
    if not found:
        return None
    if not found[1].received:
        return _answers_plain_http(evidence, found)
    fact = f"the peer answered the ClientHello with {found[1].received!r}, which is no TLS record"
    return Finding(because=(cite(found[0], fact),), certainty="proven")


_WANTS_TLS = ("https", "tls", "ssl")
"""In what servers of TLS answer to plain HTTP: `The plain HTTP request was sent to HTTPS port`, `requires TLS`."""

_OF_A_FILTER = (403, 451, 511)


def _answers_plain_http(evidence: Evidence, found: tuple[Observation, TlsFailed]) -> Finding | None:
    """Whoever does not say a word to a ClientHello answers a request in plain HTTP, and not that it wants TLS."""
    plain = counter_test(evidence, HttpAnswer, "tls.plain_http")
    if plain is None or found[1].received_bytes or _another_name_passes(evidence):
        return None
    observation, answer = plain
    if _asks_for_tls(answer):
        return None
    ended = "nothing" if found[1].ended == "silence" else f"the end of the connection ({found[1].ended})"
    because = (
        cite(found[0], f"the answer to the ClientHello is {ended}"),
        cite(observation, f"a request in plain HTTP is answered there with status {answer.status}"),
    )
    # A filter may speak HTTP in the place of a server of TLS that it cuts off.
    vague = answer.status == 400 or 300 <= answer.status < 400 or answer.status in _OF_A_FILTER
    return Finding(because=because, certainty="likely" if vague else "proven")


def _asks_for_tls(answer: HttpAnswer) -> bool:
    said = f"{answer.body.title or ''} {answer.body.sample} {answer.header('location') or ''}".lower()
    return answer.status == 426 or any(mark in said for mark in _WANTS_TLS)


_REFUSED_WITHOUT_CERTIFICATE = (
    "handshake_failure",
    "certificate_required",
    "bad_certificate",
    "access_denied",
    "unknown_ca",
    "certificate_unknown",
)
_NO_CERTIFICATE_SENT = ("no required ssl certificate was sent", "400 no required", "client certificate required")


def _certificate_request(evidence: Evidence) -> Observation | None:
    """The watched handshake in which the peer asked for a client certificate."""
    for observation, shaken in counter_tests(evidence, TlsHandshake, "tls.certificate_request"):
        if shaken.client_certificate_requested:
            return observation
    for observation, failed in counter_tests(evidence, TlsFailed, "tls.certificate_request"):
        if failed.client_certificate_requested:
            return observation
    return None


def client_certificate_required(evidence: Evidence) -> Finding | None:
    """The peer asked for a certificate, and ended the handshake, the connection or the request without one."""
    found = failed_handshake(evidence)
    asked = _certificate_request(evidence)
    if asked is not None and found and found[1].alert in _REFUSED_WITHOUT_CERTIFICATE:
        because = (
            cite(found[0], f"alert {found[1].alert}"),
            cite(asked, "the peer had sent a CertificateRequest, and this client has no certificate"),
        )
        return Finding(because=because, certainty="proven")
    for observation, answer, _ in answers(evidence):
        text = f"{answer.body.title} {answer.body.sample}".lower()
        if answer.status in (400, 403, 496) and any(mark in text for mark in _NO_CERTIFICATE_SENT):
            fact = f"status {answer.status}: {answer.body.title or answer.body.sample[:80]}"
            return Finding(because=(cite(observation, fact),), certainty="proven")
    if asked is not None and not found and not request_succeeded(evidence):
        for observation, failed in evidence.of(HttpFailed, "http"):
            because = (
                cite(observation, f"the connection ended after the handshake: {words(failed.errors)}"),
                cite(asked, "the peer had sent a CertificateRequest, and this client has no certificate"),
            )
            alert = any("CERTIFICATE_REQUIRED" in (link.ssl_reason or "") for link in failed.errors)
            return Finding(because=because, certainty="proven" if alert else "likely")
    if found and found[1].alert == "certificate_required":
        return Finding(because=(cite(found[0], "alert certificate_required"),), certainty="proven")
    for observation in evidence.observations:
        for link in getattr(observation.outcome, "errors", ()):
            if "ALERT_CERTIFICATE_REQUIRED" in (link.ssl_reason or "") + link.text.upper().replace(" ", "_"):
                return Finding(because=(cite(observation, f"{link.type}: {link.text}"),), certainty="proven")
    return None


_VERSION_ALERTS = ("protocol_version", "insufficient_security")
_VERSION_REASONS = (
    "UNSUPPORTED_PROTOCOL",
    "NO_SHARED_CIPHER",
    "NO_PROTOCOLS_AVAILABLE",
    "WRONG_SSL_VERSION",
    "DH_KEY_TOO_SMALL",
)


_NO_AGREEMENT_ALERTS = ("handshake_failure", NO_APPLICATION_PROTOCOL, "illegal_parameter", "missing_extension")


def _another_name_passes(evidence: Evidence) -> bool:
    """Whether the same hello under another server name completes: then version and cipher are not what was refused."""
    return any(counter_test(evidence, TlsHandshake, test) for test in ("tls.other_name", "tls.no_name"))


_OFFERED = re.compile(r"TLS_|(?:ECDHE|DHE)-(?:RSA|ECDSA)-(?:AES(?:128|256)-(?:GCM-)?SHA(?:256|384)|CHACHA20-POLY1305)$")
"""Ciphers that the transport's own context offers too (`ssl.create_default_context`, since Python 3.10)."""


def _agreed_on_older(evidence: Evidence) -> tuple[Observation, TlsHandshake] | None:
    """The handshake that passed because more was offered: on a version or a cipher that the transport does not offer.

    One that agreed on what the transport offers as well has changed nothing: the failure before it was none of every time.
    """
    older = counter_test(evidence, TlsHandshake, "tls.older_versions")
    if older is None or (older[1].version in ("TLSv1.2", "TLSv1.3") and _OFFERED.match(older[1].cipher)):
        return None
    return older


def _http2_alone(evidence: Evidence, found: tuple[Observation, TlsFailed] | None) -> Finding | None:
    """The peer takes HTTP/2 in ALPN where it takes no HTTP/1.1, and refuses the latter: by its alert, or by what comes after the handshake."""
    other = counter_test(evidence, TlsHandshake, "tls.http2_alone")
    if other is None or other[1].alpn != "h2":
        return None
    takes = cite(other[0], f"{other[1].address} takes h2 when that is offered")
    if found is not None:
        alert = found[1].alert
        because = (cite(found[0], f"alert {alert} to an offer of http/1.1"), takes)
        return Finding(because=because, certainty="proven") if alert == NO_APPLICATION_PROTOCOL else None
    if request_succeeded(evidence) or any(shaken.alpn is not None for _, shaken in evidence.of(TlsHandshake)):
        return None
    for observation, answer in evidence.of(HttpAnswer, "http"):
        if any(mark in answer.body.sample.lower() for mark in _NAMES_HTTP2):
            fact = f"no protocol was taken in ALPN, and a request in HTTP/1.1 is answered with status {answer.status}: {answer.body.sample[:80]!r}"
            return Finding(because=(cite(observation, fact), takes), certainty="proven")
    for observation, failed in evidence.of(HttpFailed, "http"):
        if failed.ended != "silence":
            fact = f"no protocol was taken in ALPN, and a request in HTTP/1.1 ends so: {words(failed.errors)}"
            return Finding(because=(cite(observation, fact), takes), certainty="likely")
    return None


_NAMES_HTTP2 = ("alpn", "http/2", "http2")


def protocol_mismatch(evidence: Evidence) -> Finding | None:
    """An alert about versions, ciphers or ALPN; or a handshake that passes once more is offered."""
    found = failed_handshake(evidence)
    http2 = _http2_alone(evidence, found)
    if http2 is not None or not found:
        return http2
    failed = found[1]
    if failed.alert in _VERSION_ALERTS or any(reason in _reasons(failed) for reason in _VERSION_REASONS):
        fact = f"alert {failed.alert}" if failed.alert else words(failed.errors)
        return Finding(because=(cite(found[0], fact),), certainty="proven")
    older = _agreed_on_older(evidence)
    if older is not None:
        because = (
            cite(found[0], f"alert {failed.alert}" if failed.alert else words(failed.errors)),
            cite(
                older[0],
                f"with older versions and weaker ciphers allowed the peer agrees on {older[1].version}, {older[1].cipher}",
            ),
        )
        return Finding(because=because, certainty="proven")
    if failed.alert in _NO_AGREEMENT_ALERTS and not _another_name_passes(evidence):
        # TLS 1.2 says the same for a missing client certificate.
        return Finding(
            because=(cite(found[0], f"alert {failed.alert}"),),
            certainty="likely",
            also=(
                ("tls.client_certificate_required", "under TLS 1.2 a missing client certificate gives the same alert"),
            ),
        )
    return None


def reset(evidence: Evidence) -> Finding | None:
    """Cut off: by a reset, by the end of the connection, or by an alert that means nothing else here."""
    found = failed_handshake(evidence)
    if not found or found[1].verify_code is not None:
        return None
    failed = found[1]
    if failed.alert is not None:
        # Filters also end a handshake by an alert of their own; whatever else it may mean has been asked before this.
        fact = f"alert {failed.alert} to a handshake with the server name {failed.server_name!r}"
        return Finding(because=(cite(found[0], fact), *_by_name(evidence)), certainty="likely")
    if failed.ended not in ("reset", "eof"):
        return None
    if _agreed_on_older(evidence) is not None:
        return None
    how = "a reset" if failed.ended == "reset" else "end of file"
    fact = f"{how} after {failed.sent_bytes} bytes sent and {failed.received_bytes} received, with the server name {failed.server_name!r}"
    because = (cite(found[0], fact), *_by_name(evidence))
    if _speaks_tls(evidence, failed):
        return Finding(because=because, certainty="proven")
    also = (("tls.not_tls", "a server of another protocol that hangs up without a word would look the same"),)
    return Finding(because=because, certainty="likely", also=also)


def _speaks_tls(evidence: Evidence, failed: TlsFailed) -> bool:
    """Whether anything shows that a server of TLS is behind this address: bytes of its own, in this handshake or in another one."""
    if failed.received_bytes or any(evidence.of(TlsHandshake)):
        return True
    tests = ("tls.other_name", "tls.no_name", "tls.older_versions", "tls.http2_alone", "tls.certificate_request")
    for test in tests:
        if counter_test(evidence, TlsHandshake, test) is not None:
            return True
        if any(other.received_bytes and not other.received for _, other in counter_tests(evidence, TlsFailed, test)):
            return True
    plain = counter_test(evidence, HttpAnswer, "tls.plain_http")
    return plain is not None and _asks_for_tls(plain[1])


def _by_name(evidence: Evidence) -> tuple[Because, ...]:
    """What the same address does with another server name, and with none."""
    found = []
    for test, name in (("tls.other_name", "another server name"), ("tls.no_name", "no server name")):
        for observation, shaken in counter_tests(evidence, TlsHandshake, test):
            found.append(cite(observation, f"with {name} {shaken.address} shakes hands"))
        for observation, failed in counter_tests(evidence, TlsFailed, test):
            does = "answers" if failed.received_bytes else f"does the same ({failed.ended})"
            found.append(cite(observation, f"with {name} {failed.address} {does}"))
    return tuple(found)


def timeout(evidence: Evidence) -> Finding | None:
    """Whether full-size segments are the reason (`tcp.path_mtu`) is a counter-test's to tell."""
    found = failed_handshake(evidence)
    # With nothing sent it was this machine that was too slow.
    if not found or found[1].ended != "silence" or not found[1].sent_bytes:
        return None
    fact = f"no answer to {found[1].sent_bytes} bytes of handshake; {found[1].received_bytes} bytes came"
    small = counter_test(evidence, TlsFailed, "tls.small_segments")
    if small is not None and small[1].ended == "silence":
        because = (cite(found[0], fact), cite(small[0], "small segments get no answer either"), *_by_name(evidence))
        # A server that serves few connections at a time is silent only to some.
        shaken = any(any(one.of(TlsHandshake)) for one in attempts(evidence))
        return Finding(because=because, certainty="likely" if shaken else "proven")
    also = (("tcp.path_mtu", "full-size segments that vanish look the same; no small handshake was tried"),)
    return Finding(because=(cite(found[0], fact), *_by_name(evidence)), certainty="likely", also=also)
