"""`tls`: the connection stands, and no verified handshake comes about."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from oairunbook.diagnose.catalogue import Cause, Certainty, Finding
from oairunbook.diagnose.reading import (
    answers,
    attempts,
    cite,
    counter_test,
    counter_tests,
    dialled_address,
    request_succeeded,
    words,
)
from oairunbook.evidence import (
    Certificate,
    Evidence,
    HttpAnswer,
    HttpFailed,
    Observation,
    SdkFailed,
    TlsFailed,
    TlsHandshake,
)
from oairunbook.verdict import Because

# X509_STORE_CTX_get_error(3)
CERT_NOT_YET_VALID, CERT_HAS_EXPIRED = 9, 10
DEPTH_ZERO_SELF_SIGNED, SELF_SIGNED_IN_CHAIN, NO_LOCAL_ISSUER, UNVERIFIED_LEAF = 18, 19, 20, 21
HOSTNAME_MISMATCH, IP_MISMATCH = 62, 64

TRUST_CODES = (DEPTH_ZERO_SELF_SIGNED, SELF_SIGNED_IN_CHAIN, NO_LOCAL_ISSUER, UNVERIFIED_LEAF)
"""What depends on the roots that are trusted."""


def _failed(evidence: Evidence) -> tuple[Observation, TlsFailed] | None:
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


def _verification(evidence: Evidence, *codes: int) -> tuple[Observation, TlsFailed] | None:
    found = _failed(evidence)
    return found if found and found[1].verify_code in codes else None


def _issuer_fact(failed: TlsFailed) -> str:
    if not failed.chain:
        return f"verify code {failed.verify_code}: {failed.verify_message}"
    leaf, last = failed.chain[0], failed.chain[-1]
    return (
        f"verify code {failed.verify_code} ({failed.verify_message}); {len(failed.chain)} certificates sent, "
        f"leaf {leaf.subject!r}, the last issued by {last.issuer!r}"
    )


def _self_signed(evidence: Evidence) -> Finding | None:
    found = _verification(evidence, DEPTH_ZERO_SELF_SIGNED)
    return Finding(because=(cite(found[0], _issuer_fact(found[1])),), certainty="proven") if found else None


def _incomplete_chain(evidence: Evidence) -> Finding | None:
    """A leaf sent alone that names where its issuer can be fetched; whether the issuer is public is a counter-test's to prove."""
    found = _verification(evidence, NO_LOCAL_ISSUER, UNVERIFIED_LEAF)
    if not found:
        return None
    by_some = left_out_by_some(evidence)
    if by_some is not None:
        return by_some
    completed = counter_test(evidence, TlsHandshake, "tls.completed_chain")
    if completed is not None:
        because = (
            cite(found[0], _issuer_fact(found[1])),
            cite(completed[0], "once the missing issuer is fetched, the same store verifies the chain"),
        )
        return Finding(because=because, certainty="proven")
    # Completed and still not verified: the root itself is not trusted. Not fetched: undecided, and the leaf alone makes it likely.
    if any(_unverified(failed) for _, failed in counter_tests(evidence, TlsFailed, "tls.completed_chain")):
        return None
    if len(found[1].chain) != 1:
        return None
    if not found[1].chain[0].issuer_urls:
        return _issuer_seems_intermediate(found)
    fact = f"{_issuer_fact(found[1])}; only the leaf was sent, and it names its issuer at {found[1].chain[0].issuer_urls[0]}"
    return Finding(because=(cite(found[0], fact),), certainty="likely")


def left_out_by_some(evidence: Evidence) -> Finding | None:
    """The same certificate verifies where more was sent along with it: of several servers behind one name some leave an intermediate out."""
    of_the_path = [o for o in evidence.observations if o.changed is None and o.probe == "tls"]
    for observation in of_the_path:
        failed = observation.outcome
        if (
            not isinstance(failed, TlsFailed)
            or failed.verify_code not in (NO_LOCAL_ISSUER, UNVERIFIED_LEAF)
            or not failed.chain
        ):
            continue
        for other in of_the_path:
            shaken = other.outcome
            if (
                isinstance(shaken, TlsHandshake)
                and len(shaken.chain) > len(failed.chain)
                and shaken.chain[0].sha256 == failed.chain[0].sha256
            ):
                more = f"the same certificate verifies with {len(shaken.chain)} sent"
                because = (cite(observation, _issuer_fact(failed)), cite(other, more))
                return Finding(because=because, certainty="proven")
    return None


def _unverified(failed: TlsFailed) -> bool:
    """Whether a counter-test shows that the chain does not verify: one that got no answer in its time shows nothing of it."""
    return failed.verify_code in TRUST_CODES


