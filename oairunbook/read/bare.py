# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Answers of which a text shows no body: a status, a class or a phrase that stands for one, and the words that follow."""

from __future__ import annotations

import itertools
import re

from oairunbook.evidence import Body
from oairunbook.phrases import Phrases
from oairunbook.read import classes
from oairunbook.read.shown import MOST, Shown
from oairunbook.read.statuses import STATUS

_TOLD = re.compile(
    r"(?:receiv|get|got|giv|gave|throw|threw|return)\w{0,3} (?:me )?(?:an? |the )?(?:HTTP )?[\"'`]?[45]\d{2}\b",
    re.IGNORECASE,
)
"""A status that somebody tells of."""
# Classes of the SDKs and of litellm that stand for one status (openai 0.28 `error.py`, 1.x `_exceptions.py`, openai-node `core/error.ts`, litellm `exceptions.py`).
_CLASSES = (
    r"(?P<class>AuthenticationError|PermissionDeniedError|PermissionError|NotFoundError|BadRequestError|InvalidRequestError|UnprocessableEntityError|ConflictError|"
    r"RateLimitError|InternalServerError|ServiceUnavailableError|BadGatewayError|ContextWindowExceededError|ContentPolicyViolationError|InsufficientQuotaError|TryAgain|APIError|APIStatusError|OpenAIError)"
)
# `Class: words`, `Class("words")`, and of SDK 0.x `Class(message="words", …)`.
_CLASS = Phrases(rf"(?<![\w]){_CLASSES}(?:\s?:\s?|\((?:message=)?['\"](?=[A-Z])| - (?=\w))(?P<text>[^\n]{{1,1500}})")
# VS Code's debugger, in the languages that reports came in: the words stand behind the class, or on the next line.
_DEBUGGED = Phrases(
    rf"(?:Exception has occurred|发生异常): (?:[\w.]{{1,40}}\.)?{_CLASSES}(?:\s{{1,12}}\([^)\n]{{1,100}}\))?\s{{1,4}}(?P<text>[A-Z][^\n]{{1,1500}})"
)
CLASS_STATUS = {
    "AuthenticationError": 401, "PermissionDeniedError": 403, "PermissionError": 403, "NotFoundError": 404, "BadRequestError": 400, "InvalidRequestError": 400,
    "UnprocessableEntityError": 422, "ConflictError": 409, "RateLimitError": 429, "InternalServerError": 500, "ServiceUnavailableError": 503, "BadGatewayError": 502,
    "ContextWindowExceededError": 400, "ContentPolicyViolationError": 400, "InsufficientQuotaError": 429,
}  # fmt: skip
# litellm names whose exception it wraps, and sometimes (in titles) no more than that.
_WRAPPED = re.compile(r"(?:litellm\.(?:exceptions\.)?|openai\.)?(?P<class>[A-Z]\w{1,40}Error): (?=\S)")
_NO_WORDS = re.compile(r"\w{1,40}(?:Exception|Error)\W{0,4}")
# What transports say of a connection that failed, in a class that stands for an answer: litellm gives a dead Ollama the class of 503. The SDK's
# own class comes of an answer alone: there it is whoever answered who tells of a connection of its own.
_NO_ANSWER = re.compile(
    r"HTTPS?ConnectionPool\(|ConnectionError\(|Cannot connect to host |\[(?:Errno|WinError) -?\d|All connection attempts failed|failed to connect to all addresses|Max retries exceeded|\bdial tcp\b|\bE(?:CONNREFUSED|CONNRESET|TIMEDOUT|NOTFOUND)\b"
)
# `RetryError[<Future … raised RateLimitError>]` keeps nothing but the class.
# A title or a last line may be no more.
_CLASS_ALONE = Phrases(
    rf"(?:\braised |^[ \t#*`]{{0,6}}(?:openai\.(?:error\.)?)?)(?P<class>{'|'.join(CLASS_STATUS)})\b(?=[>\]\s*`.]{{0,10}}$)"
    # a notebook's head of a traceback
    rf"|^(?:Error: )?(?P<headed>{'|'.join(CLASS_STATUS)})(?= {{2,60}}Traceback \(most recent call last\))"
    # in the words of a title
    r"|^[ \t#*`]{0,6}(?P<titled>(?:OpenAI(?: API)? )?[Rr]ate[- ]?[Ll]imit (?:[Ee]rror|[Ee]xceeded|[Rr]eached))\b(?=[>\]\s*`.!]{0,10}$)"
    # the class itself, as Python prints it; SDK 0.x has one for 400 and 404
    rf"|<class '(?:openai|litellm)\.[\w.]{{0,40}}?(?P<printed>{'|'.join(name for name in CLASS_STATUS if name != 'InvalidRequestError')})'>"
    # told in prose
    rf"|\b(?:[Rr]ais(?:es|ing|ed)|[Tt]hrow(?:s|ing|n)|[Gg]ets?|[Gg]etting|[Gg]ot|[Gg]ives?) (?:me )?(?:an? |the )?`?(?:openai\.(?:error\.)?)?(?P<told>{'|'.join(CLASS_STATUS)})\b`?(?= (?:for|when|on|in|after|from|with|while|and|but|if|every)\b|[.,;!?)])(?!\.\w)",
    flags=re.MULTILINE,
)
# Where a status line came without a body, some SDKs (Vercel's) say nothing but its reason phrase.
_PHRASE = Phrases(
    r"(?:(?:[Ee]rror|Exception)\]?: |(?P<field>[\"']message[\"']: ?[\"']))(?P<phrase>Bad Request|Unauthorized|Payment Required|Forbidden|Not Found|Method Not Allowed|Unprocessable Entity|Too Many Requests|"
    r"Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)(?(field)[\"']|\s*$)",
    # R's httr names the document that defines it
    r"\b(?P<defined>Too Many Requests)(?= \(RFC 6585\))",
    # or a client that goes on retrying shows it
    r"(?<![\w:] )\b(?P<told>Bad Gateway|Gateway Time-?out|Service Unavailable|Too Many Requests|Internal Server Error)\b(?= (?:errors?\b|\[retrying))",
    r"\b(?:return(?:s|ed|ing)|gets?|got|getting) (?P<answered>Too Many Requests)\b",
    flags=re.MULTILINE,
)
_PHRASE_STATUS = {
    "Bad Request": 400, "Unauthorized": 401, "Payment Required": 402, "Forbidden": 403, "Not Found": 404, "Method Not Allowed": 405, "Unprocessable Entity": 422,
    "Too Many Requests": 429, "Internal Server Error": 500, "Bad Gateway": 502, "Service Unavailable": 503, "Gateway Timeout": 504, "Gateway Time-out": 504,
}  # fmt: skip
# n8n tells statuses in words of its own (its workflow package, `STATUS_CODE_MESSAGES`), BabyAGI and what was made of it the classes of SDK 0.x.
_IN_OTHER_WORDS = Phrases(
    r"(?P<s400>Bad request - please check your parameters|OpenAI API invalid request)|(?P<s401>Authorization failed - please check your credentials)|(?P<s402>Payment required - perhaps check your payment details)|"
    r"(?P<s403>Forbidden - perhaps check your credentials)|(?P<s404>The resource you are requesting could not be found)|(?P<s429>The service is receiving too many requests from you|OpenAI API rate limit has been exceeded)|"
    r"(?P<s500>The service was not able to process your request)|(?P<s502>Bad gateway - the service failed to handle your request)|(?P<s503>Service unavailable - try again later or consider)|"
    r"(?P<s504>Gateway timed out - perhaps try again later)"
)


