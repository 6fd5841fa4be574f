"""Hosts known by name: model vendors' own APIs, and services that applications also use, whose failure is no failure of a call to the API."""

from __future__ import annotations

from oairunbook.phrases import Phrases

# A gateway checks a key of its own, a vendor checks the caller's.
VENDORS = Phrases(
    r"(?:^|\.)(?:deepseek\.com|groq\.com|mistral\.ai|x\.ai|together\.(?:xyz|ai)|fireworks\.ai|moonshot\.(?:cn|ai)|kimi\.com|stepfun\.com|baidubce\.com|siliconflow\.(?:cn|com)|aliyuncs\.com|bigmodel\.cn|z\.ai|cerebras\.ai|nvidia\.com|perplexity\.ai|volces\.com|"
    r"minimaxi?\.(?:chat|com|io)|generativelanguage\.googleapis\.com|aiplatform\.googleapis\.com|cohere\.(?:com|ai)|deepinfra\.com|hyperbolic\.xyz|novita\.ai|sambanova\.ai|deepai\.org|anthropic\.com)$"
)  # fmt: skip

# Telemetry, package indexes, search and chat services.
OTHER_SERVICES = Phrases(
    r"(?:^|\.)(?:"
    r"posthog\.com|sentry\.io|segment\.(?:io|com)|mixpanel\.com|amplitude\.com|datadoghq\.(?:com|eu)|smith\.langchain\.com|langfuse\.com|telemetry\.[\w.]+|statsig(?:api)?\.(?:com|net)|"
    r"featuregates\.org|newrelic\.com|honeycomb\.io|grafana\.net|applicationinsights\.azure\.com|wandb\.ai|google-analytics\.com|googletagmanager\.com|traceloop\.com|arize\.com|crewai\.com|litellm\.ai|"
    r"nodejs\.org|npmjs\.(?:org|com)|pypi\.org|pythonhosted\.org|ubuntu\.com|debian\.org|docker\.(?:io|com)|github\.com|githubusercontent\.com|(?<!api-inference\.)(?<!router\.)huggingface\.(?:co|tech)|hf\.co|modelscope\.cn|anaconda\.(?:com|org)|"
    r"opensea\.io|duckduckgo\.com|serper\.dev|serpapi\.com|tavily\.com|pinecone\.io|supabase\.co|slack\.com|telegram\.org|discord(?:app)?\.com|sgroup\.qq\.com|weixin\.qq\.com|dingtalk\.com|feishu\.cn|larksuite\.com|graph\.facebook\.com|notion\.(?:so|com)|"
    r"gitmoji\.dev|service-now\.com|wikipedia\.org|openaiapi-site\.azureedge\.net"
    r")$"
)  # fmt: skip
