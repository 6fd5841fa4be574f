"""The practice lab: a faithful API with a fault of your choice, on loopback, without root and without internet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oairunbook.lab.faults import FAULTS, Fault

if TYPE_CHECKING:
    from oairunbook.lab.running import Lab

__all__ = ["FAULTS", "Fault", "start"]


def start(fault_id: str) -> Lab:
    """Start the lab with one fault; use it in a `with` statement, or close it.

    Raises:
        ValueError: There is no such fault; the text names those that are near.
        OSError: A socket or the folder cannot be had.
    """
    # Here, because `python -m oairunbook.lab.api` imports this package too, and its server needs the standard library alone.
    from oairunbook.lab.running import Lab, find

    return Lab(find(fault_id))
