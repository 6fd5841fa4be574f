"""`python -m tests.benchmarks.bucket [--runs 5000]`: requests, seconds and memory of an archive on object storage, which a real Ceph on loopback is."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from oairunbook.record.archive.bucket import Bucket
from oairunbook.record.archive.chain import CHAIN, MANIFEST
from oairunbook.record.archive.mirror import SPOOL_VARIABLE
from oairunbook.record.archive.objects import MARKER, Told, place
from tests.benchmarks.generated import generate
from tests.benchmarks.measuring import PROGRAM, as_installed, cost
from tests.ceph import Ceph, ceph
from tests.s3 import Storage, server

URL = "s3://records/team/prod"
_AT_ONCE = 500
COMMANDS = (
    ("archive", "list"),
    ("archive", "list"),
    ("archive", "verify"),
    ("archive", "verify", "--quick"),
    ("archive", "show", "latest"),
    ("run", "01_response_evidence", "-p", "status", "401", "-q"),
    ("run", "09_audit", "-q"),
)


def _objects(archive: Path) -> Iterator[tuple[str, bytes]]:
    """What a folder's archive is on object storage."""
    yield MARKER, b'{"schema": "oairunbook.archive/1"}\n'
    for number, line in enumerate((archive / CHAIN).read_bytes().splitlines(), 1):
        run = archive / json.loads(line)["run"]
        yield place(number), Told(line, (run / MANIFEST).read_bytes(), None).to_json()
        yield from (
            (f"{run.relative_to(archive)}/{file.name}", file.read_bytes())
            for file in run.iterdir()
            if file.name != MANIFEST
        )


def _fill(storage: Ceph, folder: Path, runs: int) -> None:
    folder.mkdir()
    generate(folder, runs)
    with server(storage) as front:
        Storage(front, "records")
    objects = _objects(folder)
    with Bucket(URL) as bucket:
        while some := dict(islice(objects, _AT_ONCE)):
            bucket.put_many(some)


def _requests(storage: Ceph) -> int:
    """That radosgw has answered since it was started, by its own log."""
    return (storage.settings.parent / "client.admin.log").read_bytes().count(b"beast: ")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bucket", description=__doc__)
    parser.add_argument("--runs", type=int, default=5000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, as_installed():
        folder = Path(name)
        (folder / "ceph").mkdir()
        with ceph(folder / "ceph") as storage:
            os.environ |= {
                "AWS_ENDPOINT_URL": storage.url,
                "AWS_ACCESS_KEY_ID": storage.key,
                "AWS_SECRET_ACCESS_KEY": storage.secret,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_EC2_METADATA_DISABLED": "true",
                SPOOL_VARIABLE: str(folder / "spool"),
            }
            _fill(storage, folder / "archive", given.runs)
            print(f"{given.runs} runs; load {os.getloadavg()[0]:.1f}")
            for command in COMMANDS:
                before = _requests(storage)
                took = cost(*PROGRAM, *command, "--archive", URL)
                print(
                    f"{' '.join(command):<46} {took.seconds:7.2f} s  processor {took.cpu_seconds:6.2f} s  "
                    f"{took.megabytes:4.0f} MB  {_requests(storage) - before:6d} requests  status {took.status}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
