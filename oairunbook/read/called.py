# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Whom a text says was called: hosts and URLs of the failing call, apart from pages that it only points to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from oairunbook.phrases import Phrases
from oairunbook.records import dataclass
from oairunbook.redaction import without_credentials
from oairunbook.services import OTHER_SERVICES

# Where a failing call says whom it called. Ports at which page servers for developers stand by default are the page's own.
_CALLED = Phrases(
    r"""HTTPS?ConnectionPool\(host=\\?['"](?P<pool_host>[^'"\\]{1,253})\\?['"],\s?port=(?P<pool_port>\d{1,5})"""
    r"""|Cannot connect to host (?P<aio_host>[\w.:\[\]-]{1,253}):(?P<aio_port>\d{1,5})"""
    r"""|(?:Connection to|getaddrinfo(?:\s\w+)?|ENOTFOUND|EAI_AGAIN|lookup|Connected to|Host|Could not resolve host:|Failed to resolve|Failed to connect to|attempted address:) ['"]?(?P<name>[a-z0-9](?:[a-z0-9-]{0,62}\.){1,8}[a-z]{2,24})(?::(?P<name_port>\d{1,5}))?"""
    r"""|https://www\.cloudflare\.com/5xx-error-landing\?utm_source=errorcode_\d{3}&(?:amp;)?utm_campaign=(?P<campaign>(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})"""
    r"""|(?P<url>(?:https?|wss?)://[^\s"'`,;<>(){}|\\\]]{3,300})"""
    r"""|(?:ECONNREFUSED|ETIMEDOUT|ECONNRESET|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|connect to|dial tcp) (?!127\.0\.0\.1:(?:7890|7891|7897|1080|10808|10809)\b)(?P<address>\[?[0-9a-f:.]{3,45}\]?):(?P<address_port>\d{1,5})"""
    r"""|Failed to connect to (?P<curl_host>[\w.-]{1,253}) port (?P<curl_port>\d{1,5})"""
    # Dart; the port beside it is often that of its own end.
    r"""|errno = \d{1,5}\), address = (?P<dart>[\w.-]{1,253})"""
    r"""|\bDomain\(\\?"(?P<domain>[\w.-]{1,253})\\?"\)"""
    # Who set a cookie, and whom Cloudflare guards, is who answered.
    r"""|;\s?domain=\.?(?P<cookie>(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})\b"""
    r"""|You are unable to access(?:</span>)? (?P<guarded>(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})\b"""
    r"""|<title>(?:Access denied \| )?(?P<title>(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}) (?:\||used Cloudflare)"""
    r"""|(?<!socks://)(?<!socks[45]://)(?<!socks5h://)\b(?P<local>localhost|host\.docker\.internal|127\.0\.0\.1|0\.0\.0\.0):(?!(?:3000|4200|5173|7860|8501|8888|7890|7891|7897|1080|10808|10809)\b)(?P<local_port>\d{2,5})\b(?!\s?-{1,2}>)(?! - ["'](?:GET|POST|PUT|HEAD|OPTIONS|DELETE|PATCH) /)""",
    flags=re.IGNORECASE,
)

_CALL_WORDS = (
    "://",
    "host",
    "lookup",
    "enotfound",
    "eai_again",
    "getaddrinfo",
    "resolve",
    "connect",
    "dial ",
    "etimedout",
    "enetunreach",
    "eaddrnotavail",
    "<title",
    "utm_campaign",
    "domain=",
    "unable to access",
    "errno = ",
    "domain(",
    "127.0.0.1",
    "0.0.0.0",
)

_CALLS = re.compile(
    r"(?:request(?:ing)? (?:to|for)|\b(?:POST|GET|PUT|Post|Get)|for url|\burl|reach|connect(?:ing|ion)? to|fetch(?: at| failed)?|resource at|endpoint|load|sending request for url|calling|failed for|-> ?|\b[45]\d\d [A-Z][A-Za-z ]{2,24} from)[\s:'\"(=]{1,6}$",
)

