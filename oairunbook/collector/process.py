"""The place of a running process: what it is looked at for, and what cannot be taken over."""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from oairunbook.collector import enter
from oairunbook.collector.carrier import NowhereError
from oairunbook.collector.place import Place
from oairunbook.evidence import Collector
from oairunbook.records import dataclass

_ENTERED = ("net", "uts", "pid", "mnt")
"""Namespaces that are entered where they are not this process's own. The mount namespace comes last: no file of here can be read after it."""

_LIMITS = {
    "Max open files": "RLIMIT_NOFILE",
    "Max processes": "RLIMIT_NPROC",
    "Max address space": "RLIMIT_AS",
    "Max data size": "RLIMIT_DATA",
    "Max stack size": "RLIMIT_STACK",
    "Max locked memory": "RLIMIT_MEMLOCK",
}
"""As `limits` in proc(5) calls them: prlimit(2) wants a capability even to read those of another user."""

_TITLE_CHARACTERS = 26
_CAP_SETGID, _CAP_SYS_RESOURCE = 6, 24
PYTHON_NAME = re.compile(r"(python|pypy)[\d.]*")
_SITE_PACKAGES = re.compile(r"(/\S*)/lib(?:64)?/python3\.\d+/site-packages/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `enter` does, in JSON on its standard input. It holds that process's environment, and with it its secrets."""

    pid: int
    start_ticks: int
    namespaces: tuple[str, ...]
    change_root: bool
    limits: Mapping[str, tuple[int, int]]
    """Soft and hard limit, by their names in `resource`."""

    groups: tuple[int, ...] | None
    """Supplementary groups; None if they stay as they are."""

    gids: tuple[int, int, int]
    """Real, effective and saved, as `uids`."""

    uids: tuple[int, int, int]
    environment: Mapping[str, str]
    python: str
    """Path there of the interpreter that somebody named; empty for the process's own."""

    candidates: tuple[str, ...]
    """Where the process's own interpreter may be: the path decides which virtual environment it belongs to."""

    def preface(self) -> bytes:
        """What `enter` reads first."""
        document = json.dumps(asdict(self)).encode("ascii")
        return f"{len(document):0{enter.LENGTH_DIGITS}d}".encode() + document


def by_process(pid: int, python: str = "", called: str = "") -> Place:
    """The place of a running process: its environment, interpreter, user, groups, limits, working folder, root and namespaces.

    Args:
        pid: Its number here.
        python: Another interpreter to start there, by its path there; empty for the one that the process runs.
        called: How errors call it; empty for the option that names its number.

    Raises:
        NowhereError: There is no such process, it may not be looked at, or it runs no Python and none is named.
    """
    folder, name, called = Path(f"/proc/{pid}"), "?", called or f"--like-pid {pid}"
    try:
        status = _status(folder)
        name = status["Name"]
        program = str((folder / "exe").readlink())
        environment, overwritten = _environment((folder / "environ").read_bytes())
        root = str((folder / "root").readlink())
        candidates = tuple(dict.fromkeys(_candidates(folder, program, root, environment)))
        if not python and PYTHON_NAME.fullmatch(Path(program.removesuffix(" (deleted)")).name) is None:
            raise NowhereError(
                f"{called} runs {program}, which is no Python. Nothing was started.\n"
                "Next: name an interpreter of its place as well, for example --python /app/.venv/bin/python, or --node with that of a Node.js application"
            )
        namespaces = tuple(kind for kind in _ENTERED if not _same(folder, f"ns/{kind}"))
        limits, exceeded = _limits(folder)
        groups, left_groups = _groups(status)
        plan = Plan(
            pid=pid,
            start_ticks=enter.start_ticks(pid),
            namespaces=namespaces,
            change_root=not _same_root(folder),
            limits=limits,
            groups=groups,
            gids=_three(status["Gid"]),
            uids=_three(status["Uid"]),
            environment=environment,
            python=python,
            candidates=candidates,
        )
        left_out = (*overwritten, *exceeded, *left_groups, *_left_out(folder, status))
    except PermissionError as error:
        raise NowhereError(
            f"{called} ({name}) may not be looked at: {error.strerror}. Nothing was started.\n"
            "Next: run this as root, or as its user. Where root may not either, go through what runs the process: --via."
        ) from error
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise NowhereError(
            f"{called}: there is no such process, or it has no program and no environment of its own. Nothing was started."
        ) from error
    return Place(
        # Neither this environment's packages nor its variables are wanted before the place is taken.
        argv=(sys.executable, "-I", "-S", enter.__file__),
        collector=Collector(carrier="process", command=f"--like-pid {pid} ({name})", left_out=left_out),
        environment=os.environ,
        fingerprinted_as="" if plan.uids == os.getresuid() else f"user {plan.uids[1]} of this machine",
        preface=plan.preface(),
        taken_over=environment,
    )


def _status(folder: Path) -> dict[str, str]:
    """Field to value of `status` in proc(5)."""
    lines = (folder / "status").read_text("utf-8", "replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _three(value: str) -> tuple[int, int, int]:
    real, effective, saved, _ = map(int, value.split())
    return real, effective, saved


def _environment(data: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """Its variables as at its start, and what is to be said of them."""
    entries = [os.fsdecode(entry) for entry in data.split(b"\0") if entry]
    pairs = [entry.partition("=") for entry in entries if not entry.startswith("=")]
    found = {name: value for name, equals, value in pairs if equals}
    # A program that shows a title in ps(1) writes it over its arguments, and if that is not enough over its environment.
    spoilt = any(not equals for _, equals, _ in pairs)
    return found, ("variables that its title in ps(1) has overwritten",) if spoilt else ()


def _candidates(folder: Path, program: str, root: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Where its interpreter may be, as a path there. `enter` takes the first that is the very program which it runs."""
    arguments = (folder / "cmdline").read_bytes().split(b"\0")
    if arguments[0]:
        yield os.fsdecode(arguments[0])
    if environment.get("VIRTUAL_ENV"):
        yield f"{environment['VIRTUAL_ENV']}/bin/python"
    # A title hides the arguments; the compiled modules that it has loaded say in which environment it runs.
    for line in (folder / "maps").read_text("utf-8", "replace").splitlines():
        if found := _SITE_PACKAGES.search(line):
            yield _inside(found[1], root) + "/bin/python"
    yield _inside(program, root)


def _inside(path: str, root: str) -> str:
    """A path as it is called below *root*."""
    return path.removeprefix(root) if root != "/" and path.startswith(root + "/") else path


def _same(folder: Path, what: str) -> bool:
    return (folder / what).readlink() == Path("/proc/self", what).readlink()


def _same_root(folder: Path) -> bool:
    """Whether it has this process's root, or that of a mount namespace, which it gets by entering that."""
    return os.path.samestat((folder / "root").stat(), Path("/proc/self/root").stat())


def _limits(folder: Path) -> tuple[dict[str, tuple[int, int]], tuple[str, ...]]:
    """Its limits as far as they can be taken, and those that are higher than what this process may have."""
    taken: dict[str, tuple[int, int]] = {}
    exceeded = []
    for line in (folder / "limits").read_text("ascii").splitlines():
        title, values = line[:_TITLE_CHARACTERS].strip(), line[_TITLE_CHARACTERS:].split()
        if title not in _LIMITS:
            continue
        name, soft, hard = _LIMITS[title], _limit(values[0]), _limit(values[1])
        highest = resource.getrlimit(getattr(resource, name))[1]
        if _above(hard, highest) and not _may(_CAP_SYS_RESOURCE):
            hard = highest
            if _above(soft, highest):
                soft = highest
                exceeded.append(f"its limit of {values[0]}: {title.lower()}")
        taken[name] = (soft, hard)
    return taken, tuple(exceeded)


def _limit(text: str) -> int:
    return resource.RLIM_INFINITY if text == "unlimited" else int(text)


def _above(limit: int, highest: int) -> bool:
    infinite = resource.RLIM_INFINITY
    return highest != infinite and (limit == infinite or limit > highest)


def _groups(status: Mapping[str, str]) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    """Its supplementary groups; None where they are this process's own, or may not be taken, which is then to be said."""
    theirs = tuple(map(int, status["Groups"].split()))
    if sorted(theirs) == sorted(os.getgroups()):
        return None, ()
    return (theirs, ()) if _may(_CAP_SETGID) else (None, ("its supplementary groups",))


def _may(capability: int) -> bool:
    """Whether this process has it (capabilities(7)); root in a container does not have all."""
    return bool(int(_status(Path("/proc/self"))["CapEff"], 16) >> capability & 1)


def _left_out(folder: Path, status: Mapping[str, str]) -> Iterator[str]:
    """What else makes its place and stays behind."""
    if not _same(folder, "ns/user"):
        yield "its user namespace; user and groups are those that it has here"
    if (folder / "cgroup").read_bytes() != Path("/proc/self/cgroup").read_bytes():
        # Whoever joins it takes of its memory, and the application could be killed for that.
        yield "its control group, with the limits and address filters of its unit or container"
    if status.get("Seccomp", "0") != "0":
        yield "its filter of system calls (seccomp)"
    if _label(folder) != _label(Path("/proc/self")):
        yield f"its security label {_label(folder) or 'none'}"
    here = _status(Path("/proc/self"))
    becomes = here["CapEff"] if _three(status["Uid"])[1] == os.geteuid() else "0" * 16
    if status["CapEff"] != becomes:
        yield f"its capabilities {status['CapEff'].lstrip('0') or '0'}"


def _label(folder: Path) -> str:
    """What AppArmor or SELinux calls it; empty if neither does."""
    try:
        return (folder / "attr/current").read_text("utf-8", "replace").strip("\0\n")
    except OSError:
        return ""
