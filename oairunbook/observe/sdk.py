"""The SDK's own minimal request, by its own client, seen through the transport's trace events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from oairunbook.evidence import Body, Ending, Evidence, HttpAnswer, Route, SdkAnswered, SdkFailed
from oairunbook.observe import underneath
from oairunbook.observe.bodies import classify
from oairunbook.observe.clients import PLACEHOLDER_KEY, WATCHED, Client, Watched, url_of
from oairunbook.observe.errors import error_chain
from oairunbook.observe.http import MOST_BODY_BYTES, kept_headers
from oairunbook.observe.stream import Deadline
from oairunbook.observe.trace import Trace
from oairunbook.redaction import without_credentials

PROMPT = "Reply with: ok"
MOST_TOKENS = 16

PREFERRED_MODELS = (
    "gpt-4o-mini",
    "gpt-4.1-nano",
    "gpt-4.1-mini",
    "gpt-5-nano",
    "gpt-5-mini",
    "gpt-4o",
    "gpt-4.1",
    "gpt-5",
)
NO_CHAT = (
    "embed",
    "whisper",
    "tts",
    "dall-e",
    "moderation",
    "image",
    "audio",
    "realtime",
    "transcribe",
    "sora",
    "rerank",
)


class UnderWay:
    """How far one request has got, for whoever waits for it while another thread makes it."""

    def __init__(self) -> None:
        self.trace = Trace(time.monotonic())
        self.chunks = 0
        self._last_chunk = 0.0

    def chunk_came(self) -> None:
        """Note one more event of a stream."""
        self.chunks, self._last_chunk = self.chunks + 1, time.monotonic()

    def steps(self) -> tuple[str, ...]:
        """What has been seen by now: names of the trace's events, and how many events a stream brought. Nothing where the transport has no trace."""
        return (*(event.name for event in self.trace.events()), *([f"{self.chunks} events"] if self.chunks else []))

    @property
    def unsent(self) -> bool:
        """Whether the transport was still on its way to the server: a name, a connection or a handshake."""
        steps = self.steps()
        return bool(steps) and not any("send_request_headers" in step for step in steps)

    def arrives(self, silence_seconds: float) -> bool:
        """Whether an answer has begun, and its next part may still come: nothing is silent before the first event of a stream."""
        begun = any(step.endswith("receive_response_headers.complete") for step in self.steps())
        return begun and (not self.chunks or time.monotonic() - self._last_chunk < silence_seconds)


def minimal_request(
    client: Client,
    *,
    model: str | None,
    stream: bool,
    own_credential: bool,
    timeout: float,
    deadline: Deadline,
    under_way: UnderWay | None = None,
) -> SdkAnswered | SdkFailed:
    """One minimal request by the SDK: a POST of a few tokens, or a listing of models where no model is known.

    Args:
        client: From `build_client`.
        model: Model or deployment; None asks for the list of models instead.
        stream: Whether to ask for a stream.
        own_credential: False sends a placeholder key.
        timeout: Seconds for connecting.
        deadline: When reading gives up.
        under_way: Told how far it has got.
    """
    under_way = under_way or UnderWay()
    trace = under_way.trace
    began = trace.began
    ended: Ending | None = None

    def record_with_end(name: str, info: Mapping[str, Any]) -> None:
        nonlocal ended
        if name == "connection.connect_tcp.complete":
            watched.release()
            watched.connection = underneath.keep_stream(info.get("return_value"))
        if name in ("http11.receive_response_headers.failed", "http11.receive_response_body.failed"):
            # Now: the transport is about to close it.
            ended = underneath.ending(watched.connection)
        trace(name, info)

    watched = Watched(record_with_end)
    assert own_credential or not client.of_the_application, "an application's client carries its own key"
    sdk = client.sdk if own_credential else client.sdk.with_options(api_key=PLACEHOLDER_KEY)
    seconds = max(deadline.left, 0.1)
    sdk = sdk.with_options(timeout=timeout_of(client, connect=min(timeout, seconds), read=seconds))
    method, path = ("POST", "/chat/completions") if model else ("GET", "/models")
    common = {
        "method": method,
        "path": path,
        "model": model,
        "stream": stream,
        "credential": "own" if own_credential else "placeholder",
    }
    try:
        WATCHED.set(watched)
        raw = _send(client, sdk, model, stream)
        headers = kept_headers(list(raw.headers.multi_items()))
        status, request_id = int(raw.status_code), raw.headers.get("x-request-id")
        content_type = raw.headers.get("content-type")
        body, gap, completed, shape = None, None, True, ""
        first = spread = None
        if stream:
            completed, last = False, time.monotonic()
            for chunk in client.awaiting.each(raw.parse()):
                now = time.monotonic()
                first = now - began if first is None else first
                spread = now - began - first
                gap, last = max(gap or 0.0, now - last), now
                under_way.chunk_came()
                choices = getattr(chunk, "choices", None) or ()
                completed = completed or any(choice.finish_reason for choice in choices)
            shape = "stream" if "event-stream" in (content_type or "") else (content_type or "")
        else:
            completed, body, shape = whole_answer(raw)
    except Exception as error:
        answer = answer_of(error)
        return SdkFailed(
            **common,  # type: ignore[arg-type]
            errors=error_chain(error),
            trace=trace.events(),
            answer=answer,
            chunks=under_way.chunks if stream else None,
            ended=ended,
        )
    finally:
        WATCHED.set(None)
        watched.release()
    return SdkAnswered(
        **common,  # type: ignore[arg-type]
        status=status,
        request_id=request_id,
        headers=headers,
        trace=trace.events(),
        shape=shape,
        chunks=under_way.chunks if stream else None,
        completed=completed,
        longest_gap_seconds=round(gap, 6) if gap is not None else None,
        first_chunk_seconds=round(first, 6) if first is not None else None,
        spread_seconds=round(spread, 6) if spread is not None else None,
        body=body,
    )


