"""The provider's status page, with the time at which it was read. It weighs nothing alone, green or red."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from oairunbook.evidence import (
    ErrorLink,
    HttpAnswer,
    HttpFailed,
    ProxyAnswered,
    Resolved,
    StatusPage,
    TlsHandshake,
)
from oairunbook.observe import control, dns, http, proxy, tcp, tls
from oairunbook.observe.path import Path
from oairunbook.observe.stream import Deadline, Stream
from oairunbook.route.proxy import proxy_credentials

STATUS_URL = "https://status.openai.com/api/v2/summary.json"
_MOST_INCIDENTS = 10


def fetch_status(path: Path, url: str, deadline: Deadline) -> StatusPage | HttpAnswer | HttpFailed:
    """Fetch the status page as the transport would: same proxy rules, same trust store, no credentials."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    decision = control.proxy_beside(path.route, path.environment, host, parts.port)
    route = replace(path.route, proxy=decision, host=host, port=port)
    errors: tuple[ErrorLink, ...] = ()
    found = dns.resolve(route.dialled_host, route.dialled_port)
    if not isinstance(found, Resolved):
        return HttpFailed(method="GET", url=url, phase="resolve", errors=found.errors, ended="eof")
    for address in found.addresses[:2]:
        result, stream = tcp.connect(address, route.dialled_port, deadline)
        phase = "connect"
        opened: Stream | None = stream
        if opened is not None and decision.url:
            phase = "proxy"
            credentials = proxy_credentials(path.environment, decision)
            result, opened = proxy.open_tunnel(opened, decision, credentials, host, port)  # type: ignore[assignment]
        context = path.context()
        if opened is not None and context is not None:
            phase = "tls"
            outcome, secured = tls.handshake(opened, context, address=address, server_name=host, again=None)
            if isinstance(outcome, TlsHandshake) and secured is not None:
                answer, data = http.exchange(
                    secured,
                    method="GET",
                    url=url,
                    target=parts.path or "/",
                    host=parts.netloc,
                    address=address,
                )
                return read_status(url, answer, data)
            errors = getattr(outcome, "errors", ())
        else:
            if opened is not None:
                # No TLS context could be built: nothing will take this connection over.
                opened.close()
            errors = getattr(result, "errors", ())
            if isinstance(result, ProxyAnswered):
                refusal = f"the proxy answered {result.status} {result.reason}"
                errors = (ErrorLink(type="ProxyAnswered", text=refusal),)
    return HttpFailed(method="GET", url=url, phase=phase, errors=errors, ended="eof")  # type: ignore[arg-type]


def read_status(url: str, answer: HttpAnswer | HttpFailed, data: bytes) -> StatusPage | HttpAnswer | HttpFailed:
    """Read the Statuspage-compatible summary; what is no summary stays the HTTP answer that it is.

    `incidents` may be missing altogether, and components are renamed without notice, so none is required (facts: openai_api section 7).
    """
    if not isinstance(answer, HttpAnswer) or answer.status != 200:
        return answer
    try:
        document = json.loads(data)
        status = document["status"]
        indicator, description = str(status["indicator"]), str(status["description"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return answer
    found = document.get("incidents")
    incidents: list[Any] = found if isinstance(found, list) else []
    return StatusPage(
        url=url,
        retrieved_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        indicator=indicator[:40],
        description=description[:200],
        incidents=tuple(
            f"{item.get('name', '')} ({item.get('status', '')})"[:200]
            for item in incidents[:_MOST_INCIDENTS]
            if isinstance(item, dict)
        ),
        date=answer.header("date"),
    )
