"""`browser`: a branch of its own. Its causes are decided from console texts; no rule of this version reads them yet."""

from __future__ import annotations

from oairunbook.diagnose.catalogue import Cause

_SERVER_SIDE = "Move the call to a server of yours; the page talks to that server."

CAUSES = (
    Cause(
        id="browser.key_exposed",
        owner="browser",
        meaning="A key is in client-side code, or the request came from a page.",
        next=(_SERVER_SIDE, "Revoke the exposed key once the server has one of its own."),
        do_not=("Do not hide the key in the page instead (minified, encoded, split): whoever loads the page has it.",),
    ),
    Cause(
        id="browser.mixed_content",
        owner="browser",
        meaning="An https page calls an http endpoint.",
        next=("Serve the endpoint over https.", _SERVER_SIDE),
        do_not=("Do not ask users to allow insecure content.",),
    ),
    Cause(
        id="browser.blocked_by_client",
        owner="browser",
        meaning="An extension, content security policy or network policy of the browser stopped it.",
        next=(
            "Ask whose policy it is: the page's connect-src, an extension, or the browser's administrator.",
            _SERVER_SIDE,
        ),
        do_not=("Do not ask users to switch their protection off.",),
    ),
    Cause(
        id="browser.cors_blocked",
        owner="browser",
        meaning="Preflight or response lacks what the page's origin needs.",
        next=(
            "Repeat the same request outside the browser first: an error answer without CORS headers looks the same.",
            _SERVER_SIDE,
        ),
        do_not=(
            "Do not set mode no-cors: the answer becomes unreadable.",
            "Do not send the key through a CORS proxy of somebody else.",
        ),
    ),
)
