"""A running practice lab: everything that one fault needs, on loopback, and the environment that leads a client to it."""

from __future__ import annotations

import contextlib
import difflib
import shutil
import socket
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from oairunbook import practice
from oairunbook.evidence import NameServer
from oairunbook.lab import api, proxy, wire
from oairunbook.lab.answers import ANSWERS
from oairunbook.lab.certificates import Authority, Signed, server_context, sign
from oairunbook.lab.dns import NameServer as PracticeNameServer
from oairunbook.lab.faults import FAULTS, Fault
from oairunbook.lab.listener import Handle, Listener, reset
from oairunbook.lab.tls import WITHOUT_TLS, context_for

API_HOST = "api.lab.test"
STATUS_HOST = "status.lab.test"
SIGN_IN_HOST = "signin.lab.test"
PROXY_HOST = "proxy.lab.test"
MODEL = "practice-model"
KEY = "sk-practice-not-a-real-key"

_FILLERS = 16
_FILL_SECONDS = 0.3

UNSET = (
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "REQUEST_METHOD",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "OPENAI_ADMIN_KEY",
    "OPENAI_API_TYPE",
    "OPENAI_API_VERSION",
    "OPENAI_CUSTOM_HEADERS",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "AZURE_OPENAI_AD_TOKEN",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_DEPLOYMENT",
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
)
"""Variables that would lead a client past the lab; a fault may set some of them."""


def find(fault_id: str) -> Fault:
    """The fault with this id.

    Raises:
        ValueError: There is none; the text names those that are near.
    """
    faults = {fault.id: fault for fault in FAULTS}
    if fault_id in faults:
        return faults[fault_id]
    near = [name for name in faults if fault_id and fault_id in name]
    near = near or difflib.get_close_matches(fault_id, faults, n=4, cutoff=0.5)
    hint = f"Did you mean {', '.join(near[:6])}?" if near else "`oairunbook lab --list` shows all."
    raise ValueError(f"The practice lab has no fault {fault_id!r}. {hint}")


