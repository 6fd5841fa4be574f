"""Console texts of Chromium, Firefox and WebKit (facts from the engines' own sources)."""

from __future__ import annotations

from oairunbook.diagnose.pasted.signs.sign import BROWSER, EXCHANGE, NOTHING, sign

SIGNS = (
    sign(
        "browser.mixed_content",
        BROWSER + 2,
        r"Mixed Content: The page",
        r"Blocked loading mixed active content",
        r"requested insecure content from http:",
        # What Chromium's network panel puts in the place of a status.
        r"\bblocked:mixed-content\b",
        certainty="proven",
    ),
    sign(
        "browser.blocked_by_client",
        BROWSER + 2,
        r"ERR_BLOCKED_BY_(?:CLIENT|ADMINISTRATOR|CSP|LOCAL_NETWORK|PRIVATE_NETWORK)",
        r"violates the following Content Security Policy",
        r"violates the document's Content Security Policy",
        r"Content-Security-Policy: The page.s settings blocked",
        r"NS_ERROR_CONTENT_BLOCKED",
        r"Permission was denied for this request to access the `?\w+`? address space",
        r"more-private address space",
        r"\(?\bblocked:(?:csp|other)\b",
        r'Content Security Policy directive: "?connect-src',
        certainty="proven",
    ),
    sign(
        "browser.key_exposed",
        BROWSER + 3,
        r"running in a browser-like environment",
        r"dangerouslyAllowBrowser",
        certainty="proven",
    ),
    # Firefox says so of every network failure.
    sign(
        "unknown",
        BROWSER + 4,
        r"CORS request did not succeed",
        # In other words, after a translation.
        r"CORS request (?:has )?failed\W{1,6}Status code: \(null\)",
    ),
    sign(
        "browser.cors_blocked",
        BROWSER + 1,
        # A server that does not know the preflight's method.
        r"Unexpected endpoint or method\. \(OPTIONS",
        # The log of the server that the page asks.
        # A preflight wants a status of success: uvicorn, nginx, Express, Gin.
        r"\bOPTIONS (?:/[\w-]{1,30}){0,3}/(?:v1|api)/\S{1,60} HTTP/[\d.]{1,3}['\"]? (?:40[01345]|422|50[0-4])\b",
        r"\b40[01345]\W{1,8}OPTIONS  ?/v1/",
        r"\[GIN\] .{0,40}\| (?:40[01345]|50[0-4]) \|.{0,80}\bOPTIONS\s{1,6}\"/",
        r"blocked by CORS policy",
        r"Access-Control-Allow-(?:Origin|Headers|Methods|Credentials)(?!['\"]?\s?:)",
        r"Cross-Origin Request Blocked(?!.{0,300}did not succeed)",
        r"ERR_BLOCKED_BY_RESPONSE",
        r"(?:is not allowed|not allowed) by Access-Control",
        r"Preflight response is not successful",
        r"CORS (?:header|preflight response|request external redirect|request not HTTP)",
        r"preflight request doesn't pass",
        r"cross-origin request",
    ),
    # Ollama knows no keys and no users: a 403 without a word is its refusal of the page's or extension's origin.
    sign(
        "browser.cors_blocked",
        EXCHANGE,
        r"\bOllama (?:API )?(?:call|request)s? (?:failed|error)\W.{0,60}\b403\b(?!.{0,40}\{)",
        r"\b403\b.{0,400}\bOLLAMA_ORIGINS\b|\bOLLAMA_ORIGINS\b.{0,400}\b403\b",
        r"\b(?:POST|GET) https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]):11434/\S{0,80} 403\b",
        r"\[GIN\] .{0,40}\| 403 \|.{0,80}\"/api/(?:chat|generate|tags|embed|embeddings|show)\"",
    ),
    # LM Studio with CORS switched off takes the preflight for a call; the client may ask for paths that it does not know besides.
    sign(
        "browser.cors_blocked",
        EXCHANGE + 6,
        r"Received OPTIONS request to /v1/\S{1,60} with body: \{\}",
    ),
    # Told, not shown.
    sign(
        "browser.cors_blocked",
        NOTHING + 1,
        r"\bCORS errors?\b",
        r"\bblocked by CORS\b",
    ),
)
