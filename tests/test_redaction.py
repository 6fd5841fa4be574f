"""The door: no secret leaves memory in any form, and what a packet needs stays."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from oairunbook.evidence import ErrorLink, dumps, walk_text
from oairunbook.redaction import Secrets, fingerprint, without_credentials
from oairunbook.redaction.names import DUMMY_KEYS

KEY = "Zq8xAbcd1234EFGHijkl5678mnop"
"""No shape gives this away; only its value does."""


def clean(text: str, **environment: str) -> str:
    return Secrets.from_environment(environment).redact_text(text)


# -- known values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "DATABASE_PASSWORD", "DB_PASS", "MYSQL_PWD", "PGPASSWORD",
        "client_secret", "GOOGLE_CREDENTIALS", "SESSION_COOKIE", "GPG_PASSPHRASE", "GATEWAY_AUTH",
        "AZURE_DEVOPS_EXT_PAT", "DB_PW",
    ],
)  # fmt: skip
def test_the_value_of_a_secret_variable_is_replaced_wherever_it_stands(name: str) -> None:
    assert clean(f"before {KEY} behind{KEY}", **{name: KEY}) == "before [redacted] behind[redacted]"
    assert clean(f"before {KEY}", EDITOR=KEY) == f"before {KEY}"


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "AWS_WEB_IDENTITY_TOKEN_FILE", "SSL_KEY_PATH", "TOKEN_URL"])
def test_a_folder_or_a_file_name_is_no_secret(name: str) -> None:
    assert clean("cannot open /srv/app/config", **{name: "/srv/app"}) == "cannot open /srv/app/config"


BREAKS = ("\n", "\r\n", "\n    ", " \\\n", "\n> ", "\\n", '"\n  "', "' +\n'", "\n\t")
"""A terminal's, a folded header's, a shell's, a quoted mail's, one that is escaped, and of a string in two halves."""


@given(st.lists(st.integers(1, len(KEY) - 1), min_size=1, max_size=4, unique=True), st.sampled_from(BREAKS), st.text())
def test_a_secret_that_line_breaks_part_is_replaced(places: list[int], line_break: str, behind: str) -> None:
    ends = [*sorted(places), len(KEY)]
    parted = line_break.join(KEY[begin:end] for begin, end in zip([0, *ends], ends, strict=False))
    text = clean(f"first line\nkey {parted}\n{behind}", OPENAI_API_KEY=KEY)
    assert text.startswith("first line\nkey [redacted]\n")


@pytest.mark.parametrize("mask", ["*" * 3, "*" * 16, "\u2022" * 5, "...", "\u2026"])
@pytest.mark.parametrize(("begin", "end"), [(8, 4), (4, 0), (0, 4), (2, 2)])
def test_what_a_mask_leaves_of_a_secret_is_replaced(mask: str, begin: int, end: int) -> None:
    shown = KEY[:begin] + mask + KEY[len(KEY) - end :]
    assert clean(f"API key provided: {shown}. More", OPENAI_API_KEY=KEY) == "API key provided: [redacted]. More"


def test_a_mask_of_something_else_stays() -> None:
    for text in ("2 *** 3", "id ab****yz.", "waiting...", f"{KEY[0]}****{KEY[-1]}", "**bold** and *** too"):
        assert clean(text, OPENAI_API_KEY=KEY) == text


@pytest.mark.parametrize("width", [5, 20, 76])
def test_a_secret_inside_base64_that_is_folded_is_replaced(width: int) -> None:
    whole = base64.b64encode(f"user:{KEY * 4}".encode()).decode()
    folded = "\n".join(whole[at : at + width] for at in range(0, len(whole), width))
    inner = base64.b64encode(f"\0\0{KEY * 4}".encode()).decode()[4:-4]
    assert inner in whole
    assert inner not in clean(f"authorization is\n{folded}\n", PROXY_PASSWORD=KEY * 4).replace("\n", "")


def test_a_text_of_many_lines_without_a_secret_stays_as_it_is() -> None:
    text = "Traceback:\n  File 'a.py'\n> quoted\r\n'one' +\n'two' \\\nend\\n"
    assert clean(text, OPENAI_API_KEY=KEY) == text


SLOW = (
    " \t",
    "'",
    "' ",
    "a.b-",
    "eyJaaaaaaaa.",
    "sk-",
    "x://[redacted",
    "cookie:\n",
    "cookie:\n ",
    "basic\n \t",
    "\n \n",
    f"{KEY[:9]}***",
    f"{KEY[:9]}\n{KEY[9:]} ",
    "key=",
    "api_key",
    "token='",
    "%73%6b",
    "\\\\",
    f"{KEY[:6]} ",
    f"{KEY[:8]}x",
    "secret: " + " " * 39,
    "name: key1 ",
    "value: a1b2c3d4 ",
    '{"name":"api_key","value":',
    "\n - ",
    "curl -u ",
    "curl a ",
    " -u a",
    "sshpass -p ",
    "key\x1b[0m",
    "key=['a',",
    "key  ",
    "secret is set to ",
    "docker login ",
    "machine a login b ",
    "user=a pass",
    "a:bbbbbb@",
    "//a:",
    "http%3A%2F%2F",
)


@pytest.mark.parametrize("piece", SLOW)
def test_a_text_made_to_be_slow_takes_no_more_than_its_length(piece: str) -> None:
    """Each of these took the square of its length: 16 kB of blanks took 16 seconds."""
    text = piece * (100_000 // len(piece))
    shown = clean(f"begun {text}\nended https://u:{KEY}@host/", OPENAI_API_KEY=KEY)
    assert KEY[:9] not in shown
    assert shown.startswith("begun")
    assert shown.endswith("@host/")


def test_a_short_value_does_not_blot_out_words() -> None:
    assert clean("connection to node1", SECRET="node1") == "connection to node1"


def test_what_servers_without_keys_tell_their_users_to_set_is_no_secret_and_may_be_a_host_name() -> None:
    assert clean("http://ollama:11434/v1", OPENAI_API_KEY="ollama") == "http://ollama:11434/v1"


@pytest.mark.parametrize(
    "encode",
    [
        str,
        lambda s: quote(s, safe=""),
        lambda s: re.sub("%..", lambda match: match.group().lower(), quote(s, safe="")),
        quote_plus,
        repr,
        lambda s: repr(s.encode()),
        json.dumps,
        html.escape,
        lambda s: s.encode().decode("latin-1"),
        lambda s: base64.b64encode(s.encode()).decode(),
        lambda s: base64.b64encode(f"u:{s}".encode()).decode(),
        lambda s: base64.b64encode(f"user:{s}:rest".encode()).decode(),
        lambda s: base64.urlsafe_b64encode(f"us:{s}".encode()).decode(),
    ],
)
@pytest.mark.parametrize("secret", [KEY, 'p/w+d&\'ü"quoted" back\\slash 12345'])
def test_every_form_in_which_a_secret_travels_is_replaced(encode: Callable[[str], str], secret: str) -> None:
    encoded = encode(secret)
    inner = encoded[4:-4]
    assert inner in f"<{encoded}>"
    assert inner not in clean(f"<{encoded}>", PROXY_PASSWORD=secret)


ESCAPED: dict[str, Callable[[str], str]] = {
    "percent signs": lambda s: "".join(f"%{ord(c):02X}" for c in s),
    "percent signs twice": lambda s: "".join(f"%25{ord(c):02x}" for c in s),
    "entities": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "entities in hexadecimal": lambda s: "".join(f"&#x{ord(c):X};" for c in s),
    "JSON": lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
    "JSON in JSON in JSON": lambda s: "".join(f"\\\\\\\\u{ord(c):04x}" for c in s),
    "bytes of C": lambda s: "".join(f"\\x{ord(c):02x}" for c in s),
    "octal": lambda s: "".join(f"\\{ord(c):03o}" for c in s),
    "quoted-printable": lambda s: "".join(f"={ord(c):02X}" for c in s),
    "hexadecimal": lambda s: s.encode().hex(),
    "hexadecimal, apart": lambda s: s.encode().hex(" "),
    "a list of bytes": lambda s: str(list(s.encode())),
    "capitals": str.upper,
    "small letters": str.lower,
    "blanks": lambda s: " ".join(s[at : at + 4] for at in range(0, len(s), 4)),
    "characters without width": "\u200b".join,
    "UTF-16 read as Latin-1": lambda s: s.encode("utf-16-le").decode("latin-1"),
    "its middle": lambda s: s[4:24],
    "its end": lambda s: s[-14:],
    "the middle of its base64": lambda s: base64.b64encode(f"user:{s}".encode()).decode()[12:32],
}


@pytest.mark.parametrize("how", ESCAPED)
def test_a_secret_goes_however_its_characters_are_written(how: str) -> None:
    for secret in (KEY, TOLD):
        shown = clean(f"before <{ESCAPED[how](secret)}> behind, status 401", APP_KEY=secret)
        assert re.fullmatch(r"before <\[?.{0,8}\[redacted\].{0,8}> behind, status 401", shown), shown


SECRET_URLS = (
    f"https://gw.example/v1?api-key={KEY}&x=1",
    f"https://gw.example/v1?x=1&sig={KEY}",
    f"https://gw.example/v1#access_token={KEY}",
    f"https://gw.example/v1;apiKey={KEY}/models",
    f"https://gw.example/token/{KEY}/v1",
    f"https://gw.example/v1?my_gateway_secret={KEY}",
    f"gw.example/v1?code={KEY}",
)


@pytest.mark.parametrize("url", SECRET_URLS)
@pytest.mark.parametrize("how", ["hexadecimal", "percent signs", "JSON", "entities in hexadecimal"])
def test_what_a_url_names_as_a_secret_goes_in_every_encoding(url: str, how: str) -> None:
    told = f"before {ESCAPED[how](KEY)} behind"
    assert clean(told, OPENAI_BASE_URL=url) == "before [redacted] behind"
    assert Secrets().with_urls(url).redact_text(told) == "before [redacted] behind"
    assert clean(told, OPENAI_BASE_URL="https://gw.example/v1") == told


@pytest.mark.parametrize(
    "url",
    [
        "https://gw.example/v1?api-version=2024-10-21",
        "https://gw.example/v1?key=production&code=12345678&sv=2024-10-21",
        "https://gw.example/keys/production/token/deployment1/v1",
        "https://gw.example/team/production?keyboard=deployment1&region=westeurope2",
    ],
)
def test_words_numbers_and_dates_of_a_url_stay_wherever_they_stand(url: str) -> None:
    text = "production, deployment1 in westeurope2, 12345678 since 2024-10-21"
    assert clean(text, OPENAI_BASE_URL=url) == text


def test_words_hosts_and_paths_of_a_secrets_value_stay() -> None:
    text = "GET https://app.example.com/team2 from /srv/app/keys/prod.json failed: correct horse battery"
    secrets = {
        "OPENAI_CUSTOM_HEADERS": "HTTP-Referer: https://app.example.com/team2/chat\nX-Team: app.example.com-team",
        "GOOGLE_CREDENTIALS": "/srv/app/keys/staging.json",
        "GPG_PASSPHRASE": "correcthorsebatterystaple",
    }
    assert clean(text, **secrets) == text


def test_a_secret_that_a_cut_left_incomplete_is_replaced_as_well() -> None:
    assert clean(f"cut here {KEY[:12]}", APP_KEY=KEY) == "cut here [redacted]"
    assert clean(f"{KEY[-12:]} was cut", APP_KEY=KEY) == "[redacted] was cut"
    assert clean(f"cut here {KEY[:5]}", APP_KEY=KEY) == f"cut here {KEY[:5]}"


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert clean(f"{KEY}-suffix", A_KEY=KEY, B_KEY=f"{KEY}-suffix") == "[redacted]"


def test_each_value_of_custom_headers_is_a_secret() -> None:
    headers = f"X-Gateway: {KEY}\nX-Team: search-team"
    assert KEY not in clean(f"sent {KEY}", OPENAI_CUSTOM_HEADERS=headers)


def test_a_key_given_with_its_scheme_is_found_without_it() -> None:
    assert clean(f"the word Bearer stays, {KEY} goes", OPENAI_API_KEY=f"Bearer {KEY}") == (
        "the word Bearer stays, [redacted] goes"
    )


def test_a_value_that_is_no_text_breaks_nothing() -> None:
    """Variables may hold any byte; Python shows it as a lone surrogate, which no file can take."""
    assert clean("abc\udcffdefgh", A_KEY="abc\udcffdefgh") == "[redacted]"
    clean("a path \udcff here").encode("utf-8")


# -- URLs and proxies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown", "password"),
    [
        ("http://runner:s3cretpw@proxy:3128", "http://proxy:3128", "s3cretpw"),
        ("runner:s3cretpw@proxy:3128", "proxy:3128", "s3cretpw"),
        ("http://runner:p%40ss%2Fword@proxy:3128/", "http://proxy:3128/", "p@ss/word"),
        ("http://runner:p@ssw0rd@proxy:3128", "http://proxy:3128", "p@ssw0rd"),
        ("http://runner:pa/ssword@proxy:3128", "http://proxy:3128", "ssword"),
        ("socks5h://tokenalone@proxy:1080", "socks5h://proxy:1080", "tokenalone"),
    ],
)
def test_a_proxy_keeps_its_host_and_loses_its_credentials(value: str, shown: str, password: str) -> None:
    assert without_credentials(value) == shown
    assert password not in clean(f"Invalid port: {password!r}; {value} failed", HTTPS_PROXY=value)


def test_the_password_of_a_proxy_url_that_nothing_can_parse_is_known_all_the_same() -> None:
    assert "s3cretpw" not in clean("Invalid URL: 's3cretpw'", https_proxy="http://[::1/runner:s3cretpw@proxy:3128")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET https://user:pw@api.example.com/v1", "GET https://[redacted]@api.example.com/v1"),
        ("https://a:b@c@api.example.com/", "https://[redacted]@api.example.com/"),
        ("https://api.example.com/who?mail=a@b.example", "https://api.example.com/who?mail=a@b.example"),
        ("https://x.example/p?sig=abc%2Bdef&se=2026", "https://x.example/p?sig=[redacted]&se=2026"),
        ("https://x.example/p?api-version=1&api-key=abc", "https://x.example/p?api-version=1&api-key=[redacted]"),
        ("proxy bob:Tr0ub4dor&3@proxy.example:3128 refused", "proxy bob:[redacted]@proxy.example:3128 refused"),
        ("via //bob:Tr0ub4dor@proxy.example:3128", "via //bob:[redacted]@proxy.example:3128"),
        ("?u=http%3A%2F%2Fbob%3ATr0ub%26@proxy%40x", "?u=http%3A%2F%2F[redacted]%40x"),
        (
            "at 12:30:45 root@web-3: pull img:tag1234@sha256:12ab",
            "at 12:30:45 root@web-3: pull img:tag1234@sha256:12ab",
        ),
        ("https://x.example/cb?code=abc&state=1", "https://x.example/cb?code=[redacted]&state=1"),
    ],
)
def test_urls_keep_host_and_path_and_lose_userinfo_and_tokens(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_a_url_without_credentials_loses_query_and_fragment_and_nothing_else() -> None:
    assert without_credentials("https://host:8443/v1/a@b?x=y#z") == "https://host:8443/v1/a@b"
    assert without_credentials("host:8443?x") == "host:8443"
    assert without_credentials("") == ""


# -- shapes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Incorrect API key provided: sk-proj-********************wxyz.", "wxyz"),
        ("key sk-svcacct-AbCd12345678 used", "AbCd12345678"),
        ("?q=%22sk-proj-AbCd12345678%22", "AbCd12345678"),
        ("?q=%3Dsk-proj-AbCd12345678", "AbCd12345678"),
        ("authorization: Bearer AbCd12345678", "AbCd12345678"),
        ('{"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}', "dXNlcjpwYXNzd29yZA"),
        ("(b'api-key', b'0123456789abcdef')", "0123456789abcdef"),
        ("['Ocp-Apim-Subscription-Key', '0123456789abcdef']", "0123456789abcdef"),
        ("Proxy-Authorization=Basic QWxhZGRpbg==", "QWxhZGRpbg"),
        ("Set-Cookie: session=abcdef; Path=/", "abcdef"),
        ("got Bearer AbCd12345678, expected another", "AbCd12345678"),
        ('{"client_secret": "AbCd1234", "x": 1}', "AbCd1234"),
        ("grant_type=x&access_token=AbCd1234&y=1", "AbCd1234"),
        ("password='AbCd1234'", "AbCd1234"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig-nature", "eyJzdWIiOiIxMjM0In0"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijkl"),
        ("hf_abcdefghijklmnopqrstuvwxyz", "abcdefghijkl"),
        *(
            (f"Authentication failed for {begin}{'aB3dE5' * 6}", "aB3dE5")
            for begin in ("gsk_", "xai-", "pplx-", "csk-", "r8_", "nvapi-", "npm_")
        ),
        ("databricks dapi0123456789abcdef0123456789abcdef", "0123456789abcdef"),
        ("machine gw.example.com\n  login bob\n  password Tr0ub4dor", "Tr0ub4dor"),
        ("default login bob password Tr0ub4dor", "Tr0ub4dor"),
        ("login with user=bob pass=Tr0ub4dor failed", "Tr0ub4dor"),
        ("docker login -u bob -p Tr0ub4dor registry.example", "Tr0ub4dor"),
        ("OAI_CREDS=Tr0ub4dor", "Tr0ub4dor"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow, cut", "MIIEow"),
    ],
)
def test_what_has_the_shape_of_a_secret_goes_also_when_nobody_knows_its_value(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "openai.APIConnectionError: Connection error.",
        "[Errno 111] Connection refused: api.openai.com (203.0.113.7) port 443",
        "request id req_0123456789abcdef0123456789abcdef",
        "WWW-Authenticate: Basic realm=\"proxy\"",
        "basic authentication failed; Basic Authentication required",
        "Bearer token missing. You didn't provide an API key.",
        "The api_key client option must be set either by passing api_key to the client or by setting a variable",
        "the api-key, please; no password: the account has none",
        "apim-request-id: 3f1c0a52-8c1f-4a5e-9d4b-0f8f4a3b2c1d",
        "model gpt-4o-mini at https://my-resource.openai.azure.com/openai/v1/",
        "certificate CN=api.openai.com, issuer CN=Acme Inspection CA, verify code 20",
        "task-runner1 and disk-image22 are host names",
        "x-ratelimit-remaining-tokens: 149984",
        "user: bob, password: none given; the user forgot the password yesterday",
        "docker login -u bob -p $PASS registry.example; docker run -p 8080:80 x",
        "gsk_test, xai-grok-2, pplx-70b-online, fw_update, npm_config_registry",
    ],
)  # fmt: skip
def test_what_a_packet_needs_stays_to_the_letter(text: str) -> None:
    assert clean(text, OPENAI_API_KEY=KEY) == text


TOLD = "3f9a77c2be0d41e58a6612f0cd340617"
"""As Azure's keys are: no shape gives it away, only the name before it."""


