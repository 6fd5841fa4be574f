"""What has the shape of a secret, whoever's it is."""

from __future__ import annotations

import re

from oairunbook.redaction.names import PARAMETERS

_HEADERS = r"api-key|x-api-key|authorization|proxy-authorization|ocp-apim-subscription-key|cf-aig-authorization|set-cookie|cookie"

_BLANKS = r"(?:[ \t]{1,99}|[ \t]{0,99}\r?\n[ \t]{1,99}(?![ \t]{0,99}[\w-]{1,64}[ \t]?[:=]))"
"""Between a scheme and its credentials, or a header's name and its value: a line that was folded goes on, and one that is a header of its own does not."""

SHAPES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    # userinfo of a URL, up to the last @ before the path; the host behind it stays
    (
        "url userinfo",
        re.compile(
            r"(?P<keep>[a-z][a-z0-9+.-]{0,31}://)(?!\[redacted[^\]]{0,40}\]@)[^\s/?#'\"<>]+(?=@)", re.IGNORECASE
        ),
        "",
    ),
    (
        "url userinfo",
        # of a URL that stands in another one
        re.compile(
            r"(?P<keep>[a-z][a-z0-9+.-]{0,31}%3A%2F%2F)(?!%5Bredacted|\[redacted)(?:(?!%2F|%3F|%23)[^\s/?#&'\"<>]){1,512}(?=%40)",
            re.IGNORECASE,
        ),
        "",
    ),
    (
        "url userinfo",
        # without a scheme, as a proxy may be written: `user:password@proxy:3128`
        re.compile(
            r"(?P<keep>(?<![\w.%+@:/-])(?://)?[\w.%+-]{1,64}:)(?!\[redacted)[^\s/@:'\"<>]{6,128}(?=@[\w.-]{1,253}:\d{2,5}\b)"
        ),
        "",
    ),
    (
        "signed query",
        re.compile(rf"(?P<keep>[?&;](?:{PARAMETERS})=)(?!\[redacted[^\]]{{0,40}}\])[^&\s\"'<>]+", re.IGNORECASE),
        "",
    ),
    (
        "authorization",
        re.compile(
            rf"(?P<keep>\b(?:bearer|basic|digest|negotiate){_BLANKS})"
            r"(?=[A-Za-z0-9+/=._~-]{8,})"
            # words of a sentence and parameters of a challenge stay: `Basic realm=…`, `basic authentication`
            r"(?!realm|token\b|(?-i:[A-Z]?[a-z]+)(?![A-Za-z0-9+/=_~]|[.-]\w))[^\s\"',;]+",
            re.IGNORECASE,
        ),
        "",
    ),
    (
        "secret header",
        # `name: value`, `"name": "value"`, and the pairs that transports print: (b'name', b'value')
        re.compile(
            rf"(?P<keep>\b(?:{_HEADERS})(?:['\"]?\s{{0,99}}[:=](?:\s{{0,99}}b?['\"]|{_BLANKS}?)|['\"],\s{{0,99}}b?['\"]))(?!\s{{0,99}}(?:[A-Za-z]{{1,20}}\s)?\[redacted)[^\r\n'\"]+",
            re.IGNORECASE,
        ),
        "",
    ),
    (
        "password of a command",
        # curl -u user:password, sshpass -p password; a variable in its place stays
        re.compile(
            r"(?P<keep>\bcurl\b(?:(?!\bcurl\b)(?:\\\r?\n|[^\n|;])){0,400}?(?:[ \t]|\\\r?\n)"
            r"(?:-[a-zA-Z]{0,6}[uU]|--user|--proxy-user)[ =]{0,4}[\"']?[^\s:\"'$]{1,64}:"
            r"|\bsshpass[ \t]{1,9}-p[ \t]{0,9}[\"']?"
            r"|\b(?:docker|podman|helm registry)[ \t]{1,9}login\b[^\n|;]{0,200}?[ \t]-p[ \t]{1,9}[\"']?"
            r")(?![$%{<]|\[redacted|//)[^\s\"']+"
        ),
        "",
    ),
    (
        "cookie of a command",
        # curl -b 'name=value; …', as browsers copy a request; without a sign it is a file's name
        re.compile(
            r"(?P<keep>(?:[ \t]|\\\r?\n)(?:-b|--cookie)[ \t=]{0,4}\$?(?P<quote>[\"'])?)(?![$%{<]|\[redacted)"
            r"(?(quote)[^\"'=\n]{1,256}=[^\"'\n]+|[^\s\"'=]{1,256}=[^\s\"']+)"
        ),
        "",
    ),
    (
        "password beside a user",
        # .netrc, and what a log says of a login
        re.compile(
            r"(?P<keep>\b(?:(?:machine\s{1,9}\S{1,253}|default)\s{1,40}(?:login|account)\s{1,9}\S{1,99}\s{1,40}password\s{1,9}"
            r"|(?:user(?:name)?|login|uid)=[^\s,;&]{1,64}[\s,;&]{1,9}(?:password|passwd|pass|pwd)=)[\"']?)"
            r"(?![$%{<]|\[redacted)[^\s\"',;&]{3,128}",
            re.IGNORECASE,
        ),
        "",
    ),
    # OpenAI's own error text shows a masked key ("sk-ab***yz"); the mask is removed as well
    (
        "openai key",
        re.compile(r"(?:(?<![A-Za-z])|(?<=%[0-9A-Fa-f]{2}))(?:sk|sess|ek|rk|pk)-[A-Za-z0-9_*.\-\u2022]{6,}"),
        "key",
    ),
    ("jwt", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"), "jwt"),
    ("aws key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "key"),
    (
        "vendor token",
        re.compile(
            r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}"
            r"|xox[abeprs]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{20,}|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{30,}"
            r"|pypi-AgEI[A-Za-z0-9_-]{20,}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|hv[sb]\.[A-Za-z0-9_-]{20,}"
            # who has an API like this one: Groq, Replicate, Fireworks, xAI, Perplexity, Cerebras, NVIDIA, Databricks
            r"|(?:gsk|r8|fw)_[A-Za-z0-9]{20,}|(?:xai|pplx|csk)-[A-Za-z0-9]{20,}|nvapi-[A-Za-z0-9_-]{20,}|dapi[0-9a-f]{32})"
        ),
        "token",
    ),
    (
        "private key",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        "key",
    ),
)
