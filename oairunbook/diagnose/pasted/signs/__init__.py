"""Which words of an error text show which cause. Texts are those of the libraries' own sources, not of single reports.

To teach a text to the diagnosis, add its phrase to the sign of its cause in the module of its layer; a cause without a sign gets one there.
"""

from __future__ import annotations

from oairunbook.diagnose.pasted.signs import browser, client, dns, http, proxy, tcp, tls, unanswered
from oairunbook.diagnose.pasted.signs.sign import Sign

SIGNS: tuple[Sign, ...] = (
    *browser.SIGNS,
    *client.SIGNS,
    *proxy.SIGNS,
    *dns.SIGNS,
    *tls.SIGNS,
    *tcp.SIGNS,
    *http.SIGNS,
    *unanswered.SIGNS,
)
"""All of them; among equal weights the first counts."""
