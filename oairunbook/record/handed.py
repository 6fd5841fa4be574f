"""A record without host names and addresses that can be read, judged and compared again: of what kind each was stays, which it was does not.

A view shows tokens in brackets (`hidden`); in a record that would be no URL, no name and no address any more. Here the same digits stand in names
and addresses that nobody has.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from oairunbook.diagnose.addresses import LOCAL_ENDS, PUBLIC_APIS, is_documentation
from oairunbook.diagnose.azure import ZONES
from oairunbook.diagnose.direct import known_host
from oairunbook.diagnose.dns import BLOCK_ADDRESSES, CARRIER_GRADE_NAT
from oairunbook.diagnose.gateways import HOSTS
from oairunbook.evidence import Evidence, load_evidence, to_document
from oairunbook.record.hidden import HOST_FIELDS, Hidden, known_of
from oairunbook.record.table import HIDDEN
from oairunbook.redaction import fingerprint
from oairunbook.verdict import Verdict, load_verdict

_TOKEN = re.compile(r"hidden-[0-9a-f]{8}(?:\..*)?")
_ENDS = sorted(
    {end for zone in ZONES for end in (zone[0], f".{zone[1]}")}
    | {f".{end}" for end, _ in HOSTS}
    | {*PUBLIC_APIS, *LOCAL_ENDS},
    key=lambda end: -len(end),
)
"""Domains that everybody knows, or that stand for anybody's own network: what a rule reads in a name is its end."""

_KEPT_ADDRESSES = frozenset({*BLOCK_ADDRESSES, "169.254.169.254", "168.63.129.16"})
"""Of block pages, and of the platforms' own services: they are the same for everybody."""


@dataclass(frozen=True)
class _Record(Hidden):
    """As `Hidden`, in names and addresses that can be read as such."""

    def document(self, item: Any, name: str = "") -> Any:
        """The JSON document of a record without them."""
        if isinstance(item, dict):
            return {key: self.document(value, key) for key, value in item.items()}
        if isinstance(item, list):
            return [self.document(one, name) for one in item]
        if not isinstance(item, str) or name in ("schema", "kind", "type"):
            return item
        if "hosts" in self.levels and name in ("der_base64", "sha256"):
            # A certificate holds its names, and public logs find it by its hash.
            return "" if name == "der_base64" else fingerprint(item, self.key)
        whole = re.fullmatch(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", item)
        if "hosts" in self.levels and name in HOST_FIELDS and whole and not self.is_kept(item):
            return self._host(item)
        return self.text(item)

    def is_everybodys(self, name: str) -> bool:
        """Also the API's and the vendors' own hosts, which rules know, and tokens."""
        lower = name.lower()
        return (
            bool(_TOKEN.fullmatch(lower))
            or known_host(lower) is not None
            or f".{lower}" in _ENDS
            or super().is_everybodys(name)
        )

    def _host(self, name: str) -> str:
        end = next((end for end in _ENDS if name.lower().endswith(end)), ".example.com" if "." in name else "")
        return f"hidden-{self._token(name.lower())}{end}"

    def _address(self, text: str) -> str:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text
        if address.is_loopback or address.is_unspecified or text in _KEPT_ADDRESSES:
            return text
        digits = self._token(str(address))
        number = int(digits, 16)
        private = address.is_private and not is_documentation(address)
        if address.version == 6:
            net = "fe80" if address.is_link_local else "fd00" if private else "2001:db8"
            return str(ipaddress.ip_address(f"{net}::{digits[:4]}:{digits[4:]}"))
        net, bits = ("240.0.0.0", 28)
        if address.is_link_local:
            net, bits = "169.254.0.0", 16
        elif address in CARRIER_GRADE_NAT:
            net, bits = "100.64.0.0", 22
        elif private:
            net, bits = "10.0.0.0", 24
        return str(ipaddress.ip_address(int(ipaddress.ip_address(net)) | number & (1 << bits) - 1))


def handed_over(
    evidence: Evidence, levels: frozenset[str], key: bytes
) -> tuple[Evidence, Callable[[Verdict], Verdict]]:
    """A record without host names and addresses, and what takes them out of the verdict on the whole record.

    The verdict stays what it is, and `diagnose` comes to the same one of what is left.

    Args:
        evidence: The record.
        levels: `hosts`, `addresses`.
        key: Makes the tokens: what is hidden with the same one compares (`hiding_key`).
    """
    hidden = _Record(levels, key, known_of(evidence))
    told = f"{HIDDEN}{', '.join(sorted(levels))}; what stands in their place belongs to nobody"
    seen = load_evidence(json.dumps(hidden.document(to_document(evidence))))
    seen = replace(seen, redactions=(*seen.redactions, told))
    return seen, lambda verdict: load_verdict(json.dumps(hidden.document(to_document(verdict))))
