# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""What a text says about the route: base URL, hosts, proxy variables, model, versions, and marks of a provider."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from oairunbook.evidence import Family, Route, Setting
from oairunbook.phrases import Phrases
from oairunbook.read import clients
from oairunbook.records import dataclass
from oairunbook.redaction import without_credentials
from oairunbook.route import resolve
from oairunbook.route.base_url import DEFAULT_BASE_URL
from oairunbook.route.installed import Installed, release
from oairunbook.services import OTHER_SERVICES

_BASE_URL_NAMES = (
    "openai_base_url|openai_api_base|openai_api_base_url|openai_api_url|azure_openai_endpoint|azure_openai_api_endpoint|azure_api_base|azure_endpoint|"
    "azureopenaiendpoint|openai-api-base|openai-base-url|base_url|baseurl|base-url|api_base|api-base|apibase|api_base_url|api_url|basepath|azureopenaibasepath|endpoint|openai_proxy_url|"
    "spring.ai.openai.base-url|ollama_base_url|ollama_host|ollama_api_base|"
    # a relay of the API, which is no forward proxy
    r"(?:[a-z0-9]{1,20}_){0,2}reverse_proxy(?:_url)?|(?:api)?reverseproxy(?:url)?|"
    # names that applications make up for the same
    r"(?:[a-z0-9]{1,20}_){0,3}[a-z0-9]{0,12}(?:llm|openai|gpt|chat|lmstudio|lm_studio)[a-z0-9]{0,12}_(?:base_url|api_base|api_url|endpoint|base|url|host)"
)
_SETTING = Phrases(
    rf"""(?:(?<![\w.-])["']?(?P<name>{_BASE_URL_NAMES})["']?\s{{0,4}}(?:=|:(?!//)|=>)\s{{0,4}}(?:str\()?|--(?P<flag>[a-z-]{{0,20}}(?:base-url|api-base|api-url|endpoint))[ =])["'`]?"""
    r"""(?P<value>https?://[^\s"'`,;<>(){}|\\]{3,300})""",
    flags=re.IGNORECASE,
)
# In prose: `can openai_api_base support https://…`, `接口地址设置为https://…`.
_SAID_SETTING = Phrases(
    r"""(?:(?<![\w.-])["'`]?(?P<name>(?:openai[_ ])?(?:api[_ ])?base(?:[_ ]?url)?|base[_ -]?url)["'`]? (?:\w{1,12} ){1,3}|(?P<label>(?:接口|API|主机|服务器?) ?地址)[^\n/]{0,16}?)["'`]?(?P<value>https?://[^\s"'`,;<>(){}|\\\u3000-\u9fff\uff00-\uffef]{3,300})""",
    flags=re.IGNORECASE,
)
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
    r"""|(?<!socks://)(?<!socks[45]://)(?<!socks5h://)\b(?P<local>localhost|host\.docker\.internal|127\.0\.0\.1|0\.0\.0\.0):(?!(?:3000|4200|5173|7860|8501|8888|7890|7891|7897|1080|10808|10809)\b)(?P<local_port>\d{2,5})\b(?!->)(?! - ["'](?:GET|POST|PUT|HEAD|OPTIONS|DELETE|PATCH) /)""",
    flags=re.IGNORECASE,
)

# Pages that error texts point to; nobody's call goes there.
_PAGES = Phrases(
    r"^(?:platform|help|community|beta|docs|developers|cookbook|status|chat|www)\.openai\.com$|^(?:www\.)?openai\.com$|^github\.com$|"
    r"(?:^|\.)stackoverflow\.com$|^learn\.microsoft\.com$|^docs\.|^aka\.ms$|^go\.microsoft\.com$|^portal\.azure\.com$|(?:^|\.)python\.org$|^js\.langchain\.com$|"
    r"^(?:python|api)\.langchain\.com$|readthedocs\.io$|^errors\.pydantic\.dev$|^urllib3\.readthedocs|^curl\.se$|^nextjs\.org$|^httpstatuses\.com$|^developer\.mozilla\.org$|"
    r"^www\.w3\.org$|^www\.cloudflare\.com$|^ai-sdk\.dev$|^sdk\.vercel\.ai$|^fetch\.spec\.whatwg\.org$|(?:^|\.)vscode-cdn\.net$|^support\.|^(?:www\.)?google\.com$|^xhr\.spec|"
    r"^openrouter\.ai/settings|^console\.|^ai\.azure\.com$|^cognitiveservices\.azure\.com$|^login\.|^ssl\.google|^mermaid\.|^bit\.ly$|^huggingface\.co$|^ollama\.com$|^your-|example-docs"
)

