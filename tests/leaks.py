"""The leak table: secrets planted wherever one can be, every command run on them, everything that is left searched.

`python -m tests.leaks [--faults ID,ID…]` prints it, rows by place, columns by command, and ends with 1 if anything was found. `check` meets every
fault of the practice lab, the notebooks a few of them. What is searched: both outputs, every file, file names; secrets as they are, in
fragments, URL-encoded and inside base64 (`tests.world.canary.forms`). Then a scanner that knows nothing of ours, detect-secrets, reads the same files.
"""

from __future__ import annotations

import argparse
import base64
import http.server
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from oairunbook import lab
from oairunbook.lab.faults import FAULTS
from oairunbook.lab.running import KEY
from oairunbook.record import runbooks
from tests.world.canary import forms

_ENOUGH_SECONDS = 3600
"""For one command, of which the longest runs every notebook; on a machine that does much else it takes its time."""

NOTEBOOK_FAULTS = ("ok", "api.invalid_key", "proxy.auth_required", "tls.untrusted_issuer")
"""What all notebooks meet; `check` meets every fault."""


def _token(prefix: str = "", *, size: int = 20) -> str:
    return prefix + secrets.token_hex(size)


class Plants:
    """One secret for each place in which one can be."""

    def __init__(self) -> None:
        claims = base64.urlsafe_b64encode(json.dumps({"sub": _token()}).encode()).decode().rstrip("=")
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.private_key = pem
        self.secrets = {
            "OPENAI_API_KEY": _token("sk-proj-"),
            "AZURE_OPENAI_API_KEY": _token(size=16),
            "AZURE_CLIENT_SECRET": _token("x8Q~"),
            "OPENAI_ADMIN_KEY": _token("sk-admin-"),
            "AWS_SECRET_ACCESS_KEY": base64.b64encode(secrets.token_bytes(30)).decode(),
            "DATABASE_PASSWORD": _token(),
            "password in the proxy's URL": _token(size=12),
            "password in the base URL": _token(size=12),
            "signature in the base URL": _token(size=16),
            "parameter of the base URL": _token(size=16),
            "piece of the base URL's path": _token(size=16),
            "webhook's URL": _token(size=16),
            "signing key": "".join(pem.splitlines()[1:-1]),
            "server: cookie": _token(),
            "text: bearer token": _token(),
            "text: api-key header": _token(size=16),
            "text: cookie": _token(),
            "text: basic credentials": _token(),
            "text: password in a URL": _token(size=12),
            "text: signed query": _token(),
            "text: JWT": f"eyJhbGciOiJIUzI1NiJ9.{claims}.{secrets.token_urlsafe(32)}",
            "text: key variable": _token(),
            "text: variable of a gateway": _token(size=16),
            "text: value in a manifest": _token(size=16),
            "text: key in code": _token(size=16),
            "text: OpenAI key": _token("sk-proj-"),
            "text: GitHub token": f"ghp_{secrets.token_hex(18)}",
            "text: JSON password field": _token(),
            "page: OpenAI key": _token("sk-proj-"),
        }
        self._forms = {place: tuple(forms(value)) for place, value in self.secrets.items()}

    def found_in(self, data: bytes) -> Iterator[str]:
        """The places whose secrets stand in these bytes."""
        for place, each in self._forms.items():
            if any(form in data for form in each):
                yield place

    @property
    def variables(self) -> dict[str, str]:
        """The environment of every command."""
        return {name: value for name, value in self.secrets.items() if name.isupper()}

    @property
    def text(self) -> str:
        """What somebody pastes without looking."""
        s = {place.partition(": ")[2]: value for place, value in self.secrets.items() if place.startswith("text: ")}
        basic = base64.b64encode(f"runner:{s['basic credentials']}".encode()).decode()
        return "\n".join(
            (
                f"OPENAI_API_KEY={s['key variable']}",
                f"DEBUG:openai._base_client:Request options: {{'headers': {{'api-key': '{s['api-key header']}'}}}}",
                f"AZURE_OPENAI_GATEWAY_TOKEN={s['variable of a gateway']}",
                f"  - name: AZURE_OPENAI_API_KEY\n    value: {s['value in a manifest']}",
                f"  new AzureOpenAI({{ apiKey: '{s['key in code']}' }})  // {s['key in code']}",
                f"> Authorization: Bearer {s['bearer token']}",
                f"> Proxy-Authorization: Basic {basic}",
                f"> Cookie: session={s['cookie']}",
                f"token {s['JWT']} cloned with {s['GitHub token']}",
                f"fetching https://files.example/a?sv=1&sig={s['signed query']}",
                f"proxy http://runner:{s['password in a URL']}@proxy.example:3128",
                f'{{"user": "a", "password": "{s["JSON password field"]}"}}',
                "httpcore.ConnectError: [Errno 111] Connection refused",
                f"openai.APIConnectionError: Connection error. (key {s['OpenAI key']})",
            )
        )


