"""Handshakes that do not complete, and certificates that do not verify, on the direct route."""

import socket
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from oairunbook.lab.certificates import Signed, sign
from oairunbook.lab.listener import Handle
from tests.world import API, PLACES, STATUS, Steps, World, both, curl_says, scenario, sdk_raises
from tests.world.authority import INSPECTION_ROOT, PUBLIC_ROOT, Authority, in_days, leaf
from tests.world.proxies import run_haproxy, run_haproxy_stream, run_nginx, run_openssl
from tests.world.scenario import Proof, curl_varies
from tests.world.streams import answering, greet_as_ssh, reset_after_first_bytes, stay_silent

URL = f"https://{API}/v1/models"
_NO_ISSUER = "unable to get local issuer certificate|self-signed certificate in certificate chain"

other_name_passes = curl_says(
    "https://www.acme.example/",
    "SSL certificate problem|no alternative certificate|HTTP/1.1",
    *("--connect-to", f"::{API}:443"),
)
"""The same address under another server name shakes hands: it is the name that is filtered."""


# -- issuers -----------------------------------------------------------------------------------------------------------


@scenario("tls.untrusted_issuer")
def tls_private_ca(world: World) -> Steps:
    world.api.serve(certificate=INSPECTION_ROOT.issue(API))
    yield sdk_raises(f"CERTIFICATE_VERIFY_FAILED.*({_NO_ISSUER})")
    world.client.trust(INSPECTION_ROOT)


@scenario("tls.untrusted_issuer", needs=("nginx",))
def tls_private_ca_on_nginx(world: World) -> Steps:
    world.api.stop_serving()
    daemon = run_nginx(world.api, INSPECTION_ROOT.issue(API), "return 200;")
    yield curl_says(URL, _NO_ISSUER)
    world.api.stop(daemon)
    world.api.serve()


@scenario("tls.untrusted_issuer")
def tls_inspection_untrusted(world: World) -> Steps:
    world.middle.inspect(INSPECTION_ROOT)
    yield sdk_raises("CERTIFICATE_VERIFY_FAILED")
    world.client.trust(INSPECTION_ROOT)


@scenario("tls.untrusted_issuer")
def tls_inspection_by_a_known_product(world: World) -> Steps:
    root = Authority("Zscaler Inc.")
    world.middle.inspect(root)
    yield curl_says(URL, "issuer:.*Zscaler", "--insecure")
    world.client.trust(root)


@scenario("tls.trust_store_mismatch", owner="client_config")
def tls_company_root_in_certifi_alone(world: World) -> Steps:
    """The image patches certifi, and SDK 3 reads the operating system's store."""
    world.middle.inspect(INSPECTION_ROOT)
    world.client.trust_in_certifi_alone(PUBLIC_ROOT, INSPECTION_ROOT)
    yield both(sdk_raises(_NO_ISSUER), curl_says(URL, _NO_ISSUER))
    world.client.trust(INSPECTION_ROOT)


@scenario("tls.trust_store_mismatch", owner="client_config")
def tls_company_root_missing_in_ssl_cert_file(world: World) -> Steps:
    """The system's store has the root, and a variable leads the SDK to an old copy without it."""
    world.middle.inspect(INSPECTION_ROOT)
    world.client.trust(INSPECTION_ROOT)
    world.client.environment["SSL_CERT_FILE"] = world.client.bundle(PUBLIC_ROOT)
    yield both(sdk_raises(_NO_ISSUER), curl_says(URL, "SSL certificate verify ok"))
    del world.client.environment["SSL_CERT_FILE"]


@scenario("tls.trust_store_mismatch", owner="client_config")
def tls_company_root_for_requests_alone(world: World) -> Steps:
    world.middle.inspect(INSPECTION_ROOT)
    bundle = world.client.bundle(PUBLIC_ROOT, INSPECTION_ROOT)
    world.client.environment["REQUESTS_CA_BUNDLE"] = bundle
    yield both(sdk_raises(_NO_ISSUER), curl_says(URL, "SSL certificate verify ok", "--cacert", bundle))
    world.client.environment["SSL_CERT_FILE"] = bundle


