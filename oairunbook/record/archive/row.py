"""One run as listings show it, read from its manifest."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

_TIME = re.compile(r"[0-9]+/[0-9]+/[0-9]+/([0-9]{8}T[0-9]{6}Z)-")
_LONGEST = 4000
"""Characters of one value: no manifest of ours comes near it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run, as listings show it."""

    sequence: int | None
    """Place in the chain; None for an unfinished run."""

    run: str
    kind: str
    """`run`, `verify`, `audit`, `fleet` or `prune`."""

    state: str
    """`whole`, `partial`, `killed`, `running`; `waiting` until it can be put on object storage; `missing` or `changed` where manifest and chain
    disagree; `incomplete` where a file that the manifest names is gone (`as_it_is`)."""

    started_at: str
    host: str
    practice: str | None = None
    route: str | None = None
    base_url: str | None = None
    model: str | None = None
    owner: str | None = None
    layer: str | None = None
    cause: str | None = None
    certainty: str | None = None
    pattern: str | None = None
    failed: int | None = None
    tried: int | None = None
    seconds: float | None = None
    """Of all notebooks together."""

    failing: str | None = None
    """Of a `verify`: the run whose fault it looked at."""

    proved: int | None = None
    """Of a `verify`: 1 if the fix is proved."""

    collector: str | None = None
    """How the collector came to where it looked from; None for the place of the tool itself."""


COLUMNS = tuple(field.name for field in fields(Row))


def row_of(run: str, manifest: bytes, *, sequence: int | None = None, state: str = "") -> Row:
    """What a manifest says of its run. Somebody may have made it: what is not of its type is left out.

    Args:
        run: Its name.
        manifest: The manifest; one that cannot be read says nothing.
        sequence: Place in the chain.
        state: In place of the one that the manifest tells.
    """
    about = document(manifest)
    verdict, fix = (object_of(about.get(name)) for name in ("verdict", "verify"))
    notebooks = about.get("notebooks")
    spent = [number(object_of(one).get("seconds")) for one in notebooks] if isinstance(notebooks, list) else []
    told: Any = _text
    return Row(
        sequence,
        run,
        told(about.get("kind")),
        state or _text(about.get("state")) or "unreadable",
        told(_moment(about.get("started_at"))),
        told(about.get("host")),
        _text(about.get("practice")),
        _text(about.get("route")),
        _text(about.get("base_url")),
        _text(about.get("model")),
        _text(verdict.get("owner")),
        _text(verdict.get("layer")),
        _text(verdict.get("cause")),
        _text(verdict.get("certainty")),
        _text(verdict.get("pattern")),
        _count(verdict.get("failed")),
        _count(verdict.get("tried")),
        sum(one for one in spent if one is not None),
        _text(object_of(fix.get("failing")).get("run")),
        _count(fix.get("proved")),
        _text(about.get("collector")),
    )


def began_by_name(run: str) -> datetime | None:
    """When a run began by its name, for which the chain vouches; None if it says none."""
    found = _TIME.match(run)
    try:
        return datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def document(data: bytes) -> dict[str, Any]:
    """A JSON object; an empty one if it is none."""
    try:
        return object_of(json.loads(data))
    except (ValueError, RecursionError):
        return {}


def object_of(item: Any) -> dict[str, Any]:
    """The item, if it is a JSON object."""
    return item if isinstance(item, dict) else {}


def number(item: Any) -> float | None:
    """The item, if it is a number of seconds."""
    return float(item) if isinstance(item, int | float) and not isinstance(item, bool) and abs(item) < 1e9 else None


def _text(item: Any) -> str | None:
    if not isinstance(item, str):
        return None
    # Half of a pair of surrogates is no text that a database or a terminal takes.
    return item[:_LONGEST] if item.isascii() else item[:_LONGEST].encode("utf-8", "replace").decode()


def _count(item: Any) -> int | None:
    if isinstance(item, float) and math.isfinite(item):
        item = int(item)
    return int(item) if isinstance(item, int) and abs(item) < 2**63 else None


def _moment(item: Any) -> Any:
    """A time as manifests hold it; None if it is none, so that nobody reckons with it."""
    try:
        return item if datetime.fromisoformat(item).tzinfo else None
    except (TypeError, ValueError):
        return None
