"""What a manifest says of its run, so that listing and audit need no other file of it."""

from __future__ import annotations

from typing import Any

from oairunbook.evidence import Evidence, NotTried, Stopped, ToolFailed
from oairunbook.verdict import Verdict

STEPS = ("dns", "tcp", "proxy", "tls", "http", "api")
"""The steps whose time is kept, in the order of the path."""


def about(evidence: Evidence | None, verdict: Verdict | None) -> dict[str, Any]:
    """Route, verdict and the seconds of each step; None for what is not known."""
    route = evidence.route if evidence else None
    return {
        "route": route.family if route else None,
        "base_url": route.base_url.value if route else None,
        "model": route.model.value if route and route.model else None,
        "steps": step_seconds(evidence) if evidence else {},
        "cut_short": evidence.cut_short if evidence else None,
        "collector": evidence.runtime.collector.command if evidence and evidence.runtime.collector else None,
        "verdict": verdict
        and {
            "owner": verdict.owner,
            "layer": verdict.layer,
            "cause": verdict.cause,
            "certainty": verdict.certainty,
            "pattern": verdict.pattern,
            "failed": verdict.failed,
            "tried": verdict.tried,
            "rules_version": verdict.rules_version,
        },
    }


def step_seconds(evidence: Evidence) -> dict[str, float]:
    """Seconds of each step's first look on the path itself; a step that was not looked at is not in it."""
    seconds: dict[str, float] = {}
    for observation in evidence.observations:
        layer = observation.layer
        if layer not in STEPS or layer in seconds or observation.changed is not None or observation.attempt != 1:
            continue
        if not isinstance(observation.outcome, NotTried | Stopped | ToolFailed):
            seconds[layer] = round(observation.seconds, 6)
    return seconds
