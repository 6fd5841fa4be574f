"""Evidence recorded in the test world, kept small: what the rules are tested on without a network.

`recorded/NAME.json` is what `check` saw in the scenario of that name, with the answer that the scenario declares; `near.toml` names for each cause a
case that looks like it and is not. `python -m tests.cases NAME…` records a scenario anew.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oairunbook.evidence import Evidence, load_evidence

HERE = Path(__file__).parent
RECORDED = HERE / "recorded"

_ALIKE = 2
"""Attempts that ended alike are kept so many times: enough to tell once from again."""

_LONGEST_SAMPLE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One record and its answer."""

    name: str
    cause: str
    owner: str
    intermittent: bool
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """A case that looks like a cause and is not."""

    cause: str
    case: str
    why: str


def cases() -> Iterator[Case]:
    """All recorded cases, by name."""
    for path in sorted(RECORDED.glob("*.json")):
        document = json.loads(path.read_bytes())
        evidence = load_evidence(json.dumps(document["evidence"]))
        yield Case(name=path.stem, evidence=evidence, **document["answer"])


def near_misses() -> tuple[NearMiss, ...]:
    """The table of near misses."""
    table = tomllib.loads((HERE / "near.toml").read_text("utf-8"))
    return tuple(NearMiss(cause=cause, **entry) for cause, entry in table.items())


def small(evidence: dict[str, Any]) -> dict[str, Any]:
    """Evidence without what no rule reads: certificates' bytes, long samples, attempts that ended as others did."""
    endings: dict[int, list[str]] = {}
    for observation in evidence["observations"]:
        if observation["attempt"] > 1:
            outcome = observation["outcome"]
            told = (
                _kind(observation),
                observation["probe"],
                outcome["kind"],
                outcome.get("status"),
                outcome.get("ended"),
                _last(outcome),
            )
            endings.setdefault(observation["attempt"], []).append(repr(told))
    kept: dict[str, list[int]] = {}
    for number, ending in endings.items():
        alike = kept.setdefault(repr(ending), [])
        if len(alike) < _ALIKE:
            alike.append(number)
    numbers = {1, *(number for alike in kept.values() for number in alike)}
    # Of those made one at a time their number counts, and how they ended.
    observations = [
        o for o in evidence["observations"] if o["attempt"] in numbers or (_kind(o) in _ONE_AT_A_TIME and _last_step(o))
    ]
    return _without_bulk(evidence | {"observations": observations})


_ONE_AT_A_TIME = ("alone", "slowly")


def _kind(observation: dict[str, Any]) -> str:
    """What an attempt was made for: the part of the id before the dot; the probe's name where it has none."""
    return str(observation["id"]).partition(":")[0].partition("#")[0].partition(".")[0]


def _last_step(observation: dict[str, Any]) -> bool:
    return observation["probe"] == "http"


def _last(outcome: dict[str, Any]) -> Any:
    errors = outcome.get("errors") or [{}]
    return errors[-1].get("type"), errors[-1].get("errno_name")


def _without_bulk(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_bulk(item) for item in value]
    if isinstance(value, dict):
        return {
            key: "" if key == "der_base64" else item[:_LONGEST_SAMPLE] if key == "sample" else _without_bulk(item)
            for key, item in value.items()
        }
    return value
