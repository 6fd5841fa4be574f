# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Statuses that a class or a constant of other languages stands for, where no number is shown: Ruby, Java, Kotlin, PHP, .NET, Swift."""

from __future__ import annotations

import re
from collections.abc import Iterator

from oairunbook.phrases import Phrases

_NAMES = {
    "badrequest": 400, "unauthorized": 401, "paymentrequired": 402, "forbidden": 403, "resourcenotfound": 404, "notfound": 404, "proxyauth": 407, "proxyauthenticationrequired": 407,
    "conflict": 409, "unprocessableentity": 422, "unprocessablecontent": 422, "toomanyrequests": 429, "ratelimit": 429, "ratelimited": 429, "ratelimitexceeded": 429,
    # LangChain4j's `ExceptionMapper`
    "authentication": 401, "modelnotfound": 404, "invalidrequest": 400, "internalserver": 500,
    "internalservererror": 500, "badgateway": 502, "serviceunavailable": 503, "gatewaytimeout": 504,
}  # fmt: skip

# What code catches or imports did not happen.
_NOT_IN_CODE = r"(?<!catch )(?<!catch \()(?<!rescue )(?<!except )(?<!import )(?<!throws )(?<!new )(?<!class )(?<!extends )(?<!instanceof )(?<!use )(?<!is )"
_CLASSES = Phrases(
    # Faraday, which all of Ruby's clients use; its ServerError is any 5xx.
    rf"{_NOT_IN_CODE}\bFaraday::(?P<ruby>BadRequest|Unauthorized|Forbidden|ResourceNotFound|ProxyAuth|Conflict|UnprocessableEntity|UnprocessableContent|TooManyRequests)(?:Error)?\b(?!::)"
    # Names that mean nothing but a status, whoever made the class.
    rf"|{_NOT_IN_CODE}(?<![\w/(\[.:$\\])(?:\w{{1,40}}(?:\.|::|\\{{1,2}}|\$)){{0,8}}(?P<named>TooManyRequests|PaymentRequired|UnprocessableEntity|BadGateway|ServiceUnavailable|GatewayTimeout|RateLimit(?:ed|Exceeded)?)(?:Exception|(?<!RateLimit)Error)\b(?=[`'\"):]|\s|$)(?!\s?[({{])"
    # Spring: the exceptions of one status are classes inside the family's.
    r"|\b(?:HttpClientErrorException|HttpServerErrorException|WebClientResponseException)[$.](?P<spring>BadRequest|Unauthorized|Forbidden|NotFound|Conflict|TooManyRequests|InternalServerError|BadGateway|ServiceUnavailable|GatewayTimeout)\b"
    # LangChain4j maps statuses to classes of its own; where the answer had no body, nothing stands behind the class.
    r"|\bdev\.langchain4j\.exception\.(?P<langchain4j>InvalidRequest|Authentication|RateLimit|ModelNotFound|InternalServer)Exception: (?:null\b|$)"
    # .NET prints the constant.
    r"|\bstatus ?code(?: of| is|:|=)? {0,2}['\"]?(?:HttpStatusCode\.)?(?-i:(?P<constant>BadRequest|Unauthorized|PaymentRequired|Forbidden|NotFound|ProxyAuthenticationRequired|Conflict|UnprocessableEntity|TooManyRequests|InternalServerError|BadGateway|ServiceUnavailable|GatewayTimeout))\b"
    # Alamofire
    r"|unacceptableStatusCode\(code: (?P<number>\d{3})",
    flags=re.IGNORECASE | re.MULTILINE,
)


_WORDS = (*_NAMES, "unacceptablestatuscode")


def told(text: str) -> Iterator[tuple[int, int]]:
    """Where such a name stands, and the status that it means."""
    for match in _CLASSES.in_lines_with(_WORDS, text):
        groups = match.groupdict()
        if groups.get("number"):
            yield match.start(), int(groups["number"])
            continue
        name = next(groups[k] for k in ("ruby", "named", "spring", "langchain4j", "constant") if groups.get(k))
        yield match.start(), _NAMES[name.lower()]
