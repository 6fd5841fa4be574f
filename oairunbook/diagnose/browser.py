"""`browser`: a branch of its own. What a page meets, from its preflight, from the code that browsers get, and from a real browser.

These faults hold beside a healthy path: a server's own request needs none of what a page's request needs.
"""

from __future__ import annotations

from collections.abc import Iterator

from oairunbook.diagnose.catalogue import Cause, Certainty, Finding
from oairunbook.diagnose.cors import first_failure
from oairunbook.diagnose.pasted.signs.browser import SIGNS
from oairunbook.diagnose.reading import cite
from oairunbook.evidence import ClientCode, CorsExchange, Evidence, HttpAnswer, Observation, PageTried
from oairunbook.verdict import Because

_SERVER_SIDE = "Move the call to a server of yours; the page talks to that server."
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")


def _holds(because: tuple[Because, ...], certainty: Certainty, *, steps: tuple[str, ...] = ()) -> Finding:
    return Finding(because=because, certainty=certainty, next=steps, beside_success=True)


def _shows(cause: str, line: str) -> bool:
    """Whether a line of a browser's console shows a cause, by the texts that triage reads as well."""
    return any(sign.cause == cause and sign.phrases.search(line) for sign in SIGNS)


def _key_exposed(evidence: Evidence) -> Finding | None:
    """A key in code that everybody can read is exposed, whether or not the call works."""
    for observation, code in evidence.of(ClientCode):
        if code.keys:
            found = code.keys[0]
            whose = ", and it is one of this runtime's own secrets" if found.is_of_this_runtime else ""
            more = f", and {len(code.keys) - 1} more" if len(code.keys) > 1 else ""
            fact = f"{found.shape} in {found.source}, line {found.line}{whose}{more}"
            return _holds((cite(observation, fact),), "proven")
        if code.allows_browser:
            fact = f"dangerouslyAllowBrowser is switched on in {code.allows_browser[0]}: the SDK calls from the page, with whatever key it is given"
            return _holds((cite(observation, fact),), "likely")
    return None


def _mixed_content(evidence: Evidence) -> Finding | None:
    """A page over https may not call http, except on loopback (Mixed Content, section 4.3; Secure Contexts, section 3.1)."""
    for observation, tried in evidence.of(PageTried):
        line = next((line for line in tried.console if _shows("browser.mixed_content", line)), None)
        if line:
            return _holds((cite(observation, line),), "proven")
    route = evidence.route
    for observation, exchange in evidence.of(CorsExchange):
        if exchange.origin.startswith("https:") and route.scheme == "http" and route.host not in _LOOPBACK:
            fact = f"the page of {exchange.origin} is over https and {route.base_url.value} is not"
            return _holds((cite(observation, fact),), "proven")
    for observation, code in evidence.of(ClientCode):
        secure = _over_https(evidence, code)
        if code.insecure and secure:
            return _holds((cite(observation, f"{code.insecure[0]} is called from a page over https"),), "likely")
    return None


def _over_https(evidence: Evidence, code: ClientCode) -> bool:
    origins = [exchange.origin for _, exchange in evidence.of(CorsExchange)]
    return any(origin.startswith("https:") for origin in origins) or any(s.startswith("https:") for s in code.sources)


def _blocked_by_client(evidence: Evidence) -> Finding | None:
    for observation, tried in evidence.of(PageTried):
        line = next((line for line in tried.console if _shows("browser.blocked_by_client", line)), None)
        reason = next(
            (r.blocked_reason for r in tried.requests if r.blocked_reason and r.blocked_reason != "mixed-content"), None
        )
        if line or reason:
            return _holds((cite(observation, line or f"the browser blocked it: {reason}"),), "proven")
    return None


def _cors_blocked(evidence: Evidence) -> Finding | None:
    """What the preflight lacks decides. An error answer without CORS headers is decided by its status, and is no fault of CORS."""
    for observation, exchange in _answered(evidence):
        failure = first_failure(exchange)
        if failure is None or (exchange.step == "request" and _is_error(exchange)):
            continue
        what = "the preflight" if exchange.step == "preflight" else "the answer"
        fact = f"{what} of {_where(evidence)} lacks {failure.asks}: wanted {failure.wanted}, given {failure.given}"
        return _holds((cite(observation, fact), *_seen_by_a_browser(evidence)), "proven", steps=_steps(exchange))
    return None


def _answered(evidence: Evidence) -> Iterator[tuple[Observation, CorsExchange]]:
    for observation, exchange in evidence.of(CorsExchange):
        if isinstance(exchange.answer, HttpAnswer) and exchange.origin != _own_origin(evidence):
            yield observation, exchange


def _own_origin(evidence: Evidence) -> str:
    """A page of the endpoint's own origin needs no CORS at all."""
    return f"{evidence.route.scheme}://{evidence.route.authority}"


def _where(evidence: Evidence) -> str:
    return evidence.route.host or evidence.route.base_url.value


def _is_error(exchange: CorsExchange) -> bool:
    return isinstance(exchange.answer, HttpAnswer) and exchange.answer.status >= 400


def _steps(exchange: CorsExchange) -> tuple[str, ...]:
    status = exchange.answer.status if isinstance(exchange.answer, HttpAnswer) else None
    if exchange.step == "preflight" and status in (401, 403):
        return ("Let OPTIONS pass without a key: a browser never sends one with a preflight.",)
    if exchange.step == "preflight" and status is not None and status >= 404:
        return (f"The preflight ends in {status}: look at base URL and path first.",)
    return ()


def _seen_by_a_browser(evidence: Evidence) -> tuple[Because, ...]:
    return tuple(
        cite(observation, line)
        for observation, tried in evidence.of(PageTried)
        for line in [next((one for one in tried.console if _shows("browser.cors_blocked", one)), None)]
        if line
    )


CAUSES = (
    Cause(
        id="browser.key_exposed",
        owner="browser",
        meaning="A key is in client-side code, or the request came from a page.",
        next=(_SERVER_SIDE, "Revoke the exposed key once the server has one of its own."),
        do_not=("Do not hide the key in the page instead (minified, encoded, split): whoever loads the page has it.",),
        applies=_key_exposed,
    ),
    Cause(
        id="browser.mixed_content",
        owner="browser",
        meaning="An https page calls an http endpoint.",
        next=("Serve the endpoint over https.", _SERVER_SIDE),
        do_not=("Do not ask users to allow insecure content.",),
        applies=_mixed_content,
    ),
    Cause(
        id="browser.blocked_by_client",
        owner="browser",
        meaning="An extension, content security policy or network policy of the browser stopped it.",
        next=(
            "Ask whose policy it is: the page's connect-src, an extension, or the browser's administrator.",
            _SERVER_SIDE,
        ),
        do_not=("Do not ask users to switch their protection off.",),
        applies=_blocked_by_client,
    ),
    Cause(
        id="browser.cors_blocked",
        owner="browser",
        meaning="Preflight or response lacks what the page's origin needs.",
        next=(
            "Repeat the same request outside the browser first: an error answer without CORS headers looks the same.",
            _SERVER_SIDE,
        ),
        do_not=(
            "Do not set mode no-cors: the answer becomes unreadable.",
            "Do not send the key through a CORS proxy of somebody else.",
        ),
        applies=_cors_blocked,
    ),
)
