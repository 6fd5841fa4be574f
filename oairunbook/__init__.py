"""A runbook for `openai.APIConnectionError`: where the evidence first changes, who owns that, what to hand over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    import threading

    from oairunbook.collector.place import Place
    from oairunbook.evidence import Evidence
    from oairunbook.observe.application.block import Observing as observe  # noqa: N813 - what it is called with, it is
    from oairunbook.observe.application.recording import recording
    from oairunbook.verdict import Verdict

__all__ = ["Checked", "__version__", "check", "observe", "recording"]


def __getattr__(name: str) -> Any:
    """What an application calls, loaded when it is: `import oairunbook` costs a command that needs none of it nothing."""
    import importlib

    if name == "observe":
        # The package of the probes; it can be called (`oairunbook.observe._CallableModule`).
        return importlib.import_module("oairunbook.observe")
    if name == "recording":
        return importlib.import_module("oairunbook.observe.application.recording").recording
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One same-path test: what was seen, and the verdict."""

    evidence: Evidence
    verdict: Verdict


def check(
    base_url: str = "",
    model: str = "",
    route: str = "auto",
    timeout: float = 5.0,
    budget: float = 30.0,
    archive: str = "",
    repeat: int = 16,
    idle: float | None = None,
    control_url: str | None = None,
    progress: Callable[[str], None] | None = None,
    cancelled: threading.Event | None = None,
    place: Place | None = None,
    sent: Mapping[str, str] | None = None,
    client: Any = None,
) -> Checked:
    """Run the same-path test now, and judge it.

    Args:
        base_url: As it would be given to the SDK's client; empty for what the SDK itself would use.
        model: Model, on Azure the deployment; empty to pick a small one that this key sees.
        route: `auto`, `direct`, `azure` or `gateway`.
        timeout: Seconds for one step.
        budget: Seconds in all.
        archive: Folder of the archive whose key fingerprints the API key; empty for none. No fingerprint where it cannot be written.
        repeat: Attempts in all, to see faults that come and go; each but the first is unbilled and without credentials.
        idle: Also use a connection again that was idle for so many seconds.
        control_url: Direct route of the control test of an Azure or gateway route; empty for none, None for the public API.
        progress: Called with a short text as each step begins.
        cancelled: Set it from another thread to end the test; None if nobody will.
        place: Where to look from, see `oairunbook.collector.place`; None for this process.
        sent: Variables to set in that place before the look.
        client: The application's own client of the SDK, or `MODULE:FACTORY` that gives it there; then its settings count and not *base_url*.

    Raises:
        oairunbook.observe.CutShortError: It was interrupted or cancelled, or the tool failed; what had been seen is in it.
        oairunbook.observe.factory.NoClientError: *client* names none.
        oairunbook.collector.carrier.NowhereError: *place* cannot be reached, or *client* names none there.
        oairunbook.collector.carrier.NotCollectedError: No record came back from *place*.
        oairunbook.record.archive.ArchiveError: *archive* is none, or its fingerprint key is none.
        ValueError: *route* is unknown, *timeout* or *budget* is not positive, *repeat* is below 1, or *idle* is negative.
    """
    from oairunbook.diagnose import diagnose

    if not (timeout > 0 and budget > 0):
        raise ValueError(f"timeout and budget are seconds above 0, not {timeout!r} and {budget!r}")
    if repeat < 1 or (idle is not None and idle < 0):
        raise ValueError(f"repeat is 1 or more and idle is no negative time, not {repeat!r} and {idle!r}")
    key = None
    if archive:
        from oairunbook.record.archive import ArchiveError, fingerprint_key
        from oairunbook.record.archive.find import archive_root

        try:
            key = fingerprint_key(archive_root(archive))
        except OSError:
            # A disk that is full or cannot be written costs the fingerprint, and not the test.
            key = None
        except ValueError as error:
            raise ArchiveError(f"{error}.") from error
    options = {"base_url": base_url, "model": model, "route": route, "timeout": timeout, "budget": budget}
    options |= {"repeat": repeat, "idle": idle, "control_url": control_url, "client": client}
    watching = {"fingerprint_key": key, "progress": progress, "cancelled": cancelled}
    if place is None:
        from oairunbook.observe.portable import look_here

        evidence = look_here(**options, **watching)  # type: ignore[arg-type]
    else:
        from oairunbook.collector.there import look_there

        evidence = look_there(place, sent=sent, **options, **watching)  # type: ignore[arg-type]
    return Checked(evidence=evidence, verdict=diagnose(evidence))
