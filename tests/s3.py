"""A real S3 server on loopback: moto's, in a process of its own, with faults that a test can ask for.

`python -m tests.s3` prints its port, and serves until its standard input ends. `/-/…` is the test's own: see `Server`.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, quote

_LONGEST_SECONDS = 60
_ANYBODY = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
"""For what a test itself asks for; moto checks no signature."""


class Server:
    """The server, from the test's side."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

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
        return re.findall("<Key>(.*?)</Key>", listed)

    def read(self, key: str) -> bytes:
        return self.server.send("GET", f"{self.bucket}/{quote(key)}")

    def write(self, key: str, data: bytes) -> None:
        self.server.send("PUT", f"{self.bucket}/{quote(key)}", data)

    def delete(self, key: str) -> None:
        self.server.send("DELETE", f"{self.bucket}/{quote(key)}")


@contextmanager
def server() -> Iterator[Server]:
    """Start one, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.s3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Server(int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(_LONGEST_SECONDS)
        process.stdout.close()


class _Faults:
    """Around moto's application."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application
        # Storage decides conditional requests one after the other; moto looks and writes without a lock in between.
        self.lock = threading.Lock()
        self.log: list[str] = []
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
        environ.setdefault("HTTP_AUTHORIZATION", _ANYBODY)
        if self.wanted and method == self.wanted[0] and self.wanted[1] in path:
            self.wanted = None
            self.hangs.set()
            self.released.wait(_LONGEST_SECONDS)
        with self.lock:
            self.log.append(f"{method} {path}")
            if self.ignoring:
                environ.pop("HTTP_IF_NONE_MATCH", None)
            if self.left is not None and self.left <= 0:
                if self.done:
                    list(self.application(environ, lambda *_: None))
                start_response("200 OK", [("Content-Length", "100000"), ("Connection", "close")])
                return [b"<"]
            if self.left is not None:
                self.left -= 1
            return list(self.application(environ, start_response))

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
        elif what == "well":
            self.left, self.ignoring, self.wanted = None, False, None
            self.released.set()
        return []


def _serve() -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            pass

    application = _Faults(DomainDispatcherApplication(create_backend_app))
    serving = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    print(serving.port, flush=True)
    sys.stdin.read()
    # Not joined: a request may still hang.
    os._exit(0)


if __name__ == "__main__":
    _serve()
