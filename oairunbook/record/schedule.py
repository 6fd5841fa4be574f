"""Ready units for `oairunbook run --cron`: a line for /etc/cron.d, a systemd service with its timer, a Kubernetes CronJob."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence

from oairunbook.record.archive.mirror import SPOOL_VARIABLE, is_url
from oairunbook.records import dataclass

_SPOOL = "/var/lib/oairunbook"
HOUR_MINUTES, DAY_MINUTES = 60, 24 * 60
_MOST_SECONDS = 420
"""After that a turn is ended from outside: beyond its own limit, its jitter and what it takes to write the record."""

_STATE = "/var/lib/"
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be called, as whom, and how often."""

    program: str
    """Path of `oairunbook` on the target host, inside the container of the CronJob its name there."""

    options: tuple[str, ...]
    """Of `oairunbook run --cron`."""

    archive: str
    minutes: int
    """Between two turns: a divisor of an hour, or whole hours that divide a day."""

    user: str
    environment_file: str
    """Variables of the service that this stands for, NAME=value a line; for Kubernetes the name of its Secret. Empty for none: where it looks
    from another place, they are there."""

    image: str = "registry.example.com/app:current"

    @property
    def arguments(self) -> tuple[str, ...]:
        """The call without the program; the start is spread over a minute, or less if it is called more often."""
        return ("run", "--cron", "--archive", self.archive, "--jitter", str(min(60, 15 * self.minutes)), *self.options)


def valid_minutes(minutes: int) -> bool:
    """Whether cron(8) can say it in one line without a gap at the end of an hour or a day."""
    if minutes < HOUR_MINUTES:
        return minutes > 0 and HOUR_MINUTES % minutes == 0
    return minutes % HOUR_MINUTES == 0 and DAY_MINUTES % minutes == 0


def crontab(plan: Plan) -> str:
    """A file for /etc/cron.d (crontab(5)): the environment of the service, then the call. cron mails what is printed."""
    # Not by the shell: what it makes of `&`, `$` and blanks in a value, the service never sees.
    variables = ("--env-file", plan.environment_file) if plan.environment_file else ()
    command = f"exec {shlex.join((plan.program, *plan.arguments, *variables))}"
    # cron(8) takes an unescaped percent sign for the end of the command.
    escaped = command.replace("%", r"\%")
    return (
        "# /etc/cron.d/oairunbook: mail comes when the verdict changes, or the tool itself fails.\n"
        f"# Once, as root: install -d -m 0700 -o {shlex.quote(plan.user)} {shlex.quote(plan.archive)}\n"
        "SHELL=/bin/sh\n"
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        f"{_cron_time(plan.minutes)} {plan.user} {escaped}\n"
    )


def systemd(plan: Plan) -> dict[str, str]:
    """`oairunbook.service` and `oairunbook.timer` (systemd.service(5), systemd.timer(5)), by file name."""
    call = " ".join(_systemd_word(word) for word in (plan.program, *plan.arguments))
    variables = f"EnvironmentFile={plan.environment_file}\n" if plan.environment_file else ""
    service = (
        "[Unit]\n"
        "Description=Test of the path to the API, from this host\n"
        "Wants=network-online.target\n"
        "After=network-online.target\n"
        "\n"
        "[Service]\n"
        "Type=oneshot\n"
        f"User={plan.user}\n"
        f"{variables}"
        f"{_state_folder(plan)}ExecStart={call}\n"
        f"TimeoutStartSec={_MOST_SECONDS}\n"
        "# Nothing that changes the path: the same network, resolver and certificates as the service has.\n"
        "NoNewPrivileges=yes\n"
        "PrivateTmp=yes\n"
        "UMask=0077\n"
    )
    timer = (
        "[Unit]\n"
        "Description=Tests of the path to the API\n"
        "\n"
        "[Timer]\n"
        f"OnCalendar={_calendar(plan.minutes)}\n"
        "Persistent=yes\n"
        "\n"
        "[Install]\n"
        "WantedBy=timers.target\n"
    )
    return {"oairunbook.service": service, "oairunbook.timer": timer}


