"""`http`: bytes were exchanged, and no API answer came back."""

from __future__ import annotations

from oairunbook.diagnose.catalogue import Cause
from oairunbook.diagnose.exchanges import disconnected, idle_reset, reset, truncated
from oairunbook.diagnose.foreign import blocked_page, gateway_error, not_an_api, redirected
from oairunbook.diagnose.silence import read_timeout, stream_stalled

_SUSPECTS = "Ask who runs the load balancer, firewall or inspecting proxy between this runtime and the endpoint; give them addresses and times."

CAUSES = (
    Cause(
        id="http.idle_reset",
        meaning="A reused idle connection is dead where a new one works.",
        applies=idle_reset,
        next=(
            "Close idle connections before the NAT's or load balancer's limit (keepalive_expiry), or switch TCP keepalive on.",
        ),
        for_node=(
            "Close idle connections before the NAT's or load balancer's limit (keepAliveTimeout of undici's Agent), or switch TCP keepalive on.",
        ),
    ),
    Cause(
        id="http.redirected",
        meaning="A redirect leads away from the API.",
        next=(
            "Look where it leads: a sign-in page means a portal or an access proxy in front; a changed host means a wrong base URL.",
        ),
        applies=redirected,
    ),
    Cause(
        id="http.blocked_page",
        meaning="A filter, WAF or captive portal answered in the API's place.",
        next=("Ask who runs the filter that the page names to allow this host, path and method from this runtime.",),
        applies=blocked_page,
    ),
    Cause(
        id="http.gateway_error",
        meaning="An intermediary answered 502, 503 or 504, without an API body or request id.",
        next=(_SUSPECTS, "Retry with backoff; keep the times."),
        applies=gateway_error,
    ),
    Cause(
        id="http.not_an_api",
        meaning="Some server answered, and it is no OpenAI-compatible API at this path.",
        next=(
            "Compare the base URL with the documented one: a missing or doubled /v1, a path that already ends in /chat/completions.",
        ),
        applies=not_an_api,
    ),
    Cause(
        id="http.truncated",
        meaning="The response ended before its declared end.",
        next=(_SUSPECTS,),
        applies=truncated,
    ),
    Cause(
        id="http.reset",
        meaning="The connection was reset before or during the response.",
        next=(_SUSPECTS,),
        applies=reset,
    ),
    Cause(
        id="http.disconnected",
        meaning="The connection was closed before a response.",
        next=(_SUSPECTS,),
        applies=disconnected,
    ),
    Cause(
        id="http.stream_stalled",
        meaning="A stream starts and then stops arriving, or arrives in one piece at the end.",
        next=(
            "Ask who runs the proxy on this path whether it buffers or inspects event streams, and to exempt this host.",
        ),
        applies=stream_stalled,
    ),
    Cause(
        id="http.read_timeout",
        meaning="The request was sent and no response came in time.",
        next=(
            _SUSPECTS,
            "If only long requests fail, compare their time with the NAT's or load balancer's idle limit, and stream.",
        ),
        for_node=(
            _SUSPECTS,
            "If only long requests fail, compare their time with fetch's own limit (300 s without headers or data, whatever the SDK's timeout; "
            "headersTimeout and bodyTimeout of undici's Agent) and with the NAT's or load balancer's, and stream.",
        ),
        applies=read_timeout,
    ),
)
