"""The records that every other part shares: what was called, from where, and what was seen.

Evidence holds facts, never judgement. It is frozen, it is versioned, and `redaction` has been over it before
anything else sees it, so whatever is written from it is clean. The observing half writes these records with the standard library
alone; reading them back, from a file that somebody else may have made, is `load_evidence`.
"""

from oairunbook.evidence.browser import ClientCode, CorsExchange, FoundKey, PageRequest, PageTried
from oairunbook.evidence.connection import (
    NO_APPLICATION_PROTOCOL,
    Certificate,
    Connected,
    ConnectFailed,
    ProxyAnswered,
    ProxyFailed,
    TlsFailed,
    TlsHandshake,
    TunnelOpened,
)
from oairunbook.evidence.dns import DnsAnswer, DnsNoAnswer, DnsReply, Resolved, ResolveFailed
from oairunbook.evidence.document import (
    EvidenceError,
    dumps,
    load_evidence,
    open_to_read,
    read_bytes,
    read_document,
    read_standard_input,
    reader,
    to_document,
    walk_text,
)
from oairunbook.evidence.http import REQUEST_ID_HEADERS, ApiError, Body, Header, HttpAnswer, HttpFailed, quoted_id
from oairunbook.evidence.local import ClientBuilt, ClientRefused, LocalResources, StatusPage
from oairunbook.evidence.outcome import Ending, ErrorLink, NotTried, PastedError, Stopped, ToolFailed
from oairunbook.evidence.place import (
    UNDECIDED,
    Collector,
    Credential,
    Family,
    NameServer,
    ProxyDecision,
    ResolverConfiguration,
    Route,
    Runtime,
    Setting,
    TrustStore,
)
from oairunbook.evidence.record import EVIDENCE_SCHEMA, Evidence, Layer, Observation, Outcome, Result
from oairunbook.evidence.sdk import SdkAnswered, SdkFailed, TraceEvent

__all__ = [
    "EVIDENCE_SCHEMA",
    "NO_APPLICATION_PROTOCOL",
    "REQUEST_ID_HEADERS",
    "UNDECIDED",
    "ApiError",
    "Body",
    "Certificate",
    "ClientBuilt",
    "ClientCode",
    "ClientRefused",
    "Collector",
    "ConnectFailed",
    "Connected",
    "CorsExchange",
    "Credential",
    "DnsAnswer",
    "DnsNoAnswer",
    "DnsReply",
    "Ending",
    "ErrorLink",
    "Evidence",
    "EvidenceError",
    "Family",
    "FoundKey",
    "Header",
    "HttpAnswer",
    "HttpFailed",
    "Layer",
    "LocalResources",
    "NameServer",
    "NotTried",
    "Observation",
    "Outcome",
    "PageRequest",
    "PageTried",
    "PastedError",
    "ProxyAnswered",
    "ProxyDecision",
    "ProxyFailed",
    "ResolveFailed",
    "Resolved",
    "ResolverConfiguration",
    "Result",
    "Route",
    "Runtime",
    "SdkAnswered",
    "SdkFailed",
    "Setting",
    "StatusPage",
    "Stopped",
    "TlsFailed",
    "TlsHandshake",
    "ToolFailed",
    "TraceEvent",
    "TrustStore",
    "TunnelOpened",
    "dumps",
    "load_evidence",
    "open_to_read",
    "quoted_id",
    "read_bytes",
    "read_document",
    "read_standard_input",
    "reader",
    "to_document",
    "walk_text",
]
