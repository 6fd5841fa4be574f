"""The call as a page would make it: preflight and request, the code that browsers get, and a real browser where there is one."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from oairunbook import practice
from oairunbook.evidence import Evidence, Layer, NotTried, Observation, Outcome, Resolved, TlsHandshake, ToolFailed
from oairunbook.observe import sdk
from oairunbook.observe.browser import chromium, client_code, cors
from oairunbook.observe.errors import error_chain
from oairunbook.redaction import Secrets

__all__ = ["SDK_HEADERS", "look_as_a_page", "serialised"]

_LAYER: Layer = "browser"
SDK_HEADERS = (
    "x-stainless-arch",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-timeout",
)
"""What openai-node adds to every request, also in a page (openai 7.57, `internal/detect-platform`)."""


@dataclasses.dataclass(frozen=True)
class Page:
    """The page that makes the call."""

    origin: str
    request_headers: tuple[str, ...]
    credentials: bool
    policy: str = ""
    """Its Content-Security-Policy; empty for none."""


def serialised(origin: str) -> str:
    """An origin as browsers send it (RFC 6454 section 6.2): scheme and host in lower case, the port only where it is not the default.

    Raises:
        ValueError: It has no scheme of http or https, no host, a path, or credentials.
    """
    parts = urlsplit(origin.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"origin is scheme and host of the page, for example https://app.example.com, and {origin!r} is not"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"origin is scheme, host and port alone, without path or user, and {origin!r} is not")
    port = parts.port
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")


def look_as_a_page(
    seen: Evidence,
    secrets: Secrets,
    page: Page,
    *,
    code: str = "",
    timeout: float = 5.0,
    use_browser: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Evidence:
    """The same evidence with what a page would meet; what is added is redacted.

    Args:
        seen: A check of the same route by this runtime.
        secrets: Values that must not leave memory.
        page: Who makes the call.
        code: File, folder or URL of the code that browsers get; empty for none.
        timeout: Seconds for each step.
        use_browser: Whether a Chromium on this machine tries the call as well.
        environment: Variables to take credentials from; those of this process if None.
    """
    environment = os.environ if environment is None else environment
    began = time.monotonic() - seen.seconds
    jobs: list[tuple[str, str, Callable[[], Outcome]]] = []
    host = seen.route.host
    reachable = next((resolved.addresses for _, resolved in seen.of(Resolved, "dns")), ())
    if seen.route.problems:
        jobs.append(("browser.preflight", host, lambda: NotTried(reason="the base URL cannot be used")))
    else:
        exchange = cors.Exchange(seen, environment, page.origin, page.credentials, reachable, timeout)
        jobs += [
            (
                "browser.preflight",
                f"OPTIONS by a page of {page.origin}",
                lambda: exchange.preflight(page.request_headers),
            ),
            ("browser.request", f"POST by a page of {page.origin}", lambda: exchange.request(page.request_headers)),
        ]
    if code:
        jobs.append(
            ("browser.code", client_code.named(code), lambda: client_code.search(code, secrets, timeout=timeout))
        )
    jobs.append(
        (
            "browser.page",
            f"a page of {page.origin} in a real browser",
            lambda: _in_a_browser(seen, page, use_browser, environment, reachable, timeout),
        )
    )
    found = _side_by_side(jobs, began)
    if not seen.route.problems and not set(SDK_HEADERS) <= set(page.request_headers):
        found += _side_by_side(
            [_with_sdk_headers(exchange, page)], began, changed="the header names of the SDK besides"
        )
    clean, removed = secrets.redact(tuple(found))
    return dataclasses.replace(
        seen,
        observations=(*seen.observations, *clean),
        seconds=round(time.monotonic() - began, 6),
        redactions=(*seen.redactions, *removed),
    )


def _with_sdk_headers(exchange: cors.Exchange, page: Page) -> tuple[str, str, Callable[[], Outcome]]:
    names = tuple(sorted({*page.request_headers, *SDK_HEADERS}))
    return (
        "browser.preflight_sdk",
        f"OPTIONS by the SDK in a page of {page.origin}",
        lambda: exchange.preflight(names),
    )


def _in_a_browser(
    seen: Evidence,
    page: Page,
    use_browser: bool,
    environment: Mapping[str, str],
    addresses: tuple[str, ...],
    timeout: float,
) -> Outcome:
    program = chromium.find(environment)
    if not use_browser:
        return NotTried(reason="use_browser is off")
    if seen.route.problems:
        return NotTried(reason="the base URL cannot be used")
    if program is None:
        return NotTried(reason="no Chromium or Chrome is on this PATH")
    practised = practice.current(environment) is not None
    return chromium.try_page(
        program,
        page_origin=page.origin,
        policy=page.policy,
        url=sdk.minimal_url(seen.route, sdk.asked_model(seen)),
        request_headers=page.request_headers,
        credentials=page.credentials,
        # The lab's names and its root are known to this process alone; a browser on a real path has to know by itself.
        practice=(seen.route.host, addresses[0]) if practised and addresses else None,
        trusted=next(seen.of(TlsHandshake), None) is not None,
        environment=environment,
        seconds=timeout + 10.0,
    )


def _side_by_side(
    jobs: list[tuple[str, str, Callable[[], Outcome]]], began: float, changed: str | None = None
) -> list[Observation]:
    found: dict[str, Observation] = {}

    def run(identity: str, target: str, look: Callable[[], Any]) -> None:
        at = time.monotonic()
        try:
            outcome: Outcome = look()
        except Exception as error:
            outcome = ToolFailed(errors=error_chain(error))
        found[identity] = Observation(
            id=identity,
            probe="browser",
            layer=_LAYER,
            target=target,
            started_seconds=round(at - began, 6),
            seconds=round(time.monotonic() - at, 6),
            outcome=outcome,
            changed=changed,
        )

    threads = [threading.Thread(target=run, args=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[identity] for identity, _, _ in jobs]
