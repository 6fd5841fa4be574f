"""Which names say that their value is a secret, and where a text tells a value under such a name.

`NAME=value`, YAML, JSON, TOML, headers, the code and the shells of any language: in all of them a value stands behind its name. What the diagnosis
reads stays: names alone, numbers, references to a variable, words of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from oairunbook.redaction.fields import pairs

SECRET_NAME = re.compile(
    r"(KEY|TOKEN|SECRET|PASSW(OR)?D|PASSPHRASE|_PASS$|PGPASS|.PWD$|CREDENTIAL|_CREDS$|AUTHORIZATION|COOKIE|SIGNATURE|_AUTH$|_PAT$|(?:^|_)PW$|^IDENTITY_HEADER$)",
    re.IGNORECASE,
)
NO_SECRET_NAME = re.compile(r"((_FILE|_DIR|_PATH|_HOME|_URL|_ENDPOINT)$|^OLDPWD$)")

DUMMY_KEYS = frozenset(
    {"ollama", "lm-studio", "llama.cpp", "not-needed", "placeholder", "anything", "sk-no-key-required"}
)
"""What servers without keys tell their users to set. It is no secret, and `ollama` is a common host name, which must stay."""


def names_secret(name: str) -> bool:
    """Whether the value of a variable of this name is a secret."""
    return bool(SECRET_NAME.search(name) and not NO_SECRET_NAME.search(name))


def is_way_to_authenticate(name: str, value: str) -> bool:
    """Whether a variable such as `PROXY_AUTH` holds a word (negotiate, required, certificate) and no secret."""
    return name.upper().endswith("_AUTH") and value.isalpha() and not looks_random(value)


PARAMETERS = (
    r"sig|signature|sv|code|token|access_token|refresh_token|id_token|assertion|auth|session|sessionid|sid|password|passwd|pwd|secret|client_secret|"
    r"key|api[-_]?key|subscription-key|x-amz-signature|x-amz-security-token|x-amz-credential|x-goog-signature|x-goog-credential"
)
"""Parameters of a URL whose value is a secret, or a part of one."""

NO_SECRET_PARAMETER = re.compile(r"[A-Za-z]{1,15}$|\d{1,11}$|\d{4}-\d\d-\d\d")
"""A word, a number or a date: as the value of a parameter it would be taken out wherever else it stands. Node.js reads it as well."""


def is_parameter_secret(name: str, value: str) -> bool:
    """Whether a parameter of a URL holds a secret, which is one wherever else it stands."""
    snake = _snake(name)
    if STRONG_NAME.search(snake):
        return bool(value)
    known = re.fullmatch(PARAMETERS, name, re.IGNORECASE) or _is_secret(snake)
    return bool(known) and not NO_SECRET_PARAMETER.match(value)


DRAWN = re.compile(r"(?=.*[A-Za-z])(?=.*\d.*[A-Za-z]|.*\d{4}).{8,}$")
"""Letters and digits among each other: the piece of a path that is no word with a number behind."""


def looks_drawn(piece: str) -> bool:
    """Whether the piece of a path was drawn, not written. Node.js does the same."""
    return bool(DRAWN.match(piece)) and not WORDS_AND_NUMBERS.match(piece)


_WORDS = (
    *("key", "token", "secret", "passwd", "password", "passphrase", "pass", "pwd"),
    *("credential", "authorization", "cookie", "signature", "identity_header", "auth", "_pat", "pw", "_creds"),
)
"""A text is searched for these alone; what stands around one makes it a name, or not."""

# In a text a word of that kind also names what is counted, described, or no secret at all.
OF_SOMETHING_ELSE = re.compile(
    r"(?:MON|TUR|DON|HOC|JOC|HOT)KEY|KEY_?(?:BOARD|WORD|NOTE|CLOAK|SPACE|CHAIN|STROKE|RING|FILE)|PUBLIC|FINGERPRINT|IDEMPOTENCY|(?:CACHE|PARTITION|SORT|FOREIGN|SHARD|TRACE)_KEY|"
    r"TOKENI[ZS]|TOKENS(?:_|$)|(?:BOS|EOS|PAD|UNK|STOP|PAGE|CONTINUATION)_TOKEN|ERROR|EXCEPTION|WARNING|"
    # names of errors: UNABLE_TO_VERIFY_LEAF_SIGNATURE, ERR_OSSL_EVP_INVALID_KEY
    r"(?:^|_)(?:ERR|INVALID|INCORRECT|WRONG|BAD|FAIL\w*|MISSING|EXPIRED|UNABLE|UNSUPPORTED|UNKNOWN|MISMATCH|INCOMPATIBLE|REQUIRED|DENIED|NOT_FOUND|TOO_\w+)(?:_|$)|"
    r"_(?:ID|IDS|IDX|INDEX|COUNT|LIMITS?|TYPE|NAME|LEN|LENGTH|SIZE|USAGE|USED|BUDGET|POLICY|FORMAT|ALGORITHM|STATUS|TTL|VERSION|REF|EXPIRY|EXPIRES\w*|MS|SECONDS|LATENCY|"
    r"FILE|DIR|PATH|HOME|URL|ENDPOINT|METHODS?|SCHEME|AT|IN|ENV|ENV_VAR|VAULT|PROVIDER)$"
)
_NO_SECRET_BEFORE = re.compile(
    r"(?:public[ _-]?|(?:routing|partition|sort|foreign|shard|cache|trace) |(?:unexpected|illegal|next) )\Z",
    re.IGNORECASE,
)
"""Words before a name: keys of a queue or a table, and what a parser calls a token."""

ACCESS_KEY_ID = "ACCESS_KEY_ID"
STRONG_NAME = re.compile(
    r"(?:API_?KEY|(?:ACCESS|PRIVATE|SUBSCRIPTION|ACCOUNT|SHARED|MASTER)_?KEY|(?:^|_)(?:PAT|PW)$|SECRET|PASSW(?:OR)?D|PASSPHRASE|PWD|(?:ACCESS|REFRESH|ID|AUTH|SESSION|SECURITY|BEARER|API)_?TOKEN)"
    r"(?:_\w{1,12})?$"
)
"""Names whose value is a secret, whatever it looks like."""

_QUOTE = r"(?:\\{0,8}[\"'`]|&(?:quot|apos|#34|#39);|%2[27])"
_ANSI = r"\x1b\[[\d;]{0,9}m"
_BLANKS = rf"(?:[ \t\u00a0]|{_ANSI}){{0,40}}"
_TOLD = re.compile(
    r"(?:"
    # name: API_KEY … value: …; "Name": "API_KEY", "Value": "…"; key="API_KEY" value="…"
    rf"(?P<value>(?:{_QUOTE})?[ \t,;]{{0,40}}(?:\r?\n[ \t-]{{0,80}})?(?:{_QUOTE})?[vV](?:alue|ALUE)(?:{_QUOTE})?{_BLANKS}[:=]{_BLANKS})"
    # ("X-Api-Key", "…"), [b'x-api-key', b'…'], setenv("API_KEY", "…")
    rf"|(?P<pair>{_QUOTE}{_BLANKS},[ \t\r\n]{{0,80}})(?=[bBuUrR@]?{_QUOTE})"
    # AzureKeyCredential("…"), setApiKey('…')
    rf"|(?P<call>\({_BLANKS})(?=[bBuUrR@]?{_QUOTE})"
    # the common case, also with the type of a declaration, a block of YAML, or a word of a sentence between
    rf"|(?P<sign>(?: (?:provided|used|given|value|is|was|set to))?(?:{_QUOTE})?\]?{_BLANKS}"
    rf"(?::{_BLANKS}(?:str|string|String|&str|&'static str|String\?|Optional\[str\]|str \| None){_BLANKS})?"
    rf"(?::=|=>|==?|:|%3[DdAa]){_BLANKS}(?:\[\s{{0,40}}(?=[bBuU]?{_QUOTE}))?(?:SecretStr\()?(?:[|>][+-]?{_BLANKS}(?=\r?\n))?(?:\r?\n[ \t]{{1,80}})?)"
    # <ApiKey>…</ApiKey>, and a cell of a table
    rf"|(?P<element>>)|(?P<cell>{_BLANKS}[|\u2502]{_BLANKS})"
    # API_KEY is set to …, API key '…' is not valid
    rf"|(?P<said> (?:(?:is |was )?(?:set to|equal to|equals) |(?:is|was) |(?={_QUOTE})))"
    # setx API_KEY …, --api-key …, and columns
    r"|(?P<blank>[ \t\u00a0]{1,40}(?:(?:[Ff]alse|[Tt]rue)[ \t]{1,40})?)"
    rf")(?:[bBuUrR@]?(?P<quote>{_QUOTE})|(?P<bare>[^\s\"'`<>\x1b]{{1,2}}))"
)
_REST = re.compile(r"[\w-]{0,40}")
_BARE = re.compile(r"[^\s\"'`<>\x1b]*")
_BY_COMMAND = re.compile(r"(?:^|\s|[\"'`\[(])(?:--?[\w-]*|(?:setx|setenv|ENV|set[ \t]+-\w+)[ \t]+\w*)\Z")
_ENDS = re.compile(r"[,;&)}\]|]|%26|%2[27]")
_ELEMENT = re.compile(rf"{_QUOTE}\s{{0,80}},\s{{0,80}}[bBuU]?(?P<quote>{_QUOTE})(?P<bare>)")
_COLOUR = re.compile(_ANSI)
_FIRST_OF_TWO = re.compile(r"\b(?:api|access|secret|auth|bearer|subscription|master) \Z", re.IGNORECASE)
"""Words before a name after which a sentence gives its value without a sign between: `api key Zk9v…`."""

_COLUMN = re.compile(r"[\t\u00a0]|  ")
_NEXT = re.compile(r"[,;&|](?=\s*[\w.-]+[=:])")
_NEXT_NAME = re.compile(rf"(?:{_QUOTE})?\s{{0,9}}[:=]")
_MORE_WORDS = re.compile(r"[ \t][A-Za-z]")
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST_NAME = 64
_SHORTEST_VALUE = 3
_SHORTEST_SAID = 20
_ALGORITHM = re.compile(r"sha\d|rsa|dsa|aes|secp|25519|chacha", re.IGNORECASE)
_LONGEST_JUDGED = 128
"""What a long word is follows from its beginning: to its end for each name in it would take its length squared."""
_LONGEST_QUOTED = 4096


def told(text: str) -> list[tuple[int, int]]:
    """From where to where the values stand that a text tells under the name of a secret, in their order."""
    return sorted({*_behind_names(text), *_in_fields(text)})


def _in_fields(text: str) -> Iterator[tuple[int, int]]:
    for name, found in pairs(text):
        snake = _snake(name)
        if _is_secret(snake):
            begin, end = _place(text, found, whole=False)
            if _holds(name, snake, text[begin:end], assigned=True, quoted=found["quote"] is not None):
                yield begin, _end(text, begin, end)


def _behind_names(text: str) -> Iterator[tuple[int, int]]:
    behind = last = 0
    for at, word in _words(text):
        if at < behind or at < last:
            continue
        rest = _REST.match(text, at + len(word))
        last = rest.end() if rest else at + len(word)
        found = _TOLD.match(text, last)
        if found is None:
            continue
        first = at
        while first > max(0, at - _LONGEST_NAME) and (text[first - 1].isalnum() or text[first - 1] in "_-"):
            first -= 1
        colour = _COLOUR.search(text, max(0, first - 12), at)
        if colour:
            first = max(first, colour.end())
        place = _value(text, first, last, found)
        is_array = "[" in (found["sign"] or "")
        while place is not None:
            behind = place[1]
            yield place
            more = _ELEMENT.match(text, behind) if is_array else None
            place = _place(text, more, whole=False) if more else None


def _words(text: str) -> list[tuple[int, str]]:
    lower = text.lower()
    if len(lower) != len(text):
        # A letter that has no small one of its own length would move every place behind it.
        lower = text.translate(_LOWER)
    found = []
    for word in _WORDS:
        at = lower.find(word)
        while at >= 0:
            found.append((at, word))
            at = lower.find(word, at + len(word))
    # Where two begin at one place, the longer is the name's: `pass`, `password`.
    return sorted(found, key=lambda one: (one[0], -len(one[1])))


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def _value(text: str, first: int, last: int, found: re.Match[str]) -> tuple[int, int] | None:
    """Where the value stands that is told under the name between *first* and *last*; None if it is no secret."""
    name = text[first:last].strip("-")
    snake = _snake(name)
    tight = found["sign"] == "="
    # `--- PASS: TestClient2` names no password.
    if not (_is_secret(snake) or (snake == "PASS" and tight)):
        return None
    before = text[max(0, first - 24) : first]
    if found["element"] and not before.endswith("<"):
        return None
    by_command = bool(found["blank"] or found["said"] == " ") and bool(_BY_COMMAND.search(before + text[first:last]))
    of_two_words = bool(found["blank"]) and not by_command and bool(_FIRST_OF_TWO.search(before))
    in_a_column = bool(found["blank"]) and _is_variable(name) and bool(_COLUMN.search(found["blank"]))
    if found["blank"] and not (by_command or in_a_column or of_two_words):
        return None
    if (found["sign"] or found["said"]) and _NO_SECRET_BEFORE.search(before):
        return None
    is_variable = _is_variable(name)
    begin, end = _place(text, found, whole=is_variable and tight)
    value = text[begin:end]
    if found["said"] and not by_command and not (_is_said(name, snake, before) or _is_told_of(found["said"], value)):
        return None
    if of_two_words and not (len(value) >= _SHORTEST_SAID and DRAWN.match(value)):
        return None
    if found["pair"] and _NEXT_NAME.match(text, end):
        # The next name of a dictionary.
        return None
    quoted = found["quote"] is not None
    assigned = bool(found["value"] or by_command or (found["sign"] and (tight or quoted or is_variable)))
    if (found["sign"] or "").endswith(": ") and not quoted and _MORE_WORDS.match(text, end):
        # The name of an error, and what it says: `UNABLE_TO_VERIFY_LEAF_SIGNATURE: unable to verify the first certificate`.
        assigned = False
    if not _holds(name, snake, value, assigned=assigned, quoted=quoted):
        return None
    return begin, _end(text, begin, end)


def _is_said(name: str, snake: str, before: str) -> bool:
    """Whether a sentence that quotes a value speaks of a secret: of a key alone also a dictionary does."""
    return _is_variable(name) or bool(STRONG_NAME.search(snake)) or before.lower().endswith("api ")


def _is_told_of(words: str, value: str) -> bool:
    """Of a mere key or signature a sentence tells its kind as well: `signature is sha256WithRSAEncryption`."""
    return words != " " and len(value) >= _SHORTEST_SAID and not _ALGORITHM.search(value)


def _snake(name: str) -> str:
    return HUMP.sub("_", name).replace("-", "_").upper()


def _is_secret(snake: str) -> bool:
    return bool(SECRET_NAME.search(snake)) and (not OF_SOMETHING_ELSE.search(snake) or ACCESS_KEY_ID in snake)


def _is_variable(name: str) -> bool:
    return "_" in name and name == name.upper()


def _holds(name: str, snake: str, value: str, *, assigned: bool, quoted: bool) -> bool:
    """Whether a value under this name is a secret."""
    if is_way_to_authenticate(snake, value):
        return False
    strong = _is_variable(name) or bool(STRONG_NAME.search(snake))
    whatever = assigned and strong and len(value) >= _SHORTEST_VALUE
    drawn = looks_random(value) and not (_PATH_OF_WORDS if strong else WORDS_AND_NUMBERS).match(value)
    return (whatever or drawn) and not _is_none(name, value, quoted=quoted)


def _end(text: str, begin: int, end: int) -> int:
    if end - begin == _LONGEST_JUDGED:
        rest = _BARE.match(text, end)
        end = rest.end() if rest else end
    return end


def _place(text: str, found: re.Match[str], *, whole: bool) -> tuple[int, int]:
    if found["quote"] is not None:
        begin = found.end("quote")
        end = text.find(found["quote"], begin, begin + _LONGEST_QUOTED)
        while end > begin and text[end - 1] == "\\":
            end = text.find(found["quote"], end + 1, begin + _LONGEST_QUOTED)
        line = text.find("\n", begin, begin + _LONGEST_QUOTED)
        if end >= 0 and (line < 0 or end < line):
            return begin, end
    else:
        begin = found.start("bare")
    bare = _BARE.match(text, begin, begin + _LONGEST_JUDGED)
    assert bare is not None
    cut = (_NEXT if whole else _ENDS).search(text, begin, bare.end())
    end = cut.start() if cut else bare.end()
    return begin, begin + len(text[begin:end].rstrip(",;.:\\"))


# -- what is no secret although a name says so --------------------------------------------------------------------

_LITERAL = re.compile(
    r"(?:none|null|nil|undefined|nan|true|false|yes|no|on|off|empty|missing|required|unset|invalid|unknown|default|optional|provided|not[ _-]set|"
    r"set|str|string|bytes|any|object|bearer|basic|digest|ntlm|negotiate|kerberos|[+-]?\d{1,9}(?:\.\d{1,9})?|\W*)\Z",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    # ${KEY}, $(cat key), {{ key }}, <your key>, {key}, %KEY%, %(key)s, $env:KEY, $API_KEY, !secret key, @Microsoft.KeyVault(…)
    r"[\[]redacted|\$?\$[({]|\{\{|<[^<>]*>|\{[^{}]*\}|%[^%]+%\Z|%\(|\$env:|\$[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z|![A-Za-z]+(?::|\Z)|@Microsoft\.|"
    r"\*{3}|\.{3}|\u2022|\u2026|x{4,}|(?:os|process|import|self|this|config|settings|env|ctx|args|options)\b[.\[]|(?:file|env|secret|vault|arn|urn):",
    re.IGNORECASE,
)
_CODE = re.compile(r"[A-Za-z_]\w*(?:(?:\.|::)[A-Za-z_]\w*)*(?:[(\[{]|\Z)")
_SIGN_OF_REFERENCE = frozenset("$@!%{<")
WORDS_AND_NUMBERS = re.compile(r"[A-Za-z]{2,20}(?:[-_./](?:[A-Za-z]{1,20}|\d{1,5}[a-z]?|[a-z]{1,8}\d{1,3}))+\Z")
"""A model, the id of a row, the path of a secret: gpt-4o-mini-2024-07-18, user_id_12345."""

_PATH_OF_WORDS = re.compile(r"[a-z]{2,20}(?:[-_][a-z]{2,20})*(?:/[a-z]{2,20}(?:[-_][a-z]{2,20})*\d{0,4})+\Z")
_FOR_PEOPLE = re.compile(r"your[_ -]?|placeholder|example|changeme|replace[_ -]?me", re.IGNORECASE)
PATH = re.compile(
    r"(?:~|\.{1,2})?/(?:etc|home|usr|var|srv|opt|app|tmp|root|run|mnt|dev|Users|proc|data|secrets?|certs?)(?:/|\Z)|\.{0,2}/[\w./-]+\.[a-z]{2,4}\Z|[A-Za-z]:\\"
)
"""Of a file or folder."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]|\Z)")
_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d{1,5})?(?:/.*)?\Z")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_JUDGED = 64
"""How a value looks, its beginning tells."""


