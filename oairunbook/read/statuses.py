# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Numbers of HTTP statuses in a text, and which of them is whose."""

from __future__ import annotations

import re
from collections.abc import Sequence

from oairunbook.phrases import Phrases

STATUS = Phrases(
    r"""Error code:\W{1,4}(?P<a>\d{3})\b"""
    r"""|HTTP/[\d.]{1,3}"?\s(?P<b>\d{3})\b"""
    r"""|\bstatus(?:[_ ]?code)?\\?["']?(?:\s(?:of|returned))?\s{0,2}[:=]{0,2}\s{0,2}\(?["']?(?P<c>[1-5]\d{2})\b(?!ms)"""
    r"""|(?<!reachable \()\bHTTP(?:\s(?:status|error|response))?(?:\scode)?(?:\swas)?[:\s]\s?(?P<d>[1-5]\d{2})\b"""
    r"""|(?:Error|Exception)[\]:]{1,2}\s(?P<e>[45]\d{2})(?=\s|:|,|$)(?! (?:failed to connect to all addresses|DNS resolution failed))"""
    r"""|(?:^|[\s"'(:])(?P<f>[45]\d{2}) (?:Client|Server) Error\b"""
    r"""|(?:Client|Server) error '(?P<g>[345]\d{2})\b"""
    # aiohttp's ClientResponseError, with its class or, where an application prints it, without.
    r"""|(?<![\d.,])\b(?P<h>[45]\d{2}), message=(?=['"])"""
    r"""|\b(?:failed|failure|errors?|refused|rejected|denied) \((?:HTTP |status(?: code)?:? )?(?P<aa>[45]\d{2})\)"""
    r"""|: (?P<bb>[45]\d{2}) [-\u2013] (?=\{)"""
    r"""|(?:^|[\s"'(:>`\u4e00-\u9fff\uff0c\u3002\uff1a\uff08\u201c-])(?P<i>[45]\d{2})[ :()"'-]{1,4}(?:Unauthorized|Forbidden|Not Found|Too Many Requests|Bad Request|Internal Server Error|Bad Gateway|Service (?:Temporarily )?Unavailable|Gateway Time-?out|Payment Required|Request Timeout|(?:Method )?Not Allowed|Proxy Authentication Required|(?-i:Resource not found))"""
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
    r"""|\bResponse(?::| is| was)? {1,2}(?P<o>[45]\d{2})\b(?! ?(?:ms|tokens|words|characters|bytes|lines)\b)"""
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
    r"""|\b(?:sees?|says?|shows?|message|errors?|request|response|failed|failure): ["'`]?(?P<hh>4(?:0[0134]|2[29])|50[0234]) (?=\{|(?-i:[A-Z][a-z]{1,20} [a-z]))"""
    # `Not working - 401`, at the end of a title
    r"""|\b(?:not? working|doesn't work|does not work|fail(?:s|ed|ing|ure)?|errors?|problems?|issues?)\b[^\n\d]{0,40}[-\u2013:(] ?(?P<ii>4(?:0[0134]|2[29])|50[0234])(?=[)\]]?[ \t*`]{0,6}$)"""
    # Google's.
    r"""|\[(?P<ff>[45]\d{2}) [A-Z]{2,20}(?:_[A-Z]{2,20}){0,4}\]"""
    # `status code not equals 200,code is 401`, `HTTP status was 503`
    r"""|\b(?:status|http)\b[^\n]{0,40}?\b(?:is|was|got|received) {0,2}:? ?(?P<dd>4(?:0\d|1[0-8]|2[2-9]|51)|5(?:0[0-4]|2\d|30))\b(?! ?(?:ms|tokens))"""
    # In prose: a number that a word of amount follows is none.
    r"""|\b(?:receiv(?:e[sd]?|ing)|gets?|got|getting|gives?|gave|throws?|threw|return(?:s|ed|ing)?)(?: me)? (?:an? |the )?(?:HTTP )?["'`]?(?P<w>40[0-9]|413|422|429|50[0-4]|52[0-9])(?=["'`]?(?:[.,;:!)\n]|$| (?:when|on|from|for|and|but|back|after|every|not found)\b))""",
    flags=re.IGNORECASE | re.MULTILINE | re.ASCII,
)
# A self-hosted server's own log of a call to the API is what that server answered.
_API_PATH = re.compile(
    r"(?:v1/)?(?:chat/completions|completions|embeddings|responses|models|audio/\w+|images/\w+)\b|api/(?:chat|generate|tags)\b"
)
_ACCESS_LOG = re.compile(r"""["'](?:GET|POST|PUT|OPTIONS|HEAD|DELETE|PATCH) /""")


_TOLD_IN_PROSE = ("u", "w", "z", "dd")


def of_the_application_itself(text: str, matches: Sequence[re.Match[str]]) -> list[re.Match[str]]:
    """Matches without those of the application's own log, what prose tells of a status that stands in that log, and the numbers of lines of code."""
    matches = [match for match in matches if not _counts_lines(text, match)]
    logged = [is_access_log(text, match) for match in matches]
    own = {number(match) for match, of_log in zip(matches, logged, strict=True) if of_log}
    return [
        match
        for match, of_log in zip(matches, logged, strict=True)
        if not of_log and not (_in_prose(match) and number(match) in own)
    ]


def _counts_lines(text: str, match: re.Match[str]) -> bool:
    """Notebooks number the lines of code that they show: the line before or behind has the number before or behind."""
    if match.lastgroup != "k":
        return False
    before = text[max(0, match.start() - 400) : match.start()].rstrip("\n").rpartition("\n")[2]
    behind = text[match.end() : match.end() + 400].partition("\n")[2]
    return any(
        (beside := _NUMBERED.match(line)) is not None and int(beside[1]) == number(match) + step
        for line, step in ((before, -1), (behind, 1))
    )


_NUMBERED = re.compile(r"(?:-{1,4}>)? {0,8}(\d{1,5})(?= |$)", re.MULTILINE)


def _in_prose(match: re.Match[str]) -> bool:
    return match.lastgroup in _TOLD_IN_PROSE or (match.lastgroup == "i" and match[0].islower())


def is_access_log(text: str, match: re.Match[str]) -> bool:
    """The application's own server logs its answers to its own callers: a path without a host (urllib3 puts the host before it)."""
    start = text.rfind("\n", 0, match.start()) + 1
    line = text[max(start, match.start() - 600) : match.end()]
    found = _ACCESS_LOG.search(line)
    return found is not None and "://" not in line[: found.start()] and not _API_PATH.search(line, found.end())


def number(match: re.Match[str]) -> int:
    """The status that a match of `STATUS` names."""
    return int(next(group for group in match.groups() if group))


def nearest(statuses: list[tuple[int, int]], position: int) -> int:
    """The status said last before this place, else soon after it; 0 if there is none near."""
    before = [status for at, status in statuses if position - 500 <= at <= position and status >= 300]
    if before:
        return before[-1]
    after = [status for at, status in statuses if position < at <= position + 900 and status >= 300]
    return after[0] if after else 0
