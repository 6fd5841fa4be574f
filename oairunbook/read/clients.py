# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Whose client made the call, where nothing but the frames of a trace tells it: each provider's package has files or names of its own."""

from __future__ import annotations

import re

_INSTALLED = r"(?:site|dist)-packages[\\/]"
# Packages of frameworks have one file or folder for each provider that they speak to.
_OF_A_FRAMEWORK = r"(?:litellm[\\/]llms|llama_index[\\/](?:llms|embeddings)|langchain(?:_community)?[\\/](?:llms|chat_models|embeddings)|autogen_ext[\\/]models|pydantic_ai[\\/]models|agno[\\/]models|embedchain[\\/]llm)[\\/]"
_OTHERS = r"anthropic|google_genai|google_vertexai|vertexai|vertex_ai|gemini|groq|mistralai|mistral|deepseek|cohere|xai|fireworks|together|nvidia_ai_endpoints|aws|bedrock|huggingface|cerebras|perplexity|sambanova|dashscope|zhipuai|moonshot"
_CLIENT = re.compile(
    # whose own transport this is
    rf"(?P<openai>{_INSTALLED}openai[\\/](?:_base_client|api_requestor)\.py)"
    rf"|{_INSTALLED}(?:(?P<ollama>(?:langchain_ollama|ollama)[\\/]|{_OF_A_FRAMEWORK}ollama\w*[\\/.])"
    rf"|(?P<lmstudio>lmstudio[\\/])"
    rf"|(?P<other>langchain_(?:{_OTHERS})[\\/]|(?:anthropic|groq|cerebras[\\/]cloud[\\/]sdk|together)[\\/]_base_client\.py|(?:google[\\/](?:genai|generativeai|ai[\\/]generativelanguage)|mistralai|cohere)[\\/]|{_OF_A_FRAMEWORK}(?:{_OTHERS})\w*[\\/.])"
    rf"|(?P<azure>openai[\\/]lib[\\/]azure\.py|langchain_openai[\\/]\w{{1,20}}[\\/]azure\.py|semantic_kernel[\\/][\w\\/]{{1,80}}[\\/]azure_\w|{_OF_A_FRAMEWORK}azure\w*[\\/.]))"
)
# Elsewhere the innermost frame stands first, and a package is a folder or a name; a client that is only imported stands in no frame.
_NPM = r"node_modules[\\/](?:"
_JVM = r"\bat (?:[\w.$-]{0,80}/){0,2}(?:"
_OTHERS_OF_NPM = r"anthropic|google(?:-\w{1,20})?|mistral(?:ai)?|groq|cohere|xai|deepseek|amazon-bedrock|aws|fireworks|together(?:ai|-ai)?|cerebras|perplexity|deepinfra|gateway"
_OTHERS_OF_JVM = r"qianfan|zhipu(?:ai)?|anthropic|mistralai|google\w{0,10}|vertex\w{0,10}|dashscope|bedrock|cohere|huggingface|watsonx|minimax|moonshot|deepseek"
_FRAME = (
    rf"{_NPM}(?P<openai>openai[\\/]|@(?:ai-sdk|langchain)[\\/]openai[\\/])"
    rf"|(?P<azure>@azure[\\/]openai[\\/]|@ai-sdk[\\/]azure[\\/]|@langchain[\\/]azure-openai[\\/])"
    rf"|(?P<compatible>@ai-sdk[\\/]openai-compatible[\\/])|(?P<openrouter>@openrouter[\\/])"
    rf"|(?P<ollama>(?:@langchain[\\/])?ollama[\\/]|ollama-ai-provider[\w-]{{0,8}}[\\/])"
    rf"|(?P<other>@(?:ai-sdk|langchain)[\\/](?:{_OTHERS_OF_NPM})[\\/]|@anthropic-ai[\\/]sdk[\\/]|@google[\\/](?:genai|generative-ai)[\\/]))"
    rf"|{_JVM}(?P<jvm_openai>dev\.langchain4j\.model\.openai|org\.springframework\.ai\.openai|com\.theokanning\.openai|com\.openai\.)"
    rf"|(?P<jvm_azure>dev\.langchain4j\.model\.azure|org\.springframework\.ai\.azure|com\.azure\.ai\.openai)"
    rf"|(?P<jvm_ollama>(?:dev\.langchain4j\.model|org\.springframework\.ai)\.ollama)"
    rf"|(?P<jvm_compatible>dev\.langchain4j\.model\.localai)"
    rf"|(?P<jvm_other>(?:dev\.langchain4j\.model|org\.springframework\.ai)\.(?:{_OTHERS_OF_JVM})\.|com\.zhipu\.oapi\.|com\.alibaba\.(?:cloud\.ai\.)?dashscope\.|(?:[a-z]\w{{0,30}}\.){{1,4}}(?:{_OTHERS_OF_JVM})\.))"
)
_FRAME_NEEDS = (
    "node_modules",
    "langchain4j",
    "springframework.ai",
    "com.azure.ai",
    "theokanning",
    "com.openai",
    "zhipu",
    "dashscope",
    ".deepseek.",
)
_NAMES = {
    "compatible": ("", "a client for OpenAI-compatible services"),
    "openrouter": ("https://openrouter.ai/api/v1", "OpenRouter's client"),
    "ollama": ("http://localhost:11434/v1", "Ollama's client"),
    "lmstudio": ("http://localhost:1234/v1", "LM Studio's client"),
    "other": ("", "another provider's client"),
}


def of_azure(text: str) -> bool:
    """Whether such frames, the last ones of Python, are those of a client for Azure OpenAI."""
    return _last(text) == "azure"


def of_a_gateway(text: str) -> tuple[str, str] | None:
    """The base URL that such a client assumes, if any, and whose it is, where the last frames are not those of a client for OpenAI."""
    return _NAMES.get(_last(text))


def _last(text: str) -> str:
    last = ""
    if "-packages" in text:
        for match in _CLIENT.finditer(text):
            kind = match.lastgroup or ""
            # A client for Azure calls through OpenAI's own.
            last = last if kind == "openai" and last == "azure" else kind
    return last or _alone(text)


def _alone(text: str) -> str:
    """Whose frames stand in traces of Node and of the JVM, where they are one client's."""
    if not any(word in text for word in _FRAME_NEEDS):
        return ""
    kinds = {(match.lastgroup or "").removeprefix("jvm_") for match in re.finditer(_FRAME, text)}
    return kinds.pop() if len(kinds) == 1 else ""
