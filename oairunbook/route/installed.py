"""Which SDK and transport this interpreter has, read from package metadata: importing the SDK costs most of a second."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata


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
    """Version of an installed distribution; None if it is not installed."""
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
