"""Nothing leaves the process: settings, keys, stores, limits and sandboxes of this runtime."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from tests.world import API, NAME_SERVER, PROXY, Steps, World, scenario, sdk_raises
from tests.world.authority import PUBLIC_ROOT

_SANDBOX = str(Path(__file__).parents[1] / "world" / "sandbox.py")


def _variable(name: str, cause: str, variable: str, value: str | None, proof: str) -> Callable[[World], Steps]:
    """One variable of the environment is wrong, or missing with None."""

    def steps(world: World) -> Steps:
        before = world.client.environment.pop(variable, None)
        if value is not None:
            world.client.environment[variable] = value
        yield sdk_raises(proof)
        world.client.environment.pop(variable, None)
        if before is not None:
            world.client.environment[variable] = before

    steps.__name__ = f"client_{name}"
    return scenario(cause, owner="client_config")(steps)


for _row in (
    ("base_url_without_scheme", "client.base_url_invalid", "OPENAI_BASE_URL", f"{API}/v1", "UnsupportedProtocol"),
    (
        "base_url_misspelt_scheme",
        "client.base_url_invalid",
        "OPENAI_BASE_URL",
        f"htps://{API}/v1",
        "UnsupportedProtocol",
    ),
    ("base_url_bad_port", "client.base_url_invalid", "OPENAI_BASE_URL", f"https://{API}:44e3/v1", "Invalid port"),
    (
        "base_url_without_host",
        "client.base_url_invalid",
        "OPENAI_BASE_URL",
        "https:///v1",
        "UnsupportedProtocol|Name or service not known",
    ),
    ("base_url_in_quotes", "client.base_url_invalid", "OPENAI_BASE_URL", f'"https://{API}/v1"', "UnsupportedProtocol"),
    ("key_missing", "client.api_key_missing", "OPENAI_API_KEY", None, "OpenAIError.*OPENAI_API_KEY"),
    ("key_with_line_feed", "client.api_key_malformed", "OPENAI_API_KEY", "sk-proj-0123\n4567", "Illegal header value"),
    (
        "key_in_typographic_quotes",
        "client.api_key_malformed",
        "OPENAI_API_KEY",
        "“sk-proj-01234567”",
        "UnicodeEncodeError",
    ),
    ("proxy_scheme_unknown", "client.proxy_config_invalid", "HTTPS_PROXY", f"ftp://{PROXY}:3128", "scheme|protocol"),
    ("proxy_port_invalid", "client.proxy_config_invalid", "HTTPS_PROXY", f"http://{PROXY}:31z8", "Invalid port"),
    (
        "proxy_port_beyond_the_last",
        "client.proxy_config_invalid",
        "HTTPS_PROXY",
        f"http://{PROXY}:99999",
        "Connection error",
    ),
    ("ca_file_missing", "client.ca_bundle_unusable", "SSL_CERT_FILE", "/etc/ssl/company.pem", "FileNotFoundError"),
    ("ca_folder_empty", "client.ca_bundle_unusable", "SSL_CERT_DIR", "/proc/sys/net/core", "CERTIFICATE_VERIFY_FAILED"),
):
    _variable(*_row)


@scenario("client.ca_bundle_unusable", owner="client_config")
def client_ca_file_empty(world: World) -> Steps:
    world.client.environment["SSL_CERT_FILE"] = world.client.bundle()
    yield sdk_raises("NO_CERTIFICATE_OR_CRL_FOUND|unable to get local issuer")
    del world.client.environment["SSL_CERT_FILE"]


@scenario("client.ca_bundle_unusable", owner="client_config")
def client_ca_file_is_not_pem(world: World) -> Steps:
    """A DER file under a name that promises PEM."""
    file = world.client.home / "company.pem"
    file.write_bytes(PUBLIC_ROOT.signed.certificate.public_bytes(Encoding.DER))
    world.client.environment["SSL_CERT_FILE"] = str(file)
    yield sdk_raises("SSLError|NO_CERTIFICATE_OR_CRL_FOUND|CERTIFICATE_VERIFY_FAILED")
    del world.client.environment["SSL_CERT_FILE"]


@scenario("client.ca_bundle_unusable", owner="client_config")
def client_image_without_a_store(world: World) -> Steps:
    """As in an image without ca-certificates: SDK 3 trusts the operating system's store, and there is none."""
    store, before = Path("/etc/ssl/certs"), dict(world.client.mounts)
    empty = world.client.folder / "no-store"
    empty.mkdir()
    world.client.mounts[store] = empty
    yield sdk_raises("CERTIFICATE_VERIFY_FAILED")
    world.client.mounts = before


@scenario("client.sdk_incompatible", owner="client_config")
def client_without_sdk(world: World) -> Steps:
    world.client.block_module("openai")
    yield sdk_raises("No module named 'openai'")
    world.client.remove_overlay()


