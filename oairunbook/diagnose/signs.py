# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Which words of an error text show which cause. Texts are those of the libraries' own sources, not of single reports.

A sign's weight says how much it tells: in one text the heaviest decides, because the outermost class name says least. A reset inside a
handshake, a proxy's own name inside a message about the API, an old keyword that is called `proxies` each outweigh what stands around them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from oairunbook.diagnose.catalogue import Certainty

CLIENT, BROWSER, PROXY, NAME, TLS, CONNECT, EXCHANGE, VAGUE, NOTHING = 90, 85, 80, 70, 65, 60, 50, 20, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One text and what it shows."""

    cause: str
    pattern: re.Pattern[str]
    weight: int
    certainty: Certainty = "likely"


def _sign(cause: str, weight: int, pattern: str, certainty: Certainty = "likely") -> Sign:
    return Sign(cause=cause, weight=weight, pattern=re.compile(pattern, re.IGNORECASE), certainty=certainty)


_PROXY_ERROR = r"ProxyError\(\\?['\"](?:Cannot|Unable to) connect to proxy\.?\\?['\"],? ?"

SIGNS: tuple[Sign, ...] = (
    # -- browser: console texts of Chromium, Firefox and WebKit (facts: browser, sections 3 to 6)
    _sign("browser.mixed_content", BROWSER + 2, r"Mixed Content: The page|Blocked loading mixed active content|requested insecure content from http:", "proven"),
    _sign("browser.blocked_by_client", BROWSER + 2,
          r"ERR_BLOCKED_BY_(?:CLIENT|ADMINISTRATOR|CSP|LOCAL_NETWORK|PRIVATE_NETWORK)|violates the following Content Security Policy|violates the document's Content Security Policy|"
          r"Content-Security-Policy: The page.s settings blocked|NS_ERROR_CONTENT_BLOCKED|Permission was denied for this request to access the `?\w+`? address space|"
          r"more-private address space|Content Security Policy directive: \"?connect-src", "proven"),
    _sign("browser.key_exposed", BROWSER + 3, r"running in a browser-like environment|dangerouslyAllowBrowser", "proven"),
    # Firefox says so of every network failure.
    _sign("unknown", BROWSER + 4, r"CORS request did not succeed"),
    _sign("browser.cors_blocked", BROWSER + 1,
          r"blocked by CORS policy|Access-Control-Allow-(?:Origin|Headers|Methods|Credentials)|Cross-Origin Request Blocked(?!.{0,300}did not succeed)|ERR_BLOCKED_BY_RESPONSE|"
          r"(?:is not allowed|not allowed) by Access-Control|Preflight response is not successful|CORS (?:header|preflight response|request external redirect|request not HTTP)|"
          r"preflight request doesn't pass|cross-origin request"),
    # -- client: nothing left the process
    _sign("client.sdk_incompatible", CLIENT + 5,
          r"unexpected keyword argument '?proxies|No module named '?(?:openai|httpx2?|httpcore2?|socksio2)\b|cannot import name .{1,80} from (?:partially initialized module )?'?(?:openai|httpx|httpcore|aiohttp|urllib3|typing_extensions|pydantic|anyio|jiter)|"
          r"module '?openai'? has no attribute|no longer supported in openai ?>= ?1|invalid onRequestStart method|Cannot find (?:module|package) '?openai|"
          r"'?(?:Async)?(?:Azure)?OpenAI'? object has no attribute|OpenAI(?:Api)? is not a constructor|Configuration is not a constructor|`?fetch`? is not defined|"
          r"(?:OpenAI|Client|Completions|Responses|Embeddings|Images|HTTPTransport|SyncHttpxClientWrapper)(?:\.__init__|\.\w{1,30})?\(\) got an unexpected keyword argument|"
          r"__init__\(\) got an unexpected keyword argument '(?:proxies|proxy|http_client|base_url|api_key|azure_endpoint|default_headers|mounts|app)'|"
          r"urllib3 v2(?:\.0)? only supports OpenSSL|module 'lib' has no attribute|pydantic[\w.]{0,60} .{0,60}from 'typing_extensions'|"
          r"Can't connect to HTTPS URL because the SSL module is not available|does not provide an export named '?(?:OpenAI|Configuration)|No matching version found for openai|"
          r"Package subpath .{1,80} is not defined by .{0,20}exports.{0,200}openai|cannot import name 'OpenAI' from|NoSuchMethodError|NoClassDefFoundError", "proven"),
    _sign("client.api_key_missing", CLIENT + 4,
          r"api_key client option must be set|Missing credentials\. Please pass|OPENAI_API_KEY environment variable is missing|Did not find (?:openai|azure_openai)_api_key|No API key provided\. You can set your API key|"
          r"OpenAI API key is missing|API key not found\b|OpenAI API key must be set|AI_LoadAPIKeyError|No API key found for OpenAI|(?:OPENAI|AZURE)\w*_API_KEY\w*['\"`]? (?:is |was |are )?(?:not|missing|unset|undefined|required|has not)|"
          r"(?:Missing|Set|set|provide|Please set|no) (?:the |an? |your )?(?:environment variable )?['\"`]?OPENAI_API_KEY|api[_ ]?key (?:is |was )?(?:not set|required|None)\b|You must provide an (?:OpenAI )?API key|"
          r"The OpenAI API key is (?:missing|not)|apiKey (?:is|was) (?:missing|required)|openai_api_key\s{0,3}(?:none|field required)|Missing required environment variable:? OPENAI_API_KEY|"
          r"OpenAI API key is (?:not set|required|empty)|Could not load OpenAI model.{0,200}API key"),
    _sign("client.api_key_malformed", CLIENT + 4,
          r"Illegal header value|Cannot convert argument to a ByteString|is not a legal HTTP header value|Invalid character in header content|Invalid header value|invalid header field value|"
          r"return character\(s\) in header|is an invalid header value|failed to parse header value|New-line or NUL characters are not allowed|Request headers must contain only ASCII|"
          r"UnicodeEncodeError.{0,40}(?:'ascii'|'latin-1') codec can't encode|non ISO-8859-1 code point|Illegal character.{0,40}in header|Unexpected char 0x.{0,60}(?:header|Authorization)|"
          r"Header value .{0,40}(?:invalid|illegal)", "proven"),
    _sign("client.proxy_config_invalid", CLIENT + 4,
          r"Unknown scheme for proxy URL|'?socksio2?'? package is not installed|Missing dependencies for SOCKS support|Proxy URL had no scheme|Unable to determine SOCKS version|Not supported proxy scheme|"
          r"proxy: unknown scheme|invalid proxy URL|Please check proxy URL|Proxy protocol must be either|Only http proxies are supported|Only HTTP and HTTPS proxies are supported|"
          r"unsupported proxy (?:scheme|protocol)|Invalid proxy URL|proxy scheme .{0,60}not supported|Unsupported proxy", "proven"),
    _sign("client.base_url_invalid", CLIENT + 3,
          r"UnsupportedProtocol|Request URL is missing an|(?:httpx2?|requests\.exceptions|httpx2?\._exceptions)\.InvalidURL|\bInvalidURL: |No scheme supplied|MissingSchema|No connection adapters were found|Failed to parse URL from|"
          r"ERR_INVALID_URL|Only absolute URLs are supported|unsupported protocol scheme|URI (?:with undefined scheme|is not absolute)|An invalid request URI|relative URL without a base|"
          r"Invalid URI: |TypeError: Invalid URL|(?:cause|reason)[^\n]{0,30}unknown scheme|\bbad port\b|ERR_UNSAFE_PORT|Invalid port: |first path segment in URL cannot contain colon|"
          r"Protocol \"[^\"]{1,40}\" not supported|Must provide one of the `?base_url`? or `?azure_endpoint|not absolute|URL is (?:invalid|malformed)|builder error|invalid URL escape|"
          r"URL scheme must be|Expected URL scheme|Illegal character in (?:authority|scheme|opaque part)|unsupported URL|Invalid URL '(?!.{0,3}\()|Invalid non-printable ASCII character in URL", "proven"),
    _sign("client.ca_bundle_unusable", CLIENT + 3,
          r"Could not find a suitable TLS CA certificate bundle|NO_CERTIFICATE_OR_CRL_FOUND|NO_START_LINE|error setting certificate (?:verify locations|file)|trustAnchors parameter must be non-empty|"
          r"failed to load system roots|\[X509\] PEM lib|not enough data.{0,40}_ssl\.c|NOT_ENOUGH_DATA|nested asn1 error|NESTED_ASN1_ERROR|error adding trust anchors|No CA certificates were loaded|"
          r"(?:load_verify_locations|create_default_context|load_cert_chain).{0,300}(?:FileNotFoundError|No such file)|(?:FileNotFoundError|No such file or directory).{0,200}(?:cacert\.pem|ca-bundle|ca-certificates|certifi|\.crt\b|SSL_CERT)|"
          r"cacert\.pem.{0,80}(?:No such file|not found|does not exist)|Ignoring extra certs from .{1,200}load failed", "likely"),
    _sign("client.resource_exhausted", CLIENT + 2, r"Too many open files|No buffer space available|Only one usage of each socket address|\bEMFILE\b|\bENFILE\b|\bENOBUFS\b|EADDRNOTAVAIL \d{1,3}\.(?!0\.0\.1:)"),
    _sign("client.socket_not_permitted", CLIENT + 2,
          r"access a socket in a way forbidden|Requires net access|connect (?:EACCES|EPERM)|(?:connect|socket|ConnectError|NewConnectionError|Cannot connect to host|dial tcp).{0,200}(?:Operation not permitted|Permission denied)|"
          r"WinError 10013|missing INTERNET permission"),
    _sign("client.pool_timeout", CLIENT + 1, r"PoolTimeout|Timeout waiting for connection from pool|ConnectionPoolTimeoutException|Pending acquire queue|PoolAcquire(?:Timeout|Pending)", "proven"),
    # What a closed loop says on the way out hides no fault of the call itself.
    _sign("client.event_loop_closed", VAGUE + 5, r"Event loop is closed|bound to a different event loop|attached to a different (?:event )?loop", "proven"),
    _sign("client.client_closed", VAGUE + 6, r"the client has been closed|Session is closed|client is closed|ClientDestroyedError|UND_ERR_DESTROYED|Connection pool shut down|closed client", "proven"),
    # -- proxy: urllib3, requests, httpx, aiohttp, Node, Go, curl, Java, .NET
    _sign("proxy.auth_required", PROXY + 6,
          r"Tunnel connection failed: (?:407|401)|\b407\b.{0,40}Proxy Authentication|Proxy Authentication Required|ProxyError: 407|statusCode=407|Proxy response \(407\)|HTTP code 407 from proxy|response 407|"
          r"ERR_PROXY_AUTH|ERR_CACHE_ACCESS_DENIED|Proxy returns \"HTTP/1\.[01] 407|proxy tunnel request .{1,200}'407'|ClientHttpProxyError.{0,20}407|Requested NO AUTHENTICATION|SOCKS5 authentication failed|"
          r"Invalid username/password|proxy authentication", "proven"),
    _sign("proxy.denied", PROXY + 5,
          r"Tunnel connection failed: 4(?!00|01|04|05|07)\d\d|ProxyError: 403|statusCode=403|Proxy response \(403\)|HTTP code 403 from proxy|CONNECT tunnel failed, response 403|"
          r"Proxy returns \"HTTP/1\.[01] 403|proxy tunnel request .{1,200}'403'|ClientHttpProxyError.{0,20}403|blocked-by-allowlist|X-Proxy-Error: blocked", "proven"),
    _sign("proxy.upstream_failed", PROXY + 5,
          r"Tunnel connection failed: (?:5(?!01)\d\d|404)|ProxyError: 5(?!01)\d\d|statusCode=5\d\d|Proxy response \(5\d\d\)|HTTP code 5\d\d from proxy|CONNECT tunnel failed, response 5\d\d|"
          r"Proxy returns \"HTTP/1\.[01] 5\d\d|proxy tunnel request .{1,200}'5\d\d'|ClientHttpProxyError.{0,20}5\d\d|Proxy Server could not connect|General SOCKS server failure|"
          r"0x0[1345]: (?:General|Network|Host|Connection)|socks connect tcp .{1,200}(?:general SOCKS|host unreachable|network unreachable)", "proven"),
    _sign("proxy.unresolvable", PROXY + 4,
          _PROXY_ERROR + r".{0,260}(?:getaddrinfo|Name or service|name resolution|nodename|NameResolutionError)|Could not resolve proxy|proxyconnect tcp: dial tcp: lookup|"
          r"Failed to resolve proxy|ERR_PROXY_NAME|proxy.{0,60}(?:ENOTFOUND|EAI_AGAIN)"),
    _sign("proxy.unreachable", PROXY + 3,
          _PROXY_ERROR + r".{0,260}(?:NewConnectionError|ConnectTimeoutError|Connection refused|ConnectionRefused|actively refused|10061|timed out|10060|Errno 11[013]|No route)|"
          r"proxyconnect tcp: dial|ERR_PROXY_CONNECTION_FAILED|ClientProxyConnectionError|tunneling socket could not be established, cause=connect|Failed to connect to proxy|socks connect tcp .{1,200}dial tcp|"
          r"Error connecting to SOCKS\d? proxy|Connection to proxy closed|Can't connect to (?:SOCKS )?proxy|ProxyConnectionError", "proven"),
    _sign("proxy.protocol_error", PROXY + 2,
          _PROXY_ERROR + r".{0,260}(?:RemoteDisconnected|SSLError|SSLEOFError|ConnectionReset|WRONG_VERSION|FileNotFoundError|wrong version|Connection aborted|10054|104)|Tunnel connection failed: (?:400|405|501)|"
          r"proxy appears to only use HTTP|proxyconnect tcp: (?:tls|EOF|read)|Connection closed unexpectedly.{0,30}SOCKS|SOCKSError|Malformed reply|proxy.{0,40}first record does not look like a TLS"),
    # -- names
    _sign("dns.resolver_unreachable", NAME + 4, r"lookup [\w.-]{1,253} on \S{3,60}: (?:dial|read|write) (?:udp|tcp).{0,120}(?:connection refused|unreachable|no route)|no servers could be reached|Could not contact DNS servers|communications error to .{1,80}connection refused"),
    _sign("dns.timeout", NAME + 3,
          r"lookup [\w.-]{1,253}(?: on \S{3,60})?:.{0,120}i/o timeout|Resolving timed out|ERR_DNS_TIMED_OUT|Timeout while contacting DNS|DnsNameResolverTimeout|query\w{1,5} ETIMEOUT|communications error to .{1,80}timed out|"
          r"connection timed out; no servers|Temporary failure in name resolution|\bEAI_AGAIN\b|\b11002\b|Try again later.{0,20}lookup|temporary failure in name"),
    _sign("dns.servfail", NAME + 3, r"server misbehaving|ESERVFAIL|\bSERVFAIL\b|DNS server returned (?:a )?general failure|Non-recoverable failure in name resolution|\bEAI_FAIL\b|ERR_NAME_RESOLUTION_FAILED"),
    _sign("dns.refused", NAME + 3, r"status: REFUSED|query\w{1,5} EREFUSED|DNS server refused"),
    _sign("dns.no_address", NAME + 2, r"No address associated with hostname|\bEAI_NODATA\b|\bENODATA\b|\[Errno -5\]|\b11004\b|requested name is valid, but no data"),
    _sign("dns.nxdomain", NAME + 1,
          r"\bEAI_NONAME\b|Name or service not known|nodename nor servname|getaddrinfo ENOTFOUND|\bENOTFOUND\b|getaddrinfo failed|No such host is known|no such host|UnknownHostException|Could not resolve host|status: NXDOMAIN|"
          r"ERR_NAME_NOT_RESOLVED|NS_ERROR_UNKNOWN_HOST|NameResolutionError|failed to lookup address information|Name does not resolve|hostname could not be found|Failed to resolve|不知道这样的主机|dns error|DNS server returned answer with no data|UnresolvedAddressException"),
    # -- TLS
    _sign("tls.client_certificate_required", TLS + 6, r"CERTIFICATE_REQUIRED|certificate required|No required SSL certificate was sent|ERR_SSL_CLIENT_AUTH_CERT_NEEDED|ERR_BAD_SSL_CLIENT_AUTH"),
    _sign("tls.not_tls", TLS + 5,
          r"WRONG_VERSION_NUMBER|wrong version number|first record does not look like a TLS handshake|server gave HTTP response to HTTPS client|Unrecognized SSL message|received corrupt message of type InvalidContentType|"
          r"SSL_ERROR_RX_RECORD_TOO_LONG|packet length too long|PACKET_LENGTH_TOO_LONG|Cannot determine the frame size|not an SSL/TLS record|RECORD_LAYER_FAILURE"),
    _sign("tls.hostname_mismatch", TLS + 5,
          r"Hostname mismatch|hostname '[^']{1,200}' doesn't match|doesn't match either of|ERR_TLS_CERT_ALTNAME_INVALID|does not match certificate's altnames|certificate is valid for .{1,300}, not |"
          r"certificate is not valid for (?:any names|name)|No subject alternative|no alternative certificate subject name|RemoteCertificateNameMismatch|NotValidForName|ERR_CERT_COMMON_NAME_INVALID|IP address mismatch|doesn't contain any IP SANs|"
          r"Certificate for <[^>]{1,200}> doesn't match"),
    _sign("tls.not_yet_valid", TLS + 5, r"certificate is not yet valid(?! .{0,5}has expired)|CERT_NOT_YET_VALID|NotValidYet|CertificateNotYetValid"),
    _sign("tls.expired", TLS + 4, r"certificate has expired|CERT_HAS_EXPIRED|certificate (?:is )?expired|CertificateExpired|invalid peer certificate: Expired|NotTimeValid|ERR_CERT_DATE_INVALID|SEC_ERROR_EXPIRED|validity check failed"),
    _sign("tls.self_signed", TLS + 3, r"DEPTH_ZERO_SELF_SIGNED|(?:18 )?\(?self[- ]signed certificate\)?(?! in)"),
    _sign("tls.untrusted_issuer", TLS + 2,
          r"SELF_SIGNED_CERT_IN_CHAIN|self[- ]signed certificate in|unable to get (?:local )?issuer certificate|UNABLE_TO_GET_ISSUER_CERT|UNABLE_TO_VERIFY_LEAF|unable to verify the first certificate|"
          r"signed by unknown authority|PKIX path building failed|unable to find valid certification path|UntrustedRoot|PartialChain|RemoteCertificateChainErrors|UnknownIssuer|ERR_CERT_AUTHORITY_INVALID|certificate is not trusted|"
          r"SSL certificate problem|Missing Authority Key Identifier|Basic Constraints of CA cert not marked critical|SEC_ERROR_UNKNOWN_ISSUER|UNKNOWN_CERTIFICATE_VERIFICATION_ERROR|CERT_UNTRUSTED|not trusted by the trust provider|remote certificate (?:is|was) (?:invalid|rejected)|"
          r"certificate verify failed|CERTIFICATE_VERIFY_FAILED|ClientConnectorCertificateError|CertificateError|unable to get certificate|The certificate chain was issued by an authority that is not trusted"),
    _sign("tls.protocol_mismatch", TLS + 2,
          r"HANDSHAKE_FAILURE|handshake[_ ]failure|ALERT_PROTOCOL_VERSION|alert protocol version|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE|no shared cipher|NO_SHARED_CIPHER|DH_KEY_TOO_SMALL|protocol version not supported|"
          r"ERR_SSL_VERSION_OR_CIPHER|UNSAFE_LEGACY_RENEGOTIATION|unsafe legacy renegotiation|fatal alert: protocol_version|No appropriate protocol|INSUFFICIENT_SECURITY|CA_MD_TOO_WEAK|EE_KEY_TOO_SMALL"),
    _sign("tls.timeout", TLS + 3, r"handshake operation timed out|TLS handshake timeout|SSL connection timeout|handshake timed out|_ssl\.c:\d{1,5}: The handshake"),
    _sign("tls.reset", TLS + 1,
          r"ConnectError\b.{0,40}(?:Errno 104|Errno 54\b|10054|reset by peer)|"
          r"before secure TLS connection was established|tls handshake eof|SSL_ERROR_SYSCALL|Remote host (?:terminated|closed connection during) (?:the )?handshake|SSL_connect: (?:Connection reset|SSL_ERROR)|"
          r"(?<!ReadError: )(?<!ReadError: \[SSL: )(?:EOF occurred in violation of protocol|UNEXPECTED_EOF_WHILE_READING|SSLEOFError|SSLZeroReturnError)|unexpected eof while (?:reading|handshake)|"
          r"Received an unexpected EOF or 0 bytes from the transport|Authentication failed because the remote party|handshake.{0,40}(?:connection reset|closed by peer)|"
          r"OpenSSL SSL_connect|TLS connect error|tls: handshake.{0,60}(?:EOF|reset)|SSL handshake.{0,30}(?:eof|reset|aborted)"),
    # -- connections
    _sign("tcp.unreachable", CONNECT + 3, r"Network is unreachable|No route to host|\bENETUNREACH\b|\bEHOSTUNREACH\b|ERR_ADDRESS_UNREACHABLE|ERR_INTERNET_DISCONNECTED|unreachable (?:host|network)|NoRouteToHost|\bENETDOWN\b|\bEHOSTDOWN\b|\bEADDRNOTAVAIL\b|Cannot assign requested address|Can't assign requested address|无法连接的网络|unreachable network"),
    _sign("tcp.refused", CONNECT + 3, r"\bECONNREFUSED\b|Connection refused|ConnectionRefused|actively refused|ERR_CONNECTION_REFUSED|积极拒绝|NS_ERROR_CONNECTION_REFUSED|Is the computer able to access the url|os error (?:111|61)\b|ConnectionRefusedError"),
    _sign("http.read_timeout", CONNECT + 2, r"read ETIMEDOUT|Read timed out|ReadTimeout(?!Error\(.{0,80}connect)|The read operation timed out|UND_ERR_HEADERS_TIMEOUT|HeadersTimeout|Headers Timeout Error|awaiting headers|"
          r"waiting for response headers|Timeout on reading data|Timeout on blocking read|SocketTimeoutException: (?:Read timed out|timeout)|HttpTimeoutException: request timed out|HttpClient\.Timeout|"
          r"timed out after \d{1,9} milliseconds with \d{1,9} (?:bytes|out of)|ServerTimeoutError|sock_read|request timeout.{0,20}while reading|response not received within|read: operation timed out|ReadTimeoutException|while reading body\)|"
          r"Did not observe any item or terminal signal within"),
    _sign("tcp.timeout", CONNECT + 1, r"\bETIMEDOUT\b|ConnectTimeout|Connect Timeout Error|UND_ERR_CONNECT_TIMEOUT|dial tcp.{0,120}(?:i/o timeout|timed out|context deadline exceeded)|Connection timed out|connect timed out|ConnectTimeoutException|ERR_CONNECTION_TIMED_OUT|"
          r"did not properly respond|Connection timeout to host|HTTP connect timed out|connection attempt failed because|Failed to connect to .{1,200} after [1-9]\d{3,6} ms: (?:Timeout|Connection timed|Couldn't connect)|"
          r"Connection timed out after|信号灯超时|没有正确答复|tcp connect error.{0,60}timed out|ConnectionTimeoutError|connect: (?:operation|connection) timed out|NS_ERROR_NET_TIMEOUT"),
    # -- an exchange that broke
    _sign("http.redirected", EXCHANGE + 6, r"TooManyRedirects|Exceeded (?:maximum|\d{1,3}) (?:allowed )?redirects|redirect count exceeded|ERR_TOO_MANY_REDIRECTS|stopped after \d{1,3} redirects|Maximum number of redirects|ERR_INVALID_REDIRECT"),
    _sign("http.stream_stalled", EXCHANGE + 6, r"UND_ERR_BODY_TIMEOUT|BodyTimeoutError|Body Timeout Error|stream (?:stalled|idle timeout)|no (?:chunk|data) received (?:for|within)|idle timeout waiting for SSE"),
    _sign("http.truncated", EXCHANGE + 5,
          r"without sending complete message body|IncompleteRead|incomplete chunked read|InvalidChunkLength|Response ended prematurely|response payload is not completed|TransferEncodingError|ClientPayloadError|"
          r"Premature (?:close|EOF)|ERR_STREAM_PREMATURE_CLOSE|ResponseEnded|ERR_INCOMPLETE_CHUNKED|ERR_CONTENT_LENGTH_MISMATCH|transfer closed with|Z_DATA_ERROR|Z_BUF_ERROR|incorrect header check|"
          r"terminated.{0,400}other side closed|stream closed before response\.completed|unexpected end of (?:file|stream)|closed before message completed|prematurely closed DURING|ended prematurely|unexpected EOF(?!.{0,20}handshake)|error decoding response body"),
    _sign("http.not_an_api", EXCHANGE + 4,
          r"illegal status line|BadStatusLine|HPE_INVALID|HTTPParserError|Expected HTTP/|'str' object has no attribute '(?:choices|data|_set_private_attributes|usage|model_dump|id|content|output|error)'|Unexpected token '?<|is not valid JSON.{0,10}<!|"
          r"invalid character '<' looking for beginning|Unexpected character \('<'|malformed HTTP response|illegal header line|content type \[?text/html|Invalid response body.{0,60}<|Unexpected endpoint or method|InvalidHTTPVersion|"
          r"unknown content type \[?text/html|has no attribute 'choices'"),
    _sign("http.disconnected", EXCHANGE + 3,
          r"Server disconnected|RemoteDisconnected|Remote end closed connection|socket hang up|other side closed|UND_ERR_SOCKET|Empty reply from server|ERR_EMPTY_RESPONSE|ERR_CONNECTION_CLOSED|header parser received no bytes|"
          r"\": EOF\b|closed BEFORE response|connection closed before|invalid or unrecognized response|EndOfStream|failed to respond|ReadError: \[SSL: UNEXPECTED_EOF|NoHttpResponseException|server closed (?:the )?(?:idle )?connection|"
          r"ConnectionClosed\b|The underlying connection was closed|closed without|ServerDisconnectedError"),
    _sign("http.reset", EXCHANGE + 2,
          r"\bECONNRESET\b|Connection reset|ConnectionResetError|forcibly closed|\bECONNABORTED\b.{0,40}(?:read|write|software)|software caused connection abort|\bEPIPE\b|Broken pipe|ERR_CONNECTION_RESET|ERR_HTTP2|ERR_QUIC|\b10054\b|\b10053\b|"
          r"stream error: stream ID|强迫关闭|中止了一个已建立的连接|HTTP/2 stream \d+ was not closed cleanly|NS_ERROR_NET_RESET|connection was lost|RST_STREAM|ConnectionAborted|ReadError: $"),
    # Bun says so of a reset as well, and then names ECONNRESET.
    _sign("http.disconnected", EXCHANGE + 1, r"The socket connection was closed unexpectedly"),
    # -- an intermediary's words
    _sign("http.gateway_error", EXCHANGE + 3, r"upstream connect error|no[_ ]healthy[_ ]upstream|upstream request timeout|disconnect/reset before headers|cf_bad_gateway|cf_gateway_timeout|cf_service_unavailable|\b502 Bad Gateway|\b504 Gateway Time-?out"),
    # -- nothing but that no answer came
    _sign("unknown", NOTHING,
          r"APIConnectionError|Connection error|APITimeoutError|Request timed out|APIConnectionTimeoutError|fetch failed|Failed to fetch|Network ?Error|Load failed|Error communicating with OpenAI|Cannot connect to (?:API|host|proxy)|ConnectError\b|"
          r"ProxyError|SSLError|All connection attempts failed|Connect call failed|Max retries exceeded|ConnectionError|Timeout(?:Error|Exception)|timed out|timeout of \d|context deadline exceeded|ClientConnectorError|ClientOSError|\bI/O error on|"
          r"HttpRequestException|SSL connection could not be established|error sending request|WebException|IOException|SSLException|SSLHandshakeException|ERR_(?:NETWORK|FAILED|SSL_PROTOCOL_ERROR|TUNNEL_CONNECTION_FAILED|TIMED_OUT|NETWORK_CHANGED)|did not succeed|Couldn't connect to server|"
          r"NetworkError when attempting|AxiosError|litellm\.(?:APIError|Timeout)|An error occurred while sending the request|could not connect|connection failed|stream disconnected|[\\/](?:httpcore2?|httpx2?)[\\/]|urllib3[\\/]connection|aiohttp[\\/]connector|cannot reach|unable to connect|Unable to reach|due to access control checks|RequestError"),
)  # fmt: skip
