"""The canary guard: every test has secrets in its environment, and fails if one of them shows up in what it left behind.

What is searched: standard output and error (also what `capsys` and `capfd` handed out), logs, the text of a failure, what a
`CliRunner` collected, outputs of subprocesses read by `communicate` or `subprocess.run`, and all files below `tmp_path`.
"""

from __future__ import annotations

import logging
import os
import subprocess
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from tests.world.canary import Canaries

_NOT_FROM_THIS_MACHINE = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
    *("OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_TYPE", "OPENAI_API_VERSION", "OPENAI_LOG"),
    *("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT", "AZURE_OPENAI_AD_TOKEN"),
    *("OAIRUNBOOK_ARCHIVE", "OAIRUNBOOK_PRACTICE"),
)
"""Variables that would change what a route is; a test that wants one sets it."""


class _Watched:
    """What one test has shown so far."""

    def __init__(self, canaries: Canaries, folder: Path | None) -> None:
        self.canaries = canaries
        self.folder = folder
        self.texts: list[tuple[str, str | bytes]] = []

    def found(self) -> list[str]:
        found = [leak for where, text in self.texts for leak in self.canaries.found_in(where, text)]
        return found + (self.canaries.found_below(self.folder) if self.folder else [])


_WATCHED = pytest.StashKey[_Watched]()


@pytest.fixture(autouse=True)
def canaries(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Canaries:
    """The secrets of this test, which stand in its environment. No output of the test may show one of them."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    watched = request.node.stash[_WATCHED] = _Watched(Canaries(), folder)
    for name in _NOT_FROM_THIS_MACHINE:
        monkeypatch.delenv(name, raising=False)
    for name, value in watched.canaries.environment.items():
        monkeypatch.setenv(name, value)
    # What somebody has verified is kept with him; a test is somebody else.
    monkeypatch.setenv("XDG_STATE_HOME", str(request.getfixturevalue("tmp_path_factory").getbasetemp() / "state"))
    caplog.set_level(logging.DEBUG, "oairunbook")
    _listen(monkeypatch, watched)
    return watched.canaries


def _listen(monkeypatch: pytest.MonkeyPatch, watched: _Watched) -> None:
    """Also watch what a test takes out of the captured output itself."""

    def watch(owner: type, name: str, texts_of: Callable[[Any], list[str | bytes | None]]) -> None:
        original = getattr(owner, name)

        def watching(*args: Any, **keywords: Any) -> Any:
            result = original(*args, **keywords)
            watched.texts += [(f"{owner.__name__}.{name}", text) for text in texts_of(result) if text]
            return result

        monkeypatch.setattr(owner, name, watching)

    watch(pytest.CaptureFixture, "readouterr", list)
    watch(subprocess.Popen, "communicate", list)
    watch(click.testing.CliRunner, "invoke", _texts_of_invocation)


def _texts_of_invocation(result: click.testing.Result) -> list[str | bytes | None]:
    trace = "".join(traceback.format_exception(result.exception)) if result.exception else ""
    return [result.stdout_bytes, result.stderr_bytes, trace]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _forbid_skips(report)
    watched = item.stash.get(_WATCHED, None)
    if watched is not None:
        if report.failed:
            watched.texts.append(("the text of the failure", report.longreprtext))
        if report.when == "teardown":
            watched.texts += report.sections
            found = list(dict.fromkeys(watched.found()))
            if found:
                report.outcome = "failed"
                report.longrepr = "A canary secret leaked:\n" + "\n".join(found)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid_skips(report)
    return report


def _forbid_skips(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A skip on somebody's machine is a failure where everything must run."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("OAIRUNBOOK_REQUIRE_ALL") == "1":
        report.outcome = "failed"
        report.longrepr = f"OAIRUNBOOK_REQUIRE_ALL=1 forbids this skip: {report.longrepr}"
