"""`tls`: the connection stands, and no verified handshake comes about."""

from __future__ import annotations

from oairunbook.diagnose.catalogue import Cause, Certainty, Finding
from oairunbook.diagnose.reading import cite, words
from oairunbook.evidence import Evidence, Observation, TlsFailed, TlsHandshake

# X509_STORE_CTX_get_error(3)
CERT_NOT_YET_VALID, CERT_HAS_EXPIRED = 9, 10
DEPTH_ZERO_SELF_SIGNED, SELF_SIGNED_IN_CHAIN, NO_LOCAL_ISSUER, UNVERIFIED_LEAF = 18, 19, 20, 21
HOSTNAME_MISMATCH, IP_MISMATCH = 62, 64


def _failed(evidence: Evidence) -> tuple[Observation, TlsFailed] | None:
    """The first failed handshake, unless another address of the same name shook hands."""
    if any(o.changed is None for o, _ in evidence.of(TlsHandshake)):
        return None
    return next(((o, f) for o, f in evidence.of(TlsFailed) if o.changed is None), None)


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
    if not found or len(found[1].chain) != 1 or not found[1].chain[0].issuer_urls:
        return None
    fact = f"{_issuer_fact(found[1])}; only the leaf was sent, and it names its issuer at {found[1].chain[0].issuer_urls[0]}"
    return Finding(because=(cite(found[0], fact),), certainty="likely")


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
    certainty: Certainty = "proven" if found[1].verify_code == SELF_SIGNED_IN_CHAIN else "likely"
    return Finding(because=because, certainty=certainty)


def _dates(evidence: Evidence, code: int) -> Finding | None:
    """Whether the local clock is right is a counter-test's to prove; the chain alone makes it likely."""
    found = _verification(evidence, code)
    if not found:
        return None
    leaf = found[1].chain[0] if found[1].chain else None
    dates = f"; valid {leaf.not_before} to {leaf.not_after}, here it is {evidence.collected_at}" if leaf else ""
    return Finding(because=(cite(found[0], f"{found[1].verify_message}{dates}"),), certainty="likely")


def _hostname_mismatch(evidence: Evidence) -> Finding | None:
    found = _verification(evidence, HOSTNAME_MISMATCH, IP_MISMATCH)
    if not found:
        return None
    names = ", ".join(found[1].chain[0].names[:8]) if found[1].chain else "unknown"
    fact = f"{found[1].verify_message} The certificate names: {names}"
    return Finding(because=(cite(found[0], fact),), certainty="proven")


def _reasons(failed: TlsFailed) -> str:
    return " ".join(link.ssl_reason or "" for link in failed.errors)


def _not_tls(evidence: Evidence) -> Finding | None:
    found = _failed(evidence)
    if not found or not found[1].received:
        return None
    fact = f"the peer answered the ClientHello with {found[1].received!r}, which is no TLS record"
    return Finding(because=(cite(found[0], fact),), certainty="proven")


def _client_certificate_required(evidence: Evidence) -> Finding | None:
    found = _failed(evidence)
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


def _protocol_mismatch(evidence: Evidence) -> Finding | None:
    found = _failed(evidence)
    if not found:
        return None
    failed = found[1]
    if failed.alert in _VERSION_ALERTS or any(reason in _reasons(failed) for reason in _VERSION_REASONS):
        fact = f"alert {failed.alert}" if failed.alert else words(failed.errors)
        return Finding(because=(cite(found[0], fact),), certainty="proven")
    if failed.alert == "handshake_failure":
        # TLS 1.2 says the same for a missing client certificate.
        return Finding(
            because=(cite(found[0], "alert handshake_failure"),),
            certainty="likely",
            also=(
                ("tls.client_certificate_required", "under TLS 1.2 a missing client certificate gives the same alert"),
            ),
        )
    return None


def _reset(evidence: Evidence) -> Finding | None:
    found = _failed(evidence)
    if not found or found[1].verify_code is not None or found[1].ended not in ("reset", "eof"):
        return None
    failed = found[1]
    how = "a reset" if failed.ended == "reset" else "end of file"
    fact = f"{how} after {failed.sent_bytes} bytes sent and {failed.received_bytes} received, with the server name {failed.server_name!r}"
    return Finding(because=(cite(found[0], fact),), certainty="proven")


def _timeout(evidence: Evidence) -> Finding | None:
    """Whether full-size segments are the reason (`tcp.path_mtu`) is a counter-test's to tell."""
    found = _failed(evidence)
    if not found or found[1].ended != "silence":
        return None
    fact = f"no answer to {found[1].sent_bytes} bytes of handshake; {found[1].received_bytes} bytes came"
    return Finding(
        because=(cite(found[0], fact),),
        certainty="likely",
        also=(("tcp.path_mtu", "full-size segments that vanish look the same; no small handshake was tried"),),
    )


_NO_SWITCH = "Do not switch verification off."
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
        applies=_client_certificate_required,
    ),
    Cause(
        id="tls.clock_skew",
        meaning="The local clock is wrong, and that is why the certificate fails.",
        next=("Set the clock of this host (chronyc tracking, timedatectl).",),
        do_not=(_NO_SWITCH,),
        owner="client_config",
    ),
    Cause(
        id="tls.expired",
        meaning="The certificate is past its end.",
        next=(
            "Compare the local clock first (date -u).",
            "Ask who runs the endpoint, or who inspects TLS in front of it, to renew the certificate.",
        ),
        do_not=(_NO_SWITCH,),
        applies=lambda evidence: _dates(evidence, CERT_HAS_EXPIRED),
    ),
    Cause(
        id="tls.not_yet_valid",
        meaning="The certificate has not begun.",
        next=(
            "Compare the local clock first (date -u).",
            "Ask who runs the endpoint for a certificate that has begun.",
        ),
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
        id="tls.self_signed",
        meaning="The leaf signs itself.",
        next=(
            "Ask who runs the endpoint for a certificate from a CA, or for this one to be added to the store on purpose.",
        ),
        do_not=(_NO_SWITCH,),
        applies=_self_signed,
    ),
    Cause(
        id="tls.trust_store_mismatch",
        meaning="Another store on this machine trusts the chain; the one that this transport uses does not.",
        next=("Point SSL_CERT_FILE at the store that trusts the chain.",),
        do_not=(_NO_SWITCH,),
        owner="client_config",
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
        do_not=(_NO_SWITCH,),
        applies=_untrusted_issuer,
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
        meaning="Reset or end of file during the handshake with this name.",
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
