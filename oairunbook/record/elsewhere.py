"""The evidence of a run that looks from another place: collected there before the first notebook, which then judges the record."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from oairunbook.collector.carrier import NotCollectedError
from oairunbook.collector.place import Place, by_interpreter
from oairunbook.collector.there import look_there
from oairunbook.evidence import Evidence
from oairunbook.observe import DEFAULT_REPEAT, CutShortError
from oairunbook.record.archive import fingerprint_key
from oairunbook.record.runbooks import ParameterError, Value
from oairunbook.record.source import BEFORE_A_RECORD, DEFAULT_BUDGET, try_often

_LOOK = ("base_url", "model", "route", "timeout", "budget", "idle", "control_url")
"""Parameters of the notebooks that say how to look."""


def place_for(place: Place | None, client: str | None) -> Place | None:
    """Where to look: the application's own client is made in no kernel, but by this interpreter in the working folder, if no other is named."""
    return by_interpreter(sys.executable) if place is None and client is not None else place


def looking_from(
    place: Place,
    sent: Mapping[str, str],
    client: str | None,
    interrupted: threading.Event,
    progress: Callable[[str], None],
) -> Callable[[Mapping[str, Value], Path], tuple[Evidence, ...]]:
    """What `oairunbook.record.run.run` takes as *look*; for *client* see `oairunbook.check`.

    Raises, once it is called:
        ParameterError: A parameter asks for other evidence than a look there, or the archive cannot be written. Nothing was sent.
        NowhereError, NotCollectedError, KeyboardInterrupt: See `look_there`; once something was seen there, that is what there is.
    """

    def look(values: Mapping[str, Value], root: Path) -> tuple[Evidence, ...]:
        other = [name for name in ("evidence", *BEFORE_A_RECORD) if values.get(name)]
        if other:
            raise ParameterError(
                f"A place to look from is given, and what is seen there is the evidence: {', '.join(other)} cannot be given as well. "
                "Nothing was sent, nothing was run."
            )
        try:
            key = fingerprint_key(root)
        except OSError as error:
            raise ParameterError(
                f"The archive {root} cannot be written: {error.strerror}. Nothing was sent, nothing was run."
            ) from error
        except ValueError as error:
            raise ParameterError(f"{error}. Nothing was sent, nothing was run.") from error
        options: dict[str, Any] = {name: value for name, value in values.items() if name in _LOOK}
        options["client"] = client
        options["idle"] = options.get("idle") or None
        options["repeat"] = values.get("path_attempts", DEFAULT_REPEAT)
        often, budget = int(values.get("repeat", 1)), float(options.pop("budget", DEFAULT_BUDGET))
        seen: list[Evidence] = []

        def once(left: float) -> Evidence:
            progress("collecting …" if often == 1 else f"collecting {len(seen) + 1} of {often} …")
            return look_there(
                place, sent=sent, fingerprint_key=key, cancelled=interrupted, **{**options, "budget": left}
            )

        try:
            for one in try_often(once, repeat=often, budget=budget):
                seen.append(one)
        except CutShortError as cut:
            progress(f"{cut}: {cut.__cause__}")
            seen.append(cut.evidence)
        except (NotCollectedError, KeyboardInterrupt) as ended:
            if not seen:
                raise
            progress(f"{len(seen)} of {often} looks came back: {ended or 'interrupted'}")
        return tuple(seen)

    return look