def _is_none(name: str, value: str, *, quoted: bool) -> bool:
    if _LITERAL.match(value) or value.lower() in DUMMY_KEYS or _REFERENCE.match(value) or PATH.match(value):
        return True
    if "://" in value or _TIME.match(value):
        return True
    if value[0] in _SIGN_OF_REFERENCE and not looks_random(value[1:]):
        return True
    if value[0] == "{" and not (quoted or _is_variable(name)):
        # An object of a language whose names need no quotes.
        return True
    if _FOR_PEOPLE.search(value):
        # `your-api-key-12345` is for people, a drawn key with the word in it is none.
        rest = _FOR_PEOPLE.sub("", value).strip("-_.<>{}")
        if not looks_random(rest) or WORDS_AND_NUMBERS.match(rest):
            return True
    if name.lower().endswith(value.lower()):
        return True
    # A name in the place of a value: `api_key=OPENAI_API_KEY`, `KeyError: 'api_key'`.
    named = re.fullmatch(r"[A-Za-z]+(?:[_.-][A-Za-z]+)+", value) and SECRET_NAME.search(value)
    # Code that reads it from somewhere: `token=get_token()`, `key=cfg.openai.key`.
    code = None if quoted else _CODE.match(value)
    read = code and not value[: code.end()].isalnum() and ("." in code[0] or "::" in code[0] or code[0][-1] in "([{")
    return bool(named or (read and not looks_random(value[: code.end() - 1] if code else "")))


def looks_random(value: str) -> bool:
    """Whether a value looks drawn, not written: letters and digits among each other, or one long word that is none."""
    value = value[:_JUDGED]
    if (
        len(value) < _SHORTEST_RANDOM
        or " " in value.strip()
        or "://" in value
        or _HOST.match(value)
        or _TIME.match(value)
    ):
        return False
    if value.isdigit():
        return len(value) >= _SHORTEST_NUMBER
    stem = value.rstrip("0123456789")
    if len(value) - len(stem) <= 3:
        # `my-app-2`: words with a number behind.
        value = stem
    if any(letter.isdigit() for letter in value) and any(letter.isalpha() for letter in value):
        return True
    # Words, also of a name in any style, are no secret by their look.
    parts = _PARTS.findall(value)
    return len(value) >= _SHORTEST_WORD and (
        any(len(p) > _LONGEST_WORD for p in parts) or sum(len(p) < 3 for p in parts) > 4
    )


_SHORTEST_RANDOM = 8
_SHORTEST_NUMBER = 12
_SHORTEST_WORD = 16
_LONGEST_WORD = 20
