"""The place of a systemd service: of its main process while it runs; else one that the service manager makes anew from the unit's settings.

Sources: systemctl(1), show; systemd-run(1); systemd.exec(5), Environment=, EnvironmentFile=, UnsetEnvironment=.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from oairunbook.collector import enter
from oairunbook.collector.carrier import NowhereError
from oairunbook.collector.place import Place
from oairunbook.collector.process import PYTHON_NAME, by_process
from oairunbook.evidence import Collector

_BOOTED = Path("/run/systemd/system")
"""Is there where systemd is the service manager (sd_booted(3))."""

_ASK_SECONDS = 20.0
_MOST_ALIVE_SECONDS = 3600
"""After that the service manager ends what was started, whatever became of it."""

_ASKED = ("Id", "LoadState", "ActiveState", "MainPID", "Triggers", "ExecStart", "Environment", "EnvironmentFiles")

_TAKEN = (
    *("User", "Group", "DynamicUser", "SupplementaryGroups", "WorkingDirectory", "UMask", "Slice"),
    *("PassEnvironment", "UnsetEnvironment"),
    *("PrivateNetwork", "NetworkNamespacePath", "JoinsNamespaceOf", "IPAddressAllow", "IPAddressDeny"),
    *("RestrictAddressFamilies", "RestrictNetworkInterfaces", "SocketBindAllow", "SocketBindDeny"),
    *("RootDirectory", "RootImage", "PrivateTmp", "PrivateDevices", "PrivateUsers", "PrivateMounts", "PrivateIPC"),
    *("ProtectSystem", "ProtectHome", "ProtectHostname", "ProtectProc", "ProcSubset", "ProtectControlGroups"),
    *("ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectClock"),
    *("ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths", "TemporaryFileSystem"),
    *("BindPaths", "BindReadOnlyPaths"),
    *("CapabilityBoundingSet", "AmbientCapabilities", "NoNewPrivileges", "MemoryDenyWriteExecute", "LockPersonality"),
    *("RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "SystemCallFilter", "SystemCallArchitectures"),
    *("MemoryHigh", "MemoryMax", "TasksMax"),
)
"""What decides who it is, what it sees and what it may. `systemctl show` writes them as `systemd-run -p` reads them."""

_LIMITS = ("NOFILE", "NPROC", "AS", "DATA", "STACK", "MEMLOCK")
_FOLDERS = ("RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory")
"""Never taken: a runtime folder goes when its unit ends, also from under the service whose folder it is."""

_NOTHING = ("", "no", "~", "infinity", "[not set]", "[unprintable]", "18446744073709551615")
_SHOWN_EMPTY = {"CapabilityBoundingSet": "", "RestrictAddressFamilies": "none"}
"""Settings whose empty value forbids everything, and how `systemd-run -p` wants to hear it."""

_OF_THE_MANAGER = ("PATH", "LANG", "HOME", "USER", "LOGNAME", "SHELL")
"""What it sets by itself and a unit's `Environment=` overrules. No secrets, and so they may be arguments; all others come on standard input."""

_START = (
    "import json,os,sys\n"
    "def read(n):\n"
    " d=b''\n"
    " while len(d)<n:\n"
    "  p=os.read(0,n-len(d))\n"
    f"  if not p: sys.exit({enter.CANNOT_ENTER})\n"
    "  d+=p\n"
    " return d\n"
    f"e=json.loads(read(int(read({enter.LENGTH_DIGITS}))).decode())\n"
    # What EnvironmentFile= says overrules Environment=, and it is in this process's environment by now.
    "e.update(os.environ)\n"
    "os.execvpe(sys.argv[1],[sys.argv[1],'-'],e)\n"
)
"""Runs there first, in any Python: takes the variables from standard input, and becomes the Python that is wanted."""

_PROGRAM = re.compile(r"\{ path=(.*?) ; argv\[\]=")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)')
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{3}|.)", re.DOTALL)
_CONTROL: Mapping[str, str] = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "s": " "}