def bare(text: str, statuses: list[tuple[int, int]]) -> list[Shown]:
    """Statuses and classes with the words that follow them, where no body is shown."""
    found = []
    for position, status in statuses:
        if status < 300 or 530 < status < 598:
            continue
        line = text[position : position + 400].split("\n")[0]
        words = line if _TOLD.match(line) else _text_after_headers(text, position) or _words_after_status(line, status)
        found.append(Shown(status=status, position=position, body=_text_body(words)))
    for match in _PHRASE.finditer(text):
        group = match.lastgroup or "phrase"
        found.append(
            Shown(
                status=_PHRASE_STATUS[match[group]],
                position=match.start(group),
                body=Body(shape="empty", size_bytes=0),
            )
        )
    for match in _IN_OTHER_WORDS.finditer(text):
        found.append(
            Shown(
                status=int((match.lastgroup or "s0")[1:]),
                position=match.start(),
                body=Body(shape="empty", size_bytes=0),
            )
        )
    for position, status in classes.told(text):
        found.append(Shown(status=status, position=position, body=Body(shape="empty", size_bytes=0)))
    for match in _CLASS_ALONE.finditer(text):
        group, name = next((key, value) for key, value in match.groupdict().items() if value)
        found.append(
            Shown(
                status=CLASS_STATUS.get(name, 429),
                position=match.start(group),
                body=Body(shape="empty", size_bytes=0),
            )
        )
    for match in itertools.chain(_CLASS.finditer(text), _DEBUGGED.finditer(text)):
        status = CLASS_STATUS.get(match["class"], 0)
        words = match["text"].strip()
        while (wrapped := _WRAPPED.match(words)) is not None:
            # The innermost class of litellm's is the one that was raised.
            status, words = CLASS_STATUS.get(wrapped["class"], status), words[wrapped.end() :]
        inner = STATUS.match("Error: " + words) if words[:3].isdigit() else None
        if inner is not None or not status or (status == 500 and _NO_WORDS.fullmatch(words)):
            continue
        # litellm: what it tells of a refusal is the answer; behind its 500 stands every failure to connect as well.
        _, _, told = words.partition("Exception - ")
        if told and status < 500 and not told.startswith(("Error code:", "{", "b'")):
            words = told
        elif (
            words.startswith(("Error code:", "litellm."))
            or told
            or ("litellm" in match["text"] and status == 500)
            or (match["class"] == "PermissionError" and "Errno" in words)
            or (status >= 500 and _NO_ANSWER.search(words) and not text.endswith("openai.", 0, match.start()))
        ):
            continue
        found.append(Shown(status=status, position=match.start(), body=_text_body(words)))
        if len(found) >= 4 * MOST:
            break
    return found[-2 * MOST :]