_VENDORS = "anthropic|gemini|deepseek|groq|mistral|cohere|grok|xai|together_?ai|fireworks_?ai|vertex_?ai|moonshot|kimi|dashscope|qwen|siliconflow|perplexity|cerebras|nvidia_nim|volcengine|doubao|zhipu|bigmodel|tongyi|hunyuan|baichuan|stepfun|minimax|glm|z[. ]?ai"

# `https://<our host>/v1`, and no address of IPv6.
_PLACEHOLDER = (
    r"(?:<(?!!)[^<>\n]{1,60}>|\[(?!::|[\da-f:]{3,45}\])[^\[\]\n]{1,60}\]|\$?\{[^{}\n]{1,60}\})(?![\w.-]{0,80}azure)"
)

_GATEWAYS: tuple[tuple[Phrases, str, str], ...] = (
    (Phrases(r"\bcli-?proxy-?api\b|(?<![a-z])cc[- ]?switch(?![a-z])|\bcopilot-api\b|claude-code-router", flags=re.IGNORECASE | re.ASCII), "", "a proxy of a subscription"),
    (Phrases(r"openrouter", flags=re.IGNORECASE), "https://openrouter.ai/api/v1", "OpenRouter"),
    (Phrases(r"ollama|:11434\b|port=11434\b", flags=re.IGNORECASE), "http://localhost:11434/v1", "Ollama"),
    (Phrases(r"lm[ _-]?studio", flags=re.IGNORECASE), "http://localhost:1234/v1", "LM Studio"),
    (
        Phrases(
            r"x-litellm-|litellm[./\\]proxy|proxy_server\.py|litellm[_ ]proxy|No api key passed in|Virtual Key expected|API Key not allowed to access model|can only access models=",
            flags=re.IGNORECASE,
        ),
        "",
        "LiteLLM's proxy",
    ),
    (Phrases(r"html-message|portkey", flags=re.IGNORECASE), "https://api.portkey.ai/v1", "Portkey"),
    (Phrases(r"helicone", flags=re.IGNORECASE), "https://oai.helicone.ai/v1", "Helicone"),
    (Phrases(r"cf-aig-|AiGatewayError|gateway\.ai\.cloudflare|cloudflare[- ]ai[- ]gateway|cloudflare'?s ai gateway|\bworkers[- ]ai/|\bCF_AIG_|[\"']code[\"']:\s?2009\b", flags=re.IGNORECASE), "", "Cloudflare AI Gateway"),
    (Phrases(r"\b(?:one|new)[-_]?api\b|(?:one|new|shell)[-_]api_error|x-oneapi-request-id|chatanywhere|上游负载已饱和|当前分组.{0,60}无可用渠道", flags=re.IGNORECASE | re.ASCII), "", "one-api"),
    (Phrases(r"x-kong-|\bkong/\d|\bapisix\b|openai-base\.lua", flags=re.IGNORECASE), "", "Kong"),
    (
        Phrases(rf"(?<![\w.-])[\"']?(?:{_BASE_URL_NAMES}|endpoint_url)[\"']?\s{{0,4}}[:=]\s{{0,4}}[\"']?(?:[x*]{{4,40}}(?![\w.])|[\[<(]redacted)", flags=re.IGNORECASE),
        "",
        "a base URL that is blotted out",
    ),
    (
        Phrases(rf"(?:(?:\b(?:post|get|put)|url|base|host|endpoint|request to|failed for)[\s:=(\"'`\\]{{1,5}}https?://{_PLACEHOLDER}|https?://{_PLACEHOLDER}[\w.:-]{{0,80}}/(?:[\w-]{{1,30}}/){{0,3}}(?:v1|chat|completions|responses|embeddings)\b)", flags=re.IGNORECASE),
        "",
        "a host that is blotted out",
    ),
    (Phrases(r"\bvllm\b", flags=re.IGNORECASE | re.ASCII), "", "vLLM"),
    (Phrases(r"\bllama[-.]cpp\b|\b(?:ez)?localai\b|\bxinference\b|\bfastchat\b|\bllamafile\b|\bgpustack\b|\bkoboldcpp\b|\bsglang\b|\blmdeploy\b|\btabbyapi\b|\booba(?:booga)?\b|\bmlx[-_]lm\b|text-generation-(?:inference|webui)", flags=re.IGNORECASE | re.ASCII), "", "a self-hosted server"),
    (Phrases(r"\bERR_NGROK_\d+"), "", "ngrok"),
    (Phrases(r"\bopencode[ _/-](?:go|zen)\b", flags=re.IGNORECASE), "https://opencode.ai/zen/v1", "OpenCode's own service"),
    (
        Phrases(
            rf"\b(?:{_VENDORS})(?:_?AI)?Exception\b|\b(?:by|on|from|via|through|with) (?:NVIDIA NIM|SiliconFlow|DashScope|Bailian|Together ?AI|Fireworks ?AI|DeepInfra|Cerebras|SambaNova|Groq ?Cloud|Novita ?AI|Hyperbolic|NVIDIA'?s? API)\b|\b(?:us(?:e|es|ing)|via|through|calls?|calling) (?:the |my |a )?(?:official |native )?(?:Google )?(?:{_VENDORS}) (?:(?:API|models?)\b|for the model\b)|(?<![A-Za-z])(?:{_VENDORS})(?:_?AI)?(?: API ?(?:error|request|call|请求|报错)| provider\b|:listModels)|"
            rf"(?<![^\W_])provider[\"']?(?: ?(?:&|and|/|\|) ?model)?\s?[:=]\s?[\"'`*]{{0,3}}(?:xai-|builtin:)?(?:{_VENDORS})\b|(?m:^)#{{1,4}} [^\n]{{0,30}}\bprovider\b[^\n]{{0,20}}\n{{1,3}}[ \t]{{0,4}}(?:{_VENDORS})\b|\[(?:{_VENDORS})\] (?:\w{{1,40}})?Error\b",
            flags=re.IGNORECASE,
        ),
        "",
        "another provider",
    ),
    (Phrases(r"\b(?:open ?|o)ai[- _]?(?:api[- _]?)?compat(?:ible|iable|able)\b|\bOpenAI[- ](?:format|style) (?:API|provider|endpoint|server)|自定义(?:的)? ?(?:OpenAI ?)?(?:代理|API|接口|端点|服务商|供应商)|\bcustom (?:OpenAI )?(?:API )?(?:endpoints?|providers?|base ?URLs?|APIs?)\b|\bUpstream (?:stream error|request failed|service (?:temporarily )?unavailable)|兼容 ?OpenAI|OpenAI ?兼容|中转 ?(?:站|平台|服务|地址|接口|api|key|网站|商|节点|代理|渠道)|(?:代理|接口|api|第三方) ?(?:中转|转接|转发)|第三方(?:的|平台的)? ?(?:(?:open ?ai|(?:chat)?gpt|大模型) ?)?(?:api|接口|平台|渠道|代理|网关|供应商)|\b(?:us(?:e|es|ing)|for|via|through|calls?|calling) (?:a |an |the |my |some )?third[- ]party (?:OpenAI |API |LLM )?(?:APIs?|relay|proxy|endpoint|gateway|provider|service)\b|反代|反向代理|转发服务|(?:修改|改|更换|换)[过了]{0,2} ?(?:OPENAI_)?(?:BASE_URL|API_BASE)\b|\bopenai[-_]forward\b|\bapi2d\b|\baihubmix\b|(?<![\w.:])/api/chat/completions\b|api\.openai\.com`?[\"']? ?(?:换成|改成|替换)|\b(?:for|us(?:e|es|ing)|run(?:s|ning)?|host(?:s|ing)?|serv(?:e|es|ing)|connect(?:s|ed|ing)? to|call(?:s|ed|ing)?|against|via|through) (?:the |my |a |an |our )?(?:own )?(?:local|locally[- ](?:hosted|deployed|running|served)|self[- ]?hosted) (?:\w{1,20} )?(?:LLMs?|(?:language )?models?|inference server|LLM server)\b(?! works?\b)|\b(?:the|my|our|a) local (?:LLM|(?:language )?model)s? (?:(?:is|are|does|do|did|was|were|has|will|could|can) ?(?:not|n't)|isn't|doesn't|fails|keeps|times out|returns|throws|gives)\b", flags=re.IGNORECASE), "", "an OpenAI-compatible service"),
)  # fmt: skip
_AZURE = Phrases(
    r"AzureOpenAI|AzureChatOpenAI|Azure(?:AI)?(?:Chat|Text)(?:Completion|Embedding|Generation)|azure_(?:chat|text)_(?:completion|embedding)|\bprovider[\"']?\s?[:=]\s?[\"'`*]{0,3}azure\b|AzureException|azure[_ -]openai|\bazure/|Azure\.RequestFailedException|Azure\.AI\.OpenAI|apim-request-id|DeploymentNotFound|"
    r"API deployment for this resource|subscription key or wrong API endpoint|\bunder Azure OpenAI|Virtual Network/Firewall|"
    r"openai/deployments/|AZURE_OPENAI|lib[/\\]azure\.py|Service request failed\.\s{1,3}Status: \d{3}|Status: \d{3} \([^)\n]{1,60}\)\s{1,4}ErrorCode: |CognitiveServices|Azure[- ]hosted\b|Azure AI (?:Studio|Foundry)\b|Azure Open ?AI|Azure\b[^\n]{0,200}\bprivate endpoints?\b|\bprivate endpoints?\b[^\n]{0,200}\bAzure\b",
    flags=re.IGNORECASE,
)
# Whose client called stands in its frames, whatever the file is called.
_AZURE_FRAME = Phrases(r"\bat (?:async )?Azure(?:Chat)?OpenAI\w{0,20}\.\w", flags=re.ASCII)
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

