"""A real Chromium that opens a page of a given origin and lets it try the call. Spoken to over its debugging pipe, with a profile of its own.

The page itself never comes from a network: the browser asks for it, and is given it over the pipe. It holds a placeholder for a key.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from oairunbook.evidence import PageRequest, PageTried
from oairunbook.observe import clients, sdk

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_MOST_LINES = 20
_FLAGS = (
    "--headless=new", "--disable-gpu", "--no-first-run", "--no-default-browser-check", "--disable-extensions", "--disable-sync",
    # Nothing of the browser's own goes out beside the page's call.
    "--disable-background-networking", "--disable-component-update", "--disable-domain-reliability", "--disable-default-apps",
    "--disable-client-side-phishing-detection", "--metrics-recording-only", "--password-store=basic", "--remote-debugging-pipe",
)  # fmt: skip

_SCRIPT = """
window.tried = (async () => {
  try {
    const response = await fetch(%(url)s, {method: 'POST', headers: %(headers)s, body: %(body)s, credentials: %(mode)s});
    return {status: response.status, readable: [...response.headers.keys()]};
  } catch (error) {
    return {exception: error.name + ': ' + error.message};
  }
})();
"""


class BrowserError(Exception):
    """The browser could not be started or did not do as it was told. It says nothing about the path."""


def find(environment: Mapping[str, str]) -> str | None:
    """The first Chromium or Chrome on PATH; None if there is none."""
    return next((found for name in _PROGRAMS if (found := shutil.which(name, path=environment.get("PATH")))), None)


def try_page(
    program: str,
    *,
    page_origin: str,
    policy: str,
    url: str,
    request_headers: tuple[str, ...],
    credentials: bool,
    practice: tuple[str, str] | None,
    trusted: bool,
    environment: Mapping[str, str],
    seconds: float,
) -> PageTried:
    """Open a page and let it make the call.

    Args:
        program: The browser.
        page_origin: Serialised origin of the page.
        policy: Its Content-Security-Policy; empty for none.
        url: What the page calls.
        request_headers: Header names that the page sets.
        credentials: Whether it calls with credentials mode `include`.
        practice: Host and address of the practice lab, whose names no browser knows; None on a real path.
        trusted: Whether the lab's certificate verified here; no browser knows its root. It says nothing on a real path.
        environment: For the browser, which reads proxy variables itself.
        seconds: For all of it.

    Raises:
        BrowserError: The browser failed, not the call.
    """
    values = {
        "authorization": f"Bearer {clients.PLACEHOLDER_KEY}",
        "content-type": "application/json",
        "api-key": clients.PLACEHOLDER_KEY,
    }
    script = _SCRIPT % {
        "url": json.dumps(url),
        "headers": json.dumps({name: values.get(name, "1") for name in request_headers}),
        "body": json.dumps(json.dumps({**sdk.minimal_body("placeholder"), "max_completion_tokens": sdk.MOST_TOKENS})),
        "mode": json.dumps("include" if credentials else "omit"),
    }
    document = f"<!doctype html><meta charset=utf-8><link rel=icon href='data:,'><title>oairunbook</title><script>{script}</script>"
    flags = list(_FLAGS)
    if os.getuid() == 0:
        # Chromium refuses to start as root with its sandbox. It opens this one page alone.
        flags.append("--no-sandbox")
    if practice is not None:
        host, address = practice
        flags += [f"--host-resolver-rules=MAP {host} {address}", "--disable-features=LocalNetworkAccessChecks"]
        flags += ["--ignore-certificate-errors"] * trusted
    folder = tempfile.mkdtemp(prefix="oairunbook-browser-")
    # The shell's start-up files and the user's own browser settings stay out of it.
    clean = {name: value for name, value in environment.items() if not name.startswith(("OPENAI_", "AZURE_OPENAI_"))}
    browser = _Browser(
        [program, *flags, f"--user-data-dir={folder}", "about:blank"],
        {**clean, "HOME": folder},
        time.monotonic() + seconds,
    )
    try:
        return _try(browser, page_origin, policy, url, document)
    finally:
        browser.close()
        shutil.rmtree(folder, ignore_errors=True)


def _try(browser: _Browser, page_origin: str, policy: str, url: str, document: str) -> PageTried:
    version = browser.call("Browser.getVersion")["product"]
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Network", "Log", "Runtime", "Page"):
        browser.call(f"{domain}.enable")
    page = f"{page_origin}/oairunbook.html"
    browser.call("Fetch.enable", patterns=[{"urlPattern": f"{page_origin}/*"}])
    browser.page, browser.document, browser.policy = page, document, policy
    browser.call("Page.navigate", url=page)
    browser.wait_for("Page.loadEventFired")
    told = browser.call("Runtime.evaluate", expression="window.tried", awaitPromise=True, returnByValue=True)
    result: dict[str, Any] = told.get("result", {}).get("value") or {
        "exception": "the page's script did not run: its own policy forbids it"
    }
    browser.drain(0.3)
    return PageTried(
        browser=version,
        origin=page_origin,
        url=url.partition("?")[0],
        exception=result.get("exception"),
        status=result.get("status"),
        readable_headers=tuple(sorted(result.get("readable", ()))),
        requests=_requests(browser.events, url),
        console=_console(browser.events),
    )


def _requests(events: list[dict[str, Any]], url: str) -> tuple[PageRequest, ...]:
    """The page's requests to the endpoint, put together from the events of the network panel."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        about = event["params"]
        identity = about.get("requestId", "")
        match = event["method"]
        if match == "Network.requestWillBeSent" and about["request"]["url"].partition("#")[0] == url:
            found[identity] = {"method": about["request"]["method"], "kind_of_request": about.get("type", "Other")}
        elif identity not in found:
            continue
        elif match in ("Network.responseReceived", "Network.responseReceivedExtraInfo"):
            found[identity].setdefault("status", about.get("statusCode") or about.get("response", {}).get("status"))
        elif match == "Network.loadingFailed":
            found[identity]["failure"] = about.get("errorText")
            found[identity]["cors_error"] = (about.get("corsErrorStatus") or {}).get("corsError")
            found[identity]["blocked_reason"] = about.get("blockedReason")
    return tuple(PageRequest(**one) for one in found.values())


