"""One failure of an application as evidence: redacted, versioned, and judged like any other record."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from oairunbook import __version__, practice
from oairunbook.evidence import ClientBuilt, ClientRefused, Evidence, HttpAnswer, Observation, Outcome, Route, SdkFailed
from oairunbook.observe.application.failure import Failure
from oairunbook.observe.application.privacy import Asked, text_of
from oairunbook.observe.application.recording import Exchange
from oairunbook.observe.errors import error_chain
from oairunbook.observe.sdk import answer_of
from oairunbook.redaction import Secrets, without_credentials
from oairunbook.route import resolve
from oairunbook.route.application import Described, describe, request_secrets
from oairunbook.runtime import this_runtime

PROBE = "application"
"""What is recorded of the application's own calls, as opposed to those of a test."""

_ENDPOINT = re.compile(
    r"/(?:chat/completions|completions|responses|embeddings|models|moderations|images|audio|files|batches|uploads|fine_tuning|vector_stores"
    r"|assistants|threads|conversations|evals|containers|realtime|videos|graders)(?:/|$)"
)
"""Where the path of a request goes on behind the base URL."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """One failure, read: its observations, its route, and what must not leave memory."""

    observations: tuple[Observation, ...]
    route: Route
    secrets: Secrets
    described: Described | None
    collected_at: str

    def evidence(self, more: tuple[Observation, ...] = (), seconds: float = 0.0) -> Evidence:
        """The record, redacted; *more* is what a test saw afterwards, and of one thing its word counts."""
        known = {observation.id for observation in more}
        own = tuple(observation for observation in self.observations if observation.id not in known)
        environment = os.environ
        rehearsal = practice.current(environment)
        spent = max((o.seconds for o in self.observations), default=0.0)
        whole = Evidence(
            collected_at=self.collected_at,
            seconds=round(spent + seconds, 6),
            route=self.route,
            runtime=this_runtime(environment),
            observations=(*own, *more),
            tool_version=__version__,
            practice=rehearsal.fault if rehearsal else None,
        )
        clean, redactions = self.secrets.redact(whole)
        return dataclasses.replace(clean, redactions=redactions)


def see(failure: Failure) -> Seen:
    """Read everything that may be kept of a failure."""
    began = failure.exchange.trace.began if failure.exchange is not None else time.monotonic()
    first = min([began, *(item.trace.began for item in failure.earlier)])
    spent = time.monotonic() - first
    described = _described(failure.client)
    route = described.route if described is not None else _route(failure.request)
    secrets = described.secrets if described is not None else Secrets.from_environment(os.environ)
    if failure.request is not None:
        secrets = dataclasses.replace(secrets, values=(*secrets.values, *request_secrets(failure.request)))
        secrets = secrets.with_urls(str(failure.request.url))
    return Seen(
        observations=tuple(_observations(failure, described, first)),
        route=route,
        secrets=secrets,
        described=described,
        # The clock of the wall, so long ago as the first request began by the other one.
        collected_at=datetime.fromtimestamp(time.time() - spent, timezone.utc).isoformat(timespec="milliseconds"),
    )


def _described(client: Any) -> Described | None:
    """The client's own route; None if none is seen, or if it is one that cannot be read: then the request's URL has to do."""
    try:
        return describe(client, os.environ) if client is not None else None
    except Exception:
        # A stand-in for the SDK's client or the transport's, for example of a test of the application.
        return None


def _observations(failure: Failure, described: Described | None, first: float) -> Iterator[Observation]:
    now = time.monotonic()

    def noted(identity: str, began: float, ended: float, target: str, outcome: Outcome, **more: Any) -> Observation:
        client = outcome.kind in ("client_built", "client_refused")
        return Observation(
            id=identity,
            probe="client" if client else PROBE,
            layer="client" if client else "api",
            target=target,
            started_seconds=round(began - first, 6),
            seconds=round(ended - began, 6),
            outcome=outcome,
            **more,
        )

    asked = Asked(failure.request)
    errors = error_chain(failure.error, lambda error: asked.unquoted(text_of(error)))
    if failure.building:
        yield noted("client.sdk", first, now, "the SDK", ClientRefused(stage="construction", errors=errors))
        return
    if described is not None:
        kind = type(failure.client)
        built = ClientBuilt(client=f"openai.{kind.__name__}", proxy=described.carrier.proxy, roots=None)
        yield noted("client.sdk", first, first, "the SDK", built)
    for number, attempt in enumerate(failure.earlier, 1):
        yield noted(
            f"{PROBE}.earlier:{number}",
            attempt.trace.began,
            max(attempt.trace.began, _ended(attempt)),
            "the application's own request",
            _failed(failure, asked, attempt, ()),
            changed="an earlier attempt of the same call",
        )
    began = failure.exchange.trace.began if failure.exchange is not None else first
    yield noted(
        PROBE,
        began,
        now,
        f"the application's own request ({_what(failure.request, asked)})",
        _failed(failure, asked, failure.exchange, errors),
    )


def _failed(failure: Failure, asked: Asked, exchange: Exchange | None, errors: Any) -> SdkFailed:
    request = failure.request
    return SdkFailed(
        method=str(getattr(request, "method", "")),
        path=_path(request),
        model=asked.model,
        stream=asked.stream,
        errors=errors,
        trace=exchange.trace.events() if exchange is not None else failure.step,
        answer=_answer(failure.error, asked) if errors else None,
        headers=exchange.headers if exchange is not None else (),
    )


def _answer(error: BaseException, asked: Asked) -> HttpAnswer | None:
    """The response behind the exception, or behind the one that an application's own hides."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        answer = answer_of(current) if isinstance(current, Exception) else None
        if answer is not None and type(current).__module__.partition(".")[0] == "openai":
            return asked.answer(answer)
        current = current.__cause__ or current.__context__
    return None


def _ended(exchange: Exchange) -> float:
    events = exchange.trace.events()
    return exchange.trace.began + (events[-1].seconds if events else 0.0)


def _what(request: Any, asked: Asked) -> str:
    if request is None:
        return "none was sent"
    return f"{request.method} {_path(request)}" + (", streamed" if asked.stream else "")


def _path(request: Any) -> str:
    """Path below the base URL, without ids."""
    path = str(getattr(getattr(request, "url", None), "path", ""))
    found = _ENDPOINT.search(path)
    return path[found.start() : found.end()].rstrip("/") if found else path


def _route(request: Any) -> Route:
    """The route where no client is seen: the request's own URL, and this process's variables."""
    if request is None:
        return resolve()
    url = without_credentials(str(request.url))
    found = _ENDPOINT.search(url)
    return resolve(base_url=url[: found.start()] if found else url)
