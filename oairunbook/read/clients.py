# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Whose client made the call, where nothing but the frames of a traceback tells it: each provider's package has files of its own."""

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
_NAMES = {
    "ollama": ("http://localhost:11434/v1", "Ollama's client"),
    "lmstudio": ("http://localhost:1234/v1", "LM Studio's client"),
    "other": ("", "another provider's client"),
}


def of_azure(text: str) -> bool:
    """Whether the last such frames are those of a client for Azure OpenAI."""
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
    return last
