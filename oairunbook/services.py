"""Hosts whose failure is no failure of a call to the API: telemetry, package indexes, search and chat services that applications also use."""

from __future__ import annotations

from oairunbook.phrases import Phrases

OTHER_SERVICES = Phrases(
    r"(?:^|\.)(?:"
    r"posthog\.com|sentry\.io|segment\.(?:io|com)|mixpanel\.com|amplitude\.com|datadoghq\.(?:com|eu)|smith\.langchain\.com|langfuse\.com|telemetry\.[\w.]+|statsig(?:api)?\.(?:com|net)|"
    r"featuregates\.org|newrelic\.com|honeycomb\.io|grafana\.net|applicationinsights\.azure\.com|wandb\.ai|google-analytics\.com|googletagmanager\.com|traceloop\.com|arize\.com|crewai\.com|litellm\.ai|"
    r"nodejs\.org|npmjs\.(?:org|com)|pypi\.org|pythonhosted\.org|ubuntu\.com|debian\.org|docker\.(?:io|com)|github\.com|githubusercontent\.com|(?<!api-inference\.)(?<!router\.)huggingface\.(?:co|tech)|hf\.co|modelscope\.cn|anaconda\.(?:com|org)|"
    r"opensea\.io|duckduckgo\.com|serper\.dev|serpapi\.com|tavily\.com|pinecone\.io|supabase\.co|slack\.com|telegram\.org|discord\.com|notion\.(?:so|com)|"
    r"gitmoji\.dev|service-now\.com|wikipedia\.org|openaiapi-site\.azureedge\.net"
    r")$"
)  # fmt: skip