# Pages that error texts point to; nobody's call goes there.
_PAGES = Phrases(
    r"^(?:platform|help|community|beta|docs|developers|cookbook|status|chat|www)\.openai\.com$|^(?:www\.)?openai\.com$|^github\.com$|"
    r"(?:^|\.)stackoverflow\.com$|^learn\.microsoft\.com$|^docs\.|^aka\.ms$|^go\.microsoft\.com$|^portal\.azure\.com$|(?:^|\.)python\.org$|^js\.langchain\.com$|"
    r"^(?:python|api)\.langchain\.com$|readthedocs\.io$|^errors\.pydantic\.dev$|^urllib3\.readthedocs|^curl\.se$|^nextjs\.org$|^httpstatuses\.com$|^developer\.mozilla\.org$|"
    r"^www\.w3\.org$|^www\.cloudflare\.com$|^ai-sdk\.dev$|^sdk\.vercel\.ai$|^fetch\.spec\.whatwg\.org$|(?:^|\.)vscode-cdn\.net$|^support\.|^(?:www\.)?google\.com$|^xhr\.spec|"
    r"^openrouter\.ai/settings|^console\.|^ai\.azure\.com$|^cognitiveservices\.azure\.com$|^login\.|^ssl\.google|^mermaid\.|^bit\.ly$|^huggingface\.co$|^ollama\.com$|^your-|example-docs"
)

# Hosts and paths of APIs; a page whose title speaks of one (`/blog/python-openai-chatgpt/`) is none.
_API_HOST = Phrases(
    r"openai|gpt|llm|ollama|openrouter|\bapi\b|gateway|(?:^|[.-])ai[.-]|\.ai$|model|inference|proxy",
    flags=re.IGNORECASE,
)

_API_PATH = Phrases(
    r"/(?:chat/)?completions\b|/v\d+(?:beta\d?)?(?:/|$)|/embeddings\b|/responses\b|/api/(?:chat|generate|tags|conversation)\b|/models\b|^/(?:api/)?(?:openai|llm|gpt|ai|ollama)\b|/openai/deployments/",
    flags=re.IGNORECASE,
)

_OF_A_PAGE = Phrases(
    r"/(?:blog|docs?|articles?|questions|posts?|issues|pull|wiki|tree|blob|community|support|help|forum|threads?|discussions?|tutorials?|news|home)/|\.(?:html?|md|py|js|ts|ipynb|pdf|png|jpe?g)\b",
    flags=re.IGNORECASE,
)

_OPENAI_PATH = re.compile(r"/v\d|completions\b|/embeddings\b|/responses\b|/openai\b|/conversation\b", re.IGNORECASE)
_A_NUMBER = re.compile(r"[\d.:]+")

# `… a connection to api.openai.com.Encountered end of file`
_SENTENCE_BEHIND = re.compile(r"(?<=[a-z])\.[A-Z][a-z]+\Z")

# Chinese, Japanese and Korean prose goes on right behind a URL, without a blank; it may also stand for a host (`https://你的域名/v1`).
_PROSE_BEHIND = re.compile(r"(://[\x21-\x7e]+)[\u3000-\u9fff\uac00-\ud7af\uff00-\uffef].*", re.DOTALL)

