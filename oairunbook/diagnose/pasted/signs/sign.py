"""What a sign is, and how much the kinds of signs weigh against each other."""

from __future__ import annotations

import re

from oairunbook.diagnose.catalogue import Certainty
from oairunbook.phrases import Phrases
from oairunbook.records import dataclass

CLIENT, BROWSER, PROXY, NAME, TLS, CONNECT, EXCHANGE, VAGUE, NOTHING = 90, 85, 80, 70, 65, 60, 50, 20, 10
"""In one text the heaviest sign decides, because the outermost class name says least: a reset inside a handshake, a proxy's own name inside
a message about the API, an old keyword that is called `proxies` each outweigh what stands around them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Texts that show one cause."""

    cause: str
    """`unknown` for texts that show only that no answer came."""

    phrases: Phrases
    weight: int
    certainty: Certainty = "likely"


def sign(cause: str, weight: int, *phrases: str, certainty: Certainty = "likely") -> Sign:
    """A sign of *cause*: any of the *phrases*, each a regular expression of its own, in upper or lower case.

    Word boundaries are those of ASCII: prose without spaces stands right beside a code (`返回ECONNRESET错误`).
    """
    return Sign(
        cause=cause, weight=weight, phrases=Phrases(*phrases, flags=re.IGNORECASE | re.ASCII), certainty=certainty
    )
