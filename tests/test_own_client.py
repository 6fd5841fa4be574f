"""`--client MODULE:FACTORY`: the application's own client makes the minimal request, and route and verdict speak of that client."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from oairunbook import lab
from oairunbook.lab import wire
from oairunbook.lab.listener import Listener
from oairunbook.observe.awaiting import Awaiting
from oairunbook.observe.factory import NoClientError, load_client
from tests.test_application import COMPLETION, JSON
from tests.world.authority import context

KEY = "sk-proj-own-client-0123456789abcdef"
MODULE = """
import os
import openai

BASE = os.environ["BASE_OF_THE_APPLICATION"]
KEY = "sk-proj-own-client-0123456789abcdef"

plain = openai.OpenAI(base_url=BASE, api_key=KEY)

def make():
    print("made by the application")
    return openai.OpenAI(base_url=BASE, api_key=KEY, default_headers={"x-gateway-auth": "team-secret-4711"})
def asynchronous(): return openai.AsyncOpenAI(base_url=BASE, api_key=KEY)
async def coroutine(): return openai.AsyncOpenAI(base_url=BASE, api_key=KEY)
def aiohttp(): return openai.AsyncOpenAI(base_url=BASE, api_key=KEY, http_client=openai.DefaultAioHttpClient())
def trusting():
    root = os.environ["ROOT_OF_THE_APPLICATION"]
    import ssl
    return openai.OpenAI(base_url=BASE, api_key=KEY, http_client=openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=root)))
def careless(): return openai.OpenAI(base_url=BASE, api_key=KEY, http_client=openai.DefaultHttpxClient(verify=False))
def by_a_proxy(): return openai.OpenAI(base_url=BASE, api_key=KEY, http_client=openai.DefaultHttpxClient(proxy="http://u:proxy-password-77@127.0.0.1:9"))
def azure(): return openai.AzureOpenAI(azure_endpoint=BASE.removesuffix("/v1"), api_key=KEY, api_version="2024-10-21", azure_deployment="chat-eu")

def number(): return 3
def needs(setting): return plain
def fails(): raise RuntimeError("no configuration in /etc/app.toml")
def leaves(): raise SystemExit(0)
def ends(): os._exit(0)
def hangs():
    import time
    while True:
        try: time.sleep(60)
        except Exception: pass
async def waits():
    import asyncio
    await asyncio.sleep(60)