_SDK_VERSION = re.compile(
    r"\bopenai(?:==|[ @/]v?|-python[ /]v?|: v?)(\d{1,2}\.\d{1,3}\.\d{1,3})\b|\bOpenAI/(?:Python|JS) (\d{1,2}\.\d{1,3}\.\d{1,3})"
)
_TRANSPORT = re.compile(r"\b(httpx2|httpx)(?:==|[ @/])(\d{1,2}\.\d{1,3}\.\d{1,3})\b")
_MODEL = Phrases(
    r"""(?:["']?model["']?\s?[=:]\s?["'`]|The model ["'`]|--model[= ]["']?|model=)(?P<model>[A-Za-z0-9][\w./:@-]{1,79})"""
)


# What a form asks is nobody's answer: check boxes, and names of programs that may not be there. What somebody says not to use is not used.
_FORM = re.compile(
    r"(?:\bnot|n't|\bwithout|\binstead of|\brather than|\bnever) (?:\w+ ){0,4}Azure[\w ]{0,12}|^\s{0,20}[-*+] \[[ xX]\].{0,400}$|^.{0,80}\(if applicable\).{0,80}$",
    re.MULTILINE | re.IGNORECASE,
)

# A base URL whose scheme is broken: no SDK can use it.
_BROKEN_SETTING = Phrases(
    rf"""(?<![\w.-])["']?(?P<name>{_BASE_URL_NAMES})["']?\s{{0,4}}(?:=|:|=>)\s{{0,4}}["'`]?(?P<value>https?(?:;?//|:/(?!/))[^\s"'`,;<>(){{}}|\\]{{3,300}})""",
    flags=re.IGNORECASE,
)

