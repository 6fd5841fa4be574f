"""Carriers for real, those that are cheap: two faults are told apart through each, and each is left as it was. `python -m tests.carriers` tries more."""

from __future__ import annotations

import pytest

from tests.carriers import CARRIERS, opened
from tests.carriers.__main__ import FAULTS, verdict

CHEAP = ("su", "nsenter", "systemd-nspawn")
"""OpenSSH, network namespaces and a bare root have tests of their own (`tests/test_collector.py`)."""


@pytest.mark.parametrize("name", CHEAP)
def test_two_faults_are_told_apart_there_and_nothing_is_left(name: str) -> None:
    (carrier,) = (carrier for carrier in CARRIERS if carrier.name == name)
    reason = carrier.why_not()
    if reason:
        pytest.skip(reason)
    with opened(carrier) as place:
        before = place.left()
        assert tuple(verdict(place.command, fault) for fault in FAULTS) == FAULTS
        assert place.left() == before
        assert len(before.splitlines()) > 1
