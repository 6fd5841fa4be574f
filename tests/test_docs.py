"""What the documents promise is there: commands, options, statuses, files; and what is there is documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import click
import pytest

from oairunbook import __version__, lab
from oairunbook.cli import cli
from oairunbook.record import runbooks
from oairunbook.schema import COMMAND
from oairunbook.verdict import Owner
from tests.commands import commands

ROOT = Path(__file__).parents[1]
COMMANDS = commands()
README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
DOCUMENTS = {path.name: path.read_text("utf-8") for path in sorted(ROOT.glob("*.md"))}

CALL = re.compile(r"(?:^|[`;&|] ?)oairunbook ((?:[a-z]+|--version)\b[^\n`|#&>]*)", re.MULTILINE)


def calls() -> list[tuple[str, str]]:
    """Commands in code: at the beginning of a line, behind a backtick or behind another command."""
    return [(name, call.strip()) for name, text in DOCUMENTS.items() for call in CALL.findall(text)]


def options_of(command: click.Command) -> set[str]:
    """Its own options, and of a group those of its commands."""
    own = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    below = command.commands.values() if isinstance(command, click.Group) and command is not cli else ()
    return own.union({"--help", "-h"}, *(options_of(one) for one in below))


def test_every_command_is_documented_in_the_readme() -> None:
    for name, command in COMMANDS.items():
        assert f"`oairunbook {name}`" in README
        for below in command.commands if isinstance(command, click.Group) else ():
            assert f"oairunbook {name} {below}" in README


@pytest.mark.parametrize(("document", "call"), calls(), ids=lambda value: str(value)[:60])
def test_every_call_in_a_document_names_a_command_and_options_that_exist(document: str, call: str) -> None:
    words = call.split()
    if words[0].startswith("-"):
        assert words[0] in options_of(cli) | {"--version"}
        return
    assert words[0] in COMMANDS, f"{document}: oairunbook {call}"
    command = COMMANDS[words[0]]
    if isinstance(command, click.Group) and len(words) > 1:
        assert words[1] in command.commands, f"{document}: oairunbook {call}"
        command = command.commands[words[1]]
    for word in words[1:]:
        if re.fullmatch(r"-{1,2}[a-z][a-z-]*", word):
            assert word in options_of(command), f"{document}: {words[0]} has no {word}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_option_that_stands_alone_in_a_document_belongs_to_some_command(document: str) -> None:
    known = set().union(*(options_of(command) for command in (cli, *COMMANDS.values())))
    of_others = {"--help-notebook", "--check"}
    for option in re.findall(r"`(--[a-z][a-z-]*)", DOCUMENTS[document]):
        assert option in known | of_others


def test_every_exit_status_is_documented_in_the_readme_and_the_help() -> None:
    for status in (0, 1, 2, 3, 4, 130):
        assert f"| `{status}` |" in README
        assert re.search(rf"^ +{status}  ", cli.epilog or "", re.MULTILINE)


def test_every_owner_is_explained() -> None:
    for owner in get_args(Owner):
        assert f"| `{owner}` |" in README


def test_every_fault_that_is_named_in_a_document_is_in_the_lab() -> None:
    named = [fault for text in DOCUMENTS.values() for fault in re.findall(r"--lab ([a-z_.0-9]+[a-z0-9])", text)]
    assert named
    assert set(named) <= {fault.id for fault in lab.FAULTS}


def test_every_notebook_that_is_named_in_a_document_exists() -> None:
    named = {name for text in DOCUMENTS.values() for name in re.findall(r"\b0\d_[a-z_]+", text)}
    assert named
    assert named <= set(runbooks.names())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_exists(document: str) -> None:
    text = DOCUMENTS[document]
    named = re.findall(r"(?<![\w/])(?:oairunbook|tests|runbooks|record|\.ci)/[A-Za-z0-9_./-]*[a-z]", text)
    for name in named:
        assert (
            any(word in name for word in ("LAYER", "NAME"))
            or (ROOT / name).exists()
            or (ROOT / "oairunbook" / name).exists()
        ), name
    for name in re.findall(r"\]\(([A-Z]+\.md)\)", text):
        assert (ROOT / name).exists()


def test_the_readmes_first_two_commands_are_the_promised_ones() -> None:
    blocks = re.findall(r"```\n(python3 -m pip.*?)\n```", README, re.DOTALL)
    assert blocks == [
        "python3 -m pip install . && oairunbook run --lab tls.untrusted_issuer",
        "python3 -m pip install '.[test]' && python3 -m pytest",
    ]


def test_contributing_names_the_command_that_writes_the_schemas() -> None:
    assert COMMAND in CONTRIBUTING


def test_the_changelog_speaks_of_this_version() -> None:
    assert re.search(rf"^## {re.escape(__version__)}\b", DOCUMENTS["CHANGELOG.md"], re.MULTILINE)


def test_no_line_of_a_document_is_hard_to_read_in_a_terminal() -> None:
    for name, text in DOCUMENTS.items():
        for line in text.splitlines():
            assert len(line) <= 180 or line.startswith("|"), f"{name}: {line[:60]}…"
