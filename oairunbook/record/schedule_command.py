"""`oairunbook schedule`: ready lines and units for unattended runs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from oairunbook.collector.assigned import holds_secret
from oairunbook.collector.options import Where
from oairunbook.output import examples, say
from oairunbook.redaction import without_credentials

_UNITS = {"m": 1, "h": 60, "d": 24 * 60}


@click.command(
    epilog=examples(
        "oairunbook schedule --for cron --user app --env-file /etc/app/environment > /etc/cron.d/oairunbook",
        "oairunbook schedule --for systemd --every 1h --write /etc/systemd/system",
        "oairunbook schedule --for cron --via 'kubectl exec -i deploy/api -- python3 -' > /etc/cron.d/oairunbook",
        "oairunbook schedule --for kubernetes --env-file app-environment --image registry.example.com/app:1.2 | kubectl apply -f -",
    )
)
@click.option(
    "--for", "where", type=click.Choice(["cron", "systemd", "kubernetes"]), required=True, help="What is to call it."
)
@click.option(
    "--every",
    default="15m",
    show_default=True,
    metavar="TIME",
    help="5m, 15m, 1h, 6h, 1d …: it must divide an hour or a day.",
)
@click.option("--user", default="", help="Whom the service runs as.  [default: app; root with --like-unit]")
@click.option(
    "--env-file",
    metavar="FILE",
    default="",
    help="Variables of the service, NAME=value a line as systemd reads it; for Kubernetes the name of its Secret.  "
    "[default: /etc/app/environment; app-environment; none with --via and --like-unit, as the variables are those there]",
)
@click.option("--via", metavar="COMMAND", help="Watch from where this command leads, as run --via does.")
@click.option("--python", metavar="PATH", help="Watch from this interpreter, as run --python does.")
@click.option("--node", metavar="PATH", help="Watch from this Node.js, as run --node does.")
@click.option("--project", metavar="DIR", help="With --node or --via: folder of the Node.js application, there.")
@click.option(
    "--like-unit", metavar="NAME", help="Watch from the place of this systemd service, as run --like-unit does."
)
@click.option("--send-env", metavar="NAME", multiple=True, help="With --via: set this variable there as it is here.")
@click.option(
    "--archive",
    default="/var/lib/oairunbook",
    show_default=True,
    metavar="DIR|s3://…",
    help="Where the records are kept.",
)
@click.option("--prom", "metrics", metavar="FILE", help="Metrics for Prometheus' textfile collector.")
@click.option("--sign-key", metavar="FILE", help="Ed25519 key that signs the records, there; never the key itself.")
@click.option("--base-url", metavar="URL", help="Base URL, if the service's variables do not name it.")
@click.option("--model", metavar="NAME", help="Model, on Azure the deployment.")
@click.option("--image", metavar="IMAGE", help="Kubernetes: the application's image with oairunbook in it.")
@click.option(
    "--program",
    metavar="PATH",
    default="",
    help="Path of oairunbook there.  [default: this one; in a container its name]",
)
@click.option(
    "--write",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the files there instead of printing them.",
)
def schedule(
    where: str,
    every: str,
    user: str,
    env_file: str,
    archive: str,
    metrics: str | None,
    sign_key: str | None,
    base_url: str | None,
    model: str | None,
    image: str | None,
    via: str | None,
    python: str | None,
    node: str | None,
    project: str | None,
    like_unit: str | None,
    send_env: tuple[str, ...],
    program: str,
    folder: Path | None,
) -> None:
    """Print a unit that runs the runbook unattended.

    On the host of the service, as its user, with its variables: a test from anywhere else tests another path. A host that reaches the
    service by a command may watch it from there with --via. Look at `oairunbook run --help` for what --cron does. No key stands in what is
    printed; it comes from the environment file or the Secret, or stays where --via leads.
    """
    from oairunbook.record import schedule as schedules

    minutes = _minutes(every)
    if base_url and without_credentials(base_url) != base_url:
        raise click.UsageError(
            "--base-url holds a password, a query or a fragment, and what is printed is no place for secrets. "
            "Next: put OPENAI_BASE_URL into the environment file or the Secret"
        )
    _refuse_secrets(
        {
            "--via": via,
            "--archive": archive,
            "--model": model,
            "--prom": metrics,
            "--python": python,
            "--node": node,
            "--project": project,
            "--image": image,
            "--program": program,
            "--env-file": env_file,
        }
    )
    place = Where(
        via=via, python=python, node=node, project=project, like_pid=None, like_unit=like_unit, sends=send_env
    )
    place.check()
    if where == "kubernetes" and (via or like_unit):
        raise click.UsageError(
            "--for kubernetes runs in the application's own image, and looks from there: leave out --via and --like-unit"
        )
    options = [
        text
        for name, value in (("--prom", metrics), ("--sign-key", sign_key), ("--base-url", base_url), ("--model", model))
        if value
        for text in (name, value)
    ]
    options += place.words
    variables = "app-environment" if where == "kubernetes" else "/etc/app/environment"
    plan = schedules.Plan(
        program=program
        or (
            "oairunbook"
            if where == "kubernetes"
            else shutil.which("oairunbook") or f"{Path(sys.executable).parent}/oairunbook"
        ),
        options=tuple(options),
        archive=archive,
        minutes=minutes,
        user=user or ("root" if like_unit else "app"),
        environment_file=env_file or ("" if via or like_unit else variables),
        **({"image": image} if image else {}),
    )
    try:
        schedules.check_account(plan.user)
        schedules.check_words((plan.program, plan.user, plan.environment_file, plan.image, *plan.arguments))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if where == "cron":
        files = {"oairunbook": schedules.crontab(plan)}
    elif where == "systemd":
        files = schedules.systemd(plan)
    else:
        files = {"oairunbook.yaml": schedules.kubernetes(plan)}
    if folder is None:
        say(schedules.joined(files) if len(files) > 1 else next(iter(files.values())))
        return
    for name, text in files.items():
        try:
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise click.UsageError(f"{folder / name} is there already, and nothing is overwritten") from None
        except OSError as error:
            raise click.UsageError(f"{folder / name} cannot be written: {error.strerror}") from error
        click.echo(f"{folder / name}", err=True)


def _refuse_secrets(given: Mapping[str, str | None]) -> None:
    for name, text in given.items():
        if text and holds_secret(text, os.environ):
            # The text itself is not said again.
            raise click.UsageError(
                f"{name} holds a secret, and what is printed is no place for secrets. Next: put it into the environment file or the Secret; "
                "what --via sets there, --send-env NAME takes from that file"
            )


def _minutes(text: str) -> int:
    from oairunbook.record.schedule import valid_minutes

    number, unit = text[:-1], text[-1:]
    minutes = int(number) * _UNITS[unit] if number.isdecimal() and unit in _UNITS else 0
    if not valid_minutes(minutes):
        raise click.UsageError(
            f"--every {text}: a time that divides an hour or a day, for example 5m, 15m, 1h, 6h or 1d"
        )
    return minutes
