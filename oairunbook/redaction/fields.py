"""Where a name and its value are fields of one object, in either order and with other fields between.

`{"name": …, "slotSetting": false, "value": …}` as Azure, ECS, CloudFormation and Kubernetes list an environment, in JSON, YAML or attributes of XML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_QUOTE = r"(?:\\{0,8}[\"'`]|&quot;)"
_TOKEN = re.compile(
    r"(?P<open>\{)|(?P<close>\})|(?P<item>(?:\A|\n)[ \t]{0,80}-[ \t]|\n[ \t]{0,80}\r?\n|<[A-Za-z/])|"
    r"(?<![A-Za-z0-9_])[A-Za-z_]{0,20}?(?P<field>[nN]ame|NAME|[kK]ey|KEY|[vV]ariable|[vV]alue|VALUE)"
    rf"(?:{_QUOTE})?[ \t]{{0,40}}[:=][ \t]{{0,40}}(?:[bBuU]?(?P<quote>{_QUOTE})|(?P<bare>[^\s\"'`<>{{}}]))"
)
_NAME = re.compile(r"[\w.-]{2,64}")
_FARTHEST = 2_000
"""Characters between a name and its value where no brace holds them together."""


@dataclass
class _Object:
    names: list[tuple[int, str]] = field(default_factory=list)
    values: list[re.Match[str]] = field(default_factory=list)

    def pairs(self, farthest: int | None) -> Iterator[tuple[str, re.Match[str]]]:
        """Each value once, with the first of the names that stands near enough."""
        # An object of more names is a dictionary, in which no name is another's.
        for value in self.values:
            for at, name in self.names[:_NAMES_OF_ONE]:
                if farthest is None or abs(value.start() - at) <= farthest:
                    yield name, value


_NAMES_OF_ONE = 3


def pairs(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Each name with the field that holds its value; the groups `quote` or `bare` say where the value begins."""
    if "alue" not in text and "VALUE" not in text:
        return
    around: list[_Object] = []
    now = _Object()
    for token in _TOKEN.finditer(text):
        if token["open"]:
            around.append(now)
            now = _Object()
        elif token["close"]:
            yield from now.pairs(None if around else _FARTHEST)
            now = around.pop() if around else _Object()
        elif token["item"]:
            if not around:
                yield from now.pairs(_FARTHEST)
                now = _Object()
        else:
            is_value = token["field"].lower() == "value"
            if not around and now.names and now.values:
                # Without braces the next object begins with the kind of field that began this one.
                first = now.values[0].start() < now.names[0][0]
                if first == is_value:
                    yield from now.pairs(_FARTHEST)
                    now = _Object()
            if is_value:
                now.values.append(token)
            else:
                name = _NAME.match(text, token.end("quote") if token["quote"] else token.start("bare"))
                if name:
                    now.names.append((token.start(), name[0]))
    for one in (*around, now):
        # An object that a cut left open.
        yield from one.pairs(_FARTHEST)
