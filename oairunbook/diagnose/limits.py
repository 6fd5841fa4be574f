"""What the headers of an answer say about limits and waiting: counts, and times as seconds."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime

from oairunbook.evidence import Header
from oairunbook.records import dataclass

_LIMIT = re.compile(
    r"^(?P<whose>llm_provider-)?x-ratelimit-(?P<part>limit|remaining|reset)(?:-(?P<dimension>[a-z-]+))?$"
)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|s|m|h|d)", re.ASCII)
_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_SECONDS = 1e7
"""A plain number beyond this is a moment (some gateways send the Unix time), not a duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit as one answer's headers tell it."""

    dimension: str
    """`requests`, `tokens`, `project-tokens` …; `all` where the header names none."""

    whose: str
    """Whose limit it is: `who answered`, or `the gateway's upstream` where a gateway passes it on."""

    limit: int | None
    remaining: int | None
    """-1 occurs on Azure and means that nothing is told."""

    reset_seconds: float | None
    """Until it is whole again; None if it is absent or no duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How long an answer asks to wait, and whether it wants the request again."""

    seconds: float | None
    header: str | None
    """Which header said so: the SDKs read `retry-after-ms` before `retry-after`."""

    should_retry: bool | None
    """`x-should-retry`, which overrules the SDK's own rule; None if it is absent."""


def duration_seconds(text: str) -> float | None:
    """A reset value in seconds: `12ms`, `6m0s`, `1h2m`, or a plain number of seconds. None if it is none of them.

    Source: recorded answers of the API (durations) and of Azure (numbers).
    """
    plain = text.strip().lower()
    try:
        number = float(plain)
        return number if 0 <= number < _LONGEST_SECONDS else None
    except ValueError:
        pass
    pieces = _PIECE.findall(plain)
    if not pieces or "".join(number + unit for number, unit in pieces) != plain:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in pieces)


def limits(headers: tuple[Header, ...]) -> tuple[Limit, ...]:
    """The limits that these headers tell, in their order; none is an answer too: a billing 429 has none."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for header in headers:
        match = _LIMIT.match(header.name.lower())
        if match:
            whose = "the gateway's upstream" if match["whose"] else "who answered"
            found.setdefault((match["dimension"] or "all", whose), {})[match["part"]] = header.value
    return tuple(
        Limit(
            dimension=dimension,
            whose=whose,
            limit=_count(parts.get("limit")),
            remaining=_count(parts.get("remaining")),
            reset_seconds=duration_seconds(parts["reset"]) if "reset" in parts else None,
        )
        for (dimension, whose), parts in found.items()
    )


def waiting(headers: tuple[Header, ...]) -> Waiting:
    """What the headers ask for (RFC 9110 section 10.2.3: seconds or a date, which counts from the answer's own `Date`)."""
    values = {header.name.lower(): header.value.strip() for header in headers}
    asked = values.get("x-should-retry", "").lower()
    should = {"true": True, "false": False}.get(asked)
    milliseconds = _number(values.get("retry-after-ms"))
    if milliseconds is not None:
        return Waiting(seconds=milliseconds / 1000, header="retry-after-ms", should_retry=should)
    text = values.get("retry-after")
    seconds = _number(text)
    if seconds is None and text and "date" in values:
        then, now = _moment(text), _moment(values["date"])
        seconds = max(0.0, (then - now).total_seconds()) if then and now else None
    return Waiting(seconds=seconds, header="retry-after" if seconds is not None else None, should_retry=should)


def _count(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else int(number)


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?", text) else None


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
