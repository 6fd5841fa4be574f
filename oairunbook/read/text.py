# ruff: noqa: E501 - one list of words
"""Any bytes as text that the readers can take in: decoded, without terminal codes and log gutters, and of bounded size.

Every step is linear in the input. What is left out of a long log is what holds no word of a failure.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterator

LONGEST_TEXT = 300_000
"""Characters that the readers look at; of longer input they see its beginning, its end and its telling lines."""

_LONGEST_LINE = 20_000
_SHORT = 60_000
_BEFORE, _AFTER = 4, 12
_HEAD, _TAIL, _MIDDLE = 200_000, 1_000_000, 1_000_000
_AROUND = 600

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# What a long log is searched for from end to end: few literals, so that the search runs at the speed of memory.
_TELLING = re.compile(
    rb"rror|xception|ERR_|imeout|imed out|refused|Caused by|ECONN|ENOTFOUND|EAI_AGAIN|HTTP/1.1 [45]|HTTP/2 [45]"
)
_NAMES = (
    "openai", "chat/completions", "error code:", "quota", "rate limit", "rate_limit", "context length", "context_length", "does not exist", "not have access",
    "invalid_request", "api key", "api_key", "unsupported_country", "country, region", "overloaded", "subscription key", "virtual network", "api deployment",
    "certificate", "x509", "handshake", "wrong version", "getaddrinfo", "enotfound", "eai_again", "name resolution", "no such host", "econn", "etimedout",
    "hang up", "other side closed", "server disconnected", "reset by peer", "und_err", "cors policy", "err_", "mixed content", "<title", "cf-ray",
    "tunnel connection", "proxyconnect", "proxyerror", "status code", "bad gateway", "httpx", "httpcore", "litellm", "provider returned", "upstream",
)  # fmt: skip
"""What lines about a call to the API hold, in lower case. In a log of an application that fails in other ways too, the rare ones of these tell most."""

_MOST_OF_A_NAME, _MOST_TELLING = 400, 150_000

_TERMINAL = re.compile(
    r"\x1b\[[0-9;:<=>?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)|\x1b[()*+][0-9A-Za-z]|\x1b[=>78cDEHMNOZ]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Editors and forums make them of the quotes that programs print.
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
# Forums make a link of every host and address: `[api.openai.com](http://api.openai.com/)`.
_LINKED = re.compile(r"\[((?:https?://)?[\w.:/-]{3,200}?)\]\((?:https?://)?\1/?\)")
_ENTITY = re.compile(r"&(?:lt|gt|quot|amp|apos|#0?39|#x27);", re.IGNORECASE)

# Frames that terminals, compose, Kubernetes, exception groups and quotations put before each line.
_FRAME = r"(?:[ \t]*(?:[│┃║╎]|\+-[+|]?|\|(?![|:])|>(?=[ \t>])|(?:[\w.-]{1,60}-\d{1,3}|[\w.-]{1,40})[ \t]+\|(?=[ \t]|$))[ \t]?)"
# journald's and syslog's beginning of a line, and the one of containers' log files.
_LOGGED = r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]{1,80} [\w./@-]{1,80}(?:\[\d{1,9}\])?: |\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:\d\d) std(?:out|err) [FP] |\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6,9}Z )"
_GUTTER = re.compile(rf"^(?:{_LOGGED}{_FRAME}*|{_FRAME}+)", re.MULTILINE)
# `util.inspect` prints a long string as a sum of its lines.
_JOINT = re.compile(r"['\"`] \+\n[ \t]{0,60}['\"`]")
# The look-behind keeps this linear on long runs of blanks.
_RIGHT_EDGE = re.compile(r"(?<![ \t])[ \t]*[│┃║][ \t]*$", re.MULTILINE)


def normalise(data: bytes | str) -> str:
    """Text for the readers, of at most `LONGEST_TEXT` characters and a margin."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    text = _decode(_condense(data))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _TERMINAL.sub("", text)
    text = _CONTROL.sub("", text).translate(_QUOTES)
    if _ENTITY.search(text):
        text = html.unescape(text)
    if "](" in text:
        text = _LINKED.sub(r"\1", text)
    return _telling_lines(_shorten_lines(text))


def without_gutters(text: str) -> str:
    """The text without the frames that tools draw at the left and right of each line, and without `'…' +` between the lines of one string."""
    return _JOINT.sub("", _GUTTER.sub("", _RIGHT_EDGE.sub("", text)))


