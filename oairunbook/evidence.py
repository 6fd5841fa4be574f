"""The records that every other part shares: what was called, from where, and what was seen.

Evidence holds facts, never judgement. It is frozen, it is versioned, and `redaction` has been over it before
anything else sees it, so whatever is written from it is clean. The observing half writes these records with the standard library
alone; reading them back, from a file that somebody else may have made, is `load_evidence`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, Union, get_args

EVIDENCE_SCHEMA = "oairunbook.evidence/1"

Layer = Literal["client", "dns", "tcp", "proxy", "tls", "http", "api", "browser"]
Family = Literal["direct", "azure", "gateway"]


class EvidenceError(ValueError):
    """A document is no evidence or verdict that this version can read. The text says where and why."""


# -- what is called, and through what -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One resolved value and where it came from."""

    value: str
    source: str
    """Where the value was found: `argument`, the name of a variable, a file, or `default`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyDecision:
    """Whether a forward proxy stands between the runtime and the endpoint, by the transport's own rules."""

    url: str | None
    """The proxy without its credentials; None if the request goes out directly."""

    rule: str
    """The rule that decided, in words, with the variable it came from."""

    variable: str | None = None
    """The variable that names the proxy, also when `NO_PROXY` overrules it; None if there is none."""

    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    has_credentials: bool = False
    configured: str | None = None
    """The proxy that the variables name, without credentials, whether or not this host uses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """The roots that the transport trusts, by SDK and transport version (sdk_python facts, section 6)."""

    origin: Literal["ssl_cert_file", "ssl_cert_dir", "certifi", "system", "truststore", "none"]
    path: str | None
    """File or folder; None if the operating system keeps the store, or if there is none."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What is known of the key without showing it."""

    present: bool
    source: str | None = None
    """The variable that holds it; None if there is none."""

    fingerprint: str | None = None
    """Keyed hash: equal within one archive means the same key; of no use for guessing it."""

    problems: tuple[str, ...] = ()
    """What makes the value illegal in a header (line feed, control character, non-ASCII). Never the value."""

    oddities: tuple[str, ...] = ()
    """What is legal but looks wrong (quotes, inner spaces, a placeholder)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameServer:
    """One configured name server."""

    address: str
    port: int = 53


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverConfiguration:
    """How this machine resolves names (resolv.conf(5), nsswitch.conf(5), hosts(5))."""

    name_servers: tuple[NameServer, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1
    hosts_order: tuple[str, ...] = ()
    """The `hosts:` line of nsswitch.conf, for example `files`, `dns`; empty if there is no such file."""

    hosts_file_addresses: tuple[str, ...] = ()
    """What the hosts file says for the host that is dialled."""

    source: str = "/etc/resolv.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What the installed SDK would call and through what. Nothing is sent to find it out."""

    base_url: Setting
    """Without credentials or query; as the SDK would use it, also when it is unusable."""

    family: Family
    family_reason: str
    scheme: str
    host: str
    """A-label in lower case; empty if the base URL has none."""

    port: int
    """0 if the base URL is unusable."""

    path: str
    problems: tuple[str, ...] = ()
    """Why this base URL cannot be used; empty if it can."""

    surface: Literal["openai", "azure-v1", "azure-dated"] = "openai"
    """Which paths the SDK calls under the base URL."""

    api_version: Setting | None = None
    model: Setting | None = None
    """Model, on Azure the deployment; None if nobody named one."""

    proxy: ProxyDecision
    trust: TrustStore
    sdk: str | None
    """Version of the installed `openai`; None if there is none."""

    transport: str | None
    """Library and version that carries the request, for example `httpx2 2.16.2`; None if there is none."""

    credential: Credential
    resolver: ResolverConfiguration
    settings: tuple[Setting, ...] = ()
    """Variables on the allow list that shape the route, as `NAME=value` with secrets removed."""

    @property
    def authority(self) -> str:
        """Host, an IPv6 address in brackets, and the port where it is not the scheme's own (RFC 9110 section 4.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"https": 443, "http": 80}.get(self.scheme) else f"{host}:{self.port}"

    @property
    def dialled_host(self) -> str:
        """The host that this runtime itself resolves and connects to: the proxy's, if one is in play."""
        return self.proxy.host or self.host if self.proxy.url else self.host

    @property
    def dialled_port(self) -> int:
        """The port that goes with `dialled_host`."""
        return (self.proxy.port or self.port) if self.proxy.url else self.port


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """How the observing half came to a runtime in which the tool itself does not run."""

    carrier: Literal["command", "interpreter", "process"]
    """A command that leads to a Python's standard input, another interpreter on this machine, or the place of a running process."""

    command: str
    """What was started, without secrets."""

    left_out: tuple[str, ...] = ()
    """What of that process's place could not be taken over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where this runs."""

    host: str
    system: str
    python: str
    executable: str
    openssl: str
    user: str
    packages: tuple[str, ...] = ()
    """`name version` of the SDK and of what carries its requests."""

    platforms: tuple[str, ...] = ()
    """What the runtime shows itself to be: container, pod, function, CI; several can hold."""

    region: str | None = None
    timezone: str = "UTC"
    collector: Collector | None = None
    """How it was looked at from elsewhere; None if the tool itself ran there."""


