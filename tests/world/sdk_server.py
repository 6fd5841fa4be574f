"""Forks a process with the SDK already imported for each minimal request: importing it takes longer than the request.

    sdk_server.py SOCKET_PATH

A connection sends one JSON object (`namespace`, `mounts`, `environment`, `folder`, `arguments`) and gets what
`sdk_request.py` prints there. The process is new, and works with the files, network and environment of that client.
"""

import ctypes
import json
import os
import signal
import socket
import sys

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_LONGEST_SECONDS = 60
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)


def enter(place: dict) -> None:
    """Let this process work in that network namespace, with those files over the machine's own, in that environment and folder."""
    descriptor = os.open(f"/run/netns/{place['namespace']}", os.O_RDONLY)
    _call("setns", descriptor, _CLONE_NEWNET)
    os.close(descriptor)
    _call("unshare", _CLONE_NEWNS)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    for target, source in place["mounts"]:
        _call("mount", source.encode(), target.encode(), None, _MS_BIND, None)
    os.environ.clear()
    os.environ.update(place["environment"])
    os.chdir(place["folder"])


def _answer(connection: socket.socket) -> None:
    with connection.makefile("r") as lines:
        request = json.loads(lines.readline())
    os.dup2(connection.fileno(), 1)
    os.dup2(connection.fileno(), 2)
    signal.alarm(_LONGEST_SECONDS)
    enter(request)
    import sdk_request

    sdk_request.main(*request["arguments"])
    sys.stdout.flush()


def main(path: str) -> None:
    import httpx2  # noqa: F401  (imported before the fork, as the SDK is)
    import openai  # noqa: F401
    import sdk_request  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            status = 1
            try:
                _answer(connection)
                status = 0
            finally:
                if status:
                    sys.excepthook(*sys.exc_info())
                os._exit(status)
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