@pytest.mark.parametrize(
    "text",
    [
        "AZURE_OPENAI_API_KEY={}",
        "export AZURE_OPENAI_API_KEY='{}'",
        "docker run -e AZURE_OPENAI_API_KEY={} image",
        '"Env": ["PATH=/usr/bin","AZURE_OPENAI_API_KEY={}","X=1"]',
        "environ({{'HOME': '/root', 'AZURE_OPENAI_API_KEY': '{}'}})",
        "GATEWAY_TOKEN={}",
        "OPENAI_API_KEY={};OPENAI_BASE_URL=https://gw.example/v1",
        "azure_openai_api_key: {}",
        "spring.ai.openai.api-key={}",
        "apikey: {}",
        '"AZURE_OPENAI_API_KEY": "{}",',
        '{{\\"azure_key\\": \\"{}\\"}}',
        "passphrase: >-\n  {}",
        'api_key = "{}"',
        "{{'X-Gateway-Key': '{}'}}",
        "[(b'X-Gateway-Key', b'{}')]",
        'req.Header.Set("X-Gateway-Key", "{}")',
        "curl -H 'X-Gateway-Key: {}'",
        "new OpenAI({{ apiKey: '{}' }})",
        'apiKey: "{}",',
        "apiKey: `{}`",
        'new AzureKeyCredential("{}")',
        'let api_key: String = "{}";',
        'os.environ["OPENAI_KEY"] = "{}"',
        '$env:AZURE_OPENAI_API_KEY = "{}"',
        '[Environment]::SetEnvironmentVariable("OPENAI_API_KEY", "{}", "User")',
        "setx AZURE_OPENAI_API_KEY {}",
        "ENV OPENAI_KEY {}",
        "serve --api-key {} --port 80",
        "- name: AZURE_OPENAI_API_KEY\n  value: {}",
        '{{"name": "AZURE_OPENAI_API_KEY", "value": "{}"}}',
        '<add key="OpenAIKey" value="{}" />',
        '{{"name":"OPENAI_API_KEY","slotSetting":false,"value":"{}"}}',
        '[{{"name": "LOG_LEVEL", "value": "debug1234567"}}, {{"value": "{}", "name": "OPENAI_API_KEY"}}]',
        '{{\\"name\\":\\"OPENAI_API_KEY\\",\\"slotSetting\\":false,\\"value\\":\\"{}\\"}}',
        '{{\n  "Value": "{}",\n  "Tags": {{"a": 1}},\n  "Name": "GATEWAY_TOKEN"\n}}',
        '{{"ParameterKey": "ApiKey", "UsePreviousValue": false, "ParameterValue": "{}"}}',
        "- name: AZURE_OPENAI_API_KEY\n  optional: true\n  value: {}\n- name: BUILD\n  value: a1b2c3d4e5f6",
        "- value: a1b2c3d4e5f6\n  name: BUILD\n- value: {}\n  name: GATEWAY_TOKEN\n",
        '<add value="{}" key="OpenAIKey" /><add value="a1b2c3d4e5f6" key="build" />',
        "<ApiKey>{}</ApiKey>",
        "| AZURE_KEY | {} |",
        "AZURE_DEVOPS_EXT_PAT={}",
        "OPENAI_API_KEY\t{}",
        "OPENAI_API_KEY    False    {}",
        "OPENAI_API_KEY is set to {}",
        "the key is {}, it ends",
        "api_key=SecretStr({})",
        "The API key '{}' is not valid",
        "OPENAI_API_KEY\u00a0=\u00a0{}",
        "\x1b[1;32mOPENAI_API_KEY\x1b[0m=\x1b[33m{}\x1b[0m",
        "OPENAI_API_KEY%3D{}%26x%3D1",
        "&quot;OPENAI_API_KEY&quot;: &quot;{}&quot;, &quot;x&quot;: 1",
        'API_KEYS=["{}"], x',
        "API_KEYS: ['{0}', '{0}'], x",
        "curl -sS -u user:{} https://gw.example/v1",
        "curl --proxy-user 'user:{}' https://gw.example/v1",
        "sshpass -p {} ssh host",
        "sshpass -p'{}' ssh host",
        "DB_PW: {}",
        "db_pw={}",
        "sh -c 'PW={} exec python3 -'",
        "PASS={} python3 -",
        "GATEWAY_AUTH={}",
        "Incorrect API key provided: {}. You can find",
        "we call it with api key {}, and it fails",
        "with API key {} it fails",
        "an access token {} of the gateway",
    ],
)
def test_a_value_that_is_told_under_the_name_of_a_secret_goes_and_all_around_it_stays(text: str) -> None:
    assert clean(text.format(TOLD)) == text.format("[redacted]")


