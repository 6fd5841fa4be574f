# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""What a text shows of the provider that was called, where it names no host: products, vendors, clients, words for a route of one's own."""

from __future__ import annotations

import re

from oairunbook.evidence import Family
from oairunbook.phrases import Phrases
from oairunbook.read import clients
from oairunbook.read.settings import BASE_URL_NAMES
from oairunbook.records import dataclass

_VENDORS = "anthropic|gemini|deepseek|groq|mistral|cohere|grok|xai|together_?ai|fireworks_?ai|vertex_?ai|moonshot|kimi|dashscope|qwen|siliconflow|perplexity|cerebras|nvidia_nim|volcengine|doubao|zhipu|bigmodel|tongyi|hunyuan|baichuan|stepfun|minimax|glm|z[. ]?ai"

# `https://<our host>/v1`, and no address of IPv6.
_PLACEHOLDER = (
    r"(?:<(?!!)[^<>\n]{1,60}>|\[(?!::|[\da-f:]{3,45}\])[^\[\]\n]{1,60}\]|\$?\{[^{}\n]{1,60}\})(?![\w.-]{0,80}azure)"
)

GATEWAYS: tuple[tuple[Phrases, str, str], ...] = (
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
        Phrases(rf"(?<![\w.-])[\"']?(?:{BASE_URL_NAMES}|endpoint_url)[\"']?\s{{0,4}}[:=]\s{{0,4}}[\"']?(?:[x*]{{4,40}}(?![\w.])|[\[<(]redacted)", flags=re.IGNORECASE),
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

_OWN_LOG = re.compile(
    r"""["'](?:GET|POST) /(?:v1/)?(?:chat/completions|completions|embeddings|responses|models|api/chat|api/generate)\S{0,80} HTTP/1"""
)

# Frames of a self-hosted server's own code: what failed, failed in it or behind it.
_SERVER_CODE = re.compile(
    r"\b(?:fastchat[/\\]serve|vllm[/\\](?:entrypoints|engine|v1)|sglang[/\\]srt|xinference[/\\](?:api|core|model)|lmdeploy[/\\]serve|llama_cpp[/\\]server|mlx_lm[/\\]server|text_generation_server|tensorrt_llm[/\\]serve)[/\\]"
)

# What a form asks is nobody's answer: check boxes, and names of programs that may not be there. What somebody says not to use is not used.
_FORM = re.compile(
    r"(?:\bnot|n't|\bwithout|\binstead of|\brather than|\bnever) (?:\w+ ){0,4}Azure[\w ]{0,12}|^\s{0,20}[-*+] \[[ xX]\].{0,400}$|^.{0,80}\(if applicable\).{0,80}$",
    re.MULTILINE | re.IGNORECASE,
)

# The names of folders and environments in frames say nothing of the route, nor does what code imports beside others or has commented out, nor which of its
# components a program lets tell that all is well.
_FRAMES = re.compile(
    r"""^[ \t]{0,40}from [\w.]+ import\b(?!(?:[ \t,(]{1,9}\w{0,40}Azure\w{0,40})+[ \t)]*$).{0,200},.{0,200}$|^[ \t]{0,40}(?:#|//) ?.{0,200}(?:\w\(|\w ?= ?[\w"']).{0,300}$|\b(?:INFO|DEBUG)\b[ :|-]{1,12}\[?(?:\w{1,40}\.){1,6}\w{1,40}(?::\w{1,60}:\d{1,6})?|^.{0,20}File "[^"\n]{1,400}".{0,120}$|^[ \t]{0,40}at .{1,400}$|\b[A-Za-z]:\\[^\s'"]{1,400}|(?<![\w:/.])/(?!api/)(?:[\w.@+-]{1,80}/){2,30}[\w.@+-]{1,80}""",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """A text in which marks are looked for."""

    said: str
    """Without what a form asks, what somebody says not to use, and names in frames and paths."""

    whole: str

    @classmethod
    def of(cls, whole: str) -> Marks:
        """The marks of a text."""
        return cls(said=_FORM.sub("", _FRAMES.sub("", whole)), whole=whole)

    @property
    def azure(self) -> bool:
        """Whether it shows Azure OpenAI."""
        return bool(_AZURE.search(self.said) or _AZURE_FRAME.search(self.whole)) or clients.of_azure(self.whole)

    @property
    def gateway(self) -> tuple[str, str] | None:
        """The gateway that it names: its usual base URL, empty if it has none, and what it is. Frames count where no word does."""
        named = next(((url, name) for pattern, url, name in GATEWAYS if pattern.search(self.said)), None)
        return named or clients.of_a_gateway(self.whole)

    @property
    def family(self) -> tuple[Family, str] | None:
        """The family of the route, and why; None if nothing speaks of another one than the default."""
        if self.azure:
            return "azure", "the text shows Azure OpenAI, and no host"
        if (mark := self.gateway) is not None:
            return "gateway", f"the text shows {mark[1]}, and no host"
        if _OWN_LOG.search(self.said):
            return "gateway", "the text is a server's own log of calls to it"
        if _SERVER_CODE.search(self.whole):
            return "gateway", "the text shows a self-hosted server's own code"
        return None
