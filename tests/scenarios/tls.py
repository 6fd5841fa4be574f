"""Handshakes that do not complete, and certificates that do not verify, on the direct route."""

from tests.world import API, Steps, World, both, curl_says, scenario, sdk_raises
from tests.world.authority import INSPECTION_ROOT
from tests.world.streams import answering, stay_silent


@scenario("tls.untrusted_issuer")
def tls_private_ca(world: World) -> Steps:
    world.api.serve(certificate=INSPECTION_ROOT.issue(API))
    yield sdk_raises(
        "CERTIFICATE_VERIFY_FAILED.*unable to get local issuer certificate|self-signed certificate in certificate chain"
    )
    world.client.trust(INSPECTION_ROOT)


@scenario("tls.expired")
def tls_expired(world: World) -> Steps:
    world.api.serve(certificate=world.certificate(API, expired=True))
    yield sdk_raises("CERTIFICATE_VERIFY_FAILED.*certificate has expired")
    world.api.serve()


@scenario("tls.hostname_mismatch")
def tls_other_name(world: World) -> Steps:
    world.api.serve(certificate=world.certificate("intranet.acme.example"))
    yield sdk_raises("CERTIFICATE_VERIFY_FAILED.*Hostname mismatch")
    world.api.serve()


@scenario("tls.not_tls")
def tls_plain_http(world: World) -> Steps:
    world.api.stop_serving()
    world.api.listen(443, answering(400, "text/html", "<html><title>400</title></html>"))
    yield sdk_raises("WRONG_VERSION_NUMBER|wrong version number|record layer failure")
    world.api.serve()


@scenario("tls.reset")
def tls_reset_on_server_name(world: World) -> Steps:
    world.middle.reset_on_name(API)
    yield both(
        sdk_raises("Connection reset by peer|UNEXPECTED_EOF"),
        # The same address under another name shakes hands: it is the name that is filtered.
        curl_says(
            "https://www.acme.example/",
            "SSL certificate problem|no alternative certificate|200|404",
            "--connect-to",
            f"::{API}:443",
        ),
    )
    world.middle.mend()


@scenario("tls.timeout")
def tls_silence_after_hello(world: World) -> Steps:
    world.api.stop_serving()
    world.api.listen(443, stay_silent)
    yield sdk_raises("handshake operation timed out")
    world.api.serve()


@scenario("tls.untrusted_issuer")
def tls_inspection_untrusted(world: World) -> Steps:
    world.middle.inspect(INSPECTION_ROOT)
    yield sdk_raises("CERTIFICATE_VERIFY_FAILED")
    world.client.trust(INSPECTION_ROOT)
