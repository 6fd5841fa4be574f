"""Where this runs, from what the runtime shows of itself. Nothing is asked of a metadata service."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from oairunbook.evidence import Runtime
from oairunbook.route.installed import version_of
from oairunbook.route.paths import exists

_PACKAGES = (
    "openai", "httpx2", "httpcore2", "httpx", "httpcore", "certifi", "truststore", "socksio", "aiohttp", "anyio", "dnspython",
)  # fmt: skip

PLATFORM_VARIABLES = (
    ("AWS_LAMBDA_FUNCTION_NAME", "AWS Lambda"),
    ("LAMBDA_TASK_ROOT", "AWS Lambda"),
    ("ECS_CONTAINER_METADATA_URI_V4", "Amazon ECS"),
    ("ECS_CONTAINER_METADATA_URI", "Amazon ECS"),
    ("FUNCTION_TARGET", "Google Cloud Functions"),
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
    ("CF_PAGES", "Cloudflare Pages build"),
    ("WORKERS_CI", "Cloudflare Workers build"),
    ("DENO_DEPLOYMENT_ID", "Deno Deploy"),
    ("GITHUB_ACTIONS", "GitHub Actions"),
    ("GITLAB_CI", "GitLab CI"),
    ("CIRCLECI", "CircleCI"),
    ("BUILDKITE", "Buildkite"),
    ("JENKINS_URL", "Jenkins"),
    ("CODEBUILD_BUILD_ARN", "AWS CodeBuild"),
    ("TEAMCITY_VERSION", "TeamCity"),
    ("CODESPACES", "GitHub Codespaces"),
    ("GITPOD_WORKSPACE_ID", "Gitpod"),
    ("REPL_ID", "Replit"),
    ("CODEX_SANDBOX", "Codex sandbox"),
    ("CLAUDECODE", "coding agent"),
    ("CURSOR_AGENT", "coding agent"),
    ("GEMINI_CLI", "coding agent"),
    ("COPILOT_AGENT", "coding agent"),
    ("CI", "CI"),
)
PLATFORM_FILES = (
    ("/.dockerenv", "Docker container"),
    ("/run/.containerenv", "Podman container"),
    ("/var/run/secrets/kubernetes.io/serviceaccount/token", "Kubernetes"),
    ("/etc/kubernetes/aks-cluster-metadata", "Azure Kubernetes Service"),
    ("/etc/alpine-release", "Alpine Linux"),
)
PLATFORM_TEXTS = (
    ("/proc/version", "microsoft", "WSL"),
    ("/proc/self/mountinfo", "/docker/containers/", "Docker container"),
    ("/proc/self/cgroup", "/docker/", "Docker container"),
    ("/sys/class/dmi/id/bios_vendor", "google", "Google Compute Engine"),
    ("/sys/class/dmi/id/sys_vendor", "amazon ec2", "Amazon EC2"),
    # The asset tag that every virtual machine of Azure has.
    ("/sys/class/dmi/id/chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77", "Azure virtual machine"),
)
_NODE_VARIABLES = ("NODE_NAME", "K8S_NODE_NAME", "KUBERNETES_NODE_NAME", "KUBE_NODE_NAME", "MY_NODE_NAME")
"""How manifests name what the downward API gives as `spec.nodeName`."""

_ELSEWHERE = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))
"""Addresses of documentation (RFC 5737, RFC 3849), which nobody has: only the default route leads there."""

REGION_VARIABLES = ("AWS_REGION", "REGION_NAME", "VERCEL_REGION", "FLY_REGION", "DENO_REGION", "AWS_DEFAULT_REGION")


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
        platforms=labels(platform_marks(environment)),
        region=region_of(environment),
        timezone=time.strftime("%Z"),
        node=next((environment[name] for name in _NODE_VARIABLES if environment.get(name)), None),
        distribution=_distribution(),
        source_address=_source_address(),
        gateway=_gateway(),
    )


def _mentions(path: str, mark: str) -> bool:
    return mark in _text(path)


def platform_marks(
    environment: Mapping[str, str],
    is_there: Callable[[str], bool] = exists,
    mentions: Callable[[str, str], bool] = _mentions,
) -> tuple[tuple[str, str], ...]:
    """What the runtime shows itself to be, and by what; several can hold, and one can show itself more than once.

    *is_there* says whether a file of that runtime exists, *mentions* whether it holds a text in lower case.
    """
    found = [(label, f"{name} is set") for name, label in PLATFORM_VARIABLES if environment.get(name)]
    execution = environment.get("AWS_EXECUTION_ENV", "")
    if execution.startswith("AWS_ECS"):
        found.append(("Amazon ECS", f"AWS_EXECUTION_ENV is {execution}"))
    if environment.get("container"):
        found.append((f"{environment['container'].capitalize()} container", "the variable container is set"))
    found += [(label, path) for path, label in PLATFORM_FILES if is_there(path)]
    found += [(label, f"{path} names it") for path, mark, label in PLATFORM_TEXTS if mentions(path, mark)]
    return tuple(found)


def labels(marks: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Each platform once."""
    return tuple(dict.fromkeys(label for label, _ in marks))


def region_of(environment: Mapping[str, str]) -> str | None:
    """The region that a platform's variable names; None if none does."""
    return next((environment[name] for name in REGION_VARIABLES if environment.get(name)), None)


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace").lower()
    except OSError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _distribution() -> str | None:
    lines = _lines("/etc/os-release") or _lines("/usr/lib/os-release")
    named = {name: value.strip("\"'") for name, _, value in (line.partition("=") for line in lines)}
    image = " ".join(filter(None, (named.get("IMAGE_ID"), named.get("IMAGE_VERSION"))))
    return ", ".join(filter(None, (named.get("PRETTY_NAME"), image))) or None


def _source_address() -> str | None:
    """Connecting a UDP socket looks up the route and sends nothing (connect(2))."""
    for address, family in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((address, 9))
                return str(probe.getsockname()[0])
        except OSError:
            # No route by this family, or no such family.
            pass
    return None


def _gateway() -> str | None:
    rows = [line.split() for line in _lines("/proc/net/route")]
    if not rows:
        return None
    # Destination and mask 0 are the default route; addresses stand in this machine's byte order.
    through = [row[2] for row in rows[1:] if len(row) > 7 and row[1] == row[7] == "00000000"]
    try:
        return socket.inet_ntoa(struct.pack("=I", int(through[0], 16))) if through else ""
    except (ValueError, struct.error):
        return None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
