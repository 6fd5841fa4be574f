"""The provider's status page, with the time at which it was read. It weighs nothing alone, green or red."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from oairunbook.evidence import HttpAnswer, HttpFailed, StatusPage

STATUS_URL = "https://status.openai.com/api/v2/summary.json"
_MOST_INCIDENTS = 10


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
    )
