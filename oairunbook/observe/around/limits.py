"""Limits that this process lives under: control groups, descriptors, threads, ports, connection tracking; and its interfaces."""

from __future__ import annotations

import resource
import threading
from pathlib import Path

from oairunbook.evidence import Setting
from oairunbook.surroundings import Limit

_CGROUP = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60
"""Control groups of version 1 say `no limit` with a number near the largest page count."""


def limits() -> tuple[Limit, ...]:
    """Every limit that can be read here, with what is used of it."""
    return tuple(limit for limit in (*_memory(), *_cpu(), *_processes(), *_descriptors(), *_network()) if limit)


def interfaces() -> tuple[Setting, ...]:
    """State and MTU of each interface, whether IPv6 is on, and whether each family has a default route."""
    found = []
    for folder in sorted(Path("/sys/class/net").glob("*")):
        mtu = _text(folder / "mtu")
        if mtu:
            found.append(
                Setting(
                    value=f"MTU {mtu} bytes, {_text(folder / 'operstate') or 'state not known'}", source=folder.name
                )
            )
    off = _text(Path("/proc/sys/net/ipv6/conf/all/disable_ipv6"))
    found.append(Setting(value={"0": "on", "1": "switched off"}.get(off, "not in this kernel"), source="IPv6"))
    found.append(Setting(value=_yes(_default_route_v4()), source="default route, IPv4"))
    found.append(Setting(value=_yes(_default_route_v6()), source="default route, IPv6"))
    return tuple(found)


def _memory() -> list[Limit | None]:
    two, one = _CGROUP / "memory.max", _own_v1("memory", "memory.limit_in_bytes")
    used, kills = _number(_CGROUP / "memory.current"), None
    limit, source = _number(two), str(two)
    if not two.exists() and one is not None:
        limit, source = _number(one), str(one)
        used = _number(one.with_name("memory.usage_in_bytes"))
    for line in _text(_CGROUP / "memory.events").splitlines():
        if line.startswith("oom_kill "):
            kills = float(line.split()[1])
    if limit is not None and limit >= _NO_LIMIT:
        limit = None
    found: list[Limit | None] = []
    if used is not None or limit is not None:
        found.append(Limit(name="memory of the control group", limit=limit, used=used, unit="bytes", source=source))
    if kills:
        found.append(
            Limit(
                name="processes killed for want of memory",
                limit=None,
                used=kills,
                unit="so far",
                source=str(_CGROUP / "memory.events"),
            )
        )
    return found


def _cpu() -> list[Limit | None]:
    found: list[Limit | None] = []
    words = _text(_CGROUP / "cpu.max").split()
    source = str(_CGROUP / "cpu.max")
    cores = None
    if len(words) == 2 and words[0].isdigit():
        cores = int(words[0]) / int(words[1])
    elif not words:
        quota, period = _own_v1("cpu", "cpu.cfs_quota_us"), _own_v1("cpu", "cpu.cfs_period_us")
        if quota is not None and period is not None and (_number(quota) or -1) > 0:
            cores, source = (_number(quota) or 0.0) / (_number(period) or 100000.0), str(quota)
    if words or cores is not None:
        found.append(
            Limit(name="processor time of the control group", limit=cores, used=None, unit="cores", source=source)
        )
    numbers = dict(line.split() for line in _text(_CGROUP / "cpu.stat").splitlines() if len(line.split()) == 2)
    if int(numbers.get("nr_throttled", 0)):
        share = int(numbers["nr_throttled"]) / max(1, int(numbers.get("nr_periods", 1)))
        found.append(
            Limit(
                name="periods in which it was slowed down",
                limit=None,
                used=round(100 * share, 1),
                unit="%",
                source=str(_CGROUP / "cpu.stat"),
            )
        )
    return found


def _processes() -> list[Limit | None]:
    most = _CGROUP / "pids.max"
    found: list[Limit | None] = []
    if most.exists():
        used = _number(_CGROUP / "pids.current")
        found.append(
            Limit(
                name="processes and threads of the control group",
                limit=_number(most),
                used=used,
                unit="",
                source=str(most),
            )
        )
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    own = None if soft == resource.RLIM_INFINITY else float(soft)
    found.append(
        Limit(
            name="threads of this process, of all that this user may have",
            limit=own,
            used=float(threading.active_count()),
            unit="threads",
            source="RLIMIT_NPROC",
        )
    )
    return found


def _descriptors() -> list[Limit | None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        used: float | None = float(len(list(Path("/proc/self/fd").iterdir())))
    except OSError:
        used = None
    limit = None if soft == resource.RLIM_INFINITY else float(soft)
    hard_words = "without limit" if hard == resource.RLIM_INFINITY else str(hard)
    return [
        Limit(
            name="open files of this process",
            limit=limit,
            used=used,
            unit="",
            source=f"RLIMIT_NOFILE, hard limit {hard_words}",
        )
    ]


def _network() -> list[Limit | None]:
    found: list[Limit | None] = []
    low_high = _text(Path("/proc/sys/net/ipv4/ip_local_port_range")).split()
    if len(low_high) == 2:
        ports = float(int(low_high[1]) - int(low_high[0]) + 1)
        found.append(
            Limit(
                name="local ports towards one address",
                limit=ports,
                used=_tcp_sockets(),
                unit="",
                source="ip_local_port_range, sockstat",
            )
        )
    most = Path("/proc/sys/net/netfilter/nf_conntrack_max")
    if most.exists():
        used = _number(most.with_name("nf_conntrack_count"))
        found.append(
            Limit(name="tracked connections of this network", limit=_number(most), used=used, unit="", source=str(most))
        )
    alive = _number(Path("/proc/sys/net/ipv4/tcp_keepalive_time"))
    if alive is not None:
        found.append(
            Limit(
                name="silence before TCP keepalive, where a socket asks for it",
                limit=alive,
                used=None,
                unit="s",
                source="tcp_keepalive_time",
            )
        )
    tries = _number(Path("/proc/sys/net/ipv4/tcp_syn_retries"))
    if tries is not None:
        found.append(
            Limit(
                name="repeated SYNs before the kernel gives up",
                limit=tries,
                used=None,
                unit="",
                source="tcp_syn_retries",
            )
        )
    return found


def _tcp_sockets() -> float | None:
    for line in _text(Path("/proc/net/sockstat")).splitlines():
        words = line.split()
        if words[:1] == ["TCP:"]:
            numbers = dict(zip(words[1::2], words[2::2], strict=False))
            return float(numbers.get("inuse", 0)) + float(numbers.get("tw", 0))
    return None


def _default_route_v4() -> bool:
    lines = _text(Path("/proc/net/route")).splitlines()[1:]
    return any(line.split()[1:2] == ["00000000"] and line.split()[7:8] == ["00000000"] for line in lines)


def _default_route_v6() -> bool:
    for line in _text(Path("/proc/net/ipv6_route")).splitlines():
        words = line.split()
        # A default route over the loopback interface is how the kernel says that there is none.
        if len(words) > 9 and words[0] == "0" * 32 and words[1] == "00" and words[9] != "lo":
            return True
    return False


def _own_v1(controller: str, name: str) -> Path | None:
    file = _CGROUP / controller / name
    return file if file.exists() else None


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if text.lstrip("-").isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _yes(there: bool) -> str:
    return "there" if there else "none"