# A page's policy stops telemetry as well: only what is an API by its own address was a call of ours.
_STOPPED = re.compile(r"[^\n]{0,20} (?:because it )?violates the|[^\n]{0,6} ?net::ERR_BLOCKED_BY_")

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A place in the text that names whom a call went to."""

    host: str
    port: int | None
    url: str | None
    position: int
    named: bool
    """Whether the words before a URL say that it was called, and not only pointed to."""

    asked: bool
    """Whether the host is as the application gave it; otherwise it may be an address that a name led to."""


_HOSTS = (
    "pool_host",
    "aio_host",
    "name",
    "address",
    "curl_host",
    "domain",
    "title",
    "campaign",
    "cookie",
    "guarded",
    "dart",
    "local",
)
_PORTS = ("pool_port", "aio_port", "name_port", "address_port", "curl_port", "local_port")
"""Groups of `_CALLED`, of which one place in a text fills at most one of each kind."""

_MOST_CALLS = 400
_LAST_PORT = 65535


def called(text: str) -> tuple[Called, ...]:
    """Whom the text says was called, in order; pages that error texts point to are left out."""
    found: list[Called] = []
    for match in _CALLED.in_lines_with(_CALL_WORDS, text):
        if (call := _call(match, text)) is not None:
            found.append(call)
        if len(found) >= _MOST_CALLS:
            break
    return tuple(found)


def _call(match: re.Match[str], text: str) -> Called | None:
    groups = match.groupdict()
    url = groups.get("url")
    if url:
        url = _PROSE_BEHIND.sub(r"\1", url)
        host, port = _split(url) or ("", None)
    else:
        number = int(_first(groups, _PORTS) or 0)
        host = _SENTENCE_BEHIND.sub("", _first(groups, _HOSTS))
        port = number if 0 < number <= _LAST_PORT else None
    host = host.lower().strip("[].")
    # A name without dots is a neighbour's (compose, Kubernetes) where the text gives it with its port or a path of an API.
    dotted = "." in host or ":" in host or host == "localhost" or port is not None or _at_an_api_path(url)
    named = url is None or (
        bool(_CALLS.search(text[max(0, match.start() - 40) : match.start()]))
        and not _STOPPED.match(text, match.end(), match.end() + 60)
    )
    # The web application is pointed to in prose, and called by clients that have no API key.
    page = _PAGES.search(host) and not (named and (host == "chat.openai.com" or OTHER_SERVICES.search(host)))
    if not host or not dotted or page:
        return None
    asked = bool(groups.get("pool_host") or groups.get("aio_host")) or (
        url is not None and (named or _API_PATH.search(url) is not None)
    )
    return Called(host=host, port=port, url=url, position=match.start(), named=named, asked=asked)


def _first(groups: Mapping[str, str | None], names: Sequence[str]) -> str:
    return next((value for name in names if (value := groups.get(name))), "")


def stopped_elsewhere(text: str) -> bool:
    """Whether a browser's line tells that it stopped calls, and none of them was one to an API."""
    stopped = [call for call in called(text) if call.url and _STOPPED.match(text, call.position + len(call.url))]
    return bool(stopped) and not any(call.named or of_an_api(call) or call.host in _LOOPBACK for call in stopped)


def of_an_api(call: Called) -> bool:
    """Whether a URL that the text only mentions is one that a client may call."""
    parts = urlsplit(call.url) if call.url else None
    if parts is None or _OF_A_PAGE.search(parts.path):
        return False
    return bool(_API_PATH.search(parts.path) or _API_HOST.search(call.host))


def of_a_site(call: Called) -> bool:
    """Whether a URL is that of a web application's own route (`https://www.example.com/api/chat`): its server calls the API, its page does not.

    Ollama has such paths too, on a port of its own or under a name that tells.
    """
    parts = urlsplit(call.url) if call.url else None
    return (
        parts is not None
        and call.port is None
        and parts.path.startswith("/api/")
        and "." in call.host
        and not _A_NUMBER.fullmatch(call.host)
        and not _OPENAI_PATH.search(parts.path)
        and not _API_HOST.search(call.host)
    )


def base_of(call: Called) -> str:
    """The base URL of a call: up to where the path of the one request begins."""
    if call.url:
        url = without_credentials(call.url).rstrip(".")
        for end in (
            "/chat/completions",
            "/completions",
            "/embeddings",
            "/responses",
            "/models",
            "/audio/",
            "/images/",
            "/openai/deployments",
            "/api/chat",
            "/api/generate",
        ):
            head, found, _ = url.partition(end)
            if found:
                return head
        return url
    host = f"[{call.host}]" if ":" in call.host else call.host
    scheme = "https" if call.port in (443, None) else "http"
    return f"{scheme}://{host}" + (f":{call.port}" if call.port not in (443, None) else "")


def is_page(url: str) -> bool:
    """Whether a URL is one of the pages that error texts point to, or none at all."""
    parts = _split(url)
    return parts is None or bool(_PAGES.search(parts[0]))


def _at_an_api_path(url: str | None) -> bool:
    return url is not None and _API_PATH.search(url) is not None


def _split(url: str) -> tuple[str, int | None] | None:
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port
    except ValueError:
        return None