class Table:
    """What was found, by place and command."""

    def __init__(self, plants: Plants) -> None:
        self._plants = plants
        self._found: Counter[tuple[str, str]] = Counter()
        self._commands: dict[str, int] = {}
        self.searched = 0
        self.bytes = 0

    def run(self, command: str, arguments: list[str], folder: Path, environment: Mapping[str, str]) -> str:
        """Run one command, keep its outputs beside its files; gives its standard output."""
        self._commands[command] = self._commands.get(command, 0) + 1
        call = [sys.executable, "-P", "-m", "oairunbook.cli", *arguments]
        done = subprocess.run(call, env=environment, cwd=folder, capture_output=True, timeout=_ENOUGH_SECONDS)
        number = self._commands[command]
        for name, output in (("stdout", done.stdout), ("stderr", done.stderr)):
            (folder / f"{command.replace(' ', '_')}-{number}.{name}").write_bytes(output)
        if done.returncode in (2, 4) and b"Traceback" in done.stderr:
            raise RuntimeError(f"{command} broke: {done.stderr.decode(errors='replace')[-3000:]}")
        self._search(command, folder)
        return done.stdout.decode()

    def _search(self, command: str, folder: Path) -> None:
        for path in folder.rglob("*"):
            data = str(path.relative_to(folder)).encode() + b"\0" + (path.read_bytes() if path.is_file() else b"")
            self.searched += 1
            self.bytes += len(data)
            for place in self._plants.found_in(data):
                self._found[place, command] += 1
                print(f"LEAK: {place} in {path}", file=sys.stderr)

    def leaks(self) -> int:
        return sum(self._found.values())

    def frame(self) -> pd.DataFrame:
        rows = {p: {c: self._found[p, c] for c in self._commands} for p in self._plants.secrets}
        rows["commands run"] = dict(self._commands)
        return pd.DataFrame.from_dict(rows, orient="index")