_INTERMEDIATE = re.compile(r"\b(?:intermediate|issuing|subordinate|sub[- ]?ca|ica)\b", re.IGNORECASE)
_OWN_ROOT = re.compile(
    r"root|inspect|proxy|firewall|filter|private|internal|untrusted|rogue|fake|evil|mitm|decrypt", re.IGNORECASE
)


def _issuer_seems_intermediate(found: tuple[Observation, TlsFailed]) -> Finding | None:
    """The leaf alone, and nothing says where its issuer is: only names tell an intermediate that is left out from a root of somebody's own."""
    failed = found[1]
    issuer = failed.chain[0].issuer
    named = _INTERMEDIATE.search(issuer)
    if not named and (failed.trusted_kin in (None, issuer) or _OWN_ROOT.search(issuer)):
        return None
    why = "calls itself an intermediate" if named else f"has the organization of a trusted root, {failed.trusted_kin!r}"
    fact = f"{_issuer_fact(failed)}; only the leaf was sent, and its issuer {why}"
    also = (("tls.untrusted_issuer", "a root of somebody's own, sent as the leaf alone, would look the same"),)
    return Finding(because=(cite(found[0], fact),), certainty="likely", also=also)


def _untrusted_issuer(evidence: Evidence) -> Finding | None:
    """Verify codes 19, 20 and 21. 19 means that the root itself was sent along and is not trusted."""
    found = _verification(evidence, SELF_SIGNED_IN_CHAIN, NO_LOCAL_ISSUER, UNVERIFIED_LEAF)
    if not found:
        return None
    trust = evidence.route.trust
    because = (
        cite(found[0], _issuer_fact(found[1])),
        cite(found[0], f"the store in use is {trust.path or trust.origin} ({trust.reason})"),
    )
    others = [
        cite(o, f"{o.target}: {o.changed}: does not verify either")
        for o, failed in counter_tests(evidence, TlsFailed, "tls.store")
        if _unverified(failed)
    ]
    completed = [
        cite(o, "with the missing issuer fetched it does not verify either")
        for o, failed in counter_tests(evidence, TlsFailed, "tls.completed_chain")
        if _unverified(failed)
    ]
    rooted = found[1].verify_code == SELF_SIGNED_IN_CHAIN or completed
    certainty: Certainty = "proven" if rooted else "likely"
    step = (f"Correct that first: {trust.ignored}.",) if trust.ignored else ()
    return Finding(because=(*because, *others, *completed), certainty=certainty, next=step)


_JUDGED_ELSEWHERE = (*TRUST_CODES, CERT_NOT_YET_VALID, CERT_HAS_EXPIRED, HOSTNAME_MISMATCH, IP_MISMATCH)


def _chain_not_acceptable(evidence: Evidence) -> Finding | None:
    """Whatever else this store holds against a chain: name constraints, a weak key, a revoked certificate, an authority that is none."""
    found = _failed(evidence)
    if not found or found[1].verify_code is None or found[1].verify_code in _JUDGED_ELSEWHERE:
        return None
    return Finding(because=(cite(found[0], _issuer_fact(found[1])),), certainty="likely")


def _trust_store_mismatch(evidence: Evidence) -> Finding | None:
    """Another store on this machine verifies the very chain that the transport's store does not."""
    found = _verification(evidence, DEPTH_ZERO_SELF_SIGNED, SELF_SIGNED_IN_CHAIN, NO_LOCAL_ISSUER, UNVERIFIED_LEAF)
    trusting = counter_test(evidence, TlsHandshake, "tls.store")
    if not found or trusting is None:
        return None
    trust = evidence.route.trust
    because = (
        cite(found[0], f"{trust.path or trust.origin} ({trust.reason}): {_issuer_fact(found[1])}"),
        cite(trusting[0], f"{trusting[0].changed}: the handshake verifies"),
    )
    return Finding(because=because, certainty="proven")


def _dates(evidence: Evidence, code: int) -> Finding | None:
    """Past or before its time, by a local clock that the endpoint's own Date agrees with; without a Date it is likely."""
    found = _verification(evidence, code)
    if not found or _clock_skew(evidence) is not None:
        return None
    wrong = _outside_its_time(found[1], evidence.collected_at)
    dates = f"; {wrong.subject!r} is valid {wrong.not_before} to {wrong.not_after}" if wrong else ""
    because = [cite(found[0], f"{found[1].verify_message}{dates}, here it is {evidence.collected_at}")]
    seen = _date_header(evidence)
    if seen is not None:
        because.append(cite(seen[0], f"the endpoint says that it is {seen[1].isoformat()}: this clock is right"))
        return Finding(because=tuple(because), certainty="proven")
    return Finding(because=tuple(because), certainty="likely", next=(_LOOK_AT_THE_CLOCK,))


_LOOK_AT_THE_CLOCK = "Compare the local clock first (date -u)."


