r"""What somebody asked a model, and what it said, in requests and answers that a text shows: no reader looks into that.

Whoever asks a model what `{"error": {"code": "invalid_api_key"}}` means has not been refused by the API.
"""

from __future__ import annotations

import functools
import re

# A string of JSON, Python or JavaScript, or of JSON inside a string of JSON. One that is cut off ends with its line.
_STRING = (
    r"""(?:\\"(?:[^\\\n]|\\\\\\"|\\[^"\n])*?(?:\\"|$)"""
    r"""|"(?:[^"\\\n]|\\[^\n])*(?:"|\\?$)"""
    r"""|'(?:[^'\\\n]|\\[^\n])*(?:'|\\?$))"""
)
_IS = r"""\\{0,3}["']?\s{0,9}:\s{0,9}"""
_NEXT = r"""\s?,\s{0,40}\\{0,3}["']?"""
_ROLE = rf"""role{_IS}\\{{0,3}}["'](?:user|system|developer|assistant|tool|function|model)\\{{0,3}}["']"""
_TYPE = rf"""type{_IS}\\{{0,3}}["'](?:input_|output_)?text\\{{0,3}}["']"""
_MARKS = ("role", '"text"', "'text'", "_text")
# As a value, which an error's own field of that name is not: nearly every text holds one of those.
_OF_A_MESSAGE = re.compile(r"""message\\{0,3}["']\s?,""")
# The body of a request, as a log shows it, or the call of the SDK: beside a model's name these hold what it is asked; elsewhere they are words of any program.
_QUESTION = rf"""(?:["'](?:input|prompt|instructions){_IS}|\b(?:input|prompt|instructions)\s?=\s?[fFrRuU]?)"""
_MESSAGE = rf"""type{_IS}\\{{0,3}}["']message\\{{0,3}}["']"""
# The SDK's own debug line: what it is about to send, whatever its parts are called.
_OPTIONS = "Request options: "


@functools.cache
def _said() -> re.Pattern[str]:
    return re.compile(
        rf"(?P<key>(?:{_ROLE}|{_MESSAGE}){_NEXT}content{_IS}|{_TYPE}{_NEXT}text{_IS}|output_text(?:{_IS}|\s?=\s?))(?P<said>{_STRING})"
        rf"|(?P<before>content{_IS})(?P<first>{_STRING})(?P<role>{_NEXT}{_ROLE})",
        re.MULTILINE,
    )


@functools.cache
def _asked() -> re.Pattern[str]:
    return re.compile(rf"(?P<key>(?:content|input|prompt|instructions|text|system){_IS})(?P<said>{_STRING})")


@functools.cache
def _model() -> re.Pattern[str]:
    return re.compile(rf"""["']model{_IS}\\{{0,3}}["']|\bmodel\s?=\s?["']""")


@functools.cache
def _question() -> re.Pattern[str]:
    # Embeddings are asked for with a list of texts.
    return re.compile(
        rf"(?P<key>{_QUESTION})(?P<said>{_STRING})"
        rf"|(?P<before>{_QUESTION}\[\s{{0,9}})(?P<first>{_STRING}(?:\s?,\s{{0,9}}{_STRING}){{0,2000}})",
        re.MULTILINE,
    )


def without_conversation(text: str) -> str:
    """The text with empty strings in the place of what was said to a model, and by it."""
    if any(mark in text for mark in _MARKS) or _OF_A_MESSAGE.search(text):
        text = _said().sub(_emptied, text)
    if "model" in text and _model().search(text):
        text = _question().sub(_emptied, text)
    if _OPTIONS not in text:
        return text
    return "\n".join(_asked().sub(_emptied, line) if _OPTIONS in line else line for line in text.split("\n"))


def _emptied(match: re.Match[str]) -> str:
    parts = match.groupdict()
    said = parts["said"] or parts.get("first") or ""
    quote = said[: 2 if said.startswith("\\") else 1]
    return f"{parts['key'] or parts['before']}{quote}{quote}{parts.get('role') or ''}"
