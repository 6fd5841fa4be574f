"""A check that somebody cancels: it ends at once, keeps what it saw, and sends nothing more."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from oairunbook import check, lab
from oairunbook.evidence import NotTried
from oairunbook.lab.running import Lab
from oairunbook.observe import CutShortError


def lay_over(monkeypatch: pytest.MonkeyPatch, running: Lab) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    for name, value in running.environment.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def test_a_cancelled_check_keeps_what_it_saw_and_begins_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.start("tls.timeout") as running:
        lay_over(monkeypatch, running)
        cancelled, begun = threading.Event(), []

        def progress(text: str) -> None:
            begun.append(text)
            if text.startswith("tls:"):
                cancelled.set()

        began = time.monotonic()
        with pytest.raises(CutShortError) as cut:
            check(timeout=20.0, budget=60.0, progress=progress, cancelled=cancelled)
        # The handshake alone would have waited for its 20 seconds.
        assert time.monotonic() - began < 15
        assert isinstance(cut.value.__cause__, KeyboardInterrupt)
        seen = {o.probe for o in cut.value.evidence.observations if not isinstance(o.outcome, NotTried)}
        assert {"client", "dns", "tcp"} <= seen
        assert "sdk" not in seen
        so_far = len(begun)
        for thread in threading.enumerate():
            if thread.name == "oairunbook walk":
                thread.join(15)
                assert not thread.is_alive()
        assert begun[so_far:] == []


def test_a_check_that_nobody_cancels_ends_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.start("ok") as running:
        lay_over(monkeypatch, running)
        checked = check(model=running.model, repeat=1, cancelled=threading.Event())
    assert (checked.verdict.owner, checked.verdict.cause) == ("none", "ok")
    assert os.environ["OPENAI_BASE_URL"] == checked.evidence.route.base_url.value