def _outside_its_time(failed: TlsFailed, now: str) -> Certificate | None:
    """The certificate of the chain that is past or before its time; any of them can be, not only the leaf."""
    return next((c for c in failed.chain if c.not_before and not c.not_before <= now[:19] <= c.not_after), None)


def _date_header(evidence: Evidence) -> tuple[Observation, datetime] | None:
    """The endpoint's own time (RFC 9110 section 6.6.1), asked without verification and without credentials."""
    found = counter_test(evidence, HttpAnswer, "tls.date")
    try:
        moment = parsedate_to_datetime(found[1].header("date") or "") if found else None
    except ValueError:
        return None
    if found is None or moment is None:
        return None
    return found[0], moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _clock_skew(evidence: Evidence) -> Finding | None:
    """The certificate is within its time by the endpoint's clock, and outside of it by this one."""
    found, seen = _verification(evidence, CERT_NOT_YET_VALID, CERT_HAS_EXPIRED), _date_header(evidence)
    if not found or seen is None or not found[1].chain:
        return None
    here = datetime.fromisoformat(evidence.collected_at)
    there = seen[1].isoformat()
    if abs((seen[1] - here).total_seconds()) < _CLOCKS_AGREE_SECONDS or _outside_its_time(found[1], there) is not None:
        return None
    fact = f"here it is {evidence.collected_at}, the endpoint says {there}, and by that its certificates are within their time"
    because = (cite(found[0], str(found[1].verify_message)), cite(seen[0], fact))
    return Finding(because=because, certainty="proven", explains_all=True)


_CLOCKS_AGREE_SECONDS = 300.0


def _hostname_mismatch(evidence: Evidence) -> Finding | None:
    found = _verification(evidence, HOSTNAME_MISMATCH, IP_MISMATCH)
    if not found:
        return _name_unknown(evidence)
    names = ", ".join(found[1].chain[0].names[:8]) if found[1].chain else "unknown"
    fact = f"{found[1].verify_message} The certificate names: {names}"
    return Finding(because=(cite(found[0], fact),), certainty="proven")


def _name_unknown(evidence: Evidence) -> Finding | None:
    """The server has no certificate for this name and says so (RFC 6066 section 3), instead of sending another one."""
    found = _failed(evidence)
    if not found or found[1].alert != "unrecognized_name":
        return None
    fact = f"alert unrecognized_name: the server knows no {found[1].server_name!r}"
    return Finding(because=(cite(found[0], fact), *_by_name(evidence)), certainty="likely")


def _reasons(failed: TlsFailed) -> str:
    return " ".join(link.ssl_reason or "" for link in failed.errors)


def _not_tls(evidence: Evidence) -> Finding | None:
    found = _failed(evidence)
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
    said = f"{answer.body.title or ''} {answer.body.sample} {answer.header('location') or ''}".lower()
    if answer.status == 426 or any(mark in said for mark in _WANTS_TLS):
        return None
    ended = "nothing" if found[1].ended == "silence" else f"the end of the connection ({found[1].ended})"
    because = (
        cite(found[0], f"the answer to the ClientHello is {ended}"),
        cite(observation, f"a request in plain HTTP is answered there with status {answer.status}"),
    )
    # A filter may speak HTTP in the place of a server of TLS that it cuts off.
    vague = answer.status == 400 or 300 <= answer.status < 400 or answer.status in _OF_A_FILTER
    return Finding(because=because, certainty="likely" if vague else "proven")


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


def _client_certificate_required(evidence: Evidence) -> Finding | None:
    found = _failed(evidence)
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


_NO_AGREEMENT_ALERTS = ("handshake_failure", "no_application_protocol", "illegal_parameter", "missing_extension")


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
        return Finding(because=because, certainty="proven") if alert == _NO_PROTOCOL else None
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


_NO_PROTOCOL = "no_application_protocol"
_NAMES_HTTP2 = ("alpn", "http/2", "http2")


def _protocol_mismatch(evidence: Evidence) -> Finding | None:
    found = _failed(evidence)
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


def _reset(evidence: Evidence) -> Finding | None:
    found = _failed(evidence)
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
    return Finding(because=(cite(found[0], fact), *_by_name(evidence)), certainty="proven")


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


def _timeout(evidence: Evidence) -> Finding | None:
    """Whether full-size segments are the reason (`tcp.path_mtu`) is a counter-test's to tell."""
    found = _failed(evidence)
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


_NO_SWITCH = "Do not switch verification off."
_FOR_NODE = (
    "Add that root to what Node.js trusts, once its owner has confirmed it: a PEM file with it in NODE_EXTRA_CA_CERTS, set before the process "
    "starts. SSL_CERT_FILE alone is not read."
)
_INSPECTION = "Ask who runs the proxy or firewall on this path whether it inspects TLS, and for its root certificate."