@pytest.mark.parametrize("begin", ["!", "@", "%", "$", "{", "<", "example", "your-", "$$", "!!"])
def test_a_drawn_value_goes_whatever_it_begins_with(begin: str) -> None:
    text = f"api_key='{begin}{TOLD}', GATEWAY_TOKEN='{begin}{TOLD}'"
    assert clean(text) == "api_key='[redacted]', GATEWAY_TOKEN='[redacted]'"


@pytest.mark.parametrize("word", ["negotiate", "required", "enabled", "certificate"])
def test_how_a_proxy_authenticates_is_no_secret(word: str) -> None:
    assert clean(f"{word} verify failed", PROXY_AUTH=word) == f"{word} verify failed"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("DATABASE_PASSWORD=letmein and", "DATABASE_PASSWORD=[redacted] and"),
        ("DB_PASSWORD=correct,horse&battery", "DB_PASSWORD=[redacted]"),
        ('"password": "let \\"me\\" in", "x": 1', '"password": "[redacted]", "x": 1'),
    ],
)
def test_a_password_may_be_a_word(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=16, token_count: 12, tokens: 4096, prompt_tokens=1200",
        "api_key=None, api_key='', OPENAI_API_KEY=",
        'api_key=os.environ["OPENAI_API_KEY"], apiKey: process.env.OPENAI_API_KEY,',
        "api_key=api_key, token=get_token(), key=settings.openai.key",
        'OPENAI_API_KEY=$KEY OPENAI_API_KEY="${KEY}" OPENAI_API_KEY=%KEY%',
        'api_key="your-api-key", api_key: ollama',
        "KeyError: 'OPENAI_API_KEY'; key not found; Missing API key",
        "{'error': {'message': 'x', 'code': 'invalid_api_key', 'param': None}}",
        "Authorization: Bearer [redacted]",
        "public key: abcdef0123456789, monkey=abc12345xyz",
        "SSL_KEY_FILE=/etc/ssl/a1/key.pem TOKEN_URL=https://login.example/abc123",
        "secretKeyRef:\n  name: openai-secret\n  key: api-key",
        "Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON",
        "Token expired at 2024-01-01T00:00:00Z, token_type: Bearer",
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE: unable to verify the first certificate",
        "CERT_SIGNATURE_FAILURE: certificate, EE_KEY_TOO_SMALL: small, ERR_OSSL_EVP_INVALID_KEY: bad",
        "Error [INVALID_API_KEY]: Incorrect API key provided",
        "MASTER_KEY: is read from the vault, OPENAI_API_KEY=/dev/stdin",
        "token: gpt-4o-mini-2024-07-18, Unexpected token: DOCTYPE123456, primary key: user_id_12345",
        "specified secret: prod/openai/key1234, trace_key=a1b2c3d4e5f6, routing key = orders12345678, first_token_ms=123456789012",
        "PROXY_AUTH=negotiate, PROXY_AUTH=certificate PROXY_AUTH=required PROXY_AUTH: enabled",
        'api_key="{api_key_1}" api_key="%(key_1)s" token="{{ token1234567 }}" API_KEY=$MY_KEY_2 API_KEY=@key.txt key: !secret x, key: {a1b2c3d4: 1}',
        'api_key="your-api-key-12345", api_key="example-key-12345"',
        "curl -u user:$PASS https://gw.example, curl -u https://gw.example/v1, sshpass -p $PASS ssh host",
        "curl -b jar.txt https://gw.example/v1?a=b, curl -b '$COOKIES' -H 'a=b', gunicorn -b 0.0.0.0:80 --env a=b",
        "OPENAI_API_KEY is set to a value, OPENAI_API_KEY\tpresent, API_KEY is missing12, key 'user_id_1a2b3c4d' not found",
        "API_KEYS=['$ONE', '$TWO'], api_key=SecretStr('**********'), the partition key is a1b2c3d4e5f6, the token is gpt-4o-mini-2024-07-18",
        "signature is sha256WithRSAEncryption, The signature is ecdsa_secp256r1_sha256, key is AES256-GCM-SHA384, key is ca-bundle2024x",
        "api key rotation2024 api key of org-team-1234567 access token expired, api key gpt-4o-mini-2024-07-18-eu, API key authentication_required_v2",
        "--- PASS: TestClient2Retry1 (0.00s), pass=12, pass=true, upward: a1b2c3d4e5f6, PWD=/srv/a1b2c3d4",
        "GITHUB_PATH=/opt/a1b2c3d4, url_pattern=a1b2c3d4e5f6",
        '{"name": "API_KEY", "valueFrom": {"name": "vault-1", "key": "a"}}, {"name": "BUILD", "value": "a1b2c3d4e5f6"}',
        "name: API_KEY\nvalueFrom: x\n\nvalue: a1b2c3d4e5f6",
    ],
)
def test_names_numbers_and_references_stay_to_the_letter(text: str) -> None:
    assert clean(text) == text