_WINDOWS_FRAME = re.compile(r'\bFile "[A-Za-z]:\\[^"\n]{1,400}", line ')


def unescaped(text: str) -> str:
    r"""The text with `\n`, `\t` and `\"` resolved: tracebacks inside JSON and one-line reprs become lines again."""
    if "\\n" not in text and '\\"' not in text and "\\'" not in text:
        return text
    # A frame's path such as C:\new would break, and with it the frame; other paths may, and no reader decides by one.
    text = _WINDOWS_FRAME.sub(lambda frame: frame[0].replace("\\", "/"), text)
    text = text.replace("\\\\", "\\").replace("\\r\\n", "\n").replace("\\n", "\n").replace("\\t", "\t")
    return text.replace('\\"', '"').replace("\\'", "'")


# Hashes of Ruby (`"error"=>{"code"=>nil}`), maps of Elixir (`%{"error" => …}`) and what Rust's serde prints for debugging (`Object {"error": String("…")}`).
_ARROW = re.compile(
    r"""%?(?P<open>\{?)(?P<key>(["'])(?:error|message|type|param|code|status|detail)\3)\s?=>\s?(?P<nil>nil\b)?"""
)
_SERDE = re.compile(
    r"""\bObject (?=\{)|\b(?:String|Number|Bool)\((?P<value>"(?:[^"\\]|\\.)*"|\d+|true|false)\)|(?<=: )(?P<null>Null)\b"""
)


def as_json(text: str) -> str:
    """The text with the error objects of other languages in the dress of JSON."""
    if "=>" in text:
        text = _ARROW.sub(lambda found: f"{found['open']}{found['key']}: {'null' if found['nil'] else ''}", text)
    if "Object {" in text:
        text = _SERDE.sub(lambda found: "null" if found["null"] else found["value"] or "", text)
    return text


def _decode(data: bytes) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    sample = data[:4000]
    # PowerShell's `>` writes UTF-16; without its mark the zeros give it away.
    if len(sample) > 3 and sample[1::2].count(0) > len(sample) // 4:
        return data.decode("utf-16-le", "replace")
    return data.decode("utf-8", "replace")


def _condense(data: bytes) -> bytes:
    """The whole of a short input; of a long one the beginning, the end, and between them what stands around telling words."""
    if len(data) <= _HEAD + _MIDDLE + _TAIL:
        return data
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or data[1:4000:2].count(0) > 1000:
        data = _decode(data).encode("utf-8", "replace")
    end = max(_HEAD, len(data) - _TAIL)
    kept: list[tuple[int, int]] = []
    seen: set[bytes] = set()
    size = 0
    for position in (*_named(data, end), *_told(data, end)):
        if size >= _MIDDLE:
            break
        line_end = data.find(b"\n", position, min(end, position + 4 * _AROUND))
        stop = line_end if line_end >= 0 else min(end, position + 2 * _AROUND)
        # Repeated failures differ in numbers and times only.
        key = _VARIES.sub(b"", data[position : min(stop, position + 200)])
        if key not in seen:
            seen.add(key)
            start = max(_HEAD, position - _AROUND)
            kept.append((start, stop))
            size += stop - start
    return b"\n".join((data[:_HEAD], *(data[start:stop] for start, stop in _joined(kept)), data[-_TAIL:]))


_VARIES = re.compile(rb"[0-9a-fA-F]{8,}|[0-9]+")


def _named(data: bytes, end: int) -> list[int]:
    """Where words of a call to the API stand in the middle, the rarest words first."""
    low = data.lower()
    places = []
    for name in _NAMES:
        word = name.encode()
        found: list[int] = []
        position = low.find(word, _HEAD, end)
        while position >= 0 and len(found) < _MOST_OF_A_NAME:
            found.append(position)
            position = low.find(word, position + 80, end)
        places.append(found)
    return [position for found in sorted(places, key=len) for position in found]


def _told(data: bytes, end: int) -> Iterator[int]:
    """Where anything fails in the middle, once a line."""
    position = _HEAD
    for _ in range(_MOST_TELLING):
        found = _TELLING.search(data, position, end)
        if found is None:
            return
        yield found.start()
        line_end = data.find(b"\n", found.end(), min(end, found.end() + 4 * _AROUND))
        position = line_end if line_end >= 0 else found.end() + 2 * _AROUND