CAUSES = (
    Cause(
        id="tls.not_tls",
        meaning="The peer speaks something other than TLS.",
        next=(
            "Check scheme and port of the base URL (https towards a plain port?).",
            "If they are right, something on the path answers in the endpoint's place.",
        ),
        applies=_not_tls,
    ),
    Cause(
        id="tls.client_certificate_required",
        meaning="The peer wants a client certificate.",
        next=("Configure the client certificate in the transport, or use the host that asks for none.",),
        for_node=(
            "Give the client certificate to the dispatcher (undici: new Agent({ connect: { cert, key } }), in the client's fetchOptions), "
            "or use the host that asks for none.",
        ),
        applies=_client_certificate_required,
    ),
    Cause(
        id="tls.clock_skew",
        meaning="The local clock is wrong, and that is why the certificate fails.",
        next=("Set the clock of this host (chronyc tracking, timedatectl).",),
        do_not=(_NO_SWITCH,),
        owner="client_config",
        applies=_clock_skew,
    ),
    Cause(
        id="tls.expired",
        meaning="The certificate is past its end.",
        next=("Ask who runs the endpoint, or who inspects TLS in front of it, to renew the certificate.",),
        do_not=(_NO_SWITCH,),
        applies=lambda evidence: _dates(evidence, CERT_HAS_EXPIRED),
    ),
    Cause(
        id="tls.not_yet_valid",
        meaning="The certificate has not begun.",
        next=("Ask who runs the endpoint for a certificate that has begun.",),
        do_not=(_NO_SWITCH,),
        applies=lambda evidence: _dates(evidence, CERT_NOT_YET_VALID),
    ),
    Cause(
        id="tls.hostname_mismatch",
        meaning="The certificate names other hosts.",
        next=(
            "Compare the host in the base URL with the names in the certificate.",
            "If the host is right, ask who answers at this address in its place.",
        ),
        do_not=(_NO_SWITCH,),
        applies=_hostname_mismatch,
    ),
    Cause(
        id="tls.trust_store_mismatch",
        meaning="Another store on this machine trusts the chain; the one that this transport uses does not.",
        next=("Point SSL_CERT_FILE at the store that trusts the chain, once its owner has confirmed the root.",),
        for_node=(
            "Point NODE_EXTRA_CA_CERTS at a PEM file with the root that the other store has, once its owner has confirmed it; set it before the "
            "process starts. Where this Node.js has --use-system-ca, that option adds the operating system's store. SSL_CERT_FILE alone is not read.",
        ),
        do_not=(_NO_SWITCH,),
        owner="client_config",
        applies=_trust_store_mismatch,
    ),
    Cause(
        id="tls.self_signed",
        meaning="The leaf signs itself.",
        next=(
            "Ask who runs the endpoint for a certificate from a CA, or for this one to be added to the store on purpose.",
        ),
        for_node=(
            "Ask who runs the endpoint for a certificate from a CA, or for this one to be trusted on purpose: in NODE_EXTRA_CA_CERTS.",
        ),
        do_not=(_NO_SWITCH,),
        applies=_self_signed,
    ),
    Cause(
        id="tls.incomplete_chain",
        meaning="The server leaves out an intermediate.",
        next=("Ask who runs the endpoint to send its whole chain.",),
        do_not=(_NO_SWITCH,),
        applies=_incomplete_chain,
    ),
    Cause(
        id="tls.untrusted_issuer",
        meaning="The chain ends at an issuer that the store in use does not trust: a private CA, or a proxy that inspects TLS.",
        next=(
            _INSPECTION,
            "Add that root to the store that this transport reads (SSL_CERT_FILE with the public roots and yours), once its owner has confirmed it.",
        ),
        for_node=(_INSPECTION, _FOR_NODE),
        do_not=(_NO_SWITCH,),
        applies=lambda evidence: _untrusted_issuer(evidence) or _chain_not_acceptable(evidence),
    ),
    Cause(
        id="tls.protocol_mismatch",
        meaning="There is no shared version or cipher.",
        next=(
            "Compare the versions that both sides allow: openssl s_client -tls1_2 / -tls1_3.",
            "Look for a system-wide crypto policy or an old inspecting proxy.",
        ),
        applies=_protocol_mismatch,
    ),
    Cause(
        id="tls.reset",
        meaning="Reset, end of file or refusal during the handshake with this name.",
        next=(
            "Ask who runs the firewall on this path whether it filters by server name; give them host, address and time.",
        ),
        applies=_reset,
    ),
    Cause(
        id="tls.timeout",
        meaning="The handshake gets no answer.",
        next=(
            "Ask who runs the firewall or tunnel on this path; TCP connects and the ClientHello gets no answer.",
            "Compare with a smaller MTU: ip link set dev DEVICE mtu 1280 in a test runtime.",
        ),
        applies=_timeout,
    ),
)
