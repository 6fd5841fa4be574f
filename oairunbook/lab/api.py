"""The practice API: OpenAI's and Azure's paths, headers and error bodies, over HTTP or TLS. Standard library only.

Run it alone with `python -m oairunbook.lab.api --host ADDRESS --port N [--cert CHAIN --key KEY] [--answer NAME]`.
Every answer carries the header `x-oairunbook-practice`, and every text of a model says that it is practice.
A key is valid if it begins with `sk-` and not with `sk-wrong`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import ssl
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from oairunbook.lab import replies, wire
from oairunbook.lab.answers import (
    ANSWERS,
    AZURE_AUTH_FAILED,
    AZURE_DEPLOYMENT_NOT_FOUND,
    AZURE_RESOURCE_NOT_FOUND,
    ENDPOINT_NOT_FOUND,
    INVALID_KEY,
    MISSING_KEY,
    MODEL_NOT_FOUND,
    Answer,
    CorsBehaviour,
    Surface,
)
from oairunbook.lab.listener import Listener, hold, reset

PRACTICE_HEADER = "x-oairunbook-practice"
MODELS = ("practice-model", "gpt-4o-mini", "gpt-4.1-mini", "gpt-5-mini")
"""Models of the practice API, and on its Azure paths the deployments."""

_CHUNK_GAP_SECONDS = 0.02
_BUFFERED_SECONDS = 1.0
_IDLE_SECONDS = 1.0

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one practice API does."""

    answer: Answer
    label: str = "practice"
    """Value of the practice header: which server answered."""

    redirect_to: str = "/signin"
    cors: CorsBehaviour = "open"
    status_page: bool = False
    """Whether it serves the status page's JSON as well."""