@scenario("tls.trust_store_mismatch", owner="client_config")
def tls_company_root_for_node_alone(world: World) -> Steps:
    world.api.serve(certificate=INSPECTION_ROOT.issue(API))
    bundle = world.client.bundle(INSPECTION_ROOT)
    world.client.environment["NODE_EXTRA_CA_CERTS"] = bundle
    yield both(sdk_raises(_NO_ISSUER), curl_says(URL, "SSL certificate verify ok", "--cacert", bundle))
    world.client.trust(INSPECTION_ROOT)


@scenario("tls.trust_store_mismatch", owner="client_config", options=("--client", "their_client:make"))
def tls_application_asks_for_a_list_of_revocations_that_it_has_not(world: World) -> Steps:
    """Its own context is strict; no root is missing, and the machine's own store verifies the chain."""
    strict = "context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF"
    world.client.overlay("their_client.py", _THEIR_CLIENT.format(strict))
    yield _their_client_raises("unable to get certificate CRL")
    world.client.overlay("their_client.py", _THEIR_CLIENT.format("pass"))


_THEIR_CLIENT = """
import ssl

import openai


def make():
    context = ssl.create_default_context()
    {}
    return openai.OpenAI(http_client=openai.DefaultHttpxClient(verify=context), max_retries=0)
"""


def _their_client_raises(pattern: str) -> Proof:
    """The application's own client raises, by itself."""

    def prove(world: World) -> None:
        ran = world.client.run(sys.executable, "-c", "import their_client; their_client.make().models.list()")
        assert pattern in ran.stderr, ran.stderr

    return prove


@scenario("tls.self_signed")
def tls_self_signed(world: World) -> Steps:
    world.api.serve(certificate=leaf(sign(API, issuer=None, hosts=(API,))))
    yield both(sdk_raises("self-signed certificate"), curl_says(URL, "self-signed certificate"))
    world.api.serve()


@scenario("tls.self_signed")
def tls_self_signed_on_openssl(world: World) -> Steps:
    world.api.stop_serving()
    daemon = run_openssl(world.api, leaf(sign("appliance.acme.example", issuer=None, hosts=(API,))))
    yield curl_says(URL, "self-signed certificate")
    world.api.stop(daemon)
    world.api.serve()


def _intermediate(world: World) -> tuple[Signed, Signed]:
    """A public intermediate, and a leaf that says where it can be had (RFC 5280 section 4.2.2.1)."""
    intermediate = sign("Lab Trust Services WE1", issuer=PUBLIC_ROOT.signed)
    world.dns.publish("pki.lab.example", PLACES[STATUS].addresses[0])
    der = intermediate.certificate.public_bytes(Encoding.DER)
    world.status.listen(80, answering(200, "application/pkix-cert", der))
    return intermediate, sign(API, issuer=intermediate, hosts=(API,), issuer_url="http://pki.lab.example/we1.crt")


@scenario("tls.incomplete_chain")
def tls_incomplete_chain(world: World) -> Steps:
    intermediate, signed = _intermediate(world)
    world.api.serve(certificate=leaf(signed))
    yield both(
        sdk_raises("unable to get local issuer"), curl_says("http://pki.lab.example/we1.crt", "200 OK", "-o/dev/null")
    )
    world.api.serve(certificate=leaf(signed, intermediate))


@scenario("tls.incomplete_chain", needs=("nginx",))
def tls_incomplete_chain_on_nginx(world: World) -> Steps:
    _, signed = _intermediate(world)
    world.api.stop_serving()
    daemon = run_nginx(world.api, leaf(signed), "return 200;")
    yield curl_says(URL, "unable to get local issuer")
    world.api.stop(daemon)
    world.api.serve()


