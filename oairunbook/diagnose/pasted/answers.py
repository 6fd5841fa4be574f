# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Judging the answers that a text shows: an API error, an intermediary's page, or a bare status."""

from __future__ import annotations

import dataclasses
import re

from oairunbook.diagnose import edges, error_words
from oairunbook.diagnose.catalogue import Certainty
from oairunbook.diagnose.pasted import fetch
from oairunbook.diagnose.pasted.reading import Missing, Reading
from oairunbook.diagnose.pasted.signs.sign import NOTHING, PROXY, VAGUE
from oairunbook.evidence import ApiError, Evidence, Family, HttpAnswer, Observation, Route
from oairunbook.phrases import Phrases
from oairunbook.records import dataclass
from oairunbook.services import VENDORS
from oairunbook.verdict import Owner

ANSWER, _EDGE, _STATUS = 75, 74, 30
_ENVOY = Phrases(
    r"no[_ ]healthy[_ ]upstream|upstream connect error|upstream request timeout|disconnect/reset before headers"
)
_NOT_API = Phrases(
    r"404 page not found|cannot (?:post|get) /|unexpected endpoint|file not found|\bnot found\b|no such route|method not allowed|page not found|<!doctype|the requested url|no static resource|welcome to nginx|it works",
    flags=re.IGNORECASE,
)


