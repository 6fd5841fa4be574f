# ruff: noqa: E501 - error texts stand on lines of their own length
"""The readers: any bytes, bounded time, and the numbers that decide."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oairunbook.diagnose import diagnose
from oairunbook.diagnose.pasted import combine
from oairunbook.diagnose.pasted.signs import SIGNS
from oairunbook.evidence import Evidence, PastedError, dumps, load_evidence, walk_text
from oairunbook.read import beside, read
from oairunbook.read.text import LONGEST_TEXT, WORDS, normalise, tells
from oairunbook.record.source import collect_response
from oairunbook.runtime import this_runtime
from oairunbook.verdict import Verdict

RUNTIME = this_runtime({})


def seen(data: bytes | str, **known: object) -> Evidence:
    return read(data, RUNTIME, environment={}, **known)  # type: ignore[arg-type]


def judged(data: bytes | str, **known: object) -> Verdict:
    return diagnose(seen(data, **known))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("OSError: [WinError 10060] 由于连接方在一段时间后没有正确答复", "ETIMEDOUT"),
        ("ConnectionResetError: [WinError 10054] Eine vorhandene Verbindung wurde geschlossen", "ECONNRESET"),
        ("socket.gaierror: [Errno 11001] getaddrinfo failed", "EAI_NONAME"),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "EAI_AGAIN"),
        ("Error: connect EHOSTUNREACH 10.0.0.1:443", "EHOSTUNREACH"),
        ("error sending request: tcp connect error: Connection refused (os error 111)", "ECONNREFUSED"),
    ],
)
def test_numbers_of_every_system_become_names(text: str, name: str) -> None:
    names = [link.errno_name for _, raised in seen(text).of(PastedError) for link in raised.errors]
    assert name in names


def test_a_traceback_is_a_chain_with_the_outermost_error_first() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "/x/httpcore/_backends/sync.py", line 206, in connect_tcp\n'
        "ConnectionRefusedError: [Errno 111] Connection refused\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\n"
        '  File "/x/openai/_base_client.py", line 982, in request\n'
        "openai.APIConnectionError: Connection error.\n"
    )
    ((observation, raised),) = list(seen(text).of(PastedError))
    assert [link.type for link in raised.errors] == ["openai.APIConnectionError", "ConnectionRefusedError"]
    assert observation.layer == "tcp"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        # A ReadTimeout whose frames stand in the handshake, and its control.
        ('Traceback (most recent call last):\n  File "/x/ssl.py", line 1346, in do_handshake\nTimeoutError: The read operation timed out\nReadTimeoutError: Read timed out.', "tls.timeout"),
        ('Traceback (most recent call last):\n  File "/x/http/client.py", line 279, in _read_status\nTimeoutError: The read operation timed out\nReadTimeoutError: Read timed out.', "http.read_timeout"),
        # An error about the proxy's own name inside a message about the API.
        ("HTTPSConnectionPool(host='api.openai.com', port=443): Max retries exceeded (Caused by ProxyError('Unable to connect to proxy', NameResolutionError(\"Failed to resolve 'proxy.corp' ([Errno -2] Name or service not known)\")))", "proxy.unresolvable"),
        ("HTTPSConnectionPool(host='api.openai.com', port=443): Max retries exceeded (Caused by NameResolutionError(\"Failed to resolve 'api.openai.com' ([Errno -2] Name or service not known)\"))", "dns.nxdomain"),
        # A PermissionDeniedError around a page of the edge, and its control.
        ("openai.PermissionDeniedError: <!DOCTYPE html><html><head><title>Just a moment...</title></head>", "http.blocked_page"),
        ("openai.PermissionDeniedError: Error code: 403 - {'error': {'message': 'You have insufficient permissions for this operation.', 'type': 'invalid_request_error', 'param': None, 'code': None}}", "api.permission_denied"),
        # An InternalServerError around a load balancer's 502.
        ("openai.InternalServerError: <html>\n<head><title>502 Bad Gateway</title></head>\n<body>nginx</body></html>", "http.gateway_error"),
        # Go: a timeout of the name server, and one of the endpoint.
        ('Post "https://api.openai.com/v1/models": dial tcp: lookup api.openai.com on 10.0.0.2:53: read udp 10.0.0.9:4000->10.0.0.2:53: i/o timeout', "dns.timeout"),
        ('Post "https://api.openai.com/v1/models": dial tcp 104.18.6.192:443: i/o timeout', "tcp.timeout"),
        ('Post "https://api.openai.com/v1/models": proxyconnect tcp: dial tcp 10.1.1.1:3128: connect: connection refused', "proxy.unreachable"),
        # A public name on a loopback address.
        ("FetchError: request to https://api.openai.com/v1/models failed, reason: connect ECONNREFUSED 127.0.0.1:443", "dns.sinkhole"),
        ("curl: (60) SSL certificate problem: unable to get local issuer certificate", "tls.untrusted_issuer"),
        (";; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 4711\n;api.openai.example. IN A", "dns.nxdomain"),
        # Objects that were copied without their end, or without their beginning.
        ("{'error': {'message': 'The model `gpt-9` does not exist or you do not have acc", "api.model_not_found"),
        ('  "message": "Incorrect API key provided: x",\n  "type": "invalid_request_error",\n  "param": null,\n  "code": "invalid_api_key"\n}', "api.invalid_key"),
        # 404 of the API itself, and of some other server.
        ("return_value=(b'HTTP/1.1', 404, b'Not Found', [(b'x-request-id', b'req_a2f3a6e00a3254b0')])", "api.model_not_found"),
        ("return_value=(b'HTTP/1.1', 404, b'Not Found', [(b'server', b'nginx')])", "http.not_an_api"),
        # 404 at a path that api.openai.com has, and at one that it has not.
        ("404 Client Error: Not Found for url: https://api.openai.com/v1/chat/completions", "api.model_not_found"),
        ("404 Client Error: Not Found for url: https://api.openai.com/chat/completions", "http.not_an_api"),
        ("RetryError[<Future at 0x11cf state=finished raised InvalidRequestError>]", "api.bad_request"),
        ("Unexpected endpoint or method. (OPTIONS /v1/models). Returning 200 anyway", "browser.cors_blocked"),
        ("Unexpected endpoint or method. (POST /v1/api/generate). Returning 200 anyway", "http.not_an_api"),
        # Quotes that an editor made typographic.
        ("ImportError: Using SOCKS proxy, but the \u2018socksio\u2019 package is not installed.", "client.proxy_config_invalid"),
        # A local port that is not the endpoint's own is a proxy's, and the endpoint's own address is none.
        ('Get "https://api.openai.com/v1/models": dial tcp [::1]:8080: connect: connection refused', "proxy.unreachable"),
        ('Get "https://api.openai.com/v1/models": dial tcp 104.18.6.192:443: connect: connection refused', "tcp.refused"),
        # Prose without spaces beside a code.
        ("对话框返回ECONNRESET错误", "http.reset"),
        ("RouterRateLimitErrorBasic: No deployments available for selected model.", "api.gateway_upstream_failed"),
        # A header of an answer is no CORS failure, and the console's line is.
        ("Status: 500 (Internal Server Error)\nContent:\n{\"error\": {\"message\": \"The server had an error\", \"type\": \"server_error\", \"param\": null, \"code\": null}}\nHeaders:\nAccess-Control-Allow-Origin: *", "api.server_error"),
        ("Access to fetch at 'https://api.openai.com/v1/models' from origin 'https://x.example' has been blocked by CORS policy: No 'Access-Control-Allow-Origin' header is present on the requested resource.", "browser.cors_blocked"),
        # The header that is refused: the answer's content type, or the key.
        ('Caused by:\n    Invalid header value: "text/html; charset=utf-8"', "http.not_an_api"),
        ('Caused by:\n    Invalid header value: "Bearer x\\n"', "client.api_key_malformed"),
        # An application's sentence and the API's own.
        ("Something went wrong. An error occurred while processing your request. Please contact the Admin.", "unknown"),
        ("An error occurred while processing your request. You can retry your request. Please include the request ID 9533aa9c in your message.", "api.server_error"),
        # A status in front of a line of prose is no line number of a notebook's code.
        ("403 Invalid response body while trying to fetch https://api.openai.com/v1/models: Parse Error: Expected HTTP/", "http.not_an_api"),
        # No scheme that any SDK can use, and its control.
        ('OpenAI API error: Connection error.\nbase_url = "http//127.0.0.1:8000/v1"', "client.base_url_invalid"),
        ('OpenAI API error: Connection error.\nbase_url = "http://127.0.0.1:8000/v1"', "unknown"),
        ("APICallError [AI_APICallError]: Not Found", "http.not_an_api"),
        ("OSError: Es konnte keine Verbindung hergestellt werden, da der Zielcomputer die Verbindung verweigerte", "tcp.refused"),
        ("* Received HTTP code 407 from proxy after CONNECT\ncurl: (56) CONNECT tunnel failed, response 407", "proxy.auth_required"),
        # The same causes in the words of Java, Go, Rust, .NET, PHP, Ruby and libcurl.
        ("javax.net.ssl.SSLPeerUnverifiedException: Hostname api.openai.com not verified:\n    certificate: sha256/x", "tls.hostname_mismatch"),
        ("java.security.cert.CertificateException: No name matching api.openai.com found", "tls.hostname_mismatch"),
        ("java.io.IOException: unexpected end of stream on https://api.openai.com/...", "http.disconnected"),
        ("java.net.ProtocolException: unexpected end of stream", "http.truncated"),
        ("io.ktor.client.network.sockets.ConnectTimeoutException: Connect timeout has expired [url=https://api.openai.com/v1, connect_timeout=unknown ms]", "tcp.timeout"),
        ("x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2023-01-01T00:00:00Z", "tls.not_yet_valid"),
        ("x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:00Z is after 2023-01-01T00:00:00Z", "tls.expired"),
        ('Post "https://api.openai.com/v1/chat/completions": Forbidden', "proxy.denied"),
        ('Post "https://api.openai.com/v1/chat/completions": EOF', "http.disconnected"),
        ("client error (SendRequest): connection error: peer closed connection without sending TLS close_notify: https://docs.rs/rustls#unexpected-eof", "http.disconnected"),
        ("invalid peer certificate: certificate not valid for name \"api.openai.com\"", "tls.hostname_mismatch"),
        ("System.Net.Http.HttpRequestException: Resource temporarily unavailable (api.openai.com:443)", "dns.timeout"),
        ("The request was aborted: Could not create SSL/TLS secure channel.", "tls.protocol_mismatch"),
        ("curl: (35) schannel: next InitializeSecurityContext failed: CRYPT_E_NO_REVOCATION_CHECK (0x80092012)", "tls.untrusted_issuer"),
        ("SSL_connect SYSCALL returned=5 errno=0 state=SSLv3/TLS write client hello", "tls.reset"),
        ("Failed to open TCP connection to api.openai.com:443 (execution expired)", "tcp.timeout"),
        ("Cannot connect to host api.openai.com:443 ssl:default [Domain name not found]", "dns.nxdomain"),
        ("Cannot connect to host api.openai.com:443 ssl:default [DNS server returned answer with no data]", "dns.no_address"),
        ("error: unknown certificate verification error", "tls.untrusted_issuer"),
        # What a proxy answers in prose, and what listens on no proxy's port.
        ("The proxy 407s the bare CONNECT", "proxy.auth_required"),
        ("proxy(http://127.0.0.1:7890/) intercepts 'https://auth.openai.com/'\nconnecting to 127.0.0.1:7890\nConnection refused (os error 61)", "proxy.unreachable"),
        # A page's console: the status stands behind the URL.
        ("POST https://api.openai.com/v1/chat/completions 400 (Bad Request)", "api.bad_request"),
        # Gateways: their own refusal, a server that still loads, a provider's answer inside.
        ('{"success":false,"result":[],"messages":[],"error":[{"code":2009,"message":"Unauthorized"}]}', "api.gateway_auth_failed"),
        ('{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}', "api.overloaded"),
        ('{"error":{"message":"Provider returned error","code":403,"metadata":{"raw":{"data":"{"error":{"code":"unsupported_country_region_territory","message":"x","param":null,"type":"request_forbidden"}}"}}}}', "api.gateway_upstream_failed"),
        ("The server had an error processing your request. Sorry about that!", "api.server_error"),
        ("openai.error.InvalidRequestError: Invalid URL (POST /v1/chat/completions)", "api.endpoint_not_found"),
        # Two reasons offered by an application are none, and one of the API's own is one.
        ("HTTP 429: Invalid key or insufficient credits.", "unknown"),
        ("HTTP 429: Insufficient credits.", "api.insufficient_quota"),
        ("Request failed with status code 429 - too many requests issue", "unknown"),
        # An application's own status in prose, beside a failure of the call, and alone.
        ("adding an agent ends in a 500 error\nopenai.APIConnectionError: Connection error.", "unknown"),
        ("it ends in a 502 error", "http.gateway_error"),
        ("报502错误", "http.gateway_error"),
        ("HTTP 502 Bad Gateway, others report \"Insufficient Balance\"", "http.gateway_error"),
        ("HTTP 402 Payment Required: \"Insufficient Balance\"", "api.insufficient_quota"),
        # The pool of a SOCKS proxy, and a refusal by that proxy.
        ("SOCKSHTTPSConnectionPool(host='api.openai.com', port=443): Max retries exceeded (Caused by NewConnectionError(': Failed to establish a new connection: [Errno 111] Connection refused'))", "proxy.unreachable"),
        ("SOCKSHTTPSConnectionPool(host='api.openai.com', port=443): Max retries exceeded (Caused by NewConnectionError(': Failed to establish a new connection: 0x05: Connection refused'))", "proxy.upstream_failed"),
        # A policy that names a telemetry service in its list is no failure of telemetry.
        ("Refused to connect to 'https://api.openai.com/v1' because it violates the following Content Security Policy directive: \"connect-src 'self' o1.ingest.sentry.io\"", "browser.blocked_by_client"),
        ("httpx.ReadTimeout: timed out while streaming chunks", "http.stream_stalled"),
        ("litellm.Timeout: Connection timed out after 600.0 seconds.", "unknown"),
        # litellm's classes: a refusal is an answer, and a 500 is any failure.
        ("litellm.RateLimitError: RateLimitError: DashscopeException - You exceeded your current requests list.", "api.rate_limited"),
        ("litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.", "unknown"),
        ("API Request Failed (OpenAI completion error: 404, no body).", "http.not_an_api"),
        ("provider reachability OK: `https://chatgpt.com/backend-api/ reachable (HTTP 403)`", "unknown"),
        # A notebook's traceback that is cut off before its message, and one with it.
        ("UnsupportedProtocol                       Traceback (most recent call last)\nFile [/x/httpx/_transports/default.py:69](https://x.example/default.py:69), in map_httpcore_exceptions()", "client.base_url_invalid"),
        ("ConnectError                       Traceback (most recent call last)\nFile /x/httpx/_transports/default.py:69, in f()\nConnectError: [Errno 111] Connection refused", "tcp.refused"),
        # What somebody tells of a status, in brackets, in prose, in n8n's words; amounts are no statuses.
        ("Reason: [401] API Key 错误, 认证失败", "api.invalid_key"),
        ("I call https://api.x.example/v1/chat/completions and receive 404, also on another path", "http.not_an_api"),
        ("it returns 500 tokens and then: openai.APIConnectionError: Connection error.", "unknown"),
        ("I get a 404 in my application.\nopenai.APIConnectionError: Connection error.\n[Errno 111] Connection refused", "tcp.refused"),
        ("The service refused the connection - perhaps it is offline", "tcp.refused"),
        ("The connection cannot be established, this usually occurs due to an incorrect host (domain) value", "dns.nxdomain"),
        ("Problem in node 'x': Gateway timed out - perhaps try again later?", "http.gateway_error"),
        ("401 Client Error: Unauthorized for url: https://api.deepseek.com/v1/chat/completions", "api.invalid_key"),
        ("401 Client Error: Unauthorized for url: https://gateway.example.com/v1/chat/completions", "api.gateway_auth_failed"),
        # Codes that only an API gives, named alone, and in code that compares with them.
        ("'unsupported_country_region_territory' is what I get", "api.region_unsupported"),
        ("if (error.code === 'insufficient_quota') stop()\nif error.code in ('x', 'insufficient_quota'):\nConnection error.", "unknown"),
        ("it gives CORS error", "browser.cors_blocked"),
        ("NotFoundError('No valid deployments to route to. Please check that the endpoint has one')", "api.azure_deployment_not_found"),
        ("[Bug]: InternalServerError: OpenAIException\nlitellm.InternalServerError: InternalServerError: OpenAIException - Connection error.", "unknown"),
        ("[Errno 2] Lookup timed out", "dns.timeout"),
        # one-api's kin: the gateway's upstream, whatever code it puts beside it.
        ("提示: 当前分组上游负载已饱和", "api.gateway_upstream_failed"),
        ('{"error":{"message":"当前分组上游负载已饱和","type":"requests","param":"","code":"rate_limit_exceeded"}}', "api.gateway_upstream_failed"),
        ("当前分组 default 下对于模型 gpt-4 无可用渠道", "api.gateway_upstream_failed"),
        # litellm's classes within each other: the innermost counts.
        ("BadRequestError: litellm.BadRequestError: LLM Provider NOT provided. You passed model=x", "api.bad_request"),
        ("litellm.InternalServerError: litellm.InternalServerError: no words that tell", "unknown"),
        ("RateLimitError\n\nthis line of code fails", "unknown"),
        ("Error: The model: `gpt-4` does not exist", "api.model_not_found"),
        ("our servers are currently overloaded. Please try again later", "api.overloaded"),
        ("An error occurred with your deployment FUNCTION_INVOCATION_TIMEOUT", "http.gateway_error"),
        ("dev.langchain4j.exception.TimeoutException: request timed out", "http.read_timeout"),
        ("ERROR async_openai::error: failed deserialization of: File Not Found", "http.not_an_api"),
        # Milliseconds are no status, and a code of Node's is none of the API's.
        ("2025-04-06 09:45:40.593 ERROR (MainThread) [x] Unexpected error during intent recognition", "unknown"),
        ("AxiosError: Request failed with status code 404 {\n  code: 'ERR_BAD_REQUEST'\n}", "http.not_an_api"),
        # SDK 0.x gives the status between two prints of the body; a refusal of size calls itself a server error.
        ("Failed ({\n \"error\": {\"message\": \"Maximum content size limit (1) exceeded (2 bytes read)\", \"type\": \"server_error\", \"code\": null}\n} 413 {'error': {'message': 'x'}})", "api.bad_request"),
        ("Error: null. 413: Maximum content size limit (26214400) exceeded (26384384 bytes read)", "api.bad_request"),
        # A block page of which only the middle was copied, and its number.
        ('<h1 data-translate="block_headline">Sorry, you have been blocked</h1>', "http.blocked_page"),
        ("Cloudflare Error 1010 means that the owner of the website has banned your access", "http.blocked_page"),
        # journald's beginnings of lines.
        ("Apr 08 08:06:58 HOST app.sh[1]: Traceback (most recent call last):\nApr 08 08:06:58 HOST app.sh[1]:   File \"/x.py\", line 1, in f\nApr 08 08:06:58 HOST app.sh[1]: httpx.ConnectError: [Errno 111] Connection refused", "tcp.refused"),
        # Streams that ended before their last event.
        ("OpenAI completions stream closed before a finish_reason was received", "http.truncated"),
        ("OpenAI API call failed: stream finished without response.completed event", "http.truncated"),
        ("TypeError: terminated", "http.truncated"),
        ("[ERROR][deepseek] Provider error: terminated", "http.truncated"),
        # `docker logs --timestamps`, and a gateway's words alone.
        ("2023-02-12T10:52:27.070324467Z {\n2023-02-12T10:52:27.070343863Z   \"error\": {\n2023-02-12T10:52:27.070346578Z     \"message\": \"x\",\n2023-02-12T10:52:27.070348592Z     \"type\": \"insufficient_quota\"\n2023-02-12T10:52:27.070350185Z   }\n2023-02-12T10:52:27.070355375Z }", "api.insufficient_quota"),
        ("API Request Fail - Provider returned error", "api.gateway_upstream_failed"),
        # aiohttp's answer without its class, and a number that is no status before the same word.
        ("Failed to communicate with the API! 400, message='Bad Request', url='http://192.0.2.1:11434/v1/chat/completions'", "api.bad_request"),
        ("version 1.400, message='x'", "unknown"),
        # Bun's general sentence and its code, both also of names that do not exist, and its own word for a refusal; Rust's word is one.
        ('error: Unable to connect. Is the computer able to access the url?\n  path: "https://api.openai.com/v1",\n errno: 0,\n  code: "ConnectionRefused"', "unknown"),
        ('{"error":{"code":"ConnectionRefused","path":"https://api.openai.com/v1/chat/completions","errno":0}} Unable to connect. Is the computer able to access the url?', "unknown"),
        ("ECONNREFUSED: Unable to connect. Is the computer able to access the url?", "tcp.refused"),
        ('ConnectError("tcp connect error", Os { code: 111, kind: ConnectionRefused, message: "Connection refused" })', "tcp.refused"),
        # Elixir: the reasons of Erlang, which Mint, hackney and Finch tell.
        ("unknown Finch Error - :nxdomain", "dns.nxdomain"),
        ("{:error, %HTTPoison.Error{id: nil, reason: :closed}}", "http.disconnected"),
        ("{:error, %Mint.TransportError{reason: :timeout}}", "unknown"),
        ("%Mint.TransportError{reason: {:tls_alert, {:unknown_ca, 'TLS client: generated CLIENT ALERT: Fatal - Unknown CA'}}}", "tls.untrusted_issuer"),
        # An error object as Java prints a map; what was called is nothing that the answer says.
        ("AzureOpenAiChatModel: {error={code=404, message=Resource not found}}", "api.azure_resource_not_found"),
        ("{error={message=The model `x` does not exist, type=invalid_request_error, param=null, code=model_not_found}}", "api.model_not_found"),
        ("Error 404 on POST https://api.openai.com/v1/chat/completions", "http.not_an_api"),
        # The address of a proxy on this machine, in the fields of Node's error; a report that was not sent; the log of the server that a page asked.
        ('Cause { "code": "ECONNREFUSED", "syscall": "connect", "address": "127.0.0.1", "port": 7890 }', "proxy.unreachable"),
        ("Error sending events to PostHog\n\njavax.net.ssl.SSLHandshakeException: PKIX path building failed", "unknown"),
        ("Error sending the prompt\n\njavax.net.ssl.SSLHandshakeException: PKIX path building failed", "tls.untrusted_issuer"),
        ('INFO: 192.0.2.1:64521 - "OPTIONS /v1/chat/completions HTTP/1.1" 405 Method Not Allowed', "browser.cors_blocked"),
        ("endpoints with self-signed certificates fail: SELF_SIGNED_CERT_IN_CHAIN", "tls.untrusted_issuer"),
        # curl: what failed after a minute met silence, and what failed with code 35 failed in the handshake.
        ("curl: (28) Failed to connect to api.openai.com port 443 after 75003 ms: Couldn't connect to server", "tcp.timeout"),
        ("curl: (35) Recv failure: Connection reset by peer", "tls.reset"),
        # .NET's clients tell the answer themselves.
        ("System.ClientModel.ClientResultException: HTTP 401 (invalid_request_error: invalid_api_key)\n\nIncorrect API key provided: x.\n   at OpenAI.ClientPipelineExtensions.ProcessMessageAsync()", "api.invalid_key"),
        ("Azure.RequestFailedException: The API deployment for this resource does not exist.\nStatus: 404 (Not Found)\nErrorCode: DeploymentNotFound", "api.azure_deployment_not_found"),
        # A check for a key beside a name that does not resolve, a blocked count of visitors beside an answer, a page that could not be read as JSON.
        ("no API key found\nError: getaddrinfo ENOTFOUND api.openai.com", "dns.nxdomain"),
        ("GET https://www.google-analytics.com/g/collect net::ERR_BLOCKED_BY_CLIENT\nPOST https://api.openai.com/v1/chat/completions 401 (Unauthorized)", "api.invalid_key"),
        ("Refused to connect to 'https://data.example.com/e/' because it violates the following Content Security Policy directive: connect-src", "unknown"),
        ("Parse Error: SyntaxError: Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON, status 503", "http.gateway_error"),
        # A wrapper's class, the body's own type, and a message that a terminal broke.
        ('litellm.BadRequestError: DeepseekException - {"error":{"message":"Authentication \nFails, Your api key: ****cd15 is \ninvalid","type":"authentication_error","param":null,"code":"invalid_request_error"}}', "api.invalid_key"),
        ('litellm.BadRequestError: XException - {"error":{"message":"refused","type":"authentication_error","param":null,"code":null}}', "api.invalid_key"),
        ('litellm.BadRequestError: XException - {"error":{"message":"refused","type":"invalid_request_error","param":null,"code":null}}', "api.bad_request"),
        # azure-identity: no token, for want of a credential, and for want of a way to the authority.
        ("DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n\tAzureCliCredential: Azure CLI not found on path", "api.azure_auth_failed"),
        ("azure.core.exceptions.ClientAuthenticationError: DefaultAzureCredential failed to retrieve a token: HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Failed to establish a new connection: [Errno 111] Connection refused", "tcp.refused"),
        ("azure.core.exceptions.ClientAuthenticationError: (PermissionDenied) The principal `x` lacks the required data action `Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action`", "api.azure_auth_failed"),
        # A model named before its word, and other things that somebody has no access to.
        ("Running it ends in HTTP 403, the project does not have access to the gpt-4o model", "api.model_not_found"),
        ("Running it ends in HTTP 403, the container does not have access to the network", "unknown"),
        # A client's own `send` around everything, and the standard library's, which sends the request.
        ('Traceback (most recent call last):\n  File "/x/requests/adapters.py", line 486, in send\nrequests.exceptions.SSLError: (Caused by SSLError(SSLEOFError(8, \'EOF occurred in violation of protocol\')))', "tls.reset"),
        ('Traceback (most recent call last):\n  File "/x/http/client.py", line 996, in send\nssl.SSLEOFError: EOF occurred in violation of protocol', "http.disconnected"),
        # A web application's answer to its own pages, and the API's words.
        ('{"message": "Internal Server Error", "code": "unknown"}', "unknown"),
        ('{"error": {"message": "Internal Server Error", "type": "server_error", "param": null, "code": null}}', "api.server_error"),
        # Statuses in brackets and before a body; a class that prose names, and one of somebody's own.
        ("Authentication failed (401): Invalid bearer token", "api.invalid_key"),
        ('Failed to transcribe: 413 - {"error":"too long","output":null}', "api.bad_request"),
        ("It raises InternalServerError for long texts", "api.server_error"),
        ("It raises InternalServerErrorHandler for long texts", "unknown"),
        ("It throws NotFoundError.prototype at me", "unknown"),
        # Cloudflare's challenge from its middle, and the script that it puts into any page.
        ("OpenAI: <!DOCTYPE html>\nwindow._cf_chl_opt.cOgUHash = location.hash", "http.blocked_page"),
        ("OpenAI: <!DOCTYPE html>\nwindow['__CF$cv$params']={r:'7927'}", "http.not_an_api"),
        ('{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}', "api.model_not_found"),
        # Whose list of names is too old; which failure it would have named is not said.
        ("ValueError: BadGatewayError is in litellm but not in aider's exceptions list", "client.sdk_incompatible"),
        # The error objects of Ruby, Elixir and Rust, and their code.
        ('OpenAI HTTP Error: {"error"=>{"message"=>"No such parameter.", "type"=>"invalid_request_error", "param"=>nil, "code"=>nil}}', "api.bad_request"),
        ('%{"error" => %{"message" => "x", "type" => "insufficient_quota", "param" => nil, "code" => "insufficient_quota"}}', "api.insufficient_quota"),
        ('rescue => error\nputs error["message"]', "unknown"),
        ('Server error: Some(Object {"error": Object {"message": String("do load request: Post \\"http://127.0.0.1:52960/load\\": EOF"), "type": String("api_error"), "param": Null, "code": Null}})', "api.server_error"),
        ('do load request: Post "http://127.0.0.1:52960/load": EOF', "http.disconnected"),
        ("dev.langchain4j.exception.InvalidRequestException: null\n\tat dev.langchain4j.internal.ExceptionMapper.map(E.java:71)", "api.bad_request"),
        ("dev.langchain4j.exception.InvalidRequestException: the tool is not known\n\tat com.example.Mine.map(E.java:71)", "unknown"),
        ('the response is 500 {\n "detail": "Server error"\n}', "api.server_error"),
        ("the response is 500 tokens long", "unknown"),
        # A part of the URL that the client had to be given.
        ("Error: Azure OpenAI API instance name not found", "client.base_url_invalid"),
        ("An error occurred while processing the request: terminated", "http.truncated"),
        ("The session of the user was terminated", "unknown"),
        # Who tells what a server uses, and what its certificate was found to be.
        ("Our server runs with a self-signed certificate.\nConnection error.", "unknown"),
        ("Error: self-signed certificate", "tls.self_signed"),
        # LM Studio: a preflight that was taken for a call, beside a path that it does not know; and that path alone.
        ("[ERROR] Unexpected endpoint or method. (GET /api/tags). Returning 200 anyway\n[INFO] Received OPTIONS request to /v1/chat/completions with body: {}", "browser.cors_blocked"),
        ("[ERROR] Unexpected endpoint or method. (GET /api/tags). Returning 200 anyway\n[INFO] Received POST request to /v1/chat/completions with body: {}", "http.not_an_api"),
        # A relay that tells of the answer it got, and the API's own.
        ('base_url=https://relay.example.net/v1\n{"message": "500 \\"HTTP Error: 400\\"", "status": 500, "error": "HTTP Error: 400"}', "api.gateway_upstream_failed"),
        ('{"message": "500 \\"HTTP Error: 400\\"", "status": 500, "error": "HTTP Error: 400"}', "api.server_error"),
        # The numbers that a notebook gives to lines of code are no statuses; the same number without its neighbours is one.
        ("--> 409     result = fn()\n410 except BaseException:  # noqa: B902\n    411     raise", "unknown"),
        ("410 except that nothing is here any more", "api.bad_request"),
        # A notebook's head of a traceback that is cut off.
        ("Error: AuthenticationError                Traceback (most recent call last)\nCell In[1]", "api.invalid_key"),
        # The SDK's own class comes of an answer; litellm gives its own to a connection that failed.
        ("openai.InternalServerError: dial tcp [::1]:11434: connection refused", "api.gateway_upstream_failed"),
        ("litellm.InternalServerError: dial tcp [::1]:11434: connection refused", "tcp.refused"),
        # What an answer says of a key, and what the SDK says of its own, before anything is sent.
        (
            "base_url=http://localhost:8000/v1\nError code: 500 - {'error': 'OpenAIException - The api_key client option must be set'}",
            "api.gateway_upstream_failed",
        ),
        (
            "base_url=http://localhost:8000/v1\nlitellm.AuthenticationError: The api_key client option must be set",
            "client.api_key_missing",
        ),
        ("TypeError: HTTPSConnection.__init__() got an unexpected keyword argument 'key_file'", "client.sdk_incompatible"),
        ("TypeError: Spinner.__init__() got an unexpected keyword argument 'key_file'", "unknown"),
        # A vendor's documented path is there, so the model is not; another path is not.
        ('POST https://api.groq.com/openai/v1/chat/completions "HTTP/1.1 404 Not Found"', "api.model_not_found"),
        ('POST https://api.groq.com/v1/chat/completions "HTTP/1.1 404 Not Found"', "http.not_an_api"),
        ("Unknown request URL: POST /openai/v1/embeddings. Please check the URL", "api.endpoint_not_found"),
        ("Error: Our services aren't available right now We're working to restore all", "http.gateway_error"),
        ("openai.error.RateLimitError - exceeded limit for OAI S0 pricing tier", "api.rate_limited"),
        ('text:"message":"Bad Request","domain":"LLM"', "api.bad_request"),
        ('text:"title":"Bad Request","domain":"LLM"', "unknown"),
        ("""status code: 500. Response text: {"error":"Model with key 'gpt-4' not loaded."}""", "api.model_not_found"),
        # Vert.x, Mozilla's network library with and without its underscores, and a reset of no handshake.
        ("NoStackTraceTimeoutException: The timeout period of 10000ms has been exceeded while executing POST /v1/chat/completions for server null", "http.read_timeout"),
        ("The timeout period of the session has been exceeded", "unknown"),
        ("An error occurred during a connection to api.openai.com.Encountered end of file PR END OF FILE ERROR", "tls.reset"),
        ("An error occurred during a connection to api.openai.com. PR_CONNECT_RESET_ERROR", "tls.reset"),
        # A relay's front that refuses the credentials with a page, and a page with that status on the direct route.
        ("https://relay.example.net/v1/chat/completions failed with status code 401: <html><head><title>401 Authorization Required</title></head></html>", "api.gateway_auth_failed"),
        ("https://api.openai.com/v1/chat/completions failed with status code 401: <html><head><title>401 Authorization Required</title></head></html>", "http.not_an_api"),
        # A web application's account of its own call, and its own failure.
        ('API request failed: 500 - {"detail":"Failed to get embeddings: All connection attempts failed"}', "unknown"),
        ('API request failed: 500 - {"detail":"Failed to get embeddings"}', "api.server_error"),
        ('Reason: Request Failed: 400 {"error":{"message":"no endpoints available for this model under your plan","code":"no_available_model_endpoints"}}', "api.model_not_found"),
        ('{"status": false, "error": {"message": "The requested endpoint was not found.", "type": "invalid_request_error"}}', "api.endpoint_not_found"),
        ("it says: you exceeded our current quota", "api.insufficient_quota"),
        ("it says: you exceeded our expectations", "unknown"),
        ('Getting "Bad Gateway [retrying in 21s attempt #2]" with all models', "http.gateway_error"),
        ("The Bad Gateway page of our site has a picture", "unknown"),
        ("Error communicating with OpenAI: Failed to parse: http://my.example.net:port/v1", "client.base_url_invalid"),
        ("Failed to parse: the answer was no JSON", "unknown"),
        # .NET in another language: the reason phrase stands in brackets.
        ("Il codice di stato non indica la riuscita: 503 (Service Temporarily Unavailable).", "http.gateway_error"),
        ("there are 503 (services temporarily unavailable are not counted)", "unknown"),
        ("`Fail to access embedding model(x).this model does not support embeddings`", "api.bad_request"),
        ("this model does not support my wishes", "unknown"),
        # What the API said, and what the application makes of its status.
        (
            "Error code: 429 - {'error': {'message': 'You exceeded your current quota', 'type': 'insufficient_quota', 'code': 'insufficient_quota'}}\nRate limit exceeded. Waiting for 15 seconds",
            "api.insufficient_quota",
        ),
        ("Error code: 429\nRate limit exceeded. Waiting for 15 seconds", "api.rate_limited"),
        # gRPC's word for a connection that failed; Google's client puts 503 before it.
        ("last exception: 503 failed to connect to all addresses; last error: UNKNOWN: ipv4:198.51.100.7:443: socket is null", "unknown"),
        ("last exception: 503 the gateway has no connection", "http.gateway_error"),
        # A status with its reason phrase in the midst of Chinese.
        ("提交后会出现Json异常\uff0c405 Not Allowed的错误", "http.not_an_api"),
        ("一共有405 个错误", "unknown"),
        ("BaseEventLoop.create_connection() got an unexpected keyword argument 'additional_headers'", "client.sdk_incompatible"),
        ("connect() got an unexpected keyword argument 'colour'", "unknown"),
        # A command is no account of what is missing.
        ("root@box:~# unset OPENAI_API_KEY", "unknown"),
        ("Please set OPENAI_API_KEY", "client.api_key_missing"),
        # Two reasons in one sentence.
        ("openai.AuthenticationError: Error code: 401 - wrong or no api key provided", "api.invalid_key"),
        ("openai.AuthenticationError: Error code: 401 - no api key provided", "api.missing_key"),
        # What Chromium's network panel puts in the place of a status, and another word with the same end.
        ("chat/completions (blocked:mixed-content)", "browser.mixed_content"),
        ("chat/completions (blocked:csp)", "browser.blocked_by_client"),
        ("chat/completions is unblocked: other models work", "unknown"),
        # Go's word where the client leaves out whom it called, and Python's parser.
        ("error: EOF", "http.disconnected"),
        ("SyntaxError: EOF while scanning triple-quoted string literal", "unknown"),
        # Prose that a terminal broke begins like code.
        ("error sending request\nfor url (https://api.openai.com/v1): connection refused", "tcp.refused"),
    ],
)  # fmt: skip
def test_the_deepest_evidence_decides(text: str, cause: str) -> None:
    assert judged(text).cause == cause


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("error sending request for url (https://chatgpt.com/backend-api/codex/responses)", "connection_path"),
        ("error sending request for url (https://chatgpt.com.example.net/v1/responses)", "route_provider"),
        ("Connection error.\n- model added from one-api", "route_provider"),
        ("aider --openai-api-base http://localhost:1324 --model x\nConnection error.", "route_provider"),
        ('"endpoint": "https://10.53.***.19:****/"\nConnection error.', "route_provider"),
        (
            "* Connected to gateway.example.com (10.0.0.7) port 443\ncurl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL",
            "route_provider",
        ),
        (
            "* Connected to api.openai.com (10.0.0.7) port 443\ncurl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL",
            "connection_path",
        ),
        ("from x import OpenAI, AzureOpenAI\n# llm = AzureOpenAI(key)\nConnection error.", "connection_path"),
        ("from x import OpenAI, AzureOpenAI\nllm = AzureOpenAI(key)\nConnection error.", "route_provider"),
        ("I do not use AzureOpenAI but OpenAI.\nConnection error.", "connection_path"),
        ("from https://pages.example.net/blog/python-openai-chatgpt/\nConnection error.", "connection_path"),
        ("from https://llm.example.net/v1/\nConnection error.", "route_provider"),
        ("I am using the Google Gemini API.\nConnection error.", "route_provider"),
        ("litellm.APIError: DeepseekException - Connection error.", "route_provider"),
        ("It works with Gemini models.\nConnection error.", "connection_path"),
        ("Azure Open AI: LLM run errored\nConnection error.", "route_provider"),
        (
            'href="https://www.cloudflare.com/5xx-error-landing?utm_source=errorcode_524&utm_campaign=relay.example.net" Error code 524',
            "route_provider",
        ),
        ("proxy: socks5h://localhost:7890\nTimeoutError", "connection_path"),
        ("RateLimitError\n\nthis line of code fails", "quota_or_rate"),
        ("whenever I call it the requests timeout, it just times out", "connection_path"),
        ("Groq API error: 500", "server"),
        ("使用groq api请求被拒绝\n<title>Attention Required! | Cloudflare</title>", "route_provider"),
        (
            "403 <title>Attention Required! | Cloudflare</title>\nset-cookie: x=1; path=/; domain=.llm.example.net; HttpOnly",
            "route_provider",
        ),
        (
            "403 <title>Attention Required! | Cloudflare</title>\nset-cookie: x=1; path=/; domain=.api.openai.com; HttpOnly",
            "connection_path",
        ),
        ("all services on Azure have a private endpoint, and it cannot connect to Open AI service", "route_provider"),
        ("I'm having trouble connecting to OpenAI (no response from OpenAI in the last 30 seconds)", "connection_path"),
        ("using Z AI for the model, I encountered a Request timed out issue", "route_provider"),
        ("it always shows Connection error. for the local LLM", "route_provider"),
        ("I opened the page at localhost:5173\nFailed to fetch", "connection_path"),
        ("I connected it to localhost:1234\nFailed to fetch", "route_provider"),
        (
            "504 Server Error: Gateway Timeout for url: https://api-inference.huggingface.co/models/x/v1/chat/completions",
            "route_provider",
        ),
        ("openai-api-base: https://localapi\nopenai-api-key: x\nConnection error.", "route_provider"),
        ('api_base="https://llm.example.net/v1/"\nthere is an issue related to timeout', "route_provider"),
        # Who called the application's own server, and who was called.
        (
            'INFO:     127.0.0.1:64521 - "POST /process_pdf HTTP/1.1" 500 Internal Server Error\n[WinError 10060]',
            "connection_path",
        ),
        ("connecting to 127.0.0.1:64521\n[WinError 10060]", "route_provider"),
        ("用的是OpenAI代理中转\nConnection error.", "route_provider"),
        ("请问调用第三方API\nConnection error.", "route_provider"),
        ("I am using a third-party relay.\nConnection error.", "route_provider"),
        ("It fails in a third-party library.\nConnection error.", "connection_path"),
        (
            'File "/x/fastchat/serve/openai_api_server.py", line 473, in f\nhttpx.RemoteProtocolError: incomplete chunked read',
            "route_provider",
        ),
        (
            'File "/home/me/fastchat/app.py", line 473, in f\nhttpx.RemoteProtocolError: incomplete chunked read',
            "connection_path",
        ),
        # Whose client called, where only frames of Node or of the JVM tell; an import is none, and two clients tell nothing.
        (
            "Connection error.\n    at doStream (/x/node_modules/@ai-sdk/openai-compatible/dist/index.js:1:2)",
            "route_provider",
        ),
        ("Connection error.\n    at doStream (/x/node_modules/@ai-sdk/openai/dist/index.js:1:2)", "connection_path"),
        (
            "Connection error.\n    at f (/x/node_modules/@ai-sdk/groq/a.js:1:2)\n    at g (/x/node_modules/openai/b.js:1:2)",
            "connection_path",
        ),
        ("Connection error.\n\tat dev.langchain4j.model.qianfan.QianfanChatModel.generate(Q.java:1)", "route_provider"),
        ("import dev.langchain4j.model.qianfan.QianfanChatModel;\nConnection error.", "connection_path"),
        # An address that the application called is its route; one that a name led to is none.
        (
            "HTTPConnectionPool(host='198.51.100.7', port=3001): Max retries exceeded with url: /generate (Caused by NewConnectionError('x: [Errno 111] Connection refused'))",
            "route_provider",
        ),
        ("POST http://198.51.100.7:3001/v1/chat/completions\nConnection error.", "route_provider"),
        ("Error: connect ECONNREFUSED 198.51.100.7:443", "connection_path"),
        ("无法连接到openai API?", "connection_path"),
        ("无法理解openai API?", "unknown"),
        # Whose client timed out: the chat's, beside which nothing is shown, or the one that called from within it.
        (
            'Timed out\nTraceback (most recent call last):\n  File "/x/site-packages/telegram/request/_httpxrequest.py", line 1, in do_request\n    res = await\n  File "/x/site-packages/httpx/_client.py", line 2, in send\n    response = await',
            "unknown",
        ),
        (
            'Timed out\nTraceback (most recent call last):\n  File "/x/site-packages/telegram/request/_httpxrequest.py", line 1, in do_request\n    res = await\n  File "/x/site-packages/openai/_base_client.py", line 2, in request\n    response = await\n  File "/x/site-packages/httpx/_client.py", line 2, in send\n    response = await',
            "connection_path",
        ),
        # A vendor that is named, and no host: it checks its caller's key; a gateway checks one of its own.
        ("Error from SiliconFlow: provider: siliconflow\nError code: 401 - Invalid token", "auth"),
        ("one-api\nError code: 401 - Invalid token", "route_provider"),
        ("export MY_LLM_ENDPOINT=http://10.0.0.7:3000\nConnection error.", "route_provider"),
        ("export OTEL_EXPORTER_ENDPOINT=http://10.0.0.7:4318\nConnection error.", "connection_path"),
        (
            "Connection error.\n- [x] I have searched the issues about one-api\nOllama (if applicable): none",
            "connection_path",
        ),
        # Prose without spaces goes on behind a URL, stands for a host in it, or tells what one looks like.
        ("接口地址设置为https://****.example.net:7077。****为自己的域名\nFailed to fetch", "route_provider"),
        ("请求https://api.openai.com/v1/models时报错\nFailed to fetch", "connection_path"),
        ("请求https://你的域名.example.net/v1/chat/completions时报错\nFailed to fetch", "route_provider"),
        ("使用自定义接口 域名类似https://api.openai.com时\nFailed to fetch", "route_provider"),
        # An answer is from whom it was got; a neighbour has no dots in its name.
        ("HTTP 404 Not Found from http://localhost:8080/completion", "route_provider"),
        ("HTTP 404 Not Found from https://api.openai.com/completion", "client_config"),
        ('new WebSocket("wss://llm/v1/realtime")\nError: Unexpected server response: 404', "route_provider"),
        ('new WebSocket("wss://api.openai.com/v2/realtime")\nError: Unexpected server response: 404', "client_config"),
        ("### Provider / model\n\nDeepSeek\nConnection error.", "route_provider"),
        ("### Provider / model\n\nOpenAI\nConnection error.", "connection_path"),
        # The route of a web application's page, and the one that Ollama has by the same path.
        ("POST https://www.example.net/api/chat 504 (Gateway Timeout)", "connection_path"),
        ("POST https://ollama.example.net/api/chat 504 (Gateway Timeout)", "route_provider"),
        ("POST http://192.168.1.7:8000/api/chat 504 (Gateway Timeout)", "route_provider"),
        ("Connection error.\n\tat io.github.pigmesh.ai.deepseek.core.Utils.run(U.java:1)", "route_provider"),
        ("Connection error.\n\tat io.github.pigmesh.ai.core.Utils.run(U.java:1)", "connection_path"),
        ("Bad Gateway [retrying in 2s] with OpenCode Go", "route_provider"),
        ("Bad Gateway [retrying in 2s] with OpenCode", "connection_path"),
        ("During a connection to api.openai.com.Encountered end of file PR_END_OF_FILE_ERROR", "connection_path"),
        ("一直提示报错request time out", "connection_path"),
        ("一直提示报错 time", "unknown"),
        ("看起来像是反向代理不行了 ChatGPT error 524", "route_provider"),
        ("看起来像是代理不行了 ChatGPT error 524", "connection_path"),
        ("Cannot use custom api\nFailed to fetch", "route_provider"),
        ("Cannot use custom colours\nFailed to fetch", "connection_path"),
        ("ERROR: Upstream stream error: aborted ECONNRESET", "route_provider"),
        ("ERROR: stream error: aborted ECONNRESET", "connection_path"),
        ("Connection error. of a model in Azure AI Studio", "route_provider"),
        ("Connection error. of a model in Azure Data Studio", "connection_path"),
        ("Error 502 of the Azure-hosted model", "route_provider"),
        ("Error 502 of the hosted model", "connection_path"),
    ],
)
def test_the_route_is_what_the_text_names_and_not_what_a_form_asks(text: str, owner: str) -> None:
    assert judged(text).owner == owner


def test_of_two_answers_that_each_speak_for_themselves_neither_is_called_proven() -> None:
    overloaded = "openai.error.ServiceUnavailableError: The server is overloaded or not ready yet.\n"
    unknown_model = '{"error": {"message": "The model `x` does not exist", "type": "invalid_request_error", "param": null, "code": "model_not_found"}}'
    assert judged(unknown_model).certainty == "proven"
    both = judged(overloaded + unknown_model)
    assert both.certainty == "likely"
    assert "api.overloaded" in {other.cause for other in both.also}


def test_what_a_notebook_says_of_the_route_counts_before_what_a_pasted_answer_says() -> None:
    """Notebook 01: the answer is judged on the route of its parameters; without them on that of the text."""
    text = "https://api.openai.com/v1/chat/completions: Connection error."
    told = collect_response(base_url="https://gateway.example.test/v1", error_text=text)
    assert (told.route.base_url.value, told.route.base_url.source) == ("https://gateway.example.test/v1", "argument")
    assert diagnose(told).owner == "route_provider"
    assert diagnose(collect_response(error_text=text)).owner == "connection_path"


def possible_texts(tree: Any) -> list[str]:
    """What a parsed regular expression can match, in lower case; a zero byte stands for what the expression leaves open."""
    found = [""]
    for operator, argument in tree:
        match str(operator):
            case "LITERAL":
                parts = [chr(argument).lower()]
            case "BRANCH":
                parts = [text for branch in argument[1] for text in possible_texts(branch)]
            case "SUBPATTERN":
                parts = possible_texts(argument[3])
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, repeated = argument
                more = "" if most == 1 else "\0"
                parts = [*([] if least else [""]), *(text + more for text in possible_texts(repeated))]
            case "IN" if all(str(kind) == "LITERAL" for kind, _ in argument):
                parts = [chr(sign).lower() for _, sign in argument]
            case "AT" | "ASSERT" | "ASSERT_NOT":
                parts = [""]
            case _:
                parts = ["\0"]
        found = list(dict.fromkeys(head + part for head in found for part in parts))
    return found


def test_every_line_that_a_sign_knows_is_looked_at() -> None:
    """Whatever a phrase leaves open, the rest of it holds a word that `tells` looks for; the control holds none."""
    passed_over = [
        (sign.cause, text.replace("\0", "…"))
        for sign in SIGNS
        for text in possible_texts(re._parser.parse(sign.phrases.expression, re.IGNORECASE | re.ASCII))  # type: ignore[attr-defined]
        if not any(word in text for word in WORDS)
    ]
    assert passed_over == []
    assert not tells("the weather is fine")


def test_telemetry_that_fails_decides_nothing() -> None:
    noise = "[non-fatal] Tracing client error 401: {'error': {'message': 'Incorrect API key provided: x', 'code': 'invalid_api_key'}}\n"
    assert judged(noise).cause == "unknown"
    told = "I met a 401 response\n" + noise
    assert judged(told).cause == "unknown"
    assert judged(told.replace("a 401", "a 500")).cause == "api.server_error"
    assert judged("[non-fatal] Tracing: request failed: [Errno 111] Connection refused").cause == "unknown"
    cut_off = 'Cannot connect to host raw.githubusercontent.com:443 ssl:default [getaddrinfo failed]\n\n  File "/x/aiohttp/connector.py", line 1, in _create_direct_connection\n    hosts = await'
    assert (judged(cut_off).owner, judged(cut_off).cause) == ("unknown", "unknown")
    index = "WARNING: after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: [Errno -3] Temporary failure in name resolution')': /simple/openai/"
    assert judged(index).cause == "unknown"
    assert judged(index.replace("pip._vendor.", "")).cause == "dns.timeout"
    titled = 'Unable to get local issuer certificate\n\nreqwest::Error { host: Some(Domain("discord.com")), error: "unable to get local issuer certificate" }'
    assert (judged(titled).owner, judged(titled).cause) == ("unknown", "unknown")
    assert judged(titled.replace("discord.com", "api.openai.com")).cause == "tls.untrusted_issuer"
    refused = "httpx.ConnectError: [Errno 111] Connection refused\n"
    assert judged(refused + noise).cause == "tcp.refused"
    assert (
        judged(noise.replace("Tracing client error", "Error code:").replace("[non-fatal] ", "")).cause
        == "api.invalid_key"
    )


def test_text_and_check_together_give_one_verdict_and_say_where_they_disagree() -> None:
    # The check of a path whose port is closed, as a record holds it.
    checked = seen("httpx.ConnectError: [Errno 111] Connection refused")
    probed = load_evidence(dumps(checked).replace('"probe": "pasted"', '"probe": "note"'))
    text = seen(
        "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired"
    )
    both = diagnose(beside(probed, text))
    assert both.cause == "tls.expired"
    assert any("check of this runtime" in item for item in both.missing)


OK = Verdict(
    owner="none",
    layer=None,
    cause="ok",
    certainty="proven",
    pattern=None,
    summary="healthy",
    because=(),
    next=(),
    do_not=(),
)
REFUSED = dataclasses.replace(OK, owner="connection_path", layer="tcp", cause="tcp.refused", summary="refused")
LIMITED = dataclasses.replace(OK, owner="quota_or_rate", layer="api", cause="api.rate_limited", summary="429")
UNDECIDED = dataclasses.replace(OK, owner="unknown", cause="unknown", certainty=None, summary="unknown")
BARE = "openai.APIConnectionError: Connection error."
CERTIFICATE = "httpx.ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired"
NO_BODY = "Request failed with status code 429"


@pytest.mark.parametrize(
    ("probed", "text", "says", "disagrees"),
    [
        (OK, CERTIFICATE, "this path is healthy now", True),
        (OK, BARE, "this path is healthy now", False),
        (REFUSED, CERTIFICATE, "the pasted text shows tls.expired, the check shows tcp.refused", True),
        (REFUSED, NO_BODY, "the pasted text shows an answer", True),
        (REFUSED, "httpx.ConnectError: [Errno 111] Connection refused", "the pasted text shows the same", False),
        (REFUSED, BARE, "the pasted text fits that", False),
        (LIMITED, BARE, "the pasted text shows that no answer came", True),
        (UNDECIDED, BARE, "the pasted text does not decide it either", False),
    ],
)
def test_a_check_and_a_text_say_where_they_agree_and_what_it_means(
    probed: Verdict, text: str, says: str, disagrees: bool
) -> None:
    both = combine(probed, judged(text))
    # What was seen here decides; the text is cited with what it means.
    assert both.cause == probed.cause
    assert says in both.because[-1].fact
    assert any("the check disagrees" in item.why for item in both.also) is disagrees


def test_the_source_lines_that_a_notebook_shows_between_its_frames_are_no_exceptions() -> None:
    """IPython leaves out lines of a long signature and says so: `(...)   1608     timeout: …`."""
    shown = (
        "ConnectError                              Traceback (most recent call last)\n"
        "File /app/openai/resources/chat/completions.py:1606, in Completions.create(self, messages)\n"
        "   1560 def create(\n"
        "   (...)   1608     timeout: float | httpx2.Timeout | None | NotGiven = not_given,\n"
        "   1609 ) -> ChatCompletion:\n"
        "-> 1610     return self._post(\n\n"
        "ConnectError: [Errno 111] Connection refused\n"
    )
    [pasted] = [outcome for _, outcome in seen(shown).of(PastedError)]
    assert [link.type for link in pasted.errors] == ["ConnectError"]
    assert judged(shown).cause == "tcp.refused"


def test_a_bare_connection_error_says_that_its_owner_is_a_rule_and_its_cause_is_open() -> None:
    assert "until more is, the connection path owns it, whatever the cause" in judged(BARE).summary


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=4000))
def test_any_bytes_are_read_and_judged(data: bytes) -> None:
    evidence = seen(data)
    assert load_evidence(dumps(evidence)) == evidence
    diagnose(evidence)


PIECES = st.sampled_from(
    [
        "{", "}", '"', "'", "\\", "\n", "error", '{"error":', "'message': '", "Traceback (most recent call last):\n", 'File "a", line 1, in do_handshake\n', "HTTP/1.1 5", "00 ",
        "Error code: 4", "29", " - ", "[Errno ", "111] ", "https://", "a.b", ":443", "<html>", "<title>", "│ ", "\x1b[31m", "\u2028", "sk-", "proxy", "Caused by ", "(", ")", "\r", "\x00",
        "HTTPSConnectionPool(host='", "lookup a.b on ", "{'error': {'message': ", "None", "status: ", "\ud83d\ude00", "ECONNREFUSED ", "127.0.0.1:443", "The above exception was the direct cause",
    ]
)  # fmt: skip


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, max_size=120))
def test_pieces_of_real_errors_in_any_order_are_read_and_judged(pieces: list[str]) -> None:
    evidence = seen("".join(pieces))
    assert load_evidence(dumps(evidence)) == evidence
    diagnose(evidence)


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, max_size=40), st.integers(min_value=0, max_value=39))
def test_a_key_anywhere_in_the_text_never_reaches_the_record(pieces: list[str], where: int) -> None:
    secret = "sk-" + "proj-" + "Zz9Yy8Xx7Ww6Vv5Uu4"
    pieces.insert(where, f" {secret} ")
    evidence = seen("".join(pieces))
    assert not any(secret in text for text in walk_text(evidence))
    assert not any(secret in text for text in walk_text(diagnose(evidence)))


@pytest.mark.parametrize(
    "unit",
    ["{", '{"error":', '"', "Error: ", "https://a.b/c ", "ErrorErrorException.", "│ ", "  ", "\\n", "<html><title>", "HTTPSConnectionPool(host='", "(", "a:", "status: 500 ", "\x1b]"],
)  # fmt: skip
def test_the_cost_of_reading_grows_no_faster_than_the_input(unit: str) -> None:
    def cost(size: int) -> float:
        data = (unit * (size // len(unit))).encode()
        started = time.perf_counter()
        diagnose(seen(data))
        return time.perf_counter() - started

    cost(20_000)
    small, large = cost(400_000), cost(4_000_000)
    assert large < 20 * max(small, 0.2)


def test_what_failed_in_the_middle_of_fifty_megabytes_is_found() -> None:
    line = b"2026-11-25 12:00:00 INFO request handled in 12 ms\n"
    noise = line * (25_000_000 // len(line))
    verdict = judged(noise + b"httpx.ConnectError: [Errno 111] Connection refused\n" + noise)
    assert verdict.cause == "tcp.refused"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("Access denied due to Virtual Network/Firewall rules.", "api.azure_network_denied"),
        ("The model `gpt-9` does not exist or you do not have access to it.", "api.model_not_found"),
        ("This model's maximum context length is 4097 tokens.", "api.bad_request"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "tls.untrusted_issuer"),
        ("request to https://api.openai.com/v1/responses failed, reason: socket hang up", "http.disconnected"),
        (
            "<html><head><title>Web Page Blocked</title></head><body>Access was blocked</body></html>",
            "http.blocked_page",
        ),
    ],
)
def test_what_one_line_in_the_middle_of_a_long_log_says_is_found_among_other_failures(said: str, cause: str) -> None:
    def others(start: int) -> str:
        return "".join(
            f"2026-11-25 12:00:00 ERROR db.pool {number * 7919:016x} connection error, timed out\n"
            for number in range(start, start + 8_000)
        )

    assert judged((others(0) + said + "\n" + others(8_000)).encode()).cause == cause


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "utf-32", "latin-1"])
def test_the_encodings_of_shells_and_editors_are_understood(encoding: str) -> None:
    assert judged("Fehler: ConnectError: [Errno 111] Connection refused".encode(encoding)).cause == "tcp.refused"


def test_long_input_is_shortened() -> None:
    assert len(normalise(b"some error happened\n" * 1_000_000)) < 2 * LONGEST_TEXT


_ASKED = 'Explain: {"error": {"code": "invalid_api_key", "message": "Incorrect API key provided"}} status 401'
_REQUESTS = (
    "DEBUG:openai._base_client:Request options: "
    + repr({"json_data": {"messages": [{"role": "user", "content": _ASKED}]}}),
    "DEBUG:openai._base_client:Request options: " + repr({"json_data": {"input": _ASKED, "model": "m"}}),
    json.dumps({"messages": [{"role": "user", "content": [{"type": "text", "text": _ASKED}]}]}),
    json.dumps({"msg": json.dumps({"messages": [{"role": "user", "content": _ASKED}]})}),
    json.dumps({"messages": [{"content": _ASKED, "role": "user"}]}),
    "requestBodyValues: { messages: [ { role: 'user', content: '" + _ASKED + "' } ] }",
    "HTTP/1.1 200 OK\n" + json.dumps({"choices": [{"message": {"role": "assistant", "content": _ASKED}}]}),
    "request failed: " + json.dumps({"body": {"model": "m", "input": _ASKED, "stream": True}}),
    "request failed: " + json.dumps({"body": {"input": ["one", _ASKED], "model": "m"}}),
    "request failed: " + repr({"model": "m", "prompt": _ASKED}),
    json.dumps({"msg": json.dumps({"model": "m", "instructions": _ASKED})}),
    "request failed: " + json.dumps({"model": "m", "input": [{"type": "message", "content": _ASKED}]}),
    "answered: " + json.dumps({"output_text": _ASKED}),
    f"    response = client.responses.create(model='m', input={_ASKED!r})",
    # cut off
    json.dumps({"messages": [{"role": "user", "content": _ASKED}]})[:-12],
)


@pytest.mark.parametrize("request_shown", _REQUESTS)
def test_an_error_that_the_prompt_or_the_completion_holds_is_no_answer_of_the_api(request_shown: str) -> None:
    failed = "httpcore.ConnectError: [Errno 113] No route to host\nopenai.APIConnectionError: Connection error."
    evidence = seen(f"{request_shown}\n{failed}\n")
    assert diagnose(evidence).cause == "tcp.unreachable"
    assert "invalid_api_key" not in dumps(evidence)


def test_the_same_error_as_the_answer_counts() -> None:
    answered = (
        'HTTP/1.1 401 Unauthorized\n{"error": {"code": "invalid_api_key", "message": "Incorrect API key provided"}}'
    )
    found = judged(f"{_REQUESTS[0]}\n{answered}\n")
    assert (found.cause, found.certainty) == ("api.invalid_key", "proven")


@pytest.mark.parametrize(
    "mentioned",
    [
        "The docs say that a 429 insufficient_quota error means no credits. We never saw it.",
        '  File "/app/llm.py", line 40, in call\n    except openai.RateLimitError as e:  # 429 insufficient_quota',
    ],
)
def test_a_code_that_is_only_mentioned_proves_nothing(mentioned: str) -> None:
    assert judged(f"{mentioned}\nopenai.APIConnectionError: Connection error.\n").certainty != "proven"


def test_what_a_log_goes_on_with_behind_a_traceback_does_not_push_its_exception_out() -> None:
    failed = (
        "Traceback (most recent call last):\nhttpcore.ConnectError: [Errno 113] No route to host\n\n"
        "The above exception was the direct cause of the following exception:\n\nopenai.APIConnectionError: Connection error.\n"
    )
    log = failed + "".join(f"03:00:0{n % 10} INFO app.worker path=/items status=200 dur=0.{n}\n" for n in range(60))
    assert judged(log).cause == "tcp.unreachable"


def test_undicis_attempted_address_is_whom_the_text_says_was_called() -> None:
    text = "TypeError: fetch failed [cause]: ConnectTimeoutError: Connect Timeout Error (attempted address: api.openai.com:443, timeout: 10000ms)"
    evidence = read(text, RUNTIME, environment={"OPENAI_BASE_URL": "https://gateway.example.com/v1"})
    assert (evidence.route.host, diagnose(evidence).owner) == ("api.openai.com", "connection_path")
