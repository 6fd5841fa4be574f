"""Faults of the client's own settings."""

from __future__ import annotations

from oairunbook.lab.faults.fault import Fault

CLIENT = (
    Fault(
        id="client.base_url_invalid",
        cause="client.base_url_invalid",
        owner="client_config",
        summary="OPENAI_BASE_URL has no scheme",
        environment=(("OPENAI_BASE_URL", "api.lab.test:{port}/v1"),),
    ),
    Fault(
        id="client.base_url_invalid.empty",
        cause="client.base_url_invalid",
        owner="client_config",
        summary="OPENAI_BASE_URL is set and empty",
        environment=(("OPENAI_BASE_URL", ""),),
    ),
    Fault(
        id="client.api_key_missing",
        cause="client.api_key_missing",
        owner="client_config",
        summary="OPENAI_API_KEY is not set",
        environment=(("OPENAI_API_KEY", None),),
    ),
    Fault(
        id="client.api_key_malformed",
        cause="client.api_key_malformed",
        owner="client_config",
        summary="the key ends with a line feed",
        environment=(("OPENAI_API_KEY", "sk-practice-not-a-real-key\n"),),
    ),
    Fault(
        id="client.api_key_malformed.quotes",
        cause="client.api_key_malformed",
        owner="client_config",
        summary="the key stands in typographic quotes",
        environment=(("OPENAI_API_KEY", "\u201csk-practice-not-a-real-key\u201d"),),
    ),
    Fault(
        id="client.proxy_config_invalid",
        cause="client.proxy_config_invalid",
        owner="client_config",
        summary="HTTPS_PROXY has a scheme that the transport cannot speak",
        environment=(("HTTPS_PROXY", "socks4://127.0.0.1:{port}"),),
    ),
    Fault(
        id="client.ca_bundle_unusable",
        cause="client.ca_bundle_unusable",
        owner="client_config",
        summary="SSL_CERT_FILE names a file that does not exist",
        environment=(("SSL_CERT_FILE", "{folder}/missing.pem"),),
    ),
    Fault(
        id="client.ca_bundle_unusable.empty",
        cause="client.ca_bundle_unusable",
        owner="client_config",
        summary="SSL_CERT_FILE names an empty file",
        environment=(("SSL_CERT_FILE", "{folder}/empty.pem"),),
    ),
)
