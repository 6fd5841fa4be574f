"""What the SDK raises of its own client, for real: the traceback alone names the cause, and none of it is a fault of the path."""

from __future__ import annotations

import asyncio
import gc
import importlib
import traceback
from collections.abc import Callable, Iterator

import openai
import pytest

from oairunbook.diagnose import diagnose
from oairunbook.lab.listener import Listener
from oairunbook.read import read
from tests.recorded import RUNTIME
from tests.world.streams import answering

KEY = "sk-any"
TRANSPORT = importlib.import_module(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])
"""httpx2 under SDK 3, httpx before."""


@pytest.fixture
def base_url() -> Iterator[str]:
    """Of a server that lists no models."""
    with Listener(answering(200, "application/json", '{"object": "list", "data": []}')) as listener:
        yield f"http://127.0.0.1:{listener.port}/v1"


def used_after_close(base_url: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=KEY, max_retries=0)
    client.models.list()
    client.close()
    client.models.list()


def used_across_event_loops(base_url: str) -> None:
    client = openai.AsyncOpenAI(base_url=base_url, api_key=KEY, max_retries=0)

    async def ask() -> None:
        await client.models.list()

    asyncio.run(ask())
    asyncio.run(ask())


def every_connection_busy(base_url: str) -> None:
    one = openai.DefaultHttpxClient(
        limits=TRANSPORT.Limits(max_connections=1), timeout=TRANSPORT.Timeout(5.0, pool=0.05)
    )
    with (
        one,
        openai.OpenAI(base_url=base_url, api_key=KEY, max_retries=0, http_client=one) as client,
        client.models.with_streaming_response.list(),
    ):
        client.models.list()


@pytest.mark.parametrize(
    ("use", "cause"),
    [
        (used_after_close, "client.client_closed"),
        (used_across_event_loops, "client.event_loop_closed"),
        (every_connection_busy, "client.pool_timeout"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_misuse_of_the_client_is_named_by_its_traceback_alone(
    use: Callable[[str], None], cause: str, base_url: str
) -> None:
    with pytest.raises(Exception, match=r".") as raised:
        use(base_url)

    text = "".join(traceback.format_exception(raised.value))
    # What was not closed is the point; it is collected here, and not in the test that follows.
    del raised
    gc.collect()
    verdict = diagnose(read(text, RUNTIME, environment={}))
    assert (verdict.cause, verdict.owner) == (cause, "client_config"), text


def test_the_traceback_of_a_server_that_closed_is_none_of_them() -> None:
    """The control: another failure of the same call."""

    def close(connection: object) -> None:
        return None

    with (
        Listener(close) as listener,
        openai.OpenAI(base_url=f"http://127.0.0.1:{listener.port}/v1", api_key=KEY, max_retries=0) as client,
        pytest.raises(openai.APIConnectionError) as raised,
    ):
        client.models.list()

    verdict = diagnose(read("".join(traceback.format_exception(raised.value)), RUNTIME, environment={}))
    assert verdict.cause.startswith("http.")