def serve(service: Service, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> Listener:
    """Start a practice API; close the listener to end it."""
    return Listener(lambda connection: _converse(connection, service), host=host, port=port, tls=tls)


def _converse(connection: socket.socket, service: Service) -> None:
    """All requests of one connection."""
    with connection.makefile("rb") as stream:
        last_answer: float | None = None
        while True:
            try:
                request = wire.read_request(stream)
            except wire.NotHttpError:
                page = b"<html><body><center><h1>400 Bad Request</h1></center><!-- oairunbook practice lab --></body></html>\n"
                headers = (*_edge_headers(), ("content-type", "text/html"), ("connection", "close"))
                wire.send_whole(connection, 400, headers, page)
                return
            if request is None:
                return
            was_idle = last_answer is not None and time.monotonic() - last_answer > _IDLE_SECONDS
            if service.answer.manner == "idle_reset" and was_idle:
                reset(connection)
                return
            if not _Exchange(connection, service, request).run() or not request.keeps_connection:
                return
            last_answer = time.monotonic()


class _Exchange:
    """One request and its answer."""

    def __init__(self, connection: socket.socket, service: Service, request: wire.Request):
        self.connection = connection
        self.service = service
        self.request = request
        self.is_azure = request.path.startswith("/openai/")
        self.request_id = str(uuid.uuid4()) if self.is_azure else f"req_{uuid.uuid4().hex}"
        try:
            body = json.loads(request.body) if request.body else None
        except ValueError:
            body = None
        self.body: dict[str, Any] | None = body if isinstance(body, dict) else None
        self.model = str((self.body or {}).get("model", ""))

    def run(self) -> bool:
        """Answer; whether the connection can go on."""
        answer = self.service.answer
        if self.service.status_page and (document := replies.status_document(self.request.path)) is not None:
            self.send(200, document, surface="edge")
            return True
        if self.request.path == "/signin":
            page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>oairunbook practice lab</body></html>\n"
            self.send(200, page, surface="bare")
            return True
        own = replies.beside_the_api(answer.surface, self.request.path)
        if own is not None:
            self.send(*own, content_type="application/json")
            return True
        if (
            self.request.method == "OPTIONS"
            and answer.manner == "declared"
            and answer.surface == "by_path"
            and not self.is_azure
        ):
            # The API answers a preflight whatever it would say to the request.
            self._preflight()
            return True
        if answer.manner == "declared" and not answer.after_authentication and not self._passes_by(answer):
            self.declare(answer)
            return True
        match answer.manner:
            case "disconnect":
                return False
            case "reset":
                reset(self.connection)
                return False
            case "silent":
                hold(self.connection)
                return False
            case "malformed":
                self.connection.sendall(b"ICY 200 OK oairunbook practice lab\r\n\r\n")
                return False
            case "truncated":
                text = b'{"object": "practice", "truncated": '
                declared = (
                    *self.headers("by_path", 200),
                    ("content-type", "application/json"),
                    ("content-length", "500"),
                )
                self.connection.sendall(wire.head(200, declared) + text)
                return False
        return self._behave(answer)

    def _passes_by(self, answer: Answer) -> bool:
        return answer.generation_only and self.request.method != "POST"

    def _behave(self, answer: Answer) -> bool:
        """Answer as the API does, except that a declared fault stands behind the key check."""
        if self.request.method == "OPTIONS":
            self._preflight()
            return True
        refusal = self._refused_key()
        if refusal is not None:
            self.declare(refusal)
        elif answer.manner == "declared" and not self._passes_by(answer):
            self.declare(answer)
        else:
            return self._route()
        return True

    def _preflight(self) -> None:
        """The public API allows any origin, and whatever headers a page asks for."""
        cors = self.service.cors
        asked = str(self.request.headers.get("access-control-request-headers", ""))
        allowed: Headers = (
            ("access-control-allow-origin", "https://other.lab.test" if cors == "other_origin" else "*"),
            ("access-control-allow-methods", "GET, POST, OPTIONS, DELETE"),
            ("access-control-allow-headers", "authorization, content-type" if cors == "fixed_headers" else asked),
        )
        if cors in ("absent", "key_wanted"):
            allowed = ()
        if cors == "redirect":
            allowed = (*allowed, ("location", self.service.redirect_to))
        status = {"key_wanted": 401, "redirect": 307}.get(cors, 200)
        wire.send_whole(self.connection, status, (*_edge_headers(), *allowed, self._practice()), b"")

    def _refused_key(self) -> Answer | None:
        headers = self.request.headers
        scheme, _, token = str(headers.get("authorization", "")).partition(" ")
        key = str(headers.get("api-key", "")) if self.is_azure else ""
        key = (key or (token if scheme.lower() == "bearer" else "")).strip()
        if key.startswith("sk-") and not key.startswith("sk-wrong"):
            return None
        if self.is_azure:
            return AZURE_AUTH_FAILED if key else ANSWERS["azure_token_audience"]
        return INVALID_KEY if key else MISSING_KEY

    def _route(self) -> bool:
        """The API's own paths. Azure's dated paths name the deployment, its v1 paths do not."""
        method, path = self.request.method, self.request.path
        prefix, deployment = "/v1", ""
        if self.is_azure and path.startswith("/openai/v1/"):
            prefix = "/openai/v1"
        elif self.is_azure:
            prefix = "/openai"
            if not parse_qs(self.request.query).get("api-version"):
                self.declare(AZURE_RESOURCE_NOT_FOUND)
                return True
            parts = path.split("/")
            if parts[2:3] == ["deployments"] and len(parts) > 4:
                deployment = parts[3]
                self.model = deployment
                path = "/openai/" + "/".join(parts[4:])
        tail = path.removeprefix(prefix) if path.startswith(prefix + "/") else ""
        if deployment and tail not in ("/chat/completions",):
            tail = ""
        if prefix == "/openai" and not deployment and tail == "/chat/completions":
            tail = ""
        match method, tail:
            case "GET", "/models":
                self.send(200, {"object": "list", "data": [replies.model(name) for name in MODELS]})
            case "GET", _ if tail.startswith("/models/"):
                self._one_model(tail.removeprefix("/models/"))
            case "POST", "/chat/completions" | "/responses":
                return self._generate("chat" if tail == "/chat/completions" else "responses")
            case _:
                self.declare(AZURE_RESOURCE_NOT_FOUND if self.is_azure else ENDPOINT_NOT_FOUND)
        return True

    def _one_model(self, name: str) -> None:
        self.model = name
        if name in MODELS:
            self.send(200, replies.model(name))
        else:
            self.declare(MODEL_NOT_FOUND)

    def _generate(self, endpoint: str) -> bool:
        problem = replies.request_problem(endpoint, self.body, bool(self.model))
        if problem is not None:
            self.send(400, problem)
            return True
        if self.model not in MODELS:
            self.declare(AZURE_DEPLOYMENT_NOT_FOUND if self.is_azure else MODEL_NOT_FOUND)
            return True
        stream = bool((self.body or {}).get("stream"))
        if endpoint == "chat":
            if stream:
                return self._stream(replies.chat_events(self.model, error=self.service.answer.manner == "stream_error"))
            self.send(200, replies.chat_completion(self.model))
        else:
            if stream:
                return self._stream(
                    replies.response_events(self.model, error=self.service.answer.manner == "stream_error")
                )
            self.send(200, replies.response(self.model))
        return True

    def _stream(self, events: tuple[bytes, ...]) -> bool:
        """Send server-sent events; False when the stream was broken on purpose."""
        manner = self.service.answer.manner
        headers = self.headers(self.service.answer.surface, 200)
        declared = (*headers, ("content-type", "text/event-stream; charset=utf-8"), ("transfer-encoding", "chunked"))
        self.connection.sendall(wire.head(200, declared))
        if manner == "stream_buffered":
            time.sleep(_BUFFERED_SECONDS)
            self.connection.sendall(wire.chunk(b"".join(events)) + wire.chunk(b""))
            return True
        for number, event in enumerate(events):
            if number == 2 and manner == "stream_stalled":
                hold(self.connection)
                return False
            if number == 2 and manner == "stream_truncated":
                return False
            if number:
                time.sleep(_CHUNK_GAP_SECONDS)
            self.connection.sendall(wire.chunk(event))
        self.connection.sendall(wire.chunk(b""))
        return True

    def declare(self, answer: Answer) -> None:
        """Send a declared answer with the texts of this request filled in."""
        headers = tuple((name, str(self._fill(value))) for name, value in answer.headers)
        surface = answer.surface if answer.surface != "by_path" else self.service.answer.surface
        self.send(
            answer.status, self._fill(answer.body), headers=headers, surface=surface, content_type=answer.content_type
        )

    def send(
        self,
        status: int,
        body: Any,
        *,
        headers: Headers = (),
        surface: Surface | None = None,
        content_type: str = "",
    ) -> None:
        is_text = isinstance(body, str)
        data = (body if is_text else json.dumps(body, indent=2)).encode()
        kind = content_type or ("text/html; charset=utf-8" if is_text else "application/json")
        own = self.headers(surface or self.service.answer.surface, status)
        wire.send_whole(self.connection, status, (*own, ("content-type", kind), *headers), data)

    def headers(self, surface: Surface, status: int) -> Headers:
        """What the one who speaks adds to every answer (facts: openai_api section 3, azure section 3, gateways section 1)."""
        if surface == "by_path":
            surface = "azure" if self.is_azure else "by_path"
        generated = status == 200 and self.request.method == "POST"
        limits: Headers = ()
        if generated:
            limits = (
                ("x-ratelimit-limit-requests", "500"),
                ("x-ratelimit-limit-tokens", "200000"),
                ("x-ratelimit-remaining-requests", "499"),
                ("x-ratelimit-remaining-tokens", "199990"),
                ("x-ratelimit-reset-requests", "120ms"),
                ("x-ratelimit-reset-tokens", "3ms"),
            )
        match surface:
            case "edge":
                own = _edge_headers()
            case "azure":
                own = self._azure_headers()
            case "litellm":
                own = (("date", formatdate(usegmt=True)), ("server", "uvicorn"))
                own += (("x-litellm-call-id", str(uuid.uuid4())), ("x-litellm-version", "1.109.1"))
                if status == 200:
                    own += (("llm_provider-x-request-id", self.request_id),)
            case "vllm":
                own = (("date", formatdate(usegmt=True)), ("server", "uvicorn"))
            case "bare":
                own = (("date", formatdate(usegmt=True)),)
            case "by_path":
                own = self._application_headers(status)
        return (*own, *limits, self._practice())

    def _practice(self) -> tuple[str, str]:
        return (PRACTICE_HEADER, self.service.label)

    def _application_headers(self, status: int) -> Headers:
        own: Headers = (
            *_edge_headers(),
            ("x-request-id", self.request_id),
            ("x-openai-proxy-wasm", "v0.1"),
            ("access-control-expose-headers", "X-Request-ID"),
        )
        if status not in (401, 403):
            own += (
                ("openai-organization", "org-practice"),
                ("openai-project", "proj_practice"),
                ("openai-processing-ms", "42"),
                ("openai-version", "2020-10-01"),
                ("x-envoy-upstream-service-time", "45"),
            )
        if status == 200 and self.service.cors in ("open", "fixed_headers", "key_wanted", "redirect"):
            own += (("access-control-allow-origin", "*"),)
        return own

    def _azure_headers(self) -> Headers:
        own: Headers = (
            ("date", formatdate(usegmt=True)),
            ("x-request-id", self.request_id),
            ("apim-request-id", str(uuid.uuid4())),
            ("x-ms-region", "Practice Lab"),
            ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
            ("x-content-type-options", "nosniff"),
        )
        asked = self.request.headers.get("x-ms-client-request-id")
        if asked and asked.isprintable():
            own += (("x-ms-client-request-id", str(asked)),)
        if self.model in MODELS:
            own += (("x-ms-deployment-name", self.model),)
        return own

    def _fill(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._fill(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._fill(item) for item in value]
        if not isinstance(value, str) or "{" not in value:
            return value
        texts = {
            "{method}": self.request.method,
            "{path}": self.request.path,
            "{model}": self.model,
            "{masked_key}": _masked(self.request.headers.get("authorization", "")),
            "{request_id}": self.request_id,
            "{redirect_to}": self.service.redirect_to,
        }
        for mark, text in texts.items():
            value = value.replace(mark, text)
        return value


def _masked(authorization: str) -> str:
    """The key as OpenAI's own error text shows it: the first eight characters, stars, the last four."""
    key = authorization.partition(" ")[2].strip()
    return f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}" if len(key) > 12 else "*" * len(key)


def _edge_headers() -> Headers:
    return (
        ("date", formatdate(usegmt=True)),
        ("server", "cloudflare"),
        ("cf-ray", f"{uuid.uuid4().hex[:16]}-LAB"),
        ("cf-cache-status", "DYNAMIC"),
        ("set-cookie", "__cf_bm=practice-cookie-of-the-lab; path=/; HttpOnly; Secure"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
        ("x-content-type-options", "nosniff"),
        ("alt-svc", 'h3=":443"; ma=86400'),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve in the foreground until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m oairunbook.lab.api", description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--cert", type=Path, help="PEM chain, leaf first; with --key this serves TLS")
    parser.add_argument("--key", type=Path, help="PEM private key")
    parser.add_argument(
        "--answer", choices=sorted(ANSWERS), default="ok", metavar="NAME", help=", ".join(sorted(ANSWERS))
    )
    parser.add_argument("--label", default="practice", help=f"value of the header {PRACTICE_HEADER}")
    parser.add_argument("--redirect-to", default="/signin", metavar="URL", help="where the answer redirect leads")
    parser.add_argument("--ready-file", type=Path, help='gets {"host", "port", "pid"} as JSON once the server listens')
    parser.add_argument("--status-page", action="store_true", help="also serve /api/v2/summary.json and its like")
    options = parser.parse_args(arguments)
    if (options.cert is None) != (options.key is None):
        parser.error("--cert and --key go together")
    tls = None
    if options.cert is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.cert, options.key)
    service = Service(
        answer=ANSWERS[options.answer],
        label=options.label,
        redirect_to=options.redirect_to,
        status_page=options.status_page,
    )
    # Blocked before the first thread exists, so that every thread inherits it and the signal waits for sigwait below.
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with serve(service, host=options.host, port=options.port, tls=tls) as listener:
        if options.ready_file is not None:
            ready = json.dumps({"host": listener.host, "port": listener.port, "pid": os.getpid()})
            partial = options.ready_file.with_name(options.ready_file.name + ".partial")
            partial.write_text(ready + "\n", "utf-8")
            partial.replace(options.ready_file)
        print(f"Practice API ({options.answer}) on {listener.host} port {listener.port}.", file=sys.stderr, flush=True)  # noqa: T201
        signal.sigwait(signals)
    return 0


if __name__ == "__main__":
    sys.exit(main())
