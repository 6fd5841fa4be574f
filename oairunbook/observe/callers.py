"""The same minimal request by other callers of the same route: with retries, asynchronous, and the transport without the SDK."""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from oairunbook.controls import Call, CallOutcome, SentRequest
from oairunbook.evidence import ErrorLink, HttpAnswer, HttpFailed, Route, SdkAnswered, SdkFailed
from oairunbook.observe import clients, sdk
from oairunbook.observe.bodies import classify
from oairunbook.observe.errors import error_chain
from oairunbook.observe.http import MOST_BODY_BYTES, kept_headers
from oairunbook.observe.stream import Deadline
from oairunbook.observe.trace import Trace
from oairunbook.redaction import without_credentials
from oairunbook.route.credential import find_credential

_MOST_REQUESTS = 40


@dataclass(frozen=True)
class Plan:
    """What all callers have in common."""

    route: Route
    environment: Mapping[str, str]
    model: str
    own_credential: bool
    connect_seconds: float
    read_seconds: float

    @property
    def url(self) -> str:
        """Where the minimal request goes."""
        return sdk.minimal_url(self.route, self.model)

    @property
    def request(self) -> dict[str, Any]:
        """What `SdkAnswered` and `SdkFailed` say of the whole minimal request, whoever sends it."""
        return {
            "method": "POST",
            "path": "/chat/completions",
            "model": self.model,
            "stream": False,
            "credential": "own" if self.own_credential else "placeholder",
        }

    @property
    def key(self) -> str:
        """The key that is sent: the runtime's own, or a placeholder that opens nothing."""
        found = find_credential(self.environment, self.route.surface) if self.own_credential else None
        return found[1] if found else clients.PLACEHOLDER_KEY

    @property
    def credential_header(self) -> tuple[str, str]:
        """Name and value of the header that carries the key on this route."""
        if self.route.surface == "azure-dated" and self.route.credential.source != "AZURE_OPENAI_AD_TOKEN":
            return "api-key", self.key
        return "authorization", f"Bearer {self.key}"


@dataclass
class _Sent:
    """A request under way."""

    began: float
    retry_count: str | None
    ended: float | None = None
    status: int | None = None
    request_id: str | None = None
    retry_after: str | None = None
    errors: tuple[ErrorLink, ...] = ()


@dataclass
class Watch:
    """Sees every request that the SDK sends, also those whose failure it swallows because it tries again."""

    local: threading.local = field(default_factory=threading.local)

    def begin(self) -> list[_Sent]:
        """Watch the calls of this thread from now on."""
        sent: list[_Sent] = []
        self.local.sent = sent
        return sent

    def end(self) -> None:
        """Watch them no more."""
        self.local.sent = None

    def on_request(self, request: Any) -> None:
        """Hook of a synchronous client; it comes after the one that turns the trace on."""
        item = self._note(request)
        if item is None:
            return
        inner: Callable[[str, Mapping[str, Any]], None] | None = request.extensions.get("trace")

        def trace(name: str, info: Mapping[str, Any]) -> None:
            if inner is not None:
                inner(name, info)
            _see(item, info)

        request.extensions["trace"] = trace

    def on_response(self, response: Any) -> None:
        """Hook of a synchronous client."""
        self._answered(response)

    async def on_request_async(self, request: Any) -> None:
        """Hook of an asynchronous client, whose trace has to be awaited."""
        item = self._note(request)
        if item is None:
            return
        record: Callable[[str, Mapping[str, Any]], None] | None = getattr(self.local, "record", None)

        async def trace(name: str, info: Mapping[str, Any]) -> None:
            if record is not None:
                record(name, info)
            _see(item, info)

        request.extensions["trace"] = trace

    async def on_response_async(self, response: Any) -> None:
        """Hook of an asynchronous client."""
        self._answered(response)

    def _note(self, request: Any) -> _Sent | None:
        sent: list[_Sent] | None = getattr(self.local, "sent", None)
        if sent is None or len(sent) >= _MOST_REQUESTS:
            return None
        item = _Sent(began=time.monotonic(), retry_count=request.headers.get("x-stainless-retry-count"))
        sent.append(item)
        return item

    def _answered(self, response: Any) -> None:
        sent: list[_Sent] | None = getattr(self.local, "sent", None)
        if not sent:
            return
        item = sent[-1]
        item.ended = time.monotonic()
        item.status = int(response.status_code)
        item.request_id = response.headers.get("x-request-id")
        item.retry_after = response.headers.get("retry-after-ms") or response.headers.get("retry-after")


def _see(item: _Sent, info: Mapping[str, Any]) -> None:
    problem = info.get("exception")
    if isinstance(problem, BaseException) and item.status is None:
        item.errors, item.ended = error_chain(problem), time.monotonic()