class Lab:
    """The servers of one practice run.

    `environment` is what to lay over a client's environment, None meaning unset; `base_url` is where a healthy client finds the
    API; `port` is the API's; `endpoints` says what listens where.
    """

    def __init__(self, fault: Fault, *, shown_as: str = ""):
        """*shown_as* stands in evidence in the place of the fault's id; empty for the id itself."""
        self.fault = fault
        self._shown_as = shown_as or fault.id
        self.model = MODEL
        self._ports: dict[str, int] = {}
        with contextlib.ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()

    def _build(self, stack: contextlib.ExitStack) -> None:
        fault = self.fault
        self.folder = Path(tempfile.mkdtemp(prefix="oairunbook-practice-lab-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._authority = authority = Authority("Practice")
        (self.folder / "root.pem").write_bytes(authority.root.pem)
        (self.folder / "other-root.pem").write_bytes(sign("Practice other root", issuer=None).pem)
        (self.folder / "empty.pem").touch()

        pki = Listener(_issuer_page(authority.intermediate.certificate.public_bytes(Encoding.DER)))
        stack.callback(pki.close)
        self._issuer_url = f"http://pki.lab.test:{pki.port}/intermediate.der"
        beside = sign(STATUS_HOST, issuer=authority.intermediate, hosts=(STATUS_HOST, SIGN_IN_HOST))
        self._ports["status"] = self._status_page(stack, authority, beside)
        self._path = stack.enter_context(contextlib.ExitStack())
        self._lay(fault)
        self.port = port = self._ports["api"]
        self.base_url = f"https://{API_HOST}:{port}{fault.path}"
        named = [name for name in ("api", "status", "proxy", "name_server") if name in self._ports]
        self.endpoints = {name: f"127.0.0.1:{self._ports[name]}" for name in named}
        rehearsal = practice.Practice(
            fault=self._shown_as,
            name_servers=(NameServer(address="127.0.0.1", port=self._ports["name_server"]),),
            status_url=f"https://{STATUS_HOST}:{self._ports['status']}/api/v2/summary.json",
            api_host=API_HOST,
            family=fault.route,
        )
        self.environment: dict[str, str | None] = dict.fromkeys(UNSET)
        self.environment |= {
            practice.VARIABLE: rehearsal.to_variable(),
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": KEY,
            "SSL_CERT_FILE": str(self.folder / "root.pem"),
        }
        if fault.route == "azure":
            self.environment["AZURE_OPENAI_DEPLOYMENT"] = MODEL
        if "proxy" in self._ports:
            self.environment["HTTPS_PROXY"] = f"http://{PROXY_HOST}:{self._ports['proxy']}"
        for name, value in fault.environment:
            filled = value and value.replace("{port}", str(port)).replace("{folder}", str(self.folder))
            self.environment[name] = filled

    def mend(self) -> None:
        """Take the fault off the path; every port and certificate authority stays. What the caller has set wrongly, the caller mends.

        Raises:
            OSError: Another program took a port in the moment between.
        """
        self._lay(self.fault.mended())

    def break_again(self) -> None:
        """Put the fault back where `mend` took it off.

        Raises:
            OSError: As `mend`.
        """
        self._lay(self.fault)

    def _lay(self, fault: Fault) -> None:
        """Lay the path as *fault* wants it: API, proxy and name server, on the ports that they had before."""
        self._path.close()
        listener = self._api(fault)
        self._proxy(fault, listener)
        loopback: tuple[str, ...] = ("127.0.0.1",)
        zone = dict.fromkeys((STATUS_HOST, SIGN_IN_HOST, "pki.lab.test"), loopback) | {API_HOST: fault.addresses}
        if fault.proxy != "unresolvable":
            zone[PROXY_HOST] = loopback
        self._name_server(fault, zone)

    def _status_page(self, stack: contextlib.ExitStack, authority: Authority, leaf: Signed) -> int:
        if not self.fault.status_page:
            return _refused_port(stack)
        service = api.Service(answer=ANSWERS["ok"], label="status", status_page=True)
        listener = api.serve(service, tls=server_context(self.folder, leaf, authority.intermediate))
        stack.callback(listener.close)
        return listener.port

    def _api(self, fault: Fault) -> Listener | None:
        """Start the API as the fault wants it; the listener is None if nothing speaks HTTP there."""
        stack, port = self._path, self._ports.get("api", 0)
        if fault.tcp == "refused":
            self._ports["api"] = _refused_port(stack, port=port)
            return None
        if fault.tcp == "silent":
            self._ports["api"] = _full_port(stack, port)
            return None
        if fault.tcp == "reset" or fault.tls in WITHOUT_TLS:
            broken = Listener(reset if fault.tcp == "reset" else WITHOUT_TLS[fault.tls], port=port)
            stack.callback(broken.close)
            self._ports["api"] = broken.port
            return None
        tls = None
        if fault.tls != "plain_http":
            tls = context_for(fault.tls, API_HOST, self._authority, self.folder, self._issuer_url)
        redirect_to = f"https://{SIGN_IN_HOST}:{self._ports['status']}/signin"
        service = api.Service(answer=ANSWERS[fault.answer], redirect_to=redirect_to, cors=fault.cors)
        hidden = fault.tcp == "behind_proxy"
        listener = api.serve(service, port=0 if hidden else port, tls=tls)
        stack.callback(listener.close)
        self._ports["api"] = _refused_port(stack, port=port) if hidden else listener.port
        return listener

    def _proxy(self, fault: Fault, listener: Listener | None) -> None:
        if fault.proxy is None:
            return
        port = self._ports.get("proxy", 0)
        if fault.proxy in ("refused", "unresolvable"):
            self._ports["proxy"] = _refused_port(self._path, port=port)
            return
        upstreams = {} if listener is None else {(API_HOST, self._ports["api"]): (listener.host, listener.port)}
        server = proxy.serve(fault.proxy, upstreams, port=port)
        self._path.callback(server.close)
        self._ports["proxy"] = server.port

    def _name_server(self, fault: Fault, zone: dict[str, tuple[str, ...]]) -> None:
        port = self._ports.get("name_server", 0)
        if fault.dns == "unreachable":
            self._ports["name_server"] = _refused_port(self._path, socket.SOCK_DGRAM, port=port)
            return
        server = PracticeNameServer(zone, fault.dns, api=API_HOST, alias=fault.canonical_name, port=port)
        self._path.callback(server.close)
        self._ports["name_server"] = server.port

    def close(self) -> None:
        """End every server and remove the folder."""
        self._stack.close()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _refused_port(stack: contextlib.ExitStack, kind: socket.SocketKind = socket.SOCK_STREAM, *, port: int = 0) -> int:
    """A port that stays ours and refuses: by RST over TCP, by ICMP port unreachable over UDP; *port* 0 is one that is free."""
    held = socket.socket(socket.AF_INET, kind)
    stack.callback(held.close)
    if kind == socket.SOCK_STREAM:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    port = held.getsockname()[1]
    if kind == socket.SOCK_DGRAM:
        # A connected UDP socket takes datagrams of its peer alone; for all others the port is closed.
        held.connect(("127.0.0.1", port))
    return port


def _full_port(stack: contextlib.ExitStack, port: int = 0) -> int:
    """A port that answers no SYN: Linux drops it while the accept queue is full (listen(2)); *port* 0 is one that is free.

    Raises:
        OSError: This system completes connections beyond the queue.
    """
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stack.callback(server.close)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen(0)
    for _ in range(_FILLERS):
        filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        stack.callback(filler.close)
        filler.settimeout(_FILL_SECONDS)
        try:
            filler.connect(server.getsockname())
        except TimeoutError:
            return int(server.getsockname()[1])
    raise OSError(
        "This system accepts connections beyond a full accept queue, so tcp.timeout cannot be practised here."
    )


def _issuer_page(certificate: bytes) -> Handle:
    """Serve one certificate in DER, as the authority information access of a leaf promises (RFC 5280 section 4.2.2.1)."""

    def serve(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            if wire.read_request(stream) is not None:
                headers = (("content-type", "application/pkix-cert"), ("connection", "close"))
                wire.send_whole(connection, 200, headers, certificate)

    return serve
