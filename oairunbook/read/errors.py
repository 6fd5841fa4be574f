# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Error lines of a text as chains of `ErrorLink`, with the numbers and names that decide: errno, EAI name, verify code, OpenSSL reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from oairunbook.evidence import ErrorLink
from oairunbook.phrases import Phrases
from oairunbook.read.text import tells

Phase = Literal["trust", "resolve", "connect", "proxy", "tls", "send", "headers", "body"]

_LONGEST = 1200
_MOST_CHAINS, _MOST_LINKS = 160, 24

_FRAME = re.compile(
    r'^\s*File "?[^"\n]{1,400}"?, line \d+(?:, in (?P<function>[\w.<>]+))?\s*$|^\s*at .{1,400}$|^File \S{1,900}:\d+\)?, in (?P<cell>[\w.]+)'
)
# Source lines that a traceback shows. Prose that a terminal broke may begin with the same words (`for url (https://…): …`).
_CODE = re.compile(
    r"^\s*(?:-+>\s*|\(\.{3}\)\s*)?\d+\s(?!['\x22]?[A-Z]\w+ \w).*|^\s*(?:raise|return|await|yield|self\.|super\(|def|throw|try:|\^+|~+\^*)\b.*|^\s*[\^~]+\s*$"
    r"|^\s*(?:with|except|if|for|async)\b.*[:{(]\s*$|^\s*import [\w.*{]|^\s*from [\w.]+ import\b"
)
_TRANSPORT = re.compile(r"[\\/](?:httpcore2?|httpx2?)[\\/]|urllib3[\\/]connection|aiohttp[\\/]connector")
# Whose own client an application calls besides: chats, stores, hubs.
_SERVICE = re.compile(
    r"[\\/](?:telegram[\\/]request|aiogram[\\/]client|discord[\\/](?:http|gateway)\.py|slack_sdk|huggingface_hub|qdrant_client|pinecone|pymilvus|weaviate|elastic_transport)[\\/:\"]"
)
_MODELS = re.compile(
    r"[\\/](?:openai|litellm|langchain\w{0,20}|llama_index|ollama|anthropic|semantic_kernel|autogen\w{0,20})[\\/]"
)
# Names that many give to functions of their own tell where something happened only in these files.
_ONLY_IN = {
    "send": re.compile(r"[\\/]http[\\/]client\.py"),
    "read": re.compile(r"[\\/]httpcore2?[\\/]_backends[\\/]"),
}
# What the last line of a traceback that is cut off was about to raise.
_RAISED = re.compile(
    r"^(?:-+>\s*)?(?:\d+\s+)?raise (?P<type>(?:[\w.]{1,60}\.)?[A-Z]\w{1,60}(?:Error|Exception|Timeout))\b"
)
_HEADER = re.compile(r"Traceback \(most recent call last\)|\w+(?:Error|Exception|Timeout)\s+Traceback \(most recent")
_ONLY_HEADER = re.compile(r"^[^\w]{0,80}(?:Exception Group )?Traceback \(most recent|^\w+\s+Traceback \(most recent")
_HEADED = re.compile(r"^(?P<type>[A-Za-z]\w+)\s+Traceback \(most recent")
_CHAINED = re.compile(
    r"The above exception was the direct cause|During handling of the above exception|another exception occurred"
)

_CLASS = re.compile(
    r"(?<![\w.])(?P<type>(?:[A-Za-z_]\w{0,60}[.:]{1,2}){0,8}[A-Za-z]\w{0,80}?(?:Error|Exception|Timeout|Disconnected|Redirects|Protocol|InvalidURL|ExceptionGroup|Refused|Interrupt))(?![\w/.-])"
)
_ERRNO_NAMES = {
    1: "EPERM", 13: "EACCES", 24: "EMFILE", 23: "ENFILE", 32: "EPIPE", 99: "EADDRNOTAVAIL", 101: "ENETUNREACH", 104: "ECONNRESET", 105: "ENOBUFS",
    110: "ETIMEDOUT", 111: "ECONNREFUSED", 112: "EHOSTDOWN", 113: "EHOSTUNREACH", 97: "EAFNOSUPPORT", 100: "ENETDOWN", 103: "ECONNABORTED",
    49: "EADDRNOTAVAIL", 51: "ENETUNREACH", 54: "ECONNRESET", 55: "ENOBUFS", 60: "ETIMEDOUT", 61: "ECONNREFUSED", 64: "EHOSTDOWN", 65: "EHOSTUNREACH", 53: "ECONNABORTED",
    -1: "EAI_BADFLAGS", -2: "EAI_NONAME", -3: "EAI_AGAIN", -4: "EAI_FAIL", -5: "EAI_NODATA", 8: "EAI_NONAME",
    10013: "EACCES", 10024: "EMFILE", 10048: "EADDRINUSE", 10049: "EADDRNOTAVAIL", 10050: "ENETDOWN", 10051: "ENETUNREACH", 10053: "ECONNABORTED", 10054: "ECONNRESET",
    10055: "ENOBUFS", 10060: "ETIMEDOUT", 10061: "ECONNREFUSED", 10064: "EHOSTDOWN", 10065: "EHOSTUNREACH",
    11001: "EAI_NONAME", 11002: "EAI_AGAIN", 11003: "EAI_FAIL", 11004: "EAI_NODATA",
    10057: "ENOTCONN", 10038: "ENOTSOCK",
}  # fmt: skip
"""Numbers of Linux, macOS (49 to 65, 8) and Winsock (10013 to 11004); errno(3), getaddrinfo(3), learn.microsoft.com winsock error codes."""