def _joined(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans in their order, those that meet as one."""
    begun: tuple[int, int] | None = None
    for start, stop in sorted(spans):
        if begun is None:
            begun = (start, stop)
        elif start <= begun[1]:
            begun = (begun[0], max(stop, begun[1]))
        else:
            yield begun
            begun = (start, stop)
    if begun is not None:
        yield begun


WORDS = (
    # what fails, in the words of most libraries
    "error", "exception", "timeout", "timed out", "times out", "time out", "time-out", "timedout", "refused", "reset", "fail", "unable", "cannot", "can not", "can't", "couldn't", "could not", "did not", "doesn't",
    "does not", "denied", "disconnect", "closed", "unreachable", "reachable", "be reached", "blocked", "violates", "not found", "no such", "no route", "eof", "invalid", "illegal",
    "missing", "prematur", "terminat", "abort", "unexpected", "unsupported", "not supported", "no longer supported", "too many", "unknown", "not known", "broken pipe", "not provided", "must be", "not a decimal", "no url", "bad uri", "typo in the url", "dial tcp", "dial udp", "receiving connect", "nxdomain", "options /", "options  /", "options request", "[gin]", "non-existing", "transporterror", "httpoison", "httperror", "to_error", ":connect_timeout", "unknown_ca", "unavailable", "unrecognized", "not authenticated", "no supported",
    "required", "rejected", "forbidden", "unauthorized", "unauthori", "not authorized", "not permitted", "not allowed", "not trusted", "not valid", "notvalid", "timevalid", "not completed", "not received",
    "not defined", "not installed", "not ready", "not responding", "not verified", "not absolute", "incorrect", "insufficient", "restrict", "exceeded", "incomplete", "malform",
    "mismatch", "misbehaving", "unhealthy", "does not exist", "stalled", " hang", "hangs", "stopped after", "shut down", "shutdown", "expired", "canceled", "cancelled", "awaiting", "waiting", "while reading",
    "without sending", "was lost", "connection lost", "connecting to", "connect to", "empty reply", "no bytes", "no data", "no chunk", "no address", "no port", "no host", "partial", "undefined scheme", "without a base", "not loaded",
    # numbers and names of systems
    "errno", "winerror", "getaddr", "enotfound", "econn", "etimed", "ehost", "enet", "eai_", "epipe", "emfile", "enfile", "enobufs", "enodata", "eaddr", "eacces", "eperm", "eprot", "err_", "curle_", "curl: (", "0x0",
    "sec_e_", "crypt_e_", "1005", "1100", "buffer space", "only one usage", "net access", "deadline",
    # names
    "resolv", "lookup", "trouble", "connecting", "connection to", "connections to", "connection with", "connections with", "t connect", "communicating", "no response", "block_headline", "cloudflare", "servname", "servers could be reached", "domain name", "sinkhole", "name resolution",
    # TLS
    "certificate", "cert_", "ca cert", "x509", "tls", "ssl", "untrusted", "trustanchor", "trust anchor", "partialchain", "self_signed", "self-signed", "self signed", "verify", "verification", "alert", "cipher",
    "renegotiation", "no_protocols", "no appropriate protocol", "legacy common name", "causedasendentity", "machinestores", "bio_new_file", "protocol_version", "protocol version", "common algorithm", "badly formatted", "wrong version", "wrong_version", "too_small", "too_weak", "length too long",
    "length_too_long", "start_line", "enough_data", "subject alternative", "ip sans", "gave http response", "handshake", "no name matching",
    # proxies, base URLs, keys, versions
    "credential", "aadsts", "proxy", "proxies", "socks", "no authentication", "response 4", "api_key", "api key", "apikey", "base_url", "baseurl", "api_base", "endpoint", "scheme", "bad port", "adapters were found", "only absolute", "header",
    "nul characters", "only ascii", "code point", "no module", "no attribute", "not a constructor", "export named", "matching version", "typing_extensions", "event loop", "different loop", "pool", "acquire", "syntax in",
    # an answer, or something in its place
    "status", "http/", "http code", "quota", "limit", "context length", "overload", "traceback", "x-request-id", "cf-ray", "cf_", "<html", "<!doctype", "<title", "gateway", "upstream", "deployment", "redirect", "text/html", "valid json",
    "web server", "server returned", "got_nothing", "endofstream", "end of stream", "end of file", "responseended", "rst_stream", "goaway", "sock_read", "observe any item", "loading model", "deserializ", "response.completed", "finish_reason", "stream finished", "stream ended",
    # pages
    "browser", "security service", "origin", ":11434/", "| 403 |", "response code: 0", "establish", "mixed content", "insecure content", "address space", "content security", "content-security", "cors ", "access-control", "access control", "preflight", "able to access",
    # frames without their exception
    "/httpx", "\\httpx", "/httpcore", "\\httpcore", "urllib3/connection", "urllib3\\connection", "aiohttp/connector", "aiohttp\\connector",
    # other languages: Chinese, German, Spanish, French, Portuguese, Russian, Japanese, Korean
    "拒绝", "超时", "渠道", "负载", "失败", "连接", "主机", "答复", "强迫", "不支持", "错误", "unbekannt", "solcher host", "verweigerte", "verbindung", "zeitspanne", "desconocido", "sconosciuto", "conectada", "equipo de destino", "conexi", "inconnu", "ordinateur cible",
    "parti connect", "connexion", "conhecido", "máquina de destino", "maquina de destino", "componente conectado", "conexao", "conexão", "хост", "соединение", "подключение", "компьютер", "ホスト", "接続", "コンピューター", "호스트", "컴퓨터", "연결",
    # what single clients say of the same
    "must start with", "tampered", "system.net.http", "try again (", "wsatry", "wsano", "wsahost", "unrecognised", "0x8009", "0x800b", "validity period", "selfsigned", "too small", "too weak", "signature_algorithm",
    "client preferences", "peer is incompatible", "host is down", "network is down", " down", "too slow", "encoding, state", "server reply", "expected value at", "no close frame", "unsuccessful tunnel",
    "zugriffsrechte", "verfügbare", "verfugbare", "erreichbaren hosts", "remotename", "remotezertifikat", "nom distant", "certificat distant", "certificado remoto", "удаленное имя", "сертификат", "远程名称", "访问权限",
    "autorisations d'acc", "no permitido", "atteindre", "no accesible", "serveur distant", "servidor remoto", "d'attente", "证书", "リモート名", "証明書", "인증서",
    "appears to be offline", "app transport security", "target machine", "networkproblem", "network problem", "network error", "networkerror", "noroute",
)  # fmt: skip
"""What a line holds that may tell of a failure, in lower case. Searching for words is many times faster here than one expression for all.

Whatever a sign of `oairunbook.diagnose.pasted.signs` looks for holds one of them; tests/test_read.py proves it for each phrase.
"""


def tells(line: str) -> bool:
    """Whether a line may tell of a failure."""
    low = line.lower()
    return any(word in low for word in WORDS)


def _telling_lines(text: str) -> str:
    """Of a longer text the lines that may tell of a failure with those around them, and of repeated ones the first and the last."""
    if len(text) <= _SHORT:
        return text
    lines = text.split("\n")
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for number, line in enumerate(lines):
        key = line.translate(_NO_DIGITS)[:300]
        if key not in first:
            first[key] = number
        last[key] = number
    # What is said thousands of times is noise or the same failure again: both are told by one line.
    telling = sorted({number for number in (*first.values(), *last.values()) if tells(lines[number])})
    short = _with_those_around(lines, telling)
    if len(short) > LONGEST_TEXT:
        # Where so much fails, what names a call to the API counts, and how the log begins and ends.
        named = [number for number in telling if any(name in lines[number].lower() for name in _NAMES)]
        short = _with_those_around(lines, sorted({*telling[:300], *named[-1500:], *telling[-1000:]}))
    if len(short) <= LONGEST_TEXT:
        return short
    return f"{short[: LONGEST_TEXT // 3]}\n{short[-2 * LONGEST_TEXT // 3 :]}"


def _with_those_around(lines: list[str], telling: list[int]) -> str:
    kept: set[int] = set()
    for number in telling:
        kept.update(range(max(0, number - _BEFORE), min(len(lines), number + _AFTER)))
    kept.update(range(min(30, len(lines))), range(max(0, len(lines) - 60), len(lines)))
    return "\n".join(lines[number] for number in sorted(kept))


_NO_DIGITS = str.maketrans("", "", "0123456789")


def _shorten_lines(text: str) -> str:
    if len(text) <= _LONGEST_LINE:
        return text
    lines = text.split("\n")
    if max(map(len, lines)) <= _LONGEST_LINE:
        return text
    half = _LONGEST_LINE // 2
    return "\n".join(line if len(line) <= _LONGEST_LINE else f"{line[:half]}\n{line[-half:]}" for line in lines)
