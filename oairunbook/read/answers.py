# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""HTTP answers that a text shows: status, headers, and error bodies in whatever dress they come."""

from __future__ import annotations

import ast
import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any

from oairunbook.evidence import ApiError, Body
from oairunbook.observe.bodies import api_error
from oairunbook.phrases import Phrases
from oairunbook.read import classes, printed

_MOST = 60
_LONGEST_OBJECT = 16_000
_LONGEST_PAGE = 4000

_START = Phrases(
    r"""\{\s{0,40}\\{0,3}["']?(?:error|errors|message|code|type|detail|statusCode|status|object|success|html-message|title|request_id|error_code|param)\\{0,3}["']?\s?:"""
)
_ERROR_FIRST = re.compile(r"""\{\s{0,40}\\{0,3}["']error\\{0,3}["']""")
# A gateway's error with the answer of its provider inside: whoever answers is the gateway, also where broken quotes hide that it is inside.
_PASSED_ON = Phrases(r""".{0,300}["']metadata\\{0,3}["']\s?:\s?\{.{0,60}["']raw\\{0,3}["']\s?:""", flags=re.DOTALL)
_HEADLESS = Phrases(r"""^[ \t]{0,40}["']message["']\s?:\s?["']""", flags=re.MULTILINE)
_FIELD = Phrases(
    r"""(?<![\w-])\\{0,3}["']?(?P<name>message|type|code|param)\\{0,3}["']?\s{0,3}[:=]\s{0,3}(?:\\{0,3}'(?P<single>(?:[^'\\\n]|\\.){0,1500})(?:'|\\?$)|\\{0,3}"(?P<double>(?:[^"\\\n]|\\[^"\n]){0,1500})(?:\\{0,3}"|\\?$)|`(?P<tick>[^`\n]{0,1500})`|(?P<bare>null|None|undefined|\d{1,6})\b)""",
    flags=re.MULTILINE,
)
_STATUS = Phrases(
    r"""Error code:\W{1,4}(?P<a>\d{3})\b"""
    r"""|HTTP/[\d.]{1,3}"?\s(?P<b>\d{3})\b"""
    r"""|\bstatus(?:[_ ]?code)?\\?["']?(?:\s(?:of|returned))?\s{0,2}[:=]{0,2}\s{0,2}\(?["']?(?P<c>[1-5]\d{2})\b(?!ms)"""
    r"""|(?<!reachable \()\bHTTP(?:\s(?:status|error|response))?(?:\scode)?(?:\swas)?[:\s]\s?(?P<d>[1-5]\d{2})\b"""
    r"""|(?:Error|Exception)[\]:]{1,2}\s(?P<e>[45]\d{2})(?=\s|:|,|$)"""
    r"""|(?:^|[\s"'(:])(?P<f>[45]\d{2}) (?:Client|Server) Error\b"""
    r"""|(?:Client|Server) error '(?P<g>[345]\d{2})\b"""
    # aiohttp's ClientResponseError, with its class or, where an application prints it, without.
    r"""|(?<![\d.,])\b(?P<h>[45]\d{2}), message=(?=['"])"""
    r"""|\b(?:failed|failure|errors?|refused|rejected|denied) \((?:HTTP |status(?: code)?:? )?(?P<aa>[45]\d{2})\)"""
    r"""|: (?P<bb>[45]\d{2}) [-\u2013] (?=\{)"""
    r"""|(?:^|[\s"'(:>`-])(?P<i>[45]\d{2})[ :)"'-]{1,4}(?:Unauthorized|Forbidden|Not Found|Too Many Requests|Bad Request|Internal Server Error|Bad Gateway|Service (?:Temporarily )?Unavailable|Gateway Time-?out|Payment Required|Request Timeout|Method Not Allowed|Proxy Authentication Required|(?-i:Resource not found))"""
    r"""|(?:does not indicate success|returned (?:an )?error|response[ _]code\"?|responded with|returned|failed with(?: status)?|error code|StatusCode|got): ?\(?(?:status |HTTP )?(?P<j>[45]\d{2})(?![\d.])"""
    r"""|^\s{0,12}(?P<k>[45]\d{2})(?= [A-Z{<]|: [A-Z]| status code| ["'][A-Z])"""
    r"""|<title>(?:[\w.-]{1,80} \| )?(?P<l>[45]\d{2})\b"""
    r"""|\bError (?P<m>[45]\d{2})\b"""
    r"""|\bresponse code(?: error)?\W{1,6}(?:code=)?(?P<t>[45]\d{2})\b"""
    # SDK 0.x: the body, the status, the body again, the headers.
    r"""|\} (?P<y>[45]\d{2}) \{['"]error"""
    r"""|(?<![\d.,:])\b(?P<u>[45]\d{2}) ?(?:(?:time-?out|gateway|server|internal|internal server|not found|auth\w{0,10}|unauthorized|forbidden|bad request|HTTP|API) )?(?:errors?\b|错误|报错|异常)"""
    r"""|\b(?:GET|POST|PUT|OPTIONS) https?://[^\s"']{3,300} (?P<s>[45]\d{2})\b"""
    r"""|\bhttp(?:_?(?:status|code))?=(?P<n>[1-5]\d{2})\b"""
    r"""|\bResponse:? (?P<o>[45]\d{2})\b"""
    r"""|b'HTTP/[\d.]{1,3}', (?P<p>\d{3}),"""
    r"""|Error reference number: (?P<q>5\d{2})"""
    r"""|(?:状态码|错误码|报错|返回|显示|提示|都是)\s?(?:为|是)?\s?[:\uff1a]?\s?(?P<r>[45]\d{2})(?!\d)"""
    r"""|(?<![\d.,])(?P<v>[45]\d{2}) (?:HTTP )?status codes?\b"""
    r"""|(?<![\d.,:#])\b(?P<z>[45]\d{2}) responses?\b"""
    r"""|(?:Reason|Error|错误|Fehler)\W{1,3}\[(?P<x>[45]\d{2})\]"""
    r"""|\bError code (?P<cc>[45]\d{2})\b"""
    r"""|^[ \t`"']{0,8}\((?P<ee>[45]\d{2})\)(?=[ \t`"']{0,8}$)"""
    # `(401 from the API)`, and the message that an application shows behind a word of its own
    r"""|(?<![\d.,:])\b(?P<gg>4(?:0[0134]|2[29])|50[0234]) from (?:the )?(?:API|server|OpenAI|Azure|provider|upstream|gateway|LLM|Ollama|OpenRouter)\b"""
    r"""|\b(?:sees?|says?|shows?|message|errors?|request|response|failed|failure): ["'`]?(?P<hh>4(?:0[0134]|2[29])|50[0234]) (?=(?-i:[A-Z][a-z]{1,20} [a-z]))"""
    # Google's.
    r"""|\[(?P<ff>[45]\d{2}) [A-Z]{2,20}(?:_[A-Z]{2,20}){0,4}\]"""
    # `status code not equals 200,code is 401`, `HTTP status was 503`
    r"""|\b(?:status|http)\b[^\n]{0,40}?\b(?:is|was|got|received) {0,2}:? ?(?P<dd>4(?:0\d|1[0-8]|2[2-9]|51)|5(?:0[0-4]|2\d|30))\b(?! ?(?:ms|tokens))"""
    # In prose: a number that a word of amount follows is none.
    r"""|\b(?:receiv(?:e[sd]?|ing)|gets?|got|getting|gives?|gave|throws?|threw|return(?:s|ed|ing)?)(?: me)? (?:an? |the )?(?:HTTP )?["'`]?(?P<w>40[0-9]|413|422|429|50[0-4]|52[0-9])(?=["'`]?(?:[.,;:!)\n]|$| (?:when|on|from|for|and|but|back|after|every|not found)\b))""",
    flags=re.IGNORECASE | re.MULTILINE | re.ASCII,
)
_NO_BODY = re.compile(r"(\d{3}) status code \(no body\)")
# A form's `<title>` that nobody replaced opens no page.
_HTML = Phrases(r"<!doctype html|<html[\s>]|<head>|<title[^<>]{0,200}>(?=[^<]{1,300}</title)", flags=re.IGNORECASE)
_TITLE = Phrases(r"<title[^>]{0,200}>([^<]{1,300})</title", flags=re.IGNORECASE)

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
_CLASS = Phrases(rf"(?<![\w]){_CLASSES}(?:\s?:\s?|\((?:message=)?['\"](?=[A-Z]))(?P<text>[^\n]{{1,1500}})")
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

