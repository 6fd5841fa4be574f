"""Times as people give them: an age such as `90d`, or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_AGE = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def age(text: str) -> timedelta:
    """A length of time: a whole number and s, m, h, d or w.

    Raises:
        ValueError: It is none.
    """
    found = _AGE.fullmatch(text.strip().lower())
    if not found:
        raise ValueError(f"{text!r} is no length of time: write 90d, 12h or 2w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def moment(text: str, now: datetime) -> datetime:
    """A time: so long before *now*, or a date or time of ISO 8601, in UTC if it names no zone.

    Raises:
        ValueError: It is neither.
    """
    if _AGE.fullmatch(text.strip().lower()):
        return now - age(text)
    try:
        given = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is no time: write 90d for so long ago, or 2026-11-25, or 2026-11-25T14:00Z"
        ) from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
