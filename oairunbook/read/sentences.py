# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Sentences and codes that only an API, Azure or a gateway says, without a status or braces beside them."""

from __future__ import annotations

import re

from oairunbook.evidence import ApiError, Body
from oairunbook.phrases import Phrases
from oairunbook.read.bare import CLASS_STATUS
from oairunbook.read.shown import MOST, Shown
from oairunbook.read.statuses import nearest

# Sentences of the API, Azure and gateways that name themselves without status or braces.
_SENTENCES = Phrases(
    (
        r"(?:[Yy]ou|[Yy]ou've|[Yy]ou have) exceeded (?:your|our|the) (?:current )?quota[^\n\"'}]{0,200}|Incorrect API key provided[^\n\"'}]{0,200}|Country, region, or territory not supported|You didn't provide an API key[^\n\"'}]{0,120}|"
        r"The model:? [`'\"\\]{0,3}[\w./:@-]{1,80}[`'\"\\]{0,3} (?:does not exist|has been decommissioned)[^\n\"'}]{0,120}|Rate limit reached for [^\n\"'}]{1,400}|(?:That |The )?model is (?:currently )?overloaded[^\n\"'}]{0,200}|"
        r"The server (?:had|experienced) an error (?:while )?processing your request[^\n\"'}]{0,200}|The server is (?:currently )?overloaded[^\n\"'}]{0,120}|The engine is currently overloaded[^\n\"'}]{0,120}|"
        r"(?:The principal [^\n\"}]{0,120})?lacks the required data action[^\n\"}]{0,200}|Principal does not have access to API/Operation|Key based authentication is disabled for this resource|"
        r"(?<=[*`'\"])[Rr]esource not found(?=[*`'\"])|Access token is missing, invalid, audience is incorrect[^\n\"'}]{0,120}|Traffic is not from an approved private endpoint|Subdomain does not map to a resource|"
        r"(?:not|n't) have access to (?:the |this )?[`'\"]?(?=[\w./:-]{0,60}\d)[\w./:-]{2,60}[`'\"]? model\b|"
        r"Access denied due to (?:invalid|missing) subscription key[^\n\"'}]{0,250}|Access denied due to Virtual Network/Firewall rules[^\n\"'}]{0,60}|Public access is disabled[^\n\"'}]{0,80}|"
        r"[Tt]he (?:API|api) deployment for this res{1,2}ource does not exist[^\n\"'}]{0,160}|Outbound network access is restricted[^\n\"}]{0,200}|have exceeded (?:the )?(?:token|call) rate limit[^\n\"'}]{0,300}|No auth credentials found|No cookie auth credentials found|"
        r"(?:This model's )?maximum context length is \d[^\n\"'}]{1,300}|This model's maximum context length is [^\n\"'}]{1,300}|You must be a member of an organization[^\n\"'}]{0,80}|Billing hard limit has been reached|You have no quota\b|"
        r"Your account is not active, please check your billing[^\n\"'}]{0,80}|Missing bearer or basic authentication in header|Your request was blocked\.?|"
        r"(?:Your )?[Oo]rganizations? must be verified[^\n\"'}]{0,200}|No API key provided\. You can set your API key in code[^\n]{0,40}|Request too large for [^\n\"'}]{1,300}|"
        r"Request rate increased too quickly|Provider returned error|max_tokens[^\n]{0,60}(?:should be|[Uu]se)[^\n]{0,20}max_completion_tokens|Error from provider[^\n\"'}]{0,160}|Invalid URL \((?:GET|POST|PUT|DELETE|PATCH) [^)\n]{1,200}\)|Unknown request URL: (?:GET|POST|PUT|DELETE|PATCH) /[^\s\"']{1,200}|Our services aren't available right now|We could not parse the JSON body of your request|User location is not supported for the API use|[Tt]he requested resource was not found\. Please check the URL|[Ww]e're currently experiencing high demand|Failed to deserialize the JSON body into the target type[^\n\"'}]{0,160}|json: cannot unmarshal \w+ into Go struct field \w{0,40}Request\b[^\n\"'}]{0,120}|[Nn]o (?:fallback |backup )?(?:services|providers|backends|upstreams) available[^\n\"'}]{0,160}|do request failed: upstream[^\n\"'}]{0,80}|(?:You do(?: not|n't) have access to (?:the|this) model|[Mm]odel [\w./:@-]{2,80} (?:does )?not exist\b)[^\n\"'}]{0,120}|Maximum content size limit[^\n\"'}]{0,80}|There was an issue with your request\. Please check your inputs|This is a chat model and not supported in the[^\n\"'}]{0,100}|Rate limit is exceeded\.[^\n\"'}]{0,100}|Insufficient credits[^\n\"'}]{0,160}|Insufficient [Bb]alance|No connected db|invalid x-api-key|A Virtual Network is configured for this resource|Invalid proxy server token passed|No api key passed in\.?|Unexpected endpoint or method\.[^\n\"'}]{0,60}|404 page not found|"
        r"An error occurred while processing your request(?=[^{}]{0,250}(?:You can retry|help\.openai\.com|[Rr]equest ID))[^\n\"'}]{0,200}|"
        r"The response was filtered due to the prompt[^\n\"}]{0,300}|No endpoints found(?: that support| for| matching)[^\n\"'}]{0,120}|"
        r"No allowed providers are available[^\n\"'}]{0,120}|This request requires more credits[^\n\"'}]{0,160}|You have insufficient permissions for this operation[^\n\"'}]{0,160}|"
        r"该令牌(?:状态不可用|已过期|额度已用尽)|无效的令牌|令牌额度不足|用户额度不足|(?:当前分组)?上游负载已饱和|负载已满|当前分组[^\n\"'}]{0,60}无可用渠道|当前分组没有可用的?(?:模型|渠道)|(?:[Oo]ur )?[Ss]ervers are currently overloaded|Selected model is at capacity|No deployments available for selected model[^\n\"'}]{0,200}|There are no healthy deployments for this model[^\n\"'}]{0,200}|[Nn]o available (?:channels?|accounts?|candidates?|upstreams?)(?: provider)? for [^\n\"'}]{0,160}|"
        r"(?:Exception|Error)\W{1,3}Overloaded\b|[Tt]oo many requests in \d{1,3} (?:second|minute|hour|day)s?\b[^\n\"'}]{0,60}|You have sent too many requests[^\n\"'}]{0,80}|[Rr]ate[- ]?limit (?:has been |was |is )?(?:exceeded|reached|hit)[.,:;!] (?:[Ww]ait(?:ing)?|[Rr]etry(?:ing)?|[Tt]ry(?:ing)? again|[Ss]leep(?:ing)?|[Bb]acking off|[Cc]onsider|[Pp]lease (?:wait|try again|retry|slow))\b[^\n\"'}]{0,60}|"
        r"invalid format: expected \"json\" or a JSON schema|d(?<=[\"']\sd)oes not support (?:tools|thinking|chat|generate|insert|image input)\b|this model does not support (?:embeddings|tools|chat|generate|insert)\b|registry\.ollama\.ai/\S{1,100} does not support \w{4,8}|"
        r"FUNCTION_INVOCATION_(?:FAILED|TIMEOUT)|Unauthenticated request to AI Gateway|troubleshooting Function URL authorization issues|OpenAI's services are not available in your country[^\n\"'}]{0,60}|Error communicating with OpenAI: HTTP code \d{3}[^\n]{0,60}"
    ).replace(" ", r"\s{1,4}")
)
"""Terminals break long lines, so any white space counts as a space."""
# Codes that only an API gives, named alone; not those that code compares with.
_CODES = Phrases(
    r"(?<![\w=(,\[])(?<![=(,\[|] )(?<!case )(?:(?P<quote>['\"`])|(?<!['\"`]))"
    r"\b(?P<code>unsupported_country_region_territory|insufficient_quota|model_not_found|invalid_api_key|context_length_exceeded|rate_limit_exceeded)\b(?(quote)(?P=quote)|(?!['\"`]))"
)