def by_the_sdk(
    client: clients.Client,
    watch: Watch,
    plan: Plan,
    identity: str,
    caller: str,
    *,
    retries: int = 0,
    stream: bool = False,
) -> Call:
    """The SDK's synchronous client, with so many retries."""
    again = f"max_retries {retries}" + (", streamed" if stream else "")
    configured = clients.Client(sdk=client.sdk.with_options(max_retries=retries), context=client.context)
    began = time.monotonic()
    sent = watch.begin()
    try:
        outcome = sdk.minimal_request(
            configured,
            model=plan.model,
            stream=stream,
            own_credential=plan.own_credential,
            timeout=plan.connect_seconds,
            deadline=Deadline.after(plan.read_seconds),
        )
    finally:
        watch.end()
    return Call(
        id=identity,
        caller=caller,
        asked=f"POST /chat/completions, {again}",
        seconds=_since(began),
        outcome=outcome,
        requests=_requests(sent, began),
        max_retries=retries,
    )


def by_the_asynchronous_sdk(plan: Plan, identity: str, caller: str) -> Call:
    """The SDK's asynchronous client in an event loop of its own: another resolver thread, another way to dial."""
    began = time.monotonic()
    watch = Watch()
    sent = watch.begin()
    trace = Trace(began)
    watch.local.record = trace
    outcome = asyncio.run(_ask(plan, watch, trace))
    return Call(
        id=identity,
        caller=caller,
        asked="POST /chat/completions, max_retries 0",
        seconds=_since(began),
        outcome=outcome,
        requests=_requests(sent, began),
        max_retries=0,
    )


async def _ask(plan: Plan, watch: Watch, trace: Trace) -> SdkAnswered | SdkFailed:
    import openai

    common = plan.request
    watched = clients.Watched(trace)

    async def keep_back(request: Any) -> None:
        watched.keep_back(request)

    try:
        async with clients.construct(plan.route, plan.environment, asynchronous=True) as client:
            client._client.event_hooks["request"] += (watch.on_request_async, keep_back)
            client._client.event_hooks["response"].append(watch.on_response_async)
            asked = client if plan.own_credential else client.with_options(api_key=clients.PLACEHOLDER_KEY)
            kind = type(client._client.timeout)
            asked = asked.with_options(timeout=kind(plan.read_seconds, connect=plan.connect_seconds))
            create = asked.chat.completions.with_raw_response.create
            body = sdk.minimal_body(plan.model)
            try:
                raw = await create(**body, max_completion_tokens=sdk.MOST_TOKENS)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if not sdk.knows_only_max_tokens(error):
                    raise
                raw = await create(**body, max_tokens=sdk.MOST_TOKENS)
    except Exception as error:
        return SdkFailed(**common, errors=error_chain(error), trace=trace.events(), answer=sdk.answer_of(error))
    completed, came, shape = sdk.whole_answer(raw)
    return SdkAnswered(
        **common,
        status=int(raw.status_code),
        request_id=raw.headers.get("x-request-id"),
        headers=kept_headers(list(raw.headers.multi_items())),
        trace=trace.events(),
        shape=shape,
        completed=completed,
        body=came,
    )


def by_the_transport(plan: Plan, identity: str) -> Call:
    """The library that carries the SDK's requests, without the SDK: its own proxy and certificate rules, none of the SDK's."""
    name, _, version = (plan.route.transport or "").partition(" ")
    began = time.monotonic()
    return Call(
        id=identity,
        caller=f"{name} {version} without the SDK",
        asked="POST /chat/completions, redirects not followed",
        outcome=_post(importlib.import_module(name), plan),
        seconds=_since(began),
    )


def _post(library: Any, plan: Plan) -> CallOutcome:
    url = without_credentials(plan.url)
    header, value = plan.credential_header
    body = {**sdk.minimal_body(plan.model), "max_completion_tokens": sdk.MOST_TOKENS}
    try:
        with library.Client(timeout=library.Timeout(plan.read_seconds, connect=plan.connect_seconds)) as client:
            response = client.post(plan.url, json=body, headers={header: value})
            data = bytes(response.content)[:MOST_BODY_BYTES]
    except Exception as error:
        return HttpFailed(
            method="POST",
            url=url,
            phase=_phase(type(error).__name__),
            errors=error_chain(error),
            ended="silence" if "Timeout" in type(error).__name__ else "eof",
        )
    return HttpAnswer(
        method="POST",
        url=url,
        status=int(response.status_code),
        http_version=str(response.http_version).replace("HTTP/", ""),
        headers=kept_headers(list(response.headers.multi_items())),
        body=classify(response.headers.get("content-type"), data),
        seconds_to_headers=round(response.elapsed.total_seconds(), 6),
    )


def _phase(name: str) -> Any:
    if name in ("ProxyError", "UnsupportedProtocol"):
        return "proxy"
    if name.startswith("Connect"):
        return "connect"
    return "send" if name.startswith("Write") else "headers"


def _requests(sent: list[_Sent], began: float) -> tuple[SentRequest, ...]:
    return tuple(
        SentRequest(
            began_seconds=round(item.began - began, 6),
            seconds=round((item.ended or time.monotonic()) - item.began, 6),
            retry_count=item.retry_count,
            status=item.status,
            request_id=item.request_id,
            retry_after=item.retry_after,
            errors=item.errors,
        )
        for item in sent
    )


def _since(began: float) -> float:
    return round(time.monotonic() - began, 6)