def by_unit(name: str, python: str = "") -> Place:
    """The place of a systemd service; a timer, socket or path stands for the service that it starts.

    Args:
        name: As systemctl(1) takes it; without a suffix it is a service.
        python: Another interpreter to start there, by its path there; empty for the one that the service runs.

    Raises:
        NowhereError: systemd does not run here, there is no such service, it may not be looked at, or it runs no Python and none is named.
    """
    shown = _show(name)
    triggered = _one(shown, "Triggers").split()
    if triggered:
        shown = _show(triggered[0])
    loaded = _one(shown, "LoadState")
    if loaded != "loaded" or "MainPID" not in shown:
        why = "there is no such unit" if loaded == "not-found" else f"it is {loaded}" * (loaded != "loaded")
        raise NowhereError(
            f"--like-unit {name}: {why or 'it is no service'}. Nothing was started.\n"
            "Next: name a service as systemctl list-units --all --type=service does."
        )
    called = f"--like-unit {_one(shown, 'Id')}"
    main = int(_one(shown, "MainPID"))
    if main:
        return _running(called, main, python)
    return _made_anew(called, shown, python)


def _running(called: str, main: int, python: str) -> Place:
    pid = main if python else next((pid for pid in _family(main) if _runs_python(pid)), main)
    place = by_process(pid, python, called=f"{called} (its process {pid})")
    # The unit keeps its name when its process gets another number: a later run is known to look from the same place.
    return dataclasses.replace(place, collector=dataclasses.replace(place.collector, command=called))


def _family(pid: int) -> Iterator[int]:
    """A process and all below it: a wrapper (uv run, dumb-init, a shell) may stand before the Python."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _runs_python(pid: int) -> bool:
    try:
        return PYTHON_NAME.fullmatch(Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")) is not None
    except OSError:
        return False


def _made_anew(called: str, shown: Mapping[str, tuple[str, ...]], python: str) -> Place:
    run = shutil.which("systemd-run")
    if run is None:
        raise NowhereError(
            f"{called} does not run, and there is no systemd-run(1) to make its place. Nothing was started."
        )
    program = python or _interpreter(called, shown)
    dropped = _one(shown, "UnsetEnvironment").split()
    pairs = (word.partition("=") for word in _words(_one(shown, "Environment")))
    variables = {name: value for name, _, value in pairs if name not in dropped and f"{name}={value}" not in dropped}
    open_ones = [f"{name}={variables.pop(name)}" for name in _OF_THE_MANAGER if name in variables]
    document = json.dumps(variables).encode("ascii")
    unit = f"oairunbook-{secrets.token_hex(4)}.service"
    folders = [folder for folder in _FOLDERS if _one(shown, folder)]
    return Place(
        argv=(
            *(run, f"--unit={unit}", "--pipe", "--wait", "--collect"),
            f"--description=oairunbook looks from the place of {_one(shown, 'Id')}",
            *(word for setting in _settings(shown) for word in ("-p", setting)),
            *(word for variable in open_ones for word in ("-E", variable)),
            *("--", program, "-I", "-S", "-c", _START, program),
        ),
        collector=Collector(
            carrier="unit",
            command=called,
            left_out=(
                "it did not run: its place was made anew from its settings, without what its own start does before",
                *(f"its {', '.join(folders)}, as they go with their unit" for _ in folders[:1]),
            ),
        ),
        environment=os.environ,
        fingerprinted_as=_owner(shown),
        preface=f"{len(document):0{enter.LENGTH_DIGITS}d}".encode() + document,
        # systemd-run(1) ends by a signal, and what it has started goes on.
        interrupt=("systemctl", "kill", "--signal=SIGINT", unit),
        taken_over=variables,
    )


def _settings(shown: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The unit's settings for a unit that lasts as long as the look."""
    yield f"RuntimeMaxSec={_MOST_ALIVE_SECONDS}"
    for name in _TAKEN:
        value = _one(shown, name)
        if value == "" and name in _SHOWN_EMPTY and name in shown:
            yield f"{name}={_SHOWN_EMPTY[name]}"
        elif value not in _NOTHING:
            # systemctl(1) marks with ! what the unit file marks with -: it need not be there.
            yield f"{name}={value.replace('!', '-', 1) if name == 'WorkingDirectory' else value}"
    for limit in _LIMITS:
        hard, soft = _one(shown, f"Limit{limit}"), _one(shown, f"Limit{limit}Soft")
        if hard and soft:
            yield f"Limit{limit}={soft}:{hard}"
    for file in shown.get("EnvironmentFiles", ()):
        path, _, flags = file.rpartition(" (")
        if path:
            yield f"EnvironmentFile={'-' * ('ignore_errors=yes' in flags)}{path}"


