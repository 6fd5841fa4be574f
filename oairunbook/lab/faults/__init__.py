"""The faults that the practice lab can make: one declared entry for each, in the order in which a request meets them."""

from __future__ import annotations

from oairunbook.lab.faults.api import API
from oairunbook.lab.faults.client import CLIENT
from oairunbook.lab.faults.fault import DnsBehaviour, Fault, ProxyBehaviour, TcpBehaviour, TlsBehaviour
from oairunbook.lab.faults.healthy import FOR_PAGES, HEALTHY
from oairunbook.lab.faults.path import DNS, HTTP, PROXY, TCP, TLS

FAULTS: tuple[Fault, ...] = (*HEALTHY, *FOR_PAGES, *CLIENT, *DNS, *TCP, *PROXY, *TLS, *HTTP, *API)

__all__ = [
    "FAULTS",
    "DnsBehaviour",
    "Fault",
    "ProxyBehaviour",
    "TcpBehaviour",
    "TlsBehaviour",
]
