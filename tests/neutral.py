"""Records that are committed name nothing of the machine that made them."""

from __future__ import annotations

import json
import socket
import sys

PREFIX = "/opt/venv"
HOST = "host.example"


def neutral(record: str) -> str:
    """Give the JSON text of a record with another virtual environment and another host."""
    named = json.dumps(socket.gethostname())
    return record.replace(sys.prefix, PREFIX).replace(f'"host": {named}', f'"host": "{HOST}"')