# -- what was seen ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLink:
    """One exception of a chain."""

    type: str
    """Module and class, for example `httpx2.ConnectError`; builtins without module."""

    text: str
    relation: Literal["raised", "cause", "context", "argument", "member"] = "raised"
    """How the link before leads here: `__cause__`, `__context__`, an exception in `args`, a group's member."""

    errno: int | None = None
    errno_name: str | None = None
    """`ECONNREFUSED`, or for a `gaierror` its `EAI_…` name."""

    verify_code: int | None = None
    """X509_V_ERR_… of the failed verification (X509_STORE_CTX_get_error(3))."""

    ssl_reason: str | None = None
    """OpenSSL's reason, for example `CERTIFICATE_VERIFY_FAILED` or an alert's name."""


Ending = Literal["open", "eof", "reset", "silence", "stopped"]
"""How a stream ended: still open, closed in order, reset by RST, no byte in time, given up by this tool's deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTried:
    """This was not attempted, and why. It says nothing about the path."""

    reason: str
    kind: Literal["not_tried"] = "not_tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFailed:
    """This tool could not look. It says nothing about the path."""

    errors: tuple[ErrorLink, ...]
    kind: Literal["tool_failed"] = "tool_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The budget ended before this did. What had been seen by then stands in `seen`."""

    reason: str
    seen: tuple[str, ...] = ()
    kind: Literal["stopped"] = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientBuilt:
    """The SDK's client was constructed, with the transport that it really has."""

    client: str
    """Class, for example `openai.AzureOpenAI`."""

    proxy: str | None
    """The proxy that the transport picked for this URL; None if it goes out directly."""

    roots: int | None
    """Certificates in the trust store; None where the store loads them on demand."""

    kind: Literal["client_built"] = "client_built"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRefused:
    """The SDK or its transport could not be imported or constructed."""

    stage: Literal["import", "construction"]
    errors: tuple[ErrorLink, ...]
    kind: Literal["client_refused"] = "client_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalResources:
    """What this process may still open."""

    open_files: int | None
    open_files_limit: int | None
    socket_errors: tuple[ErrorLink, ...] = ()
    """Errors of opening an IPv4 or IPv6 TCP socket without connecting it; empty if both opened."""

    kind: Literal["local_resources"] = "local_resources"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage:
    """What the provider's status page said. It weighs nothing alone, green or red."""

    url: str
    retrieved_at: str
    """UTC, ISO 8601."""

    indicator: str
    description: str
    incidents: tuple[str, ...] = ()
    kind: Literal["status_page"] = "status_page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The system resolver's answer, in the order in which a client dials (getaddrinfo(3))."""

    name: str
    addresses: tuple[str, ...]
    canonical_name: str | None = None
    kind: Literal["resolved"] = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveFailed:
    """The system resolver gave no address."""

    name: str
    errors: tuple[ErrorLink, ...]
    kind: Literal["resolve_failed"] = "resolve_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsReply:
    """One reply of a name server to one question (RFC 1035 section 4.1)."""

    rdtype: str
    rcode: str
    flags: tuple[str, ...] = ()
    extended_errors: tuple[str, ...] = ()
    """RFC 8914: `code text`."""

    canonical_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ttl_seconds: int | None = None
    """The smallest TTL of the answer section; None if it is empty."""

    transport: Literal["udp", "tcp"] = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer:
    """One name server answered at least one question about one name. NXDOMAIN is an answer."""

    server: NameServer
    name: str
    replies: tuple[DnsReply, ...]
    unanswered: tuple[str, ...] = ()
    """Record types that got no reply in time."""

    kind: Literal["dns_answer"] = "dns_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsNoAnswer:
    """One name server gave no usable reply."""

    server: NameServer
    name: str
    errors: tuple[ErrorLink, ...]
    ended: Literal["silence", "unreachable", "malformed"] = "silence"
    kind: Literal["dns_no_answer"] = "dns_no_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A TCP connection was established."""

    address: str
    port: int
    local_address: str | None = None
    kind: Literal["connected"] = "connected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectFailed:
    """A TCP connection was not established; a timeout is an error with errno `ETIMEDOUT`."""

    address: str
    port: int
    errors: tuple[ErrorLink, ...]
    kind: Literal["connect_failed"] = "connect_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One response header that is kept; the values of all others are dropped at the door."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelOpened:
    """The forward proxy opened a tunnel to the endpoint (RFC 9110 section 9.3.6, RFC 1928)."""

    proxy: str
    headers: tuple[Header, ...] = ()
    kind: Literal["tunnel_opened"] = "tunnel_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyAnswered:
    """The forward proxy answered, and refused the tunnel. None of its answers is an API answer."""

    proxy: str
    status: int
    """HTTP status to CONNECT, or the SOCKS reply code (RFC 1928 section 6); see *protocol*."""

    protocol: Literal["http", "socks5"]
    reason: str
    headers: tuple[Header, ...] = ()
    title: str | None = None
    kind: Literal["proxy_answered"] = "proxy_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFailed:
    """The forward proxy gave no usable answer."""

    proxy: str
    phase: Literal["tls", "handshake"]
    errors: tuple[ErrorLink, ...]
    ended: Ending
    received: str = ""
    """First bytes, printable; empty if none came."""

    kind: Literal["proxy_failed"] = "proxy_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate of a chain as sent (RFC 5280)."""

    subject: str
    issuer: str
    not_before: str
    not_after: str
    """UTC, ISO 8601."""

    names: tuple[str, ...] = ()
    """DNS names and addresses of subjectAltName."""

    issuer_urls: tuple[str, ...] = ()
    """caIssuers of Authority Information Access."""

    sha256: str
    der_base64: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsHandshake:
    """One TLS handshake that completed and verified, as the transport's own context saw it (RFC 8446)."""

    address: str
    server_name: str
    """SNI that was sent (RFC 6066 section 3); empty if none was."""

    version: str
    cipher: str
    alpn: str | None
    chain: tuple[Certificate, ...]
    client_certificate_requested: bool | None = None
    """Whether the peer sent a CertificateRequest; None where that was not watched."""

    kind: Literal["tls_handshake"] = "tls_handshake"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFailed:
    """One TLS handshake that did not complete, or whose certificate did not verify."""

    address: str
    server_name: str
    errors: tuple[ErrorLink, ...]
    ended: Ending
    sent_bytes: int
    received_bytes: int
    received: str = ""
    """First bytes that came, printable, when they are no TLS record; empty otherwise."""

    alert: str | None = None
    """Alert that the peer sent (RFC 8446 section 6); None if it sent none."""

    client_certificate_requested: bool | None = None
    """Whether the peer sent a CertificateRequest; None where that was not watched."""

    verify_code: int | None = None
    verify_message: str | None = None
    chain: tuple[Certificate, ...] = ()
    """The chain as sent, fetched by a second handshake that verifies nothing and sends nothing."""

    trusted_kin: str | None = None
    """A root of the store in use that names the same organization as the issuer at which the chain ends; None if none does."""

    kind: Literal["tls_failed"] = "tls_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiError:
    """The error of a body in a shape that OpenAI, Azure or a gateway uses."""

    message: str | None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    shape: Literal["object", "string", "list", "flat"] = "object"
    """How the body says it: `error` as an object, as a string, as a list, or fields at the top."""

    code_is_string: bool = True
    """Edges and some gateways use a number as `code`; the API does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What came as a body. Completions are never kept; error bodies are, shortened."""

    shape: Literal["empty", "api_error", "api_object", "json", "html", "event_stream", "text", "binary"]
    size_bytes: int
    content_type: str | None = None
    error: ApiError | None = None
    object: str | None = None
    """The top-level `object` of a JSON answer, for example `list` or `chat.completion`."""

    title: str | None = None
    """Title of an HTML page."""

    sample: str = ""
    """Start of a body that is no API success, at most 2,000 characters, redacted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An HTTP response, whoever gave it."""

    method: str
    url: str
    status: int
    http_version: str
    headers: tuple[Header, ...]
    body: Body
    address: str | None = None
    seconds_to_headers: float | None = None
    kind: Literal["http_answer"] = "http_answer"

    def header(self, name: str) -> str | None:
        """Value of the first header of that *name*, case ignored; None if it is absent."""
        return next((h.value for h in self.headers if h.name.lower() == name.lower()), None)