# Numbers that are common outside of sockets count only where the line speaks of one.
_NEEDS_CONTEXT = {1, 13, 8, 32, 53, 54, 55, 60, 61, 64, 65, 97, 99, 49, 51, -1, 23, 24}
_NUMBER = Phrases(
    r"\[?(?:WinError|Errno|errno|os error|WSA error|error code|socket error|SocketException)\s?[:=]?\s?\(?(-?\d{1,5})\)?|\bgaierror[:(]+\s?\[?(?:Errno\s)?(-?\d{1,5})|"
    r"(?:OSError|TimeoutError|ConnectionResetError|ConnectionRefusedError|ConnectionAbortedError|BrokenPipeError|NewConnectionError|PermissionError)\(\s?(-?\d{1,5}),|"
    r"System\.Net\.Sockets\.SocketException \((\d{1,5})\)"
)
_NAMED = Phrases(
    r"\b(?:WSA)?(ECONNREFUSED|ECONNRESET|ECONNABORTED|ETIMEDOUT|ESOCKETTIMEDOUT|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EPIPE|EMFILE|ENFILE|ENOBUFS|EHOSTDOWN|ENETDOWN|"
    r"EAI_AGAIN|EAI_NONAME|EAI_FAIL|EAI_NODATA|ENOTFOUND|ESERVFAIL|EREFUSED|ENODATA|ETIMEOUT|UND_ERR_CONNECT_TIMEOUT)\b"
    r"|\bconnect (EACCES|EPERM)\b",
    flags=re.ASCII,
)
_SOCKET_WORDS = re.compile(
    r"connect|socket|host|network|getaddrinfo|resol|nodename|peer|address|pipe|route|open files|ssl|http", re.IGNORECASE
)

_VERIFY: tuple[tuple[Phrases, int], ...] = tuple(
    (Phrases(pattern, flags=re.IGNORECASE), code)
    for pattern, code in (
        (r"self[- ]?signed certificate in (?:certificate )?chain|SELF_SIGNED_CERT_IN_CHAIN", 19),
        (r"unable to get (?:local )?issuer certificate|UNABLE_TO_GET_ISSUER_CERT", 20),
        (r"unable to verify the first certificate|UNABLE_TO_VERIFY_LEAF_SIGNATURE", 21),
        (r"certificate (?:has expired|is expired|verify failed: certificate has expired)|CERT_HAS_EXPIRED", 10),
        (r"certificate is not yet valid|CERT_NOT_YET_VALID", 9),
        (
            r"hostname mismatch|hostname '[^']{1,200}' doesn't match|doesn't match either of|ERR_TLS_CERT_ALTNAME_INVALID|does not match certificate's altnames",
            62,
        ),
        (r"IP address mismatch", 64),
        (r"(?<!in )self[- ]?signed certificate|DEPTH_ZERO_SELF_SIGNED_CERT", 18),
    )
)
_REASON = Phrases(
    r"\[(?:SSL|X509|ASN1|PEM)(?::\s?([A-Z0-9_]{3,60}))?\]|\b(TLSV1\d?_ALERT_[A-Z_]{3,40}|SSLV3_ALERT_[A-Z_]{3,40}|WRONG_VERSION_NUMBER|UNEXPECTED_EOF_WHILE_READING|CERTIFICATE_VERIFY_FAILED)\b"
)
_SECRET_HEADER = re.compile(
    r"(Illegal header value|Invalid header value|invalid header field value(?: for \"Authorization\")?)\s?:?\s?b?['\"](?!(?:text|application)/).*",
    re.IGNORECASE | re.DOTALL,
)