"""


class Api:
    """A server that answers every request, and keeps what it was sent."""

    def __init__(self, tls: Any = None) -> None:
        self.requests: list[wire.Request] = []
        self.status = 200
        self._listener = Listener(self._serve, tls=tls)
        self.base = f"{'https' if tls else 'http'}://localhost:{self._listener.port}/v1"

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (request := wire.read_request(stream)) is not None:
                self.requests.append(request)
                wire.send_whole(connection, self.status, (JSON,), COMPLETION)

    def headers(self, name: str) -> set[str]:
        return {value for r in self.requests for key, value in r.headers.items() if key.lower() == name}

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    yield made
    made.close()


@pytest.fixture
def application(tmp_path: Path) -> Path:
    (tmp_path / "app_llm.py").write_text(MODULE)
    (tmp_path / "broken_llm.py").write_text("import no_such_dependency\n")
    return tmp_path


def run(application: Path, base: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = {
        **kept,
        "OPENAI_API_KEY": "sk-proj-another-key-0123456789",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    }
    environment |= {"BASE_OF_THE_APPLICATION": base, "PYTHONPATH": str(Path(lab.__file__).parents[2]), **variables}
    command, *arguments = arguments if arguments[0] in ("run", "verify") else ("check", "--repeat", "1", *arguments)
    call = [sys.executable, "-m", "oairunbook.cli", command, "--json", "-", "-q"]
    call += ["-p", "control_url", ""] if command == "run" else ["--control-url", ""]
    return subprocess.run(
        [*call, *arguments], cwd=application, env=environment, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip


def checked(application: Path, base: str, name: str, *arguments: str, **variables: str) -> dict[str, Any]:
    done = run(application, base, "--client", f"app_llm:{name}", "--model", "m", *arguments, **variables)
    assert done.stdout, done.stderr
    for secret in (KEY, "team-secret-4711", "proxy-password-77"):
        assert secret not in done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def seen(document: dict[str, Any], identity: str) -> dict[str, Any]:
    outcome: dict[str, Any] = next(o["outcome"] for o in document["evidence"]["observations"] if o["id"] == identity)
    return outcome


@pytest.mark.parametrize("name", ["plain", "make", "coroutine"])
def test_the_request_is_made_by_the_applications_own_client(application: Path, api: Api, name: str) -> None:
    document = checked(application, api.base, name)
    assert seen(document, "sdk")["kind"] == "sdk_answered"
    assert seen(document, "client.sdk")["client"] == (
        "openai.OpenAI" if name in ("plain", "make") else "openai.AsyncOpenAI"
    )
    assert api.headers("authorization") == {f"Bearer {KEY}"}
    if name == "make":
        assert "team-secret-4711" in api.headers("x-gateway-auth")
    route = document["evidence"]["route"]
    assert route["base_url"] == {"value": api.base, "source": "the application's client"}
    assert route["credential"]["source"] == "the application's client"
    # The trace of an asynchronous client is seen as well.
    assert seen(document, "sdk")["trace"][0]["host"] == "localhost"


def test_aiohttp_carries_the_request_and_says_so(application: Path, api: Api) -> None:
    pytest.importorskip("aiohttp")
    assert seen(checked(application, api.base, "aiohttp"), "sdk")["kind"] == "sdk_answered"
    api.close()
    document = checked(application, api.base, "aiohttp")
    assert document["verdict"]["cause"] == "tcp.refused"
    assert any("aiohttp" in link["type"] for link in seen(document, "sdk")["errors"])


def test_the_clients_own_trust_store_counts_and_no_key_goes_out_unverified(application: Path) -> None:
    authority = trustme.CA()
    root = application / "root.pem"
    authority.cert_pem.write_to_path(str(root))
    api = Api(context(authority.issue_cert("localhost")))
    try:
        variables = {"ROOT_OF_THE_APPLICATION": str(root)}
        trusting = checked(application, api.base, "trusting", **variables)
        assert seen(trusting, "sdk")["kind"] == "sdk_answered"
        assert trusting["evidence"]["route"]["trust"]["reason"] == "the application's client brings a store of its own"

        api.requests.clear()
        careless = checked(application, api.base, "careless", **variables)
        assert seen(careless, "sdk")["kind"] == "not_tried"
        assert careless["verdict"]["cause"] != "ok"
        assert api.headers("authorization") == set()

        # The control: the SDK's default store does not hold that root.
        assert checked(application, api.base, "make", **variables)["verdict"]["layer"] == "tls"
        assert api.headers("authorization") == set()
    finally:
        api.close()


def test_the_clients_own_proxy_is_the_one_that_is_dialled(application: Path) -> None:
    document = checked(application, "https://api.example.test/v1", "by_a_proxy")
    proxy = document["evidence"]["route"]["proxy"]
    assert (proxy["url"], proxy["rule"]) == ("http://127.0.0.1:9", "the application's client names it")
    assert proxy["has_credentials"] is True
    assert document["verdict"]["cause"] == "proxy.unreachable"


def test_a_client_of_azure_brings_deployment_and_version(application: Path, api: Api) -> None:
    document = checked(application, api.base, "azure")
    route = document["evidence"]["route"]
    assert (route["family"], route["surface"], route["api_version"]["value"]) == ("azure", "azure-dated", "2024-10-21")
    assert api.headers("api-key") == {KEY}
    assert any(r.target.startswith("/openai/deployments/") for r in api.requests)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("app_llm", "it is not of the form MODULE:FACTORY"),
        ("no_such_module:make", "there is no module no_such_module in "),
        ("broken_llm:make", "broken_llm.py:1, for the module no_such_dependency ("),
        ("app_llm:nothing", "app_llm has no nothing"),
        ("app_llm:BASE", "BASE is a str, neither a client of the OpenAI SDK nor something to call"),
        ("app_llm:number", "number returned a int, which is no client of the OpenAI SDK"),
        ("app_llm:needs", "calling needs failed: TypeError at the call itself: it is made without arguments ("),
        ("app_llm:fails", "app_llm.py:26 (OAIRUNBOOK_DEBUG=1 in that environment shows the text)"),
        ("app_llm:leaves", "calling leaves failed: SystemExit at "),
    ],
)
def test_what_gives_no_client_is_told_with_its_reason(
    application: Path, spec: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(application)
    monkeypatch.setenv("BASE_OF_THE_APPLICATION", "http://127.0.0.1:9/v1")
    monkeypatch.delitem(sys.modules, "app_llm", raising=False)
    with pytest.raises(NoClientError) as caught:
        load_client(spec, Awaiting())
    monkeypatch.delitem(sys.modules, "app_llm", raising=False)
    assert said in str(caught.value)
    assert "Nothing was sent" in str(caught.value)
    assert str(application) not in sys.path


@pytest.mark.parametrize("name", ["hangs", "waits"])
def test_a_client_that_takes_for_ever_to_make_is_given_up_in_time(
    application: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the application's code takes every failure for one of its own."""
    monkeypatch.chdir(application)
    monkeypatch.setenv("BASE_OF_THE_APPLICATION", "http://127.0.0.1:9/v1")
    monkeypatch.setitem(sys.modules, "app_llm", None)
    monkeypatch.delitem(sys.modules, "app_llm")
    load_client("app_llm:plain", Awaiting(), 60.0)
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(NoClientError, match=r"making it had not ended after 0\.3 s.* Nothing was sent"):
        load_client(f"app_llm:{name}", Awaiting(), 0.3)
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)) == (before, (0.0, 0.0))


