"""What a Node.js sends back holds no secret of its environment: as `oairunbook.redaction` has it, by a script of its own."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from oairunbook.collector.node import stream
from oairunbook.collector.node.look import complete
from oairunbook.collector.place import by_command
from oairunbook.collector.there import bring
from oairunbook.lab import wire
from oairunbook.redaction import Secrets
from tests.peers import Peer, redirecting_to
from tests.test_redaction import BREAKS, ESCAPED, SECRET_URLS
from tests.test_redaction import KEY as NAMED_KEY

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js: apt-get install nodejs")

KEY = "sk-proj-Zq3vN8xWc5mK1tRb7yLd"
ODD = 'p/w+d&\'ü"quoted" back\\slash 12345'
SECRETS = {
    "OPENAI_API_KEY": KEY,
    "DB_PASSWORD": ODD,
    "HTTPS_PROXY": "http://runner:pa%2Fss-word@proxy:3128",
    "A_TOKEN": "redacted",
}

ENCODED = {
    "as it is": KEY,
    "repr": repr(KEY),
    "JSON": json.dumps(ODD),
    "JSON with its own letters": json.dumps(ODD, ensure_ascii=False),
    "HTML": html.escape(ODD),
    "URL": quote(ODD, safe=""),
    "URL with slashes": quote(ODD),
    "URL in lower case": re.sub("%..", lambda match: match.group().lower(), quote(ODD, safe="")),
    "form": quote_plus(ODD),
    "UTF-8 as Latin-1": ODD.encode().decode("latin-1"),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "Basic": base64.b64encode(f"u:{KEY}".encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(f"us:{ODD}".encode()).decode(),
    "a proxy's password": "pa/ss-word",
}
FOLDED = base64.b64encode(f"u:{KEY}".encode()).decode()
LOOK = {
    "options": {"model": "m", "timeout": 3.0, "budget": 10.0, "control_url": ""},
    "environment": {},
    "fingerprint_key": None,
    "seconds": 20.0,
}

SPLIT = {
    **{f"in two by {mark!r}": f"{KEY[:11]}{mark}{KEY[11:]}" for mark in BREAKS},
    **{f"in four by {mark!r}": mark.join((KEY[:3], KEY[3:9], KEY[9:20], KEY[20:])) for mark in BREAKS},
    "base64, folded": "\n".join(FOLDED[at : at + 10] for at in range(0, len(FOLDED), 10)),
}
MASKED = {
    f"{begin} and {end} beside {mask!r}": KEY[:begin] + mask + KEY[len(KEY) - end :]
    for mask in ("***", "*" * 16, "\u2022" * 5, "...", "\u2026")
    for begin, end in ((8, 4), (4, 0), (0, 4), (2, 2))
}
CUT = {"cut behind": f"it began {KEY[:12]}", "cut before": f"{KEY[-12:]} was its end"}
PLAIN = (
    "2 *** 3 and waiting... id ab****yz.",
    "Traceback:\n  File 'a.py'\n> quoted\r\n'one' +\n'two' \\\nend\\n",
    f"cut here {KEY[:5]}",
    f"{KEY[0]}****{KEY[-1]} **bold** and *** too",
)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The script as a place runs it, on a list of texts; one Node.js for all of them."""
    runner = tmp_path_factory.mktemp("node") / "run.js"
    runner.write_text(
        "const { redactor } = require(process.argv[2]);\n"
        "const { environment, job, texts } = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n"
        "process.stdout.write(JSON.stringify(texts.map(redactor(environment, job).text)));\n"
    )
    module = Path(stream.__file__).parent / "redaction.js"

    def run(texts: list[str], environment: dict[str, str] = SECRETS, base_url: str = "") -> list[str]:
        job = {**stream.known(), "options": {"base_url": base_url}}
        asked = json.dumps({"environment": environment, "job": job, "texts": texts})
        done = subprocess.run(
            ["node", str(runner), str(module)], input=asked, capture_output=True, text=True, timeout=60, check=True
        )
        return list(json.loads(done.stdout))

    return run