@scenario("tls.incomplete_chain", intermittent=True)
def tls_incomplete_chain_of_every_other_connection(world: World) -> Steps:
    """One of two servers leaves the intermediate out, and nothing says where it can be had."""
    intermediate = sign("Lab Trust Services WE1", issuer=PUBLIC_ROOT.signed)
    signed = sign(API, issuer=intermediate, hosts=(API,))
    world.api.serve(certificate=leaf(signed, intermediate))
    world.api.serve(certificate=leaf(signed), port=444)
    world.api.divert(every=2, to=444)
    yield _varies("unable to get local issuer")
    world.api.undivert()


# -- time --------------------------------------------------------------------------------------------------------------


@scenario("tls.expired")
def tls_expired(world: World) -> Steps:
    world.api.serve(certificate=world.certificate(API, expired=True))
    yield sdk_raises("CERTIFICATE_VERIFY_FAILED.*certificate has expired")
    world.api.serve()


@scenario("tls.expired", needs=("haproxy",))
def tls_expired_yesterday_on_haproxy(world: World) -> Steps:
    world.api.stop_serving()
    daemon = run_haproxy(world.api, PUBLIC_ROOT.issue_for_days(-90, -1, API), "server s1 127.0.0.1:9")
    yield curl_says(URL, "certificate has expired")
    world.api.stop(daemon)
    world.api.serve()


@scenario("tls.not_yet_valid")
def tls_not_yet_valid(world: World) -> Steps:
    world.api.serve(certificate=PUBLIC_ROOT.issue_for_days(2, 90, API))
    yield both(sdk_raises("certificate is not yet valid"), curl_says(URL, "certificate is not yet valid"))
    world.api.serve()


@scenario("tls.not_yet_valid")
def tls_not_yet_valid_on_openssl(world: World) -> Steps:
    world.api.stop_serving()
    daemon = run_openssl(world.api, PUBLIC_ROOT.issue_for_days(0.5, 90, API))
    yield curl_says(URL, "certificate is not yet valid")
    world.api.stop(daemon)
    world.api.serve()


@scenario("tls.clock_skew", owner="client_config", needs=("faketime",))
def tls_clock_years_behind(world: World) -> Steps:
    """A board without a battery: the certificate has not begun there."""
    world.api.serve(certificate=PUBLIC_ROOT.issue_for_days(-30, 60, API))
    world.client.shift_clock(-800)
    yield sdk_raises("certificate is not yet valid")
    world.client.shift_clock(0)


@scenario("tls.clock_skew", owner="client_config", needs=("faketime",))
def tls_clock_a_year_ahead(world: World) -> Steps:
    world.api.serve(certificate=PUBLIC_ROOT.issue_for_days(-30, 60, API))
    world.status.serve(certificate=PUBLIC_ROOT.issue_for_days(-30, 60, STATUS))
    world.client.shift_clock(+400)
    yield sdk_raises("certificate has expired")
    world.client.shift_clock(0)


# -- names -------------------------------------------------------------------------------------------------------------


@scenario("tls.hostname_mismatch")
def tls_other_name(world: World) -> Steps:
    world.api.serve(certificate=world.certificate("intranet.acme.example"))
    yield sdk_raises("CERTIFICATE_VERIFY_FAILED.*Hostname mismatch")
    world.api.serve()


@scenario("tls.hostname_mismatch", needs=("nginx",))
def tls_default_certificate_of_nginx(world: World) -> Steps:
    world.api.stop_serving()
    daemon = run_nginx(world.api, world.certificate("*.openai.example", "default.openai.example"), "return 200;")
    yield curl_says(URL, "no alternative certificate subject name matches")
    world.api.stop(daemon)
    world.api.serve()


# -- versions and client certificates ----------------------------------------------------------------------------------