# `RetryError[<Future … raised RateLimitError>]` keeps nothing but the class.
# A title or a last line may be no more.
_CLASS_ALONE = Phrases(
    rf"(?:\braised |^[ \t#*`]{{0,6}}(?:openai\.(?:error\.)?)?)(?P<class>{'|'.join(CLASS_STATUS)})\b(?=[>\]\s*`]{{0,10}}$)"
    # in the words of a title
    r"|^[ \t#*`]{0,6}(?P<titled>(?:OpenAI(?: API)? )?[Rr]ate[- ]?[Ll]imit (?:[Ee]rror|[Ee]xceeded|[Rr]eached))\b(?=[>\]\s*`.!]{0,10}$)"
    # told in prose
    rf"|\b(?:[Rr]ais(?:es|ing|ed)|[Tt]hrow(?:s|ing|n)|[Gg]ets?|[Gg]etting|[Gg]ot|[Gg]ives?) (?:me )?(?:an? |the )?`?(?:openai\.(?:error\.)?)?(?P<told>{'|'.join(CLASS_STATUS)})\b`?(?= (?:for|when|on|in|after|from|with|while|and|but|if|every)\b|[.,;!?)])(?!\.\w)",
    flags=re.MULTILINE,
)

# Where a status line came without a body, some SDKs (Vercel's) say nothing but its reason phrase.
_PHRASE = Phrases(
    r"(?:[Ee]rror|Exception)\]?: (?P<phrase>Bad Request|Unauthorized|Payment Required|Forbidden|Not Found|Method Not Allowed|Unprocessable Entity|Too Many Requests|"
    r"Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)\s*$",
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

# Sentences of the API, Azure and gateways that name themselves without status or braces.
_SENTENCES = Phrases(
    (
        r"[Yy]ou exceeded your current quota[^\n\"'}]{0,200}|Incorrect API key provided[^\n\"'}]{0,200}|Country, region, or territory not supported|You didn't provide an API key[^\n\"'}]{0,120}|"
        r"The model:? [`'\"\\]{0,3}[\w./:@-]{1,80}[`'\"\\]{0,3} does not exist[^\n\"'}]{0,120}|Rate limit reached for [^\n\"'}]{1,400}|(?:That |The )?model is (?:currently )?overloaded[^\n\"'}]{0,200}|"
        r"The server (?:had|experienced) an error (?:while )?processing your request[^\n\"'}]{0,200}|The server is (?:currently )?overloaded[^\n\"'}]{0,120}|The engine is currently overloaded[^\n\"'}]{0,120}|"
        r"(?:The principal [^\n\"}]{0,120})?lacks the required data action[^\n\"}]{0,200}|Principal does not have access to API/Operation|Key based authentication is disabled for this resource|"
        r"(?<=[*`'\"])[Rr]esource not found(?=[*`'\"])|Access token is missing, invalid, audience is incorrect[^\n\"'}]{0,120}|Traffic is not from an approved private endpoint|Subdomain does not map to a resource|"
        r"(?:not|n't) have access to (?:the |this )?[`'\"]?(?=[\w./:-]{0,60}\d)[\w./:-]{2,60}[`'\"]? model\b|"
        r"Access denied due to (?:invalid|missing) subscription key[^\n\"'}]{0,250}|Access denied due to Virtual Network/Firewall rules[^\n\"'}]{0,60}|Public access is disabled[^\n\"'}]{0,80}|"
        r"[Tt]he (?:API|api) deployment for this res{1,2}ource does not exist[^\n\"'}]{0,160}|Outbound network access is restricted[^\n\"}]{0,200}|have exceeded (?:the )?(?:token|call) rate limit[^\n\"'}]{0,300}|No auth credentials found|No cookie auth credentials found|"
        r"This model's maximum context length is [^\n\"'}]{1,300}|You must be a member of an organization[^\n\"'}]{0,80}|Billing hard limit has been reached|"
        r"Your account is not active, please check your billing[^\n\"'}]{0,80}|Missing bearer or basic authentication in header|Your request was blocked\.?|"
        r"Your organization must be verified[^\n\"'}]{0,200}|No API key provided\. You can set your API key in code[^\n]{0,40}|Request too large for [^\n\"'}]{1,300}|"
        r"Request rate increased too quickly|Provider returned error|max_tokens[^\n]{0,60}(?:should be|[Uu]se)[^\n]{0,20}max_completion_tokens|Error from provider[^\n\"'}]{0,160}|Invalid URL \((?:GET|POST|PUT|DELETE|PATCH) [^)\n]{1,200}\)|We could not parse the JSON body of your request|User location is not supported for the API use|[Ww]e're currently experiencing high demand|json: cannot unmarshal \w+ into Go struct field \w{0,40}Request\b[^\n\"'}]{0,120}|[Nn]o (?:fallback |backup )?(?:services|providers|backends|upstreams) available[^\n\"'}]{0,160}|do request failed: upstream[^\n\"'}]{0,80}|(?:You do(?: not|n't) have access to (?:the|this) model|[Mm]odel [\w./:@-]{2,80} (?:does )?not exist\b)[^\n\"'}]{0,120}|Maximum content size limit[^\n\"'}]{0,80}|There was an issue with your request\. Please check your inputs|This is a chat model and not supported in the[^\n\"'}]{0,100}|Rate limit is exceeded\.[^\n\"'}]{0,100}|Insufficient credits[^\n\"'}]{0,160}|Insufficient [Bb]alance|No connected db|invalid x-api-key|A Virtual Network is configured for this resource|Invalid proxy server token passed|No api key passed in\.?|Unexpected endpoint or method\.[^\n\"'}]{0,60}|404 page not found|"
        r"An error occurred while processing your request(?=[^{}]{0,250}(?:You can retry|help\.openai\.com|[Rr]equest ID))[^\n\"'}]{0,200}|"
        r"The response was filtered due to the prompt[^\n\"}]{0,300}|No endpoints found(?: that support| for| matching)[^\n\"'}]{0,120}|"
        r"No allowed providers are available[^\n\"'}]{0,120}|This request requires more credits[^\n\"'}]{0,160}|You have insufficient permissions for this operation[^\n\"'}]{0,160}|"
        r"该令牌(?:状态不可用|已过期|额度已用尽)|无效的令牌|令牌额度不足|用户额度不足|(?:当前分组)?上游负载已饱和|负载已满|当前分组[^\n\"'}]{0,60}无可用渠道|(?:[Oo]ur )?[Ss]ervers are currently overloaded|Selected model is at capacity|No deployments available for selected model[^\n\"'}]{0,200}|There are no healthy deployments for this model[^\n\"'}]{0,200}|[Nn]o available (?:channels?|accounts?|candidates?|upstreams?)(?: provider)? for [^\n\"'}]{0,160}|"
        r"(?:Exception|Error)\W{1,3}Overloaded\b|[Tt]oo many requests in \d{1,3} (?:second|minute|hour|day)s?\b[^\n\"'}]{0,60}|You have sent too many requests[^\n\"'}]{0,80}|[Rr]ate limit (?:has been )?exceeded[.,:;] (?:[Ww]aiting|[Rr]etrying|[Tt]rying again|[Pp]lease (?:wait|try again|retry|slow))[^\n\"'}]{0,60}|"
        r"invalid format: expected \"json\" or a JSON schema|(?:\"[^\"\n]{1,80}\"|'[^'\n]{1,80}'|\b[\w.-]{1,60}[/:][\w.:/-]{1,80}) does not support (?:tools|thinking|chat|generate|insert|image input)\b|"
        r"FUNCTION_INVOCATION_(?:FAILED|TIMEOUT)|Unauthenticated request to AI Gateway|troubleshooting Function URL authorization issues|OpenAI's services are not available in your country[^\n\"'}]{0,60}|Error communicating with OpenAI: HTTP code \d{3}[^\n]{0,60}"
    ).replace(" ", r"\s{1,4}")
)
"""Terminals break long lines, so any white space counts as a space."""

# Codes that only an API gives, named alone; not those that code compares with.
_CODES = Phrases(
    r"(?<![\w=(,\[])(?<![=(,\[|] )(?<!case )(?:(?P<quote>['\"`])|(?<!['\"`]))"
    r"\b(?P<code>unsupported_country_region_territory|insufficient_quota|model_not_found|invalid_api_key|context_length_exceeded|rate_limit_exceeded)\b(?(quote)(?P=quote)|(?!['\"`]))"
)

_HEADER_LINE = re.compile(
    r"""^[<\s]{0,8}\\?['"]?(?P<name>[A-Za-z][A-Za-z0-9-]{2,60})\\?['"]?\s?:\s?\\?['"]?(?P<value>[^\n]{1,500}?)\\?['"]?,?\s*$""",
    re.MULTILINE,
)
_HEADER_PAIR = re.compile(
    r"""['"](?P<name>[A-Za-z][A-Za-z0-9-]{2,60})['"]\s?[:,]\s?b?['"](?P<value>[^'"\n]{1,300})['"]"""
)
_KNOWN_HEADER = re.compile(
    r"^(?:x-|cf-|openai-|apim-|azureml-|ms-|retry-after|server$|via$|www-authenticate|content-type|location|llm_provider-|helicone-|proxy-authenticate|ngrok-|azure)",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Shown:
    """One answer as the text shows it; *status* is 0 where none is shown."""

    status: int
    body: Body
    position: int
    end: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    around: str = ""
    """What stands right before it, to tell whose answer it is."""


def answers(text: str) -> list[Shown]:
    """Every error answer that the text shows, in order; the same answer said twice counts once, at its last place."""
    found = _objects(text) + _pages(text) + _as_printed(text)
    own = _of_the_application(text)
    statuses = [
        (m.start(), _status(m))
        for m in _STATUS.finditer(text)
        if not _is_access_log(text, m) and not any(start < m.start() < end for start, end in own)
    ][: 20 * _MOST]
    for shown in found:
        shown.status = shown.status or _nearest(statuses, shown.position)
    if len(found) < _MOST:
        spans = [(shown.position, shown.end) for shown in found]
        beside = [*_sentences(text, statuses), *_bare(text, statuses)]
        told = [shown.body.error.message for shown in found if shown.body.error and shown.body.error.message]
        # What stands inside a body that was read is the body's, and so is what is told of it again.
        found += [
            shown
            for shown in beside
            if not any(start < shown.position < end for start, end in spans)
            and not (shown.body.error and any(shown.body.error.message == message for message in told))
        ]
    for shown in found:
        shown.around = text[max(0, shown.position - 300) : shown.position + 20]
    found.sort(key=lambda shown: shown.position)
    if found:
        pairs = headers(text)
        for shown in found:
            shown.headers = pairs
    unique: dict[str, Shown] = {}
    for shown in found:
        error = shown.body.error
        key = f"{shown.status} {shown.body.shape} {error or shown.body.title or re.sub(r'[0-9]+', '0', shown.body.sample[:80])}"
        unique.pop(key, None)
        unique[key] = shown
    return list(unique.values())[-_MOST:]


def headers(text: str) -> list[tuple[str, str]]:
    """Response headers that say who answered, from header lines, dumps of dicts and of JavaScript objects."""
    found: dict[str, str] = {}
    for pattern in (_HEADER_LINE, _HEADER_PAIR):
        for match in pattern.finditer(text):
            name = match["name"].lower()
            if _KNOWN_HEADER.match(name):
                found[name] = match["value"].strip().strip("'\",")
            if len(found) > 60:
                break
    return list(found.items())


def from_body(text: str) -> Shown | None:
    """The first error object of a text that is nothing but a body."""
    found = _objects(text)
    return found[0] if found else None


def _objects(text: str) -> list[Shown]:
    found: list[Shown] = []
    end = 0
    decoder = json.JSONDecoder(strict=False)
    starts = [m.start() for m in _START.finditer(text)]
    if len(starts) > 3 * _MOST:
        starts = starts[:_MOST] + starts[-2 * _MOST :]
    found += _headless(text)
    for start in starts:
        if start < end:
            continue
        document, stop = _document(text, start, decoder)
        error = _error_of(document) if document is not None else None
        if document is None:
            window = text[start : start + 3000]
            error = _by_fields(window)
            passed_on = _PASSED_ON.match(window)
            stop = start + (len(window.partition("\n")[0]) if passed_on else 20)
        if error is None:
            continue
        end = stop
        status = _status_of(document, error)
        sample = text[start : min(stop, start + 600)] if document is not None else text[start : start + 300]
        found.append(
            Shown(
                status=status,
                position=start,
                end=stop,
                body=Body(shape="api_error", size_bytes=stop - start, error=error, sample=sample),
            )
        )
    return found


def _as_printed(text: str) -> list[Shown]:
    return [
        Shown(
            status=status,
            position=start,
            end=end,
            body=Body(
                shape="api_error", size_bytes=end - start, error=error, sample=text[start : min(end, start + 300)]
            ),
        )
        for status, error, start, end in itertools.islice(printed.errors(text), _MOST)
    ]


def _headless(text: str) -> list[Shown]:
    """The fields of an object whose opening brace was not copied along."""
    found = []
    for match in _HEADLESS.finditer(text):
        if text.rfind("{", max(0, match.start() - 200), match.start()) >= 0:
            continue
        window = text[match.start() : match.start() + 3000].partition("}")[0]
        error = _by_fields(window)
        if error is not None and (error.code or error.type):
            body = Body(shape="api_error", size_bytes=len(window), error=error, sample=window[:300])
            found.append(
                Shown(
                    status=_status_of(None, error),
                    position=match.start(),
                    end=match.start() + len(window),
                    body=body,
                )
            )
        if len(found) >= _MOST:
            break
    return found


def _document(text: str, start: int, decoder: json.JSONDecoder) -> tuple[Any, int]:
    """A JSON object or a Python dict that begins here, as the text has it, with its escapes resolved, or with its line breaks removed."""
    window = text[start : start + _LONGEST_OBJECT]
    for attempt, exact in (
        (window, True),
        (window.replace('\\\\"', "'").replace('\\"', '"').replace("\\n", "\n"), False),
    ):
        try:
            document, length = decoder.raw_decode(attempt)
        except (ValueError, RecursionError):
            continue
        return document, start + (length if exact else min(len(window), length + attempt.count('"', 0, length)))
    end = _balanced(window)
    if end is None:
        return None, start + 1
    literal = window[:end]
    for attempt in (literal, re.sub(r"\s*\n\s*", " ", literal)):
        try:
            return ast.literal_eval(attempt.replace("null", "None") if "null" in attempt else attempt), start + end
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            pass
        try:
            return json.loads(attempt, strict=False), start + end
        except (ValueError, RecursionError):
            pass
    return None, start + end


_TOKEN = re.compile(r"""\\.|[{}"']""", re.DOTALL)


def _balanced(window: str) -> int | None:
    """Where the object that begins this window ends; None if it is cut off."""
    depth, quote = 0, ""
    for match in _TOKEN.finditer(window):
        sign = match[0]
        if sign[0] == "\\":
            continue
        if quote:
            # An apostrophe inside a word ends no string.
            if sign == quote and not (sign == "'" and window[match.end() : match.end() + 1].isalpha()):
                quote = ""
        elif sign in "\"'":
            quote = sign
        else:
            depth += 1 if sign == "{" else -1
            if depth == 0:
                return match.end()
    return None


def _error_of(document: Any) -> ApiError | None:
    if not isinstance(document, dict):
        return None
    error = api_error(document)
    if error is not None:
        return error
    flat = {
        key: document.get(key) for key in ("message", "type", "code", "param", "detail", "object", "metadata", "msg")
    }
    if isinstance(flat["message"], str) and (
        flat["type"] or flat["code"] is not None or flat["metadata"] or flat["object"] == "error" or "param" in document
    ):
        code = flat["code"]
        return ApiError(
            message=flat["message"][:2000],
            type=_word(flat["type"]),
            code=_word(code),
            param=_word(flat["param"]),
            shape="object" if not flat["object"] else "flat",
            code_is_string=not isinstance(code, int),
        )
    if isinstance(document.get("detail"), str):
        return ApiError(message=document["detail"][:2000], shape="flat")
    if isinstance(document.get("errors"), dict) and document.get("message"):
        return ApiError(message=str(document["message"])[:2000], shape="flat")
    return None


# Codes of Node and its libraries stand beside an error as the API's do.
_OF_THE_RUNTIME = re.compile(r"(?:ERR_[A-Z]|UND_ERR|E[A-Z]{4,}\b)")


def _by_fields(window: str) -> ApiError | None:
    """The fields of an object that no parser takes: cut off, or printed by `util.inspect`."""
    found: dict[str, str | None] = {}
    code_is_string, cut_off = True, False
    for match in _FIELD.finditer(window):
        name = match["name"]
        if name in found:
            break
        value = next((match[k] for k in ("single", "double", "tick") if match[k] is not None), None)
        bare = match["bare"]
        if value is None and bare is not None and bare.isdigit():
            value = bare
            code_is_string = code_is_string and name != "code"
        found[name] = value
        cut_off = bare is None and not match[0].endswith(("'", '"', "`"))
    message = found.get("message")
    if _OF_THE_RUNTIME.match(found.get("code") or ""):
        found.pop("code")
    known = found.get("code") or found.get("type")
    if not message and not known:
        return None
    of_an_error = cut_off and _ERROR_FIRST.match(window) is not None
    if message and not known and "param" not in found and "code" not in found and not of_an_error:
        return None
    return ApiError(
        message=message[:2000] if message else None,
        type=found.get("type"),
        code=found.get("code"),
        param=found.get("param"),
        code_is_string=code_is_string,
    )


# The application's own error page, in which its framework shows the exception: Next.js, Nuxt, Vite, Werkzeug, Django, Laravel, ASP.NET.
_OF_THE_APPLICATION = re.compile(
    r"""__NEXT_DATA__.{0,1500}"err"\s?:\s?\{|window\.__NUXT__|<vite-error-overlay|Werkzeug Debugger|DEBUG = True|Whoops, looks like something went wrong|Developer Exception Page""",
    re.DOTALL,
)


def _of_the_application(text: str) -> list[tuple[int, int]]:
    """Where such pages stand."""
    return [
        (match.start(), match.start() + _LONGEST_PAGE)
        for match in itertools.islice(_HTML.finditer(text), _MOST)
        if _OF_THE_APPLICATION.search(text[match.start() : match.start() + _LONGEST_PAGE])
    ]


def _pages(text: str) -> list[Shown]:
    found = []
    end = 0
    for match in _HTML.finditer(text):
        if match.start() < end:
            continue
        window = text[match.start() : match.start() + _LONGEST_PAGE]
        if _OF_THE_APPLICATION.search(window):
            end = match.start() + len(window)
            continue
        title = _TITLE.search(window)
        end = match.start() + _LONGEST_PAGE
        sample = re.sub(r"<[^>]{0,300}>", " ", window)
        sample = " ".join(sample.split())[:600]
        found.append(
            Shown(
                status=0,
                position=match.start(),
                body=Body(
                    shape="html",
                    size_bytes=len(window),
                    title=" ".join(title[1].split())[:200] if title else None,
                    sample=sample,
                ),
            )
        )
        if len(found) >= _MOST:
            break
    return found


def _sentences(text: str, statuses: list[tuple[int, int]]) -> list[Shown]:
    found = []
    for match in _SENTENCES.finditer(text):
        sentence = " ".join(match[0].split())
        blocked = sentence.startswith(("Your request was blocked", "404 page", "Unexpected endpoint"))
        body = (
            Body(shape="text", size_bytes=len(sentence), sample=sentence)
            if blocked
            else Body(
                shape="api_error",
                size_bytes=len(sentence),
                error=ApiError(message=sentence[:2000]),
                sample=sentence[:600],
            )
        )
        status = 404 if sentence.startswith("404 ") else _nearest(statuses, match.start())
        found.append(Shown(status=status, position=match.start(), body=body))
        if len(found) >= _MOST:
            break
    for match in [] if found else list(_CODES.finditer(text))[-_MOST:]:
        error = ApiError(message=None, code=match["code"])
        body = Body(shape="api_error", size_bytes=len(match[0]), error=error, sample=match[0])
        found.append(Shown(status=_nearest(statuses, match.start()), position=match.start("code"), body=body))
    return found


def _bare(text: str, statuses: list[tuple[int, int]]) -> list[Shown]:
    """Statuses and classes with the words that follow them, where no body is shown."""
    found = []
    for position, status in statuses:
        if status < 300 or 530 < status < 598:
            continue
        line = text[position : position + 400].split("\n")[0]
        words = line if _TOLD.match(line) else _text_after_headers(text, position) or _words_after_status(line, status)
        found.append(Shown(status=status, position=position, body=_text_body(words)))
    for match in _PHRASE.finditer(text):
        found.append(
            Shown(
                status=_PHRASE_STATUS[match["phrase"]],
                position=match.start("phrase"),
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
        inner = _STATUS.match("Error: " + words) if words[:3].isdigit() else None
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
        ):
            continue
        found.append(Shown(status=status, position=match.start(), body=_text_body(words)))
        if len(found) >= 4 * _MOST:
            break
    return found[-2 * _MOST :]


def _text_body(words: str) -> Body:
    return Body(shape="text", size_bytes=len(words), sample=words[:600]) if words else Body(shape="empty", size_bytes=0)


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


# What was called is nothing that the answer says.
_WHERE = re.compile(r"(?:on|for|from|at|to) (?:(?:GET|POST|PUT|DELETE) )?https?://[^\s{<]{1,300}", re.IGNORECASE)


# A self-hosted server's own log of a call to the API is what that server answered.
_API_PATH = re.compile(
    r"(?:v1/)?(?:chat/completions|completions|embeddings|responses|models|audio/\w+|images/\w+)\b|api/(?:chat|generate|tags)\b"
)
_ACCESS_LOG = re.compile(r"""["'](?:GET|POST|PUT|OPTIONS|HEAD|DELETE|PATCH) /""")


def _is_access_log(text: str, match: re.Match[str]) -> bool:
    """The application's own server logs its answers to its own callers: a path without a host (urllib3 puts the host before it)."""
    start = text.rfind("\n", 0, match.start()) + 1
    line = text[max(start, match.start() - 600) : match.end()]
    found = _ACCESS_LOG.search(line)
    return found is not None and "://" not in line[: found.start()] and not _API_PATH.search(line, found.end())


def _status(match: re.Match[str]) -> int:
    return int(next(group for group in match.groups() if group))


def _nearest(statuses: list[tuple[int, int]], position: int) -> int:
    """The status said last before this place, else soon after it; 0 if there is none near."""
    before = [status for at, status in statuses if position - 500 <= at <= position and status >= 300]
    if before:
        return before[-1]
    after = [status for at, status in statuses if position < at <= position + 900 and status >= 300]
    return after[0] if after else 0


def _status_of(document: Any, error: ApiError) -> int:
    if isinstance(document, dict):
        for key in ("statusCode", "status", "status_code", "code"):
            value = document.get(key)
            if isinstance(value, int) and 300 <= value <= 599:
                return value
    if error.code and error.code.isdigit() and 300 <= int(error.code) <= 599:
        return int(error.code)
    return 0


def _word(value: Any) -> str | None:
    return None if value is None or isinstance(value, (dict, list)) else str(value)[:200]