REQUEST_ID_HEADERS = ("apim-request-id", "x-request-id", "x-ms-request-id", "request-id")
"""Azure sends two ids, and its support finds a request by the first of these."""


def quoted_id(headers: tuple[Header, ...]) -> str | None:
    """The request id to quote to whoever answered; None if the headers hold none."""
    found = {header.name.lower(): header.value for header in reversed(headers)}
    return next((found[name] for name in REQUEST_ID_HEADERS if found.get(name)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFailed:
    """No HTTP response came back whole."""

    method: str
    url: str
    phase: Literal["resolve", "connect", "proxy", "tls", "send", "headers", "body"]
    errors: tuple[ErrorLink, ...]
    ended: Ending
    status: int | None = None
    """Status, if at least the head of a response came."""

    headers: tuple[Header, ...] = ()
    received_bytes: int = 0
    received: str = ""
    address: str | None = None
    kind: Literal["http_failed"] = "http_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEvent:
    """One event of the transport's own trace (httpcore and httpcore2)."""

    name: str
    seconds: float
    """Since the call began, on the monotonic clock."""

    host: str | None = None
    port: int | None = None
    status: int | None = None
    error: str | None = None
    """Class of the exception that ended the step; None if it went well or has only begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkAnswered:
    """The SDK's own minimal request got an answer that the SDK accepted."""

    method: str
    path: str
    model: str | None
    stream: bool
    status: int
    request_id: str | None
    headers: tuple[Header, ...]
    trace: tuple[TraceEvent, ...]
    credential: Literal["own", "placeholder"] = "own"
    shape: str = ""
    """Class of the object that the SDK returned, for example `ChatCompletion`; `str` means it was no API object."""

    chunks: int | None = None
    """Events of a stream; None if it was no stream."""

    completed: bool = True
    """Whether the answer is a whole API object, or the stream reached its end mark."""

    longest_gap_seconds: float | None = None
    """Longest wait between two events of a stream."""

    first_chunk_seconds: float | None = None
    """From the request to the first event of a stream."""

    spread_seconds: float | None = None
    """From the first event of a stream to the last."""

    body: Body | None = None
    """What came instead, when it was no API object."""

    kind: Literal["sdk_answered"] = "sdk_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkFailed:
    """The SDK's own minimal request raised."""

    method: str
    path: str
    model: str | None
    stream: bool
    errors: tuple[ErrorLink, ...]
    """The whole chain, outermost first."""

    trace: tuple[TraceEvent, ...]
    credential: Literal["own", "placeholder"] = "own"
    answer: HttpAnswer | None = None
    """The response that the SDK turned into its exception; None if there was no status."""

    chunks: int | None = None
    ended: Ending | None = None
    """How the connection under a response that had begun ended; None where it did not, or where that is not known."""

    kind: Literal["sdk_failed"] = "sdk_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedError:
    """An exception that somebody pasted: its chain as far as the text shows it."""

    errors: tuple[ErrorLink, ...]
    kind: Literal["pasted_error"] = "pasted_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsExchange:
    """One request of the CORS protocol, made as the browser of a page would make it (Fetch standard, section 3.2)."""

    step: Literal["preflight", "request"]
    origin: str
    """Of the page, serialised: scheme, host, and port where it is not the default."""

    request_method: str
    """Of the request that the page wants to make."""

    request_headers: tuple[str, ...]
    """Its header names that are not CORS-safelisted, in lower case."""

    credentials_mode: Literal["omit", "include"]
    answer: Union[HttpAnswer, HttpFailed]
    credential: Literal["own", "placeholder", "none"] = "none"
    kind: Literal["cors_exchange"] = "cors_exchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    """Something in client-side code that has the shape of a key. The key itself is kept nowhere."""

    source: str
    line: int
    shape: str
    is_of_this_runtime: bool
    """Whether it is one of the secrets in this runtime's environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCode:
    """What stands in the code that a browser gets: keys, calls without TLS, the SDK's switch for browsers."""

    sources: tuple[str, ...]
    """Files or URLs that were read."""

    size_bytes: int
    keys: tuple[FoundKey, ...] = ()
    insecure: tuple[str, ...] = ()
    """Endpoints with `http:` in it, each with its source and line."""

    allows_browser: tuple[str, ...] = ()
    """Where `dangerouslyAllowBrowser` is switched on: source and line."""

    kind: Literal["client_code"] = "client_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """One request of a page as the browser's network panel shows it."""

    method: str
    kind_of_request: str
    """For example `Fetch` or `Preflight`."""

    status: int | None = None
    failure: str | None = None
    """`net::ERR_…`; None if it did not fail."""

    cors_error: str | None = None
    """The browser's own name of what the CORS check missed."""

    blocked_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTried:
    """What a real browser made of a page's call. The page holds a placeholder for a key."""

    browser: str
    origin: str
    url: str
    exception: str | None
    """What the page's script caught; None if it got an answer."""

    status: int | None
    readable_headers: tuple[str, ...] = ()
    """Names of the response headers that the script may read."""

    requests: tuple[PageRequest, ...] = ()
    console: tuple[str, ...] = ()
    kind: Literal["page_tried"] = "page_tried"


Outcome = Union[
    NotTried,
    ToolFailed,
    Stopped,
    ClientBuilt,
    ClientRefused,
    LocalResources,
    StatusPage,
    Resolved,
    ResolveFailed,
    DnsAnswer,
    DnsNoAnswer,
    Connected,
    ConnectFailed,
    TunnelOpened,
    ProxyAnswered,
    ProxyFailed,
    TlsHandshake,
    TlsFailed,
    HttpAnswer,
    HttpFailed,
    SdkAnswered,
    SdkFailed,
    PastedError,
    CorsExchange,
    ClientCode,
    PageTried,
]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one probe saw. It judges nothing."""

    id: str
    """Unique in its record, for example `tcp:203.0.113.7`; a verdict cites it."""

    probe: str
    """Name of the probe, for example `tcp`."""

    layer: Layer | None
    """Where on the path it looks; None for what is beside the path (the status page)."""

    target: str
    """Whom it looked at, for people."""

    started_seconds: float
    """Since the collection began, on the monotonic clock."""

    seconds: float
    outcome: Outcome
    changed: str | None = None
    """For a counter-test: the one thing that differs from the path. None on the path itself."""

    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One record: where, what was called, what was seen."""

    collected_at: str
    """UTC, ISO 8601: when the first probe began."""

    seconds: float
    """How long the collection took."""

    route: Route
    runtime: Runtime
    observations: tuple[Observation, ...]
    tool_version: str
    practice: str | None = None
    """The fault of the practice lab that this was recorded against; None for a real path."""

    schema: str = EVIDENCE_SCHEMA
    redactions: tuple[str, ...] = field(default=())
    """Which rules removed something, how often, and where."""

    cut_short: str | None = None
    """Why the collection ended before its end: it was cancelled, or the tool failed. None if it came to its end, or if that is not recorded."""

    def of(self, kind: type[Result], probe: str | None = None) -> Iterator[tuple[Observation, Result]]:
        """Observations on the path itself whose outcome is a *kind*, in order; only those of *probe*, if one is named.

        Counter-tests and repeated attempts are not on the path itself; `oairunbook.diagnose.reading` asks for them.
        """
        for observation in self.observations:
            on_the_path = observation.changed is None and observation.attempt == 1
            if on_the_path and isinstance(observation.outcome, kind) and probe in (None, observation.probe):
                yield observation, observation.outcome


# -- the door -----------------------------------------------------------------------------------------------------


def to_document(record: Any) -> Any:
    """Turn a record into what JSON can hold: dataclasses become objects, tuples arrays."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {f.name: to_document(getattr(record, f.name)) for f in dataclasses.fields(record)}
    if isinstance(record, (tuple, list)):
        return [to_document(item) for item in record]
    return record


def dumps(record: Any) -> str:
    """The JSON text of a record, with a line feed at its end."""
    return json.dumps(to_document(record), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def walk_text(record: Any) -> Iterable[str]:
    """Every string value inside a record, for checks that look for what must not be there."""
    document = to_document(record)
    stack = [document]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def load_evidence(text: str | bytes) -> Evidence:
    """Read evidence back from JSON that somebody else may have made.

    Raises:
        EvidenceError: no JSON, another schema, or a field of the wrong type; the text says which.
    """
    return read_document(Evidence, text, EVIDENCE_SCHEMA)


_READERS: dict[type, Any] = {}


def reader(kind: type) -> Any:
    """What checks a record of this kind (`pydantic.TypeAdapter`). Made once: of all that reading takes, this takes most."""
    from pydantic import TypeAdapter

    if kind not in _READERS:
        _READERS[kind] = TypeAdapter(kind)
    return _READERS[kind]


def read_document(kind: type[Result], text: str | bytes, schema: str) -> Result:
    """Read one record of *kind*, checked strictly against its declared types.

    Raises:
        EvidenceError: no JSON, another schema, or a field of the wrong type.
    """
    from pydantic import ValidationError

    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"this is no JSON: {error}") from error
    if (
        isinstance(document, dict)
        and schema.startswith("oairunbook.evidence/")
        and isinstance(document.get("evidence"), dict)
    ):
        # What `check --json` prints holds both; its evidence is what is asked for.
        document = document["evidence"]
    if not isinstance(document, dict) or document.get("schema") != schema:
        found = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise EvidenceError(f"this is no {schema}: its schema is {str(found)[:80]!r}")
    if schema == EVIDENCE_SCHEMA:
        _check_kinds(document.get("observations"))
    try:
        # NaN and 1e999 are read by Python and written by nobody.
        record: Result = reader(kind).validate_json(json.dumps(document, allow_nan=False), strict=True)
        return record
    except ValidationError as error:
        found = [(e["loc"], e["msg"]) for e in error.errors(include_url=False, include_input=False)]
        # Of an outcome every kind is tried; what the kind that it says to be lacks is what tells.
        loc, message = next((item for item in found if _is_its_own_kind(item[0], document)), found[0])
        raise EvidenceError(f"{'.'.join(str(part) for part in loc)}: {message}") from error
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"this is no JSON that can be written again: {error}") from error


_KINDS = {
    field.default: outcome.__name__
    for outcome in get_args(Outcome)
    for field in dataclasses.fields(outcome)
    if field.name == "kind"
}


def _check_kinds(observations: Any) -> None:
    """Every outcome says of which kind it is; guessing from its fields could make one thing of another."""
    for number, observation in enumerate(observations if isinstance(observations, list) else ()):
        outcome = observation.get("outcome") if isinstance(observation, dict) else None
        kind = outcome.get("kind") if isinstance(outcome, dict) else None
        if not isinstance(kind, str) or kind not in _KINDS:
            raise EvidenceError(
                f"observations.{number}.outcome.kind: {str(kind)[:80]!r} is no kind that this version knows; a newer one may have written it"
            )


def _is_its_own_kind(loc: tuple[int | str, ...], document: Any) -> bool:
    if len(loc) < 4 or loc[0] != "observations" or loc[2] != "outcome":
        return True
    kind = document["observations"][loc[1]]["outcome"]["kind"]
    return bool(loc[3] == _KINDS[kind])