def _interpreter(called: str, shown: Mapping[str, tuple[str, ...]]) -> str:
    """The Python that it would start: the program itself, or the one that its script names in the first line."""
    programs: list[str] = [found for line in shown.get("ExecStart", ()) for found in _PROGRAM.findall(line)]
    root = _one(shown, "RootDirectory")
    for program in programs:
        for candidate in (program, *_shebang(Path(root + program))):
            if PYTHON_NAME.fullmatch(Path(candidate).name):
                return candidate
    raise NowhereError(
        f"{called} starts {' and '.join(programs) or 'no program'}, which is no Python. Nothing was started.\n"
        "Next: name an interpreter of its place as well, for example --python /app/.venv/bin/python"
    )


def _shebang(script: Path) -> tuple[str, ...]:
    """The program of the first line, and the one that env(1) is asked for; none where there is no such line."""
    try:
        with script.open("rb") as file:
            first = file.readline(512).decode("utf-8", "replace")
    except OSError:
        return ()
    words = first.removeprefix("#!").split() if first.startswith("#!") else []
    return tuple(word for word in words[:3] if not word.startswith("-"))


def _owner(shown: Mapping[str, tuple[str, ...]]) -> str:
    """As `Place.fingerprinted_as`, the same as while the service runs."""
    user = _one(shown, "User") or "root"
    try:
        uid = int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    except KeyError:
        return f"{_one(shown, 'Id')} of this machine"
    return "" if uid == os.getuid() else f"user {uid} of this machine"


def _show(name: str) -> dict[str, tuple[str, ...]]:
    """What systemctl(1) shows of a unit: each setting with its values, as some have several."""
    if not _BOOTED.is_dir():
        raise NowhereError(
            f"--like-unit {name}: systemd is not the service manager here (no {_BOOTED}). Nothing was started.\n"
            "Next: name the process with --like-pid PID, or run this on the host of the service."
        )
    limits = (f"Limit{limit}{which}" for limit in _LIMITS for which in ("", "Soft"))
    asked = ",".join((*_ASKED, *_TAKEN, *limits, *_FOLDERS))
    call = ["systemctl", "show", "--no-pager", f"--property={asked}", "--", name]
    try:
        done = subprocess.run(call, capture_output=True, text=True, errors="replace", timeout=_ASK_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NowhereError(f"--like-unit {name}: systemctl cannot be asked: {error}. Nothing was started.") from error
    if done.returncode:
        raise NowhereError(
            f"--like-unit {name}: systemctl ended with status {done.returncode}: {done.stderr.strip()}. Nothing was started."
        )
    found: dict[str, tuple[str, ...]] = {}
    for line in done.stdout.splitlines():
        setting, equals, value = line.partition("=")
        if equals:
            found[setting] = (*found.get(setting, ()), value)
    return found


def _one(shown: Mapping[str, tuple[str, ...]], name: str) -> str:
    return next(iter(shown.get(name, ())), "")


def _words(text: str) -> Iterator[str]:
    """The words of `Environment` as systemctl(1) writes them: in quotes, with the escapes of C, where a blank or a quote is in them."""
    for quoted, plain in _WORD.findall(text):
        yield _ESCAPE.sub(_unescaped, quoted) if quoted else plain


def _unescaped(found: re.Match[str]) -> str:
    escape: str = found[1]
    if len(escape) == 3:
        return chr(int(escape[1:], 16) if escape[0] == "x" else int(escape, 8))
    return _CONTROL.get(escape, escape)