def kubernetes(plan: Plan) -> str:
    """A CronJob (batch/v1) in the application's own image, so that egress, resolver and certificates are the application's."""
    # A variable that is named as $(NAME) would be put into the words, a secret as well.
    command = json.dumps([word.replace("$", "$$") for word in (plan.program, *plan.arguments)])
    kept, spool = plan.archive, ""
    if is_url(plan.archive):
        # What waits to be put outlives the pod on the same volume.
        kept = _SPOOL
        spool = f"""
              env:
                - name: {SPOOL_VARIABLE}
                  value: {json.dumps(_SPOOL)}"""
    return f"""\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: oairunbook
spec:
  schedule: "{_cron_time(plan.minutes)}"
  # A turn that is late tells nothing, and two at once tell less.
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: {60 * plan.minutes // 2}
  jobTemplate:
    spec:
      # Status 1 is a fault that was named: doing it again at once would not change that.
      backoffLimit: 0
      activeDeadlineSeconds: {_MOST_SECONDS}
      template:
        spec:
          restartPolicy: Never
          automountServiceAccountToken: false
          containers:
            - name: oairunbook
              # The application's image with oairunbook in it; give the pod the application's labels, so that its network policies apply.
              image: {json.dumps(plan.image)}
              command: {command}
              envFrom:
                - secretRef:
                    name: {json.dumps(plan.environment_file)}{spool}
              volumeMounts:
                - name: archive
                  mountPath: {json.dumps(kept)}
              securityContext:
                allowPrivilegeEscalation: false
                capabilities:
                  drop: ["ALL"]
          volumes:
            - name: archive
              persistentVolumeClaim:
                claimName: oairunbook-archive
"""


def _state_folder(plan: Plan) -> str:
    """The service manager makes a folder below /var/lib for the user of the service (StateDirectory=, systemd.exec(5)); any other is there already."""
    if plan.archive.startswith(_STATE) and _plain(plan.archive.removeprefix(_STATE).replace("%", "%%")):
        name = plan.archive.removeprefix(_STATE).replace("%", "%%")
        return f"StateDirectory={name}\nStateDirectoryMode=0700\n"
    return f"# {plan.archive} must be there and belong to {plan.user}.\n"


def _cron_time(minutes: int) -> str:
    if minutes < HOUR_MINUTES:
        return f"*/{minutes} * * * *"
    return "0 0 * * *" if minutes == DAY_MINUTES else f"0 */{minutes // HOUR_MINUTES} * * *"


def _calendar(minutes: int) -> str:
    if minutes < HOUR_MINUTES:
        return f"*:0/{minutes}"
    return "daily" if minutes == DAY_MINUTES else f"0/{minutes // HOUR_MINUTES}:00"


def _systemd_word(word: str) -> str:
    """One word of an ExecStart line: quoted, and `%` and `$` taken literally (systemd.service(5), Command lines)."""
    literal = word.replace("%", "%%").replace("$", "$$")
    return literal if _plain(literal) else json.dumps(literal, ensure_ascii=False)


def _plain(word: str) -> bool:
    return bool(word) and not set(word) & set(" \t\"'\\;")


def joined(files: dict[str, str]) -> str:
    """Several files one under the other, each under its name."""
    return "\n".join(f"# {name}\n{text}" for name, text in files.items())


def check_account(user: str) -> None:
    """Raise ValueError for what is no name of an account: a blank in it would begin the command of a crontab's line."""
    if not _ACCOUNT.fullmatch(user):
        raise ValueError(f"--user {user!r} is no name of an account")


def check_words(words: Sequence[str]) -> None:
    """Raise ValueError for a word that no unit file can hold: a line break would begin another setting."""
    for word in words:
        if any(ord(c) < 32 for c in word):
            raise ValueError(f"{word!r} holds a control character, and a unit is written in lines")
