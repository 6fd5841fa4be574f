"""`python -m tests.crond [--fault ID] [--turns N]`: the line that `oairunbook schedule` prints, run by a real cron(8) while a fault comes and goes.

cron runs in mount and process namespaces of its own, where it finds this crontab and no other; what it would mail is kept. The path is the practice
lab: healthy for a few turns, then broken, then mended. Printed is what the job left: log, metrics as promtool reads them, mails, records. Needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oairunbook.record.archive import MANIFEST, check
from oairunbook.record.archive.folders import run_folders

PROGRAMS = ("cron", "unshare", "promtool")
_ENOUGH_SECONDS = 900
"""For the turns of one state of the path; cron begins one a minute."""

_CRON = """\
set -e
mount --make-rprivate /
for folder in /etc/cron.d /var/spool/cron /run; do mkdir -p "$folder"; mount -t tmpfs none "$folder"; done
mkdir -p /var/spool/cron/crontabs
mount --bind "$1/crontab" /etc/crontab
cp "$1/oairunbook" /etc/cron.d/oairunbook
mkdir "$1/sbin"
mount -t tmpfs none "$1/sbin"
mkdir "$1/sbin/upper" "$1/sbin/work"
printf '#!/bin/sh\\nexec cat > "$(mktemp %s/mail/XXXXXX)"\\n' "$1" > "$1/sbin/upper/sendmail"
chmod +x "$1/sbin/upper/sendmail"
mount -t overlay -o "lowerdir=/usr/sbin,upperdir=$1/sbin/upper,workdir=$1/sbin/work" none /usr/sbin
exec cron -f
"""


@contextmanager
def practice_lab(fault: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The lab in a process of its own; its variables are in `lab.json`."""
    command = [sys.executable, "-P", "-m", "oairunbook.cli", "lab", fault, "--json", str(folder / "lab.json")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(lambda: (folder / "lab.json").exists(), 120)
            yield process
        finally:
            process.terminate()


@contextmanager
def cron(folder: Path) -> Iterator[None]:
    """cron(8) with this folder's crontab; it ends with all that it has begun."""
    (folder / "crontab").write_text("# nothing\n")
    (folder / "mail").mkdir()
    command = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-c",
        _CRON,
        "sh",
        str(folder),
    ]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            # unshare(1) waits for its child whatever it is told, and takes it along when it is killed.
            process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crond", description=__doc__)
    parser.add_argument("--fault", default="tls.expired")
    parser.add_argument("--turns", type=int, default=2, help="turns of each state of the path")
    given = parser.parse_args()
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if os.geteuid() or missing:
        print(f"This needs root{''.join(f', {program}' for program in missing)}.")
        return 2
    with tempfile.TemporaryDirectory(prefix="oairunbook-crond-") as name:
        folder = Path(name)
        with practice_lab(given.fault, folder) as lab:
            lab.send_signal(signal.SIGUSR1)
            _write_line(folder)
            with cron(folder):
                for what in ("healthy", "broken", "mended"):
                    if what != "healthy":
                        lab.send_signal(signal.SIGUSR1)
                        print(f"-- the path is {what}", flush=True)
                    _turns(folder, given.turns)
        return _told(folder, given.fault)


def _write_line(folder: Path) -> None:
    document = json.loads((folder / "lab.json").read_bytes())
    variables = {name: value for name, value in document["environment"].items() if value is not None}
    (folder / "environment").write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items()))
    program = Path(sys.executable).with_name("oairunbook")
    options = ["--every", "1m", "--user", "root", "--env-file", str(folder / "environment"), "--program", str(program)]
    options += [
        "--archive",
        str(folder / "archive"),
        "--prom",
        str(folder / "oairunbook.prom"),
        "--model",
        document["model"],
    ]
    command = [sys.executable, "-P", "-m", "oairunbook.cli", "schedule", "--for", "cron", *options]
    line = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(line, flush=True)
    (folder / "oairunbook").write_text(line)


def _turns(folder: Path, turns: int) -> None:
    """Wait until so many turns more have ended, and read the metrics after each."""
    log = folder / "archive" / "cron.log"
    for _ in range(turns):
        before = len(_lines(log))
        _wait_for(lambda before=before: len(_lines(log)) > before, _ENOUGH_SECONDS)
        print(_lines(log)[-1], flush=True)
        # Written behind the line of the log.
        _wait_for(lambda: (folder / "oairunbook.prom").exists(), 60)
        metrics = (folder / "oairunbook.prom").read_bytes()
        checked = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True)
        (folder / "promtool").open("a").write(f"{checked.returncode}{checked.stderr.decode()}\n")


def _told(folder: Path, fault: str) -> int:
    archive = folder / "archive"
    chain = check(archive)
    print(
        f"-- records: {chain.runs} in the chain, {'intact' if chain.intact else chain.problems}, unfinished {chain.unfinished}"
    )
    causes = []
    for run in sorted(run_folders(archive)):
        if (archive / run / MANIFEST).exists():
            about = json.loads((archive / run / MANIFEST).read_bytes())
            causes.append((about.get("verdict") or {}).get("cause"))
            print(
                f"   {run}  {about['state']}, {causes[-1]}, notebooks {[one['state'] for one in about.get('notebooks', ())]}"
            )
    mails = [path.read_text() for path in sorted((folder / "mail").iterdir(), key=lambda path: path.stat().st_mtime)]
    print(f"-- {len(mails)} mails")
    for mail in mails:
        print("\n".join(f"   {line}" for line in mail.splitlines() if line.strip())[:1500])
    promtool = (folder / "promtool").read_text().split()
    print(f"-- promtool after each turn: {' '.join(promtool)}")
    print("\n".join(f"   {line}" for line in _lines(folder / "oairunbook.prom") if not line.startswith("#")))
    wrong = [
        *(["the chain is not intact"] * (not chain.intact)),
        *([f"archived were {causes}"] * (causes != ["ok", fault, "ok"])),
        *(["two mails should tell of a change"] * (sum("the verdict has changed" in mail for mail in mails) != 2)),
        *(["promtool has something to say"] * (set(promtool) != {"0"})),
    ]
    print("\n".join(f"WRONG: {line}" for line in wrong) or "all as it should be")
    return int(bool(wrong))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _wait_for(condition: object, seconds: float) -> None:
    last = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > last:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
