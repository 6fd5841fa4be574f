"""A file of variables as the service manager reads it (EnvironmentFile=, systemd.exec(5)), so that a crontab's line sees what the service sees."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_variables(text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables of a file: NAME=value a line, quoted or not; nothing is expanded. A backslash before a line's end joins the next one.

    As systemd does, a line without `=` or with another name (`export A=1`, `A-B=1`) sets nothing, and a quote that is not closed goes on to the end.
    Such lines are told as well: by their numbers, and nothing of them is repeated.

    Raises:
        ValueError: A value holds a NUL, which no variable can. The text says in which line.
    """
    found: dict[str, str] = {}
    odd: list[str] = []
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end]
        number = text.count("\n", 0, at) + 1
        name, equals, _ = line.partition("=")
        if not equals or line.lstrip()[:1] in ("#", ";"):
            if line.strip() and line.lstrip()[0] not in "#;":
                odd.append(f"line {number} is not NAME=value, and is ignored")
            at = end
            continue
        value, at, closed = _value(text, at + len(name) + 1)
        if not _NAME.fullmatch(name.strip()):
            odd.append(f"line {number} is not NAME=value, and is ignored")
            continue
        if not closed:
            odd.append(f"the value in line {number} has a quote that is not closed, and goes on to the end of the file")
        if "\0" in value:
            raise ValueError(f"line {number} holds a NUL")
        found[name.strip()] = value
    return found, tuple(odd)


def _value(text: str, at: int) -> tuple[str, int, bool]:
    """A value, where the line behind it begins, and whether all its quotes are closed."""
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
    return value[:kept], at, not quote