_PHASES: tuple[tuple[Phase, frozenset[str]], ...] = (
    ("trust", frozenset({"create_default_context", "create_ssl_context", "load_verify_locations", "load_default_certs"})),
    ("tls", frozenset({"do_handshake", "_do_handshake", "start_tls", "ssl_wrap_socket", "_ssl_wrap_socket_impl", "_validate_conn", "wrap_socket", "_create", "_call_sslobject_method", "_create_connection_transport"})),
    ("resolve", frozenset({"getaddrinfo", "_resolve_host", "resolve"})),
    ("proxy", frozenset({"_tunnel", "_prepare_proxy", "_raise_tunnel"})),
    ("connect", frozenset({"connect_tcp", "create_connection", "sock_connect", "_connect_sock", "_new_conn", "_sock_connect_cb", "open_connection"})),
    ("headers", frozenset({"read", "getresponse", "_read_status", "_receive_response_headers", "receive_response_headers", "_receive_event", "begin"})),
    ("body", frozenset({"_receive_response_body", "iter_raw", "aiter_raw", "iter_bytes", "aiter_bytes", "iter_lines", "aiter_lines", "__aiter__", "_readall_chunked", "_read_chunked", "read_chunked", "_safe_read"})),
    ("send", frozenset({"_send_request_headers", "send_request_headers", "_send_request_body", "endheaders", "_send_output", "send"})),
)  # fmt: skip


# What frames and messages of other languages say of the same.
_OTHER_PHASES: tuple[tuple[Phase, Phrases], ...] = (
    (
        "tls",
        Phrases(
            r"SSL connection could not be established|EstablishSslConnection|AuthenticateAsClient|startHandshake|performInitialHandshake|SSLHandshakeException|connectTls|TLSSocket\.onConnectEnd|"
            r"SslHandler|readHandshakeRecord|during handshake|in the handshake|curl: \(35\)|cURL error 35\b"
        ),
    ),
    (
        "connect",
        Phrases(
            r"ConnectToTcpHost|TCPConnectWrap\.afterConnect|PlainSocketImpl\.\w*[cC]onnect|SocksSocketImpl\.connect|Net\.connect0|connectSocket"
        ),
    ),
    ("resolve", Phrases(r"GetAddrInfoReqWrap|Dns\.GetHost|InetAddress\.getAllByName|Inet\dAddressImpl\.lookup")),
)


@dataclass(slots=True)
class Chain:
    """Errors that belong together, outermost first, and what the frames say of where it happened."""

    errors: list[ErrorLink] = field(default_factory=list)
    phase: Phase | None = None
    position: int = 0
    python: bool = False
    cut: bool = False
    """Whether the traceback ends before its exception."""
    elsewhere: bool = False
    """Whether its frames are those of another service's client, and none of them of a call to a model."""


