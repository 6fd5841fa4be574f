# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""The table of providers: by what a text shows each of them where it names no host, and how much that weighs."""

from __future__ import annotations

import re
from enum import IntEnum

from oairunbook.evidence import Family
from oairunbook.phrases import Phrases
from oairunbook.read.settings import BASE_URL_NAMES
from oairunbook.records import dataclass
from oairunbook.route.base_url import DEFAULT_BASE_URL


class Rank(IntEnum):
    """How much a mark says of the route, the strongest last. What names a host, in a setting or in the failing call itself, counts before all of them."""

    SERVED = 1
    """The text is a server's own log or trace: what is called there is that server."""

    NAMED = 2
    """A product that prose names, in the title or the body."""

    SET = 3
    """A setting: the provider that an application was told to use, a model's prefix, a variable, a port by default."""

    CLIENT = 4
    """The client that called: its class, its frames, the exception that it wraps another's in."""

    ANSWER = 5
    """What this provider alone answers: a header, a code, a sentence of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One row: whose marks these are."""

    name: str
    family: Family
    base_url: str = ""
    """The usual one; empty if it has none."""

    answer: Phrases | None = None
    client: Phrases | None = None
    set: Phrases | None = None
    named: Phrases | None = None

    def marks(self) -> tuple[tuple[Rank, Phrases], ...]:
        """Its marks, the strongest first."""
        cells = (
            (Rank.ANSWER, self.answer),
            (Rank.CLIENT, self.client),
            (Rank.SET, self.set),
            (Rank.NAMED, self.named),
        )
        return tuple((rank, phrases) for rank, phrases in cells if phrases is not None)


def _any(*phrases: str) -> Phrases:
    return Phrases(*phrases, flags=re.IGNORECASE)


def _word(*phrases: str) -> Phrases:
    """Product names that are words of ASCII: other scripts stand right behind them, without a blank."""
    return Phrases(*phrases, flags=re.IGNORECASE | re.ASCII)


_PROVIDER_IS = r"(?<![^\W_])provider[\"']?(?: ?(?:&|and|/|\|) ?model)?\s?[:=]\s?[\"'`*]{0,3}"


def _chosen(name: str) -> str:
    """An application's setting: which of its providers it was told to use."""
    return rf"{_PROVIDER_IS}{name}\b|(?<![A-Za-z]){name} provider\b|\bprovider (?:to|is|as) [\"'`*]{{0,3}}{name}\b"


_VENDORS = "anthropic|gemini|deepseek|groq|mistral|cohere|grok|xai|together_?ai|fireworks_?ai|vertex_?ai|moonshot|kimi|dashscope|qwen|siliconflow|perplexity|cerebras|nvidia_nim|volcengine|doubao|zhipu|bigmodel|tongyi|hunyuan|baichuan|stepfun|minimax|glm|z[. ]?ai"

# `https://<our host>/v1`, and no address of IPv6.
_PLACEHOLDER = (
    r"(?:<(?!!)[^<>\n]{1,60}>|\[(?!::|[\da-f:]{3,45}\])[^\[\]\n]{1,60}\]|\$?\{[^{}\n]{1,60}\})(?![\w.-]{0,80}azure)"
)

_CALLS = r"(?:for|us(?:e|es|ing)|run(?:s|ning)?|host(?:s|ing)?|serv(?:e|es|ing)|connect(?:s|ed|ing)? to|call(?:s|ed|ing)?|against|via|through)"

