"""Where this runs, from what the runtime shows of itself. Nothing is asked of a metadata service."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from oairunbook.evidence import Runtime
from oairunbook.route.installed import version_of

_PACKAGES = (
    "openai", "httpx2", "httpcore2", "httpx", "httpcore", "certifi", "truststore", "socksio", "aiohttp", "anyio", "dnspython",
)  # fmt: skip

_PLATFORM_VARIABLES = (
    ("AWS_LAMBDA_FUNCTION_NAME", "AWS Lambda"),
    ("ECS_CONTAINER_METADATA_URI_V4", "Amazon ECS"),
    ("K_SERVICE", "Google Cloud Run"),
    ("CLOUD_RUN_JOB", "Google Cloud Run job"),
    ("GAE_SERVICE", "Google App Engine"),
    ("FUNCTIONS_EXTENSION_VERSION", "Azure Functions"),
    ("WEBSITE_INSTANCE_ID", "Azure App Service"),
    ("CONTAINER_APP_NAME", "Azure Container Apps"),
    ("KUBERNETES_SERVICE_HOST", "Kubernetes"),
    ("VERCEL", "Vercel"),
    ("NETLIFY", "Netlify"),
    ("RENDER", "Render"),
    ("RAILWAY_PROJECT_ID", "Railway"),
    ("FLY_APP_NAME", "Fly.io"),
    ("DYNO", "Heroku"),
    ("GITHUB_ACTIONS", "GitHub Actions"),
    ("GITLAB_CI", "GitLab CI"),
    ("CODESPACES", "GitHub Codespaces"),
    ("CODEX_SANDBOX", "Codex sandbox"),
    ("CI", "CI"),
)
_REGION_VARIABLES = ("AWS_REGION", "REGION_NAME", "VERCEL_REGION", "FLY_REGION", "AWS_DEFAULT_REGION")


def this_runtime(environment: Mapping[str, str]) -> Runtime:
    """Describe the runtime of this process (platform marks: documentation of each vendor, and their own detectors)."""
    return Runtime(
        host=socket.gethostname(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        executable=sys.executable,
        openssl=ssl.OPENSSL_VERSION,
        user=_user(),
        packages=tuple(f"{name} {version}" for name in _PACKAGES if (version := version_of(name))),
        platforms=tuple(_platforms(environment)),
        region=next((environment[name] for name in _REGION_VARIABLES if environment.get(name)), None),
        timezone=time.strftime("%Z"),
    )


def _platforms(environment: Mapping[str, str]) -> list[str]:
    found = [label for name, label in _PLATFORM_VARIABLES if environment.get(name)]
    if Path("/.dockerenv").exists():
        found.append("Docker container")
    if Path("/run/.containerenv").exists():
        found.append("Podman container")
    if Path("/etc/alpine-release").exists():
        found.append("Alpine Linux")
    try:
        if "microsoft" in Path("/proc/version").read_text("utf-8", "replace").lower():
            found.append("WSL")
    except OSError:
        pass
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