def _console(events: list[dict[str, Any]]) -> tuple[str, ...]:
    lines = [e["params"]["entry"]["text"] for e in events if e["method"] == "Log.entryAdded"]
    for event in events:
        if event["method"] == "Runtime.consoleAPICalled":
            lines.append(" ".join(str(part.get("value", "")) for part in event["params"]["args"]))
    return tuple(line[:600] for line in lines[:_MOST_LINES])


class _Browser:
    """A browser under way, and its debugging pipe: JSON messages with a zero byte between them (Chrome DevTools Protocol)."""

    def __init__(self, command: list[str], environment: Mapping[str, str], last: float) -> None:
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []
        self.page = self.document = self.policy = ""
        self._last = last
        self._buffer = b""
        self._number = 0
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # The browser's ends have to become 3 and 4; a copy above keeps the one from closing the other.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (to_read, to_write)]
        actions = [
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, high[0], 3),
            (os.POSIX_SPAWN_DUP2, high[1], 4),
        ]
        try:
            self._pid = os.posix_spawn(command[0], command, dict(environment), file_actions=actions, setpgroup=0)
        finally:
            for fd in (*high, to_read, to_write):
                os.close(fd)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; what happens in between is kept."""
        self._number += 1
        number = self._number
        self._send(number, method, parameters)
        while True:
            message = self._next()
            if message.get("id") == number:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error'].get('message')}")
                result: dict[str, Any] = message.get("result", {})
                return result
            self._keep(message)

    def wait_for(self, method: str) -> None:
        """Wait until that event has come."""
        while not any(event["method"] == method for event in self.events):
            self._keep(self._next())

    def drain(self, seconds: float) -> None:
        """Take what else comes in so long."""
        last = min(self._last, time.monotonic() + seconds)
        while (left := last - time.monotonic()) > 0:
            if b"\0" not in self._buffer and not select.select([self._read], [], [], left)[0]:
                return
            self._keep(self._next())

    def close(self) -> None:
        """End the browser and all that it started."""
        for fd in (self._read, self._write):
            os.close(fd)
        try:
            os.killpg(self._pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self._pid, 0)

    def _keep(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            return
        self.events.append(message)
        if message["method"] == "Fetch.requestPaused":
            self._give_page(message["params"]["requestId"])

    def _give_page(self, identity: str) -> None:
        headers = [{"name": "content-type", "value": "text/html; charset=utf-8"}]
        if self.policy:
            headers.append({"name": "content-security-policy", "value": self.policy})
        body = base64.b64encode(self.document.encode("utf-8")).decode("ascii")
        self._number += 1
        parameters = {"requestId": identity, "responseCode": 200, "responseHeaders": headers, "body": body}
        self._send(self._number, "Fetch.fulfillRequest", parameters)

    def _send(self, number: int, method: str, parameters: dict[str, Any]) -> None:
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self.session is not None and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self.session
        try:
            os.write(self._write, json.dumps(message).encode("utf-8") + b"\0")
        except OSError as error:
            raise BrowserError("the browser has ended") from error

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = self._last - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise BrowserError("the browser did not answer in time")
            piece = os.read(self._read, 65536)
            if not piece:
                raise BrowserError("the browser has ended; it may lack libraries, or refuse to run as this user")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message
