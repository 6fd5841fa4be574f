"""What debug logging would write for one request, caught before it is written, and what of it nobody should read."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping

from oairunbook.controls import DebugLog, LoggedLine
from oairunbook.observe import sdk
from oairunbook.observe.callers import Plan
from oairunbook.redaction import Secrets

LOGGERS = ("openai", "httpx2", "httpcore2", "httpx", "httpcore")
_MOST_LINES = 60
_LONGEST_LINE = 400


class _Catcher(logging.Handler):
    """Keeps the lines of one thread: other calls may be under way."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.thread = threading.get_ident()
        self.caught: list[tuple[str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        if record.thread == self.thread:
            self.caught.append((record.name, record.levelname, record.getMessage()))


def debug_log(plan: Plan, environment: Mapping[str, str], request: Callable[[], object]) -> DebugLog:
    """Make *request* in this thread with the loggers of the SDK and its transport at DEBUG, none of it reaching any other handler.

    The lines still hold what was logged; the caller redacts the record, as all evidence.
    """
    catcher = _Catcher()
    found = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger, logger.level, logger.propagate, list(logger.handlers), logger.disabled) for logger in found]
    try:
        for logger in found:
            logger.handlers = [catcher]
            logger.propagate = False
            logger.disabled = False
            logger.setLevel(logging.DEBUG)
        request()
    finally:
        for logger, level, propagate, handlers, disabled in before:
            logger.handlers = handlers
            logger.propagate = propagate
            logger.disabled = disabled
            logger.setLevel(level)
    lines = tuple(
        LoggedLine(logger=name, level=level, text=text.replace(sdk.PROMPT, "[prompt]")[:_LONGEST_LINE])
        for name, level, text in catcher.caught[:_MOST_LINES]
    )
    leaks = _leaks([text for _, _, text in catcher.caught], plan, environment)
    return DebugLog(lines=lines, written=len(catcher.caught), leaks=leaks)


def _leaks(texts: list[str], plan: Plan, environment: Mapping[str, str]) -> tuple[str, ...]:
    whole = "\n".join(texts)
    secrets = Secrets.from_environment({**environment, "OPENAI_API_KEY": plan.key})
    known = any(value and value in whole for value in secrets.values)
    checks = (
        (known, "a secret of this runtime, in plain text"),
        (sdk.PROMPT in whole, "the prompt"),
        (re.search(r"https?://[^\s/'\"]*@", whole), "credentials inside a URL"),
        (plan.route.host in whole or plan.route.dialled_host in whole, "the host that is called, or that of its proxy"),
        (plan.url.partition("?")[0] in whole, "the whole URL"),
        (re.search(r"set-cookie", whole, re.IGNORECASE), "cookies of the response"),
        (
            re.search(r"openai-organization|openai-project", whole, re.IGNORECASE),
            "the names of organization and project",
        ),
        (re.search(r"x-request-id|request_id", whole, re.IGNORECASE), "the request id (harmless, and worth keeping)"),
        (re.search(r"\b(?:10|127|172|192)\.\d+\.\d+\.\d+", whole), "addresses inside this network"),
    )
    return tuple(words for found, words in checks if found)