# Hosts of OpenAI itself beside the API's: Codex and other clients with a ChatGPT login call them, tiktoken fetches its tables from one.
_OWN_HOSTS = re.compile(r"(?:^|\.)(?:chatgpt\.com|openai\.com|openaipublic\.blob\.core\.windows\.net)$")

# The names of folders and environments in frames say nothing of the route, nor does what code imports beside others or has commented out, nor which of its
# components a program lets tell that all is well.
_FRAMES = re.compile(
    r"""^[ \t]{0,40}from [\w.]+ import\b(?!(?:[ \t,(]{1,9}\w{0,40}Azure\w{0,40})+[ \t)]*$).{0,200},.{0,200}$|^[ \t]{0,40}(?:#|//) ?.{0,200}(?:\w\(|\w ?= ?[\w"']).{0,300}$|\b(?:INFO|DEBUG)\b[ :|-]{1,12}\[?(?:\w{1,40}\.){1,6}\w{1,40}(?::\w{1,60}:\d{1,6})?|^.{0,20}File "[^"\n]{1,400}".{0,120}$|^[ \t]{0,40}at .{1,400}$|\b[A-Za-z]:\\[^\s'"]{1,400}|(?<![\w:/.])/(?!api/)(?:[\w.@+-]{1,80}/){2,30}[\w.@+-]{1,80}""",
    re.MULTILINE,
)


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


