"""`oairunbook.observe()` and `oairunbook.recording()`: what a failing call leaves, and that the application notices nothing of it."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import openai
import pytest

import oairunbook
from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence, SdkFailed, load_evidence
from oairunbook.lab import wire
from oairunbook.lab.listener import Handle, Listener, reset
from oairunbook.observe.application import block as block_module
from oairunbook.observe.application.recording import KEPT_REQUESTS, recorder_of
from oairunbook.verdict import Verdict

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz012345"
PROMPT = "Why did the whale of Nantucket swallow the ledger of the year 1841?"
JSON = ("content-type", "application/json")
COMPLETION = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Because of Jonah."}}
        ],
    }
).encode()
CHUNK = b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Call me"}}]}\n\n'


class Told:
    """What the callback was given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> None:
        self.texts.append(text)

    @property
    def evidence(self) -> Evidence:
        (text,) = self.texts
        return load_evidence(text)

    @property
    def verdict(self) -> Verdict:
        return diagnose(self.evidence)

    @property
    def failed(self) -> SdkFailed:
        outcome = next(o.outcome for o in self.evidence.observations if o.id == "application")
        assert isinstance(outcome, SdkFailed)
        return outcome


def answering(*answers: Callable[[socket.socket], None]) -> Handle:
    """A server that gives these answers in turn, the last one ever after; each connection is kept open while it likes."""
    left = list(answers)
    lock = threading.Lock()

    def serve(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while wire.read_request(stream) is not None:
                with lock:
                    answer = left.pop(0) if len(left) > 1 else left[0]
                answer(connection)

    return serve


def whole(status: int, body: bytes, *headers: tuple[str, str]) -> Callable[[socket.socket], None]:
    return lambda connection: wire.send_whole(connection, status, (JSON, *headers), body)


def streamed_and_cut(connection: socket.socket) -> None:
    head = (("content-type", "text/event-stream"), ("content-length", "9000"), ("x-request-id", "req_cut"))
    connection.sendall(wire.head(200, head) + CHUNK)
    connection.shutdown(socket.SHUT_RDWR)


def closing(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def refused() -> Iterator[str]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


@contextmanager
def served(handle: Handle) -> Iterator[str]:
    with Listener(handle) as listener:
        yield f"http://127.0.0.1:{listener.port}/v1"


_made: list[openai.OpenAI] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while _made:
        _made.pop().close()


def sync(base: str, **more: Any) -> openai.OpenAI:
    _made.append(openai.OpenAI(base_url=base, api_key=KEY, **{"max_retries": 0, **more}))
    return _made[-1]


def ask(client: Any, **more: Any) -> Any:
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": PROMPT}], **more)


# -- what is seen -----------------------------------------------------------------------------------------------------


def test_a_refused_connection_is_named_from_the_record_alone_and_the_exception_is_the_same() -> None:
    told = Told()
    with refused() as base:
        client = sync(base)
        with pytest.raises(openai.APIConnectionError) as plain:
            ask(client)
        with pytest.raises(openai.APIConnectionError) as caught, oairunbook.observe(client, callback=told, every=0):
            ask(client)

    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames == [frame.name for frame in traceback.extract_tb(plain.value.__traceback__)]
    assert type(caught.value.__cause__) is type(plain.value.__cause__)
    assert (told.verdict.cause, told.verdict.certainty) == ("tcp.refused", "likely")
    assert [event.name for event in told.failed.trace] == [
        "connection.connect_tcp.started",
        "connection.connect_tcp.failed",
    ]
    assert f"http://{told.failed.trace[0].host}:{told.failed.trace[0].port}/v1" == base
    assert told.evidence.route.base_url.value == base
    assert told.evidence.route.base_url.source == "the application's client"

    # The control: where nothing fails nothing is recorded.
    with served(answering(whole(200, COMPLETION))) as base, oairunbook.observe(callback=told, every=0):
        assert ask(sync(base)).choices
    assert len(told.texts) == 1


def test_the_exception_leaves_the_block_as_the_very_same_object() -> None:
    raised: list[BaseException] = []

    def keep_and_raise(base: str) -> None:
        try:
            ask(sync(base))
        except openai.APIConnectionError as error:
            raised.append(error)
            raise

    with (
        refused() as base,
        pytest.raises(openai.APIConnectionError) as caught,
        oairunbook.observe(callback=Told(), every=0),
    ):
        keep_and_raise(base)
    assert caught.value is raised[0]


def test_without_a_recording_the_transports_own_frames_tell_the_step() -> None:
    told = Told()
    with pytest.raises(openai.APIConnectionError), oairunbook.observe(callback=told, every=0):
        ask(sync("https://no-such-host.invalid/v1"))
    (event,) = told.failed.trace
    assert (event.name, event.host, event.port) == ("connection.connect_tcp.failed", "no-such-host.invalid", 443)
    assert told.verdict.layer == "dns"


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
def test_the_hook_takes_clients_of_both_transports_and_earlier_attempts_are_kept(library: Any) -> None:
    told = Told()
    with refused() as base:
        client = sync(base, http_client=oairunbook.recording(library.Client()), max_retries=1)
        with pytest.raises(openai.APIConnectionError), oairunbook.observe(callback=told, every=0):
            ask(client)
    assert told.evidence.route.transport is not None
    assert told.evidence.route.transport.split()[0] == library.__name__
    assert told.failed.trace[-1].name == "connection.connect_tcp.failed"
    (earlier,) = [o for o in told.evidence.observations if o.id.startswith("application.earlier")]
    assert isinstance(earlier.outcome, SdkFailed)
    assert earlier.outcome.trace[-1].error == "ConnectError"


def test_a_stream_that_breaks_off_while_it_is_read_keeps_status_and_request_id() -> None:
    told = Told()
    with served(answering(streamed_and_cut)) as base:
        client = sync(base)
        # SDKs before 3.14 let the transport's own error out here.
        with (
            pytest.raises((openai.APIError, httpx.HTTPError, httpx2.HTTPError)),
            oairunbook.observe(client, callback=told, every=0),
        ):
            for _ in ask(client, stream=True):
                pass
    assert told.failed.stream
    assert {header.name: header.value for header in told.failed.headers}["x-request-id"] == "req_cut"
    assert "http11.receive_response_body.failed" in [event.name for event in told.failed.trace]
    assert (told.verdict.cause, told.verdict.certainty) == ("http.truncated", "likely")


def test_an_answer_of_the_api_is_judged_by_its_own_words() -> None:
    told = Told()
    body = json.dumps({"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}})
    with served(answering(whole(429, body.encode(), ("x-request-id", "req_42"), ("retry-after", "7")))) as base:
        client = sync(base)
        with pytest.raises(openai.RateLimitError), oairunbook.observe(callback=told, every=0):
            ask(client)
    assert (told.verdict.cause, told.verdict.certainty) == ("api.rate_limited", "proven")
    assert told.failed.answer is not None
    assert told.failed.answer.header("retry-after") == "7"


def test_a_connection_that_died_in_the_pool_is_told_from_one_that_was_new() -> None:
    told = Told()
    with served(answering(whole(200, COMPLETION), closing)) as base:
        client = sync(base)
        with pytest.raises(openai.APIConnectionError), oairunbook.observe(client, callback=told, every=0):  # noqa: PT012
            ask(client)
            ask(client)
    assert (told.verdict.cause, told.verdict.certainty) == ("http.idle_reset", "likely")

    told = Told()
    with served(answering(closing)) as base:
        client = sync(base)
        with pytest.raises(openai.APIConnectionError), oairunbook.observe(client, callback=told, every=0):
            ask(client)
    assert told.verdict.cause == "http.disconnected"


def test_asynchronous_calls_are_seen_alike() -> None:
    told, cut = Told(), Told()

    async def call(base: str) -> None:
        async with (
            openai.AsyncOpenAI(base_url=base, api_key=KEY, max_retries=1) as client,
            oairunbook.observe(client, callback=told, every=0),
        ):
            await ask(client)

    async def read(base: str) -> None:
        async with (
            openai.AsyncOpenAI(base_url=base, api_key=KEY, max_retries=0) as client,
            oairunbook.observe(client, callback=cut, every=0),
        ):
            async for _ in await ask(client, stream=True):
                pass

    with refused() as base, pytest.raises(openai.APIConnectionError):
        asyncio.run(call(base))
    assert told.verdict.cause == "tcp.refused"
    assert [o.id for o in told.evidence.observations] == ["client.sdk", "application.earlier:1", "application"]
    with served(answering(streamed_and_cut)) as base, pytest.raises((openai.APIError, httpx2.HTTPError)):
        asyncio.run(read(base))
    assert "http11.receive_response_body.failed" in [event.name for event in cut.failed.trace]


def test_a_deadline_of_the_applications_own_shows_what_it_waited_for() -> None:
    told = Told()
    release = threading.Event()

    async def call(base: str) -> None:
        async with (
            openai.AsyncOpenAI(base_url=base, api_key=KEY) as client,
            oairunbook.observe(client, callback=told, every=0),
        ):
            await asyncio.wait_for(ask(client), 0.3)

    with served(lambda connection: release.wait(20) and None) as base:
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(call(base))
        release.set()
    assert "CancelledError" in [event.error for event in told.failed.trace]
    assert any(event.name == "http11.receive_response_headers.started" for event in told.failed.trace)


def test_a_client_that_cannot_be_made_is_recorded_as_that() -> None:
    told = Told()
    with pytest.raises(ValueError, match="Unknown scheme"), oairunbook.observe(callback=told, every=0):
        openai.OpenAI(api_key=KEY, http_client=openai.DefaultHttpxClient(proxy="socks9://127.0.0.1:1"))
    assert told.verdict.cause == "client.proxy_config_invalid"


def test_errors_that_are_not_the_sdks_are_nobodys_business() -> None:
    told = Told()
    with pytest.raises(ZeroDivisionError), oairunbook.observe(callback=told, every=0):
        _ = 1 / 0
    with pytest.raises(KeyboardInterrupt), oairunbook.observe(callback=told, every=0):
        raise KeyboardInterrupt
    assert told.texts == []


def test_the_test_right_after_it_goes_by_the_applications_own_client() -> None:
    told = Told()
    with served(answering(closing, whole(200, COMPLETION))) as base:
        client = sync(base)
        with (
            pytest.raises(openai.APIConnectionError),
            oairunbook.observe(client, callback=told, every=0, test=True, budget=20.0),
        ):
            ask(client)
    sent = [o for o in told.evidence.observations if o.probe == "sdk"]
    assert sent, [o.id for o in told.evidence.observations]
    verdict = told.verdict
    assert verdict.cause == "http.disconnected"
    assert (verdict.pattern, verdict.failed, verdict.certainty) == ("intermittent", 1, "likely")

    told = Told()
    with refused() as base:
        client = sync(base)
        with (
            pytest.raises(openai.APIConnectionError),
            oairunbook.observe(client, callback=told, every=0, test=True, budget=20.0),
        ):
            ask(client)
    # What the test saw on the socket is more than the call could tell.
    assert (told.verdict.cause, told.verdict.certainty) == ("tcp.refused", "proven")
    assert any(reason.observation == "application" for reason in told.verdict.because)


def test_an_asynchronous_client_is_tested_in_its_own_loop() -> None:
    told = Told()

    async def call(base: str) -> None:
        client = openai.AsyncOpenAI(base_url=base, api_key=KEY, max_retries=0)
        async with client, oairunbook.observe(client, callback=told, every=0, test=True, budget=30.0):
            await ask(client)

    with served(answering(closing, whole(200, COMPLETION))) as base, pytest.raises(openai.APIConnectionError):
        asyncio.run(call(base))
    built = next(o.outcome for o in told.evidence.observations if o.id == "client.sdk")
    assert getattr(built, "client", "") == "openai.AsyncOpenAI"
    assert any(o.probe == "sdk" and o.outcome.kind == "sdk_answered" for o in told.evidence.observations)
    assert told.verdict.pattern == "intermittent"


# -- what is not kept -------------------------------------------------------------------------------------------------


ENCODED: dict[str, Callable[[bytes], str]] = {
    "as it is": bytes.decode,
    "hexadecimal": bytes.hex,
    "hexadecimal, apart": lambda data: data.hex(" "),
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64 for URLs, behind two bytes": lambda data: base64.urlsafe_b64encode(b"> " + data).decode(),
    "base64, folded": lambda data: base64.encodebytes(data).decode(),
    "percent signs": lambda data: "".join(f"%{byte:02X}" for byte in data),
    "entities": lambda data: "".join(f"&#x{byte:x};" for byte in data),
}


@pytest.mark.parametrize("how", ENCODED)
def test_a_prompt_that_an_answer_quotes_encoded_enters_no_record(how: str) -> None:
    told = Told()

    sent = json.dumps({"messages": [{"role": "user", "content": PROMPT}], "model": "m"}).encode()
    message = f"cannot parse: {ENCODED[how](sent)} as JSON"
    body = json.dumps({"error": {"message": message, "type": "bad", "code": message}}).encode()
    with served(answering(whole(400, body))) as base:
        client = sync(base)
        with pytest.raises(openai.APIStatusError), oairunbook.observe(client, callback=told, every=0):
            ask(client)
    for inner in (PROMPT[:20], PROMPT[-20:]):
        assert not any(ENCODED[other](inner.encode())[3:-4] in told.texts[0] for other in ENCODED)
    assert "cannot parse: " in told.texts[0]
    assert "as JSON" in told.texts[0]
    assert "[redacted prompt]" in told.texts[0]


def test_what_only_looks_encoded_stays() -> None:
    told = Told()
    text = f"request {'0123456789abcdef' * 4} of {base64.b64encode(bytes(range(64))).decode()} was refused"
    with served(answering(whole(400, json.dumps({"error": {"message": text}}).encode()))) as base:
        client = sync(base)
        with pytest.raises(openai.APIStatusError), oairunbook.observe(client, callback=told, every=0):
            ask(client)
    assert text in told.texts[0]


def test_no_key_no_prompt_and_no_completion_enter_the_record() -> None:
    secrets = ("x-team-secret-4711", "proxy-password-77", KEY, PROMPT[:20], PROMPT[-20:], "Jonah")
    told = Told()
    echo = {"detail": [{"loc": ["body"], "msg": "bad", "input": {"messages": [{"content": PROMPT}]}}]}
    quoting = {"error": {"message": f"Invalid content: '{PROMPT[:50]}…' for {KEY}", "type": "invalid_request_error"}}
    for status, body in ((422, echo), (400, quoting), (400, {"error": PROMPT})):
        with served(answering(whole(status, json.dumps(body).encode()))) as base:
            client = sync(base, default_headers={"x-gateway-auth": "x-team-secret-4711"})
            with pytest.raises(openai.APIStatusError), oairunbook.observe(client, callback=told, every=0):
                ask(client)
    broken = COMPLETION.replace(b'"choices"', b'"choices": 7, "was"')
    with served(answering(whole(200, broken))) as base:
        client = sync(base, _strict_response_validation=True)
        with pytest.raises(openai.APIError), oairunbook.observe(client, callback=told, every=0):
            ask(client)
    http_client = openai.DefaultHttpxClient(proxy="http://user:proxy-password-77@127.0.0.1:9")
    client = sync("https://api.example.test/v1", http_client=http_client)
    with pytest.raises(openai.APIConnectionError), oairunbook.observe(client, callback=told, every=0):
        ask(client)
    with pytest.raises(RuntimeError), oairunbook.observe(callback=told, every=0):  # noqa: PT012
        try:
            ask(client)
        except openai.APIConnectionError as error:
            raise RuntimeError(f"could not answer {PROMPT!r}") from error

    assert len(told.texts) == 6
    for text in told.texts:
        for secret in secrets:
            assert secret not in text, text
    assert "[redacted prompt]" in told.texts[1]
    # The control: what a packet needs is there.
    route = load_evidence(told.texts[4]).route
    assert (route.proxy.url, route.proxy.rule) == ("http://127.0.0.1:9", "the application's client names it")
    assert diagnose(load_evidence(told.texts[4])).cause == "proxy.unreachable"


def test_the_ring_holds_a_few_requests_and_nothing_of_their_bodies_and_keys() -> None:
    with served(answering(whole(200, COMPLETION, ("set-cookie", "session=4711-secret")))) as base:
        client = oairunbook.recording(sync(base))
        assert oairunbook.recording(client) is client
        for _ in range(KEPT_REQUESTS + 4):
            ask(client)
    recorder = recorder_of(client)
    assert recorder is not None
    assert len(client._client.event_hooks["request"]) == 1
    assert len(recorder.ring) == KEPT_REQUESTS
    held = repr(
        [
            {name: getattr(item, name) for name in item.__slots__} | {"events": item.trace._noted}
            for item in recorder.ring
        ]
    )
    for secret in (KEY, PROMPT, "Jonah", "4711-secret"):
        assert secret not in held


# -- that it does no harm ---------------------------------------------------------------------------------------------


def test_an_own_trace_and_own_hooks_of_the_application_go_on() -> None:
    seen: list[str] = []

    def own(request: Any) -> None:
        request.extensions["trace"] = lambda name, info: seen.append(name)

    def strict(response: Any) -> None:
        response.read()
        response.raise_for_status()

    http_client = httpx2.Client(event_hooks={"request": [own], "response": [strict]})
    with served(answering(whole(200, COMPLETION))) as base:
        client = sync(base, http_client=oairunbook.recording(http_client))
        ask(client)
    assert "http11.receive_response_headers.complete" in seen
    recorder = recorder_of(client)
    assert recorder is not None
    assert recorder.ring[-1].status == 200


def test_whatever_goes_wrong_with_the_record_the_application_sees_its_own_exception(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(_: str) -> None:
        raise MemoryError("of the callback")

    held = threading.Event()
    (tmp_path / "file").touch()
    with refused() as base:
        for wrong in (
            {"callback": breaks},
            {"path": tmp_path / "file" / "folder" / "record.json"},
            {"client": object()},
            {"callback": lambda _: held.wait(30), "seconds": 0.2},
        ):
            began = time.monotonic()
            with (
                caplog.at_level(logging.WARNING),
                pytest.raises(openai.APIConnectionError),
                oairunbook.observe(every=0, **wrong),
            ):
                ask(sync(base))
            assert time.monotonic() - began < 15, wrong
    held.set()
    assert "MemoryError" in caplog.text
    assert (
        f"could not be recorded in '{tmp_path}/file/folder/record.json': Not a directory. Name in path= or"
        in caplog.text
    )
    assert "the client cannot be watched: TypeError" in caplog.text
    assert "of the callback" not in caplog.text


def test_the_event_loop_runs_on_while_a_record_is_made() -> None:
    release = threading.Event()

    async def call(base: str) -> int:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while not release.is_set():
                turns += 1
                if turns > 20:
                    release.set()
                await asyncio.sleep(0.01)

        async with openai.AsyncOpenAI(base_url=base, api_key=KEY, max_retries=0) as client:
            beside = asyncio.ensure_future(turn())
            with pytest.raises(openai.APIConnectionError):
                # The callback waits for the loop: if that stood still, neither would go on.
                async with oairunbook.observe(client, callback=lambda _: release.wait(20), every=0, seconds=20.0):
                    await ask(client)
            await beside
        return turns

    with refused() as base:
        assert asyncio.run(call(base)) > 20


def test_the_same_failure_again_is_counted_and_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    monkeypatch.setattr(block_module, "_last", {})
    with refused() as base:
        client = sync(base)
        block = oairunbook.observe(client, callback=told, every=3600)
        for _ in range(3):
            with pytest.raises(openai.APIConnectionError), block:
                ask(client)
    assert len(told.texts) == 1
    with served(answering(whole(401, b'{"error":{"message":"no","code":"invalid_api_key"}}'))) as base:
        # Another failure is another matter.
        client = sync(base)
        with pytest.raises(openai.AuthenticationError), oairunbook.observe(callback=told, every=3600):
            ask(client)
    assert diagnose(load_evidence(told.texts[-1])).owner == "auth"


# -- where it goes ----------------------------------------------------------------------------------------------------


def diagnosed(*arguments: str, text: str = "") -> str:
    call = [sys.executable, "-m", "oairunbook.cli", "diagnose", "--json", "-", *arguments]
    done = subprocess.run(call, input=text, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stderr
    return str(json.loads(done.stdout)["verdict"]["cause"])


def test_a_file_a_folder_and_a_line_of_a_log_are_all_judged_by_diagnose(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, folder = tmp_path / "record.json", tmp_path / "records"
    folder.mkdir()
    with refused() as base:
        monkeypatch.delenv("OAIRUNBOOK_OBSERVE", raising=False)
        for where in ({"path": file}, {"path": str(folder)}, {}, {}):
            with (
                caplog.at_level(logging.ERROR),
                pytest.raises(openai.APIConnectionError),
                oairunbook.observe(every=0, **where),
            ):
                ask(sync(base))
            monkeypatch.setenv("OAIRUNBOOK_OBSERVE", str(folder))
    # The file that is named goes before the variable, and the log is for where nothing is named.
    assert len(list(folder.iterdir())) == 3
    assert not caplog.records
    assert file.stat().st_mode & 0o077 == 0
    assert diagnosed(str(file)) == "tcp.refused"


def recorded_in(path: Path | str) -> None:
    with refused() as base, pytest.raises(openai.APIConnectionError), oairunbook.observe(every=0, path=path):
        ask(sync(base))


def test_each_failure_has_a_file_of_its_own_in_a_folder_that_was_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "oairunbook"
    for _ in range(2):
        recorded_in(folder)
    records = sorted(folder.iterdir())
    assert [record.suffix for record in records] == [".json", ".json"]
    assert diagnose(load_evidence(records[0].read_text())).cause == "tcp.refused"
    assert [path.stat().st_mode & 0o077 for path in (folder.parent, folder, *records)] == [0, 0, 0, 0]


def test_a_name_that_ends_in_json_is_one_file_and_its_folder_is_made(tmp_path: Path) -> None:
    file = tmp_path / "no" / "such" / "record.json"
    recorded_in(file)
    first = file.read_text()
    recorded_in(file)
    assert list(file.parent.iterdir()) == [file]
    assert load_evidence(file.read_text()) != load_evidence(first)


def test_a_link_stays_and_what_it_names_is_written(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "old.json").write_text("old")
    for name, target in (("a.json", "old.json"), ("b.json", "new.json"), ("c", "folder")):
        (tmp_path / name).symlink_to(there / target)
        recorded_in(tmp_path / name)
        assert (tmp_path / name).is_symlink()
    (in_folder,) = (there / "folder").iterdir()
    for file in (there / "old.json", there / "new.json", in_folder):
        assert diagnose(load_evidence(file.read_text())).cause == "tcp.refused"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("device", "it is a character device, neither a folder nor a file"),
        ("pipe.json", "it is a pipe, neither a folder nor a file"),
        ("socket.json", "it is a socket, neither a folder nor a file"),
        ("own.log", "it is a file, and its name does not end in .json"),
        ("loop.json", "Too many levels of symbolic links"),
    ],
)
def test_what_is_no_place_for_records_stays_and_the_record_goes_to_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, reason: str
) -> None:
    path = tmp_path / name
    with socket.socket(socket.AF_UNIX) as held:
        if name == "device":
            # By a link, and not as `.json`: should this fail, the machine keeps its device.
            path.symlink_to("/dev/full")
        elif name == "pipe.json":
            os.mkfifo(path)
        elif name == "socket.json":
            held.bind(str(path))
        elif name == "own.log":
            path.write_text("a line of the application's")
        else:
            path.symlink_to(path)
        before = path.lstat()
        recorded_in(path)
    after = path.lstat()
    # Not the time at which it was looked at last.
    assert (after.st_ino, after.st_mode, after.st_size, after.st_mtime_ns) == (
        before.st_ino,
        before.st_mode,
        before.st_size,
        before.st_mtime_ns,
    )
    assert list(tmp_path.iterdir()) == [path]
    warning, record = caplog.records
    assert f"could not be recorded in '{path}': {reason}. Name in path=" in warning.getMessage()
    assert "\n" not in warning.getMessage()
    assert diagnosed("-", text=record.getMessage()) == "tcp.refused"


@pytest.mark.parametrize("piped", [True, False])
def test_standard_error_is_not_replaced_wherever_it_goes(tmp_path: Path, piped: bool) -> None:
    # By a link, so that the machine keeps its own should this fail.
    link = tmp_path / "stderr"
    link.symlink_to("/dev/stderr")
    code = (
        "import openai, oairunbook, sys\n"
        f"with oairunbook.observe(path='{link}'):\n"
        f"    openai.OpenAI(base_url=sys.argv[1], api_key='{KEY}', max_retries=0).models.list()\n"
    )
    log = tmp_path / "log.json"
    with refused() as base, log.open("wb") as file:
        call = [sys.executable, "-c", code, base]
        done = subprocess.run(call, stderr=subprocess.PIPE if piped else file, check=False, timeout=60)
    said = (done.stderr if piped else log.read_bytes()).decode()
    assert f"could not be recorded in '{link}': " in said
    assert "openai.APIConnectionError" in said
    assert link.is_symlink()
    assert diagnosed("-", text=said) == "tcp.refused"


def test_a_log_with_records_among_other_lines_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        refused() as base,
        caplog.at_level(logging.ERROR),
        pytest.raises(openai.APIConnectionError),
        oairunbook.observe(every=0),
    ):
        ask(sync(base))
    (record,) = caplog.records
    plain = f"2026-11-30 05:00:00 ERROR {record.getMessage()}\nsomething else\n"
    shipped = json.dumps({"level": "error", "message": record.getMessage()}) + "\n" + '{"level": "info"}\n'
    assert diagnosed("-", text=plain) == "tcp.refused"
    assert diagnosed("-", text=shipped) == "tcp.refused"


# -- the name ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before",
    [
        "import oairunbook",
        "import oairunbook.observe.walk, oairunbook",
        "import oairunbook; oairunbook.observe; import oairunbook.observe.walk",
        "from oairunbook import observe, check, recording; import oairunbook; assert oairunbook.observe is observe",
        "import oairunbook.observe; from oairunbook.observe import observe as look; assert look is not oairunbook.observe",
    ],
)
def test_the_package_of_probes_and_the_call_share_one_name_in_any_order(before: str) -> None:
    code = f"{before}\nwith oairunbook.observe(): pass\nimport oairunbook.observe.walk\noairunbook.observe.walk.Walk\nwith oairunbook.observe(): pass"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_an_application_that_only_imports_it_loads_nothing_of_it() -> None:
    code = "import sys, oairunbook\nassert not [name for name in sys.modules if name.startswith('oairunbook.')]"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_what_is_no_client_is_refused_by_the_hook() -> None:
    with pytest.raises(TypeError, match=r"not builtins\.str"):
        oairunbook.recording("sk-secret")  # type: ignore[type-var, unused-ignore]


def test_a_reset_is_a_reset(tmp_path: Path) -> None:
    told = Told()

    def resets(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            wire.read_request(stream)
        reset(connection)

    with served(resets) as base:
        client = sync(base)
        with pytest.raises(openai.APIConnectionError), oairunbook.observe(client, callback=told, every=0):
            ask(client)
    assert (told.verdict.cause, told.verdict.certainty) == ("http.reset", "likely")
