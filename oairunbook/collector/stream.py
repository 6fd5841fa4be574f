"""One text for the standard input of `python3 -`: the loader, the observing half, dnspython, and the job.

Every statement stands on one line that fits into a terminal's line buffer (4,095 bytes, termios(3)), so that a Python which takes its standard
input for a terminal reads it as well. Nothing of it is ever an argument.
"""

from __future__ import annotations

import ast
import base64
import functools
import json
import re
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns

import oairunbook

MOST_BYTES = 1_500_000

_PACKAGE = Path(oairunbook.__file__).parent
_FIRST = "oairunbook.observe.portable"
"""What runs there; what it imports goes along, and so on."""

_ONE_AT_A_TIME = threading.Lock()
"""The members of a fleet ask for the text in threads of their own, and CPython 3.11 before 3.11.8 and 3.12 before 3.12.2 raise SystemError where
two parse (gh-106905)."""

_LINE_CHARACTERS = 3000
_LAST_LINE = "#oairunbook"
_BY_TERMINAL = (
    "if sys.stdin.isatty():\n import os\n _t=b''\n while not _t.rstrip().endswith(b'\\n"
    + _LAST_LINE
    + "'): _t+=os.read(0,65536)\n exec(_t)\n"
)
"""A Python that takes a terminal for a person reads line by line, edits and draws: the first line takes the rest out of its hands."""

TOO_OLD = "oairunbook: too old: Python "
"""What a Python says on its standard error that cannot even read the loader; its version follows."""

_BY_AGE = f"if sys.version_info<(3,6): sys.exit({TOO_OLD!r}+sys.version.split()[0])\n"
_HEAD = f"import sys;exec({_BY_TERMINAL!r})\n{_BY_AGE}sys.dont_write_bytecode=True\n_o=[]\n"
_TAIL = (
    "import base64,json,zlib\n"
    '_o=json.loads(zlib.decompress(base64.b64decode("".join(_o))).decode())\n'
    'exec(_o["loader"])\n'
    'start(_o["modules"],json.loads(base64.b64decode(_j).decode()))\n' + _LAST_LINE + "\n"
)


_OURS = re.compile(
    rb"_o\.append\(|_j\+?=|@oairunbook |[A-Za-z0-9+/=]{200}|"
    + b"|".join(re.escape(line.encode()) for line in (_HEAD + _TAIL).splitlines())
)
"""In every line of this text, whatever a prompt puts before it, and of an answer."""


def without_echo(output: bytes) -> bytes:
    """What a command wrote, without the lines of this text: a terminal in between sends them back, and they hold the job."""
    return b"\n".join(line for line in output.split(b"\n") if not _OURS.search(line))


def make(job: dict[str, Any]) -> bytes:
    """The whole text. *job* is what `oairunbook.observe.portable.answer` takes, with the `nonce` of the answer."""
    with _ONE_AT_A_TIME:
        carried = _carried()
    parts = lines("_o.append({})", carried)
    order = "_j={}\n".format(json.dumps("")) + "".join(
        lines("_j+={}", base64.b64encode(json.dumps(job).encode("ascii")))
    )
    return (_HEAD + "".join(parts) + order + _TAIL).encode("ascii")


def lines(statement: str, data: bytes) -> Iterator[str]:
    """*data*, which is base64, as quoted texts in so many statements, each on one line."""
    text = data.decode("ascii")
    for start in range(0, len(text), _LINE_CHARACTERS):
        yield statement.format(f'"{text[start : start + _LINE_CHARACTERS]}"') + "\n"


@functools.lru_cache(maxsize=1)
def _carried() -> bytes:
    """What is the same in every stream: the loader and the modules, packed."""
    modules = dict(_closure())
    dnspython = Path(dns.__file__).parent
    for file in sorted(dnspython.rglob("*.py")):
        parts = file.relative_to(dnspython.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        modules[".".join(parts[:-1] if is_package else parts)] = (is_package, file.read_text("utf-8"))
    loader = (Path(__file__).parent / "loader.py").read_text("utf-8")
    document = json.dumps({"loader": loader, "modules": modules})
    return base64.b64encode(zlib.compress(document.encode("ascii"), 9))


def _closure() -> Iterator[tuple[str, tuple[bool, str]]]:
    """Dotted name, whether it is a package, and source of every module of this package that runs there."""
    pending, seen = [_FIRST], set()
    while pending:
        name = pending.pop()
        file = _file(name)
        if name in seen or file is None:
            continue
        seen.add(name)
        source = file.read_text("utf-8")
        yield name, (file.name == "__init__.py", source)
        pending.append(name.rpartition(".")[0])
        if name != "oairunbook":
            # The front, `oairunbook.check`, would bring every part along.
            pending += _imports(source)


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # What is imported from a package may be a module of it.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(name: str) -> Path | None:
    """The source of a module of this package; None for everything else."""
    path = _PACKAGE.parent.joinpath(*name.split("."))
    if not name.startswith("oairunbook"):
        return None
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)