def test_no_form_of_a_secret_is_left_and_what_is_none_stays(script: Any) -> None:
    """Python's door, with the same secrets, is the measure: what it replaces, the script replaces."""
    forms = {**ENCODED, **SPLIT, **MASKED}
    texts = [f"before <{text}> behind" for text in forms.values()]
    for (name, form), text in zip(forms.items(), script(texts), strict=True):
        inner = form[4:-4] if name in ENCODED else form
        assert inner in form
        assert inner not in text, name
        assert text.startswith("before <"), name
        assert text.endswith("> behind"), name
        assert inner not in Secrets.from_environment(SECRETS).redact_text(f"before <{form}> behind"), name
    written = {name: f"before <{how(KEY)}> behind, status 401" for name, how in ESCAPED.items()}
    for (name, before), text in zip(written.items(), script(list(written.values())), strict=True):
        assert text == Secrets.from_environment(SECRETS).redact_text(before), name
        assert "[redacted" in text, name
    for (name, _), text in zip(CUT.items(), script(list(CUT.values())), strict=True):
        assert KEY[:8] not in text, name
        assert KEY[-8:] not in text, name
    assert script(list(PLAIN)) == list(PLAIN)


@pytest.mark.parametrize("url", SECRET_URLS)
def test_what_a_url_names_as_a_secret_goes_encoded_as_well(script: Any, url: str) -> None:
    plain = "production, deployment1, 12345678 since 2024-10-21"
    texts = [f"before {ESCAPED[how](NAMED_KEY)} behind" for how in ("hexadecimal", "percent signs", "JSON")]
    words = "/token/deployment1?key=production&code=12345678&sv=2024-10-21"
    for environment, option in (({"OPENAI_BASE_URL": url, "A_URL": f"https://gw.example{words}"}, ""), ({}, url)):
        assert script([*texts, plain], environment, option) == ["before [redacted] behind"] * 3 + [plain]


def test_a_text_full_of_secrets_takes_no_longer_than_it_is_long(script: Any) -> None:
    """Who answers has been sent the key, and may write it as often as an answer is long, parted and masked."""
    masked, split = f"{KEY[:9]}***" * 100_000, f"{KEY[:9]}\n{KEY[9:]} " * 60_000
    for text in script([masked, split]):
        assert KEY[:9] not in text


def test_a_hostile_answer_leaves_no_part_of_the_key_in_what_leaves_the_place() -> None:
    """What comes from there is looked at before this side redacts it once more."""
    told = f"no such key: {KEY[:8]}************{KEY[-4:]}, that is\n{KEY[:14]}\n{KEY[14:]}\n{SPLIT['base64, folded']}"
    given: list[str] = []

    def refuse(connection: socket.socket, request: wire.Request) -> None:
        given.extend(value for name, value in request.headers.items() if name.lower() == "authorization")
        body = json.dumps({"error": {"message": told, "code": "invalid_api_key", "type": "x", "param": None}}).encode()
        wire.send_whole(connection, 401, (("content-type", "application/json"),), body)

    peer = Peer(refuse)
    environment = {"PATH": os.environ["PATH"], **SECRETS, "OPENAI_BASE_URL": f"http://127.0.0.1:{peer.port}/v1"}
    del environment["HTTPS_PROXY"]
    place = replace(by_command("node -"), environment=environment)
    try:
        document, _ = bring(place, stream.make, complete(LOOK, place), progress=None, cancelled=None)
    finally:
        peer.close()
    sent = json.dumps(document, ensure_ascii=False)
    assert any(KEY in value for value in given), "to the endpoint itself, on loopback, the key does go"
    assert "no such key: [redacted], that is" in sent
    for part in (KEY[:8], KEY[14:], KEY[-8:], FOLDED[10:20]):
        assert part not in sent


def test_no_header_of_a_key_follows_a_redirect_to_another_host() -> None:
    """`fetch` takes Authorization away at another origin, and would send `api-key` along."""

    def complete_it(connection: socket.socket, request: wire.Request) -> None:
        body = json.dumps({"object": "chat.completion", "choices": [], "id": "x", "created": 0, "model": "m"}).encode()
        wire.send_whole(connection, 200, (("content-type", "application/json"),), body)

    elsewhere = Peer(complete_it)

    first = Peer(redirecting_to(elsewhere))
    environment = {
        "PATH": os.environ["PATH"],
        "AZURE_OPENAI_ENDPOINT": f"http://127.0.0.1:{first.port}",
        "AZURE_OPENAI_API_KEY": KEY,
        "OPENAI_API_VERSION": "2024-10-21",
    }
    place = replace(by_command("node -"), environment=environment)
    try:
        bring(place, stream.make, complete(LOOK, place), progress=None, cancelled=None)
    finally:
        first.close()
        elsewhere.close()
    assert KEY in first.credentials(), "the control: to the endpoint itself, on loopback, the key does go"
    assert elsewhere.requests, "the redirect was followed"
    assert elsewhere.credentials() == []