@scenario("tls.protocol_mismatch")
def tls_server_speaks_tls_1_1(world: World) -> Steps:
    world.api.stop_serving()
    daemon = run_openssl(world.api, world.api.certificate(), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    yield sdk_raises("PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|unsupported protocol|alert")
    world.api.stop(daemon)
    world.api.serve()


@scenario("tls.protocol_mismatch", needs=("nginx",))
def tls_nginx_speaks_tls_1_0(world: World) -> Steps:
    world.api.stop_serving()
    server = "ssl_protocols TLSv1; ssl_ciphers ALL:@SECLEVEL=0;"
    daemon = run_nginx(world.api, world.api.certificate(), "return 200;", server=server)
    yield sdk_raises("PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|unsupported protocol|alert")
    world.api.stop(daemon)
    world.api.serve()


def _one_odd_cipher(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-CCM")


@scenario("tls.protocol_mismatch")
def tls_no_shared_cipher(world: World) -> Steps:
    world.api.serve(tls=_one_odd_cipher)
    yield sdk_raises("HANDSHAKE_FAILURE|handshake failure")
    world.api.serve()


def _wants_certificate(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=INSPECTION_ROOT.pem.decode())


def _wants_certificate_1_2(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    _wants_certificate(context)


@scenario("tls.client_certificate_required")
def tls_client_certificate_1_3(world: World) -> Steps:
    world.api.serve(tls=_wants_certificate)
    yield both(sdk_raises("CERTIFICATE_REQUIRED|certificate required"), curl_says(URL, "certificate required"))
    world.api.serve()


@scenario("tls.client_certificate_required")
def tls_client_certificate_1_2(world: World) -> Steps:
    world.api.serve(tls=_wants_certificate_1_2)
    yield sdk_raises("HANDSHAKE_FAILURE|handshake failure|alert")
    world.api.serve()


@scenario("tls.client_certificate_required", needs=("haproxy",))
def tls_client_certificate_on_haproxy(world: World) -> Steps:
    world.api.stop_serving()
    roots = world.api.folder / "clients.pem"
    roots.write_bytes(INSPECTION_ROOT.pem)
    bind = f"ca-file {roots} verify required"
    daemon = run_haproxy(world.api, world.api.certificate(), "server s1 127.0.0.1:9", bind=bind)
    yield curl_says(URL, "certificate required")
    world.api.stop(daemon)
    world.api.serve()


@scenario("tls.client_certificate_required", needs=("nginx",))
def tls_client_certificate_on_nginx(world: World) -> Steps:
    """nginx completes the handshake and says it in a page: 400 No required SSL certificate was sent."""
    world.api.stop_serving()
    roots = world.api.folder / "clients.pem"
    roots.write_bytes(INSPECTION_ROOT.pem)
    server = f"ssl_client_certificate {roots}; ssl_verify_client on;"
    daemon = run_nginx(world.api, world.api.certificate(), "return 200;", server=server)
    yield curl_says(URL, "No required SSL certificate was sent")
    world.api.stop(daemon)
    world.api.serve()


# -- no handshake ------------------------------------------------------------------------------------------------------


@scenario("tls.not_tls")
def tls_plain_http(world: World) -> Steps:
    world.api.stop_serving()
    world.api.listen(443, answering(400, "text/html", "<html><title>400</title></html>"))
    yield sdk_raises("WRONG_VERSION_NUMBER|wrong version number|record layer failure")
    world.api.serve()


@scenario("tls.not_tls", needs=("nginx",))
def tls_nginx_without_ssl(world: World) -> Steps:
    world.api.stop_serving()
    daemon = run_nginx(world.api, None, "return 200;")
    yield curl_says(URL, "wrong version number")
    world.api.stop(daemon)
    world.api.serve()


@scenario("tls.not_tls")
def tls_ssh_on_the_port(world: World) -> Steps:
    world.api.stop_serving()
    world.api.listen(443, greet_as_ssh)
    yield curl_says(URL, "wrong version number")
    world.api.serve()


@scenario("tls.not_tls")
def tls_captive_portal_in_plain_http(world: World) -> Steps:
    page = "<html><head><title>Hotel Wi-Fi: please sign in</title></head><body>Accept our terms</body></html>"
    world.middle.intercept(answering(200, "text/html", page))
    yield curl_says(URL, "wrong version number")
    world.middle.mend()


@scenario("tls.reset")
def tls_reset_on_server_name(world: World) -> Steps:
    world.middle.reset_on_name(API)
    yield both(sdk_raises("Connection reset by peer|UNEXPECTED_EOF"), other_name_passes)
    world.middle.mend()


@scenario("tls.reset", needs=("haproxy",))
def tls_haproxy_rejects_the_name(world: World) -> Steps:
    world.api.serve(port=8443)
    world.api.stop_serving()
    daemon = run_haproxy_stream(
        world.api,
        "frontend front\n bind :::443 v4v6\n tcp-request inspect-delay 2s\n"
        f" tcp-request content reject if {{ req.ssl_sni -i {API} }}\n"
        " tcp-request content accept if { req.ssl_hello_type 1 }\n default_backend back\n"
        "backend back\n server s1 127.0.0.1:8443\n",
    )
    yield both(curl_says(URL, "SSL_ERROR_SYSCALL|reset by peer|unexpected eof"), other_name_passes)
    world.api.stop(daemon)
    world.api.serve()


@scenario("tls.reset", packets=True)
def tls_reset_of_every_hello(world: World) -> Steps:
    world.middle.rule("tcp dport 443 ct state established meta length > 200 reject with tcp reset")
    yield curl_says(URL, "reset by peer|SSL_ERROR_SYSCALL")
    world.middle.mend()


@scenario("tls.timeout")
def tls_silence_after_hello(world: World) -> Steps:
    world.api.stop_serving()
    world.api.listen(443, stay_silent)
    yield sdk_raises("handshake operation timed out")
    world.api.serve()


@scenario("tls.timeout", packets=True)
def tls_payload_dropped(world: World) -> Steps:
    """The firewall lets connections come about and drops whatever they carry, however small."""
    world.middle.rule("tcp dport 443 ct state established meta length > 80 drop")
    yield sdk_raises("timed out")
    world.middle.mend()


@scenario("tls.timeout")
def tls_silence_on_server_name(world: World) -> Steps:
    world.middle.silence_on_name(API)
    yield both(sdk_raises("timed out"), other_name_passes)
    world.middle.mend()


# -- that come and go --------------------------------------------------------------------------------------------------


def _varies(problem: str) -> Proof:
    def prove(world: World) -> None:
        given = [problem in world.client.curl(URL).stderr for _ in range(6)]
        assert len(set(given)) == 2, given

    return prove


@scenario("tls.expired", intermittent=True)
def tls_one_of_two_backends_expired(world: World) -> Steps:
    world.api.serve(port=444, certificate=world.certificate(API, expired=True))
    world.api.divert(every=2, to=444)
    yield _varies("certificate has expired")
    world.api.undivert()


@scenario("tls.hostname_mismatch", intermittent=True, needs=("haproxy",))
def tls_one_of_two_backends_has_another_name(world: World) -> Steps:
    world.api.stop_serving()
    world.api.serve(port=8443)
    world.api.serve(port=8444, certificate=world.certificate("canary.openai.example"))
    daemon = run_haproxy_stream(
        world.api,
        "frontend front\n bind :::443 v4v6\n default_backend back\n"
        "backend back\n balance roundrobin\n server a 127.0.0.1:8443\n server b 127.0.0.1:8444\n",
    )
    yield _varies("no alternative certificate subject name")
    world.api.stop(daemon)
    world.api.serve()


@scenario("tls.reset", intermittent=True, packets=True)
def tls_hello_reset_now_and_then(world: World) -> Steps:
    world.api.divert(every=3, to=444)
    world.api.serve(port=444)
    world.api.namespace.nft("add rule inet pair lost tcp dport 444 meta length > 200 reject with tcp reset\n")
    yield _varies("SSL connection using")
    world.api.undivert()


@scenario("tls.timeout", intermittent=True)
def tls_one_of_three_backends_hangs(world: World) -> Steps:
    world.api.listen(444, stay_silent)
    world.api.divert(every=3, to=444)

    def varies(world: World) -> None:
        given = ["SSL connection using" in world.client.curl(URL, "--max-time", "1").stderr for _ in range(6)]
        assert len(set(given)) == 2, given

    yield varies
    world.api.undivert()


# -- by other mechanisms -----------------------------------------------------------------------------------------------


@scenario("tls.hostname_mismatch", needs=("nginx",))
def tls_nginx_knows_no_such_name(world: World) -> Steps:
    """`ssl_reject_handshake`: the alert unrecognized_name instead of somebody else's certificate."""
    world.api.stop_serving()
    daemon = run_nginx(world.api, world.certificate(API), "return 200;", server="ssl_reject_handshake on;")
    yield sdk_raises("(?i)unrecognized.name")
    world.api.stop(daemon)
    world.api.serve()


@scenario("tls.expired")
def tls_expired_intermediate(world: World) -> Steps:
    """The leaf is within its time; what signed it is not."""
    issuer = sign("Lab intermediate", issuer=PUBLIC_ROOT.signed, starts_in_days=-50, ends_in_days=-3)
    world.api.serve(certificate=leaf(sign(API, issuer=issuer, hosts=(API,)), issuer))
    yield sdk_raises("certificate has expired")
    world.api.serve()


@scenario("tls.not_tls")
def tls_plain_http_server_that_hangs_up(world: World) -> Steps:
    """It takes a ClientHello for no request and closes without a word; to a request in plain HTTP it answers."""
    world.api.stop_serving()
    world.api.serve(port=8080, plain=True)
    world.api.listen(443, _closing_on(world, b"\x16", port=8080))
    yield both(sdk_raises("EOF|reset by peer"), curl_says(f"http://{API}:443/v1/models", "HTTP/1.1 401"))
    world.api.serve()


@scenario("tls.reset", needs=("nginx",))
def tls_cut_in_front_of_nginx(world: World) -> Steps:
    """Every handshake is cut on the way. To plain HTTP nginx answers that it wants TLS, so the peer is none that speaks something else."""
    world.api.stop_serving()
    daemon = run_nginx(world.api, world.api.certificate(), "return 401;", port=8443)
    world.api.listen(443, _closing_on(world, b"\x16", port=8443))
    yield both(sdk_raises("EOF|reset by peer"), curl_says(f"http://{API}:443/v1/models", "plain HTTP request was sent"))
    world.api.stop(daemon)
    world.api.serve()


def _closing_on(world: World, first: bytes, *, port: int) -> Handle:
    """Close what begins so, and pass everything else on to another port of the API's host."""

    def handle(connection: socket.socket) -> None:
        begin = connection.recv(65536)
        if begin.startswith(first):
            return
        with world.api.namespace.entered():
            onward = socket.create_connection(("127.0.0.1", port), timeout=10)
        with onward:
            onward.sendall(begin)
            while data := onward.recv(65536):
                connection.sendall(data)

    return handle


@scenario("tls.reset", intermittent=True, packets=True)
def tls_reset_now_and_then_without_ipv6(world: World) -> Steps:
    """IPv6 is off here and harms nobody: the transport goes on to IPv4, where every other handshake is cut."""
    world.client.without_ipv6()
    world.api.divert(every=2, to=444)
    world.api.listen(444, reset_after_first_bytes)
    yield curl_varies(URL, good="HTTP/1.1 401")
    world.api.undivert()


@scenario("tls.untrusted_issuer")
def tls_issuer_constrained_to_other_names(world: World) -> Steps:
    """The root is trusted, and it lets this issuer sign for the company's own domain alone (RFC 5280 section 4.2.1.10)."""
    issuer = _constrained("acme.example")
    world.api.serve(certificate=leaf(sign(API, issuer=issuer, hosts=(API,)), issuer))
    yield sdk_raises("CERTIFICATE_VERIFY_FAILED.*permitted subtree")
    world.api.serve()


def _constrained(domain: str) -> Signed:
    root = PUBLIC_ROOT.signed
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"CA of {domain}")]))
        .issuer_name(root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(in_days(-2))
        .not_valid_after(in_days(7))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.NameConstraints(permitted_subtrees=[x509.DNSName(domain)], excluded_subtrees=None), critical=True
        )
        .sign(root.key, hashes.SHA256())
    )
    return Signed(certificate=made, key=key)
