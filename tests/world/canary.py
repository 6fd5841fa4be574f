"""Canary secrets: values that no output may show, and the search for them."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

_FRAGMENT = 12
"""A leak of twice this length always holds one whole fragment; a shorter text is no use for guessing the rest."""


class CanaryLeakError(AssertionError):
    """A secret showed up where it must not be."""


def forms(value: str) -> Iterator[bytes]:
    """How one secret can look in an output: as it is, in fragments, URL-encoded, inside base64 at any offset."""
    data = value.encode()
    yield data
    yield from (data[i : i + _FRAGMENT] for i in range(8, len(data) - _FRAGMENT + 1, _FRAGMENT))
    yield quote(value).encode()
    yield quote(value, safe="").encode()
    yield quote_plus(value).encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data)
        # The first characters mix in what stands before the value, the last ones what stands behind it.
        inner = encoded[(0, 2, 3)[offset] : len(encoded.rstrip(b"=")) - 1]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


@dataclass(frozen=True, slots=True)
class Canaries:
    """The secrets of one test. No two tests share one, so a leak names its test."""

    openai_key: str = field(default_factory=lambda: f"sk-proj-{secrets.token_hex(24)}")
    azure_key: str = field(default_factory=lambda: f"sk-azure-{secrets.token_hex(24)}")
    proxy_password: str = field(default_factory=lambda: f"{secrets.token_hex(16)}+/{secrets.token_hex(6)}")
    other: str = field(default_factory=lambda: f"unrelated-{secrets.token_hex(20)}")
    """The value of a variable that is none of our business."""

    own_files: set[Path] = field(default_factory=set)
    """Files that hold a secret because the test put it there, for example a key file."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "OPENAI_API_KEY": self.openai_key,
            "AZURE_OPENAI_API_KEY": self.azure_key,
            "DATABASE_PASSWORD": self.other,
            "BUILD_NOTE": f"note {self.other}",
        }

    def proxy_url(self, host: str, port: int, *, scheme: str = "http", user: str = "runner") -> str:
        """A proxy URL with the password of this test."""
        return f"{scheme}://{user}:{quote(self.proxy_password, safe='')}@{host}:{port}"

    def found_in(self, where: str, text: str | bytes) -> list[str]:
        """Say which secrets stand in a text, and where; empty if none does."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        return [
            f"{name} in {where}"
            for name in ("openai_key", "azure_key", "proxy_password", "other")
            if any(form in data for form in forms(getattr(self, name)))
        ]

    def found_below(self, folder: Path) -> list[str]:
        """Search the names and the contents of all files below a folder."""
        found: list[str] = []
        for parent, folders, files in os.walk(folder):
            for name in (*folders, *files):
                path = Path(parent, name)
                found += self.found_in(f"the name of {path}", str(path))
                if path.is_file() and not path.is_symlink() and path not in self.own_files:
                    found += self.found_in(str(path), path.read_bytes())
        return found


def fail_on(found: Iterable[str]) -> None:
    """Raise if anything was found."""
    places = list(dict.fromkeys(found))
    if places:
        raise CanaryLeakError("A canary secret leaked: " + "; ".join(places))