@scenario("client.sdk_incompatible", owner="client_config")
def client_with_a_transport_too_new_for_the_sdk(world: World) -> Steps:
    """The transport has dropped an argument that the SDK still passes, as httpx 0.28 did with `proxies`."""
    world.client.overlay(
        "sitecustomize.py",
        "import httpx2\n_init = httpx2.Client.__init__\n"
        "def init(self, *args, **keywords):\n"
        "    if 'base_url' in keywords:\n"
        "        raise TypeError(\"Client.__init__() got an unexpected keyword argument 'proxies'\")\n"
        "    _init(self, *args, **keywords)\n"
        "httpx2.Client.__init__ = init\n",
    )
    yield sdk_raises("TypeError.*unexpected keyword argument 'proxies'")
    world.client.remove_overlay()


@scenario("client.socket_not_permitted", owner="client_config")
def client_in_a_seccomp_sandbox(world: World) -> Steps:
    """As code sandboxes do it: socket() of the Internet families ends in EPERM."""
    world.client.wrapper = (sys.executable, "-I", _SANDBOX)
    yield sdk_raises(r"Errno (1|-3)\b")
    world.client.wrapper = ()


@scenario("client.socket_not_permitted", owner="client_config", packets=True)
def client_forbidden_by_its_own_routes(world: World) -> Steps:
    """A `prohibit` rule of this machine: EACCES also over IPv4, which no router can bring about."""
    for version in (4, 6):
        world.client.namespace.ip("rule add ipproto tcp dport 443 prohibit priority 5", version=version)
    yield sdk_raises(r"Errno 13\b.*Permission denied")
    for version in (4, 6):
        world.client.namespace.ip("rule delete priority 5", version=version)


@scenario("client.socket_not_permitted", owner="client_config", packets=True)
def client_forbidden_to_ask_its_name_server(world: World) -> Steps:
    """A rule in this machine's own output: sending the question ends in EPERM."""
    world.client.namespace.nft(
        "add table inet own\nadd chain inet own out { type filter hook output priority 0; }\n"
        "add rule inet own out meta l4proto { tcp, udp } th dport 53 drop\n"
    )
    yield sdk_raises("Temporary failure in name resolution")
    world.client.namespace.nft("delete table inet own\n")


@scenario("client.resource_exhausted", owner="client_config")
def client_out_of_local_ports(world: World) -> Steps:
    """Other connections of this machine hold all its ephemeral ports towards the API: EADDRNOTAVAIL."""
    address = world.api.place.addresses[0]
    world.dns.publish(API, address)
    held = world.client.hold_all_ports(address, 443)
    yield sdk_raises(r"Errno 99\b")
    for connection in held:
        connection.close()
    world.client.namespace.set("ipv4/ip_local_port_range", "32768 60999")


@scenario("client.resource_exhausted", owner="client_config")
def client_out_of_file_descriptors(world: World) -> Steps:
    """From the first outbound connection on every socket() ends in EMFILE, as in a process that leaks connections."""
    world.client.overlay(
        "sitecustomize.py",
        "import errno, os, socket\n"
        "class Full(socket.socket):\n"
        "    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):\n"
        "        if fileno is None and family in (-1, socket.AF_INET, socket.AF_INET6):\n"
        "            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))\n"
        "        super().__init__(family, type, proto, fileno)\n"
        "socket.socket = Full\n",
    )
    yield sdk_raises(r"Errno 24\b.*Too many open files")
    world.client.remove_overlay()


@scenario("client.socket_not_permitted", owner="client_config", packets=True)
def client_forbidden_by_a_route_to_ask_its_name_server(world: World) -> Steps:
    """The same by a route: connect(2) to the name server ends in EACCES before a question is sent, as it does under seccomp."""
    world.client.namespace.ip(f"rule add to {NAME_SERVER} prohibit priority 5", version=4)
    yield sdk_raises("Temporary failure in name resolution")
    world.client.namespace.ip("rule delete priority 5", version=4)


@scenario("client.resource_exhausted", owner="client_config")
def client_out_of_local_ports_of_udp(world: World) -> Steps:
    """Every port that a question to a name server could leave from is taken: connect(2) ends in EAGAIN."""
    world.client.namespace.set("ipv4/ip_local_port_range", "50000 50003")
    held = [world.client.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    for port, one in enumerate(held, 50000):
        one.bind(("0.0.0.0", port))
    yield sdk_raises("Temporary failure in name resolution")
    for one in held:
        one.close()
    world.client.namespace.set("ipv4/ip_local_port_range", "32768 60999")


@scenario("client.sdk_incompatible", owner="client_config")
def client_without_a_module_that_the_first_request_imports(world: World) -> Steps:
    """The SDK and its client can be made; only the request needs the module."""
    world.client.block_module("jiter")
    yield sdk_raises("ModuleNotFoundError.*jiter")
    world.client.remove_overlay()
