"""`oairunbook lab`: the practice lab in the foreground."""

from __future__ import annotations

import os
import shlex
import signal
from typing import TYPE_CHECKING, Any

import click

from oairunbook.lab.faults import FAULTS, Fault
from oairunbook.output import examples, json_option, write_json

if TYPE_CHECKING:
    from oairunbook.lab.running import Lab

_ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_TOGGLE = signal.SIGUSR1


@click.command(
    epilog=examples("oairunbook lab --list", "oairunbook lab tls.untrusted_issuer", "oairunbook run --lab tcp.refused")
)
@click.argument("fault", default="ok")
@click.option("--list", "only_list", is_flag=True, help="Print the faults and end.")
@json_option("environment and endpoints")
def lab(fault: str, only_list: bool, json_file: str | None) -> None:
    """Practise on loopback, with a fault of your choice.

    Starts a real but harmless path: API, status page, proxy and name server, with one FAULT (`--list` prints them). Standard
    output gets shell lines; set them in another terminal, and every command and notebook of oairunbook that starts there meets the
    fault. Another program does not: it cannot resolve the lab's names. Without FAULT every part of the path works. SIGUSR1 mends the fault on
    the same ports, and the next one breaks it again, to rehearse the proof of a fix. Runs until Ctrl-C or SIGTERM, which end it with
    status 0. No root, no internet, and whatever is recorded against it says that it was practice.
    """
    from oairunbook.lab.running import Lab, find

    if only_list:
        if json_file:
            write_json([_summary(known) for known in FAULTS], json_file)
        if json_file != "-":
            click.echo(fault_table(), nl=False)
        return
    try:
        chosen = find(fault)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    # Blocked before the first thread exists: every thread inherits it, and the signal waits for sigwait.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_ENDING, _TOGGLE})
    try:
        with Lab(chosen) as running:
            if json_file:
                write_json(_document(running), json_file)
            if json_file != "-":
                click.echo(shell_lines(running.environment), nl=False)
            click.echo(_talk(running), err=True, nl=False)
            _until_the_end(running)
        click.echo("The practice lab has ended; nothing of it is left.", err=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _until_the_end(running: Lab) -> None:
    is_broken = True
    while signal.sigwait({*_ENDING, _TOGGLE}) == _TOGGLE:
        if running.fault.is_the_callers:
            click.echo("This fault is in the settings of whoever calls; nothing on the path was changed.", err=True)
            continue
        if is_broken:
            running.mend()
        else:
            running.break_again()
        is_broken = not is_broken
        click.echo(f"Fault {running.fault.id} is {'back' if is_broken else 'mended'}.", err=True)


def fault_table() -> str:
    """The faults for people: id, what breaks, and the verdict that a diagnosis should reach."""
    width = max(len(fault.id) for fault in FAULTS)
    told = max(len(fault.summary) for fault in FAULTS)
    lines = [f"{'FAULT':<{width}}  {'WHAT BREAKS':<{told}}  EXPECTED OWNER"]
    lines += [f"{fault.id:<{width}}  {fault.summary:<{told}}  {fault.owner}" for fault in FAULTS]
    return "\n".join(lines) + "\n"


def shell_lines(environment: dict[str, str | None]) -> str:
    """Lines for a POSIX shell; `eval` of them leads oairunbook to the lab."""
    unset = [name for name, value in environment.items() if value is None]
    lines = ["# oairunbook practice lab", f"unset {' '.join(unset)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in environment.items() if value is not None]
    return "\n".join(lines) + "\n"


def _check_command(running: Lab) -> str:
    return shlex.join(("oairunbook", "check", "--model", running.model, *running.fault.arguments))


def _talk(running: Lab) -> str:
    fault = running.fault
    places = ", ".join(f"{name} {address}" for name, address in running.endpoints.items())
    return (
        f"PRACTICE LAB, fault {fault.id}: {fault.summary}.\n"
        f"It listens here: {places}.\n"
        "In another terminal, set the lines that stand on standard output, then run for example:\n"
        f"  {_check_command(running)}\n"
        f"The verdict should be: {fault.cause}, owner {fault.owner}.\n"
        "Notebooks find it as well, in a JupyterLab that was started in that terminal. An application does not, with these lines alone:\n"
        "only oairunbook can resolve the lab's names.\n"
        f"{_how_to_mend(running)}"
        "Ctrl-C ends the lab.\n"
    )


def _how_to_mend(running: Lab) -> str:
    if running.fault.cause == "ok":
        return ""
    if running.fault.is_the_callers:
        return "To mend it, set what is wrong in that terminal.\n"
    return f"To mend it, and break it again: kill -USR1 {os.getpid()}. Once it is mended, oairunbook verify can prove the fix.\n"


def _summary(fault: Fault) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in ("id", "summary", "cause", "owner", "route", "arguments")}


def _document(running: Lab) -> dict[str, Any]:
    return {
        "practice": "oairunbook practice lab",
        "fault": _summary(running.fault),
        "base_url": running.base_url,
        "model": running.model,
        "environment": running.environment,
        "endpoints": running.endpoints,
        "check": _check_command(running),
    }