PROVIDERS: tuple[Provider, ...] = (
    Provider(
        name="OpenAI itself", family="direct", base_url=DEFAULT_BASE_URL,
        set=_any(_chosen("openai"), rf"{_PROVIDER_IS}openai-(?:chat|native|responses|codex)"),
        named=_any(r"\bofficial OpenAI (?:API|endpoint|base ?URL)\b|(?:官方|直连) ?(?:open ?ai|api|接口)"),
    ),
    Provider(
        name="Azure OpenAI", family="azure",
        answer=_any(
            r"apim-request-id|DeploymentNotFound|API deployment for this resource|subscription key or wrong API endpoint|\bunder Azure OpenAI|Virtual Network/Firewall|Service request failed\.\s{1,3}Status: \d{3}|Status: \d{3} \([^)\n]{1,60}\)\s{1,4}ErrorCode: ",
        ),
        client=_any(
            r"AzureOpenAI|AzureChatOpenAI|Azure(?:AI)?(?:Chat|Text)(?:Completion|Embedding|Generation)|azure_(?:chat|text)_(?:completion|embedding)|AzureException|Azure\.RequestFailedException|Azure\.AI\.OpenAI|lib[/\\]azure\.py|CognitiveServices",
        ),
        set=_any(
            _chosen("azure"),
            r"\bazure/|AZURE_OPENAI|openai/deployments/",
        ),
        named=_any(
            r"azure[_ -]openai|Azure[- ]hosted\b|Azure AI (?:Studio|Foundry)\b|Azure Open ?AI|Azure\b[^\n]{0,200}\bprivate endpoints?\b|\bprivate endpoints?\b[^\n]{0,200}\bAzure\b",
        ),
    ),
    Provider(
        name="a proxy of a subscription", family="gateway",
        named=_word(r"\bcli-?proxy-?api\b|(?<![a-z])cc[- ]?switch(?![a-z])|\bcopilot-api\b|claude-code-router"),
    ),
    Provider(
        name="OpenRouter", family="gateway", base_url="https://openrouter.ai/api/v1",
        client=_any(r"OpenRouterException|ChatOpenRouter|langchain_openrouter"),
        set=_any(_chosen("openrouter"), r"\bopenrouter/\w|OPENROUTER_"),
        named=_any("openrouter"),
    ),
    Provider(
        name="Ollama", family="gateway", base_url="http://localhost:11434/v1",
        client=_any(r"OllamaException|ChatOllama|OllamaLLM|OllamaEmbeddings"),
        set=_any(_chosen("ollama"), r"\bollama/\w|OLLAMA_|:11434\b|port=11434\b"),
        named=_any("ollama"),
    ),
    Provider(
        name="LM Studio", family="gateway", base_url="http://localhost:1234/v1",
        answer=_any(r"Unexpected endpoint or method\. \("),
        set=_any(_chosen("lm[ _-]?studio"), r"\blm_studio/\w|LM_STUDIO_|LMSTUDIO_"),
        named=_any(r"lm[ _-]?studio"),
    ),
    Provider(
        name="LiteLLM's proxy", family="gateway",
        answer=_any(r"x-litellm-|No api key passed in|Virtual Key expected|API Key not allowed to access model|can only access models="),
        client=_any(r"litellm[./\\]proxy|proxy_server\.py"),
        named=_any(r"litellm[_ ]proxy"),
    ),
    Provider(
        name="Portkey", family="gateway", base_url="https://api.portkey.ai/v1",
        answer=_any("html-message|x-portkey-"),
        client=_any(r"\bportkey[-_]ai\b|\bPORTKEY_"),
        named=_any("portkey"),
    ),
    Provider(
        name="Helicone", family="gateway", base_url="https://oai.helicone.ai/v1",
        named=_any("helicone"),
    ),
    Provider(
        name="Cloudflare AI Gateway", family="gateway",
        answer=_any(r"cf-aig-|AiGatewayError|[\"']code[\"']:\s?2009\b"),
        set=_any(r"\bworkers[- ]ai/|\bCF_AIG_|gateway\.ai\.cloudflare"),
        named=_any(r"cloudflare[- ]ai[- ]gateway|cloudflare'?s ai gateway"),
    ),
    Provider(
        name="Vercel AI Gateway",
        family="gateway",
        base_url="https://ai-gateway.vercel.sh/v1",
        answer=_any(r"Unauthenticated request to AI Gateway"),
        client=_any(r"GatewayAuthenticationError"),
        set=_any(r"\bAI_GATEWAY_API_KEY"),
    ),
    Provider(
        name="one-api", family="gateway",
        answer=_word(r"(?:one|new|shell)[-_]api_error|x-oneapi-request-id|上游负载已饱和|当前分组.{0,60}无可用渠道|当前分组没有可用的?(?:模型|渠道)"),
        named=_word(r"\b(?:one|new)[-_]?api\b|chatanywhere"),
    ),
    Provider(
        name="Kong", family="gateway",
        answer=_any(r"x-kong-|\bkong/\d|\bapisix\b|openai-base\.lua"),
    ),
    Provider(
        name="a base URL that is blotted out", family="gateway",
        set=_any(rf"(?<![\w.-])[\"']?(?:{BASE_URL_NAMES}|endpoint_url)[\"']?\s{{0,4}}[:=]\s{{0,4}}[\"']?(?:[x*]{{4,40}}(?![\w.])|[\[<(]redacted)"),
    ),
    Provider(
        name="a host that is blotted out", family="gateway",
        set=_any(
            rf"(?:(?:\b(?:post|get|put)|url|base|host|endpoint|request to|failed for)[\s:=(\"'`\\]{{1,5}}https?://{_PLACEHOLDER}|https?://{_PLACEHOLDER}[\w.:-]{{0,80}}/(?:[\w-]{{1,30}}/){{0,3}}(?:v1|chat|completions|responses|embeddings)\b)",
        ),
    ),
    Provider(
        name="vLLM", family="gateway",
        set=_any(r"\bhosted_vllm/\w"),
        named=_word(r"\bvllm\b"),
    ),
    Provider(
        name="a self-hosted server", family="gateway",
        named=_word(r"\bllama[-.]cpp\b|\bllama-server\b|\b(?:ez)?localai\b|\bxinference\b|\bfastchat\b|\bllamafile\b|\bgpustack\b|\bkoboldcpp\b|\bsglang\b|\blmdeploy\b|\btabbyapi\b|\booba(?:booga)?\b|\bmlx[-_]lm\b|text-generation-(?:inference|webui)"),
    ),
    Provider(
        name="ngrok", family="gateway",
        answer=Phrases(r"\bERR_NGROK_\d+"),
    ),
    Provider(
        name="OpenCode's own service", family="gateway", base_url="https://opencode.ai/zen/v1",
        named=_any(r"\bopencode[ _/-](?:go|zen)\b"),
    ),
    Provider(
        name="another provider", family="gateway",
        client=_any(rf"\b(?:{_VENDORS})(?:_?AI)?Exception\b|(?<![A-Za-z])(?:{_VENDORS})(?:_?AI)?:listModels|\[(?:{_VENDORS})\] (?:\w{{1,40}})?Error\b"),
        set=_any(_chosen(rf"(?:xai-|builtin:)?(?:{_VENDORS})(?:_?AI)?"), rf"(?m:^)#{{1,4}} [^\n]{{0,30}}\bprovider\b[^\n]{{0,20}}\n{{1,3}}[ \t]{{0,4}}(?:{_VENDORS})\b"),
        named=_any(
            r"\b(?:by|on|from|via|through|with) (?:NVIDIA NIM|SiliconFlow|DashScope|Bailian|Together ?AI|Fireworks ?AI|DeepInfra|Cerebras|SambaNova|Groq ?Cloud|Novita ?AI|Hyperbolic|NVIDIA'?s? API)\b",
            rf"\b(?:us(?:e|es|ing)|via|through|calls?|calling) (?:the |my |a )?(?:official |native )?(?:Google )?(?:{_VENDORS}) (?:(?:API|models?)\b|for the model\b)",
            rf"(?<![A-Za-z])(?:{_VENDORS})(?:_?AI)? API ?(?:error|request|call|请求|报错)",
        ),
    ),
    Provider(
        name="an OpenAI-compatible service", family="gateway",
        # LlamaIndex' class for them.
        client=_any(r"\bOpenAILike\b"),
        set=_any(r"(?<![\w.:])/api/chat/completions\b"),
        named=_any(
            r"\b(?:open ?|o)ai[- _]?(?:api[- _]?)?compat(?:ible|iable|able)\b|\bOpenAI[- ](?:format|style) (?:API|provider|endpoint|server)|兼容 ?OpenAI|OpenAI ?兼容|\bcompatible with (?:the )?OpenAI(?:'s)? (?:API|interface|endpoints?|format)\b",
            r"\bas (?:the |my |an? )?(?:OPENAI_)?(?:API_BASE|BASE_URL)\b",
            r"\bcustom (?:OpenAI )?(?:API )?(?:endpoints?|providers?|base ?URLs?|APIs?)\b|自定义(?:的)? ?(?:OpenAI ?)?(?:代理|API|接口|端点|服务商|供应商)",
            r"\bUpstream (?:stream error|request failed|service (?:temporarily )?unavailable)",
            r"中转 ?(?:站|平台|服务|地址|接口|api|key|网站|商|节点|代理|渠道)|(?:代理|接口|api|第三方) ?(?:中转|转接|转发)|反代|反向代理|转发服务",
            r"第三方(?:的|平台的)? ?(?:(?:open ?ai|(?:chat)?gpt|大模型) ?)?(?:api|接口|平台|渠道|代理|网关|供应商)",
            r"\b(?:us(?:e|es|ing)|for|via|through|calls?|calling) (?:a |an |the |my |some )?third[- ]party (?:OpenAI |API |LLM )?(?:APIs?|relay|proxy|endpoint|gateway|provider|service)\b",
            r"(?:修改|改|更换|换)[过了]{0,2} ?(?:OPENAI_)?(?:BASE_URL|API_BASE)\b|api\.openai\.com`?[\"']? ?(?:换成|改成|替换)",
            r"\bopenai[-_]forward\b|\bapi2d\b|\baihubmix\b",
            rf"\b{_CALLS} (?:the |my |a |an |our )?(?:own )?(?:local|locally[- ](?:hosted|deployed|running|served)|self[- ]?hosted) (?:\w{{1,20}} )?(?:LLMs?|(?:language )?models?|inference server|LLM server)\b(?! works?\b)",
            r"\b(?:the|my|our|a) local (?:LLM|(?:language )?model)s? (?:(?:is|are|does|do|did|was|were|has|will|could|can) ?(?:not|n't)|isn't|doesn't|fails|keeps|times out|returns|throws|gives)\b",
        ),
    ),
)  # fmt: skip
"""Of rows with marks of one rank and of one family the first counts."""
