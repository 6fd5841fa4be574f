"""Nothing is wrong, or only what does not stop a request."""

from __future__ import annotations

from oairunbook.lab.answers import CorsBehaviour
from oairunbook.lab.faults.fault import Fault

HEALTHY = (
    Fault(id="ok", cause="ok", owner="none", summary="nothing: every part of the path works"),
    Fault(id="ok.slow_dns", cause="ok", owner="none", summary="nothing, but the name server takes 1.2 s", dns="slow"),
    Fault(
        id="ok.status_page_down",
        cause="ok",
        owner="none",
        summary="nothing, but the status page cannot be reached",
        status_page=False,
    ),
    Fault(id="ok.proxy", cause="ok", owner="none", summary="nothing: the path leads through a proxy", proxy="works"),
    Fault(
        id="ok.ipv6_refused",
        cause="ok",
        owner="none",
        summary="nothing, but the API's IPv6 address refuses; IPv4 works",
        addresses=("::1", "127.0.0.1"),
    ),
)

_MET_BY_PAGES: tuple[tuple[CorsBehaviour, str], ...] = (
    ("absent", "the preflight says nothing of origins"),
    ("key_wanted", "the preflight is refused without a key (401)"),
    ("fixed_headers", "the preflight does not allow the header names of the SDK"),
    ("other_origin", "the preflight allows another origin"),
    ("redirect", "the preflight is redirected"),
    ("absent_in_answer", "the preflight passes, and the answer says nothing of origins"),
)

FOR_PAGES = tuple(
    Fault(
        id=f"ok.cors_{cors}", cause="ok", owner="none", summary=f"nothing for a server; for a page {words}", cors=cors
    )
    for cors, words in _MET_BY_PAGES
)
