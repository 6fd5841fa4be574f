"""An S3 server on loopback in a process of its own, with faults that a test can ask for: moto's, or in front of another server.

`python -m tests.s3 [URL KEY]` prints its port, and serves until its standard input ends; the secret of that key is read from there first.
`/-/…` is the test's own: see `Server`.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from html import escape, unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from .ceph import Ceph

_LONGEST_SECONDS = 60
_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "server"}
"""Headers of one connection, and those that this server writes itself."""

_ANYBODY = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
"""For what a test itself asks for; moto checks no signature."""


class Server:
    """The server, from the test's side."""

    def __init__(self, port: int, behind: Ceph | None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.behind = behind

    def send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.url}/{path}", method=method, data=body)
        request.add_header("Content-Type", "application/octet-stream")
        with urllib.request.urlopen(request, timeout=_LONGEST_SECONDS) as answer:
            return bytes(answer.read())

    def requests(self) -> list[str]:
        """Method and path of what was asked since this was asked last."""
        found: list[str] = json.loads(self.send("GET", "-/log"))
        return found

    def break_off(self, after: int, *, done: bool) -> None:
        """After so many more requests close every connection in the middle of the answer; what was asked for is done, or is not."""
        self.send("GET", f"-/break?after={after}&done={int(done)}")

    def hang(self, method: str, part: str) -> None:
        """Take the next request of that method to a path with that part, and do not answer it before `well`."""
        self.send("GET", f"-/hang?method={method}&part={quote(part)}")

    def wait_until_it_hangs(self) -> None:
        assert json.loads(self.send("GET", "-/hanging")) == ["hangs"]

    def ignore_conditions(self) -> None:
        """Forget `If-None-Match`, as storage does that does not know it."""
        self.send("GET", "-/ignore")

    def refuse(self, status: int, code: str, *, method: str = "", part: str = "", times: int = 1 << 30) -> None:
        """Answer so many requests of that method, to a path with that part, with this error of S3, which holds what was sent as well."""
        self.send("GET", f"-/refuse?status={status}&code={code}&method={method}&part={quote(part)}&times={times}")

    def well(self) -> None:
        """No fault any more; a request that hangs is carried out."""
        self.send("GET", "-/well")


class Storage:
    """A bucket, looked at and changed without our code and without s3fs."""

    def __init__(self, server: Server, bucket: str) -> None:
        self.server = server
        self.bucket = bucket
        server.send("PUT", bucket)

    def names(self) -> list[str]:
        listed = self.server.send("GET", f"{self.bucket}?list-type=2").decode()
        return [unescape(key) for key in re.findall("<Key>(.*?)</Key>", listed)]

    def configure(self, what: str, text: str) -> None:
        """Set the bucket's `versioning` or `policy`; an empty policy is none."""
        self.server.send("PUT" if text else "DELETE", f"{self.bucket}?{what}", text.encode() or None)

    def empty(self) -> None:
        while names := self.names():
            for key in names:
                self.delete(key)

    def read(self, key: str) -> bytes:
        return self.server.send("GET", f"{self.bucket}/{quote(key)}")

    def write(self, key: str, data: bytes) -> None:
        self.server.send("PUT", f"{self.bucket}/{quote(key)}", data)

    def delete(self, key: str) -> None:
        self.server.send("DELETE", f"{self.bucket}/{quote(key)}")


