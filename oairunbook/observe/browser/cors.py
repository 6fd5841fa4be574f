"""The CORS protocol from outside of a browser: the preflight and the request that a page of a given origin would send."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any

from oairunbook.evidence import (
    Connected,
    ConnectFailed,
    CorsExchange,
    ErrorLink,
    Evidence,
    HttpFailed,
    NotTried,
    ProxyAnswered,
    ProxyFailed,
    TlsFailed,
)
from oairunbook.observe import clients, sdk
from oairunbook.observe.credential import may_send_own_credential
from oairunbook.observe.path import NoPathError, Path
from oairunbook.observe.stream import Deadline, Stream
from oairunbook.route.credential import find_credential

_METHOD = "POST"


class Exchange:
    """Preflight and request of one origin on one route."""

    def __init__(
        self,
        seen: Evidence,
        environment: Mapping[str, str],
        origin: str,
        credentials: bool,
        addresses: tuple[str, ...],
        timeout: float,
    ) -> None:
        self._seen = seen
        self._model = sdk.asked_model(seen)
        self._environment = environment
        self._origin = origin
        self._mode: Any = "include" if credentials else "omit"
        self._addresses = addresses or (seen.route.dialled_host,)
        self._timeout = timeout
        _, client = clients.build_client(seen.route, environment)
        self._client = client
        context = client.context if client is not None else ssl.create_default_context()
        self._path = Path(route=seen.route, environment=environment, context=lambda: context)

    def preflight(self, names: tuple[str, ...]) -> CorsExchange | NotTried:
        """OPTIONS, without credentials as the protocol wants it."""
        headers = (
            ("Origin", self._origin),
            ("Access-Control-Request-Method", _METHOD),
            ("Access-Control-Request-Headers", ",".join(names)),
        )
        return self._exchange("preflight", names, "OPTIONS", headers, b"", "none")

    def request(self, names: tuple[str, ...]) -> CorsExchange | NotTried:
        """The request itself, with the key only where the SDK's own request would get it, else with a placeholder."""
        own = may_send_own_credential(self._seen)
        found = find_credential(self._environment, self._seen.route.surface) if own else None
        key = found[1] if found else clients.PLACEHOLDER_KEY
        azure_key = (
            self._seen.route.surface == "azure-dated" and self._seen.route.credential.source != "AZURE_OPENAI_AD_TOKEN"
        )
        headers = (("Origin", self._origin), ("api-key", key) if azure_key else ("Authorization", f"Bearer {key}"))
        body = {**sdk.minimal_body(self._model), "max_completion_tokens": sdk.MOST_TOKENS}
        return self._exchange(
            "request", names, _METHOD, headers, json.dumps(body).encode("utf-8"), "own" if found else "placeholder"
        )

    def _exchange(
        self,
        step: Any,
        names: tuple[str, ...],
        method: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes,
        credential: Any,
    ) -> CorsExchange | NotTried:
        stream = self._open()
        if isinstance(stream, NotTried):
            return stream
        address, opened = stream
        if isinstance(opened, HttpFailed):
            answer: Any = opened
        else:
            answer = self._path.request(
                opened,
                address,
                method=method,
                path=sdk.minimal_path(self._seen.route, self._model),
                headers=headers,
                body=body,
            )
        return CorsExchange(
            step=step,
            origin=self._origin,
            request_method=_METHOD,
            request_headers=names,
            credentials_mode=self._mode,
            answer=answer,
            credential=credential,
        )

    def _open(self) -> tuple[str, Stream | HttpFailed] | NotTried:
        """A stream on which a request can be sent, at the first address that opens."""
        failed: HttpFailed | None = None
        address = self._addresses[0]
        for address in self._addresses[:2]:
            deadline = Deadline.after(self._timeout)
            try:
                below = self._path.open(address, deadline)
            except NoPathError as error:
                failed = self._failed(error.outcome)
                continue
            if self._seen.route.scheme != "https":
                return address, below
            shaken, secured = self._path.handshake(below, address)
            if secured is not None:
                return address, secured
            if isinstance(shaken, NotTried):
                return shaken
            assert isinstance(shaken, TlsFailed)
            failed = self._failed(shaken)
        return (address, failed) if failed else NotTried(reason="no address of the endpoint is known")

    def _failed(self, outcome: Connected | ConnectFailed | ProxyAnswered | ProxyFailed | TlsFailed) -> HttpFailed:
        errors: tuple[ErrorLink, ...] = getattr(outcome, "errors", ())
        if isinstance(outcome, ProxyAnswered):
            errors = (ErrorLink(type="ProxyAnswered", text=f"{outcome.status} {outcome.reason}"),)
        phase: Any = (
            "tls" if isinstance(outcome, TlsFailed) else "connect" if isinstance(outcome, ConnectFailed) else "proxy"
        )
        return HttpFailed(
            method=_METHOD, url=sdk.minimal_url(self._seen.route, self._model), phase=phase, errors=errors, ended="eof"
        )
