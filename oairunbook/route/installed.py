"""Which SDK and transport this interpreter has, read from package metadata: importing the SDK costs most of a second."""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from pathlib import Path

from oairunbook.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Versions of the SDK and of the library that carries its requests."""

    sdk: str | None
    transport_name: str | None
    transport_version: str | None

    @property
    def transport(self) -> str | None:
        """For people and records, for example `httpx2 2.16.2`; None if there is none."""
        return f"{self.transport_name} {self.transport_version}" if self.transport_name else None

    @property
    def transport_number(self) -> tuple[int, int]:
        """Major and minor of the transport, `(0, 0)` if there is none."""
        return release(self.transport_version)


def installed_sdk() -> Installed:
    """What this interpreter would import. SDK 3 and later use httpx2, 1 and 2 use httpx (openai's own requirements)."""
    sdk = version_of("openai")
    wanted = "httpx2" if release(sdk) >= (3, 0) else "httpx"
    transport_version = version_of(wanted) if sdk else None
    return Installed(
        sdk=sdk,
        transport_name=wanted if transport_version else None,
        transport_version=transport_version,
    )


def version_of(package: str) -> str | None:
    """Version of an installed distribution; None if it is not installed.

    A wheel's metadata lies in a folder named for its name and version (Python packaging, "Recording installed projects"). Those names are read
    first: `importlib.metadata` costs every command 20 ms, and is asked where a path holds something else.
    """
    wanted = re.sub(r"[-_.]+", "_", package).lower()
    for folder in sys.path:
        versions = _wheels(folder or ".", _changed_ns(folder or "."))
        if versions is None:
            return _by_metadata(package)
        if wanted in versions:
            return versions[wanted]
    return None


@lru_cache(maxsize=64)
def _wheels(folder: str, changed_ns: int) -> dict[str, str] | None:
    """Versions by normalised name of what wheels left in a folder; None if something else may be installed there. *changed_ns* is for the cache."""
    if not changed_ns:
        return {}
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names alone
    except OSError:
        return None
    versions: dict[str, str] = {}
    for name in names:
        stem, _, kind = name.rpartition(".")
        if kind in ("egg-info", "egg", "egg-link"):
            return None
        project, _, version = stem.partition("-")
        if kind == "dist-info":
            versions.setdefault(re.sub(r"[-_.]+", "_", project).lower(), version)
    return versions


def _changed_ns(folder: str) -> int:
    """When a folder changed; 0 if there is none."""
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def _by_metadata(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def release(version: str | None) -> tuple[int, int]:
    """Major and minor of a version text (PEP 440); `(0, 0)` if there is none."""
    numbers = (version or "0.0").split(".")
    try:
        return int(numbers[0]), int(numbers[1])
    except (ValueError, IndexError):
        return 0, 0
