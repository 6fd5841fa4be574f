"""The real package `openai` of npm, of one version, in a folder of a Node.js application. It has no dependencies, so no npm is needed to install it."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import httpx
import pytest

VERSION = "6.30.1"
_SHA512 = "5bkK9GoQMd8j4a0TeY95AIC7FtGP38HlfO+YvRq4TkEndHLI1iR8ct9wajmsAMw+G/QcPOZnqzhhsUT2GKUWkA=="
"""The registry's own `integrity` of this version."""


def application(folder: Path, cache: Path) -> Path:
    """Make *folder* a Node.js application that has the package, kept in *cache*; skips the test where the registry cannot be reached."""
    kept = cache / f"openai-{VERSION}.tgz"
    if not kept.exists():
        try:
            answer = httpx.get(f"https://registry.npmjs.org/openai/-/openai-{VERSION}.tgz", timeout=60)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            pytest.skip(f"the package openai cannot be fetched from the npm registry: {error}")
        kept.write_bytes(answer.content)
    data = kept.read_bytes()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != _SHA512:
        kept.unlink()
        raise AssertionError(f"what came for openai {VERSION} is another package than the one that is meant")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        # Debian 12 has Python 3.11.2, which knows no filters yet (tarfile, "Supporting older Python versions").
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        archive.extractall(folder)
    modules = folder / "node_modules"
    modules.mkdir()
    (folder / "package").rename(modules / "openai")
    (folder / "package.json").write_text("{}")
    return folder
