"""`tls`: the connection stands, and no verified handshake comes about."""

from __future__ import annotations

from oairunbook.diagnose import certificates, handshake
from oairunbook.diagnose.catalogue import Cause

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
        applies=handshake.not_tls,
    ),
    Cause(
        id="tls.client_certificate_required",
        meaning="The peer wants a client certificate.",
        next=("Configure the client certificate in the transport, or use the host that asks for none.",),
        for_node=(
            "Give the client certificate to the dispatcher (undici: new Agent({ connect: { cert, key } }), in the client's fetchOptions), "
            "or use the host that asks for none.",
        ),
        applies=handshake.client_certificate_required,
    ),
    Cause(
        id="tls.clock_skew",
        meaning="The local clock is wrong, and that is why the certificate fails.",
        next=("Set the clock of this host (chronyc tracking, timedatectl).",),
        do_not=(_NO_SWITCH,),
        owner="client_config",
        applies=certificates.clock_skew,
    ),
    Cause(
        id="tls.expired",
        meaning="The certificate is past its end.",
        next=("Ask who runs the endpoint, or who inspects TLS in front of it, to renew the certificate.",),
        do_not=(_NO_SWITCH,),
        applies=lambda evidence: certificates.outside_its_dates(evidence, certificates.CERT_HAS_EXPIRED),
    ),
    Cause(
        id="tls.not_yet_valid",
        meaning="The certificate has not begun.",
        next=("Ask who runs the endpoint for a certificate that has begun.",),
        do_not=(_NO_SWITCH,),
        applies=lambda evidence: certificates.outside_its_dates(evidence, certificates.CERT_NOT_YET_VALID),
    ),
    Cause(
        id="tls.hostname_mismatch",
        meaning="The certificate names other hosts.",
        next=(
            "Compare the host in the base URL with the names in the certificate.",
            "If the host is right, ask who answers at this address in its place.",
        ),
        do_not=(_NO_SWITCH,),
        applies=certificates.hostname_mismatch,
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
        applies=certificates.trust_store_mismatch,
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
        applies=certificates.self_signed,
    ),
    Cause(
        id="tls.incomplete_chain",
        meaning="The server leaves out an intermediate.",
        next=("Ask who runs the endpoint to send its whole chain.",),
        do_not=(_NO_SWITCH,),
        applies=certificates.incomplete_chain,
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
        applies=lambda evidence: certificates.untrusted_issuer(evidence) or certificates.chain_not_acceptable(evidence),
    ),
    Cause(
        id="tls.protocol_mismatch",
        meaning="There is no shared version or cipher.",
        next=(
            "Compare the versions that both sides allow: openssl s_client -tls1_2 / -tls1_3.",
            "Look for a system-wide crypto policy or an old inspecting proxy.",
        ),
        applies=handshake.protocol_mismatch,
    ),
    Cause(
        id="tls.reset",
        meaning="Reset, end of file or refusal during the handshake with this name.",
        next=(
            "Ask who runs the firewall on this path whether it filters by server name; give them host, address and time.",
        ),
        applies=handshake.reset,
    ),
    Cause(
        id="tls.timeout",
        meaning="The handshake gets no answer.",
        next=(
            "Ask who runs the firewall or tunnel on this path; TCP connects and the ClientHello gets no answer.",
            "Compare with a smaller MTU: ip link set dev DEVICE mtu 1280 in a test runtime.",
        ),
        applies=handshake.timeout,
    ),
)
