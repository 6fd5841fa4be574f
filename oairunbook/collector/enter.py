"""Takes the place of a running process, then becomes a Python there. Run as a program of its own, by path; it imports nothing of this package.

Standard input: ten digits, the length of a JSON document, that document (`Plan` in `process`), and then what the Python there is to read.
Nothing is taken from arguments, where other users could read it. Sources: setns(2), namespaces(7), credentials(7), proc(5).
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

CANNOT_ENTER = 125
"""Exit status if the place cannot be taken; standard error says why. No Python was started there."""

LENGTH_DIGITS = 10

_PR_SET_PDEATHSIG = 1
_WORDS = {"mnt": "mount", "net": "network", "pid": "process", "uts": "host name"}


def start_ticks(pid: int) -> int:
    """When the process began, in clock ticks since boot: with its number it names one process for good (proc(5), stat, field 22)."""
    # The second field is the program's name, in which anything may stand, also a bracket.
    return int(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])


def main() -> NoReturn:
    """Read the plan, take the place, start the Python."""
    plan = json.loads(_read(int(_read(LENGTH_DIGITS))))
    pid = int(plan["pid"])
    libc = ctypes.CDLL(None, use_errno=True)
    doors, root, folder, program = _open(pid, plan)
    for kind, door in doors:
        if libc.setns(door, 0) != 0:
            _refuse(f"its {_WORDS[kind]} namespace may not be entered", ctypes.get_errno())
    try:
        os.fchdir(root)
        if plan["change_root"]:
            os.chroot(".")
        os.fchdir(folder)
    except OSError as error:
        _refuse("its root and working folder may not be taken", error.errno)
    for name, limits in plan["limits"].items():
        try:
            resource.setrlimit(getattr(resource, name), tuple(limits))
        except (OSError, ValueError) as error:
            _refuse(f"its limit {name} may not be taken", getattr(error, "errno", None))
    try:
        if plan["groups"] is not None:
            os.setgroups(plan["groups"])
        if plan["gids"] != list(os.getresgid()):
            os.setresgid(*plan["gids"])
        if plan["uids"] != list(os.getresuid()):
            os.setresuid(*plan["uids"])
    except OSError as error:
        _refuse("its user may not be taken", error.errno)
    python = _interpreter(plan, program)
    if any(kind == "pid" for kind, _ in doors):
        # Only what is started from now on is in that namespace.
        _stand_before(libc)
    try:
        os.execve(python, [python, "-"], plan["environment"])  # noqa: S606 - to become the Python there is what this is for
    except OSError as error:
        _refuse(f"its user may not start {python}", error.errno)


def _open(pid: int, plan: dict[str, Any]) -> tuple[list[tuple[str, int]], int, int, os.stat_result]:
    """Its namespaces, root, working folder and program, while /proc is still the one in which it has this number."""
    place = f"/proc/{pid}"
    try:
        doors = [(kind, os.open(f"{place}/ns/{kind}", os.O_RDONLY)) for kind in plan["namespaces"]]
        root = os.open(f"{place}/root", os.O_PATH | os.O_DIRECTORY)
        folder = os.open(f"{place}/cwd", os.O_PATH | os.O_DIRECTORY)
        program = Path(place, "exe").stat()
        began = start_ticks(pid)
    except PermissionError as error:
        _refuse("it may not be looked at", error.errno)
    except (OSError, ValueError, IndexError):
        _refuse("it has ended")
    if began != plan["start_ticks"]:
        _refuse("it has ended, and another process has its number")
    return doors, root, folder, program


def _interpreter(plan: dict[str, Any], program: os.stat_result) -> str:
    """The path there of the interpreter that was named, else of the first candidate that is the program which the process runs."""
    named, search = plan["python"], plan["environment"].get("PATH", os.defpath)
    found = (shutil.which(candidate, path=search) for candidate in ([named] if named else plan["candidates"]))
    python: str | None = next((path for path in found if path and (named or _is(path, program))), None)
    if python is None:
        _refuse(
            f"there is no program {named} that it may start"
            if named
            else f"the Python that it runs is not at {' or '.join(plan['candidates'])} any more. "
            "Next: name one of its place with --python"
        )
    return python


def _is(path: str, program: os.stat_result) -> bool:
    try:
        return os.path.samestat(Path(path).stat(), program)
    except OSError:
        return False


def _stand_before(libc: Any) -> None:
    """Go on as a child, which ends when this process does; this one waits, hands signals on, and ends as the child ends."""
    try:
        child = os.fork()
    except OSError as error:
        _refuse("no further process may be started there", error.errno)
    if child == 0:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda asked, _: os.kill(child, asked))
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(ended if ended >= 0 else 128 - ended)


def _read(length: int) -> bytes:
    """So many bytes of standard input, and no more: the rest is for the Python there."""
    data = b""
    while len(data) < length:
        part = os.read(0, length - len(data))
        if not part:
            _refuse("the plan did not arrive")
        data += part
    return data


def _refuse(why: str, number: int | None = None) -> NoReturn:
    text = f"{why}: {os.strerror(number)}" if number else why
    if number in (errno.EPERM, errno.EACCES):
        text += ". Next: run this as root"
    sys.stderr.write(text + "\n")
    raise SystemExit(CANNOT_ENTER)


if __name__ == "__main__":
    main()