def read_answer(evidence: Evidence, observation: Observation, answer: HttpAnswer) -> Reading | None:
    """What one answer shows; None where it shows no failure, or nothing."""
    seen = _Seen(
        observation=observation,
        answer=answer,
        host=evidence.route.host,
        family=evidence.route.family,
        vendor=_of_a_vendor(evidence.route),
    )
    edge = edges.answered(answer)
    if answer.status == 407:
        return seen.reading("proxy.auth_required", PROXY + 6, "proven")
    if edge is not None:
        return seen.reading(edge, _EDGE)
    if answer.body.shape == "html":
        return _of_a_page(seen)
    if answer.body.error is not None:
        return _of_an_error(seen, answer.body.error)
    if answer.body.shape in ("api_object", "event_stream"):
        return None
    return _of_words(seen, answer.body.sample if answer.body.shape in ("text", "json") else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """An answer, and who may have given it."""

    observation: Observation
    answer: HttpAnswer
    host: str
    family: Family
    vendor: bool
    """Whether a model's own vendor was called."""

    @property
    def status(self) -> int:
        """0 where none is shown."""
        return self.answer.status

    def reading(
        self,
        cause: str,
        weight: int,
        certainty: Certainty = "likely",
        owner: Owner | None = None,
        missing: Missing = (),
    ) -> Reading:
        """That this answer shows *cause*."""
        return Reading(
            cause=cause,
            weight=weight,
            certainty=certainty,
            observation=self.observation,
            fact=_fact(self.answer),
            owner=owner,
            missing=missing,
        )


def _of_a_page(seen: _Seen) -> Reading:
    if seen.status == 401 and seen.vendor:
        # Perplexity's front refuses a key with a page of nginx's.
        return seen.reading("api.invalid_key", _EDGE)
    if seen.status == 401 and seen.family == "gateway":
        # So does a relay's; what the page is does not matter, whose credentials check failed does.
        return seen.reading("api.gateway_auth_failed", _EDGE)
    body = seen.answer.body
    return seen.reading(edges.page(seen.status, f"{body.title or ''} {body.sample}"), _EDGE)


def _of_an_error(seen: _Seen, error: ApiError) -> Reading | None:
    """First what an application or an edge puts into an error of its own, then what the API says, then what is left of the status."""
    status, family, message = seen.status, seen.family, error.message or ""
    if _edge_json(status, error, family):
        return seen.reading("http.gateway_error", _EDGE)
    if error.shape == "flat" and message.lower() in ("not found", "method not allowed"):
        return seen.reading("http.not_an_api", _EDGE)
    if not (message or error.code or error.type):
        # An application's own account of an answer: its status, headers and stack.
        return _of_the_status(seen, status, seen.answer.body.sample)
    if error.shape == "string" and _NO_SUCH_PATH.match(message):
        return seen.reading("http.not_an_api", _EDGE)
    if _BROKE_OFF_INSIDE.search(message):
        return seen.reading("http.truncated", ANSWER + 1)
    told = _told_by_an_envelope(error)
    if (error.shape == "flat" and _NO_ANSWER_AT_ITS_END.search(message)) or (told == 0 and family == "direct"):
        # A web application's account of its own call (`{"detail": "… All connection attempts failed"}`), whatever status it puts on it.
        return seen.reading("unknown", NOTHING + 1, missing=fetch.CHAIN)
    if told:
        return _of_the_status(seen, told)
    if not status and not error.type and _OF_ITSELF.fullmatch(f"{error.code or ''} {message}"):
        # What a web application answers to its own pages: no envelope, no code but a catch-all, and a reason phrase.
        return seen.reading("unknown", VAGUE, owner="unknown", missing=fetch.STATUS)
    if family == "gateway" and status >= 500 and _ANOTHER_STATUS.fullmatch(message):
        return seen.reading("api.gateway_upstream_failed", ANSWER)
    return _of_what_the_api_says(seen, error)


def _of_what_the_api_says(seen: _Seen, error: ApiError) -> Reading | None:
    status, family = seen.status, seen.family
    if cause := _of_the_provider_behind(status, error, seen.answer.body.sample):
        return seen.reading(cause, ANSWER + 1)
    named = error_words.named(status, error, family)
    if cause := error_words.at_host(seen.host, status, error, named, vendor=seen.vendor):
        return seen.reading(cause, ANSWER + 1, "proven" if _certain(status, error, cause) else "likely")
    nameless = not (error.code or error.type)
    if nameless and (status in (502, 504) or status >= 520):
        # A sentence beside a status of an intermediary is another matter.
        return _of_the_status(seen, status)
    if nameless and status == 403 and _REASON_PHRASE.sub("", error.message or "").strip(" .") == "":
        # The reason phrase in an object says no more than the status does.
        return _of_the_status(seen, status)
    cause = error_words.by_status(status, family)
    if cause is not None and (status != 429 or error.message):
        return seen.reading(cause, ANSWER)
    return seen.reading("unknown", VAGUE, owner="unknown", missing=fetch.STATUS) if status else None


def _of_words(seen: _Seen, words: str) -> Reading | None:
    """What a body of plain text says, or somebody who tells of an answer; then what is left of the status."""
    status, family = seen.status, seen.family
    if status in (0, 500) and _SERVER_NOT_REACHED.match(words):
        # An application's own status for a call that got no answer; any other is passed on from whoever answered.
        return seen.reading("unknown", NOTHING + 1, missing=fetch.CHAIN)
    if edges.BLOCK_PAGE.search(words) and status in (0, 400, 403, 429, 451, 503):
        return seen.reading("http.blocked_page", _EDGE)
    if _ENVOY.search(words):
        return seen.reading("http.gateway_error", _EDGE)
    # Reason phrases name no cause: `Too Many Requests` is what every 429 says.
    beyond = _REASON_PHRASE.sub(" ", words)
    said = ApiError(message=beyond)
    named = error_words.named(status, said, family) if beyond.strip() else None
    cause = error_words.at_host(seen.host, status, said, named, vendor=seen.vendor)
    by_edge = cause == "api.server_error" and status in (502, 504)
    if cause is not None and not by_edge and not _guesses(beyond, family):
        return seen.reading(cause, ANSWER if status else ANSWER - 1)
    if status >= 500 and _BY_ITS_OWN_STAGE.search(words):
        return seen.reading(error_words.by_status(status, "direct") or "api.server_error", _STATUS + 6)
    if _IN_PROSE.match(words):
        # `adding an agent ends in a 500 error` may be about the application's own answer; it counts where nothing else is said.
        found = _of_the_status(seen, status)
        return None if found is None else dataclasses.replace(found, weight=NOTHING - 1)
    return _of_the_status(seen, status, words, by_the_api=_is_the_apis(seen.answer))


def _of_a_vendor(route: Route) -> bool:
    """Whether a model's own vendor was called: by its host, or by its name where no host is shown."""
    return bool(VENDORS.search(route.host)) or (not route.host and "another provider" in route.family_reason)


_REASON_PHRASE = re.compile(
    r"^\W*(?:(?:client|server) error\W+)?(?:too many requests|internal server error|service (?:temporarily )?unavailable|unauthorized|forbidden|not found|bad request|bad gateway|gateway time-?out|server error|client error)\b",
    re.IGNORECASE,
)
# Codex prints what a header of OpenAI's own authentication stage says of its failure; no edge sends it.
_BY_ITS_OWN_STAGE = re.compile(r"\bauth error code: [a-z]")
# LM Studio, whatever status it puts on it.
_NO_SUCH_PATH = re.compile(r"Unexpected endpoint or method", re.IGNORECASE)
_IN_PROSE = re.compile(
    r"errors?\b|错误|报错|异常|(?:receiv|get|got|giv|gave|throw|threw|return)\w{0,3} .{0,16}\b[45]\d{2}\b",
    re.IGNORECASE,
)
# The documented base URLs of OpenAI and of vendors whose API has its form.
_RIGHT_PATH = Phrases(
    r"https://(?:(?:[a-z0-9-]+\.)?api\.openai\.com/v1|api\.groq\.com/openai/v1|api\.deepseek\.com(?:/v1|/beta)?|api\.mistral\.ai/v1|api\.x\.ai/v1|api\.siliconflow\.(?:cn|com)/v1|api\.moonshot\.(?:cn|ai)/v1|"
    r"api\.together\.(?:xyz|ai)/v1|dashscope(?:-intl)?\.aliyuncs\.com/compatible-mode/v1|open\.bigmodel\.cn/api/paas/v4)/(?:chat/completions|completions|responses|embeddings|moderations|images/generations|audio/(?:speech|transcriptions))(?![\w/])"
)


def _is_the_apis(answer: HttpAnswer) -> bool:
    """Only OpenAI's own gateway makes request ids of this form, and what is called by its own name at a right path answers for itself."""
    return (answer.header("x-request-id") or "").startswith("req_") or bool(_RIGHT_PATH.match(answer.url))


def _of_the_status(seen: _Seen, status: int, words: str = "", *, by_the_api: bool = False) -> Reading | None:
    """What a status alone says: the answer's own, or one that it tells of."""
    if 300 <= status < 400:
        return seen.reading("http.redirected", _STATUS) if status in (301, 302, 303, 307, 308) else None
    if status == 529:
        return seen.reading("api.overloaded", _STATUS + 4)
    if status in (502, 503, 504) or 520 <= status <= 530:
        return seen.reading("http.gateway_error", _STATUS + 4)
    if status == 404 and by_the_api:
        # The API knows its paths; what it does not know on a right one is the model.
        return seen.reading("api.model_not_found", _STATUS)
    if status == 404 and seen.family == "azure" and not words.startswith(("<", "404 page")):
        # Whoever answers at an Azure host is Azure; a deployment that is missing it calls so.
        return seen.reading("api.azure_resource_not_found", _STATUS)
    if status in (404, 405):
        return seen.reading("http.not_an_api", _STATUS if not _NOT_API.search(words) else _STATUS + 6)
    if status == 401:
        of_the_family = None if seen.vendor else error_words.by_status(401, seen.family)
        return seen.reading(of_the_family or "api.invalid_key", _STATUS)
    if status == 402:
        return seen.reading("api.insufficient_quota", _STATUS)
    if status == 403:
        return seen.reading("unknown", _STATUS - 2, owner="unknown", missing=fetch.BODY_OF_403)
    if status == 429:
        return seen.reading("unknown", _STATUS, owner="quota_or_rate", missing=fetch.BODY_OF_429)
    if status == 408:
        return seen.reading("unknown", _STATUS - 4, missing=fetch.STATUS)
    if status >= 500:
        return seen.reading("api.server_error", _STATUS - 5)
    if status >= 400:
        return seen.reading("api.bad_request", _STATUS)
    return None


def _edge_json(status: int, error: ApiError, family: str) -> bool:
    """An edge can send an API-shaped error: its code is a number, and its type says so."""
    kind = (error.type or "").lower()
    if kind.startswith("cf_"):
        return True
    if error_words.named(status, error, family) is not None:
        return False
    message = (error.message or "").lower().strip(". ")
    return (
        family == "direct"
        and status in (502, 503, 504, 520, 521, 522, 523, 524)
        and (not error.code_is_string or message in ("bad gateway", "gateway timeout", "gateway time-out"))
    )


_OF_ITSELF = re.compile(r"(?:unknown|internal_server_error)? ?Internal Server Error\.?", re.IGNORECASE)

# What applications put into an error object of their own: the SDK's words for no answer, or the status of one.
_NO_ANSWER_INSIDE = re.compile(
    r"\W*(?:connection error|request timed out|fetch failed|network error)\W*", re.IGNORECASE
)
_NO_ANSWER_AT_ITS_END = re.compile(
    r"[:\-\u2013] ?(?:all connection attempts failed|connection error|request timed out|fetch failed)\W*\Z",
    re.IGNORECASE,
)
# And a client's word for the gateway's own upstream, which ended in the middle.
_BROKE_OFF_INSIDE = re.compile(
    r"\bstream (?:closed|ended) before (?:response\.completed|completion|(?:a )?finish_reason)"
)
_SERVER_NOT_REACHED = re.compile(r"(?:\w[\w -]{1,30}: )?Server Connection Error\b", re.IGNORECASE)
# A relay's own failure that tells nothing but a status: that of the answer it got.
_ANOTHER_STATUS = re.compile(r"\W*HTTP (?:error|status)(?: code)?\W{1,3}[45]\d\d\W*", re.IGNORECASE)
_STATUS_INSIDE = re.compile(
    r"[^{}]{0,120}\bstatus code:? (?P<status>[45]\d\d)\W*|error code: (?P<edge>5\d\d)\W*", re.IGNORECASE
)


def _told_by_an_envelope(error: ApiError) -> int | None:
    """The status that an application's own error tells of; 0 where it tells that no answer came; None for an error that speaks for itself."""
    message = error.message or ""
    if _NO_ANSWER_INSIDE.fullmatch(message):
        return 0
    inside = _STATUS_INSIDE.fullmatch(message)
    return int(inside["status"] or inside["edge"]) if inside else None


def _of_the_provider_behind(status: int, error: ApiError, sample: str) -> str | None:
    """What a gateway passes on of its provider's refusal of the request itself: that is the caller's to mend, whoever says it."""
    if status not in (400, 413, 422) or "provider returned error" not in (error.message or "").lower():
        return None
    _, shown, raw = sample.partition('"raw"')
    cause = (error_words.named(status, ApiError(message=raw), "direct") if shown else None) or "api.bad_request"
    return cause if cause in ("api.bad_request", "api.model_not_found", "api.endpoint_not_found") else None


def _certain(status: int, error: ApiError, cause: str) -> bool:
    """A code or type, or a status; a gateway's own sentence alone may be that of any intermediary.

    A code that stands alone, in no error object and without a sentence of the API, may be no more than mentioned: in prose, in a comment, in an
    `except`.
    """
    if error.code and not (error.message or error.type):
        return False
    return bool(error.code or error.type) or (bool(status) and cause != "api.gateway_upstream_failed")


def _guesses(words: str, family: str) -> bool:
    """Whether an application offers two reasons: `invalid key or insufficient credits`."""
    halves = re.split(r"\bor\b", words, flags=re.IGNORECASE)
    if len(halves) == 2 and _WRONG.search(halves[0]) and _NO_KEY.match(halves[1]):
        return True
    return len({error_words.named(0, ApiError(message=half), family) for half in halves} - {None}) > 1


# `wrong or no api key`
_WRONG = re.compile(r"\b(?:wrong|invalid|incorrect|bad|expired)\s*$", re.IGNORECASE)
_NO_KEY = re.compile(r"\s*(?:no|missing|empty)\b", re.IGNORECASE)


def _fact(answer: HttpAnswer) -> str:
    error = answer.body.error
    parts = [f"status {answer.status}" if answer.status else "no status shown"]
    if error is not None:
        parts += [
            f"{name} {value!r}"
            for name, value in (("type", error.type), ("code", error.code), ("message", (error.message or "")[:300]))
            if value
        ]
    elif answer.body.title:
        parts.append(f"a page titled {answer.body.title!r}")
    elif answer.body.sample:
        parts.append(f"{answer.body.sample[:200]!r}")
    request_id = answer.header("apim-request-id") or answer.header("x-request-id")
    if request_id:
        parts.append(f"request id {request_id}")
    return ", ".join(parts)
