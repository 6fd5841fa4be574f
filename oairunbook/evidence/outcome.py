"""What can come of any probe: an error chain, and that nothing was tried, the tool failed, or the time ran out."""

from __future__ import annotations

from typing import Literal

from oairunbook.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLink:
    """One exception of a chain."""

    type: str
    """Module and class, for example `httpx2.ConnectError`; builtins without module."""

    text: str
    relation: Literal["raised", "cause", "context", "argument", "member"] = "raised"
    """How the link before leads here: `__cause__`, `__context__`, an exception in `args`, a group's member."""

    errno: int | None = None
    errno_name: str | None = None
    """`ECONNREFUSED`, or for a `gaierror` its `EAI_…` name."""

    verify_code: int | None = None
    """X509_V_ERR_… of the failed verification (X509_STORE_CTX_get_error(3))."""

    ssl_reason: str | None = None
    """OpenSSL's reason, for example `CERTIFICATE_VERIFY_FAILED` or an alert's name."""


Ending = Literal["open", "eof", "reset", "silence", "stopped"]
"""How a stream ended: still open, closed in order, reset by RST, no byte in time, given up by this tool's deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTried:
    """This was not attempted, and why. It says nothing about the path."""

    reason: str
    kind: Literal["not_tried"] = "not_tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFailed:
    """This tool could not look. It says nothing about the path."""

    errors: tuple[ErrorLink, ...]
    kind: Literal["tool_failed"] = "tool_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The budget ended before this did. What had been seen by then stands in `seen`."""

    reason: str
    seen: tuple[str, ...] = ()
    kind: Literal["stopped"] = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedError:
    """An exception that somebody pasted: its chain as far as the text shows it."""

    errors: tuple[ErrorLink, ...]
    kind: Literal["pasted_error"] = "pasted_error"