def whole_answer(raw: Any) -> tuple[bool, Body | None, str]:
    """Whether a raw response of the SDK is a whole API object, what came instead, and its shape."""
    data = raw.http_response.content[:MOST_BODY_BYTES]
    described = classify(raw.headers.get("content-type"), data)
    completed = described.shape == "api_object" or _is_completion(data)
    return completed, None if completed else described, described.object or described.shape


def list_models(client: Client, *, timeout: float, deadline: Deadline) -> tuple[str, ...]:
    """Ids of the models that this key sees; empty if they cannot be had."""
    sdk = client.sdk.with_options(timeout=timeout_of(client, connect=timeout, read=max(deadline.left, 0.1)))
    watched = Watched(Trace(time.monotonic()))
    try:
        WATCHED.set(watched)
        # The list of an asynchronous client is a paginator that is awaited.
        return tuple(str(model.id) for model in client.awaiting.wait(sdk.models.list()).data)
    except Exception:
        return ()
    finally:
        WATCHED.set(None)
        watched.release()


def pick_model(models: tuple[str, ...]) -> str:
    """A small model that answers chat completions, from those the key sees; the best known one if it sees none."""
    for name in PREFERRED_MODELS:
        if name in models:
            return name
    return next((name for name in models if not any(word in name.lower() for word in NO_CHAT)), PREFERRED_MODELS[0])


def minimal_body(model: str) -> dict[str, Any]:
    """The minimal request without its limit of tokens, which has two names."""
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}]}


def minimal_url(route: Route, model: str) -> str:
    """Where the minimal request goes: on Azure's dated surface the path names the deployment."""
    query = f"?api-version={route.api_version.value}" if route.api_version else ""
    return f"{url_of(route)}{minimal_path(route, model)}{query}"


def minimal_path(route: Route, model: str) -> str:
    """The path of the minimal request below the base URL."""
    deployment = f"/deployments/{model}" if route.surface == "azure-dated" else ""
    return f"{deployment}/chat/completions"


def asked_model(seen: Evidence) -> str:
    """The model of a check's own minimal request, else the one that the route names, else the best known small one."""
    asked = next((model for o in seen.observations if (model := getattr(o.outcome, "model", None))), None)
    named = seen.route.model.value if seen.route.model else None
    return str(asked or named or PREFERRED_MODELS[0])


def knows_only_max_tokens(error: Any) -> bool:
    """Whether an answer complains of the newer name of the limit."""
    return "max_completion_tokens" in str(error.body) or "max_completion_tokens" in str(error)


def _send(client: Client, sdk: Any, model: str | None, stream: bool) -> Any:
    import openai

    wait = client.awaiting.wait
    if model is None:
        return wait(sdk.models.with_raw_response.list())
    create: Callable[..., Any] = sdk.chat.completions.with_raw_response.create
    arguments = {**minimal_body(model), "stream": stream}
    try:
        return wait(create(**arguments, max_completion_tokens=MOST_TOKENS))
    except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
        # Older gateways and dated Azure versions know only the older name of the limit.
        if not knows_only_max_tokens(error):
            raise
        return wait(create(**arguments, max_tokens=MOST_TOKENS))


def answer_of(error: Exception) -> HttpAnswer | None:
    """The response behind an exception of the SDK; None if none came."""
    response = getattr(error, "response", None)
    if response is None:
        return None
    try:
        data = bytes(response.content)[:MOST_BODY_BYTES]
    except Exception:
        data = b""
    seconds = getattr(response, "elapsed", None)
    return HttpAnswer(
        method=str(response.request.method),
        url=without_credentials(str(response.request.url)),
        status=int(response.status_code),
        http_version=str(response.http_version).removeprefix("HTTP/"),
        headers=kept_headers(list(response.headers.multi_items())),
        body=classify(response.headers.get("content-type"), data),
        seconds_to_headers=round(seconds.total_seconds(), 6) if seconds is not None else None,
    )


def _is_completion(data: bytes) -> bool:
    """Some gateways leave `object` out of an otherwise whole answer."""
    return b'"choices"' in data or b'"data"' in data


def timeout_of(client: Client, *, connect: float, read: float) -> Any:
    """A timeout object of the transport that this client has; an application's own limits count where they are shorter."""
    kind = type(client.sdk._client.timeout)
    if not client.of_the_application:
        return kind(read, connect=connect)
    own = client.sdk.timeout

    def shorter(phase: str, limit: float) -> float:
        value = own if isinstance(own, (int, float)) else getattr(own, phase, None)
        return limit if value is None else min(float(value), limit)

    return kind(
        connect=shorter("connect", connect),
        read=shorter("read", read),
        write=shorter("write", read),
        pool=shorter("pool", read),
    )
