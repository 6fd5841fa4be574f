"""Run a command without the right to open Internet sockets, as seccomp sandboxes do it: `sandbox.py COMMAND ...`.

socket(AF_INET or AF_INET6) ends in EPERM; everything else is allowed (seccomp(2), 64-bit x86 and ARM).
"""

import ctypes
import os
import platform
import socket
import struct
import sys

_SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _EPERM = 0x7FFF0000, 0x00050001
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_NUMBER_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 16

_PROGRAM = (
    (_LOAD, 0, 0, _NUMBER_OFFSET),
    (_EQUAL, 0, 4, _SOCKET),
    (_LOAD, 0, 0, _FIRST_ARGUMENT_OFFSET),
    (_EQUAL, 1, 0, socket.AF_INET),
    (_EQUAL, 0, 1, socket.AF_INET6),
    (_RETURN, 0, 0, _EPERM),
    (_RETURN, 0, 0, _ALLOW),
)

code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _PROGRAM))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(_PROGRAM), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _FILTER, program, 0, 0):
    raise OSError(ctypes.get_errno(), "seccomp")
os.execvp(sys.argv[1], sys.argv[1:])