def _text_body(words: str) -> Body:
    return Body(shape="text", size_bytes=len(words), sample=words[:600]) if words else Body(shape="empty", size_bytes=0)


# What was called is nothing that the answer says.
_WHERE = re.compile(r"(?:on|for|from|at|to) (?:(?:GET|POST|PUT|DELETE) )?https?://[^\s{<]{1,300}", re.IGNORECASE)


def _words_after_status(line: str, status: int) -> str:
    rest = line.partition(str(status))[2].strip(" :-,)'\"]}")
    return "" if _WHERE.fullmatch(rest) else rest[:300]


# `curl -i` and `curl -v`: status line, headers, an empty line, and a body that is neither JSON nor a page.
_TEXT_AFTER_HEADERS = re.compile(
    r"HTTP/[\d.]{1,3} \d{3}[^\n\x22\x27]{0,60}\n(?:[<\s]{0,4}[A-Za-z][\w-]{1,60}:[^\n]{0,2000}\n){0,60}[< \t\r]{0,4}\n(?P<body>[^\s{}\[<>*$#@][^\n]{2,300}(?:\n{1,2}[A-Z_]{6,60}\b)?)"
)


def _text_after_headers(text: str, position: int) -> str:
    start = text.rfind("HTTP/", max(0, position - 8), position + 6)
    found = _TEXT_AFTER_HEADERS.match(text, start) if start >= 0 else None
    return " ".join(found["body"].split()) if found else ""