def test_a_client_whose_code_ends_the_process_is_no_healthy_path(application: Path, api: Api) -> None:
    """`os._exit(0)` with the status of a healthy path; `make` beside it is the control of the other tests."""
    done = run(application, api.base, "--client", "app_llm:ends")
    assert (done.returncode, done.stdout) == (4, "")
    said = " ".join(done.stderr.split())
    assert "ended with status 0, and no answer came back" in said
    assert "the code of --client app_llm:ends had been started there: it may have ended its process" in said
    assert api.requests == []


def test_another_interpreter_loads_the_client_there_and_says_there_what_is_wrong(application: Path, api: Api) -> None:
    document = checked(application, api.base, "make", "--python", sys.executable)
    assert seen(document, "sdk")["kind"] == "sdk_answered"
    assert document["evidence"]["runtime"]["collector"]["carrier"] == "interpreter"
    done = run(application, api.base, "--client", "app_llm:fails", "--python", sys.executable)
    assert (done.returncode, done.stdout) == (2, "")
    assert "calling fails failed: RuntimeError at " in " ".join(done.stderr.split())
    assert "no configuration" not in done.stderr


def test_runs_watches_and_the_proof_of_the_fix_take_the_applications_client_as_well(
    application: Path, api: Api, tmp_path: Path
) -> None:
    theirs = ("--client", "app_llm:make", "--model", "m", "--archive", str(tmp_path / "archive"))
    api.status = 500
    failed = run(application, api.base, "run", *theirs)
    assert (failed.returncode, failed.stderr) == (1, "")
    document = json.loads(failed.stdout)
    assert document["evidence"]["route"]["base_url"]["value"] == api.base
    assert document["verdict"]["cause"] == "api.server_error"

    api.status = 200
    mended = run(application, api.base, "verify", *theirs)
    assert (mended.returncode, mended.stderr) == (0, "")
    assert json.loads(mended.stdout)["proof"]["proved"]
    assert api.headers("x-gateway-auth") == {"team-secret-4711"}
    for secret in (KEY, "team-secret-4711"):
        kept = [path for path in (tmp_path / "archive").rglob("*") if path.is_file()]
        assert kept
        assert not [path for path in kept if secret.encode() in path.read_bytes()]


def test_a_wrong_call_here_ends_with_2_and_nothing_is_sent(application: Path, api: Api) -> None:
    for arguments, said in (
        (("--client", "app_llm:fails"), "calling fails failed: RuntimeError at "),
        # With the application's own status 0 it would have said that the path is healthy.
        (("--client", "app_llm:leaves"), "calling leaves failed: SystemExit at "),
        (("--client", "app_llm:make", "--base-url", "https://elsewhere.example/v1"), "leave --base-url out"),
    ):
        done = run(application, api.base, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in " ".join(done.stderr.split())
    assert api.requests == []


def test_the_text_of_what_the_applications_code_raises_is_shown_on_demand_alone(
    application: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "def fails():\n"
        "    try:\n"
        "        raise KeyError('odd-secret-yy')\n"
        "    except KeyError:\n"
        "        raise RuntimeError('cannot read odd-secret-zz')\n"
    )
    (application / "odd_llm.py").write_text(source, encoding="utf-8")
    (application / "typo_llm.py").write_text("key = 'odd-secret-xx' +\n", encoding="utf-8")
    for spec, said in (("odd_llm:fails", "odd_llm.py:5; KeyError at "), ("typo_llm:make", "typo_llm.py:1 (")):
        done = run(application, api.base, "--client", spec)
        assert (done.returncode, done.stdout) == (2, "")
        assert "odd-secret" not in done.stderr
        # A terminal's width may part it anywhere.
        assert "".join(said.split()) in "".join(done.stderr.split())
    monkeypatch.setenv("OAIRUNBOOK_DEBUG", "1")
    shown = run(application, api.base, "--client", "odd_llm:fails")
    assert "cannot read odd-secret-zz" in " ".join(shown.stderr.split())
