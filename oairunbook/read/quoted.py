# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""Errors that a text is about and does not show: documentation, release notes, advice."""

from __future__ import annotations

import re

# Advice speaks to whom it may concern, a report of what its writer met: `I get`, `it throws`.
_ADVICE = re.compile(
    r"\b(?:if|when|whenever|in case|should) you(?:'re| are)? (?:ever |still |also |then )?(?:see|seeing|get|getting|encounter|encountering|receive|run into|running into|hit|hitting|face|facing)\b"
    r"|\b(?:you|users|callers|clients) (?:may|might|can|could|will|would) (?:also |still |then )?(?:see|get|encounter|receive|run into|hit)\b"
    r"|\bcommon (?:errors?|causes?)\b|\b(?:is|are|was|gets?) (?:raised|returned|thrown) (?:when|if|whenever)\b"
    r"|(?:如果|若|当)(?:你|您|用户)?(?:遇到|看到|出现|收到)|wenn (?:Sie|du) .{0,40}(?:sehen|siehst|erhalten|erh[aä]ltst)|si (?:vous|tu) (?:voyez|vois|obtenez|obtiens)|si (?:usted )?(?:ve|recibe|obtiene)\b",
    re.IGNORECASE,
)
# A line of a list of changes.
_CHANGE = re.compile(
    r"^\s{0,12}(?:[-*+\u2022]|\d{1,3}\.)\s{1,4}(?:\[[^\]\n]{1,40}\]\s?|\w{1,12}(?:\([\w ./-]{1,40}\))?!?: )?"
    r"(?:fix(?:e[sd])?|bug ?fix|handle[sd]|improve[sd]|add(?:s|ed)|resolve[sd]|prevent(?:s|ed)|avoid(?:s|ed)|document(?:s|ed))\b",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^[ \t>]{0,8}(?:`{3,4}\w{0,20}|~{3,4}\w{0,20})?[ \t]*$")


def is_quoted(line: str) -> bool:
    """Whether a line speaks of an error as advice and lists of changes do."""
    return _ADVICE.search(line) is not None or _CHANGE.match(line) is not None


def introduces(line: str) -> bool:
    """Whether a line speaks so of what stands below it."""
    return line.rstrip().endswith((":", "\uff1a")) and _ADVICE.search(line) is not None


def is_introduced(before: str) -> bool:
    """Whether the last line of *before*, the text up to an error's own lines, does."""
    return next((introduces(line) for line in reversed(before[-400:].split("\n")) if not _FENCE.match(line)), False)
