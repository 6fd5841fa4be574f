"""An archive of any size, made quickly: the same files as a real one, without waiting for the disk after each run."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from oairunbook.record.archive.chain import CHAIN
from oairunbook.record.archive.draft import MANIFEST, MANIFEST_SCHEMA

START = datetime(2026, 1, 1, tzinfo=UTC)
HOSTS = ("web-1", "web-2", "web-3", "batch-1")
EVERY = timedelta(minutes=5)
"""Between two runs of the whole archive."""

FAULTS = (
    ("connection_path", "tcp", "tcp.timeout", None, None),
    ("connection_path", "tls", "tls.untrusted_issuer", None, None),
    ("connection_path", "tcp", "tcp.reset", 4, 26),
    ("quota_or_rate", "api", "api.rate_limited", None, None),
)


def generate(archive: Path, runs: int, *, seed: int = 1) -> None:
    """Write *runs* runs: mostly healthy, with faults that last for a while on one host."""
    chance = random.Random(seed)
    fault: dict[str, tuple[Any, int]] = {}
    line = previous = None
    with (archive / CHAIN).open("wb") as chain:
        for number in range(1, runs + 1):
            host = HOSTS[number % len(HOSTS)]
            found, left = fault.get(host, (None, 0))
            if left == 0:
                found, left = (chance.choice(FAULTS), chance.randint(5, 200)) if chance.random() < 0.002 else (None, 1)
            fault[host] = (found, left - 1)
            began = START + number * EVERY
            name, manifest = _run(
                archive, number, host, began, found, previous and {**previous, "line_sha256": line}, chance
            )
            digest = hashlib.sha256(manifest).hexdigest()
            text = json.dumps(
                {"sequence": number, "run": name, "manifest_sha256": digest, "previous_sha256": line}
            ).encode()
            chain.write(text + b"\n")
            line, previous = hashlib.sha256(text).hexdigest(), {"run": name, "manifest_sha256": digest}


def _run(
    archive: Path, number: int, host: str, began: datetime, fault: Any, previous: Any, chance: random.Random
) -> tuple[str, bytes]:
    owner, layer, cause, failed, tried = fault or ("none", None, "ok", None, None)
    name = f"{began:%Y/%m/%d}/{began:%Y%m%dT%H%M%SZ}-{host}-{number:08x}"
    folder = archive / name
    folder.mkdir(parents=True)
    evidence = b'{"schema": "oairunbook.evidence/1"}\n'
    (folder / "evidence.json").write_bytes(evidence)
    names = ("01_response_evidence", "02_same_path", "07_escalate" if fault else "08_verify_fix")
    reached = {"dns": 1, "tcp": 2, "proxy": 3, "tls": 4, "http": 5, "api": 6}.get(layer, 6)
    steps = {
        step: round(chance.lognormvariate(-4, 0.5) * factor, 6)
        for step, factor in (("dns", 0.3), ("tcp", 1.0), ("tls", 2.0), ("http", 3.0), ("api", 20.0))[:reached]
    }
    manifest = {
        "schema": MANIFEST_SCHEMA,
        "run": name,
        "id": f"{number:08x}",
        "kind": "run",
        "state": "whole",
        "practice": None,
        "started_at": began.isoformat(timespec="seconds"),
        "finished_at": (began + timedelta(seconds=7)).isoformat(timespec="seconds"),
        "tool_version": "0.1.0",
        "host": host,
        "notebooks": [{"name": one, "state": "ok", "seconds": 2.1, "cells": {"ok": 9}, "problem": ""} for one in names],
        "interrupted": False,
        "route": "direct",
        "base_url": "https://api.openai.com/v1",
        "model": "gpt-4o-mini",
        "steps": steps,
        "verdict": {
            "owner": owner,
            "layer": layer,
            "cause": cause,
            "certainty": "proven",
            "pattern": "intermittent" if failed else "steady",
            "failed": failed,
            "tried": tried,
            "rules_version": "2026.11.25",
        },
        "files": {"evidence.json": hashlib.sha256(evidence).hexdigest()},
        "signed_by": None,
        "sequence": number,
        "previous": previous,
    }
    text = (json.dumps(manifest, indent=2) + "\n").encode()
    (folder / MANIFEST).write_bytes(text)
    return name, text
