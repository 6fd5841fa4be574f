"""Secrets that somebody gave as words of a command: `env OPENAI_API_KEY=… python3 -`, also inside the words of a shell there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from oairunbook.redaction import Secrets
from oairunbook.redaction.names import SECRET_NAME, is_way_to_authenticate, names_secret

_WORD = re.compile(r"(?:--?[a-z][\w-]*=|-e|--)?([A-Za-z_]\w*)=(.+)", re.DOTALL)
"""`NAME=value`, also as `--env=NAME=value`, `-eNAME=value` and `--token=value`."""

_IN_TEXT = re.compile(
    r"""(?P<keep>(?:(?<![\w-])|(?<=\s--)|(?<=\s-e)|(?<=[\w-]=))(?P<name>[A-Za-z_]\w*)=)(?!['"]?\[redacted)"""
    r"""(?:'[^']+'|"(?:\\.|[^"\\])+"|(?!\w+=)(?:[^\s'"\\;&|]|\\.)+)"""
)
"""The same in a whole command line, whatever quotes stand around it."""

_SCRIPT = re.compile(r"-[a-z]*c")

_DEEPEST = 3
"""A shell in a shell there, as in `ssh host "sh -c '…'"`."""


def assigned(argv: Sequence[str]) -> Secrets:
    """What is secret of the variables that a command sets, each as the quotes of this command show it as well."""
    values = [value for name, text in _pairs(argv, _DEEPEST) for value in _secret(name, text)]
    return Secrets(tuple(dict.fromkeys(form for value in values for form in (value, value.replace("'", "'\"'\"'")))))


def without_assigned(command: str) -> str:
    """A command line in which no variable with a secret's name has a value, however short that is."""
    return _IN_TEXT.sub(
        lambda found: f"{found['keep']}[redacted]" if _names_secret(found["name"]) else found[0], command
    )


def holds_secret(command: str, environment: Mapping[str, str]) -> bool:
    """Whether a word or a command line holds what belongs into no file: a value told under a secret's name, a known one, or the shape of one."""
    known = assigned(_split(command)).values
    return bool(known) or without_assigned(Secrets.from_environment(environment).redact_text(command)) != command


def _names_secret(name: str) -> bool:
    # ssh has options such as StrictHostKeyChecking: their values are words that everybody knows.
    return name in (name.upper(), name.lower()) and names_secret(name)


def _secret(name: str, value: str) -> Iterator[str]:
    if _names_secret(name):
        if not is_way_to_authenticate(name, value):
            yield value
    elif not SECRET_NAME.search(name):
        # Credentials in the URL of a proxy, or in headers.
        found = Secrets.from_environment({name: value}).values
        if found and "@" in value:
            # No parser finds the end of a password with `/` in it.
            yield value.rpartition("@")[0].rpartition("://")[2]
        yield from found


def _pairs(words: Sequence[str], depth: int) -> Iterator[tuple[str, str]]:
    for before, word in zip(("", *words), words, strict=False):
        found = _WORD.fullmatch(word)
        # What a shell takes apart is no value as a whole.
        if found and not _SCRIPT.fullmatch(before):
            yield found[1], found[2]
        inner = _split(word) if depth else []
        if inner != [word]:
            yield from _pairs(inner, depth - 1)


def _split(word: str) -> list[str]:
    """The words in a word, as a shell there would take them."""
    try:
        reader = shlex.shlex(word, posix=True, punctuation_chars=True)
        reader.whitespace_split, reader.commenters = True, ""
        return list(reader)
    except ValueError:
        return word.split()
