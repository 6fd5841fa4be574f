"""Answers that are no API's: of gateways, filters, portals, web servers, and redirects."""

from __future__ import annotations

from oairunbook.diagnose import edges
from oairunbook.diagnose.catalogue import Certainty, Finding
from oairunbook.diagnose.exchanges import broken, request_was_sent
from oairunbook.diagnose.reading import (
    answers,
    beyond_the_tunnel,
    cite,
    failed_requests,
    is_api_answer,
    one_path_away,
    request_succeeded,
    stopped,
)
from oairunbook.evidence import Evidence, HttpAnswer, Observation, Route

_INTERMEDIARY = (502, 503, 504)


def _foreign(evidence: Evidence) -> list[tuple[Observation, HttpAnswer]]:
    """Answers that are no API answers, while no minimal request succeeded."""
    foreign = [(o, a) for o, a, _ in answers(evidence) if not is_api_answer(evidence, a)]
    if request_succeeded(evidence):
        # Only the streamed request is left to meet somebody else than the API.
        return [item for item in foreign if item[0].id == "sdk.stream"]
    return foreign


def _describe(answer: HttpAnswer) -> str:
    server = answer.header("server")
    what = f"{answer.method} {answer.url}: status {answer.status}, {answer.body.shape}"
    what += f" titled {answer.body.title!r}" if answer.body.title else ""
    return what + (f", server {server!r}" if server else "") + ", no request id"


def _shown(answer: HttpAnswer) -> str | None:
    """What such an answer shows, by the table that pasted ones are read with; None if only its status speaks."""
    named = edges.answered(answer)
    if named is None and answer.body.shape == "html" and answer.status not in _OF_THE_STATUS:
        return edges.page(answer.status, f"{answer.body.title or ''} {answer.body.sample}")
    return named


_OF_THE_STATUS = (429, 500, 501, 505)
"""A page with one of these says no more than its number; `api` judges it."""


def gateway_error(evidence: Evidence) -> Finding | None:
    """An intermediary's 502, 503 or 504."""
    for observation, answer in _foreign(evidence):
        shown = _shown(answer)
        if shown in (None, "http.gateway_error") and (answer.status in _INTERMEDIARY or 520 <= answer.status <= 530):
            because = (cite(observation, _describe(answer)),)
            if answer.status != 503 or answer.body.shape != "html" or edges.is_of_a_gateway(answer):
                return Finding(because=because, certainty="proven")
            # Filters give their pages that status as well, and nothing in this one says whose it is.
            also = (("http.blocked_page", "a filter's page with status 503 would look the same"),)
            return Finding(because=because, certainty="likely", also=also)
        if shown == "http.gateway_error":
            said = f"{_describe(answer)}: {' '.join(answer.body.sample.split())[:120]!r}"
            return Finding(because=(cite(observation, said),), certainty="likely")
    return None


def redirected(evidence: Evidence) -> Finding | None:
    """A redirect away from the API."""
    for observation, answer in _foreign(evidence):
        if 300 <= answer.status < 400:
            fact = f"{_describe(answer)}; to {answer.header('location')}"
            return Finding(because=(cite(observation, fact),), certainty="proven")
    return broken(evidence, "TooManyRedirects")


def blocked_page(evidence: Evidence) -> Finding | None:
    """A filter's, a firewall's or a portal's answer."""
    for observation, answer in _foreign(evidence):
        shown, marked = _shown(answer), edges.blocks(answer)
        alone = shown is None and marked and answer.status < 500 and answer.body.shape in ("json", "text")
        if shown == "http.blocked_page" or (shown is None and answer.status in (403, 451, 511)) or alone:
            certainty: Certainty = "proven" if marked else "likely"
            return Finding(because=(cite(observation, _describe(answer)),), certainty=certainty)
        # Not every portal says so in words that somebody here knows, and the API itself has no page at its own base URL.
        page = shown in (None, "http.not_an_api") and answer.body.shape in ("html", "text", "empty")
        if page and answer.status < 300 and observation.probe != "pasted" and _is_documented(evidence.route):
            fact = f"{_describe(answer)}; the base URL is the documented one, so somebody answers in the API's place"
            return Finding(because=(cite(observation, fact),), certainty="likely")
    return None


def not_an_api(evidence: Evidence) -> Finding | None:
    """Any other answer that no API gives."""
    own_tells = _own_reached_the_api(evidence)
    for observation, answer in _foreign(evidence):
        if own_tells and answer.status in _NO_SUCH_PATH:
            # Not every server lists models; the request that counts got further.
            continue
        if answer.status == 429 or (answer.status == 401 and evidence.route.family == "gateway"):
            # Whoever says so has understood the request: `api` judges it.
            continue
        nothing_behind = edges.answered(answer) == "http.not_an_api"
        if answer.status < 500 or answer.status == 501 or answer.status >= 600 or nothing_behind:
            because, step = one_path_away(evidence)
            reasons = (cite(observation, _describe(answer)), *because)
            if not because and answer.status < 500 and answer.body.shape == "html" and _is_documented(evidence.route):
                also = (("http.blocked_page", _IN_ITS_PLACE),)
                return Finding(because=reasons, certainty="likely", next=step, also=also)
            return Finding(because=reasons, certainty="proven", next=step)
    return broken(evidence, "illegal status line", "BadStatusLine", "illegal header line", "AnswerTooLargeError")


def _is_documented(route: Route) -> bool:
    """Whether the base URL is the public API's own: then it is hardly what is wrong."""
    return route.family == "direct" and route.host.endswith("api.openai.com") and route.path.rstrip("/") == "/v1"


_IN_ITS_PLACE = (
    "the base URL is the documented one: a filter or a portal whose page nobody here knows would look the same"
)
_NO_SUCH_PATH = (404, 405, 501)


def _own_reached_the_api(evidence: Evidence) -> bool:
    """Whether the SDK's own request was sent and broke off, or got an API answer."""
    failed = any(request_was_sent(beyond_the_tunnel(evidence, failed.trace)) for _, failed in failed_requests(evidence))
    answered = any(o.probe == "sdk" and is_api_answer(evidence, answer) for o, answer, _ in answers(evidence))
    return failed or answered or stopped(evidence, "sdk") is not None
