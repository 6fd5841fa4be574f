"""The last turn as a text file for the Prometheus node exporter's textfile collector."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Info, generate_latest

from oairunbook.evidence import Evidence
from oairunbook.output import inert
from oairunbook.record.cron.state import Remembered
from oairunbook.record.files import write_whole
from oairunbook.verdict import Verdict

_READABLE = 0o644
"""The exporter runs as a user of its own; nothing in here is secret."""


def write_metrics(
    path: Path, evidence: Evidence, verdict: Verdict, turn: Remembered, *, seconds: float, exit_status: int
) -> None:
    """Write the metrics of one turn, whole or not at all.

    Args:
        path: Should end in `.prom`, in the folder that the exporter reads.
        evidence: What was seen: the slowest observation of each step is its time.
        verdict: What it means.
        turn: With the times of the last success and of the last change.
        seconds: How long the turn took.
        exit_status: The contract's.

    Raises:
        OSError: It cannot be written.
    """
    registry = CollectorRegistry()
    labels = {"endpoint": inert(evidence.route.host), "route": evidence.route.family}

    def gauge(name: str, text: str, value: float, **more: str) -> None:
        found = gauges.get(name)
        if found is None:
            found = gauges[name] = Gauge(f"oairunbook_{name}", text, [*labels, *more], registry=registry)
        found.labels(**labels, **more).set(value)

    gauges: dict[str, Gauge] = {}
    gauge("healthy", "1 if the path is proven healthy, else 0.", float(verdict.cause == "ok"))
    gauge("exit_status", "Exit status of the turn: 0 healthy, 1 fault named, 3 inconclusive.", float(exit_status))
    gauge("run_duration_seconds", "How long the turn took.", seconds)
    gauge("last_run_timestamp_seconds", "When the path was looked at last.", _unix(turn.checked_at))
    gauge("verdict_since_timestamp_seconds", "When this verdict was reached first.", _unix(turn.since))
    if turn.last_success:
        gauge("last_success_timestamp_seconds", "When the path was last proven healthy.", _unix(turn.last_success))
    if verdict.tried is not None:
        gauge("attempts_tried", "Attempts that were counted.", float(verdict.tried))
        gauge("attempts_failed", "Attempts that failed, of those that were counted.", float(verdict.failed or 0))
    for step, slowest in _steps(evidence).items():
        gauge("step_seconds", "Slowest observation of each step of the path.", slowest, step=step)
    Info("oairunbook_verdict", "The verdict.", list(labels), registry=registry).labels(**labels).info(
        {
            "owner": verdict.owner,
            "layer": verdict.layer or "none",
            "cause": verdict.cause,
            "certainty": verdict.certainty or "none",
            "pattern": verdict.pattern or "none",
        }
    )
    write_whole(path, generate_latest(registry))
    path.chmod(_READABLE)


def _steps(evidence: Evidence) -> dict[str, float]:
    found: dict[str, float] = {}
    for observation in evidence.observations:
        looked = observation.changed is None and observation.attempt == 1
        if looked and observation.outcome.kind not in ("not_tried", "tool_failed"):
            found[observation.probe] = max(found.get(observation.probe, 0.0), observation.seconds)
    return found


def _unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
