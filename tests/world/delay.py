"""A long line: packets wait in user space, because not every kernel has netem (tc-netem(8))."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import struct
import threading
import time
from collections.abc import Callable

from tests.world.namespace import Namespace

_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_TABLE = 101
_LINE = "line0"


def far_away(namespace: Namespace, seconds: float, addresses: tuple[str, ...]) -> Callable[[], None]:
    """Send what comes from or goes to these addresses through a device that holds it back; returns what ends that."""
    with namespace.entered():
        line = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(line, _TUNSETIFF, struct.pack("16sH22x", _LINE.encode(), _IFF_TUN_NO_PI))
    namespace.ip(f"link set {_LINE} up")
    for version in (4, 6):
        matching = [a for a in addresses if (":" in a) == (version == 6)]
        # What comes back from the device is no longer caught: its way in is another one.
        rules = [f"rule add {way} {a} iif {iif} lookup {_TABLE} priority 20" for a in matching for way, iif in _WAYS]
        namespace.ip(f"route add default dev {_LINE} table {_TABLE}", *rules, version=version)
    waiting: queue.SimpleQueue[tuple[float, bytes] | None] = queue.SimpleQueue()
    ended = threading.Event()

    def take() -> None:
        with contextlib.suppress(OSError):
            while not ended.is_set():
                waiting.put((time.monotonic() + seconds, os.read(line, 65536)))
        waiting.put(None)

    def give() -> None:
        while item := waiting.get():
            due, packet = item
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(OSError):
                os.write(line, packet)

    threads = [threading.Thread(target=work, name=f"long line, {work.__name__}", daemon=True) for work in (take, give)]
    for thread in threads:
        thread.start()

    def end() -> None:
        ended.set()
        # Its deletion wakes the reading thread with an error.
        namespace.ip(f"link delete {_LINE}")
        for version in (4, 6):
            namespace.ip(
                *(f"rule delete lookup {_TABLE}" for a in addresses if (":" in a) == (version == 6) for _ in _WAYS),
                version=version,
            )
        # The number of a closed descriptor is soon another file's: a late packet would be written into that.
        for thread in threads:
            thread.join()
        os.close(line)

    return end


_WAYS = (("to", "client"), ("from", "host1"))
"""Towards the API from the client, and back from the API's line, which is the first one of a world."""
