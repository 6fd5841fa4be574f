"""Sockets that more than one test needs."""

from __future__ import annotations

import errno
import socket


def tcp_and_udp() -> tuple[socket.socket, socket.socket]:
    """A listener and a socket for datagrams on one port of loopback; another port is tried where somebody has the datagrams of the first."""
    while True:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError as error:
            tcp.close()
            udp.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return tcp, udp