# In prose the words stand without quotes, and whose they are is said beside them.
_OF_AZURE = Phrases(
    r"azure[^\n]{0,80}?\b(?P<behind>resource not found)\b|\b(?P<before>resource not found)\b[^\n]{0,60}\bazure",
    flags=re.IGNORECASE,
)


def sentences(text: str, statuses: list[tuple[int, int]]) -> list[Shown]:
    """Each such sentence; the codes count where there is none."""
    found = []
    for match in _SENTENCES.finditer(text):
        sentence = " ".join(match[0].split())
        blocked = sentence.startswith(("Your request was blocked", "404 page", "Unexpected endpoint", "Our services"))
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
        status = 404 if sentence.startswith("404 ") else nearest(statuses, match.start())
        status = status or _of_its_class(text, match.start())
        found.append(Shown(status=status, position=match.start(), body=body))
        if len(found) >= MOST:
            break
    for match in [] if found else _OF_AZURE.finditer(text):
        error = ApiError(message="Resource not found")
        body = Body(shape="api_error", size_bytes=len(match[0]), error=error, sample=match[0][:600])
        found.append(Shown(status=nearest(statuses, match.start()), position=match.start(), body=body))
        if len(found) >= MOST:
            break
    for match in [] if found else list(_CODES.finditer(text))[-MOST:]:
        error = ApiError(message=None, code=match["code"])
        body = Body(shape="api_error", size_bytes=len(match[0]), error=error, sample=match[0])
        found.append(Shown(status=nearest(statuses, match.start()), position=match.start("code"), body=body))
    return found


_CLASS = re.compile(rf"(?<!\w)(?P<class>{'|'.join(CLASS_STATUS)})(?!\w)")


def _of_its_class(text: str, position: int) -> int:
    """The status of the class that the line names before it, the innermost of several; 0 if it names none."""
    start = max(text.rfind("\n", 0, position) + 1, position - 300)
    named = [match["class"] for match in _CLASS.finditer(text, start, position)]
    return CLASS_STATUS[named[-1]] if named else 0