@contextmanager
def server(behind: Ceph | None = None) -> Iterator[Server]:
    """Start one, and end it: moto's, or one that passes on what it is asked, with faults that the server behind it does not have."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.s3", *((behind.url, behind.key) if behind else ())]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{behind.secret if behind else ''}\n")
        process.stdin.flush()
        yield Server(int(process.stdout.readline()), behind)
    finally:
        process.stdin.close()
        process.wait(_LONGEST_SECONDS)
        process.stdout.close()


class _Behind:
    """Passes on what is asked, as it was signed; what nobody has signed is signed for the owner of the buckets."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self.place = urlsplit(url).netloc
        self.key, self.secret = key, secret

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        target, body = environ["RAW_URI"], environ["wsgi.input"].read()
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or (name == "CONTENT_TYPE" and value)
        }
        headers |= {"content-length": str(len(body))}
        headers.pop("expect", None)
        headers.pop("connection", None)
        if "authorization" not in headers:
            self._sign(environ["REQUEST_METHOD"], target, headers, body)
        connection = http.client.HTTPConnection(self.place, timeout=_LONGEST_SECONDS)
        try:
            connection.request(environ["REQUEST_METHOD"], target, body, headers)
            answer = connection.getresponse()
            told = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
            start_response(f"{answer.status} {answer.reason}", told)
            return [answer.read()]
        finally:
            connection.close()

    def _sign(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        for name in [name for name in headers if name.startswith("x-amz-") and name != "x-amz-copy-source"]:
            del headers[name]
        request = AWSRequest(method, f"http://{headers['host']}{target}", headers=headers, data=body)
        S3SigV4Auth(Credentials(self.key, self.secret), "s3", "us-east-1").add_auth(request)
        headers.update({name.lower(): value for name, value in request.headers.items()})


class _Faults:
    """Around moto's application, or around what passes on."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application
        # Storage decides conditional requests one after the other; moto looks and writes without a lock in between.
        behind = isinstance(application, _Behind)
        self.lock: AbstractContextManager[Any] = nullcontext() if behind else threading.Lock()
        self.anybody = None if behind else _ANYBODY
        self.log: list[str] = []
        self.refusal: tuple[str, str, str, str] | None = None
        self.refusals = 0
        self.left: int | None = None
        self.done = self.ignoring = False
        self.wanted: tuple[str, str] | None = None
        self.hangs, self.released = threading.Event(), threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path.startswith("/-/"):
            body = json.dumps(self._asked(path.removeprefix("/-/"), parse_qs(environ["QUERY_STRING"]))).encode()
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
            return [body]
        # All of it is here before anything is done, as a server has it whose client dies while it works.
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        if self.anybody:
            environ.setdefault("HTTP_AUTHORIZATION", self.anybody)
        if self.wanted and method == self.wanted[0] and self.wanted[1] in path:
            self.wanted = None
            self.hangs.set()
            self.released.wait(_LONGEST_SECONDS)
        with self.lock:
            self.log.append(f"{method} {path}")
            if self.ignoring and environ.pop("HTTP_IF_NONE_MATCH", None) and not self.anybody:
                # It was signed as well.
                environ.pop("HTTP_AUTHORIZATION", None)
            if self.refusal and self.refusals and method.startswith(self.refusal[2]) and self.refusal[3] in path:
                self.refusals -= 1
                return self._refused(environ, start_response)
            if self.left is not None and self.left <= 0:
                if self.done:
                    list(self.application(environ, lambda *_: None))
                start_response("200 OK", [("Content-Length", "100000"), ("Connection", "close")])
                return [b"<"]
            if self.left is not None:
                self.left -= 1
            return list(self.application(environ, start_response))

    def _refused(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        assert self.refusal
        status, code, _, _ = self.refusal
        # Some servers repeat what they were sent.
        sent = f"{environ.get('HTTP_AUTHORIZATION', '')} {environ.get('HTTP_X_AMZ_SECURITY_TOKEN', '')}"
        text = f"<Error><Code>{code}</Code><Message>No, {escape(sent)}</Message></Error>".encode()
        start_response(f"{status} No", [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
        return [text]

    def _asked(self, what: str, query: dict[str, list[str]]) -> list[str]:
        if what == "log":
            with self.lock:
                told, self.log = self.log, []
            return told
        if what == "hanging":
            return ["hangs"] if self.hangs.wait(_LONGEST_SECONDS) else []
        if what == "break":
            self.left, self.done = int(query["after"][0]), query["done"] == ["1"]
        elif what == "hang":
            self.hangs.clear()
            self.released.clear()
            self.wanted = (query["method"][0], query["part"][0])
        elif what == "ignore":
            self.ignoring = True
        elif what == "refuse":
            self.refusals = int(query["times"][0])
            self.refusal = (
                query["status"][0],
                query["code"][0],
                query.get("method", [""])[0],
                query.get("part", [""])[0],
            )
        elif what == "well":
            self.left, self.ignoring, self.wanted, self.refusal = None, False, None, None
            self.released.set()
        return []


def _serve() -> None:
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            pass

    secret = sys.stdin.readline().strip()
    application = _Faults(_Behind(*sys.argv[1:], secret) if secret else _moto())
    serving = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    print(serving.port, flush=True)
    sys.stdin.read()
    # Not joined: a request may still hang.
    os._exit(0)


def _moto() -> Callable[..., Iterable[bytes]]:
    from moto.server import DomainDispatcherApplication, create_backend_app

    application: Callable[..., Iterable[bytes]] = DomainDispatcherApplication(create_backend_app)
    return application


if __name__ == "__main__":
    _serve()
