"""What answers in the API's place, and connections that end without an answer."""

from __future__ import annotations

from oairunbook.lab.answers.answer import Answer, api_error, page

BETWEEN = (
    Answer(
        name="bad_gateway_html",
        summary="502 HTML of a load balancer",
        status=502,
        body=page("502 Bad Gateway", "nginx"),
        headers=(("server", "nginx"),),
        surface="bare",
    ),
    Answer(
        name="gateway_timeout_html",
        summary="504 HTML of a load balancer",
        status=504,
        body=page("504 Gateway Time-out", "nginx"),
        headers=(("server", "nginx"),),
        surface="bare",
    ),
    Answer(
        name="edge_bad_gateway_json",
        summary="502 of OpenAI's edge with an API-shaped body and no request id",
        status=502,
        body=api_error("Bad gateway.", kind="cf_bad_gateway", code=502),
        headers=(("x-frame-options", "SAMEORIGIN"),),
        surface="edge",
    ),
    Answer(
        name="envoy_no_upstream",
        summary="503 text of a local mesh",
        status=503,
        body="upstream connect error or disconnect/reset before headers. reset reason: connection failure",
        content_type="text/plain",
        headers=(("server", "envoy"),),
        surface="bare",
    ),
    Answer(
        name="block_page",
        summary="403 HTML of a company filter",
        status=403,
        body=page(
            "Internet Security by Zscaler",
            "Your organization blocks this site. Category: Generative AI and ML Applications",
        ),
        headers=(("server", "Zscaler/6.2"),),
        surface="bare",
    ),
    Answer(
        name="block_page_200",
        summary="200 HTML of a company filter",
        body=page(
            "Web Page Blocked",
            "Access to the web page you were trying to visit has been blocked in accordance with company policy.",
        ),
        surface="bare",
    ),
    Answer(
        name="challenge",
        summary="403 challenge of the API's own edge",
        status=403,
        body=page("Just a moment...", "Enable JavaScript and cookies to continue"),
        headers=(("cf-mitigated", "challenge"),),
        surface="edge",
    ),
    Answer(
        name="redirect",
        summary="302 to a sign-in page",
        status=302,
        body="",
        headers=(("location", "{redirect_to}"),),
        surface="bare",
    ),
    Answer(
        name="html_200",
        summary="200 HTML: some web server, no API",
        body=page(
            "Welcome to nginx!", "If you see this page, the nginx web server is successfully installed and working."
        ),
        headers=(("server", "nginx/1.24.0"),),
        surface="bare",
    ),
    Answer(
        name="not_found_html",
        summary="404 HTML: some web server, no API",
        status=404,
        body=page("404 Not Found", "nginx/1.24.0"),
        headers=(("server", "nginx/1.24.0"),),
        surface="bare",
    ),
    Answer(
        name="not_found_detail",
        summary="404 JSON of a framework: a base URL without /v1",
        status=404,
        body={"detail": "Not Found"},
        headers=(("server", "uvicorn"),),
        surface="bare",
    ),
    Answer(
        name="lm_studio_200",
        summary="200 with an error string: LM Studio called without /v1",
        body={"error": "Unexpected endpoint or method. ({method} {path})"},
        headers=(("x-powered-by", "Express"),),
        surface="bare",
    ),
)

CONNECTION = (
    Answer(name="disconnect", summary="closes after reading the request", manner="disconnect"),
    Answer(name="reset", summary="resets after reading the request", manner="reset"),
    Answer(name="silent", summary="reads the request and never answers", manner="silent"),
    Answer(name="truncated", summary="the body ends before its Content-Length", manner="truncated"),
    Answer(name="malformed", summary="answers with something that is no HTTP", manner="malformed"),
    Answer(name="stream_stalled", summary="a stream starts and then stops arriving", manner="stream_stalled"),
    Answer(name="stream_truncated", summary="a stream ends without its end mark", manner="stream_truncated"),
    Answer(name="stream_buffered", summary="a stream arrives in one piece at the end", manner="stream_buffered"),
    Answer(name="stream_error", summary="200, and the stream carries an error", manner="stream_error"),
    Answer(
        name="idle_reset",
        summary="resets the second request of a connection that was idle for a second",
        manner="idle_reset",
    ),
)