def chains(text: str) -> list[Chain]:
    """The error chains of a text in their order; repeated ones count once, at their last place."""
    found: dict[str, Chain] = {}
    for chain in _Lines(text).chains():
        if not chain.errors:
            continue
        if chain.python:
            # A traceback prints the innermost exception first.
            chain.errors.reverse()
        if len(chain.errors) > _MOST_LINKS:
            # The log goes on behind a traceback without a blank line: what names a class is of the traceback.
            classed = [number for number, link in enumerate(chain.errors) if link.type]
            others = [number for number, link in enumerate(chain.errors) if not link.type]
            chain.errors = [chain.errors[number] for number in sorted([*classed, *others][:_MOST_LINKS])]
        key = re.sub(r"\d+", "0", "\n".join(f"{link.type}{link.text}" for link in chain.errors))
        found.pop(key, None)
        found[key] = chain
    kept = list(found.values())
    return kept if len(kept) <= _MOST_CHAINS else kept[: _MOST_CHAINS // 4] + kept[-3 * _MOST_CHAINS // 4 :]


class _Lines:
    """The lines of a text, from which one chain after the other is taken."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._chain = Chain()
        self._linked = False
        """Whether the next traceback goes on with this chain."""

        self._functions: list[str] = []
        """Of the frames since the last error."""

        self._code_follows = False
        self._service = False
        """Whether the innermost frame that says so is another service's client."""

        # What is left to tell where a text breaks off before the error itself.
        self._transport = self._announced = self._raised = ""

    def chains(self) -> Iterator[Chain]:
        """Each chain that holds an error."""
        position = 0
        for number, raw in enumerate(self._lines):
            start, position = position, position + len(raw) + 1
            line = raw.strip()
            if not line:
                if self._chain.errors and not self._chain.python:
                    yield self._finished(start)
                    self._linked = False
                continue
            if "Traceback" in line and _HEADER.search(line):
                if self._chain.errors and not self._linked:
                    yield self._finished(start)
                    self._service = False
                self._begin_traceback()
                if _ONLY_HEADER.match(line):
                    headed = _HEADED.match(line)
                    self._announced = headed["type"] if headed else ""
                    continue
            if self._says_where(line, raw) or self._is_code(line, raw) or not tells(line):
                continue
            self._add(_link(_joined(self._lines, number)), start)
            if not self._chain.python and len(self._chain.errors) >= _MOST_LINKS:
                yield self._finished(position)
        self._add_what_is_left()
        if self._chain.errors:
            yield self._chain

    def _finished(self, position: int) -> Chain:
        """The chain so far; the next one begins at *position*."""
        chain, self._chain = self._chain, Chain(position=position)
        return chain

    def _begin_traceback(self) -> None:
        self._linked = False
        self._chain.python = True
        self._code_follows = False
        self._functions = []

    def _says_where(self, line: str, raw: str) -> bool:
        """Whether this is a frame, or the line between two tracebacks, and no error; what it tells of the place is kept."""
        chain = self._chain
        if "exception" in line and _CHAINED.search(line):
            self._linked = chain.python = True
            return True
        if chain.phase is None and ("at " in line or "SSL" in line or "handshake" in line or "35" in line):
            chain.phase = next((phase for phase, pattern in _OTHER_PHASES if pattern.search(line)), None)
        frame = _FRAME.match(raw)
        if frame is None:
            return False
        if _TRANSPORT.search(line):
            self._transport = line[:300]
        self._service = bool(_SERVICE.search(line)) or (self._service and not _MODELS.search(line))
        if function := frame["function"] or frame["cell"]:
            where = _ONLY_IN.get(function)
            if where is None or where.search(line):
                self._functions.append(function)
            chain.python = True
        self._code_follows = bool(frame["function"])
        return True

    def _is_code(self, line: str, raw: str) -> bool:
        """Whether this is a line of source under a frame; what it was about to raise is kept."""
        if line.startswith(("raise ", "-")) and (about := _RAISED.match(line)) is not None:
            self._raised = about["type"]
        follows, self._code_follows = self._code_follows, False
        return (follows and raw[:4] == "    ") or bool(_CODE.match(line) and not _CLASS.match(line))

    def _add(self, link: ErrorLink, start: int) -> None:
        chain = self._chain
        if not chain.errors:
            chain.position = start
        chain.phase = chain.phase or _phase(self._functions)
        self._functions = []
        chain.errors.append(link)
        chain.elsewhere = self._service
        self._transport = self._announced = self._raised = ""

    def _add_what_is_left(self) -> None:
        chain = self._chain
        if self._announced:
            # A notebook's traceback names the class first; its message is cut off.
            chain.errors.append(ErrorLink(type=self._announced, text=""))
        elif self._raised and chain.python:
            chain.errors.append(ErrorLink(type=self._raised, text=""))
        elif self._transport:
            # The traceback is cut off before its exception; where it stood is all that is left.
            chain.errors.append(ErrorLink(type="", text=self._transport))
            chain.cut, chain.elsewhere = True, self._service
            chain.phase = chain.phase or _phase(self._functions)


def _joined(lines: list[str], number: int) -> str:
    """The line; with the next ones where its brackets or quotes are still open, because a terminal broke it."""
    text = lines[number].strip()
    for following in lines[number + 1 : number + 4]:
        opened = (
            text.count("(") + text.count("{") + text.count("[") - text.count(")") - text.count("}") - text.count("]")
        )
        if opened <= 0 or len(text) > _LONGEST:
            break
        text += " " + following.strip()
    return text[:_LONGEST]


def _link(text: str) -> ErrorLink:
    match = _CLASS.search(text)
    kind = match["type"] if match else ""
    rest = text
    if match is not None and match.start() == 0:
        rest = text[match.end() :].lstrip(" :-")
    rest = _SECRET_HEADER.sub(r"\1 (value not shown: it holds a credential)", rest)
    number, name = _number(text)
    reason = _REASON.search(text)
    return ErrorLink(
        type=kind[:200],
        text=rest,
        errno=number,
        errno_name=name,
        verify_code=next((code for pattern, code in _VERIFY if pattern.search(text)), None),
        ssl_reason=next(filter(None, reason.groups()), None) if reason else None,
    )


def _number(text: str) -> tuple[int | None, str | None]:
    for match in _NUMBER.finditer(text):
        number = int(next(group for group in match.groups() if group is not None))
        if number in _ERRNO_NAMES and (number not in _NEEDS_CONTEXT or _SOCKET_WORDS.search(text)):
            return number, _ERRNO_NAMES[number]
    named = _NAMED.search(text)
    if named is not None:
        name = next(filter(None, named.groups()))
        return None, {
            "ENOTFOUND": "EAI_NONAME",
            "ESOCKETTIMEDOUT": "ETIMEDOUT",
            "UND_ERR_CONNECT_TIMEOUT": "ETIMEDOUT",
        }.get(name, name)
    return None, None


def _phase(functions: list[str]) -> Phase | None:
    """Where the deepest frame that this package knows stood."""
    if "_connect_tls_proxy" in functions:
        # urllib3, with a proxy whose URL says https: this handshake is with the proxy.
        return "proxy"
    for function in reversed(functions):
        for phase, names in _PHASES:
            if function in names:
                return phase
    return None