def test_what_a_text_tells_by_name_goes_also_where_it_stands_without_it() -> None:
    secrets = Secrets().with_told(f"- name: GATEWAY_KEY\n  value: {TOLD}\nmax_tokens: 123456789012")
    assert secrets.redact_text(f"rejected {TOLD}, 123456789012") == "rejected [redacted], 123456789012"


def test_redacting_twice_changes_nothing_more() -> None:
    text = f'authorization: Bearer {KEY}; cookie: a=b\nhttps://u:p@h/?sig=x sk-proj-abcdefgh "password": "abc"'
    once = clean(text, APP_KEY=KEY)
    assert clean(once, APP_KEY=KEY) == once


# -- records ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Nested:
    """A record with texts at several depths."""

    text: str
    links: tuple[ErrorLink, ...]
    number: int = 7
    nothing: None = None
    kind: str = "nested"


def test_every_text_of_a_record_is_redacted_and_the_report_says_by_which_rule_how_often_and_where() -> None:
    record = Nested(text=f"one {KEY}", links=(ErrorLink(type="X", text=f"{KEY} https://u:p@h/"),))
    clean, redactions = Secrets((KEY,)).redact(record)
    assert clean == Nested(text="one [redacted]", links=(ErrorLink(type="X", text="[redacted] https://[redacted]@h/"),))
    assert redactions == ("known secret: 2 in text, links.text", "url userinfo: 1 in links.text")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A part with an id, as observations have."""

    id: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """Parts with ids."""

    observations: tuple[Seen, ...]


def test_a_part_with_an_id_is_named_by_it_and_many_places_are_counted() -> None:
    parts = tuple(Seen(id=f"sdk:{number}", text=KEY) for number in range(9))
    _, [line] = Secrets((KEY,)).redact(Record(observations=parts))
    assert line.startswith("known secret: 9 in observations[sdk:0].text, observations[sdk:1].text, ")
    assert line.endswith(" and 3 more places")
    _, lines = Secrets((KEY,)).redact(Record(observations=(Seen(id=f"dns:{KEY}", text=KEY),)))
    assert lines == ("known secret: 2 in observations[dns:[redacted]].id, observations[dns:[redacted]].text",)


def test_equal_secrets_leave_equal_tokens_within_one_archive_and_no_other() -> None:
    other = "another-secret-value-of-the-same-length"
    environment = {"OPENAI_API_KEY": KEY, "DATABASE_PASSWORD": other}

    def tokens(text: str, key: bytes = b"one archive") -> list[str]:
        clean = Secrets.from_environment(environment, token_key=key).redact_text(text)
        return re.findall(r"\[redacted[^\]]*\]", clean)

    basic = base64.b64encode(f"user:{KEY}".encode()).decode()
    plain, quoted, encoded, second = tokens(f"{KEY} {quote(KEY, safe='')} x{basic}x {other}")
    assert re.fullmatch(r"\[redacted:[0-9a-f]{8}\]", plain)
    assert plain == quoted == encoded != second
    assert tokens(KEY, b"two archives") != [plain]
    by_shape = tokens("sk-proj-abcdefgh1 ?sig=q1w2e3 https://u:p@h/ sk-proj-abcdefgh1 sk-proj-abcdefgh2 ?sig=q1w2e3")
    assert [t.partition(":")[0] for t in by_shape] == ["[redacted key", "[redacted", "[redacted"] + [
        "[redacted key"
    ] * 2 + ["[redacted"]
    assert by_shape[0] == by_shape[3] != by_shape[4]
    assert by_shape[1] == by_shape[5]


def test_what_was_redacted_with_tokens_stays_as_it_is_when_it_is_redacted_again() -> None:
    text = f'authorization: Bearer {KEY}; cookie: a=b\nhttps://u:p@h/?sig=x sk-proj-abcdefgh "password": "abc" {KEY}'
    secrets = Secrets((KEY,), token_key=b"one archive")
    once = secrets.redact_text(text)
    assert once.count("[redacted") >= 5
    assert secrets.redact_text(once) == once


SECRET = st.text(min_size=6, max_size=60).filter(lambda s: len(s.strip()) >= 6)
PLACE = st.sampled_from(["text", "type", "errno_name", "deep"])
ENCODING: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [str, lambda s: quote(s, safe=""), lambda s: json.dumps(s)[1:-1], lambda s: base64.b64encode(s.encode()).decode()]
)


@settings(max_examples=150)
@given(secret=SECRET, before=st.text(max_size=20), behind=st.text(max_size=20), place=PLACE, encode=ENCODING)
@example(secret="aaaaaaaaaaaa", before="a", behind="aa", place="deep", encode=str)
def test_a_secret_embedded_anywhere_never_survives(
    secret: str, before: str, behind: str, place: str, encode: Callable[[str], str]
) -> None:
    encoded = encode(secret)
    # `redact` as a secret stands in every replacement, and a value that has nothing but one letter has no place of its own.
    assume(not any(form in "[redacted] [redacted key] [redacted token]" for form in (encoded, secret.strip())))
    assume(len(set(secret)) > 2)
    # Hypothesis takes words from our own source as well.
    assume(secret.strip().lower() not in DUMMY_KEYS)
    text = f"{before}{encoded}{behind}"
    link = ErrorLink(
        type=text if place == "type" else "E",
        text=text if place == "text" else "t",
        errno_name=text if place == "errno_name" else None,
    )
    record = Nested(text=text if place == "deep" else "", links=(link,))
    assert any(encoded in found for found in walk_text(record))

    redacted, redactions = Secrets((secret,)).redact(record)

    assert not any(encoded in found for found in walk_text(redacted))
    assert redactions
    dumps(redacted).encode("utf-8")


@given(st.text(max_size=200))
def test_no_text_breaks_the_door(text: str) -> None:
    Secrets((KEY,)).redact_text(text).encode("utf-8")


# -- the class itself, and the fingerprint ------------------------------------------------------------------------


def test_the_collection_of_secrets_shows_none() -> None:
    assert KEY not in repr(Secrets((KEY,)))
    assert KEY not in f"{Secrets((KEY,))}"


def test_a_fingerprint_says_same_or_not_within_one_archive_and_nothing_across_two() -> None:
    assert fingerprint(KEY, b"archive one") == fingerprint(KEY, b"archive one")
    assert fingerprint(KEY, b"archive one") != fingerprint(KEY + "x", b"archive one")
    assert fingerprint(KEY, b"archive one") != fingerprint(KEY, b"archive two")
    assert len(fingerprint(KEY, b"archive one")) == 12


@pytest.mark.parametrize(
    "text",
    [
        "WWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n",
        "  proxy-authenticate: Basic\n  proxy-agent: squid/6.6\n",
        "www-authenticate: Digest\n127.0.0.1 answered\n",
        "Set-Cookie:\r\nServer: nginx/1.25\r\n",
        "  set-cookie:\n  server: nginx/1.25\n",
        "curl https://api.example.test/\n-u means: user and password\n",
    ],
)
def test_a_shape_ends_with_its_line_where_the_next_one_is_a_line_of_its_own(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "curl 'https://gw.example/v1' \\\n  -H 'accept: */*' \\\n  -b '{}; theme=dark' \\\n  --data-raw '{{}}'",
        'curl --cookie "{}" https://gw.example/v1',
        "curl -b {} https://gw.example/v1",
    ],
)
def test_the_cookies_of_a_request_that_a_browser_copied_go(text: str) -> None:
    shown = clean(text.format(f"sid={TOLD}"))
    assert (TOLD in shown, "theme" in shown, "gw.example" in shown, "[redacted]" in shown) == (False, False, True, True)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Negotiate\r\n YIIJvwYGKwYBBQUCoIIJszCCCa8\r\n",
        "proxy-authorization:\n  Basic\n  dXNlcjpQdDlNYmJXcTRu\n",
        "api-key:\r\n\t0123456789abcdef0123\r\n",
        "curl https://api.example.test/ \\\n  -H 'accept: */*' \\\n  -u app:YIIJvwYGKw\n",
        "curl https://api.example.test/ \\\r\n--proxy-user app:dXNlcjpQdDlNYmJXcTRu\r\n",
    ],
)
def test_a_folded_header_and_a_command_over_several_lines_are_one(text: str) -> None:
    shown = clean(text)
    assert not any(secret in shown for secret in ("YIIJvwYGKw", "dXNlcjpQ", "0123456789abcdef"))
    assert "[redacted" in shown
