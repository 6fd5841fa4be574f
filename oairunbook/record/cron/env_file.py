"""A file of variables as the service manager reads it (EnvironmentFile=, systemd.exec(5)), so that a crontab's line sees what the service sees."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_variables(text: str) -> dict[str, str]:
    """The variables of a file: NAME=value a line, quoted or not; nothing is expanded. A backslash before a line's end joins the next one.

    Raises:
        ValueError: A line is none. The text says which, and repeats nothing of it.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end]
        number = text.count("\n", 0, at) + 1
        if not line.strip() or line.lstrip()[0] in "#;":
            at = end
            continue
        name, equals, _ = line.partition("=")
        if not equals or not _NAME.fullmatch(name.strip()):
            raise ValueError(f"line {number} is not NAME=value")
        value, at = _value(text, at + len(name) + 1)
        if at < 0:
            raise ValueError(f"the value in line {number} has no end")
        if "\0" in value:
            raise ValueError(f"line {number} holds a NUL")
        found[name.strip()] = value
    return found


def _value(text: str, at: int) -> tuple[str, int]:
    """A value, and where the line behind it begins; -1 if a quote is not closed."""
    value, kept, quote = "", 0, ""
    bare = False
    while at < len(text):
        one, more = text[at], text[at + 1 : at + 2]
        at += 1
        if one == "\\" and quote != "'":
            # In double quotes a backslash stands for itself, but before these.
            literal = more not in '"\\`$\n' if quote else False
            value += "" if more == "\n" else one + more if literal else more
            at += len(more)
            kept, bare = len(value), bare or not quote
        elif quote:
            quote = "" if one == quote else quote
            value += one if quote else ""
            kept = len(value)
        elif one == "\n":
            break
        elif one in "'\"" and not bare:
            quote = one
        elif bare or not one.isspace():
            value, bare = value + one, True
            kept = kept if one.isspace() else len(value)
    return value[:kept], -1 if quote else at