@contextmanager
def echoing(cookie: str) -> Iterator[str]:
    """A server that gives back all it was told, in its answer's body and headers; gives its address."""

    class Echo(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = f"{self.requestline} {dict(self.headers)}".encode()
            encoded = (sent.decode(), sent.hex(), base64.b64encode(sent).decode(), "".join(f"%{c:02x}" for c in sent))
            message = "You sent " + " | ".join(encoded)
            told = json.dumps({"error": {"message": message, "code": "invalid_api_key"}})
            self.send_response(401)
            self.send_header("set-cookie", f"session={cookie}; HttpOnly")
            self.send_header("x-request-id", self.headers.get("authorization", "none")[-60:])
            self.send_header("server", f"echo {self.headers.get('authorization', '')}")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told.encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def environment_of(plants: Plants, changes: Mapping[str, str | None]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    merged: dict[str, str | None] = {**kept, **changes, **plants.variables}
    # What the lab unsets or breaks stays so: a key that is missing, or one with a line feed.
    given = changes.get("OPENAI_API_KEY", KEY)
    merged["OPENAI_API_KEY"] = given and given.replace(KEY, plants.secrets["OPENAI_API_KEY"])
    if changes.get("HTTPS_PROXY"):
        password = plants.secrets["password in the proxy's URL"]
        merged["HTTPS_PROXY"] = str(changes["HTTPS_PROXY"]).replace("://", f"://runner:{password}@", 1)
    return {name: value for name, value in merged.items() if value is not None}


def leak_table(faults: tuple[str, ...], notebook_faults: tuple[str, ...], folder: Path, *, echo: bool = True) -> Table:
    """Run everything; what is left stands below *folder*. With *echo* all notebooks also meet a server that echoes."""
    plants = Plants()
    table = Table(plants)
    beside = folder.with_name(folder.name + "-own")
    beside.mkdir()
    (beside / "sign.pem").write_text(plants.private_key)
    (beside / "page.html").write_text(f"<script>const key = '{plants.secrets['page: OpenAI key']}'</script>")
    (beside / "pasted.txt").write_text(plants.text)

    for fault in faults:
        with lab.start(fault) as running:
            (here := folder / f"check-{fault}").mkdir()
            environment = environment_of(plants, running.environment)
            table.run("check", ["check", "--json", "check.json"], here, environment)
            table.run("diagnose", ["diagnose", "check.json", "--json", "-"], here, environment)
            table.run("triage", ["triage", str(beside / "pasted.txt"), "--evidence", "check.json"], here, environment)
        print(f"  {fault}", file=sys.stderr)

    for name, base_url in _odd_base_urls(plants).items():
        (here := folder / name).mkdir()
        table.run(
            "check", ["check", "--json", "check.json"], here, environment_of(plants, {"OPENAI_BASE_URL": base_url})
        )
    if echo:
        with echoing(plants.secrets["server: cookie"]) as server:
            base_url = named_in(server, plants)
            (here := folder / "echo").mkdir()
            _notebooks(table, here, beside, environment_of(plants, {"OPENAI_BASE_URL": base_url}), plants)
    for fault in notebook_faults:
        with lab.start(fault) as running:
            (here := folder / f"run-{fault}").mkdir()
            _notebooks(table, here, beside, environment_of(plants, running.environment), plants)
        print(f"  notebooks, {fault}", file=sys.stderr)
    return table


def named_in(base_url: str, plants: Plants) -> str:
    """That base URL with secrets in its path and its query, each behind a name that says so."""
    parameter, piece = plants.secrets["parameter of the base URL"], plants.secrets["piece of the base URL's path"]
    return f"{base_url}/token/{piece}/v1?api-key={parameter}&x=1"


def _odd_base_urls(plants: Plants) -> dict[str, str]:
    password, signature = plants.secrets["password in the base URL"], plants.secrets["signature in the base URL"]
    return {
        "userinfo": f"http://runner:{password}@127.0.0.1:9/v1",
        "signed": f"http://127.0.0.1:9/v1?sig={signature}",
    }


def _notebooks(table: Table, here: Path, beside: Path, environment: dict[str, str], plants: Plants) -> None:
    """Every notebook, then every command that reads a record."""
    environment = {
        **environment,
        "OAIRUNBOOK_SIGN_KEY": str(beside / "sign.pem"),
        "OAIRUNBOOK_WEBHOOK": "http://127.0.0.1:9/hook/" + plants.secrets["webhook's URL"],
    }
    names = [name for name in runbooks.names() if name not in ("game_day", "triage")]
    table.run("collect", ["collect", "--json", "collect.json", "--", sys.executable, "-"], here, environment)
    table.run(
        "fleet", ["fleet", "--via", f"{sys.executable} -", "--repeat", "2", "--json", "fleet.json"], here, environment
    )
    table.run("run", ["run", *names], here, environment)
    table.run("run", ["run", "04_browser", "-p", "page", str(beside / "page.html")], here, environment)
    table.run("run", ["run", "01_response_evidence", "-p", "error_text", plants.text], here, environment)
    table.run("run --cron", ["run", "--cron", "--prom", "metrics.prom"], here, environment)
    table.run("verify", ["verify", "--repeat", "1"], here, environment)
    run = next((str(p.parent) for p in sorted(here.glob("archive/**/manifest.json"))), "latest")
    table.run("packet", ["packet", run, "--json", "packet.json"], here, environment)
    table.run("report", ["report", run, "--out", "report.html"], here, environment)
    table.run("compare", ["compare", run, "latest", "--json", "-"], here, environment)
    for part in ("list", "verify"):
        table.run("archive", ["archive", part, "--json", "-"], here, environment)
    table.run("archive", ["archive", "show", run], here, environment)


def scanned(folder: Path) -> str:
    """What detect-secrets finds below a folder: by its plugins for keys of vendors, without those for mere entropy."""
    from detect_secrets import SecretsCollection
    from detect_secrets.settings import default_settings

    found = SecretsCollection()
    with default_settings() as settings:
        settings.disable_plugins("Base64HighEntropyString", "HexHighEntropyString")
        for path in folder.rglob("*"):
            if path.is_file():
                found.scan_file(str(path))
    each = [f"{name}: {secret.type}, line {secret.line_number}" for name, secret in found]
    return "\n".join((f"detect-secrets: {len(each)} found", *each[:40]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.leaks", description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", default=",".join(fault.id for fault in FAULTS), help="faults that `check` meets")
    parser.add_argument("--notebook-faults", default=",".join(NOTEBOOK_FAULTS), help="faults that all notebooks meet")
    options = parser.parse_args()
    faults, notebook_faults = (tuple(filter(None, o.split(","))) for o in (options.faults, options.notebook_faults))
    with tempfile.TemporaryDirectory(prefix="oairunbook-leaks-") as scratch:
        folder = Path(scratch, "left")
        folder.mkdir()
        table = leak_table(faults, notebook_faults, folder)
        print(table.frame().to_string())
        print(f"{table.leaks()} found; {table.searched:,} files searched, {table.bytes / 1e6:,.0f} MB")
        print(scanned(folder))
    return 1 if table.leaks() else 0


if __name__ == "__main__":
    sys.exit(main())
