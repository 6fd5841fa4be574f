# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""What a text sets: base URL, proxy variables, model, and versions of SDK and transport."""

from __future__ import annotations

import re

from oairunbook.phrases import Phrases
from oairunbook.read.called import is_page
from oairunbook.route.installed import Installed, release

BASE_URL_NAMES = (
    "openai_base_url|openai_api_base|openai_api_base_url|openai_api_url|azure_openai_endpoint|azure_openai_api_endpoint|azure_api_base|azure_endpoint|"
    "azureopenaiendpoint|openai-api-base|openai-base-url|base_url|baseurl|base-url|api_base|api-base|apibase|api_base_url|api_url|basepath|azureopenaibasepath|endpoint|openai_proxy_url|"
    "spring.ai.openai.base-url|ollama_base_url|ollama_host|ollama_api_base|"
    # a relay of the API, which is no forward proxy
    r"(?:[a-z0-9]{1,20}_){0,2}reverse_proxy(?:_url)?|(?:api)?reverseproxy(?:url)?|"
    # names that applications make up for the same
    r"(?:[a-z0-9]{1,20}_){0,3}[a-z0-9]{0,12}(?:llm|openai|gpt|chat|lmstudio|lm_studio)[a-z0-9]{0,12}_(?:base_url|api_base|api_url|endpoint|base|url|host)"
)

_SETTING = Phrases(
    rf"""(?:(?<![\w.-])["']?(?P<name>{BASE_URL_NAMES})["']?\s{{0,4}}(?:=|:(?!//)|=>)\s{{0,4}}(?:str\()?|--(?P<flag>[a-z-]{{0,20}}(?:base-url|api-base|api-url|endpoint))[ =])["'`]?"""
    r"""(?P<value>https?://[^\s"'`,;<>(){}|\\]{3,300})""",
    flags=re.IGNORECASE,
)

# In prose: `can openai_api_base support https://…`, `接口地址设置为https://…`.
_SAID_SETTING = Phrases(
    r"""(?:(?<![\w.-])["'`]?(?P<name>(?:openai[_ ])?(?:api[_ ])?base(?:[_ ]?url)?|base[_ -]?url)["'`]? (?:\w{1,12} ){1,3}|(?P<label>(?:接口|API|主机|服务器?) ?地址)[^\n/]{0,16}?)["'`]?(?P<value>https?://[^\s"'`,;<>(){}|\\\u3000-\u9fff\uff00-\uffef]{3,300})""",
    flags=re.IGNORECASE,
)

# A base URL whose scheme is broken: no SDK can use it.
_BROKEN_SETTING = Phrases(
    rf"""(?<![\w.-])["']?(?P<name>{BASE_URL_NAMES})["']?\s{{0,4}}(?:=|:|=>)\s{{0,4}}["'`]?(?P<value>https?(?:;?//|:/(?!/))[^\s"'`,;<>(){{}}|\\]{{3,300}})""",
    flags=re.IGNORECASE,
)

_BLOTTED_PORT = re.compile(r":\d{0,4}\*[\d*]{0,6}(?=/|$)")

_VARIABLE = re.compile(
    r"^\s{0,20}(?:-\s|export\s+|set\s+|ENV\s+|\$env:)?(?P<name>[A-Za-z][A-Za-z0-9_]{2,60})\s?[=:]\s?[\"']?(?P<value>[^\s\"']{1,500})",
    re.MULTILINE,
)

_PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

_OTHER_NAMES = ("OPENAI_API_VERSION", "AZURE_OPENAI_DEPLOYMENT", "OPENAI_API_TYPE", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
                "NODE_EXTRA_CA_CERTS")  # fmt: skip

_PROXY_IN_CODE = Phrases(
    r"""(?:(?:https?|all)_proxy["'\]]{0,3}\s?[=:]|proxy(?:_url|Url|URL)?["']?\s?[=:]|ProxyAgent\(|\bproxy\(|openai\.proxy\s?=)\s?["'`]?(?P<value>(?:https?|socks[45]?h?)://[^\s"'`,;<>(){}|]{3,200})""",
    flags=re.IGNORECASE,
)

_MODEL = Phrases(
    r"""(?:["']?model["']?\s?[=:]\s?["'`]|The model ["'`]|--model[= ]["']?|model=)(?P<model>[A-Za-z0-9][\w./:@-]{1,79})"""
)

_SDK_VERSION = re.compile(
    r"\bopenai(?:==|[ @/]v?|-python[ /]v?|: v?)(\d{1,2}\.\d{1,3}\.\d{1,3})\b|\bOpenAI/(?:Python|JS) (\d{1,2}\.\d{1,3}\.\d{1,3})"
)

_TRANSPORT = re.compile(r"\b(httpx2|httpx)(?:==|[ @/])(\d{1,2}\.\d{1,3}\.\d{1,3})\b")


def base_url_set(text: str) -> tuple[str, str] | None:
    """The base URL that a setting in the text gives last, and the name of that setting; None if none does."""
    with_urls = _lines_with_urls(text)
    for pattern in (_SETTING, _SAID_SETTING):
        found = [match for match in pattern.finditer(with_urls) if not is_page(_legible(match["value"]))]
        if found:
            match = found[-1]
            name = match["name"] or match.groupdict().get("label") or f"--{match['flag']}"
            return _legible(match["value"]).rstrip(".?"), name
    broken = _BROKEN_SETTING.search(text)
    return (broken["value"], broken["name"]) if broken else None


def model_set(text: str) -> str | None:
    """The model that the text names first; None if it names none."""
    match = _MODEL.search(text)
    return match["model"] if match else None


def variables_set(text: str) -> dict[str, str]:
    """Proxy and other variables that shape a route, from lines `NAME=value` and from code that sets them."""
    found: dict[str, str] = {}
    for match in _VARIABLE.finditer(text):
        name = match["name"]
        if name.lower() in _PROXY_NAMES or name in _OTHER_NAMES:
            found[name] = match["value"].rstrip(",;")
    if not any(name.lower() in _PROXY_NAMES[:3] for name in found):
        in_code = _PROXY_IN_CODE.search(_lines_with_urls(text))
        if in_code is not None and "base" not in in_code[0].lower():
            found["HTTPS_PROXY"] = in_code["value"]
    return found


def installed_versions(text: str) -> Installed:
    """SDK and transport with the versions that the text names."""
    match = _SDK_VERSION.search(text)
    sdk = (match[1] or match[2]) if match else None
    carrier = _TRANSPORT.search(text)
    if carrier is None:
        return Installed(sdk=sdk, transport_name="httpx2" if release(sdk) >= (3, 0) else None, transport_version=None)
    return Installed(sdk=sdk, transport_name=carrier[1], transport_version=carrier[2])


def _lines_with_urls(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if "://" in line)


def _legible(url: str) -> str:
    """A URL whose host or port somebody blotted out (`https://10.0.***.19:****/`), so that it can be taken apart: it names a host all the same."""
    return _BLOTTED_PORT.sub("", url).replace("*", "x") if "*" in url else url
