"""Which command leads to which place."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Literal

from oairunbook.collector.assigned import assigned, without_assigned
from oairunbook.collector.carrier import NowhereError
from oairunbook.evidence import Collector
from oairunbook.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A command whose standard input is that of a Python there, or of a Node.js."""

    argv: tuple[str, ...]
    collector: Collector
    """How the record says it; its command may still hold a secret that somebody gave as an argument."""

    environment: Mapping[str, str] = field(repr=False)
    """Of the command that is started here."""

    fingerprinted_as: str
    """Who has a key of their own for fingerprints, made from the archive's (`look_there`): whoever can read that place knows it then. Empty
    where it is this user, on this machine, who can read the archive's as well."""

    preface: bytes = field(default=b"", repr=False)
    """What the command reads from its standard input before Python does."""

    interrupt: tuple[str, ...] = ()
    """A command that interrupts the look there; empty where the command hands signals on, or nothing can."""

    taken_over: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of the Python there that this process knows without having them itself; their secrets are redacted here as well."""

    runtime: Literal["python", "node"] = "python"
    """Whose standard input it is."""

    project: str = ""
    """Folder there of the Node.js application whose package is used; empty for the working folder there."""

    @property
    def reads(self) -> str:
        """What reads the standard input, as people call it."""
        return "Node.js" if self.runtime == "node" else "Python"


_NODE = re.compile(r"(?:^|[\s/'\"&;])node(?:js)?[\d.]*(?:\s+--?[\w=./:,-]+)*\s+-[\s'\"]*$")
"""A command that ends in a Node.js which reads its standard input, also inside the words of a shell: `sh -c 'cd /app && node -'`."""


def by_command(command: str | Sequence[str], project: str = "") -> Place:
    """The place to which a command leads, for example `kubectl exec -i deploy/api -- python3 -`, or `… -- node -`.

    Args:
        command: Words, or one text that is split as a shell does; no shell reads it.
        project: Folder there of a Node.js application; given, the command is taken to end in a Node.js, whatever it looks like.

    Raises:
        NowhereError: It is empty, has an open quote, or no such program is on this machine.
    """
    try:
        argv = tuple(shlex.split(command) if isinstance(command, str) else command)
    except ValueError as error:
        raise NowhereError(f"The command cannot be taken apart: {error}. Nothing was started.") from error
    if not argv:
        raise NowhereError(
            "The command is empty. It ends in a Python or a Node.js that reads its standard input: python3 - or node -"
        )
    if shutil.which(argv[0]) is None:
        # NAME=value in front needs a shell, or env(1): the value is not said again.
        program = without_assigned(assigned(argv).redact_text(argv[0]))
        raise NowhereError(f"{program}: there is no such program here. Nothing was started.")
    return Place(
        argv=argv,
        collector=Collector(carrier="command", command=shlex.join(argv)),
        fingerprinted_as=shlex.join(argv),
        # Where ssh(1) takes a terminal along, it says that no line editor can be drawn on it: that of Python 3.13 swallows what it is sent.
        environment={**os.environ, "TERM": "dumb"},
        runtime="node" if project or _NODE.search(" ".join(argv)) else "python",
        project=project,
    )


def by_interpreter(python: str) -> Place:
    """Another interpreter on this machine, in the environment of this process.

    Raises:
        NowhereError: There is no such program.
    """
    found = _program("--python", python)
    return Place(
        argv=(found, "-"),
        collector=Collector(carrier="interpreter", command=found),
        environment=os.environ,
        fingerprinted_as="",
    )


def by_node(node: str, project: str = "") -> Place:
    """A Node.js on this machine, in the environment of this process.

    Args:
        node: The program, by its path or by a name that PATH has.
        project: Folder of the application whose package `openai` is used; empty for the working folder.

    Raises:
        NowhereError: There is no such program, or no such folder.
    """
    found = _program("--node", node)
    if project and not Path(project).is_dir():
        raise NowhereError(f"--project {project}: there is no such folder. Nothing was started.")
    return Place(
        argv=(found, "-"),
        collector=Collector(carrier="interpreter", command=found),
        environment=os.environ,
        fingerprinted_as="",
        runtime="node",
        project=str(Path(project).absolute()) if project else "",
    )


def _program(option: str, name: str) -> str:
    found = shutil.which(name)
    if found is None:
        path = Path(name)
        if path.is_dir():
            what = f"it is a folder; name the program in it, for example {path / 'bin' / option.lstrip('-')}"
        else:
            what = "it may not be executed" if path.is_file() else "it does not exist"
        raise NowhereError(f"{option} {name}: {what}. Nothing was started.")
    return found
