"""What the installed SDK waits, repeats and raises: read from the package itself, because it changes from version to version."""

from __future__ import annotations

import inspect
from typing import Any

from oairunbook.controls import Defaults, ExceptionClass
from oairunbook.route.installed import version_of

_WRAPPERS = (
    "langchain-openai", "langchain", "langgraph", "llama-index-llms-openai", "llama-index-core", "litellm", "openai-agents", "pydantic-ai-slim",
    "instructor", "dspy", "haystack-ai", "semantic-kernel", "autogen-ext", "crewai", "smolagents", "guidance", "marvin", "mirascope", "agno",
    "langfuse", "traceloop-sdk", "tenacity", "backoff",
)  # fmt: skip
"""Packages that put a layer of their own over the SDK, or repeat calls."""


def defaults(client: Any) -> Defaults:
    """The settings of a client whose application says nothing; *client* is a constructed synchronous client of the SDK."""
    import openai

    constants = _module("openai._constants")
    timeout = client.timeout
    limits = getattr(openai, "DEFAULT_CONNECTION_LIMITS", None)
    return Defaults(
        connect_seconds=_phase(timeout, "connect"),
        read_seconds=_phase(timeout, "read"),
        write_seconds=_phase(timeout, "write"),
        pool_seconds=_phase(timeout, "pool"),
        max_retries=int(getattr(openai, "DEFAULT_MAX_RETRIES", 2)),
        first_delay_seconds=getattr(constants, "INITIAL_RETRY_DELAY", None),
        longest_delay_seconds=getattr(constants, "MAX_RETRY_DELAY", None),
        longest_retry_after_seconds=getattr(constants, "MAX_RETRY_AFTER_DELAY", None),
        max_connections=getattr(limits, "max_connections", None),
        keepalive_connections=getattr(limits, "max_keepalive_connections", None),
        keepalive_seconds=getattr(limits, "keepalive_expiry", None),
    )


def exception_classes() -> tuple[ExceptionClass, ...]:
    """The exception classes that the SDK exports, each with its bases up to `OpenAIError`."""
    import openai

    found = []
    for name in dir(openai):
        value = getattr(openai, name)
        if inspect.isclass(value) and issubclass(value, openai.OpenAIError):
            bases = tuple(base.__name__ for base in value.__mro__[1:] if issubclass(base, openai.OpenAIError))
            found.append(ExceptionClass(name=name, bases=bases))
    return tuple(found)


def wrappers() -> tuple[str, ...]:
    """Installed packages that hide the SDK, with their versions."""
    return tuple(f"{name} {version}" for name in _WRAPPERS if (version := version_of(name)))


def _phase(timeout: Any, name: str) -> float | None:
    if timeout is None or isinstance(timeout, (int, float)):
        return None if timeout is None else float(timeout)
    value = getattr(timeout, name, None)
    return None if value is None else float(value)


def _module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        return None