_CALLS = re.compile(
    r"(?:request(?:ing)? (?:to|for)|\b(?:POST|GET|PUT|Post|Get)|for url|\burl|reach|connect(?:ing|ion)? to|fetch(?: at| failed)?|resource at|endpoint|load|sending request for url|calling|failed for|-> ?|\b[45]\d\d [A-Z][A-Za-z ]{2,24} from)[\s:'\"(=]{1,6}$",
)


def called(text: str) -> tuple[Called, ...]:
    """Whom the text says was called, in order; pages that error texts point to are left out."""
    found = []
    for match in _CALLED.in_lines_with(_CALL_WORDS, text):
        groups = match.groupdict()
        url = groups.get("url")
        if url:
            url = _PROSE_BEHIND.sub(r"\1", url)
            parts = _split(url)
            host, port = parts if parts else ("", None)
        else:
            host = next(
                (
                    groups[k]
                    for k in (
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
                    if groups.get(k)
                ),
                "",
            )
            number = next(
                (
                    groups[k]
                    for k in ("pool_port", "aio_port", "name_port", "address_port", "curl_port", "local_port")
                    if groups.get(k)
                ),
                None,
            )
            port = int(number) if number and int(number) < 65536 else None
            host = _SENTENCE_BEHIND.sub("", host)
        host = host.lower().strip("[].")
        # A name without dots is a neighbour's (compose, Kubernetes) where the text gives it with its port or a path of an API.
        dotted = "." in host or ":" in host or host == "localhost" or port is not None or _at_an_api_path(url)
        named = url is None or (
            bool(_CALLS.search(text[max(0, match.start() - 40) : match.start()]))
            and not _STOPPED.match(text, match.end(), match.end() + 60)
        )
        # The web application is pointed to in prose, and called by clients that have no API key.
        page = _PAGES.search(host) and not (named and (host == "chat.openai.com" or OTHER_SERVICES.search(host)))
        if host and dotted and not page:
            asked = bool(groups.get("pool_host") or groups.get("aio_host")) or (
                url is not None and (named or _API_PATH.search(url) is not None)
            )
            found.append(Called(host=host, port=port, url=url, position=match.start(), named=named, asked=asked))
        if len(found) >= 400:
            break
    return tuple(found)


# `… a connection to api.openai.com.Encountered end of file`
_SENTENCE_BEHIND = re.compile(r"(?<=[a-z])\.[A-Z][a-z]+\Z")
# Chinese, Japanese and Korean prose goes on right behind a URL, without a blank; it may also stand for a host (`https://你的域名/v1`).
_PROSE_BEHIND = re.compile(r"(://[\x21-\x7e]+)[\u3000-\u9fff\uac00-\ud7af\uff00-\uffef].*", re.DOTALL)
# A page's policy stops telemetry as well: only what is an API by its own address was a call of ours.
_STOPPED = re.compile(r"[^\n]{0,20} (?:because it )?violates the|[^\n]{0,6} ?net::ERR_BLOCKED_BY_")


def stopped_elsewhere(text: str) -> bool:
    """Whether a browser's line tells that it stopped calls, and none of them was one to an API."""
    stopped = [call for call in called(text) if call.url and _STOPPED.match(text, call.position + len(call.url))]
    return bool(stopped) and not any(call.named or _of_an_api(call) or call.host in _LOOPBACK for call in stopped)


_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _at_an_api_path(url: str | None) -> bool:
    return url is not None and _API_PATH.search(url) is not None


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


def resolve_route(
    text: str,
    *,
    base_url: str = "",
    model: str = "",
    family: str = "auto",
    environment: Mapping[str, str],
) -> Route:
    """The route of the call that the text is about.

    What the caller names counts first, then a setting in the text, then whom the failing call names, then this process's own base URL, then
    the default. Proxy and CA variables of this process do not count: the text may come from elsewhere.
    """
    variables = _variables(text)
    # Names of providers may stand anywhere, and once is enough.
    installed = _installed(text)
    source = "argument"
    value: str | None = base_url or None
    if value is None:
        value, source = _from_text(text, tuple(variables.values()))
    said = _FORM.sub("", _FRAMES.sub("", text))
    if (
        value is None
        and family != "azure"
        and not _AZURE.search(said)
        and not _of_azures_client(text)
        and (mark := _gateway(said, text)) is not None
        and mark[0]
    ):
        value, source = mark[0], f"assumed: the text names {mark[1]}"
    settings = dict(variables)
    if value is None:
        for name in ("OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
            if environment.get(name):
                settings.setdefault(name, environment[name])
    found_model = model or (m["model"] if (m := _MODEL.search(text)) else None)
    route = resolve(base_url=value, model=found_model, family=family, environment=settings, installed=installed)
    if value is not None:
        route = replace(route, base_url=replace(route.base_url, source=source))
        if family == "auto" and route.family == "gateway" and _OWN_HOSTS.search(route.host):
            route = replace(route, family="direct", family_reason=f"{route.host} is OpenAI's own")
    elif route.base_url.source == "default" and family == "auto":
        route = _by_marks(text, route)
    return route


_OWN_LOG = re.compile(
    r"""["'](?:GET|POST) /(?:v1/)?(?:chat/completions|completions|embeddings|responses|models|api/chat|api/generate)\S{0,80} HTTP/1"""
)

# Frames of a self-hosted server's own code: what failed, failed in it or behind it.
_SERVER_CODE = re.compile(
    r"\b(?:fastchat[/\\]serve|vllm[/\\](?:entrypoints|engine|v1)|sglang[/\\]srt|xinference[/\\](?:api|core|model)|lmdeploy[/\\]serve|llama_cpp[/\\]server|mlx_lm[/\\]server|text_generation_server|tensorrt_llm[/\\]serve)[/\\]"
)


def _by_marks(whole: str, route: Route) -> Route:
    text = _FORM.sub("", _FRAMES.sub("", whole))
    mark = _gateway(text, whole)
    kind: Family
    if _AZURE.search(text) or _of_azures_client(whole):
        kind, reason = "azure", "the text shows Azure OpenAI, and no host"
    elif mark is not None:
        kind, reason = "gateway", f"the text shows {mark[1]}, and no host"
    elif _OWN_LOG.search(text):
        kind, reason = "gateway", "the text is a server's own log of calls to it"
    elif _SERVER_CODE.search(whole):
        kind, reason = "gateway", "the text shows a self-hosted server's own code"
    else:
        return replace(route, base_url=Setting(value=DEFAULT_BASE_URL, source="assumed: the text names no other"))
    unknown = Setting(value="", source="not shown in the text")
    return replace(route, base_url=unknown, family=kind, family_reason=reason, host="", port=0, path="")


def _of_azures_client(whole: str) -> bool:
    return _AZURE_FRAME.search(whole) is not None or clients.of_azure(whole)


def _gateway(text: str, whole: str) -> tuple[str, str] | None:
    """The gateway that the text names, *whole* with its frames; frames count where no word does."""
    named = next(((url, name) for pattern, url, name in _GATEWAYS if pattern.search(text)), None)
    return named or clients.of_a_gateway(whole)


# `a domain like https://api.openai.com` tells how one looks.
_EXAMPLE = re.compile(
    r"(?:\blike|such as|for example|e\.g\.|类似于?|例如|比如|譬如)[\s:\uff1a'\"`(]{0,4}\Z", re.IGNORECASE
)
# Where a redirect leads is not what was called.
_LEADS_TO = re.compile(r"^[< \t]{0,8}location:[^\n]{0,2000}$", re.IGNORECASE | re.MULTILINE)


def _from_text(text: str, proxies: tuple[str, ...] = ()) -> tuple[str | None, str]:
    """The base URL that a setting in the text names, else the one of the failing call itself."""
    with_urls = "\n".join(line for line in text.split("\n") if "://" in line)
    named = [m for m in _SETTING.finditer(with_urls) if not _is_page(_legible(m["value"]))]
    without_ways = _LEADS_TO.sub("", text)
    calls = [
        call
        for call in called(without_ways)
        if not (
            _OWN_HOSTS.search(call.host) and _EXAMPLE.search(without_ways[max(0, call.position - 30) : call.position])
        )
    ]
    named = named or [m for m in _SAID_SETTING.finditer(with_urls) if not _is_page(_legible(m["value"]))]
    broken = None if named else _BROKEN_SETTING.search(text)
    if broken is not None:
        return broken["value"], f"the text: {broken['name']}"
    direct = [c for c in calls if _OWN_HOSTS.search(c.host)]
    if named:
        match = named[-1]
        name = match["name"] or match.groupdict().get("label") or f"--{match['flag']}"
        return _legible(match["value"]).rstrip(".?"), f"the text: {name}"
    for call in reversed(calls):
        if call.port and any(f"{call.host}:{call.port}" in value for value in proxies):
            continue
        if OTHER_SERVICES.search(call.host) or _only_address(call, direct) or _of_a_site(call):
            continue
        if call in direct:
            return _own_base_of(call), "the text names the host"
        if call.named or _of_an_api(call) or _looks_served(call.host):
            return _base_of(call), "the text names the host"
    if direct:
        return _own_base_of(direct[-1]), "the text names the host"
    return None, ""


def _own_base_of(call: Called) -> str:
    if call.host == "api.openai.com":
        return DEFAULT_BASE_URL
    return f"https://{call.host}/v1" if call.host.endswith(".api.openai.com") else _base_of(call)


def _only_address(call: Called, direct: list[Called]) -> bool:
    """Addresses are where a name led; they name no route of their own, unless the application called them so, or they are local ones on a port of their own."""
    try:
        address = ipaddress.ip_address(call.host)
    except ValueError:
        return False
    if direct or call.asked:
        return bool(direct)
    return not (address.is_private or address.is_loopback or address.is_unspecified) or call.port in (443, None)


def _of_an_api(call: Called) -> bool:
    """Whether a URL that the text only mentions is one that a client may call."""
    parts = urlsplit(call.url) if call.url else None
    if parts is None or _OF_A_PAGE.search(parts.path):
        return False
    return bool(_API_PATH.search(parts.path) or _API_HOST.search(call.host))


def _of_a_site(call: Called) -> bool:
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


_A_NUMBER = re.compile(r"[\d.:]+")
_OPENAI_PATH = re.compile(r"/v\d|completions\b|/embeddings\b|/responses\b|/openai\b|/conversation\b", re.IGNORECASE)


def _looks_served(host: str) -> bool:
    return (
        host.endswith(("azure.com", "azure.us", "azure.cn", "azure-api.net", "api.cognitive.microsoft.com"))
        or host == "openrouter.ai"
    )


def _base_of(call: Called) -> str:
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


def _variables(text: str) -> dict[str, str]:
    """Proxy and other variables that shape a route, from lines `NAME=value` and from code that sets them."""
    found: dict[str, str] = {}
    for match in _VARIABLE.finditer(text):
        name = match["name"]
        if name.lower() in _PROXY_NAMES or name in _OTHER_NAMES:
            found[name] = match["value"].rstrip(",;")
    if not any(name.lower() in _PROXY_NAMES[:3] for name in found):
        in_code = _PROXY_IN_CODE.search("\n".join(line for line in text.split("\n") if "://" in line))
        if in_code is not None and "base" not in in_code[0].lower():
            found["HTTPS_PROXY"] = in_code["value"]
    return found


def _installed(text: str) -> Installed:
    match = _SDK_VERSION.search(text)
    sdk = (match[1] or match[2]) if match else None
    carrier = _TRANSPORT.search(text)
    if carrier is None:
        return Installed(sdk=sdk, transport_name="httpx2" if release(sdk) >= (3, 0) else None, transport_version=None)
    return Installed(sdk=sdk, transport_name=carrier[1], transport_version=carrier[2])


def _split(url: str) -> tuple[str, int | None] | None:
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port
    except ValueError:
        return None


def _legible(url: str) -> str:
    """A URL whose host or port somebody blotted out (`https://10.0.***.19:****/`), so that it can be taken apart: it names a host all the same."""
    return _BLOTTED_PORT.sub("", url).replace("*", "x") if "*" in url else url


_BLOTTED_PORT = re.compile(r":\d{0,4}\*[\d*]{0,6}(?=/|$)")


def _is_page(url: str) -> bool:
    parts = _split(url)
    return parts is None or bool(_PAGES.search(parts[0]))
